/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Normalisation, pooling, resizing. */
#include "frontend/onnx.h"

#include <string.h>

ran_status ran_onnx_map_batch_normalization(ran_onnx_node *node)
{
    if (node->since >= 14)
        return ran_onnx_map_generic(node);
    bool test = node->since >= 7 || ran_onnx_int(node, "is_test", 0);
    if (!test || node->output_count > 1)
        return ran_onnx_node_error(node, RAN_UNSUPPORTED,
                                   "the training form of opsets before 14 is not supported; export"
                                   " the model for inference");
    if (!ran_onnx_int(node, "spatial", 1))
        return ran_onnx_node_error(node, RAN_UNSUPPORTED,
                                   "statistics for each position (spatial = 0) are not supported");
    ran_onnx_ignore(node, "consumed_inputs");
    return ran_onnx_map_generic(node);
}

/* Before opset 13 the axes from `axis` on are normalised together. */
ran_status ran_onnx_map_softmax(ran_onnx_node *node)
{
    if (node->since >= 13)
        return ran_onnx_map_generic(node);
    int64_t axis = ran_onnx_int(node, "axis", 1);
    int rank = ran_onnx_input_rank(node, 0);
    if (rank < 0)
        return ran_onnx_node_error(
            node, RAN_UNSUPPORTED,
            "before opset 13 the rank of the input must be known; convert the"
            " model to opset 13");
    if (axis < -rank || axis > rank)
        return ran_onnx_node_error(node, RAN_INVALID, "axis %lld is out of range", (long long)axis);
    axis += axis < 0 ? rank : 0;
    ran_value *x = ran_onnx_input(node, 0);
    if (axis == rank - 1)
        return ran_onnx_map(node, node->row->opcode, node->input_count, node->inputs);
    ran_op *flat = ran_op_create(node->builder, RAN_OP_FLATTEN, 1, &x, 1);
    ran_op_set_int(flat, "axis", axis);
    if (ran_onnx_infer(node, flat) != RAN_OK)
        return RAN_INVALID;
    ran_value *y = ran_onnx_unary(node, node->row->opcode, ran_op_result(flat, 0));
    ran_value *shape = y ? ran_onnx_unary(node, RAN_OP_SHAPE, x) : NULL;
    return shape ? ran_onnx_map(node, RAN_OP_RESHAPE, 2, (ran_value *[]){y, shape}) : RAN_INVALID;
}

/* Opset 18's scale and bias are those of the groups, opset 21's those of the channels. */
static ran_value *spread_groups(ran_onnx_node *node, ran_value *x, int64_t groups, int64_t channels)
{
    x = ran_onnx_reshape(node, x, (int64_t[]){groups, 1}, 2);
    int64_t shape[] = {groups, channels / groups};
    x = x ? ran_onnx_binary(node, RAN_OP_EXPAND, x, ran_onnx_const_ints(node, shape, 2)) : NULL;
    return x ? ran_onnx_reshape(node, x, (int64_t[]){channels}, 1) : NULL;
}

ran_status ran_onnx_map_group_normalization(ran_onnx_node *node)
{
    if (node->since >= 21 || node->input_count != 3 || !node->inputs[1] || !node->inputs[2])
        return ran_onnx_map_generic(node);
    const ran_onnx_attr *attr = NULL;
    for (size_t i = 0; i < node->attr_count; i++)
        if (strcmp(node->attrs[i].name, "num_groups") == 0)
            attr = &node->attrs[i];
    int64_t groups = attr ? attr->proto->i : 0;
    const ran_type *type = ran_value_type(node->inputs[0]);
    if (ran_type_rank(type) < 2 || !ran_dim_is_constant(ran_type_dim(type, 1)))
        return ran_onnx_node_error(node, RAN_UNSUPPORTED,
                                   "before opset 21 the number of channels must be known");
    int64_t channels = ran_dim_value(ran_type_dim(type, 1));
    if (groups < 1 || channels % groups)
        return ran_onnx_node_error(node, RAN_INVALID, "%lld channels, %lld groups",
                                   (long long)channels, (long long)groups);
    ran_value *operands[] = {node->inputs[0],
                             spread_groups(node, node->inputs[1], groups, channels),
                             spread_groups(node, node->inputs[2], groups, channels)};
    if (!operands[1] || !operands[2])
        return RAN_INVALID;
    return ran_onnx_map(node, RAN_OP_GROUP_NORMALIZATION, 3, operands);
}

