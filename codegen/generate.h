/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Generation with LLVM: what specialize.c, epilogue.c, driver.c, jit.c and emit_*.c share.
 *
 * A kernel function has one signature, that of a task (include/ran/rt.h):
 *   void kernel(void *io, unsigned slot, size_t begin, size_t end)
 * io is an array of words: the kernel op's operands, its results, the values of the symbolic
 * dimensions, the address of the status word, the address of the scratch memory of slot 0.
 */
#ifndef CODEGEN_GENERATE_H
#define CODEGEN_GENERATE_H

#include <llvm-c/Core.h>
#include <llvm-c/TargetMachine.h>

#include "codegen/build/build.h"
#include "codegen/kernel_cache.h"

typedef struct ran_codegen ran_codegen;

/* A specialised kernel; owned by the generator, shared by ops with equal text. */
typedef struct ran_kernel {
    const char *name; /* of the LLVM function */
    const char *text; /* the cache key: the op, its emission, the target */
    const ran_dim *tasks, *scratch;
    LLVMModuleRef module; /* optimised; NULL once linked into a model */
    struct ran_kernel *next;
} ran_kernel;

struct ran_codegen {
    ran_context *context;
    ran_target target;
    LLVMContextRef llvm;
    LLVMTargetMachineRef machine;
    LLVMModuleRef vecmath;
    ran_symbols symbols; /* of the function being compiled; owned */
    ran_kernel *kernels;
    size_t kernel_count;
    ran_kernel_cache *cache; /* owned; NULL: none */
};

RAN_MUST_USE ran_status ran_codegen_create(ran_context *context, const ran_target *target,
                                           RAN_GIVE ran_codegen **out_codegen);
void ran_codegen_destroy(RAN_TAKE ran_codegen *codegen);

/* A kernel body of the target's flavour, as it was when rancc was built. */
LLVMModuleRef ran_codegen_load_body(ran_codegen *codegen, const char *name);

/* CPU and features on a function: every function of a model carries them. */
void ran_codegen_set_target(ran_codegen *codegen, LLVMValueRef function);

enum { RAN_IO_EXTRA = 2 }; /* status and scratch */

/* Index in io of the first symbol, the status word, the scratch memory. */
int64_t ran_io_symbols(const ran_op *kernel);
int64_t ran_io_status(const ran_codegen *codegen, const ran_op *kernel);
int64_t ran_io_scratch(const ran_codegen *codegen, const ran_op *kernel);

/* Specialises the kernel of a kernel op, or finds it. `name_hint` goes into the symbol. */
RAN_MUST_USE ran_status ran_specialize(ran_codegen *codegen, const ran_op *kernel,
                                       const char *name_hint, ran_kernel **out_kernel);

/* Generates ran_hook_store / ran_hook_load for an emission in the builder's module. */
RAN_MUST_USE ran_status ran_epilogue_store(ran_llvm *b, const ran_emission *emission);
RAN_MUST_USE ran_status ran_epilogue_load(ran_llvm *b, const ran_emission *emission);

/* A scalar constant operand of the kernel op, which becomes a literal; NULL for all others. */
const ran_tensor *ran_kernel_literal(const ran_op *kernel, size_t operand);

#endif
