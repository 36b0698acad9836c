/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Training steps in native code: each function of tests/steps, compiled and run in this process, is
 * the evaluator's, and bit by bit the same at every number of slots. So are whole steps of small
 * networks. Arguments that a result updates are passed as both at once, the workspace is poisoned.
 */
#include <math.h>
#include <ran/compile.h>
#include <string.h>

#include "passes/grad/training_step.h"
#include "search/zoo/zoo.h"
#include "tests/harness/compiled.h"
#include "tests/harness/random_network.h"

enum { STEP_VALUES = 256 };

typedef struct step {
    const char *path, *target;
    ran_context *context;
    ran_module *model; /* whose constants the state begins with, or NULL */
    double tolerance;
    ran_module *module;
    ran_function *function; /* before lowering */
    size_t inputs, outputs;
    int updates[STEP_VALUES];
    ran_tensor *input[STEP_VALUES], *expected[STEP_VALUES];
    void *first[STEP_VALUES]; /* results with one slot */
} step;

static void give_up(const step *s, const char *what)
{
    ran_diagnostics_print(s->context, stderr);
    ck_abort_msg("%s for %s: %s", s->path, s->target ? s->target : "native", what);
}

/* Small whole numbers for integers: classes, counters. */
static ran_tensor *input_of(const ran_value *argument, uint64_t seed)
{
    random_network r = {.state = seed * 7919 + 1};
    const ran_type *type = ran_value_type(argument);
    int64_t dims[RAN_MAX_RANK];
    bool integer = ran_elem_is_int(ran_type_elem(type));
    for (int i = 0; i < ran_type_rank(type); i++)
        dims[i] = ran_type_extent(type, i);
    ran_tensor *tensor = ran_tensor_create(ran_type_elem(type), ran_type_rank(type), dims);
    for (int64_t i = 0; i < ran_tensor_numel(tensor); i++) {
        double x = net_uniform(&r, -2, 2);
        ran_tensor_set_f64(tensor, i, integer ? floor(x + 2) : x);
    }
    return tensor;
}

/* The model's own value for an argument of that name, or NULL. */
static ran_tensor *state_of(const ran_module *model, const ran_value *argument)
{
    ran_value *c = model ? ran_module_first_constant(model) : NULL;
    for (; c; c = ran_constant_next(c))
        if (ran_value_name(c) && ran_value_name(c) == ran_value_name(argument))
            return ran_tensor_retain((ran_tensor *)ran_value_constant(c));
    return NULL;
}

static void interpret(step *s)
{
    ran_region *body = ran_function_body(s->function);
    s->inputs = ran_region_argument_count(body);
    s->outputs = ran_op_operand_count(ran_region_terminator(body));
    ck_assert(s->inputs <= STEP_VALUES && s->outputs <= STEP_VALUES);
    for (size_t i = 0; i < s->inputs; i++)
        if (!(s->input[i] = state_of(s->model, ran_region_argument(body, i))))
            s->input[i] = input_of(ran_region_argument(body, i), i);
    for (size_t i = 0; i < s->outputs; i++)
        s->updates[i] = ran_function_updates(s->function, i);
    if (ran_evaluate(s->function, (const ran_tensor *const *)s->input, s->inputs, s->expected,
                     s->outputs) != RAN_OK)
        give_up(s, "the evaluator fails");
}

/* ---- Native code --------------------------------------------------------------------- */

static void run_once(step *s, const struct ran_model_desc *desc, const void *weights,
                     unsigned slots, void **outputs)
{
    const struct ran_parallel parallel = {slots, run_slots};
    const void *inputs[STEP_VALUES];
    for (size_t i = 0; i < s->inputs; i++)
        inputs[i] = ran_tensor_data(s->input[i]);
    for (size_t i = 0; i < s->outputs; i++) {
        outputs[i] = malloc(ran_tensor_bytes(s->expected[i]) + 1);
        memset(outputs[i], 0xff, ran_tensor_bytes(s->expected[i]));
        if (s->updates[i] < 0)
            continue;
        const ran_tensor *state = s->input[s->updates[i]];
        inputs[s->updates[i]] =
            memcpy(outputs[i], ran_tensor_data(state), ran_tensor_bytes(state));
    }
    size_t size = desc->workspace_size(NULL, slots);
    char *workspace = malloc(size + 1);
    memset(workspace, 0xff, size + 1);
    if (desc->run(NULL, inputs, outputs, NULL, workspace + 1, slots > 1 ? &parallel : NULL,
                  weights) != RAN_RUN_OK)
        give_up(s, "the code returns an error");
    free(workspace);
}

static void compare(step *s, size_t index, const void *output)
{
    const ran_tensor *expected = s->expected[index];
    ran_tensor *got =
        ran_tensor_wrap(ran_tensor_elem(expected), ran_tensor_rank(expected),
                        ran_tensor_dims(expected), (void *)output, NULL, NULL);
    double distance = tensor_distance(expected, got);
    ran_tensor_release(got);
    if (distance > s->tolerance) {
        fprintf(stderr, "result %zu (%s) is off by %g\n", index,
                ran_function_output_name(s->function, index), distance);
        give_up(s, "the code computes something else");
    }
}

