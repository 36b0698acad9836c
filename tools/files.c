/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "tools/files.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "ir/ir.h"
#include "tools/model.h"

/* ---- Reading -------------------------------------------------------------------------------- */

static ran_status read_error(ran_context *context, const char *path)
{
    return ran_error(context, RAN_INVALID, "cannot read %s: %s", path, strerror(errno));
}

static bool grow(char **data, size_t *capacity)
{
    char *larger = realloc(*data, 2 * *capacity);
    if (!larger)
        return false;
    *data = larger;
    *capacity *= 2;
    return true;
}

static ran_status read_stream(ran_context *context, const char *path, FILE *file, char **out_data,
                              size_t *out_size)
{
    struct stat status;
    size_t capacity = 1 << 16, size = 0;
    if (!fstat(fileno(file), &status) && S_ISREG(status.st_mode))
        capacity = (size_t)status.st_size + 2;
    char *data = malloc(capacity);
    bool has_memory = data != NULL;
    for (size_t got = 1; has_memory && got; size += got) {
        if (capacity - size < 2)
            has_memory = grow(&data, &capacity);
        got = has_memory ? fread(data + size, 1, capacity - size - 1, file) : 0;
    }
    if (!has_memory || ferror(file)) {
        free(data);
        return has_memory ? read_error(context, path)
                          : ran_error(context, RAN_INVALID, "%s: not enough memory", path);
    }
    data[size] = '\0';
    *out_data = data;
    *out_size = size;
    return RAN_OK;
}

ran_status ran_tool_read(ran_context *context, const char *path, char **out_data, size_t *out_size)
{
    if (!strcmp(path, "-"))
        return read_stream(context, "standard input", stdin, out_data, out_size);
    FILE *file = fopen(path, "rb");
    if (!file)
        return read_error(context, path);
    ran_file_note(context, path);
    ran_status status = read_stream(context, path, file, out_data, out_size);
    fclose(file);
    return status;
}

bool ran_tool_is_model_directory(ran_context *context, const char *path, const char **out_model)
{
    struct stat status;
    if (stat(path, &status) || !S_ISDIR(status.st_mode))
        return false;
    *out_model = ran_intern_printf(context, "%s/model.onnx", path);
    return true;
}

bool ran_tool_is_library(const char *path)
{
    char magic[4] = "";
    struct stat status;
    if (stat(path, &status) || !S_ISREG(status.st_mode))
        return false;
    FILE *stream = fopen(path, "rb");
    bool is = stream && fread(magic, 1, 4, stream) == 4 && !memcmp(magic, "\177ELF", 4);
    if (stream)
        fclose(stream);
    return is;
}

ran_status ran_tool_load(ran_context *context, const char *path, ran_module **out_module)
{
    return ran_model_load(context, path, NULL, out_module);
}

/* ---- Writing -------------------------------------------------------------------------------- */

static ran_status write_error(ran_context *context, const char *path)
{
    return ran_error(context, RAN_INVALID, "cannot write %s: %s", path, strerror(errno));
}

ran_status ran_tool_check_writable(ran_context *context, const char *path)
{
    struct stat status;
    if (!path || !*path || !strcmp(path, "-"))
        return RAN_OK;
    const char *slash = strrchr(path, '/');
    const char *directory =
        slash ? ran_intern_printf(context, "%.*s", (int)(slash - path) + 1, path) : ".";
    if (access(directory, W_OK | X_OK))
        return write_error(context, path);
    errno = EISDIR;
    return !stat(path, &status) && S_ISDIR(status.st_mode) ? write_error(context, path) : RAN_OK;
}

int ran_tool_finish(ran_context *context, ran_status status)
{
    ran_diagnostics_print(context, stderr);
    ran_context_destroy(context);
    return status;
}
