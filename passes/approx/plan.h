/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Plans of substitution, as a search writes them or a person does:
 *
 *   {"layers": [{"name": "stage2.block1", "candidate": "efn_3x3_e3",
 *                "inputs": ["x"], "outputs": ["y"],
 *                "function": "candidates/a.ran", "weights": "candidates/a.weights"}]}
 *
 * Paths are relative to the plan. A layer without a function stays as it is. Other keys are for whoever
 * reads the plan next.
 */
#ifndef PASSES_APPROX_PLAN_H
#define PASSES_APPROX_PLAN_H

#include "passes/passes.h"

typedef struct ran_plan_layer {
    const char *name, *candidate;
    const char **inputs, **outputs; /* names of values, or of the nodes that give them */
    size_t input_count, output_count;
    const char *file, *function; /* file NULL: the layer stays; function NULL: the file's entry */
} ran_plan_layer;

typedef struct ran_plan {
    ran_plan_layer *layers;
    size_t count;
} ran_plan;

/* Into the pass's memory. RAN_INVALID: unreadable, or not of this form; all problems at once. */
RAN_MUST_USE ran_status ran_plan_read(ran_pass_context *pass, const char *path,
                                      ran_plan *out_plan);

#endif
