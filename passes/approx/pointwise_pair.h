/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Two pointwise layers with a partly linear activation between ("Restructurable Activation Networks",
 * section 4): y = W2 f(W1 x + b1), f the identity on the hidden channels L. Split:
 *
 *   y = W2[:,N] f(W1[N,:] x + b1[N]) + psi((W2[:,L] W1[L,:]) x + W2[:,L] b1[L])
 *
 * psi is the identity where the function is to stay the same. What stands behind (b2, a layer scale, a
 * residual) is not touched.
 */
#ifndef PASSES_APPROX_POINTWISE_PAIR_H
#define PASSES_APPROX_POINTWISE_PAIR_H

#include "passes/match.h"

typedef struct ran_pointwise_pair {
    ran_op *first;      /* Conv of one tap, Gemm, MatMul, with constant weights */
    ran_op *bias;       /* the addition of a row behind it, or NULL */
    ran_op *activation; /* f itself */
    ran_op *whole;      /* what gives f on N and the identity on L: f, or a choice */
    ran_op *second;
    int64_t in, hidden, out;
    int64_t *linear, *others; /* hidden channels, in order */
    int64_t linear_count, other_count;
} ran_pointwise_pair;

/* The pair around a PReLU with slopes of 1, or a choice by a constant mask. NULL, or why not. */
const char *ran_pointwise_pair_match(ran_pass_context *pass, ran_op *op,
                                     ran_pointwise_pair *out_pair);
/* Makes psi of a value in front of `before`; NULL for the identity. */
typedef ran_value *ran_branch_activation(ran_pass_context *pass, ran_op *before, ran_value *x);
/* Returns the sum that takes the place of the second layer's result. */
ran_value *ran_pointwise_pair_split(ran_pass_context *pass, const ran_pointwise_pair *pair,
                                    ran_branch_activation *psi);

#endif
