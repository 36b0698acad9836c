/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Ops about shapes: shape, size, and those that give the same elements another shape.
 *
 * Walk: `reshape %x, %s` with x of [N, 8, 4] and s = concat(gather(shape %x), [-1]), whose elements
 * are known to be [N, -1]: the wildcard becomes N*8*4 / N = 32 because equal factors cancel, so the
 * result is [N, 32] although N is not known.
 */
#include "ir/ops/ops.h"
#include "ir/ops/gradient.h"

#include <string.h>

static ran_status copy_all(ran_evaluation *evaluation)
{
    const ran_tensor *x = evaluation->operands[0];
    ran_status status = ran_eval_create(evaluation, 0, ran_tensor_elem(x), ran_tensor_rank(x),
                                        ran_tensor_dims(x));
    if (status != RAN_OK)
        return status;
    ran_copy_elements(evaluation->results[0], 0, x, 0, ran_tensor_numel(x));
    return RAN_OK;
}

/* ---- identity ----------------------------------------------------------------------------------- */

static ran_status infer_identity(ran_infer *infer)
{
    infer->results[0] = infer->operands[0];
    ran_infer_forward_known(infer, 0);
    return RAN_OK;
}

const ran_op_hooks ran_hooks_identity = {
    .infer = infer_identity, .evaluate = copy_all, .gradient = ran_identity_gradient};

/* ---- shape, size --------------------------------------------------------------------------------- */

static int64_t clamp_axis(int64_t axis, int rank)
{
    if (axis < 0)
        axis += rank;
    return axis < 0 ? 0 : axis > rank ? rank : axis;
}

/* The part of the shape that `start` and `end` select. */
static int select_axes(const ran_op *op, int rank, int *out_first)
{
    int64_t first = clamp_axis(ran_op_int(op, "start"), rank);
    int64_t end = ran_op_has_attr(op, "end") ? clamp_axis(ran_op_int(op, "end"), rank) : rank;
    *out_first = (int)first;
    return end > first ? (int)(end - first) : 0;
}

static ran_status infer_shape(ran_infer *infer)
{
    const ran_dim *dims[RAN_MAX_RANK];
    int rank = ran_infer_dims(infer, 0, dims), first;
    if (rank < 0)
        return ran_infer_result(infer, 0, RAN_ELEM_I64, 1,
                                (const ran_dim *[]){ran_dim_fresh(infer->context)});
    int count = select_axes(infer->op, rank, &first);
    const ran_dim **known = ran_infer_known(infer, 0, (size_t)count);
    for (int i = 0; known && i < count; i++)
        known[i] = dims[first + i];
    return ran_infer_result(infer, 0, RAN_ELEM_I64, 1,
                            (const ran_dim *[]){ran_dim_constant(infer->context, count)});
}

static ran_status evaluate_shape(ran_evaluation *evaluation)
{
    const ran_tensor *x = evaluation->operands[0];
    int first, count = select_axes(evaluation->op, ran_tensor_rank(x), &first);
    for (int i = 0; i < count; i++)
        ran_tensor_set_i64(evaluation->results[0], i, ran_tensor_dims(x)[first + i]);
    return RAN_OK;
}

const ran_op_hooks ran_hooks_shape = {.infer = infer_shape, .evaluate = evaluate_shape};

static ran_status infer_size(ran_infer *infer)
{
    const ran_dim *dims[RAN_MAX_RANK];
    int rank = ran_infer_dims(infer, 0, dims);
    const ran_dim **known = rank < 0 ? NULL : ran_infer_known(infer, 0, 1);
    if (known)
        known[0] = ran_dim_quotient(infer->context, (size_t)rank, dims, 0, NULL);
    if (known && !known[0])
        return ran_infer_error(infer, "the number of elements overflows");
    return ran_infer_result(infer, 0, RAN_ELEM_I64, 0, NULL);
}

static ran_status evaluate_size(ran_evaluation *evaluation)
{
    ran_tensor_set_i64(evaluation->results[0], 0, ran_tensor_numel(evaluation->operands[0]));
    return RAN_OK;
}

const ran_op_hooks ran_hooks_size = {.infer = infer_size, .evaluate = evaluate_size};

/* ---- reshape ------------------------------------------------------------------------------------- */

static ran_status reshape_error(ran_infer *infer, size_t count, const ran_dim *const *shape)
{
    char text[256] = "";
    for (size_t i = 0, length = 0; i < count && length < sizeof text; i++) {
        const char *comma = i ? ", " : "";
        bool constant = ran_dim_is_constant(shape[i]);
        length += (size_t)(constant ? snprintf(text + length, sizeof text - length, "%s%lld", comma,
                                               (long long)ran_dim_value(shape[i]))
                                    : snprintf(text + length, sizeof text - length, "%s%s", comma,
                                               ran_dim_text(infer->context, shape[i])));
    }
    return ran_infer_error(infer, "can't reshape %s to [%s]",
                           ran_type_text(infer->context, infer->operands[0]), text);
}

