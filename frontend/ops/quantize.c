/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Quantised ops. Those with integer operands compute on i32; those with scales become dequantize,
 * the op in f32, quantize: the form that the passes know. */
#include "frontend/onnx.h"

ran_status ran_onnx_map_quantize(ran_onnx_node *node)
{
    if (ran_onnx_int(node, "precision", 0))
        return ran_onnx_node_error(node, RAN_UNSUPPORTED, "attribute 'precision' is not supported");
    return ran_onnx_map_generic(node);
}

static ran_status single_output(ran_onnx_node *node, ran_value *value)
{
    if (value && node->output_count)
        node->outputs[0] = value;
    return value ? RAN_OK : RAN_INVALID;
}

static bool has_inputs(ran_onnx_node *node, size_t count)
{
    for (size_t i = 0; i < count; i++)
        if (!ran_onnx_input(node, i)) {
            (void)ran_onnx_node_error(node, RAN_INVALID, "input %zu is missing", i);
            return false;
        }
    return true;
}

/* x - zero_point in i32; a zero point for each index of `axis` (of `rank`) gets ones behind it. */
static ran_value *centred(ran_onnx_node *node, ran_value *x, ran_value *zero_point, int axis,
                          int rank)
{
    x = ran_onnx_cast(node, x, RAN_ELEM_I32);
    if (!zero_point || !x)
        return x;
    int64_t dims[RAN_MAX_RANK];
    for (int i = 0; i < RAN_MAX_RANK; i++)
        dims[i] = 1;
    zero_point = ran_onnx_cast(node, zero_point, RAN_ELEM_I32);
    if (zero_point && ran_type_rank(ran_value_type(zero_point)) == 1 && rank > axis) {
        dims[0] = -1;
        zero_point = ran_onnx_reshape(node, zero_point, dims, (size_t)(rank - axis));
    }
    return zero_point ? ran_onnx_binary(node, RAN_OP_SUB, x, zero_point) : NULL;
}

ran_status ran_onnx_map_matmul_integer(ran_onnx_node *node)
{
    if (!has_inputs(node, 2))
        return RAN_INVALID;
    int rank = ran_onnx_input_rank(node, 0);
    ran_value *a =
        centred(node, node->inputs[0], ran_onnx_input(node, 2), rank < 2 ? 0 : rank - 2, rank);
    ran_value *b = centred(node, node->inputs[1], ran_onnx_input(node, 3), 0, 0);
    return single_output(node, a && b ? ran_onnx_binary(node, RAN_OP_MATMUL, a, b) : NULL);
}

ran_status ran_onnx_map_conv_integer(ran_onnx_node *node)
{
    if (!has_inputs(node, 2))
        return RAN_INVALID;
    int rank = ran_onnx_input_rank(node, 1);
    ran_value *x = centred(node, node->inputs[0], ran_onnx_input(node, 2), 0, 0);
    ran_value *w = centred(node, node->inputs[1], ran_onnx_input(node, 3), 0, rank);
    if (!x || !w)
        return RAN_INVALID;
    return ran_onnx_map(node, RAN_OP_CONV, 2, (ran_value *[]){x, w});
}

/* ---- With scales ----------------------------------------------------------------------------- */

/* A scale or zero point with one element is one for the whole tensor. */
static ran_value *scalar_if_one(ran_onnx_node *node, ran_value *value)
{
    const ran_type *type = value ? ran_value_type(value) : NULL;
    if (!type || ran_type_rank(type) != 1 || !ran_dim_is(ran_type_dim(type, 0), 1))
        return value;
    return ran_onnx_reshape(node, value, NULL, 0);
}

static ran_value *dequantize(ran_onnx_node *node, ran_value *x, ran_value *scale,
                             ran_value *zero_point, int axis)
{
    ran_value *operands[] = {x, scalar_if_one(node, scale), scalar_if_one(node, zero_point)};
    if (node->failed)
        return NULL;
    ran_op *op = ran_op_create(node->builder, RAN_OP_DEQUANTIZE_LINEAR, 3, operands, 1);
    ran_op_set_int(op, "axis", axis);
    return ran_onnx_infer(node, op) == RAN_OK ? ran_op_result(op, 0) : NULL;
}

