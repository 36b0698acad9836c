/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Layer normalisation as frameworks write it:
 *
 *   %1 = reduce_mean %x, [-1]
 *   %2 = sub %x, %1
 *   %3 = mul %2, %2                            (or pow %2, 2)
 *   %4 = reduce_mean %3, [-1]          =>      %9 = layer_normalization %x, @scale, @bias
 *   %5 = add %4, 1e-5                                   {axis = -1, epsilon = 1e-5}
 *   %6 = sqrt %5
 *   %7 = div %2, %6                            (or mul by the reciprocal, or by pow -0.5)
 *   %8 = mul %7, @scale
 *   %9 = add %8, @bias
 *
 * In two steps: the core, without scale and shift, becomes a layer_normalization with a scale of ones;
 * then constants that multiply or add to it, varying along the normalised axes only, are taken in. The
 * reductions keep their dimensions and go over the same constant axes. Nothing but the pattern may use
 * what is inside: the reductions would be computed twice.
 *
 * Where the axes are not the last ones (channels first), the normalisation stands between two
 * transposes, which push-transposes then cancels where it can; `channels-first=false` leaves it as it
 * is.
 */
#include "passes/match.h"

#include <math.h>
#include <string.h>

static int rank_of(const ran_value *value)
{
    const ran_type *type = value ? ran_value_type(value) : NULL;
    return type && ran_type_is_tensor(type) ? ran_type_rank(type) : -1;
}

/* ---- The core --------------------------------------------------------------------------------------- */

/* value = mean of x over a mask of axes, dimensions kept */
static bool match_mean(const ran_value *value, ran_value **out_x, uint32_t *out_axes)
{
    int64_t axes[RAN_MAX_RANK];
    const ran_op *pool = ran_match_op(value, RAN_OP_GLOBAL_AVERAGE_POOL);
    const ran_op *op = ran_match_op(value, RAN_OP_REDUCE_MEAN);
    if (pool) { /* the canonical form of a mean over a whole map */
        *out_x = ran_op_operand(pool, 0);
        *out_axes = (1u << rank_of(*out_x)) - 1 - 3;
        return true;
    }
    if (!op || !ran_op_int(op, "keepdims"))
        return false;
    *out_x = ran_op_operand(op, 0);
    *out_axes = 0;
    int rank = rank_of(*out_x);
    int64_t count = ran_match_ints(ran_op_operand(op, 1), axes, RAN_MAX_RANK);
    for (int64_t i = 0; i < count; i++)
        *out_axes |= 1u << ran_axis(axes[i], rank);
    return rank > 0 && count > 0;
}

/* value = x - mean(x) */
static bool match_centred(const ran_value *value, ran_value **out_x, uint32_t *out_axes)
{
    ran_value *mean, *of;
    if (ran_match_binary(value, RAN_OP_SUB, out_x, &mean))
        return match_mean(mean, &of, out_axes) && of == *out_x;
    ran_value *a, *b;
    if (!ran_match_binary(value, RAN_OP_ADD, &a, &b))
        return false;
    for (int i = 0; i < 2; i++) {
        const ran_op *neg = ran_match_op(i ? a : b, RAN_OP_NEG);
        *out_x = i ? b : a;
        if (neg && match_mean(ran_op_operand(neg, 0), &of, out_axes) && of == *out_x)
            return true;
    }
    return false;
}

/* value = variance + epsilon, of the centred value */
static bool match_variance(const ran_value *value, const ran_value *x, uint32_t axes,
                           double *out_epsilon)
{
    ran_value *variance, *square, *centred, *of;
    uint32_t square_axes, centred_axes;
    double power;
    return ran_match_with_splat(value, RAN_OP_ADD, &variance, out_epsilon) &&
           match_mean(variance, &square, &square_axes) && square_axes == axes &&
           ran_match_power(square, &centred, &power) && power == 2 &&
           match_centred(centred, &of, &centred_axes) && of == x && centred_axes == axes;
}

/* value = sqrt(of), also as Pow */
static bool match_root(const ran_value *value, double power, ran_value **out_of)
{
    double splat;
    ran_value *base, *exponent;
    const ran_op *root = ran_match_op(value, RAN_OP_SQRT);
    if (root && power == 0.5) {
        *out_of = ran_op_operand(root, 0);
        return true;
    }
    if (!ran_match_binary(value, RAN_OP_POW, &base, &exponent) ||
        !ran_match_splat(exponent, &splat) || splat != power)
        return false;
    *out_of = base;
    return true;
}

