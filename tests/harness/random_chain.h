/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Random sequences of linear ops for property tests: convolutions of any kernel, stride, group,
 * dilation and asymmetric pads, batch normalisation, scales, shifts, average pools, transposed
 * convolutions, residual additions and parallel branches; maps may be smaller than the kernels.
 * Numbers are small integers on request, so that results can be compared exactly.
 */
#ifndef RAN_TESTS_HARNESS_RANDOM_CHAIN_H
#define RAN_TESTS_HARNESS_RANDOM_CHAIN_H

#include <math.h>
#include <ran/pass.h>

#include "ir/ir.h"

typedef struct random_chain {
    uint64_t state;
    ran_context *context;
    ran_module *module;
    ran_function *function;
    ran_builder builder;
    bool integers, symbolic;
    bool convolutions, unbiased; /* nothing else; without a bias */
    int spatial;
    int64_t size[3];
} random_chain;

static inline int64_t chain_below(random_chain *r, int64_t limit)
{
    r->state = r->state * 6364136223846793005u + 1442695040888963407u;
    return (int64_t)((r->state >> 33) % (uint64_t)limit);
}

static inline double chain_number(random_chain *r)
{
    return r->integers ? (double)(chain_below(r, 5) - 2)
                       : (double)chain_below(r, 20001) / 10000 - 1;
}

static inline ran_value *chain_constant(random_chain *r, int rank, const int64_t *dims, bool positive)
{
    ran_tensor *tensor = ran_tensor_create(RAN_ELEM_F32, rank, dims);
    for (int64_t i = 0; i < ran_tensor_numel(tensor); i++)
        ran_tensor_set_f64(tensor, i, positive ? fabs(chain_number(r)) + 0.5 : chain_number(r));
    ran_value *value = ran_constant_create(r->module, NULL, tensor);
    ran_tensor_release(tensor);
    return value;
}

static inline int64_t chain_channels(const ran_value *x)
{
    return ran_type_extent(ran_value_type(x), 1);
}

/* The result, or NULL, with the op erased, when inference refuses it or the map is empty. */
static inline ran_value *chain_finish(random_chain *r, ran_op *op)
{
    size_t diagnostics = ran_diagnostic_count(r->context);
    bool ok = ran_op_infer_types(op) == RAN_OK;
    const ran_type *type = ok ? ran_value_type(ran_op_result(op, 0)) : NULL;
    for (int i = 2; ok && i < ran_type_rank(type); i++)
        ok = !ran_dim_is_constant(ran_type_dim(type, i)) || ran_type_extent(type, i) > 0;
    if (ok)
        return ran_op_result(op, 0);
    ran_diagnostics_truncate(r->context, diagnostics);
    ran_op_erase(op);
    return NULL;
}

static inline int64_t chain_groups(random_chain *r, int64_t in)
{
    int64_t groups = 1 + chain_below(r, in);
    return in % groups || chain_below(r, 2) ? 1 : groups;
}

static inline void chain_window(random_chain *r, ran_op *op, int64_t *kernel, bool same)
{
    int64_t strides[3], dilations[3], pads[6];
    int n = r->spatial;
    for (int i = 0; i < n; i++) {
        kernel[i] = same                ? 1 + 2 * chain_below(r, 2)
                    : chain_below(r, 3) ? 1 + chain_below(r, 4)
                                        : 1;
        strides[i] = same || chain_below(r, 3) ? 1 : 2 + chain_below(r, 2);
        dilations[i] = chain_below(r, 4) || same ? 1 : 2;
        pads[i] = same ? kernel[i] / 2 : chain_below(r, 2) ? 0 : chain_below(r, 3);
        pads[n + i] = same ? kernel[i] / 2 : chain_below(r, 2) ? pads[i] : chain_below(r, 3);
    }
    ran_op_set_ints(op, "strides", strides, (size_t)n);
    ran_op_set_ints(op, "dilations", dilations, (size_t)n);
    ran_op_set_ints(op, "pads", pads, 2 * (size_t)n);
}

