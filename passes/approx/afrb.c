/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * insert-afrb and harden-afrb: inverted bottlenecks whose activation is learned to stand in front or
 * inside ("Restructurable Activation Networks", section 3, figures 2 and 3, eq. 1 to 3).
 *
 *   expand, bn, act, depthwise, bn, act, project, bn
 *     =>  %s = sub 1, @alpha
 *         prelu(%s), expand, bn, depthwise, bn, prelu(@alpha), project, bn            insert-afrb
 *     =>  alpha in [low, high]:  bn, act, one convolution, bn                         harden-afrb
 *         else:                  the inverted bottleneck, with the activation of `to`
 *
 * AFRB-1: no residual. AFRB-2: a residual over the block, on its raw input. AFRB-3: two blocks in series
 * under one residual share one alpha. Alpha is a constant [1] whose name ends in ".alpha": it is the
 * only trainable slope, and both PReLUs take gradients to it.
 * The norm in front of a hardened block begins as the identity. Its convolution has the product of the
 * three kernels; what their borders would add is left out, because such a network is trained again.
 * Requires types and recognised activations; keeps types.
 */
#include "passes/approx/blocks.h"

#include <math.h>
#include <string.h>

/* ---- Rewriting activations ------------------------------------------------------------------------------ */

static void replace_site(ran_site *site, ran_value *value)
{
    ran_value_replace_uses(site->y, value);
    ran_erase_dead(ran_value_op(site->y));
}

static void exchange(ran_pass_context *pass, ran_site *site, const char *kind)
{
    site->x = ran_op_operand(site->op, 0);
    replace_site(site, ran_activation_build(pass, site->op, kind, site->x, site, RAN_UNIT_LAYER, 0));
}

static void insert_behind(ran_pass_context *pass, ran_value *value, const char *kind,
                          const ran_site *shape)
{
    ran_op *behind = ran_op_next(ran_value_op(value));
    ran_value *y = ran_activation_build(pass, behind, kind, value, shape, RAN_UNIT_LAYER, 0);
    if (y == value)
        return;
    ran_op_set_location(ran_value_op(y), ran_op_location(ran_value_op(value)));
    ran_value_replace_uses(value, y);
    ran_op_set_operand(ran_value_op(y), 0, value);
}

static void drop(ran_site *site)
{
    site->x = ran_op_operand(site->op, 0);
    replace_site(site, site->x);
}

void ran_afrb_make_linear(ran_pass_context *pass, ran_block *block, const char *kind)
{
    exchange(pass, block->lead, kind);
    drop(block->second);
}

void ran_afrb_restore(ran_pass_context *pass, ran_block *block, const char *kind)
{
    insert_behind(pass, block->expand.value, kind, block->second);
    exchange(pass, block->second, kind);
    drop(block->lead);
}

/* ---- insert-afrb ------------------------------------------------------------------------------------------- */

static ran_value *new_alpha(ran_pass_context *pass, const ran_block *block, double value)
{
    ran_elem elem = ran_type_elem(ran_value_type(block->input));
    ran_tensor *tensor = ran_tensor_create(elem, 1, &(int64_t){1});
    ran_tensor_set_f64(tensor, 0, value);
    const char *name = ran_intern_printf(ran_pass_ir(pass), "%s.alpha", ran_block_name(block));
    return ran_new_constant(block->expand.conv, name, tensor);
}

static void insert(ran_pass_context *pass, ran_block *block, ran_value *alpha)
{
    ran_op *before = block->expand.conv;
    ran_value *one = ran_new_scalar(before, ran_type_elem(ran_value_type(block->input)), 1);
    ran_value *slope = ran_new_binary(pass, before, RAN_OP_SUB, one, alpha);
    ran_op_set_operand(before, 0, ran_new_binary(pass, before, RAN_OP_PRELU, block->input, slope));
    if (block->first)
        drop(block->first);
    ran_site *second = block->second;
    second->x = ran_op_operand(second->op, 0);
    replace_site(second, ran_new_binary(pass, second->op, RAN_OP_PRELU, second->x, alpha));
}

