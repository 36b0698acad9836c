/* SPDX-License-Identifier: GPL-3.0-or-later */
/* ran-run: runs a model on data, compares with what is expected. */
#include "tools/common.h"

#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "ir/ir.h"
#include "tools/compile_options.h"
#include "tools/files.h"
#include "tools/run/run.h"

enum { SOURCES_MAX = 256 };
enum {
    OPTION_INPUT = 256,
    OPTION_EXPECTED,
    OPTION_RTOL,
    OPTION_ATOL,
    OPTION_OUTPUT_DIR,
    OPTION_INTERPRET,
    OPTION_JSON,
    OPTION_BENCH,
    OPTION_THREADS,
    OPTION_PROFILE,
    OPTION_DATA,
    OPTION_RUNNER,
};

static const struct argp_option options[] = {
    {NULL, 0, NULL, 0, "Data:", 1},
    {"input", OPTION_INPUT, "[NAME=]FILE", 0,
     "A .pb or .npy file, or random:SEED; once an input, in their order or by name. A seed alone is "
     "for all inputs (the default is random:0)",
     1},
    {"expected", OPTION_EXPECTED, "[NAME=]FILE", 0, "What an output should be", 1},
    {"data", OPTION_DATA, "DIR", 0, "Data sets: DIR/test_data_set_*, as in a directory of a model", 1},
    {"output-dir", OPTION_OUTPUT_DIR, "DIR", 0, "Write the outputs there as output_N.pb", 1},
    {NULL, 0, NULL, 0, "Comparison: |got - expected| <= RTOL |expected| + ATOL", 2},
    {"rtol", OPTION_RTOL, "X", 0, "Relative tolerance (1e-3; bf16: 2^-7)", 2},
    {"atol", OPTION_ATOL, "X", 0, "Absolute tolerance (1e-4 of the largest |expected|)", 2},
    {NULL, 0, NULL, 0, "How to run:", 3},
    {"interpret", OPTION_INTERPRET, NULL, 0, "By the reference evaluator", 3},
    {"runner", OPTION_RUNNER, "COMMAND", 0,
     "As a program for --target that COMMAND runs: 'qemu-aarch64 -L /usr/aarch64-linux-gnu'", 3},
    {"threads", OPTION_THREADS, "N", 0, "On N threads (1)", 3},
    {"bench", OPTION_BENCH, "SECONDS", OPTION_ARG_OPTIONAL, "Time it (1 second)", 3},
    {"profile", OPTION_PROFILE, NULL, 0, "Time each node", 3},
    {"json", OPTION_JSON, NULL, 0, "Print JSON", 3},
    {0},
};

typedef struct arguments {
    ran_compile_arguments compile;
    const char *path, *output_dir, *data, *runner;
    run_source inputs[SOURCES_MAX], expected[SOURCES_MAX];
    size_t input_count, expected_count;
    run_tolerance tolerance;
    bool interpret, json, profile;
    double bench; /* seconds; 0: once */
    unsigned threads;
} arguments;

static run_source parse_source(char *text)
{
    char *equal = strchr(text, '=');
    if (!equal || equal == text)
        return (run_source){NULL, text};
    *equal = '\0';
    return (run_source){text, equal + 1};
}

static double parse_number(const char *text, struct argp_state *state)
{
    char *end;
    double value = strtod(text, &end);
    if (end == text || *end || !(value >= 0))
        argp_error(state, "not a number from 0: %s", text);
    return value;
}

