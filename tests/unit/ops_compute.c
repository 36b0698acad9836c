/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Ops that compute: values at the edges of their definitions, shapes with symbols, and what is
 * refused. One row a case; @x, @y, ... are constants. */
#include "ir/ir.h"
#include "tests/harness/unit.h"

#include <math.h>
#include <string.h>

/* ---- Values --------------------------------------------------------------------------------- */

typedef struct value_case {
    const char *constants; /* "@x = tensor<...>[...]" lines */
    const char *op;        /* its first result is compared */
    const char *expected;  /* tensor */
} value_case;

static const value_case values[] = {
    /* Integers wrap; division by zero is 0; the sign rules of mod. */
    {"const @x = tensor<4xi8> [100, -128, 7, 5]\nconst @y = tensor<4xi8> [100, 1, 0, -2]",
     "%0 = add @x, @y", "tensor<4xi8> [-56, -127, 7, 3]"},
    {"const @x = tensor<5xi32> [-2147483648, 7, -7, 7, -7]\n"
     "const @y = tensor<5xi32> [-1, 0, 2, -2, -2]",
     "%0 = div @x, @y", "tensor<5xi32> [-2147483648, 0, -3, -3, 3]"},
    {"const @x = tensor<2xi64> [-9223372036854775808, 5]\nconst @y = tensor<2xi64> [-1, 0]",
     "%0 = div @x, @y", "tensor<2xi64> [-9223372036854775808, 0]"},
    {"const @x = tensor<2xu64> [18446744073709551615, 10]\nconst @y = tensor<2xu64> [2, 3]",
     "%0 = div @x, @y", "tensor<2xu64> [9223372036854775807, 3]"},
    {"const @x = tensor<2xu64> [18446744073709551615, 1]\nconst @y = tensor<2xu64> [1, 2]",
     "%0 = less @x, @y", "tensor<2xbool> [false, true]"},
    {"const @x = tensor<5xi32> [7, -7, 7, -7, 5]\nconst @y = tensor<5xi32> [3, 3, -3, -3, 0]",
     "%0 = mod @x, @y", "tensor<5xi32> [1, 2, -2, -1, 0]"},
    {"const @x = tensor<4xi32> [7, -7, 7, -7]\nconst @y = tensor<4xi32> [3, 3, -3, -3]",
     "%0 = mod @x, @y {fmod = 1}", "tensor<4xi32> [1, -1, 1, -1]"},
    {"const @x = tensor<2xf32> [-4.5, 7.25]\nconst @y = tensor<2xf32> [2, -3.5]",
     "%0 = mod @x, @y {fmod = 1}", "tensor<2xf32> [-0.5, 0.25]"},
    {"const @x = tensor<2xi8> [-128, 5]", "%0 = abs @x", "tensor<2xi8> [-128, 5]"},
    {"const @x = tensor<2xi8> [-128, 5]", "%0 = neg @x", "tensor<2xi8> [-128, -5]"},
    {"const @x = tensor<3xu8> [1, 255, 7]\nconst @y = tensor<3xu8> [7, 1, 9]",
     "%0 = bit_shift @x, @y {direction = \"LEFT\"}", "tensor<3xu8> [128, 254, 0]"},
    {"const @x = tensor<2xu32> [2147483648, 5]\nconst @y = tensor<2xu32> [31, 32]",
     "%0 = bit_shift @x, @y {direction = \"RIGHT\"}", "tensor<2xu32> [1, 0]"},
    {"const @x = tensor<5xi32> [3, 2, 1, -1, 0]\nconst @y = tensor<5xi32> [21, -1, -5, -3, 0]",
     "%0 = pow @x, @y", "tensor<5xi32> [1870418611, 0, 1, -1, 1]"},
    {"const @x = tensor<2xi32> [2, 9]\nconst @y = tensor<2xf32> [0.5, 0.5]", "%0 = pow @x, @y",
     "tensor<2xi32> [1, 3]"},
    {"const @x = tensor<2xf32> [2, 9]\nconst @y = tensor<i64> [2]", "%0 = pow @x, @y",
     "tensor<2xf32> [4, 81]"},
    {"const @x = tensor<3xi32> [-5, 0, 5]\nconst @y = tensor<1xi32> [3]", "%0 = prelu @x, @y",
     "tensor<3xi32> [-15, 0, 5]"},
    {"const @x = tensor<3xi64> [-3, 2, 9]\nconst @y = tensor<i64> [0]\nconst @z = tensor<i64> [4]",
     "%0 = clip @x, @y, @z", "tensor<3xi64> [0, 2, 4]"},
    /* When the bounds cross, the upper one wins. */
    {"const @x = tensor<3xf32> [-1, 2, 9]\nconst @y = tensor<f32> [5]\nconst @z = tensor<f32> [3]",
     "%0 = clip @x, @y, @z", "tensor<3xf32> [3, 3, 3]"},
    /* NaN stays. */
    {"const @x = tensor<2xf32> [nan, 1]", "%0 = relu @x", "tensor<2xf32> [nan, 1]"},
    {"const @x = tensor<2xf32> [nan, 9]", "%0 = hard_sigmoid @x", "tensor<2xf32> [nan, 1]"},
    {"const @x = tensor<2xf32> [nan, -1]", "%0 = celu @x", "tensor<2xf32> [nan, -0.63212056]"},
    {"const @x = tensor<2xf32> [nan, 1]\nconst @y = tensor<2xf32> [1, nan]", "%0 = max @x, @y",
     "tensor<2xf32> [nan, nan]"},
    {"const @x = tensor<1x1x1x3xf32> [1, nan, 3]", "%0 = max_pool @x {kernel_shape = [1, 2]}",
     "tensor<1x1x1x2xf32> [nan, nan]"},
    {"const @x = tensor<3xf32> [1, nan, 3]", "%0 = reduce_max @x {keepdims = 0}",
     "tensor<f32> [nan]"},
    {"const @x = tensor<3xf32> [1, nan, 3]", "%0 = arg_min @x {keepdims = 0}", "tensor<i64> [1]"},
    /* Casts. */
    {"const @x = tensor<5xf32> [2.9, -2.9, 1e20, -1e20, nan]", "%0 = cast @x {to = i32}",
     "tensor<5xi32> [2, -2, 2147483647, -2147483648, 0]"},
    {"const @x = tensor<3xi32> [300, -1, 128]", "%0 = cast @x {to = i8}",
     "tensor<3xi8> [44, -1, -128]"},
    {"const @x = tensor<4xf32> [0, -0.0, nan, 0.5]", "%0 = cast @x {to = bool}",
     "tensor<4xbool> [false, false, true, true]"},
    {"const @x = tensor<3xf32> [1000, -inf, 0.3]", "%0 = cast @x {to = f8e4m3fn}",
     "tensor<3xf8e4m3fn> [448, -448, 0.3125]"},
    {"const @x = tensor<2xf32> [1000, 0.3]", "%0 = cast @x {saturate = 0, to = f8e4m3fn}",
     "tensor<2xf8e4m3fn> [nan, 0.3125]"},
    {"const @x = tensor<2xf32> [100000, 61439]", "%0 = cast @x {saturate = 0, to = f8e5m2}",
     "tensor<2xf8e5m2> hex(\"7c7b\")"},
    {"const @x = tensor<4xf32> [0.1, 1e-05, 100, 1e20]", "%0 = cast @x {to = string}",
     "tensor<4xstring> [\"0.1\", \"1e-05\", \"100.0\", \"1e+20\"]"},
    {"const @x = tensor<3xstring> [\"1.5\", \"-INF\", \"1e3\"]", "%0 = cast @x {to = f32}",
     "tensor<3xf32> [1.5, -inf, 1000]"},
    {"const @x = tensor<1xf32> [1]", "%0 = bit_cast @x {to = i32}", "tensor<1xi32> [1065353216]"},
    /* Convolutions by hand. */
    {"const @x = tensor<1x1x5xf32> [1, 2, 3, 4, 5]\nconst @y = tensor<1x1x2xf32> [1, 10]\n"
     "const @z = tensor<1xf32> [100]",
     "%0 = conv @x, @y, @z {dilations = [2], pads = [1, 2], strides = [2]}",
     "tensor<1x1x3xf32> [120, 142, 104]"},
    {"const @x = tensor<1x2x2xf32> [1, 2, 3, 4]\nconst @y = tensor<2x1x1xf32> [10, 100]",
     "%0 = conv @x, @y {group = 2}", "tensor<1x2x2xf32> [10, 20, 300, 400]"},
    {"const @x = tensor<1x1x4xf32> [1, 2, 3, 4]\nconst @y = tensor<1x1x2xf32> [1, 10]",
     "%0 = conv @x, @y {auto_pad = \"SAME_UPPER\"}", "tensor<1x1x4xf32> [21, 32, 43, 4]"},
    {"const @x = tensor<1x1x4xf32> [1, 2, 3, 4]\nconst @y = tensor<1x1x2xf32> [1, 10]",
     "%0 = conv @x, @y {auto_pad = \"SAME_LOWER\"}", "tensor<1x1x4xf32> [10, 21, 32, 43]"},
    {"const @x = tensor<1x1x2xf32> [1, 2]\nconst @y = tensor<1x1x3xf32> [1, 10, 100]",
     "%0 = conv_transpose @x, @y {output_padding = [1], strides = [2]}",
     "tensor<1x1x6xf32> [1, 10, 102, 20, 200, 0]"},
    {"const @x = tensor<1x1x2xf32> [1, 2]\nconst @y = tensor<1x1x3xf32> [1, 10, 100]",
     "%0 = conv_transpose @x, @y {pads = [1, 0], strides = [2]}",
     "tensor<1x1x4xf32> [10, 102, 20, 200]"},
    /* Integer matrix products wrap. */
    {"const @x = tensor<1x2xi32> [2147483647, 2]\nconst @y = tensor<2x1xi32> [2, 3]",
     "%0 = matmul @x, @y", "tensor<1x1xi32> [4]"},
    {"const @x = tensor<3xf32> [1, 2, 3]\nconst @y = tensor<2x3x1xf32> [1, 1, 1, 1, 0, 2]",
     "%0 = matmul @x, @y", "tensor<2x1xf32> [6, 7]"},
    {"const @x = tensor<2x1xf32> [1, 2]\nconst @y = tensor<3x2xf32> [1, 2, 3, 4, 5, 6]\n"
     "const @z = tensor<3xf32> [1, 1, 1]",
     "%0 = gemm @x, @y, @z {alpha = 2.0, beta = 10.0, transA = 1, transB = 1}",
     "tensor<1x3xf32> [20, 32, 44]"},
    {"const @x = tensor<2x2xf32> [1, 2, 3, 4]", "%0 = einsum @x {equation = \"ii->i\"}",
     "tensor<2xf32> [1, 4]"},
    /* Pools: ceil_mode lets a window hang out, but not begin outside; padding counts where asked.
     */
    {"const @x = tensor<1x1x5xf32> [1, 2, 3, 4, 5]",
     "%0 = average_pool @x {ceil_mode = 1, count_include_pad = 1, kernel_shape = [3], "
     "pads = [1, 1], strides = [2]}",
     "tensor<1x1x3xf32> [1, 3, 3]"},
    {"const @x = tensor<1x1x3xf32> [1, 2, 3]",
     "%0 = max_pool @x {ceil_mode = 1, kernel_shape = [1], pads = [0, 0], strides = [2]}",
     "tensor<1x1x2xf32> [1, 3]"},
    {"const @x = tensor<1x1x2xf32> [1, 2]",
     "%0 = average_pool @x {ceil_mode = 1, kernel_shape = [2], pads = [0, 1], strides = [3]}",
     "tensor<1x1x1xf32> [1.5]"},
    {"const @x = tensor<1x1x2x2xf32> [1, 2, 3, 4]",
     "%0, %1 = max_pool @x {kernel_shape = [2, 2], storage_order = 1} "
     ": tensor<1x1x1x1xf32>, tensor<1x1x1x1xi64>",
     "tensor<1x1x1x1xf32> [4]"},
    {"const @x = tensor<1x1x2xf32> [3, -4]", "%0 = lp_pool @x {kernel_shape = [2]}",
     "tensor<1x1x1xf32> [5]"},
    /* Reductions of nothing, and of what overflows on the way. */
    {"const @x = tensor<0xf32> []", "%0 = reduce_max @x {keepdims = 0}", "tensor<f32> [-inf]"},
    {"const @x = tensor<0xi8> []", "%0 = reduce_min @x {keepdims = 0}", "tensor<i8> [127]"},
    {"const @x = tensor<0xf32> []", "%0 = reduce_prod @x {keepdims = 0}", "tensor<f32> [1]"},
    {"const @x = tensor<2xf32> [1000, 1000]", "%0 = reduce_log_sum_exp @x {keepdims = 0}",
     "tensor<f32> [1000.6931]"},
    {"const @x = tensor<2xi32> [-3, -4]", "%0 = reduce_mean @x {keepdims = 0}", "tensor<i32> [-3]"},
    {"const @x = tensor<2xf32> [3, -4]", "%0 = reduce_sum_square @x {noop_with_empty_axes = 1}",
     "tensor<2xf32> [9, 16]"},
    {"const @x = tensor<2xbool> [true, false]", "%0 = reduce_min @x", "tensor<1xbool> [false]"},
    {"const @x = tensor<3xf32> [1, 5, 5]", "%0 = arg_max @x {select_last_index = 1}",
     "tensor<1xi64> [2]"},
    {"const @x = tensor<3xi32> [1, 2, 3]\nconst @y = tensor<i64> [0]",
     "%0 = cumsum @x, @y {exclusive = 1, reverse = 1}", "tensor<3xi32> [5, 3, 0]"},
    {"const @x = tensor<4xf32> [2, 7, 7, nan]\nconst @y = tensor<1xi64> [3]",
     "%1, %0 = topk @x, @y : tensor<3xf32>, tensor<3xi64>", "tensor<3xi64> [3, 1, 2]"},
    /* Softmax does not overflow. */
    {"const @x = tensor<2xf32> [1000, 1000]", "%0 = softmax @x", "tensor<2xf32> [0.5, 0.5]"},
    {"const @x = tensor<3xf32> [1, 3, 3]", "%0 = hardmax @x", "tensor<3xf32> [0, 1, 0]"},
    /* Normalisation. */
    {"const @x = tensor<1x2xf32> [1, 3]\nconst @y = tensor<2xf32> [2, 2]\n"
     "const @z = tensor<2xf32> [1, 1]",
     "%0 = layer_normalization @x, @y, @z {epsilon = 0.0}", "tensor<1x2xf32> [-1, 3]"},
    {"const @x = tensor<2xf32> [3, -4]\nconst @y = tensor<1xf32> [1]",
     "%0 = rms_normalization @x, @y {epsilon = 0.0}", "tensor<2xf32> [0.84852814, -1.1313709]"},
    {"const @x = tensor<2xf32> [0, 0]", "%0 = lp_normalization @x", "tensor<2xf32> [0, 0]"},
    {"const @x = tensor<1x3x1xf32> [1, 2, 3]",
     "%0 = lrn @x {alpha = 2.0, beta = 1.0, bias = 0.0, size = 2}",
     "tensor<1x3x1xf32> [0.2, 0.15384616, 0.33333334]"},
    /* The quotient is rounded to the scale's type first: 0.15 / 0.1 is 1.5 in f32, a tie. */
    {"const @x = tensor<3xf32> [0.15, 0.25, -100]\nconst @y = tensor<f32> [0.1]\n"
     "const @z = tensor<u8> [10]",
     "%0 = quantize_linear @x, @y, @z", "tensor<3xu8> [12, 12, 0]"},
    {"const @x = tensor<2x2xi8> [1, 2, 3, 4]\nconst @y = tensor<2xf32> [1, 10]\n"
     "const @z = tensor<2xi8> [0, 1]",
     "%0 = dequantize_linear @x, @y, @z {axis = 0}", "tensor<2x2xf32> [1, 2, 20, 30]"},
    {"const @x = tensor<1x4xi8> [1, 2, 3, 4]\nconst @y = tensor<1x2xf32> [1, 10]",
     "%0 = dequantize_linear @x, @y {axis = 1, block_size = 2}", "tensor<1x4xf32> [1, 2, 30, 40]"},
    /* Resize. */
    {"const @x = tensor<2xf32> [1, 2]\nconst @s = tensor<1xf32> [2]",
     "%0 = resize @x, _, @s {coordinate_transformation_mode = \"asymmetric\", "
     "nearest_mode = \"floor\"}",
     "tensor<4xf32> [1, 1, 2, 2]"},
    {"const @x = tensor<2xf32> [0, 4]\nconst @s = tensor<1xi64> [4]",
     "%0 = resize @x, _, _, @s {mode = \"linear\"}", "tensor<4xf32> [0, 1, 3, 4]"},
};

