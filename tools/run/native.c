/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The engine that users ship: native code, compiled in this process or loaded from a library. */
#include "tools/run/run.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <ran/compile.h>
#include <ran/rt.h>
#include <ran/tensor_file.h>

#include "ir/ir.h"

typedef struct native {
    run_engine engine;
    ran_context *context;
    ran_compiled *compiled;
    const struct ran_model_desc *desc;
    const void *weights;
    struct ran_rt_pool *pool;
    void *workspace;
    size_t workspace_size;
    struct ran_rt_library *library; /* NULL: compiled here */
    void *weights_file;
} native;

/* ---- Tensors of the runtime ------------------------------------------------------------------- */

static struct ran_rt_tensor view(const ran_tensor *tensor)
{
    struct ran_rt_tensor out = {.elem = ran_elem_onnx(ran_tensor_elem(tensor)),
                                .rank = ran_tensor_rank(tensor),
                                .numel = ran_tensor_numel(tensor),
                                .bytes = ran_tensor_bytes(tensor),
                                .data = (void *)ran_tensor_data(tensor)};
    memcpy(out.dims, ran_tensor_dims(tensor), (size_t)out.rank * sizeof(*out.dims));
    return out;
}

static ran_tensor *take(const struct ran_value_desc *value, const int64_t *dims)
{
    ran_elem elem = RAN_ELEM_F32;
    ran_elem_from_onnx(value->elem, &elem);
    return ran_tensor_create(elem, value->rank, dims);
}

/* ---- A run -------------------------------------------------------------------------------------- */

typedef struct call {
    int64_t *symbols;
    const void **inputs;
    void **outputs;
    size_t *capacities;
    int64_t **shapes; /* of each output, in `dims` */
    int64_t *dims;
} call;

static call create_call(const native *n)
{
    size_t inputs = n->desc->input_count + 1, outputs = n->desc->output_count + 1;
    return (call){.symbols = calloc(n->desc->symbol_count + 1, sizeof(int64_t)),
                  .inputs = calloc(inputs, sizeof(void *)),
                  .outputs = calloc(outputs, sizeof(void *)),
                  .capacities = calloc(outputs, sizeof(size_t)),
                  .shapes = calloc(outputs, sizeof(int64_t *)),
                  .dims = calloc(outputs * RAN_MAX_RANK, sizeof(int64_t))};
}

static void destroy_call(call *c)
{
    free(c->symbols);
    free(c->inputs);
    free(c->outputs);
    free(c->capacities);
    free(c->shapes);
    free(c->dims);
}

static ran_status bind(native *n, const ran_tensor *const *inputs, call *c)
{
    struct ran_rt_error error = {{0}};
    struct ran_rt_tensor *views = calloc(n->desc->input_count + 1, sizeof(*views));
    for (uint32_t i = 0; i < n->desc->input_count; i++) {
        views[i] = view(inputs[i]);
        c->inputs[i] = views[i].data;
    }
    int failed = ran_rt_bind(n->desc, views, c->symbols, &error);
    free(views);
    return failed ? ran_error(n->context, RAN_INVALID, "%s", error.text) : RAN_OK;
}

/* As large as they can be. */
static void create_outputs(native *n, call *c, ran_tensor **out_results)
{
    int64_t *next = c->dims;
    n->desc->output_shapes(c->symbols, c->dims);
    for (uint32_t i = 0; i < n->desc->output_count; i++) {
        out_results[i] = take(&n->desc->outputs[i], next);
        c->outputs[i] = ran_tensor_mutable_data(out_results[i]);
        c->capacities[i] = (size_t)ran_tensor_numel(out_results[i]);
        c->shapes[i] = next;
        next += n->desc->outputs[i].rank;
    }
}

/* As large as the run said. */
static void fit_outputs(const native *n, const call *c, ran_tensor **results)
{
    for (uint32_t i = 0; i < n->desc->output_count; i++) {
        size_t bytes = (size_t)n->desc->outputs[i].rank * sizeof(int64_t);
        if (!memcmp(ran_tensor_dims(results[i]), c->shapes[i], bytes))
            continue;
        ran_tensor *fitted = take(&n->desc->outputs[i], c->shapes[i]);
        memcpy(ran_tensor_mutable_data(fitted), ran_tensor_data(results[i]),
               ran_tensor_bytes(fitted));
        ran_tensor_release(results[i]);
        results[i] = fitted;
    }
}

/* The workspace is kept: a run that is timed does not pay for its pages again. */
static ran_status reserve(native *n, const int64_t *symbols)
{
    const struct ran_parallel *parallel = n->pool ? ran_rt_pool_parallel(n->pool) : NULL;
    size_t size = n->desc->workspace_size(symbols, parallel ? parallel->slots : 1);
    if (size <= n->workspace_size)
        return RAN_OK;
    free(n->workspace);
    n->workspace = malloc(size);
    n->workspace_size = n->workspace ? size : 0;
    return n->workspace ? RAN_OK
                        : ran_error(n->context, RAN_INVALID, "no memory for %zu bytes of workspace",
                                    size);
}

