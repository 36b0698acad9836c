/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * The losses of a training step, each a scalar; their weighted sum is what gets differentiated.
 *
 *   cross-entropy   -1/N sum_n sum_c t_nc log softmax(z)_nc, t smoothed: (1 - s) t + s / C
 *   KL              T^2/N sum p (log p - log softmax(z/T)), p = softmax(teacher/T)
 *   MSE             1/N sum (v - target)^2
 *   slopes          sum (slope - 1)^2 over parameters (RAN, eq. 3)
 *
 * N counts the samples, and positions of a map (axis 1 holds the classes).
 */
#include <fnmatch.h>
#include <string.h>

#include "passes/grad/step.h"

static ran_status find_value(step *s, const ran_loss *loss, ran_value **out_value)
{
    *out_value = loss->value ? ran_step_find(s, loss->value) : s->outputs[0];
    if (!*out_value)
        return ran_error(s->context, RAN_USAGE, "loss: the model has no value named '%s'",
                         loss->value);
    const ran_type *type = ran_value_type(*out_value);
    if (!ran_type_is_static(type) || ran_type_rank(type) < 1 ||
        ran_type_elem(type) != RAN_ELEM_F32)
        return ran_error(s->context, RAN_UNSUPPORTED, "loss: '%s' is %s; training takes f32",
                         loss->value ? loss->value : "the first output",
                         ran_type_text(s->context, type));
    return RAN_OK;
}

/* Logits [N, C, ...]. */
static ran_status find_logits(step *s, const ran_loss *loss, ran_value **out_logits)
{
    ran_status status = find_value(s, loss, out_logits);
    if (status)
        return status;
    *out_logits = ran_step_peel(*out_logits);
    if (ran_type_rank(ran_value_type(*out_logits)) < 2)
        return ran_error(s->context, RAN_UNSUPPORTED,
                         "loss: logits of type %s have no axis of classes",
                         ran_type_text(s->context, ran_value_type(*out_logits)));
    return RAN_OK;
}

static int64_t position_count(const ran_value *logits)
{
    const ran_type *type = ran_value_type(logits);
    return ran_type_numel(type) / ran_type_extent(type, 1);
}

/* ---- Cross-entropy ------------------------------------------------------------------------------------- */

static const ran_type *label_type(step *s, const ran_value *logits)
{
    const ran_type *type = ran_value_type(logits);
    int64_t dims[RAN_MAX_RANK];
    int rank = 0;
    for (int i = 0; i < ran_type_rank(type); i++) {
        if (i != 1)
            dims[rank++] = ran_type_extent(type, i);
    }
    return ran_type_tensor_i64(s->context, RAN_ELEM_I64, rank, dims);
}

static ran_value *one_hot(step *s, ran_value *labels, int64_t classes, double off, double on)
{
    ran_tensor *tensor = ran_tensor_create(RAN_ELEM_F32, 1, (int64_t[]){2});
    ran_tensor_set_f64(tensor, 0, off);
    ran_tensor_set_f64(tensor, 1, on);
    ran_value *values = ran_constant_create(s->module, NULL, tensor);
    ran_tensor_release(tensor);
    tensor = ran_tensor_create(RAN_ELEM_I64, 0, NULL);
    ran_tensor_set_i64(tensor, 0, classes);
    ran_value *depth = ran_constant_create(s->module, NULL, tensor);
    ran_tensor_release(tensor);
    ran_op *op =
        ran_op_create(&s->builder, RAN_OP_ONE_HOT, 3, (ran_value *[]){labels, depth, values}, 1);
    ran_op_set_int(op, "axis", 1);
    if (ran_op_infer_types(op))
        RAN_BUG(s->context, "one_hot of labels does not fit");
    return ran_op_result(op, 0);
}

static ran_value *best_class(step *s, ran_value *x)
{
    ran_op *op = ran_op_create(&s->builder, RAN_OP_ARG_MAX, 1, &x, 1);
    ran_op_set_int(op, "axis", 1);
    ran_op_set_int(op, "keepdims", 0);
    if (ran_op_infer_types(op))
        RAN_BUG(s->context, "arg_max of logits does not fit");
    return ran_op_result(op, 0);
}

