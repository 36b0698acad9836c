/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * sgd_steps MODEL.onnx X.npy Y.npy BATCH RATE TUNED.onnx [NAME=VALUE...]: one step of SGD on each
 * batch of the samples, in their order, and the trained weights into TUNED.onnx. NAME=VALUE are
 * options of ran-train; momentum is 0. What ran-train itself can't do: it shuffles. Only installed
 * headers are used, as a program of somebody else would.
 */
#include <ran/onnx.h>
#include <ran/ran.h>
#include <ran/train.h>

#include <stdlib.h>
#include <string.h>

typedef struct samples {
    float *x;
    int64_t *classes;
    int64_t count, size;
} samples;

static ran_status read_all(ran_dataset *data, samples *out)
{
    int64_t dims[8];
    ran_status status = RAN_OK;
    out->count = ran_dataset_count(data);
    out->size = 1;
    for (int i = ran_dataset_shape(data, dims) - 1; i >= 0; i--)
        out->size *= dims[i];
    out->x = malloc((size_t)(out->count * out->size) * sizeof(*out->x));
    out->classes = malloc((size_t)out->count * sizeof(*out->classes));
    if (!out->x || !out->classes)
        abort();
    for (int64_t i = 0; !status && i < out->count; i++)
        status = ran_dataset_read(data, i, out->x + i * out->size, &out->classes[i]);
    return status;
}

static ran_status read_samples(ran_context *context, const char *x, const char *y, samples *out)
{
    char specification[4096];
    ran_dataset *data;
    snprintf(specification, sizeof(specification), "npy:%s,%s", x, y);
    ran_status status = ran_dataset_open(context, specification, &data);
    if (status)
        return status;
    status = read_all(data, out);
    ran_dataset_close(data);
    return status;
}

static ran_status set(ran_recipe *recipe, const char *batch, char **options)
{
    ran_status status = ran_recipe_set(recipe, "momentum", "0");
    if (!status)
        status = ran_recipe_set(recipe, "batch", batch);
    for (; !status && *options; options++) {
        char *value = strchr(*options, '=');
        if (value)
            *value++ = 0;
        status = ran_recipe_set(recipe, *options, value ? value : "true");
    }
    return status;
}

static ran_status train(ran_trainer *trainer, const samples *s, int64_t batch, double rate)
{
    ran_status status = RAN_OK;
    double loss = 0;
    for (int64_t i = 0; !status && i + batch <= s->count; i += batch)
        status = ran_trainer_step(trainer, s->x + i * s->size, s->classes + i, batch, rate, &loss);
    if (!status)
        printf("loss %.7g\n", loss);
    return status;
}

static ran_status run(ran_context *context, ran_recipe *recipe, char **arguments)
{
    samples s = {0};
    ran_module *model = NULL;
    ran_trainer *trainer = NULL;
    ran_status status = ran_onnx_import(context, arguments[0], NULL, &model);
    if (!status)
        status = read_samples(context, arguments[1], arguments[2], &s);
    if (!status)
        status = set(recipe, arguments[3], arguments + 6);
    if (!status)
        status = ran_trainer_create(context, model, recipe, &trainer);
    if (!status)
        status = train(trainer, &s, atoll(arguments[3]), atof(arguments[4]));
    if (!status)
        status = ran_trainer_export(trainer, model);
    if (!status)
        status = ran_onnx_export(model, arguments[5], NULL);
    ran_trainer_destroy(trainer);
    ran_module_destroy(model);
    free(s.x);
    free(s.classes);
    return status;
}

int main(int argc, char **argv)
{
    if (argc < 7)
        return RAN_USAGE;
    ran_context *context = ran_context_create();
    ran_recipe *recipe = ran_recipe_create(context);
    ran_status status = run(context, recipe, argv + 1);
    ran_diagnostics_print(context, stderr);
    ran_recipe_destroy(recipe);
    ran_context_destroy(context);
    return (int)status;
}
