/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Random sequences of linear ops, collapsed: the same function, everywhere on the map, by the
 * reference evaluator and in native code; exactly the same where all numbers are small integers.
 */
#include <ran/compile.h>

#include "tests/harness/unit.h"
#include "tests/harness/random_chain.h"
#include "tests/harness/random_network.h"

static void give_up(const random_chain *r, const ran_module *original, uint64_t seed,
                    const char *what)
{
    ran_diagnostics_print(r->context, stderr);
    if (ran_module_print(original, stderr, NULL) || ran_module_print(r->module, stderr, NULL))
        fputs("(can't be printed)\n", stderr);
    ck_abort_msg("seed %llu: %s", (unsigned long long)seed, what);
}

static ran_tensor *evaluate(const ran_module *module, const ran_tensor *input)
{
    ran_tensor *result = NULL;
    const ran_function *main = ran_module_find_function(module, "main");
    ck_assert_int_eq(ran_evaluate(main, &input, 1, &result, 1), RAN_OK);
    return result;
}

static void run_passes(ran_context *context, ran_module *module, const char *passes)
{
    ran_pass_manager *manager = ran_pass_manager_create(context);
    ck_assert_int_eq(ran_pass_manager_add_passes(manager, passes), RAN_OK);
    ck_assert_int_eq(ran_pass_manager_set_option(manager, "verify-each", NULL), RAN_OK);
    ck_assert_int_eq(ran_pass_manager_run(manager, module), RAN_OK);
    ran_pass_manager_destroy(manager);
}

static size_t count_ops(const ran_module *module)
{
    size_t count = 0;
    const ran_region *body = ran_function_body(ran_module_first_function(module));
    for (const ran_op *op = ran_region_first(body); op; op = ran_op_next(op))
        count++;
    return count;
}

typedef struct variant {
    const char *passes;
    bool integers, symbolic;
    double tolerance; /* 0: equal bit by bit */
    uint64_t first, count;
    size_t least_collapsed; /* modules that must have become smaller */
} variant;

static bool check_one(const variant *v, uint64_t seed)
{
    random_chain r = {.integers = v->integers, .symbolic = v->symbolic};
    ran_context *context = ran_context_create();
    random_chain_build(&r, context, seed, 2 + (int)(seed % 4));
    ran_module *original = ran_module_clone(r.module);
    ran_tensor *input = random_chain_input(&r);
    run_passes(context, r.module, v->passes);
    ran_tensor *expected = NULL;
    const ran_tensor *inputs[] = {input};
    bool runs = ran_evaluate(ran_module_first_function(original), inputs, 1, &expected, 1) == RAN_OK;
    bool changed = false;
    if (runs) {
        ran_tensor *got = evaluate(r.module, input);
        double distance = tensor_distance(expected, got);
        if (distance > v->tolerance) {
            fprintf(stderr, "off by %g\n", distance);
            give_up(&r, original, seed, "collapsing changes the function");
        }
        changed = count_ops(r.module) < count_ops(original);
        ran_tensor_release(got);
        ran_tensor_release(expected);
    }
    ran_tensor_release(input);
    ran_module_destroy(original);
    ran_module_destroy(r.module);
    ran_context_destroy(context);
    return changed;
}

static void check(const variant *v)
{
    size_t changed = 0;
    for (uint64_t seed = v->first; seed < v->first + v->count; seed++)
        changed += check_one(v, seed);
    ck_assert_uint_ge(changed, v->least_collapsed);
}

START_TEST(always_keeps_the_function)
{
    check(&(variant){.passes = "collapse-linear{mode=always}", .tolerance = 1e-5, .count = 700,
                     .least_collapsed = 300});
}
END_TEST

START_TEST(integers_stay_exact)
{
    check(&(variant){.passes = "collapse-linear{mode=always}", .integers = true, .first = 5000,
                     .count = 500, .least_collapsed = 200});
}
END_TEST

START_TEST(ones_keep_the_function)
{
    check(&(variant){.passes = "collapse-linear{mode=always;border=ones}", .tolerance = 1e-5,
                     .first = 10000, .count = 400, .least_collapsed = 150});
}
END_TEST

START_TEST(tiles_keep_the_function)
{
    check(&(variant){.passes = "collapse-linear{mode=always;border=tile}", .tolerance = 1e-5,
                     .first = 20000, .count = 400, .least_collapsed = 60});
}
END_TEST

START_TEST(symbolic_sizes_keep_the_function)
{
    check(&(variant){.passes = "collapse-linear{mode=always}", .symbolic = true, .tolerance = 1e-5,
                     .first = 30000, .count = 400, .least_collapsed = 80});
}
END_TEST

START_TEST(cost_keeps_the_function)
{
    check(&(variant){.passes = "collapse-linear", .tolerance = 1e-5, .first = 40000, .count = 300,
                     .least_collapsed = 80});
    check(&(variant){.passes = "collapse-linear{mode=always;duplicate=true}", .tolerance = 1e-5,
                     .first = 41000, .count = 300, .least_collapsed = 80});
}
END_TEST

