/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Gradients of ops that pick and place by indices: what was picked several times gets the sum.
 *
 * Ops that only move elements by a plan that is known beforehand (pad by reflection,
 * center_crop_pad, reverse_sequence, ...) share one way: the op applied to the numbers 0, 1, 2, ...
 * tells where each element of the result comes from.
 */
#include "ir/ops/gradient.h"

#include <string.h>

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

/* ---- topk, scatter
 * ------------------------------------------------------------------------------------------ */

static ran_value *scatter_elements(ran_gradient *g, ran_value *to, ran_value *indices,
                                   ran_value *updates, int64_t axis, const char *reduction)
{
    ran_value *operands[] = {to, indices, updates};
    ran_op *op = ran_gradient_op(g, RAN_OP_SCATTER_ELEMENTS, 3, operands, 1);
    ran_op_set_int(op, "axis", axis);
    ran_op_set_string(op, "reduction", reduction);
    return ran_gradient_finish(g, op);
}

ran_status ran_topk_gradient(ran_gradient *g, const ran_op *op)
{
    ran_value *d = ran_gradient_of(g, 0);
    if (!d)
        return RAN_OK;
    ran_value *zeros = ran_gradient_zeros_like(g, ran_op_operand(op, 0));
    ran_gradient_add(
        g, 0, scatter_elements(g, zeros, ran_op_result(op, 1), d, ran_op_int(op, "axis"), "none"));
    return RAN_OK;
}

/* What scatter_elements and scatter_nd put where, and read from there. */
static ran_value *put(ran_gradient *g, const ran_op *op, ran_value *to, ran_value *updates,
                      const char *reduction)
{
    if (op->opcode == RAN_OP_SCATTER_ELEMENTS)
        return scatter_elements(g, to, ran_op_operand(op, 1), updates, ran_op_int(op, "axis"),
                                reduction);
    ran_value *operands[] = {to, ran_op_operand(op, 1), updates};
    ran_op *scatter = ran_gradient_op(g, RAN_OP_SCATTER_ND, 3, operands, 1);
    ran_op_set_string(scatter, "reduction", reduction);
    return ran_gradient_finish(g, scatter);
}

static ran_value *pick(ran_gradient *g, const ran_op *op, ran_value *from)
{
    bool by_element = op->opcode == RAN_OP_SCATTER_ELEMENTS;
    ran_value *operands[] = {from, ran_op_operand(op, 1)};
    ran_op *gather =
        ran_gradient_op(g, by_element ? RAN_OP_GATHER_ELEMENTS : RAN_OP_GATHER_ND, 2, operands, 1);
    if (by_element)
        ran_op_set_int(gather, "axis", ran_op_int(op, "axis"));
    return ran_gradient_finish(g, gather);
}

/* y = x times the updates; y / x as the product of the updates alone, so that x may be 0. */
static void product_gradient(ran_gradient *g, const ran_op *op, ran_value *d)
{
    ran_value *x = ran_op_operand(op, 0), *updates = ran_op_operand(op, 2);
    ran_value *ones = ran_gradient_expand_like(g, ran_gradient_scalar(g, x, 1), x);
    if (ran_gradient_needed(g, 0))
        ran_gradient_add(g, 0, ran_gradient_mul(g, d, put(g, op, ones, updates, "mul")));
    if (ran_gradient_needed(g, 2)) {
        ran_value *picked = pick(g, op, ran_gradient_mul(g, d, ran_op_result(op, 0)));
        ran_gradient_add(g, 2, ran_gradient_binary(g, RAN_OP_DIV, picked, updates));
    }
}

