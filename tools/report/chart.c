/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Charts as SVG in the page. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "tools/report/page.h"

enum {
    WIDTH = 960,
    HEIGHT = 320,
    LEFT = 80,
    RIGHT = 12,
    TOP = 12,
    BOTTOM = 40,
    BAR = 18,
    BARS_MAX = 25,
    NAME_WIDTH = 300,
    COLOURS = 6
};

static const char *const colours[COLOURS] = {"#3b73b9", "#c0572b", "#4f9a52",
                                             "#8a5fb0", "#b08a2e", "#4b9aa8"};

typedef struct range {
    double low, high;
} range;

static void widen(range *r, double value)
{
    if (!isfinite(value))
        return;
    r->low = fmin(r->low, value);
    r->high = fmax(r->high, value);
}

/* A range with room in it. */
static range settled(range r)
{
    if (!(r.high >= r.low))
        return (range){0, 1};
    if (r.high == r.low)
        return (range){r.low - 0.5, r.high + 0.5};
    return r;
}

static double place_x(range r, double x)
{
    return LEFT + (WIDTH - LEFT - RIGHT) * (x - r.low) / (r.high - r.low);
}

static double place_y(range r, double y)
{
    return HEIGHT - BOTTOM - (HEIGHT - BOTTOM - TOP) * (y - r.low) / (r.high - r.low);
}

static double number(const json_t *object, const char *key)
{
    const json_t *value = json_object_get(object, key);
    return json_is_number(value) ? json_number_value(value) : NAN;
}

static const char *name_of(const json_t *object)
{
    const char *name = json_string_value(json_object_get(object, "name"));
    return name ? name : "";
}

static void begin(FILE *stream, int height)
{
    fprintf(stream, "<svg viewBox=\"0 0 %d %d\" role=\"img\">\n", WIDTH, height);
}

static void print_axes(const report_section *section, range x, range y, FILE *stream)
{
    for (int i = 0; i <= 4; i++) {
        double value = y.low + (y.high - y.low) * i / 4, at = place_y(y, value);
        fprintf(stream,
                "<line class=\"grid\" x1=\"%d\" x2=\"%d\" y1=\"%.1f\" y2=\"%.1f\"/>"
                "<text x=\"%d\" y=\"%.1f\" text-anchor=\"end\">%.4g</text>\n",
                LEFT, WIDTH - RIGHT, at, at, LEFT - 6, at + 4, value);
        value = x.low + (x.high - x.low) * i / 4;
        fprintf(stream, "<text x=\"%.1f\" y=\"%d\" text-anchor=\"middle\">%.4g</text>\n",
                place_x(x, value), HEIGHT - BOTTOM + 16, value);
    }
    fprintf(stream, "<text x=\"%d\" y=\"%d\" text-anchor=\"middle\">", WIDTH / 2, HEIGHT - 4);
    report_print_escaped(stream, section->x);
    fprintf(stream, "</text>\n<text x=\"4\" y=\"%d\">", TOP);
    report_print_escaped(stream, section->y);
    fputs("</text>\n", stream);
}

/* ---- Bars -------------------------------------------------------------------------------------------- */

static int by_value(const void *a, const void *b)
{
    double x = number(*(json_t *const *)a, "value"), y = number(*(json_t *const *)b, "value");
    return (x < y) - (x > y);
}

static void print_bar(const json_t *row, size_t position, double largest, FILE *stream)
{
    double value = number(row, "value"), y = (double)position * BAR + 4;
    double width = (WIDTH - NAME_WIDTH - 90) * value / largest;
    const char *name = name_of(row);
    fprintf(stream, "<text x=\"%d\" y=\"%.0f\" text-anchor=\"end\">", NAME_WIDTH - 8, y + 11);
    report_print_escaped(stream, strlen(name) > 45 ? name + strlen(name) - 45 : name);
    fprintf(stream,
            "</text><rect x=\"%d\" y=\"%.0f\" width=\"%.1f\" height=\"%d\" fill=\"%s\"/>"
            "<text x=\"%.1f\" y=\"%.0f\">%.4g</text>\n",
            NAME_WIDTH, y, fmax(width, 1), BAR - 4, colours[0], NAME_WIDTH + width + 6, y + 11,
            value);
}

