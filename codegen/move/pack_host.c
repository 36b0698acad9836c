/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "codegen/move/pack.h"

#include "codegen/move/move.h"

bool ran_pack_accepts(const ran_op *anchor, const ran_target *target)
{
    const ran_type *type = ran_value_type(ran_op_operand(anchor, 0));
    (void)target;
    return ran_move_takes_elem(ran_op_operand(anchor, 0)) && ran_type_rank(type) <= PACK_RANK;
}

static const ran_dim *times(ran_emission *e, const ran_dim *a, const ran_dim *b)
{
    return ran_dim_binary(e->context, RAN_DIM_MUL, a, b);
}

/* Words of axis or coordinate `i` of an array of the spec. */
#define WORD(field, i) (RAN_SPEC_WORD(struct pack_spec, field) + (size_t)(i))

static void describe_operand(ran_emission *e, const ran_type *type)
{
    const ran_dim *stride = ran_dim_constant(e->context, 1);
    for (int i = ran_type_rank(type) - 1; i >= 0; i--) {
        ran_emission_set_dim(e, WORD(dims, i), ran_type_dim(type, i));
        ran_emission_set_dim(e, WORD(strides, i), stride);
        stride = times(e, stride, ran_type_dim(type, i));
    }
}

ran_status ran_pack_describe(ran_emission *e)
{
    size_t tiles, permuted;
    const ran_type *from = ran_value_type(ran_op_operand(e->anchor, 0));
    const ran_type *to = ran_value_type(ran_op_result(e->anchor, 0));
    const int64_t *axes = ran_op_ints(e->anchor, "inner_dims_pos", NULL);
    const int64_t *sizes = ran_op_ints(e->anchor, "inner_tiles", &tiles);
    const int64_t *perm = ran_op_ints(e->anchor, "outer_dims_perm", &permuted);
    int rank = ran_type_rank(from);
    int64_t elements = 1;
    e->tasks = ran_dim_constant(e->context, 1);
    for (int i = 0; i < rank; i++) {
        int64_t axis = permuted ? perm[i] : i, step = 1;
        for (size_t t = 0; t < tiles; t++)
            step = axes[t] == axis ? sizes[t] : step;
        ran_emission_set_dim(e, WORD(outer, i), ran_type_dim(to, i));
        ran_emission_set(e, WORD(axis, i), axis);
        ran_emission_set(e, WORD(step, i), step);
        e->tasks = times(e, e->tasks, ran_type_dim(to, i));
    }
    for (size_t t = 0; t < tiles; t++) {
        ran_emission_set(e, WORD(tile, t), sizes[t]);
        ran_emission_set(e, WORD(tile_axis, t), axes[t]);
        elements *= sizes[t];
    }
    describe_operand(e, from);
    e->body = "move/pack";
    e->function = ran_move_function(e, "pack", ran_type_elem(from));
    RAN_SPEC(e, struct pack_spec, x, ran_emission_io(e, ran_op_operand(e->anchor, 0)));
    RAN_SPEC(e, struct pack_spec, y, ran_emission_io_result(e, 0));
    RAN_SPEC(e, struct pack_spec, rank, rank);
    RAN_SPEC(e, struct pack_spec, tiles, (int64_t)tiles);
    RAN_SPEC(e, struct pack_spec, tile_elements, elements);
    return RAN_OK;
}
