/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Tensors as arrays of double or int64_t, and back. */
#include "ir/ops/compute.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

void *ran_new_bytes(int64_t count, size_t size)
{
    size_t total;
    if (count < 0 || __builtin_mul_overflow((size_t)count, size, &total))
        RAN_BUG(NULL, "allocation of %lld x %zu bytes", (long long)count, size);
    void *memory = calloc(total ? total : 1, 1);
    if (!memory)
        RAN_BUG(NULL, "out of memory (%zu bytes)", total);
    return memory;
}

bool ran_elem_in(ran_elem elem, const char *classes)
{
    for (; *classes; classes++) {
        if ((*classes == 'F' && ran_elem_is_float(elem)) ||
            (*classes == 'I' && ran_elem_is_int(elem)) ||
            (*classes == 'S' && ran_elem_is_signed_int(elem)) ||
            (*classes == 'U' && ran_elem_is_unsigned_int(elem)) ||
            (*classes == 'B' && elem == RAN_ELEM_BOOL) ||
            (*classes == 'T' && elem == RAN_ELEM_STRING) ||
            (*classes == 'C' && (elem == RAN_ELEM_C64 || elem == RAN_ELEM_C128)))
            return true;
    }
    return false;
}

#define LOAD(type)                                                                                 \
    for (int64_t i = 0; i < n; i++)                                                                \
        out[i] = ((const type *)data)[i];                                                          \
    return out

double *ran_load_f64(const ran_tensor *tensor)
{
    if (!tensor)
        return NULL;
    int64_t n = ran_tensor_numel(tensor);
    double *out = RAN_NEW(double, n);
    const void *data = ran_tensor_data(tensor);
    switch (ran_tensor_elem(tensor)) {
    case RAN_ELEM_F32:
        LOAD(float);
    case RAN_ELEM_F64:
        LOAD(double);
    case RAN_ELEM_I64:
        LOAD(int64_t);
    case RAN_ELEM_I32:
        LOAD(int32_t);
    case RAN_ELEM_U8:
    case RAN_ELEM_BOOL:
        LOAD(uint8_t);
    case RAN_ELEM_I8:
        LOAD(int8_t);
    default:
        for (int64_t i = 0; i < n; i++)
            out[i] = ran_tensor_get_f64(tensor, i);
        return out;
    }
}

int64_t *ran_load_i64(const ran_tensor *tensor)
{
    if (!tensor)
        return NULL;
    int64_t n = ran_tensor_numel(tensor);
    int64_t *out = RAN_NEW(int64_t, n);
    const void *data = ran_tensor_data(tensor);
    switch (ran_tensor_elem(tensor)) {
    case RAN_ELEM_I64:
    case RAN_ELEM_U64:
        LOAD(int64_t);
    case RAN_ELEM_I32:
        LOAD(int32_t);
    case RAN_ELEM_U8:
    case RAN_ELEM_BOOL:
        LOAD(uint8_t);
    case RAN_ELEM_I8:
        LOAD(int8_t);
    default:
        for (int64_t i = 0; i < n; i++)
            out[i] = ran_tensor_get_i64(tensor, i);
        return out;
    }
}

void ran_store_f64(ran_tensor *tensor, const double *values)
{
    int64_t n = ran_tensor_numel(tensor);
    void *data = ran_tensor_mutable_data(tensor);
    ran_elem elem = ran_tensor_elem(tensor);
    if (elem == RAN_ELEM_F32) {
        for (int64_t i = 0; i < n; i++)
            ((float *)data)[i] = (float)values[i];
    } else if (elem == RAN_ELEM_F64) {
        memcpy(data, values, (size_t)n * sizeof(double));
    } else {
        for (int64_t i = 0; i < n; i++)
            ran_tensor_set_f64(tensor, i, values[i]);
    }
}

#define STORE(type)                                                                                \
    for (int64_t i = 0; i < n; i++)                                                                \
        ((type *)data)[i] = (type)values[i];                                                       \
    return

void ran_store_i64(ran_tensor *tensor, const int64_t *values)
{
    int64_t n = ran_tensor_numel(tensor);
    void *data = ran_tensor_mutable_data(tensor);
    switch (ran_elem_bits(ran_tensor_elem(tensor)) * ran_elem_is_int(ran_tensor_elem(tensor))) {
    case 64:
        STORE(int64_t);
    case 32:
        STORE(int32_t);
    case 16:
        STORE(int16_t);
    case 8:
        STORE(int8_t);
    default:
        for (int64_t i = 0; i < n; i++)
            ran_tensor_set_i64(tensor, i, values[i]);
    }
}

double ran_round_to(ran_elem elem, double value)
{
    if (elem == RAN_ELEM_F32)
        return (float)value;
    if (elem != RAN_ELEM_F16 && elem != RAN_ELEM_BF16)
        return value;
    ran_tensor *scalar = ran_tensor_create(elem, 0, NULL);
    ran_tensor_set_f64(scalar, 0, value);
    double rounded = ran_tensor_get_f64(scalar, 0);
    ran_tensor_release(scalar);
    return rounded;
}

double ran_scalar_f64(const ran_tensor *tensor, double fallback)
{
    return tensor && ran_tensor_numel(tensor) ? ran_tensor_get_f64(tensor, 0) : fallback;
}

int64_t ran_scalar_i64(const ran_tensor *tensor, int64_t fallback)
{
    return tensor && ran_tensor_numel(tensor) ? ran_tensor_get_i64(tensor, 0) : fallback;
}

void ran_forward_tensor(ran_evaluation *evaluation, size_t index, const ran_tensor *tensor)
{
    ran_tensor_release(evaluation->results[index]);
    evaluation->results[index] = ran_tensor_retain(tensor);
}
