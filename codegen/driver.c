/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * A model's code for one target, in LLVM; entry.c chooses among targets and offers it to callers.
 *
 *   PREFIX.run.TARGET   (symbols, inputs, outputs, sizes, workspace, parallel, weights) -> int
 *                       straight-line: for each kernel, its addresses into an array, then a call
 *   PREFIX.tasks.TARGET one kernel: all tasks here, or through the caller's parallel runner
 *   PREFIX.workspace_size.TARGET  (symbols, slots) -> bytes
 *
 *   PREFIX.FUNCTION.run.TARGET  the same for a function that control flow calls (driver_control.c):
 *                       the model's workspace, inputs and outputs of the function's own
 *
 * Nothing here is a loop over the model: the driver of a 100-layer model is 100 calls.
 */
#include "codegen/driver.h"

#include <stdlib.h>
#include <string.h>

#include <llvm-c/Linker.h>

static LLVMTypeRef i32_type(const driver *d)
{
    return LLVMInt32TypeInContext(d->b.llvm);
}

const char *ran_variant_symbol(const ran_compiled *model, const char *suffix)
{
    return ran_intern_printf(model->context, "%s%s.%s", model->prefix, suffix,
                             model->codegen->target.name);
}

/* External until entry.c has brought the targets' modules together. */
static LLVMValueRef add_function(driver *d, const char *suffix, LLVMTypeRef result,
                                 LLVMTypeRef *parameters, unsigned count)
{
    LLVMTypeRef type = LLVMFunctionType(result, parameters, count, false);
    LLVMValueRef function =
        LLVMAddFunction(d->b.module, ran_variant_symbol(d->model, suffix), type);
    ran_codegen_set_target(d->model->codegen, function);
    return function;
}

static const char *run_suffix(const driver *d, const ran_part *part)
{
    return part == d->model->parts
               ? ".run"
               : ran_intern_printf(d->b.context, ".%s.run", ran_function_name(part->function));
}

LLVMValueRef ran_driver_run(const driver *d, const ran_part *part)
{
    return LLVMGetNamedFunction(d->b.module, ran_variant_symbol(d->model, run_suffix(d, part)));
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
    d->tasks = add_function(d, ".tasks", LLVMVoidTypeInContext(d->b.llvm), parameters, 4);
    LLVMSetLinkage(d->tasks, LLVMInternalLinkage);
    ran_build_begin(&d->b, d->tasks);
    LLVMValueRef alone = ran_build_is_null(&d->b, LLVMGetParam(d->tasks, 0));
    LLVMValueRef many = ran_build_at_least(&d->b, LLVMGetParam(d->tasks, 2), 2);
    ran_build_if(&d->b, ran_build_or(&d->b, alone, ran_build_not(&d->b, many)), call_tasks, d);
    ran_build_return(&d->b);
}

/* ---- Addresses ------------------------------------------------------------------------------------------ */

LLVMValueRef ran_driver_address(driver *d, const ran_value *value)
{
    ran_place place = ran_memory_plan_place(d->part->plan, value);
    LLVMTypeRef pointer = ran_build_pointer_type(&d->b);
    switch (place.kind) {
    case RAN_PLACE_INPUT:
        return ran_build_load_word(&d->b, pointer, d->inputs, (int64_t)place.index);
    case RAN_PLACE_OUTPUT:
        return ran_build_load_word(&d->b, pointer, d->outputs, (int64_t)place.index);
    case RAN_PLACE_CONSTANT:
        return ran_build_offset(&d->b, d->weights, ran_build_dim(&d->b, place.offset));
    case RAN_PLACE_WORKSPACE:
        return ran_build_offset(
            &d->b, d->workspace,
            ran_build_dim(
                &d->b, ran_dim_binary(d->b.context, RAN_DIM_ADD, d->part->offset, place.offset)));
    }
    RAN_BUG(d->b.context, "a place of unknown kind");
}

static void store_io(driver *d, const ran_op *op)
{
    int64_t n = 0;
    for (size_t i = 0; i < op->operand_count; i++, n++)
        if (ran_op_operand(op, i))
            ran_build_store_word(&d->b, ran_driver_address(d, ran_op_operand(op, i)), d->io, n);
    for (size_t i = 0; i < op->result_count; i++, n++)
        ran_build_store_word(&d->b, ran_driver_address(d, ran_op_result(op, i)), d->io, n);
    for (size_t i = 0; i < d->b.symbol_count; i++, n++)
        ran_build_store_word(&d->b, d->symbol_values[i], d->io, n);
    ran_build_store_word(&d->b, d->status, d->io, n++);
    ran_build_store_word(&d->b, d->scratch, d->io, n);
}

