/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "codegen/pool/pool.h"

#include <string.h>

#include "codegen/pool/window.h"
#include "ir/ops/compute.h"

static bool is_f32_map(const ran_op *op)
{
    const ran_type *x = ran_value_type(ran_op_operand(op, 0));
    return ran_type_elem(x) == RAN_ELEM_F32 && ran_type_rank(x) >= 3 &&
           ran_type_rank(x) <= 2 + POOL_AXES;
}

/* Extents of the map's axes, symbolic ones as 1. */
static void map_extents(const ran_type *type, int64_t *out)
{
    for (int i = 2; i < ran_type_rank(type); i++)
        out[i - 2] = ran_dim_is_constant(ran_type_dim(type, i)) ? ran_type_extent(type, i) : 1;
}

static bool has_indices(const ran_op *op)
{
    return op->opcode == RAN_OP_MAX_POOL && op->result_count > 1;
}

bool ran_pool_window_accepts(const ran_op *op, const ran_target *target)
{
    (void)target;
    if (!is_f32_map(op))
        return false;
    if (op->opcode == RAN_OP_LP_POOL && ran_op_int(op, "p") != 1 && ran_op_int(op, "p") != 2)
        return false;
    return !has_indices(op) || !ran_type_layout(ran_value_type(ran_op_operand(op, 0))).block;
}

double ran_pool_window_cost(const ran_op *op, const ran_target *target)
{
    size_t count = 0;
    const int64_t *kernel = ran_op_ints(op, "kernel_shape", &count);
    double taps = (double)ran_type_numel_or_one(ran_value_type(ran_op_result(op, 0)));
    for (size_t i = 0; i < count; i++)
        taps *= (double)kernel[i];
    return taps / (target->pool * target->lanes * target->ghz * 1e9);
}

static int64_t kind_of(const ran_op *op)
{
    switch (op->opcode) {
    case RAN_OP_AVERAGE_POOL:
    case RAN_OP_GLOBAL_AVERAGE_POOL:
        return POOL_AVERAGE;
    case RAN_OP_LP_POOL:
        return ran_op_int(op, "p") == 1 ? POOL_L1 : POOL_L2;
    default:
        return POOL_MAX;
    }
}

/* Planes of a tensor: channels, or blocks of them, of all images. */
static const ran_dim *plane_count(ran_emission *e, const ran_type *type, const ran_dim **blocks)
{
    int64_t block = ran_type_layout(type).block;
    const ran_dim *channels = ran_type_dim(type, 1);
    *blocks = ran_dim_constant(e->context, 0);
    if (block) {
        channels = ran_dim_binary(e->context, RAN_DIM_CEILDIV, channels,
                                  ran_dim_constant(e->context, block));
        *blocks = channels;
    }
    return ran_dim_binary(e->context, RAN_DIM_MUL, ran_type_dim(type, 0), channels);
}

/* ---- Windows ------------------------------------------------------------------------------------- */

static void set_axis(ran_emission *e, const ran_window *window, int axis)
{
    const struct {
        size_t word;
        int64_t value;
    } words[] = {
        {RAN_SPEC_WORD(struct window_spec, in), window->in[axis]},
        {RAN_SPEC_WORD(struct window_spec, out), window->out[axis]},
        {RAN_SPEC_WORD(struct window_spec, kernel), window->kernel[axis]},
        {RAN_SPEC_WORD(struct window_spec, stride), window->stride[axis]},
        {RAN_SPEC_WORD(struct window_spec, dilation), window->dilation[axis]},
        {RAN_SPEC_WORD(struct window_spec, before), window->pad_begin[axis]},
        {RAN_SPEC_WORD(struct window_spec, after), window->pad_end[axis]},
    };
    for (size_t i = 0; i < sizeof(words) / sizeof(*words); i++)
        ran_emission_set(e, words[i].word + (size_t)axis, words[i].value);
}

static const ran_dim *sum(ran_emission *e, const ran_dim *a, const ran_dim *b)
{
    return ran_dim_binary(e->context, RAN_DIM_ADD, a, b);
}

static const ran_dim *times(ran_emission *e, const ran_dim *a, int64_t b)
{
    return ran_dim_binary(e->context, RAN_DIM_MUL, a, ran_dim_constant(e->context, b));
}

/* Pads of auto_pad, which depend on the extents: half of what the windows need, the rest behind; or
 * the other way round. */
