/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Element types: names, sizes, and the value of one element.
 *
 * Every float format but f64 and f32 is described by its fields and shares one encoder, which
 * rounds an f64 once, to nearest even. What does not fit follows ONNX's Cast: f16 and bf16 overflow to
 * infinity, the 8- and 4-bit kinds saturate.
 */
#include "ir/ir.h"

#include <math.h>
#include <string.h>

static const struct elem_row {
    const char *name;
    int onnx;
    unsigned bits;
    char class;
} rows[RAN_ELEM_COUNT] = {
#define RAN_ELEM(ENUM, name_, ...) [RAN_ELEM_##ENUM] = {.name = #name_, __VA_ARGS__},
#include <ran/elem.def>
};

const char *ran_elem_name(ran_elem elem)
{
    return rows[elem].name;
}

int ran_elem_onnx(ran_elem elem)
{
    return rows[elem].onnx;
}

bool ran_elem_from_onnx(int onnx, ran_elem *out_elem)
{
    for (int i = 0; i < RAN_ELEM_COUNT; i++)
        if (rows[i].onnx == onnx) {
            *out_elem = (ran_elem)i;
            return true;
        }
    return false;
}

bool ran_elem_parse(const char *name, ran_elem *out_elem)
{
    for (int i = 0; i < RAN_ELEM_COUNT; i++)
        if (strcmp(rows[i].name, name) == 0) {
            *out_elem = (ran_elem)i;
            return true;
        }
    return false;
}

unsigned ran_elem_bits(ran_elem elem)
{
    return rows[elem].bits;
}

bool ran_elem_is_float(ran_elem elem)
{
    return rows[elem].class == 'F';
}

bool ran_elem_is_signed_int(ran_elem elem)
{
    return rows[elem].class == 'S';
}

bool ran_elem_is_unsigned_int(ran_elem elem)
{
    return rows[elem].class == 'U';
}

bool ran_elem_is_int(ran_elem elem)
{
    return rows[elem].class == 'S' || rows[elem].class == 'U';
}

size_t ran_elem_bytes(ran_elem elem, int64_t count)
{
    if (elem == RAN_ELEM_STRING)
        return (size_t)count * sizeof(char *);
    unsigned bits = rows[elem].bits;
    if (bits == 4)
        return ((size_t)count + 1) / 2;
    return (size_t)count * (bits / 8);
}

/* ---- Small floats ---------------------------------------------------------------------------- */

typedef enum special {
    SPECIAL_IEEE,   /* the highest exponent is infinity and NaN */
    SPECIAL_FN,     /* no infinity, NaN is all ones */
    SPECIAL_FNUZ,   /* no infinity, no negative zero, NaN is the sign bit alone */
    SPECIAL_FINITE, /* neither infinity nor NaN */
    SPECIAL_SCALE,  /* e8m0: an exponent alone, no sign, no zero; NaN is all ones */
} special;

typedef struct float_format {
    int exponent_bits, mantissa_bits, bias;
    special special;
    bool saturates;
} float_format;

static const float_format *format_of(ran_elem elem)
{
    static const float_format formats[RAN_ELEM_COUNT] = {
        [RAN_ELEM_F16] = {5, 10, 15, SPECIAL_IEEE, false},
        [RAN_ELEM_BF16] = {8, 7, 127, SPECIAL_IEEE, false},
        [RAN_ELEM_F8E4M3FN] = {4, 3, 7, SPECIAL_FN, true},
        [RAN_ELEM_F8E4M3FNUZ] = {4, 3, 8, SPECIAL_FNUZ, true},
        [RAN_ELEM_F8E5M2] = {5, 2, 15, SPECIAL_IEEE, true},
        [RAN_ELEM_F8E5M2FNUZ] = {5, 2, 16, SPECIAL_FNUZ, true},
        [RAN_ELEM_F4E2M1] = {2, 1, 1, SPECIAL_FINITE, true},
        [RAN_ELEM_F8E8M0] = {8, 0, 127, SPECIAL_SCALE, true},
    };
    return &formats[elem];
}

static uint32_t exponent_mask(const float_format *f)
{
    return ((1u << f->exponent_bits) - 1) << f->mantissa_bits;
}

static uint32_t sign_bit(const float_format *f)
{
    return f->special == SPECIAL_SCALE ? 0 : 1u << (f->exponent_bits + f->mantissa_bits);
}

/* The largest finite magnitude. */
static uint32_t largest(const float_format *f)
{
    uint32_t all = exponent_mask(f) | ((1u << f->mantissa_bits) - 1);
    if (f->special == SPECIAL_IEEE)
        return exponent_mask(f) - 1;
    return f->special == SPECIAL_FN || f->special == SPECIAL_SCALE ? all - 1 : all;
}

