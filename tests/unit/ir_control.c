/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Control flow and the evaluator's driver: regions, captured values, sizes, memory, errors. */
#include "ir/ir.h"
#include "tests/harness/unit.h"

#include <string.h>
#include <sys/resource.h>

static ran_context *context;
static ran_module *module;

static void parse(const char *text)
{
    context = ran_context_create();
    if (ran_module_parse(context, text, strlen(text), "test.ran", &module) != RAN_OK) {
        ran_diagnostics_print(context, stderr);
        ck_abort_msg("does not parse");
    }
}

static void verify(void)
{
    if (ran_module_verify(module) != RAN_OK) {
        ran_diagnostics_print(context, stderr);
        ck_abort_msg("does not verify");
    }
}

static void close_all(void)
{
    ran_module_destroy(module);
    ran_context_destroy(context);
}

static ran_tensor *floats(int64_t count, const double *values)
{
    ran_tensor *t = ran_tensor_create(RAN_ELEM_F32, 1, &count);
    for (int64_t i = 0; i < count; i++)
        ran_tensor_set_f64(t, i, values[i]);
    return t;
}

static ran_tensor *scalar(ran_elem elem, int64_t value)
{
    ran_tensor *t = ran_tensor_create(elem, 0, NULL);
    ran_tensor_set_i64(t, 0, value);
    return t;
}

static ran_status run(ran_tensor *const *inputs, size_t input_count, ran_tensor **results,
                      size_t result_count)
{
    ran_status status =
        ran_evaluate(ran_module_find_function(module, "main"),
                     (const ran_tensor *const *)inputs, input_count, results, result_count);
    for (size_t i = 0; i < input_count; i++)
        ran_tensor_release(inputs[i]);
    return status;
}

static void check_floats(ran_tensor *t, int rank, const int64_t *dims, const double *values)
{
    ck_assert_int_eq(ran_tensor_rank(t), rank);
    for (int i = 0; i < rank; i++)
        ck_assert_int_eq(ran_tensor_dims(t)[i], dims[i]);
    for (int64_t i = 0; i < ran_tensor_numel(t); i++)
        ck_assert_double_eq(ran_tensor_get_f64(t, i), values[i]);
    ran_tensor_release(t);
}

static void check_error(ran_status status, ran_status expected, const char *part)
{
    ck_assert_int_eq(status, expected);
    ck_assert_uint_gt(ran_diagnostic_count(context), 0);
    const char *message = ran_diagnostic_at(context, ran_diagnostic_count(context) - 1)->message;
    ck_assert_msg(strstr(message, part) != NULL, "\"%s\" lacks \"%s\"", message, part);
}

START_TEST(if_runs_one_branch_with_outer_values)
{
    parse("func @main(%c: tensor<bool>, %x: tensor<2xf32>) -> (%y: tensor<2xf32>) {\n"
          "  %d = add %x, %x : tensor<2xf32>\n"
          "  %r = if %c : tensor<2xf32> () {\n"
          "    %n = neg %d : tensor<2xf32>\n"
          "    yield %n\n"
          "  } () {\n"
          "    yield %x\n"
          "  }\n"
          "  return %r\n"
          "}\n");
    verify();
    for (int64_t c = 0; c < 2; c++) {
        ran_tensor *result;
        ran_tensor *inputs[] = {scalar(RAN_ELEM_BOOL, c), floats(2, (double[]){1, 2})};
        ck_assert_int_eq(run(inputs, 2, &result, 1), RAN_OK);
        check_floats(result, 1, (int64_t[]){2}, c ? (double[]){-2, -4} : (double[]){1, 2});
    }
    close_all();
}
END_TEST

