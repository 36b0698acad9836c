/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The options of approximate passes that have flags of their own: each stands for a pipeline. */
#ifndef RAN_TOOLS_APPROX_OPTIONS_H
#define RAN_TOOLS_APPROX_OPTIONS_H

#include <argp.h>
#include <stdbool.h>

enum {
    RAN_APPROX_LINEARIZE = 0x3000,
    RAN_APPROX_CULL,
    RAN_APPROX_THIN,
    RAN_APPROX_RELU_REUSE,
    RAN_APPROX_SUBSTITUTE,
};

/* Rows of an argp table. */
#define RAN_APPROX_ROWS(group)                                                                     \
    {NULL, 0, NULL, 0, "What changes the function (needs fine-tuning):", group},                   \
    {"linearize", RAN_APPROX_LINEARIZE, "SPEC", 0,                                                 \
     "Take out activations: all, name:GLOB, stage:N[-M], slope[:FILE], keep:COUNT, cheapest:N",    \
     group},                                                                                       \
        {"cull", RAN_APPROX_CULL, "SPEC", 0, "Remove all activations selected", group},            \
        {"thin", RAN_APPROX_THIN, "SPEC", 0, "Remove every second activation, the stem first",     \
         group},                                                                                   \
        {"relu-reuse", RAN_APPROX_RELU_REUSE, "N[@SPEC]", 0,                                       \
         "Keep activations on one of N parts of the channels", group},                              \
        {"substitute", RAN_APPROX_SUBSTITUTE, "PLAN", 0,                                           \
         "Put candidates in the places of layers, by a plan in JSON", group}

/* The text for --passes of one of these options, freed by the caller; NULL when `key` is none. */
char *ran_approx_passes(int key, const char *value, struct argp_state *state);

#endif
