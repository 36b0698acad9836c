/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * dropout: the identity, but for training.
 *
 * ONNX leaves the random numbers open. Its examples draw them as numpy's RandomState does: a
 * Mersenne Twister (Matsumoto and Nishimura, 1998) seeded by an integer, 53 bits a uniform number;
 * the evaluator does the same, so that a seed means the same mask everywhere.
 */
#include "ir/ops/compute.h"
#include "ir/ops/gradient.h"

#include <stdlib.h>

enum { MT_SIZE = 624, MT_SHIFT = 397 };

typedef struct twister {
    uint32_t state[MT_SIZE];
    int next;
} twister;

static void twister_seed(twister *t, uint32_t seed)
{
    t->state[0] = seed;
    for (uint32_t i = 1; i < MT_SIZE; i++)
        t->state[i] = 1812433253u * (t->state[i - 1] ^ t->state[i - 1] >> 30) + i;
    t->next = MT_SIZE;
}

static void twister_refill(twister *t)
{
    for (int i = 0; i < MT_SIZE; i++) {
        uint32_t y = (t->state[i] & 0x80000000u) | (t->state[(i + 1) % MT_SIZE] & 0x7fffffffu);
        t->state[i] = t->state[(i + MT_SHIFT) % MT_SIZE] ^ y >> 1 ^ (y & 1 ? 0x9908b0dfu : 0);
    }
    t->next = 0;
}

static uint32_t twister_bits(twister *t)
{
    if (t->next == MT_SIZE)
        twister_refill(t);
    uint32_t y = t->state[t->next++];
    y ^= y >> 11;
    y ^= y << 7 & 0x9d2c5680u;
    y ^= y << 15 & 0xefc60000u;
    return y ^ y >> 18;
}

static double twister_uniform(twister *t)
{
    uint32_t high = twister_bits(t) >> 5, low = twister_bits(t) >> 6;
    return (high * 67108864.0 + low) / 9007199254740992.0;
}

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
    twister t;
    twister_seed(&t, (uint32_t)ran_op_int(e->op, "seed"));
    double *x = ran_load_f64(e->operands[0]);
    for (int64_t i = 0; i < n; i++) {
        bool kept = twister_uniform(&t) >= ratio;
        set_mask(e, i, kept);
        x[i] = kept ? x[i] / (1 - ratio) : 0;
    }
    ran_store_f64(e->results[0], x);
    free(x);
    return RAN_OK;
}

const ran_op_hooks ran_hooks_dropout = {
    .infer = infer_dropout, .evaluate = evaluate_dropout, .gradient = ran_dropout_gradient};