START_TEST(loop_carries_and_stacks)
{
    parse("const @go = tensor<bool> [true]\n"
          "func @main(%n: tensor<i64>, %x: tensor<2xf32>)"
          " -> (%y: tensor<2xf32>, %s: tensor<(?0)x2xf32>) {\n"
          "  %r, %s = loop %n, @go, %x : tensor<2xf32>, tensor<(?0)x2xf32>"
          " (%i: tensor<i64>, %c: tensor<bool>, %a: tensor<2xf32>) {\n"
          "    %t = add %a, %x : tensor<2xf32>\n"
          "    yield %c, %t, %t\n"
          "  }\n"
          "  return %r, %s\n"
          "}\n");
    verify();
    ran_tensor *results[2];
    ran_tensor *inputs[] = {scalar(RAN_ELEM_I64, 3), floats(2, (double[]){1, 2})};
    ck_assert_int_eq(run(inputs, 2, results, 2), RAN_OK);
    check_floats(results[0], 1, (int64_t[]){2}, (double[]){4, 8});
    check_floats(results[1], 2, (int64_t[]){3, 2}, (double[]){2, 4, 3, 6, 4, 8});
    ran_tensor *none[] = {scalar(RAN_ELEM_I64, 0), floats(2, (double[]){1, 2})};
    ck_assert_int_eq(run(none, 2, results, 2), RAN_OK);
    check_floats(results[0], 1, (int64_t[]){2}, (double[]){1, 2});
    check_floats(results[1], 2, (int64_t[]){0, 2}, NULL);
    close_all();
}
END_TEST

START_TEST(loop_ends_by_its_condition_and_knows_the_iteration)
{
    parse("const @go = tensor<bool> [true]\n"
          "const @limit = tensor<i64> [4]\n"
          "func @main(%x: tensor<i64>) -> (%y: tensor<i64>) {\n"
          "  %r = loop _, @go, %x : tensor<i64>"
          " (%i: tensor<i64>, %c: tensor<bool>, %a: tensor<i64>) {\n"
          "    %t = add %a, %i : tensor<i64>\n"
          "    %more = less %i, @limit : tensor<bool>\n"
          "    yield %more, %t\n"
          "  }\n"
          "  return %r\n"
          "}\n");
    verify();
    ran_tensor *inputs[] = {scalar(RAN_ELEM_I64, 100)}, *result;
    ck_assert_int_eq(run(inputs, 1, &result, 1), RAN_OK);
    ck_assert_int_eq(ran_tensor_get_i64(result, 0), 110); /* 0 + 1 + 2 + 3 + 4 */
    ran_tensor_release(result);
    close_all();
}
END_TEST

START_TEST(loop_lets_sizes_grow)
{
    context = ran_context_create();
    module = ran_module_create(context);
    ran_function *function = ran_function_create(module, "main");
    ran_region *body = ran_function_body(function);
    const ran_type *pair = ran_type_tensor_i64(context, RAN_ELEM_F32, 1, (int64_t[]){2});
    ran_value *n = ran_region_add_argument(
        body, "n", ran_type_tensor_i64(context, RAN_ELEM_I64, 0, NULL));
    ran_value *x = ran_region_add_argument(body, "x", pair);
    ran_builder b = ran_builder_at_end(body);
    ran_op *loop = ran_op_create(&b, RAN_OP_LOOP, 3, (ran_value *[]){n, NULL, x}, 1);
    ran_region *inner = ran_op_add_region(loop);
    for (int i = 0; i < 3; i++)
        ran_region_add_argument(inner, NULL, NULL);
    ran_builder in = ran_builder_at_end(inner);
    ran_op *grow = ran_op_create(&in, RAN_OP_CONCAT, 2,
                                 (ran_value *[]){ran_region_argument(inner, 2), x}, 1);
    ran_op_set_int(grow, "axis", 0);
    ran_op_create(&in, RAN_OP_YIELD, 2,
                  (ran_value *[]){ran_region_argument(inner, 1), ran_op_result(grow, 0)}, 0);
    ran_op_create(&b, RAN_OP_RETURN, 1, (ran_value *[]){ran_op_result(loop, 0)}, 0);
    ck_assert_int_eq(ran_function_infer_types(function), RAN_OK);
    verify();
    const ran_type *type = ran_value_type(ran_op_result(loop, 0));
    ck_assert_int_eq(ran_type_rank(type), 1);
    ck_assert_int_eq(ran_dim_get_kind(ran_type_dim(type, 0)), RAN_DIM_SYMBOL);
    ck_assert_int_eq(ran_function_infer_types(function), RAN_OK);
    ck_assert_ptr_eq(ran_value_type(ran_op_result(loop, 0)), type);
    ran_tensor *inputs[] = {scalar(RAN_ELEM_I64, 2), floats(2, (double[]){1, 2})}, *result;
    ck_assert_int_eq(run(inputs, 2, &result, 1), RAN_OK);
    check_floats(result, 1, (int64_t[]){6}, (double[]){1, 2, 1, 2, 1, 2});
    close_all();
}
END_TEST

