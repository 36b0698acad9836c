/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * The nodes of a graph, in order.
 *
 * ONNX asks for topological order and not every producer of files keeps it. Nodes are visited in
 * the order of the file; one that needs a later node's result visits that first, with an explicit
 * stack. What a node's subgraphs capture counts as its input.
 */
#include "frontend/onnx.h"

#include <stdlib.h>
#include <string.h>

/* ---- One node -------------------------------------------------------------------------------- */

static int64_t version_at(const char *since, int64_t opset)
{
    int64_t found = 0;
    for (char *end; *since; since = end) {
        int64_t version = strtol(since, &end, 10);
        if (end == since)
            break;
        if (version <= opset)
            found = version;
    }
    return found;
}

static const char *domain_of(const RanOnnx__Node *proto)
{
    const char *domain = proto->domain ? proto->domain : "";
    return strcmp(domain, "ai.onnx") ? domain : "";
}

static size_t trimmed(char *const *names, size_t count)
{
    while (count && !*names[count - 1])
        count--;
    return count;
}

/* The attribute that stands for a reference to the function's; NULL when the call leaves it out. */
static const RanOnnx__Attribute *resolve_attr(const ran_onnx_scope *scope,
                                              const RanOnnx__Attribute *proto)
{
    if (!proto->ref_attr_name || !*proto->ref_attr_name)
        return proto;
    for (size_t i = 0; i < scope->call_attr_count; i++)
        if (strcmp(scope->call_attrs[i].name, proto->ref_attr_name) == 0)
            return scope->call_attrs[i].proto;
    return NULL;
}

static void collect_attrs(ran_onnx_node *node)
{
    const RanOnnx__Node *proto = node->proto;
    node->attrs = RAN_ARENA_ARRAY(node->import->arena, ran_onnx_attr, proto->n_attribute + 1);
    for (size_t i = 0; i < proto->n_attribute; i++) {
        const RanOnnx__Attribute *attr = resolve_attr(node->scope, proto->attribute[i]);
        const char *name = proto->attribute[i]->name;
        if (!name || !*name)
            (void)ran_onnx_node_error(node, RAN_INVALID, "an attribute has no name");
        else if (attr)
            node->attrs[node->attr_count++] = (ran_onnx_attr){name, attr, false};
    }
}

/* False when an input is not there, or the op behind it failed. */
static bool collect_inputs(ran_onnx_node *node)
{
    const RanOnnx__Node *proto = node->proto;
    bool good = true;
    ran_value **inputs = RAN_ARENA_ARRAY(node->import->arena, ran_value *, proto->n_input + 1);
    node->input_sequences =
        RAN_ARENA_ARRAY(node->import->arena, const ran_onnx_sequence *, proto->n_input + 1);
    for (size_t i = 0; i < node->input_count; i++) {
        if (!*proto->input[i])
            continue;
        const ran_onnx_binding *binding = ran_scope_find(node->scope, proto->input[i]);
        if (!binding)
            (void)ran_onnx_node_error(node, RAN_INVALID, "nothing defines its input '%s'",
                                      proto->input[i]);
        inputs[i] = binding ? binding->value : NULL;
        node->input_sequences[i] = binding ? binding->sequence : NULL;
        good &= binding && (inputs[i] || binding->absent || binding->sequence);
    }
    node->inputs = good ? inputs : NULL;
    return good;
}

/* Lists that are known while importing go where the mapper knows them, no further. */
static bool takes_sequences(ran_onnx_node *node)
{
    for (size_t i = 0; i < node->input_count && !node->row->sequences; i++)
        if (node->input_sequences[i]) {
            (void)ran_onnx_node_error(node, RAN_UNSUPPORTED,
                                      "its input '%s' is a sequence; rancc follows sequences through"
                                      " ops that take them apart or together only",
                                      node->proto->input[i]);
            return false;
        }
    return true;
}

