/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Ops that give the same elements another order: each evaluates as a few strided copies. */
#include "ir/ops/ops.h"
#include "ir/ops/gradient.h"

#include <string.h>

/* ---- transpose ----------------------------------------------------------------------------------- */

/* The permutation, reversed axes by default; false when it is not one of `rank` axes. */
static bool transpose_perm(const ran_op *op, int rank, int out_perm[RAN_MAX_RANK])
{
    size_t count;
    const int64_t *perm = ran_op_ints(op, "perm", &count);
    bool seen[RAN_MAX_RANK] = {false};
    if (count != 0 && count != (size_t)rank)
        return false;
    for (int i = 0; i < rank; i++) {
        int64_t axis = count ? perm[i] : rank - 1 - i;
        if (axis < 0 || axis >= rank || seen[axis])
            return false;
        seen[axis] = true;
        out_perm[i] = (int)axis;
    }
    return true;
}

static ran_status infer_transpose(ran_infer *infer)
{
    const ran_dim *dims[RAN_MAX_RANK], *result[RAN_MAX_RANK];
    int64_t from[RAN_MAX_RANK], extents[RAN_MAX_RANK], strides[RAN_MAX_RANK], steps[RAN_MAX_RANK];
    int perm[RAN_MAX_RANK], rank = ran_infer_dims(infer, 0, dims);
    ran_elem elem = ran_type_elem(infer->operands[0]);
    if (rank < 0)
        return ran_infer_result_unknown(infer, 0, elem);
    if (!transpose_perm(infer->op, rank, perm))
        return ran_infer_error(infer, "perm is not a permutation of the %d axes of %s", rank,
                               ran_type_text(infer->context, infer->operands[0]));
    for (int i = 0; i < rank; i++)
        result[i] = dims[perm[i]];
    if (ran_dims_constant(rank, dims, from) && ran_dims_constant(rank, result, extents)) {
        ran_row_major_strides(rank, from, strides);
        for (int i = 0; i < rank; i++)
            steps[i] = strides[perm[i]];
        ran_infer_known_strided(infer, 0, 0, steps, rank, extents);
    }
    return ran_infer_result(infer, 0, elem, rank, result);
}

static ran_status evaluate_transpose(ran_evaluation *evaluation)
{
    const ran_tensor *x = evaluation->operands[0];
    ran_tensor *y = evaluation->results[0];
    int perm[RAN_MAX_RANK], rank = ran_tensor_rank(x);
    int64_t strides[RAN_MAX_RANK], from[RAN_MAX_RANK], to[RAN_MAX_RANK];
    (void)transpose_perm(evaluation->op, rank, perm);
    ran_row_major_strides(rank, ran_tensor_dims(x), strides);
    for (int i = 0; i < rank; i++)
        from[i] = strides[perm[i]];
    ran_row_major_strides(rank, ran_tensor_dims(y), to);
    ran_copy_strided(y, 0, to, x, 0, from, rank, ran_tensor_dims(y));
    return RAN_OK;
}

const ran_op_hooks ran_hooks_transpose = {
    .infer = infer_transpose, .evaluate = evaluate_transpose, .gradient = ran_transpose_gradient};

/* ---- concat -------------------------------------------------------------------------------------- */

/* Merges the dims of one operand into those so far: the axis adds, the others agree. */
static ran_status concat_operand(ran_infer *infer, size_t index, int rank, int axis,
                                 const ran_dim **dims)
{
    const ran_type *type = infer->operands[index];
    if (ran_type_rank(type) != rank)
        return ran_infer_error(infer, "operand %zu: expected rank %d, got %s", index, rank,
                               ran_type_text(infer->context, type));
    if (ran_type_elem(type) != ran_type_elem(infer->operands[0]))
        return ran_infer_error(infer, "operand %zu: %s has another element type than %s", index,
                               ran_type_text(infer->context, type),
                               ran_type_text(infer->context, infer->operands[0]));
    for (int i = 0; i < rank; i++) {
        const ran_dim *dim = ran_type_dim(type, i);
        if (i == axis) {
            dims[i] = ran_dim_add(infer->context, dims[i], dim);
            continue;
        }
        ran_status status = ran_infer_check_equal_dims(infer, "dims beside the axis", dims[i], dim);
        if (status != RAN_OK)
            return status;
        if (ran_dim_is_constant(dim))
            dims[i] = dim;
    }
    return RAN_OK;
}

