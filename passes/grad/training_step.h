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
    bool probabilities; /* cross-entropy's target is `target`, f32 [batch, classes] (mixup), instead of
                           `labels`, i64 [batch] */
    uint64_t seed;      /* of dropout and drop path */
    int64_t memory;     /* bytes that activations may take; more is recomputed; 0: all there is */
    const ran_loss *losses;
    size_t loss_count;
    ran_optimizer optimizer;
    const char *const *freeze; /* globs of parameters that keep their values */
    size_t freeze_count;
    double drop_path, dropout; /* drop_path: of residual branches; dropout: overrides the model's; -1: as it is */
    /* Several processes, each with a part of the batch: gradients are results, without an update,
     * and the step's loss, gradients and statistics count `share`, so that their sums over the
     * processes (batch norms ask for theirs by all_reduce) are those of one process with the whole
     * batch. */
    bool accumulate;
    int64_t total, first; /* accumulate: samples of the whole batch; the first of this part */
    double share;
} ran_training_spec;

/* Arguments of the step by name. Inputs of the model keep theirs. */
#define RAN_STEP_LABELS "labels"   /* i64: the classes */
#define RAN_STEP_TARGET "target"   /* f32: class probabilities, or what the first output should be */
#define RAN_STEP_TEACHER "teacher" /* f32: the teacher's logits */
#define RAN_STEP_MAP "target:"     /* f32, in front of a value's name: the teacher's map for it */
#define RAN_STEP_COUNTER "step:counter"  /* i64, rank 0 */
#define RAN_STEP_RATE "step:learning_rate" /* f32, rank 0 */
/* Behind a parameter's name: its slots, average, and (accumulate) gradient. */
#define RAN_STEP_MOMENTUM "$momentum"
#define RAN_STEP_SQUARE "$square"
#define RAN_STEP_AVERAGE "$average"
#define RAN_STEP_GRADIENT "$gradient"
/* Results beside the state, in this order: f32, rank 0. */
#define RAN_STEP_LOSS "step:loss"
#define RAN_STEP_CORRECT "step:correct" /* how many samples of the batch; without classes 0 */
#define RAN_STEP_FINITE "step:finite"   /* 1, or 0: then all of the state is as it was */

/* A new module with one function, `step`; metadata and names of the model are kept. The parameters
 * are the f32 constants that the outputs depend on and that are not structural (shapes, axes, bounds
 * of clips, scalar factors, the normalisation of the input). Frozen ones stay constants. Its arguments
 * are the model's inputs, the targets that the losses need, counter, learning rate, the state. */
RAN_MUST_USE ran_status ran_training_step_create(const ran_module *model,
                                                 const ran_training_spec *spec,
                                                 RAN_GIVE ran_module **out_step);

/* With `accumulate`: the other half. One function, `update`, from NAME$gradient of each parameter,
 * counter, learning rate and state to RAN_STEP_FINITE and the state. */
RAN_MUST_USE ran_status ran_training_update_create(const ran_module *model,
                                                   const ran_training_spec *spec,
                                                   RAN_GIVE ran_module **out_update);

/* The same model with its parameters and statistics as arguments behind its inputs, in the order of
 * the step's state, inference mode, batch bound: what evaluates between the epochs. Results: the
 * outputs, a final Softmax peeled (*out_peeled). `step` NULL: parameters stay constants (a teacher);
 * `values`: more results by name, `value_count` of them. */
RAN_MUST_USE ran_status ran_evaluation_create(const ran_module *model, const ran_module *step,
                                              int64_t batch, const char *const *values,
                                              size_t value_count,
                                              RAN_GIVE ran_module **out_evaluation);

/* ---- What the step's state is made of ---------------------------------------------------------- */

typedef struct ran_parameter {
    ran_value *constant; /* of the model */
    ran_value *argument; /* of the step under construction */
    bool trained;        /* else a running statistic */
    bool decayed;        /* a weight, not a bias, scale or slope */
    bool slope;          /* of a PRelu */
    double initial;      /* what --init sets it to; NAN: noise scaled by fan_in */
    int64_t fan_in, fan_out;
} ran_parameter;

/* All of a model's, in the order of its constants; freed by the caller. `freeze` as in the spec. */
RAN_GIVE ran_parameter *ran_find_parameters(const ran_module *model, const char *const *freeze,
                                            size_t freeze_count, size_t *out_count);

#endif
