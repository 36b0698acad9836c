/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "search/cell.h"

#include <math.h>
#include <string.h>

#include "ir/ir.h"
#include "ir/noise.h"

/* ---- Sizes ------------------------------------------------------------------------------------
 */

int64_t ran_cell_channels(const ran_value *x)
{
    return x ? ran_type_extent(ran_value_type(x), 1) : 0;
}

int64_t ran_cell_out_channels(const ran_cell *cell)
{
    return ran_type_extent(cell->slot->output, 1);
}

int64_t ran_cell_scaled(double factor, int64_t channels)
{
    return (int64_t)fmax(1, rint(factor * (double)channels));
}

/* ---- Ops ----------------------------------------------------------------------------------------
 */

static ran_op *create(ran_cell *cell, ran_opcode opcode, size_t count, ran_value *const *operands,
                      size_t results)
{
    if (cell->status != RAN_OK)
        return NULL;
    const char *name =
        ran_intern_printf(cell->context, "%s_%u", ran_opcode_name(opcode), ++cell->layers);
    cell->builder.location = ran_location_create(cell->context, name, NULL);
    return ran_op_create(&cell->builder, opcode, count, operands, results);
}

static ran_value *finish(ran_cell *cell, ran_op *op)
{
    if (op && cell->status == RAN_OK)
        cell->status = ran_op_infer_types(op);
    return op && cell->status == RAN_OK ? ran_op_result(op, 0) : NULL;
}

ran_value *ran_cell_op(ran_cell *cell, ran_opcode opcode, size_t count, ran_value *const *operands)
{
    return finish(cell, create(cell, opcode, count, operands, 1));
}

ran_value *ran_cell_unary(ran_cell *cell, ran_opcode opcode, ran_value *x)
{
    return ran_cell_op(cell, opcode, 1, &x);
}

ran_value *ran_cell_binary(ran_cell *cell, ran_opcode opcode, ran_value *x, ran_value *y)
{
    return ran_cell_op(cell, opcode, 2, (ran_value *[]){x, y});
}

/* ---- Constants
 * ------------------------------------------------------------------------------------ */

static ran_value *add_constant(ran_cell *cell, const char *what, RAN_TAKE ran_tensor *tensor)
{
    if (!tensor)
        RAN_BUG(cell->context, "out of memory for weights");
    const char *name = ran_intern_printf(cell->context, "layer_%u.%s", cell->layers + 1, what);
    ran_value *value = ran_constant_create(cell->module, name, tensor);
    ran_tensor_release(tensor);
    return value;
}

static ran_value *noise(ran_cell *cell, const char *what, int rank, const int64_t *dims,
                        double mean, double deviation)
{
    ran_tensor *tensor = ran_tensor_create(RAN_ELEM_F32, rank, dims);
    ran_noise recipe = {.seed = cell->seed * UINT64_C(0x9e3779b97f4a7c15) + ++cell->weights,
                        .mean = mean,
                        .deviation = deviation};
    if (tensor)
        ran_tensor_fill_noise(tensor, &recipe);
    return add_constant(cell, what, tensor);
}

static ran_value *vector(ran_cell *cell, const char *what, int64_t length, double value)
{
    ran_tensor *tensor = ran_tensor_create(RAN_ELEM_F32, 1, &length);
    for (int64_t i = 0; tensor && i < length; i++)
        ran_tensor_set_f64(tensor, i, value);
    return add_constant(cell, what, tensor);
}

static ran_value *scalar(ran_cell *cell, const char *what, double value)
{
    ran_tensor *tensor = ran_tensor_create(RAN_ELEM_F32, 0, NULL);
    if (tensor)
        ran_tensor_set_f64(tensor, 0, value);
    return add_constant(cell, what, tensor);
}

static ran_value *integers(ran_cell *cell, const char *what, size_t count, const int64_t *values)
{
    int64_t length = (int64_t)count;
    ran_tensor *tensor = ran_tensor_create(RAN_ELEM_I64, 1, &length);
    if (tensor)
        memcpy(ran_tensor_mutable_data(tensor), values, count * sizeof *values);
    return add_constant(cell, what, tensor);
}

/* ---- Convolutions and norms
 * --------------------------------------------------------------------------- */

