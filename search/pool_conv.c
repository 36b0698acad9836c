/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Families of convolutions. The skip connection and the last activation are added by pool.c. */
#include "search/cell.h"

RAN_FAMILY_BUILD(identity)
{
    (void)cell;
    (void)candidate;
    return x;
}

static ran_value *squeeze(ran_cell *cell, const ran_candidate *c, ran_value *y, int64_t inputs)
{
    if (c->squeeze == 1)
        return y;
    return ran_cell_squeeze_excite(cell, y, ran_cell_scaled(c->squeeze * c->expand, inputs));
}

/* Without an expansion there is no first 1x1, as in EfficientNet. */
RAN_FAMILY_BUILD(efn)
{
    int64_t inputs = ran_cell_channels(x), inner = ran_cell_scaled(candidate->expand, inputs);
    ran_opcode act = cell->slot->inner;
    ran_value *y = x;
    if (candidate->expand != 1)
        y = ran_cell_conv_norm_act(cell, y, inner, 1, 1, 1, act);
    y = ran_cell_conv_norm_act(cell, y, inner, (int64_t)candidate->kernel, cell->slot->stride,
                               inner, act);
    y = squeeze(cell, candidate, y, inputs);
    return ran_cell_conv_norm(cell, y, ran_cell_out_channels(cell), 1, 1, 1);
}

RAN_FAMILY_BUILD(efnv2)
{
    int64_t inputs = ran_cell_channels(x), inner = ran_cell_scaled(candidate->expand, inputs);
    ran_value *y = ran_cell_conv_norm_act(cell, x, inner, (int64_t)candidate->kernel,
                                          cell->slot->stride, 1, cell->slot->inner);
    y = squeeze(cell, candidate, y, inputs);
    return ran_cell_conv_norm(cell, y, ran_cell_out_channels(cell), 1, 1, 1);
}

RAN_FAMILY_BUILD(cb_stack)
{
    int64_t outputs = ran_cell_out_channels(cell), kernel = (int64_t)candidate->kernel;
    int64_t inner = ran_cell_scaled(candidate->width, outputs);
    ran_value *y =
        ran_cell_conv_norm_act(cell, x, inner, kernel, cell->slot->stride, 1, RAN_OP_RELU);
    return ran_cell_conv_norm(cell, y, outputs, kernel, 1, 1);
}

RAN_FAMILY_BUILD(cb_bottle)
{
    int64_t outputs = ran_cell_out_channels(cell), kernel = (int64_t)candidate->kernel;
    int64_t inner = ran_cell_scaled(candidate->width, outputs);
    ran_value *y = ran_cell_conv_norm_act(cell, x, inner, 1, 1, 1, RAN_OP_RELU);
    y = ran_cell_conv_norm_act(cell, y, inner, kernel, cell->slot->stride, 1, RAN_OP_RELU);
    return ran_cell_conv_norm(cell, y, outputs, 1, 1, 1);
}

RAN_FAMILY_BUILD(cb_res)
{
    return ran_cell_conv_norm(cell, x, ran_cell_out_channels(cell), (int64_t)candidate->kernel,
                              cell->slot->stride, 1);
}

RAN_FAMILY_BUILD(repvgg)
{
    int64_t outputs = ran_cell_out_channels(cell), stride = cell->slot->stride;
    ran_value *y = ran_cell_conv_norm(cell, x, outputs, (int64_t)candidate->kernel, stride, 1);
    y = ran_cell_binary(cell, RAN_OP_ADD, y, ran_cell_conv_norm(cell, x, outputs, 1, stride, 1));
    if (cell->slot->input == cell->slot->output)
        y = ran_cell_binary(cell, RAN_OP_ADD, y, ran_cell_norm(cell, x));
    return ran_cell_act(cell, y, RAN_OP_RELU);
}

static int64_t groups_of(int64_t a, int64_t b)
{
    int64_t groups = 4;
    while (groups > 1 && (a % groups || b % groups))
        groups--;
    return groups;
}

