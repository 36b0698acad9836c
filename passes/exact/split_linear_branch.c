/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Of a pointwise pair whose hidden channels are partly linear (L) and partly not (N):
 *
 *   %1 = conv %x, @w1, @b1 (1x1)               %1 = conv %x, @w1[N], @b1[N]
 *   %2 = prelu %1, @slopes (some are 1)   =>   %2 = relu %1
 *   %3 = conv %2, @w2, @b2 (1x1)               %3 = conv %2, @w2[:, N]
 *                                              %4 = conv %x, @w2[:, L] @w1[L], b2 + @w2[:, L] @b1[L]
 *                                              %5 = add %3, %4
 *
 * (RAN, section 4; methods 1.7.) All layers are 1x1, so that no border differs: it is exact. The
 * second branch costs w_in w_out instead of |L| (w_in + w_out); the cost model decides. Which channels
 * are linear is read from a PReLU with slopes of 1, from `where` with a constant mask of channels that
 * chooses between the activation and its operand, or from a Concat of parts of the channels of which
 * some go through the activation and others don't.
 * Products over the last axis (the MatMul pairs of ConvNeXt and of transformers) are treated alike.
 * Requires clean use counts. Terminates: a pair is matched at its second layer once, and its
 * activation is then either the same for all channels or gone.
 */
#include "ir/cost.h"
#include "passes/linear/emit.h"

#include <stdlib.h>
#include <string.h>

typedef struct pair {
    ran_pass_context *pass;
    ran_chain first;           /* x -> hidden, pointwise */
    ran_link second;           /* hidden -> y */
    ran_value *hidden;         /* before the activation */
    ran_op *activation;        /* NULL: there is none left */
    bool *linear;              /* [channels] */
    const ran_tensor *slopes;  /* of a PReLU, [channels] or NULL */
    int64_t channels, linear_count;
    bool last;
    ran_op *ops[16];           /* between hidden and the second layer, for prices */
    size_t op_count;
} pair;

static int channel_axis(const pair *p)
{
    return p->last ? ran_type_rank(ran_value_type(p->hidden)) - 1 : 1;
}

/* ---- Which channels are linear ---------------------------------------------------------------------- */

/* A constant that broadcasts to the value and varies along its channels at most. */
static bool varies_by_channel(const ran_tensor *constant, const ran_value *value, int axis)
{
    int rank = ran_type_rank(ran_value_type(value)), own = ran_tensor_rank(constant);
    for (int i = 0; i < own; i++) {
        int64_t dim = ran_tensor_dims(constant)[i];
        bool channel = rank - own + i == axis;
        if (dim != 1 && !(channel && dim == ran_type_extent(ran_value_type(value), axis)))
            return false;
    }
    return own <= rank;
}

static double channel_value(const ran_tensor *constant, int64_t channel)
{
    return ran_tensor_get_f64(constant, ran_tensor_numel(constant) == 1 ? 0 : channel);
}

static bool begin(pair *p, ran_value *hidden)
{
    const ran_type *type = ran_value_type(hidden);
    int rank = type && ran_type_is_tensor(type) ? ran_type_rank(type) : -1;
    p->hidden = hidden;
    if (rank < (p->last ? 2 : 3) || !ran_dim_is_constant(ran_type_dim(type, channel_axis(p))))
        return false;
    p->channels = ran_type_extent(type, channel_axis(p));
    p->linear = ran_pass_alloc(p->pass, (size_t)p->channels * sizeof(bool));
    return true;
}

static void add_op(pair *p, ran_op *op)
{
    if (p->op_count < sizeof(p->ops) / sizeof(*p->ops))
        p->ops[p->op_count++] = op;
}

static bool match_prelu(pair *p, ran_op *op)
{
    ran_value *slope = ran_op_operand(op, 1);
    if (op->opcode != RAN_OP_PRELU || !begin(p, ran_op_operand(op, 0)))
        return false;
    p->slopes = ran_value_constant(slope);
    if (!p->slopes || !varies_by_channel(p->slopes, p->hidden, channel_axis(p)) ||
        !ran_match_same_type(p->hidden, &op->results[0]))
        return false;
    p->activation = op;
    for (int64_t i = 0; i < p->channels; i++)
        p->linear[i] = channel_value(p->slopes, i) == 1;
    add_op(p, op);
    return true;
}

