/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Sequence ops that carry a state from token to token: CausalConvWithState, LinearAttention; and
 * SwiGLU, which goes with them. */
#include "frontend/ops/compose.h"

#include <math.h>
#include <string.h>

static void set_output(ran_onnx_node *node, size_t index, ran_value *value)
{
    if (index < node->output_count)
        node->outputs[index] = value;
}

static int64_t known_extent(const ran_value *value, int axis)
{
    const ran_type *type = ran_value_type(value);
    bool known = ran_type_rank(type) > axis && ran_dim_is_constant(ran_type_dim(type, axis));
    return known ? ran_type_extent(type, axis) : -1;
}

/* ---- SwiGLU ------------------------------------------------------------------------------------------- */

ran_status ran_onnx_map_swiglu(ran_onnx_node *node)
{
    double alpha = ran_onnx_float(node, "alpha", 1);
    if (node->input_count != 2)
        return ran_onnx_node_error(node, RAN_INVALID, "it needs two inputs");
    ran_op *op = ran_onnx_create(node, RAN_OP_SWISH, 1, node->inputs, 1);
    if (!op)
        return RAN_INVALID;
    ran_op_set_float(op, "alpha", alpha);
    if (ran_onnx_infer(node, op) != RAN_OK)
        return RAN_INVALID;
    set_output(node, 0,
               ran_onnx_binary(node, RAN_OP_MUL, ran_op_result(op, 0), node->inputs[1]));
    return node->failed ? RAN_INVALID : RAN_OK;
}

/* ---- CausalConvWithState -------------------------------------------------------------------------------- */

/* The past in front of the input, or zeros. */
static ran_value *with_past(ran_onnx_node *node, int64_t length)
{
    ran_value *x = node->inputs[0], *past = ran_onnx_input(node, 3);
    if (past)
        return ran_compose_concat(node, (ran_value *[]){past, x}, 2, 2);
    return ran_onnx_binary(node, RAN_OP_PAD, x,
                           ran_onnx_const_ints(node, (int64_t[]){0, 0, length, 0, 0, 0}, 6));
}

static ran_value *depthwise(ran_onnx_node *node, ran_value *x)
{
    ran_value *operands[] = {x, node->inputs[1], ran_onnx_input(node, 2)};
    ran_op *op = ran_op_create(node->builder, RAN_OP_CONV, 3, operands, 1);
    ran_op_set_int(op, "group", known_extent(node->inputs[1], 0));
    return ran_onnx_infer(node, op) == RAN_OK ? ran_op_result(op, 0) : NULL;
}

ran_status ran_onnx_map_causal_conv(ran_onnx_node *node)
{
    const char *activation = ran_onnx_string(node, "activation", "none");
    bool silu = strcmp(activation, "silu") == 0 || strcmp(activation, "swish") == 0;
    if (node->input_count < 2 || ran_onnx_input_rank(node, 0) != 3 ||
        ran_onnx_input_rank(node, 1) != 3)
        return ran_onnx_node_error(node, RAN_INVALID, "input and weight must be of rank 3");
    int64_t kernel = known_extent(node->inputs[1], 2);
    if (kernel < 1 || known_extent(node->inputs[1], 0) < 1)
        return ran_onnx_node_error(node, RAN_UNSUPPORTED, "the weight's shape is not known");
    if (!silu && strcmp(activation, "none") != 0)
        return ran_onnx_node_error(node, RAN_INVALID, "unknown activation '%s'", activation);
    ran_value *x = with_past(node, kernel - 1);
    ran_value *y = x ? depthwise(node, x) : NULL;
    if (y && silu)
        y = ran_onnx_unary(node, RAN_OP_SILU, y);
    set_output(node, 0, y);
    if (y && node->output_count > 1)
        set_output(node, 1,
                   ran_compose_slice(node, x, 2, kernel > 1 ? 1 - kernel : INT64_MAX, INT64_MAX));
    return y && !node->failed ? RAN_OK : RAN_INVALID;
}

/* ---- LinearAttention -------------------------------------------------------------------------------------- */

/* Tokens are unrolled: each is a handful of small ops, in f32. */
enum { MAX_TOKENS = 512 };

