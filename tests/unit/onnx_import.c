/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The importer: encodings, names, order, functions, older forms, and what it says to bad models. */
#include "tests/harness/onnx_unit.h"

#include <math.h>
#include <unistd.h>

/* ---- Tensors --------------------------------------------------------------------------------- */

static RanOnnx__Graph *with_weight(int elem, const char *dims, RanOnnx__Tensor **out_tensor)
{
    RanOnnx__Graph *graph = build_graph();
    *out_tensor = build_tensor(graph, "w", elem, dims);
    build_node(graph, "Identity", "w", "y");
    build_output(graph, "y");
    return graph;
}

static void set_raw(RanOnnx__Tensor *tensor, const void *data, size_t size)
{
    tensor->has_raw_data = 1;
    tensor->raw_data.len = size;
    tensor->raw_data.data = malloc(size + 1);
    memcpy(tensor->raw_data.data, data, size);
}

static void set_int32s(RanOnnx__Tensor *tensor, size_t count, const int32_t *values)
{
    tensor->n_int32_data = count;
    tensor->int32_data = malloc((count + 1) * sizeof(int32_t));
    memcpy(tensor->int32_data, values, count * sizeof(int32_t));
}

static ran_tensor *weight(void)
{
    const ran_value *constant = ran_module_first_constant(module);
    ck_assert_ptr_nonnull(constant);
    return ran_tensor_retain(ran_value_constant(constant));
}

START_TEST(reads_raw_data)
{
    RanOnnx__Tensor *tensor;
    RanOnnx__Graph *graph = with_weight(1, "2 2", &tensor);
    set_raw(tensor, (float[]){1, -2, 3.5f, 4}, 16);
    import_good(build_model(graph, 13));
    expect_values(weight(), VALUES(1, -2, 3.5, 4));
    done();
    graph = with_weight(1, "2 2", &tensor);
    set_raw(tensor, (float[]){1, -2, 3.5f, 4}, 15);
    refused(build_model(graph, 13), RAN_INVALID, "initializer 'w': the raw data has not the size");
}
END_TEST

START_TEST(reads_typed_data)
{
    static const struct {
        int elem, stored;
        double value;
    } cases[] = {
        {2, 200, 200}, {3, -3, -3},       {4, 65535, 65535}, {5, -300, -300}, {6, -70000, -70000},
        {9, 1, 1},     {10, 0x3e00, 1.5}, {16, 0x3fc0, 1.5}, {17, 0x3c, 1.5}, {19, 0x3e, 1.5},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
        RanOnnx__Tensor *tensor;
        RanOnnx__Graph *graph = with_weight(cases[i].elem, "1", &tensor);
        set_int32s(tensor, 1, &(int32_t){cases[i].stored});
        import_good(build_model(graph, 19));
        expect_values(weight(), VALUES(cases[i].value));
        done();
    }
    RanOnnx__Tensor *tensor;
    RanOnnx__Graph *graph = with_weight(2, "1", &tensor);
    set_int32s(tensor, 1, &(int32_t){300});
    refused(build_model(graph, 13), RAN_INVALID, "outside of the type's range");
}
END_TEST

START_TEST(reads_half_bytes)
{
    RanOnnx__Tensor *tensor;
    RanOnnx__Graph *graph = with_weight(22, "3", &tensor); /* i4 */
    set_int32s(tensor, 2, (int32_t[]){0xe1, 0x57}); /* the upper half of the last one is not used */
    import_good(build_model(graph, 21));
    expect_values(weight(), VALUES(1, -2, 7));
    done();
    graph = with_weight(21, "3", &tensor);
    set_raw(tensor, "\xf1\x02", 2);
    import_good(build_model(graph, 21));
    expect_values(weight(), VALUES(1, 15, 2));
    done();
}
END_TEST

START_TEST(refuses_bad_shapes)
{
    static const struct {
        const char *dims, *message;
    } cases[] = {
        {"-1", "negative"},
        {"4611686018427387904 4", "overflows"},
        {"9223372036854775807 9223372036854775807", "overflows"},
        {"1 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1", "rank is above 16"},
        {"1000000000", "has not the number of elements"},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
        RanOnnx__Tensor *tensor;
        RanOnnx__Graph *graph = with_weight(1, cases[i].dims, &tensor);
        refused(build_model(graph, 13), RAN_INVALID, cases[i].message);
    }
    RanOnnx__Tensor *tensor;
    RanOnnx__Graph *graph = with_weight(99, "1", &tensor);
    refused(build_model(graph, 13), RAN_UNSUPPORTED, "element type 99");
}
END_TEST

