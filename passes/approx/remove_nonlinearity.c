/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * remove-nonlinearity: takes out the activations that a SPEC selects, so that what stands around them
 * is linear and can be collapsed.
 *
 *   %1 = relu %0          %1 = prelu %0, @slope   (where only channels or elements are selected:
 *   %2 = conv %1, @w  =>  %2 = conv %1, @w         slope 1 there, 0 elsewhere)
 *                         %2 = conv %0, @w        (where the layer is selected)
 *
 * An activation that has no slopes becomes where(mask, x, f(x)). Requires types and recognised
 * composite activations; keeps types. Does not terminate late: every site is visited once.
 * Sources: "Restructurable Activation Networks", section 3 and footnote 4 (slopes from 0.8 to 1.3
 * count as linear); "Double-Win NAS", section 3.1 (a linear block ends in one ReLU6) and eq. 12 (the
 * hybrid activation); pixel-wise masks: selective network linearisation, which "DeepReShape" compares
 * with.
 * Known misses: activations inside of If and Loop stay.
 */
#include "passes/approx/approx.h"

#include <stdlib.h>
#include <string.h>

/* ---- One activation ------------------------------------------------------------------------------------ */

static bool has_slope(const ran_op *op)
{
    return op->opcode == RAN_OP_RELU || op->opcode == RAN_OP_LEAKY_RELU ||
           op->opcode == RAN_OP_PRELU;
}

static bool is_linear_at(const ran_site *site, int64_t element)
{
    if (site->units == site->elements)
        return site->linear[element];
    return site->linear[element / site->inner % site->channels];
}

/* A constant that broadcasts to x: an entry a channel, or one an element. */
static ran_tensor *unit_tensor(const ran_site *site, ran_elem elem, bool by_element)
{
    const ran_type *type = ran_value_type(site->x);
    int64_t dims[RAN_MAX_RANK];
    int rank = ran_type_rank(type), count = 0;
    for (int axis = rank > 1; axis < rank; axis++)
        dims[count++] = by_element || axis == site->axis ? ran_type_extent(type, axis) : 1;
    return ran_tensor_create(elem, count, dims);
}

/* The slopes that the activation has by itself, whatever a file says. */
static ran_site own_slopes(ran_pass_context *pass, const ran_site *site)
{
    ran_site own = *site;
    ran_sites one = {.sites = &own, .count = 1};
    own.slopes = (ran_slopes){0};
    ran_slopes_of_model(pass, &one);
    return own;
}

static ran_value *with_slopes(ran_pass_context *pass, const ran_site *site, ran_op *before)
{
    ran_site own = own_slopes(pass, site);
    bool by_element = site->units == site->elements || own.slopes.count > site->channels;
    ran_tensor *slopes = unit_tensor(site, ran_type_elem(ran_value_type(site->x)), by_element);
    for (int64_t i = 0; i < ran_tensor_numel(slopes); i++) {
        int64_t element = by_element ? i : i * site->inner;
        ran_tensor_set_f64(slopes, i,
                           is_linear_at(site, element) ? 1 : ran_slope_at(&own, element));
    }
    const char *name = ran_intern_printf(ran_pass_ir(pass), "%s.slope", site->name);
    ran_value *slope = ran_new_constant(before, name, slopes);
    return ran_new_binary(pass, before, RAN_OP_PRELU, site->x, slope);
}

static ran_value *with_mask(ran_pass_context *pass, const ran_site *site, ran_op *before)
{
    bool by_element = site->units == site->elements;
    ran_tensor *mask = unit_tensor(site, RAN_ELEM_BOOL, by_element);
    for (int64_t i = 0; i < ran_tensor_numel(mask); i++)
        ran_tensor_set_i64(mask, i, is_linear_at(site, by_element ? i : i * site->inner));
    const char *name = ran_intern_printf(ran_pass_ir(pass), "%s.linear", site->name);
    ran_value *operands[] = {ran_new_constant(before, name, mask), site->x, site->y};
    return ran_finish_op(pass, ran_new_op(before, RAN_OP_WHERE, 3, operands));
}

static ran_value *at_site(const ran_site *site, ran_value *value)
{
    ran_op_set_location(ran_value_op(value), ran_op_location(site->op));
    return value;
}

static void replace(const ran_site *site, ran_value *value)
{
    ran_value_replace_uses(site->y, value);
    ran_erase_dead(ran_value_op(site->y));
}

void ran_site_linearize(ran_pass_context *pass, ran_site *site)
{
    ran_op *behind = ran_op_next(ran_value_op(site->y));
    int64_t selected = ran_site_selected_units(site);
    site->x = ran_op_operand(site->op, 0); /* the activation in front may have gone */
    if (selected == site->units) {
        replace(site, site->x);
    } else if (has_slope(site->op) && site->y == ran_op_result(site->op, 0)) {
        replace(site, at_site(site, with_slopes(pass, site, behind)));
    } else if (selected) {
        ran_value *choice = at_site(site, with_mask(pass, site, behind));
        ran_value_replace_uses(site->y, choice);
        ran_op_set_operand(ran_value_op(choice), 2, site->y);
    }
}

/* ---- The pass --------------------------------------------------------------------------------------------- */

static void count(ran_pass_context *pass, const ran_site *site, ran_unit unit)
{
    static const char *const counters[] = {"layers", "channels", "elements"};
    int64_t selected = ran_site_selected_units(site);
    if (selected == site->units)
        ran_pass_count(pass, "layers", 1);
    else
        ran_pass_count(pass, counters[unit], selected);
}

static ran_status check_range(ran_pass_context *pass, ran_slope_range *out)
{
    out->low = ran_pass_float(pass, "low");
    out->high = ran_pass_float(pass, "high");
    if (out->low <= out->high)
        return RAN_OK;
    return ran_error(ran_pass_ir(pass), RAN_USAGE,
                     "pass 'remove-nonlinearity': low=%g is above high=%g", out->low, out->high);
}

ran_status ran_run_remove_nonlinearity(ran_pass_context *pass, ran_function *function)
{
    ran_sites sites;
    ran_spec spec;
    ran_slope_range range;
    if (!ran_function_is_entry(function))
        return RAN_OK;
    ran_sites_find(pass, function, &sites);
    ran_status status = check_range(pass, &range);
    if (!status)
        status = ran_sites_select(pass, function, ran_pass_string(pass, "spec"), range, &sites,
                                  &spec);
    if (!status)
        ran_sites_record(ran_function_module(function), &sites);
    for (size_t i = 0; !status && i < sites.count; i++) {
        if (!ran_site_selected_units(&sites.sites[i]))
            continue;
        count(pass, &sites.sites[i], spec.unit);
        ran_site_linearize(pass, &sites.sites[i]);
    }
    return status;
}
