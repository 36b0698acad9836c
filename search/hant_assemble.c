/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Selections as networks: put together, evaluated, measured. */
#include <stdlib.h>

#include "ir/ir.h"
#include "search/hant.h"

enum { INSTANCES = 7 };
enum { MEASURED_TIME = 2000000000 }; /* nanoseconds of the teacher: what decides is measured well */

static ran_status put_candidate(const ran_hant *h, ran_function *function, size_t layer,
                                const char *candidate)
{
    const ran_layer *at = h->searched[layer];
    ran_module *part;
    ran_status status = ran_search_load(
        h->context, ran_pretrain_path(h->context, h->options.directory, at->name, candidate),
        &part);
    if (status != RAN_OK)
        return status;
    status = ran_search_substitute(function, ran_value_name(at->input), ran_value_name(at->output),
                                   ran_module_first_function(part), at->name);
    ran_module_destroy(part);
    return status;
}

/* From behind, because a candidate that is its input alone takes its output's name away. */
ran_status ran_hant_assemble(const ran_hant *h, const size_t *choice, ran_module **out_module)
{
    ran_module *module = ran_module_clone(h->module);
    ran_status status = RAN_OK;
    for (size_t i = h->problem.layer_count; i-- > 0 && status == RAN_OK;)
        if (choice[i])
            status = put_candidate(h, ran_module_first_function(module), i,
                                   h->problem.layers[i].ops[choice[i]].name);
    if (status != RAN_OK)
        ran_module_destroy(module);
    else
        *out_module = module;
    return status;
}

size_t *ran_hant_copy_choice(const ran_hant *h, const size_t *choice)
{
    return ran_arena_copy(h->arena, choice, h->problem.layer_count * sizeof *choice);
}

/* Assembled, with its norms' statistics. */
ran_status ran_hant_build(const ran_hant *h, const ran_hant_choice *c, ran_module **out_module)
{
    ran_status status = ran_hant_assemble(h, c->choice, out_module);
    if (status != RAN_OK)
        return status;
    status = ran_images_recalibrate(*out_module, &h->images,
                                    h->images.count - h->options.pretrain.held_out);
    if (status != RAN_OK)
        ran_module_destroy(*out_module);
    return status;
}

ran_status ran_hant_evaluate(const ran_hant *h, bool with_test, ran_hant_choice *c)
{
    ran_module *module;
    double accuracy, loss;
    int64_t first = h->images.count - h->options.pretrain.held_out;
    c->loss = ran_ilp_loss(&h->problem, c->choice);
    c->accuracy_after = -1;
    ran_status status = ran_hant_build(h, c, &module);
    if (status != RAN_OK)
        return status;
    status = ran_images_evaluate(module, &h->images, first, h->options.pretrain.held_out,
                                 &c->held_out_loss, &accuracy);
    if (status == RAN_OK && with_test)
        status =
            ran_images_evaluate(module, &h->test, 0, h->test.count, &loss, &c->accuracy_before);
    ran_module_destroy(module);
    return status;
}

static int by_part(const void *a, const void *b)
{
    const int64_t *x = a, *y = b;
    double p = (double)x[1] / (double)x[0], q = (double)y[1] / (double)y[0];
    return (p > q) - (p < q);
}

static ran_latency_options options_for(const ran_hant *h, int instances)
{
    ran_latency_options options = h->options.latency;
    int64_t rounds = MEASURED_TIME / instances / (h->latencies.network + 1);
    options.rounds = (int)(rounds < 99 ? 99 : rounds > 9999 ? 9999 : rounds);
    return options;
}

/* Teacher and assembled network in turns. Where their weights and maps come to lie in memory
 * decides what the caches hold of them, which makes one instance of a small network a tenth slower
 * than another: several are measured, and the one in the middle counts. Estimates don't vary, and a
 * runner starts programs anew by itself. */
ran_status ran_hant_measure(const ran_hant *h, const ran_module *module, int64_t *out_teacher,
                            int64_t *out_latency)
{
    const ran_module *modules[] = {h->module, module};
    int64_t times[INSTANCES][2] = {{0}};
    int instances = h->options.latency.estimate || h->options.latency.runner ? 1 : INSTANCES;
    ran_latency_options options = options_for(h, instances);
    ran_status status = RAN_OK;
    for (int i = 0; i < instances && status == RAN_OK; i++)
        status = ran_latency_compare(modules, 2, &options, times[i]);
    qsort(times, (size_t)instances, sizeof *times, by_part);
    *out_teacher = times[instances / 2][0];
    *out_latency = times[instances / 2][1];
    return status;
}
