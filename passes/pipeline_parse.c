/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * The grammar of pipelines:
 *
 *   pipeline = [ step { "," step } ]
 *   step     = "fixpoint" [ "{max=N}" ] "(" pipeline ")" | name [ "{" setting { ";" setting } "}" ]
 *   setting  = option "=" value
 *
 * Blanks around tokens are ignored. A value ends at ';' or '}'. Every problem is reported with its
 * column; one run reports the first, because what follows it can't be told.
 */
#include "passes/passes.h"

#include <ctype.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

enum { FIXPOINT_ROUNDS = 16 };

typedef struct parser {
    ran_pass_manager *manager;
    ran_arena *arena;
    const char *text, *at;
} parser;

static ran_status fail(const parser *p, const char *at, const char *what, const char *detail)
{
    return ran_error(p->manager->context, RAN_USAGE, "passes '%s': column %d: %s%s", p->text,
                     (int)(at - p->text) + 1, what, detail);
}

static void skip_blanks(parser *p)
{
    while (isspace((unsigned char)*p->at))
        p->at++;
}

static bool accept(parser *p, char character)
{
    skip_blanks(p);
    if (*p->at != character)
        return false;
    p->at++;
    return true;
}

static char *copy(parser *p, const char *from, const char *to)
{
    char *text = ran_arena_alloc(p->arena, (size_t)(to - from) + 1);
    memcpy(text, from, (size_t)(to - from));
    return text;
}

/* Empty when there is no word. */
static const char *word(parser *p)
{
    skip_blanks(p);
    const char *from = p->at;
    while (isalnum((unsigned char)*p->at) || *p->at == '-' || *p->at == '_')
        p->at++;
    return copy(p, from, p->at);
}

static const char *value(parser *p)
{
    skip_blanks(p);
    const char *from = p->at;
    while (*p->at && *p->at != ';' && *p->at != '}')
        p->at++;
    const char *to = p->at;
    while (to > from && isspace((unsigned char)to[-1]))
        to--;
    return copy(p, from, to);
}

static bool is_choice(const char *choices, const char *text)
{
    size_t length = strlen(text);
    for (const char *at = choices; at; at = strchr(at, '|') ? strchr(at, '|') + 1 : NULL) {
        if (!strncmp(at, text, length) && (at[length] == '|' || !at[length]))
            return true;
    }
    return false;
}

static bool is_number(const char *text, bool whole)
{
    char *end;
    errno = 0;
    if (whole)
        (void)strtoll(text, &end, 10);
    else
        (void)strtod(text, &end);
    return end != text && !*end && !errno;
}

/* The value in the form that the getters read, or NULL when it is none of the option's kind. */
static const char *check_value(const ran_pass_option *option, const char *text)
{
    static const char *const yes[] = {"true", "1", "on", "yes"};
    static const char *const no[] = {"false", "0", "off", "no"};
    switch (option->kind) {
    case RAN_OPTION_INT:
        return is_number(text, true) ? text : NULL;
    case RAN_OPTION_FLOAT:
        return is_number(text, false) ? text : NULL;
    case RAN_OPTION_BOOL:
        for (size_t i = 0; i < 4; i++) {
            if (!strcmp(text, yes[i]))
                return "true";
            if (!strcmp(text, no[i]))
                return "false";
        }
        return NULL;
    case RAN_OPTION_STRING:
        return !option->choices || is_choice(option->choices, text) ? text : NULL;
    }
    return NULL;
}

static const char *kind_text(parser *p, const ran_pass_option *option)
{
    static const char *const kinds[] = {"a whole number", "a number", "true or false", "text"};
    return option->choices ? ran_intern_printf(p->manager->context, "one of %s", option->choices)
                           : kinds[option->kind];
}

static const ran_pass_option *find_option(const ran_pass *pass, const char *name, size_t *index)
{
    for (size_t i = 0; pass->options && pass->options[i].name; i++) {
        if (!strcmp(pass->options[i].name, name)) {
            *index = i;
            return &pass->options[i];
        }
    }
    return NULL;
}

