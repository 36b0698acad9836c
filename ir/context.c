/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Context: interned strings and locations, diagnostics, bugs. */
#include "ir/context.h"

#include <stdlib.h>
#include <string.h>

/* ---- Tables ---------------------------------------------------------------------------------- */

static size_t slot_of(const ran_table *table, uint64_t hash)
{
    return (size_t)(hash & (table->capacity - 1));
}

void *ran_table_find(const ran_table *table, uint64_t hash, ran_table_equal *equal,
                     const void *key)
{
    if (!table->capacity)
        return NULL;
    for (size_t i = slot_of(table, hash); table->items[i]; i = (i + 1) & (table->capacity - 1))
        if (table->hashes[i] == hash && equal(table->items[i], key))
            return table->items[i];
    return NULL;
}

static void place(ran_table *table, uint64_t hash, void *item)
{
    size_t i = slot_of(table, hash);
    while (table->items[i])
        i = (i + 1) & (table->capacity - 1);
    table->items[i] = item;
    table->hashes[i] = hash;
}

static void grow(ran_table *table)
{
    ran_table larger = {.count = table->count,
                        .capacity = table->capacity ? table->capacity * 2 : 64};
    larger.items = calloc(larger.capacity, sizeof *larger.items);
    larger.hashes = calloc(larger.capacity, sizeof *larger.hashes);
    if (!larger.items || !larger.hashes)
        RAN_BUG(NULL, "out of memory");
    for (size_t i = 0; i < table->capacity; i++)
        if (table->items[i])
            place(&larger, table->hashes[i], table->items[i]);
    ran_table_free(table);
    *table = larger;
}

void ran_table_insert(ran_table *table, uint64_t hash, void *item)
{
    if (table->count * 4 >= table->capacity * 3)
        grow(table);
    place(table, hash, item);
    table->count++;
}

void ran_table_free(ran_table *table)
{
    free(table->items);
    free(table->hashes);
    *table = (ran_table){0};
}

/* Eight bytes a step; the quality that tables and content hashes need, at memory speed. */
uint64_t ran_hash_bytes(uint64_t seed, const void *data, size_t bytes)
{
    const unsigned char *p = data;
    uint64_t h = ran_hash_word(seed, bytes + 0x51ed270b);
    for (; bytes >= 8; bytes -= 8, p += 8) {
        uint64_t word;
        memcpy(&word, p, 8);
        h = ran_hash_word(h, word);
    }
    uint64_t tail = 0;
    if (bytes)
        memcpy(&tail, p, bytes);
    h = ran_hash_word(h, tail);
    h ^= h >> 32;
    h *= 0xd6e8feb86659fd93u;
    return h ^ (h >> 32);
}

/* ---- Context --------------------------------------------------------------------------------- */

ran_context *ran_context_create(void)
{
    ran_context *context = calloc(1, sizeof *context);
    if (context)
        context->arena = ran_arena_create();
    return context;
}

void ran_context_destroy(ran_context *context)
{
    if (!context)
        return;
    ran_diagnostics_truncate(context, 0);
    free(context->diagnostics);
    free(context->files);
    ran_table_free(&context->strings);
    ran_table_free(&context->dims);
    ran_table_free(&context->types);
    ran_table_free(&context->locations);
    ran_arena_destroy(context->arena);
    free(context);
}

/* ---- Strings --------------------------------------------------------------------------------- */

typedef struct text {
    const char *data;
    size_t length;
} text;

static bool text_equal(const void *item, const void *key)
{
    const text *t = key;
    return strncmp(item, t->data, t->length) == 0 && ((const char *)item)[t->length] == 0;
}

const char *ran_intern_n(ran_context *context, const char *string, size_t length)
{
    /* Strings end at their first NUL everywhere. */
    length = strnlen(string, length);
    text key = {string, length};
    uint64_t hash = ran_hash_bytes(1, string, length);
    char *found = ran_table_find(&context->strings, hash, text_equal, &key);
    if (found)
        return found;
    char *copy = ran_arena_alloc(context->arena, length + 1);
    memcpy(copy, string, length);
    ran_table_insert(&context->strings, hash, copy);
    return copy;
}

