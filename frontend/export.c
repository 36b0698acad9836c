/* SPDX-License-Identifier: GPL-3.0-or-later */
/* A module becomes a model: names, types, constants, graphs. */
#include "frontend/export.h"

#include <stdlib.h>
#include <string.h>

#include "config.h"

/* ---- Messages and arrays --------------------------------------------------------------------- */

ran_status ran_export_error(ran_export *ex, ran_status status, const char *format, ...)
{
    char message[1024];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(message, sizeof(message), format, arguments);
    va_end(arguments);
    if (ex->status == RAN_OK || status < ex->status)
        ex->status = status;
    if (!ex->op)
        return ran_error_at(ex->context, status, ex->path, 0, 0, "export: %s", message);
    const char *name = ran_location_name(ran_op_location(ex->op));
    return ran_error_at(ex->context, status, ex->path, 0, 0, "export: op '%s' (%s), opset %d: %s",
                        name ? name : "", ran_opcode_name(ran_op_opcode(ex->op)), ex->opset,
                        message);
}

void *ran_export_grow(ran_arena *arena, void *array, size_t count, size_t size)
{
    if (count & (count - 1) || (count && count < 4))
        return array;
    void *larger = ran_arena_alloc(arena, (count < 4 ? 4 : 2 * count) * size);
    if (count)
        memcpy(larger, array, count * size);
    return larger;
}

#define NEW(ex, type, init)                                                                        \
    __extension__({                                                                                \
        type *message_ = RAN_ARENA_NEW((ex)->arena, type);                                         \
        init(message_);                                                                            \
        message_;                                                                                  \
    })

/* ---- Names of values ------------------------------------------------------------------------- */

/* value -> name, open-addressed. */
struct ran_value_names {
    const ran_value **keys;
    const char **names;
    size_t capacity, count;
};

static size_t slot_of(const ran_value *const *keys, size_t capacity, const ran_value *value)
{
    size_t at = (size_t)(((uintptr_t)value >> 4) * 0x9e3779b97f4a7c15u >> 20) & (capacity - 1);
    while (keys[at] && keys[at] != value)
        at = (at + 1) & (capacity - 1);
    return at;
}

void ran_export_set_name(ran_export *ex, const ran_value *value, const char *name)
{
    ran_value_names *names = ex->values;
    if (2 * (names->count + 1) > names->capacity) {
        ran_value_names larger = {.capacity = names->capacity ? 2 * names->capacity : 256};
        larger.keys = RAN_ARENA_ARRAY(ex->arena, const ran_value *, larger.capacity);
        larger.names = RAN_ARENA_ARRAY(ex->arena, const char *, larger.capacity);
        for (size_t i = 0; i < names->capacity; i++)
            if (names->keys[i]) {
                size_t at = slot_of(larger.keys, larger.capacity, names->keys[i]);
                larger.keys[at] = names->keys[i];
                larger.names[at] = names->names[i];
            }
        larger.count = names->count;
        *names = larger;
    }
    size_t at = slot_of(names->keys, names->capacity, value);
    names->count += !names->keys[at];
    names->keys[at] = value;
    names->names[at] = name;
}

static const char *find_name(const ran_export *ex, const ran_value *value)
{
    const ran_value_names *names = ex->values;
    return names->capacity ? names->names[slot_of(names->keys, names->capacity, value)] : NULL;
}

static const char *unique(ran_export *ex, ran_onnx_scope *taken, const char *stem)
{
    const char *name = ran_intern(ex->context, stem);
    while (!*name || !ran_scope_bind(taken, name, NULL))
        name = ran_intern_printf(ex->context, "%s_%zu", stem, ++ex->counter);
    return name;
}

const char *ran_export_fresh(ran_export *ex, const char *stem)
{
    return unique(ex, &ex->names, ran_intern_printf(ex->context, "%s_%zu", stem, ++ex->counter));
}

const char *ran_export_name(ran_export *ex, const ran_value *value)
{
    if (!value)
        return "";
    const char *name = find_name(ex, value);
    if (name)
        return name;
    const char *own = ran_value_name(value);
    name = own && *own ? unique(ex, &ex->names, own) : ran_export_fresh(ex, "t");
    ran_export_set_name(ex, value, name);
    return name;
}

/* ---- Nodes ----------------------------------------------------------------------------------- */

static const char *node_name(ran_export *ex, const char *op_type)
{
    const ran_location *location = ex->op ? ran_op_location(ex->op) : NULL;
    const char *name = location ? ran_location_name(location) : NULL;
    return unique(ex, &ex->node_names, name && *name ? name : op_type);
}

