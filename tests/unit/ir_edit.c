/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Random edits: use lists, order and dominance against what a naive walk finds. */
#include "tests/harness/unit.h"
#include "tests/harness/random_module.h"

#include <time.h>

static ran_context *context;

/* ---- Naive recomputation --------------------------------------------------------------------- */

enum { MAX_OPS = 4096 };
typedef struct walk {
    ran_op *ops[MAX_OPS];
    size_t count;
} walk;

static void collect(walk *w, ran_region *region)
{
    for (ran_op *op = ran_region_first(region); op; op = ran_op_next(op)) {
        ck_assert_uint_lt(w->count, MAX_OPS);
        w->ops[w->count++] = op;
        for (size_t i = 0; i < ran_op_region_count(op); i++)
            collect(w, ran_op_region(op, i));
    }
}

static size_t naive_use_count(const walk *w, const ran_value *value)
{
    size_t count = 0;
    for (size_t i = 0; i < w->count; i++)
        for (size_t k = 0; k < ran_op_operand_count(w->ops[i]); k++)
            count += ran_op_operand(w->ops[i], k) == value;
    return count;
}

static void check_value(const walk *w, const ran_value *value)
{
    size_t listed = 0;
    for (const ran_use *use = ran_value_first_use(value); use; use = ran_use_next(use)) {
        ck_assert_ptr_eq(ran_op_operand(ran_use_op(use), ran_use_index(use)), value);
        listed++;
    }
    ck_assert_uint_eq(listed, naive_use_count(w, value));
}

/* Position of the op of `region` that is or holds `op`; SIZE_MAX when there is none. */
static size_t naive_position(const ran_region *region, const ran_op *op)
{
    while (op && ran_op_parent(op) != region)
        op = ran_region_parent_op(ran_op_parent(op));
    size_t position = 0;
    for (const ran_op *o = ran_region_first(region); o; o = ran_op_next(o), position++)
        if (o == op)
            return position;
    return SIZE_MAX;
}

static bool naive_dominates(const ran_op *definition, const ran_op *user)
{
    const ran_region *region = ran_op_parent(definition);
    size_t at = naive_position(region, user);
    return at != SIZE_MAX && naive_position(region, definition) < at;
}

static void check_all(ran_function *function, uint64_t seed)
{
    walk *w = calloc(1, sizeof *w);
    collect(w, ran_function_body(function));
    for (size_t i = 0; i < w->count; i++)
        for (size_t k = 0; k < ran_op_result_count(w->ops[i]); k++)
            check_value(w, ran_op_result(w->ops[i], k));
    for (ran_value *c = ran_module_first_constant(ran_function_module(function)); c;
         c = ran_constant_next(c))
        check_value(w, c);
    for (int i = 0; i < 60; i++) {
        seed = seed * 6364136223846793005u + 1442695040888963407u;
        const ran_op *a = w->ops[(seed >> 20) % w->count], *b = w->ops[(seed >> 40) % w->count];
        if (ran_op_result_count(a))
            ck_assert(ran_value_dominates(ran_op_result(a, 0), b) == naive_dominates(a, b));
        if (ran_op_parent(a) == ran_op_parent(b))
            ck_assert(ran_op_is_before(a, b) == (naive_position(ran_op_parent(a), a) <
                                                 naive_position(ran_op_parent(b), b)));
    }
    free(w);
}

/* ---- Edits ----------------------------------------------------------------------------------- */

static ran_op *random_op(ran_function *function, random_module *r, walk *w)
{
    w->count = 0;
    collect(w, ran_function_body(function));
    return w->ops[random_below(r, (uint32_t)w->count)];
}

static bool is_unused(const ran_op *op)
{
    for (size_t i = 0; i < ran_op_result_count(op); i++)
        if (ran_value_has_uses(ran_op_result(op, i)))
            return false;
    return true;
}

static bool is_terminator(const ran_op *op)
{
    return ran_opcode_has_flag(ran_op_opcode(op), RAN_FLAG_TERMINATOR);
}

