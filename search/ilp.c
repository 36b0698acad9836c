/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "search/ilp.h"

#include <glpk.h>
#include <math.h>
#include <string.h>

#include "ir/ir.h"
#include "search/ilp_work.h"

/* ---- Sums -------------------------------------------------------------------------------------
 */

int64_t ran_ilp_overlap(size_t layer_count, const ran_ilp_options *options)
{
    int64_t most = (int64_t)layer_count - 1; /* or a solution would come again and again */
    int64_t overlap = options->overlap < 0 ? (int64_t)(7 * layer_count / 10) : options->overlap;
    return overlap < most ? overlap : most;
}

int64_t ran_ilp_cost(const ran_ilp_problem *problem, size_t budget, const size_t *choice)
{
    int64_t cost = problem->budgets[budget].fixed;
    for (size_t i = 0; i < problem->layer_count; i++)
        cost += problem->layers[i].ops[choice[i]].cost[budget];
    return cost;
}

double ran_ilp_loss(const ran_ilp_problem *problem, const size_t *choice)
{
    double loss = 0;
    for (size_t i = 0; i < problem->layer_count; i++)
        loss += problem->layers[i].ops[choice[i]].loss;
    return loss;
}

/* ---- GLPK's model of a work -------------------------------------------------------------------
 */

/*
 * GLPK's tolerances are absolute around 1, and with coefficients of 1e9 (nanoseconds) its branch
 * and cut prunes optima. So rows and objective are divided by powers of two, which keeps integers
 * exact.
 */
typedef struct model {
    const ran_ilp_work *work;
    glp_prob *lp; /* column c + 1 is the work's column c */
    double loss_scale, cost_scale[RAN_ILP_BUDGETS];
} model;

static double power_of_two(double at_most)
{
    return at_most > 0 ? exp2(floor(log2(at_most))) : 1;
}

/* The greatest loss becomes about 1000, the budgets about the number of layers. */
static void choose_scales(model *m)
{
    const ran_ilp_work *work = m->work;
    double loss = 0;
    for (size_t c = 0; c < work->column_count; c++)
        loss = fmax(loss, fabs(work->columns[c].loss));
    m->loss_scale = power_of_two(loss / 1024);
    for (size_t b = 0; b < work->budget_count; b++)
        m->cost_scale[b] = power_of_two(fabs((double)work->room[b]) / (double)work->layer_count);
}

static void add_layer_rows(const model *m)
{
    const ran_ilp_work *work = m->work;
    for (size_t i = 0; i < work->layer_count; i++) {
        char name[32];
        snprintf(name, sizeof name, "layer_%zu", i);
        int row = glp_add_rows(m->lp, 1);
        glp_set_row_name(m->lp, row, name);
        glp_set_row_bnds(m->lp, row, GLP_FX, 1, 1);
    }
}

static void add_budget_rows(const model *m)
{
    for (size_t b = 0; b < m->work->budget_count; b++) {
        int row = glp_add_rows(m->lp, 1);
        double room = (double)m->work->room[b] / m->cost_scale[b];
        glp_set_row_name(m->lp, row, m->work->problem->budgets[b].name);
        glp_set_row_bnds(m->lp, row, m->work->room[b] == INT64_MAX ? GLP_FR : GLP_UP, 0, room);
    }
}

static void add_overlap_rows(const model *m)
{
    for (size_t k = 0; k < m->work->taken_count; k++) {
        char name[32];
        int row = glp_add_rows(m->lp, 1);
        snprintf(name, sizeof name, "overlap_%zu", k + 1);
        glp_set_row_name(m->lp, row, name);
        glp_set_row_bnds(m->lp, row, GLP_UP, 0, (double)m->work->limits[k]);
    }
}

static void add_column(const model *m, const ran_ilp_column *column, int *rows, double *values)
{
    const ran_ilp_work *work = m->work;
    char name[64];
    int count = 0, index = glp_add_cols(m->lp, 1);
    snprintf(name, sizeof name, "z_%zu_%zu", column->layer, column->op);
    glp_set_col_name(m->lp, index, name);
    glp_set_col_kind(m->lp, index, GLP_BV);
    glp_set_obj_coef(m->lp, index, column->loss / m->loss_scale / (double)work->layer_count);
    rows[++count] = (int)column->layer + 1;
    values[count] = 1;
    for (size_t b = 0; b < work->budget_count; b++) {
        rows[++count] = (int)(work->layer_count + b) + 1;
        values[count] = (double)column->cost[b] / m->cost_scale[b];
        count -= column->cost[b] == 0;
    }
    for (size_t k = 0; k < work->taken_count; k++) {
        if (!(column->used[k / 64] >> k % 64 & 1))
            continue;
        rows[++count] = (int)(work->layer_count + work->budget_count + k) + 1;
        values[count] = 1;
    }
    glp_set_mat_col(m->lp, index, count, rows, values);
}