/* Rank 1: the elements one after the other, when all of them are known. */
static void concat_known(ran_infer *infer)
{
    size_t count = infer->op->operand_count, total = 0, length, n = 0;
    for (size_t i = 0; i < count; i++) {
        if (!ran_infer_elements(infer, i, &length))
            return;
        total += length;
    }
    if (total > RAN_MAX_KNOWN)
        return;
    const ran_dim **known = ran_infer_known(infer, 0, total);
    for (size_t i = 0; known && i < count; i++) {
        const ran_dim *const *elements = ran_infer_elements(infer, i, &length);
        for (size_t j = 0; j < length; j++)
            known[n++] = elements[j];
    }
}

static ran_status infer_concat(ran_infer *infer)
{
    const ran_dim *dims[RAN_MAX_RANK];
    size_t count = infer->op->operand_count;
    if (count == 0)
        return ran_infer_error(infer, "no operands");
    for (size_t i = 0; i < count; i++)
        if (!infer->operands[i])
            return ran_infer_error(infer, "operand %zu is absent", i);
    ran_elem elem = ran_type_elem(infer->operands[0]);
    for (size_t i = 0; i < count; i++)
        if (ran_type_rank(infer->operands[i]) < 0)
            return ran_infer_result_unknown(infer, 0, elem);
    int rank = ran_infer_dims(infer, 0, dims);
    int axis = ran_infer_axis_attr(infer, "axis", rank);
    if (axis < 0)
        return RAN_INVALID;
    for (size_t i = 1; i < count; i++) {
        ran_status status = concat_operand(infer, i, rank, axis, dims);
        if (status != RAN_OK)
            return status;
    }
    if (rank == 1)
        concat_known(infer);
    return ran_infer_result(infer, 0, elem, rank, dims);
}

static ran_status evaluate_concat(ran_evaluation *evaluation)
{
    ran_tensor *y = evaluation->results[0];
    int rank = ran_tensor_rank(y), axis = ran_axis(ran_op_int(evaluation->op, "axis"), rank);
    int64_t outer = ran_dims_product(ran_tensor_dims(y), 0, axis);
    int64_t line = ran_dims_product(ran_tensor_dims(y), axis, rank), offset = 0;
    for (size_t i = 0; i < evaluation->op->operand_count; i++) {
        const ran_tensor *x = evaluation->operands[i];
        int64_t part = ran_dims_product(ran_tensor_dims(x), axis, rank);
        for (int64_t n = 0; n < outer; n++)
            ran_copy_elements(y, n * line + offset, x, n * part, part);
        offset += part;
    }
    return RAN_OK;
}

const ran_op_hooks ran_hooks_concat = {
    .infer = infer_concat, .evaluate = evaluate_concat, .gradient = ran_concat_gradient};

/* ---- split --------------------------------------------------------------------------------------- */

