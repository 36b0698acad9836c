/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * What an op's gradient hook sees (ran_op_hooks.gradient, in ir/ops/<family>.c): reverse mode, one op
 * at a time, from the last to the first.
 *
 * Walk: y = relu(x) asks ran_gradient_of(g, 0) for dL/dy, builds where(y > 0, dy, 0) at
 * ran_gradient_builder(g) and hands it to ran_gradient_add(g, 0, dx). What several users of a value
 * hand in is summed in the order of the program, so that a step is deterministic. The hook builds
 * with ops of op.def only; a hook that broadcasts sums over the broadcast axes by
 * ran_gradient_reduce_to. Rounding is that of the ops: differentiation never changes an element type.
 */
#ifndef IR_GRADIENT_H
#define IR_GRADIENT_H

#include "ir/ir.h"

typedef struct ran_gradient ran_gradient;

/* Where the hook builds; the location is that of the forward op. */
ran_builder *ran_gradient_builder(ran_gradient *gradient);
/* dL/d(result), NULL when L does not depend on it (then it adds nothing). */
ran_value *ran_gradient_of(ran_gradient *gradient, size_t result);
/* Whether dL/d(operand) is asked for: an absent, integer or constant operand's never is. */
bool ran_gradient_needed(const ran_gradient *gradient, size_t operand);
/* Adds to dL/d(operand); `value` has the operand's type. NULL adds nothing. */
void ran_gradient_add(ran_gradient *gradient, size_t operand, ran_value *value);
/* Sums `value` over the axes along which `like` was broadcast, into the shape of `like`. */
ran_value *ran_gradient_reduce_to(ran_gradient *gradient, ran_value *value, ran_value *like);
/* A rank-0 constant of the element type of `like`. */
ran_value *ran_gradient_scalar(ran_gradient *gradient, ran_value *like, double value);

#endif
