/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Ops along a line of elements: arg_max, arg_min, cumsum, cumprod, topk.
 *
 * Floats are compared as doubles (a NaN is greater than all, as numpy sorts), integers as int64_t
 * with u64's sign bit flipped, so that one order serves.
 */
#include "ir/ops/compute.h"
#include "ir/ops/gradient.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

/* ---- Order ---------------------------------------------------------------------------------- */

typedef struct element {
    double f;
    int64_t i;
    int64_t index;
} element;

/* Elements in comparable form; integers leave f at 0. */
static element *load_elements(const ran_tensor *x)
{
    int64_t n = ran_tensor_numel(x);
    element *elements = RAN_NEW(element, n);
    bool is_u64 = ran_tensor_elem(x) == RAN_ELEM_U64;
    if (ran_elem_is_float(ran_tensor_elem(x))) {
        double *values = ran_load_f64(x);
        for (int64_t i = 0; i < n; i++)
            elements[i].f = values[i];
        free(values);
    } else {
        int64_t *values = ran_load_i64(x);
        for (int64_t i = 0; i < n; i++)
            elements[i].i = is_u64 ? (int64_t)((uint64_t)values[i] ^ UINT64_C(1) << 63) : values[i];
        free(values);
    }
    return elements;
}

static int compare(const element *a, const element *b)
{
    if (isnan(a->f) || isnan(b->f))
        return !!isnan(a->f) - !!isnan(b->f);
    if (a->f != b->f)
        return a->f < b->f ? -1 : 1;
    return (a->i > b->i) - (a->i < b->i);
}

static int by_index(const element *a, const element *b)
{
    return (a->index > b->index) - (a->index < b->index);
}

static int ascending(const void *a, const void *b)
{
    int order = compare(a, b);
    return order ? order : by_index(a, b);
}

/* Equal elements keep the order of their indices in both directions. */
static int descending(const void *a, const void *b)
{
    int order = compare(b, a);
    return order ? order : by_index(a, b);
}

/* ---- arg_max, arg_min ----------------------------------------------------------------------- */

static ran_status infer_arg_reduce(ran_infer *infer)
{
    const ran_dim *dims[RAN_MAX_RANK];
    int axis, rank = ran_infer_dims(infer, 0, dims), kept = 0;
    ran_status status = ran_infer_check_elem(infer, 0, "FI");
    if (status == RAN_OK && rank < 0)
        return ran_infer_result_unknown(infer, 0, RAN_ELEM_I64);
    if (status == RAN_OK)
        status = ran_infer_axis(infer, ran_op_int(infer->op, "axis"), rank, &axis);
    if (status != RAN_OK)
        return status;
    if (ran_dim_is(dims[axis], 0))
        return ran_infer_error(infer, "axis %d is empty", axis);
    for (int i = 0; i < rank; i++)
        if (i != axis)
            dims[kept++] = dims[i];
        else if (ran_op_int(infer->op, "keepdims"))
            dims[kept++] = ran_dim_constant(infer->context, 1);
    return ran_infer_result(infer, 0, RAN_ELEM_I64, kept, dims);
}

/* A NaN wins in both directions, as in numpy. */
static bool beats(const element *a, const element *best, bool is_max, bool last)
{
    if (isnan(a->f) || isnan(best->f))
        return isnan(a->f) && (last || !isnan(best->f));
    int order = is_max ? compare(a, best) : compare(best, a);
    return order > 0 || (last && order == 0);
}

static ran_status evaluate_arg_reduce(ran_evaluation *e)
{
    int axis = ran_axis(ran_op_int(e->op, "axis"), ran_tensor_rank(e->operands[0]));
    bool is_max = e->op->opcode == RAN_OP_ARG_MAX, last = ran_op_int(e->op, "select_last_index");
    ran_lines l = ran_lines_of(e->operands[0], axis, axis + 1);
    element *x = load_elements(e->operands[0]);
    int64_t *y = ran_tensor_mutable_data(e->results[0]);
    for (int64_t n = 0; n < l.outer * l.inner; n++) {
        const element *line = x + n / l.inner * l.length * l.inner + n % l.inner;
        int64_t best = 0;
        for (int64_t i = 1; i < l.length; i++)
            if (beats(line + i * l.inner, line + best * l.inner, is_max, last))
                best = i;
        y[n] = best;
    }
    free(x);
    return RAN_OK;
}