static ran_value *cross_entropy(step *s, const ran_loss *loss, ran_value *logits)
{
    int64_t classes = ran_type_extent(ran_value_type(logits), 1);
    double off = loss->smoothing / (double)classes;
    ran_value *target, *labels;
    if (s->spec->probabilities) {
        ran_value *given = ran_step_argument(s, RAN_STEP_TARGET, ran_value_type(logits));
        labels = best_class(s, given);
        target = ran_step_shift(s, ran_step_scale(s, given, 1 - loss->smoothing), off);
    } else {
        labels = ran_step_argument(s, RAN_STEP_LABELS, label_type(s, logits));
        target = one_hot(s, labels, classes, off, 1 - loss->smoothing + off);
    }
    if (!s->correct) {
        ran_value *hits = ran_step_binary(s, RAN_OP_EQUAL, best_class(s, logits), labels);
        s->correct = ran_step_sum(s, ran_step_cast(s, hits, RAN_ELEM_F32));
    }
    ran_value *log = ran_step_softmax(s, RAN_OP_LOG_SOFTMAX, logits, 1);
    ran_value *sum = ran_step_sum(s, ran_step_binary(s, RAN_OP_MUL, target, log));
    return ran_step_scale(s, sum, -1.0 / (double)position_count(logits));
}

/* ---- Distances from a teacher -------------------------------------------------------------------------- */

static ran_value *divergence(step *s, const ran_loss *loss, ran_value *logits)
{
    double t = loss->temperature > 0 ? loss->temperature : 1;
    ran_value *teacher = ran_step_argument(s, RAN_STEP_TEACHER, ran_value_type(logits));
    ran_value *warm = ran_step_scale(s, teacher, 1 / t);
    ran_value *p = ran_step_softmax(s, RAN_OP_SOFTMAX, warm, 1);
    ran_value *log_p = ran_step_softmax(s, RAN_OP_LOG_SOFTMAX, warm, 1);
    ran_value *log_q =
        ran_step_softmax(s, RAN_OP_LOG_SOFTMAX, ran_step_scale(s, logits, 1 / t), 1);
    ran_value *gap = ran_step_binary(s, RAN_OP_SUB, log_p, log_q);
    ran_value *sum = ran_step_sum(s, ran_step_binary(s, RAN_OP_MUL, p, gap));
    return ran_step_scale(s, sum, t * t / (double)position_count(logits));
}

static ran_value *squared_distance(step *s, const ran_loss *loss, ran_value *value)
{
    const ran_type *type = ran_value_type(value);
    const char *name = RAN_STEP_TARGET;
    if (loss->value)
        name = ran_intern_printf(s->context, RAN_STEP_MAP "%s", loss->value);
    ran_value *gap =
        ran_step_binary(s, RAN_OP_SUB, value, ran_step_argument(s, name, type));
    ran_value *sum = ran_step_sum(s, ran_step_binary(s, RAN_OP_MUL, gap, gap));
    return ran_step_scale(s, sum, 1.0 / (double)ran_type_extent(type, 0));
}

/* ---- Slopes ---------------------------------------------------------------------------------------------- */

static ran_status slope_distance(step *s, const ran_loss *loss, ran_value **out_value)
{
    ran_value *total = NULL;
    for (size_t i = 0; i < s->count; i++) {
        const ran_parameter *p = &s->parameters[i];
        if (!p->trained || (loss->value ? fnmatch(loss->value, ran_value_name(p->constant), 0) != 0
                                        : !p->slope))
            continue;
        ran_value *gap = ran_step_shift(s, p->argument, -1);
        ran_value *sum = ran_step_sum(s, ran_step_binary(s, RAN_OP_MUL, gap, gap));
        total = total ? ran_step_binary(s, RAN_OP_ADD, total, sum) : sum;
    }
    *out_value = total;
    return total ? RAN_OK
                 : ran_error(s->context, RAN_USAGE, "loss: no slope matches '%s'",
                             loss->value ? loss->value : "*");
}

/* ---- The sum ----------------------------------------------------------------------------------------------- */

static ran_status build_term(step *s, const ran_loss *loss, ran_value **out_term)
{
    ran_value *value;
    ran_status status = RAN_OK;
    switch (loss->kind) {
    case RAN_LOSS_CROSS_ENTROPY:
        if (!(status = find_logits(s, loss, &value)))
            *out_term = cross_entropy(s, loss, value);
        return status;
    case RAN_LOSS_KL:
        if (!(status = find_logits(s, loss, &value)))
            *out_term = divergence(s, loss, value);
        return status;
    case RAN_LOSS_MSE:
        if (!(status = find_value(s, loss, &value)))
            *out_term = squared_distance(s, loss, value);
        return status;
    case RAN_LOSS_SLOPES:
        return slope_distance(s, loss, out_term);
    }
    return status;
}

ran_status ran_step_losses(step *s)
{
    ran_status status = RAN_OK;
    if (!s->spec->loss_count)
        return ran_error(s->context, RAN_USAGE, "training needs a loss");
    for (size_t i = 0; i < s->spec->loss_count && !status; i++) {
        ran_value *term = NULL;
        status = build_term(s, &s->spec->losses[i], &term);
        if (status)
            return status;
        term = ran_step_scale(s, term, s->spec->losses[i].weight);
        s->loss = s->loss ? ran_step_binary(s, RAN_OP_ADD, s->loss, term) : term;
    }
    return status;
}
