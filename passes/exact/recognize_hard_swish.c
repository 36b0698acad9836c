/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Hard sigmoid and hard swish from their parts:
 *
 *   %1 = add %x, 3
 *   %2 = clip %1, 0, 6                     %3 = hard_sigmoid %x {alpha = 1/6, beta = 0.5}
 *   %3 = div %2, 6                 =>
 *
 *   %4 = mul %x, %3                =>      %4 = hard_swish %x
 *
 * In general f * clip(a x + b, 0, h) with f h = 1 is a hard sigmoid of alpha = f a and beta = f b; b = 0
 * is left as the clip that it is. The factor 1/6 may stand anywhere in the product with x, as a
 * multiplication or a division, and the clip may be a Min and a Max. Nothing but the pattern may use
 * the clip.
 */
#include "passes/match.h"

#include <math.h>

/* value = clip(x, 0, high), by Clip, by Relu and Min, or by Max and Min in either nesting. */
static bool match_clip(ran_value *value, ran_value **out_x, double *out_high)
{
    ran_value *inner;
    double low = NAN;
    ran_op *clip = ran_match_op(value, RAN_OP_CLIP);
    if (clip) {
        *out_x = ran_op_operand(clip, 0);
        return ran_match_splat(ran_op_operand(clip, 1), &low) && low == 0 &&
               ran_match_splat(ran_op_operand(clip, 2), out_high);
    }
    if (ran_match_with_splat(value, RAN_OP_MIN, &inner, out_high) && *out_high > 0) {
        ran_op *relu = ran_match_op(inner, RAN_OP_RELU);
        if (relu)
            *out_x = ran_op_operand(relu, 0);
        return relu || (ran_match_with_splat(inner, RAN_OP_MAX, out_x, &low) && low == 0);
    }
    ran_op *relu = ran_match_op(value, RAN_OP_RELU);
    if (relu)
        inner = ran_op_operand(relu, 0);
    else if (!ran_match_with_splat(value, RAN_OP_MAX, &inner, &low) || low != 0)
        return false;
    return ran_match_with_splat(inner, RAN_OP_MIN, out_x, out_high) && *out_high > 0;
}

typedef struct ramp {
    ran_value *x;
    double alpha, beta; /* before the factor */
    double high;
} ramp;

/* value = clip(alpha x + beta, 0, high). Of `x` no factor is taken off: it may be a product itself. */
static bool match_ramp(ran_value *value, const ran_value *x, ramp *out)
{
    ran_value *shifted, *scaled;
    if (!match_clip(value, &shifted, &out->high) ||
        !ran_match_shifted(shifted, &scaled, &out->beta) || out->beta == 0)
        return false;
    if (scaled == x || !ran_match_scaled(scaled, &out->x, &out->alpha)) {
        out->x = scaled;
        out->alpha = 1;
    }
    return true;
}

static bool is_closed(const ran_op *root, const ran_value *x)
{
    ran_match match = {0};
    ran_match_cover(&match, &root->results[0], &x, 1);
    return ran_match_is_closed(&match, &root->results[0]);
}

static ran_elem elem_of(const ran_op *op)
{
    return ran_type_elem(ran_value_type(&op->results[0]));
}

/* factor * clip(alpha x + beta, 0, 1 / factor) */
static ran_value *recognize_hard_sigmoid(ran_pass_context *pass, ran_op *op)
{
    ran_value *clip = &op->results[0];
    double factor = 1;
    ramp r;
    if (!ran_value_is_float(clip))
        return NULL;
    bool scaled = ran_match_scaled(&op->results[0], &clip, &factor);
    if (!match_ramp(clip, NULL, &r) || !ran_match_near(r.high * factor, 1, elem_of(op)) ||
        !ran_match_same_type(r.x, &op->results[0]) || (scaled && !is_closed(op, r.x)))
        return NULL;
    ran_op *hard = ran_new_op(op, RAN_OP_HARD_SIGMOID, 1, &r.x);
    ran_op_set_float(hard, "alpha", r.alpha / r.high);
    ran_op_set_float(hard, "beta", r.beta / r.high);
    return ran_finish_op(pass, hard);
}

/* x * hard_sigmoid(x), or x and the clip in a product with 1/6. */
static bool is_hard_swish(ran_op *op, const ran_product *product, size_t gate)
{
    ran_value *x = product->values[1 - gate];
    ran_elem elem = elem_of(op);
    ran_op *hard = ran_match_op(product->values[gate], RAN_OP_HARD_SIGMOID);
    if (hard)
        return ran_op_operand(hard, 0) == x && product->factor == 1 &&
               ran_match_near(ran_op_float(hard, "alpha"), 1.0 / 6, elem) &&
               ran_match_near(ran_op_float(hard, "beta"), 0.5, elem);
    ramp r;
    return match_ramp(product->values[gate], x, &r) && r.x == x &&
           ran_match_near(r.high * product->factor, 1, elem) &&
           ran_match_near(r.alpha / r.high, 1.0 / 6, elem) &&
           ran_match_near(r.beta / r.high, 0.5, elem);
}

static ran_value *recognize_hard_swish(ran_pass_context *pass, ran_op *op)
{
    ran_product product;
    if (!ran_value_is_float(&op->results[0]) || !ran_match_product(&op->results[0], &product) ||
        product.count != 2)
        return NULL;
    for (size_t gate = 0; gate < 2; gate++) {
        ran_value *x = product.values[1 - gate];
        if (is_hard_swish(op, &product, gate) && ran_match_same_type(x, &op->results[0]) &&
            is_closed(op, x))
            return ran_new_unary(pass, op, RAN_OP_HARD_SWISH, x);
    }
    return NULL;
}

ran_status ran_run_recognize_hard_swish(ran_pass_context *pass, ran_function *function)
{
    static const ran_rule swish[] = {
        {RAN_OP_MUL, recognize_hard_swish, "hard-swish"},
        {RAN_OP_DIV, recognize_hard_swish, "hard-swish"},
    };
    static const ran_rule sigmoid[] = {
        {RAN_OP_MUL, recognize_hard_sigmoid, "hard-sigmoid"},
        {RAN_OP_DIV, recognize_hard_sigmoid, "hard-sigmoid"},
        {RAN_OP_CLIP, recognize_hard_sigmoid, "hard-sigmoid"},
        {RAN_OP_MIN, recognize_hard_sigmoid, "hard-sigmoid"},
        {RAN_OP_MAX, recognize_hard_sigmoid, "hard-sigmoid"},
        {RAN_OP_RELU, recognize_hard_sigmoid, "hard-sigmoid"},
    };
    ran_status status = ran_rewrite(pass, function, swish, 2);
    return status ? status : ran_rewrite(pass, function, sigmoid, 6);
}