/* ---- Calls ---------------------------------------------------------------------------------------------------- */

static void call_profile(driver *d)
{
    const ran_compile_options *options = &d->model->options;
    if (!options->profile || d->part != d->model->parts)
        return;
    LLVMTypeRef parameters[] = {ran_build_pointer_type(&d->b), ran_build_i64_type(&d->b)};
    LLVMTypeRef type =
        LLVMFunctionType(LLVMVoidTypeInContext(d->b.llvm), parameters, 2, false);
    LLVMValueRef arguments[] = {ran_build_host_pointer(&d->b, options->profile_data),
                                ran_build_i64(&d->b, (int64_t)d->kernel)};
    ran_build_call_pointer(&d->b, type, ran_build_host_pointer(&d->b, (void *)options->profile),
                           arguments, 2);
}

/* all_reduce's kernel has made a copy; the context knows how to sum it in place. */
static void call_all_reduce(driver *d, const ran_op *kernel)
{
    void *data;
    ran_all_reduce *sum = ran_context_all_reduce(d->b.context, &data);
    if (!ran_op_is(ran_kernel_anchor(kernel), RAN_OP_ALL_REDUCE) || !sum)
        return;
    const ran_value *y = ran_op_result(kernel, 0);
    LLVMTypeRef pointer = ran_build_pointer_type(&d->b);
    LLVMTypeRef parameters[] = {pointer, pointer, ran_build_i64_type(&d->b)};
    LLVMTypeRef type = LLVMFunctionType(LLVMVoidTypeInContext(d->b.llvm), parameters, 3, false);
    LLVMValueRef arguments[] = {ran_build_host_pointer(&d->b, data), ran_driver_address(d, y),
                                ran_build_i64(&d->b, ran_type_numel(ran_value_type(y)))};
    ran_build_call_pointer(&d->b, type, ran_build_host_pointer(&d->b, (void *)sum), arguments, 3);
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

/* Numbers the kernels of the model's own function, for profiles. */
static void begin_kernel(driver *d, const ran_op *op)
{
    call_profile(d);
    if (d->part == d->model->parts)
        d->model->kernels[d->kernel++] = op;
}

static ran_status call_kernel(driver *d, const ran_op *op)
{
    ran_kernel *kernel = NULL;
    const char *node = ran_location_name(ran_op_location(op));
    ran_status status = ran_specialize(d->model->codegen, op, node, &kernel);
    if (status)
        return status;
    d->model->scratch = larger(d->b.context, d->model->scratch, kernel->scratch);
    begin_kernel(d, op);
    store_io(d, op);
    LLVMValueRef tasks =
        kernel->tasks ? ran_build_dim(&d->b, kernel->tasks) : ran_build_i64(&d->b, 1);
    LLVMValueRef arguments[] = {d->parallel, declare_kernel(d, kernel), tasks, d->io};
    ran_build_call(&d->b, d->tasks, arguments, 4);
    call_all_reduce(d, op);
    ran_driver_take_sizes(d, op);
    return RAN_OK;
}

static size_t widest_io(const driver *d)
{
    size_t widest = 0;
    ran_region *body = ran_function_body(d->part->function);
    for (ran_op *op = ran_region_first(body); op; op = ran_op_next(op))
        if (op->operand_count + op->result_count > widest)
            widest = op->operand_count + op->result_count;
    return widest + d->b.symbol_count + RAN_IO_EXTRA;
}

static void declare_run(driver *d, const ran_part *part)
{
    LLVMTypeRef pointer = ran_build_pointer_type(&d->b);
    LLVMTypeRef parameters[RAN_RUN_PARAMETERS];
    for (size_t i = 0; i < RAN_RUN_PARAMETERS; i++)
        parameters[i] = pointer;
    LLVMValueRef run =
        add_function(d, run_suffix(d, part), i32_type(d), parameters, RAN_RUN_PARAMETERS);
    if (part != d->model->parts)
        LLVMSetLinkage(run, LLVMInternalLinkage);
}

static void begin_status(driver *d)
{
    size_t words = 1 + d->symbols->count - d->symbols->argument_count;
    d->status = ran_build_alloca(&d->b, LLVMArrayType2(ran_build_i64_type(&d->b), words), "status");
    for (size_t i = 0; i < words; i++)
        ran_build_store_word(&d->b, ran_build_i64(&d->b, 0), d->status, (int64_t)i);
}

/* What the arguments decide was tested when the model was entered (entry.c). A function that control
 * flow calls has its conditions before it. */
static void begin_sizes(driver *d)
{
    bool outermost = ran_driver_is_outermost(d);
    size_t known = outermost ? d->symbols->argument_count : d->symbols->count;
    ran_driver_load_symbols(d, LLVMGetParam(d->run, 0), known);
    d->known = outermost ? known : 0;
    if (outermost)
        ran_driver_require_sizes(d);
    else
        ran_driver_check_conditions(d, known);
}

static void begin_run(driver *d)
{
    LLVMTypeRef pointer = ran_build_pointer_type(&d->b);
    d->run = ran_driver_run(d, d->part);
    ran_build_begin(&d->b, d->run);
    d->inputs = LLVMGetParam(d->run, 1);
    d->outputs = LLVMGetParam(d->run, 2);
    d->sizes = LLVMGetParam(d->run, 3);
    d->workspace = ran_build_align_pointer(&d->b, LLVMGetParam(d->run, 4), 64);
    d->parallel = LLVMGetParam(d->run, 5);
    d->weights = LLVMGetParam(d->run, 6);
    begin_sizes(d);
    d->scratch = ran_build_offset(&d->b, d->workspace,
                                  ran_build_dim(&d->b, ran_parts_workspace(d->model->parts)));
    begin_status(d);
    d->io = ran_build_alloca(&d->b, LLVMArrayType2(pointer, widest_io(d)), "io");
}

static ran_status run_kernel(driver *d, const ran_op *op)
{
    if (!ran_kernel_is_control(op))
        return call_kernel(d, op);
    begin_kernel(d, op);
    ran_driver_build_control(d, op);
    return RAN_OK;
}

static ran_status build_run(driver *d, const ran_part *part)
{
    d->part = part;
    begin_run(d);
    ran_status status = RAN_OK;
    ran_region *body = ran_function_body(part->function);
    for (ran_op *op = ran_region_first(body); op; op = ran_op_next(op)) {
        bool idle = op->opcode != RAN_OP_KERNEL || ran_memory_plan_is_done(part->plan, op);
        ran_status one = idle ? RAN_OK : run_kernel(d, op);
        status = status ? status : one;
    }
    call_profile(d);
    if (ran_driver_is_outermost(d))
        ran_driver_deliver_outputs(d);
    ran_build_return_i32(&d->b, ran_build_load_word(&d->b, i32_type(d), d->status, 0));
    return status;
}

static ran_status build_runs(driver *d)
{
    ran_status status = RAN_OK;
    for (const ran_part *part = d->model->parts; part; part = part->next)
        declare_run(d, part);
    for (const ran_part *part = d->model->parts; part; part = part->next) {
        ran_status one = build_run(d, part);
        status = status ? status : one;
    }
    d->model->kernel_count = d->kernel;
    return status;
}

/* ---- Workspace size --------------------------------------------------------------------------------------------- */

static LLVMValueRef total_size(driver *d, LLVMValueRef slots)
{
    ran_llvm *b = &d->b;
    LLVMValueRef size = ran_build_dim(b, ran_parts_workspace(d->model->parts));
    if (d->model->scratch) {
        const ran_dim *most = ran_symbols_most(b->context, d->symbols, d->model->scratch);
        size = ran_build_add(b, size,
                             ran_build_mul(b, ran_build_zext(b, slots), ran_build_dim(b, most)));
    }
    return ran_build_add(b, size, ran_build_i64(b, 63));
}

static void build_size(driver *d)
{
    LLVMTypeRef parameters[] = {ran_build_pointer_type(&d->b), i32_type(d)};
    LLVMValueRef size =
        add_function(d, ".workspace_size", ran_build_i64_type(&d->b), parameters, 2);
    ran_build_begin(&d->b, size);
    ran_driver_load_symbols(d, LLVMGetParam(size, 0), d->symbols->argument_count);
    ran_build_return_value(&d->b, total_size(d, LLVMGetParam(size, 1)));
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
                .symbols = &codegen->symbols,
                .b = {.context = model->context,
                      .target = &codegen->target,
                      .llvm = codegen->llvm,
                      .module = model->llvm,
                      .builder = LLVMCreateBuilderInContext(codegen->llvm),
                      .symbols = codegen->symbols.items,
                      .symbol_count = codegen->symbols.count}};
    d.b.symbol_values = d.symbol_values;
    build_tasks(&d);
    ran_status status = build_runs(&d);
    if (!status) {
        build_size(&d);
        status = link_kernels(model);
    }
    LLVMDisposeBuilder(d.b.builder);
    return status;
}
