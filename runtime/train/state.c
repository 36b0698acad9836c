/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The state of training: a plain buffer for each argument of the step that is also a result. */
#include "runtime/train/train.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

ran_buffer *ran_state_find(const ran_state *state, const char *name)
{
    for (size_t i = 0; i < state->count; i++) {
        if (!strcmp(state->items[i].name, name))
            return &state->items[i];
    }
    return NULL;
}

void ran_state_clear(ran_state *state)
{
    for (size_t i = 0; i < state->count; i++)
        free(state->items[i].data);
    free(state->items);
    *state = (ran_state){0};
}

static const ran_tensor *find_constant(const ran_module *model, const char *name)
{
    for (ran_value *c = ran_module_first_constant(model); c; c = ran_constant_next(c)) {
        if (ran_value_name(c) && !strcmp(ran_value_name(c), name))
            return ran_value_constant(c);
    }
    return NULL;
}

static bool is_result(const ran_function *function, const char *name)
{
    size_t count = ran_op_operand_count(ran_region_terminator(ran_function_body(function)));
    for (size_t i = 0; i < count; i++) {
        if (!strcmp(ran_function_output_name(function, i), name))
            return true;
    }
    return false;
}

static ran_status add_buffer(ran_state *state, ran_context *context, const ran_value *argument)
{
    ran_buffer *items = realloc(state->items, (state->count + 1) * sizeof(*items));
    if (!items)
        return ran_error(context, RAN_INVALID, "out of memory");
    state->items = items;
    ran_buffer *b = &items[state->count];
    *b = (ran_buffer){.name = ran_value_name(argument),
                      .type = ran_value_type(argument),
                      .numel = ran_type_numel(ran_value_type(argument))};
    size_t bytes = ((size_t)b->numel * sizeof(float) + 63) / 64 * 64;
    b->data = aligned_alloc(64, bytes ? bytes : 64);
    if (!b->data)
        return ran_error(context, RAN_INVALID, "no memory for %zu bytes of state", bytes);
    memset(b->data, 0, bytes);
    state->count++;
    return RAN_OK;
}

ran_status ran_state_add(ran_state *state, ran_context *context, const ran_module *step,
                         const ran_module *model)
{
    const ran_function *function = ran_module_first_function(step);
    const ran_region *body = ran_function_body(function);
    ran_status status = RAN_OK;
    for (size_t i = 0; i < ran_region_argument_count(body) && !status; i++) {
        const ran_value *argument = ran_region_argument(body, i);
        const char *name = ran_value_name(argument);
        const ran_tensor *initial = find_constant(model, name);
        /* With several processes the step only reads the parameters; the update writes them. */
        if (ran_state_find(state, name) || (!is_result(function, name) && !initial))
            continue;
        status = add_buffer(state, context, argument);
        if (!status && initial)
            memcpy(state->items[state->count - 1].data, ran_tensor_data(initial),
                   ran_tensor_bytes(initial));
    }
    return status;
}

/* The part of a slot's name before its suffix is the parameter. */
static bool has_suffix(const char *name, const char *suffix, size_t *out_stem)
{
    size_t length = strlen(name), n = strlen(suffix);
    *out_stem = length - n;
    return length > n && !strcmp(name + length - n, suffix);
}

static const ran_buffer *parameter_of(const ran_state *state, const char *name, size_t stem)
{
    for (size_t i = 0; i < state->count; i++) {
        if (strlen(state->items[i].name) == stem && !strncmp(state->items[i].name, name, stem))
            return &state->items[i];
    }
    return NULL;
}

void ran_state_start(ran_state *state)
{
    size_t stem;
    for (size_t i = 0; i < state->count; i++) {
        ran_buffer *b = &state->items[i];
        size_t bytes = (size_t)b->numel * sizeof(float);
        if (has_suffix(b->name, RAN_STEP_AVERAGE, &stem)) {
            const ran_buffer *parameter = parameter_of(state, b->name, stem);
            if (parameter)
                memcpy(b->data, parameter->data, bytes);
        } else if (has_suffix(b->name, RAN_STEP_MOMENTUM, &stem) ||
                   has_suffix(b->name, RAN_STEP_SQUARE, &stem)) {
            memset(b->data, 0, bytes);
        }
    }
}

/* He et al. 2015: variance 2 / fan_in. Glorot and Bengio 2010 (Xavier): 2 / (fan_in + fan_out). */
static void fill_noise(ran_buffer *b, const ran_parameter *p, const ran_train_config *config,
                       size_t number)
{
    enum { STREAM_INIT = 0x696e6974 };
    ran_random random = ran_random_stream(config->seed, STREAM_INIT, number, 0);
    double fan = config->init == INIT_HE ? (double)p->fan_in
                                         : (double)(p->fan_in + p->fan_out);
    double deviation = sqrt(2 / fan);
    for (int64_t i = 0; i < b->numel; i++)
        b->data[i] = (float)(deviation * ran_random_normal(&random));
}

ran_status ran_state_initialize(ran_state *state, const ran_train_config *config,
                                const ran_module *model)
{
    size_t count;
    if (config->init == INIT_NONE)
        return RAN_OK;
    ran_parameter *parameters = ran_find_parameters(model, NULL, 0, &count);
    if (!parameters)
        return ran_error(ran_module_context(model), RAN_INVALID, "out of memory");
    for (size_t i = 0; i < count; i++) {
        ran_buffer *b = ran_state_find(state, ran_value_name(parameters[i].constant));
        for (int64_t k = 0; b && k < b->numel && !isnan(parameters[i].initial); k++)
            b->data[k] = (float)parameters[i].initial;
        if (b && isnan(parameters[i].initial))
            fill_noise(b, &parameters[i], config, i);
    }
    free(parameters);
    return RAN_OK;
}
