/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Batch norms of an assembled network. Each candidate has learned from the teacher's maps; behind
 * other candidates its input has another mean and variance than its norms remember, and so have the
 * norms of the teacher's layers behind it. Images go through with the norms in their training form:
 * forward only, what comes out are the statistics of each batch.
 */
#include <stdlib.h>

#include "ir/ir.h"
#include "passes/grad/grad.h"
#include "search/model.h"
#include "search/pretrain.h"

enum { BATCH = 64, BATCHES = 32 };
enum { MEAN = 3, VARIANCE = 4 }; /* operands of batch_normalization */

/* Running sums of one norm's channels over batches. */
typedef struct statistics {
    int64_t channels;
    float *mean, *variance;              /* of the last batch */
    double *means, *squares, *variances; /* sums of mean, mean^2 and variance */
} statistics;

typedef struct recalibration {
    ran_module *module;
    size_t count;
    ran_op **norms;
    statistics *of;
    int64_t batches;
} recalibration;

static ran_op *next_norm(ran_op *op)
{
    while (op && !ran_op_is(op, RAN_OP_BATCH_NORMALIZATION))
        op = ran_op_next(op);
    return op;
}

static ran_op *first_op(const ran_module *module)
{
    return ran_region_first(ran_function_body(ran_module_first_function(module)));
}

static ran_status no_memory(const ran_module *module)
{
    return ran_error(ran_module_context(module), RAN_INVALID, "not enough memory");
}

static bool add_norm(recalibration *r, ran_op *norm)
{
    int64_t channels = ran_type_numel(ran_value_type(ran_op_operand(norm, MEAN)));
    statistics *s = &r->of[r->count];
    r->norms[r->count++] = norm;
    s->channels = channels;
    s->mean = calloc((size_t)channels * 2 + 1, sizeof *s->mean);
    s->means = calloc((size_t)channels * 3 + 1, sizeof *s->means);
    if (!s->mean || !s->means)
        return false;
    s->variance = s->mean + channels;
    s->squares = s->means + channels;
    s->variances = s->squares + channels;
    return true;
}

static ran_status find_norms(recalibration *r)
{
    size_t count = 0;
    for (ran_op *op = next_norm(first_op(r->module)); op; op = next_norm(ran_op_next(op)))
        count++;
    r->norms = calloc(count + 1, sizeof *r->norms);
    r->of = calloc(count + 1, sizeof *r->of);
    bool fits = r->norms && r->of;
    for (ran_op *op = next_norm(first_op(r->module)); op && fits; op = next_norm(ran_op_next(op)))
        fits = add_norm(r, op);
    return fits ? RAN_OK : no_memory(r->module);
}

static void clear(recalibration *r)
{
    for (size_t i = 0; i < r->count; i++) {
        free(r->of[i].mean);
        free(r->of[i].means);
    }
    free(r->norms);
    free(r->of);
}

/* ---- Running --------------------------------------------------------------------------------- */

/* A copy whose function returns mean and variance of each norm's batch. */
static ran_status expose_statistics(const recalibration *r, ran_module **out_copy)
{
    ran_module *copy = ran_module_clone(r->module);
    ran_context *context = ran_module_context(copy);
    ran_value **values = calloc(2 * r->count + 1, sizeof *values);
    ran_status status = values ? RAN_OK : no_memory(copy);
    ran_op *next = next_norm(first_op(copy));
    for (size_t i = 0; i < r->count && status == RAN_OK; i++) {
        ran_op *norm = next, *training;
        next = next_norm(ran_op_next(norm));
        status = ran_batch_norm_training(norm, 0, &training);
        if (status != RAN_OK)
            break;
        for (size_t j = 0; j < 2; j++) {
            values[2 * i + j] = ran_op_result(training, 1 + j);
            ran_value_set_name(values[2 * i + j], ran_intern_printf(context, "norm:%zu.%zu", i, j));
        }
        ran_op_replace(norm, (ran_value *[]){ran_op_result(training, 0)});
    }
    if (status == RAN_OK)
        ran_search_return_values(ran_module_first_function(copy), values, 2 * r->count);
    free(values);
    if (status == RAN_OK)
        *out_copy = copy;
    else
        ran_module_destroy(copy);
    return status;
}

