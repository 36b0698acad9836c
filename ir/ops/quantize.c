/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * quantize_linear and dequantize_linear: by tensor, by axis, or by blocks along an axis.
 *
 * The quotient x / scale is rounded to the scale's type before it is rounded to an integer, as
 * ONNX computes it: otherwise ties would fall differently.
 */
#include "ir/ops/compute.h"
#include "ir/ops/gradient.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

/* Which scale goes with an element: outer x length x inner elements, `block` of them along the axis
 * share one; `count` scales lie along the axis. Per tensor: one for all. */
typedef struct grain {
    ran_lines lines;
    int64_t block, count;
    bool is_tensor, is_blocked;
} grain;

static bool is_one(const ran_type *type)
{
    return ran_type_rank(type) == 0 || (ran_type_is_static(type) && ran_type_numel(type) == 1);
}

static ran_status check_blocks(const ran_infer *infer, int axis)
{
    const ran_type *x = infer->operands[0], *scale = infer->operands[1];
    int64_t block = ran_op_int(infer->op, "block_size");
    ran_status status = ran_infer_check_rank(infer, 1, "scale", ran_type_rank(x));
    for (int i = 0; i < ran_type_rank(x) && status == RAN_OK; i++) {
        const ran_dim *extent = ran_type_dim(x, i);
        if (i == axis)
            extent = ran_dim_ceil_constant(infer->context, extent, block);
        status = ran_infer_check_equal_dims(infer, "extents of scale and x's blocks",
                                            ran_type_dim(scale, i), extent);
    }
    return status;
}

static ran_status check_scale(const ran_infer *infer)
{
    const ran_type *x = infer->operands[0], *scale = infer->operands[1];
    int axis;
    if (ran_op_int(infer->op, "block_size") < 0)
        return ran_infer_error(infer, "attribute block_size is negative");
    if (ran_type_rank(x) < 0 || ran_type_rank(scale) < 0 || is_one(scale))
        return RAN_OK;
    ran_status status =
        ran_infer_axis(infer, ran_op_int(infer->op, "axis"), ran_type_rank(x), &axis);
    if (status != RAN_OK)
        return status;
    if (ran_op_int(infer->op, "block_size"))
        return check_blocks(infer, axis);
    status = ran_infer_check_rank(infer, 1, "scale", 1);
    return status == RAN_OK
               ? ran_infer_check_equal_dims(infer, "extents of scale and x's axis",
                                            ran_type_dim(scale, 0), ran_type_dim(x, axis))
               : status;
}

static ran_status check_zero_point(const ran_infer *infer)
{
    const ran_type *scale = infer->operands[1], *zero = ran_infer_operand(infer, 2);
    if (!zero || ran_type_rank(zero) < 0 || ran_type_rank(scale) < 0 ||
        (is_one(zero) && is_one(scale)))
        return RAN_OK;
    ran_status status = ran_infer_check_rank(infer, 2, "zero_point", ran_type_rank(scale));
    for (int i = 0; i < ran_type_rank(scale) && status == RAN_OK; i++)
        status = ran_infer_check_equal_dims(infer, "extents of scale and zero_point",
                                            ran_type_dim(scale, i), ran_type_dim(zero, i));
    return status;
}

static ran_elem type_attr_or(const ran_op *op, ran_elem fallback)
{
    return ran_op_has_attr(op, "output_dtype") ? ran_type_elem(ran_op_type_attr(op, "output_dtype"))
                                               : fallback;
}

static ran_status infer_quantize_linear(ran_infer *infer)
{
    const ran_type *zero = ran_infer_operand(infer, 2);
    ran_elem to = zero ? ran_type_elem(zero) : type_attr_or(infer->op, RAN_ELEM_U8);
    ran_status status = ran_infer_check_elem(infer, 0, "FS");
    if (status == RAN_OK)
        status = ran_infer_check_elem(infer, 1, "FS");
    if (status == RAN_OK && zero && type_attr_or(infer->op, to) != to)
        status = ran_infer_error(infer, "output_dtype is %s but zero_point is %s",
                                 ran_elem_name(type_attr_or(infer->op, to)), ran_elem_name(to));
    if (status == RAN_OK && (!ran_elem_in(to, "FI") || ran_elem_bits(to) > 16))
        status = ran_infer_error(infer, "%s is no type to quantise to", ran_elem_name(to));
    if (status == RAN_OK)
        status = check_scale(infer);
    if (status == RAN_OK)
        status = check_zero_point(infer);
    infer->results[0] = ran_type_with_elem(infer->context, infer->operands[0], to);
    return status;
}

