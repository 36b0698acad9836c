/* SPDX-License-Identifier: GPL-3.0-or-later */
/* average_pool, max_pool, lp_pool and the global pools. */
#include "ir/ops/compute.h"
#include "ir/ops/gradient.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

/* ---- Inference ------------------------------------------------------------------------------ */

static ran_status verify_pool(const ran_op *op)
{
    size_t count;
    const ran_type *x = ran_value_type(ran_op_operand(op, 0));
    ran_op_ints(op, "kernel_shape", &count);
    if (!count)
        return ran_op_error(op, RAN_INVALID, "attribute kernel_shape is missing");
    if (op->opcode == RAN_OP_LP_POOL && ran_op_int(op, "p") < 1)
        return ran_op_error(op, RAN_INVALID, "attribute p: %lld is not positive",
                            (long long)ran_op_int(op, "p"));
    return ran_type_rank(x) < 0 ? RAN_OK : ran_window_verify(op, ran_type_rank(x) - 2);
}

static ran_status infer_windows(ran_infer *infer, const ran_dim **dims)
{
    size_t count;
    const ran_type *x = infer->operands[0];
    const int64_t *kernel = ran_op_ints(infer->op, "kernel_shape", &count);
    ran_status status = verify_pool(infer->op);
    if (status == RAN_OK)
        status = ran_window_verify(infer->op, ran_type_rank(x) - 2);
    dims[0] = ran_type_dim(x, 0);
    dims[1] = ran_type_dim(x, 1);
    for (int i = 0; i < ran_type_rank(x) - 2 && status == RAN_OK; i++)
        status = ran_window_infer(infer, ran_type_rank(x) - 2, i, ran_type_dim(x, 2 + i), kernel[i],
                                  &dims[2 + i]);
    return status;
}

static ran_status infer_pool(ran_infer *infer)
{
    const ran_dim *dims[RAN_MAX_RANK];
    const ran_type *x = infer->operands[0];
    const ran_op *op = infer->op;
    ran_status status = ran_infer_check_elem(infer, 0, op->opcode == RAN_OP_MAX_POOL ? "FI" : "F");
    if (status == RAN_OK)
        status = ran_infer_check_min_rank(infer, 0, 3);
    if (status == RAN_OK && ran_type_rank(x) >= 0)
        status = infer_windows(infer, dims);
    if (status != RAN_OK)
        return status;
    int rank = ran_type_rank(x);
    if (op->result_count > 1)
        ran_infer_result(infer, 1, RAN_ELEM_I64, rank, dims);
    return ran_infer_result(infer, 0, ran_type_elem(x), rank, dims);
}

/* ---- Windows -------------------------------------------------------------------------------- */

/* Taps [first, end) of one window along one axis that lie inside the input. */
typedef struct span {
    int64_t start, first, end;
} span;

static span span_of(const ran_window *w, int axis, int64_t out)
{
    span s = {.start = out * w->stride[axis] - w->pad_begin[axis]};
    ran_window_valid(s.start, w->dilation[axis], w->in[axis], w->kernel[axis], &s.first, &s.end);
    return s;
}

/* Taps that lie inside the input or its padding, which is what count_include_pad counts: a window
 * that ceil_mode lets hang out further is cut off there. */
static int64_t padded_taps(const ran_window *w, int axis, int64_t out)
{
    int64_t first, end, start = out * w->stride[axis] - w->pad_begin[axis];
    ran_window_valid(start, w->dilation[axis], w->in[axis] + w->pad_end[axis], w->kernel[axis],
                     &first, &end);
    return end;
}

typedef struct pool {
    const ran_op *op;
    ran_window w;
    int64_t images, in_image, out_image;
    bool include_pad, column_major;
    double p;
    int64_t *indices; /* of max_pool, or NULL */
} pool;

static bool has_flag(const ran_op *op, const char *name)
{
    return ran_attr_spec_find(op->opcode, name) && ran_op_int(op, name);
}

static pool pool_of(const ran_op *op, const ran_tensor *x_, const ran_tensor *y_)
{
    const int64_t *x = ran_tensor_dims(x_), *y = ran_tensor_dims(y_);
    pool p = {.op = op, .images = x[0] * x[1]};
    ran_window_resolve(op, ran_tensor_rank(x_) - 2, x + 2, y + 2, NULL, &p.w);
    p.in_image = ran_dims_product(p.w.in, 0, RAN_MAX_SPATIAL);
    p.out_image = ran_dims_product(p.w.out, 0, RAN_MAX_SPATIAL);
    p.include_pad = has_flag(op, "count_include_pad");
    p.column_major = has_flag(op, "storage_order");
    p.p = op->opcode == RAN_OP_LP_POOL ? (double)ran_op_int(op, "p") : 0;
    return p;
}

