/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Short texts for messages. */
#include "ir/ir.h"

#include <string.h>

__attribute__((weak)) const char *ran_dim_text(ran_context *context, const ran_dim *dim)
{
    static const char *const signs[] = {[RAN_DIM_ADD] = " + ",
                                        [RAN_DIM_MUL] = " * ",
                                        [RAN_DIM_FLOORDIV] = " floordiv ",
                                        [RAN_DIM_CEILDIV] = " ceildiv ",
                                        [RAN_DIM_MIN] = " min ",
                                        [RAN_DIM_MAX] = " max "};
    if (dim->kind == RAN_DIM_CONSTANT)
        return ran_intern_printf(context, "%lld", (long long)dim->value);
    if (dim->kind == RAN_DIM_SYMBOL)
        return dim->name;
    return ran_intern_printf(context, "(%s%s%s)", ran_dim_text(context, dim->lhs), signs[dim->kind],
                             ran_dim_text(context, dim->rhs));
}

__attribute__((weak)) const char *ran_type_text(ran_context *context, const ran_type *type)
{
    if (type->kind != RAN_TYPE_TENSOR)
        return ran_intern_printf(context, "%s<%s>",
                                 type->kind == RAN_TYPE_SEQUENCE ? "sequence" : "optional",
                                 ran_type_text(context, type->inner));
    const char *dims = type->rank < 0 ? "*x" : "";
    for (int i = 0; i < type->rank; i++)
        dims = ran_intern_printf(context, "%s%sx", dims, ran_dim_text(context, type->dims[i]));
    return ran_intern_printf(context, "tensor<%s%s>", dims, ran_elem_name(type->elem));
}

__attribute__((weak)) const char *ran_op_text(ran_context *context, const ran_op *op)
{
    return ran_intern_printf(context, "%s", ran_opcode_name(op->opcode));
}
