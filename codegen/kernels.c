/* SPDX-License-Identifier: GPL-3.0-or-later */
/* All kernel rows: the families' tables, one after the other. */
#include "codegen/codegen.h"

#include <string.h>

#include "codegen/conv/conv.h"
#include "codegen/elementwise/elementwise.h"
#include "codegen/matmul/matmul.h"
#include "codegen/index/index.h"
#include "codegen/move/move.h"
#include "codegen/normalize/normalize.h"
#include "codegen/pool/pool.h"
#include "codegen/random/random.h"
#include "codegen/recurrent/recurrent.h"
#include "codegen/reduce/reduce.h"
#include "codegen/resize/resize.h"

#define RAN_KERNEL(name_, ...) {.name = name_, __VA_ARGS__},
static const ran_kernel_row rows[] = {
#include "codegen/conv/kernels.def"
#include "codegen/elementwise/kernels.def"
#include "codegen/matmul/kernels.def"
#include "codegen/index/kernels.def"
#include "codegen/move/kernels.def"
#include "codegen/normalize/kernels.def"
#include "codegen/pool/kernels.def"
#include "codegen/random/kernels.def"
#include "codegen/recurrent/kernels.def"
#include "codegen/reduce/kernels.def"
#include "codegen/resize/kernels.def"
};

size_t ran_kernel_row_count(void)
{
    return sizeof(rows) / sizeof(*rows);
}

const ran_kernel_row *ran_kernel_row_at(size_t index)
{
    return &rows[index];
}

const ran_kernel_row *ran_kernel_row_find(const char *schedule)
{
    for (size_t i = 0; i < ran_kernel_row_count(); i++)
        if (!strcmp(rows[i].name, schedule))
            return &rows[i];
    return NULL;
}

double ran_kernel_row_cost(const ran_kernel_row *row, const ran_op *anchor,
                           const ran_target *target)
{
    return row->cost ? row->cost(anchor, target->weights ? target->weights : target) : 1;
}
