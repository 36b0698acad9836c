/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Selections to compare with: greedy, and random under the same budgets. */
#include <math.h>
#include <string.h>

#include "search/ilp_work.h"

enum { RANDOM_TRIES = 200 };

typedef struct baseline {
    const ran_ilp_problem *problem;
    ran_arena *arena;
    bool *keep;
    size_t *first; /* of a layer in `keep` */
    size_t *choice;
} baseline;

static baseline create_baseline(const ran_ilp_problem *problem, const ran_ilp_options *options,
                                size_t *choice)
{
    baseline b = {.problem = problem, .arena = ran_arena_create(), .choice = choice};
    b.keep = RAN_ARENA_ARRAY(b.arena, bool, ran_ilp_op_count(problem) + 1);
    b.first = RAN_ARENA_ARRAY(b.arena, size_t, problem->layer_count + 1);
    for (size_t i = 0; i < problem->layer_count; i++)
        b.first[i + 1] = b.first[i] + problem->layers[i].op_count;
    ran_ilp_prefilter(problem, options, b.keep);
    return b;
}

/* How far above its limits a choice is, in parts of them. */
static double excess(const ran_ilp_problem *problem, const size_t *choice)
{
    double sum = 0;
    for (size_t r = 0; r < problem->budget_count; r++) {
        int64_t limit = problem->budgets[r].limit;
        int64_t cost = limit == INT64_MAX ? 0 : ran_ilp_cost(problem, r, choice);
        if (cost > limit)
            sum += (double)(cost - limit) / fmax(1, fabs((double)limit));
    }
    return sum;
}

/* What an exchange saves of the excess, and 0 when it may not be made. */
static double saving(const baseline *b, double now, size_t layer, size_t op)
{
    size_t before = b->choice[layer];
    if (!b->keep[b->first[layer] + op] || op == before)
        return 0;
    b->choice[layer] = op;
    double after = excess(b->problem, b->choice);
    b->choice[layer] = before;
    return now - after;
}

static bool greedy_step(baseline *b)
{
    double now = excess(b->problem, b->choice), best = -INFINITY;
    size_t best_layer = 0, best_op = 0;
    for (size_t i = 0; i < b->problem->layer_count; i++) {
        const ran_ilp_layer *layer = &b->problem->layers[i];
        for (size_t j = 0; j < layer->op_count; j++) {
            double saved = saving(b, now, i, j);
            double price = layer->ops[j].loss - layer->ops[b->choice[i]].loss;
            double merit = price > 0 ? saved / price : 1e30 * saved;
            if (saved <= 1e-15 || merit <= best)
                continue;
            best = merit;
            best_layer = i;
            best_op = j;
        }
    }
    if (best == -INFINITY)
        return false;
    b->choice[best_layer] = best_op;
    return true;
}

bool ran_ilp_greedy(const ran_ilp_problem *problem, const ran_ilp_options *options,
                    size_t *out_choice)
{
    baseline b = create_baseline(problem, options, out_choice);
    memset(out_choice, 0, problem->layer_count * sizeof *out_choice);
    while (excess(problem, out_choice) > 0 && greedy_step(&b))
        continue;
    ran_arena_destroy(b.arena);
    return excess(problem, out_choice) == 0;
}

static size_t draw_op(const baseline *b, size_t layer, uint64_t *seed)
{
    size_t count = b->problem->layers[layer].op_count, op;
    do
        op = ran_ilp_next_random(seed) % count;
    while (!b->keep[b->first[layer] + op]);
    return op;
}

/* Draws every layer, then layers at random, as long as that brings the excess down. */
static bool random_attempt(const baseline *b, uint64_t *seed)
{
    size_t layers = b->problem->layer_count;
    for (size_t i = 0; i < layers; i++)
        b->choice[i] = draw_op(b, i, seed);
    double now = excess(b->problem, b->choice);
    for (size_t step = 0; step < 200 * layers && now > 0; step++) {
        size_t layer = ran_ilp_next_random(seed) % layers, before = b->choice[layer];
        b->choice[layer] = draw_op(b, layer, seed);
        double after = excess(b->problem, b->choice);
        if (after > now)
            b->choice[layer] = before;
        else
            now = after;
    }
    return now == 0;
}

bool ran_ilp_random(const ran_ilp_problem *problem, const ran_ilp_options *options, uint64_t *seed,
                    size_t *out_choice)
{
    baseline b = create_baseline(problem, options, out_choice);
    bool found = false;
    for (int attempt = 0; attempt < RANDOM_TRIES && !found; attempt++)
        found = random_attempt(&b, seed);
    ran_arena_destroy(b.arena);
    return found;
}
