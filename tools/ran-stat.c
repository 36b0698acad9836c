/* SPDX-License-Identifier: GPL-3.0-or-later */
/* ran-stat: counts what a model holds and computes. */
#include "tools/common.h"

#include <string.h>

#include <ran/compile.h>
#include <ran/pass.h>

#include "ir/ir.h"
#include "tools/files.h"
#include "tools/model.h"
#include "tools/stat/stat.h"

enum { OPTION_JSON = 256, OPTION_RULE, OPTION_BY, OPTION_DIFF, OPTION_TARGET };

static const struct argp_option options[] = {
    {NULL, 0, NULL, 0, "Counting:", 1},
    {"rule", OPTION_RULE, "RULE", 0,
     "Count as a paper does: ran, convnext, rexnet, deepreshape; by default all there is", 1},
    {"target", OPTION_TARGET, "NAME", 0, "The CPU whose latency is predicted (native)", 1},
    {NULL, 0, NULL, 0, "Output:", 2},
    {"json", OPTION_JSON, NULL, 0, "Print JSON", 2},
    {"by", OPTION_BY, "stage", 0, "Sum up runs of equal map size instead of listing nodes", 2},
    {"diff", OPTION_DIFF, NULL, 0, "Compare two models, BEFORE and AFTER", 2},
    {0},
};

struct arguments {
    ran_context *context;
    ran_model_options model;
    const char *paths[2], *target;
    size_t path_count;
    ran_count_rule rule;
    bool json, by_stage, diff;
};

static void take_path(struct arguments *a, const char *path, struct argp_state *state)
{
    if (a->path_count == 2)
        argp_error(state, "too many models: %s", path);
    else
        a->paths[a->path_count++] = path;
}

static void check_arguments(const struct arguments *a, struct argp_state *state)
{
    if (a->path_count != (a->diff ? 2 : 1))
        argp_error(state, a->diff ? "--diff compares two models" : "one model is needed");
}

static error_t parse_option(int key, char *value, struct argp_state *state)
{
    struct arguments *a = state->input;
    switch (key) {
    case OPTION_RULE:
        if (!ran_rule_parse(value, &a->rule))
            argp_error(state, "there is no rule %s: ran, convnext, rexnet, deepreshape, all",
                       value);
        break;
    case OPTION_BY:
        if (strcmp(value, "stage"))
            argp_error(state, "--by=stage is what there is, not %s", value);
        a->by_stage = true;
        break;
    case OPTION_TARGET:
        a->target = value;
        break;
    case OPTION_JSON:
        a->json = true;
        break;
    case OPTION_DIFF:
        a->diff = true;
        break;
    case ARGP_KEY_INIT:
        state->child_inputs[0] = &a->model;
        break;
    case ARGP_KEY_ARG:
        take_path(a, value, state);
        break;
    case ARGP_KEY_END:
        check_arguments(a, state);
        break;
    default:
        return ARGP_ERR_UNKNOWN;
    }
    return 0;
}

static const struct argp_child children[] = {
    {&ran_model_argp, 0, "What is dynamic in the model:", 3},
    {0},
};

static const struct argp parser = {
    .options = options,
    .parser = parse_option,
    .children = children,
    .args_doc = "MODEL\n--diff BEFORE AFTER",
    .doc = "Counts parameters, MACs, non-linear elements and memory of a model: ONNX, IR text, or "
           "an ONNX test directory; or says what a shared library that rancc wrote needs.",
};

/* ---- Planned memory and predicted latency ------------------------------------------------------
 */

static void keep_latency(void *data, const char *node, double seconds)
{
    stat_model *model = data;
    bool is_new;
    if (*node)
        *ran_map_insert(&model->latencies, ran_intern(ran_module_context(model->module), node), 0,
                        &is_new) += (uint64_t)(seconds * 1e9 + 0.5);
}

static ran_status optimise(ran_context *context, ran_module *module)
{
    ran_pass_manager *manager = ran_pass_manager_create(context);
    ran_status status = ran_pass_manager_set_level(manager, "2");
    if (status == RAN_OK)
        status = ran_pass_manager_run(manager, module);
    ran_pass_manager_destroy(manager);
    return status;
}

