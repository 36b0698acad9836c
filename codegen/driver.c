/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * The entry points of a compiled model, in LLVM:
 *
 *   PREFIX.run          (symbols, inputs, outputs, workspace, parallel, weights) -> int
 *                       straight-line: for each kernel, its addresses into an array, then a call
 *   PREFIX.tasks        one kernel: all tasks here, or through the caller's parallel runner
 *   PREFIX_run          typed arguments, as the generated header declares
 *   PREFIX_workspace_size, PREFIX_desc
 *
 * Nothing here is a loop over the model: the driver of a 100-layer model is 100 calls.
 */
#include "codegen/model.h"

#include <stdlib.h>
#include <string.h>

#include <llvm-c/Linker.h>

typedef struct driver {
    ran_compiled *model;
    ran_llvm b;
    LLVMValueRef inputs, outputs, workspace, parallel, weights, status, scratch, io;
    LLVMValueRef symbol_values[RAN_SPEC_MAX];
    LLVMValueRef run, size, tasks;
    size_t kernel;
} driver;

static LLVMTypeRef i32_type(const driver *d)
{
    return LLVMInt32TypeInContext(d->b.llvm);
}

static const char *symbol_name(const driver *d, const char *suffix)
{
    return ran_intern_printf(d->b.context, "%s%s", d->model->prefix, suffix);
}

static LLVMValueRef add_function(driver *d, const char *suffix, LLVMTypeRef result,
                                 LLVMTypeRef *parameters, unsigned count, bool exported)
{
    LLVMTypeRef type = LLVMFunctionType(result, parameters, count, false);
    LLVMValueRef function = LLVMAddFunction(d->b.module, symbol_name(d, suffix), type);
    LLVMSetLinkage(function, exported ? LLVMExternalLinkage : LLVMInternalLinkage);
    ran_codegen_set_target(d->model->codegen, function);
    return function;
}

/* ---- One kernel's tasks --------------------------------------------------------------------------- */

static LLVMTypeRef task_type(const driver *d)
{
    LLVMTypeRef parameters[] = {ran_build_pointer_type(&d->b), i32_type(d),
                                ran_build_i64_type(&d->b), ran_build_i64_type(&d->b)};
    return LLVMFunctionType(LLVMVoidTypeInContext(d->b.llvm), parameters, 4, false);
}

static void call_tasks(ran_llvm *b, void *data, bool here)
{
    driver *d = data;
    LLVMValueRef parallel = LLVMGetParam(d->tasks, 0), kernel = LLVMGetParam(d->tasks, 1);
    LLVMValueRef count = LLVMGetParam(d->tasks, 2), io = LLVMGetParam(d->tasks, 3);
    if (here) {
        LLVMValueRef arguments[] = {io, LLVMConstInt(i32_type(d), 0, false), ran_build_i64(b, 0),
                                    count};
        ran_build_call_pointer(b, task_type(d), kernel, arguments, 4);
        return;
    }
    LLVMTypeRef pointer = ran_build_pointer_type(b);
    LLVMTypeRef parameters[] = {pointer, ran_build_i64_type(b), pointer, pointer};
    LLVMTypeRef type =
        LLVMFunctionType(LLVMVoidTypeInContext(b->llvm), parameters, 4, false);
    LLVMValueRef arguments[] = {parallel, count, kernel, io};
    ran_build_call_pointer(b, type, ran_build_load_word(b, pointer, parallel, 1), arguments, 4);
}

static void build_tasks(driver *d)
{
    LLVMTypeRef pointer = ran_build_pointer_type(&d->b);
    LLVMTypeRef parameters[] = {pointer, pointer, ran_build_i64_type(&d->b), pointer};
    d->tasks = add_function(d, ".tasks", LLVMVoidTypeInContext(d->b.llvm), parameters, 4, false);
    ran_build_begin(&d->b, d->tasks);
    LLVMValueRef alone = ran_build_is_null(&d->b, LLVMGetParam(d->tasks, 0));
    LLVMValueRef many = ran_build_at_least(&d->b, LLVMGetParam(d->tasks, 2), 2);
    ran_build_if(&d->b, ran_build_or(&d->b, alone, ran_build_not(&d->b, many)), call_tasks, d);
    ran_build_return(&d->b);
}

