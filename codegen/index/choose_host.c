/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Ops whose data decide how much there is. The sizes are symbols that the data decide: where one
 * was given (a constant, a symbol of an input) nothing would check it. */
#include "codegen/index/choose.h"

#include "codegen/index/index.h"
#include "ir/context.h"

static const ran_type *operand_type(const ran_op *op, size_t index)
{
    return ran_value_type(ran_op_operand(op, index));
}

static const ran_dim *result_dim(const ran_op *op, int axis)
{
    return ran_type_dim(ran_value_type(ran_op_result(op, 0)), axis);
}

static bool is_decided(const ran_op *op, int axis)
{
    return ran_dim_fresh_number(result_dim(op, axis)) >= 0;
}

/* ---- non_zero ------------------------------------------------------------------------ */

bool ran_non_zero_accepts(const ran_op *anchor, const ran_target *target)
{
    (void)target;
    return ran_index_takes_elem(ran_op_operand(anchor, 0)) && is_decided(anchor, 1) &&
           ran_type_rank(operand_type(anchor, 0)) <= CHOOSE_RANK;
}

ran_status ran_non_zero_describe(ran_emission *e)
{
    const ran_type *x = operand_type(e->anchor, 0);
    int rank = ran_type_rank(x);
    e->body = "index/choose";
    e->function = ran_index_by_size(e, "non_zero", ran_type_elem(x));
    RAN_SPEC(e, struct non_zero_spec, x, ran_emission_io(e, ran_op_operand(e->anchor, 0)));
    RAN_SPEC(e, struct non_zero_spec, y, ran_emission_io_result(e, 0));
    RAN_SPEC(e, struct non_zero_spec, status, ran_emission_io_status(e));
    RAN_SPEC(e, struct non_zero_spec, size, ran_emission_size_word(e, result_dim(e->anchor, 1)));
    RAN_SPEC(e, struct non_zero_spec, is_float, ran_elem_is_float(ran_type_elem(x)));
    RAN_SPEC(e, struct non_zero_spec, rank, rank);
    RAN_SPEC_DIM(e, struct non_zero_spec, count, ran_index_product(e->context, x, 0, rank));
    ran_index_set_dims(e, RAN_SPEC_WORD(struct non_zero_spec, dims), x);
    return RAN_OK;
}

/* ---- x as [outer, extent, inner] around an axis -------------------------------------- */

typedef struct slices {
    int axis; /* of the result */
    const ran_dim *outer, *extent, *inner;
} slices;

static slices slices_of(ran_context *context, const ran_op *op)
{
    const ran_type *x = operand_type(op, 0);
    int rank = ran_type_rank(x);
    if (!ran_op_has_attr(op, "axis")) {
        const ran_dim *one = ran_dim_constant(context, 1);
        return (slices){0, one, ran_index_product(context, x, 0, rank), one};
    }
    int axis = ran_axis(ran_op_int(op, "axis"), rank);
    return (slices){axis, ran_index_product(context, x, 0, axis), ran_type_dim(x, axis),
                    ran_index_product(context, x, axis + 1, rank)};
}

static int axis_of(const ran_op *op)
{
    int rank = ran_type_rank(operand_type(op, 0));
    return ran_op_has_attr(op, "axis") ? ran_axis(ran_op_int(op, "axis"), rank) : 0;
}

/* ---- compress ------------------------------------------------------------------------ */

bool ran_compress_accepts(const ran_op *anchor, const ran_target *target)
{
    (void)target;
    return ran_index_takes_elem(ran_op_operand(anchor, 0)) && is_decided(anchor, axis_of(anchor));
}

ran_status ran_compress_describe(ran_emission *e)
{
    slices s = slices_of(e->context, e->anchor);
    int64_t width = ran_elem_bits(ran_type_elem(operand_type(e->anchor, 0))) / 8;
    e->body = "index/choose";
    e->function = "compress";
    RAN_SPEC(e, struct compress_spec, x, ran_emission_io(e, ran_op_operand(e->anchor, 0)));
    RAN_SPEC(e, struct compress_spec, condition, ran_emission_io(e, ran_op_operand(e->anchor, 1)));
    RAN_SPEC(e, struct compress_spec, y, ran_emission_io_result(e, 0));
    RAN_SPEC(e, struct compress_spec, status, ran_emission_io_status(e));
    RAN_SPEC(e, struct compress_spec, size,
             ran_emission_size_word(e, result_dim(e->anchor, s.axis)));
    RAN_SPEC_DIM(e, struct compress_spec, outer, s.outer);
    RAN_SPEC_DIM(e, struct compress_spec, extent, s.extent);
    RAN_SPEC_DIM(e, struct compress_spec, length, ran_type_dim(operand_type(e->anchor, 1), 0));
    RAN_SPEC_DIM(
        e, struct compress_spec, bytes,
        ran_dim_binary(e->context, RAN_DIM_MUL, s.inner, ran_dim_constant(e->context, width)));
    return RAN_OK;
}

