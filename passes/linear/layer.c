/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "passes/linear/layer.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

static int64_t gcd(int64_t a, int64_t b)
{
    while (b) {
        int64_t rest = a % b;
        a = b;
        b = rest;
    }
    return a < 0 ? -a : a;
}

static int64_t max64(int64_t a, int64_t b)
{
    return a > b ? a : b;
}

static double *new_doubles(int64_t count)
{
    double *values = calloc((size_t)(count > 0 ? count : 1), sizeof(*values));
    if (!values)
        RAN_BUG(NULL, "out of memory for %lld weights", (long long)count);
    return values;
}

static double *copy_doubles(const double *values, int64_t count)
{
    if (!values)
        return NULL;
    double *copy = new_doubles(count);
    memcpy(copy, values, (size_t)count * sizeof(*copy));
    return copy;
}

/* ---- What a layer looks like ----------------------------------------------------------------------- */

int64_t ran_layer_taps(const ran_layer *layer)
{
    int64_t taps = 1;
    for (int i = 0; i < layer->spatial; i++)
        taps *= layer->kernel[i];
    return taps;
}

int64_t ran_layer_weight_count(const ran_layer *layer)
{
    int64_t count = layer->transposed ? layer->in : layer->out;
    int64_t factors[] = {(layer->transposed ? layer->out : layer->in) / layer->groups,
                         layer->spatial > 0 ? layer->kernel[0] : 1,
                         layer->spatial > 1 ? layer->kernel[1] : 1,
                         layer->spatial > 2 ? layer->kernel[2] : 1};
    for (int i = 0; i < 4; i++)
        if (__builtin_mul_overflow(count, factors[i], &count))
            return INT64_MAX;
    return count;
}

bool ran_layer_has_pads(const ran_layer *layer)
{
    for (int i = 0; i < layer->spatial; i++)
        if (layer->pad_begin[i] || layer->pad_end[i])
            return true;
    return false;
}

bool ran_layer_is_pointwise(const ran_layer *layer)
{
    for (int i = 0; i < layer->spatial; i++)
        if (layer->kernel[i] != 1 || layer->stride[i] != 1 || layer->output_padding[i])
            return false;
    return !layer->transposed && !ran_layer_has_pads(layer);
}

bool ran_layer_is_depthwise_pointwise(const ran_layer *layer)
{
    return ran_layer_is_pointwise(layer) && layer->groups == layer->in && layer->in == layer->out;
}

bool ran_layer_is_exact(const ran_layer *layer)
{
    return !layer->inexact[0] && !layer->inexact[1] && !layer->inexact[2];
}

bool ran_layer_varies(const ran_layer *layer)
{
    return layer->varies[0] || layer->varies[1] || layer->varies[2];
}

int64_t ran_layer_reach(const ran_layer *layer, int axis)
{
    return layer->dilation[axis] * (layer->kernel[axis] - 1) + 1;
}

int64_t ran_layer_out_extent(const ran_layer *layer, int axis, int64_t in)
{
    int64_t room = in + layer->pad_begin[axis] + layer->pad_end[axis] - ran_layer_reach(layer, axis);
    return room < 0 ? 0 : room / layer->stride[axis] + 1;
}

/* ---- Making and dropping ---------------------------------------------------------------------------- */

ran_layer ran_layer_channelwise(int spatial, int64_t channels)
{
    ran_layer layer = {.spatial = spatial, .groups = channels, .in = channels, .out = channels};
    for (int i = 0; i < RAN_LAYER_AXES; i++)
        layer.kernel[i] = layer.stride[i] = layer.dilation[i] = 1;
    return layer;
}

void ran_layer_fill_identity(ran_layer *layer)
{
    layer->weight = new_doubles(layer->out);
    for (int64_t i = 0; i < layer->out; i++)
        layer->weight[i] = 1;
}

ran_layer ran_layer_copy(const ran_layer *layer)
{
    ran_layer copy = *layer;
    copy.weight = copy_doubles(layer->weight, ran_layer_weight_count(layer));
    copy.bias = copy_doubles(layer->bias, layer->out);
    copy.ones = copy_doubles(layer->ones, layer->out * ran_layer_taps(layer));
    return copy;
}

