/* SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception */
#include "codegen/index/choose.h"

#include "codegen/body.h"

RAN_INLINE void set_size(void *const *io, int64_t status, int64_t word, int64_t size)
{
    ((int64_t *)io[status])[word] = size;
}

/* ---- non_zero ------------------------------------------------------------------------ */

#define NON_ZERO(bits, type)                                                                       \
    RAN_INLINE bool is_set_##bits(const struct non_zero_spec *s, void *const *io, int64_t n)       \
    {                                                                                              \
        type value = ((const type *)io[s->x])[n];                                                  \
        return s->is_float ? (type)(value << 1) != 0 : value != 0;                                 \
    }                                                                                              \
    RAN_BODY(non_zero_##bits)(const struct non_zero_spec *s, void *const *io, char *scratch,       \
                              int64_t begin, int64_t end)                                          \
    {                                                                                              \
        int64_t total = 0, k = 0, index[CHOOSE_RANK] = {0};                                        \
        int64_t *y = (int64_t *)io[s->y];                                                          \
        (void)scratch;                                                                             \
        if (begin >= end)                                                                          \
            return;                                                                                \
        for (int64_t n = 0; n < s->count; n++)                                                     \
            total += is_set_##bits(s, io, n);                                                      \
        set_size(io, s->status, s->size, total);                                                   \
        for (int64_t n = 0; n < s->count; n++) {                                                   \
            for (int64_t d = 0; is_set_##bits(s, io, n) && d < s->rank; d++)                       \
                y[d * total + k] = index[d];                                                       \
            k += is_set_##bits(s, io, n);                                                          \
            for (int64_t d = s->rank - 1; d >= 0 && ++index[d] == s->dims[d]; d--)                 \
                index[d] = 0;                                                                      \
        }                                                                                          \
    }
NON_ZERO(8, uint8_t)
NON_ZERO(16, uint16_t)
NON_ZERO(32, uint32_t)
NON_ZERO(64, uint64_t)

/* ---- compress ------------------------------------------------------------------------ */

RAN_BODY(compress)(const struct compress_spec *s, void *const *io, char *scratch, int64_t begin,
                   int64_t end)
{
    const uint8_t *condition = (const uint8_t *)io[s->condition];
    const char *x = (const char *)io[s->x];
    char *y = (char *)io[s->y];
    int64_t kept = 0;
    (void)scratch;
    if (begin >= end)
        return;
    for (int64_t i = 0; i < s->length; i++)
        kept += condition[i] != 0;
    set_size(io, s->status, s->size, kept);
    for (int64_t o = 0; o < s->outer; o++)
        for (int64_t i = 0; i < s->length; i++) {
            if (!condition[i])
                continue;
            __builtin_memcpy(y, x + (o * s->extent + i) * s->bytes, (size_t)s->bytes);
            y += s->bytes;
        }
}

/* ---- unique -------------------------------------------------------------------------- */

/* Merges runs of `width`; equal ones keep their order. */
#define MERGE(name, type, before)                                                                  \
    RAN_INLINE void merge_##name(const type *s, const void *x, const int64_t *from, int64_t *to,   \
                                 int64_t first, int64_t half, int64_t last)                        \
    {                                                                                              \
        int64_t a = first, b = half;                                                               \
        for (int64_t i = first; i < last; i++) {                                                   \
            bool left = b == last || (a < half && !before(s, x, from[b], from[a]));                \
            to[i] = from[left ? a++ : b++];                                                        \
        }                                                                                          \
    }                                                                                              \
    /* Sorts positions; where they end up. */                                                      \
    RAN_INLINE int64_t *sort_##name(const type *s, const void *x, int64_t *from, int64_t *to,      \
                                    int64_t count)                                                 \
    {                                                                                              \
        for (int64_t width = 1; width < count; width *= 2) {                                       \
            for (int64_t first = 0; first < count; first += 2 * width)                             \
                merge_##name(s, x, from, to, first, ran_min64(first + width, count),               \
                             ran_min64(first + 2 * width, count));                                 \
            int64_t *sorted = to;                                                                  \
            to = from;                                                                             \
            from = sorted;                                                                         \
        }                                                                                          \
        return from;                                                                               \
    }

/* The words of scratch: positions twice, of which one becomes each group's number in the order of
 * its first member; then each slice's group, and each group's first member. */
struct groups {
    int64_t *positions, *other, *group, *first, count;
};

