/* SPDX-License-Identifier: GPL-3.0-or-later */
/* rnn, gru, lstm in f32: all activations, directions, lengths and peepholes. */
#ifndef CODEGEN_RECURRENT_RECURRENT_H
#define CODEGEN_RECURRENT_RECURRENT_H

#include "codegen/codegen.h"

bool ran_recurrent_accepts(const ran_op *anchor, const ran_target *target);
ran_status ran_recurrent_describe(ran_emission *emission);

#endif
