/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Constants along channels: taking some, and making those that were not there. */
#ifndef PASSES_APPROX_CHANNELS_H
#define PASSES_APPROX_CHANNELS_H

#include "passes/approx/approx.h"

/* Which channels of the old ones the new ones are; -1: one that is new. */
typedef struct ran_channels {
    const int64_t *from;
    int64_t count;
} ran_channels;

/* first, first + 1, ... of count. */
ran_channels ran_channels_range(ran_pass_context *pass, int64_t first, int64_t count);
bool ran_channels_is_identity(const ran_channels *channels, int64_t old_count);

/* The constant with these channels along `axis`; new ones hold `fill`, or, where `fan_in` is not 0,
 * seeded noise of deviation sqrt(2 / fan_in) (He). */
ran_value *ran_channels_take(ran_op *near, const ran_value *constant, int axis,
                             const ran_channels *channels, double fill, int64_t fan_in);

/* What stands for new channels of operand `index`: 1 for scales and variances. */
double ran_channels_fill(const ran_op *op, size_t index);
/* The axis of a constant operand that broadcasts against a result whose channels are on `axis`; -1
 * when it is the same for all channels. */
int ran_channels_axis_of(const ran_op *op, const ran_value *constant, int axis);

/* Batch norm, or elementwise arithmetic with constants that vary along the channels at most. */
bool ran_is_channelwise(const ran_op *op);

#endif
