/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Small rewrites before layout and fusion, so that these see one form only:
 *   if, loop             -> kernels that call functions (control.c), which are lowered first
 *   ops without a kernel -> simpler ops (expand.h)
 *   conv(x, w, b)        -> add(conv(x, w), b as [1, C, 1, 1])
 *   gemm(a, b, c) {beta} -> add(gemm(a, b), beta * c)
 *   an output that is an input, a constant, a view of a larger buffer, or a result that is
 *   returned twice -> a kernel that copies it, so that every output has memory of its own.
 */
#include "codegen/lower.h"

#include "codegen/expand.h"

static ran_value *constant_scalar(ran_module *module, ran_elem elem, double value)
{
    ran_tensor *tensor = ran_tensor_create(elem, 0, NULL);
    ran_tensor_set_f64(tensor, 0, value);
    ran_value *constant = ran_constant_create(module, NULL, tensor);
    ran_tensor_release(tensor);
    return constant;
}

static void release_owner(void *data, void *owner)
{
    (void)data;
    ran_tensor_release(owner);
}

ran_value *ran_constant_reshaped(ran_module *module, const ran_value *constant,
                                 const ran_type *type)
{
    const ran_tensor *tensor = ran_value_constant(constant);
    int64_t dims[RAN_MAX_RANK];
    for (int i = 0; i < ran_type_rank(type); i++)
        dims[i] = ran_type_extent(type, i);
    ran_tensor *view =
        ran_tensor_wrap(ran_tensor_elem(tensor), ran_type_rank(type), dims,
                        (void *)ran_tensor_data(tensor), release_owner, ran_tensor_retain(tensor));
    ran_value *result = ran_constant_create(module, ran_value_name(constant), view);
    ran_tensor_release(view);
    return result;
}

ran_value *ran_reshape_to(ran_builder *builder, ran_value *value, int rank, const int64_t *dims)
{
    ran_module *module = builder->module;
    ran_context *context = ran_module_context(module);
    const ran_type *type =
        ran_type_tensor_i64(context, ran_type_elem(ran_value_type(value)), rank, dims);
    if (ran_value_constant(value))
        return ran_constant_reshaped(module, value, type);
    ran_tensor *shape = ran_tensor_create(RAN_ELEM_I64, 1, (int64_t[]){rank});
    for (int i = 0; i < rank; i++)
        ran_tensor_set_i64(shape, i, dims[i]);
    ran_value *operands[] = {value, ran_constant_create(module, NULL, shape)};
    ran_tensor_release(shape);
    ran_op *op = ran_op_create(builder, RAN_OP_RESHAPE, 2, operands, 1);
    ran_value_set_type(ran_op_result(op, 0), type);
    return ran_op_result(op, 0);
}

/* Puts `op(result of anchor, other)` between the anchor and its users. */
static void append_binary(ran_op *anchor, ran_opcode opcode, ran_value *other)
{
    ran_value *result = ran_op_result(anchor, 0);
    ran_builder builder = ran_builder_before(ran_op_next(anchor));
    builder.location = ran_op_location(anchor);
    ran_value *operands[] = {result, other};
    ran_op *op = ran_op_create(&builder, opcode, 2, operands, 1);
    ran_value_set_type(ran_op_result(op, 0), ran_value_type(result));
    ran_value_replace_uses(result, ran_op_result(op, 0));
    ran_op_set_operand(op, 0, result);
}

static void expand_conv(ran_op *op)
{
    ran_value *bias = ran_op_operand(op, 2);
    const ran_type *type = ran_value_type(ran_op_result(op, 0));
    if (!bias || !ran_type_is_static(ran_value_type(bias)))
        return;
    int64_t dims[RAN_MAX_RANK];
    for (int i = 0; i < ran_type_rank(type); i++)
        dims[i] = i == 1 ? ran_type_extent(ran_value_type(bias), 0) : 1;
    ran_builder builder = ran_builder_before(op);
    bias = ran_reshape_to(&builder, bias, ran_type_rank(type), dims);
    ran_value *operands[] = {ran_op_operand(op, 0), ran_op_operand(op, 1)};
    ran_op_set_operands(op, 2, operands);
    append_binary(op, RAN_OP_ADD, bias);
}

static void expand_gemm(ran_op *op)
{
    ran_value *c = ran_op_operand(op, 2);
    double beta = ran_op_float(op, "beta");
    if (!c)
        return;
    ran_value *operands[] = {ran_op_operand(op, 0), ran_op_operand(op, 1)};
    ran_op_set_operands(op, 2, operands);
    ran_op_remove_attr(op, "beta");
    if (beta == 0)
        return;
    ran_elem elem = ran_type_elem(ran_value_type(c));
    if (beta != 1) {
        ran_builder builder = ran_builder_before(op);
        ran_value *factors[] = {
            c, constant_scalar(builder.module, elem, beta)};
        ran_op *scaled = ran_op_create(&builder, RAN_OP_MUL, 2, factors, 1);
        ran_value_set_type(ran_op_result(scaled, 0), ran_value_type(c));
        c = ran_op_result(scaled, 0);
    }
    append_binary(op, RAN_OP_ADD, c);
}

