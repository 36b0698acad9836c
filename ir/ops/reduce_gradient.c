/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Gradients of reductions and of the softmax family. */
#include "ir/ops/gradient.h"

/* ---- Reductions
 * ------------------------------------------------------------------------------------- */

typedef struct reduction {
    ran_value *x, *y, *dy; /* dy with the reduced axes kept as 1 (or rank 0) */
    int64_t axes[RAN_MAX_RANK];
    size_t count;
} reduction;

static ran_status read_axes(const ran_op *op, reduction *r)
{
    int rank = ran_gradient_rank(r->x);
    int64_t listed = ran_op_operand(op, 1) ? ran_op_known_ints(op, 1, r->axes, RAN_MAX_RANK) : 0;
    if (listed < 0 || rank < 0)
        return ran_op_error(op, RAN_UNSUPPORTED, "its gradient needs known axes");
    r->count = (size_t)listed;
    for (size_t i = 0; i < r->count; i++)
        r->axes[i] = ran_axis(r->axes[i], rank);
    if (!listed && !ran_op_int(op, "noop_with_empty_axes"))
        for (int i = 0; i < rank; i++)
            r->axes[r->count++] = i;
    return RAN_OK;
}

/* With the reduced axes as 1, whatever keepdims says. */
static ran_value *keep_axes(ran_gradient *g, const reduction *r, ran_value *value)
{
    int64_t sorted[RAN_MAX_RANK];
    size_t count = 0;
    if (ran_gradient_rank(value) == ran_gradient_rank(r->x) || !ran_gradient_rank(value))
        return value;
    for (int i = 0; i < ran_gradient_rank(r->x); i++)
        for (size_t j = 0; j < r->count; j++)
            if (r->axes[j] == i)
                sorted[count++] = i;
    return ran_gradient_unsqueeze(g, value, sorted, count);
}

static ran_value *sum_kept(ran_gradient *g, const reduction *r, ran_value *value)
{
    return ran_gradient_reduce(g, RAN_OP_REDUCE_SUM, value, r->axes, r->count, true);
}

static ran_value *spread(ran_gradient *g, const reduction *r)
{
    return ran_gradient_expand_like(g, r->dy, r->x);
}

static ran_value *mean_gradient(ran_gradient *g, const reduction *r)
{
    double size = 1;
    bool known = true;
    for (size_t i = 0; i < r->count; i++) {
        int64_t extent = ran_gradient_extent(r->x, (int)r->axes[i]);
        known &= extent >= 0;
        size *= (double)extent;
    }
    reduction scaled = *r;
    if (known) {
        scaled.dy = ran_gradient_scale(g, r->dy, 1 / size);
    } else {
        ran_elem elem = ran_type_elem(r->x->type);
        ran_value *x = ran_gradient_unary(g, RAN_OP_SIZE, r->x);
        ran_value *y = ran_gradient_unary(g, RAN_OP_SIZE, r->dy);
        ran_value *count = ran_gradient_binary(g, RAN_OP_DIV, ran_gradient_cast(g, x, elem),
                                               ran_gradient_cast(g, y, elem));
        scaled.dy = ran_gradient_binary(g, RAN_OP_DIV, r->dy, count);
    }
    return spread(g, &scaled);
}

/* Equal extremes share the gradient. */
static ran_value *extreme_gradient(ran_gradient *g, const reduction *r)
{
    ran_value *found = ran_gradient_binary(g, RAN_OP_EQUAL, r->x, keep_axes(g, r, r->y));
    ran_value *count = sum_kept(g, r, ran_gradient_cast(g, found, ran_type_elem(r->dy->type)));
    return ran_gradient_where(g, found, ran_gradient_binary(g, RAN_OP_DIV, r->dy, count),
                              ran_gradient_scalar(g, r->dy, 0));
}

static ran_value *multiplied(ran_gradient *g, const reduction *r, ran_value *factor)
{
    return ran_gradient_mul(g, factor, r->dy);
}

static ran_value *l1_gradient(ran_gradient *g, const reduction *r)
{
    return multiplied(g, r, ran_gradient_unary(g, RAN_OP_SIGN, r->x));
}

/* x / |x|, and 0 for the zero vector. */
static ran_value *l2_gradient(ran_gradient *g, const reduction *r)
{
    ran_value *zero = ran_gradient_scalar(g, r->x, 0);
    ran_value *y = keep_axes(g, r, r->y);
    ran_value *is_zero = ran_gradient_binary(g, RAN_OP_EQUAL, y, zero);
    ran_value *scale =
        ran_gradient_where(g, is_zero, zero, ran_gradient_binary(g, RAN_OP_DIV, r->dy, y));
    return ran_gradient_mul(g, r->x, scale);
}

