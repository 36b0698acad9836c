/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The selection: a worked example, dynamic programming, enumeration, and sizes of real use. */
#include "search/ilp.h"

#include "ir/ir.h"
#include "tests/harness/unit.h"

#include <math.h>
#include <string.h>

enum { LAYERS_MAX = 64 };

static uint64_t next(uint64_t *seed)
{
    *seed = *seed * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
    return *seed >> 33;
}

/* ---- Problems -----------------------------------------------------------------------------------
 */

/* `losses` and `costs` are layers x ops; cost b of an op is costs[b][...]. */
static ran_ilp_problem make_problem(ran_arena *arena, size_t layers, size_t ops,
                                    const double *losses, size_t budgets,
                                    const int64_t *const *costs)
{
    static const char *const names[] = {"latency", "macs", "memory"};
    ran_ilp_problem problem = {.layer_count = layers, .budget_count = budgets};
    ran_ilp_layer *rows = RAN_ARENA_ARRAY(arena, ran_ilp_layer, layers);
    for (size_t i = 0; i < layers; i++) {
        ran_ilp_op *list = RAN_ARENA_ARRAY(arena, ran_ilp_op, ops);
        rows[i] = (ran_ilp_layer){"layer", list, ops};
        for (size_t j = 0; j < ops; j++) {
            int64_t *cost = RAN_ARENA_ARRAY(arena, int64_t, budgets);
            for (size_t b = 0; b < budgets; b++)
                cost[b] = costs[b][i * ops + j];
            list[j] = (ran_ilp_op){"op", losses[i * ops + j], 0, cost};
        }
    }
    for (size_t b = 0; b < budgets; b++)
        problem.budgets[b] = (ran_ilp_budget){names[b], INT64_MAX, 0};
    problem.layers = rows;
    return problem;
}

static const double worked_losses[] = {0,   503, 211, 907, 0,   331, 127, 811, 0,   719,
                                       409, 613, 0,   223, 601, 307, 0,   401, 131, 523};
static const int64_t worked_costs[] = {10, 4, 7,  1, 12, 6, 9, 2, 8, 3,
                                       5,  2, 15, 7, 4,  6, 9, 5, 8, 1};

static ran_ilp_problem worked_problem(ran_arena *arena)
{
    const int64_t *costs[] = {worked_costs};
    return make_problem(arena, 5, 4, worked_losses, 1, costs);
}

static ran_ilp_problem random_problem(ran_arena *arena, size_t layers, size_t ops, size_t budgets,
                                      int64_t scale, uint64_t seed)
{
    double *losses = RAN_ARENA_ARRAY(arena, double, layers *ops);
    int64_t *costs[3] = {0};
    for (size_t b = 0; b < budgets; b++)
        costs[b] = RAN_ARENA_ARRAY(arena, int64_t, layers * ops);
    for (size_t i = 0; i < layers * ops; i++) {
        losses[i] = i % ops ? (double)(next(&seed) % 100000) / 7 : 0;
        for (size_t b = 0; b < budgets; b++)
            costs[b][i] = (int64_t)(i % ops ? next(&seed) % 1000 : 900) * scale / 1000;
    }
    return make_problem(arena, layers, ops, losses, budgets, (const int64_t *const *)costs);
}

static int64_t teacher_cost(const ran_ilp_problem *problem, size_t budget)
{
    size_t teacher[LAYERS_MAX] = {0};
    return ran_ilp_cost(problem, budget, teacher);
}

/* ---- References ---------------------------------------------------------------------------------
 */

/* Least loss for each sum of the first cost up to the limit, layer by layer. */
static double dynamic_programming(const ran_ilp_problem *problem)
{
    size_t limit = (size_t)problem->budgets[0].limit;
    double *best = calloc(limit + 1, sizeof *best), *next_best = calloc(limit + 1, sizeof *best);
    for (size_t i = 0; i < problem->layer_count; i++) {
        for (size_t sum = 0; sum <= limit; sum++)
            next_best[sum] = INFINITY;
        for (size_t j = 0; j < problem->layers[i].op_count; j++) {
            const ran_ilp_op *op = &problem->layers[i].ops[j];
            size_t cost = (size_t)op->cost[0];
            for (size_t sum = cost; sum <= limit; sum++)
                next_best[sum] = fmin(next_best[sum], best[sum - cost] + op->loss);
        }
        memcpy(best, next_best, (limit + 1) * sizeof *best);
    }
    double result = best[limit];
    free(best);
    free(next_best);
    return result;
}

