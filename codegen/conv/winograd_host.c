/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "codegen/conv/winograd.h"

#include "codegen/conv/conv.h"
#include "codegen/conv/direct.h"
#include "codegen/conv/geometry.h"
#include "codegen/conv/winograd_filter.h"

/* Tiles of a task at most; tasks that an op should have where each takes ten microseconds, and what
 * that may cost: one task alone counts as taking this part more. */
enum { CHUNK_MAX = 64, TASKS = 8, SCRATCH_MAX = 768 << 10 };
static const double task_seconds = 10e-6, alone_part = 0.15;
/* Cycles of a vector of channels for a tile's transforms, loads and stores. */
static const double input_cycles = 150, output_cycles = 130;

typedef struct plan {
    conv_tile tile;             /* of registers: blocks by tiles */
    int64_t chunk, oc_per_task; /* tiles of a task, blocks of output channels */
    double seconds;             /* of all images */
    double score;               /* the same, and more where there are too few tasks */
} plan;

static int64_t ceil_div(int64_t a, int64_t b)
{
    return (a + b - 1) / b;
}

static int64_t step_of(const ran_target *target)
{
    return target->arch == RAN_ARCH_AARCH64 ? 4 : 2;
}

static bool takes(const conv_geometry *g)
{
    const ran_window *w = &g->window;
    for (int i = 1; i < RAN_MAX_SPATIAL; i++)
        if (w->kernel[i] != 3 || w->stride[i] != 1 || w->dilation[i] != 1)
            return false;
    return g->spatial == 2 && g->groups == 1;
}

bool ran_conv_winograd_accepts(const ran_op *anchor, const ran_target *target)
{
    conv_geometry g;
    return target->winograd && ran_conv_direct_geometry(anchor, target, &g) && takes(&g);
}

/* ---- Sizes ----------------------------------------------------------------------------------------- */

static int64_t tile_rows(const conv_geometry *g)
{
    return ceil_div(g->oh, WINOGRAD_OUT);
}

static int64_t tile_columns(const conv_geometry *g)
{
    return ceil_div(g->ow, WINOGRAD_OUT);
}

static double filter_bytes(const conv_geometry *g)
{
    return 4.0 * WINOGRAD_POINTS * (double)(g->ic_blocks * g->oc_blocks * g->block * g->block);
}

static int64_t scratch_bytes(const conv_geometry *g, const plan *p)
{
    return 4 * WINOGRAD_POINTS *
           ((g->ic_blocks + p->tile.blocks) * p->chunk * g->block + 2 * WINOGRAD_LINE);
}

/* The products of a point are those of a 1x1 convolution over a row of tiles. */
static conv_tile register_tile(const conv_geometry *g, const ran_target *target, int64_t chunk)
{
    conv_geometry row = *g;
    row.flat = true;
    row.ih = row.oh = 1;
    row.iw = row.ow = chunk;
    return ran_conv_choose_tile(&row, target, ceil_div(g->ic, step_of(target)) * step_of(target),
                                0);
}

/* ---- Time ------------------------------------------------------------------------------------------ */

/* What does not depend on how output channels are shared among tasks. */
typedef struct chunk_time {
    int64_t chunks;
    double input, output, products; /* seconds */
} chunk_time;

/* Every chunk multiplies all weights, which come from the second cache at best: two tiles a weight are
 * too few to hide that. */
static double product_seconds(const conv_geometry *g, const ran_target *target, const plan *p)
{
    double multiplying =
        WINOGRAD_POINTS * p->tile.cycles / (target->ghz * 1e9 * target->dense);
    double loading = filter_bytes(g) / (target->l2_bandwidth * 1e9);
    return multiplying > loading ? multiplying : loading;
}

static chunk_time time_chunk(const conv_geometry *g, const ran_target *target, const plan *p)
{
    int64_t chunks = ceil_div(tile_rows(g) * tile_columns(g) * ran_conv_batch(g), p->chunk);
    double tiles = (double)(chunks * p->chunk * (g->block / target->lanes));
    double cycle = 1 / (target->ghz * 1e9);
    return (chunk_time){.chunks = chunks,
                        .input = tiles * (double)g->ic_blocks * input_cycles * cycle,
                        .output = tiles * (double)g->oc_blocks * output_cycles * cycle,
                        .products = (double)chunks * product_seconds(g, target, p)};
}

/* Weights come from a slower cache: once where a task's share stays in the second cache
 * beside its tiles, else for every chunk. */
static double stream_seconds(const conv_geometry *g, const ran_target *target, const plan *p,
                             int64_t chunks)
{
    double all = filter_bytes(g);
    double share = all * (double)p->oc_per_task / (double)g->oc_blocks;
    bool stays = share + (double)scratch_bytes(g, p) <= (double)target->l2;
    return (stays ? 1 : (double)chunks) * all / (ran_target_bandwidth(target, all) * 1e9);
}

