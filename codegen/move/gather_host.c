/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "codegen/move/gather.h"

#include "codegen/move/move.h"

static const ran_dim *product(ran_context *context, const ran_type *type, int first, int last)
{
    const ran_dim *result = ran_dim_constant(context, 1);
    for (int i = first; i < last; i++)
        result = ran_dim_binary(context, RAN_DIM_MUL, result, ran_type_dim(type, i));
    return result;
}

bool ran_gather_accepts(const ran_op *anchor, const ran_target *target)
{
    ran_elem elem = ran_type_elem(ran_value_type(ran_op_operand(anchor, 1)));
    unsigned bits = ran_elem_bits(ran_type_elem(ran_value_type(ran_op_operand(anchor, 0))));
    (void)target;
    return bits && bits % 8 == 0 && (elem == RAN_ELEM_I64 || elem == RAN_ELEM_I32);
}

ran_status ran_gather_describe(ran_emission *e)
{
    const ran_type *x = ran_value_type(ran_op_operand(e->anchor, 0));
    const ran_type *indices = ran_value_type(ran_op_operand(e->anchor, 1));
    int axis = ran_axis(ran_op_int(e->anchor, "axis"), ran_type_rank(x));
    const ran_dim *outer = product(e->context, x, 0, axis);
    const ran_dim *count = product(e->context, indices, 0, ran_type_rank(indices));
    int64_t bytes = ran_elem_bits(ran_type_elem(x)) / 8;
    e->body = "move/gather";
    e->function = "gather";
    RAN_SPEC(e, struct gather_spec, x, ran_emission_io(e, ran_op_operand(e->anchor, 0)));
    RAN_SPEC(e, struct gather_spec, indices, ran_emission_io(e, ran_op_operand(e->anchor, 1)));
    RAN_SPEC(e, struct gather_spec, y, ran_emission_io_result(e, 0));
    RAN_SPEC(e, struct gather_spec, status, ran_emission_io_status(e));
    RAN_SPEC(e, struct gather_spec, wide, ran_type_elem(indices) == RAN_ELEM_I64);
    RAN_SPEC_DIM(e, struct gather_spec, outer, outer);
    RAN_SPEC_DIM(e, struct gather_spec, count, count);
    RAN_SPEC_DIM(e, struct gather_spec, extent, ran_type_dim(x, axis));
    RAN_SPEC_DIM(e, struct gather_spec, inner,
                 ran_dim_binary(e->context, RAN_DIM_MUL,
                                product(e->context, x, axis + 1, ran_type_rank(x)),
                                ran_dim_constant(e->context, bytes)));
    e->tasks = ran_dim_binary(e->context, RAN_DIM_MUL, outer, count);
    return RAN_OK;
}
