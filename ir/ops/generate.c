/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Ops whose elements come from positions: range, constant_of_shape, eye_like, trilu. */
#include "ir/ops/ops.h"
#include "ir/ops/gradient.h"

#include <math.h>

/* ---- range --------------------------------------------------------------------------------------- */

static bool is_float_range(ran_elem elem)
{
    return ran_elem_is_float(elem);
}

static int64_t count_steps_int(int64_t start, int64_t limit, int64_t delta)
{
    __int128 distance = (__int128)limit - start, step = delta;
    if (step < 0) {
        distance = -distance;
        step = -step;
    }
    if (distance <= 0)
        return 0;
    __int128 count = (distance + step - 1) / step;
    return count > INT64_MAX ? INT64_MAX : (int64_t)count;
}

static int64_t count_steps_float(double start, double limit, double delta)
{
    double count = ceil((limit - start) / delta);
    return !(count > 0) ? 0 : count > 1e15 ? INT64_MAX : (int64_t)count;
}

static bool count_steps(const ran_tensor *const *operands, int64_t *out_count)
{
    if (is_float_range(ran_tensor_elem(operands[0]))) {
        double delta = ran_tensor_get_f64(operands[2], 0);
        if (delta == 0 || isnan(delta))
            return false;
        *out_count = count_steps_float(ran_tensor_get_f64(operands[0], 0),
                                       ran_tensor_get_f64(operands[1], 0), delta);
        return true;
    }
    int64_t delta = ran_tensor_get_i64(operands[2], 0);
    if (delta == 0)
        return false;
    *out_count = count_steps_int(ran_tensor_get_i64(operands[0], 0),
                                 ran_tensor_get_i64(operands[1], 0), delta);
    return true;
}

static const ran_dim *infer_float_count(ran_infer *infer)
{
    const ran_tensor *operands[3];
    int64_t count;
    for (size_t i = 0; i < 3; i++) {
        operands[i] = infer->tensors[i]; /* floats have no known elements */
        if (!operands[i] || ran_tensor_numel(operands[i]) != 1)
            return ran_dim_fresh(infer->context);
    }
    return count_steps(operands, &count) ? ran_dim_constant(infer->context, count)
                                         : ran_dim_fresh(infer->context);
}

static const ran_dim *known_scalar(const ran_infer *infer, size_t index)
{
    size_t count;
    const ran_dim *const *elements = ran_infer_elements(infer, index, &count);
    return elements && count == 1 ? elements[0] : NULL;
}

static void range_known(ran_infer *infer, const ran_dim *start, int64_t delta, const ran_dim *count)
{
    if (!ran_dim_is_constant(count) || ran_dim_value(count) > RAN_MAX_KNOWN)
        return;
    int64_t n = ran_dim_value(count), offset;
    const ran_dim **known = ran_infer_known(infer, 0, (size_t)n);
    for (int64_t i = 0; known && i < n; i++) {
        offset = (int64_t)((uint64_t)i * (uint64_t)delta);
        known[i] = ran_dim_add_constant(infer->context, start, offset);
    }
}

/* A symbolic limit or start with a constant delta gives ceil((limit - start) / delta). */
static const ran_dim *infer_int_count(ran_infer *infer)
{
    ran_context *context = infer->context;
    const ran_dim *start = known_scalar(infer, 0), *limit = known_scalar(infer, 1);
    const ran_dim *delta = known_scalar(infer, 2), *count;
    if (!start || !limit || !delta || !ran_dim_is_constant(delta) || ran_dim_is(delta, 0))
        return ran_dim_fresh(context);
    int64_t step = ran_dim_value(delta);
    if (ran_dim_is_constant(start) && ran_dim_is_constant(limit)) {
        count = ran_dim_constant(
            context, count_steps_int(ran_dim_value(start), ran_dim_value(limit), step));
    } else if (step == INT64_MIN) {
        return ran_dim_fresh(context);
    } else {
        const ran_dim *distance = step > 0 ? ran_dim_sub(context, limit, start)
                                           : ran_dim_sub(context, start, limit);
        if (ran_dim_lower_bound(distance) < 0)
            distance = ran_dim_binary(context, RAN_DIM_MAX, distance, ran_dim_constant(context, 0));
        count = ran_dim_binary(context, RAN_DIM_CEILDIV, distance,
                               ran_dim_constant(context, step > 0 ? step : -step));
    }
    range_known(infer, start, step, count);
    return count;
}

