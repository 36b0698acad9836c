/* SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception */
/*
 * struct ran_parallel on OpenMP: compile with -fopenmp.
 *
 *     struct ran_parallel parallel = ran_openmp(4);
 *     model_run(input, output, workspace, &parallel);   (workspace for 4 slots)
 *
 * Whether idle threads spin is OpenMP's business: OMP_WAIT_POLICY=passive makes them sleep.
 */
#ifndef RAN_PARALLEL_OPENMP_H
#define RAN_PARALLEL_OPENMP_H

#ifndef _OPENMP
#error "ran/parallel_openmp.h: compile with -fopenmp"
#endif

#include <omp.h>
#include <ran/rt.h>

static inline void ran_openmp_run(const struct ran_parallel *self, size_t tasks,
                                  void (*task)(void *argument, unsigned slot, size_t begin,
                                               size_t end),
                                  void *argument)
{
#pragma omp parallel num_threads((int)self->slots)
    {
        size_t threads = (size_t)omp_get_num_threads(), slot = (size_t)omp_get_thread_num();
        size_t begin = tasks * slot / threads, end = tasks * (slot + 1) / threads;
        if (begin < end)
            task(argument, (unsigned)slot, begin, end);
    }
}

static inline struct ran_parallel ran_openmp(unsigned threads)
{
    struct ran_parallel parallel;
    parallel.slots = threads ? threads : 1;
    parallel.run = ran_openmp_run;
    return parallel;
}

#endif
