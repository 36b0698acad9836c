/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Canonical forms of dimensions.
 *
 * Sums and products are computed on polynomials: terms in graded lexicographic order of their
 * sorted atoms, so that long division by another polynomial works term by term. A floor division by
 * a constant k keeps coefficients in [0, k) only: floor((q*k + r) / k) = q + floor(r / k) holds for
 * all integers. What would overflow or grow beyond the limits stays an opaque node and is an atom
 * of what is built on it.
 */
#include "ir/dim.h"

#include <string.h>

enum { MAX_TERMS = 32, MAX_ATOMS = 8, MAX_OPERANDS = 16 };

typedef struct term {
    int64_t coefficient;
    int count;
    const ran_dim *atoms[MAX_ATOMS]; /* sorted */
} term;

typedef struct poly {
    bool failed; /* overflow or too large: the contents mean nothing */
    int count;
    term terms[MAX_TERMS]; /* leading term first; the constant, if any, last */
} poly;

static int compare_terms(const term *a, const term *b)
{
    if (a->count != b->count)
        return a->count > b->count ? -1 : 1;
    for (int i = 0; i < a->count; i++) {
        int order = ran_dim_compare(a->atoms[i], b->atoms[i]);
        if (order)
            return order;
    }
    return 0;
}

static void add_term(poly *p, const term *t)
{
    int at = 0;
    if (p->failed || t->coefficient == 0)
        return;
    while (at < p->count && compare_terms(&p->terms[at], t) < 0)
        at++;
    term *here = &p->terms[at];
    if (at < p->count && compare_terms(here, t) == 0) {
        if (__builtin_add_overflow(here->coefficient, t->coefficient, &here->coefficient))
            p->failed = true;
        else if (here->coefficient == 0)
            memmove(here, here + 1, (size_t)(--p->count - at) * sizeof *here);
        return;
    }
    if (p->count == MAX_TERMS) {
        p->failed = true;
        return;
    }
    memmove(here + 1, here, (size_t)(p->count++ - at) * sizeof *here);
    *here = *t;
}

static void add_poly(poly *p, const poly *q, int64_t factor)
{
    p->failed |= q->failed;
    for (int i = 0; i < q->count && !p->failed; i++) {
        term t = q->terms[i];
        if (__builtin_mul_overflow(t.coefficient, factor, &t.coefficient))
            p->failed = true;
        else
            add_term(p, &t);
    }
}

static bool multiply_terms(const term *a, const term *b, term *out)
{
    if (a->count + b->count > MAX_ATOMS ||
        __builtin_mul_overflow(a->coefficient, b->coefficient, &out->coefficient))
        return false;
    int i = 0, j = 0;
    out->count = 0;
    while (i < a->count || j < b->count) {
        bool from_a = j == b->count ||
                      (i < a->count && ran_dim_compare(a->atoms[i], b->atoms[j]) <= 0);
        out->atoms[out->count++] = from_a ? a->atoms[i++] : b->atoms[j++];
    }
    return true;
}

static void add_product(poly *p, const poly *q, const term *factor)
{
    p->failed |= q->failed;
    for (int i = 0; i < q->count && !p->failed; i++) {
        term t;
        if (multiply_terms(&q->terms[i], factor, &t))
            add_term(p, &t);
        else
            p->failed = true;
    }
}

static void multiply(poly *out, const poly *a, const poly *b)
{
    out->count = 0;
    out->failed = a->failed || b->failed;
    for (int i = 0; i < a->count; i++)
        add_product(out, b, &a->terms[i]);
}

static void add_constant(poly *p, int64_t value)
{
    add_term(p, &(term){.coefficient = value});
}

static int64_t constant_part(const poly *p)
{
    return p->count && p->terms[p->count - 1].count == 0 ? p->terms[p->count - 1].coefficient : 0;
}

static bool is_constant(const poly *p)
{
    return p->count == 0 || (p->count == 1 && p->terms[0].count == 0);
}

static void read_atom(poly *p, const ran_dim *dim)
{
    p->failed = false;
    p->count = 0;
    if (dim->kind == RAN_DIM_CONSTANT)
        add_constant(p, dim->value);
    else
        add_term(p, &(term){.coefficient = 1, .count = 1, .atoms = {dim}});
}

