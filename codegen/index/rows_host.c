/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "codegen/index/rows.h"

#include <string.h>

#include "codegen/index/grid.h"
#include "codegen/index/index.h"

static const ran_type *operand_type(const ran_op *op, size_t index)
{
    return ran_value_type(ran_op_operand(op, index));
}

static const ran_dim *times(ran_emission *e, const ran_dim *a, const ran_dim *b)
{
    return ran_dim_binary(e->context, RAN_DIM_MUL, a, b);
}

/* ---- one_hot ------------------------------------------------------------------------- */

bool ran_one_hot_accepts(const ran_op *anchor, const ran_target *target)
{
    const ran_value *indices = ran_op_operand(anchor, 0);
    const ran_type *values = operand_type(anchor, 2);
    (void)target;
    return ran_index_takes_elem(ran_op_result(anchor, 0)) && ran_type_is_static(values) &&
           ran_type_numel(values) == 2 &&
           (ran_index_is_integer(indices) ||
            ran_type_elem(ran_value_type(indices)) == RAN_ELEM_F32);
}

ran_status ran_one_hot_describe(ran_emission *e)
{
    const ran_type *indices = operand_type(e->anchor, 0);
    const ran_type *y = ran_value_type(ran_op_result(e->anchor, 0));
    int rank = ran_type_rank(y), axis = ran_axis(ran_op_int(e->anchor, "axis"), rank);
    ran_elem elem = ran_type_elem(indices);
    e->body = "index/rows";
    e->function = ran_index_by_size(e, "one_hot", ran_type_elem(y));
    RAN_SPEC(e, struct one_hot_spec, indices, ran_emission_io(e, ran_op_operand(e->anchor, 0)));
    RAN_SPEC(e, struct one_hot_spec, values, ran_emission_io(e, ran_op_operand(e->anchor, 2)));
    RAN_SPEC(e, struct one_hot_spec, y, ran_emission_io_result(e, 0));
    RAN_SPEC(e, struct one_hot_spec, kind,
             elem == RAN_ELEM_F32   ? ONE_HOT_F32
             : elem == RAN_ELEM_I64 ? ONE_HOT_I64
                                    : ONE_HOT_I32);
    RAN_SPEC_DIM(e, struct one_hot_spec, depth, ran_type_dim(y, axis));
    RAN_SPEC_DIM(e, struct one_hot_spec, inner, ran_index_product(e->context, y, axis + 1, rank));
    e->tasks = ran_index_product(e->context, y, 0, axis + 1);
    return RAN_OK;
}

/* ---- trilu --------------------------------------------------------------------------- */

bool ran_trilu_accepts(const ran_op *anchor, const ran_target *target)
{
    const ran_value *k = ran_op_operand(anchor, 1);
    (void)target;
    return ran_index_takes_elem(ran_op_operand(anchor, 0)) && (!k || ran_index_is_wide(k));
}

ran_status ran_trilu_describe(ran_emission *e)
{
    const ran_type *x = operand_type(e->anchor, 0);
    const ran_value *k = ran_op_operand(e->anchor, 1);
    int rank = ran_type_rank(x);
    int64_t known = 0;
    bool fixed = !k || ran_op_known_ints(e->anchor, 1, &known, 1) == 1;
    e->body = "index/rows";
    e->function = ran_index_by_size(e, "trilu", ran_type_elem(x));
    RAN_SPEC(e, struct trilu_spec, x, ran_emission_io(e, ran_op_operand(e->anchor, 0)));
    RAN_SPEC(e, struct trilu_spec, k, fixed ? -1 : ran_emission_io(e, k));
    RAN_SPEC(e, struct trilu_spec, y, ran_emission_io_result(e, 0));
    RAN_SPEC(e, struct trilu_spec, upper, ran_op_int(e->anchor, "upper") != 0);
    RAN_SPEC(e, struct trilu_spec, fixed_k, known);
    RAN_SPEC_DIM(e, struct trilu_spec, rows, ran_type_dim(x, rank - 2));
    RAN_SPEC_DIM(e, struct trilu_spec, columns, ran_type_dim(x, rank - 1));
    e->tasks = ran_index_product(e->context, x, 0, rank - 1);
    return RAN_OK;
}

/* ---- reverse_sequence ---------------------------------------------------------------- */

bool ran_reverse_sequence_accepts(const ran_op *anchor, const ran_target *target)
{
    unsigned bits = ran_elem_bits(ran_type_elem(operand_type(anchor, 0)));
    (void)target;
    return bits && bits % 8 == 0 && ran_index_is_integer(ran_op_operand(anchor, 1));
}

