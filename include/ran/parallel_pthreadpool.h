/* SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception */
/*
 * struct ran_parallel on a pthreadpool_t that the program has already (XNNPACK's pool).
 *
 *     struct ran_pthreadpool parallel = ran_pthreadpool(pool);
 *     model_run(input, output, workspace, &parallel.parallel);
 *
 * Slots: as many as the pool has threads. One run at a time on a pool.
 */
#ifndef RAN_PARALLEL_PTHREADPOOL_H
#define RAN_PARALLEL_PTHREADPOOL_H

#include <pthreadpool.h>
#include <ran/rt.h>

struct ran_pthreadpool {
    struct ran_parallel parallel; /* first: `run` gets its address */
    pthreadpool_t pool;
};

struct ran_pthreadpool_job {
    size_t tasks, slots;
    void (*task)(void *argument, unsigned slot, size_t begin, size_t end);
    void *argument;
};

/* A range is computed once, so its number can be the slot, whichever thread takes it. */
static inline void ran_pthreadpool_slot(void *data, size_t slot)
{
    const struct ran_pthreadpool_job *job = (const struct ran_pthreadpool_job *)data;
    size_t begin = job->tasks * slot / job->slots, end = job->tasks * (slot + 1) / job->slots;
    if (begin < end)
        job->task(job->argument, (unsigned)slot, begin, end);
}

static inline void ran_pthreadpool_run(const struct ran_parallel *self, size_t tasks,
                                       void (*task)(void *argument, unsigned slot, size_t begin,
                                                    size_t end),
                                       void *argument)
{
    struct ran_pthreadpool_job job;
    job.tasks = tasks;
    job.slots = self->slots;
    job.task = task;
    job.argument = argument;
    pthreadpool_parallelize_1d(((const struct ran_pthreadpool *)self)->pool, ran_pthreadpool_slot,
                               &job, job.slots, 0);
}

static inline struct ran_pthreadpool ran_pthreadpool(pthreadpool_t pool)
{
    struct ran_pthreadpool parallel;
    parallel.parallel.slots = (unsigned)pthreadpool_get_threads_count(pool);
    parallel.parallel.run = ran_pthreadpool_run;
    parallel.pool = pool;
    return parallel;
}

#endif
