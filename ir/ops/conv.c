/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * conv and conv_transpose, 1-D to 3-D.
 *
 * Both walk (kernel tap, output or input row) pairs: a tap's weight times a row of one image is
 * added to a row of the other, so that the innermost loop runs along rows. Sums are doubles.
 */
#include "ir/ops/compute.h"
#include "ir/ops/gradient.h"

#include <stdlib.h>
#include <string.h>

/* Extents of one call; an image is one channel of one batch element. */
typedef struct conv {
    ran_window w;
    int64_t batch, groups, in_channels, out_channels; /* channels of one group */
    int64_t in_image, out_image, taps;
    bool transposed;
} conv;

static int spatial_rank(const ran_op *op)
{
    const ran_type *x = ran_value_type(ran_op_operand(op, 0));
    const ran_type *w = ran_value_type(ran_op_operand(op, 1));
    int rank = ran_type_rank(x) >= 0 ? ran_type_rank(x) : ran_type_rank(w);
    return rank < 0 ? -1 : rank - 2;
}

static ran_status check_attributes(const ran_op *op, int spatial)
{
    if (ran_op_int(op, "group") < 1)
        return ran_op_error(op, RAN_INVALID, "attribute group: %lld is not positive",
                            (long long)ran_op_int(op, "group"));
    return spatial < 0 ? RAN_OK : ran_window_verify(op, spatial);
}

static ran_status verify_conv(const ran_op *op)
{
    return check_attributes(op, spatial_rank(op));
}

/* ---- Inference ------------------------------------------------------------------------------ */

/* Extent of kernel axis i: the weight's, which must be kernel_shape's too; -1 when not known. */
static ran_status kernel_extent(const ran_infer *infer, int i, int64_t *out_extent)
{
    size_t count;
    const int64_t *shape = ran_op_ints(infer->op, "kernel_shape", &count);
    const ran_type *w = infer->operands[1];
    int64_t listed = (size_t)i < count ? shape[i] : -1;
    *out_extent = listed;
    if (ran_type_rank(w) < 0 || !ran_dim_is_constant(ran_type_dim(w, 2 + i)))
        return RAN_OK;
    *out_extent = ran_dim_value(ran_type_dim(w, 2 + i));
    if ((listed >= 0 && listed != *out_extent) || *out_extent < 1)
        return ran_infer_error(infer, "operand w: kernel axis %d of %s contradicts kernel_shape", i,
                               ran_type_text(infer->context, w));
    return RAN_OK;
}

static ran_status check_channels(const ran_infer *infer, bool transposed)
{
    ran_context *c = infer->context;
    const ran_type *x = infer->operands[0], *w = infer->operands[1];
    const ran_type *b = ran_infer_operand(infer, 2);
    int64_t group = ran_op_int(infer->op, "group");
    if (ran_type_rank(x) < 0 || ran_type_rank(w) < 0)
        return RAN_OK;
    if (ran_type_rank(w) != ran_type_rank(x))
        return ran_infer_error(infer, "operand w: expected rank %d, got %s", ran_type_rank(x),
                               ran_type_text(c, w));
    const ran_dim *per_group = ran_type_dim(w, 1), *first = ran_type_dim(w, 0);
    const ran_dim *in = transposed ? first : ran_dim_mul_constant(c, per_group, group);
    const ran_dim *out = transposed ? ran_dim_mul_constant(c, per_group, group) : first;
    ran_status status =
        ran_infer_check_equal_dims(infer, "input channels of x and w", ran_type_dim(x, 1), in);
    if (status == RAN_OK && ran_dim_is_constant(first) && ran_dim_value(first) % group)
        status = ran_infer_error(infer, "operand w: %s channels don't divide into %lld groups",
                                 ran_dim_text(c, first), (long long)group);
    if (status == RAN_OK && b && ran_type_rank(b) == 1)
        status = ran_infer_check_equal_dims(infer, "output channels of w and b", out,
                                            ran_type_dim(b, 0));
    return status == RAN_OK ? ran_infer_check_rank(infer, 2, "b", 1) : status;
}

