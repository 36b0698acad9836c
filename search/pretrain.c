/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "search/pretrain.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "ir/ir.h"
#include "search/model.h"

enum { FEATURE_BATCH = 8 };

/* ---- Losses as text
 * ------------------------------------------------------------------------------- */

static void add_row(ran_loss_table *table, const ran_loss_row *row)
{
    if (table->count % 256 == 0) {
        ran_loss_row *rows = RAN_ARENA_ARRAY(table->arena, ran_loss_row, table->count + 256);
        if (table->count)
            memcpy(rows, table->rows, table->count * sizeof *rows);
        table->rows = rows;
    }
    table->rows[table->count++] = (ran_loss_row){ran_arena_string(table->arena, row->layer),
                                                 ran_arena_string(table->arena, row->candidate),
                                                 row->loss, row->drop, row->error};
}

const ran_loss_row *ran_losses_find(const ran_loss_table *table, const char *layer,
                                    const char *candidate)
{
    for (size_t i = 0; i < table->count; i++)
        if (!strcmp(table->rows[i].layer, layer) && !strcmp(table->rows[i].candidate, candidate))
            return &table->rows[i];
    return NULL;
}

/* A last line without its end was being written when the run was killed. */
ran_status ran_losses_read(ran_context *context, ran_arena *arena, const char *path,
                           ran_loss_table *out_table)
{
    *out_table = (ran_loss_table){.arena = arena};
    FILE *file = fopen(path, "r");
    if (!file)
        return errno == ENOENT
                   ? RAN_OK
                   : ran_error(context, RAN_INVALID, "cannot read %s: %s", path, strerror(errno));
    char *line = NULL;
    size_t size = 0;
    while (getline(&line, &size, file) >= 0) {
        char layer[256], candidate[256];
        ran_loss_row row = {.layer = layer, .candidate = candidate};
        if (strchr(line, '\n') && sscanf(line, "%255s %255s %lf %lf %lf", layer, candidate,
                                         &row.loss, &row.drop, &row.error) == 5)
            add_row(out_table, &row);
    }
    free(line);
    fclose(file);
    return RAN_OK;
}

/* Numbers as they are read back: a resumed run must plan with the same ones. The file is written
 * anew each time, so that no half line stays in its middle. */
static ran_status save_losses(ran_context *context, const ran_loss_table *table, const char *path)
{
    const char *temporary = ran_intern_printf(context, "%s.part", path);
    FILE *file = fopen(temporary, "w");
    bool failed = !file;
    for (size_t i = 0; file && i < table->count; i++)
        fprintf(file, "%s %s %.17g %.17g %.17g\n", table->rows[i].layer, table->rows[i].candidate,
                table->rows[i].loss, table->rows[i].drop, table->rows[i].error);
    failed |= file && ferror(file);
    failed |= file && fclose(file) != 0;
    return failed || rename(temporary, path)
               ? ran_error(context, RAN_INVALID, "cannot write %s: %s", path, strerror(errno))
               : RAN_OK;
}

const char *ran_pretrain_path(ran_context *context, const char *directory, const char *layer,
                              const char *candidate)
{
    char *name = (char *)ran_intern_printf(context, "%s", layer);
    char flat[256];
    snprintf(flat, sizeof flat, "%s", name);
    for (char *c = flat; *c; c++)
        if (*c == '/')
            *c = '_';
    return ran_intern_printf(context, "%s/candidates/%s.%s.ran", directory, flat, candidate);
}

/* ---- Features
 * --------------------------------------------------------------------------------------- */

typedef struct feature {
    const char *name; /* of the value */
    int64_t numel;    /* of one image */
    float *data;
} feature;

typedef struct features {
    feature *items;
    size_t count;
    float *memory;
    size_t bytes;
} features;

static feature *find_feature(const features *f, const char *name)
{
    for (size_t i = 0; i < f->count; i++)
        if (!strcmp(f->items[i].name, name))
            return &f->items[i];
    return NULL;
}