/* The sizes of the parts: what `split` says, else equal ones of which the last may be smaller. */
static ran_status split_sizes(ran_infer *infer, const ran_dim *extent, const ran_dim **out_sizes)
{
    size_t parts = infer->op->result_count, listed;
    ran_context *context = infer->context;
    if (ran_infer_operand(infer, 1)) {
        const ran_dim *const *sizes = ran_infer_elements(infer, 1, &listed);
        if (sizes && listed != parts)
            return ran_infer_error(infer, "%zu sizes for %zu results", listed, parts);
        const ran_dim *sum = ran_dim_constant(context, 0);
        for (size_t i = 0; i < parts; i++) {
            out_sizes[i] = sizes ? sizes[i] : ran_dim_fresh(context);
            if (ran_dim_is_constant(out_sizes[i]) && ran_dim_value(out_sizes[i]) < 0)
                return ran_infer_error(infer, "negative size of part %zu", i);
            sum = ran_dim_add(context, sum, out_sizes[i]);
        }
        return ran_infer_check_equal_dims(infer, "sum of the parts and the axis", sum, extent);
    }
    const ran_dim *part = ran_dim_binary(context, RAN_DIM_CEILDIV, extent,
                                         ran_dim_constant(context, (int64_t)parts));
    const ran_dim *rest = ran_dim_sub(context, extent,
                                      ran_dim_mul_constant(context, part, (int64_t)parts - 1));
    if (ran_dim_is_constant(rest) && ran_dim_value(rest) < 0)
        return ran_infer_error(infer, "%lld positions don't make %zu parts",
                               (long long)ran_dim_value(extent), parts);
    for (size_t i = 0; i < parts; i++)
        out_sizes[i] = i + 1 < parts ? part : rest;
    return RAN_OK;
}

static void split_known(ran_infer *infer, const ran_dim *const *sizes)
{
    size_t count, from = 0;
    const ran_dim *const *elements = ran_infer_elements(infer, 0, &count);
    for (size_t i = 0; elements && i < infer->op->result_count; i++) {
        if (!ran_dim_is_constant(sizes[i]))
            return;
        size_t size = (size_t)ran_dim_value(sizes[i]);
        const ran_dim **known = ran_infer_known(infer, i, size);
        for (size_t j = 0; known && j < size && from + j < count; j++)
            known[j] = elements[from + j];
        from += size;
    }
}

static ran_status infer_split_known_rank(ran_infer *infer, int rank, const ran_dim **dims,
                                         const ran_dim **sizes)
{
    int axis = ran_infer_axis_attr(infer, "axis", rank);
    if (axis < 0)
        return RAN_INVALID;
    ran_status status = split_sizes(infer, dims[axis], sizes);
    if (status != RAN_OK)
        return status;
    for (size_t i = 0; i < infer->op->result_count; i++) {
        dims[axis] = sizes[i];
        (void)ran_infer_result(infer, i, ran_type_elem(infer->operands[0]), rank, dims);
    }
    if (rank == 1)
        split_known(infer, sizes);
    return RAN_OK;
}

static ran_status infer_split(ran_infer *infer)
{
    const ran_dim *dims[RAN_MAX_RANK];
    int rank = ran_infer_dims(infer, 0, dims);
    size_t parts = infer->op->result_count;
    if (parts == 0 || parts > RAN_MAX_KNOWN)
        return ran_infer_error(infer, "%zu results; from 1 to %d are possible", parts,
                               RAN_MAX_KNOWN);
    if (ran_op_has_attr(infer->op, "num_outputs") &&
        ran_op_int(infer->op, "num_outputs") != (int64_t)parts)
        return ran_infer_error(infer, "num_outputs is %lld, but there are %zu results",
                               (long long)ran_op_int(infer->op, "num_outputs"), parts);
    if (rank < 0) {
        for (size_t i = 0; i < parts; i++)
            (void)ran_infer_result_unknown(infer, i, ran_type_elem(infer->operands[0]));
        return RAN_OK;
    }
    ran_arena *scratch = ran_arena_create();
    const ran_dim **sizes = RAN_ARENA_ARRAY(scratch, const ran_dim *, parts);
    ran_status status = infer_split_known_rank(infer, rank, dims, sizes);
    ran_arena_destroy(scratch);
    return status;
}

