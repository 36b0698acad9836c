/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Selections by the integer program, checked as whole networks, and those to compare them with. */
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "ir/beside.h"
#include "search/hant.h"

enum { ROUNDS_MAX = 4, RANDOM_CHOICES = 5 };
enum { MEASURED_TIME = 2000000000 }; /* nanoseconds of the teacher: what decides is measured well */

/* A selection stays below its limit by this part of it: after tuning it is measured again, and two
 * measurements of the same network differ by so much. */
static const double margin = 0.02;

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
ran_status ran_hant_build(const ran_hant *h, const ran_hant_choice *c, ran_module **out_module)
{
    ran_status status = assemble(h, c->choice, out_module);
    if (status != RAN_OK)
        return status;
    status = ran_images_recalibrate(*out_module, &h->images,
                                    h->images.count - h->options.pretrain.held_out);
    if (status != RAN_OK)
        ran_module_destroy(*out_module);
    return status;
}

ran_status ran_hant_evaluate(const ran_hant *h, bool with_test, ran_hant_choice *c)
{
    ran_module *module;
    double accuracy, loss;
    int64_t first = h->images.count - h->options.pretrain.held_out;
    c->predicted = ran_ilp_cost(&h->problem, 0, c->choice);
    c->loss = ran_ilp_loss(&h->problem, c->choice);
    c->accuracy_after = -1;
    ran_status status = ran_hant_build(h, c, &module);
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

/* What was evaluated already: a lower limit brings many selections again. */
typedef struct evaluated {
    ran_hant_choice *items;
    size_t count, room;
} evaluated;

static ran_status evaluate_once(const ran_hant *h, const size_t *choice, evaluated *known,
                                ran_hant_choice *out)
{
    for (size_t i = 0; i < known->count; i++)
        if (!memcmp(known->items[i].choice, choice, h->problem.layer_count * sizeof *choice)) {
            *out = known->items[i];
            return RAN_OK;
        }
    *out = (ran_hant_choice){.method = "ilp", .choice = copy_choice(h, choice)};
    ran_status status = ran_hant_evaluate(h, false, out);
    if (status == RAN_OK && known->count < known->room)
        known->items[known->count++] = *out;
    return status;
}

/* The best of K by the loss of the assembled networks. */
static ran_status select_best(const ran_hant *h, const ran_ilp_problem *problem,
                              const ran_ilp_options *ilp, evaluated *known, ran_hant_choice *out)
{
    ran_ilp_result result;
    ran_status status = ran_ilp_solve(h->context, h->arena, problem, ilp, &result);
    for (size_t k = 0; k < result.count && status == RAN_OK; k++) {
        ran_hant_choice c;
        status = evaluate_once(h, result.solutions[k].choice, known, &c);
        if (status == RAN_OK && (!k || c.held_out_loss < out->held_out_loss))
            *out = c;
    }
    if (status == RAN_OK)
        ran_hant_say(h, "selected among %zu: loss %.4f, predicted latency %.3f ms", result.count,
                     out->held_out_loss, (double)out->predicted / 1e6);
    return status;
}

/* Teacher and assembled network in turns. */
ran_status ran_hant_measure(const ran_hant *h, const ran_module *module, int64_t *out_teacher,
                            int64_t *out_latency)
{
    const ran_module *modules[] = {h->module, module};
    int64_t times[2];
    ran_latency_options options = h->options.latency;
    options.rounds = (int)(MEASURED_TIME / (h->latencies.network + 1));
    if (options.rounds < 99)
        options.rounds = 99;
    if (options.rounds > 29999)
        options.rounds = 29999;
    ran_status status = ran_latency_compare(modules, 2, &options, times);
    *out_teacher = times[0];
    *out_latency = times[1];
    return status;
}

/* What the assembled network takes, as a part of what the teacher takes now: the machine may be
 * slower than it was. */
static ran_status measure_part(const ran_hant *h, const ran_hant_choice *c, double *out_part)
{
    ran_module *module;
    int64_t teacher = 1, latency = 0;
    ran_status status = assemble(h, c->choice, &module);
    if (status != RAN_OK)
        return status;
    status = ran_hant_measure(h, module, &teacher, &latency);
    ran_module_destroy(module);
    *out_part = (double)latency / (double)teacher;
    return status;
}

static ran_status has_selection_below(const ran_hant *h, const ran_ilp_problem *problem,
                                      const ran_ilp_options *ilp, int64_t limit, bool *out_has)
{
    int64_t smallest;
    ran_status status = ran_ilp_smallest(h->context, problem, ilp, 0, &smallest);
    *out_has = status == RAN_OK && smallest >= 0 && smallest <= limit;
    return status;
}

/* Selects; when the whole turns out slower than its parts say, again with a lower limit. The
 * decision is kept, so that a resumed run does not depend on a new measurement. */
static ran_status select_within(const ran_hant *h, ran_ilp_problem *problem,
                                const ran_ilp_options *ilp, ran_hant_result *r)
{
    int64_t *limit = &problem->budgets[0].limit;
    double network = (double)h->latencies.network, allowed = (double)*limit / network;
    double wanted = h->options.latency.estimate ? allowed : (1 - margin) * allowed;
    ran_status status = RAN_OK;
    evaluated known = {.room = ROUNDS_MAX * ilp->solutions};
    known.items = RAN_ARENA_ARRAY(h->arena, ran_hant_choice, known.room + 1);
    for (int round = 0; round < ROUNDS_MAX && status == RAN_OK; round++) {
        double part = 0;
        bool has_faster = true;
        status = select_best(h, problem, ilp, &known, &r->chosen);
        r->lowered_limit = *limit;
        if (status != RAN_OK || *limit == INT64_MAX)
            return status;
        status = measure_part(h, &r->chosen, &part);
        if (status != RAN_OK || part <= wanted)
            return status;
        int64_t lower = *limit - (int64_t)((part - wanted) * network) - h->latencies.network / 200;
        if (part <= allowed)
            status = has_selection_below(h, problem, ilp, lower, &has_faster);
        if (!has_faster)
            return status;
        ran_hant_say(h, "measured %.3f of the teacher, wanted are %.3f: selecting again", part,
                     wanted);
        *limit = lower;
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
        ran_hant_say(h,
                     "candidates that lose up to %g points can't keep the budget: taking up to %g",
                     ilp->max_drop, ilp->max_drop * 2 < 100 ? ilp->max_drop * 2 : 100);
        ilp->max_drop = ilp->max_drop > 0 && ilp->max_drop * 2 < 100 ? ilp->max_drop * 2 : 100;
    }
}

static bool read_names(const ran_hant *h, FILE *file, size_t *choice)
{
    char name[256];
    for (size_t i = 0; i < h->problem.layer_count; i++) {
        const ran_ilp_layer *layer = &h->problem.layers[i];
        size_t op = 0;
        if (fscanf(file, "%255s", name) != 1)
            return false;
        while (op < layer->op_count && strcmp(layer->ops[op].name, name))
            op++;
        if (op == layer->op_count)
            return false;
        choice[i] = op;
    }
    return true;
}

/* The budget, the limit that the selection was made with, a candidate a layer. */
static ran_status read_choice(const ran_hant *h, const char *path, ran_hant_result *r)
{
    char budget[512];
    long long limit;
    FILE *file = fopen(path, "r");
    size_t *choice = RAN_ARENA_ARRAY(h->arena, size_t, h->problem.layer_count + 1);
    bool good = file && fgets(budget, sizeof budget, file) && fscanf(file, "%lld", &limit) == 1 &&
                read_names(h, file, choice);
    if (file)
        fclose(file);
    if (!good)
        return ran_error(h->context, RAN_INVALID, "%s does not fit this search; remove it", path);
    r->lowered_limit = limit;
    r->chosen = (ran_hant_choice){.method = "ilp", .choice = choice};
    return RAN_OK;
}

static void forget_selection(const ran_hant *h, const char *directory)
{
    static const char *const files[] = {"selection.txt", "tuning.checkpoint", "greedy.checkpoint",
                                        "random.checkpoint"};
    for (size_t i = 0; i < sizeof files / sizeof *files; i++)
        unlink(ran_hant_path(h, directory, files[i]));
}

/* Whether the directory's selection is of this budget. Else it goes, with all tuning. */
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
    if (!same)
        forget_selection(h, r->directory);
    return same;
}

