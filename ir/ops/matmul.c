/* SPDX-License-Identifier: GPL-3.0-or-later */
/* matmul (numpy's rules) and gemm. Integers wrap. */
#include "ir/ops/compute.h"
#include "ir/ops/gradient.h"

#include <stdlib.h>
#include <string.h>

/* y[m x n] += a[m x k] * b[k x n], all row-major: the innermost loop runs along rows of b. */
static void multiply_f64(int64_t m, int64_t k, int64_t n, const double *a, const double *b,
                         double *y)
{
    for (int64_t i = 0; i < m; i++)
        for (int64_t p = 0; p < k; p++) {
            double scale = a[i * k + p];
            for (int64_t j = 0; j < n; j++)
                y[i * n + j] += scale * b[p * n + j];
        }
}

static void multiply_i64(int64_t m, int64_t k, int64_t n, const int64_t *a, const int64_t *b,
                         int64_t *y)
{
    for (int64_t i = 0; i < m; i++)
        for (int64_t p = 0; p < k; p++) {
            uint64_t scale = (uint64_t)a[i * k + p];
            for (int64_t j = 0; j < n; j++)
                y[i * n + j] = (int64_t)((uint64_t)y[i * n + j] + scale * (uint64_t)b[p * n + j]);
        }
}

static void check_pair(const ran_infer *infer, ran_status *status)
{
    if (*status == RAN_OK)
        *status = ran_infer_check_elem(infer, 0, "FI");
    if (*status == RAN_OK)
        *status = ran_infer_check_same_elem(infer, 0, 1);
}

/* ---- matmul --------------------------------------------------------------------------------- */

/* The type of the leading axes; a vector or a matrix has none. */
static const ran_type *batch_type(ran_context *c, const ran_type *type)
{
    const ran_dim *dims[RAN_MAX_RANK];
    int rank = ran_type_rank(type) - 2 > 0 ? ran_type_rank(type) - 2 : 0;
    for (int i = 0; i < rank; i++)
        dims[i] = ran_type_dim(type, i);
    return ran_type_tensor(c, ran_type_elem(type), rank, dims, RAN_PLAIN);
}

static ran_status infer_matmul(ran_infer *infer)
{
    const ran_type *a = infer->operands[0], *b = infer->operands[1], *batch;
    const ran_dim *dims[RAN_MAX_RANK];
    ran_status status = RAN_OK;
    check_pair(infer, &status);
    if (status == RAN_OK && (ran_type_rank(a) < 0 || ran_type_rank(b) < 0))
        return ran_infer_result_unknown(infer, 0, ran_type_elem(a));
    for (size_t i = 0; i < 2 && status == RAN_OK; i++)
        status = ran_infer_check_min_rank(infer, i, 1);
    if (status != RAN_OK)
        return status;
    int a_rank = ran_type_rank(a), b_rank = ran_type_rank(b);
    status = ran_infer_check_equal_dims(infer, "inner dimensions of a and b",
                                        ran_type_dim(a, a_rank - 1),
                                        ran_type_dim(b, b_rank > 1 ? b_rank - 2 : 0));
    const ran_type *leading[2] = {batch_type(infer->context, a), batch_type(infer->context, b)};
    if (status == RAN_OK)
        status = ran_infer_broadcast(infer, 2, leading, ran_type_elem(a), &batch);
    if (status != RAN_OK)
        return status;
    int rank = 0;
    for (; rank < ran_type_rank(batch); rank++)
        dims[rank] = ran_type_dim(batch, rank);
    if (a_rank > 1)
        dims[rank++] = ran_type_dim(a, a_rank - 2);
    if (b_rank > 1)
        dims[rank++] = ran_type_dim(b, b_rank - 1);
    return ran_infer_result(infer, 0, ran_type_elem(a), rank, dims);
}

/* Offsets of matrices over the result's leading axes. */
static void walk_batches(ran_walk *w, const ran_evaluation *e, const int64_t matrix[2])
{
    int ranks[2], rank = 0;
    for (int i = 0; i < 2; i++) {
        ranks[i] = ran_tensor_rank(e->operands[i]) - 2;
        rank = ranks[i] > rank ? ranks[i] : rank;
    }
    *w = (ran_walk){.rank = rank, .count = 2};
    for (int axis = 0; axis < rank; axis++)
        w->dims[axis] = ran_tensor_dims(e->results[0])[axis];
    for (int i = 0; i < 2; i++) {
        int64_t stride = matrix[i];
        for (int axis = rank - 1; axis >= 0; axis--) {
            int own = axis - (rank - (ranks[i] > 0 ? ranks[i] : 0));
            int64_t extent = own < 0 ? 1 : ran_tensor_dims(e->operands[i])[own];
            w->strides[i][axis] = extent == 1 ? 0 : stride;
            stride *= extent;
        }
    }
    ran_walk_start(w);
}

