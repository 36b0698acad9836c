/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "passes/approx/pointwise_pair.h"

#include <string.h>

/* ---- Layers
 * ------------------------------------------------------------------------------------------ */

static bool has_plain_window(const ran_op *conv)
{
    size_t count;
    const ran_tensor *w = ran_value_constant(ran_op_operand(conv, 1));
    const int64_t *pads = ran_op_ints(conv, "pads", &count);
    for (size_t i = 0; i < count; i++)
        if (pads[i])
            return false;
    for (int axis = 2; axis < ran_tensor_rank(w); axis++)
        if (ran_tensor_dims(w)[axis] != 1)
            return false;
    return ran_op_int(conv, "group") == 1 && !strcmp(ran_op_string(conv, "auto_pad"), "NOTSET");
}

static bool has_unit_stride(const ran_op *conv)
{
    size_t count;
    const int64_t *strides = ran_op_ints(conv, "strides", &count);
    for (size_t i = 0; i < count; i++)
        if (strides[i] != 1)
            return false;
    return true;
}

static bool is_pointwise(const ran_op *op)
{
    const ran_value *w = op && op->operand_count > 1 ? ran_op_operand(op, 1) : NULL;
    if (!w || !ran_value_constant(w) || ran_value_constant(ran_op_operand(op, 0)))
        return false;
    if (op->opcode == RAN_OP_CONV)
        return has_plain_window(op) &&
               (!ran_op_operand(op, 2) || ran_value_constant(ran_op_operand(op, 2)));
    if (ran_tensor_rank(ran_value_constant(w)) != 2)
        return false;
    if (op->opcode == RAN_OP_GEMM)
        return !ran_op_int(op, "transA") && ran_op_float(op, "alpha") == 1 &&
               ran_op_float(op, "beta") == 1 &&
               (!ran_op_operand(op, 2) || ran_value_constant(ran_op_operand(op, 2)));
    return op->opcode == RAN_OP_MATMUL;
}

static bool is_out_first(const ran_op *op)
{
    return op->opcode == RAN_OP_CONV || (op->opcode == RAN_OP_GEMM && ran_op_int(op, "transB"));
}

static int64_t width(const ran_op *op, bool of_output)
{
    const int64_t *dims = ran_tensor_dims(ran_value_constant(ran_op_operand(op, 1)));
    return dims[is_out_first(op) == of_output ? 0 : 1];
}

static double weight(const ran_op *op, int64_t o, int64_t i)
{
    const ran_tensor *w = ran_value_constant(ran_op_operand(op, 1));
    return ran_tensor_get_f64(w, is_out_first(op) ? o * width(op, false) + i
                                                  : i * width(op, true) + o);
}

/* Of a row of channels, or of one number for all. */
static double row_at(const ran_value *row, int64_t channel)
{
    const ran_tensor *tensor = row ? ran_value_constant(row) : NULL;
    if (!tensor)
        return 0;
    return ran_tensor_get_f64(tensor, ran_tensor_numel(tensor) == 1 ? 0 : channel);
}

static ran_value *bias_of(const ran_pointwise_pair *pair)
{
    if (!pair->bias)
        return ran_op_operand(pair->first, 2);
    ran_value *a = ran_op_operand(pair->bias, 0);
    return ran_value_constant(a) ? a : ran_op_operand(pair->bias, 1);
}

/* ---- Matching
 * --------------------------------------------------------------------------------------------- */

/* Whether a constant varies along the channels of `x` only: `axis` from the front. */
static bool is_row(const ran_value *value, const ran_value *x, int axis)
{
    const ran_tensor *tensor = value ? ran_value_constant(value) : NULL;
    int offset = tensor ? ran_type_rank(ran_value_type(x)) - ran_tensor_rank(tensor) : 0;
    if (!tensor || offset < 0)
        return false;
    for (int i = 0; i < ran_tensor_rank(tensor); i++)
        if (i + offset != axis && ran_tensor_dims(tensor)[i] != 1)
            return false;
    return true;
}

static int channel_axis(const ran_op *op)
{
    return op->opcode == RAN_OP_CONV ? 1 : ran_type_rank(ran_value_type(ran_op_result(op, 0))) - 1;
}

