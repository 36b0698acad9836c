/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The registry of passes, and running a pipeline over a module. */
#include "passes/passes.h"

#include <dlfcn.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

static const ran_pass builtin[] = {
#define RAN_PASS(function, ...) {.run = function, __VA_ARGS__},
#include "passes/pass.def"
};

/* ---- Registry ---------------------------------------------------------------------------------- */

static size_t count_counters(const ran_pass *pass)
{
    size_t count = 0;
    while (pass->counters && pass->counters[count].name)
        count++;
    return count;
}

static void add_state(ran_pass_manager *manager, const ran_pass *pass)
{
    if (manager->count == manager->capacity) {
        size_t capacity = manager->capacity ? 2 * manager->capacity : 32;
        ran_pass_state *states = RAN_ARENA_ARRAY(manager->arena, ran_pass_state, capacity);
        if (manager->count)
            memcpy(states, manager->states, manager->count * sizeof(*states));
        manager->states = states;
        manager->capacity = capacity;
    }
    manager->states[manager->count++] = (ran_pass_state){
        .pass = pass,
        .counters = RAN_ARENA_ARRAY(manager->arena, int64_t, count_counters(pass) + 1),
    };
}

static ran_pass_state *find_state(const ran_pass_manager *manager, const char *name)
{
    for (size_t i = 0; i < manager->count; i++) {
        const ran_pass *pass = manager->states[i].pass;
        if (!strcmp(pass->name, name) || (pass->alias && !strcmp(pass->alias, name)))
            return &manager->states[i];
    }
    return NULL;
}

RAN_GIVE ran_pass_manager *ran_pass_manager_create(ran_context *context)
{
    ran_arena *arena = ran_arena_create();
    ran_pass_manager *manager = RAN_ARENA_NEW(arena, ran_pass_manager);
    manager->context = context;
    manager->arena = arena;
    manager->level = -1;
    manager->bisect_limit = -1;
    for (size_t i = 0; i < sizeof(builtin) / sizeof(*builtin); i++)
        add_state(manager, &builtin[i]);
    ran_pipeline_check_order(manager);
    return manager;
}

void ran_pass_manager_destroy(RAN_TAKE ran_pass_manager *manager)
{
    if (!manager)
        return;
    for (size_t i = 0; i < manager->plugin_count; i++)
        dlclose(manager->plugins[i]);
    free(manager->plugins);
    ran_arena_destroy(manager->arena);
}

ran_status ran_pass_manager_register(ran_pass_manager *manager, const ran_pass *pass)
{
    if (!pass->name || !pass->run)
        return ran_error(manager->context, RAN_USAGE, "a pass needs a name and a run function");
    if (find_state(manager, pass->name) || (pass->alias && find_state(manager, pass->alias)))
        return ran_error(manager->context, RAN_USAGE,
                         "pass '%s': the name is taken; choose another one", pass->name);
    add_state(manager, pass);
    return RAN_OK;
}

size_t ran_pass_manager_pass_count(const ran_pass_manager *manager)
{
    return manager->count;
}

const ran_pass *ran_pass_manager_pass(const ran_pass_manager *manager, size_t index)
{
    return manager->states[index].pass;
}

const ran_pass *ran_pass_manager_find(const ran_pass_manager *manager, const char *name)
{
    const ran_pass_state *state = find_state(manager, name);
    return state ? state->pass : NULL;
}

ran_pass_state *ran_pass_manager_state(const ran_pass_manager *manager, const ran_pass *pass)
{
    for (size_t i = 0; i < manager->count; i++) {
        if (manager->states[i].pass == pass)
            return &manager->states[i];
    }
    return NULL;
}

/* ---- Plug-ins ----------------------------------------------------------------------------------- */

static ran_status check_plugin(ran_pass_manager *manager, const char *file,
                               const ran_pass_plugin *plugin)
{
    if (!plugin)
        return ran_error(manager->context, RAN_INVALID,
                         "%s: no pass plug-in: it exports no 'ran_pass_plugin_info'", file);
    if (plugin->abi != RAN_PASS_PLUGIN_ABI)
        return ran_error(manager->context, RAN_INVALID,
                         "%s: plug-in of interface version %u, this is %u; compile it again", file,
                         plugin->abi, (unsigned)RAN_PASS_PLUGIN_ABI);
    return RAN_OK;
}

static ran_status register_plugin(ran_pass_manager *manager, const ran_pass_plugin *plugin)
{
    for (size_t i = 0; i < plugin->pass_count; i++) {
        ran_status status = ran_pass_manager_register(manager, &plugin->passes[i]);
        if (status)
            return status;
    }
    return RAN_OK;
}

