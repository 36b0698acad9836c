/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Inference from inside: what the evaluator and the verifier share with it. */
#ifndef IR_INFER_H
#define IR_INFER_H

#include "ir/module.h"

/* Empty arrays for op's operands and results. */
void ran_infer_allocate(ran_infer *infer, ran_arena *arena, const ran_op *op);
/* Checks that required operands are there, calls the hook, checks that it typed all results. */
ran_status ran_infer_call(ran_infer *infer);
/* Infers an op from its operands' present types, changing nothing but nested regions, and these
 * only without `check_only`. */
ran_status ran_infer_op(ran_infer *infer, ran_arena *arena, const ran_op *op, bool check_only);
/* The same for what must hold of the sizes when the model runs; adds to `conditions`. */
ran_status ran_infer_conditions(ran_arena *arena, const ran_op *op, ran_conditions *conditions);
void ran_infer_require_sizes(const ran_infer *infer);
ran_status ran_region_infer_types(ran_region *region);
/* Stores the known elements of the results. */
void ran_infer_keep_known(const ran_op *op, const ran_infer *infer);
/* ran_module_verify for a module that was just parsed: result types are as given, known elements
 * are not known yet and kept on the way. */
ran_status ran_module_check(ran_module *module);

#endif
