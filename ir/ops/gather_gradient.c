/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Gradients of ops that pick and place by indices: what was picked several times gets the sum.
 *
 * Ops that only move elements by a plan that is known beforehand (pad by reflection,
 * center_crop_pad, reverse_sequence, ...) share one way: the op applied to the numbers 0, 1, 2, ...
 * tells where each element of the result comes from.
 */
#include "ir/ops/gradient.h"

static ran_value *scatter_add(ran_gradient *g, ran_opcode opcode, ran_value *like,
                              ran_value *indices, ran_value *updates)
{
    ran_value *operands[] = {ran_gradient_zeros_like(g, like), indices, updates};
    ran_op *op = ran_gradient_op(g, opcode, 3, operands, 1);
    ran_op_set_string(op, "reduction", "add");
    return ran_gradient_finish(g, op);
}

/* ---- gather
 * ------------------------------------------------------------------------------------------------
 */

/* x with `axis` brought to the front, or the other way round. */
static ran_value *move_axis(ran_gradient *g, ran_value *x, int axis, int width, bool to_front)
{
    int64_t perm[RAN_MAX_RANK], inverse[RAN_MAX_RANK];
    int rank = ran_gradient_rank(x);
    if (!axis)
        return x;
    for (int i = 0; i < rank; i++)
        perm[i] = i < width ? axis + i : i < width + axis ? i - width : i;
    for (int i = 0; i < rank; i++)
        inverse[perm[i]] = i;
    return ran_gradient_transpose(g, x, to_front ? perm : inverse, (size_t)rank);
}

ran_status ran_gather_gradient(ran_gradient *g, const ran_op *op)
{
    ran_value *d = ran_gradient_of(g, 0), *x = ran_op_operand(op, 0);
    ran_value *indices = ran_op_operand(op, 1);
    if (!d || !ran_gradient_needed(g, 0))
        return RAN_OK;
    int axis = ran_axis(ran_op_int(op, "axis"), ran_gradient_rank(x));
    int64_t last = ran_gradient_rank(indices);
    ran_value *front = move_axis(g, d, axis, (int)last, true);
    ran_value *tuples = ran_gradient_unsqueeze(g, indices, &last, 1);
    /* Only its type matters: x with the axis in front. */
    ran_value *like = axis ? move_axis(g, x, axis, 1, true) : x;
    ran_value *sum = scatter_add(g, RAN_OP_SCATTER_ND, like, tuples, front);
    ran_gradient_add(g, 0, move_axis(g, sum, axis, 1, false));
    return RAN_OK;
}

ran_status ran_gather_elements_gradient(ran_gradient *g, const ran_op *op)
{
    ran_value *d = ran_gradient_of(g, 0), *x = ran_op_operand(op, 0);
    if (!d || !ran_gradient_needed(g, 0))
        return RAN_OK;
    ran_value *operands[] = {ran_gradient_zeros_like(g, x), ran_op_operand(op, 1), d};
    ran_op *scatter = ran_gradient_op(g, RAN_OP_SCATTER_ELEMENTS, 3, operands, 1);
    ran_op_set_string(scatter, "reduction", "add");
    ran_op_set_int(scatter, "axis", ran_op_int(op, "axis"));
    ran_gradient_add(g, 0, ran_gradient_finish(g, scatter));
    return RAN_OK;
}

/* With batch axes, tuples get the batch's position in front. */
static ran_value *full_tuples(ran_gradient *g, const ran_op *op, int64_t batch_dims)
{
    ran_value *indices = ran_op_operand(op, 1);
    int rank = ran_gradient_rank(indices);
    for (int64_t axis = batch_dims - 1; axis >= 0; axis--) {
        int64_t dims[RAN_MAX_RANK];
        for (int i = 0; i < rank; i++)
            dims[i] = i == rank - 1 ? 1 : ran_gradient_extent(indices, i);
        int64_t spread[RAN_MAX_RANK], extent = dims[axis];
        for (int i = 0; i < rank; i++)
            spread[i] = i == axis ? extent : 1;
        ran_value *range[] = {ran_gradient_axis(g, 0), ran_gradient_axis(g, extent),
                              ran_gradient_axis(g, 1)};
        ran_value *numbers = ran_gradient_finish(g, ran_gradient_op(g, RAN_OP_RANGE, 3, range, 1));
        numbers = ran_gradient_reshape(g, numbers, spread, (size_t)rank);
        numbers = ran_gradient_binary(g, RAN_OP_EXPAND, numbers,
                                      ran_gradient_ints(g, dims, (size_t)rank));
        ran_value *both[] = {numbers, indices};
        ran_op *concat = ran_gradient_op(g, RAN_OP_CONCAT, 2, both, 1);
        ran_op_set_int(concat, "axis", rank - 1);
        indices = ran_gradient_finish(g, concat);
    }
    return indices;
}

ran_status ran_gather_nd_gradient(ran_gradient *g, const ran_op *op)
{
    ran_value *d = ran_gradient_of(g, 0);
    int64_t batch_dims = ran_op_int(op, "batch_dims");
    ran_status status = batch_dims ? ran_gradient_need_static(op) : RAN_OK;
    if (!d || !ran_gradient_needed(g, 0) || status != RAN_OK)
        return status;
    ran_value *tuples = full_tuples(g, op, batch_dims);
    ran_gradient_add(g, 0, scatter_add(g, RAN_OP_SCATTER_ND, ran_op_operand(op, 0), tuples, d));
    return RAN_OK;
}
