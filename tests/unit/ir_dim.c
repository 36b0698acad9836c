/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Dimensions: canonical forms are equal where they should be, and always mean the same number. */
#include "ir/ir.h"
#include "tests/harness/unit.h"

static ran_context *context;

static const ran_dim *number(int64_t value)
{
    return ran_dim_constant(context, value);
}

static const ran_dim *symbol(const char *name)
{
    return ran_dim_symbol(context, name);
}

static const ran_dim *add(const ran_dim *a, const ran_dim *b)
{
    return ran_dim_binary(context, RAN_DIM_ADD, a, b);
}

static const ran_dim *mul(const ran_dim *a, const ran_dim *b)
{
    return ran_dim_binary(context, RAN_DIM_MUL, a, b);
}

static const ran_dim *floordiv(const ran_dim *a, const ran_dim *b)
{
    return ran_dim_binary(context, RAN_DIM_FLOORDIV, a, b);
}

static const ran_dim *ceildiv(const ran_dim *a, const ran_dim *b)
{
    return ran_dim_binary(context, RAN_DIM_CEILDIV, a, b);
}

static const ran_dim *min(const ran_dim *a, const ran_dim *b)
{
    return ran_dim_binary(context, RAN_DIM_MIN, a, b);
}

static const ran_dim *max(const ran_dim *a, const ran_dim *b)
{
    return ran_dim_binary(context, RAN_DIM_MAX, a, b);
}

START_TEST(equal_sizes_are_one_dimension)
{
    context = ran_context_create();
    const ran_dim *n = symbol("N"), *m = symbol("M"), *k = symbol("K");
    ck_assert_ptr_eq(add(n, n), mul(n, number(2)));
    ck_assert_ptr_eq(mul(n, mul(number(3), number(4))), mul(mul(n, number(3)), number(4)));
    ck_assert_ptr_eq(floordiv(mul(n, number(4)), number(4)), n);
    ck_assert_ptr_eq(add(add(n, number(3)), number(-3)), n);
    ck_assert_ptr_eq(add(add(k, m), n), add(n, add(m, k)));
    ck_assert_ptr_eq(mul(add(n, number(1)), m), add(mul(m, n), m));
    ck_assert_ptr_eq(mul(n, number(0)), number(0));
    ck_assert_ptr_eq(add(n, mul(n, number(-1))), number(0));
    ck_assert_ptr_eq(mul(add(n, m), add(n, m)),
                     add(add(mul(n, n), mul(m, m)), mul(number(2), mul(n, m))));
    ran_context_destroy(context);
}
END_TEST

START_TEST(divisions_keep_only_what_does_not_divide)
{
    context = ran_context_create();
    const ran_dim *n = symbol("N"), *m = symbol("M"), *two = number(2);
    /* floor((N + 3) / 2) = floor((N + 1) / 2) + 1 */
    ck_assert_ptr_eq(floordiv(add(n, number(3)), two),
                     add(floordiv(add(n, number(1)), two), number(1)));
    ck_assert_ptr_eq(floordiv(add(mul(n, two), number(1)), number(4)), floordiv(n, two));
    ck_assert_ptr_eq(floordiv(floordiv(n, two), two), floordiv(n, number(4)));
    ck_assert_ptr_eq(floordiv(add(floordiv(n, two), number(1)), two),
                     floordiv(add(n, two), number(4)));
    ck_assert_ptr_eq(ceildiv(n, two), floordiv(add(n, number(1)), two));
    ck_assert_ptr_eq(ceildiv(mul(n, number(6)), two), mul(n, number(3)));
    ck_assert_ptr_eq(floordiv(mul(n, m), n), m);
    ck_assert_ptr_eq(floordiv(mul(n, number(8)), mul(m, number(4))), floordiv(mul(n, two), m));
    ck_assert_ptr_eq(floordiv(number(-7), two), number(-4));
    ck_assert_ptr_eq(ceildiv(number(-7), two), number(-3));
    ck_assert_ptr_eq(floordiv(mul(n, number(3)), number(-3)), mul(n, number(-1)));
    ck_assert_int_eq(ran_dim_get_kind(floordiv(n, two)), RAN_DIM_FLOORDIV);
    ran_context_destroy(context);
}
END_TEST

