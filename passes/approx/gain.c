/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * MACs that removing activations gains: what stands between two activations that stay is collapsed to
 * one convolution, and its MACs are compared with those of its parts ("Double-Win NAS", section
 * 3.1: k^2 C_out against e (s^2 C_in + C_out + k^2)).
 *
 * A chain is a run of convolutions, per-channel arithmetic and activations in which each value has
 * one use. Candidates are one activation of a chain, and two neighbours: an inverted bottleneck pays
 * only when both of its activations go.
 */
#include "passes/approx/approx.h"

#include <stdlib.h>

typedef struct candidate {
    size_t first, last; /* sites */
    double gain;        /* MACs an activation */
} candidate;

/* What a run of linear ops is as one convolution, along both axes of a map. */
typedef struct linear_run {
    int64_t in, out, groups, kernel[2], stride[2], dilation[2];
    int64_t macs;      /* of the parts */
    int64_t positions; /* of the output */
    bool is_empty;
} linear_run;

/* ---- Walking chains --------------------------------------------------------------------------------- */

static bool is_affine(const ran_op *op)
{
    if (op->opcode == RAN_OP_BATCH_NORMALIZATION || op->opcode == RAN_OP_IDENTITY)
        return true;
    bool is_arithmetic = op->opcode == RAN_OP_MUL || op->opcode == RAN_OP_ADD;
    return is_arithmetic && (ran_value_constant(ran_op_operand(op, 0)) ||
                             ran_value_constant(ran_op_operand(op, 1)));
}

static bool is_conv(const ran_op *op)
{
    return op->opcode == RAN_OP_CONV && ran_value_constant(ran_op_operand(op, 1)) &&
           ran_type_rank(ran_value_type(ran_op_result(op, 0))) == 4;
}

static bool is_linear(const ran_op *op)
{
    return is_conv(op) || is_affine(op);
}

static ran_value *main_operand(const ran_op *op)
{
    ran_value *x = ran_op_operand(op, 0);
    return ran_value_constant(x) ? ran_op_operand(op, 1) : x;
}

/* The op in front, when nothing else uses what it gives; chains end with their region. */
static ran_op *previous(const ran_op *op)
{
    ran_value *x = main_operand(op);
    ran_op *before = ran_value_has_one_use(x) ? ran_value_op(x) : NULL;
    return before && before->parent == op->parent ? before : NULL;
}

static ran_op *next(const ran_op *op)
{
    const ran_value *value = ran_op_result(op, 0);
    ran_op *user = ran_value_has_one_use(value) ? ran_use_op(ran_value_first_use(value)) : NULL;
    return user && user->parent == op->parent ? user : NULL;
}

/* ---- Composition ---------------------------------------------------------------------------------------- */

static int64_t gcd(int64_t a, int64_t b)
{
    return b ? gcd(b, a % b) : a;
}

static int64_t attribute(const ran_op *op, const char *name, size_t axis)
{
    size_t count;
    const int64_t *values = ran_op_ints(op, name, &count);
    return axis < count ? values[axis] : 1;
}

/* K* = d1 (K1 - 1) + s1 d2 (K2 - 1) + 1; with K1 = 1 the taps of K2 stay, further apart. */
static void compose_axis(linear_run *run, const ran_op *op, size_t axis)
{
    int64_t kernel = ran_tensor_dims(ran_value_constant(ran_op_operand(op, 1)))[axis + 2];
    int64_t step = run->stride[axis] * attribute(op, "dilations", axis);
    if (run->kernel[axis] == 1) {
        run->kernel[axis] = kernel;
        run->dilation[axis] = step;
    } else if (kernel > 1) {
        run->kernel[axis] =
            run->dilation[axis] * (run->kernel[axis] - 1) + step * (kernel - 1) + 1;
        run->dilation[axis] = 1;
    }
    run->stride[axis] *= attribute(op, "strides", axis);
}

