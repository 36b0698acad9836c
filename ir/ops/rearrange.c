/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Values put back to where windows took them from, or into a cache: max_unpool, col2im,
 * tensor_scatter; and det. */
#include "ir/ops/compute.h"
#include "ir/attr.h"
#include "ir/ops/gradient.h"
#include "ir/ops/ops.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

/* ---- max_unpool ----------------------------------------------------------------------------------------- */

static bool has_spatial_attributes(const ran_op *op, int spatial)
{
    size_t kernel, pads, strides;
    ran_op_ints(op, "kernel_shape", &kernel);
    ran_op_ints(op, "pads", &pads);
    ran_op_ints(op, "strides", &strides);
    return kernel == (size_t)spatial && (!pads || pads == 2 * (size_t)spatial) &&
           (!strides || strides == (size_t)spatial);
}

/* (in - 1) * stride + kernel - pads: what the indices refer to. */
static int64_t unpooled_offset(const ran_op *op, int axis, int spatial)
{
    return ran_op_int_at(op, "kernel_shape", axis, 1) - ran_op_int_at(op, "strides", axis, 1) -
           ran_op_int_at(op, "pads", axis, 0) - ran_op_int_at(op, "pads", axis + spatial, 0);
}

static ran_status infer_max_unpool(ran_infer *infer)
{
    const ran_dim *dims[RAN_MAX_RANK];
    ran_context *context = infer->context;
    int rank = ran_infer_dims(infer, 0, dims), spatial = rank - 2;
    ran_elem elem = ran_type_elem(infer->operands[0]);
    size_t count;
    const ran_dim *const *shape = ran_infer_elements(infer, 2, &count);
    if (rank < 0)
        return ran_infer_result_unknown(infer, 0, elem);
    if (rank < 3 || !has_spatial_attributes(infer->op, spatial))
        return ran_infer_error(infer, "kernel_shape, pads and strides don't fit %s",
                               ran_type_text(context, infer->operands[0]));
    ran_status status = ran_infer_check_rank(infer, 1, "indices", rank);
    for (int i = 0; status == RAN_OK && i < rank && ran_type_rank(infer->operands[1]) == rank; i++)
        status = ran_infer_check_equal_dims(infer, "x and indices", dims[i],
                                            ran_type_dim(infer->operands[1], i));
    if (status != RAN_OK)
        return status;
    if (ran_infer_operand(infer, 2) && !shape)
        return ran_infer_unknown_shape(infer, 2, elem);
    if (shape && count != (size_t)rank)
        return ran_infer_error(infer, "output_shape has %zu elements for rank %d", count, rank);
    for (int i = 0; i < spatial; i++)
        dims[2 + i] = ran_dim_add_constant(
            context,
            ran_dim_mul_constant(context, dims[2 + i], ran_op_int_at(infer->op, "strides", i, 1)),
            unpooled_offset(infer->op, i, spatial));
    for (int i = 0; i < rank; i++) {
        dims[i] = shape ? shape[i] : dims[i];
        if (ran_dim_is_constant(dims[i]) && ran_dim_value(dims[i]) < 0)
            return ran_infer_error(infer, "axis %d of the result is negative", i);
    }
    return ran_infer_result(infer, 0, elem, rank, dims);
}

static ran_status evaluate_max_unpool(ran_evaluation *evaluation)
{
    const ran_tensor *x = evaluation->operands[0], *indices = evaluation->operands[1];
    ran_tensor *y = evaluation->results[0];
    int rank = ran_tensor_rank(x);
    int64_t from[RAN_MAX_RANK], to[RAN_MAX_RANK], total = 1;
    for (int i = 0; i < rank; i++) {
        from[i] = ran_tensor_dims(x)[i];
        if (i >= 2)
            from[i] = from[i] * ran_op_int_at(evaluation->op, "strides", i - 2, 1) +
                      unpooled_offset(evaluation->op, i - 2, rank - 2);
        total *= from[i] > 0 ? from[i] : 0;
    }
    ran_row_major_strides(rank, ran_tensor_dims(y), to);
    for (int64_t n = 0; n < ran_tensor_numel(x); n++) {
        int64_t index = ran_tensor_get_i64(indices, n), at = 0;
        bool inside = index >= 0 && index < total;
        for (int i = rank - 1; inside && i >= 0; index /= from[i--]) {
            int64_t position = index % from[i];
            inside = position < ran_tensor_dims(y)[i];
            at += position * to[i];
        }
        if (!inside)
            return ran_op_error(evaluation->op, RAN_INVALID, "index %lld is outside of the result",
                                (long long)ran_tensor_get_i64(indices, n));
        ran_copy_elements(y, at, x, n, 1);
    }
    return RAN_OK;
}

