/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Pooling over boxes that lie between the pixels, and its gradient. */
#include "ir/ops/compute.h"
#include "ir/ops/gradient.h"
#include "ir/ops/ops.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

static ran_status infer_roi_align(ran_infer *infer)
{
    const ran_dim *x[RAN_MAX_RANK], *rois[RAN_MAX_RANK];
    const char *mode = ran_op_string(infer->op, "mode");
    ran_context *context = infer->context;
    int64_t height = ran_op_int(infer->op, "output_height");
    int64_t width = ran_op_int(infer->op, "output_width");
    ran_status status = ran_infer_check_rank(infer, 0, "x", 4);
    if (status == RAN_OK)
        status = ran_infer_check_rank(infer, 1, "rois", 2);
    if (status == RAN_OK)
        status = ran_infer_check_rank(infer, 2, "batch_indices", 1);
    if (status != RAN_OK)
        return status;
    if (strcmp(mode, "avg") != 0 && strcmp(mode, "max") != 0)
        return ran_infer_error(infer, "mode is %s, neither avg nor max", mode);
    if (height < 1 || width < 1)
        return ran_infer_error(infer, "the output is empty");
    if (ran_infer_dims(infer, 0, x) < 0 || ran_infer_dims(infer, 1, rois) < 0)
        return ran_infer_result_unknown(infer, 0, ran_type_elem(infer->operands[0]));
    status = ran_infer_check_equal_dims(infer, "coordinates of a roi", rois[1],
                                        ran_dim_constant(context, 4));
    if (status == RAN_OK && ran_type_rank(infer->operands[2]) == 1)
        status = ran_infer_check_equal_dims(infer, "rois and batch_indices", rois[0],
                                            ran_type_dim(infer->operands[2], 0));
    if (status != RAN_OK)
        return status;
    return ran_infer_result(infer, 0, ran_type_elem(infer->operands[0]), 4,
                            (const ran_dim *[]){rois[0], x[1], ran_dim_constant(context, height),
                                                ran_dim_constant(context, width)});
}

typedef struct roi {
    const ran_tensor *x;
    int64_t plane; /* offset of the channel at hand */
    int64_t height, width;
    double y, x0, bin_height, bin_width;
    int64_t grid_y, grid_x; /* samples in a bin */
    bool grows_y, grows_x;  /* its extent is that between its corners, not the least there is */
    bool is_max;
} roi;

/* The pixels around a sample with their bilinear weights, and how these change along the axes. */
typedef struct neighbours {
    int64_t at[4];
    double weight[4], along_y[4], along_x[4];
} neighbours;

/* False: the sample lies outside of the image and is 0. */
static bool find_neighbours(const roi *r, double y, double x, neighbours *out)
{
    if (y < -1 || y > (double)r->height || x < -1 || x > (double)r->width)
        return false;
    double inner_y = fmin(fmax(y, 0), (double)(r->height - 1));
    double inner_x = fmin(fmax(x, 0), (double)(r->width - 1));
    bool moves_y = inner_y == y, moves_x = inner_x == x;
    int64_t top = (int64_t)inner_y, left = (int64_t)inner_x;
    int64_t bottom = top + 1 < r->height ? top + 1 : top;
    int64_t right = left + 1 < r->width ? left + 1 : left;
    double dy = inner_y - (double)top, dx = inner_x - (double)left;
    for (int i = 0; i < 4; i++) {
        double wy = i / 2 ? dy : 1 - dy, wx = i % 2 ? dx : 1 - dx;
        out->at[i] = r->plane + (i / 2 ? bottom : top) * r->width + (i % 2 ? right : left);
        out->weight[i] = wy * wx;
        out->along_y[i] = moves_y ? (i / 2 ? wx : -wx) : 0;
        out->along_x[i] = moves_x ? (i % 2 ? wy : -wy) : 0;
    }
    return true;
}

/* max takes the largest weighted neighbour and not their sum, as ONNX does. */
static int largest_neighbour(const roi *r, const neighbours *n)
{
    int largest = 0;
    for (int i = 1; i < 4; i++)
        if (n->weight[i] * ran_tensor_get_f64(r->x, n->at[i]) >
            n->weight[largest] * ran_tensor_get_f64(r->x, n->at[largest]))
            largest = i;
    return largest;
}

static double sample_roi(const roi *r, double y, double x)
{
    neighbours n;
    double sum = 0;
    if (!find_neighbours(r, y, x, &n))
        return 0;
    int i = r->is_max ? largest_neighbour(r, &n) : 0, end = r->is_max ? i + 1 : 4;
    for (; i < end; i++)
        sum += n.weight[i] * ran_tensor_get_f64(r->x, n.at[i]);
    return sum;
}

/* Where sample i of `count` lies on a bin, in bins. */
static double place_in_bins(int64_t bin, int64_t i, int64_t count)
{
    return (double)bin + ((double)i + 0.5) / (double)count;
}

