/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * refine-bottlenecks: what the authors of "Restructurable Activation Networks" did by hand behind their
 * search (section 3.2, sub-networks B and C), as a rule:
 *
 *   1. of the inverted bottlenecks, by their MACs from the most on, the first `collapse` whose convolution
 *      has fewer become norm, activation, convolution (the form of harden-afrb);
 *   2. depthwise kernels grow by 2, up to `kernel`, the cheapest growth first, while all MACs stay
 *      within `macs`.
 *
 * By MACs, not by what is saved: that would take the late blocks, which are small already. New taps are
 * zeros and the pads grow with the kernel, so that growing alone keeps the function until it is trained;
 * collapsing does not. Two blocks under one residual are one unit.
 * Requires types and recognised activations; keeps types. Terminates: kernels only grow, to a limit.
 */
#include "passes/approx/blocks.h"

#include <stdlib.h>
#include <string.h>

typedef struct unit {
    ran_block *block;
    int64_t macs, collapsed;
    bool is_gone;
} unit;

typedef struct refiner {
    ran_pass_context *pass;
    unit *units;
    size_t count;
    int64_t macs, budget;
} refiner;

/* ---- MACs ---------------------------------------------------------------------------------------------- */

static int64_t macs_of(const ran_op *op)
{
    ran_counts counts = {0};
    ran_count_op(op, &counts);
    return counts.macs;
}

static const int64_t *kernel_dims(const ran_block *block)
{
    return ran_tensor_dims(ran_value_constant(ran_op_operand(block->depthwise.conv, 1)));
}

static int64_t block_macs(const ran_block *b)
{
    return macs_of(b->expand.conv) + macs_of(b->depthwise.conv) + macs_of(b->project.conv);
}

/* k^2 C_in C_out at each position: the depthwise convolution's, with C_in C_out for its channels. */
static int64_t collapsed_macs(const ran_block *b)
{
    int64_t in = ran_tensor_dims(ran_value_constant(ran_op_operand(b->expand.conv, 1)))[1];
    int64_t out = ran_tensor_dims(ran_value_constant(ran_op_operand(b->project.conv, 1)))[0];
    return macs_of(b->depthwise.conv) / kernel_dims(b)[0] * in * out;
}

static unit unit_of(ran_block *block)
{
    unit u = {block, block_macs(block), collapsed_macs(block), false};
    if (block->pair) {
        u.macs += block_macs(block->pair);
        u.collapsed += collapsed_macs(block->pair);
    }
    return u;
}

/* ---- Collapsing ------------------------------------------------------------------------------------------- */

static void drop(ran_site *site)
{
    if (!site)
        return;
    site->x = ran_op_operand(site->op, 0);
    ran_value_replace_uses(site->y, site->x);
    ran_erase_dead(ran_value_op(site->y));
}

/* Of the two activations inside, the one behind the depthwise convolution moves to the front. */
static void collapse_block(ran_pass_context *pass, ran_block *block)
{
    ran_op *before = block->expand.conv;
    ran_value *x = ran_op_operand(before, 0);
    if (!block->is_paired)
        x = ran_block_norm(pass, block, before, x);
    ran_op *activation = ran_copy_op(before, block->second->op);
    ran_op_set_operand(activation, 0, x);
    ran_op_set_operand(before, 0, ran_finish_op(pass, activation));
    drop(block->first);
    drop(block->second);
    ran_block_merge(pass, block);
}

static void collapse_unit(refiner *r, unit *u)
{
    ran_pass_remark(r->pass, "%s: collapsed, %lld MACs instead of %lld", ran_block_name(u->block),
                    (long long)u->collapsed, (long long)u->macs);
    ran_pass_count(r->pass, "collapsed", 1);
    collapse_block(r->pass, u->block);
    if (u->block->pair)
        collapse_block(r->pass, u->block->pair);
    r->macs += u->collapsed - u->macs;
    u->is_gone = true;
}

static int by_macs(const void *a, const void *b)
{
    const unit *x = a, *y = b;
    if (x->macs != y->macs)
        return x->macs > y->macs ? -1 : 1;
    return x->block < y->block ? -1 : 1;
}

static void collapse_largest(refiner *r, int64_t wanted)
{
    qsort(r->units, r->count, sizeof(*r->units), by_macs);
    for (size_t i = 0; i < r->count && wanted > 0; i++) {
        if (r->units[i].collapsed >= r->units[i].macs)
            continue;
        collapse_unit(r, &r->units[i]);
        wanted--;
    }
}

/* ---- Growing kernels ----------------------------------------------------------------------------------------- */

/* Square and odd, along two axes, with pads that are numbers. */
static bool can_grow(const ran_block *block, int64_t limit)
{
    const ran_op *conv = block->depthwise.conv;
    const ran_tensor *w = ran_value_constant(ran_op_operand(conv, 1));
    const int64_t *dims = kernel_dims(block);
    return ran_tensor_rank(w) == 4 && dims[2] == dims[3] && dims[2] % 2 == 1 &&
           dims[2] + 2 <= limit && !strcmp(ran_op_string(conv, "auto_pad"), "NOTSET");
}

static int64_t growth(const ran_block *block)
{
    int64_t kernel = kernel_dims(block)[2], taps = kernel * kernel;
    return macs_of(block->depthwise.conv) / taps * ((kernel + 2) * (kernel + 2) - taps);
}

