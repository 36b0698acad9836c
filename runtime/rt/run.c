/* SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception */
/* Running a described model on tensors: symbols from shapes, outputs, workspace. */
#include "call.h"

#include "tensor_format.h"

#include <stdlib.h>
#include <string.h>

static int bind_dim(const struct ran_model_desc *desc, const struct ran_value_desc *value, int axis,
                    int64_t extent, int64_t *symbols, struct ran_rt_error *error)
{
    int64_t expected = value->dims[axis];
    if (expected >= 0 && extent != expected)
        return ran_rt_fail(error, "input %s: dimension %d is %lld, the model has %lld", value->name,
                           axis, (long long)extent, (long long)expected);
    if (expected >= 0 || expected == RAN_DIM_EXPRESSION)
        return 0;
    int64_t *symbol = &symbols[-1 - expected];
    if (*symbol >= 0 && *symbol != extent)
        return ran_rt_fail(error, "input %s: dimension %d is %lld, but %s is %lld already",
                           value->name, axis, (long long)extent, desc->symbols[-1 - expected],
                           (long long)*symbol);
    *symbol = extent;
    return 0;
}

static int bind_input(const struct ran_model_desc *desc, const struct ran_value_desc *value,
                      const struct ran_rt_tensor *tensor, int64_t *symbols,
                      struct ran_rt_error *error)
{
    if (tensor->elem != value->elem)
        return ran_rt_fail(error, "input %s: its element type is %d, the model has %d",
                           value->name, (int)tensor->elem, (int)value->elem);
    if (tensor->rank != value->rank)
        return ran_rt_fail(error, "input %s: its rank is %d, the model has %d", value->name,
                           (int)tensor->rank, (int)value->rank);
    for (int axis = 0; axis < tensor->rank; axis++)
        if (bind_dim(desc, value, axis, tensor->dims[axis], symbols, error))
            return -1;
    return 0;
}

/* "...: M and N differ (N = 3, M = 4)" */
static int check_sizes(const struct ran_model_desc *desc, const int64_t *symbols,
                       struct ran_rt_error *error)
{
    const char *unmet = desc->unmet(symbols);
    char values[256] = "";
    size_t length = 0;
    if (!unmet)
        return 0;
    for (uint32_t i = 0; i < desc->symbol_count && length < sizeof values; i++)
        length += (size_t)snprintf(values + length, sizeof values - length, "%s%s = %lld",
                                   i ? ", " : "", desc->symbols[i], (long long)symbols[i]);
    return ran_rt_fail(error, "%s (%s)", unmet, values);
}

int ran_rt_bind(const struct ran_model_desc *desc, const struct ran_rt_tensor *inputs,
                int64_t *out_symbols, struct ran_rt_error *error)
{
    for (uint32_t i = 0; i < desc->symbol_count; i++)
        out_symbols[i] = -1;
    for (uint32_t i = 0; i < desc->input_count; i++)
        if (bind_input(desc, &desc->inputs[i], &inputs[i], out_symbols, error))
            return -1;
    return check_sizes(desc, out_symbols, error);
}

static size_t dims_of_outputs(const struct ran_model_desc *desc)
{
    size_t count = 0;
    for (uint32_t i = 0; i < desc->output_count; i++)
        count += (size_t)desc->outputs[i].rank;
    return count;
}

int ran_rt_create_outputs(const struct ran_model_desc *desc, const int64_t *symbols,
                          struct ran_rt_tensor *out_outputs, struct ran_rt_error *error)
{
    int64_t *dims = calloc(dims_of_outputs(desc) + 1, sizeof *dims), *next = dims;
    if (!dims)
        return ran_rt_fail(error, "out of memory");
    desc->output_shapes(symbols, dims);
    memset(out_outputs, 0, desc->output_count * sizeof *out_outputs);
    int status = 0;
    for (uint32_t i = 0; !status && i < desc->output_count; i++) {
        status = ran_rt_tensor_create(&out_outputs[i], desc->outputs[i].elem,
                                      desc->outputs[i].rank, next, error);
        next += desc->outputs[i].rank;
    }
    free(dims);
    return status;
}

