/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The selection by the integer program, checked as whole networks. */
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "ir/beside.h"
#include "search/hant.h"

enum { ROUNDS_MAX = 4 };
/* Parts of a limit. A selection aims at a twenty-fifth below it and may come up to half of that:
 * after tuning it is measured again, and on a machine that does other things two measurements of
 * one network differ by so much. What leaves more than another twenty-fifth is worth another round.
 */
enum { MARGIN = 25, NEAR = 25 };

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
    *out = (ran_hant_choice){.method = "ilp", .choice = ran_hant_copy_choice(h, choice)};
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
    return status;
}

static const char *names_of(const ran_hant *h, const size_t *choice)
{
    const char *names = "";
    for (size_t i = 0; i < h->problem.layer_count; i++)
        names = ran_intern_printf(h->context, "%s%s%s", names, i ? "," : "",
                                  h->problem.layers[i].ops[choice[i]].name);
    return names;
}

/* Of an assembled network, as a part of what the teacher takes in the same turns, on the table's
 * scale: the machine may be slower than it was. Measured once; the table keeps it, so that with the
 * same table a search always takes the same way. */
static ran_status latency_of_whole(ran_hant *h, const size_t *choice, int64_t *out_latency)
{
    ran_module *module;
    int64_t teacher, latency;
    const char *names = names_of(h, choice);
    *out_latency = ran_latency_find(&h->latencies, RAN_LATENCY_ASSEMBLED, names);
    if (*out_latency >= 0)
        return RAN_OK;
    ran_status status = ran_hant_assemble(h, choice, &module);
    if (status != RAN_OK)
        return status;
    status = ran_hant_measure(h, module, &teacher, &latency);
    ran_module_destroy(module);
    if (status != RAN_OK)
        return status;
    *out_latency = (int64_t)((double)latency / (double)teacher * (double)h->latencies.network);
    ran_latency_add(&h->latencies, RAN_LATENCY_ASSEMBLED, names, *out_latency);
    return ran_hant_save_latencies(h);
}

static ran_status can_meet(const ran_hant *h, const ran_ilp_problem *problem,
                           const ran_ilp_options *ilp, int64_t limit, bool *out_can)
{
    int64_t smallest;
    ran_status status = ran_ilp_smallest(h->context, problem, ilp, 0, &smallest);
    *out_can = status == RAN_OK && smallest >= 0 && smallest <= limit;
    return status;
}

/* One round: a selection, and what its network takes. */
typedef struct attempt {
    ran_hant_choice choice;
    int64_t sum_limit, correction, latency;
} attempt;

static ran_status attempt_selection(ran_hant *h, const ran_ilp_problem *problem,
                                    const ran_ilp_options *ilp, evaluated *known, attempt *a)
{
    ran_status status = select_best(h, problem, ilp, known, &a->choice);
    if (status != RAN_OK)
        return status;
    a->choice.predicted = ran_ilp_cost(problem, 0, a->choice.choice) + a->correction;
    ran_hant_say(h, "selected: loss %.4f on held-out images, predicted latency %.3f ms",
                 a->choice.held_out_loss, (double)a->choice.predicted / 1e6);
    if (a->sum_limit == INT64_MAX)
        return RAN_OK;
    status = latency_of_whole(h, a->choice.choice, &a->latency);
    if (status == RAN_OK)
        ran_hant_say(h, "measured: %.3f of the teacher's, predicted %.3f",
                     (double)a->latency / (double)h->latencies.network,
                     (double)a->choice.predicted / (double)h->latencies.network);
    return status;
}

/* What selections aim at, and up to where they are taken. */
typedef struct aim {
    int64_t allowed, taken, wanted;
} aim;

static aim aim_below(const ran_hant *h, int64_t limit)
{
    int64_t part = limit == INT64_MAX || h->options.latency.estimate ? 0 : limit / MARGIN;
    return (aim){limit, limit - part / 2, limit - part};
}

/* What keeps the limit before what does not; then the less loss, or the less excess. */
static bool is_better(const attempt *a, const attempt *b, const aim *at)
{
    if ((a->latency <= at->taken) != (b->latency <= at->taken))
        return a->latency <= at->taken;
    return a->latency <= at->taken ? a->choice.held_out_loss < b->choice.held_out_loss
                                   : a->latency < b->latency;
}