/* `scaled`: for solving; else as the problem says, for others to read. */
static model create_model(const ran_ilp_work *work, bool scaled)
{
    model m = {.work = work, .lp = glp_create_prob(), .loss_scale = 1};
    for (size_t b = 0; b < work->budget_count; b++)
        m.cost_scale[b] = 1;
    if (scaled)
        choose_scales(&m);
    ran_arena *scratch = ran_arena_create();
    size_t rows = work->layer_count + work->budget_count + work->taken_count + 2;
    int *indices = RAN_ARENA_ARRAY(scratch, int, rows);
    double *values = RAN_ARENA_ARRAY(scratch, double, rows);
    glp_set_prob_name(m.lp, "selection");
    glp_set_obj_name(m.lp, "loss");
    glp_set_obj_dir(m.lp, GLP_MIN);
    add_layer_rows(&m);
    add_budget_rows(&m);
    add_overlap_rows(&m);
    for (size_t c = 0; c < work->column_count; c++)
        add_column(&m, &work->columns[c], indices, values);
    ran_arena_destroy(scratch);
    return m;
}

/* ---- Branch and cut
 * ------------------------------------------------------------------------------ */

typedef struct search {
    const model *model;
    const ran_ilp_options *options;
    double *start; /* values of the columns from 1, or NULL */
    double bound;  /* where the search was when it ended, as GLPK's objective */
    int64_t nodes;
    bool limited;
} search;

static void watch(glp_tree *tree, void *info)
{
    search *s = info;
    int active, now, total;
    glp_ios_tree_size(tree, &active, &now, &total);
    s->nodes = total;
    if (glp_ios_reason(tree) == GLP_IHEUR && s->start) {
        glp_ios_heur_sol(tree, s->start);
        s->start = NULL;
    }
    if (s->options->node_limit < 0 || total <= s->options->node_limit || s->limited)
        return;
    int best = glp_ios_best_node(tree);
    s->limited = true;
    s->bound = best ? glp_ios_node_bound(tree, best) : s->bound;
    glp_ios_terminate(tree);
}

static void fill_values(const model *m, const size_t *columns, double *out_values)
{
    memset(out_values, 0, (m->work->column_count + 1) * sizeof *out_values);
    for (size_t i = 0; i < m->work->layer_count; i++)
        out_values[columns[i] + 1] = 1;
}

/* Columns that can't be in a solution better than the incumbent: reduced cost above the gap. */
static size_t fix_columns(const model *m, double incumbent)
{
    double gap = incumbent - glp_get_obj_val(m->lp);
    double slack = 1e-9 * fmax(1, fabs(incumbent));
    size_t fixed = 0;
    for (int c = 1; c <= glp_get_num_cols(m->lp); c++)
        if (glp_get_col_stat(m->lp, c) == GLP_NL && glp_get_col_dual(m->lp, c) > gap + slack) {
            glp_set_col_bnds(m->lp, c, GLP_FX, 0, 0);
            fixed++;
        }
    return fixed;
}

static bool run_branch_and_cut(search *s)
{
    glp_iocp parameters;
    glp_init_iocp(&parameters);
    parameters.msg_lev = GLP_MSG_OFF;
    parameters.br_tech = GLP_BR_DTH;
    parameters.bt_tech = GLP_BT_BLB;
    parameters.mip_gap = s->options->gap;
    parameters.cov_cuts = GLP_OFF;
    parameters.clq_cuts = GLP_OFF;
    parameters.cb_func = watch;
    parameters.cb_info = s;
    int code = glp_intopt(s->model->lp, &parameters);
    int status = glp_mip_status(s->model->lp);
    return (code == 0 || code == GLP_ESTOP || code == GLP_EMIPGAP) &&
           (status == GLP_OPT || status == GLP_FEAS);
}

