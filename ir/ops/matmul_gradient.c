/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Gradients of matmul and gemm: products again, with transposed operands. */
#include "ir/ops/gradient.h"

/* ---- gemm
 * ------------------------------------------------------------------------------------------ */

static ran_value *product(ran_gradient *g, ran_value *a, bool transpose_a, ran_value *b,
                          bool transpose_b, double alpha)
{
    ran_op *op = ran_gradient_op(g, RAN_OP_GEMM, 2, (ran_value *[]){a, b}, 1);
    if (transpose_a)
        ran_op_set_int(op, "transA", 1);
    if (transpose_b)
        ran_op_set_int(op, "transB", 1);
    if (alpha != 1)
        ran_op_set_float(op, "alpha", alpha);
    return ran_gradient_finish(g, op);
}

ran_status ran_gemm_gradient(ran_gradient *g, const ran_op *op)
{
    ran_value *dy = ran_gradient_of(g, 0), *a = ran_op_operand(op, 0), *b = ran_op_operand(op, 1);
    bool ta = ran_op_int(op, "transA") != 0, tb = ran_op_int(op, "transB") != 0;
    double alpha = ran_op_float(op, "alpha");
    if (!dy)
        return RAN_OK;
    if (ran_gradient_needed(g, 2))
        ran_gradient_add(g, 2,
                         ran_gradient_reduce_to(g,
                                                ran_gradient_scale(g, dy, ran_op_float(op, "beta")),
                                                ran_op_operand(op, 2)));
    if (ran_gradient_needed(g, 1))
        ran_gradient_add(
            g, 1, tb ? product(g, dy, true, a, ta, alpha) : product(g, a, !ta, dy, false, alpha));
    if (ran_gradient_needed(g, 0))
        ran_gradient_add(
            g, 0, ta ? product(g, b, tb, dy, true, alpha) : product(g, dy, false, b, !tb, alpha));
    return RAN_OK;
}

/* ---- matmul
 * ---------------------------------------------------------------------------------------- */

static ran_value *swap_last(ran_gradient *g, ran_value *x)
{
    int64_t perm[RAN_MAX_RANK];
    int rank = ran_gradient_rank(x);
    for (int i = 0; i < rank; i++)
        perm[i] = i;
    perm[rank - 1] = rank - 2;
    perm[rank - 2] = rank - 1;
    return ran_gradient_transpose(g, x, perm, (size_t)rank);
}

static ran_value *flatten_rows(ran_gradient *g, ran_value *x)
{
    int64_t columns = ran_gradient_extent(x, ran_gradient_rank(x) - 1);
    return ran_gradient_rank(x) == 2 ? x : ran_gradient_reshape(g, x, (int64_t[]){-1, columns}, 2);
}

/* a and b are matrices or stacks of them; a vector got the axis that numpy's rule gives it. */
static ran_value *left_gradient(ran_gradient *g, ran_value *dy, ran_value *b)
{
    if (ran_gradient_rank(dy) == 2 && ran_gradient_rank(b) == 2)
        return product(g, dy, false, b, true, 1);
    return ran_gradient_binary(g, RAN_OP_MATMUL, dy, swap_last(g, b));
}

static ran_value *right_gradient(ran_gradient *g, ran_value *a, ran_value *dy, ran_value *b)
{
    bool known = ran_gradient_extent(a, ran_gradient_rank(a) - 1) >= 0 &&
                 ran_gradient_extent(dy, ran_gradient_rank(dy) - 1) >= 0;
    if (ran_gradient_rank(b) == 2 && known) /* one matrix for all rows: one long product */
        return product(g, flatten_rows(g, a), true, flatten_rows(g, dy), false, 1);
    return ran_gradient_binary(g, RAN_OP_MATMUL, swap_last(g, a), dy);
}

ran_status ran_matmul_gradient(ran_gradient *g, const ran_op *op)
{
    ran_value *dy = ran_gradient_of(g, 0), *a = ran_op_operand(op, 0), *b = ran_op_operand(op, 1);
    int64_t first = 0, last = ran_gradient_rank(b) == 1 ? ran_gradient_rank(b) : 0;
    if (!dy)
        return RAN_OK;
    bool row = ran_gradient_rank(a) == 1, column = ran_gradient_rank(b) == 1;
    ran_value *a2 = row ? ran_gradient_unsqueeze(g, a, &first, 1) : a;
    ran_value *b2 = column ? ran_gradient_unsqueeze(g, b, &last, 1) : b;
    if (column)
        dy = ran_gradient_unsqueeze(g, dy, &(int64_t){ran_gradient_rank(dy)}, 1);
    if (row)
        dy = ran_gradient_unsqueeze(g, dy, &(int64_t){ran_gradient_rank(dy) - 1}, 1);
    if (ran_gradient_needed(g, 1)) {
        ran_value *db = ran_gradient_reduce_to(g, right_gradient(g, a2, dy, b2), b2);
        ran_gradient_add(g, 1, ran_gradient_reshape_like(g, db, b));
    }
    if (ran_gradient_needed(g, 0)) {
        ran_value *da = ran_gradient_reduce_to(g, left_gradient(g, dy, b2), a2);
        ran_gradient_add(g, 0, ran_gradient_reshape_like(g, da, a));
    }
    return RAN_OK;
}
