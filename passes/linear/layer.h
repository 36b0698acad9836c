/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * The algebra of linear layers, in f64: y = W * pad(x) + b with strides, dilation, groups and any
 * pads; its composition, and the sum of layers on the same input. Cross-correlation, weights
 * [out][in of a group][taps] as ONNX has them (methods: 5.5, equations 3, 4, 13, 14 corrected).
 *
 * Walk: a 1x1 expansion, a depthwise 3x3 with pads and a 1x1 projection are three layers. Composing
 * the shapes tells kernel 3, stride and pads of the depthwise one, one group; composing the weights
 * gives the kernel. Because the padded layer comes behind a bias, its border differs:
 * passes/linear/border.h.
 *
 * A layer without weights (weight NULL) stands for its shape: what choosing among candidates needs.
 */
#ifndef PASSES_LINEAR_LAYER_H
#define PASSES_LINEAR_LAYER_H

#include "passes/passes.h"

enum { RAN_LAYER_AXES = 3 };

typedef struct ran_layer {
    int spatial;       /* axes behind the channels; 0: a product over the last axis */
    bool transposed;   /* conv_transpose: weights [in][out of a group][taps] */
    bool identity;     /* does nothing: weights 1, no bias */
    int64_t groups, in, out;
    int64_t kernel[RAN_LAYER_AXES], stride[RAN_LAYER_AXES], dilation[RAN_LAYER_AXES];
    int64_t pad_begin[RAN_LAYER_AXES], pad_end[RAN_LAYER_AXES];
    int64_t output_padding[RAN_LAYER_AXES]; /* transposed */
    bool biased;       /* may have a bias */
    /* What collapsing has lost so far, an axis each: the bias of the composed layer varies near the
     * border; its linear part is wrong there (a pad behind a kernel that is wider than 1). */
    bool varies[RAN_LAYER_AXES], inexact[RAN_LAYER_AXES];
    double *weight;    /* owned; NULL: shape only */
    double *bias;      /* owned; [out]; NULL with weight: zeros */
    double *ones;      /* owned; [out][taps]: weights of an extra input channel of ones, or NULL */
} ran_layer;

int64_t ran_layer_taps(const ran_layer *layer);
int64_t ran_layer_weight_count(const ran_layer *layer); /* saturates at INT64_MAX */
bool ran_layer_is_pointwise(const ran_layer *layer);    /* kernel 1, stride 1, no pads */
bool ran_layer_is_depthwise_pointwise(const ran_layer *layer);
bool ran_layer_has_pads(const ran_layer *layer);
bool ran_layer_is_exact(const ran_layer *layer);  /* the linear part, everywhere */
bool ran_layer_varies(const ran_layer *layer);    /* the bias, near the border */
/* Extent of the kernel in input positions. */
int64_t ran_layer_reach(const ran_layer *layer, int axis);
/* Size of the result along an axis for an input of that size; not for transposed layers. */
int64_t ran_layer_out_extent(const ran_layer *layer, int axis, int64_t in);

/* One group a channel, kernel 1, no weights. */
ran_layer ran_layer_channelwise(int spatial, int64_t channels);
/* 1 for every weight of a channelwise layer. */
void ran_layer_fill_identity(ran_layer *layer);
ran_layer ran_layer_copy(const ran_layer *layer);
void ran_layer_clear(ran_layer *layer);

/* second(first(x)); weights too when both have them. False when that is no layer: a transposed one
 * joins pointwise ones only, channels or axes disagree, or sizes overflow. */
bool ran_layer_compose(const ran_layer *first, const ran_layer *second, ran_layer *out);
/* a(x) + b(x), both with results of the same size; false when the strides differ. */
bool ran_layer_sum(const ran_layer *a, const ran_layer *b, ran_layer *out);
/* The same layer with fewer groups, a divisor of the present ones. Replaces in place. */
void ran_layer_regroup(ran_layer *layer, int64_t groups);
/* Keeps the taps that `keep` says, sets the others to zero. */
void ran_layer_mask_taps(ran_layer *layer, const bool *keep);
/* max over output channels of the sum of |weights|. */
double ran_layer_norm(const ran_layer *layer);
/* Every weight and bias becomes its absolute value. */
void ran_layer_make_absolute(ran_layer *layer);

#endif
