/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "tools/run/run.h"

#include <math.h>
#include <string.h>

static const char *shape_problem(const ran_tensor *got, const ran_tensor *expected)
{
    if (ran_tensor_elem(got) != ran_tensor_elem(expected))
        return "the element type differs";
    if (ran_tensor_rank(got) != ran_tensor_rank(expected))
        return "the rank differs";
    for (int i = 0; i < ran_tensor_rank(got); i++)
        if (ran_tensor_dims(got)[i] != ran_tensor_dims(expected)[i])
            return "the shape differs";
    return NULL;
}

static double largest(const ran_tensor *tensor)
{
    double result = 0;
    for (int64_t i = 0; i < ran_tensor_numel(tensor); i++) {
        double value = fabs(ran_tensor_get_f64(tensor, i));
        if (isfinite(value) && value > result)
            result = value;
    }
    return result;
}

/* The distance, where equal infinities and NaNs have none. */
static double distance(double a, double b)
{
    if (a == b || (isnan(a) && isnan(b)))
        return 0;
    return isnan(a) || isnan(b) ? INFINITY : fabs(a - b);
}

static void note(run_difference *d, int64_t index, double apart, bool good)
{
    if (apart > d->max_abs)
        d->max_abs = apart;
    if (good)
        return;
    if (!d->mismatches++)
        d->first_mismatch = index;
}

/* 1e-3, or where that is less than the spacing of the numbers, this. */
static double default_rtol(ran_elem elem)
{
    if (elem == RAN_ELEM_BF16)
        return 0x1p-7;
    if (elem == RAN_ELEM_F8E4M3FN || elem == RAN_ELEM_F8E4M3FNUZ)
        return 0x1p-3;
    return ran_elem_bits(elem) <= 8 ? 0x1p-2 : 1e-3;
}

static void compare_floats(run_difference *d, const ran_tensor *got, const ran_tensor *expected,
                           const run_tolerance *tolerance)
{
    double scale = largest(expected);
    double rtol = tolerance->rtol < 0 ? default_rtol(ran_tensor_elem(got)) : tolerance->rtol;
    double atol = tolerance->atol < 0 ? 1e-4 * scale : tolerance->atol;
    for (int64_t i = 0; i < ran_tensor_numel(got); i++) {
        double want = ran_tensor_get_f64(expected, i);
        double apart = distance(ran_tensor_get_f64(got, i), want);
        double allowed = isfinite(want) ? rtol * fabs(want) + atol : 0;
        note(d, i, apart, apart <= allowed);
    }
    d->max_rel = scale > 0 ? d->max_abs / scale : d->max_abs;
}

static void compare_ints(run_difference *d, const ran_tensor *got, const ran_tensor *expected)
{
    double scale = 0;
    for (int64_t i = 0; i < ran_tensor_numel(got); i++) {
        int64_t a = ran_tensor_get_i64(got, i), b = ran_tensor_get_i64(expected, i);
        note(d, i, fabs((double)a - (double)b), a == b);
        scale = fmax(scale, fabs((double)b));
    }
    d->max_rel = scale > 0 ? d->max_abs / scale : d->max_abs;
}

static void compare_strings(run_difference *d, const ran_tensor *got, const ran_tensor *expected)
{
    char *const *a = ran_tensor_data(got), *const *b = ran_tensor_data(expected);
    for (int64_t i = 0; i < ran_tensor_numel(got); i++) {
        bool same = strcmp(a[i] ? a[i] : "", b[i] ? b[i] : "") == 0;
        note(d, i, same ? 0 : 1, same);
    }
}

/* A complex number is two floats. */
static void compare_complex(run_difference *d, const ran_tensor *got, const ran_tensor *expected,
                            const run_tolerance *tolerance)
{
    ran_elem part = ran_tensor_elem(got) == RAN_ELEM_C64 ? RAN_ELEM_F32 : RAN_ELEM_F64;
    int64_t count = 2 * ran_tensor_numel(got);
    ran_tensor *a = ran_tensor_wrap(part, 1, &count, (void *)ran_tensor_data(got), NULL, NULL);
    ran_tensor *b = ran_tensor_wrap(part, 1, &count, (void *)ran_tensor_data(expected), NULL, NULL);
    if (a && b)
        compare_floats(d, a, b, tolerance);
    else
        d->problem = "out of memory";
    ran_tensor_release(a);
    ran_tensor_release(b);
}

run_difference run_compare(const ran_tensor *got, const ran_tensor *expected,
                           const run_tolerance *tolerance)
{
    run_difference d = {.first_mismatch = -1, .problem = shape_problem(got, expected)};
    if (d.problem)
        return d;
    ran_elem elem = ran_tensor_elem(got);
    if (elem == RAN_ELEM_STRING)
        compare_strings(&d, got, expected);
    else if (elem == RAN_ELEM_C64 || elem == RAN_ELEM_C128)
        compare_complex(&d, got, expected, tolerance);
    else if (ran_elem_is_float(elem))
        compare_floats(&d, got, expected, tolerance);
    else
        compare_ints(&d, got, expected);
    d.ok = d.mismatches == 0 && !d.problem;
    return d;
}
