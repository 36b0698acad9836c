/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Ops with an attribute, for mappers that express an ONNX op by others. NULL in gives NULL out, after
 * an error that was reported. */
#ifndef FRONTEND_OPS_COMPOSE_H
#define FRONTEND_OPS_COMPOSE_H

#include "frontend/onnx.h"

ran_value *ran_compose_transpose(ran_onnx_node *node, ran_value *x, const int64_t *perm,
                                 size_t count);
ran_value *ran_compose_concat(ran_onnx_node *node, ran_value *const *xs, size_t count,
                              int64_t axis);
ran_value *ran_compose_gather(ran_onnx_node *node, ran_value *x, ran_value *indices, int64_t axis);
ran_value *ran_compose_softmax(ran_onnx_node *node, ran_value *x, int64_t axis);
/* Positions first .. end of an axis. */
ran_value *ran_compose_slice(ran_onnx_node *node, ran_value *x, int64_t axis, int64_t first,
                             int64_t end);
/* The extent of an axis as an i64 scalar: a constant when it is known. */
ran_value *ran_compose_extent(ran_onnx_node *node, ran_value *x, int axis);

#endif
