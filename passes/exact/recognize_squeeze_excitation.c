/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Squeeze-and-excitation in one form, that of 1x1 convolutions on the pooled map:
 *
 *   %1 = global_average_pool %x                    %1 = global_average_pool %x
 *   %2 = reshape %1, [0, 64]                       %2 = conv %1, @w1', @b1
 *   %3 = gemm %2, @w1, @b1                         %3 = relu %2
 *   %4 = relu %3                            =>     %4 = conv %3, @w2', @b2
 *   %5 = gemm %4, @w2, @b2                         %5 = sigmoid %4
 *   %6 = sigmoid %5                                %6 = mul %x, %5
 *   %7 = reshape %6, [0, 64, 1, 1]
 *   %8 = mul %x, %7
 *
 * There is no composite op: the pooled map is small, and what matters is that the pool, the
 * activations and the last product fuse into their neighbours, which they do in this form. Blocks that
 * are in the form already are only counted. Any elementwise activation may stand in the middle; the
 * gate is a Sigmoid or HardSigmoid.
 */
#include "passes/match.h"

static const ran_type *type_of(const ran_value *value)
{
    return ran_value_type(value);
}

/* What a reshape that adds or drops axes of size 1 behind the channels reads. */
static ran_value *strip_reshape(ran_value *value, bool *stripped)
{
    ran_op *reshape = ran_match_op(value, RAN_OP_RESHAPE);
    *stripped = reshape != NULL;
    return reshape ? ran_op_operand(reshape, 0) : value;
}

static bool is_pointwise_conv(const ran_op *op)
{
    const ran_value *weight = ran_op_operand(op, 1);
    const ran_type *type = weight ? type_of(weight) : NULL;
    if (op->opcode != RAN_OP_CONV || !type || ran_type_rank(type) < 3 || ran_op_int(op, "group") != 1)
        return false;
    for (int i = 2; i < ran_type_rank(type); i++) {
        if (!ran_dim_is(ran_type_dim(type, i), 1))
            return false;
    }
    return true;
}

static bool is_dense(const ran_op *op)
{
    const ran_value *weight = ran_op_operand(op, 1), *bias = ran_op_operand(op, 2);
    return op->opcode == RAN_OP_GEMM && ran_value_constant(weight) && !ran_op_int(op, "transA") &&
           ran_op_float(op, "alpha") == 1 && ran_op_float(op, "beta") == 1 &&
           (!bias || (ran_value_constant(bias) &&
                      ran_tensor_numel(ran_value_constant(bias)) ==
                          ran_type_extent(type_of(&op->results[0]), 1)));
}

typedef struct block {
    ran_op *gate, *second, *activation, *first;
    ran_value *pooled;
    bool dense;
} block;

static bool is_unary(const ran_op *op)
{
    return op && ran_opcode_is_elementwise(op->opcode) && op->operand_count == 1;
}

static bool match_block(ran_value *x, ran_value *gate, block *out)
{
    bool outer, inner;
    out->gate = ran_value_op(strip_reshape(gate, &outer));
    if (!out->gate ||
        (out->gate->opcode != RAN_OP_SIGMOID && out->gate->opcode != RAN_OP_HARD_SIGMOID))
        return false;
    out->second = ran_value_op(ran_op_operand(out->gate, 0));
    out->activation = out->second && out->second->operand_count
                          ? ran_value_op(ran_op_operand(out->second, 0))
                          : NULL;
    if (!is_unary(out->activation))
        return false;
    out->first = ran_value_op(ran_op_operand(out->activation, 0));
    if (!out->first || out->first->operand_count < 2)
        return false;
    out->pooled = strip_reshape(ran_op_operand(out->first, 0), &inner);
    ran_op *pool = ran_match_op(out->pooled, RAN_OP_GLOBAL_AVERAGE_POOL);
    out->dense = outer && inner && is_dense(out->first) && is_dense(out->second);
    bool conv = !outer && !inner && is_pointwise_conv(out->first) && is_pointwise_conv(out->second);
    return pool && ran_op_operand(pool, 0) == x && (out->dense || conv);
}

