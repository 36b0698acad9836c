/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "codegen/expand.h"

#include <string.h>

#include "codegen/lower.h"

bool ran_op_has_kernel(const ran_op *op, const ran_target *target)
{
    for (size_t i = 0; i < ran_kernel_row_count(); i++) {
        const ran_kernel_row *row = ran_kernel_row_at(i);
        if (row->anchor == op->opcode && row->accepts(op, target))
            return true;
    }
    return false;
}

/* ---- Building -------------------------------------------------------------------------------- */

static bool all_constant(const ran_op *op)
{
    RAN_FOR_OPERANDS(op, i, value)
    if (!ran_value_constant(value))
        return false;
    return op->operand_count > 0 && op->result_count == 1;
}

ran_value *ran_expand_finish(ran_expansion *e, ran_op *op)
{
    const ran_tensor *operands[8] = {NULL};
    ran_tensor *result = NULL;
    if (ran_op_infer_types(op) != RAN_OK)
        RAN_BUG(e->context, "expansion of %s: %s is not valid", ran_op_text(e->context, e->op),
                ran_op_text(e->context, op));
    if (!all_constant(op) || op->operand_count > 8)
        return ran_op_result(op, 0);
    RAN_FOR_OPERANDS(op, i, value)
    operands[i] = ran_value_constant(value);
    if (ran_op_evaluate(op, operands, &result) != RAN_OK)
        RAN_BUG(e->context, "expansion of %s: %s can't be folded", ran_op_text(e->context, e->op),
                ran_op_text(e->context, op));
    ran_value *constant = ran_constant_create(e->builder.module, NULL, result);
    ran_tensor_release(result);
    ran_op_erase(op);
    return constant;
}

ran_value *ran_expand_make(ran_expansion *e, ran_opcode opcode, size_t count,
                           ran_value *const *operands)
{
    return ran_expand_finish(e, ran_op_create(&e->builder, opcode, count, operands, 1));
}

ran_value *ran_expand_unary(ran_expansion *e, ran_opcode opcode, ran_value *x)
{
    return ran_expand_make(e, opcode, 1, &x);
}

ran_value *ran_expand_binary(ran_expansion *e, ran_opcode opcode, ran_value *x, ran_value *y)
{
    ran_value *operands[] = {x, y};
    return ran_expand_make(e, opcode, 2, operands);
}

ran_value *ran_expand_scalar(ran_expansion *e, ran_elem elem, double value)
{
    ran_tensor *tensor = ran_tensor_create(elem, 0, NULL);
    ran_tensor_set_f64(tensor, 0, value);
    ran_value *constant = ran_constant_create(e->builder.module, NULL, tensor);
    ran_tensor_release(tensor);
    return constant;
}

ran_value *ran_expand_ints(ran_expansion *e, size_t count, const int64_t *values)
{
    ran_tensor *tensor = ran_tensor_create(RAN_ELEM_I64, 1, (int64_t[]){(int64_t)count});
    for (size_t i = 0; i < count; i++)
        ran_tensor_set_i64(tensor, (int64_t)i, values[i]);
    ran_value *constant = ran_constant_create(e->builder.module, NULL, tensor);
    ran_tensor_release(tensor);
    return constant;
}

ran_value *ran_expand_cast(ran_expansion *e, ran_value *x, ran_elem elem)
{
    if (ran_type_elem(ran_value_type(x)) == elem)
        return x;
    ran_op *op = ran_op_create(&e->builder, RAN_OP_CAST, 1, &x, 1);
    ran_op_set_type_attr(op, "to", ran_type_tensor(e->context, elem, 0, NULL, RAN_PLAIN));
    return ran_expand_finish(e, op);
}

ran_value *ran_expand_reduce(ran_expansion *e, ran_opcode opcode, ran_value *x, size_t count,
                             const int64_t *axes)
{
    if (!count)
        return x;
    return ran_expand_binary(e, opcode, x, ran_expand_ints(e, count, axes));
}

ran_value *ran_expand_transpose(ran_expansion *e, ran_value *x, int rank, const int64_t *perm)
{
    bool same = true;
    for (int i = 0; i < rank; i++)
        same = same && perm[i] == i;
    if (same)
        return x;
    ran_op *op = ran_op_create(&e->builder, RAN_OP_TRANSPOSE, 1, &x, 1);
    ran_op_set_ints(op, "perm", perm, (size_t)rank);
    return ran_expand_finish(e, op);
}

/* The shape operand says what it can; views go by the type. */
ran_value *ran_expand_view(ran_expansion *e, ran_value *x, int rank, const ran_dim *const *dims)
{
    ran_elem elem = ran_type_elem(ran_value_type(x));
    const ran_type *type = ran_type_tensor(e->context, elem, rank, dims, RAN_PLAIN);
    int64_t shape[RAN_MAX_RANK];
    if (type == ran_value_type(x))
        return x;
    if (ran_value_constant(x))
        return ran_constant_reshaped(e->builder.module, x, type);
    for (int i = 0; i < rank; i++)
        shape[i] = ran_dim_is_constant(dims[i]) ? ran_dim_value(dims[i]) : -1;
    ran_value *operands[] = {x, ran_expand_ints(e, (size_t)rank, shape)};
    ran_op *op = ran_op_create(&e->builder, RAN_OP_RESHAPE, 2, operands, 1);
    ran_value_set_type(ran_op_result(op, 0), type);
    return ran_op_result(op, 0);
}

