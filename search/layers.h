/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * The layers of a network that a search may replace: parts with one feature map in and one out.
 *
 * Walk, MobileNetV2: one value is alive behind each op of a chain, so the function falls into
 * segments; a residual addition makes one segment of all that it spans. Segments are grouped by
 * structure: a 1x1, a depthwise and a 1x1 convolution with their norms and activations are an
 * inverted bottleneck; a convolution with what follows is a unit. The first unit (stem), a
 * pointwise one in front of the pooling (head), and what changes the map in another way are no
 * layers.
 */
#ifndef SEARCH_LAYERS_H
#define SEARCH_LAYERS_H

#include <ran/ir.h>

#include "ir/arena.h"

typedef struct ran_layer {
    const char *name; /* without blanks; unique */
    const char *kind; /* "residual block", "inverted bottleneck", ... */
    ran_value *input, *output;
    ran_op **ops; /* what a candidate replaces, in order */
    size_t op_count;
    int64_t stride; /* 1 or 2: the map stays or is halved */
    int64_t parameters, macs, nonlinear;
    bool is_end; /* stem or head: not chosen unless by name */
    bool is_chosen;
} ran_layer;

typedef struct ran_layers {
    ran_layer *layers; /* in the order of the network */
    size_t count;
} ran_layers;

/* In a function whose shapes are known (the batch may be symbolic), cleaned up. All that is found
 * lives in `arena` and is valid until the function changes. */
void ran_layers_find(ran_arena *arena, const ran_function *function, ran_layers *out_layers);
/* Names or globs, separated by commas, "all" (ends too), or kind:GLOB. RAN_USAGE when one selects
 * nothing. NULL: all but stem and head. */
RAN_MUST_USE ran_status ran_layers_choose(ran_context *context, ran_layers *layers,
                                          const char *text);
size_t ran_layers_chosen(const ran_layers *layers);

/* A feature map's shape: batch, channels, height, width. */
int64_t ran_layer_extent(const ran_value *value, int axis);

#endif