/* ---- Addresses ------------------------------------------------------------------------------------------ */

static LLVMValueRef address_of(driver *d, const ran_value *value)
{
    ran_place place = ran_memory_plan_place(d->model->plan, value);
    LLVMTypeRef pointer = ran_build_pointer_type(&d->b);
    switch (place.kind) {
    case RAN_PLACE_INPUT:
        return ran_build_load_word(&d->b, pointer, d->inputs, (int64_t)place.index);
    case RAN_PLACE_OUTPUT:
        return ran_build_load_word(&d->b, pointer, d->outputs, (int64_t)place.index);
    case RAN_PLACE_CONSTANT:
        return ran_build_offset(&d->b, d->weights, ran_build_dim(&d->b, place.offset));
    case RAN_PLACE_WORKSPACE:
        return ran_build_offset(&d->b, d->workspace, ran_build_dim(&d->b, place.offset));
    }
    RAN_BUG(d->b.context, "a place of unknown kind");
}

static void store_io(driver *d, const ran_op *op)
{
    int64_t n = 0;
    for (size_t i = 0; i < op->operand_count; i++, n++)
        if (ran_op_operand(op, i))
            ran_build_store_word(&d->b, address_of(d, ran_op_operand(op, i)), d->io, n);
    for (size_t i = 0; i < op->result_count; i++, n++)
        ran_build_store_word(&d->b, address_of(d, ran_op_result(op, i)), d->io, n);
    for (size_t i = 0; i < d->b.symbol_count; i++, n++)
        ran_build_store_word(&d->b, d->symbol_values[i], d->io, n);
    ran_build_store_word(&d->b, d->status, d->io, n++);
    ran_build_store_word(&d->b, d->scratch, d->io, n);
}

/* ---- Calls ---------------------------------------------------------------------------------------------------- */

static void call_profile(driver *d)
{
    const ran_compile_options *options = &d->model->options;
    if (!options->profile)
        return;
    LLVMTypeRef parameters[] = {ran_build_pointer_type(&d->b), ran_build_i64_type(&d->b)};
    LLVMTypeRef type =
        LLVMFunctionType(LLVMVoidTypeInContext(d->b.llvm), parameters, 2, false);
    LLVMValueRef arguments[] = {ran_build_host_pointer(&d->b, options->profile_data),
                                ran_build_i64(&d->b, (int64_t)d->kernel)};
    ran_build_call_pointer(&d->b, type, ran_build_host_pointer(&d->b, (void *)options->profile),
                           arguments, 2);
}

static LLVMValueRef declare_kernel(driver *d, const ran_kernel *kernel)
{
    LLVMValueRef function = LLVMGetNamedFunction(d->b.module, kernel->name);
    return function ? function : LLVMAddFunction(d->b.module, kernel->name, task_type(d));
}

static const ran_dim *larger(ran_context *context, const ran_dim *a, const ran_dim *b)
{
    return a && b ? ran_dim_binary(context, RAN_DIM_MAX, a, b) : a ? a : b;
}

static ran_status call_kernel(driver *d, const ran_op *op)
{
    ran_kernel *kernel = NULL;
    const char *node = ran_location_name(ran_op_location(op));
    ran_status status = ran_specialize(d->model->codegen, op, node, &kernel);
    if (status)
        return status;
    d->model->scratch = larger(d->b.context, d->model->scratch, kernel->scratch);
    d->model->kernels[d->kernel] = op;
    call_profile(d);
    d->kernel++;
    store_io(d, op);
    LLVMValueRef tasks =
        kernel->tasks ? ran_build_dim(&d->b, kernel->tasks) : ran_build_i64(&d->b, 1);
    LLVMValueRef arguments[] = {d->parallel, declare_kernel(d, kernel), tasks, d->io};
    ran_build_call(&d->b, d->tasks, arguments, 4);
    return RAN_OK;
}

