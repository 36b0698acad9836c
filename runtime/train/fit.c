/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Whether the data sets fit the model and the losses. */
#include "runtime/train/train.h"

#include <fnmatch.h>
#include <stdlib.h>

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

static ran_status fit_input(ran_trainer *t, ran_dataset *dataset, const ran_value *argument)
{
    const ran_type *input = ran_value_type(argument);
    for (int i = 1; i < ran_type_rank(input); i++) {
        if (!ran_dim_is_constant(ran_type_dim(input, i)))
            return ran_error(
                t->context, RAN_USAGE,
                "input '%s' is %s: training needs all sizes but the batch to be fixed; "
                "bind them with --dim",
                ran_value_name(argument), ran_type_text(t->context, input));
    }
    return ran_loader_fit(t->context, dataset, input, &t->channels_last);
}

static ran_status fit_classes(ran_trainer *t, const ran_dataset *dataset, const ran_type *output)
{
    if (ran_type_rank(output) < 2 || !ran_dim_is_constant(ran_type_dim(output, 1)))
        return ran_error(t->context, RAN_UNSUPPORTED,
                         "the first output is %s: no axis of classes for the labels of %s",
                         ran_type_text(t->context, output), dataset->name);
    if (dataset->class_count > ran_type_extent(output, 1))
        return ran_error(t->context, RAN_INVALID, "%s has %lld classes, the model's output %lld",
                         dataset->name, (long long)dataset->class_count,
                         (long long)ran_type_extent(output, 1));
    return RAN_OK;
}

/* The inference form at batch 1 tells the input's shape and the number of classes. */
static ran_status fit_data(ran_trainer *t, ran_dataset *dataset)
{
    const ran_region *body = ran_function_body(ran_module_first_function(t->model));
    if (!dataset || !ran_region_argument_count(body))
        return RAN_OK;
    ran_status status = fit_input(t, dataset, ran_region_argument(body, 0));
    if (status || !dataset->classes)
        return status;
    const ran_value *output = ran_op_operand(ran_region_terminator(body), 0);
    return fit_classes(t, dataset, ran_value_type(output));
}

static bool is_matched(const ran_parameter *parameters, size_t count, const char *glob)
{
    for (size_t i = 0; i < count; i++)
        if (!fnmatch(glob, ran_value_name(parameters[i].constant), 0))
            return true;
    return false;
}

/* A name that is misspelt would be trained. */
static void check_freeze(const ran_trainer *t)
{
    size_t count;
    ran_parameter *parameters = ran_find_parameters(t->model, NULL, 0, &count);
    for (size_t i = 0; parameters && i < t->config.freeze_count; i++)
        if (!is_matched(parameters, count, t->config.freeze[i]))
            ran_note(t->context, "freeze: the model has no parameter '%s'", t->config.freeze[i]);
    free(parameters);
}

ran_status ran_trainer_fit(ran_trainer *t)
{
    ran_status status = choose_targets(t);
    check_freeze(t);
    if (!status)
        status = fit_data(t, t->train);
    if (!status)
        status = fit_data(t, t->test);
    return status;
}
