/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * What callers of a compiled model see, in LLVM. Everything here runs on any CPU of the
 * architecture, and asks what the CPU has before it calls code that needs more:
 *
 *   PREFIX.run             the first target's code (driver.c) that this CPU can run, the most
 *                          demanding one first; RAN_RUN_CPU where there is none
 *   PREFIX.variant         which one that is
 *   PREFIX.workspace_size  enough for each target
 *   PREFIX.unmet           what is wrong with the sizes; PREFIX.run asks it first
 *
 * entry_typed.c: PREFIX_run and PREFIX_workspace_size with typed arguments, as the generated header
 * declares. entry_describe.c: PREFIX_desc.
 */
#include "codegen/entry.h"

#include <string.h>

#include <llvm-c/BitReader.h>
#include <llvm-c/BitWriter.h>
#include <llvm-c/Linker.h>

#include "codegen/cpu/cpu.h"

LLVMTypeRef ran_entry_i32_type(const ran_entry *e)
{
    return LLVMInt32TypeInContext(e->b.llvm);
}

LLVMValueRef ran_entry_i32(const ran_entry *e, int64_t value)
{
    return LLVMConstInt(ran_entry_i32_type(e), (uint64_t)value, true);
}

static const char *symbol_name(const ran_entry *e, const char *suffix)
{
    return ran_intern_printf(e->b.context, "%s%s", e->model->prefix, suffix);
}

LLVMValueRef ran_entry_function(ran_entry *e, const char *suffix, LLVMTypeRef result,
                                LLVMTypeRef *parameters, unsigned count, bool exported)
{
    LLVMTypeRef type = LLVMFunctionType(result, parameters, count, false);
    LLVMValueRef function = LLVMAddFunction(e->b.module, symbol_name(e, suffix), type);
    LLVMSetLinkage(function, exported ? LLVMExternalLinkage : LLVMInternalLinkage);
    ran_cpu_set_base(e->model->codegen, function);
    return function;
}

LLVMValueRef ran_entry_constant(ran_entry *e, LLVMValueRef initializer)
{
    LLVMValueRef global = LLVMAddGlobal(e->b.module, LLVMTypeOf(initializer), "");
    LLVMSetInitializer(global, initializer);
    LLVMSetGlobalConstant(global, true);
    LLVMSetLinkage(global, LLVMPrivateLinkage);
    return global;
}

LLVMValueRef ran_entry_string(ran_entry *e, const char *string)
{
    return ran_entry_constant(e,
                              LLVMConstStringInContext2(e->b.llvm, string, strlen(string), false));
}

void ran_entry_load_symbols(ran_entry *e, LLVMValueRef array)
{
    for (size_t i = 0; i < e->b.symbol_count; i++)
        e->symbol_values[i] =
            ran_build_load_word(&e->b, ran_build_i64_type(&e->b), array, (int64_t)i);
}

/* ---- The targets' code --------------------------------------------------------------- */

/* The names of local functions stay apart, for those who look at a profile. */
static void mark_target(ran_compiled *variant)
{
    const char *target = variant->codegen->target.name;
    for (LLVMValueRef f = LLVMGetFirstFunction(variant->llvm); f; f = LLVMGetNextFunction(f)) {
        size_t length;
        const char *name = LLVMGetValueName2(f, &length);
        if (LLVMIsDeclaration(f) || LLVMGetLinkage(f) != LLVMInternalLinkage ||
            (length > strlen(target) && !strcmp(name + length - strlen(target), target)))
            continue;
        name = ran_intern_printf(variant->context, "%s.%s", name, target);
        LLVMSetValueName2(f, name, strlen(name));
    }
}

/* Each target has a context of LLVM's for itself: its module moves as bitcode. */
static ran_status link_variant(ran_compiled *model, ran_compiled *variant)
{
    LLVMModuleRef module = NULL;
    mark_target(variant);
    LLVMMemoryBufferRef bitcode = LLVMWriteBitcodeToMemoryBuffer(variant->llvm);
    bool failed = LLVMParseBitcodeInContext2(model->codegen->llvm, bitcode, &module) ||
                  LLVMLinkModules2(model->llvm, module);
    LLVMDisposeMemoryBuffer(bitcode);
    if (failed)
        RAN_BUG(model->context, "the code for %s does not link", variant->codegen->target.name);
    LLVMDisposeModule(variant->llvm);
    variant->llvm = NULL;
    return RAN_OK;
}

static LLVMValueRef variant_function(const ran_entry *e, const ran_compiled *variant,
                                     const char *suffix)
{
    LLVMValueRef function = LLVMGetNamedFunction(e->b.module, ran_variant_symbol(variant, suffix));
    RAN_ASSERT(e->b.context, function);
    LLVMSetLinkage(function, LLVMInternalLinkage);
    return function;
}