START_TEST(divides_products_exactly)
{
    context = ran_context_create();
    const ran_dim *n = symbol("N"), *m = symbol("M");
    const ran_dim *rows = add(n, number(1)), *whole = mul(mul(rows, m), number(32));
    ck_assert_ptr_eq(ran_dim_divide_exact(context, whole, number(32)), mul(rows, m));
    ck_assert_ptr_eq(ran_dim_divide_exact(context, whole, rows), mul(m, number(32)));
    ck_assert_ptr_eq(ran_dim_divide_exact(context, whole, mul(m, number(8))), mul(rows, number(4)));
    ck_assert_ptr_null(ran_dim_divide_exact(context, whole, number(5)));
    ck_assert_ptr_null(ran_dim_divide_exact(context, whole, add(n, number(2))));
    ck_assert_ptr_null(ran_dim_divide_exact(context, whole, number(0)));
    ck_assert_ptr_eq(ran_dim_divide_exact(context, number(0), n), number(0));
    ran_context_destroy(context);
}
END_TEST

START_TEST(extrema_drop_what_never_wins)
{
    context = ran_context_create();
    const ran_dim *n = symbol("N"), *m = symbol("M");
    ck_assert_ptr_eq(max(n, number(0)), n);
    ck_assert_ptr_eq(min(n, add(n, m)), n);
    ck_assert_ptr_eq(max(n, add(n, number(2))), add(n, number(2)));
    ck_assert_ptr_eq(max(n, n), n);
    ck_assert_ptr_eq(min(min(n, number(5)), number(3)), min(number(3), n));
    ck_assert_ptr_eq(max(max(n, m), symbol("K")), max(symbol("K"), max(m, n)));
    ck_assert_int_eq(ran_dim_get_kind(max(n, number(1))), RAN_DIM_MAX);
    ck_assert(ran_dim_is_at_least(mul(n, number(3)), n));
    ck_assert(!ran_dim_is_at_least(n, number(1)));
    ran_context_destroy(context);
}
END_TEST

START_TEST(bounds_of_divisions_decide_extrema)
{
    context = ran_context_create();
    const ran_dim *n = symbol("N"), *two = number(2);
    const ran_dim *down = mul(floordiv(n, two), two), *up = mul(ceildiv(n, two), two);
    ck_assert_ptr_eq(max(n, down), n);
    ck_assert_ptr_eq(min(n, down), down);
    ck_assert_ptr_eq(max(n, up), up);
    ck_assert(ran_dim_is_at_least(n, floordiv(n, number(3))));
    ck_assert(ran_dim_is_at_least(n, min(n, number(5))));
    ck_assert(ran_dim_is_at_least(max(n, number(5)), number(5)));
    ck_assert(ran_dim_is_at_least(add(down, number(1)), n));
    ck_assert(!ran_dim_is_at_least(down, n));
    ck_assert(!ran_dim_is_at_least(floordiv(n, two), number(1)));
    ran_context_destroy(context);
}
END_TEST

static int64_t tree_size(const ran_dim *dim)
{
    return ran_dim_lhs(dim) ? 1 + tree_size(ran_dim_lhs(dim)) + tree_size(ran_dim_rhs(dim)) : 0;
}

/* Each step uses the size before it twice: as a tree this would have 2^200 nodes. */
START_TEST(trees_stay_small)
{
    context = ran_context_create();
    const ran_dim *size = symbol("N"), *again = size;
    for (int i = 0; i < 200; i++) {
        size = max(floordiv(mul(size, number(7)), number(5)), add(size, symbol("M")));
        again = max(floordiv(mul(again, number(7)), number(5)), add(again, symbol("M")));
        ck_assert_ptr_eq(size, again);
        ck_assert_int_le(tree_size(size), 1000);
    }
    ran_context_destroy(context);
}
END_TEST