static uint32_t encode_nan(const float_format *f, uint32_t sign)
{
    switch (f->special) {
    case SPECIAL_IEEE:
        return sign | exponent_mask(f) | 1u << (f->mantissa_bits - 1);
    case SPECIAL_FN:
        return sign | exponent_mask(f) | ((1u << f->mantissa_bits) - 1);
    case SPECIAL_FNUZ:
        return sign_bit(f);
    case SPECIAL_SCALE:
        return 0xff;
    case SPECIAL_FINITE:
        break;
    }
    return largest(f);
}

static uint32_t encode_overflow(const float_format *f, uint32_t sign, bool saturate)
{
    if (saturate || f->special == SPECIAL_FINITE)
        return sign | largest(f);
    if (f->special == SPECIAL_IEEE)
        return sign | exponent_mask(f);
    return encode_nan(f, sign);
}

/* A scale's nearest power of two; its sign is dropped, as in ONNX's Cast. */
static uint32_t encode_scale(const float_format *f, double magnitude, bool saturate)
{
    int exponent;
    double fraction = frexp(magnitude, &exponent); /* [0.5, 1) */
    int64_t biased = (int64_t)exponent - 1 + f->bias;
    /* Halfway (1.5 * 2^k) goes to the even exponent field. */
    if (fraction > 0.75 || (fraction == 0.75 && (biased & 1)))
        biased++;
    if (magnitude == 0 || biased < 0)
        return 0;
    return biased > 254 ? encode_overflow(f, 0, saturate) : (uint32_t)biased;
}

static uint32_t encode(const float_format *f, double value, bool saturate)
{
    uint32_t sign = signbit(value) ? sign_bit(f) : 0;
    double magnitude = fabs(value);
    if (isnan(value))
        return encode_nan(f, sign);
    if (isinf(value))
        return encode_overflow(f, sign, saturate);
    if (f->special == SPECIAL_SCALE)
        return encode_scale(f, magnitude, saturate);
    int exponent;
    frexp(magnitude, &exponent);
    /* The unit of the last place; below the normal range it is that of the subnormals. */
    int lowest = 1 - f->bias;
    int unit = magnitude == 0 || exponent - 1 < lowest ? lowest : exponent - 1;
    int scale = unit - f->mantissa_bits;
    double units = nearbyint(ldexp(magnitude, -scale)); /* exact, then rounded once */
    /* Adding the units to the exponent field carries into the next exponent by itself. */
    uint64_t bits = (uint64_t)units;
    uint64_t hidden = 1u << f->mantissa_bits;
    if (bits >= hidden)
        bits += (uint64_t)(scale + f->mantissa_bits - lowest) * hidden;
    if (bits > largest(f))
        return encode_overflow(f, sign, saturate);
    return bits == 0 && f->special == SPECIAL_FNUZ ? 0 : sign | (uint32_t)bits;
}

static double decode(const float_format *f, uint32_t bits)
{
    uint32_t sign = bits & sign_bit(f), magnitude = bits & ~sign_bit(f);
    uint32_t mantissa = magnitude & ((1u << f->mantissa_bits) - 1);
    int exponent = (int)(magnitude >> f->mantissa_bits);
    if (f->special == SPECIAL_SCALE)
        return bits == 0xff ? NAN : ldexp(1, (int)bits - f->bias);
    if (f->special == SPECIAL_FNUZ && bits == sign_bit(f))
        return NAN;
    double value;
    if (magnitude > largest(f))
        value = f->special == SPECIAL_IEEE && mantissa == 0 ? INFINITY : NAN;
    else if (exponent == 0)
        value = ldexp(mantissa, 1 - f->bias - f->mantissa_bits);
    else
        value = ldexp(mantissa + (1u << f->mantissa_bits), exponent - f->bias - f->mantissa_bits);
    return sign ? -value : value;
}

/* ---- One element ----------------------------------------------------------------------------- */

static uint64_t load_bits(ran_elem elem, const void *data, int64_t index)
{
    const uint8_t *bytes = data;
    unsigned bits = rows[elem].bits;
    if (bits == 4)
        return bytes[index / 2] >> (index % 2 * 4) & 15;
    unsigned width = bits / 8 > 8 ? 8 : bits / 8; /* of a complex128, the real part */
    uint64_t result = 0;
    memcpy(&result, bytes + (size_t)index * (bits / 8), width);
    return result;
}

static void store_bits(ran_elem elem, void *data, int64_t index, uint64_t value)
{
    uint8_t *bytes = data;
    unsigned bits = rows[elem].bits;
    if (bits == 4) {
        unsigned shift = index % 2 * 4;
        uint8_t *byte = &bytes[index / 2];
        *byte = (uint8_t)((*byte & ~(15u << shift)) | (value & 15) << shift);
        return;
    }
    uint8_t *target = bytes + (size_t)index * (bits / 8);
    if (bits == 128)
        memset(target, 0, 16);
    memcpy(target, &value, bits / 8 > 8 ? 8 : bits / 8);
}