/* ---- Choosing ------------------------------------------------------------------------ */

typedef struct choice {
    ran_entry *e;
    const ran_compiled *variant;
    int64_t index;
    LLVMValueRef have, result;
} choice;

/* Whether all bits of the variant's features are among those that are there. */
static void choose(ran_llvm *b, void *data, bool fits)
{
    choice *c = data;
    if (fits) {
        ran_build_store_word(b, ran_build_i64(b, c->index), c->result, 0);
        return;
    }
    choice next = {c->e, c->variant ? c->variant->next_variant : c->e->model, c->index + 1, c->have,
                   c->result};
    if (!next.variant) {
        ran_build_store_word(b, ran_build_i64(b, -1), c->result, 0);
        return;
    }
    ran_build_if(b, ran_build_has_bits(b, c->have, next.variant->cpu_features), choose, &next);
}

/* PREFIX.variant() -> i32: an index, -1 when the CPU can run none. */
static void build_variant(ran_entry *e)
{
    ran_llvm *b = &e->b;
    e->variant = ran_entry_function(e, ".variant", ran_entry_i32_type(e), NULL, 0, false);
    ran_build_begin(b, e->variant);
    LLVMValueRef have =
        e->cpu_features ? ran_build_call(b, e->cpu_features, NULL, 0) : ran_build_i64(b, 0);
    choice none = {e, NULL, -1, have, ran_build_alloca(b, ran_build_i64_type(b), "index")};
    choose(b, &none, false);
    ran_build_return_i32(b, ran_build_load_word(b, ran_build_i64_type(b), none.result, 0));
}

typedef struct call {
    ran_entry *e;
    const ran_compiled *variant;
    int64_t index;
    LLVMValueRef chosen, result;
    LLVMValueRef arguments[RAN_RUN_PARAMETERS];
} call;

static void call_variant(ran_llvm *b, void *data, bool chosen)
{
    call *c = data;
    if (chosen) {
        LLVMValueRef run = variant_function(c->e, c->variant, ".run");
        LLVMValueRef code = ran_build_call(b, run, c->arguments, RAN_RUN_PARAMETERS);
        ran_build_store_word(b, ran_build_zext(b, code), c->result, 0);
        return;
    }
    call next = *c;
    next.variant = c->variant ? c->variant->next_variant : c->e->model;
    next.index++;
    if (next.variant)
        ran_build_if(b, ran_build_is(b, c->chosen, next.index), call_variant, &next);
    else
        ran_build_store_word(b, ran_build_i64(b, RAN_RUN_CPU), c->result, 0);
}

/* ---- Sizes that don't fit ------------------------------------------------------------ */

/* By the arguments: what depends on data the driver tests, when it is known. */
bool ran_entry_knows(const ran_entry *e, const ran_dim *dim)
{
    return ran_symbols_know(&e->model->codegen->symbols, dim, e->b.symbol_count);
}

/* PREFIX.unmet(symbols): the first condition that does not hold, as text; NULL: all do. */
static void build_unmet(ran_entry *e)
{
    ran_llvm *b = &e->b;
    LLVMTypeRef pointer = ran_build_pointer_type(b);
    const ran_function *function = e->model->function;
    e->unmet = ran_entry_function(e, ".unmet", pointer, &pointer, 1, false);
    ran_build_begin(b, e->unmet);
    ran_entry_load_symbols(e, LLVMGetParam(e->unmet, 0));
    LLVMValueRef text = LLVMConstNull(pointer);
    for (size_t i = function->condition_count; i-- > 0;) {
        const ran_condition *c = &function->conditions[i];
        if (ran_entry_knows(e, c->a) && ran_entry_knows(e, c->b))
            text = ran_build_select(b, ran_build_unmet(b, c), ran_entry_string(e, c->text), text);
    }
    for (size_t i = 0; i < b->symbol_count; i++) {
        const char *name = ran_dim_name(b->symbols[i]);
        LLVMValueRef wrong = ran_build_less(b, e->symbol_values[i], ran_build_i64(b, 0));
        text = ran_build_select(
            b, wrong, ran_entry_string(e, ran_intern_printf(b->context, "%s is negative", name)),
            text);
    }
    ran_build_return_value(b, text);
}

static void check_sizes(ran_entry *e, LLVMValueRef symbols)
{
    ran_llvm *b = &e->b;
    LLVMValueRef unmet = ran_build_is_null(b, ran_build_call(b, e->unmet, &symbols, 1));
    ran_build_return_if(b, ran_build_not(b, unmet), ran_entry_i32(e, RAN_RUN_SHAPE));
}

/* ---- Running ------------------------------------------------------------------------- */

/* The weights lie anywhere in the image, also beyond 2 GiB: their distance is a 64-bit word that
 * the linker fills. */
