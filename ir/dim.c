/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Dimensions: interned nodes, their parts, their order, substitution. */
#include "ir/dim.h"

#include <stdlib.h>
#include <string.h>

static bool dim_equal(const void *item, const void *key)
{
    const ran_dim *a = item, *b = key;
    return a->kind == b->kind && a->value == b->value && a->name == b->name && a->lhs == b->lhs &&
           a->rhs == b->rhs;
}

static const ran_dim *intern_dim(ran_context *context, ran_dim key)
{
    uint64_t hash = ran_hash_word(ran_hash_word(4, key.kind), (uint64_t)key.value);
    hash = ran_hash_pointer(hash, key.name);
    hash = ran_hash_pointer(ran_hash_pointer(hash, key.lhs), key.rhs);
    const ran_dim *found = ran_table_find(&context->dims, hash, dim_equal, &key);
    if (found)
        return found;
    key.id = context->dim_count++;
    ran_dim *dim = ran_arena_copy(context->arena, &key, sizeof key);
    ran_table_insert(&context->dims, hash, dim);
    return dim;
}

const ran_dim *ran_dim_constant(ran_context *context, int64_t value)
{
    return intern_dim(context, (ran_dim){.kind = RAN_DIM_CONSTANT, .value = value});
}

int64_t ran_dim_fresh_number(const ran_dim *dim)
{
    if (dim->kind != RAN_DIM_SYMBOL || dim->name[0] != '?' || strlen(dim->name) > 18)
        return -1;
    char *end;
    long long number = strtoll(dim->name + 1, &end, 10);
    return end == dim->name + 1 || *end || number < 0 ? -1 : number;
}

const ran_dim *ran_dim_symbol(ran_context *context, const char *name)
{
    const ran_dim *dim = intern_dim(
        context, (ran_dim){.kind = RAN_DIM_SYMBOL, .name = ran_intern(context, name)});
    /* A text may bring symbols that look fresh; later ones must differ. */
    int64_t number = ran_dim_fresh_number(dim);
    if (number >= 0 && (uint64_t)number >= context->fresh_count)
        context->fresh_count = (uint64_t)number + 1;
    return dim;
}

const ran_dim *ran_dim_fresh(ran_context *context)
{
    return ran_dim_symbol(context, ran_intern_printf(context, "?%llu",
                                                     (unsigned long long)context->fresh_count));
}

/* Nodes share their operands, but what walks or prints them sees trees, and these can double with
 * every layer of a network. One that is too large is known by a symbol instead, the same one each
 * time; binding the symbols that it was made of computes it as before. */
enum { LARGEST_TREE = 400 };

static const ran_dim *intern_node(ran_context *context, ran_dim key)
{
    key.weight = 1 + key.lhs->weight + key.rhs->weight;
    const ran_dim *dim = intern_dim(context, key);
    if (key.weight <= LARGEST_TREE)
        return dim;
    if (!dim->stand_in)
        ((ran_dim *)dim)->stand_in = ran_dim_fresh(context);
    return dim->stand_in;
}

const ran_dim *ran_dim_node(ran_context *context, ran_dim_kind kind, const ran_dim *lhs,
                            const ran_dim *rhs)
{
    return intern_node(context, (ran_dim){.kind = kind, .lhs = lhs, .rhs = rhs});
}

const ran_dim *ran_dim_opaque_node(ran_context *context, ran_dim_kind kind, const ran_dim *lhs,
                                   const ran_dim *rhs)
{
    return intern_node(context, (ran_dim){.kind = kind, .value = 1, .lhs = lhs, .rhs = rhs});
}

ran_dim_kind ran_dim_get_kind(const ran_dim *dim)
{
    return dim->kind;
}

bool ran_dim_is_constant(const ran_dim *dim)
{
    return dim->kind == RAN_DIM_CONSTANT;
}

bool ran_dim_is(const ran_dim *dim, int64_t value)
{
    return dim->kind == RAN_DIM_CONSTANT && dim->value == value;
}

int64_t ran_dim_value(const ran_dim *dim)
{
    RAN_ASSERT(NULL, dim->kind == RAN_DIM_CONSTANT);
    return dim->value;
}

const char *ran_dim_name(const ran_dim *dim)
{
    return dim->name;
}

const ran_dim *ran_dim_lhs(const ran_dim *dim)
{
    return dim->lhs;
}

const ran_dim *ran_dim_rhs(const ran_dim *dim)
{
    return dim->rhs;
}

static int compare_int(int64_t a, int64_t b)
{
    return (a > b) - (a < b);
}

int ran_dim_compare(const ran_dim *a, const ran_dim *b)
{
    if (a == b)
        return 0;
    bool a_constant = a->kind == RAN_DIM_CONSTANT, b_constant = b->kind == RAN_DIM_CONSTANT;
    if (a_constant || b_constant)
        return a_constant && b_constant ? compare_int(a->value, b->value) : a_constant ? 1 : -1;
    if (a->kind != b->kind)
        return a->kind < b->kind ? -1 : 1;
    if (a->kind == RAN_DIM_SYMBOL)
        return strcmp(a->name, b->name);
    int order = ran_dim_compare(a->lhs, b->lhs);
    order = order ? order : ran_dim_compare(a->rhs, b->rhs);
    return order ? order : compare_int(a->value, b->value);
}

const ran_dim *ran_dim_substitute(ran_context *context, const ran_dim *dim,
                                  const ran_dim *(*lookup)(const ran_dim *symbol, void *data),
                                  void *data)
{
    if (dim->kind == RAN_DIM_CONSTANT)
        return dim;
    if (dim->kind == RAN_DIM_SYMBOL) {
        const ran_dim *found = lookup(dim, data);
        return found ? found : dim;
    }
    const ran_dim *lhs = ran_dim_substitute(context, dim->lhs, lookup, data);
    const ran_dim *rhs = ran_dim_substitute(context, dim->rhs, lookup, data);
    if (lhs == dim->lhs && rhs == dim->rhs)
        return dim;
    return ran_dim_binary(context, dim->kind, lhs, rhs);
}
