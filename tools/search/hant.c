/* SPDX-License-Identifier: GPL-3.0-or-later */
/* ran-search hant: a trained network, data and a budget in; a tuned, faster, compiled one out. */
#include "tools/search/search.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "ir/ir.h"
#include "search/hant.h"
#include "tools/files.h"
#include "tools/search/model.h"
#include "tools/search/progress.h"

enum {
    OPTION_DATA = 256,
    OPTION_TEST,
    OPTION_SCALE,
    OPTION_MEAN,
    OPTION_STD,
    OPTION_BUDGET,
    OPTION_MAX_DROP,
    OPTION_TABLE,
    OPTION_IMAGES,
    OPTION_PRETRAIN,
    OPTION_SOLUTIONS,
    OPTION_PREFILTER,
    OPTION_EPOCHS,
    OPTION_BATCH,
    OPTION_RATE,
    OPTION_RECIPE,
    OPTION_SEED,
    OPTION_THREADS,
    OPTION_TUNE_BASELINES,
    OPTION_QUIET,
};

static const struct argp_option options[] = {
    {NULL, 0, NULL, 0, "Data:", 1},
    {"data", OPTION_DATA, "KIND:FILES", 0, "Training data, as for ran-train", 1},
    {"test", OPTION_TEST, "KIND:FILES", 0, "Test data", 1},
    {"scale", OPTION_SCALE, "X", 0, "x = (raw * scale - mean) / std", 1},
    {"mean", OPTION_MEAN, "X,...", 0, "One number, or one a channel", 1},
    {"std", OPTION_STD, "X,...", 0, "One number, or one a channel", 1},
    {NULL, 0, NULL, 0, "What is wanted:", 2},
    {"budget", OPTION_BUDGET, "KEY=V,...", 0,
     "Limit of latency, macs, parameters, memory or nonlinear: an amount or a part of the "
     "teacher's; several values are several results, several options hold together (0.5x)",
     2},
    {"max-drop", OPTION_MAX_DROP, "POINTS", 0, "Accuracy that may be lost, in percentage points",
     2},
    {"latency-table", OPTION_TABLE, "FILE", 0, "Latencies to use; what is missing is added", 4},
    {NULL, 0, NULL, 0, "The search:", 4},
    {"images", OPTION_IMAGES, "N", 0, "For training candidates, at most (4096)", 4},
    {"pretrain-epochs", OPTION_PRETRAIN, "N", 0, "Of each candidate (4)", 4},
    {"solutions", OPTION_SOLUTIONS, "N", 0, "Selections to assemble and compare (10)", 4},
    {"prefilter", OPTION_PREFILTER, "POINTS", 0,
     "Leave out candidates that alone lose more; widened when the budget can't be met (5)", 4},
    {NULL, 0, NULL, 0, "Tuning:", 5},
    {"epochs", OPTION_EPOCHS, "N", 0, "Of the result (10)", 5},
    {"batch", OPTION_BATCH, "N", 0, "Samples a step (64)", 5},
    {"lr", OPTION_RATE, "X", 0, "Learning rate (0.02)", 5},
    {"recipe", OPTION_RECIPE, "NAME=VALUE", 0, "Any other option of ran-train", 5},
    {"tune-baselines", OPTION_TUNE_BASELINES, NULL, 0,
     "Tune the greedy and a random selection too, for comparison", 5},
    {NULL, 0, NULL, 0, "The run:", 6},
    {"output", 'o', "DIRECTORY", 0, "Results and state; a run that was killed goes on there (out)",
     6},
    {"seed", OPTION_SEED, "N", 0, "Of weights, order and choices (0)", 6},
    {"threads", OPTION_THREADS, "N", 0, "For training (all)", 6},
    {"quiet", OPTION_QUIET, NULL, 0, "No lines about what is going on", 6},
    {0},
};

typedef struct arguments {
    ran_searched_model searched;
    ran_measuring measuring;
    ran_context *context;
    ran_recipe *recipe;
    ran_budget_options budgets;
    ran_hant_options hant;
    ran_search_watch watch;
    bool quiet;
} arguments;

static int64_t parse_integer(const char *option, const char *text, struct argp_state *state)
{
    char *end;
    errno = 0;
    long long value = strtoll(text, &end, 10);
    if (end == text || *end || errno || value < 0)
        argp_error(state, "--%s: expected a number from 0, not %s", option, text);
    return value;
}

static void set_recipe(arguments *a, const char *name, const char *value, struct argp_state *state)
{
    if (ran_recipe_set(a->recipe, name, value) == RAN_OK)
        return;
    ran_diagnostics_print(a->context, stderr);
    argp_error(state, "--%s: wrong value", name);
}

