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
                     "pass 'insert-afrb': of %zu inverted bottlenecks (1x1, depthwise, 1x1 with "
                     "activations between), none has all of its activations selected",
                     blocks->count);
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

/* ---- The collapsed block --------------------------------------------------------------------------------------- */

/* y = factor x + shift a channel, for a convolution's bias and the chain behind it. */
typedef struct channel_map {
    double *factor, *shift;
} channel_map;

static double entry(const ran_op *op, size_t operand, int64_t channel)
{
    const ran_value *value = ran_op_operand(op, operand);
    int axis = ran_channels_axis_of(op, value, 1);
    return ran_tensor_get_f64(ran_value_constant(value), axis < 0 ? 0 : channel);
}

static void apply_op(const ran_op *op, int64_t c, double *factor, double *shift)
{
    double a = 1, b = 0;
    switch (op->opcode) {
    case RAN_OP_BATCH_NORMALIZATION:
        a = entry(op, 1, c) / sqrt(entry(op, 4, c) + ran_op_float(op, "epsilon"));
        b = entry(op, 2, c) - entry(op, 3, c) * a;
        break;
    case RAN_OP_MUL:
        a = entry(op, 1, c);
        break;
    case RAN_OP_DIV:
        a = 1 / entry(op, 1, c);
        break;
    case RAN_OP_ADD:
        b = entry(op, 1, c);
        break;
    case RAN_OP_SUB:
        b = -entry(op, 1, c);
        break;
    default: /* identity */
        break;
    }
    *factor *= a;
    *shift = *shift * a + b;
}

static channel_map map_of(ran_pass_context *pass, const ran_block_conv *conv, int64_t channels)
{
    channel_map map = {ran_pass_alloc(pass, (size_t)channels * sizeof(double)),
                       ran_pass_alloc(pass, (size_t)channels * sizeof(double))};
    const ran_value *bias = ran_op_operand(conv->conv, 2);
    for (int64_t c = 0; c < channels; c++) {
        map.factor[c] = 1;
        map.shift[c] = bias ? ran_tensor_get_f64(ran_value_constant(bias), c) : 0;
        for (size_t i = 0; i < conv->chain_count; i++)
            apply_op(conv->chain[i], c, &map.factor[c], &map.shift[c]);
    }
    return map;
}

typedef struct product {
    const double *w1, *d, *w3;
    const ran_tensor *kernel; /* of the depthwise convolution */
    int64_t in, hidden, out, taps;
    channel_map first, second;
} product;

static const double *numbers(ran_pass_context *pass, const ran_block_conv *conv)
{
    const ran_tensor *tensor = ran_value_constant(ran_op_operand(conv->conv, 1));
    double *all = ran_pass_alloc(pass, (size_t)ran_tensor_numel(tensor) * sizeof(double));
    for (int64_t i = 0; i < ran_tensor_numel(tensor); i++)
        all[i] = ran_tensor_get_f64(tensor, i);
    return all;
}

static product product_of(ran_pass_context *pass, const ran_block *block)
{
    const ran_tensor *w1 = ran_value_constant(ran_op_operand(block->expand.conv, 1));
    const ran_tensor *w3 = ran_value_constant(ran_op_operand(block->project.conv, 1));
    product p = {.w1 = numbers(pass, &block->expand),
                 .d = numbers(pass, &block->depthwise),
                 .w3 = numbers(pass, &block->project),
                 .kernel = ran_value_constant(ran_op_operand(block->depthwise.conv, 1)),
                 .hidden = ran_tensor_dims(w1)[0],
                 .in = ran_tensor_dims(w1)[1],
                 .out = ran_tensor_dims(w3)[0]};
    p.taps = ran_tensor_numel(p.kernel) / p.hidden;
    p.first = map_of(pass, &block->expand, p.hidden);
    p.second = map_of(pass, &block->depthwise, p.hidden);
    return p;
}

/* One filter: sum_m W3[o][m] A2[m] D[m][u] A1[m] W1[m][i] for all i and u. */
static void collapse_filter(const product *p, int64_t o, double *sums)
{
    memset(sums, 0, (size_t)(p->in * p->taps) * sizeof(*sums));
    for (int64_t m = 0; m < p->hidden; m++) {
        double scale = p->w3[o * p->hidden + m] * p->second.factor[m] * p->first.factor[m];
        for (int64_t i = 0; i < p->in; i++)
            for (int64_t u = 0; u < p->taps; u++)
                sums[i * p->taps + u] +=
                    scale * p->w1[m * p->in + i] * p->d[m * p->taps + u];
    }
}

/* Summed in f64, rounded once. */
static ran_tensor *collapsed_weight(ran_pass_context *pass, const product *p)
{
    int64_t dims[RAN_MAX_RANK] = {p->out, p->in}, size = p->in * p->taps;
    int rank = ran_tensor_rank(p->kernel);
    for (int axis = 2; axis < rank; axis++)
        dims[axis] = ran_tensor_dims(p->kernel)[axis];
    ran_tensor *w = ran_tensor_create(ran_tensor_elem(p->kernel), rank, dims);
    double *sums = ran_pass_alloc(pass, (size_t)size * sizeof(double));
    for (int64_t o = 0; o < p->out; o++) {
        collapse_filter(p, o, sums);
        for (int64_t i = 0; i < size; i++)
            ran_tensor_set_f64(w, o * size + i, sums[i]);
    }
    return w;
}