/* In sorted order; a group's first member is its earliest one, because the sort is stable. */
#define UNIQUE(name, type)                                                                         \
    RAN_INLINE int order_##name(const struct unique_spec *s, const void *x, int64_t a, int64_t b)  \
    {                                                                                              \
        for (int64_t o = 0; o < s->outer; o++)                                                     \
            for (int64_t j = 0; j < s->inner; j++) {                                               \
                type p = ((const type *)x)[(o * s->count + a) * s->inner + j];                     \
                type q = ((const type *)x)[(o * s->count + b) * s->inner + j];                     \
                int nans = (p != p) - (q != q), order = nans ? nans : (p > q) - (p < q);           \
                if (order)                                                                         \
                    return order;                                                                  \
            }                                                                                      \
        return 0;                                                                                  \
    }                                                                                              \
    RAN_INLINE bool before_##name(const struct unique_spec *s, const void *x, int64_t a,           \
                                  int64_t b)                                                       \
    {                                                                                              \
        return order_##name(s, x, a, b) < 0;                                                       \
    }                                                                                              \
    MERGE(name, struct unique_spec, before_##name)                                                 \
    RAN_INLINE void group_##name(const struct unique_spec *s, const void *x, struct groups *g)     \
    {                                                                                              \
        for (int64_t i = 0; i < s->count; i++)                                                     \
            g->positions[i] = i;                                                                   \
        int64_t *sorted = sort_##name(s, x, g->positions, g->other, s->count);                     \
        for (int64_t i = 0; i < s->count; i++) {                                                   \
            if (i == 0 || order_##name(s, x, sorted[i - 1], sorted[i]))                            \
                g->first[g->count++] = sorted[i];                                                  \
            g->group[sorted[i]] = g->count - 1;                                                    \
        }                                                                                          \
    }                                                                                              \
    RAN_BODY(unique_##name)(const struct unique_spec *s, void *const *io, char *scratch,           \
                            int64_t begin, int64_t end)                                            \
    {                                                                                              \
        int64_t *words = (int64_t *)scratch;                                                       \
        struct groups g = {words, words + s->count, words + 2 * s->count, words + 3 * s->count,    \
                           0};                                                                     \
        if (begin >= end)                                                                          \
            return;                                                                                \
        group_##name(s, io[s->x], &g);                                                             \
        deliver(s, io, &g, sizeof(type));                                                          \
    }

/* Numbers groups by their first members. */
RAN_INLINE void order_by_appearance(const struct unique_spec *s, struct groups *g)
{
    int64_t next = 0;
    for (int64_t p = 0; p < s->count; p++) {
        int64_t old = g->group[p];
        if (g->first[old] != p)
            continue;
        g->other[old] = next;
        g->positions[next++] = p;
    }
    for (int64_t p = 0; p < s->count; p++)
        g->group[p] = g->other[g->group[p]];
    int64_t *first = g->positions;
    g->positions = g->first;
    g->first = first;
}

RAN_INLINE void copy_slices(const struct unique_spec *s, void *const *io, const struct groups *g,
                            int64_t width)
{
    int64_t bytes = s->inner * width;
    char *y = (char *)io[s->y];
    for (int64_t o = 0; o < s->outer; o++)
        for (int64_t i = 0; i < g->count; i++, y += bytes)
            __builtin_memcpy(y, (const char *)io[s->x] + (o * s->count + g->first[i]) * bytes,
                             (size_t)bytes);
}

RAN_INLINE void deliver(const struct unique_spec *s, void *const *io, struct groups *g,
                        int64_t width)
{
    set_size(io, s->status, s->size, g->count);
    if (!s->sorted)
        order_by_appearance(s, g);
    copy_slices(s, io, g, width);
    for (int64_t i = 0; s->indices >= 0 && i < g->count; i++)
        ((int64_t *)io[s->indices])[i] = g->first[i];
    for (int64_t i = 0; s->inverse >= 0 && i < s->count; i++)
        ((int64_t *)io[s->inverse])[i] = g->group[i];
    if (s->counts < 0)
        return;
    int64_t *counts = (int64_t *)io[s->counts];
    for (int64_t i = 0; i < g->count; i++)
        counts[i] = 0;
    for (int64_t i = 0; i < s->count; i++)
        counts[g->group[i]]++;
}

UNIQUE(f32, float)
UNIQUE(f64, double)
UNIQUE(i8, int8_t)
UNIQUE(i16, int16_t)
UNIQUE(i32, int32_t)
UNIQUE(i64, int64_t)
UNIQUE(u8, uint8_t)
UNIQUE(u16, uint16_t)
UNIQUE(u32, uint32_t)
UNIQUE(u64, uint64_t)

/* ---- non_max_suppression ------------------------------------------------------------- */

struct box {
    double low_y, low_x, high_y, high_x, area;
};

RAN_INLINE double least(double a, double b)
{
    return b < a || a != a ? b : a;
}

RAN_INLINE double most(double a, double b)
{
    return b > a || a != a ? b : a;
}

/* Center form: x, y, width, height. Otherwise two corners in any order: y, x, y, x. */
RAN_INLINE struct box box_at(const struct suppression_spec *s, const float *boxes, int64_t n)
{
    const float *v = boxes + 4 * n;
    double a = v[0], b = v[1], c = v[2], d = v[3];
    struct box box = {least(a, c), least(b, d), most(a, c), most(b, d), 0};
    if (s->is_center)
        box = (struct box){b - d / 2, a - c / 2, b + d / 2, a + c / 2, 0};
    box.area = (box.high_y - box.low_y) * (box.high_x - box.low_x);
    return box;
}

/* Intersection over union. */
RAN_INLINE double overlap(const struct box *a, const struct box *b)
{
    double height = least(a->high_y, b->high_y) - most(a->low_y, b->low_y);
    double width = least(a->high_x, b->high_x) - most(a->low_x, b->low_x);
    if (height <= 0 || width <= 0 || a->area <= 0 || b->area <= 0)
        return 0;
    return height * width / (a->area + b->area - height * width);
}

RAN_INLINE bool scores_more(const struct suppression_spec *s, const void *scores, int64_t a,
                            int64_t b)
{
    (void)s;
    return ((const float *)scores)[a] > ((const float *)scores)[b];
}
MERGE(scores, struct suppression_spec, scores_more)

RAN_INLINE float scalar_f32(void *const *io, int64_t at, float absent)
{
    return at >= 0 ? *(const float *)io[at] : absent;
}

/* Boxes above the threshold. NaN never is. */
RAN_INLINE int64_t candidates(const struct suppression_spec *s, const float *scores, float above,
                              int64_t *out)
{
    int64_t count = 0;
    for (int64_t n = 0; n < s->count; n++)
        if (scores[n] > above)
            out[count++] = n;
    return count;
}

/* From the best score down, those that overlap none of the chosen ones too much. Chosen boxes are
 * kept in the front of `sorted`. */
RAN_INLINE int64_t choose(const struct suppression_spec *s, const float *boxes, int64_t *sorted,
                          int64_t count, int64_t limit, double iou)
{
    int64_t chosen = 0;
    for (int64_t i = 0; i < count && chosen < limit; i++) {
        struct box box = box_at(s, boxes, sorted[i]);
        bool suppressed = false;
        for (int64_t k = 0; k < chosen && !suppressed; k++) {
            struct box winner = box_at(s, boxes, sorted[k]);
            suppressed = overlap(&winner, &box) > iou;
        }
        if (!suppressed)
            sorted[chosen++] = sorted[i];
    }
    return chosen;
}

RAN_BODY(non_max_suppression)(const struct suppression_spec *s, void *const *io, char *scratch,
                              int64_t begin, int64_t end)
{
    int64_t total = 0, limit = s->limit >= 0 ? *(const int64_t *)io[s->limit] : 0;
    float iou = scalar_f32(io, s->iou, 0);
    float above = scalar_f32(io, s->score, -__builtin_inff());
    int64_t *y = (int64_t *)io[s->y], *words = (int64_t *)scratch;
    if (begin >= end)
        return;
    for (int64_t list = 0; list < s->batches * s->classes; list++) {
        int64_t batch = list / s->classes;
        const float *scores = (const float *)io[s->scores] + list * s->count;
        const float *boxes = (const float *)io[s->boxes] + batch * s->count * 4;
        int64_t count = candidates(s, scores, above, words);
        int64_t *sorted = sort_scores(s, scores, words, words + s->count, count);
        count = choose(s, boxes, sorted, count, limit, iou);
        for (int64_t i = 0; i < count; i++, total++) {
            y[3 * total] = batch;
            y[3 * total + 1] = list % s->classes;
            y[3 * total + 2] = sorted[i];
        }
    }
    set_size(io, s->status, s->size, total);
}