/* The extremes share: x, and each update that equals the result. */
static void extreme_gradient(ran_gradient *g, const ran_op *op, ran_value *d)
{
    ran_value *x = ran_op_operand(op, 0), *updates = ran_op_operand(op, 2);
    ran_value *y = ran_op_result(op, 0), *zero = ran_gradient_scalar(g, d, 0);
    ran_elem elem = ran_type_elem(d->type);
    ran_value *x_wins = ran_gradient_binary(g, RAN_OP_EQUAL, x, y);
    ran_value *wins = ran_gradient_binary(g, RAN_OP_EQUAL, updates, pick(g, op, y));
    ran_value *count =
        put(g, op, ran_gradient_cast(g, x_wins, elem), ran_gradient_cast(g, wins, elem), "add");
    ran_value *share = ran_gradient_binary(g, RAN_OP_DIV, d, count);
    if (ran_gradient_needed(g, 0))
        ran_gradient_add(g, 0, ran_gradient_where(g, x_wins, share, zero));
    if (ran_gradient_needed(g, 2))
        ran_gradient_add(g, 2, ran_gradient_where(g, wins, pick(g, op, share), zero));
}

static ran_status scatter_gradient(ran_gradient *g, const ran_op *op)
{
    ran_value *d = ran_gradient_of(g, 0);
    const char *reduction = ran_op_string(op, "reduction");
    bool replaces = !strcmp(reduction, "none");
    if (!d)
        return RAN_OK;
    if (!strcmp(reduction, "mul")) {
        product_gradient(g, op, d);
    } else if (!replaces && strcmp(reduction, "add") != 0) {
        extreme_gradient(g, op, d);
    } else {
        ran_value *zeros = ran_gradient_zeros_like(g, ran_op_operand(op, 2));
        if (ran_gradient_needed(g, 0))
            ran_gradient_add(g, 0, replaces ? put(g, op, d, zeros, "none") : d);
        if (ran_gradient_needed(g, 2))
            ran_gradient_add(g, 2, pick(g, op, d));
    }
    return RAN_OK;
}

ran_status ran_scatter_elements_gradient(ran_gradient *g, const ran_op *op)
{
    return scatter_gradient(g, op);
}

ran_status ran_scatter_nd_gradient(ran_gradient *g, const ran_op *op)
{
    return scatter_gradient(g, op);
}

/* ---- Moves by a plan
 * ------------------------------------------------------------------------------------------ */

/* 1, 2, 3, ... in the shape of `like`. */
static ran_value *numbers_like(ran_gradient *g, ran_value *like)
{
    ran_value *range[] = {ran_gradient_axis(g, 1),
                          ran_gradient_axis(g, ran_type_numel(like->type) + 1),
                          ran_gradient_axis(g, 1)};
    ran_value *numbers = ran_gradient_finish(g, ran_gradient_op(g, RAN_OP_RANGE, 3, range, 1));
    return ran_gradient_reshape_like(g, numbers, like);
}

/* The sums of d by their number in `from`, in the shape of `like`; number 0 goes nowhere. */
static ran_value *sum_by_number(ran_gradient *g, ran_value *d, ran_value *from, ran_value *like)
{
    int64_t all = -1, numel = ran_type_numel(like->type), size = numel + 1;
    ran_value *zeros = ran_gradient_binary(g, RAN_OP_EXPAND, ran_gradient_scalar(g, d, 0),
                                           ran_gradient_ints(g, &size, 1));
    ran_value *sums = scatter_elements(g, zeros, ran_gradient_reshape(g, from, &all, 1),
                                       ran_gradient_reshape(g, d, &all, 1), 0, "add");
    return ran_gradient_reshape_like(g, ran_gradient_slice(g, sums, 0, 1, size), like);
}

/* The op on the numbers of the elements: where they went. Operands of float type behind x are
 * values that fill; without them the filling is 0. */
