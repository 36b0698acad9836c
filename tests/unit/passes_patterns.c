/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Exact passes keep the function: random networks, of the patterns that passes look for, give the same
 * results before and after each pass and each level, by the reference evaluator. */
#include "tests/harness/unit.h"
#include "tests/harness/random_module.h"

#include <math.h>
#include <ran/pass.h>
#include <string.h>

enum { VALUES = 256, NETWORKS = 400, OPS = 14 };

typedef struct network {
    random_module r; /* the generator of numbers, and the context */
    ran_builder builder;
    ran_value *values[VALUES];
    size_t count;
} network;

static uint32_t below(network *n, uint32_t limit)
{
    return random_below(&n->r, limit);
}

/* ---- Building blocks -------------------------------------------------------------------------------- */

static ran_value *constant(network *n, int rank, const int64_t *dims, double low, double high)
{
    ran_tensor *tensor = ran_tensor_create(RAN_ELEM_F32, rank, dims);
    for (int64_t i = 0; i < ran_tensor_numel(tensor); i++)
        ran_tensor_set_f64(tensor, i, low + (high - low) * below(n, 1000) / 999.0);
    ran_value *value = ran_constant_create(n->r.module, NULL, tensor);
    ran_tensor_release(tensor);
    return value;
}

static ran_value *scalar(network *n, double value)
{
    return constant(n, 0, NULL, value, value);
}

static ran_value *ints(network *n, size_t count, const int64_t *values)
{
    ran_tensor *tensor = ran_tensor_create(RAN_ELEM_I64, 1, &(int64_t){(int64_t)count});
    for (size_t i = 0; i < count; i++)
        ran_tensor_set_i64(tensor, (int64_t)i, values[i]);
    ran_value *value = ran_constant_create(n->r.module, NULL, tensor);
    ran_tensor_release(tensor);
    return value;
}

static ran_value *finish(ran_op *op)
{
    ck_assert_int_eq(ran_op_infer_types(op), RAN_OK);
    return ran_op_result(op, 0);
}

static ran_value *unary(network *n, ran_opcode opcode, ran_value *x)
{
    return ran_build(&n->builder, opcode, 1, &x);
}

/* Commutative ones in either order. */
static ran_value *binary(network *n, ran_opcode opcode, ran_value *a, ran_value *b)
{
    bool commutes = opcode == RAN_OP_ADD || opcode == RAN_OP_MUL;
    ran_value *operands[] = {a, b}, *swapped[] = {b, a};
    return ran_build(&n->builder, opcode, 2, commutes && below(n, 2) ? swapped : operands);
}

static int64_t extent(const ran_value *x, int axis)
{
    return ran_type_extent(ran_value_type(x), axis);
}

/* ---- Ops on maps [N, C, H, W] ------------------------------------------------------------------------- */

static ran_value *conv(network *n, ran_value *x)
{
    int64_t k = 1 + 2 * below(n, 2), c = extent(x, 1), group = below(n, 3) ? 1 : c;
    int64_t out = group > 1 ? c : 1 + below(n, 5), p = k == 3 ? 1 : 0;
    int64_t dims[] = {out, c / group, k, k};
    bool transposed = !below(n, 5), biased = below(n, 2);
    if (transposed) {
        dims[0] = c;
        dims[1] = out / group;
    }
    ran_value *operands[] = {x, constant(n, 4, dims, -0.5, 0.5), NULL};
    if (biased)
        operands[2] = constant(n, 1, &out, -1, 1);
    ran_op *op = ran_op_create(&n->builder, transposed ? RAN_OP_CONV_TRANSPOSE : RAN_OP_CONV,
                               biased ? 3 : 2, operands, 1);
    ran_op_set_int(op, "group", group);
    if (below(n, 3))
        ran_op_set_ints(op, "pads", (int64_t[]){p, p, p, p}, 4);
    else
        ran_op_set_string(op, "auto_pad", below(n, 2) ? "SAME_UPPER" : "SAME_LOWER");
    return finish(op);
}

static ran_value *batchnorm(network *n, ran_value *x)
{
    int64_t c = extent(x, 1);
    ran_value *operands[] = {x, constant(n, 1, &c, 0.5, 1.5), constant(n, 1, &c, -1, 1),
                             constant(n, 1, &c, -1, 1), constant(n, 1, &c, 0.5, 1.5)};
    return ran_build(&n->builder, RAN_OP_BATCH_NORMALIZATION, 5, operands);
}

static ran_value *channel_constant(network *n, ran_value *x)
{
    static const ran_opcode ops[] = {RAN_OP_ADD, RAN_OP_MUL, RAN_OP_SUB, RAN_OP_DIV};
    int64_t dims[] = {extent(x, 1), 1, 1};
    ran_value *c = below(n, 3) ? constant(n, 3, dims, 0.5, 1.5) : scalar(n, 0.25 * (1 + below(n, 8)));
    ran_opcode opcode = ops[below(n, 4)];
    return opcode == RAN_OP_SUB && below(n, 2) ? binary(n, opcode, c, x) : binary(n, opcode, x, c);
}