static ran_status infer_range(ran_infer *infer)
{
    ran_elem elem = ran_type_elem(infer->operands[0]);
    for (size_t i = 0; i < 3; i++) {
        const ran_type *type = infer->operands[i];
        if (ran_type_elem(type) != elem)
            return ran_infer_error(infer, "start, limit and delta differ in element type");
        if (ran_type_is_static(type) && ran_type_numel(type) != 1)
            return ran_infer_error(infer, "operand %zu: expected a scalar, got %s", i,
                                   ran_type_text(infer->context, type));
    }
    const ran_dim *count =
        is_float_range(elem) ? infer_float_count(infer) : infer_int_count(infer);
    return ran_infer_result(infer, 0, elem, 1, &count);
}

static ran_status evaluate_range(ran_evaluation *evaluation)
{
    const ran_tensor *const *operands = evaluation->operands;
    ran_elem elem = ran_tensor_elem(operands[0]);
    int64_t count;
    if (!count_steps(operands, &count))
        return ran_op_error(evaluation->op, RAN_INVALID, "delta is 0");
    ran_status status = ran_eval_create(evaluation, 0, elem, 1, &count);
    if (status != RAN_OK)
        return status;
    double start = ran_tensor_get_f64(operands[0], 0), delta = ran_tensor_get_f64(operands[2], 0);
    uint64_t first = (uint64_t)ran_tensor_get_i64(operands[0], 0);
    uint64_t step = (uint64_t)ran_tensor_get_i64(operands[2], 0);
    for (int64_t i = 0; i < count; i++) {
        if (is_float_range(elem))
            ran_tensor_set_f64(evaluation->results[0], i, start + (double)i * delta);
        else
            ran_tensor_set_i64(evaluation->results[0], i, (int64_t)(first + (uint64_t)i * step));
    }
    return RAN_OK;
}

const ran_op_hooks ran_hooks_range = {
    .infer = infer_range, .evaluate = evaluate_range, .gradient = ran_range_gradient};

/* ---- constant_of_shape --------------------------------------------------------------------------- */

static ran_elem fill_elem(const ran_op *op)
{
    const ran_tensor *value = ran_op_tensor(op, "value");
    return value ? ran_tensor_elem(value) : RAN_ELEM_F32;
}

static void constant_of_shape_known(ran_infer *infer)
{
    const ran_tensor *value = ran_op_tensor(infer->op, "value");
    const ran_type *type = infer->results[0];
    bool integer = value && (ran_elem_is_int(fill_elem(infer->op)) ||
                             fill_elem(infer->op) == RAN_ELEM_BOOL);
    if (!integer || !ran_type_is_static(type))
        return;
    int64_t count = ran_type_numel(type);
    if (count > RAN_MAX_KNOWN)
        return;
    const ran_dim *element = ran_dim_constant(infer->context, ran_tensor_get_i64(value, 0));
    const ran_dim **known = ran_infer_known(infer, 0, (size_t)count);
    for (int64_t i = 0; known && i < count; i++)
        known[i] = element;
}

static ran_status infer_constant_of_shape(ran_infer *infer)
{
    const ran_tensor *value = ran_op_tensor(infer->op, "value");
    ran_elem elem = fill_elem(infer->op);
    size_t count;
    const ran_dim *const *shape = ran_infer_elements(infer, 0, &count);
    if (value && ran_tensor_numel(value) != 1)
        return ran_infer_error(infer, "value has %lld elements, not one",
                               (long long)ran_tensor_numel(value));
    ran_status status = ran_infer_check_rank(infer, 0, "shape", 1);
    if (status != RAN_OK)
        return status;
    if (!shape)
        return ran_infer_unknown_shape(infer, 0, elem);
    for (size_t i = 0; i < count; i++)
        if (ran_dim_is_constant(shape[i]) && ran_dim_value(shape[i]) < 0)
            return ran_infer_error(infer, "shape has the negative element %lld",
                                   (long long)ran_dim_value(shape[i]));
    status = ran_infer_result(infer, 0, elem, (int)count, shape);
    if (status == RAN_OK)
        constant_of_shape_known(infer);
    return status;
}

