/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Reductions over axes. Nothing to reduce gives the neutral element: 0, 1, -inf or the least. */
#include "ir/ops/compute.h"
#include "ir/ops/gradient.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

/* ---- Axes ----------------------------------------------------------------------------------- */

/* Marks the axes; none means all, or none at all with noop_with_empty_axes. */
static ran_status mark_axes(const ran_op *op, const int64_t *axes, int64_t count, int rank,
                            bool reduced[RAN_MAX_RANK])
{
    bool all = count <= 0 && !ran_op_int(op, "noop_with_empty_axes");
    for (int i = 0; i < RAN_MAX_RANK; i++)
        reduced[i] = all;
    for (int64_t i = 0; i < count; i++) {
        int axis = ran_axis(axes[i], rank);
        if (axis < 0)
            return ran_op_error(op, RAN_INVALID, "operand axes: %lld is out of range for rank %d",
                                (long long)axes[i], rank);
        reduced[axis] = true;
    }
    return RAN_OK;
}

/* ---- Inference ------------------------------------------------------------------------------ */

/* Axes that are not known: extents are open, and the rank too, unless their number is known. */
static ran_status infer_unknown_axes(ran_infer *infer, ran_elem elem, int rank)
{
    const ran_dim *dims[RAN_MAX_RANK];
    const ran_type *axes = infer->operands[1];
    if (!ran_op_int(infer->op, "keepdims")) {
        if (ran_type_rank(axes) != 1 || !ran_dim_is_constant(ran_type_dim(axes, 0)))
            return ran_infer_result_unknown(infer, 0, elem);
        rank -= (int)ran_dim_value(ran_type_dim(axes, 0));
    }
    for (int i = 0; i < rank; i++)
        dims[i] = ran_dim_fresh(infer->context);
    return rank < 0 ? ran_infer_error(infer, "operand axes: more axes than x has")
                    : ran_infer_result(infer, 0, elem, rank, dims);
}

static ran_status infer_reduced(ran_infer *infer, ran_elem elem, int rank, const bool *reduced,
                                bool keepdims)
{
    const ran_dim *dims[RAN_MAX_RANK];
    int kept = 0;
    for (int i = 0; i < rank; i++) {
        if (!reduced[i])
            dims[kept++] = ran_type_dim(infer->operands[0], i);
        else if (keepdims)
            dims[kept++] = ran_dim_constant(infer->context, 1);
    }
    return ran_infer_result(infer, 0, elem, kept, dims);
}

/* The product of a known shape, as in Shape -> ReduceProd. */
static void infer_known_product(ran_infer *infer)
{
    const ran_type *x = infer->operands[0];
    bool sums = infer->op->opcode == RAN_OP_REDUCE_SUM;
    if (!infer->known[0] || ran_type_rank(x) != 1 || ran_type_rank(infer->results[0]) > 1 ||
        (infer->op->opcode != RAN_OP_REDUCE_PROD && !sums))
        return;
    const ran_type *y = infer->results[0];
    if (ran_type_rank(y) == 1 && !ran_dim_is(ran_type_dim(y, 0), 1))
        return;
    const ran_dim *result = ran_dim_constant(infer->context, !sums);
    for (size_t i = 0; i < infer->known_count[0]; i++)
        result = sums ? ran_dim_add(infer->context, result, infer->known[0][i])
                      : ran_dim_mul(infer->context, result, infer->known[0][i]);
    ran_infer_known(infer, 0, 1)[0] = result;
}

static ran_status infer_reduce(ran_infer *infer)
{
    int64_t axes[RAN_MAX_RANK];
    bool reduced[RAN_MAX_RANK];
    const ran_type *x = infer->operands[0];
    ran_opcode opcode = infer->op->opcode;
    bool order = opcode == RAN_OP_REDUCE_MAX || opcode == RAN_OP_REDUCE_MIN;
    ran_status status = ran_infer_check_elem(infer, 0, order ? "FIB" : "FI");
    if (status != RAN_OK)
        return status;
    if (ran_type_rank(x) < 0)
        return ran_infer_result_unknown(infer, 0, ran_type_elem(x));
    int64_t count = 0;
    if (ran_infer_operand(infer, 1)) {
        count = ran_infer_constants(infer, 1, axes, RAN_MAX_RANK);
        if (count < 0)
            return infer_unknown_axes(infer, ran_type_elem(x), ran_type_rank(x));
    }
    status = mark_axes(infer->op, axes, count, ran_type_rank(x), reduced);
    if (status == RAN_OK)
        status = infer_reduced(infer, ran_type_elem(x), ran_type_rank(x), reduced,
                               ran_op_int(infer->op, "keepdims"));
    if (status == RAN_OK)
        infer_known_product(infer);
    return status;
}

