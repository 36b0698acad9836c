/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Layout assignment: which values are blocked (NCHWc).
 *
 * Before: all types plain. After: every op has operands in a layout that its kernel takes, with
 * convert_layout ops between. One walk in program order suffices: convolutions ask for the blocked
 * layout, elementwise ops and whatever works on either follow their operands, so that a chain of
 * blocked ops keeps it and conversions remain at the borders only. A value is converted at most
 * once to each layout, and conversions of constants cost nothing: the weights are written so.
 * Terminates: one visit an op, new ops are conversions and are not visited.
 */
#include "codegen/lower.h"

typedef struct assignment {
    ran_function *function;
    const ran_target *target;
    ran_context *context;
} assignment;

static bool is_blocked(const ran_value *value)
{
    return ran_type_is_tensor(ran_value_type(value)) &&
           ran_type_layout(ran_value_type(value)).block != 0;
}

/* ---- Conversions --------------------------------------------------------------------------------- */

static ran_value *existing_conversion(ran_value *value, const ran_type *type, const ran_op *user)
{
    if (ran_op_is(ran_value_op(value), RAN_OP_CONVERT_LAYOUT) &&
        ran_value_type(ran_op_operand(ran_value_op(value), 0)) == type)
        return ran_op_operand(ran_value_op(value), 0);
    for (ran_use *use = ran_value_first_use(value); use; use = ran_use_next(use)) {
        ran_op *op = ran_use_op(use);
        if (ran_op_is(op, RAN_OP_CONVERT_LAYOUT) &&
            ran_value_type(ran_op_result(op, 0)) == type && ran_op_is_before(op, user))
            return ran_op_result(op, 0);
    }
    return NULL;
}

static void insert_after_definition(ran_builder *builder, ran_value *value)
{
    ran_op *definition = ran_value_op(value);
    if (definition)
        builder->before = ran_op_next(definition);
    else
        builder->before = ran_region_first(builder->region);
}

/* A constant keeps its plain tensor; its type says how the weights are laid out. */
static ran_value *converted_constant(assignment *a, ran_value *value, const ran_type *type)
{
    ran_value *copy = ran_constant_create(ran_function_module(a->function),
                                          ran_value_name(value), ran_value_constant(value));
    ran_value_set_type(copy, type);
    return copy;
}

static ran_value *convert(assignment *a, ran_value *value, ran_layout layout, const ran_op *user)
{
    const ran_type *type = ran_type_with_layout(a->context, ran_value_type(value), layout);
    if (type == ran_value_type(value))
        return value;
    if (ran_value_constant(value))
        return converted_constant(a, value, type);
    ran_value *existing = existing_conversion(value, type, user);
    if (existing)
        return existing;
    ran_builder builder = ran_builder_before((ran_op *)user);
    insert_after_definition(&builder, value);
    ran_op *op = ran_op_create(&builder, RAN_OP_CONVERT_LAYOUT, 1, &value, 1);
    ran_op_set_int(op, "axis", layout.axis);
    ran_op_set_int(op, "block", layout.block);
    ran_value_set_type(ran_op_result(op, 0), type);
    return ran_op_result(op, 0);
}

static void convert_operand(assignment *a, ran_op *op, size_t index, ran_layout layout)
{
    ran_op_set_operand(op, index, convert(a, ran_op_operand(op, index), layout, op));
}

static void make_plain(assignment *a, ran_op *op)
{
    RAN_FOR_OPERANDS(op, i, value)
        if (is_blocked(value))
            convert_operand(a, op, i, RAN_PLAIN);
}

static void block_result(assignment *a, ran_op *op, size_t index, ran_layout layout)
{
    ran_value *result = ran_op_result(op, index);
    ran_value_set_type(result,
                       ran_type_with_layout(a->context, ran_value_type(result), layout));
}

/* ---- Elementwise ops ------------------------------------------------------------------------------- */

/* Rank r operand against rank R result: the channel axis of the result, seen by the operand. */
static bool has_channels(const ran_value *value, const ran_type *result, ran_layout layout)
{
    const ran_type *type = ran_value_type(value);
    int axis = layout.axis - (ran_type_rank(result) - ran_type_rank(type));
    return axis >= 0 && !ran_dim_is(ran_type_dim(type, axis), 1);
}

