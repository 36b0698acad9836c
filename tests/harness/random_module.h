/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Random valid modules for property tests: a seed gives the same module every time.
 *
 * Ops are drawn from a few families with random operands and attributes; what inference refuses is
 * erased again, so that every module verifies. Branches and kernels nest, constants are of all
 * element types, sizes may be symbols, some ops have locations.
 */
#ifndef RAN_TESTS_HARNESS_RANDOM_MODULE_H
#define RAN_TESTS_HARNESS_RANDOM_MODULE_H

#include "ir/ir.h"

enum { RANDOM_VALUES = 4096 };

typedef struct random_module {
    uint64_t state;
    ran_module *module;
    ran_context *context;
    ran_value *values[RANDOM_VALUES]; /* in scope */
    size_t count;
} random_module;

static inline uint32_t random_below(random_module *r, uint32_t limit)
{
    r->state = r->state * 6364136223846793005u + 1442695040888963407u;
    return (uint32_t)((r->state >> 33) % limit);
}

static inline void random_add_value(random_module *r, ran_value *value)
{
    if (r->count < RANDOM_VALUES)
        r->values[r->count++] = value;
}

static inline ran_value *random_value(random_module *r)
{
    /* Mostly recent ones, so that graphs get deep; sometimes old ones, so that lives are long. */
    size_t window = random_below(r, 4) && r->count > 8 ? 8 : r->count;
    return r->values[r->count - 1 - random_below(r, (uint32_t)window)];
}

static inline ran_value *random_constant(random_module *r, ran_elem elem, int rank,
                                         const int64_t *dims)
{
    char name[16];
    ran_tensor *tensor = ran_tensor_create(elem, rank, dims);
    for (int64_t i = 0; i < ran_tensor_numel(tensor); i++) {
        if (elem == RAN_ELEM_STRING)
            ran_tensor_set_string(tensor, i, random_below(r, 2) ? "a \"quoted\"\n\\ text" : "");
        else
            ran_tensor_set_f64(tensor, i, (random_below(r, 2001) - 1000.0) / 64);
    }
    snprintf(name, sizeof name, "w%u", random_below(r, 1000));
    ran_value *value =
        ran_constant_create(r->module, random_below(r, 2) ? name : NULL, tensor);
    ran_tensor_release(tensor);
    return value;
}

static inline ran_value *random_any_constant(random_module *r)
{
    int64_t dims[3];
    int rank = (int)random_below(r, 4);
    for (int i = 0; i < rank; i++)
        dims[i] = random_below(r, 5);
    return random_constant(r, (ran_elem)random_below(r, RAN_ELEM_COUNT), rank, dims);
}

/* Keeps the op when it has types, erases it when it can't. */
static inline void random_keep(random_module *r, ran_op *op)
{
    size_t diagnostics = ran_diagnostic_count(r->context);
    if (ran_op_infer_types(op) == RAN_OK) {
        for (size_t i = 0; i < ran_op_result_count(op); i++)
            random_add_value(r, ran_op_result(op, i));
        return;
    }
    ran_diagnostics_truncate(r->context, diagnostics);
    ran_op_erase(op);
}

static inline void random_locate(random_module *r, ran_op *op)
{
    char name[32];
    snprintf(name, sizeof name, "node/%u \"x\"", random_below(r, 100));
    const ran_location *location =
        ran_location_create(r->context, name, random_below(r, 2) ? "Node" : NULL);
    if (random_below(r, 3) == 0)
        location = ran_location_fuse(r->context, location, ran_op_location(op));
    ran_op_set_location(op, location);
}

static inline ran_op *random_simple_op(random_module *r, ran_builder *b)
{
    static const ran_opcode unary[] = {RAN_OP_RELU, RAN_OP_LEAKY_RELU, RAN_OP_NEG, RAN_OP_TANH,
                                       RAN_OP_ELU,  RAN_OP_SHAPE,      RAN_OP_SIZE};
    static const ran_opcode binary[] = {RAN_OP_ADD, RAN_OP_MUL, RAN_OP_SUB, RAN_OP_MAX,
                                        RAN_OP_MATMUL, RAN_OP_LESS};
    ran_value *operands[] = {random_value(r), random_value(r), random_value(r)};
    ran_op *op;
    switch (random_below(r, 4)) {
    case 0:
        op = ran_op_create(b, unary[random_below(r, 7)], 1, operands, 1);
        if (ran_op_is(op, RAN_OP_LEAKY_RELU) || ran_op_is(op, RAN_OP_ELU))
            ran_op_set_float(op, "alpha", (random_below(r, 200) - 100.0) / 7);
        return op;
    case 1:
        return ran_op_create(b, binary[random_below(r, 6)], 2, operands, 1);
    case 2:
        op = ran_op_create(b, RAN_OP_CONCAT, 1 + random_below(r, 3), operands, 1);
        ran_op_set_int(op, "axis", (int64_t)random_below(r, 4) - 2);
        return op;
    default:
        op = ran_op_create(b, RAN_OP_TRANSPOSE, 1, operands, 1);
        if (random_below(r, 2))
            ran_op_set_ints(op, "perm", (int64_t[]){1, 0, 2}, 2 + random_below(r, 2));
        return op;
    }
}

