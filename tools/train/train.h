/* SPDX-License-Identifier: GPL-3.0-or-later */
/* What ran-train shows: a bar while it works, a line an epoch, logs, a page with curves. */
#ifndef RAN_TOOLS_TRAIN_TRAIN_H
#define RAN_TOOLS_TRAIN_TRAIN_H

#include <ran/train.h>

#include "tools/progress.h"

typedef struct train_report {
    bool json, quiet;
    const char *log_path, *html_path, *model;
    int rank; /* only rank 0 of several processes speaks */
    ran_train_progress *epochs;
    size_t count, capacity;
    ran_progress bar;
} train_report;

void train_report_step(train_report *report, const ran_train_progress *now);
void train_report_evaluation(train_report *report, double loss, double accuracy);
/* Takes the bar off the terminal. */
void train_report_end(train_report *report);
/* Log and page. */
RAN_MUST_USE ran_status train_report_write(const train_report *report, ran_context *context);
void train_report_clear(train_report *report);
RAN_MUST_USE ran_status train_page_write(const train_report *report, FILE *stream);

#endif
