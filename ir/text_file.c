/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Side files: data of constants beside the text, mapped.
 *
 * A text from elsewhere must not read what its directory does not hold: names are relative, and
 * what they resolve to, symbolic links followed, lies in the text's own directory.
 */
#include "ir/text.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

/* One mapping for all tensors of a file; the last of its users unmaps it. */
struct side_map {
    unsigned char *data;
    size_t size;
    size_t references;
};

static void drop_map(struct side_map *map)
{
    if (--map->references)
        return;
    if (map->size)
        munmap(map->data, map->size);
    free(map);
}

static void release_map(void *data, void *owner)
{
    (void)data;
    drop_map(owner);
}

/* The directory of the text, resolved; the current one for a text without a file. */
static char *text_directory(const ran_parser *parser)
{
    const char *file = parser->lexer.file;
    const char *slash = file ? strrchr(file, '/') : NULL;
    if (!slash)
        return realpath(".", NULL);
    char *directory = strndup(file, (size_t)(slash - file) + 1);
    char *resolved = directory ? realpath(directory, NULL) : NULL;
    free(directory);
    return resolved;
}

/* Beside the text as its path was given. */
static void note_file(const ran_parser *parser, const char *name)
{
    const char *file = parser->lexer.file, *slash = file ? strrchr(file, '/') : NULL;
    int directory = slash ? (int)(slash - file) + 1 : 0;
    ran_file_note(parser->context,
                  ran_intern_printf(parser->context, "%.*s%s", directory, file ? file : "", name));
}

/* The resolved path of `name`, NULL when it is missing or lies outside. */
static char *resolve(ran_context *context, const char *directory, const char *name,
                     bool *out_outside)
{
    *out_outside = name[0] == '/';
    if (*out_outside)
        return NULL;
    char *resolved = realpath(ran_intern_printf(context, "%s/%s", directory, name), NULL);
    size_t length = strcmp(directory, "/") ? strlen(directory) : 0;
    if (!resolved || (!strncmp(resolved, directory, length) && resolved[length] == '/'))
        return resolved;
    *out_outside = true;
    free(resolved);
    return NULL;
}

static struct side_map *map_descriptor(int descriptor)
{
    struct stat status;
    if (fstat(descriptor, &status) || !S_ISREG(status.st_mode))
        return NULL;
    struct side_map *map = calloc(1, sizeof(*map));
    if (!map)
        return NULL;
    map->references = 1;
    map->size = (size_t)status.st_size;
    if (!map->size)
        return map;
    map->data = mmap(NULL, map->size, PROT_READ | PROT_WRITE, MAP_PRIVATE, descriptor, 0);
    if (map->data != MAP_FAILED)
        return map;
    free(map);
    return NULL;
}

/* Written into, a private mapping copies the page: mutable data stays this process's own. */
static struct side_map *map_path(const char *path)
{
    int descriptor = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    if (descriptor < 0)
        return NULL;
    struct side_map *map = map_descriptor(descriptor);
    close(descriptor);
    return map;
}

static struct side_map *open_map(ran_parser *parser, const ran_token *at, const char *name)
{
    bool outside = false;
    char *directory = text_directory(parser);
    char *path = directory ? resolve(parser->context, directory, name, &outside) : NULL;
    struct side_map *map = path ? map_path(path) : NULL;
    if (outside)
        ran_parser_error_at(parser, at, "'%s' leads outside the directory of this text", name);
    else if (!map)
        ran_parser_error_at(parser, at, "cannot read '%s'", name);
    else
        note_file(parser, name);
    free(path);
    free(directory);
    return map;
}

static struct side_map *find_map(ran_parser *parser, const ran_token *at, const char *name)
{
    uint64_t *known = ran_map_find(&parser->files, name, 0);
    if (known)
        return (struct side_map *)(uintptr_t)*known;
    struct side_map *map = open_map(parser, at, name);
    bool is_new;
    if (map)
        *ran_map_insert(&parser->files, name, 0, &is_new) = (uint64_t)(uintptr_t)map;
    return map;
}

void ran_text_close_files(ran_parser *parser)
{
    for (size_t i = 0; i < parser->files.capacity; i++)
        if (parser->files.entries[i].used)
            drop_map((struct side_map *)(uintptr_t)parser->files.entries[i].value);
    ran_map_clear(&parser->files);
}

static bool wrap(ran_parser *parser, const ran_type *type, struct side_map *map, uint64_t offset,
                 ran_tensor **out_tensor)
{
    int64_t dims[RAN_MAX_RANK];
    for (int i = 0; i < type->rank; i++)
        dims[i] = ran_dim_value(type->dims[i]);
    map->references++;
    *out_tensor =
        ran_tensor_wrap(type->elem, type->rank, dims, map->data + offset, release_map, map);
    if (*out_tensor)
        return ran_text_check_bytes(parser, *out_tensor);
    drop_map(map);
    return ran_parser_error(parser, "not enough memory for the tensor");
}

bool ran_text_parse_file(ran_parser *parser, const ran_type *type, ran_tensor **out_tensor)
{
    ran_token at = parser->token;
    const char *name;
    uint64_t offset, length;
    if (!ran_parser_string(parser, &name) || !ran_parser_expect(parser, ',') ||
        !ran_parser_uint(parser, &offset) || !ran_parser_expect(parser, ',') ||
        !ran_parser_uint(parser, &length))
        return false;
    if (type->elem == RAN_ELEM_STRING)
        return ran_parser_error_at(parser, &at, "strings can't stand in a side file");
    uint64_t bytes = ran_elem_bytes(type->elem, ran_type_numel(type));
    if (length != bytes)
        return ran_parser_error_at(parser, &at, "the type takes %llu bytes, not %llu",
                                   (unsigned long long)bytes, (unsigned long long)length);
    struct side_map *map = find_map(parser, &at, name);
    if (!map)
        return false;
    if (offset > map->size || length > map->size - offset)
        return ran_parser_error_at(parser, &at, "'%s' has %zu bytes only", name, map->size);
    return wrap(parser, type, map, offset, out_tensor);
}
