/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * A thin builder over LLVM's: for what can't be a kernel body in C, that is epilogues, wrappers and
 * the driver. Nothing outside of this folder calls LLVMBuild*.
 *
 * A vector value has RAN_VL lanes (target->lanes) of an IR element type. f16 and bf16 are computed
 * as f32 and rounded where an op ends; bool is a byte of 0 or 1.
 */
#ifndef CODEGEN_BUILD_BUILD_H
#define CODEGEN_BUILD_BUILD_H

#include <llvm-c/Core.h>

#include "codegen/codegen.h"

typedef struct ran_llvm {
    ran_context *context;
    const ran_target *target;
    LLVMContextRef llvm;
    LLVMModuleRef module;
    LLVMBuilderRef builder;
    LLVMValueRef function;       /* the one under construction */
    LLVMValueRef entry_end;      /* allocas go before this instruction of the entry block */
    /* Values of symbolic dimensions, for ran_build_dim. */
    const ran_dim *const *symbols;
    LLVMValueRef *symbol_values;
    size_t symbol_count;
    LLVMModuleRef vecmath;       /* declares the ran_ew_ functions; not linked yet */
    bool uses_vecmath;
} ran_llvm;

typedef struct ran_vector {
    LLVMValueRef value;
    ran_elem elem;
} ran_vector;

/* ---- function.c ---------------------------------------------------------------------- */

LLVMTypeRef ran_build_pointer_type(const ran_llvm *b);
LLVMTypeRef ran_build_i64_type(const ran_llvm *b);
/* Starts a function: its entry block, and the builder at the end of it. */
void ran_build_begin(ran_llvm *b, LLVMValueRef function);
LLVMValueRef ran_build_i64(const ran_llvm *b, int64_t value);
/* A temporary in the entry block. */
LLVMValueRef ran_build_alloca(ran_llvm *b, LLVMTypeRef type, const char *name);
LLVMValueRef ran_build_add(ran_llvm *b, LLVMValueRef x, LLVMValueRef y);
LLVMValueRef ran_build_zext(ran_llvm *b, LLVMValueRef x); /* to 64 bits */
LLVMValueRef ran_build_mul(ran_llvm *b, LLVMValueRef x, LLVMValueRef y);
LLVMValueRef ran_build_div(ran_llvm *b, LLVMValueRef x, LLVMValueRef y); /* x, y >= 0 */
LLVMValueRef ran_build_rem(ran_llvm *b, LLVMValueRef x, LLVMValueRef y);
LLVMValueRef ran_build_dim(ran_llvm *b, const ran_dim *dim);
LLVMValueRef ran_build_at_least(ran_llvm *b, LLVMValueRef x, int64_t least); /* i1 */
LLVMValueRef ran_build_is(ran_llvm *b, LLVMValueRef x, int64_t value);          /* i1 */
LLVMValueRef ran_build_has_bits(ran_llvm *b, LLVMValueRef word, uint64_t bits); /* i1: all of them */
LLVMValueRef ran_build_equal(ran_llvm *b, LLVMValueRef x, LLVMValueRef y);      /* i1 */
LLVMValueRef ran_build_less(ran_llvm *b, LLVMValueRef x, LLVMValueRef y);       /* i1; signed */
LLVMValueRef ran_build_select(ran_llvm *b, LLVMValueRef condition, LLVMValueRef x, LLVMValueRef y);
LLVMValueRef ran_build_below(ran_llvm *b, LLVMValueRef x, LLVMValueRef y); /* i1; unsigned */
/* i1: whether a condition on sizes does not hold. */
LLVMValueRef ran_build_unmet(ran_llvm *b, const ran_condition *condition);
/* Leaves a function that returns i32. */
void ran_build_return_if(ran_llvm *b, LLVMValueRef condition, LLVMValueRef code);
LLVMValueRef ran_build_max(ran_llvm *b, LLVMValueRef x, LLVMValueRef y);        /* signed */
void ran_build_return(ran_llvm *b); /* of a void function */
/* pointer + bytes */
LLVMValueRef ran_build_offset(ran_llvm *b, LLVMValueRef pointer, LLVMValueRef bytes);
/* Word `index` of an array of pointers or int64_t. */
LLVMValueRef ran_build_load_word(ran_llvm *b, LLVMTypeRef type, LLVMValueRef array, int64_t index);
void ran_build_store_word(ran_llvm *b, LLVMValueRef value, LLVMValueRef array, int64_t index);
LLVMValueRef ran_build_call(ran_llvm *b, LLVMValueRef function, LLVMValueRef *arguments,
                            unsigned count);
