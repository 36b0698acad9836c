/* SPDX-License-Identifier: GPL-3.0-or-later */
/* unique: the distinct slices along an axis, or the distinct elements. */
#include "ir/ops/ops.h"

#include <stdlib.h>
#include <string.h>

static ran_status infer_unique(ran_infer *infer)
{
    const ran_dim *dims[RAN_MAX_RANK];
    const ran_dim *count = ran_dim_fresh(infer->context), *length = NULL;
    ran_elem elem = ran_type_elem(infer->operands[0]);
    int rank = ran_infer_dims(infer, 0, dims);
    bool flat = !ran_op_has_attr(infer->op, "axis");
    int axis = flat || rank < 0 ? 0 : ran_infer_axis_attr(infer, "axis", rank);
    if (axis < 0)
        return RAN_INVALID;
    if (rank >= 0)
        length = flat ? ran_dim_quotient(infer->context, (size_t)rank, dims, 0, NULL) : dims[axis];
    if (!length)
        length = ran_dim_fresh(infer->context);
    (void)ran_infer_result(infer, 1, RAN_ELEM_I64, 1, &count);
    (void)ran_infer_result(infer, 2, RAN_ELEM_I64, 1, &length);
    (void)ran_infer_result(infer, 3, RAN_ELEM_I64, 1, &count);
    if (!flat && rank < 0)
        return ran_infer_result_unknown(infer, 0, elem);
    dims[axis] = count;
    return ran_infer_result(infer, 0, elem, flat ? 1 : rank, dims);
}

/* x as [outer, count, inner]: slice i holds element (o, i, j) for every o and j. */
typedef struct slices {
    const ran_tensor *x;
    int64_t outer, count, inner;
} slices;

static int compare_elements(const ran_tensor *x, int64_t a, int64_t b)
{
    ran_elem elem = ran_tensor_elem(x);
    if (elem == RAN_ELEM_STRING) {
        char *const *strings = ran_tensor_data(x);
        return strcmp(strings[a] ? strings[a] : "", strings[b] ? strings[b] : "");
    }
    if (ran_elem_is_float(elem)) {
        double p = ran_tensor_get_f64(x, a), q = ran_tensor_get_f64(x, b);
        /* NaN comes last, so that this is an order. */
        int nans = (p != p) - (q != q);
        return nans ? nans : (p > q) - (p < q);
    }
    int64_t p = ran_tensor_get_i64(x, a), q = ran_tensor_get_i64(x, b);
    if (ran_elem_is_unsigned_int(elem))
        return ((uint64_t)p > (uint64_t)q) - ((uint64_t)p < (uint64_t)q);
    return (p > q) - (p < q);
}

static int compare_slices(const slices *s, int64_t a, int64_t b)
{
    for (int64_t o = 0; o < s->outer; o++)
        for (int64_t j = 0; j < s->inner; j++) {
            int64_t base = o * s->count * s->inner + j;
            int order = compare_elements(s->x, base + a * s->inner, base + b * s->inner);
            if (order)
                return order;
        }
    return 0;
}

/* Sorts positions; equal slices keep their order. Merge sort, because qsort_r is not portable. */
static void sort_positions(const slices *s, int64_t *positions, int64_t *scratch, int64_t count)
{
    if (count < 2)
        return;
    int64_t half = count / 2, a = 0, b = half;
    sort_positions(s, positions, scratch, half);
    sort_positions(s, positions + half, scratch, count - half);
    for (int64_t i = 0; i < count; i++) {
        bool first = b == count ||
                     (a < half && compare_slices(s, positions[a], positions[b]) <= 0);
        scratch[i] = positions[first ? a++ : b++];
    }
    memcpy(positions, scratch, (size_t)count * sizeof *positions);
}

/* Groups of equal slices: in sorted order, or by their first members. */
typedef struct groups {
    int64_t count;
    int64_t *first;   /* position of a group's first member */
    int64_t *sizes;
    int64_t *members; /* the group of each position */
} groups;

static void number_groups(const slices *s, const int64_t *positions, groups *g)
{
    for (int64_t i = 0; i < s->count; i++) {
        if (i == 0 || compare_slices(s, positions[i - 1], positions[i]) != 0)
            g->first[g->count++] = positions[i];
        g->members[positions[i]] = g->count - 1;
        g->sizes[g->count - 1]++;
    }
}