START_TEST(overflow_stays_symbolic)
{
    context = ran_context_create();
    const ran_dim *n = symbol("N"), *huge = number(INT64_MAX);
    const ran_dim *product = mul(mul(n, huge), number(4));
    ck_assert_int_eq(ran_dim_get_kind(product), RAN_DIM_MUL);
    ck_assert(!ran_dim_is_constant(mul(huge, huge)));
    ck_assert(!ran_dim_is_constant(add(huge, number(1))));
    ck_assert(!ran_dim_is_constant(floordiv(number(1), number(0))));
    ck_assert_ptr_eq(add(product, number(0)), product);
    const ran_dim *power = n;
    for (int i = 0; i < 5000; i++)
        power = mul(power, n);
    ck_assert_int_eq(ran_dim_get_kind(power), RAN_DIM_MUL);
    ran_context_destroy(context);
}
END_TEST

START_TEST(fresh_symbols_avoid_those_of_a_text)
{
    context = ran_context_create();
    const ran_dim *seven = symbol("?7");
    for (int i = 0; i < 20; i++)
        ck_assert_ptr_ne(ran_dim_fresh(context), seven);
    ran_context_destroy(context);
}
END_TEST

/* ---- Random expressions against their naive meaning ------------------------------------------ */

enum { SYMBOLS = 3, NODES = 14 };
static const char *const names[SYMBOLS] = {"A", "B", "C"};

typedef struct expression {
    int kind, lhs, rhs; /* of the nodes in front; kind -1: a leaf */
    int symbol;         /* -1: a constant */
    int64_t value;
} expression;

static uint64_t seed;

static int below(int limit)
{
    seed = seed * 6364136223846793005u + 1442695040888963407u;
    return (int)((seed >> 33) % (uint64_t)limit);
}

static void random_expression(expression nodes[NODES])
{
    for (int i = 0; i < NODES; i++) {
        bool leaf = i < 2 || below(3) == 0;
        nodes[i] = (expression){
            .kind = -1, .symbol = below(SYMBOLS + 1) - 1, .value = below(13) - 4};
        if (leaf)
            continue;
        nodes[i].lhs = below(i);
        nodes[i].rhs = below(i);
        nodes[i].kind = RAN_DIM_ADD + below(RAN_DIM_MAX - RAN_DIM_ADD + 1);
        /* Products only with leaves, so that the naive values fit. */
        if (nodes[i].kind == RAN_DIM_MUL)
            nodes[i].rhs = below(2);
    }
}

static int64_t floor_divided(int64_t a, int64_t b)
{
    return a / b - (a % b != 0 && (a < 0) != (b < 0));
}

/* False where a division by zero or by a negative number makes it mean nothing. */
static bool naive(const expression *nodes, int at, const int64_t *sizes, int64_t *out)
{
    const expression *e = &nodes[at];
    int64_t a, b;
    if (e->kind < 0) {
        *out = e->symbol < 0 ? e->value : sizes[e->symbol];
        return true;
    }
    if (!naive(nodes, e->lhs, sizes, &a) || !naive(nodes, e->rhs, sizes, &b))
        return false;
    bool divides = e->kind == RAN_DIM_FLOORDIV || e->kind == RAN_DIM_CEILDIV;
    if (divides && b <= 0)
        return false;
    *out = e->kind == RAN_DIM_ADD        ? a + b
           : e->kind == RAN_DIM_MUL      ? a * b
           : e->kind == RAN_DIM_FLOORDIV ? floor_divided(a, b)
           : e->kind == RAN_DIM_CEILDIV  ? -floor_divided(-a, b)
           : e->kind == RAN_DIM_MIN      ? (a < b ? a : b)
                                         : (a > b ? a : b);
    return *out < INT64_C(1) << 40 && *out > -(INT64_C(1) << 40);
}

