/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Ops as ONNX nodes. The IR's ops have the newest signature, so that most go out one to one; what
 * the target opset lacks has a rewriter, or is refused by name.
 */
#include "frontend/export.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>

/* ---- Op types -------------------------------------------------------------------------------- */

/* "gather_nd" and "GatherND" */
static bool same_name(const char *snake, const char *camel)
{
    for (; *snake; snake++) {
        if (*snake == '_')
            continue;
        if (tolower((unsigned char)*camel) != *snake)
            return false;
        camel++;
    }
    return !*camel;
}

/* The row whose op type has the opcode's name; NULL for what ONNX has not. */
static const ran_onnx_row *row_of(ran_opcode opcode)
{
    size_t count;
    const ran_onnx_row *rows = ran_onnx_rows(&count);
    for (size_t i = 0; i < count; i++)
        if (rows[i].opcode == opcode && same_name(ran_opcode_name(opcode), rows[i].name))
            return &rows[i];
    return NULL;
}

/* ---- Attributes ------------------------------------------------------------------------------ */

/* Attributes that ops got after opset 17; before, only their default can be expressed. */
static const struct {
    const char *op, *attribute;
    int since;
} attribute_since[] = {
    {"average_pool", "dilations", 19},
    {"cast", "round_mode", 24},
    {"cast", "saturate", 19},
    {"dequantize_linear", "block_size", 21},
    {"dequantize_linear", "output_dtype", 23},
    {"lp_pool", "ceil_mode", 18},
    {"lp_pool", "dilations", 18},
    {"quantize_linear", "block_size", 21},
    {"quantize_linear", "output_dtype", 21},
    {"quantize_linear", "saturate", 19},
    {"resize", "antialias", 18},
    {"resize", "axes", 18},
    {"resize", "keep_aspect_ratio_policy", 18},
};

static int since_of(const char *op, const char *attribute)
{
    for (size_t i = 0; i < sizeof(attribute_since) / sizeof(*attribute_since); i++)
        if (!strcmp(attribute_since[i].op, op) && !strcmp(attribute_since[i].attribute, attribute))
            return attribute_since[i].since;
    return 0;
}

static bool is_default(const ran_op *op, const ran_attr_spec *spec)
{
    size_t count;
    switch (spec->kind) {
    case RAN_ATTR_INT:
        return spec->has_default && ran_op_int(op, spec->name) == spec->int_default;
    case RAN_ATTR_FLOAT:
        return spec->has_default &&
               (float)ran_op_float(op, spec->name) == (float)spec->float_default;
    case RAN_ATTR_STRING:
        return spec->has_default && !strcmp(ran_op_string(op, spec->name), spec->string_default);
    case RAN_ATTR_INTS:
        (void)ran_op_ints(op, spec->name, &count);
        return count == 0;
    case RAN_ATTR_FLOATS:
        (void)ran_op_floats(op, spec->name, &count);
        return count == 0;
    case RAN_ATTR_STRINGS:
        (void)ran_op_strings(op, spec->name, &count);
        return count == 0;
    default:
        return false;
    }
}

static void export_floats(ran_export *ex, RanOnnx__Node *node, const ran_op *op, const char *name)
{
    RanOnnx__Attribute *attr = ran_export_attr(ex, node, name, RAN_ONNX__ATTRIBUTE__TYPE__FLOATS);
    const double *values = ran_op_floats(op, name, &attr->n_floats);
    attr->floats = RAN_ARENA_ARRAY(ex->arena, float, attr->n_floats + 1);
    for (size_t i = 0; i < attr->n_floats; i++)
        attr->floats[i] = (float)values[i];
}

static void export_strings(ran_export *ex, RanOnnx__Node *node, const ran_op *op, const char *name)
{
    RanOnnx__Attribute *attr = ran_export_attr(ex, node, name, RAN_ONNX__ATTRIBUTE__TYPE__STRINGS);
    const char *const *values = ran_op_strings(op, name, &attr->n_strings);
    attr->strings = RAN_ARENA_ARRAY(ex->arena, ProtobufCBinaryData, attr->n_strings + 1);
    for (size_t i = 0; i < attr->n_strings; i++)
        attr->strings[i] = (ProtobufCBinaryData){strlen(values[i]), (uint8_t *)values[i]};
}

