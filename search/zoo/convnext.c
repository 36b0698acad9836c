/* SPDX-License-Identifier: GPL-3.0-or-later */
/* ConvNeXt (Liu et al., 2022). Norms and the 1x1 layers run with the channels last, as exporters
 * write them. */
#include "search/zoo/families.h"

const ran_convnext ran_zoo_convnext_tiny = {{96, 192, 384, 768}, {3, 3, 9, 3}};
/* "Restructurable Activation Networks", table 7: the tiny network found by NN-Mass. */
const ran_convnext ran_zoo_ran_i_tiny = {{64, 128, 256, 511}, {5, 5, 15, 5}};

static ran_feature norm_first(ran_net *net, ran_feature x)
{
    return ran_net_to_first(net, ran_net_layer_norm_last(net, ran_net_to_last(net, x)));
}

static ran_feature block(ran_net *net, ran_feature x)
{
    ran_feature y = ran_net_conv(net, x, (ran_conv_spec){.kernel = 7, .groups = -1, .bias = true});
    y = ran_net_layer_norm_last(net, ran_net_to_last(net, y));
    y = ran_net_act(net, ran_net_linear_last(net, y, 4 * x.channels), RAN_ACT_GELU);
    y = ran_net_scale_last(net, ran_net_linear_last(net, y, x.channels), 0.3);
    return ran_net_add(net, x, ran_net_to_first(net, y));
}

/* Widths scale as RAN's section 3.3 has it: to the nearest, not to multiples of 8. */
static int64_t width_of(const ran_net *net, int64_t base)
{
    return (int64_t)((double)base * net->options.width + 0.5);
}

void ran_zoo_convnext(ran_net *net, const void *table)
{
    const ran_convnext *t = table;
    ran_feature x = net->input;
    for (int stage = 0; stage < 4; stage++) {
        int64_t patch = stage ? 2 : 4;
        ran_conv_spec down = {.channels = width_of(net, t->widths[stage]),
                              .kernel = patch,
                              .stride = patch,
                              .pad = -1,
                              .bias = true};
        ran_net_scope(net, stage ? "down%d" : "stem", stage + 1);
        x = stage ? ran_net_conv(net, norm_first(net, x), down)
                  : norm_first(net, ran_net_conv(net, x, down));
        for (int64_t i = 0; i < ran_net_repeats(net, t->repeats[stage]); i++) {
            ran_net_scope(net, "stage%d.block%d", stage + 1, (int)i + 1);
            x = block(net, x);
        }
    }
    ran_net_scope(net, "head");
    x = norm_first(net, ran_net_global_pool(net, x));
    x = ran_net_flatten(net, x);
    ran_net_return(net, ran_net_classify(net, x));
}
