/* SPDX-License-Identifier: GPL-3.0-or-later */
/* A function of the IR that runs on plain buffers: compiled in this process, or interpreted. */
#include "runtime/train/train.h"

#include <stdlib.h>
#include <string.h>

static ran_function *function_of(const ran_engine *engine)
{
    return ran_module_first_function(engine->source);
}

static const ran_value *argument_of(const ran_engine *engine, size_t index)
{
    return ran_region_argument(ran_function_body(function_of(engine)), index);
}

const ran_type *ran_engine_input_type(const ran_engine *engine, size_t index)
{
    return ran_value_type(argument_of(engine, index));
}

const char *ran_engine_input_name(const ran_engine *engine, size_t index)
{
    return ran_value_name(argument_of(engine, index));
}

static const ran_type *output_type(const ran_engine *engine, size_t index)
{
    const ran_op *end = ran_region_terminator(ran_function_body(function_of(engine)));
    return ran_value_type(ran_op_operand(end, index));
}

int ran_engine_find_input(const ran_engine *engine, const char *name)
{
    for (size_t i = 0; i < engine->input_count; i++) {
        if (!strcmp(ran_engine_input_name(engine, i), name))
            return (int)i;
    }
    return -1;
}

int ran_engine_find_output(const ran_engine *engine, const char *name)
{
    for (size_t i = 0; i < engine->output_count; i++) {
        if (!strcmp(ran_function_output_name(function_of(engine), i), name))
            return (int)i;
    }
    return -1;
}

/* ---- Creation ------------------------------------------------------------------------------------------ */

static void *allocate(size_t bytes)
{
    bytes = (bytes + 63) / 64 * 64;
    void *memory = aligned_alloc(64, bytes ? bytes : 64);
    if (memory)
        memset(memory, 0, bytes);
    return memory;
}

static ran_status create_buffers(ran_engine *e)
{
    const ran_region *body = ran_function_body(function_of(e));
    e->input_count = ran_region_argument_count(body);
    e->output_count = ran_op_operand_count(ran_region_terminator(body));
    e->inputs = calloc(e->input_count + 1, sizeof(*e->inputs));
    e->outputs = calloc(e->output_count + 1, sizeof(*e->outputs));
    e->scratch = calloc(e->output_count + 1, sizeof(*e->scratch));
    if (!e->inputs || !e->outputs || !e->scratch)
        return ran_error(e->context, RAN_INVALID, "out of memory");
    for (size_t i = 0; i < e->output_count; i++) {
        const ran_type *type = output_type(e, i);
        if (!ran_type_is_static(type))
            return ran_error(e->context, RAN_UNSUPPORTED,
                             "result '%s' has no fixed size: %s",
                             ran_function_output_name(function_of(e), i),
                             ran_type_text(e->context, type));
    }
    return RAN_OK;
}

static ran_status compile(ran_engine *e, const ran_engine_options *options)
{
    ran_compile_options compile = {
        .target = options->target, .weights = RAN_WEIGHTS_FILE, .winograd = true};
    e->lowered = ran_module_clone(e->source);
    ran_status status = ran_compile(e->lowered, &compile, &e->compiled);
    if (!status)
        status = ran_compiled_load(e->compiled, &e->desc, &e->weights);
    if (status)
        return status;
    size_t bytes = e->desc->workspace_size(NULL, options->slots ? options->slots : 1);
    e->workspace = allocate(bytes);
    return e->workspace
               ? RAN_OK
               : ran_error(e->context, RAN_INVALID, "no memory for %zu bytes of workspace", bytes);
}

ran_status ran_engine_create(ran_context *context, ran_module *module,
                             const ran_engine_options *options, ran_engine **out_engine)
{
    ran_engine *e = calloc(1, sizeof(*e));
    *out_engine = NULL;
    if (!e) {
        ran_module_destroy(module);
        return ran_error(context, RAN_INVALID, "out of memory");
    }
    e->context = context;
    e->source = module;
    ran_status status = create_buffers(e);
    if (!status && !options->interpret)
        status = compile(e, options);
    if (status)
        ran_engine_destroy(e);
    else
        *out_engine = e;
    return status;
}

