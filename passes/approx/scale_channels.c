/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * scale-channels: every inner width times a factor, the interface as it was ("DeepReShape", algorithm
 * 2, the channel-scaled copy of the thinned network).
 *
 *   %1 = conv %x, @w : tensor<1x16x8x8xf32>    =>    %1 = conv %x, @w_0 : tensor<1x8x8x8xf32>
 *
 * Values whose channels must agree (through elementwise ops, norms, pools, additions) form a class. A
 * class that meets the interface, or an op that the pass does not know, is fixed. What begins a class
 * that is not fixed is a convolution or product with constant weights: it loses its last channels, and
 * everything behind it the same ones. Where a grouped convolution reads or gives the class, each group loses
 * its last ones, and the number of groups stays; of a depthwise convolution with a multiplier, groups go.
 * With a factor above 1 new channels are made: seeded noise in weights (He), neutral elsewhere. Not the same
 * function: needs fine-tuning. Types are inferred again.
 * Known misses: shuffles of channels, channels on the last axis of maps.
 */
#include "ir/map.h"
#include "passes/approx/channels.h"

#include <math.h>
#include <string.h>

/* Channels of a value: `inner` features a channel, behind a flattened map. */
typedef struct node {
    size_t parent; /* union-find */
    bool fixed, has_maker, visiting, is_listed;
    int64_t count, parts;  /* of equal parts each keeps its first channels */
    const ran_op *source;  /* a concat or depthwise convolution: from its operands' channels */
    ran_channels channels;
} node;

typedef struct scaler {
    ran_pass_context *pass;
    double factor;
    ran_map ids; /* value -> node + 1 */
    ran_map inner;
    node *nodes;
    size_t count;
} scaler;

/* ---- Classes -------------------------------------------------------------------------------------------- */

static int axis_of(const ran_value *value)
{
    return ran_type_rank(ran_value_type(value)) >= 2 ? 1 : 0;
}

/* Features along the channel axis; -1 when that is symbolic or there is none. */
static int64_t features_of(const ran_value *value)
{
    const ran_type *type = ran_value_type(value);
    if (!ran_type_is_tensor(type) || ran_type_rank(type) < 2 ||
        !ran_dim_is_constant(ran_type_dim(type, axis_of(value))))
        return -1;
    return ran_type_extent(type, axis_of(value));
}

static size_t find(scaler *s, size_t i)
{
    while (s->nodes[i].parent != i)
        i = s->nodes[i].parent = s->nodes[s->nodes[i].parent].parent;
    return i;
}

static size_t node_of(scaler *s, const ran_value *value)
{
    bool is_new;
    uint64_t *id = ran_map_insert(&s->ids, value, 0, &is_new);
    if (is_new) {
        *id = s->count;
        s->nodes[s->count] =
            (node){.parent = s->count, .count = features_of(value), .parts = 1};
        s->nodes[s->count++].fixed = features_of(value) < 1;
    }
    return find(s, (size_t)*id);
}

static int64_t inner_of(const scaler *s, const ran_value *value)
{
    const uint64_t *inner = ran_map_find(&s->inner, value, 0);
    return inner ? (int64_t)*inner : 1;
}

static void fix(scaler *s, const ran_value *value)
{
    if (value && !ran_value_constant(value))
        s->nodes[node_of(s, value)].fixed = true;
}

static int64_t gcd(int64_t a, int64_t b)
{
    return b ? gcd(b, a % b) : a;
}

/* Makes the parts so many that each lies within one of `parts`, too. */
static void divide(node *n, int64_t parts)
{
    n->parts = n->parts / gcd(n->parts, parts) * parts;
    n->fixed |= n->count % n->parts != 0;
}

static void unite(scaler *s, const ran_value *a, const ran_value *b)
{
    size_t x = node_of(s, a), y = node_of(s, b);
    if (x == y)
        return;
    node *to = &s->nodes[x], *from = &s->nodes[y];
    from->parent = x;
    to->fixed |= from->fixed || to->count != from->count || (to->source && from->source);
    to->has_maker |= from->has_maker;
    to->source = to->source ? to->source : from->source;
    divide(to, from->parts);
}

static void fix_all(scaler *s, const ran_op *op)
{
    RAN_FOR_OPERANDS (op, i, operand)
        fix(s, operand);
    for (size_t i = 0; i < op->result_count; i++)
        fix(s, &op->results[i]);
}

