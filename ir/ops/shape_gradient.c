/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Gradients of what changes shapes and moves data: the same data, moved back. */
#include "ir/ops/gradient.h"

#include <string.h>

/* ---- reshape and its kin
 * ----------------------------------------------------------------------------- */

/* reshape, flatten, squeeze, unsqueeze */
ran_status ran_reshape_gradient(ran_gradient *g, const ran_op *op)
{
    ran_value *d = ran_gradient_of(g, 0);
    if (d && ran_gradient_needed(g, 0))
        ran_gradient_add(g, 0, ran_gradient_reshape_like(g, d, ran_op_operand(op, 0)));
    return RAN_OK;
}

ran_status ran_transpose_gradient(ran_gradient *g, const ran_op *op)
{
    size_t count;
    ran_value *d = ran_gradient_of(g, 0);
    const int64_t *perm = ran_op_ints(op, "perm", &count);
    int64_t inverse[RAN_MAX_RANK];
    int rank = ran_gradient_rank(ran_op_operand(op, 0));
    if (!d)
        return RAN_OK;
    for (int i = 0; i < rank; i++)
        inverse[count ? perm[i] : rank - 1 - i] = i;
    ran_gradient_add(g, 0, ran_gradient_transpose(g, d, inverse, (size_t)rank));
    return RAN_OK;
}

/* Also where expand's shape is smaller than x: it broadcasts both ways. */
ran_status ran_expand_gradient(ran_gradient *g, const ran_op *op)
{
    ran_value *d = ran_gradient_of(g, 0);
    if (d)
        ran_gradient_add(g, 0, ran_gradient_reduce_to(g, d, ran_op_operand(op, 0)));
    return RAN_OK;
}

/* ---- concat and split
 * --------------------------------------------------------------------------------- */

ran_status ran_concat_gradient(ran_gradient *g, const ran_op *op)
{
    ran_value *d = ran_gradient_of(g, 0);
    int64_t start = 0;
    ran_status status = ran_gradient_need_static(op);
    if (!d || status != RAN_OK)
        return status;
    int axis = ran_axis(ran_op_int(op, "axis"), ran_gradient_rank(d));
    for (size_t i = 0; i < op->operand_count; i++) {
        int64_t end = start + ran_gradient_extent(ran_op_operand(op, i), axis);
        if (ran_gradient_needed(g, i))
            ran_gradient_add(g, i, ran_gradient_slice(g, d, axis, start, end));
        start = end;
    }
    return RAN_OK;
}

ran_status ran_split_gradient(ran_gradient *g, const ran_op *op)
{
    ran_status status = ran_gradient_need_static(op);
    if (status != RAN_OK)
        return status;
    ran_value **parts = ran_arena_alloc(ran_module_arena(ran_gradient_builder(g)->module),
                                        op->result_count * sizeof(ran_value *));
    for (size_t i = 0; i < op->result_count; i++) {
        parts[i] = ran_gradient_of(g, i);
        if (!parts[i])
            parts[i] = ran_gradient_zeros_like(g, &op->results[i]);
    }
    ran_op *concat = ran_gradient_op(g, RAN_OP_CONCAT, op->result_count, parts, 1);
    ran_op_set_int(concat, "axis", ran_op_int(op, "axis"));
    ran_gradient_add(g, 0, ran_gradient_finish(g, concat));
    return RAN_OK;
}

/* ---- slice
 * ------------------------------------------------------------------------------------------------
 */

/* One axis of a slice, as ONNX clamps it: positions start + i * step for i below count. */
typedef struct range {
    int axis;
    int64_t start, step, count, extent;
} range;

static int64_t clamp(int64_t value, int64_t low, int64_t high)
{
    return value < low ? low : value > high ? high : value;
}

static range range_of(const ran_value *x, const ran_value *y, int axis, int64_t start, int64_t step)
{
    int64_t extent = ran_gradient_extent(x, axis);
    start = start < 0 ? start + extent : start;
    start = step > 0 ? clamp(start, 0, extent) : clamp(start, 0, extent - 1);
    return (range){axis, start, step, ran_gradient_extent(y, axis), extent};
}

