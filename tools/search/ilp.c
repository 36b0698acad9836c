/* SPDX-License-Identifier: GPL-3.0-or-later */
/* ran-search ilp: selects one candidate a layer from a table. */
#include "tools/search/search.h"

#include <errno.h>
#include <jansson.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "ir/ir.h"
#include "tools/files.h"

enum {
    OPTION_TABLE = 256,
    OPTION_BUDGET,
    OPTION_OVERLAP,
    OPTION_MAX_DROP,
    OPTION_KEEP_SLOW,
    OPTION_NODES,
    OPTION_GAP,
    OPTION_LP_OUT,
    OPTION_LP_SOLUTION,
    OPTION_METHOD,
    OPTION_SEED,
    OPTION_JSON,
    OPTION_TIME,
};

static const struct argp_option options[] = {
    {NULL, 0, NULL, 0, "The problem:", 1},
    {"table", OPTION_TABLE, "FILE", 0,
     "Candidates: a line of column names (layer candidate loss [drop] latency ...), then one line "
     "a candidate, the teacher's first",
     1},
    {"budget", OPTION_BUDGET, "KEY=V", 0,
     "Upper limit of the sum of a column: an amount, or a part of the teacher's such as 0.5x; "
     "several options are several limits",
     1},
    {"max-drop", OPTION_MAX_DROP, "POINTS", 0,
     "Leave out candidates whose drop is larger, in percentage points (5)", 1},
    {"keep-slow", OPTION_KEEP_SLOW, NULL, 0, "Keep candidates that are slower than the teacher's",
     1},
    {NULL, 0, NULL, 0, "The selection:", 2},
    {"solutions", 'k', "N", 0, "How many different selections (1)", 2},
    {"overlap", OPTION_OVERLAP, "N", 0, "Layers that two selections may share (7/10 of them)", 2},
    {"nodes", OPTION_NODES, "N", 0, "Nodes of branch and cut for one selection, at most (300)", 2},
    {"gap", OPTION_GAP, "X", 0, "Relative distance from the optimum at which it stops (1e-6)", 2},
    {"method", OPTION_METHOD, "NAME", 0, "ilp, or for comparison greedy or random", 2},
    {"seed", OPTION_SEED, "N", 0, "Of --method=random (0)", 2},
    {NULL, 0, NULL, 0, "Output:", 3},
    {"json", OPTION_JSON, NULL, 0, "Print JSON", 3},
    {"time", OPTION_TIME, NULL, 0, "Print how long it took, to standard error", 3},
    {"lp-out", OPTION_LP_OUT, "FILE", 0, "Write the integer program in CPLEX LP format", 3},
    {"lp-solution", OPTION_LP_SOLUTION, "N", 0, "The one of the Nth selection (1)", 3},
    {0},
};

typedef struct arguments {
    const char *table, *method;
    ran_budget_options budgets;
    ran_ilp_options ilp;
    uint64_t seed;
    bool json, time;
} arguments;

static int64_t parse_integer(const char *option, const char *text, struct argp_state *state)
{
    char *end;
    errno = 0;
    long long value = strtoll(text, &end, 10);
    if (end == text || *end || errno || value < 0)
        argp_error(state, "--%s: expected a number from 0, not %s", option, text);
    return value;
}

static double parse_real(const char *option, const char *text, struct argp_state *state)
{
    char *end;
    double value = strtod(text, &end);
    if (end == text || *end || !(value >= 0))
        argp_error(state, "--%s: expected a number from 0, not %s", option, text);
    return value;
}

static void add_budget(arguments *a, char *value, struct argp_state *state)
{
    const char *problem = ran_budget_add(&a->budgets, value);
    if (problem)
        argp_error(state, "--budget: %s", problem);
}

static void set_method(arguments *a, const char *value, struct argp_state *state)
{
    if (strcmp(value, "ilp") && strcmp(value, "greedy") && strcmp(value, "random"))
        argp_error(state, "--method: expected ilp, greedy or random, not %s", value);
    a->method = value;
}

