/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "codegen/reduce/reduce.h"

#include "codegen/reduce/reduce_spec.h"

enum { TASK_ELEMENTS = 32768 };

static const struct kind {
    ran_opcode opcode;
    int64_t kind;
    bool integers;
} kinds[] = {
    {RAN_OP_REDUCE_SUM, REDUCE_SUM, true},
    {RAN_OP_REDUCE_MEAN, REDUCE_MEAN, true},
    {RAN_OP_REDUCE_MAX, REDUCE_MAX, true},
    {RAN_OP_REDUCE_MIN, REDUCE_MIN, true},
    {RAN_OP_REDUCE_PROD, REDUCE_PROD, true},
    {RAN_OP_REDUCE_L1, REDUCE_L1, true},
    {RAN_OP_REDUCE_L2, REDUCE_L2, false},
    {RAN_OP_REDUCE_LOG_SUM, REDUCE_LOG_SUM, false},
    {RAN_OP_REDUCE_LOG_SUM_EXP, REDUCE_LOG_SUM_EXP, false},
    {RAN_OP_REDUCE_SUM_SQUARE, REDUCE_SUM_SQUARE, true},
};

static const struct kind *kind_of(const ran_op *op)
{
    for (size_t i = 0; i < sizeof(kinds) / sizeof(*kinds); i++)
        if (kinds[i].opcode == op->opcode)
            return &kinds[i];
    return NULL;
}

/* Which axes are reduced; false when they are not known. */
static bool reduced_axes(const ran_op *op, bool *out_reduced)
{
    int64_t axes[RAN_MAX_RANK];
    int rank = ran_type_rank(ran_value_type(ran_op_operand(op, 0)));
    int64_t count = ran_op_operand(op, 1) ? ran_op_known_ints(op, 1, axes, RAN_MAX_RANK) : 0;
    if (count < 0)
        return false;
    bool all = count == 0 && !ran_op_int(op, "noop_with_empty_axes");
    for (int i = 0; i < rank; i++)
        out_reduced[i] = all;
    for (int64_t i = 0; i < count; i++)
        out_reduced[ran_axis(axes[i], rank)] = true;
    return true;
}

bool ran_reduce_accepts(const ran_op *anchor, const ran_target *target)
{
    bool reduced[RAN_MAX_RANK];
    const ran_type *type = ran_value_type(ran_op_operand(anchor, 0));
    ran_elem elem = ran_type_elem(type);
    (void)target;
    bool integer = elem == RAN_ELEM_I8 || elem == RAN_ELEM_U8 || elem == RAN_ELEM_I32 ||
                   elem == RAN_ELEM_U32 || elem == RAN_ELEM_I64 || elem == RAN_ELEM_U64;
    bool floating = elem == RAN_ELEM_F32 || elem == RAN_ELEM_F64;
    return ran_type_rank(type) < REDUCE_RANK && reduced_axes(anchor, reduced) &&
           (floating || (integer && kind_of(anchor)->integers));
}

/* Runs of axes of the same kind; with other ops around the last axes of x and of the result stay
 * alone, for operands of these may not run on as x does. */
static void make_spaces(ran_emission *e, const bool *reduced)
{
    int last_kept = ran_type_rank(ran_value_type(ran_op_operand(e->anchor, 0))) - 1;
    while (last_kept >= 0 && reduced[last_kept])
        last_kept--;
    const ran_type *x = ran_value_type(ran_op_operand(e->anchor, 0));
    bool keepdims = ran_op_int(e->anchor, "keepdims");
    bool alone = ran_op_prev(e->anchor) != NULL || ran_op_next(ran_op_next(e->anchor)) != NULL;
    int rank = ran_type_rank(x), gone = 0;
    e->load = (ran_space){.type = x};
    e->store = (ran_space){.type = ran_value_type(ran_op_result(e->anchor, 0))};
    for (int axis = 0; axis < rank; axis++) {
        bool is_last = axis + 1 == rank || axis == last_kept;
        bool joins = axis && reduced[axis] == reduced[axis - 1] && !(alone && is_last);
        if (!joins) {
            e->load.axes[e->load.rank].first = axis;
            e->store.axes[e->store.rank].first = axis - gone;
            e->load.rank++;
            e->store.rank += !reduced[axis];
        }
        e->load.axes[e->load.rank - 1].last = axis;
        if (!reduced[axis])
            e->store.axes[e->store.rank - 1].last = axis - gone;
        gone += reduced[axis] && !keepdims;
    }
    for (ran_space *space = &e->load;; space = &e->store) {
        if (!space->rank) {
            space->axes[0].last = -1;
            space->axes[0].first = 0;
            space->rank = 1;
        }
        if (space == &e->store)
            return;
    }
}

static void set_extents(ran_emission *e, const bool *reduced)
{
    ran_context *context = e->context;
    const ran_dim *one = ran_dim_constant(context, 1), *rows = one, *inner = one, *count = one;
    int kept = 0;
    for (int d = 0; d < e->load.rank; d++) {
        size_t at = (size_t)d;
        bool empty = e->load.axes[d].last < e->load.axes[d].first;
        bool is_reduced = !empty && reduced[e->load.axes[d].first];
        const ran_dim *extent = ran_space_extent(context, &e->load, d);
        ran_emission_set_dim(e, RAN_SPEC_WORD(struct reduce_spec, extent) + at, extent);
        ran_emission_set(e, RAN_SPEC_WORD(struct reduce_spec, reduced) + at, is_reduced);
        kept += !is_reduced;
        if (is_reduced)
            count = ran_dim_binary(context, RAN_DIM_MUL, count, extent);
        if (d + 1 == e->load.rank)
            break;
        const ran_dim **product = is_reduced ? &inner : &rows;
        *product = ran_dim_binary(context, RAN_DIM_MUL, *product, extent);
    }
    RAN_SPEC(e, struct reduce_spec, kept_rank, kept ? kept : 1);
    RAN_SPEC_DIM(e, struct reduce_spec, count, count);
    RAN_SPEC_DIM(e, struct reduce_spec, inner, inner);
    RAN_SPEC_DIM(e, struct reduce_spec, rows, rows);
    int64_t work = ran_dim_is_constant(count) ? ran_dim_value(count) : 1024;
    int64_t rows_per_task = work > 0 && work < TASK_ELEMENTS ? TASK_ELEMENTS / work : 1;
    RAN_SPEC(e, struct reduce_spec, rows_per_task, rows_per_task);
    e->tasks = ran_dim_binary(context, RAN_DIM_CEILDIV, rows,
                              ran_dim_constant(context, rows_per_task));
}

ran_status ran_reduce_describe(ran_emission *e)
{
    bool reduced[RAN_MAX_RANK];
    RAN_ASSERT(e->context, reduced_axes(e->anchor, reduced));
    ran_elem elem = ran_type_elem(ran_value_type(ran_op_operand(e->anchor, 0)));
    e->body = "reduce/reduce";
    e->function = ran_intern_printf(e->context, "reduce_%s", ran_elem_name(elem));
    e->has_load = true;
    make_spaces(e, reduced);
    RAN_SPEC(e, struct reduce_spec, kind, kind_of(e->anchor)->kind);
    RAN_SPEC(e, struct reduce_spec, rank, e->load.rank);
    set_extents(e, reduced);
    return RAN_OK;
}
