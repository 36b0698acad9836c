/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "tools/compile_options.h"

#include <stdlib.h>
#include <string.h>

#include "tools/approx_options.h"
#include "tools/common.h"
#include "tools/pass_rows.h"

enum {
    OPTION_TARGET = 0x2000,
    OPTION_PREFIX,
    OPTION_WEIGHTS,
    OPTION_MEM_REPORT,
    OPTION_KERNEL_CACHE,
};

static const struct argp_option options[] = {
    RAN_PASS_ROWS(0, "0, 1, 2 (the default), 3 or s",
                  "Switch a pass on or off; -f[no-]winograd (on at -O3); -fpass-plugin=FILE"),
    {"target", OPTION_TARGET, "NAME,...", 0,
     "native (the default), a CPU, an LLVM triple; several: chosen at run time; help lists", 0},
    RAN_TOOL_LIKE_CLANG('m', "cpu", "-mcpu=NAME, -mattr=LIST", "LLVM's CPU and features", 0),
    {"prefix", OPTION_PREFIX, "NAME", 0,
     "Names the model's symbols (the stem of -o, or of the model)", 0},
    {"weights", OPTION_WEIGHTS, "embed|file", 0, "Inside the code, or a file beside it", 0},
    {"kernel-cache", OPTION_KERNEL_CACHE, "DIR|none", 0,
     "Where compiled kernels are kept ($XDG_CACHE_HOME/rancc or ~/.cache/rancc)", 0},
    {"mem-report", OPTION_MEM_REPORT, NULL, 0, "Print the memory plan", 0},
    RAN_WATCH_ROWS(0, " (of code generation: expand, layout, fuse, select)"),
    RAN_APPROX_ROWS(0),
    {0},
};

static void add_switch(ran_compile_arguments *a, struct argp_state *state, char kind,
                       const char *name, const char *value)
{
    if (a->switch_count == RAN_COMPILE_SWITCHES)
        argp_error(state, "more than %d switches", RAN_COMPILE_SWITCHES);
    a->switches[a->switch_count].kind = kind;
    a->switches[a->switch_count].name = name;
    a->switches[a->switch_count++].value = value;
}

/* The one -f switch that is no pass. */
static bool parse_winograd(ran_compile_arguments *a, const char *value)
{
    if (!strcmp(value, "winograd"))
        a->winograd = RAN_SWITCH_ON;
    else if (!strcmp(value, "no-winograd"))
        a->winograd = RAN_SWITCH_OFF;
    else
        return false;
    return true;
}

static void list_targets(void)
{
    for (size_t i = 0; i < ran_target_count(); i++)
        printf("%-16s %s\n", ran_target_name(i), ran_target_description(i));
    printf("%-16s %s\n", "native", "this machine");
    exit(0);
}

static void parse_machine(ran_compile_arguments *a, char *value, struct argp_state *state)
{
    if (!strncmp(value, "cpu=", 4))
        a->cpu = value + 4;
    else if (!strncmp(value, "attr=", 5))
        a->features = value + 5;
    else
        argp_error(state, "unknown option -m%s (-mcpu=NAME, -mattr=LIST)", value);
}

static void parse_level(ran_compile_arguments *a, char *value, struct argp_state *state)
{
    if (strlen(value) != 1 || !strchr("0123s", *value))
        argp_error(state, "-O%s: 0, 1, 2, 3 or s", value);
    a->level = value;
}

/* What is asked for in words is not bent into an identifier, as a file's name is. */
static void parse_prefix(ran_compile_arguments *a, char *value, struct argp_state *state)
{
    size_t letters = strspn(value, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ_"
                                   "0123456789");
    if (!*value || value[letters] || (*value >= '0' && *value <= '9'))
        argp_error(state, "--prefix=%s: letters, digits and _, no digit first", value);
    a->prefix = value;
}

static void parse_weights(ran_compile_arguments *a, char *value, struct argp_state *state)
{
    if (!strcmp(value, "embed"))
        a->weights = RAN_WEIGHTS_EMBED;
    else if (!strcmp(value, "file"))
        a->weights = RAN_WEIGHTS_FILE;
    else
        argp_error(state, "--weights=%s: embed or file", value);
}

/* The text lives as long as the program. */
static bool parse_approximate(ran_compile_arguments *a, int key, const char *value,
                              struct argp_state *state)
{
    const char *passes = ran_approx_passes(key, value, state);
    if (passes)
        add_switch(a, state, 'p', passes, NULL);
    return passes;
}

static error_t parse_option(int key, char *value, struct argp_state *state)
{
    ran_compile_arguments *a = state->input;
    switch (key) {
    case ARGP_KEY_INIT:
        a->level = a->level ? a->level : "2";
        state->child_inputs[0] = &a->model;
        return 0;
    case 'O':
        parse_level(a, value, state);
        return 0;
    case 'f':
        if (!parse_winograd(a, value))
            add_switch(a, state, 'f', value, NULL);
        return 0;
    case 'm':
        parse_machine(a, value, state);
        return 0;
    case RAN_PASS_PIPELINE:
        add_switch(a, state, 'p', value, NULL);
        return 0;
    case OPTION_TARGET:
        if (!strcmp(value, "help"))
            list_targets();
        a->target = value;
        return 0;
    case RAN_PASS_COLLAPSE_BORDER:
        add_switch(a, state, 'b', value, NULL);
        return 0;
    case OPTION_PREFIX:
        parse_prefix(a, value, state);
        return 0;
    case OPTION_WEIGHTS:
        parse_weights(a, value, state);
        return 0;
    case OPTION_KERNEL_CACHE:
        a->kernel_cache = value;
        return 0;
    case OPTION_MEM_REPORT:
        a->mem_report = true;
        return 0;
    default:
        if (parse_approximate(a, key, value, state))
            return 0;
        if (!ran_watch_name(options, key))
            return ARGP_ERR_UNKNOWN;
        add_switch(a, state, 'm', ran_watch_name(options, key), value);
        return 0;
    }
}

