/* SPDX-License-Identifier: GPL-3.0-or-later */
/* What families build with: layers on features, with weights made on the way. */
#ifndef SEARCH_ZOO_BUILDER_H
#define SEARCH_ZOO_BUILDER_H

#include "search/zoo/zoo.h"

/* A feature map on its way: its value and shape. Vectors have height and width 1. */
typedef struct ran_feature {
    ran_value *value; /* NULL after an error */
    int64_t channels, height, width;
} ran_feature;

typedef enum ran_act {
    RAN_ACT_NONE,
    RAN_ACT_RELU,
    RAN_ACT_RELU6,
    RAN_ACT_SILU,
    RAN_ACT_HARD_SWISH,
    RAN_ACT_GELU,
    RAN_ACT_SIGMOID,
} ran_act;

struct ran_net {
    ran_context *context;
    ran_module *module;
    ran_builder builder;
    ran_zoo_options options; /* complete: no zeros */
    ran_feature input;
    char scope[64]; /* "stage2.block1", prefix of the layers' names */
    struct ran_samples *samples;
    unsigned layers;   /* for names */
    uint64_t weights;  /* for seeds */
    ran_status status; /* of the first problem */
};

RAN_PRINTF(2, 3) void ran_net_scope(ran_net *net, const char *format, ...);

/* Width factors: c * options.width, to multiples of 8 and not below 0.9 of it (MobileNet's rule).
 */
int64_t ran_net_channels(const ran_net *net, int64_t channels);
int64_t ran_round_channels(double channels);
/* repeats * options.depth, rounded up. */
int64_t ran_net_repeats(const ran_net *net, int64_t repeats);

typedef struct ran_conv_spec {
    int64_t channels, kernel, stride, groups; /* 0: 1; groups -1: depthwise */
    int64_t pad;                              /* -1: none; 0: kernel / 2 */
    bool bias;
} ran_conv_spec;

ran_feature ran_net_conv(ran_net *net, ran_feature x, ran_conv_spec spec);
ran_feature ran_net_batch_norm(ran_net *net, ran_feature x);
ran_feature ran_net_act(ran_net *net, ran_feature x, ran_act act);
/* conv without bias, batch norm, activation */
ran_feature ran_net_conv_bn(ran_net *net, ran_feature x, ran_conv_spec spec, ran_act act);
ran_feature ran_net_linear(ran_net *net, ran_feature x, int64_t channels);
ran_feature ran_net_classify(ran_net *net, ran_feature x);
ran_feature ran_net_add(ran_net *net, ran_feature x, ran_feature y);
ran_feature ran_net_multiply(ran_net *net, ran_feature x, ran_feature gate);
ran_feature ran_net_max_pool(ran_net *net, ran_feature x, int64_t kernel, int64_t stride,
                             int64_t pad, bool ceil_mode);
ran_feature ran_net_average_pool(ran_net *net, ran_feature x, int64_t kernel, int64_t stride);
ran_feature ran_net_global_pool(ran_net *net, ran_feature x);
ran_feature ran_net_flatten(ran_net *net, ran_feature x);
/* Concatenation of channels. */
ran_feature ran_net_concat(ran_net *net, size_t count, const ran_feature *xs);
/* x + y with y's channels before those that x lacks: x counts as padded by zeros. */
ran_feature ran_net_add_padded(ran_net *net, ran_feature x, ran_feature y);
/* Squeeze and excitation: pool, conv, act, conv, sigmoid, multiply; `norm` puts a batch norm behind
 * the first conv. */
ran_feature ran_net_squeeze_excite(ran_net *net, ran_feature x, int64_t squeezed, ran_act act,
                                   bool norm);
/* Channels last and back: what ConvNeXt does inside of its blocks. The feature keeps its shape. */
ran_feature ran_net_to_last(ran_net *net, ran_feature x);
ran_feature ran_net_to_first(ran_net *net, ran_feature x);
/* On channels-last features: layer norm, and x W + b. */
ran_feature ran_net_layer_norm_last(ran_net *net, ran_feature x);
ran_feature ran_net_linear_last(ran_net *net, ran_feature x, int64_t channels);
/* A vector over the channels, times x (channels last). */
ran_feature ran_net_scale_last(ran_net *net, ran_feature x, double scale);

/* Global pool, flatten, and the classifier. */
ran_feature ran_net_classifier(ran_net *net, ran_feature x);
/* Ends the function. */
void ran_net_return(ran_net *net, ran_feature x);

#endif