static error_t parse_option(int key, char *value, struct argp_state *state)
{
    arguments *a = state->input;
    switch (key) {
    case OPTION_INPUT:
    case OPTION_EXPECTED:
        if (a->input_count == SOURCES_MAX || a->expected_count == SOURCES_MAX)
            argp_error(state, "too many files");
        else if (key == OPTION_INPUT)
            a->inputs[a->input_count++] = parse_source(value);
        else
            a->expected[a->expected_count++] = parse_source(value);
        break;
    case OPTION_RTOL:
        a->tolerance.rtol = parse_number(value, state);
        break;
    case OPTION_ATOL:
        a->tolerance.atol = parse_number(value, state);
        break;
    case OPTION_OUTPUT_DIR:
        a->output_dir = value;
        break;
    case OPTION_DATA:
        a->data = value;
        break;
    case OPTION_RUNNER:
        a->runner = value;
        if (!value[strspn(value, " \t")])
            argp_error(state, "--runner wants a command");
        break;
    case OPTION_INTERPRET:
        a->interpret = true;
        break;
    case OPTION_JSON:
        a->json = true;
        break;
    case OPTION_BENCH:
        a->bench = value ? parse_number(value, state) : 1;
        break;
    case OPTION_PROFILE:
        a->profile = true;
        break;
    case OPTION_THREADS:
        a->threads = (unsigned)parse_number(value, state);
        if (a->threads < 1 || a->threads > 1024)
            argp_error(state, "--threads=%s: from 1 to 1024", value);
        break;
    case ARGP_KEY_INIT:
        state->child_inputs[0] = &a->compile;
        break;
    case ARGP_KEY_ARG:
        if (a->path)
            argp_error(state, "more than one model: %s", value);
        a->path = value;
        break;
    case ARGP_KEY_NO_ARGS:
        argp_error(state, "no model is given");
        break;
    case ARGP_KEY_END:
        if (a->runner && (a->profile || a->interpret))
            argp_error(state, "--runner runs a program; --profile and --interpret run here");
        if (a->data && (a->input_count || a->expected_count))
            argp_error(state, "--data brings inputs and what is expected; so does --input");
        break;
    default:
        return ARGP_ERR_UNKNOWN;
    }
    return 0;
}

static const struct argp_child children[] = {
    {&ran_compile_argp, 0, "How to compile:", 4},
    {0},
};

static const struct argp parser = {
    .options = options,
    .parser = parse_option,
    .args_doc = "MODEL",
    .doc = "Runs a model and compares its results. MODEL is an ONNX file, IR text (.ran), a "
           "shared library that rancc wrote, or a directory with model.onnx and data sets test_data_set_*/{input,output}_N.pb, which are "
           "run one after the other; a line each says how large the differences are (absolute, and "
           "relative to the largest expected magnitude).\vExit status: 0 all is equal within the "
           "tolerance, 4 it is not.",
    .children = children,
};

/* ---- Running ------------------------------------------------------------------------------------ */

typedef struct session {
    ran_context *context;
    const arguments *a;
    const ran_function *function;
    run_engine *engine;
    run_profile profile;
    json_t *sets;
    size_t run_count, set_count;
    bool all_ok;
} session;

static ran_status write_outputs(session *s, const run_data_set *set, ran_tensor *const *results)
{
    const char *directory = s->a->output_dir;
    /* Several data sets get a directory each. */
    if (s->set_count > 1)
        directory = ran_intern_printf(s->context, "%s/%s", directory, set->name);
    (void)mkdir(s->a->output_dir, 0777);
    (void)mkdir(directory, 0777);
    for (size_t i = 0; i < set->output_count; i++) {
        const char *path = ran_intern_printf(s->context, "%s/output_%zu.pb", directory, i);
        ran_status status = run_tensor_write(s->context, path,
                                             ran_function_output_name(s->function, i), results[i]);
        if (status != RAN_OK)
            return status;
    }
    return RAN_OK;
}

static void print_timing(const session *s, const char *name, const run_timing *timing)
{
    if (!s->a->json) {
        printf("%s: median %.4f ms, min %.4f, p90 %.4f, %zu runs, %u threads\n", name,
               timing->median_ms, timing->min_ms, timing->p90_ms, timing->runs, s->a->threads);
        return;
    }
    json_t *object =
        json_pack("{s:f, s:f, s:f, s:I, s:i}", "median_ms", timing->median_ms, "min_ms",
                  timing->min_ms, "p90_ms", timing->p90_ms, "runs", (json_int_t)timing->runs,
                  "threads", (int)s->a->threads);
    json_dumpf(object, stdout, JSON_COMPACT);
    putchar('\n');
    json_decref(object);
}

