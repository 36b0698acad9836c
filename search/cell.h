/* SPDX-License-Identifier: GPL-3.0-or-later */
/* What families build with: ops on values, weights made on the way. After an error all values are
 * NULL and `status` says why. */
#ifndef SEARCH_CELL_H
#define SEARCH_CELL_H

#include "search/pool.h"

struct ran_cell {
    ran_context *context;
    ran_module *module;
    ran_builder builder;
    const ran_slot *slot;
    uint64_t seed;
    unsigned layers;   /* for names */
    uint64_t weights;  /* for seeds */
    ran_status status; /* of the first problem */
};

int64_t ran_cell_channels(const ran_value *x); /* 0 for NULL */
int64_t ran_cell_out_channels(const ran_cell *cell);
/* max(1, round(factor * channels)) */
int64_t ran_cell_scaled(double factor, int64_t channels);

ran_value *ran_cell_op(ran_cell *cell, ran_opcode opcode, size_t count, ran_value *const *operands);
ran_value *ran_cell_unary(ran_cell *cell, ran_opcode opcode, ran_value *x);
ran_value *ran_cell_binary(ran_cell *cell, ran_opcode opcode, ran_value *x, ran_value *y);
/* Square kernel, padded to ceil(size / stride); no bias. */
ran_value *ran_cell_conv(ran_cell *cell, ran_value *x, int64_t channels, int64_t kernel,
                         int64_t stride, int64_t groups);
ran_value *ran_cell_conv_bias(ran_cell *cell, ran_value *x, int64_t channels);
ran_value *ran_cell_norm(ran_cell *cell, ran_value *x);
/* RAN_OP_CLIP is ReLU6. */
ran_value *ran_cell_act(ran_cell *cell, ran_value *x, ran_opcode opcode);
/* conv and norm; conv, norm and ReLU. */
ran_value *ran_cell_conv_norm(ran_cell *cell, ran_value *x, int64_t channels, int64_t kernel,
                              int64_t stride, int64_t groups);
ran_value *ran_cell_conv_norm_act(ran_cell *cell, ran_value *x, int64_t channels, int64_t kernel,
                                  int64_t stride, int64_t groups, ran_opcode act);
ran_value *ran_cell_squeeze_excite(ran_cell *cell, ran_value *x, int64_t hidden);
/* dims: 0 keeps the axis, -1 is what is left. */
ran_value *ran_cell_reshape(ran_cell *cell, ran_value *x, size_t rank, const int64_t *dims);
ran_value *ran_cell_transpose(ran_cell *cell, ran_value *x, size_t rank, const int64_t *perm);
/* Over the last axis, with bias. */
ran_value *ran_cell_linear(ran_cell *cell, ran_value *x, int64_t outputs);
ran_value *ran_cell_layer_norm(ran_cell *cell, ran_value *x);
ran_value *ran_cell_softmax(ran_cell *cell, ran_value *x, int64_t axis);
ran_value *ran_cell_sum(ran_cell *cell, ran_value *x, int64_t axis);
ran_value *ran_cell_scale(ran_cell *cell, ran_value *x, double factor);
ran_value *ran_cell_channel_slice(ran_cell *cell, ran_value *x, int64_t begin, int64_t end);
/* Channels behind the last: zeros up to `channels`, or cut off. */
ran_value *ran_cell_channel_fit(ran_cell *cell, ran_value *x, int64_t channels);
ran_value *ran_cell_concat(ran_cell *cell, size_t count, ran_value *const *xs);
ran_value *ran_cell_depth_to_space(ran_cell *cell, ran_value *x, int64_t block);

#define RAN_FAMILY_BUILD(name)                                                                     \
    ran_value *ran_build_##name(ran_cell *cell, const ran_candidate *candidate, ran_value *x)
RAN_FAMILY_BUILD(identity);
RAN_FAMILY_BUILD(efn);
RAN_FAMILY_BUILD(efnv2);
RAN_FAMILY_BUILD(cb_stack);
RAN_FAMILY_BUILD(cb_bottle);
RAN_FAMILY_BUILD(cb_res);
RAN_FAMILY_BUILD(repvgg);
RAN_FAMILY_BUILD(conv_cs);
RAN_FAMILY_BUILD(vit);
RAN_FAMILY_BUILD(bot);
RAN_FAMILY_BUILD(lambda);
RAN_FAMILY_BUILD(ran);
RAN_FAMILY_BUILD(dwnas);
RAN_FAMILY_BUILD(reuse);

#endif
