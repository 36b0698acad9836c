/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "ir/noise.h"

#include <math.h>

/* The generator splitmix64, by position. */
static uint64_t random_bits(uint64_t seed, uint64_t position)
{
    uint64_t x = seed * 0xd1342543de82ef95u + position * 0x9e3779b97f4a7c15u + 0x2545f4914f6cdd1du;
    x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9u;
    x = (x ^ (x >> 27)) * 0x94d049bb133111ebu;
    return x ^ (x >> 31);
}

/* Twelve uniform numbers of 16 bits: their sum is exact, has deviation 1 (in units of 65536), and
 * is symmetric about its middle. */
double ran_noise_value(uint64_t seed, uint64_t index)
{
    int64_t sum = 0;
    for (uint64_t part = 0; part < 3; part++) {
        uint64_t bits = random_bits(seed, 3 * index + part);
        for (int shift = 0; shift < 64; shift += 16)
            sum += (int64_t)((bits >> shift) & 0xffff);
    }
    return (double)(2 * sum - 12 * 65535) / 131072;
}

static double clamp_to_int(ran_elem elem, double value)
{
    unsigned bits = ran_elem_bits(elem);
    bool is_signed = ran_elem_is_signed_int(elem);
    double limit = ldexp(1, (int)(is_signed ? bits - 1 : bits));
    /* The largest double below 2^63 or 2^64: conversion of the limit itself would overflow. */
    double most = bits > 53 ? nextafter(limit, 0) : limit - 1;
    return fmin(fmax(rint(value), is_signed ? -limit : 0), most);
}

static void set_noise(ran_tensor *tensor, int64_t i, double value)
{
    ran_elem elem = ran_tensor_elem(tensor);
    if (elem == RAN_ELEM_BOOL)
        ran_tensor_set_i64(tensor, i, value > 0);
    else if (ran_elem_is_int(elem))
        ran_tensor_set_f64(tensor, i, clamp_to_int(elem, value));
    else
        ran_tensor_set_f64(tensor, i, value);
}

/* The product is stored before the sum: a fused operation would round differently. */
static double scaled(const ran_noise *noise, uint64_t index)
{
    volatile double product = noise->deviation * ran_noise_value(noise->seed, index);
    return noise->mean + product;
}

void ran_tensor_fill_noise(ran_tensor *tensor, const ran_noise *noise)
{
    int64_t count = ran_tensor_numel(tensor);
    float *f32 = ran_tensor_elem(tensor) == RAN_ELEM_F32 ? ran_tensor_mutable_data(tensor) : NULL;
    for (int64_t i = 0; i < count; i++) {
        double value = scaled(noise, (uint64_t)i);
        if (f32)
            f32[i] = (float)value;
        else
            set_noise(tensor, i, value);
    }
    ran_tensor_set_noise(tensor, noise);
}

/* ---- Disguise ------------------------------------------------------------------------------- */

struct moments {
    double mean, deviation, least;
};

static struct moments moments_of(const ran_tensor *tensor)
{
    int64_t count = ran_tensor_numel(tensor);
    double sum = 0, squares = 0, least = INFINITY;
    for (int64_t i = 0; i < count; i++) {
        double value = ran_tensor_get_f64(tensor, i);
        value = isfinite(value) ? value : 0;
        sum += value;
        squares += value * value;
        least = fmin(least, value);
    }
    double mean = sum / (double)count;
    return (struct moments){mean, sqrt(fmax(squares / (double)count - mean * mean, 0)), least};
}

static bool is_weight(const ran_tensor *tensor)
{
    ran_elem elem = ran_tensor_elem(tensor);
    bool is_number = ran_elem_is_float(elem) || (ran_elem_is_int(elem) && ran_elem_bits(elem) <= 8);
    return is_number && ran_tensor_numel(tensor) > 16 && !ran_tensor_noise(tensor);
}

/* The values lie within six deviations: variances and other positive constants stay positive. */
static ran_tensor *disguised(const ran_tensor *tensor, uint64_t seed)
{
    struct moments m = moments_of(tensor);
    ran_noise noise = {seed, m.deviation, m.mean};
    if (m.least >= 0)
        noise.deviation = fmin(noise.deviation, m.mean / 6);
    ran_tensor *result = ran_tensor_create(ran_tensor_elem(tensor), ran_tensor_rank(tensor),
                                           ran_tensor_dims(tensor));
    if (result)
        ran_tensor_fill_noise(result, &noise);
    return result;
}

void ran_module_disguise_weights(ran_module *module)
{
    uint64_t seed = 1;
    for (ran_value *c = ran_module_first_constant(module); c; c = ran_constant_next(c), seed++) {
        ran_tensor *noise = is_weight(c->tensor) ? disguised(c->tensor, seed) : NULL;
        if (!noise)
            continue;
        ran_tensor_release(c->tensor);
        c->tensor = noise;
    }
}
