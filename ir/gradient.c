/* SPDX-License-Identifier: GPL-3.0-or-later */
/* What ran_gradient holds: where it builds, what is active, and dL/d(value) so far. */
#include "ir/gradient.h"

#include <stdlib.h>

#include "ir/module.h"
#include "ir/ops/gradient.h"

struct ran_gradient {
    ran_builder builder;
    const ran_op *op;
    ran_mapping *active;    /* value -> itself */
    ran_mapping *gradients; /* value -> dL/d(value) */
};

ran_gradient *ran_gradient_create(ran_builder builder)
{
    ran_gradient *g = calloc(1, sizeof *g);
    if (!g)
        RAN_BUG(builder.module->context, "out of memory");
    g->builder = builder;
    g->active = ran_mapping_create();
    g->gradients = ran_mapping_create();
    return g;
}

void ran_gradient_destroy(ran_gradient *gradient)
{
    if (!gradient)
        return;
    ran_mapping_destroy(gradient->active);
    ran_mapping_destroy(gradient->gradients);
    free(gradient);
}

void ran_gradient_set_active(ran_gradient *gradient, const ran_value *value)
{
    ran_mapping_set(gradient->active, value, (ran_value *)value);
}

bool ran_gradient_is_active(const ran_gradient *gradient, const ran_value *value)
{
    return ran_mapping_get(gradient->active, value) != NULL;
}

bool ran_gradient_reads(const ran_gradient *gradient, const ran_op *op)
{
    RAN_FOR_OPERANDS(op, i, value)
    {
        if (ran_gradient_is_active(gradient, value))
            return true;
    }
    for (size_t i = 0; i < op->region_count; i++)
        for (const ran_op *inner = op->regions[i]->first; inner; inner = inner->next)
            if (ran_gradient_reads(gradient, inner))
                return true;
    return false;
}

void ran_gradient_mark(ran_gradient *gradient, const ran_op *op)
{
    for (size_t i = 0; i < op->result_count && ran_gradient_reads(gradient, op); i++)
        if (ran_type_is_tensor(op->results[i].type) &&
            ran_elem_is_float(ran_type_elem(op->results[i].type)))
            ran_gradient_set_active(gradient, &op->results[i]);
}

bool ran_gradient_reaches(const ran_gradient *gradient, const ran_op *op)
{
    for (size_t i = 0; i < op->result_count; i++)
        if (ran_gradient_get(gradient, &op->results[i]))
            return true;
    return false;
}

ran_value *ran_gradient_get(const ran_gradient *gradient, const ran_value *value)
{
    return ran_mapping_get(gradient->gradients, value);
}

/* Summed when it arrives: only the sum stays alive, and a kernel can add to it. */
void ran_gradient_add_to(ran_gradient *gradient, const ran_value *value, ran_value *addend)
{
    if (!addend)
        return;
    RAN_ASSERT(gradient->builder.module->context,
               ran_type_elem(addend->type) == ran_type_elem(value->type) &&
                   ran_type_rank(addend->type) == ran_type_rank(value->type));
    ran_value *sum = ran_gradient_get(gradient, value);
    ran_mapping_set(gradient->gradients, value,
                    sum ? ran_gradient_binary(gradient, RAN_OP_ADD, addend, sum) : addend);
}

static const char *const reasons[RAN_OP_COUNT] = {
#define RAN_NO_GRADIENT(ENUM, why) [RAN_OP_##ENUM] = why,
#include "ir/no_gradient.def"
};

const char *ran_gradient_reason(ran_opcode opcode)
{
    return reasons[opcode];
}

bool ran_gradient_is_defined(ran_opcode opcode)
{
    const ran_op_def *def = ran_op_definition(opcode);
    bool by_row =
        def->hooks->gradient == ran_unary_gradient || def->hooks->gradient == ran_binary_gradient;
    return def->hooks->gradient && (!by_row || def->gradient);
}

ran_status ran_gradient_visit(ran_gradient *gradient, const ran_op *op)
{
    const ran_op_hooks *hooks = ran_op_definition(op->opcode)->hooks;
    const char *reason = ran_gradient_reason(op->opcode);
    if (!ran_gradient_is_defined(op->opcode))
        return ran_op_error(
            op, RAN_UNSUPPORTED,
            "has no gradient%s%s; freeze the parameters before it, or replace it by "
            "ops that have one",
            reason ? ": " : "", reason ? reason : "");
    gradient->op = op;
    gradient->builder.location = op->location;
    return hooks->gradient(gradient, op);
}

