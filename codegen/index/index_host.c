/* SPDX-License-Identifier: GPL-3.0-or-later */
/* What the family's rows share, and those that address elements and slices. */
#include "codegen/index/index.h"

#include <string.h>

#include "codegen/index/cache.h"
#include "codegen/index/elements.h"
#include "ir/attr.h"

enum { TASK_ELEMENTS = 4096 };

bool ran_index_is_integer(const ran_value *value)
{
    ran_elem elem = ran_type_elem(ran_value_type(value));
    return elem == RAN_ELEM_I64 || elem == RAN_ELEM_I32;
}

bool ran_index_is_wide(const ran_value *value)
{
    return ran_type_elem(ran_value_type(value)) == RAN_ELEM_I64;
}

const ran_dim *ran_index_product(ran_context *context, const ran_type *type, int first, int last)
{
    const ran_dim *result = ran_dim_constant(context, 1);
    for (int i = first; i < last; i++)
        result = ran_dim_binary(context, RAN_DIM_MUL, result, ran_type_dim(type, i));
    return result;
}

void ran_index_set_strides(ran_emission *e, size_t word, const ran_type *type)
{
    int rank = ran_type_rank(type);
    for (int i = 0; i < rank; i++)
        ran_emission_set_dim(e, word + (size_t)i, ran_index_product(e->context, type, i + 1, rank));
}

void ran_index_set_dims(ran_emission *e, size_t word, const ran_type *type)
{
    for (int i = 0; i < ran_type_rank(type); i++)
        ran_emission_set_dim(e, word + (size_t)i, ran_type_dim(type, i));
}

bool ran_index_takes_elem(const ran_value *value)
{
    unsigned bits = ran_elem_bits(ran_type_elem(ran_value_type(value)));
    return bits == 8 || bits == 16 || bits == 32 || bits == 64;
}

const char *ran_index_by_size(ran_emission *e, const char *name, ran_elem elem)
{
    return ran_intern_printf(e->context, "%s_%u", name, ran_elem_bits(elem));
}

const char *ran_index_by_type(ran_emission *e, const char *name, ran_elem elem)
{
    return ran_intern_printf(e->context, "%s_%s", name, ran_elem_name(elem));
}

bool ran_index_is_reduced_elem(ran_elem elem)
{
    return elem == RAN_ELEM_F32 || elem == RAN_ELEM_F64 || elem == RAN_ELEM_I32 ||
           elem == RAN_ELEM_I64;
}

/* ---- Operands of gathers and scatters --------------------------------------------------------------- */

static int64_t reduction_of(const ran_op *op)
{
    static const char *const names[] = {[INDEX_NONE] = "none", [INDEX_ADD] = "add",
                                        [INDEX_MUL] = "mul", [INDEX_MIN] = "min",
                                        [INDEX_MAX] = "max"};
    for (size_t i = 0; i < sizeof(names) / sizeof(*names); i++)
        if (!strcmp(ran_op_string(op, "reduction"), names[i]))
            return (int64_t)i;
    return -1;
}

static bool takes(const ran_op *anchor)
{
    const ran_value *x = ran_op_operand(anchor, 0), *indices = ran_op_operand(anchor, 1);
    return ran_index_is_integer(indices) && ran_index_takes_elem(x) &&
           ran_type_rank(ran_value_type(x)) <= INDEX_RANK;
}

static bool takes_scatter(const ran_op *anchor)
{
    int64_t reduction = reduction_of(anchor);
    ran_elem elem = ran_type_elem(ran_value_type(ran_op_operand(anchor, 0)));
    return takes(anchor) && reduction >= 0 &&
           (reduction == INDEX_NONE || ran_index_is_reduced_elem(elem));
}

static const char *scatter_function(ran_emission *e, const char *name)
{
    ran_elem elem = ran_type_elem(ran_value_type(ran_op_operand(e->anchor, 0)));
    return reduction_of(e->anchor) == INDEX_NONE ? ran_index_by_size(e, name, elem)
                                                 : ran_index_by_type(e, name, elem);
}

