/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Kernels that read or write where the data say.
 *
 * | row | takes | how |
 * |---|---|---|
 * | gather_elements, gather_nd | any axes, indices in the data | elements; slices |
 * | scatter_elements, scatter_nd, max_unpool | with reductions | a copy, then updates, one task |
 * | one_hot, trilu, reverse_sequence | | rows |
 * | cumulate | cumsum, cumprod | lanes along what lies behind the axis |
 * | values, range | shape, size, range | from the sizes, from the position |
 * | topk | any axis | selection by repeated scans |
 * | grid_sample | two spatial axes, f32 | a point for all channels |
 * | roi_align, deform_conv | f32 | a box; a row of pixels, a tap for all channels of its group |
 * | tensor_scatter | any axis | a copy, then the update's rows |
 * | non_zero, compress, unique, non_max_suppression | sizes that data decide | one task |
 *
 * Negative indices count from the end; others out of range set the status word and touch nothing.
 */
#ifndef CODEGEN_INDEX_INDEX_H
#define CODEGEN_INDEX_INDEX_H

#include "codegen/codegen.h"

/* ---- Helpers of the family (index_host.c) -------------------------------------------- */

bool ran_index_is_integer(const ran_value *value); /* i32 or i64 */
bool ran_index_is_wide(const ran_value *value);    /* i64 */
/* The product of the dims [first, last). */
const ran_dim *ran_index_product(ran_context *context, const ran_type *type, int first, int last);
/* Row-major strides of a plain type into the words from `word` on. */
void ran_index_set_strides(ran_emission *emission, size_t word, const ran_type *type);
void ran_index_set_dims(ran_emission *emission, size_t word, const ran_type *type);
/* Whether the element type moves by its size: 8, 16, 32 or 64 bits. */
bool ran_index_takes_elem(const ran_value *value);
/* "name_32" by size, or "name_f32" by type. */
const char *ran_index_by_size(ran_emission *emission, const char *name, ran_elem elem);
const char *ran_index_by_type(ran_emission *emission, const char *name, ran_elem elem);
bool ran_index_is_reduced_elem(ran_elem elem); /* f32, f64, i32, i64 */

/* ---- Rows ---------------------------------------------------------------------------- */

#define RAN_INDEX_ROW(name)                                                                        \
    bool ran_##name##_accepts(const ran_op *anchor, const ran_target *target);                     \
    ran_status ran_##name##_describe(ran_emission *emission)
RAN_INDEX_ROW(gather_elements);
RAN_INDEX_ROW(scatter_elements);
RAN_INDEX_ROW(gather_nd);
RAN_INDEX_ROW(scatter_nd);
RAN_INDEX_ROW(max_unpool);
RAN_INDEX_ROW(one_hot);
RAN_INDEX_ROW(trilu);
RAN_INDEX_ROW(reverse_sequence);
RAN_INDEX_ROW(cumulate);
RAN_INDEX_ROW(topk);
RAN_INDEX_ROW(grid_sample);
RAN_INDEX_ROW(roi_align);
RAN_INDEX_ROW(deform_conv);
RAN_INDEX_ROW(tensor_scatter);
RAN_INDEX_ROW(values);
RAN_INDEX_ROW(range);
RAN_INDEX_ROW(non_zero);
RAN_INDEX_ROW(compress);
RAN_INDEX_ROW(unique);
RAN_INDEX_ROW(non_max_suppression);
#undef RAN_INDEX_ROW

#endif