static int64_t sign_extend(uint64_t value, unsigned bits)
{
    unsigned shift = 64 - bits;
    return (int64_t)(value << shift) >> shift;
}

static float bits_to_f32(uint64_t bits)
{
    uint32_t low = (uint32_t)bits;
    float value;
    memcpy(&value, &low, sizeof value);
    return value;
}

static double bits_to_f64(uint64_t bits)
{
    double value;
    memcpy(&value, &bits, sizeof value);
    return value;
}

double ran_elem_decode(ran_elem elem, uint64_t bits)
{
    switch (elem) {
    case RAN_ELEM_F64:
    case RAN_ELEM_C128:
        return bits_to_f64(bits);
    case RAN_ELEM_F32:
    case RAN_ELEM_C64: /* the real part comes first */
        return bits_to_f32(bits);
    case RAN_ELEM_BOOL:
        return bits != 0;
    default:
        break;
    }
    if (ran_elem_is_signed_int(elem))
        return (double)sign_extend(bits, rows[elem].bits);
    return ran_elem_is_float(elem) ? decode(format_of(elem), (uint32_t)bits) : (double)bits;
}

/* Truncates towards zero; what does not fit goes to the nearest end, NaN to 0. */
static uint64_t f64_to_int(ran_elem elem, double value)
{
    unsigned bits = rows[elem].bits;
    bool is_signed = ran_elem_is_signed_int(elem);
    double high = ldexp(1, (int)(is_signed ? bits - 1 : bits));
    double low = is_signed ? -high : 0;
    if (isnan(value))
        return 0;
    value = trunc(value);
    if (value >= high)
        return is_signed ? (UINT64_C(1) << (bits - 1)) - 1 : UINT64_MAX >> (64 - bits);
    if (value < low)
        value = low;
    return is_signed ? (uint64_t)(int64_t)value : (uint64_t)value;
}

static uint64_t f32_bits(float value)
{
    uint32_t bits;
    memcpy(&bits, &value, sizeof bits);
    return bits;
}

uint64_t ran_elem_encode(ran_elem elem, double value, bool saturate)
{
    switch (elem) {
    case RAN_ELEM_F64:
    case RAN_ELEM_C128: {
        uint64_t bits;
        memcpy(&bits, &value, sizeof bits);
        return bits;
    }
    case RAN_ELEM_F32:
    case RAN_ELEM_C64:
        return f32_bits((float)value);
    case RAN_ELEM_BOOL:
        return value != 0;
    default:
        break;
    }
    if (ran_elem_is_float(elem)) {
        const float_format *f = format_of(elem);
        return encode(f, value, saturate && f->saturates);
    }
    return f64_to_int(elem, value);
}

double ran_elem_load_f64(ran_elem elem, const void *data, int64_t index)
{
    return ran_elem_decode(elem, load_bits(elem, data, index));
}

void ran_elem_store_f64(ran_elem elem, void *data, int64_t index, double value)
{
    store_bits(elem, data, index, ran_elem_encode(elem, value, true));
}

int64_t ran_elem_load_i64(ran_elem elem, const void *data, int64_t index)
{
    uint64_t bits = load_bits(elem, data, index);
    if (elem == RAN_ELEM_BOOL)
        return bits != 0;
    if (ran_elem_is_signed_int(elem))
        return sign_extend(bits, rows[elem].bits);
    if (ran_elem_is_unsigned_int(elem))
        return (int64_t)bits;
    return (int64_t)f64_to_int(RAN_ELEM_I64, ran_elem_decode(elem, bits));
}

/* An f64 that rounds to every narrower format as `value` would: what f64 can't hold is rounded to
 * odd, so that the last rounding sees whether anything was cut off. */
static double i64_to_sticky_f64(int64_t value)
{
    uint64_t magnitude = value < 0 ? -(uint64_t)value : (uint64_t)value;
    if (magnitude >> 53) {
        uint64_t cut = magnitude & 0x7ff;
        magnitude = (magnitude & ~UINT64_C(0x7ff)) | (cut ? 0x800 : 0);
    }
    return value < 0 ? -(double)magnitude : (double)magnitude;
}

void ran_elem_store_i64(ran_elem elem, void *data, int64_t index, int64_t value)
{
    uint64_t bits;
    if (elem == RAN_ELEM_BOOL)
        bits = value != 0;
    else if (ran_elem_is_int(elem))
        bits = (uint64_t)value; /* wraps */
    else if (elem == RAN_ELEM_F64 || elem == RAN_ELEM_C128)
        bits = ran_elem_encode(elem, (double)value, true);
    else
        bits = ran_elem_encode(elem, i64_to_sticky_f64(value), true);
    store_bits(elem, data, index, bits);
}
