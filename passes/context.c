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
