/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Transposes sink through ops that don't care about the order of axes, so that they meet their
 * inverse and cancel:
 *
 *   %1 = transpose %x {perm = [0, 2, 3, 1]}
 *   %2 = relu %1                                     =>    %3 = relu %x
 *   %3 = transpose %2 {perm = [0, 3, 1, 2]}
 *
 * Through elementwise ops (constants on the other side are transposed the other way, a second operand
 * must come out of an equal transpose), reductions, Concat, Pad and Slice. A transpose sinks only when
 * the op is its only user, and never makes more data move: the result has the size of the operand, or
 * less. Each step brings a transpose nearer to the end of its function or merges two, so this ends.
 *
 * Against the textbook's global choice by cost: sinking alone finds the pairs that converters insert,
 * and leaves a transpose that meets no partner where it fuses as well as before.
 */
#include "passes/exact/canonicalize.h"

#include <string.h>

typedef struct permutation {
    ran_op *op;
    ran_value *x;
    int rank;
    int64_t perm[RAN_MAX_RANK], inverse[RAN_MAX_RANK];
} permutation;

static bool match_transpose(const ran_value *value, permutation *out)
{
    size_t count = 0;
    *out = (permutation){.op = ran_match_op(value, RAN_OP_TRANSPOSE)};
    if (!out->op || ran_type_rank(ran_value_type(value)) < 0)
        return false;
    out->x = ran_op_operand(out->op, 0);
    out->rank = ran_type_rank(ran_value_type(value));
    const int64_t *perm = ran_op_ints(out->op, "perm", &count);
    for (int i = 0; i < out->rank; i++) {
        out->perm[i] = count ? perm[i] : out->rank - 1 - i;
        out->inverse[out->perm[i]] = i;
    }
    return true;
}

static bool is_same_permutation(const permutation *a, const permutation *b)
{
    return a->rank == b->rank &&
           !memcmp(a->perm, b->perm, (size_t)a->rank * sizeof(*a->perm));
}

/* Whether all uses of value are by op. */
static bool is_used_only_by(const ran_value *value, const ran_op *op)
{
    for (const ran_use *use = value->first_use; use; use = use->next) {
        if (use->op != op)
            return false;
    }
    return true;
}

/* The transpose of one of the operands that this op alone uses. */
static bool find_transpose(const ran_op *op, permutation *out)
{
    RAN_FOR_OPERANDS (op, i, operand) {
        if (match_transpose(operand, out) && is_used_only_by(operand, op))
            return true;
    }
    return false;
}

/* ---- Elementwise ------------------------------------------------------------------------------------- */

/* The operand as it is before the transpose: what the transpose reads, a scalar as it is, a constant
 * transposed the other way. NULL when it has no such form. */
static ran_value *untransposed(ran_pass_context *pass, ran_op *op, ran_value *operand,
                               const permutation *t)
{
    permutation other;
    if (match_transpose(operand, &other))
        return is_same_permutation(&other, t) && is_used_only_by(operand, op) ? other.x : NULL;
    const ran_tensor *constant = ran_value_constant(operand);
    if (!constant)
        return NULL;
    if (ran_tensor_numel(constant) == 1 && ran_tensor_rank(constant) <= t->rank)
        return operand;
    int offset = t->rank - ran_tensor_rank(constant);
    int64_t dims[RAN_MAX_RANK];
    if (offset < 0)
        return NULL;
    for (int i = 0; i < t->rank; i++)
        dims[i] = i < offset ? 1 : ran_tensor_dims(constant)[i - offset];
    ran_value *shape = ran_new_ints(op, dims, (size_t)t->rank);
    ran_value *full = ran_fold_binary(pass, op, RAN_OP_RESHAPE, operand, shape);
    if (!full)
        return NULL;
    ran_op *transpose = ran_new_op(op, RAN_OP_TRANSPOSE, 1, &full);
    ran_op_set_ints(transpose, "perm", t->inverse, (size_t)t->rank);
    return ran_fold_op(pass, transpose);
}

