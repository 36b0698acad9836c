/* SPDX-License-Identifier: GPL-3.0-or-later */
/* What the files that build a training step share. */
#ifndef PASSES_GRAD_STEP_H
#define PASSES_GRAD_STEP_H

#include "passes/grad/training_step.h"

typedef struct step {
    ran_context *context;
    ran_module *module;
    ran_function *function;
    ran_region *body;
    ran_builder builder;
    const ran_training_spec *spec;
    ran_parameter *parameters;
    size_t count;
    ran_value **outputs; /* the model's */
    size_t output_count;
    ran_value *counter, *rate;
    ran_value *loss, *correct; /* the sum of all terms; NULL without classes */
    ran_value **gradients;     /* one a parameter; NULL for statistics */
    ran_value *finite;         /* bool */
    ran_value **results;       /* of the step, with their names */
    const char **result_names;
    size_t result_count, result_capacity;
} step;

/* ---- Building (step_build.c) ------------------------------------------------------------------------ */

ran_value *ran_step_unary(step *s, ran_opcode opcode, ran_value *x);
ran_value *ran_step_binary(step *s, ran_opcode opcode, ran_value *x, ran_value *y);
ran_value *ran_step_scalar(step *s, double value); /* f32, rank 0 */
ran_value *ran_step_scale(step *s, ran_value *x, double factor);
ran_value *ran_step_shift(step *s, ran_value *x, double addend);
ran_value *ran_step_where(step *s, ran_value *condition, ran_value *x, ran_value *y);
ran_value *ran_step_cast(step *s, ran_value *x, ran_elem elem);
ran_value *ran_step_sum(step *s, ran_value *x); /* of all elements, rank 0 */
ran_value *ran_step_softmax(step *s, ran_opcode opcode, ran_value *x, int axis);
/* i64 constant of rank 1. */
ran_value *ran_step_ints(step *s, const int64_t *values, size_t count);
/* An argument; one of that name is returned when it is there. */
ran_value *ran_step_argument(step *s, const char *name, const ran_type *type);
void ran_step_result(step *s, const char *name, ran_value *value);
/* A value of the model by name, NULL: none. */
ran_value *ran_step_find(const step *s, const char *name);
/* Through a final Softmax to its operand. */
ran_value *ran_step_peel(ran_value *output);

/* ---- Parts ------------------------------------------------------------------------------------------- */

/* Clones the model, binds its batch, finds the body: fills a zeroed step. */
ran_status ran_step_open(step *s, const ran_module *model, int64_t batch, const char *name);
void ran_step_close(step *s); /* frees all but the module */
/* Runs exact passes: shapes become constants, dead code goes. */
ran_status ran_step_clean(step *s, bool recognize);
/* The return's operands and names become the results. */
void ran_step_return(step *s);

ran_status ran_step_losses(step *s);     /* losses.c */
ran_status ran_step_regularize(step *s); /* regularize.c: batch norm, dropout, drop path */
ran_status ran_step_train_batch_norm(step *s, ran_op *op); /* train_batch_norm.c */
/* optimizer.c: reads gradients, appends the state's next values to the results. */
void ran_step_finite(step *s, ran_value *loss);
void ran_step_update(step *s);

#endif
