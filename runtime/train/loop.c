/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The loop over epochs and steps, and evaluation between them. */
#include "runtime/train/train.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

/* ---- Evaluation ------------------------------------------------------------------------------------------ */

/* Training data when there is no other. */
static ran_dataset *test_data(const ran_trainer *t)
{
    return t->test ? t->test : t->train;
}

static ran_status create_evaluation(ran_trainer *t)
{
    ran_module *module;
    const ran_dataset *data = test_data(t);
    int64_t batch = t->config.eval_batch < data->count ? t->config.eval_batch : data->count;
    ran_engine_options options = ran_trainer_engine_options(t);
    const ran_module *step = t->step_count ? t->steps[0]->source : NULL;
    if (t->evaluation && t->evaluation->batch == batch && t->evaluates_state == !!step)
        return RAN_OK;
    t->evaluates_state = step != NULL;
    ran_engine_destroy(t->evaluation);
    t->evaluation = NULL;
    ran_status status = ran_evaluation_create(t->model, step, batch, NULL, 0, &module);
    if (!status)
        status = ran_engine_create(t->context, module, &options, &t->evaluation);
    if (status)
        return status;
    ran_engine *e = t->evaluation;
    e->batch = batch;
    ran_engine_bind_state(e, &t->state, t->config.optimizer.ema > 0);
    for (size_t k = 0; k < t->config.ramp_count; k++) {
        int input = ran_engine_find_input(e, t->config.ramps[k].name);
        if (input >= 0)
            e->inputs[input] = &t->ramps[k];
    }
    return RAN_OK;
}

typedef struct score {
    double loss, correct, count;
} score;

/* Classes on axis 1, `plane` positions behind it (the label counts for all of them). */
static void score_classes(const float *logits, int64_t classes, int64_t plane, int64_t label,
                          score *s)
{
    for (int64_t p = 0; p < plane; p++) {
        const float *z = logits + p;
        double best = z[0], sum = 0;
        int64_t argmax = 0;
        for (int64_t c = 1; c < classes; c++) {
            if (z[c * plane] > best) {
                best = z[c * plane];
                argmax = c;
            }
        }
        for (int64_t c = 0; c < classes; c++)
            sum += exp(z[c * plane] - best);
        s->loss += (log(sum) + best - z[label * plane]) / (double)plane;
        s->correct += (double)(argmax == label) / (double)plane;
    }
}

/* Distances of targets, as the mse loss counts them, or cross-entropy of probabilities. */
static void score_targets(const ran_trainer *t, const float *output, const float *target,
                          int64_t count, score *s)
{
    double best = output[0], sum = 0;
    int64_t hit = 0, wanted = 0;
    if (t->config.losses[0].kind == RAN_LOSS_MSE) {
        for (int64_t i = 0; i < count; i++)
            s->loss += ((double)output[i] - target[i]) * ((double)output[i] - target[i]);
        return;
    }
    for (int64_t i = 0; i < count; i++) {
        best = fmax(best, output[i]);
        hit = output[i] > output[hit] ? i : hit;
        wanted = target[i] > target[wanted] ? i : wanted;
    }
    for (int64_t i = 0; i < count; i++)
        sum += exp(output[i] - best);
    for (int64_t i = 0; i < count; i++)
        s->loss += target[i] * (log(sum) + best - output[i]);
    s->correct += hit == wanted;
}

static ran_status score_batch(ran_trainer *t, const ran_batch *batch, score *s)
{
    ran_engine *e = t->evaluation;
    const ran_op *end =
        ran_region_terminator(ran_function_body(ran_module_first_function(e->source)));
    const ran_type *type = ran_value_type(ran_op_operand(end, 0));
    int64_t size = ran_type_numel(type) / e->batch;
    int64_t classes = ran_type_rank(type) > 1 ? ran_type_extent(type, 1) : 1;
    const float *output = e->outputs[0];
    if (!batch->labels && size != test_data(t)->target_numel)
        return ran_error(t->context, RAN_INVALID, "targets of %lld values, outputs of %lld",
                         (long long)test_data(t)->target_numel, (long long)size);
    for (int64_t i = 0; i < batch->count; i++, output += size) {
        if (batch->labels)
            score_classes(output, classes, size / classes, batch->labels[i], s);
        else
            score_targets(t, output, batch->target + i * size, size, s);
    }
    s->count += (double)batch->count;
    return RAN_OK;
}

