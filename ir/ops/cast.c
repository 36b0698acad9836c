/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * cast: between all element types.
 *
 * ONNX leaves floats that no integer can hold undefined; here they saturate and NaN becomes 0, as
 * Arm's conversions and LLVM's saturating ones do. Integers wrap. 8-bit floats saturate unless
 * `saturate = 0`, when what is too large becomes an infinity, or NaN where there is none.
 */
#include "ir/ops/compute.h"
#include "ir/ops/gradient.h"

#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ---- To 8-bit floats ------------------------------------------------------------------------ */

/* Codes of f8e8m0: 2^(code - 127), 255 is NaN; there is neither zero nor sign. */
static uint8_t power_of_two(double value, const char *round_mode)
{
    int exponent;
    if (isnan(value))
        return 255;
    double size = fabs(value);
    if (size == 0)
        return 0;
    if (isinf(size))
        return 254;
    double fraction = frexp(size, &exponent); /* in [0.5, 1) */
    bool up = !strcmp(round_mode, "up")        ? fraction > 0.5
              : !strcmp(round_mode, "nearest") ? fraction >= 0.75
                                               : false;
    int code = exponent - 1 + up + 127;
    return (uint8_t)(code < 0 ? 0 : code > 254 ? 254 : code);
}

/* ---- Strings -------------------------------------------------------------------------------- */

/* The fewest digits that read back as the same element. */
static int shortest_digits(ran_elem elem, double value, char *out, size_t size)
{
    for (int digits = 1; digits <= 17; digits++) {
        snprintf(out, size, "%.*e", digits - 1, value);
        double back = strtod(out, NULL);
        if (elem == RAN_ELEM_F64 ? back == value : ran_round_to(elem, back) == value)
            return digits;
    }
    return 17;
}

/* As numpy prints a scalar: positional between 1e-4 and 1e16, scientific outside. */
static void format_float(ran_elem elem, double value, char *out, size_t size)
{
    if (isnan(value) || isinf(value)) {
        snprintf(out, size, "%s", isnan(value) ? "nan" : value < 0 ? "-inf" : "inf");
        return;
    }
    int digits = shortest_digits(elem, value, out, size);
    int exponent = atoi(strchr(out, 'e') + 1);
    if (value == 0 || (exponent >= -4 && exponent < 16)) {
        int decimals = digits - 1 - exponent;
        snprintf(out, size, "%.*f", decimals < 1 ? 1 : decimals, value);
    }
}

static void set_string(ran_tensor *y, int64_t i, const ran_tensor *x)
{
    char text[400];
    ran_elem elem = ran_tensor_elem(x);
    if (ran_elem_is_float(elem))
        format_float(elem, ran_tensor_get_f64(x, i), text, sizeof text);
    else if (elem == RAN_ELEM_BOOL)
        snprintf(text, sizeof text, "%s", ran_tensor_get_i64(x, i) ? "True" : "False");
    else if (elem == RAN_ELEM_U64)
        snprintf(text, sizeof text, "%llu", (unsigned long long)ran_tensor_get_i64(x, i));
    else
        snprintf(text, sizeof text, "%lld", (long long)ran_tensor_get_i64(x, i));
    char **strings = ran_tensor_mutable_data(y);
    free(strings[i]);
    strings[i] = strdup(text);
}

/* ---- The loop over elements ----------------------------------------------------------------- */

static void set_float(const ran_op *op, ran_tensor *y, int64_t i, double value)
{
    ran_elem elem = ran_tensor_elem(y);
    uint8_t *bytes = ran_tensor_mutable_data(y);
    if (elem == RAN_ELEM_F8E8M0)
        bytes[i] = power_of_two(value, ran_op_string(op, "round_mode"));
    else if (ran_elem_is_float(elem) && ran_elem_bits(elem) == 8)
        bytes[i] = (uint8_t)ran_elem_encode(elem, value, ran_op_int(op, "saturate"));
    else
        ran_tensor_set_f64(y, i, value);
}

