/* SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception */
/*
 * Fine-tuning on the device: a training step that was compiled ahead of time, with nothing linked but
 * the step and the C library. Elsewhere:
 *
 *     ran-design build mlp -o mlp.onnx
 *     rancc mlp.onnx --training-step=batch=16,momentum=0.9 -O3 -o step.a      (and step.h, step.state)
 *     rancc mlp.onnx --evaluation-step=batch=16,eval-batch=16 -O3 -o score.a  (and score.h)
 *     cc main.c step.a score.a -o tune && ./tune step.state
 *
 * The model sees images of 28x28; here they are stripes of 10 directions that stand for what a
 * device would measure. The state (weights, momentum) lives in one buffer that the step updates in
 * place; the first arguments of both models are found by their names.
 */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "score.h"
#include "step.h"

#include <ran/rt.h>

enum { BATCH = 16, SIDE = 28, CLASSES = 10, STEPS = 150, VALUES_MAX = 64 };

static size_t count_of(const struct ran_value_desc *value)
{
    size_t count = 1;
    for (int i = 0; i < value->rank; i++)
        count *= (size_t)value->dims[i];
    return count;
}

static int find(const struct ran_value_desc *values, uint32_t count, const char *name)
{
    for (uint32_t i = 0; i < count; i++)
        if (!strcmp(values[i].name, name))
            return (int)i;
    return -1;
}

/* Arguments of the step behind the learning rate are its state, in the order of the file. */
static float *load_state(const struct ran_model_desc *step, uint32_t first, const char *path,
                         const void **inputs)
{
    size_t total = 0, at = 0;
    for (uint32_t i = first; i < step->input_count; i++)
        total += count_of(&step->inputs[i]);
    float *state = malloc(total * sizeof *state);
    FILE *file = fopen(path, "rb");
    size_t got = state && file ? fread(state, sizeof *state, total, file) : 0;
    if (file)
        fclose(file);
    if (got != total) {
        fprintf(stderr, "%s: not the state of this step\n", path);
        exit(EXIT_FAILURE);
    }
    for (uint32_t i = first; i < step->input_count; i++) {
        inputs[i] = state + at;
        at += count_of(&step->inputs[i]);
    }
    return state;
}

/* Stripes in one of ten directions, at a random place, with noise. */
static void draw(float *image, int direction)
{
    double angle = 3.14159265358979 * direction / CLASSES, place = rand() % 628 * 0.01;
    for (int y = 0; y < SIDE; y++)
        for (int x = 0; x < SIDE; x++)
            image[y * SIDE + x] = (float)(sin(0.6 * (x * cos(angle) + y * sin(angle)) + place) +
                                          0.3 * (rand() % 200 * 0.01 - 1));
}

static void draw_batch(float *images, int64_t *labels)
{
    for (int i = 0; i < BATCH; i++) {
        labels[i] = rand() % CLASSES;
        draw(images + i * SIDE * SIDE, (int)labels[i]);
    }
}

static int best(const float *scores)
{
    int found = 0;
    for (int i = 1; i < CLASSES; i++)
        found = scores[i] > scores[found] ? i : found;
    return found;
}

/* The share of right answers on images that were not trained on. */
static double evaluate(const struct ran_model_desc *step, const void *const *state)
{
    static float images[BATCH * SIDE * SIDE], scores[BATCH * CLASSES];
    int64_t labels[BATCH];
    const struct ran_model_desc *score = score_desc();
    const void *inputs[VALUES_MAX] = {images};
    void *outputs[] = {scores}, *workspace = malloc(score->workspace_size(NULL, 1));
    int right = 0;
    for (uint32_t i = 1; i < score->input_count; i++)
        inputs[i] = state[find(step->inputs, step->input_count, score->inputs[i].name)];
    for (int round = 0; round < 20 && workspace; round++) {
        draw_batch(images, labels);
        if (score->run(NULL, inputs, outputs, NULL, workspace, NULL, NULL))
            exit(EXIT_FAILURE);
        for (int i = 0; i < BATCH; i++)
            right += best(scores + i * CLASSES) == labels[i];
    }
    free(workspace);
    return right / (20.0 * BATCH);
}

int main(int argc, char **argv)
{
    static float images[BATCH * SIDE * SIDE];
    int64_t labels[BATCH], counter = 0;
    float rate = 0.02f, loss, correct, finite;
    const struct ran_model_desc *step = step_desc();
    const void *inputs[VALUES_MAX];
    void *outputs[VALUES_MAX];
    int labels_at = find(step->inputs, step->input_count, "labels");
    int counter_at = find(step->inputs, step->input_count, "step:counter");
    int rate_at = find(step->inputs, step->input_count, "step:learning_rate");
    if (argc < 2 || step->input_count > VALUES_MAX || labels_at < 0 || rate_at < 0)
        return EXIT_FAILURE;
    float *state = load_state(step, (uint32_t)rate_at + 1, argv[1], inputs);
    void *workspace = malloc(step->workspace_size(NULL, 1));
    inputs[0] = images;
    inputs[labels_at] = labels;
    inputs[counter_at] = &counter;
    inputs[rate_at] = &rate;
    outputs[0] = &loss;
    outputs[1] = &correct;
    outputs[2] = &finite;
    for (uint32_t i = 3; i < step->output_count; i++) /* in place */
        outputs[i] = (void *)inputs[find(step->inputs, step->input_count, step->outputs[i].name)];

    printf("before: %.1f %% right\n", 100 * evaluate(step, inputs));
    for (; counter < STEPS; counter++) {
        draw_batch(images, labels);
        if (step->run(NULL, inputs, outputs, NULL, workspace, NULL, NULL) || finite != 1)
            return EXIT_FAILURE;
        if (counter % 50 == 0)
            printf("step %d: loss %.3f\n", (int)counter, loss);
    }
    printf("after: %.1f %% right\n", 100 * evaluate(step, inputs));
    free(workspace);
    free(state);
    return EXIT_SUCCESS;
}
