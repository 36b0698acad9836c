/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Canonical forms of data movement: no-ops go, flatten, squeeze and unsqueeze become reshape, chains
 * merge. */
#include "passes/exact/canonicalize.h"

#include <string.h>

static const ran_type *type_of(const ran_value *value)
{
    return ran_value_type(value);
}

static bool has_rank(const ran_value *value)
{
    return type_of(value) && ran_type_is_tensor(type_of(value)) &&
           ran_type_rank(type_of(value)) >= 0;
}

/* ---- Ops that do nothing ------------------------------------------------------------------------ */

static ran_value *drop_identity(ran_pass_context *pass, ran_op *op)
{
    (void)pass;
    return ran_op_operand(op, 0);
}

static ran_value *drop_dropout(ran_pass_context *pass, ran_op *op)
{
    (void)pass;
    double training = 0;
    ran_value *mode = ran_op_operand(op, 2);
    if (mode && (!ran_match_splat(mode, &training) || training != 0))
        return NULL;
    if (op->result_count > 1 && ran_value_has_uses(&op->results[1]))
        return NULL;
    return ran_op_operand(op, 0);
}

/* Where equal types mean equal contents: reshape, expand, tile, pad with nothing, one concat. */
static ran_value *drop_same_type(ran_pass_context *pass, ran_op *op)
{
    (void)pass;
    ran_value *x = ran_op_operand(op, 0);
    return has_rank(x) && ran_match_same_type(x, &op->results[0]) ? x : NULL;
}

static bool all_equal(const ran_value *value, int64_t expected, bool absent)
{
    int64_t ints[4 * RAN_MAX_RANK];
    if (!value)
        return absent;
    int64_t count = ran_match_ints(value, ints, 4 * RAN_MAX_RANK);
    for (int64_t i = 0; i < count; i++) {
        if (ints[i] != expected)
            return false;
    }
    return count >= 0;
}

/* Pads may be negative and cancel in the type: ask the pads themselves. */
static ran_value *drop_pad(ran_pass_context *pass, ran_op *op)
{
    (void)pass;
    return all_equal(ran_op_operand(op, 1), 0, false) ? ran_op_operand(op, 0) : NULL;
}

static ran_value *drop_slice(ran_pass_context *pass, ran_op *op)
{
    ran_value *x = ran_op_operand(op, 0);
    return has_rank(x) && all_equal(ran_op_operand(op, 4), 1, true) ? drop_same_type(pass, op)
                                                                     : NULL;
}

static ran_value *drop_concat(ran_pass_context *pass, ran_op *op)
{
    (void)pass;
    return op->operand_count == 1 ? ran_op_operand(op, 0) : NULL;
}

static ran_value *drop_split(ran_pass_context *pass, ran_op *op)
{
    return op->result_count == 1 ? drop_same_type(pass, op) : NULL;
}

/* A factor of 1 is the identity in all coordinate modes but those of TensorFlow, which shift. */
static ran_value *drop_resize(ran_pass_context *pass, ran_op *op)
{
    const char *mode = ran_op_string(op, "coordinate_transformation_mode");
    ran_value *x = ran_op_operand(op, 0);
    if (!strncmp(mode, "tf_", 3) || !has_rank(x) || !ran_type_is_static(type_of(x)))
        return NULL;
    double scale;
    ran_value *scales = ran_op_operand(op, 2);
    if (scales && ran_type_is_static(type_of(scales)) && ran_type_numel(type_of(scales)) &&
        (!ran_match_splat(scales, &scale) || scale != 1))
        return NULL;
    return drop_same_type(pass, op);
}

/* Whether all values of `from` are values of `to`. */
static bool is_lossless(ran_elem from, ran_elem to)
{
    if (from == to)
        return true;
    if (ran_elem_is_float(from))
        return (to == RAN_ELEM_F64 && from != RAN_ELEM_F64) ||
               (to == RAN_ELEM_F32 && ran_elem_bits(from) <= 16);
    if (ran_elem_is_int(from) && ran_elem_is_float(to))
        return (to == RAN_ELEM_F32 && ran_elem_bits(from) <= 16) ||
               (to == RAN_ELEM_F64 && ran_elem_bits(from) <= 32);
    bool sign = ran_elem_is_signed_int(from) ? ran_elem_is_signed_int(to) : ran_elem_is_int(to);
    return ran_elem_is_int(from) && sign && ran_elem_bits(from) < ran_elem_bits(to);
}

