/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Canonical forms: every op in its simplest spelling, so that later passes and the code generator see
 * one form of each thing, and ops that do nothing gone.
 *
 *   %1 = identity %x                         =>   %x
 *   %2 = flatten %x {axis = 1}               =>   reshape %x, [0, 768]
 *   %3 = add @c, %x                          =>   add %x, @c
 *   %4 = clip %x, 0, inf                     =>   relu %x
 *   %5 = reduce_mean %x, [2, 3]              =>   global_average_pool %x
 *
 * Rules stand in three tables beside their functions: canonicalize_shape.c (data movement),
 * canonicalize_arithmetic.c (elementwise), canonicalize_structured.c (convolutions, products, pools,
 * reductions).
 *
 * Termination: each rule removes an op, replaces one by an op of a lower kind (flatten, squeeze and
 * unsqueeze by reshape; sub by add; pow by mul), or moves constants to the right or out of attributes,
 * where no rule brings them back.
 *
 * Never changed: NaN and infinity (x * 0 stays), and integer arithmetic beyond identities.
 */
#include "passes/exact/canonicalize.h"

#include <string.h>

/* ---- Conditionals with a known condition ---------------------------------------------------------- */

/* The ops of the branch are cloned in front of the conditional. */
static bool inline_branch(ran_op *op, const ran_region *branch)
{
    ran_mapping *mapping = ran_mapping_create();
    ran_builder builder = ran_builder_before(op);
    const ran_op *end = ran_region_terminator(branch);
    for (const ran_op *inner = ran_region_first(branch); inner != end; inner = ran_op_next(inner)) {
        builder.location = ran_op_location(inner);
        ran_op_clone(&builder, inner, mapping);
    }
    for (size_t i = 0; i < op->result_count; i++) {
        ran_value *value = ran_op_operand(end, i), *mapped = ran_mapping_get(mapping, value);
        ran_value_replace_uses(&op->results[i], mapped ? mapped : value);
    }
    ran_mapping_destroy(mapping);
    return true;
}

static bool inline_conditionals(ran_pass_context *pass, ran_region *region)
{
    bool changed = false;
    RAN_FOR_OPS (region, op) {
        double condition;
        for (size_t i = 0; i < op->region_count; i++)
            changed |= inline_conditionals(pass, op->regions[i]);
        if (op->opcode != RAN_OP_IF || !ran_op_has_uses(op) ||
            !ran_match_splat(ran_op_operand(op, 0), &condition))
            continue;
        changed |= inline_branch(op, op->regions[condition != 0 ? 0 : 1]);
        ran_op_erase(op);
        ran_pass_count(pass, "control", 1);
    }
    return changed;
}

/* ---- All rules as one list -------------------------------------------------------------------------- */

static size_t rule_count(const ran_rule *rules)
{
    size_t count = 0;
    while (rules[count].apply)
        count++;
    return count;
}

ran_status ran_run_canonicalize(ran_pass_context *pass, ran_function *function)
{
    const ran_rule *const lists[] = {ran_canonicalize_shape, ran_canonicalize_arithmetic,
                                     ran_canonicalize_structured};
    ran_rule rules[128];
    size_t count = 0;
    for (size_t i = 0; i < sizeof(lists) / sizeof(*lists); i++) {
        size_t more = rule_count(lists[i]);
        RAN_ASSERT(ran_pass_ir(pass), count + more <= sizeof(rules) / sizeof(*rules));
        memcpy(rules + count, lists[i], more * sizeof(*rules));
        count += more;
    }
    inline_conditionals(pass, ran_function_body(function));
    return ran_rewrite(pass, function, rules, count);
}
