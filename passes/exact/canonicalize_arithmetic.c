/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Canonical forms of elementwise ops: constants to the right, identities gone, chains of constants
 * merged, clips and activations in their shortest form. */
#include "passes/exact/canonicalize.h"

#include <float.h>
#include <math.h>

static ran_elem elem_of(const ran_value *value)
{
    return ran_type_elem(ran_value_type(value));
}

/* The first operand, if the result has its type: no broadcast by the other one is lost. */
static ran_value *first_if_same(ran_op *op)
{
    ran_value *x = ran_op_operand(op, 0);
    return ran_match_same_type(x, &op->results[0]) ? x : NULL;
}

/* ---- Order of operands ---------------------------------------------------------------------------- */

static ran_value *constant_to_the_right(ran_pass_context *pass, ran_op *op)
{
    (void)pass;
    if (!ran_opcode_has_flag(op->opcode, RAN_FLAG_COMMUTATIVE) || op->operand_count != 2)
        return NULL;
    ran_value *a = ran_op_operand(op, 0), *b = ran_op_operand(op, 1);
    if (!ran_value_constant(a) || ran_value_constant(b))
        return NULL;
    ran_op_set_operand(op, 0, b);
    ran_op_set_operand(op, 1, a);
    return &op->results[0];
}

/* ---- Neutral elements --------------------------------------------------------------------------------- */

static ran_value *drop_neutral(ran_op *op, double neutral)
{
    double splat;
    if (!ran_match_splat(ran_op_operand(op, 1), &splat) || splat != neutral)
        return NULL;
    return first_if_same(op);
}

static ran_value *drop_zero(ran_pass_context *pass, ran_op *op)
{
    (void)pass;
    return drop_neutral(op, 0);
}

static ran_value *drop_one(ran_pass_context *pass, ran_op *op)
{
    (void)pass;
    return drop_neutral(op, 1);
}

/* ---- Constants merge ------------------------------------------------------------------------------------ */

static ran_value *float_constant(const ran_op *op)
{
    ran_value *c = ran_op_operand(op, 1);
    return c && ran_value_constant(c) && ran_value_is_float(c) ? c : NULL;
}

static bool is_power_of_two(double value)
{
    int exponent;
    return value != 0 && isfinite(value) && fabs(frexp(value, &exponent)) == 0.5;
}

/* x - c = x + (-c) */
static ran_value *sub_to_add(ran_pass_context *pass, ran_op *op)
{
    ran_value *c = float_constant(op);
    if (!c || ran_value_constant(ran_op_operand(op, 0)))
        return NULL;
    ran_value *negated = ran_fold_unary(pass, op, RAN_OP_NEG, c);
    if (!negated)
        return NULL;
    return ran_new_binary(pass, op, RAN_OP_ADD, ran_op_operand(op, 0), negated);
}

/* x / c = x * (1/c) where the reciprocal is exact. */
static ran_value *div_to_mul(ran_pass_context *pass, ran_op *op)
{
    ran_value *c = float_constant(op);
    if (!c || ran_value_constant(ran_op_operand(op, 0)))
        return NULL;
    const ran_tensor *tensor = ran_value_constant(c);
    for (int64_t i = 0; i < ran_tensor_numel(tensor); i++) {
        double value = ran_tensor_get_f64(tensor, i);
        if (!is_power_of_two(value) || fabs(value) < 0x1p-14 || fabs(value) > 0x1p14)
            return NULL;
    }
    ran_value *reciprocal = ran_fold_unary(pass, op, RAN_OP_RECIPROCAL, c);
    if (!reciprocal)
        return NULL;
    return ran_new_binary(pass, op, RAN_OP_MUL, ran_op_operand(op, 0), reciprocal);
}

/* The merged constant must be no larger than its parts, finite, and not the small rest of a
 * cancellation: (x + 2^23) - 2^23 rounds x, and someone may want that. */
static bool is_good_merge(const ran_value *c, const ran_value *d, const ran_value *both)
{
    const ran_tensor *tensor = ran_value_constant(both);
    double largest = 0, part = 0;
    int64_t c_count = ran_tensor_numel(ran_value_constant(c));
    int64_t d_count = ran_tensor_numel(ran_value_constant(d));
    if (ran_tensor_numel(tensor) > (c_count > d_count ? c_count : d_count))
        return false;
    for (int64_t i = 0; i < ran_tensor_numel(tensor); i++) {
        if (!isfinite(ran_tensor_get_f64(tensor, i)))
            return false;
        largest = fmax(largest, fabs(ran_tensor_get_f64(tensor, i)));
    }
    for (int64_t i = 0; i < c_count; i++)
        part = fmax(part, fabs(ran_tensor_get_f64(ran_value_constant(c), i)));
    return largest >= 1e-3 * part;
}

