/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Strided walks over several arrays at once. */
#include "ir/ops/compute.h"

#include <string.h>

/* Axes a and a+1 are one when every array's stride says so. */
static bool can_merge(const ran_walk *walk, int a, int b)
{
    for (int i = 0; i < walk->count; i++)
        if (walk->strides[i][a] != walk->strides[i][b] * walk->dims[b])
            return false;
    return true;
}

static void copy_axis(ran_walk *walk, int to, int from)
{
    walk->dims[to] = walk->dims[from];
    for (int i = 0; i < walk->count; i++)
        walk->strides[i][to] = walk->strides[i][from];
}

static void merge_axes(ran_walk *walk)
{
    int kept = 0;
    for (int axis = 0; axis < walk->rank; axis++) {
        if (walk->dims[axis] == 1)
            continue;
        if (kept && can_merge(walk, kept - 1, axis)) {
            int64_t extent = walk->dims[kept - 1];
            copy_axis(walk, kept - 1, axis);
            walk->dims[kept - 1] *= extent;
        } else {
            copy_axis(walk, kept++, axis);
        }
    }
    walk->rank = kept;
}

void ran_walk_start(ran_walk *walk)
{
    merge_axes(walk);
    int last = walk->rank - 1;
    walk->length = last >= 0 ? walk->dims[last] : 1;
    walk->rows = walk->length ? ran_dims_product(walk->dims, 0, last) : 0;
    memset(walk->position, 0, sizeof walk->position);
    for (int i = 0; i < walk->count; i++) {
        walk->offset[i] = 0;
        walk->step[i] = last >= 0 ? walk->strides[i][last] : 0;
    }
}

void ran_walk_next(ran_walk *walk)
{
    for (int axis = walk->rank - 2; axis >= 0; axis--) {
        bool wraps = ++walk->position[axis] == walk->dims[axis];
        for (int i = 0; i < walk->count; i++)
            walk->offset[i] +=
                wraps ? -walk->strides[i][axis] * (walk->dims[axis] - 1) : walk->strides[i][axis];
        if (!wraps)
            return;
        walk->position[axis] = 0;
    }
}

void ran_walk_broadcast(ran_walk *walk, int rank, const int64_t *dims, int count,
                        const ran_tensor *const *tensors)
{
    walk->rank = rank;
    walk->count = count;
    memcpy(walk->dims, dims, (size_t)rank * sizeof *dims);
    for (int i = 0; i < count; i++) {
        const int64_t *extents = ran_tensor_dims(tensors[i]);
        int64_t stride = 1, missing = rank - ran_tensor_rank(tensors[i]);
        for (int axis = rank - 1; axis >= 0; axis--) {
            int64_t extent = axis < missing ? 1 : extents[axis - missing];
            walk->strides[i][axis] = extent == 1 ? 0 : stride;
            stride *= extent;
        }
    }
    ran_walk_start(walk);
}

void ran_walk_reduce(ran_walk *walk, int rank, const int64_t *dims, const bool *reduced)
{
    walk->rank = rank;
    walk->count = 2;
    memcpy(walk->dims, dims, (size_t)rank * sizeof *dims);
    int64_t stride = 1, kept_stride = 1;
    for (int axis = rank - 1; axis >= 0; axis--) {
        walk->strides[0][axis] = stride;
        walk->strides[1][axis] = reduced[axis] ? 0 : kept_stride;
        stride *= dims[axis];
        kept_stride *= reduced[axis] ? 1 : dims[axis];
    }
    ran_walk_start(walk);
}

ran_lines ran_lines_of(const ran_tensor *tensor, int first, int end)
{
    const int64_t *dims = ran_tensor_dims(tensor);
    return (ran_lines){ran_dims_product(dims, 0, first), ran_dims_product(dims, first, end),
                       ran_dims_product(dims, end, ran_tensor_rank(tensor))};
}
