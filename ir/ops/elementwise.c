/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Elementwise ops: the rows of elementwise.def and those with a form of their own.
 *
 * Floats and bools are computed by the row's `reference`; integers here, in 64 bits, and wrapped
 * when they are stored. u64 is the only type whose order and quotients differ from i64's.
 */
#include "ir/ops/compute.h"
#include "ir/ops/gradient.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

/* ---- Rows as functions ---------------------------------------------------------------------- */

typedef void unary_function(double *y, const double *x, int64_t n, double a0, double a1);
typedef void binary_function(double *z, const double *x, int64_t x_step, const double *y,
                             int64_t y_step, int64_t n);

#define RAN_UNARY(ENUM, name, reference, kernel, ...)                                              \
    static void apply_##name(double *y_, const double *x_, int64_t n_, double a0, double a1)       \
    {                                                                                              \
        (void)a0, (void)a1;                                                                        \
        for (int64_t i_ = 0; i_ < n_; i_++) {                                                      \
            double x = x_[i_];                                                                     \
            y_[i_] = (reference);                                                                  \
        }                                                                                          \
    }
#define RAN_BINARY(ENUM, name, reference, kernel, ...)                                             \
    static void apply_##name(double *z_, const double *x_, int64_t x_step, const double *y_,       \
                             int64_t y_step, int64_t n_)                                           \
    {                                                                                              \
        for (int64_t i_ = 0; i_ < n_; i_++) {                                                      \
            double x = x_[i_ * x_step], y = y_[i_ * y_step];                                       \
            (void)y;                                                                               \
            z_[i_] = (reference);                                                                  \
        }                                                                                          \
    }
#include <ran/elementwise.def>

static unary_function *const unary_functions[RAN_OP_COUNT] = {
#define RAN_UNARY(ENUM, name, ...) [RAN_OP_##ENUM] = apply_##name,
#define RAN_BINARY(...)
#include <ran/elementwise.def>
};

static binary_function *const binary_functions[RAN_OP_COUNT] = {
#define RAN_UNARY(...)
#define RAN_BINARY(ENUM, name, ...) [RAN_OP_##ENUM] = apply_##name,
#include <ran/elementwise.def>
};

/* ---- Integers ------------------------------------------------------------------------------- */

static int64_t integer_abs(int64_t x)
{
    return x < 0 ? (int64_t)(0 - (uint64_t)x) : x;
}

static int64_t integer_unary(const ran_op *op, bool is_unsigned, int64_t x, const double *attrs)
{
    switch (op->opcode) {
    case RAN_OP_RELU:
        return !is_unsigned && x < 0 ? 0 : x;
    case RAN_OP_ABS:
        return is_unsigned ? x : integer_abs(x);
    case RAN_OP_NEG:
        return (int64_t)(0 - (uint64_t)x);
    case RAN_OP_SIGN:
        return is_unsigned ? x != 0 : (x > 0) - (x < 0);
    case RAN_OP_BITWISE_NOT:
        return ~x;
    case RAN_OP_SHRINK: {
        double value = is_unsigned ? (double)(uint64_t)x : (double)x;
        return value < -attrs[1]  ? (int64_t)(value + attrs[0])
               : value > attrs[1] ? (int64_t)(value - attrs[0])
                                  : 0;
    }
    default:
        RAN_BUG(NULL, "%s on integers", ran_opcode_name(op->opcode));
    }
}

/* Truncates; x / 0 is 0, and the one quotient that overflows wraps. */
static int64_t integer_div(bool is_unsigned, int64_t x, int64_t y)
{
    if (y == 0)
        return 0;
    if (is_unsigned)
        return (int64_t)((uint64_t)x / (uint64_t)y);
    return y == -1 ? (int64_t)(0 - (uint64_t)x) : x / y;
}

static int64_t integer_rem(bool is_unsigned, int64_t x, int64_t y)
{
    if (y == 0)
        return 0;
    if (is_unsigned)
        return (int64_t)((uint64_t)x % (uint64_t)y);
    return y == -1 ? 0 : x % y;
}

/* Of an integer to an integer: 1 / x^n truncates to 0 except for 1 and -1. */
static int64_t integer_pow(bool is_unsigned, int64_t x, int64_t y)
{
    if (!is_unsigned && y < 0)
        return x == 1 ? 1 : x == -1 ? (y % 2 ? -1 : 1) : 0;
    uint64_t result = 1, base = (uint64_t)x;
    for (uint64_t n = (uint64_t)y; n; n >>= 1, base *= base)
        result *= n & 1 ? base : 1;
    return (int64_t)result;
}

