/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Specialised kernels on disk, so that a model that was compiled before, or shares kernels with one
 * that was, needs no optimising again. An entry is the optimised bitcode of one kernel under the
 * text of all that it depends on. The cache is never an error: an entry that can't be read or is not
 * whole is generated again and replaced, a directory that can't be written to is left alone.
 */
#ifndef CODEGEN_KERNEL_CACHE_H
#define CODEGEN_KERNEL_CACHE_H

#include <llvm-c/Core.h>

typedef struct ran_kernel_cache ran_kernel_cache;

/* `directory` NULL: $XDG_CACHE_HOME/rancc or ~/.cache/rancc; "none": no cache. NULL when there is
 * none. */
ran_kernel_cache *ran_kernel_cache_open(const char *directory);
void ran_kernel_cache_close(ran_kernel_cache *cache);

/* Bitcode that the caller disposes of, or NULL. `cache` may be NULL. */
LLVMMemoryBufferRef ran_kernel_cache_find(const ran_kernel_cache *cache, const char *key);
void ran_kernel_cache_add(const ran_kernel_cache *cache, const char *key,
                          LLVMMemoryBufferRef bitcode);

#endif
