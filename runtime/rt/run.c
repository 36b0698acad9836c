/* SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception */
/* Running a described model on tensors: symbols from shapes, outputs, workspace. */
#include "tensor_format.h"

#include <ran/rt.h>

#include <stdlib.h>
#include <string.h>

static int bind_dim(const struct ran_model_desc *desc, const struct ran_value_desc *value, int axis,
                    int64_t extent, int64_t *symbols, struct ran_rt_error *error)
{
    int64_t expected = value->dims[axis];
    if (expected >= 0 && extent != expected)
        return ran_rt_fail(error, "input %s: dimension %d is %lld, the model has %lld", value->name,
                           axis, (long long)extent, (long long)expected);
    if (expected >= 0 || expected == INT64_MIN)
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

static int run_bound(const struct ran_model_desc *desc, const void *weights,
                     const int64_t *symbols, const struct ran_rt_tensor *inputs,
                     struct ran_rt_tensor *outputs, const struct ran_parallel *parallel,
                     struct ran_rt_error *error)
{
    const void **in = calloc(desc->input_count + 1, sizeof *in);
    void **out = calloc(desc->output_count + 1, sizeof *out);
    void *workspace = malloc(desc->workspace_size(symbols, parallel ? parallel->slots : 1) + 1);
    int code = -1;
    if (in && out && workspace) {
        for (uint32_t i = 0; i < desc->input_count; i++)
            in[i] = inputs[i].data;
        for (uint32_t i = 0; i < desc->output_count; i++)
            out[i] = outputs[i].data;
        code = desc->run(symbols, in, out, workspace, parallel, weights);
    }
    free(in);
    free(out);
    free(workspace);
    if (code < 0)
        return ran_rt_fail(error, "out of memory");
    return code ? fail_run(desc, code, error) : 0;
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
