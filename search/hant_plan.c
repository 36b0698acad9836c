/* SPDX-License-Identifier: GPL-3.0-or-later */
/* plan.json: what was chosen, and what came of it. */
#include <jansson.h>
#include <stdlib.h>
#include <string.h>

#include "ir/beside.h"
#include "search/hant.h"

/* From the plan's directory, "../" for each part of it below the search's. */
static const char *relative(const ran_hant *h, const ran_hant_result *r, const char *path)
{
    size_t length = strlen(h->options.directory);
    const char *below = r->directory + length;
    const char *up = "";
    for (const char *c = below; *c; c++)
        if (*c == '/' && c[1])
            up = ran_intern_printf(h->context, "%s../", up);
    return ran_intern_printf(h->context, "%s%s", up, path + length + 1);
}

static json_t *layer_json(const ran_hant *h, const ran_hant_result *r, size_t index)
{
    const ran_layer *layer = h->searched[index];
    const ran_ilp_op *op = &h->problem.layers[index].ops[r->chosen.choice[index]];
    json_t *json = json_pack("{s:s, s:s, s:s, s:[s], s:[s], s:I, s:I, s:f}", "name", layer->name,
                             "kind", layer->kind, "candidate", op->name, "inputs",
                             ran_value_name(layer->input), "outputs", ran_value_name(layer->output),
                             "latency_ns", (json_int_t)op->cost[0], "teacher_latency_ns",
                             (json_int_t)h->problem.layers[index].ops[0].cost[0], "loss", op->loss);
    if (!r->chosen.choice[index])
        return json;
    const char *path =
        relative(h, r, ran_pretrain_path(h->context, h->options.directory, layer->name, op->name));
    json_object_set_new(json, "function", json_string(path));
    const char *weights = ran_intern_printf(
        h->context, "%s.weights",
        ran_pretrain_path(h->context, h->options.directory, layer->name, op->name));
    FILE *file = fopen(weights, "r");
    if (file) {
        json_object_set_new(json, "weights",
                            json_string(ran_intern_printf(h->context, "%s.weights", path)));
        fclose(file);
    }
    return json;
}

static json_t *baselines_json(const ran_hant_result *r)
{
    json_t *list = json_array();
    for (size_t i = 0; i < r->baseline_count; i++) {
        const ran_hant_choice *c = &r->baselines[i];
        json_t *json = json_pack("{s:s, s:I, s:f, s:f}", "method", c->method,
                                 "predicted_latency_ns", (json_int_t)c->predicted, "loss",
                                 c->held_out_loss, "accuracy_before_tuning", c->accuracy_before);
        if (c->accuracy_after >= 0)
            json_object_set_new(json, "accuracy", json_real(c->accuracy_after));
        json_array_append_new(list, json);
    }
    return list;
}

static json_t *plan_json(const ran_hant *h, const ran_hant_result *r)
{
    json_t *layers = json_array();
    for (size_t i = 0; i < h->problem.layer_count; i++)
        json_array_append_new(layers, layer_json(h, r, i));
    json_t *json = json_pack(
        "{s:s, s:s, s:s, s:s, s:f, s:{s:I, s:f}, s:{s:I, s:f, s:I, s:f, s:f}, s:o, s:o, s:I}",
        "model", h->options.teacher, "target", h->target, "latencies", h->latencies.source,
        "budget", r->budget ? r->budget : "", "prefilter", r->prefilter, "teacher", "latency_ns",
        (json_int_t)r->teacher_latency, "accuracy", r->teacher_accuracy, "result", "latency_ns",
        (json_int_t)r->latency, "accuracy", r->chosen.accuracy_after, "predicted_latency_ns",
        (json_int_t)r->chosen.predicted, "accuracy_before_tuning", r->chosen.accuracy_before,
        "held_out_loss", r->chosen.held_out_loss, "layers", layers, "baselines", baselines_json(r),
        "test_images", (json_int_t)h->test.count);
    if (json && r->failed)
        json_object_set_new(json, "failed", json_string(r->failed));
    return json;
}

ran_status ran_hant_write_plan(const ran_hant *h, const ran_hant_result *r)
{
    const char *path = ran_intern_printf(h->context, "%s/plan.json", r->directory);
    json_t *json = plan_json(h, r);
    if (!json)
        RAN_BUG(h->context, "the plan does not become JSON");
    ran_beside_file out;
    ran_status status = ran_beside_open(h->context, path, &out);
    if (status == RAN_OK) {
        json_dumpf(json, out.stream, JSON_INDENT(2) | JSON_REAL_PRECISION(12));
        status = ran_beside_close(h->context, &out, RAN_OK);
    }
    json_decref(json);
    return status;
}
