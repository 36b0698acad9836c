/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Inference and counting that the ops that compute share. */
#include "ir/ops/compute.h"

static const char *operand_name(const ran_infer *infer, size_t index)
{
    const ran_op_def *def = ran_op_definition(infer->op->opcode);
    return index < def->operand_count ? def->operands[index].name : "xs";
}

ran_status ran_infer_check_elem(const ran_infer *infer, size_t operand, const char *classes)
{
    const ran_type *type = ran_infer_operand(infer, operand);
    if (!type || (ran_type_is_tensor(type) && ran_elem_in(ran_type_elem(type), classes)))
        return RAN_OK;
    return ran_infer_error(infer, "operand %s: element type of %s is not allowed here",
                           operand_name(infer, operand), ran_type_text(infer->context, type));
}

ran_status ran_infer_check_same_elem(const ran_infer *infer, size_t a, size_t b)
{
    const ran_type *first = ran_infer_operand(infer, a), *second = ran_infer_operand(infer, b);
    if (!first || !second || ran_type_elem(first) == ran_type_elem(second))
        return RAN_OK;
    return ran_infer_error(infer, "operands %s and %s: element types of %s and %s differ",
                           operand_name(infer, a), operand_name(infer, b),
                           ran_type_text(infer->context, first),
                           ran_type_text(infer->context, second));
}

ran_status ran_infer_check_min_rank(const ran_infer *infer, size_t operand, int minimum)
{
    const ran_type *type = ran_infer_operand(infer, operand);
    if (!type || ran_type_rank(type) < 0 || ran_type_rank(type) >= minimum)
        return RAN_OK;
    return ran_infer_error(infer, "operand %s: expected rank %d at least, got %s",
                           operand_name(infer, operand), minimum,
                           ran_type_text(infer->context, type));
}

ran_status ran_infer_axis(const ran_infer *infer, int64_t axis, int rank, int *out_axis)
{
    *out_axis = ran_axis(axis, rank);
    if (*out_axis >= 0)
        return RAN_OK;
    return ran_infer_error(infer, "axis %lld is out of range for rank %d", (long long)axis, rank);
}

ran_status ran_infer_like_first(ran_infer *infer, size_t index)
{
    if (index < infer->op->result_count)
        infer->results[index] = infer->operands[0];
    return RAN_OK;
}

const ran_tensor *ran_infer_tensor(const ran_infer *infer, size_t operand)
{
    return operand < infer->op->operand_count ? infer->tensors[operand] : NULL;
}

const ran_dim *ran_dim_floor_constant(ran_context *context, const ran_dim *a, int64_t b)
{
    return ran_dim_binary(context, RAN_DIM_FLOORDIV, a, ran_dim_constant(context, b));
}

const ran_dim *ran_dim_ceil_constant(ran_context *context, const ran_dim *a, int64_t b)
{
    return ran_dim_binary(context, RAN_DIM_CEILDIV, a, ran_dim_constant(context, b));
}

int64_t ran_count_extent(const ran_value *value, int axis)
{
    const ran_type *type = value ? ran_value_type(value) : NULL;
    if (!type || !ran_type_is_tensor(type))
        return 0;
    axis = axis < 0 ? axis + ran_type_rank(type) : axis;
    if (axis < 0 || axis >= ran_type_rank(type))
        return 0;
    const ran_dim *dim = ran_type_dim(type, axis);
    return ran_dim_is_constant(dim) ? ran_dim_value(dim) : 1;
}

int64_t ran_count_numel(const ran_value *value)
{
    return value ? ran_type_numel_or_one(ran_value_type(value)) : 0;
}
