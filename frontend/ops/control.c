/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Control flow: subgraphs become regions. */
#include "frontend/onnx.h"

static RanOnnx__Graph *graph_attr(ran_onnx_node *node, const char *name)
{
    const RanOnnx__Attribute *proto = ran_onnx_attribute(node, name);
    if (proto && proto->g)
        return proto->g;
    (void)ran_onnx_node_error(node, RAN_INVALID, "the subgraph '%s' is missing", name);
    return NULL;
}

ran_status ran_onnx_map_if(ran_onnx_node *node)
{
    RanOnnx__Graph *graphs[] = {graph_attr(node, "then_branch"), graph_attr(node, "else_branch")};
    if (!graphs[0] || !graphs[1] || node->input_count != 1)
        return ran_onnx_node_error(node, RAN_INVALID, "it needs a condition and two branches");
    size_t count = node->proto->n_output;
    if (graphs[0]->n_output != count || graphs[1]->n_output != count)
        return ran_onnx_node_error(node, RAN_INVALID, "%zu outputs, the branches have %zu and %zu",
                                   count, graphs[0]->n_output, graphs[1]->n_output);
    ran_op *op = ran_onnx_create(node, RAN_OP_IF, 1, node->inputs, count);
    for (int i = 0; op && i < 2; i++)
        if (ran_onnx_import_subgraph(node, graphs[i], ran_op_add_region(op), 0, NULL) != RAN_OK)
            return RAN_INVALID;
    return ran_onnx_finish(node, op);
}

/* ---- Loops ----------------------------------------------------------------------------------- */

/* What carried values are assumed to be. A loop is imported with the strictest assumption; where
 * its body yields another shape, it is imported again with the next one. */
typedef enum assumption { SAME_SHAPE, COMMON_DIMS, SAME_RANK, ANY_SHAPE, ASSUMPTIONS } assumption;

static const ran_type *weaken(ran_import *import, const ran_type *type, const ran_type *yielded,
                              assumption level)
{
    const ran_dim *dims[RAN_MAX_RANK];
    if (level == SAME_SHAPE || !ran_type_is_tensor(type) || ran_type_rank(type) < 0)
        return type;
    int rank = ran_type_rank(type);
    bool comparable = yielded && ran_type_is_tensor(yielded) && ran_type_rank(yielded) == rank;
    if (level == ANY_SHAPE || (yielded && !comparable))
        return ran_type_tensor(import->context, ran_type_elem(type), -1, NULL, RAN_PLAIN);
    for (int i = 0; i < rank; i++) {
        bool same =
            level == COMMON_DIMS && comparable && ran_type_dim(type, i) == ran_type_dim(yielded, i);
        dims[i] = same ? ran_type_dim(type, i) : ran_dim_fresh(import->context);
    }
    return ran_type_tensor(import->context, ran_type_elem(type), rank, dims, RAN_PLAIN);
}

typedef struct loop {
    ran_onnx_node *node;
    RanOnnx__Graph *body;
    size_t carried;         /* values */
    const ran_type **types; /* of the body's arguments: iteration, condition, carried */
    const ran_type **yielded;
    size_t first_diagnostic;
    ran_status status_before;
} loop;

static void assume(loop *l, assumption level)
{
    ran_import *import = l->node->import;
    l->types[0] = ran_type_tensor(import->context, RAN_ELEM_I64, 0, NULL, RAN_PLAIN);
    l->types[1] = ran_type_tensor(import->context, RAN_ELEM_BOOL, 0, NULL, RAN_PLAIN);
    for (size_t i = 0; i < l->carried; i++)
        l->types[2 + i] =
            weaken(import, ran_value_type(l->node->inputs[2 + i]), l->yielded[i], level);
}

/* Whether a value of type `from` may stand where `to` is expected. */
static bool fits(const ran_type *from, const ran_type *to, const ran_type *initial)
{
    if (from == to || !ran_type_is_tensor(to) || !ran_type_is_tensor(from))
        return true; /* the op's own inference judges these */
    if (ran_type_rank(to) < 0 || ran_type_elem(from) != ran_type_elem(to))
        return true;
    if (ran_type_rank(from) != ran_type_rank(to))
        return false;
    for (int i = 0; i < ran_type_rank(to); i++) {
        bool assumed = ran_type_dim(to, i) == ran_type_dim(initial, i);
        if (assumed && ran_type_dim(from, i) != ran_type_dim(to, i))
            return false;
    }
    return true;
}

static bool carries(loop *l, const ran_region *region)
{
    const ran_op *yield = ran_region_terminator(region);
    bool good = true;
    for (size_t i = 0; i < l->carried; i++) {
        l->yielded[i] = ran_value_type(ran_op_operand(yield, 1 + i));
        good &= fits(l->yielded[i], l->types[2 + i], ran_value_type(l->node->inputs[2 + i]));
    }
    return good;
}

/* One attempt; NULL when the body does not keep the assumption (or fails under it). */
static ran_op *try_loop(loop *l, assumption level)
{
    ran_onnx_node *node = l->node;
    assume(l, level);
    ran_op *op =
        ran_onnx_create(node, RAN_OP_LOOP, node->input_count, node->inputs, l->body->n_output - 1);
    if (!op)
        return NULL;
    ran_region *region = ran_op_add_region(op);
    ran_status status = ran_onnx_import_subgraph(node, l->body, region, 2 + l->carried, l->types);
    bool last = level == ANY_SHAPE;
    if (status == RAN_OK && (last || carries(l, region)) && ran_onnx_finish(node, op) == RAN_OK)
        return op;
    if (!last && status != RAN_UNSUPPORTED) {
        ran_diagnostics_truncate(node->import->context, l->first_diagnostic);
        node->import->status = l->status_before;
        node->failed = false;
        ran_op_erase(op);
    }
    return NULL;
}

ran_status ran_onnx_map_loop(ran_onnx_node *node)
{
    RanOnnx__Graph *body = graph_attr(node, "body");
    if (!body)
        return RAN_INVALID;
    size_t carried = node->input_count > 2 ? node->input_count - 2 : 0;
    if (body->n_input != 2 + carried || body->n_output < 1 + carried ||
        node->proto->n_output > body->n_output - 1)
        return ran_onnx_node_error(node, RAN_INVALID,
                                   "%zu values are carried, its body has %zu inputs, %zu outputs",
                                   carried, body->n_input, body->n_output);
    for (size_t i = 0; i < carried; i++)
        if (node->input_sequences[2 + i])
            return ran_onnx_unroll_loop(node, body);
    for (size_t i = 0; i < carried; i++)
        if (!node->inputs[2 + i])
            return ran_onnx_node_error(node, RAN_INVALID, "a carried value is missing");
    ran_arena *arena = node->import->arena;
    loop l = {.node = node, .body = body, .carried = carried};
    l.types = RAN_ARENA_ARRAY(arena, const ran_type *, 2 + carried);
    l.yielded = RAN_ARENA_ARRAY(arena, const ran_type *, carried + 1);
    l.first_diagnostic = ran_diagnostic_count(node->import->context);
    l.status_before = node->import->status;
    for (assumption level = SAME_SHAPE; level < ASSUMPTIONS && !node->failed; level++)
        if (try_loop(&l, level))
            return RAN_OK;
    return RAN_INVALID;
}
