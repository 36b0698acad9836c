/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Border tiles: the interior, where no window reaches over the edge, by the collapsed layer; the
 * strips around it by the layers as they were, on the parts of the input that they need.
 *
 *   +---------------+
 *   |     begin     |   For each axis that needs it: begin strip, middle, end strip, side by side;
 *   +---+-------+---+   the middle is split along the next axis. What a strip needs of each value
 *   |   |interior   |   between follows backwards from the strip; what is outside of that value's
 *   +---+-------+---+   map becomes the pads of the op there.
 *   |      end      |
 *   +---------------+
 */
#include "passes/linear/emit.h"

#include <stdlib.h>

typedef struct box {
    int64_t begin[RAN_LAYER_AXES], end[RAN_LAYER_AXES];
} box;

typedef struct tiling {
    ran_emitter *e;
    const ran_chain *chain;
    ran_link *links;
    size_t count;
    const ran_layer *layer;
    ran_value *x;
    int64_t in[RAN_LAYER_AXES], out[RAN_LAYER_AXES];
    box interior;
    bool tiled[RAN_LAYER_AXES];
} tiling;

static int64_t min64(int64_t a, int64_t b)
{
    return a < b ? a : b;
}

static int64_t max64(int64_t a, int64_t b)
{
    return a > b ? a : b;
}

static bool is_empty(const box *b, int spatial)
{
    for (int i = 0; i < spatial; i++)
        if (b->begin[i] >= b->end[i])
            return true;
    return false;
}

/* What a layer reads for `out`, and the pads for what lies outside of its input's map. */
static box reads(const ran_layer *l, const box *out, const int64_t *extent, int64_t *pad_begin,
                 int64_t *pad_end)
{
    box in = {{0}, {0}};
    for (int i = 0; i < l->spatial; i++) {
        int64_t begin = out->begin[i] * l->stride[i] - l->pad_begin[i];
        int64_t end = (out->end[i] - 1) * l->stride[i] - l->pad_begin[i] + ran_layer_reach(l, i);
        in.begin[i] = max64(begin, 0);
        in.end[i] = min64(end, extent[i]);
        pad_begin[i] = in.begin[i] - begin;
        pad_end[i] = end - in.end[i];
    }
    return in;
}

static bool slice_to(ran_emitter *e, ran_value **x, const box *have, const box *want, int spatial)
{
    for (int i = 0; i < spatial; i++) {
        if (want->begin[i] < have->begin[i] || want->end[i] > have->end[i])
            return false;
        if (want->begin[i] != have->begin[i] || want->end[i] != have->end[i])
            *x = ran_emit_slice(e, *x, 2 + i, want->begin[i] - have->begin[i],
                                want->end[i] - have->begin[i]);
    }
    return true;
}

static ran_value *part(const tiling *t, const ran_link *links, size_t count, ran_value *x,
                       const box *have, const box *out);

/* Pads that are as wide as a kernel would make empty windows; those strips don't exist. */
static ran_value *layer_part(const tiling *t, const ran_link *links, size_t count, ran_value *x,
                             const box *have, const box *out)
{
    const ran_link *link = &links[count - 1];
    ran_layer layer;
    int64_t extent[RAN_LAYER_AXES];
    if (t->e->scratch) {
        layer = link->shape;
        layer.weight = layer.bias = NULL;
    } else {
        ran_link_load(t->e->pass, t->chain, link, false, &layer);
    }
    ran_chain_extents(t->chain, link->input, extent);
    box in = reads(&link->shape, out, extent, layer.pad_begin, layer.pad_end);
    ran_value *y = is_empty(&in, layer.spatial) ? NULL : part(t, links, count - 1, x, have, &in);
    if (y)
        y = ran_emit_layer(t->e, &layer, y, NULL);
    ran_layer_clear(&layer);
    return y;
}

/* Both branches take what they need out of what the sum's input is computed for. */
static bool sum_reads(const tiling *t, const ran_link *link, const box *out, box *in);

static bool chain_reads(const tiling *t, const ran_link *links, size_t count, const box *out, box *in)
{
    *in = *out;
    for (size_t i = count; i-- > 0;) {
        int64_t pad_begin[RAN_LAYER_AXES], pad_end[RAN_LAYER_AXES], extent[RAN_LAYER_AXES];
        box next = *in;
        ran_chain_extents(t->chain, links[i].input, extent);
        if (!links[i].branches)
            *in = reads(&links[i].shape, &next, extent, pad_begin, pad_end);
        else if (!sum_reads(t, &links[i], &next, in))
            return false;
        if (is_empty(in, t->layer->spatial))
            return false;
    }
    return true;
}