static size_t widest_io(const driver *d)
{
    size_t widest = 0;
    ran_region *body = ran_function_body(d->model->function);
    for (ran_op *op = ran_region_first(body); op; op = ran_op_next(op))
        if (op->operand_count + op->result_count > widest)
            widest = op->operand_count + op->result_count;
    return widest + d->b.symbol_count + RAN_IO_EXTRA;
}

/* The weights lie anywhere in the image, also beyond 2 GiB: their distance is a 64-bit word that
 * the linker fills. */
static LLVMValueRef embedded_weights(driver *d)
{
    ran_llvm *b = &d->b;
    LLVMTypeRef bytes = LLVMArrayType2(LLVMInt8TypeInContext(b->llvm), RAN_WEIGHTS_ALIGNMENT);
    LLVMValueRef weights = LLVMAddGlobal(b->module, bytes, symbol_name(d, "_weights"));
    LLVMSetInitializer(weights, LLVMConstNull(bytes));
    LLVMSetSection(weights, RAN_WEIGHTS_SECTION);
    LLVMSetAlignment(weights, RAN_WEIGHTS_ALIGNMENT);
    LLVMValueRef distance =
        LLVMAddGlobal(b->module, ran_build_i64_type(b), symbol_name(d, "_weights_distance"));
    LLVMTypeRef i64 = ran_build_i64_type(b);
    LLVMSetInitializer(distance, LLVMConstSub(LLVMConstPtrToInt(weights, i64),
                                              LLVMConstPtrToInt(distance, i64)));
    LLVMValueRef globals[] = {weights, distance};
    for (size_t i = 0; i < 2; i++) {
        LLVMSetGlobalConstant(globals[i], true);
        LLVMSetLinkage(globals[i], LLVMInternalLinkage);
    }
    return ran_build_offset(b, distance, ran_build_load_volatile(b, i64, distance));
}

static void begin_run(driver *d)
{
    LLVMTypeRef pointer = ran_build_pointer_type(&d->b);
    LLVMTypeRef parameters[] = {pointer, pointer, pointer, pointer, pointer, pointer};
    d->run = add_function(d, ".run", i32_type(d), parameters, 6, false);
    ran_build_begin(&d->b, d->run);
    for (size_t i = 0; i < d->b.symbol_count; i++)
        d->symbol_values[i] = ran_build_load_word(&d->b, ran_build_i64_type(&d->b),
                                                  LLVMGetParam(d->run, 0), (int64_t)i);
    d->inputs = LLVMGetParam(d->run, 1);
    d->outputs = LLVMGetParam(d->run, 2);
    d->workspace = ran_build_align_pointer(&d->b, LLVMGetParam(d->run, 3), 64);
    d->parallel = LLVMGetParam(d->run, 4);
    d->weights =
        d->model->weights_embedded ? embedded_weights(d) : LLVMGetParam(d->run, 5);
    d->scratch = ran_build_offset(
        &d->b, d->workspace, ran_build_dim(&d->b, ran_memory_plan_workspace(d->model->plan)));
    d->status = ran_build_alloca(&d->b, ran_build_i64_type(&d->b), "status");
    ran_build_store_word(&d->b, ran_build_i64(&d->b, 0), d->status, 0);
    d->io = ran_build_alloca(&d->b, LLVMArrayType2(pointer, widest_io(d)), "io");
}

static ran_status build_run(driver *d)
{
    begin_run(d);
    ran_status status = RAN_OK;
    ran_region *body = ran_function_body(d->model->function);
    for (ran_op *op = ran_region_first(body); op; op = ran_op_next(op)) {
        ran_status one = op->opcode == RAN_OP_KERNEL ? call_kernel(d, op) : RAN_OK;
        status = status ? status : one;
    }
    call_profile(d);
    d->model->kernel_count = d->kernel;
    ran_build_return_i32(&d->b, ran_build_load_word(&d->b, i32_type(d), d->status, 0));
    return status;
}

/* ---- Workspace size --------------------------------------------------------------------------------------------- */