static void set_any_recipe(arguments *a, char *text, struct argp_state *state)
{
    char *equals = strchr(text, '=');
    if (!equals)
        argp_error(state, "--recipe: expected NAME=VALUE, not %s", text);
    *equals = '\0';
    set_recipe(a, text, equals + 1, state);
}

static void add_budget(arguments *a, char *value, struct argp_state *state)
{
    const char *problem = ran_budget_add(&a->budgets, value);
    if (problem)
        argp_error(state, "--budget: %s", problem);
    const char *key = a->budgets.rows[a->budgets.count - 1].key;
    if (!ran_hant_has_cost(key))
        argp_error(state, "--budget=%s: expected latency, macs, parameters, memory or nonlinear",
                   key);
}

static double parse_points(const char *option, const char *text, struct argp_state *state)
{
    char *end;
    double points = strtod(text, &end);
    if (end == text || *end || !(points >= 0))
        argp_error(state, "--%s: expected a number from 0, not %s", option, text);
    return points;
}

/* What goes to the recipe under its own name. */
static const char *recipe_name(int key)
{
    switch (key) {
    case OPTION_DATA:
        return "data";
    case OPTION_TEST:
        return "test";
    case OPTION_SCALE:
        return "scale";
    case OPTION_MEAN:
        return "mean";
    case OPTION_STD:
        return "std";
    case OPTION_EPOCHS:
        return "epochs";
    case OPTION_BATCH:
        return "batch";
    case OPTION_RATE:
        return "lr";
    default:
        return NULL;
    }
}

static void check_arguments(const arguments *a, struct argp_state *state)
{
    const ran_latency_options *latency = &a->measuring.latency;
    if (latency->target && strcmp(latency->target, "native") && !latency->runner &&
        !latency->estimate && !a->hant.latency_path)
        argp_error(state,
                   "--target=%s: --runner says how programs run there, --estimate asks the "
                   "cost model",
                   latency->target);
}

static error_t parse_search(int key, char *value, struct argp_state *state)
{
    arguments *a = state->input;
    switch (key) {
    case OPTION_IMAGES:
        a->hant.images = parse_integer("images", value, state);
        return 0;
    case OPTION_PRETRAIN:
        parse_integer("pretrain-epochs", value, state);
        a->hant.pretrain.epochs = value;
        return 0;
    case OPTION_SOLUTIONS:
        a->hant.ilp.solutions = (size_t)parse_integer("solutions", value, state);
        if (a->hant.ilp.solutions < 1 || a->hant.ilp.solutions > 10000)
            argp_error(state, "--solutions: expected 1 to 10000");
        return 0;
    case OPTION_PREFILTER:
        a->hant.ilp.max_drop = parse_points("prefilter", value, state);
        return 0;
    case OPTION_SEED:
        a->hant.pretrain.seed = (uint64_t)parse_integer("seed", value, state);
        set_recipe(a, "seed", value, state);
        return 0;
    case OPTION_THREADS:
        a->hant.pretrain.threads = (unsigned)parse_integer("threads", value, state);
        set_recipe(a, "threads", value, state);
        return 0;
    case OPTION_TUNE_BASELINES:
        a->hant.tune_baselines = true;
        return 0;
    case OPTION_QUIET:
        a->quiet = true;
        return 0;
    default:
        return ARGP_ERR_UNKNOWN;
    }
}

static error_t parse_option(int key, char *value, struct argp_state *state)
{
    arguments *a = state->input;
    if (recipe_name(key)) {
        set_recipe(a, recipe_name(key), value, state);
        return 0;
    }
    switch (key) {
    case OPTION_RECIPE:
        set_any_recipe(a, value, state);
        return 0;
    case OPTION_BUDGET:
        add_budget(a, value, state);
        return 0;
    case OPTION_MAX_DROP:
        a->hant.max_drop = parse_points("max-drop", value, state);
        return 0;
    case OPTION_TABLE:
        a->hant.latency_path = value;
        return 0;
    case 'o':
        a->hant.directory = value;
        return 0;
    case ARGP_KEY_INIT:
        state->child_inputs[0] = &a->measuring;
        state->child_inputs[1] = &a->searched;
        return 0;
    case ARGP_KEY_END:
        check_arguments(a, state);
        return 0;
    default:
        return parse_search(key, value, state);
    }
}

static const struct argp_child children[] = {
    {&ran_measuring_argp, 0, "Candidates:", 3},
    {&ran_searched_model_argp, 0, "The model:", 7},
    {0},
};

