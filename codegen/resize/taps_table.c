/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Positions and weights of one resized axis, from ONNX's definition of Resize. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "codegen/resize/resize.h"

enum { TAPS_MAX = 4096 };

static bool is(const ran_op *op, const char *attr, const char *value)
{
    return !strcmp(ran_op_string(op, attr), value);
}

/* Where output position i lies in the input. align_corners takes the length before it is rounded
 * down, as ONNX's examples do. */
static double source(const ran_op *op, const ran_resize_axis *a, double i)
{
    const char *mode = ran_op_string(op, "coordinate_transformation_mode");
    double in = (double)a->in, out = (double)a->out;
    if (!strcmp(mode, "asymmetric"))
        return i / a->scale;
    if (!strcmp(mode, "tf_crop_and_resize")) {
        double width = (a->roi_end - a->roi_start) * (in - 1), last = a->scale * in - 1;
        return a->roi_start * (in - 1) + (fabs(last) < 1e-9 ? width / 2 : i * width / last);
    }
    if (!strcmp(mode, "align_corners"))
        return fabs(a->scale * in - 1) < 1e-9 ? 0 : i * (in - 1) / (a->scale * in - 1);
    if (!strcmp(mode, "pytorch_half_pixel") && a->out == 1)
        return 0;
    if (!strcmp(mode, "tf_half_pixel_for_nn"))
        return (i + 0.5) / a->scale;
    double shift = 0;
    if (!strcmp(mode, "half_pixel_symmetric"))
        shift = in / 2 * (1 - out / (a->scale * in));
    return shift + (i + 0.5) / a->scale - 0.5;
}

static double rounded(const ran_op *op, double x)
{
    const char *mode = ran_op_string(op, "nearest_mode");
    if (!strcmp(mode, "floor"))
        return floor(x);
    if (!strcmp(mode, "ceil"))
        return ceil(x);
    return !strcmp(mode, "round_prefer_ceil") ? floor(x + 0.5) : ceil(x - 0.5);
}

static double linear_filter(double x)
{
    x = fabs(x);
    return x < 1 ? 1 - x : 0;
}

static double cubic_filter(double x, double a)
{
    x = fabs(x);
    if (x <= 1)
        return ((a + 2) * x - (a + 3)) * x * x + 1;
    return x < 2 ? ((a * x - 5 * a) * x + 8 * a) * x - 4 * a : 0;
}

/* Half the filter's width in input pixels; antialiasing widens it when the map shrinks. */
static double filter_scale(const ran_op *op, const ran_resize_axis *a)
{
    return ran_op_int(op, "antialias") && a->scale < 1 ? a->scale : 1;
}

static int64_t first_tap(const ran_op *op, const ran_resize_axis *a)
{
    double half = is(op, "mode", "linear") ? 1 : 2;
    return (int64_t)floor(-half / filter_scale(op, a)) + 1;
}

static void nearest_taps(const ran_op *op, ran_resize_axis *a, int64_t i)
{
    double x = rounded(op, source(op, a, (double)i));
    a->positions[i] = (int32_t)fmax(0, fmin(x, (double)a->in - 1));
    a->weights[i] = 1;
}

static void filtered_taps(const ran_op *op, ran_resize_axis *a, int64_t i)
{
    double weights[TAPS_MAX], sum = 0, x = source(op, a, (double)i);
    double left = ceil(x) - 1, ratio = x - left, scale = filter_scale(op, a);
    double coefficient = ran_op_float(op, "cubic_coeff_a");
    bool exclude = ran_op_int(op, "exclude_outside");
    int64_t start = first_tap(op, a);
    for (int64_t t = 0; t < a->taps; t++) {
        double at = (double)(start + t), position = left + at;
        double distance = (at - ratio) * scale;
        bool outside = position < 0 || position >= (double)a->in;
        weights[t] = is(op, "mode", "linear") ? linear_filter(distance)
                                              : cubic_filter(distance, coefficient);
        weights[t] = outside && exclude ? 0 : weights[t];
        sum += weights[t];
        a->positions[i * a->taps + t] = (int32_t)fmax(0, fmin(position, (double)a->in - 1));
    }
    bool normalize = exclude || scale < 1;
    for (int64_t t = 0; t < a->taps; t++)
        a->weights[i * a->taps + t] = (float)(normalize ? weights[t] / sum : weights[t]);
}

static bool is_outside(const ran_op *op, const ran_resize_axis *a, int64_t i)
{
    double x = source(op, a, (double)i);
    return is(op, "coordinate_transformation_mode", "tf_crop_and_resize") &&
           (x < 0 || x > (double)a->in - 1);
}

void ran_resize_make_taps(const ran_op *op, ran_resize_axis *a)
{
    bool copies = a->in == a->out && a->scale == 1 && a->roi_start == 0 && a->roi_end == 1;
    bool nearest = is(op, "mode", "nearest") || copies;
    a->taps = nearest ? 1 : 2 - 2 * first_tap(op, a);
    a->positions = calloc((size_t)(a->out * a->taps + 1), sizeof(*a->positions));
    a->weights = calloc((size_t)(a->out * a->taps + 1), sizeof(*a->weights));
    if (!a->positions || !a->weights || a->taps > TAPS_MAX)
        RAN_BUG(NULL, "no room for %lld taps", (long long)a->taps);
    for (int64_t i = 0; i < a->out; i++) {
        if (copies) {
            a->positions[i] = (int32_t)i;
            a->weights[i] = 1;
        } else if (nearest) {
            nearest_taps(op, a, i);
        } else {
            filtered_taps(op, a, i);
        }
        if (!copies && is_outside(op, a, i))
            a->weights[i * a->taps] = NAN;
    }
}

void ran_resize_clear_taps(ran_resize_axis *a)
{
    free(a->positions);
    free(a->weights);
}