static bool is_repeated(const ran_hant *h, const attempt *attempts, int count)
{
    const attempt *last = &attempts[count];
    for (int i = 0; i < count; i++)
        if (!memcmp(attempts[i].choice.choice, last->choice.choice,
                    h->problem.layer_count * sizeof *last->choice.choice))
            return true;
    return false;
}

/* Whether a selection by what is known now would come nearer to the limit. */
static bool is_worth_another(const attempt *a, const aim *at)
{
    return a->latency > at->taken || a->choice.predicted - a->latency > at->wanted / NEAR;
}

/* Rounds until a network keeps the limit and doesn't leave much of it. A network's latency is not
 * the sum of its layers': caches hold more of a small one. So what the last one took more than its
 * parts say is taken for what the next one will. */
static ran_status select_within(ran_hant *h, ran_ilp_problem *problem, const ran_ilp_options *ilp,
                                ran_hant_result *r)
{
    int64_t *limit = &problem->budgets[0].limit, correction = 0;
    aim at = aim_below(h, *limit);
    attempt attempts[ROUNDS_MAX] = {0}, *best = attempts;
    evaluated known = {.room = ROUNDS_MAX * ilp->solutions};
    known.items = RAN_ARENA_ARRAY(h->arena, ran_hant_choice, known.room + 1);
    bool possible;
    ran_status status = can_meet(h, problem, ilp, at.wanted, &possible);
    if (!possible)
        at = (aim){at.allowed, at.allowed, at.allowed};
    for (int round = 0; round < ROUNDS_MAX && status == RAN_OK; round++) {
        attempt *a = &attempts[round];
        *limit = at.wanted == INT64_MAX ? INT64_MAX : at.wanted - correction;
        if (round && best->latency <= at.allowed) {
            status = can_meet(h, problem, ilp, *limit, &possible);
            if (status != RAN_OK || !possible)
                break;
        }
        *a = (attempt){.sum_limit = *limit, .correction = correction};
        status = attempt_selection(h, problem, ilp, &known, a);
        if (status != RAN_OK || is_repeated(h, attempts, round))
            break;
        best = is_better(a, best, &at) ? a : best;
        if (at.allowed == INT64_MAX || !is_worth_another(a, &at))
            break;
        correction = a->latency - ran_ilp_cost(problem, 0, a->choice.choice);
    }
    r->chosen = best->choice;
    r->sum_limit = best->sum_limit;
    r->correction = best->correction;
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

/* The budget, limit and correction that the selection was made with, a candidate a layer. */
static ran_status read_choice(const ran_hant *h, const char *path, ran_hant_result *r)
{
    char budget[512];
    long long limit, correction;
    FILE *file = fopen(path, "r");
    size_t *choice = RAN_ARENA_ARRAY(h->arena, size_t, h->problem.layer_count + 1);
    bool good = file && fgets(budget, sizeof budget, file) &&
                fscanf(file, "%lld %lld", &limit, &correction) == 2 && read_names(h, file, choice);
    if (file)
        fclose(file);
    if (!good)
        return ran_error(h->context, RAN_INVALID, "%s does not fit this search; remove it", path);
    r->sum_limit = limit;
    r->correction = correction;
    r->chosen = (ran_hant_choice){.method = "ilp",
                                  .choice = choice,
                                  .predicted = ran_ilp_cost(&h->problem, 0, choice) + correction};
    return RAN_OK;
}

static void forget_selection(const ran_hant *h, const char *directory)
{
    static const char *const files[] = {"selection.txt", "tuning.checkpoint", "greedy.checkpoint",
                                        "random.checkpoint"};
    for (size_t i = 0; i < sizeof files / sizeof *files; i++)
        unlink(ran_hant_path(h, directory, files[i]));
}

/* Whether the directory has a selection, of this budget. Else it goes, with all tuning. */
static bool has_selection(const ran_hant *h, const ran_hant_result *r, const char *path)
{
    char line[512] = "";
    FILE *file = fopen(path, "r");
    if (!file) {
        forget_selection(h, r->directory);
        return false;
    }
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
    fprintf(out.stream, "%s\n%lld %lld\n", r->budget ? r->budget : "", (long long)r->sum_limit,
            (long long)r->correction);
    for (size_t i = 0; i < h->problem.layer_count; i++)
        fprintf(out.stream, "%s\n", h->problem.layers[i].ops[r->chosen.choice[i]].name);
    return ran_beside_close(h->context, &out, RAN_OK);
}

ran_status ran_hant_choose(ran_hant *h, ran_hant_result *r)
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