/* y has `inner` features for each channel of x. */
static void relate(scaler *s, const ran_value *x, const ran_value *y, int64_t inner)
{
    bool is_new;
    size_t from = node_of(s, x);
    uint64_t *id = ran_map_insert(&s->ids, y, 0, &is_new);
    *id = from;
    *ran_map_insert(&s->inner, y, 0, &is_new) = (uint64_t)(inner * inner_of(s, x));
}

/* ---- What each op says about channels ----------------------------------------------------------------------- */

static bool has_constant_weight(const ran_op *op)
{
    return op->operand_count > 1 && ran_value_constant(ran_op_operand(op, 1)) &&
           (op->operand_count < 3 || !ran_op_operand(op, 2) ||
            ran_value_constant(ran_op_operand(op, 2)));
}

/* One input channel a group. */
static bool is_depthwise(const ran_op *op)
{
    const ran_tensor *w = ran_value_constant(ran_op_operand(op, 1));
    return w && op->opcode == RAN_OP_CONV && ran_op_int(op, "group") > 1 &&
           ran_tensor_dims(w)[1] == 1;
}

/* What a depthwise convolution gives for each channel. */
static int64_t multiplier_of(const ran_op *op)
{
    return ran_tensor_dims(ran_value_constant(ran_op_operand(op, 1)))[0] / ran_op_int(op, "group");
}

static void begin_class(scaler *s, const ran_op *op)
{
    s->nodes[node_of(s, ran_op_result(op, 0))].has_maker = true;
}

static void see_depthwise(scaler *s, const ran_op *op)
{
    const ran_value *x = ran_op_operand(op, 0), *y = ran_op_result(op, 0);
    if (multiplier_of(op) == 1) {
        unite(s, x, y);
        return;
    }
    node_of(s, x);
    s->nodes[node_of(s, y)].source = op;
}

static void see_conv(scaler *s, const ran_op *op)
{
    int64_t groups = ran_op_int(op, "group");
    if (!has_constant_weight(op) || (groups > 1 && op->opcode == RAN_OP_CONV_TRANSPOSE)) {
        fix_all(s, op);
        return;
    }
    if (is_depthwise(op)) {
        see_depthwise(s, op);
        return;
    }
    begin_class(s, op);
    if (groups > 1) {
        divide(&s->nodes[node_of(s, ran_op_operand(op, 0))], groups);
        divide(&s->nodes[node_of(s, ran_op_result(op, 0))], groups);
    }
}

static void see_product(scaler *s, const ran_op *op)
{
    const ran_value *x = ran_op_operand(op, 0);
    bool is_plain = has_constant_weight(op) && ran_type_rank(ran_value_type(x)) == 2 &&
                    ran_tensor_rank(ran_value_constant(ran_op_operand(op, 1))) == 2 &&
                    !(op->opcode == RAN_OP_GEMM && ran_op_int(op, "transA"));
    if (is_plain)
        begin_class(s, op);
    else
        fix_all(s, op);
}

static void see_same(scaler *s, const ran_op *op)
{
    const ran_value *x = ran_op_operand(op, 0);
    if (ran_type_rank(ran_value_type(x)) == ran_type_rank(ran_value_type(ran_op_result(op, 0))) &&
        op->result_count == 1)
        unite(s, x, ran_op_result(op, 0));
    else
        fix_all(s, op);
}

/* Operands of one channel broadcast; all others agree with the result. */
static void see_elementwise(scaler *s, const ran_op *op)
{
    const ran_value *y = ran_op_result(op, 0);
    int rank = ran_type_rank(ran_value_type(y));
    RAN_FOR_OPERANDS (op, i, operand) {
        int own = ran_type_rank(ran_value_type(operand));
        if (ran_value_constant(operand))
            continue;
        if (own == rank && features_of(operand) == features_of(y))
            unite(s, operand, y);
        else
            fix(s, own == 0 || features_of(operand) == 1 ? operand : y);
    }
}

static void see_concat(scaler *s, const ran_op *op)
{
    const ran_value *y = ran_op_result(op, 0);
    bool is_plain = ran_axis(ran_op_int(op, "axis"), ran_type_rank(ran_value_type(y))) == 1;
    RAN_FOR_OPERANDS (op, i, operand)
        is_plain = is_plain && !ran_value_constant(operand) && inner_of(s, operand) == 1;
    if (!is_plain) {
        fix_all(s, op);
        return;
    }
    RAN_FOR_OPERANDS (op, i, operand)
        node_of(s, operand);
    s->nodes[node_of(s, y)].source = op;
}

