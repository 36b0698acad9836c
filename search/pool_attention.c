/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Families with attention: transformer blocks over patches, bottleneck transformers, lambda layers.
 */
#include "search/cell.h"

#include <math.h>

enum { TOKENS_MAX = 256, BOTTLENECK_HEADS = 4, KEY_DEPTH = 16, LAMBDA_WINDOW = 7, MLP_RATIO = 2 };

static int64_t extent(const ran_value *x, int axis)
{
    return x ? ran_type_extent(ran_value_type(x), axis) : 1;
}

/* softmax(q k^T / sqrt(d)) v; q, k, v: N x heads x tokens x d. */
static ran_value *attend(ran_cell *cell, ran_value *q, ran_value *k, ran_value *v)
{
    double scale = 1 / sqrt((double)extent(q, 3));
    ran_value *kt = ran_cell_transpose(cell, k, 4, (int64_t[]){0, 1, 3, 2});
    ran_value *weights = ran_cell_binary(cell, RAN_OP_MATMUL, ran_cell_scale(cell, q, scale), kt);
    return ran_cell_binary(cell, RAN_OP_MATMUL, ran_cell_softmax(cell, weights, -1), v);
}

/* ---- Transformer over patches
 * ---------------------------------------------------------------------- */

/* N x tokens x dim -> N x heads x tokens x dim / heads. */
static ran_value *split_heads(ran_cell *cell, ran_value *x, int64_t heads)
{
    int64_t dims[] = {0, extent(x, 1), heads, extent(x, 2) / heads};
    x = ran_cell_reshape(cell, x, 4, dims);
    return ran_cell_transpose(cell, x, 4, (int64_t[]){0, 2, 1, 3});
}

static ran_value *transformer_block(ran_cell *cell, ran_value *x, int64_t dim, int64_t heads)
{
    ran_value *n = ran_cell_layer_norm(cell, x);
    ran_value *q = split_heads(cell, ran_cell_linear(cell, n, dim), heads);
    ran_value *k = split_heads(cell, ran_cell_linear(cell, n, dim), heads);
    ran_value *v = split_heads(cell, ran_cell_linear(cell, n, dim), heads);
    ran_value *y = ran_cell_transpose(cell, attend(cell, q, k, v), 4, (int64_t[]){0, 2, 1, 3});
    y = ran_cell_reshape(cell, y, 3, (int64_t[]){0, extent(x, 1), dim});
    x = ran_cell_binary(cell, RAN_OP_ADD, x, ran_cell_linear(cell, y, dim));
    y = ran_cell_linear(cell, ran_cell_layer_norm(cell, x), MLP_RATIO * dim);
    y = ran_cell_linear(cell, ran_cell_unary(cell, RAN_OP_GELU_ERF, y), dim);
    return ran_cell_binary(cell, RAN_OP_ADD, x, y);
}

/* The smallest patch that divides the output's map and makes at most 256 tokens of it; else the
 * largest that divides it. */
static int64_t patch_size(const ran_slot *slot)
{
    int64_t height = ran_type_extent(slot->output, 2), width = ran_type_extent(slot->output, 3);
    int64_t best = 1;
    for (int64_t p = 1; p <= height && p <= width; p++) {
        if (height % p || width % p)
            continue;
        best = p;
        if (height / p * (width / p) <= TOKENS_MAX)
            break;
    }
    return best;
}

RAN_FAMILY_BUILD(vit)
{
    int64_t patch = patch_size(cell->slot), step = patch * cell->slot->stride;
    int64_t height = ran_type_extent(cell->slot->output, 2) / patch;
    int64_t width = ran_type_extent(cell->slot->output, 3) / patch;
    int64_t dim = (int64_t)candidate->dim, heads = (int64_t)candidate->heads;
    ran_value *y = ran_cell_conv(cell, x, dim, step, step, 1);
    y = ran_cell_reshape(cell, y, 3, (int64_t[]){0, dim, height * width});
    y = ran_cell_transpose(cell, y, 3, (int64_t[]){0, 2, 1});
    for (int64_t i = 0; i < (int64_t)candidate->depth; i++)
        y = transformer_block(cell, y, dim, heads);
    y = ran_cell_linear(cell, ran_cell_layer_norm(cell, y),
                        ran_cell_out_channels(cell) * patch * patch);
    y = ran_cell_transpose(cell, y, 3, (int64_t[]){0, 2, 1});
    y = ran_cell_reshape(cell, y, 4, (int64_t[]){0, extent(y, 1), height, width});
    return patch > 1 ? ran_cell_depth_to_space(cell, y, patch) : y;
}

/* ---- Bottleneck transformer
 * ---------------------------------------------------------------------------- */

/* N x C x H x W -> N x heads x tokens x C / heads. */
static ran_value *map_to_heads(ran_cell *cell, ran_value *x)
{
    int64_t dims[] = {0, BOTTLENECK_HEADS, extent(x, 1) / BOTTLENECK_HEADS,
                      extent(x, 2) * extent(x, 3)};
    x = ran_cell_reshape(cell, x, 4, dims);
    return ran_cell_transpose(cell, x, 4, (int64_t[]){0, 1, 3, 2});
}

