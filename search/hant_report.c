/* SPDX-License-Identifier: GPL-3.0-or-later */
/* report.html: one page without references to anything outside of it. */
#include <errno.h>
#include <string.h>

#include "ir/beside.h"
#include "search/hant.h"

static const char head[] =
    "<!doctype html><html lang=\"en\"><meta charset=\"utf-8\"><title>Operator substitution</title>"
    "<style>body{font:15px/1.5 system-ui,sans-serif;max-width:64em;margin:2em auto;padding:0 1em;"
    "color:#222}table{border-collapse:collapse;margin:1em 0}td,th{padding:.25em .8em;text-align:"
    "right;border-bottom:1px solid #ddd}td:first-child,th:first-child,td.l{text-align:left}"
    ".bad{color:#b00}svg text{font:12px system-ui,sans-serif}</style>\n";

static void escape(FILE *out, const char *text)
{
    for (; *text; text++) {
        if (*text == '<')
            fputs("&lt;", out);
        else if (*text == '&')
            fputs("&amp;", out);
        else if (*text == '"')
            fputs("&quot;", out);
        else
            fputc(*text, out);
    }
}

/* A colour a family, the same wherever it appears. */
static unsigned hue(const char *candidate)
{
    unsigned hash = 5;
    for (const char *c = candidate; *c && *c != '_'; c++)
        hash = hash * 31 + (unsigned char)*c;
    return hash * 47 % 360;
}

static void print_points(FILE *out, const ran_hant_result *results, size_t count)
{
    fputs("<h2>Results</h2><table><tr><th>budget<th>predicted ms<th>measured ms<th>teacher ms"
          "<th>of the teacher<th>accuracy before tuning<th>after<th>teacher<th>\n",
          out);
    for (size_t i = 0; i < count; i++) {
        const ran_hant_result *r = &results[i];
        fputs("<tr><td>", out);
        escape(out, r->budget ? r->budget : "none");
        fprintf(out,
                "<td>%.4f<td>%.4f<td>%.4f<td>%.3f<td>%.2f %%<td>%.2f %%<td>%.2f %%<td "
                "class=\"l bad\">",
                (double)r->chosen.predicted / 1e6, (double)r->latency / 1e6,
                (double)r->teacher_latency / 1e6, (double)r->latency / (double)r->teacher_latency,
                100 * r->chosen.accuracy_before, 100 * r->chosen.accuracy_after,
                100 * r->teacher_accuracy);
        escape(out, r->failed ? r->failed : "");
        fputc('\n', out);
    }
    fputs("</table>\n", out);
}

typedef struct plot {
    double low, high; /* accuracies */
    double most;      /* latency, relative */
} plot;

static double plot_x(const plot *p, double latency)
{
    return 60 + 500 * latency / p->most;
}

static double plot_y(const plot *p, double accuracy)
{
    return 270 - 240 * (accuracy - p->low) / (p->high - p->low);
}

static void widen(plot *p, double accuracy)
{
    p->low = accuracy < p->low ? accuracy : p->low;
    p->high = accuracy > p->high ? accuracy : p->high;
}

static void print_dot(FILE *out, const plot *p, double latency, double accuracy, const char *colour,
                      const char *label)
{
    fprintf(out, "<circle cx=\"%.1f\" cy=\"%.1f\" r=\"5\" fill=\"%s\"><title>", plot_x(p, latency),
            plot_y(p, accuracy), colour);
    escape(out, label);
    fprintf(out, ": %.3f of the latency, %.2f %%</title></circle>\n", latency, 100 * accuracy);
}

static double part_of_teacher(const ran_hant_result *r)
{
    return (double)r->latency / (double)r->teacher_latency;
}

/* From the fastest result to the teacher. */
static void print_curve(FILE *out, const plot *p, const ran_hant_result *results, size_t count)
{
    double last = 0;
    fputs("<polyline fill=\"none\" stroke=\"#06c\" points=\"", out);
    for (size_t n = 0; n < count; n++) {
        const ran_hant_result *next = NULL;
        for (size_t i = 0; i < count; i++)
            if (part_of_teacher(&results[i]) > last &&
                (!next || part_of_teacher(&results[i]) < part_of_teacher(next)))
                next = &results[i];
        if (!next)
            break;
        last = part_of_teacher(next);
        fprintf(out, "%.1f,%.1f ", plot_x(p, last), plot_y(p, next->chosen.accuracy_after));
    }
    fprintf(out, "%.1f,%.1f\"/>\n", plot_x(p, 1), plot_y(p, results[0].teacher_accuracy));
}

static void print_baseline_dots(FILE *out, const plot *p, const ran_hant_result *r)
{
    for (size_t b = 0; b < r->baseline_count; b++) {
        const ran_hant_choice *c = &r->baselines[b];
        double part = (double)c->predicted / (double)r->teacher_latency;
        print_dot(out, p, part, c->accuracy_before, "#db8", c->method);
        if (c->accuracy_after >= 0)
            print_dot(out, p, part, c->accuracy_after, "#a60", c->method);
    }
}