static ran_value *log_sum_gradient(ran_gradient *g, const reduction *r)
{
    reduction divided = *r;
    divided.dy = ran_gradient_binary(g, RAN_OP_DIV, r->dy, sum_kept(g, r, r->x));
    return spread(g, &divided);
}

static ran_value *log_sum_exp_gradient(ran_gradient *g, const reduction *r)
{
    ran_value *shifted = ran_gradient_binary(g, RAN_OP_SUB, r->x, keep_axes(g, r, r->y));
    return multiplied(g, r, ran_gradient_unary(g, RAN_OP_EXP, shifted));
}

static ran_value *sum_square_gradient(ran_gradient *g, const reduction *r)
{
    return ran_gradient_mul(g, r->x, ran_gradient_scale(g, r->dy, 2));
}

static ran_value *running_product(ran_gradient *g, ran_value *x, ran_value *axis, bool reverse)
{
    ran_op *op = ran_gradient_op(g, RAN_OP_CUMPROD, 2, (ran_value *[]){x, axis}, 1);
    ran_op_set_int(op, "exclusive", 1);
    if (reverse)
        ran_op_set_int(op, "reverse", 1);
    return ran_gradient_finish(g, op);
}

/* The product of the others, without a division, so that zeros are no trap: along one axis after
 * the other what is before times what is behind, of the products over the axes done already. */
static ran_value *prod_gradient(ran_gradient *g, const reduction *r)
{
    ran_value *x = r->x, *dx = r->dy;
    for (size_t i = 0; i < r->count; i++) {
        ran_value *axis = ran_gradient_axis(g, r->axes[i]);
        ran_value *others = ran_gradient_mul(g, running_product(g, x, axis, false),
                                             running_product(g, x, axis, true));
        x = ran_gradient_reduce(g, RAN_OP_REDUCE_PROD, x, &r->axes[i], 1, true);
        dx = ran_gradient_mul(g, others, dx);
    }
    return dx;
}

typedef ran_value *reduction_rule(ran_gradient *g, const reduction *r);

static const struct {
    ran_opcode opcode;
    reduction_rule *rule;
} rules[] = {
    {RAN_OP_REDUCE_SUM, spread},
    {RAN_OP_REDUCE_MEAN, mean_gradient},
    {RAN_OP_REDUCE_MAX, extreme_gradient},
    {RAN_OP_REDUCE_MIN, extreme_gradient},
    {RAN_OP_REDUCE_PROD, prod_gradient},
    {RAN_OP_REDUCE_L1, l1_gradient},
    {RAN_OP_REDUCE_L2, l2_gradient},
    {RAN_OP_REDUCE_LOG_SUM, log_sum_gradient},
    {RAN_OP_REDUCE_LOG_SUM_EXP, log_sum_exp_gradient},
    {RAN_OP_REDUCE_SUM_SQUARE, sum_square_gradient},
};

ran_status ran_reduce_gradient(ran_gradient *g, const ran_op *op)
{
    reduction r = {.x = ran_op_operand(op, 0), .dy = ran_gradient_of(g, 0)};
    if (!r.dy || !ran_gradient_needed(g, 0))
        return RAN_OK;
    ran_status status = read_axes(op, &r);
    if (status != RAN_OK)
        return status;
    r.dy = keep_axes(g, &r, r.dy);
    r.y = ran_op_result(op, 0);
    for (size_t i = 0; i < sizeof rules / sizeof *rules; i++)
        if (rules[i].opcode == op->opcode)
            ran_gradient_add(g, 0, rules[i].rule(g, &r));
    return RAN_OK;
}

/* ---- Softmax
 * ---------------------------------------------------------------------------------------- */

ran_status ran_softmax_gradient(ran_gradient *g, const ran_op *op)
{
    ran_value *y = ran_op_result(op, 0), *dy = ran_gradient_of(g, 0);
    int64_t axis = ran_op_int(op, "axis");
    if (!dy || op->opcode == RAN_OP_HARDMAX)
        return RAN_OK;
    if (op->opcode == RAN_OP_SOFTMAX) {
        ran_value *product = ran_gradient_mul(g, dy, y);
        ran_value *sum = ran_gradient_reduce(g, RAN_OP_REDUCE_SUM, product, &axis, 1, true);
        ran_gradient_add(g, 0, ran_gradient_mul(g, y, ran_gradient_binary(g, RAN_OP_SUB, dy, sum)));
    } else {
        ran_value *sum = ran_gradient_reduce(g, RAN_OP_REDUCE_SUM, dy, &axis, 1, true);
        ran_value *share = ran_gradient_mul(g, ran_gradient_unary(g, RAN_OP_EXP, y), sum);
        ran_gradient_add(g, 0, ran_gradient_binary(g, RAN_OP_SUB, dy, share));
    }
    return RAN_OK;
}
