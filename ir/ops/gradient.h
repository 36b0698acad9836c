/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Building gradients: short forms of the ops that hooks use most. All take the place and location
 * from the ran_gradient and infer types; operands that don't fit are bugs of the hook.
 */
#ifndef IR_OPS_GRADIENT_H
#define IR_OPS_GRADIENT_H

#include "ir/gradient.h"
#include "ir/ops/ops.h"

/* ---- Ops ----------------------------------------------------------------------------------------
 */

/* For attributes to be set; then ran_gradient_finish. */
ran_op *ran_gradient_op(ran_gradient *g, ran_opcode opcode, size_t count,
                        ran_value *const *operands, size_t results);
/* Infers the types; result 0. */
ran_value *ran_gradient_finish(ran_gradient *g, ran_op *op);
/* Sets every attribute of `from` on `op` that op.def lists for both. */
void ran_gradient_copy_attrs(ran_op *op, const ran_op *from);
ran_value *ran_gradient_unary(ran_gradient *g, ran_opcode opcode, ran_value *x);
ran_value *ran_gradient_binary(ran_gradient *g, ran_opcode opcode, ran_value *x, ran_value *y);
ran_value *ran_gradient_mul(ran_gradient *g, ran_value *x, ran_value *y);
ran_value *ran_gradient_add_values(ran_gradient *g, ran_value *x, ran_value *y);
ran_value *ran_gradient_scale(ran_gradient *g, ran_value *x, double factor);
ran_value *ran_gradient_where(ran_gradient *g, ran_value *condition, ran_value *x, ran_value *y);
ran_value *ran_gradient_cast(ran_gradient *g, ran_value *x, ran_elem elem);
/* `opcode` is one of the reductions. */
ran_value *ran_gradient_reduce(ran_gradient *g, ran_opcode opcode, ran_value *x,
                               const int64_t *axes, size_t count, bool keepdims);

/* ---- Shapes
 * -------------------------------------------------------------------------------------- */

ran_value *ran_gradient_ints(ran_gradient *g, const int64_t *values, size_t count);
/* An i64 scalar. */
ran_value *ran_gradient_axis(ran_gradient *g, int64_t axis);
/* The shape as a constant where it is static, else by the `shape` op. */
ran_value *ran_gradient_shape_of(ran_gradient *g, ran_value *value);
ran_value *ran_gradient_reshape(ran_gradient *g, ran_value *x, const int64_t *dims, size_t count);
/* x itself when it has that shape already. */
ran_value *ran_gradient_reshape_like(ran_gradient *g, ran_value *x, ran_value *like);
ran_value *ran_gradient_expand_like(ran_gradient *g, ran_value *x, ran_value *like);
ran_value *ran_gradient_zeros_like(ran_gradient *g, ran_value *like);
ran_value *ran_gradient_transpose(ran_gradient *g, ran_value *x, const int64_t *perm, size_t rank);
ran_value *ran_gradient_unsqueeze(ran_gradient *g, ran_value *x, const int64_t *axes, size_t count);
/* x[..., start:end, ...] along `axis`. */
ran_value *ran_gradient_slice(ran_gradient *g, ran_value *x, int axis, int64_t start, int64_t end);
/* Zeros before and behind along `axis`; negative counts crop. */
ran_value *ran_gradient_pad(ran_gradient *g, ran_value *x, int axis, int64_t before,
                            int64_t behind);

/* ---- Types
 * ----------------------------------------------------------------------------------------- */

int ran_gradient_rank(const ran_value *value);
/* Of a dim that is constant; -1 otherwise. */
int64_t ran_gradient_extent(const ran_value *value, int axis);
bool ran_gradient_is_static(const ran_value *value);
/* RAN_UNSUPPORTED: "needs static shapes; bind them with --dim" when an operand or result has none.
 */
ran_status ran_gradient_need_static(const ran_op *op);
/* The one element of a constant operand. */
bool ran_gradient_constant(const ran_value *value, double *out_value);

/* ---- By composition ------------------------------------------------------------------------------------- */

/* Builds op's results from ops that have gradients. */
typedef ran_status ran_gradient_compose(ran_gradient *g, const ran_op *op, ran_value **out_results);
/* The gradient of op as that of its composition, which is computed for the purpose. */
ran_status ran_gradient_by_composition(ran_gradient *g, const ran_op *op,
                                       ran_gradient_compose *compose);
/* Activation `index` of a recurrent op, over all directions: ONNX's name, its alpha and beta. */
const char *ran_recurrent_activation(const ran_op *op, int index, double *out_alpha,
                                     double *out_beta);

/* ---- Hooks, by family
 * ------------------------------------------------------------------------------- */

typedef ran_status ran_gradient_hook(ran_gradient *g, const ran_op *op);
/* The gradient is zero, or there is nothing to differentiate: adds nothing. */
ran_gradient_hook ran_gradient_zero;
ran_gradient_hook ran_unary_gradient, ran_binary_gradient, ran_clip_gradient, ran_where_gradient,
    ran_cast_gradient, ran_mod_gradient, ran_identity_gradient, ran_dropout_gradient;
ran_gradient_hook ran_conv_gradient, ran_conv_transpose_gradient;
ran_gradient_hook ran_matmul_gradient, ran_gemm_gradient;
ran_gradient_hook ran_max_pool_gradient, ran_average_pool_gradient, ran_lp_pool_gradient,
    ran_global_pool_gradient;
ran_gradient_hook ran_batch_normalization_gradient, ran_batch_normalization_training_gradient,
    ran_layer_normalization_gradient, ran_rms_normalization_gradient,
    ran_instance_normalization_gradient, ran_group_normalization_gradient,
    ran_mean_variance_normalization_gradient, ran_lp_normalization_gradient, ran_lrn_gradient;
ran_gradient_hook ran_softmax_gradient, ran_reduce_gradient;
ran_gradient_hook ran_reshape_gradient, ran_transpose_gradient, ran_expand_gradient,
    ran_concat_gradient, ran_split_gradient, ran_slice_gradient, ran_pad_gradient;
ran_gradient_hook ran_gather_gradient, ran_gather_elements_gradient, ran_gather_nd_gradient,
    ran_scatter_elements_gradient, ran_scatter_nd_gradient, ran_moved_gradient,
    ran_tensor_scatter_gradient, ran_max_unpool_gradient, ran_one_hot_gradient;
ran_gradient_hook ran_tile_gradient, ran_trilu_gradient, ran_depth_to_space_gradient,
    ran_space_to_depth_gradient, ran_cumulate_gradient, ran_topk_gradient, ran_resize_gradient,
    ran_range_gradient, ran_affine_grid_gradient;
ran_gradient_hook ran_einsum_gradient, ran_recurrent_gradient, ran_dequantize_gradient;
ran_gradient_hook ran_col2im_gradient, ran_det_gradient, ran_dft_gradient, ran_stft_gradient,
    ran_grid_sample_gradient, ran_deform_conv_gradient, ran_roi_align_gradient,
    ran_all_reduce_gradient;

#endif
