/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * What the terms of a SPEC select. Terms add up: an activation (or a channel or an element of it) is
 * selected when one of them does. `keep` comes last, whatever its place: it adds to what the others
 * selected until no more than its count is left.
 *
 * In which order `keep` takes: where slopes are known, those nearest to 1 first; then, of whole
 * layers, the fewest: the largest first, and to end with, the smallest that is enough; of channels
 * and elements, those of the largest layer first.
 */
#include "passes/approx/approx.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

/* ---- Units ------------------------------------------------------------------------------------------ */

static int64_t unit_of(const ran_site *site, int64_t element)
{
    if (site->units == 1)
        return 0;
    return site->units == site->elements ? element : element / site->inner % site->channels;
}

int64_t ran_site_selected_units(const ran_site *site)
{
    int64_t count = 0;
    for (int64_t u = 0; u < site->units; u++)
        count += site->linear[u];
    return count;
}

bool ran_site_is_selected(const ran_site *site)
{
    return ran_site_selected_units(site) == site->units;
}

static ran_status allocate_units(ran_pass_context *pass, ran_sites *sites, ran_unit unit)
{
    for (size_t i = 0; i < sites->count; i++) {
        ran_site *site = &sites->sites[i];
        if (unit == RAN_UNIT_ELEMENT && !site->is_static)
            return ran_op_error(site->op, RAN_UNSUPPORTED,
                                "the sizes of single elements' map are not known: bind them with "
                                "--dim or --shape");
        site->units = unit == RAN_UNIT_LAYER     ? 1
                      : unit == RAN_UNIT_CHANNEL ? site->channels
                                                 : site->elements;
        site->linear = ran_pass_alloc(pass, (size_t)site->units + 1);
    }
    return RAN_OK;
}

static void select_all_of(ran_site *site)
{
    memset(site->linear, 1, (size_t)site->units);
}

/* ---- Terms --------------------------------------------------------------------------------------------- */

typedef struct selection {
    ran_pass_context *pass;
    ran_sites *sites;
    ran_slope_range range;
    bool has_slopes; /* a slope term has been read: they order what keep takes */
} selection;

static ran_status nothing(const selection *s, const char *term, const char *text)
{
    char names[256] = "";
    size_t used = 0;
    for (size_t i = 0; i < s->sites->count && used + 80 < sizeof(names) && i < 4; i++)
        used += (size_t)snprintf(names + used, sizeof(names) - used, "%s%.60s", i ? ", " : "",
                                 s->sites->sites[i].name);
    return ran_error(ran_pass_ir(s->pass), RAN_INVALID,
                     "'%s%s': no activation; the model has %zu: %s%s", term, text,
                     s->sites->count, names, s->sites->count > 4 ? ", ..." : "");
}

static ran_status select_all(selection *s, const ran_term *term)
{
    (void)term;
    for (size_t i = 0; i < s->sites->count; i++)
        if (!s->sites->sites[i].is_gate)
            select_all_of(&s->sites->sites[i]);
    return RAN_OK;
}

static ran_status select_name(selection *s, const ran_term *term)
{
    bool found = false;
    for (size_t i = 0; i < s->sites->count; i++) {
        if (!ran_site_is_named(&s->sites->sites[i], term->text))
            continue;
        found = true;
        select_all_of(&s->sites->sites[i]);
    }
    return found ? RAN_OK : nothing(s, "name:", term->text);
}

static ran_status select_stage(selection *s, const ran_term *term)
{
    if (term->last > s->sites->stage_count)
        return ran_error(ran_pass_ir(s->pass), RAN_INVALID,
                         "'stage:%lld': the model has %d stages (runs of equal map size); "
                         "ran-stat --by=stage lists them",
                         (long long)term->last, s->sites->stage_count);
    for (size_t i = 0; i < s->sites->count; i++) {
        ran_site *site = &s->sites->sites[i];
        if (!site->is_gate && site->stage >= term->first && site->stage <= term->last)
            select_all_of(site);
    }
    return RAN_OK;
}

static bool is_in_range(const selection *s, double slope)
{
    return slope >= s->range.low && slope <= s->range.high;
}

/* A unit is linear when all of its elements are. */
static void select_by_slope(const selection *s, ran_site *site)
{
    if (!site->slopes.count)
        return;
    uint8_t *beyond = ran_pass_alloc(s->pass, (size_t)site->units + 1);
    for (int64_t e = 0; e < site->elements; e++)
        if (!is_in_range(s, ran_slope_at(site, e)))
            beyond[unit_of(site, e)] = 1;
    for (int64_t u = 0; u < site->units; u++)
        site->linear[u] |= !beyond[u];
}

static ran_status select_slope(selection *s, const ran_term *term)
{
    bool found = false;
    if (term->text) {
        ran_status status = ran_slopes_read(s->pass, term->text, s->sites);
        if (status)
            return status;
    }
    s->has_slopes = true;
    for (size_t i = 0; i < s->sites->count; i++) {
        found = found || s->sites->sites[i].slopes.count;
        select_by_slope(s, &s->sites->sites[i]);
    }
    if (found)
        return RAN_OK;
    return ran_error(ran_pass_ir(s->pass), RAN_INVALID,
                     "'slope': no activation of the model has a slope (PReLU, LeakyReLU); "
                     "slope:FILE reads them from a file");
}

static ran_status select_cheapest(selection *s, const ran_term *term)
{
    int64_t available = 0;
    for (size_t i = 0; i < s->sites->count; i++)
        available += !s->sites->sites[i].is_gate;
    if (term->first > available)
        return ran_error(ran_pass_ir(s->pass), RAN_INVALID,
                         "'cheapest:%lld': the model has %lld activations",
                         (long long)term->first, (long long)available);
    ran_sites_select_cheapest(s->pass, s->sites, term->first);
    return RAN_OK;
}

