/* SPDX-License-Identifier: GPL-3.0-or-later */
/* PREFIX_desc: names, types, shapes, targets and functions, by which libran_rt uses any model. */
#include "codegen/entry.h"

#include <stdlib.h>

#include "codegen/cpu/cpu.h"

/* ---- Shapes of the outputs ----------------------------------------------------------- */

static const ran_dim *most_of(const ran_entry *e, const ran_dim *dim)
{
    return ran_symbols_most(e->b.context, &e->model->codegen->symbols, dim);
}

static LLVMValueRef build_shapes(ran_entry *e)
{
    LLVMTypeRef parameters[] = {ran_build_pointer_type(&e->b), ran_build_pointer_type(&e->b)};
    LLVMValueRef function = ran_entry_function(
        e, ".output_shapes", LLVMVoidTypeInContext(e->b.llvm), parameters, 2, false);
    ran_build_begin(&e->b, function);
    ran_entry_load_symbols(e, LLVMGetParam(function, 0));
    const ran_op *ret = ran_region_terminator(ran_function_body(e->model->function));
    int64_t next = 0;
    for (size_t i = 0; i < ret->operand_count; i++) {
        const ran_type *type = ran_value_type(ran_op_operand(ret, i));
        for (int axis = 0; axis < ran_type_rank(type); axis++)
            ran_build_store_word(&e->b, ran_build_dim(&e->b, most_of(e, ran_type_dim(type, axis))),
                                 LLVMGetParam(function, 1), next++);
    }
    ran_build_return(&e->b);
    return function;
}

/* ---- Description --------------------------------------------------------------------- */

static int64_t described_dim(const ran_entry *e, const ran_dim *dim)
{
    if (ran_dim_is_constant(dim))
        return ran_dim_value(dim);
    for (size_t i = 0; i < e->b.symbol_count; i++)
        if (e->b.symbols[i] == dim)
            return -1 - (int64_t)i;
    return ran_entry_knows(e, dim) ? RAN_DIM_EXPRESSION : RAN_DIM_DATA;
}

static LLVMValueRef dims_global(ran_entry *e, const ran_type *type)
{
    LLVMValueRef dims[RAN_MAX_RANK];
    int rank = ran_type_rank(type);
    for (int i = 0; i < rank; i++)
        dims[i] = ran_build_i64(&e->b, described_dim(e, ran_type_dim(type, i)));
    return ran_entry_constant(e, LLVMConstArray2(ran_build_i64_type(&e->b), dims, (uint64_t)rank));
}

static LLVMValueRef describe_value(ran_entry *e, const char *name, const ran_type *type)
{
    LLVMValueRef fields[] = {
        ran_entry_string(e, name),
        LLVMConstInt(ran_entry_i32_type(e), (unsigned)ran_elem_onnx(ran_type_elem(type)), false),
        LLVMConstInt(ran_entry_i32_type(e), (unsigned)ran_type_rank(type), false),
        dims_global(e, type),
    };
    return LLVMConstStructInContext(e->b.llvm, fields, 4, false);
}

static LLVMValueRef describe_values(ran_entry *e, bool outputs)
{
    const ran_function *function = e->model->function;
    ran_region *body = ran_function_body(function);
    ran_op *ret = ran_region_terminator(body);
    size_t count = outputs ? ret->operand_count : ran_region_argument_count(body);
    LLVMValueRef *values = malloc((count + 1) * sizeof(*values));
    for (size_t i = 0; i < count; i++) {
        const ran_value *value = outputs ? ran_op_operand(ret, i) : ran_region_argument(body, i);
        const char *name = outputs ? ran_function_output_name(function, i) : ran_value_name(value);
        values[i] = describe_value(e, name ? name : "", ran_value_type(value));
    }
    LLVMTypeRef pointer = ran_build_pointer_type(&e->b);
    LLVMTypeRef fields[] = {pointer, ran_entry_i32_type(e), ran_entry_i32_type(e), pointer};
    LLVMTypeRef type = LLVMStructTypeInContext(e->b.llvm, fields, 4, false);
    LLVMValueRef array = LLVMConstArray2(type, values, count);
    free(values);
    return ran_entry_constant(e, array);
}

static LLVMValueRef symbol_names(ran_entry *e)
{
    LLVMValueRef names[RAN_SPEC_MAX];
    for (size_t i = 0; i < e->b.symbol_count; i++)
        names[i] = ran_entry_string(e, ran_dim_name(e->b.symbols[i]));
    return ran_entry_constant(
        e, LLVMConstArray2(ran_build_pointer_type(&e->b), names, e->b.symbol_count));
}

/* Targets and what each needs, in the order in which they are tried. */
static LLVMValueRef describe_variants(ran_entry *e, uint32_t *out_count)
{
    enum { MOST = 64 };
    LLVMValueRef rows[MOST];
    LLVMTypeRef pointer = ran_build_pointer_type(&e->b);
    LLVMTypeRef types[] = {pointer, pointer};
    LLVMTypeRef type = LLVMStructTypeInContext(e->b.llvm, types, 2, false);
    *out_count = 0;
    for (const ran_compiled *v = e->model; v && *out_count < MOST; v = v->next_variant) {
        const ran_target *target = &v->codegen->target;
        LLVMValueRef fields[] = {
            ran_entry_string(e, target->name),
            ran_entry_string(e,
                             ran_cpu_feature_names(e->b.context, target->arch, v->cpu_features))};
        rows[(*out_count)++] = LLVMConstStructInContext(e->b.llvm, fields, 2, false);
    }
    return ran_entry_constant(e, LLVMConstArray2(type, rows, *out_count));
}

void ran_entry_build_desc(ran_entry *e)
{
    uint32_t variant_count;
    uint64_t weights_size =
        e->model->weights_embedded ? 0 : ran_memory_plan_weights_size(e->model->plan);
    LLVMValueRef variants = describe_variants(e, &variant_count);
    LLVMValueRef fields[] = {ran_entry_i32(e, RAN_ABI_VERSION),
                             ran_entry_i32(e, (int64_t)e->b.symbol_count),
                             ran_entry_i32(e, (int64_t)ran_entry_input_count(e)),
                             ran_entry_i32(e, (int64_t)ran_entry_return(e)->operand_count),
                             ran_entry_string(e, e->model->prefix),
                             ran_entry_string(e, e->model->targets),
                             symbol_names(e),
                             describe_values(e, false),
                             describe_values(e, true),
                             e->size,
                             e->run,
                             build_shapes(e),
                             ran_build_i64(&e->b, (int64_t)weights_size),
                             ran_entry_i32(e, variant_count),
                             variants,
                             e->variant,
                             e->unmet};
    unsigned count = sizeof(fields) / sizeof(*fields);
    LLVMValueRef desc =
        ran_entry_constant(e, LLVMConstStructInContext(e->b.llvm, fields, count, false));
    LLVMValueRef function =
        ran_entry_function(e, "_desc", ran_build_pointer_type(&e->b), NULL, 0, true);
    ran_build_begin(&e->b, function);
    ran_build_return_value(&e->b, desc);
}