/* [N, C, H, W] to [N, C H W], by any op that says so. */
static void see_flatten(scaler *s, const ran_op *op)
{
    const ran_value *x = ran_op_operand(op, 0), *y = ran_op_result(op, 0);
    const ran_type *from = ran_value_type(x), *to = ran_value_type(y);
    int64_t inner = 1;
    bool is_plain = ran_type_rank(to) == 2 && ran_type_rank(from) >= 2 && features_of(x) > 0 &&
                    features_of(y) > 0 && ran_type_dim(from, 0) == ran_type_dim(to, 0);
    for (int axis = 2; is_plain && axis < ran_type_rank(from); axis++) {
        is_plain = ran_dim_is_constant(ran_type_dim(from, axis));
        inner *= is_plain ? ran_type_extent(from, axis) : 1;
    }
    if (is_plain && features_of(y) == features_of(x) * inner)
        relate(s, x, y, inner);
    else
        fix_all(s, op);
}

/* Over the map only. */
static void see_reduce(scaler *s, const ran_op *op)
{
    int64_t axes[RAN_MAX_RANK];
    const ran_value *x = ran_op_operand(op, 0), *y = ran_op_result(op, 0);
    int rank = ran_type_rank(ran_value_type(x));
    int64_t count = op->operand_count > 1 ? ran_match_ints(ran_op_operand(op, 1), axes, RAN_MAX_RANK)
                                          : -1;
    bool is_plain = count > 0 && features_of(x) == features_of(y);
    for (int64_t i = 0; i < count; i++)
        is_plain = is_plain && ran_axis(axes[i], rank) > 1;
    if (is_plain)
        relate(s, x, y, 1);
    else
        fix_all(s, op);
}

static void see_pad(scaler *s, const ran_op *op)
{
    int64_t pads[2 * RAN_MAX_RANK];
    int rank = ran_type_rank(ran_value_type(ran_op_operand(op, 0)));
    bool is_plain = op->operand_count < 4 &&
                    ran_match_ints(ran_op_operand(op, 1), pads, 2 * RAN_MAX_RANK) == 2 * rank &&
                    !pads[1] && !pads[rank + 1];
    if (is_plain)
        unite(s, ran_op_operand(op, 0), ran_op_result(op, 0));
    else
        fix_all(s, op);
}

/* By factors; sizes would name the channels. */
static void see_resize(scaler *s, const ran_op *op)
{
    const ran_value *x = ran_op_operand(op, 0), *y = ran_op_result(op, 0);
    if (ran_op_operand(op, 2) && !ran_op_operand(op, 3) && features_of(x) == features_of(y))
        unite(s, x, y);
    else
        fix_all(s, op);
}

static const struct rule {
    ran_opcode opcode;
    void (*see)(scaler *s, const ran_op *op);
} rules[] = {
    {RAN_OP_CONV, see_conv},
    {RAN_OP_CONV_TRANSPOSE, see_conv},
    {RAN_OP_GEMM, see_product},
    {RAN_OP_MATMUL, see_product},
    {RAN_OP_BATCH_NORMALIZATION, see_same},
    {RAN_OP_MAX_POOL, see_same},
    {RAN_OP_AVERAGE_POOL, see_same},
    {RAN_OP_GLOBAL_AVERAGE_POOL, see_same},
    {RAN_OP_GLOBAL_MAX_POOL, see_same},
    {RAN_OP_IDENTITY, see_same},
    {RAN_OP_DROPOUT, see_same},
    {RAN_OP_CONCAT, see_concat},
    {RAN_OP_FLATTEN, see_flatten},
    {RAN_OP_RESHAPE, see_flatten},
    {RAN_OP_SQUEEZE, see_flatten},
    {RAN_OP_REDUCE_MEAN, see_reduce},
    {RAN_OP_PAD, see_pad},
    {RAN_OP_RESIZE, see_resize},
};

static void see(scaler *s, const ran_op *op)
{
    for (size_t i = 0; i < sizeof(rules) / sizeof(*rules); i++)
        if (rules[i].opcode == op->opcode) {
            rules[i].see(s, op);
            return;
        }
    bool is_elementwise = ran_opcode_is_elementwise(op->opcode) && op->result_count == 1 &&
                          ran_value_is_float(ran_op_result(op, 0));
    if (is_elementwise)
        see_elementwise(s, op);
    else
        fix_all(s, op);
}

/* Whether the channels that an op gives are made of those that it reads. */
static bool is_source(const ran_op *op)
{
    return op->opcode == RAN_OP_CONCAT ||
           (op->opcode == RAN_OP_CONV && is_depthwise(op) && multiplier_of(op) > 1);
}

