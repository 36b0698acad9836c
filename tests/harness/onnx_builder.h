/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * ONNX models in a few lines of a test. Lists are words in a string: "x w", "1 3 N 8" (a word that
 * is no number is a symbol; "" is a scalar). Everything hangs on the graph or model that it is
 * added to; ran_onnx__model__free_unpacked(model, NULL) frees all of it.
 */
#ifndef RAN_TESTS_HARNESS_ONNX_BUILDER_H
#define RAN_TESTS_HARNESS_ONNX_BUILDER_H

#include <stdint.h>

#include "frontend/onnx.pb-c.h"

RanOnnx__Graph *build_graph(void);
/* `elem` is a TensorProto.DataType; NULL dims: no shape. */
void build_input(RanOnnx__Graph *graph, const char *name, int elem, const char *dims);
void build_output(RanOnnx__Graph *graph, const char *name);
/* Names "_" are absent. */
RanOnnx__Node *build_node(RanOnnx__Graph *graph, const char *op_type, const char *inputs,
                          const char *outputs);
void build_int(RanOnnx__Node *node, const char *name, int64_t value);
void build_ints(RanOnnx__Node *node, const char *name, const char *values);
void build_float(RanOnnx__Node *node, const char *name, float value);
void build_string(RanOnnx__Node *node, const char *name, const char *value);
void build_subgraph(RanOnnx__Node *node, const char *name, RanOnnx__Graph *graph);
RanOnnx__Attribute *build_attribute(RanOnnx__Node *node, const char *name, int type);
/* Initialisers; NULL values: 0, 1, 2, ... */
RanOnnx__Tensor *build_floats(RanOnnx__Graph *graph, const char *name, const char *dims,
                              const float *values);
RanOnnx__Tensor *build_int64s(RanOnnx__Graph *graph, const char *name, const char *dims,
                              const char *values);
/* Without data. */
RanOnnx__Tensor *build_tensor(RanOnnx__Graph *graph, const char *name, int elem, const char *dims);
void build_external(RanOnnx__Tensor *tensor, const char *key, const char *value);
/* A model whose only graph this is. */
RanOnnx__Model *build_model(RanOnnx__Graph *graph, int64_t opset);
uint8_t *build_pack(const RanOnnx__Model *model, size_t *out_size);

#endif
