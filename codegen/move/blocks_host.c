/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Concat and split: the joined tensor as rows of runs, one run a part. */
#include "codegen/move/blocks.h"

#include "codegen/move/move.h"

/* Bytes of a part's run: its extents from the axis on, in its physical layout. */
static const ran_dim *run_bytes(ran_context *context, const ran_type *type, int axis)
{
    ran_layout layout = ran_type_layout(type);
    int64_t bytes = ran_elem_bits(ran_type_elem(type)) / 8;
    const ran_dim *run =
        ran_dim_constant(context, bytes * (layout.block ? layout.block : 1));
    for (int i = axis; i < ran_type_rank(type); i++) {
        const ran_dim *dim = ran_type_dim(type, i);
        if (layout.block && i == layout.axis)
            dim = ran_dim_binary(context, RAN_DIM_CEILDIV, dim,
                                 ran_dim_constant(context, layout.block));
        run = ran_dim_binary(context, RAN_DIM_MUL, run, dim);
    }
    return run;
}

static const ran_dim *outer_rows(ran_context *context, const ran_type *type, int axis)
{
    ran_layout layout = ran_type_layout(type);
    const ran_dim *rows = ran_dim_constant(context, 1);
    for (int i = 0; i < axis; i++) {
        const ran_dim *dim = ran_type_dim(type, i);
        if (layout.block && i == layout.axis)
            dim = ran_dim_binary(context, RAN_DIM_CEILDIV, dim,
                                 ran_dim_constant(context, layout.block));
        rows = ran_dim_binary(context, RAN_DIM_MUL, rows, dim);
    }
    return rows;
}

static void describe(ran_emission *e, const ran_type *joined, int axis, size_t parts,
                     const ran_type *const *types)
{
    const ran_dim *start = ran_dim_constant(e->context, 0);
    e->body = "move/blocks";
    for (size_t i = 0; i < parts; i++) {
        const ran_dim *bytes = run_bytes(e->context, types[i], axis);
        ran_emission_set_dim(e, RAN_SPEC_WORD(struct blocks_spec, bytes) + i, bytes);
        ran_emission_set_dim(e, RAN_SPEC_WORD(struct blocks_spec, start) + i, start);
        start = ran_dim_binary(e->context, RAN_DIM_ADD, start, bytes);
    }
    RAN_SPEC_DIM(e, struct blocks_spec, row, start);
    RAN_SPEC(e, struct blocks_spec, parts, (int64_t)parts);
    e->tasks = outer_rows(e->context, joined, axis);
    RAN_SPEC_DIM(e, struct blocks_spec, outer, e->tasks);
}

static bool whole_bytes(const ran_value *value)
{
    return ran_elem_bits(ran_type_elem(ran_value_type(value))) % 8 == 0 &&
           ran_elem_bits(ran_type_elem(ran_value_type(value))) > 0;
}

static int axis_of(const ran_op *op)
{
    return ran_axis(ran_op_int(op, "axis"),
                    ran_type_rank(ran_value_type(ran_op_operand(op, 0))));
}

bool ran_concat_accepts(const ran_op *anchor, const ran_target *target)
{
    (void)target;
    return anchor->operand_count <= BLOCKS_PARTS && whole_bytes(ran_op_operand(anchor, 0));
}

ran_status ran_concat_describe(ran_emission *e)
{
    const ran_type *types[BLOCKS_PARTS];
    for (size_t i = 0; i < e->anchor->operand_count; i++) {
        types[i] = ran_value_type(ran_op_operand(e->anchor, i));
        ran_emission_set(e, RAN_SPEC_WORD(struct blocks_spec, part) + i,
                         ran_emission_io(e, ran_op_operand(e->anchor, i)));
    }
    e->function = "concat";
    describe(e, ran_value_type(ran_op_result(e->anchor, 0)), axis_of(e->anchor),
             e->anchor->operand_count, types);
    RAN_SPEC(e, struct blocks_spec, joined, ran_emission_io_result(e, 0));
    return RAN_OK;
}

bool ran_split_accepts(const ran_op *anchor, const ran_target *target)
{
    (void)target;
    return anchor->result_count <= BLOCKS_PARTS && whole_bytes(ran_op_operand(anchor, 0));
}

ran_status ran_split_describe(ran_emission *e)
{
    const ran_type *types[BLOCKS_PARTS];
    for (size_t i = 0; i < e->anchor->result_count; i++) {
        types[i] = ran_value_type(ran_op_result(e->anchor, i));
        ran_emission_set(e, RAN_SPEC_WORD(struct blocks_spec, part) + i,
                         ran_emission_io_result(e, i));
    }
    e->function = "split";
    describe(e, ran_value_type(ran_op_operand(e->anchor, 0)), axis_of(e->anchor),
             e->anchor->result_count, types);
    RAN_SPEC(e, struct blocks_spec, joined, ran_emission_io(e, ran_op_operand(e->anchor, 0)));
    return RAN_OK;
}
