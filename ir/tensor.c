/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Tensors: reference-counted arrays outside the arenas, owned, borrowed, or a view of another. */
#include "ir/context.h"
#include "ir/noise.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

struct ran_tensor {
    size_t references;
    ran_elem elem;
    int rank;
    int64_t dims[RAN_MAX_RANK];
    int64_t numel;
    size_t bytes;
    void *data;
    ran_release *release; /* of borrowed data */
    void *owner;
    bool owns_data;
    bool hashed;
    uint64_t hash;
    bool has_noise; /* until the data changes */
    ran_noise noise;
};

/* NULL when the shape is no shape or its size does not fit. */
static ran_tensor *create_header(ran_elem elem, int rank, const int64_t *dims)
{
    if (rank < 0 || rank > RAN_MAX_RANK)
        return NULL;
    int64_t numel = 1;
    bool empty = false;
    for (int i = 0; i < rank; i++) {
        if (dims[i] < 0)
            return NULL;
        empty |= dims[i] == 0;
    }
    for (int i = 0; i < rank; i++)
        if (!empty && __builtin_mul_overflow(numel, dims[i], &numel))
            return NULL;
    if (numel > INT64_MAX / 32)
        return NULL;
    ran_tensor *tensor = calloc(1, sizeof *tensor);
    if (!tensor)
        return NULL;
    tensor->references = 1;
    tensor->elem = elem;
    tensor->rank = rank;
    if (rank)
        memcpy(tensor->dims, dims, (size_t)rank * sizeof *dims);
    tensor->numel = empty ? 0 : numel;
    tensor->bytes = ran_elem_bytes(elem, tensor->numel);
    return tensor;
}

ran_tensor *ran_tensor_create(ran_elem elem, int rank, const int64_t *dims)
{
    ran_tensor *tensor = create_header(elem, rank, dims);
    if (!tensor)
        return NULL;
    /* A few bytes more let callers read whole words at the end. */
    tensor->data = calloc(1, tensor->bytes + 16);
    tensor->owns_data = true;
    if (!tensor->data) {
        free(tensor);
        return NULL;
    }
    return tensor;
}

static size_t elem_alignment(ran_elem elem)
{
    if (elem == RAN_ELEM_STRING)
        return sizeof(char *);
    unsigned bits = ran_elem_bits(elem);
    return bits >= 64 ? 8 : bits > 8 ? bits / 8 : 1;
}

ran_tensor *ran_tensor_wrap(ran_elem elem, int rank, const int64_t *dims, void *data,
                            ran_release *release, void *owner)
{
    bool aligned = (uintptr_t)data % elem_alignment(elem) == 0;
    ran_tensor *tensor =
        aligned ? create_header(elem, rank, dims) : ran_tensor_create(elem, rank, dims);
    if (!tensor)
        return NULL;
    if (!aligned) {
        /* Readers may rely on the alignment of the element, so this one can't be borrowed. */
        memcpy(tensor->data, data, tensor->bytes);
        if (release)
            release(data, owner);
        return tensor;
    }
    tensor->data = data;
    tensor->release = release;
    tensor->owner = owner;
    return tensor;
}

ran_tensor *ran_tensor_retain(const ran_tensor *tensor)
{
    ran_tensor *mutable = (ran_tensor *)tensor;
    if (mutable)
        mutable->references++;
    return mutable;
}

void ran_tensor_release(ran_tensor *tensor)
{
    if (!tensor || --tensor->references)
        return;
    if (tensor->owns_data) {
        if (tensor->elem == RAN_ELEM_STRING)
            for (int64_t i = 0; i < tensor->numel; i++)
                free(((char **)tensor->data)[i]);
        free(tensor->data);
    } else if (tensor->release) {
        tensor->release(tensor->data, tensor->owner);
    }
    free(tensor);
}

static void release_viewed(void *data, void *owner)
{
    (void)data;
    ran_tensor_release(owner);
}

ran_tensor *ran_tensor_view(const ran_tensor *tensor, ran_elem elem, int rank, const int64_t *dims)
{
    ran_tensor *view = create_header(elem, rank, dims);
    if (!view)
        return NULL;
    if (view->bytes != tensor->bytes ||
        (elem == RAN_ELEM_STRING) != (tensor->elem == RAN_ELEM_STRING)) {
        free(view);
        return NULL;
    }
    view->data = tensor->data;
    view->owner = ran_tensor_retain(tensor);
    view->release = release_viewed;
    return view;
}

ran_tensor *ran_tensor_copy(const ran_tensor *tensor)
{
    ran_tensor *copy = ran_tensor_create(tensor->elem, tensor->rank, tensor->dims);
    if (!copy)
        return NULL;
    if (tensor->elem != RAN_ELEM_STRING) {
        memcpy(copy->data, tensor->data, tensor->bytes);
        return copy;
    }
    for (int64_t i = 0; i < tensor->numel; i++)
        ran_tensor_set_string(copy, i, ran_tensor_string(tensor, i));
    return copy;
}

ran_tensor *ran_tensor_cast(const ran_tensor *tensor, ran_elem elem)
{
    if (elem == tensor->elem)
        return ran_tensor_retain(tensor);
    ran_tensor *result = ran_tensor_create(elem, tensor->rank, tensor->dims);
    if (!result)
        return NULL;
    bool through_int = ran_elem_is_int(tensor->elem) && tensor->elem != RAN_ELEM_U64;
    for (int64_t i = 0; i < tensor->numel; i++) {
        if (through_int || (ran_elem_is_int(elem) && tensor->elem == RAN_ELEM_U64))
            ran_tensor_set_i64(result, i, ran_tensor_get_i64(tensor, i));
        else
            ran_tensor_set_f64(result, i, ran_tensor_get_f64(tensor, i));
    }
    return result;
}

