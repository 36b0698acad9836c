/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The parts put together: step, update, evaluation. grad.h shows the step's form. */
#include "passes/grad/training_step.h"

#include <stdlib.h>
#include <string.h>

#include "passes/grad/step.h"

/* ---- Parameters as arguments ----------------------------------------------------------------------------- */

static ran_status name_taken(step *s, const char *name)
{
    return ran_error(s->context, RAN_UNSUPPORTED,
                     "a constant and an input of the model are both named '%s'; rename one", name);
}

static void make_argument(step *s, ran_parameter *p)
{
    p->argument = ran_step_argument(s, ran_value_name(p->constant), ran_value_type(p->constant));
    ran_value_replace_uses(p->constant, p->argument);
    for (size_t i = 0; i < s->output_count; i++) {
        if (s->outputs[i] == p->constant)
            s->outputs[i] = p->argument;
    }
}

/* Only now: before, uses of the constants told what they are. */
static ran_status take_parameters(step *s)
{
    size_t inputs = ran_region_argument_count(s->body);
    for (size_t i = 0; i < s->count; i++) {
        make_argument(s, &s->parameters[i]);
        if (ran_value_index(s->parameters[i].argument) < inputs)
            return name_taken(s, ran_value_name(s->parameters[i].constant));
    }
    return RAN_OK;
}

static ran_status find_parameters(step *s)
{
    size_t trained = 0;
    s->parameters = ran_find_parameters(s->module, s->spec->freeze, s->spec->freeze_count, &s->count);
    for (size_t i = 0; i < s->count; i++)
        trained += s->parameters[i].trained;
    if (!trained)
        return ran_error(s->context, RAN_USAGE,
                         "the model has no parameter to train (f32 constants that are not frozen)");
    s->gradients = calloc(s->count, sizeof(*s->gradients));
    return RAN_OK;
}

static void add_scalars(step *s)
{
    const ran_type *integer = ran_type_tensor_i64(s->context, RAN_ELEM_I64, 0, NULL);
    const ran_type *real = ran_type_tensor_i64(s->context, RAN_ELEM_F32, 0, NULL);
    s->counter = ran_step_argument(s, RAN_STEP_COUNTER, integer);
    s->rate = ran_step_argument(s, RAN_STEP_RATE, real);
}

/* ---- The step ---------------------------------------------------------------------------------------------- */

static ran_status differentiate(step *s)
{
    ran_value **wrt = calloc(s->count, sizeof(*wrt)), **out = calloc(s->count, sizeof(*out));
    size_t n = 0;
    for (size_t i = 0; i < s->count; i++) {
        if (s->parameters[i].trained)
            wrt[n++] = s->parameters[i].argument;
    }
    ran_status status = ran_differentiate(s->function, s->loss, wrt, n, out);
    for (size_t i = 0, k = 0; i < s->count && !status; i++)
        s->gradients[i] = s->parameters[i].trained ? out[k++] : NULL;
    free(wrt);
    free(out);
    return status;
}

/* Forward, losses and statistics, as results of the function, so that passes keep them. */
static ran_status build_forward(step *s)
{
    ran_step_result(s, RAN_STEP_LOSS, NULL);
    ran_step_result(s, RAN_STEP_CORRECT, NULL);
    ran_status status = ran_step_regularize(s);
    if (!status)
        status = ran_step_losses(s);
    if (status)
        return status;
    if (s->spec->accumulate)
        s->loss = ran_step_scale(s, s->loss, s->spec->share);
    s->results[0] = s->loss;
    s->results[1] = s->correct ? s->correct : ran_step_scalar(s, 0);
    ran_step_return(s);
    status = ran_step_clean(s, true);
    for (size_t i = 0; i < s->result_count; i++)
        s->results[i] = ran_op_operand(ran_region_terminator(s->body), i);
    s->loss = s->results[0];
    s->builder = ran_builder_before(ran_region_terminator(s->body));
    s->builder.location = NULL;
    return status;
}

static void return_gradients(step *s)
{
    for (size_t i = 0; i < s->count; i++) {
        if (s->gradients[i])
            ran_step_result(s,
                            ran_intern_printf(s->context, "%s" RAN_STEP_GRADIENT,
                                              ran_value_name(s->parameters[i].argument)),
                            s->gradients[i]);
    }
}

