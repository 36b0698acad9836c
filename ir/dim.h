/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Dimensions from inside: interning (dim.c) and canonical forms (dim_poly.c).
 *
 * A canonical dimension is a sum of terms, each a product of atoms and one coefficient, in an order
 * that depends on structure and names alone, never on creation. Atoms are symbols and what a
 * polynomial can't express: divisions, minima, maxima. Symbols are sizes: never negative, and where
 * one divides exactly, not zero.
 */
#ifndef IR_DIM_H
#define IR_DIM_H

#include "ir/context.h"

/* The node itself, without any simplification. */
const ran_dim *ran_dim_node(ran_context *context, ran_dim_kind kind, const ran_dim *lhs,
                            const ran_dim *rhs);
/* One that the polynomials gave up on: an atom of whatever is built on it. */
const ran_dim *ran_dim_opaque_node(ran_context *context, ran_dim_kind kind, const ran_dim *lhs,
                                   const ran_dim *rhs);
static inline bool ran_dim_is_opaque(const ran_dim *dim)
{
    return dim->kind != RAN_DIM_CONSTANT && dim->value == 1;
}
/* A total order on structure; 0 for the same dimension only. Constants come last. */
int ran_dim_compare(const ran_dim *a, const ran_dim *b);

#endif
