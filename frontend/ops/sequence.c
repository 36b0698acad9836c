/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Sequences and optionals, as exporters write them: put together and taken apart again within the
 * model. Their structure is known while the model is imported, so that they are lists of values
 * here, and nothing of them is left in the IR:
 *
 *   s = SplitToSequence(x)        %0, %1 = split %x
 *   y = SequenceAt(s, 1)     =>   the value y is %1
 *
 * Bodies are in unroll.c. What the data decide (a sequence that is an input or output of the model,
 * or that comes out of a branch) has no such list, and is refused by name.
 */
#include "frontend/onnx.h"

#include <string.h>

/* Elements count as nodes, which bounds what a small file can ask for. */
ran_onnx_sequence *ran_onnx_sequence_create(ran_onnx_node *node, size_t count)
{
    ran_import *import = node->import;
    if (count > RAN_ONNX_MAX_NODES || (import->node_count += count) > RAN_ONNX_MAX_NODES) {
        (void)ran_onnx_node_error(node, RAN_UNSUPPORTED,
                                  "the model's sequences have more than %d elements",
                                  RAN_ONNX_MAX_NODES);
        return NULL;
    }
    ran_onnx_sequence *sequence = RAN_ARENA_ARRAY(import->arena, ran_onnx_sequence, 1);
    *sequence = (ran_onnx_sequence){count, RAN_ARENA_ARRAY(import->arena, ran_value *, count + 1)};
    return sequence;
}

static ran_status finish(ran_onnx_node *node, const ran_onnx_sequence *sequence)
{
    if (!sequence || node->failed)
        return RAN_INVALID;
    for (size_t i = 0; i < sequence->count; i++)
        if (!sequence->items[i])
            return RAN_INVALID;
    node->output_sequences[0] = sequence;
    return RAN_OK;
}

static ran_status finish_value(ran_onnx_node *node, ran_value *value)
{
    node->outputs[0] = value;
    return value && !node->failed ? RAN_OK : RAN_INVALID;
}

static bool is_tensor(const ran_value *value)
{
    return value && ran_type_is_tensor(ran_value_type(value));
}

const ran_onnx_sequence *ran_onnx_sequence_input(ran_onnx_node *node, size_t input)
{
    const ran_onnx_sequence *sequence = ran_onnx_input_sequence(node, input);
    const ran_value *value = ran_onnx_input(node, input);
    if (sequence)
        return sequence;
    if (!value || is_tensor(value))
        (void)ran_onnx_node_error(node, RAN_INVALID, "input %zu must be a sequence", input);
    else
        (void)ran_onnx_node_error(node, RAN_UNSUPPORTED,
                                  "the elements of its input are known only when the model runs;"
                                  " pass them as tensors of their own");
    return NULL;
}

static ran_value *tensor_at(ran_onnx_node *node, size_t input)
{
    ran_value *value = ran_onnx_input(node, input);
    if (is_tensor(value))
        return value;
    (void)ran_onnx_node_error(node, RAN_INVALID, "input %zu must be a tensor", input);
    return NULL;
}

/* ---- Positions ------------------------------------------------------------------------------- */

bool ran_onnx_known_int(const ran_value *value, int64_t *out)
{
    const ran_dim *const *elements;
    if (!value || ran_value_known(value, &elements) != 1 || !ran_dim_is_constant(elements[0]))
        return false;
    *out = ran_dim_value(elements[0]);
    return true;
}

/* A position among `count`, from the end when negative. */
static bool find_position(ran_onnx_node *node, const ran_value *value, size_t count, size_t *out)
{
    int64_t at = 0, most = (int64_t)count;
    if (!ran_onnx_known_int(value, &at)) {
        (void)ran_onnx_node_error(node, RAN_UNSUPPORTED,
                                  "the position is known only when the model runs");
        return false;
    }
    if (at < -most || at >= most) {
        (void)ran_onnx_node_error(node, RAN_INVALID, "position %lld is not one of %zu",
                                  (long long)at, count);
        return false;
    }
    *out = (size_t)(at < 0 ? at + most : at);
    return true;
}