/* [in][out], or [out][in] with transB, as [out][in][1]... */
static ran_value *conv_weight(ran_op *near, const ran_op *gemm, int rank)
{
    const ran_tensor *w = ran_value_constant(ran_op_operand(gemm, 1));
    bool transposed = ran_op_int(gemm, "transB");
    int64_t rows = ran_tensor_dims(w)[0], columns = ran_tensor_dims(w)[1];
    int64_t dims[RAN_MAX_RANK], outs = transposed ? rows : columns, ins = transposed ? columns : rows;
    for (int i = 0; i < rank; i++)
        dims[i] = i == 0 ? outs : i == 1 ? ins : 1;
    ran_tensor *result = ran_tensor_create(ran_tensor_elem(w), rank, dims);
    for (int64_t o = 0; o < outs; o++) {
        for (int64_t i = 0; i < ins; i++)
            ran_tensor_set_f64(result, o * ins + i,
                               ran_tensor_get_f64(w, transposed ? o * ins + i : i * outs + o));
    }
    return ran_new_constant(near, ran_op_operand(gemm, 1)->name, result);
}

static ran_value *conv_bias(ran_op *near, const ran_op *gemm)
{
    ran_value *bias = ran_op_operand(gemm, 2);
    if (!bias || ran_type_rank(type_of(bias)) == 1)
        return bias;
    const ran_tensor *b = ran_value_constant(bias);
    int64_t count = ran_tensor_numel(b);
    ran_tensor *row = ran_tensor_create(ran_tensor_elem(b), 1, &count);
    for (int64_t i = 0; i < count; i++)
        ran_tensor_set_f64(row, i, ran_tensor_get_f64(b, i));
    return ran_new_constant(near, bias->name, row);
}

static ran_value *to_conv(ran_pass_context *pass, ran_op *root, const ran_op *gemm, ran_value *x)
{
    ran_value *operands[] = {x, conv_weight(root, gemm, ran_type_rank(type_of(x))),
                             conv_bias(root, gemm)};
    ran_op *conv = ran_new_op(root, RAN_OP_CONV, operands[2] ? 3 : 2, operands);
    ran_op_set_location(conv, gemm->location);
    return ran_finish_op(pass, conv);
}

static ran_value *on_map(ran_pass_context *pass, ran_op *root, const ran_op *unary, ran_value *x)
{
    ran_op *copy = ran_copy_op(root, unary);
    ran_op_set_operand(copy, 0, x);
    return ran_finish_op(pass, copy);
}

static ran_value *to_convolutions(ran_pass_context *pass, ran_op *root, ran_value *x,
                                  const block *block)
{
    ran_value *y = to_conv(pass, root, block->first, block->pooled);
    y = on_map(pass, root, block->activation, y);
    y = to_conv(pass, root, block->second, y);
    y = on_map(pass, root, block->gate, y);
    return ran_new_binary(pass, root, RAN_OP_MUL, x, y);
}

static bool is_closed(const ran_op *root, const ran_value *x, const ran_value *pooled)
{
    ran_match match = {0};
    ran_match_cover(&match, &root->results[0], (const ran_value *[]){x, pooled}, 2);
    return ran_match_is_closed(&match, &root->results[0]);
}

static ran_value *recognize(ran_pass_context *pass, ran_op *op)
{
    for (size_t i = 0; i < 2; i++) {
        block block = {0};
        ran_value *x = ran_op_operand(op, i);
        if (!match_block(x, ran_op_operand(op, 1 - i), &block) || !block.dense ||
            !is_closed(op, x, block.pooled))
            continue;
        return to_convolutions(pass, op, x, &block);
    }
    return NULL;
}

static void count_blocks(ran_pass_context *pass, const ran_region *region)
{
    RAN_FOR_OPS (region, op) {
        block block = {0};
        if (op->opcode == RAN_OP_MUL &&
            (match_block(ran_op_operand(op, 0), ran_op_operand(op, 1), &block) ||
             match_block(ran_op_operand(op, 1), ran_op_operand(op, 0), &block)))
            ran_pass_observe(pass, "found", 1);
        for (size_t i = 0; i < op->region_count; i++)
            count_blocks(pass, op->regions[i]);
    }
}

ran_status ran_run_recognize_squeeze_excitation(ran_pass_context *pass, ran_function *function)
{
    static const ran_rule rules[] = {{RAN_OP_MUL, recognize, "products"}};
    ran_status status = ran_rewrite(pass, function, rules, 1);
    count_blocks(pass, ran_function_body(function));
    return status;
}
