/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "tools/search/search.h"

#include <stdlib.h>
#include <string.h>

const char *ran_budget_add(ran_budget_options *options, char *value)
{
    if (options->count == RAN_ILP_BUDGETS)
        return "too many budgets";
    ran_budget_option *row = &options->rows[options->count++];
    char *equals = strchr(value, '='), *rest;
    row->key = equals ? value : "latency";
    if (equals)
        *equals++ = '\0';
    for (size_t i = 0; i + 1 < options->count; i++)
        if (!strcmp(options->rows[i].key, row->key))
            return "a budget is given twice; several values of one are separated by commas";
    for (char *at = strtok_r(equals ? equals : value, ",", &rest); at;
         at = strtok_r(NULL, ",", &rest)) {
        if (row->count == RAN_BUDGET_POINTS)
            return "too many values of a budget";
        row->values[row->count++] = at;
    }
    return row->count ? NULL : "a budget has no value";
}

size_t ran_budget_points(const ran_budget_options *options)
{
    size_t points = 1;
    for (size_t i = 0; i < options->count; i++)
        if (options->rows[i].count > points)
            points = options->rows[i].count;
    return points;
}

static ran_status apply_row(ran_context *context, const ran_budget_option *row, size_t point,
                            ran_ilp_problem *problem)
{
    size_t b = 0;
    while (b < problem->budget_count && strcmp(problem->budgets[b].name, row->key))
        b++;
    if (b == problem->budget_count)
        return ran_error(context, RAN_USAGE, "budget %s: the table has no such column", row->key);
    size_t *teacher = calloc(problem->layer_count + 1, sizeof *teacher);
    if (!teacher)
        return ran_error(context, RAN_INVALID, "not enough memory");
    const char *value = row->values[point < row->count ? point : row->count - 1];
    ran_status status = ran_ilp_parse_limit(
        context, row->key, value, ran_ilp_cost(problem, b, teacher), &problem->budgets[b].limit);
    free(teacher);
    return status;
}

ran_status ran_budget_apply(ran_context *context, const ran_budget_options *options, size_t point,
                            ran_ilp_problem *problem)
{
    ran_status status = RAN_OK;
    for (size_t i = 0; i < options->count && status == RAN_OK; i++)
        status = apply_row(context, &options->rows[i], point, problem);
    return status;
}