/* Averaged weights want the statistics of their own activations: those are averaged like them. */
static void average_statistic(step *s, const char *name, ran_value *next)
{
    double decay = s->spec->optimizer.ema;
    const char *average = ran_intern_printf(s->context, "%s" RAN_STEP_AVERAGE, name);
    ran_value *old = ran_step_argument(s, average, ran_value_type(next));
    ran_value *sum = ran_step_binary(s, RAN_OP_ADD, ran_step_scale(s, old, decay),
                                     ran_step_scale(s, next, 1 - decay));
    ran_step_result(s, average, ran_step_where(s, s->finite, sum, old));
}

/* Statistics wait in the results for the flag that guards them. */
static void guard_statistics(step *s, size_t first)
{
    size_t last = s->result_count;
    for (size_t i = first; i < last; i++) {
        ran_value *next = s->results[i], *old = ran_step_argument(s, s->result_names[i], NULL);
        s->results[i] = ran_step_where(s, s->finite, next, old);
        if (s->spec->optimizer.ema > 0)
            average_statistic(s, s->result_names[i], next);
    }
}

static ran_status build_backward(step *s)
{
    enum { FIRST_STATISTIC = 2 };
    ran_status status = differentiate(s);
    if (status)
        return status;
    ran_step_finite(s, s->loss);
    guard_statistics(s, FIRST_STATISTIC);
    ran_step_result(s, RAN_STEP_FINITE, ran_step_cast(s, s->finite, RAN_ELEM_F32));
    if (s->spec->accumulate)
        return_gradients(s);
    else
        ran_step_update(s);
    /* The flag stands with the other scalars. */
    size_t last = FIRST_STATISTIC;
    while (strcmp(s->result_names[last], RAN_STEP_FINITE))
        last++;
    ran_value *flag = s->results[last];
    const char *name = s->result_names[last];
    for (; last > FIRST_STATISTIC; last--) {
        s->results[last] = s->results[last - 1];
        s->result_names[last] = s->result_names[last - 1];
    }
    s->results[last] = flag;
    s->result_names[last] = name;
    ran_step_return(s);
    int64_t peak;
    status = ran_step_clean(s, false);
    return status || !s->spec->memory ? status
                                      : ran_recompute(s->function, s->spec->memory, &peak);
}

/* 0: what the losses compare with, 1: scalars, 2: state. */
static int argument_group(const step *s, const ran_value *argument)
{
    const char *name = ran_value_name(argument);
    for (size_t i = 0; i < s->count; i++) {
        if (s->parameters[i].argument == argument)
            return 2;
    }
    if (argument == s->counter || argument == s->rate)
        return 1;
    bool target = !strcmp(name, RAN_STEP_LABELS) || !strcmp(name, RAN_STEP_TARGET) ||
                  !strcmp(name, RAN_STEP_TEACHER) ||
                  !strncmp(name, RAN_STEP_MAP, strlen(RAN_STEP_MAP));
    return target ? 0 : 2;
}

/* The order of the arguments: inputs, targets, scalars, state. They were added as the parts came to
 * need them: all but the inputs are taken out and put back in order. */
static void order_arguments(step *s, size_t inputs)
{
    size_t count = ran_region_argument_count(s->body), n = 0;
    ran_value **old = calloc(count, sizeof(*old)), **fresh = calloc(count, sizeof(*fresh));
    for (int group = 0; group <= 2; group++) {
        for (size_t i = inputs; i < count; i++) {
            if (argument_group(s, ran_region_argument(s->body, i)) == group)
                old[n++] = ran_region_argument(s->body, i);
        }
    }
    for (size_t i = 0; i < n; i++) {
        fresh[i] = ran_region_add_argument(s->body, ran_value_name(old[i]), ran_value_type(old[i]));
        ran_value_replace_uses(old[i], fresh[i]);
        for (size_t k = 0; k < s->count; k++) {
            if (s->parameters[k].argument == old[i])
                s->parameters[k].argument = fresh[i];
        }
    }
    for (size_t i = 0; i < n; i++)
        ran_region_remove_argument(s->body, inputs);
    free(old);
    free(fresh);
}

static ran_status build_step(step *s, const ran_module *model)
{
    ran_status status = ran_step_open(s, model, s->spec->batch, "step");
    size_t inputs = status ? 0 : ran_region_argument_count(s->body);
    if (!status)
        status = find_parameters(s);
    if (!status)
        status = take_parameters(s);
    if (status)
        return status;
    add_scalars(s);
    status = build_forward(s);
    if (!status)
        status = build_backward(s);
    if (status)
        return status;
    order_arguments(s, inputs);
    return RAN_OK;
}

