/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Builders that gradient hooks share. */
#include "ir/ops/gradient.h"

#include <string.h>

#include "ir/module.h"

/* ---- Ops ----------------------------------------------------------------------------------------
 */

ran_op *ran_gradient_op(ran_gradient *g, ran_opcode opcode, size_t count,
                        ran_value *const *operands, size_t results)
{
    return ran_op_create(ran_gradient_builder(g), opcode, count, operands, results);
}

ran_value *ran_gradient_finish(ran_gradient *g, ran_op *op)
{
    ran_context *context = ran_gradient_builder(g)->module->context;
    if (ran_op_infer_types(op) != RAN_OK)
        RAN_BUG(context, "a gradient built a wrong op: %s",
                ran_diagnostic_at(context, ran_diagnostic_count(context) - 1)->message);
    return &op->results[0];
}

void ran_gradient_copy_attrs(ran_op *op, const ran_op *from)
{
    for (size_t i = 0; i < from->attr_count; i++) {
        const ran_attr *a = &from->attrs[i];
        if (!ran_attr_spec_find(op->opcode, a->name))
            continue;
        if (a->kind == RAN_ATTR_INT)
            ran_op_set_int(op, a->name, a->as.i);
        else if (a->kind == RAN_ATTR_FLOAT)
            ran_op_set_float(op, a->name, a->as.f);
        else if (a->kind == RAN_ATTR_STRING)
            ran_op_set_string(op, a->name, a->as.s);
        else if (a->kind == RAN_ATTR_INTS)
            ran_op_set_ints(op, a->name, a->as.ints, a->count);
        else
            RAN_BUG(NULL, "%s: attribute %s is not copied", ran_opcode_name(op->opcode), a->name);
    }
}

ran_value *ran_gradient_unary(ran_gradient *g, ran_opcode opcode, ran_value *x)
{
    return ran_gradient_finish(g, ran_gradient_op(g, opcode, 1, &x, 1));
}

ran_value *ran_gradient_binary(ran_gradient *g, ran_opcode opcode, ran_value *x, ran_value *y)
{
    return ran_gradient_finish(g, ran_gradient_op(g, opcode, 2, (ran_value *[]){x, y}, 1));
}

ran_value *ran_gradient_mul(ran_gradient *g, ran_value *x, ran_value *y)
{
    return ran_gradient_binary(g, RAN_OP_MUL, x, y);
}

ran_value *ran_gradient_add_values(ran_gradient *g, ran_value *x, ran_value *y)
{
    return ran_gradient_binary(g, RAN_OP_ADD, x, y);
}

ran_value *ran_gradient_scale(ran_gradient *g, ran_value *x, double factor)
{
    return factor == 1 ? x : ran_gradient_mul(g, x, ran_gradient_scalar(g, x, factor));
}

ran_value *ran_gradient_where(ran_gradient *g, ran_value *condition, ran_value *x, ran_value *y)
{
    ran_value *operands[] = {condition, x, y};
    return ran_gradient_finish(g, ran_gradient_op(g, RAN_OP_WHERE, 3, operands, 1));
}

ran_value *ran_gradient_cast(ran_gradient *g, ran_value *x, ran_elem elem)
{
    if (ran_type_elem(x->type) == elem)
        return x;
    ran_op *op = ran_gradient_op(g, RAN_OP_CAST, 1, &x, 1);
    ran_context *context = ran_gradient_builder(g)->module->context;
    ran_op_set_type_attr(op, "to", ran_type_tensor(context, elem, 0, NULL, RAN_PLAIN));
    return ran_gradient_finish(g, op);
}

ran_value *ran_gradient_reduce(ran_gradient *g, ran_opcode opcode, ran_value *x,
                               const int64_t *axes, size_t count, bool keepdims)
{
    if (!count)
        return x;
    ran_value *operands[] = {x, ran_gradient_ints(g, axes, count)};
    ran_op *op = ran_gradient_op(g, opcode, 2, operands, 1);
    if (!keepdims)
        ran_op_set_int(op, "keepdims", 0);
    return ran_gradient_finish(g, op);
}

/* ---- Shapes
 * -------------------------------------------------------------------------------------- */

ran_value *ran_gradient_ints(ran_gradient *g, const int64_t *values, size_t count)
{
    ran_tensor *tensor = ran_tensor_create(RAN_ELEM_I64, 1, &(int64_t){(int64_t)count});
    for (size_t i = 0; i < count; i++)
        ran_tensor_set_i64(tensor, (int64_t)i, values[i]);
    ran_value *value = ran_constant_create(ran_gradient_builder(g)->module, NULL, tensor);
    ran_tensor_release(tensor);
    return value;
}

ran_value *ran_gradient_axis(ran_gradient *g, int64_t axis)
{
    ran_tensor *tensor = ran_tensor_create(RAN_ELEM_I64, 0, NULL);
    ran_tensor_set_i64(tensor, 0, axis);
    ran_value *value = ran_constant_create(ran_gradient_builder(g)->module, NULL, tensor);
    ran_tensor_release(tensor);
    return value;
}

