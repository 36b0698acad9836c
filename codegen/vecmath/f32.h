/* SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception */
/*
 * f32 forms of v_*. What networks use all the time is computed in f32; the rest goes through f64,
 * where the result is right by a wide margin. Included by vec.h.
 */
#ifndef CODEGEN_VECMATH_F32_H
#define CODEGEN_VECMATH_F32_H

/* Adding 1.5 * 2^23 rounds to an integer, which then stands in the low bits. */
#define V_MAGIC_F32 12582912.0f
#define V_INF_F32 __builtin_inff()
#define V_NAN_F32 __builtin_nanf("")
#define V_LN2_HIGH_F32 0.693359375f
#define V_LN2_LOW_F32 -2.12194440e-4f
#define V_LOG2E_F32 1.44269504f
#define V_SQRT_HALF_BITS_F32 0x3f3504f3

RAN_INLINE ran_vf64 v_widen(ran_vf32 x)
{
    return __builtin_convertvector(x, ran_vf64);
}

RAN_INLINE ran_vf32 v_narrow(ran_vf64 x)
{
    return __builtin_convertvector(x, ran_vf32);
}

RAN_INLINE ran_vf32 v_abs_f32(ran_vf32 x)
{
    return (ran_vf32)((ran_vi32)x & INT32_MAX);
}

/* The magnitude of x with the sign of s. */
RAN_INLINE ran_vf32 v_copysign_f32(ran_vf32 x, ran_vf32 s)
{
    return (ran_vf32)(((ran_vi32)x & INT32_MAX) | ((ran_vi32)s & INT32_MIN));
}

RAN_INLINE ran_vf32 v_div_f32(ran_vf32 x, ran_vf32 y)
{
    return x / y;
}

RAN_INLINE ran_vf32 v_sqrt_f32(ran_vf32 x)
{
#ifdef __clang__
    return __builtin_elementwise_sqrt(x);
#else
    ran_vf32 y = x;
    for (int i = 0; i < RAN_VL; i++)
        y[i] = __builtin_sqrtf(x[i]);
    return y;
#endif
}

RAN_INLINE ran_vf32 v_round_f32(ran_vf32 x)
{
    ran_vf32 a = v_abs_f32(x), big = v_splat(x, 0x1p23f);
    return v_copysign_f32(v_select(a < big, (a + big) - big, a), x);
}

RAN_INLINE ran_vf32 v_floor_f32(ran_vf32 x)
{
    ran_vf32 r = v_round_f32(x);
    return v_select(r > x, r - 1.0f, r);
}

RAN_INLINE ran_vf32 v_ceil_f32(ran_vf32 x)
{
    ran_vf32 r = v_round_f32(x);
    return v_copysign_f32(v_select(r < x, r + 1.0f, r), x);
}

/* p * 2^n for -254 < n < 254, in two steps so that denormal results are rounded once. */
RAN_INLINE ran_vf32 v_scale_f32(ran_vf32 p, ran_vi32 n)
{
    ran_vi32 half = n >> 1;
    return p * (ran_vf32)((half + 127) << 23) * (ran_vf32)((n - half + 127) << 23);
}

/* x = n log(2) + r; |x| < 2^9. */
RAN_INLINE ran_vf32 v_reduce_exp_f32(ran_vf32 x, ran_vi32 *n)
{
    ran_vf32 t = x * V_LOG2E_F32 + V_MAGIC_F32;
    *n = (ran_vi32)t - (ran_vi32)v_splat(t, V_MAGIC_F32);
    t = t - V_MAGIC_F32;
    return (x - t * V_LN2_HIGH_F32) - t * V_LN2_LOW_F32;
}

RAN_INLINE ran_vf32 v_exp_reduced_f32(ran_vf32 r)
{
    return 1.0f + (r + r * r * v_exp_poly_f32(r));
}

RAN_INLINE ran_vf32 v_exp_f32(ran_vf32 x)
{
    ran_vi32 n;
    ran_vf32 r = v_reduce_exp_f32(v_clamp(x, -104.0f, 89.0f), &n);
    return v_scale_f32(v_exp_reduced_f32(r), n);
}

/* For x in [-20, 89]. */
RAN_INLINE ran_vf32 v_expm1_bounded_f32(ran_vf32 x)
{
    ran_vi32 n;
    ran_vf32 r = v_reduce_exp_f32(x, &n);
    ran_vf32 p = r + r * r * v_exp_poly_f32(r);
    ran_vf32 half_scale = (ran_vf32)((n + 126) << 23);
    ran_vf32 y = (p * half_scale + (half_scale - 0.5f)) * 2.0f;
    return v_select(v_abs_f32(x) < v_splat(x, 0x1p-25f), x, y);
}

