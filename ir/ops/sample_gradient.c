/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Gradients of reading between the elements, by composition: rows of channels are gathered at the
 * pixels around each position and summed by weights that are functions of the position. So the
 * image, the positions (through floor, which is flat) and what they were made from get theirs.
 */
#include "ir/ops/gradient.h"
#include "ir/ops/sample.h"

#include <string.h>

enum { MAX_TAPS = 4 };

/* Images [images * pixels, channels], read at positions [images, points], one tensor an axis. */
typedef struct sampling {
    ran_gradient *g;
    ran_value *rows;
    int64_t images, extents[RAN_SAMPLE_SPATIAL];
    int spatial;
    ran_interpolation mode;
    ran_sample_padding padding;
    bool align_corners;
} sampling;

/* Around one position on one axis: where, and how much it counts; unused weights are NULL. */
typedef struct axis_taps {
    ran_value *at[MAX_TAPS], *weight[MAX_TAPS];
} axis_taps;

/* ---- Arithmetic
 * ----------------------------------------------------------------------------------------- */

static ran_value *minus(ran_gradient *g, ran_value *x, ran_value *y)
{
    return ran_gradient_binary(g, RAN_OP_SUB, x, y);
}

static ran_value *shift(ran_gradient *g, ran_value *x, double addend)
{
    return addend == 0 ? x : ran_gradient_add_values(g, x, ran_gradient_scalar(g, x, addend));
}

/* scale * x + addend */
static ran_value *affine(ran_gradient *g, ran_value *x, double scale, double addend)
{
    return shift(g, ran_gradient_scale(g, x, scale), addend);
}

static ran_value *clamp(ran_gradient *g, ran_value *x, double low, double high)
{
    ran_value *limited = ran_gradient_binary(g, RAN_OP_MAX, x, ran_gradient_scalar(g, x, low));
    return ran_gradient_binary(g, RAN_OP_MIN, limited, ran_gradient_scalar(g, x, high));
}

static ran_value *is_inside(ran_gradient *g, ran_value *x, double low, double high)
{
    ran_value *above =
        ran_gradient_binary(g, RAN_OP_GREATER_OR_EQUAL, x, ran_gradient_scalar(g, x, low));
    ran_value *below =
        ran_gradient_binary(g, RAN_OP_LESS_OR_EQUAL, x, ran_gradient_scalar(g, x, high));
    return ran_gradient_binary(g, RAN_OP_AND, above, below);
}

/* A triangular wave that is x between the borders: low + r - |(x - low) mod 2r - r|. */
static ran_value *reflected(ran_gradient *g, ran_value *x, double low, double high)
{
    double range = high - low;
    if (range <= 0)
        return affine(g, x, 0, low);
    ran_value *along = shift(g, x, -low);
    ran_value *turns = ran_gradient_unary(g, RAN_OP_FLOOR, affine(g, along, 1 / (2 * range), 0));
    ran_value *rest = minus(g, along, ran_gradient_scale(g, turns, 2 * range));
    ran_value *distance = ran_gradient_unary(g, RAN_OP_ABS, shift(g, rest, -range));
    return affine(g, distance, -1, low + range);
}

/* ---- Positions and taps
 * --------------------------------------------------------------------------------- */

static double low_border(const sampling *s)
{
    return s->align_corners ? 0 : -0.5;
}

static double high_border(const sampling *s, int axis)
{
    return (double)s->extents[axis] - (s->align_corners ? 1 : 0.5);
}

/* Nearest integers; ties to even in the plane, away from zero in space, as grid_sample does. */
static ran_value *nearest(const sampling *s, ran_value *x)
{
    if (s->spatial != 3)
        return ran_gradient_unary(s->g, RAN_OP_ROUND, x);
    ran_value *size = shift(s->g, ran_gradient_unary(s->g, RAN_OP_ABS, x), 0.5);
    return ran_gradient_mul(s->g, ran_gradient_unary(s->g, RAN_OP_FLOOR, size),
                            ran_gradient_unary(s->g, RAN_OP_SIGN, x));
}

/* From -1 to 1 over the image to pixels, brought inside as the padding says; what is no number lies
 * outside. */
