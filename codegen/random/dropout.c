/* SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception */
#include "codegen/body.h"
#include "codegen/random/random_spec.h"

/* A Mersenne Twister (Matsumoto and Nishimura, 1998), 53 bits a uniform number. */
struct twister {
    uint32_t *state;
    int64_t next;
};

RAN_INLINE void twister_seed(struct twister *t, uint32_t seed)
{
    t->state[0] = seed;
    for (uint32_t i = 1; i < TWISTER_SIZE; i++)
        t->state[i] = 1812433253u * (t->state[i - 1] ^ t->state[i - 1] >> 30) + i;
    t->next = TWISTER_SIZE;
}

RAN_INLINE void twister_refill(struct twister *t)
{
    for (int64_t i = 0; i < TWISTER_SIZE; i++) {
        uint32_t y = (t->state[i] & 0x80000000u) | (t->state[(i + 1) % TWISTER_SIZE] & 0x7fffffffu);
        t->state[i] =
            t->state[(i + TWISTER_SHIFT) % TWISTER_SIZE] ^ y >> 1 ^ (y & 1 ? 0x9908b0dfu : 0);
    }
    t->next = 0;
}

RAN_INLINE uint32_t twister_bits(struct twister *t)
{
    if (t->next == TWISTER_SIZE)
        twister_refill(t);
    uint32_t y = t->state[t->next++];
    y ^= y >> 11;
    y ^= y << 7 & 0x9d2c5680u;
    y ^= y << 15 & 0xefc60000u;
    return y ^ y >> 18;
}

RAN_INLINE double twister_uniform(struct twister *t)
{
    uint32_t high = twister_bits(t) >> 5, low = twister_bits(t) >> 6;
    return (high * 67108864.0 + low) / 9007199254740992.0;
}

RAN_INLINE double ratio_of(const struct dropout_spec *s, void *const *io)
{
    if (s->ratio < 0)
        return 0.5;
    return s->ratio_is_f64 ? *(const double *)io[s->ratio] : *(const float *)io[s->ratio];
}

#define DROPOUT(elem, type)                                                                        \
    RAN_BODY(dropout_##elem)                                                                       \
    (const struct dropout_spec *s, void *const *io, char *scratch, int64_t begin, int64_t end)     \
    {                                                                                              \
        struct twister t = {(uint32_t *)scratch, 0};                                               \
        double ratio = ratio_of(s, io);                                                            \
        bool training = s->training >= 0 && *(const uint8_t *)io[s->training] && ratio != 0;       \
        if (begin >= end)                                                                          \
            return;                                                                                \
        if (training)                                                                              \
            twister_seed(&t, (uint32_t)s->seed);                                                   \
        for (int64_t i = 0; i < s->count; i++) {                                                   \
            double x = ((const type *)io[s->x])[i];                                                \
            bool kept = !training || twister_uniform(&t) >= ratio;                                 \
            if (s->mask >= 0)                                                                      \
                ((uint8_t *)io[s->mask])[i] = kept;                                                \
            ((type *)io[s->y])[i] = (type)(!kept ? 0 : training ? x / (1 - ratio) : x);            \
        }                                                                                          \
    }

DROPOUT(f32, float)
DROPOUT(f64, double)
