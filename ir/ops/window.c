/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Windows: the geometry of convolutions and pools.
 *
 * Output extents are ONNX's: floor((in + pads - extent) / stride) + 1 with the kernel's extent
 * dilation * (kernel - 1) + 1; rounded up with ceil_mode, but then a window must begin inside the
 * input or its first padding. SAME_*: ceil(in / stride), the odd pixel of padding behind (UPPER) or
 * before (LOWER).
 */
#include "ir/ops/compute.h"
#include "ir/attr.h"

#include <string.h>

static ran_status verify_list(const ran_op *op, const char *name, size_t expected, int64_t minimum)
{
    size_t count;
    const int64_t *values = ran_op_ints(op, name, &count);
    if (count && count != expected)
        return ran_op_error(op, RAN_INVALID, "attribute %s: expected %zu values, got %zu", name,
                            expected, count);
    for (size_t i = 0; i < count; i++)
        if (values[i] < minimum || values[i] > INT32_MAX)
            return ran_op_error(op, RAN_INVALID, "attribute %s: %lld is out of range", name,
                                (long long)values[i]);
    return RAN_OK;
}

static bool is_auto_pad(const char *mode)
{
    static const char *const modes[] = {"NOTSET", "VALID", "SAME_UPPER", "SAME_LOWER"};
    for (size_t i = 0; i < sizeof modes / sizeof *modes; i++)
        if (!strcmp(mode, modes[i]))
            return true;
    return false;
}

ran_status ran_window_verify(const ran_op *op, int spatial)
{
    ran_status status = RAN_OK;
    if (spatial < 1 || spatial > RAN_MAX_SPATIAL)
        return ran_op_error(op, spatial < 1 ? RAN_INVALID : RAN_UNSUPPORTED,
                            "%d spatial axes: 1 to %d are supported", spatial, RAN_MAX_SPATIAL);
    if (!is_auto_pad(ran_op_string(op, "auto_pad")))
        return ran_op_error(op, RAN_INVALID, "attribute auto_pad: unknown mode \"%s\"",
                            ran_op_string(op, "auto_pad"));
    static const struct {
        const char *name;
        int times, minimum;
    } lists[] = {{"kernel_shape", 1, 1}, {"strides", 1, 1},        {"dilations", 1, 1},
                 {"pads", 2, 0},         {"output_padding", 1, 0}, {"output_shape", 1, 0}};
    for (size_t i = 0; i < sizeof lists / sizeof *lists && status == RAN_OK; i++)
        if (ran_attr_spec_find(op->opcode, lists[i].name))
            status = verify_list(op, lists[i].name, (size_t)(lists[i].times * spatial),
                                 lists[i].minimum);
    return status;
}

/* One spatial axis of an op's attributes. */
typedef struct axis {
    int64_t stride, dilation, extent, pad_begin, pad_end;
    bool same, lower, ceil;
} axis;

static axis read_axis(const ran_op *op, int spatial, int i, int64_t kernel)
{
    const char *mode = ran_op_string(op, "auto_pad");
    bool explicit_pads = !strcmp(mode, "NOTSET"), valid = !strcmp(mode, "VALID");
    axis a = {.stride = ran_op_int_at(op, "strides", i, 1),
              .dilation = ran_op_int_at(op, "dilations", i, 1)};
    a.extent = a.dilation * (kernel - 1) + 1;
    a.pad_begin = explicit_pads ? ran_op_int_at(op, "pads", i, 0) : 0;
    a.pad_end = explicit_pads ? ran_op_int_at(op, "pads", i + spatial, 0) : 0;
    a.same = !explicit_pads && !valid;
    a.lower = !strcmp(mode, "SAME_LOWER");
    a.ceil = ran_attr_spec_find(op->opcode, "ceil_mode") && ran_op_int(op, "ceil_mode") && !valid;
    return a;
}

static const ran_dim *slide(ran_context *c, const axis *a, const ran_dim *in)
{
    if (a->same)
        return ran_dim_ceil_constant(c, in, a->stride);
    const ran_dim *room = ran_dim_add_constant(c, in, a->pad_begin + a->pad_end - a->extent);
    if (!a->ceil)
        return ran_dim_add_constant(c, ran_dim_floor_constant(c, room, a->stride), 1);
    const ran_dim *all = ran_dim_add_constant(c, ran_dim_ceil_constant(c, room, a->stride), 1);
    const ran_dim *begins =
        ran_dim_ceil_constant(c, ran_dim_add_constant(c, in, a->pad_begin), a->stride);
    return ran_dim_binary(c, RAN_DIM_MIN, all, begins);
}