static void want_feature(features *f, const ran_value *value)
{
    if (find_feature(f, ran_value_name(value)))
        return;
    f->items[f->count++] =
        (feature){.name = ran_value_name(value), .numel = ran_type_numel(ran_value_type(value))};
}

/* Room in a file that nobody sees: what does not fit in memory lies on disk. */
static ran_status map_features(ran_context *context, const char *directory, features *f,
                               int64_t images)
{
    for (size_t i = 0; i < f->count; i++)
        f->bytes += (size_t)(f->items[i].numel * images) * sizeof(float);
    char *path = (char *)ran_intern_printf(context, "%s/features.XXXXXX", directory);
    char name[4096];
    snprintf(name, sizeof name, "%s", path);
    int descriptor = mkstemp(name);
    if (descriptor >= 0)
        unlink(name);
    bool failed = descriptor < 0 || ftruncate(descriptor, (off_t)f->bytes);
    void *memory = failed ? MAP_FAILED
                          : mmap(NULL, f->bytes, PROT_READ | PROT_WRITE, MAP_SHARED, descriptor, 0);
    if (descriptor >= 0)
        close(descriptor);
    if (memory == MAP_FAILED)
        return ran_error(context, RAN_INVALID, "no room for %zu bytes of feature maps in %s: %s",
                         f->bytes, directory, strerror(errno));
    f->memory = memory;
    float *at = f->memory;
    for (size_t i = 0; i < f->count; i++) {
        f->items[i].data = at;
        at += f->items[i].numel * images;
    }
    return RAN_OK;
}

static ran_status run_teacher(ran_native *native, const ran_images *images, features *f)
{
    ran_status status = RAN_OK;
    float *x = calloc((size_t)ran_native_input_numel(native), sizeof *x);
    float **y = calloc(f->count + 1, sizeof *y);
    for (size_t i = 0; x && y && i < f->count; i++)
        y[i] = calloc((size_t)(f->items[i].numel * FEATURE_BATCH), sizeof **y);
    for (int64_t at = 0; x && y && at < images->count && status == RAN_OK; at += FEATURE_BATCH) {
        int64_t now = images->count - at < FEATURE_BATCH ? images->count - at : FEATURE_BATCH;
        memcpy(x, images->x + at * images->numel, (size_t)(now * images->numel) * sizeof *x);
        status = ran_native_run(native, x, y);
        for (size_t i = 0; i < f->count; i++)
            memcpy(f->items[i].data + at * f->items[i].numel, y[i],
                   (size_t)(now * f->items[i].numel) * sizeof **y);
    }
    for (size_t i = 0; y && i < f->count; i++)
        free(y[i]);
    free(y);
    free(x);
    return status;
}

/* The teacher's maps at the ends of all chosen layers, in one pass. */
static ran_status compute_features(const ran_module *module, const ran_layers *layers,
                                   const ran_images *images, const char *directory, features *f)
{
    ran_context *context = ran_module_context(module);
    for (size_t i = 0; i < layers->count; i++)
        if (layers->layers[i].is_chosen) {
            want_feature(f, layers->layers[i].input);
            want_feature(f, layers->layers[i].output);
        }
    ran_module *copy = ran_module_clone(module);
    ran_function *function = ran_module_first_function(copy);
    ran_value **values = calloc(f->count + 1, sizeof *values);
    for (size_t i = 0; i < f->count; i++)
        values[i] = ran_search_find_value(function, f->items[i].name);
    ran_search_return_values(function, values, f->count);
    free(values);
    ran_native *native = NULL;
    ran_status status = ran_search_set_batch(copy, FEATURE_BATCH);
    if (status == RAN_OK)
        status = ran_native_create(copy, NULL, &native);
    if (status == RAN_OK)
        status = map_features(context, directory, f, images->count);
    if (status == RAN_OK)
        status = run_teacher(native, images, f);
    ran_native_destroy(native);
    ran_module_destroy(copy);
    return status;
}

