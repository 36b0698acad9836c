/* SPDX-License-Identifier: GPL-3.0-or-later */
/* ran-design: builds and scales networks. */
#include "tools/common.h"

#include <ran/onnx.h>

#include <jansson.h>
#include <stdlib.h>
#include <string.h>

#include "ir/beside.h"
#include "ir/ir.h"
#include "search/zoo/zoo.h"
#include "tools/files.h"

enum {
    OPTION_INPUT = 256,
    OPTION_CLASSES,
    OPTION_WIDTH,
    OPTION_DEPTH,
    OPTION_SEED,
    OPTION_BATCH,
    OPTION_JSON,
};

static const struct argp_option options[] = {
    {NULL, 0, NULL, 0, "Output:", 1},
    {NULL, 'o', "FILE", 0, "Write the network there: .onnx, or .ran for IR (NAME.onnx)", 1},
    {"json", OPTION_JSON, NULL, 0, "list prints JSON", 1},
    {NULL, 0, NULL, 0, "The network:", 2},
    {"input", OPTION_INPUT, "CxHxW", 0, "Shape of one input (the network's own)", 2},
    {"batch", OPTION_BATCH, "N", 0, "How many inputs at a time (1)", 2},
    {"classes", OPTION_CLASSES, "N", 0, "Outputs of the classifier (the network's own)", 2},
    {"width", OPTION_WIDTH, "X", 0, "Factor of all channels (1)", 2},
    {"depth", OPTION_DEPTH, "X", 0, "Factor of all repeats (1)", 2},
    {"seed", OPTION_SEED, "N", 0, "Of the weights (0)", 2},
    {0},
};

typedef struct arguments {
    const char *command, *name, *output;
    bool json;
    ran_zoo_options zoo;
} arguments;

/* ---- Options -------------------------------------------------------------------------------- */

static int64_t parse_count(const char *option, const char *text, struct argp_state *state)
{
    char *end;
    long long value = strtoll(text, &end, 10);
    if (end == text || *end || value < 1 || value > 1 << 20)
        argp_error(state, "--%s: expected a positive number, not %s", option, text);
    return value;
}

static double parse_factor(const char *option, const char *text, struct argp_state *state)
{
    char *end;
    double value = strtod(text, &end);
    if (end == text || *end || !(value > 0 && value <= 64))
        argp_error(state, "--%s: expected a factor above 0 and up to 64, not %s", option, text);
    return value;
}

static void parse_input(const char *text, ran_zoo_options *zoo, struct argp_state *state)
{
    long long dims[3];
    char rest;
    bool good = sscanf(text, "%lldx%lldx%lld%c", &dims[0], &dims[1], &dims[2], &rest) == 3;
    for (int i = 0; i < 3 && good; i++)
        good = dims[i] > 0 && dims[i] <= 65536;
    if (!good)
        argp_error(state, "--input: expected CxHxW such as 3x224x224, not %s", text);
    zoo->channels = dims[0];
    zoo->height = dims[1];
    zoo->width_pixels = dims[2];
}

static uint64_t parse_seed(const char *text, struct argp_state *state)
{
    char *end;
    unsigned long long value = strtoull(text, &end, 0);
    if (end == text || *end)
        argp_error(state, "--seed: expected a number, not %s", text);
    return value;
}

static void parse_argument(arguments *a, const char *value, struct argp_state *state)
{
    if (!a->command)
        a->command = value;
    else if (!a->name && !strcmp(a->command, "build"))
        a->name = value;
    else
        argp_error(state, "unexpected argument: %s", value);
}

static void check_arguments(const arguments *a, struct argp_state *state)
{
    if (!a->command)
        argp_error(state, "no command: expected list or build");
    else if (strcmp(a->command, "list") && strcmp(a->command, "build"))
        argp_error(state, "unknown command %s: expected list or build", a->command);
    else if (!strcmp(a->command, "build") && !a->name)
        argp_error(state, "build what? %s list shows the networks", state->name);
    else if (a->name && !ran_zoo_find(a->name))
        argp_error(state, "unknown network %s; %s list shows them", a->name, state->name);
}

