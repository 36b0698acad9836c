/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Single ops as linear layers: what each op's attributes and constants mean. */
#include "passes/linear/chain.h"

#include <stdlib.h>
#include <string.h>

#include "ir/ops/compute.h"

/* Larger kernels (a global pool over a large map) are no candidates. */
enum { TAPS_MAX = 4096, CHANNELS_MAX = 1 << 16 };

typedef struct matcher {
    ran_pass_context *pass;
    ran_op *op;
    ran_value *value;
    int rank;
    bool last, weights;
    ran_link *link;
    ran_layer *layer;
} matcher;

static const ran_tensor *float_constant(const ran_value *value)
{
    const ran_tensor *tensor = value ? ran_value_constant(value) : NULL;
    return tensor && ran_elem_is_float(ran_tensor_elem(tensor)) ? tensor : NULL;
}

/* Channels along an axis of a value; -1 when they are not known or too many. */
static int64_t channels_of(const ran_value *value, int axis)
{
    const ran_type *type = ran_value_type(value);
    if (!type || !ran_type_is_tensor(type) || axis < 0 || axis >= ran_type_rank(type) ||
        !ran_elem_is_float(ran_type_elem(type)) || !ran_dim_is_constant(ran_type_dim(type, axis)))
        return -1;
    int64_t channels = ran_dim_value(ran_type_dim(type, axis));
    return channels >= 1 && channels <= CHANNELS_MAX ? channels : -1;
}

static bool same_elem(const ran_value *a, const ran_value *b)
{
    return ran_type_elem(ran_value_type(a)) == ran_type_elem(ran_value_type(b));
}

/* Weights in f64. False, with nothing to free, when one is not finite: it would spread. */
static bool load(const ran_tensor *tensor, double factor, double **out)
{
    int64_t count = ran_tensor_numel(tensor);
    double *values = ran_load_f64(tensor);
    for (int64_t i = 0; i < count; i++)
        values[i] *= factor;
    *out = values;
    return true;
}

/* ---- Windows -------------------------------------------------------------------------------------- */

static int64_t extent_or_one(const ran_value *value, int axis)
{
    const ran_dim *dim = ran_type_dim(ran_value_type(value), axis);
    return ran_dim_is_constant(dim) ? ran_dim_value(dim) : 1;
}

static bool is_spatially_static(const ran_value *value)
{
    for (int i = 2; i < ran_type_rank(ran_value_type(value)); i++)
        if (!ran_dim_is_constant(ran_type_dim(ran_value_type(value), i)))
            return false;
    return true;
}

/* Pads that follow from sizes need the sizes. */
static bool resolve_window(const matcher *m, const int64_t *kernel, ran_window *out)
{
    int64_t in[RAN_MAX_SPATIAL], extent[RAN_MAX_SPATIAL];
    int spatial = m->rank - 2;
    const char *auto_pad = ran_op_string(m->op, "auto_pad");
    bool sizes = is_spatially_static(m->link->input) && is_spatially_static(m->value);
    bool explicit_pads = !strcmp(auto_pad, "NOTSET") || !strcmp(auto_pad, "VALID");
    if (spatial < 1 || spatial > RAN_LAYER_AXES ||
        (!sizes && (!explicit_pads || m->op->opcode == RAN_OP_CONV_TRANSPOSE)))
        return false;
    for (int i = 0; i < spatial; i++) {
        in[i] = extent_or_one(m->link->input, 2 + i);
        extent[i] = extent_or_one(m->value, 2 + i);
    }
    ran_window_resolve(m->op, spatial, in, extent, kernel, out);
    return true;
}

static bool take_window(matcher *m, const int64_t *kernel)
{
    ran_window w;
    if (!resolve_window(m, kernel, &w))
        return false;
    int64_t taps = 1;
    for (int i = 0; i < m->layer->spatial; i++) {
        int from = RAN_MAX_SPATIAL - m->layer->spatial + i;
        m->layer->kernel[i] = w.kernel[from];
        m->layer->stride[i] = w.stride[from];
        m->layer->dilation[i] = w.dilation[from];
        m->layer->pad_begin[i] = w.pad_begin[from];
        m->layer->pad_end[i] = w.pad_end[from];
        taps *= w.kernel[from];
        if (w.pad_begin[from] < 0 || w.pad_end[from] < 0 || taps < 1 || taps > TAPS_MAX)
            return false;
    }
    return true;
}