static ran_value *reverse(ran_gradient *g, ran_value *d, int axis)
{
    ran_value *operands[] = {d, ran_gradient_ints(g, &(int64_t){-1}, 1),
                             ran_gradient_ints(g, &(int64_t){INT64_MIN + 1}, 1),
                             ran_gradient_ints(g, &(int64_t){axis}, 1),
                             ran_gradient_ints(g, &(int64_t){-1}, 1)};
    return ran_gradient_finish(g, ran_gradient_op(g, RAN_OP_SLICE, 5, operands, 1));
}

/* step - 1 zeros behind each position: as columns of a new axis. */
static ran_value *dilate(ran_gradient *g, ran_value *d, int axis, int64_t step)
{
    int64_t dims[RAN_MAX_RANK], behind = axis + 1;
    int rank = ran_gradient_rank(d);
    if (step == 1)
        return d;
    for (int i = 0; i < rank; i++)
        dims[i] = ran_gradient_extent(d, i) * (i == axis ? step : 1);
    ran_value *columns = ran_gradient_unsqueeze(g, d, &behind, 1);
    columns = ran_gradient_pad(g, columns, axis + 1, 0, step - 1);
    return ran_gradient_reshape(g, columns, dims, (size_t)rank);
}

static ran_value *put_back(ran_gradient *g, ran_value *d, const range *r)
{
    int64_t step = r->step < 0 ? -r->step : r->step;
    int64_t first = r->step < 0 ? r->start - (r->count - 1) * step : r->start;
    if (r->step < 0)
        d = reverse(g, d, r->axis);
    d = dilate(g, d, r->axis, step);
    return ran_gradient_pad(g, d, r->axis, first, r->extent - first - r->count * step);
}

ran_status ran_slice_gradient(ran_gradient *g, const ran_op *op)
{
    int64_t starts[RAN_MAX_RANK], axes[RAN_MAX_RANK], steps[RAN_MAX_RANK];
    ran_value *d = ran_gradient_of(g, 0), *x = ran_op_operand(op, 0), *y = ran_op_result(op, 0);
    int64_t count = ran_op_known_ints(op, 1, starts, RAN_MAX_RANK);
    ran_status status = ran_gradient_need_static(op);
    if (!d || status != RAN_OK)
        return status;
    for (int64_t i = 0; i < count; i++) {
        axes[i] = i;
        steps[i] = 1;
    }
    if (count < 0 || (ran_op_operand(op, 3) && ran_op_known_ints(op, 3, axes, RAN_MAX_RANK) < 0) ||
        (ran_op_operand(op, 4) && ran_op_known_ints(op, 4, steps, RAN_MAX_RANK) < 0))
        return ran_op_error(op, RAN_UNSUPPORTED, "its gradient needs known starts, axes and steps");
    if (ran_type_numel(y->type) == 0)
        return RAN_OK;
    for (int64_t i = 0; i < count; i++) {
        int axis = ran_axis(axes[i], ran_gradient_rank(x));
        range r = range_of(x, y, axis, starts[i], steps[i]);
        if (r.count != r.extent || r.step != 1)
            d = put_back(g, d, &r);
    }
    ran_gradient_add(g, 0, d);
    return RAN_OK;
}

/* ---- pad, tile, trilu
 * -------------------------------------------------------------------------------------- */

