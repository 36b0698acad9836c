/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "codegen/lower.h"

#include <stdlib.h>

static const ran_dim *end_of(const ran_part *part)
{
    ran_context *context = ran_module_context(ran_function_module(part->function));
    return ran_dim_binary(context, RAN_DIM_ADD, part->offset,
                          ran_memory_plan_workspace(part->plan));
}

static ran_status add_parts(ran_function *function, const ran_symbols *symbols,
                            const ran_dim *offset, bool is_callee, ran_part **end);

static ran_status add_callees(const ran_part *part, const ran_symbols *symbols,
                              const ran_op *kernel, ran_part **end)
{
    ran_status status = RAN_OK;
    for (size_t i = 0; !status && i < ran_op_region_count(ran_kernel_anchor(kernel)); i++) {
        while (*end)
            end = &(*end)->next;
        status = add_parts(ran_control_callee(kernel, i), symbols, end_of(part), true, end);
    }
    return status;
}

/* What control flow calls gets buffers that have room for any size. */
static ran_status add_parts(ran_function *function, const ran_symbols *symbols,
                            const ran_dim *offset, bool is_callee, ran_part **end)
{
    ran_part *part = calloc(1, sizeof(*part));
    if (!part)
        return ran_error(ran_module_context(ran_function_module(function)), RAN_INVALID,
                         "out of memory");
    *part = (ran_part){.function = function, .offset = offset};
    *end = part;
    ran_status status = ran_memory_plan_create(function, symbols, is_callee, &part->plan);
    RAN_FOR_OPS(ran_function_body(function), op)
    if (!status && op->opcode == RAN_OP_KERNEL && ran_kernel_is_control(op))
        status = add_callees(part, symbols, op, &part->next);
    return status;
}

ran_status ran_parts_create(ran_function *function, const ran_symbols *symbols,
                            ran_part **out_parts)
{
    ran_context *context = ran_module_context(ran_function_module(function));
    *out_parts = NULL;
    return add_parts(function, symbols, ran_dim_constant(context, 0), false, out_parts);
}

void ran_parts_destroy(ran_part *parts)
{
    for (ran_part *next; parts; parts = next) {
        next = parts->next;
        ran_memory_plan_destroy(parts->plan);
        free(parts);
    }
}

const ran_part *ran_parts_find(const ran_part *parts, const ran_function *function)
{
    while (parts && parts->function != function)
        parts = parts->next;
    return parts;
}

const ran_dim *ran_parts_workspace(const ran_part *parts)
{
    const ran_dim *largest = end_of(parts);
    ran_context *context = ran_module_context(ran_function_module(parts->function));
    for (const ran_part *part = parts->next; part; part = part->next)
        largest = ran_dim_binary(context, RAN_DIM_MAX, largest, end_of(part));
    return largest;
}