static void edit(ran_function *function, random_module *r, walk *w)
{
    ran_op *op = random_op(function, r, w), *other = w->ops[random_below(r, (uint32_t)w->count)];
    ran_builder b = ran_builder_before(op);
    ran_value *value = ran_op_result_count(other) ? ran_op_result(other, 0) : NULL;
    switch (random_below(r, 6)) {
    case 0: /* a series before one op uses gaps up */
        for (int i = 0; i < 40; i++)
            ran_op_create(&b, RAN_OP_NEG, 1, &value, 1);
        break;
    case 1:
        if (is_unused(op) && !is_terminator(op) && w->count > 20)
            ran_op_erase(op);
        break;
    case 2:
        if (op != other && ran_op_parent(op) == ran_op_parent(other))
            ran_op_move_before(op, other);
        break;
    case 3:
        if (ran_op_operand_count(op))
            ran_op_set_operand(op, random_below(r, (uint32_t)ran_op_operand_count(op)), value);
        break;
    case 4: {
        ran_value *many[5] = {value, NULL, value, value, NULL};
        ran_op_set_operands(op, random_below(r, 6), many);
        break;
    }
    default:
        if (value && ran_op_result_count(op))
            ran_value_replace_uses(ran_op_result(op, 0), value);
    }
}

START_TEST(random_edits_keep_uses_and_order)
{
    walk *w = calloc(1, sizeof *w);
    for (uint64_t seed = 0; seed < 20; seed++) {
        context = ran_context_create();
        ran_module *module = random_module_create(context, seed, 40);
        ran_function *function = ran_module_first_function(module);
        random_module r = {.state = seed};
        for (int step = 0; step < 60; step++) {
            edit(function, &r, w);
            check_all(function, seed * 1000 + (uint64_t)step);
        }
        ran_module_destroy(module);
        ran_context_destroy(context);
    }
    free(w);
}
END_TEST

/* ---- Modules --------------------------------------------------------------------------------- */

static void check_verifies(const ran_module *module, uint64_t seed)
{
    if (ran_module_verify(module) == RAN_OK)
        return;
    ran_diagnostics_print(context, stderr);
    ck_abort_msg("seed %llu does not verify", (unsigned long long)seed);
}

START_TEST(random_modules_verify)
{
    for (uint64_t seed = 0; seed < 150; seed++) {
        context = ran_context_create();
        ran_module *module = random_module_create(context, seed, 60);
        check_verifies(module, seed);
        ran_module_destroy(module);
        ran_context_destroy(context);
    }
}
END_TEST

static void check_same_ops(const ran_region *a, const ran_region *b)
{
    const ran_op *p = ran_region_first(a), *q = ran_region_first(b);
    ck_assert_uint_eq(ran_region_argument_count(a), ran_region_argument_count(b));
    for (; p && q; p = ran_op_next(p), q = ran_op_next(q)) {
        ck_assert_int_eq(ran_op_opcode(p), ran_op_opcode(q));
        ck_assert_ptr_eq(ran_op_location(p), ran_op_location(q));
        ck_assert_uint_eq(ran_op_operand_count(p), ran_op_operand_count(q));
        ck_assert_uint_eq(ran_op_attr_count(p), ran_op_attr_count(q));
        ck_assert_uint_eq(ran_op_region_count(p), ran_op_region_count(q));
        for (size_t i = 0; i < ran_op_result_count(p); i++)
            ck_assert_ptr_eq(ran_value_type(ran_op_result(p, i)),
                             ran_value_type(ran_op_result(q, i)));
        for (size_t i = 0; i < ran_op_region_count(p); i++)
            check_same_ops(ran_op_region(p, i), ran_op_region(q, i));
    }
    ck_assert(!p && !q);
}

START_TEST(a_clone_is_the_same_module_and_stands_alone)
{
    for (uint64_t seed = 200; seed < 240; seed++) {
        context = ran_context_create();
        ran_module *module = random_module_create(context, seed, 60);
        ran_module *clone = ran_module_clone(module);
        check_verifies(clone, seed);
        check_same_ops(ran_function_body(ran_module_first_function(module)),
                       ran_function_body(ran_module_first_function(clone)));
        check_all(ran_module_first_function(clone), seed);
        ran_module_destroy(module);
        check_verifies(clone, seed);
        check_all(ran_module_first_function(clone), seed);
        ran_module_destroy(clone);
        ran_context_destroy(context);
    }
}
END_TEST

