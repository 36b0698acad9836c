/* SPDX-License-Identifier: GPL-3.0-or-later */
/* What mappers work with: attributes, operands, messages, and the generic rule. */
#include "frontend/onnx.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

static const ran_onnx_row rows[] = {
#define RAN_ONNX_OP(name_, opcode_, mapper, ...)                                                   \
    {.name = #name_, .opcode = RAN_OP_##opcode_, .map = ran_onnx_map_##mapper, __VA_ARGS__},
#include "frontend/ops.def"
};

const ran_onnx_row *ran_onnx_rows(size_t *out_count)
{
    *out_count = sizeof(rows) / sizeof(*rows);
    return rows;
}

static int compare_row(const void *key, const void *row)
{
    return strcmp(key, ((const ran_onnx_row *)row)->name);
}

const ran_onnx_row *ran_onnx_row_find(const char *op_type)
{
    return bsearch(op_type, rows, sizeof(rows) / sizeof(*rows), sizeof(*rows), compare_row);
}

/* ---- Messages -------------------------------------------------------------------------------- */

static const char *operand_types(ran_onnx_node *node)
{
    ran_context *context = node->import->context;
    const char *text = "";
    for (size_t i = 0; i < node->input_count && i < 16; i++) {
        const ran_value *value = node->inputs[i];
        const ran_onnx_sequence *sequence = node->input_sequences[i];
        const char *type = value ? ran_type_text(context, ran_value_type(value)) : "_";
        if (sequence)
            type = ran_intern_printf(context, "a sequence of %zu", sequence->count);
        text = ran_intern_printf(context, "%s%s%s", text, i ? ", " : "", type);
    }
    return text;
}

ran_status ran_onnx_node_error(ran_onnx_node *node, ran_status status, const char *format, ...)
{
    char message[1024];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(message, sizeof(message), format, arguments);
    va_end(arguments);
    node->failed = true;
    const char *types = node->inputs ? operand_types(node) : "";
    return ran_import_error(node->import, status, "node '%s' (%s, opset %lld): %s%s%s", node->name,
                            node->proto->op_type, (long long)node->opset, message,
                            *types ? "; operands: " : "", types);
}

/* ---- Attributes ------------------------------------------------------------------------------ */

static ran_onnx_attr *find_attr(ran_onnx_node *node, const char *name)
{
    for (size_t i = 0; i < node->attr_count; i++)
        if (strcmp(node->attrs[i].name, name) == 0)
            return &node->attrs[i];
    return NULL;
}

/* Which of the fields is set, for files that leave the type out. */
static int attr_type(const RanOnnx__Attribute *proto)
{
    if (proto->has_type && proto->type)
        return proto->type;
    const struct {
        bool set;
        int type;
    } fields[] = {
        {proto->has_f, RAN_ONNX__ATTRIBUTE__TYPE__FLOAT},
        {proto->has_i, RAN_ONNX__ATTRIBUTE__TYPE__INT},
        {proto->has_s, RAN_ONNX__ATTRIBUTE__TYPE__STRING},
        {proto->t != NULL, RAN_ONNX__ATTRIBUTE__TYPE__TENSOR},
        {proto->g != NULL, RAN_ONNX__ATTRIBUTE__TYPE__GRAPH},
        {proto->n_floats > 0, RAN_ONNX__ATTRIBUTE__TYPE__FLOATS},
        {proto->n_ints > 0, RAN_ONNX__ATTRIBUTE__TYPE__INTS},
        {proto->n_strings > 0, RAN_ONNX__ATTRIBUTE__TYPE__STRINGS},
    };
    for (size_t i = 0; i < sizeof(fields) / sizeof(*fields); i++)
        if (fields[i].set)
            return fields[i].type;
    return RAN_ONNX__ATTRIBUTE__TYPE__UNDEFINED;
}

static const RanOnnx__Attribute *attr_of_type(ran_onnx_node *node, const char *name, int type)
{
    ran_onnx_attr *attr = find_attr(node, name);
    if (!attr)
        return NULL;
    attr->used = true;
    /* A list without elements has no field to recognise it by. */
    int actual = attr_type(attr->proto);
    bool empty_list =
        actual == RAN_ONNX__ATTRIBUTE__TYPE__UNDEFINED &&
        (type == RAN_ONNX__ATTRIBUTE__TYPE__INTS || type == RAN_ONNX__ATTRIBUTE__TYPE__FLOATS ||
         type == RAN_ONNX__ATTRIBUTE__TYPE__STRINGS);
    if (actual == type || empty_list)
        return attr->proto;
    (void)ran_onnx_node_error(node, RAN_INVALID, "attribute '%s' has the wrong type", name);
    return NULL;
}

bool ran_onnx_has_attr(ran_onnx_node *node, const char *name)
{
    return find_attr(node, name) != NULL;
}

const RanOnnx__Attribute *ran_onnx_attribute(ran_onnx_node *node, const char *name)
{
    ran_onnx_attr *attr = find_attr(node, name);
    if (attr)
        attr->used = true;
    return attr ? attr->proto : NULL;
}

void ran_onnx_ignore(ran_onnx_node *node, const char *name)
{
    (void)ran_onnx_attribute(node, name);
}

int64_t ran_onnx_int(ran_onnx_node *node, const char *name, int64_t absent)
{
    const RanOnnx__Attribute *proto = attr_of_type(node, name, RAN_ONNX__ATTRIBUTE__TYPE__INT);
    return proto ? proto->i : absent;
}

double ran_onnx_float(ran_onnx_node *node, const char *name, double absent)
{
    const RanOnnx__Attribute *proto = attr_of_type(node, name, RAN_ONNX__ATTRIBUTE__TYPE__FLOAT);
    return proto ? proto->f : absent;
}

static const char *intern_bytes(ran_onnx_node *node, const ProtobufCBinaryData *bytes)
{
    return ran_intern_n(node->import->context, bytes->data ? (const char *)bytes->data : "",
                        bytes->data ? strnlen((const char *)bytes->data, bytes->len) : 0);
}

const char *ran_onnx_string(ran_onnx_node *node, const char *name, const char *absent)
{
    const RanOnnx__Attribute *proto = attr_of_type(node, name, RAN_ONNX__ATTRIBUTE__TYPE__STRING);
    return proto ? intern_bytes(node, &proto->s) : absent;
}

const int64_t *ran_onnx_ints(ran_onnx_node *node, const char *name, size_t *out_count)
{
    static const int64_t none[1];
    const RanOnnx__Attribute *proto = attr_of_type(node, name, RAN_ONNX__ATTRIBUTE__TYPE__INTS);
    *out_count = proto ? proto->n_ints : 0;
    if (!proto)
        return NULL;
    return proto->n_ints ? proto->ints : none;
}

/* ---- Operands -------------------------------------------------------------------------------- */

ran_value *ran_onnx_input(const ran_onnx_node *node, size_t index)
{
    return index < node->input_count ? node->inputs[index] : NULL;
}

const ran_onnx_sequence *ran_onnx_input_sequence(const ran_onnx_node *node, size_t index)
{
    return index < node->input_count ? node->input_sequences[index] : NULL;
}

ran_elem ran_onnx_input_elem(const ran_onnx_node *node, size_t index)
{
    const ran_value *value = ran_onnx_input(node, index);
    return value && ran_type_is_tensor(ran_value_type(value)) ? ran_type_elem(ran_value_type(value))
                                                              : RAN_ELEM_F32;
}

int ran_onnx_input_rank(const ran_onnx_node *node, size_t index)
{
    const ran_value *value = ran_onnx_input(node, index);
    return value && ran_type_is_tensor(ran_value_type(value)) ? ran_type_rank(ran_value_type(value))
                                                              : -1;
}

static ran_value *add_constant(ran_onnx_node *node, ran_tensor *tensor)
{
    ran_value *value = ran_constant_create(node->import->module, NULL, tensor);
    ran_tensor_release(tensor);
    return value;
}

ran_value *ran_onnx_const_ints(ran_onnx_node *node, const int64_t *values, size_t count)
{
    ran_tensor *tensor = ran_tensor_create(RAN_ELEM_I64, 1, (int64_t[]){(int64_t)count});
    if (count)
        memcpy(ran_tensor_mutable_data(tensor), values, count * sizeof(*values));
    return add_constant(node, tensor);
}

ran_value *ran_onnx_const_int(ran_onnx_node *node, int64_t value)
{
    ran_tensor *tensor = ran_tensor_create(RAN_ELEM_I64, 0, NULL);
    ran_tensor_set_i64(tensor, 0, value);
    return add_constant(node, tensor);
}

ran_value *ran_onnx_const_scalar(ran_onnx_node *node, ran_elem elem, double value)
{
    ran_tensor *tensor = ran_tensor_create(elem, 0, NULL);
    ran_tensor_set_f64(tensor, 0, value);
    return add_constant(node, tensor);
}

/* ---- The generic rule ------------------------------------------------------------------------ */

static void set_floats(ran_op *op, const char *name, const RanOnnx__Attribute *proto)
{
    double *values = malloc((proto->n_floats + 1) * sizeof(*values));
    for (size_t i = 0; i < proto->n_floats; i++)
        values[i] = proto->floats[i];
    ran_op_set_floats(op, name, values, proto->n_floats);
    free(values);
}

static void set_strings(ran_onnx_node *node, ran_op *op, const char *name,
                        const RanOnnx__Attribute *proto)
{
    const char **values = malloc((proto->n_strings + 1) * sizeof(*values));
    for (size_t i = 0; i < proto->n_strings; i++)
        values[i] = intern_bytes(node, &proto->strings[i]);
    ran_op_set_strings(op, name, values, proto->n_strings);
    free(values);
}

/* An element type; 0 stands for "not given". */
static void set_type(ran_onnx_node *node, ran_op *op, const char *name, int64_t number)
{
    ran_elem elem;
    if (number != (int)number || !ran_elem_from_onnx((int)number, &elem)) {
        if (number)
            (void)ran_onnx_node_error(node, RAN_UNSUPPORTED,
                                      "attribute '%s': element type %lld is not known", name,
                                      (long long)number);
        return;
    }
    ran_op_set_type_attr(op, name,
                         ran_type_tensor(node->import->context, elem, 0, NULL, RAN_PLAIN));
}

static void set_tensor(ran_onnx_node *node, ran_op *op, const char *name, RanOnnx__Tensor *proto)
{
    ran_tensor *tensor;
    const char *what =
        ran_intern_printf(node->import->context, "attribute '%s' of node '%s'", name, node->name);
    if (!proto || ran_onnx_tensor(node->import, proto, what, false, &tensor) != RAN_OK) {
        node->failed = true;
        return;
    }
    ran_op_set_tensor(op, name, tensor);
    ran_tensor_release(tensor);
}

static const int attr_types[] = {
    [RAN_ATTR_INT] = RAN_ONNX__ATTRIBUTE__TYPE__INT,
    [RAN_ATTR_FLOAT] = RAN_ONNX__ATTRIBUTE__TYPE__FLOAT,
    [RAN_ATTR_STRING] = RAN_ONNX__ATTRIBUTE__TYPE__STRING,
    [RAN_ATTR_INTS] = RAN_ONNX__ATTRIBUTE__TYPE__INTS,
    [RAN_ATTR_FLOATS] = RAN_ONNX__ATTRIBUTE__TYPE__FLOATS,
    [RAN_ATTR_STRINGS] = RAN_ONNX__ATTRIBUTE__TYPE__STRINGS,
    [RAN_ATTR_TYPE] = RAN_ONNX__ATTRIBUTE__TYPE__INT,
    [RAN_ATTR_TENSOR] = RAN_ONNX__ATTRIBUTE__TYPE__TENSOR,
};

static void set_attr(ran_onnx_node *node, ran_op *op, const ran_attr_spec *spec)
{
    const char *name = spec->name;
    const RanOnnx__Attribute *proto = attr_of_type(node, name, attr_types[spec->kind]);
    if (!proto)
        return;
    switch (spec->kind) {
    case RAN_ATTR_INT:
        ran_op_set_int(op, name, proto->i);
        break;
    case RAN_ATTR_FLOAT:
        ran_op_set_float(op, name, proto->f);
        break;
    case RAN_ATTR_STRING:
        ran_op_set_string(op, name, intern_bytes(node, &proto->s));
        break;
    case RAN_ATTR_INTS:
        ran_op_set_ints(op, name, proto->ints, proto->n_ints);
        break;
    case RAN_ATTR_FLOATS:
        set_floats(op, name, proto);
        break;
    case RAN_ATTR_STRINGS:
        set_strings(node, op, name, proto);
        break;
    case RAN_ATTR_TYPE:
        set_type(node, op, name, proto->i);
        break;
    case RAN_ATTR_TENSOR:
        set_tensor(node, op, name, proto->t);
        break;
    }
}

static void set_attrs(ran_onnx_node *node, ran_op *op)
{
    const ran_op_def *def = ran_op_definition(ran_op_opcode(op));
    if (node->since < 6)
        ran_onnx_ignore(node, "consumed_inputs");
    for (size_t i = 0; i < node->attr_count && !node->failed; i++) {
        if (node->attrs[i].used)
            continue;
        const ran_attr_spec *spec = ran_attr_spec_find(ran_op_opcode(op), node->attrs[i].name);
        if (spec)
            set_attr(node, op, spec);
        else
            (void)ran_onnx_node_error(node, RAN_UNSUPPORTED,
                                      "attribute '%s' is not one of this op's; remove it or convert"
                                      " the model to another opset",
                                      node->attrs[i].name);
    }
    for (size_t i = 0; i < def->attr_count && !node->failed; i++)
        if (def->attrs[i].required && !ran_op_has_attr(op, def->attrs[i].name))
            (void)ran_onnx_node_error(node, RAN_INVALID, "attribute '%s' is missing",
                                      def->attrs[i].name);
}

static bool check_operands(ran_onnx_node *node, const ran_op_def *def, size_t count,
                           ran_value *const *operands)
{
    bool variadic = def->operand_count && def->operands[def->operand_count - 1].variadic;
    if (count > def->operand_count && !variadic) {
        (void)ran_onnx_node_error(node, RAN_INVALID, "%zu inputs, the op takes at most %zu", count,
                                  def->operand_count);
        return false;
    }
    for (size_t i = 0; i < def->operand_count; i++) {
        bool absent = i >= count || !operands[i];
        if (absent && !def->operands[i].optional) {
            (void)ran_onnx_node_error(node, RAN_INVALID, "input '%s' is missing",
                                      def->operands[i].name);
            return false;
        }
    }
    for (size_t i = def->operand_count; i < count; i++)
        if (!operands[i]) {
            (void)ran_onnx_node_error(node, RAN_INVALID, "input %zu is missing", i);
            return false;
        }
    return true;
}

static bool check_results(ran_onnx_node *node, const ran_op_def *def, size_t count)
{
    bool variadic = def->result_count && def->results[def->result_count - 1].variadic;
    if (count <= def->result_count || variadic)
        return true;
    (void)ran_onnx_node_error(node, RAN_INVALID, "%zu outputs, the op has at most %zu", count,
                              def->result_count);
    return false;
}

ran_op *ran_onnx_create(ran_onnx_node *node, ran_opcode opcode, size_t count,
                        ran_value *const *operands, size_t result_count)
{
    const ran_op_def *def = ran_op_definition(opcode);
    if (node->failed || !check_operands(node, def, count, operands) ||
        !check_results(node, def, result_count))
        return NULL;
    if (result_count < def->min_results)
        result_count = def->min_results;
    ran_op *op = ran_op_create(node->builder, opcode, count, operands, result_count);
    set_attrs(node, op);
    return node->failed ? NULL : op;
}

/* The messages of the IR's own checks, made into one of the node's. */
static void report_inference(ran_onnx_node *node, size_t first, ran_status status)
{
    ran_context *context = node->import->context;
    const char *text = "";
    for (size_t i = first; i < ran_diagnostic_count(context); i++) {
        const ran_diagnostic *diagnostic = ran_diagnostic_at(context, i);
        if (diagnostic->severity == RAN_ERROR)
            text =
                ran_intern_printf(context, "%s%s%s", text, *text ? "; " : "", diagnostic->message);
    }
    ran_diagnostics_truncate(context, first);
    (void)ran_onnx_node_error(node, status, "%s", text);
}

ran_status ran_onnx_infer(ran_onnx_node *node, ran_op *op)
{
    size_t first = ran_diagnostic_count(node->import->context);
    const ran_op_hooks *hooks = ran_op_definition(ran_op_opcode(op))->hooks;
    ran_status status = ran_op_infer_types(op);
    if (status == RAN_OK && hooks && hooks->verify)
        status = hooks->verify(op);
    if (status != RAN_OK)
        report_inference(node, first, status);
    return status;
}

ran_status ran_onnx_finish(ran_onnx_node *node, ran_op *op)
{
    if (!op || node->failed)
        return RAN_INVALID;
    ran_status status = ran_onnx_infer(node, op);
    for (size_t i = 0; status == RAN_OK && i < node->output_count; i++)
        node->outputs[i] = ran_op_result(op, i);
    return status;
}

ran_status ran_onnx_map(ran_onnx_node *node, ran_opcode opcode, size_t count,
                        ran_value *const *operands)
{
    return ran_onnx_finish(node,
                           ran_onnx_create(node, opcode, count, operands, node->output_count));
}

ran_status ran_onnx_map_generic(ran_onnx_node *node)
{
    return ran_onnx_map(node, node->row->opcode, node->input_count, node->inputs);
}

/* ---- Ops of decompositions ------------------------------------------------------------------- */

ran_value *ran_onnx_build_n(ran_onnx_node *node, ran_opcode opcode, size_t count,
                            ran_value *const *operands)
{
    if (node->failed || !check_operands(node, ran_op_definition(opcode), count, operands))
        return NULL;
    ran_op *op = ran_op_create(node->builder, opcode, count, operands, 1);
    return ran_onnx_infer(node, op) == RAN_OK ? ran_op_result(op, 0) : NULL;
}

ran_value *ran_onnx_unary(ran_onnx_node *node, ran_opcode opcode, ran_value *x)
{
    return ran_onnx_build_n(node, opcode, 1, &x);
}

ran_value *ran_onnx_binary(ran_onnx_node *node, ran_opcode opcode, ran_value *x, ran_value *y)
{
    return ran_onnx_build_n(node, opcode, 2, (ran_value *[]){x, y});
}

ran_value *ran_onnx_cast(ran_onnx_node *node, ran_value *x, ran_elem to)
{
    if (node->failed || !x)
        return NULL;
    const ran_type *type = ran_value_type(x);
    if (ran_type_is_tensor(type) && ran_type_elem(type) == to)
        return x;
    ran_op *op = ran_op_create(node->builder, RAN_OP_CAST, 1, &x, 1);
    ran_op_set_type_attr(op, "to", ran_type_tensor(node->import->context, to, 0, NULL, RAN_PLAIN));
    return ran_onnx_infer(node, op) == RAN_OK ? ran_op_result(op, 0) : NULL;
}

ran_value *ran_onnx_reduce(ran_onnx_node *node, ran_opcode opcode, ran_value *x,
                           const int64_t *axes, size_t count, bool keepdims)
{
    if (node->failed || !x)
        return NULL;
    ran_value *operands[] = {x, count ? ran_onnx_const_ints(node, axes, count) : NULL};
    ran_op *op = ran_op_create(node->builder, opcode, count ? 2 : 1, operands, 1);
    ran_op_set_int(op, "keepdims", keepdims);
    return ran_onnx_infer(node, op) == RAN_OK ? ran_op_result(op, 0) : NULL;
}

ran_value *ran_onnx_reshape(ran_onnx_node *node, ran_value *x, const int64_t *dims, size_t count)
{
    return ran_onnx_binary(node, RAN_OP_RESHAPE, x, ran_onnx_const_ints(node, dims, count));
}
