/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Reading between the elements: grid_sample over any number of axes, and deform_conv. */
#include "ir/ops/sample.h"

#include "ir/attr.h"
#include "ir/ops/gradient.h"

#include <math.h>
#include <string.h>

enum { MAX_SPATIAL = RAN_SAMPLE_SPATIAL };

/* ---- grid_sample -------------------------------------------------------------------------------------- */

ran_interpolation ran_sample_mode(const ran_op *op)
{
    const char *mode = ran_op_string(op, "mode");
    if (strcmp(mode, "linear") == 0 || strcmp(mode, "bilinear") == 0)
        return RAN_SAMPLE_LINEAR;
    if (strcmp(mode, "nearest") == 0)
        return RAN_SAMPLE_NEAREST;
    bool cubic = strcmp(mode, "cubic") == 0 || strcmp(mode, "bicubic") == 0;
    return cubic ? RAN_SAMPLE_CUBIC : RAN_SAMPLE_NO_MODE;
}

ran_sample_padding ran_sample_padding_of(const ran_op *op)
{
    const char *mode = ran_op_string(op, "padding_mode");
    if (strcmp(mode, "zeros") == 0)
        return RAN_SAMPLE_ZEROS;
    if (strcmp(mode, "border") == 0)
        return RAN_SAMPLE_BORDER;
    return strcmp(mode, "reflection") == 0 ? RAN_SAMPLE_REFLECTION : RAN_SAMPLE_NO_PADDING;
}

static ran_status infer_grid_sample(ran_infer *infer)
{
    const ran_dim *x[RAN_MAX_RANK], *grid[RAN_MAX_RANK];
    int rank = ran_infer_dims(infer, 0, x);
    ran_elem elem = ran_type_elem(infer->operands[0]);
    if (ran_sample_mode(infer->op) == RAN_SAMPLE_NO_MODE ||
        ran_sample_padding_of(infer->op) == RAN_SAMPLE_NO_PADDING)
        return ran_infer_error(infer, "unknown mode %s or padding_mode %s",
                               ran_op_string(infer->op, "mode"),
                               ran_op_string(infer->op, "padding_mode"));
    if (rank < 0 || ran_infer_dims(infer, 1, grid) < 0)
        return ran_infer_result_unknown(infer, 0, elem);
    if (rank < 3 || rank - 2 > MAX_SPATIAL)
        return ran_infer_error(infer, "x is %s", ran_type_text(infer->context, infer->operands[0]));
    ran_status status = ran_infer_check_rank(infer, 1, "grid", rank);
    if (status == RAN_OK)
        status = ran_infer_check_equal_dims(infer, "batches", x[0], grid[0]);
    if (status == RAN_OK)
        status = ran_infer_check_equal_dims(infer, "coordinates of a point", grid[rank - 1],
                                            ran_dim_constant(infer->context, rank - 2));
    for (int i = 2; i < rank; i++)
        x[i] = grid[i - 1];
    return status == RAN_OK ? ran_infer_result(infer, 0, elem, rank, x) : status;
}

/* One channel of one image, and how to read it. */
typedef struct sampler {
    const ran_tensor *x;
    int64_t plane;
    int spatial;
    const int64_t *dims;
    int64_t strides[MAX_SPATIAL];
    ran_interpolation mode;
    ran_sample_padding padding;
    bool align_corners;
} sampler;

static double reflect(double x, double low, double high)
{
    double range = high - low;
    if (x >= low && x <= high)
        return x;
    if (range <= 0)
        return low;
    double beyond = x < low ? low - x : x - high, folds = floor(beyond / range);
    double rest = beyond - folds * range;
    bool from_low = (x < low) == (fmod(folds, 2) == 0);
    return from_low ? low + rest : high - rest;
}

static double low_border(const sampler *s)
{
    return s->align_corners ? 0 : -0.5;
}

static double high_border(const sampler *s, int axis)
{
    return (double)s->dims[axis] - (s->align_corners ? 1 : 0.5);
}

