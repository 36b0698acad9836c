/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Ops: creation, operands and use lists, order within a region, dominance.
 *
 * Order numbers leave gaps. An op that goes between two others takes a number near the left one, so
 * that a series of insertions before the same op divides the gap by 8/7 a step and not by 2; when a
 * gap is used up the region is numbered anew.
 */
#include "ir/module.h"

#include <string.h>

static const uint64_t order_gap = UINT64_C(1) << 32;

/* ---- Use lists ------------------------------------------------------------------------------- */

static void link_use(ran_use *use, ran_value *value)
{
    use->value = value;
    use->prev = NULL;
    use->next = value ? value->first_use : NULL;
    if (use->next)
        use->next->prev = use;
    if (value)
        value->first_use = use;
}

static void unlink_use(ran_use *use)
{
    if (!use->value)
        return;
    if (use->prev)
        use->prev->next = use->next;
    else
        use->value->first_use = use->next;
    if (use->next)
        use->next->prev = use->prev;
    use->value = NULL;
    use->prev = use->next = NULL;
}

void ran_op_set_operand(ran_op *op, size_t index, ran_value *value)
{
    RAN_ASSERT(ran_op_module(op)->context, index < op->operand_count);
    if (op->operands[index].value == value)
        return;
    unlink_use(&op->operands[index]);
    link_use(&op->operands[index], value);
}

static void link_operands(ran_op *op, size_t count, ran_value *const *operands)
{
    op->operand_count = count;
    for (size_t i = 0; i < count; i++) {
        op->operands[i].op = op;
        op->operands[i].index = (uint32_t)i;
        link_use(&op->operands[i], operands[i]);
    }
}

static void drop_operands(ran_op *op)
{
    for (size_t i = 0; i < op->operand_count; i++)
        unlink_use(&op->operands[i]);
}

void ran_op_set_operands(ran_op *op, size_t count, ran_value *const *operands)
{
    drop_operands(op);
    if (count > op->operand_count)
        op->operands = RAN_ARENA_ARRAY(ran_op_module(op)->arena, ran_use, count);
    link_operands(op, count, operands);
}

void ran_value_replace_uses(ran_value *from, ran_value *to)
{
    if (from == to)
        return;
    while (from->first_use) {
        ran_use *use = from->first_use;
        unlink_use(use);
        link_use(use, to);
    }
}

/* ---- Order ----------------------------------------------------------------------------------- */

static void renumber(ran_region *region)
{
    uint64_t order = 0;
    for (ran_op *op = region->first; op; op = op->next)
        op->order = order += order_gap;
}

static void link_op(ran_op *op, ran_region *region, ran_op *before)
{
    op->parent = region;
    op->next = before;
    op->prev = before ? before->prev : region->last;
    if (op->prev)
        op->prev->next = op;
    else
        region->first = op;
    if (before)
        before->prev = op;
    else
        region->last = op;
    uint64_t low = op->prev ? op->prev->order : 0;
    if (!before) {
        op->order = low + order_gap;
        return;
    }
    uint64_t gap = before->order - low;
    op->order = low + (gap / 8 ? gap / 8 : 1);
    if (gap < 2)
        renumber(region);
}

static void unlink_op(ran_op *op)
{
    ran_region *region = op->parent;
    if (op->prev)
        op->prev->next = op->next;
    else
        region->first = op->next;
    if (op->next)
        op->next->prev = op->prev;
    else
        region->last = op->prev;
    op->prev = op->next = NULL;
}

void ran_op_move_before(ran_op *op, ran_op *before)
{
    if (op == before)
        return;
    unlink_op(op);
    link_op(op, before->parent, before);
}

static size_t depth_of(const ran_region *region)
{
    size_t depth = 0;
    for (; region->parent; region = region->parent->parent)
        depth++;
    return depth;
}

/* The op in `region` that is `op` or holds it; NULL when none does. */
static const ran_op *ancestor_in(const ran_op *op, const ran_region *region)
{
    while (op && op->parent != region)
        op = op->parent->parent;
    return op;
}

bool ran_op_is_before(const ran_op *a, const ran_op *b)
{
    size_t a_depth = depth_of(a->parent), b_depth = depth_of(b->parent);
    const ran_op *lifted_a = a, *lifted_b = b;
    for (; a_depth > b_depth; a_depth--)
        lifted_a = lifted_a->parent->parent;
    for (; b_depth > a_depth; b_depth--)
        lifted_b = lifted_b->parent->parent;
    while (lifted_a->parent != lifted_b->parent) {
        lifted_a = lifted_a->parent->parent;
        lifted_b = lifted_b->parent->parent;
        if (!lifted_a || !lifted_b)
            return false;
    }
    return lifted_a->order < lifted_b->order;
}

