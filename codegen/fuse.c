/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Fusion into kernels.
 *
 * Before: ops. After: `kernel` ops and views only. A kernel has at most one anchor (an op that is
 * not elementwise); elementwise ops that consume its result go with it, and so does everything
 * elementwise of the same shape that only they consume:
 *   %a = conv %x, @w      %b = add %a, %r      %c = relu %b
 *   -> %c = kernel(%x, @w, %r) { conv; add; relu }
 * The walk goes backwards from each op that is not taken yet and takes producers greedily, all of
 * whose uses lie inside. Where two anchors meet (the add of a projection shortcut), the later one
 * is taken: its operands are then computed already, and nothing waits.
 * What a function returns may share a kernel: a momentum and the weight that moves by it are one pass
 * with two results. Nothing waits for those, so that the kernel can stand behind all of its operands.
 * Why not forwards: a producer's consumers would have to be complete before it could be judged.
 * Terminates: each op is moved into a kernel once.
 */
#include "codegen/codegen.h"

#include <stdlib.h>

enum { GROUP_MAX = 64 };

typedef struct group {
    ran_op *ops[GROUP_MAX];
    size_t count;
    ran_op *anchor;
    bool returned; /* its results are the function's: it may have several */
} group;

bool ran_op_is_view(const ran_op *op)
{
    switch (op->opcode) {
    case RAN_OP_RESHAPE:
    case RAN_OP_FLATTEN:
    case RAN_OP_SQUEEZE:
    case RAN_OP_UNSQUEEZE:
    case RAN_OP_IDENTITY:
        return true;
    case RAN_OP_BIT_CAST:
        return ran_elem_bits(ran_type_elem(ran_value_type(ran_op_operand(op, 0)))) ==
               ran_elem_bits(ran_type_elem(ran_value_type(ran_op_result(op, 0))));
    default:
        return false;
    }
}

static bool takes_epilogue(ran_opcode opcode, const ran_target *target, const ran_op *op)
{
    for (size_t i = 0; i < ran_kernel_row_count(); i++) {
        const ran_kernel_row *row = ran_kernel_row_at(i);
        if (row->anchor == opcode && row->epilogue && row->accepts(op, target))
            return true;
    }
    return false;
}

static bool contains(const group *g, const ran_op *op)
{
    for (size_t i = 0; i < g->count; i++)
        if (g->ops[i] == op)
            return true;
    return false;
}

static bool used_inside_only(const group *g, const ran_value *value)
{
    for (ran_use *use = ran_value_first_use(value); use; use = ran_use_next(use))
        if (!contains(g, ran_use_op(use)))
            return false;
    return true;
}

static bool same_shape(const ran_value *a, const ran_value *b)
{
    const ran_type *x = ran_value_type(a), *y = ran_value_type(b);
    if (ran_type_rank(x) != ran_type_rank(y) || ran_type_rank(x) < 0 ||
        ran_type_layout(x).block != ran_type_layout(y).block)
        return false;
    for (int i = 0; i < ran_type_rank(x); i++)
        if (ran_type_dim(x, i) != ran_type_dim(y, i))
            return false;
    return true;
}

static ran_value *group_result(const group *g)
{
    return ran_op_result(g->ops[0], 0);
}

static bool can_join(const group *g, ran_op *op)
{
    return op && g->count < GROUP_MAX && !contains(g, op) && op->parent == g->ops[0]->parent &&
           op->result_count == 1 && used_inside_only(g, ran_op_result(op, 0)) &&
           same_shape(ran_op_result(op, 0), group_result(g));
}

static bool is_returned_only(const ran_value *value)
{
    for (ran_use *use = ran_value_first_use(value); use; use = ran_use_next(use))
        if (ran_use_op(use)->opcode != RAN_OP_RETURN)
            return false;
    return ran_value_has_uses(value);
}

/* Users of a value that are another result of the group could go with it. Returns whether no others
 * are left outside; then out_users has them. */
