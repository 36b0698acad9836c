/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Sums over channels (channels.h): the kernels, and what is built on them. */
#include "codegen/normalize/channels.h"

#include "codegen/expand.h"
#include "codegen/normalize/normalize.h"

enum { TASKS = 32 };

static bool is_static_map(const ran_value *value)
{
    const ran_type *type = ran_value_type(value);
    return ran_type_is_tensor(type) && ran_type_elem(type) == RAN_ELEM_F32 &&
           (ran_type_rank(type) == 3 || ran_type_rank(type) == 4) && ran_type_is_static(type) &&
           ran_type_extent(type, 0) > 0 && ran_type_storage_bytes(type) > 0;
}

bool ran_channels_accepts(const ran_op *anchor, const ran_target *target)
{
    (void)target;
    const ran_value *y = ran_op_operand(anchor, 1), *shift = ran_op_operand(anchor, 2);
    return is_static_map(ran_op_operand(anchor, 0)) && (!y || is_static_map(y)) &&
           (!shift || ran_type_elem(ran_value_type(shift)) == RAN_ELEM_F32) &&
           (anchor->result_count > 1) == (anchor->opcode == RAN_OP_CHANNEL_MOMENTS || y);
}

ran_status ran_channels_describe(ran_emission *e)
{
    bool moments = e->anchor->opcode == RAN_OP_CHANNEL_MOMENTS;
    const ran_type *x = ran_value_type(ran_op_operand(e->anchor, 0));
    const ran_value *y = ran_op_operand(e->anchor, 1), *shift = ran_op_operand(e->anchor, 2);
    int64_t pixels = 1, block = e->target->block, channels = ran_type_extent(x, 1);
    int64_t blocks = (channels + block - 1) / block;
    for (int i = 2; i < ran_type_rank(x); i++)
        pixels *= ran_type_extent(x, i);
    e->body = "normalize/channels";
    e->function = moments ? "channel_moments" : "channel_sums";
    RAN_SPEC(e, struct channels_spec, x, ran_emission_io(e, ran_op_operand(e->anchor, 0)));
    RAN_SPEC(e, struct channels_spec, y, ran_emission_io(e, y));
    RAN_SPEC(e, struct channels_spec, shift, ran_emission_io(e, shift));
    RAN_SPEC(e, struct channels_spec, first, ran_emission_io_result(e, 0));
    RAN_SPEC(e, struct channels_spec, second,
             e->anchor->result_count > 1 ? ran_emission_io_result(e, 1) : -1);
    RAN_SPEC(e, struct channels_spec, n, ran_type_extent(x, 0));
    RAN_SPEC(e, struct channels_spec, chunks, ran_op_int(e->anchor, "chunks"));
    RAN_SPEC(e, struct channels_spec, channels, channels);
    RAN_SPEC(e, struct channels_spec, blocks, blocks);
    RAN_SPEC(e, struct channels_spec, pixels, pixels);
    e->tasks = ran_dim_constant(e->context, ran_op_int(e->anchor, "chunks") * blocks);
    ran_space_of_type(ran_value_type(ran_op_result(e->anchor, 0)), &e->store);
    return RAN_OK;
}

/* ---- Building blocks of the expansions -------------------------------------------------------------- */

static int rank_of(const ran_value *value)
{
    return ran_type_rank(ran_value_type(value));
}

static ran_value *binary(ran_expansion *e, ran_opcode opcode, ran_value *a, ran_value *b)
{
    return ran_expand_binary(e, opcode, a, b);
}

static ran_value *scaled(ran_expansion *e, ran_value *x, double factor)
{
    ran_elem elem = ran_type_elem(ran_value_type(x));
    return binary(e, RAN_OP_MUL, x, ran_expand_scalar(e, elem, factor));
}

/* [C] where it meets the channels of x. */
static ran_value *along(ran_expansion *e, ran_value *vector, const ran_value *x)
{
    return ran_expand_along(e, vector, 1, rank_of(x));
}

static int64_t chunks_of(const ran_expansion *e, const ran_value *x)
{
    const ran_type *type = ran_value_type(x);
    int64_t block = e->target->block, blocks = (ran_type_extent(type, 1) + block - 1) / block;
    int64_t chunks = (TASKS + blocks - 1) / blocks;
    return chunks < ran_type_extent(type, 0) ? chunks : ran_type_extent(type, 0);
}

/* Elements of a channel. */
static double channel_size(const ran_value *x)
{
    double size = 1;
    for (int i = 0; i < rank_of(x); i++)
        size *= i == 1 ? 1 : (double)ran_type_extent(ran_value_type(x), i);
    return size;
}