/* N x (g c) x H x W with the channels read as c x g. */
static ran_value *shuffle(ran_cell *cell, ran_value *x, int64_t groups)
{
    int64_t channels = ran_cell_channels(x);
    if (!x || groups == 1)
        return x;
    int64_t height = ran_type_extent(ran_value_type(x), 2);
    int64_t width = ran_type_extent(ran_value_type(x), 3);
    x = ran_cell_reshape(cell, x, 4, (int64_t[]){0, groups, channels / groups, height * width});
    x = ran_cell_transpose(cell, x, 4, (int64_t[]){0, 2, 1, 3});
    return ran_cell_reshape(cell, x, 4, (int64_t[]){0, channels, height, width});
}

RAN_FAMILY_BUILD(conv_cs)
{
    int64_t outputs = ran_cell_out_channels(cell);
    int64_t inner = ran_cell_scaled(candidate->width, outputs);
    int64_t first = groups_of(ran_cell_channels(x), inner), second = groups_of(inner, outputs);
    ran_value *y =
        ran_cell_conv_norm_act(cell, x, inner, 3, cell->slot->stride, first, RAN_OP_RELU);
    y = shuffle(cell, y, first);
    return ran_cell_conv_norm_act(cell, y, outputs, 3, 1, second, RAN_OP_RELU);
}

/* ---- Blocks that collapse or re-use non-linearities
 * ------------------------------------------------ */

/* 1x1 expand, depthwise, 1x1 project with norms and without activations: one convolution once it is
 * compiled. */
static ran_value *linear_bottleneck(ran_cell *cell, const ran_candidate *c, ran_value *x)
{
    int64_t inner = ran_cell_scaled(c->expand, ran_cell_channels(x));
    ran_value *y = ran_cell_conv_norm(cell, x, inner, 1, 1, 1);
    y = ran_cell_conv_norm(cell, y, inner, (int64_t)c->kernel, cell->slot->stride, inner);
    return ran_cell_conv_norm(cell, y, ran_cell_out_channels(cell), 1, 1, 1);
}

/* RAN: norm and activation in front, then what collapses. */
RAN_FAMILY_BUILD(ran)
{
    ran_value *y = ran_cell_act(cell, ran_cell_norm(cell, x), RAN_OP_RELU);
    return linear_bottleneck(cell, candidate, y);
}

/* DW-NAS: the residual first (it folds), then ReLU6. */
RAN_FAMILY_BUILD(dwnas)
{
    ran_value *y = linear_bottleneck(cell, candidate, x);
    if (cell->slot->input == cell->slot->output)
        y = ran_cell_binary(cell, RAN_OP_ADD, y, x);
    return ran_cell_act(cell, y, RAN_OP_CLIP);
}

/* DeepReShape's re-use: three divisions along the channels; the first passes, the second has the
 * ReLU, the third is linear; each one's output goes into the next. Where the map or the channels
 * change, one convolution comes first and its output is divided. */
RAN_FAMILY_BUILD(reuse)
{
    int64_t outputs = ran_cell_out_channels(cell), kernel = (int64_t)candidate->kernel;
    bool splits_input = ran_cell_channels(x) == outputs && cell->slot->stride == 1;
    int64_t passed = outputs / 4, active = ran_cell_scaled(1 / candidate->reuse, outputs);
    int64_t linear = outputs - passed - active;
    ran_value *y = x;
    if (!splits_input)
        y = ran_cell_conv_norm(cell, x, outputs, kernel, cell->slot->stride, 1);
    ran_value *parts[3] = {ran_cell_channel_slice(cell, y, 0, passed),
                           ran_cell_channel_slice(cell, y, passed, passed + active),
                           ran_cell_channel_slice(cell, y, passed + active, outputs)};
    ran_value *shifted =
        ran_cell_binary(cell, RAN_OP_ADD, parts[1], ran_cell_channel_fit(cell, parts[0], active));
    if (splits_input)
        shifted = ran_cell_conv_norm(cell, shifted, active, kernel, 1, 1);
    parts[1] = ran_cell_act(cell, shifted, RAN_OP_RELU);
    shifted =
        ran_cell_binary(cell, RAN_OP_ADD, parts[2], ran_cell_channel_fit(cell, parts[1], linear));
    parts[2] = splits_input ? ran_cell_conv_norm(cell, shifted, linear, kernel, 1, 1) : shifted;
    return ran_cell_concat(cell, 3, parts);
}