/* The layer that gives x, past the addition of its bias. */
static bool match_first(ran_value *x, ran_pointwise_pair *pair)
{
    ran_op *op = ran_value_op(x);
    if (ran_op_is(op, RAN_OP_ADD)) {
        ran_value *a = ran_op_operand(op, 0), *b = ran_op_operand(op, 1);
        ran_value *inner = ran_value_constant(a) ? b : a;
        ran_op *product = ran_value_op(inner);
        if (!is_pointwise(product) || !ran_value_has_one_use(inner) ||
            !is_row(ran_value_constant(a) ? a : b, x, channel_axis(product)) ||
            !ran_match_same_type(inner, x))
            return false;
        pair->bias = op;
        op = product;
    }
    pair->first = op;
    return is_pointwise(op) && !(pair->bias && ran_op_operand(op, 2));
}

/* f(x) on some channels, x on others; fills `whole` and `activation`. */
static ran_value *match_activation(ran_op *op, ran_pointwise_pair *pair)
{
    pair->whole = pair->activation = op;
    ran_value *x = ran_op_operand(op, 0);
    if (op->opcode == RAN_OP_PRELU)
        return ran_value_has_one_use(x) ? x : NULL;
    if (op->opcode != RAN_OP_WHERE)
        return NULL;
    x = ran_op_operand(op, 1);
    ran_value *f = ran_op_operand(op, 2);
    pair->activation = ran_value_op(f);
    bool is_choice = pair->activation && ran_value_has_one_use(f) && ran_value_use_count(x) == 2 &&
                     ran_op_operand(pair->activation, 0) == x &&
                     ran_opcode_is_elementwise(pair->activation->opcode);
    for (size_t i = 1; is_choice && i < pair->activation->operand_count; i++) {
        const ran_value *other = ran_op_operand(pair->activation, i);
        is_choice = !other ||
                    (ran_value_constant(other) && ran_tensor_numel(ran_value_constant(other)) == 1);
    }
    return is_choice ? x : NULL;
}

static void take_channels(ran_pass_context *pass, ran_pointwise_pair *pair, const ran_value *row)
{
    size_t bytes = (size_t)(pair->hidden + 1) * sizeof(int64_t);
    pair->linear = ran_pass_alloc(pass, bytes);
    pair->others = ran_pass_alloc(pass, bytes);
    for (int64_t c = 0; c < pair->hidden; c++) {
        if (row_at(row, c) == 1)
            pair->linear[pair->linear_count++] = c;
        else
            pair->others[pair->other_count++] = c;
    }
}

const char *ran_pointwise_pair_match(ran_pass_context *pass, ran_op *op,
                                     ran_pointwise_pair *out_pair)
{
    *out_pair = (ran_pointwise_pair){0};
    ran_value *x = match_activation(op, out_pair);
    if (!x)
        return "it is no activation of which part is linear";
    if (!match_first(x, out_pair))
        return "no pointwise layer of its own stands in front of it";
    const ran_value *row = ran_op_operand(op, op->opcode == RAN_OP_PRELU ? 1 : 0);
    if (!is_row(row, x, channel_axis(out_pair->first)))
        return "what is linear varies over the map";
    ran_value *y = ran_op_result(op, 0);
    out_pair->second = ran_value_has_one_use(y) ? ran_use_op(ran_value_first_use(y)) : NULL;
    if (!is_pointwise(out_pair->second) || ran_op_operand(out_pair->second, 0) != y ||
        channel_axis(out_pair->second) != channel_axis(out_pair->first) ||
        (out_pair->second->opcode == RAN_OP_CONV && !has_unit_stride(out_pair->second)))
        return "no pointwise layer alone stands behind it";
    out_pair->in = width(out_pair->first, false);
    out_pair->hidden = width(out_pair->first, true);
    out_pair->out = width(out_pair->second, true);
    take_channels(pass, out_pair, row);
    if (!out_pair->linear_count || !out_pair->other_count)
        return "all of its channels are alike";
    return NULL;
}

/* ---- Building
 * ------------------------------------------------------------------------------------------------
 */

typedef struct builder {
    ran_pass_context *pass;
    const ran_pointwise_pair *pair;
    ran_op *before;
} builder;