static char **copy_names(ran_export *ex, size_t count, const char *const *names, size_t *out_count)
{
    while (count && !*names[count - 1])
        count--;
    char **copy = RAN_ARENA_ARRAY(ex->arena, char *, count + 1);
    for (size_t i = 0; i < count; i++)
        copy[i] = (char *)names[i];
    *out_count = count;
    return copy;
}

RanOnnx__Node *ran_export_node(ran_export *ex, const char *op_type, size_t input_count,
                               const char *const *inputs, size_t output_count,
                               const char *const *outputs)
{
    RanOnnx__Node *node = NEW(ex, RanOnnx__Node, ran_onnx__node__init);
    node->op_type = (char *)op_type;
    node->name = (char *)node_name(ex, op_type);
    node->input = copy_names(ex, input_count, inputs, &node->n_input);
    node->output = copy_names(ex, output_count, outputs, &node->n_output);
    RAN_EXPORT_APPEND(ex, ex->graph->node, ex->graph->n_node, node);
    return node;
}

RanOnnx__Attribute *ran_export_attr(ran_export *ex, RanOnnx__Node *node, const char *name, int type)
{
    RanOnnx__Attribute *attr = NEW(ex, RanOnnx__Attribute, ran_onnx__attribute__init);
    attr->name = (char *)name;
    attr->has_type = 1;
    attr->type = (RanOnnx__Attribute__Type)type;
    RAN_EXPORT_APPEND(ex, node->attribute, node->n_attribute, attr);
    return attr;
}

void ran_export_int(ran_export *ex, RanOnnx__Node *node, const char *name, int64_t value)
{
    RanOnnx__Attribute *attr = ran_export_attr(ex, node, name, RAN_ONNX__ATTRIBUTE__TYPE__INT);
    attr->has_i = 1;
    attr->i = value;
}

void ran_export_ints(ran_export *ex, RanOnnx__Node *node, const char *name, size_t count,
                     const int64_t *values)
{
    RanOnnx__Attribute *attr = ran_export_attr(ex, node, name, RAN_ONNX__ATTRIBUTE__TYPE__INTS);
    attr->n_ints = count;
    attr->ints = ran_arena_copy(ex->arena, values, count * sizeof(*values));
}

void ran_export_float(ran_export *ex, RanOnnx__Node *node, const char *name, double value)
{
    RanOnnx__Attribute *attr = ran_export_attr(ex, node, name, RAN_ONNX__ATTRIBUTE__TYPE__FLOAT);
    attr->has_f = 1;
    attr->f = (float)value;
}

void ran_export_string(ran_export *ex, RanOnnx__Node *node, const char *name, const char *value)
{
    RanOnnx__Attribute *attr = ran_export_attr(ex, node, name, RAN_ONNX__ATTRIBUTE__TYPE__STRING);
    attr->has_s = 1;
    attr->s = (ProtobufCBinaryData){strlen(value), (uint8_t *)ran_arena_string(ex->arena, value)};
}

const char *ran_export_emit(ran_export *ex, const char *op_type, const char *to, size_t input_count,
                            const char *const *inputs)
{
    if (!to)
        to = ran_export_fresh(ex, "t");
    ran_export_node(ex, op_type, input_count, inputs, 1, &to);
    return to;
}

/* ---- Constants ------------------------------------------------------------------------------- */

static void set_strings(ran_export *ex, RanOnnx__Tensor *proto, const ran_tensor *tensor)
{
    char *const *strings = ran_tensor_data(tensor);
    proto->n_string_data = (size_t)ran_tensor_numel(tensor);
    proto->string_data = RAN_ARENA_ARRAY(ex->arena, ProtobufCBinaryData, proto->n_string_data + 1);
    for (size_t i = 0; i < proto->n_string_data; i++) {
        const char *text = strings[i] ? strings[i] : "";
        proto->string_data[i] = (ProtobufCBinaryData){strlen(text), (uint8_t *)text};
    }
}

RanOnnx__Tensor *ran_export_tensor(ran_export *ex, const char *name, const ran_tensor *tensor)
{
    RanOnnx__Tensor *proto = NEW(ex, RanOnnx__Tensor, ran_onnx__tensor__init);
    proto->name = (char *)name;
    proto->n_dims = (size_t)ran_tensor_rank(tensor);
    proto->dims =
        ran_arena_copy(ex->arena, ran_tensor_dims(tensor), proto->n_dims * sizeof(*proto->dims));
    proto->has_data_type = 1;
    proto->data_type = ran_elem_onnx(ran_tensor_elem(tensor));
    if (ran_tensor_elem(tensor) == RAN_ELEM_STRING) {
        set_strings(ex, proto, tensor);
        return proto;
    }
    proto->has_raw_data = 1;
    proto->raw_data.len = ran_tensor_bytes(tensor);
    proto->raw_data.data = (uint8_t *)ran_tensor_data(tensor);
    return proto;
}