static LLVMValueRef total_size(driver *d, LLVMValueRef slots)
{
    ran_llvm *b = &d->b;
    LLVMValueRef size = ran_build_dim(b, ran_memory_plan_workspace(d->model->plan));
    if (d->model->scratch)
        size = ran_build_add(b, size,
                             ran_build_mul(b, ran_build_zext(b, slots),
                                           ran_build_dim(b, d->model->scratch)));
    return ran_build_add(b, size, ran_build_i64(b, 63));
}

static void build_size(driver *d)
{
    LLVMTypeRef parameters[] = {ran_build_pointer_type(&d->b), i32_type(d)};
    d->size = add_function(d, ".workspace_size", ran_build_i64_type(&d->b), parameters, 2, false);
    ran_build_begin(&d->b, d->size);
    for (size_t i = 0; i < d->b.symbol_count; i++)
        d->symbol_values[i] = ran_build_load_word(&d->b, ran_build_i64_type(&d->b),
                                                  LLVMGetParam(d->size, 0), (int64_t)i);
    ran_build_return_value(&d->b, total_size(d, LLVMGetParam(d->size, 1)));
}

static void build_typed_size(driver *d)
{
    LLVMTypeRef parameters[RAN_SPEC_MAX + 1];
    unsigned n = 0;
    for (; n < d->b.symbol_count; n++)
        parameters[n] = ran_build_i64_type(&d->b);
    parameters[n++] = i32_type(d);
    LLVMValueRef function = add_function(d, "_workspace_size", ran_build_i64_type(&d->b),
                                         parameters, n, true);
    ran_build_begin(&d->b, function);
    for (unsigned i = 0; i + 1 < n; i++)
        d->symbol_values[i] = LLVMGetParam(function, i);
    ran_build_return_value(&d->b, total_size(d, LLVMGetParam(function, n - 1)));
}

/* ---- Typed run -------------------------------------------------------------------------------------------------------- */

static LLVMValueRef array_of_parameters(driver *d, LLVMValueRef function, unsigned *next,
                                        size_t count)
{
    LLVMValueRef array = ran_build_alloca(
        &d->b, LLVMArrayType2(ran_build_i64_type(&d->b), count ? count : 1), "");
    for (size_t i = 0; i < count; i++)
        ran_build_store_word(&d->b, LLVMGetParam(function, (*next)++), array, (int64_t)i);
    return array;
}

static void build_typed_run(driver *d)
{
    size_t inputs = ran_region_argument_count(ran_function_body(d->model->function));
    size_t outputs =
        ran_region_terminator(ran_function_body(d->model->function))->operand_count;
    size_t count = d->b.symbol_count + inputs + outputs + 3;
    LLVMTypeRef *parameters = malloc(count * sizeof(*parameters));
    unsigned n = 0, next = 0;
    while (n < d->b.symbol_count)
        parameters[n++] = ran_build_i64_type(&d->b);
    while (n < count)
        parameters[n++] = ran_build_pointer_type(&d->b);
    if (d->model->weights_embedded)
        n--;
    LLVMValueRef function = add_function(d, "_run", i32_type(d), parameters, n, true);
    free(parameters);
    ran_build_begin(&d->b, function);
    LLVMValueRef arguments[6];
    arguments[0] = array_of_parameters(d, function, &next, d->b.symbol_count);
    arguments[1] = array_of_parameters(d, function, &next, inputs);
    arguments[2] = array_of_parameters(d, function, &next, outputs);
    arguments[3] = LLVMGetParam(function, next++);
    arguments[4] = LLVMGetParam(function, next++);
    arguments[5] = d->model->weights_embedded ? LLVMConstNull(ran_build_pointer_type(&d->b))
                                              : LLVMGetParam(function, next);
    ran_build_return_i32(&d->b, ran_build_call(&d->b, d->run, arguments, 6));
}

/* ---- Shapes of the outputs -------------------------------------------------------------------------- */

