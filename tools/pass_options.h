/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The options of passes, the same in every program that runs them. */
#ifndef RAN_TOOLS_PASS_OPTIONS_H
#define RAN_TOOLS_PASS_OPTIONS_H

#include <argp.h>
#include <ran/pass.h>

typedef struct ran_tool_passes {
    ran_pass_manager *manager; /* set before parsing */
    ran_context *context;
    /* Takes -f switches that name no pass; returns whether it knows the switch. May be NULL. */
    bool (*other_flag)(const char *flag, void *data);
    void *data;
    bool list;
} ran_tool_passes;

/* A child parser: {&ran_tool_pass_argp, 0, NULL, 0}, its input a ran_tool_passes. Bad values print a
 * diagnostic and exit with status 2. Its groups of options are 10 and 11. */
extern const struct argp ran_tool_pass_argp;

/* --list-passes: a table (Markdown). */
void ran_tool_list_passes(const ran_pass_manager *manager, FILE *stream);

#endif
