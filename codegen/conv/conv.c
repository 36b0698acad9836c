/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "codegen/conv/conv.h"

#include "codegen/conv/depthwise.h"
#include "codegen/conv/direct.h"
#include "codegen/conv/first_layer.h"
#include "codegen/conv/geometry.h"
#include "codegen/conv/plain.h"
#include "codegen/conv/transposed.h"

/* Tasks that an op should have at least, so that a few cores share it evenly, unless each would have
 * less than TASK_MACS. */
enum { TASKS = 32, TASK_MACS = 400000, FIRST_LAYER_CHANNELS = 8 };

static int64_t ceil_div(int64_t a, int64_t b)
{
    return (a + b - 1) / b;
}

static int64_t wanted_tasks(const conv_geometry *g)
{
    double tasks = ran_conv_macs(g) / TASK_MACS;
    return tasks < 1 ? 1 : tasks > TASKS ? TASKS : (int64_t)tasks;
}

static void set_tile(ran_op *kernel, int64_t a, int64_t b)
{
    ran_op_set_ints(kernel, "tile", (int64_t[]){a, b}, 2);
}

static void get_tile(const ran_emission *e, int64_t *a, int64_t *b)
{
    const int64_t *tile = ran_op_ints(e->kernel, "tile", NULL);
    *a = tile[0];
    *b = tile[1];
}

/* Position of the kernel op's operand that the anchor reads as its weights. */
static size_t weights_operand(const ran_op *kernel)
{
    return ran_value_index(ran_op_operand(ran_kernel_anchor(kernel), 1));
}

static bool is_transposed(const ran_op *anchor)
{
    return anchor->opcode == RAN_OP_CONV_TRANSPOSE;
}

static void begin(ran_emission *e, const char *body, const char *function, conv_geometry *g)
{
    RAN_ASSERT(e->context, ran_conv_geometry(e->anchor, e->target, g));
    e->body = body;
    e->function = function;
}

/* The fields that all of the specs share. */
#define SET_COMMON(e, spec, g)                                                                     \
    do {                                                                                           \
        RAN_SPEC(e, spec, x, ran_emission_io(e, ran_op_operand((e)->anchor, 0)));                  \
        RAN_SPEC(e, spec, w, ran_emission_io(e, ran_op_operand((e)->anchor, 1)));                  \
        RAN_SPEC_DIM(e, spec, n, (g)->batch);                                                      \
        RAN_SPEC(e, spec, ih, (g)->ih);                                                            \
        RAN_SPEC(e, spec, iw, (g)->iw);                                                            \
        RAN_SPEC(e, spec, oh, (g)->oh);                                                            \
        RAN_SPEC(e, spec, ow, (g)->ow);                                                            \
        RAN_SPEC(e, spec, kh, (g)->window.kernel[1]);                                              \
        RAN_SPEC(e, spec, kw, (g)->window.kernel[2]);                                              \
        RAN_SPEC(e, spec, stride_h, (g)->window.stride[1]);                                        \
        RAN_SPEC(e, spec, stride_w, (g)->window.stride[2]);                                        \
        RAN_SPEC(e, spec, dilation_h, (g)->window.dilation[1]);                                    \
        RAN_SPEC(e, spec, dilation_w, (g)->window.dilation[2]);                                    \
        RAN_SPEC(e, spec, pad_top, (g)->window.pad_begin[1]);                                      \
        RAN_SPEC(e, spec, pad_left, (g)->window.pad_begin[2]);                                     \
    } while (0)

/* ---- Direct ----------------------------------------------------------------------------------- */

static int64_t direct_steps(const conv_geometry *g)
{
    return ceil_div(g->ic, 2) * 2 * g->window.kernel[1] * g->window.kernel[2];
}

bool ran_conv_direct_accepts(const ran_op *anchor, const ran_target *target)
{
    conv_geometry g;
    return ran_conv_direct_geometry(anchor, target, &g) && ran_conv_fills_blocks(&g);
}

static double weight_bytes(const conv_geometry *g)
{
    return 4.0 * (double)(g->groups * g->ic * g->oc) *
           (double)(g->window.kernel[1] * g->window.kernel[2]);
}