static LLVMValueRef build_shapes(driver *d)
{
    LLVMTypeRef parameters[] = {ran_build_pointer_type(&d->b), ran_build_pointer_type(&d->b)};
    LLVMValueRef function = add_function(d, ".output_shapes", LLVMVoidTypeInContext(d->b.llvm),
                                         parameters, 2, false);
    ran_build_begin(&d->b, function);
    for (size_t i = 0; i < d->b.symbol_count; i++)
        d->symbol_values[i] = ran_build_load_word(&d->b, ran_build_i64_type(&d->b),
                                                  LLVMGetParam(function, 0), (int64_t)i);
    const ran_op *ret = ran_region_terminator(ran_function_body(d->model->function));
    int64_t next = 0;
    for (size_t i = 0; i < ret->operand_count; i++) {
        const ran_type *type = ran_value_type(ran_op_operand(ret, i));
        for (int axis = 0; axis < ran_type_rank(type); axis++)
            ran_build_store_word(&d->b, ran_build_dim(&d->b, ran_type_dim(type, axis)),
                                 LLVMGetParam(function, 1), next++);
    }
    ran_build_return(&d->b);
    return function;
}

/* ---- Description -------------------------------------------------------------------------------------------------------- */

static LLVMValueRef constant_global(driver *d, LLVMValueRef initializer)
{
    LLVMValueRef global = LLVMAddGlobal(d->b.module, LLVMTypeOf(initializer), "");
    LLVMSetInitializer(global, initializer);
    LLVMSetGlobalConstant(global, true);
    LLVMSetLinkage(global, LLVMPrivateLinkage);
    return global;
}

static LLVMValueRef string_global(driver *d, const char *string)
{
    return constant_global(
        d, LLVMConstStringInContext2(d->b.llvm, string, strlen(string), false));
}

static int64_t described_dim(const driver *d, const ran_dim *dim)
{
    if (ran_dim_is_constant(dim))
        return ran_dim_value(dim);
    for (size_t i = 0; i < d->b.symbol_count; i++)
        if (d->b.symbols[i] == dim)
            return -1 - (int64_t)i;
    return INT64_MIN;
}

static LLVMValueRef dims_global(driver *d, const ran_type *type)
{
    LLVMValueRef dims[RAN_MAX_RANK];
    int rank = ran_type_rank(type);
    for (int i = 0; i < rank; i++)
        dims[i] = ran_build_i64(&d->b, described_dim(d, ran_type_dim(type, i)));
    return constant_global(d, LLVMConstArray2(ran_build_i64_type(&d->b), dims, (uint64_t)rank));
}

static LLVMValueRef describe_value(driver *d, const char *name, const ran_type *type)
{
    LLVMValueRef fields[] = {
        string_global(d, name),
        LLVMConstInt(i32_type(d), (unsigned)ran_elem_onnx(ran_type_elem(type)), false),
        LLVMConstInt(i32_type(d), (unsigned)ran_type_rank(type), false),
        dims_global(d, type),
    };
    return LLVMConstStructInContext(d->b.llvm, fields, 4, false);
}

static LLVMValueRef describe_values(driver *d, bool outputs)
{
    const ran_function *function = d->model->function;
    ran_region *body = ran_function_body(function);
    ran_op *ret = ran_region_terminator(body);
    size_t count = outputs ? ret->operand_count : ran_region_argument_count(body);
    LLVMValueRef *values = malloc((count + 1) * sizeof(*values));
    for (size_t i = 0; i < count; i++) {
        const ran_value *value =
            outputs ? ran_op_operand(ret, i) : ran_region_argument(body, i);
        const char *name =
            outputs ? ran_function_output_name(function, i) : ran_value_name(value);
        values[i] = describe_value(d, name ? name : "", ran_value_type(value));
    }
    LLVMTypeRef pointer = ran_build_pointer_type(&d->b);
    LLVMTypeRef fields[] = {pointer, i32_type(d), i32_type(d), pointer};
    LLVMTypeRef type = LLVMStructTypeInContext(d->b.llvm, fields, 4, false);
    LLVMValueRef array = LLVMConstArray2(type, values, count);
    free(values);
    return constant_global(d, array);
}

