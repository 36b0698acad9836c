/* SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception */
/*
 * Specs of the pooling bodies.
 *
 * "pool/window": windows over up to three axes of a map (unused ones have extent 1). Blocked:
 * coordinates (image, channel block, depth and row, column, lane). Plain: (plane, depth and row,
 * column), lanes along columns.
 * "pool/gradient": what windows spread to the inputs, blocked only. x is dy, `indices` (max) the map
 * that was pooled; results at (image, channel block, depth and row, column, lane) of the inputs.
 * "pool/whole": one window over the whole map. Blocked: (image, channel block, lane); plain: (plane).
 */
#ifndef CODEGEN_POOL_WINDOW_H
#define CODEGEN_POOL_WINDOW_H

#include <stdint.h>

enum { POOL_MAX, POOL_AVERAGE, POOL_L1, POOL_L2 };
enum { POOL_DEPTH, POOL_HEIGHT, POOL_WIDTH, POOL_AXES };

struct window_spec {
    int64_t kind, x;
    int64_t indices, column_major;   /* max: io of the positions, -1: none; their storage order */
    int64_t planes, blocks;          /* blocks: channel blocks an image, 0: plain */
    int64_t in[POOL_AXES], out[POOL_AXES];
    int64_t kernel[POOL_AXES], stride[POOL_AXES], dilation[POOL_AXES];
    int64_t before[POOL_AXES], after[POOL_AXES]; /* pads */
    int64_t disjoint;                /* gradient: whole windows of 2-D maps that don't overlap */
    int64_t count_pads;              /* average: pads count as elements */
};

struct whole_spec {
    int64_t kind, x;
    int64_t planes, blocks; /* as above */
    int64_t pixels;
};

#endif
