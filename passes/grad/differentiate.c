/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Reverse-mode differentiation.
 *
 *   %y = relu %x                       %y = relu %x
 *   %l = reduce_sum %y          =>     %l = reduce_sum %y
 *   return %l                          %1 = expand 1, [4]
 *                                      %2 = greater %y, 0
 *                                      %3 = where %2, %1, 0
 *                                      return %l, %3
 *
 * Requires types and plain layouts; fused kernels come later. What depends on `wrt` is active; from
 * the loss back, the hook of each active op that the loss depends on (ir/ops/<family>_gradient.c)
 * builds the gradients of its operands from those of its results. Everything goes before the
 * return, so that it is ordinary IR afterwards: passes simplify it, fusion makes kernels of it.
 *
 * Known misses: control flow (if, loop), calls, and fused kernels have no gradient; inline or
 * unroll them first.
 */
#include "passes/grad/grad.h"

#include <fnmatch.h>
#include <stdlib.h>
#include <string.h>

/* ---- What is active
 * ------------------------------------------------------------------------------------ */

static bool is_float(const ran_value *value)
{
    return ran_type_is_tensor(value->type) && ran_elem_is_float(ran_type_elem(value->type));
}

static void mark_active(ran_gradient *g, const ran_region *body, ran_value *const *wrt,
                        size_t count)
{
    for (size_t i = 0; i < count; i++)
        ran_gradient_set_active(g, wrt[i]);
    for (const ran_op *op = body->first; op; op = op->next)
        ran_gradient_mark(g, op);
}

/* ---- What the loss depends on
 * --------------------------------------------------------------------------- */

static bool has_needed_result(const ran_mapping *needed, const ran_op *op)
{
    for (size_t i = 0; i < op->result_count; i++)
        if (ran_mapping_get(needed, &op->results[i]))
            return true;
    return false;
}

static void need_operands(const ran_gradient *g, ran_mapping *needed, const ran_op *op)
{
    RAN_FOR_OPERANDS(op, i, value)
    {
        if (ran_gradient_is_active(g, value))
            ran_mapping_set(needed, value, value);
    }
    for (size_t i = 0; i < op->region_count; i++)
        for (const ran_op *inner = op->regions[i]->first; inner; inner = inner->next)
            need_operands(g, needed, inner);
}

/* Ops between wrt and the loss that have no gradient: all of them are reported, in their order. */
static ran_status check_hooks(ran_gradient *g, const ran_region *body, const ran_op *last,
                              ran_value *loss)
{
    ran_status status = RAN_OK;
    ran_mapping *needed = ran_mapping_create();
    ran_mapping_set(needed, loss, loss);
    for (const ran_op *op = last; op; op = op->prev)
        if (has_needed_result(needed, op) && ran_gradient_reads(g, op))
            need_operands(g, needed, op);
    for (const ran_op *op = body->first; op; op = op->next)
        if (has_needed_result(needed, op) && ran_gradient_reads(g, op) &&
            !ran_gradient_is_defined(op->opcode))
            status = ran_gradient_visit(g, op);
    ran_mapping_destroy(needed);
    return status;
}

/* ---- The walk
 * ---------------------------------------------------------------------------------------------- */

static ran_status walk_back(ran_gradient *g, const ran_op *last)
{
    ran_status status = RAN_OK;
    for (const ran_op *op = last; op; op = op->prev) {
        if (!ran_gradient_reads(g, op) || !ran_gradient_reaches(g, op))
            continue;
        ran_status one = ran_gradient_visit(g, op);
        status = status == RAN_OK ? one : status;
    }
    return status;
}

static ran_value *constant_scalar(ran_module *module, const ran_type *like, double number)
{
    ran_tensor *tensor = ran_tensor_create(ran_type_elem(like), 0, NULL);
    ran_tensor_set_f64(tensor, 0, number);
    ran_value *value = ran_constant_create(module, NULL, tensor);
    ran_tensor_release(tensor);
    return value;
}

/* Zeros of the type of `like`. */
static ran_value *zeros(ran_builder *builder, ran_value *like)
{
    ran_value *operands[] = {constant_scalar(builder->module, like->type, 0), NULL};
    if (ran_type_is_static(like->type)) {
        ran_tensor *shape = ran_tensor_create(RAN_ELEM_I64, 1, &(int64_t){like->type->rank});
        for (int i = 0; i < like->type->rank; i++)
            ran_tensor_set_i64(shape, i, ran_type_extent(like->type, i));
        operands[1] = ran_constant_create(builder->module, NULL, shape);
        ran_tensor_release(shape);
    } else {
        operands[1] = ran_build(builder, RAN_OP_SHAPE, 1, &like);
    }
    return ran_build(builder, RAN_OP_EXPAND, 2, operands);
}

static ran_status check_loss(ran_function *function, const ran_value *loss)
{
    ran_context *context = ran_module_context(ran_function_module(function));
    if (is_float(loss) && ran_type_rank(loss->type) == 0)
        return RAN_OK;
    return ran_error(context, RAN_INVALID, "differentiate: the loss must be a float scalar, not %s",
                     ran_type_text(context, loss->type));
}