/* The inner width as whole channels of four heads. */
static int64_t head_channels(const ran_cell *cell, double expand)
{
    int64_t inner = ran_cell_scaled(expand / BOTTLENECK_HEADS, ran_cell_out_channels(cell));
    return inner * BOTTLENECK_HEADS;
}

RAN_FAMILY_BUILD(bot)
{
    int64_t inner = head_channels(cell, candidate->expand);
    ran_value *y = ran_cell_conv_norm_act(cell, x, inner, 1, cell->slot->stride, 1, RAN_OP_RELU);
    int64_t height = extent(y, 2), width = extent(y, 3);
    ran_value *q = map_to_heads(cell, ran_cell_conv(cell, y, inner, 1, 1, 1));
    ran_value *k = map_to_heads(cell, ran_cell_conv(cell, y, inner, 1, 1, 1));
    ran_value *v = map_to_heads(cell, ran_cell_conv(cell, y, inner, 1, 1, 1));
    y = ran_cell_transpose(cell, attend(cell, q, k, v), 4, (int64_t[]){0, 1, 3, 2});
    y = ran_cell_reshape(cell, y, 4, (int64_t[]){0, inner, height, width});
    y = ran_cell_act(cell, ran_cell_norm(cell, y), RAN_OP_RELU);
    return ran_cell_conv_norm(cell, y, ran_cell_out_channels(cell), 1, 1, 1);
}

/* ---- Lambda layer
 * ----------------------------------------------------------------------------------------- */

/* Position lambdas: v's channels, each convolved to KEY_DEPTH maps: N x v x k x tokens. */
static ran_value *position_lambdas(ran_cell *cell, ran_value *values)
{
    int64_t channels = extent(values, 1), height = extent(values, 2), width = extent(values, 3);
    ran_value *y = ran_cell_reshape(cell, values, 4, (int64_t[]){-1, 1, height, width});
    y = ran_cell_conv(cell, y, KEY_DEPTH, LAMBDA_WINDOW, 1, 1);
    return ran_cell_reshape(cell, y, 4, (int64_t[]){-1, channels, KEY_DEPTH, height * width});
}

/* Content: each head's queries times softmax(keys) values^T. Position: sum over k of queries times
 * the lambdas of their place. Both N x heads x v x tokens. */
static ran_value *apply_lambdas(ran_cell *cell, ran_value *q, ran_value *k, ran_value *v)
{
    int64_t channels = extent(v, 1), tokens = extent(v, 2) * extent(v, 3);
    ran_value *keys = ran_cell_softmax(
        cell, ran_cell_reshape(cell, k, 4, (int64_t[]){0, 1, KEY_DEPTH, tokens}), -1);
    ran_value *values = ran_cell_reshape(cell, v, 4, (int64_t[]){0, 1, channels, tokens});
    ran_value *queries =
        ran_cell_reshape(cell, q, 4, (int64_t[]){0, BOTTLENECK_HEADS, KEY_DEPTH, tokens});
    ran_value *content = ran_cell_binary(
        cell, RAN_OP_MATMUL, values, ran_cell_transpose(cell, keys, 4, (int64_t[]){0, 1, 3, 2}));
    ran_value *y = ran_cell_binary(cell, RAN_OP_MATMUL, content, queries);
    ran_value *at = ran_cell_reshape(cell, position_lambdas(cell, v), 5,
                                     (int64_t[]){0, 1, channels, KEY_DEPTH, tokens});
    ran_value *spread =
        ran_cell_reshape(cell, q, 5, (int64_t[]){0, BOTTLENECK_HEADS, 1, KEY_DEPTH, tokens});
    ran_value *position = ran_cell_sum(cell, ran_cell_binary(cell, RAN_OP_MUL, spread, at), 3);
    return ran_cell_binary(cell, RAN_OP_ADD, y, position);
}

RAN_FAMILY_BUILD(lambda)
{
    int64_t inner = head_channels(cell, candidate->expand), each = inner / BOTTLENECK_HEADS;
    ran_value *y = ran_cell_conv_norm_act(cell, x, inner, 1, cell->slot->stride, 1, RAN_OP_RELU);
    int64_t height = extent(y, 2), width = extent(y, 3);
    ran_value *q = ran_cell_conv_norm(cell, y, BOTTLENECK_HEADS * KEY_DEPTH, 1, 1, 1);
    ran_value *k = ran_cell_conv(cell, y, KEY_DEPTH, 1, 1, 1);
    ran_value *v = ran_cell_conv_norm(cell, y, each, 1, 1, 1);
    y = ran_cell_reshape(cell, apply_lambdas(cell, q, k, v), 4,
                         (int64_t[]){0, inner, height, width});
    y = ran_cell_act(cell, ran_cell_norm(cell, y), RAN_OP_RELU);
    return ran_cell_conv_norm(cell, y, ran_cell_out_channels(cell), 1, 1, 1);
}
