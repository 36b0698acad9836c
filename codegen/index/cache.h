/* SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception */
/* Spec of body "index/cache": rows of a cache replaced from a position on. */
#ifndef CODEGEN_INDEX_CACHE_H
#define CODEGEN_INDEX_CACHE_H

#include <stdint.h>

/* present[p, at] = update[p, i] with at = first[p / per_batch] + i, else past[p, at]; a task is a
 * prefix p. `bytes` lie together. */
struct tensor_scatter_spec {
    int64_t past, update, first, present, status; /* io; first: -1 for 0 */
    int64_t circular;
    int64_t per_batch, extent, count, bytes;
};

#endif