static ran_value *place(const sampling *s, ran_value *x, int axis)
{
    ran_gradient *g = s->g;
    double extent = (double)s->extents[axis], low = low_border(s), high = high_border(s, axis);
    x = affine(g, x, (s->align_corners ? extent - 1 : extent) / 2, (extent - 1) / 2);
    if (s->mode == RAN_SAMPLE_NEAREST)
        x = nearest(s, x);
    x = ran_gradient_where(g, ran_gradient_unary(g, RAN_OP_IS_NAN, x),
                           ran_gradient_scalar(g, x, -1), x);
    ran_value *outside = x;
    if (s->padding == RAN_SAMPLE_BORDER)
        outside = clamp(g, x, 0, extent - 1);
    else if (s->padding == RAN_SAMPLE_REFLECTION)
        outside = reflected(g, x, low, high);
    else
        return clamp(g, x, -1e9, 1e9);
    return ran_gradient_where(g, is_inside(g, x, low, high), x, outside);
}

/* The polynomial a3 t^3 + a2 t^2 + a1 t + a0. */
static ran_value *cubic(ran_gradient *g, ran_value *t, double a3, double a2, double a1, double a0)
{
    ran_value *sum = affine(g, t, a3, a2);
    sum = shift(g, ran_gradient_mul(g, sum, t), a1);
    return shift(g, ran_gradient_mul(g, sum, t), a0);
}

/* Weights of the pixels from floor(x) - 1 on, t behind the second one. */
static void cubic_weights(ran_gradient *g, ran_value *t, ran_value **weights)
{
    static const double a = RAN_SAMPLE_CUBIC_A;
    ran_value *u = affine(g, t, -1, 1), *p = shift(g, t, 1), *q = affine(g, t, -1, 2);
    weights[0] = cubic(g, p, a, -5 * a, 8 * a, -4 * a);
    weights[1] = cubic(g, t, a + 2, -(a + 3), 0, 1);
    weights[2] = cubic(g, u, a + 2, -(a + 3), 0, 1);
    weights[3] = cubic(g, q, a, -5 * a, 8 * a, -4 * a);
}

/* The pixel that a tap reads, as an index; outside of the image it may count for nothing. */
static void read_tap(const sampling *s, int axis, ran_value *at, axis_taps *taps, int k)
{
    ran_gradient *g = s->g;
    double last = (double)s->extents[axis] - 1;
    if (s->padding == RAN_SAMPLE_ZEROS) {
        ran_value *counts =
            ran_gradient_cast(g, is_inside(g, at, 0, last), ran_type_elem(at->type));
        taps->weight[k] = taps->weight[k] ? ran_gradient_mul(g, taps->weight[k], counts) : counts;
    } else if (s->padding == RAN_SAMPLE_REFLECTION) {
        at = ran_gradient_where(g, is_inside(g, at, 0, last), at,
                                reflected(g, at, low_border(s), high_border(s, axis)));
    }
    taps->at[k] = ran_gradient_cast(g, clamp(g, at, 0, last), RAN_ELEM_I64);
}

static int tap_count(const sampling *s)
{
    return s->mode == RAN_SAMPLE_NEAREST ? 1 : s->mode == RAN_SAMPLE_LINEAR ? 2 : 4;
}

static void find_taps(const sampling *s, int axis, ran_value *position, axis_taps *taps)
{
    ran_gradient *g = s->g;
    ran_value *base = ran_gradient_unary(g, RAN_OP_FLOOR, position);
    ran_value *t = minus(g, position, base);
    memset(taps, 0, sizeof *taps);
    if (s->mode == RAN_SAMPLE_LINEAR) {
        taps->weight[0] = affine(g, t, -1, 1);
        taps->weight[1] = t;
    } else if (s->mode == RAN_SAMPLE_CUBIC) {
        cubic_weights(g, t, taps->weight);
    }
    for (int k = 0; k < tap_count(s); k++)
        read_tap(s, axis, shift(g, base, k - (tap_count(s) == 4)), taps, k);
}

/* ---- Sampling
 * ------------------------------------------------------------------------------------------- */

/* [images, 1]: the first row of each image. */
static ran_value *first_rows(const sampling *s, int64_t pixels)
{
    ran_value *range[] = {ran_gradient_axis(s->g, 0), ran_gradient_axis(s->g, s->images * pixels),
                          ran_gradient_axis(s->g, pixels)};
    ran_value *rows = ran_gradient_finish(s->g, ran_gradient_op(s->g, RAN_OP_RANGE, 3, range, 1));
    return ran_gradient_reshape(s->g, rows, (int64_t[]){s->images, 1}, 2);
}

