/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Gives a model whose batch is fixed another one: `rebatch{batch=8}` or `rebatch{batch=N}`, where N
 * becomes a symbol.
 *
 *   func @main(%x: tensor<1x3x8x8xf32>)               func @main(%x: tensor<Nx3x8x8xf32>)
 *     %1 = reshape %x, [1, 192]                  =>     %1 = reshape %x, [0, 192]
 *
 * The batch is the first dimension of the first input; every input that begins with it changes. What
 * names the batch in constants must change with it: the shapes of Reshape and Expand. A Reshape that
 * keeps the batch in front copies it (0); one that merges it with, or splits it from, another axis
 * leaves that place to be computed (-1). All other constants stay: a weight whose first dimension
 * happens to equal the batch is not the batch.
 *
 * Whether that was all is checked: types are inferred again, and each result must have the new batch
 * where it had the old one, and be otherwise as it was.
 */
#include "passes/match.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

typedef struct batch {
    int64_t old;
    const ran_dim *new;
} batch;

static const ran_dim *first_dim(const ran_value *value)
{
    const ran_type *type = value ? ran_value_type(value) : NULL;
    if (!type || !ran_type_is_tensor(type) || ran_type_rank(type) < 1)
        return NULL;
    return ran_type_dim(type, 0);
}

/* ---- Shapes that name the batch ------------------------------------------------------------------ */

static bool has_minus_one(const int64_t *dims, int64_t count)
{
    for (int64_t i = 0; i < count; i++) {
        if (dims[i] == -1)
            return true;
    }
    return false;
}

/* The first place of a Reshape's shape, before the types change; whether it needs changing. */
static bool rebatched_place(const ran_op *op, const int64_t *dims, int64_t count,
                            const batch *batch, int64_t *out)
{
    const ran_dim *from = first_dim(ran_op_operand(op, 0));
    if (count < 1 || dims[0] < 1 || !from || !ran_dim_is_constant(from) ||
        ran_dim_value(from) % batch->old)
        return false;
    bool same = ran_dim_is(from, batch->old) && dims[0] == batch->old;
    if (!same && (dims[0] % batch->old || has_minus_one(dims, count)))
        return false;
    *out = same && !ran_op_int(op, "allowzero") ? 0 : -1;
    return *out == 0 || !has_minus_one(dims, count);
}

static void rebatch_reshape(ran_pass_context *pass, ran_op *op, const batch *batch)
{
    int64_t dims[RAN_MAX_RANK];
    ran_value *shape = ran_op_operand(op, 1);
    if (!ran_value_constant(shape))
        return;
    int64_t count = ran_match_ints(shape, dims, RAN_MAX_RANK);
    if (!rebatched_place(op, dims, count, batch, &dims[0]))
        return;
    ran_op_set_operand(op, 1, ran_new_ints(op, dims, (size_t)count));
    ran_pass_count(pass, "reshapes", 1);
}

/* [batch, rest...] for Expand: a constant, or the first input's own size in front of the rest. */
static ran_value *expand_shape(ran_pass_context *pass, ran_op *op, const batch *batch,
                               int64_t *dims, size_t count)
{
    if (ran_dim_is_constant(batch->new)) {
        dims[0] = ran_dim_value(batch->new);
        return ran_new_ints(op, dims, count);
    }
    ran_value *input = ran_region_argument(ran_function_body(op->parent->function), 0);
    ran_op *size = ran_new_op(op, RAN_OP_SHAPE, 1, &input);
    ran_op_set_int(size, "end", 1);
    ran_value *parts[] = {ran_finish_op(pass, size), ran_new_ints(op, dims + 1, count - 1)};
    ran_op *concat = ran_new_op(op, RAN_OP_CONCAT, 2, parts);
    ran_op_set_int(concat, "axis", 0);
    return ran_finish_op(pass, concat);
}

static void rebatch_expand(ran_pass_context *pass, ran_op *op, const batch *batch)
{
    int64_t dims[RAN_MAX_RANK];
    ran_value *shape = ran_op_operand(op, 1);
    const ran_dim *from = first_dim(ran_op_operand(op, 0)), *to = first_dim(&op->results[0]);
    if (!ran_value_constant(shape) || !from || !to || !ran_dim_is(to, batch->old))
        return;
    /* From 1 to 1 it is the batch only if the rank stays; then other operands broadcast too. */
    int64_t count = ran_match_ints(shape, dims, RAN_MAX_RANK);
    if (count < 1 || dims[0] != batch->old || count != ran_type_rank(ran_value_type(&op->results[0])))
        return;
    ran_op_set_operand(op, 1, expand_shape(pass, op, batch, dims, (size_t)count));
    ran_pass_count(pass, "reshapes", 1);
}

