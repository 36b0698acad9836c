/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Gradients of convolutions.
 *
 * y = conv(x, w) is linear in both: dx is the transposed convolution of dy by the same w, dw the
 * correlation of x with dy, an op of its own (conv_weight_gradient). The gradients of a transposed
 * convolution are the same ops with x and dy exchanged.
 */
#include "ir/ops/compute.h"
#include "ir/ops/gradient.h"

#include <stdlib.h>

/* ---- conv_weight_gradient -----------------------------------------------------------------------
 */

static ran_status verify_weight_gradient(const ran_op *op)
{
    size_t count;
    const ran_type *x = ran_value_type(ran_op_operand(op, 0));
    ran_op_ints(op, "kernel_shape", &count);
    if (!count)
        return ran_op_error(op, RAN_INVALID, "attribute kernel_shape is missing");
    if (ran_op_int(op, "group") < 1)
        return ran_op_error(op, RAN_INVALID, "attribute group: %lld is not positive",
                            (long long)ran_op_int(op, "group"));
    return ran_type_rank(x) < 0 ? RAN_OK : ran_window_verify(op, ran_type_rank(x) - 2);
}

static ran_status infer_weight_gradient(ran_infer *infer)
{
    size_t count;
    ran_context *c = infer->context;
    const ran_type *x = infer->operands[0], *dy = infer->operands[1];
    const int64_t *kernel = ran_op_ints(infer->op, "kernel_shape", &count);
    const ran_dim *dims[RAN_MAX_RANK], *group = ran_dim_constant(c, ran_op_int(infer->op, "group"));
    ran_status status = ran_infer_check_elem(infer, 0, "F");
    if (status == RAN_OK)
        status = ran_infer_check_same_elem(infer, 0, 1);
    if (status == RAN_OK)
        status = verify_weight_gradient(infer->op);
    for (size_t i = 0; i < 2 && status == RAN_OK; i++)
        status = ran_infer_check_rank(infer, i, i ? "dy" : "x", (int)count + 2);
    if (status != RAN_OK)
        return status;
    dims[0] = ran_type_rank(dy) < 0 ? ran_dim_fresh(c) : ran_type_dim(dy, 1);
    dims[1] = ran_type_rank(x) < 0 ? ran_dim_fresh(c)
                                   : ran_dim_divide_exact(c, ran_type_dim(x, 1), group);
    if (!dims[1])
        return ran_infer_error(infer, "the channels of %s don't divide into %lld groups",
                               ran_type_text(c, x), (long long)ran_dim_value(group));
    for (size_t i = 0; i < count; i++)
        dims[2 + i] = ran_dim_constant(c, kernel[i]);
    return ran_infer_result(infer, 0, ran_type_elem(x), (int)count + 2, dims);
}

typedef struct correlation {
    ran_window w;
    int64_t batch, group, in_channels, out_channels, in_image, out_image, taps; /* all channels */
} correlation;

/* sum of x[o * stride + tap * dilation - pad] * dy[o] over the positions o that lie inside. */
static double correlate_tap(const ran_window *w, const int64_t tap[3], const double *x,
                            const double *dy)
{
    int64_t offset[3], first[3], end[3];
    double sum = 0;
    for (int a = 0; a < 3; a++) {
        offset[a] = tap[a] * w->dilation[a] - w->pad_begin[a];
        ran_window_valid(offset[a], w->stride[a], w->in[a], w->out[a], &first[a], &end[a]);
    }
    for (int64_t i = first[0]; i < end[0]; i++)
        for (int64_t j = first[1]; j < end[1]; j++) {
            const double *row =
                x + ((i * w->stride[0] + offset[0]) * w->in[1] + j * w->stride[1] + offset[1]) *
                        w->in[2];
            const double *out = dy + (i * w->out[1] + j) * w->out[2];
            for (int64_t k = first[2]; k < end[2]; k++)
                sum += row[k * w->stride[2] + offset[2]] * out[k];
        }
    return sum;
}

/* All taps of one pair of channels. */
static void correlate_channels(const correlation *c, const double *x, const double *dy, double *dw)
{
    int64_t tap[3], at = 0;
    for (tap[0] = 0; tap[0] < c->w.kernel[0]; tap[0]++)
        for (tap[1] = 0; tap[1] < c->w.kernel[1]; tap[1]++)
            for (tap[2] = 0; tap[2] < c->w.kernel[2]; tap[2]++)
                dw[at++] += correlate_tap(&c->w, tap, x, dy);
}

