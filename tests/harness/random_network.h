/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Random small networks of f32: what passes and code generation must not change.
 *
 * Shapes are odd and small, weights of the size that keeps activations near 1. What inference
 * refuses is erased again. Values of any rank meet in elementwise ops with broadcasting; patterns
 * that passes look for (batch normalisation behind and before convolutions, pads, pairs of
 * transposes, activations spelled out) come up often.
 */
#ifndef RAN_TESTS_HARNESS_RANDOM_NETWORK_H
#define RAN_TESTS_HARNESS_RANDOM_NETWORK_H

#include <math.h>

#include "ir/ir.h"

enum { NETWORK_VALUES = 512, NETWORK_RESULTS = 12 };

typedef struct random_network {
    uint64_t state;
    ran_context *context;
    ran_module *module;
    ran_builder builder;
    ran_value *values[NETWORK_VALUES];
    size_t count;
} random_network;

static inline uint32_t net_below(random_network *r, uint32_t limit)
{
    r->state = r->state * 6364136223846793005u + 1442695040888963407u;
    return (uint32_t)((r->state >> 33) % limit);
}

static inline double net_uniform(random_network *r, double low, double high)
{
    return low + (high - low) * net_below(r, 1 << 20) / (1 << 20);
}

static inline ran_value *net_constant(random_network *r, int rank, const int64_t *dims, double low,
                                      double high)
{
    ran_tensor *tensor = ran_tensor_create(RAN_ELEM_F32, rank, dims);
    if (!tensor) /* of the size of a batch, say: the op without it will be refused */
        return NULL;
    for (int64_t i = 0; i < ran_tensor_numel(tensor); i++)
        ran_tensor_set_f64(tensor, i, net_uniform(r, low, high));
    ran_value *value = ran_constant_create(r->module, NULL, tensor);
    ran_tensor_release(tensor);
    return value;
}

static inline ran_value *net_ints(random_network *r, int64_t count, const int64_t *values)
{
    ran_tensor *tensor = ran_tensor_create(RAN_ELEM_I64, 1, &count);
    for (int64_t i = 0; i < count; i++)
        ran_tensor_set_i64(tensor, i, values[i]);
    ran_value *value = ran_constant_create(r->module, NULL, tensor);
    ran_tensor_release(tensor);
    return value;
}

static inline ran_value *net_scalar(random_network *r, double low, double high)
{
    return net_constant(r, 0, NULL, low, high);
}

/* A value so far, mostly a recent one; of this rank when rank >= 0. NULL when there is none. */
static inline ran_value *net_pick(random_network *r, int rank)
{
    for (int tries = 0; tries < 40; tries++) {
        size_t window = net_below(r, 4) && r->count > 4 ? 4 : r->count;
        ran_value *value = r->values[r->count - 1 - net_below(r, (uint32_t)window)];
        if (rank < 0 || ran_type_rank(ran_value_type(value)) == rank)
            return value;
    }
    return NULL;
}

static inline ran_op *net_op(random_network *r, ran_opcode opcode, size_t count,
                             ran_value *const *operands, size_t results)
{
    char name[32];
    snprintf(name, sizeof name, "%s_%zu", ran_opcode_name(opcode), r->count);
    r->builder.location = ran_location_create(r->context, name, ran_opcode_name(opcode));
    return ran_op_create(&r->builder, opcode, count, operands, results);
}

/* Types the op and takes its first result; NULL, and no op, when that fails or grows too large. */
static inline ran_value *net_keep(random_network *r, ran_op *op)
{
    size_t diagnostics = ran_diagnostic_count(r->context);
    if (ran_op_infer_types(op) == RAN_OK) {
        const ran_type *type = ran_value_type(ran_op_result(op, 0));
        int64_t size = 1;
        for (int i = 0; i < ran_type_rank(type); i++)
            if (ran_dim_is_constant(ran_type_dim(type, i)))
                size *= ran_dim_value(ran_type_dim(type, i));
        if (size > 0 && size < 40000 && r->count < NETWORK_VALUES) {
            r->values[r->count++] = ran_op_result(op, 0);
            return ran_op_result(op, 0);
        }
    }
    ran_diagnostics_truncate(r->context, diagnostics);
    ran_op_erase(op);
    return NULL;
}

