/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Fine-tuning: classes and the teacher's outputs. */
#include <string.h>

#include "ir/ir.h"
#include "runtime/train/train.h"
#include "search/hant.h"

typedef struct tuning {
    const ran_hant *hant;
    const char *method;
} tuning;

static bool watch_tuning(void *data, const ran_train_progress *p)
{
    tuning *t = data;
    if (t->hant->options.tuning)
        t->hant->options.tuning(t->hant->options.data, t->method, p);
    if (p->epoch_done)
        ran_hant_say(t->hant, "tuning %s: epoch %lld of %lld, loss %.4f, test accuracy %.2f %%",
                     t->method, (long long)p->epoch + 1, (long long)p->epochs, p->loss,
                     100 * p->test_accuracy);
    return true;
}

static ran_status tune_recipe(const ran_hant *h, const char *checkpoint, ran_recipe **out_recipe)
{
    const char *const settings[][2] = {
        {"loss", "ce,kl"},
        {"teacher", ran_hant_path(h, h->options.directory, "teacher.ran")},
        {"checkpoint", checkpoint},
        {"resume", "true"},
    };
    ran_status status = RAN_OK;
    *out_recipe = ran_recipe_clone(h->options.recipe);
    for (size_t i = 0; i < sizeof settings / sizeof *settings && status == RAN_OK; i++)
        status = ran_recipe_set(*out_recipe, settings[i][0], settings[i][1]);
    return status;
}

/* Trains with the teacher's outputs; the module takes the weights. Its state is in DIRECTORY/NAME.
 */
static ran_status tune(const ran_hant *h, const char *checkpoint, const char *method,
                       ran_module *module)
{
    ran_recipe *recipe;
    ran_trainer *trainer = NULL;
    tuning t = {h, method};
    ran_status status = tune_recipe(h, checkpoint, &recipe);
    if (status == RAN_OK)
        status = ran_trainer_create(h->context, module, recipe, &trainer);
    if (status == RAN_OK)
        status = ran_trainer_run(trainer, watch_tuning, &t);
    if (status == RAN_OK)
        status = ran_trainer_export(trainer, module);
    ran_trainer_destroy(trainer);
    ran_recipe_destroy(recipe);
    return status;
}

ran_status ran_hant_tune(const ran_hant *h, const char *checkpoint, ran_hant_choice *c,
                         ran_module **out_module)
{
    double loss;
    ran_status status = ran_hant_build(h, c, out_module);
    if (status != RAN_OK)
        return status;
    status = tune(h, checkpoint, c->method, *out_module);
    if (status == RAN_OK)
        status =
            ran_images_evaluate(*out_module, &h->test, 0, h->test.count, &loss, &c->accuracy_after);
    if (status != RAN_OK)
        ran_module_destroy(*out_module);
    return status;
}

static ran_status tune_baseline(const ran_hant *h, const ran_hant_result *r, ran_hant_choice *c)
{
    ran_module *module;
    const ran_hant_choice *equal = ran_hant_find_equal(h, r, c);
    if (equal) {
        c->accuracy_after = equal->accuracy_after;
        return RAN_OK;
    }
    const char *checkpoint =
        ran_intern_printf(h->context, "%s/%s.checkpoint", r->directory, c->method);
    ran_status status = ran_hant_tune(h, checkpoint, c, &module);
    if (status == RAN_OK)
        ran_module_destroy(module);
    return status;
}

/* The first of each method. */
ran_status ran_hant_tune_baselines(const ran_hant *h, ran_hant_result *r)
{
    ran_status status = RAN_OK;
    for (size_t i = 0; i < r->baseline_count && status == RAN_OK; i++)
        if (!i || strcmp(r->baselines[i].method, r->baselines[i - 1].method))
            status = tune_baseline(h, r, &r->baselines[i]);
    return status;
}
