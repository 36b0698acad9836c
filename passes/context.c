/* SPDX-License-Identifier: GPL-3.0-or-later */
/* What a running pass asks for: its options, its counters, scratch memory. */
#include "passes/passes.h"

#include <stdlib.h>
#include <string.h>

ran_context *ran_pass_ir(const ran_pass_context *pass)
{
    return pass->manager->context;
}

static const char *option_value(const ran_pass_context *pass, const char *name)
{
    const ran_pass_option *options = pass->state->pass->options;
    for (size_t i = 0; options && options[i].name; i++) {
        if (!strcmp(options[i].name, name))
            return pass->values[i];
    }
    RAN_BUG(ran_pass_ir(pass), "pass '%s' has no option '%s'", pass->state->pass->name, name);
}

int64_t ran_pass_int(const ran_pass_context *pass, const char *option)
{
    return strtoll(option_value(pass, option), NULL, 10);
}

double ran_pass_float(const ran_pass_context *pass, const char *option)
{
    return strtod(option_value(pass, option), NULL);
}

bool ran_pass_bool(const ran_pass_context *pass, const char *option)
{
    return !strcmp(option_value(pass, option), "true");
}

const char *ran_pass_string(const ran_pass_context *pass, const char *option)
{
    return option_value(pass, option);
}

void ran_pass_observe(ran_pass_context *pass, const char *counter, int64_t amount)
{
    const ran_pass_counter *counters = pass->state->pass->counters;
    for (size_t i = 0; counters && counters[i].name; i++) {
        if (!strcmp(counters[i].name, counter)) {
            pass->state->counters[i] += amount;
            return;
        }
    }
    RAN_BUG(ran_pass_ir(pass), "pass '%s' has no counter '%s'", pass->state->pass->name, counter);
}

void ran_pass_count(ran_pass_context *pass, const char *counter, int64_t amount)
{
    ran_pass_observe(pass, counter, amount);
    if (amount)
        pass->changed = true;
}

void ran_pass_changed(ran_pass_context *pass)
{
    pass->changed = true;
}

void *ran_pass_alloc(ran_pass_context *pass, size_t bytes)
{
    return ran_arena_alloc(pass->arena, bytes);
}

/* ---- Remarks ----------------------------------------------------------------------------------- */

bool ran_pass_wants_remarks(const ran_pass_context *pass)
{
    return pass->manager->wants_remarks || pass->manager->stats;
}

static void keep_remark(ran_pass_manager *manager, const char *remark)
{
    if (manager->remark_count == manager->remark_capacity) {
        size_t capacity = manager->remark_capacity ? 2 * manager->remark_capacity : 32;
        const char **remarks = ran_arena_alloc(manager->arena, capacity * sizeof(*remarks));
        if (manager->remark_count)
            memcpy(remarks, manager->remarks, manager->remark_count * sizeof(*remarks));
        manager->remarks = remarks;
        manager->remark_capacity = capacity;
    }
    manager->remarks[manager->remark_count++] = remark;
}

void ran_pass_remark(ran_pass_context *pass, const char *format, ...)
{
    char *text = NULL;
    size_t size = 0;
    FILE *stream = ran_pass_wants_remarks(pass) ? open_memstream(&text, &size) : NULL;
    if (!stream)
        return;
    va_list arguments;
    va_start(arguments, format);
    fprintf(stream, "%s: ", pass->state->pass->name);
    vfprintf(stream, format, arguments);
    va_end(arguments);
    fclose(stream);
    keep_remark(pass->manager, ran_arena_string(pass->manager->arena, text));
    free(text);
}

size_t ran_pass_manager_remark_count(const ran_pass_manager *manager)
{
    return manager->remark_count;
}

const char *ran_pass_manager_remark(const ran_pass_manager *manager, size_t index)
{
    return manager->remarks[index];
}

void ran_pass_manager_set_remarks(ran_pass_manager *manager, bool wanted)
{
    manager->wants_remarks = wanted;
}
