/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The steps of a trainer, compiled by the size of their batch, and the update that several
 * processes share. */
#include "runtime/train/train.h"

#include <string.h>

ran_engine_options ran_trainer_engine_options(const ran_trainer *t)
{
    const struct ran_parallel *parallel = ran_trainer_parallel(t);
    return (ran_engine_options){.interpret = t->config.interpret,
                                .slots = parallel ? parallel->slots : 1};
}

static ran_training_spec spec_of(const ran_trainer *t, const ran_part *part)
{
    return (ran_training_spec){.batch = part->count,
                               .total = part->total,
                               .first = part->first,
                               .share = part->share,
                               .probabilities = t->probabilities,
                               .seed = t->config.seed,
                               .memory = t->config.memory,
                               .losses = t->config.losses,
                               .loss_count = t->config.loss_count,
                               .optimizer = t->config.optimizer,
                               .freeze = (const char *const *)t->config.freeze,
                               .freeze_count = t->config.freeze_count,
                               .drop_path = t->config.drop_path,
                               .dropout = t->config.dropout,
                               .accumulate = t->ranks > 1};
}

static ran_status create_engine(ran_trainer *t, ran_module *module, int64_t batch,
                                ran_engine **out_engine)
{
    ran_engine_options options = ran_trainer_engine_options(t);
    ran_status status = ran_engine_create(t->context, module, &options, out_engine);
    if (!status)
        (*out_engine)->batch = batch;
    return status;
}

/* Scalars that change from step to step; other inputs but the first one have no source. */
static ran_status bind_scalars(ran_trainer *t, ran_engine *e)
{
    for (size_t i = 0; i < e->input_count; i++) {
        const char *name = ran_engine_input_name(e, i);
        if (!strcmp(name, RAN_STEP_COUNTER))
            e->inputs[i] = &t->counter;
        else if (!strcmp(name, RAN_STEP_RATE))
            e->inputs[i] = &t->rate;
        for (size_t k = 0; k < t->config.ramp_count; k++) {
            if (!strcmp(t->config.ramps[k].name, name) &&
                ran_type_numel(ran_engine_input_type(e, i)) == 1)
                e->inputs[i] = &t->ramps[k];
        }
        bool fed = !i || e->inputs[i] || !strcmp(name, RAN_STEP_LABELS) ||
                   !strcmp(name, RAN_STEP_TARGET) || !strcmp(name, RAN_STEP_TEACHER) ||
                   !strncmp(name, RAN_STEP_MAP, strlen(RAN_STEP_MAP)) ||
                   (t->ranks > 1 && strstr(name, RAN_STEP_GRADIENT));
        if (!fed)
            return ran_error(t->context, RAN_UNSUPPORTED,
                             "nothing feeds the model's input '%s'; a ramp feeds scalars, the data "
                             "the first input",
                             name);
    }
    return RAN_OK;
}

static ran_status check_ramps(ran_trainer *t, const ran_engine *e)
{
    for (size_t k = 0; k < t->config.ramp_count; k++) {
        if (ran_engine_find_input(e, t->config.ramps[k].name) < 0)
            return ran_error(t->context, RAN_USAGE, "ramp: the model has no scalar input '%s'",
                             t->config.ramps[k].name);
    }
    return RAN_OK;
}

static ran_status create_step(ran_trainer *t, const ran_part *part, ran_engine **out_engine)
{
    ran_module *module;
    ran_training_spec spec = spec_of(t, part);
    ran_status status = ran_training_step_create(t->model, &spec, &module);
    if (!status)
        status = create_engine(t, module, part->count, out_engine);
    if (status)
        return status;
    (*out_engine)->total = part->total;
    t->steps[t->step_count++] = *out_engine;
    status = ran_state_add(&t->state, t->context, (*out_engine)->source, t->model);
    if (!status)
        ran_engine_bind_state(*out_engine, &t->state, false);
    if (!status)
        status = check_ramps(t, *out_engine);
    return status ? status : bind_scalars(t, *out_engine);
}

ran_status ran_trainer_engine(ran_trainer *t, const ran_part *part, ran_engine **out_engine)
{
    for (size_t i = 0; i < t->step_count; i++) {
        if (t->steps[i]->batch == part->count && t->steps[i]->total == part->total) {
            *out_engine = t->steps[i];
            return RAN_OK;
        }
    }
    if (t->step_count == TRAIN_ENGINES) { /* an application with batches of many sizes */
        ran_engine_destroy(t->steps[--t->step_count]);
        ran_teachers_destroy(t);
    }
    return create_step(t, part, out_engine);
}

static ran_status create_update(ran_trainer *t)
{
    ran_module *module;
    ran_training_spec spec = spec_of(t, &(ran_part){.count = 1, .total = 1, .share = 1});
    ran_status status = ran_training_update_create(t->model, &spec, &module);
    if (!status)
        status = create_engine(t, module, 1, &t->update);
    if (!status)
        status = ran_state_add(&t->state, t->context, t->update->source, t->model);
    if (status)
        return status;
    ran_engine_bind_state(t->update, &t->state, false);
    return bind_scalars(t, t->update);
}

static ran_status prepare_part(ran_trainer *t, int64_t total)
{
    ran_engine *engine;
    ran_part part = ran_cluster_part(t->rank, t->ranks, total);
    return ran_trainer_engine(t, &part, &engine);
}

ran_status ran_trainer_compile(ran_trainer *t)
{
    int64_t batch = t->config.batch;
    if (t->train && t->train->count < batch)
        batch = t->train->count;
    ran_status status = prepare_part(t, batch);
    /* The last batch of an epoch, now, so that no epoch's speed holds the time of compiling. */
    int64_t rest = t->train ? t->train->count % t->config.batch : 0;
    if (!status && rest)
        status = prepare_part(t, rest);
    if (!status && t->ranks > 1)
        status = create_update(t);
    if (status)
        return status;
    if (t->started)
        return RAN_OK;
    t->started = true;
    status = ran_state_initialize(&t->state, &t->config, t->model);
    ran_state_start(&t->state);
    return status;
}

void ran_trainer_drop_engines(ran_trainer *t)
{
    for (size_t i = 0; i < t->step_count; i++)
        ran_engine_destroy(t->steps[i]);
    ran_engine_destroy(t->update);
    ran_engine_destroy(t->evaluation);
    ran_teachers_destroy(t);
    t->step_count = 0;
    t->update = t->evaluation = NULL;
    t->prepared = false;
}