static ran_status constant_pad_gradient(ran_gradient *g, const ran_op *op, ran_value *d)
{
    int64_t pads[2 * RAN_MAX_RANK], axes[RAN_MAX_RANK];
    ran_value *x = ran_op_operand(op, 0), *inner = d;
    int64_t count = ran_op_known_ints(op, 1, pads, 2 * RAN_MAX_RANK) / 2;
    for (int64_t i = 0; i < count; i++)
        axes[i] = i;
    if (count <= 0 || (ran_op_operand(op, 3) && ran_op_known_ints(op, 3, axes, RAN_MAX_RANK) < 0))
        return ran_op_error(op, RAN_UNSUPPORTED, "its gradient needs known pads and axes");
    for (int64_t i = 0; i < count; i++)
        inner = ran_gradient_pad(g, inner, ran_axis(axes[i], ran_gradient_rank(x)), -pads[i],
                                 -pads[count + i]);
    if (ran_gradient_needed(g, 0))
        ran_gradient_add(g, 0, inner);
    if (!ran_gradient_needed(g, 2))
        return RAN_OK;
    /* The value fills what is not inside; positive pads only, or a part of d would count as filled.
     */
    for (int64_t i = 0; i < 2 * count; i++)
        if (pads[i] < 0)
            return ran_op_error(op, RAN_UNSUPPORTED,
                                "the gradient of its value needs pads that don't crop");
    ran_op *all = ran_gradient_op(g, RAN_OP_REDUCE_SUM, 1, &d, 1);
    ran_op *kept = ran_gradient_op(g, RAN_OP_REDUCE_SUM, 1, &inner, 1);
    ran_op_set_int(all, "keepdims", 0);
    ran_op_set_int(kept, "keepdims", 0);
    ran_value *sum = ran_gradient_finish(g, all);
    sum = ran_gradient_binary(g, RAN_OP_SUB, sum, ran_gradient_finish(g, kept));
    ran_gradient_add(g, 2, ran_gradient_reshape_like(g, sum, ran_op_operand(op, 2)));
    return RAN_OK;
}

ran_status ran_pad_gradient(ran_gradient *g, const ran_op *op)
{
    ran_value *d = ran_gradient_of(g, 0);
    ran_status status = ran_gradient_need_static(op);
    if (!d || status != RAN_OK)
        return status;
    return strcmp(ran_op_string(op, "mode"), "constant") ? ran_moved_gradient(g, op)
                                                         : constant_pad_gradient(g, op, d);
}

/* y as [repeats, extent] for each axis, summed over the repeats. */
ran_status ran_tile_gradient(ran_gradient *g, const ran_op *op)
{
    int64_t dims[2 * RAN_MAX_RANK], axes[RAN_MAX_RANK];
    ran_value *d = ran_gradient_of(g, 0), *x = ran_op_operand(op, 0);
    int rank = ran_gradient_rank(x);
    ran_status status = ran_gradient_need_static(op);
    if (status == RAN_OK && 2 * rank > RAN_MAX_RANK)
        return ran_moved_gradient(g, op);
    if (!d || status != RAN_OK || !ran_type_numel(d->type))
        return status;
    for (int i = 0; i < rank; i++) {
        dims[2 * i] = ran_gradient_extent(d, i) / ran_gradient_extent(x, i);
        dims[2 * i + 1] = ran_gradient_extent(x, i);
        axes[i] = 2 * i;
    }
    ran_value *repeats = ran_gradient_reshape(g, d, dims, 2 * (size_t)rank);
    ran_gradient_add(g, 0,
                     ran_gradient_reduce(g, RAN_OP_REDUCE_SUM, repeats, axes, (size_t)rank, false));
    return RAN_OK;
}

ran_status ran_trilu_gradient(ran_gradient *g, const ran_op *op)
{
    ran_value *operands[] = {ran_gradient_of(g, 0), ran_op_operand(op, 1)};
    if (!operands[0])
        return RAN_OK;
    ran_op *dx = ran_gradient_op(g, RAN_OP_TRILU, op->operand_count, operands, 1);
    ran_gradient_copy_attrs(dx, op);
    ran_gradient_add(g, 0, ran_gradient_finish(g, dx));
    return RAN_OK;
}

/* ---- depth_to_space, space_to_depth
 * -------------------------------------------------------------------------- */

static ran_value *to_depth(ran_gradient *g, ran_value *d, int64_t block)
{
    ran_op *op = ran_gradient_op(g, RAN_OP_SPACE_TO_DEPTH, 1, &d, 1);
    ran_op_set_int(op, "blocksize", block);
    return ran_gradient_finish(g, op);
}

