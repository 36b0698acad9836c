/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Exporting from inside.
 *
 * Walk: every value gets a name (its own, made unique; the graph's inputs and outputs first). For
 * each op, export_ops.c finds the op type whose newest form the IR's op has; where the target opset
 * has it only in an older form or not at all, a rewriter emits other nodes. Messages live in one
 * arena and point into the module's tensors, so that weights are not copied; protobuf-c packs them
 * to the file.
 */
#ifndef FRONTEND_EXPORT_H
#define FRONTEND_EXPORT_H

#include "frontend/onnx.h"

typedef struct ran_value_names ran_value_names;

typedef struct ran_export {
    ran_context *context;
    const ran_module *module;
    const char *path;
    ran_arena *arena;
    int opset;
    RanOnnx__Graph *main;  /* holds the initialisers */
    RanOnnx__Graph *graph; /* where nodes go */
    ran_onnx_scope names;  /* all that are taken */
    ran_onnx_scope node_names;
    ran_value_names *values;
    size_t counter;
    size_t nesting;
    const ran_op *op; /* being exported */
    ran_status status;
} ran_export;

/* "export: op 'Conv_7' (conv): <message>" */
ran_status ran_export_error(ran_export *ex, ran_status status, const char *format, ...)
    RAN_PRINTF(3, 4);

/* The name of a value; "" for NULL. */
const char *ran_export_name(ran_export *ex, const ran_value *value);
void ran_export_set_name(ran_export *ex, const ran_value *value, const char *name);
/* A name that nothing else has. */
const char *ran_export_fresh(ran_export *ex, const char *stem);

/* A node at the end of the current graph. Absent operands at the end are left out. */
RanOnnx__Node *ran_export_node(ran_export *ex, const char *op_type, size_t input_count,
                               const char *const *inputs, size_t output_count,
                               const char *const *outputs);
RanOnnx__Attribute *ran_export_attr(ran_export *ex, RanOnnx__Node *node, const char *name,
                                    int type);
void ran_export_int(ran_export *ex, RanOnnx__Node *node, const char *name, int64_t value);
void ran_export_ints(ran_export *ex, RanOnnx__Node *node, const char *name, size_t count,
                     const int64_t *values);
void ran_export_float(ran_export *ex, RanOnnx__Node *node, const char *name, double value);
void ran_export_string(ran_export *ex, RanOnnx__Node *node, const char *name, const char *value);

/* Parts of decompositions: a node with one output, whose name is returned (`to`, or a fresh one).
 */
const char *ran_export_emit(ran_export *ex, const char *op_type, const char *to, size_t input_count,
                            const char *const *inputs);
const char *ran_export_scalar(ran_export *ex, ran_elem elem, double value);
const char *ran_export_int64s(ran_export *ex, size_t count, const int64_t *values);

RanOnnx__Tensor *ran_export_tensor(ran_export *ex, const char *name, const ran_tensor *tensor);
/* The ops of a region; its terminator's operands are what it yields. */
void ran_export_region_ops(ran_export *ex, const ran_region *region);
/* A region as a subgraph. */
RanOnnx__Graph *ran_export_subgraph(ran_export *ex, const ran_region *region, const char *name);
/* Ops of `region` in place, its arguments being `arguments`, its results named by `results`. */
void ran_export_inline(ran_export *ex, const ran_region *region, size_t count,
                       const char *const *arguments, const ran_op *op);

void ran_export_op(ran_export *ex, const ran_op *op);

/* Weights beside the model (export_file.c). */
ran_status ran_export_write(ran_export *ex, RanOnnx__Model *model, bool external_data);

#define RAN_EXPORT_APPEND(ex, array, count, item)                                                  \
    ((array) = ran_export_grow((ex)->arena, (array), (count), sizeof(*(array))),                   \
     (array)[(count)++] = (item))
/* Room for one more element: capacities are powers of two. */
void *ran_export_grow(ran_arena *arena, void *array, size_t count, size_t size);

#endif
