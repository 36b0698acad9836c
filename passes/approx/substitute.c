/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * substitute: puts candidates in the places of layers, as a plan says ("Hardware-Aware Network
 * Transformation", section 3: one candidate a layer, chosen under a budget).
 *
 *   ..., layer, ...            %y = <body of the candidate's function>(%x)
 *
 * A layer is what lies between its inputs and outputs, named as in the model; the candidate is an IR
 * function of the same signature, in a file of its own, with weights of its own. Symbols of its shapes
 * stand for any size. All layers are checked, and all problems reported, before anything is changed;
 * then the results are inferred in place and compared once more. Requires types; keeps them.
 */
#include "passes/approx/approx.h"
#include "passes/approx/plan.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* A candidate's file, read once for all layers that have it. */
typedef struct candidate {
    const ran_plan_layer *layer;
    ran_module *module;
    ran_function *function;
    struct candidate *shares; /* whose module this is */
} candidate;

typedef struct substitution {
    ran_pass_context *pass;
    ran_function *body;
    ran_plan plan;
    candidate *candidates;
} substitution;

static ran_status fail(const substitution *s, const ran_plan_layer *layer, ran_status status,
                       const char *text)
{
    return ran_error(ran_pass_ir(s->pass), status, "layer %s%s%s: %s", layer->name,
                     layer->candidate ? ", candidate " : "",
                     layer->candidate ? layer->candidate : "", text);
}

/* ---- Reading candidates -------------------------------------------------------------------------- */

static char *read_text(const char *path, size_t *out_length)
{
    char *text = NULL;
    FILE *file = fopen(path, "rb"), *memory = file ? open_memstream(&text, out_length) : NULL;
    int c;
    while (memory && (c = getc(file)) != EOF)
        putc(c, memory);
    if (memory)
        fclose(memory);
    if (file)
        fclose(file);
    return text;
}

static ran_function *function_of(const candidate *c)
{
    ran_function *f = ran_module_find_function(c->module, c->layer->function ? c->layer->function
                                                                             : "main");
    return f || c->layer->function ? f : ran_module_first_function(c->module);
}

static ran_status load(substitution *s, size_t index)
{
    candidate *c = &s->candidates[index];
    size_t length = 0;
    c->layer = &s->plan.layers[index];
    for (size_t i = 0; i < index && !c->module; i++) {
        const candidate *other = &s->candidates[i];
        if (other->module && other->layer->file == c->layer->file) {
            c->module = other->module;
            c->shares = &s->candidates[i];
        }
    }
    if (!c->module) {
        char *text = read_text(c->layer->file, &length);
        if (!text)
            return fail(s, c->layer, RAN_INVALID,
                        ran_intern_printf(ran_pass_ir(s->pass), "cannot read %s: %s",
                                          c->layer->file, strerror(errno)));
        ran_status status =
            ran_module_parse(ran_pass_ir(s->pass), text, length, c->layer->file, &c->module);
        free(text);
        if (status)
            return status;
    }
    c->function = function_of(c);
    if (c->function)
        return ran_function_infer_types(c->function);
    return fail(s, c->layer, RAN_INVALID,
                ran_intern_printf(ran_pass_ir(s->pass), "%s has no such function",
                                  c->layer->file));
}

/* ---- Values by name ------------------------------------------------------------------------------------ */

static bool is_named(const ran_value *value, const char *name)
{
    return ran_value_name(value) && !strcmp(ran_value_name(value), name);
}

/* By its own name, else as the result of the last op of a node of that name. */
static ran_value *find_value(const substitution *s, const char *name)
{
    ran_region *region = ran_function_body(s->body);
    ran_value *by_node = NULL;
    for (size_t i = 0; i < ran_region_argument_count(region); i++)
        if (is_named(ran_region_argument(region, i), name))
            return ran_region_argument(region, i);
    for (ran_op *op = ran_region_first(region); op; op = ran_op_next(op)) {
        for (size_t i = 0; i < ran_op_result_count(op); i++)
            if (is_named(ran_op_result(op, i), name))
                return ran_op_result(op, i);
        const char *node = ran_location_name(ran_op_location(op));
        if (node && !strcmp(node, name) && ran_op_result_count(op))
            by_node = ran_op_result(op, 0);
    }
    const ran_op *end = ran_region_terminator(region);
    for (size_t i = 0; end && i < ran_op_operand_count(end); i++) {
        const char *output = ran_function_output_name(s->body, i);
        if (output && !strcmp(output, name))
            return ran_op_operand(end, i);
    }
    return by_node;
}

/* ---- Shapes --------------------------------------------------------------------------------------------- */

/* A candidate's symbol fits any size. */
static bool fits(const ran_type *wanted, const ran_type *type)
{
    if (!ran_type_is_tensor(wanted) || !ran_type_is_tensor(type) ||
        ran_type_elem(wanted) != ran_type_elem(type) ||
        ran_type_rank(wanted) != ran_type_rank(type))
        return false;
    for (int axis = 0; axis < ran_type_rank(wanted); axis++) {
        const ran_dim *a = ran_type_dim(wanted, axis), *b = ran_type_dim(type, axis);
        if (ran_dim_is_constant(b) && a != b)
            return false;
    }
    return true;
}

static ran_status check_value(const substitution *s, const ran_plan_layer *layer, const char *role,
                              const char *name, const ran_type *type)
{
    ran_context *context = ran_pass_ir(s->pass);
    const ran_value *value = find_value(s, name);
    if (!value)
        return fail(s, layer, RAN_INVALID,
                    ran_intern_printf(context, "the model has no value %s", name));
    if (fits(ran_value_type(value), type))
        return RAN_OK;
    return fail(s, layer, RAN_INVALID,
                ran_intern_printf(context, "%s %s is %s in the model, %s in the candidate", role,
                                  name, ran_type_text(context, ran_value_type(value)),
                                  ran_type_text(context, type)));
}

static ran_status check(const substitution *s, const candidate *c)
{
    const ran_plan_layer *layer = c->layer;
    const ran_region *body = ran_function_body(c->function);
    const ran_op *end = ran_region_terminator(body);
    if (ran_region_argument_count(body) != layer->input_count ||
        ran_op_operand_count(end) != layer->output_count)
        return fail(s, layer, RAN_INVALID,
                    ran_intern_printf(ran_pass_ir(s->pass),
                                      "the function has %zu inputs and %zu outputs, the layer %zu "
                                      "and %zu",
                                      ran_region_argument_count(body), ran_op_operand_count(end),
                                      layer->input_count, layer->output_count));
    ran_status status = RAN_OK;
    for (size_t i = 0; i < layer->input_count; i++) {
        ran_status own = check_value(s, layer, "input", layer->inputs[i],
                                     ran_value_type(ran_region_argument(body, i)));
        status = own ? own : status;
    }
    for (size_t i = 0; i < layer->output_count; i++) {
        ran_status own = check_value(s, layer, "output", layer->outputs[i],
                                     ran_value_type(ran_op_operand(end, i)));
        status = own ? own : status;
    }
    return status;
}

/* ---- Putting in ---------------------------------------------------------------------------------------------- */

/* Behind the last of the inputs: whatever uses the outputs comes later. */
static ran_op *place_of(const substitution *s, ran_value *const *inputs, size_t count)
{
    ran_op *last = NULL;
    for (size_t i = 0; i < count; i++) {
        ran_op *op = ran_value_op(inputs[i]);
        if (op && (!last || ran_op_is_before(last, op)))
            last = op;
    }
    return last ? ran_op_next(last) : ran_region_first(ran_function_body(s->body));
}

static void copy_constants(const substitution *s, const candidate *c, ran_mapping *mapping)
{
    for (ran_value *v = ran_module_first_constant(c->module); v; v = ran_constant_next(v)) {
        const char *name = ran_intern_printf(ran_pass_ir(s->pass), "%s.%s", c->layer->name,
                                             ran_value_name(v) ? ran_value_name(v) : "c");
        if (ran_value_has_uses(v))
            ran_mapping_set(mapping, v,
                            ran_constant_create(ran_function_module(s->body), name,
                                                ran_value_constant(v)));
    }
}

/* The layer's and the candidate's own name for a node. */
static void place(const substitution *s, const candidate *c, ran_op *op)
{
    const char *own = ran_location_name(ran_op_location(op));
    const char *name = ran_intern_printf(ran_pass_ir(s->pass), "%s/%s", c->layer->name,
                                         own && *own ? own : ran_opcode_name(op->opcode));
    ran_op_set_location(op, ran_location_create(ran_pass_ir(s->pass), name,
                                                ran_location_type(ran_op_location(op))));
    for (size_t i = 0; i < op->result_count; i++)
        ran_value_set_name(&op->results[i], NULL);
}

static ran_status copy_ops(const substitution *s, const candidate *c, ran_op *before,
                           ran_mapping *mapping)
{
    const ran_region *body = ran_function_body(c->function);
    ran_builder builder = ran_builder_before(before);
    for (const ran_op *op = ran_region_first(body); op != ran_region_terminator(body);
         op = ran_op_next(op)) {
        ran_op *copy = ran_op_clone(&builder, op, mapping);
        place(s, c, copy);
        ran_status status = ran_op_infer_types(copy);
        if (status)
            return status;
    }
    return RAN_OK;
}

static ran_status exchange(const substitution *s, const candidate *c, size_t index, ran_value *to,
                           const ran_op *before)
{
    ran_value *from = find_value(s, c->layer->outputs[index]);
    ran_context *context = ran_pass_ir(s->pass);
    if (ran_value_type(from) != ran_value_type(to))
        return fail(s, c->layer, RAN_INVALID,
                    ran_intern_printf(context, "output %s is %s in the model, the candidate gives %s",
                                      c->layer->outputs[index],
                                      ran_type_text(context, ran_value_type(from)),
                                      ran_type_text(context, ran_value_type(to))));
    for (const ran_use *use = ran_value_first_use(from); use; use = ran_use_next(use))
        if (ran_op_is_before(ran_use_op(use), before))
            return fail(s, c->layer, RAN_INVALID, "an output is used in front of an input");
    const char *name = ran_value_name(from);
    ran_value_replace_uses(from, to);
    ran_value_set_name(from, NULL);
    ran_value_set_name(to, name);
    return RAN_OK;
}

static ran_status put_in(const substitution *s, const candidate *c)
{
    const ran_region *body = ran_function_body(c->function);
    const ran_op *end = ran_region_terminator(body);
    ran_value **inputs = ran_pass_alloc(s->pass, c->layer->input_count * sizeof(*inputs));
    ran_mapping *mapping = ran_mapping_create();
    for (size_t i = 0; i < c->layer->input_count; i++) {
        inputs[i] = find_value(s, c->layer->inputs[i]);
        ran_mapping_set(mapping, ran_region_argument(body, i), inputs[i]);
    }
    copy_constants(s, c, mapping);
    ran_op *before = place_of(s, inputs, c->layer->input_count);
    ran_status status = copy_ops(s, c, before, mapping);
    for (size_t i = 0; !status && i < c->layer->output_count; i++) {
        ran_value *result = ran_op_operand(end, i);
        ran_value *to = ran_mapping_get(mapping, result);
        status = exchange(s, c, i, to ? to : result, before);
    }
    ran_mapping_destroy(mapping);
    ran_region_erase_dead(ran_function_body(s->body));
    return status;
}

/* ---- The pass ------------------------------------------------------------------------------------------------ */

static ran_status load_all(substitution *s)
{
    ran_status status = RAN_OK;
    for (size_t i = 0; i < s->plan.count; i++) {
        ran_status own = s->plan.layers[i].file ? load(s, i) : RAN_OK;
        if (!own && s->candidates[i].function)
            own = check(s, &s->candidates[i]);
        status = own ? own : status;
    }
    return status;
}

static ran_status put_in_all(substitution *s)
{
    ran_status status = RAN_OK;
    for (size_t i = 0; !status && i < s->plan.count; i++) {
        const candidate *c = &s->candidates[i];
        if (!c->function) {
            ran_pass_observe(s->pass, "kept", 1);
            continue;
        }
        status = put_in(s, c);
        ran_pass_remark(s->pass, "%s: %s", c->layer->name,
                        c->layer->candidate ? c->layer->candidate : c->layer->file);
        ran_pass_count(s->pass, "layers", 1);
    }
    return status;
}

ran_status ran_run_substitute(ran_pass_context *pass, ran_function *function)
{
    substitution s = {.pass = pass, .body = function};
    if (!ran_function_is_entry(function))
        return RAN_OK;
    ran_status status = ran_plan_read(pass, ran_pass_string(pass, "plan"), &s.plan);
    if (status)
        return status;
    s.candidates = ran_pass_alloc(pass, (s.plan.count + 1) * sizeof(candidate));
    status = load_all(&s);
    if (!status)
        status = put_in_all(&s);
    for (size_t i = 0; i < s.plan.count; i++)
        if (s.candidates[i].module && !s.candidates[i].shares)
            ran_module_destroy(s.candidates[i].module);
    return status;
}
