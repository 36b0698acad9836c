/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The exporter: what comes back is the same function, in every opset and with every way of storing.
 */
#include "tests/harness/unit.h"

#include <dirent.h>
#include <string.h>
#include <unistd.h>

#include <ran/onnx.h>

/* Ops that ONNX lacks or got late, control flow, kernels, calls, names that clash. */
static const char text[] =
    "module {normalisation = \"none\"}\n"
    "const @w = tensor<4xf32> [1, 2, 3, 4]\n"
    "const @\"w/0\" = tensor<2x4xf32> noise(1, 0.5)\n"
    "const @two = tensor<i64> [2]\n"
    "const @yes = tensor<bool> [true]\n"
    "func @main(%x: tensor<2x4x3xf32>, %c: tensor<bool>) ->\n"
    "  (%y: tensor<2x4x3xf32>, %y: tensor<2x4x3xf32>, %again: tensor<2x4x3xf32>,\n"
    "   %x: tensor<2x4x3xf32>, %k: tensor<4xf32>) {\n"
    "  %0 = silu %x : tensor<2x4x3xf32> loc(\"act\": \"Silu\")\n"
    "  %y = gelu_erf %0 : tensor<2x4x3xf32> loc(\"act\")\n"
    "  %2 = gelu_tanh %y : tensor<2x4x3xf32>\n"
    "  %3 = swish %2 {alpha = 1.5} : tensor<2x4x3xf32>\n"
    "  %4 = mish %3 : tensor<2x4x3xf32>\n"
    "  %5 = group_normalization %4, @w, @w {num_groups = 2} : tensor<2x4x3xf32>\n"
    "  %6 = if %c : tensor<2x4x3xf32> () {\n"
    "    %7 = neg %5 : tensor<2x4x3xf32>\n"
    "    yield %7\n"
    "  } () {\n"
    "    yield %5\n"
    "  }\n"
    "  %8, %9 = loop @two, @yes, %6 : tensor<2x4x3xf32>, tensor<2x2x4x3xf32> "
    "(%i: tensor<i64>, %going: tensor<bool>, %s: tensor<2x4x3xf32>) {\n"
    "    %10 = add %s, %6 : tensor<2x4x3xf32>\n"
    "    yield %going, %10, %s\n"
    "  }\n"
    "  %11 = kernel %8, @w {schedule = \"elementwise\"} : tensor<2x4x3xf32> "
    "(%a: tensor<2x4x3xf32>, %b: tensor<4xf32>) {\n"
    "    %12 = tanh %a : tensor<2x4x3xf32>\n"
    "    yield %12\n"
    "  }\n"
    "  %13 = call %11 {callee = \"twice\"} : tensor<2x4x3xf32>\n"
    "  %14 = call %13 {callee = \"twice\"} : tensor<2x4x3xf32>\n"
    "  return %y, %14, %14, %x, @w\n"
    "}\n"
    "func @twice(%v: tensor<2x4x3xf32>) -> (%r: tensor<2x4x3xf32>) {\n"
    "  %0 = add %v, %v : tensor<2x4x3xf32>\n"
    "  return %0\n"
    "}\n";

enum { RESULTS = 5 };

static ran_context *context;
static char directory[32];

static void setup(void)
{
    strcpy(directory, "/tmp/ran_export_XXXXXX");
    ck_assert_ptr_nonnull(mkdtemp(directory));
    ck_assert_int_eq(chdir(directory), 0);
    context = ran_context_create();
}

static size_t file_count(void)
{
    size_t count = 0;
    DIR *dir = opendir(".");
    for (struct dirent *entry; (entry = readdir(dir));)
        count += entry->d_name[0] != '.';
    closedir(dir);
    return count;
}

static void teardown(void)
{
    ran_context_destroy(context);
    ck_assert_int_eq(chdir("/"), 0);
    char command[64];
    snprintf(command, sizeof(command), "rm -r %s", directory);
    ck_assert_int_eq(system(command), 0);
}

static ran_status check(ran_status status)
{
    if (status != RAN_OK)
        ran_diagnostics_print(context, stdout);
    return status;
}

static ran_module *parse(void)
{
    ran_module *module;
    ck_assert_int_eq(check(ran_module_parse(context, text, sizeof(text) - 1, "t", &module)),
                     RAN_OK);
    return module;
}

static ran_module *import(const char *path)
{
    ran_module *module;
    ck_assert_int_eq(check(ran_onnx_import(context, path, NULL, &module)), RAN_OK);
    ck_assert_int_eq(check(ran_module_verify(module)), RAN_OK);
    return module;
}

static void evaluate(const ran_module *module, ran_tensor *results[RESULTS])
{
    ran_tensor *inputs[] = {ran_tensor_create(RAN_ELEM_F32, 3, (int64_t[]){2, 4, 3}),
                            ran_tensor_create(RAN_ELEM_BOOL, 0, NULL)};
    for (int64_t i = 0; i < 24; i++)
        ran_tensor_set_f64(inputs[0], i, (double)(i - 12) / 7);
    ran_tensor_set_i64(inputs[1], 0, 1);
    ck_assert_int_eq(check(ran_evaluate(ran_module_first_function(module),
                                        (const ran_tensor *const *)inputs, 2, results, RESULTS)),
                     RAN_OK);
    ran_tensor_release(inputs[0]);
    ran_tensor_release(inputs[1]);
}