static inline ran_value *net_unary(random_network *r, ran_opcode opcode, ran_value *x)
{
    return x ? net_keep(r, net_op(r, opcode, 1, &x, 1)) : NULL;
}

/* Whether x and y broadcast for every batch: inference takes N and 3 to be equal. */
static inline bool net_broadcasts(const ran_value *x, const ran_value *y)
{
    const ran_type *a = ran_value_type(x), *b = ran_value_type(y);
    for (int i = 1; i <= ran_type_rank(a) && i <= ran_type_rank(b); i++) {
        const ran_dim *p = ran_type_dim(a, ran_type_rank(a) - i);
        const ran_dim *q = ran_type_dim(b, ran_type_rank(b) - i);
        if (p != q && !ran_dim_is(p, 1) && !ran_dim_is(q, 1))
            return false;
    }
    return true;
}

static inline ran_value *net_binary(random_network *r, ran_opcode opcode, ran_value *x,
                                    ran_value *y)
{
    bool elementwise = ran_opcode_is_elementwise(opcode);
    if (x && y && elementwise && !net_broadcasts(x, y))
        return NULL;
    return x && y ? net_keep(r, net_op(r, opcode, 2, (ran_value *[]){x, y}, 1)) : NULL;
}

static inline int64_t net_extent(const ran_value *value, int axis)
{
    const ran_dim *dim = ran_type_dim(ran_value_type(value), axis);
    return ran_dim_is_constant(dim) ? ran_dim_value(dim) : -1;
}

/* ---- Layers ---------------------------------------------------------------------------------- */

static inline ran_value *net_batch_norm(random_network *r, ran_value *x)
{
    int64_t c = x && ran_type_rank(ran_value_type(x)) > 1 ? net_extent(x, 1) : -1;
    if (c < 0)
        return NULL;
    ran_value *operands[] = {x, net_constant(r, 1, &c, -1.5, 1.5), net_constant(r, 1, &c, -1, 1),
                             net_constant(r, 1, &c, -1, 1), net_constant(r, 1, &c, 0.3, 2)};
    return net_keep(r, net_op(r, RAN_OP_BATCH_NORMALIZATION, 5, operands, 1));
}

static inline ran_value *net_conv(random_network *r)
{
    ran_value *x = net_pick(r, 4);
    if (!x || net_extent(x, 1) < 0)
        return NULL;
    int64_t c = net_extent(x, 1), kernel[] = {1 + net_below(r, 3), 1 + net_below(r, 4)};
    int64_t group = net_below(r, 3) ? 1 : net_below(r, 2) ? c : c % 2 ? 1 : 2;
    int64_t out = group * (1 + net_below(r, group == c ? 2 : 19));
    int64_t w[] = {out, c / group, kernel[0], kernel[1]};
    double scale = 1.5 / sqrt((double)(w[1] * w[2] * w[3]));
    ran_value *operands[] = {x, net_constant(r, 4, w, -scale, scale),
                             net_below(r, 3) ? net_constant(r, 1, &out, -1, 1) : NULL};
    ran_op *op = net_op(r, RAN_OP_CONV, 3, operands, 1);
    int64_t pads[4], strides[2], dilations[2];
    for (int i = 0; i < 4; i++)
        pads[i] = net_below(r, 3);
    for (int i = 0; i < 2; i++) {
        strides[i] = 1 + net_below(r, 4) / 2;
        dilations[i] = 1 + net_below(r, 6) / 4;
    }
    ran_op_set_int(op, "group", group);
    if (net_below(r, 5))
        ran_op_set_ints(op, "pads", pads, 4);
    else
        ran_op_set_string(op, "auto_pad", net_below(r, 2) ? "SAME_UPPER" : "SAME_LOWER");
    if (net_below(r, 2))
        ran_op_set_ints(op, "strides", strides, 2);
    if (net_below(r, 3) == 0)
        ran_op_set_ints(op, "dilations", dilations, 2);
    return net_keep(r, op);
}