static void set_same_pads(ran_emission *e, const ran_window *w, int axis, const ran_dim *in,
                          const ran_dim *out, bool lower)
{
    ran_context *c = e->context;
    int64_t reach = (w->kernel[axis] - 1) * w->dilation[axis] + 1;
    const ran_dim *total = times(e, sum(e, out, ran_dim_constant(c, -1)), w->stride[axis]);
    total = sum(e, sum(e, total, ran_dim_constant(c, reach)), times(e, in, -1));
    total = ran_dim_binary(c, RAN_DIM_MAX, total, ran_dim_constant(c, 0));
    const ran_dim *half = ran_dim_binary(c, RAN_DIM_FLOORDIV, total, ran_dim_constant(c, 2));
    const ran_dim *rest = sum(e, total, times(e, half, -1));
    size_t at = (size_t)axis;
    ran_emission_set_dim(e, RAN_SPEC_WORD(struct window_spec, before) + at, lower ? rest : half);
    ran_emission_set_dim(e, RAN_SPEC_WORD(struct window_spec, after) + at, lower ? half : rest);
}

/* Axes whose extents are symbolic; `x` and `y` are the maps before and behind the windows. */
static void set_symbolic_axes(ran_emission *e, const ran_window *w, const ran_type *x,
                              const ran_type *y)
{
    const char *mode = ran_op_string(e->anchor, "auto_pad");
    for (int i = 2, axis = POOL_AXES - w->spatial; i < ran_type_rank(x); i++, axis++) {
        const ran_dim *in = ran_type_dim(x, i), *out = ran_type_dim(y, i);
        if (ran_dim_is_constant(in))
            continue;
        ran_emission_set_dim(e, RAN_SPEC_WORD(struct window_spec, in) + (size_t)axis, in);
        ran_emission_set_dim(e, RAN_SPEC_WORD(struct window_spec, out) + (size_t)axis, out);
        if (!strncmp(mode, "SAME", 4))
            set_same_pads(e, w, axis, in, out, !strcmp(mode, "SAME_LOWER"));
    }
}

/* (image, block, rows, column, lane) or (plane, rows, column). */
static void set_space(ran_emission *e, const ran_type *y)
{
    int rank = ran_type_rank(y), n = 0;
    bool blocked = ran_type_layout(y).block;
    e->store = (ran_space){.type = y, .rank = blocked ? 5 : 3, .blocked = blocked};
    if (blocked) {
        e->store.axes[n++].last = 0;
        e->store.axes[n].first = 1;
    }
    e->store.axes[n++].last = 1;
    e->store.axes[n].first = 2;
    e->store.axes[n++].last = rank - 2;
    e->store.axes[n].first = e->store.axes[n].last = rank - 1;
    if (blocked)
        e->store.axes[4].last = -1;
}

ran_status ran_pool_window_describe(ran_emission *e)
{
    ran_window window;
    const ran_type *x = ran_value_type(ran_op_operand(e->anchor, 0));
    const ran_type *y = ran_value_type(ran_op_result(e->anchor, 0));
    int64_t in[POOL_AXES], out[POOL_AXES];
    map_extents(x, in);
    map_extents(y, out);
    ran_window_resolve(e->anchor, ran_type_rank(x) - 2, in, out, NULL, &window);
    for (int axis = 0; axis < POOL_AXES; axis++)
        set_axis(e, &window, axis);
    set_symbolic_axes(e, &window, x, y);
    const ran_dim *blocks, *planes = plane_count(e, x, &blocks), *tasks = planes;
    for (int i = 2; i + 1 < ran_type_rank(y); i++)
        tasks = ran_dim_binary(e->context, RAN_DIM_MUL, tasks, ran_type_dim(y, i));
    bool average = e->anchor->opcode == RAN_OP_AVERAGE_POOL;
    bool max = e->anchor->opcode == RAN_OP_MAX_POOL;
    e->body = "pool/window";
    e->function = "pool_window";
    set_space(e, y);
    RAN_SPEC(e, struct window_spec, kind, kind_of(e->anchor));
    RAN_SPEC(e, struct window_spec, x, ran_emission_io(e, ran_op_operand(e->anchor, 0)));
    RAN_SPEC(e, struct window_spec, indices,
             has_indices(e->anchor) ? ran_emission_io_result(e, 1) : -1);
    RAN_SPEC(e, struct window_spec, column_major,
             max ? ran_op_int(e->anchor, "storage_order") : 0);
    RAN_SPEC(e, struct window_spec, count_pads,
             average ? ran_op_int(e->anchor, "count_include_pad") : 0);
    RAN_SPEC_DIM(e, struct window_spec, planes, planes);
    RAN_SPEC_DIM(e, struct window_spec, blocks, blocks);
    e->tasks = tasks;
    return RAN_OK;
}

/* ---- Gradients ------------------------------------------------------------------------------------- */

