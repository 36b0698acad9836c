/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Canonical forms of convolutions, products, pools and reductions. */
#include "passes/exact/canonicalize.h"

#include <string.h>

#include "ir/attr.h"

static const ran_type *type_of(const ran_value *value)
{
    return ran_value_type(value);
}

static int rank_of(const ran_value *value)
{
    const ran_type *type = value ? type_of(value) : NULL;
    return type && ran_type_is_tensor(type) ? ran_type_rank(type) : -1;
}

/* ---- auto_pad ------------------------------------------------------------------------------------ */

/* The kernel's extent along spatial axis i, without dilation; 0 when not known. */
static int64_t kernel_extent(const ran_op *op, size_t i)
{
    int64_t extent = ran_op_int_at(op, "kernel_shape", i, 0);
    const ran_value *weight = ran_op_operand(op, 1);
    if (extent || op->opcode != RAN_OP_CONV || rank_of(weight) < 0)
        return extent;
    const ran_dim *dim = ran_type_dim(type_of(weight), (int)i + 2);
    return ran_dim_is_constant(dim) ? ran_dim_value(dim) : 0;
}

/* SAME: the output is ceil(in / stride); the odd pixel goes to the end (UPPER) or the begin. */
static bool same_pads(const ran_op *op, size_t i, bool upper, int64_t *begin, int64_t *end)
{
    const ran_dim *in = ran_type_dim(type_of(ran_op_operand(op, 0)), (int)i + 2);
    int64_t stride = ran_op_int_at(op, "strides", i, 1), kernel = kernel_extent(op, i);
    int64_t reach = (kernel - 1) * ran_op_int_at(op, "dilations", i, 1) + 1;
    if (!kernel || (!ran_dim_is_constant(in) && stride != 1))
        return false;
    int64_t total = reach - 1;
    if (stride != 1) {
        int64_t out = (ran_dim_value(in) + stride - 1) / stride;
        total = (out - 1) * stride + reach - ran_dim_value(in);
    }
    if (total < 0)
        total = 0;
    *begin = upper ? total / 2 : total - total / 2;
    *end = total - *begin;
    return true;
}

static ran_value *resolve_auto_pad(ran_pass_context *pass, ran_op *op)
{
    const char *mode = ran_op_string(op, "auto_pad");
    int rank = rank_of(ran_op_operand(op, 0));
    int64_t pads[2 * RAN_MAX_RANK] = {0};
    (void)pass;
    if (!strcmp(mode, "NOTSET") || rank < 3)
        return NULL;
    /* With ceil_mode the windows of SAME and VALID have a form of their own. */
    if (op->opcode != RAN_OP_CONV && ran_op_int(op, "ceil_mode"))
        return NULL;
    size_t spatial = (size_t)rank - 2;
    for (size_t i = 0; i < spatial && strcmp(mode, "VALID"); i++) {
        if (!same_pads(op, i, !strcmp(mode, "SAME_UPPER"), &pads[i], &pads[spatial + i]))
            return NULL;
    }
    ran_op_remove_attr(op, "auto_pad");
    ran_op_set_ints(op, "pads", pads, 2 * spatial);
    return &op->results[0];
}

/* ---- Bias ------------------------------------------------------------------------------------------ */

/* A bias of zeros is none. */
static ran_value *drop_zero_bias(ran_pass_context *pass, ran_op *op)
{
    double splat;
    (void)pass;
    if (!ran_match_splat(ran_op_operand(op, 2), &splat) || splat != 0)
        return NULL;
    ran_op_set_operands(op, 2, (ran_value *[]){ran_op_operand(op, 0), ran_op_operand(op, 1)});
    return &op->results[0];
}

/* ---- Gemm --------------------------------------------------------------------------------------------- */

static ran_value *scaled_constant(ran_pass_context *pass, ran_op *op, size_t operand, double factor)
{
    ran_value *c = ran_op_operand(op, operand);
    ran_value *scalar = ran_new_scalar(op, ran_type_elem(type_of(c)), factor);
    return ran_fold_binary(pass, op, RAN_OP_MUL, c, scalar);
}

/* alpha and beta go into constant operands. */
static ran_value *fold_gemm_factor(ran_pass_context *pass, ran_op *op, const char *name,
                                   size_t operand)
{
    double factor = ran_op_float(op, name);
    ran_value *c = ran_op_operand(op, operand);
    if (factor == 1 || !c || !ran_value_constant(c) || !ran_value_is_float(c))
        return NULL;
    ran_value *scaled = scaled_constant(pass, op, operand, factor);
    if (!scaled)
        return NULL;
    ran_op_set_operand(op, operand, scaled);
    ran_op_remove_attr(op, name);
    return &op->results[0];
}

