/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "search/hant.h"

#include <ran/onnx.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "ir/ir.h"
#include "runtime/train/train.h"
#include "search/model.h"

enum { ROUNDS_MAX = 4, RANDOM_CHOICES = 5, COSTS = 5 };

static const char *const cost_names[COSTS] = {"latency", "macs", "parameters", "memory",
                                              "nonlinear"};

/* COSTS when there is none of this name. */
static size_t cost_index(const char *name)
{
    size_t b = 0;
    while (b < COSTS && strcmp(cost_names[b], name))
        b++;
    return b;
}

bool ran_hant_has_cost(const char *name)
{
    return cost_index(name) < COSTS;
}

RAN_PRINTF(2, 3) static void say(const ran_hant *h, const char *format, ...)
{
    char text[512];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(text, sizeof text, format, arguments);
    va_end(arguments);
    if (h->options.say)
        h->options.say(h->options.data, text);
}

static const char *in_directory(const ran_hant *h, const char *directory, const char *name)
{
    return ran_intern_printf(h->context, "%s/%s", directory, name);
}

/* ---- Tables
 * --------------------------------------------------------------------------------------- */

static const char *latency_path(const ran_hant *h)
{
    if (h->options.latency_path)
        return h->options.latency_path;
    return ran_intern_printf(h->context, "%s/latency-%s.txt", h->options.directory, h->target);
}