static void export_attr(ran_export *ex, RanOnnx__Node *node, const ran_op *op,
                        const ran_attr_spec *spec)
{
    const char *name = spec->name;
    const int64_t *ints;
    size_t count;
    switch (spec->kind) {
    case RAN_ATTR_INT:
        ran_export_int(ex, node, name, ran_op_int(op, name));
        break;
    case RAN_ATTR_FLOAT:
        ran_export_float(ex, node, name, ran_op_float(op, name));
        break;
    case RAN_ATTR_STRING:
        ran_export_string(ex, node, name, ran_op_string(op, name));
        break;
    case RAN_ATTR_INTS:
        ints = ran_op_ints(op, name, &count);
        ran_export_ints(ex, node, name, count, ints);
        break;
    case RAN_ATTR_FLOATS:
        export_floats(ex, node, op, name);
        break;
    case RAN_ATTR_STRINGS:
        export_strings(ex, node, op, name);
        break;
    case RAN_ATTR_TYPE:
        ran_export_int(ex, node, name, ran_elem_onnx(ran_type_elem(ran_op_type_attr(op, name))));
        break;
    case RAN_ATTR_TENSOR:
        ran_export_attr(ex, node, name, RAN_ONNX__ATTRIBUTE__TYPE__TENSOR)->t =
            ran_export_tensor(ex, NULL, ran_op_tensor(op, name));
        break;
    }
}

static void export_attrs(ran_export *ex, RanOnnx__Node *node, const ran_op *op)
{
    const ran_op_def *def = ran_op_definition(ran_op_opcode(op));
    for (size_t i = 0; i < def->attr_count; i++) {
        const ran_attr_spec *spec = &def->attrs[i];
        if (!ran_op_has_attr(op, spec->name) || is_default(op, spec))
            continue;
        int since = since_of(def->name, spec->name);
        if (since > ex->opset)
            (void)ran_export_error(ex, RAN_UNSUPPORTED, "attribute '%s' needs opset %d", spec->name,
                                   since);
        else
            export_attr(ex, node, op, spec);
    }
}

/* ---- One to one ------------------------------------------------------------------------------ */

static const char **operand_names(ran_export *ex, const ran_op *op, size_t *out_count)
{
    *out_count = ran_op_operand_count(op);
    const char **names = RAN_ARENA_ARRAY(ex->arena, const char *, *out_count + 1);
    for (size_t i = 0; i < *out_count; i++)
        names[i] = ran_export_name(ex, ran_op_operand(op, i));
    return names;
}

/* Results that nobody uses are left out where they may be. */
static const char **result_names(ran_export *ex, const ran_op *op, size_t *out_count)
{
    const ran_op_def *def = ran_op_definition(ran_op_opcode(op));
    *out_count = ran_op_result_count(op);
    const char **names = RAN_ARENA_ARRAY(ex->arena, const char *, *out_count + 1);
    for (size_t i = 0; i < *out_count; i++) {
        bool optional = i < def->result_count && def->results[i].optional;
        bool used = ran_value_has_uses(ran_op_result(op, i));
        names[i] = optional && !used && i ? "" : ran_export_name(ex, ran_op_result(op, i));
    }
    return names;
}

static RanOnnx__Node *export_as(ran_export *ex, const ran_op *op, const char *op_type)
{
    size_t inputs, outputs;
    const char **input_names = operand_names(ex, op, &inputs);
    const char **output_names = result_names(ex, op, &outputs);
    RanOnnx__Node *node = ran_export_node(ex, op_type, inputs, input_names, outputs, output_names);
    export_attrs(ex, node, op);
    return node;
}

/* ---- Rewriters ------------------------------------------------------------------------------- */

static const char *operand(ran_export *ex, const ran_op *op, size_t index)
{
    return ran_export_name(ex, ran_op_operand(op, index));
}

static const char *result(ran_export *ex, const ran_op *op)
{
    return ran_export_name(ex, ran_op_result(op, 0));
}

static ran_elem elem_of(const ran_op *op)
{
    return ran_type_elem(ran_value_type(ran_op_operand(op, 0)));
}

static const char *binary(ran_export *ex, const char *op_type, const char *to, const char *a,
                          const char *b)
{
    return ran_export_emit(ex, op_type, to, 2, (const char *[]){a, b});
}

