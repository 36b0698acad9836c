/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Softmax and arg: the operand as [outer, axis, inner]. */
#include "codegen/reduce/rows.h"

#include "codegen/reduce/reduce.h"

static int axis_of(const ran_op *op)
{
    return ran_axis(ran_op_int(op, "axis"),
                    ran_type_rank(ran_value_type(ran_op_operand(op, 0))));
}

/* (outer, axis, inner), without a coordinate where lanes must not be: an inner of no axes is left
 * out, so that the axis itself has the lanes. */
static void make_space(const ran_type *type, int axis, ran_space *out)
{
    int rank = ran_type_rank(type);
    *out = (ran_space){.type = type, .rank = axis + 1 == rank ? 2 : 3};
    out->axes[0].first = 0;
    out->axes[0].last = axis - 1;
    out->axes[1].first = out->axes[1].last = axis;
    out->axes[2].first = axis + 1;
    out->axes[2].last = rank - 1;
}

static void set_view(ran_emission *e)
{
    const ran_type *x = ran_value_type(ran_op_operand(e->anchor, 0));
    make_space(x, axis_of(e->anchor), &e->load);
    const ran_dim *outer = ran_space_extent(e->context, &e->load, 0);
    RAN_SPEC_DIM(e, struct rows_spec, outer, outer);
    RAN_SPEC_DIM(e, struct rows_spec, extent, ran_space_extent(e->context, &e->load, 1));
    RAN_SPEC_DIM(e, struct rows_spec, inner,
                 e->load.rank == 3 ? ran_space_extent(e->context, &e->load, 2)
                                   : ran_dim_constant(e->context, 1));
    e->has_load = true;
    e->tasks = outer;
}

/* An inner of several axes needs one stride for its lanes, in every operand around the anchor. */
static bool inner_is_simple(const ran_op *anchor)
{
    bool around = ran_op_prev(anchor) || !ran_op_is(ran_op_next(anchor), RAN_OP_YIELD);
    return !around || axis_of(anchor) + 2 >= ran_type_rank(ran_value_type(ran_op_operand(anchor, 0)));
}

static bool in_kernel(const ran_op *op)
{
    return ran_op_is(ran_region_parent_op(ran_op_parent(op)), RAN_OP_KERNEL);
}

bool ran_softmax_accepts(const ran_op *anchor, const ran_target *target)
{
    const ran_type *type = ran_value_type(ran_op_operand(anchor, 0));
    ran_elem elem = ran_type_elem(type);
    (void)target;
    return (elem == RAN_ELEM_F32 || elem == RAN_ELEM_F64) && ran_type_rank(type) > 0 &&
           (in_kernel(anchor) ? inner_is_simple(anchor)
                              : axis_of(anchor) + 2 >= ran_type_rank(type));
}

ran_status ran_softmax_describe(ran_emission *e)
{
    static const struct {
        ran_opcode opcode;
        int64_t kind;
    } kinds[] = {{RAN_OP_SOFTMAX, ROWS_SOFTMAX},
                 {RAN_OP_LOG_SOFTMAX, ROWS_LOG_SOFTMAX},
                 {RAN_OP_HARDMAX, ROWS_HARDMAX}};
    ran_elem elem = ran_type_elem(ran_value_type(ran_op_operand(e->anchor, 0)));
    set_view(e);
    make_space(ran_value_type(ran_op_result(e->anchor, 0)), axis_of(e->anchor), &e->store);
    for (size_t i = 0; i < sizeof(kinds) / sizeof(*kinds); i++)
        if (kinds[i].opcode == e->anchor->opcode)
            RAN_SPEC(e, struct rows_spec, kind, kinds[i].kind);
    e->body = "reduce/softmax";
    e->function = ran_intern_printf(e->context, "softmax_%s", ran_elem_name(elem));
    int64_t bytes = ran_elem_bits(elem) / 8 * e->target->lanes;
    const ran_dim *extent = ran_space_extent(e->context, &e->load, 1);
    /* Room for `extent` vectors serves both ways. */
    e->scratch = ran_dim_binary(e->context, RAN_DIM_MUL, extent,
                                ran_dim_constant(e->context, bytes));
    return RAN_OK;
}

bool ran_arg_accepts(const ran_op *anchor, const ran_target *target)
{
    const ran_type *type = ran_value_type(ran_op_operand(anchor, 0));
    (void)target;
    switch (ran_type_elem(type)) {
    case RAN_ELEM_F32:
    case RAN_ELEM_F64:
    case RAN_ELEM_I8:
    case RAN_ELEM_U8:
    case RAN_ELEM_I32:
    case RAN_ELEM_I64:
        return ran_type_rank(type) > 0 && (!in_kernel(anchor) || inner_is_simple(anchor));
    default:
        return false;
    }
}

ran_status ran_arg_describe(ran_emission *e)
{
    ran_elem elem = ran_type_elem(ran_value_type(ran_op_operand(e->anchor, 0)));
    set_view(e);
    e->store = e->load;
    e->body = "reduce/arg";
    e->function = ran_intern_printf(e->context, "arg_%s", ran_elem_name(elem));
    RAN_SPEC(e, struct rows_spec, kind, e->anchor->opcode == RAN_OP_ARG_MIN);
    RAN_SPEC(e, struct rows_spec, y, ran_emission_io_result(e, 0));
    RAN_SPEC(e, struct rows_spec, last_index, ran_op_int(e->anchor, "select_last_index"));
    return RAN_OK;
}