static double pool_bin(const roi *r, int64_t bin_y, int64_t bin_x)
{
    double sum = 0, largest = -INFINITY;
    for (int64_t i = 0; i < r->grid_y; i++)
        for (int64_t j = 0; j < r->grid_x; j++) {
            double y = r->y + place_in_bins(bin_y, i, r->grid_y) * r->bin_height;
            double x = r->x0 + place_in_bins(bin_x, j, r->grid_x) * r->bin_width;
            double value = sample_roi(r, y, x);
            sum += value;
            largest = fmax(largest, value);
        }
    double count = (double)(r->grid_y * r->grid_x);
    if (count == 0)
        return 0;
    return r->is_max ? largest : sum / count;
}

static roi load_roi(const ran_op *op, const ran_tensor *x, const ran_tensor *rois, int64_t n)
{
    double scale = ran_op_float(op, "spatial_scale"), corner[4];
    const char *transform = ran_op_string(op, "coordinate_transformation_mode");
    bool half_pixel = strcmp(transform, "half_pixel") == 0;
    for (int i = 0; i < 4; i++)
        corner[i] = ran_tensor_get_f64(rois, 4 * n + i) * scale - (half_pixel ? 0.5 : 0);
    double width = corner[2] - corner[0], height = corner[3] - corner[1];
    int64_t ratio = ran_op_int(op, "sampling_ratio");
    roi r = {.x = x,
             .height = ran_tensor_dims(x)[2],
             .width = ran_tensor_dims(x)[3],
             .y = corner[1],
             .x0 = corner[0],
             .grows_y = half_pixel || height > 1,
             .grows_x = half_pixel || width > 1};
    r.bin_height = (r.grows_y ? height : 1) / (double)ran_op_int(op, "output_height");
    r.bin_width = (r.grows_x ? width : 1) / (double)ran_op_int(op, "output_width");
    /* A box far larger than the image would never end; beyond it all samples are 0. */
    r.grid_y = ratio > 0 ? ratio : (int64_t)fmin(fmax(ceil(r.bin_height), 0), 1 << 16);
    r.grid_x = ratio > 0 ? ratio : (int64_t)fmin(fmax(ceil(r.bin_width), 0), 1 << 16);
    r.is_max = strcmp(ran_op_string(op, "mode"), "max") == 0;
    return r;
}

/* The image of each roi: an index that must be one. */
static ran_status find_image(const ran_evaluation *evaluation, const ran_tensor *x,
                             const ran_tensor *indices, int64_t n, int64_t *out_image)
{
    int64_t images = ran_tensor_dims(x)[0];
    *out_image = ran_tensor_get_i64(indices, n);
    if (ran_tensor_numel(x) == 0)
        return ran_op_error(evaluation->op, RAN_INVALID, "the image is empty");
    if (*out_image < 0 || *out_image >= images)
        return ran_op_error(evaluation->op, RAN_INVALID,
                            "batch_indices[%lld] is %lld, outside 0..%lld", (long long)n,
                            (long long)*out_image, (long long)images - 1);
    return RAN_OK;
}

static ran_status evaluate_roi_align(ran_evaluation *evaluation)
{
    const ran_tensor *image = evaluation->operands[0], *rois = evaluation->operands[1];
    const int64_t *x = ran_tensor_dims(image), *y = ran_tensor_dims(evaluation->results[0]);
    int64_t to = 0, batch;
    for (int64_t n = 0; n < y[0] && y[1]; n++) {
        ran_status status = find_image(evaluation, image, evaluation->operands[2], n, &batch);
        if (status != RAN_OK)
            return status;
        roi r = load_roi(evaluation->op, image, rois, n);
        for (int64_t c = 0; c < y[1]; c++) {
            r.plane = (batch * x[1] + c) * x[2] * x[3];
            for (int64_t i = 0; i < y[2] * y[3]; i++)
                ran_tensor_set_f64(evaluation->results[0], to++, pool_bin(&r, i / y[3], i % y[3]));
        }
    }
    return RAN_OK;
}

const ran_op_hooks ran_hooks_roi_align = {
    .infer = infer_roi_align, .evaluate = evaluate_roi_align, .gradient = ran_roi_align_gradient};

/* ---- Gradient
 * ------------------------------------------------------------------------------------------- */

ran_status ran_roi_align_gradient(ran_gradient *g, const ran_op *op)
{
    ran_value *dy = ran_gradient_of(g, 0);
    if (!dy)
        return RAN_OK;
    ran_value *operands[] = {dy, ran_op_operand(op, 0), ran_op_operand(op, 1),
                             ran_op_operand(op, 2)};
    ran_op *gradient = ran_gradient_op(g, RAN_OP_ROI_ALIGN_GRADIENT, 4, operands, 2);
    ran_gradient_copy_attrs(gradient, op);
    ran_gradient_finish(g, gradient);
    ran_gradient_add(g, 0, ran_op_result(gradient, 0));
    ran_gradient_add(g, 1, ran_op_result(gradient, 1));
    return RAN_OK;
}