static ran_status evaluate_split(ran_evaluation *evaluation)
{
    const ran_tensor *x = evaluation->operands[0];
    int rank = ran_tensor_rank(x), axis = ran_axis(ran_op_int(evaluation->op, "axis"), rank);
    int64_t outer = ran_dims_product(ran_tensor_dims(x), 0, axis);
    int64_t line = ran_dims_product(ran_tensor_dims(x), axis, rank), offset = 0;
    for (size_t i = 0; i < evaluation->op->result_count; i++) {
        ran_tensor *y = evaluation->results[i];
        int64_t part = ran_dims_product(ran_tensor_dims(y), axis, rank);
        for (int64_t n = 0; n < outer; n++)
            ran_copy_elements(y, n * part, x, n * line + offset, part);
        offset += part;
    }
    return RAN_OK;
}

const ran_op_hooks ran_hooks_split = {
    .infer = infer_split, .evaluate = evaluate_split, .gradient = ran_split_gradient};

/* ---- tile ---------------------------------------------------------------------------------------- */

static ran_status infer_tile(ran_infer *infer)
{
    const ran_dim *dims[RAN_MAX_RANK];
    int rank = ran_infer_dims(infer, 0, dims);
    ran_elem elem = ran_type_elem(infer->operands[0]);
    size_t count = (size_t)rank;
    const ran_dim *const *repeats = ran_infer_elements(infer, 1, &count);
    if (rank < 0)
        return ran_infer_result_unknown(infer, 0, elem);
    if (count != (size_t)rank)
        return ran_infer_error(infer, "%zu repeats for %s", count,
                               ran_type_text(infer->context, infer->operands[0]));
    for (int i = 0; i < rank; i++) {
        if (repeats && ran_dim_is_constant(repeats[i]) && ran_dim_value(repeats[i]) < 0)
            return ran_infer_error(infer, "negative number of repeats of axis %d", i);
        dims[i] = repeats ? ran_dim_mul(infer->context, dims[i], repeats[i])
                          : ran_dim_fresh(infer->context);
    }
    return ran_infer_result(infer, 0, elem, rank, dims);
}

static ran_status evaluate_tile(ran_evaluation *evaluation)
{
    const ran_tensor *x = evaluation->operands[0];
    ran_tensor *y = evaluation->results[0];
    int rank = ran_tensor_rank(x);
    int64_t from[RAN_MAX_RANK], to[RAN_MAX_RANK];
    int64_t dims[2 * RAN_MAX_RANK], from_steps[2 * RAN_MAX_RANK], to_steps[2 * RAN_MAX_RANK];
    ran_row_major_strides(rank, ran_tensor_dims(x), from);
    ran_row_major_strides(rank, ran_tensor_dims(y), to);
    for (int i = 0; i < rank; i++) {
        int64_t extent = ran_tensor_dims(x)[i];
        dims[2 * i] = extent ? ran_tensor_dims(y)[i] / extent : 0;
        dims[2 * i + 1] = extent;
        from_steps[2 * i] = 0;
        from_steps[2 * i + 1] = from[i];
        to_steps[2 * i] = to[i] * extent;
        to_steps[2 * i + 1] = to[i];
    }
    ran_copy_strided(y, 0, to_steps, x, 0, from_steps, 2 * rank, dims);
    return RAN_OK;
}

const ran_op_hooks ran_hooks_tile = {
    .infer = infer_tile, .evaluate = evaluate_tile, .gradient = ran_tile_gradient};

/* ---- depth_to_space, space_to_depth -------------------------------------------------------------- */

static ran_status divide_dim(ran_infer *infer, const char *what, const ran_dim **dim, int64_t by)
{
    if (ran_dim_is_constant(*dim) && ran_dim_value(*dim) % by != 0)
        return ran_infer_error(infer, "%s of %s is no multiple of %lld", what,
                               ran_type_text(infer->context, infer->operands[0]), (long long)by);
    const ran_dim *part = ran_dim_binary(infer->context, RAN_DIM_FLOORDIV, *dim,
                                         ran_dim_constant(infer->context, by));
    ran_infer_require(infer, RAN_EQUAL, what, *dim, ran_dim_mul_constant(infer->context, part, by));
    *dim = part;
    return RAN_OK;
}

