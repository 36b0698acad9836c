/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * counter_random: numbers that depend on (seed, stream, counter, position) and nothing else, so
 * that a mask is the same in any order of computation and can be drawn again instead of kept.
 *
 * Philox 4x32-10 (Salmon, Moraes, Dror, Shaw, "Parallel random numbers: as easy as 1, 2, 3", SC
 * 2011). Key: the seed. Block i / 4 of 128 bits: {i / 4, stream, low half of the counter, high
 * half}; element i is word i % 4 of it, its upper 24 bits as a fraction.
 */
#include "ir/ops/compute.h"

static void philox_round(uint32_t c[4], uint32_t key0, uint32_t key1)
{
    uint64_t a = (uint64_t)0xd2511f53u * c[0], b = (uint64_t)0xcd9e8d57u * c[2];
    uint32_t next[4] = {(uint32_t)(b >> 32) ^ c[1] ^ key0, (uint32_t)b,
                        (uint32_t)(a >> 32) ^ c[3] ^ key1, (uint32_t)a};
    for (int i = 0; i < 4; i++)
        c[i] = next[i];
}

static void philox(uint32_t c[4], uint64_t seed)
{
    uint32_t key0 = (uint32_t)seed, key1 = (uint32_t)(seed >> 32);
    for (int round = 0; round < 10; round++) {
        philox_round(c, key0, key1);
        key0 += 0x9e3779b9u;
        key1 += 0xbb67ae85u;
    }
}

static ran_status verify_counter_random(const ran_op *op)
{
    size_t rank;
    const int64_t *shape = ran_op_ints(op, "shape", &rank);
    if (rank > RAN_MAX_RANK)
        return ran_op_error(op, RAN_INVALID, "attribute shape: rank %zu is beyond %d", rank,
                            RAN_MAX_RANK);
    for (size_t i = 0; i < rank; i++)
        if (shape[i] < 0)
            return ran_op_error(op, RAN_INVALID, "attribute shape: %lld is negative",
                                (long long)shape[i]);
    return RAN_OK;
}

static ran_status infer_counter_random(ran_infer *infer)
{
    size_t rank;
    const int64_t *shape = ran_op_ints(infer->op, "shape", &rank);
    const ran_dim *dims[RAN_MAX_RANK];
    ran_status status = verify_counter_random(infer->op);
    for (size_t i = 0; i < 2 && status == RAN_OK; i++)
        if (ran_type_elem(infer->operands[i]) != RAN_ELEM_I64)
            status = ran_infer_error(infer, "operand %s: expected i64", i ? "counter" : "seed");
    for (size_t i = 0; i < rank && status == RAN_OK; i++)
        dims[i] = ran_dim_constant(infer->context, shape[i]);
    return status == RAN_OK ? ran_infer_result(infer, 0, RAN_ELEM_F32, (int)rank, dims) : status;
}

static ran_status evaluate_counter_random(ran_evaluation *e)
{
    uint64_t seed = (uint64_t)ran_scalar_i64(e->operands[0], 0);
    uint64_t counter = (uint64_t)ran_scalar_i64(e->operands[1], 0);
    uint32_t stream = (uint32_t)ran_op_int(e->op, "stream"), word[4] = {0};
    float *y = ran_tensor_mutable_data(e->results[0]);
    for (int64_t i = 0; i < ran_tensor_numel(e->results[0]); i++) {
        if (i % 4 == 0) {
            word[0] = (uint32_t)(i / 4);
            word[1] = stream;
            word[2] = (uint32_t)counter;
            word[3] = (uint32_t)(counter >> 32);
            philox(word, seed);
        }
        y[i] = (float)(word[i % 4] >> 8) / 16777216.0f;
    }
    return RAN_OK;
}

const ran_op_hooks ran_hooks_counter_random = {.verify = verify_counter_random,
                                               .infer = infer_counter_random,
                                               .evaluate = evaluate_counter_random};
