/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Filling in a family's description of a kernel. */
#include "codegen/codegen.h"

#include <stdlib.h>

void ran_emission_set_dim(ran_emission *emission, size_t word, const ran_dim *dim)
{
    RAN_ASSERT(emission->context, word < RAN_SPEC_MAX);
    emission->spec[word] = dim;
    if (word >= emission->spec_count)
        emission->spec_count = word + 1;
}

void ran_emission_set(ran_emission *emission, size_t word, int64_t value)
{
    ran_emission_set_dim(emission, word, ran_dim_constant(emission->context, value));
}

int64_t ran_emission_io(const ran_emission *emission, const ran_value *argument)
{
    const ran_region *body = ran_op_region(emission->kernel, 0);
    if (!argument)
        return -1;
    RAN_ASSERT(emission->context, ran_value_argument_region(argument) == body);
    return (int64_t)ran_value_index(argument);
}

int64_t ran_emission_io_result(const ran_emission *emission, size_t index)
{
    return (int64_t)(ran_op_operand_count(emission->kernel) + index);
}

int64_t ran_emission_io_status(const ran_emission *emission)
{
    return ran_emission_io_result(emission, ran_op_result_count(emission->kernel)) +
           (int64_t)emission->symbols->count;
}

int64_t ran_emission_size_word(const ran_emission *emission, const ran_dim *symbol)
{
    const ran_symbols *symbols = emission->symbols;
    size_t index = symbols->argument_count;
    while (index < symbols->count && symbols->items[index] != symbol)
        index++;
    RAN_ASSERT(emission->context, index < symbols->count);
    return 1 + (int64_t)(index - symbols->argument_count);
}

const ran_tensor *ran_op_constant_operand(const ran_op *op, size_t operand)
{
    const ran_value *value = ran_op_operand(op, operand);
    ran_region *region = value ? ran_value_argument_region(value) : NULL;
    const ran_op *kernel = region ? ran_region_parent_op(region) : NULL;
    if (ran_op_is(kernel, RAN_OP_KERNEL))
        value = ran_op_operand(kernel, ran_value_index(value));
    return value ? ran_value_constant(value) : NULL;
}

/* An argument knows the elements that its operand knows: starts of a slice, pads. */
ran_value *ran_kernel_add_operand(ran_op *kernel, ran_value *value)
{
    const ran_dim *const *known = NULL;
    size_t count = kernel->operand_count, known_count = ran_value_known(value, &known);
    ran_value **operands = malloc((count + 1) * sizeof(*operands));
    for (size_t i = 0; i < count; i++)
        operands[i] = ran_op_operand(kernel, i);
    operands[count] = value;
    ran_op_set_operands(kernel, count + 1, operands);
    free(operands);
    ran_value *argument =
        ran_region_add_argument(ran_op_region(kernel, 0), NULL, ran_value_type(value));
    argument->known = (const ran_dim **)known;
    argument->known_count = (uint32_t)known_count;
    return argument;
}

ran_op *ran_kernel_anchor(const ran_op *kernel)
{
    for (ran_op *op = ran_region_first(ran_op_region(kernel, 0)); op; op = ran_op_next(op))
        if (!ran_opcode_is_elementwise(ran_op_opcode(op)) && !ran_op_is(op, RAN_OP_YIELD) &&
            !ran_op_is(op, RAN_OP_BORDER_TABLE))
            return op;
    return NULL;
}
