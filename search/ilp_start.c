/* SPDX-License-Identifier: GPL-3.0-or-later */
/* A good choice without branching: rounding of the LP relaxation, repair, exchanges. */
#include "search/ilp_work.h"

#include <math.h>
#include <string.h>

enum { REPAIR_STEPS = 400, ROUNDINGS = 12 };

/* A choice on its way, with what it uses up. */
typedef struct state {
    const ran_ilp_work *work;
    size_t *columns;
    int64_t cost[RAN_ILP_BUDGETS];
    size_t *shared; /* ops shared with each taken choice */
    double loss;
} state;

static bool has_bit(const uint64_t *bits, size_t k)
{
    return bits[k / 64] >> k % 64 & 1;
}

static bool is_limited(const ran_ilp_work *work, size_t budget)
{
    return work->room[budget] != INT64_MAX;
}

static void recount(state *s)
{
    const ran_ilp_work *work = s->work;
    memset(s->cost, 0, sizeof s->cost);
    memset(s->shared, 0, work->taken_count * sizeof *s->shared);
    s->loss = 0;
    for (size_t i = 0; i < work->layer_count; i++) {
        const ran_ilp_column *column = &work->columns[s->columns[i]];
        s->loss += column->loss;
        for (size_t b = 0; b < work->budget_count; b++)
            s->cost[b] += column->cost[b];
        for (size_t k = 0; k < work->taken_count; k++)
            s->shared[k] += has_bit(column->used, k);
    }
}

bool ran_ilp_work_holds(const ran_ilp_work *work, const size_t *columns)
{
    for (size_t b = 0; b < work->budget_count; b++) {
        int64_t cost = 0;
        for (size_t i = 0; i < work->layer_count; i++)
            cost += work->columns[columns[i]].cost[b];
        if (is_limited(work, b) && cost > work->room[b])
            return false;
    }
    for (size_t k = 0; k < work->taken_count; k++) {
        size_t shared = 0;
        for (size_t i = 0; i < work->layer_count; i++)
            shared += work->columns[columns[i]].op == work->taken[k][i];
        if (shared > work->limits[k])
            return false;
    }
    return true;
}

/* ---- Repair
 * --------------------------------------------------------------------------------------- */

/* How far from holding, in parts of the rows; with `from` replaced by `to` where these are given.
 */
static double violation(const state *s, const ran_ilp_column *from, const ran_ilp_column *to)
{
    const ran_ilp_work *work = s->work;
    double sum = 0;
    for (size_t b = 0; b < work->budget_count; b++) {
        int64_t cost = s->cost[b] + (to ? to->cost[b] - from->cost[b] : 0);
        if (is_limited(work, b) && cost > work->room[b])
            sum += (double)(cost - work->room[b]) / fmax(1, (double)work->room[b]);
    }
    for (size_t k = 0; k < work->taken_count; k++) {
        size_t shared = s->shared[k];
        if (to)
            shared = shared - has_bit(from->used, k) + has_bit(to->used, k);
        if (shared > work->limits[k])
            sum += (double)(shared - work->limits[k]) / (double)work->layer_count;
    }
    return sum;
}

/* The exchange of one layer that heals most for the loss it brings. */
static bool repair_step(state *s, double broken)
{
    const ran_ilp_work *work = s->work;
    double best = -INFINITY;
    size_t best_layer = 0, best_column = 0;
    for (size_t i = 0; i < work->layer_count; i++) {
        const ran_ilp_column *from = &work->columns[s->columns[i]];
        for (size_t c = work->first[i]; c < work->first[i + 1]; c++) {
            const ran_ilp_column *to = &work->columns[c];
            double healed = broken - violation(s, from, to);
            double price = to->loss - from->loss;
            if (c == s->columns[i] || healed <= 1e-12)
                continue;
            double merit = price > 0 ? healed / price : 1e30 * healed - price;
            if (merit > best) {
                best = merit;
                best_layer = i;
                best_column = c;
            }
        }
    }
    if (best == -INFINITY)
        return false;
    s->columns[best_layer] = best_column;
    recount(s);
    return true;
}

static bool repair(state *s)
{
    for (int step = 0; step < REPAIR_STEPS; step++) {
        double broken = violation(s, NULL, NULL);
        if (broken == 0)
            return true;
        if (!repair_step(s, broken))
            return false;
    }
    return false;
}

/* ---- Improvement
 * ------------------------------------------------------------------------------------ */

/* Bits of the taken choices that no further op may be shared with (`full`), and at most one
 * (`nearly`, with the full ones). */
typedef struct tight {
    uint64_t *full, *nearly;
} tight;

static void find_tight(const state *s, tight *t)
{
    memset(t->full, 0, s->work->words * sizeof *t->full);
    memset(t->nearly, 0, s->work->words * sizeof *t->nearly);
    for (size_t k = 0; k < s->work->taken_count; k++) {
        uint64_t bit = UINT64_C(1) << k % 64;
        if (s->shared[k] >= s->work->limits[k])
            t->full[k / 64] |= bit;
        if (s->shared[k] + 1 >= s->work->limits[k])
            t->nearly[k / 64] |= bit;
    }
}

typedef struct exchange {
    const ran_ilp_column *from, *to;
} exchange;

