/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Types: interned in the context. */
#include "ir/context.h"

#include <string.h>

static size_t type_size(const ran_type *type)
{
    return sizeof *type + (type->rank > 0 ? (size_t)type->rank : 0) * sizeof type->dims[0];
}

static bool type_equal(const void *item, const void *key)
{
    const ran_type *a = item, *b = key;
    return a->kind == b->kind && a->elem == b->elem && a->rank == b->rank &&
           a->layout.axis == b->layout.axis && a->layout.block == b->layout.block &&
           a->inner == b->inner &&
           (a->rank <= 0 ||
            memcmp(a->dims, b->dims, (size_t)a->rank * sizeof a->dims[0]) == 0);
}

static const ran_type *intern_type(ran_context *context, const ran_type *key)
{
    uint64_t hash = ran_hash_word(5, (uint64_t)key->kind << 32 | key->elem);
    hash = ran_hash_word(hash, (uint64_t)(unsigned)key->rank << 16 | key->layout.axis << 8 |
                                   key->layout.block);
    hash = ran_hash_pointer(hash, key->inner);
    for (int i = 0; i < key->rank; i++)
        hash = ran_hash_pointer(hash, key->dims[i]);
    const ran_type *found = ran_table_find(&context->types, hash, type_equal, key);
    if (found)
        return found;
    ran_type *copy = ran_arena_copy(context->arena, key, type_size(key));
    ran_table_insert(&context->types, hash, copy);
    return copy;
}

typedef union type_buffer {
    ran_type type;
    char room[sizeof(ran_type) + RAN_MAX_RANK * sizeof(const ran_dim *)];
} type_buffer;

const ran_type *ran_type_tensor(ran_context *context, ran_elem elem, int rank,
                                const ran_dim *const *dims, ran_layout layout)
{
    RAN_ASSERT(context, rank >= -1 && rank <= RAN_MAX_RANK);
    type_buffer key = {
        .type = {.kind = RAN_TYPE_TENSOR, .elem = elem, .rank = rank, .layout = layout}};
    if (rank > 0)
        memcpy(key.type.dims, dims, (size_t)rank * sizeof dims[0]);
    return intern_type(context, &key.type);
}

const ran_type *ran_type_tensor_i64(ran_context *context, ran_elem elem, int rank,
                                    const int64_t *dims)
{
    const ran_dim *list[RAN_MAX_RANK];
    RAN_ASSERT(context, rank >= 0 && rank <= RAN_MAX_RANK);
    for (int i = 0; i < rank; i++)
        list[i] = ran_dim_constant(context, dims[i]);
    return ran_type_tensor(context, elem, rank, list, RAN_PLAIN);
}

static const ran_type *wrap(ran_context *context, ran_type_kind kind, const ran_type *element)
{
    ran_type key = {.kind = kind, .rank = -1, .inner = element};
    return intern_type(context, &key);
}

const ran_type *ran_type_sequence(ran_context *context, const ran_type *element)
{
    return wrap(context, RAN_TYPE_SEQUENCE, element);
}

const ran_type *ran_type_optional(ran_context *context, const ran_type *element)
{
    return wrap(context, RAN_TYPE_OPTIONAL, element);
}

const ran_type *ran_type_with_elem(ran_context *context, const ran_type *type, ran_elem elem)
{
    return ran_type_tensor(context, elem, type->rank, type->dims, type->layout);
}

const ran_type *ran_type_with_layout(ran_context *context, const ran_type *type, ran_layout layout)
{
    return ran_type_tensor(context, type->elem, type->rank, type->dims, layout);
}

ran_type_kind ran_type_get_kind(const ran_type *type)
{
    return type->kind;
}

bool ran_type_is_tensor(const ran_type *type)
{
    return type->kind == RAN_TYPE_TENSOR;
}

ran_elem ran_type_elem(const ran_type *type)
{
    return type->elem;
}

int ran_type_rank(const ran_type *type)
{
    return type->rank;
}

const ran_dim *ran_type_dim(const ran_type *type, int axis)
{
    RAN_ASSERT(NULL, axis >= 0 && axis < type->rank);
    return type->dims[axis];
}

ran_layout ran_type_layout(const ran_type *type)
{
    return type->layout;
}

const ran_type *ran_type_inner(const ran_type *type)
{
    return type->inner;
}

bool ran_type_is_static(const ran_type *type)
{
    if (type->kind != RAN_TYPE_TENSOR || type->rank < 0)
        return false;
    for (int i = 0; i < type->rank; i++)
        if (type->dims[i]->kind != RAN_DIM_CONSTANT)
            return false;
    return true;
}

int64_t ran_type_extent(const ran_type *type, int axis)
{
    return ran_dim_value(ran_type_dim(type, axis));
}

static int64_t saturating_product(int64_t a, int64_t b)
{
    int64_t product;
    return __builtin_mul_overflow(a, b, &product) ? INT64_MAX : product;
}

static int64_t product_of(const ran_type *type, bool with_lanes)
{
    int64_t product = 1;
    bool empty = false;
    for (int i = 0; i < type->rank; i++) {
        int64_t extent = ran_type_extent(type, i);
        int64_t block = type->layout.block;
        if (with_lanes && block && i == type->layout.axis && extent <= INT64_MAX - block)
            extent = (extent + block - 1) / block * block;
        empty |= extent == 0;
        product = saturating_product(product, extent);
    }
    return empty ? 0 : product;
}

int64_t ran_type_numel(const ran_type *type)
{
    return product_of(type, false);
}

int64_t ran_type_storage_numel(const ran_type *type)
{
    return product_of(type, true);
}

bool ran_type_fits(const ran_type *type)
{
    const int64_t limit = (int64_t)1 << 48;
    int64_t product = 1;
    if (!ran_type_is_tensor(type))
        return !type->inner || ran_type_fits(type->inner);
    for (int i = 0; i < type->rank; i++) {
        int64_t extent = type->dims[i]->kind == RAN_DIM_CONSTANT ? type->dims[i]->value : 1;
        if (extent > limit || (extent > 0 && product > limit / extent))
            return false;
        product *= extent > 0 ? extent : 1;
    }
    return true;
}

int64_t ran_type_storage_bytes(const ran_type *type)
{
    int64_t count = ran_type_storage_numel(type);
    return count > INT64_MAX / 32 ? INT64_MAX : (int64_t)ran_elem_bytes(type->elem, count);
}
