/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Selection: a schedule for each kernel op. Among the rows that take the anchor in the layouts that
 * it has, the one with the least predicted time; then the row prepares (tile, packed weights).
 */
#include "codegen/codegen.h"

static bool is_blocked(const ran_value *value)
{
    return value && ran_type_layout(ran_value_type(value)).block != 0;
}

static bool mix_agrees(const ran_kernel_row *row, const ran_op *anchor)
{
    for (size_t i = 0; i < anchor->operand_count; i++)
        if (ran_op_operand(anchor, i) &&
            is_blocked(ran_op_operand(anchor, i)) != (row->blocked_operands >> i & 1))
            return false;
    for (size_t i = 0; i < anchor->result_count; i++)
        if (is_blocked(ran_op_result(anchor, i)) != (row->blocked_results >> i & 1))
            return false;
    return true;
}

static bool layout_agrees(const ran_kernel_row *row, const ran_op *anchor)
{
    bool operand = is_blocked(ran_op_operand(anchor, 0));
    bool result = is_blocked(ran_op_result(anchor, 0));
    switch (row->layout) {
    case RAN_LAYOUT_PLAIN:
        return !operand && !result;
    case RAN_LAYOUT_BLOCKED:
        return operand && result;
    case RAN_LAYOUT_PRODUCER:
        return !operand && result;
    case RAN_LAYOUT_EITHER:
        return true;
    case RAN_LAYOUT_MIXED:
        return mix_agrees(row, anchor);
    }
    return false;
}

/* Ops around the anchor need its row to have the hooks. What only the epilogue reads may stand
 * before the anchor. */
static bool hooks_agree(const ran_kernel_row *row, const ran_op *anchor)
{
    bool behind = !ran_op_is(ran_op_next(anchor), RAN_OP_YIELD);
    bool before = ran_value_op(ran_op_operand(anchor, 0)) != NULL;
    return (row->epilogue || !behind) && (row->prologue || !before);
}

static const ran_kernel_row *best_row(const ran_op *anchor, const ran_target *target)
{
    const ran_kernel_row *best = NULL;
    double best_cost = 0;
    for (size_t i = 0; i < ran_kernel_row_count(); i++) {
        const ran_kernel_row *row = ran_kernel_row_at(i);
        if (row->anchor != anchor->opcode || !layout_agrees(row, anchor) ||
            !hooks_agree(row, anchor) || !row->accepts(anchor, target))
            continue;
        double cost = ran_kernel_row_cost(row, anchor, target);
        if (!best || cost < best_cost) {
            best = row;
            best_cost = cost;
        }
    }
    return best;
}

static ran_status select_kernel(ran_op *kernel, const ran_target *target)
{
    ran_op *anchor = ran_kernel_anchor(kernel);
    const ran_kernel_row *row =
        anchor ? best_row(anchor, target) : ran_kernel_row_find("map");
    if (!row)
        return ran_op_error(anchor, RAN_UNSUPPORTED,
                            "there is no native kernel for this op with these types; "
                            "ran-run --interpret runs it");
    ran_op_set_string(kernel, "schedule", row->name);
    if (anchor)
        ran_kernel_compact_tables(kernel);
    return row->prepare ? row->prepare(kernel, target) : RAN_OK;
}

ran_status ran_select_kernels(ran_function *function, const ran_target *target)
{
    ran_status status = RAN_OK;
    RAN_FOR_OPS(ran_function_body(function), op)
        if (op->opcode == RAN_OP_KERNEL && !*ran_op_string(op, "schedule")) {
            ran_status one = select_kernel(op, target);
            status = status ? status : one;
        }
    return status;
}

/* The op's result, computed now where its operand is constant. */
static ran_status fold_weights(ran_op *op, ran_value **out_value)
{
    ran_value *value = ran_op_operand(op, 0);
    ran_tensor *result = NULL;
    ran_status status = ran_op_infer_types(op);
    *out_value = ran_op_result(op, 0);
    if (status || !ran_value_constant(value))
        return status;
    const ran_tensor *operands[] = {ran_value_constant(value)};
    status = ran_op_evaluate(op, operands, &result);
    if (status)
        return status;
    *out_value = ran_constant_create(ran_builder_before(op).module, ran_value_name(value), result);
    ran_tensor_release(result);
    ran_op_erase(op);
    return RAN_OK;
}

ran_status ran_kernel_replace_operand(ran_op *kernel, size_t operand, ran_op *op)
{
    ran_value *value;
    ran_status status = fold_weights(op, &value);
    if (status)
        return status;
    ran_op_set_operand(kernel, operand, value);
    ran_value_set_type(ran_region_argument(ran_op_region(kernel, 0), operand),
                       ran_value_type(value));
    return RAN_OK;
}

ran_status ran_kernel_pack(ran_op *kernel, size_t operand, const int64_t *positions,
                           const int64_t *tiles, size_t count, const int64_t *outer_perm,
                           size_t outer_count)
{
    ran_builder builder = ran_builder_before(kernel);
    ran_value *value = ran_op_operand(kernel, operand);
    ran_op *pack = ran_op_create(&builder, RAN_OP_PACK, 1, &value, 1);
    ran_op_set_ints(pack, "inner_dims_pos", positions, count);
    ran_op_set_ints(pack, "inner_tiles", tiles, count);
    ran_op_set_ints(pack, "outer_dims_perm", outer_perm, outer_count);
    return ran_kernel_replace_operand(kernel, operand, pack);
}