static bool keeps_budgets(const state *s, exchange a, exchange b)
{
    for (size_t r = 0; r < s->work->budget_count; r++)
        if (is_limited(s->work, r) &&
            s->cost[r] + a.to->cost[r] - a.from->cost[r] + b.to->cost[r] - b.from->cost[r] >
                s->work->room[r])
            return false;
    return true;
}

static bool keeps_overlaps(const state *s, const tight *t, exchange a, exchange b)
{
    for (size_t w = 0; w < s->work->words; w++) {
        uint64_t gain_a = a.to->used[w] & ~a.from->used[w],
                 loss_a = a.from->used[w] & ~a.to->used[w];
        uint64_t gain_b = b.to->used[w] & ~b.from->used[w],
                 loss_b = b.from->used[w] & ~b.to->used[w];
        uint64_t two = gain_a & gain_b, one = (gain_a ^ gain_b) & ~loss_a & ~loss_b;
        if ((two & t->nearly[w]) | (one & t->full[w]))
            return false;
    }
    return true;
}

/* The best exchange of up to two layers so far. */
typedef struct best_exchange {
    double delta;
    size_t layers[2], columns[2];
} best_exchange;

static void consider(const state *s, const tight *t, exchange a, exchange b, best_exchange *best)
{
    double delta = a.to->loss - a.from->loss + b.to->loss - b.from->loss;
    if (delta >= best->delta || !keeps_budgets(s, a, b) || !keeps_overlaps(s, t, a, b))
        return;
    const ran_ilp_column *columns = s->work->columns;
    *best = (best_exchange){
        delta, {a.to->layer, b.to->layer}, {(size_t)(a.to - columns), (size_t)(b.to - columns)}};
}

/* `a` alone, or together with every exchange of a layer behind it. */
static void consider_with(const state *s, const tight *t, exchange a, bool pairs,
                          best_exchange *best)
{
    const ran_ilp_work *work = s->work;
    if (!pairs) {
        consider(s, t, a, (exchange){a.to, a.to}, best);
        return;
    }
    for (size_t j = a.to->layer + 1; j < work->layer_count; j++)
        for (size_t c = work->first[j]; c < work->first[j + 1]; c++)
            consider(s, t, a, (exchange){&work->columns[s->columns[j]], &work->columns[c]}, best);
}

/* Takes the best exchange of one layer, or of two; false when none lowers the loss. */
static bool improve_step(state *s, tight *t, bool pairs)
{
    const ran_ilp_work *work = s->work;
    best_exchange best = {.delta = -1e-12};
    find_tight(s, t);
    for (size_t c = 0; c < work->column_count; c++) {
        const ran_ilp_column *to = &work->columns[c];
        exchange a = {&work->columns[s->columns[to->layer]], to};
        if (a.from != to)
            consider_with(s, t, a, pairs, &best);
    }
    if (best.delta >= -1e-12)
        return false;
    s->columns[best.layers[0]] = best.columns[0];
    s->columns[best.layers[1]] = best.columns[1];
    recount(s);
    return true;
}

static void improve(state *s, tight *t)
{
    do
        while (improve_step(s, t, false))
            continue;
    while (improve_step(s, t, true));
}

/* ---- Starts
 * --------------------------------------------------------------------------------------------- */

uint64_t ran_ilp_next_random(uint64_t *seed)
{
    uint64_t z = *seed += UINT64_C(0x9e3779b97f4a7c15);
    z = (z ^ z >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
    z = (z ^ z >> 27) * UINT64_C(0x94d049bb133111eb);
    return z ^ z >> 31;
}

static size_t heaviest(const ran_ilp_work *work, size_t layer, const double *weights)
{
    size_t best = work->first[layer];
    for (size_t c = best; c < work->first[layer + 1]; c++)
        if (weights[c] > weights[best])
            best = c;
    return best;
}

/* A column drawn by weight. */
static size_t draw(const ran_ilp_work *work, size_t layer, const double *weights, uint64_t *seed)
{
    double at = (double)(ran_ilp_next_random(seed) >> 11) * 0x1p-53;
    for (size_t c = work->first[layer]; c < work->first[layer + 1]; c++)
        if ((at -= fmax(weights[c], 0)) < 0)
            return c;
    return heaviest(work, layer, weights);
}

bool ran_ilp_work_start(ran_arena *arena, const ran_ilp_work *work, const double *weights,
                        size_t *out_columns)
{
    state s = {.work = work,
               .columns = RAN_ARENA_ARRAY(arena, size_t, work->layer_count + 1),
               .shared = RAN_ARENA_ARRAY(arena, size_t, work->taken_count + 1)};
    tight t = {RAN_ARENA_ARRAY(arena, uint64_t, work->words + 1),
               RAN_ARENA_ARRAY(arena, uint64_t, work->words + 1)};
    uint64_t seed = work->taken_count;
    double best = INFINITY;
    for (int attempt = 0; attempt < ROUNDINGS; attempt++) {
        for (size_t i = 0; i < work->layer_count; i++)
            s.columns[i] = attempt ? draw(work, i, weights, &seed) : heaviest(work, i, weights);
        recount(&s);
        if (!repair(&s))
            continue;
        improve(&s, &t);
        if (s.loss < best) {
            best = s.loss;
            memcpy(out_columns, s.columns, work->layer_count * sizeof *out_columns);
        }
    }
    return best < INFINITY;
}