static ran_value *simplify_cast(ran_pass_context *pass, ran_op *op)
{
    ran_value *x = ran_op_operand(op, 0), *y = &op->results[0];
    if (ran_match_same_type(x, y))
        return x;
    ran_op *inner = ran_match_op(x, RAN_OP_CAST);
    if (!inner || !type_of(ran_op_operand(inner, 0)))
        return NULL;
    ran_value *source = ran_op_operand(inner, 0);
    if (!is_lossless(ran_type_elem(type_of(source)), ran_type_elem(type_of(x))))
        return NULL;
    if (ran_match_same_type(source, y))
        return source;
    ran_op_set_operand(op, 0, source);
    ran_erase_dead(inner);
    (void)pass;
    return y;
}

/* ---- Reshape -------------------------------------------------------------------------------------- */

static bool is_reshape_like(const ran_op *op)
{
    return op->opcode == RAN_OP_RESHAPE || op->opcode == RAN_OP_FLATTEN ||
           op->opcode == RAN_OP_SQUEEZE || op->opcode == RAN_OP_UNSQUEEZE;
}

/* reshape(reshape(x)) reads x; a computed shape becomes a constant. */
static ran_value *simplify_reshape(ran_pass_context *pass, ran_op *op)
{
    ran_value *x = ran_op_operand(op, 0), *y = &op->results[0];
    if (!has_rank(x) || !has_rank(y))
        return NULL;
    ran_op *inner = ran_value_op(x);
    bool merges = inner && is_reshape_like(inner) && has_rank(ran_op_operand(inner, 0));
    ran_value *source = merges ? ran_op_operand(inner, 0) : x;
    if (merges && ran_match_same_type(source, y))
        return source;
    bool is_canonical = op->opcode == RAN_OP_RESHAPE && ran_value_constant(ran_op_operand(op, 1));
    if (is_canonical && !merges)
        return NULL;
    return ran_new_reshape(pass, op, source, type_of(y));
}

/* ---- Transpose ------------------------------------------------------------------------------------- */

static size_t perm_of(const ran_op *op, int64_t *out)
{
    size_t count = 0, rank = (size_t)ran_type_rank(type_of(&op->results[0]));
    const int64_t *perm = ran_op_ints(op, "perm", &count);
    for (size_t i = 0; i < rank; i++)
        out[i] = count ? perm[i] : (int64_t)(rank - 1 - i);
    return rank;
}

static bool is_identity_perm(const int64_t *perm, size_t rank)
{
    for (size_t i = 0; i < rank; i++) {
        if (perm[i] != (int64_t)i)
            return false;
    }
    return true;
}

/* Only axes of size 1 change their place among the others. */
static bool moves_only_ones(const ran_type *from, const int64_t *perm, size_t rank)
{
    int64_t last = -1;
    for (size_t i = 0; i < rank; i++) {
        if (ran_dim_is(ran_type_dim(from, (int)perm[i]), 1))
            continue;
        if (perm[i] < last)
            return false;
        last = perm[i];
    }
    return true;
}

ran_value *ran_simplify_transpose(ran_pass_context *pass, ran_op *op)
{
    int64_t perm[RAN_MAX_RANK], inner_perm[RAN_MAX_RANK], both[RAN_MAX_RANK];
    ran_value *x = ran_op_operand(op, 0);
    if (!has_rank(x) || !has_rank(&op->results[0]))
        return NULL;
    size_t rank = perm_of(op, perm);
    if (is_identity_perm(perm, rank))
        return x;
    if (moves_only_ones(type_of(x), perm, rank)) {
        ran_value *reshaped = ran_new_reshape(pass, op, x, type_of(&op->results[0]));
        if (reshaped)
            return reshaped;
    }
    ran_op *inner = ran_match_op(x, RAN_OP_TRANSPOSE);
    if (!inner || !has_rank(ran_op_operand(inner, 0)))
        return NULL;
    perm_of(inner, inner_perm);
    for (size_t i = 0; i < rank; i++)
        both[i] = inner_perm[perm[i]];
    return ran_new_transpose(pass, op, ran_op_operand(inner, 0), both, rank);
}

/* ---- Concat, Expand ----------------------------------------------------------------------------------- */

static bool is_empty(const ran_value *value, int axis)
{
    return has_rank(value) && ran_dim_is(ran_type_dim(type_of(value), axis), 0);
}