static void read_choice(const model *m, size_t *out_columns)
{
    for (size_t c = 0; c < m->work->column_count; c++)
        if (glp_mip_col_val(m->lp, (int)c + 1) > 0.5)
            out_columns[m->work->columns[c].layer] = c;
}

static double loss_of(const ran_ilp_work *work, const size_t *columns)
{
    double loss = 0;
    for (size_t i = 0; i < work->layer_count; i++)
        loss += work->columns[columns[i]].loss;
    return loss;
}

static bool solve_relaxation(const model *m)
{
    glp_smcp parameters;
    glp_init_smcp(&parameters);
    parameters.msg_lev = GLP_MSG_OFF;
    glp_scale_prob(m->lp, GLP_SF_AUTO);
    glp_adv_basis(m->lp, 0);
    return glp_simplex(m->lp, &parameters) == 0 && glp_get_status(m->lp) == GLP_OPT;
}

/* An optimum of the model as columns; false when there is none. GLPK holds rows to a tolerance, so
 * what it finds may break a budget by a hair: `holds` says whether it does not. */
static bool solve_model(ran_arena *arena, const model *m, const ran_ilp_options *options,
                        size_t *columns, ran_ilp_solution *out, bool *out_holds)
{
    const ran_ilp_work *work = m->work;
    double unit = (double)work->layer_count * m->loss_scale; /* of GLPK's objective */
    if (!solve_relaxation(m))
        return false;
    double *values = RAN_ARENA_ARRAY(arena, double, work->column_count + 1);
    for (size_t c = 0; c < work->column_count; c++)
        values[c] = glp_get_col_prim(m->lp, (int)c + 1);
    search s = {.model = m, .options = options, .bound = glp_get_obj_val(m->lp)};
    bool found = ran_ilp_work_start(arena, work, values, columns);
    double start_loss = found ? loss_of(work, columns) : INFINITY;
    if (found) {
        fix_columns(m, start_loss / unit);
        fill_values(m, columns, values);
        s.start = values;
    }
    bool solved = run_branch_and_cut(&s);
    if (solved && glp_mip_obj_val(m->lp) * unit < start_loss - 1e-9 * fmax(1, fabs(start_loss)))
        read_choice(m, columns);
    if (!solved && !found)
        return false;
    out->loss = loss_of(work, columns);
    out->limited = s.limited;
    out->bound = s.limited ? fmin(s.bound * unit, out->loss) : out->loss;
    out->nodes = s.nodes;
    *out_holds = ran_ilp_work_holds(work, columns);
    return true;
}

/* ---- One solution after the other
 * ------------------------------------------------------------------- */

typedef struct solver {
    ran_context *context;
    ran_arena *arena;
    const ran_ilp_problem *problem;
    const ran_ilp_options *options;
    bool *keep;
    const size_t **taken; /* choices that must not be repeated, and how many ops may be shared */
    size_t *limits, taken_count, capacity;
} solver;

static void take(solver *s, const size_t *choice, size_t limit)
{
    if (s->taken_count == s->capacity) {
        size_t capacity = 2 * s->capacity + 16;
        const size_t **taken = RAN_ARENA_ARRAY(s->arena, const size_t *, capacity);
        size_t *limits = RAN_ARENA_ARRAY(s->arena, size_t, capacity);
        if (s->taken_count) {
            memcpy(taken, s->taken, s->taken_count * sizeof *taken);
            memcpy(limits, s->limits, s->taken_count * sizeof *limits);
        }
        s->taken = taken;
        s->limits = limits;
        s->capacity = capacity;
    }
    s->taken[s->taken_count] = choice;
    s->limits[s->taken_count++] = limit;
}

static ran_ilp_work create_work(const solver *s, ran_arena *arena)
{
    ran_ilp_work work = {.problem = s->problem,
                         .layer_count = s->problem->layer_count,
                         .budget_count = s->problem->budget_count,
                         .taken = s->taken,
                         .limits = s->limits,
                         .taken_count = s->taken_count};
    for (size_t b = 0; b < s->problem->budget_count; b++) {
        const ran_ilp_budget *budget = &s->problem->budgets[b];
        work.room[b] = budget->limit == INT64_MAX ? INT64_MAX : budget->limit - budget->fixed;
    }
    ran_ilp_work_fill(arena, s->keep, &work);
    return work;
}