typedef struct linear_attention {
    ran_onnx_node *node;
    int64_t q_heads, kv_heads, tokens;
    double scale;
    bool gated, delta;
    ran_value *q, *k, *v, *decay, *beta, *erase; /* (B, H, T, D) in f32, or NULL */
    ran_value *state;                            /* (B, H, Dk, Dv), NULL while it is zero */
} linear_attention;

/* (B, T, H*D) -> (B, H, T, D) in f32 */
static ran_value *unpack(ran_onnx_node *node, size_t index, int64_t heads)
{
    ran_value *x = ran_onnx_input(node, index);
    if (!x || ran_onnx_input_rank(node, index) != 3) {
        (void)ran_onnx_node_error(node, RAN_INVALID, "input %zu must be of rank 3", index);
        return NULL;
    }
    x = ran_onnx_reshape(node, x, (int64_t[]){0, 0, heads, -1}, 4);
    x = ran_compose_transpose(node, x, (int64_t[]){0, 2, 1, 3}, 4);
    return x ? ran_onnx_cast(node, x, RAN_ELEM_F32) : NULL;
}

static ran_value *token(ran_onnx_node *node, ran_value *x, int64_t i)
{
    return ran_compose_slice(node, x, 2, i, i + 1);
}

static ran_value *column(ran_onnx_node *node, ran_value *row)
{
    return ran_compose_transpose(node, row, (int64_t[]){0, 1, 3, 2}, 4);
}

static ran_value *product(ran_onnx_node *node, ran_opcode opcode, ran_value *x, ran_value *y)
{
    return x && y ? ran_onnx_binary(node, opcode, x, y) : NULL;
}

/* What the token writes: v, or with correction beta * (v - k_erase . state). */
static ran_value *written(const linear_attention *l, int64_t i, ran_value *k)
{
    ran_onnx_node *node = l->node;
    ran_value *v = token(node, l->v, i);
    if (!l->delta)
        return v;
    if (l->state) {
        ran_value *erased = k;
        if (l->erase)
            erased = product(node, RAN_OP_MUL, token(node, l->erase, i), k);
        v = product(node, RAN_OP_SUB, v, product(node, RAN_OP_MATMUL, erased, l->state));
    }
    return product(node, RAN_OP_MUL, token(node, l->beta, i), v);
}

/* One token: the state decays, takes in the outer product of k and v, and is read by q. */
static ran_value *step(linear_attention *l, int64_t i, ran_value *heads)
{
    ran_onnx_node *node = l->node;
    ran_value *k = token(node, l->k, i);
    if (l->gated && l->state) {
        ran_value *decay = column(node, token(node, l->decay, i));
        decay = decay ? ran_onnx_unary(node, RAN_OP_EXP, decay) : NULL;
        l->state = product(node, RAN_OP_MUL, l->state, decay);
        if (!l->state)
            return NULL;
    }
    ran_value *write = k ? written(l, i, k) : NULL;
    ran_value *outer = product(node, RAN_OP_MATMUL, column(node, k), write);
    l->state = l->state && outer ? ran_onnx_binary(node, RAN_OP_ADD, l->state, outer) : outer;
    ran_value *read = heads ? ran_compose_gather(node, l->state, heads, 1) : l->state;
    ran_value *y = product(node, RAN_OP_MATMUL, token(node, l->q, i), read);
    return product(node, RAN_OP_MUL, y, ran_onnx_const_scalar(node, RAN_ELEM_F32, l->scale));
}

/* The key head of each query head, where several share one. */
static ran_value *shared_heads(const linear_attention *l)
{
    if (l->q_heads == l->kv_heads)
        return NULL;
    int64_t *index = RAN_ARENA_ARRAY(l->node->import->arena, int64_t, (size_t)l->q_heads);
    for (int64_t i = 0; i < l->q_heads; i++)
        index[i] = i / (l->q_heads / l->kv_heads);
    return ran_onnx_const_ints(l->node, index, (size_t)l->q_heads);
}

