/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Normalisations and pools as reductions and elementwise ops. */
#include <math.h>

#include "codegen/expand.h"

static ran_value *operand(const ran_expansion *e, size_t index)
{
    return ran_op_operand(e->op, index);
}

static const ran_type *x_type(const ran_expansion *e)
{
    return ran_value_type(operand(e, 0));
}

static ran_value *multiply(ran_expansion *e, ran_value *a, ran_value *b)
{
    return ran_expand_binary(e, RAN_OP_MUL, a, b);
}

static ran_value *add_number(ran_expansion *e, ran_value *x, double value)
{
    ran_elem elem = ran_type_elem(ran_value_type(x));
    return ran_expand_binary(e, RAN_OP_ADD, x, ran_expand_scalar(e, elem, value));
}

/* (x - mean) / sqrt(variance + epsilon) over axes; without centring, mean is 0. */
static ran_value *standardise(ran_expansion *e, ran_value *x, size_t count, const int64_t *axes,
                              double epsilon, bool centred, ran_value **out_mean,
                              ran_value **out_inverse)
{
    *out_mean = ran_expand_reduce(e, RAN_OP_REDUCE_MEAN, x, count, axes);
    if (centred)
        x = ran_expand_binary(e, RAN_OP_SUB, x, *out_mean);
    ran_value *variance = ran_expand_reduce(e, RAN_OP_REDUCE_MEAN, multiply(e, x, x), count, axes);
    ran_value *deviation = ran_expand_unary(e, RAN_OP_SQRT, add_number(e, variance, epsilon));
    *out_inverse = ran_expand_unary(e, RAN_OP_RECIPROCAL, deviation);
    return multiply(e, x, *out_inverse);
}

/* ---- batch_normalization --------------------------------------------------------------------- */

/* All axes but the channels'. */
static size_t other_axes(int rank, int64_t *axes)
{
    size_t count = 0;
    for (int i = 0; i < rank; i++)
        if (i != 1)
            axes[count++] = i;
    return count;
}

static ran_value *channel_vector(ran_expansion *e, ran_value *x)
{
    const ran_dim *channels = ran_type_dim(ran_value_type(x), 1);
    return ran_expand_view(e, x, 1, &channels);
}

/* running * momentum + batch * (1 - momentum) */
static ran_value *moved(ran_expansion *e, ran_value *running, ran_value *batch)
{
    ran_elem elem = ran_type_elem(ran_value_type(running));
    double momentum = ran_op_float(e->op, "momentum");
    return ran_expand_binary(e, RAN_OP_ADD,
                             multiply(e, running, ran_expand_scalar(e, elem, momentum)),
                             multiply(e, batch, ran_expand_scalar(e, elem, 1 - momentum)));
}

/* The batch's own moments take the place of the given ones. */
static void train(ran_expansion *e, ran_value **mean, ran_value **variance)
{
    int64_t axes[RAN_MAX_RANK];
    size_t count = other_axes(ran_type_rank(x_type(e)), axes);
    ran_value *x = operand(e, 0);
    ran_value *own = ran_expand_reduce(e, RAN_OP_REDUCE_MEAN, x, count, axes);
    ran_value *centred = ran_expand_binary(e, RAN_OP_SUB, x, own);
    ran_value *squares =
        ran_expand_reduce(e, RAN_OP_REDUCE_MEAN, multiply(e, centred, centred), count, axes);
    own = channel_vector(e, own);
    squares = channel_vector(e, squares);
    e->results[1] = moved(e, *mean, own);
    e->results[2] = moved(e, *variance, squares);
    *mean = own;
    *variance = squares;
}

static bool all_constant(ran_value *const *values, size_t count)
{
    for (size_t i = 0; i < count; i++)
        if (!ran_value_constant(values[i]))
            return false;
    return true;
}

/* scale / sqrt(variance + epsilon) and bias - mean * that, in f64, of constants. */
static void fold_channels(ran_expansion *e, ran_value *const *v, ran_value **out)
{
    const ran_tensor *t[4];
    ran_tensor *folded[2];
    for (size_t i = 0; i < 4; i++)
        t[i] = ran_value_constant(v[i]);
    for (size_t i = 0; i < 2; i++)
        folded[i] = ran_tensor_create(ran_type_elem(x_type(e)), 1, ran_tensor_dims(t[0]));
    for (int64_t c = 0; c < ran_tensor_numel(t[0]); c++) {
        double scale = ran_tensor_get_f64(t[0], c) /
                       sqrt(ran_tensor_get_f64(t[3], c) + ran_op_float(e->op, "epsilon"));
        ran_tensor_set_f64(folded[0], c, scale);
        ran_tensor_set_f64(folded[1], c,
                           ran_tensor_get_f64(t[1], c) - ran_tensor_get_f64(t[2], c) * scale);
    }
    for (size_t i = 0; i < 2; i++) {
        out[i] = ran_constant_create(e->builder.module, NULL, folded[i]);
        ran_tensor_release(folded[i]);
    }
}

