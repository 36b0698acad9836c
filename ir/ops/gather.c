/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Reading by index: gather and its kin, one_hot, compress, non_zero. Negative indices count from
 * the end; one outside is an error that names it. */
#include "ir/ops/index.h"
#include "ir/ops/gradient.h"

#include <stdlib.h>

/* ---- shared with scatter.c ------------------------------------------------------------------------ */

ran_status ran_eval_index(const ran_evaluation *evaluation, int64_t value, int axis, int64_t extent,
                          int64_t *out_index)
{
    *out_index = value < 0 ? value + extent : value;
    if (*out_index >= 0 && *out_index < extent)
        return RAN_OK;
    return ran_op_error(evaluation->op, RAN_INVALID,
                        "index %lld is out of range for axis %d of extent %lld", (long long)value,
                        axis, (long long)extent);
}

ran_status ran_infer_check_index_elem(const ran_infer *infer, size_t operand)
{
    ran_elem elem = ran_type_elem(infer->operands[operand]);
    if (ran_elem_is_int(elem))
        return RAN_OK;
    return ran_infer_error(infer, "operand %zu: expected integer indices, got %s", operand,
                           ran_type_text(infer->context, infer->operands[operand]));
}

ran_status ran_eval_nd_offset(const ran_evaluation *evaluation, const ran_tensor *data,
                              const ran_tensor *indices, int64_t position, int first_axis,
                              int64_t count, int64_t *out_offset)
{
    const int64_t *dims = ran_tensor_dims(data);
    *out_offset = 0;
    for (int64_t i = 0; i < count; i++) {
        int axis = first_axis + (int)i;
        int64_t index;
        ran_status status =
            ran_eval_index(evaluation, ran_tensor_get_i64(indices, position * count + i), axis,
                           dims[axis], &index);
        if (status != RAN_OK)
            return status;
        *out_offset += index * ran_dims_product(dims, axis + 1, ran_tensor_rank(data));
    }
    return RAN_OK;
}

/* ---- gather --------------------------------------------------------------------------------------- */

/* Picks from a vector whose elements are known: what makes Shape -> Gather resolve. */
static ran_status gather_known(ran_infer *infer)
{
    size_t count, index_count;
    const ran_dim *const *elements = ran_infer_elements(infer, 0, &count);
    const ran_dim *const *indices = ran_infer_elements(infer, 1, &index_count);
    if (!elements || !indices || ran_type_rank(infer->operands[0]) != 1)
        return RAN_OK;
    for (size_t i = 0; i < index_count; i++)
        if (!ran_dim_is_constant(indices[i]))
            return RAN_OK;
    const ran_dim **known = ran_infer_known(infer, 0, index_count);
    for (size_t i = 0; known && i < index_count; i++) {
        int64_t value = ran_dim_value(indices[i]);
        int64_t index = value < 0 ? value + (int64_t)count : value;
        if (index < 0 || index >= (int64_t)count)
            return ran_infer_error(infer, "index %lld is out of range for axis 0 of extent %zu",
                                   (long long)value, count);
        known[i] = elements[index];
    }
    return RAN_OK;
}

static ran_status infer_gather(ran_infer *infer)
{
    const ran_dim *x[RAN_MAX_RANK], *indices[RAN_MAX_RANK], *dims[RAN_MAX_RANK];
    int rank = ran_infer_dims(infer, 0, x), index_rank = ran_infer_dims(infer, 1, indices), n = 0;
    ran_elem elem = ran_type_elem(infer->operands[0]);
    ran_status status = ran_infer_check_index_elem(infer, 1);
    if (status != RAN_OK)
        return status;
    if (rank < 0 || index_rank < 0)
        return ran_infer_result_unknown(infer, 0, elem);
    int axis = ran_infer_axis_attr(infer, "axis", rank);
    if (axis < 0)
        return RAN_INVALID;
    if (rank + index_rank - 1 > RAN_MAX_RANK)
        return ran_infer_result(infer, 0, elem, rank + index_rank - 1, NULL);
    for (int i = 0; i < axis; i++)
        dims[n++] = x[i];
    for (int i = 0; i < index_rank; i++)
        dims[n++] = indices[i];
    for (int i = axis + 1; i < rank; i++)
        dims[n++] = x[i];
    status = gather_known(infer);
    return status == RAN_OK ? ran_infer_result(infer, 0, elem, n, dims) : status;
}