static ran_status evaluate_matmul(ran_evaluation *e)
{
    int a_rank = ran_tensor_rank(e->operands[0]), b_rank = ran_tensor_rank(e->operands[1]);
    const int64_t *a_dims = ran_tensor_dims(e->operands[0]),
                  *b_dims = ran_tensor_dims(e->operands[1]);
    int64_t k = a_dims[a_rank - 1], m = a_rank > 1 ? a_dims[a_rank - 2] : 1;
    int64_t n = b_rank > 1 ? b_dims[b_rank - 1] : 1, at = 0;
    bool is_int = ran_elem_is_int(ran_tensor_elem(e->operands[0]));
    void *a = is_int ? (void *)ran_load_i64(e->operands[0]) : ran_load_f64(e->operands[0]);
    void *b = is_int ? (void *)ran_load_i64(e->operands[1]) : ran_load_f64(e->operands[1]);
    void *y = ran_new_bytes(ran_tensor_numel(e->results[0]), 8);
    ran_walk w;
    walk_batches(&w, e, (int64_t[]){m * k, k * n});
    RAN_FOR_ROWS(&w)
    for (int64_t i = 0; i < w.length; i++, at += m * n) {
        int64_t from_a = w.offset[0] + i * w.step[0], from_b = w.offset[1] + i * w.step[1];
        if (is_int)
            multiply_i64(m, k, n, (int64_t *)a + from_a, (int64_t *)b + from_b, (int64_t *)y + at);
        else
            multiply_f64(m, k, n, (double *)a + from_a, (double *)b + from_b, (double *)y + at);
    }
    if (is_int)
        ran_store_i64(e->results[0], y);
    else
        ran_store_f64(e->results[0], y);
    free(a);
    free(b);
    free(y);
    return RAN_OK;
}

static void count_matmul(const ran_op *op, ran_counts *counts)
{
    counts->macs +=
        ran_count_numel(ran_op_result(op, 0)) * ran_count_extent(ran_op_operand(op, 0), -1);
}

const ran_op_hooks ran_hooks_matmul = {.infer = infer_matmul,
                                       .evaluate = evaluate_matmul,
                                       .count = count_matmul,
                                       .gradient = ran_matmul_gradient};

/* ---- gemm ----------------------------------------------------------------------------------- */

static ran_status check_addend(ran_infer *infer, const ran_dim *const *dims)
{
    const ran_type *c = ran_infer_operand(infer, 2), *sum;
    if (!c || ran_type_rank(c) < 0)
        return RAN_OK;
    const ran_type *product = ran_type_tensor(infer->context, ran_type_elem(c), 2, dims, RAN_PLAIN);
    ran_status status = ran_infer_check_same_elem(infer, 0, 2);
    if (status == RAN_OK)
        status =
            ran_infer_broadcast(infer, 2, (const ran_type *[]){product, c}, ran_type_elem(c), &sum);
    if (status != RAN_OK)
        return status;
    bool grows = ran_type_rank(sum) != 2;
    for (int i = 0; i < 2 && !grows; i++)
        grows = ran_dim_is(dims[i], 1) && ran_dim_is_constant(ran_type_dim(sum, i)) &&
                !ran_dim_is(ran_type_dim(sum, i), 1);
    return grows ? ran_infer_error(infer, "operand c: %s does not broadcast to the product's shape",
                                   ran_type_text(infer->context, c))
                 : RAN_OK;
}

static ran_status infer_gemm(ran_infer *infer)
{
    const ran_type *a = infer->operands[0], *b = infer->operands[1];
    int trans_a = ran_op_int(infer->op, "transA") != 0,
        trans_b = ran_op_int(infer->op, "transB") != 0;
    ran_status status = RAN_OK;
    check_pair(infer, &status);
    if (status == RAN_OK)
        status = ran_infer_check_rank(infer, 0, "a", 2);
    if (status == RAN_OK)
        status = ran_infer_check_rank(infer, 1, "b", 2);
    if (status != RAN_OK)
        return status;
    ran_context *c = infer->context;
    bool known_a = ran_type_rank(a) == 2, known_b = ran_type_rank(b) == 2;
    const ran_dim *dims[2] = {known_a ? ran_type_dim(a, trans_a) : ran_dim_fresh(c),
                              known_b ? ran_type_dim(b, !trans_b) : ran_dim_fresh(c)};
    if (known_a && known_b)
        status = ran_infer_check_equal_dims(infer, "inner dimensions of a and b",
                                            ran_type_dim(a, !trans_a), ran_type_dim(b, trans_b));
    if (status == RAN_OK)
        status = check_addend(infer, dims);
    return status == RAN_OK ? ran_infer_result(infer, 0, ran_type_elem(a), 2, dims) : status;
}

