/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Sums in parts: what code generation makes of gradients and statistics over a batch. A first op
 * sums over chunks of the batch, a second one over the chunks, so that results do not depend on the
 * number of threads.
 */
#include "ir/ops/compute.h"

#include <stdlib.h>

static int64_t product(const int64_t *values, size_t count)
{
    int64_t result = 1;
    for (size_t i = 0; i < count; i++)
        result *= values[i];
    return result;
}

/* First image of a chunk. */
static int64_t chunk_start(int64_t batch, int64_t chunks, int64_t chunk)
{
    return chunk * batch / chunks;
}

/* ---- conv_weight_partials -------------------------------------------------------------------- */

static ran_status infer_conv_weight_partials(ran_infer *infer)
{
    size_t count;
    ran_context *c = infer->context;
    const ran_type *x = infer->operands[0], *dy = infer->operands[1];
    const int64_t *kernel = ran_op_ints(infer->op, "kernel_shape", &count);
    int64_t block = ran_op_int(infer->op, "block"), width = ran_op_int(infer->op, "width");
    int64_t chunks = ran_op_int(infer->op, "chunks"), group = ran_op_int(infer->op, "group");
    ran_status status = ran_infer_check_same_elem(infer, 0, 1);
    if (status != RAN_OK)
        return status;
    if (ran_type_rank(x) != (int)count + 2 || ran_type_rank(dy) != (int)count + 2 || block < 1 ||
        width < 1 || chunks < 1 || group < 1)
        return ran_infer_error(infer, "kernel_shape, block, width, chunks or group don't fit %s",
                               ran_type_text(c, x));
    const ran_dim *dims[] = {
        ran_dim_constant(c, chunks),
        ran_dim_ceil_constant(c, ran_type_dim(dy, 1), block),
        ran_dim_ceil_constant(c, ran_dim_floor_constant(c, ran_type_dim(x, 1), group), width),
        ran_dim_constant(c, product(kernel, count)),
        ran_dim_constant(c, width),
        ran_dim_constant(c, block)};
    return ran_infer_result(infer, 0, ran_type_elem(x), 6, dims);
}

const ran_op_hooks ran_hooks_conv_weight_partials = {.infer = infer_conv_weight_partials};

/* ---- conv_weight_sum ---------------------------------------------------------------------------- */

static ran_status infer_conv_weight_sum(ran_infer *infer)
{
    size_t count;
    const int64_t *shape = ran_op_ints(infer->op, "shape", &count);
    const ran_dim *dims[RAN_MAX_RANK];
    if (ran_type_rank(infer->operands[0]) != 6 || count < 3 || count > RAN_MAX_RANK)
        return ran_infer_error(infer, "shape does not fit %s",
                               ran_type_text(infer->context, infer->operands[0]));
    for (size_t i = 0; i < count; i++)
        dims[i] = ran_dim_constant(infer->context, shape[i]);
    return ran_infer_result(infer, 0, ran_type_elem(infer->operands[0]), (int)count, dims);
}

static ran_status evaluate_conv_weight_sum(ran_evaluation *e)
{
    size_t count;
    const int64_t *shape = ran_op_ints(e->op, "shape", &count);
    const int64_t *p = ran_tensor_dims(e->operands[0]);
    int64_t taps = product(shape + 2, count - 2), all = p[1] * p[2] * p[3] * p[4] * p[5];
    double *from = ran_load_f64(e->operands[0]);
    double *to = RAN_NEW(double, ran_tensor_numel(e->results[0]));
    for (int64_t n = 0; n < ran_tensor_numel(e->results[0]); n++) {
        int64_t tap = n % taps, i = n / taps % shape[1], o = n / taps / shape[1];
        int64_t at = (((o / p[5] * p[2] + i / p[4]) * taps + tap) * p[4] + i % p[4]) * p[5] +
                     o % p[5];
        for (int64_t chunk = 0; chunk < p[0]; chunk++)
            to[n] += from[chunk * all + at];
    }
    ran_store_f64(e->results[0], to);
    free(from);
    free(to);
    return RAN_OK;
}