static int fail_run(const struct ran_model_desc *desc, int code, struct ran_rt_error *error)
{
    switch (code) {
    case RAN_RUN_CPU:
        return ran_rt_fail(error, "this CPU lacks an instruction set that the model was compiled "
                                  "for (--target=%s)",
                           desc->target);
    case RAN_RUN_INDEX:
        return ran_rt_fail(error, "an index in the data is out of range");
    case RAN_RUN_CAPACITY:
        return ran_rt_fail(error, "an output is larger than its buffer");
    case RAN_RUN_SHAPE:
        return ran_rt_fail(error, "sizes don't fit together");
    default:
        return ran_rt_fail(error, "the model failed with code %d", code);
    }
}

int ran_rt_call_prepare(const struct ran_model_desc *desc, const int64_t *symbols,
                        const struct ran_rt_tensor *inputs, struct ran_rt_tensor *outputs,
                        unsigned slots, struct ran_rt_call *out_call, struct ran_rt_error *error)
{
    struct ran_rt_call *c = out_call;
    *c = (struct ran_rt_call){.symbols = symbols};
    c->inputs = calloc(desc->input_count + 1, sizeof *c->inputs);
    c->outputs = calloc(desc->output_count + 1, sizeof *c->outputs);
    c->capacities = calloc(desc->output_count + 1, sizeof *c->capacities);
    c->shapes = calloc(desc->output_count + 1, sizeof *c->shapes);
    c->workspace = malloc(desc->workspace_size(symbols, slots) + 1);
    if (!c->inputs || !c->outputs || !c->capacities || !c->shapes || !c->workspace)
        return ran_rt_fail(error, "out of memory");
    for (uint32_t i = 0; i < desc->input_count; i++)
        c->inputs[i] = inputs[i].data;
    for (uint32_t i = 0; i < desc->output_count; i++) {
        c->outputs[i] = outputs[i].data;
        c->capacities[i] = (size_t)outputs[i].numel;
        c->shapes[i] = outputs[i].dims;
    }
    return 0;
}

void ran_rt_call_clear(struct ran_rt_call *call)
{
    free(call->inputs);
    free(call->outputs);
    free(call->capacities);
    free(call->shapes);
    free(call->workspace);
}

int ran_rt_call_run(const struct ran_model_desc *desc, const struct ran_rt_call *call,
                    const struct ran_parallel *parallel, const void *weights)
{
    struct ran_output_sizes sizes = {call->capacities, call->shapes};
    return desc->run(call->symbols, call->inputs, call->outputs, &sizes, call->workspace, parallel,
                     weights);
}

/* A run may have found that there is less than there is room for. */
static void count_elements(struct ran_rt_tensor *tensor)
{
    tensor->numel = 1;
    for (int axis = 0; axis < tensor->rank; axis++)
        tensor->numel *= tensor->dims[axis];
    tensor->bytes = ((size_t)tensor->numel * (size_t)ran_rt_elem_bits(tensor->elem) + 7) / 8;
}

static int run_bound(const struct ran_model_desc *desc, const void *weights,
                     const int64_t *symbols, const struct ran_rt_tensor *inputs,
                     struct ran_rt_tensor *outputs, const struct ran_parallel *parallel,
                     struct ran_rt_error *error)
{
    struct ran_rt_call call;
    unsigned slots = parallel ? parallel->slots : 1;
    int status = ran_rt_call_prepare(desc, symbols, inputs, outputs, slots, &call, error);
    int code = status ? 0 : ran_rt_call_run(desc, &call, parallel, weights);
    ran_rt_call_clear(&call);
    for (uint32_t i = 0; i < desc->output_count; i++)
        count_elements(&outputs[i]);
    return code ? fail_run(desc, code, error) : status;
}

int ran_rt_run(const struct ran_model_desc *desc, const void *weights,
               const struct ran_rt_tensor *inputs, struct ran_rt_tensor *out_outputs,
               const struct ran_parallel *parallel, struct ran_rt_error *error)
{
    int64_t *symbols = calloc(desc->symbol_count + 1, sizeof *symbols);
    if (!symbols)
        return ran_rt_fail(error, "out of memory");
    memset(out_outputs, 0, desc->output_count * sizeof *out_outputs);
    int status = ran_rt_bind(desc, inputs, symbols, error);
    if (!status)
        status = ran_rt_create_outputs(desc, symbols, out_outputs, error);
    if (!status)
        status = run_bound(desc, weights, symbols, inputs, out_outputs, parallel, error);
    for (uint32_t i = 0; status && i < desc->output_count; i++)
        ran_rt_tensor_clear(&out_outputs[i]);
    free(symbols);
    return status;
}