ran_value *ran_expand_fill(ran_expansion *e, ran_value *scalar, const ran_type *type)
{
    int64_t shape[RAN_MAX_RANK];
    int rank = ran_type_rank(type);
    for (int i = 0; i < rank; i++)
        shape[i] = ran_dim_is_constant(ran_type_dim(type, i)) ? ran_type_extent(type, i) : 1;
    ran_value *operands[] = {scalar, ran_expand_ints(e, (size_t)rank, shape)};
    ran_op *op = ran_op_create(&e->builder, RAN_OP_EXPAND, 2, operands, 1);
    ran_value_set_type(ran_op_result(op, 0), type);
    return ran_op_result(op, 0);
}

ran_value *ran_expand_along(ran_expansion *e, ran_value *vector, int axis, int rank)
{
    const ran_dim *dims[RAN_MAX_RANK];
    if (ran_type_rank(ran_value_type(vector)) != 1)
        return vector;
    dims[0] = ran_type_dim(ran_value_type(vector), 0);
    for (int i = 1; i < rank - axis; i++)
        dims[i] = ran_dim_constant(e->context, 1);
    return ran_expand_view(e, vector, rank - axis, dims);
}

/* ---- In a wider type ------------------------------------------------------------------------- */

static bool expand_one(ran_expansion *e);
static bool has_expander(ran_opcode opcode);

/* What computes the same in a type that more kernels take. */
static const struct widening {
    ran_elem from, to;
} widenings[] = {
    {RAN_ELEM_F16, RAN_ELEM_F32}, {RAN_ELEM_BF16, RAN_ELEM_F32}, {RAN_ELEM_BOOL, RAN_ELEM_U8},
    {RAN_ELEM_I8, RAN_ELEM_I32},  {RAN_ELEM_U8, RAN_ELEM_I32},   {RAN_ELEM_I16, RAN_ELEM_I32},
    {RAN_ELEM_U16, RAN_ELEM_I32}, {RAN_ELEM_I8, RAN_ELEM_F32},   {RAN_ELEM_U8, RAN_ELEM_F32},
    {RAN_ELEM_U32, RAN_ELEM_I64}, {RAN_ELEM_I32, RAN_ELEM_I64},
};

/* Ops whose operands follow one element type, and that f32 and i32 serve as well. */
static bool may_widen(const ran_op *op)
{
    static const ran_opcode kept[] = {RAN_OP_QUANTIZE_LINEAR, RAN_OP_DEQUANTIZE_LINEAR, RAN_OP_CAST,
                                      RAN_OP_BIT_CAST};
    for (size_t i = 0; i < sizeof(kept) / sizeof(*kept); i++)
        if (op->opcode == kept[i])
            return false;
    return op->result_count >= 1 && op->result_count <= 4 && !op->region_count;
}

static ran_op *widened(ran_expansion *e, const struct widening *w)
{
    bool any = false;
    ran_mapping *mapping = ran_mapping_create();
    RAN_FOR_OPERANDS(e->op, i, value)
    if (ran_type_elem(ran_value_type(value)) == w->from && !ran_mapping_get(mapping, value)) {
        ran_mapping_set(mapping, value, ran_expand_cast(e, value, w->to));
        any = true;
    }
    ran_op *op = any ? ran_op_clone(&e->builder, e->op, mapping) : NULL;
    ran_mapping_destroy(mapping);
    return op;
}

/* A cast may serve several operands: erased, it has no parent any more. */
static void erase_with_casts(ran_op *op)
{
    ran_op *casts[16];
    size_t count = 0;
    RAN_FOR_OPERANDS(op, i, value)
    if (ran_op_is(ran_value_op(value), RAN_OP_CAST) && count < 16)
        casts[count++] = ran_value_op(value);
    ran_op_erase(op);
    for (size_t i = 0; i < count; i++)
        if (ran_op_parent(casts[i]) && !ran_value_has_uses(ran_op_result(casts[i], 0)))
            ran_op_erase(casts[i]);
}

static bool widen(ran_expansion *e, const ran_target *target)
{
    size_t diagnostics = ran_diagnostic_count(e->context);
    for (size_t i = 0; may_widen(e->op) && i < sizeof(widenings) / sizeof(*widenings); i++) {
        const struct widening *w = &widenings[i];
        bool is_float = ran_elem_is_float(w->from);
        ran_op *op = widened(e, w);
        if (!op)
            continue;
        if (ran_op_infer_types(op) != RAN_OK ||
            !(ran_op_has_kernel(op, target) || (is_float && has_expander(op->opcode)))) {
            ran_diagnostics_truncate(e->context, diagnostics);
            erase_with_casts(op);
            continue;
        }
        for (size_t r = 0; r < op->result_count; r++)
            e->results[r] = ran_expand_cast(e, ran_op_result(op, r),
                                            ran_type_elem(ran_value_type(ran_op_result(e->op, r))));
        return true;
    }
    return false;
}