/* A frame of zeros. */
static ran_tensor *framed(const ran_tensor *old)
{
    int64_t dims[4], k = ran_tensor_dims(old)[2], wide = k + 2;
    memcpy(dims, ran_tensor_dims(old), sizeof(dims));
    dims[2] = dims[3] = wide;
    ran_tensor *new = ran_tensor_create(ran_tensor_elem(old), 4, dims);
    for (int64_t i = 0; i < ran_tensor_numel(new); i++)
        ran_tensor_set_f64(new, i, 0);
    for (int64_t i = 0; i < ran_tensor_numel(old); i++) {
        int64_t plane = i / (k * k), row = i / k % k, column = i % k;
        ran_tensor_set_f64(new, (plane * wide + row + 1) * wide + column + 1,
                           ran_tensor_get_f64(old, i));
    }
    return new;
}

static void grow(ran_block *block)
{
    ran_op *conv = block->depthwise.conv;
    size_t pad_count, dilation_count;
    const int64_t *pads = ran_op_ints(conv, "pads", &pad_count);
    const int64_t *dilations = ran_op_ints(conv, "dilations", &dilation_count);
    int64_t wider[4];
    for (size_t i = 0; i < 4; i++)
        wider[i] = (pad_count ? pads[i] : 0) + (dilation_count ? dilations[i % 2] : 1);
    ran_value *w = ran_op_operand(conv, 1);
    ran_op_set_operand(
        conv, 1, ran_new_constant(conv, ran_value_name(w), framed(ran_value_constant(w))));
    ran_op_set_ints(conv, "pads", wider, 4);
    if (ran_op_has_attr(conv, "kernel_shape"))
        ran_op_set_ints(conv, "kernel_shape", kernel_dims(block) + 2, 2);
}

/* The cheapest growth that the budget has room for; of equal ones the last block's. */
static ran_block *cheapest(const refiner *r, int64_t limit)
{
    ran_block *best = NULL;
    for (size_t i = 0; i < r->count; i++)
        for (ran_block *b = r->units[i].is_gone ? NULL : r->units[i].block; b; b = b->pair) {
            if (!can_grow(b, limit) || growth(b) > r->budget - r->macs)
                continue;
            bool is_better = !best || growth(b) < growth(best) ||
                             (growth(b) == growth(best) && b > best);
            best = is_better ? b : best;
        }
    return best;
}

static void grow_all(refiner *r, int64_t limit)
{
    for (ran_block *b = cheapest(r, limit); b; b = cheapest(r, limit)) {
        r->macs += growth(b);
        grow(b);
        ran_pass_remark(r->pass, "%s: kernel %lld", ran_block_name(b),
                        (long long)kernel_dims(b)[2]);
        ran_pass_count(r->pass, "grown", 1);
    }
}

/* ---- The pass ---------------------------------------------------------------------------------------------------- */

static bool is_selected(const ran_block *block)
{
    return !block->is_afrb && block->second && ran_site_is_selected(block->second) &&
           (!block->first || ran_site_is_selected(block->first)) &&
           (!block->pair || is_selected(block->pair));
}

static void list_units(refiner *r, ran_blocks *blocks)
{
    r->units = ran_pass_alloc(r->pass, (blocks->count + 1) * sizeof(unit));
    for (size_t i = 0; i < blocks->count; i++)
        if (!blocks->blocks[i].is_paired && is_selected(&blocks->blocks[i]))
            r->units[r->count++] = unit_of(&blocks->blocks[i]);
}

static ran_status check_budget(const refiner *r)
{
    if (r->macs <= r->budget)
        return RAN_OK;
    return ran_error(ran_pass_ir(r->pass), RAN_MISMATCH,
                     "pass 'refine-bottlenecks': macs=%lld: the network has %lld with these blocks "
                     "collapsed, before any kernel grows",
                     (long long)r->budget, (long long)r->macs);
}

static ran_status refine(refiner *r, ran_function *function)
{
    ran_sites sites;
    ran_blocks blocks;
    ran_sites_find(r->pass, function, &sites);
    ran_status status =
        ran_sites_select_layers(r->pass, function, ran_pass_string(r->pass, "spec"), &sites);
    if (status)
        return status;
    ran_blocks_find(r->pass, function, &sites, &blocks);
    list_units(r, &blocks);
    if (!r->count)
        return ran_error(ran_pass_ir(r->pass), RAN_UNSUPPORTED,
                         "pass 'refine-bottlenecks': of %s none has all of its activations "
                         "selected",
                         ran_blocks_text(r->pass, &blocks));
    collapse_largest(r, ran_pass_int(r->pass, "collapse"));
    status = check_budget(r);
    if (!status)
        grow_all(r, ran_pass_int(r->pass, "kernel"));
    return status;
}

ran_status ran_run_refine_bottlenecks(ran_pass_context *pass, ran_function *function)
{
    const char *text = ran_pass_string(pass, "macs");
    refiner r = {.pass = pass, .budget = ran_parse_count(text)};
    if (!ran_function_is_entry(function))
        return RAN_OK;
    if (r.budget < 0 || ran_pass_int(pass, "collapse") < 0)
        return ran_error(ran_pass_ir(pass), RAN_USAGE,
                         "pass 'refine-bottlenecks': macs=%s, collapse=%lld: a number of MACs such "
                         "as 490M, and how many blocks",
                         text, (long long)ran_pass_int(pass, "collapse"));
    ran_statistics *statistics = ran_statistics_create(function, RAN_RULE_ALL);
    r.macs = statistics->macs;
    ran_statistics_destroy(statistics);
    return refine(&r, function);
}