/* The channels N of a constant along `axis`. */
static ran_value *take(const builder *b, const ran_value *constant, int axis)
{
    const ran_tensor *old = ran_value_constant(constant);
    int64_t dims[RAN_MAX_RANK], inner = 1, count = b->pair->other_count;
    for (int i = 0; i < ran_tensor_rank(old); i++) {
        dims[i] = i == axis ? count : ran_tensor_dims(old)[i];
        inner *= i > axis ? dims[i] : 1;
    }
    ran_tensor *new = ran_tensor_create(ran_tensor_elem(old), ran_tensor_rank(old), dims);
    for (int64_t i = 0; i < ran_tensor_numel(new); i++) {
        int64_t block = i / inner / count * b->pair->hidden;
        int64_t from = (block + b->pair->others[i / inner % count]) * inner + i % inner;
        ran_tensor_set_f64(new, i, ran_tensor_get_f64(old, from));
    }
    return ran_new_constant(b->before, ran_value_name(constant), new);
}

/* The same of a row, which may be one number for all. */
static ran_value *take_row(const builder *b, ran_value *row)
{
    const ran_tensor *tensor = ran_value_constant(row);
    for (int i = 0; i < ran_tensor_rank(tensor); i++)
        if (ran_tensor_dims(tensor)[i] == b->pair->hidden && b->pair->hidden > 1)
            return take(b, row, i);
    return row;
}

static ran_value *narrow_first(const builder *b)
{
    const ran_pointwise_pair *pair = b->pair;
    ran_op *op = ran_copy_op(b->before, pair->first);
    ran_op_set_operand(op, 1, take(b, ran_op_operand(op, 1), !is_out_first(op)));
    if (ran_op_operand(op, 2))
        ran_op_set_operand(op, 2, take_row(b, ran_op_operand(op, 2)));
    ran_value *x = ran_finish_op(b->pass, op);
    if (!pair->bias)
        return x;
    x = ran_new_binary(b->pass, b->before, RAN_OP_ADD, x, take_row(b, bias_of(pair)));
    ran_op_set_location(ran_value_op(x), ran_op_location(pair->bias));
    return x;
}

/* A PReLU of slopes 0 is a ReLU. */
static ran_value *activate(const builder *b, ran_value *x)
{
    double slope;
    ran_op *op = ran_copy_op(b->before, b->pair->activation);
    ran_op_set_operand(op, 0, x);
    if (op->opcode == RAN_OP_PRELU) {
        ran_value *slopes = take_row(b, ran_op_operand(op, 1));
        ran_op_set_operand(op, 1, slopes);
        if (ran_match_splat(slopes, &slope) && slope == 0) {
            ran_value *y = ran_new_unary(b->pass, b->before, RAN_OP_RELU, x);
            ran_op_set_location(ran_value_op(y), ran_op_location(op));
            ran_op_erase(op);
            return y;
        }
    }
    return ran_finish_op(b->pass, op);
}

static ran_value *narrow_second(const builder *b, ran_value *x)
{
    ran_op *op = ran_copy_op(b->before, b->pair->second);
    ran_op_set_operand(op, 0, x);
    ran_op_set_operand(op, 1, take(b, ran_op_operand(op, 1), is_out_first(op)));
    return ran_finish_op(b->pass, op);
}

/* Outputs summed at a time: a row of W1 is read once for all of them. */
enum { OUTPUT_BLOCK = 8 };

/* W1[L], row by row: it is read once an output, and decoding an element costs more than a product.
 */
static double *linear_rows(const builder *b)
{
    const ran_pointwise_pair *pair = b->pair;
    double *rows =
        ran_pass_alloc(b->pass, (size_t)(pair->linear_count * pair->in + 1) * sizeof(double));
    for (int64_t l = 0; l < pair->linear_count; l++)
        for (int64_t i = 0; i < pair->in; i++)
            rows[l * pair->in + i] = weight(pair->first, pair->linear[l], i);
    return rows;
}

static void add_scaled(double *restrict sums, double factor, const double *restrict row, int64_t n)
{
    for (int64_t i = 0; i < n; i++)
        sums[i] += factor * row[i];
}

