/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Batch norms as they train: their statistics are results of the step.
 *
 * One process: batch_normalization_training. Several: mean and variance are those of all samples,
 * sums of each process's share (all_reduce), built of ops whose gradients are known, so that what
 * flows through the statistics is summed over the processes, too. Two passes, mean before variance:
 * one process does the same.
 */
#include <string.h>

#include "passes/grad/step.h"

/* Where a batch norm stands, and what it gives. */
typedef struct norm {
    ran_op *op;
    ran_value *operands[5]; /* x, scale, bias, mean, variance */
    ran_value *y, *running_mean, *running_variance;
} norm;

static const ran_parameter *statistic(const step *s, const ran_value *argument)
{
    for (size_t i = 0; i < s->count; i++) {
        if (s->parameters[i].argument == argument && !s->parameters[i].trained)
            return &s->parameters[i];
    }
    return NULL;
}

ran_status ran_batch_norm_training(ran_op *norm, double momentum, ran_op **out_training)
{
    ran_value *operands[5];
    for (size_t i = 0; i < 5; i++)
        operands[i] = ran_op_operand(norm, i);
    ran_builder builder = ran_builder_before(norm);
    ran_op *training = ran_op_create(&builder, RAN_OP_BATCH_NORMALIZATION_TRAINING, 5, operands, 5);
    ran_op_set_float(training, "epsilon", ran_op_float(norm, "epsilon"));
    ran_op_set_float(training, "momentum", momentum);
    *out_training = training;
    return ran_op_infer_types(training) ? RAN_UNSUPPORTED : RAN_OK;
}

static ran_status train_alone(norm *n)
{
    ran_op *training;
    ran_status status = ran_batch_norm_training(n->op, ran_op_float(n->op, "momentum"), &training);
    n->y = ran_op_result(training, 0);
    n->running_mean = ran_op_result(training, 1);
    n->running_variance = ran_op_result(training, 2);
    return status;
}

/* ---- Several processes
 * ------------------------------------------------------------------------------ */

static ran_value *mul(step *s, ran_value *x, ran_value *y)
{
    return ran_step_binary(s, RAN_OP_MUL, x, y);
}

/* Of each channel over all processes, [1, C, 1, ...]; *out_count: elements of a channel. */
static ran_value *channel_mean(step *s, ran_value *x, double *out_count)
{
    const ran_type *type = ran_value_type(x);
    int64_t axes[RAN_MAX_RANK], count = 1;
    size_t n = 0;
    for (int i = 0; i < ran_type_rank(type); i++) {
        if (i == 1)
            continue;
        axes[n++] = i;
        count *= ran_type_extent(type, i);
    }
    ran_value *operands[] = {x, ran_step_ints(s, axes, n)};
    ran_value *sum = ran_build(&s->builder, RAN_OP_REDUCE_SUM, 2, operands);
    *out_count = (double)count / (double)s->spec->batch * (double)s->spec->total;
    return ran_step_unary(s, RAN_OP_ALL_REDUCE,
                          ran_step_scale(s, sum, s->spec->share / (double)count));
}

static ran_value *reshape(step *s, ran_value *x, const int64_t *dims, size_t rank)
{
    return ran_build(&s->builder, RAN_OP_RESHAPE, 2,
                     (ran_value *[]){x, ran_step_ints(s, dims, rank)});
}

/* [C] as [1, C, 1, ...]. */
static ran_value *by_channel(step *s, ran_value *x, int rank)
{
    int64_t dims[RAN_MAX_RANK];
    for (int i = 0; i < rank; i++)
        dims[i] = i == 1 ? -1 : 1;
    return reshape(s, x, dims, (size_t)rank);
}

/* momentum * running + (1 - momentum) * factor * value */
static ran_value *follow(step *s, const norm *n, ran_value *running, ran_value *value,
                         double factor)
{
    double momentum = ran_op_float(n->op, "momentum");
    value = reshape(s, value, (int64_t[]){-1}, 1);
    return ran_step_binary(s, RAN_OP_ADD, ran_step_scale(s, running, momentum),
                           ran_step_scale(s, value, (1 - momentum) * factor));
}

static void train_together(step *s, norm *n)
{
    ran_builder saved = s->builder;
    int rank = ran_type_rank(ran_value_type(n->operands[0]));
    double count;
    s->builder = ran_builder_before(n->op);
    ran_value *mean = channel_mean(s, n->operands[0], &count);
    ran_value *centred = ran_step_binary(s, RAN_OP_SUB, n->operands[0], mean);
    ran_value *variance = channel_mean(s, mul(s, centred, centred), &count);
    ran_value *deviation =
        ran_step_unary(s, RAN_OP_SQRT, ran_step_shift(s, variance, ran_op_float(n->op, "epsilon")));
    ran_value *factor =
        ran_step_binary(s, RAN_OP_DIV, by_channel(s, n->operands[1], rank), deviation);
    n->y = ran_step_binary(s, RAN_OP_ADD, mul(s, centred, factor),
                           by_channel(s, n->operands[2], rank));
    n->running_mean = follow(s, n, n->operands[3], mean, 1);
    n->running_variance =
        follow(s, n, n->operands[4], variance, count > 1 ? count / (count - 1) : 1);
    s->builder = saved;
}

/* ---- Either
 * ------------------------------------------------------------------------------------------- */

static ran_status check_unshared(const step *s, const ran_value *mean)
{
    for (size_t i = 0; i < s->result_count; i++) {
        if (!strcmp(s->result_names[i], ran_value_name(mean)))
            return ran_error(s->context, RAN_UNSUPPORTED,
                             "two batch normalisations share the statistics '%s'",
                             ran_value_name(mean));
    }
    return RAN_OK;
}

static void replace(step *s, const norm *n)
{
    ran_value *values[5] = {n->y, n->running_mean, n->running_variance};
    ran_value_set_name(n->y, ran_value_name(ran_op_result(n->op, 0)));
    for (size_t i = 0; i < s->output_count; i++) {
        if (s->outputs[i] == ran_op_result(n->op, 0))
            s->outputs[i] = n->y;
    }
    ran_op_replace(n->op, values);
}

ran_status ran_step_train_batch_norm(step *s, ran_op *op)
{
    norm n = {.op = op};
    for (size_t i = 0; i < 5; i++)
        n.operands[i] = ran_op_operand(op, i);
    if (!statistic(s, n.operands[3]) || !statistic(s, n.operands[4]))
        return RAN_OK; /* frozen */
    ran_status status = check_unshared(s, n.operands[3]);
    if (!status && s->spec->accumulate)
        train_together(s, &n);
    else if (!status)
        status = train_alone(&n);
    if (status)
        return status;
    ran_step_result(s, ran_value_name(n.operands[3]), n.running_mean);
    ran_step_result(s, ran_value_name(n.operands[4]), n.running_variance);
    replace(s, &n);
    return RAN_OK;
}