static void compose(linear_run *run, const ran_op *op)
{
    if (!is_conv(op))
        return;
    const int64_t *dims = ran_tensor_dims(ran_value_constant(ran_op_operand(op, 1)));
    const ran_type *type = ran_value_type(ran_op_result(op, 0));
    int64_t groups = ran_op_int(op, "group");
    ran_counts counts = {0};
    ran_count_op(op, &counts);
    if (run->is_empty)
        *run = (linear_run){.in = dims[1] * groups, .groups = groups, .kernel = {1, 1},
                            .stride = {1, 1}, .dilation = {1, 1}};
    run->out = dims[0];
    run->groups = gcd(run->groups, groups);
    for (size_t axis = 0; axis < 2; axis++)
        compose_axis(run, op, axis);
    run->macs += counts.macs;
    run->positions = ran_type_numel_or_one(type) / (dims[0] ? dims[0] : 1);
}

static int64_t collapsed_macs(const linear_run *run)
{
    return run->is_empty
               ? 0
               : run->positions * run->out * (run->in / run->groups) * run->kernel[0] *
                     run->kernel[1];
}

/* ---- Gains ------------------------------------------------------------------------------------------------ */

/* The first op of the linear run that ends in front of `op`; `op` itself when there is none. */
static const ran_op *run_start(const ran_op *op)
{
    const ran_op *before = previous(op);
    while (before && is_linear(before)) {
        op = before;
        before = previous(op);
    }
    return op;
}

/* MACs gained when the activations from `first` to `last` of one chain go. The run begins at the last
 * activation in front of them and ends at the first one behind. */
static double gain_of(const ran_op *first, const ran_op *last)
{
    linear_run run = {.is_empty = true};
    bool seen_last = false;
    int64_t separate = 0;
    linear_run part = {.is_empty = true};
    const ran_op *op = run_start(first);
    while (op) {
        bool is_removed = ran_is_activation(op);
        if (is_removed && seen_last)
            break;
        if (!is_removed && !is_linear(op))
            break;
        if (is_removed) {
            separate += collapsed_macs(&part) < part.macs ? collapsed_macs(&part) : part.macs;
            part = (linear_run){.is_empty = true};
        } else {
            compose(&run, op);
            compose(&part, op);
        }
        seen_last = seen_last || op == last;
        op = next(op);
    }
    separate += collapsed_macs(&part) < part.macs ? collapsed_macs(&part) : part.macs;
    return (double)(separate - collapsed_macs(&run));
}

/* Whether the next activation behind `a` in its chain is `b`. */
static bool are_neighbours(const ran_op *a, const ran_op *b)
{
    const ran_op *op = next(a);
    while (op && op != b && is_linear(op))
        op = next(op);
    return op == b;
}

static size_t find_candidates(const ran_sites *sites, candidate *out)
{
    size_t count = 0;
    for (size_t i = 0; i < sites->count; i++) {
        if (sites->sites[i].is_gate)
            continue;
        out[count++] = (candidate){i, i, gain_of(sites->sites[i].op, sites->sites[i].op)};
        for (size_t j = i + 1; j < sites->count; j++) {
            const ran_op *a = sites->sites[i].op, *b = sites->sites[j].op;
            if (!sites->sites[j].is_gate && are_neighbours(a, b))
                out[count++] = (candidate){i, j, gain_of(a, b) / 2};
        }
    }
    return count;
}

static int by_gain(const void *a, const void *b)
{
    const candidate *x = a, *y = b;
    if (x->gain != y->gain)
        return x->gain > y->gain ? -1 : 1;
    return x->first < y->first ? -1 : x->first > y->first;
}

static bool is_taken(const ran_sites *sites, const candidate *c)
{
    return sites->sites[c->first].linear[0] || sites->sites[c->last].linear[0];
}

static void mark(ran_site *site)
{
    for (int64_t u = 0; u < site->units; u++)
        site->linear[u] = 1;
}

void ran_sites_select_cheapest(ran_pass_context *pass, ran_sites *sites, int64_t count)
{
    candidate *candidates = ran_pass_alloc(pass, (2 * sites->count + 1) * sizeof(candidate));
    size_t n = find_candidates(sites, candidates);
    qsort(candidates, n, sizeof(*candidates), by_gain);
    for (size_t i = 0; i < n && count > 0; i++) {
        const candidate *c = &candidates[i];
        int64_t size = c->first == c->last ? 1 : 2;
        if (size > count || is_taken(sites, c))
            continue;
        mark(&sites->sites[c->first]);
        mark(&sites->sites[c->last]);
        count -= size;
    }
}
