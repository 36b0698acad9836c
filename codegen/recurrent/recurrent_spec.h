/* SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception */
/*
 * Spec of body "recurrent/recurrent": rnn, gru and lstm. A task is one direction of one element of
 * the batch: it goes through its steps alone, so that elements may differ in length. Gates are
 * stacked in ONNX's order: lstm i o f c, gru z r h. Lanes are hidden units.
 */
#ifndef CODEGEN_RECURRENT_RECURRENT_SPEC_H
#define CODEGEN_RECURRENT_RECURRENT_SPEC_H

#include <stdint.h>

enum { RECURRENT_RNN, RECURRENT_GRU, RECURRENT_LSTM };
enum {
    ACT_RELU,
    ACT_TANH,
    ACT_SIGMOID,
    ACT_AFFINE,
    ACT_LEAKY_RELU,
    ACT_THRESHOLDED_RELU,
    ACT_SCALED_TANH,
    ACT_HARD_SIGMOID,
    ACT_ELU,
    ACT_SOFTSIGN,
    ACT_SOFTPLUS,
};
enum { RECURRENT_FUNCTIONS = 6, RECURRENT_VECTORS = 8 };

struct recurrent_spec {
    int64_t x, w, r, b, lengths, initial_h, initial_c, peepholes; /* io; -1: none */
    int64_t y, last_h, last_c, status;
    int64_t kind, gates, functions; /* functions of one direction */
    int64_t wide;                   /* lengths are i64 (else i32) */
    int64_t steps, batch, inputs, hidden, directions;
    int64_t batch_first, backwards; /* of the first direction */
    int64_t has_clip, clip;         /* bits of an f32, as are alpha and beta */
    int64_t linear, couples;        /* linear_before_reset, input_forget */
    int64_t function[RECURRENT_FUNCTIONS], alpha[RECURRENT_FUNCTIONS], beta[RECURRENT_FUNCTIONS];
};

#endif
