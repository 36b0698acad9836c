/* SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception */
/*
 * Vector mathematics on the vectors of body.h, inline and without libm.
 *
 * f32.h and f64.h define v_<function>_f32 and _f64, integer.h the integer forms; the macros below
 * choose by the type of their argument, so that a row of elementwise.def is written once. Results
 * are within 4 ulp of the exact value over the whole range, denormals, infinities and NaN
 * included. The compiler may or may not contract a * b + c: nothing here depends on either choice.
 * Rounding mode and flags (flush to zero) of the processor are taken as they are.
 *
 * A mask is what a comparison gives: integer lanes of the operand's width, 0 or -1.
 */
#ifndef CODEGEN_VECMATH_VEC_H
#define CODEGEN_VECMATH_VEC_H

#include "codegen/body.h"

#define v_splat(x, c) ((__typeof__((x)[0]))(c) - (__typeof__(x)){0})
#define v_zero(x) ((__typeof__(x)){0})

/* C has no ?: on vectors; LLVM turns the bits into a blend. */
#define v_select(mask, a, b)                                                                       \
    ({                                                                                             \
        __typeof__(a) a_ = (a), b_ = (b);                                                          \
        __typeof__(a_ == a_) m_ = (__typeof__(a_ == a_))(mask);                                    \
        (__typeof__(a))(((__typeof__(m_))a_ & m_) | ((__typeof__(m_))b_ & ~m_));                   \
    })

/* NaN if either is, as ONNX's Min, Max and Clip. */
#define v_min(x, y)                                                                                \
    ({                                                                                             \
        __typeof__(x) l_ = (x), r_ = (y);                                                          \
        v_select((l_ < r_) | (l_ != l_), l_, r_);                                                  \
    })
#define v_max(x, y)                                                                                \
    ({                                                                                             \
        __typeof__(x) l_ = (x), r_ = (y);                                                          \
        v_select((l_ > r_) | (l_ != l_), l_, r_);                                                  \
    })
#define v_clamp(x, low, high)                                                                      \
    ({                                                                                             \
        __typeof__(x) c_ = (x);                                                                    \
        c_ = v_select(c_ < v_splat(c_, low), v_splat(c_, low), c_);                                \
        v_select(c_ > v_splat(c_, high), v_splat(c_, high), c_);                                   \
    })
#define v_sign(x)                                                                                  \
    ({                                                                                             \
        __typeof__(x) s_ = (x);                                                                    \
        v_select(s_ > v_zero(s_), v_splat(s_, 1),                                                  \
                 v_select(s_ < v_zero(s_), v_splat(s_, -1), s_));                                  \
    })
/* Of booleans held as 0 or 1. */
#define v_not(x) ((x) ^ 1)

/* Sum and maximum (NaN where there is one) of all lanes, in halves: an order that is always the same. */
#define v_fold(x, combine)                                                                         \
    ({                                                                                             \
        __typeof__(x) f_ = (x), half_ = f_;                                                        \
        _Pragma("clang loop unroll(full)") for (int w_ = RAN_VL / 2; w_; w_ /= 2)                  \
        {                                                                                          \
            _Pragma("clang loop unroll(full)") for (int i_ = 0; i_ < RAN_VL; i_++) half_[i_] =     \
                f_[(i_ + w_) % RAN_VL];                                                            \
            f_ = combine(f_, half_);                                                               \
        }                                                                                          \
        f_[0];                                                                                     \
    })
#define v_plus(x, y) ((x) + (y))
#define v_sum_across(x) v_fold(x, v_plus)
#define v_max_across(x) v_fold(x, v_max)

/* Whether any lane of a mask is set. */
#define v_any(mask)                                                                                \
    ({                                                                                             \
        __typeof__((mask)[0]) any_ = 0;                                                            \
        for (int i_ = 0; i_ < RAN_VL; i_++)                                                        \
            any_ |= (mask)[i_];                                                                    \
        any_ != 0;                                                                                 \
    })

#include "codegen/vecmath/poly.h"
#include "codegen/vecmath/f64.h"
#include "codegen/vecmath/f32.h"
#include "codegen/vecmath/integer.h"

#define V_INTEGERS(function)                                                                       \
    ran_vi8 : v_##function##_i8, ran_vi16 : v_##function##_i16, ran_vi32 : v_##function##_i32,     \
              ran_vi64 : v_##function##_i64, ran_vu8 : v_##function##_u8,                          \
                         ran_vu16 : v_##function##_u16, ran_vu32 : v_##function##_u32,             \
                                    ran_vu64 : v_##function##_u64
#define V_FLOATS(function) ran_vf32 : v_##function##_f32, ran_vf64 : v_##function##_f64

#define v_abs(x) _Generic((x), V_FLOATS(abs), V_INTEGERS(abs))(x)
#define v_div(x, y) _Generic((x), V_FLOATS(div), V_INTEGERS(div))(x, y)
/* The remainder with the sign of y (Python's %) and with that of x (C's fmod). */
#define v_mod(x, y) _Generic((x), V_FLOATS(mod), V_INTEGERS(mod))(x, y)
#define v_fmod(x, y) _Generic((x), V_FLOATS(fmod), V_INTEGERS(fmod))(x, y)
#define v_pow(x, y) _Generic((x), V_FLOATS(pow), V_INTEGERS(pow))(x, y)

#define v_sqrt(x) _Generic((x), V_FLOATS(sqrt))(x)
#define v_ceil(x) _Generic((x), V_FLOATS(ceil))(x)
#define v_floor(x) _Generic((x), V_FLOATS(floor))(x)
#define v_round(x) _Generic((x), V_FLOATS(round))(x)
#define v_exp(x) _Generic((x), V_FLOATS(exp))(x)
#define v_expm1(x) _Generic((x), V_FLOATS(expm1))(x)
#define v_log(x) _Generic((x), V_FLOATS(log))(x)
#define v_log1p(x) _Generic((x), V_FLOATS(log1p))(x)
#define v_sigmoid(x) _Generic((x), V_FLOATS(sigmoid))(x)
#define v_tanh(x) _Generic((x), V_FLOATS(tanh))(x)
#define v_erf(x) _Generic((x), V_FLOATS(erf))(x)
#define v_gelu_erf(x) _Generic((x), V_FLOATS(gelu_erf))(x)
#define v_gelu_tanh(x) _Generic((x), V_FLOATS(gelu_tanh))(x)
#define v_softplus(x) _Generic((x), V_FLOATS(softplus))(x)
#define v_sin(x) _Generic((x), V_FLOATS(sin))(x)
#define v_cos(x) _Generic((x), V_FLOATS(cos))(x)
#define v_tan(x) _Generic((x), V_FLOATS(tan))(x)
#define v_asin(x) _Generic((x), V_FLOATS(asin))(x)
#define v_acos(x) _Generic((x), V_FLOATS(acos))(x)
#define v_atan(x) _Generic((x), V_FLOATS(atan))(x)
#define v_sinh(x) _Generic((x), V_FLOATS(sinh))(x)
#define v_cosh(x) _Generic((x), V_FLOATS(cosh))(x)
#define v_asinh(x) _Generic((x), V_FLOATS(asinh))(x)
#define v_acosh(x) _Generic((x), V_FLOATS(acosh))(x)
#define v_atanh(x) _Generic((x), V_FLOATS(atanh))(x)

#endif