static ran_status infer_dequantize_linear(ran_infer *infer)
{
    ran_elem to = type_attr_or(infer->op, ran_type_elem(infer->operands[1]));
    ran_status status = ran_infer_check_elem(infer, 0, "FI");
    if (status == RAN_OK)
        status = ran_infer_check_elem(infer, 1, "F");
    if (status == RAN_OK)
        status = ran_infer_check_same_elem(infer, 0, 2);
    if (status == RAN_OK)
        status = check_scale(infer);
    if (status == RAN_OK)
        status = check_zero_point(infer);
    infer->results[0] = ran_type_with_elem(infer->context, infer->operands[0], to);
    return status;
}

/* ---- Evaluation ----------------------------------------------------------------------------- */

static grain grain_of(const ran_evaluation *e)
{
    const ran_tensor *x = e->operands[0], *scale = e->operands[1];
    grain g = {.is_tensor = ran_tensor_numel(scale) == 1, .block = 1};
    if (g.is_tensor)
        return g;
    int axis = ran_axis(ran_op_int(e->op, "axis"), ran_tensor_rank(x));
    g.lines = ran_lines_of(x, axis, axis + 1);
    g.is_blocked = ran_op_int(e->op, "block_size") != 0;
    if (g.is_blocked) {
        g.block = ran_op_int(e->op, "block_size");
        g.count = ran_tensor_dims(scale)[axis];
    }
    return g;
}

static int64_t scale_index(const grain *g, int64_t i)
{
    if (g->is_tensor)
        return 0;
    int64_t inner = i % g->lines.inner, along = i / g->lines.inner % g->lines.length;
    int64_t outer = i / g->lines.inner / g->lines.length;
    return g->is_blocked ? (outer * g->count + along / g->block) * g->lines.inner + inner : along;
}

static void store_quantised(ran_tensor *y, int64_t i, double value)
{
    ran_elem elem = ran_tensor_elem(y);
    double high = ldexp(1, (int)ran_elem_bits(elem) - ran_elem_is_signed_int(elem)) - 1;
    double low = ran_elem_is_signed_int(elem) ? -high - 1 : 0;
    value = isnan(value) ? 0 : value < low ? low : value > high ? high : value;
    ran_tensor_set_i64(y, i, (int64_t)value);
}

static ran_status evaluate_quantize_linear(ran_evaluation *e)
{
    grain g = grain_of(e);
    ran_elem precision = ran_tensor_elem(e->operands[1]), to = ran_tensor_elem(e->results[0]);
    double *x = ran_load_f64(e->operands[0]), *scale = ran_load_f64(e->operands[1]);
    double *zero = ran_load_f64(ran_eval_operand(e, 2));
    if (!ran_elem_is_float(precision))
        precision = RAN_ELEM_F32;
    for (int64_t i = 0; i < ran_tensor_numel(e->results[0]); i++) {
        int64_t at = scale_index(&g, i);
        double quotient = ran_round_to(precision, x[i] / scale[at]);
        if (ran_elem_is_float(to) && ran_elem_bits(to) == 8)
            ((uint8_t *)ran_tensor_mutable_data(e->results[0]))[i] = (uint8_t)ran_elem_encode(
                to, quotient + (zero ? zero[at] : 0), ran_op_int(e->op, "saturate"));
        else if (ran_elem_is_float(to))
            ran_tensor_set_f64(e->results[0], i, quotient + (zero ? zero[at] : 0));
        else
            store_quantised(e->results[0], i, nearbyint(quotient) + (zero ? zero[at] : 0));
    }
    free(x);
    free(scale);
    free(zero);
    return RAN_OK;
}

static ran_status evaluate_dequantize_linear(ran_evaluation *e)
{
    grain g = grain_of(e);
    double *x = ran_load_f64(e->operands[0]), *scale = ran_load_f64(e->operands[1]);
    double *zero = ran_load_f64(ran_eval_operand(e, 2));
    for (int64_t i = 0; i < ran_tensor_numel(e->results[0]); i++) {
        int64_t at = scale_index(&g, i);
        x[i] = (x[i] - (zero ? zero[at] : 0)) * scale[at];
    }
    ran_store_f64(e->results[0], x);
    free(x);
    free(scale);
    free(zero);
    return RAN_OK;
}

const ran_op_hooks ran_hooks_quantize_linear = {.infer = infer_quantize_linear,
                                                .evaluate = evaluate_quantize_linear};
const ran_op_hooks ran_hooks_dequantize_linear = {.infer = infer_dequantize_linear,
                                                  .evaluate = evaluate_dequantize_linear,
                                                  .gradient = ran_dequantize_gradient};