void ran_expand_bias(ran_function *function)
{
    RAN_FOR_OPS(ran_function_body(function), op) {
        if (op->opcode == RAN_OP_CONV || op->opcode == RAN_OP_CONV_TRANSPOSE)
            expand_conv(op);
        else if (op->opcode == RAN_OP_GEMM)
            expand_gemm(op);
    }
}

/* ---- Outputs ------------------------------------------------------------------------------------- */

const ran_value *ran_view_root(const ran_value *value)
{
    while (ran_value_op(value) && ran_op_is_view(ran_value_op(value)))
        value = ran_op_operand(ran_value_op(value), 0);
    return value;
}

static bool returned_before(const ran_op *ret, size_t index)
{
    const ran_value *root = ran_view_root(ran_op_operand(ret, index));
    for (size_t i = 0; i < index; i++)
        if (ran_view_root(ran_op_operand(ret, i)) == root)
            return true;
    return false;
}

static bool needs_copy(const ran_op *ret, size_t index)
{
    const ran_value *root = ran_view_root(ran_op_operand(ret, index));
    return !ran_value_op(root) || returned_before(ret, index) ||
           ran_type_layout(ran_value_type(root)).block;
}

ran_value *ran_copy_of(ran_op *before, ran_value *value)
{
    ran_builder builder = ran_builder_before(before);
    ran_op *kernel = ran_op_create(&builder, RAN_OP_KERNEL, 1, &value, 1);
    ran_region *region = ran_op_add_region(kernel);
    ran_op_set_string(kernel, "schedule", "map");
    ran_value *argument = ran_region_add_argument(region, NULL, ran_value_type(value));
    ran_builder inside = ran_builder_at_end(region);
    ran_op_create(&inside, RAN_OP_YIELD, 1, &argument, 0);
    ran_value_set_type(ran_op_result(kernel, 0), ran_value_type(value));
    return ran_op_result(kernel, 0);
}

void ran_copy_outputs(ran_function *function)
{
    ran_op *ret = ran_region_terminator(ran_function_body(function));
    for (size_t i = 0; i < ret->operand_count; i++)
        if (needs_copy(ret, i))
            ran_op_set_operand(ret, i, ran_copy_of(ret, ran_op_operand(ret, i)));
}

/* ---- Control flow -------------------------------------------------------------------------------
 */

static ran_status lower_callees(const ran_op *kernel, const ran_target *target,
                                const ran_compile_options *options)
{
    ran_status status = RAN_OK;
    for (size_t i = 0; !status && i < ran_op_region_count(ran_kernel_anchor(kernel)); i++)
        status = ran_lower(ran_control_callee(kernel, i), target, options);
    return status;
}

static ran_status lower_control(ran_function *function, const ran_target *target,
                                const ran_compile_options *options)
{
    ran_status status = RAN_OK;
    ran_outline_control(function);
    RAN_FOR_OPS(ran_function_body(function), op)
    if (!status && op->opcode == RAN_OP_KERNEL && ran_kernel_is_control(op))
        status = lower_callees(op, target, options);
    return status;
}

/* ---- All of it -------------------------------------------------------------------------------------- */

static void observe(const ran_compile_options *options, const char *step, ran_function *function)
{
    if (options->observe)
        options->observe(options->observe_data, step, ran_function_module(function));
}

/* Selection may leave packing of weights that are not constant: a second round makes it kernels. */
static ran_status make_kernels(ran_function *function, const ran_target *target,
                               const ran_compile_options *options)
{
    ran_status status = RAN_OK;
    for (int round = 0; !status && round < 2; round++) {
        status = ran_fuse_kernels(function, target);
        observe(options, "fuse", function);
        if (!status)
            status = ran_select_kernels(function, target);
    }
    return status;
}

ran_status ran_lower(ran_function *function, const ran_target *target,
                     const ran_compile_options *options)
{
    ran_status status = ran_function_state_conditions(function);
    if (!status)
        status = lower_control(function, target, options);
    ran_drop_expands(function);
    if (!status)
        status = ran_expand_ops(function, target);
    if (status)
        return status;
    ran_expand_bias(function);
    observe(options, "expand", function);
    status = ran_assign_layouts(function, target);
    observe(options, "layout", function);
    if (!status)
        status = make_kernels(function, target, options);
    if (status)
        return status;
    ran_order_updates(function);
    ran_copy_outputs(function);
    ran_module_drop_unused_constants(ran_function_module(function));
    observe(options, "select", function);
    return RAN_OK;
}