static ran_status infer_spatial(ran_infer *infer, bool transposed, const ran_dim **dims)
{
    const ran_type *x = infer->operands[0];
    int spatial = ran_type_rank(x) - 2;
    ran_status status = RAN_OK;
    for (int i = 0; i < spatial && status == RAN_OK; i++) {
        int64_t kernel;
        status = kernel_extent(infer, i, &kernel);
        if (status != RAN_OK)
            return status;
        const ran_dim *in = ran_type_dim(x, 2 + i);
        if (kernel < 0)
            dims[2 + i] = ran_dim_fresh(infer->context);
        else if (transposed)
            status = ran_window_infer_transposed(infer, spatial, i, in, kernel, &dims[2 + i]);
        else
            status = ran_window_infer(infer, spatial, i, in, kernel, &dims[2 + i]);
    }
    return status;
}

static const ran_dim *output_channels(const ran_infer *infer, bool transposed)
{
    const ran_type *w = infer->operands[1];
    if (ran_type_rank(w) < 2)
        return ran_dim_fresh(infer->context);
    return transposed ? ran_dim_mul_constant(infer->context, ran_type_dim(w, 1),
                                             ran_op_int(infer->op, "group"))
                      : ran_type_dim(w, 0);
}

static ran_status infer_any(ran_infer *infer, bool transposed)
{
    const ran_dim *dims[RAN_MAX_RANK];
    const ran_type *x = infer->operands[0];
    ran_status status = ran_infer_check_elem(infer, 0, "FI");
    for (size_t i = 1; i < 3 && status == RAN_OK; i++)
        status = ran_infer_check_same_elem(infer, 0, i);
    if (status == RAN_OK)
        status = ran_infer_check_min_rank(infer, 0, 3);
    if (status == RAN_OK && ran_type_rank(x) < 0)
        return ran_infer_result_unknown(infer, 0, ran_type_elem(x));
    if (status == RAN_OK)
        status = check_attributes(infer->op, ran_type_rank(x) - 2);
    if (status == RAN_OK)
        status = check_channels(infer, transposed);
    if (status == RAN_OK)
        status = infer_spatial(infer, transposed, dims);
    if (status != RAN_OK)
        return status;
    dims[0] = ran_type_dim(x, 0);
    dims[1] = output_channels(infer, transposed);
    return ran_infer_result(infer, 0, ran_type_elem(x), ran_type_rank(x), dims);
}

static ran_status infer_conv(ran_infer *infer)
{
    return infer_any(infer, false);
}

static ran_status infer_conv_transpose(ran_infer *infer)
{
    return infer_any(infer, true);
}

/* ---- Evaluation ----------------------------------------------------------------------------- */

static conv conv_of(ran_evaluation *e)
{
    const int64_t *x = ran_tensor_dims(e->operands[0]), *w = ran_tensor_dims(e->operands[1]);
    const int64_t *y = ran_tensor_dims(e->results[0]);
    conv c = {.batch = x[0],
              .groups = ran_op_int(e->op, "group"),
              .transposed = e->op->opcode == RAN_OP_CONV_TRANSPOSE};
    ran_window_resolve(e->op, ran_tensor_rank(e->operands[0]) - 2, x + 2, y + 2, w + 2, &c.w);
    c.in_channels = x[1] / c.groups;
    c.out_channels = y[1] / c.groups;
    c.in_image = ran_dims_product(c.w.in, 0, RAN_MAX_SPATIAL);
    c.out_image = ran_dims_product(c.w.out, 0, RAN_MAX_SPATIAL);
    c.taps = ran_dims_product(c.w.kernel, 0, RAN_MAX_SPATIAL);
    return c;
}

/* slow[i * stride + offset] pairs with fast[i]: fast is conv's output or conv_transpose's input. */
static void add_row(const conv *c, double weight, int64_t offset, double *out, const double *in)
{
    const int64_t last = RAN_MAX_SPATIAL - 1, stride = c->w.stride[last];
    int64_t slow = c->transposed ? c->w.out[last] : c->w.in[last];
    int64_t fast = c->transposed ? c->w.in[last] : c->w.out[last];
    int64_t first, end;
    ran_window_valid(offset, stride, slow, fast, &first, &end);
    if (c->transposed)
        for (int64_t i = first; i < end; i++)
            out[i * stride + offset] += weight * in[i];
    else if (stride == 1)
        for (int64_t i = first; i < end; i++)
            out[i] += weight * in[i + offset];
    else
        for (int64_t i = first; i < end; i++)
            out[i] += weight * in[i * stride + offset];
}

