/* SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception */
/*
 * The program around a compiled model, for `rancc -o model`: reads inputs from .pb and .npy files,
 * runs, and writes or summarises the outputs.
 */
#include "call.h"

#include "tensor_format.h"

#include <getopt.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>

extern const struct ran_model_desc *RAN_MODEL_DESC(void);

struct arguments {
    const char *output_dir, *weights;
    unsigned threads;
    double bench;
};

static void print_dims(FILE *stream, const struct ran_model_desc *desc,
                       const struct ran_value_desc *value)
{
    for (int i = 0; i < value->rank; i++) {
        int64_t dim = value->dims[i];
        fprintf(stream, i ? "x" : "");
        if (dim >= 0)
            fprintf(stream, "%lld", (long long)dim);
        else
            fprintf(stream, "%s", dim <= RAN_DIM_DATA ? "?" : desc->symbols[-1 - dim]);
    }
}

static int usage(const struct ran_model_desc *desc, FILE *stream)
{
    fprintf(stream, "Usage: %s [OPTION...] INPUT...\n", desc->name);
    fprintf(stream, "A neural network compiled by rancc for %s.\n\nInputs (.pb or .npy, in this "
                    "order):\n",
            desc->target);
    for (uint32_t i = 0; i < desc->input_count; i++) {
        fprintf(stream, "  %s: ", desc->inputs[i].name);
        print_dims(stream, desc, &desc->inputs[i]);
        fprintf(stream, "\n");
    }
    fprintf(stream, "\n  -o, --output-dir=DIR   write the outputs as DIR/output_N.pb\n"
                    "      --threads=N        run on N threads\n"
                    "      --weights=FILE     the weights, where they are not inside\n"
                    "      --bench=SECONDS    time it\n"
                    "      --help             this text\n");
    return stream == stdout ? 0 : 2;
}

static int fail(const struct ran_model_desc *desc, const char *what, const struct ran_rt_error *e)
{
    fprintf(stderr, "%s: %s%s%s\n", desc->name, what, *what ? ": " : "", e->text);
    return 1;
}

static void *read_weights(const char *path, uint64_t size, struct ran_rt_error *error)
{
    void *weights = NULL;
    FILE *stream = path ? fopen(path, "rb") : NULL;
    if (!stream || posix_memalign(&weights, 64, size ? size : 64) ||
        fread(weights, 1, size, stream) != size) {
        ran_rt_fail(error, "cannot read %llu bytes of weights from %s (--weights)",
                    (unsigned long long)size, path ? path : "a file");
        free(weights);
        weights = NULL;
    }
    if (stream)
        fclose(stream);
    return weights;
}

static void summarize(const struct ran_value_desc *value, const struct ran_rt_tensor *tensor)
{
    printf("%s:", value->name);
    for (int i = 0; i < tensor->rank; i++)
        printf("%s%lld", i ? "x" : " ", (long long)tensor->dims[i]);
    const float *data = tensor->data;
    for (int64_t i = 0; tensor->elem == 1 && i < tensor->numel && i < 10; i++)
        printf(" %g", data[i]);
    printf("%s\n", tensor->elem == 1 && tensor->numel > 10 ? " ..." : "");
}

static int deliver(const struct ran_model_desc *desc, const struct arguments *arguments,
                   struct ran_rt_tensor *outputs)
{
    struct ran_rt_error error = {{0}};
    char path[4096];
    if (arguments->output_dir)
        mkdir(arguments->output_dir, 0777);
    for (uint32_t i = 0; i < desc->output_count; i++) {
        if (!arguments->output_dir) {
            summarize(&desc->outputs[i], &outputs[i]);
            continue;
        }
        snprintf(path, sizeof path, "%s/output_%u.pb", arguments->output_dir, i);
        if (ran_rt_tensor_write(path, &outputs[i], &error))
            return fail(desc, path, &error);
    }
    return 0;
}