void ran_engine_destroy(ran_engine *e)
{
    if (!e)
        return;
    for (size_t i = 0; e->scratch && i < e->output_count; i++)
        free(e->scratch[i]);
    free(e->scratch);
    free(e->inputs);
    free(e->outputs);
    free(e->workspace);
    ran_compiled_destroy(e->compiled);
    if (e->lowered)
        ran_module_destroy(e->lowered);
    ran_module_destroy(e->source);
    free(e);
}

static const char *state_name(const ran_state *state, const char *name, bool averaged)
{
    char average[512];
    if (!averaged)
        return name;
    snprintf(average, sizeof(average), "%s" RAN_STEP_AVERAGE, name);
    const ran_buffer *b = ran_state_find(state, average);
    return b ? b->name : name;
}

void ran_engine_bind_state(ran_engine *e, const ran_state *state, bool averaged)
{
    for (size_t i = 0; i < e->input_count; i++) {
        const char *name = state_name(state, ran_engine_input_name(e, i), averaged);
        const ran_buffer *b = ran_state_find(state, name);
        if (b)
            e->inputs[i] = b->data;
    }
    for (size_t i = 0; i < e->output_count; i++) {
        const ran_buffer *b =
            ran_state_find(state, ran_function_output_name(function_of(e), i));
        if (b && ran_engine_find_input(e, b->name) >= 0)
            e->outputs[i] = b->data;
    }
}

/* ---- Runs ------------------------------------------------------------------------------------------------ */

static ran_tensor *wrap_input(const ran_engine *e, size_t index)
{
    const ran_type *type = ran_engine_input_type(e, index);
    int64_t dims[RAN_MAX_RANK];
    int rank = ran_type_rank(type);
    for (int i = 0; i < rank; i++)
        dims[i] = ran_type_extent(type, i);
    return ran_tensor_wrap(ran_type_elem(type), rank, dims, (void *)e->inputs[index], NULL, NULL);
}

static ran_status interpret(ran_engine *e)
{
    const ran_tensor **inputs = calloc(e->input_count + 1, sizeof(*inputs));
    ran_tensor **results = calloc(e->output_count + 1, sizeof(*results));
    for (size_t i = 0; i < e->input_count; i++)
        inputs[i] = wrap_input(e, i);
    ran_status status =
        ran_evaluate(function_of(e), inputs, e->input_count, results, e->output_count);
    for (size_t i = 0; i < e->input_count; i++)
        ran_tensor_release((ran_tensor *)inputs[i]);
    for (size_t i = 0; i < e->output_count && !status; i++) {
        memcpy(e->outputs[i], ran_tensor_data(results[i]), ran_tensor_bytes(results[i]));
        ran_tensor_release(results[i]);
    }
    free(inputs);
    free(results);
    return status;
}

ran_status ran_engine_run(ran_engine *e, const struct ran_parallel *parallel)
{
    for (size_t i = 0; i < e->input_count; i++) {
        if (!e->inputs[i])
            return ran_error(e->context, RAN_UNSUPPORTED,
                             "nothing feeds the input '%s'; a ramp feeds scalars, the data the first "
                             "input",
                             ran_engine_input_name(e, i));
    }
    for (size_t i = 0; i < e->output_count; i++) {
        if (e->outputs[i])
            continue;
        e->scratch[i] = allocate((size_t)ran_type_storage_bytes(output_type(e, i)));
        if (!(e->outputs[i] = e->scratch[i]))
            return ran_error(e->context, RAN_INVALID, "out of memory");
    }
    if (!e->compiled)
        return interpret(e);
    int code = e->desc->run(NULL, e->inputs, e->outputs, NULL, e->workspace, parallel, e->weights);
    if (code == RAN_RUN_INDEX)
        return ran_error(e->context, RAN_INVALID, "an index in the data is out of range");
    return code ? ran_error(e->context, RAN_INTERNAL, "the compiled step failed (%d)", code)
                : RAN_OK;
}
