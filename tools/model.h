/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Options that bind what is dynamic in a model (--dim, --shape), and loading it with them. */
#ifndef RAN_TOOLS_MODEL_H
#define RAN_TOOLS_MODEL_H

#include <argp.h>
#include <stdbool.h>

#include <ran/onnx.h>

enum { RAN_MODEL_BINDINGS = 64 };

/* Filled by `ran_model_argp`, a child of a program's parser; zeroed before. */
typedef struct ran_model_options {
    ran_dim_binding dims[RAN_MODEL_BINDINGS];
    ran_shape_binding shapes[RAN_MODEL_BINDINGS];
    int64_t extents[RAN_MODEL_BINDINGS][RAN_MAX_RANK];
    size_t dim_count, shape_count;
    bool binds_rest; /* --dim '*=N': what nothing else binds becomes `rest` */
    int64_t rest;
} ran_model_options;

extern const struct argp ran_model_argp;

/* An ONNX file, IR text (suffix .ran), a directory with model.onnx, or either kind on "-".
 * `options` may be NULL. */
RAN_MUST_USE ran_status ran_model_load(ran_context *context, const char *path,
                                       const ran_model_options *options,
                                       RAN_GIVE ran_module **out_module);

#endif
