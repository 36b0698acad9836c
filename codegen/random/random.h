/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Random numbers that depend on a counter: dropout, drop path (random_spec.h). */
#ifndef CODEGEN_RANDOM_RANDOM_H
#define CODEGEN_RANDOM_RANDOM_H

#include "codegen/codegen.h"

bool ran_counter_random_accepts(const ran_op *anchor, const ran_target *target);
ran_status ran_counter_random_describe(ran_emission *emission);

#endif
