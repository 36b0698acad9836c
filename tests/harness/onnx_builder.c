/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "tests/harness/onnx_builder.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>

static void *checked(void *memory)
{
    if (!memory)
        abort();
    return memory;
}

#define APPEND(array, count, item)                                                                 \
    ((array) = checked(realloc((array), ((count) + 1) * sizeof(*(array)))),                        \
     (array)[(count)++] = (item))

static char *copy(const char *text)
{
    return checked(strdup(text));
}

static char **split(const char *text, size_t *out_count)
{
    char **words = NULL, *all = copy(text), *save;
    *out_count = 0;
    for (char *word = strtok_r(all, " ", &save); word; word = strtok_r(NULL, " ", &save))
        APPEND(words, *out_count, copy(strcmp(word, "_") ? word : ""));
    free(all);
    return words;
}

static void free_words(char **words, size_t count)
{
    for (size_t i = 0; i < count; i++)
        free(words[i]);
    free(words);
}

static int64_t *numbers(const char *text, size_t *out_count)
{
    char **words = split(text, out_count);
    int64_t *values = checked(malloc((*out_count + 1) * sizeof(*values)));
    for (size_t i = 0; i < *out_count; i++)
        values[i] = strtoll(words[i], NULL, 10);
    free_words(words, *out_count);
    return values;
}

/* ---- Graphs ---------------------------------------------------------------------------------- */

RanOnnx__Graph *build_graph(void)
{
    RanOnnx__Graph *graph = checked(malloc(sizeof(*graph)));
    ran_onnx__graph__init(graph);
    graph->name = copy("graph");
    return graph;
}

static RanOnnx__Shape *build_shape(const char *dims)
{
    RanOnnx__Shape *shape = checked(malloc(sizeof(*shape)));
    ran_onnx__shape__init(shape);
    size_t rank;
    char **words = split(dims, &rank);
    for (size_t i = 0; i < rank; i++) {
        RanOnnx__Shape__Dimension *dim = checked(malloc(sizeof(*dim)));
        ran_onnx__shape__dimension__init(dim);
        if (isdigit((unsigned char)words[i][0]) || words[i][0] == '-') {
            dim->has_dim_value = 1;
            dim->dim_value = strtoll(words[i], NULL, 10);
        } else if (strcmp(words[i], "?")) {
            dim->dim_param = copy(words[i]);
        }
        APPEND(shape->dim, shape->n_dim, dim);
    }
    free_words(words, rank);
    return shape;
}

static RanOnnx__ValueInfo *value_info(const char *name)
{
    RanOnnx__ValueInfo *info = checked(malloc(sizeof(*info)));
    ran_onnx__value_info__init(info);
    info->name = copy(name);
    return info;
}

void build_input(RanOnnx__Graph *graph, const char *name, int elem, const char *dims)
{
    RanOnnx__ValueInfo *info = value_info(name);
    info->type = checked(malloc(sizeof(*info->type)));
    ran_onnx__value_type__init(info->type);
    info->type->tensor_type = checked(malloc(sizeof(*info->type->tensor_type)));
    ran_onnx__value_type__tensor_type__init(info->type->tensor_type);
    info->type->tensor_type->has_elem_type = 1;
    info->type->tensor_type->elem_type = elem;
    info->type->tensor_type->shape = dims ? build_shape(dims) : NULL;
    APPEND(graph->input, graph->n_input, info);
}

void build_output(RanOnnx__Graph *graph, const char *name)
{
    APPEND(graph->output, graph->n_output, value_info(name));
}

RanOnnx__Node *build_node(RanOnnx__Graph *graph, const char *op_type, const char *inputs,
                          const char *outputs)
{
    RanOnnx__Node *node = checked(malloc(sizeof(*node)));
    ran_onnx__node__init(node);
    node->op_type = copy(op_type);
    node->input = split(inputs, &node->n_input);
    node->output = split(outputs, &node->n_output);
    APPEND(graph->node, graph->n_node, node);
    return node;
}

/* ---- Attributes ------------------------------------------------------------------------------ */

RanOnnx__Attribute *build_attribute(RanOnnx__Node *node, const char *name, int type)
{
    RanOnnx__Attribute *attribute = checked(malloc(sizeof(*attribute)));
    ran_onnx__attribute__init(attribute);
    attribute->name = copy(name);
    attribute->has_type = 1;
    attribute->type = (RanOnnx__Attribute__Type)type;
    APPEND(node->attribute, node->n_attribute, attribute);
    return attribute;
}