ran_status ran_reverse_sequence_describe(ran_emission *e)
{
    const ran_type *x = operand_type(e->anchor, 0);
    int time = (int)ran_op_int(e->anchor, "time_axis");
    int64_t bytes = ran_elem_bits(ran_type_elem(x)) / 8;
    e->body = "index/rows";
    e->function = "reverse_sequence";
    RAN_SPEC(e, struct reverse_spec, x, ran_emission_io(e, ran_op_operand(e->anchor, 0)));
    RAN_SPEC(e, struct reverse_spec, lens, ran_emission_io(e, ran_op_operand(e->anchor, 1)));
    RAN_SPEC(e, struct reverse_spec, y, ran_emission_io_result(e, 0));
    RAN_SPEC(e, struct reverse_spec, status, ran_emission_io_status(e));
    RAN_SPEC(e, struct reverse_spec, wide, ran_index_is_wide(ran_op_operand(e->anchor, 1)));
    RAN_SPEC(e, struct reverse_spec, time_first, time == 0);
    RAN_SPEC_DIM(e, struct reverse_spec, time, ran_type_dim(x, time));
    RAN_SPEC_DIM(e, struct reverse_spec, batch, ran_type_dim(x, 1 - time));
    RAN_SPEC_DIM(e, struct reverse_spec, bytes,
                 times(e, ran_index_product(e->context, x, 2, ran_type_rank(x)),
                       ran_dim_constant(e->context, bytes)));
    e->tasks = ran_index_product(e->context, x, 0, 2);
    return RAN_OK;
}

/* ---- cumulate ------------------------------------------------------------------------ */

static int cumulate_axis(const ran_op *op)
{
    int64_t axis;
    int rank = ran_type_rank(operand_type(op, 0));
    return ran_op_known_ints(op, 1, &axis, 1) == 1 ? ran_axis(axis, rank) : -1;
}

bool ran_cumulate_accepts(const ran_op *anchor, const ran_target *target)
{
    (void)target;
    return ran_index_is_reduced_elem(ran_type_elem(operand_type(anchor, 0))) &&
           cumulate_axis(anchor) >= 0;
}

ran_status ran_cumulate_describe(ran_emission *e)
{
    const ran_type *x = operand_type(e->anchor, 0);
    int axis = cumulate_axis(e->anchor);
    e->body = "index/rows";
    e->function = ran_index_by_type(e, "cumulate", ran_type_elem(x));
    RAN_SPEC(e, struct cumulate_spec, x, ran_emission_io(e, ran_op_operand(e->anchor, 0)));
    RAN_SPEC(e, struct cumulate_spec, y, ran_emission_io_result(e, 0));
    RAN_SPEC(e, struct cumulate_spec, product, ran_op_is(e->anchor, RAN_OP_CUMPROD));
    RAN_SPEC(e, struct cumulate_spec, exclusive, ran_op_int(e->anchor, "exclusive") != 0);
    RAN_SPEC(e, struct cumulate_spec, reverse, ran_op_int(e->anchor, "reverse") != 0);
    RAN_SPEC_DIM(e, struct cumulate_spec, extent, ran_type_dim(x, axis));
    RAN_SPEC_DIM(e, struct cumulate_spec, inner,
                 ran_index_product(e->context, x, axis + 1, ran_type_rank(x)));
    e->tasks = ran_index_product(e->context, x, 0, axis);
    return RAN_OK;
}

/* ---- topk ---------------------------------------------------------------------------- */

bool ran_topk_accepts(const ran_op *anchor, const ran_target *target)
{
    (void)target;
    return ran_index_is_reduced_elem(ran_type_elem(operand_type(anchor, 0)));
}

ran_status ran_topk_describe(ran_emission *e)
{
    const ran_type *x = operand_type(e->anchor, 0);
    const ran_type *y = ran_value_type(ran_op_result(e->anchor, 0));
    int rank = ran_type_rank(x), axis = ran_axis(ran_op_int(e->anchor, "axis"), rank);
    const ran_dim *inner = ran_index_product(e->context, x, axis + 1, rank);
    e->body = "index/rows";
    e->function = ran_index_by_type(e, "topk", ran_type_elem(x));
    RAN_SPEC(e, struct topk_spec, x, ran_emission_io(e, ran_op_operand(e->anchor, 0)));
    RAN_SPEC(e, struct topk_spec, values, ran_emission_io_result(e, 0));
    RAN_SPEC(e, struct topk_spec, indices, ran_emission_io_result(e, 1));
    RAN_SPEC(e, struct topk_spec, largest, ran_op_int(e->anchor, "largest") != 0);
    RAN_SPEC_DIM(e, struct topk_spec, k, ran_type_dim(y, axis));
    RAN_SPEC_DIM(e, struct topk_spec, extent, ran_type_dim(x, axis));
    RAN_SPEC_DIM(e, struct topk_spec, inner, inner);
    e->tasks = times(e, ran_index_product(e->context, x, 0, axis), inner);
    return RAN_OK;
}

/* ---- values -------------------------------------------------------------------------- */

/* The dims that a shape selects. */
static int64_t shape_range(const ran_op *op, int rank, int *out_first)
{
    int64_t first = ran_op_int(op, "start"), end = rank;
    if (ran_op_has_attr(op, "end"))
        end = ran_op_int(op, "end");
    first = first < 0 ? first + rank : first;
    end = end < 0 ? end + rank : end;
    first = first < 0 ? 0 : first > rank ? rank : first;
    end = end < first ? first : end > rank ? rank : end;
    *out_first = (int)first;
    return end - first;
}

