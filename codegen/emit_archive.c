/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Static libraries: an ar archive of one object with a GNU symbol index. Times, owners and modes are
 * zero, so that equal models give equal files.
 */
#include "codegen/emit.h"

#include <string.h>

enum { HEADER_BYTES = 60, MAGIC_BYTES = 8 };

static ran_status write_header(ran_context *context, FILE *stream, const char *name, uint64_t size)
{
    char header[HEADER_BYTES + 1];
    snprintf(header, sizeof(header), "%-16s%-12d%-6d%-6d%-8s%-10llu`\n", name, 0, 0, 0, "644",
             (unsigned long long)size);
    return ran_emit_write(context, stream, header, HEADER_BYTES);
}

static void put_big_endian(unsigned char *out, uint64_t value, int bytes)
{
    for (int i = 0; i < bytes; i++)
        out[i] = (unsigned char)(value >> (8 * (bytes - 1 - i)));
}

/* Symbols that the library offers: "PREFIX_run" and so on. */
static size_t symbol_names(const ran_compiled *model, char *out, size_t capacity,
                           size_t *out_count)
{
    static const char *const suffixes[] = {"_run", "_workspace_size", "_desc"};
    size_t used = 0;
    *out_count = sizeof(suffixes) / sizeof(*suffixes);
    for (size_t i = 0; i < *out_count; i++)
        used += (size_t)snprintf(out + used, capacity - used, "%s%s", model->prefix,
                                 suffixes[i]) +
                1;
    return used;
}

/* Index: count, an offset a symbol (32 bits are enough: the object comes first), then the names. */
static ran_status write_index(const ran_compiled *model, FILE *stream)
{
    char names[1024];
    unsigned char word[4];
    size_t count, size = symbol_names(model, names, sizeof(names), &count);
    if (size % 2)
        names[size++] = 0;
    uint64_t index_bytes = 4 + 4 * count + size;
    ran_status status = write_header(model->context, stream, "/", index_bytes);
    put_big_endian(word, count, 4);
    if (!status)
        status = ran_emit_write(model->context, stream, word, 4);
    put_big_endian(word, MAGIC_BYTES + HEADER_BYTES + index_bytes, 4);
    for (size_t i = 0; !status && i < count; i++)
        status = ran_emit_write(model->context, stream, word, 4);
    return status ? status : ran_emit_write(model->context, stream, names, size);
}

ran_status ran_emit_archive(ran_compiled *model, FILE *stream)
{
    LLVMMemoryBufferRef code = NULL;
    ran_status status = ran_object_generate(model, model->llvm, LLVMObjectFile, &code);
    if (status)
        return status;
    status = ran_emit_write(model->context, stream, "!<arch>\n", MAGIC_BYTES);
    if (!status)
        status = write_index(model, stream);
    uint64_t size = ran_object_size(model, code);
    if (!status)
        status = write_header(model->context, stream, "model.o/", size);
    if (!status)
        status = ran_object_write(model, code, stream);
    if (!status && size % 2)
        status = ran_emit_write(model->context, stream, "\n", 1);
    LLVMDisposeMemoryBuffer(code);
    return status;
}