/* ---- External data --------------------------------------------------------------------------- */

static RanOnnx__Graph *external_weight(const char *location, const char *offset, const char *length)
{
    RanOnnx__Tensor *tensor;
    RanOnnx__Graph *graph = with_weight(1, "2", &tensor);
    build_external(tensor, "location", location);
    if (offset)
        build_external(tensor, "offset", offset);
    if (length)
        build_external(tensor, "length", length);
    return graph;
}

static void enter_directory(char name[32])
{
    strcpy(name, "/tmp/ran_onnx_XXXXXX");
    ck_assert_ptr_nonnull(mkdtemp(name));
    ck_assert_int_eq(chdir(name), 0);
}

static void write_file(const char *path, long long offset)
{
    FILE *file = fopen(path, "wb");
    ck_assert_ptr_nonnull(file);
    ck_assert_int_eq(fseeko(file, offset, SEEK_SET), 0);
    fwrite((float[]){5, 6}, 4, 2, file);
    fclose(file);
}

START_TEST(maps_external_data)
{
    char directory[32];
    enter_directory(directory);
    write_file("w.bin", 12);
    import_good(build_model(external_weight("w.bin", "12", "8"), 13));
    expect_values(weight(), VALUES(5, 6));
    ck_assert_uint_eq(ran_file_count(context), 1);
    ck_assert_str_eq(ran_file_at(context, 0), "w.bin");
    ck_assert_ptr_null(ran_file_at(context, 1));
    done();
    import_good(build_model(external_weight("w.bin", "12", NULL), 13));
    expect_values(weight(), VALUES(5, 6));
    done();
    /* Unaligned. */
    write_file("w.bin", 3);
    import_good(build_model(external_weight("./w.bin", "3", "8"), 13));
    expect_values(weight(), VALUES(5, 6));
    done();
    /* Beyond 4 GiB, in a file with a hole. */
    write_file("w.bin", 5000000000);
    import_good(build_model(external_weight("w.bin", "5000000000", "8"), 13));
    expect_values(weight(), VALUES(5, 6));
    done();
    ck_assert_int_eq(unlink("w.bin"), 0);
    ck_assert_int_eq(rmdir(directory), 0);
}
END_TEST

START_TEST(keeps_external_data_inside)
{
    char directory[32];
    enter_directory(directory);
    write_file("w.bin", 0);
    ck_assert_int_eq(mkdir("models", 0777), 0);
    ck_assert_int_eq(symlink("../w.bin", "models/link.bin"), 0);
    ck_assert_int_eq(symlink("..", "models/up"), 0);
    ck_assert_int_eq(mkfifo("models/pipe", 0666), 0);
    ck_assert_int_eq(chdir("models"), 0);
    write_file("inside.bin", 0);
    ck_assert_int_eq(symlink("inside.bin", "good.bin"), 0);
    import_good(build_model(external_weight("good.bin", NULL, NULL), 13));
    done();
    static const struct {
        const char *location, *offset, *length, *message;
    } cases[] = {
        {"../w.bin", NULL, NULL, "leaves the model's directory"},
        {"up/w.bin", NULL, NULL, "symbolic link"},
        {"link.bin", NULL, NULL, "symbolic link"},
        {"/etc/passwd", NULL, NULL, "absolute"},
        {"", NULL, NULL, "empty"},
        {".", NULL, NULL, "leaves|regular|symbolic|directory"},
        {"missing.bin", NULL, NULL, "No such file"},
        {"pipe", NULL, NULL, "not a regular file"},
        {"inside.bin", "4", NULL, "beyond the end"},
        {"inside.bin", "18446744073709551615", NULL, "beyond the end"},
        {"inside.bin", "-1", NULL, "no number"},
        {"inside.bin", "0", "7", "not what type and shape need"},
        {"inside.bin", "0", "99999999999999999999999", "no number"},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
        const char *message = strchr(cases[i].message, '|') ? "external data" : cases[i].message;
        refused(
            build_model(external_weight(cases[i].location, cases[i].offset, cases[i].length), 13),
            RAN_INVALID, message);
    }
    ck_assert_int_eq(system("rm -r ../models ../w.bin"), 0);
    ck_assert_int_eq(rmdir(directory), 0);
}
END_TEST