static void rebatch_region(ran_pass_context *pass, ran_region *region, const batch *batch)
{
    RAN_FOR_OPS (region, op) {
        if (op->opcode == RAN_OP_RESHAPE)
            rebatch_reshape(pass, op, batch);
        else if (op->opcode == RAN_OP_EXPAND)
            rebatch_expand(pass, op, batch);
        for (size_t i = 0; i < op->region_count; i++)
            rebatch_region(pass, op->regions[i], batch);
    }
}

/* ---- Inputs and results ----------------------------------------------------------------------------- */

static const ran_type *with_first_dim(ran_context *context, const ran_type *type,
                                      const ran_dim *first)
{
    const ran_dim *dims[RAN_MAX_RANK];
    int rank = ran_type_rank(type);
    for (int i = 0; i < rank; i++)
        dims[i] = i ? ran_type_dim(type, i) : first;
    return ran_type_tensor(context, ran_type_elem(type), rank, dims, RAN_PLAIN);
}

static void rebatch_inputs(ran_pass_context *pass, ran_function *function, const batch *batch)
{
    ran_region *body = ran_function_body(function);
    for (size_t i = 0; i < ran_region_argument_count(body); i++) {
        ran_value *input = ran_region_argument(body, i);
        const ran_dim *dim = first_dim(input);
        if (!dim || !ran_dim_is(dim, batch->old))
            continue;
        ran_value_set_type(input,
                           with_first_dim(ran_pass_ir(pass), ran_value_type(input), batch->new));
        ran_pass_count(pass, "arguments", 1);
    }
}

static ran_status check_result(ran_pass_context *pass, const ran_value *value,
                               const ran_type *before, const batch *batch)
{
    const ran_type *expected = before;
    if (ran_type_is_tensor(before) && ran_type_rank(before) > 0 &&
        ran_dim_is(ran_type_dim(before, 0), batch->old))
        expected = with_first_dim(ran_pass_ir(pass), before, batch->new);
    if (ran_value_type(value) == expected)
        return RAN_OK;
    return ran_error(ran_pass_ir(pass), RAN_UNSUPPORTED,
                     "rebatch: a result of type %s would become %s instead of %s; the model does "
                     "more with its batch than carry it along: export it with the batch it needs",
                     ran_type_text(ran_pass_ir(pass), before),
                     ran_type_text(ran_pass_ir(pass), ran_value_type(value)),
                     ran_type_text(ran_pass_ir(pass), expected));
}

static ran_status find_batch(ran_pass_context *pass, const ran_function *function, batch *out)
{
    const char *text = ran_pass_string(pass, "batch");
    const ran_region *body = ran_function_body(function);
    const ran_dim *dim =
        ran_region_argument_count(body) ? first_dim(ran_region_argument(body, 0)) : NULL;
    char *end = NULL;
    errno = 0;
    long long size = strtoll(text, &end, 10);
    bool number = end != text && !*end;
    if (!*text || (number && (size < 1 || errno)))
        return ran_error(ran_pass_ir(pass), RAN_USAGE, "rebatch: '%s' is no batch size", text);
    if (!dim || !ran_dim_is_constant(dim) || ran_dim_value(dim) < 1)
        return ran_error(ran_pass_ir(pass), RAN_USAGE,
                         "rebatch: the first input has no fixed batch; bind a symbol with bind-dim");
    *out = (batch){ran_dim_value(dim), number ? ran_dim_constant(ran_pass_ir(pass), size)
                                              : ran_dim_symbol(ran_pass_ir(pass), text)};
    return RAN_OK;
}

ran_status ran_run_rebatch(ran_pass_context *pass, ran_function *function)
{
    batch batch;
    ran_status status = find_batch(pass, function, &batch);
    if (status)
        return status;
    const ran_op *end = ran_region_terminator(ran_function_body(function));
    const ran_type **before = ran_pass_alloc(pass, (end->operand_count + 1) * sizeof(*before));
    for (size_t i = 0; i < end->operand_count; i++)
        before[i] = ran_value_type(ran_op_operand(end, i));
    rebatch_region(pass, ran_function_body(function), &batch);
    rebatch_inputs(pass, function, &batch);
    if (ran_function_infer_types(function))
        return ran_error(ran_pass_ir(pass), RAN_UNSUPPORTED,
                         "rebatch: a constant of the model holds its batch in a way that this pass "
                         "does not know; export it with the batch it needs");
    for (size_t i = 0; i < end->operand_count && !status; i++)
        status = check_result(pass, ran_op_operand(end, i), before[i], &batch);
    return status;
}