static const char *unary(ran_export *ex, const char *op_type, const char *to, const char *a)
{
    return ran_export_emit(ex, op_type, to, 1, &a);
}

static void export_silu(ran_export *ex, const ran_op *op)
{
    const char *x = operand(ex, op, 0);
    binary(ex, "Mul", result(ex, op), x, unary(ex, "Sigmoid", NULL, x));
}

static void export_swish(ran_export *ex, const ran_op *op)
{
    const char *x = operand(ex, op, 0);
    const char *alpha = ran_export_scalar(ex, elem_of(op), ran_op_float(op, "alpha"));
    const char *gate = unary(ex, "Sigmoid", NULL, binary(ex, "Mul", NULL, x, alpha));
    binary(ex, "Mul", result(ex, op), x, gate);
}

static void export_mish(ran_export *ex, const ran_op *op)
{
    const char *x = operand(ex, op, 0);
    binary(ex, "Mul", result(ex, op), x, unary(ex, "Tanh", NULL, unary(ex, "Softplus", NULL, x)));
}

/* 0.5 x (1 + inner) */
static void export_gelu_of(ran_export *ex, const ran_op *op, const char *inner)
{
    ran_elem elem = elem_of(op);
    const char *sum = binary(ex, "Add", NULL, inner, ran_export_scalar(ex, elem, 1));
    const char *half =
        binary(ex, "Mul", NULL, operand(ex, op, 0), ran_export_scalar(ex, elem, 0.5));
    binary(ex, "Mul", result(ex, op), half, sum);
}

static void export_gelu_erf(ran_export *ex, const ran_op *op)
{
    if (ex->opset >= 20) {
        export_as(ex, op, "Gelu");
        return;
    }
    const char *scale = ran_export_scalar(ex, elem_of(op), 0.70710678118654752440);
    export_gelu_of(ex, op,
                   unary(ex, "Erf", NULL, binary(ex, "Mul", NULL, operand(ex, op, 0), scale)));
}

static void export_gelu_tanh(ran_export *ex, const ran_op *op)
{
    if (ex->opset >= 20) {
        ran_export_string(ex, export_as(ex, op, "Gelu"), "approximate", "tanh");
        return;
    }
    ran_elem elem = elem_of(op);
    const char *x = operand(ex, op, 0);
    const char *cube = binary(ex, "Mul", NULL, binary(ex, "Mul", NULL, x, x), x);
    cube = binary(ex, "Mul", NULL, cube, ran_export_scalar(ex, elem, 0.044715));
    const char *inner = binary(ex, "Mul", NULL, binary(ex, "Add", NULL, x, cube),
                               ran_export_scalar(ex, elem, 0.79788456080286535588));
    export_gelu_of(ex, op, unary(ex, "Tanh", NULL, inner));
}

/* x / sqrt(mean(x^2) + epsilon) * scale, over the axes from `axis` on. */
static void export_rms_normalization(ran_export *ex, const ran_op *op)
{
    int64_t axes[RAN_MAX_RANK];
    int rank = ran_type_rank(ran_value_type(ran_op_operand(op, 0)));
    int first = ran_axis(ran_op_int(op, "axis"), rank);
    ran_elem elem = elem_of(op);
    if (rank < 0 || first < 0) {
        (void)ran_export_error(ex, RAN_UNSUPPORTED, "the rank is not known");
        return;
    }
    for (int i = first; i < rank; i++)
        axes[i - first] = i;
    const char *x = operand(ex, op, 0), *square = binary(ex, "Mul", NULL, x, x);
    const char *mean = ran_export_fresh(ex, "t");
    const char *inputs[] = {
        square, ex->opset >= 18 ? ran_export_int64s(ex, (size_t)(rank - first), axes) : ""};
    RanOnnx__Node *node = ran_export_node(ex, "ReduceMean", 2, inputs, 1, &mean);
    if (ex->opset < 18)
        ran_export_ints(ex, node, "axes", (size_t)(rank - first), axes);
    const char *sum =
        binary(ex, "Add", NULL, mean, ran_export_scalar(ex, elem, ran_op_float(op, "epsilon")));
    const char *normal = binary(ex, "Div", NULL, x, unary(ex, "Sqrt", NULL, sum));
    binary(ex, "Mul", result(ex, op), normal, operand(ex, op, 1));
}