static bool integer_less(bool is_unsigned, int64_t x, int64_t y)
{
    return is_unsigned ? (uint64_t)x < (uint64_t)y : x < y;
}

static int64_t integer_binary(const ran_op *op, bool is_unsigned, int64_t x, int64_t y)
{
    uint64_t ux = (uint64_t)x, uy = (uint64_t)y;
    switch (op->opcode) {
    case RAN_OP_ADD:
        return (int64_t)(ux + uy);
    case RAN_OP_SUB:
        return (int64_t)(ux - uy);
    case RAN_OP_MUL:
        return (int64_t)(ux * uy);
    case RAN_OP_DIV:
        return integer_div(is_unsigned, x, y);
    case RAN_OP_POW:
        return integer_pow(is_unsigned, x, y);
    case RAN_OP_MIN:
        return integer_less(is_unsigned, y, x) ? y : x;
    case RAN_OP_MAX:
        return integer_less(is_unsigned, x, y) ? y : x;
    case RAN_OP_EQUAL:
        return x == y;
    case RAN_OP_LESS:
        return integer_less(is_unsigned, x, y);
    case RAN_OP_LESS_OR_EQUAL:
        return !integer_less(is_unsigned, y, x);
    case RAN_OP_GREATER:
        return integer_less(is_unsigned, y, x);
    case RAN_OP_GREATER_OR_EQUAL:
        return !integer_less(is_unsigned, x, y);
    case RAN_OP_BITWISE_AND:
        return x & y;
    case RAN_OP_BITWISE_OR:
        return x | y;
    case RAN_OP_BITWISE_XOR:
        return x ^ y;
    case RAN_OP_PRELU:
        return !is_unsigned && x < 0 ? (int64_t)(ux * uy) : x;
    case RAN_OP_MOD: {
        int64_t rem = integer_rem(is_unsigned, x, y);
        bool floors = !is_unsigned && !ran_op_int(op, "fmod") && rem && (rem < 0) != (y < 0);
        return floors ? rem + y : rem;
    }
    case RAN_OP_BIT_SHIFT:
        if (uy >= ran_elem_bits(ran_type_elem(ran_value_type(ran_op_operand(op, 0)))))
            return 0;
        return (int64_t)(!strcmp(ran_op_string(op, "direction"), "LEFT") ? ux << uy : ux >> uy);
    default:
        RAN_BUG(NULL, "%s on integers", ran_opcode_name(op->opcode));
    }
}

/* ---- Unary ---------------------------------------------------------------------------------- */

static const char *allowed_types(const ran_op *op)
{
    return op->opcode == RAN_OP_EQUAL ? "FIBT" : ran_op_definition(op->opcode)->types;
}

static ran_status infer_unary(ran_infer *infer)
{
    const ran_op_def *def = ran_op_definition(infer->op->opcode);
    const ran_type *type = infer->operands[0];
    ran_status status = ran_infer_check_elem(infer, 0, allowed_types(infer->op));
    infer->results[0] = def->result && *def->result == 'B'
                            ? ran_type_with_elem(infer->context, type, RAN_ELEM_BOOL)
                            : type;
    if (status == RAN_OK && infer->known[0] && infer->op->opcode == RAN_OP_NEG) {
        const ran_dim **known = ran_infer_known(infer, 0, infer->known_count[0]);
        for (size_t i = 0; i < infer->known_count[0]; i++)
            known[i] = ran_dim_mul_constant(infer->context, infer->known[0][i], -1);
    }
    return status;
}

static ran_status evaluate_unary(ran_evaluation *e)
{
    double attrs[4] = {0};
    ran_op_scalar_attrs(e->op, attrs);
    ran_elem elem = ran_tensor_elem(e->operands[0]);
    int64_t n = ran_tensor_numel(e->operands[0]);
    if (ran_elem_is_int(elem)) {
        int64_t *x = ran_load_i64(e->operands[0]);
        for (int64_t i = 0; i < n; i++)
            x[i] = integer_unary(e->op, ran_elem_is_unsigned_int(elem), x[i], attrs);
        ran_store_i64(e->results[0], x);
        free(x);
        return RAN_OK;
    }
    double *x = ran_load_f64(e->operands[0]);
    unary_functions[e->op->opcode](x, x, n, attrs[0], attrs[1]);
    ran_store_f64(e->results[0], x);
    free(x);
    return RAN_OK;
}