const ran_op_hooks ran_hooks_arg_reduce = {.infer = infer_arg_reduce,
                                           .evaluate = evaluate_arg_reduce};

/* ---- cumsum, cumprod ------------------------------------------------------------------------ */

static ran_status infer_cumulate(ran_infer *infer)
{
    int64_t value;
    int axis, rank = ran_type_rank(infer->operands[0]);
    ran_status status = ran_infer_check_elem(infer, 0, "FI");
    if (status == RAN_OK)
        status = ran_infer_check_elem(infer, 1, "I");
    if (status == RAN_OK && rank >= 0 && ran_infer_constants(infer, 1, &value, 1) == 1)
        status = ran_infer_axis(infer, value, rank, &axis);
    return status == RAN_OK ? ran_infer_like_first(infer, 0) : status;
}

typedef struct cumulation {
    int64_t length, stride;
    bool is_product, is_exclusive, is_reverse;
} cumulation;

static void cumulate_f64(const cumulation *c, double *line)
{
    double sum = c->is_product;
    for (int64_t k = 0; k < c->length; k++) {
        double *at = line + (c->is_reverse ? c->length - 1 - k : k) * c->stride;
        double next = c->is_product ? sum * *at : sum + *at;
        *at = c->is_exclusive ? sum : next;
        sum = next;
    }
}

static void cumulate_i64(const cumulation *c, int64_t *line)
{
    uint64_t sum = c->is_product;
    for (int64_t k = 0; k < c->length; k++) {
        int64_t *at = line + (c->is_reverse ? c->length - 1 - k : k) * c->stride;
        uint64_t value = (uint64_t)*at, next = c->is_product ? sum * value : sum + value;
        *at = (int64_t)(c->is_exclusive ? sum : next);
        sum = next;
    }
}

static ran_status evaluate_cumulate(ran_evaluation *e)
{
    int rank = ran_tensor_rank(e->operands[0]);
    int axis = ran_axis(ran_scalar_i64(e->operands[1], 0), rank);
    if (axis < 0)
        return ran_op_error(e->op, RAN_INVALID, "operand axis: %lld is out of range for rank %d",
                            (long long)ran_scalar_i64(e->operands[1], 0), rank);
    ran_lines l = ran_lines_of(e->operands[0], axis, axis + 1);
    cumulation c = {l.length, l.inner, e->op->opcode == RAN_OP_CUMPROD,
                    ran_op_int(e->op, "exclusive"), ran_op_int(e->op, "reverse")};
    bool is_int = ran_elem_is_int(ran_tensor_elem(e->operands[0]));
    void *x = is_int ? (void *)ran_load_i64(e->operands[0]) : ran_load_f64(e->operands[0]);
    for (int64_t n = 0; n < l.outer * l.inner; n++) {
        int64_t start = n / l.inner * l.length * l.inner + n % l.inner;
        if (is_int)
            cumulate_i64(&c, (int64_t *)x + start);
        else
            cumulate_f64(&c, (double *)x + start);
    }
    if (is_int)
        ran_store_i64(e->results[0], x);
    else
        ran_store_f64(e->results[0], x);
    free(x);
    return RAN_OK;
}

const ran_op_hooks ran_hooks_cumulate = {
    .infer = infer_cumulate, .evaluate = evaluate_cumulate, .gradient = ran_cumulate_gradient};

/* ---- topk ----------------------------------------------------------------------------------- */

