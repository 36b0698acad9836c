/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * PREFIX_run and PREFIX_workspace_size: what the generated header declares. They gather their typed
 * arguments in the arrays of PREFIX.run and PREFIX.workspace_size.
 */
#include "codegen/entry.h"

#include <stdlib.h>

static LLVMValueRef array_of(ran_entry *e, size_t count)
{
    LLVMTypeRef word = ran_build_i64_type(&e->b);
    return ran_build_alloca(&e->b, LLVMArrayType2(word, count ? count : 1), "");
}

static LLVMValueRef array_of_parameters(ran_entry *e, LLVMValueRef function, unsigned *next,
                                        size_t count)
{
    LLVMValueRef array = array_of(e, count);
    for (size_t i = 0; i < count; i++)
        ran_build_store_word(&e->b, LLVMGetParam(function, (*next)++), array, (int64_t)i);
    return array;
}

static void build_typed_size(ran_entry *e)
{
    LLVMTypeRef parameters[RAN_SPEC_MAX + 1];
    unsigned n = 0, next = 0;
    for (; n < e->b.symbol_count; n++)
        parameters[n] = ran_build_i64_type(&e->b);
    parameters[n++] = ran_entry_i32_type(e);
    LLVMValueRef function =
        ran_entry_function(e, "_workspace_size", ran_build_i64_type(&e->b), parameters, n, true);
    ran_build_begin(&e->b, function);
    LLVMValueRef arguments[] = {array_of_parameters(e, function, &next, e->b.symbol_count),
                                LLVMGetParam(function, n - 1)};
    ran_build_return_value(&e->b, ran_build_call(&e->b, e->size, arguments, 2));
}

static bool depends_on_data(const ran_entry *e, size_t output)
{
    const ran_value *value = ran_op_operand(ran_entry_return(e), output);
    return ran_symbols_depend_on_data(&e->model->codegen->symbols, ran_value_type(value));
}

/* Of an output whose size depends on data: pointer, capacity, shape. */
static unsigned add_output_types(ran_entry *e, LLVMTypeRef *parameters, unsigned n)
{
    for (size_t i = 0; i < ran_entry_return(e)->operand_count; i++) {
        parameters[n++] = ran_build_pointer_type(&e->b);
        if (!depends_on_data(e, i))
            continue;
        parameters[n++] = ran_build_i64_type(&e->b);
        parameters[n++] = ran_build_pointer_type(&e->b);
    }
    return n;
}

static LLVMValueRef declare_typed_run(ran_entry *e)
{
    size_t most =
        e->b.symbol_count + ran_entry_input_count(e) + 3 * ran_entry_return(e)->operand_count + 3;
    LLVMTypeRef *parameters = calloc(most, sizeof(*parameters));
    unsigned n = 0;
    if (!parameters)
        RAN_BUG(e->b.context, "out of memory");
    while (n < e->b.symbol_count)
        parameters[n++] = ran_build_i64_type(&e->b);
    while (n < e->b.symbol_count + ran_entry_input_count(e))
        parameters[n++] = ran_build_pointer_type(&e->b);
    n = add_output_types(e, parameters, n);
    for (int i = 0; i < (e->model->weights_embedded ? 2 : 3); i++)
        parameters[n++] = ran_build_pointer_type(&e->b);
    LLVMValueRef function =
        ran_entry_function(e, "_run", ran_entry_i32_type(e), parameters, n, true);
    free(parameters);
    return function;
}

/* The arrays of outputs, and of the capacities and shapes of those that depend on data. */
static void gather_outputs(ran_entry *e, LLVMValueRef function, unsigned *next,
                           LLVMValueRef *out_outputs, LLVMValueRef *out_sizes)
{
    size_t count = ran_entry_return(e)->operand_count;
    LLVMValueRef capacities = array_of(e, count), shapes = array_of(e, count);
    *out_outputs = array_of(e, count);
    *out_sizes = array_of(e, 2);
    ran_build_store_word(&e->b, capacities, *out_sizes, 0);
    ran_build_store_word(&e->b, shapes, *out_sizes, 1);
    for (size_t i = 0; i < count; i++) {
        ran_build_store_word(&e->b, LLVMGetParam(function, (*next)++), *out_outputs, (int64_t)i);
        if (!depends_on_data(e, i))
            continue;
        ran_build_store_word(&e->b, LLVMGetParam(function, (*next)++), capacities, (int64_t)i);
        ran_build_store_word(&e->b, LLVMGetParam(function, (*next)++), shapes, (int64_t)i);
    }
}

static void build_typed_run(ran_entry *e)
{
    unsigned next = 0;
    LLVMValueRef function = declare_typed_run(e);
    ran_build_begin(&e->b, function);
    LLVMValueRef arguments[RAN_RUN_PARAMETERS];
    arguments[0] = array_of_parameters(e, function, &next, e->b.symbol_count);
    arguments[1] = array_of_parameters(e, function, &next, ran_entry_input_count(e));
    gather_outputs(e, function, &next, &arguments[2], &arguments[3]);
    arguments[4] = LLVMGetParam(function, next++);
    arguments[5] = LLVMGetParam(function, next++);
    arguments[RAN_RUN_WEIGHTS] = e->model->weights_embedded
                                     ? LLVMConstNull(ran_build_pointer_type(&e->b))
                                     : LLVMGetParam(function, next);
    ran_build_return_i32(&e->b, ran_build_call(&e->b, e->run, arguments, RAN_RUN_PARAMETERS));
}

void ran_entry_build_typed(ran_entry *e)
{
    build_typed_size(e);
    build_typed_run(e);
}