/* ---- unique -------------------------------------------------------------------------- */

bool ran_unique_accepts(const ran_op *anchor, const ran_target *target)
{
    ran_elem elem = ran_type_elem(operand_type(anchor, 0));
    (void)target;
    return (ran_elem_is_int(elem) || elem == RAN_ELEM_F32 || elem == RAN_ELEM_F64) &&
           ran_index_takes_elem(ran_op_operand(anchor, 0)) && is_decided(anchor, axis_of(anchor));
}

ran_status ran_unique_describe(ran_emission *e)
{
    slices s = slices_of(e->context, e->anchor);
    const size_t words[] = {
        RAN_SPEC_WORD(struct unique_spec, y), RAN_SPEC_WORD(struct unique_spec, indices),
        RAN_SPEC_WORD(struct unique_spec, inverse), RAN_SPEC_WORD(struct unique_spec, counts)};
    e->body = "index/choose";
    e->function = ran_index_by_type(e, "unique", ran_type_elem(operand_type(e->anchor, 0)));
    RAN_SPEC(e, struct unique_spec, x, ran_emission_io(e, ran_op_operand(e->anchor, 0)));
    for (size_t i = 0; i < 4; i++)
        ran_emission_set(e, words[i],
                         i < e->anchor->result_count ? ran_emission_io_result(e, i) : -1);
    RAN_SPEC(e, struct unique_spec, status, ran_emission_io_status(e));
    RAN_SPEC(e, struct unique_spec, size, ran_emission_size_word(e, result_dim(e->anchor, s.axis)));
    RAN_SPEC(e, struct unique_spec, sorted, ran_op_int(e->anchor, "sorted") != 0);
    RAN_SPEC_DIM(e, struct unique_spec, outer, s.outer);
    RAN_SPEC_DIM(e, struct unique_spec, count, s.extent);
    RAN_SPEC_DIM(e, struct unique_spec, inner, s.inner);
    e->scratch = ran_dim_binary(e->context, RAN_DIM_MUL, s.extent,
                                ran_dim_constant(e->context, 4 * (int64_t)sizeof(int64_t)));
    return RAN_OK;
}

/* ---- non_max_suppression ------------------------------------------------------------- */

/* Absent, or one element of this type. */
static bool is_scalar(const ran_op *op, size_t operand, ran_elem elem)
{
    const ran_value *value = ran_op_operand(op, operand);
    const ran_type *type = value ? ran_value_type(value) : NULL;
    return !type ||
           (ran_type_is_static(type) && ran_type_numel(type) == 1 && ran_type_elem(type) == elem);
}

bool ran_non_max_suppression_accepts(const ran_op *anchor, const ran_target *target)
{
    (void)target;
    return ran_type_elem(operand_type(anchor, 0)) == RAN_ELEM_F32 &&
           ran_type_elem(operand_type(anchor, 1)) == RAN_ELEM_F32 &&
           is_scalar(anchor, 2, RAN_ELEM_I64) && is_scalar(anchor, 3, RAN_ELEM_F32) &&
           is_scalar(anchor, 4, RAN_ELEM_F32) && is_decided(anchor, 0);
}

ran_status ran_non_max_suppression_describe(ran_emission *e)
{
    const ran_type *scores = operand_type(e->anchor, 1);
    e->body = "index/choose";
    e->function = "non_max_suppression";
    RAN_SPEC(e, struct suppression_spec, boxes, ran_emission_io(e, ran_op_operand(e->anchor, 0)));
    RAN_SPEC(e, struct suppression_spec, scores, ran_emission_io(e, ran_op_operand(e->anchor, 1)));
    RAN_SPEC(e, struct suppression_spec, limit, ran_emission_io(e, ran_op_operand(e->anchor, 2)));
    RAN_SPEC(e, struct suppression_spec, iou, ran_emission_io(e, ran_op_operand(e->anchor, 3)));
    RAN_SPEC(e, struct suppression_spec, score, ran_emission_io(e, ran_op_operand(e->anchor, 4)));
    RAN_SPEC(e, struct suppression_spec, y, ran_emission_io_result(e, 0));
    RAN_SPEC(e, struct suppression_spec, status, ran_emission_io_status(e));
    RAN_SPEC(e, struct suppression_spec, size, ran_emission_size_word(e, result_dim(e->anchor, 0)));
    RAN_SPEC(e, struct suppression_spec, is_center, ran_op_int(e->anchor, "center_point_box") != 0);
    RAN_SPEC_DIM(e, struct suppression_spec, batches, ran_type_dim(scores, 0));
    RAN_SPEC_DIM(e, struct suppression_spec, classes, ran_type_dim(scores, 1));
    RAN_SPEC_DIM(e, struct suppression_spec, count, ran_type_dim(scores, 2));
    e->scratch = ran_dim_binary(e->context, RAN_DIM_MUL, ran_type_dim(scores, 2),
                                ran_dim_constant(e->context, 2 * (int64_t)sizeof(int64_t)));
    return RAN_OK;
}
