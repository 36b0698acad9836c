/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The trained weights go back into a model. */
#include "runtime/train/train.h"

#include <stdlib.h>
#include <string.h>

ran_status ran_trainer_save(const ran_trainer *t, const char *path)
{
    return ran_checkpoint_write(t, path);
}

/* Replaced, not overwritten: other modules may share the tensor. */
static ran_status replace_constant(ran_trainer *t, ran_module *model, const ran_parameter *p)
{
    const char *name = ran_value_name(p->constant);
    const char *average = ran_intern_printf(t->context, "%s" RAN_STEP_AVERAGE, name);
    const ran_buffer *b = ran_state_find(&t->state, average);
    if (!b)
        b = ran_state_find(&t->state, name);
    if (!b)
        return RAN_OK;
    if (b->type != ran_value_type(p->constant))
        return ran_error(t->context, RAN_INVALID, "the model's '%s' is %s, the trained one %s",
                         name, ran_type_text(t->context, ran_value_type(p->constant)),
                         ran_type_text(t->context, b->type));
    ran_tensor *tensor = ran_tensor_copy(ran_value_constant(p->constant));
    if (!tensor)
        return ran_error(t->context, RAN_INVALID, "out of memory");
    memcpy(ran_tensor_mutable_data(tensor), b->data, (size_t)b->numel * sizeof(float));
    ran_value_set_name(p->constant, NULL);
    ran_value *fresh = ran_constant_create(model, name, tensor);
    ran_tensor_release(tensor);
    ran_value_set_name(fresh, name);
    ran_value_replace_uses(p->constant, fresh);
    return RAN_OK;
}

ran_status ran_trainer_export(ran_trainer *t, ran_module *model)
{
    size_t count;
    ran_status status = ran_trainer_prepare(t);
    if (status)
        return status;
    ran_parameter *parameters = ran_find_parameters(model, NULL, 0, &count);
    for (size_t i = 0; i < count && !status; i++)
        status = replace_constant(t, model, &parameters[i]);
    free(parameters);
    ran_module_drop_unused_constants(model);
    ran_normalization_store(&t->config.normalization, model);
    ran_module_set_metadata(model, "needs-fine-tuning", NULL);
    return status;
}