static bool sum_reads(const tiling *t, const ran_link *link, const box *out, box *in)
{
    box branch[2];
    for (int b = 0; b < 2; b++)
        if (!chain_reads(t, link->branches[b].links, link->branches[b].count, out, &branch[b]))
            return false;
    for (int i = 0; i < t->layer->spatial; i++) {
        in->begin[i] = min64(branch[0].begin[i], branch[1].begin[i]);
        in->end[i] = max64(branch[0].end[i], branch[1].end[i]);
    }
    return true;
}

static ran_value *sum_part(const tiling *t, const ran_link *links, size_t count, ran_value *x,
                           const box *have, const box *out)
{
    const ran_link *link = &links[count - 1];
    box in;
    if (!sum_reads(t, link, out, &in))
        return NULL;
    ran_value *start = part(t, links, count - 1, x, have, &in), *branch[2];
    for (int b = 0; start && b < 2; b++) {
        branch[b] = part(t, link->branches[b].links, link->branches[b].count, start, &in, out);
        if (!branch[b])
            return NULL;
    }
    if (!start)
        return NULL;
    ran_op *op = ran_op_create(&t->e->builder, link->op->opcode, 2, branch, 1);
    ran_op_set_location(op, t->e->location);
    return ran_finish_op(t->e->pass, op);
}

/* `out` of the result of links [0, count), from x, which covers `have` of their input. */
static ran_value *part(const tiling *t, const ran_link *links, size_t count, ran_value *x,
                       const box *have, const box *out)
{
    if (!count)
        return slice_to(t->e, &x, have, out, t->layer->spatial) ? x : NULL;
    return links[count - 1].branches ? sum_part(t, links, count, x, have, out)
                                     : layer_part(t, links, count, x, have, out);
}

static ran_value *original_part(const tiling *t, const box *out)
{
    box have = {{0}, {0}};
    for (int i = 0; i < t->layer->spatial; i++)
        have.end[i] = t->in[i];
    return part(t, t->links, t->count, t->x, &have, out);
}

/* Along the tiled axes `out` lies in the interior. */
static ran_value *interior_part(const tiling *t, const box *out)
{
    ran_layer layer = *t->layer;
    ran_value *x = t->x;
    box have = {{0}, {0}}, in;
    for (int i = 0; i < layer.spatial; i++)
        have.end[i] = t->in[i];
    in = reads(t->layer, out, t->in, layer.pad_begin, layer.pad_end);
    if (is_empty(&in, layer.spatial) || !slice_to(t->e, &x, &have, &in, layer.spatial))
        return NULL;
    return ran_emit_layer(t->e, &layer, x, NULL);
}

static ran_value *tile(const tiling *t, int axis, const box *out)
{
    ran_value *parts[3];
    size_t count = 0;
    if (axis == t->layer->spatial)
        return interior_part(t, out);
    if (!t->tiled[axis])
        return tile(t, axis + 1, out);
    int64_t cuts[] = {0, t->interior.begin[axis], t->interior.end[axis], t->out[axis]};
    for (int i = 0; i < 3; i++) {
        box strip = *out;
        strip.begin[axis] = cuts[i];
        strip.end[axis] = cuts[i + 1];
        if (strip.begin[axis] == strip.end[axis])
            continue;
        parts[count] = i == 1 ? tile(t, axis + 1, &strip) : original_part(t, &strip);
        if (!parts[count++])
            return NULL;
    }
    return ran_emit_concat(t->e, parts, count, 2 + axis);
}

/* Outputs whose whole window lies inside of the map. */
static bool find_interior(tiling *t)
{
    const ran_layer *l = t->layer;
    for (int i = 0; i < l->spatial; i++) {
        int64_t first = (l->pad_begin[i] + l->stride[i] - 1) / l->stride[i];
        int64_t room = t->in[i] + l->pad_begin[i] - ran_layer_reach(l, i);
        t->interior.begin[i] = first;
        t->interior.end[i] = room < 0 ? 0 : min64(room / l->stride[i] + 1, t->out[i]);
        t->tiled[i] = l->inexact[i] || l->varies[i];
        if (t->tiled[i] && t->interior.begin[i] >= t->interior.end[i])
            return false;
    }
    return true;
}

ran_value *ran_emit_tiles(ran_emitter *e, const ran_chain *chain, ran_link *links, size_t count,
                          const ran_layer *layer, ran_value *x)
{
    tiling t = {.e = e, .chain = chain, .links = links, .count = count, .layer = layer, .x = x};
    box all = {{0}, {0}};
    if (layer->transposed || ran_links_have_map(links, count))
        return NULL;
    ran_chain_extents(chain, x, t.in);
    for (int i = 0; i < layer->spatial; i++) {
        if (t.in[i] < 1)
            return NULL;
        all.end[i] = t.out[i] = ran_layer_out_extent(layer, i, t.in[i]);
    }
    return find_interior(&t) ? tile(&t, 0, &all) : NULL;
}
