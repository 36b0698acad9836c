/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The page of a training run: curves as SVG, numbers as a table; one file that needs nothing else. */
#include "tools/train/train.h"

#include <math.h>

enum { WIDTH = 720, HEIGHT = 300, LEFT = 60, BOTTOM = 40, TOP = 12, RIGHT = 12 };

typedef double series(const ran_train_progress *progress);

static double loss(const ran_train_progress *p)
{
    return p->loss;
}

static double test_loss(const ran_train_progress *p)
{
    return p->test_loss < 0 ? NAN : p->test_loss;
}

static double accuracy(const ran_train_progress *p)
{
    return 100 * p->accuracy;
}

static double test_accuracy(const ran_train_progress *p)
{
    return p->test_accuracy < 0 ? NAN : 100 * p->test_accuracy;
}

static void print_escaped(FILE *stream, const char *text)
{
    for (; text && *text; text++) {
        if (*text == '<')
            fputs("&lt;", stream);
        else if (*text == '&')
            fputs("&amp;", stream);
        else
            fputc(*text, stream);
    }
}

static void find_range(const train_report *r, series *const *curves, double *low, double *high)
{
    *low = INFINITY;
    *high = -INFINITY;
    for (size_t i = 0; i < r->count; i++)
        for (int k = 0; k < 2; k++) {
            double y = curves[k](&r->epochs[i]);
            *low = isfinite(y) ? fmin(*low, y) : *low;
            *high = isfinite(y) ? fmax(*high, y) : *high;
        }
    if (!(*high > *low)) {
        *low = isfinite(*low) ? *low - 0.5 : 0;
        *high = *low + 1;
    }
}

static double place_x(const train_report *r, size_t i)
{
    double span = r->count > 1 ? (double)(r->count - 1) : 1;
    return LEFT + (double)(WIDTH - LEFT - RIGHT) * (double)i / span;
}

static double place_y(double y, double low, double high)
{
    return HEIGHT - BOTTOM - (HEIGHT - BOTTOM - TOP) * (y - low) / (high - low);
}

static void print_curve(FILE *stream, const train_report *r, series *curve, const char *class,
                        double low, double high)
{
    fprintf(stream, "<polyline class=\"%s\" points=\"", class);
    for (size_t i = 0; i < r->count; i++) {
        double y = curve(&r->epochs[i]);
        if (isfinite(y))
            fprintf(stream, "%.1f,%.1f ", place_x(r, i), place_y(y, low, high));
    }
    fputs("\"/>\n", stream);
}

static void print_axes(FILE *stream, const train_report *r, double low, double high)
{
    for (int i = 0; i <= 4; i++) {
        double y = low + (high - low) * i / 4, at = place_y(y, low, high);
        fprintf(stream,
                "<line class=\"grid\" x1=\"%d\" x2=\"%d\" y1=\"%.1f\" y2=\"%.1f\"/>"
                "<text x=\"%d\" y=\"%.1f\" text-anchor=\"end\">%.4g</text>\n",
                LEFT, WIDTH - RIGHT, at, at, LEFT - 6, at + 4, y);
    }
    for (size_t i = 0; i < r->count; i += r->count / 8 + 1)
        fprintf(stream, "<text x=\"%.1f\" y=\"%d\" text-anchor=\"middle\">%lld</text>\n",
                place_x(r, i), HEIGHT - BOTTOM + 18, (long long)r->epochs[i].epoch + 1);
    fprintf(stream, "<text x=\"%d\" y=\"%d\" text-anchor=\"middle\">epoch</text>\n", WIDTH / 2,
            HEIGHT - 4);
}

static void print_chart(FILE *stream, const train_report *r, const char *title, series *train,
                        series *test)
{
    series *curves[] = {train, test};
    double low, high;
    find_range(r, curves, &low, &high);
    fprintf(stream,
            "<h2>%s</h2>\n<svg viewBox=\"0 0 %d %d\" role=\"img\" aria-label=\"%s\">\n", title,
            WIDTH, HEIGHT, title);
    print_axes(stream, r, low, high);
    print_curve(stream, r, train, "train", low, high);
    print_curve(stream, r, test, "test", low, high);
    fputs("</svg>\n", stream);
}

static void print_cell(FILE *stream, double value)
{
    if (isfinite(value))
        fprintf(stream, "<td>%.4f</td>", value);
    else
        fputs("<td></td>", stream);
}

static void print_table(FILE *stream, const train_report *r)
{
    fputs("<h2>Epochs</h2>\n<table><tr><th>epoch</th><th>loss</th><th>accuracy %</th>"
          "<th>test loss</th><th>test accuracy %</th><th>images/s</th></tr>\n",
          stream);
    for (size_t i = 0; i < r->count; i++) {
        const ran_train_progress *p = &r->epochs[i];
        fprintf(stream, "<tr><td>%lld</td>", (long long)p->epoch + 1);
        print_cell(stream, loss(p));
        print_cell(stream, accuracy(p));
        print_cell(stream, test_loss(p));
        print_cell(stream, test_accuracy(p));
        fprintf(stream, "<td>%.0f</td></tr>\n", p->images_per_second);
    }
    fputs("</table>\n", stream);
}

static const char style[] =
    "body{font:15px/1.5 system-ui,sans-serif;max-width:760px;margin:2em auto;padding:0 1em}"
    "svg{width:100%;height:auto}svg text{font-size:11px;fill:currentColor}"
    "polyline{fill:none;stroke-width:2}.train{stroke:#8a8a8a}.test{stroke:#c0392b}"
    ".grid{stroke:#ddd}table{border-collapse:collapse}td,th{padding:.1em .8em;text-align:right}"
    ".key span{display:inline-block;width:1.4em;height:3px;vertical-align:middle;margin:0 .4em}"
    "@media(prefers-color-scheme:dark){body{background:#1b1b1b;color:#ddd}.grid{stroke:#444}}";

ran_status train_page_write(const train_report *r, FILE *stream)
{
    fputs("<!doctype html>\n<html lang=\"en\"><meta charset=\"utf-8\"><title>Training of ", stream);
    print_escaped(stream, r->model);
    fprintf(stream, "</title><style>%s</style>\n<h1>Training of ", style);
    print_escaped(stream, r->model);
    fputs("</h1>\n<p class=\"key\"><span style=\"background:#8a8a8a\"></span>training data"
          "<span style=\"background:#c0392b\"></span>test data</p>\n",
          stream);
    if (r->count) {
        print_chart(stream, r, "Accuracy, %", accuracy, test_accuracy);
        print_chart(stream, r, "Loss", loss, test_loss);
    }
    print_table(stream, r);
    fputs("</html>\n", stream);
    return RAN_OK;
}