/* ---- The rule for borders ------------------------------------------------------------------------ */

/* The chain as one plain layer: without its border treatment. */
static ran_tensor *run_plain(const random_chain *r, const ran_tensor *input)
{
    ran_module *module = ran_module_clone(r->module);
    run_passes(r->context, module, "collapse-linear{mode=always;border=ignore;range=1}");
    ran_tensor *result = evaluate(module, input);
    ran_module_destroy(module);
    return result;
}

/* Exact iff no layer with a pad follows one that is wider than 1, along the same axis. */
static bool rule_says_exact(const random_chain *r)
{
    const ran_region *body = ran_function_body(r->function);
    bool wide[3] = {false, false, false};
    for (const ran_op *op = ran_region_first(body); op; op = ran_op_next(op)) {
        if (!ran_op_is(op, RAN_OP_CONV))
            continue;
        const int64_t *pads = ran_op_ints(op, "pads", NULL);
        for (int i = 0; i < r->spatial; i++) {
            if (wide[i] && (pads[i] || pads[r->spatial + i]))
                return false;
            wide[i] = wide[i] ||
                      ran_type_extent(ran_value_type(ran_op_operand(op, 1)), 2 + i) > 1;
        }
    }
    return true;
}

START_TEST(the_rule_tells_which_chains_need_no_border)
{
    size_t exact = 0, wrong = 0, tried = 0;
    for (uint64_t seed = 50000; seed < 50700; seed++) {
        random_chain r = {.integers = true, .convolutions = true, .unbiased = true};
        ran_context *context = ran_context_create();
        random_chain_build(&r, context, seed, 2 + (int)(seed % 3));
        ran_tensor *input = random_chain_input(&r), *expected = evaluate(r.module, input);
        if (count_ops(r.module) > 2) {
            ran_tensor *plain = run_plain(&r, input);
            double distance = tensor_distance(expected, plain);
            tried++;
            if (rule_says_exact(&r)) {
                exact++;
                if (distance != 0)
                    give_up(&r, r.module, seed, "the rule calls it exact");
            } else {
                wrong += distance != 0;
            }
            ran_tensor_release(plain);
        }
        ran_tensor_release(input);
        ran_tensor_release(expected);
        ran_module_destroy(r.module);
        ran_context_destroy(context);
    }
    /* Both kinds occur; of those that the rule calls wrong most are: weights of 0 and pads that no
     * window reaches hide some. */
    ck_assert_uint_ge(exact, 20);
    ck_assert_uint_ge(wrong * 10, (tried - exact) * 5);
}
END_TEST

/* ---- The bound of border=ignore ---------------------------------------------------------------------- */

static double ignored_bound(const ran_context *context)
{
    double sum = 0;
    for (size_t i = 0; i < ran_diagnostic_count(context); i++) {
        const char *text = strstr(ran_diagnostic_at(context, i)->message, "off by up to ");
        sum += text ? strtod(text + 13, NULL) : 0;
    }
    return sum;
}

static double largest_difference(const ran_tensor *a, const ran_tensor *b)
{
    double largest = 0;
    for (int64_t i = 0; i < ran_tensor_numel(a); i++)
        largest = fmax(largest, fabs(ran_tensor_get_f64(a, i) - ran_tensor_get_f64(b, i)));
    return largest;
}

/* One layer, so that its error is the function's. */
START_TEST(ignoring_the_border_stays_within_its_bound)
{
    size_t differs = 0;
    for (uint64_t seed = 60000; seed < 60400; seed++) {
        random_chain r = {.convolutions = true};
        ran_context *context = ran_context_create();
        random_chain_build(&r, context, seed, 2 + (int)(seed % 3));
        ran_tensor *input = random_chain_input(&r), *expected = evaluate(r.module, input);
        ran_tensor *plain = run_plain(&r, input);
        double bound = ignored_bound(context), error = largest_difference(expected, plain);
        differs += error > 1e-3;
        if (error > bound * 1.0001 + 1e-4) {
            fprintf(stderr, "off by %g, the bound is %g\n", error, bound);
            give_up(&r, r.module, seed, "the bound does not hold");
        }
        ran_tensor_release(plain);
        ran_tensor_release(input);
        ran_tensor_release(expected);
        ran_module_destroy(r.module);
        ran_context_destroy(context);
    }
    ck_assert_uint_ge(differs, 100);
}
END_TEST

RAN_UNIT_TESTS(always_keeps_the_function, integers_stay_exact, ones_keep_the_function,
               tiles_keep_the_function, symbolic_sizes_keep_the_function, cost_keeps_the_function,
               the_rule_tells_which_chains_need_no_border,
               ignoring_the_border_stays_within_its_bound)
