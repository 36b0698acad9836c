/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Selections as networks: put together, evaluated, measured. */
#include "ir/ir.h"
#include "search/hant.h"

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

/* Teacher and assembled network in turns. */
ran_status ran_hant_measure(const ran_hant *h, const ran_module *module, int64_t *out_teacher,
                            int64_t *out_latency)
{
    const ran_module *modules[] = {h->module, module};
    int64_t times[2];
    ran_latency_options options = h->options.latency;
    options.rounds = (int)(MEASURED_TIME / (h->latencies.network + 1));
    if (options.rounds < 99)
        options.rounds = 99;
    if (options.rounds > 29999)
        options.rounds = 29999;
    ran_status status = ran_latency_compare(modules, 2, &options, times);
    *out_teacher = times[0];
    *out_latency = times[1];
    return status;
}