/* One combination of taps, numbered in base tap_count: weight * row. */
static ran_value *sample_term(const sampling *s, const axis_taps *taps, ran_value *first,
                              int number)
{
    ran_gradient *g = s->g;
    int64_t stride = 1, last = 2;
    ran_value *row = first, *weight = NULL;
    for (int axis = s->spatial - 1; axis >= 0; axis--, number /= tap_count(s)) {
        const axis_taps *t = &taps[axis];
        int k = number % tap_count(s);
        ran_value *offset = t->at[k];
        if (stride != 1)
            offset = ran_gradient_mul(g, offset, ran_gradient_axis(g, stride));
        row = ran_gradient_add_values(g, row, offset);
        if (t->weight[k])
            weight = weight ? ran_gradient_mul(g, weight, t->weight[k]) : t->weight[k];
        stride *= s->extents[axis];
    }
    ran_value *value = ran_gradient_binary(g, RAN_OP_GATHER, s->rows, row);
    if (!weight)
        return value;
    weight = ran_gradient_cast(g, weight, ran_type_elem(value->type));
    return ran_gradient_mul(g, value, ran_gradient_unsqueeze(g, weight, &last, 1));
}

/* [images, points, channels] */
static ran_value *sample(const sampling *s, ran_value *const *positions)
{
    axis_taps taps[RAN_SAMPLE_SPATIAL];
    int64_t pixels = 1;
    int terms = 1;
    ran_value *sum = NULL;
    for (int i = 0; i < s->spatial; i++) {
        find_taps(s, i, positions[i], &taps[i]);
        pixels *= s->extents[i];
        terms *= tap_count(s);
    }
    ran_value *first = first_rows(s, pixels);
    for (int i = 0; i < terms; i++) {
        ran_value *term = sample_term(s, taps, first, i);
        sum = sum ? ran_gradient_add_values(s->g, sum, term) : term;
    }
    return sum;
}

/* [images, channels, pixels] seen as rows of channels. */
static ran_value *rows_of(ran_gradient *g, ran_value *x, int64_t images, int64_t channels,
                          int64_t pixels)
{
    ran_value *planes = ran_gradient_reshape(g, x, (int64_t[]){images, channels, pixels}, 3);
    planes = ran_gradient_transpose(g, planes, (int64_t[]){0, 2, 1}, 3);
    return ran_gradient_reshape(g, planes, (int64_t[]){images * pixels, channels}, 2);
}

/* Then there is nothing to read, or nowhere to read it from. */
static bool is_empty(const ran_op *op)
{
    return ran_type_numel(ran_op_operand(op, 0)->type) == 0 ||
           ran_type_numel(ran_op_result(op, 0)->type) == 0;
}

/* ---- grid_sample
 * ---------------------------------------------------------------------------------------- */

static ran_status compose_grid_sample(ran_gradient *g, const ran_op *op, ran_value **out_results)
{
    ran_value *x = ran_op_operand(op, 0), *grid = ran_op_operand(op, 1);
    int64_t channels = ran_gradient_extent(x, 1), pixels = 1;
    ran_value *positions[RAN_SAMPLE_SPATIAL];
    sampling s = {.g = g,
                  .images = ran_gradient_extent(x, 0),
                  .spatial = ran_gradient_rank(x) - 2,
                  .mode = ran_sample_mode(op),
                  .padding = ran_sample_padding_of(op),
                  .align_corners = ran_op_int(op, "align_corners") != 0};
    for (int i = 0; i < s.spatial; i++)
        pixels *= s.extents[i] = ran_gradient_extent(x, 2 + i);
    int64_t points = ran_type_numel(grid->type) / s.images / s.spatial;
    s.rows = rows_of(g, x, s.images, channels, pixels);
    ran_value *flat = ran_gradient_reshape(g, grid, (int64_t[]){s.images, points, s.spatial}, 3);
    for (int i = 0; i < s.spatial; i++) { /* a point is given innermost axis first */
        ran_value *part = ran_gradient_slice(g, flat, 2, s.spatial - 1 - i, s.spatial - i);
        positions[i] =
            place(&s, ran_gradient_reshape(g, part, (int64_t[]){s.images, points}, 2), i);
    }
    ran_value *y = ran_gradient_transpose(g, sample(&s, positions), (int64_t[]){0, 2, 1}, 3);
    out_results[0] = ran_gradient_reshape_like(g, y, ran_op_result(op, 0));
    return RAN_OK;
}

ran_status ran_grid_sample_gradient(ran_gradient *g, const ran_op *op)
{
    ran_status status = ran_gradient_need_static(op);
    if (status != RAN_OK || is_empty(op))
        return status;
    return ran_gradient_by_composition(g, op, compose_grid_sample);
}

/* ---- deform_conv
 * ---------------------------------------------------------------------------------------- */

