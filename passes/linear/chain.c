/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "passes/linear/chain.h"

#include <stdlib.h>
#include <string.h>

typedef struct finder {
    ran_pass_context *pass;
    const ran_region *region;
    bool last, duplicate;
} finder;

static bool walk(const finder *f, ran_value *value, bool duplicate, ran_chain *out);

ran_value *ran_link_value(const ran_link *link)
{
    return &link->op->results[0];
}

void ran_chain_extents(const ran_chain *chain, const ran_value *value, int64_t *out)
{
    const ran_type *type = ran_value_type(value);
    for (int i = 0; i < RAN_LAYER_AXES; i++) {
        out[i] = 1;
        if (chain->last || i + 2 >= ran_type_rank(type))
            continue;
        const ran_dim *dim = ran_type_dim(type, 2 + i);
        out[i] = ran_dim_is_constant(dim) ? ran_dim_value(dim) : -1;
    }
}

/* ---- Sums ------------------------------------------------------------------------------------------ */

/* One layer for the sum of the branches: the composition of each, added. */
static bool compose_shapes(const ran_link *links, size_t count, const ran_layer *identity,
                           ran_layer *out)
{
    *out = count ? links[0].shape : *identity;
    for (size_t i = 0; i < count; i++) {
        ran_layer composed;
        if (!links[i].collapsible)
            return false;
        if (!i)
            continue;
        if (!ran_layer_compose(out, &links[i].shape, &composed))
            return false;
        *out = composed;
    }
    return true;
}

static int64_t channels_of(const ran_value *value, bool last)
{
    const ran_type *type = ran_value_type(value);
    int rank = ran_type_rank(type), axis = last ? rank - 1 : 1;
    const ran_dim *dim = axis >= 0 && axis < rank ? ran_type_dim(type, axis) : NULL;
    return dim && ran_dim_is_constant(dim) ? ran_dim_value(dim) : -1;
}

static bool sum_shape(const finder *f, ran_link *link)
{
    int rank = ran_type_rank(ran_value_type(link->input));
    ran_layer identity = ran_layer_channelwise(f->last ? 0 : rank - 2,
                                               channels_of(link->input, f->last));
    ran_layer branch[2];
    identity.identity = true;
    for (int i = 0; i < 2; i++)
        if (!compose_shapes(link->branches[i].links, link->branches[i].count, &identity, &branch[i]))
            return false;
    return ran_layer_sum(&branch[0], &branch[1], &link->shape);
}

static bool match_sum(const finder *f, ran_value *value, ran_link *out)
{
    ran_op *op = ran_value_op(value);
    if (!op || (op->opcode != RAN_OP_ADD && op->opcode != RAN_OP_SUB) ||
        !ran_value_is_float(value))
        return false;
    ran_value *a = ran_op_operand(op, 0), *b = ran_op_operand(op, 1);
    int rank = ran_type_rank(ran_value_type(value));
    if (ran_value_constant(a) || ran_value_constant(b) || !ran_match_same_type(a, value) ||
        !ran_match_same_type(b, value) || rank < (f->last ? 2 : 3) ||
        (!f->last && rank - 2 > RAN_LAYER_AXES))
        return false;
    *out = (ran_link){.op = op, .sign = {1, op->opcode == RAN_OP_SUB ? -1 : 1}};
    out->branches = ran_pass_alloc(f->pass, 2 * sizeof(*out->branches));
    for (int i = 0; i < 2; i++) {
        ran_value *end = i ? b : a;
        /* The sum itself is the only reader of a branch's end, or the branch is where it starts. */
        out->branches[i] = (ran_chain){.input = end, .last = f->last};
        if (ran_value_has_one_use(end))
            walk(f, end, false, &out->branches[i]);
        out->branches[i].last = f->last;
    }
    out->input = out->branches[0].input;
    if (out->branches[0].input != out->branches[1].input ||
        ran_value_constant(out->input) || channels_of(out->input, f->last) < 1 ||
        ran_type_rank(ran_value_type(out->input)) != rank)
        return false;
    out->collapsible = sum_shape(f, out);
    return true;
}

