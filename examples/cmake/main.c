/* SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception */
/* Runs the model that CMake had rancc compile, on an empty image. */
#include <stdio.h>
#include <stdlib.h>

#include "lenet.h"

enum { PIXELS = 28 * 28, CLASSES = 10 };

int main(void)
{
    static float image[PIXELS], scores[CLASSES];
    void *workspace = malloc(lenet_workspace_size(1));
    if (!workspace || lenet_run(image, scores, workspace, NULL))
        return EXIT_FAILURE;
    for (int i = 0; i < CLASSES; i++)
        printf("%d %g\n", i, scores[i]);
    free(workspace);
    return EXIT_SUCCESS;
}