/* value = 1 / sqrt(of) */
static bool match_inverse_root(const ran_value *value, ran_value **out_of)
{
    ran_value *one, *root;
    const ran_op *reciprocal = ran_match_op(value, RAN_OP_RECIPROCAL);
    if (reciprocal)
        return match_root(ran_op_operand(reciprocal, 0), 0.5, out_of);
    if (ran_match_binary(value, RAN_OP_DIV, &one, &root))
        return ran_match_splat_is(one, 1) && match_root(root, 0.5, out_of);
    return match_root(value, -0.5, out_of);
}

typedef struct core {
    ran_value *x;
    uint32_t axes;
    double epsilon;
} core;

static bool match_core(const ran_op *op, core *out)
{
    ran_value *variance;
    for (size_t i = 0; i < 2; i++) {
        ran_value *centred = ran_op_operand(op, i), *scale = ran_op_operand(op, 1 - i);
        if (!match_centred(centred, &out->x, &out->axes) || (op->opcode == RAN_OP_DIV && i))
            continue;
        bool found = op->opcode == RAN_OP_DIV ? match_root(scale, 0.5, &variance)
                                              : match_inverse_root(scale, &variance);
        if (found && match_variance(variance, out->x, out->axes, &out->epsilon))
            return true;
    }
    return false;
}

/* ---- Building ------------------------------------------------------------------------------------------ */

/* The axes that stay, in order, then the normalised ones. Returns how many stay. */
static int normalised_last(uint32_t axes, int rank, int64_t *perm)
{
    int count = 0, kept = 0;
    for (int pass = 0; pass < 2; pass++) {
        for (int i = 0; i < rank; i++) {
            if ((int)(axes >> i & 1) == pass)
                perm[count++] = i;
        }
        kept = pass ? kept : count;
    }
    return kept;
}

static ran_value *ones_like(ran_op *op, const ran_type *type, const int64_t *perm, int first,
                            int rank)
{
    int64_t dims[RAN_MAX_RANK];
    for (int i = first; i < rank; i++)
        dims[i - first] = ran_dim_value(ran_type_dim(type, (int)perm[i]));
    ran_tensor *ones = ran_tensor_create(ran_type_elem(type), rank - first, dims);
    for (int64_t i = 0; i < ran_tensor_numel(ones); i++)
        ran_tensor_set_f64(ones, i, 1);
    return ran_new_constant(op, NULL, ones);
}

static bool has_constant_dims(const ran_type *type, uint32_t axes)
{
    for (int i = 0; i < ran_type_rank(type); i++) {
        if (axes >> i & 1 && !ran_dim_is_constant(ran_type_dim(type, i)))
            return false;
    }
    return true;
}

static bool is_closed(const ran_op *root, const ran_value *x)
{
    ran_match match = {0};
    ran_match_cover(&match, &root->results[0], &x, 1);
    return ran_match_is_closed(&match, &root->results[0]);
}

static ran_value *build(ran_pass_context *pass, ran_op *op, const core *core)
{
    int64_t perm[RAN_MAX_RANK], inverse[RAN_MAX_RANK];
    const ran_type *type = ran_value_type(core->x);
    int rank = ran_type_rank(type), first = normalised_last(core->axes, rank, perm);
    bool moves = core->axes != (1u << rank) - (1u << first);
    if (moves && !ran_pass_bool(pass, "channels-first"))
        return NULL;
    ran_value *scale = ones_like(op, type, perm, first, rank);
    ran_value *x = moves ? ran_new_transpose(pass, op, core->x, perm, (size_t)rank) : core->x;
    ran_op *norm = ran_new_op(op, RAN_OP_LAYER_NORMALIZATION, 2, (ran_value *[]){x, scale});
    ran_op_set_int(norm, "axis", first - rank);
    ran_op_set_float(norm, "epsilon", core->epsilon);
    ran_value *y = ran_finish_op(pass, norm);
    if (!moves)
        return y;
    ran_pass_observe(pass, "channels-first", 1);
    for (int i = 0; i < rank; i++)
        inverse[perm[i]] = i;
    return ran_new_transpose(pass, op, y, inverse, (size_t)rank);
}

static ran_value *recognize_core(ran_pass_context *pass, ran_op *op)
{
    core core;
    if (!ran_value_is_float(&op->results[0]) || !match_core(op, &core) ||
        !ran_match_same_type(core.x, &op->results[0]) ||
        !has_constant_dims(ran_value_type(core.x), core.axes) || !is_closed(op, core.x))
        return NULL;
    return build(pass, op, &core);
}

