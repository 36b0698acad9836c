/* SPDX-License-Identifier: GPL-3.0-or-later */
/* What the convolution rows ask of an op, and how they choose tiles. */
#ifndef CODEGEN_CONV_GEOMETRY_H
#define CODEGEN_CONV_GEOMETRY_H

#include "codegen/codegen.h"
#include "ir/ops/compute.h"

typedef struct conv_geometry {
    int spatial;
    const ran_dim *batch;
    int64_t groups, ic, oc;       /* channels of a group */
    int64_t block;                /* of the target */
    int64_t ic_blocks, oc_blocks; /* of a group, rounded up */
    ran_window window;            /* entries 1 and 2 are rows and columns */
    bool flat;                    /* 1x1 without stride and padding: one row of all pixels */
    int64_t ih, iw, oh, ow;       /* as the body sees them */
} conv_geometry;

typedef struct conv_tile {
    int64_t blocks, pixels;
    int64_t border;     /* CONV_BORDER_* */
    double cycles;      /* predicted, for one image */
} conv_tile;

/* f32, extents known but for the batch, 1-D or 2-D; false: not for the blocked kernels. Weights may
 * be packed already. */
bool ran_conv_geometry(const ran_op *anchor, const ran_target *target, conv_geometry *out);
bool ran_conv_fills_blocks(const conv_geometry *g);
/* The same for what is computed as a convolution: a transposed one of stride 1 is one with its taps
 * from the last to the first. */
bool ran_conv_direct_geometry(const ran_op *anchor, const ran_target *target, conv_geometry *g);
/* The tile with the least predicted time for `steps` multiplications an output, leaving `spare`
 * registers free. */
conv_tile ran_conv_choose_tile(const conv_geometry *g, const ran_target *target, int64_t steps,
                               int64_t spare);
/* Whether tiles of `pixels` need to look at columns, and can do so at compile time. */
int64_t ran_conv_border(const conv_geometry *g, int64_t pixels);
double ran_conv_macs(const conv_geometry *g); /* of one image */
int64_t ran_conv_batch(const conv_geometry *g); /* 1 when symbolic */
/* Peak multiplications a second of one core. */
double ran_conv_peak(const ran_target *target);
/* For weights that the rest of the network displaced since the last run. */
double ran_conv_cold_seconds(double bytes, const ran_target *target);
/* (n, channel block, row, column, lane) of a blocked type, or (n, channel block, pixel, lane). */
void ran_conv_space(const ran_type *type, bool flat, ran_space *out_space);
/* n times `per_image`. */
const ran_dim *ran_conv_tasks(ran_context *context, const conv_geometry *g, int64_t per_image);
/* log2 of the tiles, of so many, during which the weights of the next ones are fetched. */
int64_t ran_conv_ahead_shift(int64_t tiles);
/* Rows of a task, of `height`: a multiple of `step` for about `tasks` tasks in all. */
int64_t ran_conv_rows_per_task(int64_t height, int64_t step, int64_t chunks);

#endif