/* What a fixed class comes from is fixed, too; parts of channels don't go with those of others. */
static void spread_fixed(scaler *s, const ran_region *body)
{
    for (bool again = true; again;) {
        again = false;
        for (const ran_op *op = ran_region_first(body); op; op = ran_op_next(op)) {
            if (!is_source(op))
                continue;
            node *n = &s->nodes[node_of(s, ran_op_result(op, 0))];
            n->fixed |= n->parts > 1;
            RAN_FOR_OPERANDS (op, i, operand) {
                if (!n->fixed || ran_value_constant(operand))
                    continue;
                again |= !s->nodes[node_of(s, operand)].fixed;
                fix(s, operand);
            }
        }
    }
}

/* ---- Lists of channels ------------------------------------------------------------------------------------------ */

static ran_channels scaled(const scaler *s, const node *n)
{
    int64_t size = n->count / n->parts, wanted = (int64_t)nearbyint((double)size * s->factor);
    wanted = wanted < 1 ? 1 : wanted;
    ran_channels all = ran_channels_range(s->pass, 0, wanted * n->parts);
    for (int64_t i = 0; i < all.count; i++)
        ((int64_t *)all.from)[i] = i % wanted < size ? i / wanted * size + i % wanted : -1;
    return all;
}

static const ran_channels *channels_of(scaler *s, const ran_value *value);

static ran_channels joined(scaler *s, const ran_op *concat)
{
    int64_t total = 0, at = 0, offset = 0;
    RAN_FOR_OPERANDS (concat, i, operand)
        total += channels_of(s, operand)->count;
    int64_t *from = ran_pass_alloc(s->pass, (size_t)(total + 1) * sizeof(int64_t));
    RAN_FOR_OPERANDS (concat, i, operand) {
        const ran_channels *part = channels_of(s, operand);
        for (int64_t c = 0; c < part->count; c++)
            from[at++] = part->from[c] < 0 ? -1 : part->from[c] + offset;
        offset += features_of(operand);
    }
    return (ran_channels){from, total};
}

/* Each channel `times` over: it and its neighbours c * times + 0, 1, ... */
static ran_channels repeated(scaler *s, const ran_channels *channels, int64_t times)
{
    ran_channels all = ran_channels_range(s->pass, 0, channels->count * times);
    for (int64_t i = 0; i < all.count; i++)
        ((int64_t *)all.from)[i] =
            channels->from[i / times] < 0 ? -1 : channels->from[i / times] * times + i % times;
    return all;
}

static ran_channels from_source(scaler *s, const ran_op *source)
{
    if (source->opcode == RAN_OP_CONCAT)
        return joined(s, source);
    return repeated(s, channels_of(s, ran_op_operand(source, 0)), multiplier_of(source));
}

/* Of the class, as channels: a flattened value has `inner` features for each of them. */
static const ran_channels *channels_of(scaler *s, const ran_value *value)
{
    node *n = &s->nodes[node_of(s, value)];
    if (n->is_listed)
        return &n->channels;
    bool is_loop = n->visiting;
    n->visiting = true;
    n->is_listed = true;
    if (n->fixed || is_loop || (!n->has_maker && !n->source))
        n->channels = ran_channels_range(s->pass, 0, n->count > 0 ? n->count : 0);
    else
        n->channels = n->source ? from_source(s, n->source) : scaled(s, n);
    return &n->channels;
}

static ran_channels expanded(scaler *s, const ran_value *value)
{
    return repeated(s, channels_of(s, value), inner_of(s, value));
}

static bool stays(scaler *s, const ran_value *value)
{
    return ran_channels_is_identity(channels_of(s, value), s->nodes[node_of(s, value)].count);
}

/* ---- Changing constants -------------------------------------------------------------------------------------------- */

static void take(ran_op *op, size_t index, int axis, const ran_channels *channels, double fill,
                 int64_t fan_in)
{
    ran_value *constant = ran_op_operand(op, index);
    if (constant)
        ran_op_set_operand(op, index,
                           ran_channels_take(op, constant, axis, channels, fill, fan_in));
}

