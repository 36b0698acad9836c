/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Rows of argp tables about passes, for all programs that run them: which ones, and how to watch
 * them. A watching option has the name of the pass manager's option that it sets. */
#ifndef RAN_TOOLS_PASS_ROWS_H
#define RAN_TOOLS_PASS_ROWS_H

#include <argp.h>

#include "tools/common.h"

enum {
    RAN_PASS_PIPELINE = 0x4000,
    RAN_PASS_COLLAPSE_BORDER,
    RAN_WATCH_FIRST,
    RAN_WATCH_BEFORE = RAN_WATCH_FIRST,
    RAN_WATCH_AFTER,
    RAN_WATCH_BEFORE_ALL,
    RAN_WATCH_AFTER_ALL,
    RAN_WATCH_TIME,
    RAN_WATCH_STATS,
    RAN_WATCH_VERIFY,
    RAN_WATCH_BISECT,
    RAN_WATCH_END,
};

/* `level`, `flags`: what -O and -f take. */
#define RAN_PASS_ROWS(group, level, flags)                                                         \
    RAN_TOOL_LIKE_CLANG('O', "LEVEL", "-OLEVEL", level, group),                                    \
    RAN_TOOL_LIKE_CLANG('f', "PASS", "-f[no-]PASS[=VALUE]", flags, group),                         \
    {"passes", RAN_PASS_PIPELINE, "PIPELINE", 0, "Run NAME{OPTION=VALUE;...},fixpoint(...)",       \
     group},                                                                                       \
    {"collapse-border", RAN_PASS_COLLAPSE_BORDER, "exact|ones|tile|ignore", 0,                     \
     "What -fcollapse-linear does where windows reach over the edge of a map", group}

/* `after`: what can be named besides passes. */
#define RAN_WATCH_ROWS(group, after)                                                               \
    {"print-before", RAN_WATCH_BEFORE, "PASS,...", 0, "Print the IR before these passes", group},  \
    {"print-after", RAN_WATCH_AFTER, "PASS,...", 0, "Print the IR after these passes" after,       \
     group},                                                                                       \
    {"print-before-all", RAN_WATCH_BEFORE_ALL, NULL, 0, "Print the IR before every pass", group},  \
    {"print-after-all", RAN_WATCH_AFTER_ALL, NULL, 0, "Print the IR after every pass", group},     \
    {"time-passes", RAN_WATCH_TIME, NULL, 0, "Print the time that each pass takes", group},        \
    {"stats", RAN_WATCH_STATS, NULL, 0, "Print what each pass did", group},                        \
    {"verify-each", RAN_WATCH_VERIFY, NULL, 0, "Verify the IR after every pass", group},           \
    {"opt-bisect-limit", RAN_WATCH_BISECT, "N", 0, "Run only the first N passes", group}

/* The name of the row with this key; NULL: it is no row that watches. */
static inline const char *ran_watch_name(const struct argp_option *rows, int key)
{
    if (key < RAN_WATCH_FIRST || key >= RAN_WATCH_END)
        return NULL;
    while (rows->key != key)
        rows++;
    return rows->name;
}

#endif