static const value_case *current;

static ran_module *parse(ran_context *context, const char *text)
{
    ran_module *module = NULL;
    if (ran_module_parse(context, text, strlen(text), "case", &module) != RAN_OK ||
        ran_function_infer_types(ran_module_first_function(module)) != RAN_OK ||
        ran_module_verify(module) != RAN_OK) {
        ran_diagnostics_print(context, stdout);
        ck_abort_msg("%s", text);
    }
    return module;
}

static bool close(double a, double b)
{
    return a == b || (isnan(a) && isnan(b)) || fabs(a - b) <= 1e-6 * fabs(b);
}

static void check_element(const ran_tensor *a, const ran_tensor *b, int64_t i)
{
    ran_elem elem = ran_tensor_elem(b);
    if (elem == RAN_ELEM_STRING)
        ck_assert_str_eq(((char *const *)ran_tensor_data(a))[i],
                         ((char *const *)ran_tensor_data(b))[i]);
    else if (ran_elem_is_int(elem))
        ck_assert_msg(ran_tensor_get_i64(a, i) == ran_tensor_get_i64(b, i),
                      "%s: element %lld: %lld", current->op, (long long)i,
                      (long long)ran_tensor_get_i64(a, i));
    else
        ck_assert_msg(close(ran_tensor_get_f64(a, i), ran_tensor_get_f64(b, i)),
                      "%s: element %lld: %.9g", current->op, (long long)i,
                      ran_tensor_get_f64(a, i));
}

