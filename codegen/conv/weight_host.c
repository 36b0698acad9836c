/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Gradient of a convolution's weights: which variant, its tiles and chunks (weight.h). */
#include "codegen/conv/conv.h"
#include "codegen/conv/weight.h"
#include "codegen/expand.h"
#include "ir/ops/compute.h"

/* Pixels of a strip, tasks wanted, and how large all of the partial sums may be. */
enum { STRIP_PIXELS = 128, TASKS = 32, FEW_CHANNELS = 8, FEW_PAIRS = 512 };
static const int64_t PARTIALS_BYTES = 64 << 20;

static int64_t ceil_div(int64_t a, int64_t b)
{
    return (a + b - 1) / b;
}

typedef struct geometry {
    int64_t n, groups, ic, oc; /* channels of a group */
    int64_t block, lanes, registers;
    int64_t ic_blocks, oc_blocks;
    int64_t ih, iw, oh, ow;
    bool depthwise, window; /* window: all taps of a pixel at once */
    ran_window w;
} geometry;

static bool is_static_map(const ran_value *value)
{
    const ran_type *type = ran_value_type(value);
    return ran_type_is_tensor(type) && ran_type_elem(type) == RAN_ELEM_F32 &&
           (ran_type_rank(type) == 3 || ran_type_rank(type) == 4) && ran_type_is_static(type);
}

/* A 1x1 without stride: rows as long as a strip may be. */
static void merge_rows(geometry *g)
{
    for (int i = 1; i < RAN_MAX_SPATIAL; i++)
        if (g->w.kernel[i] != 1 || g->w.stride[i] != 1 || g->w.pad_begin[i] ||
            g->w.in[i] != g->w.out[i])
            return;
    int64_t pixels = g->ih * g->iw, length = pixels < 2 * STRIP_PIXELS ? pixels : 2 * STRIP_PIXELS;
    while (pixels % length)
        length--;
    if (length < g->iw)
        return;
    g->iw = g->ow = length;
    g->ih = g->oh = pixels / length;
}

static int64_t taps_of(const geometry *g)
{
    return g->w.kernel[1] * g->w.kernel[2];
}

/* Of a conv_weight_gradient or conv_weight_partials. */
static bool geometry_of(const ran_op *op, const ran_target *target, geometry *out)
{
    if (!is_static_map(ran_op_operand(op, 0)) || !is_static_map(ran_op_operand(op, 1)))
        return false;
    const ran_type *x = ran_value_type(ran_op_operand(op, 0));
    const ran_type *dy = ran_value_type(ran_op_operand(op, 1));
    int64_t in[RAN_MAX_SPATIAL], map[RAN_MAX_SPATIAL];
    int spatial = ran_type_rank(x) - 2;
    geometry g = {.n = ran_type_extent(x, 0),
                  .groups = ran_op_int(op, "group"),
                  .block = target->block,
                  .lanes = target->lanes,
                  .registers = target->registers};
    for (int i = 0; i < spatial; i++) {
        in[i] = ran_type_extent(x, 2 + i);
        map[i] = ran_type_extent(dy, 2 + i);
    }
    ran_window_resolve(op, spatial, in, map, NULL, &g.w);
    g.ic = ran_type_extent(x, 1) / g.groups;
    g.oc = ran_type_extent(dy, 1) / g.groups;
    g.ih = g.w.in[1];
    g.iw = g.w.in[2];
    g.oh = g.w.out[1];
    g.ow = g.w.out[2];
    g.depthwise = g.groups > 1 && g.ic == 1 && g.oc == 1;
    g.window = g.depthwise || (g.groups == 1 && g.ic <= FEW_CHANNELS);
    g.ic_blocks = g.window ? 1 : ceil_div(g.ic, g.block);
    g.oc_blocks = ceil_div(g.depthwise ? g.groups : g.oc, g.block);
    if (!g.window)
        merge_rows(&g);
    *out = g;
    bool whole = g.groups == 1 || (g.ic % g.block == 0 && g.oc % g.block == 0);
    return g.n > 0 && g.ic > 0 && g.oc > 0 && g.oh > 0 && g.ow > 0 &&
           (g.window ? taps_of(&g) * g.ic <= FEW_PAIRS : whole);
}