/* An element that turns out as 0 when the model runs copies x's size, so that must be 0 as well:
 * shape * size >= size says so without a case. */
static void require_no_copy(const ran_infer *infer, size_t axis, const ran_dim *requested)
{
    const ran_dim *size = ran_type_dim(infer->operands[0], (int)axis);
    ran_infer_require(infer, RAN_AT_LEAST, "an element of shape that may be 0 copies a size",
                      ran_dim_mul(infer->context, requested, size), size);
}

/* Fills `out_dims` from the requested shape: 0 copies, -1 is left NULL and its place returned. */
static ran_status copy_requested(ran_infer *infer, size_t count, const ran_dim *const *shape,
                                 const ran_dim **out_dims, int *out_wildcard)
{
    const ran_type *x = infer->operands[0];
    bool allow_zero = ran_op_int(infer->op, "allowzero") != 0;
    *out_wildcard = -1;
    for (size_t i = 0; i < count; i++) {
        out_dims[i] = shape[i];
        if (ran_dim_is(shape[i], 0) && !allow_zero) {
            if (ran_type_rank(x) >= 0 && (int)i >= ran_type_rank(x))
                return reshape_error(infer, count, shape);
            out_dims[i] = ran_type_rank(x) < 0 ? ran_dim_fresh(infer->context)
                                               : ran_type_dim(x, (int)i);
        } else if (ran_dim_is(shape[i], -1)) {
            if (*out_wildcard >= 0)
                return ran_infer_error(infer, "shape has more than one -1");
            *out_wildcard = (int)i;
        } else if (ran_dim_is_constant(shape[i]) && ran_dim_value(shape[i]) < 0) {
            return reshape_error(infer, count, shape);
        } else if (!allow_zero && (int)i < ran_type_rank(x)) {
            require_no_copy(infer, i, shape[i]);
        }
    }
    return RAN_OK;
}

/* The quotient of the elements by the other dims, or a fresh size where x has no known rank. */
static ran_status resolve_wildcard(ran_infer *infer, size_t count, const ran_dim *const *shape,
                                   const ran_dim **dims, int wildcard)
{
    const ran_dim *from[RAN_MAX_RANK], *others[RAN_MAX_RANK];
    int rank = ran_infer_dims(infer, 0, from);
    size_t other_count = 0;
    if (rank < 0) {
        dims[wildcard] = ran_dim_fresh(infer->context);
        return RAN_OK;
    }
    for (size_t i = 0; i < count; i++)
        if ((int)i != wildcard)
            others[other_count++] = dims[i];
    dims[wildcard] = ran_dim_quotient(infer->context, (size_t)rank, from, other_count, others);
    return dims[wildcard] ? RAN_OK : reshape_error(infer, count, shape);
}

static ran_status check_same_size(ran_infer *infer, size_t count, const ran_dim *const *shape,
                                  const ran_dim *const *dims)
{
    const ran_dim *from[RAN_MAX_RANK];
    int rank = ran_infer_dims(infer, 0, from);
    if (rank < 0)
        return RAN_OK;
    const ran_dim *before = ran_dim_quotient(infer->context, (size_t)rank, from, 0, NULL);
    const ran_dim *after = ran_dim_quotient(infer->context, count, dims, 0, NULL);
    if (!before || !after)
        return reshape_error(infer, count, shape);
    if (ran_dim_is_constant(before) && ran_dim_is_constant(after) && before != after)
        return reshape_error(infer, count, shape);
    ran_infer_require(infer, RAN_EQUAL, "elements before and after", before, after);
    return RAN_OK;
}

static ran_status infer_reshape(ran_infer *infer)
{
    const ran_dim *dims[RAN_MAX_RANK];
    ran_elem elem = ran_type_elem(infer->operands[0]);
    size_t count;
    int wildcard;
    const ran_dim *const *shape = ran_infer_elements(infer, 1, &count);
    ran_status status = ran_infer_check_rank(infer, 1, "shape", 1);
    if (status != RAN_OK)
        return status;
    if (!shape)
        return ran_infer_unknown_shape(infer, 1, elem);
    if (count > RAN_MAX_RANK)
        return ran_infer_result(infer, 0, elem, RAN_MAX_RANK + 1, NULL);
    status = copy_requested(infer, count, shape, dims, &wildcard);
    if (status == RAN_OK && wildcard >= 0)
        status = resolve_wildcard(infer, count, shape, dims, wildcard);
    if (status == RAN_OK)
        status = check_same_size(infer, count, shape, dims);
    if (status != RAN_OK)
        return status;
    ran_infer_forward_known(infer, 0);
    return ran_infer_result(infer, 0, elem, (int)count, dims);
}