static void clear_features(features *f)
{
    if (f->memory)
        munmap(f->memory, f->bytes);
    free(f->items);
}

/* ---- One candidate
 * -------------------------------------------------------------------------------------- */

typedef struct trial {
    const ran_module *module;
    const ran_layer *layer;
    const ran_candidate *candidate;
    const ran_images *images;
    const ran_pretrain_options *options;
    const feature *x, *y;
    ran_native *tail;
    ran_images outputs; /* what the tail takes: the candidate's maps with the images' classes */
    double teacher_loss, teacher_accuracy;
} trial;

static ran_tensor *wrap_feature(const feature *f, const ran_value *value, int64_t count)
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
        {"seed", ran_intern_printf(context, "%llu", (unsigned long long)o->seed)},
        {"threads", ran_intern_printf(context, "%u", o->threads)},
    };
    ran_status status = RAN_OK;
    *out_recipe = ran_recipe_create(context);
    for (size_t i = 0; i < sizeof settings / sizeof *settings && status == RAN_OK; i++)
        status = ran_recipe_set(*out_recipe, settings[i][0], settings[i][1]);
    return status;
}

static ran_status train_on(const trial *t, ran_dataset *data, ran_module *candidate)
{
    ran_context *context = ran_module_context(candidate);
    ran_recipe *recipe;
    ran_trainer *trainer = NULL;
    ran_status status = make_recipe(context, t->options, &recipe);
    if (status == RAN_OK)
        status = ran_trainer_create(context, candidate, recipe, &trainer);
    if (status == RAN_OK) {
        ran_trainer_set_data(trainer, data, NULL);
        status = ran_trainer_run(trainer, NULL, NULL);
    }
    if (status == RAN_OK)
        status = ran_trainer_export(trainer, candidate);
    ran_trainer_destroy(trainer);
    ran_recipe_destroy(recipe);
    return status;
}

static ran_status train(const trial *t, ran_module *candidate)
{
    ran_dataset *data = NULL;
    int64_t count = t->images->count - t->options->held_out;
    ran_tensor *x = wrap_feature(t->x, t->layer->input, count);
    ran_tensor *y = wrap_feature(t->y, t->layer->output, count);
    ran_status status = ran_dataset_wrap(ran_module_context(candidate), x, y, &data);
    if (status == RAN_OK)
        status = train_on(t, data, candidate);
    if (data)
        ran_dataset_close(data);
    ran_tensor_release(x);
    ran_tensor_release(y);
    return status;
}

/* The candidate's maps of the images that were held out, and their error. */
static ran_status run_candidate(const trial *t, const ran_module *candidate, double *out_error)
{
    ran_module *copy = ran_module_clone(candidate);
    ran_native *native = NULL;
    ran_status status = ran_native_create(copy, NULL, &native);
    ran_module_destroy(copy);
    double error = 0, power = 0;
    int64_t first = t->images->count - t->options->held_out;
    for (int64_t i = 0; i < t->options->held_out && status == RAN_OK; i++) {
        float *y = t->outputs.x + i * t->y->numel;
        const float *expected = t->y->data + (first + i) * t->y->numel;
        status = ran_native_run(native, t->x->data + (first + i) * t->x->numel, &y);
        for (int64_t e = 0; e < t->y->numel; e++) {
            double difference = (double)y[e] - (double)expected[e];
            error += difference * difference;
            power += (double)expected[e] * (double)expected[e];
        }
    }
    ran_native_destroy(native);
    *out_error = power > 0 ? error / power : 0;
    return status;
}