/* Whole windows side by side: each input has one at most. */
static bool is_disjoint(const ran_window *w)
{
    bool disjoint = w->in[POOL_DEPTH] == 1;
    for (int axis = POOL_HEIGHT; axis < POOL_AXES; axis++)
        disjoint = disjoint && w->stride[axis] == w->kernel[axis] && w->dilation[axis] == 1 &&
                   w->pad_begin[axis] == 0 && w->out[axis] * w->stride[axis] <= w->in[axis];
    return disjoint && w->kernel[POOL_HEIGHT] * w->kernel[POOL_WIDTH] <= 9;
}

bool ran_pool_gradient_accepts(const ran_op *op, const ran_target *target)
{
    const ran_type *dx = ran_value_type(ran_op_result(op, 0));
    (void)target;
    return is_f32_map(op) && ran_type_is_static(dx) &&
           ran_type_is_static(ran_value_type(ran_op_operand(op, 0)));
}

ran_status ran_pool_gradient_describe(ran_emission *e)
{
    ran_window window;
    const ran_type *dy = ran_value_type(ran_op_operand(e->anchor, 0));
    const ran_type *dx = ran_value_type(ran_op_result(e->anchor, 0));
    bool max = e->anchor->opcode == RAN_OP_MAX_POOL_GRADIENT;
    int64_t in[POOL_AXES], out[POOL_AXES], pixels = 1;
    map_extents(dx, in);
    map_extents(dy, out);
    ran_window_resolve(e->anchor, ran_type_rank(dx) - 2, in, out, NULL, &window);
    for (int axis = 0; axis < POOL_AXES; axis++) {
        set_axis(e, &window, axis);
        pixels *= window.in[axis];
    }
    const ran_dim *blocks, *planes = plane_count(e, dx, &blocks);
    e->body = "pool/gradient";
    e->function = "pool_gradient";
    set_space(e, dx);
    RAN_SPEC(e, struct window_spec, kind, max ? POOL_MAX : POOL_AVERAGE);
    RAN_SPEC(e, struct window_spec, disjoint, is_disjoint(&window));
    RAN_SPEC(e, struct window_spec, x, ran_emission_io(e, ran_op_operand(e->anchor, 0)));
    RAN_SPEC(e, struct window_spec, indices,
             max ? ran_emission_io(e, ran_op_operand(e->anchor, 1)) : -1);
    RAN_SPEC(e, struct window_spec, count_pads,
             max ? 0 : ran_op_int(e->anchor, "count_include_pad"));
    RAN_SPEC_DIM(e, struct window_spec, planes, planes);
    RAN_SPEC_DIM(e, struct window_spec, blocks, blocks);
    e->scratch = ran_dim_constant(e->context, pixels * e->target->lanes * 4);
    e->tasks = planes;
    return RAN_OK;
}

/* ---- Whole maps ------------------------------------------------------------------------------------ */

bool ran_pool_whole_accepts(const ran_op *op, const ran_target *target)
{
    const ran_type *x = ran_value_type(ran_op_operand(op, 0));
    (void)target;
    return ran_type_elem(x) == RAN_ELEM_F32 && ran_type_rank(x) >= 3;
}

/* Each vector is read once, from beyond the first cache. */
double ran_pool_whole_cost(const ran_op *op, const ran_target *target)
{
    double elements = (double)ran_type_numel_or_one(ran_value_type(ran_op_operand(op, 0)));
    return elements / (target->pool_whole * target->lanes * target->ghz * 1e9);
}

ran_status ran_pool_whole_describe(ran_emission *e)
{
    const ran_type *x = ran_value_type(ran_op_operand(e->anchor, 0));
    const ran_type *y = ran_value_type(ran_op_result(e->anchor, 0));
    bool blocked = ran_type_layout(y).block;
    const ran_dim *blocks, *planes = plane_count(e, x, &blocks);
    const ran_dim *pixels = ran_dim_constant(e->context, 1);
    for (int i = 2; i < ran_type_rank(x); i++)
        pixels = ran_dim_binary(e->context, RAN_DIM_MUL, pixels, ran_type_dim(x, i));
    e->body = "pool/whole";
    e->function = "pool_whole";
    e->store = (ran_space){.type = y, .rank = blocked ? 3 : 1, .blocked = blocked};
    e->store.axes[0].last = blocked ? 0 : ran_type_rank(y) - 1;
    e->store.axes[1].first = 1;
    e->store.axes[1].last = ran_type_rank(y) - 1;
    e->store.axes[2].last = -1;
    RAN_SPEC(e, struct whole_spec, kind, kind_of(e->anchor));
    RAN_SPEC(e, struct whole_spec, x, ran_emission_io(e, ran_op_operand(e->anchor, 0)));
    RAN_SPEC_DIM(e, struct whole_spec, planes, planes);
    RAN_SPEC_DIM(e, struct whole_spec, blocks, blocks);
    RAN_SPEC_DIM(e, struct whole_spec, pixels, pixels);
    e->tasks = planes;
    return RAN_OK;
}