/* Sums over L of W2[o][l] W1[l][i], in f64, for `count` outputs from `first`. */
static void sum_outputs(const ran_pointwise_pair *pair, const double *rows, int64_t first,
                        int64_t count, double *out_sums)
{
    memset(out_sums, 0, (size_t)(count * pair->in) * sizeof(double));
    for (int64_t l = 0; l < pair->linear_count; l++)
        for (int64_t o = 0; o < count; o++)
            add_scaled(out_sums + o * pair->in, weight(pair->second, first + o, pair->linear[l]),
                       rows + l * pair->in, pair->in);
}

/* W2[:,L] W1[L], rounded once, in the layout of the first layer. */
static ran_value *product_weight(const builder *b)
{
    const ran_pointwise_pair *pair = b->pair;
    const ran_tensor *old = ran_value_constant(ran_op_operand(pair->first, 1));
    bool out_first = is_out_first(pair->first);
    int64_t dims[RAN_MAX_RANK], in = pair->in;
    double *rows = linear_rows(b);
    double *sums = ran_pass_alloc(b->pass, (size_t)(OUTPUT_BLOCK * in + 1) * sizeof(double));
    for (int i = 0; i < ran_tensor_rank(old); i++)
        dims[i] = i > 1 ? 1 : (i == 0) == out_first ? pair->out : in;
    ran_tensor *new = ran_tensor_create(ran_tensor_elem(old), ran_tensor_rank(old), dims);
    for (int64_t first = 0; first < pair->out; first += OUTPUT_BLOCK) {
        int64_t count = pair->out - first < OUTPUT_BLOCK ? pair->out - first : OUTPUT_BLOCK;
        sum_outputs(pair, rows, first, count, sums);
        for (int64_t n = 0; n < count * in; n++) {
            int64_t o = first + n / in, i = n % in;
            ran_tensor_set_f64(new, out_first ? o * in + i : i * pair->out + o, sums[n]);
        }
    }
    return ran_new_constant(b->before, ran_value_name(ran_op_operand(pair->first, 1)), new);
}

/* W2[:,L] b1[L], or NULL when there is no b1. */
static ran_value *product_bias(const builder *b)
{
    const ran_pointwise_pair *pair = b->pair;
    const ran_value *bias = bias_of(pair);
    if (!bias)
        return NULL;
    ran_elem elem = ran_tensor_elem(ran_value_constant(bias));
    ran_tensor *row = ran_tensor_create(elem, 1, &pair->out);
    for (int64_t o = 0; o < pair->out; o++) {
        double sum = 0;
        for (int64_t l = 0; l < pair->linear_count; l++)
            sum += weight(pair->second, o, pair->linear[l]) * row_at(bias, pair->linear[l]);
        ran_tensor_set_f64(row, o, sum);
    }
    return ran_new_constant(b->before, ran_value_name(bias), row);
}

/* As the first layer is, of W2 W1: its output has the second one's width and map. */
static ran_value *linear_branch(const builder *b)
{
    const ran_op *first = b->pair->first;
    ran_value *bias = product_bias(b);
    bool takes_bias = first->opcode != RAN_OP_MATMUL && bias;
    ran_op *op = ran_copy_op(b->before, first);
    ran_value *operands[] = {ran_op_operand(first, 0), product_weight(b), bias};
    ran_op_set_operands(op, takes_bias ? 3 : 2, operands);
    ran_value *y = ran_finish_op(b->pass, op);
    return bias && !takes_bias ? ran_new_binary(b->pass, b->before, RAN_OP_ADD, y, bias) : y;
}

ran_value *ran_pointwise_pair_split(ran_pass_context *pass, const ran_pointwise_pair *pair,
                                    ran_branch_activation *psi)
{
    builder b = {pass, pair, pair->second};
    ran_value *lower = linear_branch(&b);
    ran_value *upper = narrow_second(&b, activate(&b, narrow_first(&b)));
    if (psi)
        lower = psi(pass, b.before, lower);
    ran_value *sum = ran_new_binary(pass, b.before, RAN_OP_ADD, upper, lower);
    ran_value_replace_uses(ran_op_result(pair->second, 0), sum);
    ran_erase_dead(pair->second);
    return sum;
}
