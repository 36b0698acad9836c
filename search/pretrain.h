/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * What candidates lose: each is trained to give what the teacher's layer gives, then stands in the
 * teacher while images that it has not seen go through.
 *
 * Walk: all images go through the teacher once; the maps at the ends of the chosen layers are kept
 * in a file without a name that is mapped (it goes with the process). A candidate is trained on
 * these maps alone, and evaluated on those behind, from its output through the rest of the network.
 * Every candidate's weights and numbers are on disk before the next one begins, so that a run that
 * was killed goes on, and another target or a larger pool takes what is there. Several processes
 * divide the candidates among themselves; each writes a file of losses, which the first one
 * gathers.
 */
#ifndef SEARCH_PRETRAIN_H
#define SEARCH_PRETRAIN_H

#include <ran/train.h>

#include "search/latency.h"
#include "search/model.h"

/* Normalised images in memory with their classes. */
typedef struct ran_images {
    float *x;
    int64_t *classes;
    int64_t count, numel;
} ran_images;

typedef struct ran_loss_row {
    const char *layer, *candidate;
    double loss;  /* cross-entropy above the teacher's */
    double drop;  /* percentage points of accuracy below the teacher's */
    double error; /* sum of squares of the map's error, relative to the map */
} ran_loss_row;

typedef struct ran_loss_table {
    ran_loss_row *rows;
    size_t count;
    ran_arena *arena;
} ran_loss_table;

typedef struct ran_pretrain_options {
    const char *directory; /* of all that is kept: losses.txt, candidates/ */
    const char *epochs, *batch, *optimizer, *rate; /* as recipes have them */
    uint64_t seed;
    unsigned threads;
    int64_t held_out; /* of the images, at the end: for the losses */
    int rank, ranks;  /* takes each `ranks`-th candidate */
    void (*progress)(void *data, const char *layer, const char *candidate, size_t done,
                     size_t count);
    void *data;
} ran_pretrain_options;

/* `count` images of a data set from `first`, normalised as the recipe and the model's metadata say.
 */
RAN_MUST_USE ran_status ran_images_read(ran_context *context, const ran_module *module,
                                        const ran_recipe *recipe, ran_dataset *dataset,
                                        int64_t first, int64_t count, ran_images *out_images);
void ran_images_clear(ran_images *images);
/* Mean cross-entropy and accuracy (0..1) of a module of any batch. */
RAN_MUST_USE ran_status ran_images_evaluate(const ran_module *module, const ran_images *images,
                                            int64_t first, int64_t count, double *out_loss,
                                            double *out_accuracy);

/* The same of a compiled one. */
RAN_MUST_USE ran_status ran_images_score(ran_context *context, ran_native *native,
                                         const ran_images *images, int64_t first, int64_t count,
                                         double *out_loss, double *out_accuracy);

/* Gives batch norms the statistics of what goes through them now: of the first `count` images, at
 * most 2048. */
RAN_MUST_USE ran_status ran_images_recalibrate(ran_module *module, const ran_images *images,
                                               int64_t count);

RAN_MUST_USE ran_status ran_losses_read(ran_context *context, ran_arena *arena, const char *path,
                                        ran_loss_table *out_table);
/* The names are copied. */
void ran_losses_add(ran_loss_table *table, const ran_loss_row *row);
/* Beside the path, then renamed: no half line stays in the middle of a file. */
RAN_MUST_USE ran_status ran_losses_write(ran_context *context, const ran_loss_table *table,
                                         const char *path);
/* In the order of layers and pool, whoever computed what; rows of other searches come first. */
void ran_losses_sort(ran_loss_table *table, const ran_layers *layers, const ran_pool *pool);
/* The file of a rank in the directory. Rank 0's is the search's own. */
const char *ran_losses_path(ran_context *context, const char *directory, int rank);
/* Adds what the other ranks wrote and removes their files. */
RAN_MUST_USE ran_status ran_losses_gather(ran_context *context, const char *directory, int ranks,
                                          ran_loss_table *table);
const ran_loss_row *ran_losses_find(const ran_loss_table *table, const char *layer,
                                    const char *candidate);
/* The trained candidate's file in the directory. */
const char *ran_pretrain_path(ran_context *context, const char *directory, const char *layer,
                              const char *candidate);
/* Trains and evaluates what `table` lacks of candidates that the latency table knows to be no
 * slower than the teacher's layer, and writes the rank's file of losses behind each. The module has
 * batch 1. */
RAN_MUST_USE ran_status ran_pretrain(const ran_module *module, const ran_layers *layers,
                                     const ran_pool *pool, const ran_latency_table *latencies,
                                     const ran_images *images, const ran_pretrain_options *options,
                                     ran_loss_table *table);

#endif
