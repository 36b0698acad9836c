/* SPDX-License-Identifier: GPL-3.0-or-later */
/* What the ops of the family share. */
#include "codegen/move/move.h"

/* Elements of a task. */
enum { TASK_ELEMENTS = 32768 };

int64_t ran_move_rows_per_task(const ran_dim *columns)
{
    int64_t n = ran_dim_is_constant(columns) ? ran_dim_value(columns) : 256;
    return n > 0 && n < TASK_ELEMENTS ? TASK_ELEMENTS / n : 1;
}

const char *ran_move_function(ran_emission *e, const char *name, ran_elem elem)
{
    return ran_intern_printf(e->context, "%s_%u", name, ran_elem_bits(elem));
}

bool ran_move_takes_elem(const ran_value *value)
{
    unsigned bits = ran_elem_bits(ran_type_elem(ran_value_type(value)));
    return bits == 8 || bits == 16 || bits == 32 || bits == 64;
}
