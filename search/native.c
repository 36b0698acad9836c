/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Compiled functions of one input on plain f32 buffers. */
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "ir/ir.h"
#include "ir/noise.h"
#include "runtime/train/train.h"
#include "search/model.h"

struct ran_native {
    ran_engine *engine;
    int64_t batch, input_numel;
    float *noise; /* for timing */
};

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

static const ran_type *output_type(const ran_engine *engine, size_t index)
{
    const ran_region *body = ran_function_body(ran_module_first_function(engine->source));
    return ran_value_type(ran_op_operand(ran_region_terminator(body), index));
}

static ran_status check_types(const ran_engine *e)
{
    if (e->input_count != 1)
        return ran_error(e->context, RAN_UNSUPPORTED, "expected a model of one input");
    ran_status status = check_type(e->context, ran_engine_input_type(e, 0));
    for (size_t i = 0; i < e->output_count && status == RAN_OK; i++)
        status = check_type(e->context, output_type(e, i));
    return status;
}

static ran_status make_noise(ran_native *n)
{
    const ran_type *input = ran_engine_input_type(n->engine, 0);
    n->input_numel = ran_type_numel(input);
    n->batch = ran_type_rank(input) ? ran_type_extent(input, 0) : 1;
    n->noise = aligned_alloc(64, ((size_t)n->input_numel * sizeof *n->noise + 64) / 64 * 64);
    if (!n->noise)
        return no_memory(n->engine->context);
    for (int64_t i = 0; i < n->input_numel; i++)
        n->noise[i] = (float)ran_noise_value(1, (uint64_t)i);
    return RAN_OK;
}

ran_status ran_native_create(const ran_module *module, const char *target, ran_native **out_native)
{
    ran_context *context = ran_module_context(module);
    ran_native *n = calloc(1, sizeof *n);
    ran_module *copy = ran_module_clone(module);
    ran_status status = n ? ran_search_optimize(copy, target, "3") : no_memory(context);
    if (status != RAN_OK) {
        ran_module_destroy(copy);
        free(n);
        return status;
    }
    status = ran_engine_create(context, copy, &(ran_engine_options){.target = target}, &n->engine);
    if (status == RAN_OK)
        status = check_types(n->engine);
    if (status == RAN_OK)
        status = make_noise(n);
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
    if (n->engine)
        ran_engine_destroy(n->engine);
    free(n->noise);
    free(n);
}

ran_status ran_native_run(ran_native *n, const float *input, float *const *outputs)
{
    ran_engine *e = n->engine;
    e->inputs[0] = input;
    for (size_t i = 0; i < e->output_count; i++)
        e->outputs[i] = outputs && outputs[i] ? outputs[i] : e->scratch[i];
    return ran_engine_run(e, NULL);
}

/* A batch that is not full goes through a copy, so that nothing behind the images is read. */
static ran_status run_batch(ran_native *n, const float *x, int64_t count, float *copy,
                            float *const *ys, int64_t at)
{
    int64_t numel = n->input_numel / n->batch;
    if (count < n->batch)
        x = memcpy(copy, x, (size_t)(count * numel) * sizeof *copy);
    ran_status status = ran_native_run(n, x, NULL);
    for (size_t i = 0; i < n->engine->output_count && status == RAN_OK; i++) {
        int64_t size = ran_native_output_numel(n, i) / n->batch;
        memcpy(ys[i] + at * size, n->engine->outputs[i], (size_t)(count * size) * sizeof(float));
    }
    return status;
}

ran_status ran_native_run_all(ran_native *n, const float *x, int64_t count, float *const *ys)
{
    float *copy = calloc((size_t)n->input_numel + 1, sizeof *copy);
    ran_status status = copy ? RAN_OK : no_memory(n->engine->context);
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
    return ran_type_numel(output_type(n->engine, index));
}

ran_status ran_native_time(ran_native *n, int64_t *out_nanoseconds)
{
    struct timespec start, end;
    clock_gettime(CLOCK_MONOTONIC, &start);
    ran_status status = ran_native_run(n, n->noise, NULL);
    clock_gettime(CLOCK_MONOTONIC, &end);
    *out_nanoseconds =
        (end.tv_sec - start.tv_sec) * INT64_C(1000000000) + end.tv_nsec - start.tv_nsec;
    return status;
}
