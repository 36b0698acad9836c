/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Choosing one candidate a layer under budgets, exactly: HANT's selection (equations 3 and 4).
 *
 *     for k = 1..K:  minimise 1/N sum_ij a_ij z_ij
 *         sum_j z_ij = 1                        for every layer i
 *         fixed + sum_ij b_ij z_ij <= B         for every budget
 *         sum_ij z_ij z'_ij <= O = 7N/10        for every solution z' found before
 *
 * Walk, the first solution of three layers: the candidates that others dominate go
 * (ilp_reduce.c); the LP relaxation gives a bound and reduced costs; a greedy start from its duals,
 * improved by swaps, gives an incumbent (ilp_start.c); columns whose reduced cost exceeds the gap
 * between both are fixed; branch and cut of GLPK solves what is left. Each solution is checked
 * again here in integers before it is believed.
 */
#ifndef SEARCH_ILP_H
#define SEARCH_ILP_H

#include <ran/ran.h>

#include "ir/arena.h"

enum { RAN_ILP_BUDGETS = 8 };

typedef struct ran_ilp_op {
    const char *name;
    double loss;         /* what is minimised; any unit */
    double drop;         /* accuracy lost against the teacher, in percentage points */
    const int64_t *cost; /* one a budget */
} ran_ilp_op;

typedef struct ran_ilp_layer {
    const char *name;
    const ran_ilp_op *ops; /* the first is the teacher's own */
    size_t op_count;
} ran_ilp_layer;

typedef struct ran_ilp_budget {
    const char *name; /* "latency", ... */
    int64_t limit;    /* INT64_MAX: none */
    int64_t fixed;    /* cost of what is in no layer */
} ran_ilp_budget;

typedef struct ran_ilp_problem {
    const ran_ilp_layer *layers;
    size_t layer_count;
    ran_ilp_budget budgets[RAN_ILP_BUDGETS];
    size_t budget_count;
    bool has_drops; /* of the ops: else the prefilter looks at costs only */
} ran_ilp_problem;

typedef struct ran_ilp_options {
    size_t solutions;    /* K */
    int64_t overlap;     /* O; negative: 7N/10 */
    double max_drop;     /* of the prefilter, in percentage points */
    bool keep_slow;      /* the prefilter keeps what is slower than the teacher */
    int64_t node_limit;  /* of one solution's branch and cut; negative: none */
    double gap;          /* relative; where branch and cut may stop */
    const char *lp_path; /* CPLEX LP of solution `lp_solution` (from 1), or NULL */
    size_t lp_solution;
} ran_ilp_options;

#define RAN_ILP_DEFAULTS                                                                           \
    ((ran_ilp_options){.solutions = 100,                                                           \
                       .overlap = -1,                                                              \
                       .max_drop = 5,                                                              \
                       .node_limit = 300,                                                          \
                       .gap = 1e-6,                                                                \
                       .lp_solution = 1})

typedef struct ran_ilp_solution {
    const size_t *choice;          /* one op a layer */
    double loss;                   /* sum over the layers */
    double bound;                  /* no solution of this problem has a smaller sum */
    int64_t cost[RAN_ILP_BUDGETS]; /* with what is fixed */
    int64_t nodes;
    bool limited; /* the node limit came first: up to `loss - bound` may be missing */
} ran_ilp_solution;

typedef struct ran_ilp_result {
    ran_ilp_solution *solutions; /* in the order in which they were found */
    size_t count;
    bool exhausted;  /* no further solution is diverse enough */
    size_t filtered; /* ops that the prefilter dropped */
} ran_ilp_result;

/* Everything of the result lives in `arena`. RAN_MISMATCH when the budgets can't be met: the
 * message names the smallest ones that can. */
RAN_MUST_USE ran_status ran_ilp_solve(ran_context *context, ran_arena *arena,
                                      const ran_ilp_problem *problem,
                                      const ran_ilp_options *options, ran_ilp_result *out_result);

/* The smallest limit of one budget that can be met while the others hold; -1 when even these can't
 * be met together. */
RAN_MUST_USE ran_status ran_ilp_smallest(ran_context *context, const ran_ilp_problem *problem,
                                         const ran_ilp_options *options, size_t budget,
                                         int64_t *out_limit);

/* Dimensions that overlap: N layers give 7N/10 in integers. */
int64_t ran_ilp_overlap(size_t layer_count, const ran_ilp_options *options);
int64_t ran_ilp_cost(const ran_ilp_problem *problem, size_t budget, const size_t *choice);
double ran_ilp_loss(const ran_ilp_problem *problem, const size_t *choice);

/* ---- Other ways to choose, for comparison ------------------------------------------------------
 */

/* Starts from the teacher; as long as a budget is exceeded takes the swap that costs the least loss
 * for what it saves. False: no choice found. */
bool ran_ilp_greedy(const ran_ilp_problem *problem, const ran_ilp_options *options,
                    size_t *out_choice);
/* A random choice that keeps the budgets, close to them: random swaps until it holds. False: none
 * found in `tries`. */
bool ran_ilp_random(const ran_ilp_problem *problem, const ran_ilp_options *options, uint64_t *seed,
                    size_t *out_choice);

/* ---- Budgets as text
 * ----------------------------------------------------------------------------- */

/* "0.5x" of `teacher`, rounded down exactly, or an amount: "27", "1.5ms", "2M". */
RAN_MUST_USE ran_status ran_ilp_parse_limit(ran_context *context, const char *budget,
                                            const char *text, int64_t teacher, int64_t *out_limit);

/* ---- Tables as text (ilp_table.c)
 * ------------------------------------------------------------------ */

/*
 * Lines of columns, blanks between; # begins a comment. The first line names the columns:
 * layer, candidate, loss, drop (optional, percentage points), and one a cost: latency, macs,
 * parameters, memory, nonlinear, or any other name. A layer's first row is the teacher's op. Rows
 * of layer "-" are what no choice changes.
 */
typedef struct ran_ilp_table {
    ran_ilp_problem problem; /* limits: none */
} ran_ilp_table;

RAN_MUST_USE ran_status ran_ilp_table_parse(ran_context *context, ran_arena *arena,
                                            const char *text, const char *file,
                                            ran_ilp_table *out_table);

#endif