/* An activation of one operand; others are scalars. */
static bool is_plain_activation(const ran_op *op, const ran_value *hidden)
{
    if (!op || !ran_opcode_is_elementwise(op->opcode) || op->result_count != 1 ||
        ran_op_operand(op, 0) != hidden || !ran_match_same_type(hidden, &op->results[0]))
        return false;
    for (size_t i = 1; i < op->operand_count; i++) {
        const ran_value *operand = ran_op_operand(op, i);
        if (operand && (!ran_value_constant(operand) ||
                        ran_tensor_numel(ran_value_constant(operand)) != 1))
            return false;
    }
    return true;
}

/* where(mask, f(h), h) and where(mask, h, f(h)). */
static bool match_where(pair *p, ran_op *op)
{
    if (op->opcode != RAN_OP_WHERE)
        return false;
    const ran_tensor *mask = ran_value_constant(ran_op_operand(op, 0));
    ran_value *yes = ran_op_operand(op, 1), *no = ran_op_operand(op, 2);
    bool activated_first = is_plain_activation(ran_value_op(yes), no);
    if (!activated_first && !is_plain_activation(ran_value_op(no), yes))
        return false;
    p->activation = ran_value_op(activated_first ? yes : no);
    if (!mask || !begin(p, activated_first ? no : yes) ||
        !varies_by_channel(mask, p->hidden, channel_axis(p)) ||
        !ran_match_same_type(p->hidden, &op->results[0]) ||
        !ran_value_has_one_use(&p->activation->results[0]) || ran_value_use_count(p->hidden) != 2)
        return false;
    for (int64_t i = 0; i < p->channels; i++)
        p->linear[i] = (channel_value(mask, i) != 0) != activated_first;
    add_op(p, p->activation);
    add_op(p, op);
    return true;
}

/* The channels [*first, *end) that a value is of another: a slice, or a result of a split. */
static ran_value *channels_from(const ran_value *value, int axis, int64_t *first, int64_t *end)
{
    ran_op *op = ran_value_op(value);
    int64_t extent = ran_type_extent(ran_value_type(value), axis), at, step = 1, where;
    *first = 0;
    if (op && op->opcode == RAN_OP_SPLIT &&
        ran_axis(ran_op_int(op, "axis"), ran_type_rank(ran_value_type(value))) == axis) {
        for (size_t i = 0; i < ran_value_index(value); i++)
            *first += ran_type_extent(ran_value_type(&op->results[i]), axis);
        *end = *first + extent;
        return ran_op_operand(op, 0);
    }
    if (!op || op->opcode != RAN_OP_SLICE || ran_op_known_ints(op, 1, &at, 1) != 1 ||
        ran_op_known_ints(op, 3, &where, 1) != 1 ||
        (ran_op_operand(op, 4) && ran_op_known_ints(op, 4, &step, 1) != 1) || step != 1 ||
        ran_axis(where, ran_type_rank(ran_value_type(value))) != axis)
        return NULL;
    *first = at < 0 ? at + ran_type_extent(ran_value_type(ran_op_operand(op, 0)), axis) : at;
    *end = *first + extent;
    return ran_op_operand(op, 0);
}

static bool is_known_extent(const ran_value *value, int axis)
{
    const ran_type *type = ran_value_type(value);
    return ran_type_rank(type) > axis && ran_dim_is_constant(ran_type_dim(type, axis));
}

/* One part of the Concat, which must be the channels from `at` on. */
static bool match_part(pair *p, ran_value *part, int axis, int64_t *at)
{
    ran_op *op = ran_value_op(part);
    ran_value *inner = part;
    bool activated = op && op->operand_count && ran_op_operand(op, 0) &&
                     is_plain_activation(op, ran_op_operand(op, 0));
    if (!is_known_extent(part, axis) || !ran_value_has_one_use(part))
        return false;
    if (activated) {
        if (p->activation && (p->activation->opcode != op->opcode))
            return false;
        inner = ran_op_operand(op, 0);
        if (p->activation && !ran_match_same_type(inner, ran_op_operand(p->activation, 0)))
            return false;
        p->activation = op;
        add_op(p, op);
    }
    int64_t first, end;
    ran_value *hidden = ran_value_has_one_use(inner) ? channels_from(inner, axis, &first, &end) : NULL;
    if (!hidden || first != *at || (p->hidden && p->hidden != hidden))
        return false;
    if (!p->hidden && !begin(p, hidden))
        return false;
    for (int64_t i = first; i < end && i < p->channels; i++)
        p->linear[i] = !activated;
    *at = end;
    return true;
}

