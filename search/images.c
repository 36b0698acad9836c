/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Images in memory, and what a network makes of them. */
#include <math.h>
#include <stdlib.h>

#include "ir/ir.h"
#include "runtime/train/train.h"
#include "search/model.h"
#include "search/pretrain.h"

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

static ran_status score_all(ran_context *context, const float *logits, int64_t classes,
                            const int64_t *expected, int64_t count, double *out_loss,
                            double *out_accuracy)
{
    double loss = 0, correct = 0;
    for (int64_t i = 0; i < count; i++) {
        if (expected[i] >= classes)
            return ran_error(context, RAN_INVALID,
                             "class %lld of the data is none of the model's %lld",
                             (long long)expected[i], (long long)classes);
        score(logits + i * classes, classes, expected[i], &loss, &correct);
    }
    *out_loss = loss / (double)count;
    *out_accuracy = correct / (double)count;
    return RAN_OK;
}

ran_status ran_images_score(ran_context *context, ran_native *native, const ran_images *images,
                            int64_t first, int64_t count, double *out_loss, double *out_accuracy)
{
    int64_t batch = ran_native_input_numel(native) / images->numel;
    int64_t classes = ran_native_output_numel(native, 0) / batch;
    float *logits = calloc((size_t)(count * classes) + 1, sizeof *logits);
    ran_status status =
        logits ? ran_native_run_all(native, images->x + first * images->numel, count, &logits)
               : ran_error(context, RAN_INVALID, "not enough memory");
    if (status == RAN_OK)
        status = score_all(context, logits, classes, images->classes + first, count, out_loss,
                           out_accuracy);
    free(logits);
    return status;
}

ran_status ran_images_evaluate(const ran_module *module, const ran_images *images, int64_t first,
                               int64_t count, double *out_loss, double *out_accuracy)
{
    ran_native *native = NULL;
    ran_status status = ran_native_create_batch(module, EVALUATION_BATCH, &native);
    if (status == RAN_OK)
        status = ran_images_score(ran_module_context(module), native, images, first, count,
                                  out_loss, out_accuracy);
    ran_native_destroy(native);
    return status;
}
