/* SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception */
/* f64 forms of v_*. Included by vec.h. */
#ifndef CODEGEN_VECMATH_F64_H
#define CODEGEN_VECMATH_F64_H

/* Adding 1.5 * 2^52 rounds to an integer, which then stands in the low bits. */
#define V_MAGIC_F64 6755399441055744.0
#define V_INF_F64 __builtin_inf()
#define V_NAN_F64 __builtin_nan("")
#define V_LN2_HIGH_F64 0x1.62e42fefa3800p-1
#define V_LN2_LOW_F64 0x1.ef35793c76730p-45
#define V_LOG2E_F64 0x1.71547652b82fep+0
#define V_SQRT_HALF_BITS_F64 0x3fe6a09e667f3bcd
#define V_SIGN_F64 INT64_MIN

RAN_INLINE ran_vf64 v_abs_f64(ran_vf64 x)
{
    return (ran_vf64)((ran_vi64)x & INT64_MAX);
}

/* The magnitude of x with the sign of s. */
RAN_INLINE ran_vf64 v_copysign_f64(ran_vf64 x, ran_vf64 s)
{
    return (ran_vf64)(((ran_vi64)x & INT64_MAX) | ((ran_vi64)s & V_SIGN_F64));
}

RAN_INLINE ran_vf64 v_div_f64(ran_vf64 x, ran_vf64 y)
{
    return x / y;
}

RAN_INLINE ran_vf64 v_sqrt_f64(ran_vf64 x)
{
#ifdef __clang__
    return __builtin_elementwise_sqrt(x);
#else
    ran_vf64 y = x;
    for (int i = 0; i < RAN_VL; i++)
        y[i] = __builtin_sqrt(x[i]);
    return y;
#endif
}

RAN_INLINE ran_vf64 v_round_f64(ran_vf64 x)
{
    ran_vf64 a = v_abs_f64(x), big = v_splat(x, 0x1p52);
    return v_copysign_f64(v_select(a < big, (a + big) - big, a), x);
}

RAN_INLINE ran_vf64 v_floor_f64(ran_vf64 x)
{
    ran_vf64 r = v_round_f64(x);
    return v_select(r > x, r - 1.0, r);
}

RAN_INLINE ran_vf64 v_ceil_f64(ran_vf64 x)
{
    ran_vf64 r = v_round_f64(x);
    return v_copysign_f64(v_select(r < x, r + 1.0, r), x);
}

/* p * 2^n for -2100 < n < 2100, in two steps so that denormal results are rounded once. */
RAN_INLINE ran_vf64 v_scale_f64(ran_vf64 p, ran_vi64 n)
{
    ran_vi64 half = n >> 1;
    return p * (ran_vf64)((half + 1023) << 52) * (ran_vf64)((n - half + 1023) << 52);
}

/* x = n log(2) + r; |x| < 2^20. */
RAN_INLINE ran_vf64 v_reduce_exp_f64(ran_vf64 x, ran_vi64 *n)
{
    ran_vf64 t = x * V_LOG2E_F64 + V_MAGIC_F64;
    *n = (ran_vi64)t - (ran_vi64)v_splat(t, V_MAGIC_F64);
    t = t - V_MAGIC_F64;
    return (x - t * V_LN2_HIGH_F64) - t * V_LN2_LOW_F64;
}

RAN_INLINE ran_vf64 v_exp_f64(ran_vf64 x)
{
    ran_vi64 n;
    ran_vf64 r = v_reduce_exp_f64(v_clamp(x, -746.0, 710.0), &n);
    return v_scale_f64(1.0 + (r + r * r * v_exp_poly_f64(r)), n);
}

RAN_INLINE ran_vf64 v_expm1_f64(ran_vf64 x)
{
    ran_vi64 n;
    ran_vf64 r = v_reduce_exp_f64(v_clamp(x, -40.0, 710.0), &n);
    ran_vf64 p = r + r * r * v_exp_poly_f64(r);
    ran_vf64 half_scale = (ran_vf64)((n + 1022) << 52);
    ran_vf64 y = (p * half_scale + (half_scale - 0.5)) * 2.0;
    return v_select(v_abs_f64(x) < v_splat(x, 0x1p-54), x, y);
}

