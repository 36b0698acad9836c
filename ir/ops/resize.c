/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * resize: all modes are separable, so each axis is a sparse matrix of weights, applied in turn.
 *
 * A row of that matrix has the weights of one output position. Coordinates and weights follow
 * ONNX's reference: the neighbour left of x has the ratio in (0, 1], so that an integral x takes
 * all from the right one; antialias widens the filter by 1 / scale; positions outside repeat the
 * edge, or count nothing with exclude_outside; tf_crop_and_resize writes extrapolation_value where
 * x lies outside the input.
 */
#include "ir/ops/compute.h"
#include "ir/ops/gradient.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { ROI = 1, SCALES = 2, SIZES = 3 };

/* One resized axis. */
typedef struct axis {
    int64_t in, out;
    double scale, roi_start, roi_end;
    bool resized;
} axis;

static bool is_mode(const ran_op *op, const char *attr, const char *value)
{
    return !strcmp(ran_op_string(op, attr), value);
}

/* ---- Which axes ----------------------------------------------------------------------------- */

/* The axes that scales, sizes and roi speak about, in their order; returns how many, -1: wrong. */
static int listed_axes(const ran_op *op, int rank, int out[RAN_MAX_RANK])
{
    size_t count;
    const int64_t *axes = ran_op_ints(op, "axes", &count);
    if (count > (size_t)rank)
        return -1;
    for (int i = 0; i < rank; i++)
        out[i] = i;
    for (size_t i = 0; i < count; i++)
        if ((out[i] = ran_axis(axes[i], rank)) < 0)
            return -1;
    return count ? (int)count : rank;
}

/* One factor for all listed axes; extents round half up. */
static void keep_aspect_ratio(const ran_op *op, const int *listed, int count, axis *axes)
{
    bool larger = is_mode(op, "keep_aspect_ratio_policy", "not_smaller");
    if (is_mode(op, "keep_aspect_ratio_policy", "stretch"))
        return;
    double scale = axes[listed[0]].scale;
    for (int i = 1; i < count; i++) {
        double other = axes[listed[i]].scale;
        scale = larger ? fmax(scale, other) : fmin(scale, other);
    }
    for (int i = 0; i < count; i++) {
        axis *a = &axes[listed[i]];
        a->scale = scale;
        a->out = (int64_t)(scale * (double)a->in + 0.5);
    }
}

static bool fits(double extent)
{
    return extent >= 0 && extent < 4294967296.0;
}

/* Fills in all axes of a concrete call. */
static ran_status resolve(const ran_op *op, int rank, const int64_t *dims,
                          const ran_tensor *const operands[4], axis axes[RAN_MAX_RANK])
{
    int listed[RAN_MAX_RANK], count = listed_axes(op, rank, listed);
    const ran_tensor *roi = operands[ROI], *scales = operands[SCALES], *sizes = operands[SIZES];
    const ran_tensor *given = sizes && ran_tensor_numel(sizes) ? sizes : scales;
    for (int i = 0; i < rank; i++)
        axes[i] = (axis){.in = dims[i], .out = dims[i], .scale = 1, .roi_end = 1};
    if (count < 0 || !given || ran_tensor_numel(given) != count)
        return ran_op_error(op, RAN_INVALID, "expected one scale or size for each of the axes");
    for (int i = 0; i < count; i++) {
        axis *a = &axes[listed[i]];
        double value = ran_tensor_get_f64(given, i);
        a->scale = given == scales ? value : value / (double)a->in;
        double extent = given == scales ? floor(value * (double)a->in) : value;
        if (!fits(extent) || !(a->scale > 0 || a->in == 0))
            return ran_op_error(op, RAN_INVALID, "axis %d: factor %g is out of range", listed[i],
                                a->scale);
        a->out = (int64_t)extent;
        if (roi && ran_tensor_numel(roi) == 2 * count) {
            a->roi_start = ran_tensor_get_f64(roi, i);
            a->roi_end = ran_tensor_get_f64(roi, i + count);
        }
    }
    if (given == sizes)
        keep_aspect_ratio(op, listed, count, axes);
    for (int i = 0; i < rank; i++)
        axes[i].resized = axes[i].out != axes[i].in || axes[i].scale != 1 ||
                          is_mode(op, "coordinate_transformation_mode", "tf_crop_and_resize");
    return RAN_OK;
}

/* ---- Inference ------------------------------------------------------------------------------ */

