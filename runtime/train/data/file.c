/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Files, lists and directories of data sets. */
#include "runtime/train/data/data.h"

#include <dirent.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <zlib.h>

static ran_status read_stream(ran_context *context, const char *path, gzFile file, size_t limit,
                              uint8_t **out_bytes, size_t *out_size)
{
    size_t size = 0, capacity = 1 << 16;
    uint8_t *bytes = malloc(capacity);
    int got = 0, code = Z_OK;
    while (bytes && (got = gzread(file, bytes + size, (unsigned)(capacity - size))) > 0) {
        size += (size_t)got;
        if (size > limit)
            break;
        if (size == capacity) {
            uint8_t *more = realloc(bytes, capacity += capacity);
            if (!more)
                free(bytes);
            bytes = more;
        }
    }
    const char *reason = bytes ? gzerror(file, &code) : "out of memory";
    if (bytes && got >= 0 && code == Z_OK && size <= limit) {
        *out_bytes = bytes;
        *out_size = size;
        return RAN_OK;
    }
    free(bytes);
    if (size > limit)
        return ran_error(context, RAN_INVALID, "%s: longer than the %zu bytes it should have", path,
                         limit);
    if (code == Z_BUF_ERROR)
        reason = "the compressed data ends early";
    return ran_error(context, RAN_INVALID, "%s: cannot read: %s", path,
                     code == Z_ERRNO ? strerror(errno) : reason);
}

ran_status ran_data_read_file(ran_context *context, const char *path, size_t limit,
                              uint8_t **out_bytes, size_t *out_size)
{
    errno = 0;
    gzFile file = gzopen(path, "rb");
    if (!file)
        return ran_error(context, RAN_INVALID, "%s: cannot open: %s", path,
                         errno ? strerror(errno) : "out of memory");
    ran_status status = read_stream(context, path, file, limit, out_bytes, out_size);
    gzclose(file);
    return status;
}

char **ran_data_split(const char *text, char separator, size_t *out_count)
{
    size_t count = 1, n = 0;
    for (const char *at = text; *at; at++)
        count += *at == separator;
    char **list = calloc(count + 1, sizeof(*list));
    for (const char *at = text; list && n < count; n++) {
        const char *end = strchr(at, separator);
        size_t length = end ? (size_t)(end - at) : strlen(at);
        list[n] = strndup(at, length);
        at += length + 1;
    }
    *out_count = n;
    return list;
}

void ran_data_free_list(char **list)
{
    for (size_t i = 0; list && list[i]; i++)
        free(list[i]);
    free(list);
}

static int by_bytes(const void *a, const void *b)
{
    return strcmp(*(char *const *)a, *(char *const *)b);
}

/* Room for 64 more whenever the list is full; a NULL follows the last. */
static char **append_name(char **names, size_t count, const char *name)
{
    if (count % 64 == 0) {
        char **more = realloc(names, (count + 65) * sizeof(*names));
        if (!more) {
            ran_data_free_list(names);
            return NULL;
        }
        names = more;
    }
    names[count] = strdup(name);
    names[count + 1] = NULL;
    return names;
}

ran_status ran_data_list_directory(ran_context *context, const char *path, char ***out_names,
                                   size_t *out_count)
{
    DIR *directory = opendir(path);
    if (!directory)
        return ran_error(context, RAN_INVALID, "%s: cannot open: %s", path, strerror(errno));
    size_t count = 0;
    char **names = NULL;
    for (struct dirent *entry; (entry = readdir(directory));) {
        if (*entry->d_name != '.' && !(names = append_name(names, count++, entry->d_name)))
            break;
    }
    closedir(directory);
    if (!names)
        return ran_error(context, RAN_INVALID, "%s: the directory is empty", path);
    qsort(names, count, sizeof(*names), by_bytes);
    *out_names = names;
    *out_count = count;
    return RAN_OK;
}
