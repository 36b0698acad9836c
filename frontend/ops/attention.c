/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Attention and what belongs to transformers, expressed by matmul, softmax and elementwise ops, so
 * that every engine has them and fusion sees one form only.
 *
 * Walk: Attention(Q, K, V, mask) {is_causal, q_num_heads = 9, kv_num_heads = 3} of 3-D inputs: heads
 * are split off (B, S, H*D -> B, H, S, D), past keys and values go in front, K and V are repeated
 * for the query heads that share them, and softmax(Q' K' + bias) V follows, where bias sums the mask,
 * the causal triangle and the padding, all as 0 or -inf.
 */
#include "frontend/ops/compose.h"

#include <math.h>
#include <string.h>

typedef struct attention {
    ran_onnx_node *node;
    ran_elem elem;
    int64_t q_heads, kv_heads;
    bool packed;         /* 3-D inputs */
    ran_value *q, *k, *v; /* (B, H, S, D); k and v with the past */
    ran_value *past;      /* past_key or NULL */
    ran_value *lengths;   /* nonpad_kv_seqlen or NULL */
} attention;

/* ---- Operands ---------------------------------------------------------------------------------------- */

/* (B, S, H*D) -> (B, H, S, D) */
static ran_value *split_heads(ran_onnx_node *node, ran_value *x, int64_t heads)
{
    ran_value *split = ran_onnx_reshape(node, x, (int64_t[]){0, 0, heads, -1}, 4);
    return ran_compose_transpose(node, split, (int64_t[]){0, 2, 1, 3}, 4);
}

static int64_t head_count(const ran_onnx_node *node, size_t index, int64_t given)
{
    const ran_type *type = ran_value_type(node->inputs[index]);
    bool known = ran_type_rank(type) == 4 && ran_dim_is_constant(ran_type_dim(type, 1));
    return known ? ran_type_extent(type, 1) : given;
}

static ran_status attention_operands(attention *a)
{
    ran_onnx_node *node = a->node;
    int rank = ran_onnx_input_rank(node, 0);
    if (node->input_count < 3 || (rank != 3 && rank != 4) ||
        ran_onnx_input_rank(node, 1) != rank || ran_onnx_input_rank(node, 2) != rank)
        return ran_onnx_node_error(node, RAN_INVALID, "Q, K and V must be of rank 3 or 4, all alike");
    a->elem = ran_onnx_input_elem(node, 0);
    a->packed = rank == 3;
    a->q_heads = head_count(node, 0, ran_onnx_int(node, "q_num_heads", 0));
    a->kv_heads = head_count(node, 1, ran_onnx_int(node, "kv_num_heads", 0));
    if (a->q_heads < 1 || a->kv_heads < 1 || a->q_heads % a->kv_heads)
        return ran_onnx_node_error(node, RAN_INVALID, "%lld query heads over %lld",
                                   (long long)a->q_heads, (long long)a->kv_heads);
    a->q = a->packed ? split_heads(node, node->inputs[0], a->q_heads) : node->inputs[0];
    a->k = a->packed ? split_heads(node, node->inputs[1], a->kv_heads) : node->inputs[1];
    a->v = a->packed ? split_heads(node, node->inputs[2], a->kv_heads) : node->inputs[2];
    a->past = ran_onnx_input(node, 4);
    a->lengths = ran_onnx_input(node, 6);
    if (!a->past != !ran_onnx_input(node, 5))
        return ran_onnx_node_error(node, RAN_INVALID, "past_key and past_value come together");
    if (a->past && a->k && a->v) {
        a->k = ran_compose_concat(node, (ran_value *[]){a->past, a->k}, 2, 2);
        a->v = ran_compose_concat(node, (ran_value *[]){node->inputs[5], a->v}, 2, 2);
    }
    return a->q && a->k && a->v ? RAN_OK : RAN_INVALID;
}

/* Head i of the result is head i / times of x. */
static ran_value *repeat_heads(ran_onnx_node *node, ran_value *x, int64_t heads, int64_t times)
{
    int64_t stack[64], *index = heads * times <= 64 ? stack : NULL;
    if (times == 1 || !x)
        return x;
    if (!index)
        index = RAN_ARENA_ARRAY(node->import->arena, int64_t, (size_t)(heads * times));
    for (int64_t i = 0; i < heads * times; i++)
        index[i] = i / times;
    ran_value *indices = ran_onnx_const_ints(node, index, (size_t)(heads * times));
    return ran_compose_gather(node, x, indices, 1);
}

