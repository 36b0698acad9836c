/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Counts of one op, for one run. A size that is not bound counts as 1: one image of a batch. */
#include "ir/ir.h"

int64_t ran_type_numel_or_one(const ran_type *type)
{
    int64_t numel = 1;
    if (!type || !ran_type_is_tensor(type))
        return 0;
    for (int i = 0; i < type->rank; i++)
        if (type->dims[i]->kind == RAN_DIM_CONSTANT &&
            __builtin_mul_overflow(numel, type->dims[i]->value, &numel))
            return INT64_MAX;
    return numel;
}

/* Shapes, axes and scalars are no parameters of a model. */
static bool is_parameter(const ran_value *value)
{
    const ran_tensor *tensor = ran_value_constant(value);
    if (!tensor || ran_tensor_rank(tensor) == 0)
        return false;
    ran_elem elem = ran_tensor_elem(tensor);
    return ran_elem_is_float(elem) || (ran_elem_is_int(elem) && ran_elem_bits(elem) <= 8);
}

void ran_count_op(const ran_op *op, ran_counts *counts)
{
    const ran_op_def *d = ran_op_definition(op->opcode);
    RAN_FOR_OPERANDS(op, i, value)
    {
        if (is_parameter(value))
            counts->parameters += ran_tensor_numel(value->tensor);
    }
    for (size_t i = 0; i < op->result_count; i++) {
        int64_t numel = ran_type_numel_or_one(op->results[i].type);
        if (numel)
            counts->activation_bytes +=
                (int64_t)ran_elem_bytes(ran_type_elem(op->results[i].type), numel);
        if (i == 0 && (d->flags & RAN_FLAG_NONLINEAR))
            counts->nonlinear_elements += numel;
        if (i == 0 && op->opcode == RAN_OP_RELU)
            counts->relu_elements += numel;
    }
    if (d->hooks->count)
        d->hooks->count(op, counts);
}