/* The loader's batches have room for a whole one: what is behind the last sample is not looked at. */
static ran_status evaluate_all(ran_trainer *t, ran_loader *loader, score *s)
{
    ran_status status = RAN_OK;
    const ran_batch *batch;
    while (!status && (batch = ran_loader_next(loader))) {
        if (batch->failed)
            return ran_error(t->context, RAN_INVALID, "%s", batch->error.text);
        t->evaluation->inputs[0] = batch->x;
        status = ran_engine_run(t->evaluation, ran_trainer_parallel(t));
        if (!status)
            status = score_batch(t, batch, s);
    }
    return status;
}

ran_status ran_trainer_evaluate(ran_trainer *t, double *out_loss, double *out_accuracy)
{
    ran_loader *loader = NULL;
    score s = {0};
    if (!test_data(t))
        return ran_error(t->context, RAN_USAGE, "no data to evaluate on");
    ran_status status = ran_trainer_prepare(t);
    if (!status)
        status = create_evaluation(t);
    if (status)
        return status;
    ran_loader_options options = {.dataset = test_data(t),
                                  .normalization = &t->config.normalization,
                                  .batch = t->evaluation->batch,
                                  .channels_last = t->channels_last,
                                  .epochs = 1,
                                  .ranks = 1};
    status = ran_loader_create(t->context, &options, &loader);
    if (!status)
        status = evaluate_all(t, loader, &s);
    ran_loader_destroy(loader);
    if (status)
        return status;
    bool classified = t->config.losses[0].kind != RAN_LOSS_MSE || test_data(t)->classes;
    *out_loss = s.loss / s.count;
    *out_accuracy = classified ? s.correct / s.count : -1;
    return RAN_OK;
}

/* ---- The loop ---------------------------------------------------------------------------------------------- */

typedef struct loop {
    ran_trainer *t;
    ran_train_callback *callback;
    void *data;
    int64_t steps;
    double started, trained; /* seconds, samples of this epoch */
    bool stopped;
} loop;

static bool report(loop *l, bool epoch_done)
{
    ran_trainer *t = l->t;
    double seconds = ran_trainer_seconds() - l->started;
    double speed = seconds > 0 ? l->trained / seconds : 0;
    double left = (double)(t->config.epochs - t->epoch) * (double)t->train->count - t->seen;
    ran_train_progress progress = {.epoch = t->epoch,
                                   .epochs = t->config.epochs,
                                   .step = t->step,
                                   .steps = l->steps,
                                   .loss = t->seen > 0 ? t->loss_sum / t->seen : 0,
                                   .accuracy = t->seen > 0 ? t->correct_sum / t->seen : 0,
                                   .test_loss = t->test_loss,
                                   .test_accuracy = t->test_accuracy,
                                   .images_per_second = speed,
                                   .seconds_left = speed > 0 ? left / speed : 0,
                                   .epoch_done = epoch_done};
    if (l->callback && !l->callback(l->data, &progress))
        l->stopped = true;
    return !l->stopped;
}

static ran_status save(ran_trainer *t)
{
    t->saved_at = ran_trainer_seconds();
    if (!t->config.checkpoint || t->rank)
        return RAN_OK;
    return ran_checkpoint_write(t, t->config.checkpoint);
}

