/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "ir/map.h"

#include <stdlib.h>

/* Mixes all bits (the finaliser of splitmix64): keys are pointers, whose low bits are equal. */
static uint64_t mix(uint64_t x)
{
    x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9u;
    x = (x ^ (x >> 27)) * 0x94d049bb133111ebu;
    return x ^ (x >> 31);
}

/* The entry of the key or the free one where it belongs; there always is one. */
static ran_map_entry *locate(const ran_map *map, const void *key, uint64_t extra)
{
    size_t mask = map->capacity - 1;
    size_t i = mix((uint64_t)(uintptr_t)key + mix(extra)) & mask;
    while (map->entries[i].used && (map->entries[i].key != key || map->entries[i].extra != extra))
        i = (i + 1) & mask;
    return &map->entries[i];
}

static void grow(ran_map *map)
{
    ran_map old = *map;
    map->capacity = old.capacity ? 2 * old.capacity : 64;
    map->entries = calloc(map->capacity, sizeof(*map->entries));
    if (!map->entries)
        abort();
    for (size_t i = 0; i < old.capacity; i++)
        if (old.entries[i].used)
            *locate(map, old.entries[i].key, old.entries[i].extra) = old.entries[i];
    free(old.entries);
}

uint64_t *ran_map_find(const ran_map *map, const void *key, uint64_t extra)
{
    if (!map->count)
        return NULL;
    ran_map_entry *entry = locate(map, key, extra);
    return entry->used ? &entry->value : NULL;
}

uint64_t *ran_map_insert(ran_map *map, const void *key, uint64_t extra, bool *out_is_new)
{
    if (2 * map->count >= map->capacity)
        grow(map);
    ran_map_entry *entry = locate(map, key, extra);
    *out_is_new = !entry->used;
    if (!entry->used) {
        *entry = (ran_map_entry){.key = key, .extra = extra, .used = true};
        map->count++;
    }
    return &entry->value;
}

void ran_map_clear(ran_map *map)
{
    free(map->entries);
    *map = (ran_map){0};
}
