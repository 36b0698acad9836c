/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Building blocks of a training step: short forms of ops, arguments and results by name. */
#include <stdlib.h>
#include <string.h>

#include "passes/grad/step.h"

ran_value *ran_step_unary(step *s, ran_opcode opcode, ran_value *x)
{
    return ran_build(&s->builder, opcode, 1, &x);
}

ran_value *ran_step_binary(step *s, ran_opcode opcode, ran_value *x, ran_value *y)
{
    return ran_build(&s->builder, opcode, 2, (ran_value *[]){x, y});
}

static ran_value *constant(step *s, ran_tensor *tensor)
{
    ran_value *value = ran_constant_create(s->module, NULL, tensor);
    ran_tensor_release(tensor);
    return value;
}

ran_value *ran_step_scalar(step *s, double value)
{
    ran_tensor *tensor = ran_tensor_create(RAN_ELEM_F32, 0, NULL);
    ran_tensor_set_f64(tensor, 0, value);
    return constant(s, tensor);
}

ran_value *ran_step_ints(step *s, const int64_t *values, size_t count)
{
    ran_tensor *tensor = ran_tensor_create(RAN_ELEM_I64, 1, (int64_t[]){(int64_t)count});
    for (size_t i = 0; i < count; i++)
        ran_tensor_set_i64(tensor, (int64_t)i, values[i]);
    return constant(s, tensor);
}

ran_value *ran_step_scale(step *s, ran_value *x, double factor)
{
    return factor == 1 ? x : ran_step_binary(s, RAN_OP_MUL, x, ran_step_scalar(s, factor));
}

ran_value *ran_step_shift(step *s, ran_value *x, double addend)
{
    return addend == 0 ? x : ran_step_binary(s, RAN_OP_ADD, x, ran_step_scalar(s, addend));
}

ran_value *ran_step_where(step *s, ran_value *condition, ran_value *x, ran_value *y)
{
    return ran_build(&s->builder, RAN_OP_WHERE, 3, (ran_value *[]){condition, x, y});
}

static ran_value *finish(step *s, ran_op *op)
{
    if (ran_op_infer_types(op))
        RAN_BUG(s->context, "the training step does not fit: %s", ran_op_text(s->context, op));
    return ran_op_result(op, 0);
}

ran_value *ran_step_cast(step *s, ran_value *x, ran_elem elem)
{
    if (ran_type_elem(ran_value_type(x)) == elem)
        return x;
    ran_op *op = ran_op_create(&s->builder, RAN_OP_CAST, 1, &x, 1);
    ran_op_set_type_attr(op, "to", ran_type_tensor(s->context, elem, 0, NULL, RAN_PLAIN));
    return finish(s, op);
}

ran_value *ran_step_sum(step *s, ran_value *x)
{
    ran_op *op = ran_op_create(&s->builder, RAN_OP_REDUCE_SUM, 1, &x, 1);
    ran_op_set_int(op, "keepdims", 0);
    return finish(s, op);
}

ran_value *ran_step_softmax(step *s, ran_opcode opcode, ran_value *x, int axis)
{
    ran_op *op = ran_op_create(&s->builder, opcode, 1, &x, 1);
    ran_op_set_int(op, "axis", axis);
    return finish(s, op);
}

ran_value *ran_step_argument(step *s, const char *name, const ran_type *type)
{
    for (size_t i = 0; i < ran_region_argument_count(s->body); i++) {
        ran_value *argument = ran_region_argument(s->body, i);
        if (ran_value_name(argument) && !strcmp(ran_value_name(argument), name))
            return argument;
    }
    return ran_region_add_argument(s->body, name, type);
}

void ran_step_result(step *s, const char *name, ran_value *value)
{
    if (s->result_count == s->result_capacity) {
        s->result_capacity = s->result_capacity ? 2 * s->result_capacity : 64;
        s->results = realloc(s->results, s->result_capacity * sizeof(*s->results));
        s->result_names = realloc(s->result_names, s->result_capacity * sizeof(*s->result_names));
    }
    s->results[s->result_count] = value;
    s->result_names[s->result_count++] = ran_intern(s->context, name);
}

ran_value *ran_step_find(const step *s, const char *name)
{
    for (ran_op *op = ran_region_first(s->body); op; op = ran_op_next(op)) {
        for (size_t i = 0; i < ran_op_result_count(op); i++) {
            ran_value *result = ran_op_result(op, i);
            if (ran_value_name(result) && !strcmp(ran_value_name(result), name))
                return result;
        }
    }
    for (size_t i = 0; i < s->output_count; i++) {
        const char *output = ran_function_output_name(s->function, i);
        if (output && !strcmp(output, name))
            return s->outputs[i];
    }
    return NULL;
}

