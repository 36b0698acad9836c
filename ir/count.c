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

/* How many of `count` spread-out entries of a constant satisfy the test, scaled to `numel`. */
static int64_t share_of(const ran_tensor *constant, double linear, int64_t numel)
{
    int64_t count = ran_tensor_numel(constant), nonlinear = 0;
    for (int64_t i = 0; i < count; i++)
        nonlinear += ran_tensor_get_f64(constant, i) != linear;
    return count && numel % count == 0 ? numel / count * nonlinear : numel;
}

/* The constant mask of the choice that alone uses the value as its second branch. */
static const ran_tensor *mask_behind(const ran_value *value)
{
    const ran_use *use = ran_value_first_use(value);
    if (!ran_value_has_one_use(value) || ran_use_op(use)->opcode != RAN_OP_WHERE ||
        ran_use_index(use) != 2)
        return NULL;
    return ran_value_constant(ran_op_operand(ran_use_op(use), 0));
}

/* Where the slope is 1, or a constant mask takes x itself, an activation is linear. */
static int64_t nonlinear_elements(const ran_op *op)
{
    int64_t numel = ran_type_numel_or_one(op->results[0].type);
    const ran_tensor *slope =
        op->opcode == RAN_OP_PRELU ? ran_value_constant(ran_op_operand(op, 1)) : NULL;
    const ran_tensor *mask = mask_behind(&op->results[0]);
    if (slope)
        return share_of(slope, 1, numel);
    return mask ? share_of(mask, 1, numel) : numel;
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
        if (i == 0 && numel && (d->flags & RAN_FLAG_NONLINEAR))
            counts->nonlinear_elements += nonlinear_elements(op);
        if (i == 0 && op->opcode == RAN_OP_RELU)
            counts->relu_elements += nonlinear_elements(op);
    }
    if (d->hooks->count)
        d->hooks->count(op, counts);
}
