/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "codegen/elementwise/elementwise.h"

#include "codegen/elementwise/map.h"

/* Elements of a task: enough to hide its start, few enough for two cores to share small maps. */
enum { TASK_ELEMENTS = 4096, TYPES_MAX = 80 };

bool ran_map_accepts(const ran_op *anchor, const ran_target *target)
{
    (void)target;
    return anchor == NULL;
}

/* As few coordinates as the operands' and results' strides allow. */
static void choose_space(ran_emission *e)
{
    const ran_region *region = ran_op_region(e->kernel, 0);
    const ran_op *yield = ran_region_terminator(region);
    const ran_type *types[TYPES_MAX];
    size_t count = 0;
    for (size_t i = 0; i < ran_region_argument_count(region) && count < TYPES_MAX; i++)
        types[count++] = ran_value_type(ran_region_argument(region, i));
    for (size_t i = 0; i < ran_op_operand_count(yield) && count < TYPES_MAX; i++)
        types[count++] = ran_value_type(ran_op_operand(yield, i));
    RAN_ASSERT(e->context, count < TYPES_MAX);
    ran_space_collapse(e->context, types[count - 1], types, count, &e->store);
}

/* How many of `extent` a task takes when each costs `cost` elements. */
static int64_t chunk(const ran_dim *extent, int64_t cost)
{
    int64_t most = cost < TASK_ELEMENTS ? TASK_ELEMENTS / cost : 1;
    return ran_dim_is_constant(extent) && ran_dim_value(extent) < most ? ran_dim_value(extent)
                                                                       : most;
}

ran_status ran_map_describe(ran_emission *e)
{
    ran_context *context = e->context;
    choose_space(e);
    e->body = "elementwise/map";
    e->function = "map";
    const ran_dim *rows = ran_dim_constant(context, 1);
    for (int i = 0; i < e->store.rank; i++) {
        const ran_dim *extent = ran_space_extent(context, &e->store, i);
        ran_emission_set_dim(e, RAN_SPEC_WORD(struct map_spec, extent) + (size_t)i, extent);
        if (i + 1 < e->store.rank)
            rows = ran_dim_binary(context, RAN_DIM_MUL, rows, extent);
    }
    const ran_dim *columns = ran_space_extent(context, &e->store, e->store.rank - 1);
    int64_t columns_per_task = chunk(columns, 1);
    int64_t rows_per_task = chunk(rows, columns_per_task ? columns_per_task : 1);
    rows_per_task = rows_per_task ? rows_per_task : 1;
    columns_per_task = columns_per_task ? columns_per_task : 1;
    RAN_SPEC(e, struct map_spec, rank, e->store.rank);
    RAN_SPEC_DIM(e, struct map_spec, rows, rows);
    RAN_SPEC(e, struct map_spec, rows_per_task, rows_per_task);
    RAN_SPEC_DIM(e, struct map_spec, columns, columns);
    RAN_SPEC(e, struct map_spec, columns_per_task, columns_per_task);
    e->tasks = ran_dim_binary(
        context, RAN_DIM_MUL,
        ran_dim_binary(context, RAN_DIM_CEILDIV, rows, ran_dim_constant(context, rows_per_task)),
        ran_dim_binary(context, RAN_DIM_CEILDIV, columns,
                       ran_dim_constant(context, columns_per_task)));
    return RAN_OK;
}