static inline void random_ops(random_module *r, ran_region *region, int count, int depth);

static inline void random_terminator(random_module *r, ran_region *region, ran_opcode opcode,
                                     size_t count)
{
    ran_value *results[8];
    ran_builder b = ran_builder_at_end(region);
    for (size_t i = 0; i < count; i++)
        results[i] = random_value(r);
    ran_op_create(&b, opcode, count, results, 0);
}

/* Two branches that yield a value of the same element type: the same outer value, changed. */
static inline void random_if(random_module *r, ran_builder *b, int depth)
{
    size_t scope = r->count;
    ran_value *condition = random_constant(r, RAN_ELEM_BOOL, 0, NULL), *shared = random_value(r);
    ran_op *op = ran_op_create(b, RAN_OP_IF, 1, &condition, 1);
    for (int branch = 0; branch < 2; branch++) {
        ran_region *region = ran_op_add_region(op);
        random_ops(r, region, (int)random_below(r, 6), depth + 1);
        ran_builder end = ran_builder_at_end(region);
        ran_op *change = ran_op_create(&end, RAN_OP_IDENTITY, 1, &shared, 1);
        ran_op_create(&end, RAN_OP_YIELD, 1, (ran_value *[]){ran_op_result(change, 0)}, 0);
        r->count = scope;
    }
    random_keep(r, op);
}

static inline void random_kernel(random_module *r, ran_builder *b)
{
    size_t scope = r->count;
    ran_value *outer[2] = {random_value(r), random_value(r)};
    ran_op *op = ran_op_create(b, RAN_OP_KERNEL, 2, outer, 2);
    ran_op_set_string(op, "schedule", "test");
    ran_region *region = ran_op_add_region(op);
    ran_value *saved[2] = {r->values[0], r->values[1]};
    /* Isolated: only the arguments are in scope. */
    r->count = 0;
    for (int i = 0; i < 2; i++)
        random_add_value(r, ran_region_add_argument(region, NULL, ran_value_type(outer[i])));
    ran_builder end = ran_builder_at_end(region);
    ran_value *inner = r->values[0];
    ran_op *change = ran_op_create(&end, RAN_OP_IDENTITY, 1, &inner, 1);
    ran_op_create(&end, RAN_OP_YIELD, 2,
                  (ran_value *[]){ran_op_result(change, 0), r->values[1]}, 0);
    r->values[0] = saved[0];
    r->values[1] = saved[1];
    r->count = scope;
    random_keep(r, op);
}

static inline void random_ops(random_module *r, ran_region *region, int count, int depth)
{
    ran_builder b = ran_builder_at_end(region);
    for (int i = 0; i < count; i++) {
        uint32_t choice = random_below(r, 20);
        b.location = NULL;
        if (choice == 0 && depth < 3) {
            random_if(r, &b, depth);
        } else if (choice == 1) {
            random_kernel(r, &b);
        } else if (choice < 4) {
            random_add_value(r, random_any_constant(r));
        } else {
            ran_op *op = random_simple_op(r, &b);
            if (random_below(r, 3) == 0)
                random_locate(r, op);
            random_keep(r, op);
        }
    }
}

/* A module with about `ops` ops in one function. */
static inline ran_module *random_module_create(ran_context *context, uint64_t seed, int ops)
{
    random_module *r = calloc(1, sizeof *r);
    const ran_dim *n = ran_dim_symbol(context, "N");
    const ran_dim *dims[] = {n, ran_dim_constant(context, 3),
                             ran_dim_binary(context, RAN_DIM_ADD, n, ran_dim_constant(context, 1))};
    r->state = seed * 2654435761u + 1;
    r->context = context;
    r->module = ran_module_create(context);
    ran_function *function = ran_function_create(r->module, "main");
    ran_region *body = ran_function_body(function);
    for (int rank = 0; rank < 4; rank++) {
        char name[8];
        snprintf(name, sizeof name, "x%d", rank);
        random_add_value(r, ran_region_add_argument(body, name,
                                                    ran_type_tensor(context, RAN_ELEM_F32, rank,
                                                                    dims, RAN_PLAIN)));
    }
    ran_module_set_metadata(r->module, "producer", "random \"module\"");
    random_ops(r, body, ops, 0);
    size_t results = 1 + random_below(r, 3);
    random_terminator(r, body, RAN_OP_RETURN, results);
    for (size_t i = 0; i < results; i++)
        ran_function_set_output_name(function, i, i ? "y/1" : "y");
    ran_module *module = r->module;
    free(r);
    return module;
}

#endif