ran_status ran_pass_manager_load(ran_pass_manager *manager, const char *file)
{
    /* dlopen searches the library path for a name without a slash; the user means a file. */
    const char *path =
        strchr(file, '/') ? file : ran_intern_printf(manager->context, "./%s", file);
    void *handle = dlopen(path, RTLD_NOW | RTLD_LOCAL);
    if (handle)
        ran_file_note(manager->context, file);
    if (!handle)
        return ran_error(manager->context, RAN_INVALID, "cannot load pass plug-in: %s", dlerror());
    void **plugins = realloc(manager->plugins, (manager->plugin_count + 1) * sizeof(*plugins));
    if (!plugins) {
        dlclose(handle);
        return ran_error(manager->context, RAN_INVALID, "%s: out of memory", file);
    }
    manager->plugins = plugins;
    manager->plugins[manager->plugin_count++] = handle;
    const ran_pass_plugin *plugin = dlsym(handle, "ran_pass_plugin_info");
    ran_status status = check_plugin(manager, file, plugin);
    return status ? status : register_plugin(manager, plugin);
}

/* ---- Running ------------------------------------------------------------------------------------ */

static double now_seconds(void)
{
    struct timespec time;
    clock_gettime(CLOCK_MONOTONIC, &time);
    return (double)time.tv_sec + 1e-9 * (double)time.tv_nsec;
}

static ran_status infer_all(ran_pass_manager *manager)
{
    for (ran_function *f = ran_module_first_function(manager->module); f; f = ran_function_next(f)) {
        ran_status status = ran_function_infer_types(f);
        if (status)
            return status;
    }
    return RAN_OK;
}

static void clean_all(ran_pass_manager *manager)
{
    for (ran_function *f = ran_module_first_function(manager->module); f; f = ran_function_next(f))
        ran_region_erase_dead(ran_function_body(f));
}

/* Of what a pass changed, other types may follow, and other passes from them. */
static void refine_all(ran_pass_manager *manager)
{
    for (ran_function *f = ran_module_first_function(manager->module); f; f = ran_function_next(f))
        ran_refine_types(ran_function_body(f));
}

static ran_status run_on_functions(ran_pass_manager *manager, const ran_step *step, bool *changed);

/* With their default options, and not among the steps that the user sees. */
static ran_status recognize_all(ran_pass_manager *manager)
{
    static const char *const names[] = {"recognize-hard-swish", "recognize-silu",
                                        "recognize-gelu"};
    for (size_t i = 0; i < sizeof(names) / sizeof(*names); i++) {
        bool changed;
        ran_step step = {.pass = ran_pass_manager_find(manager, names[i])};
        ran_status status = run_on_functions(manager, &step, &changed);
        if (status)
            return status;
    }
    return RAN_OK;
}

static ran_status establish(ran_pass_manager *manager, const ran_pass *pass)
{
    unsigned missing = pass->needs & ~manager->properties;
    if (missing & RAN_PROPERTY_PLAIN)
        return ran_error(manager->context, RAN_USAGE,
                         "pass '%s' needs plain layouts: run it before the passes that assign "
                         "layouts or build kernels",
                         pass->name);
    if (missing & RAN_PROPERTY_TYPES) {
        ran_status status = infer_all(manager);
        if (status)
            return status;
    }
    if (missing & RAN_PROPERTY_CLEAN)
        clean_all(manager);
    ran_status status = missing & RAN_PROPERTY_COMPOSITE ? recognize_all(manager) : RAN_OK;
    manager->properties |= missing;
    return status;
}

static ran_status run_on_functions(ran_pass_manager *manager, const ran_step *step, bool *changed)
{
    ran_pass_context pass = {
        .manager = manager,
        .state = ran_pass_manager_state(manager, step->pass),
        .values = step->values,
    };
    ran_status status = RAN_OK;
    for (ran_function *f = ran_module_first_function(manager->module); f && !status;
         f = ran_function_next(f)) {
        pass.arena = ran_arena_create();
        status = step->pass->run(&pass, f);
        ran_arena_destroy(pass.arena);
    }
    *changed = pass.changed;
    return status;
}

/* Whether bisection lets this run happen; says so on the stream, for the user to bisect by. */
static bool bisect_allows(ran_pass_manager *manager, const ran_pass *pass)
{
    if (manager->bisect_limit < 0)
        return true;
    int64_t number = ++manager->bisect_count;
    bool run = number <= manager->bisect_limit;
    if (manager->stream)
        fprintf(manager->stream, "bisect: %srunning pass (%lld) %s\n", run ? "" : "NOT ",
                (long long)number, pass->name);
    return run;
}