static inline ran_value *net_conv_transpose(random_network *r)
{
    ran_value *x = net_pick(r, 4);
    if (!x || net_extent(x, 1) < 0)
        return NULL;
    int64_t w[] = {net_extent(x, 1), 1 + net_below(r, 6), 1 + net_below(r, 3), 2};
    double scale = 1.5 / sqrt((double)(w[0] * 2));
    ran_value *operands[] = {x, net_constant(r, 4, w, -scale, scale)};
    ran_op *op = net_op(r, RAN_OP_CONV_TRANSPOSE, 2, operands, 1);
    ran_op_set_ints(op, "strides", (int64_t[]){1 + net_below(r, 2), 2}, 2);
    ran_op_set_ints(op, "pads", (int64_t[]){net_below(r, 2), 0, net_below(r, 2), 1}, 4);
    return net_keep(r, op);
}

static inline ran_value *net_pool(random_network *r)
{
    static const ran_opcode pools[] = {RAN_OP_MAX_POOL, RAN_OP_AVERAGE_POOL,
                                       RAN_OP_GLOBAL_AVERAGE_POOL};
    ran_value *x = net_pick(r, 4);
    uint32_t kind = net_below(r, 3);
    if (!x || kind == 2)
        return net_unary(r, pools[kind], x);
    ran_op *op = net_op(r, pools[kind], 1, &x, 1);
    ran_op_set_ints(op, "kernel_shape", (int64_t[]){2, 2 + net_below(r, 2)}, 2);
    ran_op_set_ints(op, "strides", (int64_t[]){1 + net_below(r, 2), 2}, 2);
    if (net_below(r, 2))
        ran_op_set_ints(op, "pads", (int64_t[]){0, 1, 1, 0}, 4);
    if (net_below(r, 3) == 0)
        ran_op_set_int(op, "ceil_mode", 1);
    if (kind == 1 && net_below(r, 2))
        ran_op_set_int(op, "count_include_pad", 1);
    return net_keep(r, op);
}

static inline ran_value *net_activation(random_network *r, ran_value *x)
{
    static const ran_opcode kinds[] = {RAN_OP_RELU,     RAN_OP_LEAKY_RELU,  RAN_OP_SIGMOID,
                                       RAN_OP_TANH,     RAN_OP_HARD_SWISH,  RAN_OP_SILU,
                                       RAN_OP_GELU_ERF, RAN_OP_HARD_SIGMOID, RAN_OP_ELU,
                                       RAN_OP_SOFTPLUS, RAN_OP_ABS,         RAN_OP_NEG};
    if (!x)
        return NULL;
    uint32_t kind = net_below(r, 16);
    if (kind < 12)
        return net_unary(r, kinds[kind], x);
    if (kind == 12)
        return net_binary(r, RAN_OP_MUL, x, net_unary(r, RAN_OP_SIGMOID, x));
    if (kind == 13) /* relu6, with one of its bounds sometimes missing */
        return net_keep(r, net_op(r, RAN_OP_CLIP, 3,
                                  (ran_value *[]){x, net_scalar(r, 0, 0),
                                                  net_below(r, 3) ? net_scalar(r, 6, 6) : NULL},
                                  1));
    return net_binary(r, RAN_OP_MUL, x, net_unary(r, RAN_OP_HARD_SIGMOID, x));
}

static inline ran_value *net_affine(random_network *r)
{
    ran_value *x = net_pick(r, -1);
    int rank = ran_type_rank(ran_value_type(x));
    int64_t dims[RAN_MAX_RANK];
    for (int i = 0; i < rank; i++)
        dims[i] = i == 1 && net_extent(x, 1) > 0 ? net_extent(x, 1) : 1;
    ran_value *c = net_below(r, 3) ? net_constant(r, rank, dims, -1.2, 1.2)
                                   : net_scalar(r, 0.2, 1.2);
    static const ran_opcode kinds[] = {RAN_OP_ADD, RAN_OP_MUL, RAN_OP_SUB, RAN_OP_DIV};
    uint32_t kind = net_below(r, 4);
    bool swap = net_below(r, 2) && kind != 3;
    if (kind == 3)
        c = net_scalar(r, 0.5, 2);
    return net_binary(r, kinds[kind], swap ? c : x, swap ? x : c);
}

