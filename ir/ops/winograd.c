/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Weights of Winograd's minimal filtering F(4x4, 3x3) (Lavin and Gray, "Fast Algorithms for
 * Convolutional Neural Networks"): U = G w G^T of each pair of channels, the 36 values of which multiply
 * those of the transformed input. The points are 0, A, -A, B, -B and infinity, with A = 5/8 and B = 3/2;
 * codegen/conv/winograd.h tells why.
 */
#include "ir/ops/compute.h"

#include <stdlib.h>

enum { TAPS = 3, POINTS = 6 };

#define A (5. / 8)
#define B (3. / 2)
#define OF_A (1 / (2 * A * A * (A * A - B * B)))
#define OF_B (1 / (2 * B * B * (B * B - A * A)))

static const double transform[POINTS][TAPS] = {
    {1 / (A * A * B * B), 0, 0},
    {OF_A, A * OF_A, A * A * OF_A},
    {OF_A, -A * OF_A, A * A * OF_A},
    {OF_B, B * OF_B, B * B * OF_B},
    {OF_B, -B * OF_B, B * B * OF_B},
    {0, 0, 1},
};

static ran_status infer_winograd_filter(ran_infer *infer)
{
    const ran_dim *dims[RAN_MAX_RANK];
    ran_context *context = infer->context;
    const ran_dim *taps = ran_dim_constant(context, TAPS);
    int64_t block = ran_op_int(infer->op, "block"), o = ran_op_int(infer->op, "transposed");
    if (ran_infer_dims(infer, 0, dims) != 4 || dims[2] != taps || dims[3] != taps)
        return ran_infer_error(infer, "w is %s; 3x3 weights have four axes, the last two of three",
                               ran_type_text(context, infer->operands[0]));
    if (block < 1 || o < 0 || o > 1)
        return ran_infer_error(infer, "block = %lld or transposed = %lld is out of range",
                               (long long)block, (long long)o);
    const ran_dim *lanes = ran_dim_constant(context, block);
    const ran_dim *result[] = {ran_dim_ceil_constant(context, dims[o], block),
                               ran_dim_constant(context, POINTS * POINTS),
                               ran_dim_ceil_constant(context, dims[1 - o], block), lanes, lanes};
    return ran_infer_result(infer, 0, ran_type_elem(infer->operands[0]), 5, result);
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

static void turn_taps(double *w)
{
    for (int tap = 0; tap < TAPS * TAPS / 2; tap++) {
        double first = w[tap];
        w[tap] = w[TAPS * TAPS - 1 - tap];
        w[TAPS * TAPS - 1 - tap] = first;
    }
}

static ran_status evaluate_winograd_filter(ran_evaluation *e)
{
    const int64_t *in = ran_tensor_dims(e->operands[0]), *out = ran_tensor_dims(e->results[0]);
    int64_t block = out[4], transposed = ran_op_int(e->op, "transposed");
    double *w = ran_load_f64(e->operands[0]), u[POINTS * POINTS];
    double *to = RAN_NEW(double, ran_tensor_numel(e->results[0]));
    for (int64_t n = 0; n < in[0] * in[1]; n++) {
        int64_t o = transposed ? n % in[1] : n / in[1], i = transposed ? n / in[1] : n % in[1];
        if (transposed)
            turn_taps(w + n * TAPS * TAPS);
        transform_filter(w + n * TAPS * TAPS, u);
        for (int64_t p = 0; p < POINTS * POINTS; p++)
            to[(((o / block * out[1] + p) * out[2] + i / block) * block + i % block) * block +
               o % block] = u[p];
    }
    ran_store_f64(e->results[0], to);
    free(w);
    free(to);
    return RAN_OK;
}

const ran_op_hooks ran_hooks_winograd_filter = {.infer = infer_winograd_filter,
                                                .evaluate = evaluate_winograd_filter};
