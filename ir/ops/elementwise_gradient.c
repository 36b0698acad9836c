/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Gradients of elementwise ops, from the expressions in elementwise.def.
 *
 *   .gradient = "d * y * (1 - y)"       of a unary op: x -> y
 *   .gradient = "d * y | d * x"         of a binary op: x, y -> z, one expression an operand
 *
 * expression  = { name "=" sum ";" } comparison ;
 * comparison  = sum [ ("<" | ">" | "==") sum ] ;
 * sum         = product { ("+" | "-") product } ;
 * product     = factor { ("*" | "/") factor } ;
 * factor      = number | name | "-" factor | "(" comparison ")" | op "(" comparison { ","
 * comparison } ")" ;
 *
 * A name is x, y, z, d (the gradient of the result), a name assigned before, or an attribute of the
 * op. Numbers and attributes stay numbers as long as they meet numbers, so that alpha - 1 is no op.
 * "0" means that nothing flows. The expressions are ours: an error in one is a bug.
 */
#include "ir/ops/gradient.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>

typedef struct term {
    ran_value *value; /* NULL: a number */
    double number;
} term;

enum { MAX_NAMES = 4, MAX_NAME = 24 };

typedef struct expression {
    ran_gradient *g;
    const ran_op *op;
    const char *at;
    struct {
        char name[MAX_NAME];
        term term;
    } names[MAX_NAMES];
    size_t name_count;
} expression;

static term parse_comparison(expression *e);

_Noreturn static void fail(const expression *e)
{
    RAN_BUG(NULL, "gradient of %s: cannot read \"%s\"", ran_opcode_name(e->op->opcode), e->at);
}

static void skip_blanks(expression *e)
{
    e->at += strspn(e->at, " ");
}

static bool accept(expression *e, const char *text)
{
    skip_blanks(e);
    size_t length = strlen(text);
    if (strncmp(e->at, text, length) != 0)
        return false;
    e->at += length;
    return true;
}

static void expect(expression *e, const char *text)
{
    if (!accept(e, text))
        fail(e);
}

/* ---- Terms
 * ------------------------------------------------------------------------------------------ */

static ran_value *as_value(expression *e, term t)
{
    return t.value ? t.value : ran_gradient_scalar(e->g, ran_op_operand(e->op, 0), t.number);
}

static bool is_number(term t, double number)
{
    return !t.value && t.number == number;
}

static term fold(ran_opcode opcode, double a, double b)
{
    double value = opcode == RAN_OP_ADD       ? a + b
                   : opcode == RAN_OP_SUB     ? a - b
                   : opcode == RAN_OP_MUL     ? a * b
                   : opcode == RAN_OP_LESS    ? a < b
                   : opcode == RAN_OP_GREATER ? a > b
                   : opcode == RAN_OP_EQUAL   ? a == b
                                              : a / b;
    return (term){NULL, value};
}

static term combine(expression *e, ran_opcode opcode, term a, term b)
{
    if (!a.value && !b.value && opcode != RAN_OP_POW && opcode != RAN_OP_AND)
        return fold(opcode, a.number, b.number);
    if ((opcode == RAN_OP_MUL || opcode == RAN_OP_DIV || opcode == RAN_OP_POW) && is_number(b, 1))
        return a;
    if (opcode == RAN_OP_MUL && is_number(a, 1))
        return b;
    if ((opcode == RAN_OP_ADD || opcode == RAN_OP_SUB) && is_number(b, 0))
        return a;
    if (opcode == RAN_OP_ADD && is_number(a, 0))
        return b;
    return (term){ran_gradient_binary(e->g, opcode, as_value(e, a), as_value(e, b)), 0};
}

static term negate(expression *e, term t)
{
    return t.value ? (term){ran_gradient_unary(e->g, RAN_OP_NEG, t.value), 0}
                   : (term){NULL, -t.number};
}

/* ---- Names
 * ------------------------------------------------------------------------------------------- */

/* A constant scalar is a number; an operand of another element type (pow's exponent) is cast. */
static term operand_term(expression *e, size_t index)
{
    double number;
    ran_value *value = ran_op_operand(e->op, index);
    if (ran_gradient_constant(value, &number))
        return (term){NULL, number};
    ran_value *x = ran_op_operand(e->op, 0);
    return (term){ran_gradient_cast(e->g, value, ran_type_elem(x->type)), 0};
}

static term attribute_term(expression *e, const char *name)
{
    const ran_attr_spec *spec = ran_attr_spec_find(e->op->opcode, name);
    if (!spec || spec->kind != RAN_ATTR_FLOAT)
        fail(e);
    return (term){NULL, ran_op_float(e->op, name)};
}

static term name_term(expression *e, const char *name)
{
    size_t operands = e->op->operand_count;
    for (size_t i = 0; i < e->name_count; i++)
        if (!strcmp(e->names[i].name, name))
            return e->names[i].term;
    if (!strcmp(name, "d"))
        return (term){ran_gradient_of(e->g, 0), 0};
    for (size_t i = 0; i <= operands && !name[1]; i++)
        if (name[0] == "xyz"[i])
            return i < operands ? operand_term(e, i) : (term){ran_op_result(e->op, 0), 0};
    return attribute_term(e, name);
}

