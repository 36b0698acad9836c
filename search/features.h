/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * The teacher's maps at the ends of all chosen layers, made in one pass over the images. They lie
 * in a file without a name that is mapped: what does not fit in memory stays on disk, and the file
 * goes with the process.
 */
#ifndef SEARCH_FEATURES_H
#define SEARCH_FEATURES_H

#include "search/pretrain.h"

typedef struct ran_feature {
    const char *name; /* of the value */
    int64_t numel;    /* of one image */
    float *data;
} ran_feature;

typedef struct ran_features {
    ran_feature *items;
    size_t count;
    float *memory;
    size_t bytes;
} ran_features;

/* Cleared by the caller, after an error too. */
RAN_MUST_USE ran_status ran_features_compute(const ran_module *module, const ran_layers *layers,
                                             const ran_images *images, const char *directory,
                                             ran_features *out_features);
void ran_features_clear(ran_features *features);
/* NULL: there is none of the name. */
ran_feature *ran_features_find(const ran_features *features, const char *name);

#endif
