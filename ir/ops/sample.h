/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Reading between the elements: what grid_sample's evaluation and its gradient share. */
#ifndef IR_OPS_SAMPLE_H
#define IR_OPS_SAMPLE_H

#include "ir/ops/ops.h"

enum { RAN_SAMPLE_SPATIAL = 8 };

typedef enum ran_interpolation {
    RAN_SAMPLE_LINEAR,
    RAN_SAMPLE_NEAREST,
    RAN_SAMPLE_CUBIC,
    RAN_SAMPLE_NO_MODE,
} ran_interpolation;

typedef enum ran_sample_padding {
    RAN_SAMPLE_ZEROS,
    RAN_SAMPLE_BORDER,
    RAN_SAMPLE_REFLECTION,
    RAN_SAMPLE_NO_PADDING,
} ran_sample_padding;

#define RAN_SAMPLE_CUBIC_A (-0.75)

/* Of grid_sample's attributes. */
ran_interpolation ran_sample_mode(const ran_op *op);
ran_sample_padding ran_sample_padding_of(const ran_op *op);

/* deform_conv's attributes, with their defaults. */
typedef struct ran_deform {
    int64_t kernel[2], strides[2], pads[2], dilations[2];
    int64_t groups, offset_groups;
} ran_deform;

ran_deform ran_deform_attributes(const ran_op *op, const int64_t kernel[2]);

#endif