static void expect_same(const ran_module *a, const ran_module *b)
{
    ran_tensor *x[RESULTS], *y[RESULTS];
    evaluate(a, x);
    evaluate(b, y);
    for (int i = 0; i < RESULTS; i++) {
        ck_assert_int_eq(ran_tensor_numel(x[i]), ran_tensor_numel(y[i]));
        for (int64_t k = 0; k < ran_tensor_numel(x[i]); k++)
            ck_assert_double_eq_tol(ran_tensor_get_f64(x[i], k), ran_tensor_get_f64(y[i], k), 1e-5);
        ran_tensor_release(x[i]);
        ran_tensor_release(y[i]);
    }
}

START_TEST(every_opset_keeps_the_function)
{
    setup();
    ran_module *module = parse();
    for (int opset = 17; opset <= 22; opset++) {
        ran_export_options options = {.opset = opset};
        ck_assert_int_eq(check(ran_onnx_export(module, "m.onnx", &options)), RAN_OK);
        ran_module *again = import("m.onnx");
        ran_function *function = ran_module_first_function(again);
        expect_same(module, again);
        ck_assert_str_eq(ran_function_output_name(function, 0), "y");
        ck_assert_str_eq(ran_function_output_name(function, 2), "again");
        ck_assert_str_eq(ran_value_name(ran_region_argument(ran_function_body(function), 0)), "x");
        ck_assert_str_eq(ran_module_metadata(again, "normalisation"), "none");
        ran_module_destroy(again);
    }
    ck_assert_int_eq(ran_onnx_export(module, "m.onnx", &(ran_export_options){.opset = 16}),
                     RAN_USAGE);
    ran_module_destroy(module);
    teardown();
}
END_TEST

static char *read_file(const char *path, size_t *out_size)
{
    FILE *file = fopen(path, "rb");
    ck_assert_ptr_nonnull(file);
    char *data = malloc(1 << 20);
    *out_size = fread(data, 1, 1 << 20, file);
    fclose(file);
    return data;
}

START_TEST(files_are_deterministic)
{
    setup();
    for (int i = 0; i < 2; i++) {
        ran_module *module = parse();
        ck_assert_int_eq(check(ran_onnx_export(module, i ? "b.onnx" : "a.onnx", NULL)), RAN_OK);
        ran_module_destroy(module);
    }
    size_t sizes[2];
    char *a = read_file("a.onnx", &sizes[0]), *b = read_file("b.onnx", &sizes[1]);
    ck_assert_uint_eq(sizes[0], sizes[1]);
    ck_assert_mem_eq(a, b, sizes[0]);
    free(a);
    free(b);
    teardown();
}
END_TEST

START_TEST(weights_go_beside_the_model)
{
    static const char large[] = "const @w = tensor<1000xf32> noise(3)\n"
                                "func @main(%x: tensor<1000xf32>) -> (%y: tensor<1000xf32>) {\n"
                                "  %y = add %x, @w : tensor<1000xf32>\n"
                                "  return %y\n"
                                "}\n";
    setup();
    ran_module *module;
    ck_assert_int_eq(check(ran_module_parse(context, large, sizeof(large) - 1, "large", &module)),
                     RAN_OK);
    ran_export_options options = {.external_data = true};
    ck_assert_int_eq(check(ran_onnx_export(module, "m.onnx", &options)), RAN_OK);
    ck_assert_uint_eq(file_count(), 2);
    struct stat info;
    ck_assert_int_eq(stat("m.onnx.data", &info), 0);
    ck_assert_int_eq(info.st_size, 4000);
    ck_assert_int_eq(stat("m.onnx", &info), 0);
    ck_assert_int_lt(info.st_size, 1000);
    ran_module *again = import("m.onnx");
    const ran_tensor *a = ran_value_constant(ran_module_first_constant(module));
    const ran_tensor *b = ran_value_constant(ran_module_first_constant(again));
    ck_assert_uint_eq(ran_tensor_hash(a), ran_tensor_hash(b));
    ran_module_destroy(again);
    ran_module_destroy(module);
    teardown();
}
END_TEST

START_TEST(refusals_leave_nothing)
{
    static const char late[] = "func @main(%x: tensor<4xf32>) -> (%y: tensor<4xi32>) {\n"
                               "  %y = bit_cast %x {to = i32} : tensor<4xi32> loc(\"bits\")\n"
                               "  %1 = bit_cast %x {to = u32} : tensor<4xu32> loc(\"others\")\n"
                               "  return %y\n"
                               "}\n";
    setup();
    ran_module *module;
    ck_assert_int_eq(check(ran_module_parse(context, late, sizeof(late) - 1, "late", &module)),
                     RAN_OK);
    ck_assert_int_eq(ran_onnx_export(module, "m.onnx", NULL), RAN_UNSUPPORTED);
    ck_assert_uint_eq(ran_error_count(context), 2);
    ck_assert_ptr_nonnull(strstr(ran_diagnostic_at(context, 0)->message, "'bits'"));
    ck_assert_int_eq(ran_onnx_export(module, "missing/m.onnx", NULL), RAN_UNSUPPORTED);
    ran_module_destroy(module);
    module = parse();
    ck_assert_int_eq(ran_onnx_export(module, "missing/m.onnx", NULL), RAN_INVALID);
    ck_assert_uint_eq(file_count(), 0);
    ran_module_destroy(module);
    teardown();
}
END_TEST

RAN_UNIT_TESTS(every_opset_keeps_the_function, files_are_deterministic, weights_go_beside_the_model,
               refusals_leave_nothing)
