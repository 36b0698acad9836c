/* SPDX-License-Identifier: GPL-3.0-or-later */
/* What the programs share: the set-up of argp and version output. */
#ifndef RAN_TOOLS_COMMON_H
#define RAN_TOOLS_COMMON_H

#include <argp.h>

/* Call first in main: exit status 2 for usage errors, --version, C locale for numbers, @FILE. */
void ran_tool_init(int *argc, char ***argv);

/* Two rows of an argp table for an option that is clang's, one dash before its name: argp knows its
 * first letter, the rest is an argument; --help shows `form`. */
#define RAN_TOOL_LIKE_CLANG(key, argument, form, help, group)                                      \
    {NULL, key, argument, OPTION_HIDDEN, NULL, group},                                             \
    {                                                                                              \
        form, 0, NULL, OPTION_DOC | OPTION_NO_USAGE, help, group                                   \
    }

#endif
