/* SPDX-License-Identifier: GPL-3.0-or-later */
/* A trainer's life: recipe, data, compiled steps, one step, export. */
#include "runtime/train/train.h"

#include <ran/onnx.h>

#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

double ran_trainer_seconds(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec + (double)now.tv_nsec * 1e-9;
}

const struct ran_parallel *ran_trainer_parallel(const ran_trainer *t)
{
    return t->pool ? ran_rt_pool_parallel(t->pool) : NULL;
}

ran_engine_options ran_trainer_engine_options(const ran_trainer *t)
{
    const struct ran_parallel *parallel = ran_trainer_parallel(t);
    return (ran_engine_options){.interpret = t->config.interpret,
                                .slots = parallel ? parallel->slots : 1};
}

/* ---- Creation ------------------------------------------------------------------------------------------- */

static ran_status open_data(ran_trainer *t, const char *option, ran_dataset **out_dataset,
                            bool *out_owned)
{
    const char *specification = ran_recipe_get(t->recipe, option);
    if (!*specification)
        return RAN_OK;
    *out_owned = true;
    return ran_dataset_open(t->context, specification, out_dataset);
}

static ran_status create_pool(ran_trainer *t)
{
    long processors = sysconf(_SC_NPROCESSORS_ONLN);
    unsigned threads = t->config.threads ? t->config.threads
                                         : (unsigned)(processors > 0 ? processors : 1);
    if (threads < 2)
        return RAN_OK;
    t->pool = ran_rt_pool_create(threads);
    return t->pool ? RAN_OK : ran_error(t->context, RAN_INVALID, "cannot start %u threads", threads);
}

static ran_status open_all(ran_trainer *t)
{
    ran_status status = ran_train_configure(t->context, t->recipe, t->model, &t->config);
    if (status)
        return status;
    status = open_data(t, "data", &t->train, &t->owns_train);
    ran_status test = open_data(t, "test", &t->test, &t->owns_test);
    status = status ? status : test;
    if (!status)
        status = create_pool(t);
    if (!status && (t->train || t->test))
        status = ran_trainer_prepare(t);
    return status;
}

ran_status ran_trainer_create(ran_context *context, const ran_module *model,
                              const ran_recipe *recipe, ran_trainer **out_trainer)
{
    ran_trainer *t = calloc(1, sizeof(*t));
    *out_trainer = NULL;
    if (!t)
        return ran_error(context, RAN_INVALID, "out of memory");
    t->context = context;
    t->model = ran_module_clone(model);
    t->recipe = ran_recipe_clone(recipe);
    t->test_loss = t->test_accuracy = -1;
    ran_cluster_start(&t->rank, &t->ranks);
    if (t->ranks > 1)
        ran_trainer_join(t);
    ran_status status = open_all(t);
    if (status)
        ran_trainer_destroy(t);
    else
        *out_trainer = t;
    return status;
}

static void drop_engines(ran_trainer *t)
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

static void close_data(ran_trainer *t)
{
    if (t->owns_train)
        ran_dataset_close(t->train);
    if (t->owns_test)
        ran_dataset_close(t->test);
    t->train = t->test = NULL;
    t->owns_train = t->owns_test = false;
}

void ran_trainer_destroy(ran_trainer *t)
{
    if (!t)
        return;
    drop_engines(t);
    close_data(t);
    ran_state_clear(&t->state);
    ran_train_config_clear(&t->config);
    if (t->pool)
        ran_rt_pool_destroy(t->pool);
    if (t->ranks > 1)
        ran_context_set_all_reduce(t->context, NULL, NULL);
    ran_recipe_destroy(t->recipe);
    ran_module_destroy(t->model);
    free(t);
}

void ran_trainer_set_data(ran_trainer *t, ran_dataset *train, ran_dataset *test)
{
    drop_engines(t); /* the state stays */
    close_data(t);
    t->train = train;
    t->test = test;
}

/* ---- Compiling -------------------------------------------------------------------------------------------- */

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

/* ---- Preparing ------------------------------------------------------------------------------------------------ */

/* The kind of the targets decides the default loss; mixup needs probabilities. */
static ran_status choose_targets(ran_trainer *t)
{
    const ran_dataset *d = t->train ? t->train : t->test;
    if (!d)
        return RAN_OK;
    if (t->config.default_loss && d->targets)
        t->config.losses[0] = (ran_loss){.kind = RAN_LOSS_MSE, .weight = 1};
    t->probabilities = d->targets || t->config.augment.mixup > 0;
    for (size_t i = 0; i < t->config.loss_count && d->classes; i++) {
        if (t->config.losses[i].kind == RAN_LOSS_MSE && !t->config.losses[i].value)
            return ran_error(t->context, RAN_USAGE,
                             "loss: mse without a value wants targets of floats; the data has "
                             "classes");
    }
    return RAN_OK;
}

