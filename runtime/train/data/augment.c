/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Augmentation of one image, on its raw values; mixup is the loader's, which knows the batch. */
#include "runtime/train/data/data.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "runtime/train/data/randaugment.h"

/* ---- The option -------------------------------------------------------------------------------------- */

static bool parse_word(const char *word, ran_augment *out)
{
    int used = 0, pixels = 0, count = 0, magnitude = 0;
    double alpha;
    size_t length = strlen(word);
    if (!strcmp(word, "flip"))
        return out->flip = true;
    if (sscanf(word, "crop%d%n", &pixels, &used) == 1 && (size_t)used == length) {
        out->crop = pixels;
        return pixels > 0 && pixels < 4096;
    }
    if (sscanf(word, "cutout%d%n", &pixels, &used) == 1 && (size_t)used == length) {
        out->cutout = pixels;
        return pixels > 0 && pixels < 4096;
    }
    if (sscanf(word, "mixup%lf%n", &alpha, &used) == 1 && (size_t)used == length) {
        out->mixup = alpha;
        return alpha > 0 && alpha < 100;
    }
    if (!strcmp(word, "randaugment")) {
        out->randaugment_count = 2;
        out->randaugment_magnitude = 9;
        return true;
    }
    if (sscanf(word, "randaugment%dx%d%n", &count, &magnitude, &used) == 2 &&
        (size_t)used == length) {
        out->randaugment_count = count;
        out->randaugment_magnitude = magnitude;
        return count > 0 && count <= 16 && magnitude >= 0 && magnitude <= 10;
    }
    return false;
}

ran_status ran_augment_parse(ran_context *context, const char *text, ran_augment *out_augment)
{
    ran_status status = RAN_OK;
    *out_augment = (ran_augment){0};
    if (!*text || !strcmp(text, "none"))
        return RAN_OK;
    size_t count;
    char **words = ran_data_split(text, ',', &count);
    for (size_t i = 0; i < count && !status; i++) {
        if (!parse_word(words[i], out_augment))
            status = ran_error(context, RAN_USAGE,
                               "augment: '%s' is none of cropN, flip, cutoutN, mixupALPHA, "
                               "randaugment, randaugmentCOUNTxMAGNITUDE (0..10), none",
                               words[i]);
    }
    ran_data_free_list(words);
    return status;
}

/* ---- Windows ------------------------------------------------------------------------------------------ */

/* A window that is moved by up to `pad` pixels; what comes in from outside is 0. */
static void crop(ran_random *random, float *x, float *scratch, int64_t channels, int64_t height,
                 int64_t width, int pad)
{
    int64_t dy = ran_random_below(random, 2 * pad + 1) - pad;
    int64_t dx = ran_random_below(random, 2 * pad + 1) - pad;
    memcpy(scratch, x, (size_t)(channels * height * width) * sizeof(*x));
    for (int64_t c = 0; c < channels; c++)
        for (int64_t i = 0; i < height; i++)
            for (int64_t j = 0; j < width; j++) {
                int64_t y = i + dy, z = j + dx;
                bool inside = y >= 0 && y < height && z >= 0 && z < width;
                *x++ = inside ? scratch[(c * height + y) * width + z] : 0;
            }
}

static void flip(float *x, int64_t rows, int64_t width)
{
    for (int64_t i = 0; i < rows; i++, x += width)
        for (int64_t j = 0; j < width / 2; j++) {
            float left = x[j];
            x[j] = x[width - 1 - j];
            x[width - 1 - j] = left;
        }
}

/* DeVries and Taylor (2017): a square around any pixel of the image, cut off at its borders. */
static void cutout(ran_random *random, float *x, int64_t channels, int64_t height, int64_t width,
                   int side, const float *fill)
{
    int64_t top = ran_random_below(random, height) - side / 2;
    int64_t left = ran_random_below(random, width) - side / 2;
    for (int64_t c = 0; c < channels; c++)
        for (int64_t i = top < 0 ? 0 : top; i < top + side && i < height; i++)
            for (int64_t j = left < 0 ? 0 : left; j < left + side && j < width; j++)
                x[(c * height + i) * width + j] = fill[c];
}

void ran_augment_apply(const ran_augment *augment, ran_random *random, float *x, float *scratch,
                       int64_t channels, int64_t height, int64_t width, const float *fill,
                       float range)
{
    if (augment->crop)
        crop(random, x, scratch, channels, height, width, augment->crop);
    if (augment->flip && ran_random_below(random, 2))
        flip(x, channels * height, width);
    if (augment->randaugment_count)
        ran_randaugment(random, x, scratch, channels, height, width, range,
                        augment->randaugment_count, augment->randaugment_magnitude);
    if (augment->cutout)
        cutout(random, x, channels, height, width, augment->cutout, fill);
}
