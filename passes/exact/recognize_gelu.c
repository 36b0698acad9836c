/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * GELU as frameworks write it:
 *
 *   %1 = div %x, 1.41421354
 *   %2 = erf %1
 *   %3 = add %2, 1                             =>      %5 = gelu_erf %x
 *   %4 = mul %x, %3
 *   %5 = mul %4, 0.5
 *
 * and likewise 0.5 x (1 + tanh(sqrt(2/pi) (x + 0.044715 x^3))), which is gelu_tanh.
 *
 * The method: the root is a product of x and one other value g, times a factor, whatever the nesting.
 * Below g there is one Erf or Tanh, E(u). Then g is read as a polynomial in E and u as one in x, by
 * symbolic evaluation over constants; the coefficients tell whether it is a GELU. So commuted
 * operands, Pow or Mul, Div or Mul, 0.5 + 0.5 E and x (1 + 0.044715 x^2) all are the same pattern, and
 * x * sigmoid(2 u) is the tanh form as well. Values inside the pattern must have no user outside.
 */
#include "passes/match.h"

#include <math.h>

/* ---- Polynomials -------------------------------------------------------------------------------- */

enum { DEGREE = 3, DEPTH = 12 };

typedef struct polynomial {
    double c[DEGREE + 1];
} polynomial;

static bool multiply(const polynomial *a, const polynomial *b, polynomial *out)
{
    *out = (polynomial){0};
    for (int i = 0; i <= DEGREE; i++) {
        for (int j = 0; j <= DEGREE; j++) {
            double product = a->c[i] * b->c[j];
            if (i + j <= DEGREE)
                out->c[i + j] += product;
            else if (product != 0)
                return false;
        }
    }
    return true;
}

static bool raise(const polynomial *base, const polynomial *power, polynomial *out)
{
    if (power->c[0] != 2 && power->c[0] != 3)
        return false;
    polynomial square;
    if (!multiply(base, base, &square))
        return false;
    *out = square;
    return power->c[0] == 2 || multiply(&square, base, out);
}

static bool is_constant(const polynomial *p)
{
    return p->c[1] == 0 && p->c[2] == 0 && p->c[3] == 0;
}

static bool combine(ran_opcode opcode, const polynomial *a, const polynomial *b, polynomial *out)
{
    polynomial factor = {{0}};
    switch (opcode) {
    case RAN_OP_ADD:
    case RAN_OP_SUB:
        for (int i = 0; i <= DEGREE; i++)
            out->c[i] = a->c[i] + (opcode == RAN_OP_ADD ? b->c[i] : -b->c[i]);
        return true;
    case RAN_OP_MUL:
        return multiply(a, b, out);
    case RAN_OP_DIV:
        factor.c[0] = 1 / b->c[0];
        return is_constant(b) && b->c[0] != 0 && multiply(a, &factor, out);
    case RAN_OP_POW:
        return is_constant(b) && raise(a, b, out);
    default:
        return false;
    }
}

/* value as a polynomial in x. */
static bool expand(const ran_value *value, const ran_value *x, int depth, polynomial *out)
{
    *out = (polynomial){0};
    if (value == x) {
        out->c[1] = 1;
        return true;
    }
    if (ran_match_splat(value, &out->c[0]))
        return true;
    const ran_op *op = ran_value_op(value);
    if (!op || !depth || op->operand_count != 2)
        return false;
    polynomial a, b;
    return expand(ran_op_operand(op, 0), x, depth - 1, &a) &&
           expand(ran_op_operand(op, 1), x, depth - 1, &b) && combine(op->opcode, &a, &b, out);
}

/* ---- The pattern ------------------------------------------------------------------------------------ */

/* The first op of that kind below value, through ops with a constant. */
static ran_op *find_below(ran_value *value, ran_opcode opcode)
{
    for (int depth = 0; value && depth < DEPTH; depth++) {
        ran_op *op = ran_value_op(value);
        if (!op || op->opcode == opcode)
            return op;
        if (op->operand_count != 2)
            return NULL;
        value = ran_op_operand(op, ran_value_constant(ran_op_operand(op, 0)) ? 1 : 0);
    }
    return NULL;
}

static bool is_polynomial(const polynomial *p, double c0, double c1, double c3, ran_elem elem)
{
    return ran_match_near(p->c[0], c0, elem) && ran_match_near(p->c[1], c1, elem) &&
           p->c[2] == 0 && ran_match_near(p->c[3], c3, elem);
}

static bool is_closed(const ran_op *root, const ran_value *x)
{
    ran_match match = {0};
    ran_match_cover(&match, &root->results[0], &x, 1);
    return ran_match_is_closed(&match, &root->results[0]);
}

/* factor * gate = constant + slope * E(c1 x + c3 x^3) */
typedef struct form {
    ran_opcode opcode; /* E */
    double constant, slope, c1, c3;
    ran_opcode result;
} form;

static const form erf_form = {RAN_OP_ERF, 0.5, 0.5, 0.70710678118654752440, 0, RAN_OP_GELU_ERF};
static const form tanh_form = {
    RAN_OP_TANH, 0.5, 0.5, 0.79788456080286535588, 0.044715 * 0.79788456080286535588,
    RAN_OP_GELU_TANH};
static const form sigmoid_form = {
    RAN_OP_SIGMOID, 0, 1, 2 * 0.79788456080286535588, 2 * 0.044715 * 0.79788456080286535588,
    RAN_OP_GELU_TANH};

static bool is_gate(ran_value *gate, const ran_value *x, double factor, const form *form)
{
    ran_elem elem = ran_type_elem(ran_value_type(x));
    ran_op *inner = find_below(gate, form->opcode);
    polynomial p, u;
    if (!inner || inner->opcode != form->opcode ||
        !expand(gate, &inner->results[0], DEPTH, &p) ||
        !expand(ran_op_operand(inner, 0), x, DEPTH, &u))
        return false;
    for (int i = 0; i <= DEGREE; i++)
        p.c[i] *= factor;
    return is_polynomial(&p, form->constant, form->slope, 0, elem) &&
           is_polynomial(&u, 0, form->c1, form->c3, elem);
}

static ran_value *recognize(ran_pass_context *pass, ran_op *op, const form *form)
{
    ran_product product;
    if (!ran_value_is_float(&op->results[0]) || !ran_match_product(&op->results[0], &product) ||
        product.count != 2)
        return NULL;
    for (size_t i = 0; i < 2; i++) {
        ran_value *gate = product.values[i], *x = product.values[1 - i];
        if (ran_match_same_type(x, &op->results[0]) && is_gate(gate, x, product.factor, form) &&
            is_closed(op, x))
            return ran_new_unary(pass, op, form->result, x);
    }
    return NULL;
}

static ran_value *recognize_erf(ran_pass_context *pass, ran_op *op)
{
    return recognize(pass, op, &erf_form);
}

static ran_value *recognize_tanh(ran_pass_context *pass, ran_op *op)
{
    ran_value *value = recognize(pass, op, &tanh_form);
    return value ? value : recognize(pass, op, &sigmoid_form);
}

ran_status ran_run_recognize_gelu(ran_pass_context *pass, ran_function *function)
{
    static const ran_rule rules[] = {
        {RAN_OP_MUL, recognize_erf, "erf"},
        {RAN_OP_DIV, recognize_erf, "erf"},
        {RAN_OP_MUL, recognize_tanh, "tanh"},
        {RAN_OP_DIV, recognize_tanh, "tanh"},
    };
    return ran_rewrite(pass, function, rules, 4);
}
