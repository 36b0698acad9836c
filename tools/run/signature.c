/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * What a compiled model says of itself, as a function of the IR, which data sets and reports are
 * written for. Its outputs are results of ops that take all inputs and compute nothing.
 */
#include "tools/run/run.h"

#include <stdlib.h>

#include <ran/rt.h>

/* An extent that is an expression of symbols, or depends on data, gets a symbol of its own. */
static const ran_dim *dim_of(ran_context *context, const struct ran_model_desc *desc, int64_t dim)
{
    if (dim >= 0)
        return ran_dim_constant(context, dim);
    return dim <= RAN_DIM_DATA ? ran_dim_fresh(context)
                               : ran_dim_symbol(context, desc->symbols[-1 - dim]);
}

static ran_status type_of(ran_context *context, const struct ran_model_desc *desc,
                          const struct ran_value_desc *value, const ran_type **out_type)
{
    const ran_dim *dims[RAN_MAX_RANK];
    ran_elem elem;
    if (value->rank > RAN_MAX_RANK || !ran_elem_from_onnx(value->elem, &elem))
        return ran_error(context, RAN_UNSUPPORTED, "%s: %s has rank %d and element type %d",
                         desc->name, value->name, (int)value->rank, (int)value->elem);
    for (int i = 0; i < value->rank; i++)
        dims[i] = dim_of(context, desc, value->dims[i]);
    *out_type = ran_type_tensor(context, elem, value->rank, dims, RAN_PLAIN);
    return RAN_OK;
}

static ran_status add_outputs(ran_context *context, const struct ran_model_desc *desc,
                              ran_function *function)
{
    ran_region *body = ran_function_body(function);
    ran_builder builder = ran_builder_at_end(body);
    ran_value **inputs = calloc(desc->input_count + 1, sizeof(*inputs));
    ran_value **values = calloc(desc->output_count + 1, sizeof(*values));
    ran_status status = RAN_OK;
    for (uint32_t i = 0; i < desc->input_count; i++)
        inputs[i] = ran_region_argument(body, i);
    for (uint32_t i = 0; !status && i < desc->output_count; i++) {
        const ran_type *type = NULL;
        status = type_of(context, desc, &desc->outputs[i], &type);
        ran_op *op = ran_op_create(&builder, RAN_OP_IDENTITY, desc->input_count, inputs, 1);
        values[i] = ran_op_result(op, 0);
        if (!status)
            ran_value_set_type(values[i], type);
    }
    if (!status)
        ran_op_create(&builder, RAN_OP_RETURN, desc->output_count, values, 0);
    for (uint32_t i = 0; !status && i < desc->output_count; i++)
        ran_function_set_output_name(function, i, desc->outputs[i].name);
    free(values);
    free(inputs);
    return status;
}

ran_status run_signature_create(ran_context *context, const struct ran_model_desc *desc,
                                ran_module **out_module)
{
    ran_module *module = ran_module_create(context);
    ran_function *function = ran_function_create(module, "main");
    ran_status status = RAN_OK;
    for (uint32_t i = 0; !status && i < desc->input_count; i++) {
        const ran_type *type;
        status = type_of(context, desc, &desc->inputs[i], &type);
        if (!status)
            ran_region_add_argument(ran_function_body(function), desc->inputs[i].name, type);
    }
    if (!status)
        status = add_outputs(context, desc, function);
    if (status)
        ran_module_destroy(module);
    else
        *out_module = module;
    return status;
}
