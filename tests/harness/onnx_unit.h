/* SPDX-License-Identifier: GPL-3.0-or-later */
/* What unit tests of the importer share: a built model, imported, evaluated, and what was said. */
#ifndef RAN_TESTS_HARNESS_ONNX_UNIT_H
#define RAN_TESTS_HARNESS_ONNX_UNIT_H

#include "tests/harness/onnx_builder.h"
#include "tests/harness/unit.h"

#include <string.h>

#include <ran/onnx.h>

static ran_context *context;
static ran_module *module;

static inline ran_status import_with(RanOnnx__Model *model, const ran_import_options *options)
{
    size_t size;
    uint8_t *data = build_pack(model, &size);
    ran_onnx__model__free_unpacked(model, NULL);
    context = ran_context_create();
    ran_status status = ran_onnx_import_memory(context, "model.onnx", data, size, options, &module);
    free(data);
    ck_assert_int_eq(status != RAN_OK, ran_error_count(context) > 0);
    if (status == RAN_OK)
        ck_assert_int_eq(ran_module_verify(module), RAN_OK);
    return status;
}

static inline ran_status import(RanOnnx__Model *model)
{
    return import_with(model, NULL);
}

static inline void import_good(RanOnnx__Model *model)
{
    ran_status status = import(model);
    if (status != RAN_OK)
        ran_diagnostics_print(context, stdout);
    ck_assert_int_eq(status, RAN_OK);
}

static inline void done(void)
{
    if (module)
        ran_module_destroy(module);
    module = NULL;
    ran_context_destroy(context);
}

static inline bool says(const char *text)
{
    for (size_t i = 0; i < ran_diagnostic_count(context); i++)
        if (strstr(ran_diagnostic_at(context, i)->message, text))
            return true;
    ran_diagnostics_print(context, stdout);
    return false;
}

static inline void refused(RanOnnx__Model *model, ran_status status, const char *text)
{
    ck_assert_int_eq(import(model), status);
    ck_assert_msg(says(text), "no message with '%s'", text);
    ck_assert_ptr_null(module);
    done();
}

/* Evaluates the model on one float input 0, 1, 2, ... of the given shape. */
static inline ran_tensor *evaluate(int rank, const int64_t *dims)
{
    const ran_function *function = ran_module_first_function(module);
    ran_tensor *input = ran_tensor_create(RAN_ELEM_F32, rank, dims), *results[8] = {0};
    for (int64_t i = 0; i < ran_tensor_numel(input); i++)
        ran_tensor_set_f64(input, i, (double)i);
    size_t count = ran_op_operand_count(ran_region_terminator(ran_function_body(function)));
    ran_status status =
        ran_evaluate(function, (const ran_tensor *const *)&input, 1, results, count);
    if (status != RAN_OK)
        ran_diagnostics_print(context, stdout);
    ck_assert_int_eq(status, RAN_OK);
    ran_tensor_release(input);
    for (size_t i = 1; i < count; i++)
        ran_tensor_release(results[i]);
    return results[0];
}

static inline void expect_values(ran_tensor *got, size_t count, const double *values)
{
    ck_assert_int_eq(ran_tensor_numel(got), count);
    for (size_t i = 0; i < count; i++)
        ck_assert_double_eq_tol(ran_tensor_get_f64(got, (int64_t)i), values[i], 1e-5);
    ran_tensor_release(got);
}

#define VALUES(...)                                                                                \
    sizeof((double[]){__VA_ARGS__}) / sizeof(double), (double[])                                   \
    {                                                                                              \
        __VA_ARGS__                                                                                \
    }

/* x -> op -> y, with the graph for more. */
static inline RanOnnx__Graph *simple(const char *op_type, const char *dims, const char *inputs,
                              RanOnnx__Node **out_node)
{
    RanOnnx__Graph *graph = build_graph();
    build_input(graph, "x", 1, dims);
    *out_node = build_node(graph, op_type, inputs, "y");
    build_output(graph, "y");
    return graph;
}

#endif
