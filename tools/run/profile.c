/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Time of each kernel: compiled code calls back before every one and at the end. */
#include "tools/run/run.h"

#include <stdlib.h>
#include <time.h>

static double now(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

static double *grow(double *values, size_t from, size_t to)
{
    values = realloc(values, to * sizeof(*values));
    if (!values)
        abort();
    for (size_t i = from; i < to; i++)
        values[i] = 0;
    return values;
}

static void reserve(run_profile *profile, size_t kernel)
{
    while (profile->capacity <= kernel) {
        size_t more = profile->capacity ? 2 * profile->capacity : 256;
        profile->seconds = grow(profile->seconds, profile->capacity, more);
        profile->least = grow(profile->least, profile->capacity, more);
        profile->capacity = more;
    }
}

static void add_time(run_profile *profile, size_t kernel, double seconds)
{
    profile->seconds[kernel] += seconds;
    if (profile->runs == 1 || seconds < profile->least[kernel])
        profile->least[kernel] = seconds;
}

static void before_kernel(void *data, size_t kernel)
{
    run_profile *profile = data;
    double time = now();
    reserve(profile, kernel);
    if (kernel)
        add_time(profile, kernel - 1, time - profile->last);
    else
        profile->runs++;
    profile->last = now();
}

void run_profile_start(run_profile *profile, ran_compile_options *options)
{
    *profile = (run_profile){0};
    options->profile = before_kernel;
    options->profile_data = profile;
}

static double total(const run_profile *profile, size_t count)
{
    double sum = 0;
    for (size_t i = 0; i < count; i++)
        sum += profile->seconds[i];
    return sum;
}

static void print_table(const run_profile *profile, const ran_compiled *compiled, size_t count)
{
    double all = total(profile, count);
    printf("%10s %7s %10s %10s  %-20s %s\n", "us", "share", "least", "predicted",
           "kernel", "node");
    for (size_t i = 0; i < count; i++)
        printf("%10.2f %6.2f%% %10.2f %10.2f  %-20s %s\n",
               1e6 * profile->seconds[i] / (double)profile->runs, 100 * profile->seconds[i] / all,
               1e6 * profile->least[i], 1e6 * ran_compiled_kernel_seconds(compiled, i),
               ran_compiled_kernel_schedule(compiled, i),
               ran_compiled_kernel_node(compiled, i));
    printf("%10.2f us a run, %zu runs\n", 1e6 * all / (double)profile->runs, profile->runs);
}

static void print_json(const run_profile *profile, const ran_compiled *compiled, size_t count)
{
    json_t *nodes = json_array();
    for (size_t i = 0; i < count; i++)
        json_array_append_new(
            nodes, json_pack("{s:s, s:s, s:f, s:f, s:f}", "name",
                             ran_compiled_kernel_node(compiled, i), "kernel",
                             ran_compiled_kernel_schedule(compiled, i), "us",
                             1e6 * profile->seconds[i] / (double)profile->runs, "least_us",
                             1e6 * profile->least[i], "predicted_us",
                             1e6 * ran_compiled_kernel_seconds(compiled, i)));
    json_t *root = json_pack("{s:o, s:I}", "nodes", nodes, "runs", (json_int_t)profile->runs);
    json_dumpf(root, stdout, JSON_INDENT(2));
    putchar('\n');
    json_decref(root);
}

void run_profile_print(run_profile *profile, const ran_compiled *compiled, bool json)
{
    size_t count = ran_compiled_kernel_count(compiled);
    if (profile->runs)
        (json ? print_json : print_table)(profile, compiled, count);
    free(profile->seconds);
    free(profile->least);
    *profile = (run_profile){0};
}