static ran_status parse_setting(parser *p, ran_step *step)
{
    skip_blanks(p);
    const char *start = p->at, *name = word(p);
    size_t index = 0;
    const ran_pass_option *option = find_option(step->pass, name, &index);
    if (!option)
        return fail(p, start,
                    ran_intern_printf(p->manager->context, "pass '%s' has no option ",
                                      step->pass->name),
                    name);
    if (!accept(p, '='))
        return fail(p, p->at, "expected '=' after option ", name);
    start = p->at;
    step->values[index] = check_value(option, value(p));
    if (!step->values[index])
        return fail(p, start,
                    ran_intern_printf(p->manager->context, "option '%s' takes ", name),
                    kind_text(p, option));
    return RAN_OK;
}

static ran_status parse_settings(parser *p, ran_step *step)
{
    if (!accept(p, '{') || accept(p, '}'))
        return RAN_OK;
    do {
        ran_status status = parse_setting(p, step);
        if (status)
            return status;
    } while (accept(p, ';'));
    return accept(p, '}') ? RAN_OK : fail(p, p->at, "expected ';' or '}'", "");
}

static ran_status check_required(parser *p, const char *start, const ran_step *step)
{
    const ran_pass_option *options = step->pass->options;
    for (size_t i = 0; options && options[i].name; i++) {
        if (!step->values[i])
            return fail(p, start,
                        ran_intern_printf(p->manager->context,
                                          "pass '%s' does not run without its option '%s': ",
                                          step->pass->name, options[i].name),
                        options[i].help);
    }
    return RAN_OK;
}

static ran_status parse_pass(parser *p, const char *start, const char *name, ran_step *step)
{
    step->pass = ran_pass_manager_find(p->manager, name);
    if (!step->pass)
        return fail(p, start, *name ? "unknown pass " : "expected the name of a pass", name);
    size_t count = 0;
    while (step->pass->options && step->pass->options[count].name)
        count++;
    step->values = RAN_ARENA_ARRAY(p->arena, const char *, count + 1);
    for (size_t i = 0; i < count; i++)
        step->values[i] = step->pass->options[i].value;
    ran_status status = parse_settings(p, step);
    return status ? status : check_required(p, start, step);
}

static ran_status parse_list(parser *p, ran_step **out);

static ran_status parse_fixpoint(parser *p, ran_step *step)
{
    step->max = FIXPOINT_ROUNDS;
    if (accept(p, '{')) {
        const char *name = word(p);
        if (strcmp(name, "max") || !accept(p, '='))
            return fail(p, p->at, "fixpoint takes only max=N", "");
        step->max = strtoll(value(p), NULL, 10);
        if (step->max < 1 || !accept(p, '}'))
            return fail(p, p->at, "max takes a number from 1 on", "");
    }
    if (!accept(p, '('))
        return fail(p, p->at, "expected '(' after fixpoint", "");
    ran_status status = parse_list(p, &step->body);
    if (status)
        return status;
    return accept(p, ')') ? RAN_OK : fail(p, p->at, "expected ',' or ')'", "");
}

static ran_status parse_list(parser *p, ran_step **out)
{
    skip_blanks(p);
    if (!*p->at || *p->at == ')')
        return RAN_OK;
    do {
        skip_blanks(p);
        const char *start = p->at, *name = word(p);
        ran_step *step = RAN_ARENA_NEW(p->arena, ran_step);
        ran_status status = !strcmp(name, "fixpoint") ? parse_fixpoint(p, step)
                                                      : parse_pass(p, start, name, step);
        if (status)
            return status;
        *out = step;
        out = &step->next;
    } while (accept(p, ','));
    return RAN_OK;
}

ran_status ran_pipeline_parse(ran_pass_manager *manager, ran_arena *arena, const char *text,
                              ran_step **out_steps)
{
    parser p = {.manager = manager, .arena = arena, .text = text, .at = text};
    *out_steps = NULL;
    ran_status status = parse_list(&p, out_steps);
    if (status)
        return status;
    skip_blanks(&p);
    return *p.at ? fail(&p, p.at, "expected ',' or the end", "") : RAN_OK;
}
