/* SPDX-License-Identifier: GPL-3.0-or-later */
/* What the ops that compute share: tensors as arrays of double or int64_t, strided walks, and the
 * geometry of windows. */
#ifndef IR_OPS_COMPUTE_H
#define IR_OPS_COMPUTE_H

#include "ir/ops/ops.h"

/* ---- Elements (values.c) -------------------------------------------------------------------- */

/* Zeroed; a bug when memory runs out. Free with free(). */
void *ran_new_bytes(int64_t count, size_t size);
#define RAN_NEW(type, count) ((type *)ran_new_bytes((count), sizeof(type)))

/* Whether elem belongs to one of the classes of elem.def; 'I' stands for S and U. */
bool ran_elem_in(ran_elem elem, const char *classes);

/* All elements converted; the caller frees. NULL for NULL. u64 keeps its bits in the i64 form. */
RAN_GIVE double *ran_load_f64(const ran_tensor *tensor);
RAN_GIVE int64_t *ran_load_i64(const ran_tensor *tensor);
/* Stores numel elements: rounded once to a float type (truncated to an int type), or wrapped. */
void ran_store_f64(ran_tensor *tensor, const double *values);
void ran_store_i64(ran_tensor *tensor, const int64_t *values);
/* Rounded to the precision of f32, f16, bf16; others unchanged. */
double ran_round_to(ran_elem elem, double value);
/* The first element of a scalar operand, or `fallback` when it is absent or empty. */
double ran_scalar_f64(const ran_tensor *tensor, double fallback);
int64_t ran_scalar_i64(const ran_tensor *tensor, int64_t fallback);
/* Result `index` becomes another reference to `tensor`. */
void ran_forward_tensor(ran_evaluation *evaluation, size_t index, const ran_tensor *tensor);

/* ---- Walks (walk.c) ------------------------------------------------------------------------- */

enum { RAN_WALK_MAX = 4 };

/* Visits an index space row by row with an offset into each of `count` arrays. Adjacent axes that
 * all arrays run through alike are merged, so that rows get long. */
typedef struct ran_walk {
    int rank, count;
    int64_t dims[RAN_MAX_RANK];
    int64_t strides[RAN_WALK_MAX][RAN_MAX_RANK]; /* in elements; 0 repeats */
    int64_t position[RAN_MAX_RANK];
    int64_t rows, length;         /* how many rows, and elements of each */
    int64_t offset[RAN_WALK_MAX]; /* of the current row's start */
    int64_t step[RAN_WALK_MAX];   /* along a row */
} ran_walk;

/* With rank, count, dims and strides filled in: merges axes and goes to the first row. */
void ran_walk_start(ran_walk *walk);
void ran_walk_next(ran_walk *walk);
/* Over the index space of `dims`, tensors broadcast to it from the right. */
void ran_walk_broadcast(ran_walk *walk, int rank, const int64_t *dims, int count,
                        const ran_tensor *const *tensors);
/* Over x's index space (array 0) and that of x with the axes in `reduced` gone (array 1). */
void ran_walk_reduce(ran_walk *walk, int rank, const int64_t *dims, const bool *reduced);
#define RAN_FOR_ROWS(walk) for (int64_t row_ = 0; row_ < (walk)->rows; row_++, ran_walk_next(walk))

/* A tensor as [outer, length, inner] with axes [first, end) in the middle. */
typedef struct ran_lines {
    int64_t outer, length, inner;
} ran_lines;
ran_lines ran_lines_of(const ran_tensor *tensor, int first, int end);

/* ---- Inference (compute.c) ------------------------------------------------------------------ */

/* Fails unless the operand's element type is in `classes`; absent operands pass. */
ran_status ran_infer_check_elem(const ran_infer *infer, size_t operand, const char *classes);
/* Fails unless operands a and b have the same element type (or one is absent). */
ran_status ran_infer_check_same_elem(const ran_infer *infer, size_t a, size_t b);
/* Fails when the operand's rank is known and below `minimum`. */
ran_status ran_infer_check_min_rank(const ran_infer *infer, size_t operand, int minimum);
/* Normalised axis; fails when it is out of range. */
ran_status ran_infer_axis(const ran_infer *infer, int64_t axis, int rank, int *out_axis);
/* Result `index` gets the type of operand 0. */
ran_status ran_infer_like_first(ran_infer *infer, size_t index);
/* The tensor of an operand when it is known: a constant, or any in the evaluator. */
const ran_tensor *ran_infer_tensor(const ran_infer *infer, size_t operand);
const ran_dim *ran_dim_floor_constant(ran_context *context, const ran_dim *a, int64_t b);
const ran_dim *ran_dim_ceil_constant(ran_context *context, const ran_dim *a, int64_t b);

/* For counting: sizes that are not bound are 1, what has no type or axis is 0. */
int64_t ran_count_extent(const ran_value *value, int axis);
int64_t ran_count_numel(const ran_value *value);

/* ---- Windows (window.c): what convolutions and pools slide ---------------------------------- */

enum { RAN_MAX_SPATIAL = 3 };

/* Axes are right-aligned: a 1-D window uses entry 2, a 2-D one 1 and 2; the others are trivial. */
typedef struct ran_window {
    int spatial;
    int64_t in[RAN_MAX_SPATIAL], out[RAN_MAX_SPATIAL];
    int64_t kernel[RAN_MAX_SPATIAL], stride[RAN_MAX_SPATIAL], dilation[RAN_MAX_SPATIAL];
    int64_t pad_begin[RAN_MAX_SPATIAL], pad_end[RAN_MAX_SPATIAL];
} ran_window;

/* Checks the attributes of a conv, conv_transpose or pool against `spatial` axes. */
ran_status ran_window_verify(const ran_op *op, int spatial);
/* The output dim of spatial axis i (0 the first) of a conv or pool. */
ran_status ran_window_infer(ran_infer *infer, int spatial, int i, const ran_dim *in, int64_t kernel,
                            const ran_dim **out_dim);
/* Same for a conv_transpose. */
ran_status ran_window_infer_transposed(ran_infer *infer, int spatial, int i, const ran_dim *in,
                                       int64_t kernel, const ran_dim **out_dim);
/* Resolves the attributes for given extents; auto_pad becomes explicit pads. `kernel` is the
 * spatial part of the weight's shape, or NULL to read kernel_shape. `out` are the inferred output
 * extents. For a conv_transpose, in is its input, out its output, and pads crop the output. */
void ran_window_resolve(const ran_op *op, int spatial, const int64_t *in, const int64_t *out,
                        const int64_t *kernel, ran_window *out_window);
/* Outputs o in [first, end) whose input o * stride + offset lies in [0, in). */
void ran_window_valid(int64_t offset, int64_t stride, int64_t in, int64_t out, int64_t *out_first,
                      int64_t *out_end);

#endif