/* One kernel tap (z, y, x) of one pair of channels. */
static void add_tap(const conv *c, double weight, const int64_t tap[3], double *out,
                    const double *in)
{
    const ran_window *w = &c->w;
    int64_t offset[3], first[3], end[3];
    const int64_t *slow = c->transposed ? w->out : w->in, *fast = c->transposed ? w->in : w->out;
    for (int a = 0; a < 3; a++) {
        offset[a] = tap[a] * w->dilation[a] - w->pad_begin[a];
        ran_window_valid(offset[a], w->stride[a], slow[a], fast[a], &first[a], &end[a]);
    }
    for (int64_t z = first[0]; z < end[0]; z++)
        for (int64_t y = first[1]; y < end[1]; y++) {
            int64_t slow_row =
                ((z * w->stride[0] + offset[0]) * slow[1] + y * w->stride[1] + offset[1]) * slow[2];
            int64_t fast_row = (z * fast[1] + y) * fast[2];
            add_row(c, weight, offset[2], out + (c->transposed ? slow_row : fast_row),
                    in + (c->transposed ? fast_row : slow_row));
        }
}

static void add_channel(const conv *c, const double *weights, double *out, const double *in)
{
    int64_t tap[3], i = 0;
    for (tap[0] = 0; tap[0] < c->w.kernel[0]; tap[0]++)
        for (tap[1] = 0; tap[1] < c->w.kernel[1]; tap[1]++)
            for (tap[2] = 0; tap[2] < c->w.kernel[2]; tap[2]++)
                add_tap(c, weights[i++], tap, out, in);
}

/* A 1x1 window at stride 1 without pads sees an image as one row. */
static void flatten_pointwise(conv *c)
{
    ran_window *w = &c->w;
    for (int a = 0; a < 3; a++)
        if (w->kernel[a] != 1 || w->stride[a] != 1 || w->pad_begin[a] || w->in[a] != w->out[a])
            return;
    w->in[2] = w->out[2] = c->in_image;
    w->in[0] = w->in[1] = w->out[0] = w->out[1] = 1;
}

static void fill(double *out, int64_t n, double value)
{
    for (int64_t i = 0; i < n; i++)
        out[i] = value;
}

/* Weights are [out][in / group] for conv and [in][out / group] for conv_transpose. */
static void convolve(const conv *c, const double *x, const double *w, const double *b, double *y)
{
    for (int64_t n = 0; n < c->batch * c->groups; n++) {
        int64_t g = n % c->groups;
        for (int64_t o = 0; o < c->out_channels; o++) {
            double *out = y + (n * c->out_channels + o) * c->out_image;
            fill(out, c->out_image, b ? b[g * c->out_channels + o] : 0);
            for (int64_t i = 0; i < c->in_channels; i++) {
                int64_t pair = c->transposed ? (g * c->in_channels + i) * c->out_channels + o
                                             : (g * c->out_channels + o) * c->in_channels + i;
                add_channel(c, w + pair * c->taps, out, x + (n * c->in_channels + i) * c->in_image);
            }
        }
    }
}

static ran_status evaluate_conv(ran_evaluation *e)
{
    conv c = conv_of(e);
    double *x = ran_load_f64(e->operands[0]), *w = ran_load_f64(e->operands[1]);
    double *b = ran_load_f64(ran_eval_operand(e, 2));
    double *y = RAN_NEW(double, ran_tensor_numel(e->results[0]));
    flatten_pointwise(&c);
    convolve(&c, x, w, b, y);
    ran_store_f64(e->results[0], y);
    free(x);
    free(w);
    free(b);
    free(y);
    return RAN_OK;
}

/* ---- Counts --------------------------------------------------------------------------------- */

/* Every tap counts, also those that meet padding. */
static void count_conv(const ran_op *op, ran_counts *counts)
{
    bool transposed = op->opcode == RAN_OP_CONV_TRANSPOSE;
    const ran_value *slid = transposed ? ran_op_operand(op, 0) : ran_op_result(op, 0);
    const ran_value *w = ran_op_operand(op, 1);
    int64_t per_position =
        ran_count_numel(w) / (ran_count_extent(w, 0) ? ran_count_extent(w, 0) : 1);
    counts->macs += ran_count_numel(slid) * per_position;
}

const ran_op_hooks ran_hooks_conv = {.verify = verify_conv,
                                     .infer = infer_conv,
                                     .evaluate = evaluate_conv,
                                     .count = count_conv,
                                     .gradient = ran_conv_gradient};
const ran_op_hooks ran_hooks_conv_transpose = {.verify = verify_conv,
                                               .infer = infer_conv_transpose,
                                               .evaluate = evaluate_conv,
                                               .count = count_conv,
                                               .gradient = ran_conv_transpose_gradient};
