/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Multiplications and additions of per-channel constants fold into a neighbouring convolution or
 * product with constant weights:
 *
 *   %1 = conv %x, @w               %2 = conv %x, @w'          w'[o] = c[o] w[o]
 *   %2 = mul %1, @c         =>
 *
 *   %1 = mul %x, @c                %2 = conv %x, @w'          w'[o][i] = w[o][i] c[i]
 *   %2 = conv %1, @w        =>
 *
 * Into the op before it is always exact; an addition before an op folds only where that op pads
 * nothing (outside of the map the convolution sees 0, not the constant). A bias that a MatMul can't
 * hold stays an addition, through which a factor still passes. The op in between must have no
 * other use. Each fold removes an elementwise op, so this ends.
 */
#include "passes/exact/linear.h"

/* y = affine(linear(x)) */
static ran_value *fold_into_preceding(ran_pass_context *pass, ran_op *op)
{
    ran_value *x;
    ran_affine affine;
    ran_linear linear;
    for (size_t i = 0; i < op->operand_count; i++) {
        ran_value *operand = ran_op_operand(op, i);
        if (!operand || !ran_value_has_one_use(operand) || !ran_linear_match(operand, &linear))
            continue;
        if (ran_affine_match(pass, &op->results[0], &x, linear.out_axis, &affine) && x == operand)
            return ran_linear_scale_output(pass, op, &linear, &affine);
    }
    return NULL;
}

/* factor * (matmul(x, w) + b) = matmul(x, factor * w) + factor * b, where the product has no bias. */
static ran_value *scale_through_bias(ran_pass_context *pass, ran_op *op)
{
    ran_value *sum, *product;
    ran_affine factor, bias;
    ran_linear linear;
    int axis = ran_type_rank(ran_value_type(&op->results[0])) - 1;
    if (!ran_affine_match(pass, &op->results[0], &sum, axis, &factor) ||
        ran_affine_has_shift(&factor) || !ran_match_op(sum, RAN_OP_ADD) ||
        !ran_value_has_one_use(sum) || !ran_affine_match(pass, sum, &product, axis, &bias) ||
        !ran_value_has_one_use(product) || !ran_match_op(product, RAN_OP_MATMUL) ||
        !ran_linear_match(product, &linear))
        return NULL;
    ran_value *scaled = ran_linear_scale_output(pass, op, &linear, &factor);
    if (!scaled)
        return NULL;
    for (int64_t i = 0; i < bias.count; i++)
        bias.shift[i] *= factor.factor[i];
    ran_value *shift = ran_affine_constant(op, ran_type_elem(ran_value_type(sum)), bias.shift,
                                           bias.count, axis, axis + 1);
    return ran_new_binary(pass, op, RAN_OP_ADD, scaled, shift);
}

/* y = linear(affine(x)) */
static ran_value *fold_into_following(ran_pass_context *pass, ran_op *op)
{
    ran_value *x, *input = ran_op_operand(op, 0);
    ran_affine affine;
    ran_linear linear;
    if (!input || !ran_value_op(input) || !ran_value_has_one_use(input) ||
        !ran_linear_match(&op->results[0], &linear) ||
        !ran_affine_match(pass, input, &x, linear.in_axis, &affine))
        return NULL;
    const ran_op *between = ran_value_op(input);
    ran_value *folded = ran_linear_scale_input(pass, op, &linear, x, &affine);
    if (folded)
        ran_op_set_location(ran_value_op(folded), ran_location_fuse(ran_pass_ir(pass),
                                                                    between->location,
                                                                    op->location));
    return folded;
}

ran_status ran_run_fold_affine(ran_pass_context *pass, ran_function *function)
{
    static const ran_rule rules[] = {
        {RAN_OP_MUL, fold_into_preceding, "preceding"},
        {RAN_OP_DIV, fold_into_preceding, "preceding"},
        {RAN_OP_ADD, fold_into_preceding, "preceding"},
        {RAN_OP_SUB, fold_into_preceding, "preceding"},
        {RAN_OP_NEG, fold_into_preceding, "preceding"},
        {RAN_OP_MUL, scale_through_bias, "preceding"},
        {RAN_OP_DIV, scale_through_bias, "preceding"},
        {RAN_OP_CONV, fold_into_following, "following"},
        {RAN_OP_CONV_TRANSPOSE, fold_into_following, "following"},
        {RAN_OP_GEMM, fold_into_following, "following"},
        {RAN_OP_MATMUL, fold_into_following, "following"},
    };
    return ran_rewrite(pass, function, rules, sizeof(rules) / sizeof(*rules));
}