/* ---- Graphs ---------------------------------------------------------------------------------- */

START_TEST(initialisers_are_no_inputs)
{
    RanOnnx__Node *node;
    RanOnnx__Graph *graph = simple("Add", "2", "x w", &node);
    build_input(graph, "w", 1, "2");
    build_floats(graph, "w", "2", (float[]){10, 20});
    import_good(build_model(graph, 8));
    ck_assert_uint_eq(
        ran_region_argument_count(ran_function_body(ran_module_first_function(module))), 1);
    expect_values(evaluate(1, (int64_t[]){2}), VALUES(10, 21));
    done();
}
END_TEST

START_TEST(puts_nodes_in_order)
{
    RanOnnx__Graph *graph = build_graph();
    build_input(graph, "x", 1, "2");
    build_node(graph, "Add", "b x", "y");
    build_node(graph, "Neg", "a", "b");
    build_node(graph, "Add", "x x", "a");
    build_output(graph, "y");
    import_good(build_model(graph, 13));
    expect_values(evaluate(1, (int64_t[]){2}), VALUES(0, -1));
    const ran_op *first = ran_region_first(ran_function_body(ran_module_first_function(module)));
    ck_assert_str_eq(ran_location_name(ran_op_location(first)), "Add_2");
    done();
}
END_TEST

START_TEST(refuses_bad_graphs)
{
    RanOnnx__Node *node;
    RanOnnx__Graph *graph = simple("Add", "2", "x a", &node);
    build_node(graph, "Neg", "b", "a");
    build_node(graph, "Abs", "a", "b");
    refused(build_model(graph, 13), RAN_INVALID, "depends on its own result");

    refused(build_model(simple("Add", "2", "x nothing", &node), 13), RAN_INVALID,
            "nothing defines its input 'nothing'");
    refused(build_model(simple("Add", "2", "x", &node), 13), RAN_INVALID, "input 'y' is missing");
    refused(build_model(simple("Relu", "2", "x x", &node), 13), RAN_INVALID, "at most 1");

    graph = simple("Neg", "2", "x", &node);
    build_node(graph, "Abs", "x", "y");
    refused(build_model(graph, 13), RAN_INVALID, "defined already");

    graph = simple("Neg", "2", "x", &node);
    build_output(graph, "z");
    refused(build_model(graph, 13), RAN_INVALID, "nothing defines the graph output 'z'");

    graph = simple("Neg", "2", "x", &node);
    build_input(graph, "x", 1, "2");
    refused(build_model(graph, 13), RAN_INVALID, "exists twice");

    graph = simple("MatMul", "2 3", "x w", &node);
    build_floats(graph, "w", "4 2", NULL);
    refused(build_model(graph, 13), RAN_INVALID, "node 'MatMul_0' (MatMul, opset 13)");
}
END_TEST

START_TEST(outputs_may_be_anything)
{
    RanOnnx__Node *node;
    RanOnnx__Graph *graph = simple("Neg", "2", "x", &node);
    build_floats(graph, "w", "1", (float[]){7});
    build_output(graph, "x");
    build_output(graph, "w");
    build_output(graph, "y");
    import_good(build_model(graph, 13));
    expect_values(evaluate(1, (int64_t[]){2}), VALUES(0, -1));
    ck_assert_str_eq(ran_function_output_name(ran_module_first_function(module), 2), "w");
    done();
}
END_TEST

START_TEST(reports_all_problems)
{
    RanOnnx__Graph *graph = build_graph();
    build_input(graph, "x", 1, "2 3");
    build_node(graph, "StringNormalizer", "x", "a")->name = strdup("first");
    build_node(graph, "Relu", "a", "b"); /* depends on what failed: not reported */
    build_node(graph, "TfIdfVectorizer", "b", "c")->name = strdup("second");
    build_node(graph, "Gelu", "c", "d")->domain = strdup("com.example");
    build_node(graph, "Abs", "x", "y");
    build_output(graph, "y");
    ck_assert_int_eq(import(build_model(graph, 13)), RAN_UNSUPPORTED);
    ck_assert_uint_eq(ran_error_count(context), 3);
    ck_assert(says("node 'first' (StringNormalizer, opset 13)"));
    ck_assert(says("node 'second' (TfIdfVectorizer, opset 13)"));
    ck_assert(says("domain 'com.example'"));
    done();
}
END_TEST