START_TEST(call_runs_a_function_and_refuses_recursion)
{
    parse("func @main(%x: tensor<2xf32>) -> (%y: tensor<2xf32>) {\n"
          "  %r = call %x {callee = \"twice\"} : tensor<2xf32>\n"
          "  return %r\n"
          "}\n"
          "func @twice(%x: tensor<2xf32>) -> (%y: tensor<2xf32>) {\n"
          "  %r = add %x, %x : tensor<2xf32>\n"
          "  return %r\n"
          "}\n");
    verify();
    ran_tensor *inputs[] = {floats(2, (double[]){1, 2})}, *result;
    ck_assert_int_eq(run(inputs, 1, &result, 1), RAN_OK);
    check_floats(result, 1, (int64_t[]){2}, (double[]){2, 4});
    ran_op *call = ran_region_first(ran_function_body(ran_module_find_function(module, "main")));
    ran_op_set_string(call, "callee", "main");
    check_error(ran_module_verify(module), RAN_INVALID, "calls itself");
    ran_op_set_string(call, "callee", "nobody");
    check_error(ran_module_verify(module), RAN_INVALID, "there is no function nobody");
    close_all();
}
END_TEST

static const char kernel_text[] =
    "func @main(%x: tensor<2xf32>) -> (%y: tensor<2xf32>) {\n"
    "  %r = kernel %x {schedule = \"none\"} : tensor<2xf32> (%a: tensor<2xf32>) {\n"
    "    %s = add %a, %a : tensor<2xf32>\n"
    "    yield %s\n"
    "  }\n"
    "  return %r\n"
    "}\n";

START_TEST(kernel_is_isolated)
{
    parse(kernel_text);
    verify();
    ran_region *body = ran_function_body(ran_module_find_function(module, "main"));
    ran_op *inside = ran_region_first(ran_op_region(ran_region_first(body), 0));
    ran_tensor *inputs[] = {floats(2, (double[]){1, 2})}, *result;
    ck_assert_int_eq(run(inputs, 1, &result, 1), RAN_OK);
    check_floats(result, 1, (int64_t[]){2}, (double[]){2, 4});
    ran_op_set_operand(inside, 1, ran_region_argument(body, 0));
    check_error(ran_module_verify(module), RAN_INVALID, "outside of an isolated region");
    close_all();
}
END_TEST

START_TEST(verifier_names_what_is_wrong)
{
    parse(kernel_text);
    ran_region *body = ran_function_body(ran_module_find_function(module, "main"));
    ran_op *kernel = ran_region_first(body);
    ran_op_remove_attr(kernel, "schedule");
    check_error(ran_module_verify(module), RAN_INVALID, "attribute schedule is missing");
    ran_op_set_string(kernel, "schedule", "none");
    const ran_type *type = ran_value_type(ran_op_result(kernel, 0));
    ran_value_set_type(ran_op_result(kernel, 0), ran_type_with_elem(context, type, RAN_ELEM_F16));
    check_error(ran_module_verify(module), RAN_INVALID, "inference gives tensor<2xf32>");
    ran_value_set_type(ran_op_result(kernel, 0), type);
    verify();
    ran_builder b = ran_builder_before(kernel);
    ran_op *early = ran_op_create(&b, RAN_OP_NEG, 1, (ran_value *[]){ran_op_result(kernel, 0)}, 1);
    ck_assert_int_eq(ran_op_infer_types(early), RAN_OK);
    check_error(ran_module_verify(module), RAN_INVALID, "used before its definition");
    ran_op_set_operands(early, 0, NULL);
    check_error(ran_module_verify(module), RAN_INVALID, "has 0 operands, takes 1 to 1");
    ran_op_erase(early);
    ran_op *end = ran_region_terminator(body);
    ran_op_move_before(end, kernel);
    check_error(ran_module_verify(module), RAN_INVALID, "ends a region, but is no terminator");
    close_all();
}
END_TEST

START_TEST(inputs_must_fit)
{
    parse("func @main(%x: tensor<Nx3xf32>, %z: tensor<Nxf32>) -> (%y: tensor<Nx3xf32>) {\n"
          "  return %x\n"
          "}\n");
    verify();
    ran_tensor *result;
    ran_tensor *short_one[] = {floats(2, (double[]){1, 2}), floats(1, (double[]){1})};
    check_error(run(short_one, 2, &result, 1), RAN_INVALID,
                "input x of main: expected tensor<Nx3xf32>, got tensor<2xf32>");
    ran_tensor *whole = ran_tensor_create(RAN_ELEM_F32, 2, (int64_t[]){4, 3});
    ran_tensor *unequal[] = {ran_tensor_retain(whole), floats(2, (double[]){1, 2})};
    check_error(run(unequal, 2, &result, 1), RAN_INVALID, "but N is 4 in input x");
    ran_tensor *wrong_type[] = {ran_tensor_retain(whole), scalar(RAN_ELEM_I64, 1)};
    check_error(run(wrong_type, 2, &result, 1), RAN_INVALID, "got tensor<i64>");
    check_error(run((ran_tensor *[]){whole}, 1, &result, 1), RAN_INVALID,
                "main takes 2 inputs, 1 are given");
    close_all();
}
END_TEST