/* All activations of the block, and of its pair. */
static bool is_selected(const ran_block *block)
{
    return (!block->first || ran_site_is_selected(block->first)) &&
           ran_site_is_selected(block->second) && (!block->pair || is_selected(block->pair));
}

static const char *why_not(const ran_block *block)
{
    if (block->is_afrb)
        return "it is restructurable already";
    if (!block->second)
        return "it has no activation behind its depthwise convolution";
    return block->pair ? why_not(block->pair) : NULL;
}

static ran_status insert_all(ran_pass_context *pass, ran_blocks *blocks, double alpha)
{
    int64_t done = 0;
    ran_pass_remark(pass, "%s", ran_blocks_text(pass, blocks));
    for (size_t i = 0; i < blocks->count; i++) {
        ran_block *block = &blocks->blocks[i];
        const char *reason = why_not(block);
        if (block->is_paired || (!reason && !is_selected(block)))
            continue;
        if (reason) {
            ran_pass_remark(pass, "%s: left, because %s", ran_block_name(block), reason);
            continue;
        }
        ran_value *slope = new_alpha(pass, block, alpha);
        insert(pass, block, slope);
        if (block->pair)
            insert(pass, block->pair, slope);
        ran_pass_count(pass, block->pair ? "afrb-3" : block->add ? "afrb-2" : "afrb-1", 1);
        done++;
    }
    if (done)
        return RAN_OK;
    return ran_error(ran_pass_ir(pass), RAN_UNSUPPORTED,
                     "pass 'insert-afrb': of %s (1x1, depthwise, 1x1 with activations between), none "
                     "has all of its activations selected",
                     ran_blocks_text(pass, blocks));
}

ran_status ran_run_insert_afrb(ran_pass_context *pass, ran_function *function)
{
    ran_sites sites;
    ran_blocks blocks;
    if (!ran_function_is_entry(function))
        return RAN_OK;
    ran_sites_find(pass, function, &sites);
    ran_status status =
        ran_sites_select_layers(pass, function, ran_pass_string(pass, "spec"), &sites);
    if (status)
        return status;
    ran_blocks_find(pass, function, &sites, &blocks);
    return insert_all(pass, &blocks, ran_pass_float(pass, "alpha"));
}

/* ---- harden-afrb -------------------------------------------------------------------------------------- */

/* A block that follows its pair finds that one's norm in front. */
static void harden(ran_pass_context *pass, ran_block *block, const char *kind, bool is_linear)
{
    if (!is_linear) {
        ran_afrb_restore(pass, block, kind);
        ran_pass_count(pass, "bottlenecks", 1);
        return;
    }
    if (!block->is_paired)
        ran_op_set_operand(block->lead->op, 0,
                           ran_block_norm(pass, block, block->lead->op, block->input));
    ran_afrb_make_linear(pass, block, kind);
    ran_block_merge(pass, block);
    ran_pass_count(pass, "collapsed", 1);
}

ran_status ran_run_harden_afrb(ran_pass_context *pass, ran_function *function)
{
    ran_sites sites;
    ran_blocks blocks;
    int64_t done = 0;
    double low = ran_pass_float(pass, "low"), high = ran_pass_float(pass, "high");
    if (!ran_function_is_entry(function))
        return RAN_OK;
    ran_sites_find(pass, function, &sites);
    ran_blocks_find(pass, function, &sites, &blocks);
    for (size_t i = 0; i < blocks.count; i++) {
        ran_block *block = &blocks.blocks[i];
        bool is_linear = block->alpha >= low && block->alpha <= high;
        if (!block->is_afrb)
            continue;
        ran_pass_remark(pass, "%s: alpha %g, %s", ran_block_name(block), block->alpha,
                        is_linear ? "collapsed" : "an inverted bottleneck");
        harden(pass, block, ran_pass_string(pass, "to"), is_linear);
        done++;
    }
    if (done)
        return RAN_OK;
    return ran_error(ran_pass_ir(pass), RAN_UNSUPPORTED,
                     "pass 'harden-afrb': no block with PReLUs of slopes 1 - alpha in front and alpha "
                     "inside; insert-afrb makes them");
}
