/* SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception */
/*
 * elementwise.def as functions on one vector of RAN_VL lanes:
 *
 *   ran_ew_<name>_<elem>(result, x[, y[, z]], a0, a1)
 *
 * for each element type that the row is built for. Attributes are f64 whatever the element. Booleans
 * are ran_vu8 of 0 and 1. Ops without a row of their own follow: mod (a0: fmod), bit_shift (a0: 1 to
 * the left), is_inf (a0: detect_negative, a1: detect_positive), clip (x, min, max; an absent bound
 * is the type's lowest or highest value), where (condition, x, y).
 *
 *   ran_ew_load_f16(ran_vf32 *, const void *), ran_ew_store_f16(void *, const ran_vf32 *), and the
 *   same for bf16: by integer arithmetic, since not every target converts; round to nearest even,
 *   NaN stays NaN.
 */
#include "codegen/vecmath/vec.h"

#define V_FUNCTION __attribute__((always_inline)) void

#define RAN_elem_f32 float
#define RAN_elem_f64 double
#define RAN_elem_i8 int8_t
#define RAN_elem_i16 int16_t
#define RAN_elem_i32 int32_t
#define RAN_elem_i64 int64_t
#define RAN_elem_u8 uint8_t
#define RAN_elem_u16 uint16_t
#define RAN_elem_u32 uint32_t
#define RAN_elem_u64 uint64_t
#undef bool /* stands for itself in names */
typedef ran_vu8 ran_vbool;
#define RAN_elem_bool uint8_t

/* 0 or 1 in u8 of a comparison of vectors of `type`, or of a kernel that is boolean already. */
#define V_MASK_TO_BOOL(mask) (__builtin_convertvector((mask), ran_vu8) & 1)
#define V_AS_IT_IS(value) (value)