static bool keeps_all(const ran_ilp_problem *problem, const ran_ilp_solution *found, size_t count,
                      const size_t *choice)
{
    for (size_t b = 0; b < problem->budget_count; b++)
        if (ran_ilp_cost(problem, b, choice) > problem->budgets[b].limit)
            return false;
    for (size_t k = 0; k < count; k++) {
        size_t shared = 0;
        for (size_t i = 0; i < problem->layer_count; i++)
            shared += found[k].choice[i] == choice[i];
        if (shared > 7 * problem->layer_count / 10)
            return false;
    }
    return true;
}

/* Every choice there is. */
static double enumerate(const ran_ilp_problem *problem, const ran_ilp_solution *found, size_t count)
{
    size_t choice[LAYERS_MAX] = {0};
    double best = INFINITY;
    for (;;) {
        if (keeps_all(problem, found, count, choice))
            best = fmin(best, ran_ilp_loss(problem, choice));
        size_t i = 0;
        while (i < problem->layer_count && ++choice[i] == problem->layers[i].op_count)
            choice[i++] = 0;
        if (i == problem->layer_count)
            return best;
    }
}

/* ---- Tests
 * ------------------------------------------------------------------------------------------ */

START_TEST(worked_example)
{
    static const size_t expected[][5] = {
        {1, 1, 0, 1, 3}, {0, 3, 0, 3, 3}, {2, 1, 0, 2, 3}, {0, 1, 3, 1, 3}};
    static const double losses[] = {1580, 1641, 1666, 1690, 1697, 1697};
    static const size_t tied[][5] = {{2, 1, 2, 1, 3}, {2, 2, 3, 1, 3}};
    ran_context *context = ran_context_create();
    ran_arena *arena = ran_arena_create();
    ran_ilp_problem problem = worked_problem(arena);
    ran_ilp_options options = RAN_ILP_DEFAULTS;
    ran_ilp_result result;
    options.solutions = 6;
    problem.budgets[0].limit = 27;
    ck_assert_int_eq(ran_ilp_overlap(5, &options), 3);
    ck_assert_int_eq(ran_ilp_solve(context, arena, &problem, &options, &result), RAN_OK);
    ck_assert_uint_eq(result.count, 6);
    for (size_t k = 0; k < 6; k++)
        ck_assert_double_eq(result.solutions[k].loss, losses[k]);
    for (size_t k = 0; k < 4; k++)
        ck_assert_mem_eq(result.solutions[k].choice, expected[k], sizeof expected[k]);
    size_t first = memcmp(result.solutions[4].choice, tied[0], sizeof tied[0]) != 0;
    ck_assert_mem_eq(result.solutions[4].choice, tied[first], sizeof tied[0]);
    ck_assert_mem_eq(result.solutions[5].choice, tied[!first], sizeof tied[0]);
    ran_arena_destroy(arena);
    ran_context_destroy(context);
}
END_TEST

START_TEST(first_equals_dynamic_programming)
{
    for (uint64_t seed = 1; seed <= 40; seed++) {
        ran_context *context = ran_context_create();
        ran_arena *arena = ran_arena_create();
        ran_ilp_problem problem =
            random_problem(arena, 3 + seed % 20, 2 + seed % 13, 1, 1000, seed);
        ran_ilp_options options = RAN_ILP_DEFAULTS;
        ran_ilp_result result;
        options.solutions = 1;
        options.node_limit = -1;
        options.gap = 0;
        options.keep_slow = true;
        problem.budgets[0].limit = teacher_cost(&problem, 0) * (int64_t)(40 + seed % 50) / 100;
        double reference = dynamic_programming(&problem);
        ran_status status = ran_ilp_solve(context, arena, &problem, &options, &result);
        ck_assert_int_eq(status, isinf(reference) ? RAN_MISMATCH : RAN_OK);
        if (status == RAN_OK)
            ck_assert_double_eq_tol(result.solutions[0].loss, reference, 1e-6 * reference);
        ran_arena_destroy(arena);
        ran_context_destroy(context);
    }
}
END_TEST