/* Padding for ceil(size / stride) outputs, the odd pixel at the end. */
static void set_padding(ran_op *conv, const ran_value *x, int64_t kernel, int64_t stride)
{
    int64_t pads[4];
    for (int axis = 0; axis < 2; axis++) {
        int64_t size = ran_type_extent(ran_value_type(x), axis + 2);
        int64_t outputs = (size + stride - 1) / stride;
        int64_t total = (outputs - 1) * stride + kernel - size;
        if (total < 0)
            total = 0;
        pads[axis] = total / 2;
        pads[axis + 2] = total - total / 2;
    }
    ran_op_set_ints(conv, "pads", pads, 4);
    ran_op_set_ints(conv, "strides", (int64_t[]){stride, stride}, 2);
}

static ran_value *conv(ran_cell *cell, ran_value *x, int64_t channels, int64_t kernel,
                       int64_t stride, int64_t groups, bool bias)
{
    if (cell->status != RAN_OK)
        return NULL;
    int64_t dims[] = {channels, ran_cell_channels(x) / groups, kernel, kernel};
    double fan_in = (double)(dims[1] * kernel * kernel);
    ran_value *operands[] = {x, noise(cell, "weight", 4, dims, 0, sqrt(2 / fan_in)),
                             bias ? vector(cell, "bias", channels, 0) : NULL};
    ran_op *op = create(cell, RAN_OP_CONV, bias ? 3 : 2, operands, 1);
    if (!op)
        return NULL;
    ran_op_set_int(op, "group", groups);
    ran_op_set_ints(op, "kernel_shape", dims + 2, 2);
    set_padding(op, x, kernel, stride);
    return finish(cell, op);
}

ran_value *ran_cell_conv(ran_cell *cell, ran_value *x, int64_t channels, int64_t kernel,
                         int64_t stride, int64_t groups)
{
    return conv(cell, x, channels, kernel, stride, groups, false);
}

ran_value *ran_cell_conv_bias(ran_cell *cell, ran_value *x, int64_t channels)
{
    return conv(cell, x, channels, 1, 1, 1, true);
}

ran_value *ran_cell_norm(ran_cell *cell, ran_value *x)
{
    if (cell->status != RAN_OK)
        return NULL;
    int64_t channels = ran_cell_channels(x);
    ran_value *operands[] = {x, vector(cell, "scale", channels, 1),
                             vector(cell, "bias", channels, 0), vector(cell, "mean", channels, 0),
                             vector(cell, "var", channels, 1)};
    return ran_cell_op(cell, RAN_OP_BATCH_NORMALIZATION, 5, operands);
}

ran_value *ran_cell_act(ran_cell *cell, ran_value *x, ran_opcode opcode)
{
    if (opcode != RAN_OP_CLIP)
        return ran_cell_unary(cell, opcode, x);
    if (cell->status != RAN_OK)
        return NULL;
    ran_value *operands[] = {x, scalar(cell, "min", 0), scalar(cell, "max", 6)};
    return ran_cell_op(cell, RAN_OP_CLIP, 3, operands);
}

ran_value *ran_cell_conv_norm(ran_cell *cell, ran_value *x, int64_t channels, int64_t kernel,
                              int64_t stride, int64_t groups)
{
    return ran_cell_norm(cell, ran_cell_conv(cell, x, channels, kernel, stride, groups));
}

ran_value *ran_cell_conv_norm_act(ran_cell *cell, ran_value *x, int64_t channels, int64_t kernel,
                                  int64_t stride, int64_t groups, ran_opcode act)
{
    return ran_cell_act(cell, ran_cell_conv_norm(cell, x, channels, kernel, stride, groups), act);
}

ran_value *ran_cell_squeeze_excite(ran_cell *cell, ran_value *x, int64_t hidden)
{
    int64_t channels = ran_cell_channels(x);
    ran_value *gate = ran_cell_unary(cell, RAN_OP_GLOBAL_AVERAGE_POOL, x);
    gate = ran_cell_act(cell, ran_cell_conv_bias(cell, gate, hidden), RAN_OP_RELU);
    gate = ran_cell_unary(cell, RAN_OP_SIGMOID, ran_cell_conv_bias(cell, gate, channels));
    return ran_cell_binary(cell, RAN_OP_MUL, x, gate);
}

/* ---- Shapes
 * --------------------------------------------------------------------------------------------- */