ran_status ran_onnx_map_mean_variance_normalization(ran_onnx_node *node)
{
    ran_op *op = ran_onnx_create(node, RAN_OP_MEAN_VARIANCE_NORMALIZATION, node->input_count,
                                 node->inputs, node->output_count);
    if (op && !ran_op_has_attr(op, "axes"))
        ran_op_set_ints(op, "axes", (int64_t[]){0, 2, 3}, 3);
    return ran_onnx_finish(node, op);
}

/* The p-norm over all positions. */
ran_status ran_onnx_map_global_lp_pool(ran_onnx_node *node)
{
    int64_t p = ran_onnx_int(node, "p", 2), axes[RAN_MAX_RANK];
    int rank = ran_onnx_input_rank(node, 0);
    if (rank < 3 || p < 1)
        return ran_onnx_node_error(node, RAN_UNSUPPORTED, "it needs a rank above 2 and p above 0");
    for (int i = 2; i < rank; i++)
        axes[i - 2] = i;
    ran_elem elem = ran_onnx_input_elem(node, 0);
    ran_value *x = node->inputs[0];
    size_t count = (size_t)rank - 2;
    if (p <= 2) {
        x = ran_onnx_reduce(node, p == 1 ? RAN_OP_REDUCE_L1 : RAN_OP_REDUCE_L2, x, axes, count,
                            true);
    } else {
        x = ran_onnx_unary(node, RAN_OP_ABS, x);
        x = x ? ran_onnx_binary(node, RAN_OP_POW, x, ran_onnx_const_scalar(node, elem, (double)p))
              : NULL;
        x = ran_onnx_reduce(node, RAN_OP_REDUCE_SUM, x, axes, count, true);
        x = x ? ran_onnx_binary(node, RAN_OP_POW, x,
                                ran_onnx_const_scalar(node, elem, 1.0 / (double)p))
              : NULL;
    }
    if (x && node->output_count)
        node->outputs[0] = x;
    return x ? RAN_OK : RAN_INVALID;
}

/* ---- Resizing -------------------------------------------------------------------------------- */

static ran_value *const_floats(ran_onnx_node *node, const RanOnnx__Attribute *proto)
{
    ran_tensor *tensor = ran_tensor_create(RAN_ELEM_F32, 1, (int64_t[]){(int64_t)proto->n_floats});
    if (proto->n_floats)
        memcpy(ran_tensor_mutable_data(tensor), proto->floats, proto->n_floats * sizeof(float));
    ran_value *value = ran_constant_create(node->import->module, NULL, tensor);
    ran_tensor_release(tensor);
    return value;
}

/* Upsample and Resize-10: no coordinate transformation; nearest rounds down. */
static ran_status map_asymmetric(ran_onnx_node *node, ran_value *scales, const char *nearest_mode)
{
    const char *mode = ran_onnx_string(node, "mode", "nearest");
    ran_value *operands[] = {ran_onnx_input(node, 0), NULL, scales};
    ran_op *op = ran_onnx_create(node, RAN_OP_RESIZE, 3, operands, node->output_count);
    if (!op)
        return RAN_INVALID;
    ran_op_set_string(op, "mode", strcmp(mode, "bilinear") ? mode : "linear");
    ran_op_set_string(op, "coordinate_transformation_mode", "asymmetric");
    ran_op_set_string(op, "nearest_mode", nearest_mode);
    return ran_onnx_finish(node, op);
}

ran_status ran_onnx_map_upsample(ran_onnx_node *node)
{
    if (node->since >= 10)
        return ran_onnx_node_error(node, RAN_INVALID,
                                   "the op was withdrawn in opset 10; use Resize");
    if (node->since >= 9)
        return map_asymmetric(node, ran_onnx_input(node, 1), "floor");
    const RanOnnx__Attribute *scales = ran_onnx_attribute(node, "scales");
    if (!scales || !scales->n_floats)
        return ran_onnx_node_error(node, RAN_INVALID, "attribute 'scales' is missing");
    return map_asymmetric(node, const_floats(node, scales), "floor");
}