/* Without the axes that are reduced. */
static ran_value *reduced(ran_expansion *e, ran_opcode opcode, ran_value *x, size_t count,
                          const int64_t *axes)
{
    ran_value *operands[] = {x, ran_expand_ints(e, count, axes)};
    ran_op *op = ran_op_create(&e->builder, opcode, 2, operands, 1);
    ran_op_set_int(op, "keepdims", 0);
    return ran_expand_finish(e, op);
}

static ran_value *sum_of_chunks(ran_expansion *e, ran_value *parts)
{
    const ran_type *type = ran_value_type(parts);
    const ran_dim *channels = ran_type_dim(type, 1);
    if (ran_type_extent(type, 0) == 1)
        return ran_expand_view(e, parts, 1, &channels);
    return reduced(e, RAN_OP_REDUCE_SUM, parts, 1, (int64_t[]){0});
}

static ran_value *sum_over_images(ran_expansion *e, ran_value *x)
{
    int64_t axes[RAN_MAX_RANK];
    size_t count = 0;
    for (int i = 0; i < rank_of(x); i++)
        if (i != 1)
            axes[count++] = i;
    return reduced(e, RAN_OP_REDUCE_SUM, x, count, axes);
}

/* Sums of x, and of x * (y - shift) where y is given, of each channel: [C]. */
static void channel_sums(ran_expansion *e, ran_value *x, ran_value *y, ran_value *shift,
                         ran_value **out_sums, ran_value **out_products)
{
    if (!is_static_map(x)) {
        *out_sums = sum_over_images(e, x);
        if (y)
            *out_products = sum_over_images(
                e, binary(e, RAN_OP_MUL, x, binary(e, RAN_OP_SUB, y, along(e, shift, y))));
        return;
    }
    ran_value *operands[] = {x, y, shift};
    ran_op *op = ran_op_create(&e->builder, RAN_OP_CHANNEL_SUMS, y ? 3 : 1, operands, y ? 2 : 1);
    ran_op_set_int(op, "chunks", chunks_of(e, x));
    (void)ran_expand_finish(e, op);
    *out_sums = sum_of_chunks(e, ran_op_result(op, 0));
    if (y)
        *out_products = sum_of_chunks(e, ran_op_result(op, 1));
}

/* Elements of each chunk as [chunks, 1], times `factor`. */
static ran_value *chunk_sizes(ran_expansion *e, const ran_value *x, int64_t chunks, double factor)
{
    int64_t n = ran_type_extent(ran_value_type(x), 0);
    double pixels = channel_size(x) / (double)n;
    ran_tensor *tensor = ran_tensor_create(RAN_ELEM_F32, 2, (int64_t[]){chunks, 1});
    for (int64_t i = 0; i < chunks; i++)
        ran_tensor_set_f64(tensor, i,
                           (double)((i + 1) * n / chunks - i * n / chunks) * pixels * factor);
    ran_value *constant = ran_constant_create(e->builder.module, NULL, tensor);
    ran_tensor_release(tensor);
    return constant;
}

/* Mean and variance of each channel: chunks' means weigh by their size, and their squares gain what
 * their means are off (Chan, Golub and LeVeque, 1979). */
static void moments_of_chunks(ran_expansion *e, ran_value *x, ran_value **out_mean,
                              ran_value **out_variance)
{
    int64_t chunks = chunks_of(e, x);
    double size = channel_size(x);
    ran_op *op = ran_op_create(&e->builder, RAN_OP_CHANNEL_MOMENTS, 1, &x, 2);
    ran_op_set_int(op, "chunks", chunks);
    (void)ran_expand_finish(e, op);
    ran_value *means = ran_op_result(op, 0), *squares = scaled(e, ran_op_result(op, 1), 1 / size);
    if (chunks == 1) {
        *out_mean = sum_of_chunks(e, means);
        *out_variance = sum_of_chunks(e, squares);
        return;
    }
    ran_value *weights = chunk_sizes(e, x, chunks, 1 / size);
    *out_mean = sum_of_chunks(e, binary(e, RAN_OP_MUL, means, weights));
    ran_value *off = binary(e, RAN_OP_SUB, means, *out_mean);
    ran_value *gained = binary(e, RAN_OP_MUL, binary(e, RAN_OP_MUL, off, off), weights);
    *out_variance = sum_of_chunks(e, binary(e, RAN_OP_ADD, squares, gained));
}

static void moments(ran_expansion *e, ran_value *x, ran_value **out_mean, ran_value **out_variance)
{
    double size = channel_size(x);
    if (is_static_map(x)) {
        moments_of_chunks(e, x, out_mean, out_variance);
        return;
    }
    *out_mean = scaled(e, sum_over_images(e, x), 1 / size);
    ran_value *off = binary(e, RAN_OP_SUB, x, along(e, *out_mean, x));
    *out_variance = scaled(e, sum_over_images(e, binary(e, RAN_OP_MUL, off, off)), 1 / size);
}

