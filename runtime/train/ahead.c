/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The training step ahead of time: its module from a recipe, and the state that it starts from. */
#include "runtime/train/train.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "ir/beside.h"

static ran_training_spec spec_of(const ran_train_config *config)
{
    return (ran_training_spec){.batch = config->batch,
                               .probabilities = config->augment.mixup > 0,
                               .seed = config->seed,
                               .memory = config->memory,
                               .losses = config->losses,
                               .loss_count = config->loss_count,
                               .optimizer = config->optimizer,
                               .freeze = (const char *const *)config->freeze,
                               .freeze_count = config->freeze_count,
                               .drop_path = config->drop_path,
                               .dropout = config->dropout};
}

static ran_status write_state(ran_context *context, const ran_state *state, const char *path)
{
    const char *temporary = ran_beside(context, path);
    FILE *file = fopen(temporary, "wb");
    bool failed = !file;
    for (size_t i = 0; i < state->count && !failed; i++) {
        size_t count = (size_t)state->items[i].numel;
        failed = fwrite(state->items[i].data, sizeof(float), count, file) != count;
    }
    failed |= file && fclose(file);
    if (!failed && ran_beside_rename(temporary, path))
        return RAN_OK;
    ran_status status =
        ran_error(context, RAN_INVALID, "cannot write %s: %s", path, strerror(errno));
    ran_beside_remove(temporary, path);
    return status;
}

static ran_status save_state(ran_context *context, const ran_module *step, const ran_module *model,
                             const ran_train_config *config, const char *path)
{
    ran_state state = {0};
    ran_status status = ran_state_add(&state, context, step, model);
    if (!status)
        status = ran_state_initialize(&state, config, model);
    if (!status) {
        ran_state_start(&state);
        status = write_state(context, &state, path);
    }
    ran_state_clear(&state);
    return status;
}

ran_status ran_training_ahead(ran_context *context, const ran_module *model,
                              const ran_recipe *recipe, bool evaluation, const char *state_path,
                              ran_module **out_module)
{
    ran_train_config config;
    ran_module *step = NULL;
    *out_module = NULL;
    ran_status status = ran_train_configure(context, recipe, model, &config);
    ran_training_spec spec = spec_of(&config);
    if (!status)
        status = ran_training_step_create(model, &spec, &step);
    if (!status && evaluation)
        status = ran_evaluation_create(model, step, config.eval_batch, NULL, 0, out_module);
    if (!status && state_path)
        status = save_state(context, step, model, &config, state_path);
    if (step && (evaluation || status))
        ran_module_destroy(step);
    else
        *out_module = step;
    ran_train_config_clear(&config);
    return status;
}
