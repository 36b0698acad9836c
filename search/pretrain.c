/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "search/pretrain.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "ir/ir.h"
#include "search/features.h"
#include "search/model.h"

/* ---- One candidate --------------------------------------------------------------------------- */

typedef struct trial {
    const ran_module *module;
    const ran_layer *layer;
    const ran_candidate *candidate;
    const ran_images *images;
    const ran_pretrain_options *options;
    const ran_feature *x, *y;
    ran_dataset *data;  /* the teacher's maps at both ends, of the images for training */
    ran_native *tail;   /* from the layer's output to the classes */
    ran_images outputs; /* what the tail takes: the candidate's maps with the images' classes */
    double teacher_loss, teacher_accuracy;
} trial;

static ran_tensor *wrap_feature(const ran_feature *f, const ran_value *value, int64_t count)
{
    int64_t dims[4] = {count, ran_layer_extent(value, 1), ran_layer_extent(value, 2),
                       ran_layer_extent(value, 3)};
    return ran_tensor_wrap(RAN_ELEM_F32, 4, dims, f->data, NULL, NULL);
}

static ran_status make_recipe(ran_context *context, const ran_pretrain_options *o,
                              ran_recipe **out_recipe)
{
    const char *const settings[][2] = {
        {"optimizer", o->optimizer},
        {"lr", o->rate},
        {"batch", o->batch},
        {"epochs", o->epochs},
        {"loss", "mse*0.001"},
        {"scale", "1"}, /* the maps are of normalised images */
        {"mean", "0"},
        {"std", "1"},
        {"eval-every", "0"},
        {"seed", ran_intern_printf(context, "%llu", (unsigned long long)o->seed)},
        {"threads", ran_intern_printf(context, "%u", o->threads)},
    };
    ran_status status = RAN_OK;
    *out_recipe = ran_recipe_create(context);
    for (size_t i = 0; i < sizeof settings / sizeof *settings && status == RAN_OK; i++)
        status = ran_recipe_set(*out_recipe, settings[i][0], settings[i][1]);
    return status;
}

static ran_status train(const trial *t, ran_module *candidate)
{
    ran_context *context = ran_module_context(candidate);
    ran_recipe *recipe;
    ran_trainer *trainer = NULL;
    ran_status status = make_recipe(context, t->options, &recipe);
    if (status == RAN_OK)
        status = ran_trainer_create(context, candidate, recipe, &trainer);
    if (status == RAN_OK) {
        ran_trainer_set_data(trainer, t->data, NULL);
        status = ran_trainer_run(trainer, NULL, NULL);
    }
    if (status == RAN_OK)
        status = ran_trainer_export(trainer, candidate);
    ran_trainer_destroy(trainer);
    ran_recipe_destroy(recipe);
    return status;
}

/* The candidate's maps of the images that were held out, and their error. */
static ran_status run_candidate(const trial *t, const ran_module *candidate, double *out_error)
{
    ran_native *native = NULL;
    float *y = t->outputs.x;
    double error = 0, power = 0;
    int64_t first = t->images->count - t->options->held_out;
    const float *expected = t->y->data + first * t->y->numel;
    ran_status status = ran_native_create_batch(candidate, EVALUATION_BATCH, &native);
    if (status == RAN_OK)
        status =
            ran_native_run_all(native, t->x->data + first * t->x->numel, t->options->held_out, &y);
    ran_native_destroy(native);
    for (int64_t i = 0; i < t->options->held_out * t->y->numel; i++) {
        double difference = (double)y[i] - (double)expected[i];
        error += difference * difference;
        power += (double)expected[i] * (double)expected[i];
    }
    *out_error = power > 0 ? error / power : 0;
    return status;
}

static ran_status evaluate(const trial *t, const ran_module *candidate, ran_loss_row *out_row)
{
    double loss = 0, accuracy = 0;
    ran_status status = run_candidate(t, candidate, &out_row->error);
    if (status == RAN_OK)
        status = ran_images_score(ran_module_context(t->module), t->tail, &t->outputs, 0,
                                  t->options->held_out, &loss, &accuracy);
    out_row->loss = loss - t->teacher_loss;
    out_row->drop = 100 * (t->teacher_accuracy - accuracy);
    return status;
}

/* Trained weights that are there are taken: the run was killed behind them. */
static ran_status make_candidate(const trial *t, const ran_slot *slot, ran_module **out_candidate)
{
    ran_context *context = ran_module_context(t->module);
    const char *path =
        ran_pretrain_path(context, t->options->directory, t->layer->name, t->candidate->name);
    if (!access(path, R_OK))
        return ran_search_load(context, path, out_candidate);
    ran_status status =
        ran_candidate_build(context, t->candidate, slot, t->options->seed, out_candidate);
    if (status != RAN_OK)
        return status;
    if (t->candidate->is_trained)
        status = train(t, *out_candidate);
    if (status == RAN_OK)
        status = ran_search_save(*out_candidate, path);
    if (status != RAN_OK)
        ran_module_destroy(*out_candidate);
    return status;
}

static ran_status try_candidate(const trial *t, const ran_slot *slot, ran_loss_table *table)
{
    ran_context *context = ran_module_context(t->module);
    ran_module *candidate;
    ran_loss_row row = {.layer = t->layer->name, .candidate = t->candidate->name};
    ran_status status = make_candidate(t, slot, &candidate);
    if (status != RAN_OK)
        return status;
    status = evaluate(t, candidate, &row);
    ran_module_destroy(candidate);
    if (status != RAN_OK)
        return status;
    ran_losses_add(table, &row);
    return ran_losses_write(context, table,
                            ran_losses_path(context, t->options->directory, t->options->rank));
}