static void run_with(step *s, const struct ran_model_desc *desc, const void *weights,
                     unsigned slots)
{
    void *outputs[STEP_VALUES];
    run_once(s, desc, weights, slots, outputs);
    for (size_t i = 0; i < s->outputs; i++) {
        if (slots == 1) {
            compare(s, i, outputs[i]);
            s->first[i] = outputs[i];
            continue;
        }
        if (memcmp(outputs[i], s->first[i], ran_tensor_bytes(s->expected[i])) != 0)
            give_up(s, "the number of slots changes the result");
        free(outputs[i]);
    }
}

static void compile_and_run(step *s, bool winograd)
{
    const struct ran_model_desc *desc;
    const void *weights;
    ran_compiled *compiled = NULL;
    ran_compile_options options = {
        .weights = RAN_WEIGHTS_FILE, .target = s->target, .winograd = winograd};
    ran_module *lowered = ran_module_clone(s->module);
    if (ran_compile(lowered, &options, &compiled) != RAN_OK ||
        ran_compiled_load(compiled, &desc, &weights) != RAN_OK)
        give_up(s, "does not compile");
    for (unsigned slots = 1; slots <= 7; slots += slots == 3 ? 4 : 1)
        run_with(s, desc, weights, slots);
    for (size_t i = 0; i < s->outputs; i++)
        free(s->first[i]);
    ran_compiled_destroy(compiled);
    ran_module_destroy(lowered);
}

static void check_file(const char *path, void *data)
{
    const char *const *targets = data;
    step s = {.path = path, .context = ran_context_create(), .tolerance = 1e-4};
    char *text = read_text(path);
    if (ran_module_parse(s.context, text, strlen(text), path, &s.module) != RAN_OK)
        give_up(&s, "does not parse");
    s.function = ran_module_first_function(s.module);
    interpret(&s);
    for (; *targets; targets++) {
        s.target = strcmp(*targets, "native") ? *targets : NULL;
        compile_and_run(&s, false);
        compile_and_run(&s, true);
    }
    for (size_t i = 0; i < s.inputs; i++)
        ran_tensor_release(s.input[i]);
    for (size_t i = 0; i < s.outputs; i++)
        ran_tensor_release(s.expected[i]);
    ran_module_destroy(s.module);
    ran_context_destroy(s.context);
    free(text);
}

static void check_all(const char *const *targets)
{
    each_ran_file("steps", getenv("RAN_STEP"), check_file, (void *)targets);
}

START_TEST(steps_compute_what_the_evaluator_does)
{
    check_all((const char *const[]){"native", NULL});
}
END_TEST

/* Other vector widths. */
START_TEST(steps_run_on_lesser_targets)
{
#ifdef __x86_64__
    bool wide = __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma");
    check_all((const char *const[]){"x86-64", wide ? "x86-64-v3" : NULL, NULL});
#else
    check_all((const char *const[]){"native", NULL});
#endif
}
END_TEST

/* ---- Networks ------------------------------------------------------------------------ */

static void check_network(const char *name, const ran_zoo_options *options,
                          const ran_optimizer *optimizer)
{
    step s = {.path = name, .context = ran_context_create(), .tolerance = 1e-3};
    ran_loss loss = {.kind = RAN_LOSS_CROSS_ENTROPY, .weight = 1, .smoothing = 0.1};
    ran_training_spec spec = {.batch = 3,
                              .losses = &loss,
                              .loss_count = 1,
                              .drop_path = 0,
                              .dropout = 0.3,
                              .optimizer = *optimizer};
    if (ran_zoo_build(s.context, ran_zoo_find(name), options, &s.model) != RAN_OK ||
        ran_training_step_create(s.model, &spec, &s.module) != RAN_OK)
        give_up(&s, "there is no step");
    s.function = ran_module_first_function(s.module);
    interpret(&s);
    compile_and_run(&s, true);
    for (size_t i = 0; i < s.inputs; i++)
        ran_tensor_release(s.input[i]);
    for (size_t i = 0; i < s.outputs; i++)
        ran_tensor_release(s.expected[i]);
    ran_module_destroy(s.module);
    ran_module_destroy(s.model);
    ran_context_destroy(s.context);
}

START_TEST(whole_steps_compute_what_the_evaluator_does)
{
    ran_optimizer sgd = {.kind = RAN_OPTIMIZER_SGD, .momentum = 0.9, .weight_decay = 1e-4};
    ran_optimizer adam = {.kind = RAN_OPTIMIZER_ADAM,
                          .beta1 = 0.9,
                          .beta2 = 0.999,
                          .epsilon = 1e-8,
                          .clip_norm = 1,
                          .ema = 0.99};
    check_network("lenet", NULL, &sgd);
    check_network("lenet", NULL, &adam);
    check_network("resnet8", NULL, &sgd);
}
END_TEST

RAN_UNIT_TESTS(whole_steps_compute_what_the_evaluator_does, steps_compute_what_the_evaluator_does, steps_run_on_lesser_targets)