static const ran_dim *canonical(const expression *nodes, int at)
{
    const expression *e = &nodes[at];
    if (e->kind < 0)
        return e->symbol < 0 ? number(e->value) : symbol(names[e->symbol]);
    return ran_dim_binary(context, (ran_dim_kind)e->kind, canonical(nodes, e->lhs),
                          canonical(nodes, e->rhs));
}

static const ran_dim *size_of(const ran_dim *dim, void *data)
{
    const int64_t *sizes = data;
    return number(sizes[ran_dim_name(dim)[0] - 'A']);
}

/* The tree of the canonical form, node by node: substitution would only simplify again. */
static int64_t meaning(const ran_dim *dim, const int64_t *sizes)
{
    if (ran_dim_is_constant(dim))
        return ran_dim_value(dim);
    if (ran_dim_get_kind(dim) == RAN_DIM_SYMBOL)
        return sizes[ran_dim_name(dim)[0] - 'A'];
    int64_t a = meaning(ran_dim_lhs(dim), sizes), b = meaning(ran_dim_rhs(dim), sizes);
    switch (ran_dim_get_kind(dim)) {
    case RAN_DIM_ADD:
        return a + b;
    case RAN_DIM_MUL:
        return a * b;
    case RAN_DIM_MIN:
        return a < b ? a : b;
    case RAN_DIM_MAX:
        return a > b ? a : b;
    case RAN_DIM_FLOORDIV:
        return b ? floor_divided(a, b) : 0;
    default:
        return b ? -floor_divided(-a, b) : 0;
    }
}

START_TEST(canonical_forms_keep_the_meaning)
{
    int checked = 0;
    for (int round = 0; round < 20000; round++) {
        expression nodes[NODES];
        seed = (uint64_t)round * 7919 + 1;
        if (round % 200 == 0) {
            if (context && round)
                ran_context_destroy(context);
            context = ran_context_create();
        }
        random_expression(nodes);
        const ran_dim *dim = canonical(nodes, NODES - 1);
        for (int sample = 0; sample < 8; sample++) {
            /* Sizes are positive: where a symbol divides exactly it is not zero. */
            int64_t sizes[SYMBOLS], expected;
            for (int i = 0; i < SYMBOLS; i++)
                sizes[i] = 1 + below(9);
            if (!naive(nodes, NODES - 1, sizes, &expected))
                continue;
            ck_assert_msg(meaning(dim, sizes) == expected, "round %d: %lld, expected %lld", round,
                          (long long)meaning(dim, sizes), (long long)expected);
            const ran_dim *folded = ran_dim_substitute(context, dim, size_of, sizes);
            ck_assert(ran_dim_is(folded, expected));
            checked++;
        }
    }
    ck_assert_int_gt(checked, 50000);
    ran_context_destroy(context);
}
END_TEST

START_TEST(canonical_forms_are_stable)
{
    context = ran_context_create();
    for (int round = 0; round < 3000; round++) {
        expression nodes[NODES];
        seed = (uint64_t)round * 104729 + 3;
        random_expression(nodes);
        const ran_dim *dim = canonical(nodes, NODES - 1);
        if (ran_dim_is_constant(dim) || ran_dim_get_kind(dim) == RAN_DIM_SYMBOL)
            continue;
        /* Building the tree of a canonical form again gives the form itself. */
        ck_assert_ptr_eq(ran_dim_binary(context, ran_dim_get_kind(dim), ran_dim_lhs(dim),
                                        ran_dim_rhs(dim)),
                         dim);
    }
    ran_context_destroy(context);
}
END_TEST

RAN_UNIT_TESTS(equal_sizes_are_one_dimension, divisions_keep_only_what_does_not_divide,
               divides_products_exactly, extrema_drop_what_never_wins,
               bounds_of_divisions_decide_extrema, trees_stay_small, overflow_stays_symbolic,
               fresh_symbols_avoid_those_of_a_text, canonical_forms_keep_the_meaning,
               canonical_forms_are_stable)