LLVMValueRef ran_build_call_pointer(ran_llvm *b, LLVMTypeRef type, LLVMValueRef pointer,
                                    LLVMValueRef *arguments, unsigned count);
void ran_build_return_value(ran_llvm *b, LLVMValueRef value);
void ran_build_return_i32(ran_llvm *b, LLVMValueRef value);
LLVMValueRef ran_build_is_null(ran_llvm *b, LLVMValueRef pointer);
LLVMValueRef ran_build_or(ran_llvm *b, LLVMValueRef x, LLVMValueRef y);
LLVMValueRef ran_build_and(ran_llvm *b, LLVMValueRef x, LLVMValueRef y);
LLVMValueRef ran_build_not(ran_llvm *b, LLVMValueRef x);
LLVMValueRef ran_build_load_volatile(ran_llvm *b, LLVMTypeRef type, LLVMValueRef pointer);
/* The next address that is a multiple of `alignment`. */
LLVMValueRef ran_build_align_pointer(ran_llvm *b, LLVMValueRef pointer, int64_t alignment);
/* An address of this process, for code that runs in it only. */
LLVMValueRef ran_build_host_pointer(ran_llvm *b, const void *pointer);
/* then/else on a condition: returns the block to continue in after both; see vector.c for a use. */
typedef void ran_build_arm(ran_llvm *b, void *data, bool condition);
void ran_build_if(ran_llvm *b, LLVMValueRef condition, ran_build_arm *arm, void *data);
/* Runs `body` while `goes_on` (an i1, asked before each time); what changes is in memory. */
void ran_build_while(ran_llvm *b, LLVMValueRef (*goes_on)(ran_llvm *b, void *data),
                     void (*body)(ran_llvm *b, void *data), void *data);
/* Copies bytes; the two ranges do not overlap. */
void ran_build_copy(ran_llvm *b, LLVMValueRef to, LLVMValueRef from, LLVMValueRef bytes);

/* ---- vector.c ------------------------------------------------------------------------ */

LLVMTypeRef ran_build_storage_type(const ran_llvm *b, ran_elem elem); /* of one element */
LLVMTypeRef ran_build_vector_type(const ran_llvm *b, ran_elem elem);  /* of a computed vector */
/* Elements `stride` apart (0: splat, constant 1: contiguous) from `pointer` + `offset` elements.
 * `lanes` NULL: all; otherwise the lanes behind are zero and their memory is not touched. */
ran_vector ran_build_load(ran_llvm *b, ran_elem elem, LLVMValueRef pointer, LLVMValueRef offset,
                          LLVMValueRef stride, LLVMValueRef lanes);
void ran_build_store(ran_llvm *b, ran_vector vector, LLVMValueRef pointer, LLVMValueRef offset,
                     LLVMValueRef stride, LLVMValueRef lanes);
ran_vector ran_build_splat(ran_llvm *b, const ran_tensor *scalar);
/* <lanes x i1>: lane number < limit. */
LLVMValueRef ran_build_lane_mask(ran_llvm *b, LLVMValueRef limit);
/* Zero where the mask is false. */
ran_vector ran_build_zero_lanes(ran_llvm *b, ran_vector vector, LLVMValueRef mask);
/* A computed vector as it lies behind a pointer that a body passes to a hook, and back. */
ran_vector ran_build_load_computed(ran_llvm *b, ran_elem elem, LLVMValueRef pointer);
/* One that lies as in memory, computed. */
ran_vector ran_build_load_stored(ran_llvm *b, ran_elem elem, LLVMValueRef pointer);
void ran_build_store_computed(ran_llvm *b, ran_vector vector, LLVMValueRef pointer);

/* An elementwise op on vectors. Unsupported element types: RAN_UNSUPPORTED. */
RAN_MUST_USE ran_status ran_build_elementwise(ran_llvm *b, const ran_op *op,
                                              const ran_vector *operands, ran_vector *out_result);

#endif
