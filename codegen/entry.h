/* SPDX-License-Identifier: GPL-3.0-or-later */
/* What the builders of a model's entry points share (entry.c, entry_typed.c, entry_describe.c). */
#ifndef CODEGEN_ENTRY_H
#define CODEGEN_ENTRY_H

#include "codegen/model.h"

/* Of PREFIX.run: symbols, inputs, outputs, sizes, workspace, parallel, weights. */
enum { RAN_RUN_PARAMETERS = 7, RAN_RUN_WEIGHTS = 6 };

typedef struct ran_entry {
    ran_compiled *model;
    ran_llvm b;
    LLVMValueRef symbol_values[RAN_SPEC_MAX];
    LLVMValueRef run, size, variant, unmet;
    LLVMValueRef cpu_features; /* NULL: every CPU of the architecture will do */
} ran_entry;

static inline size_t ran_entry_input_count(const ran_entry *e)
{
    return ran_region_argument_count(ran_function_body(e->model->function));
}

static inline const ran_op *ran_entry_return(const ran_entry *e)
{
    return ran_region_terminator(ran_function_body(e->model->function));
}

LLVMTypeRef ran_entry_i32_type(const ran_entry *e);
LLVMValueRef ran_entry_i32(const ran_entry *e, int64_t value);
/* The function PREFIX + suffix, for any CPU of the architecture. */
LLVMValueRef ran_entry_function(ran_entry *e, const char *suffix, LLVMTypeRef result,
                                LLVMTypeRef *parameters, unsigned count, bool exported);
LLVMValueRef ran_entry_constant(ran_entry *e, LLVMValueRef initializer);
LLVMValueRef ran_entry_string(ran_entry *e, const char *string);
/* Sets symbol_values from an array of i64. */
void ran_entry_load_symbols(ran_entry *e, LLVMValueRef array);
/* Whether a dimension follows from the arguments alone, not from data. */
bool ran_entry_knows(const ran_entry *e, const ran_dim *dim);

void ran_entry_build_typed(ran_entry *e);
void ran_entry_build_desc(ran_entry *e);

#endif
