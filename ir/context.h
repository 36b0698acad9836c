/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The context from inside: tables of what is interned, diagnostics. */
#ifndef IR_CONTEXT_H
#define IR_CONTEXT_H

#include "ir/ir.h"

/* A hash set of pointers; the caller brings hash and equality. */
typedef struct ran_table {
    void **items;
    uint64_t *hashes;
    size_t count, capacity;
} ran_table;

typedef bool ran_table_equal(const void *item, const void *key);
void *ran_table_find(const ran_table *table, uint64_t hash, ran_table_equal *equal,
                     const void *key);
void ran_table_insert(ran_table *table, uint64_t hash, void *item);
void ran_table_free(ran_table *table);

uint64_t ran_hash_bytes(uint64_t seed, const void *data, size_t bytes);
static inline uint64_t ran_hash_word(uint64_t seed, uint64_t word)
{
    uint64_t h = (seed ^ word) * 0x9e3779b97f4a7c15u;
    return h ^ (h >> 29);
}
static inline uint64_t ran_hash_pointer(uint64_t seed, const void *pointer)
{
    return ran_hash_word(seed, (uint64_t)(uintptr_t)pointer);
}

struct ran_context {
    ran_arena *arena;
    ran_table strings, dims, types, locations;
    uint32_t dim_count;
    uint64_t fresh_count; /* the next fresh symbol's number */
    ran_diagnostic *diagnostics;
    size_t diagnostic_count, diagnostic_capacity;
    const char **files; /* interned */
    size_t file_count;
    ran_bug_handler *bug_handler;
    void *bug_data;
    ran_all_reduce *all_reduce;
    void *all_reduce_data;
};

/* The number of a symbol made by ran_dim_fresh, or -1. */
int64_t ran_dim_fresh_number(const ran_dim *dim);

#endif