/* ---- Properties ------------------------------------------------------------------------------ */

ran_elem ran_tensor_elem(const ran_tensor *tensor)
{
    return tensor->elem;
}

int ran_tensor_rank(const ran_tensor *tensor)
{
    return tensor->rank;
}

const int64_t *ran_tensor_dims(const ran_tensor *tensor)
{
    return tensor->dims;
}

int64_t ran_tensor_numel(const ran_tensor *tensor)
{
    return tensor->numel;
}

size_t ran_tensor_bytes(const ran_tensor *tensor)
{
    return tensor->bytes;
}

const void *ran_tensor_data(const ran_tensor *tensor)
{
    return tensor->data;
}

/* What was known of the content does not hold any more. */
static void content_changes(ran_tensor *tensor)
{
    tensor->hashed = false;
    tensor->has_noise = false;
}

const ran_noise *ran_tensor_noise(const ran_tensor *tensor)
{
    return tensor->has_noise ? &tensor->noise : NULL;
}

void ran_tensor_set_noise(ran_tensor *tensor, const ran_noise *noise)
{
    tensor->noise = *noise;
    tensor->has_noise = true;
}

void *ran_tensor_mutable_data(ran_tensor *tensor)
{
    content_changes(tensor);
    return tensor->data;
}

static uint64_t hash_content(const ran_tensor *tensor, uint64_t hash)
{
    if (tensor->elem != RAN_ELEM_STRING)
        return ran_hash_bytes(hash, tensor->data, tensor->bytes);
    for (int64_t i = 0; i < tensor->numel; i++) {
        const char *string = ran_tensor_string(tensor, i);
        hash = ran_hash_bytes(hash, string, strlen(string));
    }
    return hash;
}

uint64_t ran_tensor_hash(const ran_tensor *tensor)
{
    if (tensor->hashed)
        return tensor->hash;
    uint64_t hash = ran_hash_word(ran_hash_word(3, tensor->elem), (uint64_t)tensor->rank);
    for (int i = 0; i < tensor->rank; i++)
        hash = ran_hash_word(hash, (uint64_t)tensor->dims[i]);
    ran_tensor *mutable = (ran_tensor *)tensor;
    mutable->hash = hash_content(tensor, hash);
    mutable->hashed = true;
    return mutable->hash;
}

bool ran_tensor_equal(const ran_tensor *a, const ran_tensor *b)
{
    if (a == b)
        return true;
    if (!a || !b || a->elem != b->elem || a->rank != b->rank ||
        memcmp(a->dims, b->dims, (size_t)a->rank * sizeof *a->dims) != 0)
        return false;
    if (a->elem != RAN_ELEM_STRING)
        return a->data == b->data || memcmp(a->data, b->data, a->bytes) == 0;
    for (int64_t i = 0; i < a->numel; i++)
        if (strcmp(ran_tensor_string(a, i), ran_tensor_string(b, i)) != 0)
            return false;
    return true;
}

/* ---- Elements -------------------------------------------------------------------------------- */

const char *ran_tensor_string(const ran_tensor *tensor, int64_t index)
{
    const char *string = ((char *const *)tensor->data)[index];
    return string ? string : "";
}

void ran_tensor_set_string(ran_tensor *tensor, int64_t index, const char *string)
{
    char *copy = strdup(string);
    if (!copy)
        RAN_BUG(NULL, "out of memory");
    char **cell = (char **)ran_tensor_mutable_data(tensor) + index;
    free(*cell);
    *cell = copy;
}

double ran_tensor_get_f64(const ran_tensor *tensor, int64_t index)
{
    if (tensor->elem == RAN_ELEM_STRING)
        return strtod(ran_tensor_string(tensor, index), NULL);
    return ran_elem_load_f64(tensor->elem, tensor->data, index);
}

int64_t ran_tensor_get_i64(const ran_tensor *tensor, int64_t index)
{
    if (tensor->elem == RAN_ELEM_STRING) {
        char *end;
        long long value = strtoll(ran_tensor_string(tensor, index), &end, 10);
        double number = ran_tensor_get_f64(tensor, index);
        return *end ? ran_elem_load_i64(RAN_ELEM_F64, &number, 0) : value;
    }
    return ran_elem_load_i64(tensor->elem, tensor->data, index);
}

void ran_tensor_set_f64(ran_tensor *tensor, int64_t index, double value)
{
    content_changes(tensor);
    if (tensor->elem == RAN_ELEM_STRING) {
        char digits[40];
        snprintf(digits, sizeof digits, "%.17g", value);
        ran_tensor_set_string(tensor, index, digits);
        return;
    }
    ran_elem_store_f64(tensor->elem, tensor->data, index, value);
}

void ran_tensor_set_i64(ran_tensor *tensor, int64_t index, int64_t value)
{
    content_changes(tensor);
    if (tensor->elem == RAN_ELEM_STRING) {
        char digits[24];
        snprintf(digits, sizeof digits, "%lld", (long long)value);
        ran_tensor_set_string(tensor, index, digits);
        return;
    }
    ran_elem_store_i64(tensor->elem, tensor->data, index, value);
}
