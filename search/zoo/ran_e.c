/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Networks of RAN-explicit ("Restructurable Activation Networks", tables 5 and 6): stages of
 * inverted bottlenecks, some collapsed to batch norm, activation, one 3x3 convolution.
 */
#include "search/zoo/families.h"

enum { FIRST_STAGE = 2, LAST_STAGE = 17, DOUBLE_STAGE = 11 };

#define BIT(stage) (1u << (stage))

const ran_ran_e ran_zoo_supernet = {.collapsed = 0};
const ran_ran_e ran_zoo_subnet_a = {.collapsed = BIT(5) | BIT(7) | BIT(9) | BIT(12) | BIT(15)};
const ran_ran_e ran_zoo_subnet_b = {.collapsed = BIT(2) | BIT(3) | BIT(5) | BIT(7) | BIT(9) |
                                                 BIT(12) | BIT(15)};
const ran_ran_e ran_zoo_subnet_c = {.collapsed = BIT(2) | BIT(3) | BIT(5) | BIT(7) | BIT(9) |
                                                 BIT(12) | BIT(15),
                                    .kernels = {{6, 5}, {8, 5}, {13, 7}, {16, 5}, {17, 5}}};
const ran_ran_e ran_zoo_ground_truth = {.collapsed =
                                            BIT(2) | BIT(3) | BIT(4) | BIT(5) | BIT(10) | BIT(11),
                                        .kernels = {{6, 5}, {7, 5}, {12, 7}, {16, 5}, {17, 5}}};

static const struct stage {
    int64_t expand, stride, channels;
    bool residual;
} stages[LAST_STAGE + 1] = {
    [2] = {6, 1, 32, false},  [3] = {6, 2, 48, false},   [4] = {6, 2, 64, false},
    [5] = {6, 1, 80, false},  [6] = {6, 2, 80, false},   [7] = {6, 1, 80, true},
    [8] = {4, 1, 96, false},  [9] = {4, 1, 96, true},    [10] = {6, 1, 128, false},
    [11] = {6, 1, 128, true}, [12] = {6, 2, 160, false}, [13] = {4, 1, 176, false},
    [14] = {4, 1, 176, true}, [15] = {4, 1, 176, true},  [16] = {6, 1, 224, false},
    [17] = {6, 1, 224, true},
};

static int64_t kernel_of(const ran_ran_e *t, int stage)
{
    for (int i = 0; i < RAN_ZOO_STAGES && t->kernels[i].stage; i++)
        if (t->kernels[i].stage == stage)
            return t->kernels[i].kernel;
    return 3;
}

static ran_feature expanded(ran_net *net, ran_feature x, int64_t hidden, int64_t kernel,
                            int64_t stride, int64_t channels)
{
    x = ran_net_conv_bn(net, x, (ran_conv_spec){.channels = hidden}, RAN_ACT_HARD_SWISH);
    x = ran_net_conv_bn(net, x, (ran_conv_spec){.kernel = kernel, .stride = stride, .groups = -1},
                        RAN_ACT_HARD_SWISH);
    return ran_net_conv_bn(net, x, (ran_conv_spec){.channels = channels}, RAN_ACT_NONE);
}

static ran_feature collapsed(ran_net *net, ran_feature x, int64_t stride, int64_t channels)
{
    x = ran_net_act(net, ran_net_batch_norm(net, x), RAN_ACT_HARD_SWISH);
    return ran_net_conv(net, x,
                        (ran_conv_spec){.channels = channels, .kernel = 3, .stride = stride});
}

/* Stage 11 is two blocks in series, through half of the channels, with one residual over both. */
static ran_feature double_block(ran_net *net, const ran_ran_e *t, ran_feature x, int64_t channels)
{
    int64_t kernel = kernel_of(t, DOUBLE_STAGE);
    if (t->collapsed & BIT(DOUBLE_STAGE)) {
        x = collapsed(net, x, 1, channels / 2);
        return ran_net_batch_norm(net, collapsed(net, x, 1, channels));
    }
    x = expanded(net, x, 6 * channels, kernel, 1, channels / 2);
    return expanded(net, x, 6 * channels, kernel, 1, channels);
}

static ran_feature stage_body(ran_net *net, const ran_ran_e *t, ran_feature x, int index)
{
    const struct stage *s = &stages[index];
    int64_t channels = ran_net_channels(net, s->channels);
    if (index == DOUBLE_STAGE)
        return double_block(net, t, x, channels);
    if (t->collapsed & BIT(index))
        return ran_net_batch_norm(net, collapsed(net, x, s->stride, channels));
    return expanded(net, x, s->expand * x.channels, kernel_of(t, index), s->stride, channels);
}

void ran_zoo_ran_e(ran_net *net, const void *table)
{
    const ran_ran_e *t = table;
    ran_net_scope(net, "stem");
    ran_feature x = ran_net_conv(
        net, net->input,
        (ran_conv_spec){.channels = ran_net_channels(net, 16), .kernel = 3, .stride = 2});
    for (int i = FIRST_STAGE; i <= LAST_STAGE; i++) {
        ran_net_scope(net, "stage%d", i);
        ran_feature y = stage_body(net, t, x, i);
        x = stages[i].residual ? ran_net_add(net, y, x) : y;
    }
    ran_net_scope(net, "head");
    x = ran_net_conv_bn(net, x, (ran_conv_spec){.channels = 1344}, RAN_ACT_HARD_SWISH);
    x = ran_net_conv_bn(net, x, (ran_conv_spec){.kernel = 7, .groups = -1}, RAN_ACT_HARD_SWISH);
    ran_net_return(net, ran_net_classifier(net, x));
}