void ran_layer_clear(ran_layer *layer)
{
    free(layer->weight);
    free(layer->bias);
    free(layer->ones);
    layer->weight = layer->bias = layer->ones = NULL;
}

/* ---- Composition: shapes ------------------------------------------------------------------------------ */

static bool pads_axis(const ran_layer *layer, int axis)
{
    return layer->pad_begin[axis] || layer->pad_end[axis];
}

/* Taps d1 u1 + s1 d2 u2: a kernel of 1 keeps the other's taps and dilation, so that no zeros are
 * stored; two real kernels meet on the grid of both dilations. */
static bool compose_axis(const ran_layer *a, const ran_layer *b, int i, ran_layer *out)
{
    int64_t step = a->stride[i] * b->dilation[i], pads = a->stride[i];
    out->stride[i] = a->stride[i] * b->stride[i];
    out->pad_begin[i] = a->pad_begin[i] + pads * b->pad_begin[i];
    out->pad_end[i] = a->pad_end[i] + pads * b->pad_end[i];
    if (a->kernel[i] == 1) {
        out->kernel[i] = b->kernel[i];
        out->dilation[i] = b->kernel[i] == 1 ? 1 : step;
    } else if (b->kernel[i] == 1) {
        out->kernel[i] = a->kernel[i];
        out->dilation[i] = a->dilation[i];
    } else {
        out->dilation[i] = gcd(a->dilation[i], step);
        out->kernel[i] =
            (a->dilation[i] * (a->kernel[i] - 1) + step * (b->kernel[i] - 1)) / out->dilation[i] + 1;
    }
    bool biased = a->biased || a->varies[i];
    out->varies[i] = a->varies[i] || b->varies[i] || (biased && pads_axis(b, i));
    out->inexact[i] =
        a->inexact[i] || b->inexact[i] || (a->kernel[i] > 1 && pads_axis(b, i));
    return out->stride[i] < 1 << 20 && out->kernel[i] < 1 << 20 && out->pad_begin[i] < 1 << 20 &&
           out->pad_end[i] < 1 << 20 && out->dilation[i] < 1 << 20;
}

static bool compose_shape(const ran_layer *a, const ran_layer *b, ran_layer *out)
{
    if (a->spatial != b->spatial || a->out != b->in)
        return false;
    *out = ran_layer_channelwise(a->spatial, a->in);
    out->out = b->out;
    out->groups = gcd(a->groups, b->groups);
    out->biased = a->biased || b->biased;
    out->identity = a->identity && b->identity;
    for (int i = 0; i < a->spatial; i++)
        if (!compose_axis(a, b, i, out))
            return false;
    return ran_layer_weight_count(out) < INT64_MAX / 64;
}

/* A transposed layer with pointwise ones around it keeps its geometry. */
static bool compose_transposed_shape(const ran_layer *a, const ran_layer *b, ran_layer *out)
{
    const ran_layer *wide = a->transposed ? a : b, *point = a->transposed ? b : a;
    if (a->spatial != b->spatial || a->out != b->in || !ran_layer_is_pointwise(point))
        return false;
    *out = *wide;
    out->weight = out->bias = out->ones = NULL;
    out->in = a->in;
    out->out = b->out;
    out->groups = gcd(a->groups, b->groups);
    out->biased = a->biased || b->biased;
    out->identity = false;
    for (int i = 0; i < a->spatial; i++)
        out->varies[i] = a->varies[i] || b->varies[i] || (b->transposed && a->biased);
    return true;
}

/* ---- Composition: weights -------------------------------------------------------------------------------- */

