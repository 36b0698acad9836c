/* SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception */
/*
 * Errors of the vector mathematics in units in the last place, as plain C.
 *
 *   ulp STRIDE [FUNCTION]    every STRIDE-th f32 bit pattern and as many random f64 against libm in
 *                            long double
 *
 * STRIDE 1 covers every f32. An estimate in f64, by vectors where the C library has such functions,
 * is far closer to the exact value than an f32; only where it says that the largest error yet is
 * reached is the reference asked, which decides. Exit status 1 when a function is off by more than
 * its limit.
 */
#include "codegen/vecmath/vec.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { BLOCK = 512 };

/* glibc's vector functions for x86-64 are within 4 ulp of f64; gcc calls them where it sees this.
 */
#if defined(__x86_64__) && defined(__GLIBC__) && defined(__GNUC__) && !defined(__clang__)
#if __GLIBC_PREREQ(2, 35)
#define ESTIMATE __attribute__((simd("notinbranch"), const))
ESTIMATE double acos(double), acosh(double), asin(double), asinh(double), atan(double);
ESTIMATE double atanh(double), cos(double), cosh(double), erf(double), erfc(double), exp(double);
ESTIMATE double expm1(double), log(double), log1p(double), pow(double, double), sin(double);
ESTIMATE double sinh(double), tan(double), tanh(double);
#endif
#endif

static double sigmoid(double x)
{
    return 1 / (1 + exp(-x));
}
static long double sigmoidl(long double x)
{
    return 1 / (1 + expl(-x));
}
static double softplus(double x)
{
    return log1p(exp(-fabs(x))) + (x > 0 ? x : 0);
}
static long double softplusl(long double x)
{
    return log1pl(expl(-fabsl(x))) + (x > 0 ? x : 0);
}
/* Both forms of GELU go to -0 at -infinity, where the product below is NaN. */
static double gelu_erf(double x)
{
    return 0.5 * x * erfc(-x * 0.70710678118654752);
}
static long double gelu_erfl(long double x)
{
    if (isinf(x) && x < 0)
        return -0.0L;
    return 0.5L * x * erfcl(-x * 0.707106781186547524400844362104849039L);
}
static double gelu_tanh(double x)
{
    return x / (1 + exp(-x * (1.5957691216057307 + 0.0713548162726002527 * x * x)));
}
static long double gelu_tanhl(long double x)
{
    if (isinf(x) && x < 0)
        return -0.0L;
    return x / (1 + expl(-x * (1.5957691216057307117597842397375L +
                               0.0713548162726002527748079522L * x * x)));
}

/* name, estimate, reference, f64 limit in ulp (f32: 4 or less) */
#define FUNCTIONS(F)                                                                               \
    F(exp, exp, expl, 4)                                                                           \
    F(expm1, expm1, expm1l, 4)                                                                     \
    F(log, log, logl, 4)                                                                           \
    F(log1p, log1p, log1pl, 4)                                                                     \
    F(sigmoid, sigmoid, sigmoidl, 4)                                                               \
    F(tanh, tanh, tanhl, 4)                                                                        \
    F(erf, erf, erfl, 4)                                                                           \
    F(softplus, softplus, softplusl, 4)                                                            \
    F(gelu_erf, gelu_erf, gelu_erfl, 8)                                                            \
    F(gelu_tanh, gelu_tanh, gelu_tanhl, 2000) /* rounding its argument of up to 745 costs that */  \
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

#define FUNCTIONS2(F)                                                                              \
    F(pow, pow, powl, 4)                                                                           \
    F(fmod, fmod, fmodl, 0)

typedef struct block {
    float x[BLOCK], y[BLOCK], got[BLOCK];
    double estimate[BLOCK];
} block;