/* The position of a point along an axis, brought inside as the padding says. */
static double place(const sampler *s, int axis, double normalized)
{
    double extent = (double)s->dims[axis];
    double x = s->align_corners ? (normalized + 1) / 2 * (extent - 1)
                                : ((normalized + 1) * extent - 1) / 2;
    if (s->mode == RAN_SAMPLE_NEAREST) /* ties to even in the plane, away from zero in space */
        x = s->spatial == 3 ? round(x) : nearbyint(x);
    if (isnan(x))
        x = -1;
    if (x >= low_border(s) && x <= high_border(s, axis))
        return x;
    if (s->padding == RAN_SAMPLE_BORDER)
        return fmin(fmax(x, 0), extent - 1);
    if (s->padding == RAN_SAMPLE_REFLECTION)
        return reflect(x, low_border(s), high_border(s, axis));
    return fmin(fmax(x, -1e9), 1e9);
}

static double read_pixel(const sampler *s, const int64_t *at)
{
    int64_t offset = s->plane;
    for (int i = 0; i < s->spatial; i++) {
        int64_t p = at[i], extent = s->dims[i];
        if ((p < 0 || p >= extent) && s->padding == RAN_SAMPLE_ZEROS)
            return 0;
        if (s->padding == RAN_SAMPLE_REFLECTION)
            p = (int64_t)reflect((double)p, low_border(s), high_border(s, i));
        p = p < 0 ? 0 : p >= extent ? extent - 1 : p;
        offset += p * s->strides[i];
    }
    return ran_tensor_get_f64(s->x, offset);
}

/* Weights of the `taps` pixels from floor(x) - (taps / 2 - 1) on. */
static void tap_weights(ran_interpolation mode, double t, double *weights)
{
    static const double a = RAN_SAMPLE_CUBIC_A;
    double u = 1 - t, p = 1 + t, q = 2 - t;
    if (mode == RAN_SAMPLE_LINEAR) {
        weights[0] = u;
        weights[1] = t;
        return;
    }
    weights[0] = ((a * p - 5 * a) * p + 8 * a) * p - 4 * a;
    weights[1] = ((a + 2) * t - (a + 3)) * t * t + 1;
    weights[2] = ((a + 2) * u - (a + 3)) * u * u + 1;
    weights[3] = ((a * q - 5 * a) * q + 8 * a) * q - 4 * a;
}

static double sample_at(const sampler *s, const double *position)
{
    int64_t at[MAX_SPATIAL], taps = s->mode == RAN_SAMPLE_NEAREST  ? 1
                                    : s->mode == RAN_SAMPLE_LINEAR ? 2
                                                                   : 4;
    int64_t index[MAX_SPATIAL] = {0}, counts[MAX_SPATIAL];
    double weights[MAX_SPATIAL][4] = {{0}}, sum = 0;
    for (int i = 0; i < s->spatial; i++) {
        counts[i] = taps;
        weights[i][0] = 1;
        if (s->mode != RAN_SAMPLE_NEAREST)
            tap_weights(s->mode, position[i] - floor(position[i]), weights[i]);
    }
    do {
        double weight = 1;
        for (int i = 0; i < s->spatial; i++) {
            at[i] = (int64_t)floor(position[i]) + index[i] - (taps == 4 ? 1 : 0);
            weight *= weights[i][index[i]];
        }
        sum += weight * read_pixel(s, at);
    } while (ran_index_next(s->spatial, counts, index));
    return sum;
}

static sampler make_sampler(const ran_evaluation *evaluation)
{
    const ran_tensor *x = evaluation->operands[0];
    sampler s = {.x = x, .spatial = ran_tensor_rank(x) - 2, .dims = ran_tensor_dims(x) + 2};
    s.mode = ran_sample_mode(evaluation->op);
    s.padding = ran_sample_padding_of(evaluation->op);
    s.align_corners = ran_op_int(evaluation->op, "align_corners") != 0;
    ran_row_major_strides(s.spatial, s.dims, s.strides);
    return s;
}

