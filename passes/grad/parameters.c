/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Which constants of a model are parameters, by the operands where they are used.
 *
 *   conv %x, @w, @b           w: weight, decays; b: bias
 *   add %h, @bias             behind a computed value: a parameter
 *   sub %image, @mean         on the model's input: its normalisation, structural
 *   mul %h, @half             one element: structural
 *
 * A constant that reaches its use through transposes and reshapes counts as used there.
 */
#include <fnmatch.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "passes/grad/training_step.h"

typedef enum slot_kind { SLOT_WEIGHT, SLOT_BIAS, SLOT_SCALE, SLOT_SLOPE, SLOT_MEAN, SLOT_VARIANCE } slot_kind;

static const struct slot {
    ran_opcode opcode;
    unsigned operand;
    slot_kind kind;
} slots[] = {
    {RAN_OP_CONV, 1, SLOT_WEIGHT},
    {RAN_OP_CONV, 2, SLOT_BIAS},
    {RAN_OP_CONV_TRANSPOSE, 1, SLOT_WEIGHT},
    {RAN_OP_CONV_TRANSPOSE, 2, SLOT_BIAS},
    {RAN_OP_DEFORM_CONV, 1, SLOT_WEIGHT},
    {RAN_OP_DEFORM_CONV, 3, SLOT_BIAS},
    {RAN_OP_GEMM, 0, SLOT_WEIGHT},
    {RAN_OP_GEMM, 1, SLOT_WEIGHT},
    {RAN_OP_GEMM, 2, SLOT_BIAS},
    {RAN_OP_MATMUL, 0, SLOT_WEIGHT},
    {RAN_OP_MATMUL, 1, SLOT_WEIGHT},
    {RAN_OP_EINSUM, 0, SLOT_WEIGHT},
    {RAN_OP_EINSUM, 1, SLOT_WEIGHT},
    {RAN_OP_GATHER, 0, SLOT_WEIGHT},
    {RAN_OP_LSTM, 1, SLOT_WEIGHT},
    {RAN_OP_LSTM, 2, SLOT_WEIGHT},
    {RAN_OP_LSTM, 3, SLOT_BIAS},
    {RAN_OP_LSTM, 7, SLOT_WEIGHT},
    {RAN_OP_GRU, 1, SLOT_WEIGHT},
    {RAN_OP_GRU, 2, SLOT_WEIGHT},
    {RAN_OP_GRU, 3, SLOT_BIAS},
    {RAN_OP_RNN, 1, SLOT_WEIGHT},
    {RAN_OP_RNN, 2, SLOT_WEIGHT},
    {RAN_OP_RNN, 3, SLOT_BIAS},
    {RAN_OP_BATCH_NORMALIZATION, 1, SLOT_SCALE},
    {RAN_OP_BATCH_NORMALIZATION, 2, SLOT_BIAS},
    {RAN_OP_BATCH_NORMALIZATION, 3, SLOT_MEAN},
    {RAN_OP_BATCH_NORMALIZATION, 4, SLOT_VARIANCE},
    {RAN_OP_INSTANCE_NORMALIZATION, 1, SLOT_SCALE},
    {RAN_OP_INSTANCE_NORMALIZATION, 2, SLOT_BIAS},
    {RAN_OP_GROUP_NORMALIZATION, 1, SLOT_SCALE},
    {RAN_OP_GROUP_NORMALIZATION, 2, SLOT_BIAS},
    {RAN_OP_LAYER_NORMALIZATION, 1, SLOT_SCALE},
    {RAN_OP_LAYER_NORMALIZATION, 2, SLOT_BIAS},
    {RAN_OP_RMS_NORMALIZATION, 1, SLOT_SCALE},
    {RAN_OP_PRELU, 1, SLOT_SLOPE},
    {RAN_OP_AFFINE_GRID, 0, SLOT_BIAS},
};

/* Ops behind which a value is still what came in: the normalisation of the input. */
static bool is_preprocessing(ran_opcode opcode)
{
    switch (opcode) {
    case RAN_OP_ADD:
    case RAN_OP_SUB:
    case RAN_OP_MUL:
    case RAN_OP_DIV:
    case RAN_OP_CAST:
    case RAN_OP_TRANSPOSE:
    case RAN_OP_RESHAPE:
    case RAN_OP_IDENTITY:
    case RAN_OP_PAD:
    case RAN_OP_SLICE:
    case RAN_OP_RESIZE:
        return true;
    default:
        return false;
    }
}

/* Whether `value` is the input, or the input shifted, scaled and moved. */
static bool is_input(const ran_value *value)
{
    for (;;) {
        const ran_op *op = value ? ran_value_op(value) : NULL;
        if (!op)
            return value && !ran_value_constant(value);
        if (!is_preprocessing(ran_op_opcode(op)))
            return false;
        bool first = !ran_value_constant(ran_op_operand(op, 0));
        value = ran_op_operand(op, first ? 0 : 1);
    }
}

/* A constant beside a computed value, elementwise. */
static bool is_affine_parameter(const ran_op *op, size_t operand, const ran_value *value)
{
    ran_opcode opcode = ran_op_opcode(op);
    if (opcode != RAN_OP_ADD && opcode != RAN_OP_SUB && opcode != RAN_OP_MUL && opcode != RAN_OP_DIV)
        return false;
    const ran_value *other = ran_op_operand(op, 1 - operand);
    return ran_type_numel(ran_value_type(value)) > 1 && !ran_value_constant(other) &&
           !is_input(other);
}

