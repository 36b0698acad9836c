/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Physical order: convert_layout changes a type's layout, pack makes the tiled order a shape. The
 * evaluator's tensors are always row-major over the logical dims, so that a conversion copies. */
#include "ir/ops/ops.h"

/* ---- convert_layout -------------------------------------------------------------------------------- */

static ran_status infer_convert_layout(ran_infer *infer)
{
    const ran_type *x = infer->operands[0];
    int64_t axis = ran_op_int(infer->op, "axis"), block = ran_op_int(infer->op, "block");
    if (block < 0 || block > UINT8_MAX)
        return ran_infer_error(infer, "block = %lld is outside 0..%d", (long long)block, UINT8_MAX);
    if (block > 0 && (axis < 0 || axis >= ran_type_rank(x)))
        return ran_infer_error(infer, "axis = %lld is out of range for %s", (long long)axis,
                               ran_type_text(infer->context, x));
    ran_layout layout = block ? (ran_layout){(uint8_t)axis, (uint8_t)block} : RAN_PLAIN;
    infer->results[0] = ran_type_with_layout(infer->context, x, layout);
    return RAN_OK;
}

static ran_status evaluate_convert_layout(ran_evaluation *evaluation)
{
    const ran_tensor *x = evaluation->operands[0];
    ran_copy_elements(evaluation->results[0], 0, x, 0, ran_tensor_numel(x));
    return RAN_OK;
}

const ran_op_hooks ran_hooks_convert_layout = {.infer = infer_convert_layout,
                                               .evaluate = evaluate_convert_layout};

/* ---- pack ------------------------------------------------------------------------------------------ */

/* The attributes resolved: outer axis i is axis perm[i] of x, tile t splits axis axes[t]. */
typedef struct packing {
    int rank;
    size_t tile_count;
    const int64_t *axes, *tiles;
    int perm[RAN_MAX_RANK];
    int64_t tile_of[RAN_MAX_RANK]; /* 1 where an axis is not split */
} packing;

static bool resolve_perm(const ran_op *op, packing *p)
{
    size_t count;
    const int64_t *perm = ran_op_ints(op, "outer_dims_perm", &count);
    bool seen[RAN_MAX_RANK] = {false};
    if (count != 0 && count != (size_t)p->rank)
        return false;
    for (int i = 0; i < p->rank; i++) {
        int64_t axis = count ? perm[i] : i;
        if (axis < 0 || axis >= p->rank || seen[axis])
            return false;
        seen[axis] = true;
        p->perm[i] = (int)axis;
    }
    return true;
}

static bool resolve_packing(const ran_op *op, int rank, packing *p)
{
    size_t axis_count;
    *p = (packing){.rank = rank};
    p->axes = ran_op_ints(op, "inner_dims_pos", &axis_count);
    p->tiles = ran_op_ints(op, "inner_tiles", &p->tile_count);
    if (axis_count != p->tile_count || rank + p->tile_count > RAN_MAX_RANK || !resolve_perm(op, p))
        return false;
    for (int i = 0; i < rank; i++)
        p->tile_of[i] = 1;
    for (size_t t = 0; t < p->tile_count; t++) {
        int64_t axis = p->axes[t];
        if (axis < 0 || axis >= rank || p->tile_of[axis] != 1 || p->tiles[t] < 1)
            return false;
        p->tile_of[axis] = p->tiles[t];
    }
    return true;
}

static ran_status infer_pack(ran_infer *infer)
{
    const ran_dim *dims[RAN_MAX_RANK], *result[RAN_MAX_RANK];
    int rank = ran_infer_dims(infer, 0, dims);
    ran_context *context = infer->context;
    packing p;
    if (rank < 0 || !resolve_packing(infer->op, rank, &p))
        return ran_infer_error(infer, "inner_dims_pos, inner_tiles and outer_dims_perm don't fit %s",
                               ran_type_text(context, infer->operands[0]));
    for (int i = 0; i < rank; i++)
        result[i] = ran_dim_binary(context, RAN_DIM_CEILDIV, dims[p.perm[i]],
                                   ran_dim_constant(context, p.tile_of[p.perm[i]]));
    for (size_t t = 0; t < p.tile_count; t++)
        result[rank + (int)t] = ran_dim_constant(context, p.tiles[t]);
    return ran_infer_result(infer, 0, ran_type_elem(infer->operands[0]), rank + (int)p.tile_count,
                            result);
}

/* Strides in the packed tensor: of a step to the next tile of each axis, and within a tile. */
static void packed_strides(const packing *p, const int64_t *dims, int64_t *out_outer,
                           int64_t *out_inner)
{
    int64_t strides[RAN_MAX_RANK];
    ran_row_major_strides(p->rank + (int)p->tile_count, dims, strides);
    for (int i = 0; i < p->rank; i++) {
        out_outer[p->perm[i]] = strides[i];
        out_inner[i] = 0;
    }
    for (size_t t = 0; t < p->tile_count; t++)
        out_inner[p->axes[t]] = strides[p->rank + (int)t];
}

static ran_status evaluate_pack(ran_evaluation *evaluation)
{
    const ran_tensor *x = evaluation->operands[0];
    ran_tensor *y = evaluation->results[0];
    int64_t outer[RAN_MAX_RANK], inner[RAN_MAX_RANK], index[RAN_MAX_RANK] = {0};
    packing p;
    (void)resolve_packing(evaluation->op, ran_tensor_rank(x), &p);
    packed_strides(&p, ran_tensor_dims(y), outer, inner);
    for (int64_t n = 0; n < ran_tensor_numel(x); n++) {
        int64_t at = 0;
        for (int i = 0; i < p.rank; i++)
            at += index[i] / p.tile_of[i] * outer[i] + index[i] % p.tile_of[i] * inner[i];
        ran_copy_elements(y, at, x, n, 1);
        ran_index_next(p.rank, ran_tensor_dims(x), index);
    }
    return RAN_OK;
}

const ran_op_hooks ran_hooks_pack = {.infer = infer_pack, .evaluate = evaluate_pack};
