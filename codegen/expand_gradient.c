/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Ops of training that no kernel takes as they stand, in terms of others. */
#include "codegen/expand.h"

#include "ir/ops/compute.h"

static int64_t extent(const ran_value *value, int axis)
{
    return ran_type_extent(ran_value_type(value), axis);
}

static int rank_of(const ran_value *value)
{
    return ran_type_rank(ran_value_type(value));
}

static ran_value *slice(ran_expansion *e, ran_value *x, int axis, int64_t from, int64_t to)
{
    if (from == 0 && to == extent(x, axis))
        return x;
    ran_value *operands[] = {x, ran_expand_ints(e, 1, &from), ran_expand_ints(e, 1, &to),
                             ran_expand_ints(e, 1, (int64_t[]){axis})};
    return ran_expand_make(e, RAN_OP_SLICE, 4, operands);
}

/* Axes 0 and 1 exchanged. */
static ran_value *swap(ran_expansion *e, ran_value *x)
{
    int64_t perm[RAN_MAX_RANK];
    for (int i = 0; i < rank_of(x); i++)
        perm[i] = i < 2 ? 1 - i : i;
    return ran_expand_transpose(e, x, rank_of(x), perm);
}

/* ---- Broadcasts ---------------------------------------------------------------------------------- */

static bool same_dims(const ran_value *a, const ran_value *b)
{
    const ran_type *x = ran_value_type(a), *y = ran_value_type(b);
    if (ran_type_rank(x) != ran_type_rank(y))
        return false;
    for (int i = 0; i < ran_type_rank(x); i++)
        if (ran_type_dim(x, i) != ran_type_dim(y, i))
            return false;
    return true;
}

/* Whether another operand has the shape of an elementwise op's result. */
static bool has_shape_without(const ran_op *op, const ran_value *value)
{
    bool found = false;
    RAN_FOR_OPERANDS(op, i, operand)
        found = found || (operand != value && same_dims(operand, ran_op_result(op, 0)));
    return found;
}

static bool is_needless(const ran_op *expand)
{
    ran_value *value = ran_op_result(expand, 0);
    for (ran_use *use = ran_value_first_use(value); use; use = ran_use_next(use))
        if (!ran_opcode_is_elementwise(ran_use_op(use)->opcode) ||
            !has_shape_without(ran_use_op(use), value))
            return false;
    return ran_type_rank(ran_value_type(ran_op_operand(expand, 0))) >= 0;
}

/* Elementwise ops broadcast by themselves. */
void ran_drop_expands(ran_function *function)
{
    RAN_FOR_OPS(ran_function_body(function), op)
        if (op->opcode == RAN_OP_EXPAND && is_needless(op)) {
            ran_value *operand = ran_op_operand(op, 0);
            ran_op_replace(op, &operand);
        }
}

/* ---- Weights of convolutions, any number of axes ------------------------------------------------ */

/* dw[o][i][k] = sum over n, p of x[n][i][p * stride + k * dilation - pad] * dy[n][o][p]: images are
 * the channels of this convolution, dy its weights, stride and dilation change places. */
static ran_value *correlate(ran_expansion *e, ran_value *x, ran_value *dy, const ran_window *w)
{
    int64_t strides[RAN_MAX_SPATIAL], dilations[RAN_MAX_SPATIAL], pads[2 * RAN_MAX_SPATIAL];
    int spatial = rank_of(x) - 2;
    for (int i = 0; i < spatial; i++) {
        int a = RAN_MAX_SPATIAL - spatial + i;
        int64_t reach = (w->kernel[a] - 1) * w->dilation[a] + (w->out[a] - 1) * w->stride[a] + 1;
        int64_t after = reach - w->in[a] - w->pad_begin[a];
        strides[i] = w->dilation[a];
        dilations[i] = w->stride[a];
        pads[i] = w->pad_begin[a];
        pads[spatial + i] = after > 0 ? after : 0;
    }
    ran_value *operands[] = {swap(e, x), swap(e, dy)};
    ran_op *conv = ran_op_create(&e->builder, RAN_OP_CONV, 2, operands, 1);
    ran_op_set_ints(conv, "strides", strides, (size_t)spatial);
    ran_op_set_ints(conv, "dilations", dilations, (size_t)spatial);
    ran_op_set_ints(conv, "pads", pads, 2 * (size_t)spatial);
    ran_value *result = ran_expand_finish(e, conv);
    for (int i = 0; i < spatial; i++)
        result = slice(e, result, 2 + i, 0, w->kernel[RAN_MAX_SPATIAL - spatial + i]);
    return swap(e, result);
}