static inline ran_value *net_combine(random_network *r)
{
    static const ran_opcode kinds[] = {RAN_OP_ADD, RAN_OP_ADD, RAN_OP_MUL, RAN_OP_MAX, RAN_OP_MIN,
                                       RAN_OP_SUB};
    ran_value *x = net_pick(r, -1);
    return net_binary(r, kinds[net_below(r, 6)], x,
                      net_pick(r, net_below(r, 4) ? ran_type_rank(ran_value_type(x)) : -1));
}

static inline ran_value *net_product(random_network *r)
{
    ran_value *x = net_pick(r, -1);
    int rank = ran_type_rank(ran_value_type(x));
    if (rank < 1 || net_extent(x, rank - 1) < 1)
        return NULL;
    int64_t w[] = {net_extent(x, rank - 1), 1 + net_below(r, 21)};
    double scale = 1.5 / sqrt((double)w[0]);
    if (rank != 2 || net_below(r, 2))
        return net_binary(r, RAN_OP_MATMUL, x, net_constant(r, 2, w, -scale, scale));
    bool transposed = net_below(r, 2);
    int64_t turned[] = {w[1], w[0]};
    ran_value *operands[] = {x, net_constant(r, 2, transposed ? turned : w, -scale, scale),
                             net_below(r, 2) ? net_constant(r, 1, &w[1], -1, 1) : NULL};
    ran_op *op = net_op(r, RAN_OP_GEMM, 3, operands, 1);
    ran_op_set_int(op, "transB", transposed);
    if (net_below(r, 3) == 0)
        ran_op_set_float(op, "alpha", 0.5);
    return net_keep(r, op);
}

static inline bool net_same_but(const ran_value *x, const ran_value *y, int axis)
{
    const ran_type *a = ran_value_type(x), *b = ran_value_type(y);
    for (int i = 0; i < ran_type_rank(a); i++)
        if (i != axis && ran_type_dim(a, i) != ran_type_dim(b, i))
            return false;
    return true;
}

static inline ran_value *net_move(random_network *r)
{
    static const int64_t nhwc[] = {0, 2, 3, 1}, nchw[] = {0, 3, 1, 2};
    ran_value *x = net_pick(r, net_below(r, 2) ? 4 : -1);
    if (!x)
        return NULL;
    int rank = ran_type_rank(ran_value_type(x));
    ran_op *op;
    switch (net_below(r, 6)) {
    case 0:
        op = net_op(r, RAN_OP_TRANSPOSE, 1, &x, 1);
        if (rank == 4)
            ran_op_set_ints(op, "perm", net_below(r, 2) ? nhwc : nchw, 4);
        return net_keep(r, op);
    case 1:
        op = net_op(r, RAN_OP_CONCAT, 2, (ran_value *[]){x, net_pick(r, rank)}, 1);
        ran_op_set_int(op, "axis", rank > 1 ? 1 : 0);
        if (!ran_op_operand(op, 1) || !net_same_but(x, ran_op_operand(op, 1), rank > 1 ? 1 : 0)) {
            ran_op_erase(op);
            return NULL;
        }
        return net_keep(r, op);
    case 2: {
        if (rank != 4)
            return NULL;
        int64_t pads[8] = {0, 0, net_below(r, 3), 1, 0, 0, 1, net_below(r, 2)};
        ran_value *operands[] = {x, net_ints(r, 8, pads),
                                 net_below(r, 3) == 0 ? net_scalar(r, 0.5, 1) : NULL};
        return net_keep(r, net_op(r, RAN_OP_PAD, 3, operands, 1));
    }
    case 3: {
        int64_t axis = rank > 1 ? 1 + net_below(r, (uint32_t)rank - 1) : 0, start = 0;
        int64_t end = net_below(r, 2) ? -1 : 2;
        ran_value *operands[] = {x, net_ints(r, 1, &start), net_ints(r, 1, &end),
                                 net_ints(r, 1, &axis)};
        return net_keep(r, net_op(r, RAN_OP_SLICE, 4, operands, 1));
    }
    case 4: {
        int64_t shape[] = {0, -1};
        return rank < 2 ? NULL : net_binary(r, RAN_OP_RESHAPE, x, net_ints(r, 2, shape));
    }
    default:
        op = net_op(r, RAN_OP_FLATTEN, 1, &x, 1);
        return net_keep(r, op);
    }
}