static ran_status evaluate_gather(ran_evaluation *evaluation)
{
    const ran_tensor *x = evaluation->operands[0], *indices = evaluation->operands[1];
    int rank = ran_tensor_rank(x), axis = ran_axis(ran_op_int(evaluation->op, "axis"), rank);
    const int64_t *dims = ran_tensor_dims(x);
    int64_t outer = ran_dims_product(dims, 0, axis), count = ran_tensor_numel(indices), index;
    int64_t inner = ran_dims_product(dims, axis + 1, rank), line = dims[axis] * inner;
    for (int64_t j = 0; j < count; j++) {
        ran_status status = ran_eval_index(evaluation, ran_tensor_get_i64(indices, j), axis,
                                           dims[axis], &index);
        if (status != RAN_OK)
            return status;
        for (int64_t n = 0; n < outer; n++)
            ran_copy_elements(evaluation->results[0], (n * count + j) * inner, x,
                              n * line + index * inner, inner);
    }
    return RAN_OK;
}

const ran_op_hooks ran_hooks_gather = {
    .infer = infer_gather, .evaluate = evaluate_gather, .gradient = ran_gather_gradient};

/* ---- gather_elements ------------------------------------------------------------------------------ */

ran_status ran_infer_check_elementwise_indices(ran_infer *infer)
{
    const ran_type *x = infer->operands[0], *indices = infer->operands[1];
    int rank = ran_type_rank(x);
    ran_status status = ran_infer_check_index_elem(infer, 1);
    if (status != RAN_OK || rank < 0)
        return status;
    int axis = ran_infer_axis_attr(infer, "axis", rank);
    if (axis < 0)
        return RAN_INVALID;
    status = ran_infer_check_rank(infer, 1, "indices", rank);
    if (status != RAN_OK || ran_type_rank(indices) < 0)
        return status;
    for (int i = 0; i < rank; i++) {
        const ran_dim *a = ran_type_dim(indices, i), *b = ran_type_dim(x, i);
        if (i != axis && ran_dim_is_constant(a) && ran_dim_is_constant(b) &&
            ran_dim_value(a) > ran_dim_value(b))
            return ran_infer_error(infer, "indices %s reach beyond axis %d of %s",
                                   ran_type_text(infer->context, indices), i,
                                   ran_type_text(infer->context, x));
        if (i != axis)
            ran_infer_require(infer, RAN_AT_LEAST, "sizes of x and indices", b, a);
    }
    return RAN_OK;
}

static ran_status infer_gather_elements(ran_infer *infer)
{
    ran_status status = ran_infer_check_elementwise_indices(infer);
    infer->results[0] = ran_type_with_elem(infer->context, infer->operands[1],
                                           ran_type_elem(infer->operands[0]));
    return status;
}

static ran_status evaluate_gather_elements(ran_evaluation *evaluation)
{
    const ran_tensor *x = evaluation->operands[0], *indices = evaluation->operands[1];
    int rank = ran_tensor_rank(x), axis = ran_axis(ran_op_int(evaluation->op, "axis"), rank);
    int64_t strides[RAN_MAX_RANK], position[RAN_MAX_RANK] = {0}, index;
    ran_row_major_strides(rank, ran_tensor_dims(x), strides);
    for (int64_t n = 0; n < ran_tensor_numel(indices); n++) {
        ran_status status = ran_eval_index(evaluation, ran_tensor_get_i64(indices, n), axis,
                                           ran_tensor_dims(x)[axis], &index);
        if (status != RAN_OK)
            return status;
        int64_t from = index * strides[axis];
        for (int i = 0; i < rank; i++)
            from += i == axis ? 0 : position[i] * strides[i];
        ran_copy_elements(evaluation->results[0], n, x, from, 1);
        ran_index_next(rank, ran_tensor_dims(indices), position);
    }
    return RAN_OK;
}

const ran_op_hooks ran_hooks_gather_elements = {.infer = infer_gather_elements,
                                                .evaluate = evaluate_gather_elements,
                                                .gradient = ran_gather_elements_gradient};

/* ---- gather_nd ------------------------------------------------------------------------------------ */

