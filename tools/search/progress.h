/* SPDX-License-Identifier: GPL-3.0-or-later */
/* What a search shows while it works: bars with the time left on a terminal, lines elsewhere. */
#ifndef RAN_TOOLS_SEARCH_PROGRESS_H
#define RAN_TOOLS_SEARCH_PROGRESS_H

#include <ran/train.h>
#include <stddef.h>

#include "tools/progress.h"

/* Zeroed before the first use; the data of all functions below. */
typedef struct ran_search_watch {
    ran_progress bar;
    double started; /* seconds: when the stage's first item began */
} ran_search_watch;

void ran_watch_line(void *watch, const char *text);
void ran_watch_layer(void *watch, const char *layer, size_t done, size_t count);
void ran_watch_candidate(void *watch, const char *layer, const char *candidate, size_t done,
                         size_t count);
void ran_watch_tuning(void *watch, const char *method, const ran_train_progress *progress);

#endif