static ran_status evaluate_constant_of_shape(ran_evaluation *evaluation)
{
    const ran_tensor *value = ran_op_tensor(evaluation->op, "value");
    ran_tensor *y = evaluation->results[0];
    for (int64_t i = 0; value && i < ran_tensor_numel(y); i++)
        ran_copy_elements(y, i, value, 0, 1);
    return RAN_OK;
}

const ran_op_hooks ran_hooks_constant_of_shape = {.infer = infer_constant_of_shape,
                                                  .evaluate = evaluate_constant_of_shape};

/* ---- eye_like ------------------------------------------------------------------------------------ */

static ran_status infer_eye_like(ran_infer *infer)
{
    const ran_dim *dims[RAN_MAX_RANK];
    bool typed = ran_op_has_attr(infer->op, "dtype");
    ran_elem elem = ran_type_elem(typed ? ran_op_type_attr(infer->op, "dtype")
                                        : infer->operands[0]);
    ran_status status = ran_infer_check_rank(infer, 0, "x", 2);
    if (status != RAN_OK)
        return status;
    return ran_infer_result(infer, 0, elem, ran_infer_dims(infer, 0, dims), dims);
}

static ran_status evaluate_eye_like(ran_evaluation *evaluation)
{
    ran_tensor *y = evaluation->results[0];
    int64_t rows = ran_tensor_dims(y)[0], columns = ran_tensor_dims(y)[1];
    int64_t k = ran_op_int(evaluation->op, "k");
    for (int64_t i = 0; i < rows; i++) {
        int64_t j;
        if (!__builtin_add_overflow(i, k, &j) && j >= 0 && j < columns)
            ran_tensor_set_i64(y, i * columns + j, 1);
    }
    return RAN_OK;
}

const ran_op_hooks ran_hooks_eye_like = {
    .infer = infer_eye_like, .evaluate = evaluate_eye_like, .gradient = ran_gradient_zero};

/* ---- trilu --------------------------------------------------------------------------------------- */

static ran_status infer_trilu(ran_infer *infer)
{
    int rank = ran_type_rank(infer->operands[0]);
    const ran_type *k = ran_infer_operand(infer, 1);
    infer->results[0] = infer->operands[0];
    if (rank >= 0 && rank < 2)
        return ran_infer_error(infer, "expected rank 2 or more, got %s",
                               ran_type_text(infer->context, infer->operands[0]));
    if (k && ran_type_is_static(k) && ran_type_numel(k) != 1)
        return ran_infer_error(infer, "operand k: expected a scalar, got %s",
                               ran_type_text(infer->context, k));
    return RAN_OK;
}

static ran_status evaluate_trilu(ran_evaluation *evaluation)
{
    const ran_tensor *x = evaluation->operands[0], *diagonal = ran_eval_operand(evaluation, 1);
    int rank = ran_tensor_rank(x);
    int64_t rows = ran_tensor_dims(x)[rank - 2], columns = ran_tensor_dims(x)[rank - 1];
    int64_t k = diagonal ? ran_tensor_get_i64(diagonal, 0) : 0;
    bool upper = ran_op_int(evaluation->op, "upper") != 0;
    for (int64_t n = 0; n < ran_tensor_numel(x); n++) {
        int64_t j = n % columns, i = n / columns % rows;
        if (upper ? j - i >= k : j - i <= k)
            ran_copy_elements(evaluation->results[0], n, x, n, 1);
    }
    return RAN_OK;
}

const ran_op_hooks ran_hooks_trilu = {
    .infer = infer_trilu, .evaluate = evaluate_trilu, .gradient = ran_trilu_gradient};
