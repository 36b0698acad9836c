/* SPDX-License-Identifier: GPL-3.0-or-later */
/* slice and pad: cutting out and adding around. */
#include "ir/ops/ops.h"
#include "ir/ops/gradient.h"

#include <stdlib.h>
#include <string.h>

/* ---- slice --------------------------------------------------------------------------------------- */

/* What one axis selects: count positions from `start`, `step` apart. */
typedef struct selection {
    int64_t start, step, count;
} selection;

static int64_t clamp(int64_t value, int64_t low, int64_t high)
{
    return value < low ? low : value > high ? high : value;
}

/* numpy's rules: negative positions count from the end, then everything is clamped. */
static selection select_positions(int64_t extent, int64_t start, int64_t end, int64_t step)
{
    int64_t low = step > 0 ? 0 : -1, high = step > 0 ? extent : extent - 1;
    start = clamp(start < 0 ? start + extent : start, low, high);
    end = clamp(end < 0 ? end + extent : end, low, high);
    step = clamp(step, -INT64_MAX, INT64_MAX);
    int64_t distance = step > 0 ? end - start : start - end, stride = step > 0 ? step : -step;
    return (selection){start, step, distance > 0 ? (distance - 1) / stride + 1 : 0};
}

/* A position of a forward slice after clamping; NULL when its sign is not known. */
static const ran_dim *clamp_position(ran_context *context, const ran_dim *extent,
                                     const ran_dim *position)
{
    const ran_dim *zero = ran_dim_constant(context, 0);
    if (position == extent || ran_dim_lower_bound(position) >= INT32_MAX)
        return extent;
    if (ran_dim_lower_bound(position) >= 0) {
        bool inside = ran_dim_upper_bound(position) <= ran_dim_lower_bound(extent);
        return inside ? position : ran_dim_binary(context, RAN_DIM_MIN, position, extent);
    }
    if (ran_dim_upper_bound(position) >= 0)
        return NULL;
    const ran_dim *from_end = ran_dim_add(context, extent, position);
    return ran_dim_lower_bound(from_end) >= 0
               ? from_end
               : ran_dim_binary(context, RAN_DIM_MAX, from_end, zero);
}

static const ran_dim *at_least_zero(ran_context *context, const ran_dim *dim)
{
    return ran_dim_lower_bound(dim) >= 0
               ? dim
               : ran_dim_binary(context, RAN_DIM_MAX, dim, ran_dim_constant(context, 0));
}

/* end - start of a forward slice; the common forms stay simple (all, the rest, the last ones). */
static const ran_dim *forward_distance(ran_context *context, const ran_dim *extent,
                                       const ran_dim *start, const ran_dim *end)
{
    const ran_dim *first = clamp_position(context, extent, start);
    const ran_dim *last = clamp_position(context, extent, end);
    if (!first || !last)
        return ran_dim_fresh(context);
    if (ran_dim_is(first, 0))
        return last;
    if (last == extent && ran_dim_upper_bound(start) < 0)
        return ran_dim_binary(context, RAN_DIM_MIN, extent,
                              ran_dim_mul_constant(context, start, -1));
    if (last == extent)
        return at_least_zero(context, ran_dim_sub(context, extent, start));
    return at_least_zero(context, ran_dim_sub(context, last, first));
}

static const ran_dim *selected_extent(ran_context *context, const ran_dim *extent,
                                      const ran_dim *start, const ran_dim *end, int64_t step)
{
    if (ran_dim_is_constant(extent) && ran_dim_is_constant(start) && ran_dim_is_constant(end)) {
        selection s = select_positions(ran_dim_value(extent), ran_dim_value(start),
                                       ran_dim_value(end), step);
        return ran_dim_constant(context, s.count);
    }
    const ran_dim *distance;
    bool whole = ran_dim_is(start, -1) || ran_dim_lower_bound(start) >= INT32_MAX;
    if (step > 0)
        distance = forward_distance(context, extent, start, end);
    else if (whole && ran_dim_upper_bound(end) <= -INT32_MAX)
        distance = extent;
    else
        return ran_dim_fresh(context);
    int64_t stride = step > 0 ? step : step == INT64_MIN ? INT64_MAX : -step;
    return ran_dim_binary(context, RAN_DIM_CEILDIV, distance, ran_dim_constant(context, stride));
}