void report_chart_bars(const json_t *data, FILE *stream)
{
    size_t count = 0, all = json_array_size(data);
    json_t **rows = malloc((all + 1) * sizeof(*rows));
    for (size_t i = 0; rows && i < all; i++)
        if (number(json_array_get(data, i), "value") > 0)
            rows[count++] = json_array_get(data, i);
    if (count) {
        qsort(rows, count, sizeof(*rows), by_value);
        size_t shown = count < BARS_MAX ? count : BARS_MAX;
        begin(stream, (int)shown * BAR + 8);
        for (size_t i = 0; i < shown; i++)
            print_bar(rows[i], i, number(rows[0], "value"), stream);
        fputs("</svg>\n", stream);
    }
    free(rows);
}

/* ---- Lines ------------------------------------------------------------------------------------------- */

static double coordinate(const json_t *point, size_t which)
{
    const json_t *value = json_array_get(point, which);
    return json_is_number(value) ? json_number_value(value) : NAN;
}

static void find_ranges(const json_t *data, range *x, range *y)
{
    *x = *y = (range){INFINITY, -INFINITY};
    for (size_t i = 0; i < json_array_size(data); i++) {
        const json_t *points = json_object_get(json_array_get(data, i), "points");
        for (size_t j = 0; j < json_array_size(points); j++) {
            widen(x, coordinate(json_array_get(points, j), 0));
            widen(y, coordinate(json_array_get(points, j), 1));
        }
    }
    *x = settled(*x);
    *y = settled(*y);
}

void report_chart_lines(const report_section *section, const json_t *data, FILE *stream)
{
    range x, y;
    find_ranges(data, &x, &y);
    begin(stream, HEIGHT);
    print_axes(section, x, y, stream);
    for (size_t i = 0; i < json_array_size(data); i++) {
        const json_t *series = json_array_get(data, i), *points = json_object_get(series, "points");
        fprintf(stream, "<polyline class=\"curve\" stroke=\"%s\" points=\"", colours[i % COLOURS]);
        for (size_t j = 0; j < json_array_size(points); j++) {
            const json_t *point = json_array_get(points, j);
            if (isfinite(coordinate(point, 0)) && isfinite(coordinate(point, 1)))
                fprintf(stream, "%.1f,%.1f ", place_x(x, coordinate(point, 0)),
                        place_y(y, coordinate(point, 1)));
        }
        fprintf(stream, "\"/><text x=\"%d\" y=\"%zu\" text-anchor=\"end\" style=\"fill:%s\">",
                WIDTH - RIGHT - 4, TOP + 14 * (i + 1), colours[i % COLOURS]);
        report_print_escaped(stream, name_of(series));
        fputs("</text>\n", stream);
    }
    fputs("</svg>\n", stream);
}

/* ---- Boxes -------------------------------------------------------------------------------------------- */

void report_chart_boxes(const report_section *section, const json_t *data, FILE *stream)
{
    range x = {INFINITY, -INFINITY}, y = {INFINITY, -INFINITY};
    for (size_t i = 0; i < json_array_size(data); i++) {
        const json_t *box = json_array_get(data, i);
        widen(&x, number(box, "x0"));
        widen(&x, number(box, "x1"));
        widen(&y, number(box, "y0"));
        widen(&y, number(box, "y1"));
    }
    x = settled(x);
    y = settled(y);
    begin(stream, HEIGHT);
    print_axes(section, x, y, stream);
    for (size_t i = 0; i < json_array_size(data); i++) {
        const json_t *box = json_array_get(data, i);
        double left = place_x(x, number(box, "x0")), top = place_y(y, number(box, "y1"));
        if (!isfinite(left) || !isfinite(top))
            continue;
        fprintf(stream,
                "<rect x=\"%.1f\" y=\"%.1f\" width=\"%.1f\" height=\"%.1f\" fill=\"%s\" "
                "fill-opacity=\".7\" stroke=\"var(--ink)\" stroke-width=\".3\"><title>",
                left, top, fmax(place_x(x, number(box, "x1")) - left, 1),
                fmax(place_y(y, number(box, "y0")) - top, 1), colours[i % COLOURS]);
        report_print_escaped(stream, name_of(box));
        fputs("</title></rect>\n", stream);
    }
    fputs("</svg>\n", stream);
}