#define DEFINE(name, estimate_of, reference, limit)                                                \
    DEFINE_FORMS(name, v_##name(x), estimate_of(x), reference(x))
#define DEFINE2(name, estimate_of, reference, limit)                                               \
    DEFINE_FORMS(name, v_##name(x, y), estimate_of(x, y), reference(x, y))
#define DEFINE_FORMS(name, vector, estimate_of, reference)                                         \
    static void name##_f32(block *b)                                                               \
    {                                                                                              \
        for (int i = 0; i < BLOCK; i += RAN_VL) {                                                  \
            ran_vf32 x = *(const ran_vf32 *)&b->x[i], y = *(const ran_vf32 *)&b->y[i];             \
            (void)y;                                                                               \
            *(ran_vf32 *)&b->got[i] = vector;                                                      \
        }                                                                                          \
    }                                                                                              \
    static void name##_estimate(block *b)                                                          \
    {                                                                                              \
        for (int i = 0; i < BLOCK; i++) {                                                          \
            double x = b->x[i], y = b->y[i];                                                       \
            (void)y;                                                                               \
            b->estimate[i] = estimate_of;                                                          \
        }                                                                                          \
    }                                                                                              \
    static void name##_f64(double *z, const double *px, const double *py)                          \
    {                                                                                              \
        ran_vf64 x = *(const ran_vf64 *)px, y = *(const ran_vf64 *)py;                             \
        (void)y;                                                                                   \
        *(ran_vf64 *)z = vector;                                                                   \
    }                                                                                              \
    static long double name##_reference(long double x, long double y)                              \
    {                                                                                              \
        (void)y;                                                                                   \
        return reference;                                                                          \
    }
FUNCTIONS(DEFINE)
FUNCTIONS2(DEFINE2)

static const struct function {
    const char *name;
    void (*f32)(block *);
    void (*estimate)(block *);
    void (*f64)(double *, const double *, const double *);
    long double (*reference)(long double, long double);
    double limit;
    int operands;
} functions[] = {
#define ROW(name, estimate_of, reference, limit)                                                   \
    {#name, name##_f32, name##_estimate, name##_f64, name##_reference, limit, 1},
#define ROW2(name, estimate_of, reference, limit)                                                  \
    {#name, name##_f32, name##_estimate, name##_f64, name##_reference, limit, 2},
    FUNCTIONS(ROW) FUNCTIONS2(ROW2)};

/* The largest error yet and where it is. */
typedef struct worst {
    double error, x, y, got;
} worst;

static void note(worst *w, double error, double x, double y, double got)
{
    if (error > w->error)
        *w = (worst){error, x, y, got};
}

static double ulps(double got, long double want, int least_exponent, int bits)
{
    if (isnan(got) || isinf(got) || isinf(want))
        return INFINITY;
    int exponent = want != 0 ? ilogbl(want) : least_exponent;
    if (exponent < least_exponent)
        exponent = least_exponent;
    return (double)(fabsl(got - want) / ldexpl(1, exponent - bits));
}

static double error32(float got, long double want)
{
    if (isnan(want) ? isnan(got) : (float)want == got)
        return 0;
    return ulps(got, want, -126, 23);
}

static double error64(double got, long double want)
{
    if (isnan(want) ? isnan(got) : (double)want == got)
        return 0;
    return ulps(got, want, -1022, 52);
}

/* The unit in the last place of an f32 as large as x. */
static double unit32(double x)
{
    int64_t bits, least = (int64_t)(1023 - 126) << 52;
    memcpy(&bits, &x, sizeof(bits));
    bits &= (int64_t)0x7ff << 52;
    bits = (bits < least ? least : bits) - ((int64_t)23 << 52);
    memcpy(&x, &bits, sizeof(x));
    return x;
}

/* Whether an error of the block may be the largest yet; without branches, for vectors. The estimate
 * is off by less than 1e-6 of a unit. */
static bool may_be_worse(const block *b, double error)
{
    int64_t any = 0;
    double enough = error - 1e-6;
    for (int i = 0; i < BLOCK; i++) {
        double got = b->got[i], want = b->estimate[i];
        int both_nan = (got != got) & (want != want);
        int equal = b->got[i] == (float)want;
        any |= !(both_nan | equal | (fabs(got - want) <= enough * unit32(want)));
    }
    return any;
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

static void fill(const struct function *f, block *b, uint64_t *bits, uint64_t stride)
{
    for (int i = 0; i < BLOCK; i++, *bits += stride)
        b->x[i] = float_of((uint32_t)*bits);
    for (int i = 0; i < BLOCK && f->operands == 2; i++)
        b->y[i] = (float)second();
}

static bool report(const struct function *f, const char *type, const worst *w, double limit)
{
    bool ok = w->error <= limit;
    printf("%s %s %s: %.4g ulp at %.17g, %.17g: %.17g, not %.17Lg\n", ok ? "ok" : "FAIL", type,
           f->name, w->error, w->x, w->y, w->got, f->reference(w->x, w->y));
    fflush(stdout);
    return ok;
}

static void find_worst(const struct function *f, const block *b, worst *w)
{
    for (int i = 0; i < BLOCK; i++)
        note(w, error32(b->got[i], f->reference(b->x[i], b->y[i])), b->x[i], b->y[i], b->got[i]);
}

static bool test32(const struct function *f, uint64_t stride)
{
    static block b;
    worst w = {0};
    for (uint64_t bits = next_random() % stride; bits < UINT64_C(1) << 32;) {
        fill(f, &b, &bits, stride);
        f->f32(&b);
        f->estimate(&b);
        if (may_be_worse(&b, w.error))
            find_worst(f, &b, &w);
    }
    return report(f, "f32", &w, fmin(f->limit, 4));
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

static bool test64(const struct function *f, uint64_t stride)
{
    double x[RAN_VL], y[RAN_VL] = {0}, z[RAN_VL];
    worst w = {0};
    for (uint64_t n = 0; n < (UINT64_C(1) << 32) / (stride < 64 ? 64 : stride); n += RAN_VL) {
        for (int i = 0; i < RAN_VL; i++) {
            x[i] = random_double();
            y[i] = f->operands == 2 ? second() : 0;
        }
        f->f64(z, x, y);
        for (int i = 0; i < RAN_VL; i++)
            note(&w, error64(z[i], f->reference(x[i], y[i])), x[i], y[i], z[i]);
    }
    return report(f, "f64", &w, f->limit);
}

int main(int argc, char **argv)
{
    uint64_t stride = argc > 1 ? strtoull(argv[1], NULL, 10) : 4099;
    int failures = 0;
    for (size_t i = 0; i < sizeof(functions) / sizeof(*functions); i++) {
        if (argc > 2 && strcmp(argv[2], functions[i].name))
            continue;
        failures += !test32(&functions[i], stride);
        failures += !test64(&functions[i], stride);
    }
    return failures != 0;
}
