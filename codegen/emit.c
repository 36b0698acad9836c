/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Output files: every one is written under another name beside its place and renamed when it is
 * complete, so that an error leaves nothing behind.
 */
#include "codegen/emit.h"

#include <errno.h>
#include <string.h>
#include <sys/stat.h>

#include "ir/beside.h"

ran_status ran_emit_write(ran_context *context, FILE *stream, const void *bytes, size_t count)
{
    if (count && fwrite(bytes, 1, count, stream) != count)
        return ran_error(context, RAN_INVALID, "cannot write: %s", strerror(errno));
    return RAN_OK;
}

typedef struct weights_stream {
    ran_context *context;
    FILE *stream;
} weights_stream;

static ran_status write_piece(void *data, const void *bytes, size_t count)
{
    weights_stream *w = data;
    return ran_emit_write(w->context, w->stream, bytes, count);
}

ran_status ran_emit_weights(ran_compiled *model, FILE *stream)
{
    weights_stream w = {model->context, stream};
    return ran_weights_write(model, write_piece, &w);
}

typedef ran_status stream_writer(ran_compiled *model, FILE *stream);
typedef ran_status path_writer(ran_compiled *model, const char *path);

/* Has nothing beside it: standard output, a device, a pipe. */
static bool is_stream(const char *path)
{
    struct stat there;
    return !strcmp(path, "-") || (!stat(path, &there) && !S_ISREG(there.st_mode));
}

static ran_status write_stdout(ran_compiled *model, stream_writer *writer)
{
    if (!writer)
        return ran_error(model->context, RAN_USAGE,
                         "-o -: the linker can't write to standard output");
    ran_status status = writer(model, stdout);
    if (fflush(stdout) && !status)
        status = ran_error(model->context, RAN_INVALID, "cannot write standard output: %s",
                           strerror(errno));
    return status;
}

static ran_status write_stream(ran_compiled *model, stream_writer *writer, const char *path)
{
    FILE *stream = fopen(path, "wb");
    if (!stream)
        return ran_error(model->context, RAN_INVALID, "cannot create a file: %s", strerror(errno));
    ran_status status = writer(model, stream);
    if (fclose(stream) && !status)
        status = ran_error(model->context, RAN_INVALID, "cannot write: %s", strerror(errno));
    return status;
}

static ran_status write_renamed(ran_compiled *model, stream_writer *to_stream,
                                path_writer *to_path, const char *path)
{
    if (!strcmp(path, "-"))
        return write_stdout(model, to_stream);
    const char *temporary = ran_beside(model->context, path);
    ran_status status =
        to_stream ? write_stream(model, to_stream, temporary) : to_path(model, temporary);
    if (!status && !ran_beside_rename(temporary, path))
        status = ran_error(model->context, RAN_INVALID, "cannot rename: %s", strerror(errno));
    if (status) {
        ran_beside_remove(temporary, path);
        ran_note(model->context, "%s is not written", path);
    }
    return status;
}

/* "dir/model.a" -> "dir/model" + suffix */
static const char *beside(const ran_compiled *model, const char *path, const char *suffix)
{
    const char *slash = strrchr(path, '/'), *dot = strrchr(slash ? slash : path, '.');
    size_t stem = dot ? (size_t)(dot - path) : strlen(path);
    return ran_intern_printf(model->context, "%.*s%s", (int)stem, path, suffix);
}

static const struct emitter {
    stream_writer *to_stream;
    path_writer *to_path;
    bool header;         /* written beside */
    bool weights_object; /* the code refers to a symbol of an object that is written beside */
    bool alone;          /* has no weights of its own to write beside */
} emitters[] = {
    [RAN_EMIT_OBJECT] = {.to_stream = ran_emit_object},
    [RAN_EMIT_LIBRARY] = {.to_stream = ran_emit_archive, .header = true},
    [RAN_EMIT_SHARED] = {.to_path = ran_emit_shared, .header = true},
    [RAN_EMIT_ASSEMBLY] = {.to_stream = ran_emit_assembly, .weights_object = true},
    [RAN_EMIT_LLVM_IR] = {.to_stream = ran_emit_llvm_ir, .weights_object = true},
    [RAN_EMIT_LLVM_BITCODE] = {.to_stream = ran_emit_bitcode, .weights_object = true},
    [RAN_EMIT_HEADER] = {.to_stream = ran_emit_header, .alone = true},
    [RAN_EMIT_EXECUTABLE] = {.to_path = ran_emit_executable},
};

ran_status ran_compiled_emit(ran_compiled *model, ran_emit_kind kind, const char *path)
{
    const struct emitter *e = &emitters[kind];
    ran_status status = write_renamed(model, e->to_stream, e->to_path, path);
    if (is_stream(path))
        return status;
    if (!status && e->header)
        status = write_renamed(model, ran_emit_header, NULL, beside(model, path, ".h"));
    if (!status && e->weights_object && model->weights_embedded)
        status = write_renamed(model, ran_emit_weights_object, NULL,
                               beside(model, path, ".weights.o"));
    if (!status && !model->weights_embedded && !e->alone)
        status = write_renamed(model, ran_emit_weights, NULL, beside(model, path, ".weights"));
    return status;
}
