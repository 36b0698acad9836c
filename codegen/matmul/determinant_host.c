/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "codegen/matmul/determinant.h"

#include "codegen/matmul/matmul.h"

bool ran_determinant_accepts(const ran_op *anchor, const ran_target *target)
{
    ran_elem elem = ran_type_elem(ran_value_type(ran_op_operand(anchor, 0)));
    (void)target;
    return elem == RAN_ELEM_F32 || elem == RAN_ELEM_F64;
}

ran_status ran_determinant_describe(ran_emission *e)
{
    const ran_type *x = ran_value_type(ran_op_operand(e->anchor, 0));
    int rank = ran_type_rank(x);
    const ran_dim *n = ran_type_dim(x, rank - 1);
    e->body = "matmul/determinant";
    e->function = ran_intern_printf(e->context, "determinant_%s", ran_elem_name(ran_type_elem(x)));
    RAN_SPEC(e, struct determinant_spec, x, ran_emission_io(e, ran_op_operand(e->anchor, 0)));
    RAN_SPEC(e, struct determinant_spec, y, ran_emission_io_result(e, 0));
    RAN_SPEC_DIM(e, struct determinant_spec, n, n);
    e->tasks = ran_dim_constant(e->context, 1);
    for (int i = 0; i < rank - 2; i++)
        e->tasks = ran_dim_binary(e->context, RAN_DIM_MUL, e->tasks, ran_type_dim(x, i));
    const ran_dim *elements = ran_dim_binary(e->context, RAN_DIM_MUL, n, n);
    e->scratch = ran_dim_binary(
        e->context, RAN_DIM_MUL,
        ran_dim_binary(e->context, RAN_DIM_CEILDIV, elements, ran_dim_constant(e->context, 8)),
        ran_dim_constant(e->context, 64));
    return RAN_OK;
}