static inline ran_value *net_reduce(random_network *r)
{
    static const ran_opcode kinds[] = {RAN_OP_REDUCE_MEAN, RAN_OP_REDUCE_SUM, RAN_OP_REDUCE_MAX,
                                       RAN_OP_SOFTMAX};
    ran_value *x = net_pick(r, -1);
    int rank = ran_type_rank(ran_value_type(x));
    uint32_t kind = net_below(r, 4);
    if (rank < 2)
        return NULL;
    if (kind == 3)
        return net_unary(r, RAN_OP_SOFTMAX, x);
    int64_t axes[] = {rank - 1, rank - 2};
    ran_op *op = net_op(r, kinds[kind], 2,
                        (ran_value *[]){x, net_ints(r, rank > 2 ? 2 : 1, axes)}, 1);
    if (net_below(r, 3) == 0)
        ran_op_set_int(op, "keepdims", 0);
    return net_keep(r, op);
}

static inline ran_value *net_normalize(random_network *r)
{
    ran_value *x = net_pick(r, -1);
    int rank = ran_type_rank(ran_value_type(x));
    int64_t last = rank > 1 ? net_extent(x, rank - 1) : -1;
    if (last < 2)
        return NULL;
    ran_value *operands[] = {x, net_constant(r, 1, &last, 0.5, 1.5),
                             net_constant(r, 1, &last, -1, 1)};
    return net_keep(r, net_op(r, RAN_OP_LAYER_NORMALIZATION, 3, operands, 1));
}

/* ---- What comes up less often ---------------------------------------------------------------- */

/* softmax(x . x^T) . x over the last two axes. */
static inline ran_value *net_attention(random_network *r)
{
    int64_t perms[2][4] = {{0, 2, 1}, {0, 1, 3, 2}};
    ran_value *x = net_pick(r, 3 + (int)net_below(r, 2));
    if (!x)
        return NULL;
    int rank = ran_type_rank(ran_value_type(x));
    ran_op *turn = net_op(r, RAN_OP_TRANSPOSE, 1, &x, 1);
    ran_op_set_ints(turn, "perm", perms[rank - 3], (size_t)rank);
    ran_value *scores = net_binary(r, RAN_OP_MATMUL, x, net_keep(r, turn));
    scores = scores ? net_binary(r, RAN_OP_MUL, scores, net_scalar(r, 0.2, 0.5)) : NULL;
    return net_binary(r, RAN_OP_MATMUL, net_unary(r, RAN_OP_SOFTMAX, scores), x);
}

static inline ran_value *net_where(random_network *r)
{
    ran_value *x = net_pick(r, -1), *y = net_pick(r, ran_type_rank(ran_value_type(x)));
    if (!y || !net_broadcasts(x, y))
        return NULL;
    static const ran_opcode kinds[] = {RAN_OP_LESS, RAN_OP_GREATER_OR_EQUAL};
    ran_op *compare = net_op(r, kinds[net_below(r, 2)], 2, (ran_value *[]){x, y}, 1);
    if (ran_op_infer_types(compare) != RAN_OK)
        return NULL;
    ran_value *operands[] = {ran_op_result(compare, 0), y, net_scalar(r, -1, 1)};
    return net_keep(r, net_op(r, RAN_OP_WHERE, 3, operands, 1));
}