static const ran_tensor *find_constant(const ran_module *module, const char *name)
{
    for (ran_value *v = ran_module_first_constant(module); v; v = ran_constant_next(v))
        if (!strcmp(ran_value_name(v), name))
            return ran_value_constant(v);
    ck_abort_msg("no constant %s", name);
}

/* Types in the text: the expected one, unless the op gives its own. */
static const char *type_suffix(const char *op, const char *type, char *out, size_t size)
{
    size_t length = strcspn(type, ">") + 1;
    snprintf(out, size, " : %.*s", (int)length, type);
    return strstr(op, " : ") ? "" : out;
}

static void check_value(const value_case *c)
{
    char text[2048], type[128];
    int length = (int)strcspn(c->expected, ">") + 1;
    ran_context *context = ran_context_create();
    current = c;
    snprintf(text, sizeof text,
             "%s\nconst @expected = %s\nfunc @main() -> (%.*s, %.*s) {\n  %s%s\n"
             "  return %%0, @expected\n}\n",
             c->constants, c->expected, length, c->expected, length, c->expected, c->op,
             type_suffix(c->op, c->expected, type, sizeof type));
    ran_module *module = parse(context, text);
    ran_tensor *results[2] = {NULL};
    if (ran_evaluate(ran_module_first_function(module), NULL, 0, results, 2) != RAN_OK) {
        ran_diagnostics_print(context, stdout);
        ck_abort_msg("%s", text);
    }
    const ran_tensor *expected = find_constant(module, "expected");
    ck_assert_msg(ran_tensor_elem(results[0]) == ran_tensor_elem(expected) &&
                      ran_tensor_rank(results[0]) == ran_tensor_rank(expected) &&
                      ran_tensor_numel(results[0]) == ran_tensor_numel(expected),
                  "%s: another type", c->op);
    for (int64_t i = 0; i < ran_tensor_numel(expected); i++)
        check_element(results[0], expected, i);
    ran_tensor_release(results[0]);
    ran_tensor_release(results[1]);
    ran_module_destroy(module);
    ran_context_destroy(context);
}

