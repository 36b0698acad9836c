/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Template of a kernel's host side, codegen/normalize/center_host.c. Its row in the family's
 * kernels.def:
 *
 *   RAN_KERNEL("center", .anchor = RAN_OP_CENTER, .layout = RAN_LAYOUT_PLAIN, .epilogue = true,
 *              .what = "lines along the last axis, minus their mean",
 *              .accepts = ran_center_accepts, .describe = ran_center_describe)
 */
#include "kernel.h"

#include "codegen/codegen.h"

bool ran_center_accepts(const ran_op *anchor, const ran_target *target);
ran_status ran_center_describe(ran_emission *e);

enum { ROWS_A_TASK = 16 };

bool ran_center_accepts(const ran_op *anchor, const ran_target *target)
{
    const ran_type *type = ran_value_type(ran_op_result(anchor, 0));
    int rank = ran_type_rank(type);
    (void)target;
    return ran_type_elem(type) == RAN_ELEM_F32 && rank > 0 &&
           ran_axis(ran_op_int(anchor, "axis"), rank) == rank - 1;
}

/* Sizes are dimensions, not numbers: a symbolic batch needs nothing of its own. */
ran_status ran_center_describe(ran_emission *e)
{
    const ran_type *type = ran_value_type(ran_op_result(e->anchor, 0));
    int last = ran_type_rank(type) - 1;
    e->store = (ran_space){.type = type, .rank = 2, .axes = {{0, last - 1}, {last, last}}};
    const ran_dim *rows = ran_space_extent(e->context, &e->store, 0);
    e->body = "normalize/center";
    e->function = "center";
    RAN_SPEC(e, struct center_spec, x, ran_emission_io(e, ran_op_operand(e->anchor, 0)));
    RAN_SPEC(e, struct center_spec, rows_per_task, ROWS_A_TASK);
    RAN_SPEC_DIM(e, struct center_spec, rows, rows);
    RAN_SPEC_DIM(e, struct center_spec, length, ran_type_dim(type, last));
    e->tasks = ran_dim_binary(e->context, RAN_DIM_CEILDIV, rows,
                              ran_dim_constant(e->context, ROWS_A_TASK));
    return RAN_OK;
}
