/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The commands of ran-search: each parses its own options and returns the exit status. */
#ifndef RAN_TOOLS_SEARCH_H
#define RAN_TOOLS_SEARCH_H

#include "tools/common.h"

#include "search/ilp.h"

int ran_search_hant(int argc, char **argv);
int ran_search_ilp(int argc, char **argv);
int ran_search_latency(int argc, char **argv);
int ran_search_layers(int argc, char **argv);
int ran_search_pool(int argc, char **argv);

/* What a latency table of these options says that its numbers are. */
struct ran_latency_options;
const char *ran_latency_source(const struct ran_latency_options *options);

/* ---- Budgets on the command line ----------------------------------------------------------------
 */

enum { RAN_BUDGET_POINTS = 16 };

/* --budget KEY=V[,V...]: a row of the selection, with a value for each of several runs. */
typedef struct ran_budget_option {
    const char *key;
    const char *values[RAN_BUDGET_POINTS];
    size_t count;
} ran_budget_option;

typedef struct ran_budget_options {
    ran_budget_option rows[RAN_ILP_BUDGETS];
    size_t count;
} ran_budget_options;

/* Adds what --budget says ("0.5x" alone is latency); the value is kept and cut up. NULL, or what is
 * wrong with it. */
const char *ran_budget_add(ran_budget_options *options, char *value);
/* How many runs the lists make: the longest one's length. */
size_t ran_budget_points(const ran_budget_options *options);
/* Sets the limits of run `point` in a problem whose budgets are all the table's costs; of lists
 * that are shorter the last value holds. */
RAN_MUST_USE ran_status ran_budget_apply(ran_context *context, const ran_budget_options *options,
                                         size_t point, ran_ilp_problem *problem);

#endif
