/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "search/hant.h"

#include <ran/onnx.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "ir/ir.h"
#include "runtime/train/train.h"
#include "search/model.h"

void ran_hant_say(const ran_hant *h, const char *format, ...)
{
    char text[512];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(text, sizeof text, format, arguments);
    va_end(arguments);
    if (h->options.say && ran_hant_is_leader(h))
        h->options.say(h->options.data, text);
}

const char *ran_hant_path(const ran_hant *h, const char *directory, const char *name)
{
    return ran_intern_printf(h->context, "%s/%s", directory, name);
}

/* ---- Tables ---------------------------------------------------------------------------------- */

static const char *latency_path(const ran_hant *h)
{
    if (h->options.latency_path)
        return h->options.latency_path;
    return ran_intern_printf(h->context, "%s/latency-%s.txt", h->options.directory, h->target);
}

ran_status ran_hant_save_latencies(const ran_hant *h)
{
    return ran_latency_write(h->context, &h->latencies, latency_path(h));
}

static ran_status save_latencies(void *data)
{
    return ran_hant_save_latencies(data);
}

/* What is written is read again, so that this run and a resumed one plan with the same numbers. */
static ran_status complete_latencies(ran_hant *h)
{
    const char *path = latency_path(h);
    ran_status status = RAN_OK;
    h->latencies =
        (ran_latency_table){.target = h->target, .source = "measured", .arena = h->arena};
    if (h->options.latency.estimate)
        h->latencies.source = "estimated by the cost model";
    else if (h->options.latency.runner)
        h->latencies.source = "measured by the runner";
    if (!access(path, R_OK))
        status = ran_latency_read(h->context, h->arena, path, h->target, &h->latencies);
    if (status == RAN_OK)
        status = ran_latency_complete(h->module, &h->layers, &h->pool, &h->options.latency,
                                      &h->latencies, save_latencies, h);
    return status;
}

/* Rank 0 measures: processes that measure at the same time disturb each other. */
static ran_status share_latencies(ran_hant *h)
{
    ran_status status = h->options.pretrain.rank ? RAN_OK : complete_latencies(h);
    status = ran_cluster_agree(h->context, status);
    if (status == RAN_OK && h->options.pretrain.rank)
        status = ran_latency_read(h->context, h->arena, latency_path(h), h->target, &h->latencies);
    return status;
}

/* What other ranks have left of an earlier run would count as theirs. */
static ran_status read_losses(ran_hant *h)
{
    const char *directory = h->options.directory;
    if (h->options.pretrain.rank)
        unlink(ran_losses_path(h->context, directory, h->options.pretrain.rank));
    return ran_losses_read(h->context, h->arena, ran_losses_path(h->context, directory, 0),
                           &h->losses);
}

static ran_status complete_losses(ran_hant *h)
{
    const ran_pretrain_options *o = &h->options.pretrain;
    ran_status status =
        ran_pretrain(h->module, &h->layers, &h->pool, &h->latencies, &h->images, o, &h->losses);
    status = ran_cluster_agree(h->context, status);
    if (status == RAN_OK && !o->rank)
        status = ran_losses_gather(h->context, h->options.directory, o->ranks, &h->losses);
    if (status != RAN_OK || o->rank)
        return status;
    ran_losses_sort(&h->losses, &h->layers, &h->pool);
    return ran_losses_write(h->context, &h->losses,
                            ran_losses_path(h->context, h->options.directory, 0));
}

/* ---- Preparing ------------------------------------------------------------------------------- */

static int64_t smaller(int64_t a, int64_t b)
{
    return a < b ? a : b;
}

/* Images that candidates do not learn from and selections are compared by: a twentieth of the data
 * (methods 3.4), or more of what training leaves, because a few hundred tell little. */
static int64_t held_out_of(int64_t available, int64_t training)
{
    int64_t part = available / 20 > 256 ? available / 20 : 256;
    int64_t left = available - training;
    return smaller(smaller(left > part ? left : part, 1024), available / 4);
}