static ran_value *fold_gemm_alpha(ran_pass_context *pass, ran_op *op)
{
    return fold_gemm_factor(pass, op, "alpha", 1);
}

static ran_value *fold_gemm_beta(ran_pass_context *pass, ran_op *op)
{
    if (!ran_op_operand(op, 2) && ran_op_float(op, "beta") != 1) {
        ran_op_remove_attr(op, "beta");
        return &op->results[0];
    }
    return fold_gemm_factor(pass, op, "beta", 2);
}

/* gemm(transpose(a), b): the transpose is an attribute. */
static ran_value *fold_gemm_transpose(ran_pass_context *pass, ran_op *op)
{
    static const char *const attrs[] = {"transA", "transB"};
    (void)pass;
    for (size_t i = 0; i < 2; i++) {
        ran_op *transpose = ran_match_op(ran_op_operand(op, i), RAN_OP_TRANSPOSE);
        if (!transpose || ran_op_int_at(transpose, "perm", 0, 1) != 1)
            continue;
        ran_op_set_operand(op, i, ran_op_operand(transpose, 0));
        if (ran_op_int(op, attrs[i]))
            ran_op_remove_attr(op, attrs[i]);
        else
            ran_op_set_int(op, attrs[i], 1);
        ran_erase_dead(transpose);
        return &op->results[0];
    }
    return NULL;
}

static bool is_vector_like(const ran_value *value, const ran_dim *last)
{
    int rank = rank_of(value);
    if (rank < 1 || rank > 2 || ran_type_dim(type_of(value), rank - 1) != last)
        return false;
    return rank == 1 || ran_dim_is(ran_type_dim(type_of(value), 0), 1);
}

/* add(matmul(a, b), c) of rank 2 = gemm(a, b, c) for a constant row c. */
static ran_value *matmul_add_to_gemm(ran_pass_context *pass, ran_op *op)
{
    ran_value *product = ran_op_operand(op, 0), *c = ran_op_operand(op, 1);
    ran_op *matmul = ran_match_op(product, RAN_OP_MATMUL);
    if (!matmul || !ran_value_constant(c) || !ran_value_has_one_use(product) ||
        rank_of(product) != 2 || rank_of(ran_op_operand(matmul, 0)) != 2 ||
        rank_of(ran_op_operand(matmul, 1)) != 2 || !ran_value_is_float(product) ||
        !is_vector_like(c, ran_type_dim(type_of(product), 1)))
        return NULL;
    ran_value *operands[] = {ran_op_operand(matmul, 0), ran_op_operand(matmul, 1), c};
    ran_op *gemm = ran_new_op(op, RAN_OP_GEMM, 3, operands);
    ran_op_set_location(gemm, ran_location_fuse(ran_pass_ir(pass), matmul->location, op->location));
    return ran_finish_op(pass, gemm);
}

/* ---- Pools ------------------------------------------------------------------------------------------------ */

static bool all_ints(const ran_op *op, const char *name, int64_t expected)
{
    size_t count = 0;
    const int64_t *values = ran_op_ints(op, name, &count);
    for (size_t i = 0; i < count; i++) {
        if (values[i] != expected)
            return false;
    }
    return true;
}

static bool has_other_results(const ran_op *op)
{
    for (size_t i = 1; i < op->result_count; i++) {
        if (ran_value_has_uses(&op->results[i]))
            return true;
    }
    return false;
}

/* A window over the whole map is a global pool, which integers have not; one of a single element is
 * nothing. */
static ran_value *simplify_pool(ran_pass_context *pass, ran_op *op)
{
    ran_value *x = ran_op_operand(op, 0);
    int rank = rank_of(x);
    if (rank < 3 || has_other_results(op) || strcmp(ran_op_string(op, "auto_pad"), "NOTSET") ||
        !all_ints(op, "pads", 0))
        return NULL;
    if (all_ints(op, "kernel_shape", 1) && ran_match_same_type(x, &op->results[0]))
        return x;
    if (!all_ints(op, "dilations", 1) || !ran_value_is_float(x))
        return NULL;
    for (int i = 2; i < rank; i++) {
        if (!ran_dim_is(ran_type_dim(type_of(x), i),
                        ran_op_int_at(op, "kernel_shape", (size_t)i - 2, 0)))
            return NULL;
    }
    return ran_new_unary(pass, op,
                         op->opcode == RAN_OP_MAX_POOL ? RAN_OP_GLOBAL_MAX_POOL
                                                       : RAN_OP_GLOBAL_AVERAGE_POOL,
                         x);
}

