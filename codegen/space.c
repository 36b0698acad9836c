/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Index spaces: how the values of a fused region are addressed from a body's coordinates. */
#include "codegen/codegen.h"

/* Physical strides in elements: of each axis (of the block for the layout's axis), and the lane's. */
typedef struct strides {
    const ran_dim *axis[RAN_MAX_RANK];
} strides;

static strides strides_of_type(ran_context *context, const ran_type *type)
{
    strides result;
    ran_layout layout = ran_type_layout(type);
    const ran_dim *step = ran_dim_constant(context, layout.block ? layout.block : 1);
    const ran_dim *block = ran_dim_constant(context, layout.block);
    for (int axis = ran_type_rank(type) - 1; axis >= 0; axis--) {
        const ran_dim *extent = ran_type_dim(type, axis);
        if (layout.block && axis == layout.axis)
            extent = ran_dim_binary(context, RAN_DIM_CEILDIV, extent, block);
        result.axis[axis] = step;
        step = ran_dim_binary(context, RAN_DIM_MUL, step, extent);
    }
    return result;
}

void ran_space_of_type(const ran_type *type, ran_space *out_space)
{
    int rank = ran_type_rank(type);
    *out_space = (ran_space){.type = type, .rank = rank, .blocked = ran_type_layout(type).block};
    for (int i = 0; i < rank; i++)
        out_space->axes[i].first = out_space->axes[i].last = i;
    if (out_space->blocked || rank == 0) {
        out_space->axes[rank].first = 0;
        out_space->axes[rank].last = -1;
        out_space->rank = rank + 1;
    }
}


static bool is_lane(const ran_space *space, int coordinate)
{
    return space->blocked && coordinate == space->rank - 1;
}

const ran_dim *ran_space_extent(ran_context *context, const ran_space *space, int coordinate)
{
    ran_layout layout = ran_type_layout(space->type);
    if (is_lane(space, coordinate))
        return ran_dim_constant(context, layout.block);
    const ran_dim *extent = ran_dim_constant(context, 1);
    for (int axis = space->axes[coordinate].first; axis <= space->axes[coordinate].last; axis++) {
        const ran_dim *dim = ran_type_dim(space->type, axis);
        if (space->blocked && axis == layout.axis)
            dim = ran_dim_binary(context, RAN_DIM_CEILDIV, dim,
                                 ran_dim_constant(context, layout.block));
        extent = ran_dim_binary(context, RAN_DIM_MUL, extent, dim);
    }
    return extent;
}

/* The dimension of `type` that meets axis `axis` of the space's type; NULL when it has none. */
static const ran_dim *matching_dim(const ran_space *space, const ran_type *type, int axis,
                                   int *out_axis)
{
    *out_axis = axis - (ran_type_rank(space->type) - ran_type_rank(type));
    return *out_axis < 0 ? NULL : ran_type_dim(type, *out_axis);
}

static const ran_dim *stride_of_axis(ran_context *context, const ran_space *space,
                                     const ran_type *type, const strides *own, int axis)
{
    int own_axis;
    const ran_dim *dim = matching_dim(space, type, axis, &own_axis);
    if (!dim || ran_dim_is(dim, 1))
        return ran_dim_constant(context, 0);
    const ran_dim *stride = own->axis[own_axis];
    ran_layout layout = ran_type_layout(space->type);
    if (space->blocked && axis == layout.axis && !ran_type_layout(type).block)
        return ran_dim_binary(context, RAN_DIM_MUL, stride,
                              ran_dim_constant(context, layout.block));
    return stride;
}

const ran_dim *ran_space_axis_extent(ran_context *context, const ran_space *space, int axis)
{
    ran_layout layout = ran_type_layout(space->type);
    const ran_dim *dim = ran_type_dim(space->type, axis);
    return space->blocked && axis == layout.axis
               ? ran_dim_binary(context, RAN_DIM_CEILDIV, dim,
                                ran_dim_constant(context, layout.block))
               : dim;
}