const ran_op_hooks ran_hooks_unary = {
    .infer = infer_unary, .evaluate = evaluate_unary, .gradient = ran_unary_gradient};

/* ---- Binary: known values ------------------------------------------------------------------- */

/* -1 unknown, else whether a == b. Sizes are never negative. */
static int dims_equal(const ran_dim *a, const ran_dim *b)
{
    if (a == b)
        return 1;
    if (ran_dim_is_constant(a) && ran_dim_is_constant(b))
        return 0;
    bool apart = ran_dim_upper_bound(a) < ran_dim_lower_bound(b) ||
                 ran_dim_upper_bound(b) < ran_dim_lower_bound(a);
    return apart ? 0 : -1;
}

static const ran_dim *divide_dims(ran_context *c, const ran_dim *a, const ran_dim *b)
{
    if (ran_dim_is_constant(a) && ran_dim_is_constant(b))
        return ran_dim_constant(c, integer_div(false, ran_dim_value(a), ran_dim_value(b)));
    if (ran_dim_lower_bound(a) < 0 || ran_dim_lower_bound(b) <= 0)
        return NULL;
    return ran_dim_binary(c, RAN_DIM_FLOORDIV, a, b);
}

static const ran_dim *combine_dims(const ran_op *op, ran_context *c, const ran_dim *a,
                                   const ran_dim *b)
{
    switch (op->opcode) {
    case RAN_OP_ADD:
        return ran_dim_add(c, a, b);
    case RAN_OP_SUB:
        return ran_dim_sub(c, a, b);
    case RAN_OP_MUL:
        return ran_dim_mul(c, a, b);
    case RAN_OP_DIV:
        return divide_dims(c, a, b);
    case RAN_OP_MIN:
        return ran_dim_binary(c, RAN_DIM_MIN, a, b);
    case RAN_OP_MAX:
        return ran_dim_binary(c, RAN_DIM_MAX, a, b);
    case RAN_OP_EQUAL: {
        int equal = dims_equal(a, b);
        return equal < 0 ? NULL : ran_dim_constant(c, equal);
    }
    case RAN_OP_MOD:
        if (!ran_dim_is_constant(a) || !ran_dim_is_constant(b))
            return NULL;
        return ran_dim_constant(c, integer_binary(op, false, ran_dim_value(a), ran_dim_value(b)));
    default:
        return NULL;
    }
}

/* Elements of operand `index`, when they broadcast along one axis at most. */
static size_t known_elements(const ran_infer *infer, size_t index, const ran_dim *const **out)
{
    const ran_type *type = ran_infer_operand(infer, index);
    if (!type || !infer->known[index] || ran_type_rank(type) > 1 || ran_type_rank(type) < 0)
        return 0;
    *out = infer->known[index];
    return infer->known_count[index];
}

static void infer_known_binary(ran_infer *infer)
{
    const ran_dim *const *a, *const *b;
    const ran_dim *values[RAN_MAX_KNOWN];
    size_t a_count = known_elements(infer, 0, &a), b_count = known_elements(infer, 1, &b);
    size_t count = a_count > b_count ? a_count : b_count;
    if (!a_count || !b_count || count > RAN_MAX_KNOWN)
        return;
    for (size_t i = 0; i < count; i++) {
        values[i] = combine_dims(infer->op, infer->context, a[a_count == 1 ? 0 : i],
                                 b[b_count == 1 ? 0 : i]);
        if (!values[i])
            return;
    }
    memcpy(ran_infer_known(infer, 0, count), values, count * sizeof *values);
}

/* ---- Binary --------------------------------------------------------------------------------- */

static ran_status infer_broadcast_of(ran_infer *infer, const char *types, ran_elem elem)
{
    ran_status status = ran_infer_check_elem(infer, 0, types);
    if (status == RAN_OK)
        status = ran_infer_check_elem(infer, 1, types);
    if (status == RAN_OK && infer->op->opcode != RAN_OP_POW)
        status = ran_infer_check_same_elem(infer, 0, 1);
    if (status == RAN_OK)
        status = ran_infer_broadcast(infer, 2, infer->operands, elem, &infer->results[0]);
    if (status == RAN_OK)
        infer_known_binary(infer);
    return status;
}