/* ---- Walking -------------------------------------------------------------------------------------------- */

static bool starts_with(const ran_chain *chain, const ran_op *sum, const ran_op *op);

/* Whether `op` is one of the ops of a link that read the link's input. */
static bool link_reads(const ran_link *link, const ran_op *op)
{
    if (!link->branches)
        return link->op == op;
    return starts_with(&link->branches[0], link->op, op) ||
           starts_with(&link->branches[1], link->op, op);
}

static bool starts_with(const ran_chain *chain, const ran_op *sum, const ran_op *op)
{
    return chain->count ? link_reads(&chain->links[0], op) : sum == op;
}

static bool is_read_by_link_only(const ran_value *value, const ran_link *link)
{
    for (ran_use *use = ran_value_first_use(value); use; use = ran_use_next(use))
        if (!link_reads(link, ran_use_op(use)))
            return false;
    return true;
}

static bool match_link(const finder *f, ran_value *value, ran_link *out)
{
    const ran_op *op = ran_value_op(value);
    return op && op->parent == f->region &&
           (ran_link_match(f->pass, value, f->last, false, out) || match_sum(f, value, out));
}

static void append(const finder *f, ran_chain *chain, size_t *capacity, const ran_link *link)
{
    if (chain->count == *capacity) {
        size_t more = *capacity ? 2 * *capacity : 8;
        ran_link *links = ran_pass_alloc(f->pass, more * sizeof(*links));
        if (chain->count)
            memcpy(links, chain->links, chain->count * sizeof(*links));
        chain->links = links;
        *capacity = more;
    }
    chain->links[chain->count++] = *link;
}

static void reverse(ran_chain *chain)
{
    for (size_t i = 0, j = chain->count; i + 1 < j; i++) {
        ran_link link = chain->links[i];
        chain->links[i] = chain->links[--j];
        chain->links[j] = link;
    }
}

static bool walk(const finder *f, ran_value *value, bool duplicate, ran_chain *out)
{
    size_t capacity = 0;
    ran_link link;
    *out = (ran_chain){.input = value, .last = f->last};
    for (bool shared = false; match_link(f, out->input, &link);) {
        link.shared = shared;
        append(f, out, &capacity, &link);
        out->input = link.input;
        shared = !is_read_by_link_only(link.input, &link);
        if (shared && !duplicate)
            break;
    }
    reverse(out);
    return out->count > 0;
}

bool ran_chain_find(ran_pass_context *pass, ran_value *value, bool duplicate, ran_chain *out)
{
    ran_chain last;
    finder f = {pass, ran_value_op(value)->parent, false, duplicate};
    walk(&f, value, duplicate, out);
    f.last = true;
    walk(&f, value, duplicate, &last);
    if (last.count > out->count)
        *out = last;
    return out->count > 0;
}

void ran_links_visit(const ran_link *links, size_t count, void (*visit)(void *, ran_op *),
                     void *data)
{
    for (size_t i = 0; i < count; i++) {
        for (int b = 0; links[i].branches && b < 2; b++)
            ran_links_visit(links[i].branches[b].links, links[i].branches[b].count, visit, data);
        visit(data, links[i].op);
    }
}

static void count_op(void *data, ran_op *op)
{
    (void)op;
    ++*(size_t *)data;
}

size_t ran_links_ops(const ran_link *links, size_t count)
{
    size_t ops = 0;
    ran_links_visit(links, count, count_op, &ops);
    return ops;
}

/* ---- Loading ------------------------------------------------------------------------------------------------ */

static void negate(ran_layer *layer)
{
    int64_t count = ran_layer_weight_count(layer), ones = layer->out * ran_layer_taps(layer);
    for (int64_t i = 0; i < count; i++)
        layer->weight[i] = -layer->weight[i];
    for (int64_t i = 0; layer->bias && i < layer->out; i++)
        layer->bias[i] = -layer->bias[i];
    for (int64_t i = 0; layer->ones && i < ones; i++)
        layer->ones[i] = -layer->ones[i];
}