ran_status ran_moved_gradient(ran_gradient *g, const ran_op *op)
{
    ran_value *d = ran_gradient_of(g, 0), *x = ran_op_operand(op, 0), *operands[8] = {NULL};
    if (!d || !ran_gradient_needed(g, 0))
        return RAN_OK;
    if (!ran_gradient_is_static(x) || op->operand_count > 8)
        return ran_gradient_need_static(op);
    operands[0] = numbers_like(g, x);
    for (size_t i = 1; i < op->operand_count; i++) {
        ran_value *operand = ran_op_operand(op, i);
        bool fills = operand && ran_elem_is_float(ran_type_elem(operand->type));
        operands[i] = fills ? NULL : operand;
    }
    ran_op *moved = ran_gradient_op(g, op->opcode, op->operand_count, operands, 1);
    ran_gradient_copy_attrs(moved, op);
    ran_gradient_add(g, 0, sum_by_number(g, d, ran_gradient_finish(g, moved), x));
    return RAN_OK;
}

ran_status ran_tensor_scatter_gradient(ran_gradient *g, const ran_op *op)
{
    ran_value *d = ran_gradient_of(g, 0), *cache = ran_op_operand(op, 0);
    ran_value *update = ran_op_operand(op, 1);
    ran_status status = ran_gradient_need_static(op);
    if (!d || status != RAN_OK)
        return status;
    ran_value *none = ran_gradient_axis(g, 0);
    ran_value *operands[] = {ran_gradient_expand_like(g, none, cache), numbers_like(g, update),
                             ran_op_operand(op, 2)};
    ran_op *scatter = ran_gradient_op(g, RAN_OP_TENSOR_SCATTER, op->operand_count, operands, 1);
    ran_gradient_copy_attrs(scatter, op);
    ran_value *from = ran_gradient_finish(g, scatter);
    if (ran_gradient_needed(g, 0)) {
        ran_value *kept = ran_gradient_binary(g, RAN_OP_EQUAL, from, none);
        ran_gradient_add(g, 0, ran_gradient_where(g, kept, d, ran_gradient_scalar(g, d, 0)));
    }
    if (ran_gradient_needed(g, 1))
        ran_gradient_add(g, 1, sum_by_number(g, d, from, update));
    return RAN_OK;
}

/* The same op says where each element of x went. */
ran_status ran_max_unpool_gradient(ran_gradient *g, const ran_op *op)
{
    ran_value *d = ran_gradient_of(g, 0), *x = ran_op_operand(op, 0);
    ran_status status = ran_gradient_need_static(op);
    if (!d || status != RAN_OK)
        return status;
    ran_elem elem = ran_type_elem(x->type);
    ran_value *numbers = ran_gradient_cast(g, numbers_like(g, x), elem);
    ran_value *operands[] = {numbers, ran_op_operand(op, 1), ran_op_operand(op, 2)};
    ran_op *unpool = ran_gradient_op(g, RAN_OP_MAX_UNPOOL, op->operand_count, operands, 1);
    ran_gradient_copy_attrs(unpool, op);
    ran_value *from = ran_gradient_cast(g, ran_gradient_finish(g, unpool), RAN_ELEM_I64);
    ran_gradient_add(g, 0, sum_by_number(g, d, from, x));
    return RAN_OK;
}

/* values = [off, on] */
ran_status ran_one_hot_gradient(ran_gradient *g, const ran_op *op)
{
    ran_value *d = ran_gradient_of(g, 0), *values = ran_op_operand(op, 2);
    if (!d || !ran_gradient_needed(g, 2))
        return RAN_OK;
    ran_value *operands[] = {ran_op_operand(op, 0), ran_op_operand(op, 1), NULL};
    operands[2] = ran_gradient_ints(g, (int64_t[]){0, 1}, 2);
    ran_op *place = ran_gradient_op(g, RAN_OP_ONE_HOT, 3, operands, 1);
    ran_gradient_copy_attrs(place, op);
    int64_t all = -1;
    ran_value *from = ran_gradient_reshape(g, ran_gradient_finish(g, place), &all, 1);
    ran_gradient_add(g, 2,
                     scatter_elements(g, ran_gradient_zeros_like(g, values), from,
                                      ran_gradient_reshape(g, d, &all, 1), 0, "add"));
    return RAN_OK;
}
