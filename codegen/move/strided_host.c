/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Ops whose elements come from a sum of coordinates: for each axis of the result, how it counts in
 * the operand. */
#include "codegen/move/move.h"

#include <string.h>

#include "codegen/move/strided.h"

/* One coordinate of the result: i -> (i / factor) * high + (i % factor) * low; factor NULL: i * low. */
typedef struct coordinate {
    const ran_dim *extent, *factor, *high, *low;
} coordinate;

typedef struct walk {
    ran_context *context;
    const ran_op *op;
    const ran_type *from, *to;
    int rank;
    coordinate axis[RAN_MAX_RANK]; /* of the result; for a blocked one the channel axis counts blocks */
    const ran_dim *lane;           /* stride of the lanes of a blocked result */
    const ran_dim *base;
} walk;

static const ran_dim *number(const walk *w, int64_t value)
{
    return ran_dim_constant(w->context, value);
}

static const ran_dim *times(const walk *w, const ran_dim *a, const ran_dim *b)
{
    return ran_dim_binary(w->context, RAN_DIM_MUL, a, b);
}

/* Row-major strides of a plain type. */
static void plain_strides(const walk *w, const ran_type *type, const ran_dim **out)
{
    const ran_dim *step = number(w, 1);
    for (int axis = ran_type_rank(type) - 1; axis >= 0; axis--) {
        out[axis] = step;
        step = times(w, step, ran_type_dim(type, axis));
    }
}

/* ---- The ops --------------------------------------------------------------------------------------- */

static bool walk_transpose(walk *w, const ran_dim *const *strides)
{
    size_t count = 0;
    const int64_t *perm = ran_op_ints(w->op, "perm", &count);
    for (int i = 0; i < w->rank; i++)
        w->axis[i].low = strides[count ? perm[i] : w->rank - 1 - i];
    return true;
}

/* Where a slice of an axis begins: counted from its end when negative, kept within it. A negative
 * step begins at an element, so at the last one at most. NULL: its sign is not known. */
static const ran_dim *slice_start(const walk *w, const ran_dim *extent, const ran_dim *start,
                                  int64_t step)
{
    ran_context *c = w->context;
    const ran_dim *zero = number(w, 0), *back = number(w, -1);
    if (ran_dim_is_at_least(back, start))
        start = ran_dim_binary(c, RAN_DIM_ADD, extent, start);
    else if (!ran_dim_is_at_least(start, zero))
        return NULL;
    const ran_dim *last = step > 0 ? extent : ran_dim_binary(c, RAN_DIM_ADD, extent, back);
    start = ran_dim_binary(c, RAN_DIM_MIN, start, last);
    return ran_dim_binary(c, RAN_DIM_MAX, start, zero);
}

/* Axes and steps must be known, and starts at least by what they are computed from. */
static bool walk_slice(walk *w, const ran_dim *const *strides)
{
    int64_t axes[RAN_MAX_RANK], steps[RAN_MAX_RANK];
    const ran_dim *const *starts;
    size_t count = ran_value_known(ran_op_operand(w->op, 1), &starts);
    if (count == 0 || count > RAN_MAX_RANK)
        return false;
    for (size_t i = 0; i < count; i++) {
        axes[i] = (int64_t)i;
        steps[i] = 1;
    }
    if ((ran_op_operand(w->op, 3) &&
         ran_op_known_ints(w->op, 3, axes, RAN_MAX_RANK) != (int64_t)count) ||
        (ran_op_operand(w->op, 4) &&
         ran_op_known_ints(w->op, 4, steps, RAN_MAX_RANK) != (int64_t)count))
        return false;
    for (int i = 0; i < w->rank; i++)
        w->axis[i].low = strides[i];
    for (size_t i = 0; i < count; i++) {
        int axis = ran_axis(axes[i], w->rank);
        const ran_dim *start = slice_start(w, ran_type_dim(w->from, axis), starts[i], steps[i]);
        if (!start)
            return false;
        w->base = ran_dim_binary(w->context, RAN_DIM_ADD, w->base, times(w, strides[axis], start));
        w->axis[axis].low = times(w, strides[axis], number(w, steps[i]));
    }
    return true;
}

static bool walk_expand(walk *w, const ran_dim *const *strides)
{
    int shift = w->rank - ran_type_rank(w->from);
    for (int i = 0; i < w->rank; i++) {
        bool broadcast = i < shift || ran_dim_is(ran_type_dim(w->from, i - shift), 1);
        w->axis[i].low = broadcast ? number(w, 0) : strides[i - shift];
    }
    return true;
}

static bool walk_tile(walk *w, const ran_dim *const *strides)
{
    for (int i = 0; i < w->rank; i++) {
        w->axis[i].low = strides[i];
        if (ran_type_dim(w->from, i) == ran_type_dim(w->to, i))
            continue;
        w->axis[i].factor = ran_type_dim(w->from, i);
        w->axis[i].high = number(w, 0);
    }
    return true;
}