/* ---- Tiles ---------------------------------------------------------------------------------------- */

static bool fits(const geometry *g, int64_t vectors, int64_t others, int64_t sums)
{
    return vectors <= CONV_TILE_VECTORS && sums + vectors + others <= g->registers;
}

/* Blocks of dy by channels of x, by cycles for one channel of x and one block of dy. */
static void choose_tile(const geometry *g, const ran_target *target, int64_t *blocks,
                        int64_t *inputs)
{
    int64_t nv = g->block / g->lanes;
    double best = 1e300;
    *blocks = *inputs = 1;
    for (int64_t b = 1; b <= 4 && b <= g->oc_blocks; b++)
        for (int64_t i = g->block; i >= 2; i /= 2) {
            int64_t values = target->arch == RAN_ARCH_AARCH64 ? ceil_div(i, g->lanes) : 1;
            if (!fits(g, b * nv, values, b * nv * i) || (values > 1 && i % g->lanes))
                continue;
            double multiply = (double)(b * nv * i) / target->fma_ports;
            double load = (double)(b * nv + i) / 2 + 0.5;
            double cycles = multiply > load ? multiply : load;
            cycles = cycles > 5 ? cycles : 5;
            double cost = cycles * (double)ceil_div(g->oc_blocks, b) / (double)i;
            if (cost < best * 0.999) {
                best = cost;
                *blocks = b;
                *inputs = i;
            }
        }
}

/* Pairs of tap and channel at once by blocks of dy. */
static void choose_window_tile(const geometry *g, int64_t *blocks, int64_t *taps)
{
    int64_t nv = g->block / g->lanes, pairs = taps_of(g) * (g->depthwise ? 1 : g->ic);
    double best = 1e300;
    *blocks = *taps = 1;
    for (int64_t b = 1; b <= (g->depthwise ? 1 : 4) && b <= g->oc_blocks; b++)
        for (int64_t q = 1; q <= pairs && q <= 32 && fits(g, b * nv, 1, b * nv * q); q++) {
            double multiply = (double)(b * nv * q) / 2, load = (double)(b * nv + q) / 2;
            double cycles = (multiply > load ? multiply : load) + 1;
            cycles = cycles > 5 ? cycles : 5;
            double cost = cycles * (double)(ceil_div(pairs, q) * ceil_div(g->oc_blocks, b));
            if (cost < best * 0.999) {
                best = cost;
                *blocks = b;
                *taps = q;
            }
        }
}

static int64_t partial_bytes(const geometry *g)
{
    return g->groups * g->oc_blocks * g->ic_blocks * taps_of(g) *
           (g->window ? g->ic : g->block) * g->block * 4;
}

/* Blocks of x that a task takes: all of a 1x1. */
static int64_t inputs_per_task(const geometry *g)
{
    return taps_of(g) == 1 ? g->ic_blocks : 1;
}

static int64_t tiles_of(const geometry *g, const ran_target *target)
{
    int64_t blocks, rest;
    if (g->window) {
        choose_window_tile(g, &blocks, &rest);
        return ceil_div(g->oc_blocks, blocks);
    }
    choose_tile(g, target, &blocks, &rest);
    return ceil_div(g->oc_blocks, blocks) * ceil_div(g->ic_blocks, inputs_per_task(g)) *
           g->groups;
}

static int64_t chunks_of(const geometry *g, const ran_target *target)
{
    int64_t chunks = ceil_div(TASKS, tiles_of(g, target));
    int64_t most = PARTIALS_BYTES / (partial_bytes(g) + 1);
    chunks = chunks < most ? chunks : most;
    chunks = chunks < g->n ? chunks : g->n;
    return chunks < 1 ? 1 : chunks;
}

/* ---- Expansion --------------------------------------------------------------------------------------- */

static void copy_window(ran_op *to, const ran_op *from)
{
    static const char *const lists[] = {"kernel_shape", "strides", "dilations", "pads"};
    for (size_t i = 0; i < sizeof(lists) / sizeof(*lists); i++) {
        size_t count;
        const int64_t *values = ran_op_ints(from, lists[i], &count);
        if (count)
            ran_op_set_ints(to, lists[i], values, count);
    }
    ran_op_set_string(to, "auto_pad", ran_op_string(from, "auto_pad"));
    ran_op_set_int(to, "group", ran_op_int(from, "group"));
}