static bool match_concat(pair *p, ran_op *op)
{
    int rank = ran_type_rank(ran_value_type(&op->results[0]));
    if (op->opcode != RAN_OP_CONCAT || op->operand_count != 2)
        return false;
    int axis = p->last ? rank - 1 : 1;
    int64_t at = 0;
    if (ran_axis(ran_op_int(op, "axis"), rank) != axis)
        return false;
    for (size_t i = 0; i < op->operand_count; i++)
        if (!ran_op_operand(op, i) || !match_part(p, ran_op_operand(op, i), axis, &at))
            return false;
    for (ran_use *use = ran_value_first_use(p->hidden); use; use = ran_use_next(use))
        if (!ran_op_is(ran_use_op(use), RAN_OP_SPLIT) && !ran_op_is(ran_use_op(use), RAN_OP_SLICE))
            return false;
    add_op(p, op);
    return p->activation && at == p->channels && ran_value_use_count(p->hidden) <= 2;
}

/* ---- The pair ------------------------------------------------------------------------------------------ */

static bool is_dense_pointwise(const ran_layer *layer)
{
    return ran_layer_is_pointwise(layer) && layer->groups == 1;
}

/* Of the linear ops that end in the hidden value, as many as are one dense pointwise layer. */
static bool take_first(pair *p)
{
    ran_chain chain;
    if (!ran_chain_find(p->pass, p->hidden, false, &chain) || chain.last != p->last)
        return false;
    for (size_t n = chain.count; n-- > 0;) {
        const ran_link *link = &chain.links[n];
        if (link->branches || !ran_layer_is_pointwise(&link->shape) || link->map)
            return false;
        if (link->shape.groups == 1) {
            p->first = (ran_chain){link->input, &chain.links[n], chain.count - n, chain.last};
            return true;
        }
    }
    return false;
}

static bool match_hidden(pair *p, ran_value *value)
{
    pair fresh = *p;
    ran_op *op = ran_value_op(value);
    bool (*const forms[])(pair *, ran_op *) = {match_prelu, match_where, match_concat};
    for (size_t i = 0; op && i < sizeof(forms) / sizeof(*forms); i++) {
        *p = fresh;
        if (ran_value_has_one_use(value) && forms[i](p, op))
            return true;
    }
    return false;
}

static bool match_pair(ran_pass_context *pass, ran_op *op, bool last, pair *out)
{
    *out = (pair){.pass = pass, .last = last};
    if (!ran_link_match(pass, &op->results[0], last, false, &out->second) ||
        !is_dense_pointwise(&out->second.shape) || !match_hidden(out, out->second.input))
        return false;
    for (int64_t i = 0; i < out->channels; i++)
        out->linear_count += out->linear[i];
    bool own = out->activation->opcode == RAN_OP_PRELU ? ran_value_has_one_use(out->hidden) : true;
    return own && out->linear_count > 0 && out->linear_count < out->channels && take_first(out);
}

/* ---- The two branches ------------------------------------------------------------------------------------ */

