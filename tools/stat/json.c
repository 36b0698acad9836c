/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "tools/stat/stat.h"

#include <stdlib.h>

static void set(json_t *object, const char *key, int64_t value)
{
    json_object_set_new(object, key, json_integer(value));
}

static void set_known(json_t *object, const char *key, int64_t value)
{
    json_object_set_new(object, key, value < 0 ? json_null() : json_integer(value));
}

static json_t *total_json(const stat_model *model)
{
    const ran_statistics *s = model->statistics;
    json_t *object = json_object();
    set(object, "parameters", s->parameters);
    set(object, "macs", s->macs);
    set(object, "nonlinear_elements", s->nonlinear_elements);
    set(object, "nonlinear_units", s->nonlinear_units);
    set(object, "relu_elements", s->relu_elements);
    set_known(object, "activation_bytes", model->planned_bytes);
    set_known(object, "latency_ns", model->latency_ns);
    return object;
}

static json_t *parts_json(const ran_parts *p)
{
    json_t *object = json_object();
    set(object, "conv_weights", p->conv_weights);
    set(object, "fc_weights", p->fc_weights);
    set(object, "biases", p->biases);
    set(object, "bn_channels", p->bn_channels);
    set(object, "ln_channels", p->ln_channels);
    set(object, "scale_channels", p->scale_channels);
    set(object, "other_parameters", p->other);
    set(object, "conv_macs", p->conv_macs);
    set(object, "fc_macs", p->fc_macs);
    set(object, "se_macs", p->se_macs);
    set(object, "product_macs", p->product_macs);
    set(object, "norm_elements", p->norm_elements);
    return object;
}

static json_t *kinds_json(const ran_statistics *s)
{
    json_t *array = json_array();
    for (size_t i = 0; i < s->kind_count; i++) {
        json_t *object = json_object();
        json_object_set_new(object, "op", json_string(ran_opcode_name(s->kinds[i].opcode)));
        set(object, "ops", s->kinds[i].ops);
        set(object, "elements", s->kinds[i].elements);
        set(object, "units", s->kinds[i].units);
        json_array_append_new(array, object);
    }
    return array;
}

/* Names of foreign files need not be UTF-8, which JSON is. */
static json_t *name_json(const char *name)
{
    json_t *string = json_string(name);
    return string ? string : json_string("");
}

static json_t *node_json(const stat_model *model, const ran_op_statistics *node)
{
    json_t *object = json_object();
    json_object_set_new(object, "name", name_json(node->name));
    json_object_set_new(object, "op", json_string(ran_opcode_name(ran_op_opcode(node->op))));
    set(object, "stage", node->stage);
    set(object, "parameters", node->parameters);
    set(object, "macs", node->macs);
    set(object, "nonlinear_elements", node->nonlinear_elements);
    set(object, "nonlinear_units", node->nonlinear_units);
    set(object, "relu_elements", node->relu_elements);
    set(object, "activation_bytes", node->activation_bytes);
    set_known(object, "latency_ns", stat_node_latency(model, node));
    return object;
}

static json_t *nodes_json(const stat_model *model)
{
    json_t *array = json_array();
    for (size_t i = 0; i < model->statistics->op_count; i++)
        json_array_append_new(array, node_json(model, &model->statistics->ops[i]));
    return array;
}

/* A multiply-accumulate is one FLOP here, as in the papers; null without a ReLU. */
static void set_ratio(json_t *object, const char *key, int64_t value, int64_t relus)
{
    json_object_set_new(object, key,
                        relus ? json_real((double)value / (double)relus) : json_null());
}

static json_t *stages_json(const ran_statistics *s)
{
    json_t *array = json_array();
    stat_stage *stages = stat_stages(s);
    for (int i = 0; i <= s->stage_count; i++) {
        json_t *object = json_object();
        set(object, "stage", i);
        set(object, "positions", s->stage_positions[i]);
        set(object, "ops", (int64_t)stages[i].ops);
        set(object, "parameters", stages[i].parameters);
        set(object, "macs", stages[i].macs);
        set(object, "nonlinear_elements", stages[i].nonlinear_elements);
        set(object, "nonlinear_units", stages[i].nonlinear_units);
        set(object, "relu_elements", stages[i].relu_elements);
        set_ratio(object, "flops_per_relu", stages[i].macs, stages[i].relu_elements);
        set_ratio(object, "parameters_per_relu", stages[i].parameters, stages[i].relu_elements);
        json_array_append_new(array, object);
    }
    free(stages);
    return array;
}

json_t *stat_json(const stat_model *model, bool by_stage)
{
    json_t *object = json_object();
    json_object_set_new(object, "model", name_json(model->path));
    json_object_set_new(object, "rule", json_string(ran_rule_name(model->statistics->rule)));
    json_object_set_new(object, "total", total_json(model));
    json_object_set_new(object, "parts", parts_json(&model->statistics->parts));
    json_object_set_new(object, "kinds", kinds_json(model->statistics));
    if (by_stage)
        json_object_set_new(object, "stages", stages_json(model->statistics));
    json_object_set_new(object, "nodes", nodes_json(model));
    return object;
}