/* ---- Concatenation --------------------------------------------------------------------------- */

ran_value *ran_onnx_sequence_concat(ran_onnx_node *node, const ran_onnx_sequence *sequence,
                                    int64_t axis, bool is_new)
{
    ran_value **items = RAN_ARENA_ARRAY(node->import->arena, ran_value *, sequence->count + 1);
    ran_value *axes = is_new ? ran_onnx_const_ints(node, &axis, 1) : NULL;
    for (size_t i = 0; i < sequence->count; i++) {
        items[i] = sequence->items[i];
        if (is_new)
            items[i] = ran_onnx_binary(node, RAN_OP_UNSQUEEZE, items[i], axes);
        if (!items[i])
            return NULL;
    }
    ran_op *op = ran_op_create(node->builder, RAN_OP_CONCAT, sequence->count, items, 1);
    ran_op_set_int(op, "axis", axis);
    return ran_onnx_infer(node, op) == RAN_OK ? ran_op_result(op, 0) : NULL;
}

ran_status ran_onnx_map_concat_from_sequence(ran_onnx_node *node)
{
    const ran_onnx_sequence *sequence = ran_onnx_sequence_input(node, 0);
    if (!sequence)
        return RAN_INVALID;
    if (!sequence->count || !ran_onnx_has_attr(node, "axis"))
        return ran_onnx_node_error(node, RAN_INVALID, "it needs an axis and at least one element");
    return finish_value(node,
                        ran_onnx_sequence_concat(node, sequence, ran_onnx_int(node, "axis", 0),
                                                 ran_onnx_int(node, "new_axis", 0) != 0));
}

/* ---- Elements -------------------------------------------------------------------------------- */

/* An element that the data choose, of those that are alike. */
static ran_value *choose(ran_onnx_node *node, const ran_onnx_sequence *sequence,
                         ran_value *position)
{
    for (size_t i = 1; i < sequence->count; i++)
        if (ran_value_type(sequence->items[i]) != ran_value_type(sequence->items[0])) {
            (void)ran_onnx_node_error(node, RAN_UNSUPPORTED,
                                      "the data choose among elements of different types");
            return NULL;
        }
    if (!sequence->count || !is_tensor(sequence->items[0]) ||
        ran_type_rank(ran_value_type(position)) != 0) {
        (void)ran_onnx_node_error(node, RAN_INVALID, "it needs elements and one position");
        return NULL;
    }
    return ran_onnx_binary(node, RAN_OP_GATHER, ran_onnx_sequence_concat(node, sequence, 0, true),
                           position);
}

ran_status ran_onnx_map_sequence_at(ran_onnx_node *node)
{
    const ran_onnx_sequence *sequence = ran_onnx_sequence_input(node, 0);
    ran_value *position = sequence ? tensor_at(node, 1) : NULL;
    int64_t known;
    size_t at;
    if (!position)
        return RAN_INVALID;
    if (!ran_onnx_known_int(position, &known))
        return finish_value(node, choose(node, sequence, position));
    if (!find_position(node, position, sequence->count, &at))
        return RAN_INVALID;
    return finish_value(node, sequence->items[at]);
}

ran_status ran_onnx_map_sequence_length(ran_onnx_node *node)
{
    const ran_onnx_sequence *sequence = ran_onnx_sequence_input(node, 0);
    return finish_value(node, sequence ? ran_onnx_const_int(node, (int64_t)sequence->count) : NULL);
}

/* ---- Lists ----------------------------------------------------------------------------------- */

ran_status ran_onnx_map_sequence_construct(ran_onnx_node *node)
{
    ran_onnx_sequence *sequence = ran_onnx_sequence_create(node, node->input_count);
    for (size_t i = 0; sequence && i < sequence->count; i++)
        sequence->items[i] = tensor_at(node, i);
    return finish(node, sequence);
}

