/* SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception */
/* Weights of conv_winograd that are not constant: op winograd_filter, w [filters][3][3] to
 * u [filters][36]. A task takes some of the filters, a vector of them at a time. */
#ifndef CODEGEN_CONV_WINOGRAD_FILTER_H
#define CODEGEN_CONV_WINOGRAD_FILTER_H

#include <stdint.h>

enum { WINOGRAD_FILTERS_A_TASK = 1024 };

struct winograd_filter_spec {
    int64_t w, u; /* io */
    int64_t filters;
};

#endif