/* [C,1,1] or [C] with C meeting axis 1 gets the rank of the result first, by a reshape. */
static ran_value *padded_rank(ran_value *value, const ran_type *result,
                              ran_op *user)
{
    const ran_type *type = ran_value_type(value);
    int rank = ran_type_rank(type), full = ran_type_rank(result);
    if (rank == full)
        return value;
    int64_t dims[RAN_MAX_RANK];
    for (int i = 0; i < full; i++)
        dims[i] = i < full - rank ? 1 : ran_type_extent(type, i - (full - rank));
    ran_builder builder = ran_builder_before(user);
    if (!ran_value_constant(value))
        insert_after_definition(&builder, value);
    return ran_reshape_to(&builder, value, full, dims);
}

static const ran_value *blocked_operand(const ran_op *op)
{
    const ran_value *found = NULL;
    RAN_FOR_OPERANDS(op, i, value)
        if (is_blocked(value))
            found = value;
    return found;
}

/* A blocked operand decides, when its channels are the result's. */
static bool can_follow(const ran_op *op, const ran_value *blocked)
{
    const ran_type *type = ran_value_type(blocked);
    const ran_type *result = ran_value_type(ran_op_result(op, 0));
    ran_layout layout = ran_type_layout(type);
    if (ran_type_rank(type) != ran_type_rank(result) ||
        ran_type_dim(type, layout.axis) != ran_type_dim(result, layout.axis))
        return false;
    RAN_FOR_OPERANDS(op, i, value)
        if (ran_type_rank(ran_value_type(value)) < ran_type_rank(result) &&
            has_channels(value, result, layout) && !ran_type_is_static(ran_value_type(value)))
            return false;
    return true;
}

/* Has nothing behind the channels: its vectors of channels are read where they lie. */
static bool is_vector_of_channels(const ran_value *value, ran_layout layout)
{
    const ran_type *type = ran_value_type(value);
    if (ran_value_constant(value) || is_blocked(value))
        return false;
    for (int i = layout.axis + 1; i < ran_type_rank(type); i++)
        if (!ran_dim_is(ran_type_dim(type, i), 1))
            return false;
    return true;
}

static void follow(assignment *a, ran_op *op)
{
    const ran_value *blocked = blocked_operand(op);
    if (!blocked)
        return;
    if (!can_follow(op, blocked)) {
        make_plain(a, op);
        return;
    }
    ran_layout layout = ran_type_layout(ran_value_type(blocked));
    const ran_type *result = ran_value_type(ran_op_result(op, 0));
    RAN_FOR_OPERANDS(op, i, value) {
        if (!has_channels(value, result, layout))
            continue;
        ran_op_set_operand(op, i, padded_rank(value, result, op));
        if (!is_vector_of_channels(ran_op_operand(op, i), layout))
            convert_operand(a, op, i, layout);
    }
    block_result(a, op, 0, layout);
}

/* ---- Anchors ------------------------------------------------------------------------------------------ */

static const ran_kernel_row *cheapest_row(const ran_op *op, const ran_target *target)
{
    const ran_kernel_row *best = NULL;
    double best_cost = 0;
    for (size_t i = 0; i < ran_kernel_row_count(); i++) {
        const ran_kernel_row *row = ran_kernel_row_at(i);
        if (row->anchor != op->opcode || !row->accepts(op, target))
            continue;
        double cost = ran_kernel_row_cost(row, op, target);
        if (!best || cost < best_cost) {
            best = row;
            best_cost = cost;
        }
    }
    return best;
}

static void block_anchor(assignment *a, ran_op *op, bool operand_too)
{
    ran_layout layout = {.axis = 1, .block = (uint8_t)a->target->block};
    for (size_t i = operand_too ? 0 : 1; i < op->operand_count; i++)
        if (ran_op_operand(op, i) && is_blocked(ran_op_operand(op, i)) && i > 0)
            convert_operand(a, op, i, RAN_PLAIN);
    if (operand_too)
        convert_operand(a, op, 0, layout);
    else if (is_blocked(ran_op_operand(op, 0)))
        convert_operand(a, op, 0, RAN_PLAIN);
    block_result(a, op, 0, layout);
}

