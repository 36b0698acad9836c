/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "passes/approx/plan.h"

#include <jansson.h>
#include <string.h>
#include <unistd.h>

typedef struct reader {
    ran_pass_context *pass;
    const char *path;
    size_t index; /* of the layer */
    ran_status status;
} reader;

static void complain(reader *r, const char *problem)
{
    r->status = ran_error(ran_pass_ir(r->pass), RAN_INVALID, "%s: layer %zu: %s", r->path,
                          r->index + 1, problem);
}

/* Of another directory than the current one: paths in a plan are relative to it. */
static const char *beside(const reader *r, const char *name)
{
    const char *slash = strrchr(r->path, '/');
    if (*name == '/' || !slash)
        return ran_intern(ran_pass_ir(r->pass), name);
    return ran_intern_printf(ran_pass_ir(r->pass), "%.*s/%s", (int)(slash - r->path), r->path,
                             name);
}

static const char *read_string(reader *r, const json_t *layer, const char *key)
{
    const json_t *value = json_object_get(layer, key);
    if (value && !json_is_string(value) && !json_is_null(value))
        complain(r, ran_intern_printf(ran_pass_ir(r->pass), "\"%s\" is no string", key));
    return json_is_string(value) ? ran_intern(ran_pass_ir(r->pass), json_string_value(value))
                                 : NULL;
}

static const char **read_names(reader *r, const json_t *layer, const char *key, size_t *out_count)
{
    const json_t *list = json_object_get(layer, key);
    size_t count = json_array_size(list);
    const char **names = ran_pass_alloc(r->pass, (count + 1) * sizeof(*names));
    bool is_right = json_is_array(list) && count > 0;
    for (size_t i = 0; i < count; i++) {
        const json_t *name = json_array_get(list, i);
        is_right = is_right && json_is_string(name);
        names[i] = json_is_string(name) ? ran_intern(ran_pass_ir(r->pass), json_string_value(name))
                                        : "";
    }
    if (!is_right)
        complain(r, ran_intern_printf(ran_pass_ir(r->pass),
                                      "\"%s\" is to be a list of names of values", key));
    *out_count = count;
    return names;
}

/* FILE or FILE#FUNCTION. */
static void read_function(reader *r, const json_t *json, ran_plan_layer *layer)
{
    const char *text = read_string(r, json, "function");
    const char *weights = read_string(r, json, "weights");
    if (!text)
        return;
    const char *hash = strchr(text, '#');
    size_t length = hash ? (size_t)(hash - text) : strlen(text);
    layer->file = beside(r, ran_intern_n(ran_pass_ir(r->pass), text, length));
    layer->function = hash ? ran_intern(ran_pass_ir(r->pass), hash + 1) : NULL;
    if (weights && access(beside(r, weights), R_OK))
        complain(r, ran_intern_printf(ran_pass_ir(r->pass), "cannot read the weights, %s",
                                      beside(r, weights)));
}

static void read_layer(reader *r, const json_t *json, ran_plan_layer *layer)
{
    if (!json_is_object(json)) {
        complain(r, "is no object");
        return;
    }
    const char *name = read_string(r, json, "name");
    layer->name = name ? name : ran_intern_printf(ran_pass_ir(r->pass), "%zu", r->index + 1);
    layer->candidate = read_string(r, json, "candidate");
    read_function(r, json, layer);
    if (!layer->file)
        return;
    layer->inputs = read_names(r, json, "inputs", &layer->input_count);
    layer->outputs = read_names(r, json, "outputs", &layer->output_count);
}

ran_status ran_plan_read(ran_pass_context *pass, const char *path, ran_plan *out_plan)
{
    json_error_t error;
    reader r = {.pass = pass, .path = path};
    json_t *root = json_load_file(path, 0, &error);
    if (!root)
        return ran_error(ran_pass_ir(pass), RAN_INVALID, "%s:%d: %s", path,
                         error.line > 0 ? error.line : 0, error.text);
    const json_t *layers = json_object_get(root, "layers");
    if (!json_is_array(layers))
        r.status = ran_error(ran_pass_ir(pass), RAN_INVALID,
                             "%s: a plan is an object with a list \"layers\"", path);
    out_plan->count = json_array_size(layers);
    out_plan->layers = ran_pass_alloc(pass, (out_plan->count + 1) * sizeof(ran_plan_layer));
    for (; r.index < out_plan->count; r.index++)
        read_layer(&r, json_array_get(layers, r.index), &out_plan->layers[r.index]);
    json_decref(root);
    return r.status;
}