/* An integer of less than 2^51 as f64, without the conversion that narrow ISAs lack. */
RAN_INLINE ran_vf64 v_from_small_i64(ran_vi64 n)
{
    return (ran_vf64)(n + (ran_vi64)v_splat((ran_vf64)n, V_MAGIC_F64)) - V_MAGIC_F64;
}

/* log(2^e (1 + f)) for 1 + f in [sqrt(1/2), sqrt(2)]. */
RAN_INLINE ran_vf64 v_log_reduced_f64(ran_vf64 e, ran_vf64 f)
{
    ran_vf64 s = f / (f + 2.0), z = s * s, h = f * f * 0.5;
    ran_vf64 tail = s * (h + z * v_log_poly_f64(z)) + e * V_LN2_LOW_F64;
    return e * V_LN2_HIGH_F64 - ((h - tail) - f);
}

RAN_INLINE ran_vf64 v_log_special_f64(ran_vf64 x, ran_vf64 y)
{
    y = v_select(x == v_splat(x, V_INF_F64), x, y);
    y = v_select(x == v_zero(x), v_splat(x, -V_INF_F64), y);
    return v_select((x < v_zero(x)) | (x != x), v_splat(x, V_NAN_F64), y);
}

/* x = 2^e m with m in [sqrt(1/2), sqrt(2)); x positive. */
RAN_INLINE ran_vf64 v_split_log_f64(ran_vf64 x, ran_vi64 *e)
{
    ran_vi64 small = (ran_vi64)(x < v_splat(x, 0x1p-1022));
    ran_vi64 bits = (ran_vi64)v_select(small, x * 0x1p54, x) - V_SQRT_HALF_BITS_F64;
    *e = (bits >> 52) - (small & 54);
    return (ran_vf64)((bits & 0xfffffffffffff) + V_SQRT_HALF_BITS_F64);
}

RAN_INLINE ran_vf64 v_log_f64(ran_vf64 x)
{
    ran_vi64 e;
    ran_vf64 f = v_split_log_f64(x, &e) - 1.0;
    return v_log_special_f64(x, v_log_reduced_f64(v_from_small_i64(e), f));
}

/* log of u = 1 + x; what the sum lost is added to the reduced argument. */
RAN_INLINE ran_vf64 v_log1p_f64(ran_vf64 x)
{
    ran_vf64 u = x + 1.0, back = u - 1.0;
    ran_vf64 lost = (1.0 - (u - back)) + (x - back);
    ran_vi64 e;
    ran_vf64 f = v_split_log_f64(u, &e) - 1.0;
    ran_vi64 scale = v_select(e > v_splat(e, 60), v_zero(e), (1023 - e) << 52);
    f = f + lost * (ran_vf64)scale;
    ran_vf64 y = v_log_special_f64(u, v_log_reduced_f64(v_from_small_i64(e), f));
    return v_select(v_abs_f64(x) < v_splat(x, 0x1p-54), x, y);
}

RAN_INLINE ran_vf64 v_sigmoid_f64(ran_vf64 x)
{
    ran_vf64 e = v_exp_f64(-v_abs_f64(x));
    return v_select(x < v_zero(x), e, v_splat(x, 1)) / (e + 1.0);
}

RAN_INLINE ran_vf64 v_tanh_f64(ran_vf64 x)
{
    ran_vf64 t = v_expm1_f64(v_clamp(v_abs_f64(x), 0, 20) * 2.0);
    return v_copysign_f64(t / (t + 2.0), x);
}

RAN_INLINE ran_vf64 v_softplus_f64(ran_vf64 x)
{
    return v_log1p_f64(v_exp_f64(-v_abs_f64(x))) + v_select(x > v_zero(x), x, v_zero(x));
}

