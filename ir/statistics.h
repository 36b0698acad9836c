/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * What a function holds and computes: parameters, multiply-accumulates, non-linearities; by op, by
 * kind and by stage, under the counting rule of the literature that one compares with.
 *
 * Walk: Conv -> BatchNormalization -> Relu of 1x16x8x8. The convolution's weights go to
 * conv_weights, its 3x3x16 taps times 1024 positions to conv_macs; the normalisation's 16 channels
 * to bn_channels, which a rule counts 2 or 4 times; the Relu's 1024 elements in 16 units to kind
 * `relu`.
 */
#ifndef IR_STATISTICS_H
#define IR_STATISTICS_H

#include "ir/ir.h"

typedef enum ran_count_rule {
    /* All there is: every element of every parameter, the MACs of every op that has some. */
    RAN_RULE_ALL,
    /* Weights, biases, 4 a BN channel; MACs of convolutions, the classifier left out. */
    RAN_RULE_RAN,
    /* Weights, biases, 2 an LN channel, 1 a layer-scale channel; MACs of convolutions and linear
     * layers, and 5 an element of each LayerNorm but those of stem and downsampling. */
    RAN_RULE_CONVNEXT,
    /* Weights, biases, 2 a BN channel; MACs of convolutions, squeeze-excitation, classifier. */
    RAN_RULE_REXNET,
    /* As REXNET; what it is for are the elements of every Relu, for one image. */
    RAN_RULE_DEEPRESHAPE,
    RAN_RULE_COUNT
} ran_count_rule;

bool ran_rule_parse(const char *name, ran_count_rule *out_rule);
const char *ran_rule_name(ran_count_rule rule);

/* The parts that rules weigh. Channels of a normalisation, not its parameters. */
typedef struct ran_parts {
    int64_t elements; /* of all constants that are parameters, each once */
    int64_t conv_weights, fc_weights, biases, bn_channels, ln_channels, scale_channels, other;
    int64_t conv_macs, fc_macs, se_macs, product_macs; /* product: of two computed operands */
    int64_t norm_elements; /* of layer normalisations that CONVNEXT counts */
} ran_parts;

typedef struct ran_op_statistics {
    const ran_op *op;
    const char *name;         /* of the location, else of the first result; may be "" */
    int stage;                /* 1..; 0 behind the last feature map */
    int64_t parameters, macs; /* by the rule */
    int64_t nonlinear_elements, nonlinear_units, relu_elements;
    int64_t activation_bytes; /* of the results */
} ran_op_statistics;

/* The non-linear ops of one kind. */
typedef struct ran_kind_statistics {
    ran_opcode opcode;
    int64_t ops, elements, units;
} ran_kind_statistics;

typedef struct ran_statistics {
    ran_count_rule rule;
    ran_parts parts;
    int64_t parameters, macs, nonlinear_elements, nonlinear_units, relu_elements;
    ran_op_statistics *ops; /* in order; of a fused kernel, what is in it */
    size_t op_count;
    ran_kind_statistics *kinds; /* most elements first */
    size_t kind_count;
    int stage_count;
    int64_t *stage_positions; /* by stage; [0] is 0 */
} ran_statistics;

/* A size that is not bound counts as 1. The papers' rules count one image of a fixed batch. A
 * parameter that several ops share counts once. */
RAN_GIVE ran_statistics *ran_statistics_create(const ran_function *function, ran_count_rule rule);
void ran_statistics_destroy(RAN_TAKE ran_statistics *statistics);

/* ---- Stages (ir/stage.c) ----------------------------------------------------------------------
 */

/*
 * A stage is a run of ops whose feature maps have the same size; a convolution alone in front of
 * the first run (and the pooling behind it) is the stem and belongs to stage 1. Ops on vectors
 * belong to the stage that they are in the middle of, and to stage 0 behind the last feature map.
 */
typedef struct ran_stages ran_stages;

RAN_GIVE ran_stages *ran_stages_create(const ran_function *function);
void ran_stages_destroy(RAN_TAKE ran_stages *stages);
int ran_stages_of(const ran_stages *stages, const ran_op *op); /* also of an op inside another */
int ran_stages_count(const ran_stages *stages);
int64_t ran_stages_positions(const ran_stages *stages, int stage); /* of its maps; 0: none */

#endif