static ran_status bench_set(session *s, run_data_set *set)
{
    run_timing timing;
    ran_status status = run_data_check(s->context, s->function, set);
    if (status == RAN_OK)
        status = s->engine->bench(s->engine, (const ran_tensor *const *)set->inputs, s->a->bench,
                                  &timing);
    if (status == RAN_OK)
        print_timing(s, set->name ? set->name : s->a->path, &timing);
    run_data_clear(set);
    return status;
}

static ran_status run_set(session *s, run_data_set *set)
{
    if (s->a->bench > 0)
        return bench_set(s, set);
    ran_tensor **results = calloc(set->output_count + 1, sizeof(*results));
    if (!results)
        abort();
    ran_status status = run_data_check(s->context, s->function, set);
    if (status == RAN_OK)
        status = s->engine->run(s->engine, (const ran_tensor *const *)set->inputs, results);
    if (status == RAN_OK) {
        s->all_ok &=
            run_report(s->context, s->function, set, results, &s->a->tolerance, s->sets);
        fflush(stdout);
        if (s->a->output_dir)
            status = write_outputs(s, set, results);
    }
    for (size_t i = 0; i < set->output_count; i++)
        ran_tensor_release(results[i]);
    free(results);
    run_data_clear(set);
    return status;
}

static ran_status run_options(session *s)
{
    run_data_set set;
    s->set_count = 1;
    ran_status status =
        run_data_from_options(s->context, s->function, s->a->inputs, s->a->input_count,
                              s->a->expected, s->a->expected_count, &set);
    return status == RAN_OK ? run_set(s, &set) : status;
}

static ran_status run_directory(session *s)
{
    ran_status status = RAN_OK;
    const char *directory = s->a->data ? s->a->data : s->a->path;
    char **paths = run_data_directories(directory, &s->set_count);
    if (!s->set_count && s->a->data)
        status = ran_error(s->context, RAN_INVALID, "%s: there is no test_data_set_* in it",
                           directory);
    else if (!s->set_count)
        status = run_options(s);
    else
        for (size_t i = 0; i < s->set_count && status == RAN_OK; i++) {
            run_data_set set;
            status = run_data_from_directory(s->context, s->function, paths[i], &set);
            if (status == RAN_OK)
                status = run_set(s, &set);
        }
    for (size_t i = 0; i < s->set_count && paths[i]; i++)
        free(paths[i]);
    free(paths);
    return status;
}

static void print_json(const session *s)
{
    json_t *root = json_object();
    json_object_set_new(root, "model", json_string(s->a->path));
    json_object_set_new(root, "engine", json_string(s->engine->name));
    json_object_set_new(root, "ok", json_boolean(s->all_ok));
    json_object_set(root, "data_sets", s->sets);
    json_dumpf(root, stdout, JSON_INDENT(2));
    putchar('\n');
    json_decref(root);
}

static ran_status run_engine_on_data(session *s)
{
    const char *model;
    bool sets = s->a->data || (ran_tool_is_model_directory(s->context, s->a->path, &model) &&
                               !s->a->input_count && !s->a->expected_count);
    s->sets = s->a->json ? json_array() : NULL;
    s->all_ok = true;
    ran_status status = sets ? run_directory(s) : run_options(s);
    if (s->a->json && status == RAN_OK && s->a->bench == 0)
        print_json(s);
    json_decref(s->sets);
    return status == RAN_OK && !s->all_ok ? RAN_MISMATCH : status;
}

