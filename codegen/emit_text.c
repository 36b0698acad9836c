/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Assembly, LLVM IR and bitcode. They refer to the weights, which are written beside them. */
#include "codegen/emit.h"

#include <string.h>

#include <llvm-c/BitWriter.h>

static ran_status write_buffer(ran_compiled *model, LLVMMemoryBufferRef buffer, FILE *stream)
{
    ran_status status = ran_emit_write(model->context, stream, LLVMGetBufferStart(buffer),
                                       LLVMGetBufferSize(buffer));
    LLVMDisposeMemoryBuffer(buffer);
    return status;
}

/* A copy of the module in which the weights are a symbol of another object. */
static LLVMModuleRef with_external_weights(const ran_compiled *model)
{
    LLVMModuleRef copy = LLVMCloneModule(model->llvm);
    LLVMValueRef weights = LLVMGetNamedGlobal(
        copy, ran_intern_printf(model->context, "%s_weights", model->prefix));
    if (weights) {
        LLVMSetInitializer(weights, NULL);
        LLVMSetSection(weights, "");
        LLVMSetLinkage(weights, LLVMExternalLinkage);
        LLVMSetVisibility(weights, LLVMHiddenVisibility);
    }
    return copy;
}

ran_status ran_emit_assembly(ran_compiled *model, FILE *stream)
{
    LLVMMemoryBufferRef code = NULL;
    LLVMModuleRef copy = with_external_weights(model);
    ran_status status = ran_object_generate(model, copy, LLVMAssemblyFile, &code);
    LLVMDisposeModule(copy);
    return status ? status : write_buffer(model, code, stream);
}

ran_status ran_emit_llvm_ir(ran_compiled *model, FILE *stream)
{
    LLVMModuleRef copy = with_external_weights(model);
    char *text = LLVMPrintModuleToString(copy);
    ran_status status = ran_emit_write(model->context, stream, text, strlen(text));
    LLVMDisposeMessage(text);
    LLVMDisposeModule(copy);
    return status;
}

ran_status ran_emit_bitcode(ran_compiled *model, FILE *stream)
{
    LLVMModuleRef copy = with_external_weights(model);
    LLVMMemoryBufferRef code = LLVMWriteBitcodeToMemoryBuffer(copy);
    LLVMDisposeModule(copy);
    return write_buffer(model, code, stream);
}

/* The object that the others' symbol comes from: the placeholder only, with the weights behind. */
ran_status ran_emit_weights_object(ran_compiled *model, FILE *stream)
{
    LLVMMemoryBufferRef code = NULL;
    LLVMContextRef llvm = model->codegen->llvm;
    LLVMModuleRef module = LLVMModuleCreateWithNameInContext("weights", llvm);
    LLVMTypeRef bytes = LLVMArrayType2(LLVMInt8TypeInContext(llvm), RAN_WEIGHTS_ALIGNMENT);
    LLVMSetTarget(module, model->codegen->target.triple);
    LLVMSetDataLayout(module, LLVMGetDataLayoutStr(model->llvm));
    LLVMValueRef weights = LLVMAddGlobal(
        module, bytes, ran_intern_printf(model->context, "%s_weights", model->prefix));
    LLVMSetInitializer(weights, LLVMConstNull(bytes));
    LLVMSetGlobalConstant(weights, true);
    LLVMSetSection(weights, RAN_WEIGHTS_SECTION);
    LLVMSetAlignment(weights, RAN_WEIGHTS_ALIGNMENT);
    LLVMSetVisibility(weights, LLVMHiddenVisibility);
    ran_status status = ran_object_generate(model, module, LLVMObjectFile, &code);
    LLVMDisposeModule(module);
    if (status)
        return status;
    status = ran_object_write(model, code, stream);
    LLVMDisposeMemoryBuffer(code);
    return status;
}