/* f * erfc(t / sqrt(2)) / 2 for t >= 0: the square is taken in two parts, the first one exact. */
RAN_INLINE ran_vf64 v_normal_tail_f64(ran_vf64 t, ran_vf64 f)
{
    ran_vf64 a = v_clamp(t, 0, 39);
    ran_vf64 high = (ran_vf64)((ran_vi64)a & -0x8000000);
    ran_vf64 square = high * high * -0.5, rest = (a - high) * (a + high) * -0.5;
    ran_vf64 d = 1.0 / (a + 4.0), u = (a - 4.0) * d;
    ran_vi64 n;
    ran_vf64 r = v_reduce_exp_f64(square, &n) + rest;
    ran_vf64 p = 1.0 + (r + r * r * v_exp_poly_f64(r));
    return v_scale_f64(p * v_tail_poly_f64(u) * d * f, n);
}

RAN_INLINE ran_vf64 v_erf_f64(ran_vf64 x)
{
    ran_vf64 a = v_abs_f64(x);
    ran_vf64 near = x * v_erf_poly_f64(x * x);
    ran_vf64 far = 1.0 - v_normal_tail_f64(a * 0x1.6a09e667f3bcdp+0, v_splat(x, 2));
    return v_select(a < v_splat(a, 1), near, v_copysign_f64(far, x));
}

RAN_INLINE ran_vf64 v_gelu_erf_f64(ran_vf64 x)
{
    ran_vf64 z = v_normal_tail_f64(v_abs_f64(x), v_clamp(x, -39, 39));
    ran_vf64 near = x * 0.5 + x * x * v_erf_poly_f64(x * x * 0.5) * 0x1.6a09e667f3bcdp-2;
    return v_select(v_abs_f64(x) < v_splat(x, 1), near, v_select(x < v_zero(x), z, x - z));
}

RAN_INLINE ran_vf64 v_gelu_tanh_f64(ran_vf64 x)
{
    return x * v_sigmoid_f64(x * (1.5957691216057308 + 0.07135481627260025 * x * x));
}

/* ---- Trigonometry --------------------------------------------------------------------------- */

/* Bits of 2 / pi behind the point. */
static const uint64_t v_two_over_pi[20] = {
    0xa2f9836e4e441529, 0xfc2757d1f534ddc0, 0xdb6295993c439041, 0xfe5163abdebbc561,
    0xb7246e3a424dd2e0, 0x06492eea09d1921c, 0xfe1deb1cb129a73e, 0xe88235f52ebb4484,
    0xe99c7026b45f7e41, 0x3991d639835339f4, 0x9c845f8bbdf9283b, 0x1ff897ffde05980f,
    0xef2f118b5a0a6d1f, 0x6d367ecf27cb09b7, 0x4f463f669e5fea2d, 0x7527bac7ebe5f17b,
    0x3d0739f78a5292ea, 0x6bfb5fb11f8d5d08, 0x56033046fc7b6bab, 0xf0cfbc209af4361d,
};

/* 64 bits of 2 / pi from bit `at` on. */
RAN_INLINE uint64_t v_two_over_pi_bits(int64_t at)
{
    uint64_t high = v_two_over_pi[at >> 6] << (at & 63);
    return at & 63 ? high | v_two_over_pi[(at >> 6) + 1] >> (64 - (at & 63)) : high;
}

/* x = n pi/2 + r for one large x (Payne and Hanek): with m 2^e = |x|, only those bits of 2 / pi
 * whose product with m is below 4 in m 2^e 2 / pi are multiplied. */