static void correlate(const correlation *c, const double *x, const double *dy, double *dw)
{
    int64_t in = c->in_channels / c->group, out = c->out_channels / c->group;
    for (int64_t n = 0; n < c->batch; n++)
        for (int64_t o = 0; o < c->out_channels; o++)
            for (int64_t i = 0; i < in; i++)
                correlate_channels(c, x + (n * c->in_channels + o / out * in + i) * c->in_image,
                                   dy + (n * c->out_channels + o) * c->out_image,
                                   dw + (o * in + i) * c->taps);
}

static ran_status evaluate_weight_gradient(ran_evaluation *e)
{
    const int64_t *xd = ran_tensor_dims(e->operands[0]), *yd = ran_tensor_dims(e->operands[1]);
    correlation c = {.batch = xd[0],
                     .group = ran_op_int(e->op, "group"),
                     .in_channels = xd[1],
                     .out_channels = yd[1]};
    ran_window_resolve(e->op, ran_tensor_rank(e->operands[0]) - 2, xd + 2, yd + 2, NULL, &c.w);
    c.in_image = ran_dims_product(c.w.in, 0, RAN_MAX_SPATIAL);
    c.out_image = ran_dims_product(c.w.out, 0, RAN_MAX_SPATIAL);
    c.taps = ran_dims_product(c.w.kernel, 0, RAN_MAX_SPATIAL);
    double *x = ran_load_f64(e->operands[0]), *dy = ran_load_f64(e->operands[1]);
    double *dw = RAN_NEW(double, ran_tensor_numel(e->results[0]));
    correlate(&c, x, dy, dw);
    ran_store_f64(e->results[0], dw);
    free(x);
    free(dy);
    free(dw);
    return RAN_OK;
}

static void count_weight_gradient(const ran_op *op, ran_counts *counts)
{
    const ran_value *dw = ran_op_result(op, 0);
    int64_t channels = ran_count_extent(dw, 0);
    counts->macs +=
        ran_count_numel(ran_op_operand(op, 1)) * (channels ? ran_count_numel(dw) / channels : 0);
}

/* ---- Hooks
 * ---------------------------------------------------------------------------------------- */

/* Pads as numbers, and how far the transposed convolution must be padded to reach x's extents. */
typedef struct geometry {
    int spatial;
    int64_t pads[2 * RAN_MAX_SPATIAL], extra[RAN_MAX_SPATIAL], kernel[RAN_MAX_SPATIAL];
} geometry;

static void spatial_dims(const ran_value *value, int64_t *out)
{
    for (int i = 2; i < ran_gradient_rank(value); i++)
        out[i - 2] = ran_gradient_extent(value, i);
}

/* `in` and `out` are those of the op; a conv_transpose's are the wrong way round for `extra`. */
static geometry geometry_of(const ran_op *op)
{
    const ran_value *x = ran_op_operand(op, 0), *w = ran_op_operand(op, 1);
    geometry g = {.spatial = ran_gradient_rank(x) - 2};
    int64_t in[RAN_MAX_SPATIAL], out[RAN_MAX_SPATIAL];
    ran_window window;
    spatial_dims(x, in);
    spatial_dims(&op->results[0], out);
    spatial_dims(w, g.kernel);
    ran_window_resolve(op, g.spatial, in, out, g.kernel, &window);
    for (int i = 0; i < g.spatial; i++) {
        int a = RAN_MAX_SPATIAL - g.spatial + i;
        int64_t extent = window.dilation[a] * (window.kernel[a] - 1) + 1;
        g.pads[i] = window.pad_begin[a];
        g.pads[g.spatial + i] = window.pad_end[a];
        g.extra[i] = in[i] - ((out[i] - 1) * window.stride[a] + extent - window.pad_begin[a] -
                              window.pad_end[a]);
    }
    return g;
}