/* ---- Multiplied out ---------------------------------------------------------------------------------------- */

/* TensorFlow's form: x s + (bias - mean s) with s = scale / sqrt(variance + epsilon). It becomes the core,
 * times scale, plus bias, which the rules below then take in. */

/* The operand of a commutative op that is a constant, and the other one. */
static bool match_with_constant(const ran_value *value, ran_opcode opcode, ran_value **out_x,
                                ran_value **out_constant)
{
    ran_value *a, *b;
    if (!ran_match_binary(value, opcode, &a, &b))
        return false;
    *out_x = ran_value_constant(a) ? b : a;
    *out_constant = ran_value_constant(a) ? a : b;
    return ran_value_constant(*out_constant) != NULL;
}

/* value = factor * other, for a given factor */
static bool match_product_with(const ran_value *value, const ran_value *factor, ran_value **out_other)
{
    ran_value *a, *b;
    if (!ran_match_binary(value, RAN_OP_MUL, &a, &b) || (a != factor && b != factor))
        return false;
    *out_other = a == factor ? b : a;
    return true;
}

typedef struct expanded {
    core core;
    ran_value *scale, *bias; /* constants; scale may be NULL */
} expanded;

static bool match_expanded_factor(ran_value *factor, const ran_value *scaled,
                                  const ran_value *shift, expanded *out)
{
    ran_value *x, *mean, *product, *of, *inverse = factor, *variance;
    if (!match_product_with(scaled, factor, &x) ||
        !ran_match_binary(shift, RAN_OP_SUB, &out->bias, &product) ||
        !ran_value_constant(out->bias) || !match_product_with(product, factor, &mean) ||
        !match_mean(mean, &of, &out->core.axes) || of != x)
        return false;
    out->core.x = x;
    out->scale = NULL;
    if (!match_with_constant(factor, RAN_OP_MUL, &inverse, &out->scale))
        inverse = factor;
    return match_inverse_root(inverse, &variance) &&
           match_variance(variance, x, out->core.axes, &out->core.epsilon);
}

static bool match_expanded(const ran_op *op, expanded *out)
{
    for (size_t i = 0; i < 4; i++) {
        const ran_value *scaled = ran_op_operand(op, i / 2), *shift = ran_op_operand(op, 1 - i / 2);
        const ran_op *product = ran_match_op(scaled, RAN_OP_MUL);
        if (product && match_expanded_factor(ran_op_operand(product, i % 2), scaled, shift, out))
            return true;
    }
    return false;
}

static ran_value *recognize_expanded(ran_pass_context *pass, ran_op *op)
{
    expanded e = {0};
    if (!ran_value_is_float(&op->results[0]) || !match_expanded(op, &e) ||
        !ran_match_same_type(e.core.x, &op->results[0]) ||
        !has_constant_dims(ran_value_type(e.core.x), e.core.axes) || !is_closed(op, e.core.x))
        return NULL;
    ran_value *y = build(pass, op, &e.core);
    if (y && e.scale)
        y = ran_new_binary(pass, op, RAN_OP_MUL, y, e.scale);
    return y ? ran_new_binary(pass, op, RAN_OP_ADD, y, e.bias) : NULL;
}

/* ---- Scale and shift --------------------------------------------------------------------------------------- */

/* A layer_normalization, perhaps seen through a transpose, that a constant works on. */
typedef struct normalised {
    ran_op *norm, *transpose;
    int64_t perm[RAN_MAX_RANK]; /* axis of the op's result -> axis of the normalisation's */
    int rank, first;            /* first normalised axis */
} normalised;

static bool match_normalised(ran_value *value, normalised *out)
{
    *out = (normalised){.transpose = ran_match_op(value, RAN_OP_TRANSPOSE), .rank = rank_of(value)};
    ran_value *inner = out->transpose ? ran_op_operand(out->transpose, 0) : value;
    out->norm = ran_match_op(inner, RAN_OP_LAYER_NORMALIZATION);
    if (!out->norm || !ran_value_has_one_use(value) || !ran_value_has_one_use(inner) ||
        out->norm->result_count > 1)
        return false;
    size_t count = 0;
    const int64_t *perm = out->transpose ? ran_op_ints(out->transpose, "perm", &count) : NULL;
    if (out->transpose && count != (size_t)out->rank)
        return false;
    for (int i = 0; i < out->rank; i++)
        out->perm[i] = perm ? perm[i] : i;
    out->first = ran_axis(ran_op_int(out->norm, "axis"), out->rank);
    return out->first >= 0;
}

