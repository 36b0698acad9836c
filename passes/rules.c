/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Rewriting by rules: sweeps over the ops of a function until no rule applies.
 *
 * Each rule looks at one op and names the value that takes the place of its first result. Whatever
 * loses its last use goes at once, so that the use counts that rules look at stay true.
 */
#include "passes/passes.h"

bool ran_op_has_uses(const ran_op *op)
{
    for (size_t i = 0; i < op->result_count; i++) {
        if (ran_value_has_uses(&op->results[i]))
            return true;
    }
    return false;
}

bool ran_op_is_removable(const ran_op *op)
{
    return !ran_opcode_has_flag(op->opcode, RAN_FLAG_TERMINATOR | RAN_FLAG_IMPURE);
}

size_t ran_erase_dead(ran_op *op)
{
    /* An erased op has no parent: it may come up again as the producer of two operands. */
    if (!op || !op->parent || ran_op_has_uses(op) || !ran_op_is_removable(op))
        return 0;
    size_t count = op->operand_count, removed = 1;
    ran_op *producers[count + 1];
    for (size_t i = 0; i < count; i++)
        producers[i] = op->operands[i].value ? ran_value_op(op->operands[i].value) : NULL;
    ran_op_erase(op);
    for (size_t i = 0; i < count; i++)
        removed += ran_erase_dead(producers[i]);
    return removed;
}

size_t ran_region_erase_dead(ran_region *region)
{
    size_t removed = 0;
    for (ran_op *op = region->last, *prev; op; op = prev) {
        prev = op->prev;
        if (!ran_op_has_uses(op) && ran_op_is_removable(op)) {
            ran_op_erase(op);
            removed++;
            continue;
        }
        for (size_t i = 0; i < op->region_count; i++)
            removed += ran_region_erase_dead(op->regions[i]);
    }
    return removed;
}

/* The replacement must be usable wherever the result was: same kind, element type and rank. */
static void check_replacement(ran_pass_context *pass, const ran_op *op, const ran_value *value)
{
    const ran_type *old = op->results[0].type, *new = value->type;
    if (old == new || !old || !new || !ran_type_is_tensor(old))
        return;
    if (!ran_type_is_tensor(new) || ran_type_elem(old) != ran_type_elem(new) ||
        (ran_type_rank(old) >= 0 && ran_type_rank(new) != ran_type_rank(old)))
        RAN_BUG(ran_pass_ir(pass), "pass '%s' replaces %s by a value of type %s",
                pass->state->pass->name, ran_op_text(ran_pass_ir(pass), op),
                ran_type_text(ran_pass_ir(pass), new));
}

static void replace(ran_pass_context *pass, ran_op *op, ran_value *value)
{
    if (value == &op->results[0])
        return;
    check_replacement(pass, op, value);
    if (!value->name && value->kind == RAN_VALUE_RESULT && op->results[0].name)
        ran_value_set_name(value, op->results[0].name);
    ran_value_replace_uses(&op->results[0], value);
    ran_erase_dead(op);
}

/* Tries the rules on one op; whether one applied. The op may be gone after that. */
static bool apply_rules(ran_pass_context *pass, ran_op *op, const ran_rule *rules, size_t count)
{
    ran_opcode opcode = op->opcode;
    for (size_t i = 0; i < count; i++) {
        if (rules[i].opcode != opcode && rules[i].opcode != RAN_OP_COUNT)
            continue;
        ran_value *value = rules[i].apply(pass, op);
        if (!value)
            continue;
        ran_pass_count(pass, rules[i].counter, 1);
        replace(pass, op, value);
        return true;
    }
    return false;
}

/* A rule puts new ops before its op, and what goes are that op and what only it used: never the
 * op after it. */
static bool sweep(ran_pass_context *pass, ran_region *region, const ran_rule *rules, size_t count)
{
    bool changed = false;
    RAN_FOR_OPS (region, op) {
        for (size_t i = 0; i < op->region_count; i++)
            changed |= sweep(pass, op->regions[i], rules, count);
        if (op->result_count && ran_op_has_uses(op))
            changed |= apply_rules(pass, op, rules, count);
    }
    return changed;
}

ran_status ran_rewrite(ran_pass_context *pass, ran_function *function, const ran_rule *rules,
                       size_t count)
{
    for (int i = 0; i < RAN_MAX_SWEEPS; i++) {
        if (sweep(pass, ran_function_body(function), rules, count))
            continue;
        ran_module_drop_unused_constants(ran_function_module(function));
        return RAN_OK;
    }
    RAN_BUG(ran_pass_ir(pass), "pass '%s' does not come to an end in %s", pass->state->pass->name,
            ran_function_name(function));
}