static ran_status train_batch(loop *l, const ran_batch *batch)
{
    ran_trainer *t = l->t;
    double at = (double)batch->epoch + (double)batch->step / (double)l->steps, loss, correct;
    /* The first step of a warm-up would have rate 0: it counts as done. */
    double now = at < t->config.schedule.warmup ? at + 1 / (double)l->steps : at;
    t->rate = (float)ran_schedule_rate(&t->config.schedule, now);
    for (size_t i = 0; i < t->config.ramp_count; i++)
        t->ramps[i] = (float)ran_ramp_value(&t->config.ramps[i], at);
    ran_status status = ran_trainer_run_step(t, batch, &loss, &correct);
    if (status)
        return status;
    t->loss_sum += loss * (double)batch->part.total;
    t->correct_sum += correct;
    t->seen += (double)batch->part.total;
    l->trained += (double)batch->part.total;
    t->step = batch->step + 1;
    report(l, false);
    return RAN_OK;
}

static ran_status end_epoch(loop *l)
{
    ran_trainer *t = l->t;
    ran_status status = RAN_OK;
    bool last = t->epoch + 1 == t->config.epochs;
    double before = ran_trainer_seconds();
    if (t->config.eval_every && (last || (t->epoch + 1) % t->config.eval_every == 0))
        status = ran_trainer_evaluate(t, &t->test_loss, &t->test_accuracy);
    /* Images a second are those of training, in this epoch. */
    l->started += ran_trainer_seconds() - before;
    if (status)
        return status;
    report(l, true);
    l->started = ran_trainer_seconds();
    l->trained = 0;
    t->epoch++;
    t->step = 0;
    t->loss_sum = t->correct_sum = t->seen = 0;
    return save(t);
}

static ran_status run_loop(loop *l, ran_loader *loader)
{
    ran_trainer *t = l->t;
    ran_status status = RAN_OK;
    const ran_batch *batch;
    while (!status && !l->stopped && (batch = ran_loader_next(loader))) {
        if (batch->failed)
            return ran_error(t->context, RAN_INVALID, "%s", batch->error.text);
        status = train_batch(l, batch);
        if (!status && t->step == l->steps && !l->stopped)
            status = end_epoch(l);
        else if (!status &&
                 ran_trainer_seconds() - t->saved_at >= t->config.checkpoint_every)
            status = save(t);
    }
    return status || !l->stopped ? status : save(t);
}

/* A checkpoint may stand behind the last step of an epoch, or of all. */
static ran_status finish_epoch(loop *l)
{
    return l->t->epoch < l->t->config.epochs && l->t->step == l->steps ? end_epoch(l) : RAN_OK;
}

static int64_t class_count(const ran_trainer *t)
{
    const ran_op *end =
        ran_region_terminator(ran_function_body(ran_module_first_function(t->model)));
    const ran_type *type = ran_value_type(ran_op_operand(end, 0));
    return ran_type_rank(type) > 1 ? ran_type_extent(type, 1) : 1;
}

ran_status ran_trainer_run(ran_trainer *t, ran_train_callback *callback, void *data)
{
    ran_loader *loader = NULL;
    if (!t->train)
        return ran_error(t->context, RAN_USAGE, "no training data");
    ran_status status = ran_trainer_prepare(t);
    if (status)
        return status;
    loop l = {.t = t, .callback = callback, .data = data,
              .steps = (t->train->count + t->config.batch - 1) / t->config.batch,
              .started = ran_trainer_seconds()};
    t->saved_at = l.started;
    status = finish_epoch(&l);
    const ran_augment *a = &t->config.augment;
    bool augmented = a->crop || a->flip || a->cutout || a->mixup > 0 || a->randaugment_count;
    ran_loader_options options = {.dataset = t->train,
                                  .normalization = &t->config.normalization,
                                  .augment = augmented ? a : NULL,
                                  .batch = t->config.batch,
                                  .shuffle = true,
                                  .seed = t->config.seed,
                                  .channels_last = t->channels_last,
                                  .classes = t->probabilities && t->train->classes ? class_count(t) : 0,
                                  .epochs = t->config.epochs,
                                  .epoch = t->epoch,
                                  .step = t->step,
                                  .rank = t->rank,
                                  .ranks = t->ranks};
    if (!status)
        status = ran_loader_create(t->context, &options, &loader);
    if (!status)
        status = run_loop(&l, loader);
    ran_loader_destroy(loader);
    return status;
}
