/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * More parts than one kernel takes:
 *   concat(x0 ... x199) -> concat(concat(x0 ... x63), concat(x64 ... x127), ...)
 *   split(x)            -> splits of the parts of a split
 * Both levels are visited again, until each op is small enough.
 */
#include "codegen/expand.h"

#include "codegen/move/blocks.h"

#include <stdlib.h>

static size_t group_count(size_t parts)
{
    return (parts + BLOCKS_PARTS - 1) / BLOCKS_PARTS;
}

static size_t group_size(size_t parts, size_t group)
{
    size_t rest = parts - group * BLOCKS_PARTS;
    return rest < BLOCKS_PARTS ? rest : BLOCKS_PARTS;
}

static void *array(size_t count, size_t size)
{
    void *memory = calloc(count + 1, size);
    if (!memory)
        RAN_BUG(NULL, "out of memory");
    return memory;
}

/* ---- Concat ---------------------------------------------------------------------------------- */

static ran_value *join(ran_expansion *e, ran_value *const *parts, size_t count)
{
    ran_op *op = ran_op_create(&e->builder, RAN_OP_CONCAT, count, parts, 1);
    ran_op_set_int(op, "axis", ran_op_int(e->op, "axis"));
    return ran_expand_finish(e, op);
}

bool ran_expand_concat(ran_expansion *e)
{
    size_t parts = ran_op_operand_count(e->op), groups = group_count(parts);
    if (parts <= BLOCKS_PARTS)
        return false;
    ran_value **joined = array(groups, sizeof(*joined));
    ran_value **operands = array(parts, sizeof(*operands));
    for (size_t i = 0; i < parts; i++)
        operands[i] = ran_op_operand(e->op, i);
    for (size_t i = 0; i < groups; i++)
        joined[i] = join(e, operands + i * BLOCKS_PARTS, group_size(parts, i));
    e->results[0] = join(e, joined, groups);
    free(joined);
    free(operands);
    return true;
}

/* ---- Split ----------------------------------------------------------------------------------- */

static ran_op *cut(ran_expansion *e, ran_value *x, int axis, const int64_t *sizes, size_t count)
{
    ran_value *operands[] = {x, ran_expand_ints(e, count, sizes)};
    ran_op *op = ran_op_create(&e->builder, RAN_OP_SPLIT, 2, operands, count);
    ran_op_set_int(op, "axis", axis);
    if (ran_op_infer_types(op) != RAN_OK)
        RAN_BUG(e->context, "%s is not valid", ran_op_text(e->context, op));
    return op;
}

/* What each part and each group of parts has along the axis; false when it is not known. */
static bool measure(const ran_op *op, int axis, int64_t *sizes, int64_t *totals)
{
    for (size_t i = 0; i < op->result_count; i++) {
        const ran_dim *dim = ran_type_dim(ran_value_type(ran_op_result(op, i)), axis);
        if (!ran_dim_is_constant(dim))
            return false;
        sizes[i] = ran_dim_value(dim);
        totals[i / BLOCKS_PARTS] += sizes[i];
    }
    return true;
}

/* The results go where they are used at once: the expansion has room for a few only. */
static void cut_groups(ran_expansion *e, int axis, const int64_t *sizes, const int64_t *totals)
{
    size_t parts = e->op->result_count, groups = group_count(parts);
    ran_op *outer = cut(e, ran_op_operand(e->op, 0), axis, totals, groups);
    for (size_t g = 0; g < groups; g++) {
        size_t first = g * BLOCKS_PARTS, count = group_size(parts, g);
        ran_op *inner = cut(e, ran_op_result(outer, g), axis, sizes + first, count);
        for (size_t i = 0; i < count; i++)
            ran_value_replace_uses(ran_op_result(e->op, first + i), ran_op_result(inner, i));
    }
}

bool ran_expand_split(ran_expansion *e)
{
    size_t parts = e->op->result_count;
    int axis = ran_axis(ran_op_int(e->op, "axis"),
                        ran_type_rank(ran_value_type(ran_op_operand(e->op, 0))));
    if (parts <= BLOCKS_PARTS)
        return false;
    int64_t *sizes = array(parts, sizeof(*sizes));
    int64_t *totals = array(group_count(parts), sizeof(*totals));
    bool known = measure(e->op, axis, sizes, totals);
    if (known)
        cut_groups(e, axis, sizes, totals);
    free(sizes);
    free(totals);
    return known;
}
