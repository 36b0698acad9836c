/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * The static memory plan.
 *
 * Every value has a root: the buffer whose memory it shows (views share their operand's). Inputs,
 * outputs and constants have memory of their own; the other buffers are placed in the workspace,
 * the largest first, each at the gap that fits best among those that live at the same time.
 * A kernel's result takes over an operand's buffer where the operand dies there, has the same type
 * and is read only by elementwise ops behind the anchor (so at the place that is stored next).
 * An output whose size data decide has no place of the caller's until that is known: it lives in
 * the workspace up to the end, where the driver copies it. The operands of a concatenation are
 * computed where they belong in its result, which then lives from the first of them on; unless that
 * takes much more memory than copying.
 *
 * Sizes may be symbolic: a size is a constant times a product of symbolic factors; buffers with the
 * same factors form a class that is planned in its own units, and the classes lie one after the
 * other.
 */
#include "codegen/lower.h"

#include <stdlib.h>
#include <string.h>

/* GROWTH: percent that concatenations in place may add to the memory that is live at once. */
enum { ALIGNMENT = 64, GROWTH = 10 };

typedef struct buffer {
    const ran_value *root;
    ran_place place;
    int64_t units;          /* constant factor of the size, in bytes, aligned */
    const ran_dim *factors; /* symbolic factor */
    size_t first, last;     /* positions of ops */
    int64_t offset;         /* in units of its class */
    size_t owner;           /* the buffer whose memory this one takes over; itself otherwise */
    int64_t shift;          /* bytes, where it begins in its owner's memory */
    bool joined;            /* part or result of a concatenation in place */
    bool complete;          /* a concatenation all of whose parts are in place */
} buffer;

struct ran_memory_plan {
    ran_context *context;
    const ran_function *function;
    const ran_symbols *symbols;
    bool roomy; /* the caller's outputs are as large as they can be */
    buffer *buffers;
    size_t count, capacity;
    const buffer **constants; /* in the order of their offsets; some may be another plan's */
    size_t constant_capacity;
    size_t constant_count;
    uint64_t weights_size;
    const ran_dim *workspace, *live_peak;
    const buffer **ordered; /* those of the workspace, as they are written */
    size_t ordered_count;
};

/* ---- Sizes --------------------------------------------------------------------------- */

static void split_factors(ran_context *context, const ran_dim *dim, int64_t *constant,
                          const ran_dim **factors)
{
    if (ran_dim_is_constant(dim)) {
        *constant *= ran_dim_value(dim);
    } else if (ran_dim_get_kind(dim) == RAN_DIM_MUL) {
        split_factors(context, ran_dim_lhs(dim), constant, factors);
        split_factors(context, ran_dim_rhs(dim), constant, factors);
    } else {
        *factors = ran_dim_binary(context, RAN_DIM_MUL, *factors, dim);
    }
}

static int64_t align(int64_t bytes)
{
    return (bytes + ALIGNMENT - 1) / ALIGNMENT * ALIGNMENT;
}

static void set_size(const ran_memory_plan *plan, buffer *b)
{
    ran_context *context = plan->context;
    const ran_type *type = ran_value_type(b->root);
    ran_layout layout = ran_type_layout(type);
    b->units = 1;
    b->factors = ran_dim_constant(context, 1);
    for (int i = 0; i < ran_type_rank(type); i++) {
        const ran_dim *dim = ran_symbols_most(context, plan->symbols, ran_type_dim(type, i));
        if (layout.block && i == layout.axis)
            dim = ran_dim_binary(context, RAN_DIM_MUL, ran_dim_constant(context, layout.block),
                                 ran_dim_binary(context, RAN_DIM_CEILDIV, dim,
                                                ran_dim_constant(context, layout.block)));
        split_factors(context, dim, &b->units, &b->factors);
    }
    b->units = align((int64_t)ran_elem_bytes(ran_type_elem(type), b->units));
}

/* ---- Buffers ------------------------------------------------------------------------- */

static int compare_roots(const void *a, const void *b)
{
    const buffer *x = a, *y = b;
    return x->root < y->root ? -1 : x->root > y->root;
}

static buffer *find(const ran_memory_plan *plan, const ran_value *value)
{
    buffer key = {.root = ran_view_root(value)};
    return bsearch(&key, plan->buffers, plan->count, sizeof(key), compare_roots);
}

static void reserve(ran_memory_plan *plan, size_t capacity)
{
    plan->capacity = capacity;
    plan->buffers = realloc(plan->buffers, capacity * sizeof(*plan->buffers));
    if (!plan->buffers)
        RAN_BUG(plan->context, "out of memory");
}

static void add_buffer(ran_memory_plan *plan, const ran_value *root, ran_place place, size_t first)
{
    if (plan->count == plan->capacity)
        reserve(plan, plan->capacity * 2);
    buffer *b = &plan->buffers[plan->count++];
    *b = (buffer){.root = root, .place = place, .first = first, .last = first};
    set_size(plan, b);
}

/* Also those that an op reads through views. */
static void add_constants(ran_memory_plan *plan, const ran_op *op)
{
    RAN_FOR_OPERANDS(op, i, value) {
        const ran_value *root = ran_view_root(value);
        if (ran_value_constant(root) && !ran_op_is_view(op))
            add_buffer(plan, root, (ran_place){.kind = RAN_PLACE_CONSTANT}, 0);
    }
}

static void collect(ran_memory_plan *plan)
{
    ran_region *body = ran_function_body(plan->function);
    reserve(plan, 64); /* a function may have no values at all */
    for (size_t i = 0; i < ran_region_argument_count(body); i++)
        add_buffer(plan, ran_region_argument(body, i),
                   (ran_place){.kind = RAN_PLACE_INPUT, .index = i}, 0);
    size_t position = 1;
    for (ran_op *op = ran_region_first(body); op; op = ran_op_next(op), position++) {
        add_constants(plan, op);
        for (size_t i = 0; i < op->result_count && !ran_op_is_view(op); i++)
            add_buffer(plan, ran_op_result(op, i), (ran_place){.kind = RAN_PLACE_WORKSPACE},
                       position);
    }
    qsort(plan->buffers, plan->count, sizeof(*plan->buffers), compare_roots);
    size_t kept = 0;
    for (size_t i = 0; i < plan->count; i++)
        if (!kept || plan->buffers[kept - 1].root != plan->buffers[i].root)
            plan->buffers[kept++] = plan->buffers[i];
    plan->count = kept;
    for (size_t i = 0; i < plan->count; i++)
        plan->buffers[i].owner = i;
}

/* An output, or something that lives up to the end to be copied into one. */
static void place_output(ran_memory_plan *plan, const ran_op *ret, size_t index, size_t end)
{
    const ran_value *value = ran_op_operand(ret, index);
    buffer *b = find(plan, value);
    RAN_ASSERT(plan->context, b && b->place.kind == RAN_PLACE_WORKSPACE);
    if (!plan->roomy && ran_symbols_depend_on_data(plan->symbols, ran_value_type(value)))
        b->last = end;
    else
        b->place = (ran_place){.kind = RAN_PLACE_OUTPUT, .index = index};
}

static void find_live_ranges(ran_memory_plan *plan)
{
    size_t position = 1;
    ran_region *body = ran_function_body(plan->function);
    for (ran_op *op = ran_region_first(body); op; op = ran_op_next(op), position++)
        RAN_FOR_OPERANDS(op, i, value) {
            buffer *b = ran_op_is_view(op) ? NULL : find(plan, value);
            if (b && position > b->last)
                b->last = position;
        }
    const ran_op *ret = ran_region_terminator(body);
    for (size_t i = 0; i < ret->operand_count; i++)
        place_output(plan, ret, i, position);
}

/* ---- In place ------------------------------------------------------------------------ */

/* Every operand in the buffer must be read exactly where the result is stored. */
static bool is_safe(const ran_memory_plan *plan, const ran_op *kernel, const buffer *b)
{
    const ran_type *result = ran_value_type(ran_op_result(kernel, 0));
    for (size_t i = 0; i < kernel->operand_count; i++)
        if (find(plan, ran_op_operand(kernel, i)) == b &&
            !ran_kernel_reads_where_stored(kernel, i, result))
            return false;
    return true;
}

static void take_over(ran_memory_plan *plan, const ran_op *kernel, size_t position)
{
    buffer *result = find(plan, ran_op_result(kernel, 0));
    if (kernel->result_count != 1 || result->place.kind != RAN_PLACE_WORKSPACE || result->joined)
        return;
    for (size_t i = 0; i < kernel->operand_count; i++) {
        buffer *b = find(plan, ran_op_operand(kernel, i));
        size_t owner = b ? plan->buffers[b - plan->buffers].owner : 0;
        if (!b || b->place.kind != RAN_PLACE_WORKSPACE || b->joined || b->last != position ||
            b->units != result->units || b->factors != result->factors ||
            !is_safe(plan, kernel, b))
            continue;
        result->owner = owner;
        if (plan->buffers[owner].last < result->last)
            plan->buffers[owner].last = result->last;
        return;
    }
}

static void share_in_place(ran_memory_plan *plan)
{
    size_t position = 1;
    for (ran_op *op = ran_region_first(ran_function_body(plan->function)); op;
         op = ran_op_next(op), position++)
        if (op->opcode == RAN_OP_KERNEL)
            take_over(plan, op, position);
}

/* ---- Concatenation in place ---------------------------------------------------------- */

/* Whether each operand is one run of the result's memory. */
static bool has_runs(const ran_op *kernel)
{
    const ran_op *concat = ran_kernel_anchor(kernel);
    if (!concat || concat->opcode != RAN_OP_CONCAT)
        return false;
    const ran_type *type = ran_value_type(ran_op_result(concat, 0));
    int rank = ran_type_rank(type), axis = (int)ran_op_int(concat, "axis");
    for (int i = 0; i < (axis < 0 ? axis + rank : axis); i++)
        if (!ran_dim_is(ran_type_dim(type, i), 1))
            return false;
    return ran_type_is_static(type);
}

static int64_t bytes_of(const ran_value *value)
{
    return ran_type_storage_bytes(ran_value_type(value));
}

/* A buffer in the workspace that is the operand's alone and as long as it; NULL otherwise. */
static buffer *movable(const ran_memory_plan *plan, const ran_value *value)
{
    buffer *b = find(plan, value);
    bool whole = b && b->place.kind == RAN_PLACE_WORKSPACE && b->units == bytes_of(value) &&
                 ran_dim_is(b->factors, 1);
    return whole && plan->buffers + b->owner == b ? b : NULL;
}

/* From the last concatenation to the first, so that `result` has its final owner already. */
static void join(ran_memory_plan *plan, const ran_op *kernel)
{
    buffer *result = find(plan, ran_op_result(kernel, 0));
    buffer *owner = &plan->buffers[result->owner];
    int64_t start = result->shift;
    result->complete = true;
    for (size_t i = 0; i < kernel->operand_count; i++) {
        buffer *b = start % ALIGNMENT ? NULL : movable(plan, ran_op_operand(kernel, i));
        start += bytes_of(ran_op_operand(kernel, i));
        if (!b || b == owner || b->joined) {
            result->complete = false;
            continue;
        }
        b->owner = result->owner;
        b->shift = start - b->units;
        b->joined = result->joined = owner->joined = true;
        owner->first = b->first < owner->first ? b->first : owner->first;
        owner->last = b->last > owner->last ? b->last : owner->last;
    }
}

/* Bytes of constant size that are live at once. */
static int64_t live_bytes(const ran_memory_plan *plan, size_t positions)
{
    int64_t *change = calloc(positions + 2, sizeof(*change)), sum = 0, peak = 0;
    for (size_t i = 0; i < plan->count; i++) {
        const buffer *b = &plan->buffers[i];
        if (b->place.kind != RAN_PLACE_WORKSPACE || b->owner != i || !ran_dim_is(b->factors, 1))
            continue;
        change[b->first] += b->units;
        change[b->last + 1] -= b->units;
    }
    for (size_t i = 0; i <= positions; i++) {
        sum += change[i];
        peak = sum > peak ? sum : peak;
    }
    free(change);
    return peak;
}

static void share_concats(ran_memory_plan *plan)
{
    ran_region *body = ran_function_body(plan->function);
    size_t positions = 1;
    for (ran_op *op = ran_region_first(body); op; op = ran_op_next(op))
        positions++;
    int64_t most = live_bytes(plan, positions) / 100 * (100 + GROWTH);
    buffer *before = malloc((plan->count + 1) * sizeof(*before));
    for (ran_op *op = ran_region_last(body); op; op = ran_op_prev(op)) {
        if (op->opcode != RAN_OP_KERNEL || !has_runs(op) ||
            find(plan, ran_op_result(op, 0))->place.kind != RAN_PLACE_WORKSPACE)
            continue;
        memcpy(before, plan->buffers, plan->count * sizeof(*before));
        join(plan, op);
        if (live_bytes(plan, positions) > most)
            memcpy(plan->buffers, before, plan->count * sizeof(*before));
    }
    free(before);
}

bool ran_memory_plan_is_done(const ran_memory_plan *plan, const ran_op *kernel)
{
    return kernel->result_count == 1 && find(plan, ran_op_result(kernel, 0))->complete;
}

/* ---- Placement ----------------------------------------------------------------------- */

static int by_size(const void *a, const void *b)
{
    const buffer *x = *(buffer *const *)a, *y = *(buffer *const *)b;
    if (x->units != y->units)
        return x->units > y->units ? -1 : 1;
    return x->first < y->first ? -1 : x->first > y->first;
}

static bool overlaps(const buffer *a, const buffer *b)
{
    return a->first <= b->last && b->first <= a->last;
}

static int by_offset(const void *a, const void *b)
{
    const buffer *x = *(buffer *const *)a, *y = *(buffer *const *)b;
    return x->offset < y->offset ? -1 : x->offset > y->offset;
}

/* The smallest gap that takes it between the neighbours in time, or behind them all. */
static int64_t best_gap(buffer **neighbours, size_t count, int64_t size)
{
    int64_t end = 0, best = -1, best_size = INT64_MAX;
    qsort(neighbours, count, sizeof(*neighbours), by_offset);
    for (size_t i = 0; i < count; i++) {
        int64_t gap = neighbours[i]->offset - end;
        if (gap >= size && gap < best_size) {
            best = end;
            best_size = gap;
        }
        int64_t stop = neighbours[i]->offset + neighbours[i]->units;
        end = stop > end ? stop : end;
    }
    return best >= 0 ? best : end;
}

static int64_t place_class(buffer **members, size_t count)
{
    int64_t total = 0;
    buffer **neighbours = malloc((count + 1) * sizeof(*neighbours));
    qsort(members, count, sizeof(*members), by_size);
    for (size_t i = 0; i < count; i++) {
        size_t n = 0;
        for (size_t j = 0; j < i; j++)
            if (overlaps(members[i], members[j]))
                neighbours[n++] = members[j];
        members[i]->offset = best_gap(neighbours, n, members[i]->units);
        int64_t end = members[i]->offset + members[i]->units;
        total = end > total ? end : total;
    }
    free(neighbours);
    return total;
}

static bool needs_workspace(const ran_memory_plan *plan, size_t i)
{
    return plan->buffers[i].place.kind == RAN_PLACE_WORKSPACE && plan->buffers[i].owner == i;
}

/* Members of the class of `factors` that own memory. */
static size_t class_members(ran_memory_plan *plan, const ran_dim *factors, buffer **members)
{
    size_t count = 0;
    for (size_t i = 0; i < plan->count; i++)
        if (needs_workspace(plan, i) && plan->buffers[i].factors == factors)
            members[count++] = &plan->buffers[i];
    return count;
}

static int64_t live_at_once(buffer **members, size_t count)
{
    int64_t peak = 0;
    for (size_t i = 0; i < count; i++) {
        int64_t sum = 0;
        for (size_t j = 0; j < count; j++)
            if (members[j]->first <= members[i]->first && members[i]->first <= members[j]->last)
                sum += members[j]->units;
        peak = sum > peak ? sum : peak;
    }
    return peak;
}

static const ran_dim *add_units(ran_context *context, const ran_dim *sum, const ran_dim *factors,
                                int64_t units)
{
    const ran_dim *bytes =
        ran_dim_binary(context, RAN_DIM_MUL, factors, ran_dim_constant(context, units));
    return ran_dim_binary(context, RAN_DIM_ADD, sum, bytes);
}

static void place_workspace(ran_memory_plan *plan)
{
    ran_context *context = plan->context;
    buffer **members = malloc((plan->count + 1) * sizeof(*members));
    plan->workspace = plan->live_peak = ran_dim_constant(context, 0);
    for (size_t i = 0; i < plan->count; i++) {
        buffer *first = &plan->buffers[i];
        if (!needs_workspace(plan, i) || first->place.offset)
            continue;
        size_t count = class_members(plan, first->factors, members);
        plan->live_peak = add_units(context, plan->live_peak, first->factors,
                                    live_at_once(members, count));
        int64_t total = place_class(members, count);
        for (size_t j = 0; j < count; j++)
            members[j]->place.offset =
                add_units(context, plan->workspace, members[j]->factors, members[j]->offset);
        plan->workspace = add_units(context, plan->workspace, first->factors, total);
    }
    free(members);
}

static void inherit_places(ran_memory_plan *plan)
{
    for (size_t i = 0; i < plan->count; i++) {
        buffer *b = &plan->buffers[i];
        if (b->owner == i)
            continue;
        b->place = plan->buffers[b->owner].place;
        b->place.offset = ran_dim_binary(plan->context, RAN_DIM_ADD, b->place.offset,
                                         ran_dim_constant(plan->context, b->shift));
    }
}

/* ---- Constants ----------------------------------------------------------------------- */

static bool same_constant(const buffer *a, const buffer *b)
{
    return ran_value_type(a->root) == ran_value_type(b->root) &&
           ran_tensor_hash(ran_value_constant(a->root)) ==
               ran_tensor_hash(ran_value_constant(b->root)) &&
           !memcmp(ran_tensor_data(ran_value_constant(a->root)),
                   ran_tensor_data(ran_value_constant(b->root)),
                   ran_tensor_bytes(ran_value_constant(a->root)));
}

static const ran_place *equal_constant(const ran_memory_plan *plan, const buffer *b)
{
    for (size_t i = 0; i < plan->constant_count; i++)
        if (same_constant(plan->constants[i], b))
            return &plan->constants[i]->place;
    return NULL;
}

static void add_weights(ran_memory_plan *plan, buffer *b)
{
    if (plan->constant_count == plan->constant_capacity) {
        plan->constant_capacity = plan->constant_capacity ? plan->constant_capacity * 2 : 64;
        plan->constants =
            realloc(plan->constants, plan->constant_capacity * sizeof(*plan->constants));
        if (!plan->constants)
            RAN_BUG(plan->context, "out of memory");
    }
    b->place.offset = ran_dim_constant(plan->context, (int64_t)plan->weights_size);
    plan->weights_size += (uint64_t)align(ran_type_storage_bytes(ran_value_type(b->root)));
    plan->constants[plan->constant_count++] = b;
}

/* Among the weights of `weights`, in the module's order, so that the object does not depend on
 * addresses. */
static void place_constants(ran_memory_plan *plan, ran_memory_plan *weights)
{
    ran_module *module = ran_function_module(plan->function);
    for (ran_value *v = ran_module_first_constant(module); v; v = ran_constant_next(v)) {
        buffer *b = find(plan, v);
        if (!b || b->place.offset)
            continue;
        const ran_place *equal = equal_constant(weights, b);
        if (equal)
            b->place = *equal;
        else
            add_weights(weights, b);
    }
}

void ran_memory_plan_share_weights(ran_memory_plan *plan, ran_memory_plan *weights)
{
    for (size_t i = 0; i < plan->count; i++)
        if (plan->buffers[i].place.kind == RAN_PLACE_CONSTANT)
            plan->buffers[i].place.offset = NULL;
    plan->constant_count = 0;
    plan->weights_size = 0;
    place_constants(plan, weights);
}

/* ---- Reports ------------------------------------------------------------------------- */

static int by_first(const void *a, const void *b)
{
    const buffer *x = *(const buffer *const *)a, *y = *(const buffer *const *)b;
    return x->first < y->first ? -1 : x->first > y->first;
}

/* Sorted once. */
static void order_workspace(ran_memory_plan *plan)
{
    plan->ordered = malloc((plan->count + 1) * sizeof(*plan->ordered));
    if (!plan->ordered)
        RAN_BUG(plan->context, "out of memory");
    for (size_t i = 0; i < plan->count; i++)
        if (plan->buffers[i].place.kind == RAN_PLACE_WORKSPACE)
            plan->ordered[plan->ordered_count++] = &plan->buffers[i];
    qsort(plan->ordered, plan->ordered_count, sizeof(*plan->ordered), by_first);
}

/* ---- The plan ------------------------------------------------------------------------ */

ran_status ran_memory_plan_create(const ran_function *function, const ran_symbols *symbols,
                                  bool roomy, ran_memory_plan **out_plan)
{
    ran_context *context = ran_module_context(ran_function_module(function));
    ran_memory_plan *plan = calloc(1, sizeof(*plan));
    if (!plan)
        return ran_error(context, RAN_INVALID, "out of memory");
    plan->context = context;
    plan->function = function;
    plan->symbols = symbols;
    plan->roomy = roomy;
    collect(plan);
    find_live_ranges(plan);
    share_concats(plan);
    share_in_place(plan);
    place_workspace(plan);
    inherit_places(plan);
    place_constants(plan, plan);
    order_workspace(plan);
    *out_plan = plan;
    return RAN_OK;
}

void ran_memory_plan_destroy(ran_memory_plan *plan)
{
    if (!plan)
        return;
    free(plan->buffers);
    free(plan->constants);
    free(plan->ordered);
    free(plan);
}

ran_place ran_memory_plan_place(const ran_memory_plan *plan, const ran_value *value)
{
    const buffer *b = find(plan, value);
    RAN_ASSERT(plan->context, b);
    return b->place;
}

const ran_dim *ran_memory_plan_workspace(const ran_memory_plan *plan)
{
    return plan->workspace;
}

const ran_dim *ran_memory_plan_live_peak(const ran_memory_plan *plan)
{
    return plan->live_peak;
}

size_t ran_memory_plan_constant_count(const ran_memory_plan *plan)
{
    return plan->constant_count;
}

const ran_value *ran_memory_plan_constant(const ran_memory_plan *plan, size_t index)
{
    return plan->constants[index]->root;
}

uint64_t ran_memory_plan_weights_size(const ran_memory_plan *plan)
{
    return plan->weights_size;
}

static const char *node_of(const buffer *b)
{
    const ran_op *op = ran_value_op(b->root);
    const char *name = op ? ran_location_name(ran_op_location(op)) : ran_value_name(b->root);
    return name ? name : "";
}

static const ran_dim *planned_bytes(const ran_memory_plan *plan, const buffer *b)
{
    return add_units(plan->context, ran_dim_constant(plan->context, 0), b->factors, b->units);
}

static int64_t constant_or_unknown(const ran_dim *dim)
{
    return ran_dim_is_constant(dim) ? ran_dim_value(dim) : -1;
}

static bool is_in_place(const ran_memory_plan *plan, const buffer *b)
{
    return plan->buffers[b->owner].root != b->root;
}

size_t ran_memory_plan_buffer_count(const ran_memory_plan *plan)
{
    return plan->ordered_count;
}

ran_planned_buffer ran_memory_plan_buffer(const ran_memory_plan *plan, size_t index)
{
    const buffer *b = plan->ordered[index];
    return (ran_planned_buffer){.node = node_of(b),
                        .type = ran_type_text(plan->context, ran_value_type(b->root)),
                        .offset = constant_or_unknown(b->place.offset),
                        .bytes = constant_or_unknown(planned_bytes(plan, b)),
                        .first = b->first,
                        .last = b->last,
                        .in_place = is_in_place(plan, b)};
}

static void report_buffer(const ran_memory_plan *plan, const buffer *b, FILE *stream)
{
    fprintf(stream, "%12s %14s  %5zu-%-5zu %s%s %s\n",
            ran_dim_text(plan->context, b->place.offset),
            ran_dim_text(plan->context, planned_bytes(plan, b)), b->first, b->last,
            is_in_place(plan, b) ? "(in place) " : "", node_of(b),
            ran_type_text(plan->context, ran_value_type(b->root)));
}

void ran_memory_plan_report(const ran_memory_plan *plan, FILE *stream)
{
    fprintf(stream, "%12s %14s  %11s tensor\n", "offset", "bytes", "live");
    for (size_t i = 0; i < plan->ordered_count; i++)
        report_buffer(plan, plan->ordered[i], stream);
    fprintf(stream, "workspace %s bytes, largest sum of live tensors %s, weights %llu\n",
            ran_dim_text(plan->context, plan->workspace),
            ran_dim_text(plan->context, plan->live_peak),
            (unsigned long long)plan->weights_size);
}
