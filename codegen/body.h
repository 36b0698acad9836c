/* SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception */
/*
 * What kernel bodies share. A body is a C function that becomes part of compiled models: clang
 * compiles it to bitcode when rancc is built (once per flavour: RAN_VL lanes of 32 bits, RAN_BLOCK
 * channels a block), and rancc specialises it for each layer.
 *
 *   RAN_BODY(conv_direct)(const struct conv_direct_spec *s, void *const *io, char *scratch,
 *                         int64_t begin, int64_t end)
 *
 * `s` is a struct of int64_t only. When a model is compiled its words are constants (or, for
 * dynamic dimensions, values known at the start), so that loops over tile sizes unroll and branches
 * on it vanish. `io` are the kernel op's operands, then its results; words of the spec tell which
 * is which. Tasks [begin, end) are what this call computes: tasks are independent, their number
 * depends on the shapes only. `scratch` belongs to the slot (64-byte aligned), as large as the
 * family asked for.
 *
 * Values reach memory through hooks, which rancc generates from the fused region: bias, activation,
 * residual, scale and conversion are no concern of a body.
 *
 *   ran_hook_store(io, &vector, index, lanes): finish RAN_VL consecutive values of the anchor's
 *   result and store what the kernel yields. `index` is the coordinate of the first lane in the
 *   family's index space (codegen.h, ran_space); the last coordinate is the lanes' axis. Only the
 *   first `lanes` are stored; pass the constant RAN_VL where the vector is full.
 *   ran_hook_load(io, &vector, index, lanes): the anchor's main operand at `index` of the load
 *   space, with the fused producers applied. Lanes behind `lanes` hold what these make of zeros.
 *
 * Rules: every tile loop carries RAN_UNROLL; vectors go to hooks by pointer, never by value;
 * accumulators are local arrays with constant bounds; no libm, no allocation, no globals; nothing
 * is read outside of the buffers.
 */
#ifndef CODEGEN_BODY_H
#define CODEGEN_BODY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#ifndef RAN_VL
#define RAN_VL 4
#endif
#ifndef RAN_BLOCK
#define RAN_BLOCK 16
#endif

/* Vectors of a block of channels. */
#define RAN_NV (RAN_BLOCK / RAN_VL)

/* Loads and stores need the element's alignment only; may_alias: buffers have many types. */
#define RAN_VECTOR(type, name)                                                                     \
    typedef type name __attribute__((vector_size(RAN_VL * sizeof(type)), aligned(sizeof(type)),    \
                                     may_alias))
RAN_VECTOR(float, ran_vf32);
RAN_VECTOR(double, ran_vf64);
RAN_VECTOR(int8_t, ran_vi8);
RAN_VECTOR(int16_t, ran_vi16);
RAN_VECTOR(int32_t, ran_vi32);
RAN_VECTOR(int64_t, ran_vi64);
RAN_VECTOR(uint8_t, ran_vu8);
RAN_VECTOR(uint16_t, ran_vu16);
RAN_VECTOR(uint32_t, ran_vu32);
RAN_VECTOR(uint64_t, ran_vu64);

#define RAN_INLINE static inline __attribute__((always_inline))
#define RAN_BODY(name) __attribute__((always_inline)) void ran_body_##name
#define RAN_UNROLL _Pragma("clang loop unroll(full)")

/* Floats of a line of the cache, and by how many weights are asked for ahead (__builtin_prefetch): those
 * that no cache holds arrive too late otherwise, and the hardware's own prefetchers stop at the end of a
 * page. */
enum { RAN_LINE = 16, RAN_AHEAD = 1024 };

/* The instruction scheduler does not move loads across this: without it, those of the next step are
 * taken ahead until accumulators no longer fit the registers. */
#define RAN_SEPARATE_STEPS __asm__ volatile("")

void ran_hook_store(void *const *io, const void *vector, const int64_t *index, int64_t lanes);
void ran_hook_load(void *const *io, void *vector, const int64_t *index, int64_t lanes);

RAN_INLINE int64_t ran_min64(int64_t a, int64_t b)
{
    return a < b ? a : b;
}

RAN_INLINE int64_t ran_max64(int64_t a, int64_t b)
{
    return a > b ? a : b;
}

RAN_INLINE ran_vf32 ran_splat_f32(float x)
{
    return x - (ran_vf32){0};
}

#endif
