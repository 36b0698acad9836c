/* SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception */
#include "codegen/index/sample.h"

#include "codegen/body.h"
#include "codegen/index/read.h"

/* ---- roi_align --------------------------------------------------------------------------------
 */

enum { GRID_LIMIT = 1 << 16 };

/* A box and how it is cut into bins, in pixels of the map. */
struct roi {
    double y, x, bin_height, bin_width;
    int64_t grid_y, grid_x; /* samples in a bin */
};

RAN_INLINE double at_least_one(double x)
{
    return x > 1 ? x : 1;
}

/* The number of samples along a bin: its size, rounded up. A box far larger than the image would
 * never end; beyond it all samples are 0. */
RAN_INLINE int64_t samples_in(const struct roi_align_spec *s, double size)
{
    if (s->ratio > 0)
        return s->ratio;
    if (!(size > 0))
        return 0;
    int64_t whole = size < GRID_LIMIT ? (int64_t)size : GRID_LIMIT;
    return whole < GRID_LIMIT && (double)whole < size ? whole + 1 : whole;
}

RAN_INLINE struct roi load_roi(const struct roi_align_spec *s, const float *corner)
{
    union {
        int64_t bits;
        double value;
    } scale = {s->scale};
    double shift = s->half_pixel ? 0.5 : 0;
    struct roi r = {.y = corner[1] * scale.value - shift, .x = corner[0] * scale.value - shift};
    double height = corner[3] * scale.value - shift - r.y;
    double width = corner[2] * scale.value - shift - r.x;
    r.bin_height = (s->half_pixel ? height : at_least_one(height)) / (double)s->rows;
    r.bin_width = (s->half_pixel ? width : at_least_one(width)) / (double)s->columns;
    r.grid_y = samples_in(s, r.bin_height);
    r.grid_x = samples_in(s, r.bin_width);
    return r;
}

/* Into [0, last]; what is no number is 0. */
RAN_INLINE double inside(double x, int64_t last)
{
    return x > 0 ? (x < (double)last ? x : (double)last) : 0;
}

RAN_INLINE float larger(float a, float b)
{
    return a > b ? a : b;
}

/* One bilinear sample. max takes the largest weighted neighbour and not their sum, as ONNX does. */
RAN_INLINE float sample_roi(const struct roi_align_spec *s, const float *plane, double y, double x)
{
    if (y < -1 || y > (double)s->height || x < -1 || x > (double)s->width)
        return 0;
    y = inside(y, s->height - 1);
    x = inside(x, s->width - 1);
    int64_t top = (int64_t)y, left = (int64_t)x;
    int64_t bottom = ran_min64(top + 1, s->height - 1), right = ran_min64(left + 1, s->width - 1);
    float dy = (float)(y - (double)top), dx = (float)(x - (double)left);
    float a = (1 - dy) * (1 - dx) * plane[top * s->width + left];
    float b = (1 - dy) * dx * plane[top * s->width + right];
    float c = dy * (1 - dx) * plane[bottom * s->width + left];
    float d = dy * dx * plane[bottom * s->width + right];
    return s->is_max ? larger(larger(a, b), larger(c, d)) : a + b + c + d;
}

RAN_INLINE float pool_bin(const struct roi_align_spec *s, const struct roi *r, const float *plane,
                          int64_t row, int64_t column)
{
    float sum = 0, largest = -__builtin_inff();
    for (int64_t i = 0; i < r->grid_y; i++)
        for (int64_t j = 0; j < r->grid_x; j++) {
            double y = r->y + ((double)row + ((double)i + 0.5) / (double)r->grid_y) * r->bin_height;
            double x =
                r->x + ((double)column + ((double)j + 0.5) / (double)r->grid_x) * r->bin_width;
            float value = sample_roi(s, plane, y, x);
            sum += value;
            largest = larger(largest, value);
        }
    if (!r->grid_y || !r->grid_x)
        return 0;
    return s->is_max ? largest : sum / (float)(r->grid_y * r->grid_x);
}

RAN_INLINE void pool_box(const struct roi_align_spec *s, void *const *io, int64_t box)
{
    int64_t image = ((const int64_t *)io[s->images])[box], area = s->rows * s->columns;
    struct roi r = load_roi(s, (const float *)io[s->rois] + 4 * box);
    float *y = (float *)io[s->y] + box * s->channels * area;
    bool valid = image >= 0 && image < s->batch;
    if (!valid)
        *(int64_t *)io[s->status] = STATUS_INDEX;
    for (int64_t c = 0; c < s->channels; c++) {
        const float *plane = (const float *)io[s->x] +
                             ((valid ? image : 0) * s->channels + c) * s->height * s->width;
        for (int64_t i = 0; i < area; i++)
            y[c * area + i] = valid ? pool_bin(s, &r, plane, i / s->columns, i % s->columns) : 0;
    }
}