static void read_name(expression *e, char name[MAX_NAME])
{
    size_t length = 0;
    skip_blanks(e);
    while (isalnum((unsigned char)e->at[length]) || e->at[length] == '_')
        length++;
    if (!length || length >= MAX_NAME)
        fail(e);
    memcpy(name, e->at, length);
    name[length] = 0;
    e->at += length;
}

static term call(expression *e, const char *name)
{
    term arguments[3];
    size_t count = 0;
    ran_opcode opcode;
    if (!ran_opcode_parse(name, &opcode))
        fail(e);
    do {
        if (count == 3)
            fail(e);
        arguments[count++] = parse_comparison(e);
    } while (accept(e, ","));
    expect(e, ")");
    if (count == 2)
        return combine(e, opcode, arguments[0], arguments[1]);
    if (opcode == RAN_OP_WHERE && !arguments[0].value)
        return arguments[0].number != 0 ? arguments[1] : arguments[2];
    ran_value *values[3];
    for (size_t i = 0; i < count; i++)
        values[i] = as_value(e, arguments[i]);
    return (term){ran_gradient_finish(e->g, ran_gradient_op(e->g, opcode, count, values, 1)), 0};
}

/* ---- Grammar
 * ------------------------------------------------------------------------------------------ */

static double parse_number(expression *e)
{
    double value = 0, place = 1;
    bool fraction = false;
    for (; isdigit((unsigned char)*e->at) || *e->at == '.'; e->at++) {
        if (*e->at == '.') {
            fraction = true;
            continue;
        }
        value = value * 10 + (*e->at - '0');
        place *= fraction ? 10 : 1;
    }
    return value / place;
}

static term parse_factor(expression *e)
{
    char name[MAX_NAME];
    skip_blanks(e);
    if (isdigit((unsigned char)*e->at))
        return (term){NULL, parse_number(e)};
    if (accept(e, "-"))
        return negate(e, parse_factor(e));
    if (accept(e, "(")) {
        term t = parse_comparison(e);
        expect(e, ")");
        return t;
    }
    read_name(e, name);
    return accept(e, "(") ? call(e, name) : name_term(e, name);
}

static term parse_product(expression *e)
{
    term t = parse_factor(e);
    for (;;) {
        if (accept(e, "*"))
            t = combine(e, RAN_OP_MUL, t, parse_factor(e));
        else if (accept(e, "/"))
            t = combine(e, RAN_OP_DIV, t, parse_factor(e));
        else
            return t;
    }
}

static term parse_sum(expression *e)
{
    term t = parse_product(e);
    for (;;) {
        if (accept(e, "+"))
            t = combine(e, RAN_OP_ADD, t, parse_product(e));
        else if (accept(e, "-"))
            t = combine(e, RAN_OP_SUB, t, parse_product(e));
        else
            return t;
    }
}

static term parse_comparison(expression *e)
{
    term t = parse_sum(e);
    if (accept(e, "<"))
        return combine(e, RAN_OP_LESS, t, parse_sum(e));
    if (accept(e, ">"))
        return combine(e, RAN_OP_GREATER, t, parse_sum(e));
    if (accept(e, "=="))
        return combine(e, RAN_OP_EQUAL, t, parse_sum(e));
    return t;
}

/* "name = sum;", as far as there are any. */
static void parse_assignments(expression *e)
{
    const char *end = strchr(e->at, '|'), *semicolon;
    while ((semicolon = strchr(e->at, ';')) && (!end || semicolon < end)) {
        RAN_ASSERT(NULL, e->name_count < MAX_NAMES);
        char *name = e->names[e->name_count].name;
        read_name(e, name);
        expect(e, "=");
        e->names[e->name_count].term = parse_sum(e);
        e->name_count++;
        expect(e, ";");
    }
}

static ran_status add_gradients(ran_gradient *g, const ran_op *op)
{
    const char *text = ran_op_definition(op->opcode)->gradient;
    for (size_t i = 0; text && ran_gradient_of(g, 0); i++) {
        if (ran_gradient_needed(g, i)) {
            expression e = {.g = g, .op = op, .at = text};
            parse_assignments(&e);
            term t = parse_comparison(&e);
            skip_blanks(&e);
            if (*e.at && *e.at != '|')
                fail(&e);
            if (t.value)
                ran_gradient_add(g, i, ran_gradient_reduce_to(g, t.value, ran_op_operand(op, i)));
        }
        text = strchr(text, '|');
        text = text ? text + 1 : NULL;
    }
    return RAN_OK;
}

ran_status ran_unary_gradient(ran_gradient *g, const ran_op *op)
{
    return add_gradients(g, op);
}

ran_status ran_binary_gradient(ran_gradient *g, const ran_op *op)
{
    return add_gradients(g, op);
}

/* ---- Elementwise with a form of their own
 * -------------------------------------------------------------- */

