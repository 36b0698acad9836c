/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * The verifier: reports every problem of a module, each at its op.
 *
 * What input can cause (arity, attributes, types, order) is an error; so is an inconsistent use
 * list or order, which only a bug makes, because a pass's author wants to see all of them too.
 */
#include "ir/infer.h"

#include <stdlib.h>

typedef struct verifier {
    ran_context *context;
    bool failed;
    bool keep_known;
} verifier;

#define FAIL(v, op, ...) ((v)->failed = true, (void)ran_op_error(op, RAN_INVALID, __VA_ARGS__))

/* ---- Arity ----------------------------------------------------------------------------------- */

static bool is_variadic(const ran_operand_spec *specs, size_t count)
{
    return count && specs[count - 1].variadic;
}

static void check_arity(verifier *v, const ran_op *op, const ran_op_def *d)
{
    if (op->operand_count < d->min_operands ||
        (op->operand_count > d->operand_count && !is_variadic(d->operands, d->operand_count)))
        FAIL(v, op, "has %zu operands, takes %zu to %zu", op->operand_count, d->min_operands,
             d->operand_count);
    if (op->result_count < d->min_results ||
        (op->result_count > d->result_count && !is_variadic(d->results, d->result_count)))
        FAIL(v, op, "has %zu results, gives %zu to %zu", op->result_count, d->min_results,
             d->result_count);
    for (size_t i = 0; i < op->operand_count && i < d->operand_count; i++)
        if (!op->operands[i].value && !d->operands[i].optional && !d->operands[i].variadic)
            FAIL(v, op, "operand %s is missing", d->operands[i].name);
    if (op->region_count != d->region_count)
        FAIL(v, op, "has %zu regions, needs %u", op->region_count, d->region_count);
}

static void check_attributes(verifier *v, const ran_op *op, const ran_op_def *d)
{
    for (size_t i = 0; i < d->attr_count; i++)
        if (d->attrs[i].required && !ran_op_has_attr(op, d->attrs[i].name))
            FAIL(v, op, "attribute %s is missing", d->attrs[i].name);
    for (size_t i = 0; i < op->attr_count; i++) {
        const ran_attr_spec *spec = ran_attr_spec_find(op->opcode, op->attrs[i].name);
        if (!spec || spec->kind != op->attrs[i].kind)
            FAIL(v, op, "attribute %s is of the wrong kind", op->attrs[i].name);
    }
}

/* ---- Values ---------------------------------------------------------------------------------- */

static bool is_in_list(const ran_use *use)
{
    if (use->prev ? use->prev->next != use : use->value->first_use != use)
        return false;
    return !use->next || use->next->prev == use;
}

static const char *value_text(verifier *v, const ran_value *value, size_t index)
{
    return value->name ? value->name : ran_intern_printf(v->context, "%zu", index);
}

/* The outermost region that values may come from; NULL when nothing is in between. */
static bool crosses_isolation(const ran_value *value, const ran_op *user)
{
    const ran_region *home = value->kind == RAN_VALUE_ARGUMENT ? value->owner.region
                                                               : value->owner.op->parent;
    for (const ran_region *r = user->parent; r && r != home; r = r->parent->parent) {
        if (!r->parent)
            return false;
        if (ran_opcode_has_flag(r->parent->opcode, RAN_FLAG_ISOLATED))
            return true;
    }
    return false;
}

static bool is_within_isolation(const ran_op *op)
{
    for (const ran_op *p = op->parent->parent; p; p = p->parent->parent)
        if (ran_opcode_has_flag(p->opcode, RAN_FLAG_ISOLATED))
            return true;
    return false;
}

static void check_operand(verifier *v, const ran_op *op, size_t index)
{
    const ran_use *use = &op->operands[index];
    const ran_value *value = use->value;
    if (!value)
        return;
    if (use->op != op || use->index != index || !is_in_list(use))
        FAIL(v, op, "operand %zu is not in its value's use list", index);
    if (!ran_value_dominates(value, op))
        FAIL(v, op, "operand %s is used before its definition, or outside its region",
             value_text(v, value, index));
    bool constant = value->kind == RAN_VALUE_CONSTANT;
    if (constant ? is_within_isolation(op) : crosses_isolation(value, op))
        FAIL(v, op, "operand %s comes from outside of an isolated region",
             value_text(v, value, index));
}

static void check_result(verifier *v, const ran_op *op, size_t index)
{
    const ran_value *value = &op->results[index];
    if (value->owner.op != op || value->index != index)
        FAIL(v, op, "result %zu belongs to another op", index);
    if (!value->type)
        FAIL(v, op, "result %zu has no type", index);
    for (const ran_use *use = value->first_use; use; use = use->next)
        if (use->value != value || use->index >= use->op->operand_count ||
            &use->op->operands[use->index] != use) {
            FAIL(v, op, "the use list of result %zu holds what is no use of it", index);
            return;
        }
}

