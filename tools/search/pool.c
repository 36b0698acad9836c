/* SPDX-License-Identifier: GPL-3.0-or-later */
/* ran-search pool: lists candidates, and prints one as IR for given shapes. */
#include "tools/search/search.h"

#include <string.h>

#include "ir/ir.h"
#include "search/pool.h"
#include "tools/files.h"

enum { OPTION_POOL = 256, OPTION_INPUT, OPTION_OUTPUT };

static const struct argp_option options[] = {
    {"pool", OPTION_POOL, "NAME|FILE", 0,
     "reduced, full, all, or a file with a name, a glob or the path of an IR file a line (full)",
     1},
    {"input", OPTION_INPUT, "CxHxW", 0, "Shape of one input, for printing a candidate", 1},
    {"output", OPTION_OUTPUT, "CxHxW", 0, "Shape of its output (the input's)", 1},
    {0},
};

typedef struct arguments {
    const char *pool, *name;
    long long input[3], output[3];
} arguments;

static void parse_shape(const char *option, const char *text, long long *out,
                        struct argp_state *state)
{
    char rest;
    bool good = sscanf(text, "%lldx%lldx%lld%c", &out[0], &out[1], &out[2], &rest) == 3;
    for (int i = 0; i < 3 && good; i++)
        good = out[i] > 0 && out[i] <= 65536;
    if (!good)
        argp_error(state, "--%s: expected CxHxW such as 16x32x32, not %s", option, text);
}

static void check_arguments(arguments *a, struct argp_state *state)
{
    if (a->name && !a->input[0])
        argp_error(state, "--input=CxHxW says what %s is built for", a->name);
    if (!a->output[0])
        memcpy(a->output, a->input, sizeof a->output);
    for (int axis = 1; axis < 3; axis++)
        if (a->output[axis] != a->input[axis] && a->output[axis] != (a->input[axis] + 1) / 2)
            argp_error(state, "--output: the map must be the input's or half of it");
}

static error_t parse_option(int key, char *value, struct argp_state *state)
{
    arguments *a = state->input;
    switch (key) {
    case OPTION_POOL:
        a->pool = value;
        return 0;
    case OPTION_INPUT:
        parse_shape("input", value, a->input, state);
        return 0;
    case OPTION_OUTPUT:
        parse_shape("output", value, a->output, state);
        return 0;
    case ARGP_KEY_ARG:
        if (a->name)
            argp_error(state, "one candidate at a time");
        a->name = value;
        return 0;
    case ARGP_KEY_END:
        check_arguments(a, state);
        return 0;
    default:
        return ARGP_ERR_UNKNOWN;
    }
}

static const struct argp parser = {
    .options = options,
    .parser = parse_option,
    .args_doc = "[CANDIDATE]",
    .doc = "Lists the candidates of a pool, or prints one as IR text.",
};

static const ran_type *map_type(ran_context *context, const long long *shape)
{
    int64_t dims[] = {1, shape[0], shape[1], shape[2]};
    return ran_type_tensor_i64(context, RAN_ELEM_F32, 4, dims);
}

static ran_status print_candidate(ran_context *context, const arguments *a,
                                  const ran_candidate *candidate)
{
    ran_module *module;
    ran_slot slot = {.input = map_type(context, a->input),
                     .output = map_type(context, a->output),
                     .stride = a->input[1] == a->output[1] && a->input[2] == a->output[2] ? 1 : 2,
                     .inner = RAN_OP_RELU};
    if (!ran_candidate_fits(candidate, &slot))
        return ran_error(context, RAN_INVALID, "candidate %s does not fit these shapes", a->name);
    ran_status status = ran_candidate_build(context, candidate, &slot, 0, &module);
    if (status != RAN_OK)
        return status;
    status = ran_module_print(module, stdout, NULL);
    ran_module_destroy(module);
    return status;
}

static ran_status run(ran_context *context, ran_arena *arena, const arguments *a)
{
    ran_pool pool;
    ran_status status = ran_pool_open(context, arena, a->pool ? a->pool : "full", &pool);
    if (status != RAN_OK)
        return status;
    bool found = !a->name;
    for (size_t i = 0; i < pool.count && status == RAN_OK; i++) {
        const ran_candidate *c = pool.candidates[i];
        if (!a->name)
            printf("%-28s %s\n", c->name, c->family ? c->family->what : "the user's");
        else if (!strcmp(c->name, a->name)) {
            found = true;
            status = print_candidate(context, a, c);
        }
    }
    if (status == RAN_OK && !found)
        status = ran_error(context, RAN_USAGE, "there is no candidate %s", a->name);
    ran_pool_close(&pool);
    return status;
}

int ran_search_pool(int argc, char **argv)
{
    arguments a = {0};
    argp_parse(&parser, argc, argv, 0, NULL, &a);
    ran_context *context = ran_context_create();
    ran_arena *arena = ran_arena_create();
    ran_status status = run(context, arena, &a);
    ran_arena_destroy(arena);
    return ran_tool_finish(context, status);
}
