/* SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception */
/*
 * Matrix products of the other element types (f64, i32, i64, u32, u64), batched with broadcast,
 * vectorised along the columns of the result: matmul_<elem>. b is read where it lies; strides as in
 * tiled.h. Integers wrap. Tasks: (batch, row).
 */
#ifndef CODEGEN_MATMUL_TYPED_H
#define CODEGEN_MATMUL_TYPED_H

#include "codegen/matmul/tiled.h"

#endif
