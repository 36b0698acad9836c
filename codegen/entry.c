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
 *   PREFIX_run             typed arguments, as the generated header declares
 *   PREFIX_workspace_size, PREFIX_desc
 */
#include "codegen/model.h"

#include <stdlib.h>
#include <string.h>

#include <llvm-c/BitReader.h>
#include <llvm-c/BitWriter.h>
#include <llvm-c/Linker.h>

#include "codegen/cpu/cpu.h"

/* symbols, inputs, outputs, sizes, workspace, parallel, weights */
enum { RUN_PARAMETERS = 7, WEIGHTS = 6 };

typedef struct entry {
    ran_compiled *model;
    ran_llvm b;
    LLVMValueRef symbol_values[RAN_SPEC_MAX];
    LLVMValueRef run, size, variant, unmet;
    LLVMValueRef cpu_features; /* NULL: every CPU of the architecture will do */
} entry;

static LLVMTypeRef i32_type(const entry *e)
{
    return LLVMInt32TypeInContext(e->b.llvm);
}

static LLVMValueRef i32(const entry *e, int64_t value)
{
    return LLVMConstInt(i32_type(e), (uint64_t)value, true);
}

static const char *symbol_name(const entry *e, const char *suffix)
{
    return ran_intern_printf(e->b.context, "%s%s", e->model->prefix, suffix);
}

static LLVMValueRef add_function(entry *e, const char *suffix, LLVMTypeRef result,
                                 LLVMTypeRef *parameters, unsigned count, bool exported)
{
    LLVMTypeRef type = LLVMFunctionType(result, parameters, count, false);
    LLVMValueRef function = LLVMAddFunction(e->b.module, symbol_name(e, suffix), type);
    LLVMSetLinkage(function, exported ? LLVMExternalLinkage : LLVMInternalLinkage);
    ran_cpu_set_base(e->model->codegen, function);
    return function;
}

static size_t input_count(const entry *e)
{
    return ran_region_argument_count(ran_function_body(e->model->function));
}

static const ran_op *return_op(const entry *e)
{
    return ran_region_terminator(ran_function_body(e->model->function));
}

static LLVMValueRef constant_global(entry *e, LLVMValueRef initializer)
{
    LLVMValueRef global = LLVMAddGlobal(e->b.module, LLVMTypeOf(initializer), "");
    LLVMSetInitializer(global, initializer);
    LLVMSetGlobalConstant(global, true);
    LLVMSetLinkage(global, LLVMPrivateLinkage);
    return global;
}

static LLVMValueRef string_global(entry *e, const char *string)
{
    return constant_global(e, LLVMConstStringInContext2(e->b.llvm, string, strlen(string), false));
}

static void load_symbols(entry *e, LLVMValueRef array)
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

static LLVMValueRef variant_function(const entry *e, const ran_compiled *variant,
                                     const char *suffix)
{
    LLVMValueRef function =
        LLVMGetNamedFunction(e->b.module, ran_variant_symbol(variant, suffix));
    RAN_ASSERT(e->b.context, function);
    LLVMSetLinkage(function, LLVMInternalLinkage);
    return function;
}

/* ---- Choosing ------------------------------------------------------------------------ */

typedef struct choice {
    entry *e;
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
    choice next = {c->e, c->variant ? c->variant->next_variant : c->e->model, c->index + 1,
                   c->have, c->result};
    if (!next.variant) {
        ran_build_store_word(b, ran_build_i64(b, -1), c->result, 0);
        return;
    }
    ran_build_if(b, ran_build_has_bits(b, c->have, next.variant->cpu_features), choose, &next);
}

/* PREFIX.variant() -> i32: an index, -1 when the CPU can run none. */
static void build_variant(entry *e)
{
    ran_llvm *b = &e->b;
    e->variant = add_function(e, ".variant", i32_type(e), NULL, 0, false);
    ran_build_begin(b, e->variant);
    LLVMValueRef have = e->cpu_features ? ran_build_call(b, e->cpu_features, NULL, 0)
                                        : ran_build_i64(b, 0);
    choice none = {e, NULL, -1, have, ran_build_alloca(b, ran_build_i64_type(b), "index")};
    choose(b, &none, false);
    ran_build_return_i32(b, ran_build_load_word(b, ran_build_i64_type(b), none.result, 0));
}

typedef struct call {
    entry *e;
    const ran_compiled *variant;
    int64_t index;
    LLVMValueRef chosen, result;
    LLVMValueRef arguments[RUN_PARAMETERS];
} call;

