/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * classify MODEL.onnx IMAGES LEVEL: compiles a classifier through the public interface, runs it in
 * this process on all images of a file in CIFAR-10's binary form (a byte with the class, then three
 * planes of 32 x 32 bytes), and prints "RIGHT of COUNT". Pixels go in as they are, 0 to 255.
 * Only installed headers are used, as a program of somebody else would.
 */
#include <ran/compile.h>
#include <ran/onnx.h>
#include <ran/pass.h>
#include <ran/ran.h>
#include <ran/rt.h>

#include <stdlib.h>

enum { PIXELS = 3 * 32 * 32, RECORD = 1 + PIXELS, CLASSES = 10 };

static ran_status optimize(ran_context *context, ran_module *module, const char *level)
{
    ran_pass_manager *manager = ran_pass_manager_create(context);
    ran_status status = ran_pass_manager_set_level(manager, level);
    if (!status)
        status = ran_pass_manager_run(manager, module);
    ran_pass_manager_destroy(manager);
    return status;
}

static bool is_shape(const struct ran_value_desc *value, int rank, const int64_t *dims)
{
    bool same = value->elem == 1 && value->rank == rank;
    for (int i = 0; same && i < rank; i++)
        same = value->dims[i] == dims[i];
    return same;
}

static bool is_classifier(const struct ran_model_desc *desc)
{
    static const int64_t image[] = {1, 3, 32, 32}, scores[] = {1, CLASSES};
    return desc->abi == RAN_ABI_VERSION && !desc->symbol_count && desc->input_count == 1 &&
           desc->output_count == 1 && is_shape(&desc->inputs[0], 4, image) &&
           is_shape(&desc->outputs[0], 2, scores);
}

static int largest(const float *scores)
{
    int best = 0;
    for (int i = 1; i < CLASSES; i++)
        best = scores[i] > scores[best] ? i : best;
    return best;
}

/* Returns what the model returns: 0, or why it did not run. */
static int count_right(const struct ran_model_desc *desc, const void *weights, FILE *images)
{
    unsigned char record[RECORD];
    float image[PIXELS], scores[CLASSES];
    const void *inputs[] = {image};
    void *outputs[] = {scores}, *workspace = malloc(desc->workspace_size(NULL, 1));
    int right = 0, count = 0, code = workspace ? 0 : -1;
    while (!code && fread(record, 1, RECORD, images) == RECORD) {
        for (int i = 0; i < PIXELS; i++)
            image[i] = record[1 + i];
        code = desc->run(NULL, inputs, outputs, NULL, workspace, NULL, weights);
        right += largest(scores) == record[0];
        count++;
    }
    free(workspace);
    printf("%d of %d\n", right, count);
    return code;
}

static ran_status classify(ran_context *context, ran_module *module, const char *level, FILE *images)
{
    const ran_compile_options options = {.target = "native", .weights = RAN_WEIGHTS_FILE};
    const struct ran_model_desc *desc = NULL;
    const void *weights = NULL;
    ran_compiled *compiled = NULL;
    ran_status status = optimize(context, module, level);
    if (!status)
        status = ran_compile(module, &options, &compiled);
    if (!status)
        status = ran_compiled_load(compiled, &desc, &weights);
    if (!status && !is_classifier(desc))
        status = ran_error(context, RAN_INVALID, "not a classifier of 3 x 32 x 32 images");
    int code = status ? 0 : count_right(desc, weights, images);
    if (code)
        status = ran_error(context, RAN_INVALID, "the model returned %d", code);
    ran_compiled_destroy(compiled);
    return status;
}

int main(int argc, char **argv)
{
    if (argc != 4)
        return 2;
    ran_context *context = ran_context_create();
    ran_module *module = NULL;
    FILE *images = fopen(argv[2], "rb");
    ran_status status = images ? ran_onnx_import(context, argv[1], NULL, &module)
                               : ran_error(context, RAN_INVALID, "cannot read %s", argv[2]);
    if (!status)
        status = classify(context, module, argv[3], images);
    ran_diagnostics_print(context, stderr);
    if (module)
        ran_module_destroy(module);
    if (images)
        fclose(images);
    ran_context_destroy(context);
    return status;
}