/* The slope of prelu broadcasts to x, not the other way. */
static ran_status check_unidirectional(const ran_infer *infer)
{
    const ran_type *x = infer->operands[0], *y = infer->results[0];
    bool fits = ran_type_rank(x) < 0 || ran_type_rank(x) == ran_type_rank(y);
    for (int i = 0; fits && i < ran_type_rank(x); i++)
        fits = !ran_dim_is(ran_type_dim(x, i), 1) || ran_dim_is(ran_type_dim(y, i), 1) ||
               !ran_dim_is_constant(ran_type_dim(y, i));
    if (fits)
        return RAN_OK;
    return ran_infer_error(infer, "operand y: %s does not broadcast to %s",
                           ran_type_text(infer->context, infer->operands[1]),
                           ran_type_text(infer->context, x));
}

static ran_status infer_binary(ran_infer *infer)
{
    const ran_op_def *def = ran_op_definition(infer->op->opcode);
    bool is_predicate = def->result && *def->result == 'B';
    ran_elem elem = is_predicate ? RAN_ELEM_BOOL : ran_type_elem(infer->operands[0]);
    ran_status status = infer_broadcast_of(infer, allowed_types(infer->op), elem);
    return status == RAN_OK && infer->op->opcode == RAN_OP_PRELU ? check_unidirectional(infer)
                                                                 : status;
}

static void start_walk(ran_evaluation *e, ran_walk *walk)
{
    const ran_tensor *z = e->results[0];
    ran_walk_broadcast(walk, ran_tensor_rank(z), ran_tensor_dims(z), 2, e->operands);
}

static void binary_integers(ran_evaluation *e)
{
    bool is_unsigned = ran_elem_is_unsigned_int(ran_tensor_elem(e->operands[0]));
    int64_t *x = ran_load_i64(e->operands[0]), *y = ran_load_i64(e->operands[1]);
    int64_t *z = RAN_NEW(int64_t, ran_tensor_numel(e->results[0])), *out = z;
    ran_walk w;
    start_walk(e, &w);
    RAN_FOR_ROWS(&w)
    for (int64_t i = 0; i < w.length; i++)
        *out++ = integer_binary(e->op, is_unsigned, x[w.offset[0] + i * w.step[0]],
                                y[w.offset[1] + i * w.step[1]]);
    ran_store_i64(e->results[0], z);
    free(x);
    free(y);
    free(z);
}

static void binary_floats(ran_evaluation *e, binary_function *function)
{
    double *x = ran_load_f64(e->operands[0]), *y = ran_load_f64(e->operands[1]);
    double *z = RAN_NEW(double, ran_tensor_numel(e->results[0])), *out = z;
    ran_walk w;
    start_walk(e, &w);
    RAN_FOR_ROWS(&w)
    {
        function(out, x + w.offset[0], w.step[0], y + w.offset[1], w.step[1], w.length);
        out += w.length;
    }
    ran_store_f64(e->results[0], z);
    free(x);
    free(y);
    free(z);
}

static void binary_strings(ran_evaluation *e)
{
    const char *const *x = ran_tensor_data(e->operands[0]), *const *y =
                                                                ran_tensor_data(e->operands[1]);
    uint8_t *out = ran_tensor_mutable_data(e->results[0]);
    ran_walk w;
    start_walk(e, &w);
    RAN_FOR_ROWS(&w)
    for (int64_t i = 0; i < w.length; i++) {
        const char *a = x[w.offset[0] + i * w.step[0]], *b = y[w.offset[1] + i * w.step[1]];
        *out++ = !strcmp(a ? a : "", b ? b : "");
    }
}

static ran_status evaluate_binary(ran_evaluation *e)
{
    ran_elem x = ran_tensor_elem(e->operands[0]), y = ran_tensor_elem(e->operands[1]);
    if (x == RAN_ELEM_STRING)
        binary_strings(e);
    else if (ran_elem_is_int(x) && ran_elem_is_int(y))
        binary_integers(e);
    else
        binary_floats(e, binary_functions[e->op->opcode]);
    return RAN_OK;
}

const ran_op_hooks ran_hooks_binary = {
    .infer = infer_binary, .evaluate = evaluate_binary, .gradient = ran_binary_gradient};

/* ---- mod, bit_shift ------------------------------------------------------------------------- */

