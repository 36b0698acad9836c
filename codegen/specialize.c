/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * From a kernel op to an optimised LLVM module with one function: the family's body in bitcode, the
 * words of its spec as constants, the hooks of the fused region, target attributes on every
 * function, then LLVM's passes. Ops with the same text share one kernel.
 */
#include "codegen/generate.h"

#include <stdlib.h>
#include <string.h>

#include <llvm-c/BitReader.h>
#include <llvm-c/BitWriter.h>
#include <llvm-c/Linker.h>
#include <llvm-c/Target.h>
#include <llvm-c/Transforms/PassBuilder.h>

#include "codegen/bitcode.h"

int64_t ran_io_symbols(const ran_op *kernel)
{
    return (int64_t)(kernel->operand_count + kernel->result_count);
}

int64_t ran_io_status(const ran_codegen *codegen, const ran_op *kernel)
{
    return ran_io_symbols(kernel) + (int64_t)codegen->symbols.count;
}

int64_t ran_io_scratch(const ran_codegen *codegen, const ran_op *kernel)
{
    return ran_io_status(codegen, kernel) + 1;
}

/* ---- Bodies -------------------------------------------------------------------------- */

static const struct ran_bitcode_file *find_bitcode(const char *name, const char *flavour)
{
    for (const struct ran_bitcode_file *file = ran_bitcode_files; file->name; file++)
        if (!strcmp(file->name, name) && !strcmp(file->flavour, flavour))
            return file;
    return NULL;
}

static LLVMModuleRef load_body(ran_codegen *codegen, const char *name, bool lazy)
{
    const struct ran_bitcode_file *file = find_bitcode(name, codegen->target.flavour);
    LLVMModuleRef module = NULL;
    if (!file)
        RAN_BUG(codegen->context, "no kernel body %s for %s", name, codegen->target.flavour);
    LLVMMemoryBufferRef buffer = LLVMCreateMemoryBufferWithMemoryRange(
        (const char *)file->begin, (size_t)(file->end - file->begin), name, false);
    if (lazy ? LLVMGetBitcodeModuleInContext2(codegen->llvm, buffer, &module)
             : LLVMParseBitcodeInContext2(codegen->llvm, buffer, &module))
        RAN_BUG(codegen->context, "kernel body %s for %s does not parse", name,
                codegen->target.flavour);
    if (!lazy)
        LLVMDisposeMemoryBuffer(buffer);
    return module;
}

LLVMModuleRef ran_codegen_load_body(ran_codegen *codegen, const char *name)
{
    return load_body(codegen, name, false);
}

static void each_function(LLVMModuleRef module, void (*visit)(LLVMValueRef, void *), void *data)
{
    for (LLVMValueRef f = LLVMGetFirstFunction(module); f; f = LLVMGetNextFunction(f))
        visit(f, data);
}

/* Linkonce functions are taken by the linker only where something calls them. */
static void make_linkonce(LLVMValueRef function, void *data)
{
    (void)data;
    if (LLVMGetLinkage(function) == LLVMExternalLinkage && !LLVMIsDeclaration(function))
        LLVMSetLinkage(function, LLVMLinkOnceODRLinkage);
}

static void link_vecmath(ran_codegen *codegen, LLVMModuleRef module)
{
    LLVMModuleRef vecmath = load_body(codegen, "vecmath/elementwise", true);
    each_function(vecmath, make_linkonce, NULL);
    if (LLVMLinkModules2(module, vecmath))
        RAN_BUG(codegen->context, "vector mathematics does not link");
}

/* ---- Attributes ---------------------------------------------------------------------- */

static void add_attribute(ran_codegen *codegen, LLVMValueRef function, const char *name,
                          const char *value)
{
    LLVMAttributeRef attribute =
        LLVMCreateStringAttribute(codegen->llvm, name, (unsigned)strlen(name), value,
                                  (unsigned)strlen(value));
    LLVMAddAttributeAtIndex(function, LLVMAttributeFunctionIndex, attribute);
}

static void remove_attribute(LLVMValueRef function, const char *name)
{
    LLVMRemoveStringAttributeAtIndex(function, LLVMAttributeFunctionIndex, name,
                                     (unsigned)strlen(name));
}

