/* SPDX-License-Identifier: GPL-3.0-or-later */
/* ONNX in and out. */
#ifndef RAN_ONNX_H
#define RAN_ONNX_H

#include <ran/ir.h>

#ifdef __cplusplus
extern "C" {
#endif

/* What a symbolic dimension ("batch") or an input's shape is bound to. */
typedef struct ran_dim_binding {
    const char *name;
    int64_t value;
} ran_dim_binding;

typedef struct ran_shape_binding {
    const char *input;
    int rank;
    const int64_t *dims; /* -1 keeps the model's */
} ran_shape_binding;

typedef struct ran_import_options {
    const ran_dim_binding *dims;
    size_t dim_count;
    const ran_shape_binding *shapes;
    size_t shape_count;
} ran_import_options;

/* Reads a model (opsets 7 to 28; "-" is standard input) into a module whose only function is its
 * graph. Inputs that have an initialiser are constants. All problems are reported in one run:
 * RAN_INVALID for what is malformed, RAN_UNSUPPORTED for what rancc lacks. `options` may be NULL. */
RAN_MUST_USE ran_status ran_onnx_import(ran_context *context, const char *path,
                                        const ran_import_options *options,
                                        RAN_GIVE ran_module **out_module);

/* The same from memory, which is not kept. `name` stands for the file: in messages, and for the
 * directory of external data. */
RAN_MUST_USE ran_status ran_onnx_import_memory(ran_context *context, const char *name,
                                               const void *data, size_t size,
                                               const ran_import_options *options,
                                               RAN_GIVE ran_module **out_module);

typedef struct ran_export_options {
    int opset;          /* 17 to 22; 0 for 21 */
    bool external_data; /* weights into PATH.data even below 1.5 GB */
} ran_export_options;

/* Writes the module's first function as a model. Files are written beside their target and renamed.
 * Ops that ONNX has not (or not in this opset) are decomposed. `options` may be NULL. */
RAN_MUST_USE ran_status ran_onnx_export(const ran_module *module, const char *path,
                                        const ran_export_options *options);

#ifdef __cplusplus
}
#endif
#endif
