/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "passes/linear/border.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

static void *allocate(int64_t count, size_t size)
{
    void *memory = calloc((size_t)(count > 0 ? count : 1), size);
    if (!memory)
        RAN_BUG(NULL, "out of memory for a bias map");
    return memory;
}

static int64_t class_count(const ran_bias_map *map)
{
    return map->classes[0] * map->classes[1] * map->classes[2];
}

ran_bias_map ran_bias_map_create(int spatial, int64_t channels, const int64_t *extent)
{
    ran_bias_map map = {.spatial = spatial, .channels = channels};
    for (int i = 0; i < RAN_LAYER_AXES; i++) {
        map.extent[i] = i < spatial ? extent[i] : 1;
        map.classes[i] = 1;
    }
    map.values = allocate(channels, sizeof(double));
    return map;
}

void ran_bias_map_clear(ran_bias_map *map)
{
    for (int i = 0; i < RAN_LAYER_AXES; i++)
        free(map->class_of[i]);
    free(map->values);
    *map = (ran_bias_map){0};
}

static int64_t class_at(const ran_bias_map *map, int axis, int64_t position)
{
    return map->class_of[axis] ? map->class_of[axis][position] : 0;
}

/* ---- Classes of windows ------------------------------------------------------------------------------ */

/* The input position under a tap of the window at `position`, or -1 when there is none. */
static int64_t tap_position(const ran_layer *l, int axis, int64_t position, int64_t tap, int64_t in)
{
    int64_t at;
    if (l->transposed) {
        at = position + l->pad_begin[axis] - tap * l->dilation[axis];
        if (at < 0 || at % l->stride[axis])
            return -1;
        at /= l->stride[axis];
    } else {
        at = position * l->stride[axis] - l->pad_begin[axis] + tap * l->dilation[axis];
    }
    return at >= 0 && at < in ? at : -1;
}

static int64_t find_signature(const int32_t *signatures, int64_t count, int64_t taps,
                              const int32_t *wanted)
{
    for (int64_t i = count; i-- > 0;)
        if (!memcmp(signatures + i * taps, wanted, (size_t)taps * sizeof(*wanted)))
            return i;
    return -1;
}

int64_t ran_window_classes(const ran_layer *layer, int axis, int64_t in_extent, int64_t out_extent,
                           const int32_t *in_class, int32_t **out_class, int32_t **out_signature)
{
    int64_t taps = layer->kernel[axis], count = 0, capacity = 8;
    int32_t *classes = allocate(out_extent, sizeof(*classes));
    int32_t *signatures = allocate(capacity * taps, sizeof(*signatures));
    int32_t *one = allocate(taps, sizeof(*one));
    for (int64_t q = 0; q < out_extent; q++) {
        for (int64_t u = 0; u < taps; u++) {
            int64_t at = tap_position(layer, axis, q, u, in_extent);
            one[u] = at < 0 ? -1 : in_class ? in_class[at] : 0;
        }
        int64_t found = find_signature(signatures, count, taps, one);
        if (found < 0 && count == capacity) {
            capacity *= 2;
            signatures = realloc(signatures, (size_t)(capacity * taps) * sizeof(*signatures));
            if (!signatures)
                RAN_BUG(NULL, "out of memory for a bias map");
        }
        if (found < 0)
            memcpy(signatures + count * taps, one, (size_t)taps * sizeof(*one));
        classes[q] = (int32_t)(found < 0 ? count++ : found);
    }
    free(one);
    *out_class = classes;
    *out_signature = signatures;
    return count;
}

/* ---- Layers -------------------------------------------------------------------------------------------- */

static int64_t transposed_extent(const ran_layer *l, int axis, int64_t in)
{
    return l->stride[axis] * (in - 1) + l->output_padding[axis] + ran_layer_reach(l, axis) -
           l->pad_begin[axis] - l->pad_end[axis];
}