/* The concat that an operand of `op` may dissolve into: of the same axis and not used elsewhere. */
static const ran_op *inner_concat(const ran_value *x, int axis, int rank)
{
    const ran_op *inner = ran_match_op(x, RAN_OP_CONCAT);
    if (!inner || !ran_value_has_one_use(x) || ran_axis(ran_op_int(inner, "axis"), rank) != axis)
        return NULL;
    return inner;
}

/* concat(a, concat(b, c), empty) = concat(a, b, c), along one axis. */
static ran_value *flatten_concat(ran_pass_context *pass, ran_op *op)
{
    if (!has_rank(&op->results[0]))
        return NULL;
    int rank = ran_type_rank(type_of(&op->results[0]));
    int axis = ran_axis(ran_op_int(op, "axis"), rank);
    size_t count = 0, capacity = 1;
    bool changes = false;
    for (size_t i = 0; i < op->operand_count; i++) {
        const ran_op *inner = inner_concat(ran_op_operand(op, i), axis, rank);
        capacity += inner ? inner->operand_count : 1;
        changes |= inner || is_empty(ran_op_operand(op, i), axis);
    }
    if (!changes)
        return NULL;
    ran_value **values = ran_pass_alloc(pass, capacity * sizeof(*values));
    for (size_t i = 0; i < op->operand_count; i++) {
        ran_value *x = ran_op_operand(op, i);
        const ran_op *inner = inner_concat(x, axis, rank);
        for (size_t j = 0; inner && j < inner->operand_count; j++)
            values[count++] = ran_op_operand(inner, j);
        if (!inner && !is_empty(x, axis))
            values[count++] = x;
    }
    if (!count)
        return NULL;
    ran_op *flat = ran_new_op(op, RAN_OP_CONCAT, count, values);
    ran_op_set_int(flat, "axis", axis);
    return ran_finish_op(pass, flat);
}

/* A binary op broadcasts by itself, so that an Expand before it can go when the result stays. */
static ran_value *drop_expand_operand(ran_pass_context *pass, ran_op *op)
{
    (void)pass;
    if (ran_op_definition(op->opcode)->elementwise != 2 || op->opcode == RAN_OP_PRELU)
        return NULL;
    const ran_type *result = type_of(&op->results[0]);
    for (size_t i = 0; i < 2; i++) {
        ran_op *expand = ran_match_op(ran_op_operand(op, i), RAN_OP_EXPAND);
        ran_value *other = ran_op_operand(op, 1 - i);
        if (!expand || !has_rank(other) || !has_rank(&op->results[0]))
            continue;
        const ran_type *shape = ran_type_with_elem(ran_pass_ir(pass), type_of(other),
                                                   ran_type_elem(result));
        if (shape != result)
            continue;
        ran_op_set_operand(op, i, ran_op_operand(expand, 0));
        ran_erase_dead(expand);
        return &op->results[0];
    }
    return NULL;
}

const ran_rule ran_canonicalize_shape[] = {
    {RAN_OP_IDENTITY, drop_identity, "no-ops"},
    {RAN_OP_DROPOUT, drop_dropout, "no-ops"},
    {RAN_OP_CAST, simplify_cast, "no-ops"},
    {RAN_OP_RESHAPE, drop_same_type, "no-ops"},
    {RAN_OP_FLATTEN, drop_same_type, "no-ops"},
    {RAN_OP_SQUEEZE, drop_same_type, "no-ops"},
    {RAN_OP_EXPAND, drop_same_type, "no-ops"},
    {RAN_OP_TILE, drop_same_type, "no-ops"},
    {RAN_OP_PAD, drop_pad, "no-ops"},
    {RAN_OP_SLICE, drop_slice, "no-ops"},
    {RAN_OP_CONCAT, drop_concat, "no-ops"},
    {RAN_OP_SPLIT, drop_split, "no-ops"},
    {RAN_OP_RESIZE, drop_resize, "no-ops"},
    {RAN_OP_RESHAPE, simplify_reshape, "shape-ops"},
    {RAN_OP_FLATTEN, simplify_reshape, "shape-ops"},
    {RAN_OP_SQUEEZE, simplify_reshape, "shape-ops"},
    {RAN_OP_UNSQUEEZE, simplify_reshape, "shape-ops"},
    {RAN_OP_TRANSPOSE, ran_simplify_transpose, "shape-ops"},
    {RAN_OP_CONCAT, flatten_concat, "shape-ops"},
    {RAN_OP_COUNT, drop_expand_operand, "shape-ops"},
    {RAN_OP_COUNT, NULL, NULL},
};