START_TEST(values_are_as_defined)
{
    for (size_t i = 0; i < sizeof values / sizeof *values; i++)
        check_value(&values[i]);
}
END_TEST

/* ---- Shapes --------------------------------------------------------------------------------- */

typedef struct shape_case {
    const char *arguments, *op, *expected;
} shape_case;

static const shape_case shapes[] = {
    {"%x: tensor<Nx3x224x224xf32>, %w: tensor<16x3x3x3xf32>",
     "conv %x, %w {pads = [1, 1, 1, 1], strides = [2, 2]}", "tensor<Nx16x112x112xf32>"},
    {"%x: tensor<1x3xHx32xf32>, %w: tensor<16x3x3x3xf32>", "conv %x, %w {strides = [2, 2]}",
     "tensor<1x16x((H + 1) floordiv 2 + -1)x15xf32>"},
    {"%x: tensor<1x3xHxWxf32>, %w: tensor<16x3x3x3xf32>",
     "conv %x, %w {auto_pad = \"SAME_UPPER\", strides = [2, 2]}",
     "tensor<1x16x((H + 1) floordiv 2)x((W + 1) floordiv 2)xf32>"},
    {"%x: tensor<Nx8x4xf32>, %w: tensor<8x2x3xf32>",
     "conv_transpose %x, %w {group = 2, strides = [2]}", "tensor<Nx4x9xf32>"},
    {"%a: tensor<Nx1x4x5xf32>, %b: tensor<2x5x6xf32>", "matmul %a, %b", "tensor<Nx2x4x6xf32>"},
    {"%a: tensor<Nx5xf32>, %b: tensor<7x5xf32>", "gemm %a, %b {transB = 1}", "tensor<Nx7xf32>"},
    {"%a: tensor<Bx4xDxf32>, %b: tensor<BxDx3xf32>", "einsum %a, %b {equation = \"bij,bjk->bik\"}",
     "tensor<Bx4x3xf32>"},
    {"%x: tensor<Nx3x7xf32>", "average_pool %x {ceil_mode = 1, kernel_shape = [2], strides = [2]}",
     "tensor<Nx3x4xf32>"},
    {"%x: tensor<Nx3xHxf32>", "reduce_sum %x", "tensor<1x1x1xf32>"},
    {"%x: tensor<NxCx7xf32>", "arg_max %x {axis = 2, keepdims = 0}", "tensor<NxCxi64>"},
    {"%x: tensor<NxCxf32>", "softmax %x", "tensor<NxCxf32>"},
    {"%x: tensor<Nx1xf32>, %y: tensor<1xMxf32>", "add %x, %y", "tensor<NxMxf32>"},
    {"%x: tensor<SxBx4xf32>, %w: tensor<1x12x4xf32>, %r: tensor<1x12x3xf32>", "lstm %x, %w, %r",
     "tensor<Sx1xBx3xf32>"},
};

