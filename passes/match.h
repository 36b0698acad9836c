/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Patterns over values, so that recognisers stay short: constants with tolerance, binary ops with
 * their operands in either order, and the set of ops that a match would replace.
 */
#ifndef PASSES_MATCH_H
#define PASSES_MATCH_H

#include "passes/passes.h"

/* ---- Constants -------------------------------------------------------------------------------- */

/* All elements of a constant are equal (a scalar, or a splat of any shape). */
bool ran_match_splat(const ran_value *value, double *out);
bool ran_match_splat_is(const ran_value *value, double expected);
/* Equal within the rounding of `elem`. */
bool ran_match_near(double a, double b, ran_elem elem);
/* The integers of a constant, or of a value that is known from shapes; count or -1. */
int64_t ran_match_ints(const ran_value *value, int64_t *out, size_t capacity);

/* ---- Ops ----------------------------------------------------------------------------------------- */

/* The op of a result, if it is of that kind. */
ran_op *ran_match_op(const ran_value *value, ran_opcode opcode);
/* The two operands of a binary op, in order. */
bool ran_match_binary(const ran_value *value, ran_opcode opcode, ran_value **out_a,
                      ran_value **out_b);
/* x and the splat of a commutative op, in either order. */
bool ran_match_with_splat(const ran_value *value, ran_opcode opcode, ran_value **out_x,
                          double *out_splat);
/* value = factor * x: Mul in either order, Div by a constant, Neg. */
bool ran_match_scaled(const ran_value *value, ran_value **out_x, double *out_factor);
/* value = x + shift: Add in either order, Sub of a constant. */
bool ran_match_shifted(const ran_value *value, ran_value **out_x, double *out_shift);
/* value = x^power, as Pow by a constant or as a product of x with itself (2 and 3). */
bool ran_match_power(const ran_value *value, ran_value **out_x, double *out_power);

/* Same tensor type: what a recogniser asks of pattern input and output, so that no broadcast by a
 * constant's shape gets lost. */
bool ran_match_same_type(const ran_value *a, const ran_value *b);
bool ran_value_is_float(const ran_value *value);

/* ---- What a match covers ------------------------------------------------------------------------- */

enum { RAN_MATCH_OPS = 48 };

/* The ops inside a pattern. A match is closed when nothing outside needs a value of theirs. */
typedef struct ran_match {
    const ran_op *ops[RAN_MATCH_OPS];
    size_t count;
} ran_match;

void ran_match_add(ran_match *match, const ran_value *value); /* its op; no effect on leaves */
/* All of the ops on paths from `root` down to one of the leaves (constants end a path too). */
void ran_match_cover(ran_match *match, const ran_value *root, const ran_value *const *leaves,
                     size_t leaf_count);
/* Of all covered ops but the root's, each use is by a covered op. Else what is covered would stay
 * alive beside its replacement. */
bool ran_match_is_closed(const ran_match *match, const ran_value *root);

/* ---- Products -------------------------------------------------------------------------------------- */

enum { RAN_PRODUCT_FACTORS = 6 };

/* value = factor * product of what is not constant, through Mul and Div by constants, whatever their
 * nesting. */
typedef struct ran_product {
    double factor;
    ran_value *values[RAN_PRODUCT_FACTORS];
    size_t count;
} ran_product;

/* Follows only values that nothing else uses, below the root. False: too many factors. */
bool ran_match_product(ran_value *value, ran_product *out);

/* ---- Building ---------------------------------------------------------------------------------------- */

/* An op with one result before `before`, for attributes to be set and ran_finish_op. */
ran_op *ran_new_op(ran_op *before, ran_opcode opcode, size_t operand_count,
                   ran_value *const *operands);
/* A copy of `op` before `before`, its results without names: what it replaces has them. */
ran_op *ran_copy_op(ran_op *before, const ran_op *op);
/* Infers; a failure is a bug of the rule, because its input had types. Returns result 0. */
ran_value *ran_finish_op(ran_pass_context *pass, ran_op *op);
ran_value *ran_new_unary(ran_pass_context *pass, ran_op *before, ran_opcode opcode, ran_value *x);
ran_value *ran_new_binary(ran_pass_context *pass, ran_op *before, ran_opcode opcode, ran_value *x,
                          ran_value *y);
/* The same, computed at once: all operands are constants. NULL when it can't be evaluated. */
ran_value *ran_fold_unary(ran_pass_context *pass, ran_op *before, ran_opcode opcode, ran_value *x);
ran_value *ran_fold_binary(ran_pass_context *pass, ran_op *before, ran_opcode opcode, ran_value *x,
                           ran_value *y);
/* Evaluates a new op on constants, erases it and gives its result as a constant, or NULL. */
ran_value *ran_fold_op(ran_pass_context *pass, ran_op *op);
/* Constants. */
ran_value *ran_new_ints(ran_op *near, const int64_t *values, size_t count);
ran_value *ran_new_scalar(ran_op *near, ran_elem elem, double value);
/* Takes the tensor. */
ran_value *ran_new_constant(ran_op *near, const char *name, RAN_TAKE ran_tensor *tensor);
ran_value *ran_new_transpose(ran_pass_context *pass, ran_op *before, ran_value *x,
                             const int64_t *perm, size_t rank);
/* A reshape with a constant shape to dims that may be symbolic, when one can say it: symbols that
 * stand at the same place in x, and one that is left over. NULL when not. */
ran_value *ran_new_reshape(ran_pass_context *pass, ran_op *before, ran_value *x,
                           const ran_type *type);

#endif