static void change_weights(scaler *s, ran_op *op)
{
    const ran_tensor *w = ran_value_constant(ran_op_operand(op, 1));
    bool is_conv = op->opcode == RAN_OP_CONV;
    bool out_first = is_conv || (op->opcode == RAN_OP_GEMM && ran_op_int(op, "transB"));
    ran_channels in = expanded(s, ran_op_operand(op, 0)), out = expanded(s, ran_op_result(op, 0));
    int64_t fan_in = ran_tensor_numel(w) / ran_tensor_dims(w)[!out_first];
    if (is_conv && is_depthwise(op)) {
        take(op, 1, 0, &out, 0, fan_in);
        ran_op_set_int(op, "group", in.count);
    } else {
        if (is_conv)
            in.count /= ran_op_int(op, "group"); /* those of the first group: all are alike */
        take(op, 1, out_first, &in, 0, fan_in);
        take(op, 1, !out_first, &out, 0, fan_in);
    }
    ran_value *bias = ran_op_operand(op, 2);
    const ran_tensor *b = bias ? ran_value_constant(bias) : NULL;
    int rank = b ? ran_tensor_rank(b) : 0;
    if (rank && ran_tensor_dims(b)[rank - 1] > 1)
        take(op, 2, rank - 1, &out, 0, 0);
}

static void change_constants(scaler *s, ran_op *op)
{
    ran_channels channels = expanded(s, ran_op_result(op, 0));
    for (size_t i = 0; i < op->operand_count; i++) {
        ran_value *constant = ran_op_operand(op, i);
        if (!constant || !ran_value_constant(constant))
            continue;
        int axis = ran_channels_axis_of(op, constant, axis_of(ran_op_result(op, 0)));
        if (axis >= 0)
            take(op, i, axis, &channels, ran_channels_fill(op, i), 0);
    }
}

/* A shape that names the features. */
static void change_shape(scaler *s, ran_op *op)
{
    int64_t dims[RAN_MAX_RANK];
    int64_t count = ran_match_ints(ran_op_operand(op, 1), dims, RAN_MAX_RANK);
    if (count != 2 || dims[1] <= 0)
        return;
    dims[1] = channels_of(s, ran_op_result(op, 0))->count * inner_of(s, ran_op_result(op, 0));
    ran_op_set_operand(op, 1, ran_new_ints(op, dims, 2));
}

static void change(scaler *s, ran_op *op)
{
    bool is_weighted = op->opcode == RAN_OP_CONV || op->opcode == RAN_OP_CONV_TRANSPOSE ||
                       op->opcode == RAN_OP_GEMM || op->opcode == RAN_OP_MATMUL;
    if (is_weighted && has_constant_weight(op)) {
        if (!stays(s, ran_op_operand(op, 0)) || !stays(s, ran_op_result(op, 0)))
            change_weights(s, op);
        if (!stays(s, ran_op_result(op, 0)))
            ran_pass_count(s->pass, "layers", 1);
        return;
    }
    if (!op->result_count || stays(s, ran_op_result(op, 0)))
        return;
    if (op->opcode == RAN_OP_RESHAPE)
        change_shape(s, op);
    else if (op->opcode == RAN_OP_BATCH_NORMALIZATION || ran_opcode_is_elementwise(op->opcode))
        change_constants(s, op);
}

/* ---- The pass ------------------------------------------------------------------------------------------------------ */

static size_t count_values(const ran_region *body)
{
    size_t count = ran_region_argument_count(body) + 1;
    for (const ran_op *op = ran_region_first(body); op; op = ran_op_next(op))
        count += op->result_count + op->operand_count;
    return count;
}

ran_status ran_run_scale_channels(ran_pass_context *pass, ran_function *function)
{
    ran_region *body = ran_function_body(function);
    scaler s = {.pass = pass, .factor = ran_pass_float(pass, "factor")};
    if (!ran_function_is_entry(function))
        return RAN_OK;
    if (!(s.factor > 0) || s.factor > 64)
        return ran_error(ran_pass_ir(pass), RAN_USAGE,
                         "pass 'scale-channels': factor=%g: above 0, at most 64", s.factor);
    s.nodes = ran_pass_alloc(pass, count_values(body) * sizeof(node));
    for (size_t i = 0; i < ran_region_argument_count(body); i++)
        fix(&s, ran_region_argument(body, i));
    for (const ran_op *op = ran_region_first(body); op; op = ran_op_next(op))
        see(&s, op);
    spread_fixed(&s, body);
    bool before = pass->changed;
    pass->changed = false;
    for (ran_op *op = ran_region_first(body); op; op = ran_op_next(op))
        change(&s, op);
    ran_map_clear(&s.ids);
    ran_map_clear(&s.inner);
    if (!pass->changed)
        return ran_error(ran_pass_ir(pass), RAN_UNSUPPORTED,
                         "pass 'scale-channels': no width can change: each is fixed by the model's "
                         "interface or by an op that the pass does not follow");
    pass->changed |= before;
    return ran_function_infer_types(function);
}
