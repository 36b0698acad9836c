/* SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception */
/*
 * A compiled model in a C program, with nothing linked but the model and the C library:
 *
 *     ran-design build lenet -o lenet.onnx
 *     rancc lenet.onnx -O3 -o model.a
 *     cc main.c model.a -o classify && ./classify
 *
 * The model takes one image of 28x28 (1x1x28x28 floats) and gives a score for each of 10 classes.
 */
#include <stdio.h>
#include <stdlib.h>

#include "model.h"

enum { SIDE = 28, CLASSES = 10 };

int main(void)
{
    static float image[SIDE * SIDE], scores[CLASSES];
    for (int i = 0; i < SIDE * SIDE; i++)
        image[i] = (float)(i % SIDE) / SIDE - (float)(i / SIDE) / SIDE;

    /* The model allocates nothing: it works in memory of ours, which may be used for other things
     * between two runs. One slot: this thread alone computes, hence no parallel interface. */
    void *workspace = malloc(model_workspace_size(1));
    if (!workspace)
        return EXIT_FAILURE;
    int error = model_run(image, scores, workspace, NULL);
    free(workspace);
    if (error) {
        fprintf(stderr, "model_run: %d\n", error);
        return EXIT_FAILURE;
    }
    for (int i = 0; i < CLASSES; i++)
        printf("%d %.9g\n", i, scores[i]);
    return EXIT_SUCCESS;
}
