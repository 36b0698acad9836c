/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * The analytic cost model for single ops, as passes ask for it before anything is lowered: the row
 * that selection would take tells the time of an anchor; data that does not fit a cache moves at the
 * rate of where it lies.
 *
 * Convolutions and products are asked without their bias, which code generation adds in the
 * epilogue: the copy lives in a scratch module of the model's own.
 */
#include "codegen/codegen.h"

#include <stdlib.h>

#include "ir/cost.h"

typedef struct analytic {
    ran_cost_model model;
    ran_context *context;
    ran_target target;
    ran_module *scratch;
    ran_region *region;
} analytic;

/* A row of plain layout stands among blocked maps: what it makes is converted, too. */
static double conversion_seconds(const ran_kernel_row *row, const ran_op *anchor,
                                 const ran_target *target)
{
    const ran_type *type = ran_value_type(ran_op_result(anchor, 0));
    if (row->layout != RAN_LAYOUT_PLAIN || ran_type_rank(type) < 4)
        return 0;
    double bytes = (double)ran_type_numel_or_one(type) * ran_elem_bits(ran_type_elem(type)) / 8;
    return 2 * bytes / (target->move * target->l2_bandwidth * 1e9);
}

double ran_anchor_seconds(const ran_op *anchor, const ran_target *target)
{
    double best = -1;
    for (size_t i = 0; i < ran_kernel_row_count(); i++) {
        const ran_kernel_row *row = ran_kernel_row_at(i);
        if (row->anchor != anchor->opcode || !row->cost || !row->accepts(anchor, target))
            continue;
        double seconds = row->cost(anchor, target) + conversion_seconds(row, anchor, target);
        if (best < 0 || seconds < best)
            best = seconds;
    }
    return best;
}

/* The op on arguments of its operands' types, without a bias. */
static ran_op *copy_without_bias(analytic *a, const ran_op *op)
{
    ran_builder builder = ran_builder_at_end(a->region);
    ran_mapping *mapping = ran_mapping_create();
    RAN_FOR_OPERANDS (op, i, value)
        if (!ran_mapping_get(mapping, value))
            ran_mapping_set(mapping, value,
                            ran_region_add_argument(a->region, NULL, ran_value_type(value)));
    ran_op *copy = ran_op_clone(&builder, op, mapping);
    ran_mapping_destroy(mapping);
    ran_value *operands[] = {ran_op_operand(copy, 0), ran_op_operand(copy, 1)};
    ran_op_set_operands(copy, 2, operands);
    return copy;
}

static void drop_scratch(analytic *a, ran_op *op)
{
    ran_op_erase(op);
    while (ran_region_argument_count(a->region))
        ran_region_remove_argument(a->region, ran_region_argument_count(a->region) - 1);
}

static bool has_bias(const ran_op *op)
{
    return (op->opcode == RAN_OP_CONV || op->opcode == RAN_OP_CONV_TRANSPOSE ||
            op->opcode == RAN_OP_GEMM) &&
           ran_op_operand(op, 2);
}

static double computing_seconds(analytic *a, const ran_op *op)
{
    if (!has_bias(op))
        return ran_anchor_seconds(op, &a->target);
    ran_op *copy = copy_without_bias(a, op);
    double seconds = ran_anchor_seconds(copy, &a->target);
    drop_scratch(a, copy);
    return seconds;
}

static double bytes_of(const ran_value *value)
{
    const ran_type *type = value ? ran_value_type(value) : NULL;
    if (!type || !ran_type_is_tensor(type))
        return 0;
    return (double)ran_type_numel_or_one(type) * ran_elem_bits(ran_type_elem(type)) / 8;
}

static double moved_bytes(const ran_op *op)
{
    double bytes = 0;
    RAN_FOR_OPERANDS (op, i, value)
        bytes += bytes_of(value);
    for (size_t i = 0; i < op->result_count; i++)
        bytes += bytes_of(&op->results[i]);
    return bytes;
}

static double moving_seconds(const ran_target *target, double bytes)
{
    return bytes / (ran_target_bandwidth(target, bytes) * 1e9);
}

/* Whether fusion puts an elementwise op behind the op before it. */
static bool is_fused(const ran_op *op)
{
    const ran_value *first = ran_op_operand(op, 0);
    return first && ran_value_op(first) && ran_value_has_one_use(first);
}

static double analytic_seconds(const ran_cost_model *model, const ran_op *op)
{
    analytic *a = (analytic *)(uintptr_t)model;
    if (ran_op_is_view(op))
        return 0;
    double bytes = moved_bytes(op);
    if (ran_opcode_is_elementwise(op->opcode)) {
        if (is_fused(op))
            bytes -= bytes_of(ran_op_operand(op, 0)) + bytes_of(ran_op_result(op, 0));
        return moving_seconds(&a->target, bytes);
    }
    double computing = computing_seconds(a, op), moving = moving_seconds(&a->target, bytes);
    return computing > moving ? computing : moving;
}

static void destroy(ran_cost_model *model)
{
    analytic *a = (analytic *)model;
    ran_module_destroy(a->scratch);
    free(a);
}

ran_status ran_cost_model_create(ran_context *context, const ran_compile_options *options,
                                 ran_cost_model **out_model)
{
    ran_target target;
    ran_status status = ran_target_main(context, options, &target);
    if (status)
        return status;
    analytic *a = calloc(1, sizeof(*a));
    if (!a)
        return ran_error(context, RAN_INVALID, "out of memory");
    a->model = (ran_cost_model){ran_intern_printf(context, "%s", target.cpu), analytic_seconds,
                                destroy};
    a->context = context;
    a->target = target;
    a->scratch = ran_module_create(context);
    a->region = ran_function_body(ran_function_create(a->scratch, "cost"));
    *out_model = &a->model;
    return RAN_OK;
}

void ran_cost_model_destroy(ran_cost_model *model)
{
    if (model && model->destroy)
        model->destroy(model);
}