static ran_status check_attributes(const ran_op *op)
{
    static const char *const allowed[][9] = {
        {"mode", "nearest", "linear", "cubic"},
        {"nearest_mode", "round_prefer_floor", "round_prefer_ceil", "floor", "ceil"},
        {"keep_aspect_ratio_policy", "stretch", "not_larger", "not_smaller"},
        {"coordinate_transformation_mode", "half_pixel", "half_pixel_symmetric",
         "pytorch_half_pixel", "align_corners", "asymmetric", "tf_crop_and_resize",
         "tf_half_pixel_for_nn"},
    };
    for (size_t i = 0; i < sizeof allowed / sizeof *allowed; i++) {
        bool found = false;
        for (int k = 1; k < 9 && allowed[i][k]; k++)
            found |= is_mode(op, allowed[i][0], allowed[i][k]);
        if (!found)
            return ran_op_error(op, RAN_INVALID, "attribute %s: unknown mode \"%s\"", allowed[i][0],
                                ran_op_string(op, allowed[i][0]));
    }
    return RAN_OK;
}

/* Sizes as known expressions: extents follow without knowing x's. */
static bool infer_from_sizes(ran_infer *infer, int rank, const ran_dim **dims)
{
    int listed[RAN_MAX_RANK], count = listed_axes(infer->op, rank, listed);
    size_t known;
    const ran_dim *const *sizes = ran_infer_elements(infer, SIZES, &known);
    if (!sizes || count < 0 || known != (size_t)count ||
        !is_mode(infer->op, "keep_aspect_ratio_policy", "stretch"))
        return false;
    for (int i = 0; i < count; i++)
        dims[listed[i]] = sizes[i];
    return true;
}

/* A symbolic extent stays what it is times an integral factor. */
static bool infer_from_scales(ran_infer *infer, int rank, const ran_dim **dims)
{
    int listed[RAN_MAX_RANK], count = listed_axes(infer->op, rank, listed);
    const ran_tensor *scales = ran_infer_tensor(infer, SCALES);
    if (!scales || count < 0 || ran_tensor_numel(scales) != count)
        return false;
    for (int i = 0; i < count; i++) {
        const ran_dim **dim = &dims[listed[i]];
        double scale = ran_tensor_get_f64(scales, i);
        if (!(scale > 0 && scale < 1048576))
            return false;
        if (ran_dim_is_constant(*dim)) {
            double extent = floor(scale * (double)ran_dim_value(*dim));
            if (!fits(extent))
                return false;
            *dim = ran_dim_constant(infer->context, (int64_t)extent);
        } else if (scale == floor(scale)) {
            *dim = ran_dim_mul_constant(infer->context, *dim, (int64_t)scale);
        } else {
            *dim = ran_dim_fresh(infer->context);
        }
    }
    return true;
}

static bool is_empty(const ran_type *type)
{
    return !type || (ran_type_is_static(type) && ran_type_numel(type) == 0);
}

/* With constants for all that matters, the rules of a concrete call apply. */
static bool infer_concrete(ran_infer *infer, int rank, const ran_dim **dims, ran_status *status)
{
    int64_t extents[RAN_MAX_RANK], sizes[RAN_MAX_RANK];
    axis axes[RAN_MAX_RANK];
    const ran_tensor *operands[4] = {NULL};
    ran_tensor *given = NULL;
    for (int i = 0; i < rank; i++) {
        if (!ran_dim_is_constant(dims[i]))
            return false;
        extents[i] = ran_dim_value(dims[i]);
    }
    operands[SCALES] = ran_infer_tensor(infer, SCALES);
    int64_t count = is_empty(ran_infer_operand(infer, SIZES))
                        ? -1
                        : ran_infer_constants(infer, SIZES, sizes, RAN_MAX_RANK);
    if (count >= 0)
        operands[SIZES] = given = ran_tensor_wrap(RAN_ELEM_I64, 1, &count, sizes, NULL, NULL);
    if (!operands[SIZES] && !operands[SCALES])
        return false;
    *status = resolve(infer->op, rank, extents, operands, axes);
    for (int i = 0; i < rank && *status == RAN_OK; i++)
        dims[i] = ran_dim_constant(infer->context, axes[i].out);
    ran_tensor_release(given);
    return true;
}