ran_status ran_differentiate(ran_function *function, ran_value *loss, ran_value *const *wrt,
                             size_t count, ran_value **out_gradients)
{
    ran_region *body = ran_function_body(function);
    ran_op *end = ran_region_terminator(body);
    ran_op *last = end ? end->prev : body->last;
    ran_builder builder = end ? ran_builder_before(end) : ran_builder_at_end(body);
    ran_status status = check_loss(function, loss);
    if (status != RAN_OK)
        return status;
    ran_gradient *g = ran_gradient_create(builder);
    mark_active(g, body, wrt, count);
    status = check_hooks(g, body, last, loss);
    ran_gradient_add_to(g, loss, constant_scalar(builder.module, loss->type, 1));
    if (status == RAN_OK)
        status = walk_back(g, last);
    for (size_t i = 0; i < count && status == RAN_OK; i++) {
        out_gradients[i] = ran_gradient_get(g, wrt[i]);
        if (!out_gradients[i])
            out_gradients[i] = zeros(&builder, wrt[i]);
    }
    ran_gradient_destroy(g);
    return status;
}

/* ---- differentiate{wrt=...}
 * ---------------------------------------------------------------------------------- */

typedef struct targets {
    ran_value **values;
    size_t count;
} targets;

/* Whether one of the globs, joined by '+', matches. */
static bool matches(const char *globs, const char *name, char *scratch)
{
    strcpy(scratch, globs);
    for (char *save = NULL, *glob = strtok_r(scratch, "+", &save); name && glob;
         glob = strtok_r(NULL, "+", &save))
        if (!fnmatch(glob, name, 0))
            return true;
    return false;
}

static void collect(ran_pass_context *pass, ran_function *function, targets *out)
{
    const char *globs = ran_pass_string(pass, "wrt");
    char *scratch = ran_pass_alloc(pass, strlen(globs) + 1);
    const ran_region *body = ran_function_body(function);
    ran_module *module = ran_function_module(function);
    size_t capacity = body->argument_count;
    for (ran_value *c = ran_module_first_constant(module); c; c = ran_constant_next(c))
        capacity++;
    out->values = ran_pass_alloc(pass, (capacity + 1) * sizeof *out->values);
    for (size_t i = 0; i < body->argument_count; i++)
        if (is_float(body->arguments[i]) && matches(globs, body->arguments[i]->name, scratch))
            out->values[out->count++] = body->arguments[i];
    for (ran_value *c = ran_module_first_constant(module); c; c = ran_constant_next(c))
        if (is_float(c) && matches(globs, c->name, scratch))
            out->values[out->count++] = c;
}

/* The output called `loss`, or the first; what is no scalar is summed. */
static ran_status find_loss(ran_pass_context *pass, ran_function *function, ran_value **out_loss)
{
    ran_op *end = ran_region_terminator(ran_function_body(function));
    const char *name = ran_pass_string(pass, "loss");
    size_t output = 0;
    while (*name && output < end->operand_count) {
        const char *other = ran_function_output_name(function, output);
        const char *value = ran_op_operand(end, output)->name;
        if ((other && !strcmp(other, name)) || (value && !strcmp(value, name)))
            break;
        output++;
    }
    if (output >= end->operand_count || !is_float(ran_op_operand(end, output)))
        return ran_error(ran_pass_ir(pass), RAN_USAGE,
                         "differentiate: '%s' has no float output%s%s", function->name,
                         *name ? " called " : "", name);
    *out_loss = ran_op_operand(end, output);
    if (ran_type_rank((*out_loss)->type) == 0)
        return RAN_OK;
    ran_builder builder = ran_builder_before(end);
    ran_op *sum = ran_op_create(&builder, RAN_OP_REDUCE_SUM, 1, out_loss, 1);
    ran_op_set_int(sum, "keepdims", 0);
    *out_loss = &sum->results[0];
    return ran_op_infer_types(sum);
}

static void append_outputs(ran_pass_context *pass, ran_function *function, const targets *wrt,
                           ran_value *const *gradients)
{
    ran_op *end = ran_region_terminator(ran_function_body(function));
    size_t before = end->operand_count;
    ran_value **results = ran_pass_alloc(pass, (before + wrt->count) * sizeof *results);
    for (size_t i = 0; i < before; i++)
        results[i] = ran_op_operand(end, i);
    memcpy(results + before, gradients, wrt->count * sizeof *results);
    ran_op_set_operands(end, before + wrt->count, results);
    for (size_t i = 0; i < wrt->count; i++)
        ran_function_set_output_name(
            function, before + i,
            ran_intern_printf(ran_pass_ir(pass), "%s.gradient", wrt->values[i]->name));
}

ran_status ran_run_differentiate(ran_pass_context *pass, ran_function *function)
{
    targets wrt = {0};
    ran_value *loss = NULL;
    ran_status status = find_loss(pass, function, &loss);
    collect(pass, function, &wrt);
    if (status == RAN_OK && !wrt.count)
        status = ran_error(ran_pass_ir(pass), RAN_USAGE,
                           "differentiate: no float argument or constant is called '%s'",
                           ran_pass_string(pass, "wrt"));
    if (status != RAN_OK)
        return status;
    ran_value **gradients = ran_pass_alloc(pass, wrt.count * sizeof *gradients);
    status = ran_differentiate(function, loss, wrt.values, wrt.count, gradients);
    if (status != RAN_OK)
        return status;
    append_outputs(pass, function, &wrt, gradients);
    ran_pass_count(pass, "gradients", (int64_t)wrt.count);
    return RAN_OK;
}
