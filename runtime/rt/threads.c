/* SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception */
/*
 * A pool of threads behind struct ran_parallel. A job is handed out in equal ranges, one a slot:
 * tasks of one kernel cost about the same, and fixed ranges keep each slot's data in its cache.
 * A worker that has just finished looks for the next kernel for a few microseconds (kernels of a
 * model follow each other at once), then sleeps on a condition variable.
 */
#include <ran/rt.h>

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdlib.h>

enum { LOOKS = 4000 };

struct worker {
    struct ran_rt_pool *pool;
    pthread_t thread;
    unsigned slot;
};

struct ran_rt_pool {
    struct ran_parallel parallel; /* first: `run` gets its address */
    pthread_mutex_t mutex;
    pthread_cond_t wake;
    atomic_uint job;      /* number of the current job */
    atomic_uint finished; /* workers that are done with it */
    atomic_bool stop;
    unsigned sleepers;    /* under the mutex */
    size_t tasks;
    void (*task)(void *argument, unsigned slot, size_t begin, size_t end);
    void *argument;
    unsigned workers;
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

static void run_slot(struct ran_rt_pool *pool, unsigned slot)
{
    size_t slots = pool->parallel.slots;
    size_t begin = pool->tasks * slot / slots, end = pool->tasks * (slot + 1) / slots;
    if (begin < end)
        pool->task(pool->argument, slot, begin, end);
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
    for (unsigned seen = 0;; seen++) {
        wait_for_job(pool, seen);
        if (atomic_load(&pool->stop))
            return NULL;
        run_slot(pool, worker->slot);
        atomic_fetch_add_explicit(&pool->finished, 1, memory_order_release);
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

static void run_job(const struct ran_parallel *self, size_t tasks,
                    void (*task)(void *argument, unsigned slot, size_t begin, size_t end),
                    void *argument)
{
    struct ran_rt_pool *pool = (struct ran_rt_pool *)self;
    pool->tasks = tasks;
    pool->task = task;
    pool->argument = argument;
    atomic_store(&pool->finished, 0);
    publish(pool);
    run_slot(pool, 0);
    while (atomic_load_explicit(&pool->finished, memory_order_acquire) < pool->workers)
        relax();
}

struct ran_rt_pool *ran_rt_pool_create(unsigned threads)
{
    threads = threads ? threads : 1;
    struct ran_rt_pool *pool = calloc(1, sizeof *pool + threads * sizeof pool->worker[0]);
    if (!pool)
        return NULL;
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
    free(pool);
}

const struct ran_parallel *ran_rt_pool_parallel(const struct ran_rt_pool *pool)
{
    return &pool->parallel;
}
