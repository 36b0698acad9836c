/* SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception */
/*
 * Spec of body "move/pack": weights in tiles, when they are not constant. The result's coordinates
 * are the outer ones (how many tiles into each axis) and then those within a tile; what lies behind
 * the operand's end is zero. A task is one outer position.
 */
#ifndef CODEGEN_MOVE_PACK_H
#define CODEGEN_MOVE_PACK_H

#include <stdint.h>

enum { PACK_RANK = 8 };

struct pack_spec {
    int64_t x, y; /* io */
    int64_t rank, tiles;
    int64_t tile_elements;          /* product of tile[] */
    int64_t outer[PACK_RANK];       /* extents of the outer coordinates */
    int64_t axis[PACK_RANK];        /* the operand's axis of each */
    int64_t step[PACK_RANK];        /* positions of that axis in a tile */
    int64_t tile[PACK_RANK];        /* extents within a tile */
    int64_t tile_axis[PACK_RANK];   /* the operand's axis of each */
    int64_t dims[PACK_RANK], strides[PACK_RANK]; /* of the operand, by axis */
};

#endif