/* (x op c) op d = x op (c op d), when nothing else needs x op c. */
static ran_value *merge_constants(ran_pass_context *pass, ran_op *op)
{
    ran_value *d = float_constant(op);
    ran_op *inner = ran_match_op(ran_op_operand(op, 0), op->opcode);
    if (!d || !inner || !ran_value_has_one_use(&inner->results[0]) || !float_constant(inner))
        return NULL;
    ran_value *x = ran_op_operand(inner, 0), *c = float_constant(inner);
    if (ran_value_constant(x))
        return NULL;
    ran_value *both = ran_fold_binary(pass, op, op->opcode, c, d);
    if (!both || !is_good_merge(c, d, both))
        return NULL;
    return ran_new_binary(pass, op, op->opcode, x, both);
}

/* ---- Powers ---------------------------------------------------------------------------------------------- */

static ran_value *simplify_pow(ran_pass_context *pass, ran_op *op)
{
    double power;
    ran_value *x = first_if_same(op);
    if (!x || !ran_value_is_float(x) || !ran_match_splat(ran_op_operand(op, 1), &power))
        return NULL;
    if (power == 1)
        return x;
    if (power == 2)
        return ran_new_binary(pass, op, RAN_OP_MUL, x, x);
    if (power == -1)
        return ran_new_unary(pass, op, RAN_OP_RECIPROCAL, x);
    return NULL;
}

/* ---- Involutions and idempotent ops --------------------------------------------------------------------- */

static ran_value *drop_twice(ran_pass_context *pass, ran_op *op)
{
    (void)pass;
    ran_op *inner = ran_match_op(ran_op_operand(op, 0), op->opcode);
    return inner ? ran_op_operand(inner, 0) : NULL;
}

static ran_value *drop_second(ran_pass_context *pass, ran_op *op)
{
    (void)pass;
    return ran_match_op(ran_op_operand(op, 0), op->opcode) ? ran_op_operand(op, 0) : NULL;
}

/* ---- Clip, Min, Max, Relu ------------------------------------------------------------------------------------ */

typedef struct range {
    double low, high;
} range;

/* ONNX's default bounds are the lowest and the highest number: they stand for no bound. */
static bool clip_range(const ran_op *op, range *out)
{
    ran_value *low = ran_op_operand(op, 1), *high = ran_op_operand(op, 2);
    if ((low && !ran_match_splat(low, &out->low)) || (high && !ran_match_splat(high, &out->high)))
        return false;
    if (out->low <= -FLT_MAX)
        out->low = -INFINITY;
    if (out->high >= FLT_MAX)
        out->high = INFINITY;
    return !isnan(out->low) && !isnan(out->high);
}

/* op = max(min(x, high), low) for constants low and high; also in the order of Min and Max. */
static bool match_range(const ran_op *op, ran_value **out_x, range *out)
{
    double splat;
    *out = (range){-INFINITY, INFINITY};
    *out_x = ran_op_operand(op, 0);
    switch (op->opcode) {
    case RAN_OP_RELU:
        out->low = 0;
        return true;
    case RAN_OP_CLIP:
        return clip_range(op, out);
    case RAN_OP_MIN:
    case RAN_OP_MAX:
        if (!ran_match_splat(ran_op_operand(op, 1), &splat) ||
            !ran_match_same_type(*out_x, &op->results[0]) || isnan(splat))
            return false;
        *(op->opcode == RAN_OP_MIN ? &out->high : &out->low) = splat;
        return true;
    default:
        return false;
    }
}

static ran_value *new_range(ran_pass_context *pass, ran_op *op, ran_value *x, range r)
{
    ran_elem elem = elem_of(x);
    if (r.low == 0 && r.high == INFINITY)
        return ran_new_unary(pass, op, RAN_OP_RELU, x);
    ran_value *operands[] = {
        x,
        r.low == -INFINITY ? NULL : ran_new_scalar(op, elem, r.low),
        r.high == INFINITY ? NULL : ran_new_scalar(op, elem, r.high),
    };
    return ran_finish_op(pass, ran_new_op(op, RAN_OP_CLIP, r.high == INFINITY ? 2 : 3, operands));
}

static bool is_canonical_range(const ran_op *op, range r)
{
    if (op->opcode == RAN_OP_RELU)
        return true;
    if (op->opcode != RAN_OP_CLIP || (r.low == 0 && r.high == INFINITY))
        return false;
    return true;
}

/* Inner range first, then the outer one: clamp both bounds of the inner into the outer. */
static range compose(range inner, range outer)
{
    return (range){fmin(fmax(inner.low, outer.low), outer.high),
                   fmin(fmax(inner.high, outer.low), outer.high)};
}

