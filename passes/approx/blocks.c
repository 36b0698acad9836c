/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "passes/approx/blocks.h"

#include <math.h>

static bool has_kernel(const ran_op *conv, int64_t *out_largest)
{
    const ran_tensor *w = ran_value_constant(ran_op_operand(conv, 1));
    *out_largest = 1;
    if (!w || (ran_op_operand(conv, 2) && !ran_value_constant(ran_op_operand(conv, 2))))
        return false;
    for (int axis = 2; axis < ran_tensor_rank(w); axis++)
        if (ran_tensor_dims(w)[axis] > *out_largest)
            *out_largest = ran_tensor_dims(w)[axis];
    return true;
}

/* One tap, all channels, every position once. */
static bool is_pointwise(const ran_op *op)
{
    int64_t kernel;
    size_t count;
    if (!ran_op_is(op, RAN_OP_CONV) || !has_kernel(op, &kernel) || kernel != 1 ||
        ran_op_int(op, "group") != 1)
        return false;
    const int64_t *strides = ran_op_ints(op, "strides", &count);
    for (size_t i = 0; i < count; i++)
        if (strides[i] != 1)
            return false;
    const int64_t *pads = ran_op_ints(op, "pads", &count);
    for (size_t i = 0; i < count; i++)
        if (pads[i])
            return false;
    return true;
}

static bool is_depthwise(const ran_op *op)
{
    int64_t kernel;
    if (!ran_op_is(op, RAN_OP_CONV) || !has_kernel(op, &kernel))
        return false;
    const int64_t *dims = ran_tensor_dims(ran_value_constant(ran_op_operand(op, 1)));
    return dims[1] == 1 && dims[0] == ran_op_int(op, "group") && dims[0] > 1;
}

static ran_op *only_user(const ran_value *value)
{
    return ran_value_has_one_use(value) ? ran_use_op(ran_value_first_use(value)) : NULL;
}

static bool take_conv(ran_op *conv, ran_block_conv *out)
{
    *out = (ran_block_conv){.conv = conv, .value = ran_op_result(conv, 0)};
    for (;;) {
        ran_op *user = only_user(out->value);
        if (!user || !ran_is_channelwise(user) || ran_op_operand(user, 0) != out->value)
            return true;
        if (out->chain_count == RAN_BLOCK_CHAIN)
            return false;
        out->chain[out->chain_count++] = user;
        out->value = ran_op_result(user, 0);
    }
}

/* The activation of `value` alone; a hybrid one uses it twice. *value moves behind it. */
static ran_site *take_activation(const ran_sites *sites, ran_value **value)
{
    for (ran_use *use = ran_value_first_use(*value); use; use = ran_use_next(use)) {
        ran_site *site = ran_sites_of(sites, ran_use_op(use));
        bool is_hybrid = site && site->y != ran_op_result(site->op, 0);
        if (!site || site->is_gate || site->x != *value ||
            ran_value_use_count(*value) != 1 + (size_t)is_hybrid)
            continue;
        *value = site->y;
        return site;
    }
    return NULL;
}

/* ---- One block ------------------------------------------------------------------------------------------ */

/* Squeeze-and-excitation: the value, and what is made of its mean over the map, are multiplied. */
static bool is_excited(const ran_value *value)
{
    bool is_pooled = false, is_multiplied = false;
    for (const ran_use *use = ran_value_first_use(value); use; use = ran_use_next(use)) {
        const ran_op *op = ran_use_op(use);
        is_pooled |= op->opcode == RAN_OP_GLOBAL_AVERAGE_POOL || op->opcode == RAN_OP_REDUCE_MEAN;
        is_multiplied |= op->opcode == RAN_OP_MUL;
    }
    return ran_value_use_count(value) == 2 && is_pooled && is_multiplied;
}

static bool match_first_half(const ran_sites *sites, ran_op *op, ran_block *out, ran_value **value)
{
    *out = (ran_block){.input = ran_op_operand(op, 0)};
    if (!is_pointwise(op) || !take_conv(op, &out->expand))
        return false;
    *value = out->expand.value;
    out->first = take_activation(sites, value);
    ran_op *depthwise = only_user(*value);
    if (!is_depthwise(depthwise) || !take_conv(depthwise, &out->depthwise))
        return false;
    *value = out->depthwise.value;
    out->second = take_activation(sites, value);
    return true;
}

static bool match_block(const ran_sites *sites, ran_op *op, ran_block *out, size_t *excited)
{
    ran_value *value;
    if (!match_first_half(sites, op, out, &value))
        return false;
    *excited += is_excited(value);
    ran_op *project = only_user(value);
    if (!is_pointwise(project) || !take_conv(project, &out->project))
        return false;
    out->result = out->project.value;
    return true;
}