/* ---- Convolutions and products ---------------------------------------------------------------------- */

static bool take_bias(matcher *m, const ran_value *bias, double factor)
{
    const ran_tensor *tensor = float_constant(bias);
    m->layer->biased = bias != NULL && factor != 0;
    if (!bias)
        return true;
    if (!tensor || (ran_tensor_numel(tensor) != m->layer->out && ran_tensor_numel(tensor) != 1))
        return false;
    int rank = ran_tensor_rank(tensor);
    if (ran_tensor_numel(tensor) > 1 && ran_tensor_dims(tensor)[rank - 1] != m->layer->out)
        return false;
    if (!m->weights)
        return true;
    double *values = ran_pass_alloc(m->pass, (size_t)m->layer->out * sizeof(*values));
    for (int64_t i = 0; i < m->layer->out; i++)
        values[i] = factor * ran_tensor_get_f64(tensor, ran_tensor_numel(tensor) == 1 ? 0 : i);
    m->layer->bias = malloc((size_t)m->layer->out * sizeof(double));
    if (!m->layer->bias)
        RAN_BUG(ran_pass_ir(m->pass), "out of memory");
    memcpy(m->layer->bias, values, (size_t)m->layer->out * sizeof(double));
    return true;
}

static bool match_convolution(matcher *m)
{
    const ran_tensor *w = float_constant(ran_op_operand(m->op, 1));
    bool transposed = m->op->opcode == RAN_OP_CONV_TRANSPOSE;
    int64_t groups = ran_op_int(m->op, "group"), in = channels_of(m->link->input, 1);
    int64_t out = channels_of(m->value, 1);
    if (m->last || !w || ran_tensor_rank(w) != m->rank || m->rank < 3 || in < 1 || out < 1 ||
        groups < 1 || in % groups || out % groups || ran_tensor_numel(w) == 0)
        return false;
    *m->layer = ran_layer_channelwise(m->rank - 2, in);
    m->layer->out = out;
    m->layer->groups = groups;
    m->layer->transposed = transposed;
    if (!take_window(m, ran_tensor_dims(w) + 2))
        return false;
    for (int i = 0; transposed && i < m->layer->spatial; i++)
        m->layer->output_padding[i] =
            ran_type_extent(ran_value_type(m->value), 2 + i) + m->layer->pad_begin[i] +
            m->layer->pad_end[i] - ran_layer_reach(m->layer, i) -
            m->layer->stride[i] * (ran_type_extent(ran_value_type(m->link->input), 2 + i) - 1);
    if (!take_bias(m, ran_op_operand(m->op, 2), 1))
        return false;
    return !m->weights || load(w, 1, &m->layer->weight);
}

/* Weights [in][out] of a product, or [out][in]. */
static void load_matrix(matcher *m, const ran_tensor *w, bool out_first, double factor)
{
    ran_layer *l = m->layer;
    load(w, factor, &l->weight);
    if (out_first)
        return;
    double *rows = malloc((size_t)(l->in * l->out) * sizeof(*rows));
    if (!rows)
        RAN_BUG(ran_pass_ir(m->pass), "out of memory");
    for (int64_t i = 0; i < l->in; i++)
        for (int64_t o = 0; o < l->out; o++)
            rows[o * l->in + i] = l->weight[i * l->out + o];
    free(l->weight);
    l->weight = rows;
}

static bool match_product(matcher *m)
{
    bool gemm = m->op->opcode == RAN_OP_GEMM;
    const ran_tensor *w = float_constant(ran_op_operand(m->op, 1));
    int64_t in = channels_of(m->link->input, m->rank - 1), out = channels_of(m->value, m->rank - 1);
    if (!m->last || !w || ran_tensor_rank(w) != 2 || in < 1 || out < 1 || m->rank < 2 ||
        ran_type_rank(ran_value_type(m->link->input)) != m->rank ||
        (gemm && ran_op_int(m->op, "transA")))
        return false;
    *m->layer = ran_layer_channelwise(0, in);
    m->layer->groups = 1;
    m->layer->out = out;
    if (gemm && !take_bias(m, ran_op_operand(m->op, 2), ran_op_float(m->op, "beta")))
        return false;
    if (m->weights)
        load_matrix(m, w, gemm && ran_op_int(m->op, "transB"),
                    gemm ? ran_op_float(m->op, "alpha") : 1);
    return true;
}

