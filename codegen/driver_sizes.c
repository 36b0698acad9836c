/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Sizes in the driver: symbols from the caller, then those that data decide, each behind the kernel
 * that found it; conditions on them, as soon as they can be tested; and outputs whose size is known
 * at the end only, which lie in the workspace until then.
 */
#include "codegen/driver.h"

#include <stdlib.h>

void ran_driver_load_symbols(driver *d, LLVMValueRef array, size_t known)
{
    LLVMTypeRef i64 = ran_build_i64_type(&d->b);
    for (size_t i = 0; i < d->symbols->count; i++)
        d->symbol_values[i] = i < known ? ran_build_load_word(&d->b, i64, array, (int64_t)i)
                                        : ran_build_i64(&d->b, 0);
}

LLVMValueRef ran_driver_store_symbols(driver *d)
{
    size_t count = d->symbols->count;
    LLVMTypeRef word = ran_build_i64_type(&d->b);
    LLVMValueRef array = ran_build_alloca(&d->b, LLVMArrayType2(word, count + 1), "symbols");
    for (size_t i = 0; i < count; i++)
        ran_build_store_word(&d->b, d->symbol_values[i], array, (int64_t)i);
    return array;
}

static bool is_size_of(const ran_op *op, const ran_dim *symbol)
{
    for (size_t i = 0; i < op->result_count; i++) {
        const ran_type *type = ran_value_type(ran_op_result(op, i));
        for (int axis = 0; axis < ran_type_rank(type); axis++)
            if (ran_type_dim(type, axis) == symbol)
                return true;
    }
    return false;
}

static bool is_known(const driver *d, const ran_condition *c, size_t count)
{
    return ran_symbols_know(d->symbols, c->a, count) && ran_symbols_know(d->symbols, c->b, count);
}

void ran_driver_check_conditions(driver *d, size_t known)
{
    ran_llvm *b = &d->b;
    const ran_function *function = d->part->function;
    for (size_t i = 0; i < function->condition_count; i++) {
        const ran_condition *c = &function->conditions[i];
        if (!is_known(d, c, d->known) && is_known(d, c, known))
            ran_build_return_if(b, ran_build_unmet(b, c), ran_build_i64(b, RAN_RUN_SHAPE));
    }
    d->known = known;
}

void ran_driver_take_sizes(driver *d, const ran_op *op)
{
    for (size_t k = d->known; k < d->symbols->count; k++) {
        if (!is_size_of(op, d->symbols->items[k]))
            continue;
        int64_t word = 1 + (int64_t)(k - d->symbols->argument_count);
        d->symbol_values[k] =
            ran_build_load_word(&d->b, ran_build_i64_type(&d->b), d->status, word);
        ran_driver_check_conditions(d, k + 1);
    }
}

typedef struct sized_output {
    size_t index;
    LLVMValueRef elements, address;
    ran_elem elem;
} sized_output;

/* Writes the extents of output `index` where the caller wants them. */
static sized_output begin_output(driver *d, const ran_value *value, size_t index)
{
    ran_llvm *b = &d->b;
    const ran_type *type = ran_value_type(value);
    LLVMTypeRef pointer = ran_build_pointer_type(b);
    LLVMValueRef shapes = ran_build_load_word(b, pointer, d->sizes, 1);
    LLVMValueRef shape = ran_build_load_word(b, pointer, shapes, (int64_t)index);
    sized_output output = {.index = index, .elem = ran_type_elem(type)};
    output.elements = ran_build_i64(b, 1);
    output.address = ran_driver_address(d, value);
    for (int axis = 0; axis < ran_type_rank(type); axis++) {
        LLVMValueRef extent = ran_build_dim(b, ran_type_dim(type, axis));
        ran_build_store_word(b, extent, shape, axis);
        output.elements = ran_build_mul(b, output.elements, extent);
    }
    return output;
}

static void check_capacity(driver *d, const sized_output *output)
{
    ran_llvm *b = &d->b;
    LLVMValueRef capacities = ran_build_load_word(b, ran_build_pointer_type(b), d->sizes, 0);
    LLVMValueRef room =
        ran_build_load_word(b, ran_build_i64_type(b), capacities, (int64_t)output->index);
    ran_build_return_if(b, ran_build_below(b, room, output->elements),
                        ran_build_i64(b, RAN_RUN_CAPACITY));
}

static void copy_output(driver *d, const sized_output *output)
{
    ran_llvm *b = &d->b;
    LLVMValueRef to =
        ran_build_load_word(b, ran_build_pointer_type(b), d->outputs, (int64_t)output->index);
    int64_t width = ran_elem_bits(output->elem) / 8;
    ran_build_copy(b, to, output->address,
                   ran_build_mul(b, output->elements, ran_build_i64(b, width)));
}

void ran_driver_deliver_outputs(driver *d)
{
    sized_output *outputs;
    size_t count = 0;
    ran_llvm *b = &d->b;
    const ran_op *ret = ran_region_terminator(ran_function_body(d->part->function));
    outputs = calloc(ret->operand_count + 1, sizeof(*outputs));
    if (!outputs)
        RAN_BUG(b->context, "out of memory");
    for (size_t i = 0; i < ret->operand_count; i++)
        if (ran_symbols_depend_on_data(d->symbols, ran_value_type(ran_op_operand(ret, i))))
            outputs[count++] = begin_output(d, ran_op_operand(ret, i), i);
    LLVMValueRef status = ran_build_load_word(b, ran_build_i64_type(b), d->status, 0);
    ran_build_return_if(b, ran_build_not(b, ran_build_is(b, status, 0)), status);
    for (size_t i = 0; i < count; i++)
        check_capacity(d, &outputs[i]);
    for (size_t i = 0; i < count; i++)
        copy_output(d, &outputs[i]);
    free(outputs);
}

void ran_driver_require_sizes(driver *d)
{
    const ran_op *ret = ran_region_terminator(ran_function_body(d->part->function));
    bool needed = false;
    for (size_t i = 0; i < ret->operand_count; i++)
        needed |= ran_symbols_depend_on_data(d->symbols, ran_value_type(ran_op_operand(ret, i)));
    if (needed)
        ran_build_return_if(&d->b, ran_build_is_null(&d->b, d->sizes),
                            ran_build_i64(&d->b, RAN_RUN_CAPACITY));
}