static bool operands_are_typed(const ran_op *op)
{
    RAN_FOR_OPERANDS(op, i, value)
    {
        if (!value->type)
            return false;
    }
    return true;
}

static void check_types(verifier *v, const ran_op *op, const ran_op_def *d)
{
    if (!d->hooks->infer || !operands_are_typed(op))
        return;
    ran_infer infer;
    ran_arena *scratch = ran_arena_create();
    ran_status status = ran_infer_op(&infer, scratch, op, true);
    v->failed |= status != RAN_OK;
    for (size_t i = 0; status == RAN_OK && i < op->result_count; i++)
        if (op->results[i].type && infer.results[i] != op->results[i].type)
            FAIL(v, op, "result %zu is %s, inference gives %s", i,
                 ran_type_text(v->context, op->results[i].type),
                 ran_type_text(v->context, infer.results[i]));
    if (v->keep_known && status == RAN_OK)
        ran_infer_keep_known(op, &infer);
    ran_arena_destroy(scratch);
}

/* ---- Ops and regions ------------------------------------------------------------------------- */

static void check_region(verifier *v, const ran_region *region);

static void check_op(verifier *v, const ran_op *op)
{
    const ran_op_def *d = ran_op_definition(op->opcode);
    bool failed_before = v->failed;
    v->failed = false;
    check_arity(v, op, d);
    check_attributes(v, op, d);
    for (size_t i = 0; i < op->operand_count; i++)
        check_operand(v, op, i);
    for (size_t i = 0; i < op->result_count; i++)
        check_result(v, op, i);
    for (size_t i = 0; i < op->region_count; i++)
        check_region(v, op->regions[i]);
    /* Hooks may rely on what was checked so far. */
    if (!v->failed)
        check_types(v, op, d);
    if (!v->failed && d->hooks->verify)
        v->failed = d->hooks->verify(op) != RAN_OK;
    v->failed |= failed_before;
}

static void check_links(verifier *v, const ran_region *region, const ran_op *op)
{
    const ran_op *expected_prev = op->prev;
    if (op->parent != region || (expected_prev ? expected_prev->next != op : region->first != op) ||
        (op->next ? op->next->prev != op : region->last != op))
        FAIL(v, op, "is not linked into its region");
    if (expected_prev && expected_prev->order >= op->order)
        FAIL(v, op, "its order number does not follow that of the op in front of it");
}

static void check_terminator(verifier *v, const ran_region *region)
{
    if (!ran_region_terminator(region)) {
        v->failed = true;
        if (region->last)
            FAIL(v, region->last, "ends a region, but is no terminator");
        else if (region->parent)
            FAIL(v, region->parent, "has an empty region");
        else
            ran_error(v->context, RAN_INVALID, "function %s is empty", region->function->name);
        return;
    }
    ran_opcode wanted = region->parent ? RAN_OP_YIELD : RAN_OP_RETURN;
    if (region->last->opcode != wanted)
        FAIL(v, region->last, "%s needs %s here", region->parent ? "a nested region" : "a function",
             ran_opcode_name(wanted));
    for (const ran_op *op = region->first; op && op != region->last; op = op->next)
        if (ran_opcode_has_flag(op->opcode, RAN_FLAG_TERMINATOR))
            FAIL(v, op, "is a terminator, but not the last op of its region");
}

static void check_region(verifier *v, const ran_region *region)
{
    for (size_t i = 0; i < region->argument_count; i++) {
        const ran_value *a = region->arguments[i];
        bool typed = a->owner.region == region && a->index == i && a->type;
        if (typed && ran_type_fits(a->type))
            continue;
        v->failed = true;
        if (typed)
            ran_error(v->context, RAN_INVALID,
                      "function %s: argument %zu of a region, %s, is too large",
                      region->function->name, i, ran_type_text(v->context, a->type));
        else
            ran_error(v->context, RAN_INVALID, "function %s: argument %zu of a region has no type",
                      region->function->name, i);
    }
    for (const ran_op *op = region->first; op; op = op->next) {
        check_links(v, region, op);
        check_op(v, op);
    }
    check_terminator(v, region);
}

static void check_function_names(verifier *v, const ran_module *module)
{
    for (const ran_function *f = module->first_function; f; f = f->next)
        for (const ran_function *g = f->next; g; g = g->next)
            if (f->name == g->name) {
                v->failed = true;
                ran_error(v->context, RAN_INVALID, "two functions are named %s", f->name);
            }
}

static ran_status verify(const ran_module *module, bool keep_known)
{
    verifier v = {.context = module->context, .keep_known = keep_known};
    check_function_names(&v, module);
    for (const ran_function *f = module->first_function; f; f = f->next)
        check_region(&v, f->body);
    return v.failed ? RAN_INVALID : RAN_OK;
}

ran_status ran_module_verify(const ran_module *module)
{
    return verify(module, false);
}

ran_status ran_module_check(ran_module *module)
{
    return verify(module, true);
}
