/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * bottleneck-branch: splits two pointwise layers whose hidden channels are partly linear, with an
 * activation of its own on the linear branch ("Restructurable Activation Networks", section 4, eq. 8):
 * none (A), GELU (B), or the exponential of the kernel trick (C), its argument clamped, because without
 * that the network can give NaN.
 *
 *   x -> W1 -> where(L, x, f(x)) -> W2    =>    x -> W1[N] -> f -> W2[N]
 *                                               x -> W2[L] W1[L] -> psi    (summed)
 *
 * Variant A is what split-linear-branch does where it gains; the others change the function. b2 and a
 * layer scale stand behind the sum, outside of psi. Requires types; keeps them. Terminates: each
 * step takes one partly linear activation out, and none is built.
 */
#include "passes/approx/approx.h"
#include "passes/approx/pointwise_pair.h"

#include <string.h>

static ran_value *gelu(ran_pass_context *pass, ran_op *before, ran_value *x)
{
    return ran_new_unary(pass, before, RAN_OP_GELU_ERF, x);
}

static ran_value *clamped_exp(ran_pass_context *pass, ran_op *before, ran_value *x)
{
    double limit = ran_pass_float(pass, "clamp");
    ran_elem elem = ran_type_elem(ran_value_type(x));
    ran_value *operands[] = {x, ran_new_scalar(before, elem, -limit),
                             ran_new_scalar(before, elem, limit)};
    ran_value *clamped = ran_finish_op(pass, ran_new_op(before, RAN_OP_CLIP, 3, operands));
    return ran_new_unary(pass, before, RAN_OP_EXP, clamped);
}

static const struct variant {
    const char *name;
    ran_branch_activation *psi;
} variants[] = {{"none", NULL}, {"gelu", gelu}, {"exp", clamped_exp}};

static ran_branch_activation *psi_of(const char *name)
{
    for (size_t i = 0; i < sizeof(variants) / sizeof(*variants); i++)
        if (!strcmp(variants[i].name, name))
            return variants[i].psi;
    return NULL;
}

static const char *name_of(const ran_op *op)
{
    const char *name = ran_location_name(ran_op_location(op));
    return name && *name ? name : ran_opcode_name(op->opcode);
}

/* The next pair; false when none is left. */
static bool split_next(ran_pass_context *pass, ran_region *body, ran_branch_activation *psi)
{
    RAN_FOR_OPS (body, op) {
        ran_pointwise_pair pair;
        if (op->opcode != RAN_OP_PRELU && op->opcode != RAN_OP_WHERE)
            continue;
        if (ran_pointwise_pair_match(pass, op, &pair))
            continue;
        ran_pass_remark(pass, "%s: %lld of %lld channels", name_of(op),
                        (long long)pair.linear_count, (long long)pair.hidden);
        ran_pass_count(pass, "branches", 1);
        ran_pass_observe(pass, "channels", pair.linear_count);
        ran_pointwise_pair_split(pass, &pair, psi);
        return true;
    }
    return false;
}

static void remark_left(ran_pass_context *pass, const ran_region *body)
{
    RAN_FOR_OPS (body, op) {
        ran_pointwise_pair pair;
        if (op->opcode == RAN_OP_PRELU || op->opcode == RAN_OP_WHERE)
            ran_pass_remark(pass, "%s: left, because %s", name_of(op),
                            ran_pointwise_pair_match(pass, op, &pair));
    }
}

ran_status ran_run_bottleneck_branch(ran_pass_context *pass, ran_function *function)
{
    ran_branch_activation *psi = psi_of(ran_pass_string(pass, "variant"));
    ran_region *body = ran_function_body(function);
    bool found = false;
    if (!ran_function_is_entry(function))
        return RAN_OK;
    while (split_next(pass, body, psi))
        found = true;
    remark_left(pass, body);
    if (found)
        return RAN_OK;
    return ran_error(ran_pass_ir(pass), RAN_UNSUPPORTED,
                     "pass 'bottleneck-branch': no pair of pointwise layers has a partly linear "
                     "activation between (--stats says why others were left); "
                     "remove-nonlinearity{fraction=...} makes them");
}
