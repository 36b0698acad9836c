/* SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception */
/* Spec of body "index/grid": images sampled at points in [-1, 1] x [-1, 1]; a task is (n, point). */
#ifndef CODEGEN_INDEX_GRID_H
#define CODEGEN_INDEX_GRID_H

#include <stdint.h>

enum { GRID_LINEAR, GRID_NEAREST, GRID_CUBIC };
enum { GRID_ZEROS, GRID_BORDER, GRID_REFLECTION };

struct grid_spec {
    int64_t x, grid, y; /* io */
    int64_t mode, padding, align_corners;
    int64_t channels, points, height, width;
};

#endif