static const char *add_initializer(ran_export *ex, const char *name, const ran_tensor *tensor)
{
    RAN_EXPORT_APPEND(ex, ex->main->initializer, ex->main->n_initializer,
                      ran_export_tensor(ex, name, tensor));
    return name;
}

static void release(void *data, void *owner)
{
    (void)data;
    (void)owner;
}

/* A small constant of a decomposition: its bytes move to the arena. */
static const char *add_small(ran_export *ex, ran_tensor *tensor)
{
    void *bytes = ran_arena_copy(ex->arena, ran_tensor_data(tensor), ran_tensor_bytes(tensor) + 1);
    ran_tensor *copy = ran_tensor_wrap(ran_tensor_elem(tensor), ran_tensor_rank(tensor),
                                       ran_tensor_dims(tensor), bytes, release, NULL);
    const char *name = add_initializer(ex, ran_export_fresh(ex, "c"), copy);
    ran_tensor_release(copy);
    ran_tensor_release(tensor);
    return name;
}

const char *ran_export_scalar(ran_export *ex, ran_elem elem, double value)
{
    ran_tensor *tensor = ran_tensor_create(elem, 0, NULL);
    ran_tensor_set_f64(tensor, 0, value);
    return add_small(ex, tensor);
}

const char *ran_export_int64s(ran_export *ex, size_t count, const int64_t *values)
{
    ran_tensor *tensor = ran_tensor_create(RAN_ELEM_I64, 1, (int64_t[]){(int64_t)count});
    if (count)
        memcpy(ran_tensor_mutable_data(tensor), values, count * sizeof(*values));
    return add_small(ex, tensor);
}

static void export_constants(ran_export *ex)
{
    for (ran_value *constant = ran_module_first_constant(ex->module); constant;
         constant = ran_constant_next(constant))
        if (ran_value_has_uses(constant))
            (void)add_initializer(ex, ran_export_name(ex, constant), ran_value_constant(constant));
}

/* ---- Types ----------------------------------------------------------------------------------- */

static RanOnnx__Shape *export_shape(ran_export *ex, const ran_type *type)
{
    RanOnnx__Shape *shape = NEW(ex, RanOnnx__Shape, ran_onnx__shape__init);
    for (int i = 0; i < ran_type_rank(type); i++) {
        const ran_dim *dim = ran_type_dim(type, i);
        RanOnnx__Shape__Dimension *proto =
            NEW(ex, RanOnnx__Shape__Dimension, ran_onnx__shape__dimension__init);
        if (ran_dim_is_constant(dim)) {
            proto->has_dim_value = 1;
            proto->dim_value = ran_dim_value(dim);
        } else if (ran_dim_get_kind(dim) == RAN_DIM_SYMBOL && *ran_dim_name(dim) != '?') {
            proto->dim_param = (char *)ran_dim_name(dim);
        }
        RAN_EXPORT_APPEND(ex, shape->dim, shape->n_dim, proto);
    }
    return shape;
}

static RanOnnx__ValueType *export_type(ran_export *ex, const ran_type *type)
{
    RanOnnx__ValueType *proto = NEW(ex, RanOnnx__ValueType, ran_onnx__value_type__init);
    if (ran_type_is_tensor(type)) {
        proto->tensor_type =
            NEW(ex, RanOnnx__ValueType__TensorType, ran_onnx__value_type__tensor_type__init);
        proto->tensor_type->has_elem_type = 1;
        proto->tensor_type->elem_type = ran_elem_onnx(ran_type_elem(type));
        if (ran_type_rank(type) >= 0)
            proto->tensor_type->shape = export_shape(ex, type);
    } else if (ran_type_get_kind(type) == RAN_TYPE_SEQUENCE) {
        proto->sequence_type =
            NEW(ex, RanOnnx__ValueType__SequenceType, ran_onnx__value_type__sequence_type__init);
        proto->sequence_type->elem_type = export_type(ex, ran_type_inner(type));
    } else {
        proto->optional_type =
            NEW(ex, RanOnnx__ValueType__OptionalType, ran_onnx__value_type__optional_type__init);
        proto->optional_type->elem_type = export_type(ex, ran_type_inner(type));
    }
    return proto;
}