/* y > min and y < max, as far as they are there; NULL: everywhere. */
static ran_value *is_inside(ran_gradient *g, const ran_op *op)
{
    ran_value *y = ran_op_result(op, 0), *min = ran_op_operand(op, 1), *max = ran_op_operand(op, 2);
    ran_value *above = min ? ran_gradient_binary(g, RAN_OP_GREATER, y, min) : NULL;
    ran_value *below = max ? ran_gradient_binary(g, RAN_OP_LESS, y, max) : NULL;
    return above && below ? ran_gradient_binary(g, RAN_OP_AND, above, below)
           : above        ? above
                          : below;
}

/* A bound gets the gradient of what it holds back; where min is above max, all is max. */
static ran_value *bound_gradient(ran_gradient *g, const ran_op *op, size_t bound, ran_value *d)
{
    ran_opcode outside = bound == 1 ? RAN_OP_LESS : RAN_OP_GREATER;
    ran_value *zero = ran_gradient_scalar(g, d, 0), *limit = ran_op_operand(op, bound);
    ran_value *other = ran_op_operand(op, 2);
    ran_value *held = ran_gradient_binary(g, outside, ran_op_operand(op, 0), limit);
    ran_value *part = ran_gradient_where(g, held, d, zero);
    if (bound == 1 && other)
        part = ran_gradient_where(g, ran_gradient_binary(g, RAN_OP_LESS, limit, other), part, zero);
    return ran_gradient_reduce_to(g, part, limit);
}

ran_status ran_clip_gradient(ran_gradient *g, const ran_op *op)
{
    ran_value *d = ran_gradient_of(g, 0), *inside;
    if (!d)
        return RAN_OK;
    for (size_t bound = 1; bound < 3; bound++)
        if (ran_gradient_needed(g, bound))
            ran_gradient_add(g, bound, bound_gradient(g, op, bound, d));
    if (!ran_gradient_needed(g, 0))
        return RAN_OK;
    inside = is_inside(g, op);
    ran_gradient_add(g, 0,
                     inside ? ran_gradient_where(g, inside, d, ran_gradient_scalar(g, d, 0)) : d);
    return RAN_OK;
}

ran_status ran_where_gradient(ran_gradient *g, const ran_op *op)
{
    ran_value *d = ran_gradient_of(g, 0), *condition = ran_op_operand(op, 0);
    if (!d)
        return RAN_OK;
    ran_value *zero = ran_gradient_scalar(g, d, 0);
    for (size_t i = 1; i < 3; i++)
        if (ran_gradient_needed(g, i)) {
            ran_value *part = i == 1 ? ran_gradient_where(g, condition, d, zero)
                                     : ran_gradient_where(g, condition, zero, d);
            ran_gradient_add(g, i, ran_gradient_reduce_to(g, part, ran_op_operand(op, i)));
        }
    return RAN_OK;
}

ran_status ran_cast_gradient(ran_gradient *g, const ran_op *op)
{
    ran_value *d = ran_gradient_of(g, 0);
    if (d && ran_gradient_needed(g, 0))
        ran_gradient_add(g, 0, ran_gradient_cast(g, d, ran_type_elem(op->operands[0].value->type)));
    return RAN_OK;
}

ran_status ran_identity_gradient(ran_gradient *g, const ran_op *op)
{
    (void)op;
    ran_gradient_add(g, 0, ran_gradient_of(g, 0));
    return RAN_OK;
}

/* z = x - y * trunc(x / y); the quotient is constant between its jumps. */
ran_status ran_mod_gradient(ran_gradient *g, const ran_op *op)
{
    ran_value *d = ran_gradient_of(g, 0), *x = ran_op_operand(op, 0), *y = ran_op_operand(op, 1);
    if (!d)
        return RAN_OK;
    ran_gradient_add(g, 0, ran_gradient_reduce_to(g, d, x));
    if (!ran_gradient_needed(g, 1))
        return RAN_OK;
    ran_value *rest = ran_gradient_binary(g, RAN_OP_SUB, ran_op_result(op, 0), x);
    ran_value *quotient =
        ran_gradient_unary(g, RAN_OP_ROUND, ran_gradient_binary(g, RAN_OP_DIV, rest, y));
    ran_gradient_add(g, 1, ran_gradient_reduce_to(g, ran_gradient_mul(g, d, quotient), y));
    return RAN_OK;
}

/* Linear in x once the mask is drawn, and a seed means the same mask. */
ran_status ran_dropout_gradient(ran_gradient *g, const ran_op *op)
{
    ran_value *operands[] = {ran_gradient_of(g, 0), ran_op_operand(op, 1), ran_op_operand(op, 2)};
    if (!operands[0])
        return RAN_OK;
    ran_op *dropout = ran_gradient_op(g, RAN_OP_DROPOUT, op->operand_count, operands, 1);
    ran_gradient_copy_attrs(dropout, op);
    ran_gradient_add(g, 0, ran_gradient_finish(g, dropout));
    return RAN_OK;
}
