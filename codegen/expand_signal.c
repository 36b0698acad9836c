/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Fourier transforms as products with constant matrices; grids and crops by simpler ops. */
#include <math.h>

#include "codegen/expand.h"

/* A larger matrix would make the weights grow. */
enum { MAX_MATRIX = 1 << 22 };

static const ran_type *operand_type(const ran_expansion *e, size_t index)
{
    return ran_value_type(ran_op_operand(e->op, index));
}

static const ran_type *result_type(const ran_expansion *e)
{
    return ran_value_type(ran_op_result(e->op, 0));
}

static ran_value *constant_of(ran_expansion *e, RAN_TAKE ran_tensor *tensor)
{
    ran_value *value = ran_constant_create(e->builder.module, NULL, tensor);
    ran_tensor_release(tensor);
    return value;
}

/* ---- dft, stft ---------------------------------------------------------------------------------------- */

typedef struct transform {
    ran_elem elem;
    int64_t terms, parts;  /* of a line; parts 1: real, 2: complex */
    int64_t length, bins;
    bool inverse;
} transform;

/* Rows (term, part), columns (bin, part): a line times it is its transform. Terms behind the length
 * are cut off, missing ones are zero. */
static ran_value *transform_matrix(ran_expansion *e, const transform *t)
{
    static const double two_pi = 6.283185307179586476925286766559;
    int64_t columns = 2 * t->bins;
    ran_tensor *m = ran_tensor_create(t->elem, 2, (int64_t[]){t->terms * t->parts, columns});
    double scale = t->inverse ? 1 / (double)t->length : 1, sign = t->inverse ? 1 : -1;
    for (int64_t i = 0; i < t->terms && i < t->length; i++)
        for (int64_t k = 0; k < t->bins; k++) {
            double angle = sign * two_pi * (double)((__int128)i * k % t->length) /
                           (double)t->length;
            int64_t row = i * t->parts * columns + 2 * k;
            ran_tensor_set_f64(m, row, scale * cos(angle));
            ran_tensor_set_f64(m, row + 1, scale * sin(angle));
            if (t->parts == 1)
                continue;
            ran_tensor_set_f64(m, row + columns, -scale * sin(angle));
            ran_tensor_set_f64(m, row + columns + 1, scale * cos(angle));
        }
    return constant_of(e, m);
}

static bool is_affordable(const transform *t)
{
    return t->length > 0 && t->bins > 0 && t->terms > 0 &&
           t->terms <= MAX_MATRIX / (2 * t->parts) / t->bins;
}

/* The transformed axis goes in front of the parts, is multiplied with them, and goes back. */
bool ran_expand_dft(ran_expansion *e)
{
    const ran_type *x = operand_type(e, 0), *y = result_type(e);
    int64_t axis_operand = -2, perm[RAN_MAX_RANK], back[RAN_MAX_RANK], length;
    int rank = ran_type_rank(x), n = 0;
    if (!ran_type_is_static(x) || !ran_type_is_static(y) ||
        (ran_op_operand(e->op, 2) && ran_op_known_ints(e->op, 2, &axis_operand, 1) != 1))
        return false;
    int axis = ran_axis(axis_operand, rank);
    transform t = {ran_type_elem(x), ran_type_extent(x, axis), ran_type_extent(x, rank - 1),
                   ran_type_extent(x, axis), ran_type_extent(y, axis),
                   ran_op_int(e->op, "inverse") != 0};
    if (ran_op_operand(e->op, 1) && ran_op_known_ints(e->op, 1, &length, 1) == 1)
        t.length = length;
    else if (ran_op_operand(e->op, 1))
        return false;
    if (!is_affordable(&t))
        return false;
    for (int i = 0; i < rank - 1; i++)
        if (i != axis)
            perm[n++] = i;
    perm[n++] = axis;
    perm[n] = rank - 1;
    const ran_dim *dims[RAN_MAX_RANK];
    for (int i = 0; i < rank; i++) {
        back[perm[i]] = i;
        dims[i] = ran_type_dim(x, (int)perm[i]);
    }
    ran_value *line = ran_expand_transpose(e, ran_op_operand(e->op, 0), rank, perm);
    dims[rank - 2] = ran_dim_constant(e->context, t.terms * t.parts);
    line = ran_expand_view(e, line, rank - 1, dims);
    line = ran_expand_binary(e, RAN_OP_MATMUL, line, transform_matrix(e, &t));
    dims[rank - 2] = ran_dim_constant(e->context, t.bins);
    dims[rank - 1] = ran_dim_constant(e->context, 2);
    e->results[0] = ran_expand_transpose(e, ran_expand_view(e, line, rank, dims), rank, back);
    return true;
}