bool ran_expand_conv_weight_gradient(ran_expansion *e)
{
    geometry g;
    int64_t shape[RAN_MAX_RANK];
    const ran_type *dw = ran_value_type(ran_op_result(e->op, 0));
    if (!geometry_of(e->op, e->target, &g))
        return ran_expand_conv_weight_gradient_as_conv(e);
    ran_value *operands[] = {ran_op_operand(e->op, 0), ran_op_operand(e->op, 1)};
    ran_op *partials = ran_op_create(&e->builder, RAN_OP_CONV_WEIGHT_PARTIALS, 2, operands, 1);
    copy_window(partials, e->op);
    ran_op_set_int(partials, "block", g.block);
    ran_op_set_int(partials, "width", g.depthwise ? 1 : g.window ? g.ic : g.block);
    ran_op_set_int(partials, "chunks", chunks_of(&g, e->target));
    ran_value *sums = ran_expand_finish(e, partials);
    ran_op *sum = ran_op_create(&e->builder, RAN_OP_CONV_WEIGHT_SUM, 1, &sums, 1);
    for (int i = 0; i < ran_type_rank(dw); i++)
        shape[i] = ran_type_extent(dw, i);
    ran_op_set_ints(sum, "shape", shape, (size_t)ran_type_rank(dw));
    e->results[0] = ran_expand_finish(e, sum);
    return true;
}

/* ---- Kernels ------------------------------------------------------------------------------------------- */

static bool takes(const ran_op *anchor, const ran_target *target, bool plain)
{
    geometry g;
    return geometry_of(anchor, target, &g) && (g.window && !g.depthwise) == plain;
}

bool ran_conv_weight_accepts(const ran_op *anchor, const ran_target *target)
{
    return takes(anchor, target, false);
}

bool ran_conv_weight_plain_accepts(const ran_op *anchor, const ran_target *target)
{
    return takes(anchor, target, true);
}

double ran_conv_weight_cost(const ran_op *anchor, const ran_target *target)
{
    geometry g;
    if (!geometry_of(anchor, target, &g))
        return 1e300;
    double macs = (double)(g.n * g.oh * g.ow * taps_of(&g)) * (double)(g.groups * g.ic * g.oc);
    double share = g.depthwise ? 0.5 : 0.85;
    return macs / (share * target->ghz * 1e9 * target->fma_ports * target->lanes);
}

#define WORD(field, value) RAN_SPEC(e, struct conv_weight_spec, field, value)

static void describe_common(ran_emission *e, const geometry *g)
{
    WORD(x, ran_emission_io(e, ran_op_operand(e->anchor, 0)));
    WORD(dy, ran_emission_io(e, ran_op_operand(e->anchor, 1)));
    WORD(y, ran_emission_io_result(e, 0));
    WORD(n, g->n);
    WORD(chunks, ran_op_int(e->anchor, "chunks"));
    WORD(ih, g->ih);
    WORD(iw, g->iw);
    WORD(oh, g->oh);
    WORD(ow, g->ow);
    WORD(kh, g->w.kernel[1]);
    WORD(kw, g->w.kernel[2]);
    WORD(stride_h, g->w.stride[1]);
    WORD(stride_w, g->w.stride[2]);
    WORD(dilation_h, g->w.dilation[1]);
    WORD(dilation_w, g->w.dilation[2]);
    WORD(pad_top, g->w.pad_begin[1]);
    WORD(pad_left, g->w.pad_begin[2]);
    WORD(ic_blocks, g->ic_blocks);
    WORD(oc_blocks, g->oc_blocks);
    ran_space_of_type(ran_value_type(ran_op_result(e->anchor, 0)), &e->store);
}

