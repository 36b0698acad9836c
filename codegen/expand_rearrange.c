/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Values put back to where windows took them from.
 *   col2im(x)                    -> a transposed convolution by one-hot kernels, a channel a group
 *   max_unpool(x, indices, size) -> pad(max_unpool(x, indices)): indices count in the shape that
 * the windows give
 */
#include "codegen/expand.h"

#include "ir/attr.h"

static ran_elem elem_of(const ran_op *op)
{
    return ran_type_elem(ran_value_type(ran_op_operand(op, 0)));
}

/* ---- col2im -----------------------------------------------------------------------------------
 */

typedef struct folding {
    size_t spatial;
    int64_t block[RAN_MAX_RANK], steps[RAN_MAX_RANK];
    int64_t strides[RAN_MAX_RANK], dilations[RAN_MAX_RANK], pads[RAN_MAX_RANK], rest[RAN_MAX_RANK];
    int64_t taps, channels;
} folding;

/* The number of blocks along each axis, and the pixels behind the last one. */
static bool find_folding(const ran_op *op, folding *f)
{
    const ran_type *y = ran_value_type(ran_op_result(op, 0));
    f->spatial = (size_t)ran_type_rank(y) - 2;
    f->taps = 1;
    if (2 * f->spatial > RAN_MAX_RANK || !ran_type_is_static(y) ||
        ran_op_known_ints(op, 2, f->block, RAN_MAX_RANK) != (int64_t)f->spatial)
        return false;
    f->channels = ran_type_extent(y, 1);
    for (size_t i = 0; i < f->spatial; i++) {
        f->strides[i] = ran_op_int_at(op, "strides", i, 1);
        f->dilations[i] = ran_op_int_at(op, "dilations", i, 1);
        f->pads[i] = ran_op_int_at(op, "pads", i, 0);
        f->pads[f->spatial + i] = ran_op_int_at(op, "pads", f->spatial + i, 0);
        int64_t room = ran_type_extent(y, 2 + (int)i) + f->pads[i] + f->pads[f->spatial + i] -
                       (f->block[i] - 1) * f->dilations[i] - 1;
        if (f->strides[i] < 1 || f->dilations[i] < 1 || room < 0)
            return false;
        f->steps[i] = room / f->strides[i] + 1;
        f->rest[i] = room % f->strides[i];
        f->taps *= f->block[i];
    }
    return true;
}

/* [channels * taps, 1, block...]: row k of a channel is 1 at tap k. */
static ran_value *one_hot_kernels(ran_expansion *e, const folding *f)
{
    int64_t dims[RAN_MAX_RANK] = {f->channels * f->taps, 1};
    for (size_t i = 0; i < f->spatial; i++)
        dims[2 + i] = f->block[i];
    ran_tensor *tensor = ran_tensor_create(elem_of(e->op), (int)f->spatial + 2, dims);
    for (int64_t row = 0; row < dims[0]; row++)
        ran_tensor_set_f64(tensor, row * f->taps + row % f->taps, 1);
    ran_value *constant = ran_constant_create(e->builder.module, NULL, tensor);
    ran_tensor_release(tensor);
    return constant;
}

bool ran_expand_col2im(ran_expansion *e)
{
    folding f;
    const ran_type *x = ran_value_type(ran_op_operand(e->op, 0));
    const ran_dim *dims[RAN_MAX_RANK];
    if (!find_folding(e->op, &f))
        return false;
    dims[0] = ran_type_dim(x, 0);
    dims[1] = ran_type_dim(x, 1);
    int64_t columns = 1;
    for (size_t i = 0; i < f.spatial; i++) {
        dims[2 + i] = ran_dim_constant(e->context, f.steps[i]);
        columns *= f.steps[i];
    }
    if (!ran_dim_is(ran_type_dim(x, 2), columns))
        return false;
    ran_value *operands[] = {ran_expand_view(e, ran_op_operand(e->op, 0), (int)f.spatial + 2, dims),
                             one_hot_kernels(e, &f)};
    ran_op *op = ran_op_create(&e->builder, RAN_OP_CONV_TRANSPOSE, 2, operands, 1);
    ran_op_set_int(op, "group", f.channels);
    ran_op_set_ints(op, "kernel_shape", f.block, f.spatial);
    ran_op_set_ints(op, "strides", f.strides, f.spatial);
    ran_op_set_ints(op, "dilations", f.dilations, f.spatial);
    ran_op_set_ints(op, "pads", f.pads, 2 * f.spatial);
    ran_op_set_ints(op, "output_padding", f.rest, f.spatial);
    e->results[0] = ran_expand_finish(e, op);
    return true;
}

/* ---- max_unpool -------------------------------------------------------------------------------
 */

bool ran_expand_max_unpool(ran_expansion *e)
{
    const ran_type *y = ran_value_type(ran_op_result(e->op, 0));
    int64_t pads[2 * RAN_MAX_RANK] = {0};
    int rank = ran_type_rank(y);
    ran_value *operands[] = {ran_op_operand(e->op, 0), ran_op_operand(e->op, 1)};
    if (!ran_op_operand(e->op, 2) || !ran_type_is_static(y))
        return false;
    ran_mapping *mapping = ran_mapping_create();
    ran_op *op = ran_op_clone(&e->builder, e->op, mapping);
    ran_mapping_destroy(mapping);
    ran_op_set_operands(op, 2, operands);
    ran_value *small = ran_expand_finish(e, op);
    for (int i = 0; i < rank; i++) {
        if (!ran_dim_is_constant(ran_type_dim(ran_value_type(small), i)))
            return false;
        pads[rank + i] = ran_type_extent(y, i) - ran_type_extent(ran_value_type(small), i);
    }
    ran_value *padded[] = {small, ran_expand_ints(e, 2 * (size_t)rank, pads)};
    e->results[0] = ran_expand_make(e, RAN_OP_PAD, 2, padded);
    return true;
}