RAN_INLINE ran_vf32 v_expm1_f32(ran_vf32 x)
{
    return v_expm1_bounded_f32(v_clamp(x, -20.0f, 89.0f));
}

/* An integer of less than 2^22 as f32. */
RAN_INLINE ran_vf32 v_from_small_i32(ran_vi32 n)
{
    return (ran_vf32)(n + (ran_vi32)v_splat((ran_vf32)n, V_MAGIC_F32)) - V_MAGIC_F32;
}

/* log(2^e (1 + f)) for 1 + f in [sqrt(1/2), sqrt(2)]. */
RAN_INLINE ran_vf32 v_log_reduced_f32(ran_vf32 e, ran_vf32 f)
{
    ran_vf32 z = f * f;
    ran_vf32 tail = z * f * v_log_poly_f32(f) + e * V_LN2_LOW_F32 - z * 0.5f;
    return e * V_LN2_HIGH_F32 + (f + tail);
}

RAN_INLINE ran_vf32 v_log_special_f32(ran_vf32 x, ran_vf32 y)
{
    y = v_select(x == v_splat(x, V_INF_F32), x, y);
    y = v_select(x == v_zero(x), v_splat(x, -V_INF_F32), y);
    return v_select((x < v_zero(x)) | (x != x), v_splat(x, V_NAN_F32), y);
}

/* x = 2^e m with m in [sqrt(1/2), sqrt(2)); x positive. */
RAN_INLINE ran_vf32 v_split_log_f32(ran_vf32 x, ran_vi32 *e)
{
    ran_vi32 small = (ran_vi32)(x < v_splat(x, 0x1p-126f));
    ran_vi32 bits = (ran_vi32)v_select(small, x * 0x1p23f, x) - V_SQRT_HALF_BITS_F32;
    *e = (bits >> 23) - (small & 23);
    return (ran_vf32)((bits & 0x7fffff) + V_SQRT_HALF_BITS_F32);
}

RAN_INLINE ran_vf32 v_log_f32(ran_vf32 x)
{
    ran_vi32 e;
    ran_vf32 f = v_split_log_f32(x, &e) - 1.0f;
    return v_log_special_f32(x, v_log_reduced_f32(v_from_small_i32(e), f));
}

/* log of u = 1 + x; what the sum lost is added to the reduced argument. */
RAN_INLINE ran_vf32 v_log1p_f32(ran_vf32 x)
{
    ran_vf32 u = x + 1.0f, back = u - 1.0f;
    ran_vf32 lost = (1.0f - (u - back)) + (x - back);
    ran_vi32 e;
    ran_vf32 f = v_split_log_f32(u, &e) - 1.0f;
    ran_vi32 scale = v_select(e > v_splat(e, 30), v_zero(e), (127 - e) << 23);
    f = f + lost * (ran_vf32)scale;
    ran_vf32 y = v_log_special_f32(u, v_log_reduced_f32(v_from_small_i32(e), f));
    return v_select(v_abs_f32(x) < v_splat(x, 0x1p-25f), x, y);
}

/* exp(-|x|) never overflows, and 1 / (1 + e) loses nothing on either side. */
RAN_INLINE ran_vf32 v_sigmoid_f32(ran_vf32 x)
{
    ran_vf32 e = v_exp_f32(-v_abs_f32(x));
    return v_select(x < v_zero(x), e, v_splat(x, 1)) / (e + 1.0f);
}

RAN_INLINE ran_vf32 v_tanh_f32(ran_vf32 x)
{
    ran_vf32 a = v_abs_f32(x);
    ran_vf32 t = v_expm1_bounded_f32(v_select(a > v_splat(a, 10), v_splat(a, 10), a) * 2.0f);
    return v_copysign_f32(t / (t + 2.0f), x);
}

RAN_INLINE ran_vf32 v_softplus_f32(ran_vf32 x)
{
    return v_log1p_f32(v_exp_f32(-v_abs_f32(x))) + v_select(x > v_zero(x), x, v_zero(x));
}

/* w (a + 4) erfc(a / sqrt(2)) / 2 for 0 <= a <= 14.5, u = (a - 4) / (a + 4): the square is taken in
 * two parts, the first one exact. */
RAN_INLINE ran_vf32 v_normal_tail_f32(ran_vf32 a, ran_vf32 u, ran_vf32 w)
{
    ran_vf32 high = (ran_vf32)((ran_vi32)a & -0x1000);
    ran_vf32 square = high * high * -0.5f, rest = (a - high) * (a + high) * -0.5f;
    ran_vi32 n;
    ran_vf32 r = v_reduce_exp_f32(square, &n) + rest;
    ran_vf32 g = v_tail_poly_f32(u);
    return v_scale_f32((g + g * (r + r * r * v_exp_poly_f32(r))) * w, n);
}