static error_t parse_option(int key, char *value, struct argp_state *state)
{
    arguments *a = state->input;
    switch (key) {
    case 'o':
        a->output = value;
        return 0;
    case OPTION_JSON:
        a->json = true;
        return 0;
    case OPTION_INPUT:
        parse_input(value, &a->zoo, state);
        return 0;
    case OPTION_BATCH:
        a->zoo.batch = parse_count("batch", value, state);
        return 0;
    case OPTION_CLASSES:
        a->zoo.classes = parse_count("classes", value, state);
        return 0;
    case OPTION_WIDTH:
        a->zoo.width = parse_factor("width", value, state);
        return 0;
    case OPTION_DEPTH:
        a->zoo.depth = parse_factor("depth", value, state);
        return 0;
    case OPTION_SEED:
        a->zoo.seed = parse_seed(value, state);
        return 0;
    case ARGP_KEY_ARG:
        parse_argument(a, value, state);
        return 0;
    case ARGP_KEY_END:
        check_arguments(a, state);
        return 0;
    default:
        return ARGP_ERR_UNKNOWN;
    }
}

static const struct argp parser = {
    .options = options,
    .parser = parse_option,
    .args_doc = "list\nbuild NAME",
    .doc = "Builds networks of known architectures, with seeded weights.\v"
           "The networks are described in search/zoo; `ran-design list' prints their names and the "
           "shape of their input.",
};

/* ---- Commands ------------------------------------------------------------------------------- */

static void list_networks(void)
{
    size_t count;
    const ran_zoo_network *networks = ran_zoo_networks(&count);
    printf("%-20s %-12s %7s  %s\n", "NAME", "INPUT", "CLASSES", "WHAT");
    for (size_t i = 0; i < count; i++) {
        char input[32];
        const ran_zoo_network *n = &networks[i];
        snprintf(input, sizeof input, "%lldx%lldx%lld", (long long)n->channels,
                 (long long)n->height, (long long)n->width);
        printf("%-20s %-12s %7lld  %s\n", n->name, input, (long long)n->classes, n->what);
    }
}

static void list_networks_json(void)
{
    size_t count;
    const ran_zoo_network *networks = ran_zoo_networks(&count);
    json_t *list = json_array();
    for (size_t i = 0; i < count; i++) {
        const ran_zoo_network *n = &networks[i];
        json_array_append_new(list, json_pack("{s:s, s:[I, I, I], s:I, s:s}", "name", n->name,
                                              "input", (json_int_t)n->channels,
                                              (json_int_t)n->height, (json_int_t)n->width,
                                              "classes", (json_int_t)n->classes, "what", n->what));
    }
    json_dumpf(list, stdout, JSON_INDENT(2));
    putchar('\n');
    json_decref(list);
}

static bool has_suffix(const char *path, const char *suffix)
{
    size_t length = strlen(path), n = strlen(suffix);
    return length >= n && !strcmp(path + length - n, suffix);
}

static ran_status write_network(ran_context *context, const ran_module *module, const char *path)
{
    ran_beside_file output;
    if (!has_suffix(path, ".ran") && strcmp(path, "-"))
        return ran_onnx_export(module, path, NULL);
    ran_status status = ran_beside_open(context, path, &output);
    if (status != RAN_OK)
        return status;
    return ran_beside_close(context, &output, ran_module_print(module, output.stream, NULL));
}

static ran_status build_network(ran_context *context, const arguments *a)
{
    ran_module *module;
    char path[256];
    snprintf(path, sizeof path, "%s.onnx", a->name);
    ran_status status = ran_zoo_build(context, ran_zoo_find(a->name), &a->zoo, &module);
    if (status != RAN_OK)
        return status;
    status = write_network(context, module, a->output ? a->output : path);
    ran_module_destroy(module);
    return status;
}

int main(int argc, char **argv)
{
    arguments a = {0};
    ran_tool_init(&argc, &argv);
    argp_parse(&parser, argc, argv, 0, NULL, &a);
    if (!strcmp(a.command, "list")) {
        if (a.json)
            list_networks_json();
        else
            list_networks();
        return ferror(stdout) || fflush(stdout) ? RAN_INVALID : RAN_OK;
    }
    ran_context *context = ran_context_create();
    return ran_tool_finish(context, build_network(context, &a));
}
