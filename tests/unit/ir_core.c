/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Modules, values, ops: built, edited, cloned, evaluated. */
#include "ir/ir.h"

#include "tests/harness/unit.h"

static ran_context *context;
static ran_module *module;
static ran_function *function;

static void setup(void)
{
    context = ran_context_create();
    module = ran_module_create(context);
    function = ran_function_create(module, "main");
}

static void teardown(void)
{
    ran_module_destroy(module);
    ran_context_destroy(context);
}

static ran_value *add_input(const char *name, int64_t extent)
{
    return ran_region_add_argument(ran_function_body(function), name,
                                   ran_type_tensor_i64(context, RAN_ELEM_I64, 1, &extent));
}

START_TEST(interns_strings_dims_and_types)
{
    setup();
    const ran_dim *n = ran_dim_symbol(context, "N");
    int64_t dims[] = {2, 3};
    ck_assert_ptr_eq(ran_intern(context, "abc"), ran_intern_n(context, "abcdef", 3));
    ck_assert_ptr_eq(n, ran_dim_symbol(context, "N"));
    ck_assert_ptr_ne(ran_dim_fresh(context), ran_dim_fresh(context));
    ck_assert_ptr_eq(ran_type_tensor_i64(context, RAN_ELEM_F32, 2, dims),
                     ran_type_tensor_i64(context, RAN_ELEM_F32, 2, dims));
    ck_assert_ptr_ne(ran_type_tensor_i64(context, RAN_ELEM_F32, 2, dims),
                     ran_type_tensor_i64(context, RAN_ELEM_F32, 1, dims));
    teardown();
}
END_TEST

START_TEST(parses_op_rows)
{
    setup();
    const ran_op_def *conv = ran_op_definition(RAN_OP_CONV);
    ck_assert_uint_eq(conv->operand_count, 3);
    ck_assert_uint_eq(conv->min_operands, 2);
    ck_assert_str_eq(conv->operands[2].name, "b");
    ck_assert(conv->operands[2].optional);
    ck_assert_int_eq(ran_attr_spec_find(RAN_OP_CONV, "group")->int_default, 1);
    ck_assert_str_eq(ran_attr_spec_find(RAN_OP_CONV, "auto_pad")->string_default, "NOTSET");
    ck_assert(ran_attr_spec_find(RAN_OP_CAST, "to")->required);
    ck_assert(ran_op_definition(RAN_OP_CONCAT)->operands[0].variadic);
    ck_assert_double_eq(ran_attr_spec_find(RAN_OP_SELU, "gamma")->float_default,
                        1.05070102214813232421875);
    ck_assert_double_eq(ran_attr_spec_find(RAN_OP_LAYER_NORMALIZATION, "epsilon")->float_default,
                        (double)1e-5f);
    ck_assert_ptr_null(ran_attr_spec_find(RAN_OP_RELU, "alpha"));
    teardown();
}
END_TEST

START_TEST(keeps_uses_and_order)
{
    setup();
    ran_value *x = add_input("x", 4), *y = add_input("y", 4);
    ran_builder b = ran_builder_at_end(ran_function_body(function));
    ran_op *sum = ran_op_create(&b, RAN_OP_ADD, 2, (ran_value *[]){x, x}, 1);
    ran_op *product =
        ran_op_create(&b, RAN_OP_MUL, 2, (ran_value *[]){ran_op_result(sum, 0), y}, 1);
    ck_assert_uint_eq(ran_value_use_count(x), 2);
    ck_assert(ran_op_is_before(sum, product));
    ck_assert(!ran_op_is_before(product, sum));
    ck_assert(ran_value_dominates(ran_op_result(sum, 0), product));
    ck_assert(!ran_value_dominates(ran_op_result(product, 0), sum));
    ran_value_replace_uses(x, y);
    ck_assert(!ran_value_has_uses(x));
    ck_assert_uint_eq(ran_value_use_count(y), 3);
    ran_op_replace(sum, &x);
    ck_assert_ptr_eq(ran_op_operand(product, 0), x);
    ck_assert_uint_eq(ran_value_use_count(y), 1);
    teardown();
}
END_TEST

RAN_UNIT_TESTS(interns_strings_dims_and_types, parses_op_rows, keeps_uses_and_order)
