/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "tools/stat/stat.h"

#include <stdlib.h>
#include <string.h>

#include "ir/ir.h"

/* Names up to here; longer ones lose their beginning, which is the same for many. */
enum { NAME_WIDTH = 36 };

static void print_name(const char *name, FILE *stream)
{
    size_t length = strlen(name);
    if (length <= NAME_WIDTH)
        fprintf(stream, "%-*s", NAME_WIDTH, name);
    else
        fprintf(stream, "..%s", name + length - (NAME_WIDTH - 2));
}

/* A column; 0 and what is not known are a dash, so that the numbers stand out. */
static void print_cell(int64_t value, int width, FILE *stream)
{
    if (value > 0)
        fprintf(stream, " %*lld", width, (long long)value);
    else
        fprintf(stream, " %*s", width, "-");
}

static void print_nodes(const stat_model *model, FILE *stream)
{
    const ran_statistics *s = model->statistics;
    fprintf(stream, "%-*s %-16s %5s %11s %13s %11s %7s %11s %9s\n", NAME_WIDTH, "node", "op",
            "stage", "parameters", "MACs", "non-linear", "units", "bytes", "ns");
    for (size_t i = 0; i < s->op_count; i++) {
        const ran_op_statistics *node = &s->ops[i];
        print_name(node->name, stream);
        fprintf(stream, " %-16s", ran_opcode_name(ran_op_opcode(node->op)));
        print_cell(node->stage, 5, stream);
        print_cell(node->parameters, 11, stream);
        print_cell(node->macs, 13, stream);
        print_cell(node->nonlinear_elements, 11, stream);
        print_cell(node->nonlinear_units, 7, stream);
        print_cell(node->activation_bytes, 11, stream);
        print_cell(stat_node_latency(model, node), 9, stream);
        fputc('\n', stream);
    }
}

/* Per ReLU, as papers count: a multiply-accumulate is one FLOP. */
static void print_ratio(int64_t value, int64_t relus, int width, FILE *stream)
{
    if (relus)
        fprintf(stream, " %*.4g", width, (double)value / (double)relus);
    else
        fprintf(stream, " %*s", width, "-");
}

static void print_stages(const ran_statistics *s, FILE *stream)
{
    stat_stage *stages = stat_stages(s);
    fprintf(stream, "%-8s %10s %5s %11s %13s %11s %7s %11s %10s %11s\n", "stage", "positions",
            "ops", "parameters", "MACs", "non-linear", "units", "relu", "FLOPs/relu",
            "params/relu");
    for (int i = 1; i <= s->stage_count + 1; i++) {
        const stat_stage *stage = &stages[i % (s->stage_count + 1)];
        char label[16] = "head";
        if (i <= s->stage_count)
            snprintf(label, sizeof(label), "%d", i);
        fprintf(stream, "%-8s", label);
        print_cell(s->stage_positions[i % (s->stage_count + 1)], 10, stream);
        print_cell((int64_t)stage->ops, 5, stream);
        print_cell(stage->parameters, 11, stream);
        print_cell(stage->macs, 13, stream);
        print_cell(stage->nonlinear_elements, 11, stream);
        print_cell(stage->nonlinear_units, 7, stream);
        print_cell(stage->relu_elements, 11, stream);
        print_ratio(stage->macs, stage->relu_elements, 10, stream);
        print_ratio(stage->parameters, stage->relu_elements, 11, stream);
        fputc('\n', stream);
    }
    free(stages);
}

static void print_line(const char *label, int64_t value, FILE *stream)
{
    if (value)
        fprintf(stream, "  %-24s %13lld\n", label, (long long)value);
}

static void print_parts(const ran_parts *p, FILE *stream)
{
    print_line("conv weights", p->conv_weights, stream);
    print_line("linear weights", p->fc_weights, stream);
    print_line("biases", p->biases, stream);
    print_line("BN channels", p->bn_channels, stream);
    print_line("LN channels", p->ln_channels, stream);
    print_line("scale channels", p->scale_channels, stream);
    print_line("other parameters", p->other, stream);
    print_line("conv MACs", p->conv_macs, stream);
    print_line("linear MACs", p->fc_macs, stream);
    print_line("squeeze-excite MACs", p->se_macs, stream);
    print_line("product MACs", p->product_macs, stream);
    print_line("normalised elements", p->norm_elements, stream);
}

static void print_kinds(const ran_statistics *s, FILE *stream)
{
    if (s->kind_count)
        fprintf(stream, "non-linear ops by kind\n  %-24s %13s %9s %6s\n", "op", "elements", "units",
                "ops");
    for (size_t i = 0; i < s->kind_count; i++)
        fprintf(stream, "  %-24s %13lld %9lld %6lld\n", ran_opcode_name(s->kinds[i].opcode),
                (long long)s->kinds[i].elements, (long long)s->kinds[i].units,
                (long long)s->kinds[i].ops);
}

