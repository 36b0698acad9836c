/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The problem as the parts of the solver see it: columns grouped by layer. */
#ifndef SEARCH_ILP_WORK_H
#define SEARCH_ILP_WORK_H

#include "search/ilp.h"

/* A candidate of a layer that may be chosen. */
typedef struct ran_ilp_column {
    size_t layer, op;
    double loss;
    const int64_t *cost;  /* one a budget of the problem */
    const uint64_t *used; /* bit k: taken solution k has chosen it */
} ran_ilp_column;

typedef struct ran_ilp_work {
    const ran_ilp_problem *problem;
    size_t layer_count, budget_count;
    int64_t room[RAN_ILP_BUDGETS]; /* limit without what is fixed; INT64_MAX: none */
    ran_ilp_column *columns;
    size_t column_count;
    size_t *first; /* of a layer's columns; [layer_count] is column_count */
    /* Choices that the next one may share at most `limits[k]` ops with. */
    const size_t *const *taken;
    const size_t *limits;
    size_t taken_count, words; /* words of a column's `used` */
} ran_ilp_work;

/* Columns of what `keep` holds (layer by layer, op by op). */
void ran_ilp_work_fill(ran_arena *arena, const bool *keep, ran_ilp_work *work);
/* Without columns that another one of the layer is as good as in every row: an optimum stays. */
void ran_ilp_work_reduce(ran_ilp_work *work);
/* Whether a choice of columns keeps every budget and overlap; exact. */
bool ran_ilp_work_holds(const ran_ilp_work *work, const size_t *columns);
/* Each layer's column with the greatest weight (from the LP relaxation), repaired to hold every row
 * and improved by exchanges of one and of two layers. False: no choice found that holds. */
bool ran_ilp_work_start(ran_arena *arena, const ran_ilp_work *work, const double *weights,
                        size_t *out_columns);

/* What the prefilter keeps, op by op; the teacher's always. Returns how many it drops. */
size_t ran_ilp_prefilter(const ran_ilp_problem *problem, const ran_ilp_options *options,
                         bool *out_keep);
size_t ran_ilp_op_count(const ran_ilp_problem *problem);
uint64_t ran_ilp_next_random(uint64_t *seed);

#endif
