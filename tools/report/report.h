/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Reports: sections of data that become one JSON object or one HTML page that needs nothing else.
 * A program creates a report, adds sections, writes it. Data is JSON; a view says how the page shows
 * it:
 *
 *   FACTS  an object: names and values
 *   TABLE  an array of objects: a row each, columns in the order of the first one's keys
 *   BARS   an array of {name, value}: the largest ones as horizontal bars
 *   LINES  an array of {name, points: [[x, y], ...]}: curves over one another
 *   BOXES  an array of {name, x0, x1, y0, y1}: rectangles (a memory plan)
 */
#ifndef RAN_TOOLS_REPORT_H
#define RAN_TOOLS_REPORT_H

#include <jansson.h>

#include <ran/compile.h>

typedef enum report_view {
    REPORT_FACTS,
    REPORT_TABLE,
    REPORT_BARS,
    REPORT_LINES,
    REPORT_BOXES,
} report_view;

typedef struct report report;

RAN_GIVE report *report_create(const char *title);
void report_destroy(RAN_TAKE report *report);
/* `key` names it in JSON, `title` heads it on the page, `x` and `y` label the axes of LINES and BOXES
 * (NULL otherwise). Takes `data`, which later calls may still change. A key that is there already
 * gets one more view of the page, and `data` may be NULL for the same data again. */
void report_add(report *report, const char *key, const char *title, report_view view, const char *x,
                const char *y, RAN_TAKE json_t *data);
/* The data of a section, to change it; NULL without one. */
RAN_KEEP json_t *report_data(const report *report, const char *key);
/* JSON when the path ends in .json, else HTML. */
RAN_MUST_USE ran_status report_write(const report *report, ran_context *context, const char *path);

/* ---- Of models (model.c) ----------------------------------------------------------------------- */

/* Parameters, MACs, non-linear elements ... of both ("counts"). */
void report_counts(report *report, const ran_function *before, const ran_function *after);
/* A row a node of the model as passes left it ("nodes"). */
void report_nodes(report *report, const ran_function *function);
/* Times of the nodes, into "nodes", and "latency": measured on this machine where the options'
 * target is this machine, otherwise predicted. Lowers `module` in place. */
RAN_MUST_USE ran_status report_latency(report *report, ran_module *module,
                                       const ran_compile_options *options);
/* Buffers of the workspace ("memory"). */
void report_memory(report *report, const ran_compiled *compiled);

#endif