RAN_INLINE double v_reduce_large(double x, int64_t *n)
{
    union {
        double f;
        uint64_t u;
    } bits = {x};
    int64_t biased = (bits.u >> 52) & 0x7ff;
    if (biased == 0x7ff) {
        *n = 0;
        return V_NAN_F64;
    }
    uint64_t m = (bits.u & 0xfffffffffffff) | (UINT64_C(1) << 52);
    int64_t first = biased - 1075 - 2; /* weight of that bit times 2^e: 2^1 */
    int64_t shift = first < 0 ? -first : 0;
    uint64_t w[3];
    for (int i = 0; i < 3; i++)
        w[i] = v_two_over_pi_bits(first + shift + 64 * i);
    if (shift) {
        w[2] = w[2] >> shift | w[1] << (64 - shift);
        w[1] = w[1] >> shift | w[0] << (64 - shift);
        w[0] = w[0] >> shift;
    }
    unsigned __int128 product = ((unsigned __int128)(m * w[0]) << 64) + (unsigned __int128)m * w[1] +
                                ((unsigned __int128)m * w[2] >> 64);
    uint64_t quadrant = ((uint64_t)(product >> 64) + (UINT64_C(1) << 61)) >> 62;
    product -= (unsigned __int128)quadrant << 126;
    bool negative = product >> 127;
    if (negative)
        product = -product;
    /* Times pi/2 in integers: r is rounded once. */
    int zeros = __builtin_clzll((uint64_t)(product >> 64) | 1);
    uint64_t top = (uint64_t)(product << zeros >> 64);
    double r = (double)(uint64_t)((unsigned __int128)top * 0xc90fdaa22168c235 >> 64);
    union {
        uint64_t u;
        double f;
    } scale = {(uint64_t)(1023 - 61 - zeros) << 52};
    r *= scale.f;
    *n = (bits.u >> 63) ? -(int64_t)quadrant : (int64_t)quadrant;
    return negative != (bits.u >> 63) ? -r : r;
}

/* x = n pi/2 + r, |r| <= pi/4; pi/2 in parts of 33 bits, so that products with n are exact. */
RAN_INLINE ran_vf64 v_reduce_trigonometric(ran_vf64 x, ran_vi64 *n)
{
    ran_vf64 limit = v_splat(x, 0x1p20);
    ran_vi64 large = (ran_vi64)~(v_abs_f64(x) < limit);
    ran_vf64 s = v_select(large, v_zero(x), x);
    ran_vf64 t = s * 0x1.45f306dc9c883p-1 + V_MAGIC_F64;
    *n = (ran_vi64)t - (ran_vi64)v_splat(t, V_MAGIC_F64);
    t = t - V_MAGIC_F64;
    ran_vf64 a = s - t * 0x1.921fb54400000p+0, w = t * 0x1.0b4611a600000p-34;
    ran_vf64 high = a - w, back = a - high;
    ran_vf64 low = (a - (high + back)) + (back - w);
    ran_vf64 r = high + (low - t * 0x1.3198a2e037073p-69);
    if (__builtin_expect(v_any(large), 0)) {
        for (int i = 0; i < RAN_VL; i++) {
            if (!large[i])
                continue;
            int64_t quadrant;
            r[i] = v_reduce_large(x[i], &quadrant);
            (*n)[i] = quadrant;
        }
    }
    return r;
}

/* sin(r + n pi/2). */
RAN_INLINE ran_vf64 v_sin_quadrant(ran_vf64 r, ran_vi64 n)
{
    ran_vf64 z = r * r;
    ran_vf64 sine = r + r * z * v_sin_poly_f64(z);
    ran_vf64 cosine = 1.0 - (z * 0.5 - z * z * v_cos_poly_f64(z));
    ran_vf64 y = v_select((n & 1) != v_zero(n), cosine, sine);
    return (ran_vf64)((ran_vi64)y ^ ((n & 2) << 62));
}

RAN_INLINE ran_vf64 v_sin_f64(ran_vf64 x)
{
    ran_vi64 n;
    ran_vf64 r = v_reduce_trigonometric(x, &n);
    return v_select(v_abs_f64(x) < v_splat(x, 0x1p-27), x, v_sin_quadrant(r, n));
}

RAN_INLINE ran_vf64 v_cos_f64(ran_vf64 x)
{
    ran_vi64 n;
    ran_vf64 r = v_reduce_trigonometric(x, &n);
    return v_sin_quadrant(r, n + 1);
}