static LLVMValueRef symbol_names(driver *d)
{
    LLVMValueRef names[RAN_SPEC_MAX];
    for (size_t i = 0; i < d->b.symbol_count; i++)
        names[i] = string_global(d, ran_dim_name(d->b.symbols[i]));
    return constant_global(
        d, LLVMConstArray2(ran_build_pointer_type(&d->b), names, d->b.symbol_count));
}

static void build_desc(driver *d)
{
    ran_region *body = ran_function_body(d->model->function);
    uint64_t weights_size =
        d->model->weights_embedded ? 0 : ran_memory_plan_weights_size(d->model->plan);
    LLVMValueRef counts[] = {
        LLVMConstInt(i32_type(d), RAN_ABI_VERSION, false),
        LLVMConstInt(i32_type(d), d->b.symbol_count, false),
        LLVMConstInt(i32_type(d), ran_region_argument_count(body), false),
        LLVMConstInt(i32_type(d), ran_region_terminator(body)->operand_count, false),
    };
    LLVMValueRef fields[] = {counts[0], counts[1], counts[2], counts[3],
                             string_global(d, d->model->prefix),
                             string_global(d, d->model->codegen->target.name),
                             symbol_names(d), describe_values(d, false), describe_values(d, true),
                             d->size, d->run, build_shapes(d),
                             ran_build_i64(&d->b, (int64_t)weights_size)};
    LLVMValueRef desc =
        constant_global(d, LLVMConstStructInContext(d->b.llvm, fields, 13, false));
    LLVMValueRef function =
        add_function(d, "_desc", ran_build_pointer_type(&d->b), NULL, 0, true);
    ran_build_begin(&d->b, function);
    ran_build_return_value(&d->b, desc);
}

/* ---- All ------------------------------------------------------------------------------------------------------------------- */

static ran_status link_kernels(ran_compiled *model)
{
    for (ran_kernel *kernel = model->codegen->kernels; kernel; kernel = kernel->next) {
        if (!kernel->module)
            continue;
        LLVMModuleRef module = kernel->module;
        kernel->module = NULL;
        if (LLVMLinkModules2(model->llvm, module))
            RAN_BUG(model->context, "kernel %s does not link", kernel->name);
        LLVMSetLinkage(LLVMGetNamedFunction(model->llvm, kernel->name), LLVMInternalLinkage);
    }
    return RAN_OK;
}

static void set_module_flag(ran_compiled *model, const char *name, unsigned value)
{
    LLVMTypeRef i32 = LLVMInt32TypeInContext(model->codegen->llvm);
    LLVMAddModuleFlag(model->llvm, LLVMModuleFlagBehaviorOverride, name, strlen(name),
                      LLVMValueAsMetadata(LLVMConstInt(i32, value, false)));
}

static void create_module(ran_compiled *model)
{
    LLVMTargetDataRef layout = LLVMCreateTargetDataLayout(model->codegen->machine);
    model->llvm = LLVMModuleCreateWithNameInContext(model->prefix, model->codegen->llvm);
    LLVMSetTarget(model->llvm, model->codegen->target.triple);
    LLVMSetModuleDataLayout(model->llvm, layout);
    LLVMDisposeTargetData(layout);
    set_module_flag(model, "PIC Level", 2);
    set_module_flag(model, "uwtable", 1);
}

ran_status ran_driver_build(ran_compiled *model)
{
    ran_codegen *codegen = model->codegen;
    create_module(model);
    driver d = {.model = model,
                .b = {.context = model->context,
                      .target = &codegen->target,
                      .llvm = codegen->llvm,
                      .module = model->llvm,
                      .builder = LLVMCreateBuilderInContext(codegen->llvm),
                      .symbols = codegen->symbols,
                      .symbol_count = codegen->symbol_count}};
    d.b.symbol_values = d.symbol_values;
    build_tasks(&d);
    ran_status status = build_run(&d);
    if (!status) {
        build_size(&d);
        build_typed_size(&d);
        build_typed_run(&d);
        build_desc(&d);
        status = link_kernels(model);
    }
    LLVMDisposeBuilder(d.b.builder);
    return status;
}