START_TEST(knows_opsets)
{
    RanOnnx__Node *node;
    refused(build_model(simple("Neg", "2", "x", &node), 99), RAN_UNSUPPORTED, "opset 99");
    refused(build_model(simple("Gelu", "2", "x", &node), 13), RAN_INVALID, "does not have the op");
    RanOnnx__Graph *graph = simple("Add", "2", "x x", &node);
    build_int(node, "broadcast", 1);
    refused(build_model(graph, 6), RAN_UNSUPPORTED, "broadcast attribute");
    graph = simple("Relu", "2", "x", &node);
    build_int(node, "colour", 1);
    refused(build_model(graph, 13), RAN_UNSUPPORTED, "attribute 'colour'");
    graph = simple("Flatten", "2 3", "x", &node);
    build_float(node, "axis", 1);
    refused(build_model(graph, 13), RAN_INVALID, "attribute 'axis' has the wrong type");
}
END_TEST

/* ---- Dynamic dimensions ---------------------------------------------------------------------- */

START_TEST(binds_dimensions)
{
    RanOnnx__Node *node;
    ran_dim_binding dims[] = {{"N", 5}};
    ran_import_options options = {.dims = dims, .dim_count = 1};
    ck_assert_int_eq(import_with(build_model(simple("Neg", "N 3", "x", &node), 13), &options),
                     RAN_OK);
    const ran_region *body = ran_function_body(ran_module_first_function(module));
    ck_assert_str_eq(ran_type_text(context, ran_value_type(ran_region_argument(body, 0))),
                     "tensor<5x3xf32>");
    done();

    /* A shape says what its symbols are, in other inputs too. */
    RanOnnx__Graph *graph = simple("Add", "N ?", "x z", &node);
    build_input(graph, "z", 1, "N 4");
    ran_shape_binding shapes[] = {{"x", 2, (int64_t[]){2, 4}}};
    options = (ran_import_options){.shapes = shapes, .shape_count = 1};
    ck_assert_int_eq(import_with(build_model(graph, 13), &options), RAN_OK);
    body = ran_function_body(ran_module_first_function(module));
    ck_assert_str_eq(ran_type_text(context, ran_value_type(ran_region_argument(body, 1))),
                     "tensor<2x4xf32>");
    done();

    dims[0].name = "M";
    options = (ran_import_options){.dims = dims, .dim_count = 1};
    ck_assert_int_eq(import_with(build_model(simple("Neg", "N 3", "x", &node), 13), &options),
                     RAN_USAGE);
    ck_assert(says("dimension named 'M'"));
    done();
}
END_TEST

/* ---- Older forms ----------------------------------------------------------------------------- */

START_TEST(softmax_flattened)
{
    RanOnnx__Node *node;
    RanOnnx__Graph *graph = simple("Softmax", "1 2 2", "x", &node);
    import_good(build_model(graph, 11));
    double e[4], sum = 0;
    for (int i = 0; i < 4; i++)
        sum += e[i] = exp(i);
    expect_values(evaluate(3, (int64_t[]){1, 2, 2}),
                  VALUES(e[0] / sum, e[1] / sum, e[2] / sum, e[3] / sum));
    done();
}
END_TEST

START_TEST(attributes_became_operands)
{
    RanOnnx__Node *node;
    const int64_t dims[] = {2, 3};
    RanOnnx__Graph *graph = simple("Clip", "2 3", "x", &node);
    build_float(node, "min", 1);
    build_float(node, "max", 3);
    import_good(build_model(graph, 7));
    expect_values(evaluate(2, dims), VALUES(1, 1, 2, 3, 3, 3));
    done();

    graph = simple("Pad", "2 3", "x", &node);
    build_ints(node, "pads", "0 1 0 0");
    build_float(node, "value", 9);
    import_good(build_model(graph, 10));
    expect_values(evaluate(2, dims), VALUES(9, 0, 1, 2, 9, 3, 4, 5));
    done();

    graph = simple("Slice", "2 3", "x", &node);
    build_ints(node, "starts", "1");
    build_ints(node, "ends", "3");
    build_ints(node, "axes", "1");
    import_good(build_model(graph, 9));
    expect_values(evaluate(2, dims), VALUES(1, 2, 4, 5));
    done();

    graph = simple("ReduceSum", "2 3", "x", &node);
    build_ints(node, "axes", "1");
    build_int(node, "keepdims", 0);
    import_good(build_model(graph, 11));
    expect_values(evaluate(2, dims), VALUES(3, 12));
    done();

    graph = build_graph();
    build_input(graph, "x", 1, "2 3");
    node = build_node(graph, "Split", "x", "a y");
    build_int(node, "axis", 1);
    build_ints(node, "split", "1 2");
    build_output(graph, "y");
    import_good(build_model(graph, 11));
    expect_values(evaluate(2, dims), VALUES(1, 2, 4, 5));
    done();

    graph = build_graph();
    build_input(graph, "x", 1, "2 3");
    node = build_node(graph, "TopK", "x", "y i");
    build_int(node, "k", 1);
    build_output(graph, "y");
    import_good(build_model(graph, 9));
    expect_values(evaluate(2, dims), VALUES(2, 5));
    done();
}
END_TEST