static ran_value *quantize(ran_onnx_node *node, ran_value *x, ran_value *scale,
                           ran_value *zero_point)
{
    ran_value *operands[] = {x, scalar_if_one(node, scale), scalar_if_one(node, zero_point)};
    return ran_onnx_build_n(node, RAN_OP_QUANTIZE_LINEAR, 3, operands);
}

ran_status ran_onnx_map_qlinear_matmul(ran_onnx_node *node)
{
    if (!has_inputs(node, 8))
        return RAN_INVALID;
    ran_value **in = node->inputs;
    ran_value *a = dequantize(node, in[0], in[1], in[2], -2);
    ran_value *b = a ? dequantize(node, in[3], in[4], in[5], -1) : NULL;
    ran_value *y = b ? ran_onnx_binary(node, RAN_OP_MATMUL, a, b) : NULL;
    return single_output(node, y ? quantize(node, y, in[6], in[7]) : NULL);
}

/* The bias is i32 with the scale x_scale * w_scale. */
static ran_value *qlinear_bias(ran_onnx_node *node)
{
    ran_value *bias = ran_onnx_input(node, 8);
    if (!bias)
        return NULL;
    ran_value *scale = ran_onnx_binary(node, RAN_OP_MUL, node->inputs[1], node->inputs[4]);
    bias = scale ? ran_onnx_cast(node, bias, RAN_ELEM_F32) : NULL;
    return bias ? ran_onnx_binary(node, RAN_OP_MUL, bias, scale) : NULL;
}

ran_status ran_onnx_map_qlinear_conv(ran_onnx_node *node)
{
    if (!has_inputs(node, 8))
        return RAN_INVALID;
    ran_value **in = node->inputs;
    ran_value *x = dequantize(node, in[0], in[1], in[2], 1);
    ran_value *w = x ? dequantize(node, in[3], in[4], in[5], 0) : NULL;
    ran_value *bias = w ? qlinear_bias(node) : NULL;
    if (!w || node->failed)
        return RAN_INVALID;
    ran_op *op = ran_onnx_create(node, RAN_OP_CONV, 3, (ran_value *[]){x, w, bias}, 1);
    if (!op || ran_onnx_infer(node, op) != RAN_OK)
        return RAN_INVALID;
    return single_output(node, quantize(node, ran_op_result(op, 0), in[6], in[7]));
}

/* One end of the data's range, which always has 0 in it. */
static ran_value *range_end(ran_onnx_node *node, ran_opcode reduce, ran_opcode limit)
{
    ran_value *end = ran_onnx_reduce(node, reduce, node->inputs[0], NULL, 0, false);
    return end ? ran_onnx_binary(node, limit, end, ran_onnx_const_scalar(node, RAN_ELEM_F32, 0))
               : NULL;
}

ran_status ran_onnx_map_dynamic_quantize_linear(ran_onnx_node *node)
{
    if (!has_inputs(node, 1))
        return RAN_INVALID;
    ran_value *low = range_end(node, RAN_OP_REDUCE_MIN, RAN_OP_MIN);
    ran_value *high = range_end(node, RAN_OP_REDUCE_MAX, RAN_OP_MAX);
    ran_value *top = ran_onnx_const_scalar(node, RAN_ELEM_F32, 255);
    ran_value *zero = ran_onnx_const_scalar(node, RAN_ELEM_F32, 0);
    ran_value *scale = low && high ? ran_onnx_binary(node, RAN_OP_SUB, high, low) : NULL;
    scale = scale ? ran_onnx_binary(node, RAN_OP_DIV, scale, top) : NULL;
    ran_value *point = scale ? ran_onnx_binary(node, RAN_OP_SUB, zero, low) : NULL;
    point = point ? ran_onnx_binary(node, RAN_OP_DIV, point, scale) : NULL;
    point =
        point ? ran_onnx_build_n(node, RAN_OP_CLIP, 3, (ran_value *[]){point, zero, top}) : NULL;
    point = point ? ran_onnx_unary(node, RAN_OP_ROUND, point) : NULL;
    point = point ? ran_onnx_cast(node, point, RAN_ELEM_U8) : NULL;
    ran_value *y = point ? quantize(node, node->inputs[0], scale, point) : NULL;
    ran_value *results[] = {y, scale, point};
    for (size_t i = 0; y && i < node->output_count && i < 3; i++)
        node->outputs[i] = results[i];
    return y ? RAN_OK : RAN_INVALID;
}
