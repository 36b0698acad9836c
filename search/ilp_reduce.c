/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Which candidates can be in an optimum at all: the prefilter of the paper, and dominance. */
#include "search/ilp_work.h"

#include <string.h>

size_t ran_ilp_op_count(const ran_ilp_problem *problem)
{
    size_t count = 0;
    for (size_t i = 0; i < problem->layer_count; i++)
        count += problem->layers[i].op_count;
    return count;
}

/* ---- The prefilter ----------------------------------------------------------------------------
 */

static size_t latency_of(const ran_ilp_problem *problem)
{
    for (size_t b = 0; b < problem->budget_count; b++)
        if (!strcmp(problem->budgets[b].name, "latency"))
            return b;
    return RAN_ILP_BUDGETS;
}

/* Slower than the teacher; where no latency is known, dearer in every budget. */
static bool is_slow(const ran_ilp_problem *problem, const ran_ilp_op *teacher, const ran_ilp_op *op)
{
    size_t latency = latency_of(problem);
    if (latency < problem->budget_count)
        return op->cost[latency] > teacher->cost[latency];
    for (size_t b = 0; b < problem->budget_count; b++)
        if (op->cost[b] <= teacher->cost[b])
            return false;
    return problem->budget_count > 0;
}

size_t ran_ilp_prefilter(const ran_ilp_problem *problem, const ran_ilp_options *options,
                         bool *out_keep)
{
    size_t dropped = 0;
    for (size_t i = 0; i < problem->layer_count; i++) {
        const ran_ilp_op *ops = problem->layers[i].ops;
        for (size_t j = 0; j < problem->layers[i].op_count; j++) {
            bool drops = j && ((!options->keep_slow && is_slow(problem, ops, &ops[j])) ||
                               (problem->has_drops && ops[j].drop > options->max_drop));
            *out_keep++ = !drops;
            dropped += drops;
        }
    }
    return dropped;
}

/* ---- Columns ------------------------------------------------------------------------------------
 */

static const uint64_t *used_by(ran_arena *arena, const ran_ilp_work *work, size_t layer, size_t op)
{
    uint64_t *used = ran_arena_alloc(arena, (work->words + 1) * sizeof(uint64_t));
    for (size_t k = 0; k < work->taken_count; k++)
        if (work->taken[k][layer] == op)
            used[k / 64] |= UINT64_C(1) << k % 64;
    return used;
}

void ran_ilp_work_fill(ran_arena *arena, const bool *keep, ran_ilp_work *work)
{
    const ran_ilp_problem *problem = work->problem;
    work->columns = RAN_ARENA_ARRAY(arena, ran_ilp_column, ran_ilp_op_count(problem));
    work->first = RAN_ARENA_ARRAY(arena, size_t, problem->layer_count + 1);
    work->column_count = 0;
    work->words = (work->taken_count + 63) / 64;
    for (size_t i = 0; i < problem->layer_count; i++) {
        work->first[i] = work->column_count;
        for (size_t j = 0; j < problem->layers[i].op_count; j++)
            if (*keep++)
                work->columns[work->column_count++] =
                    (ran_ilp_column){i, j, problem->layers[i].ops[j].loss,
                                     problem->layers[i].ops[j].cost, used_by(arena, work, i, j)};
    }
    work->first[problem->layer_count] = work->column_count;
}

/* ---- Dominance
 * ------------------------------------------------------------------------------------ */

/* Whether `a` could stand wherever `b` does without loss in any row. */
static bool is_as_good(const ran_ilp_work *work, const ran_ilp_column *a, const ran_ilp_column *b)
{
    if (a->loss > b->loss)
        return false;
    for (size_t r = 0; r < work->budget_count; r++)
        if (work->room[r] != INT64_MAX && a->cost[r] > b->cost[r])
            return false;
    for (size_t w = 0; w < work->words; w++)
        if (a->used[w] & ~b->used[w])
            return false;
    return true;
}

static bool is_dominated(const ran_ilp_work *work, size_t begin, size_t end, size_t column)
{
    const ran_ilp_column *self = &work->columns[column];
    for (size_t c = begin; c < end; c++) {
        const ran_ilp_column *other = &work->columns[c];
        /* Of two that are equal in all, the first stays. */
        if (c != column && is_as_good(work, other, self) &&
            (c < column || !is_as_good(work, self, other)))
            return true;
    }
    return false;
}

void ran_ilp_work_reduce(ran_ilp_work *work)
{
    ran_arena *scratch = ran_arena_create();
    bool *gone = RAN_ARENA_ARRAY(scratch, bool, work->column_count + 1);
    size_t kept = 0;
    for (size_t i = 0; i < work->layer_count; i++)
        for (size_t c = work->first[i]; c < work->first[i + 1]; c++)
            gone[c] = is_dominated(work, work->first[i], work->first[i + 1], c);
    for (size_t i = 0; i < work->layer_count; i++) {
        size_t begin = work->first[i], end = work->first[i + 1];
        work->first[i] = kept;
        for (size_t c = begin; c < end; c++)
            if (!gone[c])
                work->columns[kept++] = work->columns[c];
    }
    work->first[work->layer_count] = work->column_count = kept;
    ran_arena_destroy(scratch);
}
