/* SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception */
/*
 * A pool of threads behind struct ran_parallel. The tasks of a job are divided into equal shares,
 * one a slot, so that each slot finds its data in its cache from kernel to kernel. A slot takes its
 * share piece by piece; when that is used up it helps with what is left of the others' shares. So a
 * thread that starts late or loses its core delays a job by a piece at most, and nobody waits for a
 * thread that is still asleep. Tasks are independent: who computes them changes no result.
 *
 * A worker that has just finished looks for the next kernel for a few microseconds (kernels of a
 * model follow each other at once), then sleeps on a condition variable.
 */
#include <ran/rt.h>

#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

enum { LOOKS = 4000, PIECES = 4, CACHE_LINE = 64, MOST_UNITS = 1 << 20 };

struct worker {
    struct ran_rt_pool *pool;
    pthread_t thread;
    unsigned slot;
};

/* What is left of a slot's share, in units: the first one (low half) and the end (high half). Only
 * a compare-and-exchange takes from it, so a worker that is late, by whole jobs even, takes pieces
 * of the job that runs now or nothing. */
struct share {
    _Alignas(CACHE_LINE) atomic_uint_fast64_t left;
};

struct ran_rt_pool {
    struct ran_parallel parallel; /* first: `run` gets its address */
    pthread_mutex_t mutex;
    pthread_cond_t wake;
    atomic_uint job;     /* number of the current job */
    atomic_bool stop;
    unsigned sleepers; /* under the mutex */
    _Alignas(CACHE_LINE) atomic_uint_fast64_t done; /* units of the current job */
    /* The job; written while all shares are empty, read by those who hold a piece. */
    size_t tasks, unit; /* a unit: so many tasks */
    void (*task)(void *argument, unsigned slot, size_t begin, size_t end);
    void *argument;
    unsigned workers;
    struct share *shares;
    struct worker worker[];
};

static void relax(void)
{
#if defined(__x86_64__)
    __builtin_ia32_pause();
#elif defined(__aarch64__)
    __asm__ volatile("yield");
#endif
}

static bool take(struct share *share, uint64_t *out_begin, uint64_t *out_end)
{
    uint_fast64_t left = atomic_load_explicit(&share->left, memory_order_acquire);
    for (;;) {
        uint64_t begin = left & UINT32_MAX, end = left >> 32;
        if (begin >= end)
            return false;
        *out_begin = begin;
        *out_end = begin + (end - begin + PIECES - 1) / PIECES;
        if (atomic_compare_exchange_weak_explicit(&share->left, &left, end << 32 | *out_end,
                                                  memory_order_acquire, memory_order_acquire))
            return true;
    }
}

static void run_share(struct ran_rt_pool *pool, struct share *share, unsigned slot)
{
    uint64_t begin, end;
    while (take(share, &begin, &end)) {
        size_t last = end * pool->unit < pool->tasks ? end * pool->unit : pool->tasks;
        pool->task(pool->argument, slot, begin * pool->unit, last);
        atomic_fetch_add_explicit(&pool->done, end - begin, memory_order_release);
    }
}

static void run_slot(struct ran_rt_pool *pool, unsigned slot)
{
    unsigned slots = pool->parallel.slots;
    for (unsigned i = 0; i < slots; i++)
        run_share(pool, &pool->shares[(slot + i) % slots], slot);
}

static void wait_for_job(struct ran_rt_pool *pool, unsigned seen)
{
    for (int i = 0; i < LOOKS; i++) {
        if (atomic_load_explicit(&pool->job, memory_order_acquire) != seen)
            return;
        relax();
    }
    pthread_mutex_lock(&pool->mutex);
    pool->sleepers++;
    while (atomic_load(&pool->job) == seen)
        pthread_cond_wait(&pool->wake, &pool->mutex);
    pool->sleepers--;
    pthread_mutex_unlock(&pool->mutex);
}

static void *work(void *data)
{
    struct worker *worker = data;
    struct ran_rt_pool *pool = worker->pool;
    for (unsigned seen = 0;;) {
        wait_for_job(pool, seen);
        seen = atomic_load(&pool->job);
        if (atomic_load(&pool->stop))
            return NULL;
        run_slot(pool, worker->slot);
    }
}

/* A job's number is published under the mutex, so that no worker falls asleep on the old one. */
static void publish(struct ran_rt_pool *pool)
{
    pthread_mutex_lock(&pool->mutex);
    atomic_fetch_add(&pool->job, 1);
    if (pool->sleepers)
        pthread_cond_broadcast(&pool->wake);
    pthread_mutex_unlock(&pool->mutex);
}

static void fill_shares(struct ran_rt_pool *pool, uint64_t units)
{
    uint64_t slots = pool->parallel.slots;
    for (uint64_t i = 0; i < slots; i++)
        atomic_store_explicit(&pool->shares[i].left,
                              units * (i + 1) / slots << 32 | units * i / slots,
                              memory_order_release);
}

static void run_job(const struct ran_parallel *self, size_t tasks,
                    void (*task)(void *argument, unsigned slot, size_t begin, size_t end),
                    void *argument)
{
    struct ran_rt_pool *pool = (struct ran_rt_pool *)self;
    pool->tasks = tasks;
    pool->task = task;
    pool->argument = argument;
    pool->unit = tasks / MOST_UNITS + 1;
    uint64_t units = (tasks + pool->unit - 1) / pool->unit;
    atomic_store_explicit(&pool->done, 0, memory_order_relaxed);
    fill_shares(pool, units);
    publish(pool);
    run_slot(pool, 0);
    for (unsigned i = 0; atomic_load_explicit(&pool->done, memory_order_acquire) < units; i++)
        if (i < LOOKS)
            relax();
        else
            sched_yield(); /* a worker has lost its core */
}

static void *allocate(size_t bytes)
{
    bytes = (bytes + CACHE_LINE - 1) / CACHE_LINE * CACHE_LINE;
    void *data = aligned_alloc(CACHE_LINE, bytes);
    if (data)
        memset(data, 0, bytes);
    return data;
}

struct ran_rt_pool *ran_rt_pool_create(unsigned threads)
{
    threads = threads ? threads : 1;
    struct ran_rt_pool *pool = allocate(sizeof *pool + threads * sizeof pool->worker[0]);
    struct share *shares = allocate(threads * sizeof *shares);
    if (!pool || !shares) {
        free(pool);
        free(shares);
        return NULL;
    }
    pool->shares = shares;
    pool->parallel = (struct ran_parallel){threads, run_job};
    pthread_mutex_init(&pool->mutex, NULL);
    pthread_cond_init(&pool->wake, NULL);
    for (unsigned i = 0; i + 1 < threads; i++) {
        pool->worker[i] = (struct worker){.pool = pool, .slot = i + 1};
        if (pthread_create(&pool->worker[i].thread, NULL, work, &pool->worker[i])) {
            ran_rt_pool_destroy(pool);
            return NULL;
        }
        pool->workers++;
    }
    return pool;
}

void ran_rt_pool_destroy(struct ran_rt_pool *pool)
{
    if (!pool)
        return;
    atomic_store(&pool->stop, true);
    publish(pool);
    for (unsigned i = 0; i < pool->workers; i++)
        pthread_join(pool->worker[i].thread, NULL);
    pthread_cond_destroy(&pool->wake);
    pthread_mutex_destroy(&pool->mutex);
    free(pool->shares);
    free(pool);
}

const struct ran_parallel *ran_rt_pool_parallel(const struct ran_rt_pool *pool)
{
    return &pool->parallel;
}
