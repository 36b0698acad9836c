/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Candidates with their losses and costs as text; budgets as text. */
#include <ctype.h>
#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "ir/ir.h"
#include "search/ilp_work.h"

enum { COLUMNS_MAX = 4 + RAN_ILP_BUDGETS };

/* ---- Limits -----------------------------------------------------------------------------------
 */

/* A decimal as mantissa / 10^digits, so that 0.7 of 90 is 63. Returns where it ends, or NULL. */
static const char *parse_decimal(const char *text, int64_t *out_mantissa, int64_t *out_scale)
{
    int digits = 0;
    bool point = false;
    *out_mantissa = 0;
    *out_scale = 1;
    for (; isdigit((unsigned char)*text) || (*text == '.' && !point); text++) {
        if (*text == '.') {
            point = true;
            continue;
        }
        if (++digits > 18)
            return NULL;
        *out_mantissa = 10 * *out_mantissa + (*text - '0');
        *out_scale *= point ? 10 : 1;
    }
    return digits ? text : NULL;
}

typedef struct unit {
    const char *budget, *suffix; /* budget NULL: any */
    int64_t factor;
} unit;

static const unit units[] = {
    {NULL, "", 1},
    {"latency", "ns", 1},
    {"latency", "us", 1000},
    {"latency", "ms", 1000000},
    {"latency", "s", 1000000000},
    {NULL, "k", 1000},
    {NULL, "M", 1000000},
    {NULL, "G", 1000000000},
    {NULL, "Ki", 1 << 10},
    {NULL, "Mi", 1 << 20},
    {NULL, "Gi", 1 << 30},
};

static int64_t unit_factor(const char *budget, const char *suffix)
{
    for (size_t i = 0; i < sizeof units / sizeof *units; i++)
        if (!strcmp(units[i].suffix, suffix) &&
            (!units[i].budget || !strcmp(units[i].budget, budget)))
            return units[i].factor;
    return 0;
}

ran_status ran_ilp_parse_limit(ran_context *context, const char *budget, const char *text,
                               int64_t teacher, int64_t *out_limit)
{
    __extension__ typedef __int128 wide;
    int64_t mantissa, scale;
    const char *end = parse_decimal(text, &mantissa, &scale);
    int64_t factor = !end ? 0 : !strcmp(end, "x") ? teacher : unit_factor(budget, end);
    if (!end || (factor == 0 && strcmp(end, "x")))
        return ran_error(context, RAN_USAGE,
                         "budget %s: expected an amount or a part of the teacher's such as 0.5x, "
                         "not %s",
                         budget, text);
    wide limit = (wide)mantissa * factor / scale;
    if (limit >= INT64_MAX)
        return ran_error(context, RAN_USAGE, "budget %s: %s is too large", budget, text);
    *out_limit = (int64_t)limit;
    return RAN_OK;
}

/* ---- Tables
 * --------------------------------------------------------------------------------------- */

/* One row, as long as it is not clear how many there are of its layer. */
typedef struct row {
    const char *layer;
    ran_ilp_op op;
    struct row *next;
} row;

typedef struct reader {
    ran_context *context;
    ran_arena *arena;
    const char *file;
    int line;
    const char *names[COLUMNS_MAX];
    size_t name_count;
    ran_ilp_problem *problem;
    row *rows, **tail;
    size_t row_count;
} reader;

RAN_PRINTF(2, 3) static ran_status fail(const reader *r, const char *format, ...)
{
    char text[256];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(text, sizeof text, format, arguments);
    va_end(arguments);
    return ran_error_at(r->context, RAN_INVALID, r->file, r->line, 1, "%s", text);
}

static bool is_cost(const char *column)
{
    return strcmp(column, "layer") && strcmp(column, "candidate") && strcmp(column, "loss") &&
           strcmp(column, "drop");
}

/* The words of a line up to a comment. More than there is room for: `capacity` + 1. */
static size_t split(char *line, char **out_words, size_t capacity)
{
    size_t count = 0;
    char *comment = strchr(line, '#'), *rest;
    if (comment)
        *comment = '\0';
    for (char *word = strtok_r(line, " \t\r", &rest); word; word = strtok_r(NULL, " \t\r", &rest)) {
        if (count == capacity)
            return capacity + 1;
        out_words[count++] = word;
    }
    return count;
}

static bool has_name(const reader *r, const char *name)
{
    for (size_t i = 0; i < r->name_count; i++)
        if (!strcmp(r->names[i], name))
            return true;
    return false;
}

static ran_status read_names(reader *r, char **words, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        if (has_name(r, words[i]))
            return fail(r, "column %s appears twice", words[i]);
        r->names[r->name_count++] = ran_arena_string(r->arena, words[i]);
        if (!is_cost(words[i]))
            continue;
        if (r->problem->budget_count == RAN_ILP_BUDGETS)
            return fail(r, "more than %d costs", RAN_ILP_BUDGETS);
        r->problem->budgets[r->problem->budget_count++] =
            (ran_ilp_budget){r->names[i], INT64_MAX, 0};
    }
    r->problem->has_drops = has_name(r, "drop");
    if (has_name(r, "layer") && has_name(r, "candidate") && has_name(r, "loss"))
        return RAN_OK;
    return fail(r, "expected names of columns, with layer, candidate and loss among them");
}