bool ran_expand_conv_weight_gradient_as_conv(ran_expansion *e)
{
    ran_value *x = ran_op_operand(e->op, 0), *dy = ran_op_operand(e->op, 1), *parts[64];
    int64_t in[RAN_MAX_SPATIAL], out[RAN_MAX_SPATIAL], groups = ran_op_int(e->op, "group");
    ran_window w;
    if (!ran_type_is_static(ran_value_type(x)) || !ran_type_is_static(ran_value_type(dy)) ||
        groups > 64)
        return false;
    for (int i = 2; i < rank_of(x); i++) {
        in[i - 2] = extent(x, i);
        out[i - 2] = extent(dy, i);
    }
    ran_window_resolve(e->op, rank_of(x) - 2, in, out, NULL, &w);
    int64_t ic = extent(x, 1) / groups, oc = extent(dy, 1) / groups;
    for (int64_t g = 0; g < groups; g++)
        parts[g] = correlate(e, slice(e, x, 1, g * ic, (g + 1) * ic),
                             slice(e, dy, 1, g * oc, (g + 1) * oc), &w);
    if (groups == 1) {
        e->results[0] = parts[0];
        return true;
    }
    ran_op *join = ran_op_create(&e->builder, RAN_OP_CONCAT, (size_t)groups, parts, 1);
    ran_op_set_int(join, "axis", 0);
    e->results[0] = ran_expand_finish(e, join);
    return true;
}

/* ---- layer_normalization_gradient ---------------------------------------------------------------- */

/* Sums over every axis along which `like`, aligned to the right, is stretched. */
static ran_value *sum_to(ran_expansion *e, ran_value *value, const ran_value *like)
{
    int64_t axes[RAN_MAX_RANK];
    const ran_dim *dims[RAN_MAX_RANK];
    int shift = rank_of(value) - rank_of(like);
    size_t count = 0;
    for (int i = 0; i < rank_of(value); i++)
        if (i < shift || (extent(like, i - shift) == 1 && extent(value, i) != 1))
            axes[count++] = i;
    value = ran_expand_reduce(e, RAN_OP_REDUCE_SUM, value, count, axes);
    for (int i = 0; i < rank_of(like); i++)
        dims[i] = ran_type_dim(ran_value_type(like), i);
    return ran_expand_view(e, value, rank_of(like), dims);
}

bool ran_expand_layer_normalization_gradient(ran_expansion *e)
{
    ran_value *dy = ran_op_operand(e->op, 0), *x = ran_op_operand(e->op, 1);
    ran_value *scale = ran_op_operand(e->op, 2), *inverse = ran_op_operand(e->op, 4);
    int64_t axes[RAN_MAX_RANK];
    int rank = rank_of(x), first = ran_axis(ran_op_int(e->op, "axis"), rank);
    size_t count = (size_t)(rank - first);
    if (!ran_type_is_static(ran_value_type(x)) || !ran_type_is_static(ran_value_type(scale)))
        return false;
    for (int i = first; i < rank; i++)
        axes[i - first] = i;
    ran_value *centred = ran_expand_binary(e, RAN_OP_SUB, x, ran_op_operand(e->op, 3));
    ran_value *xhat = ran_expand_binary(e, RAN_OP_MUL, centred, inverse);
    ran_value *d = ran_expand_binary(e, RAN_OP_MUL, dy, scale);
    ran_value *mean = ran_expand_reduce(e, RAN_OP_REDUCE_MEAN, d, count, axes);
    ran_value *product = ran_expand_binary(e, RAN_OP_MUL, d, xhat);
    ran_value *slope = ran_expand_reduce(e, RAN_OP_REDUCE_MEAN, product, count, axes);
    ran_value *rest = ran_expand_binary(
        e, RAN_OP_SUB, ran_expand_binary(e, RAN_OP_SUB, d, mean),
        ran_expand_binary(e, RAN_OP_MUL, xhat, slope));
    e->results[0] = ran_expand_binary(e, RAN_OP_MUL, rest, inverse);
    e->results[1] = sum_to(e, ran_expand_binary(e, RAN_OP_MUL, dy, xhat), scale);
    e->results[2] = sum_to(e, dy, scale);
    return true;
}