static void call_variant(ran_llvm *b, void *data, bool chosen)
{
    call *c = data;
    if (chosen) {
        LLVMValueRef run = variant_function(c->e, c->variant, ".run");
        LLVMValueRef code = ran_build_call(b, run, c->arguments, RUN_PARAMETERS);
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
static bool is_known(const entry *e, const ran_dim *dim)
{
    return ran_symbols_know(&e->model->codegen->symbols, dim, e->b.symbol_count);
}

/* PREFIX.unmet(symbols): the first condition that does not hold, as text; NULL: all do. */
static void build_unmet(entry *e)
{
    ran_llvm *b = &e->b;
    LLVMTypeRef pointer = ran_build_pointer_type(b);
    const ran_function *function = e->model->function;
    e->unmet = add_function(e, ".unmet", pointer, &pointer, 1, false);
    ran_build_begin(b, e->unmet);
    load_symbols(e, LLVMGetParam(e->unmet, 0));
    LLVMValueRef text = LLVMConstNull(pointer);
    for (size_t i = function->condition_count; i-- > 0;) {
        const ran_condition *c = &function->conditions[i];
        if (is_known(e, c->a) && is_known(e, c->b))
            text = ran_build_select(b, ran_build_unmet(b, c), string_global(e, c->text), text);
    }
    for (size_t i = 0; i < b->symbol_count; i++) {
        const char *name = ran_dim_name(b->symbols[i]);
        LLVMValueRef wrong = ran_build_less(b, e->symbol_values[i], ran_build_i64(b, 0));
        text = ran_build_select(
            b, wrong, string_global(e, ran_intern_printf(b->context, "%s is negative", name)),
            text);
    }
    ran_build_return_value(b, text);
}

static void check_sizes(entry *e, LLVMValueRef symbols)
{
    ran_llvm *b = &e->b;
    LLVMValueRef unmet = ran_build_is_null(b, ran_build_call(b, e->unmet, &symbols, 1));
    ran_build_return_if(b, ran_build_not(b, unmet), i32(e, RAN_RUN_SHAPE));
}

/* ---- Running ------------------------------------------------------------------------- */

/* The weights lie anywhere in the image, also beyond 2 GiB: their distance is a 64-bit word that
 * the linker fills. */
static LLVMValueRef embedded_weights(entry *e)
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
    LLVMSetInitializer(distance, LLVMConstSub(LLVMConstPtrToInt(weights, i64),
                                              LLVMConstPtrToInt(distance, i64)));
    LLVMValueRef globals[] = {weights, distance};
    for (size_t i = 0; i < 2; i++) {
        LLVMSetGlobalConstant(globals[i], true);
        LLVMSetLinkage(globals[i], LLVMInternalLinkage);
    }
    return ran_build_offset(b, distance, ran_build_load_volatile(b, i64, distance));
}

static void build_run(entry *e)
{
    ran_llvm *b = &e->b;
    LLVMTypeRef pointer = ran_build_pointer_type(b);
    LLVMTypeRef parameters[] = {pointer, pointer, pointer, pointer, pointer, pointer, pointer};
    e->run = add_function(e, ".run", i32_type(e), parameters, RUN_PARAMETERS, false);
    ran_build_begin(b, e->run);
    check_sizes(e, LLVMGetParam(e->run, 0));
    call none = {.e = e, .index = -1};
    for (unsigned i = 0; i < RUN_PARAMETERS; i++)
        none.arguments[i] = LLVMGetParam(e->run, i);
    if (e->model->weights_embedded)
        none.arguments[WEIGHTS] = embedded_weights(e);
    none.chosen = ran_build_call(b, e->variant, NULL, 0);
    none.result = ran_build_alloca(b, ran_build_i64_type(b), "code");
    call_variant(b, &none, false);
    ran_build_return_i32(b, ran_build_load_word(b, ran_build_i64_type(b), none.result, 0));
}

/* ---- Workspace size ------------------------------------------------------------------ */

static void build_size(entry *e)
{
    ran_llvm *b = &e->b;
    LLVMTypeRef parameters[] = {ran_build_pointer_type(b), i32_type(e)};
    e->size = add_function(e, ".workspace_size", ran_build_i64_type(b), parameters, 2, false);
    ran_build_begin(b, e->size);
    LLVMValueRef arguments[] = {LLVMGetParam(e->size, 0), LLVMGetParam(e->size, 1)};
    LLVMValueRef size = ran_build_i64(b, 0);
    for (const ran_compiled *v = e->model; v; v = v->next_variant)
        size = ran_build_max(b, size,
                             ran_build_call(b, variant_function(e, v, ".workspace_size"),
                                            arguments, 2));
    ran_build_return_value(b, size);
}

/* ---- Typed functions ----------------------------------------------------------------- */

static LLVMValueRef array_of(entry *e, size_t count)
{
    LLVMTypeRef word = ran_build_i64_type(&e->b);
    return ran_build_alloca(&e->b, LLVMArrayType2(word, count ? count : 1), "");
}

static LLVMValueRef array_of_parameters(entry *e, LLVMValueRef function, unsigned *next,
                                        size_t count)
{
    LLVMValueRef array = array_of(e, count);
    for (size_t i = 0; i < count; i++)
        ran_build_store_word(&e->b, LLVMGetParam(function, (*next)++), array, (int64_t)i);
    return array;
}

static void build_typed_size(entry *e)
{
    LLVMTypeRef parameters[RAN_SPEC_MAX + 1];
    unsigned n = 0, next = 0;
    for (; n < e->b.symbol_count; n++)
        parameters[n] = ran_build_i64_type(&e->b);
    parameters[n++] = i32_type(e);
    LLVMValueRef function = add_function(e, "_workspace_size", ran_build_i64_type(&e->b),
                                         parameters, n, true);
    ran_build_begin(&e->b, function);
    LLVMValueRef arguments[] = {array_of_parameters(e, function, &next, e->b.symbol_count),
                                LLVMGetParam(function, n - 1)};
    ran_build_return_value(&e->b, ran_build_call(&e->b, e->size, arguments, 2));
}

static bool depends_on_data(const entry *e, size_t output)
{
    const ran_value *value = ran_op_operand(return_op(e), output);
    return ran_symbols_depend_on_data(&e->model->codegen->symbols, ran_value_type(value));
}

/* Of an output whose size depends on data: pointer, capacity, shape. */
static unsigned add_output_types(entry *e, LLVMTypeRef *parameters, unsigned n)
{
    for (size_t i = 0; i < return_op(e)->operand_count; i++) {
        parameters[n++] = ran_build_pointer_type(&e->b);
        if (!depends_on_data(e, i))
            continue;
        parameters[n++] = ran_build_i64_type(&e->b);
        parameters[n++] = ran_build_pointer_type(&e->b);
    }
    return n;
}

static LLVMValueRef declare_typed_run(entry *e)
{
    size_t most = e->b.symbol_count + input_count(e) + 3 * return_op(e)->operand_count + 3;
    LLVMTypeRef *parameters = calloc(most, sizeof(*parameters));
    unsigned n = 0;
    if (!parameters)
        RAN_BUG(e->b.context, "out of memory");
    while (n < e->b.symbol_count)
        parameters[n++] = ran_build_i64_type(&e->b);
    while (n < e->b.symbol_count + input_count(e))
        parameters[n++] = ran_build_pointer_type(&e->b);
    n = add_output_types(e, parameters, n);
    for (int i = 0; i < (e->model->weights_embedded ? 2 : 3); i++)
        parameters[n++] = ran_build_pointer_type(&e->b);
    LLVMValueRef function = add_function(e, "_run", i32_type(e), parameters, n, true);
    free(parameters);
    return function;
}

/* The arrays of outputs, and of the capacities and shapes of those that depend on data. */
static void gather_outputs(entry *e, LLVMValueRef function, unsigned *next,
                           LLVMValueRef *out_outputs, LLVMValueRef *out_sizes)
{
    size_t count = return_op(e)->operand_count;
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

static void build_typed_run(entry *e)
{
    unsigned next = 0;
    LLVMValueRef function = declare_typed_run(e);
    ran_build_begin(&e->b, function);
    LLVMValueRef arguments[RUN_PARAMETERS];
    arguments[0] = array_of_parameters(e, function, &next, e->b.symbol_count);
    arguments[1] = array_of_parameters(e, function, &next, input_count(e));
    gather_outputs(e, function, &next, &arguments[2], &arguments[3]);
    arguments[4] = LLVMGetParam(function, next++);
    arguments[5] = LLVMGetParam(function, next++);
    arguments[WEIGHTS] = e->model->weights_embedded ? LLVMConstNull(ran_build_pointer_type(&e->b))
                                                    : LLVMGetParam(function, next);
    ran_build_return_i32(&e->b, ran_build_call(&e->b, e->run, arguments, RUN_PARAMETERS));
}

/* ---- Shapes of the outputs ----------------------------------------------------------- */

static const ran_dim *most_of(const entry *e, const ran_dim *dim)
{
    return ran_symbols_most(e->b.context, &e->model->codegen->symbols, dim);
}

static LLVMValueRef build_shapes(entry *e)
{
    LLVMTypeRef parameters[] = {ran_build_pointer_type(&e->b), ran_build_pointer_type(&e->b)};
    LLVMValueRef function = add_function(e, ".output_shapes", LLVMVoidTypeInContext(e->b.llvm),
                                         parameters, 2, false);
    ran_build_begin(&e->b, function);
    load_symbols(e, LLVMGetParam(function, 0));
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

static int64_t described_dim(const entry *e, const ran_dim *dim)
{
    if (ran_dim_is_constant(dim))
        return ran_dim_value(dim);
    for (size_t i = 0; i < e->b.symbol_count; i++)
        if (e->b.symbols[i] == dim)
            return -1 - (int64_t)i;
    return is_known(e, dim) ? RAN_DIM_EXPRESSION : RAN_DIM_DATA;
}

static LLVMValueRef dims_global(entry *e, const ran_type *type)
{
    LLVMValueRef dims[RAN_MAX_RANK];
    int rank = ran_type_rank(type);
    for (int i = 0; i < rank; i++)
        dims[i] = ran_build_i64(&e->b, described_dim(e, ran_type_dim(type, i)));
    return constant_global(e, LLVMConstArray2(ran_build_i64_type(&e->b), dims, (uint64_t)rank));
}

static LLVMValueRef describe_value(entry *e, const char *name, const ran_type *type)
{
    LLVMValueRef fields[] = {
        string_global(e, name),
        LLVMConstInt(i32_type(e), (unsigned)ran_elem_onnx(ran_type_elem(type)), false),
        LLVMConstInt(i32_type(e), (unsigned)ran_type_rank(type), false),
        dims_global(e, type),
    };
    return LLVMConstStructInContext(e->b.llvm, fields, 4, false);
}

static LLVMValueRef describe_values(entry *e, bool outputs)
{
    const ran_function *function = e->model->function;
    ran_region *body = ran_function_body(function);
    ran_op *ret = ran_region_terminator(body);
    size_t count = outputs ? ret->operand_count : ran_region_argument_count(body);
    LLVMValueRef *values = malloc((count + 1) * sizeof(*values));
    for (size_t i = 0; i < count; i++) {
        const ran_value *value =
            outputs ? ran_op_operand(ret, i) : ran_region_argument(body, i);
        const char *name =
            outputs ? ran_function_output_name(function, i) : ran_value_name(value);
        values[i] = describe_value(e, name ? name : "", ran_value_type(value));
    }
    LLVMTypeRef pointer = ran_build_pointer_type(&e->b);
    LLVMTypeRef fields[] = {pointer, i32_type(e), i32_type(e), pointer};
    LLVMTypeRef type = LLVMStructTypeInContext(e->b.llvm, fields, 4, false);
    LLVMValueRef array = LLVMConstArray2(type, values, count);
    free(values);
    return constant_global(e, array);
}

static LLVMValueRef symbol_names(entry *e)
{
    LLVMValueRef names[RAN_SPEC_MAX];
    for (size_t i = 0; i < e->b.symbol_count; i++)
        names[i] = string_global(e, ran_dim_name(e->b.symbols[i]));
    return constant_global(
        e, LLVMConstArray2(ran_build_pointer_type(&e->b), names, e->b.symbol_count));
}

/* Targets and what each needs, in the order in which they are tried. */
static LLVMValueRef describe_variants(entry *e, uint32_t *out_count)
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
            string_global(e, target->name),
            string_global(e, ran_cpu_feature_names(e->b.context, target->arch, v->cpu_features))};
        rows[(*out_count)++] = LLVMConstStructInContext(e->b.llvm, fields, 2, false);
    }
    return constant_global(e, LLVMConstArray2(type, rows, *out_count));
}

