/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * The collapsed form of an inverted bottleneck ("Restructurable Activation Networks", section 3.1): norm,
 * activation, one convolution, norm. Its kernel is the product of the three, and what their borders would
 * add is left out, because such a network is trained again; collapse-linear is the exact form.
 */
#include "passes/approx/blocks.h"

#include <math.h>
#include <string.h>

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
void ran_block_merge(ran_pass_context *pass, ran_block *block)
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

ran_value *ran_block_norm(ran_pass_context *pass, const ran_block *block, ran_op *before,
                          ran_value *x)
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
        operands[i + 1] = ran_new_constant(before, name, tensor);
    }
    ran_op *norm = ran_new_op(before, RAN_OP_BATCH_NORMALIZATION, 5, operands);
    ran_op_set_float(norm, "epsilon", 1e-5);
    return ran_finish_op(pass, norm);
}