static ran_value *padded_op(network *n, ran_value *x)
{
    ran_value *from = below(n, 2) ? unary(n, RAN_OP_RELU, x) : x;
    int64_t pads[] = {0, 0, below(n, 2), below(n, 2), 0, 0, 1, below(n, 2)};
    ran_value *operands[] = {from, ints(n, 8, pads)};
    ran_value *padded = ran_build(&n->builder, RAN_OP_PAD, 2, operands);
    if (below(n, 2))
        return conv(n, padded);
    ran_op *pool = ran_op_create(&n->builder, below(n, 2) ? RAN_OP_MAX_POOL : RAN_OP_AVERAGE_POOL, 1,
                                 &padded, 1);
    ran_op_set_ints(pool, "kernel_shape", (int64_t[]){2, 2}, 2);
    ran_op_set_ints(pool, "strides", (int64_t[]){1, 1}, 2);
    return finish(pool);
}

static ran_value *transpose(network *n, ran_value *x, const int64_t *perm)
{
    ran_op *op = ran_op_create(&n->builder, RAN_OP_TRANSPOSE, 1, &x, 1);
    ran_op_set_ints(op, "perm", perm, 4);
    return finish(op);
}

static ran_value *activation(network *n, ran_value *x);

static ran_value *layernorm(network *n, ran_value *x, int64_t axis, int64_t channels)
{
    ran_value *axes = ints(n, 1, &axis);
    ran_value *mean = ran_build(&n->builder, RAN_OP_REDUCE_MEAN, 2, (ran_value *[]){x, axes});
    ran_value *centred = binary(n, RAN_OP_SUB, x, mean);
    ran_value *square = below(n, 2) ? binary(n, RAN_OP_MUL, centred, centred)
                                    : binary(n, RAN_OP_POW, centred, scalar(n, 2));
    ran_value *variance =
        ran_build(&n->builder, RAN_OP_REDUCE_MEAN, 2, (ran_value *[]){square, axes});
    ran_value *root = unary(n, RAN_OP_SQRT, binary(n, RAN_OP_ADD, variance, scalar(n, 0.01)));
    ran_value *y = below(n, 2) ? binary(n, RAN_OP_DIV, centred, root)
                               : binary(n, RAN_OP_MUL, centred, unary(n, RAN_OP_RECIPROCAL, root));
    int64_t dims[] = {channels, 1, 1};
    int rank = axis == 1 ? 3 : 1;
    if (below(n, 2))
        y = binary(n, RAN_OP_MUL, y, constant(n, rank, dims, 0.5, 1.5));
    return below(n, 2) ? binary(n, RAN_OP_ADD, y, constant(n, rank, dims, -1, 1)) : y;
}

/* There and back, with something in between. */
static ran_value *channels_last(network *n, ran_value *x)
{
    ran_value *y = transpose(n, x, (int64_t[]){0, 2, 3, 1});
    if (below(n, 2))
        y = activation(n, y);
    if (below(n, 3) == 0)
        y = layernorm(n, y, -1, extent(x, 1));
    y = binary(n, RAN_OP_ADD, y, constant(n, 1, (int64_t[]){extent(x, 1)}, -1, 1));
    return transpose(n, y, (int64_t[]){0, 3, 1, 2});
}

static ran_value *gelu(network *n, ran_value *x)
{
    ran_value *u, *gate;
    if (below(n, 2)) {
        u = below(n, 2) ? binary(n, RAN_OP_DIV, x, scalar(n, 1.41421356))
                        : binary(n, RAN_OP_MUL, x, scalar(n, 0.70710678));
        gate = unary(n, RAN_OP_ERF, u);
    } else {
        ran_value *cube = below(n, 2) ? binary(n, RAN_OP_POW, x, scalar(n, 3))
                                      : binary(n, RAN_OP_MUL, x, binary(n, RAN_OP_MUL, x, x));
        u = binary(n, RAN_OP_ADD, x, binary(n, RAN_OP_MUL, cube, scalar(n, 0.044715)));
        gate = unary(n, RAN_OP_TANH, binary(n, RAN_OP_MUL, u, scalar(n, 0.79788456)));
    }
    ran_value *half = scalar(n, below(n, 6) ? 0.5 : 0.4); /* at times it is no GELU */
    gate = binary(n, RAN_OP_ADD, gate, scalar(n, 1));
    if (below(n, 2))
        return binary(n, RAN_OP_MUL, binary(n, RAN_OP_MUL, x, half), gate);
    return binary(n, RAN_OP_MUL, binary(n, RAN_OP_MUL, x, gate), half);
}