static void load_sum(ran_pass_context *pass, const ran_chain *chain, const ran_link *link,
                     bool ones, ran_layer *out)
{
    ran_layer branch[2];
    for (int i = 0; i < 2; i++) {
        const ran_chain *b = &link->branches[i];
        if (b->count) {
            ran_links_load(pass, chain, b->links, b->count, ones, &branch[i]);
        } else {
            int spatial = chain->last ? 0 : ran_type_rank(ran_value_type(link->input)) - 2;
            branch[i] = ran_layer_channelwise(spatial, channels_of(link->input, chain->last));
            ran_layer_fill_identity(&branch[i]);
        }
        if (link->sign[i] < 0)
            negate(&branch[i]);
    }
    if (!ran_layer_sum(&branch[0], &branch[1], out))
        RAN_BUG(ran_pass_ir(pass), "a sum of layers lost its shape");
    ran_layer_clear(&branch[0]);
    ran_layer_clear(&branch[1]);
}

void ran_link_load(ran_pass_context *pass, const ran_chain *chain, const ran_link *link, bool ones,
                   ran_layer *out)
{
    ran_link loaded;
    if (link->branches) {
        load_sum(pass, chain, link, ones, out);
        return;
    }
    if (!ran_link_match(pass, ran_link_value(link), chain->last, true, &loaded))
        RAN_BUG(ran_pass_ir(pass), "a linear op lost its weights");
    *out = loaded.shape;
}

/* The bias as the weights of a channel that is 1 on the map: at the first tap, which reads the map
 * wherever the window of an unpadded layer is, and where the kernel is 1. */
static void move_bias_to_ones(ran_layer *layer)
{
    int64_t taps = ran_layer_taps(layer);
    if (!layer->bias)
        return;
    if (!layer->ones)
        layer->ones = calloc((size_t)(layer->out * taps), sizeof(double));
    if (!layer->ones)
        RAN_BUG(NULL, "out of memory");
    for (int64_t o = 0; o < layer->out; o++)
        layer->ones[o * taps] += layer->bias[o];
    free(layer->bias);
    layer->bias = NULL;
}

void ran_links_load(ran_pass_context *pass, const ran_chain *chain, const ran_link *links,
                    size_t count, bool ones, ran_layer *out)
{
    ran_link_load(pass, chain, &links[0], ones, out);
    for (size_t i = 1; i < count; i++) {
        ran_layer next, composed;
        ran_link_load(pass, chain, &links[i], ones, &next);
        if (ones && ran_layer_has_pads(&next))
            move_bias_to_ones(out);
        if (!ran_layer_compose(out, &next, &composed))
            RAN_BUG(ran_pass_ir(pass), "layers that composed do no longer");
        ran_layer_clear(out);
        ran_layer_clear(&next);
        *out = composed;
    }
}

/* ---- Biases -------------------------------------------------------------------------------------------------- */

static bool through(ran_pass_context *pass, const ran_chain *chain, const ran_link *links,
                    size_t count, ran_bias_map *map);

static bool through_sum(ran_pass_context *pass, const ran_chain *chain, const ran_link *link,
                        ran_bias_map *map)
{
    ran_bias_map part[2];
    for (int i = 0; i < 2; i++) {
        ran_layer copy = ran_layer_channelwise(map->spatial, map->channels);
        ran_layer_fill_identity(&copy);
        if (link->sign[i] < 0 && !link->branches[i].count)
            negate(&copy);
        bool ok = ran_bias_map_apply(map, &copy, &part[i]);
        ran_layer_clear(&copy);
        if (ok && link->branches[i].count)
            ok = through(pass, chain, link->branches[i].links, link->branches[i].count, &part[i]);
        if (!ok) {
            if (i)
                ran_bias_map_clear(&part[0]);
            ran_bias_map_clear(map);
            return false;
        }
        for (int64_t n = 0; link->sign[i] < 0 && link->branches[i].count &&
                            n < part[i].channels * part[i].classes[0] * part[i].classes[1] *
                                    part[i].classes[2];
             n++)
            part[i].values[n] = -part[i].values[n];
    }
    ran_bias_map_clear(map);
    *map = ran_bias_map_sum(&part[0], &part[1]);
    ran_bias_map_clear(&part[0]);
    ran_bias_map_clear(&part[1]);
    return true;
}

