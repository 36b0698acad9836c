/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The pool of threads: each task of each job runs exactly once, no slot twice at the same time. */
#include <ran/rt.h>

#include <stdatomic.h>
#include <string.h>
#include <unistd.h>

#include "tests/harness/unit.h"

enum { SLOTS = 7, TASKS = 3000, JOBS = 300 };

static unsigned runs[TASKS];
static atomic_int busy[SLOTS];
static atomic_int faults;
static unsigned slots;

static void count(void *argument, unsigned slot, size_t begin, size_t end)
{
    size_t tasks = *(size_t *)argument;
    if (slot >= slots || end > tasks || begin >= end || atomic_exchange(&busy[slot], 1)) {
        atomic_fetch_add(&faults, 1);
        return;
    }
    for (size_t i = begin; i < end; i++)
        runs[i]++;
    atomic_store(&busy[slot], 0);
}

static void run_jobs(unsigned threads, int jobs)
{
    slots = threads;
    struct ran_rt_pool *pool = ran_rt_pool_create(threads);
    ck_assert_ptr_nonnull(pool);
    const struct ran_parallel *parallel = ran_rt_pool_parallel(pool);
    ck_assert_uint_eq(parallel->slots, threads);
    for (int job = 0; job < jobs; job++) {
        size_t tasks = job % 50 == 7 ? TASKS : (size_t)(job * 31 % 23);
        memset(runs, 0, sizeof runs);
        parallel->run(parallel, tasks, count, &tasks);
        for (size_t i = 0; i < TASKS; i++)
            ck_assert_uint_eq(runs[i], i < tasks);
    }
    ran_rt_pool_destroy(pool);
    ck_assert_int_eq(atomic_load(&faults), 0);
}

START_TEST(every_task_runs_once)
{
    run_jobs(1, 50);
    run_jobs(2, JOBS);
    run_jobs(3, JOBS);
    run_jobs(SLOTS, JOBS);
}
END_TEST

/* Workers that have gone to sleep take part again. */
START_TEST(sleepers_wake_up)
{
    for (int i = 0; i < 10; i++) {
        run_jobs(3, 20);
        usleep(2000);
    }
}
END_TEST

static atomic_size_t total;

static void add(void *argument, unsigned slot, size_t begin, size_t end)
{
    (void)argument;
    (void)slot;
    atomic_fetch_add(&total, end - begin);
}

START_TEST(counts_beyond_32_bits)
{
    const size_t tasks = ((size_t)1 << 40) + 12345;
    struct ran_rt_pool *pool = ran_rt_pool_create(3);
    const struct ran_parallel *parallel = ran_rt_pool_parallel(pool);
    parallel->run(parallel, tasks, add, NULL);
    ck_assert_uint_eq(atomic_load(&total), tasks);
    ran_rt_pool_destroy(pool);
}
END_TEST

RAN_UNIT_TESTS(every_task_runs_once, sleepers_wake_up, counts_beyond_32_bits)
