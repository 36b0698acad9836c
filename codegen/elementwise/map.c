/* SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception */
#include "codegen/elementwise/map.h"

#include "codegen/body.h"

RAN_INLINE void locate(const struct map_spec *s, int64_t row, int64_t *index)
{
    RAN_UNROLL for (int64_t i = s->rank - 2; i >= 0; i--)
    {
        index[i] = row % s->extent[i];
        row /= s->extent[i];
    }
}

RAN_INLINE void walk_row(void *const *io, int64_t *index, int64_t *lane, int64_t from, int64_t to)
{
    ran_vf32 nothing = {0};
    for (; from + RAN_VL <= to; from += RAN_VL) {
        *lane = from;
        ran_hook_store(io, &nothing, index, RAN_VL);
    }
    if (from < to) {
        *lane = from;
        ran_hook_store(io, &nothing, index, to - from);
    }
}

/* Rows that differ in the innermost coordinate follow each other without a division. */
RAN_INLINE void walk_task(const struct map_spec *s, void *const *io, int64_t task)
{
    int64_t column_tasks = (s->columns + s->columns_per_task - 1) / s->columns_per_task;
    int64_t row = task / column_tasks * s->rows_per_task;
    int64_t end = ran_min64(row + s->rows_per_task, s->rows);
    int64_t from = task % column_tasks * s->columns_per_task;
    int64_t to = ran_min64(from + s->columns_per_task, s->columns);
    int64_t index[MAP_RANK];
    int64_t *lane = &index[s->rank - 1];
    if (s->rank == 1) {
        walk_row(io, index, lane, from, to);
        return;
    }
    while (row < end) {
        locate(s, row, index);
        int64_t inner = index[s->rank - 2];
        int64_t stop = ran_min64(s->extent[s->rank - 2], inner + (end - row));
        row += stop - inner;
        for (; inner < stop; inner++) {
            index[s->rank - 2] = inner;
            walk_row(io, index, lane, from, to);
        }
    }
}

RAN_BODY(map)(const struct map_spec *s, void *const *io, char *scratch, int64_t begin, int64_t end)
{
    (void)scratch;
    for (int64_t task = begin; task < end; task++)
        walk_task(s, io, task);
}
