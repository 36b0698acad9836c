/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Data movement: kernels that compute nothing.
 *
 * | row | takes | how |
 * |---|---|---|
 * | strided | transpose, slice, expand, tile, depth_to_space, space_to_depth, convert_layout, trilu's relatives without a condition | each element from a sum of coordinates |
 * | concat, split | any axis | runs of bytes |
 * | pad | all modes | rows with a rim |
 * | gather | one axis, indices in the data | runs of bytes |
 * | pack | weights that are not constant | tiles |
 *
 * Element types: all of 8, 16, 32 and 64 bits; elementwise ops fuse behind strided and pad.
 */
#ifndef CODEGEN_MOVE_MOVE_H
#define CODEGEN_MOVE_MOVE_H

#include "codegen/codegen.h"

/* Rows of `rows` elements' work a task, so that a task moves about this many elements. */
int64_t ran_move_rows_per_task(const ran_dim *columns);
/* "name_32" by the size of the elements. */
const char *ran_move_function(ran_emission *emission, const char *name, ran_elem elem);
bool ran_move_takes_elem(const ran_value *value);

/* Of kernels that move single elements: the result's, read and written. */
double ran_move_cost(const ran_op *anchor, const ran_target *target);
double ran_pad_cost(const ran_op *anchor, const ran_target *target); /* whole rows at a time */
bool ran_strided_accepts(const ran_op *anchor, const ran_target *target);
ran_status ran_strided_describe(ran_emission *emission);
bool ran_all_reduce_accepts(const ran_op *anchor, const ran_target *target);
bool ran_concat_accepts(const ran_op *anchor, const ran_target *target);
ran_status ran_concat_describe(ran_emission *emission);
bool ran_split_accepts(const ran_op *anchor, const ran_target *target);
ran_status ran_split_describe(ran_emission *emission);
bool ran_pad_accepts(const ran_op *anchor, const ran_target *target);
ran_status ran_pad_describe(ran_emission *emission);
bool ran_gather_accepts(const ran_op *anchor, const ran_target *target);
ran_status ran_gather_describe(ran_emission *emission);
bool ran_pack_accepts(const ran_op *anchor, const ran_target *target);
ran_status ran_pack_describe(ran_emission *emission);

#endif
