/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Random numbers: by a counter, for training steps; as ONNX's dropout draws them (random_spec.h).
 */
#ifndef CODEGEN_RANDOM_RANDOM_H
#define CODEGEN_RANDOM_RANDOM_H

#include "codegen/codegen.h"

bool ran_counter_random_accepts(const ran_op *anchor, const ran_target *target);
ran_status ran_counter_random_describe(ran_emission *emission);
bool ran_dropout_accepts(const ran_op *anchor, const ran_target *target);
ran_status ran_dropout_describe(ran_emission *emission);

#endif
