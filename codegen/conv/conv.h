/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * The convolution family: which variant takes an op, and what its body is told.
 *
 *   conv_direct       blocked -> blocked      groups of whole blocks (direct.h)
 *   conv_winograd     blocked -> blocked      3x3 without stride (winograd.h)
 *   conv_depthwise    blocked -> blocked      one channel a group (depthwise.h)
 *   conv_first_layer  plain -> blocked        few input channels (first_layer.h)
 *   conv_transposed   blocked -> blocked      ConvTranspose, groups of whole blocks (transposed.h)
 *   conv_plain        plain -> plain          everything else, 1-D to 3-D (plain.h); f64, integers
 *   conv_weight       gradients of weights (weight.h)
 *
 * All but conv_plain compute in f32. The batch may be symbolic; spatial extents too for conv_plain
 * only.
 */
#ifndef CODEGEN_CONV_CONV_H
#define CODEGEN_CONV_CONV_H

#include "codegen/codegen.h"

bool ran_conv_direct_accepts(const ran_op *anchor, const ran_target *target);
double ran_conv_direct_cost(const ran_op *anchor, const ran_target *target);
ran_status ran_conv_direct_prepare(ran_op *kernel, const ran_target *target);
ran_status ran_conv_direct_describe(ran_emission *emission);

bool ran_conv_winograd_accepts(const ran_op *anchor, const ran_target *target);
double ran_conv_winograd_cost(const ran_op *anchor, const ran_target *target);
ran_status ran_conv_winograd_prepare(ran_op *kernel, const ran_target *target);
ran_status ran_conv_winograd_describe(ran_emission *emission);
bool ran_winograd_filter_accepts(const ran_op *anchor, const ran_target *target);
ran_status ran_winograd_filter_describe(ran_emission *emission);

bool ran_conv_depthwise_accepts(const ran_op *anchor, const ran_target *target);
double ran_conv_depthwise_cost(const ran_op *anchor, const ran_target *target);
ran_status ran_conv_depthwise_prepare(ran_op *kernel, const ran_target *target);
ran_status ran_conv_depthwise_describe(ran_emission *emission);

bool ran_conv_first_layer_accepts(const ran_op *anchor, const ran_target *target);
double ran_conv_first_layer_cost(const ran_op *anchor, const ran_target *target);
ran_status ran_conv_first_layer_prepare(ran_op *kernel, const ran_target *target);
ran_status ran_conv_first_layer_describe(ran_emission *emission);

bool ran_conv_transposed_accepts(const ran_op *anchor, const ran_target *target);
double ran_conv_transposed_cost(const ran_op *anchor, const ran_target *target);
ran_status ran_conv_transposed_prepare(ran_op *kernel, const ran_target *target);
ran_status ran_conv_transposed_describe(ran_emission *emission);

bool ran_conv_plain_accepts(const ran_op *anchor, const ran_target *target);
double ran_conv_plain_cost(const ran_op *anchor, const ran_target *target);
ran_status ran_conv_plain_describe(ran_emission *emission);

bool ran_conv_weight_accepts(const ran_op *anchor, const ran_target *target);
bool ran_conv_weight_plain_accepts(const ran_op *anchor, const ran_target *target);
double ran_conv_weight_cost(const ran_op *anchor, const ran_target *target);
ran_status ran_conv_weight_describe(ran_emission *emission);
bool ran_conv_weight_sum_accepts(const ran_op *anchor, const ran_target *target);
ran_status ran_conv_weight_sum_describe(ran_emission *emission);

#endif
