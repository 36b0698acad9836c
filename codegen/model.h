/* SPDX-License-Identifier: GPL-3.0-or-later */
/* A compiled model: what driver.c builds and emit_*.c and jit.c write. */
#ifndef CODEGEN_MODEL_H
#define CODEGEN_MODEL_H

#include <ran/compile.h>

#include "codegen/generate.h"
#include "codegen/lower.h"

struct ran_compiled {
    ran_context *context;
    ran_module *module;
    ran_function *function;
    ran_codegen *codegen;
    ran_memory_plan *plan;
    const char *prefix;
    bool weights_embedded;
    ran_compile_options options;
    const ran_dim *scratch;     /* bytes a slot, the largest of all kernels, aligned */
    LLVMModuleRef llvm;         /* the whole model */
    const ran_op **kernels;     /* in the order of execution */
    size_t kernel_count;
    void *jit;                  /* jit.c */
    void *jit_weights;
};

/* Builds compiled->llvm: entry points and linked kernels (driver.c). */
RAN_MUST_USE ran_status ran_driver_build(ran_compiled *compiled);

/* The section that holds the embedded weights: one placeholder of this many bytes until an object
 * file's header is patched. */
#define RAN_WEIGHTS_SECTION ".ran_weights"
enum { RAN_WEIGHTS_ALIGNMENT = 64 };

/* Packed weights, in order; `sink` gets them piece by piece (emit_weights.c). */
typedef ran_status ran_weights_sink(void *data, const void *bytes, size_t count);
RAN_MUST_USE ran_status ran_weights_write(const ran_compiled *compiled, ran_weights_sink *sink,
                                          void *data);

/* A C identifier from any name: "120" -> "arg_120", "a/b:0" -> "a_b_0". */
const char *ran_identifier(ran_context *context, const char *name);
/* Identifier of input or output `index`, unique among all of them. */
const char *ran_input_identifier(const ran_compiled *compiled, size_t index);
const char *ran_output_identifier(const ran_compiled *compiled, size_t index);

void ran_jit_destroy(ran_compiled *compiled);

#endif
