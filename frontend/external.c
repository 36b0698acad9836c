/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * External data: tensors whose bytes lie in a file beside the model.
 *
 * A model must not read anything outside its directory. The location is resolved (symbolic links
 * that stay inside are fine), compared with the resolved directory, and then opened one component
 * at a time without following links, so that a change in between is refused as well.
 *
 * Each file is mapped once, privately; tensors share the mapping, which goes with the last of them.
 */
#include "frontend/onnx.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

struct ran_external_file {
    ran_external_file *next;
    char *location;
    uint8_t *data;
    uint64_t size;
    size_t references; /* tensors, and the list */
};

struct ran_external {
    char *directory; /* resolved; NULL when it does not exist */
    ran_external_file *files;
};

static void file_unref(ran_external_file *file)
{
    if (--file->references)
        return;
    if (file->data)
        munmap(file->data, file->size);
    free(file->location);
    free(file);
}

static void release_mapped(void *data, void *owner)
{
    (void)data;
    file_unref(owner);
}

static void release_copy(void *data, void *owner)
{
    (void)owner;
    free(data);
}

ran_external *ran_external_create(const char *model_path)
{
    ran_external *external = calloc(1, sizeof(*external));
    const char *slash = strrchr(model_path, '/');
    char *directory = slash ? strndup(model_path, (size_t)(slash - model_path) + 1) : strdup(".");
    if (external && directory)
        external->directory = realpath(directory, NULL);
    free(directory);
    return external;
}

void ran_external_destroy(ran_external *external)
{
    if (!external)
        return;
    for (ran_external_file *file = external->files, *next; file; file = next) {
        next = file->next;
        file_unref(file);
    }
    free(external->directory);
    free(external);
}