/* Without min-legal-vector-width the whole register file is legal; with 0, 512 bits are split. */
void ran_codegen_set_target(ran_codegen *codegen, LLVMValueRef function)
{
    static const char *const stripped[] = {"min-legal-vector-width", "tune-cpu", "frame-pointer",
                                           "stack-protector-buffer-size", "no-trapping-math"};
    for (size_t i = 0; i < sizeof(stripped) / sizeof(*stripped); i++)
        remove_attribute(function, stripped[i]);
    add_attribute(codegen, function, "target-cpu", codegen->target.cpu);
    add_attribute(codegen, function, "target-features", codegen->target.features);
    if (codegen->target.arch == RAN_ARCH_X86_64 && codegen->target.lanes == 16)
        add_attribute(codegen, function, "prefer-vector-width", "512");
}

static void set_target(LLVMValueRef function, void *data)
{
    ran_codegen_set_target(data, function);
}

static void make_internal(LLVMValueRef function, void *data)
{
    if (LLVMIsDeclaration(function) || function == data)
        return;
    LLVMContextRef llvm = LLVMGetModuleContext(LLVMGetGlobalParent(function));
    LLVMSetLinkage(function, LLVMInternalLinkage);
    LLVMSetVisibility(function, LLVMDefaultVisibility);
    unsigned kind = LLVMGetEnumAttributeKindForName("alwaysinline", 12);
    LLVMAddAttributeAtIndex(function, LLVMAttributeFunctionIndex,
                            LLVMCreateEnumAttribute(llvm, kind, 0));
    kind = LLVMGetEnumAttributeKindForName("noinline", 8);
    LLVMRemoveEnumAttributeAtIndex(function, LLVMAttributeFunctionIndex, kind);
}

/* ---- The kernel function ------------------------------------------------------------- */

static bool is_constant_spec(const ran_emission *emission)
{
    for (size_t i = 0; i < emission->spec_count; i++)
        if (emission->spec[i] && !ran_dim_is_constant(emission->spec[i]))
            return false;
    return true;
}

static LLVMValueRef constant_spec(ran_llvm *b, const ran_emission *emission)
{
    LLVMValueRef words[RAN_SPEC_MAX];
    for (size_t i = 0; i < emission->spec_count; i++)
        words[i] = ran_build_i64(b, emission->spec[i] ? ran_dim_value(emission->spec[i]) : 0);
    LLVMValueRef array =
        LLVMConstArray2(ran_build_i64_type(b), words, emission->spec_count);
    LLVMValueRef global = LLVMAddGlobal(b->module, LLVMTypeOf(array), "spec");
    LLVMSetInitializer(global, array);
    LLVMSetGlobalConstant(global, true);
    LLVMSetLinkage(global, LLVMPrivateLinkage);
    return global;
}

static LLVMValueRef dynamic_spec(ran_llvm *b, const ran_emission *emission)
{
    LLVMTypeRef type =
        LLVMArrayType2(ran_build_i64_type(b), emission->spec_count ? emission->spec_count : 1);
    LLVMValueRef spec = ran_build_alloca(b, type, "spec");
    for (size_t i = 0; i < emission->spec_count; i++) {
        LLVMValueRef word = emission->spec[i] ? ran_build_dim(b, emission->spec[i])
                                              : ran_build_i64(b, 0);
        ran_build_store_word(b, word, spec, (int64_t)i);
    }
    return spec;
}

/* A private copy: stores of the body can't alias it, so the pointers stay in registers. */
static LLVMValueRef copy_io(ran_llvm *b, const ran_codegen *codegen, const ran_op *kernel,
                            LLVMValueRef io)
{
    int64_t count = ran_io_scratch(codegen, kernel) + 1;
    LLVMValueRef copy =
        ran_build_alloca(b, LLVMArrayType2(ran_build_pointer_type(b), (uint64_t)count), "io");
    for (int64_t i = 0; i < count; i++)
        ran_build_store_word(b, ran_build_load_word(b, ran_build_pointer_type(b), io, i), copy, i);
    return copy;
}

static LLVMTypeRef kernel_type(const ran_llvm *b)
{
    LLVMTypeRef parameters[] = {ran_build_pointer_type(b), LLVMInt32TypeInContext(b->llvm),
                                ran_build_i64_type(b), ran_build_i64_type(b)};
    return LLVMFunctionType(LLVMVoidTypeInContext(b->llvm), parameters, 4, false);
}