static void add_batch(recalibration *r)
{
    for (size_t i = 0; i < r->count; i++) {
        statistics *s = &r->of[i];
        for (int64_t c = 0; c < s->channels; c++) {
            s->means[c] += (double)s->mean[c];
            s->squares[c] += (double)s->mean[c] * (double)s->mean[c];
            s->variances[c] += (double)s->variance[c];
        }
    }
    r->batches++;
}

static ran_status run(recalibration *r, ran_native *native, const ran_images *images, int64_t count)
{
    float **outputs = calloc(2 * r->count + 1, sizeof *outputs);
    int64_t batch = ran_native_input_numel(native) / images->numel;
    ran_status status = outputs ? RAN_OK : no_memory(r->module);
    for (size_t i = 0; i < r->count && status == RAN_OK; i++) {
        outputs[2 * i] = r->of[i].mean;
        outputs[2 * i + 1] = r->of[i].variance;
    }
    for (int64_t at = 0; at + batch <= count && status == RAN_OK; at += batch) {
        status = ran_native_run(native, images->x + at * images->numel, outputs);
        add_batch(r);
    }
    free(outputs);
    return status;
}

/* ---- Results --------------------------------------------------------------------------------- */

static ran_status set_statistic(ran_module *module, ran_op *norm, size_t operand,
                                ran_tensor *tensor)
{
    ran_value *old = ran_op_operand(norm, operand);
    if (!tensor)
        return no_memory(module);
    const char *name = ran_value_name(old);
    ran_value *fresh = ran_constant_create(module, name, tensor);
    ran_tensor_release(tensor);
    ran_op_set_operand(norm, operand, fresh);
    if (ran_value_first_use(old))
        return RAN_OK;
    ran_value_set_name(old, NULL);
    ran_value_set_name(fresh, name);
    return RAN_OK;
}

/* The variance over all batches: theirs, and that of their means. */
static ran_status store(const recalibration *r, size_t index)
{
    const statistics *s = &r->of[index];
    double n = (double)r->batches;
    ran_tensor *mean = ran_tensor_create(RAN_ELEM_F32, 1, &s->channels);
    ran_tensor *variance = ran_tensor_create(RAN_ELEM_F32, 1, &s->channels);
    for (int64_t c = 0; c < s->channels && mean && variance; c++) {
        double m = s->means[c] / n, between = s->squares[c] / n - m * m;
        ran_tensor_set_f64(mean, c, m);
        ran_tensor_set_f64(variance, c, s->variances[c] / n + (between > 0 ? between : 0));
    }
    ran_status status = set_statistic(r->module, r->norms[index], MEAN, mean);
    if (status == RAN_OK)
        return set_statistic(r->module, r->norms[index], VARIANCE, variance);
    ran_tensor_release(variance);
    return status;
}

static ran_status recalibrate(recalibration *r, const ran_images *images, int64_t count)
{
    ran_module *copy;
    ran_native *native = NULL;
    ran_status status = expose_statistics(r, &copy);
    if (status != RAN_OK)
        return status;
    status = ran_native_create_batch(copy, count < BATCH ? count : BATCH, &native);
    if (status == RAN_OK)
        status = run(r, native, images, count);
    for (size_t i = 0; i < r->count && status == RAN_OK; i++)
        status = store(r, i);
    ran_native_destroy(native);
    ran_module_destroy(copy);
    ran_module_drop_unused_constants(r->module);
    return status;
}

ran_status ran_images_recalibrate(ran_module *module, const ran_images *images, int64_t count)
{
    recalibration r = {.module = module};
    ran_status status = find_norms(&r);
    if (status == RAN_OK && r.count && count > 0)
        status = recalibrate(&r, images, count < BATCH * BATCHES ? count : BATCH * BATCHES);
    clear(&r);
    return status;
}
