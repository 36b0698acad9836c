/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Scan as a loop: the states are carried, the body reads one element of each scan input by the
 * iteration's number, and what it yields more is stacked.
 *
 * Walk: Scan(state, x) with body (s, e) -> (s', y). The body becomes the loop's region with the
 * arguments s and e; then e's uses are replaced by gather(x, iteration), the arguments by
 * (iteration, condition, s), and the condition is put in front of what the region yields.
 */
#include "frontend/ops/compose.h"

typedef struct scan {
    ran_onnx_node *node;
    RanOnnx__Graph *body;
    ran_value **states, **xs; /* without the batch of version 8 */
    size_t state_count, x_count, y_count;
    const int64_t *x_axes, *x_directions, *y_axes, *y_directions;
    size_t x_axis_count, x_direction_count, y_axis_count, y_direction_count;
    bool batched; /* version 8, with a batch of one */
} scan;

static int64_t entry(const int64_t *list, size_t count, size_t index)
{
    return index < count ? list[index] : 0;
}

/* The axis along which scan input `i` is read; -1 after an error. */
static int input_axis(const scan *s, size_t i)
{
    const ran_type *type = ran_value_type(s->xs[i]);
    int rank = ran_type_is_tensor(type) ? ran_type_rank(type) : -1;
    int axis = rank < 0 ? -1 : ran_axis(entry(s->x_axes, s->x_axis_count, i), rank);
    if (axis < 0)
        (void)ran_onnx_node_error(s->node, rank < 0 ? RAN_UNSUPPORTED : RAN_INVALID,
                                  "scan input %zu has no such axis", i);
    return axis;
}

static const ran_type *element_type(const scan *s, size_t i)
{
    const ran_dim *dims[RAN_MAX_RANK];
    const ran_type *type = ran_value_type(s->xs[i]);
    int axis = input_axis(s, i), n = 0;
    for (int d = 0; axis >= 0 && d < ran_type_rank(type); d++)
        if (d != axis)
            dims[n++] = ran_type_dim(type, d);
    return axis < 0 ? NULL
                    : ran_type_tensor(s->node->import->context, ran_type_elem(type), n, dims,
                                      RAN_PLAIN);
}

static ran_status scan_attributes(scan *s)
{
    ran_onnx_node *node = s->node;
    const RanOnnx__Attribute *body = ran_onnx_attribute(node, "body");
    int64_t count = ran_onnx_int(node, "num_scan_inputs", 0);
    size_t first = node->since == 8 ? 1 : 0;
    const char *directions = node->since == 8 ? "directions" : "scan_input_directions";
    if (!body || !body->g)
        return ran_onnx_node_error(node, RAN_INVALID, "the subgraph 'body' is missing");
    s->body = body->g;
    s->x_axes = ran_onnx_ints(node, "scan_input_axes", &s->x_axis_count);
    s->x_directions = ran_onnx_ints(node, directions, &s->x_direction_count);
    s->y_axes = ran_onnx_ints(node, "scan_output_axes", &s->y_axis_count);
    s->y_directions = ran_onnx_ints(node, "scan_output_directions", &s->y_direction_count);
    if (count < 1 || (size_t)count + first > node->input_count)
        return ran_onnx_node_error(node, RAN_INVALID, "num_scan_inputs is %lld", (long long)count);
    s->x_count = (size_t)count;
    s->state_count = node->input_count - first - s->x_count;
    if (s->body->n_input != s->state_count + s->x_count || s->body->n_output < s->state_count ||
        node->proto->n_output > s->body->n_output)
        return ran_onnx_node_error(node, RAN_INVALID, "its body has %zu inputs and %zu outputs",
                                   s->body->n_input, s->body->n_output);
    s->y_count = s->body->n_output - s->state_count;
    for (size_t i = first; i < node->input_count; i++)
        if (!node->inputs[i])
            return ran_onnx_node_error(node, RAN_INVALID, "input %zu is missing", i);
    s->states = node->inputs + first;
    s->xs = s->states + s->state_count;
    return RAN_OK;
}

/* Version 8 scans each element of a batch; a batch of one is taken off and put back. */
static ran_status drop_batch(scan *s)
{
    ran_onnx_node *node = s->node;
    s->batched = node->since == 8;
    if (!s->batched)
        return RAN_OK;
    ran_value *axis = ran_onnx_const_ints(node, (int64_t[]){0}, 1);
    for (size_t i = 0; i < s->state_count + s->x_count; i++) {
        const ran_type *type = ran_value_type(s->states[i]);
        if (ran_onnx_input(node, 0) || !ran_type_is_tensor(type) || ran_type_rank(type) < 1 ||
            !ran_dim_is(ran_type_dim(type, 0), 1))
            return ran_onnx_node_error(node, RAN_UNSUPPORTED,
                                       "Scan of opset 8 with sequence_lens or a batch other than 1; "
                                       "export the model with opset 9 or newer");
        s->states[i] = ran_onnx_binary(node, RAN_OP_SQUEEZE, s->states[i], axis);
        if (!s->states[i])
            return RAN_INVALID;
    }
    return RAN_OK;
}

/* Element `iteration` of scan input i, counted from the end when it is read backwards. */
static ran_value *read_element(const scan *s, size_t i, ran_value *iteration)
{
    ran_onnx_node *node = s->node;
    int axis = input_axis(s, i);
    ran_value *index = iteration;
    if (entry(s->x_directions, s->x_direction_count, i)) {
        ran_value *extent = ran_compose_extent(node, s->xs[i], axis);
        ran_value *last =
            extent ? ran_onnx_binary(node, RAN_OP_SUB, extent, ran_onnx_const_int(node, 1)) : NULL;
        index = last ? ran_onnx_binary(node, RAN_OP_SUB, last, iteration) : NULL;
    }
    return ran_compose_gather(node, s->xs[i], index, axis);
}

/* From the body's arguments (states, elements) to the loop's (iteration, condition, states). */
static ran_status change_arguments(const scan *s, ran_region *region)
{
    ran_onnx_node *node = s->node;
    ran_context *context = node->import->context;
    ran_builder inner = ran_builder_before(ran_region_first(region)), *outer = node->builder;
    ran_value *iteration = ran_region_add_argument(
        region, NULL, ran_type_tensor(context, RAN_ELEM_I64, 0, NULL, RAN_PLAIN));
    ran_value *condition = ran_region_add_argument(
        region, NULL, ran_type_tensor(context, RAN_ELEM_BOOL, 0, NULL, RAN_PLAIN));
    size_t count = s->state_count + s->x_count;
    inner.location = outer->location;
    node->builder = &inner;
    for (size_t i = 0; i < count && !node->failed; i++) {
        ran_value *old = ran_region_argument(region, i);
        ran_value *now = i < s->state_count
                             ? ran_region_add_argument(region, NULL, ran_value_type(old))
                             : read_element(s, i - s->state_count, iteration);
        if (now)
            ran_value_replace_uses(old, now);
    }
    node->builder = outer;
    for (size_t i = 0; i < count && !node->failed; i++)
        ran_region_remove_argument(region, 0);
    ran_op *yield = ran_region_terminator(region);
    size_t yielded = ran_op_operand_count(yield);
    ran_value **operands = RAN_ARENA_ARRAY(node->import->arena, ran_value *, yielded + 1);
    operands[0] = condition;
    for (size_t i = 0; i < yielded; i++)
        operands[1 + i] = ran_op_operand(yield, i);
    ran_op_set_operands(yield, yielded + 1, operands);
    return node->failed ? RAN_INVALID : RAN_OK;
}

static ran_op *build_loop(const scan *s)
{
    ran_onnx_node *node = s->node;
    size_t count = s->state_count + s->x_count;
    const ran_type **types = RAN_ARENA_ARRAY(node->import->arena, const ran_type *, count);
    ran_value **operands = RAN_ARENA_ARRAY(node->import->arena, ran_value *, 2 + s->state_count);
    operands[0] = ran_compose_extent(node, s->xs[0], input_axis(s, 0));
    for (size_t i = 0; i < count; i++) {
        types[i] = i < s->state_count ? ran_value_type(s->states[i])
                                      : element_type(s, i - s->state_count);
        if (i < s->state_count)
            operands[2 + i] = s->states[i];
    }
    ran_op *op = node->failed ? NULL
                              : ran_onnx_create(node, RAN_OP_LOOP, 2 + s->state_count, operands,
                                                s->state_count + s->y_count);
    if (!op)
        return NULL;
    ran_region *region = ran_op_add_region(op);
    if (ran_onnx_import_subgraph(node, s->body, region, count, types) != RAN_OK ||
        change_arguments(s, region) != RAN_OK || ran_onnx_finish(node, op) != RAN_OK)
        return NULL;
    return op;
}

/* A stacked output turned as the attributes say. */
static ran_value *turn_output(const scan *s, size_t i, ran_value *y)
{
    ran_onnx_node *node = s->node;
    if (entry(s->y_directions, s->y_direction_count, i)) {
        ran_value *minus_one = ran_onnx_const_ints(node, (int64_t[]){-1}, 1);
        ran_value *operands[] = {y, minus_one, ran_onnx_const_ints(node, (int64_t[]){INT64_MIN}, 1),
                                 ran_onnx_const_ints(node, (int64_t[]){0}, 1), minus_one};
        y = ran_onnx_build_n(node, RAN_OP_SLICE, 5, operands);
    }
    int64_t wanted = entry(s->y_axes, s->y_axis_count, i), perm[RAN_MAX_RANK];
    if (!y || wanted == 0)
        return y;
    int rank = ran_type_rank(ran_value_type(y)), axis = rank < 0 ? -1 : ran_axis(wanted, rank);
    if (axis < 0) {
        (void)ran_onnx_node_error(node, RAN_INVALID, "scan output %zu has no axis %lld", i,
                                  (long long)wanted);
        return NULL;
    }
    for (int d = 0; d < rank; d++)
        perm[d] = d < axis ? d + 1 : d == axis ? 0 : d;
    return ran_compose_transpose(node, y, perm, (size_t)rank);
}

ran_status ran_onnx_map_scan(ran_onnx_node *node)
{
    scan s = {.node = node};
    if (scan_attributes(&s) != RAN_OK || drop_batch(&s) != RAN_OK || !build_loop(&s))
        return RAN_INVALID;
    ran_value *axis = s.batched ? ran_onnx_const_ints(node, (int64_t[]){0}, 1) : NULL;
    for (size_t i = 0; i < node->output_count && !node->failed; i++) {
        ran_value *y = node->outputs[i];
        if (i >= s.state_count)
            y = turn_output(&s, i - s.state_count, y);
        if (s.batched && y)
            y = ran_onnx_binary(node, RAN_OP_UNSQUEEZE, y, axis);
        node->outputs[i] = y;
    }
    return node->failed ? RAN_INVALID : RAN_OK;
}
