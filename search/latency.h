/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * What candidates cost on a target: latency in place, and counts.
 *
 * A candidate's latency is not that of the candidate alone: rancc fuses across its ends. So it is
 * measured between its neighbours: the layer before, the layer or the candidate, the layer behind,
 * compiled as one function. The candidate's latency is the teacher layer's plus the difference of
 * the two functions. All candidates of a layer are measured in turns, and the medians count.
 *
 * The table is text, keyed by target; whoever plans by it writes it first and reads it back. Whole
 * networks of candidates are rows too (layer RAN_LATENCY_ASSEMBLED, all candidates with commas
 * between), on the scale of the table's network.
 */
#ifndef SEARCH_LATENCY_H
#define SEARCH_LATENCY_H

#include "search/layers.h"
#include "search/pool.h"

#define RAN_LATENCY_ASSEMBLED "assembled"

typedef struct ran_latency_row {
    const char *layer, *candidate; /* "teacher" for the layer's own op */
    int64_t nanoseconds;
} ran_latency_row;

typedef struct ran_latency_table {
    const char *target;
    const char *source; /* "measured", "estimated", or "measured by COMMAND" */
    int64_t network;    /* of the whole teacher; 0: not known */
    ran_latency_row *rows;
    size_t count;
    ran_arena *arena;
} ran_latency_table;

typedef struct ran_latency_options ran_latency_options;
struct ran_latency_options {
    const char *target;  /* NULL: native */
    const char *runner;  /* command that runs a program on the target; NULL: this machine */
    bool estimate;       /* by the cost model */
    int rounds;          /* of measuring; 0: as many as short functions need */
    const char *scratch; /* directory, for a runner */
    /* Progress: layers done so far. May be NULL. */
    void (*progress)(void *data, const char *layer, size_t done, size_t count);
    void *data;
};

/* Rows of other targets are an error: RAN_INVALID. */
RAN_MUST_USE ran_status ran_latency_read(ran_context *context, ran_arena *arena, const char *path,
                                         const char *target, ran_latency_table *out_table);
RAN_MUST_USE ran_status ran_latency_write(ran_context *context, const ran_latency_table *table,
                                          const char *path);
/* The names are copied. */
void ran_latency_add(ran_latency_table *table, const char *layer, const char *candidate,
                     int64_t nanoseconds);
/* -1: not in the table. */
int64_t ran_latency_find(const ran_latency_table *table, const char *layer, const char *candidate);
/* Adds what the table lacks: the network, chosen layers with the pool's candidates that fit. The
 * module has batch 1. Layers are rows as soon as they are measured; `save` (may be NULL) is called
 * behind each. */
RAN_MUST_USE ran_status ran_latency_complete(const ran_module *module, const ran_layers *layers,
                                             const ran_pool *pool,
                                             const ran_latency_options *options,
                                             ran_latency_table *table,
                                             ran_status (*save)(void *data), void *save_data);
/* Latency of one module, batch as it is: median, or by the runner or cost model. */
RAN_MUST_USE ran_status ran_latency_of(const ran_module *module, const ran_latency_options *options,
                                       int64_t *out_nanoseconds);
/* Several modules in turns, so that what disturbs one disturbs all. */
RAN_MUST_USE ran_status ran_latency_compare(const ran_module *const *modules, size_t count,
                                            const ran_latency_options *options,
                                            int64_t *out_nanoseconds);

#endif