double ran_conv_direct_cost(const ran_op *anchor, const ran_target *target)
{
    conv_geometry g;
    if (!ran_conv_direct_geometry(anchor, target, &g))
        return 1e300;
    conv_tile tile = ran_conv_choose_tile(&g, target, direct_steps(&g), 0);
    bool pointwise = g.window.kernel[1] * g.window.kernel[2] == 1;
    return tile.cycles * (double)ran_conv_batch(&g) /
               (target->ghz * 1e9 * (pointwise ? target->pointwise : target->dense)) +
           ran_conv_cold_seconds(weight_bytes(&g), target);
}

/* Input channels of a transposed convolution are its weights' first axis. */
static ran_status pack_transposed(ran_op *kernel, const conv_geometry *g)
{
    return ran_kernel_pack(kernel, weights_operand(kernel), (int64_t[]){0, 1},
                           (int64_t[]){g->block, g->block}, 2, (int64_t[]){1, 0, 2, 3},
                           (size_t)g->spatial + 2);
}

ran_status ran_conv_direct_prepare(ran_op *kernel, const ran_target *target)
{
    conv_geometry g;
    RAN_ASSERT(NULL, ran_conv_direct_geometry(ran_kernel_anchor(kernel), target, &g));
    conv_tile tile = ran_conv_choose_tile(&g, target, direct_steps(&g), 0);
    set_tile(kernel, tile.blocks, tile.pixels);
    if (is_transposed(ran_kernel_anchor(kernel)))
        return pack_transposed(kernel, &g);
    return ran_kernel_pack(kernel, weights_operand(kernel), (int64_t[]){1, 0},
                           (int64_t[]){g.block, g.block}, 2, NULL, 0);
}

/* Either all weights stay in the second cache, and chunks of the map go by, or the map does. */
static void describe_direct_tasks(ran_emission *e, const conv_geometry *g, int64_t blocks,
                                  int64_t pixels)
{
    int64_t tiles = ceil_div(g->oc_blocks, blocks) * g->groups;
    int64_t weights = g->groups * g->ic * g->oc * g->window.kernel[1] * g->window.kernel[2] * 4;
    int64_t map = g->groups * g->ic * g->ih * g->iw * 4;
    bool weights_outer = weights > e->target->l2 / 2;
    int64_t chunks = ceil_div(wanted_tasks(g), tiles);
    if (!weights_outer && chunks < ceil_div(map, e->target->l2 / 4))
        chunks = ceil_div(map, e->target->l2 / 4);
    int64_t rows = ran_conv_rows_per_task(g->oh, 1, chunks), columns = g->ow;
    if (g->flat)
        columns = ran_conv_rows_per_task(g->ow, pixels, chunks);
    RAN_SPEC(e, struct conv_direct_spec, ahead_shift,
             ran_conv_ahead_shift(rows * ceil_div(columns, pixels)));
    RAN_SPEC(e, struct conv_direct_spec, rows_per_task, rows);
    RAN_SPEC(e, struct conv_direct_spec, columns_per_task, columns);
    RAN_SPEC(e, struct conv_direct_spec, weights_outer, weights_outer);
    e->tasks = ran_conv_tasks(e->context, g,
                              tiles * ceil_div(g->oh, rows) * ceil_div(g->ow, columns));
}