static LLVMValueRef build_kernel(ran_llvm *b, ran_codegen *codegen,
                                 const ran_emission *emission, const char *name)
{
    char body_name[128];
    snprintf(body_name, sizeof(body_name), "ran_body_%s", emission->function);
    LLVMValueRef body = LLVMGetNamedFunction(b->module, body_name);
    if (!body)
        RAN_BUG(codegen->context, "%s has no function %s", emission->body, body_name);
    LLVMValueRef function = LLVMAddFunction(b->module, name, kernel_type(b));
    ran_build_begin(b, function);
    LLVMValueRef io = copy_io(b, codegen, emission->kernel, LLVMGetParam(function, 0));
    for (size_t i = 0; i < b->symbol_count; i++)
        b->symbol_values[i] = ran_build_load_word(b, ran_build_i64_type(b), io,
                                                  ran_io_symbols(emission->kernel) + (int64_t)i);
    LLVMValueRef scratch = ran_build_load_word(b, ran_build_pointer_type(b), io,
                                               ran_io_scratch(codegen, emission->kernel));
    if (emission->scratch)
        scratch = ran_build_offset(
            b, scratch,
            ran_build_mul(b, ran_build_zext(b, LLVMGetParam(function, 1)),
                          ran_build_dim(b, emission->scratch)));
    LLVMValueRef arguments[] = {is_constant_spec(emission) ? constant_spec(b, emission)
                                                           : dynamic_spec(b, emission),
                                io, scratch, LLVMGetParam(function, 2), LLVMGetParam(function, 3)};
    ran_build_call(b, body, arguments, 5);
    ran_build_return(b);
    return function;
}

/*
 * What a specialised body needs of LLVM's -O3, in a third of its time. Functions are cleaned before
 * they are inlined, so that the whole starts small; then what the spec's words decide folds, tile
 * loops unroll fully and accumulators leave memory; last comes the ordinary treatment of the loops
 * that remain (those of bodies without explicit vectors too).
 */
#define COMBINE "instcombine<no-verify-fixpoint>,simplifycfg,"
#define CLEAN "sroa<modify-cfg>,early-cse<memssa>,simplifycfg,instcombine<no-verify-fixpoint>,"
static const char pipeline[] =
    "function(" CLEAN "adce),always-inline,globaldce,function(" CLEAN
    "loop-mssa(loop-instsimplify,loop-simplifycfg,licm,loop-rotate,licm),simplifycfg,"
    "instcombine<no-verify-fixpoint>,loop(loop-deletion,loop-unroll-full)," CLEAN
    "simplifycfg,loop-mssa(licm)," COMBINE "adce,"
    "loop-mssa(licm<allowspeculation>,simple-loop-unswitch<nontrivial;trivial>),simplifycfg,"
    "loop(loop-rotate,indvars,loop-deletion),loop-vectorize," COMBINE
    "vector-combine,loop-unroll<O3>,instcombine<no-verify-fixpoint>,loop-mssa(licm),gvn,dse,"
    COMBINE "adce),globaldce";

static ran_status optimize(ran_codegen *codegen, LLVMModuleRef module)
{
    LLVMPassBuilderOptionsRef options = LLVMCreatePassBuilderOptions();
    LLVMPassBuilderOptionsSetLoopVectorization(options, true);
    LLVMPassBuilderOptionsSetSLPVectorization(options, false);
    LLVMErrorRef error = LLVMRunPasses(module, pipeline, codegen->machine, options);
    LLVMDisposePassBuilderOptions(options);
    if (!error)
        return RAN_OK;
    char *message = LLVMGetErrorMessage(error);
    ran_status status = ran_error(codegen->context, RAN_INTERNAL, "LLVM: %s", message);
    LLVMDisposeErrorMessage(message);
    return status;
}

/* ---- One kernel ---------------------------------------------------------------------- */

