/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The options of compiling, shared by rancc and by the programs that compile on the way. */
#ifndef RAN_TOOLS_COMPILE_OPTIONS_H
#define RAN_TOOLS_COMPILE_OPTIONS_H

#include <argp.h>

#include <ran/compile.h>
#include <ran/pass.h>

#include "tools/model.h"

enum { RAN_COMPILE_SWITCHES = 128 };

/* What -f[no-]NAME says of a choice of code generation. */
typedef enum ran_switch { RAN_SWITCH_LEVEL, RAN_SWITCH_ON, RAN_SWITCH_OFF } ran_switch;

/* Filled by `ran_compile_argp`, a child of a program's parser; zeroed before. */
typedef struct ran_compile_arguments {
    ran_model_options model;
    const char *level; /* "2" */
    /* In the order of the command line: 'f' -f, 'p' --passes, 'b' --collapse-border, 'm' a switch of
     * the manager. */
    struct {
        char kind;
        const char *name, *value;
    } switches[RAN_COMPILE_SWITCHES];
    size_t switch_count;
    const char *target, *cpu, *features, *prefix, *kernel_cache;
    ran_weights_mode weights;
    ran_switch winograd;
    bool mem_report;
    /* Where the module as the last approximate pass left it is kept, or NULL: from there on the
     * function stays the same. */
    ran_module **reference;
    bool remarks; /* print what passes have to say about what they did */
} ran_compile_arguments;

extern const struct argp ran_compile_argp;

/* A manager with the level and switches of the command line. */
RAN_MUST_USE ran_status ran_compile_create_manager(ran_context *context,
                                                   const ran_compile_arguments *arguments,
                                                   RAN_GIVE ran_pass_manager **out_manager);
/* Loads the model and runs the passes. */
RAN_MUST_USE ran_status ran_compile_prepare(ran_context *context,
                                            const ran_compile_arguments *arguments,
                                            const char *path, RAN_GIVE ran_module **out_module);
/* Runs the passes on a module that is there already. */
RAN_MUST_USE ran_status ran_compile_optimize(ran_context *context,
                                             const ran_compile_arguments *arguments,
                                             ran_module *module);
/* What ran_compile wants to know, from the command line. */
ran_compile_options ran_compile_options_of(const ran_compile_arguments *arguments);

#endif
