/* SPDX-License-Identifier: GPL-3.0-or-later */
/* ran-stat: counts what a model holds and computes. */
#include "tools/common.h"

static const struct argp parser = {
    .args_doc = "MODEL",
    .doc = "Counts parameters, MACs, non-linear elements and memory of a model.",
};

int main(int argc, char **argv)
{
    ran_tool_init(&argc, &argv);
    return argp_parse(&parser, argc, argv, 0, NULL, NULL);
}
