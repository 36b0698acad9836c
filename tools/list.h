/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Reference tables in Markdown, made from the tables that the compiler runs by. */
#ifndef RAN_TOOLS_LIST_H
#define RAN_TOOLS_LIST_H

#include <stdio.h>

void ran_tool_list_ops(FILE *stream);
void ran_tool_list_kernels(FILE *stream);
void ran_tool_list_targets(FILE *stream);

#endif
