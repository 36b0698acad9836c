/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Resize of maps (the last two axes of four, the last of three), f32, static sizes, blocked or plain:
 * nearest, linear and cubic, with and without antialiasing, all coordinate modes
 * (tf_crop_and_resize with a constant roi). Positions and weights are computed when the model is
 * compiled.
 */
#ifndef CODEGEN_RESIZE_RESIZE_H
#define CODEGEN_RESIZE_RESIZE_H

#include "codegen/codegen.h"

bool ran_resize_accepts(const ran_op *anchor, const ran_target *target);
ran_status ran_resize_prepare(ran_op *kernel, const ran_target *target);
ran_status ran_resize_describe(ran_emission *emission);

/* One axis: for each of `out` positions, `taps` pairs of a position in the input and a weight.
 * tf_crop_and_resize: where the output lies outside of the input the first weight is NaN. */
typedef struct ran_resize_axis {
    int64_t in, out, taps;
    double scale, roi_start, roi_end; /* roi: tf_crop_and_resize only */
    int32_t *positions;
    float *weights;
} ran_resize_axis;

/* Fills in taps, positions and weights (allocated) from the fields above them. */
void ran_resize_make_taps(const ran_op *op, ran_resize_axis *axis);
void ran_resize_clear_taps(ran_resize_axis *axis);

#endif