static ran_value *hard_gate(network *n, ran_value *x)
{
    ran_value *operands[] = {binary(n, RAN_OP_ADD, x, scalar(n, 3)), scalar(n, 0), scalar(n, 6)};
    ran_value *clip = ran_build(&n->builder, RAN_OP_CLIP, 3, operands);
    return binary(n, RAN_OP_DIV, clip, scalar(n, 6));
}

static ran_value *activation(network *n, ran_value *x)
{
    switch (below(n, 7)) {
    case 0:
        return unary(n, RAN_OP_RELU, x);
    case 1:
        return binary(n, RAN_OP_MUL, x, unary(n, RAN_OP_SIGMOID, x));
    case 2:
        return gelu(n, x);
    case 3:
        return binary(n, RAN_OP_MUL, x, hard_gate(n, x));
    case 4:
        return hard_gate(n, x);
    case 5:
        return binary(n, RAN_OP_MIN, binary(n, RAN_OP_MAX, x, scalar(n, 0)), scalar(n, 2));
    default:
        return unary(n, RAN_OP_TANH, x);
    }
}

static ran_value *gated(network *n, ran_value *x)
{
    int64_t c = extent(x, 1), b = extent(x, 0), small = 2;
    ran_value *pooled = unary(n, RAN_OP_GLOBAL_AVERAGE_POOL, x);
    ran_value *y = unary(n, RAN_OP_FLATTEN, pooled);
    int64_t first[] = {c, small}, second[] = {small, c}, map[] = {b, c, 1, 1};
    y = binary(n, RAN_OP_MATMUL, y, constant(n, 2, first, -1, 1));
    y = binary(n, RAN_OP_ADD, y, constant(n, 1, &small, -1, 1));
    y = unary(n, RAN_OP_RELU, y);
    y = binary(n, RAN_OP_MATMUL, y, constant(n, 2, second, -1, 1));
    y = unary(n, RAN_OP_SIGMOID, y);
    ran_value *gate = ran_build(&n->builder, RAN_OP_RESHAPE, 2, (ran_value *[]){y, ints(n, 4, map)});
    return binary(n, RAN_OP_MUL, x, gate);
}

static ran_value *joined(network *n, ran_value *x)
{
    ran_op *op = ran_op_create(&n->builder, RAN_OP_CONCAT, 2, (ran_value *[]){x, activation(n, x)}, 1);
    ran_op_set_int(op, "axis", 1);
    return finish(op);
}

static ran_value *random_op(network *n)
{
    /* Mostly the last value; an older one has other users then. */
    ran_value *x = n->values[n->count - 1 - (below(n, 4) ? 0 : below(n, (uint32_t)n->count))];
    switch (below(n, 12)) {
    case 0:
    case 1:
    case 2:
        return conv(n, x);
    case 3:
    case 4:
        return batchnorm(n, x);
    case 5:
    case 6:
        return channel_constant(n, x);
    case 7:
        return padded_op(n, x);
    case 8:
        return channels_last(n, x);
    case 9:
        return below(n, 2) ? gated(n, x) : layernorm(n, x, 1, extent(x, 1));
    case 10:
        return extent(x, 1) < 6 ? joined(n, x) : unary(n, RAN_OP_IDENTITY, x);
    default:
        return activation(n, x);
    }
}

static ran_module *random_network(ran_context *context, uint64_t seed)
{
    network n = {.r = {.state = seed * 2654435761u + 12345, .context = context}};
    n.r.module = ran_module_create(context);
    ran_function *function = ran_function_create(n.r.module, "main");
    ran_region *body = ran_function_body(function);
    n.builder = ran_builder_at_end(body);
    n.values[n.count++] = ran_region_add_argument(
        body, "x", ran_type_tensor_i64(context, RAN_ELEM_F32, 4, (int64_t[]){2, 3, 5, 4}));
    for (int i = 0; i < OPS; i++) {
        n.values[n.count] = random_op(&n);
        n.count++;
    }
    ran_value *last = n.values[n.count - 1];
    ran_op_create(&n.builder, RAN_OP_RETURN, 1, &last, 0);
    return n.r.module;
}

/* ---- Comparison ---------------------------------------------------------------------------------------- */

static ran_tensor *run(const ran_module *module)
{
    ran_tensor *x = ran_tensor_create(RAN_ELEM_F32, 4, (int64_t[]){2, 3, 5, 4}), *y = NULL;
    for (int64_t i = 0; i < ran_tensor_numel(x); i++)
        ran_tensor_set_f64(x, i, sin(0.7 * (double)i));
    ck_assert_int_eq(ran_evaluate(ran_module_first_function(module),
                                  (const ran_tensor *const[]){x}, 1, &y, 1),
                     RAN_OK);
    ran_tensor_release(x);
    return y;
}

