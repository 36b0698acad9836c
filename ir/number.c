/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "ir/number.h"
#include "ir/ir.h"

#include <locale.h>
#include <math.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

static pthread_once_t once = PTHREAD_ONCE_INIT;
static locale_t c_locale;

static void create_locale(void)
{
    c_locale = newlocale(LC_ALL_MASK, "C", (locale_t)0);
    if (!c_locale)
        RAN_BUG(NULL, "the C locale is missing");
}

/* Switches this thread to the C locale; returns what to give to uselocale at the end. */
static locale_t enter_c_locale(void)
{
    pthread_once(&once, create_locale);
    return uselocale(c_locale);
}

static size_t copy_word(char *out, const char *word)
{
    strcpy(out, word);
    return strlen(word);
}

static size_t format_special(double value, char out[RAN_NUMBER_SIZE])
{
    if (isnan(value))
        return copy_word(out, "nan");
    return copy_word(out, value < 0 ? "-inf" : "inf");
}

/* Every decimal of 15 digits (6 for single precision) survives, so the first precision that reads
 * back from there on is the shortest one (%g drops trailing zeros); subnormals have fewer. */
size_t ran_format_f64(double value, char out[RAN_NUMBER_SIZE])
{
    if (!isfinite(value))
        return format_special(value, out);
    locale_t before = enter_c_locale();
    int length = 0;
    for (int digits = fpclassify(value) == FP_SUBNORMAL ? 1 : 15; digits <= 17; digits++) {
        length = snprintf(out, RAN_NUMBER_SIZE, "%.*g", digits, value);
        if (strtod(out, NULL) == value)
            break;
    }
    uselocale(before);
    return (size_t)length;
}

size_t ran_format_f32(float value, char out[RAN_NUMBER_SIZE])
{
    if (!isfinite(value))
        return format_special((double)value, out);
    locale_t before = enter_c_locale();
    int length = 0;
    for (int digits = fpclassify(value) == FP_SUBNORMAL ? 1 : 6; digits <= 9; digits++) {
        length = snprintf(out, RAN_NUMBER_SIZE, "%.*g", digits, (double)value);
        if (strtof(out, NULL) == value)
            break;
    }
    uselocale(before);
    return (size_t)length;
}

double ran_parse_f64(const char *text, char **out_end)
{
    locale_t before = enter_c_locale();
    double value = strtod(text, out_end);
    uselocale(before);
    return value;
}

float ran_parse_f32(const char *text, char **out_end)
{
    locale_t before = enter_c_locale();
    float value = strtof(text, out_end);
    uselocale(before);
    return value;
}
