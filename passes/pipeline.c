/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * The pipelines of the -O levels, and the -f switches.
 *
 * There is one complete pipeline; a level runs those of its passes that the pass table turns on at
 * that level, and -fPASS and -fno-PASS add and remove at the place that the pass has there. -O0 runs
 * nothing by itself.
 */
#include "passes/passes.h"

#include <stdlib.h>
#include <string.h>

enum { STAGE_PASSES = 16 };

typedef struct stage {
    bool fixpoint;
    bool user; /* here --passes goes, and passes of plug-ins that have a level */
    const char *passes[STAGE_PASSES];
} stage;

static const stage complete[] = {
    {.passes = {"bind-dim", "rebatch"}},
    {.fixpoint = true,
     .passes = {"fold-constants", "canonicalize", "common-subexpressions", "dead-code"}},
    {.passes = {"recognize-hard-swish", "recognize-silu", "recognize-gelu",
                "recognize-layernorm"}},
    {.user = true},
    {.fixpoint = true,
     .passes = {"push-transposes", "recognize-hard-swish", "recognize-silu", "recognize-gelu",
                "recognize-layernorm", "fold-pad", "fold-batchnorm", "fold-affine",
                "fold-constants", "canonicalize", "common-subexpressions", "dead-code"}},
    {.passes = {"recognize-squeeze-excitation", "split-linear-branch", "collapse-linear"}},
    {.fixpoint = true,
     .passes = {"fold-constants", "canonicalize", "common-subexpressions", "dead-code"}},
};

enum { STAGE_COUNT = sizeof(complete) / sizeof(*complete) };

typedef struct order {
    const char *first, *then, *reason;
} order;

static const order orders[] = {
#define RAN_ORDER(...) {__VA_ARGS__},
#include "passes/order.def"
};

enum { ORDER_COUNT = sizeof(orders) / sizeof(*orders) };

/* ---- Which passes run ----------------------------------------------------------------------------- */

static bool is_enabled(const ran_pass_manager *manager, const ran_pass_state *state)
{
    const ran_pass *pass = state->pass;
    if (state->forced)
        return state->forced > 0;
    if (!pass->level || pass->flags & RAN_PASS_APPROXIMATE)
        return false;
    return manager->level >= pass->level && !(manager->for_size && pass->flags & RAN_PASS_GROWS);
}

static bool is_placed(const char *name)
{
    for (size_t s = 0; s < STAGE_COUNT; s++) {
        for (size_t i = 0; complete[s].passes[i]; i++) {
            if (!strcmp(complete[s].passes[i], name))
                return true;
        }
    }
    return false;
}

static void append_pass(FILE *out, const ran_pass_state *state, const char **separator)
{
    fprintf(out, "%s%s", *separator, state->pass->name);
    if (state->value || state->settings)
        fputc('{', out);
    if (state->value)
        fprintf(out, "%s=%s", state->pass->options[0].name, state->value);
    if (state->settings)
        fprintf(out, "%s%s", state->value ? ";" : "", state->settings);
    if (state->value || state->settings)
        fputc('}', out);
    *separator = ",";
}

static void append_user(const ran_pass_manager *manager, FILE *out, const char **separator)
{
    for (size_t i = 0; i < manager->count; i++) {
        const ran_pass_state *state = &manager->states[i];
        if (is_enabled(manager, state) && !is_placed(state->pass->name))
            append_pass(out, state, separator);
    }
    if (manager->user && *manager->user) {
        fprintf(out, "%s%s", *separator, manager->user);
        *separator = ",";
    }
}

static bool stage_runs(const ran_pass_manager *manager, const stage *stage)
{
    for (size_t i = 0; stage->passes[i]; i++) {
        const ran_pass *pass = ran_pass_manager_find(manager, stage->passes[i]);
        if (pass && is_enabled(manager, ran_pass_manager_state(manager, pass)))
            return true;
    }
    return false;
}

static void append_stage(const ran_pass_manager *manager, const stage *stage, FILE *out,
                         const char **separator)
{
    if (stage->user)
        append_user(manager, out, separator);
    if (!stage_runs(manager, stage))
        return;
    const char *inner = stage->fixpoint ? "" : *separator;
    if (stage->fixpoint)
        fprintf(out, "%sfixpoint(", *separator);
    for (size_t i = 0; stage->passes[i]; i++) {
        const ran_pass *pass = ran_pass_manager_find(manager, stage->passes[i]);
        const ran_pass_state *state = ran_pass_manager_state(manager, pass);
        if (is_enabled(manager, state))
            append_pass(out, state, &inner);
    }
    if (stage->fixpoint)
        fputc(')', out);
    *separator = ",";
}

const char *ran_pipeline_text(const ran_pass_manager *manager, ran_arena *arena)
{
    char *text = NULL;
    size_t size = 0;
    FILE *out = open_memstream(&text, &size);
    if (!out)
        RAN_BUG(manager->context, "out of memory");
    const char *separator = "";
    for (size_t i = 0; i < STAGE_COUNT; i++)
        append_stage(manager, &complete[i], out, &separator);
    fclose(out);
    const char *result = ran_arena_string(arena, text);
    free(text);
    return result;
}

/* ---- Levels, switches, the user's passes ------------------------------------------------------------- */

ran_status ran_pass_manager_set_level(ran_pass_manager *manager, const char *level)
{
    bool digit = level[0] >= '0' && level[0] <= '3';
    if ((!digit && level[0] != 's') || level[1])
        return ran_error(manager->context, RAN_USAGE, "-O%s: the levels are 0, 1, 2, 3 and s",
                         level);
    manager->for_size = !digit;
    manager->level = digit ? level[0] - '0' : 2;
    return RAN_OK;
}