/* Operand `index` listed for the axes, or `count` times `missing` when it is absent; -1 unknown. */
static int64_t listed_or(const ran_infer *infer, size_t index, int64_t count, int64_t *out,
                         bool ascending)
{
    if (ran_infer_operand(infer, index))
        return ran_infer_constants(infer, index, out, RAN_MAX_RANK);
    for (int64_t i = 0; i < count && i < RAN_MAX_RANK; i++)
        out[i] = ascending ? i : 1;
    return count;
}

static void slice_known(ran_infer *infer, int rank, const ran_dim *const *dims,
                        const ran_dim *const *result, const int64_t *starts, const int64_t *steps)
{
    int64_t from[RAN_MAX_RANK], to[RAN_MAX_RANK], strides[RAN_MAX_RANK], offset = 0;
    if (!ran_dims_constant(rank, dims, from) || !ran_dims_constant(rank, result, to))
        return;
    ran_row_major_strides(rank, from, strides);
    for (int i = 0; i < rank; i++) {
        offset += starts[i] * strides[i];
        strides[i] *= steps[i];
    }
    ran_infer_known_strided(infer, 0, offset, strides, rank, to);
}

static ran_status slice_axes(ran_infer *infer, int rank, size_t count, const ran_dim *const *starts,
                             const ran_dim *const *ends, const int64_t *axes, const int64_t *steps)
{
    const ran_dim *dims[RAN_MAX_RANK], *result[RAN_MAX_RANK];
    int64_t first[RAN_MAX_RANK] = {0}, stride[RAN_MAX_RANK];
    bool seen[RAN_MAX_RANK] = {false}, exact = true;
    (void)ran_infer_dims(infer, 0, dims);
    for (int i = 0; i < rank; i++) {
        result[i] = dims[i];
        stride[i] = 1;
    }
    for (size_t i = 0; i < count; i++) {
        int axis = ran_axis(axes[i], rank);
        if (axis < 0 || seen[axis])
            return ran_infer_error(infer, "axis %lld is out of range or twice in axes of rank %d",
                                   (long long)axes[i], rank);
        if (steps[i] == 0)
            return ran_infer_error(infer, "step 0 of axis %d", axis);
        seen[axis] = true;
        result[axis] = selected_extent(infer->context, dims[axis], starts[i], ends[i], steps[i]);
        if (!ran_dim_is_constant(dims[axis]) || !ran_dim_is_constant(starts[i]) ||
            !ran_dim_is_constant(ends[i])) {
            exact = false;
            continue;
        }
        selection s = select_positions(ran_dim_value(dims[axis]), ran_dim_value(starts[i]),
                                       ran_dim_value(ends[i]), steps[i]);
        first[axis] = s.count ? s.start : 0;
        stride[axis] = s.step;
    }
    if (exact)
        slice_known(infer, rank, dims, result, first, stride);
    return ran_infer_result(infer, 0, ran_type_elem(infer->operands[0]), rank, result);
}

/* Nothing is known but the rank (and the axes, if these are). */
static ran_status slice_unknown(ran_infer *infer, int rank, int64_t axis_count,
                                const int64_t *axes)
{
    const ran_dim *dims[RAN_MAX_RANK];
    (void)ran_infer_dims(infer, 0, dims);
    bool touched[RAN_MAX_RANK] = {false};
    for (int64_t i = 0; i < axis_count; i++)
        if (ran_axis(axes[i], rank) >= 0)
            touched[ran_axis(axes[i], rank)] = true;
    for (int i = 0; i < rank; i++)
        if (axis_count < 0 || touched[i])
            dims[i] = ran_dim_fresh(infer->context);
    return ran_infer_result(infer, 0, ran_type_elem(infer->operands[0]), rank, dims);
}

static ran_status infer_slice(ran_infer *infer)
{
    int64_t axes[RAN_MAX_RANK], steps[RAN_MAX_RANK];
    size_t count = 0, end_count = 0;
    int rank = ran_type_rank(infer->operands[0]);
    if (rank < 0)
        return ran_infer_result_unknown(infer, 0, ran_type_elem(infer->operands[0]));
    const ran_dim *const *starts = ran_infer_elements(infer, 1, &count);
    const ran_dim *const *ends = ran_infer_elements(infer, 2, &end_count);
    const ran_type *type = infer->operands[1];
    bool counted = ran_type_rank(type) == 1 && ran_dim_is_constant(ran_type_dim(type, 0));
    int64_t length = starts ? (int64_t)count : counted ? ran_type_extent(type, 0) : -1;
    int64_t axis_count = listed_or(infer, 3, length, axes, true);
    int64_t step_count = listed_or(infer, 4, length, steps, false);
    if (length > rank)
        return ran_infer_error(infer, "%lld starts for rank %d", (long long)length, rank);
    if (!starts || !ends || axis_count < 0 || step_count < 0)
        return slice_unknown(infer, rank, axis_count, axes);
    if (end_count != count || axis_count != length || step_count != length)
        return ran_infer_error(infer, "starts, ends, axes and steps differ in length");
    return slice_axes(infer, rank, count, starts, ends, axes, steps);
}