bool ran_values_accepts(const ran_op *anchor, const ran_target *target)
{
    (void)target;
    return ran_type_rank(operand_type(anchor, 0)) >= 0;
}

ran_status ran_values_describe(ran_emission *e)
{
    const ran_type *x = operand_type(e->anchor, 0);
    int rank = ran_type_rank(x), first = 0;
    bool is_size = ran_op_is(e->anchor, RAN_OP_SIZE);
    int64_t count = is_size ? 1 : shape_range(e->anchor, rank, &first);
    size_t word = RAN_SPEC_WORD(struct values_spec, value);
    e->body = "index/rows";
    e->function = "values";
    RAN_SPEC(e, struct values_spec, y, ran_emission_io_result(e, 0));
    RAN_SPEC(e, struct values_spec, count, count);
    for (int64_t i = 0; !is_size && i < count; i++)
        ran_emission_set_dim(e, word + (size_t)i, ran_type_dim(x, first + (int)i));
    if (is_size)
        ran_emission_set_dim(e, word, ran_index_product(e->context, x, 0, rank));
    return RAN_OK;
}

/* ---- range --------------------------------------------------------------------------- */

bool ran_range_accepts(const ran_op *anchor, const ran_target *target)
{
    ran_elem elem = ran_type_elem(operand_type(anchor, 0));
    (void)target;
    return ran_index_is_reduced_elem(elem) || elem == RAN_ELEM_I16;
}

ran_status ran_range_describe(ran_emission *e)
{
    const ran_type *y = ran_value_type(ran_op_result(e->anchor, 0));
    e->body = "index/rows";
    e->function = ran_index_by_type(e, "range", ran_type_elem(y));
    RAN_SPEC(e, struct range_spec, start, ran_emission_io(e, ran_op_operand(e->anchor, 0)));
    RAN_SPEC(e, struct range_spec, delta, ran_emission_io(e, ran_op_operand(e->anchor, 2)));
    RAN_SPEC(e, struct range_spec, y, ran_emission_io_result(e, 0));
    RAN_SPEC_DIM(e, struct range_spec, count, ran_type_dim(y, 0));
    return RAN_OK;
}

/* ---- grid_sample --------------------------------------------------------------------- */

static int64_t grid_mode(const char *mode)
{
    if (!strcmp(mode, "nearest"))
        return GRID_NEAREST;
    return !strcmp(mode, "cubic") || !strcmp(mode, "bicubic") ? GRID_CUBIC : GRID_LINEAR;
}

static int64_t grid_padding(const char *mode)
{
    if (!strcmp(mode, "border"))
        return GRID_BORDER;
    return !strcmp(mode, "reflection") ? GRID_REFLECTION : GRID_ZEROS;
}

bool ran_grid_sample_accepts(const ran_op *anchor, const ran_target *target)
{
    const ran_type *x = operand_type(anchor, 0);
    (void)target;
    if (ran_type_rank(x) != 4 || ran_type_elem(x) != RAN_ELEM_F32 ||
        ran_type_elem(operand_type(anchor, 1)) != RAN_ELEM_F32)
        return false;
    /* An empty image has nothing to read. */
    return ran_dim_is_constant(ran_type_dim(x, 2)) && ran_type_extent(x, 2) > 0 &&
           ran_dim_is_constant(ran_type_dim(x, 3)) && ran_type_extent(x, 3) > 0;
}

ran_status ran_grid_sample_describe(ran_emission *e)
{
    const ran_type *x = operand_type(e->anchor, 0);
    const ran_type *y = ran_value_type(ran_op_result(e->anchor, 0));
    const ran_dim *points = ran_index_product(e->context, y, 2, 4);
    e->body = "index/grid";
    e->function = "grid_sample";
    RAN_SPEC(e, struct grid_spec, x, ran_emission_io(e, ran_op_operand(e->anchor, 0)));
    RAN_SPEC(e, struct grid_spec, grid, ran_emission_io(e, ran_op_operand(e->anchor, 1)));
    RAN_SPEC(e, struct grid_spec, y, ran_emission_io_result(e, 0));
    RAN_SPEC(e, struct grid_spec, mode, grid_mode(ran_op_string(e->anchor, "mode")));
    RAN_SPEC(e, struct grid_spec, padding, grid_padding(ran_op_string(e->anchor, "padding_mode")));
    RAN_SPEC(e, struct grid_spec, align_corners, ran_op_int(e->anchor, "align_corners") != 0);
    RAN_SPEC_DIM(e, struct grid_spec, channels, ran_type_dim(x, 1));
    RAN_SPEC_DIM(e, struct grid_spec, points, points);
    RAN_SPEC_DIM(e, struct grid_spec, height, ran_type_dim(x, 2));
    RAN_SPEC_DIM(e, struct grid_spec, width, ran_type_dim(x, 3));
    e->tasks = times(e, ran_type_dim(y, 0), points);
    return RAN_OK;
}