static const struct argp parser = {
    .options = options,
    .parser = parse_option,
    .children = children,
    .doc = "Replaces operators of a trained network under a budget, tunes the result and compiles "
           "it.\vThe directory gets plan.json, model.onnx, model.a and model.h, selection.lp and "
           "report.html; with several values of a budget, one directory a value. Exit status 4: a "
           "budget or --max-drop does not hold.",
};

/* ---- Running ------------------------------------------------------------------------------------
 */

static const char *point_directory(const arguments *a, size_t point)
{
    const char *text = NULL;
    if (ran_budget_points(&a->budgets) == 1)
        return a->hant.directory;
    for (size_t i = 0; i < a->budgets.count; i++) {
        const ran_budget_option *row = &a->budgets.rows[i];
        const char *value = row->values[point < row->count ? point : row->count - 1];
        text =
            ran_intern_printf(a->context, "%s%s-%s", text ? text : a->hant.directory,
                              text ? "-" : ran_intern_printf(a->context, "/%s", row->key), value);
    }
    return text;
}

static ran_status run_point(ran_hant *hant, const arguments *a, size_t point,
                            ran_hant_result *out_result)
{
    ran_hant_budget budgets[RAN_ILP_BUDGETS];
    for (size_t i = 0; i < a->budgets.count; i++) {
        const ran_budget_option *row = &a->budgets.rows[i];
        budgets[i] =
            (ran_hant_budget){row->key, row->values[point < row->count ? point : row->count - 1]};
    }
    return ran_hant_run(hant, budgets, a->budgets.count, point_directory(a, point), out_result);
}

static ran_status run_points(ran_hant *hant, const arguments *a)
{
    ran_hant_result results[RAN_BUDGET_POINTS];
    size_t points = ran_budget_points(&a->budgets);
    ran_status status = RAN_OK;
    for (size_t i = 0; i < points && status == RAN_OK; i++)
        status = run_point(hant, a, i, &results[i]);
    if (status == RAN_OK)
        status =
            ran_hant_report(hant, results, points,
                            ran_intern_printf(a->context, "%s/report.html", a->hant.directory));
    for (size_t i = 0; i < points && status != RAN_INVALID && status != RAN_USAGE; i++)
        if (status == RAN_OK && results[i].failed)
            status =
                ran_error(a->context, RAN_MISMATCH, "%s: %s", results[i].budget, results[i].failed);
    return status;
}

static void set_watch(arguments *a)
{
    ran_hant_options *h = &a->hant;
    h->data = h->latency.data = h->pretrain.data = &a->watch;
    h->say = ran_watch_line;
    h->tuning = ran_watch_tuning;
    h->latency.progress = ran_watch_layer;
    h->pretrain.progress = ran_watch_candidate;
}

static ran_status run(arguments *a)
{
    ran_module *module;
    ran_hant *hant;
    ran_status status = ran_model_load(a->context, a->searched.path, &a->searched.model, &module);
    if (status != RAN_OK)
        return status;
    a->hant.teacher = a->searched.path;
    a->hant.layers = a->searched.layers;
    a->hant.pool = a->measuring.pool;
    a->hant.latency = a->measuring.latency;
    a->hant.recipe = a->recipe;
    if (!a->quiet)
        set_watch(a);
    status = ran_hant_create(a->context, module, &a->hant, &hant);
    ran_module_destroy(module);
    if (status != RAN_OK)
        return status;
    if (ran_hant_is_leader(hant))
        status = run_points(hant, a);
    ran_hant_destroy(hant);
    return status;
}

int ran_search_hant(int argc, char **argv)
{
    static char half[] = "0.5x";
    arguments a = {
        .hant = {.directory = "out",
                 .images = 4096,
                 .max_drop = -1,
                 .ilp = RAN_ILP_DEFAULTS,
                 .pretrain = {.epochs = "4", .batch = "32", .optimizer = "adam", .rate = "0.005"}}};
    a.context = ran_context_create();
    a.recipe = ran_recipe_create(a.context);
    a.hant.ilp.solutions = 10;
    ran_status status = ran_recipe_set(a.recipe, "lr", "0.02");
    argp_parse(&parser, argc, argv, 0, NULL, &a);
    if (!a.budgets.count)
        ran_budget_add(&a.budgets, half);
    if (status == RAN_OK)
        status = run(&a);
    ran_progress_end(&a.watch.bar);
    ran_recipe_destroy(a.recipe);
    return ran_tool_finish(a.context, status);
}
