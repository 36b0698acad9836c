/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Recomputation: memory for time.
 *
 *   %y = relu %x                       %y = relu %x
 *   ... (the peak) ...          =>     ...
 *   %d = where (%y > 0), ...           %y2 = relu %x
 *                                      %d = where (%y2 > 0), ...
 *
 * Requires types and the order in which the ops will run; keeps the function. What lives across the
 * peak and is cheap to compute from what lives there anyhow is computed again before its next use,
 * the largest gain first, until the peak fits the budget. A chain of cheap ops goes as a whole:
 * relu(bn(conv)) needs the convolution's result only, which the batch norm's gradient keeps alive.
 *
 * The estimate counts results of ops, from their op to their last use; a reshape shares its
 * operand's memory. What fusion keeps in registers is counted too, but lives so shortly that it
 * makes no peak. Terminates: a value is recomputed once, and its copies never. Common
 * subexpressions must not be merged afterwards, or all is as before.
 */
#include "passes/grad/grad.h"

#include <stdlib.h>
#include <string.h>

enum { MAX_CHAIN = 12 };

typedef struct plan {
    ran_function *function;
    ran_op **ops; /* in their order */
    size_t count;
    int64_t *alive;      /* bytes at each op */
    ran_mapping *copied; /* copies, and values that have one */
} plan;

/* ---- Liveness
 * ---------------------------------------------------------------------------------------- */

static bool is_view(const ran_op *op)
{
    return op && (op->opcode == RAN_OP_RESHAPE || op->opcode == RAN_OP_FLATTEN ||
                  op->opcode == RAN_OP_SQUEEZE || op->opcode == RAN_OP_UNSQUEEZE ||
                  op->opcode == RAN_OP_IDENTITY);
}