START_TEST(several_budgets_equal_enumeration)
{
    size_t solved = 0;
    for (uint64_t seed = 1; seed <= 25; seed++) {
        ran_context *context = ran_context_create();
        ran_arena *arena = ran_arena_create();
        ran_ilp_problem problem = random_problem(arena, 6, 4, 3, 1000000000, seed);
        ran_ilp_options options = RAN_ILP_DEFAULTS;
        ran_ilp_result result;
        options.solutions = 5;
        options.node_limit = -1;
        options.gap = 0;
        options.keep_slow = true;
        for (size_t b = 0; b < 3; b++)
            problem.budgets[b].limit = teacher_cost(&problem, b) * 6 / 10;
        ran_status status = ran_ilp_solve(context, arena, &problem, &options, &result);
        if (status != RAN_OK)
            ck_assert(isinf(enumerate(&problem, NULL, 0)));
        for (size_t k = 0; k < result.count; k++, solved++)
            ck_assert_double_eq_tol(result.solutions[k].loss,
                                    enumerate(&problem, result.solutions, k), 1e-6);
        if (status == RAN_OK && result.count < options.solutions)
            ck_assert(isinf(enumerate(&problem, result.solutions, result.count)));
        ran_arena_destroy(arena);
        ran_context_destroy(context);
    }
    ck_assert_uint_gt(solved, 20);
}
END_TEST

START_TEST(overlap_is_integer)
{
    ran_ilp_options options = RAN_ILP_DEFAULTS;
    ck_assert_int_eq(ran_ilp_overlap(90, &options), 63);
    ck_assert_int_eq(ran_ilp_overlap(170, &options), 119);
    ck_assert_int_eq(ran_ilp_overlap(180, &options), 126);
    ck_assert_int_eq(ran_ilp_overlap(46, &options), 32);
    options.overlap = 46;
    ck_assert_int_eq(ran_ilp_overlap(46, &options), 45);
}
END_TEST

START_TEST(smallest_budget_is_reported)
{
    ran_context *context = ran_context_create();
    ran_arena *arena = ran_arena_create();
    ran_ilp_problem problem = worked_problem(arena);
    ran_ilp_options options = RAN_ILP_DEFAULTS;
    ran_ilp_result result;
    problem.budgets[0].limit = 9;
    ck_assert_int_eq(ran_ilp_solve(context, arena, &problem, &options, &result), RAN_MISMATCH);
    const char *message = ran_diagnostic_at(context, 0)->message;
    ck_assert_ptr_nonnull(strstr(message, "latency=10"));
    problem.budgets[0].limit = 10;
    ck_assert_int_eq(ran_ilp_solve(context, arena, &problem, &options, &result), RAN_OK);
    ck_assert_int_eq(result.solutions[0].cost[0], 10);
    ran_arena_destroy(arena);
    ran_context_destroy(context);
}
END_TEST

START_TEST(prefilter_keeps_the_teacher)
{
    static const double losses[] = {5, 1, 2};
    static const int64_t latency[] = {10, 11, 9};
    const int64_t *costs[] = {latency};
    ran_context *context = ran_context_create();
    ran_arena *arena = ran_arena_create();
    ran_ilp_problem problem = make_problem(arena, 1, 3, losses, 1, costs);
    ran_ilp_op *ops = (ran_ilp_op *)problem.layers[0].ops;
    ran_ilp_options options = RAN_ILP_DEFAULTS;
    ran_ilp_result result;
    problem.has_drops = true;
    ops[0].drop = 9;
    ops[2].drop = 5;
    ck_assert_int_eq(ran_ilp_solve(context, arena, &problem, &options, &result), RAN_OK);
    ck_assert_uint_eq(result.filtered, 1); /* the slow one */
    ck_assert_uint_eq(result.solutions[0].choice[0], 2);
    ops[2].drop = 5.01;
    ck_assert_int_eq(ran_ilp_solve(context, arena, &problem, &options, &result), RAN_OK);
    ck_assert_uint_eq(result.filtered, 2);
    ck_assert_uint_eq(result.solutions[0].choice[0], 0);
    options.keep_slow = true;
    ck_assert_int_eq(ran_ilp_solve(context, arena, &problem, &options, &result), RAN_OK);
    ck_assert_uint_eq(result.solutions[0].choice[0], 1);
    ran_arena_destroy(arena);
    ran_context_destroy(context);
}
END_TEST