/* Finds what maps the node: a function of the model, or a row of the table. */
static bool find_mapper(ran_onnx_node *node, const RanOnnx__Function **out_function)
{
    const char *domain = domain_of(node->proto), *op_type = node->proto->op_type;
    *out_function = ran_onnx_function_find(node->import, domain, op_type, node->proto->overload);
    if (*out_function)
        return true;
    if (*domain) {
        (void)ran_onnx_node_error(node, RAN_UNSUPPORTED,
                                  "ops of the domain '%s' are not supported; export the model with"
                                  " ONNX's own ops",
                                  domain);
        return false;
    }
    node->row = ran_onnx_row_find(op_type);
    if (!node->opset)
        (void)ran_onnx_node_error(node, RAN_INVALID, "opset_import does not name its domain");
    else if (!node->row)
        (void)ran_onnx_node_error(node, RAN_UNSUPPORTED, "this op is not supported%s",
                                  "; express it by others, or compute it outside of the model");
    if (node->failed)
        return false;
    node->since = version_at(node->row->since, node->opset);
    if (node->since && node->since >= node->row->first)
        return true;
    (void)ran_onnx_node_error(node, node->since ? RAN_UNSUPPORTED : RAN_INVALID,
                              node->since ? "this old form is not supported; convert the model to"
                                            " opset 13 or newer"
                                          : "this opset does not have the op");
    return false;
}

static void bind_outputs(ran_onnx_node *node, const char *prefix)
{
    const RanOnnx__Node *proto = node->proto;
    for (size_t i = 0; i < proto->n_output; i++) {
        const char *name = proto->output[i];
        if (!*name)
            continue;
        bool made = i < node->output_count && !node->failed;
        ran_value *value = made ? node->outputs[i] : NULL;
        const ran_onnx_sequence *sequence = made ? node->output_sequences[i] : NULL;
        if (sequence ? !ran_scope_bind_sequence(node->scope, name, sequence)
                     : !ran_scope_bind(node->scope, name, value)) {
            const ran_onnx_binding *other = ran_scope_find_here(node->scope, name);
            if (other->value || other->sequence)
                (void)ran_onnx_node_error(node, RAN_INVALID, "its output '%s' is defined already",
                                          name);
        } else if (value && ran_value_op(value) && !ran_value_name(value)) {
            ran_value_set_name(value,
                               ran_intern_printf(node->import->context, "%s%s", prefix, name));
        }
    }
}

static void map_node(ran_onnx_node *node)
{
    const RanOnnx__Function *function;
    bool known = find_mapper(node, &function);
    collect_attrs(node);
    if (!collect_inputs(node) || !known || node->failed) {
        node->failed = true;
        return;
    }
    if (!function && !takes_sequences(node))
        return;
    node->outputs = RAN_ARENA_ARRAY(node->import->arena, ran_value *, node->proto->n_output + 1);
    node->output_sequences =
        RAN_ARENA_ARRAY(node->import->arena, const ran_onnx_sequence *, node->proto->n_output + 1);
    ran_status status = function ? ran_onnx_inline(node, function) : node->row->map(node);
    bool reported = node->failed || node->import->status != RAN_OK;
    if (status != RAN_OK && !reported)
        (void)ran_onnx_node_error(node, status, "cannot be imported");
    node->failed |= status != RAN_OK;
    for (size_t i = 0; i < node->output_count && !node->failed; i++)
        if (!node->outputs[i] && !node->output_sequences[i] && *node->proto->output[i])
            (void)ran_onnx_node_error(node, RAN_UNSUPPORTED, "its output '%s' is not supported",
                                      node->proto->output[i]);
}

static void import_node(ran_import *import, ran_onnx_scope *scope, ran_builder *builder,
                        const RanOnnx__Node *proto, size_t index, const char *prefix)
{
    ran_onnx_node node = {.import = import, .scope = scope, .builder = builder, .proto = proto};
    ran_context *context = import->context;
    if (!proto->op_type || !*proto->op_type) {
        (void)ran_import_error(import, RAN_INVALID, "node %zu has no op type", index);
        return;
    }
    node.name = proto->name && *proto->name
                    ? ran_intern_printf(context, "%s%s", prefix, proto->name)
                    : ran_intern_printf(context, "%s%s_%zu", prefix, proto->op_type, index);
    node.opset = ran_scope_opset(scope, domain_of(proto));
    node.input_count = trimmed(proto->input, proto->n_input);
    node.output_count = trimmed(proto->output, proto->n_output);
    const ran_location *outer = builder->location;
    builder->location = ran_location_create(context, node.name, proto->op_type);
    map_node(&node);
    bind_outputs(&node, prefix);
    builder->location = outer;
}