void build_int(RanOnnx__Node *node, const char *name, int64_t value)
{
    RanOnnx__Attribute *attribute = build_attribute(node, name, RAN_ONNX__ATTRIBUTE__TYPE__INT);
    attribute->has_i = 1;
    attribute->i = value;
}

void build_ints(RanOnnx__Node *node, const char *name, const char *values)
{
    RanOnnx__Attribute *attribute = build_attribute(node, name, RAN_ONNX__ATTRIBUTE__TYPE__INTS);
    attribute->ints = numbers(values, &attribute->n_ints);
}

void build_float(RanOnnx__Node *node, const char *name, float value)
{
    RanOnnx__Attribute *attribute = build_attribute(node, name, RAN_ONNX__ATTRIBUTE__TYPE__FLOAT);
    attribute->has_f = 1;
    attribute->f = value;
}

void build_string(RanOnnx__Node *node, const char *name, const char *value)
{
    RanOnnx__Attribute *attribute = build_attribute(node, name, RAN_ONNX__ATTRIBUTE__TYPE__STRING);
    attribute->has_s = 1;
    attribute->s.data = (uint8_t *)copy(value);
    attribute->s.len = strlen(value);
}

void build_subgraph(RanOnnx__Node *node, const char *name, RanOnnx__Graph *graph)
{
    build_attribute(node, name, RAN_ONNX__ATTRIBUTE__TYPE__GRAPH)->g = graph;
}

/* ---- Tensors --------------------------------------------------------------------------------- */

RanOnnx__Tensor *build_tensor(RanOnnx__Graph *graph, const char *name, int elem, const char *dims)
{
    RanOnnx__Tensor *tensor = checked(malloc(sizeof(*tensor)));
    ran_onnx__tensor__init(tensor);
    tensor->name = copy(name);
    tensor->has_data_type = 1;
    tensor->data_type = elem;
    tensor->dims = numbers(dims, &tensor->n_dims);
    APPEND(graph->initializer, graph->n_initializer, tensor);
    return tensor;
}

RanOnnx__Tensor *build_floats(RanOnnx__Graph *graph, const char *name, const char *dims,
                              const float *values)
{
    RanOnnx__Tensor *tensor = build_tensor(graph, name, 1, dims);
    tensor->n_float_data = 1;
    for (size_t i = 0; i < tensor->n_dims; i++)
        tensor->n_float_data *= (size_t)tensor->dims[i];
    tensor->float_data = checked(calloc(tensor->n_float_data + 1, sizeof(float)));
    for (size_t i = 0; i < tensor->n_float_data; i++)
        tensor->float_data[i] = values ? values[i] : (float)i;
    return tensor;
}

RanOnnx__Tensor *build_int64s(RanOnnx__Graph *graph, const char *name, const char *dims,
                              const char *values)
{
    RanOnnx__Tensor *tensor = build_tensor(graph, name, 7, dims);
    tensor->int64_data = numbers(values, &tensor->n_int64_data);
    return tensor;
}

void build_external(RanOnnx__Tensor *tensor, const char *key, const char *value)
{
    RanOnnx__KeyValue *pair = checked(malloc(sizeof(*pair)));
    ran_onnx__key_value__init(pair);
    pair->key = copy(key);
    pair->value = copy(value);
    APPEND(tensor->external_data, tensor->n_external_data, pair);
    tensor->has_data_location = 1;
    tensor->data_location = RAN_ONNX__TENSOR__LOCATION__EXTERNAL;
}

/* ---- Models ---------------------------------------------------------------------------------- */

RanOnnx__Model *build_model(RanOnnx__Graph *graph, int64_t opset)
{
    RanOnnx__Model *model = checked(malloc(sizeof(*model)));
    ran_onnx__model__init(model);
    RanOnnx__OperatorSet *set = checked(malloc(sizeof(*set)));
    ran_onnx__operator_set__init(set);
    set->has_version = 1;
    set->version = opset;
    APPEND(model->opset_import, model->n_opset_import, set);
    model->has_ir_version = 1;
    model->ir_version = 8;
    model->graph = graph;
    return model;
}

uint8_t *build_pack(const RanOnnx__Model *model, size_t *out_size)
{
    uint8_t *data = checked(malloc(ran_onnx__model__get_packed_size(model) + 1));
    *out_size = ran_onnx__model__pack(model, data);
    return data;
}