/* The rows (`rows`) or columns of a dense pointwise layer whose hidden channel is linear or is not. */
static ran_layer part_of(const pair *p, const ran_layer *layer, bool rows, bool linear)
{
    int64_t count = linear ? p->linear_count : p->channels - p->linear_count, at = 0;
    ran_layer part = *layer;
    part.weight = part.bias = NULL;
    *(rows ? &part.out : &part.in) = count;
    if (!layer->weight)
        return part;
    part.weight = calloc((size_t)(part.in * part.out), sizeof(double));
    part.bias = rows && layer->bias ? calloc((size_t)count, sizeof(double)) : NULL;
    if (!part.weight || (rows && layer->bias && !part.bias))
        RAN_BUG(ran_pass_ir(p->pass), "out of memory");
    for (int64_t h = 0; h < p->channels; h++) {
        if (p->linear[h] != linear)
            continue;
        for (int64_t o = 0; !rows && o < layer->out; o++)
            part.weight[o * count + at] = layer->weight[o * layer->in + h];
        if (rows)
            memcpy(part.weight + at * layer->in, layer->weight + h * layer->in,
                   (size_t)layer->in * sizeof(double));
        if (part.bias)
            part.bias[at] = layer->bias[h];
        at++;
    }
    return part;
}

/* Slopes of the channels that stay; all 0: NULL, for it is a ReLU. */
static double *kept_slopes(const pair *p)
{
    double *slopes = ran_pass_alloc(p->pass, (size_t)p->channels * sizeof(*slopes));
    int64_t at = 0;
    bool any = false;
    for (int64_t i = 0; i < p->channels; i++) {
        if (p->linear[i])
            continue;
        slopes[at] = channel_value(p->slopes, i);
        any = any || slopes[at] != 0;
        at++;
    }
    return any ? slopes : NULL;
}

static ran_value *emit_activation(const pair *p, ran_emitter *e, ran_value *x)
{
    ran_value *operands[] = {x, NULL};
    int64_t dims[1 + RAN_LAYER_AXES] = {p->channels - p->linear_count, 1, 1, 1};
    int rank = p->last ? 1 : ran_type_rank(ran_value_type(p->hidden)) - 1;
    double *slopes = p->slopes ? kept_slopes(p) : NULL;
    if (!p->slopes) {
        ran_mapping *mapping = ran_mapping_create();
        ran_mapping_set(mapping, ran_op_operand(p->activation, 0), x);
        for (size_t i = 1; i < p->activation->operand_count; i++) {
            ran_value *operand = ran_op_operand(p->activation, i);
            if (operand && e->scratch)
                ran_mapping_set(mapping, operand,
                                ran_constant_create(e->builder.module, NULL,
                                                    ran_value_constant(operand)));
        }
        ran_op *copy = ran_op_clone(&e->builder, p->activation, mapping);
        ran_mapping_destroy(mapping);
        copy->results[0].name = NULL;
        return ran_finish_op(p->pass, copy);
    }
    if (slopes)
        operands[1] = ran_emit_constant(e, slopes, rank, dims);
    ran_op *op = ran_op_create(&e->builder, slopes ? RAN_OP_PRELU : RAN_OP_RELU, slopes ? 2 : 1,
                               operands, 1);
    ran_op_set_location(op, p->activation->location);
    return ran_finish_op(p->pass, op);
}

static ran_value *emit_branches(const pair *p, ran_emitter *e, const ran_layer *first,
                                const ran_layer *second, ran_value *x)
{
    ran_layer first_n = part_of(p, first, true, false), first_l = part_of(p, first, true, true);
    ran_layer second_n = part_of(p, second, false, false), joined;
    ran_layer second_l = part_of(p, second, false, true);
    second_n.biased = false;
    if (second->bias) {
        second_l.bias = calloc((size_t)second->out, sizeof(double));
        if (!second_l.bias)
            RAN_BUG(ran_pass_ir(p->pass), "out of memory");
        memcpy(second_l.bias, second->bias, (size_t)second->out * sizeof(double));
    }
    if (!ran_layer_compose(&first_l, &second_l, &joined))
        RAN_BUG(ran_pass_ir(p->pass), "pointwise layers do not compose");
    ran_value *hidden = emit_activation(p, e, ran_emit_layer(e, &first_n, x, NULL));
    ran_value *sum[] = {ran_emit_layer(e, &second_n, hidden, NULL),
                        ran_emit_layer(e, &joined, x, NULL)};
    ran_op *add = ran_op_create(&e->builder, RAN_OP_ADD, 2, sum, 1);
    ran_op_set_location(add, e->location);
    ran_layer_clear(&first_n);
    ran_layer_clear(&first_l);
    ran_layer_clear(&second_n);
    ran_layer_clear(&second_l);
    ran_layer_clear(&joined);
    return ran_finish_op(p->pass, add);
}

