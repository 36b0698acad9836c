/* SPDX-License-Identifier: GPL-3.0-or-later */
/* ran-search: transforms a model under a budget. */
#include "tools/common.h"

static const struct argp parser = {
    .args_doc = "MODEL",
    .doc = "Transforms a model under a budget.",
};

int main(int argc, char **argv)
{
    ran_tool_init(&argc, &argv);
    return argp_parse(&parser, argc, argv, 0, NULL, NULL);
}
