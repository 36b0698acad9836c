/* SPDX-License-Identifier: GPL-3.0-or-later */
/* ran-train: trains and fine-tunes. */
#include "tools/common.h"

#include <ran/onnx.h>
#include <ran/train.h>

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "ir/beside.h"
#include "runtime/train/train.h"
#include "tools/files.h"
#include "tools/model.h"
#include "tools/train/train.h"

enum { OPTION_JSON = 256, OPTION_LOG, OPTION_HTML, OPTION_EVAL, OPTION_CONFIG, OPTION_SAVE_CONFIG,
       OPTION_QUIET, OPTION_RECIPE = 512 };

typedef struct arguments {
    ran_context *context;
    ran_recipe *recipe;
    const char *model, *output, *save_config;
    bool eval;
    ran_status status;
    train_report report;
    ran_model_options bindings;
} arguments;

static const struct argp_option own_options[] = {
    {NULL, 0, NULL, 0, "Output:", 1},
    {NULL, 'o', "FILE", 0, "Write the trained model there: .onnx, or .ran for IR", 1},
    {"json", OPTION_JSON, NULL, 0,
     "Print a line of JSON after each epoch; the last one holds test_accuracy, test_loss and "
     "images_per_second", 1},
    {"log", OPTION_LOG, "FILE", 0, "The same lines in a file: .csv, or .json", 1},
    {"html", OPTION_HTML, "FILE", 0, "A page with the curves", 1},
    {"quiet", OPTION_QUIET, NULL, 0, "No progress bar, no lines of epochs", 1},
    {"eval", OPTION_EVAL, NULL, 0, "Don't train: loss and accuracy on the test data", 1},
    {"config", OPTION_CONFIG, "FILE", 0, "Read a recipe (JSON); options behind it change it", 1},
    {"save-config", OPTION_SAVE_CONFIG, "FILE", 0, "Write the recipe as it is now", 1},
    {NULL, 0, NULL, 0, "Data:", 2},
    {NULL, 0, NULL, 0, "Losses:", 3},
    {NULL, 0, NULL, 0, "Optimiser:", 4},
    {NULL, 0, NULL, 0, "The run:", 5},
};

enum { OWN_COUNT = sizeof(own_options) / sizeof(*own_options) };

/* ---- Options -------------------------------------------------------------------------------------- */

/* Own options, then one a row of the recipe. */
static struct argp_option *all_options(void)
{
    size_t count;
    const ran_recipe_row *rows = ran_recipe_rows(&count);
    struct argp_option *all = calloc(OWN_COUNT + count + 1, sizeof(*all));
    if (!all)
        exit(RAN_INVALID);
    memcpy(all, own_options, sizeof(own_options));
    for (size_t i = 0; i < count; i++) {
        char *help = NULL;
        size_t size = strlen(rows[i].help) + strlen(rows[i].value) + 4;
        bool shown = *rows[i].value && rows[i].kind != RAN_RECIPE_FLAG;
        if (!(help = malloc(size)))
            exit(RAN_INVALID);
        snprintf(help, size, shown ? "%s (%s)" : "%s", rows[i].help, rows[i].value);
        all[OWN_COUNT + i] = (struct argp_option){rows[i].name, OPTION_RECIPE + (int)i,
                                                  rows[i].argument, 0, help,
                                                  2 + (int)rows[i].group};
    }
    return all;
}

static void note_status(arguments *a, ran_status status)
{
    a->status = a->status ? a->status : status;
}

static void set_recipe(arguments *a, int key, const char *value)
{
    size_t count;
    const ran_recipe_row *row = &ran_recipe_rows(&count)[key - OPTION_RECIPE];
    note_status(a, ran_recipe_set(a->recipe, row->name, value ? value : "true"));
}

static error_t parse_option(int key, char *value, struct argp_state *state)
{
    arguments *a = state->input;
    size_t rows;
    ran_recipe_rows(&rows);
    if (key >= OPTION_RECIPE && key < OPTION_RECIPE + (int)rows) {
        set_recipe(a, key, value);
        return 0;
    }
    switch (key) {
    case ARGP_KEY_INIT:
        state->child_inputs[0] = &a->bindings;
        return 0;
    case 'o':
        a->output = value;
        return 0;
    case OPTION_JSON:
        a->report.json = true;
        return 0;
    case OPTION_LOG:
        a->report.log_path = value;
        return 0;
    case OPTION_HTML:
        a->report.html_path = value;
        return 0;
    case OPTION_QUIET:
        a->report.quiet = true;
        return 0;
    case OPTION_EVAL:
        a->eval = true;
        return 0;
    case OPTION_CONFIG:
        note_status(a, ran_recipe_read(a->recipe, value));
        return 0;
    case OPTION_SAVE_CONFIG:
        a->save_config = value;
        return 0;
    case ARGP_KEY_ARG:
        if (a->model)
            argp_error(state, "one model, not %s too", value);
        a->model = value;
        return 0;
    case ARGP_KEY_END:
        if (!a->model && !a->save_config)
            argp_error(state, "no model");
        return 0;
    default:
        return ARGP_ERR_UNKNOWN;
    }
}