static void set_solutions(arguments *a, const char *value, struct argp_state *state)
{
    a->ilp.solutions = (size_t)parse_integer("solutions", value, state);
    if (a->ilp.solutions < 1 || a->ilp.solutions > 100000)
        argp_error(state, "--solutions: expected 1 to 100000");
}

static void check_arguments(const arguments *a, struct argp_state *state)
{
    if (!a->table)
        argp_error(state, "--table=FILE says what to choose from");
    if (ran_budget_points(&a->budgets) > 1)
        argp_error(state, "--budget: one value each");
}

static error_t parse_option(int key, char *value, struct argp_state *state)
{
    arguments *a = state->input;
    switch (key) {
    case OPTION_TABLE:
        a->table = value;
        return 0;
    case OPTION_BUDGET:
        add_budget(a, value, state);
        return 0;
    case 'k':
        set_solutions(a, value, state);
        return 0;
    case OPTION_OVERLAP:
        a->ilp.overlap = parse_integer("overlap", value, state);
        return 0;
    case OPTION_MAX_DROP:
        a->ilp.max_drop = parse_real("max-drop", value, state);
        return 0;
    case OPTION_KEEP_SLOW:
        a->ilp.keep_slow = true;
        return 0;
    case OPTION_NODES:
        a->ilp.node_limit = parse_integer("nodes", value, state);
        return 0;
    case OPTION_GAP:
        a->ilp.gap = parse_real("gap", value, state);
        return 0;
    case OPTION_METHOD:
        set_method(a, value, state);
        return 0;
    case OPTION_SEED:
        a->seed = (uint64_t)parse_integer("seed", value, state);
        return 0;
    case OPTION_JSON:
        a->json = true;
        return 0;
    case OPTION_TIME:
        a->time = true;
        return 0;
    case OPTION_LP_OUT:
        a->ilp.lp_path = value;
        return 0;
    case OPTION_LP_SOLUTION:
        a->ilp.lp_solution = (size_t)parse_integer("lp-solution", value, state);
        return 0;
    case ARGP_KEY_END:
        check_arguments(a, state);
        return 0;
    default:
        return ARGP_ERR_UNKNOWN;
    }
}

static const struct argp parser = {
    .options = options,
    .parser = parse_option,
    .args_doc = "--table=FILE --budget=KEY=V",
    .doc = "Selects one candidate a layer so that the sum of losses is least under the budgets.\v"
           "The integer program of HANT (equations 3 and 4). Exit status 4: no selection keeps the "
           "budgets; the message says the smallest that can be met.",
};

/* ---- Output -----------------------------------------------------------------------------------
 */

static void print_text(const ran_ilp_problem *problem, const ran_ilp_result *result)
{
    for (size_t k = 0; k < result->count; k++) {
        const ran_ilp_solution *s = &result->solutions[k];
        printf("%zu: loss %.9g", k + 1, s->loss);
        for (size_t b = 0; b < problem->budget_count; b++)
            printf(", %s %lld", problem->budgets[b].name, (long long)s->cost[b]);
        if (s->limited)
            printf(", at most %.3g above the optimum (node limit)", s->loss - s->bound);
        printf("\n  ");
        for (size_t i = 0; i < problem->layer_count; i++)
            printf(" %s", problem->layers[i].ops[s->choice[i]].name);
        putchar('\n');
    }
    if (result->exhausted)
        printf("no further selection differs enough\n");
}

static json_t *solution_json(const ran_ilp_problem *problem, const ran_ilp_solution *s)
{
    json_t *costs = json_object(), *choice = json_array(), *names = json_array();
    for (size_t b = 0; b < problem->budget_count; b++)
        json_object_set_new(costs, problem->budgets[b].name, json_integer(s->cost[b]));
    for (size_t i = 0; i < problem->layer_count; i++) {
        json_array_append_new(choice, json_integer((json_int_t)s->choice[i]));
        json_array_append_new(names, json_string(problem->layers[i].ops[s->choice[i]].name));
    }
    return json_pack("{s:f, s:f, s:f, s:I, s:b, s:o, s:o, s:o}", "loss_sum", s->loss, "loss",
                     s->loss / (double)problem->layer_count, "bound_sum", s->bound, "nodes",
                     (json_int_t)s->nodes, "optimal", !s->limited, "cost", costs, "choice", choice,
                     "candidates", names);
}