/* Classes of one axis of the result; false when the size must be known and is not. */
static bool axis_classes(const ran_bias_map *map, const ran_layer *layer, int axis,
                         ran_bias_map *out, int32_t **signature)
{
    int64_t in = map->extent[axis];
    if (in < 0) {
        if (layer->transposed || layer->pad_begin[axis] || layer->pad_end[axis])
            return false;
        out->extent[axis] = -1;
        *signature = allocate(layer->kernel[axis], sizeof(**signature));
        return true;
    }
    out->extent[axis] = layer->transposed ? transposed_extent(layer, axis, in)
                                          : ran_layer_out_extent(layer, axis, in);
    out->classes[axis] = ran_window_classes(layer, axis, in, out->extent[axis],
                                            map->class_of[axis], &out->class_of[axis], signature);
    return out->classes[axis] > 0;
}

typedef struct application {
    const ran_bias_map *map;
    const ran_layer *layer;
    ran_bias_map *out;
    int32_t *signature[RAN_LAYER_AXES];
} application;

/* Offset into an input channel's values for a class of the result and a tap; -1 outside. */
static int64_t value_offset(const application *a, int64_t class, int64_t tap)
{
    int64_t offset = 0, scale = 1;
    for (int i = a->layer->spatial; i-- > 0;) {
        int64_t c = class % a->out->classes[i], u = tap % a->layer->kernel[i];
        class /= a->out->classes[i];
        tap /= a->layer->kernel[i];
        int32_t at = a->signature[i][c * a->layer->kernel[i] + u];
        if (at < 0)
            return -1;
        offset += at * scale;
        scale *= a->map->classes[i];
    }
    return offset;
}

static double weight_of(const ran_layer *l, int64_t o, int64_t i, int64_t tap, int64_t taps)
{
    int64_t in = l->in / l->groups, out = l->out / l->groups;
    if (l->transposed)
        return l->weight[((o / out * in + i) * out + o % out) * taps + tap];
    return l->weight[(o * in + i) * taps + tap];
}

static void apply_class(const application *a, int64_t class)
{
    const ran_layer *l = a->layer;
    int64_t taps = ran_layer_taps(l), in = l->in / l->groups, in_classes = class_count(a->map);
    int64_t out_classes = class_count(a->out), *offsets = allocate(taps, sizeof(*offsets));
    for (int64_t t = 0; t < taps; t++)
        offsets[t] = value_offset(a, class, t);
    for (int64_t o = 0; o < l->out; o++) {
        const double *from = a->map->values + o / (l->out / l->groups) * in * in_classes;
        double sum = l->bias ? l->bias[o] : 0;
        for (int64_t i = 0; i < in; i++)
            for (int64_t t = 0; t < taps; t++)
                if (offsets[t] >= 0)
                    sum += weight_of(l, o, i, t, taps) * from[i * in_classes + offsets[t]];
        a->out->values[o * out_classes + class] = sum;
    }
    free(offsets);
}

bool ran_bias_map_apply(const ran_bias_map *map, const ran_layer *layer, ran_bias_map *out)
{
    application a = {map, layer, out, {0}};
    bool ok = true;
    *out = ran_bias_map_create(map->spatial, 0, map->extent);
    out->channels = layer->out;
    for (int i = 0; ok && i < map->spatial; i++)
        ok = axis_classes(map, layer, i, out, &a.signature[i]);
    if (ok) {
        free(out->values);
        out->values = allocate(out->channels * class_count(out), sizeof(double));
        for (int64_t class = 0; class < class_count(out); class ++)
            apply_class(&a, class);
    } else {
        ran_bias_map_clear(out);
    }
    for (int i = 0; i < RAN_LAYER_AXES; i++)
        free(a.signature[i]);
    return ok;
}

/* ---- Sums ------------------------------------------------------------------------------------------------ */

