/* SPDX-License-Identifier: GPL-3.0-or-later */
/* LeNet, perceptrons, VGG, SqueezeNet, DenseNet. */
#include "search/zoo/families.h"

/* ---- LeNet-5 (LeCun et al., 1998), as it is trained today ----------------------------------- */

void ran_zoo_lenet(ran_net *net, const void *none)
{
    ran_feature x = net->input;
    (void)none;
    x = ran_net_conv(net, x, (ran_conv_spec){.channels = 6, .kernel = 5, .pad = 2, .bias = true});
    x = ran_net_max_pool(net, ran_net_act(net, x, RAN_ACT_RELU), 2, 2, 0, false);
    x = ran_net_conv(net, x, (ran_conv_spec){.channels = 16, .kernel = 5, .pad = -1, .bias = true});
    x = ran_net_max_pool(net, ran_net_act(net, x, RAN_ACT_RELU), 2, 2, 0, false);
    x = ran_net_flatten(net, x);
    x = ran_net_act(net, ran_net_linear(net, x, 120), RAN_ACT_RELU);
    x = ran_net_act(net, ran_net_linear(net, x, 84), RAN_ACT_RELU);
    ran_net_return(net, ran_net_classify(net, x));
}

const int64_t ran_zoo_mlp_widths[] = {256, 128, 0};

void ran_zoo_mlp(ran_net *net, const void *widths)
{
    ran_feature x = net->input;
    if (x.height * x.width > 1)
        x = ran_net_flatten(net, x);
    for (const int64_t *width = widths; *width; width++)
        x = ran_net_act(net, ran_net_linear(net, x, ran_net_channels(net, *width)), RAN_ACT_RELU);
    ran_net_return(net, ran_net_classify(net, x));
}

/* ---- VGG (Simonyan and Zisserman, 2014) ----------------------------------------------------- */

const ran_vgg ran_zoo_vgg16 = {{2, 2, 3, 3, 3}};
const ran_vgg ran_zoo_vgg19 = {{2, 2, 4, 4, 4}};

void ran_zoo_vgg(ran_net *net, const void *table)
{
    static const int64_t channels[] = {64, 128, 256, 512, 512};
    const ran_vgg *vgg = table;
    ran_feature x = net->input;
    for (int stage = 0; stage < 5; stage++) {
        ran_net_scope(net, "stage%d", stage + 1);
        ran_conv_spec spec = {
            .channels = ran_net_channels(net, channels[stage]), .kernel = 3, .bias = true};
        for (int64_t i = 0; i < ran_net_repeats(net, vgg->repeats[stage]); i++)
            x = ran_net_act(net, ran_net_conv(net, x, spec), RAN_ACT_RELU);
        x = ran_net_max_pool(net, x, 2, 2, 0, false);
    }
    ran_net_scope(net, "classifier");
    x = ran_net_flatten(net, x);
    for (int i = 0; i < 2; i++)
        x = ran_net_act(net, ran_net_linear(net, x, ran_net_channels(net, 4096)), RAN_ACT_RELU);
    ran_net_return(net, ran_net_classify(net, x));
}

/* ---- SqueezeNet (Iandola et al., 2016) ------------------------------------------------------ */

const ran_squeezenet ran_zoo_squeezenet_1_0 = {
    .stem = 96, .stem_kernel = 7, .pool_before = {[0] = true, [3] = true, [7] = true}};
const ran_squeezenet ran_zoo_squeezenet_1_1 = {
    .stem = 64, .stem_kernel = 3, .pool_before = {[0] = true, [2] = true, [4] = true}};

static ran_feature conv_relu(ran_net *net, ran_feature x, int64_t channels, int64_t kernel)
{
    ran_conv_spec spec = {.channels = channels, .kernel = kernel, .bias = true};
    return ran_net_act(net, ran_net_conv(net, x, spec), RAN_ACT_RELU);
}

static ran_feature fire(ran_net *net, ran_feature x, int64_t squeeze, int64_t expand)
{
    ran_feature s = conv_relu(net, x, squeeze, 1);
    ran_feature parts[] = {conv_relu(net, s, expand, 1), conv_relu(net, s, expand, 3)};
    return ran_net_concat(net, 2, parts);
}

void ran_zoo_squeezenet(ran_net *net, const void *table)
{
    static const int64_t squeezes[] = {16, 16, 32, 32, 48, 48, 64, 64};
    const ran_squeezenet *t = table;
    ran_net_scope(net, "stem");
    ran_feature x = ran_net_conv(net, net->input,
                                 (ran_conv_spec){.channels = ran_net_channels(net, t->stem),
                                                 .kernel = t->stem_kernel,
                                                 .stride = 2,
                                                 .pad = -1,
                                                 .bias = true});
    x = ran_net_act(net, x, RAN_ACT_RELU);
    for (int i = 0; i < 8; i++) {
        int64_t squeeze = ran_net_channels(net, squeezes[i]);
        if (t->pool_before[i])
            x = ran_net_max_pool(net, x, 3, 2, 0, true);
        ran_net_scope(net, "fire%d", i + 2);
        x = fire(net, x, squeeze, 4 * squeeze);
    }
    ran_net_scope(net, "classifier");
    x = conv_relu(net, x, net->options.classes, 1);
    ran_net_return(net, ran_net_flatten(net, ran_net_global_pool(net, x)));
}

/* ---- DenseNet (Huang et al., 2016) ---------------------------------------------------------- */

const ran_densenet ran_zoo_densenet_121 = {.stem = 64, .growth = 32, .repeats = {6, 12, 24, 16}};

static ran_feature norm_relu_conv(ran_net *net, ran_feature x, int64_t channels, int64_t kernel)
{
    x = ran_net_act(net, ran_net_batch_norm(net, x), RAN_ACT_RELU);
    return ran_net_conv(net, x, (ran_conv_spec){.channels = channels, .kernel = kernel});
}

void ran_zoo_densenet(ran_net *net, const void *table)
{
    const ran_densenet *t = table;
    int64_t growth = ran_net_channels(net, t->growth);
    ran_net_scope(net, "stem");
    ran_feature x = ran_net_conv_bn(
        net, net->input,
        (ran_conv_spec){.channels = ran_net_channels(net, t->stem), .kernel = 7, .stride = 2},
        RAN_ACT_RELU);
    x = ran_net_max_pool(net, x, 3, 2, 1, false);
    for (int stage = 0; stage < 4; stage++) {
        for (int64_t i = 0; i < ran_net_repeats(net, t->repeats[stage]); i++) {
            ran_net_scope(net, "stage%d.layer%d", stage + 1, (int)i + 1);
            ran_feature y = norm_relu_conv(net, x, 4 * growth, 1);
            x = ran_net_concat(net, 2, (ran_feature[]){x, norm_relu_conv(net, y, growth, 3)});
        }
        ran_net_scope(net, "transition%d", stage + 1);
        if (stage < 3)
            x = ran_net_average_pool(net, norm_relu_conv(net, x, x.channels / 2, 1), 2, 2);
    }
    x = ran_net_act(net, ran_net_batch_norm(net, x), RAN_ACT_RELU);
    ran_net_return(net, ran_net_classifier(net, x));
}