/* Opens directory/relative, whose components are neither links nor "..". */
static int open_beneath(const char *directory, char *relative)
{
    int at = open(directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    for (char *save, *part = strtok_r(relative, "/", &save); part && at >= 0;) {
        char *next = strtok_r(NULL, "/", &save);
        int flags = O_RDONLY | O_CLOEXEC | O_NOFOLLOW | (next ? O_DIRECTORY : O_NONBLOCK);
        int inner = openat(at, part, flags);
        close(at);
        at = inner;
        part = next;
    }
    return at;
}

static const char *location_problem(const char *location)
{
    if (!*location)
        return "the location is empty";
    if (*location == '/')
        return "the location is absolute; it must lie in the model's directory";
    for (const char *part = location; part; part = strchr(part, '/')) {
        part += *part == '/';
        if (strncmp(part, "..", 2) == 0 && (part[2] == '/' || !part[2]))
            return "the location leaves the model's directory";
    }
    return NULL;
}

static int open_location(const char *directory, const char *location, const char **out_problem)
{
    char joined[PATH_MAX];
    *out_problem = location_problem(location);
    if (*out_problem)
        return -1;
    if (snprintf(joined, sizeof(joined), "%s/%s", directory, location) >= (int)sizeof(joined)) {
        *out_problem = "the location is too long";
        return -1;
    }
    char *resolved = realpath(joined, NULL);
    if (!resolved) {
        *out_problem = strerror(errno);
        return -1;
    }
    size_t length = strcmp(directory, "/") ? strlen(directory) : 0;
    int fd = -1;
    if (strncmp(resolved, directory, length) || resolved[length] != '/')
        *out_problem = "a symbolic link leads out of the model's directory";
    else if ((fd = open_beneath(directory, resolved + length + 1)) < 0)
        *out_problem = strerror(errno);
    free(resolved);
    return fd;
}

static const char *map_file(ran_external_file *file, int fd)
{
    struct stat info;
    if (fstat(fd, &info) < 0)
        return strerror(errno);
    if (!S_ISREG(info.st_mode))
        return "not a regular file";
    file->size = (uint64_t)info.st_size;
    if (!file->size)
        return NULL;
    void *data = mmap(NULL, file->size, PROT_READ | PROT_WRITE, MAP_PRIVATE, fd, 0);
    if (data == MAP_FAILED)
        return strerror(errno);
    file->data = data;
    return NULL;
}

static ran_external_file *find_file(ran_external *external, const char *location,
                                    const char **out_problem)
{
    for (ran_external_file *file = external->files; file; file = file->next)
        if (strcmp(file->location, location) == 0)
            return file;
    if (!external->directory) {
        *out_problem = "the model's directory cannot be resolved";
        return NULL;
    }
    int fd = open_location(external->directory, location, out_problem);
    if (fd < 0)
        return NULL;
    ran_external_file *file = calloc(1, sizeof(*file));
    file->references = 1;
    file->location = strdup(location);
    *out_problem = map_file(file, fd);
    close(fd);
    if (*out_problem) {
        file_unref(file);
        return NULL;
    }
    file->next = external->files;
    external->files = file;
    return file;
}

static bool parse_u64(const char *text, uint64_t *out)
{
    char *end;
    errno = 0;
    if (*text < '0' || *text > '9')
        return false;
    *out = strtoull(text, &end, 10);
    return !errno && !*end;
}

typedef struct place {
    const char *location;
    uint64_t offset, length;
    bool has_length;
} place;

static const char *read_place(const RanOnnx__Tensor *proto, place *out)
{
    for (size_t i = 0; i < proto->n_external_data; i++) {
        const char *key = proto->external_data[i]->key, *value = proto->external_data[i]->value;
        if (!key || !value)
            continue;
        if (strcmp(key, "location") == 0)
            out->location = value;
        else if (strcmp(key, "offset") == 0 && !parse_u64(value, &out->offset))
            return "the offset is no number";
        else if (strcmp(key, "length") == 0 && !parse_u64(value, &out->length))
            return "the length is no number";
        if (strcmp(key, "length") == 0)
            out->has_length = true;
    }
    return out->location ? NULL : "no location is given";
}

static const char *check_place(const place *where, const ran_external_file *file, size_t bytes)
{
    if (where->has_length && where->length != bytes)
        return "the length is not what type and shape need";
    if (where->offset > file->size || file->size - where->offset < bytes)
        return "offset and size reach beyond the end of the file (incomplete download?)";
    return NULL;
}

static ran_tensor *wrap(ran_external_file *file, uint64_t offset, ran_elem elem, int rank,
                        const int64_t *dims, size_t bytes)
{
    size_t align = ran_elem_bits(elem) >= 16 ? ran_elem_bits(elem) / 8 : 1;
    if (bytes && offset % align == 0) {
        file->references++;
        return ran_tensor_wrap(elem, rank, dims, file->data + offset, release_mapped, file);
    }
    void *copy = malloc(bytes ? bytes : 1);
    if (copy && bytes)
        memcpy(copy, file->data + offset, bytes);
    return copy ? ran_tensor_wrap(elem, rank, dims, copy, release_copy, NULL) : NULL;
}

/* As the user names the model, so its data. */
static void note_file(const ran_import *import, const char *location)
{
    const char *slash = strrchr(import->path, '/');
    int directory = slash ? (int)(slash - import->path) + 1 : 0;
    ran_file_note(import->context,
                  ran_intern_printf(import->context, "%.*s%s", directory, import->path, location));
}

ran_status ran_external_tensor(ran_import *import, const RanOnnx__Tensor *proto, const char *what,
                               ran_elem elem, int rank, const int64_t *dims, size_t bytes,
                               ran_tensor **out_tensor)
{
    place where = {0};
    ran_external_file *file = NULL;
    const char *problem = read_place(proto, &where);
    if (!problem)
        file = find_file(import->external, where.location, &problem);
    if (!problem) {
        note_file(import, where.location);
        problem = check_place(&where, file, bytes);
    }
    if (problem)
        return ran_import_error(import, RAN_INVALID, "%s: external data '%s', offset %llu: %s",
                                what, where.location ? where.location : "",
                                (unsigned long long)where.offset, problem);
    *out_tensor = wrap(file, where.offset, elem, rank, dims, bytes);
    return *out_tensor ? RAN_OK : ran_import_error(import, RAN_INVALID, "%s: out of memory", what);
}
