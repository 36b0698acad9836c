/* SPDX-License-Identifier: GPL-3.0-or-later */
/* A model becomes a module: options, metadata, the main graph's inputs, constants and outputs. */
#include "frontend/onnx.h"

#include <stdlib.h>
#include <string.h>

ran_status ran_import_error(ran_import *import, ran_status status, const char *format, ...)
{
    char message[2048];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(message, sizeof(message), format, arguments);
    va_end(arguments);
    /* The lower number is the graver one: malformed before unsupported. */
    if (import->status == RAN_OK || status < import->status)
        import->status = status;
    return ran_error_at(import->context, status, import->path, 0, 0, "%s", message);
}

/* ---- Initialisers ---------------------------------------------------------------------------- */

static void bind_initializer(ran_import *import, ran_onnx_scope *scope, const char *name,
                             ran_tensor *tensor)
{
    ran_value *value = tensor ? ran_constant_create(import->module, name, tensor) : NULL;
    ran_tensor_release(tensor);
    if (!ran_scope_bind(scope, name, value))
        (void)ran_import_error(import, RAN_INVALID, "initializer '%s' exists twice", name);
}

void ran_onnx_import_initializers(ran_import *import, ran_onnx_scope *scope, RanOnnx__Graph *graph,
                                  bool move)
{
    for (size_t i = 0; i < graph->n_initializer; i++) {
        const char *name = graph->initializer[i]->name;
        if (!name || !*name) {
            (void)ran_import_error(import, RAN_INVALID, "initializer %zu has no name", i);
            continue;
        }
        const char *what = ran_intern_printf(import->context, "initializer '%s'", name);
        ran_tensor *tensor;
        (void)ran_onnx_tensor(import, graph->initializer[i], what, move, &tensor);
        bind_initializer(import, scope, name, tensor);
    }
    for (size_t i = 0; i < graph->n_sparse_initializer; i++) {
        RanOnnx__SparseTensor *sparse = graph->sparse_initializer[i];
        const char *name = sparse->values ? sparse->values->name : NULL;
        if (!name || !*name) {
            (void)ran_import_error(import, RAN_INVALID, "sparse initializer %zu has no name", i);
            continue;
        }
        const char *what = ran_intern_printf(import->context, "initializer '%s'", name);
        ran_tensor *tensor;
        (void)ran_onnx_sparse_tensor(import, sparse, what, &tensor);
        bind_initializer(import, scope, name, tensor);
    }
}

/* ---- Inputs ---------------------------------------------------------------------------------- */

static const ran_shape_binding *find_shape(const ran_import *import, const char *input)
{
    for (size_t i = 0; import->options && i < import->options->shape_count; i++)
        if (strcmp(import->options->shapes[i].input, input) == 0)
            return &import->options->shapes[i];
    return NULL;
}

/* The type with the shape that the options ask for. */
static const ran_type *bind_shape(ran_import *import, const ran_type *type, const char *name)
{
    const ran_shape_binding *shape = find_shape(import, name);
    if (!shape || !ran_type_is_tensor(type))
        return type;
    const ran_dim *dims[RAN_MAX_RANK];
    int rank = ran_type_rank(type);
    if (rank >= 0 && rank != shape->rank) {
        (void)ran_import_error(import, RAN_USAGE, "input '%s' has rank %d, the given shape %d",
                               name, rank, shape->rank);
        return type;
    }
    for (int i = 0; i < shape->rank; i++) {
        const ran_dim *old = rank < 0 ? NULL : ran_type_dim(type, i);
        if (old && (shape->dims[i] < 0 || ran_dim_is(old, shape->dims[i])))
            dims[i] = old;
        else if (shape->dims[i] < 0)
            dims[i] = ran_dim_fresh(import->context);
        else if (old && ran_dim_is_constant(old))
            return ran_import_error(import, RAN_USAGE,
                                    "input '%s' has %lld on axis %d, the given shape has %lld",
                                    name, (long long)ran_dim_value(old), i,
                                    (long long)shape->dims[i]),
                   type;
        else
            dims[i] = ran_dim_constant(import->context, shape->dims[i]);
    }
    return ran_type_tensor(import->context, ran_type_elem(type), shape->rank, dims,
                           ran_type_layout(type));
}

static void import_input(ran_import *import, ran_onnx_scope *scope, ran_region *region,
                         const RanOnnx__ValueInfo *info, size_t index)
{
    if (!info->name || !*info->name) {
        (void)ran_import_error(import, RAN_INVALID, "graph input %zu has no name", index);
        return;
    }
    const char *what = ran_intern_printf(import->context, "graph input '%s'", info->name);
    const ran_type *type = ran_onnx_type(import, info->type, what);
    ran_value *value = NULL;
    if (type) {
        type = bind_shape(import, type, info->name);
        value = ran_region_add_argument(region, ran_intern(import->context, info->name), type);
    }
    if (!ran_scope_bind(scope, info->name, value))
        (void)ran_import_error(import, RAN_INVALID, "graph input '%s' exists twice", info->name);
}

