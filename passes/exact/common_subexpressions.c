/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Common subexpressions: of equal ops the first that dominates the others stays.
 *
 *   %1 = relu %x                     %1 = relu %x
 *   %2 = relu %x                =>   %3 = add %1, %1
 *   %3 = add %1, %2
 *
 * Constants of equal type and content are merged first, so that ops on them become equal. One walk
 * in order, with a table for each region that falls back on the regions around it: what stands in
 * the table dominates what is being looked at. Operands are replaced before their users are reached,
 * so one walk finds equal trees. Regions of isolated ops start with an empty table. Ops with regions
 * of their own and impure ops are left alone.
 */
#include "passes/passes.h"

#include <string.h>

typedef struct table {
    ran_pass_context *pass;
    const struct table *outer;
    ran_op **slots;
    size_t count, capacity; /* a power of two */
} table;

static ran_op *find(const table *table, const ran_op *op, uint64_t hash)
{
    for (; table; table = table->outer) {
        for (size_t i = hash; table->capacity; i++) {
            ran_op *other = table->slots[i & (table->capacity - 1)];
            if (!other)
                break;
            if (ran_op_equal(other, op))
                return other;
        }
    }
    return NULL;
}

static void place(const table *table, ran_op *op, uint64_t hash)
{
    size_t i = hash;
    while (table->slots[i & (table->capacity - 1)])
        i++;
    table->slots[i & (table->capacity - 1)] = op;
}

static void insert(table *t, ran_op *op, uint64_t hash)
{
    if (2 * t->count >= t->capacity) {
        table old = *t;
        t->capacity = old.capacity ? 2 * old.capacity : 64;
        t->slots = ran_pass_alloc(t->pass, t->capacity * sizeof(*t->slots));
        for (size_t i = 0; i < old.capacity; i++) {
            if (old.slots[i])
                place(t, old.slots[i], ran_op_hash(old.slots[i]));
        }
    }
    place(t, op, hash);
    t->count++;
}

static bool is_mergeable(const ran_op *op)
{
    return op->result_count && !op->region_count && op->opcode != RAN_OP_CALL &&
           op->opcode != RAN_OP_DROPOUT && ran_op_is_removable(op);
}

static void merge_region(ran_pass_context *pass, ran_region *region, const table *outer)
{
    table here = {.pass = pass, .outer = outer};
    RAN_FOR_OPS (region, op) {
        bool isolated = ran_opcode_has_flag(op->opcode, RAN_FLAG_ISOLATED);
        for (size_t i = 0; i < op->region_count; i++)
            merge_region(pass, op->regions[i], isolated ? NULL : &here);
        if (!is_mergeable(op))
            continue;
        uint64_t hash = ran_op_hash(op);
        ran_op *other = find(&here, op, hash);
        if (!other) {
            insert(&here, op, hash);
            continue;
        }
        for (size_t i = 0; i < op->result_count; i++)
            ran_value_replace_uses(&op->results[i], &other->results[i]);
        ran_op_erase(op);
        ran_pass_count(pass, "ops", 1);
    }
}

/* ---- Constants -------------------------------------------------------------------------------------- */

static bool is_same_tensor(const ran_tensor *a, const ran_tensor *b)
{
    if (ran_tensor_elem(a) != ran_tensor_elem(b) || ran_tensor_rank(a) != ran_tensor_rank(b) ||
        ran_tensor_elem(a) == RAN_ELEM_STRING)
        return false;
    for (int i = 0; i < ran_tensor_rank(a); i++) {
        if (ran_tensor_dims(a)[i] != ran_tensor_dims(b)[i])
            return false;
    }
    return ran_tensor_data(a) == ran_tensor_data(b) ||
           !memcmp(ran_tensor_data(a), ran_tensor_data(b), ran_tensor_bytes(a));
}

static size_t count_constants(const ran_module *module)
{
    size_t count = 0;
    for (ran_value *v = ran_module_first_constant(module); v; v = ran_constant_next(v))
        count++;
    return count;
}

static ran_value *find_constant(ran_value **slots, size_t capacity, ran_value *value)
{
    const ran_tensor *tensor = ran_value_constant(value);
    for (size_t i = ran_tensor_hash(tensor);; i++) {
        ran_value **slot = &slots[i & (capacity - 1)];
        if (!*slot)
            return *slot = value;
        if (is_same_tensor(ran_value_constant(*slot), tensor))
            return *slot;
    }
}

static void merge_constants(ran_pass_context *pass, ran_module *module)
{
    size_t capacity = 16;
    while (capacity < 2 * count_constants(module))
        capacity *= 2;
    ran_value **slots = ran_pass_alloc(pass, capacity * sizeof(*slots));
    for (ran_value *v = ran_module_first_constant(module); v; v = ran_constant_next(v)) {
        ran_value *first = find_constant(slots, capacity, v);
        if (first == v || !ran_value_has_uses(v))
            continue;
        ran_value_replace_uses(v, first);
        ran_pass_count(pass, "constants", 1);
    }
}

ran_status ran_run_common_subexpressions(ran_pass_context *pass, ran_function *function)
{
    merge_constants(pass, ran_function_module(function));
    merge_region(pass, ran_function_body(function), NULL);
    ran_module_drop_unused_constants(ran_function_module(function));
    return RAN_OK;
}
