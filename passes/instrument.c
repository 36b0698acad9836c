/* SPDX-License-Identifier: GPL-3.0-or-later */
/* What watches passes run: dumps, verification, times and counters. One grammar for all passes. */
#include "passes/passes.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

/* ---- Switches ------------------------------------------------------------------------------------ */

static ran_status set_list(ran_pass_manager *manager, const char **list, const char *value)
{
    const char *old = *list ? *list : ",";
    char *names = ran_arena_string(manager->arena, value), *save = NULL;
    for (char *name = strtok_r(names, ",", &save); name; name = strtok_r(NULL, ",", &save)) {
        const ran_pass *pass = ran_pass_manager_find(manager, name);
        if (!pass)
            return ran_error(manager->context, RAN_USAGE, "no pass is called '%s'", name);
        old = ran_intern_printf(manager->context, "%s%s,", old, pass->name);
    }
    *list = old;
    return RAN_OK;
}

static ran_status set_bisect(ran_pass_manager *manager, const char *value)
{
    char *end = NULL;
    long long limit = value ? strtoll(value, &end, 10) : -1;
    if (!value || end == value || *end || limit < -1)
        return ran_error(manager->context, RAN_USAGE,
                         "--opt-bisect-limit takes the number of passes to run, or -1 for all");
    manager->bisect_limit = limit;
    return RAN_OK;
}

ran_status ran_pass_manager_set_option(ran_pass_manager *manager, const char *name,
                                       const char *value)
{
    const struct {
        const char *name;
        bool *flag;
    } flags[] = {
        {"print-before-all", &manager->print_before_all},
        {"print-after-all", &manager->print_after_all},
        {"time-passes", &manager->time_passes},
        {"stats", &manager->stats},
        {"verify-each", &manager->verify_each},
    };
    for (size_t i = 0; i < sizeof(flags) / sizeof(*flags); i++) {
        if (!strcmp(flags[i].name, name)) {
            *flags[i].flag = true;
            return RAN_OK;
        }
    }
    if (!strcmp(name, "opt-bisect-limit"))
        return set_bisect(manager, value);
    if (!strcmp(name, "print-before") && value)
        return set_list(manager, &manager->print_before, value);
    if (!strcmp(name, "print-after") && value)
        return set_list(manager, &manager->print_after, value);
    return ran_error(manager->context, RAN_USAGE, "--%s: no such switch, or a value is missing",
                     name);
}

void ran_pass_manager_set_stream(ran_pass_manager *manager, FILE *stream)
{
    manager->stream = stream;
}

/* ---- Hooks ----------------------------------------------------------------------------------------- */

static bool is_listed(const char *list, const char *name)
{
    if (!list)
        return false;
    size_t length = strlen(name);
    for (const char *at = strstr(list, name); at; at = strstr(at + 1, name)) {
        if (at[-1] == ',' && at[length] == ',')
            return true;
    }
    return false;
}

/* A comment line, then the module: every dump is valid input. */
static ran_status dump(ran_pass_manager *manager, const char *when, const ran_pass *pass)
{
    if (!manager->stream)
        return RAN_OK;
    fprintf(manager->stream, "// IR %s %s\n", when, pass->name);
    ran_status status = ran_module_print(manager->module, manager->stream, NULL);
    fflush(manager->stream);
    return status;
}

ran_status ran_instrument_before(ran_pass_manager *manager, const ran_pass *pass)
{
    if (manager->print_before_all || is_listed(manager->print_before, pass->name))
        return dump(manager, "before", pass);
    return RAN_OK;
}

/* A pass that leaves a broken module is a bug of the pass, whatever the input was. */
static void verify(ran_pass_manager *manager, const ran_pass *pass)
{
    size_t first = ran_diagnostic_count(manager->context);
    if (!ran_module_verify(manager->module))
        return;
    const char *message = "";
    if (ran_diagnostic_count(manager->context) > first)
        message = ran_diagnostic_at(manager->context, first)->message;
    RAN_BUG(manager->context, "the module is broken after pass '%s': %s", pass->name, message);
}

ran_status ran_instrument_after(ran_pass_manager *manager, const ran_pass *pass)
{
    if (manager->print_after_all || is_listed(manager->print_after, pass->name)) {
        ran_status status = dump(manager, "after", pass);
        if (status)
            return status;
    }
    if (manager->verify_each)
        verify(manager, pass);
    return RAN_OK;
}

/* ---- Reports ------------------------------------------------------------------------------------------ */

static void report_times(const ran_pass_manager *manager, FILE *stream)
{
    double total = 0;
    for (size_t i = 0; i < manager->count; i++)
        total += manager->states[i].seconds;
    fprintf(stream, "%10s %7s %6s  pass\n", "ms", "%", "runs");
    for (size_t i = 0; i < manager->count; i++) {
        const ran_pass_state *state = &manager->states[i];
        if (state->runs)
            fprintf(stream, "%10.3f %6.1f%% %6" PRId64 "  %s\n", 1e3 * state->seconds,
                    total > 0 ? 100 * state->seconds / total : 0, state->runs, state->pass->name);
    }
    fprintf(stream, "%10.3f %6.1f%% %6s  total\n", 1e3 * total, 100.0, "");
}

static void report_counters(const ran_pass_manager *manager, FILE *stream)
{
    for (size_t i = 0; i < manager->count; i++) {
        const ran_pass_state *state = &manager->states[i];
        const ran_pass_counter *counters = state->pass->counters;
        for (size_t c = 0; counters && counters[c].name; c++) {
            if (state->counters[c])
                fprintf(stream, "%10" PRId64 "  %s.%s: %s\n", state->counters[c],
                        state->pass->name, counters[c].name, counters[c].help);
        }
    }
}

void ran_pass_manager_report(const ran_pass_manager *manager, FILE *stream)
{
    if (manager->time_passes)
        report_times(manager, stream);
    if (manager->stats)
        report_counters(manager, stream);
    for (size_t i = 0; i < manager->remark_count; i++)
        fprintf(stream, "%s\n", manager->remarks[i]);
}
