/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "tools/progress.h"

#include <stdio.h>
#include <time.h>
#include <unistd.h>

enum { BAR_WIDTH = 24 };

double ran_progress_clock(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec + (double)now.tv_nsec * 1e-9;
}

bool ran_progress_has_terminal(void)
{
    return isatty(STDERR_FILENO);
}

void ran_progress_show(ran_progress *progress, const char *before, double part, const char *after,
                       double seconds_left)
{
    char bar[BAR_WIDTH + 1];
    double now = ran_progress_clock();
    long left = seconds_left > 0 ? (long)seconds_left : 0;
    if (!ran_progress_has_terminal() || now - progress->shown_at < 0.2)
        return;
    progress->shown_at = now;
    progress->is_shown = true;
    for (int i = 0; i < BAR_WIDTH; i++)
        bar[i] = i < (int)(part * BAR_WIDTH) ? '#' : '.';
    bar[BAR_WIDTH] = 0;
    fprintf(stderr, "\r\033[K%s [%s] %s  %ld:%02ld left", before, bar, after, left / 60, left % 60);
    fflush(stderr);
}

void ran_progress_end(ran_progress *progress)
{
    if (progress->is_shown)
        fputs("\r\033[K", stderr);
    progress->is_shown = false;
}