static ran_status evaluate_slice(ran_evaluation *evaluation)
{
    const ran_tensor *x = evaluation->operands[0], *starts = evaluation->operands[1];
    const ran_tensor *ends = evaluation->operands[2], *axes = ran_eval_operand(evaluation, 3);
    const ran_tensor *steps = ran_eval_operand(evaluation, 4);
    ran_tensor *y = evaluation->results[0];
    int rank = ran_tensor_rank(x);
    int64_t from[RAN_MAX_RANK], to[RAN_MAX_RANK], offset = 0;
    ran_row_major_strides(rank, ran_tensor_dims(x), from);
    ran_row_major_strides(rank, ran_tensor_dims(y), to);
    for (int64_t i = 0; i < ran_tensor_numel(starts); i++) {
        int axis = ran_axis(axes ? ran_tensor_get_i64(axes, i) : i, rank);
        selection s = select_positions(ran_tensor_dims(x)[axis], ran_tensor_get_i64(starts, i),
                                       ran_tensor_get_i64(ends, i),
                                       steps ? ran_tensor_get_i64(steps, i) : 1);
        offset += s.start * from[axis];
        /* A step beyond the extent selects one position; it must not overflow. */
        from[axis] *= s.count > 1 ? s.step : 1;
    }
    ran_copy_strided(y, 0, to, x, offset, from, rank, ran_tensor_dims(y));
    return RAN_OK;
}

const ran_op_hooks ran_hooks_slice = {
    .infer = infer_slice, .evaluate = evaluate_slice, .gradient = ran_slice_gradient};

/* ---- pad ----------------------------------------------------------------------------------------- */

typedef enum pad_mode { PAD_CONSTANT, PAD_REFLECT, PAD_EDGE, PAD_WRAP, PAD_MODES } pad_mode;

static pad_mode parse_pad_mode(const ran_op *op)
{
    static const char *const names[] = {"constant", "reflect", "edge", "wrap"};
    unsigned mode = 0;
    while (mode < PAD_MODES && strcmp(ran_op_string(op, "mode"), names[mode]) != 0)
        mode++;
    return (pad_mode)mode;
}

/* What edge, reflect and wrap take their values from is not empty: the axis without what negative
 * pads cut. */
static void require_source(const ran_infer *infer, const ran_dim *extent, const ran_dim *begin,
                           const ran_dim *end)
{
    ran_context *context = infer->context;
    const ran_dim *zero = ran_dim_constant(context, 0);
    if (parse_pad_mode(infer->op) == PAD_CONSTANT)
        return;
    extent = ran_dim_add(context, extent, ran_dim_binary(context, RAN_DIM_MIN, begin, zero));
    extent = ran_dim_add(context, extent, ran_dim_binary(context, RAN_DIM_MIN, end, zero));
    ran_infer_require(infer, RAN_AT_LEAST, "an axis to pad from and 1", extent,
                      ran_dim_constant(context, 1));
}

static ran_status infer_pad_dims(ran_infer *infer, int rank, const ran_dim **dims, int64_t count,
                                 const int64_t *axes, const ran_dim *const *pads)
{
    bool seen[RAN_MAX_RANK] = {false};
    for (int64_t i = 0; i < count; i++) {
        int axis = ran_axis(axes[i], rank);
        if (axis < 0 || seen[axis])
            return ran_infer_error(infer, "axis %lld is out of range or twice in axes of rank %d",
                                   (long long)axes[i], rank);
        seen[axis] = true;
        require_source(infer, dims[axis], pads[i], pads[i + count]);
        dims[axis] = ran_dim_add(infer->context, dims[axis],
                                 ran_dim_add(infer->context, pads[i], pads[i + count]));
        if (ran_dim_is_constant(dims[axis]) && ran_dim_value(dims[axis]) < 0)
            return ran_infer_error(infer, "pads cut more off axis %d of %s than it has", axis,
                                   ran_type_text(infer->context, infer->operands[0]));
    }
    return ran_infer_result(infer, 0, ran_type_elem(infer->operands[0]), rank, dims);
}

