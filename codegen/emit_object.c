/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Object files. LLVM emits the code with a placeholder for the weights; their section's header is
 * then patched to point behind the rest of the file, and the packed weights are streamed there.
 * (As LLVM data or .incbin they would cost their size in memory two to four times.)
 */
#include "codegen/emit.h"

#include <elf.h>
#include <string.h>

typedef struct object_weights {
    const ran_compiled *model;
    FILE *stream;
} object_weights;

static ran_status write_piece(void *data, const void *bytes, size_t count)
{
    object_weights *w = data;
    return ran_emit_write(w->model->context, w->stream, bytes, count);
}

static Elf64_Shdr *find_section(char *image, const char *name)
{
    const Elf64_Ehdr *header = (const Elf64_Ehdr *)image;
    Elf64_Shdr *sections = (Elf64_Shdr *)(image + header->e_shoff);
    const char *names = image + sections[header->e_shstrndx].sh_offset;
    for (unsigned i = 0; i < header->e_shnum; i++)
        if (!strcmp(names + sections[i].sh_name, name))
            return &sections[i];
    return NULL;
}

static uint64_t align_up(uint64_t value, uint64_t alignment)
{
    return (value + alignment - 1) / alignment * alignment;
}

static uint64_t padding(size_t code_size)
{
    return align_up(code_size, RAN_WEIGHTS_ALIGNMENT) - code_size;
}

static bool has_weights(const ran_compiled *model)
{
    return model->weights_embedded && ran_memory_plan_weights_size(model->plan) > 0;
}

uint64_t ran_object_size(const ran_compiled *model, LLVMMemoryBufferRef code)
{
    size_t size = LLVMGetBufferSize(code);
    return has_weights(model) ? size + padding(size) + ran_memory_plan_weights_size(model->plan)
                              : size;
}

static void patch_header(const ran_compiled *model, char *image, size_t size)
{
    Elf64_Shdr *section = find_section(image, RAN_WEIGHTS_SECTION);
    RAN_ASSERT(model->context, section && section->sh_type == SHT_PROGBITS);
    section->sh_offset = size + padding(size);
    section->sh_size = ran_memory_plan_weights_size(model->plan);
}

ran_status ran_object_write(const ran_compiled *model, LLVMMemoryBufferRef code, FILE *stream)
{
    static const char zeros[RAN_WEIGHTS_ALIGNMENT];
    char *image = (char *)LLVMGetBufferStart(code);
    size_t size = LLVMGetBufferSize(code);
    if (!has_weights(model))
        return ran_emit_write(model->context, stream, image, size);
    patch_header(model, image, size);
    ran_status status = ran_emit_write(model->context, stream, image, size);
    if (!status)
        status = ran_emit_write(model->context, stream, zeros, padding(size));
    object_weights w = {model, stream};
    return status ? status : ran_weights_write(model, write_piece, &w);
}

/* Code generation changes the module: a copy is used up. */
ran_status ran_object_generate(const ran_compiled *model, LLVMModuleRef module,
                               LLVMCodeGenFileType type, LLVMMemoryBufferRef *out_code)
{
    char *message = NULL;
    LLVMModuleRef copy = LLVMCloneModule(module);
    ran_status status = RAN_OK;
    if (LLVMTargetMachineEmitToMemoryBuffer(model->codegen->machine, copy, type, &message,
                                            out_code)) {
        status = ran_error(model->context, RAN_INTERNAL, "LLVM: %s", message);
        LLVMDisposeMessage(message);
    }
    LLVMDisposeModule(copy);
    return status;
}

ran_status ran_emit_object(ran_compiled *model, FILE *stream)
{
    LLVMMemoryBufferRef code = NULL;
    ran_status status = ran_object_generate(model, model->llvm, LLVMObjectFile, &code);
    if (status)
        return status;
    status = ran_object_write(model, code, stream);
    LLVMDisposeMemoryBuffer(code);
    return status;
}