static void describe_window(ran_emission *e, const geometry *g)
{
    int64_t blocks, taps;
    int64_t height = (g->oh - 1) * g->w.stride[1] + (g->w.kernel[1] - 1) * g->w.dilation[1] + 1;
    int64_t width = (g->ow - 1) * g->w.stride[2] + (g->w.kernel[2] - 1) * g->w.dilation[2] + 1;
    int64_t pixel = g->depthwise ? g->block : g->ic;
    choose_window_tile(g, &blocks, &taps);
    e->function = "conv_weight_window";
    WORD(groups, 1);
    WORD(ic_last, g->depthwise ? 1 : g->ic);
    WORD(tile_blocks, blocks);
    WORD(tile_taps, taps);
    WORD(depthwise, g->depthwise);
    WORD(padded_h, height);
    WORD(padded_w, width);
    e->scratch = ran_dim_constant(e->context, height * width * pixel * 4);
    e->tasks = ran_dim_constant(e->context,
                                ran_op_int(e->anchor, "chunks") * ceil_div(g->oc_blocks, blocks));
}

static void describe_tiles(ran_emission *e, const geometry *g)
{
    int64_t blocks, inputs, rows = ceil_div(STRIP_PIXELS, g->ow);
    choose_tile(g, e->target, &blocks, &inputs);
    e->function = "conv_weight";
    rows = rows < g->oh ? rows : g->oh;
    WORD(groups, g->groups);
    WORD(ic_last, g->ic - (g->ic_blocks - 1) * g->block);
    WORD(tile_blocks, blocks);
    WORD(tile_inputs, inputs);
    WORD(strip_rows, rows);
    WORD(strip_images, rows < g->oh ? 1 : ceil_div(STRIP_PIXELS, g->oh * g->ow));
    WORD(ic_per_task, inputs_per_task(g));
    e->tasks = ran_dim_constant(e->context,
                                ran_op_int(e->anchor, "chunks") * tiles_of(g, e->target));
}

ran_status ran_conv_weight_describe(ran_emission *e)
{
    geometry g;
    RAN_ASSERT(e->context, geometry_of(e->anchor, e->target, &g));
    e->body = "conv/weight";
    describe_common(e, &g);
    if (g.window)
        describe_window(e, &g);
    else
        describe_tiles(e, &g);
    return RAN_OK;
}

bool ran_conv_weight_sum_accepts(const ran_op *anchor, const ran_target *target)
{
    const ran_type *x = ran_value_type(ran_op_operand(anchor, 0));
    return ran_type_elem(x) == RAN_ELEM_F32 && ran_type_is_static(x) &&
           ran_type_extent(x, 5) == target->block;
}

ran_status ran_conv_weight_sum_describe(ran_emission *e)
{
    const ran_type *x = ran_value_type(ran_op_operand(e->anchor, 0));
    const ran_type *y = ran_value_type(ran_op_result(e->anchor, 0));
    e->body = "conv/weight_sum";
    e->function = "conv_weight_sum";
    RAN_SPEC(e, struct conv_weight_sum_spec, x,
             ran_emission_io(e, ran_op_operand(e->anchor, 0)));
    RAN_SPEC(e, struct conv_weight_sum_spec, chunks, ran_type_extent(x, 0));
    RAN_SPEC(e, struct conv_weight_sum_spec, o, ran_type_extent(y, 0));
    RAN_SPEC(e, struct conv_weight_sum_spec, i, ran_type_extent(y, 1));
    RAN_SPEC(e, struct conv_weight_sum_spec, taps, ran_type_extent(x, 3));
    RAN_SPEC(e, struct conv_weight_sum_spec, o_blocks, ran_type_extent(x, 1));
    RAN_SPEC(e, struct conv_weight_sum_spec, i_blocks, ran_type_extent(x, 2));
    RAN_SPEC(e, struct conv_weight_sum_spec, width, ran_type_extent(x, 4));
    e->store = (ran_space){.type = y, .rank = 2};
    e->store.axes[1].first = 1;
    e->store.axes[1].last = ran_type_rank(y) - 1;
    e->scratch = ran_dim_constant(e->context, ran_type_extent(x, 3) * ran_type_extent(x, 4) *
                                                  ran_type_extent(x, 5) * 4);
    e->tasks =
        ran_dim_constant(e->context, ran_type_extent(x, 1) * ran_type_extent(x, 2));
    return RAN_OK;
}
