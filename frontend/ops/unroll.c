/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Bodies that are read as often as they run, so that sequences go in and out of them: SequenceMap,
 * and Loop where it carries a sequence and the number of its iterations is known.
 *
 *   s = Loop(3, true, []) { append(s, f(x, i)) }   =>   f(x, 0), f(x, 1), f(x, 2)
 */
#include "frontend/onnx.h"

typedef struct item {
    ran_value *value;
    const ran_onnx_sequence *sequence;
} item;

static item input_item(const ran_onnx_node *node, size_t index)
{
    return (item){ran_onnx_input(node, index), ran_onnx_input_sequence(node, index)};
}

static item *items(ran_onnx_node *node, size_t count)
{
    return RAN_ARENA_ARRAY(node->import->arena, item, count + 1);
}

/* ---- One round ------------------------------------------------------------------------------- */

static bool bind_inputs(ran_onnx_node *node, const RanOnnx__Graph *body, ran_onnx_scope *scope,
                        const item *inputs)
{
    for (size_t i = 0; i < body->n_input; i++) {
        const char *name = body->input[i]->name;
        bool good = name && (inputs[i].sequence
                                 ? ran_scope_bind_sequence(scope, name, inputs[i].sequence)
                                 : inputs[i].value && ran_scope_bind(scope, name, inputs[i].value));
        if (!good) {
            (void)ran_onnx_node_error(node, RAN_INVALID, "input %zu of its body is not valid", i);
            return false;
        }
    }
    return true;
}

static bool find_outputs(const RanOnnx__Graph *body, const ran_onnx_scope *scope, item *outputs)
{
    for (size_t i = 0; i < body->n_output; i++) {
        const char *name = body->output[i]->name;
        const ran_onnx_binding *binding = name ? ran_scope_find(scope, name) : NULL;
        if (!binding || (!binding->value && !binding->sequence))
            return false;
        outputs[i] = (item){binding->value, binding->sequence};
    }
    return true;
}

/* The body's nodes with these inputs; false after an error. Each round counts as a node. */
static bool read_round(ran_onnx_node *node, RanOnnx__Graph *body, size_t round, const item *inputs,
                       item *outputs)
{
    ran_import *import = node->import;
    const char *prefix = ran_intern_printf(import->context, "%s/%zu/", node->name, round);
    if (!ran_onnx_sequence_create(node, 1))
        return false;
    if (++import->nesting > RAN_ONNX_MAX_NESTING) {
        import->nesting--;
        (void)ran_onnx_node_error(node, RAN_UNSUPPORTED, "subgraphs are nested too deeply");
        return false;
    }
    ran_onnx_scope scope = ran_scope_open(node->scope);
    ran_onnx_import_initializers(import, &scope, body, false);
    bool good = bind_inputs(node, body, &scope, inputs);
    if (good)
        (void)ran_onnx_import_nodes(import, &scope, node->builder, body->node, body->n_node,
                                    prefix);
    good = good && import->node_count <= RAN_ONNX_MAX_NODES && find_outputs(body, &scope, outputs);
    ran_scope_close(&scope);
    import->nesting--;
    return good;
}

/* ---- SequenceMap ----------------------------------------------------------------------------- */

/* All sequences have as many elements as the first. */
static bool fits(ran_onnx_node *node, const RanOnnx__Graph *body, size_t count)
{
    bool good = node->input_count == body->n_input && node->output_count <= body->n_output;
    for (size_t i = 0; good && i < node->input_count; i++) {
        const ran_onnx_sequence *sequence = ran_onnx_input_sequence(node, i);
        good = !sequence || sequence->count == count;
    }
    if (!good)
        (void)ran_onnx_node_error(node, RAN_INVALID,
                                  "its inputs and outputs do not fit its body, or each other");
    return good;
}

static bool map_element(ran_onnx_node *node, RanOnnx__Graph *body, size_t index,
                        ran_onnx_sequence *const *results)
{
    item *inputs = items(node, body->n_input), *outputs = items(node, body->n_output);
    for (size_t i = 0; i < body->n_input; i++) {
        inputs[i] = input_item(node, i);
        if (inputs[i].sequence)
            inputs[i] = (item){inputs[i].sequence->items[index], NULL};
    }
    if (!read_round(node, body, index, inputs, outputs))
        return false;
    for (size_t i = 0; i < node->output_count; i++)
        if (!(results[i]->items[index] = outputs[i].value))
            return false;
    return true;
}

