/* SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception */
/* Determinants in f64, of f32 or f64: determinant_<elem>. A task is a matrix; its copy is scratch.
 */
#ifndef CODEGEN_MATMUL_DETERMINANT_H
#define CODEGEN_MATMUL_DETERMINANT_H

#include <stdint.h>

struct determinant_spec {
    int64_t x, y; /* io */
    int64_t n;
};

#endif