static ran_value *simplify_range(ran_pass_context *pass, ran_op *op)
{
    range r, inner_range;
    ran_value *x, *inner_x;
    if (!ran_value_is_float(&op->results[0]) || !match_range(op, &x, &r) || r.low > r.high)
        return NULL;
    if (r.low == -INFINITY && r.high == INFINITY)
        return x;
    const ran_op *inner = ran_value_op(x);
    bool merges = inner && ran_value_has_one_use(x) && match_range(inner, &inner_x, &inner_range) &&
                  inner_range.low <= inner_range.high;
    if (merges) {
        range both = compose(inner_range, r);
        if (both.low <= both.high)
            return new_range(pass, op, inner_x, both);
    }
    return is_canonical_range(op, r) ? NULL : new_range(pass, op, x, r);
}

/* ---- Activations with a parameter ------------------------------------------------------------------------------ */

static ran_value *simplify_leaky_relu(ran_pass_context *pass, ran_op *op)
{
    double alpha = ran_op_float(op, "alpha");
    if (alpha == 1)
        return ran_op_operand(op, 0);
    return alpha == 0 ? ran_new_unary(pass, op, RAN_OP_RELU, ran_op_operand(op, 0)) : NULL;
}

static ran_value *simplify_prelu(ran_pass_context *pass, ran_op *op)
{
    double slope;
    ran_value *x = first_if_same(op);
    if (!x || !ran_value_is_float(x) || !ran_match_splat(ran_op_operand(op, 1), &slope))
        return NULL;
    if (slope == 1)
        return x;
    if (slope == 0)
        return ran_new_unary(pass, op, RAN_OP_RELU, x);
    ran_op *leaky = ran_new_op(op, RAN_OP_LEAKY_RELU, 1, &x);
    ran_op_set_float(leaky, "alpha", slope);
    return ran_finish_op(pass, leaky);
}

static ran_value *simplify_swish(ran_pass_context *pass, ran_op *op)
{
    if (ran_op_float(op, "alpha") != 1)
        return NULL;
    return ran_new_unary(pass, op, RAN_OP_SILU, ran_op_operand(op, 0));
}

static ran_value *simplify_log(ran_pass_context *pass, ran_op *op)
{
    ran_op *softmax = ran_match_op(ran_op_operand(op, 0), RAN_OP_SOFTMAX);
    if (!softmax || !ran_value_has_one_use(&softmax->results[0]))
        return NULL;
    ran_value *x = ran_op_operand(softmax, 0);
    ran_op *log_softmax = ran_new_op(op, RAN_OP_LOG_SOFTMAX, 1, &x);
    ran_op_set_int(log_softmax, "axis", ran_op_int(softmax, "axis"));
    return ran_finish_op(pass, log_softmax);
}

static ran_value *simplify_where(ran_pass_context *pass, ran_op *op)
{
    double condition;
    (void)pass;
    if (!ran_match_splat(ran_op_operand(op, 0), &condition))
        return NULL;
    ran_value *chosen = ran_op_operand(op, condition != 0 ? 1 : 2);
    return ran_match_same_type(chosen, &op->results[0]) ? chosen : NULL;
}

const ran_rule ran_canonicalize_arithmetic[] = {
    {RAN_OP_COUNT, constant_to_the_right, "arithmetic"},
    {RAN_OP_ADD, drop_zero, "no-ops"},
    {RAN_OP_SUB, drop_zero, "no-ops"},
    {RAN_OP_MUL, drop_one, "no-ops"},
    {RAN_OP_DIV, drop_one, "no-ops"},
    {RAN_OP_SUB, sub_to_add, "arithmetic"},
    {RAN_OP_DIV, div_to_mul, "arithmetic"},
    {RAN_OP_ADD, merge_constants, "arithmetic"},
    {RAN_OP_MUL, merge_constants, "arithmetic"},
    {RAN_OP_POW, simplify_pow, "arithmetic"},
    {RAN_OP_NEG, drop_twice, "no-ops"},
    {RAN_OP_NOT, drop_twice, "no-ops"},
    {RAN_OP_BITWISE_NOT, drop_twice, "no-ops"},
    {RAN_OP_ABS, drop_second, "no-ops"},
    {RAN_OP_CEIL, drop_second, "no-ops"},
    {RAN_OP_FLOOR, drop_second, "no-ops"},
    {RAN_OP_ROUND, drop_second, "no-ops"},
    {RAN_OP_SIGN, drop_second, "no-ops"},
    {RAN_OP_CLIP, simplify_range, "arithmetic"},
    {RAN_OP_MIN, simplify_range, "arithmetic"},
    {RAN_OP_MAX, simplify_range, "arithmetic"},
    {RAN_OP_RELU, simplify_range, "arithmetic"},
    {RAN_OP_LEAKY_RELU, simplify_leaky_relu, "arithmetic"},
    {RAN_OP_PRELU, simplify_prelu, "arithmetic"},
    {RAN_OP_SWISH, simplify_swish, "arithmetic"},
    {RAN_OP_LOG, simplify_log, "arithmetic"},
    {RAN_OP_WHERE, simplify_where, "arithmetic"},
    {RAN_OP_COUNT, NULL, NULL},
};
