/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * The reference evaluator runs the ops on small images: a layer's shape follows from its operands,
 * not from the types of the network under construction.
 */
#include "search/zoo/samples.h"

#include "ir/ir.h"
#include "ir/noise.h"

#include <math.h>
#include <stdlib.h>

enum { IMAGES = 2, LARGEST_SIDE = 112, OPERANDS = 8 };

typedef struct sample {
    const ran_value *value;
    ran_tensor *tensor;
} sample;

struct ran_samples {
    sample *list; /* in order of evaluation */
    size_t count, capacity;
};

static void remember(ran_samples *s, const ran_value *value, RAN_TAKE ran_tensor *tensor)
{
    if (s->count == s->capacity) {
        s->capacity = s->capacity ? 2 * s->capacity : 64;
        s->list = realloc(s->list, s->capacity * sizeof *s->list);
        if (!s->list)
            RAN_BUG(NULL, "out of memory");
    }
    s->list[s->count++] = (sample){value, tensor};
}

ran_samples *ran_samples_create(const ran_value *input, uint64_t seed)
{
    const ran_type *type = ran_value_type(input);
    int64_t dims[RAN_MAX_RANK] = {IMAGES};
    for (int i = 1; i < ran_type_rank(type); i++) {
        int64_t extent = ran_type_extent(type, i);
        dims[i] = i > 1 && extent > LARGEST_SIDE ? LARGEST_SIDE : extent;
    }
    ran_samples *s = calloc(1, sizeof *s);
    ran_tensor *images = ran_tensor_create(RAN_ELEM_F32, ran_type_rank(type), dims);
    if (!s || !images)
        RAN_BUG(NULL, "out of memory");
    ran_tensor_fill_noise(images, &(ran_noise){.seed = ~seed, .deviation = 1});
    remember(s, input, images);
    return s;
}

void ran_samples_destroy(ran_samples *samples)
{
    for (size_t i = 0; i < samples->count; i++)
        ran_tensor_release(samples->list[i].tensor);
    free(samples->list);
    free(samples);
}

/* Recent values are asked for most. */
static const ran_tensor *find(const ran_samples *s, const ran_value *value)
{
    if (ran_value_constant(value))
        return ran_value_constant(value);
    for (size_t i = s->count; i-- > 0;)
        if (s->list[i].value == value)
            return s->list[i].tensor;
    return NULL;
}

static ran_status evaluate(ran_samples *s, const ran_value *value)
{
    const ran_op *op = ran_value_op(value);
    const ran_tensor *operands[OPERANDS] = {NULL};
    ran_tensor *result;
    if (find(s, value))
        return RAN_OK;
    if (!op || ran_op_operand_count(op) > OPERANDS || ran_op_result_count(op) != 1)
        RAN_BUG(NULL, "a network of the zoo has an op that can't be sampled");
    for (size_t i = 0; i < ran_op_operand_count(op); i++) {
        const ran_value *operand = ran_op_operand(op, i);
        ran_status status = operand ? evaluate(s, operand) : RAN_OK;
        if (status != RAN_OK)
            return status;
        operands[i] = operand ? find(s, operand) : NULL;
    }
    ran_status status = ran_op_evaluate(op, operands, &result);
    if (status == RAN_OK)
        remember(s, value, result);
    return status;
}

/* Twelve bits: the last digits differ between C libraries, networks should not. */
static double shorten(double value)
{
    int exponent;
    double fraction = frexp(value, &exponent);
    return ldexp(rint(fraction * 4096) / 4096, exponent);
}

ran_status ran_samples_power(ran_samples *samples, const ran_value *value, double *out_power)
{
    double sum = 0;
    ran_status status = evaluate(samples, value);
    if (status != RAN_OK)
        return status;
    const ran_tensor *x = find(samples, value);
    for (int64_t i = 0; i < ran_tensor_numel(x); i++)
        sum += ran_tensor_get_f64(x, i) * ran_tensor_get_f64(x, i);
    *out_power = sum > 0 ? shorten(sum / (double)ran_tensor_numel(x)) : 1;
    return RAN_OK;
}
