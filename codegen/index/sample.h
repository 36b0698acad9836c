/* SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception */
/* Specs of body "index/sample": maps read between their pixels, in f32. */
#ifndef CODEGEN_INDEX_SAMPLE_H
#define CODEGEN_INDEX_SAMPLE_H

#include <stdint.h>

/* A task is a box of `rois`: all channels of its image, pooled to rows by columns. */
struct roi_align_spec {
    int64_t x, rois, images, y, status; /* io */
    int64_t is_max, half_pixel;
    int64_t ratio; /* samples along a bin; 0: as many as it has pixels */
    int64_t scale; /* the bits of a double */
    int64_t batch, channels, height, width;
    int64_t rows, columns;
};

/* A task is a row of an image's result. Absent operands: -1. */
struct deform_conv_spec {
    int64_t x, w, offset, bias, mask, y; /* io */
    int64_t groups, offset_groups;
    int64_t ic, oc; /* of a group */
    int64_t in[2], out[2], kernel[2], stride[2], pad[2], dilation[2];
};

#endif
