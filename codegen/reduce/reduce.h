/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Reductions.
 *
 * | row | takes | how |
 * |---|---|---|
 * | reduce | reduce_*, any axes, plain | kept and reduced coordinates in runs |
 * | softmax | softmax, log_softmax, hardmax, any axis | [outer, axis, inner], rows in scratch |
 * | arg | arg_max, arg_min, any axis | [outer, axis, inner] |
 *
 * Elementwise producers of the operand fuse in front, consumers of the result behind (but arg).
 */
#ifndef CODEGEN_REDUCE_REDUCE_H
#define CODEGEN_REDUCE_REDUCE_H

#include "codegen/codegen.h"

bool ran_reduce_accepts(const ran_op *anchor, const ran_target *target);
ran_status ran_reduce_describe(ran_emission *emission);
bool ran_softmax_accepts(const ran_op *anchor, const ran_target *target);
ran_status ran_softmax_describe(ran_emission *emission);
bool ran_arg_accepts(const ran_op *anchor, const ran_target *target);
ran_status ran_arg_describe(ran_emission *emission);

#endif
