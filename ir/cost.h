/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * What passes ask about time. codegen/ answers from its kernels' cost (ran_cost_model_create in
 * ran/compile.h), search/ may answer from measurements, and passes/ has a machine-neutral model for
 * when nobody names a target.
 */
#ifndef IR_COST_H
#define IR_COST_H

#include "ir/ir.h"

struct ran_cost_model {
    const char *name; /* for reports: "znver5", "measured on ..." */
    /* Seconds of one run of `op` on one core with warm caches, in plain layout and with the types
     * that it has; weights count as packed already. An elementwise op whose first operand comes from
     * an op that nothing else reads counts as fused behind it. Negative: not known. */
    double (*seconds)(const struct ran_cost_model *model, const ran_op *op);
    void (*destroy)(struct ran_cost_model *model); /* NULL: nothing to free */
};

#endif
