/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * SiLU as frameworks write it:
 *
 *   %1 = sigmoid %x                            %2 = silu %x
 *   %2 = mul %x, %1                   =>
 *
 *   %1 = mul %x, 1.702                         %3 = swish %x {alpha = 1.702}
 *   %2 = sigmoid %1                   =>
 *   %3 = mul %2, %x
 *
 * The operands of the product come in either order. The sigmoid must have no other use: it would be
 * computed twice. A negative factor is fine; a factor of 0 is left to others.
 */
#include "passes/match.h"

static ran_value *build(ran_pass_context *pass, ran_op *op, ran_value *x, double alpha)
{
    ran_op *fused = ran_new_op(op, alpha == 1 ? RAN_OP_SILU : RAN_OP_SWISH, 1, &x);
    if (alpha != 1)
        ran_op_set_float(fused, "alpha", alpha);
    return ran_finish_op(pass, fused);
}

/* The factor a when gate = sigmoid(a x); 0 when it is not. */
static double gate_factor(const ran_value *gate, const ran_value *x)
{
    ran_value *scaled;
    double factor;
    ran_op *sigmoid = ran_match_op(gate, RAN_OP_SIGMOID);
    if (!sigmoid || !ran_value_has_one_use(gate))
        return 0;
    if (ran_op_operand(sigmoid, 0) == x)
        return 1;
    if (ran_match_scaled(ran_op_operand(sigmoid, 0), &scaled, &factor) && scaled == x)
        return factor;
    return 0;
}

static ran_value *recognize(ran_pass_context *pass, ran_op *op, bool with_factor)
{
    if (!ran_value_is_float(&op->results[0]))
        return NULL;
    for (size_t i = 0; i < 2; i++) {
        ran_value *x = ran_op_operand(op, i), *gate = ran_op_operand(op, 1 - i);
        double factor = gate_factor(gate, x);
        if (factor == 0 || (factor == 1) == with_factor ||
            !ran_match_same_type(x, &op->results[0]))
            continue;
        return build(pass, op, x, factor);
    }
    return NULL;
}

static ran_value *recognize_silu(ran_pass_context *pass, ran_op *op)
{
    return recognize(pass, op, false);
}

static ran_value *recognize_swish(ran_pass_context *pass, ran_op *op)
{
    return recognize(pass, op, true);
}

ran_status ran_run_recognize_silu(ran_pass_context *pass, ran_function *function)
{
    static const ran_rule rules[] = {
        {RAN_OP_MUL, recognize_silu, "silu"},
        {RAN_OP_MUL, recognize_swish, "swish"},
    };
    return ran_rewrite(pass, function, rules, 2);
}
