/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The rules of canonicalize, by family. Each list ends with a rule without function. */
#ifndef PASSES_EXACT_CANONICALIZE_H
#define PASSES_EXACT_CANONICALIZE_H

#include "passes/match.h"

extern const ran_rule ran_canonicalize_shape[];
extern const ran_rule ran_canonicalize_arithmetic[];
extern const ran_rule ran_canonicalize_structured[];

/* Identity, merging of two, and moves of axes of size 1 only; push-transposes has it too. */
ran_value *ran_simplify_transpose(ran_pass_context *pass, ran_op *op);

#endif