static void check_shape(const shape_case *c)
{
    char text[2048];
    ran_context *context = ran_context_create();
    snprintf(text, sizeof text, "func @main(%s) -> (%s) {\n  %%0 = %s : %s\n  return %%0\n}\n",
             c->arguments, c->expected, c->op, c->expected);
    ran_module *module = parse(context, text);
    ran_region *body = ran_function_body(ran_module_first_function(module));
    const ran_value *y = ran_op_result(ran_region_first(body), 0);
    ck_assert_str_eq(ran_type_text(context, ran_value_type(y)), c->expected);
    ran_module_destroy(module);
    ran_context_destroy(context);
}

START_TEST(shapes_keep_their_symbols)
{
    for (size_t i = 0; i < sizeof shapes / sizeof *shapes; i++)
        check_shape(&shapes[i]);
}
END_TEST

/* ---- Errors --------------------------------------------------------------------------------- */

typedef struct error_case {
    const char *arguments, *op, *message;
} error_case;

static const error_case errors[] = {
    {"%x: tensor<1x3x8x8xf32>, %w: tensor<4x2x3x3xf32>", "conv %x, %w", "input channels"},
    {"%x: tensor<1x3x2x2xf32>, %w: tensor<4x3x3x3xf32>", "conv %x, %w", "does not fit"},
    {"%x: tensor<1x3x8x8xf32>, %w: tensor<4x3x3x3xf32>", "conv %x, %w {pads = [1, 1]}",
     "attribute pads"},
    {"%x: tensor<1x3x8x8xf32>, %w: tensor<4x3x3x3xf32>", "conv %x, %w {strides = [0, 1]}",
     "attribute strides"},
    {"%x: tensor<1x3x8x8xf32>, %w: tensor<4x3x3x3xf32>", "conv %x, %w {group = 0}",
     "attribute group"},
    {"%x: tensor<1x3x8x8xf32>, %w: tensor<4x3x3x3xf64>", "conv %x, %w", "element types"},
    {"%a: tensor<2x3xf32>, %b: tensor<4x5xf32>", "matmul %a, %b", "inner dimensions"},
    {"%a: tensor<2x3xf32>, %b: tensor<3x5xf32>, %c: tensor<4xf32>", "gemm %a, %b, %c", "4"},
    {"%a: tensor<2x3xf32>", "einsum %a {equation = \"ijk->i\"}", "labels"},
    {"%x: tensor<2x3xf32>, %y: tensor<2x3xi32>", "add %x, %y", "element types"},
    {"%x: tensor<2x3xi32>", "exp %x", "not allowed"},
    {"%x: tensor<3xf32>, %y: tensor<2x3xf32>", "prelu %x, %y", "does not broadcast"},
    {"%x: tensor<2x3xf32>", "softmax %x {axis = 2}", "out of range"},
    {"%x: tensor<1x4x3xf32>, %s: tensor<3xf32>, %b: tensor<4xf32>",
     "instance_normalization %x, %s, %b", "scale"},
    {"%x: tensor<1x2x3xf32>, %w: tensor<1x8x3xf32>, %r: tensor<1x12x3xf32>", "lstm %x, %w, %r",
     "w"},
    {"%x: tensor<2xi32>, %y: tensor<2xi32>", "bit_shift %x, %y {direction = \"LEFT\"}",
     "not allowed"},
};

static void check_error(const error_case *c)
{
    char text[2048];
    ran_module *module = NULL;
    ran_context *context = ran_context_create();
    snprintf(text, sizeof text,
             "func @main(%s) -> (tensor<*xf32>) {\n  %%0 = %s : tensor<*xf32>\n  return %%0\n}\n",
             c->arguments, c->op);
    ran_status status = ran_module_parse(context, text, strlen(text), "case", &module);
    if (status == RAN_OK)
        status = ran_function_infer_types(ran_module_first_function(module));
    ck_assert_msg(status == RAN_INVALID, "%s: status %d", c->op, status);
    ck_assert_msg(strstr(ran_diagnostic_at(context, 0)->message, c->message) != NULL, "%s: %s",
                  c->op, ran_diagnostic_at(context, 0)->message);
    if (module)
        ran_module_destroy(module);
    ran_context_destroy(context);
}

START_TEST(nonsense_is_refused)
{
    for (size_t i = 0; i < sizeof errors / sizeof *errors; i++)
        check_error(&errors[i]);
}
END_TEST

RAN_UNIT_TESTS(values_are_as_defined, shapes_keep_their_symbols, nonsense_is_refused)