const ran_op_hooks ran_hooks_max_unpool = {.infer = infer_max_unpool,
                                           .evaluate = evaluate_max_unpool,
                                           .gradient = ran_max_unpool_gradient};

/* ---- col2im ---------------------------------------------------------------------------------------------- */

static ran_status infer_col2im(ran_infer *infer)
{
    const ran_dim *dims[RAN_MAX_RANK], *result[RAN_MAX_RANK];
    size_t image_count, block_count;
    ran_elem elem = ran_type_elem(infer->operands[0]);
    const ran_dim *const *image = ran_infer_elements(infer, 1, &image_count);
    const ran_dim *const *block = ran_infer_elements(infer, 2, &block_count);
    ran_status status = ran_infer_check_rank(infer, 0, "x", 3);
    if (status != RAN_OK)
        return status;
    if (!image || !block || ran_infer_dims(infer, 0, dims) < 0)
        return ran_infer_result_unknown(infer, 0, elem);
    if (image_count != block_count || image_count == 0 || image_count + 2 > RAN_MAX_RANK)
        return ran_infer_error(infer, "image_shape and block_shape don't fit together");
    for (size_t i = 0; i < image_count; i++)
        if (ran_dim_upper_bound(image[i]) < 0 || ran_dim_upper_bound(block[i]) < 1)
            return ran_infer_error(infer, "image_shape or block_shape is no shape");
    result[0] = dims[0];
    result[1] = ran_dim_quotient(infer->context, 1, &dims[1], block_count, block);
    if (!result[1])
        return ran_infer_error(infer, "the channels of %s are no multiple of the block",
                               ran_type_text(infer->context, infer->operands[0]));
    for (size_t i = 0; i < image_count; i++)
        result[2 + i] = image[i];
    return ran_infer_result(infer, 0, elem, (int)image_count + 2, result);
}

typedef struct unfolding {
    int spatial;
    int64_t image[RAN_MAX_RANK], block[RAN_MAX_RANK], steps[RAN_MAX_RANK];
    int64_t strides[RAN_MAX_RANK], dilations[RAN_MAX_RANK], pads[RAN_MAX_RANK];
} unfolding;

static ran_status resolve_unfolding(const ran_op *op, int64_t columns, unfolding *u)
{
    for (int i = 0; i < u->spatial; i++) {
        u->strides[i] = ran_op_int_at(op, "strides", i, 1);
        u->dilations[i] = ran_op_int_at(op, "dilations", i, 1);
        u->pads[i] = ran_op_int_at(op, "pads", i, 0);
        int64_t padded = u->image[i] + u->pads[i] + ran_op_int_at(op, "pads", i + u->spatial, 0);
        int64_t span = (u->block[i] - 1) * u->dilations[i] + 1;
        if (u->strides[i] < 1 || u->dilations[i] < 1 || padded < span)
            return ran_op_error(op, RAN_INVALID, "the block does not fit into axis %d", i);
        u->steps[i] = (padded - span) / u->strides[i] + 1;
    }
    if (ran_dims_product(u->steps, 0, u->spatial) != columns)
        return ran_op_error(op, RAN_INVALID, "the image has %lld blocks, x has %lld columns",
                            (long long)ran_dims_product(u->steps, 0, u->spatial),
                            (long long)columns);
    return RAN_OK;
}

/* Offset in the image of the element that a tap has at a step; -1: in the padding. */
static int64_t unfolded_offset(const unfolding *u, const int64_t *tap, const int64_t *step)
{
    int64_t at = 0;
    for (int i = 0; i < u->spatial; i++) {
        int64_t p = step[i] * u->strides[i] + tap[i] * u->dilations[i] - u->pads[i];
        if (p < 0 || p >= u->image[i])
            return -1;
        at = at * u->image[i] + p;
    }
    return at;
}

/* unfolded_offset of each (tap, step), in the order of one plane's columns. */
static void unfolded_offsets(const unfolding *u, int64_t *out_offsets)
{
    int64_t tap[RAN_MAX_RANK] = {0};
    do {
        int64_t step[RAN_MAX_RANK] = {0};
        do
            *out_offsets++ = unfolded_offset(u, tap, step);
        while (ran_index_next(u->spatial, u->steps, step));
    } while (ran_index_next(u->spatial, u->block, tap));
}