RAN_BODY(roi_align)
(const struct roi_align_spec *s, void *const *io, char *scratch, int64_t begin, int64_t end)
{
    (void)scratch;
    for (int64_t box = begin; box < end; box++)
        pool_box(s, io, box);
}

/* ---- deform_conv ------------------------------------------------------------------------------
 */

struct deform_pixel {
    int64_t image, row, column;
};

RAN_INLINE float pixel_or_zero(const struct deform_conv_spec *s, const float *plane, int64_t row,
                               int64_t column)
{
    bool valid = row >= 0 && row < s->in[0] && column >= 0 && column < s->in[1];
    return valid ? plane[row * s->in[1] + column] : 0;
}

/* A bilinear sample of a plane that is zero outside. */
RAN_INLINE float sample_plane(const struct deform_conv_spec *s, const float *plane, float y,
                              float x)
{
    if (!(y > -1 && y < (float)s->in[0] && x > -1 && x < (float)s->in[1]))
        return 0;
    int64_t top = (int64_t)(y + 1) - 1, left = (int64_t)(x + 1) - 1;
    float dy = y - (float)top, dx = x - (float)left;
    return (1 - dy) * ((1 - dx) * pixel_or_zero(s, plane, top, left) +
                       dx * pixel_or_zero(s, plane, top, left + 1)) +
           dy * ((1 - dx) * pixel_or_zero(s, plane, top + 1, left) +
                 dx * pixel_or_zero(s, plane, top + 1, left + 1));
}

/* What tap k of a channel reads for a pixel of the result, times the mask. */
RAN_INLINE float deformed_tap(const struct deform_conv_spec *s, void *const *io,
                              const struct deform_pixel *p, int64_t channel, int64_t k)
{
    int64_t taps = s->kernel[0] * s->kernel[1], area = s->out[0] * s->out[1];
    int64_t channels = s->ic * s->groups, per_group = channels / s->offset_groups;
    int64_t tap = (p->image * s->offset_groups + channel / per_group) * taps + k;
    int64_t at = p->row * s->out[1] + p->column;
    const float *offset = (const float *)io[s->offset] + 2 * tap * area + at;
    float y = (float)(p->row * s->stride[0] - s->pad[0] + k / s->kernel[1] * s->dilation[0]);
    float x = (float)(p->column * s->stride[1] - s->pad[1] + k % s->kernel[1] * s->dilation[1]);
    const float *plane =
        (const float *)io[s->x] + (p->image * channels + channel) * s->in[0] * s->in[1];
    float value = sample_plane(s, plane, y + offset[0], x + offset[area]);
    return s->mask < 0 ? value : value * ((const float *)io[s->mask])[tap * area + at];
}

/* Every tap is read once, for all results of its group. */
RAN_INLINE void deform_group(const struct deform_conv_spec *s, void *const *io,
                             const struct deform_pixel *p, int64_t group, float *sum)
{
    int64_t taps = s->kernel[0] * s->kernel[1];
    const float *w = (const float *)io[s->w] + group * s->oc * s->ic * taps;
    for (int64_t o = 0; o < s->oc; o++)
        sum[o] = s->bias < 0 ? 0 : ((const float *)io[s->bias])[group * s->oc + o];
    for (int64_t c = 0; c < s->ic; c++)
        for (int64_t k = 0; k < taps; k++) {
            float value = deformed_tap(s, io, p, group * s->ic + c, k);
            for (int64_t o = 0; o < s->oc; o++)
                sum[o] += value * w[(o * s->ic + c) * taps + k];
        }
}

RAN_BODY(deform_conv)
(const struct deform_conv_spec *s, void *const *io, char *scratch, int64_t begin, int64_t end)
{
    int64_t area = s->out[0] * s->out[1];
    float *sum = (float *)scratch, *y = io[s->y];
    for (int64_t task = begin; task < end; task++)
        for (int64_t column = 0; column < s->out[1]; column++)
            for (int64_t group = 0; group < s->groups; group++) {
                struct deform_pixel p = {task / s->out[0], task % s->out[0], column};
                deform_group(s, io, &p, group, sum);
                for (int64_t o = 0; o < s->oc; o++)
                    y[((p.image * s->groups + group) * s->oc + o) * area + p.row * s->out[1] +
                      column] = sum[o];
            }
}