static void take_lead(const ran_sites *sites, ran_block *block)
{
    ran_op *op = ran_value_op(block->input);
    ran_site *site = ran_op_is(op, RAN_OP_PRELU) ? ran_sites_of(sites, op) : NULL;
    bool is_single = site && ran_value_has_one_use(block->input) && site->slopes.count == 1;
    if (!is_single || block->first || !block->second || block->second->slopes.count != 1 ||
        !ran_op_is(block->second->op, RAN_OP_PRELU))
        return;
    double alpha = block->second->slopes.values[0];
    if (fabs(site->slopes.values[0] - (1 - alpha)) > 1e-4)
        return;
    block->lead = site;
    block->input = site->x;
    block->is_afrb = true;
    block->alpha = alpha;
}

static bool adds(const ran_op *op, const ran_value *a, const ran_value *b)
{
    return ran_op_is(op, RAN_OP_ADD) &&
           ((ran_op_operand(op, 0) == a && ran_op_operand(op, 1) == b) ||
            (ran_op_operand(op, 0) == b && ran_op_operand(op, 1) == a));
}

static void take_residual(ran_block *block, const ran_value *input)
{
    ran_op *add = only_user(block->project.value);
    if (!adds(add, block->project.value, input))
        return;
    block->add = add;
    block->result = ran_op_result(add, 0);
}

/* The block that only this one's result enters, with a residual over both. */
static void take_pairs(ran_blocks *blocks)
{
    for (size_t i = 0; i + 1 < blocks->count; i++) {
        ran_block *a = &blocks->blocks[i], *b = &blocks->blocks[i + 1];
        if (a->add || b->add || a->is_paired || b->input != a->result ||
            !ran_value_has_one_use(a->result) || a->is_afrb != b->is_afrb)
            continue;
        take_residual(b, a->input);
        if (!b->add)
            continue;
        a->pair = b;
        b->is_paired = true;
    }
}

/* In a row of pointwise and depthwise convolutions (MobileNetV1) every second pointwise one would both
 * end a block and begin one. */
static bool ends_block(const ran_blocks *blocks, const ran_op *op)
{
    for (size_t i = 0; i < blocks->count; i++)
        if (blocks->blocks[i].project.conv == op)
            return true;
    return false;
}

/* ---- All of a function ------------------------------------------------------------------------------------ */

static size_t count_convs(const ran_region *body)
{
    size_t count = 0;
    RAN_FOR_OPS (body, op) {
        count += op->opcode == RAN_OP_CONV;
        for (size_t i = 0; i < op->region_count; i++)
            count += count_convs(op->regions[i]);
    }
    return count;
}

static void find_blocks(const ran_sites *sites, ran_region *body, ran_blocks *blocks)
{
    RAN_FOR_OPS (body, op) {
        for (size_t i = 0; i < op->region_count; i++)
            find_blocks(sites, op->regions[i], blocks);
        ran_block *block = &blocks->blocks[blocks->count];
        if (ends_block(blocks, op) || !match_block(sites, op, block, &blocks->excited))
            continue;
        take_lead(sites, block);
        take_residual(block, block->input);
        blocks->count++;
    }
}

void ran_blocks_find(ran_pass_context *pass, ran_function *function, ran_sites *sites,
                     ran_blocks *out_blocks)
{
    ran_region *body = ran_function_body(function);
    *out_blocks =
        (ran_blocks){.blocks = ran_pass_alloc(pass, (count_convs(body) + 1) * sizeof(ran_block))};
    find_blocks(sites, body, out_blocks);
    take_pairs(out_blocks);
}

const char *ran_blocks_text(ran_pass_context *pass, const ran_blocks *blocks)
{
    const char *excited =
        blocks->excited ? ran_intern_printf(ran_pass_ir(pass),
                                            " (%zu more have squeeze-and-excitation inside, and can't "
                                            "become one convolution)",
                                            blocks->excited)
                        : "";
    return ran_intern_printf(ran_pass_ir(pass), "%zu inverted bottlenecks%s", blocks->count,
                             excited);
}

ran_block *ran_blocks_of(const ran_blocks *blocks, const ran_site *site)
{
    for (size_t i = 0; i < blocks->count; i++) {
        ran_block *b = &blocks->blocks[i];
        if (site && (b->lead == site || b->first == site || b->second == site))
            return b;
    }
    return NULL;
}

const char *ran_block_name(const ran_block *block)
{
    const char *name = ran_location_name(ran_op_location(block->depthwise.conv));
    if (!name || !*name)
        name = ran_value_name(ran_op_result(block->depthwise.conv, 0));
    return name && *name ? name : "block";
}