static ran_status evaluate(const trial *t, const ran_module *candidate, const ran_module *tail,
                           ran_loss_row *out_row)
{
    double loss = 0, accuracy = 0;
    ran_status status = run_candidate(t, candidate, &out_row->error);
    if (status == RAN_OK)
        status = ran_images_evaluate(tail, &t->outputs, 0, t->options->held_out, &loss, &accuracy);
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

static ran_status try_candidate(const trial *t, const ran_slot *slot, const ran_module *tail,
                                ran_loss_table *table)
{
    ran_context *context = ran_module_context(t->module);
    ran_module *candidate;
    ran_loss_row row = {.layer = t->layer->name, .candidate = t->candidate->name};
    ran_status status = make_candidate(t, slot, &candidate);
    if (status != RAN_OK)
        return status;
    status = evaluate(t, candidate, tail, &row);
    ran_module_destroy(candidate);
    if (status != RAN_OK)
        return status;
    add_row(table, &row);
    return save_losses(context, table,
                       ran_intern_printf(context, "%s/losses.txt", t->options->directory));
}

/* ---- All of a layer
 * ------------------------------------------------------------------------------------- */

typedef struct counter {
    size_t done, count;
} counter;

static bool is_wanted(const ran_candidate *candidate, const ran_layer *layer, const ran_slot *slot,
                      const ran_latency_table *latencies, const ran_loss_table *table)
{
    int64_t latency = ran_latency_find(latencies, layer->name, candidate->name);
    return ran_candidate_fits(candidate, slot) && latency >= 0 &&
           latency <= ran_latency_find(latencies, layer->name, "teacher") &&
           !ran_losses_find(table, layer->name, candidate->name);
}

static ran_status try_layer(trial *t, const ran_pool *pool, const ran_latency_table *latencies,
                            const ran_module *tail, counter *at, ran_loss_table *table)
{
    ran_slot slot = ran_slot_of(t->layer);
    ran_status status = RAN_OK;
    for (size_t i = 0; i < pool->count && status == RAN_OK; i++) {
        t->candidate = pool->candidates[i];
        if (!is_wanted(t->candidate, t->layer, &slot, latencies, table))
            continue;
        if (t->options->progress)
            t->options->progress(t->options->data, t->layer->name, t->candidate->name, at->done,
                                 at->count);
        at->done++;
        status = try_candidate(t, &slot, tail, table);
    }
    return status;
}

static ran_status pretrain_layer(trial *t, const features *f, const ran_pool *pool,
                                 const ran_latency_table *latencies, counter *at,
                                 ran_loss_table *table)
{
    const ran_function *function = ran_module_first_function(t->module);
    const ran_op *end = ran_region_terminator(ran_function_body(function));
    int64_t first = t->images->count - t->options->held_out;
    ran_module *tail;
    t->x = find_feature(f, ran_value_name(t->layer->input));
    t->y = find_feature(f, ran_value_name(t->layer->output));
    t->outputs = (ran_images){
        .classes = t->images->classes + first, .count = t->options->held_out, .numel = t->y->numel};
    t->outputs.x = calloc((size_t)(t->options->held_out * t->y->numel), sizeof *t->outputs.x);
    if (!t->outputs.x)
        return ran_error(ran_module_context(t->module), RAN_INVALID, "not enough memory");
    ran_status status = ran_search_cut(function, t->layer->output, ran_op_operand(end, 0), &tail);
    if (status == RAN_OK) {
        status = try_layer(t, pool, latencies, tail, at, table);
        ran_module_destroy(tail);
    }
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
    counter at = {0, count_wanted(layers, pool, latencies, table)};
    if (!at.count)
        return RAN_OK;
    features f = {.items = calloc(2 * layers->count + 1, sizeof *f.items)};
    trial t = {.module = module, .images = images, .options = options};
    ran_status status = ran_search_make_directory(
        context, ran_intern_printf(context, "%s/candidates", options->directory));
    if (status == RAN_OK)
        status = ran_images_evaluate(module, images, images->count - options->held_out,
                                     options->held_out, &t.teacher_loss, &t.teacher_accuracy);
    if (status == RAN_OK)
        status = compute_features(module, layers, images, options->directory, &f);
    for (size_t i = 0; i < layers->count && status == RAN_OK; i++) {
        t.layer = &layers->layers[i];
        if (t.layer->is_chosen)
            status = pretrain_layer(&t, &f, pool, latencies, &at, table);
    }
    clear_features(&f);
    return status;
}