/* ---- gather_elements, scatter_elements ---------------------------------------------------------------- */

static void describe_elements(ran_emission *e)
{
    const ran_value *indices = ran_op_operand(e->anchor, 1);
    const ran_type *x = ran_value_type(ran_op_operand(e->anchor, 0));
    const ran_type *type = ran_value_type(indices);
    int rank = ran_type_rank(x);
    e->body = "index/elements";
    RAN_SPEC(e, struct elements_spec, x, ran_emission_io(e, ran_op_operand(e->anchor, 0)));
    RAN_SPEC(e, struct elements_spec, indices, ran_emission_io(e, indices));
    RAN_SPEC(e, struct elements_spec, y, ran_emission_io_result(e, 0));
    RAN_SPEC(e, struct elements_spec, status, ran_emission_io_status(e));
    RAN_SPEC(e, struct elements_spec, wide, ran_index_is_wide(indices));
    RAN_SPEC(e, struct elements_spec, rank, rank);
    RAN_SPEC(e, struct elements_spec, axis, ran_axis(ran_op_int(e->anchor, "axis"), rank));
    RAN_SPEC_DIM(e, struct elements_spec, count, ran_index_product(e->context, type, 0, rank));
    RAN_SPEC_DIM(e, struct elements_spec, total, ran_index_product(e->context, x, 0, rank));
    RAN_SPEC(e, struct elements_spec, per_task, TASK_ELEMENTS);
    ran_index_set_dims(e, RAN_SPEC_WORD(struct elements_spec, dims), type);
    ran_index_set_dims(e, RAN_SPEC_WORD(struct elements_spec, extents), x);
    ran_index_set_strides(e, RAN_SPEC_WORD(struct elements_spec, strides), x);
}

bool ran_gather_elements_accepts(const ran_op *anchor, const ran_target *target)
{
    (void)target;
    return takes(anchor) && ran_type_rank(ran_value_type(ran_op_operand(anchor, 0))) > 0;
}

ran_status ran_gather_elements_describe(ran_emission *e)
{
    const ran_type *type = ran_value_type(ran_op_operand(e->anchor, 1));
    describe_elements(e);
    e->function = ran_index_by_size(
        e, "gather_elements", ran_type_elem(ran_value_type(ran_op_operand(e->anchor, 0))));
    e->tasks = ran_dim_binary(e->context, RAN_DIM_CEILDIV,
                              ran_index_product(e->context, type, 0, ran_type_rank(type)),
                              ran_dim_constant(e->context, TASK_ELEMENTS));
    return RAN_OK;
}

bool ran_scatter_elements_accepts(const ran_op *anchor, const ran_target *target)
{
    (void)target;
    return takes_scatter(anchor) && ran_type_rank(ran_value_type(ran_op_operand(anchor, 0))) > 0;
}

ran_status ran_scatter_elements_describe(ran_emission *e)
{
    describe_elements(e);
    e->function = scatter_function(e, "scatter_elements");
    RAN_SPEC(e, struct elements_spec, updates, ran_emission_io(e, ran_op_operand(e->anchor, 2)));
    RAN_SPEC(e, struct elements_spec, reduction, reduction_of(e->anchor));
    return RAN_OK;
}

/* ---- gather_nd, scatter_nd ------------------------------------------------------------------------------ */

static bool has_depth(const ran_op *anchor)
{
    const ran_type *type = ran_value_type(ran_op_operand(anchor, 1));
    int rank = ran_type_rank(type);
    return rank > 0 && ran_dim_is_constant(ran_type_dim(type, rank - 1));
}

