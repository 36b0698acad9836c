/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Convolutions and products with constant weights, seen as y = W x + b, and what folds into them:
 * y' = a y + s a channel of the result, x' = a x + s a channel of the input. Arithmetic in f64, stored
 * in the element type of the weights.
 */
#ifndef PASSES_EXACT_LINEAR_H
#define PASSES_EXACT_LINEAR_H

#include "passes/match.h"

typedef struct ran_linear {
    ran_op *op;
    ran_value *input;          /* x */
    const ran_tensor *weight;
    const ran_tensor *bias;    /* NULL: none */
    int64_t in_channels, out_channels, group;
    bool out_first;            /* weights [out][in in group]..., else [in][out in group]... */
    int in_axis, out_axis;     /* of x and y */
    bool has_bias_operand;     /* whether the op can take a bias */
} ran_linear;

/* value = the result of a convolution or product with constant float weights, whose other operands a
 * fold may replace. */
bool ran_linear_match(const ran_value *value, ran_linear *out);
/* Whether x' = x + shift is the same as a bias: no padding, no transposed convolution. */
bool ran_linear_takes_input_shift(const ran_linear *linear);

/* A factor and a shift a channel. */
typedef struct ran_affine {
    double *factor, *shift;
    int64_t count;
} ran_affine;

ran_affine ran_affine_create(ran_pass_context *pass, int64_t count); /* 1 and 0 */
bool ran_affine_has_shift(const ran_affine *affine);
/* All finite: what is not folded keeps its infinities and NaNs where they are. */
bool ran_affine_is_finite(const ran_affine *affine);
/* value = affine(x) with constants that vary along `axis` only: Mul, Div, Add, Sub, Neg. */
bool ran_affine_match(ran_pass_context *pass, const ran_value *value, ran_value **out_x, int axis,
                      ran_affine *out);

/* An inference batch normalisation with constant parameters, over channels of axis 1. */
bool ran_affine_of_batchnorm(ran_pass_context *pass, const ran_op *op, ran_affine *out);

/* The op with the affine folded in, as a new op before `before`; NULL when it can't take it. */
ran_value *ran_linear_scale_output(ran_pass_context *pass, ran_op *before, const ran_linear *linear,
                                   const ran_affine *affine);
ran_value *ran_linear_scale_input(ran_pass_context *pass, ran_op *before, const ran_linear *linear,
                                  ran_value *x, const ran_affine *affine);
/* A constant of the affine's factors or shifts that broadcasts along `axis` of a rank. */
ran_value *ran_affine_constant(ran_op *near, ran_elem elem, const double *values, int64_t count,
                               int axis, int rank);

#endif