/* ---- What is added to the scores ----------------------------------------------------------------------- */

/* 0 where `allowed` holds, -inf elsewhere. */
static ran_value *bias_of(const attention *a, ran_value *allowed)
{
    ran_value *operands[] = {allowed, ran_onnx_const_scalar(a->node, a->elem, 0),
                             ran_onnx_const_scalar(a->node, a->elem, -INFINITY)};
    return allowed ? ran_onnx_build_n(a->node, RAN_OP_WHERE, 3, operands) : NULL;
}

/* The mask may be shorter than the keys: what it does not reach is masked. */
static ran_value *mask_bias(const attention *a, ran_value *mask)
{
    ran_onnx_node *node = a->node;
    const ran_type *type = ran_value_type(mask), *keys = ran_value_type(a->k);
    int last = ran_type_rank(type) - 1;
    bool is_bool = ran_type_elem(type) == RAN_ELEM_BOOL;
    ran_value *bias = is_bool ? bias_of(a, mask) : ran_onnx_cast(node, mask, a->elem);
    if (last < 0 || !bias || !ran_dim_is_constant(ran_type_dim(type, last)) ||
        !ran_dim_is_constant(ran_type_dim(keys, 2)))
        return bias;
    int64_t missing = ran_type_extent(keys, 2) - ran_type_extent(type, last);
    if (missing <= 0 || ran_type_extent(type, last) == 1)
        return bias;
    ran_value *operands[] = {bias, ran_onnx_const_ints(node, (int64_t[]){0, missing}, 2),
                             ran_onnx_const_scalar(node, a->elem, -INFINITY),
                             ran_onnx_const_ints(node, (int64_t[]){last}, 1)};
    return ran_onnx_build_n(node, RAN_OP_PAD, 4, operands);
}

/* 0, 1, ... up to the extent of an axis, as i64 of rank 1. */
static ran_value *positions(const attention *a, ran_value *x, int axis)
{
    ran_onnx_node *node = a->node;
    ran_value *operands[] = {ran_onnx_const_int(node, 0), ran_compose_extent(node, x, axis),
                             ran_onnx_const_int(node, 1)};
    return operands[1] ? ran_onnx_build_n(node, RAN_OP_RANGE, 3, operands) : NULL;
}

/* How many keys precede the queries: the past, or per batch what is not padding minus the queries. */
static ran_value *causal_offset(const attention *a)
{
    ran_onnx_node *node = a->node;
    if (a->past)
        return ran_compose_extent(node, a->past, 2);
    if (!a->lengths)
        return ran_onnx_const_int(node, 0);
    ran_value *queries = ran_compose_extent(node, a->q, 2);
    ran_value *offset = queries ? ran_onnx_binary(node, RAN_OP_SUB, a->lengths, queries) : NULL;
    return offset ? ran_onnx_reshape(node, offset, (int64_t[]){-1, 1, 1, 1}, 4) : NULL;
}

/* Everything static: one constant instead of ops. */
static ran_value *constant_triangle(const attention *a)
{
    const ran_type *q = ran_value_type(a->q), *k = ran_value_type(a->k);
    const ran_type *past = a->past ? ran_value_type(a->past) : NULL;
    if (a->lengths || !ran_dim_is_constant(ran_type_dim(q, 2)) ||
        !ran_dim_is_constant(ran_type_dim(k, 2)) ||
        (past && !ran_dim_is_constant(ran_type_dim(past, 2))))
        return NULL;
    int64_t rows = ran_type_extent(q, 2), columns = ran_type_extent(k, 2);
    int64_t offset = past ? ran_type_extent(past, 2) : 0;
    ran_tensor *tensor = ran_tensor_create(a->elem, 2, (int64_t[]){rows, columns});
    if (!tensor)
        return NULL;
    for (int64_t i = 0; i < rows; i++)
        for (int64_t j = i + offset + 1; j < columns; j++)
            ran_tensor_set_f64(tensor, i * columns + j, -INFINITY);
    ran_value *value = ran_constant_create(a->node->import->module, NULL, tensor);
    ran_tensor_release(tensor);
    return value;
}