static ran_status infer_gather_nd(ran_infer *infer)
{
    const ran_dim *x[RAN_MAX_RANK], *indices[RAN_MAX_RANK], *dims[RAN_MAX_RANK];
    int rank = ran_infer_dims(infer, 0, x), index_rank = ran_infer_dims(infer, 1, indices), n = 0;
    ran_elem elem = ran_type_elem(infer->operands[0]);
    int64_t batch = ran_op_int(infer->op, "batch_dims");
    ran_status status = ran_infer_check_index_elem(infer, 1);
    if (status != RAN_OK)
        return status;
    if (rank < 0 || index_rank < 0)
        return ran_infer_result_unknown(infer, 0, elem);
    if (rank < 1 || index_rank < 1 || batch < 0 || batch >= rank || batch >= index_rank)
        return ran_infer_error(infer, "batch_dims = %lld with ranks %d and %d", (long long)batch,
                               rank, index_rank);
    if (!ran_dim_is_constant(indices[index_rank - 1]))
        return ran_infer_result_unknown(infer, 0, elem);
    int64_t depth = ran_dim_value(indices[index_rank - 1]);
    if (depth + batch > rank)
        return ran_infer_error(infer, "indices of length %lld for %s", (long long)depth,
                               ran_type_text(infer->context, infer->operands[0]));
    for (int i = 0; status == RAN_OK && i < batch; i++)
        status = ran_infer_check_equal_dims(infer, "batch dims", x[i], indices[i]);
    if (index_rank - 1 + rank - (int)(batch + depth) > RAN_MAX_RANK)
        return ran_infer_error(infer, "the result's rank is beyond the limit");
    for (int i = 0; i < index_rank - 1; i++)
        dims[n++] = indices[i];
    for (int i = (int)(batch + depth); i < rank; i++)
        dims[n++] = x[i];
    return status == RAN_OK ? ran_infer_result(infer, 0, elem, n, dims) : status;
}

static ran_status evaluate_gather_nd(ran_evaluation *evaluation)
{
    const ran_tensor *x = evaluation->operands[0], *indices = evaluation->operands[1];
    const int64_t *dims = ran_tensor_dims(x), *index_dims = ran_tensor_dims(indices);
    int rank = ran_tensor_rank(x), last = ran_tensor_rank(indices) - 1;
    int batch = (int)ran_op_int(evaluation->op, "batch_dims");
    int64_t depth = index_dims[last], count = ran_dims_product(index_dims, 0, last), offset;
    int64_t line = ran_dims_product(dims, batch, rank);
    int64_t inner = ran_dims_product(dims, batch + (int)depth, rank);
    int64_t each = ran_dims_product(index_dims, batch, last);
    for (int64_t n = 0; n < count; n++) {
        ran_status status =
            ran_eval_nd_offset(evaluation, x, indices, n, batch, depth, &offset);
        if (status != RAN_OK)
            return status;
        ran_copy_elements(evaluation->results[0], n * inner, x, n / each * line + offset, inner);
    }
    return RAN_OK;
}

const ran_op_hooks ran_hooks_gather_nd = {
    .infer = infer_gather_nd, .evaluate = evaluate_gather_nd, .gradient = ran_gather_nd_gradient};

/* ---- one_hot -------------------------------------------------------------------------------------- */

static const ran_dim *one_hot_depth(ran_infer *infer)
{
    size_t count;
    const ran_dim *const *elements = ran_infer_elements(infer, 1, &count);
    if (elements && count == 1)
        return elements[0];
    const ran_tensor *tensor = infer->tensors[1];
    return tensor && ran_tensor_numel(tensor) == 1
               ? ran_dim_constant(infer->context, ran_tensor_get_i64(tensor, 0))
               : ran_dim_fresh(infer->context);
}