const ran_op_hooks ran_hooks_reshape = {
    .infer = infer_reshape, .evaluate = copy_all, .gradient = ran_reshape_gradient};

/* ---- flatten ------------------------------------------------------------------------------------- */

static ran_status infer_flatten(ran_infer *infer)
{
    const ran_dim *dims[RAN_MAX_RANK];
    ran_elem elem = ran_type_elem(infer->operands[0]);
    ran_context *context = infer->context;
    int rank = ran_infer_dims(infer, 0, dims);
    int64_t axis = ran_op_int(infer->op, "axis");
    if (rank < 0)
        return ran_infer_result(
            infer, 0, elem, 2,
            (const ran_dim *[]){ran_dim_fresh(context), ran_dim_fresh(context)});
    if (axis < -rank || axis > rank)
        return ran_infer_error(infer, "axis = %lld is out of range for rank %d", (long long)axis,
                               rank);
    int split = (int)(axis < 0 ? axis + rank : axis);
    const ran_dim *outer = ran_dim_quotient(context, (size_t)split, dims, 0, NULL);
    const ran_dim *inner = ran_dim_quotient(context, (size_t)(rank - split), dims + split, 0, NULL);
    if (!outer || !inner)
        return ran_infer_error(infer, "the number of elements overflows");
    ran_infer_forward_known(infer, 0);
    return ran_infer_result(infer, 0, elem, 2, (const ran_dim *[]){outer, inner});
}

const ran_op_hooks ran_hooks_flatten = {
    .infer = infer_flatten, .evaluate = copy_all, .gradient = ran_reshape_gradient};

/* ---- squeeze, unsqueeze -------------------------------------------------------------------------- */

/* Which axes depends on data: how many there are still gives the rank. `sign` says whether they come
 * or go. */
static ran_status infer_unknown_axes(ran_infer *infer, int rank, int sign)
{
    const ran_type *axes = ran_infer_operand(infer, 1);
    const ran_dim *dims[RAN_MAX_RANK];
    ran_elem elem = ran_type_elem(infer->operands[0]);
    if (rank < 0 || ran_type_rank(axes) != 1 || !ran_dim_is_constant(ran_type_dim(axes, 0)) ||
        ran_type_extent(axes, 0) > (sign < 0 ? rank : RAN_MAX_RANK - rank))
        return ran_infer_result_unknown(infer, 0, elem);
    int count = rank + sign * (int)ran_type_extent(axes, 0);
    for (int i = 0; i < count; i++)
        dims[i] = sign > 0 && rank == 0 ? ran_dim_constant(infer->context, 1)
                                        : ran_dim_fresh(infer->context);
    return ran_infer_result(infer, 0, elem, count, dims);
}

/* Whether a size depends on data. Without axes such a one may be 1 and go; the symbols of the inputs
 * are taken to be sizes that stay. */
static bool depends_on_data(const ran_dim *dim)
{
    if (ran_dim_is_constant(dim))
        return false;
    if (ran_dim_get_kind(dim) == RAN_DIM_SYMBOL)
        return ran_dim_name(dim)[0] == '?';
    return depends_on_data(ran_dim_lhs(dim)) || depends_on_data(ran_dim_rhs(dim));
}

static ran_status infer_squeeze(ran_infer *infer)
{
    const ran_dim *dims[RAN_MAX_RANK];
    bool squeezed[RAN_MAX_RANK];
    int rank = ran_infer_dims(infer, 0, dims), count = 0;
    bool all = !ran_infer_operand(infer, 1);
    for (int i = 0; all && i < rank; i++)
        if (depends_on_data(dims[i]))
            rank = -1;
    if (rank < 0)
        return ran_infer_result_unknown(infer, 0, ran_type_elem(infer->operands[0]));
    int listed = all ? 0 : ran_infer_axes(infer, 1, rank, squeezed);
    if (listed == -1)
        return infer_unknown_axes(infer, rank, -1);
    if (listed < 0)
        return RAN_INVALID;
    for (int i = 0; i < rank; i++) {
        bool drop = all ? ran_dim_is(dims[i], 1) : squeezed[i];
        if (drop && ran_dim_is_constant(dims[i]) && !ran_dim_is(dims[i], 1))
            return ran_infer_error(infer, "axis %d of %s is not 1", i,
                                   ran_type_text(infer->context, infer->operands[0]));
        if (drop)
            ran_infer_require(infer, RAN_EQUAL, "an axis that goes and 1", dims[i],
                              ran_dim_constant(infer->context, 1));
        else
            dims[count++] = dims[i];
    }
    ran_infer_forward_known(infer, 0);
    return ran_infer_result(infer, 0, ran_type_elem(infer->operands[0]), count, dims);
}

