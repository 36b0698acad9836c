/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The families: their tables and what builds from them. */
#ifndef SEARCH_ZOO_FAMILIES_H
#define SEARCH_ZOO_FAMILIES_H

#include "search/zoo/builder.h"

enum { RAN_ZOO_STAGES = 8 };

/* ---- classic.c ------------------------------------------------------------------------------ */

void ran_zoo_lenet(ran_net *net, const void *none);

/* Widths of the hidden layers, ended by 0. */
void ran_zoo_mlp(ran_net *net, const void *widths);
extern const int64_t ran_zoo_mlp_widths[];

/* Convolutions of each stage, each stage ended by a pool. */
typedef struct ran_vgg {
    int64_t repeats[5];
} ran_vgg;
void ran_zoo_vgg(ran_net *net, const void *table);
extern const ran_vgg ran_zoo_vgg16, ran_zoo_vgg19;

/* Fire modules: squeeze to s, expand by 1x1 and by 3x3 to e each; pools stand before some. */
typedef struct ran_squeezenet {
    int64_t stem, stem_kernel;
    bool pool_before[8];
} ran_squeezenet;
void ran_zoo_squeezenet(ran_net *net, const void *table);
extern const ran_squeezenet ran_zoo_squeezenet_1_0, ran_zoo_squeezenet_1_1;

typedef struct ran_densenet {
    int64_t stem, growth, repeats[4];
} ran_densenet;
void ran_zoo_densenet(ran_net *net, const void *table);
extern const ran_densenet ran_zoo_densenet_121;

/* ---- resnet.c ------------------------------------------------------------------------------- */

typedef struct ran_resnet {
    bool bottleneck;
    bool small; /* 3x3 stem without pool, for small images */
    bool bias;  /* convolutions have one, shortcuts no batch norm: MLPerf Tiny's form */
    int64_t stem, stages;
    int64_t repeats[4], channels[4];
} ran_resnet;
void ran_zoo_resnet(ran_net *net, const void *table);
extern const ran_resnet ran_zoo_resnet8, ran_zoo_resnet18, ran_zoo_resnet34, ran_zoo_resnet50,
    ran_zoo_resnet18_cifar, ran_zoo_hrn_5x7x2x, ran_zoo_hrn_2x9x2x;

/* ---- mobile.c ------------------------------------------------------------------------------- */

typedef struct ran_mobile_stage {
    int64_t expand, channels, repeats, stride, kernel;
} ran_mobile_stage;

/* Inverted bottlenecks: 1x1 expand, depthwise, squeeze and excitation, 1x1 project. */
typedef struct ran_mobile {
    int64_t stem, stem_stride, head;
    ran_act act;
    bool squeeze_excite; /* to a quarter of the block's input */
    bool fixed_ends;     /* stem and head do not follow the width */
    bool act_last;       /* an activation behind the whole block */
    ran_mobile_stage stages[RAN_ZOO_STAGES];
} ran_mobile;
void ran_zoo_mobile(ran_net *net, const void *table);
extern const ran_mobile ran_zoo_mobilenet_v2, ran_zoo_mobilenet_v2_cifar, ran_zoo_efficientnet_b0,
    ran_zoo_efficientnet_b0_cifar, ran_zoo_efficientnet_lite0, ran_zoo_dwnas;

/* Kernels, expansions and channels of ReXNet's 16 blocks follow from its rule. */
void ran_zoo_rexnet(ran_net *net, const void *none);

/* ---- ran_e.c -------------------------------------------------------------------------------- */

/* A network of the RAN-explicit search: which stages (2 to 17) are collapsed to one convolution,
 * and depthwise kernels other than 3. */
typedef struct ran_ran_e {
    unsigned collapsed; /* bit i: stage i */
    struct {
        int stage;
        int64_t kernel;
    } kernels[RAN_ZOO_STAGES];
} ran_ran_e;
void ran_zoo_ran_e(ran_net *net, const void *table);
extern const ran_ran_e ran_zoo_supernet, ran_zoo_subnet_a, ran_zoo_subnet_b, ran_zoo_subnet_c,
    ran_zoo_ground_truth;

/* ---- convnext.c ----------------------------------------------------------------------------- */

typedef struct ran_convnext {
    int64_t widths[4], repeats[4];
} ran_convnext;
void ran_zoo_convnext(ran_net *net, const void *table);
extern const ran_convnext ran_zoo_convnext_tiny, ran_zoo_ran_i_tiny;

#endif
