/* SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception */
#include "codegen/normalize/channels.h"

#include "codegen/body.h"

enum { PARTS = 4 };

struct part {
    ran_vf32 first[PARTS], second[PARTS];
};

RAN_INLINE int64_t chunk_start(const struct channels_spec *s, int64_t chunk)
{
    return chunk * s->n / s->chunks;
}

RAN_INLINE const float *plane_of(const struct channels_spec *s, const void *base, int64_t image,
                                 int64_t block)
{
    return (const float *)base + (image * s->blocks + block) * s->pixels * RAN_BLOCK;
}

RAN_INLINE void clear(struct part *part)
{
    RAN_UNROLL for (int i = 0; i < PARTS; i++)
        part->first[i] = part->second[i] = (ran_vf32){0};
}

RAN_INLINE ran_vf32 joined(const ran_vf32 *parts)
{
    return (parts[0] + parts[1]) + (parts[2] + parts[3]);
}

/* Channels of a vector that the result has. */
RAN_INLINE void store(const struct channels_spec *s, float *to, int64_t chunk, int64_t channel,
                      ran_vf32 value)
{
    float *at = to + chunk * s->channels + channel;
    if (channel + RAN_VL <= s->channels) {
        *(ran_vf32 *)at = value;
        return;
    }
    RAN_UNROLL for (int64_t l = 0; l < RAN_VL; l++)
        if (channel + l < s->channels)
            at[l] = value[l];
}

/* ---- Moments -------------------------------------------------------------------------------------- */

/* Deviations from the chunk's first pixel, so that no digits are lost. */
RAN_INLINE void moments(const struct channels_spec *s, void *const *io, int64_t chunk,
                        int64_t block, int64_t lane)
{
    int64_t from = chunk_start(s, chunk), to = chunk_start(s, chunk + 1);
    ran_vf32 sum = {0}, squares = {0};
    ran_vf32 pivot = *(const ran_vf32 *)(plane_of(s, io[s->x], from, block) + lane);
    for (int64_t image = from; image < to; image++) {
        const float *x = plane_of(s, io[s->x], image, block) + lane;
        struct part part;
        int64_t i = 0;
        clear(&part);
        for (; i + PARTS <= s->pixels; i += PARTS)
            RAN_UNROLL for (int p = 0; p < PARTS; p++)
            {
                ran_vf32 d = *(const ran_vf32 *)(x + (i + p) * RAN_BLOCK) - pivot;
                part.first[p] += d;
                part.second[p] += d * d;
            }
        for (; i < s->pixels; i++) {
            ran_vf32 d = *(const ran_vf32 *)(x + i * RAN_BLOCK) - pivot;
            part.first[0] += d;
            part.second[0] += d * d;
        }
        sum += joined(part.first);
        squares += joined(part.second);
    }
    ran_vf32 mean = sum / ran_splat_f32((float)((to - from) * s->pixels));
    store(s, io[s->first], chunk, block * RAN_BLOCK + lane, pivot + mean);
    store(s, io[s->second], chunk, block * RAN_BLOCK + lane, squares - sum * mean);
}

RAN_BODY(channel_moments)(const struct channels_spec *s, void *const *io, char *scratch,
                          int64_t begin, int64_t end)
{
    (void)scratch;
    for (int64_t task = begin; task < end; task++)
        for (int64_t lane = 0; lane < RAN_BLOCK; lane += RAN_VL)
            moments(s, io, task / s->blocks, task % s->blocks, lane);
}

/* ---- Sums ------------------------------------------------------------------------------------------- */

RAN_INLINE ran_vf32 shift_of(const struct channels_spec *s, void *const *io, int64_t channel)
{
    ran_vf32 shift = {0};
    if (s->shift < 0)
        return shift;
    const float *from = (const float *)io[s->shift] + channel;
    if (channel + RAN_VL <= s->channels)
        return *(const ran_vf32 *)from;
    RAN_UNROLL for (int64_t l = 0; l < RAN_VL; l++)
        if (channel + l < s->channels)
            shift[l] = from[l];
    return shift;
}

RAN_INLINE void add(const struct channels_spec *s, struct part *part, int p, const float *x,
                    const float *y, ran_vf32 shift)
{
    ran_vf32 value = *(const ran_vf32 *)x;
    part->first[p] += value;
    if (s->second >= 0)
        part->second[p] += value * (*(const ran_vf32 *)y - shift);
}

RAN_INLINE void sums(const struct channels_spec *s, void *const *io, int64_t chunk, int64_t block,
                     int64_t lane)
{
    ran_vf32 first = {0}, second = {0}, shift = shift_of(s, io, block * RAN_BLOCK + lane);
    for (int64_t image = chunk_start(s, chunk); image < chunk_start(s, chunk + 1); image++) {
        const float *x = plane_of(s, io[s->x], image, block) + lane;
        const float *y = s->second >= 0 ? plane_of(s, io[s->y], image, block) + lane : x;
        struct part part;
        int64_t i = 0;
        clear(&part);
        for (; i + PARTS <= s->pixels; i += PARTS)
            RAN_UNROLL for (int p = 0; p < PARTS; p++)
                add(s, &part, p, x + (i + p) * RAN_BLOCK, y + (i + p) * RAN_BLOCK, shift);
        for (; i < s->pixels; i++)
            add(s, &part, 0, x + i * RAN_BLOCK, y + i * RAN_BLOCK, shift);
        first += joined(part.first);
        second += joined(part.second);
    }
    store(s, io[s->first], chunk, block * RAN_BLOCK + lane, first);
    if (s->second >= 0)
        store(s, io[s->second], chunk, block * RAN_BLOCK + lane, second);
}

RAN_BODY(channel_sums)(const struct channels_spec *s, void *const *io, char *scratch,
                       int64_t begin, int64_t end)
{
    (void)scratch;
    for (int64_t task = begin; task < end; task++)
        for (int64_t lane = 0; lane < RAN_BLOCK; lane += RAN_VL)
            sums(s, io, task / s->blocks, task % s->blocks, lane);
}
