/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "tools/pass_options.h"

#include <stdlib.h>
#include <string.h>

#include "tools/approx_options.h"
#include "tools/common.h"
#include "tools/pass_rows.h"

enum { OPTION_LIST_PASSES = 0x1000 };

static const struct argp_option options[] = {
    {NULL, 0, NULL, 0, "Passes:", 10},
    RAN_PASS_ROWS(10, "Optimise: 0, 1, 2, 3, or s for size",
                  "Turn a pass on or off, or set its first option"),
    {"list-passes", OPTION_LIST_PASSES, NULL, 0, "Print a table of all passes (Markdown)", 10},
    RAN_APPROX_ROWS(11),
    {NULL, 0, NULL, 0, "Watching passes:", 12},
    RAN_WATCH_ROWS(12, ""),
    {0},
};

static void check(ran_tool_passes *passes, ran_status status)
{
    if (!status)
        return;
    ran_diagnostics_print(passes->context, stderr);
    exit(status);
}

static void set_flag(ran_tool_passes *passes, const char *flag)
{
    bool known = true;
    check(passes, ran_pass_manager_set_flag(passes->manager, flag, &known));
    if (known || (passes->other_flag && passes->other_flag(flag, passes->data)))
        return;
    check(passes, ran_error(passes->context, RAN_USAGE,
                            "-f%s: there is no such pass; --list-passes prints all", flag));
}

static error_t parse_option(int key, char *value, struct argp_state *state)
{
    ran_tool_passes *passes = state->input;
    char *approximate = ran_approx_passes(key, value, state);
    if (approximate) {
        ran_status status = ran_pass_manager_add_passes(passes->manager, approximate);
        free(approximate);
        check(passes, status);
        return 0;
    }
    switch (key) {
    case 'O':
        check(passes, ran_pass_manager_set_level(passes->manager, value));
        return 0;
    case 'f':
        set_flag(passes, value);
        return 0;
    case RAN_PASS_PIPELINE:
        check(passes, ran_pass_manager_add_passes(passes->manager, value));
        return 0;
    case RAN_PASS_COLLAPSE_BORDER:
        check(passes, ran_pass_manager_set_pass_option(passes->manager, "collapse-linear", "border",
                                                       value));
        return 0;
    case OPTION_LIST_PASSES:
        passes->list = true;
        return 0;
    default:
        if (!ran_watch_name(options, key))
            return ARGP_ERR_UNKNOWN;
        check(passes,
              ran_pass_manager_set_option(passes->manager, ran_watch_name(options, key), value));
        return 0;
    }
}

const struct argp ran_tool_pass_argp = {.options = options, .parser = parse_option};

/* ---- --list-passes ------------------------------------------------------------------------------- */

static void print_options(const ran_pass *pass, FILE *stream)
{
    for (const ran_pass_option *o = pass->options; o && o->name; o++) {
        fprintf(stream, "%s`%s` (%s%s): %s", o == pass->options ? "" : "<br>", o->name,
                o->value ? "" : "required", o->value ? o->value : "", o->help);
    }
}

static void print_level(const ran_pass *pass, FILE *stream)
{
    if (pass->level)
        fprintf(stream, "-O%d", pass->level);
    else
        fputs("by name", stream);
    if (pass->flags & RAN_PASS_APPROXIMATE)
        fputs(", approximate", stream);
}

void ran_tool_list_passes(const ran_pass_manager *manager, FILE *stream)
{
    fputs("| pass | from | what it does | options |\n|---|---|---|---|\n", stream);
    for (size_t i = 0; i < ran_pass_manager_pass_count(manager); i++) {
        const ran_pass *pass = ran_pass_manager_pass(manager, i);
        fprintf(stream, "| `%s`", pass->name);
        if (pass->alias)
            fprintf(stream, " (`%s`)", pass->alias);
        fputs(" | ", stream);
        print_level(pass, stream);
        fprintf(stream, " | %s | ", pass->summary);
        print_options(pass, stream);
        fputs(" |\n", stream);
    }
}
