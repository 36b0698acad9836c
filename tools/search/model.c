/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "tools/search/model.h"

enum { OPTION_LAYERS = 256, OPTION_POOL, OPTION_TARGET, OPTION_RUNNER, OPTION_ESTIMATE };

/* ---- The model and its layers ---------------------------------------------------------------- */

static const struct argp_option model_options[] = {
    {"layers", OPTION_LAYERS, "LIST", 0,
     "Names or globs of layers separated by commas, all, or kind:GLOB (all but stem and head)", 1},
    {0},
};

static error_t parse_model(int key, char *value, struct argp_state *state)
{
    ran_searched_model *s = state->input;
    switch (key) {
    case OPTION_LAYERS:
        s->layers = value;
        return 0;
    case ARGP_KEY_INIT:
        state->child_inputs[0] = &s->model;
        return 0;
    case ARGP_KEY_ARG:
        if (s->path)
            argp_error(state, "one model is needed");
        s->path = value;
        return 0;
    case ARGP_KEY_NO_ARGS:
        argp_error(state, "one model is needed");
        return 0;
    default:
        return ARGP_ERR_UNKNOWN;
    }
}

static const struct argp_child model_children[] = {
    {&ran_model_argp, 0, "What is dynamic in the model:", 2},
    {0},
};

const struct argp ran_searched_model_argp = {
    .options = model_options,
    .parser = parse_model,
    .children = model_children,
    .args_doc = "MODEL",
};

/* ---- Measuring candidates -------------------------------------------------------------------- */

static const struct argp_option measuring_options[] = {
    {"pool", OPTION_POOL, "NAME|FILE", 0, "Which candidates, as for ran-search pool (reduced)", 1},
    {"target", OPTION_TARGET, "NAME", 0, "The CPU (native)", 1},
    {"runner", OPTION_RUNNER, "COMMAND", 0,
     "Runs a program on the target: COMMAND PROGRAM ARGUMENT...", 1},
    {"estimate", OPTION_ESTIMATE, NULL, 0, "Ask the cost model instead of measuring", 1},
    {0},
};

static error_t parse_measuring(int key, char *value, struct argp_state *state)
{
    ran_measuring *m = state->input;
    switch (key) {
    case OPTION_POOL:
        m->pool = value;
        return 0;
    case OPTION_TARGET:
        m->latency.target = value;
        return 0;
    case OPTION_RUNNER:
        m->latency.runner = value;
        return 0;
    case OPTION_ESTIMATE:
        m->latency.estimate = true;
        return 0;
    default:
        return ARGP_ERR_UNKNOWN;
    }
}

const struct argp ran_measuring_argp = {.options = measuring_options, .parser = parse_measuring};