static double now(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

static int run_once(const struct ran_model_desc *desc, const void *weights,
                    const struct ran_rt_tensor *inputs, const struct ran_parallel *parallel,
                    const struct arguments *arguments)
{
    struct ran_rt_error error = {{0}};
    struct ran_rt_tensor *outputs = calloc(desc->output_count + 1, sizeof *outputs);
    if (!outputs)
        return 1;
    int status = ran_rt_run(desc, weights, inputs, outputs, parallel, &error);
    status = status ? fail(desc, "", &error) : deliver(desc, arguments, outputs);
    for (uint32_t i = 0; i < desc->output_count; i++)
        ran_rt_tensor_clear(&outputs[i]);
    free(outputs);
    return status;
}

/* ---- Times --------------------------------------------------------------------------- */

static int by_value(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

static void print_times(double *times, size_t runs)
{
    qsort(times, runs, sizeof *times, by_value);
    printf("%zu runs, median %.6f ms, min %.6f, p90 %.6f\n", runs, 1e3 * times[runs / 2],
           1e3 * times[0], 1e3 * times[(runs - 1) * 9 / 10]);
}

/* Runs that many seconds; the first run is not counted. */
static int time_runs(const struct ran_model_desc *desc, const void *weights,
                     const struct ran_rt_call *call, const struct ran_parallel *parallel,
                     double seconds, struct ran_rt_error *error)
{
    size_t runs = 0, capacity = 1 << 20;
    double *times = malloc(capacity * sizeof *times), end = 0;
    int code = 0, warm = 0;
    if (!times)
        return ran_rt_fail(error, "out of memory");
    while (!code && runs < capacity && (!warm || runs < 1 || now() < end)) {
        double start = now();
        code = ran_rt_call_run(desc, call, parallel, weights);
        times[runs] = now() - start;
        runs += warm ? 1 : 0;
        end = warm ? end : now() + seconds;
        warm = 1;
    }
    if (!code)
        print_times(times, runs);
    free(times);
    return code ? ran_rt_fail(error, "the model returned %d", code) : 0;
}

static int bench(const struct ran_model_desc *desc, const void *weights,
                 const struct ran_rt_tensor *inputs, const struct ran_parallel *parallel,
                 double seconds)
{
    struct ran_rt_error error = {{0}};
    struct ran_rt_call call = {0};
    int64_t *symbols = calloc(desc->symbol_count + 1, sizeof *symbols);
    struct ran_rt_tensor *outputs = calloc(desc->output_count + 1, sizeof *outputs);
    int status = symbols && outputs ? 0 : ran_rt_fail(&error, "out of memory");
    if (!status)
        status = ran_rt_bind(desc, inputs, symbols, &error);
    if (!status)
        status = ran_rt_create_outputs(desc, symbols, outputs, &error);
    if (!status)
        status = ran_rt_call_prepare(desc, symbols, inputs, outputs, parallel ? parallel->slots : 1,
                                     &call, &error);
    if (!status)
        status = time_runs(desc, weights, &call, parallel, seconds, &error);
    ran_rt_call_clear(&call);
    for (uint32_t i = 0; outputs && i < desc->output_count; i++)
        ran_rt_tensor_clear(&outputs[i]);
    free(outputs);
    free(symbols);
    return status ? fail(desc, "", &error) : 0;
}

static int run_files(const struct ran_model_desc *desc, const struct arguments *arguments,
                     char **files)
{
    struct ran_rt_error error = {{0}};
    struct ran_rt_tensor *inputs = calloc(desc->input_count + 1, sizeof *inputs);
    struct ran_rt_pool *pool = arguments->threads > 1 ? ran_rt_pool_create(arguments->threads) : NULL;
    void *weights = NULL;
    int status = inputs ? 0 : 1;
    for (uint32_t i = 0; !status && i < desc->input_count; i++)
        if (ran_rt_tensor_read(files[i], &inputs[i], &error))
            status = fail(desc, "", &error);
    if (!status && desc->weights_size) {
        weights = read_weights(arguments->weights, desc->weights_size, &error);
        status = weights ? 0 : fail(desc, "", &error);
    }
    const struct ran_parallel *parallel = pool ? ran_rt_pool_parallel(pool) : NULL;
    if (!status && arguments->bench > 0)
        status = bench(desc, weights, inputs, parallel, arguments->bench);
    else if (!status)
        status = run_once(desc, weights, inputs, parallel, arguments);
    for (uint32_t i = 0; inputs && i < desc->input_count; i++)
        ran_rt_tensor_clear(&inputs[i]);
    free(inputs);
    free(weights);
    ran_rt_pool_destroy(pool);
    return status;
}

int main(int argc, char **argv)
{
    static const struct option options[] = {{"output-dir", required_argument, NULL, 'o'},
                                            {"threads", required_argument, NULL, 't'},
                                            {"weights", required_argument, NULL, 'w'},
                                            {"bench", required_argument, NULL, 'b'},
                                            {"help", no_argument, NULL, 'h'},
                                            {0}};
    const struct ran_model_desc *desc = RAN_MODEL_DESC();
    struct arguments arguments = {.threads = 1};
    for (int c; (c = getopt_long(argc, argv, "o:", options, NULL)) != -1;) {
        if (c == 'o')
            arguments.output_dir = optarg;
        else if (c == 't')
            arguments.threads = (unsigned)strtoul(optarg, NULL, 10);
        else if (c == 'w')
            arguments.weights = optarg;
        else if (c == 'b')
            arguments.bench = strtod(optarg, NULL);
        else
            return usage(desc, c == 'h' ? stdout : stderr);
    }
    if ((uint32_t)(argc - optind) != desc->input_count) {
        fprintf(stderr, "%s: it takes %u inputs, %d were given\n", desc->name, desc->input_count,
                argc - optind);
        return usage(desc, stderr);
    }
    return run_files(desc, &arguments, argv + optind);
}
