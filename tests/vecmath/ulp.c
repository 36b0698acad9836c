/* SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception */
/*
 * Errors of the vector mathematics in units in the last place, as plain C.
 *
 *   ulp STRIDE [FUNCTION]    every STRIDE-th f32 bit pattern against libm in f64, as many f64 bit
 *                            patterns against libm in long double
 *
 * STRIDE 1 covers every f32. Exit status 1 when a function is off by more than its limit.
 */
#include "codegen/vecmath/vec.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static long double sigmoid(long double x)
{
    return 1 / (1 + expl(-x));
}
static long double softplus(long double x)
{
    return log1pl(expl(-fabsl(x))) + (x > 0 ? x : 0);
}
/* Both forms of GELU go to -0 at -infinity. */
static long double gelu_erf(long double x)
{
    if (isinf(x) && x < 0)
        return -0.0L;
    return 0.5L * x * erfcl(-x * 0.707106781186547524400844362104849039L);
}
static long double gelu_tanh(long double x)
{
    if (isinf(x) && x < 0)
        return -0.0L;
    return x / (1 + expl(-x * (1.5957691216057307117597842397375L +
                               0.0713548162726002527748079522L * x * x)));
}

/* name, reference in f64 for f32, reference in long double for f64, f64 limit in ulp */
#define FUNCTIONS(F)                                                                               \
    F(exp, exp, expl, 4)                                                                           \
    F(expm1, expm1, expm1l, 4)                                                                     \
    F(log, log, logl, 4)                                                                           \
    F(log1p, log1p, log1pl, 4)                                                                     \
    F(sigmoid, sigmoid, sigmoid, 4)                                                                \
    F(tanh, tanh, tanhl, 4)                                                                        \
    F(erf, erf, erfl, 4)                                                                           \
    F(softplus, softplus, softplus, 4)                                                             \
    F(gelu_erf, gelu_erf, gelu_erf, 8)                                                             \
    F(gelu_tanh, gelu_tanh, gelu_tanh, 2000) /* rounding its argument of up to 745 costs that */                 \
    F(sqrt, sqrt, sqrtl, 0.5)                                                                      \
    F(ceil, ceil, ceill, 0)                                                                        \
    F(floor, floor, floorl, 0)                                                                     \
    F(round, nearbyint, nearbyintl, 0)                                                             \
    F(sin, sin, sinl, 4)                                                                           \
    F(cos, cos, cosl, 4)                                                                           \
    F(tan, tan, tanl, 4)                                                                           \
    F(asin, asin, asinl, 4)                                                                        \
    F(acos, acos, acosl, 4)                                                                        \
    F(atan, atan, atanl, 4)                                                                        \
    F(sinh, sinh, sinhl, 4)                                                                        \
    F(cosh, cosh, coshl, 4)                                                                        \
    F(asinh, asinh, asinhl, 4)                                                                     \
    F(acosh, acosh, acoshl, 4)                                                                     \
    F(atanh, atanh, atanhl, 4)

#define DEFINE(name, reference, reference_long, limit)                                             \
    static void name##_f32(float *y, const float *x, const float *unused)                          \
    {                                                                                              \
        (void)unused;                                                                              \
        *(ran_vf32 *)y = v_##name(*(const ran_vf32 *)x);                                           \
    }                                                                                              \
    static void name##_f64(double *y, const double *x, const double *unused)                       \
    {                                                                                              \
        (void)unused;                                                                              \
        *(ran_vf64 *)y = v_##name(*(const ran_vf64 *)x);                                           \
    }                                                                                              \
    static double name##_reference(double x, double unused)                                        \
    {                                                                                              \
        (void)unused;                                                                              \
        return (double)reference(x);                                                               \
    }                                                                                              \
    static long double name##_reference_long(long double x, long double unused)                    \
    {                                                                                              \
        (void)unused;                                                                              \
        return reference_long(x);                                                                  \
    }
#define DEFINE2(name, reference, reference_long, limit)                                            \
    static void name##_f32(float *z, const float *x, const float *y)                               \
    {                                                                                              \
        *(ran_vf32 *)z = v_##name(*(const ran_vf32 *)x, *(const ran_vf32 *)y);                     \
    }                                                                                              \
    static void name##_f64(double *z, const double *x, const double *y)                            \
    {                                                                                              \
        *(ran_vf64 *)z = v_##name(*(const ran_vf64 *)x, *(const ran_vf64 *)y);                     \
    }                                                                                              \
    static double name##_reference(double x, double y)                                             \
    {                                                                                              \
        return reference(x, y);                                                                    \
    }                                                                                              \
    static long double name##_reference_long(long double x, long double y)                         \
    {                                                                                              \
        return reference_long(x, y);                                                               \
    }
#define FUNCTIONS2(F)                                                                              \
    F(pow, pow, powl, 4)                                                                           \
    F(fmod, fmod, fmodl, 0)
FUNCTIONS(DEFINE)
FUNCTIONS2(DEFINE2)