/* Whether an initialiser has this name, so that the input is a constant. */
static bool is_initialized(const ran_onnx_scope *scope, const char *name)
{
    const ran_onnx_binding *binding = name ? ran_scope_find_here(scope, name) : NULL;
    return binding && (!binding->value || ran_value_constant(binding->value));
}

static bool graph_has_symbol(const RanOnnx__Graph *graph, const char *symbol)
{
    for (size_t i = 0; i < graph->n_input; i++) {
        const RanOnnx__ValueType *type = graph->input[i]->type;
        const RanOnnx__Shape *shape = type && type->tensor_type ? type->tensor_type->shape : NULL;
        for (size_t axis = 0; shape && axis < shape->n_dim; axis++)
            if (shape->dim[axis]->dim_param && strcmp(shape->dim[axis]->dim_param, symbol) == 0)
                return true;
    }
    return false;
}

static void check_options(ran_import *import, const ran_onnx_scope *scope)
{
    const ran_import_options *options = import->options;
    for (size_t i = 0; options && i < options->shape_count; i++) {
        const ran_onnx_binding *binding = ran_scope_find_here(scope, options->shapes[i].input);
        if (!binding || (binding->value && ran_value_constant(binding->value)))
            (void)ran_import_error(import, RAN_USAGE, "the model has no input '%s'",
                                   options->shapes[i].input);
    }
    for (size_t i = 0; options && i < options->dim_count; i++)
        if (!graph_has_symbol(import->model->graph, options->dims[i].name))
            (void)ran_import_error(import, RAN_USAGE,
                                   "no input of the model has a dimension named '%s'",
                                   options->dims[i].name);
}

/* An input's shape that was given says what its symbols are, in other inputs too. */
static void add_dims_of_shape(ran_import_options *to, ran_dim_binding *room,
                              const RanOnnx__ValueInfo *info, const ran_shape_binding *binding)
{
    const RanOnnx__ValueType *type = info->type;
    const RanOnnx__Shape *shape = type && type->tensor_type ? type->tensor_type->shape : NULL;
    for (size_t i = 0; shape && i < shape->n_dim && (int)i < binding->rank; i++) {
        const char *symbol = shape->dim[i]->dim_param;
        if (symbol && *symbol && binding->dims[i] >= 0)
            room[to->dim_count++] = (ran_dim_binding){symbol, binding->dims[i]};
    }
}

static ran_import_options *complete_options(ran_import *import, const ran_import_options *options)
{
    const RanOnnx__Graph *graph = import->model->graph;
    ran_import_options *all = RAN_ARENA_NEW(import->arena, ran_import_options);
    ran_dim_binding *dims = RAN_ARENA_ARRAY(
        import->arena, ran_dim_binding, options->dim_count + options->shape_count * RAN_MAX_RANK);
    *all = *options;
    all->dims = dims;
    for (size_t i = 0; i < options->dim_count; i++)
        dims[i] = options->dims[i];
    for (size_t s = 0; s < options->shape_count; s++)
        for (size_t i = 0; i < graph->n_input; i++)
            if (graph->input[i]->name &&
                strcmp(graph->input[i]->name, options->shapes[s].input) == 0) {
                add_dims_of_shape(all, dims, graph->input[i], &options->shapes[s]);
                break;
            }
    return all;
}

/* ---- Outputs --------------------------------------------------------------------------------- */

bool ran_onnx_import_outputs(ran_import *import, ran_onnx_scope *scope, const RanOnnx__Graph *graph,
                             ran_builder *builder, ran_opcode terminator)
{
    ran_value **values = RAN_ARENA_ARRAY(import->arena, ran_value *, graph->n_output + 1);
    bool good = true;
    for (size_t i = 0; i < graph->n_output; i++) {
        const char *name = graph->output[i]->name;
        const ran_onnx_binding *binding = name && *name ? ran_scope_find(scope, name) : NULL;
        if (!binding)
            (void)ran_import_error(import, RAN_INVALID, "nothing defines the graph output '%s'",
                                   name ? name : "");
        if (binding && binding->sequence)
            (void)ran_import_error(import, RAN_UNSUPPORTED,
                                   "the graph output '%s' is a sequence; return its elements, or"
                                   " their concatenation",
                                   name);
        values[i] = binding ? binding->value : NULL;
        good &= values[i] != NULL;
    }
    if (!good)
        return false;
    builder->location = NULL;
    ran_op_create(builder, terminator, graph->n_output, values, 0);
    return true;
}

/* ---- The model ------------------------------------------------------------------------------- */

