/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * The training step as one function of the IR; grad.h shows its form.
 */
#ifndef PASSES_GRAD_TRAINING_STEP_H
#define PASSES_GRAD_TRAINING_STEP_H

#include "passes/grad/grad.h"

typedef enum ran_loss_kind {
    RAN_LOSS_CROSS_ENTROPY, /* softmax of `value` against classes or probabilities; a final Softmax
                               of the model is peeled */
    RAN_LOSS_KL,            /* T^2 KL(softmax(teacher/T) || softmax(value/T)), batch mean (HANT eq. 1:
                               T = 1; DeepReShape: T = 4) */
    RAN_LOSS_MSE,           /* sum over elements of (value - target)^2, batch mean (HANT eq. 2) */
    RAN_LOSS_SLOPES,        /* sum over parameters matching `value` of (slope - 1)^2 (RAN eq. 3) */
} ran_loss_kind;

typedef struct ran_loss {
    ran_loss_kind kind;
    double weight;
    double smoothing;   /* label smoothing of cross-entropy */
    double temperature; /* of KL */
    const char *value;  /* a value of the model by name (slopes: a glob of parameters); NULL: the
                           first output */
} ran_loss;

typedef enum ran_optimizer_kind {
    RAN_OPTIMIZER_SGD,
    RAN_OPTIMIZER_ADAM,
    RAN_OPTIMIZER_ADAMW,
    RAN_OPTIMIZER_RMSPROP,
} ran_optimizer_kind;

typedef struct ran_optimizer {
    ran_optimizer_kind kind;
    double momentum;     /* SGD, RMSprop */
    bool nesterov;
    double beta1, beta2; /* Adam; beta2 is RMSprop's decay too */
    double epsilon;
    bool epsilon_inside; /* RMSprop: sqrt(v + epsilon), the papers' form, instead of sqrt(v) + epsilon */
    double weight_decay; /* not on biases, batch norms and slopes */
    double clip_norm;    /* of all gradients together; 0: none */
    double ema;          /* decay of the averaged weights; 0: none */
} ran_optimizer;

typedef struct ran_training_spec {
    int64_t batch;
    const ran_loss *losses;
    size_t loss_count;
    ran_optimizer optimizer;
    const char *const *freeze; /* globs of parameters that keep their values */
    size_t freeze_count;
    double drop_path, dropout; /* drop_path: of residual branches; dropout: overrides the model's; -1: as it is */
    bool accumulate;           /* split: gradients are results, no update (several ranks) */
} ran_training_spec;

/* A new module with one function, `step`; metadata and names of the model are kept. The parameters
 * are the float constants that the outputs depend on and that are not structural (shapes, axes,
 * bounds of clips). */
RAN_MUST_USE ran_status ran_training_step_create(const ran_module *model,
                                                 const ran_training_spec *spec,
                                                 RAN_GIVE ran_module **out_step);

/* The same model with its parameters and statistics as arguments in the order of the step's state,
 * inference mode, batch bound: what evaluates between the epochs. */
RAN_MUST_USE ran_status ran_evaluation_create(const ran_module *model, const ran_module *step,
                                              int64_t batch, RAN_GIVE ran_module **out_evaluation);

#endif