/* DCR: channel = (by * b + bx) * C' + c; CRD: channel = c * b * b + by * b + bx. */
static bool walk_depth_to_space(walk *w, const ran_dim *const *strides)
{
    int64_t b = ran_op_int(w->op, "blocksize");
    bool dcr = !strcmp(ran_op_string(w->op, "mode"), "DCR");
    const ran_dim *group = dcr ? ran_type_dim(w->to, 1) : number(w, 1);
    const ran_dim *inner = times(w, strides[1], group);
    w->axis[0].low = strides[0];
    w->axis[1].low = dcr ? strides[1] : times(w, strides[1], number(w, b * b));
    for (int i = 2; i < 4; i++) {
        w->axis[i].factor = number(w, b);
        w->axis[i].high = strides[i];
        w->axis[i].low = i == 2 ? times(w, inner, number(w, b)) : inner;
    }
    return true;
}

/* Result channel = (by * b + bx) * C + c. */
static bool walk_space_to_depth(walk *w, const ran_dim *const *strides)
{
    int64_t b = ran_op_int(w->op, "blocksize");
    const ran_dim *channels = ran_type_dim(w->from, 1);
    if (!ran_dim_is_constant(channels) || b != 1)
        return false;
    for (int i = 0; i < 4; i++)
        w->axis[i].low = strides[i];
    return true;
}

/* Plain to blocked: blocks and lanes both count channels. Blocked to plain: a channel is a block and
 * a lane. */
static bool walk_convert(walk *w, const ran_dim *const *strides)
{
    ran_layout to = ran_type_layout(w->to), from = ran_type_layout(w->from);
    if (to.block && from.block)
        return false;
    for (int i = 0; i < w->rank; i++)
        w->axis[i].low = strides[i];
    if (to.block) {
        w->lane = strides[to.axis];
        w->axis[to.axis].low = times(w, strides[to.axis], number(w, to.block));
        return true;
    }
    const ran_dim *step = number(w, from.block);
    for (int i = w->rank - 1; i >= 0; i--) {
        const ran_dim *extent = ran_type_dim(w->from, i);
        w->axis[i].low = step;
        if (i == from.axis) {
            w->axis[i].factor = number(w, from.block);
            w->axis[i].high = step;
            w->axis[i].low = number(w, 1);
            extent = ran_dim_binary(w->context, RAN_DIM_CEILDIV, extent, w->axis[i].factor);
        }
        step = times(w, step, extent);
    }
    return true;
}

static const struct walker {
    ran_opcode opcode;
    bool (*walk)(walk *w, const ran_dim *const *strides);
} walkers[] = {
    {RAN_OP_TRANSPOSE, walk_transpose},
    {RAN_OP_SLICE, walk_slice},
    {RAN_OP_EXPAND, walk_expand},
    {RAN_OP_TILE, walk_tile},
    {RAN_OP_DEPTH_TO_SPACE, walk_depth_to_space},
    {RAN_OP_SPACE_TO_DEPTH, walk_space_to_depth},
    {RAN_OP_CONVERT_LAYOUT, walk_convert},
    {RAN_OP_ALL_REDUCE, walk_expand},
};

static bool walk_op(ran_context *context, const ran_op *op, walk *w)
{
    const ran_dim *strides[RAN_MAX_RANK];
    *w = (walk){.context = context, .op = op};
    w->from = ran_value_type(ran_op_operand(op, 0));
    w->to = ran_value_type(ran_op_result(op, 0));
    w->rank = ran_type_rank(w->to);
    w->base = number(w, 0);
    if (w->rank + 1 > STRIDED_RANK)
        return false;
    plain_strides(w, w->from, strides);
    for (size_t i = 0; i < sizeof(walkers) / sizeof(*walkers); i++)
        if (walkers[i].opcode == op->opcode)
            return walkers[i].walk(w, strides);
    return false;
}

double ran_move_cost(const ran_op *anchor, const ran_target *target)
{
    const ran_type *type = ran_value_type(ran_op_result(anchor, 0));
    double bytes = (double)ran_type_numel_or_one(type) * ran_elem_bits(ran_type_elem(type)) / 8;
    return 2 * bytes / (target->move * target->l2_bandwidth * 1e9);
}

double ran_pad_cost(const ran_op *anchor, const ran_target *target)
{
    return ran_move_cost(anchor, target) / 5;
}

bool ran_strided_accepts(const ran_op *anchor, const ran_target *target)
{
    walk w;
    (void)target;
    ran_context *context = ran_module_context(
        ran_function_module(ran_region_function(ran_op_parent(anchor))));
    return ran_move_takes_elem(ran_op_result(anchor, 0)) && walk_op(context, anchor, &w);
}

bool ran_all_reduce_accepts(const ran_op *anchor, const ran_target *target)
{
    const ran_type *type = ran_value_type(ran_op_result(anchor, 0));
    return ran_type_elem(type) == RAN_ELEM_F32 && ran_type_is_static(type) &&
           ran_strided_accepts(anchor, target);
}

/* ---- Coordinates: adjacent axes that count on become one ------------------------------------------------ */

