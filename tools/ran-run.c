/* SPDX-License-Identifier: GPL-3.0-or-later */
/* ran-run: runs, checks and times models. */
#include "tools/common.h"

static const struct argp parser = {
    .args_doc = "MODEL",
    .doc = "Runs a model, compares its results, measures its time.",
};

int main(int argc, char **argv)
{
    ran_tool_init(&argc, &argv);
    return argp_parse(&parser, argc, argv, 0, NULL, NULL);
}
