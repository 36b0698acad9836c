/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * RandAugment (Cubuk et al. 2020): a few of 14 operations, all at one magnitude, with a random sign
 * where the operation has one. Strengths are the paper's, on images of any size and range.
 */
#include "runtime/train/data/randaugment.h"

#include <math.h>
#include <string.h>

typedef struct picture {
    float *x, *scratch;
    int64_t channels, height, width;
    float range;
} picture;

static int64_t pixels_of(const picture *p)
{
    return p->height * p->width;
}

static void clamp(const picture *p)
{
    for (int64_t i = 0; i < p->channels * pixels_of(p); i++)
        p->x[i] = fminf(fmaxf(p->x[i], 0), p->range);
}

/* ---- Geometry: the source of (x, y) around the centre, nearest pixel, 0 outside ---------------------- */

static void affine(const picture *p, const double m[6])
{
    double cy = (double)(p->height - 1) / 2, cx = (double)(p->width - 1) / 2;
    memcpy(p->scratch, p->x, (size_t)(p->channels * pixels_of(p)) * sizeof(float));
    for (int64_t i = 0; i < p->height; i++)
        for (int64_t j = 0; j < p->width; j++) {
            double y = (double)i - cy, x = (double)j - cx;
            long column = lround(m[0] * x + m[1] * y + m[2] + cx);
            long row = lround(m[3] * x + m[4] * y + m[5] + cy);
            bool inside = row >= 0 && row < p->height && column >= 0 && column < p->width;
            for (int64_t c = 0; c < p->channels; c++)
                p->x[c * pixels_of(p) + i * p->width + j] =
                    inside ? p->scratch[c * pixels_of(p) + row * p->width + column] : 0;
        }
}

static void rotate(const picture *p, double amount)
{
    double angle = amount * 30 * 3.14159265358979323846 / 180;
    affine(p, (double[]){cos(angle), sin(angle), 0, -sin(angle), cos(angle), 0});
}

static void shear_x(const picture *p, double amount)
{
    affine(p, (double[]){1, 0.3 * amount, 0, 0, 1, 0});
}

static void shear_y(const picture *p, double amount)
{
    affine(p, (double[]){1, 0, 0, 0.3 * amount, 1, 0});
}

static void translate_x(const picture *p, double amount)
{
    affine(p, (double[]){1, 0, 0.3 * amount * (double)p->width, 0, 1, 0});
}

static void translate_y(const picture *p, double amount)
{
    affine(p, (double[]){1, 0, 0, 0, 1, 0.3 * amount * (double)p->height});
}

/* ---- Colour ------------------------------------------------------------------------------------------- */

static void identity(const picture *p, double amount)
{
    (void)p;
    (void)amount;
}

static double grey(const picture *p, int64_t i)
{
    int64_t n = pixels_of(p);
    return p->channels == 3
               ? 0.299 * p->x[i] + 0.587 * p->x[n + i] + 0.114 * p->x[2 * n + i]
               : p->x[i];
}

static void brightness(const picture *p, double amount)
{
    for (int64_t i = 0; i < p->channels * pixels_of(p); i++)
        p->x[i] *= (float)(1 + 0.9 * amount);
    clamp(p);
}

static void contrast(const picture *p, double amount)
{
    double mean = 0;
    for (int64_t i = 0; i < pixels_of(p); i++)
        mean += grey(p, i) / (double)pixels_of(p);
    for (int64_t i = 0; i < p->channels * pixels_of(p); i++)
        p->x[i] = (float)(mean + (p->x[i] - mean) * (1 + 0.9 * amount));
    clamp(p);
}

static void color(const picture *p, double amount)
{
    for (int64_t i = 0; i < pixels_of(p); i++) {
        double g = grey(p, i);
        for (int64_t c = 0; c < p->channels; c++) {
            float *x = &p->x[c * pixels_of(p) + i];
            *x = (float)(g + (*x - g) * (1 + 0.9 * amount));
        }
    }
    clamp(p);
}

/* Away from, or towards, the mean of each pixel's neighbourhood, its border left out. */
static void sharpness(const picture *p, double amount)
{
    memcpy(p->scratch, p->x, (size_t)(p->channels * pixels_of(p)) * sizeof(float));
    for (int64_t c = 0; c < p->channels; c++)
        for (int64_t i = 1; i + 1 < p->height; i++)
            for (int64_t j = 1; j + 1 < p->width; j++) {
                const float *s = p->scratch + c * pixels_of(p) + i * p->width + j;
                double sum = 4 * s[0];
                for (int64_t k = -1; k <= 1; k++)
                    sum += s[k * p->width - 1] + s[k * p->width] + s[k * p->width + 1];
                double smooth = sum / 13;
                p->x[c * pixels_of(p) + i * p->width + j] =
                    (float)(smooth + (s[0] - smooth) * (1 + 0.9 * amount));
            }
    clamp(p);
}

static void solarize(const picture *p, double amount)
{
    float threshold = (float)(1 - fabs(amount)) * p->range;
    for (int64_t i = 0; i < p->channels * pixels_of(p); i++)
        p->x[i] = p->x[i] > threshold ? p->range - p->x[i] : p->x[i];
}

static void posterize(const picture *p, double amount)
{
    double levels = exp2(8 - round(4 * fabs(amount)));
    for (int64_t i = 0; i < p->channels * pixels_of(p); i++)
        p->x[i] = (float)(floor(p->x[i] / p->range * 255 / (256 / levels)) * (256 / levels) / 255) *
                  p->range;
}

static void autocontrast(const picture *p, double amount)
{
    (void)amount;
    for (int64_t c = 0; c < p->channels; c++) {
        float *x = p->x + c * pixels_of(p), low = x[0], high = x[0];
        for (int64_t i = 0; i < pixels_of(p); i++) {
            low = fminf(low, x[i]);
            high = fmaxf(high, x[i]);
        }
        for (int64_t i = 0; i < pixels_of(p) && high > low; i++)
            x[i] = (x[i] - low) * (p->range / (high - low));
    }
    clamp(p);
}

/* Each channel's histogram becomes flat. */
static void equalize(const picture *p, double amount)
{
    (void)amount;
    for (int64_t c = 0; c < p->channels; c++) {
        float *x = p->x + c * pixels_of(p);
        int64_t below[257] = {0};
        for (int64_t i = 0; i < pixels_of(p); i++)
            below[1 + (int)fminf(fmaxf(x[i] / p->range * 255, 0), 255)]++;
        for (int i = 0; i < 256; i++)
            below[i + 1] += below[i];
        for (int64_t i = 0; i < pixels_of(p); i++) {
            int level = (int)fminf(fmaxf(x[i] / p->range * 255, 0), 255);
            x[i] = (float)below[level] / (float)pixels_of(p) * p->range;
        }
    }
}

static void (*const operations[])(const picture *, double) = {
    identity,  autocontrast, equalize,  rotate,  solarize,    color,       posterize,
    contrast,  brightness,   sharpness, shear_x, shear_y,     translate_x, translate_y,
};

enum { OPERATION_COUNT = sizeof(operations) / sizeof(*operations) };

void ran_randaugment(ran_random *random, float *x, float *scratch, int64_t channels, int64_t height,
                     int64_t width, float range, int count, int magnitude)
{
    picture p = {x, scratch, channels, height, width, range};
    for (int i = 0; i < count; i++) {
        int64_t which = ran_random_below(random, OPERATION_COUNT);
        double sign = ran_random_below(random, 2) ? 1 : -1;
        operations[which](&p, sign * magnitude / 10.0);
    }
}