/* Query i sees key j when j <= i + offset. */
static ran_value *causal_bias(const attention *a)
{
    ran_onnx_node *node = a->node;
    ran_value *constant = constant_triangle(a);
    if (constant)
        return constant;
    ran_value *rows = positions(a, a->q, 2), *columns = positions(a, a->k, 2);
    ran_value *offset = causal_offset(a);
    rows = rows ? ran_onnx_reshape(node, rows, (int64_t[]){-1, 1}, 2) : NULL;
    rows = rows && offset ? ran_onnx_binary(node, RAN_OP_ADD, rows, offset) : NULL;
    if (!rows || !columns)
        return NULL;
    return bias_of(a, ran_onnx_binary(node, RAN_OP_LESS_OR_EQUAL, columns, rows));
}

static ran_value *padding_bias(const attention *a)
{
    ran_onnx_node *node = a->node;
    ran_value *columns = positions(a, a->k, 2);
    ran_value *lengths = ran_onnx_reshape(node, a->lengths, (int64_t[]){-1, 1, 1, 1}, 4);
    return columns && lengths
               ? bias_of(a, ran_onnx_binary(node, RAN_OP_LESS, columns, lengths))
               : NULL;
}

static ran_value *sum_of(ran_onnx_node *node, ran_value *a, ran_value *b)
{
    return a && b ? ran_onnx_binary(node, RAN_OP_ADD, a, b) : a ? a : b;
}

/* The bias, NULL when there is none. `out_masks_rows`: whole rows may be -inf. */
static ran_value *attention_bias(const attention *a, bool *out_masks_rows)
{
    ran_onnx_node *node = a->node;
    ran_value *mask = ran_onnx_input(node, 3);
    ran_value *bias = mask ? mask_bias(a, mask) : NULL;
    if (ran_onnx_int(node, "is_causal", 0))
        bias = sum_of(node, bias, causal_bias(a));
    if (a->lengths)
        bias = sum_of(node, bias, padding_bias(a));
    *out_masks_rows = mask || a->lengths;
    return bias;
}

/* ---- The product ------------------------------------------------------------------------------------------ */

/* Both factors get the square root of the scale, as ONNX says for the sake of f16. */
static ran_value *attention_scores(const attention *a, ran_value *keys)
{
    ran_onnx_node *node = a->node;
    const ran_dim *depth = ran_type_dim(ran_value_type(a->q), 3);
    double scale = ran_onnx_float(node, "scale", 0);
    if (scale == 0 && !ran_dim_is_constant(depth)) {
        (void)ran_onnx_node_error(node, RAN_UNSUPPORTED, "the size of a head is not known");
        return NULL;
    }
    if (scale == 0)
        scale = 1 / sqrt((double)ran_dim_value(depth));
    ran_value *factor = ran_onnx_const_scalar(node, a->elem, sqrt(scale));
    ran_value *q = ran_onnx_binary(node, RAN_OP_MUL, a->q, factor);
    ran_value *k = ran_compose_transpose(node, keys, (int64_t[]){0, 1, 3, 2}, 4);
    k = k ? ran_onnx_binary(node, RAN_OP_MUL, k, factor) : NULL;
    return q && k ? ran_onnx_binary(node, RAN_OP_MATMUL, q, k) : NULL;
}

static ran_value *soft_cap(const attention *a, ran_value *scores)
{
    ran_onnx_node *node = a->node;
    double cap = ran_onnx_float(node, "softcap", 0);
    if (cap <= 0 || !scores)
        return scores;
    ran_value *limit = ran_onnx_const_scalar(node, a->elem, cap);
    ran_value *ratio = ran_onnx_binary(node, RAN_OP_DIV, scores, limit);
    ratio = ratio ? ran_onnx_unary(node, RAN_OP_TANH, ratio) : NULL;
    return ratio ? ran_onnx_binary(node, RAN_OP_MUL, ratio, limit) : NULL;
}

static const ran_elem softmax_elems[] = {[1] = RAN_ELEM_F32, [10] = RAN_ELEM_F16,
                                         [11] = RAN_ELEM_F64, [16] = RAN_ELEM_BF16};

