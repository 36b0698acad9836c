/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Compiled models in this process: the object goes to LLJIT, the weights stay in host memory. */
#include "codegen/model.h"

#include <stdlib.h>
#include <string.h>

#include <llvm-c/Error.h>
#include <llvm-c/LLJIT.h>
#include <llvm-c/Orc.h>

typedef struct cursor {
    char *next;
} cursor;

static ran_status copy_piece(void *data, const void *bytes, size_t count)
{
    cursor *c = data;
    if (count)
        memcpy(c->next, bytes, count);
    c->next += count;
    return RAN_OK;
}

static ran_status load_weights(ran_compiled *model)
{
    size_t size = ran_memory_plan_weights_size(model->plan);
    if (posix_memalign(&model->jit_weights, RAN_WEIGHTS_ALIGNMENT, size + RAN_WEIGHTS_ALIGNMENT))
        return ran_error(model->context, RAN_INVALID, "no memory for %zu bytes of weights", size);
    cursor c = {model->jit_weights};
    return ran_weights_write(model, copy_piece, &c);
}

static ran_status check(ran_compiled *model, LLVMErrorRef error)
{
    if (!error)
        return RAN_OK;
    char *message = LLVMGetErrorMessage(error);
    ran_status status = ran_error(model->context, RAN_INTERNAL, "LLVM's JIT: %s", message);
    LLVMDisposeErrorMessage(message);
    return status;
}

/* Generated code calls memcpy and memset; they come from this process. */
static ran_status add_host_symbols(ran_compiled *model, LLVMOrcLLJITRef jit)
{
    LLVMOrcDefinitionGeneratorRef generator = NULL;
    ran_status status = check(model, LLVMOrcCreateDynamicLibrarySearchGeneratorForProcess(
                                         &generator, LLVMOrcLLJITGetGlobalPrefix(jit), NULL, NULL));
    if (!status)
        LLVMOrcJITDylibAddGenerator(LLVMOrcLLJITGetMainJITDylib(jit), generator);
    return status;
}

static ran_status add_object(ran_compiled *model, LLVMOrcLLJITRef jit)
{
    char *message = NULL;
    LLVMMemoryBufferRef object = NULL;
    if (LLVMTargetMachineEmitToMemoryBuffer(model->codegen->machine, model->llvm, LLVMObjectFile,
                                            &message, &object)) {
        ran_status status = ran_error(model->context, RAN_INTERNAL, "LLVM: %s", message);
        LLVMDisposeMessage(message);
        return status;
    }
    return check(model, LLVMOrcLLJITAddObjectFile(jit, LLVMOrcLLJITGetMainJITDylib(jit), object));
}

static ran_status create_jit(ran_compiled *model)
{
    LLVMOrcLLJITRef jit = NULL;
    ran_status status = check(model, LLVMOrcCreateLLJIT(&jit, LLVMOrcCreateLLJITBuilder()));
    model->jit = jit;
    if (!status)
        status = add_host_symbols(model, jit);
    return status ? status : add_object(model, jit);
}

ran_status ran_compiled_load(ran_compiled *model, const struct ran_model_desc **out_desc,
                             const void **out_weights)
{
    ran_status status = RAN_OK;
    if (model->weights_embedded)
        RAN_BUG(model->context, "compile with RAN_WEIGHTS_FILE to load into the process");
    if (!model->jit_weights)
        status = load_weights(model);
    if (!status && !model->jit)
        status = create_jit(model);
    LLVMOrcExecutorAddress address = 0;
    if (!status)
        status = check(model, LLVMOrcLLJITLookup(model->jit, &address,
                                                 ran_intern_printf(model->context, "%s_desc",
                                                                   model->prefix)));
    if (status)
        return status;
    const struct ran_model_desc *(*desc)(void) =
        (const struct ran_model_desc *(*)(void))(uintptr_t)address;
    *out_desc = desc();
    *out_weights = model->jit_weights;
    return RAN_OK;
}

void ran_jit_destroy(ran_compiled *model)
{
    if (model->jit)
        LLVMConsumeError(LLVMOrcDisposeLLJIT(model->jit));
    free(model->jit_weights);
}
