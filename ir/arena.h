/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Bump allocation: nothing is freed before the arena. Memory is zeroed and aligned to 16 bytes. */
#ifndef IR_ARENA_H
#define IR_ARENA_H

#include <stddef.h>

typedef struct ran_arena ran_arena;

ran_arena *ran_arena_create(void);
void ran_arena_destroy(ran_arena *arena);
void *ran_arena_alloc(ran_arena *arena, size_t bytes); /* aborts when out of memory */
void *ran_arena_copy(ran_arena *arena, const void *data, size_t bytes);
char *ran_arena_string(ran_arena *arena, const char *string);

#define RAN_ARENA_NEW(arena, type) ((type *)ran_arena_alloc(arena, sizeof(type)))
#define RAN_ARENA_ARRAY(arena, type, count) ((type *)ran_arena_alloc(arena, (count) * sizeof(type)))

#endif
