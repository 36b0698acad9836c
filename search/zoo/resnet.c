/* SPDX-License-Identifier: GPL-3.0-or-later */
/* ResNets (He et al., 2015): basic blocks and bottlenecks, with the stride in the 3x3. */
#include "search/zoo/families.h"

const ran_resnet ran_zoo_resnet8 = {.small = true,
                                    .bias = true,
                                    .stem = 16,
                                    .stages = 3,
                                    .repeats = {1, 1, 1},
                                    .channels = {16, 32, 64}};
const ran_resnet ran_zoo_resnet18 = {
    .stem = 64, .stages = 4, .repeats = {2, 2, 2, 2}, .channels = {64, 128, 256, 512}};
const ran_resnet ran_zoo_resnet18_cifar = {.small = true,
                                           .stem = 64,
                                           .stages = 4,
                                           .repeats = {2, 2, 2, 2},
                                           .channels = {64, 128, 256, 512}};
const ran_resnet ran_zoo_resnet34 = {
    .stem = 64, .stages = 4, .repeats = {3, 4, 6, 3}, .channels = {64, 128, 256, 512}};
const ran_resnet ran_zoo_resnet50 = {.bottleneck = true,
                                     .stem = 64,
                                     .stages = 4,
                                     .repeats = {3, 4, 6, 3},
                                     .channels = {64, 128, 256, 512}};
/* DeepReShape, section 2.1: m = 16 and the factors 5, 7, 2. */
const ran_resnet ran_zoo_hrn_5x7x2x = {.small = true,
                                       .stem = 16,
                                       .stages = 4,
                                       .repeats = {2, 2, 2, 2},
                                       .channels = {16, 80, 560, 1120}};
const ran_resnet ran_zoo_hrn_2x9x2x = {.small = true,
                                       .stem = 16,
                                       .stages = 4,
                                       .repeats = {2, 2, 2, 2},
                                       .channels = {16, 32, 288, 576}};

static ran_feature branch(ran_net *net, const ran_resnet *t, ran_feature x, int64_t channels,
                          int64_t stride)
{
    ran_conv_spec wide = {.channels = channels, .kernel = 3, .bias = t->bias};
    ran_conv_spec strided = {.channels = channels, .kernel = 3, .stride = stride, .bias = t->bias};
    if (!t->bottleneck) {
        x = ran_net_conv_bn(net, x, strided, RAN_ACT_RELU);
        return ran_net_conv_bn(net, x, wide, RAN_ACT_NONE);
    }
    x = ran_net_conv_bn(net, x, (ran_conv_spec){.channels = channels}, RAN_ACT_RELU);
    x = ran_net_conv_bn(net, x, strided, RAN_ACT_RELU);
    return ran_net_conv_bn(net, x, (ran_conv_spec){.channels = 4 * channels}, RAN_ACT_NONE);
}

static ran_feature block(ran_net *net, const ran_resnet *t, ran_feature x, int64_t channels,
                         int64_t stride)
{
    ran_feature y = branch(net, t, x, channels, stride);
    ran_conv_spec shortcut = {.channels = y.channels, .stride = stride, .bias = t->bias};
    if (stride != 1 || x.channels != y.channels)
        x = t->bias ? ran_net_conv(net, x, shortcut)
                    : ran_net_conv_bn(net, x, shortcut, RAN_ACT_NONE);
    return ran_net_act(net, ran_net_add(net, y, x), RAN_ACT_RELU);
}

void ran_zoo_resnet(ran_net *net, const void *table)
{
    const ran_resnet *t = table;
    ran_net_scope(net, "stem");
    ran_conv_spec stem = {.channels = ran_net_channels(net, t->stem),
                          .kernel = t->small ? 3 : 7,
                          .stride = t->small ? 1 : 2,
                          .bias = t->bias};
    ran_feature x = ran_net_conv_bn(net, net->input, stem, RAN_ACT_RELU);
    if (!t->small)
        x = ran_net_max_pool(net, x, 3, 2, 1, false);
    for (int stage = 0; stage < t->stages; stage++)
        for (int64_t i = 0; i < ran_net_repeats(net, t->repeats[stage]); i++) {
            ran_net_scope(net, "stage%d.block%d", stage + 1, (int)i + 1);
            x = block(net, t, x, ran_net_channels(net, t->channels[stage]), stage && !i ? 2 : 1);
        }
    ran_net_return(net, ran_net_classifier(net, x));
}
