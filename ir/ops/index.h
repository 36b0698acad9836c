/* SPDX-License-Identifier: GPL-3.0-or-later */
/* What gather.c and scatter.c share: checked indices. */
#ifndef IR_OPS_INDEX_H
#define IR_OPS_INDEX_H

#include "ir/ops/ops.h"

/* The position that `value` names; an error that tells the index when it is outside. */
ran_status ran_eval_index(const ran_evaluation *evaluation, int64_t value, int axis, int64_t extent,
                          int64_t *out_index);
/* The offset in `data` that tuple `position` of `indices` names, over the axes from first_axis. */
ran_status ran_eval_nd_offset(const ran_evaluation *evaluation, const ran_tensor *data,
                              const ran_tensor *indices, int64_t position, int first_axis,
                              int64_t count, int64_t *out_offset);
ran_status ran_infer_check_index_elem(const ran_infer *infer, size_t operand);
/* x and indices of gather_elements and scatter_elements: one rank, not beyond but along the axis. */
ran_status ran_infer_check_elementwise_indices(ran_infer *infer);

#endif
