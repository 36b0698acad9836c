/* SPDX-License-Identifier: GPL-3.0-or-later */
/* CenterCropPad and AffineGrid: a pad and a matmul where the sizes are known, else ops of their
 * own. */
#include "frontend/ops/compose.h"

/* Elements of an input that are known constants; -1 when they are not. */
static int64_t known_ints(const ran_onnx_node *node, size_t index, int64_t *out, size_t capacity)
{
    const ran_dim *const *elements;
    ran_value *value = ran_onnx_input(node, index);
    const ran_tensor *tensor = value ? ran_value_constant(value) : NULL;
    size_t count = value ? ran_value_known(value, &elements) : 0;
    if (count > capacity || (count == 0 && (!tensor || ran_tensor_numel(tensor) > 0)))
        return -1;
    for (size_t i = 0; i < count; i++) {
        if (!ran_dim_is_constant(elements[i]))
            return -1;
        out[i] = ran_dim_value(elements[i]);
    }
    return (int64_t)count;
}

/* ---- CenterCropPad -------------------------------------------------------------------------------------- */

/* Axes of the op; a plain count means the first ones. Returns how many, -1 when they don't fit. */
static int crop_axes(ran_onnx_node *node, int rank, int64_t count, int *out_axes)
{
    size_t listed = 0;
    const int64_t *axes = ran_onnx_ints(node, "axes", &listed);
    if (count != (axes ? (int64_t)listed : rank))
        return -1;
    for (int64_t i = 0; i < count; i++) {
        out_axes[i] = ran_axis(axes ? axes[i] : i, rank);
        if (out_axes[i] < 0)
            return -1;
    }
    return (int)count;
}

/* What is missing in the middle goes half to each side, the odd one behind (cut: in front it is
 * rounded down as well). */
static bool crop_pads(const ran_type *x, int count, const int *axes, const int64_t *shape,
                      int64_t *pads)
{
    int rank = ran_type_rank(x);
    for (int i = 0; i < count; i++) {
        if (!ran_dim_is_constant(ran_type_dim(x, axes[i])))
            return false;
        int64_t missing = shape[i] - ran_type_extent(x, axes[i]);
        pads[axes[i]] = missing / 2;
        pads[rank + axes[i]] = missing - missing / 2;
    }
    return true;
}

ran_status ran_onnx_map_center_crop_pad(ran_onnx_node *node)
{
    int64_t shape[RAN_MAX_RANK], pads[2 * RAN_MAX_RANK] = {0};
    int axes[RAN_MAX_RANK], rank = ran_onnx_input_rank(node, 0);
    int64_t count = known_ints(node, 1, shape, RAN_MAX_RANK);
    if (node->input_count != 2)
        return ran_onnx_node_error(node, RAN_INVALID, "it needs two inputs");
    if (rank < 0 || count < 0)
        return ran_onnx_map(node, RAN_OP_CENTER_CROP_PAD, 2, node->inputs);
    int axis_count = crop_axes(node, rank, count, axes);
    if (axis_count < 0)
        return ran_onnx_node_error(node, RAN_INVALID, "shape and axes don't fit the input");
    if (!crop_pads(ran_value_type(node->inputs[0]), axis_count, axes, shape, pads))
        return ran_onnx_map(node, RAN_OP_CENTER_CROP_PAD, 2, node->inputs);
    ran_value *amounts = ran_onnx_const_ints(node, pads, 2 * (size_t)rank);
    return ran_onnx_map(node, RAN_OP_PAD, 2, (ran_value *[]){node->inputs[0], amounts});
}

/* ---- AffineGrid ------------------------------------------------------------------------------------------ */

/* Homogeneous coordinates of the points of a grid, innermost axis first, then 1. */
static ran_value *base_grid(ran_onnx_node *node, ran_elem elem, const int64_t *dims, int spatial,
                            bool align_corners)
{
    int64_t points = 1;
    for (int i = 0; i < spatial; i++)
        if (dims[i] < 1 || __builtin_mul_overflow(points, dims[i], &points) || points > 1 << 26)
            return NULL;
    ran_tensor *grid = ran_tensor_create(elem, 2, (int64_t[]){points, spatial + 1});
    if (!grid)
        return NULL;
    for (int64_t n = 0; n < points; n++) {
        int64_t rest = n;
        for (int axis = spatial - 1; axis >= 0; rest /= dims[axis--]) {
            double i = (double)(rest % dims[axis]), extent = (double)dims[axis];
            double x = !align_corners ? (2 * i + 1) / extent - 1
                       : extent > 1   ? 2 * i / (extent - 1) - 1
                                      : 0;
            ran_tensor_set_f64(grid, n * (spatial + 1) + spatial - 1 - axis, x);
        }
        ran_tensor_set_f64(grid, n * (spatial + 1) + spatial, 1);
    }
    ran_value *value = ran_constant_create(node->import->module, NULL, grid);
    ran_tensor_release(grid);
    return value;
}

ran_status ran_onnx_map_affine_grid(ran_onnx_node *node)
{
    int64_t size[5];
    int64_t count = known_ints(node, 1, size, 5);
    if (node->input_count != 2)
        return ran_onnx_node_error(node, RAN_INVALID, "it needs two inputs");
    if (count < 0)
        return ran_onnx_map(node, RAN_OP_AFFINE_GRID, 2, node->inputs);
    if (count != 4 && count != 5)
        return ran_onnx_node_error(node, RAN_INVALID, "size has %lld elements", (long long)count);
    int spatial = (int)count - 2;
    bool align_corners = ran_onnx_int(node, "align_corners", 0) != 0;
    ran_value *base = base_grid(node, ran_onnx_input_elem(node, 0), size + 2, spatial, align_corners);
    if (!base)
        return ran_onnx_node_error(node, RAN_INVALID, "size is no size");
    ran_value *theta = ran_compose_transpose(node, node->inputs[0], (int64_t[]){0, 2, 1}, 3);
    ran_value *grid = theta ? ran_onnx_binary(node, RAN_OP_MATMUL, base, theta) : NULL;
    int64_t shape[5] = {0};
    for (int i = 0; i < spatial; i++)
        shape[1 + i] = size[2 + i];
    shape[1 + spatial] = spatial;
    node->outputs[0] = grid ? ran_onnx_reshape(node, grid, shape, (size_t)spatial + 2) : NULL;
    return node->outputs[0] ? RAN_OK : RAN_INVALID;
}