/* Of a copy, because optimising and lowering change it. What code generation can't take is no
 * error here: counts hold without it. */
static void predict(stat_model *model, const char *target)
{
    ran_context *context = ran_module_context(model->module);
    ran_prediction prediction = {
        .workspace = -1, .seconds = -1, .kernel = keep_latency, .data = model};
    ran_compile_options compile = {.target = target};
    size_t before = ran_diagnostic_count(context);
    ran_module *copy = ran_module_clone(model->module);
    ran_status status = optimise(context, copy);
    if (status == RAN_OK)
        status = ran_predict(copy, &compile, &prediction);
    model->unknown = "depends on a symbolic dimension";
    if (status != RAN_OK && ran_diagnostic_count(context) > before)
        model->unknown = ran_intern(context, ran_diagnostic_at(context, before)->message);
    ran_diagnostics_truncate(context, before);
    model->planned_bytes = status == RAN_OK ? prediction.workspace : -1;
    model->latency_ns = status == RAN_OK && prediction.seconds >= 0
                            ? (int64_t)(prediction.seconds * 1e9 + 0.5)
                            : -1;
    ran_module_destroy(copy);
}

/* ---- Running
 * ------------------------------------------------------------------------------------- */

static ran_status load(struct arguments *a, const char *path, stat_model *out_model)
{
    *out_model = (stat_model){.path = path};
    ran_status status = ran_model_load(a->context, path, &a->model, &out_model->module);
    if (status != RAN_OK)
        return status;
    out_model->statistics =
        ran_statistics_create(ran_module_first_function(out_model->module), a->rule);
    predict(out_model, a->target);
    return RAN_OK;
}

static void unload(stat_model *model)
{
    ran_statistics_destroy(model->statistics);
    ran_module_destroy(model->module);
    ran_map_clear(&model->latencies);
}

static void print_json(json_t *object)
{
    json_dumpf(object, stdout, JSON_INDENT(2) | JSON_ENSURE_ASCII);
    putchar('\n');
    json_decref(object);
}

static void print_json_difference(const struct arguments *a, const stat_model *models)
{
    json_t *object = json_object();
    json_object_set_new(object, "before", stat_json(&models[0], a->by_stage));
    json_object_set_new(object, "after", stat_json(&models[1], a->by_stage));
    print_json(object);
}

static void print(const struct arguments *a, const stat_model *models)
{
    if (a->json && a->diff)
        print_json_difference(a, models);
    else if (a->json)
        print_json(stat_json(&models[0], a->by_stage));
    else if (a->diff)
        stat_print_difference(&models[0], &models[1], a->by_stage, stdout);
    else
        stat_print(&models[0], a->by_stage, stdout);
}

static ran_status run_library(const struct arguments *a)
{
    stat_library *library = NULL;
    ran_status status = stat_library_open(a->context, a->paths[0], &a->model, &library);
    if (status != RAN_OK)
        return status;
    if (a->json)
        print_json(stat_library_json(library));
    else
        stat_library_print(library, stdout);
    stat_library_close(library);
    return RAN_OK;
}

static ran_status check_output(const struct arguments *a, ran_status status)
{
    if (status == RAN_OK && (fflush(stdout) || ferror(stdout)))
        status = ran_error(a->context, RAN_INVALID, "cannot write to standard output");
    return status;
}

static ran_status run(struct arguments *a)
{
    if (!a->diff && ran_tool_is_library(a->paths[0]))
        return check_output(a, run_library(a));
    stat_model models[2] = {0};
    ran_status status = RAN_OK;
    for (size_t i = 0; status == RAN_OK && i < a->path_count; i++)
        status = load(a, a->paths[i], &models[i]);
    if (status == RAN_OK)
        print(a, models);
    status = check_output(a, status);
    unload(&models[0]);
    unload(&models[1]);
    return status;
}

int main(int argc, char **argv)
{
    ran_tool_init(&argc, &argv);
    struct arguments a = {.context = ran_context_create()};
    if (!a.context)
        return RAN_INVALID;
    argp_parse(&parser, argc, argv, 0, NULL, &a);
    return ran_tool_finish(a.context, run(&a));
}