/* ---- Order ----------------------------------------------------------------------------------- */

enum { WAITING, ACTIVE, DONE };

typedef struct frame {
    size_t node, cursor, count;
    size_t *needs; /* indices of the nodes that define its inputs */
} frame;

typedef struct order {
    ran_import *import;
    RanOnnx__Node *const *nodes;
    ran_onnx_scope producers; /* output name -> node */
    uint8_t *state;
    frame *stack;
    size_t depth, capacity;
} order;

typedef struct needs {
    const ran_onnx_scope *producers;
    const uint8_t *state;
    size_t *list;
    size_t count, capacity;
} needs;

static void need(needs *to, const char *name)
{
    const ran_onnx_binding *binding = *name ? ran_scope_find_here(to->producers, name) : NULL;
    if (!binding || to->state[binding->node] == DONE)
        return;
    if (to->count == to->capacity) {
        to->capacity = to->capacity ? 2 * to->capacity : 8;
        to->list = realloc(to->list, to->capacity * sizeof(*to->list));
        if (!to->list)
            abort();
    }
    to->list[to->count++] = binding->node;
}

static void need_captured(needs *to, const RanOnnx__Graph *graph, ran_onnx_scope *outer, int depth);

static void need_of_node(needs *to, const RanOnnx__Node *node, ran_onnx_scope *inner, int depth)
{
    for (size_t i = 0; i < node->n_input; i++)
        if (!inner || !ran_scope_find(inner, node->input[i]))
            need(to, node->input[i]);
    for (size_t i = 0; i < node->n_attribute && depth < RAN_ONNX_MAX_NESTING; i++) {
        const RanOnnx__Attribute *attr = node->attribute[i];
        if (attr->g)
            need_captured(to, attr->g, inner, depth + 1);
        for (size_t g = 0; g < attr->n_graphs; g++)
            need_captured(to, attr->graphs[g], inner, depth + 1);
    }
}

/* Names that a subgraph uses and does not define. */
static void need_captured(needs *to, const RanOnnx__Graph *graph, ran_onnx_scope *outer, int depth)
{
    ran_onnx_scope inner = ran_scope_open(outer);
    for (size_t i = 0; i < graph->n_input; i++)
        if (graph->input[i]->name)
            (void)ran_scope_bind_node(&inner, graph->input[i]->name, 0);
    for (size_t i = 0; i < graph->n_initializer; i++)
        if (graph->initializer[i]->name)
            (void)ran_scope_bind_node(&inner, graph->initializer[i]->name, 0);
    for (size_t i = 0; i < graph->n_node; i++)
        for (size_t k = 0; k < graph->node[i]->n_output; k++)
            (void)ran_scope_bind_node(&inner, graph->node[i]->output[k], 0);
    for (size_t i = 0; i < graph->n_node; i++)
        need_of_node(to, graph->node[i], &inner, depth);
    for (size_t i = 0; i < graph->n_output; i++)
        if (graph->output[i]->name && !ran_scope_find(&inner, graph->output[i]->name))
            need(to, graph->output[i]->name);
    ran_scope_close(&inner);
}

static void push(order *o, size_t node)
{
    if (o->depth == o->capacity) {
        o->capacity = o->capacity ? 2 * o->capacity : 64;
        o->stack = realloc(o->stack, o->capacity * sizeof(*o->stack));
        if (!o->stack)
            abort();
    }
    needs found = {.producers = &o->producers, .state = o->state};
    o->state[node] = ACTIVE;
    need_of_node(&found, o->nodes[node], NULL, 0);
    o->stack[o->depth++] = (frame){node, 0, found.count, found.list};
}

static void report_cycle(order *o, ran_onnx_scope *scope, size_t node)
{
    const RanOnnx__Node *proto = o->nodes[node];
    (void)ran_import_error(o->import, RAN_INVALID, "node '%s' (%s) depends on its own result",
                           proto->name && *proto->name ? proto->name : "",
                           proto->op_type ? proto->op_type : "");
    for (size_t i = 0; i < proto->n_output; i++)
        if (*proto->output[i])
            (void)ran_scope_bind(scope, proto->output[i], NULL);
}