/* ---- Floats --------------------------------------------------------------------------------- */

static double neutral_f64(ran_opcode opcode)
{
    return opcode == RAN_OP_REDUCE_PROD                                         ? 1
           : opcode == RAN_OP_REDUCE_MAX || opcode == RAN_OP_REDUCE_LOG_SUM_EXP ? -INFINITY
           : opcode == RAN_OP_REDUCE_MIN                                        ? INFINITY
                                                                                : 0;
}

/* One element into its sum. log_sum_exp finds the maximum first. */
static double step_f64(ran_opcode opcode, double sum, double x)
{
    switch (opcode) {
    case RAN_OP_REDUCE_PROD:
        return sum * x;
    case RAN_OP_REDUCE_MAX:
    case RAN_OP_REDUCE_LOG_SUM_EXP:
        return isnan(sum) || sum > x ? sum : x;
    case RAN_OP_REDUCE_MIN:
        return isnan(sum) || sum < x ? sum : x;
    case RAN_OP_REDUCE_L1:
        return sum + fabs(x);
    case RAN_OP_REDUCE_L2:
    case RAN_OP_REDUCE_SUM_SQUARE:
        return sum + x * x;
    default:
        return sum + x;
    }
}

static double finish_f64(ran_opcode opcode, double sum, double count)
{
    return opcode == RAN_OP_REDUCE_MEAN      ? sum / count
           : opcode == RAN_OP_REDUCE_L2      ? sqrt(sum)
           : opcode == RAN_OP_REDUCE_LOG_SUM ? log(sum)
                                             : sum;
}

/* Sums of exp(x - maximum), then their logarithm: nothing overflows. */
static void log_sum_exp(ran_walk w, const double *x, double *y, int64_t count)
{
    double *sums = RAN_NEW(double, count);
    RAN_FOR_ROWS(&w)
    for (int64_t i = 0; i < w.length; i++) {
        int64_t to = w.offset[1] + i * w.step[1];
        double value = x[w.offset[0] + i * w.step[0]];
        sums[to] += value == y[to] ? 1 : exp(value - y[to]);
    }
    for (int64_t i = 0; i < count; i++)
        y[i] = isinf(y[i]) ? y[i] : y[i] + log(sums[i]);
    free(sums);
}

static void reduce_f64(ran_evaluation *e, ran_walk start, int64_t count)
{
    ran_opcode opcode = e->op->opcode;
    ran_tensor *result = e->results[0];
    int64_t n = ran_tensor_numel(result);
    double *x = ran_load_f64(e->operands[0]), *y = RAN_NEW(double, n);
    for (int64_t i = 0; i < n; i++)
        y[i] = neutral_f64(opcode);
    ran_walk w = start;
    RAN_FOR_ROWS(&w)
    for (int64_t i = 0; i < w.length; i++) {
        double *sum = y + w.offset[1] + i * w.step[1];
        *sum = step_f64(opcode, *sum, x[w.offset[0] + i * w.step[0]]);
    }
    if (opcode == RAN_OP_REDUCE_LOG_SUM_EXP)
        log_sum_exp(start, x, y, n);
    for (int64_t i = 0; i < n; i++)
        y[i] = finish_f64(opcode, y[i], (double)count);
    ran_store_f64(result, y);
    free(x);
    free(y);
}

/* ---- Integers ------------------------------------------------------------------------------- */

static int64_t greatest(ran_elem elem)
{
    unsigned bits = ran_elem_bits(elem) - ran_elem_is_signed_int(elem);
    return bits == 64 ? -1 : (int64_t)((UINT64_C(1) << bits) - 1);
}

static int64_t neutral_i64(ran_opcode opcode, ran_elem elem)
{
    if (opcode == RAN_OP_REDUCE_MAX)
        return ran_elem_is_signed_int(elem) ? -greatest(elem) - 1 : 0;
    if (opcode == RAN_OP_REDUCE_MIN)
        return greatest(elem);
    return opcode == RAN_OP_REDUCE_PROD;
}

static int64_t step_i64(ran_opcode opcode, bool is_unsigned, int64_t sum, int64_t x)
{
    bool less = is_unsigned ? (uint64_t)x < (uint64_t)sum : x < sum;
    uint64_t a = (uint64_t)sum, b = (uint64_t)x;
    switch (opcode) {
    case RAN_OP_REDUCE_PROD:
        return (int64_t)(a * b);
    case RAN_OP_REDUCE_MAX:
        return less ? sum : x;
    case RAN_OP_REDUCE_MIN:
        return less ? x : sum;
    case RAN_OP_REDUCE_L1:
        return (int64_t)(a + (!is_unsigned && x < 0 ? 0 - b : b));
    case RAN_OP_REDUCE_L2:
    case RAN_OP_REDUCE_SUM_SQUARE:
        return (int64_t)(a + b * b);
    default:
        return (int64_t)(a + b);
    }
}

