/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "codegen/random/random.h"

#include "codegen/random/random_spec.h"

enum { BLOCKS_A_TASK = 4096 }; /* a multiple of every vector's lanes */

bool ran_counter_random_accepts(const ran_op *anchor, const ran_target *target)
{
    (void)target;
    return ran_type_elem(ran_value_type(ran_op_result(anchor, 0))) == RAN_ELEM_F32;
}

ran_status ran_counter_random_describe(ran_emission *e)
{
    const ran_type *type = ran_value_type(ran_op_result(e->anchor, 0));
    int64_t count = 1;
    for (int i = 0; i < ran_type_rank(type); i++)
        count *= ran_type_extent(type, i);
    int64_t blocks = (count + 3) / 4;
    e->body = "random/random";
    e->function = "counter_random";
    RAN_SPEC(e, struct random_spec, seed, ran_emission_io(e, ran_op_operand(e->anchor, 0)));
    RAN_SPEC(e, struct random_spec, counter, ran_emission_io(e, ran_op_operand(e->anchor, 1)));
    RAN_SPEC(e, struct random_spec, y, ran_emission_io_result(e, 0));
    RAN_SPEC(e, struct random_spec, stream, ran_op_int(e->anchor, "stream"));
    RAN_SPEC(e, struct random_spec, count, count);
    RAN_SPEC(e, struct random_spec, blocks_per_task, BLOCKS_A_TASK);
    e->tasks = ran_dim_constant(e->context, (blocks + BLOCKS_A_TASK - 1) / BLOCKS_A_TASK);
    ran_space_of_type(type, &e->store);
    return RAN_OK;
}