ran_status ran_onnx_map_sequence_empty(ran_onnx_node *node)
{
    ran_onnx_ignore(node, "dtype");
    return finish(node, ran_onnx_sequence_create(node, 0));
}

ran_status ran_onnx_map_sequence_insert(ran_onnx_node *node)
{
    const ran_onnx_sequence *from = ran_onnx_sequence_input(node, 0);
    ran_value *item = from ? tensor_at(node, 1) : NULL, *position = ran_onnx_input(node, 2);
    int64_t last = 0;
    size_t at = from ? from->count : 0;
    if (!item)
        return RAN_INVALID;
    /* Behind the last one is a position here, counted from the front only. */
    bool behind = !position || (ran_onnx_known_int(position, &last) && last == (int64_t)at);
    if (!behind && !find_position(node, position, from->count, &at))
        return RAN_INVALID;
    ran_onnx_sequence *sequence = ran_onnx_sequence_create(node, from->count + 1);
    if (!sequence)
        return RAN_INVALID;
    memcpy(sequence->items, from->items, at * sizeof(*from->items));
    sequence->items[at] = item;
    memcpy(sequence->items + at + 1, from->items + at, (from->count - at) * sizeof(*from->items));
    return finish(node, sequence);
}

ran_status ran_onnx_map_sequence_erase(ran_onnx_node *node)
{
    const ran_onnx_sequence *from = ran_onnx_sequence_input(node, 0);
    ran_value *position = ran_onnx_input(node, 1);
    if (!from)
        return RAN_INVALID;
    if (!from->count)
        return ran_onnx_node_error(node, RAN_INVALID, "the sequence is empty");
    size_t at = from->count - 1;
    if (position && !find_position(node, position, from->count, &at))
        return RAN_INVALID;
    ran_onnx_sequence *sequence = ran_onnx_sequence_create(node, from->count - 1);
    if (!sequence)
        return RAN_INVALID;
    memcpy(sequence->items, from->items, at * sizeof(*from->items));
    memcpy(sequence->items + at, from->items + at + 1,
           (sequence->count - at) * sizeof(*from->items));
    return finish(node, sequence);
}

/* ---- Splitting ------------------------------------------------------------------------------- */

static int64_t extent_of(ran_onnx_node *node, const ran_value *value, int axis)
{
    const ran_dim *dim = ran_type_dim(ran_value_type(value), axis);
    if (ran_dim_is_constant(dim))
        return ran_dim_value(dim);
    (void)ran_onnx_node_error(node, RAN_UNSUPPORTED,
                              "the number of parts depends on %s; bind it with --dim",
                              ran_dim_text(node->import->context, dim));
    return -1;
}

/* Parts of `size`, the last one of what is left. */
static ran_value *even_sizes(ran_onnx_node *node, int64_t extent, int64_t size, size_t count)
{
    int64_t *sizes = RAN_ARENA_ARRAY(node->import->arena, int64_t, count + 1);
    for (size_t i = 0; i < count; i++)
        sizes[i] = (int64_t)i + 1 < (int64_t)count ? size : extent - (int64_t)i * size;
    return ran_onnx_const_ints(node, sizes, count);
}

/* As many parts as the operand `split` asks for; their sizes, and an empty sequence for them. */
static ran_onnx_sequence *plan_split(ran_onnx_node *node, const ran_value *x, int axis,
                                     ran_value **out_sizes)
{
    ran_value *split = ran_onnx_input(node, 1);
    int64_t size = 1, extent;
    if (split && (!is_tensor(split) || ran_onnx_input_rank(node, 1) > 1)) {
        (void)ran_onnx_node_error(node, RAN_INVALID, "split must be a number or a list");
        return NULL;
    }
    *out_sizes = split;
    if (split && ran_onnx_input_rank(node, 1) == 1) {
        extent = extent_of(node, split, 0);
        return extent < 0 ? NULL : ran_onnx_sequence_create(node, (size_t)extent);
    }
    if (split && (!ran_onnx_known_int(split, &size) || size < 1)) {
        (void)ran_onnx_node_error(node, RAN_UNSUPPORTED,
                                  "split is not positive, or known only when the model runs");
        return NULL;
    }
    extent = extent_of(node, x, axis);
    if (extent < 0)
        return NULL;
    ran_onnx_sequence *parts =
        ran_onnx_sequence_create(node, (size_t)(extent / size + (extent % size != 0)));
    if (parts)
        *out_sizes = even_sizes(node, extent, size, parts->count);
    return parts;
}

