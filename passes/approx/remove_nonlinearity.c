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
 */
#include "passes/approx/blocks.h"

#include <math.h>
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

/* ---- Parts of layers ------------------------------------------------------------------------------------- */

static int by_distance(const void *a, const void *b)
{
    const double *x = a, *y = b;
    if (x[0] != y[0])
        return x[0] < y[0] ? -1 : 1;
    return x[1] > y[1] ? -1 : 1; /* the last ones where slopes say nothing */
}

/* Of the channels of a selected layer, this fraction: those whose slopes are nearest to 1. */
static void keep_fraction(ran_pass_context *pass, ran_site *site, double fraction)
{
    int64_t wanted = (int64_t)nearbyint(fraction * (double)site->channels);
    double(*order)[2] = ran_pass_alloc(pass, (size_t)(site->channels + 1) * sizeof(*order));
    if (!ran_site_is_selected(site))
        return;
    for (int64_t c = 0; c < site->channels; c++)
        order[c][1] = (double)c;
    for (int64_t e = 0; site->slopes.count && e < site->elements; e++) {
        double *distance = &order[e / site->inner % site->channels][0];
        *distance = fmax(*distance, fabs(ran_slope_at(site, e) - 1));
    }
    qsort(order, (size_t)site->channels, sizeof(*order), by_distance);
    site->units = site->channels;
    site->linear = ran_pass_alloc(pass, (size_t)site->channels + 1);
    for (int64_t i = 0; i < wanted; i++)
        site->linear[(int64_t)order[i][1]] = 1;
}

/* ---- Hybrid activations ------------------------------------------------------------------------------------ */

static const char epsilon_name[] = "linearity";

/* The input that says how linear the selected activations are, from 0 to 1. */
static ran_value *epsilon_of(ran_function *function, ran_elem elem)
{
    ran_region *body = ran_function_body(function);
    for (size_t i = 0; i < ran_region_argument_count(body); i++) {
        ran_value *argument = ran_region_argument(body, i);
        if (ran_value_name(argument) && !strcmp(ran_value_name(argument), epsilon_name))
            return argument;
    }
    ran_context *context = ran_module_context(ran_function_module(function));
    return ran_region_add_argument(body, epsilon_name, ran_type_tensor_i64(context, elem, 0, NULL));
}

/* f(x) + eps (x - f(x)) */
static void blend(ran_pass_context *pass, ran_function *function, ran_site *site)
{
    ran_op *behind = ran_op_next(site->op);
    ran_value *f = ran_op_result(site->op, 0), *x = ran_op_operand(site->op, 0);
    if (site->y != f)
        return;
    ran_value *eps = epsilon_of(function, ran_type_elem(ran_value_type(x)));
    ran_value *difference = at_site(site, ran_new_binary(pass, behind, RAN_OP_SUB, x, f));
    ran_value *part = at_site(site, ran_new_binary(pass, behind, RAN_OP_MUL, difference, eps));
    ran_value *y = at_site(site, ran_new_binary(pass, behind, RAN_OP_ADD, f, part));
    ran_value_replace_uses(f, y);
    ran_op_set_operand(ran_value_op(difference), 1, f);
    ran_op_set_operand(ran_value_op(y), 0, f);
    ran_pass_count(pass, "hybrid", 1);
}

/* With the last hybrid activation its input goes. */
static void drop_epsilon(ran_function *function)
{
    ran_region *body = ran_function_body(function);
    for (size_t i = 0; i < ran_region_argument_count(body); i++) {
        const ran_value *argument = ran_region_argument(body, i);
        if (ran_value_name(argument) && !strcmp(ran_value_name(argument), epsilon_name) &&
            !ran_value_has_uses(argument)) {
            ran_region_remove_argument(body, i);
            return;
        }
    }
}

/* ---- Blocks ---------------------------------------------------------------------------------------------------- */

static bool goes(const ran_site *site)
{
    return !site || ran_site_is_selected(site);
}

/* A block that becomes linear ends in one activation ("Double-Win NAS", section 3.1): behind its
 * residual, which then folds, or in front of it. */
static void close_block(ran_pass_context *pass, const ran_block *block, const char *kind)
{
    const ran_site *shape = block->second ? block->second : block->first;
    if (!shape || !goes(block->first) || !goes(block->second))
        return;
    ran_value *end = ran_pass_bool(pass, "after-add") ? block->result : block->project.value;
    const ran_use *use = ran_value_first_use(end);
    if (ran_value_has_one_use(end) && ran_is_activation(ran_use_op(use)))
        return; /* it does already */
    ran_op *behind = ran_op_next(ran_value_op(end));
    ran_value *y = ran_activation_build(pass, behind, kind, end, shape, RAN_UNIT_LAYER, 0.25);
    if (y == end)
        return;
    ran_op_set_location(ran_value_op(y), ran_op_location(ran_value_op(end)));
    ran_value_replace_uses(end, y);
    ran_op_set_operand(ran_value_op(y), 0, end);
    ran_pass_count(pass, "blocks", 1);
}

/* A restructurable block is decided as a whole, by its alpha: linear behind the activation in front, or an
 * inverted bottleneck with both activations inside. Its sites are done with. */