const ran_op_hooks ran_hooks_conv_weight_sum = {.infer = infer_conv_weight_sum,
                                                .evaluate = evaluate_conv_weight_sum};

/* ---- channel_moments, channel_sums ------------------------------------------------------------------ */

static ran_status infer_channel_parts(ran_infer *infer)
{
    ran_context *c = infer->context;
    const ran_type *x = infer->operands[0];
    int64_t chunks = ran_op_int(infer->op, "chunks");
    if (ran_type_rank(x) < 2 || chunks < 1)
        return ran_infer_error(infer, "chunks = %lld does not fit %s", (long long)chunks,
                               ran_type_text(c, x));
    const ran_dim *dims[] = {ran_dim_constant(c, chunks), ran_type_dim(x, 1)};
    ran_status status = RAN_OK;
    for (size_t i = 0; i < infer->op->result_count && status == RAN_OK; i++)
        status = ran_infer_result(infer, i, ran_type_elem(x), 2, dims);
    return status;
}

typedef struct channels {
    int64_t batch, count, length, chunks;
    double *x;
} channels;

static channels channels_of(const ran_evaluation *e)
{
    const int64_t *dims = ran_tensor_dims(e->operands[0]);
    return (channels){.batch = dims[0],
                      .count = dims[1],
                      .length = product(dims + 2, (size_t)ran_tensor_rank(e->operands[0]) - 2),
                      .chunks = ran_op_int(e->op, "chunks"),
                      .x = ran_load_f64(e->operands[0])};
}

/* Sum over the elements of one channel in one chunk of (x - shift) * (y - y_shift). */
static double sum_products(const channels *c, const double *x, double shift, const double *y,
                           double y_shift, int64_t chunk, int64_t channel)
{
    double sum = 0;
    for (int64_t n = chunk_start(c->batch, c->chunks, chunk);
         n < chunk_start(c->batch, c->chunks, chunk + 1); n++)
        for (int64_t i = 0; i < c->length; i++) {
            int64_t at = (n * c->count + channel) * c->length + i;
            sum += (x[at] - shift) * (y ? y[at] - y_shift : 1);
        }
    return sum;
}

static ran_status evaluate_channel_moments(ran_evaluation *e)
{
    channels c = channels_of(e);
    for (int64_t k = 0; k < c.chunks * c.count; k++) {
        int64_t chunk = k / c.count, channel = k % c.count;
        double images = (double)(chunk_start(c.batch, c.chunks, chunk + 1) -
                                 chunk_start(c.batch, c.chunks, chunk));
        double mean = sum_products(&c, c.x, 0, NULL, 0, chunk, channel) /
                      (images * (double)c.length);
        ran_tensor_set_f64(e->results[0], k, mean);
        ran_tensor_set_f64(e->results[1], k,
                           sum_products(&c, c.x, mean, c.x, mean, chunk, channel));
    }
    free(c.x);
    return RAN_OK;
}

const ran_op_hooks ran_hooks_channel_moments = {.infer = infer_channel_parts,
                                                .evaluate = evaluate_channel_moments};

static ran_status evaluate_channel_sums(ran_evaluation *e)
{
    channels c = channels_of(e);
    double *y = ran_load_f64(e->operands[1]), *shift = ran_load_f64(e->operands[2]);
    for (int64_t k = 0; k < c.chunks * c.count; k++) {
        int64_t chunk = k / c.count, channel = k % c.count;
        ran_tensor_set_f64(e->results[0], k,
                           sum_products(&c, c.x, 0, NULL, 0, chunk, channel));
        if (y)
            ran_tensor_set_f64(
                e->results[1], k,
                sum_products(&c, c.x, 0, y, shift ? shift[channel] : 0, chunk, channel));
    }
    free(c.x);
    free(y);
    free(shift);
    return RAN_OK;
}

const ran_op_hooks ran_hooks_channel_sums = {.infer = infer_channel_parts,
                                             .evaluate = evaluate_channel_sums};