START_TEST(upsample_and_variadic)
{
    RanOnnx__Node *node;
    RanOnnx__Graph *graph = simple("Upsample", "1 1 1 2", "x", &node);
    RanOnnx__Attribute *scales = build_attribute(node, "scales", RAN_ONNX__ATTRIBUTE__TYPE__FLOATS);
    const float factors[] = {1, 1, 1, 2};
    scales->n_floats = 4;
    scales->floats = malloc(sizeof(factors));
    memcpy(scales->floats, factors, sizeof(factors));
    import_good(build_model(graph, 7));
    expect_values(evaluate(4, (int64_t[]){1, 1, 1, 2}), VALUES(0, 0, 1, 1));
    done();

    graph = simple("Mean", "2", "x w x", &node);
    build_floats(graph, "w", "1", (float[]){3});
    import_good(build_model(graph, 8));
    expect_values(evaluate(1, (int64_t[]){2}), VALUES(1, 5 / 3.0));
    done();
}
END_TEST

/* ---- Functions ------------------------------------------------------------------------------- */

static RanOnnx__Function *add_function(RanOnnx__Model *model, const char *name,
                                       RanOnnx__Graph *body)
{
    RanOnnx__Function *function = malloc(sizeof(*function));
    ran_onnx__function__init(function);
    function->name = strdup(name);
    function->domain = strdup("local");
    function->node = body->node;
    function->n_node = body->n_node;
    body->node = NULL;
    body->n_node = 0;
    ran_onnx__graph__free_unpacked(body, NULL);
    function->input = malloc(2 * sizeof(char *));
    function->input[0] = strdup("a");
    function->input[1] = strdup("optional");
    function->n_input = 2;
    function->output = malloc(sizeof(char *));
    function->output[0] = strdup("r");
    function->n_output = 1;
    function->opset_import = malloc(sizeof(*function->opset_import));
    function->opset_import[0] = malloc(sizeof(RanOnnx__OperatorSet));
    ran_onnx__operator_set__init(function->opset_import[0]);
    function->opset_import[0]->has_version = 1;
    function->opset_import[0]->version = 13;
    function->n_opset_import = 1;
    model->functions = realloc(model->functions, (model->n_functions + 1) * sizeof(function));
    model->functions[model->n_functions++] = function;
    return function;
}

START_TEST(inlines_functions)
{
    RanOnnx__Node *call, *inner;
    RanOnnx__Graph *graph = simple("Leak", "2", "x", &call);
    call->domain = strdup("local");
    build_float(call, "slope", 0.5f);
    RanOnnx__Model *model = build_model(graph, 13);
    RanOnnx__Graph *body = build_graph();
    build_node(body, "Neg", "a", "n");
    build_node(body, "Clip", "n optional", "c"); /* an absent operand passes through */
    inner = build_node(body, "LeakyRelu", "c", "r");
    build_attribute(inner, "alpha", RAN_ONNX__ATTRIBUTE__TYPE__FLOAT)->ref_attr_name =
        strdup("slope");
    add_function(model, "Leak", body);
    import_good(model);
    expect_values(evaluate(1, (int64_t[]){2}), VALUES(0, -0.5));
    const ran_op *first = ran_region_first(ran_function_body(ran_module_first_function(module)));
    ck_assert_str_eq(ran_location_name(ran_op_location(first)), "Leak_0/Neg_0");
    done();
}
END_TEST