static ran_status infer_one_hot(ran_infer *infer)
{
    const ran_dim *indices[RAN_MAX_RANK], *dims[RAN_MAX_RANK];
    int rank = ran_infer_dims(infer, 0, indices), from = 0;
    ran_elem elem = ran_type_elem(infer->operands[2]);
    const ran_type *values = infer->operands[2];
    if (ran_type_is_static(values) && ran_type_numel(values) != 2)
        return ran_infer_error(infer, "operand values: expected 2 elements, got %s",
                               ran_type_text(infer->context, values));
    if (rank < 0)
        return ran_infer_result_unknown(infer, 0, elem);
    if (rank + 1 > RAN_MAX_RANK)
        return ran_infer_result(infer, 0, elem, rank + 1, NULL);
    int axis = ran_infer_axis_attr(infer, "axis", rank + 1);
    if (axis < 0)
        return RAN_INVALID;
    const ran_dim *depth = one_hot_depth(infer);
    if (ran_dim_is_constant(depth) && ran_dim_value(depth) < 0)
        return ran_infer_error(infer, "depth is %lld", (long long)ran_dim_value(depth));
    for (int i = 0; i <= rank; i++)
        dims[i] = i == axis ? depth : indices[from++];
    return ran_infer_result(infer, 0, elem, rank + 1, dims);
}

static ran_status create_one_hot(ran_evaluation *evaluation, int axis, int64_t depth)
{
    const ran_tensor *indices = evaluation->operands[0];
    int64_t dims[RAN_MAX_RANK];
    int rank = ran_tensor_rank(indices), from = 0;
    if (ran_tensor_numel(evaluation->operands[1]) != 1 || depth < 0)
        return ran_op_error(evaluation->op, RAN_INVALID, "depth is no size");
    for (int i = 0; i <= rank; i++)
        dims[i] = i == axis ? depth : ran_tensor_dims(indices)[from++];
    return ran_eval_create(evaluation, 0, ran_tensor_elem(evaluation->operands[2]), rank + 1, dims);
}

static ran_status evaluate_one_hot(ran_evaluation *evaluation)
{
    const ran_tensor *indices = evaluation->operands[0], *values = evaluation->operands[2];
    int rank = ran_tensor_rank(indices);
    int axis = ran_axis(ran_op_int(evaluation->op, "axis"), rank + 1);
    int64_t depth = ran_tensor_get_i64(evaluation->operands[1], 0);
    ran_status status = create_one_hot(evaluation, axis, depth);
    if (status != RAN_OK)
        return status;
    int64_t inner = ran_dims_product(ran_tensor_dims(indices), axis, rank);
    for (int64_t n = 0; n < ran_tensor_numel(evaluation->results[0]); n++) {
        int64_t index = ran_tensor_get_i64(indices, n / (depth * inner) * inner + n % inner);
        int64_t place = n / inner % depth;
        bool hot = place == (index < 0 ? index + depth : index);
        ran_copy_elements(evaluation->results[0], n, values, hot, 1);
    }
    return RAN_OK;
}

const ran_op_hooks ran_hooks_one_hot = {
    .infer = infer_one_hot, .evaluate = evaluate_one_hot, .gradient = ran_one_hot_gradient};

/* ---- compress ------------------------------------------------------------------------------------- */

/* How many of the condition are true, where that is known. */
static const ran_dim *count_kept(ran_infer *infer)
{
    int64_t kept = 0;
    size_t count;
    const ran_dim *const *condition = ran_infer_elements(infer, 1, &count);
    for (size_t i = 0; condition && i < count; i++) {
        if (!ran_dim_is_constant(condition[i]))
            return ran_dim_fresh(infer->context);
        kept += ran_dim_value(condition[i]) != 0;
    }
    return condition ? ran_dim_constant(infer->context, kept) : ran_dim_fresh(infer->context);
}

/* The condition is not longer than what it chooses from. */
static void require_condition_fits(const ran_infer *infer, int axis)
{
    const ran_type *x = infer->operands[0], *condition = infer->operands[1];
    bool flat = !ran_op_has_attr(infer->op, "axis");
    const ran_dim *extent = flat ? ran_dim_constant(infer->context, 1) : NULL;
    if (ran_type_rank(x) < 0 || ran_type_rank(condition) != 1)
        return;
    for (int i = 0; flat && i < ran_type_rank(x); i++)
        extent = ran_dim_mul(infer->context, extent, ran_type_dim(x, i));
    ran_infer_require(infer, RAN_AT_LEAST, "positions and conditions",
                      flat ? extent : ran_type_dim(x, axis), ran_type_dim(condition, 0));
}