static ran_status infer_resize(ran_infer *infer)
{
    const ran_dim *dims[RAN_MAX_RANK];
    ran_elem elem = ran_type_elem(infer->operands[0]);
    ran_status status = check_attributes(infer->op);
    if (status == RAN_OK)
        status = ran_infer_check_elem(infer, 0, "FI");
    if (status == RAN_OK &&
        is_empty(ran_infer_operand(infer, SCALES)) == is_empty(ran_infer_operand(infer, SIZES)))
        status = ran_infer_error(infer, "expected either scales or sizes");
    int rank = ran_infer_dims(infer, 0, dims);
    if (status != RAN_OK || rank < 0)
        return status == RAN_OK ? ran_infer_result_unknown(infer, 0, elem) : status;
    if (!infer_concrete(infer, rank, dims, &status) && !infer_from_sizes(infer, rank, dims) &&
        !infer_from_scales(infer, rank, dims))
        for (int i = 0; i < rank; i++)
            dims[i] = ran_dim_fresh(infer->context);
    return status == RAN_OK ? ran_infer_result(infer, 0, elem, rank, dims) : status;
}

/* ---- Coordinates and filters ---------------------------------------------------------------- */

static double original_position(const ran_op *op, const axis *a, int64_t position)
{
    double x = (double)position, in = (double)a->in, out = a->scale * in;
    const char *mode = ran_op_string(op, "coordinate_transformation_mode");
    bool single = fabs(out - 1) < 1e-9;
    if (!strcmp(mode, "align_corners"))
        return single ? 0 : x * (in - 1) / (out - 1);
    if (!strcmp(mode, "asymmetric"))
        return x / a->scale;
    if (!strcmp(mode, "tf_half_pixel_for_nn"))
        return (x + 0.5) / a->scale;
    if (!strcmp(mode, "tf_crop_and_resize")) {
        double width = (a->roi_end - a->roi_start) * (in - 1);
        return a->roi_start * (in - 1) + (single ? width / 2 : x * width / (out - 1));
    }
    if (!strcmp(mode, "pytorch_half_pixel") && a->out == 1)
        return 0;
    double centred = (x + 0.5) / a->scale - 0.5;
    if (!strcmp(mode, "half_pixel_symmetric"))
        return centred + in / 2 * (1 - (double)a->out / out);
    return centred;
}

static double cubic_weight(double distance, double a)
{
    double x = fabs(distance);
    if (x <= 1)
        return ((a + 2) * x - (a + 3)) * x * x + 1;
    return x < 2 ? ((a * x - 5 * a) * x + 8 * a) * x - 4 * a : 0;
}

/* The weight of the neighbour at distance (neighbour - x); nearest has two neighbours. */
static double filter_weight(const ran_op *op, double distance, double scale)
{
    if (is_mode(op, "mode", "cubic"))
        return cubic_weight(distance * scale, ran_op_float(op, "cubic_coeff_a"));
    double weight = 1 - fabs(distance * scale);
    return weight < 0 ? 0 : weight;
}

/* Whether nearest takes the right neighbour; ratio in (0, 1] lies between them. */
static bool takes_right(const ran_op *op, double ratio)
{
    if (ratio == 1 || is_mode(op, "nearest_mode", "ceil"))
        return true;
    if (is_mode(op, "nearest_mode", "floor"))
        return false;
    return is_mode(op, "nearest_mode", "round_prefer_ceil") ? ratio >= 0.5 : ratio > 0.5;
}

/* The rows of one axis: `width` weights and clamped input positions each. */
typedef struct filter {
    int64_t width;
    double *weights;
    int64_t *positions;
    bool *outside; /* tf_crop_and_resize: extrapolate */
} filter;

static void filter_free(filter *f)
{
    free(f->weights);
    free(f->positions);
    free(f->outside);
}

/* Neighbours before x: 1 of nearest and linear, 2 of cubic, more when antialias widens it. */
static int64_t reach_of(const ran_op *op, double scale)
{
    double support = is_mode(op, "mode", "cubic") ? 2 : 1;
    return (int64_t)-floor(-support / scale);
}

static void normalise(double *weights, int64_t n)
{
    double sum = 0;
    for (int64_t i = 0; i < n; i++)
        sum += weights[i];
    for (int64_t i = 0; i < n && sum != 0; i++)
        weights[i] /= sum;
}

/* Row `out` of the matrix. */
static void fill_row(const ran_op *op, const axis *a, double scale, int64_t reach, filter *f,
                     int64_t out)
{
    double x = original_position(op, a, out), *weights = f->weights + out * f->width;
    int64_t left = (int64_t)ceil(x) - 1;
    bool nearest = is_mode(op, "mode", "nearest"), excludes = ran_op_int(op, "exclude_outside");
    bool crops = is_mode(op, "coordinate_transformation_mode", "tf_crop_and_resize");
    f->outside[out] = crops && (x < 0 || x > (double)(a->in - 1));
    for (int64_t i = 0; i < f->width; i++) {
        int64_t at = left - (reach - 1) + i;
        bool inside = at >= 0 && at < a->in;
        double distance = (double)at - x;
        weights[i] = nearest ? (at == left + takes_right(op, x - (double)left))
                             : filter_weight(op, distance, scale);
        weights[i] *= inside || !excludes;
        f->positions[out * f->width + i] = at < 0 ? 0 : at >= a->in ? a->in - 1 : at;
    }
    if (excludes || scale < 1)
        normalise(weights, f->width);
}

