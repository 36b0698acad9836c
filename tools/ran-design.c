/* SPDX-License-Identifier: GPL-3.0-or-later */
/* ran-design: builds and scales networks. */
#include "tools/common.h"

static const struct argp parser = {
    .args_doc = "COMMAND",
    .doc = "Builds and scales networks of known architectures.",
};

int main(int argc, char **argv)
{
    ran_tool_init(&argc, &argv);
    return argp_parse(&parser, argc, argv, 0, NULL, NULL);
}