static ran_status generate(ran_codegen *codegen, const ran_emission *emission, const char *name,
                           LLVMModuleRef *out_module)
{
    LLVMValueRef symbol_values[RAN_SPEC_MAX];
    ran_llvm b = {.context = codegen->context,
                  .target = &codegen->target,
                  .llvm = codegen->llvm,
                  .module = load_body(codegen, emission->body, false),
                  .builder = LLVMCreateBuilderInContext(codegen->llvm),
                  .symbols = codegen->symbols.items,
                  .symbol_values = symbol_values,
                  .symbol_count = codegen->symbols.count,
                  .vecmath = codegen->vecmath};
    RAN_ASSERT(codegen->context, b.symbol_count <= RAN_SPEC_MAX);
    ran_status status = ran_epilogue_store(&b, emission);
    if (!status && emission->has_load)
        status = ran_epilogue_load(&b, emission);
    if (!status) {
        LLVMValueRef function = build_kernel(&b, codegen, emission, name);
        if (b.uses_vecmath)
            link_vecmath(codegen, b.module);
        each_function(b.module, make_internal, function);
        each_function(b.module, set_target, codegen);
        LLVMSetTarget(b.module, codegen->target.triple);
        status = optimize(codegen, b.module);
    }
    LLVMDisposeBuilder(b.builder);
    if (status)
        LLVMDisposeModule(b.module);
    else
        *out_module = b.module;
    return status;
}

/* ---- Kernels on disk ----------------------------------------------------------------- */

static const char generated_name[] = "ran_kernel";

/* NULL when the bitcode is not whole; what LLVM says about it is nobody's concern then. */
static LLVMModuleRef parse_kernel(ran_codegen *codegen, LLVMMemoryBufferRef bitcode)
{
    LLVMModuleRef module = NULL;
    size_t before = ran_diagnostic_count(codegen->context);
    if (LLVMParseBitcodeInContext2(codegen->llvm, bitcode, &module))
        module = NULL;
    ran_diagnostics_truncate(codegen->context, before);
    return module;
}

static ran_status generate_bitcode(ran_codegen *codegen, const ran_emission *emission,
                                   LLVMMemoryBufferRef *out_bitcode)
{
    LLVMModuleRef module = NULL;
    ran_status status = generate(codegen, emission, generated_name, &module);
    if (status)
        return status;
    *out_bitcode = LLVMWriteBitcodeToMemoryBuffer(module);
    LLVMDisposeModule(module);
    return RAN_OK;
}

/* From the cache, or generated and added to it. New kernels go through bitcode, too, also without a
 * cache: so the object does not depend on what was cached. */
static ran_status obtain(ran_codegen *codegen, const ran_emission *emission, const char *text,
                         const char *name, LLVMModuleRef *out_module)
{
    ran_status status = RAN_OK;
    LLVMMemoryBufferRef bitcode = ran_kernel_cache_find(codegen->cache, text);
    LLVMModuleRef module = bitcode ? parse_kernel(codegen, bitcode) : NULL;
    if (!module) {
        if (bitcode)
            LLVMDisposeMemoryBuffer(bitcode);
        bitcode = NULL;
        status = generate_bitcode(codegen, emission, &bitcode);
        if (status)
            return status;
        ran_kernel_cache_add(codegen->cache, text, bitcode);
        module = parse_kernel(codegen, bitcode);
    }
    LLVMDisposeMemoryBuffer(bitcode);
    if (!module)
        RAN_BUG(codegen->context, "the bitcode of kernel %s does not parse", name);
    LLVMSetValueName2(LLVMGetNamedFunction(module, generated_name), name, strlen(name));
    *out_module = module;
    return RAN_OK;
}

/* ---- Sharing ------------------------------------------------------------------------- */

static void print_value(FILE *out, ran_context *context, const ran_value *value)
{
    if (!value)
        fprintf(out, " _");
    else if (ran_value_op(value))
        fprintf(out, " r%llu.%zu", (unsigned long long)ran_value_op(value)->order,
                ran_value_index(value));
    else
        fprintf(out, " a%zu", ran_value_index(value));
    if (value)
        fprintf(out, ":%s", ran_type_text(context, ran_value_type(value)));
}

static void print_attrs(FILE *out, ran_context *context, const ran_op *op)
{
    for (size_t i = 0; i < op->attr_count; i++) {
        const ran_attr *attr = &op->attrs[i];
        fprintf(out, " %s", attr->name);
        for (size_t j = 0; attr->kind == RAN_ATTR_INTS && j < attr->count; j++)
            fprintf(out, ",%lld", (long long)attr->as.ints[j]);
        if (attr->kind == RAN_ATTR_INT)
            fprintf(out, "=%lld", (long long)attr->as.i);
        if (attr->kind == RAN_ATTR_FLOAT)
            fprintf(out, "=%a", attr->as.f);
        if (attr->kind == RAN_ATTR_STRING)
            fprintf(out, "=%s", attr->as.s);
        for (size_t j = 0; attr->kind == RAN_ATTR_FLOATS && j < attr->count; j++)
            fprintf(out, ",%a", attr->as.floats[j]);
        for (size_t j = 0; attr->kind == RAN_ATTR_STRINGS && j < attr->count; j++)
            fprintf(out, ",%s", attr->as.strings[j]);
        if (attr->kind == RAN_ATTR_TYPE)
            fprintf(out, "=%s", ran_type_text(context, attr->as.type));
        if (attr->kind == RAN_ATTR_TENSOR)
            fprintf(out, "=%llx", (unsigned long long)ran_tensor_hash(attr->as.tensor));
    }
}

