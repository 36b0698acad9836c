/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Random networks through the exact passes: every level keeps the function. */
#include <ran/pass.h>

#include "tests/harness/unit.h"
#include "tests/harness/random_network.h"

static void give_up(ran_context *context, const ran_module *module, uint64_t seed, const char *what)
{
    ran_diagnostics_print(context, stderr);
    if (ran_module_print(module, stderr, NULL) != RAN_OK)
        fputs("(can't be printed)\n", stderr);
    ck_abort_msg("seed %llu: %s", (unsigned long long)seed, what);
}

static size_t run(ran_context *context, ran_module *module, uint64_t seed, ran_tensor **results)
{
    ran_function *main = ran_module_find_function(module, "main");
    ran_region *body = ran_function_body(main);
    ran_tensor *inputs[2];
    size_t count = ran_op_operand_count(ran_region_terminator(body));
    ck_assert_uint_eq(ran_region_argument_count(body), 2);
    for (size_t i = 0; i < 2; i++)
        inputs[i] = random_input(ran_region_argument(body, i), 3, seed + i);
    if (ran_evaluate(main, (const ran_tensor *const *)inputs, 2, results, count) != RAN_OK)
        give_up(context, module, seed, "does not run");
    for (size_t i = 0; i < 2; i++)
        ran_tensor_release(inputs[i]);
    return count;
}

static void optimize(ran_context *context, ran_module *module, const char *level, uint64_t seed)
{
    ran_pass_manager *manager = ran_pass_manager_create(context);
    ck_assert_int_eq(ran_pass_manager_set_level(manager, level), RAN_OK);
    ck_assert_int_eq(ran_pass_manager_set_option(manager, "verify-each", NULL), RAN_OK);
    if (ran_pass_manager_run(manager, module) != RAN_OK)
        give_up(context, module, seed, "a pass fails");
    ran_pass_manager_destroy(manager);
}

static void check_level(const char *level, uint64_t first, uint64_t count)
{
    for (uint64_t seed = first; seed < first + count; seed++) {
        ran_context *context = ran_context_create();
        int layers = 8 + (int)(seed % 20);
        ran_module *module = random_network_create(context, seed, layers, seed % 3 == 0);
        ran_tensor *before[NETWORK_RESULTS], *after[NETWORK_RESULTS];
        if (ran_module_verify(module) != RAN_OK)
            give_up(context, module, seed, "does not verify");
        size_t results = run(context, module, seed, before);
        ran_module *original = ran_module_clone(module);
        optimize(context, module, level, seed);
        ck_assert_uint_eq(run(context, module, seed, after), results);
        for (size_t i = 0; i < results; i++) {
            double distance = tensor_distance(before[i], after[i]);
            /* What -O promises. Usually it is 1e-6, but a LayerNorm over two elements that are nearly
             * equal multiplies their rounding by up to 1/sqrt(epsilon) = 316. */
            if (distance > 1e-3) {
                fprintf(stderr, "result %zu is off by %g at -O%s\n", i, distance, level);
                give_up(context, original, seed, "the passes change the function");
            }
            ran_tensor_release(before[i]);
            ran_tensor_release(after[i]);
        }
        ran_module_destroy(original);
        ran_module_destroy(module);
        ran_context_destroy(context);
    }
}

START_TEST(level_1_keeps_the_function)
{
    check_level("1", 0, 60);
}
END_TEST

START_TEST(level_2_keeps_the_function)
{
    check_level("2", 1000, 100);
}
END_TEST

START_TEST(level_3_keeps_the_function)
{
    check_level("3", 2000, 100);
}
END_TEST

START_TEST(size_level_keeps_the_function)
{
    check_level("s", 3000, 40);
}
END_TEST

RAN_UNIT_TESTS(level_1_keeps_the_function, level_2_keeps_the_function, level_3_keeps_the_function,
               size_level_keeps_the_function)