/* One class for each pair of classes that occurs; `source` maps it back to one of the parts. */
static int64_t pair_classes(const ran_bias_map *a, const ran_bias_map *b, int axis,
                            int32_t *class_of, int32_t *source_a, int32_t *source_b)
{
    int64_t count = 0;
    for (int64_t q = 0; q < a->extent[axis]; q++) {
        int32_t x = (int32_t)class_at(a, axis, q), y = (int32_t)class_at(b, axis, q);
        int64_t found = -1;
        for (int64_t c = 0; c < count; c++)
            if (source_a[c] == x && source_b[c] == y)
                found = c;
        if (found < 0) {
            source_a[count] = x;
            source_b[count] = y;
            found = count++;
        }
        class_of[q] = (int32_t)found;
    }
    return count;
}

static int64_t offset_of(const ran_bias_map *map, const int64_t *classes)
{
    return (classes[0] * map->classes[1] + classes[1]) * map->classes[2] + classes[2];
}

static void split_class(const ran_bias_map *map, int64_t class, int64_t *out)
{
    for (int i = RAN_LAYER_AXES; i-- > 0;) {
        out[i] = class % map->classes[i];
        class /= map->classes[i];
    }
}

static double part_value(const ran_bias_map *part, int32_t *const *source, const int64_t *classes,
                         int64_t channel)
{
    int64_t own[RAN_LAYER_AXES];
    for (int i = 0; i < RAN_LAYER_AXES; i++)
        own[i] = source[i] ? source[i][classes[i]] : 0;
    return part->values[channel * class_count(part) + offset_of(part, own)];
}

ran_bias_map ran_bias_map_sum(const ran_bias_map *a, const ran_bias_map *b)
{
    ran_bias_map out = ran_bias_map_create(a->spatial, 0, a->extent);
    int32_t *from_a[RAN_LAYER_AXES] = {0}, *from_b[RAN_LAYER_AXES] = {0};
    out.channels = a->channels;
    for (int i = 0; i < a->spatial; i++) {
        if (a->extent[i] < 0)
            continue;
        from_a[i] = allocate(a->extent[i], sizeof(int32_t));
        from_b[i] = allocate(a->extent[i], sizeof(int32_t));
        out.class_of[i] = allocate(a->extent[i], sizeof(int32_t));
        out.classes[i] = pair_classes(a, b, i, out.class_of[i], from_a[i], from_b[i]);
    }
    int64_t count = class_count(&out), classes[RAN_LAYER_AXES];
    free(out.values);
    out.values = allocate(out.channels * count, sizeof(double));
    for (int64_t c = 0; c < out.channels; c++)
        for (int64_t n = 0; n < count; n++) {
            split_class(&out, n, classes);
            out.values[c * count + n] =
                part_value(a, from_a, classes, c) + part_value(b, from_b, classes, c);
        }
    for (int i = 0; i < RAN_LAYER_AXES; i++) {
        free(from_a[i]);
        free(from_b[i]);
    }
    return out;
}

/* ---- Constants --------------------------------------------------------------------------------------------- */

/* Extent of the constant along an axis of [batch, channels, spatial...]; 1 where it broadcasts. */
static int64_t constant_extent(const ran_tensor *constant, int rank, int axis)
{
    int at = axis - (rank - ran_tensor_rank(constant));
    return at < 0 ? 1 : ran_tensor_dims(constant)[at];
}

static bool constant_fits(const ran_bias_map *map, const ran_tensor *constant)
{
    int rank = map->spatial + 2;
    if (ran_tensor_rank(constant) > rank || constant_extent(constant, rank, 0) != 1)
        return false;
    int64_t channels = constant_extent(constant, rank, 1);
    if (channels != 1 && channels != map->channels)
        return false;
    for (int i = 0; i < map->spatial; i++) {
        int64_t extent = constant_extent(constant, rank, 2 + i);
        if (extent != 1 && extent != map->extent[i])
            return false;
    }
    return true;
}

