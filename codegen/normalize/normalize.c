/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "codegen/normalize/normalize.h"

#include <string.h>

#include "codegen/normalize/lrn.h"
#include "codegen/normalize/rows.h"

static int64_t bits_of(double value)
{
    float narrow = (float)value;
    uint32_t bits;
    memcpy(&bits, &narrow, sizeof(bits));
    return bits;
}

static bool is_f32(const ran_value *value)
{
    return value && ran_type_elem(ran_value_type(value)) == RAN_ELEM_F32;
}

/* Whether a scale or a bias is a channel's rather than an element's of the row. */
static bool by_channel(const ran_op *op)
{
    return op->opcode == RAN_OP_INSTANCE_NORMALIZATION ||
           op->opcode == RAN_OP_GROUP_NORMALIZATION;
}

static int first_axis(const ran_op *op)
{
    int rank = ran_type_rank(ran_value_type(ran_op_operand(op, 0)));
    return by_channel(op) ? 2 : ran_axis(ran_op_int(op, "axis"), rank);
}

/* Scale and bias along the row must have the row's shape. */
static bool covers_row(const ran_op *op, size_t operand)
{
    const ran_value *value = ran_op_operand(op, operand);
    const ran_type *x = ran_value_type(ran_op_operand(op, 0));
    if (!value)
        return true;
    int rank = ran_type_rank(ran_value_type(value)), own = ran_type_rank(x) - first_axis(op);
    if (!is_f32(value) || rank != own)
        return false;
    for (int i = 0; i < rank; i++)
        if (ran_type_dim(ran_value_type(value), i) != ran_type_dim(x, first_axis(op) + i))
            return false;
    return true;
}

/* The lanes' coordinate covers one axis where other operands are addressed with it. */
static bool is_simple(const ran_op *op)
{
    bool around = ran_op_prev(op) || !ran_op_is(ran_op_next(op), RAN_OP_YIELD);
    return !around || first_axis(op) + 1 >= ran_type_rank(ran_value_type(ran_op_operand(op, 0)));
}

bool ran_normalize_rows_accepts(const ran_op *op, const ran_target *target)
{
    const ran_type *x = ran_value_type(ran_op_operand(op, 0));
    (void)target;
    if (!is_f32(ran_op_operand(op, 0)) || ran_type_rank(x) < 1)
        return false;
    if (ran_op_is(ran_region_parent_op(ran_op_parent(op)), RAN_OP_KERNEL) ? !is_simple(op)
        : first_axis(op) + 1 < ran_type_rank(x))
        return false;
    if (op->opcode == RAN_OP_LP_NORMALIZATION)
        return first_axis(op) + 1 == ran_type_rank(x);
    if (by_channel(op))
        return ran_type_rank(x) >= 3 && is_f32(ran_op_operand(op, 1)) &&
               (op->opcode != RAN_OP_GROUP_NORMALIZATION ||
                ran_dim_is_constant(ran_type_dim(x, 1)));
    return covers_row(op, 1) && covers_row(op, 2);
}

static const ran_dim *product(ran_context *context, const ran_type *type, int first, int last)
{
    const ran_dim *result = ran_dim_constant(context, 1);
    for (int i = first; i < last; i++)
        result = ran_dim_binary(context, RAN_DIM_MUL, result, ran_type_dim(type, i));
    return result;
}

static void set_rows(ran_emission *e, const ran_type *x)
{
    int rank = ran_type_rank(x), axis = first_axis(e->anchor);
    const ran_dim *columns = product(e->context, x, axis, rank);
    e->tasks = product(e->context, x, 0, axis);
    e->load = (ran_space){.type = x, .rank = 2};
    e->load.axes[0].last = axis - 1;
    e->load.axes[1].first = axis;
    e->load.axes[1].last = rank - 1;
    RAN_SPEC_DIM(e, struct normalize_spec, columns, columns);
    RAN_SPEC_DIM(e, struct normalize_spec, rows, e->tasks);
}

static void set_channels(ran_emission *e, const ran_type *x)
{
    ran_context *context = e->context;
    bool grouped = e->anchor->opcode == RAN_OP_GROUP_NORMALIZATION;
    const ran_dim *channels = ran_type_dim(x, 1), *one = ran_dim_constant(context, 1);
    const ran_dim *groups =
        grouped ? ran_dim_constant(context, ran_op_int(e->anchor, "num_groups")) : channels;
    const ran_dim *segments =
        grouped ? ran_dim_binary(context, RAN_DIM_FLOORDIV, channels, groups) : one;
    const ran_dim *length = product(context, x, 2, ran_type_rank(x));
    e->tasks = ran_dim_binary(context, RAN_DIM_MUL, ran_type_dim(x, 0), groups);
    e->load = (ran_space){.type = x, .rank = 3};
    e->load.axes[1].first = e->load.axes[1].last = 1;
    e->load.axes[2].first = 2;
    e->load.axes[2].last = ran_type_rank(x) - 1;
    RAN_SPEC_DIM(e, struct normalize_spec, rows, e->tasks);
    RAN_SPEC_DIM(e, struct normalize_spec, segments, segments);
    RAN_SPEC_DIM(e, struct normalize_spec, length, length);
    RAN_SPEC_DIM(e, struct normalize_spec, groups, groups);
    RAN_SPEC_DIM(e, struct normalize_spec, columns,
                 ran_dim_binary(context, RAN_DIM_MUL, segments, length));
}

