/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Bump allocation. Chunks grow: a small arena stays small and a large one has few chunks. */
#include "ir/arena.h"

#include <stdalign.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { ALIGNMENT = 16, FIRST_CHUNK = 1 << 12, LARGEST_CHUNK = 1 << 20 };

typedef struct chunk {
    struct chunk *next;
    size_t used, size;
    alignas(ALIGNMENT) char data[];
} chunk;

struct ran_arena {
    chunk *first;
    size_t next_size;
};

static _Noreturn void out_of_memory(void)
{
    fputs("rancc: out of memory\n", stderr);
    abort();
}

ran_arena *ran_arena_create(void)
{
    ran_arena *arena = calloc(1, sizeof *arena);
    if (!arena)
        out_of_memory();
    arena->next_size = FIRST_CHUNK;
    return arena;
}

void ran_arena_destroy(ran_arena *arena)
{
    if (!arena)
        return;
    for (chunk *c = arena->first, *next; c; c = next) {
        next = c->next;
        free(c);
    }
    free(arena);
}

static chunk *add_chunk(ran_arena *arena, size_t bytes)
{
    size_t size = bytes > arena->next_size ? bytes : arena->next_size;
    chunk *c = size > SIZE_MAX - sizeof *c ? NULL : calloc(1, sizeof *c + size);
    if (!c)
        out_of_memory();
    c->size = size;
    /* An allocation of its own size must not end the use of the chunk in front. */
    if (bytes > arena->next_size && arena->first) {
        c->next = arena->first->next;
        arena->first->next = c;
        return c;
    }
    c->next = arena->first;
    arena->first = c;
    if (arena->next_size < LARGEST_CHUNK)
        arena->next_size *= 2;
    return c;
}

void *ran_arena_alloc(ran_arena *arena, size_t bytes)
{
    if (bytes > SIZE_MAX - ALIGNMENT)
        out_of_memory();
    bytes = (bytes + ALIGNMENT - 1) & ~(size_t)(ALIGNMENT - 1);
    chunk *c = arena->first;
    if (!c || c->size - c->used < bytes)
        c = add_chunk(arena, bytes);
    void *result = c->data + c->used;
    c->used += bytes;
    return result;
}

void *ran_arena_copy(ran_arena *arena, const void *data, size_t bytes)
{
    void *copy = ran_arena_alloc(arena, bytes);
    if (bytes)
        memcpy(copy, data, bytes);
    return copy;
}

char *ran_arena_string(ran_arena *arena, const char *string)
{
    return ran_arena_copy(arena, string, strlen(string) + 1);
}