/* Adds each plane's columns, x[block position, step], into its image. */
static ran_status evaluate_col2im(ran_evaluation *evaluation)
{
    const ran_tensor *x = evaluation->operands[0];
    ran_tensor *y = evaluation->results[0];
    unfolding u = {.spatial = (int)ran_tensor_numel(evaluation->operands[1])};
    for (int i = 0; i < u.spatial; i++) {
        u.image[i] = ran_tensor_get_i64(evaluation->operands[1], i);
        u.block[i] = ran_tensor_get_i64(evaluation->operands[2], i);
    }
    ran_status status = resolve_unfolding(evaluation->op, ran_tensor_dims(x)[2], &u);
    if (status != RAN_OK || ran_tensor_numel(x) == 0)
        return status;
    int64_t planes = ran_tensor_dims(y)[0] * ran_tensor_dims(y)[1];
    int64_t image = ran_dims_product(u.image, 0, u.spatial), count = ran_tensor_numel(x) / planes;
    int64_t *offsets = RAN_NEW(int64_t, count);
    unfolded_offsets(&u, offsets);
    for (int64_t n = 0; n < ran_tensor_numel(x); n++) {
        int64_t offset = offsets[n % count], at = n / count * image + offset;
        if (offset >= 0)
            ran_tensor_set_f64(y, at, ran_tensor_get_f64(y, at) + ran_tensor_get_f64(x, n));
    }
    free(offsets);
    return RAN_OK;
}

/* Each element of x went to one of the image, or to the padding: a zero behind the image. */
ran_status ran_col2im_gradient(ran_gradient *g, const ran_op *op)
{
    ran_value *d = ran_gradient_of(g, 0), *x = ran_op_operand(op, 0);
    ran_status status = ran_gradient_need_static(op);
    unfolding u = {.spatial = (int)ran_op_known_ints(op, 1, u.image, RAN_MAX_RANK)};
    if (!d || status != RAN_OK)
        return status;
    if (u.spatial < 1 || ran_op_known_ints(op, 2, u.block, RAN_MAX_RANK) != u.spatial)
        return ran_op_error(op, RAN_UNSUPPORTED, "its gradient needs known shapes");
    status = resolve_unfolding(op, ran_gradient_extent(x, 2), &u);
    if (status != RAN_OK || ran_type_numel(x->type) == 0)
        return status;
    int64_t image = ran_dims_product(u.image, 0, u.spatial);
    int64_t planes = ran_gradient_extent(d, 0) * ran_gradient_extent(d, 1);
    int64_t count = ran_type_numel(x->type) / planes;
    int64_t *offsets = RAN_NEW(int64_t, count);
    unfolded_offsets(&u, offsets);
    for (int64_t n = 0; n < count; n++)
        offsets[n] = offsets[n] < 0 ? image : offsets[n];
    ran_value *rows = ran_gradient_reshape(g, d, (int64_t[]){planes, image}, 2);
    ran_value *operands[] = {ran_gradient_pad(g, rows, 1, 0, 1),
                             ran_gradient_ints(g, offsets, (size_t)count)};
    free(offsets);
    ran_op *gather = ran_gradient_op(g, RAN_OP_GATHER, 2, operands, 1);
    ran_op_set_int(gather, "axis", 1);
    ran_gradient_add(g, 0, ran_gradient_reshape_like(g, ran_gradient_finish(g, gather), x));
    return RAN_OK;
}

const ran_op_hooks ran_hooks_col2im = {
    .infer = infer_col2im, .evaluate = evaluate_col2im, .gradient = ran_col2im_gradient};

/* ---- tensor_scatter -------------------------------------------------------------------------------------- */

static ran_status infer_tensor_scatter(ran_infer *infer)
{
    const ran_dim *cache[RAN_MAX_RANK], *update[RAN_MAX_RANK];
    int rank = ran_infer_dims(infer, 0, cache);
    const char *mode = ran_op_string(infer->op, "mode");
    infer->results[0] = infer->operands[0];
    if (strcmp(mode, "linear") != 0 && strcmp(mode, "circular") != 0)
        return ran_infer_error(infer, "mode is %s, neither linear nor circular", mode);
    if (ran_type_elem(infer->operands[0]) != ran_type_elem(infer->operands[1]))
        return ran_infer_error(infer, "past_cache and update differ in element type");
    if (rank < 0)
        return RAN_OK;
    int axis = ran_infer_axis_attr(infer, "axis", rank);
    if (axis < 0)
        return RAN_INVALID;
    if (axis == 0)
        return ran_infer_error(infer, "axis is the batch");
    ran_status status = ran_infer_check_rank(infer, 1, "update", rank);
    if (status != RAN_OK || ran_infer_dims(infer, 1, update) < 0)
        return status;
    for (int i = 0; status == RAN_OK && i < rank; i++)
        if (i != axis)
            status = ran_infer_check_equal_dims(infer, "past_cache and update", cache[i], update[i]);
    const ran_type *indices = ran_infer_operand(infer, 2);
    if (status == RAN_OK && indices && ran_type_rank(indices) == 1)
        status = ran_infer_check_equal_dims(infer, "batch and write_indices", cache[0],
                                            ran_type_dim(indices, 0));
    return status;
}