/* B*[o] = b3 + sum_m W3[o][m] (b2[m] + b1[m] sum_u D[m][u]), inside of the map. */
static double collapsed_bias(const product *p, const ran_block *block, int64_t o)
{
    const ran_value *own = ran_op_operand(block->project.conv, 2);
    double sum = own ? ran_tensor_get_f64(ran_value_constant(own), o) : 0;
    for (int64_t m = 0; m < p->hidden; m++) {
        double taps = 0;
        for (int64_t u = 0; u < p->taps; u++)
            taps += p->d[m * p->taps + u];
        sum += p->w3[o * p->hidden + m] *
               (p->second.shift[m] + p->second.factor[m] * taps * p->first.shift[m]);
    }
    return sum;
}

static ran_value *shifted_mean(const product *p, const ran_block *block, const ran_op *norm)
{
    ran_tensor *mean = ran_tensor_copy(ran_value_constant(ran_op_operand(norm, 3)));
    for (int64_t o = 0; o < p->out; o++)
        ran_tensor_set_f64(mean, o, ran_tensor_get_f64(mean, o) - collapsed_bias(p, block, o));
    return ran_new_constant(block->project.conv, ran_value_name(ran_op_operand(norm, 3)), mean);
}

static ran_value *new_bias(const product *p, const ran_block *block)
{
    ran_tensor *bias = ran_tensor_create(ran_tensor_elem(p->kernel), 1, &p->out);
    for (int64_t o = 0; o < p->out; o++)
        ran_tensor_set_f64(bias, o, collapsed_bias(p, block, o));
    const char *name = ran_value_name(ran_op_operand(block->project.conv, 1));
    return ran_new_constant(block->project.conv, name, bias);
}

/* The three convolutions become one; a norm behind them takes the bias into its mean. */
static void collapse(ran_pass_context *pass, ran_block *block)
{
    product p = product_of(pass, block);
    ran_op *norm = block->project.chain_count ? block->project.chain[0] : NULL;
    ran_op *conv = ran_copy_op(block->project.conv, block->depthwise.conv);
    const char *name = ran_value_name(ran_op_operand(block->depthwise.conv, 1));
    ran_op_set_int(conv, "group", 1);
    ran_op_set_operand(conv, 0, ran_op_operand(block->expand.conv, 0));
    ran_op_set_operand(conv, 1, ran_new_constant(conv, name, collapsed_weight(pass, &p)));
    ran_value *operands[] = {ran_op_operand(conv, 0), ran_op_operand(conv, 1), NULL};
    bool has_norm = ran_op_is(norm, RAN_OP_BATCH_NORMALIZATION);
    if (has_norm)
        ran_op_set_operand(norm, 3, shifted_mean(&p, block, norm));
    else
        operands[2] = new_bias(&p, block);
    ran_op_set_operands(conv, has_norm ? 2 : 3, operands);
    ran_value_replace_uses(ran_op_result(block->project.conv, 0), ran_finish_op(pass, conv));
    ran_erase_dead(block->project.conv);
}

/* gamma 1, beta 0, mean 0, variance 1 - epsilon. */
static ran_value *identity_norm(ran_pass_context *pass, const ran_block *block, ran_value *x)
{
    static const char *const roles[] = {"scale", "bias", "mean", "variance"};
    const double values[] = {1, 0, 0, 1 - 1e-5};
    int64_t channels = ran_type_extent(ran_value_type(x), 1);
    ran_value *operands[5] = {x};
    for (size_t i = 0; i < 4; i++) {
        ran_tensor *tensor = ran_tensor_create(ran_type_elem(ran_value_type(x)), 1, &channels);
        for (int64_t c = 0; c < channels; c++)
            ran_tensor_set_f64(tensor, c, values[i]);
        const char *name = ran_intern_printf(ran_pass_ir(pass), "%s.norm.%s",
                                             ran_block_name(block), roles[i]);
        operands[i + 1] = ran_new_constant(block->lead->op, name, tensor);
    }
    ran_op *norm = ran_new_op(block->lead->op, RAN_OP_BATCH_NORMALIZATION, 5, operands);
    ran_op_set_float(norm, "epsilon", 1e-5);
    return ran_finish_op(pass, norm);
}

/* A block that follows its pair finds that one's norm in front. */
static void harden(ran_pass_context *pass, ran_block *block, const char *kind, bool is_linear)
{
    if (!is_linear) {
        ran_afrb_restore(pass, block, kind);
        ran_pass_count(pass, "bottlenecks", 1);
        return;
    }
    if (!block->is_paired)
        ran_op_set_operand(block->lead->op, 0, identity_norm(pass, block, block->input));
    ran_afrb_make_linear(pass, block, kind);
    collapse(pass, block);
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
