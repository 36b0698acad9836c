/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Elementwise ops whose older forms differ, or that ONNX lets take several operands. */
#include "frontend/onnx.h"

#include <string.h>

/* Before opset 7, operands broadcast only when an attribute asked for it, from a given axis. */
ran_status ran_onnx_map_broadcast(ran_onnx_node *node)
{
    if (node->since < 7) {
        ran_onnx_ignore(node, "axis");
        if (ran_onnx_int(node, "broadcast", 0))
            return ran_onnx_node_error(node, RAN_UNSUPPORTED,
                                       "the broadcast attribute of opsets before 7 is not"
                                       " supported; convert the model to opset 13 or newer");
        ran_onnx_ignore(node, "consumed_inputs");
    }
    return ran_onnx_map_generic(node);
}

ran_status ran_onnx_map_gemm(ran_onnx_node *node)
{
    return ran_onnx_map_broadcast(node);
}

/* Sum, Mean, Max, Min of any number of operands. */
ran_status ran_onnx_map_variadic(ran_onnx_node *node)
{
    ran_onnx_ignore(node, "consumed_inputs");
    ran_value *result = ran_onnx_input(node, 0);
    if (!result)
        return ran_onnx_node_error(node, RAN_INVALID, "it has no input");
    for (size_t i = 1; i < node->input_count && result; i++)
        result = ran_onnx_binary(node, node->row->opcode, result, node->inputs[i]);
    if (result && strcmp(node->row->name, "Mean") == 0 && node->input_count > 1)
        result = ran_onnx_binary(
            node, RAN_OP_DIV, result,
            ran_onnx_const_scalar(node, ran_onnx_input_elem(node, 0), (double)node->input_count));
    if (result && node->output_count)
        node->outputs[0] = result;
    return result ? RAN_OK : RAN_INVALID;
}

ran_status ran_onnx_map_clip(ran_onnx_node *node)
{
    if (node->since >= 11)
        return ran_onnx_map_generic(node);
    ran_elem elem = ran_onnx_input_elem(node, 0);
    ran_value *operands[] = {ran_onnx_input(node, 0), NULL, NULL};
    ran_onnx_ignore(node, "consumed_inputs");
    if (ran_onnx_has_attr(node, "min"))
        operands[1] = ran_onnx_const_scalar(node, elem, ran_onnx_float(node, "min", 0));
    if (ran_onnx_has_attr(node, "max"))
        operands[2] = ran_onnx_const_scalar(node, elem, ran_onnx_float(node, "max", 0));
    return ran_onnx_map(node, RAN_OP_CLIP, 3, operands);
}

/* The exponent's type may differ from the base's, which is the result's. */
ran_status ran_onnx_map_pow(ran_onnx_node *node)
{
    ran_elem base = ran_onnx_input_elem(node, 0), exponent = ran_onnx_input_elem(node, 1);
    if (node->since < 12 || base == exponent || node->input_count != 2 || !node->inputs[0] ||
        !node->inputs[1])
        return ran_onnx_map_broadcast(node);
    ran_elem wide = ran_elem_is_float(base) ? base : exponent;
    ran_value *x = ran_onnx_cast(node, node->inputs[0], wide);
    ran_value *y = ran_onnx_cast(node, node->inputs[1], wide);
    ran_value *z = x && y ? ran_onnx_binary(node, RAN_OP_POW, x, y) : NULL;
    z = z ? ran_onnx_cast(node, z, base) : NULL;
    if (z && node->output_count)
        node->outputs[0] = z;
    return z ? RAN_OK : RAN_INVALID;
}

static bool parse_type_name(const char *name, ran_elem *out_elem)
{
    static const struct {
        const char *name;
        ran_elem elem;
    } names[] = {
        {"FLOAT", RAN_ELEM_F32},     {"UINT8", RAN_ELEM_U8},   {"INT8", RAN_ELEM_I8},
        {"UINT16", RAN_ELEM_U16},    {"INT16", RAN_ELEM_I16},  {"INT32", RAN_ELEM_I32},
        {"INT64", RAN_ELEM_I64},     {"BOOL", RAN_ELEM_BOOL},  {"FLOAT16", RAN_ELEM_F16},
        {"DOUBLE", RAN_ELEM_F64},    {"UINT32", RAN_ELEM_U32}, {"UINT64", RAN_ELEM_U64},
        {"STRING", RAN_ELEM_STRING},
    };
    for (size_t i = 0; i < sizeof(names) / sizeof(*names); i++)
        if (strcmp(names[i].name, name) == 0) {
            *out_elem = names[i].elem;
            return true;
        }
    return false;
}

static ran_status map_cast_to(ran_onnx_node *node, ran_elem elem)
{
    ran_op *op = ran_op_create(node->builder, RAN_OP_CAST, 1, node->inputs, 1);
    ran_op_set_type_attr(op, "to",
                         ran_type_tensor(node->import->context, elem, 0, NULL, RAN_PLAIN));
    if (ran_onnx_has_attr(node, "saturate"))
        ran_op_set_int(op, "saturate", ran_onnx_int(node, "saturate", 1));
    return ran_onnx_finish(node, op);
}

ran_status ran_onnx_map_cast(ran_onnx_node *node)
{
    ran_elem elem;
    if (node->since >= 6)
        return ran_onnx_map_generic(node);
    if (!ran_onnx_input(node, 0) || !parse_type_name(ran_onnx_string(node, "to", ""), &elem))
        return ran_onnx_node_error(node, RAN_INVALID, "attribute 'to' is not a type's name");
    return map_cast_to(node, elem);
}

ran_status ran_onnx_map_cast_like(ran_onnx_node *node)
{
    if (node->input_count != 2 || !node->inputs[0] || !node->inputs[1])
        return ran_onnx_node_error(node, RAN_INVALID, "it needs two inputs");
    return map_cast_to(node, ran_onnx_input_elem(node, 1));
}

ran_status ran_onnx_map_gelu(ran_onnx_node *node)
{
    const char *approximate = ran_onnx_string(node, "approximate", "none");
    if (strcmp(approximate, "none") && strcmp(approximate, "tanh"))
        return ran_onnx_node_error(node, RAN_INVALID, "approximate must be 'none' or 'tanh'");
    return ran_onnx_map(node, strcmp(approximate, "tanh") ? RAN_OP_GELU_ERF : RAN_OP_GELU_TANH,
                        node->input_count, node->inputs);
}

/* Opset 7's mask has the type of the data. */
ran_status ran_onnx_map_dropout(ran_onnx_node *node)
{
    if (node->since >= 12)
        return ran_onnx_map_generic(node);
    double ratio = ran_onnx_float(node, "ratio", 0.5);
    ran_onnx_ignore(node, "is_test");
    ran_value *operands[] = {
        ran_onnx_input(node, 0),
        ran_onnx_const_scalar(node, ran_onnx_input_elem(node, 0), ratio),
    };
    ran_status status = ran_onnx_map(node, RAN_OP_DROPOUT, 2, operands);
    if (status == RAN_OK && node->since < 10 && node->output_count > 1) {
        node->outputs[1] = ran_onnx_cast(node, node->outputs[1], ran_onnx_input_elem(node, 0));
        status = node->outputs[1] ? RAN_OK : RAN_INVALID;
    }
    return status;
}