/* Before opset 21 scale and bias belonged to groups: normalise with InstanceNormalization over
 * N x groups x rest, then scale by channels. */
static void export_group_normalization(ran_export *ex, const ran_op *op)
{
    if (ex->opset >= 21) {
        export_as(ex, op, "GroupNormalization");
        return;
    }
    int64_t groups = ran_op_int(op, "num_groups"), shape[] = {0, groups, -1}, axes[RAN_MAX_RANK];
    int rank = ran_type_rank(ran_value_type(ran_op_operand(op, 0)));
    const char *x = operand(ex, op, 0), *normal = ran_export_fresh(ex, "t");
    ran_elem elem = elem_of(op);
    const char *count = ran_export_int64s(ex, 1, &groups);
    const char *one = binary(ex, "Expand", NULL, ran_export_scalar(ex, elem, 1), count);
    const char *zero = binary(ex, "Expand", NULL, ran_export_scalar(ex, elem, 0), count);
    const char *flat = binary(ex, "Reshape", NULL, x, ran_export_int64s(ex, 3, shape));
    RanOnnx__Node *node = ran_export_node(ex, "InstanceNormalization", 3,
                                          (const char *[]){flat, one, zero}, 1, &normal);
    ran_export_float(ex, node, "epsilon", ran_op_float(op, "epsilon"));
    normal = binary(ex, "Reshape", NULL, normal, unary(ex, "Shape", NULL, x));
    for (int i = 1; i < rank - 1; i++)
        axes[i - 1] = i;
    const char *parameters[] = {operand(ex, op, 1), operand(ex, op, 2)};
    for (int i = 0; i < 2 && rank > 2; i++)
        parameters[i] = binary(ex, "Unsqueeze", NULL, parameters[i],
                               ran_export_int64s(ex, (size_t)(rank - 2), axes));
    binary(ex, "Add", result(ex, op), binary(ex, "Mul", NULL, normal, parameters[0]),
           parameters[1]);
}

/* ---- Older signatures ------------------------------------------------------------------------ */

/* The known elements of operand `index` as an attribute of the node in its place. */
static void operand_to_attr(ran_export *ex, const ran_op *op, size_t index, const char *op_type,
                            const char *attribute)
{
    int64_t values[RAN_MAX_RANK];
    size_t inputs, outputs;
    const char **names = operand_names(ex, op, &inputs);
    int64_t count =
        ran_op_operand(op, index) ? ran_op_known_ints(op, index, values, RAN_MAX_RANK) : 0;
    if (count < 0) {
        (void)ran_export_error(ex, RAN_UNSUPPORTED, "its %s must be constant", attribute);
        return;
    }
    const char **results = result_names(ex, op, &outputs);
    RanOnnx__Node *node =
        ran_export_node(ex, op_type, inputs < index ? inputs : index, names, outputs, results);
    const ran_op_def *def = ran_op_definition(ran_op_opcode(op));
    for (size_t i = 0; i < def->attr_count; i++)
        if (strcmp(def->attrs[i].name, "noop_with_empty_axes") &&
            ran_op_has_attr(op, def->attrs[i].name) && !is_default(op, &def->attrs[i]))
            export_attr(ex, node, op, &def->attrs[i]);
    if (count)
        ran_export_ints(ex, node, attribute, (size_t)count, values);
}

static void export_reduce(ran_export *ex, const ran_op *op)
{
    const char *op_type = row_of(ran_op_opcode(op))->name;
    if (ex->opset >= 18 || ran_op_is(op, RAN_OP_REDUCE_SUM))
        export_as(ex, op, op_type);
    else if (ran_op_int(op, "noop_with_empty_axes"))
        (void)ran_export_error(ex, RAN_UNSUPPORTED, "noop_with_empty_axes needs opset 18");
    else
        operand_to_attr(ex, op, 1, op_type, "axes");
}

static void export_split(ran_export *ex, const ran_op *op)
{
    size_t inputs, outputs;
    const char **names = operand_names(ex, op, &inputs), **results = result_names(ex, op, &outputs);
    RanOnnx__Node *node = ran_export_node(ex, "Split", inputs, names, outputs, results);
    if (ran_op_int(op, "axis"))
        ran_export_int(ex, node, "axis", ran_op_int(op, "axis"));
    if (!ran_op_operand(op, 1) && ex->opset >= 18)
        ran_export_int(ex, node, "num_outputs", (int64_t)outputs);
}