static ran_status check_blocksize(ran_infer *infer, int64_t *out_block)
{
    *out_block = ran_op_int(infer->op, "blocksize");
    if (*out_block < 1 || *out_block > 1 << 20)
        return ran_infer_error(infer, "blocksize is %lld", (long long)*out_block);
    return ran_infer_check_rank(infer, 0, "x", 4);
}

static ran_status infer_depth_to_space(ran_infer *infer)
{
    const ran_dim *dims[RAN_MAX_RANK];
    int rank = ran_infer_dims(infer, 0, dims);
    int64_t block;
    ran_status status = check_blocksize(infer, &block);
    const char *mode = ran_op_string(infer->op, "mode");
    if (status == RAN_OK && strcmp(mode, "DCR") != 0 && strcmp(mode, "CRD") != 0)
        return ran_infer_error(infer, "mode is %s, neither DCR nor CRD", mode);
    if (status == RAN_OK && rank < 0)
        return ran_infer_result_unknown(infer, 0, ran_type_elem(infer->operands[0]));
    if (status == RAN_OK)
        status = divide_dim(infer, "depth", &dims[1], block * block);
    if (status != RAN_OK)
        return status;
    dims[2] = ran_dim_mul_constant(infer->context, dims[2], block);
    dims[3] = ran_dim_mul_constant(infer->context, dims[3], block);
    return ran_infer_result(infer, 0, ran_type_elem(infer->operands[0]), rank, dims);
}

/* Both ops walk (n, c, h, i, w, j): the small tensor's channel is c with the block's row i and
 * column j in front (or behind, for CRD), the large one's position is (h*block + i, w*block + j). */
static void block_strides(const int64_t *small, int64_t block, bool depth_first,
                          int64_t out_dims[6], int64_t out_small[6], int64_t out_large[6])
{
    int64_t h = small[2], w = small[3], c = small[1] / (block * block);
    int64_t channel = depth_first ? 1 : block * block, row = depth_first ? c * block : block;
    int64_t column = depth_first ? c : 1, plane = h * w;
    memcpy(out_dims, (int64_t[]){small[0], c, h, block, w, block}, 6 * sizeof *out_dims);
    memcpy(out_small, (int64_t[]){small[1] * plane, channel * plane, w, row * plane, 1,
                                  column * plane}, 6 * sizeof *out_small);
    int64_t wide = w * block, area = h * block * wide;
    memcpy(out_large, (int64_t[]){c * area, area, block * wide, wide, block, 1},
           6 * sizeof *out_large);
}

static ran_status evaluate_depth_to_space(ran_evaluation *evaluation)
{
    const ran_tensor *x = evaluation->operands[0];
    int64_t dims[6], small[6], large[6];
    bool depth_first = strcmp(ran_op_string(evaluation->op, "mode"), "DCR") == 0;
    block_strides(ran_tensor_dims(x), ran_op_int(evaluation->op, "blocksize"), depth_first, dims,
                  small, large);
    ran_copy_strided(evaluation->results[0], 0, large, x, 0, small, 6, dims);
    return RAN_OK;
}

const ran_op_hooks ran_hooks_depth_to_space = {.infer = infer_depth_to_space,
                                               .evaluate = evaluate_depth_to_space,
                                               .gradient = ran_depth_to_space_gradient};

static ran_status infer_space_to_depth(ran_infer *infer)
{
    const ran_dim *dims[RAN_MAX_RANK];
    int rank = ran_infer_dims(infer, 0, dims);
    int64_t block;
    ran_status status = check_blocksize(infer, &block);
    if (status == RAN_OK && rank < 0)
        return ran_infer_result_unknown(infer, 0, ran_type_elem(infer->operands[0]));
    if (status == RAN_OK)
        status = divide_dim(infer, "height", &dims[2], block);
    if (status == RAN_OK)
        status = divide_dim(infer, "width", &dims[3], block);
    if (status != RAN_OK)
        return status;
    dims[1] = ran_dim_mul_constant(infer->context, dims[1], block * block);
    return ran_infer_result(infer, 0, ran_type_elem(infer->operands[0]), rank, dims);
}

