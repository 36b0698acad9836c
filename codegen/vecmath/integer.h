/* SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception */
/* Integer forms of v_*: they wrap, and never trap. Included by vec.h. */
#ifndef CODEGEN_VECMATH_INTEGER_H
#define CODEGEN_VECMATH_INTEGER_H

/* U: the unsigned vector, in which wrapping is defined. */
#define V_SIGNED(S, U, bits)                                                                       \
    RAN_INLINE ran_v##S v_abs_##S(ran_v##S x)                                                      \
    {                                                                                              \
        return (ran_v##S)v_select(x < v_zero(x), (ran_v##U)v_zero(x) - (ran_v##U)x, (ran_v##U)x);  \
    }                                                                                              \
    /* Toward zero; x / -1 apart, because the smallest value divided by it traps. */               \
    RAN_INLINE ran_v##S v_div_##S(ran_v##S x, ran_v##S y)                                          \
    {                                                                                              \
        ran_v##S negated = (ran_v##S)((ran_v##U)v_zero(x) - (ran_v##U)x);                          \
        ran_v##S unit = (ran_v##S)((y == v_zero(y)) | (y == v_splat(y, -1)));                      \
        ran_v##S quotient = x / v_select(unit, v_splat(y, 1), y);                                  \
        return v_select(y == v_splat(y, -1), negated,                                              \
                        v_select(y == v_zero(y), v_zero(x), quotient));                            \
    }                                                                                              \
    RAN_INLINE ran_v##S v_fmod_##S(ran_v##S x, ran_v##S y)                                         \
    {                                                                                              \
        ran_v##S unit = (ran_v##S)((y == v_zero(y)) | (y == v_splat(y, -1)));                      \
        return x % v_select(unit, v_splat(y, 1), y);                                               \
    }                                                                                              \
    RAN_INLINE ran_v##S v_mod_##S(ran_v##S x, ran_v##S y)                                          \
    {                                                                                              \
        ran_v##S r = v_fmod_##S(x, y);                                                             \
        return v_select((r != v_zero(r)) & ((r ^ y) < v_zero(r)), r + y, r);                       \
    }                                                                                              \
    /* A negative exponent gives 0 but for bases of magnitude 1. */                                \
    RAN_INLINE ran_v##S v_pow_##S(ran_v##S x, ran_v##S y)                                          \
    {                                                                                              \
        ran_v##U base = (ran_v##U)x, result = v_splat(base, 1), exponent = (ran_v##U)y;            \
        for (int i = 0; i < bits - 1; i++) {                                                       \
            result = v_select((exponent & 1) != v_zero(exponent), result * base, result);          \
            base *= base;                                                                          \
            exponent >>= 1;                                                                        \
        }                                                                                          \
        ran_v##S one = v_splat(x, 1);                                                              \
        ran_v##S sign = v_select((y & 1) != v_zero(y), x, one);                                    \
        ran_v##S inverse = v_select((x == one) | (x == -one), sign, v_zero(x));                    \
        return v_select(y < v_zero(y), inverse, (ran_v##S)result);                                 \
    }                                                                                              \
    RAN_INLINE ran_v##S v_shift_right_##S(ran_v##S x, ran_v##S y)                                  \
    {                                                                                              \
        return x >> v_select((ran_v##U)y < v_splat((ran_v##U)y, bits), y, v_splat(y, bits - 1));   \
    }                                                                                              \
    RAN_INLINE ran_v##S v_shift_left_##S(ran_v##S x, ran_v##S y)                                   \
    {                                                                                              \
        return (ran_v##S)v_shift_left_##U((ran_v##U)x, (ran_v##U)y);                               \
    }

#define V_UNSIGNED(U, bits)                                                                        \
    RAN_INLINE ran_v##U v_abs_##U(ran_v##U x)                                                      \
    {                                                                                              \
        return x;                                                                                  \
    }                                                                                              \
    RAN_INLINE ran_v##U v_div_##U(ran_v##U x, ran_v##U y)                                          \
    {                                                                                              \
        ran_v##U quotient = x / v_select(y == v_zero(y), v_splat(y, 1), y);                        \
        return v_select(y == v_zero(y), v_zero(x), quotient);                                      \
    }                                                                                              \
    RAN_INLINE ran_v##U v_fmod_##U(ran_v##U x, ran_v##U y)                                         \
    {                                                                                              \
        return x % v_select(y == v_zero(y), v_splat(y, 1), y);                                     \
    }                                                                                              \
    RAN_INLINE ran_v##U v_mod_##U(ran_v##U x, ran_v##U y)                                          \
    {                                                                                              \
        return v_fmod_##U(x, y);                                                                   \
    }                                                                                              \
    RAN_INLINE ran_v##U v_pow_##U(ran_v##U x, ran_v##U y)                                          \
    {                                                                                              \
        ran_v##U result = v_splat(x, 1);                                                           \
        for (int i = 0; i < bits; i++) {                                                           \
            result = v_select((y & 1) != v_zero(y), result * x, result);                           \
            x *= x;                                                                                \
            y >>= 1;                                                                               \
        }                                                                                          \
        return result;                                                                             \
    }                                                                                              \
    /* A shift by the width or more gives 0. */                                                    \
    RAN_INLINE ran_v##U v_shift_left_##U(ran_v##U x, ran_v##U y)                                   \
    {                                                                                              \
        return v_select(y < v_splat(y, bits), x << (y & (bits - 1)), v_zero(x));                   \
    }                                                                                              \
    RAN_INLINE ran_v##U v_shift_right_##U(ran_v##U x, ran_v##U y)                                  \
    {                                                                                              \
        return v_select(y < v_splat(y, bits), x >> (y & (bits - 1)), v_zero(x));                   \
    }

V_UNSIGNED(u8, 8)
V_UNSIGNED(u16, 16)
V_UNSIGNED(u32, 32)
V_UNSIGNED(u64, 64)
V_SIGNED(i8, u8, 8)
V_SIGNED(i16, u16, 16)
V_SIGNED(i32, u32, 32)
V_SIGNED(i64, u64, 64)

#undef V_SIGNED
#undef V_UNSIGNED

#endif