/* Where each tap of `part` lands in `whole`: tap u of an axis at (u * step) / dilation of whole. */
static int64_t *tap_offsets(const ran_layer *part, const ran_layer *whole, const int64_t *step,
                            const int64_t *shift)
{
    int64_t taps = ran_layer_taps(part), *offsets = malloc((size_t)taps * sizeof(*offsets));
    if (!offsets)
        RAN_BUG(NULL, "out of memory");
    for (int64_t tap = 0; tap < taps; tap++) {
        int64_t rest = tap, offset = 0, scale = 1;
        for (int i = part->spatial; i-- > 0;) {
            int64_t u = rest % part->kernel[i];
            rest /= part->kernel[i];
            offset += scale * ((u * step[i] + shift[i]) / whole->dilation[i]);
            scale *= whole->kernel[i];
        }
        offsets[tap] = offset;
    }
    return offsets;
}

typedef struct composition {
    const ran_layer *a, *b;
    ran_layer *out;
    int64_t *first, *second; /* offsets of taps in out */
    int64_t taps_a, taps_b, taps;
    bool dense; /* a's taps are out's: rows add up as they lie */
} composition;

/* out[.][i][first + base] += w * a[j][i][.] for all inputs of a's group of channel j. */
static void add_row(const composition *c, double *row, int64_t j, int64_t out_group, int64_t base,
                    double w)
{
    const ran_layer *a = c->a;
    int64_t in_a = a->in / a->groups, in_out = c->out->in / c->out->groups;
    int64_t group = j / (a->out / a->groups), skip = group * in_a - out_group * in_out;
    const double *from = a->weight + j * in_a * c->taps_a;
    double *to = row + skip * c->taps;
    if (c->dense) {
        for (int64_t n = 0; n < in_a * c->taps; n++)
            to[n] += w * from[n];
        return;
    }
    for (int64_t i = 0; i < in_a; i++)
        for (int64_t u = 0; u < c->taps_a; u++)
            to[i * c->taps + base + c->first[u]] += w * from[i * c->taps_a + u];
}

static void add_ones(const composition *c, int64_t o, int64_t j, int64_t base, double w)
{
    for (int64_t u = 0; u < c->taps_a; u++)
        c->out->ones[o * c->taps + base + c->first[u]] += w * c->a->ones[j * c->taps_a + u];
}

static void compose_output(const composition *c, int64_t o)
{
    const ran_layer *a = c->a, *b = c->b;
    int64_t in_b = b->in / b->groups, first_j = o / (b->out / b->groups) * in_b;
    int64_t in_out = c->out->in / c->out->groups, out_group = o / (c->out->out / c->out->groups);
    double *row = c->out->weight + o * in_out * c->taps, bias = b->bias ? b->bias[o] : 0;
    for (int64_t j = 0; j < in_b; j++)
        for (int64_t u = 0; u < c->taps_b; u++) {
            double w = b->weight[(o * in_b + j) * c->taps_b + u];
            if (w == 0)
                continue;
            add_row(c, row, first_j + j, out_group, c->second[u], w);
            if (a->ones)
                add_ones(c, o, first_j + j, c->second[u], w);
            bias += w * (a->bias ? a->bias[first_j + j] : 0);
        }
    if (c->out->bias)
        c->out->bias[o] = bias;
    for (int64_t u = 0; b->ones && u < c->taps_b; u++)
        c->out->ones[o * c->taps + c->second[u]] += b->ones[o * c->taps_b + u];
}

static void compose_weights(const ran_layer *a, const ran_layer *b, ran_layer *out)
{
    static const int64_t none[RAN_LAYER_AXES] = {0};
    int64_t step_b[RAN_LAYER_AXES];
    composition c = {.a = a, .b = b, .out = out, .taps_a = ran_layer_taps(a),
                     .taps_b = ran_layer_taps(b), .taps = ran_layer_taps(out)};
    for (int i = 0; i < RAN_LAYER_AXES; i++)
        step_b[i] = a->stride[i] * b->dilation[i];
    c.first = tap_offsets(a, out, a->dilation, none);
    c.second = tap_offsets(b, out, step_b, none);
    c.dense = c.taps_b == 1 && c.taps == c.taps_a;
    out->weight = new_doubles(ran_layer_weight_count(out));
    out->bias = a->bias || b->bias ? new_doubles(out->out) : NULL;
    out->ones = a->ones || b->ones ? new_doubles(out->out * c.taps) : NULL;
    for (int64_t o = 0; o < out->out; o++)
        compose_output(&c, o);
    free(c.first);
    free(c.second);
}