static void build_desc(entry *e)
{
    uint32_t variant_count;
    uint64_t weights_size =
        e->model->weights_embedded ? 0 : ran_memory_plan_weights_size(e->model->plan);
    LLVMValueRef variants = describe_variants(e, &variant_count);
    LLVMValueRef fields[] = {i32(e, RAN_ABI_VERSION),
                             i32(e, (int64_t)e->b.symbol_count),
                             i32(e, (int64_t)input_count(e)),
                             i32(e, (int64_t)return_op(e)->operand_count),
                             string_global(e, e->model->prefix),
                             string_global(e, e->model->targets),
                             symbol_names(e),
                             describe_values(e, false),
                             describe_values(e, true),
                             e->size,
                             e->run,
                             build_shapes(e),
                             ran_build_i64(&e->b, (int64_t)weights_size),
                             i32(e, variant_count),
                             variants,
                             e->variant,
                             e->unmet};
    unsigned count = sizeof(fields) / sizeof(*fields);
    LLVMValueRef desc =
        constant_global(e, LLVMConstStructInContext(e->b.llvm, fields, count, false));
    LLVMValueRef function =
        add_function(e, "_desc", ran_build_pointer_type(&e->b), NULL, 0, true);
    ran_build_begin(&e->b, function);
    ran_build_return_value(&e->b, desc);
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
    entry e = {.model = model,
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
    build_typed_size(&e);
    build_typed_run(&e);
    build_desc(&e);
    LLVMDisposeBuilder(e.b.builder);
    return RAN_OK;
}
