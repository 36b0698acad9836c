/* SPDX-License-Identifier: GPL-3.0-or-later */
/* What there is to choose from: a row a candidate, with its loss and all that it costs. */
#include <string.h>

#include "ir/ir.h"
#include "search/hant.h"

enum { COSTS = 5 };

static const char *const cost_names[COSTS] = {"latency", "macs", "parameters", "memory",
                                              "nonlinear"};

/* COSTS when there is none of this name. */
static size_t cost_index(const char *name)
{
    size_t b = 0;
    while (b < COSTS && strcmp(cost_names[b], name))
        b++;
    return b;
}

bool ran_hant_has_cost(const char *name)
{
    return cost_index(name) < COSTS;
}

static void fill_counts(int64_t *cost, const ran_counts *counts)
{
    cost[1] = counts->macs;
    cost[2] = counts->parameters;
    cost[3] = counts->activation_bytes;
    cost[4] = counts->nonlinear_elements;
}

static void count_ops(ran_op *const *ops, size_t count, int64_t *cost)
{
    ran_counts counts = {0};
    for (size_t i = 0; i < count; i++)
        ran_count_op(ops[i], &counts);
    fill_counts(cost, &counts);
}

/* As it is compiled: what collapses counts collapsed. */
static ran_status count_candidate(const ran_hant *h, const ran_candidate *candidate,
                                  const ran_slot *slot, int64_t *cost)
{
    ran_module *module;
    ran_counts counts = {0};
    ran_status status = ran_candidate_build(h->context, candidate, slot, 0, &module);
    if (status != RAN_OK)
        return status;
    status = ran_search_optimize(module, h->options.latency.target, "3");
    const ran_region *body = ran_function_body(ran_module_first_function(module));
    for (const ran_op *op = ran_region_first(body); op && status == RAN_OK; op = ran_op_next(op))
        ran_count_op(op, &counts);
    fill_counts(cost, &counts);
    ran_module_destroy(module);
    return status;
}

static ran_status fill_layer(const ran_hant *h, const ran_layer *layer, ran_ilp_layer *out)
{
    ran_slot slot = ran_slot_of(layer);
    ran_ilp_op *ops = RAN_ARENA_ARRAY(h->arena, ran_ilp_op, h->pool.count + 1);
    int64_t *cost = RAN_ARENA_ARRAY(h->arena, int64_t, COSTS);
    cost[0] = ran_latency_find(&h->latencies, layer->name, "teacher");
    count_ops(layer->ops, layer->op_count, cost);
    *out = (ran_ilp_layer){layer->name, ops, 1};
    ops[0] = (ran_ilp_op){.name = "teacher", .cost = cost};
    ran_status status = RAN_OK;
    for (size_t i = 0; i < h->pool.count && status == RAN_OK; i++) {
        const ran_candidate *candidate = h->pool.candidates[i];
        const ran_loss_row *row = ran_losses_find(&h->losses, layer->name, candidate->name);
        int64_t latency = ran_latency_find(&h->latencies, layer->name, candidate->name);
        if (!row || latency < 0 || !ran_candidate_fits(candidate, &slot))
            continue;
        cost = RAN_ARENA_ARRAY(h->arena, int64_t, COSTS);
        cost[0] = latency;
        status = count_candidate(h, candidate, &slot, cost);
        ops[out->op_count++] = (ran_ilp_op){candidate->name, row->loss, row->drop, cost};
    }
    return status;
}

/* What is in no layer: the network's total without the teacher's layers. */
static void fill_fixed(ran_hant *h)
{
    int64_t total[COSTS] = {h->latencies.network};
    ran_counts counts = {0};
    const ran_region *body = ran_function_body(ran_module_first_function(h->module));
    for (const ran_op *op = ran_region_first(body); op; op = ran_op_next(op))
        ran_count_op(op, &counts);
    fill_counts(total, &counts);
    for (size_t b = 0; b < COSTS; b++) {
        int64_t fixed = total[b];
        for (size_t i = 0; i < h->problem.layer_count; i++)
            fixed -= h->problem.layers[i].ops[0].cost[b];
        h->problem.budgets[b] = (ran_ilp_budget){cost_names[b], INT64_MAX, fixed};
    }
}

ran_status ran_hant_fill_problem(ran_hant *h)
{
    size_t count = ran_layers_chosen(&h->layers);
    ran_ilp_layer *layers = RAN_ARENA_ARRAY(h->arena, ran_ilp_layer, count + 1);
    ran_status status = RAN_OK;
    h->searched = RAN_ARENA_ARRAY(h->arena, const ran_layer *, count + 1);
    h->problem = (ran_ilp_problem){.layers = layers, .budget_count = COSTS, .has_drops = true};
    for (size_t i = 0; i < h->layers.count && status == RAN_OK; i++)
        if (h->layers.layers[i].is_chosen) {
            h->searched[h->problem.layer_count] = &h->layers.layers[i];
            status = fill_layer(h, &h->layers.layers[i], &layers[h->problem.layer_count++]);
        }
    if (status == RAN_OK)
        fill_fixed(h);
    return status;
}

ran_status ran_hant_set_limits(const ran_hant *h, const ran_hant_budget *budgets, size_t count,
                               ran_hant_result *r)
{
    size_t *teacher = RAN_ARENA_ARRAY(h->arena, size_t, h->problem.layer_count + 1);
    r->problem = h->problem;
    for (size_t i = 0; i < count; i++) {
        size_t b = cost_index(budgets[i].name);
        if (b == COSTS)
            return ran_error(h->context, RAN_USAGE,
                             "budget %s: expected latency, macs, parameters, memory or nonlinear",
                             budgets[i].name);
        ran_status status = ran_ilp_parse_limit(h->context, budgets[i].name, budgets[i].value,
                                                ran_ilp_cost(&h->problem, b, teacher),
                                                &r->problem.budgets[b].limit);
        if (status != RAN_OK)
            return status;
        r->budget = ran_intern_printf(h->context, "%s%s%s=%s", r->budget ? r->budget : "",
                                      r->budget ? ", " : "", budgets[i].name, budgets[i].value);
    }
    r->limit = r->problem.budgets[0].limit;
    return RAN_OK;
}
