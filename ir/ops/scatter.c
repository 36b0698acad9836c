/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Writing by index: a copy of x with updates in it, replaced or combined one after the other. */
#include "ir/ops/index.h"
#include "ir/ops/gradient.h"

#include <math.h>
#include <string.h>

typedef enum reduction { NONE, ADD, MUL, MIN, MAX, REDUCTIONS } reduction;

static reduction parse_reduction(const ran_op *op)
{
    static const char *const names[] = {"none", "add", "mul", "min", "max"};
    unsigned i = 0;
    while (i < REDUCTIONS && strcmp(ran_op_string(op, "reduction"), names[i]) != 0)
        i++;
    return (reduction)i;
}

static ran_status infer_scatter(ran_infer *infer)
{
    infer->results[0] = infer->operands[0];
    if (parse_reduction(infer->op) == REDUCTIONS)
        return ran_infer_error(infer, "unknown reduction %s",
                               ran_op_string(infer->op, "reduction"));
    if (ran_type_elem(infer->operands[0]) != ran_type_elem(infer->operands[2]))
        return ran_infer_error(infer, "x and updates differ in element type");
    return RAN_OK;
}

static double combine_f64(reduction how, double a, double b)
{
    if (how == ADD)
        return a + b;
    if (how == MUL)
        return a * b;
    if (isnan(a) || isnan(b))
        return NAN;
    return how == MIN ? fmin(a, b) : fmax(a, b);
}

static int64_t combine_i64(reduction how, int64_t a, int64_t b, bool is_unsigned)
{
    if (how == ADD)
        return (int64_t)((uint64_t)a + (uint64_t)b);
    if (how == MUL)
        return (int64_t)((uint64_t)a * (uint64_t)b);
    bool less = is_unsigned ? (uint64_t)a < (uint64_t)b : a < b;
    return less == (how == MIN) ? a : b;
}

static void update_element(reduction how, ran_tensor *y, int64_t at, const ran_tensor *updates,
                           int64_t from)
{
    ran_elem elem = ran_tensor_elem(y);
    if (how == NONE)
        ran_copy_elements(y, at, updates, from, 1);
    else if (ran_elem_is_float(elem))
        ran_tensor_set_f64(y, at,
                           combine_f64(how, ran_tensor_get_f64(y, at),
                                       ran_tensor_get_f64(updates, from)));
    else
        ran_tensor_set_i64(y, at,
                           combine_i64(how, ran_tensor_get_i64(y, at),
                                       ran_tensor_get_i64(updates, from),
                                       ran_elem_is_unsigned_int(elem)));
}

/* ---- scatter_elements ------------------------------------------------------------------------------ */

static ran_status infer_scatter_elements(ran_infer *infer)
{
    const ran_type *indices = infer->operands[1], *updates = infer->operands[2];
    ran_status status = infer_scatter(infer);
    if (status == RAN_OK)
        status = ran_infer_check_elementwise_indices(infer);
    if (status == RAN_OK && ran_type_rank(indices) >= 0)
        status = ran_infer_check_rank(infer, 2, "updates", ran_type_rank(indices));
    for (int i = 0; status == RAN_OK && i < ran_type_rank(indices) && ran_type_rank(updates) >= 0;
         i++)
        status = ran_infer_check_equal_dims(infer, "indices and updates", ran_type_dim(indices, i),
                                            ran_type_dim(updates, i));
    return status;
}

static ran_status evaluate_scatter_elements(ran_evaluation *evaluation)
{
    const ran_tensor *x = evaluation->operands[0], *indices = evaluation->operands[1];
    int rank = ran_tensor_rank(x), axis = ran_axis(ran_op_int(evaluation->op, "axis"), rank);
    int64_t strides[RAN_MAX_RANK], position[RAN_MAX_RANK] = {0}, index;
    reduction how = parse_reduction(evaluation->op);
    ran_row_major_strides(rank, ran_tensor_dims(x), strides);
    ran_copy_elements(evaluation->results[0], 0, x, 0, ran_tensor_numel(x));
    for (int64_t n = 0; n < ran_tensor_numel(indices); n++) {
        ran_status status = ran_eval_index(evaluation, ran_tensor_get_i64(indices, n), axis,
                                           ran_tensor_dims(x)[axis], &index);
        if (status != RAN_OK)
            return status;
        int64_t at = index * strides[axis];
        for (int i = 0; i < rank; i++)
            at += i == axis ? 0 : position[i] * strides[i];
        update_element(how, evaluation->results[0], at, evaluation->operands[2], n);
        ran_index_next(rank, ran_tensor_dims(indices), position);
    }
    return RAN_OK;
}