static void print_region(FILE *out, ran_context *context, const ran_region *region)
{
    uint64_t number = 0;
    for (ran_op *op = ran_region_first(region); op; op = ran_op_next(op))
        op->order = ++number;
    for (ran_op *op = ran_region_first(region); op; op = ran_op_next(op)) {
        fprintf(out, "%s", ran_opcode_name(op->opcode));
        for (size_t i = 0; i < op->operand_count; i++)
            print_value(out, context, ran_op_operand(op, i));
        print_attrs(out, context, op);
        fprintf(out, "\n");
    }
}

static void print_literals(FILE *out, const ran_op *kernel)
{
    for (size_t i = 0; i < kernel->operand_count; i++) {
        const ran_tensor *literal = ran_kernel_literal(kernel, i);
        if (literal)
            fprintf(out, "literal %zu %llx\n", i, (unsigned long long)ran_tensor_hash(literal));
    }
}

static void print_space(FILE *out, ran_context *context, const char *what, const ran_space *space)
{
    fprintf(out, "%s", what);
    for (int i = 0; i < space->rank; i++)
        fprintf(out, " %d-%d", space->axes[i].first, space->axes[i].last);
    fprintf(out, "%s %s\n", space->blocked ? " blocked" : "",
            space->type ? ran_type_text(context, space->type) : "");
}

/* How the body meets the region, and the rest of what build_kernel looks at. */
static void print_emission(FILE *out, const ran_codegen *codegen, const ran_emission *emission)
{
    fprintf(out, "%s %s %s load %d stored %d\n", emission->body, codegen->target.triple,
            codegen->target.flavour, emission->has_load, emission->stored);
    print_space(out, codegen->context, "store", &emission->store);
    if (emission->has_load)
        print_space(out, codegen->context, "load", &emission->load);
    if (emission->scratch)
        fprintf(out, "scratch %s\n", ran_dim_text(codegen->context, emission->scratch));
    for (size_t i = 0; i < codegen->symbols.count; i++)
        fprintf(out, "symbol %s\n", ran_dim_name(codegen->symbols.items[i]));
}

/* Everything that the generated code depends on. */
static char *kernel_text(ran_codegen *codegen, const ran_emission *emission)
{
    char *text = NULL;
    size_t size = 0;
    FILE *out = open_memstream(&text, &size);
    fprintf(out, "%s %s %s %zu operands\n", emission->function, codegen->target.cpu,
            codegen->target.features, emission->kernel->operand_count);
    for (size_t i = 0; i < emission->spec_count; i++)
        fprintf(out, "%s ", emission->spec[i]
                                ? ran_dim_text(codegen->context, emission->spec[i])
                                : "0");
    fprintf(out, "\n");
    print_region(out, codegen->context, ran_op_region(emission->kernel, 0));
    print_literals(out, emission->kernel);
    print_emission(out, codegen, emission);
    fclose(out);
    return text;
}

static ran_kernel *find_kernel(ran_codegen *codegen, const char *text)
{
    for (ran_kernel *kernel = codegen->kernels; kernel; kernel = kernel->next)
        if (!strcmp(kernel->text, text))
            return kernel;
    return NULL;
}

static ran_kernel *add_kernel(ran_codegen *codegen, const ran_emission *emission, char *text,
                              const char *name_hint)
{
    ran_kernel *kernel = calloc(1, sizeof(*kernel));
    if (!kernel)
        RAN_BUG(codegen->context, "out of memory");
    kernel->text = text;
    kernel->tasks = emission->tasks;
    kernel->scratch = emission->scratch;
    kernel->name = ran_intern_printf(codegen->context, "%s.%s.%zu", emission->function,
                                     name_hint ? name_hint : "", ++codegen->kernel_count);
    kernel->next = codegen->kernels;
    codegen->kernels = kernel;
    return kernel;
}