static double score_of(double seconds, int64_t tasks)
{
    double wanted = seconds / task_seconds;
    wanted = wanted > TASKS ? TASKS : wanted < 1 ? 1 : wanted;
    double missing = 1 - (double)tasks / wanted;
    return seconds * (1 + (missing > 0 ? alone_part * missing : 0));
}

/* With the output channels in so many parts, each of which transforms the input for itself. */
static plan plan_for_parts(const conv_geometry *g, const ran_target *target, plan p,
                           const chunk_time *t, int64_t parts)
{
    p.oc_per_task = ceil_div(ceil_div(g->oc_blocks, p.tile.blocks), parts) * p.tile.blocks;
    parts = ceil_div(g->oc_blocks, p.oc_per_task);
    p.seconds = (double)parts * t->input + t->output + t->products +
                stream_seconds(g, target, &p, t->chunks) +
                ran_conv_cold_seconds(filter_bytes(g), target);
    p.score = score_of(p.seconds, parts * t->chunks);
    return p;
}

static plan plan_for_chunk(const conv_geometry *g, const ran_target *target, int64_t chunk)
{
    plan p = {.tile = register_tile(g, target, chunk), .chunk = chunk};
    chunk_time t = time_chunk(g, target, &p);
    plan best = plan_for_parts(g, target, p, &t, 1);
    for (int64_t parts = 2; parts <= ceil_div(g->oc_blocks, p.tile.blocks); parts++) {
        plan next = plan_for_parts(g, target, p, &t, parts);
        if (next.score < best.score * 0.999)
            best = next;
    }
    return best;
}

static bool fits(const conv_geometry *g, const ran_target *target, const plan *p)
{
    int64_t bytes = scratch_bytes(g, p);
    return (bytes <= target->l2 * 3 / 4 && bytes <= SCRATCH_MAX) || p->chunk <= 4;
}

/* As many tiles a task as are quickest, while what a task computes with stays in the second cache
 * and makes the workspace little larger. */
static plan make_plan(const conv_geometry *g, const ran_target *target)
{
    int64_t tiles = tile_rows(g) * tile_columns(g) * ran_conv_batch(g);
    plan best = {.score = 1e300};
    for (int64_t chunk = tiles < CHUNK_MAX ? tiles : CHUNK_MAX; chunk > 0; chunk--) {
        plan p = plan_for_chunk(g, target, chunk);
        if (fits(g, target, &p) && p.score < best.score * 0.999)
            best = p;
    }
    return best;
}

double ran_conv_winograd_cost(const ran_op *anchor, const ran_target *target)
{
    conv_geometry g;
    return ran_conv_direct_geometry(anchor, target, &g) ? make_plan(&g, target).seconds : 1e300;
}

/* ---- What the kernel is told ------------------------------------------------------------------------- */

ran_status ran_conv_winograd_prepare(ran_op *kernel, const ran_target *target)
{
    conv_geometry g;
    ran_op *anchor = ran_kernel_anchor(kernel);
    size_t weights = ran_value_index(ran_op_operand(anchor, 1));
    RAN_ASSERT(NULL, ran_conv_direct_geometry(anchor, target, &g));
    plan p = make_plan(&g, target);
    ran_op_set_ints(kernel, "tile",
                    (int64_t[]){p.tile.blocks, p.tile.pixels, p.chunk, p.oc_per_task}, 4);
    ran_op_set_ints(anchor, "kernel_shape", (int64_t[]){3, 3}, 2);
    ran_builder builder = ran_builder_before(kernel);
    ran_value *value = ran_op_operand(kernel, weights);
    ran_op *filter = ran_op_create(&builder, RAN_OP_WINOGRAD_FILTER, 1, &value, 1);
    ran_op_set_int(filter, "block", g.block);
    ran_op_set_int(filter, "transposed", anchor->opcode == RAN_OP_CONV_TRANSPOSE);
    return ran_kernel_replace_operand(kernel, weights, filter);
}

static void describe_tasks(ran_emission *e, const conv_geometry *g, const plan *p)
{
    ran_context *c = e->context;
    const ran_dim *tiles = ran_conv_tasks(c, g, tile_rows(g) * tile_columns(g));
    const ran_dim *chunks =
        ran_dim_binary(c, RAN_DIM_CEILDIV, tiles, ran_dim_constant(c, p->chunk));
    const ran_dim *parts = ran_dim_constant(c, ceil_div(g->oc_blocks, p->oc_per_task));
    e->tasks = ran_dim_binary(c, RAN_DIM_MUL, chunks, parts);
    e->scratch = ran_dim_constant(c, scratch_bytes(g, p));
}

