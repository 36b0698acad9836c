/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Times of runs: as many as fit in the given seconds, after a few that warm up. */
#include "tools/run/run.h"

#include <stdlib.h>
#include <time.h>

enum { WARM_UP = 3, LEAST = 5 };

static double now(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

void run_timer_start(run_timer *timer, double seconds)
{
    *timer = (run_timer){.end = now() + seconds};
}

bool run_timer_next(run_timer *timer)
{
    double start = now();
    if (timer->warm >= WARM_UP && timer->count >= LEAST && start >= timer->end)
        return false;
    timer->start = now();
    return true;
}

void run_timer_stop(run_timer *timer)
{
    double spent = now() - timer->start;
    if (timer->warm < WARM_UP) {
        timer->warm++;
        return;
    }
    if (timer->count == timer->capacity) {
        timer->capacity = timer->capacity ? 2 * timer->capacity : 1024;
        timer->seconds = realloc(timer->seconds, timer->capacity * sizeof(*timer->seconds));
        if (!timer->seconds)
            abort();
    }
    timer->seconds[timer->count++] = spent;
}

static int ascending(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

void run_timer_finish(run_timer *timer, run_timing *out_timing)
{
    size_t n = timer->count;
    *out_timing = (run_timing){.runs = n};
    if (n) {
        qsort(timer->seconds, n, sizeof(*timer->seconds), ascending);
        out_timing->median_ms = 1e3 * timer->seconds[n / 2];
        out_timing->min_ms = 1e3 * timer->seconds[0];
        out_timing->p90_ms = 1e3 * timer->seconds[n * 9 / 10];
    }
    free(timer->seconds);
    *timer = (run_timer){0};
}
