/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Batch norms of an assembled network. Each candidate has learned from the teacher's maps; behind
 * other candidates its input has another mean and variance than its norms remember, and so have the
 * norms of the teacher's layers behind it. Images go through in training mode with a learning rate
 * of 0: what changes are the running statistics alone.
 */
#include <stdlib.h>

#include "ir/ir.h"
#include "search/pretrain.h"

enum { BATCH = 64, BATCHES = 32 };

static bool has_norms(const ran_module *module)
{
    const ran_region *body = ran_function_body(ran_module_first_function(module));
    for (const ran_op *op = ran_region_first(body); op; op = ran_op_next(op))
        if (ran_op_is(op, RAN_OP_BATCH_NORMALIZATION))
            return true;
    return false;
}

static ran_status wrap_images(const ran_module *module, const ran_images *images, int64_t count,
                              ran_dataset **out_data)
{
    const ran_region *body = ran_function_body(ran_module_first_function(module));
    const ran_type *type = ran_value_type(ran_region_argument(body, 0));
    int64_t dims[RAN_MAX_RANK] = {count};
    for (int axis = 1; axis < ran_type_rank(type); axis++)
        dims[axis] = ran_type_extent(type, axis);
    ran_tensor *x = ran_tensor_wrap(RAN_ELEM_F32, ran_type_rank(type), dims, images->x, NULL, NULL);
    ran_tensor *y = ran_tensor_wrap(RAN_ELEM_I64, 1, &count, images->classes, NULL, NULL);
    ran_status status = ran_dataset_wrap(ran_module_context(module), x, y, out_data);
    ran_tensor_release(x);
    ran_tensor_release(y);
    return status;
}

static ran_status make_recipe(ran_context *context, unsigned threads, ran_recipe **out_recipe)
{
    const char *const settings[][2] = {
        {"lr", "0"},
        {"momentum", "0"},
        {"batch", ran_intern_printf(context, "%d", BATCH)},
        {"epochs", "1"},
        {"eval-every", "0"},
        {"scale", "1"}, /* the images are normalised */
        {"mean", "0"},
        {"std", "1"},
        {"threads", ran_intern_printf(context, "%u", threads)},
    };
    ran_status status = RAN_OK;
    *out_recipe = ran_recipe_create(context);
    for (size_t i = 0; i < sizeof settings / sizeof *settings && status == RAN_OK; i++)
        status = ran_recipe_set(*out_recipe, settings[i][0], settings[i][1]);
    return status;
}

static ran_status run(ran_module *module, ran_dataset *data, unsigned threads)
{
    ran_context *context = ran_module_context(module);
    ran_recipe *recipe;
    ran_trainer *trainer = NULL;
    ran_status status = make_recipe(context, threads, &recipe);
    if (status == RAN_OK)
        status = ran_trainer_create(context, module, recipe, &trainer);
    if (status == RAN_OK) {
        ran_trainer_set_data(trainer, data, NULL);
        status = ran_trainer_run(trainer, NULL, NULL);
    }
    if (status == RAN_OK)
        status = ran_trainer_export(trainer, module);
    ran_trainer_destroy(trainer);
    ran_recipe_destroy(recipe);
    return status;
}

ran_status ran_images_recalibrate(ran_module *module, const ran_images *images, int64_t count,
                                  unsigned threads)
{
    ran_dataset *data;
    if (!has_norms(module))
        return RAN_OK;
    if (count > BATCH * BATCHES)
        count = BATCH * BATCHES;
    if (count > BATCH)
        count -= count % BATCH; /* a step for the rest would be compiled */
    ran_status status = wrap_images(module, images, count, &data);
    if (status != RAN_OK)
        return status;
    status = run(module, data, threads);
    ran_dataset_close(data);
    return status;
}