ran_status ran_conv_direct_describe(ran_emission *e)
{
    conv_geometry g;
    int64_t blocks, pixels, step = e->target->arch == RAN_ARCH_AARCH64 ? 4 : 2;
    begin(e, "conv/direct", "conv_direct", &g);
    RAN_ASSERT(e->context, ran_conv_direct_geometry(e->anchor, e->target, &g));
    get_tile(e, &blocks, &pixels);
    SET_COMMON(e, struct conv_direct_spec, &g);
    RAN_SPEC(e, struct conv_direct_spec, groups, g.groups);
    RAN_SPEC(e, struct conv_direct_spec, ic_blocks, g.ic_blocks);
    RAN_SPEC(e, struct conv_direct_spec, ic_last,
             ceil_div(g.ic - (g.ic_blocks - 1) * g.block, step) * step);
    RAN_SPEC(e, struct conv_direct_spec, oc_blocks, g.oc_blocks);
    RAN_SPEC(e, struct conv_direct_spec, flat, g.flat);
    RAN_SPEC(e, struct conv_direct_spec, flip, is_transposed(e->anchor));
    RAN_SPEC(e, struct conv_direct_spec, tile_blocks, blocks);
    RAN_SPEC(e, struct conv_direct_spec, tile_pixels, pixels);
    RAN_SPEC(e, struct conv_direct_spec, border, ran_conv_border(&g, pixels));
    describe_direct_tasks(e, &g, blocks, pixels);
    ran_conv_space(ran_value_type(ran_op_result(e->anchor, 0)), g.flat, &e->store);
    return RAN_OK;
}

/* ---- Depthwise --------------------------------------------------------------------------------- */

bool ran_conv_depthwise_accepts(const ran_op *anchor, const ran_target *target)
{
    conv_geometry g;
    if (!ran_conv_direct_geometry(anchor, target, &g) && !(is_transposed(anchor) &&
                                                  ran_conv_geometry(anchor, target, &g)))
        return false;
    return g.ic == 1 && g.oc == 1 && g.groups > 1 &&
           g.window.kernel[1] * g.window.kernel[2] <= 49 && g.window.dilation[2] <= 4 &&
           g.window.stride[2] <= 4;
}

double ran_conv_depthwise_cost(const ran_op *anchor, const ran_target *target)
{
    conv_geometry g;
    if (!ran_conv_geometry(anchor, target, &g))
        return 1e300;
    bool strided = g.window.stride[1] * g.window.stride[2] > 1;
    double rate = strided ? target->depthwise_strided : target->depthwise;
    double phases = is_transposed(anchor) ? (double)(g.window.stride[1] * g.window.stride[2]) : 1;
    return ran_conv_macs(&g) / phases * (double)ran_conv_batch(&g) / (rate * ran_conv_peak(target));
}

/* Rows and columns of a tile: the accumulators leave room for a 3x3's weights and an input. */
static void depthwise_tile(const conv_geometry *g, const ran_target *target, int64_t *rows,
                           int64_t *columns)
{
    int64_t taps = g->window.kernel[1] * g->window.kernel[2];
    int64_t room = target->registers - 2 - (taps <= 9 && target->registers > 16 ? taps : 2);
    int64_t oh = g->window.out[1], ow = g->window.out[2];
    double best = 0;
    *rows = *columns = 1;
    for (int64_t r = 1; r <= 2 && r <= oh; r++)
        for (int64_t c = 1; c <= DEPTHWISE_COLUMNS && c <= ow && r * c <= room; c++) {
            double used = (double)ow / (double)(ceil_div(ow, c) * c) * (double)oh /
                          (double)(ceil_div(oh, r) * r);
            double inputs = (double)((g->window.stride[2] * (c - 1) + g->window.kernel[2]) *
                                     (g->window.stride[1] * (r - 1) + g->window.kernel[1]));
            double reuse = (double)(r * c * taps) / (inputs + (double)(r * c));
            double value = used * reuse * (r * c < 8 ? 0.6 : 1) *
                           (c * g->window.stride[2] > 9 ? 0.9 : 1);
            if (value > best * 1.001) {
                best = value;
                *rows = r;
                *columns = c;
            }
        }
}

/* The map's own rows and columns: a 1x1 depthwise convolution is not flattened. */
static void unflatten(conv_geometry *g)
{
    g->flat = false;
    g->ih = g->window.in[1];
    g->iw = g->window.in[2];
    g->oh = g->window.out[1];
    g->ow = g->window.out[2];
}

/* Whether a transposed convolution is no direct one: by phases of its stride. */
static bool has_phases(const ran_op *anchor, const ran_target *target)
{
    conv_geometry g;
    return is_transposed(anchor) && !ran_conv_direct_geometry(anchor, target, &g);
}