START_TEST(bounds_functions)
{
    /* Each calls the next twice: 2^40 nodes. */
    RanOnnx__Node *call;
    RanOnnx__Graph *graph = simple("F0", "2", "x", &call);
    call->domain = strdup("local");
    RanOnnx__Model *model = build_model(graph, 13);
    for (int i = 0; i < 30; i++) {
        char name[8], next[8];
        snprintf(name, sizeof(name), "F%d", i);
        snprintf(next, sizeof(next), "F%d", i + 1);
        RanOnnx__Graph *body = build_graph();
        build_node(body, i < 29 ? next : "Neg", "a", "m")->domain = strdup(i < 29 ? "local" : "");
        build_node(body, i < 29 ? next : "Neg", "m", "r")->domain = strdup(i < 29 ? "local" : "");
        add_function(model, name, body);
    }
    refused(model, RAN_UNSUPPORTED, "more than");

    graph = simple("F", "2", "x", &call);
    call->domain = strdup("local");
    model = build_model(graph, 13);
    RanOnnx__Graph *body = build_graph();
    build_node(body, "F", "a", "r")->domain = strdup("local");
    add_function(model, "F", body);
    refused(model, RAN_UNSUPPORTED, "too deeply");
}
END_TEST

/* ---- Hostile files --------------------------------------------------------------------------- */

static ran_status import_bytes(const void *data, size_t size)
{
    context = ran_context_create();
    return ran_onnx_import_memory(context, "model.onnx", data, size, NULL, &module);
}

START_TEST(refuses_nesting)
{
    RanOnnx__Graph *graph = build_graph();
    build_node(graph, "Neg", "x", "y");
    build_output(graph, "y");
    for (int i = 0; i < 2000; i++) {
        RanOnnx__Graph *outer = build_graph();
        RanOnnx__Node *node = build_node(outer, "If", "x", "y");
        build_subgraph(node, "then_branch", graph);
        build_output(outer, "y");
        graph = outer;
    }
    refused(build_model(graph, 13), RAN_INVALID, "nested too deeply");
}
END_TEST

START_TEST(refuses_what_is_no_model)
{
    ck_assert_int_eq(import_bytes("", 0), RAN_INVALID);
    done();
    ck_assert_int_eq(import_bytes("not a model at all", 18), RAN_INVALID);
    done();
    /* Ten million empty nodes in 20 MB would take gigabytes. */
    size_t count = 10000000, size = 2 * count + 6;
    uint8_t *data = malloc(size), *at = data;
    *at++ = 7 << 3 | 2;
    for (size_t left = 2 * count, i = 0; i < 5; i++, left >>= 7)
        *at++ = (uint8_t)((left & 0x7f) | (i < 4 ? 0x80 : 0));
    for (size_t i = 0; i < count; i++) {
        *at++ = 1 << 3 | 2;
        *at++ = 0;
    }
    ck_assert_int_eq(import_bytes(data, size), RAN_INVALID);
    ck_assert(says("of memory"));
    done();
    free(data);
}
END_TEST

START_TEST(refuses_every_truncation)
{
    RanOnnx__Node *node;
    RanOnnx__Graph *graph = simple("Conv", "1 1 3 3", "x w", &node);
    build_floats(graph, "w", "1 1 2 2", NULL);
    RanOnnx__Model *model = build_model(graph, 13);
    size_t size;
    uint8_t *data = build_pack(model, &size);
    ran_onnx__model__free_unpacked(model, NULL);
    for (size_t length = 0; length < size; length++) {
        uint8_t *cut = malloc(length + 1);
        memcpy(cut, data, length);
        ran_status status = import_bytes(cut, length);
        ck_assert(status == RAN_INVALID || status == RAN_UNSUPPORTED);
        ck_assert_uint_gt(ran_error_count(context), 0);
        done();
        free(cut);
    }
    free(data);
}
END_TEST

RAN_UNIT_TESTS(reads_raw_data, reads_typed_data, reads_half_bytes, refuses_bad_shapes,
               maps_external_data, keeps_external_data_inside, initialisers_are_no_inputs,
               puts_nodes_in_order, refuses_bad_graphs, outputs_may_be_anything,
               reports_all_problems, knows_opsets, binds_dimensions, softmax_flattened,
               attributes_became_operands, upsample_and_variadic, inlines_functions,
               bounds_functions, refuses_nesting, refuses_what_is_no_model,
               refuses_every_truncation)