/* ---- Pools -------------------------------------------------------------------------------------------- */

static bool fill_mean(matcher *m)
{
    int64_t taps = ran_layer_taps(m->layer), count = m->layer->out * taps;
    if (!m->weights)
        return true;
    m->layer->weight = RAN_NEW(double, count);
    for (int64_t i = 0; i < count; i++)
        m->layer->weight[i] = 1.0 / (double)taps;
    return true;
}

static bool match_average_pool(matcher *m)
{
    int64_t channels = channels_of(m->value, 1);
    if (m->last || channels < 1 || m->rank < 3 || ran_op_int(m->op, "ceil_mode"))
        return false;
    *m->layer = ran_layer_channelwise(m->rank - 2, channels);
    if (!take_window(m, NULL))
        return false;
    return (!ran_layer_has_pads(m->layer) || ran_op_int(m->op, "count_include_pad")) && fill_mean(m);
}

static bool match_global_pool(matcher *m)
{
    int64_t channels = channels_of(m->value, 1), taps = 1;
    if (m->last || channels < 1 || m->rank < 3 || m->rank > 2 + RAN_LAYER_AXES ||
        !is_spatially_static(m->link->input))
        return false;
    *m->layer = ran_layer_channelwise(m->rank - 2, channels);
    for (int i = 0; i < m->layer->spatial; i++) {
        m->layer->kernel[i] = ran_type_extent(ran_value_type(m->link->input), 2 + i);
        taps *= m->layer->kernel[i];
        if (taps < 1 || taps > TAPS_MAX)
            return false;
    }
    return fill_mean(m);
}

/* ---- Channel by channel ---------------------------------------------------------------------------------- */

static bool take_affine(matcher *m, const ran_affine *affine)
{
    *m->layer = ran_layer_channelwise(m->last ? 0 : m->rank - 2, affine->count);
    m->layer->biased = ran_affine_has_shift(affine);
    if (!m->weights)
        return true;
    m->layer->weight = RAN_NEW(double, affine->count);
    m->layer->bias = RAN_NEW(double, affine->count);
    memcpy(m->layer->weight, affine->factor, (size_t)affine->count * sizeof(double));
    memcpy(m->layer->bias, affine->shift, (size_t)affine->count * sizeof(double));
    return true;
}

static bool match_batchnorm(matcher *m)
{
    ran_affine affine;
    if (m->last ? m->rank != 2 : m->rank < 3)
        return false;
    return channels_of(m->value, 1) > 0 && m->rank - 2 <= RAN_LAYER_AXES &&
           ran_affine_of_batchnorm(m->pass, m->op, &affine) && take_affine(m, &affine);
}

/* y = x + a constant that varies over the map. */
static bool match_map(matcher *m)
{
    bool first = float_constant(ran_op_operand(m->op, 0));
    const ran_tensor *constant = float_constant(ran_op_operand(m->op, first ? 0 : 1));
    ran_value *x = ran_op_operand(m->op, first ? 1 : 0);
    bool sub = m->op->opcode == RAN_OP_SUB;
    if ((m->op->opcode != RAN_OP_ADD && !sub) || (sub && first) || !constant || m->last ||
        m->rank < 3 || !ran_match_same_type(x, m->value) || channels_of(m->value, 1) < 1)
        return false;
    int64_t extents[RAN_LAYER_AXES];
    ran_chain chain = {.last = false};
    ran_chain_extents(&chain, x, extents);
    ran_bias_map map = ran_bias_map_create(m->rank - 2, channels_of(x, 1), extents);
    bool fits = ran_bias_map_add_constant(&map, constant, 1);
    ran_bias_map_clear(&map);
    if (!fits)
        return false;
    m->link->input = x;
    m->link->map = constant;
    m->link->map_sign = sub ? -1 : 1;
    *m->layer = ran_layer_channelwise(m->rank - 2, channels_of(x, 1));
    for (int i = 0; i < m->layer->spatial; i++)
        m->layer->varies[i] = true;
    m->layer->biased = true;
    if (m->weights)
        ran_layer_fill_identity(m->layer);
    return true;
}

