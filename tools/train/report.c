/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Progress on the terminal, lines of JSON or CSV. */
#include "tools/train/train.h"

#include <stdlib.h>
#include <string.h>

#include "ir/beside.h"
#include "tools/files.h"

/* ---- Lines ------------------------------------------------------------------------------------------ */

/* JSON has no NaN; what is not known is null. */
static void print_number(FILE *stream, const char *name, double value, bool known)
{
    if (known)
        fprintf(stream, ", \"%s\": %.6g", name, value);
    else
        fprintf(stream, ", \"%s\": null", name);
}

static void print_json(FILE *stream, const ran_train_progress *p)
{
    fprintf(stream, "{\"epoch\": %lld, \"epochs\": %lld", (long long)p->epoch + 1,
            (long long)p->epochs);
    print_number(stream, "loss", p->loss, true);
    print_number(stream, "accuracy", p->accuracy, true);
    print_number(stream, "test_loss", p->test_loss, p->test_loss >= 0);
    print_number(stream, "test_accuracy", p->test_accuracy, p->test_accuracy >= 0);
    print_number(stream, "images_per_second", p->images_per_second, true);
    fputs("}\n", stream);
    fflush(stream);
}

static void print_csv(FILE *stream, const ran_train_progress *p)
{
    fprintf(stream, "%lld,%.9g,%.9g,", (long long)p->epoch + 1, p->loss, p->accuracy);
    if (p->test_loss >= 0)
        fprintf(stream, "%.9g", p->test_loss);
    fputc(',', stream);
    if (p->test_accuracy >= 0)
        fprintf(stream, "%.9g", p->test_accuracy);
    fprintf(stream, ",%.6g\n", p->images_per_second);
}

static void print_text(FILE *stream, const ran_train_progress *p)
{
    fprintf(stream, "epoch %lld/%lld  loss %.4f  accuracy %.2f %%", (long long)p->epoch + 1,
            (long long)p->epochs, p->loss, 100 * p->accuracy);
    if (p->test_loss >= 0)
        fprintf(stream, "  test loss %.4f", p->test_loss);
    if (p->test_accuracy >= 0)
        fprintf(stream, "  test accuracy %.2f %%", 100 * p->test_accuracy);
    fprintf(stream, "  %.0f images/s\n", p->images_per_second);
    fflush(stream);
}

/* ---- The bar ------------------------------------------------------------------------------------------ */

static void show_bar(train_report *report, const ran_train_progress *p)
{
    char before[64], after[128];
    double part = p->steps > 0 ? (double)p->step / (double)p->steps : 0;
    snprintf(before, sizeof(before), "epoch %lld/%lld", (long long)p->epoch + 1,
             (long long)p->epochs);
    snprintf(after, sizeof(after), "loss %.4f  accuracy %.2f %%  %.0f images/s", p->loss,
             100 * p->accuracy, p->images_per_second);
    ran_progress_show(&report->bar, before, part, after, p->seconds_left);
}

void train_report_end(train_report *report)
{
    ran_progress_end(&report->bar);
}

static void keep(train_report *report, const ran_train_progress *now)
{
    if (report->count == report->capacity) {
        size_t capacity = report->capacity ? 2 * report->capacity : 64;
        ran_train_progress *epochs = realloc(report->epochs, capacity * sizeof(*epochs));
        if (!epochs)
            return;
        report->epochs = epochs;
        report->capacity = capacity;
    }
    report->epochs[report->count++] = *now;
}

void train_report_step(train_report *report, const ran_train_progress *now)
{
    if (report->rank)
        return;
    if (now->epoch_done) {
        train_report_end(report);
        keep(report, now);
        if (report->json)
            print_json(stdout, now);
        else if (!report->quiet)
            print_text(stdout, now);
    } else if (!report->quiet) {
        show_bar(report, now);
    }
}

void train_report_evaluation(train_report *report, double loss, double accuracy)
{
    if (report->rank)
        return;
    if (report->json) {
        printf("{\"test_loss\": %.6g", loss);
        print_number(stdout, "test_accuracy", accuracy, accuracy >= 0);
        puts("}");
    } else {
        printf("test loss %.4f", loss);
        if (accuracy >= 0)
            printf("  test accuracy %.2f %%", 100 * accuracy);
        putchar('\n');
    }
}

/* ---- Files ------------------------------------------------------------------------------------------------ */

static bool is_csv(const char *path)
{
    size_t length = strlen(path);
    return length >= 4 && !strcmp(path + length - 4, ".csv");
}

static ran_status write_log(const train_report *report, ran_context *context)
{
    ran_beside_file output;
    ran_status status = ran_beside_open(context, report->log_path, &output);
    if (status)
        return status;
    bool csv = is_csv(report->log_path);
    if (csv)
        fputs("epoch,loss,accuracy,test_loss,test_accuracy,images_per_second\n", output.stream);
    for (size_t i = 0; i < report->count; i++)
        (csv ? print_csv : print_json)(output.stream, &report->epochs[i]);
    return ran_beside_close(context, &output, RAN_OK);
}

ran_status train_report_write(const train_report *report, ran_context *context)
{
    ran_beside_file output;
    ran_status status = RAN_OK;
    if (report->rank)
        return RAN_OK;
    if (report->log_path)
        status = write_log(report, context);
    if (status || !report->html_path)
        return status;
    status = ran_beside_open(context, report->html_path, &output);
    return status ? status
                  : ran_beside_close(context, &output, train_page_write(report, output.stream));
}

void train_report_clear(train_report *report)
{
    free(report->epochs);
    report->epochs = NULL;
}