static ran_status write_choice(const ran_hant *h, const char *path, const ran_hant_result *r)
{
    ran_beside_file out;
    ran_status status = ran_beside_open(h->context, path, &out);
    if (status != RAN_OK)
        return status;
    fprintf(out.stream, "%s\n%lld\n", r->budget ? r->budget : "", (long long)r->lowered_limit);
    for (size_t i = 0; i < h->problem.layer_count; i++)
        fprintf(out.stream, "%s\n", h->problem.layers[i].ops[r->chosen.choice[i]].name);
    return ran_beside_close(h->context, &out, RAN_OK);
}

ran_status ran_hant_choose(const ran_hant *h, ran_hant_result *r)
{
    const char *path = ran_hant_path(h, r->directory, "selection.txt");
    ran_ilp_problem problem = r->problem;
    ran_ilp_options ilp = h->options.ilp;
    ilp.lp_path = ran_hant_path(h, r->directory, "selection.lp");
    ran_status status = widen_prefilter(h, &problem, &ilp);
    r->prefilter = ilp.max_drop;
    if (status == RAN_OK && has_selection(h, r, path))
        return read_choice(h, path, r);
    if (status == RAN_OK)
        status = select_within(h, &problem, &ilp, r);
    return status == RAN_OK ? write_choice(h, path, r) : status;
}

/* ---- Baselines ------------------------------------------------------------------------------- */

const ran_hant_choice *ran_hant_find_equal(const ran_hant *h, const ran_hant_result *r,
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
    const ran_hant_choice *equal = ran_hant_find_equal(h, r, c);
    if (equal) {
        *c = *equal;
        c->method = method;
        return RAN_OK;
    }
    return ran_hant_evaluate(h, true, c);
}

ran_status ran_hant_choose_baselines(const ran_hant *h, ran_hant_result *r)
{
    ran_status status = RAN_OK;
    uint64_t seed = h->options.pretrain.seed;
    size_t *choice = RAN_ARENA_ARRAY(h->arena, size_t, h->problem.layer_count + 1);
    r->baselines = RAN_ARENA_ARRAY(h->arena, ran_hant_choice, RANDOM_CHOICES + 1);
    ran_ilp_options ilp = h->options.ilp;
    ilp.max_drop = r->prefilter;
    /* Under the limit that the measured latency left to the selection. */
    ran_ilp_problem problem = r->problem;
    problem.budgets[0].limit = r->lowered_limit;
    if (ran_ilp_greedy(&problem, &ilp, choice))
        status = add_baseline(h, "greedy", choice, r);
    for (int i = 0; i < RANDOM_CHOICES && status == RAN_OK; i++)
        if (ran_ilp_random(&problem, &ilp, &seed, choice))
            status = add_baseline(h, "random", choice, r);
    return status;
}
