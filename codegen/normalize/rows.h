/* SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception */
/*
 * Spec of body "normalize/rows": each row of the operand, seen as a matrix, is brought to mean 0 and
 * variance 1 (or only scaled, by its root mean square or its norm), then scaled and shifted.
 *
 * segments 0: scale and bias lie along the row (layer and RMS normalisation); coordinates are
 *   (row, column).
 * segments n: a row is n channels of `length` elements each, a scale and bias a channel (instance
 *   and group normalisation); coordinates are (image, channel, element). `groups` rows an image.
 */
#ifndef CODEGEN_NORMALIZE_ROWS_H
#define CODEGEN_NORMALIZE_ROWS_H

#include <stdint.h>

enum { NORMALIZE_VARIANCE, NORMALIZE_RMS, NORMALIZE_L1, NORMALIZE_L2 };

struct normalize_spec {
    int64_t kind;
    int64_t rows, columns, segments, length, groups;
    int64_t scale, bias;    /* io; -1: none */
    int64_t mean, inverse;  /* io of the optional results; -1: none */
    int64_t epsilon;        /* the bits of a float */
};

#endif
