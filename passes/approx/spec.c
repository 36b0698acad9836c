/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * The text that selects activations:
 *
 *   spec = term { "," term } [ "/channel" | "/element" ]
 *   term = "all" | "name:" GLOB | "stage:" N [ "-" M ] | "slope" [ ":" FILE ]
 *        | "keep:" COUNT | "cheapest:" N
 *
 * A comma within a name or a file is written "\,". COUNT is a number, also as 50k or 1.5M. The unit
 * may stand behind any term and holds for all of them: the units of a selection don't mix.
 */
#include "passes/approx/approx.h"

#include <ctype.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

static const char help[] =
    "all, name:GLOB, stage:N[-M], slope[:FILE], keep:COUNT, cheapest:N, joined by commas; "
    "/channel or /element behind";

typedef struct parser {
    ran_context *context;
    ran_arena *arena;
    const char *text;
    ran_spec *spec;
    bool has_unit;
} parser;

static ran_status fail(const parser *p, const char *at, const char *problem, const char *what)
{
    return ran_error(p->context, RAN_USAGE, "'%s': column %d: %s%s%s; what selects: %s", p->text,
                     (int)(at - p->text) + 1, problem, *what ? " " : "", what, help);
}

/* ---- Numbers --------------------------------------------------------------------------------------- */

int64_t ran_parse_count(const char *text)
{
    char *end = NULL;
    if (!isdigit((unsigned char)*text))
        return -1;
    double value = strtod(text, &end);
    double scale = *end == 'k' || *end == 'K' ? 1e3 : *end == 'M' ? 1e6 : *end == 'G' ? 1e9 : 1;
    end += scale != 1;
    value = nearbyint(value * scale);
    return *end || !(value >= 0 && value < 1e15) ? -1 : (int64_t)value;
}

static bool parse_range(const char *text, int64_t *first, int64_t *last)
{
    char *end = NULL;
    if (!isdigit((unsigned char)*text))
        return false;
    *first = *last = strtol(text, &end, 10);
    if (*end == '-') {
        if (!isdigit((unsigned char)end[1]))
            return false;
        *last = strtol(end + 1, &end, 10);
    }
    return !*end && *first >= 1 && *first <= *last;
}

/* ---- Terms -------------------------------------------------------------------------------------------- */

static ran_status parse_name(const parser *p, const char *at, const char *value, ran_term *term)
{
    term->text = value;
    return *value ? RAN_OK : fail(p, at, "name: needs a glob", "");
}

static ran_status parse_stage(const parser *p, const char *at, const char *value, ran_term *term)
{
    if (parse_range(value, &term->first, &term->last))
        return RAN_OK;
    return fail(p, at, "stage: takes N or N-M, from 1 on, not", value);
}

static ran_status parse_slope(const parser *p, const char *at, const char *value, ran_term *term)
{
    term->text = value;
    return !value || *value ? RAN_OK : fail(p, at, "slope: needs a file", "");
}

static ran_status parse_keep(const parser *p, const char *at, const char *value, ran_term *term)
{
    term->first = ran_parse_count(value);
    return term->first >= 0 ? RAN_OK : fail(p, at, "keep: takes a count such as 50k, not", value);
}

static ran_status parse_cheapest(const parser *p, const char *at, const char *value,
                                 ran_term *term)
{
    term->first = ran_parse_count(value);
    return term->first >= 1 ? RAN_OK
                            : fail(p, at, "cheapest: takes how many, from 1 on, not", value);
}

static const struct word {
    const char *name;
    ran_term_kind kind;
    enum { NO_VALUE, MAY_HAVE_VALUE, HAS_VALUE } value;
    ran_status (*parse)(const parser *p, const char *at, const char *value, ran_term *term);
} words[] = {
    {.name = "all", .kind = RAN_TERM_ALL, .value = NO_VALUE},
    {.name = "name", .kind = RAN_TERM_NAME, .value = HAS_VALUE, .parse = parse_name},
    {.name = "stage", .kind = RAN_TERM_STAGE, .value = HAS_VALUE, .parse = parse_stage},
    {.name = "slope", .kind = RAN_TERM_SLOPE, .value = MAY_HAVE_VALUE, .parse = parse_slope},
    {.name = "keep", .kind = RAN_TERM_KEEP, .value = HAS_VALUE, .parse = parse_keep},
    {.name = "cheapest", .kind = RAN_TERM_CHEAPEST, .value = HAS_VALUE, .parse = parse_cheapest},
};

static const struct word *find_word(const char *text, size_t length)
{
    for (size_t i = 0; i < sizeof(words) / sizeof(*words); i++)
        if (strlen(words[i].name) == length && !strncmp(words[i].name, text, length))
            return &words[i];
    return NULL;
}

/* Cuts the unit off a term's end. */
static ran_status take_unit(parser *p, const char *at, char *term)
{
    static const char *const names[] = {[RAN_UNIT_CHANNEL] = "/channel",
                                        [RAN_UNIT_ELEMENT] = "/element"};
    for (int unit = RAN_UNIT_CHANNEL; unit <= RAN_UNIT_ELEMENT; unit++) {
        size_t length = strlen(term), tail = strlen(names[unit]);
        if (length < tail || strcmp(term + length - tail, names[unit]))
            continue;
        if (p->has_unit && p->spec->unit != (ran_unit)unit)
            return fail(p, at, "/channel and /element don't mix", "");
        p->has_unit = true;
        p->spec->unit = (ran_unit)unit;
        term[length - tail] = '\0';
        return RAN_OK;
    }
    return RAN_OK;
}

static ran_status parse_term(parser *p, const char *at, char *text)
{
    ran_status status = take_unit(p, at, text);
    if (status)
        return status;
    size_t length = strcspn(text, ":");
    const char *value = text[length] ? text + length + 1 : NULL;
    const struct word *word = find_word(text, length);
    if (!word)
        return fail(p, at, *text ? "unknown term" : "a term is missing", text);
    if (word->value == NO_VALUE && value)
        return fail(p, at, "no value belongs behind", word->name);
    if (word->value == HAS_VALUE && !value)
        return fail(p, at, "a value is missing behind", word->name);
    ran_term *term = &p->spec->terms[p->spec->count++];
    term->kind = word->kind;
    return word->parse ? word->parse(p, at, value, term) : RAN_OK;
}

/* The next term without its escapes; *position moves behind its comma. */
static char *next_term(parser *p, const char **position)
{
    const char *from = *position;
    char *term = ran_arena_alloc(p->arena, strlen(from) + 1), *to = term;
    for (; *from && *from != ','; from++) {
        if (from[0] == '\\' && from[1] == ',')
            from++;
        *to++ = *from;
    }
    *position = from;
    return term;
}

ran_status ran_spec_parse(ran_context *context, ran_arena *arena, const char *text,
                          ran_spec *out_spec)
{
    parser p = {.context = context, .arena = arena, .text = text, .spec = out_spec};
    *out_spec = (ran_spec){.unit = RAN_UNIT_LAYER};
    out_spec->terms = ran_arena_alloc(arena, (strlen(text) + 1) * sizeof(ran_term));
    for (const char *position = text;; position++) {
        const char *at = position;
        ran_status status = parse_term(&p, at, next_term(&p, &position));
        if (status || !*position)
            return status;
    }
}