#define V_UNARY_ONE(name, elem, result, convert, kernel)                                           \
    V_FUNCTION ran_ew_##name##_##elem(void *out, const void *in, double d0, double d1);            \
    V_FUNCTION ran_ew_##name##_##elem(void *out, const void *in, double d0, double d1)             \
    {                                                                                              \
        ran_v##elem x = *(const ran_v##elem *)in;                                                  \
        RAN_elem_##elem a0 = (RAN_elem_##elem)d0, a1 = (RAN_elem_##elem)d1;                        \
        (void)a0;                                                                                  \
        (void)a1;                                                                                  \
        *(ran_v##result *)out = convert(kernel);                                                   \
    }
#define V_BINARY_ONE(name, elem, result, convert, kernel)                                          \
    V_FUNCTION ran_ew_##name##_##elem(void *out, const void *in, const void *in2, double d0,       \
                                      double d1);                                                  \
    V_FUNCTION ran_ew_##name##_##elem(void *out, const void *in, const void *in2, double d0,       \
                                      double d1)                                                   \
    {                                                                                              \
        ran_v##elem x = *(const ran_v##elem *)in, y = *(const ran_v##elem *)in2;                   \
        RAN_elem_##elem a0 = (RAN_elem_##elem)d0, a1 = (RAN_elem_##elem)d1;                        \
        (void)a0;                                                                                  \
        (void)a1;                                                                                  \
        *(ran_v##result *)out = convert(kernel);                                                   \
    }

/* The classes of the kernel column: one(name, elem, result, convert, kernel) for each element. */
#define V_FLOAT(one, name, ...)                                                                    \
    one(name, f32, f32, V_AS_IT_IS, (__VA_ARGS__)) one(name, f64, f64, V_AS_IT_IS, (__VA_ARGS__))
#define V_INTEGER(one, name, ...)                                                                  \
    one(name, i8, i8, V_AS_IT_IS, (__VA_ARGS__)) one(name, i16, i16, V_AS_IT_IS, (__VA_ARGS__))    \
    one(name, i32, i32, V_AS_IT_IS, (__VA_ARGS__)) one(name, i64, i64, V_AS_IT_IS, (__VA_ARGS__))  \
    one(name, u8, u8, V_AS_IT_IS, (__VA_ARGS__)) one(name, u16, u16, V_AS_IT_IS, (__VA_ARGS__))    \
    one(name, u32, u32, V_AS_IT_IS, (__VA_ARGS__)) one(name, u64, u64, V_AS_IT_IS, (__VA_ARGS__))
#define V_FLOAT_TO_BOOL(one, name, ...)                                                            \
    one(name, f32, bool, V_MASK_TO_BOOL, (__VA_ARGS__))                                            \
    one(name, f64, bool, V_MASK_TO_BOOL, (__VA_ARGS__))
#define V_INTEGER_TO_BOOL(one, name, ...)                                                          \
    one(name, i8, bool, V_MASK_TO_BOOL, (__VA_ARGS__))                                             \
    one(name, i16, bool, V_MASK_TO_BOOL, (__VA_ARGS__))                                            \
    one(name, i32, bool, V_MASK_TO_BOOL, (__VA_ARGS__))                                            \
    one(name, i64, bool, V_MASK_TO_BOOL, (__VA_ARGS__))                                            \
    one(name, u8, bool, V_MASK_TO_BOOL, (__VA_ARGS__))                                             \
    one(name, u16, bool, V_MASK_TO_BOOL, (__VA_ARGS__))                                            \
    one(name, u32, bool, V_MASK_TO_BOOL, (__VA_ARGS__))                                            \
    one(name, u64, bool, V_MASK_TO_BOOL, (__VA_ARGS__))

#define V_CLASS_F(...) V_FLOAT, (__VA_ARGS__)
#define V_CLASS_I(...) V_INTEGER, (__VA_ARGS__)
#define V_CLASS_FI(...) V_FLOAT_INTEGER, (__VA_ARGS__)
#define V_CLASS_B(...) V_BOOL, (__VA_ARGS__)
#define V_CLASS_F_TO_B(...) V_FLOAT_TO_BOOL, (__VA_ARGS__)
#define V_CLASS_FI_TO_B(...) V_FLOAT_INTEGER_TO_BOOL, (__VA_ARGS__)
#define V_CLASS_FIB_TO_B(...) V_ALL_TO_BOOL, (__VA_ARGS__)
#define V_FLOAT_INTEGER(one, name, ...)                                                            \
    V_FLOAT(one, name, __VA_ARGS__) V_INTEGER(one, name, __VA_ARGS__)
#define V_BOOL(one, name, ...) one(name, bool, bool, V_AS_IT_IS, (__VA_ARGS__))
#define V_FLOAT_INTEGER_TO_BOOL(one, name, ...)                                                    \
    V_FLOAT_TO_BOOL(one, name, __VA_ARGS__) V_INTEGER_TO_BOOL(one, name, __VA_ARGS__)
#define V_ALL_TO_BOOL(one, name, ...)                                                              \
    V_FLOAT_INTEGER_TO_BOOL(one, name, __VA_ARGS__)                                                \
    one(name, bool, bool, V_MASK_TO_BOOL, (__VA_ARGS__))

#define V_EXPAND(one, name, ...) V_APPLY(one, name, __VA_ARGS__)
#define V_APPLY(one, name, class, kernel) class(one, name, kernel)

#define RAN_UNARY(ENUM, name, reference, kernel, ...)                                              \
    V_EXPAND(V_UNARY_ONE, name, V_CLASS_##kernel)
#define RAN_BINARY(ENUM, name, reference, kernel, ...)                                             \
    V_EXPAND(V_BINARY_ONE, name, V_CLASS_##kernel)
#include <ran/elementwise.def>

/* ---- Ops that have no row --------------------------------------------------------------------- */

#define V_MOD(x, y, a0) (a0 != 0 ? v_fmod(x, y) : v_mod(x, y))
V_FLOAT_INTEGER(V_BINARY_ONE, mod, V_MOD(x, y, a0))

#define V_SHIFT(elem)                                                                              \
    V_BINARY_ONE(bit_shift, elem, elem, V_AS_IT_IS,                                                \
                 (a0 != 0 ? v_shift_left_##elem(x, y) : v_shift_right_##elem(x, y)))
V_SHIFT(i8)
V_SHIFT(i16)
V_SHIFT(i32)
V_SHIFT(i64)
V_SHIFT(u8)
V_SHIFT(u16)
V_SHIFT(u32)
V_SHIFT(u64)

#define V_NEVER(x) (v_zero(x) != v_zero(x))
#define V_IS_INF(x)                                                                                \
    ((a0 != 0 ? x == v_splat(x, -__builtin_inf()) : V_NEVER(x)) |                                  \
     (a1 != 0 ? x == v_splat(x, __builtin_inf()) : V_NEVER(x)))
V_FLOAT_TO_BOOL(V_UNARY_ONE, is_inf, V_IS_INF(x))

#define V_TERNARY_ONE(name, first, elem, kernel)                                                   \
    V_FUNCTION ran_ew_##name##_##elem(void *out, const void *in, const void *in2, const void *in3, \
                                      double d0, double d1);                                       \
    V_FUNCTION ran_ew_##name##_##elem(void *out, const void *in, const void *in2, const void *in3, \
                                      double d0, double d1)                                        \
    {                                                                                              \
        ran_v##first x = *(const ran_v##first *)in;                                                \
        ran_v##elem y = *(const ran_v##elem *)in2, z = *(const ran_v##elem *)in3;                  \
        (void)d0;                                                                                  \
        (void)d1;                                                                                  \
        *(ran_v##elem *)out = kernel;                                                              \
    }
#define V_CLIP(elem) V_TERNARY_ONE(clip, elem, elem, (v_min(v_max(x, y), z)))
#define V_WHERE(elem)                                                                              \
    V_TERNARY_ONE(where, bool, elem,                                                               \
                  (v_select(__builtin_convertvector(x, __typeof__(y == z)) != 0, y, z)))
V_CLIP(f32)
V_CLIP(f64)
V_CLIP(i8)
V_CLIP(i16)
V_CLIP(i32)
V_CLIP(i64)
V_CLIP(u8)
V_CLIP(u16)
V_CLIP(u32)
V_CLIP(u64)
V_WHERE(f32)
V_WHERE(f64)
V_WHERE(i8)
V_WHERE(i16)
V_WHERE(i32)
V_WHERE(i64)
V_WHERE(u8)
V_WHERE(u16)
V_WHERE(u32)
V_WHERE(u64)
V_WHERE(bool)

/* ---- Half precision --------------------------------------------------------------------------- */

V_FUNCTION ran_ew_load_bf16(ran_vf32 *out, const void *in);
V_FUNCTION ran_ew_load_bf16(ran_vf32 *out, const void *in)
{
    ran_vu32 bits = __builtin_convertvector(*(const ran_vu16 *)in, ran_vu32);
    *out = (ran_vf32)(bits << 16);
}

V_FUNCTION ran_ew_store_bf16(void *out, const ran_vf32 *in);
V_FUNCTION ran_ew_store_bf16(void *out, const ran_vf32 *in)
{
    ran_vu32 bits = (ran_vu32)*in;
    ran_vu32 rounded = bits + 0x7fff + ((bits >> 16) & 1);
    bits = v_select((bits & INT32_MAX) > v_splat(bits, 0x7f800000), bits | 0x400000, rounded);
    *(ran_vu16 *)out = __builtin_convertvector(bits >> 16, ran_vu16);
}

/* Exponent and mantissa moved up are a value 2^-112 too small; multiplying normalises denormals. */
V_FUNCTION ran_ew_load_f16(ran_vf32 *out, const void *in);
V_FUNCTION ran_ew_load_f16(ran_vf32 *out, const void *in)
{
    ran_vu32 half = __builtin_convertvector(*(const ran_vu16 *)in, ran_vu32);
    ran_vu32 magnitude = (half & 0x7fff) << 13;
    ran_vf32 finite = (ran_vf32)magnitude * 0x1p112f;
    ran_vf32 special = (ran_vf32)(magnitude | 0x7f800000);
    ran_vf32 value = v_select(magnitude >= v_splat(magnitude, 0x7c00 << 13), special, finite);
    *out = (ran_vf32)((ran_vu32)value | (half & 0x8000) << 16);
}

/* Below 2^-14 the addition of 2^-1 leaves the denormal's bits, rounded; else the carry of rounding
 * in the integer goes into the exponent, up to infinity. */
V_FUNCTION ran_ew_store_f16(void *out, const ran_vf32 *in);
V_FUNCTION ran_ew_store_f16(void *out, const ran_vf32 *in)
{
    ran_vu32 bits = (ran_vu32)*in, sign = (bits >> 16) & 0x8000;
    bits = bits & INT32_MAX;
    ran_vu32 denormal = (ran_vu32)((ran_vf32)bits + 0.5f) - 0x3f000000;
    ran_vu32 normal = (bits + 0xfff + ((bits >> 13) & 1) - (112 << 23)) >> 13;
    ran_vu32 half = v_select(bits < v_splat(bits, 113 << 23), denormal, normal);
    half = v_select(bits >= v_splat(bits, 0x47800000), v_splat(bits, 0x7c00), half);
    half = v_select(bits > v_splat(bits, 0x7f800000), 0x7e00 | (bits >> 13 & 0x3ff), half);
    *(ran_vu16 *)out = __builtin_convertvector(half | sign, ran_vu16);
}