/* Frames by gather, weighted, then transformed. */
bool ran_expand_stft(ran_expansion *e)
{
    const ran_type *x = operand_type(e, 0), *y = result_type(e);
    ran_value *window = ran_op_operand(e->op, 2);
    int64_t step, length;
    if (!ran_type_is_static(x) || !ran_type_is_static(y) ||
        ran_op_known_ints(e->op, 1, &step, 1) != 1)
        return false;
    int64_t parts = ran_type_rank(x) == 3 ? ran_type_extent(x, 2) : 1, frames = ran_type_extent(y, 1);
    if (ran_op_operand(e->op, 3)) {
        if (ran_op_known_ints(e->op, 3, &length, 1) != 1)
            return false;
    } else {
        length = window ? ran_type_extent(ran_value_type(window), 0) : ran_type_extent(x, 1);
    }
    transform t = {ran_type_elem(x), length, parts, length, ran_type_extent(y, 2), false};
    if (!is_affordable(&t) || frames < 1 || frames > MAX_MATRIX / length)
        return false;
    ran_tensor *indices = ran_tensor_create(RAN_ELEM_I64, 2, (int64_t[]){frames, length});
    for (int64_t i = 0; i < frames * length; i++)
        ran_tensor_set_i64(indices, i, i / length * step + i % length);
    ran_value *signal = ran_op_operand(e->op, 0);
    ran_op *gather = ran_op_create(&e->builder, RAN_OP_GATHER, 2,
                                   (ran_value *[]){signal, constant_of(e, indices)}, 1);
    ran_op_set_int(gather, "axis", 1);
    ran_value *framed = ran_expand_finish(e, gather);
    const ran_dim *split[] = {ran_type_dim(x, 0), ran_dim_constant(e->context, frames),
                              ran_dim_constant(e->context, length),
                              ran_dim_constant(e->context, parts)};
    framed = ran_expand_view(e, framed, 4, split);
    if (window)
        framed = ran_expand_binary(e, RAN_OP_MUL, framed, ran_expand_along(e, window, 0, 2));
    const ran_dim *merged[] = {split[0], split[1], ran_dim_constant(e->context, length * parts)};
    framed = ran_expand_view(e, framed, 3, merged);
    framed = ran_expand_binary(e, RAN_OP_MATMUL, framed, transform_matrix(e, &t));
    const ran_dim *dims[] = {split[0], split[1], ran_type_dim(y, 2), ran_type_dim(y, 3)};
    e->results[0] = ran_expand_view(e, framed, 4, dims);
    return true;
}

/* ---- compress, center_crop_pad, affine_grid -------------------------------------------------------------- */

/* With a known condition: a gather of the positions where it holds. */
bool ran_expand_compress(ran_expansion *e)
{
    int64_t condition[RAN_MAX_KNOWN], kept[RAN_MAX_KNOWN];
    size_t n = 0;
    ran_value *x = ran_op_operand(e->op, 0);
    const ran_type *type = ran_value_type(x);
    int64_t count = ran_op_known_ints(e->op, 1, condition, RAN_MAX_KNOWN);
    if (count < 0 || !ran_type_is_static(type))
        return false;
    for (int64_t i = 0; i < count; i++)
        if (condition[i])
            kept[n++] = i;
    int axis = 0;
    if (ran_op_has_attr(e->op, "axis")) {
        axis = ran_axis(ran_op_int(e->op, "axis"), ran_type_rank(type));
    } else {
        const ran_dim *flat = ran_dim_constant(e->context, ran_type_numel(type));
        x = ran_expand_view(e, x, 1, &flat);
    }
    if (count > ran_type_extent(ran_value_type(x), axis))
        return false;
    ran_op *op = ran_op_create(&e->builder, RAN_OP_GATHER, 2,
                               (ran_value *[]){x, ran_expand_ints(e, n, kept)}, 1);
    ran_op_set_int(op, "axis", axis);
    e->results[0] = ran_expand_finish(e, op);
    return true;
}

bool ran_expand_center_crop_pad(ran_expansion *e)
{
    const ran_type *x = operand_type(e, 0), *y = result_type(e);
    int64_t pads[2 * RAN_MAX_RANK];
    int rank = ran_type_rank(x);
    if (!ran_type_is_static(x) || !ran_type_is_static(y))
        return false;
    for (int i = 0; i < rank; i++) {
        int64_t missing = ran_type_extent(y, i) - ran_type_extent(x, i);
        pads[i] = missing / 2;
        pads[rank + i] = missing - missing / 2;
    }
    e->results[0] = ran_expand_binary(e, RAN_OP_PAD, ran_op_operand(e->op, 0),
                                      ran_expand_ints(e, 2 * (size_t)rank, pads));
    return true;
}

/* Points of the grid with a 1 behind, innermost axis first. */
static ran_value *base_grid(ran_expansion *e, const ran_type *y, bool align_corners)
{
    int spatial = ran_type_rank(y) - 2;
    int64_t points = 1;
    for (int i = 0; i < spatial; i++)
        points *= ran_type_extent(y, 1 + i);
    ran_tensor *grid = ran_tensor_create(ran_type_elem(y), 2, (int64_t[]){points, spatial + 1});
    for (int64_t n = 0; n < points; n++) {
        int64_t rest = n;
        for (int axis = spatial - 1; axis >= 0; axis--) {
            int64_t extent = ran_type_extent(y, 1 + axis), i = rest % extent;
            double x = !align_corners ? (double)(2 * i + 1) / (double)extent - 1
                       : extent > 1   ? (double)(2 * i) / (double)(extent - 1) - 1
                                      : 0;
            ran_tensor_set_f64(grid, n * (spatial + 1) + spatial - 1 - axis, x);
            rest /= extent;
        }
        ran_tensor_set_f64(grid, n * (spatial + 1) + spatial, 1);
    }
    return constant_of(e, grid);
}

bool ran_expand_affine_grid(ran_expansion *e)
{
    static const int64_t perm[] = {0, 2, 1};
    const ran_type *y = result_type(e);
    if (!ran_type_is_static(y) || ran_type_numel(y) == 0 || ran_type_numel(y) > MAX_MATRIX)
        return false;
    ran_value *theta = ran_expand_transpose(e, ran_op_operand(e->op, 0), 3, perm);
    ran_value *grid = base_grid(e, y, ran_op_int(e->op, "align_corners") != 0);
    grid = ran_expand_binary(e, RAN_OP_MATMUL, grid, theta);
    const ran_dim *dims[RAN_MAX_RANK];
    for (int i = 0; i < ran_type_rank(y); i++)
        dims[i] = ran_type_dim(y, i);
    e->results[0] = ran_expand_view(e, grid, ran_type_rank(y), dims);
    return true;
}