static void export_pad(ran_export *ex, const ran_op *op)
{
    if (ex->opset < 18 && ran_op_operand(op, 3))
        (void)ran_export_error(ex, RAN_UNSUPPORTED, "axes need opset 18");
    else if (ex->opset < 19 && !strcmp(ran_op_string(op, "mode"), "wrap"))
        (void)ran_export_error(ex, RAN_UNSUPPORTED, "mode wrap needs opset 19");
    else
        export_as(ex, op, "Pad");
}

static void export_resize(ran_export *ex, const ran_op *op)
{
    const char *mode = ran_op_string(op, "coordinate_transformation_mode");
    if (!strcmp(mode, "tf_half_pixel_for_nn"))
        (void)ran_export_error(ex, RAN_UNSUPPORTED, "opsets after 11 have no %s", mode);
    else if (ex->opset < 19 && !strcmp(mode, "half_pixel_symmetric"))
        (void)ran_export_error(ex, RAN_UNSUPPORTED, "%s needs opset 19", mode);
    else
        export_as(ex, op, "Resize");
}

static void export_grid_sample(ran_export *ex, const ran_op *op)
{
    RanOnnx__Node *node = export_as(ex, op, "GridSample");
    const char *mode = ran_op_string(op, "mode");
    if (ex->opset >= 20 || !strcmp(mode, "nearest"))
        return;
    for (size_t i = 0; i < node->n_attribute; i++)
        if (!strcmp(node->attribute[i]->name, "mode"))
            node->attribute[i] = node->attribute[--node->n_attribute];
    ran_export_string(ex, node, "mode", ran_intern_printf(ex->context, "bi%s", mode));
}

static void export_dft(ran_export *ex, const ran_op *op)
{
    if (ex->opset >= 20) {
        export_as(ex, op, "DFT");
        return;
    }
    int64_t axis = -2;
    int rank = ran_type_rank(ran_value_type(ran_op_operand(op, 0)));
    if ((ran_op_operand(op, 2) && ran_op_known_ints(op, 2, &axis, 1) != 1) || rank < 0) {
        (void)ran_export_error(ex, RAN_UNSUPPORTED, "its axis must be constant");
        return;
    }
    const char *output = result(ex, op);
    RanOnnx__Node *node = ran_export_node(
        ex, "DFT", 2, (const char *[]){operand(ex, op, 0), operand(ex, op, 1)}, 1, &output);
    export_attrs(ex, node, op);
    ran_export_int(ex, node, "axis", axis < 0 ? axis + rank : axis);
}

/* ---- Structure ------------------------------------------------------------------------------- */

/* ONNX convolves floats only; f64 holds every sum of products of 8- and 16-bit integers. */
static void export_conv(ran_export *ex, const ran_op *op)
{
    ran_elem elem = elem_of(op);
    if (ran_elem_is_float(elem)) {
        export_as(ex, op, "Conv");
        return;
    }
    size_t count;
    const char **names = operand_names(ex, op, &count), *wide = ran_export_fresh(ex, "t"),
               *output = result(ex, op);
    for (size_t i = 0; i < count; i++) {
        if (!*names[i])
            continue;
        const char *cast = ran_export_fresh(ex, "t");
        ran_export_int(ex, ran_export_node(ex, "Cast", 1, &names[i], 1, &cast), "to",
                       ran_elem_onnx(RAN_ELEM_F64));
        names[i] = cast;
    }
    export_attrs(ex, ran_export_node(ex, "Conv", count, names, 1, &wide), op);
    ran_export_int(ex, ran_export_node(ex, "Cast", 1, &wide, 1, &output), "to",
                   ran_elem_onnx(elem));
}

static void export_if(ran_export *ex, const ran_op *op)
{
    RanOnnx__Node *node = export_as(ex, op, "If");
    static const char *const names[] = {"then_branch", "else_branch"};
    for (size_t i = 0; i < 2; i++)
        ran_export_attr(ex, node, names[i], RAN_ONNX__ATTRIBUTE__TYPE__GRAPH)->g =
            ran_export_subgraph(ex, ran_op_region(op, i), names[i]);
}