static ran_status set_forced(ran_pass_manager *manager, ran_pass_state *state, const char *value)
{
    const ran_pass *pass = state->pass;
    if (pass->flags & RAN_PASS_APPROXIMATE)
        return ran_error(manager->context, RAN_USAGE,
                         "-f%s: the pass changes the function; ask for it with --passes='%s{...}'",
                         pass->name, pass->name);
    if (value && !(pass->options && pass->options[0].name))
        return ran_error(manager->context, RAN_USAGE, "-f%s takes no value", pass->name);
    if (value && strpbrk(value, ";{}"))
        return ran_error(manager->context, RAN_USAGE, "-f%s=%s: not a value", pass->name, value);
    state->forced = 1;
    state->value = value ? ran_arena_string(manager->arena, value) : NULL;
    return RAN_OK;
}

static ran_pass_state *find_flag(ran_pass_manager *manager, const char *flag, size_t length)
{
    char *name = ran_arena_alloc(manager->arena, length + 1);
    memcpy(name, flag, length);
    const ran_pass *pass = ran_pass_manager_find(manager, name);
    return pass ? ran_pass_manager_state(manager, pass) : NULL;
}

ran_status ran_pass_manager_set_flag(ran_pass_manager *manager, const char *flag, bool *out_known)
{
    if (out_known)
        *out_known = true;
    if (!strncmp(flag, "pass-plugin=", 12))
        return ran_pass_manager_load(manager, flag + 12);
    const char *equals = strchr(flag, '=');
    size_t length = equals ? (size_t)(equals - flag) : strlen(flag);
    ran_pass_state *state = find_flag(manager, flag, length);
    if (state)
        return set_forced(manager, state, equals ? equals + 1 : NULL);
    if (!equals && !strncmp(flag, "no-", 3))
        state = find_flag(manager, flag + 3, length - 3);
    if (state) {
        state->forced = -1;
        return RAN_OK;
    }
    if (out_known) {
        *out_known = false;
        return RAN_OK;
    }
    return ran_error(manager->context, RAN_USAGE, "-f%s: no such pass", flag);
}

static bool has_option(const ran_pass *pass, const char *name)
{
    for (const ran_pass_option *o = pass->options; o && o->name; o++)
        if (!strcmp(o->name, name))
            return true;
    return false;
}

/* Whether the value is one of the option's is for the parser of pipelines to say. */
ran_status ran_pass_manager_set_pass_option(ran_pass_manager *manager, const char *pass,
                                            const char *option, const char *value)
{
    const ran_pass *found = ran_pass_manager_find(manager, pass);
    if (!found || !has_option(found, option) || strpbrk(value, ";{}"))
        return ran_error(manager->context, RAN_USAGE, "%s of pass '%s': no such option or value",
                         option, pass);
    ran_pass_state *state = ran_pass_manager_state(manager, found);
    const char *before = state->settings;
    state->settings = ran_intern_printf(manager->context, "%s%s%s=%s", before ? before : "",
                                        before ? ";" : "", option, value);
    ran_arena *arena = ran_arena_create();
    ran_step *steps = NULL;
    ran_status status = ran_pipeline_parse(
        manager, arena,
        ran_intern_printf(manager->context, "%s{%s}", found->name, state->settings), &steps);
    ran_arena_destroy(arena);
    return status;
}

ran_status ran_pass_manager_add_passes(ran_pass_manager *manager, const char *text)
{
    ran_arena *arena = ran_arena_create();
    ran_step *steps = NULL;
    ran_status status = ran_pipeline_parse(manager, arena, text, &steps);
    ran_arena_destroy(arena);
    if (status)
        return status;
    const char *before = manager->user;
    if (!before || !*before)
        manager->user = ran_arena_string(manager->arena, text);
    else
        manager->user = ran_intern_printf(manager->context, "%s,%s", before, text);
    return RAN_OK;
}

/* ---- Order constraints --------------------------------------------------------------------------------- */

static int position(const char *name)
{
    for (size_t s = 0; s < STAGE_COUNT; s++) {
        for (size_t i = 0; complete[s].passes[i]; i++) {
            if (!strcmp(complete[s].passes[i], name))
                return (int)(s * STAGE_PASSES + i);
        }
    }
    return -1;
}

void ran_pipeline_check_order(const ran_pass_manager *manager)
{
    for (size_t i = 0; i < ORDER_COUNT; i++) {
        const order *o = &orders[i];
        if (!ran_pass_manager_find(manager, o->first) || !ran_pass_manager_find(manager, o->then))
            RAN_BUG(manager->context, "order of '%s' and '%s': no such pass", o->first, o->then);
        int first = position(o->first), then = position(o->then);
        if (first >= 0 && then >= 0 && first > then)
            RAN_BUG(manager->context, "the pipeline runs '%s' before '%s', but %s", o->then,
                    o->first, o->reason);
    }
}

/* The first step of that name in running order, or -1. */
static int step_position(const ran_step *steps, const char *name, int *count)
{
    for (const ran_step *step = steps; step; step = step->next) {
        int inner = step->pass ? -1 : step_position(step->body, name, count);
        if (inner >= 0)
            return inner;
        if (step->pass && !strcmp(step->pass->name, name))
            return *count;
        ++*count;
    }
    return -1;
}

void ran_pipeline_warn_order(const ran_pass_manager *manager, const ran_step *steps)
{
    for (size_t i = 0; i < ORDER_COUNT; i++) {
        int a = 0, b = 0;
        int first = step_position(steps, orders[i].first, &a);
        int then = step_position(steps, orders[i].then, &b);
        if (first >= 0 && then >= 0 && first > then)
            ran_warn(manager->context, "--passes runs '%s' before '%s': %s", orders[i].then,
                     orders[i].first, orders[i].reason);
    }
}
