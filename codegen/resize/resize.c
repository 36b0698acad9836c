/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "codegen/resize/resize.h"

#include <string.h>

#include "codegen/resize/taps.h"

enum { ROI = 1, SCALES = 2, SIZES = 3, TAPS_LIMIT = 256 };

/* Factors of all axes; false when they are not known or of a kind that the body lacks. */
static bool find_scales(const ran_op *op, double *out_scales)
{
    const ran_type *x = ran_value_type(ran_op_operand(op, 0));
    const ran_type *y = ran_value_type(ran_op_result(op, 0));
    const ran_tensor *scales = ran_op_constant_operand(op, SCALES);
    int rank = ran_type_rank(x);
    size_t count = 0;
    const int64_t *axes = ran_op_ints(op, "axes", &count);
    for (int i = 0; i < rank; i++)
        out_scales[i] = ran_type_dim(y, i) == ran_type_dim(x, i)
                            ? 1
                            : (double)ran_type_extent(y, i) / (double)ran_type_extent(x, i);
    if (!scales || !ran_tensor_numel(scales))
        return !strcmp(ran_op_string(op, "keep_aspect_ratio_policy"), "stretch");
    for (int64_t i = 0; i < ran_tensor_numel(scales); i++)
        out_scales[count ? ran_axis(axes[i], rank) : i] = ran_tensor_get_f64(scales, i);
    return true;
}

static bool crops(const ran_op *op)
{
    return !strcmp(ran_op_string(op, "coordinate_transformation_mode"), "tf_crop_and_resize");
}

/* What tf_crop_and_resize takes of each axis, as parts of the input; false when it is not known. */
static bool find_roi(const ran_op *op, double *out_starts, double *out_ends)
{
    const ran_tensor *roi = ran_op_constant_operand(op, ROI);
    int rank = ran_type_rank(ran_value_type(ran_op_operand(op, 0)));
    size_t count = 0;
    const int64_t *axes = ran_op_ints(op, "axes", &count);
    for (int i = 0; i < rank; i++)
        out_starts[i] = 0, out_ends[i] = 1;
    if (!crops(op) || !ran_op_operand(op, ROI))
        return true;
    int64_t listed = count ? (int64_t)count : rank;
    for (int64_t i = 0; roi && i < listed && ran_tensor_numel(roi) == 2 * listed; i++) {
        int axis = count ? ran_axis(axes[i], rank) : (int)i;
        out_starts[axis] = ran_tensor_get_f64(roi, i);
        out_ends[axis] = ran_tensor_get_f64(roi, i + listed);
    }
    return roi;
}

static int map_axes(int rank)
{
    return rank >= 4 ? rank - 2 : rank - 1;
}

/* Of the map every extent is known and there is something to read; of the planes' axes, which may
 * be symbolic, none changes. */
static bool sizes_fit(const ran_type *x, const ran_type *y)
{
    int rank = ran_type_rank(x), first = map_axes(rank);
    for (int i = 0; i < rank; i++) {
        const ran_dim *in = ran_type_dim(x, i), *out = ran_type_dim(y, i);
        bool known = ran_dim_is_constant(in) && ran_dim_is_constant(out);
        if (i < first ? in != out : !known || ran_dim_is(in, 0))
            return false;
    }
    return true;
}

bool ran_resize_accepts(const ran_op *op, const ran_target *target)
{
    double scales[RAN_MAX_RANK], starts[RAN_MAX_RANK], ends[RAN_MAX_RANK];
    const ran_type *x = ran_value_type(ran_op_operand(op, 0));
    const ran_type *y = ran_value_type(ran_op_result(op, 0));
    int rank = ran_type_rank(x);
    (void)target;
    if (ran_type_elem(x) != RAN_ELEM_F32 || rank < 3 || ran_type_rank(y) != rank ||
        !sizes_fit(x, y) || !find_scales(op, scales) || !find_roi(op, starts, ends))
        return false;
    for (int i = 0; i < rank; i++)
        if (i < map_axes(rank) ? scales[i] != 1 || starts[i] != 0 || ends[i] != 1
                               : scales[i] * TAPS_LIMIT < 8)
            return false;
    return true;
}

/* ---- Tables: one constant with positions and weights of both axes -------------------------------- */

static ran_resize_axis make_axis(const ran_op *op, int axis)
{
    double scales[RAN_MAX_RANK], starts[RAN_MAX_RANK], ends[RAN_MAX_RANK];
    find_scales(op, scales);
    find_roi(op, starts, ends);
    return (ran_resize_axis){
        .in = ran_type_extent(ran_value_type(ran_op_operand(op, 0)), axis),
        .out = ran_type_extent(ran_value_type(ran_op_result(op, 0)), axis),
        .scale = scales[axis],
        .roi_start = starts[axis],
        .roi_end = ends[axis],
    };
}

static void make_axes(const ran_op *op, ran_resize_axis *rows, ran_resize_axis *columns)
{
    int rank = ran_type_rank(ran_value_type(ran_op_result(op, 0)));
    *columns = make_axis(op, rank - 1);
    *rows = (ran_resize_axis){.in = 1, .out = 1, .scale = 1, .roi_end = 1};
    if (rank >= 4)
        *rows = make_axis(op, rank - 2);
    ran_resize_make_taps(op, rows);
    ran_resize_make_taps(op, columns);
}

