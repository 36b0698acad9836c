/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Shapes and data movement: what later opsets take as operands stood in attributes before. */
#include "frontend/onnx.h"

#include <string.h>

/* The attribute as a constant operand; NULL when it is absent. */
static ran_value *ints_operand(ran_onnx_node *node, const char *name)
{
    size_t count;
    const int64_t *values = ran_onnx_ints(node, name, &count);
    return values ? ran_onnx_const_ints(node, values, count) : NULL;
}

ran_status ran_onnx_map_reshape(ran_onnx_node *node)
{
    if (node->since >= 5)
        return ran_onnx_map_generic(node);
    ran_value *operands[] = {ran_onnx_input(node, 0), ints_operand(node, "shape")};
    return ran_onnx_map(node, RAN_OP_RESHAPE, 2, operands);
}

/* Squeeze and Unsqueeze: axes. */
ran_status ran_onnx_map_squeeze(ran_onnx_node *node)
{
    if (node->since >= 13)
        return ran_onnx_map_generic(node);
    ran_value *operands[] = {ran_onnx_input(node, 0), ints_operand(node, "axes")};
    return ran_onnx_map(node, node->row->opcode, operands[1] ? 2 : 1, operands);
}

ran_status ran_onnx_map_reduce(ran_onnx_node *node)
{
    if (node->since >= (node->row->opcode == RAN_OP_REDUCE_SUM ? 13 : 18))
        return ran_onnx_map_generic(node);
    ran_value *operands[] = {ran_onnx_input(node, 0), ints_operand(node, "axes")};
    return ran_onnx_map(node, node->row->opcode, operands[1] ? 2 : 1, operands);
}

ran_status ran_onnx_map_slice(ran_onnx_node *node)
{
    if (node->since >= 10)
        return ran_onnx_map_generic(node);
    ran_value *operands[] = {ran_onnx_input(node, 0), ints_operand(node, "starts"),
                             ints_operand(node, "ends"), ints_operand(node, "axes")};
    return ran_onnx_map(node, RAN_OP_SLICE, operands[3] ? 4 : 3, operands);
}

/* An even split has its number of outputs as an attribute. */
ran_status ran_onnx_map_split(ran_onnx_node *node)
{
    ran_value *split = ran_onnx_input(node, 1);
    if (node->since < 13 && !split)
        split = ints_operand(node, "split");
    ran_value *operands[] = {ran_onnx_input(node, 0), split};
    ran_op *op =
        ran_onnx_create(node, RAN_OP_SPLIT, split ? 2 : 1, operands, node->proto->n_output);
    if (op && !split && !ran_op_has_attr(op, "num_outputs"))
        ran_op_set_int(op, "num_outputs", (int64_t)node->proto->n_output);
    return ran_onnx_finish(node, op);
}

ran_status ran_onnx_map_pad(ran_onnx_node *node)
{
    if (node->since >= 11)
        return ran_onnx_map_generic(node);
    double value = ran_onnx_float(node, "value", 0);
    ran_value *operands[] = {ran_onnx_input(node, 0), ints_operand(node, "pads"),
                             ran_onnx_const_scalar(node, ran_onnx_input_elem(node, 0), value)};
    return ran_onnx_map(node, RAN_OP_PAD, 3, operands);
}

ran_status ran_onnx_map_topk(ran_onnx_node *node)
{
    if (node->since >= 10)
        return ran_onnx_map_generic(node);
    if (!ran_onnx_has_attr(node, "k"))
        return ran_onnx_node_error(node, RAN_INVALID, "attribute 'k' is missing");
    int64_t k = ran_onnx_int(node, "k", 0);
    ran_value *operands[] = {ran_onnx_input(node, 0), ran_onnx_const_ints(node, &k, 1)};
    return ran_onnx_map(node, RAN_OP_TOPK, 2, operands);
}

/* ---- Constants ------------------------------------------------------------------------------- */

static ran_tensor *strings_tensor(const ProtobufCBinaryData *strings, int rank, size_t count)
{
    ran_tensor *tensor = ran_tensor_create(RAN_ELEM_STRING, rank, (int64_t[]){(int64_t)count});
    char **to = ran_tensor_mutable_data(tensor);
    for (size_t i = 0; i < count; i++)
        to[i] = strndup((const char *)strings[i].data, strings[i].len);
    return tensor;
}

static ran_tensor *scalar_tensor(const RanOnnx__Attribute *proto)
{
    ran_tensor *tensor;
    switch (proto->type) {
    case RAN_ONNX__ATTRIBUTE__TYPE__INT:
        tensor = ran_tensor_create(RAN_ELEM_I64, 0, NULL);
        memcpy(ran_tensor_mutable_data(tensor), &proto->i, sizeof(proto->i));
        return tensor;
    case RAN_ONNX__ATTRIBUTE__TYPE__FLOAT:
        tensor = ran_tensor_create(RAN_ELEM_F32, 0, NULL);
        memcpy(ran_tensor_mutable_data(tensor), &proto->f, sizeof(proto->f));
        return tensor;
    case RAN_ONNX__ATTRIBUTE__TYPE__INTS:
        tensor = ran_tensor_create(RAN_ELEM_I64, 1, (int64_t[]){(int64_t)proto->n_ints});
        if (proto->n_ints)
            memcpy(ran_tensor_mutable_data(tensor), proto->ints, proto->n_ints * sizeof(int64_t));
        return tensor;
    case RAN_ONNX__ATTRIBUTE__TYPE__FLOATS:
        tensor = ran_tensor_create(RAN_ELEM_F32, 1, (int64_t[]){(int64_t)proto->n_floats});
        if (proto->n_floats)
            memcpy(ran_tensor_mutable_data(tensor), proto->floats, proto->n_floats * sizeof(float));
        return tensor;
    case RAN_ONNX__ATTRIBUTE__TYPE__STRING:
        return strings_tensor(&proto->s, 0, 1);
    case RAN_ONNX__ATTRIBUTE__TYPE__STRINGS:
        return strings_tensor(proto->strings, 1, proto->n_strings);
    default:
        return NULL;
    }
}

static ran_status constant_tensor(ran_onnx_node *node, ran_tensor **out)
{
    const char *what = ran_intern_printf(node->import->context, "node '%s' (Constant)", node->name);
    const RanOnnx__Attribute *proto = node->attrs[0].proto;
    /* A function's body or a subgraph may be imported more than once. */
    bool move = !node->scope->parent && !node->scope->function;
    if (proto->t)
        return ran_onnx_tensor(node->import, proto->t, what, move, out);
    if (proto->sparse_tensor)
        return ran_onnx_sparse_tensor(node->import, proto->sparse_tensor, what, out);
    *out = scalar_tensor(proto);
    return *out ? RAN_OK : ran_onnx_node_error(node, RAN_INVALID, "its value has no known form");
}

ran_status ran_onnx_map_constant(ran_onnx_node *node)
{
    ran_tensor *tensor = NULL;
    if (node->attr_count != 1 || node->output_count != 1 ||
        (strncmp(node->attrs[0].name, "value", 5) && strcmp(node->attrs[0].name, "sparse_value")))
        return ran_onnx_node_error(node, RAN_INVALID, "it must have one value and one output");
    ran_status status = constant_tensor(node, &tensor);
    if (status != RAN_OK)
        return status;
    node->outputs[0] = ran_constant_create(node->import->module, node->proto->output[0], tensor);
    ran_tensor_release(tensor);
    return RAN_OK;
}
