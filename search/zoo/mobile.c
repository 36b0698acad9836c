/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Networks of inverted bottlenecks: MobileNetV2 (Sandler et al., 2018), EfficientNet (Tan and Le,
 * 2019), the search space of DW-NAS, ReXNet (Han et al., 2020). */
#include "search/zoo/families.h"

#include <math.h>

#define MOBILENET_V2_STAGES(stride_of_24)                                                          \
    {                                                                                              \
        {1, 16, 1, 1, 3}, {6, 24, 2, stride_of_24, 3}, {6, 32, 3, 2, 3}, {6, 64, 4, 2, 3},         \
            {6, 96, 3, 1, 3}, {6, 160, 3, 2, 3}, {6, 320, 1, 1, 3},                                \
    }
#define EFFICIENTNET_STAGES                                                                        \
    {                                                                                              \
        {1, 16, 1, 1, 3}, {6, 24, 2, 2, 3}, {6, 40, 2, 2, 5}, {6, 80, 3, 2, 3}, {6, 112, 3, 1, 5}, \
            {6, 192, 4, 2, 5}, {6, 320, 1, 1, 3},                                                  \
    }

const ran_mobile ran_zoo_mobilenet_v2 = {.stem = 32,
                                         .stem_stride = 2,
                                         .head = 1280,
                                         .act = RAN_ACT_RELU6,
                                         .stages = MOBILENET_V2_STAGES(2)};
const ran_mobile ran_zoo_mobilenet_v2_cifar = {.stem = 32,
                                               .stem_stride = 1,
                                               .head = 1280,
                                               .act = RAN_ACT_RELU6,
                                               .stages = MOBILENET_V2_STAGES(1)};
const ran_mobile ran_zoo_efficientnet_b0 = {.stem = 32,
                                            .stem_stride = 2,
                                            .head = 1280,
                                            .act = RAN_ACT_SILU,
                                            .squeeze_excite = true,
                                            .stages = EFFICIENTNET_STAGES};
const ran_mobile ran_zoo_efficientnet_b0_cifar = {.stem = 32,
                                                  .stem_stride = 1,
                                                  .head = 1280,
                                                  .act = RAN_ACT_SILU,
                                                  .squeeze_excite = true,
                                                  .stages = EFFICIENTNET_STAGES};
const ran_mobile ran_zoo_efficientnet_lite0 = {.stem = 32,
                                               .stem_stride = 2,
                                               .head = 1280,
                                               .act = RAN_ACT_RELU6,
                                               .fixed_ends = true,
                                               .stages = EFFICIENTNET_STAGES};
const ran_mobile ran_zoo_dwnas = {.stem = 32,
                                  .stem_stride = 2,
                                  .head = 1280,
                                  .act = RAN_ACT_RELU6,
                                  .stages = {{1, 16, 1, 1, 3},
                                             {6, 24, 4, 2, 3},
                                             {6, 40, 4, 2, 3},
                                             {6, 80, 4, 2, 3},
                                             {6, 96, 4, 1, 3},
                                             {6, 192, 4, 2, 3},
                                             {6, 320, 1, 1, 3}}};

static ran_feature bottleneck(ran_net *net, const ran_mobile *t, ran_feature x,
                              const ran_mobile_stage *s, int64_t stride)
{
    ran_feature y = x;
    if (s->expand != 1)
        y = ran_net_conv_bn(net, y, (ran_conv_spec){.channels = s->expand * x.channels}, t->act);
    y = ran_net_conv_bn(
        net, y, (ran_conv_spec){.kernel = s->kernel, .stride = stride, .groups = -1}, t->act);
    if (t->squeeze_excite)
        y = ran_net_squeeze_excite(net, y, x.channels / 4 ? x.channels / 4 : 1, t->act, false);
    y = ran_net_conv_bn(net, y, (ran_conv_spec){.channels = ran_net_channels(net, s->channels)},
                        RAN_ACT_NONE);
    return stride == 1 && x.channels == y.channels ? ran_net_add(net, y, x) : y;
}

void ran_zoo_mobile(ran_net *net, const void *table)
{
    const ran_mobile *t = table;
    int64_t stem = t->fixed_ends ? t->stem : ran_net_channels(net, t->stem);
    bool scales_head = !t->fixed_ends && net->options.width > 1;
    ran_net_scope(net, "stem");
    ran_feature x = ran_net_conv_bn(
        net, net->input, (ran_conv_spec){.channels = stem, .kernel = 3, .stride = t->stem_stride},
        t->act);
    for (int stage = 0; stage < RAN_ZOO_STAGES && t->stages[stage].repeats; stage++) {
        const ran_mobile_stage *s = &t->stages[stage];
        for (int64_t i = 0; i < ran_net_repeats(net, s->repeats); i++) {
            ran_net_scope(net, "stage%d.block%d", stage + 1, (int)i + 1);
            x = bottleneck(net, t, x, s, i ? 1 : s->stride);
        }
    }
    ran_net_scope(net, "head");
    int64_t head = scales_head ? ran_net_channels(net, t->head) : t->head;
    x = ran_net_conv_bn(net, x, (ran_conv_spec){.channels = head}, t->act);
    ran_net_return(net, ran_net_classifier(net, x));
}

/* ---- ReXNet --------------------------------------------------------------------------------- */

/* Widths below 1 leave the stem and the first block as they are. */
static int64_t rexnet_channels(double width, int block)
{
    double base = 16 + 180.0 / 16 * block;
    return block == 0 && width < 1 ? 16 : (int64_t)rint(base * width);
}

static ran_feature rexnet_block(ran_net *net, ran_feature x, int64_t channels, int64_t stride,
                                int index)
{
    ran_feature y = x;
    if (index > 0)
        y = ran_net_conv_bn(net, y, (ran_conv_spec){.channels = 6 * x.channels}, RAN_ACT_SILU);
    y = ran_net_conv_bn(net, y, (ran_conv_spec){.kernel = 3, .stride = stride, .groups = -1},
                        RAN_ACT_NONE);
    if (index >= 3)
        y = ran_net_squeeze_excite(net, y, y.channels / 12, RAN_ACT_RELU, true);
    y = ran_net_act(net, y, RAN_ACT_RELU6);
    y = ran_net_conv_bn(net, y, (ran_conv_spec){.channels = channels}, RAN_ACT_NONE);
    return stride == 1 && x.channels <= channels ? ran_net_add_padded(net, x, y) : y;
}

void ran_zoo_rexnet(ran_net *net, const void *none)
{
    static const int64_t groups[] = {1, 2, 2, 3, 3, 5}, strides[] = {1, 2, 2, 2, 1, 2};
    double width = net->options.width;
    int64_t stem = width < 1 ? 32 : (int64_t)rint(32 * width);
    int block = 0;
    (void)none;
    ran_net_scope(net, "stem");
    ran_feature x = ran_net_conv_bn(
        net, net->input, (ran_conv_spec){.channels = stem, .kernel = 3, .stride = 2}, RAN_ACT_SILU);
    for (int group = 0; group < 6; group++)
        for (int64_t i = 0; i < groups[group]; i++, block++) {
            ran_net_scope(net, "block%d", block + 1);
            x = rexnet_block(net, x, rexnet_channels(width, block), i ? 1 : strides[group], block);
        }
    ran_net_scope(net, "head");
    x = ran_net_conv_bn(net, x, (ran_conv_spec){.channels = (int64_t)(1280 * width)}, RAN_ACT_SILU);
    ran_net_return(net, ran_net_classifier(net, x));
}