/* `same`: keeps the map. */
static inline ran_value *chain_conv(random_chain *r, ran_value *x, int64_t out, bool same)
{
    int64_t in = chain_channels(x), groups = chain_groups(r, in), kernel[3] = {1, 1, 1};
    ran_value *operands[3] = {x, NULL, NULL};
    ran_op *op = ran_op_create(&r->builder, RAN_OP_CONV, 3, operands, 1);
    chain_window(r, op, kernel, same);
    out = out ? out : groups * (1 + chain_below(r, 3));
    groups = out % groups ? 1 : groups;
    int64_t dims[5] = {out, in / groups, kernel[0], kernel[1], kernel[2]};
    ran_op_set_int(op, "group", groups);
    operands[1] = chain_constant(r, 2 + r->spatial, dims, false);
    operands[2] = !r->unbiased && chain_below(r, 3) ? chain_constant(r, 1, &out, false) : NULL;
    ran_op_set_operands(op, operands[2] ? 3 : 2, operands);
    return chain_finish(r, op);
}

static inline ran_value *chain_transposed(random_chain *r, ran_value *x)
{
    int64_t in = chain_channels(x), dims[5] = {in, 1 + chain_below(r, 4)}, strides[3], pads[6];
    for (int i = 0; i < r->spatial; i++) {
        strides[i] = 1 + chain_below(r, 2);
        dims[2 + i] = strides[i] + chain_below(r, 2);
        pads[i] = pads[r->spatial + i] = chain_below(r, 2);
    }
    ran_value *operands[] = {x, chain_constant(r, 2 + r->spatial, dims, false)};
    ran_op *op = ran_op_create(&r->builder, RAN_OP_CONV_TRANSPOSE, 2, operands, 1);
    ran_op_set_ints(op, "strides", strides, (size_t)r->spatial);
    ran_op_set_ints(op, "pads", pads, 2 * (size_t)r->spatial);
    return chain_finish(r, op);
}

static inline ran_value *chain_batchnorm(random_chain *r, ran_value *x)
{
    int64_t channels = chain_channels(x);
    ran_value *operands[] = {x, chain_constant(r, 1, &channels, false),
                             chain_constant(r, 1, &channels, false),
                             chain_constant(r, 1, &channels, false),
                             chain_constant(r, 1, &channels, true)};
    return chain_finish(r, ran_op_create(&r->builder, RAN_OP_BATCH_NORMALIZATION, 5, operands, 1));
}

static inline ran_value *chain_pool(random_chain *r, ran_value *x)
{
    int64_t kernel[3], strides[3], pads[6];
    for (int i = 0; i < r->spatial; i++) {
        kernel[i] = 1 + chain_below(r, 3);
        strides[i] = 1 + chain_below(r, 2);
        pads[i] = chain_below(r, kernel[i]);
        pads[r->spatial + i] = chain_below(r, kernel[i]);
    }
    ran_op *op = ran_op_create(&r->builder, RAN_OP_AVERAGE_POOL, 1, &x, 1);
    ran_op_set_ints(op, "kernel_shape", kernel, (size_t)r->spatial);
    ran_op_set_ints(op, "strides", strides, (size_t)r->spatial);
    ran_op_set_ints(op, "pads", pads, 2 * (size_t)r->spatial);
    ran_op_set_int(op, "count_include_pad", 1);
    return chain_finish(r, op);
}

static inline ran_value *chain_by_channel(random_chain *r, ran_value *x)
{
    static const ran_opcode opcodes[] = {RAN_OP_MUL, RAN_OP_ADD, RAN_OP_SUB};
    int64_t dims[4] = {chain_channels(x), 1, 1, 1};
    ran_value *operands[] = {x, chain_constant(r, 1 + r->spatial, dims, false)};
    return chain_finish(r, ran_op_create(&r->builder, opcodes[chain_below(r, 3)], 2, operands, 1));
}

