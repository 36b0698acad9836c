/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * What passes know about time when nobody names a target: a middling core with vectors, that
 * multiplies at a fixed rate, moves data at the rate of its second cache, and pays a little for each
 * op. Good enough to see that fewer multiplications or fewer ops are less work; the verdicts of a
 * pass say that they come from it.
 */
#include "ir/cost.h"

#include "passes/passes.h"

static const double macs_per_second = 60e9, bytes_per_second = 60e9, seconds_per_op = 1e-6;

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

/* An elementwise op behind an op that only it reads costs what it reads besides. */
static bool is_fused(const ran_op *op)
{
    const ran_value *first = op->operand_count ? op->operands[0].value : NULL;
    return ran_opcode_is_elementwise(op->opcode) && first && ran_value_op(first) &&
           ran_value_has_one_use(first);
}

static double neutral_seconds(const ran_cost_model *model, const ran_op *op)
{
    (void)model;
    if (is_fused(op))
        return (moved_bytes(op) - bytes_of(op->operands[0].value) - bytes_of(&op->results[0])) /
               bytes_per_second;
    ran_counts counts = {0};
    ran_count_op(op, &counts);
    double computing = (double)counts.macs / macs_per_second;
    double moving = moved_bytes(op) / bytes_per_second;
    return seconds_per_op + (computing > moving ? computing : moving);
}

const ran_cost_model *ran_cost_model_neutral(void)
{
    static const ran_cost_model model = {.name = "machine-neutral", .seconds = neutral_seconds};
    return &model;
}

double ran_cost_seconds(const ran_cost_model *model, const ran_op *op)
{
    return model->seconds(model, op);
}

const char *ran_cost_model_name(const ran_cost_model *model)
{
    return model->name;
}

const ran_cost_model *ran_pass_cost_model(const ran_pass_context *pass)
{
    return pass->manager->cost ? pass->manager->cost : ran_cost_model_neutral();
}

void ran_pass_manager_set_cost_model(ran_pass_manager *manager, const ran_cost_model *model)
{
    manager->cost = model;
}
