/* SPDX-License-Identifier: GPL-3.0-or-later */
/* rancc: compiles a neural network to native code. */
#include "tools/common.h"

static const struct argp parser = {
    .args_doc = "MODEL",
    .doc = "Compiles an ONNX model or IR file to native code.",
};

int main(int argc, char **argv)
{
    ran_tool_init(&argc, &argv);
    return argp_parse(&parser, argc, argv, 0, NULL, NULL);
}
