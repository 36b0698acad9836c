/* SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception */
/* Spec of body "normalize/lrn": y = x * (bias + alpha / size * sum of squares over `size` channels
 * around)^-beta. The operand is [images, channels, inner], lanes along inner. */
#ifndef CODEGEN_NORMALIZE_LRN_H
#define CODEGEN_NORMALIZE_LRN_H

#include <stdint.h>

struct lrn_spec {
    int64_t x;
    int64_t images, channels, inner, size;
    int64_t alpha, beta, bias; /* the bits of floats; alpha is divided by size already */
};

#endif
