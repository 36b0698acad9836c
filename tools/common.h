/* SPDX-License-Identifier: GPL-3.0-or-later */
/* What the programs share: the set-up of argp and version output. */
#ifndef RAN_TOOLS_COMMON_H
#define RAN_TOOLS_COMMON_H

#include <argp.h>

/* Call first in main: exit status 2 for usage errors, --version, C locale for numbers, @FILE. */
void ran_tool_init(int *argc, char ***argv);

#endif