static inline ran_value *net_split(random_network *r)
{
    ran_value *x = net_pick(r, -1);
    if (ran_type_rank(ran_value_type(x)) < 2 || net_extent(x, 1) < 2)
        return NULL;
    int64_t parts[] = {1, net_extent(x, 1) - 1};
    ran_op *op = net_op(r, RAN_OP_SPLIT, 2, (ran_value *[]){x, net_ints(r, 2, parts)}, 2);
    ran_op_set_int(op, "axis", 1);
    ran_value *first = net_keep(r, op);
    if (first && r->count < NETWORK_VALUES)
        r->values[r->count++] = ran_op_result(op, 1);
    return first;
}

static inline ran_value *net_resize(random_network *r)
{
    static const char *const modes[] = {"nearest", "linear"};
    static const char *const coordinates[] = {"asymmetric", "half_pixel", "align_corners"};
    ran_value *x = net_pick(r, 4);
    if (!x)
        return NULL;
    int64_t four = 4;
    ran_tensor *scales = ran_tensor_create(RAN_ELEM_F32, 1, &four);
    for (int i = 0; i < 4; i++)
        ran_tensor_set_f64(scales, i, i < 2 ? 1 : 1 + net_below(r, 3) * 0.5);
    ran_value *operands[] = {x, NULL, ran_constant_create(r->module, NULL, scales)};
    ran_tensor_release(scales);
    ran_op *op = net_op(r, RAN_OP_RESIZE, 3, operands, 1);
    ran_op_set_string(op, "mode", modes[net_below(r, 2)]);
    ran_op_set_string(op, "coordinate_transformation_mode", coordinates[net_below(r, 3)]);
    return net_keep(r, op);
}

static inline ran_value *net_channel_norm(random_network *r)
{
    ran_value *x = net_pick(r, 4);
    int64_t c = x ? net_extent(x, 1) : -1;
    if (c < 1)
        return NULL;
    bool grouped = net_below(r, 2);
    ran_value *operands[] = {x, net_constant(r, 1, &c, 0.5, 1.5), net_constant(r, 1, &c, -1, 1)};
    ran_op *op = net_op(r, grouped ? RAN_OP_GROUP_NORMALIZATION : RAN_OP_INSTANCE_NORMALIZATION, 3,
                        operands, 1);
    if (grouped)
        ran_op_set_int(op, "num_groups", c % 3 == 0 ? 3 : 1);
    ran_op_set_float(op, "epsilon", 0.1); /* maps of one pixel have no variance */
    return net_keep(r, op);
}

static inline ran_value *net_gather(random_network *r)
{
    ran_value *x = net_pick(r, -1);
    int64_t rows = ran_type_rank(ran_value_type(x)) > 1 ? net_extent(x, 1) : -1;
    if (rows < 1)
        return NULL;
    int64_t indices[] = {rows - 1, 0, -1};
    ran_op *op = net_op(r, RAN_OP_GATHER, 2, (ran_value *[]){x, net_ints(r, 3, indices)}, 1);
    ran_op_set_int(op, "axis", 1);
    return net_keep(r, op);
}

/* A convolution over one axis: the image's rows laid end to end. */
static inline ran_value *net_conv_1d(random_network *r)
{
    int64_t shape[] = {0, 0, -1};
    ran_value *x = net_pick(r, 4);
    x = x ? net_binary(r, RAN_OP_RESHAPE, x, net_ints(r, 3, shape)) : NULL;
    if (!x || net_extent(x, 1) < 1)
        return NULL;
    int64_t w[] = {1 + net_below(r, 20), net_extent(x, 1), 1 + net_below(r, 4)};
    double scale = 1.5 / sqrt((double)(w[1] * w[2]));
    ran_op *op = net_op(r, RAN_OP_CONV, 2,
                        (ran_value *[]){x, net_constant(r, 3, w, -scale, scale)}, 1);
    ran_op_set_ints(op, "pads", (int64_t[]){net_below(r, 3), net_below(r, 3)}, 2);
    ran_op_set_ints(op, "strides", (int64_t[]){1 + net_below(r, 2)}, 1);
    return net_keep(r, op);
}

