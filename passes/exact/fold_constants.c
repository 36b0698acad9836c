/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Constant folding: what can be computed now is, by the reference evaluator.
 *
 *   %1 = shape %x : tensor<4xi64>                       (x: 1x3x8x8)
 *   %2 = gather %1, @two : tensor<i64>            =>    @c = 8
 *   %3 = transpose @w {perm = [1, 0]}             =>    @c = transposed w
 *
 * An op folds when all of its operands are constants, or when shape inference knows the elements of
 * its small integer result (so a Shape of a dynamic input folds as far as its sizes are known).
 * Folding must not blow the model up: a result of more than `limit` bytes that is more than `growth`
 * times its operands stays an op (an Expand of a scalar), and so does one that costs more than `macs`.
 * One walk in order: operands are folded before their users are reached.
 *
 * An operand that an op shares with others stays; it goes with its last user.
 */
#include "passes/match.h"

#include <string.h>

/* ---- Results known from shapes ----------------------------------------------------------------- */

static bool is_known_constant(const ran_value *value)
{
    const ran_type *type = ran_value_type(value);
    const ran_dim *const *elements = NULL;
    if (!type || !ran_type_is_static(type) || !ran_elem_is_int(ran_type_elem(type)))
        return false;
    size_t count = ran_value_known(value, &elements);
    if (!count || (int64_t)count != ran_type_numel(type))
        return false;
    for (size_t i = 0; i < count; i++) {
        if (!ran_dim_is_constant(elements[i]))
            return false;
    }
    return true;
}

static ran_tensor *known_tensor(const ran_value *value)
{
    const ran_type *type = ran_value_type(value);
    const ran_dim *const *elements = NULL;
    int64_t dims[RAN_MAX_RANK];
    for (int i = 0; i < ran_type_rank(type); i++)
        dims[i] = ran_type_extent(type, i);
    ran_tensor *tensor = ran_tensor_create(ran_type_elem(type), ran_type_rank(type), dims);
    size_t count = ran_value_known(value, &elements);
    for (size_t i = 0; i < count; i++)
        ran_tensor_set_i64(tensor, (int64_t)i, ran_dim_value(elements[i]));
    return tensor;
}

static void fold_known_results(ran_pass_context *pass, ran_op *op)
{
    for (size_t i = 0; i < op->result_count; i++) {
        ran_value *result = &op->results[i];
        if (!ran_value_has_uses(result) || !is_known_constant(result))
            continue;
        ran_value *constant = ran_new_constant(op, result->name, known_tensor(result));
        ran_value_replace_uses(result, constant);
        ran_pass_count(pass, "shapes", 1);
    }
}

/* ---- Evaluation ------------------------------------------------------------------------------------ */

static bool has_constant_operands(const ran_op *op)
{
    RAN_FOR_OPERANDS (op, i, operand) {
        if (!ran_value_constant(operand))
            return false;
    }
    return true;
}

static bool is_foldable(const ran_op *op)
{
    return op->result_count && !op->region_count && ran_op_has_uses(op) &&
           ran_op_is_removable(op) && op->opcode != RAN_OP_CALL && op->opcode != RAN_OP_DROPOUT &&
           op->opcode != RAN_OP_CONVERT_LAYOUT && op->opcode != RAN_OP_PACK &&
           op->opcode != RAN_OP_BORDER_TABLE && has_constant_operands(op);
}

static bool is_within_limits(ran_pass_context *pass, const ran_op *op)
{
    int64_t result_bytes = 0, operand_bytes = 0;
    for (size_t i = 0; i < op->result_count; i++) {
        const ran_type *type = op->results[i].type;
        if (!type || !ran_type_is_tensor(type))
            return false;
        if (ran_type_is_static(type))
            result_bytes += ran_type_storage_bytes(type);
    }
    RAN_FOR_OPERANDS (op, i, operand)
        operand_bytes += (int64_t)ran_tensor_bytes(ran_value_constant(operand));
    ran_counts counts = {0};
    ran_count_op(op, &counts);
    if (counts.macs > ran_pass_int(pass, "macs"))
        return false;
    return result_bytes <= ran_pass_int(pass, "limit") ||
           (double)result_bytes <= ran_pass_float(pass, "growth") * (double)operand_bytes;
}

static ran_status evaluate(ran_op *op, ran_tensor **results)
{
    const ran_tensor *operands[op->operand_count + 1];
    memset(operands, 0, sizeof(operands));
    RAN_FOR_OPERANDS (op, i, operand)
        operands[i] = ran_value_constant(operand);
    return ran_op_evaluate(op, operands, results);
}

/* What can't be evaluated (an index out of range) is not the compiler's to report: the op stays, and
 * fails if it is ever run. */
static void fold(ran_pass_context *pass, ran_op *op)
{
    if (!is_within_limits(pass, op)) {
        ran_pass_observe(pass, "too-large", 1);
        return;
    }
    ran_tensor *results[op->result_count];
    memset(results, 0, sizeof(results));
    size_t diagnostics = ran_diagnostic_count(ran_pass_ir(pass));
    if (evaluate(op, results)) {
        ran_diagnostics_truncate(ran_pass_ir(pass), diagnostics);
        return;
    }
    for (size_t i = 0; i < op->result_count; i++) {
        if (results[i] && ran_value_has_uses(&op->results[i]))
            ran_value_replace_uses(&op->results[i],
                                   ran_new_constant(op, op->results[i].name,
                                                    ran_tensor_retain(results[i])));
        ran_tensor_release(results[i]);
    }
    ran_pass_count(pass, "ops", 1);
}

/* An isolated region gets its constants as arguments: nothing in it can be replaced by one. */
static void fold_region(ran_pass_context *pass, ran_region *region)
{
    RAN_FOR_OPS (region, op) {
        bool isolated = ran_opcode_has_flag(op->opcode, RAN_FLAG_ISOLATED);
        for (size_t i = 0; i < op->region_count && !isolated; i++)
            fold_region(pass, op->regions[i]);
        fold_known_results(pass, op);
        if (is_foldable(op))
            fold(pass, op);
        ran_erase_dead(op);
    }
}

ran_status ran_run_fold_constants(ran_pass_context *pass, ran_function *function)
{
    fold_region(pass, ran_function_body(function));
    ran_module_drop_unused_constants(ran_function_module(function));
    return RAN_OK;
}