static filter filter_of(const ran_op *op, const axis *a)
{
    bool widens = ran_op_int(op, "antialias") && a->scale < 1 && !is_mode(op, "mode", "nearest");
    double scale = widens ? a->scale : 1;
    int64_t reach = reach_of(op, scale);
    filter f = {.width = 2 * reach};
    f.weights = RAN_NEW(double, a->out *f.width);
    f.positions = RAN_NEW(int64_t, a->out * f.width);
    f.outside = RAN_NEW(bool, a->out);
    for (int64_t i = 0; i < a->out; i++)
        fill_row(op, a, scale, reach, &f, i);
    return f;
}

/* ---- Evaluation ----------------------------------------------------------------------------- */

/* Applies one axis' matrix to [outer, in, inner]. */
static double *apply_axis(const axis *a, const filter *f, int64_t outer, int64_t inner, double *x)
{
    double *y = RAN_NEW(double, outer * a->out * inner);
    for (int64_t n = 0; n < outer; n++)
        for (int64_t o = 0; o < a->out; o++)
            for (int64_t k = 0; k < f->width; k++) {
                double weight = f->weights[o * f->width + k];
                const double *from = x + (n * a->in + f->positions[o * f->width + k]) * inner;
                double *to = y + (n * a->out + o) * inner;
                for (int64_t i = 0; weight != 0 && i < inner; i++)
                    to[i] += weight * from[i];
            }
    free(x);
    return y;
}

static void extrapolate(const axis *a, const filter *f, int64_t outer, int64_t inner, double value,
                        double *y)
{
    for (int64_t n = 0; n < outer; n++)
        for (int64_t o = 0; o < a->out; o++)
            for (int64_t i = 0; f->outside[o] && i < inner; i++)
                y[(n * a->out + o) * inner + i] = value;
}

static void store_resized(ran_tensor *result, const double *y)
{
    if (ran_elem_is_float(ran_tensor_elem(result))) {
        ran_store_f64(result, y);
        return;
    }
    int64_t n = ran_tensor_numel(result);
    unsigned digits =
        ran_elem_bits(ran_tensor_elem(result)) - ran_elem_is_signed_int(ran_tensor_elem(result));
    double high = ldexp(1, (int)digits),
           low = ran_elem_is_signed_int(ran_tensor_elem(result)) ? -high : 0;
    for (int64_t i = 0; i < n; i++)
        ran_tensor_set_i64(result, i,
                           (int64_t)(y[i] < low        ? low
                                     : y[i] > high - 1 ? high - 1
                                                       : y[i]));
}

/* Shrinks before it enlarges: nothing between is larger than both the input and the output. */
static double *resize_axes(const ran_op *op, int rank, const axis *axes, filter *filters, double *x)
{
    int64_t dims[RAN_MAX_RANK];
    for (int i = 0; i < rank; i++)
        dims[i] = axes[i].in;
    for (int grows = 0; grows < 2; grows++)
        for (int i = 0; i < rank; i++) {
            if (!axes[i].resized || grows != (axes[i].out > axes[i].in))
                continue;
            filters[i] = filter_of(op, &axes[i]);
            x = apply_axis(&axes[i], &filters[i], ran_dims_product(dims, 0, i),
                           ran_dims_product(dims, i + 1, rank), x);
            dims[i] = axes[i].out;
        }
    return x;
}

static void extrapolate_axes(const ran_op *op, int rank, const axis *axes, const filter *filters,
                             const int64_t *extents, double *x)
{
    for (int i = 0; i < rank; i++)
        if (axes[i].resized)
            extrapolate(&axes[i], &filters[i], ran_dims_product(extents, 0, i),
                        ran_dims_product(extents, i + 1, rank),
                        ran_op_float(op, "extrapolation_value"), x);
}