START_TEST(size_of_real_use)
{
    ran_context *context = ran_context_create();
    ran_arena *arena = ran_arena_create();
    ran_ilp_problem problem = random_problem(arena, 46, 197, 1, 3000000, 7);
    ran_ilp_options options = RAN_ILP_DEFAULTS;
    ran_ilp_result result;
    size_t greedy[LAYERS_MAX], drawn[LAYERS_MAX];
    uint64_t seed = 1;
    options.solutions = 12;
    problem.budgets[0].limit = teacher_cost(&problem, 0) / 2;
    ck_assert_int_eq(ran_ilp_solve(context, arena, &problem, &options, &result), RAN_OK);
    ck_assert_uint_eq(result.count, 12);
    ck_assert(!result.solutions[0].limited);
    for (size_t k = 0; k < result.count; k++) {
        const ran_ilp_solution *s = &result.solutions[k];
        ck_assert(keeps_all(&problem, result.solutions, k, s->choice));
        ck_assert_double_le(s->bound, s->loss);
        ck_assert_double_ge(s->loss, result.solutions[0].loss);
    }
    ck_assert(ran_ilp_greedy(&problem, &options, greedy));
    ck_assert(ran_ilp_random(&problem, &options, &seed, drawn));
    ck_assert_int_le(ran_ilp_cost(&problem, 0, greedy), problem.budgets[0].limit);
    ck_assert_int_le(ran_ilp_cost(&problem, 0, drawn), problem.budgets[0].limit);
    ck_assert_double_ge(ran_ilp_loss(&problem, greedy), result.solutions[0].loss);
    ck_assert_double_ge(ran_ilp_loss(&problem, drawn), ran_ilp_loss(&problem, greedy));
    ran_arena_destroy(arena);
    ran_context_destroy(context);
}
END_TEST

START_TEST(limits_are_exact)
{
    static const struct {
        const char *budget, *text;
        int64_t teacher, expected;
    } cases[] = {
        {"latency", "0.5x", 54, 27},
        {"latency", "0.7x", 90, 63},
        {"latency", "1x", INT64_MAX / 2, INT64_MAX / 2},
        {"latency", "1.5ms", 1, 1500000},
        {"latency", "27", 1, 27},
        {"macs", "2.5M", 1, 2500000},
        {"memory", "1Ki", 1, 1024},
    };
    ran_context *context = ran_context_create();
    int64_t limit;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        ck_assert_int_eq(
            ran_ilp_parse_limit(context, cases[i].budget, cases[i].text, cases[i].teacher, &limit),
            RAN_OK);
        ck_assert_int_eq(limit, cases[i].expected);
    }
    ck_assert_int_eq(ran_ilp_parse_limit(context, "macs", "3ms", 1, &limit), RAN_USAGE);
    ck_assert_int_eq(ran_ilp_parse_limit(context, "macs", "x", 1, &limit), RAN_USAGE);
    ck_assert_int_eq(ran_ilp_parse_limit(context, "macs", "-1", 1, &limit), RAN_USAGE);
    ran_context_destroy(context);
}
END_TEST

RAN_UNIT_TESTS(several_budgets_equal_enumeration, worked_example, limits_are_exact,
               size_of_real_use, prefilter_keeps_the_teacher, smallest_budget_is_reported,
               overlap_is_integer, first_equals_dynamic_programming)