static ran_status read_number(const reader *r, const char *name, const char *word, double *out)
{
    char *end;
    *out = strtod(word, &end);
    if (end == word || *end || !isfinite(*out))
        return fail(r, "%s: expected a number, not %s", name, word);
    return RAN_OK;
}

static ran_status read_cost(const reader *r, const char *name, const char *word, int64_t *out)
{
    char *end;
    errno = 0;
    *out = strtoll(word, &end, 10);
    if (end == word || *end || errno || *out < 0 || *out > INT64_MAX / 1000000)
        return fail(r, "%s: expected an integer from 0, not %s", name, word);
    return RAN_OK;
}

static ran_status read_row(reader *r, char **words)
{
    row *new = RAN_ARENA_NEW(r->arena, row);
    int64_t *cost = RAN_ARENA_ARRAY(r->arena, int64_t, RAN_ILP_BUDGETS);
    size_t budget = 0;
    ran_status status = RAN_OK;
    for (size_t i = 0; i < r->name_count && status == RAN_OK; i++) {
        if (!strcmp(r->names[i], "layer"))
            new->layer = ran_arena_string(r->arena, words[i]);
        else if (!strcmp(r->names[i], "candidate"))
            new->op.name = ran_arena_string(r->arena, words[i]);
        else if (!strcmp(r->names[i], "loss"))
            status = read_number(r, "loss", words[i], &new->op.loss);
        else if (!strcmp(r->names[i], "drop"))
            status = read_number(r, "drop", words[i], &new->op.drop);
        else
            status = read_cost(r, r->names[i], words[i], &cost[budget++]);
    }
    new->op.cost = cost;
    *r->tail = new;
    r->tail = &new->next;
    r->row_count++;
    return status;
}

static ran_status read_line(reader *r, char *line)
{
    char *words[COLUMNS_MAX + 1];
    size_t count = split(line, words, COLUMNS_MAX);
    if (!count)
        return RAN_OK;
    if (count > COLUMNS_MAX)
        return fail(r, "more than %d columns", COLUMNS_MAX);
    if (!r->name_count)
        return read_names(r, words, count);
    if (count != r->name_count)
        return fail(r, "%zu columns, expected %zu", count, r->name_count);
    return read_row(r, words);
}

static void add_fixed(ran_ilp_problem *problem, const row *fixed)
{
    for (size_t b = 0; b < problem->budget_count; b++)
        problem->budgets[b].fixed += fixed->op.cost[b];
}

static size_t find_layer(const ran_ilp_layer *layers, size_t count, const char *name)
{
    size_t i = 0;
    while (i < count && strcmp(layers[i].name, name))
        i++;
    return i;
}

static void group_rows(const reader *r)
{
    ran_ilp_layer *layers = RAN_ARENA_ARRAY(r->arena, ran_ilp_layer, r->row_count + 1);
    ran_ilp_op **ops = RAN_ARENA_ARRAY(r->arena, ran_ilp_op *, r->row_count + 1);
    size_t count = 0;
    for (const row *at = r->rows; at; at = at->next) {
        if (!strcmp(at->layer, "-"))
            continue;
        size_t i = find_layer(layers, count, at->layer);
        if (i == count)
            layers[count++].name = at->layer;
        layers[i].op_count++;
    }
    for (size_t i = 0; i < count; i++) {
        layers[i].ops = ops[i] = RAN_ARENA_ARRAY(r->arena, ran_ilp_op, layers[i].op_count);
        layers[i].op_count = 0;
    }
    for (const row *at = r->rows; at; at = at->next) {
        if (!strcmp(at->layer, "-")) {
            add_fixed(r->problem, at);
            continue;
        }
        size_t i = find_layer(layers, count, at->layer);
        ops[i][layers[i].op_count++] = at->op;
    }
    r->problem->layers = layers;
    r->problem->layer_count = count;
}

ran_status ran_ilp_table_parse(ran_context *context, ran_arena *arena, const char *text,
                               const char *file, ran_ilp_table *out_table)
{
    *out_table = (ran_ilp_table){0};
    reader r = {.context = context, .arena = arena, .file = file, .problem = &out_table->problem};
    r.tail = &r.rows;
    char *copy = ran_arena_string(arena, text);
    ran_status status = RAN_OK;
    for (char *line = copy, *end; line && status == RAN_OK; line = end) {
        end = strchr(line, '\n');
        if (end)
            *end++ = '\0';
        r.line++;
        status = read_line(&r, line);
    }
    if (status == RAN_OK && !r.name_count)
        status = fail(&r, "no names of columns");
    if (status == RAN_OK)
        group_rows(&r);
    return status;
}