static double sum_window(const pool *p, const double *image, const span s[3])
{
    double sum = 0;
    const ran_window *w = &p->w;
    for (int64_t a = s[0].first; a < s[0].end; a++)
        for (int64_t b = s[1].first; b < s[1].end; b++) {
            int64_t row =
                ((s[0].start + a * w->dilation[0]) * w->in[1] + s[1].start + b * w->dilation[1]) *
                    w->in[2] +
                s[2].start;
            for (int64_t c = s[2].first; c < s[2].end; c++) {
                double value = image[row + c * w->dilation[2]];
                sum += p->p ? pow(fabs(value), p->p) : value;
            }
        }
    return sum;
}

static int64_t window_size(const pool *p, const span s[3], const int64_t out[3])
{
    int64_t size = 1;
    for (int axis = 0; axis < 3; axis++)
        size *= p->include_pad ? padded_taps(&p->w, axis, out[axis]) : s[axis].end - s[axis].first;
    return size;
}

/* The first of equals wins; a NaN beats everything. Returns its position in the image, -1: none. */
static int64_t max_window(const pool *p, const double *image, const span s[3])
{
    int64_t best = -1;
    const ran_window *w = &p->w;
    for (int64_t a = s[0].first; a < s[0].end; a++)
        for (int64_t b = s[1].first; b < s[1].end; b++)
            for (int64_t c = s[2].first; c < s[2].end; c++) {
                int64_t at = ((s[0].start + a * w->dilation[0]) * w->in[1] + s[1].start +
                              b * w->dilation[1]) *
                                 w->in[2] +
                             s[2].start + c * w->dilation[2];
                if (best < 0 || image[at] > image[best] ||
                    (isnan(image[at]) && !isnan(image[best])))
                    best = at;
            }
    return best;
}

/* storage_order 1 counts the spatial axes from the first. */
static int64_t index_of(const pool *p, int64_t at)
{
    const int64_t *in = p->w.in;
    if (!p->column_major)
        return at;
    int64_t x = at % in[2], y = at / in[2] % in[1], z = at / in[2] / in[1];
    return z + in[0] * (y + in[1] * x);
}

static double pool_window(const pool *p, int64_t n, const double *image, const int64_t out[3],
                          int64_t to)
{
    span s[3];
    for (int axis = 0; axis < 3; axis++)
        s[axis] = span_of(&p->w, axis, out[axis]);
    if (p->op->opcode == RAN_OP_MAX_POOL) {
        int64_t best = max_window(p, image, s);
        if (p->indices)
            p->indices[to] = n * p->in_image + index_of(p, best < 0 ? 0 : best);
        return best < 0 ? -INFINITY : image[best];
    }
    double sum = sum_window(p, image, s);
    return p->p ? pow(sum, 1 / p->p) : sum / (double)window_size(p, s, out);
}

static ran_status evaluate_pool(ran_evaluation *e)
{
    pool p = pool_of(e->op, e->operands[0], e->results[0]);
    double *x = ran_load_f64(e->operands[0]), *y = RAN_NEW(double, p.images *p.out_image);
    int64_t out[3], to = 0;
    p.indices = e->op->result_count > 1 ? RAN_NEW(int64_t, p.images * p.out_image) : NULL;
    for (int64_t n = 0; n < p.images; n++)
        for (out[0] = 0; out[0] < p.w.out[0]; out[0]++)
            for (out[1] = 0; out[1] < p.w.out[1]; out[1]++)
                for (out[2] = 0; out[2] < p.w.out[2]; out[2]++, to++)
                    y[to] = pool_window(&p, n, x + n * p.in_image, out, to);
    ran_store_f64(e->results[0], y);
    if (p.indices)
        ran_store_i64(e->results[1], p.indices);
    free(p.indices);
    free(x);
    free(y);
    return RAN_OK;
}

const ran_op_hooks ran_hooks_average_pool = {.verify = verify_pool,
                                             .infer = infer_pool,
                                             .evaluate = evaluate_pool,
                                             .gradient = ran_average_pool_gradient};
const ran_op_hooks ran_hooks_max_pool = {.verify = verify_pool,
                                         .infer = infer_pool,
                                         .evaluate = evaluate_pool,
                                         .gradient = ran_max_pool_gradient};
const ran_op_hooks ran_hooks_lp_pool = {.verify = verify_pool,
                                        .infer = infer_pool,
                                        .evaluate = evaluate_pool,
                                        .gradient = ran_lp_pool_gradient};

/* ---- Gradients of pools --------------------------------------------------------------------- */

static ran_status infer_max_pool_gradient(ran_infer *infer)
{
    ran_status status = ran_infer_check_elem(infer, 0, "F");
    if (status == RAN_OK)
        status = ran_infer_check_same_elem(infer, 0, 1);
    if (status == RAN_OK)
        status = ran_infer_check_min_rank(infer, 0, 3);
    if (status == RAN_OK && ran_type_rank(infer->operands[0]) >= 0)
        status = ran_infer_check_rank(infer, 1, "x", ran_type_rank(infer->operands[0]));
    infer->results[0] = infer->operands[1];
    return status;
}

