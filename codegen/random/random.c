/* SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception */
#include "codegen/random/random_spec.h"

#include "codegen/body.h"

enum { ROUNDS = 10 };

/* One word of each of RAN_VL blocks. */
typedef struct words {
    ran_vu32 word[4];
} words;

RAN_INLINE ran_vu32 high(ran_vu32 a, uint32_t factor)
{
    ran_vu64 product = __builtin_convertvector(a, ran_vu64) * (uint64_t)factor;
    return __builtin_convertvector(product >> 32, ran_vu32);
}

RAN_INLINE void philox(words *c, uint64_t seed)
{
    uint32_t key0 = (uint32_t)seed, key1 = (uint32_t)(seed >> 32);
    for (int round = 0; round < ROUNDS; round++) {
        words next;
        next.word[0] = high(c->word[2], 0xcd9e8d57u) ^ c->word[1] ^ key0;
        next.word[1] = c->word[2] * 0xcd9e8d57u;
        next.word[2] = high(c->word[0], 0xd2511f53u) ^ c->word[3] ^ key1;
        next.word[3] = c->word[0] * 0xd2511f53u;
        *c = next;
        key0 += 0x9e3779b9u;
        key1 += 0xbb67ae85u;
    }
}

/* RAN_VL blocks from `block` on. */
RAN_INLINE void draw(const struct random_spec *s, void *const *io, int64_t block, float *y)
{
    uint64_t counter = *(const uint64_t *)io[s->counter];
    ran_vu32 none = {0};
    words c = {{none, none + (uint32_t)s->stream, none + (uint32_t)counter,
                none + (uint32_t)(counter >> 32)}};
    for (int l = 0; l < RAN_VL; l++)
        c.word[0][l] = (uint32_t)(block + l);
    philox(&c, *(const uint64_t *)io[s->seed]);
    for (int l = 0; l < RAN_VL; l++)
        for (int w = 0; w < 4; w++) {
            int64_t at = (block + l) * 4 + w;
            if (at < s->count)
                y[at] = (float)(c.word[w][l] >> 8) / 16777216.0f;
        }
}

RAN_BODY(counter_random)(const struct random_spec *s, void *const *io, char *scratch,
                         int64_t begin, int64_t end)
{
    (void)scratch;
    int64_t blocks = (s->count + 3) / 4;
    int64_t stop = ran_min64(end * s->blocks_per_task, blocks);
    for (int64_t block = begin * s->blocks_per_task; block < stop; block += RAN_VL)
        draw(s, io, block, (float *)io[s->y]);
}