static ran_status parse_element(ran_evaluation *e, int64_t i)
{
    const char *text = ((const char *const *)ran_tensor_data(e->operands[0]))[i];
    ran_tensor *y = e->results[0];
    char *end = NULL;
    text = text ? text : "";
    if (ran_elem_is_int(ran_tensor_elem(y))) {
        errno = 0;
        long long value = ran_tensor_elem(y) == RAN_ELEM_U64 ? (long long)strtoull(text, &end, 10)
                                                             : strtoll(text, &end, 10);
        ran_tensor_set_i64(y, i, value);
    }
    if (!end || *end)
        set_float(e->op, y, i, strtod(text, &end));
    if (end == text || *end)
        return ran_op_error(e->op, RAN_INVALID, "\"%s\" is not a number", text);
    return RAN_OK;
}

static ran_status cast_element(ran_evaluation *e, int64_t i)
{
    const ran_tensor *x = e->operands[0];
    ran_tensor *y = e->results[0];
    ran_elem from = ran_tensor_elem(x), to = ran_tensor_elem(y);
    if (to == RAN_ELEM_STRING)
        set_string(y, i, x);
    else if (from == RAN_ELEM_STRING)
        return parse_element(e, i);
    else if (from == RAN_ELEM_U64 && ran_elem_is_float(to))
        set_float(e->op, y, i, (double)(uint64_t)ran_tensor_get_i64(x, i));
    else if (ran_elem_is_float(from) || !ran_elem_is_int(to))
        set_float(e->op, y, i, ran_tensor_get_f64(x, i));
    else
        ran_tensor_set_i64(y, i, ran_tensor_get_i64(x, i));
    return RAN_OK;
}

static ran_status evaluate_cast(ran_evaluation *e)
{
    ran_status status = RAN_OK;
    int64_t n = ran_tensor_numel(e->operands[0]);
    if (ran_tensor_elem(e->operands[0]) == ran_tensor_elem(e->results[0])) {
        ran_forward_tensor(e, 0, e->operands[0]);
        return RAN_OK;
    }
    for (int64_t i = 0; i < n && status == RAN_OK; i++)
        status = cast_element(e, i);
    return status;
}

/* ---- Inference ------------------------------------------------------------------------------ */

/* Sizes keep their value in any type that holds them. */
static bool keeps_sizes(ran_elem from, ran_elem to)
{
    return (to == RAN_ELEM_I64 || to == RAN_ELEM_I32) && ran_elem_in(from, "IB") &&
           ran_elem_bits(from) <= 64;
}

static ran_status infer_cast(ran_infer *infer)
{
    ran_elem to = ran_type_elem(ran_op_type_attr(infer->op, "to"));
    ran_status status = ran_infer_check_elem(infer, 0, "FIBT");
    if (status != RAN_OK)
        return status;
    if (ran_elem_in(to, "C"))
        return ran_infer_error(infer, "casts to %s do not exist", ran_elem_name(to));
    infer->results[0] = ran_type_with_elem(infer->context, infer->operands[0], to);
    if (infer->known[0] && keeps_sizes(ran_type_elem(infer->operands[0]), to))
        memcpy(ran_infer_known(infer, 0, infer->known_count[0]), infer->known[0],
               infer->known_count[0] * sizeof *infer->known[0]);
    return RAN_OK;
}

static ran_status verify_cast(const ran_op *op)
{
    const char *mode = ran_op_string(op, "round_mode");
    if (!strcmp(mode, "up") || !strcmp(mode, "down") || !strcmp(mode, "nearest"))
        return RAN_OK;
    return ran_op_error(op, RAN_INVALID, "attribute round_mode: unknown mode \"%s\"", mode);
}

const ran_op_hooks ran_hooks_cast = {.verify = verify_cast,
                                     .infer = infer_cast,
                                     .evaluate = evaluate_cast,
                                     .gradient = ran_cast_gradient};
