/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "frontend/ops/compose.h"

/* The op without types; NULL when an operand is missing. */
static ran_op *start(ran_onnx_node *node, ran_opcode opcode, size_t count, ran_value *const *xs)
{
    for (size_t i = 0; i < count; i++)
        if (!xs[i])
            return NULL;
    return node->failed ? NULL : ran_op_create(node->builder, opcode, count, xs, 1);
}

static ran_value *finish(ran_onnx_node *node, ran_op *op)
{
    return op && ran_onnx_infer(node, op) == RAN_OK ? ran_op_result(op, 0) : NULL;
}

static ran_value *with_axis(ran_onnx_node *node, ran_opcode opcode, size_t count,
                            ran_value *const *xs, int64_t axis)
{
    ran_op *op = start(node, opcode, count, xs);
    if (op)
        ran_op_set_int(op, "axis", axis);
    return finish(node, op);
}

ran_value *ran_compose_transpose(ran_onnx_node *node, ran_value *x, const int64_t *perm,
                                 size_t count)
{
    ran_op *op = start(node, RAN_OP_TRANSPOSE, 1, &x);
    if (op)
        ran_op_set_ints(op, "perm", perm, count);
    return finish(node, op);
}

ran_value *ran_compose_concat(ran_onnx_node *node, ran_value *const *xs, size_t count, int64_t axis)
{
    return with_axis(node, RAN_OP_CONCAT, count, xs, axis);
}

ran_value *ran_compose_gather(ran_onnx_node *node, ran_value *x, ran_value *indices, int64_t axis)
{
    return with_axis(node, RAN_OP_GATHER, 2, (ran_value *[]){x, indices}, axis);
}

ran_value *ran_compose_softmax(ran_onnx_node *node, ran_value *x, int64_t axis)
{
    return with_axis(node, RAN_OP_SOFTMAX, 1, &x, axis);
}

ran_value *ran_compose_slice(ran_onnx_node *node, ran_value *x, int64_t axis, int64_t first,
                             int64_t end)
{
    ran_value *operands[] = {x, ran_onnx_const_ints(node, &first, 1),
                             ran_onnx_const_ints(node, &end, 1),
                             ran_onnx_const_ints(node, &axis, 1)};
    return x ? ran_onnx_build_n(node, RAN_OP_SLICE, 4, operands) : NULL;
}

ran_value *ran_compose_extent(ran_onnx_node *node, ran_value *x, int axis)
{
    if (!x || node->failed)
        return NULL;
    const ran_type *type = ran_value_type(x);
    if (ran_type_rank(type) > axis && ran_dim_is_constant(ran_type_dim(type, axis)))
        return ran_onnx_const_int(node, ran_type_extent(type, axis));
    ran_value *shape = ran_onnx_unary(node, RAN_OP_SHAPE, x);
    return ran_compose_gather(node, shape, ran_onnx_const_int(node, axis), 0);
}
