/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * A constant over a map of which all rows but those near its ends are equal, and columns alike: the
 * table has a row for each of the first begins[i] positions of axis i, one for those between, and
 * one for each of the last. Channels come last, so that a vector of them lies together.
 */
#include "ir/ops/compute.h"

#include <stdlib.h>

static ran_status infer_border_table(ran_infer *infer)
{
    const ran_dim *table[RAN_MAX_RANK], *result[RAN_MAX_RANK];
    size_t count, begin_count;
    int rank = ran_infer_dims(infer, 0, table);
    int64_t channels = ran_op_int(infer->op, "channels");
    const int64_t *sizes = ran_op_ints(infer->op, "sizes", &count);
    const int64_t *begins = ran_op_ints(infer->op, "begins", &begin_count);
    if (rank < 1 || (size_t)rank != count + 1 || begin_count != count || rank >= RAN_MAX_RANK ||
        channels < 1)
        return ran_infer_error(infer, "a table of %d axes, %zu sizes and %zu begins don't agree",
                               rank, count, begin_count);
    result[0] = ran_dim_constant(infer->context, 1);
    result[1] = ran_dim_constant(infer->context, channels);
    for (size_t i = 0; i < count; i++) {
        if (!ran_dim_is_constant(table[i]) || begins[i] < 0 ||
            begins[i] >= ran_dim_value(table[i]) || sizes[i] < ran_dim_value(table[i]))
            return ran_infer_error(infer, "axis %zu of %s does not spread over %lld positions", i,
                                   ran_type_text(infer->context, infer->operands[0]),
                                   (long long)sizes[i]);
        result[2 + i] = ran_dim_constant(infer->context, sizes[i]);
    }
    if (!ran_dim_is_constant(table[count]) || ran_dim_value(table[count]) < channels)
        return ran_infer_error(infer, "the table has fewer than %lld channels",
                               (long long)channels);
    return ran_infer_result(infer, 0, ran_type_elem(infer->operands[0]), rank + 1, result);
}

static int64_t row_of(int64_t position, int64_t begin, int64_t rows, int64_t size)
{
    int64_t behind = position - (size - (rows - begin));
    return (position < begin ? position : begin) + (behind > 0 ? behind : 0);
}

/* The element of the table for element `n` of the result. */
static int64_t source_of(const ran_evaluation *e, int64_t n)
{
    const int64_t *table = ran_tensor_dims(e->operands[0]), *out = ran_tensor_dims(e->results[0]);
    const int64_t *begins = ran_op_ints(e->op, "begins", NULL);
    int axes = ran_tensor_rank(e->operands[0]) - 1;
    int64_t stride = table[axes], at = 0;
    for (int i = axes - 1; i >= 0; i--) {
        at += row_of(n % out[2 + i], begins[i], table[i], out[2 + i]) * stride;
        n /= out[2 + i];
        stride *= table[i];
    }
    return at + n;
}

static ran_status evaluate_border_table(ran_evaluation *e)
{
    int64_t count = ran_tensor_numel(e->results[0]);
    double *table = ran_load_f64(e->operands[0]), *values = RAN_NEW(double, count);
    for (int64_t n = 0; n < count; n++)
        values[n] = table[source_of(e, n)];
    ran_store_f64(e->results[0], values);
    free(table);
    free(values);
    return RAN_OK;
}

const ran_op_hooks ran_hooks_border_table = {.infer = infer_border_table,
                                             .evaluate = evaluate_border_table};