static void read_dim(poly *p, const ran_dim *dim);

/* Sums and products are chains to the left, as write_dim makes them. */
static void read_sum(poly *p, const ran_dim *dim)
{
    poly part;
    p->failed = false;
    p->count = 0;
    for (; dim->kind == RAN_DIM_ADD && !ran_dim_is_opaque(dim); dim = dim->lhs) {
        read_dim(&part, dim->rhs);
        add_poly(p, &part, 1);
    }
    read_dim(&part, dim);
    add_poly(p, &part, 1);
}

static void read_product(poly *p, const ran_dim *dim)
{
    poly part, left;
    read_atom(p, dim->rhs);
    if (dim->rhs->kind == RAN_DIM_ADD || dim->rhs->kind == RAN_DIM_MUL)
        read_dim(p, dim->rhs);
    read_dim(&left, dim->lhs);
    part = *p;
    multiply(p, &left, &part);
}

/* Never fails: an opaque node reads as an atom. */
static void read_dim(poly *p, const ran_dim *dim)
{
    if (dim->kind == RAN_DIM_ADD && !ran_dim_is_opaque(dim))
        read_sum(p, dim);
    else if (dim->kind == RAN_DIM_MUL && !ran_dim_is_opaque(dim))
        read_product(p, dim);
    else
        p->failed = true;
    if (p->failed)
        read_atom(p, dim);
}

static const ran_dim *write_term(ran_context *context, const term *t)
{
    if (t->count == 0)
        return ran_dim_constant(context, t->coefficient);
    const ran_dim *dim = t->atoms[0];
    for (int i = 1; i < t->count; i++)
        dim = ran_dim_node(context, RAN_DIM_MUL, dim, t->atoms[i]);
    if (t->coefficient != 1)
        dim = ran_dim_node(context, RAN_DIM_MUL, dim, ran_dim_constant(context, t->coefficient));
    return dim;
}

static const ran_dim *write_dim(ran_context *context, const poly *p)
{
    if (p->count == 0)
        return ran_dim_constant(context, 0);
    const ran_dim *dim = write_term(context, &p->terms[0]);
    for (int i = 1; i < p->count; i++)
        dim = ran_dim_node(context, RAN_DIM_ADD, dim, write_term(context, &p->terms[i]));
    return dim;
}

static const ran_dim *opaque(ran_context *context, ran_dim_kind kind, const ran_dim *a,
                             const ran_dim *b)
{
    bool commutes = kind != RAN_DIM_FLOORDIV && kind != RAN_DIM_CEILDIV;
    bool swap = commutes && ran_dim_compare(a, b) > 0;
    return ran_dim_opaque_node(context, kind, swap ? b : a, swap ? a : b);
}

/* ---- Division -------------------------------------------------------------------------------- */

static int64_t floor_divide(int64_t a, int64_t b)
{
    return a / b - (a % b != 0 && (a < 0) != (b < 0));
}

static int64_t gcd(int64_t a, int64_t b)
{
    uint64_t x = a < 0 ? -(uint64_t)a : (uint64_t)a, y = b < 0 ? -(uint64_t)b : (uint64_t)b;
    while (y) {
        uint64_t rest = x % y;
        x = y;
        y = rest;
    }
    return x > INT64_MAX ? 1 : (int64_t)x;
}

/* The quotient of two terms; false when it is none. */
static bool divide_terms(const term *a, const term *b, term *out)
{
    if (b->coefficient == 0 || (b->coefficient == -1 && a->coefficient == INT64_MIN) ||
        a->coefficient % b->coefficient != 0)
        return false;
    int j = 0;
    *out = (term){.coefficient = a->coefficient / b->coefficient};
    for (int i = 0; i < a->count; i++) {
        if (j < b->count && a->atoms[i] == b->atoms[j])
            j++;
        else
            out->atoms[out->count++] = a->atoms[i];
    }
    return j == b->count;
}

