/* SPDX-License-Identifier: GPL-3.0-or-later */
/* One step on one batch. */
#include "runtime/train/train.h"

#include <stdio.h>

static void bind_targets(const ran_batch *batch, ran_engine *e)
{
    int labels = ran_engine_find_input(e, RAN_STEP_LABELS);
    int target = ran_engine_find_input(e, RAN_STEP_TARGET);
    e->inputs[0] = batch->x;
    if (labels >= 0)
        e->inputs[labels] = batch->labels;
    if (target >= 0)
        e->inputs[target] = batch->target;
}

static float scalar_result(const ran_engine *e, const char *name)
{
    int index = ran_engine_find_output(e, name);
    return index < 0 ? 0 : *(const float *)e->outputs[index];
}

static ran_status explain(const ran_trainer *t, ran_engine *e, const ran_batch *batch)
{
    char when[128];
    snprintf(when, sizeof(when), "epoch %lld, step %lld", (long long)batch->epoch + 1,
             (long long)batch->step + 1);
    return ran_engine_explain(e, ran_trainer_parallel(t), when);
}

ran_status ran_trainer_run_step(ran_trainer *t, const ran_batch *batch, double *out_loss,
                                double *out_correct)
{
    ran_engine *e;
    ran_status status = ran_trainer_engine(t, &batch->part, &e);
    if (status)
        return status;
    bind_targets(batch, e);
    if (t->config.teacher && ran_train_needs_teacher(&t->config))
        status = ran_teacher_look(t, batch, e);
    if (!status)
        status = ran_engine_run(e, ran_trainer_parallel(t));
    status = status ? status : t->cluster_status;
    if (status)
        return status;
    float scalars[] = {scalar_result(e, RAN_STEP_LOSS), scalar_result(e, RAN_STEP_CORRECT),
                       scalar_result(e, RAN_STEP_FINITE) == 1 ? 0 : 1};
    if (t->ranks > 1)
        status = ran_trainer_share(t, e, &batch->part, scalars);
    if (status)
        return status;
    if (scalars[2] != 0)
        return explain(t, e, batch);
    t->counter++;
    *out_loss = scalars[0];
    *out_correct = scalars[1];
    return RAN_OK;
}

ran_status ran_trainer_step(ran_trainer *t, const void *x, const void *target, int64_t samples,
                            double learning_rate, double *out_loss)
{
    double correct;
    ran_status status = ran_trainer_prepare(t);
    if (!status && !t->step_count)
        status = ran_trainer_compile(t);
    if (status)
        return status;
    if (t->ranks > 1 || samples < 1)
        return ran_error(t->context, RAN_USAGE,
                         "single steps are for one process and at least one sample");
    bool classes = !t->probabilities && t->config.losses[0].kind != RAN_LOSS_MSE;
    ran_batch batch = {.x = (float *)(uintptr_t)x,
                       .labels = classes ? (int64_t *)(uintptr_t)target : NULL,
                       .target = classes ? NULL : (float *)(uintptr_t)target,
                       .count = samples,
                       .part = {.count = samples, .total = samples, .share = 1},
                       .epoch = t->epoch,
                       .step = t->counter};
    t->rate = (float)learning_rate;
    for (size_t i = 0; i < t->config.ramp_count; i++)
        t->ramps[i] = (float)ran_ramp_value(&t->config.ramps[i], (double)t->epoch);
    return ran_trainer_run_step(t, &batch, out_loss, &correct);
}