static void export_loop(ran_export *ex, const ran_op *op)
{
    RanOnnx__Node *node = export_as(ex, op, "Loop");
    ran_export_attr(ex, node, "body", RAN_ONNX__ATTRIBUTE__TYPE__GRAPH)->g =
        ran_export_subgraph(ex, ran_op_region(op, 0), "body");
}

static void export_kernel(ran_export *ex, const ran_op *op)
{
    size_t count;
    const char **arguments = operand_names(ex, op, &count);
    ran_export_inline(ex, ran_op_region(op, 0), count, arguments, op);
}

static void export_call(ran_export *ex, const ran_op *op)
{
    const ran_function *callee = ran_module_find_function(ex->module, ran_op_string(op, "callee"));
    size_t count;
    const char **arguments = operand_names(ex, op, &count);
    if (callee)
        ran_export_inline(ex, ran_function_body(callee), count, arguments, op);
    else
        (void)ran_export_error(ex, RAN_INVALID, "there is no function '%s'",
                               ran_op_string(op, "callee"));
}

/* A layout says where elements lie, not what they are. */
static void export_convert_layout(ran_export *ex, const ran_op *op)
{
    unary(ex, "Identity", result(ex, op), operand(ex, op, 0));
}

static const struct {
    ran_opcode opcode;
    void (*rewrite)(ran_export *ex, const ran_op *op);
    int until; /* from this opset on the op goes out one to one; 0: never */
} rewriters[] = {
    {RAN_OP_SILU, export_silu, 0},
    {RAN_OP_SWISH, export_swish, 24},
    {RAN_OP_MISH, export_mish, 18},
    {RAN_OP_GELU_ERF, export_gelu_erf, 0},
    {RAN_OP_GELU_TANH, export_gelu_tanh, 0},
    {RAN_OP_RMS_NORMALIZATION, export_rms_normalization, 23},
    {RAN_OP_GROUP_NORMALIZATION, export_group_normalization, 21},
    {RAN_OP_REDUCE_SUM, export_reduce, 18},
    {RAN_OP_REDUCE_MEAN, export_reduce, 18},
    {RAN_OP_REDUCE_MAX, export_reduce, 18},
    {RAN_OP_REDUCE_MIN, export_reduce, 18},
    {RAN_OP_REDUCE_PROD, export_reduce, 18},
    {RAN_OP_REDUCE_L1, export_reduce, 18},
    {RAN_OP_REDUCE_L2, export_reduce, 18},
    {RAN_OP_REDUCE_LOG_SUM, export_reduce, 18},
    {RAN_OP_REDUCE_LOG_SUM_EXP, export_reduce, 18},
    {RAN_OP_REDUCE_SUM_SQUARE, export_reduce, 18},
    {RAN_OP_SPLIT, export_split, 0},
    {RAN_OP_PAD, export_pad, 19},
    {RAN_OP_RESIZE, export_resize, 0},
    {RAN_OP_GRID_SAMPLE, export_grid_sample, 20},
    {RAN_OP_DFT, export_dft, 20},
    {RAN_OP_CONV, export_conv, 0},
    {RAN_OP_IF, export_if, 0},
    {RAN_OP_LOOP, export_loop, 0},
    {RAN_OP_KERNEL, export_kernel, 0},
    {RAN_OP_CALL, export_call, 0},
    {RAN_OP_CONVERT_LAYOUT, export_convert_layout, 0},
};

void ran_export_op(ran_export *ex, const ran_op *op)
{
    ran_opcode opcode = ran_op_opcode(op);
    for (size_t i = 0; i < sizeof(rewriters) / sizeof(*rewriters); i++)
        if (rewriters[i].opcode == opcode &&
            (!rewriters[i].until || ex->opset < rewriters[i].until)) {
            rewriters[i].rewrite(ex, op);
            return;
        }
    const ran_onnx_row *row = row_of(opcode);
    if (!row)
        (void)ran_export_error(ex, RAN_UNSUPPORTED, "ONNX has no such op");
    else if (atoi(row->since) > ex->opset)
        (void)ran_export_error(ex, RAN_UNSUPPORTED, "ONNX has it from opset %d on",
                               atoi(row->since));
    else
        export_as(ex, op, row->name);
}
