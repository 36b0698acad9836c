/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Passes: how to write one, how to run them, and how a plug-in brings its own.
 *
 * A pass is a function from IR to IR with a name, options and counters. A manager holds the known
 * passes and one pipeline: that of an -O level, adjusted by -f switches, with the user's own passes
 * at its middle; or the user's alone. It computes what a pass needs, drops what a pass does not
 * keep, and prints, times, counts and verifies on request.
 *
 * A plug-in is a shared object that exports one `const ran_pass_plugin ran_pass_plugin_info`.
 */
#ifndef RAN_PASS_H
#define RAN_PASS_H

#include <ran/ir.h>

#ifdef __cplusplus
extern "C" {
#endif

/* ---- Writing a pass -------------------------------------------------------------------------- */

typedef struct ran_pass_context ran_pass_context;

typedef enum ran_option_kind {
    RAN_OPTION_INT,
    RAN_OPTION_FLOAT,
    RAN_OPTION_BOOL,
    RAN_OPTION_STRING,
} ran_option_kind;

typedef struct ran_pass_option {
    const char *name;    /* NULL ends the list */
    ran_option_kind kind;
    const char *value;   /* the default; NULL: the pass does not run without the option */
    const char *choices; /* of a string: "always|cost|never", or NULL for any */
    const char *help;
} ran_pass_option;

typedef struct ran_pass_counter {
    const char *name; /* NULL ends the list */
    const char *help;
} ran_pass_counter;

/* What the IR may be known to be. */
enum {
    RAN_PROPERTY_TYPES = 1 << 0, /* every result has its inferred type */
    RAN_PROPERTY_CLEAN = 1 << 1, /* no dead op: use counts tell who still needs a value */
    RAN_PROPERTY_PLAIN = 1 << 2, /* no blocked layout, no fused kernel yet; can't be computed */
    RAN_PROPERTY_COMPOSITE = 1 << 3, /* hard_swish, silu and gelu have been recognised */
};

enum {
    RAN_PASS_APPROXIMATE = 1 << 0, /* changes the function: only by name, never by level */
    RAN_PASS_GROWS = 1 << 1,       /* may make the code larger: off at -Os */
    RAN_PASS_INTERFACE = 1 << 2,   /* may change the types of the function's arguments */
};

typedef struct ran_pass {
    const char *name;  /* kebab-case */
    const char *alias; /* a short name, or NULL */
    const char *summary;
    ran_status (*run)(ran_pass_context *pass, ran_function *function);
    const ran_pass_option *options; /* the first one is what -fPASS=VALUE sets; may be NULL */
    const ran_pass_counter *counters; /* may be NULL */
    unsigned needs; /* properties computed before the pass runs */
    unsigned keeps; /* properties that still hold when it changed something */
    unsigned gives; /* properties that hold after it */
    unsigned flags;
    int level; /* the lowest -O that runs it; 0: only by name */
} ran_pass;

ran_context *ran_pass_ir(const ran_pass_context *pass);
/* The values of the options. Asking for a name that the pass does not list is a bug. */
int64_t ran_pass_int(const ran_pass_context *pass, const char *option);
double ran_pass_float(const ran_pass_context *pass, const char *option);
bool ran_pass_bool(const ran_pass_context *pass, const char *option);
const char *ran_pass_string(const ran_pass_context *pass, const char *option);
/* Adds to a counter and marks the function as changed; `observe` only adds. */
void ran_pass_count(ran_pass_context *pass, const char *counter, int64_t amount);
void ran_pass_observe(ran_pass_context *pass, const char *counter, int64_t amount);
void ran_pass_changed(ran_pass_context *pass);
/* Zeroed memory that lives until the pass returns. */
void *ran_pass_alloc(ran_pass_context *pass, size_t bytes);

/* A line for the user on what was done to which nodes, or why not: "Conv_3 .. Conv_5: ...". Kept by
 * the manager and printed with --stats. Costly figures are worth computing only when somebody
 * listens. */
RAN_PRINTF(2, 3) void ran_pass_remark(ran_pass_context *pass, const char *format, ...);
bool ran_pass_wants_remarks(const ran_pass_context *pass);
/* The model of the target's time: what the manager was given, or a machine-neutral one. */
typedef struct ran_cost_model ran_cost_model;
const ran_cost_model *ran_pass_cost_model(const ran_pass_context *pass);
/* Of one op; negative when it is not known (ir/cost.h). */
double ran_cost_seconds(const ran_cost_model *model, const ran_op *op);
const char *ran_cost_model_name(const ran_cost_model *model);

/* ---- Running passes --------------------------------------------------------------------------- */

typedef struct ran_pass_manager ran_pass_manager;

/* Knows the passes of passes/pass.def. No level is set: nothing runs but what is asked for. */
RAN_GIVE ran_pass_manager *ran_pass_manager_create(ran_context *context);
void ran_pass_manager_destroy(RAN_TAKE ran_pass_manager *manager);

/* `pass` must outlive the manager. RAN_USAGE when its name is taken. */
RAN_MUST_USE ran_status ran_pass_manager_register(ran_pass_manager *manager, const ran_pass *pass);
/* -fpass-plugin=FILE */
RAN_MUST_USE ran_status ran_pass_manager_load(ran_pass_manager *manager, const char *file);
size_t ran_pass_manager_pass_count(const ran_pass_manager *manager);
const ran_pass *ran_pass_manager_pass(const ran_pass_manager *manager, size_t index);
/* By name or alias; NULL when unknown. */
const ran_pass *ran_pass_manager_find(const ran_pass_manager *manager, const char *name);

/* The pipeline of "0", "1", "2", "3" or "s". */
RAN_MUST_USE ran_status ran_pass_manager_set_level(ran_pass_manager *manager, const char *level);
/* What follows -f: "PASS", "no-PASS", "PASS=VALUE", "pass-plugin=FILE". *out_known is false, and the
 * status RAN_OK, when it names no pass (the caller may know it). `out_known` may be NULL: then that
 * is an error. */
RAN_MUST_USE ran_status ran_pass_manager_set_flag(ran_pass_manager *manager, const char *flag,
                                                  bool *out_known);
/* An option of a pass at the place that the level's pipeline has for it; the pass is not switched on
 * by that. RAN_USAGE when there is no such pass, option or value. */
RAN_MUST_USE ran_status ran_pass_manager_set_pass_option(ran_pass_manager *manager,
                                                         const char *pass, const char *option,
                                                         const char *value);
/* --passes: name{option=value;...} and fixpoint(...), comma-separated. Calls add up. Without a level
 * they are the whole pipeline; with one they run after its first clean-up and recognition. */
RAN_MUST_USE ran_status ran_pass_manager_add_passes(ran_pass_manager *manager, const char *text);

/* Switches of the manager: print-before, print-after (lists of passes), print-before-all,
 * print-after-all, time-passes, stats, verify-each, opt-bisect-limit. RAN_USAGE when unknown. */
RAN_MUST_USE ran_status ran_pass_manager_set_option(ran_pass_manager *manager, const char *name,
                                                    const char *value);
/* Who tells passes what ops cost; must outlive the manager. NULL: the machine-neutral model. */
void ran_pass_manager_set_cost_model(ran_pass_manager *manager, const ran_cost_model *model);
/* Whether passes leave remarks (--stats switches it on, too). */
void ran_pass_manager_set_remarks(ran_pass_manager *manager, bool wanted);
size_t ran_pass_manager_remark_count(const ran_pass_manager *manager);
/* "pass: text" */
const char *ran_pass_manager_remark(const ran_pass_manager *manager, size_t index);
/* Where dumps and bisection notes go; NULL (the default) for nowhere. */
void ran_pass_manager_set_stream(ran_pass_manager *manager, FILE *stream);

/* Called with the module after each pass that changed its function. */
void ran_pass_manager_on_change(ran_pass_manager *manager,
                                void (*changed)(void *data, const ran_module *module), void *data);

RAN_MUST_USE ran_status ran_pass_manager_run(ran_pass_manager *manager, ran_module *module);
/* Runs a pipeline of its own, with all switches (what code generation does with its steps). */
RAN_MUST_USE ran_status ran_pass_manager_run_text(ran_pass_manager *manager, const char *text,
                                                  ran_module *module);
/* The tables of --time-passes and --stats, and the remarks, as far as they are switched on. */
void ran_pass_manager_report(const ran_pass_manager *manager, FILE *stream);
/* The pipeline as text that --passes takes; freed by the caller. */
RAN_GIVE char *ran_pass_manager_pipeline(const ran_pass_manager *manager);

/* ---- Plug-ins ---------------------------------------------------------------------------------- */

enum { RAN_PASS_PLUGIN_ABI = 1 };

typedef struct ran_pass_plugin {
    unsigned abi; /* RAN_PASS_PLUGIN_ABI */
    const char *name;
    const ran_pass *passes;
    size_t pass_count;
} ran_pass_plugin;

#ifdef __cplusplus
}
#endif
#endif