/* One stride for a run of axes: that of the innermost, when the outer ones continue it. Axes of
 * extent 1 do not matter. */
static const ran_dim *stride_of_run(ran_context *context, const ran_space *space,
                                    const ran_type *type, const strides *own, int coordinate)
{
    const ran_dim *stride = NULL, *next = NULL;
    for (int axis = space->axes[coordinate].last; axis >= space->axes[coordinate].first; axis--) {
        const ran_dim *extent = ran_space_axis_extent(context, space, axis);
        if (ran_dim_is(extent, 1))
            continue;
        const ran_dim *here = stride_of_axis(context, space, type, own, axis);
        if (stride && here != next)
            return NULL;
        if (!stride)
            stride = here;
        next = ran_dim_binary(context, RAN_DIM_MUL, here, extent);
    }
    return stride ? stride : ran_dim_constant(context, 0);
}

static const ran_dim *lane_stride(ran_context *context, const ran_space *space,
                                  const ran_type *type, const strides *own)
{
    int own_axis;
    const ran_dim *dim =
        matching_dim(space, type, ran_type_layout(space->type).axis, &own_axis);
    if (ran_type_layout(type).block)
        return ran_dim_constant(context, 1);
    if (!dim || ran_dim_is(dim, 1))
        return ran_dim_constant(context, 0);
    return own->axis[own_axis];
}

/* A blocked value fits a space of the same block on the same axis (counted from the end) only. */
bool ran_space_fits(const ran_space *space, const ran_type *type)
{
    ran_layout own = ran_type_layout(type), walked = ran_type_layout(space->type);
    if (!own.block)
        return true;
    int shift = ran_type_rank(space->type) - ran_type_rank(type);
    return shift >= 0 && space->blocked && own.block == walked.block && own.axis + shift == walked.axis &&
           ran_type_dim(type, own.axis) == ran_type_dim(space->type, walked.axis);
}

bool ran_space_strides(ran_context *context, const ran_space *space, const ran_type *type,
                       const ran_dim **out_strides)
{
    bool complete = true;
    strides own = strides_of_type(context, type);
    for (int i = 0; i < space->rank; i++) {
        out_strides[i] = is_lane(space, i) ? lane_stride(context, space, type, &own)
                                           : stride_of_run(context, space, type, &own, i);
        complete = complete && out_strides[i];
    }
    return complete;
}

const ran_dim *ran_space_axis_stride(ran_context *context, const ran_space *space,
                                     const ran_type *type, int axis)
{
    strides own = strides_of_type(context, type);
    return stride_of_axis(context, space, type, &own, axis);
}

/* Whether every type has one stride a coordinate. */
static bool all_fit(ran_context *context, const ran_space *space, const ran_type *const *types,
                    size_t count)
{
    const ran_dim *strides[RAN_SPACE_MAX];
    for (size_t i = 0; i < count; i++)
        if (!ran_space_strides(context, space, types[i], strides))
            return false;
    return ran_space_strides(context, space, space->type, strides);
}

static ran_space merged(const ran_space *space, int coordinate)
{
    ran_space result = *space;
    result.axes[coordinate].last = space->axes[coordinate + 1].last;
    for (int i = coordinate + 1; i + 1 < space->rank; i++)
        result.axes[i] = space->axes[i + 1];
    result.rank--;
    return result;
}

void ran_space_collapse(ran_context *context, const ran_type *type, const ran_type *const *types,
                        size_t count, ran_space *out_space)
{
    ran_space_of_type(type, out_space);
    int i = 0;
    while (i + 1 < out_space->rank - (out_space->blocked ? 1 : 0)) {
        ran_space candidate = merged(out_space, i);
        if (all_fit(context, &candidate, types, count))
            *out_space = candidate;
        else
            i++;
    }
}