static bool match_affine(matcher *m)
{
    ran_affine affine;
    ran_value *x;
    if (m->rank < 2 || (!m->last && m->rank < 3) || (!m->last && m->rank - 2 > RAN_LAYER_AXES))
        return false;
    if (!ran_affine_match(m->pass, m->value, &x, m->last ? m->rank - 1 : 1, &affine))
        return match_map(m);
    m->link->input = x;
    return take_affine(m, &affine);
}

/* Whether an activation is the identity for all of its channels. */
static bool is_identity(const matcher *m)
{
    double slope;
    switch (m->op->opcode) {
    case RAN_OP_IDENTITY:
        return true;
    case RAN_OP_PRELU:
        return ran_match_splat(ran_op_operand(m->op, 1), &slope) && slope == 1 &&
               ran_match_same_type(m->link->input, m->value);
    case RAN_OP_LEAKY_RELU:
        return ran_op_float(m->op, "alpha") == 1;
    case RAN_OP_CLIP:
        return !ran_op_operand(m->op, 1) && !ran_op_operand(m->op, 2);
    default:
        return false;
    }
}

static bool match_identity(matcher *m)
{
    int64_t channels = channels_of(m->value, m->last ? m->rank - 1 : 1);
    if (channels < 1 || m->rank < (m->last ? 2 : 3) || (!m->last && m->rank - 2 > RAN_LAYER_AXES) ||
        !is_identity(m))
        return false;
    *m->layer = ran_layer_channelwise(m->last ? 0 : m->rank - 2, channels);
    m->layer->identity = true;
    if (m->weights)
        ran_layer_fill_identity(m->layer);
    return true;
}

/* ---- All -------------------------------------------------------------------------------------------------- */

static const struct rule {
    ran_opcode opcode;
    bool (*match)(matcher *m);
} rules[] = {
    {RAN_OP_CONV, match_convolution},
    {RAN_OP_CONV_TRANSPOSE, match_convolution},
    {RAN_OP_MATMUL, match_product},
    {RAN_OP_GEMM, match_product},
    {RAN_OP_BATCH_NORMALIZATION, match_batchnorm},
    {RAN_OP_AVERAGE_POOL, match_average_pool},
    {RAN_OP_GLOBAL_AVERAGE_POOL, match_global_pool},
    {RAN_OP_MUL, match_affine},
    {RAN_OP_DIV, match_affine},
    {RAN_OP_ADD, match_affine},
    {RAN_OP_SUB, match_affine},
    {RAN_OP_NEG, match_affine},
    {RAN_OP_IDENTITY, match_identity},
    {RAN_OP_PRELU, match_identity},
    {RAN_OP_LEAKY_RELU, match_identity},
    {RAN_OP_CLIP, match_identity},
};

bool ran_link_match(ran_pass_context *pass, ran_value *value, bool last, bool weights, ran_link *out)
{
    ran_op *op = value ? ran_value_op(value) : NULL;
    const ran_type *type = value ? ran_value_type(value) : NULL;
    if (!op || value != &op->results[0] || !type || !ran_type_is_tensor(type) ||
        !ran_elem_is_float(ran_type_elem(type)))
        return false;
    *out = (ran_link){.op = op, .input = ran_op_operand(op, 0), .collapsible = true};
    matcher m = {pass, op, value, ran_type_rank(type), last, weights, out, &out->shape};
    if (!out->input || m.rank < 2 || (last ? m.rank < 2 : m.rank < 3))
        return false;
    for (size_t i = 0; i < sizeof(rules) / sizeof(*rules); i++)
        if (rules[i].opcode == op->opcode)
            return rules[i].match(&m) && same_elem(out->input, value);
    return false;
}
