/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "ir/map.h"
#include "ir/statistics.h"

#include <stdlib.h>

struct ran_stages {
    ran_map ops;  /* const ran_op * -> stage */
    ran_map maps; /* stage -> positions of its feature maps */
    int count;
};

/* Ops that work on feature maps, and may give one of another size. The rank of a tensor alone does
 * not tell: attention's scores have rank 4 as well. */
static bool is_spatial(const ran_op *op)
{
    static const ran_opcode spatial[] = {
        RAN_OP_CONV,    RAN_OP_CONV_TRANSPOSE, RAN_OP_AVERAGE_POOL,   RAN_OP_MAX_POOL,
        RAN_OP_LP_POOL, RAN_OP_RESIZE,         RAN_OP_DEPTH_TO_SPACE, RAN_OP_SPACE_TO_DEPTH,
    };
    for (size_t i = 0; i < sizeof(spatial) / sizeof(*spatial); i++)
        if (op->opcode == spatial[i])
            return true;
    return false;
}

static bool is_conv(const ran_op *op)
{
    return op->opcode == RAN_OP_CONV || op->opcode == RAN_OP_CONV_TRANSPOSE;
}

/* Positions of what an op gives, seen as a feature map; 0 for a vector or a single position.
 * Symbolic extents count as 1, so that equal shapes stay equal. */
static int64_t positions(const ran_op *op)
{
    const ran_type *type = op->result_count ? ran_value_type(ran_op_result(op, 0)) : NULL;
    int64_t size = 1;
    if (!type || !ran_type_is_tensor(type) || !ran_elem_is_float(ran_type_elem(type)))
        return 0;
    for (int axis = 2; axis < ran_type_rank(type); axis++) {
        const ran_dim *dim = ran_type_dim(type, axis);
        if (ran_dim_is_constant(dim) && __builtin_mul_overflow(size, ran_dim_value(dim), &size))
            return 0;
    }
    return size > 1 ? size : 0;
}

static int64_t map_size(const ran_op *op)
{
    return is_spatial(op) ? positions(op) : 0;
}

/* Convolutions of the first run of equal maps: with one only, the run is the stem. */
static bool has_stem(const ran_region *body)
{
    int64_t size = 0;
    int convs = 0;
    for (const ran_op *op = ran_region_first(body); op; op = ran_op_next(op)) {
        int64_t own = map_size(op);
        if (!own || !(convs || is_conv(op)))
            continue;
        if (size && own != size)
            return convs == 1;
        size = own;
        convs += is_conv(op);
    }
    return false; /* one run is a stage of its own */
}

/* The last op on a map: a spatial one, or one behind it on the same positions. */
static const ran_op *last_map(const ran_region *body)
{
    const ran_op *last = NULL;
    int64_t size = 0;
    for (const ran_op *op = ran_region_first(body); op; op = ran_op_next(op)) {
        int64_t own = map_size(op);
        if (own || (size && positions(op) == size))
            last = op;
        size = own ? own : size;
    }
    return last;
}

/* Numbers the ops up to the last feature map. What stands in front of the first convolution (the
 * input's normalisation, its padding) is of stage 1. */
static void number_ops(ran_stages *stages, const ran_region *body)
{
    const ran_op *last = last_map(body);
    int64_t size = 0;
    bool in_stem = has_stem(body), has_conv = false, is_new;
    stages->count = last ? 1 : 0;
    for (const ran_op *op = ran_region_first(body); last && op; op = ran_op_next(op)) {
        int64_t own = map_size(op);
        if (own && has_conv && own != size) {
            stages->count += !in_stem;
            in_stem = false;
        }
        has_conv |= is_conv(op);
        size = own && has_conv ? own : size;
        *ran_map_insert(&stages->maps, NULL, (uint64_t)stages->count, &is_new) = (uint64_t)size;
        *ran_map_insert(&stages->ops, op, 0, &is_new) = (uint64_t)stages->count;
        if (op == last)
            return;
    }
}

ran_stages *ran_stages_create(const ran_function *function)
{
    ran_stages *stages = calloc(1, sizeof(*stages));
    if (!stages)
        RAN_BUG(NULL, "out of memory");
    number_ops(stages, ran_function_body(function));
    return stages;
}

void ran_stages_destroy(ran_stages *stages)
{
    if (!stages)
        return;
    ran_map_clear(&stages->ops);
    ran_map_clear(&stages->maps);
    free(stages);
}

int ran_stages_of(const ran_stages *stages, const ran_op *op)
{
    for (; op; op = ran_region_parent_op(ran_op_parent(op))) {
        const uint64_t *stage = ran_map_find(&stages->ops, op, 0);
        if (stage)
            return (int)*stage;
    }
    return 0;
}

int ran_stages_count(const ran_stages *stages)
{
    return stages->count;
}

int64_t ran_stages_positions(const ran_stages *stages, int stage)
{
    const uint64_t *positions = ran_map_find(&stages->maps, NULL, (uint64_t)stage);
    return positions && stage ? (int64_t)*positions : 0;
}