static ran_status write_lp(const solver *s, const ran_ilp_work *work)
{
    model m = create_model(work, false);
    int failed = glp_write_lp(m.lp, NULL, s->options->lp_path);
    glp_delete_prob(m.lp);
    return failed ? ran_error(s->context, RAN_INVALID, "cannot write %s", s->options->lp_path)
                  : RAN_OK;
}

/* The next choice in `out`; *out_found is false when there is none. */
static ran_status solve_next(solver *s, size_t number, ran_ilp_solution *out, bool *out_found)
{
    ran_status status = RAN_OK;
    bool holds = false;
    *out_found = true;
    while (status == RAN_OK && *out_found && !holds) {
        ran_arena *scratch = ran_arena_create();
        ran_ilp_work work = create_work(s, scratch);
        if (s->options->lp_path && number == s->options->lp_solution)
            status = write_lp(s, &work);
        ran_ilp_work_reduce(&work);
        model m = create_model(&work, true);
        size_t *columns = RAN_ARENA_ARRAY(scratch, size_t, work.layer_count + 1);
        *out_found = status == RAN_OK && solve_model(scratch, &m, s->options, columns, out, &holds);
        if (*out_found) {
            size_t *choice = RAN_ARENA_ARRAY(s->arena, size_t, work.layer_count + 1);
            for (size_t i = 0; i < work.layer_count; i++)
                choice[i] = work.columns[columns[i]].op;
            out->choice = choice;
            /* Off by a rounding: never again, whatever else is allowed. */
            take(s, choice,
                 holds ? (size_t)ran_ilp_overlap(work.layer_count, s->options)
                       : work.layer_count - 1);
        }
        glp_delete_prob(m.lp);
        ran_arena_destroy(scratch);
    }
    return status;
}

/* Nothing that GLPK or the start found is believed without this. */
static void recheck(const solver *s, const ran_ilp_solution *solutions, size_t count)
{
    const ran_ilp_solution *last = &solutions[count - 1];
    for (size_t b = 0; b < s->problem->budget_count; b++)
        RAN_ASSERT(s->context, last->cost[b] <= s->problem->budgets[b].limit);
    RAN_ASSERT(s->context, fabs(ran_ilp_loss(s->problem, last->choice) - last->loss) <=
                               1e-9 * fmax(1, fabs(last->loss)));
    for (size_t k = 0; k + 1 < count; k++) {
        int64_t shared = 0;
        for (size_t i = 0; i < s->problem->layer_count; i++)
            shared += solutions[k].choice[i] == last->choice[i];
        RAN_ASSERT(s->context, shared <= ran_ilp_overlap(s->problem->layer_count, s->options));
    }
}

static ran_status check_problem(ran_context *context, const ran_ilp_problem *problem)
{
    if (!problem->layer_count)
        return ran_error(context, RAN_INVALID, "no layer to choose for");
    for (size_t i = 0; i < problem->layer_count; i++) {
        const ran_ilp_layer *layer = &problem->layers[i];
        if (!layer->op_count)
            return ran_error(context, RAN_INVALID, "layer %s has no candidate", layer->name);
        for (size_t j = 0; j < layer->op_count; j++)
            if (!isfinite(layer->ops[j].loss))
                return ran_error(context, RAN_INVALID, "layer %s, candidate %s: the loss is %g",
                                 layer->name, layer->ops[j].name, layer->ops[j].loss);
    }
    return RAN_OK;
}

static solver create_solver(ran_context *context, ran_arena *arena, const ran_ilp_problem *problem,
                            const ran_ilp_options *options, size_t *out_filtered)
{
    solver s = {.context = context, .arena = arena, .problem = problem, .options = options};
    glp_term_out(GLP_OFF);
    s.keep = RAN_ARENA_ARRAY(arena, bool, ran_ilp_op_count(problem) + 1);
    *out_filtered = ran_ilp_prefilter(problem, options, s.keep);
    return s;
}

/* ---- The smallest budget
 * ------------------------------------------------------------------------------- */