ran_status ran_onnx_map_sequence_map(ran_onnx_node *node)
{
    const RanOnnx__Attribute *body = ran_onnx_attribute(node, "body");
    const ran_onnx_sequence *first = ran_onnx_sequence_input(node, 0);
    if (!first)
        return RAN_INVALID;
    if (!body || !body->g)
        return ran_onnx_node_error(node, RAN_INVALID, "its body is missing");
    if (!fits(node, body->g, first->count))
        return RAN_INVALID;
    ran_onnx_sequence **results =
        RAN_ARENA_ARRAY(node->import->arena, ran_onnx_sequence *, node->output_count + 1);
    for (size_t i = 0; i < node->output_count; i++)
        if (!(results[i] = ran_onnx_sequence_create(node, first->count)))
            return RAN_UNSUPPORTED;
    for (size_t i = 0; i < first->count; i++)
        if (!map_element(node, body->g, i, results))
            return RAN_INVALID;
    for (size_t i = 0; i < node->output_count; i++)
        node->output_sequences[i] = results[i];
    return RAN_OK;
}

/* ---- Loops that carry sequences -------------------------------------------------------------- */

typedef struct loop {
    ran_onnx_node *node;
    RanOnnx__Graph *body;
    size_t carried, scans;
    item *inputs;               /* of the body: iteration, condition, carried */
    item *outputs;              /* condition, carried, scan outputs */
    ran_onnx_sequence **stacks; /* of each scan output's rounds */
    size_t rounds;
} loop;

/* Whether a condition is known, and holds. */
static bool known_condition(const ran_value *value, bool *out)
{
    while (ran_op_is(ran_value_op(value), RAN_OP_IDENTITY))
        value = ran_op_operand(ran_value_op(value), 0);
    const ran_tensor *tensor = ran_value_constant(value);
    if (!tensor || ran_tensor_numel(tensor) != 1)
        return false;
    *out = ran_tensor_get_f64(tensor, 0) != 0;
    return true;
}

static ran_status refuse(const loop *l)
{
    return ran_onnx_node_error(l->node, RAN_UNSUPPORTED,
                               "it carries a sequence, and the number of its iterations is known"
                               " only when the model runs");
}

static void open_loop(loop *l)
{
    ran_onnx_node *node = l->node;
    l->carried = node->input_count - 2;
    l->scans = l->body->n_output - 1 - l->carried;
    l->inputs = items(node, node->input_count);
    l->outputs = items(node, l->body->n_output);
    l->stacks = RAN_ARENA_ARRAY(node->import->arena, ran_onnx_sequence *, l->scans + 1);
    for (size_t i = 0; i < l->carried; i++)
        l->inputs[2 + i] = input_item(node, 2 + i);
    l->inputs[1].value = ran_onnx_const_scalar(node, RAN_ELEM_BOOL, 1);
}

/* A round's scan outputs, and what the next round starts from. */
static bool advance(loop *l)
{
    for (size_t i = 0; i < l->carried; i++)
        l->inputs[2 + i] = l->outputs[1 + i];
    for (size_t i = 0; i < l->scans; i++) {
        const item *scan = &l->outputs[1 + l->carried + i];
        ran_onnx_sequence *next = ran_onnx_sequence_create(l->node, l->rounds + 1);
        if (!next || !scan->value)
            return false;
        for (size_t k = 0; k < l->rounds; k++)
            next->items[k] = l->stacks[i]->items[k];
        next->items[l->rounds] = scan->value;
        l->stacks[i] = next;
    }
    l->rounds++;
    return true;
}

static ran_status run_rounds(loop *l, int64_t count, bool going)
{
    for (int64_t i = 0; i < count && going; i++) {
        l->inputs[0].value = ran_onnx_const_int(l->node, i);
        if (!read_round(l->node, l->body, (size_t)i, l->inputs, l->outputs) || !advance(l))
            return RAN_INVALID;
        if (!l->outputs[0].value || !known_condition(l->outputs[0].value, &going))
            return refuse(l);
    }
    return RAN_OK;
}

static ran_status finish_loop(loop *l)
{
    ran_onnx_node *node = l->node;
    for (size_t i = 0; i < node->output_count; i++) {
        if (i < l->carried) {
            node->outputs[i] = l->inputs[2 + i].value;
            node->output_sequences[i] = l->inputs[2 + i].sequence;
        } else if (!l->rounds) {
            return ran_onnx_node_error(node, RAN_UNSUPPORTED,
                                       "it does not run, and gives all that it would have made");
        } else if (!(node->outputs[i] =
                         ran_onnx_sequence_concat(node, l->stacks[i - l->carried], 0, true))) {
            return RAN_INVALID;
        }
    }
    return RAN_OK;
}

/* The body fits the node. */
ran_status ran_onnx_unroll_loop(ran_onnx_node *node, RanOnnx__Graph *body)
{
    loop l = {.node = node, .body = body};
    int64_t count = 0;
    bool going = true;
    ran_value *condition = ran_onnx_input(node, 1);
    if (!ran_onnx_known_int(ran_onnx_input(node, 0), &count) ||
        (condition && !known_condition(condition, &going)))
        return refuse(&l);
    open_loop(&l);
    ran_status status = run_rounds(&l, count, going);
    return status == RAN_OK ? finish_loop(&l) : status;
}
