/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Gradients of pools. The ops max_pool_gradient and average_pool_gradient are in pool.c. */
#include "ir/ops/compute.h"
#include "ir/ops/gradient.h"

ran_status ran_max_pool_gradient(ran_gradient *g, const ran_op *op)
{
    ran_value *dy = ran_gradient_of(g, 0);
    if (!dy)
        return RAN_OK;
    ran_value *operands[] = {dy, ran_op_operand(op, 0)};
    ran_op *dx = ran_gradient_op(g, RAN_OP_MAX_POOL_GRADIENT, 2, operands, 1);
    ran_gradient_copy_attrs(dx, op);
    ran_gradient_add(g, 0, ran_gradient_finish(g, dx));
    return RAN_OK;
}

ran_status ran_average_pool_gradient(ran_gradient *g, const ran_op *op)
{
    ran_value *dy = ran_gradient_of(g, 0);
    if (!dy)
        return RAN_OK;
    ran_value *operands[] = {dy, ran_gradient_shape_of(g, ran_op_operand(op, 0))};
    ran_op *dx = ran_gradient_op(g, RAN_OP_AVERAGE_POOL_GRADIENT, 2, operands, 1);
    ran_gradient_copy_attrs(dx, op);
    ran_gradient_add(g, 0, ran_gradient_finish(g, dx));
    return RAN_OK;
}

/* |x|^(p-1) sign(x), which is x for p = 2. */
static ran_value *power_below(ran_gradient *g, ran_value *x, int64_t p)
{
    if (p == 2)
        return x;
    ran_value *sign = ran_gradient_unary(g, RAN_OP_SIGN, x);
    if (p == 1)
        return sign;
    ran_value *size = ran_gradient_unary(g, RAN_OP_ABS, x);
    ran_value *power = ran_gradient_scalar(g, x, (double)(p - 1));
    return ran_gradient_mul(g, sign, ran_gradient_binary(g, RAN_OP_POW, size, power));
}

/* y^(1-p) dy, and 0 where y is 0: there all of its window is. */
static ran_value *scaled_by_power(ran_gradient *g, ran_value *dy, ran_value *y, int64_t p)
{
    ran_value *zero = ran_gradient_scalar(g, y, 0);
    if (p == 1)
        return dy;
    ran_value *power = ran_gradient_scalar(g, y, (double)(1 - p));
    ran_value *scaled = ran_gradient_mul(g, dy, ran_gradient_binary(g, RAN_OP_POW, y, power));
    return ran_gradient_where(g, ran_gradient_binary(g, RAN_OP_EQUAL, y, zero), zero, scaled);
}

/* The sum over the windows that an input is in: conv_transpose by ones, each channel on its own, at
 * the pads that the window has. */
static ran_value *spread_sum(ran_gradient *g, const ran_op *op, ran_value *t)
{
    ran_window w;
    const ran_value *x = ran_op_operand(op, 0), *y = &op->results[0];
    int rank = ran_gradient_rank(x), spatial = rank - 2;
    int64_t in[RAN_MAX_SPATIAL], out[RAN_MAX_SPATIAL], weight[RAN_MAX_RANK];
    int64_t pads[2 * RAN_MAX_SPATIAL] = {0}, values[3][RAN_MAX_SPATIAL];
    for (int i = 0; i < spatial; i++) {
        in[i] = ran_gradient_extent(x, 2 + i);
        out[i] = ran_gradient_extent(y, 2 + i);
    }
    ran_window_resolve(op, spatial, in, out, NULL, &w);
    weight[0] = ran_gradient_extent(x, 1);
    weight[1] = 1;
    for (int i = 0; i < spatial; i++) {
        int a = RAN_MAX_SPATIAL - spatial + i;
        weight[2 + i] = w.kernel[a];
        values[0][i] = w.stride[a];
        values[1][i] = w.dilation[a];
        values[2][i] = 0;
    }
    ran_value *shape = ran_gradient_ints(g, weight, (size_t)rank);
    ran_value *ones = ran_gradient_binary(g, RAN_OP_EXPAND, ran_gradient_scalar(g, t, 1), shape);
    ran_op *spread = ran_gradient_op(g, RAN_OP_CONV_TRANSPOSE, 2, (ran_value *[]){t, ones}, 1);
    ran_op_set_ints(spread, "strides", values[0], (size_t)spatial);
    ran_op_set_ints(spread, "dilations", values[1], (size_t)spatial);
    ran_op_set_ints(spread, "pads", pads, 2 * (size_t)spatial);
    ran_op_set_int(spread, "group", weight[0]);
    ran_value *all = ran_gradient_finish(g, spread);
    for (int i = 0; i < spatial; i++) {
        int64_t before = w.pad_begin[RAN_MAX_SPATIAL - spatial + i];
        int64_t behind = in[i] + before - ran_gradient_extent(all, 2 + i);
        all = ran_gradient_pad(g, all, 2 + i, -before, behind);
    }
    return all;
}

ran_status ran_lp_pool_gradient(ran_gradient *g, const ran_op *op)
{
    ran_value *dy = ran_gradient_of(g, 0), *x = ran_op_operand(op, 0);
    int64_t p = ran_op_int(op, "p");
    ran_status status = ran_gradient_need_static(op);
    if (!dy || status != RAN_OK)
        return status;
    ran_value *t = spread_sum(g, op, scaled_by_power(g, dy, ran_op_result(op, 0), p));
    ran_gradient_add(g, 0, ran_gradient_mul(g, t, power_below(g, x, p)));
    return RAN_OK;
}

/* All maxima of a channel share its gradient. */
static ran_value *share_among_maxima(ran_gradient *g, const ran_op *op, ran_value *dy,
                                     const int64_t *axes, size_t count)
{
    ran_value *x = ran_op_operand(op, 0), *zero = ran_gradient_scalar(g, dy, 0);
    ran_value *is_max = ran_gradient_binary(g, RAN_OP_EQUAL, x, ran_op_result(op, 0));
    ran_value *ones = ran_gradient_cast(g, is_max, ran_type_elem(dy->type));
    ran_value *maxima = ran_gradient_reduce(g, RAN_OP_REDUCE_SUM, ones, axes, count, true);
    return ran_gradient_where(g, is_max, ran_gradient_binary(g, RAN_OP_DIV, dy, maxima), zero);
}

ran_status ran_global_pool_gradient(ran_gradient *g, const ran_op *op)
{
    int64_t axes[RAN_MAX_RANK], size = 1;
    ran_value *dy = ran_gradient_of(g, 0), *x = ran_op_operand(op, 0);
    int rank = ran_gradient_rank(x);
    if (!dy)
        return RAN_OK;
    for (int i = 2; i < rank; i++) {
        axes[i - 2] = i;
        size *= ran_gradient_extent(x, i);
        if (ran_gradient_extent(x, i) < 0)
            return ran_gradient_need_static(op);
    }
    if (op->opcode == RAN_OP_GLOBAL_MAX_POOL)
        ran_gradient_add(g, 0, share_among_maxima(g, op, dy, axes, (size_t)rank - 2));
    else
        ran_gradient_add(
            g, 0, ran_gradient_expand_like(g, ran_gradient_scale(g, dy, 1 / (double)size), x));
    return RAN_OK;
}