/* The problem with the cost of one budget as what is minimised, and that budget without limit. */
static ran_ilp_problem problem_of_cost(ran_arena *arena, const ran_ilp_problem *problem,
                                       size_t budget)
{
    ran_ilp_problem result = *problem;
    ran_ilp_layer *layers = RAN_ARENA_ARRAY(arena, ran_ilp_layer, problem->layer_count);
    result.budgets[budget].limit = INT64_MAX;
    for (size_t i = 0; i < problem->layer_count; i++) {
        const ran_ilp_layer *layer = &problem->layers[i];
        ran_ilp_op *ops = ran_arena_copy(arena, layer->ops, layer->op_count * sizeof *ops);
        for (size_t j = 0; j < layer->op_count; j++)
            ops[j].loss = (double)ops[j].cost[budget];
        layers[i] = *layer;
        layers[i].ops = ops;
    }
    result.layers = layers;
    return result;
}

ran_status ran_ilp_smallest(ran_context *context, const ran_ilp_problem *problem,
                            const ran_ilp_options *options, size_t budget, int64_t *out_limit)
{
    size_t filtered;
    bool found;
    ran_ilp_solution solution = {0};
    ran_arena *arena = ran_arena_create();
    ran_ilp_options exact = *options;
    exact.lp_path = NULL;
    exact.gap = 0;
    ran_ilp_problem costs = problem_of_cost(arena, problem, budget);
    solver s = create_solver(context, arena, problem, &exact, &filtered);
    s.problem = &costs;
    ran_status status = solve_next(&s, 1, &solution, &found);
    *out_limit = status == RAN_OK && found ? ran_ilp_cost(problem, budget, solution.choice) : -1;
    ran_arena_destroy(arena);
    return status;
}

/* "latency=31 (latency=27 without the other budgets)" of each budget that could help, in `text`. */
static ran_status describe_smallest(ran_context *context, const ran_ilp_problem *problem,
                                    const ran_ilp_options *options, size_t budget, char *text,
                                    size_t size)
{
    ran_ilp_problem alone = *problem;
    int64_t together, smallest;
    for (size_t other = 0; other < problem->budget_count; other++)
        alone.budgets[other].limit = INT64_MAX;
    ran_status status = ran_ilp_smallest(context, &alone, options, budget, &smallest);
    if (status == RAN_OK)
        status = ran_ilp_smallest(context, problem, options, budget, &together);
    const char *name = problem->budgets[budget].name;
    size_t length = strlen(text);
    if (status == RAN_OK && together > problem->budgets[budget].limit)
        snprintf(text + length, size - length, "; %s=%lld is the smallest that can be met", name,
                 (long long)together);
    else if (status == RAN_OK && together < 0)
        snprintf(text + length, size - length, "; alone, %s=%lld could be met", name,
                 (long long)smallest);
    return status;
}

static ran_status report_infeasible(ran_context *context, const ran_ilp_problem *problem,
                                    const ran_ilp_options *options)
{
    char text[1024] = "";
    for (size_t b = 0; b < problem->budget_count; b++) {
        if (problem->budgets[b].limit == INT64_MAX)
            continue;
        ran_status status = describe_smallest(context, problem, options, b, text, sizeof text);
        if (status != RAN_OK)
            return status;
    }
    return ran_error(context, RAN_MISMATCH, "no choice of candidates keeps the budget%s", text);
}

/* ---- Entry
 * ------------------------------------------------------------------------------------------------
 */

ran_status ran_ilp_solve(ran_context *context, ran_arena *arena, const ran_ilp_problem *problem,
                         const ran_ilp_options *options, ran_ilp_result *out_result)
{
    *out_result = (ran_ilp_result){0};
    ran_status status = check_problem(context, problem);
    if (status != RAN_OK)
        return status;
    solver s = create_solver(context, arena, problem, options, &out_result->filtered);
    out_result->solutions = RAN_ARENA_ARRAY(arena, ran_ilp_solution, options->solutions + 1);
    while (out_result->count < options->solutions && status == RAN_OK) {
        bool found;
        ran_ilp_solution *next = &out_result->solutions[out_result->count];
        status = solve_next(&s, out_result->count + 1, next, &found);
        if (status != RAN_OK || !found) {
            out_result->exhausted = status == RAN_OK;
            break;
        }
        for (size_t b = 0; b < problem->budget_count; b++)
            next->cost[b] = ran_ilp_cost(problem, b, next->choice);
        recheck(&s, out_result->solutions, ++out_result->count);
    }
    if (status == RAN_OK && !out_result->count && options->solutions)
        status = report_infeasible(context, problem, options);
    return status;
}