/* A row that is masked whole gives zeros, not NaN. */
static ran_value *probabilities(const attention *a, ran_value *scores, ran_value *bias,
                                bool masks_rows)
{
    ran_onnx_node *node = a->node;
    int64_t precision = ran_onnx_int(node, "softmax_precision", 0);
    bool listed = precision == 1 || precision == 10 || precision == 11 || precision == 16;
    ran_elem elem = listed ? softmax_elems[precision] : a->elem;
    ran_value *p = ran_compose_softmax(node, ran_onnx_cast(node, scores, elem), -1);
    p = p ? ran_onnx_cast(node, p, a->elem) : NULL;
    if (!masks_rows || !p || !bias)
        return p;
    ran_value *top =
        ran_onnx_reduce(node, RAN_OP_REDUCE_MAX, bias, (int64_t[]){-1}, 1, true);
    ran_value *none = ran_onnx_const_scalar(node, a->elem, -INFINITY);
    ran_value *masked = top ? ran_onnx_binary(node, RAN_OP_EQUAL, top, none) : NULL;
    ran_value *operands[] = {masked, ran_onnx_const_scalar(node, a->elem, 0), p};
    return masked ? ran_onnx_build_n(node, RAN_OP_WHERE, 3, operands) : NULL;
}

static ran_value *merge_heads(const attention *a, ran_value *y)
{
    if (!a->packed || !y)
        return y;
    y = ran_compose_transpose(a->node, y, (int64_t[]){0, 2, 1, 3}, 4);
    return y ? ran_onnx_reshape(a->node, y, (int64_t[]){0, 0, -1}, 3) : NULL;
}

static void set_output(ran_onnx_node *node, size_t index, ran_value *value)
{
    if (index < node->output_count)
        node->outputs[index] = value;
}

ran_status ran_onnx_map_attention(ran_onnx_node *node)
{
    attention a = {.node = node};
    bool masks_rows;
    if (attention_operands(&a) != RAN_OK)
        return RAN_INVALID;
    int64_t shared = a.q_heads / a.kv_heads, mode = ran_onnx_int(node, "qk_matmul_output_mode", 0);
    ran_value *keys = repeat_heads(node, a.k, a.kv_heads, shared);
    ran_value *values = repeat_heads(node, a.v, a.kv_heads, shared);
    ran_value *bias = attention_bias(&a, &masks_rows);
    ran_value *raw = keys ? attention_scores(&a, keys) : NULL;
    ran_value *capped = soft_cap(&a, raw);
    ran_value *biased = capped ? sum_of(node, capped, bias) : NULL;
    ran_value *p = biased ? probabilities(&a, biased, bias, masks_rows) : NULL;
    ran_value *y = p && values ? ran_onnx_binary(node, RAN_OP_MATMUL, p, values) : NULL;
    y = merge_heads(&a, y);
    if (!y || node->failed)
        return RAN_INVALID;
    set_output(node, 0, y);
    set_output(node, 1, a.k);
    set_output(node, 2, a.v);
    set_output(node, 3, mode == 0 ? raw : mode == 1 ? capped : mode == 2 ? biased : p);
    return RAN_OK;
}

/* ---- RotaryEmbedding ------------------------------------------------------------------------------------- */

/* Elements `first`, `first` + step, ... below `end` of the last axis. */
static ran_value *last_axis(ran_onnx_node *node, ran_value *x, int64_t first, int64_t end,
                            int64_t step)
{
    ran_value *operands[] = {x, ran_onnx_const_ints(node, &first, 1),
                             ran_onnx_const_ints(node, &end, 1),
                             ran_onnx_const_ints(node, (int64_t[]){-1}, 1),
                             ran_onnx_const_ints(node, &step, 1)};
    return x ? ran_onnx_build_n(node, RAN_OP_SLICE, 5, operands) : NULL;
}

/* Rows of a cache for the positions, with an axis for the heads: (B, S, 1, D/2). */
static ran_value *cached_angles(ran_onnx_node *node, size_t index)
{
    ran_value *cache = ran_onnx_input(node, index), *ids = ran_onnx_input(node, 3);
    ran_value *rows = ids ? ran_compose_gather(node, cache, ids, 0) : cache;
    ran_value *axis = ran_onnx_const_ints(node, (int64_t[]){2}, 1);
    return rows ? ran_onnx_binary(node, RAN_OP_UNSQUEEZE, rows, axis) : NULL;
}

