/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Time of each kernel: compiled code calls back before every one and at the end. */
#include "tools/run/run.h"

#include <stdlib.h>
#include <string.h>
#include <time.h>

static double now(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

static void *grow(void *array, size_t *capacity, size_t needed, size_t size)
{
    size_t from = *capacity;
    if (needed <= from)
        return array;
    while (*capacity < needed)
        *capacity = *capacity ? 2 * *capacity : 256;
    array = realloc(array, *capacity * size);
    if (!array)
        abort();
    memset((char *)array + from * size, 0, (*capacity - from) * size);
    return array;
}

static void add_time(run_profile *profile, size_t kernel, double seconds)
{
    profile->kernels =
        grow(profile->kernels, &profile->capacity, kernel + 1, sizeof(*profile->kernels));
    struct run_series *series = &profile->kernels[kernel];
    series->seconds =
        grow(series->seconds, &series->capacity, series->count + 1, sizeof(*series->seconds));
    series->seconds[series->count++] = seconds;
}

static void before_kernel(void *data, size_t kernel)
{
    run_profile *profile = data;
    double time = now();
    if (kernel)
        add_time(profile, kernel - 1, time - profile->last);
    else
        profile->runs++;
    profile->last = now();
}

void run_profile_clear(run_profile *profile)
{
    for (size_t i = 0; i < profile->capacity; i++)
        free(profile->kernels[i].seconds);
    free(profile->kernels);
    *profile = (run_profile){0};
}

void run_profile_start(run_profile *profile, ran_compile_options *options)
{
    run_profile_clear(profile);
    options->profile = before_kernel;
    options->profile_data = profile;
}

static int compare(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

run_times run_profile_times(const run_profile *profile, size_t kernel)
{
    const struct run_series *series = &profile->kernels[kernel];
    double sum = 0, *seconds = series->seconds;
    if (!series->count)
        return (run_times){0};
    qsort(seconds, series->count, sizeof(*seconds), compare);
    for (size_t i = 0; i < series->count; i++)
        sum += seconds[i];
    return (run_times){1e6 * sum / (double)series->count, 1e6 * seconds[series->count / 2],
                       1e6 * seconds[0], 1e6 * sum / (double)profile->runs};
}

static void print_table(const run_profile *profile, const ran_compiled *compiled, size_t count)
{
    double all = 0;
    for (size_t i = 0; i < count; i++)
        all += run_profile_times(profile, i).a_run;
    printf("%10s %7s %10s %10s %10s  %-20s %s\n", "us", "share", "median", "least", "predicted",
           "kernel", "node");
    for (size_t i = 0; i < count; i++) {
        run_times t = run_profile_times(profile, i);
        printf("%10.2f %6.2f%% %10.2f %10.2f %10.2f  %-20s %s\n", t.mean, 100 * t.a_run / all,
               t.median, t.least, 1e6 * ran_compiled_kernel_seconds(compiled, i),
               ran_compiled_kernel_schedule(compiled, i), ran_compiled_kernel_node(compiled, i));
    }
    printf("%10.2f us a run, %zu runs\n", all, profile->runs);
}

static void print_json(const run_profile *profile, const ran_compiled *compiled, size_t count)
{
    json_t *nodes = json_array();
    for (size_t i = 0; i < count; i++) {
        run_times t = run_profile_times(profile, i);
        json_array_append_new(nodes,
                              json_pack("{s:s, s:s, s:f, s:f, s:f, s:f}", "name",
                                        ran_compiled_kernel_node(compiled, i), "kernel",
                                        ran_compiled_kernel_schedule(compiled, i), "us", t.mean,
                                        "median_us", t.median, "least_us", t.least, "predicted_us",
                                        1e6 * ran_compiled_kernel_seconds(compiled, i)));
    }
    json_t *root = json_pack("{s:o, s:I}", "nodes", nodes, "runs", (json_int_t)profile->runs);
    json_dumpf(root, stdout, JSON_INDENT(2));
    putchar('\n');
    json_decref(root);
}

void run_profile_print(run_profile *profile, const ran_compiled *compiled, bool json)
{
    size_t count = ran_compiled_kernel_count(compiled);
    if (profile->capacity)
        (json ? print_json : print_table)(profile, compiled, count);
    run_profile_clear(profile);
}