RAN_INLINE ran_vf64 v_tan_f64(ran_vf64 x)
{
    ran_vi64 n;
    ran_vf64 r = v_reduce_trigonometric(x, &n);
    ran_vf64 y = v_sin_quadrant(r, n) / v_sin_quadrant(r, n + 1);
    return v_select(v_abs_f64(x) < v_splat(x, 0x1p-27), x, y);
}

#define V_HALF_PI_HIGH 0x1.921fb54442d18p+0
#define V_HALF_PI_LOW 0x1.1a62633145c07p-54

RAN_INLINE ran_vf64 v_atan_f64(ran_vf64 x)
{
    ran_vf64 a = v_abs_f64(x);
    ran_vi64 inverted = (ran_vi64)(a > v_splat(a, 1));
    a = v_select(inverted, 1.0 / a, a);
    ran_vi64 turned = (ran_vi64)(a > v_splat(a, 0x1.a827999fcef32p-2)); /* tan(pi/8) */
    ran_vf64 t = v_select(turned, (a - 1.0) / (a + 1.0), a);
    ran_vf64 z = t * t, low = v_select(turned, v_splat(a, V_HALF_PI_LOW / 2), v_zero(a));
    ran_vf64 y = t + (t * z * v_atan_poly_f64(z) + low);
    y = v_select(turned, y + V_HALF_PI_HIGH / 2, y);
    y = v_select(inverted, V_HALF_PI_HIGH - (y - V_HALF_PI_LOW), y);
    return v_copysign_f64(y, x);
}

/* asin(x) for |x| <= 1/2. */
RAN_INLINE ran_vf64 v_asin_near_f64(ran_vf64 x)
{
    ran_vf64 z = x * x;
    return x + x * z * v_asin_poly_f64(z);
}

/* 2 asin(sqrt((1 - a) / 2)) for 1/2 < a <= 1: acos(a). NaN beyond 1. */
RAN_INLINE ran_vf64 v_acos_far_f64(ran_vf64 a)
{
    ran_vf64 s = v_sqrt_f64((1.0 - a) * 0.5);
    return v_asin_near_f64(s) * 2.0;
}

RAN_INLINE ran_vf64 v_asin_f64(ran_vf64 x)
{
    ran_vf64 a = v_abs_f64(x);
    ran_vf64 far = V_HALF_PI_HIGH - (v_acos_far_f64(a) - V_HALF_PI_LOW);
    return v_copysign_f64(v_select(a > v_splat(a, 0.5), far, v_asin_near_f64(a)), x);
}

RAN_INLINE ran_vf64 v_acos_f64(ran_vf64 x)
{
    ran_vf64 far = v_acos_far_f64(v_abs_f64(x));
    far = v_select(x < v_zero(x), 2 * V_HALF_PI_HIGH - (far - 2 * V_HALF_PI_LOW), far);
    ran_vf64 near = V_HALF_PI_HIGH - (v_asin_near_f64(x) - V_HALF_PI_LOW);
    return v_select(v_abs_f64(x) > v_splat(x, 0.5), far, near);
}

/* ---- Hyperbolic functions ---------------------------------------------------------------------- */

RAN_INLINE ran_vf64 v_sinh_f64(ran_vf64 x)
{
    ran_vf64 a = v_abs_f64(x);
    ran_vf64 t = v_expm1_f64(a);
    ran_vf64 near = (t + t / (t + 1.0)) * 0.5;
    ran_vf64 h = v_exp_f64(a * 0.5); /* exp(a) / 2 overflows later than exp(a) */
    ran_vf64 y = v_select(a > v_splat(a, 40), h * 0.5 * h, near);
    return v_copysign_f64(v_select(a < v_splat(a, 0x1p-28), a, y), x);
}

RAN_INLINE ran_vf64 v_cosh_f64(ran_vf64 x)
{
    ran_vf64 h = v_exp_f64(v_abs_f64(x) * 0.5);
    ran_vf64 e = h * h;
    return v_select(e < v_splat(e, 0x1p60), (e + 1.0 / e) * 0.5, h * 0.5 * h);
}