static void weight_fans(const ran_op *op, const ran_value *value, ran_parameter *out)
{
    const ran_type *type = ran_value_type(value);
    int rank = ran_type_rank(type);
    int64_t numel = ran_type_numel(type);
    int64_t first = rank > 0 ? ran_type_extent(type, 0) : 1;
    int64_t second = rank > 1 ? ran_type_extent(type, 1) : 1;
    switch (ran_op_opcode(op)) {
    case RAN_OP_CONV:
    case RAN_OP_DEFORM_CONV:
        out->fan_in = first ? numel / first : 1;
        out->fan_out = second ? numel / second / ran_op_int(op, "group") : 1;
        break;
    case RAN_OP_CONV_TRANSPOSE:
        out->fan_in = second ? numel / second / ran_op_int(op, "group") : 1;
        out->fan_out = first ? numel / first : 1;
        break;
    case RAN_OP_GEMM:
        out->fan_in = ran_op_int(op, "transB") ? second : first;
        out->fan_out = ran_op_int(op, "transB") ? first : second;
        break;
    default:
        out->fan_in = rank > 1 ? ran_type_extent(type, rank - 2) : first;
        out->fan_out = rank > 0 ? ran_type_extent(type, rank - 1) : 1;
    }
    out->fan_in = out->fan_in > 0 ? out->fan_in : 1;
    out->fan_out = out->fan_out > 0 ? out->fan_out : 1;
}

static void fill(ran_parameter *out, slot_kind kind, const ran_op *op, const ran_value *value)
{
    static const double initial[] = {[SLOT_WEIGHT] = NAN, [SLOT_BIAS] = 0,  [SLOT_SCALE] = 1,
                                     [SLOT_SLOPE] = 0.25, [SLOT_MEAN] = 0, [SLOT_VARIANCE] = 1};
    out->trained = kind != SLOT_MEAN && kind != SLOT_VARIANCE;
    out->decayed = kind == SLOT_WEIGHT;
    out->slope = kind == SLOT_SLOPE;
    out->initial = initial[kind];
    weight_fans(op, value, out);
}

static bool moves(const ran_op *op)
{
    switch (ran_op_opcode(op)) {
    case RAN_OP_TRANSPOSE:
    case RAN_OP_RESHAPE:
    case RAN_OP_UNSQUEEZE:
    case RAN_OP_SQUEEZE:
    case RAN_OP_FLATTEN:
    case RAN_OP_EXPAND:
    case RAN_OP_IDENTITY:
    case RAN_OP_SLICE:
    case RAN_OP_SPLIT:
    case RAN_OP_CONCAT:
        return true;
    default:
        return false;
    }
}

/* Finds a use of `value` as a parameter. */
static bool classify(const ran_value *value, ran_parameter *out, int depth)
{
    for (ran_use *use = ran_value_first_use(value); use; use = ran_use_next(use)) {
        const ran_op *op = ran_use_op(use);
        for (size_t i = 0; i < sizeof(slots) / sizeof(*slots); i++) {
            if (ran_op_opcode(op) == slots[i].opcode && ran_use_index(use) == slots[i].operand) {
                fill(out, slots[i].kind, op, value);
                return true;
            }
        }
        if (is_affine_parameter(op, ran_use_index(use), value)) {
            bool scales = ran_op_is(op, RAN_OP_MUL) || ran_op_is(op, RAN_OP_DIV);
            fill(out, scales ? SLOT_SCALE : SLOT_BIAS, op, value);
            return true;
        }
        for (size_t i = 0; depth && moves(op) && i < ran_op_result_count(op); i++) {
            if (classify(ran_op_result(op, i), out, depth - 1))
                return true;
        }
    }
    return false;
}

static bool is_frozen(const char *name, const char *const *freeze, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        if (!fnmatch(freeze[i], name, 0))
            return true;
    }
    return false;
}

/* Statistics of a batch norm whose scale is frozen stay as they are: it runs in inference mode. */
static bool is_frozen_statistic(const ran_value *value, const char *const *freeze, size_t count)
{
    const ran_op *op = ran_use_op(ran_value_first_use(value));
    const char *scale = ran_value_name(ran_op_operand(op, 1));
    return scale && is_frozen(scale, freeze, count);
}

static bool is_candidate(const ran_value *constant)
{
    const ran_type *type = ran_value_type(constant);
    return ran_value_name(constant) && ran_type_is_static(type) &&
           ran_type_elem(type) == RAN_ELEM_F32 && ran_type_numel(type) > 0;
}

ran_parameter *ran_find_parameters(const ran_module *model, const char *const *freeze,
                                   size_t freeze_count, size_t *out_count)
{
    enum { STEPS = 4 }; /* of transposes and reshapes between a constant and its use */
    size_t count = 0;
    for (ran_value *c = ran_module_first_constant(model); c; c = ran_constant_next(c))
        count++;
    ran_parameter *list = calloc(count + 1, sizeof(*list));
    count = 0;
    for (ran_value *c = ran_module_first_constant(model); list && c; c = ran_constant_next(c)) {
        ran_parameter found = {.constant = c};
        if (!is_candidate(c) || !classify(c, &found, STEPS) ||
            is_frozen(ran_value_name(c), freeze, freeze_count) ||
            (!found.trained && is_frozen_statistic(c, freeze, freeze_count)))
            continue;
        list[count++] = found;
    }
    *out_count = count;
    return list;
}
