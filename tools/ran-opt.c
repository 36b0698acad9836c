/* SPDX-License-Identifier: GPL-3.0-or-later */
/* ran-opt: runs passes over textual IR. */
#include "tools/common.h"

static const struct argp parser = {
    .args_doc = "[FILE]",
    .doc = "Reads a module, runs passes over it and prints it.",
};

int main(int argc, char **argv)
{
    ran_tool_init(&argc, &argv);
    return argp_parse(&parser, argc, argv, 0, NULL, NULL);
}