static bool through_op(ran_pass_context *pass, const ran_chain *chain, const ran_link *link,
                       ran_bias_map *map)
{
    ran_layer layer;
    ran_bias_map next;
    ran_link_load(pass, chain, link, false, &layer);
    bool ok = ran_bias_map_apply(map, &layer, &next);
    ran_layer_clear(&layer);
    ran_bias_map_clear(map);
    if (ok)
        *map = next;
    if (ok && link->map && !ran_bias_map_add_constant(map, link->map, link->map_sign)) {
        ran_bias_map_clear(map);
        ok = false;
    }
    return ok;
}

/* Replaces the map by what the links make of it; frees it on failure. */
static bool through(ran_pass_context *pass, const ran_chain *chain, const ran_link *links,
                    size_t count, ran_bias_map *map)
{
    for (size_t i = 0; i < count; i++) {
        bool ok = links[i].branches ? through_sum(pass, chain, &links[i], map)
                                    : through_op(pass, chain, &links[i], map);
        if (!ok)
            return false;
        ran_bias_map_compress(map);
    }
    return true;
}

bool ran_links_bias(ran_pass_context *pass, const ran_chain *chain, const ran_link *links,
                    size_t count, const int64_t *extents, ran_bias_map *out)
{
    int spatial = chain->last ? 0 : ran_type_rank(ran_value_type(links[0].input)) - 2;
    *out = ran_bias_map_create(spatial, channels_of(links[0].input, chain->last), extents);
    return through(pass, chain, links, count, out);
}

/* ---- What they allow ---------------------------------------------------------------------------------------- */

bool ran_links_have_map(const ran_link *links, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        if (links[i].map)
            return true;
        for (int b = 0; links[i].branches && b < 2; b++)
            if (ran_links_have_map(links[i].branches[b].links, links[i].branches[b].count))
                return true;
    }
    return false;
}

ran_op *ran_links_transposed(const ran_link *links, size_t count)
{
    for (size_t i = 0; i < count; i++)
        if (links[i].op->opcode == RAN_OP_CONV_TRANSPOSE)
            return links[i].op;
    return NULL;
}

/* Before a padded layer: no pads so far, and kernels of 1 along its padded axes. The branches of a
 * sum may bring ones of their own. */
static bool meets_ones(const ran_layer *so_far, const ran_link *link)
{
    const ran_layer *next = &link->shape;
    if ((!so_far->biased && !link->branches) || !ran_layer_has_pads(next))
        return true;
    for (int i = 0; i < next->spatial; i++)
        if (so_far->pad_begin[i] || so_far->pad_end[i] ||
            ((next->pad_begin[i] || next->pad_end[i]) && so_far->kernel[i] > 1))
            return false;
    return true;
}

bool ran_links_take_ones(const ran_link *links, size_t count)
{
    ran_layer so_far;
    for (size_t i = 0; i < count; i++) {
        ran_layer composed;
        if (links[i].map || links[i].shape.transposed)
            return false;
        for (int b = 0; links[i].branches && b < 2; b++)
            if (!ran_links_take_ones(links[i].branches[b].links, links[i].branches[b].count))
                return false;
        if (!i) {
            so_far = links[0].shape;
            continue;
        }
        if (!meets_ones(&so_far, &links[i]) ||
            !ran_layer_compose(&so_far, &links[i].shape, &composed))
            return false;
        so_far = composed;
    }
    return count == 0 || so_far.groups == 1;
}