static void settle_afrb(ran_pass_context *pass, ran_block *block, ran_slope_range range)
{
    const char *kind = ran_pass_string(pass, "restore");
    bool is_linear = block->alpha >= range.low && block->alpha <= range.high;
    ran_pass_remark(pass, "%s: alpha %g, %s", ran_block_name(block), block->alpha,
                    is_linear ? "linear behind its first activation" : "an inverted bottleneck");
    memset(block->lead->linear, 0, (size_t)block->lead->units);
    memset(block->second->linear, 0, (size_t)block->second->units);
    block->lead->is_done = block->second->is_done = true;
    if (is_linear)
        ran_afrb_make_linear(pass, block, kind);
    else
        ran_afrb_restore(pass, block, kind);
    ran_pass_count(pass, is_linear ? "layers" : "restored", 1);
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

static ran_status check_options(ran_pass_context *pass, ran_slope_range *out)
{
    double fraction = ran_pass_float(pass, "fraction");
    out->low = ran_pass_float(pass, "low");
    out->high = ran_pass_float(pass, "high");
    if (out->low > out->high)
        return ran_error(ran_pass_ir(pass), RAN_USAGE,
                         "pass 'remove-nonlinearity': low=%g is above high=%g", out->low,
                         out->high);
    if (fraction > 0 && fraction <= 1)
        return RAN_OK;
    return ran_error(ran_pass_ir(pass), RAN_USAGE,
                     "pass 'remove-nonlinearity': fraction=%g: above 0, at most 1", fraction);
}

static bool has_slope_term(const ran_spec *spec)
{
    for (size_t i = 0; i < spec->count; i++)
        if (spec->terms[i].kind == RAN_TERM_SLOPE)
            return true;
    return false;
}

static void take_out(ran_pass_context *pass, ran_function *function, ran_sites *sites,
                     const ran_spec *spec)
{
    bool hybrid = ran_pass_bool(pass, "hybrid");
    for (size_t i = 0; i < sites->count; i++) {
        ran_site *site = &sites->sites[i];
        if (site->is_done || !ran_site_selected_units(site))
            continue;
        site->is_done = true;
        if (hybrid) {
            blend(pass, function, site);
            continue;
        }
        count(pass, site, spec->unit);
        ran_site_linearize(pass, site);
    }
    drop_epsilon(function);
}

/* What was not selected becomes another kind. */
static void exchange_rest(ran_pass_context *pass, ran_sites *sites)
{
    const char *kind = ran_pass_string(pass, "replace");
    for (size_t i = 0; strcmp(kind, "none") && i < sites->count; i++) {
        ran_site *site = &sites->sites[i];
        if (!site->is_done && !site->is_gate)
            ran_site_exchange(pass, site, kind, RAN_UNIT_LAYER, 0.25);
    }
}

static void rewrite(ran_pass_context *pass, ran_function *function, ran_sites *sites,
                    const ran_spec *spec, ran_slope_range range)
{
    ran_blocks blocks;
    ran_blocks_find(pass, function, sites, &blocks);
    const char *after = ran_pass_string(pass, "after");
    for (size_t i = 0; i < blocks.count; i++) {
        if (blocks.blocks[i].is_afrb && has_slope_term(spec))
            settle_afrb(pass, &blocks.blocks[i], range);
        else if (strcmp(after, "none"))
            close_block(pass, &blocks.blocks[i], after);
    }
    take_out(pass, function, sites, spec);
    exchange_rest(pass, sites);
}

ran_status ran_run_remove_nonlinearity(ran_pass_context *pass, ran_function *function)
{
    ran_sites sites;
    ran_spec spec;
    ran_slope_range range;
    double fraction = ran_pass_float(pass, "fraction");
    if (!ran_function_is_entry(function))
        return RAN_OK;
    ran_sites_find(pass, function, &sites);
    ran_status status = check_options(pass, &range);
    if (!status)
        status = ran_sites_select(pass, function, ran_pass_string(pass, "spec"), range, &sites,
                                  &spec);
    if (status)
        return status;
    for (size_t i = 0; fraction < 1 && i < sites.count; i++)
        keep_fraction(pass, &sites.sites[i], fraction);
    spec.unit = fraction < 1 ? RAN_UNIT_CHANNEL : spec.unit;
    if (!ran_pass_bool(pass, "hybrid"))
        ran_sites_record(ran_function_module(function), &sites);
    rewrite(pass, function, &sites, &spec, range);
    return RAN_OK;
}

/* ---- replace-activation -------------------------------------------------------------------------------------- */

void ran_site_exchange(ran_pass_context *pass, ran_site *site, const char *kind, ran_unit unit,
                       double slope)
{
    site->x = ran_op_operand(site->op, 0);
    replace(site, ran_activation_build(pass, site->op, kind, site->x, site, unit, slope));
    ran_pass_count(pass, "replaced", 1);
}

ran_status ran_run_replace_activation(ran_pass_context *pass, ran_function *function)
{
    ran_sites sites;
    ran_spec spec;
    const char *kind = ran_pass_string(pass, "with");
    if (!ran_function_is_entry(function))
        return RAN_OK;
    ran_sites_find(pass, function, &sites);
    ran_status status = ran_sites_select(pass, function, ran_pass_string(pass, "spec"),
                                         (ran_slope_range){0.8, 1.3}, &sites, &spec);
    if (!status && spec.unit != RAN_UNIT_LAYER && strcmp(kind, "prelu"))
        return ran_error(ran_pass_ir(pass), RAN_USAGE,
                         "pass 'replace-activation': only a prelu has slopes a channel or an "
                         "element, not %s",
                         kind);
    for (size_t i = 0; !status && i < sites.count; i++)
        if (ran_site_is_selected(&sites.sites[i]))
            ran_site_exchange(pass, &sites.sites[i], kind, spec.unit,
                              ran_pass_float(pass, "slope"));
    return status;
}
