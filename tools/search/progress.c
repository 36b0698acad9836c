/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "tools/search/progress.h"

#include <stdio.h>

/* The time left is that of the items done, for each of those to come. */
static void show_items(ran_search_watch *w, const char *what, size_t done, size_t count,
                       const char *item)
{
    char before[64];
    double now = ran_progress_clock();
    if (!done)
        w->started = now;
    double each = done ? (now - w->started) / (double)done : 0;
    if (!ran_progress_has_terminal()) {
        fprintf(stderr, "%s %zu of %zu, %s\n", what, done + 1, count, item);
        return;
    }
    snprintf(before, sizeof before, "%s %zu/%zu", what, done + 1, count);
    ran_progress_show(&w->bar, before, (double)done / (double)count, item,
                      each * (double)(count - done));
}

void ran_watch_line(void *watch, const char *text)
{
    ran_search_watch *w = watch;
    ran_progress_end(&w->bar);
    fprintf(stderr, "%s\n", text);
}

void ran_watch_layer(void *watch, const char *layer, size_t done, size_t count)
{
    show_items(watch, "latencies: layer", done, count, layer);
}

void ran_watch_candidate(void *watch, const char *layer, const char *candidate, size_t done,
                         size_t count)
{
    char item[256];
    snprintf(item, sizeof item, "%s %s", layer, candidate);
    show_items(watch, "candidates:", done, count, item);
}

void ran_watch_tuning(void *watch, const char *method, const ran_train_progress *p)
{
    ran_search_watch *w = watch;
    char before[64], after[64];
    double epoch = p->steps > 0 ? (double)p->step / (double)p->steps : 0;
    snprintf(before, sizeof before, "tuning %s: epoch %lld/%lld", method, (long long)p->epoch + 1,
             (long long)p->epochs);
    snprintf(after, sizeof after, "loss %.4f", p->loss);
    ran_progress_show(&w->bar, before, ((double)p->epoch + epoch) / (double)p->epochs, after,
                      p->seconds_left);
}