static double difference(const ran_tensor *a, const ran_tensor *b)
{
    double largest = 1e-30, worst = 0;
    ck_assert_int_eq(ran_tensor_numel(a), ran_tensor_numel(b));
    for (int64_t i = 0; i < ran_tensor_numel(a); i++) {
        double x = ran_tensor_get_f64(a, i), y = ran_tensor_get_f64(b, i);
        largest = fmax(largest, fabs(x));
        if (isnan(x) != isnan(y))
            return INFINITY;
        if (!isnan(x) && x != y)
            worst = fmax(worst, fabs(x - y));
    }
    return worst / largest;
}

static void set_up(ran_pass_manager *manager, const char *what)
{
    ran_status status = what[0] == '-' ? ran_pass_manager_set_level(manager, what + 2)
                                       : ran_pass_manager_add_passes(manager, what);
    ck_assert_int_eq(status, RAN_OK);
    ck_assert_int_eq(ran_pass_manager_set_option(manager, "verify-each", NULL), RAN_OK);
}

static void check_keeps(ran_context *context, const ran_module *module, uint64_t seed,
                        const char *what)
{
    ran_module *changed = ran_module_clone(module);
    ran_pass_manager *manager = ran_pass_manager_create(context);
    set_up(manager, what);
    ck_assert_int_eq(ran_pass_manager_run(manager, changed), RAN_OK);
    ran_tensor *before = run(module), *after = run(changed);
    double worst = difference(before, after);
    /* 1e-5 but for networks that cancel: roundings, of single precision, over dozens of ops. */
    if (!(worst < 1e-4)) {
        ck_assert_int_eq(ran_module_print(module, stderr, NULL), RAN_OK);
        ck_assert_int_eq(ran_module_print(changed, stderr, NULL), RAN_OK);
        ck_abort_msg("seed %llu, %s: differs by %g", (unsigned long long)seed, what, worst);
    }
    ran_tensor_release(before);
    ran_tensor_release(after);
    ran_pass_manager_destroy(manager);
    ran_module_destroy(changed);
}

static bool needs_option(const ran_pass *pass)
{
    for (const ran_pass_option *o = pass->options; o && o->name; o++) {
        if (!o->value)
            return true;
    }
    return false;
}

static void for_networks(void (*check)(ran_context *, const ran_module *, uint64_t))
{
    for (uint64_t seed = 1; seed <= NETWORKS; seed++) {
        ran_context *context = ran_context_create();
        ran_module *module = random_network(context, seed);
        ck_assert_int_eq(ran_module_verify(module), RAN_OK);
        check(context, module, seed);
        ran_module_destroy(module);
        ran_context_destroy(context);
    }
}

static void check_levels(ran_context *context, const ran_module *module, uint64_t seed)
{
    static const char *const levels[] = {"-O0", "-O1", "-O2", "-O3", "-Os"};
    for (size_t i = 0; i < sizeof(levels) / sizeof(*levels); i++)
        check_keeps(context, module, seed, levels[i]);
}

static void check_passes(ran_context *context, const ran_module *module, uint64_t seed)
{
    ran_pass_manager *manager = ran_pass_manager_create(context);
    for (size_t i = 0; i < ran_pass_manager_pass_count(manager); i++) {
        const ran_pass *pass = ran_pass_manager_pass(manager, i);
        if (!(pass->flags & RAN_PASS_APPROXIMATE) && !needs_option(pass))
            check_keeps(context, module, seed, pass->name);
    }
    ran_pass_manager_destroy(manager);
}

START_TEST(levels_keep_the_function)
{
    for_networks(check_levels);
}
END_TEST

START_TEST(each_pass_keeps_the_function)
{
    for_networks(check_passes);
}
END_TEST

/* Modules of all kinds of ops, branches and element types: they verify after every level. */
START_TEST(levels_keep_modules_valid)
{
    size_t run = 0;
    for (uint64_t seed = 1; seed <= 600; seed++) {
        ran_context *context = ran_context_create();
        ran_module *module = random_module_create(context, seed, 12);
        ran_pass_manager *manager = ran_pass_manager_create(context);
        set_up(manager, "-O3");
        /* RAN_USAGE: a fused kernel is in it, which exact passes refuse to touch. */
        ran_status status = ran_pass_manager_run(manager, module);
        ck_assert(status == RAN_OK || status == RAN_USAGE);
        run += status == RAN_OK;
        ck_assert_int_eq(ran_module_verify(module), RAN_OK);
        ran_pass_manager_destroy(manager);
        ran_module_destroy(module);
        ran_context_destroy(context);
    }
    ck_assert_uint_gt(run, 20);
}
END_TEST

RAN_UNIT_TESTS(levels_keep_the_function, each_pass_keeps_the_function, levels_keep_modules_valid)