static void mix(assignment *a, ran_op *op, const ran_kernel_row *row)
{
    ran_layout layout = {.axis = 1, .block = (uint8_t)a->target->block};
    for (size_t i = 0; i < op->operand_count; i++)
        if (ran_op_operand(op, i))
            convert_operand(a, op, i, row->blocked_operands >> i & 1 ? layout : RAN_PLAIN);
    for (size_t i = 0; i < op->result_count; i++)
        if (row->blocked_results >> i & 1)
            block_result(a, op, i, layout);
}

static void assign_anchor(assignment *a, ran_op *op)
{
    const ran_kernel_row *row = cheapest_row(op, a->target);
    ran_layout_wish wish = row ? row->layout : RAN_LAYOUT_PLAIN;
    if (wish == RAN_LAYOUT_EITHER)
        wish = is_blocked(ran_op_operand(op, 0)) ? RAN_LAYOUT_BLOCKED : RAN_LAYOUT_PLAIN;
    if (wish == RAN_LAYOUT_MIXED)
        mix(a, op, row);
    else if (wish == RAN_LAYOUT_PLAIN)
        make_plain(a, op);
    else
        block_anchor(a, op, wish == RAN_LAYOUT_BLOCKED);
}

/* ---- Concatenation along channels, in blocks ------------------------------------------------------------ */

/* Whole blocks can be joined; only the last operand may end in a partial one. */
static bool can_concat_blocked(const assignment *a, const ran_op *op)
{
    ran_layout layout = {0};
    for (size_t i = 0; i < op->operand_count; i++) {
        const ran_type *type = ran_value_type(ran_op_operand(op, i));
        layout = ran_type_layout(type).block ? ran_type_layout(type) : layout;
        int axis = ran_axis(ran_op_int(op, "axis"), ran_type_rank(type));
        const ran_dim *extent = ran_type_dim(type, axis);
        if (axis == 1 && i + 1 < op->operand_count &&
            (!ran_dim_is_constant(extent) || ran_dim_value(extent) % a->target->block))
            return false;
    }
    return layout.block != 0;
}

static void assign_concat(assignment *a, ran_op *op)
{
    if (!can_concat_blocked(a, op)) {
        make_plain(a, op);
        return;
    }
    ran_layout layout = {.axis = 1, .block = (uint8_t)a->target->block};
    for (size_t i = 0; i < op->operand_count; i++)
        convert_operand(a, op, i, layout);
    block_result(a, op, 0, layout);
}

/* A squeezed map: [N,C,1,1] in blocks is [N,C] in memory when C fills its blocks or N is 1. */
static bool is_dense_blocked(const ran_type *type)
{
    ran_layout layout = ran_type_layout(type);
    if (!layout.block || layout.axis != 1)
        return false;
    for (int i = 2; i < ran_type_rank(type); i++)
        if (!ran_dim_is(ran_type_dim(type, i), 1))
            return false;
    const ran_dim *channels = ran_type_dim(type, 1);
    return ran_dim_is(ran_type_dim(type, 0), 1) ||
           (ran_dim_is_constant(channels) && ran_dim_value(channels) % layout.block == 0);
}

static void assign(assignment *a, ran_op *op)
{
    if (ran_opcode_is_elementwise(op->opcode))
        follow(a, op);
    else if (op->opcode == RAN_OP_CONCAT)
        assign_concat(a, op);
    else if (ran_op_is_view(op) && is_dense_blocked(ran_value_type(ran_op_operand(op, 0))))
        return;
    else
        assign_anchor(a, op);
}

ran_status ran_assign_layouts(ran_function *function, const ran_target *target)
{
    assignment a = {function, target, ran_module_context(ran_function_module(function))};
    RAN_FOR_OPS(ran_function_body(function), op)
        if (op->opcode != RAN_OP_CONVERT_LAYOUT)
            assign(&a, op);
    return RAN_OK;
}