/* Long division; false unless b divides a. */
static bool divide_exactly(const poly *a, const poly *b, poly *out_quotient)
{
    poly rest = *a;
    *out_quotient = (poly){0};
    if (b->count == 0)
        return false;
    for (int steps = 0; rest.count && steps < 4 * MAX_TERMS; steps++) {
        term t, negative;
        if (!divide_terms(&rest.terms[0], &b->terms[0], &t) || t.coefficient == INT64_MIN)
            return false;
        negative = t;
        negative.coefficient = -t.coefficient;
        add_term(out_quotient, &t);
        add_product(&rest, b, &negative);
        if (rest.failed || out_quotient->failed)
            return false;
    }
    return rest.count == 0;
}

/* Splits p = quotient * k + rest with the rest's coefficients in [0, k). */
static void split_by(const poly *p, int64_t k, poly *quotient, poly *rest)
{
    *quotient = *rest = (poly){0};
    for (int i = 0; i < p->count; i++) {
        term q = p->terms[i], r = p->terms[i];
        q.coefficient = floor_divide(q.coefficient, k);
        r.coefficient -= q.coefficient * k;
        add_term(quotient, &q);
        add_term(rest, &r);
    }
}

/* The greatest factor of k and of all coefficients but the constant's. */
static int64_t common_factor(const poly *p, int64_t k)
{
    for (int i = 0; i < p->count; i++)
        if (p->terms[i].count)
            k = gcd(k, p->terms[i].coefficient);
    return k;
}

static void divide_coefficients(poly *p, int64_t g)
{
    poly whole = *p;
    *p = (poly){0};
    for (int i = 0; i < whole.count; i++) {
        term t = whole.terms[i];
        t.coefficient = floor_divide(t.coefficient, g);
        add_term(p, &t);
    }
}

/* floor((floor(x / m) + c) / k) = floor((x + c * m) / (m * k)). */
static bool unnest(poly *p, int64_t *k)
{
    int64_t shift, divisor;
    const term *t = &p->terms[0];
    if (p->count == 0 || t->count != 1 || t->coefficient != 1 ||
        (p->count > 1 && p->terms[1].count != 0))
        return false;
    const ran_dim *atom = t->atoms[0];
    if (atom->kind != RAN_DIM_FLOORDIV || atom->rhs->kind != RAN_DIM_CONSTANT ||
        atom->rhs->value <= 0 ||
        __builtin_mul_overflow(constant_part(p), atom->rhs->value, &shift) ||
        __builtin_mul_overflow(*k, atom->rhs->value, &divisor))
        return false;
    poly inner;
    read_dim(&inner, atom->lhs);
    add_constant(&inner, shift);
    if (inner.failed)
        return false;
    *p = inner;
    *k = divisor;
    return true;
}

static const ran_dim *floor_by_constant(ran_context *context, poly p, int64_t k)
{
    poly sum = {0}, quotient, rest;
    do {
        split_by(&p, k, &quotient, &rest);
        add_poly(&sum, &quotient, 1);
        int64_t g = common_factor(&rest, k);
        divide_coefficients(&rest, g);
        k /= g;
        p = rest;
    } while (k > 1 && unnest(&p, &k));
    if (sum.failed)
        return NULL;
    if (is_constant(&p)) {
        add_constant(&sum, floor_divide(constant_part(&p), k));
    } else {
        poly atom;
        read_atom(&atom, ran_dim_node(context, RAN_DIM_FLOORDIV, write_dim(context, &p),
                                      ran_dim_constant(context, k)));
        add_poly(&sum, &atom, 1);
    }
    return sum.failed ? NULL : write_dim(context, &sum);
}

static const ran_dim *divide(ran_context *context, ran_dim_kind kind, const ran_dim *a,
                             const ran_dim *b)
{
    poly p, q, quotient;
    read_dim(&p, a);
    read_dim(&q, b);
    if (divide_exactly(&p, &q, &quotient))
        return write_dim(context, &quotient);
    if (!is_constant(&q)) {
        int64_t g = common_factor(&q, gcd(common_factor(&p, constant_part(&p)), constant_part(&q)));
        if (g > 1) {
            divide_coefficients(&p, g);
            divide_coefficients(&q, g);
        }
        return ran_dim_node(context, kind, write_dim(context, &p), write_dim(context, &q));
    }
    int64_t k = constant_part(&q);
    if (k == 0 || k == INT64_MIN)
        return ran_dim_node(context, kind, a, b);
    poly numerator = {0};
    add_poly(&numerator, &p, k < 0 ? -1 : 1);
    k = k < 0 ? -k : k;
    if (kind == RAN_DIM_CEILDIV)
        add_constant(&numerator, k - 1);
    const ran_dim *result =
        numerator.failed ? NULL : floor_by_constant(context, numerator, k);
    return result ? result : ran_dim_node(context, kind, a, b);
}

