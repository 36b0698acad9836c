/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Times one training step (forward, loss, backward, SGD with momentum) of a classifier, natively
 * compiled: training_step MODEL.onnx [BATCH [THREADS [SECONDS]]]. Data and weights are noise.
 * Prints one line: images a second, milliseconds a step, seconds to compile, MB of workspace and
 * state. With RAN_PROFILE set, the slowest kernels follow; with RAN_DIRECT, no convolution goes by
 * Winograd's filtering.
 */
#define _POSIX_C_SOURCE 200809L

#include <math.h>
#include <ran/compile.h>
#include <ran/onnx.h>
#include <ran/pass.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "ir/ir.h"
#include "passes/grad/training_step.h"

typedef struct bench {
    ran_context *context;
    ran_module *step;
    ran_compiled *compiled;
    const struct ran_model_desc *desc;
    const void *weights;
    const void **inputs;
    void **outputs;
    void *workspace;
    double state_bytes;
} bench;

/* Time spent in each kernel, by ran_compile_options.profile. */
static struct {
    double seconds[4096], last;
    size_t kernel;
} profile;

static double now(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

static void on_kernel(void *data, size_t kernel)
{
    double time = now();
    (void)data;
    if (kernel > 0 && kernel < sizeof(profile.seconds) / sizeof(*profile.seconds))
        profile.seconds[kernel - 1] += time - profile.last;
    profile.last = now();
}

static void check(bench *b, ran_status status)
{
    if (status == RAN_OK)
        return;
    ran_diagnostics_print(b->context, stderr);
    exit(1);
}

static void build(bench *b, const char *path, int64_t batch)
{
    ran_module *model;
    ran_loss loss = {.kind = RAN_LOSS_CROSS_ENTROPY, .weight = 1};
    ran_training_spec spec = {.batch = batch,
                              .losses = &loss,
                              .loss_count = 1,
                              .dropout = -1,
                              .optimizer = {.kind = RAN_OPTIMIZER_SGD, .momentum = 0.9}};
    check(b, ran_onnx_import(b->context, path, NULL, &model));
    check(b, ran_training_step_create(model, &spec, &b->step));
}

static double compile(bench *b)
{
    double start = now();
    ran_compile_options options = {.weights = RAN_WEIGHTS_FILE,
                                   .winograd = !getenv("RAN_DIRECT"),
                                   .profile = getenv("RAN_PROFILE") ? on_kernel : NULL};
    check(b, ran_compile(b->step, &options, &b->compiled));
    check(b, ran_compiled_load(b->compiled, &b->desc, &b->weights));
    return now() - start;
}

static size_t numel(const struct ran_value_desc *d)
{
    size_t n = 1;
    for (int i = 0; i < d->rank; i++)
        n *= (size_t)d->dims[i];
    return n;
}

/* Vectors are scales, biases and variances, here 1; matrices noise of a size that keeps values
 * finite; classes 0. */
static void *input_of(const struct ran_value_desc *d)
{
    size_t n = numel(d);
    double fan = d->rank > 1 ? (double)n / (double)d->dims[0] : 1;
    float *data = calloc(n ? n : 1, 8);
    for (size_t i = 0; d->elem == 1 && i < n; i++)
        data[i] = d->rank > 1 ? (float)((rand() / (double)RAND_MAX - 0.5) * 2 / sqrt(fan))
                              : d->rank ? 1.0f : 0.0001f;
    return data;
}

static void allocate(bench *b, unsigned threads)
{
    const struct ran_model_desc *d = b->desc;
    b->inputs = calloc(d->input_count + 1, sizeof(*b->inputs));
    b->outputs = calloc(d->output_count + 1, sizeof(*b->outputs));
    for (uint32_t i = 0; i < d->input_count; i++)
        b->inputs[i] = input_of(&d->inputs[i]);
    for (uint32_t i = 0; i < d->output_count; i++) {
        for (uint32_t j = 0; j < d->input_count; j++)
            if (*d->outputs[i].name && !strcmp(d->outputs[i].name, d->inputs[j].name))
                b->outputs[i] = (void *)b->inputs[j];
        b->state_bytes += b->outputs[i] ? 4.0 * (double)numel(&d->outputs[i]) : 0;
        if (!b->outputs[i])
            b->outputs[i] = calloc(numel(&d->outputs[i]) + 1, 8);
    }
    b->workspace = malloc(d->workspace_size(NULL, threads));
}

static int run(bench *b, const struct ran_parallel *parallel)
{
    return b->desc->run(NULL, b->inputs, b->outputs, NULL, b->workspace, parallel, b->weights);
}

static int by_seconds(const void *a, const void *b)
{
    double x = profile.seconds[*(const size_t *)a], y = profile.seconds[*(const size_t *)b];
    return (x < y) - (x > y);
}

static void print_schedules(const bench *b, size_t runs, double total)
{
    size_t count = ran_compiled_kernel_count(b->compiled);
    for (size_t i = 0; i < count; i++) {
        const char *name = ran_compiled_kernel_schedule(b->compiled, i);
        double seconds = 0;
        size_t kernels = 0;
        bool first = true;
        for (size_t j = 0; j < count; j++) {
            bool same = !strcmp(name, ran_compiled_kernel_schedule(b->compiled, j));
            first = first && !(same && j < i);
            seconds += same ? profile.seconds[j] : 0;
            kernels += same;
        }
        if (first)
            printf("%9.1f us %5.1f %%  %4zu %s\n", 1e6 * seconds / (double)runs,
                   100 * seconds / total, kernels, name);
    }
}

static void print_profile(const bench *b, size_t runs)
{
    size_t count = ran_compiled_kernel_count(b->compiled), *order = calloc(count, sizeof(*order));
    double total = 0;
    for (size_t i = 0; i < count; i++) {
        order[i] = i;
        total += profile.seconds[i];
    }
    print_schedules(b, runs, total);
    qsort(order, count, sizeof(*order), by_seconds);
    for (size_t i = 0; i < count && i < (size_t)atoi(getenv("RAN_PROFILE")); i++)
        printf("%9.1f us %5.1f %%  %4zu %-18s %s\n",
               1e6 * profile.seconds[order[i]] / (double)runs,
               100 * profile.seconds[order[i]] / total, order[i],
               ran_compiled_kernel_schedule(b->compiled, order[i]),
               ran_compiled_kernel_node(b->compiled, order[i]));
    free(order);
}

int main(int argc, char **argv)
{
    bench b = {.context = ran_context_create()};
    int64_t batch = argc > 2 ? atoi(argv[2]) : 64;
    unsigned threads = argc > 3 ? (unsigned)atoi(argv[3]) : 1;
    double limit = argc > 4 ? atof(argv[4]) : 2, best = 1e300, start;
    size_t runs = 0;
    if (argc < 2)
        return 2;
    build(&b, argv[1], batch);
    double seconds = compile(&b);
    allocate(&b, threads);
    struct ran_rt_pool *pool = threads > 1 ? ran_rt_pool_create(threads) : NULL;
    const struct ran_parallel *parallel = pool ? ran_rt_pool_parallel(pool) : NULL;
    if (run(&b, parallel) || run(&b, parallel))
        return 1;
    memset(&profile, 0, sizeof(profile));
    for (start = now(); runs < 3 || now() - start < limit; runs++) {
        double from = now();
        (void)run(&b, parallel);
        double time = now() - from;
        best = time < best ? time : best;
    }
    double mean = (now() - start) / (double)runs;
    printf("%10.1f images/s (best %.1f) %9.3f ms, compiled in %.2f s, %zu kernels, workspace %.1f "
           "MB, state %.1f MB, loss %g\n",
           (double)batch / mean, (double)batch / best, 1e3 * mean, seconds,
           ran_compiled_kernel_count(b.compiled),
           (double)b.desc->workspace_size(NULL, threads) / 1e6, b.state_bytes / 1e6,
           (double)*(float *)b.outputs[0]);
    if (getenv("RAN_PROFILE"))
        print_profile(&b, runs);
    return 0;
}