static ran_status linear_attributes(linear_attention *l)
{
    ran_onnx_node *node = l->node;
    const char *rule = ran_onnx_string(node, "update_rule", "gated_delta");
    l->q_heads = ran_onnx_int(node, "q_num_heads", 0);
    l->kv_heads = ran_onnx_int(node, "kv_num_heads", 0);
    l->scale = ran_onnx_float(node, "scale", 0);
    l->gated = strcmp(rule, "gated") == 0 || strcmp(rule, "gated_delta") == 0;
    l->delta = strcmp(rule, "delta") == 0 || strcmp(rule, "gated_delta") == 0;
    ran_onnx_ignore(node, "chunk_size");
    if (!l->gated && !l->delta && strcmp(rule, "linear") != 0)
        return ran_onnx_node_error(node, RAN_INVALID, "unknown update_rule '%s'", rule);
    if (l->q_heads < 1 || l->kv_heads < 1 || l->q_heads > 1 << 16 || l->q_heads % l->kv_heads)
        return ran_onnx_node_error(node, RAN_INVALID, "%lld query heads over %lld",
                                   (long long)l->q_heads, (long long)l->kv_heads);
    if (node->input_count < 3 || l->gated != !!ran_onnx_input(node, 4) ||
        l->delta != !!ran_onnx_input(node, 5))
        return ran_onnx_node_error(node, RAN_INVALID, "decay and beta don't fit update_rule '%s'",
                                   rule);
    return RAN_OK;
}

static ran_status linear_operands(linear_attention *l)
{
    ran_onnx_node *node = l->node;
    ran_value *past = ran_onnx_input(node, 3);
    l->q = unpack(node, 0, l->q_heads);
    l->k = unpack(node, 1, l->kv_heads);
    l->v = unpack(node, 2, l->kv_heads);
    l->decay = l->gated ? unpack(node, 4, l->kv_heads) : NULL;
    if (l->delta) /* one for all heads, or one a head */
        l->beta = unpack(node, 5, known_extent(node->inputs[5], 2) == 1 ? 1 : l->kv_heads);
    l->erase = l->delta && ran_onnx_input(node, 6) ? unpack(node, 6, l->kv_heads) : NULL;
    l->state = past ? ran_onnx_cast(node, past, RAN_ELEM_F32) : NULL;
    if (node->failed || !l->q || !l->k || !l->v)
        return RAN_INVALID;
    l->tokens = known_extent(l->q, 2);
    int64_t depth = known_extent(l->q, 3);
    if (l->tokens < 1 || l->tokens > MAX_TOKENS || depth < 1)
        return ran_onnx_node_error(node, RAN_UNSUPPORTED,
                                   "the number of tokens must be known and at most %d; bind it with "
                                   "--dim", MAX_TOKENS);
    if (l->scale == 0)
        l->scale = 1 / sqrt((double)depth);
    return RAN_OK;
}

ran_status ran_onnx_map_linear_attention(ran_onnx_node *node)
{
    linear_attention l = {.node = node};
    if (linear_attributes(&l) != RAN_OK || linear_operands(&l) != RAN_OK)
        return RAN_INVALID;
    ran_value *past = ran_onnx_input(node, 3), *heads = shared_heads(&l);
    ran_elem elem = ran_onnx_input_elem(node, 0);
    ran_value **rows = RAN_ARENA_ARRAY(node->import->arena, ran_value *, (size_t)l.tokens);
    for (int64_t i = 0; i < l.tokens && !node->failed; i++)
        rows[i] = step(&l, i, heads);
    ran_value *y = ran_compose_concat(node, rows, (size_t)l.tokens, 2);
    y = ran_compose_transpose(node, y, (int64_t[]){0, 2, 1, 3}, 4);
    y = y ? ran_onnx_reshape(node, y, (int64_t[]){0, 0, -1}, 3) : NULL;
    if (!y || !l.state || node->failed)
        return RAN_INVALID;
    set_output(node, 0, ran_onnx_cast(node, y, elem));
    ran_elem state = past ? ran_type_elem(ran_value_type(past)) : elem;
    set_output(node, 1, ran_onnx_cast(node, l.state, state));
    return node->failed ? RAN_INVALID : RAN_OK;
}
