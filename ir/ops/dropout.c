/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * dropout: the identity, but for training.
 *
 * ONNX leaves the random numbers open. Its examples draw them as numpy's RandomState does, by a
 * Mersenne Twister seeded by an integer (ir/twister.h); the evaluator does the same, so that a seed
 * means the same mask everywhere.
 */
#include "ir/ops/compute.h"
#include "ir/ops/gradient.h"
#include "ir/twister.h"

#include <stdlib.h>

static ran_status infer_dropout(ran_infer *infer)
{
    ran_status status = ran_infer_check_elem(infer, 0, "F");
    if (infer->op->result_count > 1)
        infer->results[1] = ran_type_with_elem(infer->context, infer->operands[0], RAN_ELEM_BOOL);
    return status == RAN_OK ? ran_infer_like_first(infer, 0) : status;
}

static void set_mask(ran_evaluation *e, int64_t i, bool kept)
{
    if (e->op->result_count > 1)
        ((uint8_t *)ran_tensor_mutable_data(e->results[1]))[i] = kept;
}

static ran_status evaluate_dropout(ran_evaluation *e)
{
    double ratio = ran_scalar_f64(ran_eval_operand(e, 1), 0.5);
    int64_t n = ran_tensor_numel(e->operands[0]);
    if (!ran_scalar_i64(ran_eval_operand(e, 2), 0) || ratio == 0) {
        for (int64_t i = 0; i < n; i++)
            set_mask(e, i, true);
        ran_forward_tensor(e, 0, e->operands[0]);
        return RAN_OK;
    }
    uint32_t state[RAN_TWISTER_SIZE];
    ran_twister t = {.state = state};
    ran_twister_seed(&t, (uint32_t)ran_op_int(e->op, "seed"));
    double *x = ran_load_f64(e->operands[0]);
    for (int64_t i = 0; i < n; i++) {
        bool kept = ran_twister_uniform(&t) >= ratio;
        set_mask(e, i, kept);
        x[i] = kept ? x[i] / (1 - ratio) : 0;
    }
    ran_store_f64(e->results[0], x);
    free(x);
    return RAN_OK;
}

const ran_op_hooks ran_hooks_dropout = {
    .infer = infer_dropout, .evaluate = evaluate_dropout, .gradient = ran_dropout_gradient};