static ran_status infer_average_pool_gradient(ran_infer *infer)
{
    size_t count = 0;
    const ran_type *dy = infer->operands[0];
    const ran_dim *const *shape = ran_infer_elements(infer, 1, &count);
    ran_status status = ran_infer_check_elem(infer, 0, "F");
    if (status == RAN_OK)
        status = ran_infer_check_min_rank(infer, 0, 3);
    if (status != RAN_OK)
        return status;
    if (!shape)
        return ran_infer_unknown_shape(infer, 1, ran_type_elem(dy));
    if (ran_type_rank(dy) >= 0 && (size_t)ran_type_rank(dy) != count)
        return ran_infer_error(infer, "operand x_shape: %zu dims beside %s", count,
                               ran_type_text(infer->context, dy));
    return ran_infer_result(infer, 0, ran_type_elem(dy), (int)count, shape);
}

/* Each window's gradient goes to its first maximum. */
static void spread_to_maximum(const pool *p, const double *image, const span s[3], double dy,
                              double *dx)
{
    int64_t best = max_window(p, image, s);
    if (best >= 0)
        dx[best] += dy;
}

static void spread_evenly(const pool *p, const span s[3], double dy, double *dx)
{
    const ran_window *w = &p->w;
    for (int64_t a = s[0].first; a < s[0].end; a++)
        for (int64_t b = s[1].first; b < s[1].end; b++)
            for (int64_t c = s[2].first; c < s[2].end; c++)
                dx[((s[0].start + a * w->dilation[0]) * w->in[1] + s[1].start +
                    b * w->dilation[1]) *
                       w->in[2] +
                   s[2].start + c * w->dilation[2]] += dy;
}

/* x is NULL for average pools. */
static void spread_window(const pool *p, const double *x, const int64_t out[3], double dy,
                          double *dx)
{
    span s[3];
    for (int axis = 0; axis < 3; axis++)
        s[axis] = span_of(&p->w, axis, out[axis]);
    if (x)
        spread_to_maximum(p, x, s, dy, dx);
    else
        spread_evenly(p, s, dy / (double)window_size(p, s, out), dx);
}

static ran_status evaluate_pool_gradient(ran_evaluation *e)
{
    bool is_max = e->op->opcode == RAN_OP_MAX_POOL_GRADIENT;
    pool p = pool_of(e->op, e->results[0], e->operands[0]);
    double *dy = ran_load_f64(e->operands[0]), *dx = RAN_NEW(double, p.images *p.in_image);
    double *x = is_max ? ran_load_f64(e->operands[1]) : NULL;
    int64_t out[3], from = 0;
    for (int64_t n = 0; n < p.images; n++)
        for (out[0] = 0; out[0] < p.w.out[0]; out[0]++)
            for (out[1] = 0; out[1] < p.w.out[1]; out[1]++)
                for (out[2] = 0; out[2] < p.w.out[2]; out[2]++, from++)
                    spread_window(&p, x ? x + n * p.in_image : NULL, out, dy[from],
                                  dx + n * p.in_image);
    ran_store_f64(e->results[0], dx);
    free(x);
    free(dy);
    free(dx);
    return RAN_OK;
}

const ran_op_hooks ran_hooks_max_pool_gradient = {
    .verify = verify_pool, .infer = infer_max_pool_gradient, .evaluate = evaluate_pool_gradient};
const ran_op_hooks ran_hooks_average_pool_gradient = {.verify = verify_pool,
                                                      .infer = infer_average_pool_gradient,
                                                      .evaluate = evaluate_pool_gradient};

/* ---- Global pools --------------------------------------------------------------------------- */

static ran_status infer_global_pool(ran_infer *infer)
{
    const ran_dim *dims[RAN_MAX_RANK];
    ran_status status = ran_infer_check_elem(infer, 0, "F");
    if (status == RAN_OK)
        status = ran_infer_check_min_rank(infer, 0, 2);
    if (status != RAN_OK)
        return status;
    int rank = ran_infer_dims(infer, 0, dims);
    for (int i = 2; i < rank; i++)
        dims[i] = ran_dim_constant(infer->context, 1);
    return ran_infer_result(infer, 0, ran_type_elem(infer->operands[0]), rank, dims);
}

static ran_status evaluate_global_pool(ran_evaluation *e)
{
    bool is_max = e->op->opcode == RAN_OP_GLOBAL_MAX_POOL;
    ran_lines lines = ran_lines_of(e->operands[0], 2, ran_tensor_rank(e->operands[0]));
    double *x = ran_load_f64(e->operands[0]), *y = RAN_NEW(double, lines.outer);
    for (int64_t n = 0; n < lines.outer; n++) {
        const double *image = x + n * lines.length;
        double best = -INFINITY, sum = 0;
        for (int64_t i = 0; i < lines.length; i++) {
            sum += image[i];
            best = image[i] > best || isnan(image[i]) ? image[i] : best;
        }
        y[n] = is_max ? best : sum / (double)lines.length;
    }
    ran_store_f64(e->results[0], y);
    free(x);
    free(y);
    return RAN_OK;
}

const ran_op_hooks ran_hooks_global_pool = {.infer = infer_global_pool,
                                            .evaluate = evaluate_global_pool,
                                            .gradient = ran_global_pool_gradient};
