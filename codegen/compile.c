/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The steps of compiling a module, in order, and what is known afterwards. */
#include "codegen/model.h"

#include <stdlib.h>
#include <string.h>

#include "codegen/cpu/cpu.h"

/* The largest weights that go into the image when nothing is said. */
static const uint64_t EMBED_LIMIT = 1ull << 30;

/* ---- Names ------------------------------------------------------------------------------------------ */

static bool is_identifier_char(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_';
}

static bool is_reserved(const char *name)
{
    static const char *const words[] = {
#define RAN_RESERVED(word) #word,
#include "codegen/reserved.def"
#undef RAN_RESERVED
    };
    for (size_t i = 0; i < sizeof(words) / sizeof(*words); i++)
        if (!strcmp(words[i], name))
            return true;
    return false;
}

const char *ran_identifier(ran_context *context, const char *name)
{
    char buffer[256];
    size_t n = 0;
    bool prefix = !name || !*name || (*name >= '0' && *name <= '9') || is_reserved(name);
    n += (size_t)snprintf(buffer, sizeof(buffer), "%s", prefix ? "arg_" : "");
    for (const char *p = name ? name : ""; *p && n + 1 < sizeof(buffer); p++)
        buffer[n++] = is_identifier_char(*p) ? *p : '_';
    return ran_intern_n(context, buffer, n);
}

static size_t input_count(const ran_compiled *model)
{
    return ran_region_argument_count(ran_function_body(model->function));
}

static size_t value_count(const ran_compiled *model)
{
    const ran_op *end = ran_region_terminator(ran_function_body(model->function));
    return input_count(model) + end->operand_count;
}

/* Of the parameters: inputs, outputs, sizes. */
static const char *raw_name(const ran_compiled *model, size_t index)
{
    size_t inputs = input_count(model), values = value_count(model);
    if (index >= values)
        return ran_dim_name(model->codegen->symbols.items[index - values]);
    return index < inputs
               ? ran_value_name(ran_region_argument(ran_function_body(model->function), index))
               : ran_function_output_name(model->function, index - inputs);
}

static bool is_used(const ran_compiled *model, const char *identifier, size_t count)
{
    for (size_t i = 0; i < count; i++)
        if (ran_identifier(model->context, raw_name(model, i)) == identifier)
            return true;
    return false;
}

/* Two names may become one identifier: the later ones get their number. */
static const char *unique_identifier(const ran_compiled *model, size_t index)
{
    const char *name = ran_identifier(model->context, raw_name(model, index));
    size_t rivals = index;
    while (is_used(model, name, rivals)) {
        name = ran_intern_printf(model->context, "%s_%zu", name, index);
        rivals = value_count(model) + model->codegen->symbols.argument_count;
    }
    return name;
}

const char *ran_input_identifier(const ran_compiled *model, size_t index)
{
    return unique_identifier(model, index);
}

const char *ran_output_identifier(const ran_compiled *model, size_t index)
{
    return unique_identifier(model, input_count(model) + index);
}

const char *ran_size_identifier(const ran_compiled *model, size_t index)
{
    return unique_identifier(model, value_count(model) + index);
}

/* ---- Steps ---------------------------------------------------------------------------------------------- */

static size_t count_kernels(const ran_function *function)
{
    size_t count = 0;
    for (ran_op *op = ran_region_first(ran_function_body(function)); op; op = ran_op_next(op))
        count += op->opcode == RAN_OP_KERNEL;
    return count;
}

static ran_status find_entry(ran_compiled *model)
{
    const char *entry = model->options.entry;
    model->function = entry ? ran_module_find_function(model->module, entry)
                            : ran_module_first_function(model->module);
    if (!model->function)
        return ran_error(model->context, RAN_INVALID, "the module has no function%s%s",
                         entry ? " " : "", entry ? entry : "");
    return RAN_OK;
}

/* ---- One target ------------------------------------------------------------------------------------ */

static ran_status lower_and_plan(ran_compiled *model)
{
    const ran_symbols *symbols = &model->codegen->symbols;
    ran_symbols_collect(model->function, &model->codegen->symbols);
    ran_status status = ran_check_types(model->function, symbols);
    if (!status)
        status = ran_lower(model->function, &model->codegen->target, &model->options);
    if (!status)
        status = ran_parts_create(model->function, symbols, &model->parts);
    if (!status)
        model->plan = model->parts->plan;
    if (!status)
        model->kernels = calloc(count_kernels(model->function) + 1, sizeof(*model->kernels));
    return status;
}

static ran_status create_variant(ran_module *module, const ran_compile_options *options,
                                 const ran_target *target, ran_compiled **out_variant)
{
    ran_context *context = ran_module_context(module);
    ran_compiled *variant = calloc(1, sizeof(*variant));
    if (!variant)
        return ran_error(context, RAN_INVALID, "out of memory");
    variant->context = context;
    variant->module = module;
    variant->options = *options;
    variant->prefix = ran_identifier(context, options->prefix ? options->prefix : "model");
    *out_variant = variant;
    ran_status status = find_entry(variant);
    if (!status)
        status = ran_codegen_create(context, target, &variant->codegen);
    if (!status)
        variant->codegen->target.winograd = options->winograd;
    if (!status)
        variant->codegen->cache = ran_kernel_cache_open(options->kernel_cache);
    return status ? status : ran_cpu_required(context, target, &variant->cpu_features);
}

/* ---- All targets ------------------------------------------------------------------------------------ */

/* The most demanding one first; those that ask for as much stay in the order of the list. */
static void insert_variant(ran_compiled **list, ran_compiled *variant)
{
    int bits = __builtin_popcountll(variant->cpu_features);
    while (*list && __builtin_popcountll((*list)->cpu_features) >= bits)
        list = &(*list)->next_variant;
    variant->next_variant = *list;
    *list = variant;
}

