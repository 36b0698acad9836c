/* SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception */
/*
 * "random/random": counter_random, Philox 4x32-10. Blocks of four numbers each depend on their own
 * position only; a task is blocks_per_task of them.
 */
#ifndef CODEGEN_RANDOM_RANDOM_SPEC_H
#define CODEGEN_RANDOM_RANDOM_SPEC_H

#include <stdint.h>

struct random_spec {
    int64_t seed, counter, y; /* positions in io */
    int64_t stream, count, blocks_per_task;
};

/*
 * "random/dropout": dropout as ir/ops/dropout.c describes it, of f32 or f64. Each number depends on
 * those before: one task; scratch holds the generator's state.
 */
struct dropout_spec {
    int64_t x, ratio, training, y, mask; /* io; absent: -1 */
    int64_t ratio_is_f64;
    int64_t seed, count;
};

#endif