static ran_status infer_compress(ran_infer *infer)
{
    const ran_dim *dims[RAN_MAX_RANK];
    ran_elem elem = ran_type_elem(infer->operands[0]);
    int rank = ran_infer_dims(infer, 0, dims), axis = 0;
    ran_status status = ran_infer_check_rank(infer, 1, "condition", 1);
    if (status != RAN_OK)
        return status;
    if (!ran_op_has_attr(infer->op, "axis")) {
        rank = 1;
    } else if (rank < 0) {
        return ran_infer_result_unknown(infer, 0, elem);
    } else {
        axis = ran_infer_axis_attr(infer, "axis", rank);
    }
    if (axis < 0)
        return RAN_INVALID;
    require_condition_fits(infer, axis);
    dims[axis] = count_kept(infer);
    return ran_infer_result(infer, 0, elem, rank, dims);
}

/* `x` as [outer, extent, inner] around the axis; flat without one. */
static ran_status evaluate_compress(ran_evaluation *evaluation)
{
    const ran_tensor *x = evaluation->operands[0], *condition = evaluation->operands[1];
    bool flat = !ran_op_has_attr(evaluation->op, "axis");
    int rank = ran_tensor_rank(x), axis = 0;
    int64_t dims[RAN_MAX_RANK] = {ran_tensor_numel(x)}, kept = 0, to = 0;
    if (!flat) {
        axis = ran_axis(ran_op_int(evaluation->op, "axis"), rank);
        for (int i = 0; i < rank; i++)
            dims[i] = ran_tensor_dims(x)[i];
    }
    rank = flat ? 1 : rank;
    int64_t outer = ran_dims_product(dims, 0, axis), extent = dims[axis];
    int64_t inner = ran_dims_product(dims, axis + 1, rank), length = ran_tensor_numel(condition);
    if (length > extent)
        return ran_op_error(evaluation->op, RAN_INVALID, "condition has %lld elements for %lld",
                            (long long)length, (long long)extent);
    for (int64_t i = 0; i < length; i++)
        kept += ran_tensor_get_i64(condition, i) != 0;
    dims[axis] = kept;
    ran_status status = ran_eval_create(evaluation, 0, ran_tensor_elem(x), rank, dims);
    for (int64_t n = 0; status == RAN_OK && n < outer; n++)
        for (int64_t i = 0; i < length; i++)
            if (ran_tensor_get_i64(condition, i) != 0)
                ran_copy_elements(evaluation->results[0], inner * to++, x,
                                  (n * extent + i) * inner, inner);
    return status;
}

const ran_op_hooks ran_hooks_compress = {
    .infer = infer_compress, .evaluate = evaluate_compress, .gradient = ran_moved_gradient};

/* ---- non_zero ------------------------------------------------------------------------------------- */

static ran_status infer_non_zero(ran_infer *infer)
{
    int rank = ran_type_rank(infer->operands[0]);
    ran_context *context = infer->context;
    const ran_dim *axes = rank < 0 ? ran_dim_fresh(context) : ran_dim_constant(context, rank);
    return ran_infer_result(infer, 0, RAN_ELEM_I64, 2,
                            (const ran_dim *[]){axes, ran_dim_fresh(context)});
}

static bool is_zero(const ran_tensor *x, int64_t n)
{
    return ran_elem_is_float(ran_tensor_elem(x)) ? ran_tensor_get_f64(x, n) == 0
                                                 : ran_tensor_get_i64(x, n) == 0;
}

static ran_status evaluate_non_zero(ran_evaluation *evaluation)
{
    const ran_tensor *x = evaluation->operands[0];
    int rank = ran_tensor_rank(x);
    int64_t index[RAN_MAX_RANK] = {0}, count = 0, column = 0;
    for (int64_t n = 0; n < ran_tensor_numel(x); n++)
        count += !is_zero(x, n);
    ran_status status =
        ran_eval_create(evaluation, 0, RAN_ELEM_I64, 2, (const int64_t[]){rank, count});
    for (int64_t n = 0; status == RAN_OK && n < ran_tensor_numel(x); n++) {
        for (int i = 0; i < rank && !is_zero(x, n); i++)
            ran_tensor_set_i64(evaluation->results[0], i * count + column, index[i]);
        column += !is_zero(x, n);
        ran_index_next(rank, ran_tensor_dims(x), index);
    }
    return status;
}

const ran_op_hooks ran_hooks_non_zero = {.infer = infer_non_zero, .evaluate = evaluate_non_zero};