/* Renumbers groups by the position of their first member. */
static void order_by_appearance(ran_arena *arena, int64_t count, groups *g)
{
    int64_t *rank = RAN_ARENA_ARRAY(arena, int64_t, (size_t)g->count);
    int64_t *first = RAN_ARENA_ARRAY(arena, int64_t, (size_t)g->count);
    int64_t *sizes = RAN_ARENA_ARRAY(arena, int64_t, (size_t)g->count), next = 0;
    for (int64_t p = 0; p < count; p++) {
        int64_t old = g->members[p];
        if (g->first[old] == p) {
            rank[old] = next;
            first[next] = p;
            sizes[next++] = g->sizes[old];
        }
        g->members[p] = rank[old];
    }
    g->first = first;
    g->sizes = sizes;
}

static ran_status store_i64(ran_evaluation *evaluation, size_t index, int64_t count,
                            const int64_t *values)
{
    ran_status status = ran_eval_create(evaluation, index, RAN_ELEM_I64, 1, &count);
    if (status != RAN_OK || index >= evaluation->op->result_count)
        return status;
    for (int64_t i = 0; i < count; i++)
        ran_tensor_set_i64(evaluation->results[index], i, values[i]);
    return RAN_OK;
}

static ran_status store_groups(ran_evaluation *evaluation, const slices *s, int axis, bool flat,
                               const groups *g)
{
    int64_t dims[RAN_MAX_RANK];
    int rank = flat ? 1 : ran_tensor_rank(s->x);
    for (int i = 0; i < rank; i++)
        dims[i] = i == axis ? g->count : ran_tensor_dims(s->x)[i];
    ran_status status = ran_eval_create(evaluation, 0, ran_tensor_elem(s->x), rank, dims);
    for (int64_t o = 0; status == RAN_OK && o < s->outer; o++)
        for (int64_t i = 0; i < g->count; i++)
            ran_copy_elements(evaluation->results[0], (o * g->count + i) * s->inner, s->x,
                              (o * s->count + g->first[i]) * s->inner, s->inner);
    if (status == RAN_OK)
        status = store_i64(evaluation, 1, g->count, g->first);
    if (status == RAN_OK)
        status = store_i64(evaluation, 2, s->count, g->members);
    return status == RAN_OK ? store_i64(evaluation, 3, g->count, g->sizes) : status;
}

static ran_status evaluate_unique(ran_evaluation *evaluation)
{
    const ran_tensor *x = evaluation->operands[0];
    bool flat = !ran_op_has_attr(evaluation->op, "axis");
    int rank = ran_tensor_rank(x);
    int axis = flat ? 0 : ran_axis(ran_op_int(evaluation->op, "axis"), rank);
    slices s = {x, 1, ran_tensor_numel(x), 1};
    if (!flat)
        s = (slices){x, ran_dims_product(ran_tensor_dims(x), 0, axis), ran_tensor_dims(x)[axis],
                     ran_dims_product(ran_tensor_dims(x), axis + 1, rank)};
    ran_arena *arena = ran_arena_create();
    size_t room = (size_t)s.count + 1;
    int64_t *positions = RAN_ARENA_ARRAY(arena, int64_t, room);
    groups g = {0, RAN_ARENA_ARRAY(arena, int64_t, room), RAN_ARENA_ARRAY(arena, int64_t, room),
                RAN_ARENA_ARRAY(arena, int64_t, room)};
    for (int64_t i = 0; i < s.count; i++)
        positions[i] = i;
    sort_positions(&s, positions, RAN_ARENA_ARRAY(arena, int64_t, room), s.count);
    number_groups(&s, positions, &g);
    if (!ran_op_int(evaluation->op, "sorted"))
        order_by_appearance(arena, s.count, &g);
    ran_status status = store_groups(evaluation, &s, axis, flat, &g);
    ran_arena_destroy(arena);
    return status;
}

const ran_op_hooks ran_hooks_unique = {.infer = infer_unique, .evaluate = evaluate_unique};
