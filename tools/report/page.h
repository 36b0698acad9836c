/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Reports from inside: sections, and what page.c and chart.c print. */
#ifndef RAN_TOOLS_REPORT_PAGE_H
#define RAN_TOOLS_REPORT_PAGE_H

#include "tools/report/report.h"

typedef struct report_section {
    char *key, *title;
    const char *x, *y;
    report_view view;
} report_section;

struct report {
    char *title;
    json_t *data; /* by key */
    report_section *sections;
    size_t section_count;
};

void report_write_page(const report *report, FILE *stream);
/* Text with what HTML takes for itself replaced. */
void report_print_escaped(FILE *stream, const char *text);

/* Charts, as SVG. */
void report_chart_bars(const json_t *data, FILE *stream);
void report_chart_lines(const report_section *section, const json_t *data, FILE *stream);
void report_chart_boxes(const report_section *section, const json_t *data, FILE *stream);

#endif
