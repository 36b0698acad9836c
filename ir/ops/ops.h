/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * What the hooks of several op families share: operands that may be absent, results, dimension
 * arithmetic, and walking and copying tensors in row-major order.
 */
#ifndef IR_OPS_OPS_H
#define IR_OPS_OPS_H

#include "ir/ir.h"

/* ---- Operands and results ------------------------------------------------------------------------ */

/* NULL when absent or beyond the end. */
static inline const ran_type *ran_infer_operand(const ran_infer *infer, size_t index)
{
    return index < infer->op->operand_count ? infer->operands[index] : NULL;
}

static inline const ran_tensor *ran_eval_operand(const ran_evaluation *evaluation, size_t index)
{
    return index < evaluation->op->operand_count ? evaluation->operands[index] : NULL;
}

/* Sets the type of a result: a plain tensor. An error only when the rank is beyond RAN_MAX_RANK. */
ran_status ran_infer_result(ran_infer *infer, size_t index, ran_elem elem, int rank,
                            const ran_dim *const *dims);
/* A tensor of unknown rank. */
ran_status ran_infer_result_unknown(ran_infer *infer, size_t index, ran_elem elem);
/* The dims of operand `index` into out_dims; its rank, or -1 when that is unknown. */
int ran_infer_dims(const ran_infer *infer, size_t index, const ran_dim *out_dims[RAN_MAX_RANK]);
/* Known elements of operand `index`, which need not be constants; NULL when not known. */
const ran_dim *const *ran_infer_elements(const ran_infer *infer, size_t index, size_t *out_count);
/* Result 0 has the shape that operand `operand` holds, but its elements are not known: fresh dims
 * where its length is. */
ran_status ran_infer_unknown_shape(ran_infer *infer, size_t operand, ran_elem elem);
/* Marks in `out_axes` the axes that operand `index` lists (negative ones count from the end) and
 * returns how many; -1 when they are not known, -2 after an error (out of range, twice). */
int ran_infer_axes(const ran_infer *infer, size_t index, int rank, bool out_axes[RAN_MAX_RANK]);
/* The axis of an attribute; -1 after an error. `rank` must be known. */
int ran_infer_axis_attr(const ran_infer *infer, const char *name, int rank);
/* The elements of result 0 are those of operand `index`, in the same order, when these are known. */
void ran_infer_forward_known(ran_infer *infer, size_t index);
/* result 0[i] = operand[offset + i . strides], row-major over dims, when its elements are known. */
void ran_infer_known_strided(ran_infer *infer, size_t operand, int64_t offset,
                             const int64_t *strides, int rank, const int64_t *dims);
/* The constant dims of a type; false when one is not constant. */
bool ran_dims_constant(int rank, const ran_dim *const *dims, int64_t *out_dims);
/* An error unless operand `index` has this rank (or none that is known). */
ran_status ran_infer_check_rank(const ran_infer *infer, size_t index, const char *name, int rank);
/* An error when a and b differ for all values of the symbols: 3 and 4, N and N + 1. Where they may
 * differ (N and M), that they must not is stated. */
ran_status ran_infer_check_equal_dims(const ran_infer *infer, const char *what, const ran_dim *a,
                                      const ran_dim *b);

/* Creates a result whose shape depended on data; nothing to do when it exists already. */
ran_status ran_eval_create(ran_evaluation *evaluation, size_t index, ran_elem elem, int rank,
                           const int64_t *dims);

/* ---- Dimensions --------------------------------------------------------------------------------- */

const ran_dim *ran_dim_add(ran_context *context, const ran_dim *a, const ran_dim *b);
const ran_dim *ran_dim_sub(ran_context *context, const ran_dim *a, const ran_dim *b);
const ran_dim *ran_dim_mul(ran_context *context, const ran_dim *a, const ran_dim *b);
const ran_dim *ran_dim_add_constant(ran_context *context, const ran_dim *a, int64_t b);
const ran_dim *ran_dim_mul_constant(ran_context *context, const ran_dim *a, int64_t b);
/* Bounds that hold for every value of the symbols, which are never negative. INT64_MIN and
 * INT64_MAX mean that there is none. */
int64_t ran_dim_lower_bound(const ran_dim *dim);
int64_t ran_dim_upper_bound(const ran_dim *dim);
/* The product of `dims`, divided exactly by the product of `divisors`: equal factors cancel first.
 * NULL when the constants don't divide. */
const ran_dim *ran_dim_quotient(ran_context *context, size_t dim_count, const ran_dim *const *dims,
                                size_t divisor_count, const ran_dim *const *divisors);

/* ---- Tensors --------------------------------------------------------------------------------------- */

/* Row-major strides in elements. */
void ran_row_major_strides(int rank, const int64_t *dims, int64_t *out_strides);
/* The product of dims[first..end). */
int64_t ran_dims_product(const int64_t *dims, int first, int end);
/* Steps `index` to the next position of a row-major walk; false behind the last. */
bool ran_index_next(int rank, const int64_t *dims, int64_t *index);

/* Copies `count` elements of one type, strings and 4-bit elements included. */
void ran_copy_elements(ran_tensor *to, int64_t to_index, const ran_tensor *from,
                       int64_t from_index, int64_t count);
/* to[to_offset + i . to_strides] = from[from_offset + i . from_strides] for every index i below
 * dims. Strides count elements and may be 0 or negative. */
void ran_copy_strided(ran_tensor *to, int64_t to_offset, const int64_t *to_strides,
                      const ran_tensor *from, int64_t from_offset, const int64_t *from_strides,
                      int rank, const int64_t *dims);

#endif