bool ran_value_dominates(const ran_value *value, const ran_op *user)
{
    if (value->kind == RAN_VALUE_CONSTANT)
        return value->owner.module == ran_op_module(user);
    if (value->kind == RAN_VALUE_ARGUMENT)
        return ancestor_in(user, value->owner.region) != NULL;
    const ran_op *op = value->owner.op;
    const ran_op *holder = ancestor_in(user, op->parent);
    return holder && op->order < holder->order;
}

/* ---- Creation -------------------------------------------------------------------------------- */

ran_builder ran_builder_at_end(ran_region *region)
{
    return (ran_builder){.module = region->function->module, .region = region};
}

ran_builder ran_builder_before(ran_op *op)
{
    return (ran_builder){ran_op_module(op), op->parent, op, op->location};
}

ran_op *ran_op_create(ran_builder *builder, ran_opcode opcode, size_t operand_count,
                      ran_value *const *operands, size_t result_count)
{
    ran_arena *arena = builder->module->arena;
    ran_op *op = RAN_ARENA_NEW(arena, ran_op);
    op->opcode = opcode;
    op->location = builder->location;
    op->operands = RAN_ARENA_ARRAY(arena, ran_use, operand_count);
    op->result_count = result_count;
    op->results = RAN_ARENA_ARRAY(arena, ran_value, result_count);
    for (size_t i = 0; i < result_count; i++) {
        op->results[i].kind = RAN_VALUE_RESULT;
        op->results[i].index = (uint32_t)i;
        op->results[i].owner.op = op;
    }
    link_op(op, builder->region, builder->before);
    link_operands(op, operand_count, operands);
    return op;
}

ran_value *ran_build(ran_builder *builder, ran_opcode opcode, size_t operand_count,
                     ran_value *const *operands)
{
    ran_op *op = ran_op_create(builder, opcode, operand_count, operands, 1);
    ran_context *context = builder->module->context;
    if (ran_op_infer_types(op) != RAN_OK)
        RAN_BUG(context, "%s",
                ran_diagnostic_at(context, ran_diagnostic_count(context) - 1)->message);
    return &op->results[0];
}

ran_region *ran_op_add_region(ran_op *op)
{
    ran_module *module = ran_op_module(op);
    ran_region **regions = RAN_ARENA_ARRAY(module->arena, ran_region *, op->region_count + 1);
    for (size_t i = 0; i < op->region_count; i++)
        regions[i] = op->regions[i];
    op->regions = regions;
    return op->regions[op->region_count++] = ran_region_create(op->parent->function, op);
}

static void drop_operands_within(ran_op *op)
{
    drop_operands(op);
    for (size_t i = 0; i < op->region_count; i++)
        for (ran_op *inner = op->regions[i]->first; inner; inner = inner->next)
            drop_operands_within(inner);
}

void ran_op_erase(ran_op *op)
{
    for (size_t i = 0; i < op->result_count; i++)
        if (op->results[i].first_use)
            RAN_BUG(ran_op_module(op)->context, "erasing %s, whose result %zu is used by %s",
                    ran_opcode_name(op->opcode), i,
                    ran_opcode_name(op->results[i].first_use->op->opcode));
    drop_operands_within(op);
    unlink_op(op);
    op->parent = NULL;
}

void ran_op_replace(ran_op *op, ran_value *const *values)
{
    for (size_t i = 0; i < op->result_count; i++)
        if (op->results[i].first_use)
            ran_value_replace_uses(&op->results[i], values[i]);
    ran_op_erase(op);
}

/* ---- Parts ----------------------------------------------------------------------------------- */

ran_opcode ran_op_opcode(const ran_op *op)
{
    return op->opcode;
}

bool ran_op_is(const ran_op *op, ran_opcode opcode)
{
    return op && op->opcode == opcode;
}

size_t ran_op_operand_count(const ran_op *op)
{
    return op->operand_count;
}

ran_value *ran_op_operand(const ran_op *op, size_t index)
{
    return index < op->operand_count ? op->operands[index].value : NULL;
}

size_t ran_op_result_count(const ran_op *op)
{
    return op->result_count;
}

ran_value *ran_op_result(const ran_op *op, size_t index)
{
    return index < op->result_count ? &op->results[index] : NULL;
}

ran_region *ran_op_parent(const ran_op *op)
{
    return op->parent;
}

ran_op *ran_op_next(const ran_op *op)
{
    return op->next;
}

ran_op *ran_op_prev(const ran_op *op)
{
    return op->prev;
}

const ran_location *ran_op_location(const ran_op *op)
{
    return op->location;
}

void ran_op_set_location(ran_op *op, const ran_location *location)
{
    op->location = location;
}

size_t ran_op_region_count(const ran_op *op)
{
    return op->region_count;
}

ran_region *ran_op_region(const ran_op *op, size_t index)
{
    return index < op->region_count ? op->regions[index] : NULL;
}