static int64_t kind_of(const ran_op *op)
{
    if (op->opcode == RAN_OP_RMS_NORMALIZATION)
        return NORMALIZE_RMS;
    if (op->opcode == RAN_OP_LP_NORMALIZATION)
        return ran_op_int(op, "p") == 1 ? NORMALIZE_L1 : NORMALIZE_L2;
    return NORMALIZE_VARIANCE;
}

/* Scratch: a row, each segment padded to whole vectors. */
static const ran_dim *row_bytes(ran_emission *e)
{
    ran_context *context = e->context;
    const ran_dim *lanes = ran_dim_constant(context, e->target->lanes);
    size_t word = RAN_SPEC_WORD(struct normalize_spec, segments);
    bool segments = e->spec[word] != NULL;
    const ran_dim *length = e->spec[segments ? RAN_SPEC_WORD(struct normalize_spec, length)
                                             : RAN_SPEC_WORD(struct normalize_spec, columns)];
    const ran_dim *vectors = ran_dim_binary(context, RAN_DIM_CEILDIV, length, lanes);
    if (segments)
        vectors = ran_dim_binary(context, RAN_DIM_MUL, vectors, e->spec[word]);
    return ran_dim_binary(context, RAN_DIM_MUL, vectors,
                          ran_dim_constant(context, 4 * e->target->lanes));
}

ran_status ran_normalize_rows_describe(ran_emission *e)
{
    const ran_type *x = ran_value_type(ran_op_operand(e->anchor, 0));
    e->body = "normalize/rows";
    e->function = "normalize_rows";
    e->has_load = true;
    if (by_channel(e->anchor))
        set_channels(e, x);
    else
        set_rows(e, x);
    e->store = e->load;
    e->store.type = ran_value_type(ran_op_result(e->anchor, 0));
    e->scratch = row_bytes(e);
    bool plain = e->anchor->opcode == RAN_OP_LP_NORMALIZATION;
    size_t results = ran_op_result_count(e->kernel);
    RAN_SPEC(e, struct normalize_spec, kind, kind_of(e->anchor));
    RAN_SPEC(e, struct normalize_spec, scale,
             plain ? -1 : ran_emission_io(e, ran_op_operand(e->anchor, 1)));
    RAN_SPEC(e, struct normalize_spec, bias,
             plain ? -1 : ran_emission_io(e, ran_op_operand(e->anchor, 2)));
    RAN_SPEC(e, struct normalize_spec, mean, results > 1 ? ran_emission_io_result(e, 1) : -1);
    RAN_SPEC(e, struct normalize_spec, inverse, results > 2 ? ran_emission_io_result(e, 2) : -1);
    RAN_SPEC(e, struct normalize_spec, epsilon,
             plain ? 0 : bits_of(ran_op_float(e->anchor, "epsilon")));
    return RAN_OK;
}

bool ran_lrn_accepts(const ran_op *op, const ran_target *target)
{
    (void)target;
    const ran_type *x = ran_value_type(ran_op_operand(op, 0));
    bool inside = ran_op_is(ran_region_parent_op(ran_op_parent(op)), RAN_OP_KERNEL);
    bool alone = inside && ran_op_is(ran_op_next(op), RAN_OP_YIELD);
    return is_f32(ran_op_operand(op, 0)) &&
           (alone ? ran_type_rank(x) >= 3 : ran_type_rank(x) == 3);
}

ran_status ran_lrn_describe(ran_emission *e)
{
    const ran_type *x = ran_value_type(ran_op_operand(e->anchor, 0));
    int64_t size = ran_op_int(e->anchor, "size");
    e->body = "normalize/lrn";
    e->function = "lrn";
    e->store = (ran_space){.type = x, .rank = 3};
    e->store.axes[1].first = e->store.axes[1].last = 1;
    e->store.axes[2].first = 2;
    e->store.axes[2].last = ran_type_rank(x) - 1;
    e->tasks = product(e->context, x, 0, 2);
    RAN_SPEC(e, struct lrn_spec, x, ran_emission_io(e, ran_op_operand(e->anchor, 0)));
    RAN_SPEC_DIM(e, struct lrn_spec, images, ran_type_dim(x, 0));
    RAN_SPEC_DIM(e, struct lrn_spec, channels, ran_type_dim(x, 1));
    RAN_SPEC_DIM(e, struct lrn_spec, inner, product(e->context, x, 2, ran_type_rank(x)));
    RAN_SPEC(e, struct lrn_spec, size, size);
    RAN_SPEC(e, struct lrn_spec, alpha, bits_of(ran_op_float(e->anchor, "alpha") / (double)size));
    RAN_SPEC(e, struct lrn_spec, beta, bits_of(ran_op_float(e->anchor, "beta")));
    RAN_SPEC(e, struct lrn_spec, bias, bits_of(ran_op_float(e->anchor, "bias")));
    return RAN_OK;
}