static ran_status compile_module(const void *data, ran_module *module, run_engine **out_engine)
{
    /* The session outlives the engine; its profile is written to. */
    session *s = *(session *const *)data;
    ran_status status = ran_compile_optimize(s->context, &s->a->compile, module);
    if (status != RAN_OK)
        return status;
    ran_compile_options options = ran_compile_options_of(&s->a->compile);
    if (s->a->runner)
        return run_runner_create(module, s->function, &options, s->a->runner, s->a->threads,
                                 out_engine);
    if (s->a->profile)
        run_profile_start(&s->profile, &options);
    return run_native_create(module, &options, s->a->threads, s->a->compile.mem_report,
                             out_engine);
}

/* Data is checked against the model as it was read (`original`); native code lowers `module`. */
static ran_status create_engine(session *s, session *const *self, const ran_module *original,
                                ran_module *module)
{
    if (s->a->interpret)
        return run_interpreter_create(s->function, &s->engine);
    if (!run_needs_values(s->function))
        return compile_module(self, module, &s->engine);
    s->engine = run_specialize_create(s->context, original, compile_module, self);
    return RAN_OK;
}

static ran_status run_loaded(session *s, ran_module *module)
{
    session *const self = s;
    ran_module *copy = ran_module_clone(module);
    s->function = ran_module_first_function(copy);
    ran_status status = RAN_OK;
    if (!s->function)
        status = ran_error(s->context, RAN_INVALID, "%s has no function", s->a->path);
    if (status == RAN_OK)
        status = create_engine(s, &self, copy, module);
    if (status == RAN_OK) {
        status = run_engine_on_data(s);
        const run_engine *engine = run_specialize_inner(s->engine);
        if (s->a->profile && !s->a->interpret && engine)
            run_profile_print(&s->profile, run_native_compiled(engine), s->a->json);
        s->engine->destroy(s->engine);
    }
    ran_module_destroy(copy);
    return status;
}

/* ---- Libraries -------------------------------------------------------------------------------------- */

static ran_status check_library_options(const session *s)
{
    if (s->a->interpret || s->a->profile || s->a->runner)
        return ran_error(s->context, RAN_USAGE,
                         "%s is compiled already: --interpret, --profile and --runner need the "
                         "model",
                         s->a->path);
    return RAN_OK;
}

static ran_status bind_library(const session *s, ran_function *function)
{
    const ran_model_options *o = &s->a->compile.model;
    ran_status status = RAN_OK;
    for (size_t i = 0; !status && i < o->dim_count; i++)
        status = ran_function_bind_dim(function, o->dims[i].name, o->dims[i].value);
    return status;
}

static ran_status run_library(session *s)
{
    ran_module *signature = NULL;
    ran_status status = check_library_options(s);
    if (!status)
        status = run_library_create(s->context, s->a->path, s->a->compile.prefix, s->a->threads,
                                    &s->engine);
    if (status)
        return status;
    status = run_signature_create(s->context, run_native_desc(s->engine), &signature);
    if (!status) {
        ran_function *function = ran_module_first_function(signature);
        s->function = function;
        status = bind_library(s, function);
    }
    if (!status)
        status = run_engine_on_data(s);
    s->engine->destroy(s->engine);
    ran_module_destroy(signature);
    return status;
}

static ran_status run_model(ran_context *context, const arguments *a)
{
    ran_module *module;
    session s = {.context = context, .a = a};
    if (ran_tool_is_library(a->path))
        return run_library(&s);
    ran_status status = ran_model_load(context, a->path, &a->compile.model, &module);
    if (status != RAN_OK)
        return status;
    status = run_loaded(&s, module);
    ran_module_destroy(module);
    return status;
}

int main(int argc, char **argv)
{
    static arguments a = {.tolerance = {.rtol = -1, .atol = -1}, .threads = 1};
    ran_tool_init(&argc, &argv);
    argp_parse(&parser, argc, argv, 0, NULL, &a);
    ran_context *context = ran_context_create();
    return ran_tool_finish(context, run_model(context, &a));
}