static ran_status read_images(ran_hant *h, ran_dataset *train, ran_dataset *test)
{
    int64_t available = ran_dataset_count(train);
    int64_t held_out = held_out_of(available, h->options.images);
    int64_t count = h->options.images + held_out;
    if (count > available)
        count = available;
    if (!held_out)
        return ran_error(h->context, RAN_INVALID, "the training data has too few images");
    h->options.pretrain.held_out = held_out;
    ran_status status =
        ran_images_read(h->context, h->module, h->options.recipe, train, 0, count, &h->images);
    if (status == RAN_OK)
        status = ran_images_read(h->context, h->module, h->options.recipe, test, 0,
                                 ran_dataset_count(test), &h->test);
    return status;
}

static ran_status open_data(ran_hant *h)
{
    ran_dataset *train = NULL, *test = NULL;
    const char *const names[] = {"data", "test"};
    ran_dataset **const sets[] = {&train, &test};
    ran_status status = RAN_OK;
    for (size_t i = 0; i < 2 && status == RAN_OK; i++) {
        const char *specification = ran_recipe_get(h->options.recipe, names[i]);
        if (!*specification)
            status = ran_error(h->context, RAN_USAGE, "--%s says which images", names[i]);
        else
            status = ran_dataset_open(h->context, specification, sets[i]);
    }
    if (status == RAN_OK)
        status = read_images(h, train, test);
    if (train)
        ran_dataset_close(train);
    if (test)
        ran_dataset_close(test);
    return status;
}

static ran_status prepare(ran_hant *h, const ran_module *model)
{
    double loss;
    h->module = ran_module_clone(model);
    ran_status status = ran_search_set_batch(h->module, 1);
    if (status == RAN_OK)
        status = ran_search_clean(h->module);
    if (status == RAN_OK)
        status = ran_search_make_directory(h->context, h->options.directory);
    if (status == RAN_OK)
        status = ran_pool_open(h->context, h->arena, h->options.pool ? h->options.pool : "reduced",
                               &h->pool);
    if (status != RAN_OK)
        return status;
    ran_layers_find(h->arena, ran_module_first_function(h->module), &h->layers);
    status = ran_layers_choose(h->context, &h->layers, h->options.layers);
    if (status == RAN_OK && !ran_layers_chosen(&h->layers))
        status = ran_error(h->context, RAN_UNSUPPORTED,
                           "no layer of this model can be replaced; `ran-search layers' lists all");
    if (status == RAN_OK)
        status = open_data(h);
    if (status == RAN_OK && !h->options.pretrain.rank)
        status = ran_search_save(h->module, ran_hant_path(h, h->options.directory, "teacher.ran"));
    if (status == RAN_OK)
        status = read_losses(h);
    if (status == RAN_OK)
        status =
            ran_images_evaluate(h->module, &h->test, 0, h->test.count, &loss, &h->teacher_accuracy);
    if (status == RAN_OK)
        ran_hant_say(h, "teacher: accuracy %.2f %% of %lld test images", 100 * h->teacher_accuracy,
                     (long long)h->test.count);
    return status;
}

ran_status ran_hant_create(ran_context *context, const ran_module *model,
                           const ran_hant_options *options, ran_hant **out_hant)
{
    ran_hant *h = calloc(1, sizeof *h);
    if (!h)
        return ran_error(context, RAN_INVALID, "not enough memory");
    h->context = context;
    h->arena = ran_arena_create();
    h->options = *options;
    h->target = options->latency.target ? options->latency.target : "native";
    h->options.pretrain.directory = h->options.latency.scratch = options->directory;
    ran_cluster_start(&h->options.pretrain.rank, &h->options.pretrain.ranks);
    ran_cluster_leave();
    if (!ran_hant_is_leader(h))
        h->options.pretrain.progress = NULL;
    ran_status status = ran_cluster_agree(context, prepare(h, model));
    if (status == RAN_OK)
        status = share_latencies(h);
    if (status == RAN_OK)
        status = complete_losses(h);
    if (status == RAN_OK && ran_hant_is_leader(h))
        status = ran_hant_fill_problem(h);
    if (status != RAN_OK)
        ran_hant_destroy(h);
    else
        *out_hant = h;
    return status;
}

bool ran_hant_is_leader(const ran_hant *h)
{
    return !h->options.pretrain.rank;
}

/* Processes that are done wait here for the one that goes on: MPI's own end would wait busily. */
void ran_hant_destroy(ran_hant *h)
{
    if (!h)
        return;
    (void)ran_cluster_agree(h->context, RAN_OK);
    ran_images_clear(&h->images);
    ran_images_clear(&h->test);
    ran_pool_close(&h->pool);
    ran_module_destroy(h->module);
    ran_arena_destroy(h->arena);
    free(h);
}