static bool find_returned_users(const group *g, const ran_value *value, group *out_users)
{
    out_users->count = 0;
    for (ran_use *use = ran_value_first_use(value); use; use = ran_use_next(use)) {
        ran_op *user = ran_use_op(use);
        if (user->opcode == RAN_OP_RETURN || contains(g, user) || contains(out_users, user))
            continue;
        if (!ran_opcode_is_elementwise(user->opcode) || user->parent != g->ops[0]->parent ||
            !same_shape(ran_op_result(user, 0), group_result(g)) ||
            !is_returned_only(ran_op_result(user, 0)) || out_users->count == GROUP_MAX)
            return false;
        out_users->ops[out_users->count++] = user;
    }
    return true;
}

/* A producer that other results of the function need, too, with all of these. */
static void take_with_users(group *g, ran_op *op)
{
    group users;
    if (contains(g, op) || op->parent != g->ops[0]->parent ||
        !same_shape(ran_op_result(op, 0), group_result(g)) ||
        !find_returned_users(g, ran_op_result(op, 0), &users) ||
        g->count + users.count >= GROUP_MAX)
        return;
    for (size_t i = 0; i < users.count; i++)
        g->ops[g->count++] = users.ops[i];
    g->ops[g->count++] = op;
}

/* Adds elementwise producers until none is left. Ops are in g->ops in no particular order. */
static void take_elementwise(group *g)
{
    for (size_t i = 0; i < g->count; i++)
        RAN_FOR_OPERANDS(g->ops[i], j, value) {
            ran_op *op = ran_value_op(value);
            if (!op || !ran_opcode_is_elementwise(op->opcode))
                continue;
            if (can_join(g, op))
                g->ops[g->count++] = op;
            else if (g->returned)
                take_with_users(g, op);
        }
}

static ran_op *latest_anchor(const group *g, const ran_target *target)
{
    ran_op *best = NULL;
    for (size_t i = 0; i < g->count; i++)
        RAN_FOR_OPERANDS(g->ops[i], j, value) {
            ran_op *op = ran_value_op(value);
            if (op && !ran_opcode_is_elementwise(op->opcode) && !ran_op_is_view(op) &&
                op->opcode != RAN_OP_KERNEL && can_join(g, op) &&
                takes_epilogue(op->opcode, target, op) && (!best || ran_op_is_before(best, op)))
                best = op;
        }
    return best;
}

/* Elementwise producers of operand 0 that only the anchor reads: a reduction's input. */
static void take_prologue(group *g, const ran_target *target)
{
    bool prologue = false;
    for (size_t i = 0; i < ran_kernel_row_count(); i++) {
        const ran_kernel_row *row = ran_kernel_row_at(i);
        prologue = prologue || (row->anchor == g->anchor->opcode && row->prologue &&
                                row->accepts(g->anchor, target));
    }
    ran_value *input = ran_op_operand(g->anchor, 0);
    if (!prologue || !input || !ran_value_op(input))
        return;
    group before = {.ops = {g->anchor}, .count = 1};
    ran_op *producer = ran_value_op(input);
    if (!ran_opcode_is_elementwise(producer->opcode) || contains(g, producer) ||
        !used_inside_only(&before, input))
        return;
    before.ops[0] = producer;
    take_elementwise(&before);
    for (size_t i = 0; i < before.count && g->count < GROUP_MAX; i++)
        g->ops[g->count++] = before.ops[i];
}

static int by_order(const void *a, const void *b)
{
    const ran_op *x = *(ran_op *const *)a, *y = *(ran_op *const *)b;
    return x == y ? 0 : ran_op_is_before(x, y) ? -1 : 1;
}

/* ---- Building the kernel op ---------------------------------------------------------------------- */

typedef struct outlined {
    ran_op *kernel;
    ran_region *region;
    ran_mapping *mapping;
} outlined;

/* Operands from outside become arguments, each once. */
static void import_operands(outlined *o, const ran_op *op)
{
    RAN_FOR_OPERANDS(op, i, value)
        if (!ran_mapping_get(o->mapping, value))
            ran_mapping_set(o->mapping, value, ran_kernel_add_operand(o->kernel, value));
}