/* The attributes of a convolution, with explicit pads, on an op that slides the same window. */
static void set_window(ran_op *to, const ran_op *from, const geometry *geometry)
{
    static const char *const lists[] = {"strides", "dilations"};
    for (size_t i = 0; i < sizeof lists / sizeof *lists; i++) {
        size_t count;
        const int64_t *values = ran_op_ints(from, lists[i], &count);
        if (count)
            ran_op_set_ints(to, lists[i], values, count);
    }
    bool padded = false;
    for (int i = 0; i < 2 * geometry->spatial; i++)
        padded |= geometry->pads[i] != 0;
    if (padded)
        ran_op_set_ints(to, "pads", geometry->pads, 2 * (size_t)geometry->spatial);
    if (ran_op_int(from, "group") != 1)
        ran_op_set_int(to, "group", ran_op_int(from, "group"));
}

static ran_value *weight_gradient(ran_gradient *g, const ran_op *op, const geometry *geometry,
                                  ran_value *x, ran_value *dy)
{
    ran_value *operands[] = {x, dy};
    ran_op *dw = ran_gradient_op(g, RAN_OP_CONV_WEIGHT_GRADIENT, 2, operands, 1);
    ran_op_set_ints(dw, "kernel_shape", geometry->kernel, (size_t)geometry->spatial);
    set_window(dw, op, geometry);
    return ran_gradient_finish(g, dw);
}

static void add_bias_gradient(ran_gradient *g, ran_value *dy)
{
    int64_t axes[RAN_MAX_RANK] = {0};
    int rank = ran_gradient_rank(dy);
    if (!ran_gradient_needed(g, 2))
        return;
    for (int i = 2; i < rank; i++)
        axes[i - 1] = i;
    ran_gradient_add(g, 2,
                     ran_gradient_reduce(g, RAN_OP_REDUCE_SUM, dy, axes, (size_t)rank - 1, false));
}

ran_status ran_conv_gradient(ran_gradient *g, const ran_op *op)
{
    ran_value *dy = ran_gradient_of(g, 0), *x = ran_op_operand(op, 0), *w = ran_op_operand(op, 1);
    ran_status status = ran_gradient_need_static(op);
    if (!dy || status != RAN_OK)
        return status;
    geometry geometry = geometry_of(op);
    add_bias_gradient(g, dy);
    if (ran_gradient_needed(g, 1))
        ran_gradient_add(g, 1, weight_gradient(g, op, &geometry, x, dy));
    if (!ran_gradient_needed(g, 0))
        return RAN_OK;
    ran_op *dx = ran_gradient_op(g, RAN_OP_CONV_TRANSPOSE, 2, (ran_value *[]){dy, w}, 1);
    bool extra = false;
    for (int i = 0; i < geometry.spatial; i++)
        extra |= geometry.extra[i] != 0;
    if (extra)
        ran_op_set_ints(dx, "output_padding", geometry.extra, (size_t)geometry.spatial);
    set_window(dx, op, &geometry);
    ran_gradient_add(g, 0, ran_gradient_finish(g, dx));
    return RAN_OK;
}

/* Output padding can make the convolution of dy longer than x: what is behind has no input. */
static ran_value *crop_to(ran_gradient *g, ran_value *dx, const ran_value *x)
{
    for (int i = 2; i < ran_gradient_rank(x); i++)
        if (ran_gradient_extent(dx, i) > ran_gradient_extent(x, i))
            dx = ran_gradient_slice(g, dx, i, 0, ran_gradient_extent(x, i));
    return dx;
}

ran_status ran_conv_transpose_gradient(ran_gradient *g, const ran_op *op)
{
    ran_value *dy = ran_gradient_of(g, 0), *x = ran_op_operand(op, 0), *w = ran_op_operand(op, 1);
    ran_status status = ran_gradient_need_static(op);
    if (!dy || status != RAN_OK)
        return status;
    geometry geometry = geometry_of(op);
    add_bias_gradient(g, dy);
    if (ran_gradient_needed(g, 1))
        ran_gradient_add(g, 1, weight_gradient(g, op, &geometry, dy, x));
    if (!ran_gradient_needed(g, 0))
        return RAN_OK;
    ran_op *dx = ran_gradient_op(g, RAN_OP_CONV, 2, (ran_value *[]){dy, w}, 1);
    set_window(dx, op, &geometry);
    ran_gradient_add(g, 0, crop_to(g, ran_gradient_finish(g, dx), x));
    return RAN_OK;
}

const ran_op_hooks ran_hooks_conv_weight_gradient = {.verify = verify_weight_gradient,
                                                     .infer = infer_weight_gradient,
                                                     .evaluate = evaluate_weight_gradient,
                                                     .count = count_weight_gradient};