/* ---- keep ------------------------------------------------------------------------------------------------ */

/* What keep can take as a whole. */
typedef struct portion {
    ran_site *site;
    int64_t unit, elements; /* that are not linear yet */
    double distance;        /* of its slope from 1; infinite when unknown */
    int64_t order;
} portion;

/* Nearest slope, then the largest layer, then the order of the graph. */
static int by_preference(const void *a, const void *b)
{
    const portion *x = a, *y = b;
    if (x->distance != y->distance)
        return x->distance < y->distance ? -1 : 1;
    if (x->site->elements != y->site->elements)
        return x->site->elements > y->site->elements ? -1 : 1;
    return x->order < y->order ? -1 : 1;
}

/* Fills the portions of one site; returns how many. */
static size_t portions_of(const selection *s, ran_site *site, portion *out)
{
    bool is_known = site->slopes.count > 0 && s->has_slopes;
    for (int64_t u = 0; u < site->units; u++)
        out[u] = (portion){.site = site, .unit = u, .distance = is_known ? 0 : INFINITY};
    for (int64_t e = 0; e < site->elements; e++) {
        portion *p = &out[unit_of(site, e)];
        double distance = fabs(ran_slope_at(site, e) - 1);
        p->elements += !(site->slopes.count && distance == 0);
        if (is_known)
            p->distance = fmax(p->distance, distance);
    }
    size_t kept = 0;
    for (int64_t u = 0; u < site->units; u++)
        if (!site->linear[u] && out[u].elements)
            out[kept++] = out[u];
    return kept;
}

static void take(portion *p, int64_t *left)
{
    p->site->linear[p->unit] = 1;
    *left -= p->elements;
    p->elements = 0;
}

/* Of portions without slopes: the smallest that is enough, else the largest. */
static portion *next_layer(portion *portions, size_t count, int64_t excess)
{
    portion *largest = NULL, *enough = NULL;
    for (size_t i = 0; i < count; i++) {
        portion *p = &portions[i];
        if (!p->elements)
            continue;
        if (!largest || p->elements > largest->elements)
            largest = p;
        if (p->elements >= excess && (!enough || p->elements < enough->elements))
            enough = p;
    }
    return enough ? enough : largest;
}

static void take_until(portion *portions, size_t count, int64_t keep, int64_t left)
{
    qsort(portions, count, sizeof(*portions), by_preference);
    size_t i = 0;
    for (; i < count && left > keep && portions[i].distance < INFINITY; i++)
        take(&portions[i], &left);
    while (left > keep) {
        portion *p = next_layer(portions + i, count - i, left - keep);
        if (!p)
            return;
        take(p, &left);
    }
}

/* Channels and elements in order: with so many of them, the last one is small. */
static void take_in_order(portion *portions, size_t count, int64_t keep, int64_t left)
{
    qsort(portions, count, sizeof(*portions), by_preference);
    for (size_t i = 0; i < count && left > keep; i++)
        take(&portions[i], &left);
}

static void select_keep(selection *s, ran_unit unit, int64_t keep)
{
    size_t count = 0, capacity = 1;
    int64_t left = 0;
    for (size_t i = 0; i < s->sites->count; i++)
        capacity += (size_t)s->sites->sites[i].units;
    portion *portions = calloc(capacity, sizeof(*portions));
    if (!portions)
        RAN_BUG(ran_pass_ir(s->pass), "out of memory");
    for (size_t i = 0; i < s->sites->count; i++)
        if (!s->sites->sites[i].is_gate)
            count += portions_of(s, &s->sites->sites[i], portions + count);
    for (size_t i = 0; i < count; i++) {
        portions[i].order = (int64_t)i;
        left += portions[i].elements;
    }
    if (unit == RAN_UNIT_LAYER)
        take_until(portions, count, keep, left);
    else
        take_in_order(portions, count, keep, left);
    free(portions);
}

/* ---- The whole ------------------------------------------------------------------------------------------- */

typedef ran_status select_term(selection *s, const ran_term *term);

static select_term *const selectors[] = {
    [RAN_TERM_ALL] = select_all,     [RAN_TERM_NAME] = select_name,
    [RAN_TERM_STAGE] = select_stage, [RAN_TERM_SLOPE] = select_slope,
    [RAN_TERM_KEEP] = NULL,          [RAN_TERM_CHEAPEST] = select_cheapest,
};

ran_status ran_sites_select(ran_pass_context *pass, ran_function *function, const char *text,
                            ran_slope_range range, ran_sites *sites, ran_spec *out_spec)
{
    ran_status status = ran_spec_parse(ran_pass_ir(pass), pass->arena, text, out_spec);
    if (status)
        return status;
    if (!sites->count)
        return ran_error(ran_pass_ir(pass), RAN_UNSUPPORTED,
                         "pass '%s': function '%s' has no activation to work on",
                         pass->state->pass->name, ran_function_name(function));
    selection s = {.pass = pass, .sites = sites, .range = range};
    status = allocate_units(pass, sites, out_spec->unit);
    for (size_t i = 0; !status && i < out_spec->count; i++)
        if (selectors[out_spec->terms[i].kind])
            status = selectors[out_spec->terms[i].kind](&s, &out_spec->terms[i]);
    for (size_t i = 0; !status && i < out_spec->count; i++)
        if (out_spec->terms[i].kind == RAN_TERM_KEEP)
            select_keep(&s, out_spec->unit, out_spec->terms[i].first);
    return status;
}
