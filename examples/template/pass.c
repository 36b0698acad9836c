/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Template of a pass, passes/exact/cancel_negations.c:
 *
 *   %1 = neg %x
 *   %2 = neg %1                       =>       %x
 *
 * Exact. Terminates: each rewrite takes a use of an op away. The inner op may have other users;
 * when it has none, dead-code takes it. Its row in passes/pass.def:
 *
 *   RAN_PASS(ran_run_cancel_negations, .name = "cancel-negations",
 *            .summary = "-(-x) is x",
 *            .counters = RAN_COUNTERS({"pairs", "cancelled"}),
 *            .needs = RAN_PROPERTY_TYPES, .keeps = RAN_PROPERTY_ALL & ~RAN_PROPERTY_CLEAN,
 *            .level = 1)
 */
#include "passes/match.h"

static ran_value *cancel(ran_pass_context *pass, ran_op *outer)
{
    ran_op *inner = ran_match_op(ran_op_operand(outer, 0), RAN_OP_NEG);
    (void)pass;
    return inner ? ran_op_operand(inner, 0) : NULL;
}

ran_status ran_run_cancel_negations(ran_pass_context *pass, ran_function *function)
{
    static const ran_rule rules[] = {{RAN_OP_NEG, cancel, "pairs"}};
    return ran_rewrite(pass, function, rules, 1);
}