static ran_status infer_mod(ran_infer *infer)
{
    return infer_broadcast_of(infer, "FI", ran_type_elem(infer->operands[0]));
}

static void apply_fmod(double *z, const double *x, int64_t x_step, const double *y, int64_t y_step,
                       int64_t n)
{
    for (int64_t i = 0; i < n; i++)
        z[i] = fmod(x[i * x_step], y[i * y_step]);
}

/* The sign follows the divisor. */
static void apply_floor_mod(double *z, const double *x, int64_t x_step, const double *y,
                            int64_t y_step, int64_t n)
{
    for (int64_t i = 0; i < n; i++) {
        double divisor = y[i * y_step], rem = fmod(x[i * x_step], divisor);
        z[i] = rem != 0 && (rem < 0) != (divisor < 0) ? rem + divisor : rem;
    }
}

static ran_status evaluate_mod(ran_evaluation *e)
{
    if (ran_elem_is_int(ran_tensor_elem(e->operands[0])))
        binary_integers(e);
    else
        binary_floats(e, ran_op_int(e->op, "fmod") ? apply_fmod : apply_floor_mod);
    return RAN_OK;
}

const ran_op_hooks ran_hooks_mod = {
    .infer = infer_mod, .evaluate = evaluate_mod, .gradient = ran_mod_gradient};

static ran_status verify_bit_shift(const ran_op *op)
{
    const char *direction = ran_op_string(op, "direction");
    if (!strcmp(direction, "LEFT") || !strcmp(direction, "RIGHT"))
        return RAN_OK;
    return ran_op_error(op, RAN_INVALID, "attribute direction: expected LEFT or RIGHT, got \"%s\"",
                        direction);
}

static ran_status infer_bit_shift(ran_infer *infer)
{
    return infer_broadcast_of(infer, "U", ran_type_elem(infer->operands[0]));
}

static ran_status evaluate_bit_shift(ran_evaluation *e)
{
    binary_integers(e);
    return RAN_OK;
}

const ran_op_hooks ran_hooks_bit_shift = {
    .verify = verify_bit_shift, .infer = infer_bit_shift, .evaluate = evaluate_bit_shift};

/* ---- is_inf --------------------------------------------------------------------------------- */

static ran_status infer_is_inf(ran_infer *infer)
{
    infer->results[0] = ran_type_with_elem(infer->context, infer->operands[0], RAN_ELEM_BOOL);
    return ran_infer_check_elem(infer, 0, "F");
}

static ran_status evaluate_is_inf(ran_evaluation *e)
{
    bool negative = ran_op_int(e->op, "detect_negative"),
         positive = ran_op_int(e->op, "detect_positive");
    double *x = ran_load_f64(e->operands[0]);
    for (int64_t i = 0; i < ran_tensor_numel(e->results[0]); i++)
        x[i] = isinf(x[i]) && (x[i] < 0 ? negative : positive);
    ran_store_f64(e->results[0], x);
    free(x);
    return RAN_OK;
}

const ran_op_hooks ran_hooks_is_inf = {.infer = infer_is_inf, .evaluate = evaluate_is_inf};

/* ---- clip ----------------------------------------------------------------------------------- */

static ran_status infer_clip(ran_infer *infer)
{
    ran_status status = ran_infer_check_elem(infer, 0, "FI");
    for (size_t i = 1; i < 3 && status == RAN_OK; i++) {
        const ran_type *bound = ran_infer_operand(infer, i);
        status = ran_infer_check_same_elem(infer, 0, i);
        if (status == RAN_OK && bound && ran_type_is_static(bound) && ran_type_numel(bound) != 1)
            status = ran_infer_error(infer, "operand %s: expected one element, got %s",
                                     i == 1 ? "min" : "max", ran_type_text(infer->context, bound));
    }
    return status == RAN_OK ? ran_infer_like_first(infer, 0) : status;
}

/* min(max(x, low), high), so that high wins; a NaN anywhere is the result. */
static double clip(double x, double low, double high)
{
    double raised = isnan(x) || x > low ? x : low;
    return isnan(raised) || raised < high ? raised : high;
}