/* Profiles number the kernels of one target: the one that this machine would run. */
static ran_status pick_for_this_machine(ran_context *context, const ran_target *targets,
                                        size_t count, size_t *out_index)
{
    ran_target host;
    uint64_t have = 0, needs = 0;
    int best = -1;
    ran_status status = ran_target_find(context, "native", NULL, NULL, &host);
    if (!status)
        status = ran_cpu_required(context, &host, &have);
    *out_index = 0;
    for (size_t i = 0; !status && i < count; i++) {
        status = ran_cpu_required(context, &targets[i], &needs);
        int bits = __builtin_popcountll(needs);
        if (!status && !(needs & ~have) && bits > best) {
            best = bits;
            *out_index = i;
        }
    }
    return status;
}

/* Each target lowers a module of its own. */
static ran_status create_variants(ran_module *module, const ran_compile_options *options,
                                  const ran_target *targets, size_t count,
                                  ran_compiled **out_first)
{
    ran_status status = RAN_OK;
    for (size_t i = 0; !status && i < count; i++) {
        ran_module *own = i + 1 < count ? ran_module_clone(module) : NULL;
        ran_compiled *variant = NULL;
        status = create_variant(own ? own : module, options, &targets[i], &variant);
        if (variant) {
            variant->own_module = own;
            insert_variant(out_first, variant);
        }
    }
    return status;
}

/* The constants of all parts and targets are among the first plan's. */
static void share_weights(const ran_compiled *variant, ran_memory_plan *weights)
{
    for (ran_part *part = variant->parts; part; part = part->next)
        if (part->plan != weights)
            ran_memory_plan_share_weights(part->plan, weights);
}

static ran_status generate_all(ran_compiled *model)
{
    ran_status status = RAN_OK;
    for (ran_compiled *v = model; !status && v; v = v->next_variant) {
        v->codegen->target.weights = v == model ? NULL : &model->codegen->target;
        status = lower_and_plan(v);
        if (!status)
            share_weights(v, model->plan);
    }
    if (status)
        return status;
    uint64_t weights = ran_memory_plan_weights_size(model->plan);
    model->weights_embedded =
        model->options.weights == RAN_WEIGHTS_EMBED ||
        (model->options.weights == RAN_WEIGHTS_AUTO && weights <= EMBED_LIMIT);
    for (ran_compiled *v = model; !status && v; v = v->next_variant)
        status = ran_driver_build(v);
    return status ? status : ran_entry_build(model);
}

ran_status ran_compile(ran_module *module, const ran_compile_options *options,
                       ran_compiled **out_compiled)
{
    ran_context *context = ran_module_context(module);
    const char *names = options->target ? options->target : "native";
    ran_target targets[RAN_TARGETS_MAX];
    ran_compiled *model = NULL;
    size_t count = 0, first = 0;
    ran_status status =
        ran_targets_find(context, names, options->cpu, options->features, targets, &count);
    if (!status && options->profile && count > 1) {
        status = pick_for_this_machine(context, targets, count, &first);
        count = 1;
    }
    if (!status)
        status = create_variants(module, options, targets + first, count, &model);
    if (!status) {
        model->targets = ran_intern(context, names);
        status = generate_all(model);
    }
    if (status)
        ran_compiled_destroy(model);
    else
        *out_compiled = model;
    return status;
}

void ran_compiled_destroy(ran_compiled *model)
{
    if (!model)
        return;
    ran_compiled *next = model->next_variant;
    ran_jit_destroy(model);
    if (model->llvm)
        LLVMDisposeModule(model->llvm);
    ran_codegen_destroy(model->codegen);
    ran_parts_destroy(model->parts);
    ran_module_destroy(model->own_module);
    free(model->kernels);
    free(model);
    ran_compiled_destroy(next);
}

/* ---- What is known afterwards ------------------------------------------------------------------------------ */

static int64_t constant_or_unknown(const ran_dim *dim)
{
    return ran_dim_is_constant(dim) ? ran_dim_value(dim) : -1;
}

int64_t ran_compiled_workspace(const ran_compiled *model)
{
    return constant_or_unknown(ran_parts_workspace(model->parts));
}

int64_t ran_compiled_live_peak(const ran_compiled *model)
{
    return constant_or_unknown(ran_memory_plan_live_peak(model->plan));
}

uint64_t ran_compiled_weights_size(const ran_compiled *model)
{
    return ran_memory_plan_weights_size(model->plan);
}

void ran_compiled_memory_report(const ran_compiled *model, FILE *stream)
{
    for (const ran_part *part = model->parts; part; part = part->next) {
        if (part != model->parts)
            fprintf(stream, "\n@%s, from offset %s\n", ran_function_name(part->function),
                    ran_dim_text(model->context, part->offset));
        ran_memory_plan_report(part->plan, stream);
    }
}

size_t ran_compiled_buffer_count(const ran_compiled *model)
{
    return ran_memory_plan_buffer_count(model->plan);
}

ran_planned_buffer ran_compiled_buffer_at(const ran_compiled *model, size_t index)
{
    return ran_memory_plan_buffer(model->plan, index);
}

size_t ran_compiled_kernel_count(const ran_compiled *model)
{
    return model->kernel_count;
}

const char *ran_compiled_kernel_node(const ran_compiled *model, size_t index)
{
    const char *name = ran_location_name(ran_op_location(model->kernels[index]));
    return name ? name : "";
}

double ran_compiled_kernel_seconds(const ran_compiled *model, size_t index)
{
    return ran_kernel_seconds(model->kernels[index], &model->codegen->target);
}

const char *ran_compiled_kernel_schedule(const ran_compiled *model, size_t index)
{
    return ran_op_string(model->kernels[index], "schedule");
}