/* ---- Work ------------------------------------------------------------------------------------------- */

static bool has_suffix(const char *path, const char *suffix)
{
    size_t length = strlen(path), n = strlen(suffix);
    return length >= n && !strcmp(path + length - n, suffix);
}

static ran_status write_model(ran_context *context, const ran_module *module, const char *path)
{
    ran_beside_file output;
    if (!has_suffix(path, ".ran") && strcmp(path, "-"))
        return ran_onnx_export(module, path, NULL);
    ran_status status = ran_beside_open(context, path, &output);
    if (status)
        return status;
    return ran_beside_close(context, &output, ran_module_print(module, output.stream, NULL));
}

static bool progress(void *data, const ran_train_progress *now)
{
    train_report_step(data, now);
    return true;
}

static ran_status evaluate(arguments *a, ran_trainer *trainer)
{
    double loss, accuracy;
    ran_status status = ran_trainer_evaluate(trainer, &loss, &accuracy);
    if (!status)
        train_report_evaluation(&a->report, loss, accuracy);
    return status;
}

static ran_status train(arguments *a, ran_trainer *trainer, ran_module *model)
{
    ran_status status = ran_trainer_run(trainer, progress, &a->report);
    train_report_end(&a->report);
    if (!status && a->output && trainer->rank == 0) {
        status = ran_trainer_export(trainer, model);
        if (!status)
            status = write_model(a->context, model, a->output);
    }
    ran_status written = train_report_write(&a->report, a->context);
    return status ? status : written;
}

static ran_status check_data(const arguments *a)
{
    if (!a->eval && !ran_recipe_is_set(a->recipe, "data"))
        return ran_error(a->context, RAN_USAGE, "no training data: --data KIND:FILES");
    if (a->eval && !ran_recipe_is_set(a->recipe, "data") && !ran_recipe_is_set(a->recipe, "test"))
        return ran_error(a->context, RAN_USAGE, "no data to evaluate on: --test KIND:FILES");
    if (a->eval && a->output)
        return ran_error(a->context, RAN_USAGE, "--eval trains nothing that -o could write");
    return RAN_OK;
}

/* All that can't be written, before the time is spent on it. */
static ran_status check_outputs(const arguments *a)
{
    const char *const paths[] = {a->output, a->report.log_path, a->report.html_path,
                                 ran_recipe_get(a->recipe, "checkpoint")};
    ran_status status = RAN_OK;
    for (size_t i = 0; i < sizeof(paths) / sizeof(*paths); i++) {
        ran_status one = ran_tool_check_writable(a->context, paths[i]);
        status = status ? status : one;
    }
    return status;
}

/* Nothing is trained: what there is to evaluate on is test data, and no step gets compiled. */
static ran_status only_test(arguments *a)
{
    ran_status status = RAN_OK;
    if (!ran_recipe_is_set(a->recipe, "test"))
        status = ran_recipe_set(a->recipe, "test", ran_recipe_get(a->recipe, "data"));
    return status ? status : ran_recipe_set(a->recipe, "data", "");
}

static ran_status work(arguments *a)
{
    ran_module *model = NULL;
    ran_trainer *trainer = NULL;
    ran_status status = a->status;
    if (!status && a->save_config)
        status = ran_recipe_write(a->recipe, a->save_config);
    if (status || !a->model)
        return status;
    status = check_data(a);
    if (!status)
        status = check_outputs(a);
    if (!status && a->eval)
        status = only_test(a);
    if (!status)
        status = ran_model_load(a->context, a->model, &a->bindings, &model);
    if (!status)
        status = ran_trainer_create(a->context, model, a->recipe, &trainer);
    if (!status) {
        a->report.rank = trainer->rank;
        a->report.model = a->model;
        /* What one should know now, not after hours. */
        if (!trainer->rank)
            ran_diagnostics_print(a->context, stderr);
        ran_diagnostics_truncate(a->context, 0);
        status = a->eval ? evaluate(a, trainer) : train(a, trainer, model);
    }
    ran_trainer_destroy(trainer);
    if (model)
        ran_module_destroy(model);
    return status;
}

int main(int argc, char **argv)
{
    ran_tool_init(&argc, &argv);
    static const struct argp_child children[] = {{&ran_model_argp, 0, "The model:", 6}, {0}};
    struct argp_option *options = all_options();
    const struct argp parser = {
        .options = options,
        .parser = parse_option,
        .args_doc = "MODEL",
        .doc = "Trains or fine-tunes a model (ONNX or IR) and writes it with its new weights.\v"
               "Batch norms train as such where the model has them; folded ones train as what they "
               "became. A final Softmax is part of the loss. docs/training.md tells more.",
        .children = children};
    arguments a = {.context = ran_context_create()};
    a.recipe = ran_recipe_create(a.context);
    argp_parse(&parser, argc, argv, 0, NULL, &a);
    ran_status status = work(&a);
    train_report_clear(&a.report);
    ran_recipe_destroy(a.recipe);
    size_t rows;
    ran_recipe_rows(&rows);
    for (size_t i = 0; i < rows; i++)
        free((char *)options[OWN_COUNT + i].doc);
    free(options);
    return ran_tool_finish(a.context, status);
}
