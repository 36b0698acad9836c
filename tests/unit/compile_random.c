/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Random networks, compiled and run in this process: equal to the reference evaluator at every
 * level and, bit by bit, at every number of slots.
 */
#include <ran/compile.h>
#include <ran/pass.h>
#include <string.h>

#include "tests/harness/compiled.h"
#include "tests/harness/random_network.h"

typedef struct run_state {
    ran_context *context;
    ran_module *original, *lowered;
    ran_tensor *inputs[2];
    ran_tensor *expected[NETWORK_RESULTS];
    void *outputs[NETWORK_RESULTS];
    size_t result_count;
    int64_t batch; /* 0: not symbolic */
    uint64_t seed;
    const char *level;
} run_state;

static void give_up(const run_state *s, const char *what)
{
    ran_diagnostics_print(s->context, stderr);
    if (ran_module_print(s->original, stderr, NULL) != RAN_OK)
        fputs("(can't be printed)\n", stderr);
    ck_abort_msg("seed %llu at -O%s: %s", (unsigned long long)s->seed, s->level, what);
}

static void interpret(run_state *s)
{
    ran_function *main = ran_module_find_function(s->original, "main");
    ran_region *body = ran_function_body(main);
    s->result_count = ran_op_operand_count(ran_region_terminator(body));
    for (size_t i = 0; i < 2; i++)
        s->inputs[i] = random_input(ran_region_argument(body, i), s->batch, s->seed + i);
    if (ran_evaluate(main, (const ran_tensor *const *)s->inputs, 2, s->expected,
                     s->result_count) != RAN_OK)
        give_up(s, "does not run");
}

static void optimize(run_state *s)
{
    ran_pass_manager *manager = ran_pass_manager_create(s->context);
    ck_assert_int_eq(ran_pass_manager_set_level(manager, s->level), RAN_OK);
    if (ran_pass_manager_run(manager, s->lowered) != RAN_OK)
        give_up(s, "a pass fails");
    ran_pass_manager_destroy(manager);
}

/* ---- Native code --------------------------------------------------------------------- */

static int run_once(run_state *s, const struct ran_model_desc *desc, const void *weights,
                    unsigned slots, void *const *outputs)
{
    const struct ran_parallel parallel = {slots, run_slots};
    const void *inputs[2] = {ran_tensor_data(s->inputs[0]), ran_tensor_data(s->inputs[1])};
    size_t size = desc->workspace_size(&s->batch, slots);
    /* One byte off any alignment, full of NaN: nothing may be read before it is written. */
    char *workspace = malloc(size + 1);
    memset(workspace, 0xff, size + 1);
    int status = desc->run(&s->batch, inputs, outputs, NULL, workspace + 1,
                           slots > 1 ? &parallel : NULL, weights);
    free(workspace);
    return status;
}

static void compare(run_state *s, size_t index, const void *output)
{
    const ran_tensor *expected = s->expected[index];
    ran_tensor *got =
        ran_tensor_wrap(ran_tensor_elem(expected), ran_tensor_rank(expected),
                        ran_tensor_dims(expected), (void *)output, NULL, NULL);
    double distance = tensor_distance(expected, got);
    ran_tensor_release(got);
    if (distance > 1e-4) {
        fprintf(stderr, "result %zu is off by %g\n", index, distance);
        give_up(s, "the code computes something else");
    }
}

static void run_compiled(run_state *s, const struct ran_model_desc *desc, const void *weights)
{
    static const unsigned slots[] = {1, 2, 3, 7};
    for (size_t k = 0; k < sizeof slots / sizeof *slots; k++) {
        void *outputs[NETWORK_RESULTS];
        for (size_t i = 0; i < s->result_count; i++)
            outputs[i] = calloc(1, ran_tensor_bytes(s->expected[i]) + 1);
        if (run_once(s, desc, weights, slots[k], outputs) != RAN_RUN_OK)
            give_up(s, "the code returns an error");
        for (size_t i = 0; i < s->result_count; i++) {
            if (k == 0) {
                compare(s, i, outputs[i]);
                s->outputs[i] = outputs[i];
                continue;
            }
            if (memcmp(outputs[i], s->outputs[i], ran_tensor_bytes(s->expected[i])) != 0)
                give_up(s, "the number of slots changes the result");
            free(outputs[i]);
        }
    }
}

static void check_batch(run_state *s, const struct ran_model_desc *desc, const void *weights)
{
    interpret(s);
    run_compiled(s, desc, weights);
    for (size_t i = 0; i < s->result_count; i++) {
        free(s->outputs[i]);
        ran_tensor_release(s->expected[i]);
    }
    ran_tensor_release(s->inputs[0]);
    ran_tensor_release(s->inputs[1]);
}

/* Targets that this machine runs: their lanes and tiles differ. NULL is the machine itself. */
static const char *target_of(uint64_t seed)
{
#ifdef __x86_64__
    if (seed % 5 == 1)
        return "x86-64";
    if (seed % 5 == 2 && __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma"))
        return "x86-64-v3";
    if (seed % 5 == 3)
        return "x86-64-v2";
#endif
    (void)seed;
    return NULL;
}

static void check_network(uint64_t seed, int layers, const char *level)
{
    bool symbolic = seed % 4 == 0;
    run_state s = {.context = ran_context_create(), .seed = seed, .level = level};
    const struct ran_model_desc *desc;
    const void *weights;
    ran_compiled *compiled = NULL;
    ran_compile_options options = {
        .weights = RAN_WEIGHTS_FILE, .target = target_of(seed), .winograd = seed / 2 % 2};
    s.original = random_network_create(s.context, seed, layers, symbolic);
    s.lowered = ran_module_clone(s.original);
    optimize(&s);
    if (ran_compile(s.lowered, &options, &compiled) != RAN_OK ||
        ran_compiled_load(compiled, &desc, &weights) != RAN_OK)
        give_up(&s, "does not compile");
    for (s.batch = symbolic; s.batch <= (symbolic ? 7 : 0); s.batch += 3)
        check_batch(&s, desc, weights);
    ran_compiled_destroy(compiled);
    ran_module_destroy(s.lowered);
    ran_module_destroy(s.original);
    ran_context_destroy(s.context);
}

/* RAN_SEEDS=FIRST:COUNT looks further than the few of every day. */
static void check_seeds(const char *level, uint64_t first, uint64_t count)
{
    const char *asked = getenv("RAN_SEEDS");
    unsigned long long from, many;
    if (asked && sscanf(asked, "%llu:%llu", &from, &many) == 2) {
        first = from;
        count = many;
    }
    for (uint64_t seed = first; seed < first + count; seed++)
        check_network(seed, 3 + (int)(seed % 8), level);
}

START_TEST(level_0_computes_the_same)
{
    check_seeds("0", 0, 6);
}
END_TEST

START_TEST(level_2_computes_the_same)
{
    check_seeds("2", 100, 6);
}
END_TEST

START_TEST(level_3_computes_the_same)
{
    check_seeds("3", 200, 6);
}
END_TEST

RAN_UNIT_TESTS(level_0_computes_the_same, level_2_computes_the_same, level_3_computes_the_same)
