/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The reference table of ops, made from the table that the compiler uses. */
#ifndef RAN_TOOLS_LIST_OPS_H
#define RAN_TOOLS_LIST_OPS_H

#include <stdio.h>

void ran_tool_list_ops(FILE *stream); /* Markdown */

#endif
