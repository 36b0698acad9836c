/* SPDX-License-Identifier: GPL-3.0-or-later */
/* ran-search latency: measures the candidates of a model's layers on a target. */
#include "tools/search/search.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "ir/ir.h"
#include "search/latency.h"
#include "search/model.h"
#include "tools/files.h"
#include "tools/model.h"

enum { OPTION_LAYERS = 256, OPTION_POOL, OPTION_TARGET, OPTION_RUNNER, OPTION_ESTIMATE };

static const struct argp_option options[] = {
    {"output", 'o', "FILE", 0, "The table; what it holds already is kept (latency.txt)", 1},
    {"target", OPTION_TARGET, "NAME", 0, "The CPU (native)", 1},
    {"runner", OPTION_RUNNER, "COMMAND", 0,
     "Runs a program on the target: COMMAND PROGRAM ARGUMENT...", 1},
    {"estimate", OPTION_ESTIMATE, NULL, 0, "Ask the cost model instead of measuring", 1},
    {"layers", OPTION_LAYERS, "LIST", 0, "Which layers, as for ran-search layers", 1},
    {"pool", OPTION_POOL, "NAME|FILE", 0, "Which candidates, as for ran-search pool (reduced)", 1},
    {0},
};

typedef struct arguments {
    ran_model_options model;
    const char *path, *output, *layers, *pool;
    ran_latency_options latency;
} arguments;

static error_t parse_option(int key, char *value, struct argp_state *state)
{
    arguments *a = state->input;
    switch (key) {
    case 'o':
        a->output = value;
        return 0;
    case OPTION_TARGET:
        a->latency.target = value;
        return 0;
    case OPTION_RUNNER:
        a->latency.runner = value;
        return 0;
    case OPTION_ESTIMATE:
        a->latency.estimate = true;
        return 0;
    case OPTION_LAYERS:
        a->layers = value;
        return 0;
    case OPTION_POOL:
        a->pool = value;
        return 0;
    case ARGP_KEY_INIT:
        state->child_inputs[0] = &a->model;
        return 0;
    case ARGP_KEY_ARG:
        if (a->path)
            argp_error(state, "one model is needed");
        a->path = value;
        return 0;
    case ARGP_KEY_NO_ARGS:
        argp_error(state, "one model is needed");
        return 0;
    default:
        return ARGP_ERR_UNKNOWN;
    }
}

static const struct argp_child children[] = {
    {&ran_model_argp, 0, "What is dynamic in the model:", 2},
    {0},
};

static const struct argp parser = {
    .options = options,
    .parser = parse_option,
    .children = children,
    .args_doc = "MODEL",
    .doc = "Measures, for each layer of a model, the latency of what could stand in its place, "
           "between the layer's neighbours.",
};

const char *ran_latency_source(const ran_latency_options *options)
{
    return options->runner     ? "measured by the runner"
           : options->estimate ? "estimated by the cost model"
                               : "measured";
}

typedef struct saving {
    ran_context *context;
    const ran_latency_table *table;
    const char *path;
} saving;

static ran_status save(void *data)
{
    const saving *s = data;
    return ran_latency_write(s->context, s->table, s->path);
}

static void show(void *data, const char *layer, size_t done, size_t count)
{
    (void)data;
    if (isatty(2))
        fprintf(stderr, "\rmeasuring layer %zu of %zu: %-40s", done + 1, count, layer);
    if (isatty(2) && done + 1 == count)
        fputc('\n', stderr);
}

static ran_status measure(ran_context *context, ran_arena *arena, arguments *a,
                          const ran_module *module, const ran_pool *pool)
{
    ran_layers layers;
    const char *path = a->output ? a->output : "latency.txt";
    const char *target = a->latency.target ? a->latency.target : "native";
    ran_latency_table table = {
        .target = target, .source = ran_latency_source(&a->latency), .arena = arena};
    ran_layers_find(arena, ran_module_first_function(module), &layers);
    ran_status status = ran_layers_choose(context, &layers, a->layers);
    if (status == RAN_OK && !access(path, R_OK))
        status = ran_latency_read(context, arena, path, target, &table);
    if (status == RAN_OK && strcmp(table.source, ran_latency_source(&a->latency)))
        status = ran_error(context, RAN_INVALID, "%s is %s; name another file with -o", path,
                           table.source);
    saving s = {context, &table, path};
    a->latency.progress = show;
    a->latency.scratch = ".";
    if (status == RAN_OK)
        status = ran_latency_complete(module, &layers, pool, &a->latency, &table, save, &s);
    return status == RAN_OK ? save(&s) : status;
}

static ran_status run(ran_context *context, ran_arena *arena, arguments *a)
{
    ran_module *module;
    ran_pool pool;
    ran_status status = ran_model_load(context, a->path, &a->model, &module);
    if (status != RAN_OK)
        return status;
    status = ran_search_set_batch(module, 1);
    if (status == RAN_OK)
        status = ran_search_clean(module);
    if (status == RAN_OK)
        status = ran_pool_open(context, arena, a->pool ? a->pool : "reduced", &pool);
    if (status == RAN_OK) {
        status = measure(context, arena, a, module, &pool);
        ran_pool_close(&pool);
    }
    ran_module_destroy(module);
    return status;
}

int ran_search_latency(int argc, char **argv)
{
    arguments a = {0};
    argp_parse(&parser, argc, argv, 0, NULL, &a);
    ran_context *context = ran_context_create();
    ran_arena *arena = ran_arena_create();
    ran_status status = run(context, arena, &a);
    ran_arena_destroy(arena);
    return ran_tool_finish(context, status);
}
