/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * cull and thin: the two steps by which DeepReShape's algorithm 2 takes ReLUs out of a network.
 *
 * cull removes all activations of what it is given (a stage, stem included). thin removes every second
 * one: in topological order, the stem being number 0, those with odd numbers stay, which on basic
 * blocks are the ReLUs between the two convolutions. Numbers are those of the network before
 * anything was culled: they are kept in the metadata "removed-activations", so that thinning after
 * culling takes the same ReLUs in one run of the compiler or in two.
 * Requires types and recognised activations, keeps types.
 */
#include "passes/approx/approx.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ---- Numbers of activations -------------------------------------------------------------------------- */

static const char key[] = "removed-activations";

static bool is_listed(const char *list, int64_t number)
{
    char *end;
    for (const char *p = list; p && *p; p = *end == ',' ? end + 1 : end) {
        if (strtoll(p, &end, 10) == number && end != p)
            return true;
        if (end == p)
            return false;
    }
    return false;
}

void ran_sites_number(const ran_module *module, ran_sites *sites)
{
    const char *removed = ran_module_metadata(module, key);
    int64_t number = 0;
    for (size_t i = 0; i < sites->count; i++) {
        if (sites->sites[i].is_gate)
            continue;
        while (is_listed(removed, number))
            number++;
        sites->sites[i].number = number++;
    }
}

/* Inserted in order, so that equal histories give equal models. */
void ran_sites_record(ran_module *module, const ran_sites *sites)
{
    const char *before = ran_module_metadata(module, key);
    char *text = NULL;
    size_t size = 0;
    int64_t last = 0;
    FILE *out = open_memstream(&text, &size);
    if (!out)
        RAN_BUG(NULL, "out of memory");
    for (size_t i = 0; i < sites->count; i++)
        last = sites->sites[i].number > last ? sites->sites[i].number : last;
    for (const char *p = before; p && *p; p += strcspn(p, ","), p += *p == ',')
        last = strtoll(p, NULL, 10) > last ? strtoll(p, NULL, 10) : last;
    for (int64_t n = 0; n <= last; n++) {
        bool gone = is_listed(before, n);
        for (size_t i = 0; i < sites->count && !gone; i++) {
            const ran_site *site = &sites->sites[i];
            gone = !site->is_gate && site->number == n && site->units &&
                   ran_site_is_selected(site);
        }
        if (gone)
            fprintf(out, "%s%lld", ftell(out) ? "," : "", (long long)n);
    }
    fclose(out);
    if (*text)
        ran_module_set_metadata(module, key, text);
    free(text);
}

/* ---- The passes -------------------------------------------------------------------------------------------- */

ran_status ran_sites_select_layers(ran_pass_context *pass, ran_function *function,
                                   const char *text, ran_sites *sites)
{
    ran_spec spec;
    ran_status status =
        ran_sites_select(pass, function, text, (ran_slope_range){0.8, 1.3}, sites, &spec);
    if (!status && spec.unit != RAN_UNIT_LAYER)
        return ran_error(ran_pass_ir(pass), RAN_USAGE,
                         "pass '%s': '%s': it takes whole layers, not channels or elements",
                         pass->state->pass->name, text);
    return status;
}

/* Keeps those with odd numbers. */
static void keep_odd(ran_sites *sites)
{
    for (size_t i = 0; i < sites->count; i++)
        if (sites->sites[i].number % 2)
            sites->sites[i].linear[0] = 0;
}

static ran_status remove_selected(ran_pass_context *pass, ran_function *function, bool thin)
{
    ran_sites sites;
    if (!ran_function_is_entry(function))
        return RAN_OK;
    ran_sites_find(pass, function, &sites);
    ran_status status =
        ran_sites_select_layers(pass, function, ran_pass_string(pass, "spec"), &sites);
    if (status)
        return status;
    if (thin)
        keep_odd(&sites);
    ran_sites_record(ran_function_module(function), &sites);
    for (size_t i = 0; i < sites.count; i++) {
        if (!ran_site_is_selected(&sites.sites[i]))
            continue;
        ran_pass_remark(pass, "%s: %lld elements", sites.sites[i].name,
                        (long long)sites.sites[i].elements);
        ran_pass_count(pass, "layers", 1);
        ran_pass_observe(pass, "elements", sites.sites[i].nonlinear);
        ran_site_linearize(pass, &sites.sites[i]);
    }
    return RAN_OK;
}

ran_status ran_run_cull(ran_pass_context *pass, ran_function *function)
{
    return remove_selected(pass, function, false);
}

ran_status ran_run_thin(ran_pass_context *pass, ran_function *function)
{
    return remove_selected(pass, function, true);
}