/* Integers on the way: halves are not near, so that rounding can't tip over. */
static inline ran_value *net_through_integers(random_network *r)
{
    ran_context *context = r->context;
    ran_value *x = net_unary(r, RAN_OP_SIGMOID, net_pick(r, -1));
    x = x ? net_binary(r, RAN_OP_LESS, x, net_scalar(r, 0.5, 0.5)) : NULL;
    if (!x)
        return NULL;
    r->count--; /* a bool is no value for other layers */
    ran_op *whole = net_op(r, RAN_OP_CAST, 1, &x, 1);
    ran_op_set_type_attr(whole, "to", ran_type_tensor(context, RAN_ELEM_I32, 0, NULL, RAN_PLAIN));
    if (ran_op_infer_types(whole) != RAN_OK)
        return NULL;
    x = ran_op_result(whole, 0);
    ran_op *twice = net_op(r, RAN_OP_ADD, 2, (ran_value *[]){x, x}, 1);
    if (ran_op_infer_types(twice) != RAN_OK)
        return NULL;
    x = ran_op_result(twice, 0);
    ran_op *back = net_op(r, RAN_OP_CAST, 1, &x, 1);
    ran_op_set_type_attr(back, "to", ran_type_tensor(context, RAN_ELEM_F32, 0, NULL, RAN_PLAIN));
    return net_keep(r, back);
}

static inline ran_value *net_rare(random_network *r)
{
    static ran_value *(*const kinds[])(random_network *) = {
        net_attention, net_where,  net_split,   net_resize, net_channel_norm,
        net_gather,    net_conv_1d, net_through_integers};
    return kinds[net_below(r, sizeof kinds / sizeof *kinds)](r);
}

/* Kinds of layers, in the proportion in which they come. */
enum {
    NETWORK_CONV,
    NETWORK_CONV_AGAIN,
    NETWORK_BATCH_NORM_CONV,
    NETWORK_CONV_TRANSPOSE,
    NETWORK_POOL,
    NETWORK_ACTIVATION,
    NETWORK_AFFINE,
    NETWORK_COMBINE,
    NETWORK_COMBINE_AGAIN,
    NETWORK_PRODUCT,
    NETWORK_REDUCE,
    NETWORK_NORMALIZE,
    NETWORK_MOVE,
    NETWORK_MOVE_AGAIN,
    NETWORK_RARE,
    NETWORK_KINDS,
};

static inline void net_layer(random_network *r)
{
    ran_value *y;
    switch (net_below(r, NETWORK_KINDS)) {
    case NETWORK_CONV:
    case NETWORK_CONV_AGAIN:
        y = net_conv(r);
        net_activation(r, net_below(r, 2) ? net_batch_norm(r, y) : y);
        break;
    case NETWORK_BATCH_NORM_CONV:
        net_batch_norm(r, net_pick(r, -1));
        net_conv(r);
        break;
    case NETWORK_CONV_TRANSPOSE:
        net_conv_transpose(r);
        break;
    case NETWORK_POOL:
        net_pool(r);
        break;
    case NETWORK_ACTIVATION:
        net_activation(r, net_pick(r, -1));
        break;
    case NETWORK_AFFINE:
        net_affine(r);
        break;
    case NETWORK_COMBINE:
    case NETWORK_COMBINE_AGAIN:
        net_combine(r);
        break;
    case NETWORK_PRODUCT:
        net_product(r);
        break;
    case NETWORK_REDUCE:
        net_reduce(r);
        break;
    case NETWORK_NORMALIZE:
        net_normalize(r);
        break;
    case NETWORK_RARE:
        net_rare(r);
        break;
    default:
        net_move(r);
    }
}