static ran_status evaluate_clip(ran_evaluation *e)
{
    const ran_tensor *low = ran_eval_operand(e, 1), *high = ran_eval_operand(e, 2);
    int64_t n = ran_tensor_numel(e->results[0]);
    ran_elem elem = ran_tensor_elem(e->operands[0]);
    if (ran_elem_is_int(elem)) {
        bool is_unsigned = ran_elem_is_unsigned_int(elem);
        int64_t *x = ran_load_i64(e->operands[0]);
        int64_t a = ran_scalar_i64(low, 0), b = ran_scalar_i64(high, 0);
        for (int64_t i = 0; i < n; i++) {
            x[i] = low && integer_less(is_unsigned, x[i], a) ? a : x[i];
            x[i] = high && integer_less(is_unsigned, b, x[i]) ? b : x[i];
        }
        ran_store_i64(e->results[0], x);
        free(x);
        return RAN_OK;
    }
    double *x = ran_load_f64(e->operands[0]);
    double a = ran_scalar_f64(low, -INFINITY), b = ran_scalar_f64(high, INFINITY);
    for (int64_t i = 0; i < n; i++)
        x[i] = clip(x[i], a, b);
    ran_store_f64(e->results[0], x);
    free(x);
    return RAN_OK;
}

const ran_op_hooks ran_hooks_clip = {
    .infer = infer_clip, .evaluate = evaluate_clip, .gradient = ran_clip_gradient};

/* ---- where ---------------------------------------------------------------------------------- */

static void infer_known_where(ran_infer *infer)
{
    const ran_dim *const *elements[3];
    const ran_dim *values[RAN_MAX_KNOWN];
    size_t counts[3], count = 1;
    for (size_t i = 0; i < 3; i++) {
        counts[i] = known_elements(infer, i, &elements[i]);
        if (!counts[i] || counts[i] > RAN_MAX_KNOWN)
            return;
        count = counts[i] > count ? counts[i] : count;
    }
    for (size_t i = 0; i < count; i++) {
        const ran_dim *condition = elements[0][counts[0] == 1 ? 0 : i];
        if (!ran_dim_is_constant(condition))
            return;
        size_t chosen = ran_dim_value(condition) ? 1 : 2;
        values[i] = elements[chosen][counts[chosen] == 1 ? 0 : i];
    }
    memcpy(ran_infer_known(infer, 0, count), values, count * sizeof *values);
}

static ran_status infer_where(ran_infer *infer)
{
    ran_status status = ran_infer_check_elem(infer, 0, "B");
    if (status == RAN_OK)
        status = ran_infer_check_same_elem(infer, 1, 2);
    if (status == RAN_OK)
        status = ran_infer_broadcast(infer, 3, infer->operands, ran_type_elem(infer->operands[1]),
                                     &infer->results[0]);
    if (status == RAN_OK)
        infer_known_where(infer);
    return status;
}

static ran_status evaluate_where(ran_evaluation *e)
{
    ran_tensor *z = e->results[0];
    const uint8_t *condition = ran_tensor_data(e->operands[0]);
    int64_t out = 0;
    ran_walk w;
    ran_walk_broadcast(&w, ran_tensor_rank(z), ran_tensor_dims(z), 3, e->operands);
    RAN_FOR_ROWS(&w)
    for (int64_t i = 0; i < w.length; i++) {
        int from = condition[w.offset[0] + i * w.step[0]] ? 1 : 2;
        ran_copy_elements(z, out++, e->operands[from], w.offset[from] + i * w.step[from], 1);
    }
    return RAN_OK;
}

const ran_op_hooks ran_hooks_where = {
    .infer = infer_where, .evaluate = evaluate_where, .gradient = ran_where_gradient};

/* ---- bit_cast ------------------------------------------------------------------------------- */

static ran_status infer_bit_cast(ran_infer *infer)
{
    ran_elem to = ran_type_elem(ran_op_type_attr(infer->op, "to"));
    ran_elem from = ran_type_elem(infer->operands[0]);
    if (ran_elem_bits(to) != ran_elem_bits(from) || !ran_elem_bits(to))
        return ran_infer_error(infer, "%s and %s differ in size", ran_elem_name(from),
                               ran_elem_name(to));
    infer->results[0] = ran_type_with_elem(infer->context, infer->operands[0], to);
    return RAN_OK;
}

static ran_status evaluate_bit_cast(ran_evaluation *e)
{
    memcpy(ran_tensor_mutable_data(e->results[0]), ran_tensor_data(e->operands[0]),
           ran_tensor_bytes(e->results[0]));
    return RAN_OK;
}

const ran_op_hooks ran_hooks_bit_cast = {.infer = infer_bit_cast, .evaluate = evaluate_bit_cast};