static ran_op *last_built(const ran_gradient *g)
{
    return g->builder.before ? g->builder.before->prev : g->builder.region->last;
}

ran_status ran_gradient_by_composition(ran_gradient *g, const ran_op *op,
                                       ran_gradient_compose *compose)
{
    ran_value *results[4] = {NULL};
    ran_op *before = last_built(g);
    RAN_ASSERT(NULL, op->result_count <= 4 && before);
    ran_status status = compose(g, op, results);
    ran_op *last = last_built(g);
    for (ran_op *part = before; status == RAN_OK && part != last; part = part->next)
        ran_gradient_mark(g, part->next);
    for (size_t i = 0; i < op->result_count && status == RAN_OK; i++)
        if (results[i])
            ran_gradient_add_to(g, results[i], ran_gradient_get(g, &op->results[i]));
    for (ran_op *part = last; part != before && status == RAN_OK; part = part->prev)
        if (ran_gradient_reads(g, part) && ran_gradient_reaches(g, part))
            status = ran_gradient_visit(g, part);
    g->op = op;
    return status;
}

/* ---- What a hook sees ---------------------------------------------------------------------------
 */

ran_builder *ran_gradient_builder(ran_gradient *gradient)
{
    return &gradient->builder;
}

ran_value *ran_gradient_of(ran_gradient *gradient, size_t result)
{
    return result < gradient->op->result_count
               ? ran_gradient_get(gradient, &gradient->op->results[result])
               : NULL;
}

bool ran_gradient_needed(const ran_gradient *gradient, size_t operand)
{
    const ran_value *value = ran_op_operand(gradient->op, operand);
    return value && ran_gradient_is_active(gradient, value);
}

void ran_gradient_add(ran_gradient *gradient, size_t operand, ran_value *value)
{
    if (ran_gradient_needed(gradient, operand))
        ran_gradient_add_to(gradient, ran_op_operand(gradient->op, operand), value);
}

ran_value *ran_gradient_scalar(ran_gradient *gradient, ran_value *like, double value)
{
    ran_tensor *tensor = ran_tensor_create(ran_type_elem(like->type), 0, NULL);
    ran_tensor_set_f64(tensor, 0, value);
    ran_value *constant = ran_constant_create(gradient->builder.module, NULL, tensor);
    ran_tensor_release(tensor);
    return constant;
}

const ran_op *ran_gradient_more_results(ran_gradient *gradient, const ran_op *op, size_t count)
{
    if (op->result_count >= count)
        return op;
    ran_op *old = (ran_op *)op; /* the function is being changed */
    ran_value *operands[RAN_MAX_RANK];
    RAN_ASSERT(NULL, op->operand_count <= RAN_MAX_RANK);
    for (size_t i = 0; i < op->operand_count; i++)
        operands[i] = ran_op_operand(op, i);
    ran_builder before = ran_builder_before(old);
    ran_op *full = ran_op_create(&before, op->opcode, op->operand_count, operands, count);
    ran_gradient_copy_attrs(full, op);
    ran_gradient_finish(gradient, full);
    for (size_t i = 0; i < op->result_count; i++) {
        ran_value_set_name(&full->results[i], op->results[i].name);
        ran_value_set_name(&old->results[i], NULL);
        ran_value_replace_uses(&old->results[i], &full->results[i]);
    }
    return full;
}

/* Axis i of `like` was stretched to that of `value`. */
static bool is_broadcast(const ran_type *like, int i, const ran_dim *dim)
{
    return ran_dim_is(ran_type_dim(like, i), 1) && !ran_dim_is(dim, 1);
}

ran_value *ran_gradient_reduce_to(ran_gradient *gradient, ran_value *value, ran_value *like)
{
    int64_t axes[RAN_MAX_RANK];
    size_t count = 0;
    int rank = ran_type_rank(value->type), missing = rank - ran_type_rank(like->type);
    for (int i = 0; i < rank; i++)
        if (i < missing || is_broadcast(like->type, i - missing, ran_type_dim(value->type, i)))
            axes[count++] = i;
    if (!count)
        return value;
    /* Leading axes go at once; with others between, the shape is mended afterwards. */
    bool keep = missing == 0;
    ran_value *sum = ran_gradient_reduce(gradient, RAN_OP_REDUCE_SUM, value, axes, count, keep);
    return ran_gradient_reshape_like(gradient, sum, like);
}
