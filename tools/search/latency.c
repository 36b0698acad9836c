/* SPDX-License-Identifier: GPL-3.0-or-later */
/* ran-search latency: measures the candidates of a model's layers on a target. */
#include "tools/search/search.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "ir/ir.h"
#include "search/model.h"
#include "tools/files.h"
#include "tools/search/model.h"
#include "tools/search/progress.h"

static const struct argp_option options[] = {
    {"output", 'o', "FILE", 0, "The table; what it holds already is kept (latency.txt)", 1},
    {0},
};

typedef struct arguments {
    ran_searched_model searched;
    ran_measuring measuring;
    const char *output;
    ran_search_watch watch;
} arguments;

static error_t parse_option(int key, char *value, struct argp_state *state)
{
    arguments *a = state->input;
    switch (key) {
    case 'o':
        a->output = value;
        return 0;
    case ARGP_KEY_INIT:
        state->child_inputs[0] = &a->measuring;
        state->child_inputs[1] = &a->searched;
        return 0;
    default:
        return ARGP_ERR_UNKNOWN;
    }
}

static const struct argp_child children[] = {
    {&ran_measuring_argp, 0, NULL, 0}, {&ran_searched_model_argp, 0, NULL, 0}, {0}};

static const struct argp parser = {
    .options = options,
    .parser = parse_option,
    .children = children,
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

static ran_status measure(ran_context *context, ran_arena *arena, arguments *a,
                          const ran_module *module, const ran_pool *pool)
{
    ran_layers layers;
    const char *path = a->output ? a->output : "latency.txt";
    const char *target = a->measuring.latency.target ? a->measuring.latency.target : "native";
    ran_latency_table table = {
        .target = target, .source = ran_latency_source(&a->measuring.latency), .arena = arena};
    ran_layers_find(arena, ran_module_first_function(module), &layers);
    ran_status status = ran_layers_choose(context, &layers, a->searched.layers);
    if (status == RAN_OK && !access(path, R_OK))
        status = ran_latency_read(context, arena, path, target, &table);
    if (status == RAN_OK && strcmp(table.source, ran_latency_source(&a->measuring.latency)))
        status = ran_error(context, RAN_INVALID, "%s is %s; name another file with -o", path,
                           table.source);
    saving s = {context, &table, path};
    if (ran_progress_has_terminal()) {
        a->measuring.latency.progress = ran_watch_layer;
        a->measuring.latency.data = &a->watch;
    }
    a->measuring.latency.scratch = ".";
    if (status == RAN_OK)
        status =
            ran_latency_complete(module, &layers, pool, &a->measuring.latency, &table, save, &s);
    return status == RAN_OK ? save(&s) : status;
}

static ran_status run(ran_context *context, ran_arena *arena, arguments *a)
{
    ran_module *module;
    ran_pool pool;
    ran_status status = ran_model_load(context, a->searched.path, &a->searched.model, &module);
    if (status != RAN_OK)
        return status;
    status = ran_search_set_batch(module, 1);
    if (status == RAN_OK)
        status = ran_search_clean(module);
    if (status == RAN_OK)
        status =
            ran_pool_open(context, arena, a->measuring.pool ? a->measuring.pool : "reduced", &pool);
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
    ran_progress_end(&a.watch.bar);
    ran_arena_destroy(arena);
    return ran_tool_finish(context, status);
}
