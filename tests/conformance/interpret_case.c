/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "tests/conformance/case.h"

#include <ran/onnx.h>
#include <ran/tensor_file.h>

#include "ir/ir.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

enum { MAX_TENSORS = 64 };

typedef struct data_case {
    ran_context *context;
    const ran_function *function;
    size_t input_count, output_count;
    ran_tensor *inputs[MAX_TENSORS], *outputs[MAX_TENSORS], *expected[MAX_TENSORS];
} data_case;

static bool exists(const char *path)
{
    struct stat info;
    return !stat(path, &info);
}

/* ---- Tensors -------------------------------------------------------------------------------- */

/* Older cases store bf16 as the u16 of its bits. */
static ran_tensor *copy_tensor(const struct ran_rt_tensor *from, const ran_type *type)
{
    ran_elem elem;
    if (!ran_elem_from_onnx(from->elem, &elem))
        return NULL;
    if (elem == RAN_ELEM_U16 && ran_type_is_tensor(type) && ran_type_elem(type) == RAN_ELEM_BF16)
        elem = RAN_ELEM_BF16;
    ran_tensor *tensor = ran_tensor_create(elem, from->rank, from->dims);
    if (elem == RAN_ELEM_STRING)
        for (int64_t i = 0; i < from->numel; i++)
            ((char **)ran_tensor_mutable_data(tensor))[i] = strdup(((char **)from->data)[i]);
    else
        memcpy(ran_tensor_mutable_data(tensor), from->data, from->bytes);
    return tensor;
}

/* Sequences and optionals are no tensors: the file does not parse as one. */
static ran_status read_tensor(const char *directory, const char *kind, size_t index,
                              const ran_value *value, ran_tensor **out_tensor)
{
    char path[4096];
    struct ran_rt_tensor file;
    struct ran_rt_error error;
    snprintf(path, sizeof path, "%s/%s_%zu.pb", directory, kind, index);
    if (ran_rt_tensor_read(path, &file, &error)) {
        printf("%s_%zu.pb: %s\n", kind, index, error.text);
        return RAN_UNSUPPORTED;
    }
    *out_tensor = copy_tensor(&file, ran_value_type(value));
    ran_rt_tensor_clear(&file);
    return *out_tensor ? RAN_OK : RAN_UNSUPPORTED;
}

/* ---- Comparison ----------------------------------------------------------------------------- */

/* Two units of the last place of the narrow types; 1e-3 otherwise. */
static double relative_tolerance(ran_elem elem)
{
    return elem == RAN_ELEM_BF16 ? 1.6e-2 : elem == RAN_ELEM_F16 ? 2e-3 : 1e-3;
}

static double largest(const ran_tensor *tensor)
{
    double result = 0;
    for (int64_t i = 0; i < ran_tensor_numel(tensor); i++) {
        double value = fabs(ran_tensor_get_f64(tensor, i));
        result = isfinite(value) && value > result ? value : result;
    }
    return result;
}

static bool floats_agree(const ran_tensor *a, const ran_tensor *b, int64_t i, double maximum)
{
    double x = ran_tensor_get_f64(a, i), y = ran_tensor_get_f64(b, i);
    if (isnan(x) || isnan(y))
        return isnan(x) && isnan(y);
    if (isinf(x) || isinf(y))
        return x == y;
    return fabs(x - y) <= relative_tolerance(ran_tensor_elem(b)) * fabs(y) + 1e-5 * maximum + 1e-7;
}

static bool is_wide_float(ran_elem elem)
{
    return ran_elem_is_float(elem) && ran_elem_bits(elem) >= 16;
}

/* Complex numbers as pairs; narrower floats, integers, bools and strings are equal. */
static bool elements_agree(const ran_tensor *a, const ran_tensor *b, int64_t i, double maximum)
{
    ran_elem elem = ran_tensor_elem(b);
    if (elem == RAN_ELEM_STRING)
        return !strcmp(((char *const *)ran_tensor_data(a))[i],
                       ((char *const *)ran_tensor_data(b))[i]);
    if (is_wide_float(elem))
        return floats_agree(a, b, i, maximum);
    if (elem == RAN_ELEM_C64 || elem == RAN_ELEM_C128) {
        size_t bytes = ran_elem_bits(elem) / 8;
        return !memcmp((const char *)ran_tensor_data(a) + (size_t)i * bytes,
                       (const char *)ran_tensor_data(b) + (size_t)i * bytes, bytes);
    }
    if (ran_elem_is_float(elem))
        return ran_tensor_get_f64(a, i) == ran_tensor_get_f64(b, i) ||
               (isnan(ran_tensor_get_f64(a, i)) && isnan(ran_tensor_get_f64(b, i)));
    return ran_tensor_get_i64(a, i) == ran_tensor_get_i64(b, i);
}

