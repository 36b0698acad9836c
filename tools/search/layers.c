/* SPDX-License-Identifier: GPL-3.0-or-later */
/* ran-search layers: shows what a search may replace. */
#include "tools/search/search.h"

#include <jansson.h>

#include "ir/ir.h"
#include "search/layers.h"
#include "search/model.h"
#include "tools/files.h"
#include "tools/search/model.h"

enum { OPTION_JSON = 256 };

static const struct argp_option options[] = {
    {"json", OPTION_JSON, NULL, 0, "Print JSON", 1},
    {0},
};

typedef struct arguments {
    ran_searched_model searched;
    bool json;
} arguments;

static error_t parse_option(int key, char *value, struct argp_state *state)
{
    arguments *a = state->input;
    (void)value;
    switch (key) {
    case OPTION_JSON:
        a->json = true;
        return 0;
    case ARGP_KEY_INIT:
        state->child_inputs[0] = &a->searched;
        return 0;
    default:
        return ARGP_ERR_UNKNOWN;
    }
}

static const struct argp_child children[] = {{&ran_searched_model_argp, 0, NULL, 0}, {0}};

static const struct argp parser = {
    .options = options,
    .parser = parse_option,
    .children = children,
    .doc =
        "Shows the layers of a model that a search may replace: parts with one feature map in and "
        "one of the same or half the size out.",
};

static void shape_text(const ran_value *value, char *text, size_t size)
{
    snprintf(text, size, "%lldx%lldx%lld", (long long)ran_layer_extent(value, 1),
             (long long)ran_layer_extent(value, 2), (long long)ran_layer_extent(value, 3));
}

static void print_text(const ran_layers *layers)
{
    printf("%-28s %-20s %-14s %-14s %6s %11s %13s %11s\n", "layer", "kind", "input", "output",
           "search", "parameters", "MACs", "non-linear");
    for (size_t i = 0; i < layers->count; i++) {
        const ran_layer *layer = &layers->layers[i];
        char input[40], output[40];
        shape_text(layer->input, input, sizeof input);
        shape_text(layer->output, output, sizeof output);
        printf("%-28s %-20s %-14s %-14s %6s %11lld %13lld %11lld\n", layer->name, layer->kind,
               input, output, layer->is_chosen ? "yes" : "no", (long long)layer->parameters,
               (long long)layer->macs, (long long)layer->nonlinear);
    }
}

static json_t *shape_json(const ran_value *value)
{
    return json_pack("[I, I, I]", (json_int_t)ran_layer_extent(value, 1),
                     (json_int_t)ran_layer_extent(value, 2),
                     (json_int_t)ran_layer_extent(value, 3));
}

static void print_json(const ran_layers *layers)
{
    json_t *list = json_array();
    for (size_t i = 0; i < layers->count; i++) {
        const ran_layer *layer = &layers->layers[i];
        json_array_append_new(
            list, json_pack("{s:s, s:s, s:s, s:s, s:o, s:o, s:I, s:b, s:I, s:I, s:I}", "name",
                            layer->name, "kind", layer->kind, "input", ran_value_name(layer->input),
                            "output", ran_value_name(layer->output), "input_shape",
                            shape_json(layer->input), "output_shape", shape_json(layer->output),
                            "stride", (json_int_t)layer->stride, "search", layer->is_chosen,
                            "parameters", (json_int_t)layer->parameters, "macs",
                            (json_int_t)layer->macs, "nonlinear", (json_int_t)layer->nonlinear));
    }
    json_dumpf(list, stdout, JSON_INDENT(2));
    putchar('\n');
    json_decref(list);
}

static ran_status run(ran_context *context, ran_arena *arena, const arguments *a)
{
    ran_module *module;
    ran_layers layers;
    ran_status status = ran_model_load(context, a->searched.path, &a->searched.model, &module);
    if (status != RAN_OK)
        return status;
    status = ran_search_clean(module);
    if (status == RAN_OK) {
        ran_layers_find(arena, ran_module_first_function(module), &layers);
        status = ran_layers_choose(context, &layers, a->searched.layers);
    }
    if (status == RAN_OK && a->json)
        print_json(&layers);
    else if (status == RAN_OK)
        print_text(&layers);
    ran_module_destroy(module);
    return status;
}

int ran_search_layers(int argc, char **argv)
{
    arguments a = {0};
    argp_parse(&parser, argc, argv, 0, NULL, &a);
    ran_context *context = ran_context_create();
    ran_arena *arena = ran_arena_create();
    ran_status status = run(context, arena, &a);
    ran_arena_destroy(arena);
    return ran_tool_finish(context, status);
}