static void compute_channels(ran_expansion *e, ran_value *const *v, ran_value **out)
{
    ran_value *deviation =
        ran_expand_unary(e, RAN_OP_SQRT, add_number(e, v[3], ran_op_float(e->op, "epsilon")));
    out[0] = ran_expand_binary(e, RAN_OP_DIV, v[0], deviation);
    out[1] = ran_expand_binary(e, RAN_OP_SUB, v[1], multiply(e, v[2], out[0]));
}

bool ran_expand_batch_normalization(ran_expansion *e)
{
    int rank = ran_type_rank(x_type(e));
    ran_elem elem = ran_type_elem(x_type(e));
    ran_value *v[4], *affine[2];
    if (rank < 2)
        return false;
    for (size_t i = 0; i < 4; i++)
        v[i] = ran_expand_cast(e, operand(e, i + 1), elem);
    e->results[1] = v[2];
    e->results[2] = v[3];
    if (ran_op_int(e->op, "training_mode"))
        train(e, &v[2], &v[3]);
    if (all_constant(v, 4))
        fold_channels(e, v, affine);
    else
        compute_channels(e, v, affine);
    for (size_t i = 0; i < 2; i++)
        affine[i] = ran_expand_along(e, affine[i], 1, rank);
    e->results[0] =
        ran_expand_binary(e, RAN_OP_ADD, multiply(e, operand(e, 0), affine[0]), affine[1]);
    for (size_t i = 1; i < e->op->result_count; i++)
        e->results[i] = ran_expand_cast(e, e->results[i],
                                        ran_type_elem(ran_value_type(ran_op_result(e->op, i))));
    return true;
}

/* ---- layer_normalization, rms_normalization -------------------------------------------------- */

bool ran_expand_layer_normalization(ran_expansion *e)
{
    int64_t axes[RAN_MAX_RANK];
    int rank = ran_type_rank(x_type(e));
    ran_elem elem = ran_type_elem(x_type(e));
    size_t count = 0;
    for (int i = ran_axis(ran_op_int(e->op, "axis"), rank); i < rank; i++)
        axes[count++] = i;
    ran_value *y =
        standardise(e, operand(e, 0), count, axes, ran_op_float(e->op, "epsilon"),
                    e->op->opcode == RAN_OP_LAYER_NORMALIZATION, &e->results[1], &e->results[2]);
    y = multiply(e, y, ran_expand_cast(e, operand(e, 1), elem));
    if (operand(e, 2))
        y = ran_expand_binary(e, RAN_OP_ADD, y, ran_expand_cast(e, operand(e, 2), elem));
    e->results[0] = y;
    for (size_t i = 1; i < e->op->result_count; i++)
        e->results[i] = ran_expand_cast(e, e->results[i],
                                        ran_type_elem(ran_value_type(ran_op_result(e->op, i))));
    return true;
}

/* ---- instance_normalization, group_normalization --------------------------------------------- */

/* [N, C, ...] as [N, groups, the rest]. */
bool ran_expand_group_normalization(ran_expansion *e)
{
    const ran_type *x = x_type(e);
    ran_context *context = e->context;
    const ran_dim *dims[RAN_MAX_RANK], *inner = ran_dim_constant(context, 1);
    int rank = ran_type_rank(x);
    ran_value *mean, *inverse;
    if (rank < 2 || !ran_dim_is_constant(ran_type_dim(x, 1)))
        return false;
    int64_t channels = ran_type_extent(x, 1), groups = channels;
    if (e->op->opcode == RAN_OP_GROUP_NORMALIZATION)
        groups = ran_op_int(e->op, "num_groups");
    if (groups < 1 || channels % groups)
        return false;
    for (int i = 0; i < rank; i++)
        dims[i] = ran_type_dim(x, i);
    for (int i = 2; i < rank; i++)
        inner = ran_dim_binary(context, RAN_DIM_MUL, inner, dims[i]);
    inner =
        ran_dim_binary(context, RAN_DIM_MUL, inner, ran_dim_constant(context, channels / groups));
    const ran_dim *grouped[] = {dims[0], ran_dim_constant(context, groups), inner};
    ran_value *y = ran_expand_view(e, operand(e, 0), 3, grouped);
    y = standardise(e, y, 1, (int64_t[]){2}, ran_op_float(e->op, "epsilon"), true, &mean, &inverse);
    y = ran_expand_view(e, y, rank, dims);
    ran_elem elem = ran_type_elem(x);
    ran_value *scale = ran_expand_cast(e, operand(e, 1), elem);
    ran_value *bias = ran_expand_cast(e, operand(e, 2), elem);
    y = multiply(e, y, ran_expand_along(e, scale, 1, rank));
    e->results[0] = ran_expand_binary(e, RAN_OP_ADD, y, ran_expand_along(e, bias, 1, rank));
    return true;
}

