/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * What an op's gradient hook sees (ran_op_hooks.gradient, in ir/ops/<family>.c): reverse mode, one
 * op at a time, from the last to the first.
 *
 * Walk: y = relu(x) asks ran_gradient_of(g, 0) for dL/dy, builds where(y > 0, dy, 0) at
 * ran_gradient_builder(g) and hands it to ran_gradient_add(g, 0, dx). What several users of a value
 * hand in is summed in the order of the program, so that a step is deterministic. The hook builds
 * with ops of op.def only; a hook that broadcasts sums over the broadcast axes by
 * ran_gradient_reduce_to. Rounding is that of the ops: differentiation never changes an element
 * type.
 */
#ifndef IR_GRADIENT_H
#define IR_GRADIENT_H

#include "ir/ir.h"

typedef struct ran_gradient ran_gradient;

/* The hook of an op returns RAN_UNSUPPORTED with a diagnostic (ran_op_error) for a form of the op
 * that it can't differentiate; ir/ops/gradient.h has the builders that hooks share.
 *
 * Where the hook builds; the location is that of the forward op. */
ran_builder *ran_gradient_builder(ran_gradient *gradient);
/* dL/d(result), NULL when L does not depend on it (then it adds nothing). */
ran_value *ran_gradient_of(ran_gradient *gradient, size_t result);
/* Whether dL/d(operand) is asked for: an absent, integer or constant operand's never is. */
bool ran_gradient_needed(const ran_gradient *gradient, size_t operand);
/* Adds to dL/d(operand); `value` has the operand's type. NULL adds nothing. */
void ran_gradient_add(ran_gradient *gradient, size_t operand, ran_value *value);
/* Sums `value` over the axes along which `like` was broadcast, into the shape of `like`. */
ran_value *ran_gradient_reduce_to(ran_gradient *gradient, ran_value *value, ran_value *like);
/* The forward op with more of its optional results: another op in its place where it has fewer. */
const ran_op *ran_gradient_more_results(ran_gradient *gradient, const ran_op *op, size_t count);
/* A rank-0 constant of the element type of `like`. */
ran_value *ran_gradient_scalar(ran_gradient *gradient, ran_value *like, double value);

/* ---- The walk (passes/grad/differentiate.c) ---------------------------------------------------
 */

RAN_GIVE ran_gradient *ran_gradient_create(ran_builder builder);
void ran_gradient_destroy(RAN_TAKE ran_gradient *gradient);
/* Values that dL/d(...) is asked for: what is to be differentiated, and floats that depend on it.
 */
void ran_gradient_set_active(ran_gradient *gradient, const ran_value *value);
bool ran_gradient_is_active(const ran_gradient *gradient, const ran_value *value);
/* Whether an operand of op is active, or what a region of it reads from outside. */
bool ran_gradient_reads(const ran_gradient *gradient, const ran_op *op);
/* Marks the float results of op when it reads what is active. */
void ran_gradient_mark(ran_gradient *gradient, const ran_op *op);
/* Whether there is a gradient of one of op's results. */
bool ran_gradient_reaches(const ran_gradient *gradient, const ran_op *op);
/* dL/d(value) so far, or NULL. */
ran_value *ran_gradient_get(const ran_gradient *gradient, const ran_value *value);
void ran_gradient_add_to(ran_gradient *gradient, const ran_value *value, ran_value *addend);
/* Whether the op has a gradient; if not, why, or NULL (ir/no_gradient.def). */
bool ran_gradient_is_defined(ran_opcode opcode);
const char *ran_gradient_reason(ran_opcode opcode);
/* Calls op's hook. RAN_UNSUPPORTED with a diagnostic where it has none, or not for this form. */
RAN_MUST_USE ran_status ran_gradient_visit(ran_gradient *gradient, const ran_op *op);

#endif
