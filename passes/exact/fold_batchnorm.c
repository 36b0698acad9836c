/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Batch normalisation in inference is y = A x + B a channel, with A = scale / sqrt(variance + epsilon)
 * and B = bias - mean A, and folds into a neighbour with constant weights:
 *
 *   %1 = conv %x, @w, @b                       %2 = conv %x, @w', @b'
 *   %2 = batch_normalization %1, ...     =>        w'[o] = A[o] w[o],  b'[o] = A[o] b[o] + B[o]
 *
 * Into the op before (Conv, ConvTranspose, Gemm, MatMul) this is always exact. Into the one after it
 * is only where that op pads nothing, or B is 0: a padded convolution sees 0 outside of the map, not
 * B. What has no such neighbour becomes a multiplication and an addition a channel, which fuse into
 * whatever is there.
 *
 * The neighbour must have no other use: the fold would leave both. Arithmetic in f64. Batch
 * normalisation in training mode, or with statistics that are computed, is left alone.
 */
#include "passes/exact/linear.h"

static ran_value *fold_into_preceding(ran_pass_context *pass, ran_op *op)
{
    ran_affine affine;
    ran_linear linear;
    ran_value *x = ran_op_operand(op, 0);
    if (!ran_value_has_one_use(x) || !ran_linear_match(x, &linear) || linear.out_axis != 1 ||
        !ran_affine_of_batchnorm(pass, op, &affine))
        return NULL;
    return ran_linear_scale_output(pass, op, &linear, &affine);
}

/* Anchored at the op after. */
static ran_value *fold_into_following(ran_pass_context *pass, ran_op *op)
{
    ran_affine affine;
    ran_linear linear;
    const ran_op *batchnorm = ran_match_op(ran_op_operand(op, 0), RAN_OP_BATCH_NORMALIZATION);
    if (!batchnorm || !ran_value_has_one_use(&batchnorm->results[0]) ||
        !ran_linear_match(&op->results[0], &linear) || linear.in_axis != 1 ||
        !ran_affine_of_batchnorm(pass, batchnorm, &affine))
        return NULL;
    ran_value *folded =
        ran_linear_scale_input(pass, op, &linear, ran_op_operand(batchnorm, 0), &affine);
    if (folded)
        ran_op_set_location(ran_value_op(folded),
                            ran_location_fuse(ran_pass_ir(pass), batchnorm->location,
                                              op->location));
    return folded;
}

static ran_value *expand_to_affine(ran_pass_context *pass, ran_op *op)
{
    ran_affine affine;
    ran_value *x = ran_op_operand(op, 0);
    int rank = ran_type_rank(ran_value_type(x));
    if (rank < 2 || !ran_affine_of_batchnorm(pass, op, &affine))
        return NULL;
    ran_elem elem = ran_type_elem(ran_value_type(x));
    ran_value *factor = ran_affine_constant(op, elem, affine.factor, affine.count, 1, rank);
    ran_value *scaled = ran_new_binary(pass, op, RAN_OP_MUL, x, factor);
    if (!ran_affine_has_shift(&affine))
        return scaled;
    ran_value *shift = ran_affine_constant(op, elem, affine.shift, affine.count, 1, rank);
    return ran_new_binary(pass, op, RAN_OP_ADD, scaled, shift);
}

ran_status ran_run_fold_batchnorm(ran_pass_context *pass, ran_function *function)
{
    static const ran_rule neighbours[] = {
        {RAN_OP_BATCH_NORMALIZATION, fold_into_preceding, "preceding"},
        {RAN_OP_CONV, fold_into_following, "following"},
        {RAN_OP_CONV_TRANSPOSE, fold_into_following, "following"},
        {RAN_OP_GEMM, fold_into_following, "following"},
        {RAN_OP_MATMUL, fold_into_following, "following"},
    };
    static const ran_rule rest[] = {{RAN_OP_BATCH_NORMALIZATION, expand_to_affine, "affine"}};
    ran_status status = ran_rewrite(pass, function, neighbours, 5);
    return status ? status : ran_rewrite(pass, function, rest, 1);
}
