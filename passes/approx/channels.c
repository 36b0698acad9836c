/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "passes/approx/channels.h"

#include "ir/noise.h"

#include <math.h>

ran_channels ran_channels_range(ran_pass_context *pass, int64_t first, int64_t count)
{
    int64_t *from = ran_pass_alloc(pass, (size_t)(count + 1) * sizeof(int64_t));
    for (int64_t i = 0; i < count; i++)
        from[i] = first + i;
    return (ran_channels){from, count};
}

bool ran_channels_is_identity(const ran_channels *channels, int64_t old_count)
{
    if (channels->count != old_count)
        return false;
    for (int64_t i = 0; i < old_count; i++)
        if (channels->from[i] != i)
            return false;
    return true;
}

static uint64_t seed_of(const ran_value *constant)
{
    uint64_t seed = 0x9e3779b97f4a7c15u;
    for (const char *p = ran_value_name(constant); p && *p; p++)
        seed = (seed ^ (unsigned char)*p) * 0x100000001b3u;
    return seed;
}

ran_value *ran_channels_take(ran_op *near, const ran_value *constant, int axis,
                             const ran_channels *channels, double fill, int64_t fan_in)
{
    const ran_tensor *old = ran_value_constant(constant);
    if (ran_channels_is_identity(channels, ran_tensor_dims(old)[axis]))
        return (ran_value *)constant;
    int64_t dims[RAN_MAX_RANK], inner = 1;
    int rank = ran_tensor_rank(old);
    for (int i = 0; i < rank; i++) {
        dims[i] = i == axis ? channels->count : ran_tensor_dims(old)[i];
        inner *= i > axis ? dims[i] : 1;
    }
    double deviation = fan_in ? sqrt(2.0 / (double)fan_in) : 0;
    uint64_t seed = seed_of(constant);
    ran_tensor *new = ran_tensor_create(ran_tensor_elem(old), rank, dims);
    for (int64_t i = 0; i < ran_tensor_numel(new); i++) {
        int64_t from = channels->from[i / inner % channels->count];
        int64_t source = (i / inner / channels->count * ran_tensor_dims(old)[axis] + from) * inner +
                         i % inner;
        double made = fan_in ? deviation * ran_noise_value(seed, (uint64_t)i) : fill;
        ran_tensor_set_f64(new, i, from < 0 ? made : ran_tensor_get_f64(old, source));
    }
    return ran_new_constant(near, ran_value_name(constant), new);
}

double ran_channels_fill(const ran_op *op, size_t index)
{
    if (op->opcode == RAN_OP_BATCH_NORMALIZATION)
        return index == 1 || index == 4;
    return op->opcode == RAN_OP_MUL || op->opcode == RAN_OP_DIV;
}

int ran_channels_axis_of(const ran_op *op, const ran_value *constant, int axis)
{
    const ran_tensor *tensor = ran_value_constant(constant);
    if (op->opcode == RAN_OP_BATCH_NORMALIZATION)
        return 0;
    int own = axis - (ran_type_rank(ran_value_type(ran_op_result(op, 0))) - ran_tensor_rank(tensor));
    return own < 0 || ran_tensor_dims(tensor)[own] == 1 ? -1 : own;
}

bool ran_is_channelwise(const ran_op *op)
{
    static const ran_opcode opcodes[] = {RAN_OP_BATCH_NORMALIZATION, RAN_OP_ADD, RAN_OP_SUB,
                                         RAN_OP_MUL, RAN_OP_DIV, RAN_OP_IDENTITY};
    bool is_known = false;
    for (size_t i = 0; i < sizeof(opcodes) / sizeof(*opcodes); i++)
        is_known = is_known || op->opcode == opcodes[i];
    for (size_t i = 1; is_known && i < op->operand_count; i++)
        is_known = ran_value_constant(ran_op_operand(op, i));
    return is_known && op->result_count >= 1 && !ran_value_constant(ran_op_operand(op, 0)) &&
           ran_match_same_type(ran_op_operand(op, 0), ran_op_result(op, 0));
}