/* ---- All of a layer -------------------------------------------------------------------------- */

typedef struct counter {
    size_t seen;        /* of all processes' */
    size_t done, count; /* of this one's */
} counter;

static bool is_mine(const ran_pretrain_options *o, counter *at)
{
    return o->ranks < 2 || at->seen++ % (size_t)o->ranks == (size_t)o->rank;
}

static bool is_wanted(const ran_candidate *candidate, const ran_layer *layer, const ran_slot *slot,
                      const ran_latency_table *latencies, const ran_loss_table *table)
{
    int64_t latency = ran_latency_find(latencies, layer->name, candidate->name);
    return ran_candidate_fits(candidate, slot) && latency >= 0 &&
           latency <= ran_latency_find(latencies, layer->name, "teacher") &&
           !ran_losses_find(table, layer->name, candidate->name);
}

static ran_status try_layer(trial *t, const ran_pool *pool, const ran_latency_table *latencies,
                            counter *at, ran_loss_table *table)
{
    ran_slot slot = ran_slot_of(t->layer);
    ran_status status = RAN_OK;
    for (size_t i = 0; i < pool->count && status == RAN_OK; i++) {
        t->candidate = pool->candidates[i];
        if (!is_wanted(t->candidate, t->layer, &slot, latencies, table) || !is_mine(t->options, at))
            continue;
        if (t->options->progress)
            t->options->progress(t->options->data, t->layer->name, t->candidate->name, at->done,
                                 at->count);
        at->done++;
        status = try_candidate(t, &slot, table);
    }
    return status;
}

static ran_status open_data(trial *t)
{
    int64_t count = t->images->count - t->options->held_out;
    ran_tensor *x = wrap_feature(t->x, t->layer->input, count);
    ran_tensor *y = wrap_feature(t->y, t->layer->output, count);
    ran_status status = ran_dataset_wrap(ran_module_context(t->module), x, y, &t->data);
    ran_tensor_release(x);
    ran_tensor_release(y);
    return status;
}

static ran_status open_tail(trial *t)
{
    const ran_function *function = ran_module_first_function(t->module);
    const ran_op *end = ran_region_terminator(ran_function_body(function));
    int64_t first = t->images->count - t->options->held_out;
    ran_module *tail;
    t->outputs = (ran_images){
        .classes = t->images->classes + first, .count = t->options->held_out, .numel = t->y->numel};
    t->outputs.x = calloc((size_t)(t->options->held_out * t->y->numel), sizeof *t->outputs.x);
    if (!t->outputs.x)
        return ran_error(ran_module_context(t->module), RAN_INVALID, "not enough memory");
    ran_status status = ran_search_cut(function, t->layer->output, ran_op_operand(end, 0), &tail);
    if (status != RAN_OK)
        return status;
    status = ran_native_create_batch(tail, EVALUATION_BATCH, &t->tail);
    ran_module_destroy(tail);
    return status;
}

static ran_status pretrain_layer(trial *t, const ran_features *f, const ran_pool *pool,
                                 const ran_latency_table *latencies, counter *at,
                                 ran_loss_table *table)
{
    t->x = ran_features_find(f, ran_value_name(t->layer->input));
    t->y = ran_features_find(f, ran_value_name(t->layer->output));
    t->data = NULL;
    t->tail = NULL;
    t->outputs = (ran_images){0};
    ran_status status = open_data(t);
    if (status == RAN_OK)
        status = open_tail(t);
    if (status == RAN_OK)
        status = try_layer(t, pool, latencies, at, table);
    if (t->data)
        ran_dataset_close(t->data);
    ran_native_destroy(t->tail);
    free(t->outputs.x);
    return status;
}

static size_t count_wanted(const ran_layers *layers, const ran_pool *pool,
                           const ran_latency_table *latencies, const ran_loss_table *table)
{
    size_t count = 0;
    for (size_t l = 0; l < layers->count; l++) {
        if (!layers->layers[l].is_chosen)
            continue;
        ran_slot slot = ran_slot_of(&layers->layers[l]);
        for (size_t i = 0; i < pool->count; i++)
            count += is_wanted(pool->candidates[i], &layers->layers[l], &slot, latencies, table);
    }
    return count;
}

ran_status ran_pretrain(const ran_module *module, const ran_layers *layers, const ran_pool *pool,
                        const ran_latency_table *latencies, const ran_images *images,
                        const ran_pretrain_options *options, ran_loss_table *table)
{
    ran_context *context = ran_module_context(module);
    size_t wanted = count_wanted(layers, pool, latencies, table);
    size_t ranks = options->ranks < 2 ? 1 : (size_t)options->ranks;
    counter at = {.count = (wanted + ranks - 1 - (size_t)options->rank) / ranks};
    if (!at.count)
        return RAN_OK;
    ran_features f = {0};
    trial t = {.module = module, .images = images, .options = options};
    ran_status status = ran_search_make_directory(
        context, ran_intern_printf(context, "%s/candidates", options->directory));
    if (status == RAN_OK)
        status = ran_images_evaluate(module, images, images->count - options->held_out,
                                     options->held_out, &t.teacher_loss, &t.teacher_accuracy);
    if (status == RAN_OK)
        status = ran_features_compute(module, layers, images, options->directory, &f);
    for (size_t i = 0; i < layers->count && status == RAN_OK; i++) {
        t.layer = &layers->layers[i];
        if (t.layer->is_chosen)
            status = pretrain_layer(&t, &f, pool, latencies, &at, table);
    }
    ran_features_clear(&f);
    return status;
}