static bool used_outside(const group *g, const ran_value *value)
{
    return ran_value_has_uses(value) && !used_inside_only(g, value);
}

/* Those of the last op, and what else the function returns. */
static RAN_GIVE ran_value **list_results(const group *g, ran_op *last, size_t *out_count)
{
    size_t count = 0;
    ran_value **results = malloc((last->result_count + g->count) * sizeof(ran_value *));
    if (!results)
        RAN_BUG(NULL, "out of memory");
    for (size_t i = 0; i < last->result_count; i++)
        results[count++] = ran_op_result(last, i);
    for (size_t i = 0; g->returned && i < g->count; i++)
        if (g->ops[i] != last && used_outside(g, ran_op_result(g->ops[i], 0)))
            results[count++] = ran_op_result(g->ops[i], 0);
    *out_count = count;
    return results;
}

/* What the region computes for each of the results, which the kernel's own resemble. */
static void end_region(const outlined *o, ran_builder *inside, ran_value *const *results,
                       size_t count)
{
    ran_value **inner = malloc((count + 1) * sizeof(*inner));
    if (!inner)
        RAN_BUG(NULL, "out of memory");
    for (size_t i = 0; i < count; i++) {
        inner[i] = ran_mapping_get(o->mapping, results[i]);
        ran_value_set_type(ran_op_result(o->kernel, i), ran_value_type(results[i]));
        ran_value_set_name(ran_op_result(o->kernel, i), ran_value_name(results[i]));
    }
    ran_op_create(inside, RAN_OP_YIELD, count, inner, 0);
    free(inner);
}

static void outline(group *g)
{
    qsort(g->ops, g->count, sizeof(*g->ops), by_order);
    ran_op *last = g->ops[g->count - 1];
    ran_builder builder = ran_builder_before(last);
    size_t count;
    ran_value **results = list_results(g, last, &count);
    outlined o = {ran_op_create(&builder, RAN_OP_KERNEL, 0, NULL, count)};
    o.region = ran_op_add_region(o.kernel);
    o.mapping = ran_mapping_create();
    ran_op_set_string(o.kernel, "schedule", "");
    ran_context *context = ran_module_context(builder.module);
    const ran_location *location = NULL;
    ran_builder inside = ran_builder_at_end(o.region);
    for (size_t i = 0; i < g->count; i++) {
        import_operands(&o, g->ops[i]);
        inside.location = ran_op_location(g->ops[i]);
        ran_op_clone(&inside, g->ops[i], o.mapping);
        location = ran_location_fuse(context, location, ran_op_location(g->ops[i]));
    }
    end_region(&o, &inside, results, count);
    ran_op_set_location(o.kernel, location);
    for (size_t i = 0; i < count; i++)
        ran_value_replace_uses(results[i], ran_op_result(o.kernel, i));
    for (size_t i = g->count; i-- > 0;)
        ran_op_erase(g->ops[i]);
    free(results);
    ran_mapping_destroy(o.mapping);
}

static void fuse_from(ran_op *op, const ran_target *target)
{
    group g = {.ops = {op}, .count = 1};
    if (ran_opcode_is_elementwise(op->opcode)) {
        g.returned = is_returned_only(ran_op_result(op, 0));
        take_elementwise(&g);
        g.anchor = latest_anchor(&g, target);
        if (g.anchor && g.count < GROUP_MAX)
            g.ops[g.count++] = g.anchor;
    } else {
        g.anchor = op;
    }
    if (g.anchor)
        take_prologue(&g, target);
    outline(&g);
}

ran_status ran_fuse_kernels(ran_function *function, const ran_target *target)
{
    ran_op *op = ran_region_last(ran_function_body(function)), *previous;
    for (; op; op = previous) {
        if (op->opcode != RAN_OP_KERNEL && op->opcode != RAN_OP_RETURN && !ran_op_is_view(op))
        {
            ran_op *mark = ran_op_next(op);
            fuse_from(op, target);
            op = mark ? ran_op_prev(mark) : ran_region_last(ran_function_body(function));
        }
        previous = ran_op_prev(op);
    }
    return RAN_OK;
}