static ran_status infer_roi_align_gradient(ran_infer *infer)
{
    static const char *const names[] = {"dy", "x", "rois", "batch_indices"};
    static const int ranks[] = {4, 4, 2, 1};
    ran_status status = ran_infer_check_same_elem(infer, 0, 1);
    for (size_t i = 0; i < 4 && status == RAN_OK; i++)
        status = ran_infer_check_rank(infer, i, names[i], ranks[i]);
    infer->results[0] = infer->operands[1];
    infer->results[1] = infer->operands[2];
    return status;
}

/* Of all of the image, and of one roi: where it starts, and the extents of its bins. */
typedef struct roi_gradient {
    double *image;
    double start_y, start_x, bin_height, bin_width;
} roi_gradient;

/* A sample at (y, x), in bins, whose value has the gradient d. */
static void spread_sample(const roi *r, double y, double x, double d, roi_gradient *out)
{
    neighbours n;
    if (!find_neighbours(r, r->y + y * r->bin_height, r->x0 + x * r->bin_width, &n))
        return;
    int i = r->is_max ? largest_neighbour(r, &n) : 0, end = r->is_max ? i + 1 : 4;
    for (; i < end; i++) {
        double pixel = d * ran_tensor_get_f64(r->x, n.at[i]);
        out->image[n.at[i]] += d * n.weight[i];
        out->start_y += pixel * n.along_y[i];
        out->start_x += pixel * n.along_x[i];
        out->bin_height += pixel * n.along_y[i] * y;
        out->bin_width += pixel * n.along_x[i] * x;
    }
}

/* The number of the bin's largest sample, the first one among equals. */
static int64_t largest_sample(const roi *r, int64_t bin_y, int64_t bin_x)
{
    int64_t best = 0;
    double largest = -INFINITY;
    for (int64_t i = 0; i < r->grid_y * r->grid_x; i++) {
        double y = r->y + place_in_bins(bin_y, i / r->grid_x, r->grid_y) * r->bin_height;
        double x = r->x0 + place_in_bins(bin_x, i % r->grid_x, r->grid_x) * r->bin_width;
        double value = sample_roi(r, y, x);
        best = value > largest ? i : best;
        largest = fmax(largest, value);
    }
    return best;
}

static void spread_bin(const roi *r, int64_t bin_y, int64_t bin_x, double d, roi_gradient *out)
{
    int64_t count = r->grid_y * r->grid_x, first = 0, end = count;
    if (r->is_max && count) {
        first = largest_sample(r, bin_y, bin_x);
        end = first + 1;
    }
    for (int64_t i = first; i < end; i++)
        spread_sample(r, place_in_bins(bin_y, i / r->grid_x, r->grid_y),
                      place_in_bins(bin_x, i % r->grid_x, r->grid_x),
                      r->is_max ? d : d / (double)count, out);
}

/* The corners x1, y1, x2, y2: bins reach from the first to the second where they grow. */
static void store_corners(const ran_op *op, const roi *r, const roi_gradient *d, int64_t n,
                          ran_tensor *rois)
{
    double scale = ran_op_float(op, "spatial_scale");
    double width = r->grows_x ? d->bin_width / (double)ran_op_int(op, "output_width") : 0;
    double height = r->grows_y ? d->bin_height / (double)ran_op_int(op, "output_height") : 0;
    double corners[] = {d->start_x - width, d->start_y - height, width, height};
    for (int i = 0; i < 4; i++)
        ran_tensor_set_f64(rois, 4 * n + i, scale * corners[i]);
}

static ran_status spread_all(const ran_evaluation *e, double *image)
{
    const ran_tensor *dy = e->operands[0], *x = e->operands[1];
    const int64_t *xd = ran_tensor_dims(x), *yd = ran_tensor_dims(dy);
    int64_t from = 0, batch;
    for (int64_t n = 0; n < yd[0] && yd[1]; n++) {
        ran_status status = find_image(e, x, e->operands[3], n, &batch);
        if (status != RAN_OK)
            return status;
        roi r = load_roi(e->op, x, e->operands[2], n);
        roi_gradient d = {.image = image};
        for (int64_t c = 0; c < yd[1]; c++) {
            r.plane = (batch * xd[1] + c) * xd[2] * xd[3];
            for (int64_t i = 0; i < yd[2] * yd[3]; i++)
                spread_bin(&r, i / yd[3], i % yd[3], ran_tensor_get_f64(dy, from++), &d);
        }
        store_corners(e->op, &r, &d, n, e->results[1]);
    }
    return RAN_OK;
}

static ran_status evaluate_roi_align_gradient(ran_evaluation *evaluation)
{
    double *image = RAN_NEW(double, ran_tensor_numel(evaluation->results[0]));
    ran_status status = spread_all(evaluation, image);
    if (status == RAN_OK)
        ran_store_f64(evaluation->results[0], image);
    free(image);
    return status;
}

const ran_op_hooks ran_hooks_roi_align_gradient = {.infer = infer_roi_align_gradient,
                                                   .evaluate = evaluate_roi_align_gradient};
