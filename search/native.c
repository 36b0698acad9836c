/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Compiled functions on plain buffers. */
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "ir/ir.h"
#include "ir/noise.h"
#include "search/model.h"

struct ran_native {
    ran_context *context;
    ran_module *module;
    ran_compiled *compiled;
    const struct ran_model_desc *desc;
    const void *weights;
    void *workspace;
    int64_t batch, input_numel;
    float *input;    /* noise, for timing */
    float **scratch; /* outputs that nobody asks for */
    int64_t *numels;
    size_t output_count;
};

static void *allocate(size_t bytes)
{
    bytes = (bytes + 63) / 64 * 64;
    void *memory = aligned_alloc(64, bytes ? bytes : 64);
    if (memory)
        memset(memory, 0, bytes);
    return memory;
}

static ran_status no_memory(ran_context *context)
{
    return ran_error(context, RAN_INVALID, "not enough memory");
}

static ran_status check_type(ran_context *context, const ran_type *type)
{
    if (ran_type_is_static(type) && ran_type_elem(type) == RAN_ELEM_F32)
        return RAN_OK;
    return ran_error(context, RAN_UNSUPPORTED, "expected an f32 tensor of known shape, not %s",
                     ran_type_text(context, type));
}

static ran_status create_buffers(ran_native *n)
{
    const ran_region *body = ran_function_body(ran_module_first_function(n->module));
    const ran_op *end = ran_region_terminator(body);
    if (ran_region_argument_count(body) != 1)
        return ran_error(n->context, RAN_UNSUPPORTED, "expected a model of one input");
    const ran_type *input = ran_value_type(ran_region_argument(body, 0));
    ran_status status = check_type(n->context, input);
    n->output_count = ran_op_operand_count(end);
    n->scratch = calloc(n->output_count + 1, sizeof *n->scratch);
    n->numels = calloc(n->output_count + 1, sizeof *n->numels);
    if (!n->scratch || !n->numels)
        return no_memory(n->context);
    for (size_t i = 0; i < n->output_count && status == RAN_OK; i++) {
        const ran_type *type = ran_value_type(ran_op_operand(end, i));
        status = check_type(n->context, type);
        if (status != RAN_OK)
            break;
        n->numels[i] = ran_type_numel(type);
        n->scratch[i] = allocate((size_t)n->numels[i] * sizeof(float));
        if (!n->scratch[i])
            status = no_memory(n->context);
    }
    if (status != RAN_OK)
        return status;
    n->input_numel = ran_type_numel(input);
    n->batch = ran_type_rank(input) ? ran_type_extent(input, 0) : 1;
    n->input = allocate((size_t)n->input_numel * sizeof(float));
    if (!n->input)
        return no_memory(n->context);
    for (int64_t i = 0; i < n->input_numel; i++)
        n->input[i] = (float)ran_noise_value(1, (uint64_t)i);
    return RAN_OK;
}

static ran_status compile(ran_native *n, const char *target)
{
    ran_compile_options options = {
        .target = target, .weights = RAN_WEIGHTS_FILE, .winograd = true};
    ran_status status = ran_search_optimize(n->module, target, "3");
    if (status == RAN_OK)
        status = create_buffers(n);
    if (status == RAN_OK)
        status = ran_compile(n->module, &options, &n->compiled);
    if (status == RAN_OK)
        status = ran_compiled_load(n->compiled, &n->desc, &n->weights);
    if (status != RAN_OK)
        return status;
    n->workspace = allocate(n->desc->workspace_size(NULL, 1));
    return n->workspace ? RAN_OK : no_memory(n->context);
}

ran_status ran_native_create(const ran_module *module, const char *target, ran_native **out_native)
{
    ran_native *n = calloc(1, sizeof *n);
    ran_context *context = ran_module_context(module);
    if (!n)
        return no_memory(context);
    n->context = context;
    n->module = ran_module_clone(module);
    ran_status status = compile(n, target);
    if (status != RAN_OK)
        ran_native_destroy(n);
    else
        *out_native = n;
    return status;
}

ran_status ran_native_create_batch(const ran_module *module, int64_t batch, ran_native **out_native)
{
    ran_module *copy = ran_module_clone(module);
    ran_status status = ran_search_set_batch(copy, batch);
    if (status == RAN_OK)
        status = ran_native_create(copy, NULL, out_native);
    ran_module_destroy(copy);
    return status;
}

void ran_native_destroy(ran_native *n)
{
    if (!n)
        return;
    for (size_t i = 0; n->scratch && i < n->output_count; i++)
        free(n->scratch[i]);
    free(n->scratch);
    free(n->numels);
    free(n->input);
    free(n->workspace);
    ran_compiled_destroy(n->compiled);
    ran_module_destroy(n->module);
    free(n);
}

ran_status ran_native_run(ran_native *n, const float *input, float *const *outputs)
{
    const void *inputs[] = {input};
    void *results[256];
    if (n->output_count > sizeof results / sizeof *results)
        return ran_error(n->context, RAN_UNSUPPORTED, "too many outputs");
    for (size_t i = 0; i < n->output_count; i++)
        results[i] = outputs && outputs[i] ? outputs[i] : n->scratch[i];
    int code = n->desc->run(NULL, inputs, results, n->workspace, NULL, n->weights);
    return code == RAN_RUN_OK
               ? RAN_OK
               : ran_error(n->context, RAN_INVALID, "the compiled model failed with code %d", code);
}

/* A batch that is not full goes through a copy, so that nothing behind the images is read. */
static ran_status run_batch(ran_native *n, const float *x, int64_t count, float *copy,
                            float *const *ys, int64_t at)
{
    int64_t numel = n->input_numel / n->batch;
    if (count < n->batch)
        x = memcpy(copy, x, (size_t)(count * numel) * sizeof *copy);
    ran_status status = ran_native_run(n, x, NULL);
    for (size_t i = 0; i < n->output_count && status == RAN_OK; i++) {
        int64_t size = n->numels[i] / n->batch;
        memcpy(ys[i] + at * size, n->scratch[i], (size_t)(count * size) * sizeof(float));
    }
    return status;
}

ran_status ran_native_run_all(ran_native *n, const float *x, int64_t count, float *const *ys)
{
    float *copy = allocate((size_t)n->input_numel * sizeof *copy);
    ran_status status = copy ? RAN_OK : no_memory(n->context);
    for (int64_t at = 0; at < count && status == RAN_OK; at += n->batch) {
        int64_t now = count - at < n->batch ? count - at : n->batch;
        status = run_batch(n, x + at * (n->input_numel / n->batch), now, copy, ys, at);
    }
    free(copy);
    return status;
}

int64_t ran_native_input_numel(const ran_native *n)
{
    return n->input_numel;
}

int64_t ran_native_output_numel(const ran_native *n, size_t index)
{
    return n->numels[index];
}

int64_t ran_native_time(ran_native *n)
{
    struct timespec start, end;
    const void *inputs[] = {n->input};
    clock_gettime(CLOCK_MONOTONIC, &start);
    n->desc->run(NULL, inputs, (void *const *)n->scratch, n->workspace, NULL, n->weights);
    clock_gettime(CLOCK_MONOTONIC, &end);
    return (end.tv_sec - start.tv_sec) * INT64_C(1000000000) + end.tv_nsec - start.tv_nsec;
}