/* space_to_depth undoes the DCR order; CRD has the channel in front of the block's positions. */
ran_status ran_depth_to_space_gradient(ran_gradient *g, const ran_op *op)
{
    ran_value *d = ran_gradient_of(g, 0), *x = ran_op_operand(op, 0);
    int64_t block = ran_op_int(op, "blocksize");
    ran_status status = ran_gradient_need_static(op);
    if (!d || status != RAN_OK)
        return status;
    ran_value *dx = to_depth(g, d, block);
    if (!strcmp(ran_op_string(op, "mode"), "CRD")) {
        int64_t area = block * block, channels = ran_gradient_extent(x, 1) / area;
        int64_t split[] = {ran_gradient_extent(x, 0), area, channels, ran_gradient_extent(x, 2),
                           ran_gradient_extent(x, 3)};
        dx = ran_gradient_reshape(g, dx, split, 5);
        dx = ran_gradient_transpose(g, dx, (int64_t[]){0, 2, 1, 3, 4}, 5);
        dx = ran_gradient_reshape_like(g, dx, x);
    }
    ran_gradient_add(g, 0, dx);
    return RAN_OK;
}

ran_status ran_space_to_depth_gradient(ran_gradient *g, const ran_op *op)
{
    ran_value *d = ran_gradient_of(g, 0);
    if (!d)
        return RAN_OK;
    ran_op *dx = ran_gradient_op(g, RAN_OP_DEPTH_TO_SPACE, 1, &d, 1);
    ran_op_set_int(dx, "blocksize", ran_op_int(op, "blocksize"));
    ran_gradient_add(g, 0, ran_gradient_finish(g, dx));
    return RAN_OK;
}

/* ---- Sequences of numbers
 * -------------------------------------------------------------------------------------- */

/* y[i] = start + i * delta */
ran_status ran_range_gradient(ran_gradient *g, const ran_op *op)
{
    ran_value *d = ran_gradient_of(g, 0), *y = ran_op_result(op, 0);
    int64_t axis = 0;
    if (!d)
        return RAN_OK;
    if (ran_gradient_needed(g, 0))
        ran_gradient_add(g, 0,
                         ran_gradient_reshape_like(
                             g, ran_gradient_reduce(g, RAN_OP_REDUCE_SUM, d, &axis, 1, false),
                             ran_op_operand(op, 0)));
    if (!ran_gradient_needed(g, 2))
        return RAN_OK;
    ran_value *steps = ran_gradient_binary(g, RAN_OP_SUB, y, ran_op_operand(op, 0));
    steps = ran_gradient_binary(g, RAN_OP_DIV, steps, ran_op_operand(op, 2));
    ran_value *sum =
        ran_gradient_reduce(g, RAN_OP_REDUCE_SUM, ran_gradient_mul(g, d, steps), &axis, 1, false);
    ran_gradient_add(g, 2, ran_gradient_reshape_like(g, sum, ran_op_operand(op, 2)));
    return RAN_OK;
}

static ran_value *cumulate(ran_gradient *g, const ran_op *like, ran_value *x)
{
    ran_value *operands[] = {x, ran_op_operand(like, 1)};
    ran_op *op = ran_gradient_op(g, RAN_OP_CUMSUM, 2, operands, 1);
    ran_op_set_int(op, "reverse", !ran_op_int(like, "reverse"));
    ran_op_set_int(op, "exclusive", ran_op_int(like, "exclusive"));
    return ran_gradient_finish(g, op);
}

/* Sums the other way round. Of a product, x divides: a zero factor gives no finite gradient. */
ran_status ran_cumulate_gradient(ran_gradient *g, const ran_op *op)
{
    ran_value *d = ran_gradient_of(g, 0), *x = ran_op_operand(op, 0);
    if (!d)
        return RAN_OK;
    if (op->opcode == RAN_OP_CUMSUM) {
        ran_gradient_add(g, 0, cumulate(g, op, d));
        return RAN_OK;
    }
    ran_value *sums = cumulate(g, op, ran_gradient_mul(g, d, ran_op_result(op, 0)));
    ran_gradient_add(g, 0, ran_gradient_binary(g, RAN_OP_DIV, sums, x));
    return RAN_OK;
}
