/* SPDX-License-Identifier: GPL-3.0-or-later */
/* A compiled model: what driver.c builds and emit_*.c and jit.c write. */
#ifndef CODEGEN_MODEL_H
#define CODEGEN_MODEL_H

#include <ran/compile.h>

#include "codegen/generate.h"
#include "codegen/lower.h"

/* The code for one target. With several of them the first one is the model: the most demanding,
 * whose module takes the others' code and the entry points, and whose plan all weights. */
struct ran_compiled {
    ran_context *context;
    ran_module *module;
    ran_function *function;
    ran_codegen *codegen;
    ran_part *parts;       /* the function, and those that its control flow calls */
    ran_memory_plan *plan; /* of the function; the parts' */
    const char *prefix;
    bool weights_embedded;
    ran_compile_options options;
    const ran_dim *scratch;     /* bytes a slot, the largest of all kernels, aligned */
    LLVMModuleRef llvm;         /* the whole model */
    const ran_op **kernels;     /* in the order of execution */
    size_t kernel_count;
    void *jit;                  /* jit.c */
    void *jit_weights;
    const char *targets;        /* all of them, as they were asked for */
    uint64_t cpu_features;      /* what the code may use (codegen/cpu/cpu.h) */
    ran_compiled *next_variant; /* for a less demanding target; owned */
    ran_module *own_module;     /* a copy that this variant lowered; NULL: the caller's */
};

/* Builds compiled->llvm: the linked kernels and their driver, for one target (driver.c). */
RAN_MUST_USE ran_status ran_driver_build(ran_compiled *compiled);
/* "PREFIX.run.TARGET" and so on: what the driver of a target is called. */
const char *ran_variant_symbol(const ran_compiled *compiled, const char *suffix);
/* Brings the targets' code together and adds what callers see (entry.c). */
RAN_MUST_USE ran_status ran_entry_build(ran_compiled *compiled);

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
/* Identifier of an input, an output, a symbolic size: unique among all of them. */
const char *ran_input_identifier(const ran_compiled *compiled, size_t index);
const char *ran_output_identifier(const ran_compiled *compiled, size_t index);
const char *ran_size_identifier(const ran_compiled *compiled, size_t index);

void ran_jit_destroy(ran_compiled *compiled);

#endif