ran_value *ran_step_peel(ran_value *output)
{
    const ran_op *op = ran_value_op(output);
    if (ran_op_is(op, RAN_OP_IDENTITY))
        return ran_step_peel(ran_op_operand(op, 0));
    if (!ran_op_is(op, RAN_OP_SOFTMAX) && !ran_op_is(op, RAN_OP_LOG_SOFTMAX))
        return output;
    int rank = ran_type_rank(ran_value_type(output));
    int64_t axis = ran_op_int(op, "axis");
    return axis == 1 || axis + rank == 1 ? ran_op_operand(op, 0) : output;
}

/* ---- Opening and closing ----------------------------------------------------------------------------- */

static ran_status run_passes(ran_context *context, ran_module *module, const char *pipeline)
{
    ran_pass_manager *manager = ran_pass_manager_create(context);
    ran_status status = ran_pass_manager_run_text(manager, pipeline, module);
    ran_pass_manager_destroy(manager);
    return status;
}

ran_status ran_step_clean(step *s, bool recognize)
{
    static const char *const before =
        "fixpoint(fold-constants,canonicalize,dead-code),recognize-gelu,recognize-silu,"
        "recognize-hard-swish,recognize-layernorm,common-subexpressions,dead-code";
    static const char *const after =
        "fixpoint(fold-constants,canonicalize,common-subexpressions,dead-code)";
    return run_passes(s->context, s->module, recognize ? before : after);
}

static ran_status bind_batch(step *s, int64_t batch)
{
    char pipeline[64];
    const ran_value *input =
        ran_region_argument_count(s->body) ? ran_region_argument(s->body, 0) : NULL;
    if (!input || ran_type_rank(ran_value_type(input)) < 1)
        return ran_error(s->context, RAN_UNSUPPORTED,
                         "the model has no input whose first axis is the batch");
    const ran_dim *dim = ran_type_dim(ran_value_type(input), 0);
    if (ran_dim_is(dim, batch))
        return RAN_OK;
    if (ran_dim_get_kind(dim) == RAN_DIM_SYMBOL)
        return ran_function_bind_dim(s->function, ran_dim_name(dim), batch);
    snprintf(pipeline, sizeof(pipeline), "rebatch{batch=%lld}", (long long)batch);
    return run_passes(s->context, s->module, pipeline);
}

static ran_status check_static(step *s)
{
    for (size_t i = 0; i < ran_region_argument_count(s->body); i++) {
        const ran_value *input = ran_region_argument(s->body, i);
        if (!ran_type_is_static(ran_value_type(input)))
            return ran_error(s->context, RAN_USAGE,
                             "input '%s' is %s: training needs all sizes but the batch to be "
                             "fixed; bind them with --dim",
                             ran_value_name(input), ran_type_text(s->context, ran_value_type(input)));
    }
    return RAN_OK;
}

ran_status ran_step_open(step *s, const ran_module *model, int64_t batch, const char *name)
{
    s->context = ran_module_context(model);
    s->module = ran_module_clone(model);
    s->function = ran_module_first_function(s->module);
    if (!s->function)
        return ran_error(s->context, RAN_INVALID, "the model has no function");
    s->body = ran_function_body(s->function);
    ran_status status = bind_batch(s, batch);
    if (!status)
        status = check_static(s);
    if (status)
        return status;
    s->function->name = ran_intern(s->context, name);
    ran_op *end = ran_region_terminator(s->body);
    s->builder = ran_builder_before(end);
    s->builder.location = NULL;
    s->output_count = ran_op_operand_count(end);
    s->outputs = calloc(s->output_count + 1, sizeof(*s->outputs));
    for (size_t i = 0; i < s->output_count; i++)
        s->outputs[i] = ran_op_operand(end, i);
    return RAN_OK;
}

void ran_step_close(step *s)
{
    free(s->parameters);
    free(s->outputs);
    free(s->gradients);
    free(s->results);
    free(s->result_names);
}

void ran_step_return(step *s)
{
    ran_op_set_operands(ran_region_terminator(s->body), s->result_count, s->results);
    for (size_t i = 0; i < s->result_count; i++)
        ran_function_set_output_name(s->function, i, s->result_names[i]);
}
