/* SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception */
#include "codegen/recurrent/recurrent_spec.h"

#include "codegen/vecmath/vec.h"

enum { STATUS_INDEX = 2 };

/* Scratch: arrays of whole vectors, `stride` floats each. */
typedef struct cell {
    int64_t stride, direction;
    float *gates, *h, *c, *sum, *state; /* gates: one array a gate */
} cell;

RAN_INLINE float number(int64_t bits)
{
    union {
        uint32_t bits;
        float value;
    } u = {(uint32_t)bits};
    return u.value;
}

RAN_INLINE const float *floats(void *const *io, int64_t at)
{
    return at < 0 ? (const float *)0 : (const float *)io[at];
}

RAN_INLINE ran_vf32 apply(const struct recurrent_spec *s, int64_t f, ran_vf32 x)
{
    float a = number(s->alpha[f]), b = number(s->beta[f]);
    switch (s->function[f]) {
    case ACT_RELU:
        return v_select(x < v_zero(x), v_zero(x), x);
    case ACT_TANH:
        return v_tanh(x);
    case ACT_SIGMOID:
        return v_sigmoid(x);
    case ACT_AFFINE:
        return x * a + v_splat(x, b);
    case ACT_LEAKY_RELU:
        return v_select(x < v_zero(x), x * a, x);
    case ACT_THRESHOLDED_RELU:
        return v_select(x > v_splat(x, a), x, v_zero(x));
    case ACT_SCALED_TANH:
        return v_tanh(x * b) * a;
    case ACT_HARD_SIGMOID:
        return v_clamp(x * a + v_splat(x, b), 0, 1);
    case ACT_ELU:
        return v_select(x < v_zero(x), v_expm1(x) * a, x);
    case ACT_SOFTSIGN:
        return x / (v_abs(x) + v_splat(x, 1));
    default:
        return v_softplus(x);
    }
}

RAN_INLINE ran_vf32 activate(const struct recurrent_spec *s, const cell *c, int64_t f, ran_vf32 x)
{
    if (s->has_clip) {
        ran_vf32 limit = ran_splat_f32(number(s->clip));
        x = v_select(x < -limit, -limit, v_select(x > limit, limit, x));
    }
    return apply(s, c->direction * s->functions + f, x);
}

RAN_INLINE ran_vf32 *at(float *array, int64_t i)
{
    return (ran_vf32 *)(array + i);
}

/* Elements i.. of a vector of `hidden` in memory, zeros behind its end. */
RAN_INLINE ran_vf32 load(const struct recurrent_spec *s, const float *from, int64_t i)
{
    ran_vf32 x = {0};
    if (!from)
        return x;
    if (i + RAN_VL <= s->hidden)
        return *(const ran_vf32 *)(from + i);
    for (int64_t l = 0; i + l < s->hidden; l++)
        x[l] = from[i + l];
    return x;
}

RAN_INLINE float dot(const float *a, const float *x, int64_t n)
{
    ran_vf32 sums = {0};
    float sum = 0;
    int64_t i = 0;
    for (; i + RAN_VL <= n; i += RAN_VL)
        sums += *(const ran_vf32 *)(a + i) * *(const ran_vf32 *)(x + i);
    for (; i < n; i++)
        sum += a[i] * x[i];
    RAN_UNROLL for (int l = 0; l < RAN_VL; l++) sum += sums[l];
    return sum;
}

/* out[i] += row i of the matrix times x */
RAN_INLINE void add_product(const struct recurrent_spec *s, float *out, const float *matrix,
                            const float *x, int64_t columns)
{
    for (int64_t i = 0; i < s->hidden; i++)
        out[i] += dot(matrix + i * columns, x, columns);
}

/* Of gate g: W of the input side, R of the recurrent side, and their biases (part 0 and 1). */
RAN_INLINE const float *matrix_of(const struct recurrent_spec *s, void *const *io, const cell *c,
                                  int64_t operand, int64_t g, int64_t columns)
{
    return floats(io, operand) + (c->direction * s->gates + g) * s->hidden * columns;
}

RAN_INLINE const float *bias_of(const struct recurrent_spec *s, void *const *io, const cell *c,
                                int64_t part, int64_t g)
{
    if (s->b < 0)
        return (const float *)0;
    return floats(io, s->b) + ((c->direction * 2 + part) * s->gates + g) * s->hidden;
}

/* Gate g: W x + Wb, and R h + Rb where it takes part directly. */
RAN_INLINE void sum_gate(const struct recurrent_spec *s, void *const *io, const cell *c, int64_t g,
                         const float *x, bool recurrent)
{
    float *gate = c->gates + g * c->stride;
    for (int64_t i = 0; i < c->stride; i += RAN_VL) {
        ran_vf32 sum = load(s, bias_of(s, io, c, 0, g), i);
        if (recurrent)
            sum += load(s, bias_of(s, io, c, 1, g), i);
        *at(gate, i) = sum;
    }
    add_product(s, gate, matrix_of(s, io, c, s->w, g, s->inputs), x, s->inputs);
    if (recurrent)
        add_product(s, gate, matrix_of(s, io, c, s->r, g, s->hidden), c->h, s->hidden);
}

RAN_INLINE void step_rnn(const struct recurrent_spec *s, void *const *io, const cell *c,
                         const float *x)
{
    sum_gate(s, io, c, 0, x, true);
    for (int64_t i = 0; i < c->stride; i += RAN_VL)
        *at(c->h, i) = activate(s, c, 0, *at(c->gates, i));
}