static ran_status save_latencies(void *data)
{
    const ran_hant *h = data;
    return ran_latency_write(h->context, &h->latencies, latency_path(h));
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

static ran_status complete_losses(ran_hant *h)
{
    ran_pretrain_options *o = &h->options.pretrain;
    ran_status status = ran_losses_read(
        h->context, h->arena, in_directory(h, h->options.directory, "losses.txt"), &h->losses);
    if (status == RAN_OK)
        status =
            ran_pretrain(h->module, &h->layers, &h->pool, &h->latencies, &h->images, o, &h->losses);
    return status;
}

/* ---- The problem
 * ------------------------------------------------------------------------------------ */

static void fill_counts(int64_t *cost, const ran_counts *counts)
{
    cost[1] = counts->macs;
    cost[2] = counts->parameters;
    cost[3] = counts->activation_bytes;
    cost[4] = counts->nonlinear_elements;
}

static void count_ops(ran_op *const *ops, size_t count, int64_t *cost)
{
    ran_counts counts = {0};
    for (size_t i = 0; i < count; i++)
        ran_count_op(ops[i], &counts);
    fill_counts(cost, &counts);
}

/* As it is compiled: what collapses counts collapsed. */
static ran_status count_candidate(const ran_hant *h, const ran_candidate *candidate,
                                  const ran_slot *slot, int64_t *cost)
{
    ran_module *module;
    ran_counts counts = {0};
    ran_status status = ran_candidate_build(h->context, candidate, slot, 0, &module);
    if (status != RAN_OK)
        return status;
    status = ran_search_optimize(module, h->options.latency.target, "3");
    const ran_region *body = ran_function_body(ran_module_first_function(module));
    for (const ran_op *op = ran_region_first(body); op && status == RAN_OK; op = ran_op_next(op))
        ran_count_op(op, &counts);
    fill_counts(cost, &counts);
    ran_module_destroy(module);
    return status;
}

static ran_status fill_layer(const ran_hant *h, const ran_layer *layer, ran_ilp_layer *out)
{
    ran_slot slot = ran_slot_of(layer);
    ran_ilp_op *ops = RAN_ARENA_ARRAY(h->arena, ran_ilp_op, h->pool.count + 1);
    int64_t *cost = RAN_ARENA_ARRAY(h->arena, int64_t, COSTS);
    cost[0] = ran_latency_find(&h->latencies, layer->name, "teacher");
    count_ops(layer->ops, layer->op_count, cost);
    *out = (ran_ilp_layer){layer->name, ops, 1};
    ops[0] = (ran_ilp_op){.name = "teacher", .cost = cost};
    ran_status status = RAN_OK;
    for (size_t i = 0; i < h->pool.count && status == RAN_OK; i++) {
        const ran_candidate *candidate = h->pool.candidates[i];
        const ran_loss_row *row = ran_losses_find(&h->losses, layer->name, candidate->name);
        int64_t latency = ran_latency_find(&h->latencies, layer->name, candidate->name);
        if (!row || latency < 0 || !ran_candidate_fits(candidate, &slot))
            continue;
        cost = RAN_ARENA_ARRAY(h->arena, int64_t, COSTS);
        cost[0] = latency;
        status = count_candidate(h, candidate, &slot, cost);
        ops[out->op_count++] = (ran_ilp_op){candidate->name, row->loss, row->drop, cost};
    }
    return status;
}

/* What is in no layer: the network's total without the teacher's layers. */
static void fill_fixed(ran_hant *h)
{
    int64_t total[COSTS] = {h->latencies.network};
    ran_counts counts = {0};
    const ran_region *body = ran_function_body(ran_module_first_function(h->module));
    for (const ran_op *op = ran_region_first(body); op; op = ran_op_next(op))
        ran_count_op(op, &counts);
    fill_counts(total, &counts);
    for (size_t b = 0; b < COSTS; b++) {
        int64_t fixed = total[b];
        for (size_t i = 0; i < h->problem.layer_count; i++)
            fixed -= h->problem.layers[i].ops[0].cost[b];
        h->problem.budgets[b] = (ran_ilp_budget){cost_names[b], INT64_MAX, fixed};
    }
}

static ran_status fill_problem(ran_hant *h)
{
    size_t count = ran_layers_chosen(&h->layers);
    ran_ilp_layer *layers = RAN_ARENA_ARRAY(h->arena, ran_ilp_layer, count + 1);
    ran_status status = RAN_OK;
    h->searched = RAN_ARENA_ARRAY(h->arena, const ran_layer *, count + 1);
    h->problem = (ran_ilp_problem){.layers = layers, .budget_count = COSTS, .has_drops = true};
    for (size_t i = 0; i < h->layers.count && status == RAN_OK; i++)
        if (h->layers.layers[i].is_chosen) {
            h->searched[h->problem.layer_count] = &h->layers.layers[i];
            status = fill_layer(h, &h->layers.layers[i], &layers[h->problem.layer_count++]);
        }
    if (status == RAN_OK)
        fill_fixed(h);
    return status;
}

/* ---- Preparing
 * ---------------------------------------------------------------------------------------- */

static ran_status read_images(ran_hant *h, ran_dataset *train, ran_dataset *test)
{
    int64_t available = ran_dataset_count(train);
    int64_t held_out = available / 20 > 256 ? available / 20 : 256;
    if (held_out > 1024)
        held_out = 1024;
    int64_t count = h->options.images + held_out;
    if (count > available)
        count = available;
    if (held_out > count / 4)
        held_out = count / 4;
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
                           "no layer of this model can be replaced; `ran-search layers' shows why");
    if (status == RAN_OK)
        status = open_data(h);
    if (status == RAN_OK)
        status = ran_search_save(h->module, in_directory(h, h->options.directory, "teacher.ran"));
    if (status == RAN_OK)
        status =
            ran_images_evaluate(h->module, &h->test, 0, h->test.count, &loss, &h->teacher_accuracy);
    if (status == RAN_OK)
        say(h, "teacher: accuracy %.2f %% of %lld test images", 100 * h->teacher_accuracy,
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
    ran_status status = prepare(h, model);
    if (status == RAN_OK)
        status = complete_latencies(h);
    if (status == RAN_OK)
        status = complete_losses(h);
    if (status == RAN_OK)
        status = fill_problem(h);
    if (status != RAN_OK)
        ran_hant_destroy(h);
    else
        *out_hant = h;
    return status;
}

void ran_hant_destroy(ran_hant *h)
{
    if (!h)
        return;
    ran_images_clear(&h->images);
    ran_images_clear(&h->test);
    ran_pool_close(&h->pool);
    ran_module_destroy(h->module);
    ran_arena_destroy(h->arena);
    free(h);
}

/* ---- Selections
 * ------------------------------------------------------------------------------------------ */

static ran_status put_candidate(const ran_hant *h, ran_function *function, size_t layer,
                                const char *candidate)
{
    const ran_layer *at = h->searched[layer];
    ran_module *part;
    ran_status status = ran_search_load(
        h->context, ran_pretrain_path(h->context, h->options.directory, at->name, candidate),
        &part);
    if (status != RAN_OK)
        return status;
    status = ran_search_substitute(function, ran_value_name(at->input), ran_value_name(at->output),
                                   ran_module_first_function(part), at->name);
    ran_module_destroy(part);
    return status;
}

/* From behind, because a candidate that is its input alone takes its output's name away. */
static ran_status assemble(const ran_hant *h, const size_t *choice, ran_module **out_module)
{
    ran_module *module = ran_module_clone(h->module);
    ran_status status = RAN_OK;
    for (size_t i = h->problem.layer_count; i-- > 0 && status == RAN_OK;)
        if (choice[i])
            status = put_candidate(h, ran_module_first_function(module), i,
                                   h->problem.layers[i].ops[choice[i]].name);
    if (status != RAN_OK)
        ran_module_destroy(module);
    else
        *out_module = module;
    return status;
}

/* Assembled, with its norms' statistics. */
static ran_status build_choice(const ran_hant *h, const ran_hant_choice *c, ran_module **out_module)
{
    ran_status status = assemble(h, c->choice, out_module);
    if (status != RAN_OK)
        return status;
    status = ran_images_recalibrate(*out_module, &h->images,
                                    h->images.count - h->options.pretrain.held_out,
                                    h->options.pretrain.threads);
    if (status != RAN_OK)
        ran_module_destroy(*out_module);
    return status;
}

static ran_status evaluate_choice(const ran_hant *h, bool with_test, ran_hant_choice *c)
{
    ran_module *module;
    double accuracy, loss;
    int64_t first = h->images.count - h->options.pretrain.held_out;
    c->predicted = ran_ilp_cost(&h->problem, 0, c->choice);
    c->loss = ran_ilp_loss(&h->problem, c->choice);
    c->accuracy_after = -1;
    ran_status status = build_choice(h, c, &module);
    if (status != RAN_OK)
        return status;
    status = ran_images_evaluate(module, &h->images, first, h->options.pretrain.held_out,
                                 &c->held_out_loss, &accuracy);
    if (status == RAN_OK && with_test)
        status =
            ran_images_evaluate(module, &h->test, 0, h->test.count, &loss, &c->accuracy_before);
    ran_module_destroy(module);
    return status;
}

static size_t *copy_choice(const ran_hant *h, const size_t *choice)
{
    return ran_arena_copy(h->arena, choice, h->problem.layer_count * sizeof *choice);
}

/* The best of K by the loss of the assembled networks. */
static ran_status select_best(const ran_hant *h, const ran_ilp_problem *problem,
                              const ran_ilp_options *ilp, ran_hant_choice *out)
{
    ran_ilp_result result;
    ran_status status = ran_ilp_solve(h->context, h->arena, problem, ilp, &result);
    bool first = true;
    for (size_t k = 0; k < result.count && status == RAN_OK; k++) {
        ran_hant_choice c = {.method = "ilp", .choice = copy_choice(h, result.solutions[k].choice)};
        status = evaluate_choice(h, false, &c);
        if (status == RAN_OK && (first || c.held_out_loss < out->held_out_loss))
            *out = c;
        first = false;
    }
    if (status == RAN_OK)
        say(h, "selected among %zu: loss %.4f, predicted latency %.3f ms", result.count,
            out->held_out_loss, (double)out->predicted / 1e6);
    return status;
}

/* Teacher and assembled network in turns. */
static ran_status measure(const ran_hant *h, const ran_module *module, int64_t *out_teacher,
                          int64_t *out_latency)
{
    const ran_module *modules[] = {h->module, module};
    int64_t times[2];
    ran_latency_options options = h->options.latency;
    options.rounds = 3 * (options.rounds ? options.rounds : 31);
    ran_status status = ran_latency_compare(modules, 2, &options, times);
    *out_teacher = times[0];
    *out_latency = times[1];
    return status;
}

/* Selects; when the whole turns out slower than its parts say, again with a lower limit. The
 * decision is kept, so that a resumed run does not depend on a new measurement. */
static ran_status select_within(const ran_hant *h, ran_ilp_problem *problem,
                                const ran_ilp_options *ilp, ran_hant_result *r)
{
    int64_t limit = problem->budgets[0].limit;
    ran_status status = RAN_OK;
    for (int round = 0; round < ROUNDS_MAX && status == RAN_OK; round++) {
        ran_module *module;
        int64_t teacher, latency;
        status = select_best(h, problem, ilp, &r->chosen);
        if (status != RAN_OK || limit == INT64_MAX)
            return status;
        status = assemble(h, r->chosen.choice, &module);
        if (status != RAN_OK)
            return status;
        status = measure(h, module, &teacher, &latency);
        ran_module_destroy(module);
        /* As a part of what the teacher takes now: the machine may be slower than it was. */
        double part = (double)latency / (double)teacher,
               allowed = (double)limit / (double)h->latencies.network;
        if (status != RAN_OK || part <= allowed)
            return status;
        say(h, "measured %.3f of the teacher, allowed are %.3f: selecting again", part, allowed);
        int64_t excess = (int64_t)((part - allowed) * (double)h->latencies.network);
        problem->budgets[0].limit -= excess + h->latencies.network / 200;
    }
    return status;
}

/* Candidates that lose more than the prefilter allows are taken when nothing else keeps the budget;
 * that is said, and written into the plan. */
static ran_status widen_prefilter(const ran_hant *h, const ran_ilp_problem *problem,
                                  ran_ilp_options *ilp)
{
    for (;;) {
        bool feasible = true;
        for (size_t b = 0; b < problem->budget_count; b++) {
            int64_t smallest;
            if (problem->budgets[b].limit == INT64_MAX)
                continue;
            ran_status status = ran_ilp_smallest(h->context, problem, ilp, b, &smallest);
            if (status != RAN_OK)
                return status;
            feasible &= smallest >= 0 && smallest <= problem->budgets[b].limit;
        }
        if (feasible || ilp->max_drop >= 100)
            return RAN_OK;
        say(h, "candidates that lose up to %g points can't keep the budget: taking up to %g",
            ilp->max_drop, ilp->max_drop * 2 < 100 ? ilp->max_drop * 2 : 100);
        ilp->max_drop = ilp->max_drop > 0 && ilp->max_drop * 2 < 100 ? ilp->max_drop * 2 : 100;
    }
}

static ran_status read_choice(const ran_hant *h, const char *path, ran_hant_choice *out)
{
    FILE *file = fopen(path, "r");
    size_t *choice = RAN_ARENA_ARRAY(h->arena, size_t, h->problem.layer_count + 1), count = 0;
    char name[256];
    if (file && !fgets(name, sizeof name, file)) /* the budget */
        *name = '\0';
    while (file && count < h->problem.layer_count && fscanf(file, "%255s", name) == 1) {
        const ran_ilp_layer *layer = &h->problem.layers[count];
        size_t op = 0;
        while (op < layer->op_count && strcmp(layer->ops[op].name, name))
            op++;
        if (op == layer->op_count)
            break;
        choice[count++] = op;
    }
    if (file)
        fclose(file);
    if (count < h->problem.layer_count)
        return ran_error(h->context, RAN_INVALID, "%s does not fit this search; remove it", path);
    *out = (ran_hant_choice){.method = "ilp", .choice = choice};
    return RAN_OK;
}

/* Whether the directory's selection is of this budget. Else it goes, with the tuning of it. */
static bool has_selection(const ran_hant *h, const ran_hant_result *r, const char *path)
{
    char line[512] = "";
    FILE *file = fopen(path, "r");
    if (!file)
        return false;
    bool same = fgets(line, sizeof line, file) != NULL;
    line[strcspn(line, "\n")] = '\0';
    fclose(file);
    same = same && !strcmp(line, r->budget ? r->budget : "");
    if (!same) {
        unlink(path);
        unlink(in_directory(h, r->directory, "tuning.checkpoint"));
    }
    return same;
}

static ran_status write_choice(const ran_hant *h, const char *path, const ran_hant_choice *c,
                               const char *budget)
{
    const char *temporary = ran_intern_printf(h->context, "%s.part", path);
    FILE *file = fopen(temporary, "w");
    if (file)
        fprintf(file, "%s\n", budget ? budget : "");
    for (size_t i = 0; file && i < h->problem.layer_count; i++)
        fprintf(file, "%s\n", h->problem.layers[i].ops[c->choice[i]].name);
    bool failed = !file || ferror(file);
    failed |= file && fclose(file) != 0;
    return failed || rename(temporary, path)
               ? ran_error(h->context, RAN_INVALID, "cannot write %s", path)
               : RAN_OK;
}

static ran_status choose(const ran_hant *h, ran_hant_result *r)
{
    const char *path = in_directory(h, r->directory, "selection.txt");
    ran_ilp_problem problem = r->problem;
    ran_ilp_options ilp = h->options.ilp;
    ilp.lp_path = in_directory(h, r->directory, "selection.lp");
    ran_status status = widen_prefilter(h, &problem, &ilp);
    r->prefilter = ilp.max_drop;
    if (status == RAN_OK && has_selection(h, r, path))
        return read_choice(h, path, &r->chosen);
    if (status == RAN_OK)
        status = select_within(h, &problem, &ilp, r);
    return status == RAN_OK ? write_choice(h, path, &r->chosen, r->budget) : status;
}

/* ---- Baselines
 * -------------------------------------------------------------------------------------------- */

/* The selection itself or a baseline that is the same network; NULL: there is none. */
static const ran_hant_choice *find_equal(const ran_hant *h, const ran_hant_result *r,
                                         const ran_hant_choice *c)
{
    size_t bytes = h->problem.layer_count * sizeof *c->choice;
    if (!memcmp(r->chosen.choice, c->choice, bytes))
        return &r->chosen;
    for (size_t i = 0; i < r->baseline_count && &r->baselines[i] != c; i++)
        if (!memcmp(r->baselines[i].choice, c->choice, bytes))
            return &r->baselines[i];
    return NULL;
}

static ran_status add_baseline(const ran_hant *h, const char *method, const size_t *choice,
                               ran_hant_result *r)
{
    ran_hant_choice *c = &r->baselines[r->baseline_count++];
    *c = (ran_hant_choice){.method = method, .choice = copy_choice(h, choice)};
    const ran_hant_choice *equal = find_equal(h, r, c);
    if (equal) {
        *c = *equal;
        c->method = method;
        return RAN_OK;
    }
    return evaluate_choice(h, true, c);
}

static ran_status choose_baselines(const ran_hant *h, ran_hant_result *r)
{
    ran_status status = RAN_OK;
    uint64_t seed = h->options.pretrain.seed;
    size_t *choice = RAN_ARENA_ARRAY(h->arena, size_t, h->problem.layer_count + 1);
    r->baselines = RAN_ARENA_ARRAY(h->arena, ran_hant_choice, RANDOM_CHOICES + 1);
    ran_ilp_options ilp = h->options.ilp;
    ilp.max_drop = r->prefilter;
    if (ran_ilp_greedy(&r->problem, &ilp, choice))
        status = add_baseline(h, "greedy", choice, r);
    for (int i = 0; i < RANDOM_CHOICES && status == RAN_OK; i++)
        if (ran_ilp_random(&r->problem, &ilp, &seed, choice))
            status = add_baseline(h, "random", choice, r);
    return status;
}

/* ---- Fine-tuning
 * -------------------------------------------------------------------------------------------- */

typedef struct tuning {
    const ran_hant *hant;
    int64_t epoch;
} tuning;

static bool watch_tuning(void *data, const ran_train_progress *p)
{
    tuning *t = data;
    if (p->epoch_done)
        say(t->hant, "tuning: epoch %lld of %lld, loss %.4f, test accuracy %.2f %%",
            (long long)p->epoch + 1, (long long)p->epochs, p->loss, 100 * p->test_accuracy);
    return true;
}

static ran_status tune_recipe(const ran_hant *h, const char *checkpoint, ran_recipe **out_recipe)
{
    const char *const settings[][2] = {
        {"loss", "ce,kl"},
        {"teacher", in_directory(h, h->options.directory, "teacher.ran")},
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
static ran_status tune(const ran_hant *h, const char *checkpoint, ran_module *module)
{
    ran_recipe *recipe;
    ran_trainer *trainer = NULL;
    tuning t = {.hant = h};
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

static ran_status tune_choice(const ran_hant *h, const char *checkpoint, ran_hant_choice *c,
                              ran_module **out_module)
{
    double loss;
    ran_status status = build_choice(h, c, out_module);
    if (status != RAN_OK)
        return status;
    status = tune(h, checkpoint, *out_module);
    if (status == RAN_OK)
        status =
            ran_images_evaluate(*out_module, &h->test, 0, h->test.count, &loss, &c->accuracy_after);
    if (status != RAN_OK)
        ran_module_destroy(*out_module);
    return status;
}

static ran_status tune_baselines(const ran_hant *h, ran_hant_result *r)
{
    ran_status status = RAN_OK;
    for (size_t i = 0; i < r->baseline_count && i < 2 && status == RAN_OK; i++) {
        ran_module *module;
        const char *name =
            ran_intern_printf(h->context, "%s/%s.checkpoint", r->directory, r->baselines[i].method);
        status = tune_choice(h, name, &r->baselines[i], &module);
        if (status == RAN_OK)
            ran_module_destroy(module);
    }
    return status;
}

/* ---- Results
 * --------------------------------------------------------------------------------------------------
 */

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

static ran_status finish(const ran_hant *h, const ran_module *module, ran_hant_result *r)
{
    ran_status status = measure(h, module, &r->teacher_latency, &r->latency);
    if (status == RAN_OK)
        status = ran_onnx_export(module, in_directory(h, r->directory, "model.onnx"), NULL);
    if (status == RAN_OK)
        status = compile_library(h, module, in_directory(h, r->directory, "model.a"));
    if (status != RAN_OK)
        return status;
    check_guards(h, r);
    say(h, "result: latency %.3f of the teacher's, accuracy %.2f %% (teacher %.2f %%)",
        (double)r->latency / (double)r->teacher_latency, 100 * r->chosen.accuracy_after,
        100 * r->teacher_accuracy);
    return ran_hant_write_plan(h, r);
}

static ran_status set_limits(const ran_hant *h, const ran_hant_budget *budgets, size_t count,
                             ran_hant_result *r)
{
    size_t *teacher = RAN_ARENA_ARRAY(h->arena, size_t, h->problem.layer_count + 1);
    r->problem = h->problem;
    for (size_t i = 0; i < count; i++) {
        size_t b = cost_index(budgets[i].name);
        if (b == COSTS)
            return ran_error(h->context, RAN_USAGE,
                             "budget %s: expected latency, macs, parameters, memory or nonlinear",
                             budgets[i].name);
        ran_status status = ran_ilp_parse_limit(h->context, budgets[i].name, budgets[i].value,
                                                ran_ilp_cost(&h->problem, b, teacher),
                                                &r->problem.budgets[b].limit);
        if (status != RAN_OK)
            return status;
        r->budget = ran_intern_printf(h->context, "%s%s%s=%s", r->budget ? r->budget : "",
                                      r->budget ? ", " : "", budgets[i].name, budgets[i].value);
    }
    r->limit = r->problem.budgets[0].limit;
    return RAN_OK;
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
        status = set_limits(h, budgets, count, r);
    if (status == RAN_OK)
        status = choose(h, r);
    if (status == RAN_OK)
        status = evaluate_choice(h, true, &r->chosen);
    if (status == RAN_OK)
        status = choose_baselines(h, r);
    if (status == RAN_OK && h->options.tune_baselines)
        status = tune_baselines(h, r);
    if (status == RAN_OK)
        status =
            tune_choice(h, in_directory(h, directory, "tuning.checkpoint"), &r->chosen, &module);
    if (status != RAN_OK)
        return status;
    status = finish(h, module, r);
    ran_module_destroy(module);
    return status;
}