/* Transposes in place of a copy: elements are 8 bytes wide in both forms. */
static void *transposed(void *matrix, int64_t rows, int64_t columns)
{
    const uint64_t *from = matrix;
    uint64_t *to = ran_new_bytes(rows * columns, sizeof *to);
    for (int64_t i = 0; i < rows; i++)
        for (int64_t j = 0; j < columns; j++)
            to[j * rows + i] = from[i * columns + j];
    free(matrix);
    return to;
}

static void *load_matrix(const ran_tensor *tensor, bool is_int, bool transpose)
{
    const int64_t *dims = ran_tensor_dims(tensor);
    void *matrix = is_int ? (void *)ran_load_i64(tensor) : ran_load_f64(tensor);
    return transpose ? transposed(matrix, dims[0], dims[1]) : matrix;
}

static void finish_f64(ran_evaluation *e, double *y)
{
    const ran_tensor *addend = ran_eval_operand(e, 2);
    double alpha = ran_op_float(e->op, "alpha"), beta = ran_op_float(e->op, "beta"), *out = y;
    double *c = ran_load_f64(addend);
    for (int64_t i = 0; i < ran_tensor_numel(e->results[0]); i++)
        y[i] *= alpha;
    ran_walk w;
    if (c) {
        ran_walk_broadcast(&w, 2, ran_tensor_dims(e->results[0]), 1, &addend);
        RAN_FOR_ROWS(&w)
        for (int64_t i = 0; i < w.length; i++)
            *out++ += beta * c[w.offset[0] + i * w.step[0]];
    }
    ran_store_f64(e->results[0], y);
    free(c);
}

/* alpha and beta are floats even here; what they make of an integer is truncated. */
static void finish_i64(ran_evaluation *e, int64_t *y)
{
    const ran_tensor *addend = ran_eval_operand(e, 2);
    double alpha = ran_op_float(e->op, "alpha"), beta = ran_op_float(e->op, "beta");
    int64_t *c = ran_load_i64(addend), *out = y;
    for (int64_t i = 0; i < ran_tensor_numel(e->results[0]); i++)
        y[i] = alpha == 1 ? y[i] : (int64_t)(alpha * (double)y[i]);
    ran_walk w;
    if (c) {
        ran_walk_broadcast(&w, 2, ran_tensor_dims(e->results[0]), 1, &addend);
        RAN_FOR_ROWS(&w)
        for (int64_t i = 0; i < w.length; i++, out++) {
            int64_t value = c[w.offset[0] + i * w.step[0]];
            value = beta == 1 ? value : (int64_t)(beta * (double)value);
            *out = (int64_t)((uint64_t)*out + (uint64_t)value);
        }
    }
    ran_store_i64(e->results[0], y);
    free(c);
}

static ran_status evaluate_gemm(ran_evaluation *e)
{
    const int64_t *y_dims = ran_tensor_dims(e->results[0]);
    bool is_int = ran_elem_is_int(ran_tensor_elem(e->operands[0]));
    bool trans_a = ran_op_int(e->op, "transA") != 0;
    int64_t k = ran_tensor_dims(e->operands[0])[!trans_a];
    void *a = load_matrix(e->operands[0], is_int, trans_a);
    void *b = load_matrix(e->operands[1], is_int, ran_op_int(e->op, "transB") != 0);
    void *y = ran_new_bytes(y_dims[0] * y_dims[1], 8);
    if (is_int) {
        multiply_i64(y_dims[0], k, y_dims[1], a, b, y);
        finish_i64(e, y);
    } else {
        multiply_f64(y_dims[0], k, y_dims[1], a, b, y);
        finish_f64(e, y);
    }
    free(a);
    free(b);
    free(y);
    return RAN_OK;
}

static void count_gemm(const ran_op *op, ran_counts *counts)
{
    counts->macs += ran_count_numel(ran_op_result(op, 0)) *
                    ran_count_extent(ran_op_operand(op, 0), ran_op_int(op, "transA") ? 0 : 1);
}

const ran_op_hooks ran_hooks_gemm = {.infer = infer_gemm,
                                     .evaluate = evaluate_gemm,
                                     .count = count_gemm,
                                     .gradient = ran_gemm_gradient};