static void import_metadata(ran_import *import)
{
    const RanOnnx__Model *model = import->model;
    const char *name = model->producer_name, *version = model->producer_version;
    if (name && *name)
        ran_module_set_metadata(import->module, "producer",
                                ran_intern_printf(import->context, "%s%s%s", name,
                                                  version && *version ? " " : "",
                                                  version ? version : ""));
    if (model->graph->name && *model->graph->name)
        ran_module_set_metadata(import->module, "graph", model->graph->name);
    for (size_t i = 0; i < model->n_metadata_props; i++)
        if (model->metadata_props[i]->key && *model->metadata_props[i]->key &&
            model->metadata_props[i]->value)
            ran_module_set_metadata(import->module, model->metadata_props[i]->key,
                                    model->metadata_props[i]->value);
}

static ran_status import_graph(ran_import *import)
{
    RanOnnx__Graph *graph = import->model->graph;
    ran_function *function = ran_function_create(import->module, "main");
    ran_region *body = ran_function_body(function);
    ran_onnx_scope scope = ran_scope_open(NULL);
    scope.opsets = import->model->opset_import;
    scope.opset_count = import->model->n_opset_import;
    ran_onnx_import_initializers(import, &scope, graph, true);
    for (size_t i = 0; i < graph->n_input; i++)
        if (!is_initialized(&scope, graph->input[i]->name))
            import_input(import, &scope, body, graph->input[i], i);
    check_options(import, &scope);
    ran_builder builder = ran_builder_at_end(body);
    (void)ran_onnx_import_nodes(import, &scope, &builder, graph->node, graph->n_node, "");
    (void)ran_onnx_import_outputs(import, &scope, graph, &builder, RAN_OP_RETURN);
    ran_scope_close(&scope);
    if (import->status != RAN_OK)
        return import->status;
    for (size_t i = 0; i < graph->n_output; i++)
        ran_function_set_output_name(function, i, graph->output[i]->name);
    (void)ran_module_drop_unused_constants(import->module);
    return RAN_OK;
}

static ran_status check_opsets(ran_import *import)
{
    const RanOnnx__Model *model = import->model;
    if (!model->graph)
        return ran_import_error(import, RAN_INVALID, "not an ONNX model: it has no graph");
    for (size_t i = 0; i < model->n_opset_import; i++) {
        const char *domain = model->opset_import[i]->domain;
        int64_t version = model->opset_import[i]->version;
        if (domain && *domain && strcmp(domain, "ai.onnx"))
            continue;
        if (version < 1)
            return ran_import_error(import, RAN_INVALID, "opset %lld does not exist",
                                    (long long)version);
        if (version > RAN_ONNX_OPSET_MAX)
            return ran_import_error(import, RAN_UNSUPPORTED,
                                    "the model uses opset %lld, rancc knows them up to %d; export"
                                    " it with an older opset",
                                    (long long)version, RAN_ONNX_OPSET_MAX);
    }
    if (!model->n_opset_import && !model->n_functions)
        return ran_import_error(import, RAN_INVALID,
                                "the model does not say which opset it uses (opset_import)");
    return RAN_OK;
}

static ran_status import_model(ran_import *import, const ran_import_options *options)
{
    ran_status status = check_opsets(import);
    if (status != RAN_OK)
        return status;
    import->options = options ? complete_options(import, options) : NULL;
    import->external = ran_external_create(import->path);
    import->module = ran_module_create(import->context);
    import_metadata(import);
    ran_onnx_index_functions(import);
    status = import_graph(import);
    ran_scope_close(&import->functions);
    return status;
}

/* Takes import->model. */
static ran_status import_decoded(ran_import *import, const ran_import_options *options,
                                 ran_module **out_module)
{
    import->arena = ran_arena_create();
    ran_status status = import_model(import, options);
    ran_onnx__model__free_unpacked(import->model, NULL);
    ran_external_destroy(import->external);
    ran_arena_destroy(import->arena);
    if (status == RAN_OK)
        *out_module = import->module;
    else if (import->module)
        ran_module_destroy(import->module);
    return status;
}

ran_status ran_onnx_import(ran_context *context, const char *path,
                           const ran_import_options *options, ran_module **out_module)
{
    ran_import import = {.context = context, .path = path};
    *out_module = NULL;
    ran_status status = ran_onnx_read_model(context, path, &import.file_bytes, &import.model);
    return status == RAN_OK ? import_decoded(&import, options, out_module) : status;
}

ran_status ran_onnx_import_memory(ran_context *context, const char *name, const void *data,
                                  size_t size, const ran_import_options *options,
                                  ran_module **out_module)
{
    ran_import import = {.context = context, .path = name, .file_bytes = size};
    *out_module = NULL;
    ran_status status = ran_onnx_decode_model(context, name, data, size, &import.model);
    return status == RAN_OK ? import_decoded(&import, options, out_module) : status;
}
