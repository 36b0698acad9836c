/* SPDX-License-Identifier: GPL-3.0-or-later */
/* ran-train: trains and fine-tunes. */
#include "tools/common.h"

static const struct argp parser = {
    .args_doc = "MODEL",
    .doc = "Trains or fine-tunes a model.",
};

int main(int argc, char **argv)
{
    ran_tool_init(&argc, &argv);
    return argp_parse(&parser, argc, argv, 0, NULL, NULL);
}