static void describe_slices(ran_emission *e, int batch)
{
    const ran_value *indices = ran_op_operand(e->anchor, 1);
    const ran_type *x = ran_value_type(ran_op_operand(e->anchor, 0));
    const ran_type *type = ran_value_type(indices);
    int rank = ran_type_rank(x), last = ran_type_rank(type) - 1;
    int depth = (int)ran_type_extent(type, last);
    e->body = "index/slices";
    RAN_SPEC(e, struct slices_spec, x, ran_emission_io(e, ran_op_operand(e->anchor, 0)));
    RAN_SPEC(e, struct slices_spec, indices, ran_emission_io(e, indices));
    RAN_SPEC(e, struct slices_spec, y, ran_emission_io_result(e, 0));
    RAN_SPEC(e, struct slices_spec, status, ran_emission_io_status(e));
    RAN_SPEC(e, struct slices_spec, wide, ran_index_is_wide(indices));
    RAN_SPEC(e, struct slices_spec, depth, depth);
    RAN_SPEC_DIM(e, struct slices_spec, count, ran_index_product(e->context, type, 0, last));
    RAN_SPEC_DIM(e, struct slices_spec, inner,
                 ran_index_product(e->context, x, batch + depth, rank));
    RAN_SPEC_DIM(e, struct slices_spec, per_batch,
                 ran_index_product(e->context, type, batch, last));
    RAN_SPEC_DIM(e, struct slices_spec, batch_stride,
                 ran_index_product(e->context, x, batch, rank));
    RAN_SPEC_DIM(e, struct slices_spec, total, ran_index_product(e->context, x, 0, rank));
    for (int i = 0; i < depth; i++) {
        size_t at = (size_t)i;
        ran_emission_set_dim(e, RAN_SPEC_WORD(struct slices_spec, extents) + at,
                             ran_type_dim(x, batch + i));
        ran_emission_set_dim(e, RAN_SPEC_WORD(struct slices_spec, strides) + at,
                             ran_index_product(e->context, x, batch + i + 1, rank));
    }
}

bool ran_gather_nd_accepts(const ran_op *anchor, const ran_target *target)
{
    (void)target;
    return takes(anchor) && has_depth(anchor);
}

ran_status ran_gather_nd_describe(ran_emission *e)
{
    const ran_type *type = ran_value_type(ran_op_operand(e->anchor, 1));
    describe_slices(e, (int)ran_op_int(e->anchor, "batch_dims"));
    e->function = ran_index_by_size(
        e, "gather_nd", ran_type_elem(ran_value_type(ran_op_operand(e->anchor, 0))));
    e->tasks = ran_index_product(e->context, type, 0, ran_type_rank(type) - 1);
    return RAN_OK;
}

bool ran_scatter_nd_accepts(const ran_op *anchor, const ran_target *target)
{
    (void)target;
    return takes_scatter(anchor) && has_depth(anchor);
}

ran_status ran_scatter_nd_describe(ran_emission *e)
{
    describe_slices(e, 0);
    e->function = scatter_function(e, "scatter_nd");
    RAN_SPEC(e, struct slices_spec, updates, ran_emission_io(e, ran_op_operand(e->anchor, 2)));
    RAN_SPEC(e, struct slices_spec, reduction, reduction_of(e->anchor));
    return RAN_OK;
}

/* ---- max_unpool ------------------------------------------------------------------------------------------ */

/* Indices count in the shape that the windows give; another output_shape would move them. */
bool ran_max_unpool_accepts(const ran_op *anchor, const ran_target *target)
{
    const ran_type *x = ran_value_type(ran_op_operand(anchor, 0));
    const ran_type *y = ran_value_type(ran_op_result(anchor, 0));
    int spatial = ran_type_rank(x) - 2;
    (void)target;
    if (!ran_type_is_static(x) || !ran_type_is_static(y) || !takes(anchor) ||
        !ran_index_is_wide(ran_op_operand(anchor, 1)))
        return false;
    for (int i = 0; i < spatial; i++) {
        int64_t extent = (ran_type_extent(x, 2 + i) - 1) * ran_op_int_at(anchor, "strides", i, 1) +
                         ran_op_int_at(anchor, "kernel_shape", i, 1) -
                         ran_op_int_at(anchor, "pads", i, 0) -
                         ran_op_int_at(anchor, "pads", i + spatial, 0);
        if (extent != ran_type_extent(y, 2 + i))
            return false;
    }
    return true;
}