/* Each slot's scratch begins on a cache line. */
static const ran_dim *whole_lines(ran_context *context, const ran_dim *bytes)
{
    const ran_dim *line = ran_dim_constant(context, 64);
    return ran_dim_binary(context, RAN_DIM_MUL,
                          ran_dim_binary(context, RAN_DIM_CEILDIV, bytes, line), line);
}

ran_status ran_specialize(ran_codegen *codegen, const ran_op *kernel, const char *name_hint,
                          ran_kernel **out_kernel)
{
    const ran_kernel_row *row = ran_kernel_row_find(ran_op_string(kernel, "schedule"));
    if (!row)
        RAN_BUG(codegen->context, "no schedule %s", ran_op_string(kernel, "schedule"));
    ran_emission emission = {.context = codegen->context,
                             .target = &codegen->target,
                             .kernel = kernel,
                             .symbols = &codegen->symbols,
                             .anchor = ran_kernel_anchor(kernel)};
    ran_status status = row->describe(&emission);
    if (status)
        return status;
    if (emission.scratch)
        emission.scratch = whole_lines(codegen->context, emission.scratch);
    char *text = kernel_text(codegen, &emission);
    *out_kernel = find_kernel(codegen, text);
    if (*out_kernel) {
        free(text);
        return RAN_OK;
    }
    LLVMModuleRef module = NULL;
    ran_kernel *made = add_kernel(codegen, &emission, text, name_hint);
    status = obtain(codegen, &emission, made->text, made->name, &module);
    made->module = module;
    *out_kernel = made;
    return status;
}

/* ---- The generator ------------------------------------------------------------------- */

static void initialize_llvm(void)
{
    LLVMInitializeX86TargetInfo();
    LLVMInitializeX86Target();
    LLVMInitializeX86TargetMC();
    LLVMInitializeX86AsmPrinter();
    LLVMInitializeX86AsmParser();
    LLVMInitializeAArch64TargetInfo();
    LLVMInitializeAArch64Target();
    LLVMInitializeAArch64TargetMC();
    LLVMInitializeAArch64AsmPrinter();
    LLVMInitializeAArch64AsmParser();
}

/* LLVM's remarks about loops are no concern of users; its errors are ours. */
static void on_diagnostic(LLVMDiagnosticInfoRef info, void *data)
{
    char *text = LLVMGetDiagInfoDescription(info);
    if (LLVMGetDiagInfoSeverity(info) == LLVMDSError)
        (void)ran_error(data, RAN_INTERNAL, "LLVM: %s", text);
    LLVMDisposeMessage(text);
}

ran_status ran_codegen_create(ran_context *context, const ran_target *target,
                              ran_codegen **out_codegen)
{
    LLVMTargetRef llvm_target = NULL;
    char *message = NULL;
    initialize_llvm();
    if (LLVMGetTargetFromTriple(target->triple, &llvm_target, &message)) {
        ran_status status = ran_error(context, RAN_USAGE, "target %s: %s", target->name, message);
        LLVMDisposeMessage(message);
        return status;
    }
    ran_codegen *codegen = calloc(1, sizeof(*codegen));
    if (!codegen)
        return ran_error(context, RAN_INVALID, "out of memory");
    codegen->context = context;
    codegen->target = *target;
    codegen->llvm = LLVMContextCreate();
    LLVMContextSetDiagnosticHandler(codegen->llvm, on_diagnostic, context);
    codegen->machine = LLVMCreateTargetMachine(llvm_target, target->triple, target->cpu,
                                               target->features, LLVMCodeGenLevelAggressive,
                                               LLVMRelocPIC, LLVMCodeModelDefault);
    codegen->vecmath = load_body(codegen, "vecmath/elementwise", true);
    *out_codegen = codegen;
    return RAN_OK;
}

void ran_codegen_destroy(ran_codegen *codegen)
{
    if (!codegen)
        return;
    for (ran_kernel *kernel = codegen->kernels, *next; kernel; kernel = next) {
        next = kernel->next;
        if (kernel->module)
            LLVMDisposeModule(kernel->module);
        free((char *)kernel->text);
        free(kernel);
    }
    ran_kernel_cache_close(codegen->cache);
    LLVMDisposeModule(codegen->vecmath);
    LLVMDisposeTargetMachine(codegen->machine);
    LLVMContextDispose(codegen->llvm);
    ran_symbols_clear(&codegen->symbols);
    free(codegen);
}
