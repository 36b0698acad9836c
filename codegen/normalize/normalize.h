/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Normalisations over what is in the data (batch normalisation is folded or becomes mul and add).
 *
 * | row | takes | how |
 * |---|---|---|
 * | normalize_rows | layer, RMS, instance, group and Lp normalisation (last axis), f32, plain | a row in scratch, three passes |
 * | lrn | local response normalisation, f32, plain | windows over channels, lanes along pixels |
 * | channel_sums | sums of x and of x * (y - shift) by channel, f32, blocked | chunks of the batch |
 * | channel_moments | means and squares by channel, f32, blocked | the same |
 */
#ifndef CODEGEN_NORMALIZE_NORMALIZE_H
#define CODEGEN_NORMALIZE_NORMALIZE_H

#include "codegen/codegen.h"

bool ran_normalize_rows_accepts(const ran_op *anchor, const ran_target *target);
ran_status ran_normalize_rows_describe(ran_emission *emission);
bool ran_lrn_accepts(const ran_op *anchor, const ran_target *target);
ran_status ran_lrn_describe(ran_emission *emission);
bool ran_channels_accepts(const ran_op *anchor, const ran_target *target);
ran_status ran_channels_describe(ran_emission *emission);

#endif