static ran_status evaluate_grid_sample(ran_evaluation *evaluation)
{
    sampler s = make_sampler(evaluation);
    const ran_tensor *grid = evaluation->operands[1];
    ran_tensor *y = evaluation->results[0];
    int rank = ran_tensor_rank(y);
    int64_t channels = ran_tensor_dims(y)[1], points = ran_dims_product(ran_tensor_dims(y), 2, rank);
    int64_t plane = ran_dims_product(s.dims, 0, s.spatial);
    double position[MAX_SPATIAL];
    if (plane == 0 && ran_tensor_numel(y) > 0)
        return ran_op_error(evaluation->op, RAN_INVALID, "the image is empty");
    for (int64_t n = 0; n < ran_tensor_numel(y); n++) {
        int64_t point = n / (channels * points) * points + n % points;
        for (int i = 0; i < s.spatial; i++) /* a point is given innermost axis first */
            position[i] = place(&s, i, ran_tensor_get_f64(grid, point * s.spatial + s.spatial - 1 - i));
        s.plane = n / points * plane;
        ran_tensor_set_f64(y, n, sample_at(&s, position));
    }
    return RAN_OK;
}

const ran_op_hooks ran_hooks_grid_sample = {.infer = infer_grid_sample,
                                            .evaluate = evaluate_grid_sample,
                                            .gradient = ran_grid_sample_gradient};

/* ---- deform_conv --------------------------------------------------------------------------------------- */

ran_deform ran_deform_attributes(const ran_op *op, const int64_t kernel[2])
{
    ran_deform d = {.groups = ran_op_int(op, "group"),
                    .offset_groups = ran_op_int(op, "offset_group")};
    for (size_t i = 0; i < 2; i++) {
        d.kernel[i] = kernel[i];
        d.strides[i] = ran_op_int_at(op, "strides", i, 1);
        d.pads[i] = ran_op_int_at(op, "pads", i, 0);
        d.dilations[i] = ran_op_int_at(op, "dilations", i, 1);
    }
    return d;
}

static ran_status check_deform(ran_infer *infer, const int64_t *x, const int64_t *w,
                               const int64_t *offset)
{
    ran_deform d = ran_deform_attributes(infer->op, w + 2);
    if (d.groups < 1 || d.offset_groups < 1 || x[1] != w[1] * d.groups || w[0] % d.groups ||
        x[1] % d.offset_groups)
        return ran_infer_error(infer, "groups don't fit %s and %s",
                               ran_type_text(infer->context, infer->operands[0]),
                               ran_type_text(infer->context, infer->operands[1]));
    if (offset[0] != x[0] || offset[1] != d.offset_groups * w[2] * w[3] * 2)
        return ran_infer_error(infer, "offset %s does not fit",
                               ran_type_text(infer->context, infer->operands[2]));
    for (int i = 0; i < 2; i++) {
        int64_t pad = d.pads[i] + ran_op_int_at(infer->op, "pads", (size_t)i + 2, 0);
        int64_t span = (w[2 + i] - 1) * d.dilations[i] + 1;
        if (d.strides[i] < 1 || d.dilations[i] < 1 || x[2 + i] + pad < span ||
            (x[2 + i] + pad - span) / d.strides[i] + 1 != offset[2 + i])
            return ran_infer_error(infer, "strides, pads and dilations don't give offset's shape %s",
                                   ran_type_text(infer->context, infer->operands[2]));
    }
    return RAN_OK;
}

static ran_status infer_deform_conv(ran_infer *infer)
{
    const ran_dim *dims[3][RAN_MAX_RANK];
    int64_t extents[3][RAN_MAX_RANK];
    static const char *const names[] = {"x", "w", "offset"};
    bool constant = true;
    ran_elem elem = ran_type_elem(infer->operands[0]);
    for (size_t i = 0; i < 3; i++) {
        ran_status status = ran_infer_check_rank(infer, i, names[i], 4);
        if (status != RAN_OK)
            return status;
        if (ran_infer_dims(infer, i, dims[i]) < 0)
            return ran_infer_result_unknown(infer, 0, elem);
        constant &= ran_dims_constant(4, dims[i], extents[i]);
    }
    ran_status status =
        constant ? check_deform(infer, extents[0], extents[1], extents[2]) : RAN_OK;
    const ran_dim *result[] = {dims[0][0], dims[1][0], dims[2][2], dims[2][3]};
    return status == RAN_OK ? ran_infer_result(infer, 0, elem, 4, result) : status;
}

