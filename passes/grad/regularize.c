/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * The forms that ops have in training only.
 *
 *   batch_normalization     ->  batch_normalization_training, its statistics in the state
 *   dropout %x, ratio       ->  where(counter_random >= ratio, x / (1 - ratio), 0)
 *   add %shortcut, %branch  ->  add %shortcut, %branch * mask[N, 1, ...] (drop path; Huang et al. 2016)
 *
 * Random numbers are functions of the seed, the number of the step and the op's place in the program.
 */
#include <stdlib.h>
#include <string.h>

#include "passes/grad/step.h"

/* ---- Masks -------------------------------------------------------------------------------------------------- */

static ran_value *integer(step *s, int64_t value)
{
    ran_tensor *tensor = ran_tensor_create(RAN_ELEM_I64, 0, NULL);
    ran_tensor_set_i64(tensor, 0, value);
    ran_value *constant = ran_constant_create(s->module, NULL, tensor);
    ran_tensor_release(tensor);
    return constant;
}

/* Rows of a mask that are those of this part of the batch, of a mask for all of it. */
static ran_value *own_rows(step *s, ran_value *random, int64_t rows)
{
    int64_t first = s->spec->first * rows / s->spec->batch;
    ran_value *operands[] = {random, ran_step_ints(s, &first, 1),
                             ran_step_ints(s, (int64_t[]){first + rows}, 1),
                             ran_step_ints(s, (int64_t[]){0}, 1)};
    return ran_build(&s->builder, RAN_OP_SLICE, 4, operands);
}

/* Uniform numbers, the batch in front. */
static ran_value *random_numbers(step *s, const int64_t *shape, size_t rank, int64_t stream)
{
    int64_t dims[RAN_MAX_RANK];
    bool parts = s->spec->accumulate && rank && shape[0] % s->spec->batch == 0;
    for (size_t i = 0; i < rank; i++)
        dims[i] = shape[i];
    if (parts)
        dims[0] = shape[0] / s->spec->batch * s->spec->total;
    ran_value *operands[] = {integer(s, (int64_t)(s->spec->seed & INT64_MAX)), s->counter};
    ran_op *op = ran_op_create(&s->builder, RAN_OP_COUNTER_RANDOM, 2, operands, 1);
    ran_op_set_ints(op, "shape", dims, rank);
    ran_op_set_int(op, "stream", stream);
    if (ran_op_infer_types(op))
        RAN_BUG(s->context, "random numbers do not fit");
    return parts ? own_rows(s, ran_op_result(op, 0), shape[0]) : ran_op_result(op, 0);
}

/* Bools that are true with probability 1 - p. */
static ran_value *keep_mask(step *s, const int64_t *shape, size_t rank, int64_t stream, double p)
{
    ran_value *random = random_numbers(s, shape, rank, stream);
    return ran_step_binary(s, RAN_OP_GREATER_OR_EQUAL, random, ran_step_scalar(s, p));
}

static size_t static_dims(const ran_value *value, int64_t *out_dims)
{
    const ran_type *type = ran_value_type(value);
    for (int i = 0; i < ran_type_rank(type); i++)
        out_dims[i] = ran_type_extent(type, i);
    return (size_t)ran_type_rank(type);
}

static double dropout_ratio(const step *s, const ran_op *op)
{
    const ran_tensor *ratio = ran_op_operand(op, 1) ? ran_value_constant(ran_op_operand(op, 1)) : NULL;
    if (s->spec->dropout >= 0)
        return s->spec->dropout;
    return ratio ? ran_tensor_get_f64(ratio, 0) : 0.5;
}

static void train_dropout(step *s, ran_op *op, int64_t stream)
{
    double ratio = dropout_ratio(s, op);
    ran_value *x = ran_op_operand(op, 0), *y = x;
    if (ratio > 0 && ratio < 1) {
        int64_t dims[RAN_MAX_RANK];
        ran_builder saved = s->builder;
        s->builder = ran_builder_before(op);
        ran_value *keep = keep_mask(s, dims, static_dims(x, dims), stream, ratio);
        y = ran_step_where(s, keep, ran_step_scale(s, x, 1 / (1 - ratio)), ran_step_scalar(s, 0));
        s->builder = saved;
    }
    for (size_t i = 0; i < s->output_count; i++) {
        if (s->outputs[i] == ran_op_result(op, 0))
            s->outputs[i] = y;
    }
    ran_value_replace_uses(ran_op_result(op, 0), y);
}

/* ---- Drop path ------------------------------------------------------------------------------------------------ */

/* Whether `value` is computed from `from`; the ops between are few, and looked at once each. */
static bool depends(const ran_value *value, const ran_value *from, int *budget)
{
    if (value == from)
        return true;
    const ran_op *op = ran_value_op(value);
    if (!op || --*budget < 0)
        return false;
    for (size_t i = 0; i < ran_op_operand_count(op); i++) {
        if (ran_op_operand(op, i) && depends(ran_op_operand(op, i), from, budget))
            return true;
    }
    return false;
}

/* The operand of an addition that is the branch beside an identity shortcut; -1: it is none. */
static int branch_of(const ran_op *op)
{
    const ran_value *a = ran_op_operand(op, 0), *b = ran_op_operand(op, 1);
    if (ran_value_type(a) != ran_value_type(b) || !ran_value_op(a) || !ran_value_op(b))
        return -1;
    int budget = 4096;
    if (depends(b, a, &budget))
        return 1;
    budget = 4096;
    return depends(a, b, &budget) ? 0 : -1;
}

static void drop_path(step *s, ran_op *op, double p, int64_t stream)
{
    int branch = branch_of(op);
    ran_value *x = ran_op_operand(op, (size_t)branch);
    int64_t dims[RAN_MAX_RANK];
    size_t rank = static_dims(x, dims);
    for (size_t i = 1; i < rank; i++)
        dims[i] = 1;
    ran_builder saved = s->builder;
    s->builder = ran_builder_before(op);
    ran_value *keep = ran_step_cast(s, keep_mask(s, dims, rank, stream, p), RAN_ELEM_F32);
    ran_value *mask = ran_step_scale(s, keep, 1 / (1 - p));
    ran_op_set_operand(op, (size_t)branch, ran_step_binary(s, RAN_OP_MUL, x, mask));
    s->builder = saved;
}

/* The probability grows linearly with depth, from 0 at the first branch to drop_path at the last. */
static void drop_paths(step *s)
{
    enum { STREAMS = 1 << 20 }; /* apart from those of dropout */
    int64_t count = 0, number = 0;
    RAN_FOR_OPS (s->body, op)
        count += ran_op_is(op, RAN_OP_ADD) && branch_of(op) >= 0;
    for (ran_op *op = s->body->first, *next; op && count; op = next) {
        next = op->next;
        if (!ran_op_is(op, RAN_OP_ADD) || branch_of(op) < 0)
            continue;
        double share = count > 1 ? (double)number / (double)(count - 1) : 1;
        if (share > 0)
            drop_path(s, op, s->spec->drop_path * share, STREAMS + number);
        number++;
    }
}

ran_status ran_step_regularize(step *s)
{
    int64_t stream = 0;
    ran_status status = RAN_OK;
    for (ran_op *op = s->body->first, *next; op && !status; op = next) {
        next = op->next;
        if (ran_op_is(op, RAN_OP_BATCH_NORMALIZATION))
            status = ran_step_train_batch_norm(s, op);
        else if (ran_op_is(op, RAN_OP_DROPOUT))
            train_dropout(s, op, stream++);
    }
    if (!status && s->spec->drop_path > 0)
        drop_paths(s);
    return status;
}