const ran_op_hooks ran_hooks_scatter_elements = {.infer = infer_scatter_elements,
                                                 .evaluate = evaluate_scatter_elements,
                                                 .gradient = ran_scatter_elements_gradient};

/* ---- scatter_nd ------------------------------------------------------------------------------------ */

/* updates: the dims of indices without the last, then what is left of x behind the index tuple. */
static ran_status check_nd_updates(ran_infer *infer, int rank, int index_rank, int depth)
{
    const ran_type *updates = infer->operands[2];
    int count = index_rank - 1 + rank - depth;
    ran_status status = ran_infer_check_rank(infer, 2, "updates", count);
    if (status != RAN_OK || ran_type_rank(updates) < 0)
        return status;
    for (int i = 0; status == RAN_OK && i < count; i++) {
        const ran_dim *dim = i < index_rank - 1
                                 ? ran_type_dim(infer->operands[1], i)
                                 : ran_type_dim(infer->operands[0], i - (index_rank - 1) + depth);
        status = ran_infer_check_equal_dims(infer, "dims of updates", dim,
                                            ran_type_dim(updates, i));
    }
    return status;
}

static ran_status infer_scatter_nd(ran_infer *infer)
{
    int rank = ran_type_rank(infer->operands[0]), index_rank = ran_type_rank(infer->operands[1]);
    ran_status status = infer_scatter(infer);
    if (status == RAN_OK)
        status = ran_infer_check_index_elem(infer, 1);
    if (status != RAN_OK || rank < 0 || index_rank < 0)
        return status;
    if (rank < 1 || index_rank < 1)
        return ran_infer_error(infer, "x and indices can't be scalars");
    const ran_dim *depth = ran_type_dim(infer->operands[1], index_rank - 1);
    if (!ran_dim_is_constant(depth))
        return RAN_OK;
    if (ran_dim_value(depth) > rank)
        return ran_infer_error(infer, "indices of length %lld for %s",
                               (long long)ran_dim_value(depth),
                               ran_type_text(infer->context, infer->operands[0]));
    return check_nd_updates(infer, rank, index_rank, (int)ran_dim_value(depth));
}

static ran_status evaluate_scatter_nd(ran_evaluation *evaluation)
{
    const ran_tensor *x = evaluation->operands[0], *indices = evaluation->operands[1];
    int last = ran_tensor_rank(indices) - 1;
    int64_t depth = ran_tensor_dims(indices)[last], offset;
    int64_t count = ran_dims_product(ran_tensor_dims(indices), 0, last);
    int64_t inner = ran_dims_product(ran_tensor_dims(x), (int)depth, ran_tensor_rank(x));
    reduction how = parse_reduction(evaluation->op);
    ran_copy_elements(evaluation->results[0], 0, x, 0, ran_tensor_numel(x));
    for (int64_t n = 0; n < count; n++) {
        ran_status status = ran_eval_nd_offset(evaluation, x, indices, n, 0, depth, &offset);
        if (status != RAN_OK)
            return status;
        for (int64_t i = 0; i < inner; i++)
            update_element(how, evaluation->results[0], offset + i, evaluation->operands[2],
                           n * inner + i);
    }
    return RAN_OK;
}

const ran_op_hooks ran_hooks_scatter_nd = {.infer = infer_scatter_nd,
                                           .evaluate = evaluate_scatter_nd,
                                           .gradient = ran_scatter_nd_gradient};
