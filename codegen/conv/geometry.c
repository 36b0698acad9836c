/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "codegen/conv/geometry.h"

#include "codegen/conv/direct.h"

static int64_t ceil_div(int64_t a, int64_t b)
{
    return (a + b - 1) / b;
}

static bool is_f32(const ran_value *value)
{
    const ran_type *type = value ? ran_value_type(value) : NULL;
    return type && ran_type_is_tensor(type) && ran_type_elem(type) == RAN_ELEM_F32;
}

static bool is_static_from(const ran_type *type, int first)
{
    for (int i = first; i < ran_type_rank(type); i++)
        if (!ran_dim_is_constant(ran_type_dim(type, i)))
            return false;
    return true;
}

static void resolve_window(const ran_op *anchor, conv_geometry *g, const ran_type *x,
                           const ran_type *w, const ran_type *y)
{
    int64_t in[RAN_MAX_SPATIAL], out[RAN_MAX_SPATIAL], kernel[RAN_MAX_SPATIAL];
    size_t stated;
    const int64_t *shape = ran_op_ints(anchor, "kernel_shape", &stated);
    for (int i = 0; i < g->spatial; i++) {
        in[i] = ran_type_extent(x, 2 + i);
        out[i] = ran_type_extent(y, 2 + i);
        kernel[i] = stated ? shape[i] : ran_type_extent(w, 2 + i);
    }
    ran_window_resolve(anchor, g->spatial, in, out, kernel, &g->window);
}

static bool is_flat(const conv_geometry *g)
{
    const ran_window *w = &g->window;
    for (int i = 1; i < RAN_MAX_SPATIAL; i++)
        if (w->kernel[i] != 1 || w->stride[i] != 1 || w->pad_begin[i] || w->in[i] != w->out[i])
            return false;
    return true;
}

bool ran_conv_geometry(const ran_op *anchor, const ran_target *target, conv_geometry *out)
{
    const ran_value *xv = ran_op_operand(anchor, 0), *wv = ran_op_operand(anchor, 1);
    const ran_value *yv = ran_op_result(anchor, 0);
    if (!is_f32(xv) || !is_f32(wv) || !is_f32(yv) || ran_op_operand(anchor, 2))
        return false;
    const ran_type *x = ran_value_type(xv), *w = ran_value_type(wv), *y = ran_value_type(yv);
    conv_geometry g = {.spatial = ran_type_rank(x) - 2, .block = target->block};
    if (g.spatial < 1 || g.spatial > 2 || !is_static_from(x, 1) || !is_static_from(y, 1) ||
        !ran_type_is_static(w))
        return false;
    g.batch = ran_type_dim(x, 0);
    g.groups = ran_op_int(anchor, "group");
    g.ic = ran_type_extent(x, 1) / g.groups;
    g.oc = ran_type_extent(y, 1) / g.groups;
    g.ic_blocks = ceil_div(g.ic, g.block);
    g.oc_blocks = ceil_div(g.oc, g.block);
    resolve_window(anchor, &g, x, w, y);
    g.flat = anchor->opcode == RAN_OP_CONV && is_flat(&g);
    g.ih = g.flat ? 1 : g.window.in[1];
    g.oh = g.flat ? 1 : g.window.out[1];
    g.iw = g.flat ? g.window.in[1] * g.window.in[2] : g.window.in[2];
    g.ow = g.flat ? g.window.out[1] * g.window.out[2] : g.window.out[2];
    *out = g;
    return g.oh > 0 && g.ow > 0 && g.ic > 0 && g.oc > 0;
}

bool ran_conv_direct_geometry(const ran_op *anchor, const ran_target *target, conv_geometry *g)
{
    if (!ran_conv_geometry(anchor, target, g))
        return false;
    if (anchor->opcode == RAN_OP_CONV)
        return true;
    bool flat = true;
    for (int i = 1; i < RAN_MAX_SPATIAL; i++) {
        int64_t pad = (g->window.kernel[i] - 1) * g->window.dilation[i] - g->window.pad_begin[i];
        if (g->window.stride[i] != 1 || pad < 0)
            return false;
        g->window.pad_begin[i] = pad;
        flat = flat && g->window.kernel[i] == 1 && g->window.in[i] == g->window.out[i];
    }
    if (flat) {
        g->flat = true;
        g->iw *= g->ih;
        g->ow *= g->oh;
        g->ih = g->oh = 1;
    }
    return true;
}

bool ran_conv_fills_blocks(const conv_geometry *g)
{
    return g->groups == 1 || (g->ic % g->block == 0 && g->oc % g->block == 0);
}

double ran_conv_macs(const conv_geometry *g)
{
    const ran_window *w = &g->window;
    return (double)(g->groups * g->ic * g->oc) * (double)(g->oh * g->ow) *
           (double)(w->kernel[1] * w->kernel[2]);
}

int64_t ran_conv_batch(const conv_geometry *g)
{
    return ran_dim_is_constant(g->batch) ? ran_dim_value(g->batch) : 1;
}

double ran_conv_peak(const ran_target *target)
{
    return target->ghz * 1e9 * target->fma_ports * target->lanes;
}

/* ---- Tiles ---------------------------------------------------------------------------------------- */

