/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Elementwise kernels: fused regions without an anchor (map.h). */
#ifndef CODEGEN_ELEMENTWISE_ELEMENTWISE_H
#define CODEGEN_ELEMENTWISE_ELEMENTWISE_H

#include "codegen/codegen.h"

bool ran_map_accepts(const ran_op *anchor, const ran_target *target);
ran_status ran_map_describe(ran_emission *emission);

#endif
