/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Pooling of f32 maps, blocked or plain.
 *
 * | row | takes | how |
 * |---|---|---|
 * | pool_window | max (with positions: plain), average, Lp (p 1 or 2); one to three axes, any pads, dilation, ceil_mode | taps inside of the map |
 * | pool_gradient | gradients of max and average, blocked | a plane in scratch |
 * | pool_whole | global average and maximum | a plane in eight partial results |
 */
#ifndef CODEGEN_POOL_POOL_H
#define CODEGEN_POOL_POOL_H

#include "codegen/codegen.h"

bool ran_pool_window_accepts(const ran_op *anchor, const ran_target *target);
double ran_pool_window_cost(const ran_op *anchor, const ran_target *target);
double ran_pool_whole_cost(const ran_op *anchor, const ran_target *target);
ran_status ran_pool_window_describe(ran_emission *emission);
bool ran_pool_gradient_accepts(const ran_op *anchor, const ran_target *target);
ran_status ran_pool_gradient_describe(ran_emission *emission);
bool ran_pool_whole_accepts(const ran_op *anchor, const ran_target *target);
ran_status ran_pool_whole_describe(ran_emission *emission);

#endif