static bool has_dims_of(const ran_value *a, const ran_value *b)
{
    const ran_type *x = ran_value_type(a), *y = ran_value_type(b);
    if (!x || !y || ran_type_rank(x) < 0 || ran_type_rank(x) != ran_type_rank(y))
        return false;
    for (int i = 0; i < ran_type_rank(x); i++) {
        if (ran_type_dim(x, i) != ran_type_dim(y, i))
            return false;
    }
    return true;
}

static ran_value *sink_elementwise(ran_pass_context *pass, ran_op *op)
{
    permutation t;
    if (!ran_opcode_is_elementwise(op->opcode) || op->result_count != 1 || !find_transpose(op, &t) ||
        !has_dims_of(&t.op->results[0], &op->results[0]))
        return NULL;
    ran_value *operands[4] = {0};
    for (size_t i = 0; i < op->operand_count; i++) {
        ran_value *operand = ran_op_operand(op, i);
        operands[i] = operand ? untransposed(pass, op, operand, &t) : NULL;
        if (operand && !operands[i])
            return NULL;
    }
    ran_op *inner = ran_copy_op(op, op);
    ran_op_set_operands(inner, op->operand_count, operands);
    return ran_new_transpose(pass, op, ran_finish_op(pass, inner), t.perm, (size_t)t.rank);
}

/* ---- Reductions ---------------------------------------------------------------------------------------- */

static bool is_reduction(const ran_op *op)
{
    return op->opcode >= RAN_OP_REDUCE_SUM && op->opcode <= RAN_OP_REDUCE_SUM_SQUARE;
}

/* The reduced axes of the operand's type as constants; 0 when they are not known. */
static size_t reduced_axes(const ran_op *op, int rank, int64_t *axes)
{
    const ran_value *operand = ran_op_operand(op, 1);
    int64_t count = operand ? ran_match_ints(operand, axes, RAN_MAX_RANK) : 0;
    for (int64_t i = 0; i < count; i++)
        axes[i] = ran_axis(axes[i], rank);
    if (count || ran_op_int(op, "noop_with_empty_axes"))
        return count > 0 ? (size_t)count : 0;
    for (int i = 0; i < rank; i++)
        axes[i] = i;
    return (size_t)rank;
}

static bool contains(const int64_t *values, size_t count, int64_t value)
{
    for (size_t i = 0; i < count; i++) {
        if (values[i] == value)
            return true;
    }
    return false;
}

/* Where each axis that stays goes, when the reduced ones are dropped. */
static size_t reduced_permutation(const permutation *t, const int64_t *axes, size_t count,
                                  int64_t *out)
{
    int64_t position[RAN_MAX_RANK], next = 0;
    size_t rank = 0;
    for (int i = 0; i < t->rank; i++) /* axes of x that stay, in the order of x */
        position[i] = contains(axes, count, t->inverse[i]) ? -1 : next++;
    for (int i = 0; i < t->rank; i++) {
        if (!contains(axes, count, i))
            out[rank++] = position[t->perm[i]];
    }
    return rank;
}

static ran_value *sink_reduction(ran_pass_context *pass, ran_op *op)
{
    permutation t;
    int64_t axes[RAN_MAX_RANK], inner_axes[RAN_MAX_RANK], perm[RAN_MAX_RANK];
    if (!is_reduction(op) || !match_transpose(ran_op_operand(op, 0), &t) ||
        !is_used_only_by(&t.op->results[0], op))
        return NULL;
    size_t count = reduced_axes(op, t.rank, axes);
    if (!count)
        return NULL;
    for (size_t i = 0; i < count; i++)
        inner_axes[i] = t.perm[axes[i]];
    ran_op *inner = ran_copy_op(op, op);
    ran_op_set_operands(inner, 2,
                        (ran_value *[]){t.x, ran_new_ints(op, inner_axes, count)});
    ran_value *reduced = ran_finish_op(pass, inner);
    if (ran_op_int(op, "keepdims"))
        return ran_new_transpose(pass, op, reduced, t.perm, (size_t)t.rank);
    size_t rank = reduced_permutation(&t, axes, count, perm);
    return rank < 2 ? reduced : ran_new_transpose(pass, op, reduced, perm, rank);
}