/* A bilinear sample of a plane that is zero outside. */
static double sample_plane(const ran_tensor *x, int64_t plane, const int64_t *dims, double y,
                           double column)
{
    double top = floor(y), left = floor(column), sum = 0;
    if (!(y > -1 && y < (double)dims[0] && column > -1 && column < (double)dims[1]))
        return 0;
    for (int i = 0; i < 4; i++) {
        int64_t r = (int64_t)top + i / 2, c = (int64_t)left + i % 2;
        double weight = (i / 2 ? y - top : 1 - (y - top)) * (i % 2 ? column - left
                                                                   : 1 - (column - left));
        if (r >= 0 && r < dims[0] && c >= 0 && c < dims[1])
            sum += weight * ran_tensor_get_f64(x, plane + r * dims[1] + c);
    }
    return sum;
}

/* All kernel positions of one input channel for output pixel (i, j). */
static double deform_channel(const ran_evaluation *evaluation, const ran_deform *d, int64_t n,
                             int64_t channel, int64_t weights, int64_t i, int64_t j)
{
    const ran_tensor *x = evaluation->operands[0], *offset = evaluation->operands[2];
    const ran_tensor *mask = ran_eval_operand(evaluation, 4);
    const int64_t *dims = ran_tensor_dims(x), *out = ran_tensor_dims(offset) + 2;
    int64_t taps = d->kernel[0] * d->kernel[1], area = out[0] * out[1];
    int64_t group = channel / (dims[1] / d->offset_groups);
    double sum = 0;
    for (int64_t k = 0; k < taps; k++) {
        int64_t tap = (n * d->offset_groups + group) * taps + k, pixel = i * out[1] + j;
        double y = (double)(i * d->strides[0] - d->pads[0] + k / d->kernel[1] * d->dilations[0]);
        double c = (double)(j * d->strides[1] - d->pads[1] + k % d->kernel[1] * d->dilations[1]);
        y += ran_tensor_get_f64(offset, 2 * tap * area + pixel);
        c += ran_tensor_get_f64(offset, (2 * tap + 1) * area + pixel);
        double value =
            sample_plane(x, (n * dims[1] + channel) * dims[2] * dims[3], dims + 2, y, c);
        value *= ran_tensor_get_f64(evaluation->operands[1], weights + k);
        sum += mask ? value * ran_tensor_get_f64(mask, tap * area + pixel) : value;
    }
    return sum;
}

static ran_status evaluate_deform_conv(ran_evaluation *evaluation)
{
    const ran_tensor *w = evaluation->operands[1], *b = ran_eval_operand(evaluation, 3);
    const int64_t *out = ran_tensor_dims(evaluation->results[0]), *wd = ran_tensor_dims(w);
    const ran_tensor *mask = ran_eval_operand(evaluation, 4);
    ran_deform d = ran_deform_attributes(evaluation->op, wd + 2);
    int64_t taps = wd[2] * wd[3], per_group = wd[0] / d.groups, to = 0;
    if ((b && ran_tensor_numel(b) != wd[0]) ||
        (mask && ran_tensor_numel(mask) != out[0] * d.offset_groups * taps * out[2] * out[3]))
        return ran_op_error(evaluation->op, RAN_INVALID, "bias or mask does not fit");
    for (int64_t n = 0; n < out[0]; n++)
        for (int64_t o = 0; o < out[1]; o++)
            for (int64_t p = 0; p < out[2] * out[3]; p++) {
                double sum = b ? ran_tensor_get_f64(b, o) : 0;
                for (int64_t c = 0; c < wd[1]; c++)
                    sum += deform_channel(evaluation, &d, n, o / per_group * wd[1] + c,
                                          (o * wd[1] + c) * taps, p / out[3], p % out[3]);
                ran_tensor_set_f64(evaluation->results[0], to++, sum);
            }
    return RAN_OK;
}