static const struct argp_child children[] = {
    {&ran_model_argp, 0, "What is dynamic in the model:", 0},
    {0},
};

const struct argp ran_compile_argp = {
    .options = options, .parser = parse_option, .children = children};

/* ---- Passes -------------------------------------------------------------------------------------- */

/* Steps of code generation, which are no passes: `observe` prints after them. */
static bool is_step(const char *name, size_t length)
{
    static const char *const steps[] = {"expand", "layout", "fuse", "select"};
    for (size_t i = 0; i < sizeof(steps) / sizeof(*steps); i++)
        if (strlen(steps[i]) == length && !strncmp(steps[i], name, length))
            return true;
    return false;
}

/* --print-after without the steps; what is left is the manager's. */
static ran_status print_after(ran_pass_manager *manager, const char *list)
{
    ran_status status = RAN_OK;
    for (const char *p = list; !status && *p; p += strcspn(p, ","), p += *p == ',') {
        size_t length = strcspn(p, ",");
        if (is_step(p, length))
            continue;
        char *name = strndup(p, length);
        status = ran_pass_manager_set_option(manager, "print-after", name);
        free(name);
    }
    return status;
}

static ran_status apply_switch(ran_pass_manager *manager, char kind, const char *name,
                               const char *value)
{
    if (kind == 'f')
        return ran_pass_manager_set_flag(manager, name, NULL);
    if (kind == 'p')
        return ran_pass_manager_add_passes(manager, name);
    if (kind == 'b')
        return ran_pass_manager_set_pass_option(manager, "collapse-linear", "border", name);
    if (!strcmp(name, "print-after"))
        return print_after(manager, value);
    return ran_pass_manager_set_option(manager, name, value);
}

ran_status ran_compile_create_manager(ran_context *context, const ran_compile_arguments *a,
                                      ran_pass_manager **out_manager)
{
    ran_pass_manager *manager = ran_pass_manager_create(context);
    ran_pass_manager_set_stream(manager, stderr);
    ran_status status = ran_pass_manager_set_level(manager, a->level);
    for (size_t i = 0; !status && i < a->switch_count; i++)
        status = apply_switch(manager, a->switches[i].kind, a->switches[i].name,
                              a->switches[i].value);
    if (status)
        ran_pass_manager_destroy(manager);
    else
        *out_manager = manager;
    return status;
}

static void keep_reference(void *data, const ran_module *module)
{
    const ran_compile_arguments *a = data;
    if (*a->reference)
        ran_module_destroy(*a->reference);
    *a->reference = ran_module_clone(module);
}

ran_status ran_compile_optimize(ran_context *context, const ran_compile_arguments *a,
                                ran_module *module)
{
    ran_pass_manager *manager = NULL;
    ran_status status = ran_compile_create_manager(context, a, &manager);
    if (status)
        return status;
    ran_cost_model *model = NULL;
    ran_compile_options options = ran_compile_options_of(a);
    status = ran_cost_model_create(context, &options, &model);
    ran_pass_manager_set_cost_model(manager, model);
    ran_pass_manager_set_remarks(manager, a->remarks);
    if (a->reference) {
        ran_pass_manager_set_stream(manager, NULL); /* this run is not the one to talk about */
        ran_pass_manager_on_change(manager, keep_reference, (void *)a);
    }
    if (!status)
        status = ran_pass_manager_run(manager, module);
    ran_pass_manager_report(manager, stderr);
    ran_pass_manager_destroy(manager);
    ran_cost_model_destroy(model);
    return status;
}

ran_status ran_compile_prepare(ran_context *context, const ran_compile_arguments *a,
                               const char *path, ran_module **out_module)
{
    ran_module *module = NULL;
    ran_status status = ran_model_load(context, path, &a->model, &module);
    if (status)
        return status;
    status = ran_compile_optimize(context, a, module);
    if (status)
        ran_module_destroy(module);
    else
        *out_module = module;
    return status;
}

/* ---- Code generation --------------------------------------------------------------------------------- */

static bool is_listed(const char *list, const char *word)
{
    size_t n = strlen(word);
    for (const char *p = list; p && *p; p += strcspn(p, ","), p += *p == ',')
        if (strcspn(p, ",") == n && !strncmp(p, word, n))
            return true;
    return false;
}

/* --print-after for the steps of code generation. */
static void observe(void *data, const char *step, const ran_module *module)
{
    const ran_compile_arguments *a = data;
    bool wanted = false;
    for (size_t i = 0; i < a->switch_count; i++) {
        const char *name = a->switches[i].name;
        if (a->switches[i].kind != 'm')
            continue;
        wanted = wanted || !strcmp(name, "print-after-all") ||
                 (!strcmp(name, "print-after") && is_listed(a->switches[i].value, step));
    }
    if (!wanted)
        return;
    fprintf(stderr, "// after %s (noise stands for weights)\n", step);
    if (ran_module_print_outline(module, stderr))
        fprintf(stderr, "// (not printable)\n");
}

ran_compile_options ran_compile_options_of(const ran_compile_arguments *a)
{
    return (ran_compile_options){.target = a->target,
                                 .cpu = a->cpu,
                                 .features = a->features,
                                 .prefix = a->prefix,
                                 .weights = a->weights,
                                 .winograd = a->winograd == RAN_SWITCH_LEVEL
                                                 ? !strcmp(a->level, "3")
                                                 : a->winograd == RAN_SWITCH_ON,
                                 .kernel_cache = a->kernel_cache,
                                 .observe = observe,
                                 .observe_data = (void *)a};
}