/* Imports `node` after all that it needs. */
static void visit(order *o, ran_onnx_scope *scope, ran_builder *builder, size_t node,
                  const char *prefix)
{
    push(o, node);
    while (o->depth) {
        frame *top = &o->stack[o->depth - 1];
        while (top->cursor < top->count && o->state[top->needs[top->cursor]] != WAITING) {
            if (o->state[top->needs[top->cursor]] == ACTIVE)
                report_cycle(o, scope, top->needs[top->cursor]);
            top->cursor++;
        }
        if (top->cursor < top->count) {
            push(o, top->needs[top->cursor]);
            continue;
        }
        import_node(o->import, scope, builder, o->nodes[top->node], top->node, prefix);
        o->state[top->node] = DONE;
        free(top->needs);
        o->depth--;
    }
}

ran_status ran_onnx_import_nodes(ran_import *import, ran_onnx_scope *scope, ran_builder *builder,
                                 RanOnnx__Node *const *nodes, size_t count, const char *prefix)
{
    bool reported = import->node_count > RAN_ONNX_MAX_NODES;
    import->node_count += count;
    if (reported)
        return RAN_UNSUPPORTED;
    if (import->node_count > RAN_ONNX_MAX_NODES)
        return ran_import_error(import, RAN_UNSUPPORTED,
                                "more than %d nodes, with functions inlined", RAN_ONNX_MAX_NODES);
    order o = {.import = import, .nodes = nodes, .producers = ran_scope_open(NULL)};
    o.state = calloc(count + 1, 1);
    if (!o.state)
        abort();
    for (size_t i = 0; i < count; i++)
        for (size_t k = 0; k < nodes[i]->n_output; k++)
            if (*nodes[i]->output[k])
                (void)ran_scope_bind_node(&o.producers, nodes[i]->output[k], i);
    for (size_t i = 0; i < count; i++)
        if (o.state[i] == WAITING)
            visit(&o, scope, builder, i, prefix);
    ran_scope_close(&o.producers);
    free(o.state);
    free(o.stack);
    return import->status;
}

/* ---- Subgraphs ------------------------------------------------------------------------------- */

static void bind_argument(ran_onnx_node *node, ran_onnx_scope *scope, ran_region *region,
                          const RanOnnx__ValueInfo *info, const ran_type *type)
{
    ran_import *import = node->import;
    const char *name = info->name ? info->name : "";
    if (!type)
        type = ran_onnx_type(import, info->type,
                             ran_intern_printf(import->context, "input '%s' of a subgraph of '%s'",
                                               name, node->name));
    ran_value *value =
        type ? ran_region_add_argument(region, ran_intern(import->context, name), type) : NULL;
    if (!value || !ran_scope_bind(scope, name, value))
        (void)ran_onnx_node_error(node, RAN_INVALID, "input '%s' of its subgraph is not valid",
                                  name);
}

ran_status ran_onnx_import_subgraph(ran_onnx_node *node, RanOnnx__Graph *graph, ran_region *region,
                                    size_t type_count, const ran_type *const *types)
{
    ran_import *import = node->import;
    ran_status before = import->status;
    if (++import->nesting > RAN_ONNX_MAX_NESTING) {
        import->nesting--;
        return ran_onnx_node_error(node, RAN_UNSUPPORTED, "subgraphs are nested too deeply");
    }
    import->status = RAN_OK;
    ran_onnx_scope scope = ran_scope_open(node->scope);
    ran_onnx_import_initializers(import, &scope, graph, false);
    for (size_t i = 0; i < graph->n_input; i++)
        bind_argument(node, &scope, region, graph->input[i], i < type_count ? types[i] : NULL);
    ran_builder builder = ran_builder_at_end(region);
    (void)ran_onnx_import_nodes(import, &scope, &builder, graph->node, graph->n_node, "");
    bool complete = ran_onnx_import_outputs(import, &scope, graph, &builder, RAN_OP_YIELD);
    ran_scope_close(&scope);
    import->nesting--;
    ran_status status = import->status;
    if (before != RAN_OK && (status == RAN_OK || before < status))
        import->status = before;
    /* An output may depend on an outer op whose failure was reported there. */
    if (status == RAN_OK && !complete)
        status = RAN_INVALID;
    node->failed |= status != RAN_OK;
    return status;
}