ran_status ran_conv_depthwise_prepare(ran_op *kernel, const ran_target *target)
{
    conv_geometry g;
    int64_t rows, columns;
    RAN_ASSERT(NULL, ran_conv_geometry(ran_kernel_anchor(kernel), target, &g));
    if (has_phases(ran_kernel_anchor(kernel), target)) {
        rows = 1;
        columns = ceil_div(g.ow, g.window.stride[2]);
        columns = columns < DEPTHWISE_COLUMNS / 2 ? columns : DEPTHWISE_COLUMNS / 2;
    } else {
        (void)ran_conv_direct_geometry(ran_kernel_anchor(kernel), target, &g);
        unflatten(&g);
        depthwise_tile(&g, target, &rows, &columns);
    }
    set_tile(kernel, rows, columns);
    return ran_kernel_pack(kernel, weights_operand(kernel), (int64_t[]){0}, (int64_t[]){g.block}, 1,
                           NULL, 0);
}

ran_status ran_conv_depthwise_describe(ran_emission *e)
{
    conv_geometry g;
    int64_t rows, columns;
    bool phases = has_phases(e->anchor, e->target);
    begin(e, "conv/depthwise", phases ? "conv_depthwise_transposed" : "conv_depthwise", &g);
    if (!phases)
        RAN_ASSERT(e->context, ran_conv_direct_geometry(e->anchor, e->target, &g));
    unflatten(&g);
    get_tile(e, &rows, &columns);
    int64_t blocks = ceil_div(g.groups, g.block);
    int64_t rows_per_task =
        ran_conv_rows_per_task(g.oh, rows, ceil_div(wanted_tasks(&g), blocks));
    SET_COMMON(e, struct conv_depthwise_spec, &g);
    RAN_SPEC(e, struct conv_depthwise_spec, blocks, blocks);
    RAN_SPEC(e, struct conv_depthwise_spec, tile_rows, rows);
    RAN_SPEC(e, struct conv_depthwise_spec, tile_columns, columns);
    RAN_SPEC(e, struct conv_depthwise_spec, border, ran_conv_border(&g, columns));
    RAN_SPEC(e, struct conv_depthwise_spec, rows_per_task, rows_per_task);
    RAN_SPEC(e, struct conv_depthwise_spec, flip, is_transposed(e->anchor));
    e->tasks = ran_conv_tasks(e->context, &g, blocks * ceil_div(g.oh, rows_per_task));
    ran_conv_space(ran_value_type(ran_op_result(e->anchor, 0)), false, &e->store);
    return RAN_OK;
}

/* ---- First layer ------------------------------------------------------------------------------------ */

static int64_t taps_of(const conv_geometry *g)
{
    return g->ic * g->window.kernel[1] * g->window.kernel[2];
}

bool ran_conv_first_layer_accepts(const ran_op *anchor, const ran_target *target)
{
    conv_geometry g;
    return ran_conv_geometry(anchor, target, &g) && g.groups == 1 && g.ic <= FIRST_LAYER_CHANNELS;
}

double ran_conv_first_layer_cost(const ran_op *anchor, const ran_target *target)
{
    conv_geometry g;
    if (!ran_conv_geometry(anchor, target, &g))
        return 1e300;
    unflatten(&g);
    conv_tile tile = ran_conv_choose_tile(&g, target, taps_of(&g), 2);
    return 0.95 * tile.cycles * (double)ran_conv_batch(&g) /
           (target->ghz * 1e9 * target->first_layer);
}

ran_status ran_conv_first_layer_prepare(ran_op *kernel, const ran_target *target)
{
    conv_geometry g;
    RAN_ASSERT(NULL, ran_conv_geometry(ran_kernel_anchor(kernel), target, &g));
    unflatten(&g);
    conv_tile tile = ran_conv_choose_tile(&g, target, taps_of(&g), 2);
    set_tile(kernel, tile.blocks, tile.pixels);
    return ran_kernel_pack(kernel, weights_operand(kernel), (int64_t[]){0}, (int64_t[]){g.block}, 1,
                           NULL, 0);
}

