/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Sequences of linear ops in the IR, seen as layers.
 *
 * A link is one linear op (a convolution, product, batch normalisation in inference, multiplication
 * or addition of constants, average pooling, activation that is the identity), or a sum of branches
 * that start at the same value: RepVGG's and ACNet's parallel convolutions, residual additions. A
 * chain is a sequence of links in which nothing outside reads what lies between.
 */
#ifndef PASSES_LINEAR_CHAIN_H
#define PASSES_LINEAR_CHAIN_H

#include "passes/exact/linear.h"
#include "passes/linear/border.h"
#include "passes/linear/layer.h"

typedef struct ran_chain ran_chain;

typedef struct ran_link {
    ran_op *op;              /* whose result is the link's value; of a sum, the add or sub */
    ran_value *input;        /* what it reads; of a sum, where the branches start */
    ran_layer shape;         /* without weights; of a sum that is no layer, undefined */
    bool collapsible;        /* it is one layer */
    bool shared;             /* something outside of the chain reads its value */
    ran_chain *branches;     /* of a sum: two; NULL for an op */
    double sign[2];          /* of the branches: 1, or -1 behind a sub */
    const ran_tensor *map;   /* a constant that is added and varies over the map, or NULL */
    double map_sign;
    ran_value *weight_value, *bias_value; /* constants of the layer, once they are there */
} ran_link;

struct ran_chain {
    ran_value *input;
    ran_link *links;
    size_t count;
    bool last; /* products over the last axis; else channels are axis 1 */
};

/* The longest chain that ends in `value`; false when its op is not linear. With `duplicate`, values
 * that others read may lie between; what computes them then stays. */
bool ran_chain_find(ran_pass_context *pass, ran_value *value, bool duplicate, ran_chain *out);
/* Calls `visit` for each op of the links, those of branches too. */
void ran_links_visit(const ran_link *links, size_t count, void (*visit)(void *data, ran_op *op),
                     void *data);
/* How many ops they have; an op is counted once. */
size_t ran_links_ops(const ran_link *links, size_t count);

/* One link with its weights; `ones` moves biases that meet padding into `layer.ones`. */
void ran_link_load(ran_pass_context *pass, const ran_chain *chain, const ran_link *link, bool ones,
                   ran_layer *out);
/* Links [0, count) composed. Their shapes must compose. */
void ran_links_load(ran_pass_context *pass, const ran_chain *chain, const ran_link *links,
                    size_t count, bool ones, ran_layer *out);
/* What they make of an all-zero input of that type; false when sizes that matter are not known. */
bool ran_links_bias(ran_pass_context *pass, const ran_chain *chain, const ran_link *links,
                    size_t count, const int64_t *extents, ran_bias_map *out);
/* Whether biases can go through a channel of ones: no pads in front of the padded layer. */
bool ran_links_take_ones(const ran_link *links, size_t count);
bool ran_links_have_map(const ran_link *links, size_t count);
/* The conv_transpose among them, or NULL. */
ran_op *ran_links_transposed(const ran_link *links, size_t count);

/* Spatial extents of a value, -1 where they are symbolic. */
void ran_chain_extents(const ran_chain *chain, const ran_value *value, int64_t *out);
ran_value *ran_link_value(const ran_link *link);

/* ---- One op (link.c) ------------------------------------------------------------------------- */

/* The op of `value` as a layer over channels of axis 1 (`last`: of the last axis); with weights
 * when `weights`. Sets input, shape, map. */
bool ran_link_match(ran_pass_context *pass, ran_value *value, bool last, bool weights,
                    ran_link *out);

#endif