typedef struct collapsed {
    int count;
    coordinate c[STRIDED_RANK];
    int first[STRIDED_RANK], last[STRIDED_RANK];
} collapsed;

static bool continues(const walk *w, const coordinate *outer, const coordinate *inner)
{
    return !outer->factor && !inner->factor &&
           outer->low == times(w, inner->low, inner->extent);
}

static void push(const walk *w, collapsed *all, const coordinate *c, int axis, bool may_merge)
{
    coordinate *top = all->count ? &all->c[all->count - 1] : NULL;
    bool one = ran_dim_is(c->extent, 1) && !c->factor;
    if (top && (one || (ran_dim_is(top->extent, 1) && !top->factor) ||
                (may_merge && continues(w, top, c)))) {
        const ran_dim *extent = times(w, top->extent, c->extent);
        if (!one)
            *top = *c;
        top->extent = extent;
        all->last[all->count - 1] = axis;
        return;
    }
    all->c[all->count] = *c;
    all->first[all->count] = all->last[all->count] = axis;
    all->count++;
}

/* With ops behind it the lanes' axis stays alone: their operands may not merge as this one does. */
static void collapse(walk *w, bool alone, collapsed *out)
{
    ran_layout layout = ran_type_layout(w->to);
    *out = (collapsed){0};
    for (int i = 0; i < w->rank; i++) {
        coordinate c = w->axis[i];
        c.extent = ran_type_dim(w->to, i);
        bool channel = layout.block && i == layout.axis;
        if (channel)
            c.extent = ran_dim_binary(w->context, RAN_DIM_CEILDIV, c.extent,
                                      number(w, layout.block));
        bool after_channel = layout.block && i == layout.axis + 1;
        if (channel || after_channel) {
            out->c[out->count] = c;
            out->first[out->count] = out->last[out->count] = i;
            out->count++;
        } else {
            push(w, out, &c, i, alone || i + 1 < w->rank || layout.block);
        }
    }
    if (w->rank && !layout.block)
        return;
    out->c[out->count] = (coordinate){number(w, layout.block ? layout.block : 1), NULL, NULL,
                                      layout.block ? w->lane : number(w, 0)};
    out->first[out->count] = 0;
    out->last[out->count++] = -1;
}

/* ---- Description -------------------------------------------------------------------------------------------- */

static void set_coordinate(ran_emission *e, int d, const coordinate *c)
{
    size_t at = (size_t)d;
    ran_emission_set_dim(e, RAN_SPEC_WORD(struct strided_spec, extent) + at, c->extent);
    ran_emission_set_dim(e, RAN_SPEC_WORD(struct strided_spec, low) + at, c->low);
    if (!c->factor)
        return;
    ran_emission_set_dim(e, RAN_SPEC_WORD(struct strided_spec, factor) + at, c->factor);
    ran_emission_set_dim(e, RAN_SPEC_WORD(struct strided_spec, high) + at, c->high);
}

static void set_space(ran_emission *e, const walk *w, const collapsed *all)
{
    ran_layout layout = ran_type_layout(w->to);
    e->store = (ran_space){.type = w->to, .rank = all->count, .blocked = layout.block};
    for (int d = 0; d < all->count; d++) {
        e->store.axes[d].first = all->first[d];
        e->store.axes[d].last = all->last[d];
        set_coordinate(e, d, &all->c[d]);
        if (layout.block && all->first[d] == layout.axis && all->last[d] == layout.axis)
            RAN_SPEC(e, struct strided_spec, channel, d);
    }
    if (!layout.block)
        return;
    RAN_SPEC(e, struct strided_spec, block, layout.block);
    RAN_SPEC_DIM(e, struct strided_spec, channels, ran_type_dim(w->to, layout.axis));
}

ran_status ran_strided_describe(ran_emission *e)
{
    walk w;
    collapsed all;
    if (!walk_op(e->context, e->anchor, &w))
        RAN_BUG(e->context, "strided: %s was accepted", ran_op_text(e->context, e->anchor));
    collapse(&w, ran_op_is(ran_op_next(e->anchor), RAN_OP_YIELD), &all);
    e->body = "move/strided";
    e->function = ran_move_function(e, "strided", ran_type_elem(w.to));
    e->stored = true;
    set_space(e, &w, &all);
    const ran_dim *rows = number(&w, 1);
    for (int d = 0; d + 1 < all.count; d++)
        rows = times(&w, rows, all.c[d].extent);
    int64_t rows_per_task = ran_move_rows_per_task(all.c[all.count - 1].extent);
    RAN_SPEC(e, struct strided_spec, x, ran_emission_io(e, ran_op_operand(e->anchor, 0)));
    RAN_SPEC(e, struct strided_spec, rank, all.count);
    RAN_SPEC_DIM(e, struct strided_spec, base, w.base);
    RAN_SPEC_DIM(e, struct strided_spec, rows, rows);
    RAN_SPEC(e, struct strided_spec, rows_per_task, rows_per_task);
    e->tasks = ran_dim_binary(e->context, RAN_DIM_CEILDIV, rows, number(&w, rows_per_task));
    return RAN_OK;
}
