/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Matrix products (matmul, gemm without its addend, which lower.c makes an op of its own).
 *
 *   matmul_tiled   f32, register tiles over panels of b; constant b is packed ahead (tiled.h)
 *   matmul_typed   f64 and integers of 32 and 64 bits (typed.h)
 *
 * Operands of rank 1, batches with broadcast, transposed operands; every extent may be symbolic.
 */
#ifndef CODEGEN_MATMUL_MATMUL_H
#define CODEGEN_MATMUL_MATMUL_H

#include "codegen/codegen.h"

bool ran_matmul_tiled_accepts(const ran_op *anchor, const ran_target *target);
double ran_matmul_tiled_cost(const ran_op *anchor, const ran_target *target);
ran_status ran_matmul_tiled_prepare(ran_op *kernel, const ran_target *target);
ran_status ran_matmul_tiled_describe(ran_emission *emission);

bool ran_matmul_typed_accepts(const ran_op *anchor, const ran_target *target);
ran_status ran_matmul_typed_describe(ran_emission *emission);

bool ran_determinant_accepts(const ran_op *anchor, const ran_target *target);
ran_status ran_determinant_describe(ran_emission *emission);

#endif