/* x * a + sign * y * b */
static ran_value *rotate_part(ran_onnx_node *node, ran_value *x, ran_value *a, ran_opcode sign,
                              ran_value *y, ran_value *b)
{
    ran_value *first = ran_onnx_binary(node, RAN_OP_MUL, a, x);
    ran_value *second = ran_onnx_binary(node, RAN_OP_MUL, b, y);
    return first && second ? ran_onnx_binary(node, sign, first, second) : NULL;
}

static ran_value *rotate(ran_onnx_node *node, ran_value *x, int64_t depth, bool interleaved)
{
    ran_value *cosine = cached_angles(node, 1), *sine = cached_angles(node, 2);
    ran_value *even = interleaved ? last_axis(node, x, 0, depth, 2)
                                  : last_axis(node, x, 0, depth / 2, 1);
    ran_value *odd = interleaved ? last_axis(node, x, 1, depth, 2)
                                 : last_axis(node, x, depth / 2, depth, 1);
    if (!cosine || !sine || !even || !odd)
        return NULL;
    ran_value *parts[] = {rotate_part(node, even, cosine, RAN_OP_SUB, odd, sine),
                          rotate_part(node, even, sine, RAN_OP_ADD, odd, cosine)};
    if (!parts[0] || !parts[1])
        return NULL;
    if (!interleaved)
        return ran_compose_concat(node, parts, 2, -1);
    ran_value *axis = ran_onnx_const_ints(node, (int64_t[]){4}, 1);
    for (int i = 0; i < 2; i++)
        parts[i] = ran_onnx_binary(node, RAN_OP_UNSQUEEZE, parts[i], axis);
    ran_value *pairs = parts[0] && parts[1] ? ran_compose_concat(node, parts, 2, -1) : NULL;
    return pairs ? ran_onnx_reshape(node, pairs, (int64_t[]){0, 0, 0, -1}, 4) : NULL;
}

ran_status ran_onnx_map_rotary_embedding(ran_onnx_node *node)
{
    int rank = ran_onnx_input_rank(node, 0);
    int64_t heads = ran_onnx_int(node, "num_heads", 0);
    int64_t depth = ran_onnx_int(node, "rotary_embedding_dim", 0);
    bool interleaved = ran_onnx_int(node, "interleaved", 0) != 0;
    if (node->input_count < 3 || (rank != 4 && (rank != 3 || heads < 1)))
        return ran_onnx_node_error(node, RAN_INVALID, "X must be of rank 4, or 3 with num_heads");
    ran_value *x = rank == 4 ? ran_compose_transpose(node, node->inputs[0],
                                                     (int64_t[]){0, 2, 1, 3}, 4)
                             : ran_onnx_reshape(node, node->inputs[0],
                                                (int64_t[]){0, 0, heads, -1}, 4);
    if (!x || !ran_dim_is_constant(ran_type_dim(ran_value_type(x), 3)))
        return ran_onnx_node_error(node, RAN_UNSUPPORTED, "the size of a head is not known");
    int64_t size = ran_type_extent(ran_value_type(x), 3);
    depth = depth == 0 ? size : depth;
    if (depth < 0 || depth > size || depth % 2)
        return ran_onnx_node_error(node, RAN_INVALID, "rotary_embedding_dim is %lld of %lld",
                                   (long long)depth, (long long)size);
    ran_value *parts[] = {rotate(node, depth < size ? last_axis(node, x, 0, depth, 1) : x, depth,
                                 interleaved),
                          depth < size ? last_axis(node, x, depth, size, 1) : NULL};
    ran_value *y = parts[0];
    if (y && depth < size)
        y = ran_compose_concat(node, parts, 2, -1);
    if (y)
        y = rank == 4 ? ran_compose_transpose(node, y, (int64_t[]){0, 2, 1, 3}, 4)
                      : ran_onnx_reshape(node, y, (int64_t[]){0, 0, -1}, 3);
    set_output(node, 0, y);
    return y ? RAN_OK : RAN_INVALID;
}