static ran_status finish(step *s, ran_status status, ran_module **out_module)
{
    if (!status) {
        ran_module_drop_unused_constants(s->module);
        status = ran_module_verify(s->module);
    }
    if (status)
        ran_module_destroy(s->module);
    *out_module = status ? NULL : s->module;
    ran_step_close(s);
    return status;
}

ran_status ran_training_step_create(const ran_module *model, const ran_training_spec *spec,
                                    ran_module **out_step)
{
    step s = {.spec = spec};
    return finish(&s, build_step(&s, model), out_step);
}

/* ---- The update alone ------------------------------------------------------------------------------------- */

/* The parameters' names and types are the model's; nothing else of it is left. */
static ran_status build_update(step *s, const ran_module *model)
{
    ran_status status = ran_step_open(s, model, s->spec->batch, "update");
    if (!status)
        status = find_parameters(s);
    if (status)
        return status;
    size_t inputs = ran_region_argument_count(s->body);
    for (size_t i = 0; i < s->count; i++) {
        const ran_parameter *p = &s->parameters[i];
        const char *name = ran_intern_printf(s->context, "%s" RAN_STEP_GRADIENT,
                                             ran_value_name(p->constant));
        if (p->trained)
            s->gradients[i] = ran_step_argument(s, name, ran_value_type(p->constant));
    }
    add_scalars(s);
    for (size_t i = 0; i < s->count; i++) {
        ran_parameter *p = &s->parameters[i];
        if (p->trained)
            p->argument = ran_step_argument(s, ran_value_name(p->constant),
                                            ran_value_type(p->constant));
    }
    ran_step_finite(s, NULL);
    ran_step_result(s, RAN_STEP_FINITE, ran_step_cast(s, s->finite, RAN_ELEM_F32));
    ran_step_update(s);
    ran_step_return(s);
    status = ran_step_clean(s, false);
    for (size_t i = 0; i < inputs; i++)
        ran_region_remove_argument(s->body, 0);
    return status;
}

ran_status ran_training_update_create(const ran_module *model, const ran_training_spec *spec,
                                      ran_module **out_update)
{
    step s = {.spec = spec};
    return finish(&s, build_update(&s, model), out_update);
}

/* ---- Evaluation --------------------------------------------------------------------------------------------- */

static bool has_argument(const ran_module *step_module, const char *name)
{
    const ran_region *body = ran_function_body(ran_module_first_function(step_module));
    for (size_t i = 0; i < ran_region_argument_count(body); i++) {
        if (!strcmp(ran_value_name(ran_region_argument(body, i)), name))
            return true;
    }
    return false;
}

static ran_status add_values(step *s, const char *const *values, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        ran_value *value = ran_step_find(s, values[i]);
        if (!value)
            return ran_error(s->context, RAN_USAGE, "the model has no value named '%s'", values[i]);
        ran_step_result(s, ran_intern_printf(s->context, RAN_STEP_MAP "%s", values[i]), value);
    }
    return RAN_OK;
}

static ran_status build_evaluation(step *s, const ran_module *model, const ran_module *step_module,
                                   int64_t batch, const char *const *values, size_t value_count)
{
    ran_status status = ran_step_open(s, model, batch, "evaluate");
    if (status)
        return status;
    s->parameters = ran_find_parameters(s->module, NULL, 0, &s->count);
    for (size_t i = 0; i < s->count; i++) {
        ran_parameter *p = &s->parameters[i];
        if (step_module && has_argument(step_module, ran_value_name(p->constant)))
            make_argument(s, p);
    }
    for (size_t i = 0; i < s->output_count; i++) {
        const char *name = ran_function_output_name(s->function, i);
        ran_step_result(s, name ? name : "output", ran_step_peel(s->outputs[i]));
    }
    status = add_values(s, values, value_count);
    if (status)
        return status;
    ran_step_return(s);
    return ran_step_clean(s, true);
}

ran_status ran_evaluation_create(const ran_module *model, const ran_module *step_module,
                                 int64_t batch, const char *const *values, size_t value_count,
                                 ran_module **out_evaluation)
{
    step s = {0};
    return finish(&s, build_evaluation(&s, model, step_module, batch, values, value_count),
                  out_evaluation);
}