const ran_op_hooks ran_hooks_squeeze = {
    .infer = infer_squeeze, .evaluate = copy_all, .gradient = ran_reshape_gradient};

static ran_status infer_unsqueeze(ran_infer *infer)
{
    const ran_dim *dims[RAN_MAX_RANK], *result[RAN_MAX_RANK];
    int64_t axes[RAN_MAX_RANK];
    bool inserted[RAN_MAX_RANK];
    ran_elem elem = ran_type_elem(infer->operands[0]);
    int rank = ran_infer_dims(infer, 0, dims), from = 0;
    int64_t count = ran_infer_constants(infer, 1, axes, RAN_MAX_RANK);
    if (rank < 0 || count < 0)
        return infer_unknown_axes(infer, rank, 1);
    int result_rank = rank + (int)count;
    if (result_rank > RAN_MAX_RANK)
        return ran_infer_result(infer, 0, elem, result_rank, NULL);
    if (ran_infer_axes(infer, 1, result_rank, inserted) < 0)
        return RAN_INVALID;
    for (int i = 0; i < result_rank; i++)
        result[i] = inserted[i] ? ran_dim_constant(infer->context, 1) : dims[from++];
    ran_infer_forward_known(infer, 0);
    return ran_infer_result(infer, 0, elem, result_rank, result);
}

const ran_op_hooks ran_hooks_unsqueeze = {
    .infer = infer_unsqueeze, .evaluate = copy_all, .gradient = ran_reshape_gradient};

/* ---- expand -------------------------------------------------------------------------------------- */

/* Strides of x, right-aligned to `rank` dims; 0 where it is repeated. */
static void broadcast_strides(int from_rank, const int64_t *from_dims, int rank,
                              int64_t *out_strides)
{
    int64_t strides[RAN_MAX_RANK];
    ran_row_major_strides(from_rank, from_dims, strides);
    for (int i = 0; i < rank; i++) {
        int j = i - (rank - from_rank);
        out_strides[i] = j < 0 || from_dims[j] == 1 ? 0 : strides[j];
    }
}

static void infer_expand_known(ran_infer *infer)
{
    int64_t from[RAN_MAX_RANK], to[RAN_MAX_RANK], strides[RAN_MAX_RANK];
    const ran_type *x = infer->operands[0], *y = infer->results[0];
    if (!ran_type_is_static(x) || !ran_type_is_static(y))
        return;
    for (int i = 0; i < ran_type_rank(x); i++)
        from[i] = ran_type_extent(x, i);
    for (int i = 0; i < ran_type_rank(y); i++)
        to[i] = ran_type_extent(y, i);
    broadcast_strides(ran_type_rank(x), from, ran_type_rank(y), strides);
    ran_infer_known_strided(infer, 0, 0, strides, ran_type_rank(y), to);
}

static ran_status infer_expand(ran_infer *infer)
{
    const ran_type *x = infer->operands[0];
    size_t count;
    const ran_dim *const *shape = ran_infer_elements(infer, 1, &count);
    ran_status status = ran_infer_check_rank(infer, 1, "shape", 1);
    if (status != RAN_OK)
        return status;
    if (!shape)
        return ran_infer_unknown_shape(infer, 1, ran_type_elem(x));
    if (count > RAN_MAX_RANK)
        return ran_infer_result(infer, 0, ran_type_elem(x), RAN_MAX_RANK + 1, NULL);
    for (size_t i = 0; i < count; i++)
        if (ran_dim_is_constant(shape[i]) && ran_dim_value(shape[i]) < 0)
            return ran_infer_error(infer, "shape has the negative element %lld",
                                   (long long)ran_dim_value(shape[i]));
    const ran_type *to =
        ran_type_tensor(infer->context, ran_type_elem(x), (int)count, shape, RAN_PLAIN);
    status = ran_infer_broadcast(infer, 2, (const ran_type *[]){x, to}, ran_type_elem(x),
                                 &infer->results[0]);
    if (status == RAN_OK)
        infer_expand_known(infer);
    return status;
}

static ran_status evaluate_expand(ran_evaluation *evaluation)
{
    const ran_tensor *x = evaluation->operands[0];
    ran_tensor *y = evaluation->results[0];
    int64_t from[RAN_MAX_RANK], to[RAN_MAX_RANK];
    int rank = ran_tensor_rank(y);
    broadcast_strides(ran_tensor_rank(x), ran_tensor_dims(x), rank, from);
    ran_row_major_strides(rank, ran_tensor_dims(y), to);
    ran_copy_strided(y, 0, to, x, 0, from, rank, ran_tensor_dims(y));
    return RAN_OK;
}

const ran_op_hooks ran_hooks_expand = {
    .infer = infer_expand, .evaluate = evaluate_expand, .gradient = ran_expand_gradient};
