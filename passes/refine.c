/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Types after a pass: what a pass learned (a shape is a constant now, an input has a size) makes the
 * types behind it more precise.
 *
 * An op is inferred again when it may have something to gain: a result that is not static, or small
 * integers whose elements are not known. The new types are taken only where they know more: a size
 * that depends on data gets a fresh symbol each time it is inferred, which is no news.
 */
#include "passes/passes.h"

static bool is_fresh(const ran_dim *dim)
{
    return ran_dim_get_kind(dim) == RAN_DIM_SYMBOL && ran_dim_name(dim)[0] == '?';
}

static bool is_dim_of(const ran_value *value, const ran_dim *dim)
{
    const ran_type *type = value->type;
    bool ranked = type && ran_type_is_tensor(type);
    for (int i = 0; ranked && i < ran_type_rank(type); i++) {
        if (ran_type_dim(type, i) == dim)
            return true;
    }
    for (size_t i = 0; i < value->known_count; i++) {
        if (value->known[i] == dim)
            return true;
    }
    return false;
}

/* Whether the dimension says something: it is not a symbol that inference has just made up. */
static bool is_news(const ran_op *op, const ran_dim *dim)
{
    if (!is_fresh(dim))
        return true;
    RAN_FOR_OPERANDS (op, i, operand) {
        if (is_dim_of(operand, dim))
            return true;
    }
    return false;
}

static bool is_better(const ran_op *op, const ran_type *type, const ran_type *old)
{
    if (type == old || !ran_type_is_tensor(type) || ran_type_rank(type) < 0)
        return false;
    if (!old || !ran_type_is_tensor(old) || ran_type_rank(old) < 0)
        return true;
    for (int i = 0; i < ran_type_rank(type); i++) {
        const ran_dim *dim = ran_type_dim(type, i);
        if ((ran_type_rank(old) != ran_type_rank(type) || ran_type_dim(old, i) != dim) &&
            is_news(op, dim))
            return true;
    }
    return false;
}

static bool is_open(const ran_value *value)
{
    const ran_type *type = value->type;
    if (!type || !ran_type_is_tensor(type) || !ran_type_is_static(type))
        return true;
    for (size_t i = 0; i < value->known_count; i++) {
        if (!ran_dim_is_constant(value->known[i]))
            return true;
    }
    return !value->known && ran_elem_is_int(ran_type_elem(type)) &&
           ran_type_numel(type) <= RAN_MAX_KNOWN;
}

static bool knows_more(const ran_op *op, const ran_value *value, const ran_value *old)
{
    if (value->type != old->type || !value->known)
        return false;
    if (!old->known || old->known_count != value->known_count)
        return true;
    for (size_t i = 0; i < value->known_count; i++) {
        if (value->known[i] != old->known[i] && is_news(op, value->known[i]))
            return true;
    }
    return false;
}

static bool may_gain(const ran_op *op)
{
    for (size_t i = 0; i < op->result_count; i++) {
        if (is_open(&op->results[i]))
            return true;
    }
    return false;
}

static bool refine_op(ran_op *op)
{
    ran_context *context = ran_module_context(op->parent->function->module);
    size_t diagnostics = ran_diagnostic_count(context);
    ran_value old[op->result_count];
    bool gains = false;
    for (size_t i = 0; i < op->result_count; i++)
        old[i] = op->results[i];
    bool failed = ran_op_infer_types(op) != RAN_OK;
    for (size_t i = 0; i < op->result_count; i++) {
        ran_value *value = &op->results[i];
        if (!failed && (is_better(op, value->type, old[i].type) ||
                        knows_more(op, value, &old[i]))) {
            gains = true;
            continue;
        }
        value->type = old[i].type;
        value->known = old[i].known;
        value->known_count = old[i].known_count;
    }
    ran_diagnostics_truncate(context, diagnostics);
    return gains;
}

bool ran_refine_types(ran_region *region)
{
    bool changed = false;
    RAN_FOR_OPS (region, op) {
        for (size_t i = 0; i < op->region_count; i++)
            changed |= ran_refine_types(op->regions[i]);
        if (op->result_count && may_gain(op))
            changed |= refine_op(op);
    }
    return changed;
}
