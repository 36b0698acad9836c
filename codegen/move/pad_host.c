/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "codegen/move/pad.h"

#include <string.h>

#include "codegen/move/move.h"

static int64_t mode_of(const ran_op *op)
{
    static const char *const modes[] = {[PAD_CONSTANT] = "constant", [PAD_EDGE] = "edge",
                                        [PAD_REFLECT] = "reflect", [PAD_WRAP] = "wrap"};
    for (size_t i = 0; i < sizeof(modes) / sizeof(*modes); i++)
        if (!strcmp(ran_op_string(op, "mode"), modes[i]))
            return (int64_t)i;
    return -1;
}

/* The rim before each axis; false when it is not known. */
static bool begin_pads(const ran_op *op, int rank, int64_t *out_before)
{
    int64_t pads[2 * RAN_MAX_RANK], axes[RAN_MAX_RANK];
    int64_t count = ran_op_known_ints(op, 1, pads, 2 * RAN_MAX_RANK) / 2;
    if (count <= 0)
        return false;
    for (int i = 0; i < rank; i++) {
        out_before[i] = 0;
        axes[i] = i;
    }
    if (ran_op_operand(op, 3) && ran_op_known_ints(op, 3, axes, RAN_MAX_RANK) != count)
        return false;
    for (int64_t i = 0; i < count; i++)
        out_before[ran_axis(axes[i], rank)] = pads[i];
    return true;
}

bool ran_pad_accepts(const ran_op *anchor, const ran_target *target)
{
    int64_t before[RAN_MAX_RANK];
    int rank = ran_type_rank(ran_value_type(ran_op_result(anchor, 0)));
    (void)target;
    return ran_move_takes_elem(ran_op_result(anchor, 0)) && rank >= 1 && rank <= PAD_RANK &&
           mode_of(anchor) >= 0 && begin_pads(anchor, rank, before);
}

ran_status ran_pad_describe(ran_emission *e)
{
    int64_t before[RAN_MAX_RANK];
    const ran_type *from = ran_value_type(ran_op_operand(e->anchor, 0));
    const ran_type *to = ran_value_type(ran_op_result(e->anchor, 0));
    const ran_value *value = ran_op_operand(e->anchor, 2);
    const ran_dim *rows = ran_dim_constant(e->context, 1);
    int rank = ran_type_rank(to);
    RAN_ASSERT(e->context, begin_pads(e->anchor, rank, before));
    for (int i = 0; i < rank; i++) {
        size_t at = (size_t)i;
        ran_emission_set_dim(e, RAN_SPEC_WORD(struct pad_spec, extent) + at, ran_type_dim(to, i));
        ran_emission_set_dim(e, RAN_SPEC_WORD(struct pad_spec, source) + at,
                             ran_type_dim(from, i));
        ran_emission_set(e, RAN_SPEC_WORD(struct pad_spec, before) + at, before[i]);
        if (i + 1 < rank)
            rows = ran_dim_binary(e->context, RAN_DIM_MUL, rows, ran_type_dim(to, i));
    }
    e->body = "move/pad";
    e->function = ran_move_function(e, "pad", ran_type_elem(to));
    e->stored = true;
    ran_space_of_type(to, &e->store);
    int64_t rows_per_task = ran_move_rows_per_task(ran_type_dim(to, rank - 1));
    RAN_SPEC(e, struct pad_spec, x, ran_emission_io(e, ran_op_operand(e->anchor, 0)));
    RAN_SPEC(e, struct pad_spec, value, ran_emission_io(e, value));
    RAN_SPEC(e, struct pad_spec, mode, mode_of(e->anchor));
    RAN_SPEC(e, struct pad_spec, rank, rank);
    RAN_SPEC_DIM(e, struct pad_spec, rows, rows);
    RAN_SPEC(e, struct pad_spec, rows_per_task, rows_per_task);
    e->tasks = ran_dim_binary(e->context, RAN_DIM_CEILDIV, rows,
                              ran_dim_constant(e->context, rows_per_task));
    return RAN_OK;
}