ran_status ran_conv_first_layer_describe(ran_emission *e)
{
    conv_geometry g;
    int64_t blocks, pixels;
    begin(e, "conv/first_layer", "conv_first_layer", &g);
    unflatten(&g);
    get_tile(e, &blocks, &pixels);
    int64_t tiles = ceil_div(g.oc_blocks, blocks);
    int64_t rows = ran_conv_rows_per_task(g.oh, 1, wanted_tasks(&g));
    SET_COMMON(e, struct conv_first_layer_spec, &g);
    RAN_SPEC(e, struct conv_first_layer_spec, ic, g.ic);
    RAN_SPEC(e, struct conv_first_layer_spec, oc_blocks, g.oc_blocks);
    RAN_SPEC(e, struct conv_first_layer_spec, tile_blocks, blocks);
    RAN_SPEC(e, struct conv_first_layer_spec, tile_pixels, pixels);
    RAN_SPEC(e, struct conv_first_layer_spec, border, ran_conv_border(&g, pixels));
    RAN_SPEC(e, struct conv_first_layer_spec, rows_per_task, rows);
    e->tasks = ran_conv_tasks(e->context, &g, tiles * ceil_div(g.oh, rows));
    ran_conv_space(ran_value_type(ran_op_result(e->anchor, 0)), false, &e->store);
    return RAN_OK;
}

/* ---- Transposed ----------------------------------------------------------------------------------------- */

bool ran_conv_transposed_accepts(const ran_op *anchor, const ran_target *target)
{
    conv_geometry g;
    return ran_conv_geometry(anchor, target, &g) && ran_conv_fills_blocks(&g) && g.ic >= 4;
}

double ran_conv_transposed_cost(const ran_op *anchor, const ran_target *target)
{
    conv_geometry g;
    if (!ran_conv_geometry(anchor, target, &g))
        return 1e300;
    double lanes = (double)(g.oc_blocks * g.block) / (double)g.oc; /* tails are computed, too */
    double useful = lanes * ran_conv_macs(&g) / (double)(g.window.stride[1] * g.window.stride[2]);
    return useful * (double)ran_conv_batch(&g) / (0.6 * ran_conv_peak(target));
}

ran_status ran_conv_transposed_prepare(ran_op *kernel, const ran_target *target)
{
    conv_geometry g, phase;
    RAN_ASSERT(NULL, ran_conv_geometry(ran_kernel_anchor(kernel), target, &g));
    phase = g;
    phase.ow = ceil_div(g.ow, g.window.stride[2]);
    conv_tile tile = ran_conv_choose_tile(&phase, target,
                                          taps_of(&g) / (g.window.stride[1] * g.window.stride[2]), 0);
    set_tile(kernel, tile.blocks, tile.pixels);
    return pack_transposed(kernel, &g);
}

ran_status ran_conv_transposed_describe(ran_emission *e)
{
    conv_geometry g;
    int64_t blocks, pixels;
    begin(e, "conv/transposed", "conv_transposed", &g);
    get_tile(e, &blocks, &pixels);
    int64_t tiles = ceil_div(g.oc_blocks, blocks) * g.groups;
    int64_t rows = ran_conv_rows_per_task(g.oh, 1, ceil_div(wanted_tasks(&g), tiles));
    SET_COMMON(e, struct conv_transposed_spec, &g);
    RAN_SPEC(e, struct conv_transposed_spec, groups, g.groups);
    RAN_SPEC(e, struct conv_transposed_spec, ic_blocks, g.ic_blocks);
    RAN_SPEC(e, struct conv_transposed_spec, oc_blocks, g.oc_blocks);
    RAN_SPEC(e, struct conv_transposed_spec, tile_blocks, blocks);
    RAN_SPEC(e, struct conv_transposed_spec, tile_pixels, pixels);
    RAN_SPEC(e, struct conv_transposed_spec, rows_per_task, rows);
    e->tasks = ran_conv_tasks(e->context, &g, tiles * ceil_div(g.oh, rows));
    ran_conv_space(ran_value_type(ran_op_result(e->anchor, 0)), false, &e->store);
    return RAN_OK;
}