const ran_dim *ran_dim_divide_exact(ran_context *context, const ran_dim *a, const ran_dim *b)
{
    poly p, q, quotient;
    read_dim(&p, a);
    read_dim(&q, b);
    return divide_exactly(&p, &q, &quotient) ? write_dim(context, &quotient) : NULL;
}

/* ---- Minimum and maximum --------------------------------------------------------------------- */

static bool is_never_negative(const ran_dim *dim);

static bool poly_is_never_negative(const poly *p)
{
    if (p->failed)
        return false;
    for (int i = 0; i < p->count; i++) {
        if (p->terms[i].coefficient < 0)
            return false;
        for (int j = 0; j < p->terms[i].count; j++)
            if (!is_never_negative(p->terms[i].atoms[j]))
                return false;
    }
    return true;
}

static bool is_never_negative(const ran_dim *dim)
{
    switch (dim->kind) {
    case RAN_DIM_CONSTANT:
        return dim->value >= 0;
    case RAN_DIM_SYMBOL:
        return true;
    case RAN_DIM_MAX:
        return is_never_negative(dim->lhs) || is_never_negative(dim->rhs);
    default:
        return is_never_negative(dim->lhs) && is_never_negative(dim->rhs);
    }
}

/* p with term `at` replaced by coefficient * (bound / k), all multiplied by k. */
static bool replace_term(const poly *p, int at, const ran_dim *bound, int64_t shift, int64_t k,
                         poly *out)
{
    poly rest = *p, by;
    term dropped = p->terms[at];
    memmove(&rest.terms[at], &rest.terms[at + 1],
            (size_t)(--rest.count - at) * sizeof rest.terms[0]);
    read_dim(&by, bound);
    add_constant(&by, shift);
    *out = (poly){0};
    add_poly(out, &rest, k);
    add_poly(out, &by, dropped.coefficient);
    return !out->failed;
}

static bool prove_never_negative(const poly *scaled, int64_t scale, int depth);

static bool prove_with_bound(const poly *scaled, int64_t scale, int depth, int at,
                             const ran_dim *bound, int64_t shift, int64_t k)
{
    poly next;
    return replace_term(scaled, at, bound, shift, k, &next) &&
           prove_never_negative(&next, scale * k, depth - 1);
}

/* x/k - (k-1)/k <= floor(x/k) <= x/k, min(a, b) <= a, max(a, b) >= a: the bound on the side that
 * the term's sign asks for. */
static bool prove_by_term(const poly *scaled, int64_t scale, int depth, int at)
{
    const term *t = &scaled->terms[at];
    const ran_dim *atom = t->atoms[0];
    bool negative = t->coefficient < 0;
    if (atom->kind == RAN_DIM_FLOORDIV && atom->rhs->kind == RAN_DIM_CONSTANT) {
        int64_t k = atom->rhs->value;
        bool fits = k > 0 && k <= INT32_MAX && scale <= INT32_MAX;
        return fits &&
               prove_with_bound(scaled, scale, depth, at, atom->lhs, negative ? 0 : 1 - k, k);
    }
    if (atom->kind != (negative ? RAN_DIM_MIN : RAN_DIM_MAX))
        return false;
    return prove_with_bound(scaled, scale, depth, at, atom->lhs, 0, 1) ||
           prove_with_bound(scaled, scale, depth, at, atom->rhs, 0, 1);
}

/* Whether the whole number p, of which `scaled` bounds scale * p from below, is never negative:
 * p > -1 is enough. */
static bool prove_never_negative(const poly *scaled, int64_t scale, int depth)
{
    enum { MOST_TERMS = 6 };
    poly raised = *scaled;
    add_constant(&raised, scale - 1);
    if (poly_is_never_negative(&raised))
        return true;
    for (int i = 0; depth && i < scaled->count && i < MOST_TERMS; i++)
        if (scaled->terms[i].count == 1 && prove_by_term(scaled, scale, depth, i))
            return true;
    return false;
}