static ran_status infer_pad(ran_infer *infer)
{
    const ran_dim *dims[RAN_MAX_RANK];
    int64_t axes[RAN_MAX_RANK];
    size_t count;
    int rank = ran_infer_dims(infer, 0, dims);
    const ran_type *value = ran_infer_operand(infer, 2);
    if (parse_pad_mode(infer->op) == PAD_MODES)
        return ran_infer_error(infer, "unknown mode %s", ran_op_string(infer->op, "mode"));
    if (value && ran_type_elem(value) != ran_type_elem(infer->operands[0]))
        return ran_infer_error(infer, "value %s is of another element type than x",
                               ran_type_text(infer->context, value));
    if (rank < 0)
        return ran_infer_result_unknown(infer, 0, ran_type_elem(infer->operands[0]));
    int64_t axis_count = listed_or(infer, 3, rank, axes, true);
    const ran_dim *const *pads = ran_infer_elements(infer, 1, &count);
    if (!pads || axis_count < 0)
        return slice_unknown(infer, rank, axis_count, axes);
    if (count != 2 * (size_t)axis_count)
        return ran_infer_error(infer, "%zu pads for %lld axes", count, (long long)axis_count);
    return infer_pad_dims(infer, rank, dims, axis_count, axes, pads);
}

/* Where position `p` of the uncut part of an axis comes from: m positions remain of it; -1 outside
 * in constant mode. */
static int64_t pad_source(pad_mode mode, int64_t p, int64_t m)
{
    if (p >= 0 && p < m)
        return p;
    if (mode == PAD_EDGE)
        return p < 0 ? 0 : m - 1;
    if (mode == PAD_WRAP)
        return (p % m + m) % m;
    if (mode == PAD_CONSTANT)
        return -1;
    if (m == 1)
        return 0;
    int64_t period = 2 * (m - 1), r = (p % period + period) % period;
    return r < m ? r : period - r;
}

/* Fills map[0..extent) with positions of x's axis; negative pads first cut, then the rest pads. */
static ran_status map_axis(const ran_evaluation *evaluation, int axis, pad_mode mode, int64_t begin,
                           int64_t end, int64_t *map)
{
    int64_t from = ran_tensor_dims(evaluation->operands[0])[axis];
    int64_t extent = ran_tensor_dims(evaluation->results[0])[axis];
    int64_t cut = begin < 0 ? -begin : 0, m = from - cut - (end < 0 ? -end : 0);
    if (m <= 0 && mode != PAD_CONSTANT && extent > 0)
        return ran_op_error(evaluation->op, RAN_INVALID,
                            "nothing remains of axis %d to pad with in mode %s", axis,
                            ran_op_string(evaluation->op, "mode"));
    for (int64_t i = 0; i < extent; i++) {
        int64_t source = pad_source(mode, i - (begin > 0 ? begin : 0), m);
        map[i] = source < 0 ? -1 : source + cut;
    }
    return RAN_OK;
}

static void pad_elements(ran_evaluation *evaluation, const int64_t *const *maps)
{
    const ran_tensor *x = evaluation->operands[0], *value = ran_eval_operand(evaluation, 2);
    ran_tensor *y = evaluation->results[0];
    int rank = ran_tensor_rank(y);
    int64_t strides[RAN_MAX_RANK], index[RAN_MAX_RANK] = {0}, n = 0;
    ran_row_major_strides(rank, ran_tensor_dims(x), strides);
    do {
        int64_t from = 0;
        bool outside = false;
        for (int i = 0; i < rank; i++) {
            outside |= maps[i][index[i]] < 0;
            from += maps[i][index[i]] * strides[i];
        }
        if (!outside)
            ran_copy_elements(y, n, x, from, 1);
        else if (value)
            ran_copy_elements(y, n, value, 0, 1);
        n++;
    } while (ran_index_next(rank, ran_tensor_dims(y), index));
}