static ran_status execute(native *n, const call *c)
{
    static const char *const reasons[] = {
        [RAN_RUN_CPU] = "this CPU lacks an instruction set that the model was compiled for",
        [RAN_RUN_INDEX] = "an index in the data is out of range",
        [RAN_RUN_CAPACITY] = "an output is larger than its buffer",
        [RAN_RUN_SHAPE] = "sizes don't fit together"};
    struct ran_output_sizes sizes = {c->capacities, c->shapes};
    int code = n->desc->run(c->symbols, c->inputs, c->outputs, &sizes, n->workspace,
                            n->pool ? ran_rt_pool_parallel(n->pool) : NULL, n->weights);
    return code ? ran_error(n->context, RAN_INVALID, "%s", reasons[code]) : RAN_OK;
}

static ran_status run(run_engine *self, const ran_tensor *const *inputs, ran_tensor **out_results)
{
    native *n = (native *)self;
    call c = create_call(n);
    ran_status status = bind(n, inputs, &c);
    if (!status)
        status = reserve(n, c.symbols);
    if (!status) {
        create_outputs(n, &c, out_results);
        status = execute(n, &c);
        if (!status)
            fit_outputs(n, &c, out_results);
    }
    destroy_call(&c);
    return status;
}

static ran_status bench(run_engine *self, const ran_tensor *const *inputs, double seconds,
                        run_timing *out_timing)
{
    native *n = (native *)self;
    call c = create_call(n);
    ran_tensor **results = calloc(n->desc->output_count + 1, sizeof(*results));
    ran_status status = bind(n, inputs, &c);
    if (!status)
        status = reserve(n, c.symbols);
    if (!status) {
        create_outputs(n, &c, results);
        run_timer timer;
        run_timer_start(&timer, seconds);
        while (!status && run_timer_next(&timer)) {
            status = execute(n, &c);
            run_timer_stop(&timer);
        }
        run_timer_finish(&timer, out_timing);
    }
    for (uint32_t i = 0; i < n->desc->output_count; i++)
        ran_tensor_release(results[i]);
    free(results);
    destroy_call(&c);
    return status;
}

static void destroy(run_engine *self)
{
    native *n = (native *)self;
    ran_rt_pool_destroy(n->pool);
    ran_compiled_destroy(n->compiled);
    if (n->library)
        ran_rt_library_close(n->library);
    free(n->weights_file);
    free(n->workspace);
    free(n);
}

static native *create(ran_context *context, const char *name)
{
    native *n = calloc(1, sizeof(*n));
    if (!n)
        abort();
    n->engine = (run_engine){name, run, bench, destroy};
    n->context = context;
    return n;
}

static ran_status finish(native *n, ran_status status, unsigned threads, run_engine **out_engine)
{
    if (!status && threads > 1 && !(n->pool = ran_rt_pool_create(threads)))
        status = ran_error(n->context, RAN_INVALID, "cannot start %u threads", threads);
    if (status)
        destroy(&n->engine);
    else
        *out_engine = &n->engine;
    return status;
}

ran_status run_native_create(ran_module *module, const ran_compile_options *options,
                             unsigned threads, bool mem_report, run_engine **out_engine)
{
    native *n = create(ran_module_context(module), "native");
    ran_compile_options in_process = *options;
    in_process.weights = RAN_WEIGHTS_FILE;
    ran_status status = ran_compile(module, &in_process, &n->compiled);
    if (!status)
        status = ran_compiled_load(n->compiled, &n->desc, &n->weights);
    if (!status && mem_report)
        ran_compiled_memory_report(n->compiled, stderr);
    return finish(n, status, threads, out_engine);
}

/* ---- Libraries ------------------------------------------------------------------------------------ */

/* STEM.weights beside STEM.so */
static ran_status read_weights(native *n, const char *path)
{
    size_t size = n->desc->weights_size;
    const char *suffix = strrchr(path, '.');
    const char *file = ran_intern_printf(n->context, "%.*s.weights",
                                         (int)(suffix ? (size_t)(suffix - path) : strlen(path)),
                                         path);
    FILE *stream = fopen(file, "rb");
    if (!stream || posix_memalign(&n->weights_file, 64, size) ||
        fread(n->weights_file, 1, size, stream) != size) {
        if (stream)
            fclose(stream);
        return ran_error(n->context, RAN_INVALID, "%s: it needs its %zu bytes of weights in %s",
                         path, size, file);
    }
    fclose(stream);
    n->weights = n->weights_file;
    return RAN_OK;
}

ran_status run_library_create(ran_context *context, const char *path, const char *prefix,
                              unsigned threads, run_engine **out_engine)
{
    struct ran_rt_error error = {{0}};
    native *n = create(context, "library");
    ran_status status = RAN_OK;
    n->library = ran_rt_library_open(path, prefix, &error);
    if (n->library)
        n->desc = ran_rt_library_desc(n->library);
    else
        status = ran_error(context, RAN_INVALID, "%s: %s", path, error.text);
    if (!status && n->desc->weights_size)
        status = read_weights(n, path);
    return finish(n, status, threads, out_engine);
}

const struct ran_model_desc *run_native_desc(const run_engine *engine)
{
    return ((const native *)engine)->desc;
}

const ran_compiled *run_native_compiled(const run_engine *engine)
{
    return ((const native *)engine)->compiled;
}