static ran_status evaluate_tensor_scatter(ran_evaluation *evaluation)
{
    const ran_tensor *cache = evaluation->operands[0], *update = evaluation->operands[1];
    const ran_tensor *indices = ran_eval_operand(evaluation, 2);
    const int64_t *dims = ran_tensor_dims(cache);
    int rank = ran_tensor_rank(cache), axis = ran_axis(ran_op_int(evaluation->op, "axis"), rank);
    bool circular = strcmp(ran_op_string(evaluation->op, "mode"), "circular") == 0;
    int64_t inner = ran_dims_product(dims, axis + 1, rank), count = ran_tensor_dims(update)[axis];
    int64_t prefixes = ran_dims_product(dims, 0, axis);
    if (indices && ran_tensor_numel(indices) != dims[0])
        return ran_op_error(evaluation->op, RAN_INVALID, "write_indices does not fit the batch");
    ran_copy_elements(evaluation->results[0], 0, cache, 0, ran_tensor_numel(cache));
    for (int64_t n = 0; n < prefixes * count; n++) {
        int64_t prefix = n / count, batch = prefix / (prefixes / dims[0]);
        int64_t first = indices ? ran_tensor_get_i64(indices, batch) : 0, at;
        bool valid = first >= 0 && !__builtin_add_overflow(first, n % count, &at);
        if (valid && circular && dims[axis] > 0)
            at %= dims[axis];
        if (!valid || at >= dims[axis])
            return ran_op_error(evaluation->op, RAN_INVALID,
                                "index %lld is out of range for axis %d of extent %lld",
                                (long long)first, axis, (long long)dims[axis]);
        ran_copy_elements(evaluation->results[0], (prefix * dims[axis] + at) * inner, update,
                          n * inner, inner);
    }
    return RAN_OK;
}

const ran_op_hooks ran_hooks_tensor_scatter = {.infer = infer_tensor_scatter,
                                               .evaluate = evaluate_tensor_scatter,
                                               .gradient = ran_tensor_scatter_gradient};

/* ---- det -------------------------------------------------------------------------------------------------- */

static ran_status infer_det(ran_infer *infer)
{
    const ran_dim *dims[RAN_MAX_RANK];
    int rank = ran_infer_dims(infer, 0, dims);
    ran_elem elem = ran_type_elem(infer->operands[0]);
    if (rank < 0)
        return ran_infer_result_unknown(infer, 0, elem);
    if (rank < 2)
        return ran_infer_error(infer, "x is %s", ran_type_text(infer->context, infer->operands[0]));
    ran_status status =
        ran_infer_check_equal_dims(infer, "rows and columns", dims[rank - 2], dims[rank - 1]);
    return status == RAN_OK ? ran_infer_result(infer, 0, elem, rank - 2, dims) : status;
}

/* Elimination with the largest pivot of each column. Destroys m. */
static double determinant(double *m, int64_t n)
{
    double product = 1;
    for (int64_t k = 0; k < n; k++) {
        int64_t pivot = k;
        for (int64_t i = k + 1; i < n; i++)
            if (fabs(m[i * n + k]) > fabs(m[pivot * n + k]))
                pivot = i;
        if (m[pivot * n + k] == 0)
            return 0;
        for (int64_t j = 0; pivot != k && j < n; j++) {
            double other = m[pivot * n + j];
            m[pivot * n + j] = m[k * n + j];
            m[k * n + j] = other;
        }
        product *= pivot != k ? -m[k * n + k] : m[k * n + k];
        for (int64_t i = k + 1; i < n; i++)
            for (int64_t j = n - 1; j >= k; j--)
                m[i * n + j] -= m[i * n + k] / m[k * n + k] * m[k * n + j];
    }
    return product;
}

static ran_status evaluate_det(ran_evaluation *evaluation)
{
    const ran_tensor *x = evaluation->operands[0];
    ran_tensor *y = evaluation->results[0];
    int64_t n = ran_tensor_dims(x)[ran_tensor_rank(x) - 1];
    ran_arena *arena = ran_arena_create();
    double *m = RAN_ARENA_ARRAY(arena, double, (size_t)(n * n) + 1);
    for (int64_t i = 0; i < ran_tensor_numel(y); i++) {
        for (int64_t j = 0; j < n * n; j++)
            m[j] = ran_tensor_get_f64(x, i * n * n + j);
        ran_tensor_set_f64(y, i, determinant(m, n));
    }
    ran_arena_destroy(arena);
    return RAN_OK;
}

const ran_op_hooks ran_hooks_det = {
    .infer = infer_det, .evaluate = evaluate_det, .gradient = ran_det_gradient};