/* r scales the recurrent sum of the hidden gate, or the state that goes into it. */
RAN_INLINE void step_gru(const struct recurrent_spec *s, void *const *io, const cell *c,
                         const float *x)
{
    float *z = c->gates, *r = z + c->stride, *hidden = r + c->stride;
    sum_gate(s, io, c, 0, x, true);
    sum_gate(s, io, c, 1, x, true);
    sum_gate(s, io, c, 2, x, false);
    for (int64_t i = 0; i < c->stride; i += RAN_VL) {
        *at(r, i) = activate(s, c, 0, *at(r, i));
        *at(c->sum, i) = load(s, bias_of(s, io, c, 1, 2), i);
        *at(c->state, i) = s->linear ? *at(c->h, i) : *at(c->h, i) * *at(r, i);
    }
    add_product(s, c->sum, matrix_of(s, io, c, s->r, 2, s->hidden), c->state, s->hidden);
    for (int64_t i = 0; i < c->stride; i += RAN_VL) {
        ran_vf32 gate = activate(s, c, 0, *at(z, i)), sum = *at(c->sum, i);
        ran_vf32 next = *at(hidden, i) + (s->linear ? *at(r, i) * sum : sum);
        next = activate(s, c, 1, next);
        *at(c->h, i) = (ran_splat_f32(1) - gate) * next + gate * *at(c->h, i);
    }
}

RAN_INLINE void step_lstm(const struct recurrent_spec *s, void *const *io, const cell *c,
                          const float *x)
{
    const float *p = floats(io, s->peepholes);
    float *in = c->gates, *out = in + c->stride, *forget = out + c->stride;
    p = p ? p + c->direction * 3 * s->hidden : p;
    for (int64_t g = 0; g < 4; g++)
        sum_gate(s, io, c, g, x, true);
    for (int64_t k = 0; k < c->stride; k += RAN_VL) {
        ran_vf32 before = *at(c->c, k), pi = load(s, p, k);
        ran_vf32 po = load(s, p ? p + s->hidden : p, k), pf = load(s, p ? p + 2 * s->hidden : p, k);
        ran_vf32 i = activate(s, c, 0, *at(in, k) + pi * before);
        ran_vf32 f =
            s->couples ? ran_splat_f32(1) - i : activate(s, c, 0, *at(forget, k) + pf * before);
        ran_vf32 next = f * before + i * activate(s, c, 1, *at(forget + c->stride, k));
        ran_vf32 o = activate(s, c, 0, *at(out, k) + po * next);
        *at(c->c, k) = next;
        *at(c->h, k) = o * activate(s, c, 2, next);
    }
}

RAN_INLINE void store(const struct recurrent_spec *s, void *const *io, int64_t result,
                      int64_t place, const float *from)
{
    if (result >= 0)
        __builtin_memcpy((float *)io[result] + place * s->hidden, from,
                         (size_t)s->hidden * sizeof(float));
}

RAN_INLINE int64_t length_of(const struct recurrent_spec *s, void *const *io, int64_t b)
{
    if (s->lengths < 0)
        return s->steps;
    int64_t length = s->wide ? ((const int64_t *)io[s->lengths])[b]
                             : (int64_t)((const int32_t *)io[s->lengths])[b];
    if (length >= 0 && length <= s->steps)
        return length;
    *(int64_t *)io[s->status] = STATUS_INDEX;
    return 0;
}

RAN_INLINE int64_t y_place(const struct recurrent_spec *s, int64_t b, int64_t t, int64_t direction)
{
    return s->batch_first ? (b * s->steps + t) * s->directions + direction
                          : (t * s->directions + direction) * s->batch + b;
}

RAN_INLINE void start(const struct recurrent_spec *s, void *const *io, const cell *c, int64_t place)
{
    const float *h = floats(io, s->initial_h), *state = floats(io, s->initial_c);
    for (int64_t i = 0; i < c->stride; i += RAN_VL) {
        *at(c->h, i) = load(s, h ? h + place * s->hidden : h, i);
        *at(c->c, i) = load(s, state ? state + place * s->hidden : state, i);
    }
}

RAN_INLINE void run(const struct recurrent_spec *s, void *const *io, const cell *c, int64_t b)
{
    int64_t length = length_of(s, io, b);
    int64_t place = s->batch_first ? b * s->directions + c->direction : c->direction * s->batch + b;
    start(s, io, c, place);
    for (int64_t i = 0; i < s->steps; i++) {
        int64_t t = i < length && (s->backwards || c->direction) ? length - 1 - i : i;
        const float *x =
            floats(io, s->x) + (s->batch_first ? b * s->steps + t : t * s->batch + b) * s->inputs;
        if (i >= length) {
            for (int64_t k = 0; s->y >= 0 && k < s->hidden; k++)
                ((float *)io[s->y])[y_place(s, b, t, c->direction) * s->hidden + k] = 0;
            continue;
        }
        if (s->kind == RECURRENT_LSTM)
            step_lstm(s, io, c, x);
        else if (s->kind == RECURRENT_GRU)
            step_gru(s, io, c, x);
        else
            step_rnn(s, io, c, x);
        store(s, io, s->y, y_place(s, b, t, c->direction), c->h);
    }
    store(s, io, s->last_h, place, c->h);
    store(s, io, s->last_c, place, c->c);
}

RAN_BODY(recurrent)
(const struct recurrent_spec *s, void *const *io, char *scratch, int64_t begin, int64_t end)
{
    cell c = {.stride = (s->hidden + RAN_VL - 1) / RAN_VL * RAN_VL, .gates = (float *)scratch};
    c.h = c.gates + 4 * c.stride;
    c.c = c.h + c.stride;
    c.sum = c.c + c.stride;
    c.state = c.sum + c.stride;
    for (int64_t task = begin; task < end; task++) {
        c.direction = task / s->batch;
        run(s, io, &c, task % s->batch);
    }
}