bool ran_dim_is_at_least(const ran_dim *a, const ran_dim *b)
{
    poly p, q;
    read_dim(&p, a);
    read_dim(&q, b);
    add_poly(&p, &q, -1);
    return !p.failed && prove_never_negative(&p, 1, 3);
}

typedef struct operand_list {
    int count;
    const ran_dim *items[MAX_OPERANDS];
} operand_list;

/* Adds one operand of a minimum or maximum, sorted, unless another decides already. */
static bool add_operand(operand_list *list, ran_dim_kind kind, const ran_dim *dim)
{
    for (int i = 0; i < list->count;) {
        const ran_dim *other = list->items[i];
        bool is_max = kind == RAN_DIM_MAX;
        if (ran_dim_is_at_least(is_max ? other : dim, is_max ? dim : other))
            return true;
        if (ran_dim_is_at_least(is_max ? dim : other, is_max ? other : dim))
            memmove(&list->items[i], &list->items[i + 1],
                    (size_t)(--list->count - i) * sizeof list->items[0]);
        else
            i++;
    }
    if (list->count == MAX_OPERANDS)
        return false;
    int at = list->count++;
    for (; at > 0 && ran_dim_compare(list->items[at - 1], dim) > 0; at--)
        list->items[at] = list->items[at - 1];
    list->items[at] = dim;
    return true;
}

static bool add_operands(operand_list *list, ran_dim_kind kind, const ran_dim *dim)
{
    for (; dim->kind == kind && !ran_dim_is_opaque(dim); dim = dim->lhs)
        if (!add_operand(list, kind, dim->rhs))
            return false;
    return add_operand(list, kind, dim);
}

static const ran_dim *extremum(ran_context *context, ran_dim_kind kind, const ran_dim *a,
                               const ran_dim *b)
{
    operand_list list = {0};
    if (!add_operands(&list, kind, a) || !add_operands(&list, kind, b))
        return opaque(context, kind, a, b);
    const ran_dim *dim = list.items[0];
    for (int i = 1; i < list.count; i++)
        dim = ran_dim_node(context, kind, dim, list.items[i]);
    return dim;
}

/* ---- Entry ----------------------------------------------------------------------------------- */

static const ran_dim *combine(ran_context *context, ran_dim_kind kind, const ran_dim *a,
                              const ran_dim *b)
{
    poly p, q, result;
    read_dim(&p, a);
    read_dim(&q, b);
    if (kind == RAN_DIM_MUL) {
        multiply(&result, &p, &q);
    } else {
        result = p;
        add_poly(&result, &q, 1);
    }
    return result.failed ? opaque(context, kind, a, b) : write_dim(context, &result);
}

/* The common case, without polynomials. False when there is no such number. */
static bool fold_constants(ran_dim_kind kind, int64_t a, int64_t b, int64_t *out)
{
    switch (kind) {
    case RAN_DIM_ADD:
        return !__builtin_add_overflow(a, b, out);
    case RAN_DIM_MUL:
        return !__builtin_mul_overflow(a, b, out);
    case RAN_DIM_MIN:
        *out = a < b ? a : b;
        return true;
    case RAN_DIM_MAX:
        *out = a > b ? a : b;
        return true;
    default:
        break;
    }
    if (b == 0 || (b == -1 && a == INT64_MIN))
        return false;
    *out = floor_divide(a, b) + (kind == RAN_DIM_CEILDIV && a % b != 0);
    return true;
}

const ran_dim *ran_dim_binary(ran_context *context, ran_dim_kind kind, const ran_dim *a,
                              const ran_dim *b)
{
    if (a->kind == RAN_DIM_CONSTANT && b->kind == RAN_DIM_CONSTANT) {
        int64_t value;
        if (fold_constants(kind, a->value, b->value, &value))
            return ran_dim_constant(context, value);
        return opaque(context, kind, a, b);
    }
    switch (kind) {
    case RAN_DIM_ADD:
    case RAN_DIM_MUL:
        return combine(context, kind, a, b);
    case RAN_DIM_MIN:
    case RAN_DIM_MAX:
        return extremum(context, kind, a, b);
    default:
        return divide(context, kind, a, b);
    }
}
