/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Functions that a model defines for itself. A call is replaced by the function's nodes, whose
 * names get the call's in front; attributes that refer to the function's are resolved as nodes are
 * read.
 */
#include "frontend/onnx.h"

#include <string.h>

static const char *key_of(ran_context *context, const char *domain, const char *name,
                          const char *overload)
{
    if (!domain || strcmp(domain, "ai.onnx") == 0)
        domain = "";
    return ran_intern_printf(context, "%s/%s/%s", domain, name ? name : "",
                             overload ? overload : "");
}

void ran_onnx_index_functions(ran_import *import)
{
    import->functions = ran_scope_open(NULL);
    for (size_t i = 0; i < import->model->n_functions; i++) {
        const RanOnnx__Function *function = import->model->functions[i];
        const char *key =
            key_of(import->context, function->domain, function->name, function->overload);
        if (!ran_scope_bind_node(&import->functions, key, i))
            (void)ran_import_error(import, RAN_INVALID, "the function '%s' exists twice", key);
    }
}

const RanOnnx__Function *ran_onnx_function_find(const ran_import *import, const char *domain,
                                                const char *name, const char *overload)
{
    if (!import->model->n_functions)
        return NULL;
    const ran_onnx_binding *binding =
        ran_scope_find_here(&import->functions, key_of(import->context, domain, name, overload));
    return binding ? import->model->functions[binding->node] : NULL;
}

/* The call's attributes, with the function's defaults for what it leaves out. */
static void bind_attrs(ran_onnx_node *node, const RanOnnx__Function *function,
                       ran_onnx_scope *scope)
{
    size_t room = node->attr_count + function->n_attribute_proto;
    ran_onnx_attr *attrs = RAN_ARENA_ARRAY(node->import->arena, ran_onnx_attr, room + 1);
    for (size_t i = 0; i < node->attr_count; i++)
        attrs[scope->call_attr_count++] = node->attrs[i];
    for (size_t i = 0; i < function->n_attribute_proto; i++) {
        const RanOnnx__Attribute *proto = function->attribute_proto[i];
        if (proto->name && !ran_onnx_has_attr(node, proto->name))
            attrs[scope->call_attr_count++] = (ran_onnx_attr){proto->name, proto, false};
    }
    scope->call_attrs = attrs;
}

static bool bind_inputs(ran_onnx_node *node, const RanOnnx__Function *function,
                        ran_onnx_scope *scope)
{
    if (node->input_count > function->n_input) {
        (void)ran_onnx_node_error(node, RAN_INVALID, "%zu inputs, the function takes %zu",
                                  node->input_count, function->n_input);
        return false;
    }
    for (size_t i = 0; i < function->n_input; i++) {
        ran_value *value = ran_onnx_input(node, i);
        const ran_onnx_sequence *sequence = ran_onnx_input_sequence(node, i);
        const char *name = function->input[i];
        if (value      ? !ran_scope_bind(scope, name, value)
            : sequence ? !ran_scope_bind_sequence(scope, name, sequence)
                       : !ran_scope_bind_absent(scope, name)) {
            (void)ran_onnx_node_error(node, RAN_INVALID, "the function has two inputs '%s'", name);
            return false;
        }
    }
    return true;
}

static ran_status bind_results(ran_onnx_node *node, const RanOnnx__Function *function,
                               const ran_onnx_scope *scope)
{
    if (node->output_count > function->n_output)
        return ran_onnx_node_error(node, RAN_INVALID, "%zu outputs, the function has %zu",
                                   node->output_count, function->n_output);
    for (size_t i = 0; i < node->output_count; i++) {
        const ran_onnx_binding *binding = ran_scope_find_here(scope, function->output[i]);
        if (!binding)
            return ran_onnx_node_error(node, RAN_INVALID,
                                       "nothing in the function defines its output '%s'",
                                       function->output[i]);
        node->outputs[i] = binding->value;
        node->output_sequences[i] = binding->sequence;
        node->failed |= !binding->value && !binding->sequence;
    }
    return node->failed ? RAN_INVALID : RAN_OK;
}

ran_status ran_onnx_inline(ran_onnx_node *node, const RanOnnx__Function *function)
{
    ran_import *import = node->import;
    if (++import->nesting > RAN_ONNX_MAX_NESTING) {
        import->nesting--;
        return ran_onnx_node_error(node, RAN_UNSUPPORTED,
                                   "functions call each other too deeply (a recursion?)");
    }
    ran_onnx_scope scope = ran_scope_open(NULL);
    scope.function = function;
    scope.opsets = function->opset_import;
    scope.opset_count = function->n_opset_import;
    bind_attrs(node, function, &scope);
    ran_status status = RAN_INVALID;
    if (bind_inputs(node, function, &scope)) {
        const char *prefix = ran_intern_printf(import->context, "%s/", node->name);
        (void)ran_onnx_import_nodes(import, &scope, node->builder, function->node, function->n_node,
                                    prefix);
        bool complete = import->node_count <= RAN_ONNX_MAX_NODES;
        status = complete ? bind_results(node, function, &scope) : RAN_UNSUPPORTED;
    }
    ran_scope_close(&scope);
    import->nesting--;
    return status;
}
