/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * One step over several processes. Each computes its part of the batch; loss and gradients are its
 * share of the whole batch's, so that sums are what one process would have. Within the step, batch
 * norms sum their statistics (all_reduce); behind it gradients are summed, and every process makes
 * the same update.
 */
#include "runtime/train/train.h"

#include <string.h>

/* What all_reduce ops call within a step. */
static void sum_over_processes(void *data, float *values, int64_t count)
{
    ran_trainer *t = data;
    ran_status status = ran_cluster_sum(t->context, values, count);
    t->cluster_status = t->cluster_status ? t->cluster_status : status;
}

void ran_trainer_join(ran_trainer *t)
{
    ran_context_set_all_reduce(t->context, sum_over_processes, t);
}

ran_status ran_trainer_share(ran_trainer *t, ran_engine *e, const ran_part *part, float scalars[3])
{
    scalars[1] *= (float)(part->share * (double)part->total / (double)part->count);
    ran_status status = ran_cluster_sum(t->context, scalars, 3);
    for (size_t i = 0; i < t->update->input_count && !status; i++) {
        int output = ran_engine_find_output(e, ran_engine_input_name(t->update, i));
        if (!strstr(ran_engine_input_name(t->update, i), RAN_STEP_GRADIENT) || output < 0)
            continue;
        float *values = e->outputs[output];
        status = ran_cluster_sum(t->context, values,
                                 ran_type_numel(ran_engine_input_type(t->update, i)));
        t->update->inputs[i] = values;
    }
    if (status || scalars[2] != 0)
        return status;
    status = ran_engine_run(t->update, ran_trainer_parallel(t));
    int finite = ran_engine_find_output(t->update, RAN_STEP_FINITE);
    scalars[2] = *(const float *)t->update->outputs[finite] == 1 ? 0 : 1;
    return status;
}