const char *ran_intern(ran_context *context, const char *string)
{
    return ran_intern_n(context, string, strlen(string));
}

static RAN_PRINTF(1, 0) char *format_string(const char *format, va_list args)
{
    va_list again;
    va_copy(again, args);
    int length = vsnprintf(NULL, 0, format, again);
    va_end(again);
    char *result = length < 0 ? NULL : malloc((size_t)length + 1);
    if (!result)
        RAN_BUG(NULL, "out of memory or a wrong format: %s", format);
    vsnprintf(result, (size_t)length + 1, format, args);
    return result;
}

const char *ran_intern_printf(ran_context *context, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    char *string = format_string(format, args);
    va_end(args);
    const char *interned = ran_intern(context, string);
    free(string);
    return interned;
}

/* ---- Diagnostics ----------------------------------------------------------------------------- */

static void add_diagnostic(ran_context *context, ran_diagnostic diagnostic)
{
    if (context->diagnostic_count == context->diagnostic_capacity) {
        size_t capacity = context->diagnostic_capacity ? context->diagnostic_capacity * 2 : 8;
        ran_diagnostic *larger =
            realloc(context->diagnostics, capacity * sizeof *context->diagnostics);
        if (!larger)
            RAN_BUG(NULL, "out of memory");
        context->diagnostics = larger;
        context->diagnostic_capacity = capacity;
    }
    if (diagnostic.file)
        diagnostic.file = ran_intern(context, diagnostic.file);
    context->diagnostics[context->diagnostic_count++] = diagnostic;
}

ran_status ran_error(ran_context *context, ran_status status, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    char *message = format_string(format, args);
    va_end(args);
    add_diagnostic(context, (ran_diagnostic){RAN_ERROR, status, .message = message});
    return status;
}

ran_status ran_error_at(ran_context *context, ran_status status, const char *file, int line,
                        int column, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    char *message = format_string(format, args);
    va_end(args);
    add_diagnostic(context, (ran_diagnostic){RAN_ERROR, status, file, line, column, message});
    return status;
}

void ran_warn(ran_context *context, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    char *message = format_string(format, args);
    va_end(args);
    add_diagnostic(context, (ran_diagnostic){RAN_WARNING, .message = message});
}

void ran_note(ran_context *context, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    char *message = format_string(format, args);
    va_end(args);
    add_diagnostic(context, (ran_diagnostic){RAN_NOTE, .message = message});
}

size_t ran_diagnostic_count(const ran_context *context)
{
    return context->diagnostic_count;
}

const ran_diagnostic *ran_diagnostic_at(const ran_context *context, size_t index)
{
    return index < context->diagnostic_count ? &context->diagnostics[index] : NULL;
}

size_t ran_error_count(const ran_context *context)
{
    size_t count = 0;
    for (size_t i = 0; i < context->diagnostic_count; i++)
        count += context->diagnostics[i].severity == RAN_ERROR;
    return count;
}

/* ---- Files -------------------------------------------------------------------------------------- */

void ran_file_note(ran_context *context, const char *path)
{
    path = ran_intern(context, path);
    for (size_t i = 0; i < context->file_count; i++)
        if (context->files[i] == path)
            return;
    context->files = realloc(context->files, (context->file_count + 1) * sizeof(*context->files));
    if (!context->files)
        RAN_BUG(context, "out of memory");
    context->files[context->file_count++] = path;
}

size_t ran_file_count(const ran_context *context)
{
    return context->file_count;
}

const char *ran_file_at(const ran_context *context, size_t index)
{
    return index < context->file_count ? context->files[index] : NULL;
}

void ran_diagnostics_truncate(ran_context *context, size_t first)
{
    for (size_t i = first; i < context->diagnostic_count; i++)
        free((char *)context->diagnostics[i].message);
    if (first < context->diagnostic_count)
        context->diagnostic_count = first;
}