/* [taps * pixels]: where each tap of each output pixel lies along an axis without its offset. */
static ran_value *base_positions(ran_gradient *g, const ran_deform *d, const ran_value *y, int axis,
                                 ran_elem elem)
{
    int64_t width = ran_gradient_extent(y, 3), pixels = ran_gradient_extent(y, 2) * width;
    int64_t count = d->kernel[0] * d->kernel[1] * pixels;
    ran_tensor *tensor = ran_tensor_create(elem, 1, &count);
    for (int64_t i = 0; i < count; i++) {
        int64_t tap = i / pixels, pixel = i % pixels;
        tap = axis ? tap % d->kernel[1] : tap / d->kernel[1];
        pixel = axis ? pixel % width : pixel / width;
        ran_tensor_set_f64(
            tensor, i,
            (double)(pixel * d->strides[axis] - d->pads[axis] + tap * d->dilations[axis]));
    }
    ran_value *value = ran_constant_create(ran_gradient_builder(g)->module, NULL, tensor);
    ran_tensor_release(tensor);
    return value;
}

/* The weighted inputs of each tap, [n, channels, taps, pixels]. */
static ran_value *deform_columns(ran_gradient *g, const ran_op *op, const ran_deform *d,
                                 int64_t pixels)
{
    ran_value *x = ran_op_operand(op, 0), *offset = ran_op_operand(op, 2);
    ran_value *mask = ran_op_operand(op, 4), *positions[2];
    int64_t batch = ran_gradient_extent(x, 0), taps = d->kernel[0] * d->kernel[1];
    int64_t channels = ran_gradient_extent(x, 1) / d->offset_groups;
    sampling s = {.g = g, .images = batch * d->offset_groups, .spatial = 2};
    for (int i = 0; i < 2; i++)
        s.extents[i] = ran_gradient_extent(x, 2 + i);
    s.rows = rows_of(g, x, s.images, channels, s.extents[0] * s.extents[1]);
    ran_value *pairs = ran_gradient_reshape(g, offset, (int64_t[]){s.images, taps, 2, pixels}, 4);
    for (int i = 0; i < 2; i++) {
        ran_value *part = ran_gradient_slice(g, pairs, 2, i, i + 1);
        part = ran_gradient_reshape(g, part, (int64_t[]){s.images, taps * pixels}, 2);
        ran_value *base = base_positions(g, d, ran_op_result(op, 0), i, ran_type_elem(part->type));
        positions[i] = clamp(g, ran_gradient_add_values(g, part, base), -1e9, 1e9);
    }
    ran_value *read = sample(&s, positions);
    if (mask)
        read = ran_gradient_mul(
            g, read, ran_gradient_reshape(g, mask, (int64_t[]){s.images, taps * pixels, 1}, 3));
    read = ran_gradient_transpose(g, read, (int64_t[]){0, 2, 1}, 3);
    return ran_gradient_reshape(g, read,
                                (int64_t[]){batch, d->offset_groups * channels, taps, pixels}, 4);
}

/* The convolution is a product of its weights with the columns. */
static ran_status compose_deform_conv(ran_gradient *g, const ran_op *op, ran_value **out_results)
{
    ran_value *w = ran_op_operand(op, 1), *b = ran_op_operand(op, 3), *y = ran_op_result(op, 0);
    int64_t kernel[] = {ran_gradient_extent(w, 2), ran_gradient_extent(w, 3)};
    ran_deform d = ran_deform_attributes(op, kernel);
    int64_t pixels = ran_gradient_extent(y, 2) * ran_gradient_extent(y, 3);
    int64_t depth = ran_gradient_extent(w, 1) * kernel[0] * kernel[1];
    int64_t out = ran_gradient_extent(w, 0), batch = ran_gradient_extent(y, 0);
    ran_value *columns = ran_gradient_reshape(g, deform_columns(g, op, &d, pixels),
                                              (int64_t[]){batch, d.groups, depth, pixels}, 4);
    ran_value *weights =
        ran_gradient_reshape(g, w, (int64_t[]){d.groups, out / d.groups, depth}, 3);
    ran_value *sum =
        ran_gradient_reshape_like(g, ran_gradient_binary(g, RAN_OP_MATMUL, weights, columns), y);
    if (b)
        sum =
            ran_gradient_add_values(g, sum, ran_gradient_reshape(g, b, (int64_t[]){out, 1, 1}, 3));
    out_results[0] = sum;
    return RAN_OK;
}

ran_status ran_deform_conv_gradient(ran_gradient *g, const ran_op *op)
{
    ran_status status = ran_gradient_need_static(op);
    if (status != RAN_OK || is_empty(op))
        return status;
    return ran_gradient_by_composition(g, op, compose_deform_conv);
}