/* The constant as a tensor over the normalised axes; NULL when it varies along others. Broadcast
 * axes repeat. */
static ran_tensor *over_normalised(const normalised *n, const ran_tensor *constant)
{
    int offset = n->rank - ran_tensor_rank(constant), count = n->rank - n->first;
    int64_t dims[RAN_MAX_RANK], strides[RAN_MAX_RANK] = {0}, stride = 1;
    const ran_type *type = ran_value_type(&n->norm->results[0]);
    if (offset < 0)
        return NULL;
    for (int i = n->rank - 1; i >= offset; i--) {
        int64_t dim = ran_tensor_dims(constant)[i - offset];
        int axis = (int)n->perm[i] - n->first;
        if (dim != 1 && axis < 0)
            return NULL;
        if (dim != 1)
            strides[axis] = stride;
        stride *= dim;
    }
    for (int i = 0; i < count; i++)
        dims[i] = ran_dim_value(ran_type_dim(type, n->first + i));
    ran_tensor *result = ran_tensor_create(ran_tensor_elem(constant), count, dims);
    for (int64_t index = 0; index < ran_tensor_numel(result); index++) {
        int64_t rest = index, source = 0;
        for (int i = count - 1; i >= 0; i--) {
            source += rest % dims[i] * strides[i];
            rest /= dims[i];
        }
        ran_tensor_set_f64(result, index, ran_tensor_get_f64(constant, source));
    }
    return result;
}

/* The normalisation with new scale or bias, and its transpose again. */
static ran_value *rebuild(ran_pass_context *pass, ran_op *op, const normalised *n,
                          ran_value *const *operands, size_t count)
{
    ran_op *copy = ran_copy_op(op, n->norm);
    ran_op_set_operands(copy, count, operands);
    ran_op_set_location(copy,
                        ran_location_fuse(ran_pass_ir(pass), n->norm->location, op->location));
    ran_value *y = ran_finish_op(pass, copy);
    return n->transpose ? ran_new_transpose(pass, op, y, n->perm, (size_t)n->rank) : y;
}

static ran_tensor *constant_beside(ran_op *op, normalised *n)
{
    for (size_t i = 0; i < 2; i++) {
        ran_value *y = ran_op_operand(op, i);
        const ran_tensor *constant = ran_value_constant(ran_op_operand(op, 1 - i));
        if (constant && ran_value_is_float(&op->results[0]) &&
            ran_match_same_type(y, &op->results[0]) && match_normalised(y, n))
            return over_normalised(n, constant);
    }
    return NULL;
}

/* (x scale) factor, before there is a bias */
static ran_value *take_scale(ran_pass_context *pass, ran_op *op)
{
    normalised n;
    ran_tensor *factor = constant_beside(op, &n);
    if (!factor)
        return NULL;
    const ran_value *scale = ran_op_operand(n.norm, 1);
    const ran_tensor *old = ran_value_constant(scale);
    if (ran_op_operand(n.norm, 2) || !old ||
        ran_tensor_numel(old) != ran_tensor_numel(factor)) {
        ran_tensor_release(factor);
        return NULL;
    }
    for (int64_t i = 0; i < ran_tensor_numel(factor); i++)
        ran_tensor_set_f64(factor, i, ran_tensor_get_f64(factor, i) * ran_tensor_get_f64(old, i));
    ran_value *operands[] = {ran_op_operand(n.norm, 0), ran_new_constant(op, NULL, factor)};
    return rebuild(pass, op, &n, operands, 2);
}

static ran_value *take_bias(ran_pass_context *pass, ran_op *op)
{
    normalised n;
    ran_tensor *shift = constant_beside(op, &n);
    if (!shift)
        return NULL;
    if (ran_op_operand(n.norm, 2)) {
        ran_tensor_release(shift);
        return NULL;
    }
    ran_value *operands[] = {ran_op_operand(n.norm, 0), ran_op_operand(n.norm, 1),
                             ran_new_constant(op, NULL, shift)};
    return rebuild(pass, op, &n, operands, 3);
}

ran_status ran_run_recognize_layernorm(ran_pass_context *pass, ran_function *function)
{
    static const ran_rule rules[] = {
        {RAN_OP_DIV, recognize_core, "found"},
        {RAN_OP_MUL, recognize_core, "found"},
        {RAN_OP_ADD, recognize_expanded, "found"},
        {RAN_OP_MUL, take_scale, "affine"},
        {RAN_OP_ADD, take_bias, "affine"},
    };
    return ran_rewrite(pass, function, rules, 5);
}