static RanOnnx__ValueInfo *value_info(ran_export *ex, const char *name, const ran_type *type)
{
    RanOnnx__ValueInfo *info = NEW(ex, RanOnnx__ValueInfo, ran_onnx__value_info__init);
    info->name = (char *)name;
    info->type = export_type(ex, type);
    return info;
}

/* ---- Graphs ---------------------------------------------------------------------------------- */

void ran_export_region_ops(ran_export *ex, const ran_region *region)
{
    const ran_op *outer = ex->op;
    for (const ran_op *op = ran_region_first(region); op && op != ran_region_terminator(region);
         op = ran_op_next(op)) {
        ex->op = op;
        ran_export_op(ex, op);
    }
    ex->op = outer;
}

/* A graph's outputs have names of their own; a value that bears another one is copied. */
static void add_output(ran_export *ex, const ran_value *value, const char *name)
{
    const char *from = ran_export_name(ex, value);
    if (name != from)
        ran_export_emit(ex, "Identity", name, 1, &from);
    RAN_EXPORT_APPEND(ex, ex->graph->output, ex->graph->n_output,
                      value_info(ex, name, ran_value_type(value)));
}

RanOnnx__Graph *ran_export_subgraph(ran_export *ex, const ran_region *region, const char *name)
{
    RanOnnx__Graph *outer = ex->graph;
    RanOnnx__Graph *graph = NEW(ex, RanOnnx__Graph, ran_onnx__graph__init);
    ex->graph = graph;
    graph->name = (char *)name;
    for (size_t i = 0; i < ran_region_argument_count(region); i++) {
        const ran_value *argument = ran_region_argument(region, i);
        RAN_EXPORT_APPEND(ex, graph->input, graph->n_input,
                          value_info(ex, ran_export_name(ex, argument), ran_value_type(argument)));
    }
    ran_export_region_ops(ex, region);
    const ran_op *yield = ran_region_terminator(region);
    for (size_t i = 0; i < ran_op_operand_count(yield); i++) {
        const ran_value *value = ran_op_operand(yield, i);
        /* What comes from outside, or is yielded twice, must be copied. */
        bool inside = ran_value_op(value) && ran_op_parent(ran_value_op(value)) == region;
        for (size_t k = 0; k < i; k++)
            inside &= ran_op_operand(yield, k) != value;
        add_output(ex, value, inside ? ran_export_name(ex, value) : ran_export_fresh(ex, "out"));
    }
    ex->graph = outer;
    return graph;
}

void ran_export_inline(ran_export *ex, const ran_region *region, size_t count,
                       const char *const *arguments, const ran_op *op)
{
    if (++ex->nesting > RAN_ONNX_MAX_NESTING) {
        (void)ran_export_error(ex, RAN_UNSUPPORTED, "calls are nested too deeply");
        ex->nesting--;
        return;
    }
    for (size_t i = 0; i < count && i < ran_region_argument_count(region); i++)
        ran_export_set_name(ex, ran_region_argument(region, i), arguments[i]);
    /* The same region may be inlined again: its values need other names each time. */
    for (const ran_op *inner = ran_region_first(region); inner; inner = ran_op_next(inner))
        for (size_t i = 0; i < ran_op_result_count(inner); i++)
            ran_export_set_name(ex, ran_op_result(inner, i), ran_export_fresh(ex, "t"));
    ran_export_region_ops(ex, region);
    const ran_op *yield = ran_region_terminator(region);
    for (size_t i = 0; i < ran_op_result_count(op); i++) {
        const char *from = ran_export_name(ex, ran_op_operand(yield, i));
        ran_export_emit(ex, "Identity", ran_export_name(ex, ran_op_result(op, i)), 1, &from);
    }
    ex->nesting--;
}

/* Inputs and outputs keep their names, so they take them before anything else does. */
static void reserve_names(ran_export *ex, const ran_function *function)
{
    const ran_region *body = ran_function_body(function);
    const ran_op *end = ran_region_terminator(body);
    for (size_t i = 0; i < ran_region_argument_count(body); i++)
        (void)ran_export_name(ex, ran_region_argument(body, i));
    for (size_t i = 0; i < ran_op_operand_count(end); i++) {
        const ran_value *value = ran_op_operand(end, i);
        const char *name = ran_function_output_name(function, i);
        name = ran_intern(ex->context, name && *name ? name : "output");
        bool free = ran_scope_bind(&ex->names, name, NULL);
        if (free && ran_value_op(value) && !find_name(ex, value))
            ran_export_set_name(ex, value, name);
    }
}

/* ONNX has no other word for an unknown rank than to leave the shape out, which onnx.checker refuses
 * at the main graph's borders. */
