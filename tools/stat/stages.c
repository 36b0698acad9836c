/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "tools/stat/stat.h"

#include <stdlib.h>

#include "ir/ir.h"

stat_stage *stat_stages(const ran_statistics *s)
{
    stat_stage *stages = calloc((size_t)s->stage_count + 1, sizeof(*stages));
    if (!stages)
        RAN_BUG(NULL, "out of memory");
    for (size_t i = 0; i < s->op_count; i++) {
        const ran_op_statistics *op = &s->ops[i];
        stat_stage *stage = &stages[op->stage];
        stage->ops++;
        stage->parameters += op->parameters;
        stage->macs += op->macs;
        stage->nonlinear_elements += op->nonlinear_elements;
        stage->nonlinear_units += op->nonlinear_units;
        stage->relu_elements += op->relu_elements;
    }
    return stages;
}

int64_t stat_node_latency(const stat_model *model, const ran_op_statistics *node)
{
    const uint64_t *latency = *node->name ? ran_map_find(&model->latencies, node->name, 0) : NULL;
    return latency ? (int64_t)*latency : -1;
}
