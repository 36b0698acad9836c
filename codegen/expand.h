/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Expansion: an op that no kernel takes becomes ops that kernels take, before layouts are assigned.
 *
 * Walk: batch_normalization has no row in any kernels.def, so its expander is asked: it builds
 * scale / sqrt(variance + epsilon) and so on in front of the op (folded where the operands are
 * constant), gives the result and the op is replaced. What it built is visited next, so expanders
 * may build on each other. An op in f16 or in small integers is first tried in a wider type.
 */
#ifndef CODEGEN_EXPAND_H
#define CODEGEN_EXPAND_H

#include "codegen/codegen.h"

typedef struct ran_expansion {
    ran_op *op;          /* what is expanded */
    ran_builder builder; /* before it */
    ran_context *context;
    const ran_target *target;
    ran_value *results[8]; /* out: what replaces the op's results */
} ran_expansion;

/* Whether any row takes the op as it stands. */
bool ran_op_has_kernel(const ran_op *op, const ran_target *target);

/* ---- Building -------------------------------------------------------------------------------- */

/* An op without attributes; a constant when all operands are. */
ran_value *ran_expand_make(ran_expansion *e, ran_opcode opcode, size_t count,
                           ran_value *const *operands);
ran_value *ran_expand_unary(ran_expansion *e, ran_opcode opcode, ran_value *x);
ran_value *ran_expand_binary(ran_expansion *e, ran_opcode opcode, ran_value *x, ran_value *y);
/* Folds an op that was created here, has its attributes and one result. */
ran_value *ran_expand_finish(ran_expansion *e, ran_op *op);
ran_value *ran_expand_scalar(ran_expansion *e, ran_elem elem, double value);
ran_value *ran_expand_ints(ran_expansion *e, size_t count, const int64_t *values);
ran_value *ran_expand_cast(ran_expansion *e, ran_value *x, ran_elem elem);
ran_value *ran_expand_reduce(ran_expansion *e, ran_opcode opcode, ran_value *x, size_t count,
                             const int64_t *axes);
ran_value *ran_expand_transpose(ran_expansion *e, ran_value *x, int rank, const int64_t *perm);
/* The same elements under other dims, symbolic ones too. */
ran_value *ran_expand_view(ran_expansion *e, ran_value *x, int rank, const ran_dim *const *dims);
/* `value` everywhere in a tensor of `type`. */
ran_value *ran_expand_fill(ran_expansion *e, ran_value *scalar, const ran_type *type);
/* A vector along `axis` of a tensor of this rank: [C] -> [C,1,1]. */
ran_value *ran_expand_along(ran_expansion *e, ran_value *vector, int axis, int rank);

/* ---- Expanders: false when they don't take the op -------------------------------------------- */

bool ran_expand_batch_normalization(ran_expansion *e);
bool ran_expand_layer_normalization(ran_expansion *e);
bool ran_expand_group_normalization(ran_expansion *e);
bool ran_expand_mean_variance(ran_expansion *e);
bool ran_expand_lp_normalization(ran_expansion *e);
bool ran_expand_global_pool(ran_expansion *e);
bool ran_expand_lp_pool(ran_expansion *e);

bool ran_expand_dropout(ran_expansion *e);
bool ran_expand_space_to_depth(ran_expansion *e);
bool ran_expand_constant_of_shape(ran_expansion *e);
bool ran_expand_eye_like(ran_expansion *e);
bool ran_expand_one_hot(ran_expansion *e);
bool ran_expand_quantize_linear(ran_expansion *e);
bool ran_expand_dequantize_linear(ran_expansion *e);
bool ran_expand_einsum(ran_expansion *e);

bool ran_expand_dft(ran_expansion *e);
bool ran_expand_stft(ran_expansion *e);
bool ran_expand_compress(ran_expansion *e);
bool ran_expand_center_crop_pad(ran_expansion *e);
bool ran_expand_affine_grid(ran_expansion *e);

bool ran_expand_concat(ran_expansion *e);
bool ran_expand_split(ran_expansion *e);

bool ran_expand_col2im(ran_expansion *e);
bool ran_expand_max_unpool(ran_expansion *e);

bool ran_expand_conv_weight_gradient(ran_expansion *e);
/* For any number of axes: a convolution of x by dy, with images and channels exchanged. */
bool ran_expand_conv_weight_gradient_as_conv(ran_expansion *e);
bool ran_expand_layer_normalization_gradient(ran_expansion *e);

/* In training (normalize/channels_host.c): moments and sums over chunks of the batch. */
bool ran_expand_batch_normalization_training(ran_expansion *e);
bool ran_expand_batch_normalization_gradient(ran_expansion *e);
/* A sum over all but the channels of maps, which would leave the blocked layout. */
bool ran_is_channel_sum(const ran_op *op);
bool ran_expand_channel_sum(ran_expansion *e);

/* Expands whose users are elementwise ops that broadcast anyway. */
void ran_drop_expands(ran_function *function);
RAN_MUST_USE ran_status ran_expand_ops(ran_function *function, const ran_target *target);

#endif
