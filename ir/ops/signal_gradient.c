/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Gradients of Fourier transforms.
 *
 * On real and imaginary parts the transform is linear, and its adjoint is the transform of the
 * other direction without its factor. The short-time transform is one of windowed frames, gathered.
 */
#include "ir/ops/gradient.h"

/* ---- dft
 * ------------------------------------------------------------------------------------------------
 */

typedef struct transform {
    int axis;
    int64_t length, terms, parts; /* of x along the axis; 1: real, 2: complex */
    bool inverse;
} transform;

static ran_status read_transform(const ran_op *op, transform *t)
{
    ran_value *x = ran_op_operand(op, 0);
    int64_t axis = -2;
    int rank = ran_gradient_rank(x);
    if (ran_op_operand(op, 2) && ran_op_known_ints(op, 2, &axis, 1) != 1)
        return ran_op_error(op, RAN_UNSUPPORTED, "its gradient needs a known axis");
    t->axis = ran_axis(axis, rank);
    t->terms = t->length = ran_gradient_extent(x, t->axis);
    t->parts = ran_gradient_extent(x, rank - 1);
    t->inverse = ran_op_int(op, "inverse") != 0;
    if (ran_op_operand(op, 1) && ran_op_known_ints(op, 1, &t->length, 1) != 1)
        return ran_op_error(op, RAN_UNSUPPORTED, "its gradient needs a known length");
    return RAN_OK;
}

/* Bins that onesided left out have no gradient; terms behind the length were cut off. */
ran_status ran_dft_gradient(ran_gradient *g, const ran_op *op)
{
    ran_value *dy = ran_gradient_of(g, 0);
    transform t;
    ran_status status = ran_gradient_need_static(op);
    if (status == RAN_OK)
        status = read_transform(op, &t);
    if (!dy || status != RAN_OK)
        return status;
    dy = ran_gradient_pad(g, dy, t.axis, 0, t.length - ran_gradient_extent(dy, t.axis));
    ran_value *operands[] = {dy, ran_gradient_axis(g, t.length), ran_gradient_axis(g, t.axis)};
    ran_op *other = ran_gradient_op(g, RAN_OP_DFT, 3, operands, 1);
    ran_op_set_int(other, "inverse", !t.inverse);
    ran_value *dx = ran_gradient_finish(g, other);
    double factor = t.inverse ? 1 / (double)t.length : (double)t.length;
    dx = ran_gradient_pad(g, dx, t.axis, 0, t.terms - t.length);
    dx = ran_gradient_pad(g, dx, ran_gradient_rank(dx) - 1, 0, t.parts - 2);
    ran_gradient_add(g, 0, ran_gradient_scale(g, dx, factor));
    return RAN_OK;
}

/* ---- stft
 * -----------------------------------------------------------------------------------------------
 */

/* [batch, frames, length, parts]: the terms of each frame. */
static ran_value *gather_frames(ran_gradient *g, ran_value *signal, int64_t frames, int64_t step,
                                int64_t length)
{
    int64_t last = 3, *terms = ran_arena_alloc(ran_module_arena(ran_gradient_builder(g)->module),
                                               (size_t)(frames * length) * sizeof *terms);
    for (int64_t i = 0; i < frames * length; i++)
        terms[i] = i / length * step + i % length;
    ran_value *indices = ran_gradient_ints(g, terms, (size_t)(frames * length));
    indices = ran_gradient_reshape(g, indices, (int64_t[]){frames, length}, 2);
    ran_op *gather = ran_gradient_op(g, RAN_OP_GATHER, 2, (ran_value *[]){signal, indices}, 1);
    ran_op_set_int(gather, "axis", 1);
    ran_value *gathered = ran_gradient_finish(g, gather);
    return ran_gradient_rank(signal) == 3 ? gathered
                                          : ran_gradient_unsqueeze(g, gathered, &last, 1);
}

static ran_status compose_stft(ran_gradient *g, const ran_op *op, ran_value **out_results)
{
    ran_value *signal = ran_op_operand(op, 0), *window = ran_op_operand(op, 2);
    int64_t frames = ran_gradient_extent(ran_op_result(op, 0), 1), step;
    int64_t length = ran_gradient_extent(window ? window : signal, window ? 0 : 1);
    bool known = ran_op_known_ints(op, 1, &step, 1) == 1;
    if (ran_op_operand(op, 3))
        known &= ran_op_known_ints(op, 3, &length, 1) == 1;
    if (!known)
        return ran_op_error(op, RAN_UNSUPPORTED, "its gradient needs a known step and length");
    ran_value *terms = gather_frames(g, signal, frames, step, length);
    if (window)
        terms =
            ran_gradient_mul(g, terms, ran_gradient_reshape(g, window, (int64_t[]){length, 1}, 2));
    ran_value *operands[] = {terms, ran_gradient_axis(g, length), ran_gradient_axis(g, 2)};
    ran_op *bins = ran_gradient_op(g, RAN_OP_DFT, 3, operands, 1);
    ran_op_set_int(bins, "onesided", ran_op_int(op, "onesided"));
    out_results[0] = ran_gradient_finish(g, bins);
    return RAN_OK;
}

ran_status ran_stft_gradient(ran_gradient *g, const ran_op *op)
{
    ran_status status = ran_gradient_need_static(op);
    return status == RAN_OK ? ran_gradient_by_composition(g, op, compose_stft) : status;
}