/* Nearest rounds down where Resize-10 enlarges and up where it reduces. */
static ran_status map_resize_10(ran_onnx_node *node)
{
    ran_value *scales = ran_onnx_input(node, 1);
    const ran_tensor *values = scales ? ran_value_constant(scales) : NULL;
    bool nearest = true;
    for (size_t i = 0; i < node->attr_count; i++)
        if (strcmp(node->attrs[i].name, "mode") == 0 && node->attrs[i].proto->s.data)
            nearest = strncmp((const char *)node->attrs[i].proto->s.data, "nearest",
                              node->attrs[i].proto->s.len) == 0;
    bool larger = false, smaller = false;
    for (int64_t i = 0; values && i < ran_tensor_numel(values); i++) {
        larger |= ran_tensor_get_f64(values, i) > 1;
        smaller |= ran_tensor_get_f64(values, i) < 1;
    }
    if (nearest && (!values || (larger && smaller)))
        return ran_onnx_node_error(
            node, RAN_UNSUPPORTED,
            "opset 10's nearest needs constant scales that are all at least 1"
            " or all at most 1; convert the model to opset 11 or newer");
    return map_asymmetric(node, scales, smaller ? "ceil" : "floor");
}

static ran_value *unless_empty(ran_value *value)
{
    const ran_type *type = value ? ran_value_type(value) : NULL;
    bool empty = type && ran_type_is_static(type) && ran_type_numel(type) == 0;
    return empty ? NULL : value;
}

ran_status ran_onnx_map_resize(ran_onnx_node *node)
{
    if (node->since < 11)
        return map_resize_10(node);
    const char *mode = "";
    for (size_t i = 0; i < node->attr_count; i++)
        if (strcmp(node->attrs[i].name, "coordinate_transformation_mode") == 0)
            mode = ran_intern_n(node->import->context, (const char *)node->attrs[i].proto->s.data,
                                node->attrs[i].proto->s.len);
    ran_value *roi = strcmp(mode, "tf_crop_and_resize") ? NULL : ran_onnx_input(node, 1);
    ran_value *operands[] = {ran_onnx_input(node, 0), roi, unless_empty(ran_onnx_input(node, 2)),
                             unless_empty(ran_onnx_input(node, 3))};
    return ran_onnx_map(node, RAN_OP_RESIZE, operands[3] ? 4 : 3, operands);
}

/* ---- Sampling -------------------------------------------------------------------------------- */

/* Opset 20 renamed the modes. */
ran_status ran_onnx_map_grid_sample(ran_onnx_node *node)
{
    const char *mode = ran_onnx_string(node, "mode", "linear");
    ran_op *op = ran_onnx_create(node, RAN_OP_GRID_SAMPLE, node->input_count, node->inputs,
                                 node->output_count);
    if (!op)
        return RAN_INVALID;
    if (node->since < 20 && strncmp(mode, "bi", 2) == 0)
        mode += 2;
    ran_op_set_string(op, "mode", mode);
    return ran_onnx_finish(node, op);
}

/* Before opset 16 the samples lay on the corners of half pixels. */
ran_status ran_onnx_map_roi_align(ran_onnx_node *node)
{
    ran_op *op = ran_onnx_create(node, RAN_OP_ROI_ALIGN, node->input_count, node->inputs,
                                 node->output_count);
    if (op && node->since < 16)
        ran_op_set_string(op, "coordinate_transformation_mode", "output_half_pixel");
    return ran_onnx_finish(node, op);
}

/* The axis became an operand in opset 20, and its default changed. */
ran_status ran_onnx_map_dft(ran_onnx_node *node)
{
    if (node->since >= 20)
        return ran_onnx_map_generic(node);
    ran_value *axis = ran_onnx_const_int(node, ran_onnx_int(node, "axis", 1));
    ran_value *operands[] = {ran_onnx_input(node, 0), ran_onnx_input(node, 1), axis};
    return ran_onnx_map(node, RAN_OP_DFT, 3, operands);
}