RAN_INLINE ran_vf64 v_asinh_f64(ran_vf64 x)
{
    ran_vf64 a = v_abs_f64(x), s = a * a;
    ran_vf64 near = v_log1p_f64(a + s / (v_sqrt_f64(s + 1.0) + 1.0));
    ran_vf64 far = v_log_f64(a) + 0x1.62e42fefa39efp-1;
    return v_copysign_f64(v_select(a > v_splat(a, 0x1p28), far, near), x);
}

RAN_INLINE ran_vf64 v_acosh_f64(ran_vf64 x)
{
    ran_vf64 t = x - 1.0;
    ran_vf64 near = v_log1p_f64(t + v_sqrt_f64(t * (t + 2.0)));
    ran_vf64 far = v_log_f64(x) + 0x1.62e42fefa39efp-1;
    return v_select(x > v_splat(x, 0x1p28), far,
                    v_select(x < v_splat(x, 1), v_splat(x, V_NAN_F64), near));
}

RAN_INLINE ran_vf64 v_atanh_f64(ran_vf64 x)
{
    ran_vf64 a = v_abs_f64(x);
    ran_vf64 y = v_log1p_f64(a * 2.0 / (1.0 - a)) * 0.5;
    return v_copysign_f64(v_select(a < v_splat(a, 0x1p-28), a, y), x);
}

/* ---- Powers and remainders ----------------------------------------------------------------------- */

/* An unevaluated sum; |low| is at most 2^-26 of |high|, whose low half is zero where it has to be
 * multiplied exactly. */
typedef struct v_pair {
    ran_vf64 high, low;
} v_pair;

RAN_INLINE ran_vf64 v_upper_f64(ran_vf64 x)
{
    return (ran_vf64)((ran_vi64)x & -0x8000000);
}

/* a * b with a's and b's upper halves multiplied exactly; upper half in .high. */
RAN_INLINE v_pair v_multiply_pair(v_pair a, v_pair b)
{
    ran_vf64 exact = a.high * b.high;
    ran_vf64 rest = a.high * b.low + a.low * (b.high + b.low);
    ran_vf64 high = v_upper_f64(exact + rest);
    return (v_pair){high, (exact - high) + rest};
}

/* a + b for |a| >= |b|. */
RAN_INLINE v_pair v_add_pair(v_pair a, v_pair b)
{
    ran_vf64 high = v_upper_f64(a.high + b.high);
    return (v_pair){high, ((a.high - high) + b.high) + (a.low + b.low)};
}

/* log(x) for positive x, to about 2^-64: the first two terms of 2 s + 2/3 s^3 + ... in pairs. */
RAN_INLINE v_pair v_log_pair(ran_vf64 x)
{
    ran_vi64 n;
    ran_vf64 f = v_split_log_f64(x, &n) - 1.0, e = v_from_small_i64(n);
    ran_vf64 d = f + 2.0, d_low = f - (d - 2.0), d_high = v_upper_f64(d);
    v_pair s = {v_upper_f64(f / d), v_zero(x)};
    s.low = (((f - s.high * d_high) - s.high * (d - d_high)) - s.high * d_low) / d;
    v_pair z = v_multiply_pair(s, s);
    ran_vf64 z1 = z.high + z.low;
    v_pair third = {v_splat(x, 0x1.555555p-1), 0x1.5555555555555p-27 + z1 * v_log_tail_poly_f64(z1)};
    v_pair cubic = v_multiply_pair(v_multiply_pair(z, s), third);
    v_pair sum = v_add_pair((v_pair){s.high * 2.0, s.low * 2.0}, cubic);
    ran_vf64 exact = e * 0x1.62e42fep-1, high = v_upper_f64(exact);
    return v_add_pair((v_pair){high, (exact - high) + e * 0x1.f473de6af278fp-30}, sum);
}