/* ---- The table ------------------------------------------------------------------------------- */

static const struct expander {
    ran_opcode opcode;
    bool (*expand)(ran_expansion *e);
} expanders[] = {
    {RAN_OP_BATCH_NORMALIZATION, ran_expand_batch_normalization},
    {RAN_OP_LAYER_NORMALIZATION, ran_expand_layer_normalization},
    {RAN_OP_RMS_NORMALIZATION, ran_expand_layer_normalization},
    {RAN_OP_GROUP_NORMALIZATION, ran_expand_group_normalization},
    {RAN_OP_INSTANCE_NORMALIZATION, ran_expand_group_normalization},
    {RAN_OP_MEAN_VARIANCE_NORMALIZATION, ran_expand_mean_variance},
    {RAN_OP_LP_NORMALIZATION, ran_expand_lp_normalization},
    {RAN_OP_GLOBAL_AVERAGE_POOL, ran_expand_global_pool},
    {RAN_OP_GLOBAL_MAX_POOL, ran_expand_global_pool},
    {RAN_OP_LP_POOL, ran_expand_lp_pool},
    {RAN_OP_DROPOUT, ran_expand_dropout},
    {RAN_OP_SPACE_TO_DEPTH, ran_expand_space_to_depth},
    {RAN_OP_CONSTANT_OF_SHAPE, ran_expand_constant_of_shape},
    {RAN_OP_EYE_LIKE, ran_expand_eye_like},
    {RAN_OP_ONE_HOT, ran_expand_one_hot},
    {RAN_OP_CONCAT, ran_expand_concat},
    {RAN_OP_SPLIT, ran_expand_split},
    {RAN_OP_QUANTIZE_LINEAR, ran_expand_quantize_linear},
    {RAN_OP_DEQUANTIZE_LINEAR, ran_expand_dequantize_linear},
    {RAN_OP_EINSUM, ran_expand_einsum},
    {RAN_OP_DFT, ran_expand_dft},
    {RAN_OP_STFT, ran_expand_stft},
    {RAN_OP_COMPRESS, ran_expand_compress},
    {RAN_OP_CENTER_CROP_PAD, ran_expand_center_crop_pad},
    {RAN_OP_AFFINE_GRID, ran_expand_affine_grid},
    {RAN_OP_COL2IM, ran_expand_col2im},
    {RAN_OP_MAX_UNPOOL, ran_expand_max_unpool},
    {RAN_OP_CONV_WEIGHT_GRADIENT, ran_expand_conv_weight_gradient},
    {RAN_OP_BATCH_NORMALIZATION_TRAINING, ran_expand_batch_normalization_training},
    {RAN_OP_BATCH_NORMALIZATION_GRADIENT, ran_expand_batch_normalization_gradient},
    {RAN_OP_LAYER_NORMALIZATION_GRADIENT, ran_expand_layer_normalization_gradient},
    {RAN_OP_REDUCE_SUM, ran_expand_channel_sum},
};

static bool has_expander(ran_opcode opcode)
{
    for (size_t i = 0; i < sizeof(expanders) / sizeof(*expanders); i++)
        if (expanders[i].opcode == opcode)
            return true;
    return false;
}

static bool expand_one(ran_expansion *e)
{
    for (size_t i = 0; i < sizeof(expanders) / sizeof(*expanders); i++)
        if (expanders[i].opcode == e->op->opcode)
            return expanders[i].expand(e);
    return false;
}

static bool needs_expansion(const ran_op *op, const ran_target *target)
{
    return !ran_opcode_is_elementwise(op->opcode) && !ran_op_is_view(op) &&
           op->opcode != RAN_OP_KERNEL && op->opcode != RAN_OP_RETURN && !op->region_count &&
           (!ran_op_has_kernel(op, target) || ran_is_channel_sum(op));
}

/* New ops stand before the one that they replace, and are visited again from there. */
ran_status ran_expand_ops(ran_function *function, const ran_target *target)
{
    ran_region *body = ran_function_body(function);
    for (ran_op *op = ran_region_first(body), *next; op; op = next) {
        ran_op *before = ran_op_prev(op);
        next = ran_op_next(op);
        if (!needs_expansion(op, target))
            continue;
        ran_expansion e = {.op = op,
                           .builder = ran_builder_before(op),
                           .target = target,
                           .context = ran_module_context(ran_function_module(function))};
        if (!widen(&e, target) && !expand_one(&e))
            continue;
        ran_op_replace(op, e.results);
        next = before ? ran_op_next(before) : ran_region_first(body);
    }
    return RAN_OK;
}