void ran_diagnostics_print(const ran_context *context, FILE *stream)
{
    static const char *const names[] = {
        [RAN_NOTE] = "note", [RAN_WARNING] = "warning", [RAN_ERROR] = "error"};
    for (size_t i = 0; i < context->diagnostic_count; i++) {
        const ran_diagnostic *d = &context->diagnostics[i];
        if (d->file)
            fprintf(stream, "%s:", d->file);
        if (d->line)
            fprintf(stream, "%d:%d:", d->line, d->column);
        fprintf(stream, "%s%s: %s\n", d->file || d->line ? " " : "", names[d->severity],
                d->message);
    }
}

/* ---- Bugs ------------------------------------------------------------------------------------ */

void ran_context_set_bug_handler(ran_context *context, ran_bug_handler *handler, void *data)
{
    context->bug_handler = handler;
    context->bug_data = data;
}

void ran_bug(ran_context *context, const char *format, ...)
{
    char message[1024];
    va_list args;
    va_start(args, format);
    vsnprintf(message, sizeof message, format, args);
    va_end(args);
    if (context && context->bug_handler)
        context->bug_handler(context, message, context->bug_data);
    else
        fprintf(stderr, "rancc: bug: %s\n", message);
    abort();
}

/* ---- Processes ------------------------------------------------------------------------------- */

void ran_context_set_all_reduce(ran_context *context, ran_all_reduce *all_reduce, void *data)
{
    context->all_reduce = all_reduce;
    context->all_reduce_data = data;
}

ran_all_reduce *ran_context_all_reduce(const ran_context *context, void **out_data)
{
    *out_data = context->all_reduce_data;
    return context->all_reduce;
}

/* ---- Locations ------------------------------------------------------------------------------- */

static bool location_equal(const void *item, const void *key)
{
    const ran_location *a = item, *b = key;
    return a->name == b->name && a->type == b->type && a->next == b->next;
}

static const ran_location *intern_location(ran_context *context, const char *name,
                                           const char *type, const ran_location *next)
{
    ran_location key = {name, type, next};
    uint64_t hash =
        ran_hash_pointer(ran_hash_pointer(ran_hash_pointer(2, name), type), next);
    const ran_location *found =
        ran_table_find(&context->locations, hash, location_equal, &key);
    if (found)
        return found;
    ran_location *copy = ran_arena_copy(context->arena, &key, sizeof key);
    ran_table_insert(&context->locations, hash, copy);
    return copy;
}

const ran_location *ran_location_create(ran_context *context, const char *name, const char *type)
{
    if (!name && !type)
        return NULL;
    return intern_location(context, name ? ran_intern(context, name) : NULL,
                           type ? ran_intern(context, type) : NULL, NULL);
}

static bool location_contains(const ran_location *list, const ran_location *one)
{
    for (; list; list = list->next)
        if (list->name == one->name && list->type == one->type)
            return true;
    return false;
}

/* a's links are copied in front of `rest`, which has none of them. */
static const ran_location *prepend(ran_context *context, const ran_location *a,
                                   const ran_location *rest)
{
    if (!a)
        return rest;
    return intern_location(context, a->name, a->type, prepend(context, a->next, rest));
}

static const ran_location *without(ran_context *context, const ran_location *list,
                                   const ran_location *removed)
{
    if (!list)
        return NULL;
    const ran_location *rest = without(context, list->next, removed);
    if (location_contains(removed, list))
        return rest;
    return intern_location(context, list->name, list->type, rest);
}

const ran_location *ran_location_fuse(ran_context *context, const ran_location *a,
                                      const ran_location *b)
{
    if (!a || !b || a == b)
        return a ? a : b;
    return prepend(context, a, without(context, b, a));
}

const char *ran_location_name(const ran_location *location)
{
    return location ? location->name : NULL;
}

const char *ran_location_type(const ran_location *location)
{
    return location ? location->type : NULL;
}

const ran_location *ran_location_next(const ran_location *location)
{
    return location ? location->next : NULL;
}
