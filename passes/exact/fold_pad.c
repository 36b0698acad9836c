/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * A constant Pad of spatial axes folds into the pads of the op that follows:
 *
 *   %1 = pad %x, [0, 0, 1, 1, 0, 0, 1, 1]        %2 = conv %x, @w {pads = [1, 1, 1, 1]}
 *   %2 = conv %1, @w                       =>
 *
 * Exact where the op's own padding means the same value: 0 for Conv; 0 for AveragePool when pads are
 * counted (a pool without pads of its own is made to count them); minus infinity for MaxPool, or 0
 * where its input can't be negative. Only mode constant, no negative pads, no pads on batch or
 * channels; no ceil_mode (whose last window depends on where the padding is). A pooling window must
 * not lie in the padding entirely: pads stay below the kernel.
 */
#include "passes/match.h"

#include <float.h>
#include <math.h>
#include <string.h>

typedef struct padding {
    ran_value *x;
    double value;
    int64_t pads[2 * RAN_MAX_RANK]; /* spatial: begins, ends */
    size_t spatial;
} padding;

static bool read_axes(const ran_op *pad, int rank, int64_t *axes, size_t *count)
{
    const ran_value *operand = ran_op_operand(pad, 3);
    *count = (size_t)rank;
    for (int i = 0; i < rank; i++)
        axes[i] = i;
    if (!operand)
        return true;
    int64_t given = ran_match_ints(operand, axes, RAN_MAX_RANK);
    for (int64_t i = 0; i < given; i++)
        axes[i] = ran_axis(axes[i], rank);
    *count = (size_t)given;
    return given >= 0;
}

static bool match_padding(const ran_value *value, padding *out)
{
    const ran_op *pad = ran_match_op(value, RAN_OP_PAD);
    int64_t all[2 * RAN_MAX_RANK], axes[RAN_MAX_RANK];
    size_t count;
    if (!pad || strcmp(ran_op_string(pad, "mode"), "constant"))
        return false;
    *out = (padding){.x = ran_op_operand(pad, 0)};
    const ran_type *type = ran_value_type(out->x);
    int rank = ran_type_rank(type);
    if (rank < 3 || !ran_value_is_float(out->x) || !read_axes(pad, rank, axes, &count) ||
        ran_match_ints(ran_op_operand(pad, 1), all, 2 * RAN_MAX_RANK) != 2 * (int64_t)count)
        return false;
    const ran_value *filler = ran_op_operand(pad, 2);
    if (filler && !ran_match_splat(filler, &out->value))
        return false;
    out->spatial = (size_t)rank - 2;
    for (size_t i = 0; i < 2 * count; i++) {
        int64_t axis = axes[i % count];
        if (all[i] < 0 || axis < 0 || (axis < 2 && all[i]))
            return false;
        if (axis >= 2)
            out->pads[(i < count ? 0 : out->spatial) + (size_t)axis - 2] = all[i];
    }
    return true;
}

/* Adds the op's own pads; false when they are not explicit. */
static bool add_own_pads(const ran_op *op, padding *padding)
{
    size_t count = 0;
    const int64_t *own = ran_op_ints(op, "pads", &count);
    if (strcmp(ran_op_string(op, "auto_pad"), "NOTSET"))
        return false;
    for (size_t i = 0; i < count && i < 2 * padding->spatial; i++)
        padding->pads[i] += own[i];
    return true;
}

static bool has_own_pads(const ran_op *op)
{
    size_t count = 0;
    const int64_t *own = ran_op_ints(op, "pads", &count);
    for (size_t i = 0; i < count; i++) {
        if (own[i])
            return true;
    }
    return false;
}

static bool is_below_kernel(const ran_op *op, const padding *padding)
{
    size_t count = 0;
    const int64_t *kernel = ran_op_ints(op, "kernel_shape", &count);
    for (size_t i = 0; i < 2 * padding->spatial; i++) {
        if (i % padding->spatial >= count || padding->pads[i] >= kernel[i % padding->spatial])
            return false;
    }
    return true;
}

static bool is_never_negative(const ran_value *value)
{
    const ran_op *op = ran_value_op(value);
    double low;
    if (!op)
        return false;
    switch (op->opcode) {
    case RAN_OP_RELU:
    case RAN_OP_SIGMOID:
    case RAN_OP_HARD_SIGMOID:
    case RAN_OP_EXP:
    case RAN_OP_ABS:
    case RAN_OP_SOFTPLUS:
    case RAN_OP_SOFTMAX:
        return true;
    case RAN_OP_CLIP:
        return ran_op_operand(op, 1) && ran_match_splat(ran_op_operand(op, 1), &low) && low >= 0;
    default:
        return false;
    }
}

static ran_value *set_pads(ran_op *op, const padding *padding)
{
    ran_op *pad = ran_value_op(ran_op_operand(op, 0));
    ran_op_set_ints(op, "pads", padding->pads, 2 * padding->spatial);
    ran_op_set_operand(op, 0, padding->x);
    ran_erase_dead(pad);
    return &op->results[0];
}

static ran_value *fold_into_conv(ran_pass_context *pass, ran_op *op)
{
    padding padding;
    (void)pass;
    if (!match_padding(ran_op_operand(op, 0), &padding) || padding.value != 0 ||
        !add_own_pads(op, &padding))
        return NULL;
    return set_pads(op, &padding);
}

static ran_value *fold_into_average_pool(ran_pass_context *pass, ran_op *op)
{
    padding padding;
    (void)pass;
    bool own = has_own_pads(op);
    if (!match_padding(ran_op_operand(op, 0), &padding) || padding.value != 0 ||
        ran_op_int(op, "ceil_mode") || (own && !ran_op_int(op, "count_include_pad")) ||
        !add_own_pads(op, &padding) || !is_below_kernel(op, &padding))
        return NULL;
    ran_op_set_int(op, "count_include_pad", 1);
    return set_pads(op, &padding);
}

static ran_value *fold_into_max_pool(ran_pass_context *pass, ran_op *op)
{
    padding padding;
    (void)pass;
    if (!match_padding(ran_op_operand(op, 0), &padding) || ran_op_int(op, "ceil_mode") ||
        (op->result_count > 1 && ran_value_has_uses(&op->results[1])))
        return NULL;
    bool neutral = padding.value <= -FLT_MAX || (padding.value == 0 && is_never_negative(padding.x));
    if (!neutral || !add_own_pads(op, &padding) || !is_below_kernel(op, &padding))
        return NULL;
    return set_pads(op, &padding);
}

ran_status ran_run_fold_pad(ran_pass_context *pass, ran_function *function)
{
    static const ran_rule rules[] = {
        {RAN_OP_CONV, fold_into_conv, "pads"},
        {RAN_OP_AVERAGE_POOL, fold_into_average_pool, "pads"},
        {RAN_OP_MAX_POOL, fold_into_max_pool, "pads"},
    };
    return ran_rewrite(pass, function, rules, 3);
}
