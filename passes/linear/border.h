/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * What a sequence of linear layers makes of an all-zero input: a bias for each position of the map,
 * of which only few differ. Positions of an axis whose windows see the same are one class (methods:
 * 5.6, "the exact bias map is simply f(0)"), so that the map is never computed as a whole.
 */
#ifndef PASSES_LINEAR_BORDER_H
#define PASSES_LINEAR_BORDER_H

#include "passes/linear/layer.h"

typedef struct ran_bias_map {
    int spatial;
    int64_t channels;
    int64_t extent[RAN_LAYER_AXES];   /* -1: not known, and all positions are alike */
    int64_t classes[RAN_LAYER_AXES];  /* 1 behind `spatial` */
    int32_t *class_of[RAN_LAYER_AXES]; /* [extent]; NULL: all in class 0 */
    double *values;                   /* [channels][classes 0][classes 1][classes 2] */
} ran_bias_map;

/* Zeros. */
ran_bias_map ran_bias_map_create(int spatial, int64_t channels, const int64_t *extent);
void ran_bias_map_clear(ran_bias_map *map);
/* layer(map); false when an axis of unknown size is padded (or transposed). */
bool ran_bias_map_apply(const ran_bias_map *map, const ran_layer *layer, ran_bias_map *out);
ran_bias_map ran_bias_map_sum(const ran_bias_map *a, const ran_bias_map *b);
/* Adds factor * a constant that broadcasts to [*, channels, extents]; false when it varies along an
 * axis of unknown size, or the batch. */
bool ran_bias_map_add_constant(ran_bias_map *map, const ran_tensor *constant, double factor);
/* Makes equal rows, columns, planes one class. */
void ran_bias_map_compress(ran_bias_map *map);
bool ran_bias_map_is_uniform(const ran_bias_map *map);
double ran_bias_map_at(const ran_bias_map *map, int64_t channel, const int64_t *position);
/* Largest difference to a bias of the channels. */
double ran_bias_map_distance(const ran_bias_map *map, const double *bias);

/* Classes of an axis by which taps of a window fall outside of the map: for a transposed layer too.
 * in_class as class_of; out[position] is the class, signature[class * kernel + tap] the class of the
 * input there or -1. Returns the number of classes. The arrays are freed by the caller. */
int64_t ran_window_classes(const ran_layer *layer, int axis, int64_t in_extent, int64_t out_extent,
                           const int32_t *in_class, RAN_GIVE int32_t **out_class,
                           RAN_GIVE int32_t **out_signature);

#endif
