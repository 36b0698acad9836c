/* SPDX-License-Identifier: GPL-3.0-or-later */
/* What the commands that search a model have in common: the model, its layers, how candidates are
 * measured. */
#ifndef RAN_TOOLS_SEARCH_MODEL_H
#define RAN_TOOLS_SEARCH_MODEL_H

#include <argp.h>

#include "search/latency.h"
#include "tools/model.h"

typedef struct ran_searched_model {
    ran_model_options model;
    const char *path;   /* of the model */
    const char *layers; /* NULL: all but stem and head */
} ran_searched_model;

/* A child of a command's parser: MODEL, --layers, and what is dynamic in the model. */
extern const struct argp ran_searched_model_argp;

typedef struct ran_measuring {
    ran_latency_options latency;
    const char *pool;
} ran_measuring;

/* A child of a command's parser: --target, --runner, --estimate, --pool. */
extern const struct argp ran_measuring_argp;

#endif
