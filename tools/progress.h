/* SPDX-License-Identifier: GPL-3.0-or-later */
/* A bar with the time left on the terminal's last line; nothing where stderr is no terminal. */
#ifndef RAN_TOOLS_PROGRESS_H
#define RAN_TOOLS_PROGRESS_H

#include <stdbool.h>

/* Zeroed before the first use. */
typedef struct ran_progress {
    double shown_at; /* seconds */
    bool is_shown;
} ran_progress;

/* Seconds of a clock that only runs forwards. */
double ran_progress_clock(void);
bool ran_progress_has_terminal(void);
/* `part`: 0 to 1. Not more often than five times a second. */
void ran_progress_show(ran_progress *progress, const char *before, double part, const char *after,
                       double seconds_left);
/* Takes the bar off, for lines and at the end. */
void ran_progress_end(ran_progress *progress);

#endif