int64_t ran_conv_border(const conv_geometry *g, int64_t pixels)
{
    const ran_window *w = &g->window;
    int64_t stride = w->stride[2], reach = (w->kernel[2] - 1) * w->dilation[2];
    int64_t left = w->pad_begin[2]; /* columns below left / stride see padding */
    int64_t inside = (g->iw + left - reach - 1) / stride + 1; /* columns from here on do, too */
    if (g->iw + left - reach - 1 < 0)
        inside = 0;
    if (g->flat || (left == 0 && inside >= g->ow))
        return CONV_BORDER_NONE;
    int64_t last = (g->ow - 1) / pixels * pixels;
    bool one_tile_a_side = ceil_div(left, stride) <= pixels && inside >= last;
    return w->kernel[2] <= 7 && (last == 0 || one_tile_a_side) ? CONV_BORDER_STATIC
                                                               : CONV_BORDER_DYNAMIC;
}

/* By-lane FMA keeps a vector of channels for each pixel, and the scheduler loads a step's weights
 * before the last products of the one before; others broadcast one pixel at a time. */
static bool fits_registers(const ran_target *target, int64_t vectors, int64_t pixels, int64_t spare)
{
    int64_t inputs = target->arch == RAN_ARCH_AARCH64 ? pixels + vectors : 1;
    return vectors <= CONV_TILE_VECTORS && pixels <= CONV_TILE_PIXELS &&
           vectors * pixels + vectors + inputs + spare <= target->registers;
}

/* Cycles of a tile: multiplications, loads, the latency of too few accumulators, or weights that
 * do not stay in the first cache; then its start and its results. */
static double tile_cycles(const conv_geometry *g, const ran_target *target, int64_t vectors,
                          int64_t pixels, int64_t steps)
{
    double multiply = (double)(vectors * pixels) / target->fma_ports;
    double load = (double)(vectors + (target->arch == RAN_ARCH_AARCH64 ? (pixels + 3) / 4 : pixels)) / 2;
    double weights = (double)(vectors * target->lanes * 4) * (double)steps;
    double stream = weights > (double)target->l1 / 2
                        ? (double)(vectors * target->lanes * 4) * target->ghz / target->l2_bandwidth
                        : 0;
    double cycle = multiply > load ? multiply : load;
    cycle = cycle > stream ? cycle : stream;
    cycle = cycle > 4 ? cycle : 4;
    (void)g;
    return cycle * (double)steps + 20 + 1.5 * (double)(vectors * pixels);
}

static double image_cycles(const conv_geometry *g, const ran_target *target, conv_tile tile,
                           int64_t steps)
{
    int64_t nv = g->block / target->lanes, tail = g->ow % tile.pixels;
    double total = 0;
    for (int64_t rest = g->oc_blocks; rest > 0; rest -= tile.blocks) {
        int64_t vectors = (rest < tile.blocks ? rest : tile.blocks) * nv;
        total += (double)(g->ow / tile.pixels) *
                 tile_cycles(g, target, vectors, tile.pixels, steps);
        if (tail)
            total += tile_cycles(g, target, vectors, tail, steps);
    }
    double border = tile.border == CONV_BORDER_DYNAMIC ? 1.25 : 1;
    return total * (double)(g->oh * g->groups) * border;
}

conv_tile ran_conv_choose_tile(const conv_geometry *g, const ran_target *target, int64_t steps,
                               int64_t spare)
{
    int64_t nv = g->block / target->lanes;
    conv_tile best = {.blocks = 1, .pixels = 1, .border = ran_conv_border(g, 1), .cycles = 1e300};
    for (int64_t blocks = 1; blocks <= g->oc_blocks; blocks++)
        for (int64_t pixels = 1; pixels <= g->ow; pixels++) {
            if (!fits_registers(target, blocks * nv, pixels, spare))
                break;
            conv_tile tile = {blocks, pixels, ran_conv_border(g, pixels), 0};
            tile.cycles = image_cycles(g, target, tile, steps);
            if (tile.cycles < best.cycles * 0.999)
                best = tile;
        }
    return best;
}

/* Up to twice the second cache memory is not waited for. Of what comes from the third cache, an eighth of
 * the second is there already, or arrives in time. */
double ran_conv_cold_seconds(double bytes, const ran_target *target)
{
    double seconds = 0, far = bytes - 2 * (double)target->l2, near = bytes - (double)target->l2 / 8;
    if (target->weights_bandwidth > 0 && near > 0)
        seconds += near / (target->weights_bandwidth * 1e9);
    if (far > 0)
        seconds += far / (target->cold_weights * target->dram_bandwidth * 1e9);
    return seconds;
}

/* ---- Spaces and tasks --------------------------------------------------------------------------------- */

void ran_conv_space(const ran_type *type, bool flat, ran_space *out_space)
{
    int last = ran_type_rank(type) - 1;
    *out_space = (ran_space){.type = type, .rank = flat ? 4 : 5, .blocked = true};
    out_space->axes[1].first = out_space->axes[1].last = 1;
    out_space->axes[2].first = 2;
    out_space->axes[2].last = last;
    if (!flat) {
        out_space->axes[2].last = last - 1; /* of a 1-D map: no axis */
        out_space->axes[3].first = out_space->axes[3].last = last;
    }
    out_space->axes[out_space->rank - 1].first = 0;
    out_space->axes[out_space->rank - 1].last = -1;
}

const ran_dim *ran_conv_tasks(ran_context *context, const conv_geometry *g, int64_t per_image)
{
    return ran_dim_binary(context, RAN_DIM_MUL, g->batch, ran_dim_constant(context, per_image));
}

int64_t ran_conv_rows_per_task(int64_t height, int64_t step, int64_t chunks)
{
    int64_t rows = ceil_div(ceil_div(height, chunks < 1 ? 1 : chunks), step) * step;
    return rows < height ? rows : height;
}

int64_t ran_conv_ahead_shift(int64_t tiles)
{
    int64_t shift = 0;
    while (shift < 4 && tiles >> (shift + 1))
        shift++;
    return shift;
}