/* The weight that connects input i with output o through a tap; 0 across groups. */
static double weight_at(const ran_layer *l, int64_t i, int64_t o, int64_t tap)
{
    int64_t in = l->in / l->groups, out = l->out / l->groups, taps = ran_layer_taps(l);
    if (i / in != o / out)
        return 0;
    return l->transposed ? l->weight[(i * out + o % out) * taps + tap]
                         : l->weight[(o * in + i % in) * taps + tap];
}

/* One of the two is transposed, the other pointwise: the product of their channel matrices. */
static void compose_transposed_weights(const ran_layer *a, const ran_layer *b, ran_layer *out)
{
    int64_t taps = ran_layer_taps(out), group_out = out->out / out->groups;
    out->weight = new_doubles(ran_layer_weight_count(out));
    for (int64_t i = 0; i < out->in; i++)
        for (int64_t m = 0; m < a->out; m++)
            for (int64_t t = 0; t < taps; t++) {
                double w = weight_at(a, i, m, a->transposed ? t : 0);
                for (int64_t o = 0; w != 0 && o < group_out; o++) {
                    int64_t channel = i / (out->in / out->groups) * group_out + o;
                    out->weight[(i * group_out + o) * taps + t] +=
                        w * weight_at(b, m, channel, b->transposed ? t : 0);
                }
            }
    out->bias = a->bias || b->bias ? new_doubles(out->out) : NULL;
    for (int64_t o = 0; out->bias && o < out->out; o++) {
        out->bias[o] = b->bias ? b->bias[o] : 0;
        /* Behind a transposed layer; before one the bias varies, and ran_bias_map has it. */
        for (int64_t m = 0; a->bias && !b->transposed && m < a->out; m++)
            out->bias[o] += a->bias[m] * weight_at(b, m, o, 0);
    }
}

bool ran_layer_compose(const ran_layer *first, const ran_layer *second, ran_layer *out)
{
    bool weights = first->weight && second->weight;
    if (first->transposed || second->transposed) {
        if ((first->transposed && second->transposed) ||
            !compose_transposed_shape(first, second, out))
            return false;
        if (weights)
            compose_transposed_weights(first, second, out);
        return true;
    }
    if (!compose_shape(first, second, out))
        return false;
    if (weights)
        compose_weights(first, second, out);
    return true;
}

/* ---- Sums --------------------------------------------------------------------------------------------------- */

void ran_layer_regroup(ran_layer *layer, int64_t groups)
{
    if (groups == layer->groups)
        return;
    ran_layer wide = *layer;
    int64_t taps = ran_layer_taps(layer), in = layer->in / layer->groups, in_wide = layer->in / groups;
    wide.groups = groups;
    wide.identity = false;
    wide.weight = layer->weight ? new_doubles(ran_layer_weight_count(&wide)) : NULL;
    for (int64_t o = 0; wide.weight && o < layer->out; o++) {
        int64_t first = o / (layer->out / layer->groups) * in;
        int64_t skip = first - o / (layer->out / groups) * in_wide;
        memcpy(wide.weight + (o * in_wide + skip) * taps, layer->weight + o * in * taps,
               (size_t)(in * taps) * sizeof(double));
    }
    free(layer->weight);
    *layer = wide;
}

/* Both kernels on one grid: begin pads align, what is between the taps is zero. */
static void sum_axis(const ran_layer *a, const ran_layer *b, int i, ran_layer *out)
{
    int64_t begin = max64(a->pad_begin[i], b->pad_begin[i]);
    int64_t shift_a = begin - a->pad_begin[i], shift_b = begin - b->pad_begin[i];
    int64_t grid = gcd(shift_a, shift_b);
    grid = a->kernel[i] > 1 ? gcd(grid, a->dilation[i]) : grid;
    grid = b->kernel[i] > 1 ? gcd(grid, b->dilation[i]) : grid;
    int64_t reach = max64(shift_a + ran_layer_reach(a, i), shift_b + ran_layer_reach(b, i));
    int64_t room = max64(a->pad_begin[i] + a->pad_end[i] - ran_layer_reach(a, i),
                         b->pad_begin[i] + b->pad_end[i] - ran_layer_reach(b, i));
    out->dilation[i] = grid ? grid : 1;
    out->kernel[i] = (reach - 1) / out->dilation[i] + 1;
    out->stride[i] = a->stride[i];
    out->pad_begin[i] = begin;
    out->pad_end[i] = room - begin + reach;
    out->varies[i] = a->varies[i] || b->varies[i];
    out->inexact[i] = a->inexact[i] || b->inexact[i];
}