static ran_status map_axes(ran_evaluation *evaluation, int64_t *const *maps)
{
    const ran_tensor *pads = evaluation->operands[1], *axes = ran_eval_operand(evaluation, 3);
    int rank = ran_tensor_rank(evaluation->operands[0]);
    int64_t begin[RAN_MAX_RANK] = {0}, end[RAN_MAX_RANK] = {0};
    int64_t count = ran_tensor_numel(pads) / 2;
    for (int64_t i = 0; i < count; i++) {
        int axis = ran_axis(axes ? ran_tensor_get_i64(axes, i) : i, rank);
        begin[axis] = ran_tensor_get_i64(pads, i);
        end[axis] = ran_tensor_get_i64(pads, i + count);
    }
    ran_status status = RAN_OK;
    for (int i = 0; status == RAN_OK && i < rank; i++)
        status = map_axis(evaluation, i, parse_pad_mode(evaluation->op), begin[i], end[i], maps[i]);
    return status;
}

static ran_status evaluate_pad(ran_evaluation *evaluation)
{
    const ran_tensor *y = evaluation->results[0];
    int rank = ran_tensor_rank(y);
    int64_t *maps[RAN_MAX_RANK];
    if (ran_tensor_numel(y) == 0)
        return RAN_OK;
    ran_arena *scratch = ran_arena_create();
    for (int i = 0; i < rank; i++)
        maps[i] = RAN_ARENA_ARRAY(scratch, int64_t, (size_t)ran_tensor_dims(y)[i]);
    ran_status status = map_axes(evaluation, maps);
    if (status == RAN_OK)
        pad_elements(evaluation, (const int64_t *const *)maps);
    ran_arena_destroy(scratch);
    return status;
}

const ran_op_hooks ran_hooks_pad = {
    .infer = infer_pad, .evaluate = evaluate_pad, .gradient = ran_pad_gradient};

/* ---- center_crop_pad -------------------------------------------------------------------------------- */

/* The axes of the op in out_axes; how many, or -1 when they don't fit. */
static int crop_axes(const ran_op *op, int rank, int *out_axes)
{
    size_t count;
    const int64_t *axes = ran_op_ints(op, "axes", &count);
    int total = count ? (int)count : rank;
    if (count > (size_t)rank)
        return -1;
    for (int i = 0; i < total; i++) {
        out_axes[i] = ran_axis(count ? axes[i] : i, rank);
        if (out_axes[i] < 0)
            return -1;
    }
    return total;
}

static ran_status infer_center_crop_pad(ran_infer *infer)
{
    const ran_dim *dims[RAN_MAX_RANK];
    int axes[RAN_MAX_RANK], rank = ran_infer_dims(infer, 0, dims);
    size_t count;
    ran_elem elem = ran_type_elem(infer->operands[0]);
    const ran_dim *const *shape = ran_infer_elements(infer, 1, &count);
    if (rank < 0)
        return ran_infer_result_unknown(infer, 0, elem);
    int axis_count = crop_axes(infer->op, rank, axes);
    if (axis_count < 0 || (shape && count != (size_t)axis_count))
        return ran_infer_error(infer, "shape and axes don't fit %s",
                               ran_type_text(infer->context, infer->operands[0]));
    for (int i = 0; i < axis_count; i++) {
        dims[axes[i]] = shape ? shape[i] : ran_dim_fresh(infer->context);
        if (ran_dim_is_constant(dims[axes[i]]) && ran_dim_value(dims[axes[i]]) < 0)
            return ran_infer_error(infer, "shape has a negative element");
    }
    return ran_infer_result(infer, 0, elem, rank, dims);
}

/* Of a difference the smaller half lies in front. */
static ran_status evaluate_center_crop_pad(ran_evaluation *evaluation)
{
    const ran_tensor *x = evaluation->operands[0];
    ran_tensor *y = evaluation->results[0];
    int rank = ran_tensor_rank(x);
    int64_t from[RAN_MAX_RANK], to[RAN_MAX_RANK], dims[RAN_MAX_RANK], read = 0, write = 0;
    ran_row_major_strides(rank, ran_tensor_dims(x), from);
    ran_row_major_strides(rank, ran_tensor_dims(y), to);
    for (int i = 0; i < rank; i++) {
        int64_t before = ran_tensor_dims(x)[i], after = ran_tensor_dims(y)[i];
        dims[i] = before < after ? before : after;
        read += before > after ? (before - after) / 2 * from[i] : 0;
        write += after > before ? (after - before) / 2 * to[i] : 0;
    }
    ran_copy_strided(y, write, to, x, read, from, rank, dims);
    return RAN_OK;
}

const ran_op_hooks ran_hooks_center_crop_pad = {.infer = infer_center_crop_pad,
                                                .evaluate = evaluate_center_crop_pad,
                                                .gradient = ran_moved_gradient};