ran_status ran_conv_winograd_describe(ran_emission *e)
{
    conv_geometry g;
    const int64_t *t = ran_op_ints(e->kernel, "tile", NULL);
    plan p = {.tile = {.blocks = t[0], .pixels = t[1]}, .chunk = t[2], .oc_per_task = t[3]};
    RAN_ASSERT(e->context, ran_conv_direct_geometry(e->anchor, e->target, &g));
    int64_t step = step_of(e->target), last = g.ic - (g.ic_blocks - 1) * g.block;
    e->body = "conv/winograd";
    e->function = "conv_winograd";
    RAN_SPEC(e, struct conv_winograd_spec, x, ran_emission_io(e, ran_op_operand(e->anchor, 0)));
    RAN_SPEC(e, struct conv_winograd_spec, u, ran_emission_io(e, ran_op_operand(e->anchor, 1)));
    RAN_SPEC_DIM(e, struct conv_winograd_spec, n, g.batch);
    RAN_SPEC(e, struct conv_winograd_spec, ih, g.ih);
    RAN_SPEC(e, struct conv_winograd_spec, iw, g.iw);
    RAN_SPEC(e, struct conv_winograd_spec, oh, g.oh);
    RAN_SPEC(e, struct conv_winograd_spec, ow, g.ow);
    RAN_SPEC(e, struct conv_winograd_spec, pad_top, g.window.pad_begin[1]);
    RAN_SPEC(e, struct conv_winograd_spec, pad_left, g.window.pad_begin[2]);
    RAN_SPEC(e, struct conv_winograd_spec, ic_blocks, g.ic_blocks);
    RAN_SPEC(e, struct conv_winograd_spec, ic_last, ceil_div(last, step) * step);
    RAN_SPEC(e, struct conv_winograd_spec, oc_blocks, g.oc_blocks);
    RAN_SPEC(e, struct conv_winograd_spec, tile_rows, tile_rows(&g));
    RAN_SPEC(e, struct conv_winograd_spec, tile_columns, tile_columns(&g));
    RAN_SPEC(e, struct conv_winograd_spec, tile_blocks, p.tile.blocks);
    RAN_SPEC(e, struct conv_winograd_spec, tile_pixels, p.tile.pixels);
    RAN_SPEC(e, struct conv_winograd_spec, chunk, p.chunk);
    RAN_SPEC(e, struct conv_winograd_spec, oc_per_task, p.oc_per_task);
    RAN_SPEC(e, struct conv_winograd_spec, ahead_shift,
             ran_conv_ahead_shift(ceil_div(p.chunk, p.tile.pixels)));
    describe_tasks(e, &g, &p);
    ran_conv_space(ran_value_type(ran_op_result(e->anchor, 0)), false, &e->store);
    return RAN_OK;
}

/* ---- Weights that are not constant -------------------------------------------------------------------- */

bool ran_winograd_filter_accepts(const ran_op *anchor, const ran_target *target)
{
    const ran_type *type = ran_value_type(ran_op_operand(anchor, 0));
    (void)target;
    return ran_type_elem(type) == RAN_ELEM_F32 && ran_type_is_static(type);
}

ran_status ran_winograd_filter_describe(ran_emission *e)
{
    const ran_type *w = ran_value_type(ran_op_operand(e->anchor, 0));
    const ran_type *u = ran_value_type(ran_op_result(e->anchor, 0));
    bool transposed = ran_op_int(e->anchor, "transposed");
    int64_t first = ran_type_extent(w, 0), second = ran_type_extent(w, 1);
    e->body = "conv/winograd_filter";
    e->function = "winograd_filter";
    RAN_SPEC(e, struct winograd_filter_spec, w, ran_emission_io(e, ran_op_operand(e->anchor, 0)));
    RAN_SPEC(e, struct winograd_filter_spec, u, ran_emission_io_result(e, 0));
    RAN_SPEC(e, struct winograd_filter_spec, oc, transposed ? second : first);
    RAN_SPEC(e, struct winograd_filter_spec, ic, transposed ? first : second);
    RAN_SPEC(e, struct winograd_filter_spec, oc_stride, transposed ? 9 : second * 9);
    RAN_SPEC(e, struct winograd_filter_spec, ic_stride, transposed ? second * 9 : 9);
    RAN_SPEC(e, struct winograd_filter_spec, ic_blocks, ran_type_extent(u, 2));
    RAN_SPEC(e, struct winograd_filter_spec, flip, transposed);
    e->tasks = ran_dim_constant(e->context, ran_type_extent(u, 0) * ran_type_extent(u, 2));
    return RAN_OK;
}
