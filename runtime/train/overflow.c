/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Which op overflowed: the step is built once more, its results being flags, one for each value:
 * how many of its elements are NaN or infinite. Compiled as the step was, it takes little longer
 * than a step; and every process runs it to its end, so that their sums meet.
 */
#include "runtime/train/train.h"

#include <float.h>
#include <math.h>
#include <stdlib.h>

/* ---- Building
 * ------------------------------------------------------------------------------------------ */

/* Ops that only move what their operands hold. */
static bool moves(ran_opcode opcode)
{
    switch (opcode) {
    case RAN_OP_RESHAPE:
    case RAN_OP_FLATTEN:
    case RAN_OP_SQUEEZE:
    case RAN_OP_UNSQUEEZE:
    case RAN_OP_TRANSPOSE:
    case RAN_OP_EXPAND:
    case RAN_OP_IDENTITY:
        return true;
    default:
        return false;
    }
}

static bool is_watched(const ran_value *value)
{
    const ran_type *type = ran_value_type(value);
    return ran_type_is_tensor(type) && ran_elem_is_float(ran_type_elem(type)) &&
           !moves(ran_op_opcode(ran_value_op(value)));
}

static ran_value *scalar(const ran_builder *b, ran_elem elem, double number)
{
    ran_tensor *tensor = ran_tensor_create(elem, 0, NULL);
    ran_tensor_set_f64(tensor, 0, number);
    ran_value *value = ran_constant_create(b->module, NULL, tensor);
    ran_tensor_release(tensor);
    return value;
}

/* How many elements are not finite; f32. */
static ran_value *count_overflows(ran_builder *b, ran_value *value)
{
    ran_elem elem = ran_type_elem(ran_value_type(value));
    double largest = elem == RAN_ELEM_F64 ? DBL_MAX : elem == RAN_ELEM_F16 ? 65504 : FLT_MAX;
    ran_value *size = ran_build(b, RAN_OP_ABS, 1, &value);
    ran_value *finite =
        ran_build(b, RAN_OP_LESS_OR_EQUAL, 2, (ran_value *[]){size, scalar(b, elem, largest)});
    ran_value *ones =
        ran_build(b, RAN_OP_WHERE, 3,
                  (ran_value *[]){finite, scalar(b, RAN_ELEM_F32, 0), scalar(b, RAN_ELEM_F32, 1)});
    ran_op *sum = ran_op_create(b, RAN_OP_REDUCE_SUM, 1, &ones, 1);
    ran_op_set_int(sum, "keepdims", 0);
    return ran_op_infer_types(sum) ? NULL : ran_op_result(sum, 0);
}

/* The flags become the results of the function, in the order of its ops. */
static ran_status watch(ran_function *function)
{
    ran_region *body = ran_function_body(function);
    ran_op *end = ran_region_terminator(body);
    size_t count = 0, capacity = 0;
    for (ran_op *op = ran_region_first(body); op != end; op = ran_op_next(op))
        capacity += ran_op_result_count(op);
    ran_value **flags = calloc(capacity + 1, sizeof(*flags));
    ran_status status = flags ? RAN_OK : RAN_INVALID;
    for (ran_op *op = ran_region_first(body), *next; !status && op != end; op = next) {
        next = ran_op_next(op);
        ran_builder b = ran_builder_before(next);
        for (size_t i = 0; i < ran_op_result_count(op) && !status; i++) {
            if (!is_watched(ran_op_result(op, i)))
                continue;
            flags[count] = count_overflows(&b, ran_op_result(op, i));
            status = flags[count++] ? RAN_OK : RAN_INTERNAL;
        }
    }
    if (!status)
        ran_op_set_operands(end, count, flags);
    for (size_t i = 0; i < count && !status; i++)
        ran_function_set_output_name(
            function, i,
            ran_intern_printf(ran_module_context(ran_function_module(function)), "flag%zu", i));
    free(flags);
    return status;
}

/* ---- Reporting
 * ----------------------------------------------------------------------------------------- */

static ran_status report_op(ran_engine *e, const ran_op *op, const char *when)
{
    const ran_location *location = ran_op_location(op);
    const char *name = location ? ran_location_name(location) : NULL;
    const char *value = ran_value_name(ran_op_result(op, 0));
    return ran_error(
        e->context, RAN_MISMATCH,
        "%s: NaN or infinity; the first op that gives it is %s '%s'%s; nothing of this "
        "step was kept: try a lower learning rate, warm-up, or --clip",
        when, ran_opcode_name(ran_op_opcode(op)),
        name    ? name
        : value ? value
                : "of the loss or the optimiser",
        name ? "" : " (without a node of the model)");
}

static ran_status report_none(ran_engine *e, const char *when)
{
    return ran_error(
        e->context, RAN_MISMATCH,
        "%s: NaN or infinity, in another process or in the sum of the gradients: try a "
        "lower learning rate, warm-up, or --clip",
        when);
}

static bool is_finite_input(const ran_engine *e, size_t index)
{
    const ran_type *type = ran_engine_input_type(e, index);
    const float *values = e->inputs[index];
    if (ran_type_elem(type) != RAN_ELEM_F32)
        return true;
    for (int64_t i = 0; i < ran_type_numel(type); i++) {
        if (!isfinite(values[i]))
            return false;
    }
    return true;
}

/* Flag k belongs to the k-th watched value of the step. */
static ran_status report_first(ran_engine *e, const ran_engine *flags, const char *when)
{
    const ran_op *op = ran_region_first(ran_function_body(ran_module_first_function(e->source)));
    for (size_t k = 0; op; op = ran_op_next(op)) {
        for (size_t i = 0; i < ran_op_result_count(op); i++) {
            if (!is_watched(ran_op_result(op, i)))
                continue;
            if (*(const float *)flags->outputs[k++] != 0)
                return report_op(e, op, when);
        }
    }
    return report_none(e, when);
}

/* The flags of a step on its own inputs; the state is as it was before it. */
static ran_status run_flags(ran_engine *e, const struct ran_parallel *parallel,
                            ran_engine **out_flags)
{
    ran_module *module = ran_module_clone(e->source);
    ran_engine_options options = {.interpret = !e->compiled,
                                  .slots = parallel ? parallel->slots : 1};
    ran_status status = watch(ran_module_first_function(module));
    if (status) {
        ran_module_destroy(module);
        return status;
    }
    status = ran_engine_create(e->context, module, &options, out_flags);
    for (size_t i = 0; i < e->input_count && !status; i++)
        (*out_flags)->inputs[i] = e->inputs[i];
    return status ? status : ran_engine_run(*out_flags, parallel);
}

ran_status ran_engine_explain(ran_engine *e, const struct ran_parallel *parallel, const char *when)
{
    ran_engine *flags = NULL;
    ran_status status = run_flags(e, parallel, &flags);
    for (size_t i = 0; i < e->input_count && !status; i++) {
        if (!is_finite_input(e, i))
            status = ran_error(e->context, RAN_MISMATCH,
                               "%s: NaN or infinity in '%s' already, before any op: check the data "
                               "and its normalisation",
                               when, ran_engine_input_name(e, i));
    }
    if (!status)
        status = report_first(e, flags, when);
    ran_engine_destroy(flags);
    return status;
}
