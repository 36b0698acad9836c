/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * The zoo: networks of known architectures, built as modules with seeded weights.
 *
 * A family is a C file with tables and a build function; networks.def has one row a network.
 * Weights are He-normal; the statistics of batch normalisation are those of a few images of noise
 * that run through the network while it is built, so that values keep their size through any depth.
 */
#ifndef SEARCH_ZOO_ZOO_H
#define SEARCH_ZOO_ZOO_H

#include <ran/ir.h>

typedef struct ran_zoo_options {
    int64_t channels, height, width_pixels; /* input; 0: the network's own */
    int64_t batch;                          /* 0: 1 */
    int64_t classes;                        /* 0: the network's own */
    double width, depth;                    /* factors of channels and of repeats; 0: 1 */
    uint64_t seed;
} ran_zoo_options;

typedef struct ran_net ran_net;

typedef struct ran_zoo_network {
    const char *name, *what;
    int64_t channels, height, width, classes; /* defaults */
    void (*build)(ran_net *net, const void *table);
    const void *table; /* the family's */
} ran_zoo_network;

/* All networks, in the order of networks.def. */
const ran_zoo_network *ran_zoo_networks(size_t *out_count);
const ran_zoo_network *ran_zoo_find(const char *name); /* NULL: unknown */

/* A module with one function "main". `options` may be NULL. */
RAN_MUST_USE ran_status ran_zoo_build(ran_context *context, const ran_zoo_network *network,
                                      const ran_zoo_options *options,
                                      RAN_GIVE ran_module **out_module);

#endif