static void count_deform_conv(const ran_op *op, ran_counts *counts)
{
    const ran_type *w = ran_value_type(ran_op_operand(op, 1));
    const ran_type *y = ran_value_type(ran_op_result(op, 0));
    if (ran_type_is_static(w) && ran_type_is_static(y) && ran_type_extent(w, 0) > 0)
        counts->macs += ran_type_numel(y) * (ran_type_numel(w) / ran_type_extent(w, 0));
}

const ran_op_hooks ran_hooks_deform_conv = {.infer = infer_deform_conv,
                                            .evaluate = evaluate_deform_conv,
                                            .count = count_deform_conv,
                                            .gradient = ran_deform_conv_gradient};

/* ---- affine_grid ---------------------------------------------------------------------------------------- */

static ran_status infer_affine_grid(ran_infer *infer)
{
    const ran_dim *theta[RAN_MAX_RANK], *dims[RAN_MAX_RANK];
    ran_elem elem = ran_type_elem(infer->operands[0]);
    size_t count;
    const ran_dim *const *size = ran_infer_elements(infer, 1, &count);
    ran_status status = ran_infer_check_rank(infer, 0, "theta", 3);
    if (status != RAN_OK)
        return status;
    if (!size || ran_infer_dims(infer, 0, theta) < 0)
        return ran_infer_result_unknown(infer, 0, elem);
    if (count != 4 && count != 5)
        return ran_infer_error(infer, "size has %zu elements", count);
    int spatial = (int)count - 2;
    const ran_dim *expected = ran_dim_constant(infer->context, spatial);
    status = ran_infer_check_equal_dims(infer, "rows of theta and size", theta[1], expected);
    if (status == RAN_OK)
        status = ran_infer_check_equal_dims(infer, "columns of theta and size", theta[2],
                                            ran_dim_constant(infer->context, spatial + 1));
    dims[0] = theta[0];
    for (int i = 0; i < spatial && status == RAN_OK; i++) {
        dims[1 + i] = size[2 + i];
        if (ran_dim_upper_bound(size[2 + i]) < 1)
            status = ran_infer_error(infer, "size is no size");
    }
    dims[1 + spatial] = expected;
    return status == RAN_OK ? ran_infer_result(infer, 0, elem, spatial + 2, dims) : status;
}

/* Where a point lies in [-1, 1], by the centers of its cells or with the corners on the border. */
static double grid_position(int64_t i, int64_t extent, bool align_corners)
{
    if (!align_corners)
        return (double)(2 * i + 1) / (double)extent - 1;
    return extent > 1 ? (double)(2 * i) / (double)(extent - 1) - 1 : 0;
}

static ran_status evaluate_affine_grid(ran_evaluation *evaluation)
{
    const ran_tensor *theta = evaluation->operands[0];
    ran_tensor *y = evaluation->results[0];
    const int64_t *dims = ran_tensor_dims(y);
    int spatial = ran_tensor_rank(y) - 2;
    bool align_corners = ran_op_int(evaluation->op, "align_corners") != 0;
    int64_t index[RAN_MAX_RANK] = {0};
    for (int64_t n = 0; n < ran_tensor_numel(y); n++) {
        int64_t row = (index[0] * spatial + index[spatial + 1]) * (spatial + 1);
        double sum = ran_tensor_get_f64(theta, row + spatial);
        for (int i = 0; i < spatial; i++) /* coordinates come innermost axis first */
            sum += ran_tensor_get_f64(theta, row + i) *
                   grid_position(index[spatial - i], dims[spatial - i], align_corners);
        ran_tensor_set_f64(y, n, sum);
        ran_index_next(spatial + 2, dims, index);
    }
    return RAN_OK;
}

const ran_op_hooks ran_hooks_affine_grid = {.infer = infer_affine_grid,
                                            .evaluate = evaluate_affine_grid,
                                            .gradient = ran_affine_grid_gradient};