/* Accuracy over latency: the teacher, each budget before and after tuning, and the baselines. */
static void print_pareto(FILE *out, const ran_hant_result *results, size_t count)
{
    plot p = {1, 0, 1.05};
    for (size_t i = 0; i < count; i++) {
        widen(&p, results[i].teacher_accuracy);
        widen(&p, results[i].chosen.accuracy_before);
        widen(&p, results[i].chosen.accuracy_after);
        for (size_t b = 0; b < results[i].baseline_count; b++)
            widen(&p, results[i].baselines[b].accuracy_before);
    }
    p.high += 0.01;
    p.low -= 0.01;
    fputs("<h2>Accuracy over latency</h2><svg viewBox=\"0 0 640 310\" width=\"640\">"
          "<path d=\"M60 20V270H580\" fill=\"none\" stroke=\"#888\"/>\n",
          out);
    for (int tick = 0; tick <= 4; tick++)
        fprintf(out,
                "<text x=\"52\" y=\"%.1f\" text-anchor=\"end\">%.1f %%</text><text x=\"%.1f\" "
                "y=\"288\" text-anchor=\"middle\">%.2f</text>\n",
                plot_y(&p, p.low + tick * (p.high - p.low) / 4) + 4,
                100 * (p.low + tick * (p.high - p.low) / 4), plot_x(&p, tick / 4.), tick / 4.);
    print_curve(out, &p, results, count);
    for (size_t i = 0; i < count; i++) {
        const ran_hant_result *r = &results[i];
        double part = part_of_teacher(r);
        print_dot(out, &p, 1, r->teacher_accuracy, "#222", "teacher");
        print_dot(out, &p, part, r->chosen.accuracy_before, "#9bd", "before tuning");
        print_dot(out, &p, part, r->chosen.accuracy_after, "#06c", "after tuning");
        print_baseline_dots(out, &p, r);
    }
    fputs(
        "</svg><p>Black: the teacher. Blue: the selections, light before and dark after tuning; "
        "the "
        "line joins what was reached. Brown: greedy and random selections, at the latency that was "
        "predicted.</p>\n",
        out);
}

/* Layers from left to right; height is the share of the teacher's latency that is left. */
static void print_operators(FILE *out, const ran_hant *h, const ran_hant_result *r)
{
    size_t n = h->problem.layer_count;
    fputs("<h2>Operators for ", out);
    escape(out, r->budget ? r->budget : "no budget");
    fprintf(out, "</h2><svg viewBox=\"0 0 %zu 300\" width=\"%zu\">\n", n * 46 + 20, n * 46 + 20);
    for (size_t i = 0; i < n; i++) {
        const ran_ilp_op *ops = h->problem.layers[i].ops, *op = &ops[r->chosen.choice[i]];
        double share = ops[0].cost[0] ? (double)op->cost[0] / (double)ops[0].cost[0] : 0;
        double height = 100 * (share < 1 ? share : 1);
        size_t x = 10 + i * 46;
        fprintf(
            out,
            "<rect x=\"%zu\" y=\"10\" width=\"38\" height=\"100\" fill=\"#eee\"/><rect x=\"%zu\" "
            "y=\"%.1f\" width=\"38\" height=\"%.1f\" fill=\"hsl(%u 55%% 60%%)\"><title>",
            x, x, 110 - height, height, hue(op->name));
        escape(out, h->problem.layers[i].name);
        fprintf(out, ": ");
        escape(out, op->name);
        fprintf(out, ", %.4f ms</title></rect><text transform=\"translate(%zu 120) rotate(60)\">",
                (double)op->cost[0] / 1e6, x + 14);
        escape(out, op->name);
        fputs("</text>\n", out);
    }
    fputs("</svg><table><tr><th>layer<th>operator<th>teacher ms<th>ms<th>loss\n", out);
    for (size_t i = 0; i < n; i++) {
        const ran_ilp_op *ops = h->problem.layers[i].ops, *op = &ops[r->chosen.choice[i]];
        fputs("<tr><td>", out);
        escape(out, h->problem.layers[i].name);
        fputs("<td class=\"l\">", out);
        escape(out, op->name);
        fprintf(out, "<td>%.4f<td>%.4f<td>%.5f\n", (double)ops[0].cost[0] / 1e6,
                (double)op->cost[0] / 1e6, op->loss);
    }
    fputs("</table>\n", out);
}

static void print_baselines(FILE *out, const ran_hant_result *r)
{
    fputs("<table><tr><th>selection<th>predicted ms<th>loss<th>accuracy before tuning<th>after\n",
          out);
    for (size_t i = 0; i <= r->baseline_count; i++) {
        const ran_hant_choice *c = i ? &r->baselines[i - 1] : &r->chosen;
        fprintf(out, "<tr><td>%s<td>%.4f<td>%.4f<td>%.2f %%<td>", c->method,
                (double)c->predicted / 1e6, c->held_out_loss, 100 * c->accuracy_before);
        if (c->accuracy_after >= 0)
            fprintf(out, "%.2f %%", 100 * c->accuracy_after);
        fputc('\n', out);
    }
    fputs("</table>\n", out);
}

ran_status ran_hant_report(const ran_hant *h, const ran_hant_result *results, size_t count,
                           const char *path)
{
    ran_beside_file file;
    ran_status status = ran_beside_open(h->context, path, &file);
    if (status != RAN_OK)
        return status;
    FILE *out = file.stream;
    fputs(head, out);
    fputs("<h1>Operator substitution</h1><p>Model ", out);
    escape(out, h->options.teacher);
    fputs(", target ", out);
    escape(out, h->target);
    fputs(", latencies ", out);
    escape(out, h->latencies.source);
    fprintf(out, ", %lld test images (one is %.3f points).</p>\n", (long long)h->test.count,
            100. / (double)h->test.count);
    print_points(out, results, count);
    print_pareto(out, results, count);
    for (size_t i = 0; i < count; i++) {
        print_operators(out, h, &results[i]);
        print_baselines(out, &results[i]);
    }
    return ran_beside_close(h->context, &file, RAN_OK);
}