static const struct function {
    const char *name;
    void (*f32)(float *, const float *, const float *);
    void (*f64)(double *, const double *, const double *);
    double (*reference)(double, double);
    long double (*reference_long)(long double, long double);
    double limit64;
    int operands;
} functions[] = {
#define ROW(name, reference, reference_long, limit)                                                \
    {#name, name##_f32, name##_f64, name##_reference, name##_reference_long, limit, 1},
#define ROW2(name, reference, reference_long, limit)                                               \
    {#name, name##_f32, name##_f64, name##_reference, name##_reference_long, limit, 2},
    FUNCTIONS(ROW) FUNCTIONS2(ROW2)};

static double error32(float got, double want)
{
    if (isnan(want))
        return isnan(got) ? 0 : INFINITY;
    if ((float)want == got)
        return 0;
    if (isinf(got) || isnan(got))
        return INFINITY;
    int exponent = want ? ilogb(want) : -126;
    return fabs(got - want) / ldexp(1, (exponent < -126 ? -126 : exponent) - 23);
}

static double error64(double got, long double want)
{
    if (isnan(want))
        return isnan(got) ? 0 : INFINITY;
    if ((double)want == got)
        return 0;
    if (isinf(got) || isnan(got))
        return INFINITY;
    int exponent = want != 0 ? ilogbl(want) : -1022;
    return (double)(fabsl(got - want) / ldexpl(1, (exponent < -1022 ? -1022 : exponent) - 52));
}

static uint64_t random_state = 88172645463325252;
static uint64_t next_random(void)
{
    random_state ^= random_state << 13;
    random_state ^= random_state >> 7;
    return random_state ^= random_state << 17;
}

static float float_of(uint32_t bits)
{
    float x;
    memcpy(&x, &bits, sizeof(x));
    return x;
}

/* Second operands: small integers and halves often, any pattern else. */
static double second(void)
{
    uint64_t r = next_random();
    return r & 1 ? (double)((int64_t)(r >> 32) % 64) / 2 * (r & 2 ? 1 : -1)
                 : float_of((uint32_t)(r >> 16));
}

static int test32(const struct function *f, uint64_t stride)
{
    float x[RAN_VL], y[RAN_VL], z[RAN_VL];
    double worst = 0;
    float worst_x = 0, worst_y = 0, worst_z = 0;
    for (uint64_t bits = next_random() % stride; bits < UINT64_C(1) << 32;) {
        for (int i = 0; i < RAN_VL; i++, bits += stride) {
            x[i] = float_of((uint32_t)bits);
            y[i] = f->operands == 2 ? (float)second() : 0;
        }
        f->f32(z, x, y);
        for (int i = 0; i < RAN_VL; i++) {
            double error = error32(z[i], f->reference(x[i], y[i]));
            if (error > worst) {
                worst = error;
                worst_x = x[i], worst_y = y[i], worst_z = z[i];
            }
        }
    }
    bool ok = worst <= 4;
    if (!ok || stride == 1)
        printf("%s f32 %s: %.3g ulp at %.9g, %.9g: %.9g, not %.9g\n", ok ? "ok" : "FAIL", f->name,
               worst, worst_x, worst_y, worst_z, f->reference(worst_x, worst_y));
    return !ok;
}

/* Any bit pattern half of the time; moderate magnitudes else. */
static double random_double(void)
{
    uint64_t bits = next_random();
    if (next_random() & 1)
        bits = (bits & 0x800fffffffffffff) | (uint64_t)(1023 - 30 + next_random() % 41) << 52;
    double x;
    memcpy(&x, &bits, sizeof(x));
    return x;
}

static int test64(const struct function *f, uint64_t stride)
{
    double x[RAN_VL], y[RAN_VL], z[RAN_VL], worst = 0, worst_x = 0, worst_y = 0, worst_z = 0;
    for (uint64_t n = 0; n < (UINT64_C(1) << 32) / (stride < 64 ? 64 : stride); n += RAN_VL) {
        for (int i = 0; i < RAN_VL; i++) {
            x[i] = random_double();
            y[i] = f->operands == 2 ? second() : 0;
        }
        f->f64(z, x, y);
        for (int i = 0; i < RAN_VL; i++) {
            double error = error64(z[i], f->reference_long(x[i], y[i]));
            if (error > worst) {
                worst = error;
                worst_x = x[i], worst_y = y[i], worst_z = z[i];
            }
        }
    }
    bool ok = worst <= f->limit64;
    if (!ok || stride == 1)
        printf("%s f64 %s: %.3g ulp at %.17g, %.17g: %.17g, not %.17Lg\n", ok ? "ok" : "FAIL",
               f->name, worst, worst_x, worst_y, worst_z, f->reference_long(worst_x, worst_y));
    return !ok;
}

int main(int argc, char **argv)
{
    uint64_t stride = argc > 1 ? strtoull(argv[1], NULL, 10) : 4099;
    int failures = 0;
    for (size_t i = 0; i < sizeof(functions) / sizeof(*functions); i++) {
        if (argc > 2 && strcmp(argv[2], functions[i].name))
            continue;
        failures += test32(&functions[i], stride);
        failures += test64(&functions[i], stride);
    }
    return failures != 0;
}