/* ---- Expansions ----------------------------------------------------------------------------------------- */

/* old * momentum + next * (1 - momentum) */
static ran_value *moved(ran_expansion *e, ran_value *old, ran_value *next, double factor)
{
    double momentum = ran_op_float(e->op, "momentum");
    return binary(e, RAN_OP_ADD, scaled(e, old, momentum),
                  scaled(e, next, (1 - momentum) * factor));
}

bool ran_expand_batch_normalization_training(ran_expansion *e)
{
    ran_value *x = ran_op_operand(e->op, 0), *mean, *variance;
    if (!ran_type_is_static(ran_value_type(x)))
        return false;
    ran_elem elem = ran_type_elem(ran_value_type(x));
    double size = channel_size(x), unbiased = size > 1 ? size / (size - 1) : 1;
    moments(e, x, &mean, &variance);
    ran_value *epsilon = ran_expand_scalar(e, elem, ran_op_float(e->op, "epsilon"));
    ran_value *deviation =
        ran_expand_unary(e, RAN_OP_SQRT, binary(e, RAN_OP_ADD, variance, epsilon));
    ran_value *inverse = ran_expand_unary(e, RAN_OP_RECIPROCAL, deviation);
    ran_value *factor = binary(e, RAN_OP_MUL, inverse, ran_op_operand(e->op, 1));
    ran_value *centred = binary(e, RAN_OP_SUB, x, along(e, mean, x));
    e->results[0] = binary(e, RAN_OP_ADD, binary(e, RAN_OP_MUL, centred, along(e, factor, x)),
                           along(e, ran_op_operand(e->op, 2), x));
    e->results[1] = moved(e, ran_op_operand(e->op, 3), mean, 1);
    e->results[2] = moved(e, ran_op_operand(e->op, 4), variance, unbiased);
    e->results[3] = mean;
    e->results[4] = inverse;
    return true;
}

bool ran_expand_batch_normalization_gradient(ran_expansion *e)
{
    ran_value *dy = ran_op_operand(e->op, 0), *x = ran_op_operand(e->op, 1), *sums, *products;
    ran_value *mean = ran_op_operand(e->op, 3), *inverse = ran_op_operand(e->op, 4);
    if (!ran_type_is_static(ran_value_type(x)))
        return false;
    double size = channel_size(x);
    channel_sums(e, dy, x, mean, &sums, &products);
    ran_value *dscale = binary(e, RAN_OP_MUL, products, inverse);
    ran_value *slope = binary(e, RAN_OP_MUL, scaled(e, dscale, 1 / size), inverse);
    ran_value *factor = binary(e, RAN_OP_MUL, inverse, ran_op_operand(e->op, 2));
    ran_value *centred = binary(e, RAN_OP_SUB, x, along(e, mean, x));
    ran_value *level = binary(e, RAN_OP_SUB, dy, along(e, scaled(e, sums, 1 / size), x));
    ran_value *rest =
        binary(e, RAN_OP_SUB, level, binary(e, RAN_OP_MUL, centred, along(e, slope, x)));
    e->results[0] = binary(e, RAN_OP_MUL, rest, along(e, factor, x));
    e->results[1] = dscale;
    e->results[2] = sums;
    return true;
}

bool ran_is_channel_sum(const ran_op *op)
{
    int64_t axes[RAN_MAX_RANK];
    const ran_value *x = ran_op_operand(op, 0);
    if (op->opcode != RAN_OP_REDUCE_SUM || !is_static_map(x) || !ran_op_operand(op, 1))
        return false;
    int64_t count = ran_op_known_ints(op, 1, axes, RAN_MAX_RANK);
    bool others = count == rank_of(x) - 1;
    for (int64_t i = 0; i < count; i++)
        others = others && ran_axis(axes[i], rank_of(x)) != 1;
    return others;
}

bool ran_expand_channel_sum(ran_expansion *e)
{
    const ran_dim *dims[RAN_MAX_RANK];
    const ran_type *type = ran_value_type(ran_op_result(e->op, 0));
    ran_value *sums;
    if (!ran_is_channel_sum(e->op))
        return false;
    channel_sums(e, ran_op_operand(e->op, 0), NULL, NULL, &sums, NULL);
    for (int i = 0; i < ran_type_rank(type); i++)
        dims[i] = ran_type_dim(type, i);
    e->results[0] = ran_expand_view(e, sums, ran_type_rank(type), dims);
    return true;
}
