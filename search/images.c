/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Images in memory, and what a network makes of them. */
#include <math.h>
#include <stdlib.h>

#include "ir/ir.h"
#include "runtime/train/train.h"
#include "search/model.h"
#include "search/pretrain.h"

enum { EVALUATION_BATCH = 8 };

static void normalize(const ran_normalization *n, float *x, int64_t channels, int64_t numel)
{
    int64_t inner = numel / channels;
    for (int64_t i = 0; i < numel; i++) {
        int64_t channel = i / inner;
        double mean = n->mean_count ? n->mean[n->mean_count > 1 ? channel : 0] : 0;
        double std = n->std_count ? n->std[n->std_count > 1 ? channel : 0] : 1;
        x[i] = (float)(((double)x[i] * n->scale - mean) / std);
    }
}

static ran_status allocate(ran_context *context, const ran_module *module, ran_images *images)
{
    const ran_region *body = ran_function_body(ran_module_first_function(module));
    const ran_type *type = ran_value_type(ran_region_argument(body, 0));
    images->numel = 1;
    for (int axis = 1; axis < ran_type_rank(type); axis++)
        images->numel *= ran_type_extent(type, axis);
    size_t count = (size_t)images->count + 1;
    images->x = calloc(count * (size_t)images->numel, sizeof *images->x);
    images->classes = calloc(count, sizeof *images->classes);
    return images->x && images->classes
               ? RAN_OK
               : ran_error(context, RAN_INVALID, "not enough memory for %zu images", count);
}

static ran_status read_all(ran_context *context, const ran_normalization *normalization,
                           ran_dataset *dataset, int64_t first, int64_t channels,
                           ran_images *images)
{
    ran_status status = RAN_OK;
    for (int64_t i = 0; i < images->count && status == RAN_OK; i++) {
        float *x = images->x + i * images->numel;
        status = ran_dataset_read(dataset, first + i, x, &images->classes[i]);
        if (status == RAN_OK && images->classes[i] < 0)
            status = ran_error(context, RAN_UNSUPPORTED, "%s has no classes", dataset->name);
        normalize(normalization, x, channels, images->numel);
    }
    return status;
}

ran_status ran_images_read(ran_context *context, const ran_module *module, const ran_recipe *recipe,
                           ran_dataset *dataset, int64_t first, int64_t count,
                           ran_images *out_images)
{
    ran_train_config config;
    *out_images = (ran_images){.count = count};
    const ran_region *body = ran_function_body(ran_module_first_function(module));
    int64_t channels = ran_type_extent(ran_value_type(ran_region_argument(body, 0)), 1);
    ran_status status = allocate(context, module, out_images);
    if (status == RAN_OK && dataset->numel != out_images->numel)
        status = ran_error(context, RAN_INVALID,
                           "%s has samples of %lld values, the model takes "
                           "%lld",
                           dataset->name, (long long)dataset->numel, (long long)out_images->numel);
    if (status == RAN_OK)
        status = ran_train_configure(context, recipe, module, &config);
    if (status == RAN_OK) {
        status = read_all(context, &config.normalization, dataset, first, channels, out_images);
        ran_train_config_clear(&config);
    }
    if (status != RAN_OK)
        ran_images_clear(out_images);
    return status;
}

void ran_images_clear(ran_images *images)
{
    free(images->x);
    free(images->classes);
    *images = (ran_images){0};
}

/* Adds one image's part. */
static void score(const float *logits, int64_t classes, int64_t expected, double *loss,
                  double *correct)
{
    int64_t best = 0;
    double sum = 0;
    for (int64_t c = 1; c < classes; c++)
        best = logits[c] > logits[best] ? c : best;
    for (int64_t c = 0; c < classes; c++)
        sum += exp((double)logits[c] - (double)logits[best]);
    *loss += log(sum) + (double)logits[best] - (double)logits[expected];
    *correct += best == expected;
}

ran_status ran_images_evaluate(const ran_module *module, const ran_images *images, int64_t first,
                               int64_t count, double *out_loss, double *out_accuracy)
{
    ran_native *native = NULL;
    ran_module *copy = ran_module_clone(module);
    ran_context *context = ran_module_context(module);
    ran_status status = ran_search_set_batch(copy, EVALUATION_BATCH);
    if (status == RAN_OK)
        status = ran_native_create(copy, NULL, &native);
    ran_module_destroy(copy);
    if (status != RAN_OK)
        return status;
    int64_t classes = ran_native_output_numel(native, 0) / EVALUATION_BATCH;
    float *x = calloc((size_t)ran_native_input_numel(native), sizeof *x);
    float *y = calloc((size_t)ran_native_output_numel(native, 0), sizeof *y);
    double loss = 0, correct = 0;
    if (!x || !y)
        status = ran_error(context, RAN_INVALID, "not enough memory");
    for (int64_t at = 0; at < count && status == RAN_OK; at += EVALUATION_BATCH) {
        int64_t now = count - at < EVALUATION_BATCH ? count - at : EVALUATION_BATCH;
        for (int64_t i = 0; i < now * images->numel; i++)
            x[i] = images->x[(first + at) * images->numel + i];
        status = ran_native_run(native, x, &y);
        for (int64_t i = 0; i < now && status == RAN_OK; i++) {
            int64_t expected = images->classes[first + at + i];
            if (expected >= classes)
                status = ran_error(context, RAN_INVALID,
                                   "class %lld of the data is none of the "
                                   "model's %lld",
                                   (long long)expected, (long long)classes);
            else
                score(y + i * classes, classes, expected, &loss, &correct);
        }
    }
    free(x);
    free(y);
    ran_native_destroy(native);
    *out_loss = loss / (double)count;
    *out_accuracy = correct / (double)count;
    return status;
}
