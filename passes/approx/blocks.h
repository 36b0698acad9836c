/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Inverted bottlenecks by structure: 1x1 expand, depthwise, 1x1 project, with norms and activations
 * between, wherever they came from. And their restructurable form (AFRB): a PReLU of slope 1 - alpha in
 * front, none behind the expansion, a PReLU of slope alpha behind the depthwise convolution.
 */
#ifndef PASSES_APPROX_BLOCKS_H
#define PASSES_APPROX_BLOCKS_H

#include "passes/approx/channels.h"

enum { RAN_BLOCK_CHAIN = 6 };

/* A convolution and the per-channel ops behind it. */
typedef struct ran_block_conv {
    ran_op *conv;
    ran_op *chain[RAN_BLOCK_CHAIN];
    size_t chain_count;
    ran_value *value; /* behind the chain */
} ran_block_conv;

typedef struct ran_block {
    ran_value *input; /* raw: in front of `lead` */
    ran_site *lead, *first, *second; /* activations; NULL: none */
    ran_block_conv expand, depthwise, project;
    ran_op *add;       /* of the residual over this block, or NULL */
    ran_value *result; /* of the addition, else of the projection */
    bool is_afrb;
    double alpha;      /* of an AFRB */
    struct ran_block *pair; /* the second of two in series under one residual */
    bool is_paired;         /* is that second one */
} ran_block;

typedef struct ran_blocks {
    ran_block *blocks; /* in the order of the function */
    size_t count;
    size_t excited; /* others, with squeeze-and-excitation inside: no single convolution */
} ran_blocks;

/* For messages: how many there are, and how many are none for their squeeze-and-excitation. */
const char *ran_blocks_text(ran_pass_context *pass, const ran_blocks *blocks);
void ran_blocks_find(ran_pass_context *pass, ran_function *function, ran_sites *sites,
                     ran_blocks *out_blocks);
const char *ran_block_name(const ran_block *block);
/* The block that has this activation, or NULL. */
ran_block *ran_blocks_of(const ran_blocks *blocks, const ran_site *site);

/* ---- The collapsed form (merged_block.c) ------------------------------------------------------------ */

/* A batch norm of x that is the identity: gamma 1, beta 0, mean 0, variance 1 - epsilon. */
ran_value *ran_block_norm(ran_pass_context *pass, const ran_block *block, ran_op *before,
                          ran_value *x);
/* The three convolutions, between which no activation is left, become one; a norm behind them takes the
 * bias into its mean. */
void ran_block_merge(ran_pass_context *pass, ran_block *block);

/* ---- AFRB (afrb.c) ------------------------------------------------------------------------------- */

/* Alpha near 1: the PReLU in front becomes the activation, all behind it is linear. */
void ran_afrb_make_linear(ran_pass_context *pass, ran_block *block, const char *kind);
/* Else an inverted bottleneck again: nothing in front, the activation behind the expansion too. */
void ran_afrb_restore(ran_pass_context *pass, ran_block *block, const char *kind);

#endif