/* ---- mean_variance_normalization, lp_normalization ------------------------------------------- */

/* (x - mean) / (deviation + 1e-9), as ONNX's function has it. */
bool ran_expand_mean_variance(ran_expansion *e)
{
    size_t count;
    static const int64_t usual[] = {0, 2, 3};
    const int64_t *axes = ran_op_ints(e->op, "axes", &count);
    if (!count) {
        axes = usual;
        count = 3;
    }
    ran_value *x = operand(e, 0);
    x = ran_expand_binary(e, RAN_OP_SUB, x,
                          ran_expand_reduce(e, RAN_OP_REDUCE_MEAN, x, count, axes));
    ran_value *variance = ran_expand_reduce(e, RAN_OP_REDUCE_MEAN, multiply(e, x, x), count, axes);
    ran_value *deviation = add_number(e, ran_expand_unary(e, RAN_OP_SQRT, variance), 1e-9);
    e->results[0] = ran_expand_binary(e, RAN_OP_DIV, x, deviation);
    return true;
}

/* A line of zeros stays one. */
bool ran_expand_lp_normalization(ran_expansion *e)
{
    int64_t axis = ran_op_int(e->op, "axis");
    ran_elem elem = ran_type_elem(x_type(e));
    ran_opcode opcode = ran_op_int(e->op, "p") == 1 ? RAN_OP_REDUCE_L1 : RAN_OP_REDUCE_L2;
    ran_value *norm = ran_expand_reduce(e, opcode, operand(e, 0), 1, &axis);
    ran_value *zero = ran_expand_scalar(e, elem, 0);
    ran_value *choice[] = {ran_expand_binary(e, RAN_OP_EQUAL, norm, zero),
                           ran_expand_scalar(e, elem, 1), norm};
    norm = ran_expand_make(e, RAN_OP_WHERE, 3, choice);
    e->results[0] = ran_expand_binary(e, RAN_OP_DIV, operand(e, 0), norm);
    return true;
}

/* ---- Pools ----------------------------------------------------------------------------------- */

bool ran_expand_global_pool(ran_expansion *e)
{
    int64_t axes[RAN_MAX_RANK];
    size_t count = 0;
    for (int i = 2; i < ran_type_rank(x_type(e)); i++)
        axes[count++] = i;
    bool is_max = e->op->opcode == RAN_OP_GLOBAL_MAX_POOL;
    e->results[0] = ran_expand_reduce(e, is_max ? RAN_OP_REDUCE_MAX : RAN_OP_REDUCE_MEAN,
                                      operand(e, 0), count, axes);
    return true;
}

static void copy_ints(ran_op *to, const ran_op *from, const char *name)
{
    size_t count;
    const int64_t *values = ran_op_ints(from, name, &count);
    if (count)
        ran_op_set_ints(to, name, values, count);
}

/* (sum of |x|^p)^(1/p): a pool with p = 1 around powers. */
bool ran_expand_lp_pool(ran_expansion *e)
{
    static const char *const lists[] = {"dilations", "kernel_shape", "pads", "strides"};
    double p = (double)ran_op_int(e->op, "p");
    ran_elem elem = ran_type_elem(x_type(e));
    if (p < 3)
        return false;
    ran_value *x = ran_expand_unary(e, RAN_OP_ABS, operand(e, 0));
    x = ran_expand_binary(e, RAN_OP_POW, x, ran_expand_scalar(e, elem, p));
    ran_op *pool = ran_op_create(&e->builder, RAN_OP_LP_POOL, 1, &x, 1);
    for (size_t i = 0; i < sizeof(lists) / sizeof(*lists); i++)
        copy_ints(pool, e->op, lists[i]);
    ran_op_set_string(pool, "auto_pad", ran_op_string(e->op, "auto_pad"));
    ran_op_set_int(pool, "ceil_mode", ran_op_int(e->op, "ceil_mode"));
    ran_op_set_int(pool, "p", 1);
    e->results[0] = ran_expand_binary(e, RAN_OP_POW, ran_expand_finish(e, pool),
                                      ran_expand_scalar(e, elem, 1 / p));
    return true;
}
