/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Data-parallel training over MPI. Sums are made of all ranks' values in the order of the ranks, on
 * every rank, so that all hold the same bits and a run can be repeated; a reduction inside MPI may
 * choose its order by size and topology.
 */
#include "runtime/train/train.h"

#include <stdlib.h>
#include <time.h>

#include "config.h"

ran_part ran_cluster_part(int rank, int ranks, int64_t total)
{
    int64_t first = total * rank / ranks, end = total * (rank + 1) / ranks;
    if (total < ranks)
        return (ran_part){.count = total, .total = total, .share = 1 / (double)ranks};
    return (ran_part){.first = first,
                      .count = end - first,
                      .total = total,
                      .share = (double)(end - first) / (double)total};
}

#ifdef HAVE_MPI

static bool is_alone;

#include <mpi.h>

/* Others may wait in a sum for a process that failed alone: they end with it. */
static void leave(int exit_status, void *data)
{
    int done;
    (void)data;
    MPI_Finalized(&done);
    if (!done && exit_status)
        MPI_Abort(MPI_COMM_WORLD, exit_status);
    else if (!done)
        MPI_Finalize();
}

void ran_cluster_start(int *out_rank, int *out_ranks)
{
    int started;
    *out_rank = 0;
    *out_ranks = 1;
    /* Outside of mpirun nothing is started: a single process needs no MPI daemon. */
    if (is_alone)
        return;
    if (!getenv("OMPI_COMM_WORLD_SIZE") && !getenv("PMI_SIZE") && !getenv("PMIX_RANK"))
        return;
    MPI_Initialized(&started);
    if (!started) {
        MPI_Init(NULL, NULL);
        on_exit(leave, NULL);
    }
    MPI_Comm_rank(MPI_COMM_WORLD, out_rank);
    MPI_Comm_size(MPI_COMM_WORLD, out_ranks);
}

ran_status ran_cluster_sum(ran_context *context, float *values, int64_t count)
{
    enum { CHUNK = 1 << 18 };
    int ranks;
    int64_t chunk = count < CHUNK ? count : CHUNK;
    MPI_Comm_size(MPI_COMM_WORLD, &ranks);
    float *all = malloc((size_t)ranks * (size_t)chunk * sizeof(*all) + 1);
    if (!all)
        return ran_error(context, RAN_INVALID, "out of memory");
    for (int64_t at = 0; at < count; at += chunk) {
        int part = (int)(count - at < chunk ? count - at : chunk);
        MPI_Allgather(values + at, part, MPI_FLOAT, all, part, MPI_FLOAT, MPI_COMM_WORLD);
        for (int i = 0; i < part; i++) {
            double sum = 0;
            for (int r = 0; r < ranks; r++)
                sum += all[(size_t)r * (size_t)part + (size_t)i];
            values[at + i] = (float)sum;
        }
    }
    free(all);
    return RAN_OK;
}

void ran_cluster_leave(void)
{
    is_alone = true;
}

/* Sleeps between looks: who waits for long must not take a processor from who works. */
ran_status ran_cluster_agree(ran_context *context, ran_status own)
{
    int initialized, done = 0, failed = own != RAN_OK, any = 0;
    MPI_Request request;
    MPI_Initialized(&initialized);
    if (!initialized)
        return own;
    MPI_Iallreduce(&failed, &any, 1, MPI_INT, MPI_MAX, MPI_COMM_WORLD, &request);
    for (MPI_Test(&request, &done, MPI_STATUS_IGNORE); !done;
         MPI_Test(&request, &done, MPI_STATUS_IGNORE))
        nanosleep(&(struct timespec){.tv_nsec = 1000000}, NULL);
    return own != RAN_OK || !any ? own
                                 : ran_error(context, RAN_INVALID, "another process failed");
}

#else

void ran_cluster_leave(void) {}

ran_status ran_cluster_agree(ran_context *context, ran_status own)
{
    (void)context;
    return own;
}

void ran_cluster_start(int *out_rank, int *out_ranks)
{
    *out_rank = 0;
    *out_ranks = 1;
}

ran_status ran_cluster_sum(ran_context *context, float *values, int64_t count)
{
    (void)values;
    (void)count;
    return ran_error(context, RAN_UNSUPPORTED, "this build has no MPI: configure --with-mpi");
}

#endif