static void warn_unranked(const ran_export *ex, const char *what, const char *name,
                          const ran_type *type)
{
    if (ran_type_is_tensor(type) && ran_type_rank(type) < 0)
        ran_warn(ex->context,
                 "%s %s: its rank is not known: it is written without a shape, which onnx.checker "
                 "does not accept",
                 what, name);
}

static void export_main(ran_export *ex, const ran_function *function)
{
    const ran_region *body = ran_function_body(function);
    const ran_op *end = ran_region_terminator(body);
    RanOnnx__Graph *graph = ex->graph = ex->main;
    const char *name = ran_module_metadata(ex->module, "graph");
    graph->name = (char *)(name && *name ? name : ran_function_name(function));
    reserve_names(ex, function);
    for (size_t i = 0; i < ran_region_argument_count(body); i++) {
        const ran_value *argument = ran_region_argument(body, i);
        const char *own = ran_export_name(ex, argument);
        warn_unranked(ex, "input", own, ran_value_type(argument));
        RAN_EXPORT_APPEND(ex, graph->input, graph->n_input,
                          value_info(ex, own, ran_value_type(argument)));
    }
    export_constants(ex);
    ran_export_region_ops(ex, body);
    ran_onnx_scope done = ran_scope_open(NULL);
    for (size_t i = 0; i < ran_op_operand_count(end); i++) {
        const char *own = ran_function_output_name(function, i);
        own = ran_intern(ex->context, own && *own ? own : "output");
        if (!ran_scope_bind(&done, own, NULL))
            own = ran_export_fresh(ex, "output");
        warn_unranked(ex, "output", own, ran_value_type(ran_op_operand(end, i)));
        /* An input that is an output under the same name needs nothing. */
        add_output(ex, ran_op_operand(end, i), own);
    }
    ran_scope_close(&done);
}

/* ---- The model ------------------------------------------------------------------------------- */

static void export_metadata(ran_export *ex, RanOnnx__Model *model)
{
    for (size_t i = 0; i < ran_module_metadata_count(ex->module); i++) {
        const char *key = ran_module_metadata_key(ex->module, i);
        if (!strcmp(key, "graph") || !strcmp(key, "producer"))
            continue;
        RanOnnx__KeyValue *pair = NEW(ex, RanOnnx__KeyValue, ran_onnx__key_value__init);
        pair->key = (char *)key;
        pair->value = (char *)ran_module_metadata(ex->module, key);
        RAN_EXPORT_APPEND(ex, model->metadata_props, model->n_metadata_props, pair);
    }
}

/* The format's version that came with an opset. */
static int64_t ir_version(int opset)
{
    return opset >= 21 ? 10 : opset >= 19 ? 9 : 8;
}

static RanOnnx__Model *new_model(ran_export *ex)
{
    RanOnnx__Model *model = NEW(ex, RanOnnx__Model, ran_onnx__model__init);
    RanOnnx__OperatorSet *opset = NEW(ex, RanOnnx__OperatorSet, ran_onnx__operator_set__init);
    opset->domain = (char *)"";
    opset->has_version = 1;
    opset->version = ex->opset;
    RAN_EXPORT_APPEND(ex, model->opset_import, model->n_opset_import, opset);
    model->has_ir_version = 1;
    model->ir_version = ir_version(ex->opset);
    model->producer_name = (char *)"rancc";
    model->producer_version = (char *)PACKAGE_VERSION;
    model->graph = ex->main;
    export_metadata(ex, model);
    return model;
}

ran_status ran_onnx_export(const ran_module *module, const char *path,
                           const ran_export_options *options)
{
    ran_export ex = {.context = ran_module_context(module), .module = module, .path = path};
    const ran_function *function = ran_module_first_function(module);
    ex.opset = options && options->opset ? options->opset : 21;
    if (ex.opset < 17 || ex.opset > 22)
        return ran_error(ex.context, RAN_USAGE, "models are exported with opsets 17 to 22, not %d",
                         ex.opset);
    if (!function)
        return ran_error(ex.context, RAN_INVALID, "the module has no function to export");
    ex.arena = ran_arena_create();
    ex.values = RAN_ARENA_NEW(ex.arena, ran_value_names);
    ex.main = NEW(&ex, RanOnnx__Graph, ran_onnx__graph__init);
    export_main(&ex, function);
    ran_status status = ex.status;
    if (status == RAN_OK)
        status = ran_export_write(&ex, new_model(&ex), options && options->external_data);
    ran_scope_close(&ex.names);
    ran_scope_close(&ex.node_names);
    ran_arena_destroy(ex.arena);
    return status;
}
