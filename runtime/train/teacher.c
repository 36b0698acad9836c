/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * The teacher of a distillation: another model, compiled for inference, that looks at each batch
 * before the step does. Its logits and named maps are arguments of the step.
 */
#include "runtime/train/train.h"

#include <ran/onnx.h>

#include <stdlib.h>
#include <string.h>

struct ran_teacher {
    ran_engine *engine;
    int64_t batch;
};

static ran_status read_text(ran_context *context, const char *path, ran_module **out_module)
{
    uint8_t *bytes;
    size_t size;
    ran_status status = ran_data_read_file(context, path, SIZE_MAX / 4, &bytes, &size);
    if (status)
        return status;
    status = ran_module_parse(context, (const char *)bytes, size, path, out_module);
    free(bytes);
    return status;
}

static ran_status load(ran_trainer *t)
{
    const char *path = t->config.teacher;
    size_t length = strlen(path);
    if (t->teacher_model)
        return RAN_OK;
    if (length > 4 && !strcmp(path + length - 4, ".ran"))
        return read_text(t->context, path, &t->teacher_model);
    return ran_onnx_import(t->context, path, NULL, &t->teacher_model);
}

/* The teacher's value that an mse term compares with. */
static const char *value_of(const ran_trainer *t, size_t term)
{
    const ran_loss *loss = &t->config.losses[term];
    if (loss->kind != RAN_LOSS_MSE || !loss->value)
        return NULL;
    return t->config.teacher_values[term] ? t->config.teacher_values[term] : loss->value;
}

static ran_status create(ran_trainer *t, int64_t batch, ran_teacher **out_teacher)
{
    const char *values[TRAIN_TERMS];
    size_t count = 0;
    ran_module *module;
    ran_status status = load(t);
    if (status)
        return status;
    for (size_t i = 0; i < t->config.loss_count; i++) {
        if (value_of(t, i))
            values[count++] = value_of(t, i);
    }
    status = ran_evaluation_create(t->teacher_model, NULL, batch, values, count, &module);
    if (status)
        return status;
    ran_teacher *teacher = calloc(1, sizeof(*teacher));
    teacher->batch = batch;
    ran_engine_options options = ran_trainer_engine_options(t);
    status = ran_engine_create(t->context, module, &options, &teacher->engine);
    if (status)
        free(teacher);
    else
        *out_teacher = teacher;
    return status;
}

static ran_status find(ran_trainer *t, int64_t batch, ran_teacher **out_teacher)
{
    for (size_t i = 0; i < t->teacher_count; i++) {
        if (t->teachers[i]->batch == batch) {
            *out_teacher = t->teachers[i];
            return RAN_OK;
        }
    }
    if (t->teacher_count == TRAIN_ENGINES)
        return ran_error(t->context, RAN_UNSUPPORTED, "more than %d sizes of batches",
                         TRAIN_ENGINES);
    ran_status status = create(t, batch, out_teacher);
    if (!status)
        t->teachers[t->teacher_count++] = *out_teacher;
    return status;
}

/* The step's argument `name` reads what the teacher writes at output `index`. */
static ran_status hand_over(ran_trainer *t, ran_engine *teacher, int index, ran_engine *step,
                            const char *name)
{
    int input = ran_engine_find_input(step, name);
    if (input < 0)
        return RAN_OK;
    const ran_op *end =
        ran_region_terminator(ran_function_body(ran_module_first_function(teacher->source)));
    const ran_type *have = ran_value_type(ran_op_operand(end, (size_t)index));
    const ran_type *want = ran_engine_input_type(step, (size_t)input);
    if (have != want)
        return ran_error(t->context, RAN_INVALID,
                         "the teacher's %s is %s, the model's %s",
                         ran_function_output_name(ran_module_first_function(teacher->source),
                                                  (size_t)index),
                         ran_type_text(t->context, have), ran_type_text(t->context, want));
    step->inputs[input] = teacher->outputs[index];
    return RAN_OK;
}

ran_status ran_teacher_look(ran_trainer *t, const ran_batch *batch, ran_engine *step)
{
    ran_teacher *teacher = NULL;
    ran_status status = find(t, batch->count, &teacher);
    if (status)
        return status;
    ran_engine *e = teacher->engine;
    if (ran_type_numel(ran_engine_input_type(e, 0)) !=
        ran_type_numel(ran_engine_input_type(step, 0)))
        return ran_error(t->context, RAN_INVALID, "the teacher's input is %s, the model's %s",
                         ran_type_text(t->context, ran_engine_input_type(e, 0)),
                         ran_type_text(t->context, ran_engine_input_type(step, 0)));
    e->inputs[0] = batch->x;
    for (size_t k = 0; k < t->config.ramp_count; k++) {
        int input = ran_engine_find_input(e, t->config.ramps[k].name);
        if (input > 0)
            e->inputs[input] = &t->ramps[k];
    }
    status = ran_engine_run(e, ran_trainer_parallel(t));
    if (!status)
        status = hand_over(t, e, 0, step, RAN_STEP_TEACHER);
    for (size_t i = 0; i < t->config.loss_count && !status; i++) {
        if (!value_of(t, i))
            continue;
        int output = ran_engine_find_output(
            e, ran_intern_printf(t->context, RAN_STEP_MAP "%s", value_of(t, i)));
        status = hand_over(
            t, e, output, step,
            ran_intern_printf(t->context, RAN_STEP_MAP "%s", t->config.losses[i].value));
    }
    return status;
}

void ran_teachers_destroy(ran_trainer *t)
{
    for (size_t i = 0; i < t->teacher_count; i++) {
        ran_engine_destroy(t->teachers[i]->engine);
        free(t->teachers[i]);
    }
    t->teacher_count = 0;
    if (t->teacher_model)
        ran_module_destroy(t->teacher_model);
    t->teacher_model = NULL;
}