/* x + f(x), f(x) + g(x), f(x) - g(x). */
static inline ran_value *chain_sum(random_chain *r, ran_value *x)
{
    int64_t out = chain_below(r, 2) ? chain_channels(x) : 1 + chain_below(r, 4);
    ran_value *a = chain_conv(r, x, out, true);
    ran_value *b = out == chain_channels(x) && chain_below(r, 2) ? x : chain_conv(r, x, out, true);
    if (a && chain_below(r, 2))
        a = chain_conv(r, a, out, true);
    if (!a || !b)
        return NULL;
    ran_value *operands[] = {a, b};
    ran_opcode opcode = chain_below(r, 4) ? RAN_OP_ADD : RAN_OP_SUB;
    return chain_finish(r, ran_op_create(&r->builder, opcode, 2, operands, 1));
}

static inline ran_value *chain_step(random_chain *r, ran_value *x)
{
    switch (r->convolutions ? 0 : chain_below(r, 12)) {
    case 0: case 1: case 2: case 3: case 4:
        return chain_conv(r, x, 0, false);
    case 5:
        return r->integers ? chain_conv(r, x, 0, true) : chain_batchnorm(r, x);
    case 6:
        return r->integers ? chain_conv(r, x, 0, true) : chain_pool(r, x);
    case 7:
        return r->symbolic ? chain_conv(r, x, 0, false) : chain_transposed(r, x);
    case 8:
        return chain_by_channel(r, x);
    default:
        return chain_sum(r, x);
    }
}

static inline ran_value *chain_input(random_chain *r, int64_t channels)
{
    static const char *const names[] = {"D", "H", "W"};
    const ran_dim *dims[5] = {ran_dim_constant(r->context, 1), ran_dim_constant(r->context, channels)};
    for (int i = 0; i < r->spatial; i++)
        dims[2 + i] = r->symbolic ? ran_dim_symbol(r->context, names[i])
                                  : ran_dim_constant(r->context, r->size[i]);
    const ran_type *type =
        ran_type_tensor(r->context, RAN_ELEM_F32, 2 + r->spatial, dims, RAN_PLAIN);
    return ran_region_add_argument(ran_function_body(r->function), "x", type);
}

/* A module whose function main(x) is a chain of up to `depth` steps. Steps that don't fit the map
 * are left out. */
static inline void random_chain_build(random_chain *r, ran_context *context, uint64_t seed, int depth)
{
    r->context = context;
    r->state = seed * 0x9e3779b97f4a7c15u + 12345;
    r->module = ran_module_create(context);
    r->function = ran_function_create(r->module, "main");
    r->builder = ran_builder_at_end(ran_function_body(r->function));
    r->spatial = chain_below(r, 4) ? 2 : 1 + (int)chain_below(r, 3);
    for (int i = 0; i < 3; i++)
        r->size[i] = 1 + chain_below(r, r->spatial == 3 ? 5 : 9);
    ran_value *x = chain_input(r, 1 + chain_below(r, 4));
    for (int i = 0; i < depth; i++) {
        ran_value *y = chain_step(r, x);
        x = y ? y : x;
    }
    ran_op_create(&r->builder, RAN_OP_RETURN, 1, &x, 0);
    ran_function_set_output_name(r->function, 0, "y");
}

static inline ran_tensor *random_chain_input(random_chain *r)
{
    const ran_value *x = ran_region_argument(ran_function_body(r->function), 0);
    int64_t dims[5] = {1, chain_channels(x), r->size[0], r->size[1], r->size[2]};
    ran_tensor *tensor = ran_tensor_create(RAN_ELEM_F32, 2 + r->spatial, dims);
    for (int64_t i = 0; i < ran_tensor_numel(tensor); i++)
        ran_tensor_set_f64(tensor, i, chain_number(r));
    return tensor;
}

#endif