static size_t index_of(const plan *p, const ran_op *op)
{
    size_t low = 0, high = p->count;
    while (op->parent != ran_function_body(p->function))
        op = op->parent->parent;
    while (low < high) {
        size_t middle = (low + high) / 2;
        if (p->ops[middle]->order < op->order)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

static int64_t bytes_of(const ran_value *value)
{
    return ran_type_is_static(value->type) ? ran_type_storage_bytes(value->type) : 0;
}

/* Through views: the last op that reads the memory of `value`. */
static size_t last_use(const plan *p, const ran_value *value)
{
    size_t last = value->kind == RAN_VALUE_RESULT ? index_of(p, value->owner.op) : 0;
    for (const ran_use *use = value->first_use; use; use = use->next) {
        size_t at = is_view(use->op) && use->index == 0 ? last_use(p, &use->op->results[0])
                                                        : index_of(p, use->op);
        last = at > last ? at : last;
    }
    return last;
}

static void free_order(plan *p)
{
    free(p->ops);
    free(p->alive);
}

static void find_order(plan *p)
{
    const ran_region *body = ran_function_body(p->function);
    p->count = 0;
    for (const ran_op *op = body->first; op; op = op->next)
        p->count++;
    p->ops = calloc(p->count + 1, sizeof *p->ops);
    p->alive = calloc(p->count + 2, sizeof *p->alive);
    if (!p->ops || !p->alive)
        RAN_BUG(ran_module_context(ran_function_module(p->function)), "out of memory");
    size_t i = 0;
    for (ran_op *op = body->first; op; op = op->next)
        p->ops[i++] = op;
}

/* Fills ops and alive; returns the place of the peak. */
static size_t measure(plan *p)
{
    size_t peak = 0;
    find_order(p);
    for (size_t i = 0; i < p->count; i++)
        for (size_t r = 0; r < p->ops[i]->result_count && !is_view(p->ops[i]); r++) {
            p->alive[i] += bytes_of(&p->ops[i]->results[r]);
            p->alive[last_use(p, &p->ops[i]->results[r]) + 1] -= bytes_of(&p->ops[i]->results[r]);
        }
    for (size_t i = 1; i < p->count; i++) {
        p->alive[i] += p->alive[i - 1];
        peak = p->alive[i] > p->alive[peak] ? i : peak;
    }
    return peak;
}

/* ---- Candidates
 * ------------------------------------------------------------------------------------------ */

static const ran_opcode cheap_ops[] = {
    RAN_OP_RESHAPE,
    RAN_OP_FLATTEN,
    RAN_OP_SQUEEZE,
    RAN_OP_UNSQUEEZE,
    RAN_OP_TRANSPOSE,
    RAN_OP_EXPAND,
    RAN_OP_CONCAT,
    RAN_OP_SLICE,
    RAN_OP_PAD,
    RAN_OP_CONSTANT_OF_SHAPE,
    RAN_OP_SOFTMAX,
    RAN_OP_LOG_SOFTMAX,
    RAN_OP_LAYER_NORMALIZATION,
    RAN_OP_RMS_NORMALIZATION,
    RAN_OP_INSTANCE_NORMALIZATION,
    RAN_OP_GROUP_NORMALIZATION,
    RAN_OP_BATCH_NORMALIZATION,
    RAN_OP_BATCH_NORMALIZATION_TRAINING,
    RAN_OP_MAX_POOL,
    RAN_OP_AVERAGE_POOL,
    RAN_OP_COUNTER_RANDOM,
    RAN_OP_DEPTH_TO_SPACE,
    RAN_OP_SPACE_TO_DEPTH,
    RAN_OP_IDENTITY,
};

/* Of a batch norm only y: its statistics are small and stay. */
static bool is_cheap(const plan *p, const ran_value *value)
{
    const ran_op *op = value->kind == RAN_VALUE_RESULT ? value->owner.op : NULL;
    if (!op || op->region_count || value->index != 0 || ran_mapping_get(p->copied, value))
        return false;
    if (ran_opcode_is_elementwise(op->opcode))
        return true;
    for (size_t i = 0; i < sizeof cheap_ops / sizeof *cheap_ops; i++)
        if (op->opcode == cheap_ops[i])
            return true;
    return false;
}

static const ran_value *memory_of(const ran_value *value)
{
    while (value->kind == RAN_VALUE_RESULT && is_view(value->owner.op))
        value = ran_op_operand(value->owner.op, 0);
    return value;
}

/* What computing `value` again needs: the statistics of a batch norm instead of its running ones.
 */
static size_t needs(const ran_value *value, ran_value *out[RAN_MAX_RANK])
{
    const ran_op *op = value->owner.op;
    bool trains = op->opcode == RAN_OP_BATCH_NORMALIZATION_TRAINING;
    size_t count = 0;
    for (size_t i = 0; i < op->operand_count && count < RAN_MAX_RANK; i++)
        if (op->operands[i].value && !(trains && i >= 3))
            out[count++] = op->operands[i].value;
    for (size_t i = 3; trains && i < 5; i++)
        out[count++] = (ran_value *)&op->results[i];
    return count;
}

/* A value to compute again, with the cheap ones before it, at the op `at` behind `peak`. */
typedef struct chain {
    const ran_value *values[MAX_CHAIN]; /* operands last */
    size_t count, peak, at;
    int64_t cost; /* bytes that have to live across the peak for it */
} chain;

static bool in_chain(const chain *c, const ran_value *value)
{
    for (size_t i = 0; i < c->count; i++)
        if (c->values[i] == value)
            return true;
    return false;
}

static bool add_to_chain(const plan *p, chain *c, const ran_value *value)
{
    ran_value *operands[RAN_MAX_RANK];
    if (in_chain(c, value))
        return true;
    if (c->count == MAX_CHAIN || value->owner.op->operand_count > RAN_MAX_RANK - 2)
        return false;
    c->values[c->count++] = value;
    size_t count = needs(value, operands);
    for (size_t i = 0; i < count; i++) {
        const ran_value *memory = memory_of(operands[i]);
        bool stays = memory->kind != RAN_VALUE_RESULT || last_use(p, memory) > c->peak;
        if (stays && memory == operands[i])
            continue;
        if (!stays && !is_cheap(p, operands[i]))
            c->cost += bytes_of(memory);
        else if (!add_to_chain(p, c, operands[i]))
            return false;
    }
    return true;
}

/* The first op behind `peak` that reads `value`, or count. */
static size_t next_use(const plan *p, const ran_value *value, size_t peak)
{
    size_t first = p->count;
    for (const ran_use *use = value->first_use; use; use = use->next) {
        size_t at = index_of(p, use->op);
        if (at > peak && at < first)
            first = at;
    }
    return first;
}

/* A view that was made before the peak reads the memory behind it. */
static bool is_viewed_across(const plan *p, const ran_value *value, size_t peak)
{
    for (const ran_use *use = value->first_use; use; use = use->next)
        if (is_view(use->op) && index_of(p, use->op) <= peak &&
            last_use(p, &use->op->results[0]) > peak)
            return true;
    return false;
}

/* The value whose recomputation frees most at the peak; false when nothing helps. */
static bool choose(const plan *p, size_t peak, chain *out)
{
    int64_t best = 0;
    for (size_t i = 0; i < peak; i++) {
        const ran_value *value = &p->ops[i]->results[0];
        if (!p->ops[i]->result_count || is_view(p->ops[i]) || !is_cheap(p, value) ||
            bytes_of(value) <= best)
            continue;
        chain c = {.peak = peak, .at = next_use(p, value, peak)};
        if (c.at + 1 >= p->count || is_viewed_across(p, value, peak) ||
            !add_to_chain(p, &c, value) || bytes_of(value) - c.cost <= best)
            continue;
        best = bytes_of(value) - c.cost;
        *out = c;
    }
    return best > 0;
}

/* ---- Copies
 * --------------------------------------------------------------------------------------------------
 */

static ran_value *reshape_vector(ran_builder *b, ran_value *vector, int rank)
{
    ran_tensor *shape = ran_tensor_create(RAN_ELEM_I64, 1, &(int64_t){rank - 1});
    for (int i = 0; i < rank - 1; i++)
        ran_tensor_set_i64(shape, i, i ? 1 : -1);
    ran_value *operands[] = {vector, ran_constant_create(b->module, NULL, shape)};
    ran_tensor_release(shape);
    return rank > 2 ? ran_build(b, RAN_OP_RESHAPE, 2, operands) : vector;
}

static ran_value *mapped(const ran_mapping *mapping, ran_value *value)
{
    ran_value *copy = ran_mapping_get(mapping, value);
    return copy ? copy : value;
}

/* (x - mean) * (inverse * scale) + bias, from the statistics that the first time gave. */
static ran_value *copy_batch_norm(ran_builder *b, const ran_op *op, const ran_mapping *mapping)
{
    int rank = ran_type_rank(op->results[0].type);
    ran_value *v[] = {mapped(mapping, op->operands[0].value), (ran_value *)&op->results[3],
                      mapped(mapping, op->operands[1].value), (ran_value *)&op->results[4],
                      mapped(mapping, op->operands[2].value)};
    ran_value *factor = ran_build(b, RAN_OP_MUL, 2, (ran_value *[]){v[2], v[3]});
    ran_value *mean = reshape_vector(b, v[1], rank), *bias = reshape_vector(b, v[4], rank);
    factor = reshape_vector(b, factor, rank);
    ran_value *centred = ran_build(b, RAN_OP_SUB, 2, (ran_value *[]){v[0], mean});
    ran_value *scaled = ran_build(b, RAN_OP_MUL, 2, (ran_value *[]){centred, factor});
    return ran_build(b, RAN_OP_ADD, 2, (ran_value *[]){scaled, bias});
}

static ran_value *copy_value(ran_builder *b, const ran_value *value, ran_mapping *mapping)
{
    const ran_op *op = value->owner.op;
    b->location = op->location;
    if (op->opcode == RAN_OP_BATCH_NORMALIZATION_TRAINING) {
        ran_value *copy = copy_batch_norm(b, op, mapping);
        ran_mapping_set(mapping, value, copy);
        return copy;
    }
    ran_op *copy = ran_op_clone(b, op, mapping);
    for (size_t i = 0; i < copy->result_count; i++)
        ran_value_set_name(&copy->results[i], NULL);
    return &copy->results[0];
}

static void redirect_uses(const plan *p, ran_value *from, ran_value *to, size_t first)
{
    for (ran_use *use = from->first_use, *next; use; use = next) {
        next = use->next;
        if (index_of(p, use->op) >= first && use->op != to->owner.op)
            ran_op_set_operand(use->op, use->index, to);
    }
}

static int compare_order(const void *a, const void *b)
{
    const ran_value *const *x = a, *const *y = b;
    uint64_t left = (*x)->owner.op->order, right = (*y)->owner.op->order;
    return left < right ? -1 : left > right;
}

static void recompute(plan *p, chain *c)
{
    ran_mapping *mapping = ran_mapping_create();
    ran_builder b = ran_builder_before(p->ops[c->at]);
    ran_value *target = (ran_value *)c->values[0];
    qsort(c->values, c->count, sizeof *c->values, compare_order);
    for (size_t i = 0; i < c->count; i++) {
        ran_value *copy = copy_value(&b, c->values[i], mapping);
        ran_mapping_set(p->copied, copy, copy);
    }
    ran_mapping_set(p->copied, target, target);
    redirect_uses(p, target, ran_mapping_get(mapping, target), c->at);
    ran_mapping_destroy(mapping);
}

/* Returns how many values are computed again. */
static int64_t fit(ran_function *function, int64_t budget, int64_t *out_before, int64_t *out_after)
{
    plan p = {.function = function, .copied = ran_mapping_create()};
    chain c;
    int64_t values = 0;
    for (;; values++) {
        size_t peak = measure(&p);
        *out_after = p.count ? p.alive[peak] : 0;
        if (!values)
            *out_before = *out_after;
        bool helps = *out_after > budget && choose(&p, peak, &c);
        if (helps)
            recompute(&p, &c);
        free_order(&p);
        if (!helps)
            break;
    }
    ran_mapping_destroy(p.copied);
    return values;
}

ran_status ran_recompute(ran_function *function, int64_t budget, int64_t *out_peak)
{
    int64_t before;
    fit(function, budget, &before, out_peak);
    return RAN_OK;
}

ran_status ran_run_recompute(ran_pass_context *pass, ran_function *function)
{
    int64_t before, after;
    int64_t values = fit(function, ran_pass_int(pass, "budget"), &before, &after);
    ran_pass_observe(pass, "before", before);
    ran_pass_observe(pass, "after", after);
    if (values)
        ran_pass_count(pass, "values", values);
    return RAN_OK;
}