static ran_status evaluate_space_to_depth(ran_evaluation *evaluation)
{
    ran_tensor *y = evaluation->results[0];
    int64_t dims[6], small[6], large[6];
    block_strides(ran_tensor_dims(y), ran_op_int(evaluation->op, "blocksize"), true, dims, small,
                  large);
    ran_copy_strided(y, 0, small, evaluation->operands[0], 0, large, 6, dims);
    return RAN_OK;
}

const ran_op_hooks ran_hooks_space_to_depth = {.infer = infer_space_to_depth,
                                               .evaluate = evaluate_space_to_depth,
                                               .gradient = ran_space_to_depth_gradient};

/* ---- reverse_sequence ---------------------------------------------------------------------------- */

static ran_status infer_reverse_sequence(ran_infer *infer)
{
    const ran_dim *dims[RAN_MAX_RANK];
    int64_t batch = ran_op_int(infer->op, "batch_axis"), time = ran_op_int(infer->op, "time_axis");
    int rank = ran_infer_dims(infer, 0, dims);
    const ran_type *lens = infer->operands[1];
    infer->results[0] = infer->operands[0];
    if (batch < 0 || batch > 1 || time != 1 - batch)
        return ran_infer_error(infer, "batch_axis = %lld and time_axis = %lld are not 0 and 1",
                               (long long)batch, (long long)time);
    if (rank >= 0 && rank < 2)
        return ran_infer_error(infer, "expected rank 2 or more, got %s",
                               ran_type_text(infer->context, infer->operands[0]));
    ran_status status = ran_infer_check_rank(infer, 1, "sequence_lens", 1);
    if (status != RAN_OK || rank < 0 || ran_type_rank(lens) < 0)
        return status;
    return ran_infer_check_equal_dims(infer, "batch and sequence_lens", dims[batch],
                                      ran_type_dim(lens, 0));
}

static ran_status reverse_one(ran_evaluation *evaluation, int64_t n, int batch, int time)
{
    const ran_tensor *x = evaluation->operands[0];
    ran_tensor *y = evaluation->results[0];
    int rank = ran_tensor_rank(x);
    int64_t dims[RAN_MAX_RANK], strides[RAN_MAX_RANK], reversed[RAN_MAX_RANK];
    memcpy(dims, ran_tensor_dims(x), (size_t)rank * sizeof *dims);
    ran_row_major_strides(rank, dims, strides);
    memcpy(reversed, strides, sizeof strides);
    reversed[time] = -strides[time];
    int64_t length = ran_tensor_get_i64(evaluation->operands[1], n), extent = dims[time];
    if (length < 0 || length > extent)
        return ran_op_error(evaluation->op, RAN_INVALID,
                            "sequence_lens[%lld] is %lld, outside 0..%lld", (long long)n,
                            (long long)length, (long long)extent);
    int64_t offset = n * strides[batch];
    dims[batch] = 1;
    dims[time] = length;
    ran_copy_strided(y, offset, strides, x, offset + (length - 1) * strides[time], reversed, rank,
                     dims);
    dims[time] = extent - length;
    offset += length * strides[time];
    ran_copy_strided(y, offset, strides, x, offset, strides, rank, dims);
    return RAN_OK;
}

static ran_status evaluate_reverse_sequence(ran_evaluation *evaluation)
{
    int batch = (int)ran_op_int(evaluation->op, "batch_axis");
    int time = (int)ran_op_int(evaluation->op, "time_axis");
    ran_status status = RAN_OK;
    for (int64_t n = 0; status == RAN_OK && n < ran_tensor_dims(evaluation->operands[0])[batch];
         n++)
        status = reverse_one(evaluation, n, batch, time);
    return status;
}

const ran_op_hooks ran_hooks_reverse_sequence = {.infer = infer_reverse_sequence,
                                                 .evaluate = evaluate_reverse_sequence,
                                                 .gradient = ran_moved_gradient};