static int64_t finish_i64(ran_opcode opcode, bool is_unsigned, int64_t sum, int64_t count)
{
    double value = is_unsigned ? (double)(uint64_t)sum : (double)sum;
    if (opcode == RAN_OP_REDUCE_MEAN && count)
        return is_unsigned ? (int64_t)((uint64_t)sum / (uint64_t)count) : sum / count;
    if (opcode == RAN_OP_REDUCE_L2)
        return (int64_t)sqrt(value);
    if (opcode == RAN_OP_REDUCE_LOG_SUM)
        return value > 0 ? (int64_t)log(value) : 0;
    return sum;
}

static void reduce_i64(ran_evaluation *e, ran_walk w, int64_t count)
{
    ran_opcode opcode = e->op->opcode;
    ran_tensor *result = e->results[0];
    ran_elem elem = ran_tensor_elem(result);
    bool is_unsigned = ran_elem_is_unsigned_int(elem);
    int64_t n = ran_tensor_numel(result);
    int64_t *x = ran_load_i64(e->operands[0]), *y = RAN_NEW(int64_t, n);
    for (int64_t i = 0; i < n; i++)
        y[i] = neutral_i64(opcode, elem);
    RAN_FOR_ROWS(&w)
    for (int64_t i = 0; i < w.length; i++) {
        int64_t *sum = y + w.offset[1] + i * w.step[1];
        *sum = step_i64(opcode, is_unsigned, *sum, x[w.offset[0] + i * w.step[0]]);
    }
    for (int64_t i = 0; i < n; i++)
        y[i] = finish_i64(opcode, is_unsigned, y[i], count);
    ran_store_i64(result, y);
    free(x);
    free(y);
}

/* ---- Evaluation ----------------------------------------------------------------------------- */

static ran_status create_result(ran_evaluation *e, int rank, const int64_t *dims,
                                const bool *reduced)
{
    int64_t extents[RAN_MAX_RANK];
    int kept = 0;
    for (int i = 0; i < rank; i++)
        if (!reduced[i] || ran_op_int(e->op, "keepdims"))
            extents[kept++] = reduced[i] ? 1 : dims[i];
    return ran_eval_create(e, 0, ran_tensor_elem(e->operands[0]), kept, extents);
}

/* Integers have no logarithm of a sum of exponentials of their own. */
static bool reduces_integers(const ran_evaluation *e)
{
    ran_elem elem = ran_tensor_elem(e->operands[0]);
    return ran_elem_is_int(elem) && e->op->opcode != RAN_OP_REDUCE_LOG_SUM_EXP;
}

static void reduce_bools(ran_evaluation *e, ran_walk w)
{
    const uint8_t *x = ran_tensor_data(e->operands[0]);
    uint8_t *y = ran_tensor_mutable_data(e->results[0]);
    bool is_max = e->op->opcode == RAN_OP_REDUCE_MAX;
    memset(y, !is_max, (size_t)ran_tensor_numel(e->results[0]));
    RAN_FOR_ROWS(&w)
    for (int64_t i = 0; i < w.length; i++) {
        uint8_t value = x[w.offset[0] + i * w.step[0]] != 0;
        uint8_t *sum = y + w.offset[1] + i * w.step[1];
        *sum = is_max ? *sum | value : *sum & value;
    }
}

static ran_status evaluate_reduce(ran_evaluation *e)
{
    bool reduced[RAN_MAX_RANK];
    const ran_tensor *axes_tensor = ran_eval_operand(e, 1);
    int rank = ran_tensor_rank(e->operands[0]);
    const int64_t *dims = ran_tensor_dims(e->operands[0]);
    int64_t *axes = ran_load_i64(axes_tensor), count = 1;
    ran_status status =
        mark_axes(e->op, axes, axes ? ran_tensor_numel(axes_tensor) : 0, rank, reduced);
    free(axes);
    if (status == RAN_OK)
        status = create_result(e, rank, dims, reduced);
    if (status != RAN_OK)
        return status;
    for (int i = 0; i < rank; i++)
        count *= reduced[i] ? dims[i] : 1;
    ran_walk w;
    ran_walk_reduce(&w, rank, dims, reduced);
    if (ran_tensor_elem(e->operands[0]) == RAN_ELEM_BOOL)
        reduce_bools(e, w);
    else if (reduces_integers(e))
        reduce_i64(e, w, count);
    else
        reduce_f64(e, w, count);
    return RAN_OK;
}

const ran_op_hooks ran_hooks_reduce = {
    .infer = infer_reduce, .evaluate = evaluate_reduce, .gradient = ran_reduce_gradient};