START_TEST(binding_a_dimension_makes_types_static)
{
    parse("func @main(%x: tensor<Nx3xf32>) -> (%y: tensor<(N * 2)x3xf32>) {\n"
          "  %r = concat %x, %x {axis = 0} : tensor<(N * 2)x3xf32>\n"
          "  return %r\n"
          "}\n");
    ran_function *main = ran_module_find_function(module, "main");
    ck_assert_int_eq(ran_function_bind_dim(main, "N", 5), RAN_OK);
    const ran_op *concat = ran_region_first(ran_function_body(main));
    ck_assert_int_eq(ran_type_extent(ran_value_type(ran_op_result(concat, 0)), 0), 10);
    check_error(ran_function_bind_dim(main, "M", 5), RAN_USAGE, "has a dimension M");
    close_all();
}
END_TEST

START_TEST(tensors_are_dropped_behind_their_last_use)
{
    enum { COUNT = 1 << 20, STEPS = 200 }; /* 4 MB each: 800 MB when all are kept */
    struct rusage usage;
    context = ran_context_create();
    module = ran_module_create(context);
    ran_function *function = ran_function_create(module, "main");
    ran_region *body = ran_function_body(function);
    int64_t count = COUNT;
    ran_value *x = ran_region_add_argument(body, "x",
                                           ran_type_tensor_i64(context, RAN_ELEM_F32, 1, &count));
    ran_builder b = ran_builder_at_end(body);
    ran_value *last = x;
    for (int i = 0; i < STEPS; i++)
        last = ran_build(&b, RAN_OP_NEG, 1, &last);
    ran_op_create(&b, RAN_OP_RETURN, 1, &last, 0);
    ran_tensor *input = ran_tensor_create(RAN_ELEM_F32, 1, &count), *result;
    ran_tensor_set_f64(input, 7, 2);
    ck_assert_int_eq(run(&input, 1, &result, 1), RAN_OK);
    ck_assert_double_eq(ran_tensor_get_f64(result, 7), 2);
    ran_tensor_release(result);
    getrusage(RUSAGE_SELF, &usage);
    ck_assert_msg(usage.ru_maxrss < 500 * 1024, "peak of %ld kB", usage.ru_maxrss);
    close_all();
}
END_TEST

START_TEST(counts_go_through_regions)
{
    parse("const @w = tensor<2xf32> [1, 2]\n"
          "func @main(%x: tensor<2xf32>) -> (%y: tensor<2xf32>) {\n"
          "  %r = kernel %x, @w {schedule = \"none\"} : tensor<2xf32>"
          " (%a: tensor<2xf32>, %b: tensor<2xf32>) {\n"
          "    %s = mul %a, %b : tensor<2xf32>\n"
          "    %t = relu %s : tensor<2xf32>\n"
          "    yield %t\n"
          "  }\n"
          "  return %r\n"
          "}\n");
    ran_counts counts = {0};
    ran_count_op(ran_region_first(ran_function_body(ran_module_find_function(module, "main"))),
                 &counts);
    ck_assert_int_eq(counts.parameters, 2);
    ck_assert_int_eq(counts.relu_elements, 2);
    ck_assert_int_eq(counts.nonlinear_elements, 2);
    ck_assert_int_eq(counts.activation_bytes, 8);
    close_all();
}
END_TEST

RAN_UNIT_TESTS(if_runs_one_branch_with_outer_values, loop_carries_and_stacks,
               loop_ends_by_its_condition_and_knows_the_iteration, loop_lets_sizes_grow,
               call_runs_a_function_and_refuses_recursion, kernel_is_isolated,
               verifier_names_what_is_wrong, inputs_must_fit,
               binding_a_dimension_makes_types_static,
               tensors_are_dropped_behind_their_last_use, counts_go_through_regions)
