/* SPDX-License-Identifier: GPL-3.0-or-later */
/* A hash map from a pointer and a number to a number. Zero-initialised is empty. */
#ifndef IR_MAP_H
#define IR_MAP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef struct ran_map_entry {
    const void *key;
    uint64_t extra, value;
    bool used;
} ran_map_entry;

typedef struct ran_map {
    ran_map_entry *entries;
    size_t count, capacity;
} ran_map;

/* The value's place, or NULL. Places move when the map grows. */
uint64_t *ran_map_find(const ran_map *map, const void *key, uint64_t extra);
/* The same, made (with value 0) when it is missing. */
uint64_t *ran_map_insert(ran_map *map, const void *key, uint64_t extra, bool *out_is_new);
void ran_map_clear(ran_map *map); /* empties it and frees its memory */

#endif