ran_status ran_max_unpool_describe(ran_emission *e)
{
    const ran_type *x = ran_value_type(ran_op_operand(e->anchor, 0));
    const ran_type *y = ran_value_type(ran_op_result(e->anchor, 0));
    e->body = "index/slices";
    e->function = ran_index_by_size(e, "max_unpool", ran_type_elem(x));
    RAN_SPEC(e, struct unpool_spec, x, ran_emission_io(e, ran_op_operand(e->anchor, 0)));
    RAN_SPEC(e, struct unpool_spec, indices, ran_emission_io(e, ran_op_operand(e->anchor, 1)));
    RAN_SPEC(e, struct unpool_spec, y, ran_emission_io_result(e, 0));
    RAN_SPEC(e, struct unpool_spec, status, ran_emission_io_status(e));
    RAN_SPEC(e, struct unpool_spec, count, ran_type_numel(x));
    RAN_SPEC(e, struct unpool_spec, total, ran_type_numel(y));
    return RAN_OK;
}

/* ---- tensor_scatter ---------------------------------------------------------------------------
 */

bool ran_tensor_scatter_accepts(const ran_op *anchor, const ran_target *target)
{
    const ran_value *first = ran_op_operand(anchor, 2);
    (void)target;
    return ran_index_takes_elem(ran_op_operand(anchor, 0)) &&
           (!first || (ran_index_is_wide(first) &&
                       ran_type_dim(ran_value_type(first), 0) ==
                           ran_type_dim(ran_value_type(ran_op_operand(anchor, 0)), 0)));
}

ran_status ran_tensor_scatter_describe(ran_emission *e)
{
    const ran_op *op = e->anchor;
    const ran_value *first = ran_op_operand(op, 2);
    const ran_type *past = ran_value_type(ran_op_operand(op, 0));
    int rank = ran_type_rank(past), axis = ran_axis(ran_op_int(op, "axis"), rank);
    int64_t size = (int64_t)ran_elem_bytes(ran_type_elem(past), 1);
    e->body = "index/cache";
    e->function = "tensor_scatter";
    RAN_SPEC(e, struct tensor_scatter_spec, past, ran_emission_io(e, ran_op_operand(op, 0)));
    RAN_SPEC(e, struct tensor_scatter_spec, update, ran_emission_io(e, ran_op_operand(op, 1)));
    RAN_SPEC(e, struct tensor_scatter_spec, first, ran_emission_io(e, first));
    RAN_SPEC(e, struct tensor_scatter_spec, present, ran_emission_io_result(e, 0));
    RAN_SPEC(e, struct tensor_scatter_spec, status, ran_emission_io_status(e));
    RAN_SPEC(e, struct tensor_scatter_spec, circular,
             !strcmp(ran_op_string(op, "mode"), "circular"));
    RAN_SPEC_DIM(e, struct tensor_scatter_spec, per_batch,
                 ran_index_product(e->context, past, 1, axis));
    RAN_SPEC_DIM(e, struct tensor_scatter_spec, extent, ran_type_dim(past, axis));
    RAN_SPEC_DIM(e, struct tensor_scatter_spec, count,
                 ran_type_dim(ran_value_type(ran_op_operand(op, 1)), axis));
    RAN_SPEC_DIM(e, struct tensor_scatter_spec, bytes,
                 ran_dim_binary(e->context, RAN_DIM_MUL,
                                ran_index_product(e->context, past, axis + 1, rank),
                                ran_dim_constant(e->context, size)));
    e->tasks = ran_index_product(e->context, past, 0, axis);
    return RAN_OK;
}