static ran_status prepare(ran_evaluation *e, int rank, axis axes[RAN_MAX_RANK],
                          int64_t extents[RAN_MAX_RANK])
{
    const ran_tensor *operands[4];
    for (size_t i = 0; i < 4; i++)
        operands[i] = ran_eval_operand(e, i);
    ran_status status = resolve(e->op, rank, ran_tensor_dims(e->operands[0]), operands, axes);
    if (status != RAN_OK)
        return status;
    for (int i = 0; i < rank; i++)
        extents[i] = axes[i].out;
    return ran_eval_create(e, 0, ran_tensor_elem(e->operands[0]), rank, extents);
}

static ran_status evaluate_resize(ran_evaluation *e)
{
    axis axes[RAN_MAX_RANK];
    filter filters[RAN_MAX_RANK];
    int64_t extents[RAN_MAX_RANK];
    int rank = ran_tensor_rank(e->operands[0]);
    ran_status status = prepare(e, rank, axes, extents);
    if (status != RAN_OK || !ran_tensor_numel(e->results[0]))
        return status;
    if (!ran_tensor_numel(e->operands[0]))
        return ran_op_error(e->op, RAN_INVALID, "an empty tensor can't be enlarged");
    double *x = resize_axes(e->op, rank, axes, filters, ran_load_f64(e->operands[0]));
    extrapolate_axes(e->op, rank, axes, filters, extents, x);
    store_resized(e->results[0], x);
    for (int i = 0; i < rank; i++)
        if (axes[i].resized)
            filter_free(&filters[i]);
    free(x);
    return RAN_OK;
}

/* ---- Gradient ------------------------------------------------------------------------------- */

/* One axis' matrix [out, in]; rows that extrapolate are zero. */
static ran_value *matrix_of(ran_gradient *g, const ran_op *op, const axis *a)
{
    filter f = filter_of(op, a);
    ran_elem elem = ran_type_elem(ran_value_type(ran_op_result(op, 0)));
    ran_tensor *matrix = ran_tensor_create(elem, 2, (int64_t[]){a->out, a->in});
    for (int64_t out = 0; out < a->out; out++)
        for (int64_t k = 0; k < f.width && !f.outside[out]; k++) {
            int64_t at = out * a->in + f.positions[out * f.width + k];
            ran_tensor_set_f64(matrix, at, ran_tensor_get_f64(matrix, at) +
                                               f.weights[out * f.width + k]);
        }
    ran_value *value = ran_constant_create(ran_gradient_builder(g)->module, NULL, matrix);
    ran_tensor_release(matrix);
    filter_free(&f);
    return value;
}

/* d [..., out, ...] times the matrix: [..., in, ...]. */
static ran_value *back_along(ran_gradient *g, ran_value *d, ran_value *matrix, int axis)
{
    int64_t perm[RAN_MAX_RANK];
    int rank = ran_gradient_rank(d);
    for (int i = 0; i < rank; i++)
        perm[i] = i;
    perm[axis] = rank - 1;
    perm[rank - 1] = axis;
    if (axis == rank - 1)
        return ran_gradient_binary(g, RAN_OP_MATMUL, d, matrix);
    ran_value *last = ran_gradient_transpose(g, d, perm, (size_t)rank);
    last = ran_gradient_binary(g, RAN_OP_MATMUL, last, matrix);
    return ran_gradient_transpose(g, last, perm, (size_t)rank);
}

/* Linear in x, one axis after the other: the transposed matrices. */
ran_status ran_resize_gradient(ran_gradient *g, const ran_op *op)
{
    axis axes[RAN_MAX_RANK];
    const ran_tensor *operands[4] = {NULL};
    int64_t dims[RAN_MAX_RANK] = {0};
    ran_value *d = ran_gradient_of(g, 0), *x = ran_op_operand(op, 0);
    ran_status status = ran_gradient_need_static(op);
    if (!d || status != RAN_OK)
        return status;
    for (size_t i = 1; i < 4; i++) {
        const ran_value *operand = ran_op_operand(op, i);
        operands[i] = operand ? ran_value_constant(operand) : NULL;
        if (operand && !operands[i])
            return ran_op_error(op, RAN_UNSUPPORTED, "its gradient needs constant sizes");
    }
    int rank = ran_gradient_rank(x);
    for (int i = 0; i < rank; i++)
        dims[i] = ran_gradient_extent(x, i);
    status = resolve(op, rank, dims, operands, axes);
    for (int i = 0; i < rank && status == RAN_OK; i++)
        if (axes[i].resized)
            d = back_along(g, d, matrix_of(g, op, &axes[i]), i);
    if (status == RAN_OK)
        ran_gradient_add(g, 0, d);
    return status;
}

const ran_op_hooks ran_hooks_resize = {
    .infer = infer_resize, .evaluate = evaluate_resize, .gradient = ran_resize_gradient};
