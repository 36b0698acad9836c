/* SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception */
/*
 * The Mersenne Twister (Matsumoto and Nishimura, 1998), 53 bits a uniform number, as numpy's
 * RandomState draws them. The evaluator and a kernel body share it: it becomes part of compiled
 * models, so it has that licence and needs nothing but the compiler's headers.
 */
#ifndef IR_TWISTER_H
#define IR_TWISTER_H

#include <stdint.h>

#define RAN_TWISTER_INLINE static inline __attribute__((always_inline))

enum { RAN_TWISTER_SIZE = 624, RAN_TWISTER_SHIFT = 397 };

typedef struct ran_twister {
    uint32_t *state; /* RAN_TWISTER_SIZE words of the caller */
    int64_t next;
} ran_twister;

RAN_TWISTER_INLINE void ran_twister_seed(ran_twister *t, uint32_t seed)
{
    t->state[0] = seed;
    for (uint32_t i = 1; i < RAN_TWISTER_SIZE; i++)
        t->state[i] = 1812433253u * (t->state[i - 1] ^ t->state[i - 1] >> 30) + i;
    t->next = RAN_TWISTER_SIZE;
}

RAN_TWISTER_INLINE void ran_twister_refill(ran_twister *t)
{
    enum { SIZE = RAN_TWISTER_SIZE };
    for (int64_t i = 0; i < SIZE; i++) {
        uint32_t y = (t->state[i] & 0x80000000u) | (t->state[(i + 1) % SIZE] & 0x7fffffffu);
        t->state[i] = t->state[(i + RAN_TWISTER_SHIFT) % SIZE] ^ y >> 1 ^ (y & 1 ? 0x9908b0dfu : 0);
    }
    t->next = 0;
}

RAN_TWISTER_INLINE uint32_t ran_twister_bits(ran_twister *t)
{
    if (t->next == RAN_TWISTER_SIZE)
        ran_twister_refill(t);
    uint32_t y = t->state[t->next++];
    y ^= y >> 11;
    y ^= y << 7 & 0x9d2c5680u;
    y ^= y << 15 & 0xefc60000u;
    return y ^ y >> 18;
}

RAN_TWISTER_INLINE double ran_twister_uniform(ran_twister *t)
{
    uint32_t high = ran_twister_bits(t) >> 5, low = ran_twister_bits(t) >> 6;
    return (high * 67108864.0 + low) / 9007199254740992.0;
}

#endif