/* The constant as a map in which every position along an axis that it varies on is a class. */
static ran_bias_map constant_map(const ran_bias_map *like, const ran_tensor *constant, double factor)
{
    int rank = like->spatial + 2;
    ran_bias_map map = ran_bias_map_create(like->spatial, 0, like->extent);
    map.channels = like->channels;
    for (int i = 0; i < like->spatial; i++) {
        map.classes[i] = constant_extent(constant, rank, 2 + i);
        if (map.classes[i] == 1)
            continue;
        map.class_of[i] = allocate(map.extent[i], sizeof(int32_t));
        for (int64_t q = 0; q < map.extent[i]; q++)
            map.class_of[i][q] = (int32_t)q;
    }
    int64_t count = class_count(&map), channels = constant_extent(constant, rank, 1);
    free(map.values);
    map.values = allocate(map.channels * count, sizeof(double));
    for (int64_t n = 0; n < map.channels * count; n++)
        map.values[n] = factor * ran_tensor_get_f64(constant, channels == 1 ? n % count : n);
    return map;
}

bool ran_bias_map_add_constant(ran_bias_map *map, const ran_tensor *constant, double factor)
{
    if (!constant_fits(map, constant))
        return false;
    ran_bias_map other = constant_map(map, constant, factor);
    ran_bias_map_compress(&other);
    ran_bias_map sum = ran_bias_map_sum(map, &other);
    ran_bias_map_clear(&other);
    ran_bias_map_clear(map);
    *map = sum;
    return true;
}

/* ---- Compression ---------------------------------------------------------------------------------------------- */

static bool slices_equal(const ran_bias_map *map, int axis, int64_t x, int64_t y)
{
    int64_t inner = 1, outer = map->channels, n = map->classes[axis];
    for (int i = 0; i < RAN_LAYER_AXES; i++)
        *(i < axis ? &outer : &inner) *= i == axis ? 1 : map->classes[i];
    for (int64_t o = 0; o < outer; o++)
        for (int64_t k = 0; k < inner; k++)
            if (map->values[(o * n + x) * inner + k] != map->values[(o * n + y) * inner + k])
                return false;
    return true;
}

static void compress_axis(ran_bias_map *map, int axis)
{
    int64_t n = map->classes[axis], kept = 0, inner = 1, outer = map->channels;
    int32_t *to = allocate(n, sizeof(*to)), *from = allocate(n, sizeof(*from));
    for (int64_t x = 0; x < n; x++) {
        int64_t same = 0;
        while (same < kept && !slices_equal(map, axis, from[same], x))
            same++;
        if (same == kept)
            from[kept++] = (int32_t)x;
        to[x] = (int32_t)same;
    }
    for (int i = 0; i < RAN_LAYER_AXES; i++)
        *(i < axis ? &outer : &inner) *= i == axis ? 1 : map->classes[i];
    for (int64_t o = 0; o < outer; o++)
        for (int64_t k = 0; k < kept; k++)
            memmove(map->values + (o * kept + k) * inner, map->values + (o * n + from[k]) * inner,
                    (size_t)inner * sizeof(double));
    for (int64_t q = 0; map->class_of[axis] && q < map->extent[axis]; q++)
        map->class_of[axis][q] = to[map->class_of[axis][q]];
    map->classes[axis] = kept;
    free(to);
    free(from);
}

void ran_bias_map_compress(ran_bias_map *map)
{
    for (int i = 0; i < map->spatial; i++)
        compress_axis(map, i);
}

bool ran_bias_map_is_uniform(const ran_bias_map *map)
{
    return class_count(map) == 1;
}

double ran_bias_map_at(const ran_bias_map *map, int64_t channel, const int64_t *position)
{
    int64_t classes[RAN_LAYER_AXES] = {0};
    for (int i = 0; i < map->spatial; i++)
        classes[i] = class_at(map, i, position[i]);
    return map->values[channel * class_count(map) + offset_of(map, classes)];
}

double ran_bias_map_distance(const ran_bias_map *map, const double *bias)
{
    double largest = 0;
    int64_t count = class_count(map);
    for (int64_t n = 0; n < map->channels * count; n++) {
        double distance = fabs(map->values[n] - (bias ? bias[n / count] : 0));
        largest = distance > largest ? distance : largest;
    }
    return largest;
}