/* ---- Results --------------------------------------------------------------------------------- */

static ran_status compile_library(const ran_hant *h, const ran_module *module, const char *path)
{
    ran_module *copy = ran_module_clone(module);
    ran_compiled *compiled = NULL;
    ran_compile_options options = {
        .target = h->options.latency.target, .prefix = "model", .winograd = true};
    ran_status status = ran_search_optimize(copy, options.target, "3");
    if (status == RAN_OK)
        status = ran_compile(copy, &options, &compiled);
    if (status == RAN_OK)
        status = ran_compiled_emit(compiled, RAN_EMIT_LIBRARY, path);
    ran_compiled_destroy(compiled);
    ran_module_destroy(copy);
    return status;
}

static void check_guards(const ran_hant *h, ran_hant_result *r)
{
    double part = (double)r->latency / (double)r->teacher_latency;
    double drop = 100 * (r->teacher_accuracy - r->chosen.accuracy_after);
    if (r->limit != INT64_MAX && part > (double)r->limit / (double)h->latencies.network)
        r->failed = ran_intern_printf(h->context,
                                      "measured latency is %.3f of the teacher's, "
                                      "allowed are %.3f",
                                      part, (double)r->limit / (double)h->latencies.network);
    else if (h->options.max_drop >= 0 && drop > h->options.max_drop)
        r->failed = ran_intern_printf(h->context, "accuracy fell by %.2f points, allowed are %.2f",
                                      drop, h->options.max_drop);
}

/* Predictions are on the scale of the table, which may have been made when the machine, or another
 * one, was faster or slower: the teacher's latency tells. */
static void scale_predictions(const ran_hant *h, ran_hant_result *r)
{
    double scale = (double)r->teacher_latency / (double)h->latencies.network;
    r->chosen.predicted = (int64_t)((double)r->chosen.predicted * scale);
    for (size_t i = 0; i < r->baseline_count; i++)
        r->baselines[i].predicted = (int64_t)((double)r->baselines[i].predicted * scale);
}

static ran_status finish(const ran_hant *h, const ran_module *module, ran_hant_result *r)
{
    ran_status status = ran_hant_measure(h, module, &r->teacher_latency, &r->latency);
    if (status == RAN_OK)
        scale_predictions(h, r);
    if (status == RAN_OK)
        status = ran_onnx_export(module, ran_hant_path(h, r->directory, "model.onnx"), NULL);
    if (status == RAN_OK)
        status = compile_library(h, module, ran_hant_path(h, r->directory, "model.a"));
    if (status != RAN_OK)
        return status;
    check_guards(h, r);
    ran_hant_say(h, "result: latency %.3f of the teacher's, accuracy %.2f %% (teacher %.2f %%)",
                 (double)r->latency / (double)r->teacher_latency, 100 * r->chosen.accuracy_after,
                 100 * r->teacher_accuracy);
    return ran_hant_write_plan(h, r);
}

ran_status ran_hant_run(ran_hant *h, const ran_hant_budget *budgets, size_t count,
                        const char *directory, ran_hant_result *out_result)
{
    ran_module *module;
    *out_result = (ran_hant_result){.directory = ran_arena_string(h->arena, directory),
                                    .teacher_accuracy = h->teacher_accuracy};
    ran_hant_result *r = out_result;
    ran_status status = ran_search_make_directory(h->context, directory);
    if (status == RAN_OK)
        status = ran_hant_set_limits(h, budgets, count, r);
    if (status == RAN_OK)
        status = ran_hant_choose(h, r);
    if (status == RAN_OK)
        status = ran_hant_evaluate(h, true, &r->chosen);
    if (status == RAN_OK)
        status = ran_hant_choose_baselines(h, r);
    if (status == RAN_OK)
        status =
            ran_hant_tune(h, ran_hant_path(h, directory, "tuning.checkpoint"), &r->chosen, &module);
    if (status != RAN_OK)
        return status;
    if (h->options.tune_baselines)
        status = ran_hant_tune_baselines(h, r);
    if (status == RAN_OK)
        status = finish(h, module, r);
    ran_module_destroy(module);
    return status;
}
