/* SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception */
#include "codegen/normalize/rows.h"

#include "codegen/vecmath/vec.h"

RAN_INLINE float float_of_bits(int64_t bits)
{
    uint32_t word = (uint32_t)bits;
    float value;
    __builtin_memcpy(&value, &word, sizeof(value));
    return value;
}

/* Coordinates of element `i` of segment `segment` of a row. */
RAN_INLINE void set_index(const struct normalize_spec *s, int64_t row, int64_t segment, int64_t i,
                          int64_t *index)
{
    if (!s->segments) {
        index[0] = row;
        index[1] = i;
        return;
    }
    index[0] = row / s->groups;
    index[1] = row % s->groups * s->segments + segment;
    index[2] = i;
}

RAN_INLINE int64_t segment_count(const struct normalize_spec *s)
{
    return s->segments ? s->segments : 1;
}

RAN_INLINE int64_t segment_length(const struct normalize_spec *s)
{
    return s->segments ? s->length : s->columns;
}

/* Zero behind the first `lanes`: what ops in front make of lanes that are not there is no zero. */
RAN_INLINE ran_vf32 first_lanes(ran_vf32 x, int64_t lanes)
{
    RAN_UNROLL for (int64_t l = 0; l < RAN_VL; l++)
    {
        if (l >= lanes)
            x[l] = 0;
    }
    return x;
}

/* Loads the row into scratch; lanes behind a segment's end are zero. Returns its sum. */
RAN_INLINE float load_row(const struct normalize_spec *s, void *const *io, float *kept,
                          int64_t row)
{
    int64_t index[3], n = segment_length(s);
    ran_vf32 sum = {0};
    for (int64_t segment = 0; segment < segment_count(s); segment++)
        for (int64_t i = 0; i < n; i += RAN_VL, kept += RAN_VL) {
            ran_vf32 x;
            int64_t lanes = ran_min64(n - i, RAN_VL);
            set_index(s, row, segment, i, index);
            ran_hook_load(io, &x, index, lanes);
            x = first_lanes(x, lanes);
            *(ran_vf32 *)kept = x;
            sum += x;
        }
    return v_sum_across(sum);
}

RAN_INLINE ran_vf32 deviation(const struct normalize_spec *s, ran_vf32 x, ran_vf32 mean,
                              int64_t lanes)
{
    ran_vf32 d = x - mean;
    return first_lanes(s->kind == NORMALIZE_L1 ? v_abs(x) : d * d, lanes);
}

RAN_INLINE float spread(const struct normalize_spec *s, const float *kept, ran_vf32 mean)
{
    int64_t n = segment_length(s);
    ran_vf32 sum = {0};
    for (int64_t segment = 0; segment < segment_count(s); segment++)
        for (int64_t i = 0; i < n; i += RAN_VL, kept += RAN_VL)
            sum += deviation(s, *(const ran_vf32 *)kept, mean, ran_min64(n - i, RAN_VL));
    return v_sum_across(sum);
}

RAN_INLINE float inverse_of(const struct normalize_spec *s, float sum)
{
    if (s->kind == NORMALIZE_L1)
        return 1 / sum;
    if (s->kind == NORMALIZE_L2)
        return 1 / __builtin_sqrtf(sum);
    return 1 / __builtin_sqrtf(sum / (float)s->columns + float_of_bits(s->epsilon));
}

/* Scale or bias of the next lanes: along the row, or of the channel. */
RAN_INLINE ran_vf32 factor(const struct normalize_spec *s, void *const *io, int64_t which,
                           const int64_t *index, int64_t lanes)
{
    const float *values = (const float *)io[which];
    if (s->segments)
        return ran_splat_f32(values[index[1]]);
    if (lanes == RAN_VL)
        return *(const ran_vf32 *)(values + index[1]);
    ran_vf32 v = {0};
    for (int64_t l = 0; l < lanes; l++)
        v[l] = values[index[1] + l];
    return v;
}

RAN_INLINE void store_lanes(const struct normalize_spec *s, void *const *io, ran_vf32 x,
                            ran_vf32 mean, ran_vf32 inverse, const int64_t *index, int64_t lanes)
{
    ran_vf32 v = (x - mean) * inverse;
    if (s->scale >= 0)
        v = v * factor(s, io, s->scale, index, lanes);
    if (s->bias >= 0)
        v = v + factor(s, io, s->bias, index, lanes);
    ran_hook_store(io, &v, index, lanes);
}

RAN_INLINE void store_row(const struct normalize_spec *s, void *const *io, const float *kept,
                          int64_t row, ran_vf32 mean, ran_vf32 inverse)
{
    int64_t index[3], n = segment_length(s), i;
    for (int64_t segment = 0; segment < segment_count(s); segment++) {
        for (i = 0; i + RAN_VL <= n; i += RAN_VL, kept += RAN_VL) {
            set_index(s, row, segment, i, index);
            store_lanes(s, io, *(const ran_vf32 *)kept, mean, inverse, index, RAN_VL);
        }
        if (i < n) {
            set_index(s, row, segment, i, index);
            store_lanes(s, io, *(const ran_vf32 *)kept, mean, inverse, index, n - i);
            kept += RAN_VL;
        }
    }
}

RAN_BODY(normalize_rows)(const struct normalize_spec *s, void *const *io, char *scratch,
                         int64_t begin, int64_t end)
{
    float *kept = (float *)scratch;
    for (int64_t row = begin; row < end; row++) {
        float sum = load_row(s, io, kept, row);
        float mean = s->kind == NORMALIZE_VARIANCE ? sum / (float)s->columns : 0;
        float inverse = inverse_of(s, spread(s, kept, ran_splat_f32(mean)));
        if (s->mean >= 0)
            ((float *)io[s->mean])[row] = mean;
        if (s->inverse >= 0)
            ((float *)io[s->inverse])[row] = inverse;
        store_row(s, io, kept, row, ran_splat_f32(mean), ran_splat_f32(inverse));
    }
}