/* The cases of C's pow around `r` = |x|^y for finite |x| > 0. */
RAN_INLINE ran_vf64 v_pow_special_f64(ran_vf64 x, ran_vf64 y, ran_vf64 r)
{
    ran_vf64 zero = v_zero(x), infinity = v_splat(x, V_INF_F64), a = v_abs_f64(x);
    ran_vi64 integral = (ran_vi64)(v_round_f64(y) == y);
    ran_vi64 odd = integral & (v_round_f64(y * 0.5) != y * 0.5) & (v_abs_f64(y) < v_splat(y, 0x1p53));
    r = v_select(a == zero, v_select(y < zero, infinity, zero), r);
    r = v_select(a == infinity, v_select(y < zero, zero, infinity), r);
    r = v_select(((ran_vi64)x < (ran_vi64)zero) & odd, -r, r);
    r = v_select((x < zero) & (a < infinity) & ~integral, v_splat(x, V_NAN_F64), r);
    r = v_select((x != x) | (y != y), x + y, r);
    return v_select((y == zero) | (x == v_splat(x, 1)), v_splat(x, 1), r);
}

RAN_INLINE ran_vf64 v_pow_f64(ran_vf64 x, ran_vf64 y)
{
    ran_vf64 bounded = v_clamp(y, -0x1p66, 0x1p66), y_high = v_upper_f64(bounded);
    v_pair p = v_multiply_pair(v_log_pair(v_abs_f64(x)), (v_pair){y_high, bounded - y_high});
    ran_vi64 inside = (ran_vi64)(v_abs_f64(p.high) < v_splat(x, 800));
    ran_vf64 high = v_clamp(p.high, -800, 800), low = v_select(inside, p.low, v_zero(x));
    ran_vi64 n;
    ran_vf64 r = v_reduce_exp_f64(high, &n) + low;
    return v_pow_special_f64(x, y, v_scale_f64(1.0 + (r + r * r * v_exp_poly_f64(r)), n));
}

/* r mod b for r >= 0, b > 0, r / b < 2^900: exact, by quotients of 26 bits, whose products with the
 * halves of b are exact. */
RAN_INLINE ran_vf64 v_remainder_f64(ran_vf64 r, ran_vf64 b, ran_vi64 valid)
{
    ran_vf64 high = v_upper_f64(b), low = b - high;
    valid &= b < v_splat(b, V_INF_F64);
    while (v_any(valid & (r >= b))) {
        ran_vf64 ratio = r / b, large = v_upper_f64(ratio * 0x1.ffffff8p-1);
        ran_vf64 q = v_select(ratio < v_splat(r, 0x1p26), v_floor_f64(ratio), large);
        ran_vf64 next = (r - q * high) - q * low;
        r = v_select(valid & (r >= b), v_select(next < v_zero(r), next + b, next), r);
    }
    return r;
}

/* First by large multiples of y: the quotient of two f64 may exceed their range. */
RAN_INLINE ran_vf64 v_fmod_f64(ran_vf64 x, ran_vf64 y)
{
    ran_vf64 r = v_abs_f64(x), b = v_abs_f64(y), infinity = v_splat(x, V_INF_F64);
    ran_vi64 valid = (ran_vi64)((r < infinity) & (b > v_zero(b)) & (b < infinity));
    r = v_remainder_f64(r, b * 0x1p800 * 0x1p800, valid);
    r = v_remainder_f64(r, b * 0x1p800, valid);
    r = v_remainder_f64(r, b, valid);
    ran_vf64 defined = v_select((r < infinity) & (b == infinity), r, v_splat(x, V_NAN_F64));
    return v_copysign_f64(v_select(valid, r, defined), x);
}

RAN_INLINE ran_vf64 v_mod_f64(ran_vf64 x, ran_vf64 y)
{
    ran_vf64 r = v_fmod_f64(x, y);
    return v_select((r != v_zero(r)) & ((r < v_zero(r)) != (y < v_zero(y))), r + y, r);
}

#endif
