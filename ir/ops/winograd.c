/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Weights of Winograd's minimal filtering F(4x4, 3x3) with the points 0, 1, -1, 2, -2 and infinity
 * (Lavin and Gray, "Fast Algorithms for Convolutional Neural Networks"): U = G w G^T of each pair of
 * channels, the 36 values of which multiply those of the transformed input.
 */
#include "ir/ops/compute.h"

#include <stdlib.h>

enum { TAPS = 3, POINTS = 6 };

static const double transform[POINTS][TAPS] = {
    {1. / 4, 0, 0},
    {-1. / 6, -1. / 6, -1. / 6},
    {-1. / 6, 1. / 6, -1. / 6},
    {1. / 24, 1. / 12, 1. / 6},
    {1. / 24, -1. / 12, 1. / 6},
    {0, 0, 1},
};

static ran_status infer_winograd_filter(ran_infer *infer)
{
    const ran_dim *dims[RAN_MAX_RANK];
    const ran_type *w = infer->operands[0];
    ran_context *context = infer->context;
    const ran_dim *taps = ran_dim_constant(context, TAPS);
    if (ran_infer_dims(infer, 0, dims) != 4 || dims[2] != taps || dims[3] != taps)
        return ran_infer_error(infer, "w is %s; 3x3 weights have four axes, the last two of three",
                               ran_type_text(context, w));
    dims[2] = ran_dim_constant(context, POINTS * POINTS);
    return ran_infer_result(infer, 0, ran_type_elem(w), 3, dims);
}

static void transform_filter(const double *w, double *u)
{
    double half[POINTS][TAPS] = {{0}};
    for (int p = 0; p < POINTS; p++)
        for (int column = 0; column < TAPS; column++)
            for (int row = 0; row < TAPS; row++)
                half[p][column] += transform[p][row] * w[row * TAPS + column];
    for (int p = 0; p < POINTS; p++)
        for (int q = 0; q < POINTS; q++) {
            u[p * POINTS + q] = 0;
            for (int column = 0; column < TAPS; column++)
                u[p * POINTS + q] += transform[q][column] * half[p][column];
        }
}

static ran_status evaluate_winograd_filter(ran_evaluation *e)
{
    int64_t filters = ran_tensor_numel(e->operands[0]) / (TAPS * TAPS);
    double *w = ran_load_f64(e->operands[0]);
    double *u = RAN_NEW(double, ran_tensor_numel(e->results[0]));
    for (int64_t i = 0; i < filters; i++)
        transform_filter(w + i * TAPS * TAPS, u + i * POINTS * POINTS);
    ran_store_f64(e->results[0], u);
    free(w);
    free(u);
    return RAN_OK;
}

const ran_op_hooks ran_hooks_winograd_filter = {.infer = infer_winograd_filter,
                                                .evaluate = evaluate_winograd_filter};