/* ---- Prices -------------------------------------------------------------------------------------------------- */

static double price_before(const pair *p, const ran_cost_model *model)
{
    double seconds = ran_cost_seconds(model, p->second.op);
    for (size_t i = 0; i < p->first.count; i++)
        seconds += ran_cost_seconds(model, p->first.links[i].op);
    for (size_t i = 0; i < p->op_count; i++)
        seconds += ran_cost_seconds(model, p->ops[i]);
    return seconds;
}

static ran_layer first_shape(const pair *p)
{
    ran_layer shape = p->first.links[0].shape, composed;
    for (size_t i = 1; i < p->first.count; i++)
        if (ran_layer_compose(&shape, &p->first.links[i].shape, &composed))
            shape = composed;
    return shape;
}

static double price_after(const pair *p, const ran_cost_model *model)
{
    ran_module *module = ran_module_create(ran_pass_ir(p->pass));
    ran_region *region = ran_function_body(ran_function_create(module, "price"));
    const ran_type *type = ran_value_type(p->first.input);
    ran_emitter e = ran_emitter_at_end(p->pass, region, ran_type_elem(type), &p->first, true);
    ran_layer first = first_shape(p);
    double seconds = 0;
    emit_branches(p, &e, &first, &p->second.shape, ran_region_add_argument(region, "x", type));
    RAN_FOR_OPS (region, op)
        seconds += ran_cost_seconds(model, op);
    ran_module_destroy(module);
    return seconds;
}

/* ---- The pass ---------------------------------------------------------------------------------------------------- */

static const char *name_of(const ran_op *op)
{
    const char *name = op->location ? ran_location_name(op->location) : NULL;
    return name && *name ? name : ran_opcode_name(op->opcode);
}

static ran_value *split(ran_pass_context *pass, const pair *p)
{
    ran_emitter e = ran_emitter_before(pass, p->second.op, &p->first);
    ran_layer first, second;
    ran_links_load(pass, &p->first, p->first.links, p->first.count, false, &first);
    ran_chain chain = {p->second.input, (ran_link *)&p->second, 1, p->last};
    ran_link_load(pass, &chain, &p->second, false, &second);
    ran_value *y = emit_branches(p, &e, &first, &second, p->first.input);
    ran_layer_clear(&first);
    ran_layer_clear(&second);
    return y;
}

static ran_value *treat(ran_pass_context *pass, ran_op *op)
{
    pair p;
    if (!match_pair(pass, op, false, &p) && !match_pair(pass, op, true, &p))
        return NULL;
    const ran_cost_model *model = ran_pass_cost_model(pass);
    bool always = !strcmp(ran_pass_string(pass, "mode"), "always");
    double before = price_before(&p, model), after = price_after(&p, model);
    bool wins = always || after < before;
    ran_pass_remark(pass,
                    "%s, %s: %lld of %lld hidden channels are linear; %s, predicted %.2f us %s "
                    "%.2f us (%s)",
                    name_of(p.first.links[0].op), name_of(op), (long long)p.linear_count,
                    (long long)p.channels, wins ? "split" : "kept",
                    1e6 * (wins ? after : before), wins ? "instead of" : "and not",
                    1e6 * (wins ? before : after), ran_cost_model_name(model));
    ran_pass_observe(pass, "found", 1);
    if (!wins)
        return NULL;
    ran_pass_count(pass, "channels", p.linear_count);
    return split(pass, &p);
}

ran_status ran_run_split_linear_branch(ran_pass_context *pass, ran_function *function)
{
    static const ran_rule rules[] = {
        {RAN_OP_CONV, treat, "split"},
        {RAN_OP_MATMUL, treat, "split"},
        {RAN_OP_GEMM, treat, "split"},
    };
    if (!strcmp(ran_pass_string(pass, "mode"), "never"))
        return RAN_OK;
    int64_t before = pass->state->counters[0];
    ran_status status = ran_rewrite(pass, function, rules, 3);
    if (!status && pass->state->counters[0] == before)
        ran_pass_remark(pass, "%s has no pointwise pair with linear hidden channels",
                        ran_function_name(function));
    return status;
}