/* ---- Concat, Pad, Slice ----------------------------------------------------------------------------------- */

static ran_value *sink_concat(ran_pass_context *pass, ran_op *op)
{
    permutation t;
    if (!find_transpose(op, &t))
        return NULL;
    ran_value **operands = ran_pass_alloc(pass, op->operand_count * sizeof(*operands));
    for (size_t i = 0; i < op->operand_count; i++) {
        operands[i] = untransposed(pass, op, ran_op_operand(op, i), &t);
        if (!operands[i])
            return NULL;
    }
    ran_op *inner = ran_copy_op(op, op);
    ran_op_set_operands(inner, op->operand_count, operands);
    ran_op_set_int(inner, "axis", t.perm[ran_axis(ran_op_int(op, "axis"), t.rank)]);
    return ran_new_transpose(pass, op, ran_finish_op(pass, inner), t.perm, (size_t)t.rank);
}

/* The axes operand of Pad and Slice, mapped to the axes of x; all of them when absent. */
static ran_value *mapped_axes(ran_op *op, size_t operand, const permutation *t)
{
    int64_t axes[RAN_MAX_RANK];
    const ran_value *given = ran_op_operand(op, operand);
    int64_t count = given ? ran_match_ints(given, axes, RAN_MAX_RANK) : t->rank;
    if (count < 0)
        return NULL;
    for (int64_t i = 0; i < count; i++)
        axes[i] = t->perm[given ? ran_axis(axes[i], t->rank) : i];
    return ran_new_ints(op, axes, (size_t)count);
}

/* Slice without axes names as many as it has starts: the first ones. */
static bool names_all_axes(const ran_op *op, size_t operand, size_t list, int rank)
{
    int64_t values[2 * RAN_MAX_RANK];
    size_t expected = (size_t)rank * (op->opcode == RAN_OP_PAD ? 2 : 1);
    return ran_op_operand(op, operand) ||
           ran_match_ints(ran_op_operand(op, list), values, 2 * RAN_MAX_RANK) == (int64_t)expected;
}

static ran_value *sink_with_axes(ran_pass_context *pass, ran_op *op)
{
    permutation t;
    ran_value *operands[5] = {0};
    if (!match_transpose(ran_op_operand(op, 0), &t) || !is_used_only_by(&t.op->results[0], op) ||
        !names_all_axes(op, 3, 1, t.rank))
        return NULL;
    for (size_t i = 0; i < op->operand_count; i++)
        operands[i] = ran_op_operand(op, i);
    operands[0] = t.x;
    operands[3] = mapped_axes(op, 3, &t);
    if (!operands[3])
        return NULL;
    ran_op *inner = ran_copy_op(op, op);
    ran_op_set_operands(inner, op->operand_count < 4 ? 4 : op->operand_count, operands);
    return ran_new_transpose(pass, op, ran_finish_op(pass, inner), t.perm, (size_t)t.rank);
}

ran_status ran_run_push_transposes(ran_pass_context *pass, ran_function *function)
{
    static const ran_rule rules[] = {
        {RAN_OP_TRANSPOSE, ran_simplify_transpose, "merged"},
        {RAN_OP_CONCAT, sink_concat, "moved"},
        {RAN_OP_PAD, sink_with_axes, "moved"},
        {RAN_OP_SLICE, sink_with_axes, "moved"},
        {RAN_OP_COUNT, sink_reduction, "moved"},
        {RAN_OP_COUNT, sink_elementwise, "moved"},
    };
    return ran_rewrite(pass, function, rules, sizeof(rules) / sizeof(*rules));
}