static ran_status infer_topk(ran_infer *infer)
{
    const ran_dim *dims[RAN_MAX_RANK];
    const ran_type *x = infer->operands[0];
    int axis, rank = ran_infer_dims(infer, 0, dims);
    ran_status status = ran_infer_check_elem(infer, 0, "FI");
    if (status == RAN_OK)
        status = ran_infer_check_elem(infer, 1, "I");
    if (status == RAN_OK && rank >= 0)
        status = ran_infer_axis(infer, ran_op_int(infer->op, "axis"), rank, &axis);
    if (status != RAN_OK)
        return status;
    if (rank >= 0) {
        const ran_dim *extent = dims[axis], *k = infer->known[1] && infer->known_count[1]
                                                     ? infer->known[1][0]
                                                     : ran_dim_fresh(infer->context);
        dims[axis] = k;
        if (ran_dim_is_constant(k) && ran_dim_is_constant(extent) &&
            (ran_dim_value(k) < 0 || ran_dim_value(k) > ran_dim_value(extent)))
            return ran_infer_error(infer, "operand k: %s is out of range for axis %d of %s",
                                   ran_dim_text(infer->context, k), axis,
                                   ran_type_text(infer->context, x));
        ran_infer_require(infer, RAN_AT_LEAST, "the axis and k", extent, k);
    }
    ran_infer_result(infer, 1, RAN_ELEM_I64, rank, dims);
    return ran_infer_result(infer, 0, ran_type_elem(x), rank, dims);
}

/* Sorts one line and copies its first k. Unsorted results keep the order too. */
static void top_of_line(ran_evaluation *e, element *line, const ran_lines *l, int64_t n, int64_t k)
{
    int64_t start = n / l->inner * l->inner, lane = n % l->inner;
    qsort(line, (size_t)l->length, sizeof *line,
          ran_op_int(e->op, "largest") ? descending : ascending);
    for (int64_t i = 0; i < k; i++) {
        int64_t to = start * k + i * l->inner + lane;
        ran_copy_elements(e->results[0], to, e->operands[0],
                          start * l->length + line[i].index * l->inner + lane, 1);
        if (e->op->result_count > 1)
            ((int64_t *)ran_tensor_mutable_data(e->results[1]))[to] = line[i].index;
    }
}

static ran_status create_top(ran_evaluation *e, int axis, int64_t k)
{
    int64_t dims[RAN_MAX_RANK];
    const ran_tensor *x = e->operands[0];
    memcpy(dims, ran_tensor_dims(x), (size_t)ran_tensor_rank(x) * sizeof *dims);
    if (k < 0 || k > dims[axis])
        return ran_op_error(e->op, RAN_INVALID, "operand k: %lld is out of range for %lld elements",
                            (long long)k, (long long)dims[axis]);
    dims[axis] = k;
    ran_status status = ran_eval_create(e, 0, ran_tensor_elem(x), ran_tensor_rank(x), dims);
    return status == RAN_OK ? ran_eval_create(e, 1, RAN_ELEM_I64, ran_tensor_rank(x), dims)
                            : status;
}

static ran_status evaluate_topk(ran_evaluation *e)
{
    int axis = ran_axis(ran_op_int(e->op, "axis"), ran_tensor_rank(e->operands[0]));
    int64_t k = ran_scalar_i64(e->operands[1], 0);
    ran_status status = create_top(e, axis, k);
    if (status != RAN_OK)
        return status;
    ran_lines l = ran_lines_of(e->operands[0], axis, axis + 1);
    element *x = load_elements(e->operands[0]), *line = RAN_NEW(element, l.length);
    for (int64_t n = 0; n < l.outer * l.inner; n++) {
        for (int64_t i = 0; i < l.length; i++) {
            line[i] = x[n / l.inner * l.length * l.inner + i * l.inner + n % l.inner];
            line[i].index = i;
        }
        top_of_line(e, line, &l, n, k);
    }
    free(x);
    free(line);
    return RAN_OK;
}

const ran_op_hooks ran_hooks_topk = {
    .infer = infer_topk, .evaluate = evaluate_topk, .gradient = ran_topk_gradient};
