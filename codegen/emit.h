/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Files from a compiled model: one C file a kind of output. */
#ifndef CODEGEN_EMIT_H
#define CODEGEN_EMIT_H

#include "codegen/model.h"

/* fwrite with the error in the context. */
RAN_MUST_USE ran_status ran_emit_write(ran_context *context, FILE *stream, const void *bytes,
                                       size_t count);

/* Code without the weights (the patched header counts on them behind it), and the whole object. */
RAN_MUST_USE ran_status ran_object_generate(const ran_compiled *model, LLVMModuleRef module,
                                            LLVMCodeGenFileType type,
                                            LLVMMemoryBufferRef *out_code);
uint64_t ran_object_size(const ran_compiled *model, LLVMMemoryBufferRef code);
RAN_MUST_USE ran_status ran_object_write(const ran_compiled *model, LLVMMemoryBufferRef code,
                                         FILE *stream);

/* Writers of a stream. */
RAN_MUST_USE ran_status ran_emit_object(ran_compiled *model, FILE *stream);
RAN_MUST_USE ran_status ran_emit_archive(ran_compiled *model, FILE *stream);
RAN_MUST_USE ran_status ran_emit_assembly(ran_compiled *model, FILE *stream);
RAN_MUST_USE ran_status ran_emit_llvm_ir(ran_compiled *model, FILE *stream);
RAN_MUST_USE ran_status ran_emit_bitcode(ran_compiled *model, FILE *stream);
RAN_MUST_USE ran_status ran_emit_header(ran_compiled *model, FILE *stream);
RAN_MUST_USE ran_status ran_emit_weights_object(ran_compiled *model, FILE *stream);
RAN_MUST_USE ran_status ran_emit_weights(ran_compiled *model, FILE *stream);

/* Linked outputs: `path` is the temporary name that the caller renames. */
RAN_MUST_USE ran_status ran_emit_shared(ran_compiled *model, const char *path);
RAN_MUST_USE ran_status ran_emit_executable(ran_compiled *model, const char *path);

#endif
