/* SPDX-License-Identifier: GPL-3.0-or-later */
/* ran-opt: reads a module, runs passes over it, prints it. */
#include "tools/common.h"

#include <stdlib.h>
#include <string.h>

#include "ir/beside.h"
#include "tools/files.h"
#include "tools/list.h"
#include "tools/model.h"
#include "tools/pass_options.h"

enum {
    OPTION_VERIFY_ONLY = 256,
    OPTION_LIST_OPS,
    OPTION_LIST_KERNELS,
    OPTION_LIST_TARGETS,
    OPTION_WEIGHTS,
    OPTION_OPSET,
    OPTION_EXTERNAL_DATA,
};

static const struct argp_option options[] = {
    {NULL, 0, NULL, 0, "What to do:", 1},
    {"verify-only", OPTION_VERIFY_ONLY, NULL, 0, "Check the module and print nothing", 1},
    {NULL, 0, NULL, 0, "Output:", 2},
    {NULL, 'o', "FILE", 0,
     "Write the module there instead of to standard output; as ONNX when the suffix is .onnx", 2},
    {"weights", OPTION_WEIGHTS, "FILE", 0, "Write large constants into this side file", 2},
    {"opset", OPTION_OPSET, "N", 0, "The opset of an ONNX file, 17 to 22 (21)", 2},
    {"external-data", OPTION_EXTERNAL_DATA, NULL, 0,
     "Write the weights of an ONNX file beside it, to FILE.data", 2},
    {NULL, 0, NULL, 0, "Reference:", 3},
    {"list-ops", OPTION_LIST_OPS, NULL, 0, "Print a table of all ops (Markdown)", 3},
    {"list-kernels", OPTION_LIST_KERNELS, NULL, 0, "Print a table of all kernels", 3},
    {"list-targets", OPTION_LIST_TARGETS, NULL, 0, "Print a table of all targets", 3},
    {0},
};

enum { LISTS_MAX = 8 };

struct arguments {
    ran_context *context;
    const char *input, *output, *weights;
    bool verify_only;
    void (*lists[LISTS_MAX])(FILE *stream); /* reference tables to print */
    size_t list_count;
    ran_export_options export;
    ran_model_options model;
    ran_tool_passes passes;
};

static void add_list(struct arguments *a, void (*list)(FILE *stream))
{
    if (a->list_count < LISTS_MAX)
        a->lists[a->list_count++] = list;
}

static error_t parse_option(int key, char *value, struct argp_state *state)
{
    struct arguments *a = state->input;
    switch (key) {
    case 'o':
        a->output = value;
        break;
    case OPTION_WEIGHTS:
        a->weights = value;
        break;
    case OPTION_VERIFY_ONLY:
        a->verify_only = true;
        break;
    case OPTION_LIST_OPS:
        add_list(a, ran_tool_list_ops);
        break;
    case OPTION_LIST_KERNELS:
        add_list(a, ran_tool_list_kernels);
        break;
    case OPTION_LIST_TARGETS:
        add_list(a, ran_tool_list_targets);
        break;
    case OPTION_OPSET:
        a->export.opset = atoi(value);
        if (!a->export.opset)
            argp_error(state, "no opset: %s", value);
        break;
    case OPTION_EXTERNAL_DATA:
        a->export.external_data = true;
        break;
    case ARGP_KEY_INIT:
        state->child_inputs[0] = &a->passes;
        state->child_inputs[1] = &a->model;
        break;
    case ARGP_KEY_ARG:
        if (a->input)
            argp_error(state, "more than one input: %s", value);
        a->input = value;
        break;
    default:
        return ARGP_ERR_UNKNOWN;
    }
    return 0;
}

static const struct argp_child children[] = {
    {&ran_tool_pass_argp, 0, NULL, 0},
    {&ran_model_argp, 0, "What is dynamic in the model:", 10},
    {0},
};

static const struct argp parser = {
    .options = options,
    .parser = parse_option,
    .children = children,
    .args_doc = "[FILE]",
    .doc = "Reads a module (IR text, an ONNX file; standard input without FILE or for -), checks it, "
           "runs passes over it and prints it.",
};

static bool has_suffix(const char *path, const char *suffix)
{
    size_t length = path ? strlen(path) : 0, tail = strlen(suffix);
    return length > tail && !strcmp(path + length - tail, suffix);
}

static ran_status print(struct arguments *a, const ran_module *module)
{
    ran_beside_file output;
    if (has_suffix(a->output, ".onnx"))
        return ran_onnx_export(module, a->output, &a->export);
    ran_status status = ran_beside_open(a->context, a->output, &output);
    if (status != RAN_OK)
        return status;
    status = ran_module_print(module, output.stream, a->weights);
    return ran_beside_close(a->context, &output, status);
}

static ran_status transform(struct arguments *a)
{
    ran_module *module;
    ran_status status = ran_model_load(a->context, a->input ? a->input : "-", &a->model, &module);
    if (status != RAN_OK)
        return status;
    status = ran_pass_manager_run(a->passes.manager, module);
    if (!status && !a->verify_only)
        status = print(a, module);
    ran_pass_manager_report(a->passes.manager, stderr);
    ran_module_destroy(module);
    return status;
}

static ran_status run(struct arguments *a)
{
    for (size_t i = 0; i < a->list_count; i++)
        a->lists[i](stdout);
    if (a->passes.list)
        ran_tool_list_passes(a->passes.manager, stdout);
    return a->list_count || a->passes.list ? RAN_OK : transform(a);
}

int main(int argc, char **argv)
{
    ran_tool_init(&argc, &argv);
    struct arguments a = {.context = ran_context_create()};
    if (!a.context)
        return RAN_INVALID;
    a.passes = (ran_tool_passes){ran_pass_manager_create(a.context), a.context};
    ran_pass_manager_set_stream(a.passes.manager, stderr);
    argp_parse(&parser, argc, argv, 0, NULL, &a);
    ran_status status = run(&a);
    ran_pass_manager_destroy(a.passes.manager);
    return ran_tool_finish(a.context, status);
}