RAN_INLINE ran_vf32 v_erf_f32(ran_vf32 x)
{
    ran_vf32 a = v_abs_f32(x), t = a * 1.41421356f;
    t = v_select(t > v_splat(t, 14.5f), v_splat(t, 14.5f), t);
    ran_vf32 near = x * v_erf_poly_f32(x * x), w = 2.0f / (t + 4.0f);
    ran_vf32 far = 1.0f - v_normal_tail_f32(t, 1.0f - w * 4.0f, w);
    return v_select(a < v_splat(a, 1), near, v_copysign_f32(far, x));
}

/* w = a / (a + 4) is rounded once and gives u = 2 w - 1 too: with a division for u and a product
 * for w, the tail would be off by more than 4 ulp. */
RAN_INLINE ran_vf32 v_gelu_erf_f32(ran_vf32 x)
{
    ran_vf32 bounded = v_clamp(x, -14.5f, 14.5f), a = v_abs_f32(bounded);
    ran_vf32 w = bounded / (a + 4.0f);
    ran_vf32 z = v_normal_tail_f32(a, v_abs_f32(w) * 2.0f - 1.0f, w);
    ran_vf32 near = x * 0.5f + x * x * v_erf_poly_f32(x * x * 0.5f) * 0.353553391f;
    return v_select(v_abs_f32(x) < v_splat(x, 0.7f), near, v_select(x < v_zero(x), z, x - z));
}

/* x / (1 + exp(-v)) with v = sqrt(8 / pi) (x + 0.044715 x^3), reduced in f64: it reaches 100, where
 * rounding it to f32 would cost many ulp. */
RAN_INLINE ran_vf32 v_gelu_tanh_f32(ran_vf32 x)
{
    ran_vf32 bounded = v_clamp(x, -11.0f, 11.0f);
    ran_vf64 a = v_widen(v_abs_f32(bounded));
    ran_vi64 n;
    ran_vf64 reduced = v_reduce_exp_f64(-a * (1.5957691216057308 + a * a * 0.07135481627260025), &n);
    ran_vi32 exponent = __builtin_convertvector(n, ran_vi32);
    ran_vf32 p = v_exp_reduced_f32(v_narrow(reduced));
    ran_vf32 above = x / (v_scale_f32(p, exponent) + 1.0f);
    ran_vf32 below = v_scale_f32(p * bounded / (v_scale_f32(p, exponent) + 1.0f), exponent);
    return v_select(x < v_zero(x), below, above);
}

#define V_THROUGH_F64(function)                                                                    \
    RAN_INLINE ran_vf32 v_##function##_f32(ran_vf32 x)                                             \
    {                                                                                              \
        return v_narrow(v_##function##_f64(v_widen(x)));                                           \
    }
V_THROUGH_F64(sin)
V_THROUGH_F64(cos)
V_THROUGH_F64(tan)
V_THROUGH_F64(asin)
V_THROUGH_F64(acos)
V_THROUGH_F64(atan)
V_THROUGH_F64(sinh)
V_THROUGH_F64(cosh)
V_THROUGH_F64(asinh)
V_THROUGH_F64(acosh)
V_THROUGH_F64(atanh)
#undef V_THROUGH_F64

RAN_INLINE ran_vf32 v_pow_f32(ran_vf32 x, ran_vf32 y)
{
    ran_vf64 wide_x = v_widen(x), wide_y = v_widen(y);
    ran_vf64 r = v_exp_f64(v_log_f64(v_abs_f64(wide_x)) * wide_y);
    return v_narrow(v_pow_special_f64(wide_x, wide_y, r));
}

/* The quotient of two f32 is far within the range of f64: one step of v_fmod_f64. */
RAN_INLINE ran_vf32 v_fmod_f32(ran_vf32 x, ran_vf32 y)
{
    ran_vf64 r = v_abs_f64(v_widen(x)), b = v_abs_f64(v_widen(y)), infinity = v_splat(r, V_INF_F64);
    ran_vi64 valid = (ran_vi64)((r < infinity) & (b > v_zero(b)) & (b < infinity));
    ran_vf64 defined = v_select((r < infinity) & (b == infinity), r, v_splat(r, V_NAN_F64));
    r = v_select(valid, v_remainder_f64(r, b, valid), defined);
    return v_copysign_f32(v_narrow(r), x);
}

RAN_INLINE ran_vf32 v_mod_f32(ran_vf32 x, ran_vf32 y)
{
    ran_vf32 r = v_fmod_f32(x, y);
    return v_select((r != v_zero(r)) & ((r < v_zero(r)) != (y < v_zero(y))), r + y, r);
}

#endif
