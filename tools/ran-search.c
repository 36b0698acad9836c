/* SPDX-License-Identifier: GPL-3.0-or-later */
/* ran-search: transforms a model under a budget. */
#include "tools/common.h"

#include <stdio.h>
#include <string.h>

#include "tools/search/search.h"

typedef struct command {
    const char *name;
    int (*run)(int argc, char **argv);
} command;

static const command commands[] = {
    {"hant", ran_search_hant},     {"ilp", ran_search_ilp},   {"latency", ran_search_latency},
    {"layers", ran_search_layers}, {"pool", ran_search_pool},
};

enum { COMMANDS = sizeof commands / sizeof *commands };

static const command *find_command(const char *name)
{
    for (size_t i = 0; i < COMMANDS; i++)
        if (!strcmp(commands[i].name, name))
            return &commands[i];
    return NULL;
}

static error_t parse_option(int key, char *value, struct argp_state *state)
{
    switch (key) {
    case ARGP_KEY_ARG:
        argp_error(state, "unknown command %s", value);
        return 0;
    case ARGP_KEY_NO_ARGS:
        argp_error(state, "no command is given");
        return 0;
    default:
        return ARGP_ERR_UNKNOWN;
    }
}

static const struct argp parser = {
    .parser = parse_option,
    .args_doc = "hant MODEL\nilp --table=FILE\nlatency MODEL\nlayers MODEL\npool [CANDIDATE]",
    .doc = "Transforms a model under a budget.\v"
           "`ran-search COMMAND --help' shows the options of a command:\n\n"
           "  hant     replace operators of a trained network, tune and compile it\n"
           "  ilp      select one candidate a layer from a table of losses and costs\n"
           "  latency  measure the candidates of a model's layers on a target\n"
           "  layers   show the layers of a model that can be replaced\n"
           "  pool     list what can take their place\n",
};

/* The command takes the place of the program's name, so that its messages say both. */
int main(int argc, char **argv)
{
    char name[64];
    ran_tool_init(&argc, &argv);
    const command *chosen = argc > 1 ? find_command(argv[1]) : NULL;
    if (!chosen)
        return argp_parse(&parser, argc, argv, ARGP_IN_ORDER, NULL, NULL);
    snprintf(name, sizeof name, "%s %s", argv[0], chosen->name);
    argv[1] = name;
    return chosen->run(argc - 1, argv + 1);
}
