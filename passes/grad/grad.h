/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Gradients and the training step, on the same IR as everything else.
 *
 * Walk: `lenet` is cloned; ran_training_prepare turns its weights from constants into arguments and
 * its batch norms and dropouts into their training forms; the losses are appended;
 * ran_differentiate appends the gradients; the optimiser's ops follow; the function then returns
 * the losses and, updated in place, all of the state. The result is an ordinary function: it
 * prints, runs in the evaluator and compiles with everything that codegen has.
 *
 * The step's function (ran_training_step_create):
 *
 *   func @step(%x: tensor<64x1x28x28xf32>, ...        the model's inputs, batch bound
 *              %labels: tensor<64xi64>, ...           what the losses need: class numbers, class
 *                                                     probabilities (mixup), a teacher's logits or
 *                                                     named maps; the names: training_step.h
 *              %"step:counter": tensor<i64>,          number of the step, from 0: Adam's
 * correction, dropout's and drop path's generator
 *              %"step:learning_rate": tensor<f32>,
 *              %conv1_w: tensor<6x1x5x5xf32>, ...     state: parameters, running statistics,
 *              %conv1_w$momentum, %conv1_w$average)   optimiser slots, averages
 *     -> (%"step:loss", %"step:correct", %"step:finite": tensor<f32>,
 *         %conv1_w, ...)                              state outputs: same name as their argument
 *
 * Every state output stands behind where(finite, next, old): a step that overflowed changes
 * nothing.
 *
 * State is updated in place: a result that carries the name of an argument of the same type is that
 * argument's next value (ran_function_updates tells, declared here); code generation lets both have
 * one buffer and runs every reader of the old value before the kernel that writes the new one.
 * (Callers pass the same pointer as input and output.) State keeps plain layouts: packing weights
 * inside the step costs under 1 % at a batch of 64.
 *
 * Ops that gradients need beyond ONNX's (rows in op.def, families in ir/ops/):
 *   conv_weight_gradient(x, dy) {conv's attributes, kernel_shape, group}       -> dw as conv's w
 *   conv_transpose(dy, w) {output_padding}                                     -> dx of conv
 *   batch_normalization_training(x, scale, bias, mean, variance) {epsilon, momentum}
 *                                  -> y, running_mean, running_variance, batch_mean, inv_std_dev
 *   batch_normalization_gradient(dy, x, scale, batch_mean, inv_std_dev)        -> dx, dscale, dbias
 *   layer_normalization_gradient(dy, x, scale, mean, inv_std_dev) {axis}       -> dx, dscale, dbias
 *   max_pool_gradient(dy, x) {max_pool's}            (ties: the first in the window's order)
 *   average_pool_gradient(dy, x_shape) {average_pool's}
 *   resize_gradient(dy, x_shape) {resize's}
 *   all_reduce(x)                                    the sum over processes; its gradient is one,
 * too counter_random(seed, counter) {shape, stream}    uniform in [0, 1), Philox 4x32-10 What
 * composes well from existing ops (activations, reductions, softmax, losses, matmul, movement) has
 * no op of its own; fusion makes one kernel of it.
 */
#ifndef PASSES_GRAD_GRAD_H
#define PASSES_GRAD_GRAD_H

#include "ir/gradient.h"
#include "passes/passes.h"

/* Appends to `function`, before its return, the gradients of the rank-0 float value `loss` with
 * respect to `wrt` (values of the function, usually arguments). out_gradients[i] has the type of
 * wrt[i]: zeros when the loss does not depend on it. All ops on the way that have no gradient are
 * reported in one run: RAN_UNSUPPORTED, with node, op and remedy. */
RAN_MUST_USE ran_status ran_differentiate(ran_function *function, ran_value *loss,
                                          ran_value *const *wrt, size_t count,
                                          ran_value **out_gradients);

/* Recomputes cheap forward values (elementwise, normalisation, pooling) just before their last use
 * in the backward part, until the sum of what is alive fits `budget` bytes or nothing more helps.
 * Run after ran_differentiate. *out_peak: the estimate reached, in bytes. */
RAN_MUST_USE ran_status ran_recompute(ran_function *function, int64_t budget, int64_t *out_peak);

/* A batch norm's training form, before it: batch_normalization_training. The norm stays. */
RAN_MUST_USE ran_status ran_batch_norm_training(ran_op *norm, double momentum,
                                                ran_op **out_training);

/* The argument whose next value output `output` is (same name, same type), or -1. */
int ran_function_updates(const ran_function *function, size_t output);

#endif