START_TEST(inferring_again_changes_nothing)
{
    for (uint64_t seed = 300; seed < 330; seed++) {
        context = ran_context_create();
        ran_module *module = random_module_create(context, seed, 60);
        ran_module *before = ran_module_clone(module);
        if (ran_function_infer_types(ran_module_first_function(module)) != RAN_OK) {
            ran_diagnostics_print(context, stderr);
            ck_abort_msg("seed %llu", (unsigned long long)seed);
        }
        check_same_ops(ran_function_body(ran_module_first_function(module)),
                       ran_function_body(ran_module_first_function(before)));
        ran_module_destroy(module);
        ran_module_destroy(before);
        ran_context_destroy(context);
    }
}
END_TEST

START_TEST(equal_ops_have_equal_hashes)
{
    context = ran_context_create();
    ran_module *module = ran_module_create(context);
    ran_region *body = ran_function_body(ran_function_create(module, "main"));
    ran_value *x = ran_region_add_argument(
        body, "x", ran_type_tensor_i64(context, RAN_ELEM_F32, 1, (int64_t[]){4}));
    ran_builder b = ran_builder_at_end(body);
    ran_op *a = ran_op_create(&b, RAN_OP_LEAKY_RELU, 1, &x, 1);
    ran_op *c = ran_op_create(&b, RAN_OP_LEAKY_RELU, 1, &x, 1);
    ck_assert_int_eq(ran_op_infer_types(a) | ran_op_infer_types(c), RAN_OK);
    ck_assert(ran_op_equal(a, c));
    ran_op_set_float(c, "alpha", 0.01); /* its default */
    ck_assert(ran_op_equal(a, c));
    ck_assert_uint_eq(ran_op_hash(a), ran_op_hash(c));
    ran_op_set_float(c, "alpha", 0.02);
    ck_assert(!ran_op_equal(a, c));
    ran_op_remove_attr(c, "alpha");
    ck_assert(ran_op_equal(a, c) && ran_op_attr_count(c) == 0);
    ran_module_destroy(module);
    ran_context_destroy(context);
}
END_TEST

static double seconds(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec + (double)now.tv_nsec * 1e-9;
}

/* Ten times the ops may take a little more than ten times the time, but not a hundred. */
static double time_of_chain(int length)
{
    double begin = seconds();
    context = ran_context_create();
    ran_module *module = ran_module_create(context);
    ran_region *body = ran_function_body(ran_function_create(module, "main"));
    ran_value *x = ran_region_add_argument(
        body, "x", ran_type_tensor_i64(context, RAN_ELEM_F32, 1, (int64_t[]){4}));
    ran_builder b = ran_builder_at_end(body);
    ran_value *last = x;
    ran_op *end = ran_op_create(&b, RAN_OP_RETURN, 1, &last, 0);
    b = ran_builder_before(end);
    for (int i = 0; i < length; i++)
        last = ran_build(&b, RAN_OP_ADD, 2, (ran_value *[]){last, x});
    ran_op_set_operand(end, 0, last);
    ck_assert_int_eq(ran_module_verify(module), RAN_OK);
    ran_tensor *input = ran_tensor_create(RAN_ELEM_F32, 1, (int64_t[]){4}), *result;
    ck_assert_int_eq(ran_evaluate(ran_module_first_function(module),
                                  (const ran_tensor *[]){input}, 1, &result, 1),
                     RAN_OK);
    ran_tensor_release(result);
    ran_tensor_release(input);
    ran_module_destroy(ran_module_clone(module));
    while (ran_region_first(body) != end) { /* from the back, as dead code goes */
        ran_op *dead = ran_op_prev(end);
        ran_op_set_operand(end, 0, x);
        ran_op_erase(dead);
    }
    ran_module_destroy(module);
    ran_context_destroy(context);
    return seconds() - begin;
}

START_TEST(large_modules_take_linear_time)
{
    time_of_chain(1000);
    double small = time_of_chain(3000), large = time_of_chain(30000);
    ck_assert_msg(large < 40 * small + 0.5, "3000 ops: %.3f s, 30000 ops: %.3f s", small, large);
}
END_TEST

RAN_UNIT_TESTS(random_edits_keep_uses_and_order, random_modules_verify,
               a_clone_is_the_same_module_and_stands_alone, inferring_again_changes_nothing,
               equal_ops_have_equal_hashes, large_modules_take_linear_time)