static char *append(char *to, const void *from, int64_t words)
{
    memcpy(to, from, (size_t)words * 4);
    return to + words * 4;
}

static ran_tensor *table_of(const ran_op *op)
{
    ran_resize_axis rows, columns;
    make_axes(op, &rows, &columns);
    int64_t y = rows.out * rows.taps, x = columns.out * columns.taps;
    float extrapolation = (float)ran_op_float(op, "extrapolation_value");
    ran_tensor *table = ran_tensor_create(RAN_ELEM_I32, 1, (int64_t[]){2 * (y + x) + 1});
    char *next = ran_tensor_mutable_data(table);
    next = append(next, rows.positions, y);
    next = append(next, rows.weights, y);
    next = append(next, columns.positions, x);
    next = append(next, columns.weights, x);
    append(next, &extrapolation, 1);
    ran_resize_clear_taps(&rows);
    ran_resize_clear_taps(&columns);
    return table;
}

ran_status ran_resize_prepare(ran_op *kernel, const ran_target *target)
{
    (void)target;
    ran_tensor *table = table_of(ran_kernel_anchor(kernel));
    ran_value *constant = ran_constant_create(
        ran_function_module(ran_region_function(ran_op_parent(kernel))), "resize_table", table);
    ran_tensor_release(table);
    ran_kernel_add_operand(kernel, constant);
    return RAN_OK;
}

/* ---- Description ------------------------------------------------------------------------------------ */

static void set_table(ran_emission *e)
{
    ran_resize_axis rows, columns;
    make_axes(e->anchor, &rows, &columns);
    int64_t y = rows.out * rows.taps, x = columns.out * columns.taps;
    RAN_SPEC(e, struct taps_spec, height, rows.in);
    RAN_SPEC(e, struct taps_spec, width, columns.in);
    RAN_SPEC(e, struct taps_spec, out_height, rows.out);
    RAN_SPEC(e, struct taps_spec, out_width, columns.out);
    RAN_SPEC(e, struct taps_spec, taps_y, rows.taps);
    RAN_SPEC(e, struct taps_spec, taps_x, columns.taps);
    RAN_SPEC(e, struct taps_spec, position_y, 0);
    RAN_SPEC(e, struct taps_spec, weight_y, y);
    RAN_SPEC(e, struct taps_spec, position_x, 2 * y);
    RAN_SPEC(e, struct taps_spec, weight_x, 2 * y + x);
    RAN_SPEC(e, struct taps_spec, extrapolation, crops(e->anchor) ? 2 * (y + x) : 0);
    RAN_SPEC(e, struct taps_spec, tables, (int64_t)ran_op_operand_count(e->kernel) - 1);
    ran_resize_clear_taps(&rows);
    ran_resize_clear_taps(&columns);
}

/* (plane, row, column); blocked (image, block, row, column, lane). A map of three axes has no row
 * coordinate of its own: the extent of none is 1. */
static void set_spaces(ran_emission *e, const ran_type *y)
{
    int rank = ran_type_rank(y), first = map_axes(rank), n = 0;
    bool blocked = ran_type_layout(y).block;
    e->store = (ran_space){.type = y, .rank = blocked ? 5 : 3, .blocked = blocked};
    if (blocked) {
        e->store.axes[n++].last = 0;
        e->store.axes[n].first = 1;
    }
    e->store.axes[n++].last = first - 1;
    e->store.axes[n].first = first;
    e->store.axes[n++].last = rank - 2;
    e->store.axes[n].first = e->store.axes[n].last = rank - 1;
    if (blocked)
        e->store.axes[4].last = -1;
}

ran_status ran_resize_describe(ran_emission *e)
{
    const ran_type *y = ran_value_type(ran_op_result(e->anchor, 0));
    e->body = "resize/taps";
    e->function = "resize_taps";
    set_spaces(e, y);
    set_table(e);
    int rank = ran_type_rank(y), block = ran_type_layout(y).block;
    const ran_dim *one = ran_dim_constant(e->context, 1), *planes = one, *blocks = one;
    if (block)
        blocks = ran_dim_binary(e->context, RAN_DIM_CEILDIV, ran_type_dim(y, 1),
                                ran_dim_constant(e->context, block));
    for (int i = 0; i < map_axes(rank); i++)
        planes = ran_dim_binary(e->context, RAN_DIM_MUL, planes,
                                block && i == 1 ? blocks : ran_type_dim(y, i));
    RAN_SPEC(e, struct taps_spec, x, ran_emission_io(e, ran_op_operand(e->anchor, 0)));
    RAN_SPEC_DIM(e, struct taps_spec, planes, planes);
    RAN_SPEC_DIM(e, struct taps_spec, blocks,
                 block ? blocks : ran_dim_constant(e->context, 0));
    e->tasks = ran_dim_binary(e->context, RAN_DIM_MUL, planes,
                              rank >= 4 ? ran_type_dim(y, rank - 2) : one);
    return RAN_OK;
}