ran_status ran_onnx_map_split_to_sequence(ran_onnx_node *node)
{
    ran_value *x = tensor_at(node, 0), *sizes = NULL;
    int rank = ran_onnx_input_rank(node, 0);
    int axis = ran_axis(ran_onnx_int(node, "axis", 0), rank);
    bool keeps = ran_onnx_int(node, "keepdims", 1) || ran_onnx_input(node, 1);
    if (!x || axis < 0)
        return ran_onnx_node_error(node, rank < 0 ? RAN_UNSUPPORTED : RAN_INVALID,
                                   "the operand does not have this axis");
    ran_onnx_sequence *parts = plan_split(node, x, axis, &sizes);
    if (!parts || !parts->count)
        return finish(node, parts);
    ran_op *op =
        ran_op_create(node->builder, RAN_OP_SPLIT, 2, (ran_value *[]){x, sizes}, parts->count);
    ran_op_set_int(op, "axis", axis);
    if (ran_onnx_infer(node, op) != RAN_OK)
        return RAN_INVALID;
    ran_value *axes = keeps ? NULL : ran_onnx_const_ints(node, &(int64_t){axis}, 1);
    for (size_t i = 0; i < parts->count; i++)
        parts->items[i] = keeps ? ran_op_result(op, i)
                                : ran_onnx_binary(node, RAN_OP_SQUEEZE, ran_op_result(op, i), axes);
    return finish(node, parts);
}

/* ---- What passes through --------------------------------------------------------------------- */

static ran_status pass(ran_onnx_node *node)
{
    node->outputs[0] = ran_onnx_input(node, 0);
    node->output_sequences[0] = ran_onnx_input_sequence(node, 0);
    return RAN_OK;
}

ran_status ran_onnx_map_identity(ran_onnx_node *node)
{
    return ran_onnx_input_sequence(node, 0) ? pass(node) : ran_onnx_map_generic(node);
}

/* Whether there is something is known, unless an input of the model decides it. */
static bool is_decided(ran_onnx_node *node)
{
    const ran_value *value = ran_onnx_input(node, 0);
    if (!value || is_tensor(value))
        return true;
    (void)ran_onnx_node_error(node, RAN_UNSUPPORTED,
                              "what its input holds is known only when the model runs");
    return false;
}

ran_status ran_onnx_map_optional(ran_onnx_node *node)
{
    ran_onnx_ignore(node, "type");
    if (!ran_onnx_input(node, 0) && !ran_onnx_input_sequence(node, 0))
        return ran_onnx_node_error(node, RAN_UNSUPPORTED, "empty optionals are not supported");
    return is_decided(node) ? pass(node) : RAN_UNSUPPORTED;
}

ran_status ran_onnx_map_optional_get_element(ran_onnx_node *node)
{
    if (!ran_onnx_input(node, 0) && !ran_onnx_input_sequence(node, 0))
        return ran_onnx_node_error(node, RAN_INVALID, "there is no element");
    return is_decided(node) ? pass(node) : RAN_UNSUPPORTED;
}

ran_status ran_onnx_map_optional_has_element(ran_onnx_node *node)
{
    bool has = ran_onnx_input(node, 0) || ran_onnx_input_sequence(node, 0);
    if (!is_decided(node))
        return RAN_UNSUPPORTED;
    return finish_value(node, ran_onnx_const_scalar(node, RAN_ELEM_BOOL, has));
}
