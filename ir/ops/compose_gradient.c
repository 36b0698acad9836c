/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Gradients by composition of ops that are seldom trained through. */
#include "ir/ops/gradient.h"

/* ---- dequantize_linear
 * ---------------------------------------------------------------------------------- */

/* A scale or zero point by axis, beside x. */
static ran_value *by_axis(ran_gradient *g, ran_value *value, ran_value *x, int axis)
{
    int64_t dims[RAN_MAX_RANK];
    int rank = ran_gradient_rank(x);
    if (ran_gradient_rank(value) != 1 || rank == 0)
        return value;
    for (int i = 0; i < rank; i++)
        dims[i] = i == axis ? -1 : 1;
    return ran_gradient_reshape(g, value, dims, (size_t)rank);
}

static ran_status compose_dequantize(ran_gradient *g, const ran_op *op, ran_value **out_results)
{
    ran_value *x = ran_op_operand(op, 0), *scale = ran_op_operand(op, 1);
    ran_value *zero = ran_op_operand(op, 2);
    ran_elem elem = ran_type_elem(op->results[0].type);
    int rank = ran_gradient_rank(x), axis = rank ? ran_axis(ran_op_int(op, "axis"), rank) : 0;
    ran_value *steps = ran_gradient_cast(g, x, elem);
    if (zero)
        steps = ran_gradient_binary(g, RAN_OP_SUB, steps,
                                    by_axis(g, ran_gradient_cast(g, zero, elem), x, axis));
    scale = by_axis(g, ran_gradient_cast(g, scale, elem), x, axis);
    out_results[0] = ran_gradient_mul(g, steps, scale);
    return RAN_OK;
}

ran_status ran_dequantize_gradient(ran_gradient *g, const ran_op *op)
{
    if (ran_op_int(op, "block_size"))
        return ran_op_error(op, RAN_UNSUPPORTED, "no gradient of scales by blocks");
    return ran_gradient_by_composition(g, op, compose_dequantize);
}

/* ---- affine_grid
 * ---------------------------------------------------------------------------------------- */

/* The grid is linear in theta: base positions [points, axes + 1] times theta transposed. The base
 * is the grid of the identity, with a column of ones. */
static ran_status compose_affine_grid(ran_gradient *g, const ran_op *op, ran_value **out_results)
{
    ran_value *theta = ran_op_operand(op, 0), *grid = ran_op_result(op, 0);
    int axes = (int)ran_gradient_extent(theta, 1), rank = ran_gradient_rank(grid);
    ran_tensor *identity =
        ran_tensor_create(ran_type_elem(theta->type), 3, (int64_t[]){1, axes, axes + 1});
    int64_t size[RAN_MAX_RANK] = {1, 1}, points = 1;
    for (int i = 0; i < axes; i++) {
        ran_tensor_set_f64(identity, i * (axes + 1) + i, 1);
        size[2 + i] = ran_gradient_extent(grid, 1 + i);
        points *= size[2 + i];
    }
    ran_value *operands[] = {ran_constant_create(ran_gradient_builder(g)->module, NULL, identity),
                             ran_gradient_ints(g, size, (size_t)rank)};
    ran_tensor_release(identity);
    ran_op *base = ran_gradient_op(g, RAN_OP_AFFINE_GRID, 2, operands, 1);
    ran_gradient_copy_attrs(base, op);
    ran_value *positions =
        ran_gradient_reshape(g, ran_gradient_finish(g, base), (int64_t[]){points, axes}, 2);
    ran_value *ones = ran_gradient_binary(g, RAN_OP_EXPAND, ran_gradient_scalar(g, theta, 1),
                                          ran_gradient_ints(g, (int64_t[]){points, 1}, 2));
    ran_op *join = ran_gradient_op(g, RAN_OP_CONCAT, 2, (ran_value *[]){positions, ones}, 1);
    ran_op_set_int(join, "axis", 1);
    ran_value *columns = ran_gradient_transpose(g, theta, (int64_t[]){0, 2, 1}, 3);
    ran_value *all = ran_gradient_binary(g, RAN_OP_MATMUL, ran_gradient_finish(g, join), columns);
    out_results[0] = ran_gradient_reshape_like(g, all, grid);
    return RAN_OK;
}

ran_status ran_affine_grid_gradient(ran_gradient *g, const ran_op *op)
{
    ran_status status = ran_gradient_need_static(op);
    return status == RAN_OK ? ran_gradient_by_composition(g, op, compose_affine_grid) : status;
}

/* ---- det
 * ------------------------------------------------------------------------------------------------
 */

static ran_value *identity_matrix(ran_gradient *g, int64_t n)
{
    ran_tensor *identity = ran_tensor_create(RAN_ELEM_F64, 2, (int64_t[]){n, n});
    for (int64_t i = 0; i < n; i++)
        ran_tensor_set_f64(identity, i * n + i, 1);
    ran_value *value = ran_constant_create(ran_gradient_builder(g)->module, NULL, identity);
    ran_tensor_release(identity);
    return value;
}

/* By Faddeev and LeVerrier, without division by what may be 0: M_1 = I, and
 * M_{k+1} = A M_k - I tr(A M_k) / k; the adjugate is (-1)^(n-1) M_n. */
static ran_value *adjugate(ran_gradient *g, ran_value *a, int64_t n)
{
    int64_t axes[] = {ran_gradient_rank(a) - 2, ran_gradient_rank(a) - 1};
    ran_value *identity = identity_matrix(g, n), *m = identity;
    for (int64_t k = 1; k < n; k++) {
        ran_value *product = k == 1 ? a : ran_gradient_binary(g, RAN_OP_MATMUL, a, m);
        ran_value *diagonal = ran_gradient_mul(g, product, identity);
        ran_value *trace = ran_gradient_reduce(g, RAN_OP_REDUCE_SUM, diagonal, axes, 2, true);
        trace = ran_gradient_scale(g, trace, -1.0 / (double)k);
        m = ran_gradient_add_values(g, product, ran_gradient_mul(g, trace, identity));
    }
    return n % 2 ? m : ran_gradient_scale(g, m, -1);
}

/* d det(A) / dA is the adjugate of A transposed, also where A has no inverse. In f64: the recursion
 * cancels. */
ran_status ran_det_gradient(ran_gradient *g, const ran_op *op)
{
    ran_value *dy = ran_gradient_of(g, 0), *x = ran_op_operand(op, 0);
    int rank = ran_gradient_rank(x);
    int64_t n = ran_gradient_extent(x, rank - 1), perm[RAN_MAX_RANK];
    if (!dy)
        return RAN_OK;
    if (n < 0)
        return ran_gradient_need_static(op);
    for (int i = 0; i < rank; i++)
        perm[i] = i < rank - 2 ? i : 2 * rank - 3 - i;
    ran_value *a =
        ran_gradient_transpose(g, ran_gradient_cast(g, x, RAN_ELEM_F64), perm, (size_t)rank);
    ran_value *outer = ran_gradient_unsqueeze(g, ran_gradient_cast(g, dy, RAN_ELEM_F64),
                                              (int64_t[]){rank - 2, rank - 1}, 2);
    ran_value *dx = ran_gradient_cast(g, ran_gradient_mul(g, outer, adjugate(g, a, n)),
                                      ran_type_elem(ran_value_type(x)));
    ran_gradient_add(g, 0, dx);
    return RAN_OK;
}
