/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Parts of ran-stat: what is known of a model, as a table and as JSON. */
#ifndef RAN_TOOLS_STAT_H
#define RAN_TOOLS_STAT_H

#include <jansson.h>

#include "ir/map.h"
#include "ir/statistics.h"
#include "tools/model.h"

typedef struct stat_model {
    const char *path;
    ran_module *module;
    ran_statistics *statistics;
    /* Of the compiled model at -O2 on one core; -1 when not known, and `unknown` says why. */
    int64_t planned_bytes, latency_ns;
    const char *unknown;
    ran_map latencies; /* interned node name -> nanoseconds */
} stat_model;

/* -1 for a node that has no kernel of its own: it was folded, or fused into another. */
int64_t stat_node_latency(const stat_model *model, const ran_op_statistics *node);

/* One stage's sums. Stage 0 is what follows the last feature map. */
typedef struct stat_stage {
    size_t ops;
    int64_t parameters, macs, nonlinear_elements, nonlinear_units, relu_elements;
} stat_stage;

/* statistics->stage_count + 1 stages, from 0; freed by the caller. */
RAN_GIVE stat_stage *stat_stages(const ran_statistics *statistics);

/* A shared library that rancc wrote. */
typedef struct stat_library stat_library;
RAN_MUST_USE ran_status stat_library_open(ran_context *context, const char *path,
                                          const ran_model_options *options,
                                          RAN_GIVE stat_library **out_library);
void stat_library_close(RAN_TAKE stat_library *library);
void stat_library_print(const stat_library *library, FILE *stream);
RAN_GIVE json_t *stat_library_json(const stat_library *library);

void stat_print(const stat_model *model, bool by_stage, FILE *stream);
void stat_print_difference(const stat_model *before, const stat_model *after, bool by_stage,
                           FILE *stream);
RAN_GIVE json_t *stat_json(const stat_model *model, bool by_stage);

#endif
