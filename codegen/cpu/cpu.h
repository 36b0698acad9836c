/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Instruction sets: which ones code for a target may use, and asking the CPU before running it.
 * A set of them is a word with a bit a row of features.def. */
#ifndef CODEGEN_CPU_CPU_H
#define CODEGEN_CPU_CPU_H

#include "codegen/generate.h"

/* What code for the target may use. RAN_USAGE when its CPU is not known. */
RAN_MUST_USE ran_status ran_cpu_required(ran_context *context, const ran_target *target,
                                         uint64_t *out_features);
/* Names with commas between. */
const char *ran_cpu_feature_names(ran_context *context, ran_arch arch, uint64_t features);

/* The architecture's least CPU, which runs everything that comes before the check. */
void ran_cpu_set_base(ran_codegen *codegen, LLVMValueRef function);
/* Links the function into `module` that returns what the CPU has: i64 (void). */
RAN_MUST_USE ran_status ran_cpu_link_detection(ran_codegen *codegen, LLVMModuleRef module,
                                               LLVMValueRef *out_function);

#endif