static LLVMValueRef embedded_weights(ran_entry *e)
{
    ran_llvm *b = &e->b;
    LLVMTypeRef bytes = LLVMArrayType2(LLVMInt8TypeInContext(b->llvm), RAN_WEIGHTS_ALIGNMENT);
    LLVMValueRef weights = LLVMAddGlobal(b->module, bytes, symbol_name(e, "_weights"));
    LLVMSetInitializer(weights, LLVMConstNull(bytes));
    LLVMSetSection(weights, RAN_WEIGHTS_SECTION);
    LLVMSetAlignment(weights, RAN_WEIGHTS_ALIGNMENT);
    LLVMValueRef distance =
        LLVMAddGlobal(b->module, ran_build_i64_type(b), symbol_name(e, "_weights_distance"));
    LLVMTypeRef i64 = ran_build_i64_type(b);
    LLVMSetInitializer(
        distance, LLVMConstSub(LLVMConstPtrToInt(weights, i64), LLVMConstPtrToInt(distance, i64)));
    LLVMValueRef globals[] = {weights, distance};
    for (size_t i = 0; i < 2; i++) {
        LLVMSetGlobalConstant(globals[i], true);
        LLVMSetLinkage(globals[i], LLVMInternalLinkage);
    }
    return ran_build_offset(b, distance, ran_build_load_volatile(b, i64, distance));
}

static void build_run(ran_entry *e)
{
    ran_llvm *b = &e->b;
    LLVMTypeRef pointer = ran_build_pointer_type(b);
    LLVMTypeRef parameters[] = {pointer, pointer, pointer, pointer, pointer, pointer, pointer};
    e->run =
        ran_entry_function(e, ".run", ran_entry_i32_type(e), parameters, RAN_RUN_PARAMETERS, false);
    ran_build_begin(b, e->run);
    check_sizes(e, LLVMGetParam(e->run, 0));
    call none = {.e = e, .index = -1};
    for (unsigned i = 0; i < RAN_RUN_PARAMETERS; i++)
        none.arguments[i] = LLVMGetParam(e->run, i);
    if (e->model->weights_embedded)
        none.arguments[RAN_RUN_WEIGHTS] = embedded_weights(e);
    none.chosen = ran_build_call(b, e->variant, NULL, 0);
    none.result = ran_build_alloca(b, ran_build_i64_type(b), "code");
    call_variant(b, &none, false);
    ran_build_return_i32(b, ran_build_load_word(b, ran_build_i64_type(b), none.result, 0));
}

/* ---- Workspace size ------------------------------------------------------------------ */

static void build_size(ran_entry *e)
{
    ran_llvm *b = &e->b;
    LLVMTypeRef parameters[] = {ran_build_pointer_type(b), ran_entry_i32_type(e)};
    e->size = ran_entry_function(e, ".workspace_size", ran_build_i64_type(b), parameters, 2, false);
    ran_build_begin(b, e->size);
    LLVMValueRef arguments[] = {LLVMGetParam(e->size, 0), LLVMGetParam(e->size, 1)};
    LLVMValueRef size = ran_build_i64(b, 0);
    for (const ran_compiled *v = e->model; v; v = v->next_variant)
        size = ran_build_max(
            b, size, ran_build_call(b, variant_function(e, v, ".workspace_size"), arguments, 2));
    ran_build_return_value(b, size);
}

/* ---- All ----------------------------------------------------------------------------- */

/* The last of the targets is the least demanding: where it runs anywhere nothing is asked, unless
 * others come before it. */
static bool must_ask(const ran_compiled *model)
{
    return model->next_variant || model->cpu_features;
}

ran_status ran_entry_build(ran_compiled *model)
{
    ran_codegen *codegen = model->codegen;
    ran_entry e = {.model = model,
                   .b = {.context = model->context,
                         .target = &codegen->target,
                         .llvm = codegen->llvm,
                         .module = model->llvm,
                         .symbols = codegen->symbols.items,
                         .symbol_count = codegen->symbols.argument_count}};
    ran_status status = RAN_OK;
    e.b.symbol_values = e.symbol_values;
    if (model->next_variant)
        mark_target(model);
    for (ran_compiled *v = model->next_variant; !status && v; v = v->next_variant)
        status = link_variant(model, v);
    if (!status && must_ask(model))
        status = ran_cpu_link_detection(codegen, model->llvm, &e.cpu_features);
    if (status)
        return status;
    e.b.builder = LLVMCreateBuilderInContext(codegen->llvm);
    build_variant(&e);
    build_unmet(&e);
    build_run(&e);
    build_size(&e);
    ran_entry_build_typed(&e);
    ran_entry_build_desc(&e);
    LLVMDisposeBuilder(e.b.builder);
    return RAN_OK;
}
