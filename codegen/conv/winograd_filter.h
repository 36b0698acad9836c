/* SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception */
/* Weights of conv_winograd that are not constant: op winograd_filter, to
 * u [oc / RAN_BLOCK][36][ic_blocks][RAN_BLOCK input channels][RAN_BLOCK output channels]. A task is a
 * block of output channels by one of input channels. */
#ifndef CODEGEN_CONV_WINOGRAD_FILTER_H
#define CODEGEN_CONV_WINOGRAD_FILTER_H

#include <stdint.h>

struct winograd_filter_spec {
    int64_t w, u; /* io */
    int64_t oc, ic, oc_stride, ic_stride; /* of w, in elements */
    int64_t ic_blocks;
    int64_t flip; /* taps from the last to the first */
};

#endif
