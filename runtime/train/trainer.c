/* SPDX-License-Identifier: GPL-3.0-or-later */
/* A trainer's life: from recipe and data to compiled steps, and its end. */
#include "runtime/train/train.h"

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
    unsigned threads =
        t->config.threads ? t->config.threads : (unsigned)(processors > 0 ? processors : 1);
    if (threads < 2)
        return RAN_OK;
    t->pool = ran_rt_pool_create(threads);
    return t->pool ? RAN_OK
                   : ran_error(t->context, RAN_INVALID, "cannot start %u threads", threads);
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
    ran_trainer_drop_engines(t);
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
    ran_trainer_drop_engines(t);
    close_data(t);
    t->train = train;
    t->test = test;
}

static ran_status resume(ran_trainer *t)
{
    bool found = false;
    ran_status status = ran_checkpoint_read(t, t->config.checkpoint, &found);
    if (!status)
        ran_note(t->context,
                 found ? "going on from %s: epoch %lld, step %lld"
                       : "no checkpoint %s yet: starting at epoch %lld, step %lld",
                 t->config.checkpoint, (long long)t->epoch, (long long)t->step);
    return status;
}

/* What was decided without being asked for. */
static void tell(const ran_trainer *t)
{
    if (!t->config.normalization.given && (t->train || t->test))
        ran_note(t->context, "no normalisation (--scale, --mean, --std) is given or kept in the "
                             "model: data goes in raw");
    if (t->train && !t->test && t->config.eval_every)
        ran_note(t->context, "no test data (--test): \"test\" loss and accuracy are those of the "
                             "training data");
}

ran_status ran_trainer_prepare(ran_trainer *t)
{
    if (t->prepared)
        return RAN_OK;
    if (t->config.batch < t->ranks)
        return ran_error(t->context, RAN_USAGE, "a batch of %lld for %d processes",
                         (long long)t->config.batch, t->ranks);
    ran_status status = ran_trainer_fit(t);
    if (!status && t->train)
        status = ran_trainer_compile(t);
    if (!status && t->train && t->config.resume)
        status = resume(t);
    if (status)
        return status;
    tell(t);
    t->prepared = true;
    return RAN_OK;
}