static ran_status run_pass(ran_pass_manager *manager, const ran_step *step, bool *changed)
{
    *changed = false;
    const ran_pass *pass = step->pass;
    if (!bisect_allows(manager, pass))
        return RAN_OK;
    ran_status status = establish(manager, pass);
    if (status)
        return status;
    status = ran_instrument_before(manager, pass);
    if (status)
        return status;
    double start = now_seconds();
    ran_change change = ran_change_begin(manager, pass);
    status = run_on_functions(manager, step, changed);
    ran_change_end(manager, pass, &change, !status && *changed);
    ran_pass_state *state = ran_pass_manager_state(manager, pass);
    state->seconds += now_seconds() - start;
    state->runs++;
    if (*changed) {
        manager->properties &= pass->keeps;
        if (pass->keeps & RAN_PROPERTY_TYPES)
            refine_all(manager);
    }
    manager->properties |= pass->gives;
    return status ? status : ran_instrument_after(manager, pass);
}

static ran_status run_steps(ran_pass_manager *manager, const ran_step *steps, bool *changed);

/* A fixpoint that does not settle within its rounds stops there: every step keeps the function. */
static ran_status run_fixpoint(ran_pass_manager *manager, const ran_step *step, bool *changed)
{
    bool again = true;
    for (int64_t round = 0; again && round < step->max; round++) {
        ran_status status = run_steps(manager, step->body, &again);
        if (status)
            return status;
        *changed |= again;
    }
    return RAN_OK;
}

static ran_status run_steps(ran_pass_manager *manager, const ran_step *steps, bool *changed)
{
    *changed = false;
    for (const ran_step *step = steps; step; step = step->next) {
        bool one = false;
        ran_status status =
            step->pass ? run_pass(manager, step, &one) : run_fixpoint(manager, step, &one);
        *changed |= one;
        if (status)
            return status;
    }
    return RAN_OK;
}

static bool is_plain_region(const ran_region *region)
{
    RAN_FOR_OPS (region, op) {
        if (op->opcode == RAN_OP_KERNEL)
            return false;
        for (size_t i = 0; i < op->result_count; i++) {
            const ran_type *type = op->results[i].type;
            if (type && ran_type_is_tensor(type) && ran_type_layout(type).block)
                return false;
        }
        for (size_t i = 0; i < op->region_count; i++) {
            if (!is_plain_region(op->regions[i]))
                return false;
        }
    }
    return true;
}

static unsigned known_properties(const ran_module *module)
{
    bool plain = true;
    for (ran_function *f = ran_module_first_function(module); f; f = ran_function_next(f))
        plain = plain && is_plain_region(ran_function_body(f));
    return plain ? RAN_PROPERTY_PLAIN : 0;
}

ran_status ran_pass_manager_run_text(ran_pass_manager *manager, const char *text,
                                     ran_module *module)
{
    ran_arena *arena = ran_arena_create();
    ran_step *steps = NULL;
    ran_status status = ran_pipeline_parse(manager, arena, text, &steps);
    if (!status) {
        bool changed = false;
        manager->module = module;
        manager->properties = known_properties(module);
        status = run_steps(manager, steps, &changed);
        manager->module = NULL;
    }
    ran_arena_destroy(arena);
    return status;
}

/* What the user asked for by hand is checked against the constraints, and run as asked. */
static ran_status warn_user_order(ran_pass_manager *manager, ran_arena *arena)
{
    if (!manager->user)
        return RAN_OK;
    ran_step *steps = NULL;
    ran_status status = ran_pipeline_parse(manager, arena, manager->user, &steps);
    if (!status)
        ran_pipeline_warn_order(manager, steps);
    return status;
}

ran_status ran_pass_manager_run(ran_pass_manager *manager, ran_module *module)
{
    ran_arena *arena = ran_arena_create();
    ran_status status = warn_user_order(manager, arena);
    if (!status)
        status = ran_pass_manager_run_text(manager, ran_pipeline_text(manager, arena), module);
    ran_arena_destroy(arena);
    return status;
}

RAN_GIVE char *ran_pass_manager_pipeline(const ran_pass_manager *manager)
{
    ran_arena *arena = ran_arena_create();
    char *text = strdup(ran_pipeline_text(manager, arena));
    ran_arena_destroy(arena);
    return text;
}