static bool same_shape(const ran_tensor *a, const ran_tensor *b)
{
    size_t bytes = (size_t)ran_tensor_rank(b) * sizeof(int64_t);
    return ran_tensor_rank(a) == ran_tensor_rank(b) &&
           !memcmp(ran_tensor_dims(a), ran_tensor_dims(b), bytes);
}

static void print_tensor_type(const ran_tensor *tensor)
{
    for (int i = 0; i < ran_tensor_rank(tensor); i++)
        printf("%lldx", (long long)ran_tensor_dims(tensor)[i]);
    printf("%s", ran_elem_name(ran_tensor_elem(tensor)));
}

static ran_status compare(size_t index, const ran_tensor *a, const ran_tensor *b)
{
    if (ran_tensor_elem(a) != ran_tensor_elem(b) || !same_shape(a, b)) {
        printf("output %zu: got ", index);
        print_tensor_type(a);
        printf(", expected ");
        print_tensor_type(b);
        printf("\n");
        return RAN_MISMATCH;
    }
    double maximum = is_wide_float(ran_tensor_elem(b)) ? largest(b) : 0;
    for (int64_t i = 0; i < ran_tensor_numel(b); i++)
        if (!elements_agree(a, b, i, maximum)) {
            printf("output %zu: element %lld: got ", index, (long long)i);
            if (ran_tensor_elem(b) == RAN_ELEM_STRING)
                printf("\"%s\", expected \"%s\"\n", ((char *const *)ran_tensor_data(a))[i],
                       ((char *const *)ran_tensor_data(b))[i]);
            else
                printf("%.9g, expected %.9g\n", ran_tensor_get_f64(a, i), ran_tensor_get_f64(b, i));
            return RAN_MISMATCH;
        }
    return RAN_OK;
}

/* ---- Data sets ------------------------------------------------------------------------------ */

static ran_status read_data_set(data_case *d, const char *directory)
{
    ran_status status = RAN_OK;
    ran_region *body = ran_function_body(d->function);
    for (size_t i = 0; i < d->input_count && status == RAN_OK; i++)
        status = read_tensor(directory, "input", i, ran_region_argument(body, i), &d->inputs[i]);
    for (size_t i = 0; i < d->output_count && status == RAN_OK; i++)
        status = read_tensor(directory, "output", i, ran_op_operand(ran_region_terminator(body), i),
                             &d->expected[i]);
    return status;
}

static ran_status run_data_set(data_case *d, const char *directory)
{
    ran_status status = read_data_set(d, directory);
    if (status == RAN_OK)
        status = ran_evaluate(d->function, (const ran_tensor *const *)d->inputs, d->input_count,
                              d->outputs, d->output_count);
    for (size_t i = 0; i < d->output_count && status == RAN_OK; i++)
        status = compare(i, d->outputs[i], d->expected[i]);
    for (size_t i = 0; i < MAX_TENSORS; i++) {
        ran_tensor_release(d->inputs[i]);
        ran_tensor_release(d->expected[i]);
        ran_tensor_release(d->outputs[i]);
        d->inputs[i] = d->expected[i] = d->outputs[i] = NULL;
    }
    return status;
}

static ran_status run_data_sets(data_case *d, const char *directory)
{
    ran_status status = RAN_OK;
    char path[4096];
    for (int i = 0; status == RAN_OK; i++) {
        snprintf(path, sizeof path, "%s/test_data_set_%d", directory, i);
        if (!exists(path)) {
            if (i == 0)
                printf("no test_data_set_0\n");
            return i ? RAN_OK : RAN_INVALID;
        }
        status = run_data_set(d, path);
    }
    return status;
}

static ran_status run_module(ran_context *context, const ran_module *module, const char *directory)
{
    data_case d = {.context = context, .function = ran_module_first_function(module)};
    ran_region *body = ran_function_body(d.function);
    d.input_count = ran_region_argument_count(body);
    d.output_count = ran_op_operand_count(ran_region_terminator(body));
    ran_status status = ran_module_verify(module);
    if (status == RAN_OK && (d.input_count > MAX_TENSORS || d.output_count > MAX_TENSORS)) {
        printf("more than %d inputs or outputs\n", MAX_TENSORS);
        return RAN_UNSUPPORTED;
    }
    return status == RAN_OK ? run_data_sets(&d, directory) : status;
}

ran_status interpret_case(const char *directory)
{
    char path[4096];
    ran_module *module = NULL;
    ran_context *context = ran_context_create();
    snprintf(path, sizeof path, "%s/model.onnx", directory);
    ran_status status = ran_onnx_import(context, path, NULL, &module);
    if (status == RAN_OK)
        status = run_module(context, module, directory);
    ran_diagnostics_print(context, stdout);
    if (module)
        ran_module_destroy(module);
    ran_context_destroy(context);
    return status;
}