ran_status ran_window_infer(ran_infer *infer, int spatial, int i, const ran_dim *in, int64_t kernel,
                            const ran_dim **out_dim)
{
    axis a = read_axis(infer->op, spatial, i, kernel);
    *out_dim = slide(infer->context, &a, in);
    if (!ran_dim_is_constant(*out_dim) || ran_dim_value(*out_dim) >= 1) {
        ran_infer_require(infer, RAN_AT_LEAST, "positions of the window", *out_dim,
                          ran_dim_constant(infer->context, 1));
        return RAN_OK;
    }
    return ran_infer_error(infer,
                           "spatial axis %d: a window of %lld does not fit into %s padded by "
                           "%lld and %lld",
                           i, (long long)a.extent, ran_dim_text(infer->context, in),
                           (long long)a.pad_begin, (long long)a.pad_end);
}

ran_status ran_window_infer_transposed(ran_infer *infer, int spatial, int i, const ran_dim *in,
                                       int64_t kernel, const ran_dim **out_dim)
{
    ran_context *c = infer->context;
    axis a = read_axis(infer->op, spatial, i, kernel);
    int64_t shape = ran_op_int_at(infer->op, "output_shape", i, -1);
    int64_t extra = ran_op_int_at(infer->op, "output_padding", i, 0);
    if (shape >= 0)
        *out_dim = ran_dim_constant(c, shape);
    else if (a.same)
        *out_dim = ran_dim_mul_constant(c, in, a.stride);
    else
        *out_dim = ran_dim_add_constant(
            c, ran_dim_mul_constant(c, ran_dim_add_constant(c, in, -1), a.stride),
            extra + a.extent - a.pad_begin - a.pad_end);
    if (!ran_dim_is_constant(*out_dim) || ran_dim_value(*out_dim) >= 0)
        return RAN_OK;
    return ran_infer_error(infer, "spatial axis %d: pads crop more than the output's extent", i);
}

/* What the output's extent asks of the padding when auto_pad or output_shape decide it. */
static int64_t implied_padding(const ran_op *op, const axis *a, int i, int64_t in, int64_t out)
{
    int64_t total =
        op->opcode == RAN_OP_CONV_TRANSPOSE
            ? (in - 1) * a->stride + ran_op_int_at(op, "output_padding", i, 0) + a->extent - out
            : (out - 1) * a->stride + a->extent - in;
    return total > 0 ? total : 0;
}

static void resolve_axis(const ran_op *op, int spatial, int i, int64_t kernel, ran_window *w)
{
    int at = RAN_MAX_SPATIAL - spatial + i;
    axis a = read_axis(op, spatial, i, kernel);
    bool shaped =
        op->opcode == RAN_OP_CONV_TRANSPOSE && ran_op_int_at(op, "output_shape", i, -1) >= 0;
    if (a.same || shaped) {
        int64_t total = implied_padding(op, &a, i, w->in[at], w->out[at]);
        a.pad_begin = a.lower || (shaped && !a.same) ? total - total / 2 : total / 2;
        a.pad_end = total - a.pad_begin;
    }
    w->kernel[at] = kernel;
    w->stride[at] = a.stride;
    w->dilation[at] = a.dilation;
    w->pad_begin[at] = a.pad_begin;
    w->pad_end[at] = a.pad_end;
}

void ran_window_resolve(const ran_op *op, int spatial, const int64_t *in, const int64_t *out,
                        const int64_t *kernel, ran_window *out_window)
{
    ran_window *w = out_window;
    *w = (ran_window){.spatial = spatial};
    for (int i = 0; i < RAN_MAX_SPATIAL; i++) {
        int axis = i - (RAN_MAX_SPATIAL - spatial);
        w->in[i] = w->out[i] = w->kernel[i] = w->stride[i] = w->dilation[i] = 1;
        if (axis < 0)
            continue;
        w->in[i] = in[axis];
        w->out[i] = out[axis];
        resolve_axis(op, spatial, axis,
                     kernel ? kernel[axis] : ran_op_int_at(op, "kernel_shape", axis, 1), w);
    }
}

void ran_window_valid(int64_t offset, int64_t stride, int64_t in, int64_t out, int64_t *out_first,
                      int64_t *out_end)
{
    int64_t first = offset >= 0 ? 0 : (-offset + stride - 1) / stride;
    int64_t end = in - offset <= 0 ? 0 : (in - offset + stride - 1) / stride;
    *out_end = end < out ? end : out;
    *out_first = first < *out_end ? first : *out_end;
}