ran_value *ran_cell_reshape(ran_cell *cell, ran_value *x, size_t rank, const int64_t *dims)
{
    if (cell->status != RAN_OK)
        return NULL;
    return ran_cell_binary(cell, RAN_OP_RESHAPE, x, integers(cell, "shape", rank, dims));
}

ran_value *ran_cell_transpose(ran_cell *cell, ran_value *x, size_t rank, const int64_t *perm)
{
    ran_op *op = create(cell, RAN_OP_TRANSPOSE, 1, &x, 1);
    if (op)
        ran_op_set_ints(op, "perm", perm, rank);
    return finish(cell, op);
}

ran_value *ran_cell_channel_slice(ran_cell *cell, ran_value *x, int64_t begin, int64_t end)
{
    if (cell->status != RAN_OK)
        return NULL;
    ran_value *operands[] = {x, integers(cell, "begin", 1, &begin), integers(cell, "end", 1, &end),
                             integers(cell, "axis", 1, (int64_t[]){1})};
    return ran_cell_op(cell, RAN_OP_SLICE, 4, operands);
}

ran_value *ran_cell_channel_fit(ran_cell *cell, ran_value *x, int64_t channels)
{
    int64_t have = ran_cell_channels(x);
    if (cell->status != RAN_OK || have == channels)
        return x;
    if (have > channels)
        return ran_cell_channel_slice(cell, x, 0, channels);
    int64_t pads[8] = {0};
    pads[5] = channels - have;
    return ran_cell_binary(cell, RAN_OP_PAD, x, integers(cell, "pads", 8, pads));
}

ran_value *ran_cell_concat(ran_cell *cell, size_t count, ran_value *const *xs)
{
    ran_op *op = create(cell, RAN_OP_CONCAT, count, xs, 1);
    if (op)
        ran_op_set_int(op, "axis", 1);
    return finish(cell, op);
}

ran_value *ran_cell_depth_to_space(ran_cell *cell, ran_value *x, int64_t block)
{
    ran_op *op = create(cell, RAN_OP_DEPTH_TO_SPACE, 1, &x, 1);
    if (op)
        ran_op_set_int(op, "blocksize", block);
    return finish(cell, op);
}

/* ---- Products
 * --------------------------------------------------------------------------------------------- */

ran_value *ran_cell_linear(ran_cell *cell, ran_value *x, int64_t outputs)
{
    if (cell->status != RAN_OK)
        return NULL;
    const ran_type *type = ran_value_type(x);
    int64_t dims[] = {ran_type_extent(type, ran_type_rank(type) - 1), outputs};
    ran_value *w = noise(cell, "weight", 2, dims, 0, sqrt(1 / (double)dims[0]));
    ran_value *y = ran_cell_binary(cell, RAN_OP_MATMUL, x, w);
    return cell->status == RAN_OK
               ? ran_cell_binary(cell, RAN_OP_ADD, y, vector(cell, "bias", outputs, 0))
               : NULL;
}

ran_value *ran_cell_layer_norm(ran_cell *cell, ran_value *x)
{
    if (cell->status != RAN_OK)
        return NULL;
    const ran_type *type = ran_value_type(x);
    int64_t length = ran_type_extent(type, ran_type_rank(type) - 1);
    ran_value *operands[] = {x, vector(cell, "scale", length, 1), vector(cell, "bias", length, 0)};
    return ran_cell_op(cell, RAN_OP_LAYER_NORMALIZATION, 3, operands);
}

ran_value *ran_cell_softmax(ran_cell *cell, ran_value *x, int64_t axis)
{
    ran_op *op = create(cell, RAN_OP_SOFTMAX, 1, &x, 1);
    if (op)
        ran_op_set_int(op, "axis", axis);
    return finish(cell, op);
}

ran_value *ran_cell_sum(ran_cell *cell, ran_value *x, int64_t axis)
{
    if (cell->status != RAN_OK)
        return NULL;
    ran_value *operands[] = {x, integers(cell, "axes", 1, &axis)};
    ran_op *op = create(cell, RAN_OP_REDUCE_SUM, 2, operands, 1);
    if (op)
        ran_op_set_int(op, "keepdims", 0);
    return finish(cell, op);
}

ran_value *ran_cell_scale(ran_cell *cell, ran_value *x, double factor)
{
    return cell->status == RAN_OK
               ? ran_cell_binary(cell, RAN_OP_MUL, x, scalar(cell, "factor", factor))
               : NULL;
}