static void add_part(const ran_layer *part, ran_layer *out)
{
    int64_t shift[RAN_LAYER_AXES] = {0}, taps = ran_layer_taps(part), whole = ran_layer_taps(out);
    for (int i = 0; i < part->spatial; i++)
        shift[i] = out->pad_begin[i] - part->pad_begin[i];
    int64_t *offsets = tap_offsets(part, out, part->dilation, shift);
    int64_t rows = out->out * (out->in / out->groups);
    for (int64_t row = 0; row < rows; row++)
        for (int64_t u = 0; u < taps; u++)
            out->weight[row * whole + offsets[u]] += part->weight[row * taps + u];
    for (int64_t o = 0; part->ones && o < out->out; o++)
        for (int64_t u = 0; u < taps; u++)
            out->ones[o * whole + offsets[u]] += part->ones[o * taps + u];
    for (int64_t o = 0; part->bias && o < out->out; o++)
        out->bias[o] += part->bias[o];
    free(offsets);
}

static void add_weights(const ran_layer *a, const ran_layer *b, ran_layer *out)
{
    out->weight = new_doubles(ran_layer_weight_count(out));
    out->bias = a->bias || b->bias ? new_doubles(out->out) : NULL;
    out->ones = a->ones || b->ones ? new_doubles(out->out * ran_layer_taps(out)) : NULL;
    for (int n = 0; n < 2; n++) {
        ran_layer part = ran_layer_copy(n ? b : a);
        ran_layer_regroup(&part, out->groups);
        add_part(&part, out);
        ran_layer_clear(&part);
    }
}

bool ran_layer_sum(const ran_layer *a, const ran_layer *b, ran_layer *out)
{
    if (a->spatial != b->spatial || a->in != b->in || a->out != b->out || a->transposed ||
        b->transposed)
        return false;
    *out = ran_layer_channelwise(a->spatial, a->in);
    out->out = a->out;
    out->groups = gcd(a->groups, b->groups);
    out->biased = a->biased || b->biased;
    for (int i = 0; i < a->spatial; i++) {
        if (a->stride[i] != b->stride[i])
            return false;
        sum_axis(a, b, i, out);
    }
    if (ran_layer_weight_count(out) >= INT64_MAX / 64)
        return false;
    if (a->weight && b->weight)
        add_weights(a, b, out);
    return true;
}

/* ---- Norms ------------------------------------------------------------------------------------------------------ */

void ran_layer_mask_taps(ran_layer *layer, const bool *keep)
{
    int64_t taps = ran_layer_taps(layer), count = ran_layer_weight_count(layer);
    for (int64_t n = 0; n < count; n++)
        if (!keep[n % taps])
            layer->weight[n] = 0;
}

double ran_layer_norm(const ran_layer *layer)
{
    int64_t row = ran_layer_weight_count(layer) / layer->out;
    double largest = 0;
    for (int64_t o = 0; o < layer->out; o++) {
        double sum = 0;
        for (int64_t n = 0; n < row; n++)
            sum += fabs(layer->weight[o * row + n]);
        largest = sum > largest ? sum : largest;
    }
    return largest;
}

void ran_layer_make_absolute(ran_layer *layer)
{
    int64_t count = ran_layer_weight_count(layer);
    for (int64_t n = 0; n < count; n++)
        layer->weight[n] = fabs(layer->weight[n]);
    for (int64_t o = 0; layer->bias && o < layer->out; o++)
        layer->bias[o] = fabs(layer->bias[o]);
}