/* The inference form at batch 1 tells the input's shape and the number of classes. */
static ran_status fit_data(ran_trainer *t, ran_dataset *dataset)
{
    const ran_function *function = ran_module_first_function(t->model);
    const ran_region *body = ran_function_body(function);
    if (!dataset || !ran_region_argument_count(body))
        return RAN_OK;
    const ran_type *input = ran_value_type(ran_region_argument(body, 0));
    const ran_op *end = ran_region_terminator(body);
    for (int i = 1; i < ran_type_rank(input); i++) {
        if (!ran_dim_is_constant(ran_type_dim(input, i)))
            return ran_error(t->context, RAN_USAGE,
                             "input '%s' is %s: training needs all sizes but the batch to be fixed; "
                             "bind them with --dim",
                             ran_value_name(ran_region_argument(body, 0)),
                             ran_type_text(t->context, input));
    }
    ran_status status = ran_loader_fit(t->context, dataset, input, &t->channels_last);
    if (status || !dataset->classes)
        return status;
    const ran_type *output = ran_value_type(ran_op_operand(end, 0));
    if (ran_type_rank(output) < 2 || !ran_dim_is_constant(ran_type_dim(output, 1)))
        return ran_error(t->context, RAN_UNSUPPORTED,
                         "the first output is %s: no axis of classes for the labels of %s",
                         ran_type_text(t->context, output), dataset->name);
    if (dataset->class_count > ran_type_extent(output, 1))
        return ran_error(t->context, RAN_INVALID,
                         "%s has %lld classes, the model's output %lld", dataset->name,
                         (long long)dataset->class_count, (long long)ran_type_extent(output, 1));
    return RAN_OK;
}

static ran_status prepare_part(ran_trainer *t, int64_t total)
{
    ran_engine *engine;
    ran_part part = ran_cluster_part(t->rank, t->ranks, total);
    return ran_trainer_engine(t, &part, &engine);
}

static ran_status create_engines(ran_trainer *t)
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

ran_status ran_trainer_prepare(ran_trainer *t)
{
    bool found = false;
    if (t->prepared)
        return RAN_OK;
    if (t->config.batch < t->ranks)
        return ran_error(t->context, RAN_USAGE, "a batch of %lld for %d processes",
                         (long long)t->config.batch, t->ranks);
    ran_status status = choose_targets(t);
    if (!status)
        status = fit_data(t, t->train);
    if (!status)
        status = fit_data(t, t->test);
    if (!status && t->train)
        status = create_engines(t);
    if (!status && t->train && t->config.resume)
        status = ran_checkpoint_read(t, t->config.checkpoint, &found);
    if (status)
        return status;
    if (t->train && t->config.resume)
        ran_note(t->context, found ? "going on from %s: epoch %lld, step %lld"
                                   : "no checkpoint %s yet: starting at epoch %lld, step %lld",
                 t->config.checkpoint, (long long)t->epoch, (long long)t->step);
    if (!t->config.normalization.given && (t->train || t->test))
        ran_note(t->context, "no normalisation (--scale, --mean, --std) is given or kept in the "
                             "model: data goes in raw");
    t->prepared = true;
    return RAN_OK;
}

/* ---- One step ---------------------------------------------------------------------------------------------------- */

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
        status = create_engines(t);
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

/* ---- Results -------------------------------------------------------------------------------------------------------- */

ran_status ran_trainer_save(const ran_trainer *t, const char *path)
{
    return ran_checkpoint_write(t, path);
}

/* Replaced, not overwritten: other modules may share the tensor. */
static ran_status replace_constant(ran_trainer *t, ran_module *model, const ran_parameter *p)
{
    char average[512];
    const char *name = ran_value_name(p->constant);
    snprintf(average, sizeof(average), "%s" RAN_STEP_AVERAGE, name);
    const ran_buffer *b = ran_state_find(&t->state, average);
    if (!b)
        b = ran_state_find(&t->state, name);
    if (!b)
        return RAN_OK;
    if (b->type != ran_value_type(p->constant))
        return ran_error(t->context, RAN_INVALID, "the model's '%s' is %s, the trained one %s",
                         name, ran_type_text(t->context, ran_value_type(p->constant)),
                         ran_type_text(t->context, b->type));
    ran_tensor *tensor = ran_tensor_copy(ran_value_constant(p->constant));
    if (!tensor)
        return ran_error(t->context, RAN_INVALID, "out of memory");
    memcpy(ran_tensor_mutable_data(tensor), b->data, (size_t)b->numel * sizeof(float));
    ran_value_set_name(p->constant, NULL);
    ran_value *fresh = ran_constant_create(model, name, tensor);
    ran_tensor_release(tensor);
    ran_value_set_name(fresh, name);
    ran_value_replace_uses(p->constant, fresh);
    return RAN_OK;
}

ran_status ran_trainer_export(ran_trainer *t, ran_module *model)
{
    size_t count;
    ran_status status = ran_trainer_prepare(t);
    if (status)
        return status;
    ran_parameter *parameters = ran_find_parameters(model, NULL, 0, &count);
    for (size_t i = 0; i < count && !status; i++)
        status = replace_constant(t, model, &parameters[i]);
    free(parameters);
    ran_module_drop_unused_constants(model);
    ran_normalization_store(&t->config.normalization, model);
    ran_module_set_metadata(model, "needs-fine-tuning", NULL);
    return status;
}
