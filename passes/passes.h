/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Passes from inside: the manager's parts and what passes share.
 *
 * Walk: rancc sets a level and -f switches; ran_pass_manager_run builds the pipeline's text from
 * pipeline.c, parses it into steps (pipeline_parse.c) and runs each on every function: properties
 * that the pass needs are computed, its options' values are bound to a ran_pass_context, it runs,
 * and the hooks (instrument.c) print, time, verify.
 */
#ifndef PASSES_PASSES_H
#define PASSES_PASSES_H

#include <ran/pass.h>

#include "ir/ir.h"

/* ---- Steps: a parsed pipeline -------------------------------------------------------------------- */

typedef struct ran_step {
    const ran_pass *pass;  /* NULL: fixpoint(body) */
    const char **values;   /* one an option */
    struct ran_step *body; /* of a fixpoint */
    int64_t max;           /* rounds of a fixpoint */
    struct ran_step *next;
} ran_step;

/* Steps live in `arena`. Unknown names and options, bad values: RAN_USAGE. */
RAN_MUST_USE ran_status ran_pipeline_parse(ran_pass_manager *manager, ran_arena *arena,
                                           const char *text, ran_step **out_steps);

/* ---- Levels and -f switches ------------------------------------------------------------------------ */

/* A pass's state, parallel to the manager's list of passes. */
typedef struct ran_pass_state {
    const ran_pass *pass;
    int forced;        /* 1: -fPASS, -1: -fno-PASS, 0: by level */
    const char *value; /* -fPASS=VALUE */
    const char *settings; /* "option=value;..." of ran_pass_manager_set_pass_option, or NULL */
    int64_t *counters;
    double seconds;
    int64_t runs;
} ran_pass_state;

struct ran_pass_manager {
    ran_context *context;
    ran_arena *arena;
    ran_pass_state *states;
    size_t count, capacity;
    int level; /* -1: none */
    bool for_size;
    const char *user; /* --passes, or NULL */
    void **plugins;
    size_t plugin_count;

    FILE *stream;
    const char *print_before, *print_after; /* ",a,b," or NULL */
    bool print_before_all, print_after_all, time_passes, stats, verify_each;
    void (*changed)(void *data, const ran_module *module); /* NULL: nobody asks */
    void *changed_data;
    bool wants_remarks;
    const char **remarks; /* in the arena */
    size_t remark_count, remark_capacity;
    const ran_cost_model *cost; /* NULL: the machine-neutral one */
    int64_t bisect_limit, bisect_count; /* limit -1: none */
    unsigned properties;
    ran_module *module; /* while running */
};

ran_pass_state *ran_pass_manager_state(const ran_pass_manager *manager, const ran_pass *pass);
/* The text of the pipeline of the manager's level with its switches, in `arena`. */
const char *ran_pipeline_text(const ran_pass_manager *manager, ran_arena *arena);
/* Order constraints over the complete pipeline; a violation is a bug. */
void ran_pipeline_check_order(const ran_pass_manager *manager);
/* Warns where the user's own steps go against a constraint. */
void ran_pipeline_warn_order(const ran_pass_manager *manager, const ran_step *steps);

RAN_MUST_USE ran_status ran_instrument_before(ran_pass_manager *manager, const ran_pass *pass);
RAN_MUST_USE ran_status ran_instrument_after(ran_pass_manager *manager, const ran_pass *pass);

/* ---- What an approximate pass changed --------------------------------------------------------------- */

/* Counts before a pass that changes the function; empty for exact ones. */
typedef struct ran_change {
    int64_t parameters, macs, nonlinear;
} ran_change;

ran_change ran_change_begin(const ran_pass_manager *manager, const ran_pass *pass);
/* Prints the counts before and after on the manager's stream, and marks the model as one that needs
 * fine-tuning (metadata "needs-fine-tuning": the passes). */
void ran_change_end(const ran_pass_manager *manager, const ran_pass *pass,
                    const ran_change *before, bool changed);

/* ---- The context of one run of one pass -------------------------------------------------------------- */

struct ran_pass_context {
    ran_pass_manager *manager;
    ran_pass_state *state;
    const char *const *values;
    ran_arena *arena; /* scratch */
    bool changed;
};

/* ---- Rewriting by rules -------------------------------------------------------------------------------- */

/* Looks at `op`; returns NULL when the rule does not apply, else the value that takes the place of
 * result 0 (the result itself when the op was changed in place). Ops that lose their last use are
 * erased by the driver. */
typedef ran_value *ran_rule_apply(ran_pass_context *pass, ran_op *op);

typedef struct ran_rule {
    ran_opcode opcode; /* RAN_OP_COUNT: any */
    ran_rule_apply *apply;
    const char *counter;
} ran_rule;

/* Sweeps over all ops of all regions in order until no rule applies. Rules must make progress by
 * themselves; after RAN_MAX_SWEEPS sweeps the driver calls it a bug. */
enum { RAN_MAX_SWEEPS = 1000 };
RAN_MUST_USE ran_status ran_rewrite(ran_pass_context *pass, ran_function *function,
                                    const ran_rule *rules, size_t count);

/* Erases `op` and what it alone kept alive. Does nothing when the op is still used. */
size_t ran_erase_dead(ran_op *op);
/* Dead ops of a region and what is nested in it; returns how many went. */
size_t ran_region_erase_dead(ran_region *region);
bool ran_op_has_uses(const ran_op *op); /* of any result */
bool ran_op_is_removable(const ran_op *op);

/* Infers again where a pass may have made types more precise; whether one became so. */
bool ran_refine_types(ran_region *region);

/* ---- Costs (cost.c) ---------------------------------------------------------------------------- */

/* Multiply-accumulates at a rate of a middling core, bytes at that of its second cache. */
const ran_cost_model *ran_cost_model_neutral(void);

/* ---- The passes' entry points (pass.def) ------------------------------------------------------------------- */

#define RAN_PASS(function, ...) ran_status function(ran_pass_context *pass, ran_function *body);
#include "passes/pass.def"

#endif