ran_value *ran_gradient_shape_of(ran_gradient *g, ran_value *value)
{
    if (!ran_type_is_static(value->type))
        return ran_gradient_unary(g, RAN_OP_SHAPE, value);
    int64_t dims[RAN_MAX_RANK];
    for (int i = 0; i < value->type->rank; i++)
        dims[i] = ran_type_extent(value->type, i);
    return ran_gradient_ints(g, dims, (size_t)value->type->rank);
}

static ran_value *reshape_to(ran_gradient *g, ran_value *x, ran_value *shape)
{
    ran_op *op = ran_gradient_op(g, RAN_OP_RESHAPE, 2, (ran_value *[]){x, shape}, 1);
    ran_op_set_int(op, "allowzero", 1);
    return ran_gradient_finish(g, op);
}

ran_value *ran_gradient_reshape(ran_gradient *g, ran_value *x, const int64_t *dims, size_t count)
{
    return reshape_to(g, x, ran_gradient_ints(g, dims, count));
}

static bool same_dims(const ran_type *a, const ran_type *b)
{
    if (a->rank < 0 || a->rank != b->rank)
        return false;
    for (int i = 0; i < a->rank; i++)
        if (a->dims[i] != b->dims[i])
            return false;
    return true;
}

ran_value *ran_gradient_reshape_like(ran_gradient *g, ran_value *x, ran_value *like)
{
    return same_dims(x->type, like->type) ? x : reshape_to(g, x, ran_gradient_shape_of(g, like));
}

ran_value *ran_gradient_expand_like(ran_gradient *g, ran_value *x, ran_value *like)
{
    if (same_dims(x->type, like->type))
        return x;
    return ran_gradient_binary(g, RAN_OP_EXPAND, x, ran_gradient_shape_of(g, like));
}

ran_value *ran_gradient_zeros_like(ran_gradient *g, ran_value *like)
{
    return ran_gradient_expand_like(g, ran_gradient_scalar(g, like, 0), like);
}

ran_value *ran_gradient_transpose(ran_gradient *g, ran_value *x, const int64_t *perm, size_t rank)
{
    ran_op *op = ran_gradient_op(g, RAN_OP_TRANSPOSE, 1, &x, 1);
    ran_op_set_ints(op, "perm", perm, rank);
    return ran_gradient_finish(g, op);
}

ran_value *ran_gradient_unsqueeze(ran_gradient *g, ran_value *x, const int64_t *axes, size_t count)
{
    return count ? ran_gradient_binary(g, RAN_OP_UNSQUEEZE, x, ran_gradient_ints(g, axes, count))
                 : x;
}

ran_value *ran_gradient_slice(ran_gradient *g, ran_value *x, int axis, int64_t start, int64_t end)
{
    if (start == 0 && end == ran_gradient_extent(x, axis))
        return x;
    ran_value *operands[] = {x, ran_gradient_ints(g, &start, 1), ran_gradient_ints(g, &end, 1),
                             ran_gradient_ints(g, &(int64_t){axis}, 1)};
    return ran_gradient_finish(g, ran_gradient_op(g, RAN_OP_SLICE, 4, operands, 1));
}

ran_value *ran_gradient_pad(ran_gradient *g, ran_value *x, int axis, int64_t before, int64_t behind)
{
    int64_t pads[2 * RAN_MAX_RANK] = {0};
    int rank = ran_gradient_rank(x);
    if (!before && !behind)
        return x;
    pads[axis] = before;
    pads[rank + axis] = behind;
    return ran_gradient_binary(g, RAN_OP_PAD, x, ran_gradient_ints(g, pads, 2 * (size_t)rank));
}

/* ---- Types
 * ----------------------------------------------------------------------------------------- */

int ran_gradient_rank(const ran_value *value)
{
    return ran_type_rank(value->type);
}

int64_t ran_gradient_extent(const ran_value *value, int axis)
{
    const ran_dim *dim = ran_type_dim(value->type, axis);
    return ran_dim_is_constant(dim) ? ran_dim_value(dim) : -1;
}

bool ran_gradient_is_static(const ran_value *value)
{
    return ran_type_is_static(value->type);
}

ran_status ran_gradient_need_static(const ran_op *op)
{
    bool is_static = true;
    RAN_FOR_OPERANDS(op, i, value)
    {
        is_static &= ran_gradient_is_static(value);
    }
    for (size_t i = 0; i < op->result_count; i++)
        is_static &= ran_gradient_is_static(&op->results[i]);
    return is_static ? RAN_OK
                     : ran_op_error(op, RAN_UNSUPPORTED,
                                    "its gradient needs static shapes: bind what is dynamic");
}

bool ran_gradient_constant(const ran_value *value, double *out_value)
{
    const ran_tensor *tensor = value ? ran_value_constant(value) : NULL;
    if (!tensor || ran_tensor_numel(tensor) != 1)
        return false;
    *out_value = ran_tensor_get_f64(tensor, 0);
    return true;
}

ran_status ran_gradient_zero(ran_gradient *g, const ran_op *op)
{
    (void)g, (void)op;
    return RAN_OK;
}