/* What nothing uses is returned, so that little of the network is dead, and a value inside. */
static inline void net_return(random_network *r, ran_function *function)
{
    ran_value *results[NETWORK_RESULTS] = {net_pick(r, -1)};
    size_t count = 1;
    for (size_t i = r->count; i-- > 2 && count < NETWORK_RESULTS;)
        if (!ran_value_has_uses(r->values[i]))
            results[count++] = r->values[i];
    r->builder.location = NULL;
    ran_op_create(&r->builder, RAN_OP_RETURN, count, results, 0);
    for (size_t i = 0; i < count; i++) {
        char name[24];
        snprintf(name, sizeof name, "y%zu", i);
        ran_function_set_output_name(function, i, name);
    }
}

static inline ran_value *net_input(random_network *r, ran_region *body, const char *name, int rank,
                                   const int64_t *extents, bool symbolic)
{
    const ran_dim *dims[4];
    for (int i = 0; i < rank; i++)
        dims[i] = symbolic && i == 0 ? ran_dim_symbol(r->context, "N")
                                     : ran_dim_constant(r->context, extents[i]);
    return ran_region_add_argument(
        body, name, ran_type_tensor(r->context, RAN_ELEM_F32, rank, dims, RAN_PLAIN));
}

/* One function: an image and a vector in, some values out. `symbolic`: the batch is N. */
static inline ran_module *random_network_create(ran_context *context, uint64_t seed, int layers,
                                                bool symbolic)
{
    random_network *r = calloc(1, sizeof *r);
    r->state = seed * 2654435761u + 7;
    r->context = context;
    r->module = ran_module_create(context);
    ran_function *function = ran_function_create(r->module, "main");
    ran_region *body = ran_function_body(function);
    r->builder = ran_builder_at_end(body);
    int64_t image[] = {1 + net_below(r, 2), 1 + net_below(r, 18), 5 + net_below(r, 6),
                       4 + net_below(r, 7)};
    int64_t vector[] = {image[0], 1 + net_below(r, 20)};
    r->values[r->count++] = net_input(r, body, "image", 4, image, symbolic);
    r->values[r->count++] = net_input(r, body, "vector", 2, vector, symbolic);
    for (int i = 0; i < layers; i++)
        net_layer(r);
    net_return(r, function);
    ran_module *module = r->module;
    free(r);
    return module;
}

/* ---- Running --------------------------------------------------------------------------------- */

/* `batch` is what a symbol stands for. */
static inline ran_tensor *random_input(const ran_value *argument, int64_t batch, uint64_t seed)
{
    random_network r = {.state = seed * 7919 + 1};
    const ran_type *type = ran_value_type(argument);
    int64_t dims[RAN_MAX_RANK];
    for (int i = 0; i < ran_type_rank(type); i++)
        dims[i] = ran_dim_is_constant(ran_type_dim(type, i)) ? ran_type_extent(type, i) : batch;
    ran_tensor *tensor = ran_tensor_create(RAN_ELEM_F32, ran_type_rank(type), dims);
    for (int64_t i = 0; i < ran_tensor_numel(tensor); i++)
        ran_tensor_set_f64(tensor, i, net_uniform(&r, -2, 2));
    return tensor;
}

/* The largest difference of b from a, relative to a's largest element; infinite when the shapes
 * differ or only one is finite. Where all elements are tiny they may be what is left of larger
 * numbers, and their digits noise. */
static inline double tensor_distance(const ran_tensor *a, const ran_tensor *b)
{
    double largest = 1e-2, difference = 0;
    if (ran_tensor_rank(a) != ran_tensor_rank(b) || ran_tensor_numel(a) != ran_tensor_numel(b))
        return INFINITY;
    for (int i = 0; i < ran_tensor_rank(a); i++)
        if (ran_tensor_dims(a)[i] != ran_tensor_dims(b)[i])
            return INFINITY;
    for (int64_t i = 0; i < ran_tensor_numel(a); i++) {
        double x = ran_tensor_get_f64(a, i), y = ran_tensor_get_f64(b, i);
        if (x == y || (isnan(x) && isnan(y)))
            continue;
        if (!isfinite(x) || !isfinite(y))
            return INFINITY;
        largest = fmax(largest, fabs(x));
        difference = fmax(difference, fabs(x - y));
    }
    return difference / largest;
}

#endif
