/* SPDX-License-Identifier: GPL-3.0-or-later */
/* A report as one HTML file: no script, no font, no file of others. */
#include "tools/report/page.h"

#include <stdint.h>
#include <string.h>

static const char style[] =
    ":root{--line:#ccc;--bar:#3b73b9;--ink:#222}"
    "body{font:15px/1.5 system-ui,sans-serif;max-width:1000px;margin:2em auto;padding:0 1em;"
    "color:var(--ink)}"
    "h2{margin-top:2em}svg{width:100%;height:auto}svg text{font-size:11px;fill:currentColor}"
    ".grid{stroke:var(--line)}.curve{fill:none;stroke-width:2}"
    ".scroll{overflow-x:auto;max-height:36em;overflow-y:auto}"
    "table{border-collapse:collapse}td,th{padding:.1em .8em;text-align:right;"
    "border-bottom:1px solid var(--line)}"
    "th{position:sticky;top:0;background:Canvas}td.text,th:first-child{text-align:left}"
    "@media(prefers-color-scheme:dark){:root{--line:#444;--ink:#ddd;color-scheme:dark}"
    "body{background:#1b1b1b}}";

void report_print_escaped(FILE *stream, const char *text)
{
    for (; text && *text; text++)
        switch (*text) {
        case '<':
            fputs("&lt;", stream);
            break;
        case '>':
            fputs("&gt;", stream);
            break;
        case '&':
            fputs("&amp;", stream);
            break;
        case '"':
            fputs("&quot;", stream);
            break;
        default:
            fputc(*text, stream);
        }
}

/* Thousands apart. */
static void print_integer(FILE *stream, json_int_t value)
{
    char digits[32];
    int n = snprintf(digits, sizeof(digits), "%lld", (long long)value);
    for (int i = 0; i < n; i++) {
        fputc(digits[i], stream);
        if ((n - i - 1) % 3 == 0 && i + 1 < n && digits[i] != '-')
            fputs("&#8239;", stream);
    }
}

static void print_value(FILE *stream, const json_t *value)
{
    if (json_is_string(value))
        report_print_escaped(stream, json_string_value(value));
    else if (json_is_integer(value))
        print_integer(stream, json_integer_value(value));
    else if (json_is_real(value))
        fprintf(stream, "%.4g", json_real_value(value));
    else if (json_is_boolean(value))
        fputs(json_is_true(value) ? "yes" : "no", stream);
}

static void print_cell(FILE *stream, const json_t *value)
{
    fputs(json_is_string(value) ? "<td class=\"text\">" : "<td>", stream);
    print_value(stream, value);
    fputs("</td>", stream);
}

/* A key as a heading: its underscores are blanks. */
static void print_heading(FILE *stream, const char *key)
{
    fputs("<th>", stream);
    for (; *key; key++)
        report_print_escaped(stream, (char[]){*key == '_' ? ' ' : *key, 0});
    fputs("</th>", stream);
}

static void print_facts(FILE *stream, const json_t *data)
{
    const char *key;
    json_t *value;
    fputs("<table>\n", stream);
    json_object_foreach((json_t *)data, key, value)
    {
        fputs("<tr>", stream);
        print_heading(stream, key);
        print_cell(stream, value);
        fputs("</tr>\n", stream);
    }
    fputs("</table>\n", stream);
}

static void print_table(FILE *stream, const json_t *data)
{
    const char *key;
    json_t *row, *value, *first = json_array_get(data, 0);
    size_t i;
    fputs("<div class=\"scroll\"><table>\n<tr>", stream);
    json_object_foreach(first, key, value)
        print_heading(stream, key);
    fputs("</tr>\n", stream);
    json_array_foreach((json_t *)data, i, row)
    {
        fputs("<tr>", stream);
        json_object_foreach(first, key, value)
            print_cell(stream, json_object_get(row, key));
        fputs("</tr>\n", stream);
    }
    fputs("</table></div>\n", stream);
}

static void print_section(const report *r, const report_section *section, FILE *stream)
{
    const json_t *data = json_object_get(r->data, section->key);
    fputs("<h2>", stream);
    report_print_escaped(stream, section->title);
    fputs("</h2>\n", stream);
    switch (section->view) {
    case REPORT_FACTS:
        print_facts(stream, data);
        break;
    case REPORT_TABLE:
        print_table(stream, data);
        break;
    case REPORT_BARS:
        report_chart_bars(data, stream);
        break;
    case REPORT_LINES:
        report_chart_lines(section, data, stream);
        break;
    case REPORT_BOXES:
        report_chart_boxes(section, data, stream);
        break;
    }
}

void report_write_page(const report *r, FILE *stream)
{
    fputs("<!doctype html>\n<html lang=\"en\"><head><meta charset=\"utf-8\">\n<title>", stream);
    report_print_escaped(stream, r->title);
    fprintf(stream, "</title>\n<style>%s</style></head>\n<body>\n<h1>", style);
    report_print_escaped(stream, r->title);
    fputs("</h1>\n", stream);
    for (size_t i = 0; i < r->section_count; i++)
        print_section(r, &r->sections[i], stream);
    fputs("</body></html>\n", stream);
}