static void print_known(const char *label, int64_t value, const char *unknown, FILE *stream)
{
    if (value < 0)
        fprintf(stream, "%-26s %13s  (%s)\n", label, "not known", unknown ? unknown : "");
    else
        fprintf(stream, "%-26s %13lld\n", label, (long long)value);
}

static void print_totals(const stat_model *model, FILE *stream)
{
    const ran_statistics *s = model->statistics;
    fprintf(stream, "total, by rule `%s`\n", ran_rule_name(s->rule));
    print_known("parameters", s->parameters, NULL, stream);
    print_known("MACs", s->macs, NULL, stream);
    print_known("non-linear elements", s->nonlinear_elements, NULL, stream);
    print_known("non-linear units", s->nonlinear_units, NULL, stream);
    print_known("relu elements", s->relu_elements, NULL, stream);
    print_known("activation bytes, planned", model->planned_bytes, model->unknown, stream);
    print_known("latency ns, predicted", model->latency_ns, model->unknown, stream);
}

void stat_print(const stat_model *model, bool by_stage, FILE *stream)
{
    if (by_stage)
        print_stages(model->statistics, stream);
    else
        print_nodes(model, stream);
    fputc('\n', stream);
    print_kinds(model->statistics, stream);
    fputs("parts\n", stream);
    print_parts(&model->statistics->parts, stream);
    fputc('\n', stream);
    print_totals(model, stream);
}

/* ---- Differences ---------------------------------------------------------------------------- */

static void print_change(const char *label, int64_t before, int64_t after, FILE *stream)
{
    fprintf(stream, "%-26s", label);
    if (before < 0 || after < 0) {
        fprintf(stream, " %13s\n", "not known");
        return;
    }
    fprintf(stream, " %13lld %13lld %+13lld", (long long)before, (long long)after,
            (long long)(after - before));
    if (before)
        fprintf(stream, " %+7.1f%%", 100 * ((double)after - (double)before) / (double)before);
    fputc('\n', stream);
}

static const ran_kind_statistics *find_kind(const ran_statistics *s, ran_opcode opcode)
{
    static const ran_kind_statistics none;
    for (size_t i = 0; i < s->kind_count; i++)
        if (s->kinds[i].opcode == opcode)
            return &s->kinds[i];
    return &none;
}

static void print_kind_changes(const ran_statistics *before, const ran_statistics *after,
                               FILE *stream)
{
    for (int opcode = 0; opcode < RAN_OP_COUNT; opcode++) {
        int64_t old = find_kind(before, (ran_opcode)opcode)->elements;
        int64_t now = find_kind(after, (ran_opcode)opcode)->elements;
        char label[40];
        snprintf(label, sizeof(label), "  %s", ran_opcode_name((ran_opcode)opcode));
        if (old || now)
            print_change(label, old, now, stream);
    }
}

static void print_stage_change(const char *stage, const stat_stage *a, const stat_stage *b,
                               FILE *stream)
{
    fprintf(stream, "\n%s\n", stage);
    print_change("  parameters", a->parameters, b->parameters, stream);
    print_change("  MACs", a->macs, b->macs, stream);
    print_change("  relu elements", a->relu_elements, b->relu_elements, stream);
    print_change("  non-linear elements", a->nonlinear_elements, b->nonlinear_elements, stream);
}

/* Stages of one number; the head, which is stage 0, last. */
static void print_stage_changes(const ran_statistics *before, const ran_statistics *after,
                                FILE *stream)
{
    static const stat_stage none;
    stat_stage *a = stat_stages(before), *b = stat_stages(after);
    int most = before->stage_count > after->stage_count ? before->stage_count : after->stage_count;
    for (int stage = 1; stage <= most; stage++) {
        char label[32];
        snprintf(label, sizeof(label), "stage %d", stage);
        print_stage_change(label, stage <= before->stage_count ? &a[stage] : &none,
                           stage <= after->stage_count ? &b[stage] : &none, stream);
    }
    print_stage_change("head", &a[0], &b[0], stream);
    free(a);
    free(b);
}

void stat_print_difference(const stat_model *before, const stat_model *after, bool by_stage,
                           FILE *stream)
{
    const ran_statistics *a = before->statistics, *b = after->statistics;
    fprintf(stream, "%-26s %13s %13s %13s\n", "", "before", "after", "change");
    print_change("nodes", (int64_t)a->op_count, (int64_t)b->op_count, stream);
    print_change("parameters", a->parameters, b->parameters, stream);
    print_change("MACs", a->macs, b->macs, stream);
    print_change("relu elements", a->relu_elements, b->relu_elements, stream);
    print_change("non-linear units", a->nonlinear_units, b->nonlinear_units, stream);
    print_change("non-linear elements", a->nonlinear_elements, b->nonlinear_elements, stream);
    print_kind_changes(a, b, stream);
    print_change("activation bytes, planned", before->planned_bytes, after->planned_bytes, stream);
    print_change("latency ns, predicted", before->latency_ns, after->latency_ns, stream);
    if (by_stage)
        print_stage_changes(a, b, stream);
}