/* ---- Reductions ----------------------------------------------------------------------------------------------- */

/* The reduced axes as a mask; false when they are not known. */
static bool reduced_axes(const ran_op *op, int rank, uint32_t *out)
{
    int64_t axes[RAN_MAX_RANK];
    const ran_value *operand = ran_op_operand(op, 1);
    int64_t count = operand ? ran_match_ints(operand, axes, RAN_MAX_RANK) : 0;
    *out = 0;
    if (count < 0)
        return false;
    if (!count) {
        *out = ran_op_int(op, "noop_with_empty_axes") ? 0 : (1u << rank) - 1;
        return true;
    }
    for (int64_t i = 0; i < count; i++)
        *out |= 1u << ran_axis(axes[i], rank);
    return true;
}

/* Over all spatial axes it is a global pool; keepdims = 0 adds a reshape. A tensor of rank 3 may as
 * well be a sequence of vectors, which is no map. */
static ran_value *reduce_to_global_pool(ran_pass_context *pass, ran_op *op)
{
    ran_value *x = ran_op_operand(op, 0);
    int rank = rank_of(x);
    uint32_t axes;
    if (rank < 4 || rank > 5 || !ran_value_is_float(x) || !reduced_axes(op, rank, &axes) ||
        axes != ((1u << rank) - 1 - 3))
        return NULL;
    ran_opcode opcode = op->opcode == RAN_OP_REDUCE_MEAN ? RAN_OP_GLOBAL_AVERAGE_POOL
                                                         : RAN_OP_GLOBAL_MAX_POOL;
    ran_value *pool = ran_new_unary(pass, op, opcode, x);
    if (ran_op_int(op, "keepdims"))
        return pool;
    ran_value *reshaped = ran_new_reshape(pass, op, pool, type_of(&op->results[0]));
    if (!reshaped)
        ran_erase_dead(ran_value_op(pool));
    return reshaped;
}

/* Over axes of size 1 only, most reductions move no data. */
static ran_value *reduce_of_ones(ran_pass_context *pass, ran_op *op)
{
    ran_value *x = ran_op_operand(op, 0);
    int rank = rank_of(x);
    uint32_t axes;
    if (rank < 0 || rank_of(&op->results[0]) < 0 || !reduced_axes(op, rank, &axes))
        return NULL;
    for (int i = 0; i < rank; i++) {
        if (axes >> i & 1 && !ran_dim_is(ran_type_dim(type_of(x), i), 1))
            return NULL;
    }
    if (ran_match_same_type(x, &op->results[0]))
        return x;
    return ran_new_reshape(pass, op, x, type_of(&op->results[0]));
}

const ran_rule ran_canonicalize_structured[] = {
    {RAN_OP_CONV, resolve_auto_pad, "structured"},
    {RAN_OP_AVERAGE_POOL, resolve_auto_pad, "structured"},
    {RAN_OP_MAX_POOL, resolve_auto_pad, "structured"},
    {RAN_OP_CONV, drop_zero_bias, "structured"},
    {RAN_OP_CONV_TRANSPOSE, drop_zero_bias, "structured"},
    {RAN_OP_GEMM, drop_zero_bias, "structured"},
    {RAN_OP_GEMM, fold_gemm_alpha, "structured"},
    {RAN_OP_GEMM, fold_gemm_beta, "structured"},
    {RAN_OP_GEMM, fold_gemm_transpose, "structured"},
    {RAN_OP_ADD, matmul_add_to_gemm, "structured"},
    {RAN_OP_AVERAGE_POOL, simplify_pool, "structured"},
    {RAN_OP_MAX_POOL, simplify_pool, "structured"},
    {RAN_OP_REDUCE_MEAN, reduce_of_ones, "structured"},
    {RAN_OP_REDUCE_SUM, reduce_of_ones, "structured"},
    {RAN_OP_REDUCE_MAX, reduce_of_ones, "structured"},
    {RAN_OP_REDUCE_MIN, reduce_of_ones, "structured"},
    {RAN_OP_REDUCE_PROD, reduce_of_ones, "structured"},
    {RAN_OP_REDUCE_MEAN, reduce_to_global_pool, "structured"},
    {RAN_OP_REDUCE_MAX, reduce_to_global_pool, "structured"},
    {RAN_OP_COUNT, NULL, NULL},
};