static void print_json(const arguments *a, const ran_ilp_problem *problem,
                       const ran_ilp_result *result)
{
    json_t *solutions = json_array();
    for (size_t k = 0; k < result->count; k++)
        json_array_append_new(solutions, solution_json(problem, &result->solutions[k]));
    json_t *root =
        json_pack("{s:I, s:I, s:I, s:s, s:b, s:o}", "layers", (json_int_t)problem->layer_count,
                  "overlap", (json_int_t)ran_ilp_overlap(problem->layer_count, &a->ilp), "filtered",
                  (json_int_t)result->filtered, "method", a->method, "exhausted", result->exhausted,
                  "solutions", solutions);
    json_dumpf(root, stdout, JSON_INDENT(2) | JSON_REAL_PRECISION(15));
    putchar('\n');
    json_decref(root);
}

/* ---- Solving ------------------------------------------------------------------------------------
 */

/* A selection of the other methods, in the form of the solver's. */
static ran_status select_simply(ran_context *context, ran_arena *arena, const arguments *a,
                                const ran_ilp_problem *problem, ran_ilp_result *result)
{
    uint64_t seed = a->seed;
    bool greedy = !strcmp(a->method, "greedy");
    result->solutions = RAN_ARENA_ARRAY(arena, ran_ilp_solution, a->ilp.solutions);
    for (size_t k = 0; k < (greedy ? 1 : a->ilp.solutions); k++) {
        size_t *choice = RAN_ARENA_ARRAY(arena, size_t, problem->layer_count + 1);
        ran_ilp_solution *s = &result->solutions[result->count++];
        if (!(greedy ? ran_ilp_greedy(problem, &a->ilp, choice)
                     : ran_ilp_random(problem, &a->ilp, &seed, choice)))
            return ran_error(context, RAN_MISMATCH, "%s selection found nothing in the budget",
                             a->method);
        *s = (ran_ilp_solution){.choice = choice, .loss = ran_ilp_loss(problem, choice)};
        s->limited = true;
        s->bound = s->loss;
        for (size_t b = 0; b < problem->budget_count; b++)
            s->cost[b] = ran_ilp_cost(problem, b, choice);
    }
    return RAN_OK;
}

static ran_status solve(ran_context *context, ran_arena *arena, const arguments *a,
                        const ran_ilp_problem *problem, ran_ilp_result *result)
{
    if (strcmp(a->method, "ilp"))
        return select_simply(context, arena, a, problem, result);
    return ran_ilp_solve(context, arena, problem, &a->ilp, result);
}

static double seconds_now(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec + 1e-9 * (double)now.tv_nsec;
}

static ran_status run(ran_context *context, ran_arena *arena, const arguments *a)
{
    char *text;
    size_t size;
    ran_ilp_table table;
    ran_ilp_result result = {0};
    ran_status status = ran_tool_read(context, a->table, &text, &size);
    if (status != RAN_OK)
        return status;
    status = ran_ilp_table_parse(context, arena, text, a->table, &table);
    free(text);
    if (status == RAN_OK)
        status = ran_budget_apply(context, &a->budgets, 0, &table.problem);
    double start = seconds_now();
    if (status == RAN_OK)
        status = solve(context, arena, a, &table.problem, &result);
    if (a->time)
        fprintf(stderr, "%.3f s\n", seconds_now() - start);
    if (status == RAN_OK && a->json)
        print_json(a, &table.problem, &result);
    else if (status == RAN_OK)
        print_text(&table.problem, &result);
    return status;
}

int ran_search_ilp(int argc, char **argv)
{
    arguments a = {.method = "ilp", .ilp = RAN_ILP_DEFAULTS};
    a.ilp.solutions = 1;
    argp_parse(&parser, argc, argv, 0, NULL, &a);
    ran_context *context = ran_context_create();
    ran_arena *arena = ran_arena_create();
    ran_status status = run(context, arena, &a);
    ran_arena_destroy(arena);
    return ran_tool_finish(context, status);
}
