/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Gradients of rnn, gru and lstm: of the network unrolled over its steps, which is computed again
 * for the purpose. States are [n, hidden]; the products of the inputs with w are one for all steps.
 */
#include "ir/ops/gradient.h"

#include <string.h>

enum { X, W, R, B, LENGTHS, INITIAL_H, INITIAL_C, PEEPHOLES };

typedef struct unroll {
    ran_gradient *g;
    const ran_op *op;
    int64_t steps, batch, hidden, directions;
    bool batch_first;
    ran_value *x;      /* [steps, batch, inputs] */
    int direction;     /* the one that is built */
    ran_value *inputs; /* [steps, batch, gates * hidden]: x w^T */
    ran_value *r;      /* [hidden, gates * hidden] */
    ran_value *wb, *rb, *peepholes, *h, *c;
} unroll;

/* ---- Pieces
 * ------------------------------------------------------------------------------------------- */

/* Part `index` of [parts * size] or [n, parts * size], of the last axis. */
static ran_value *part(unroll *u, ran_value *value, int index)
{
    return value ? ran_gradient_slice(u->g, value, ran_gradient_rank(value) - 1, index * u->hidden,
                                      (index + 1) * u->hidden)
                 : NULL;
}

static ran_value *plus(unroll *u, ran_value *a, ran_value *b)
{
    return b ? ran_gradient_add_values(u->g, a, b) : a;
}

/* value[index] along the first axis, which goes. */
static ran_value *at(unroll *u, ran_value *value, int64_t index)
{
    ran_value *operands[] = {value, ran_gradient_axis(u->g, index)};
    return ran_gradient_finish(u->g, ran_gradient_op(u->g, RAN_OP_GATHER, 2, operands, 1));
}

static ran_value *direction_of(unroll *u, size_t operand)
{
    ran_value *value = ran_op_operand(u->op, operand);
    return value ? at(u, value, u->direction) : NULL;
}

/* A state operand [directions, n, hidden], or [n, directions, hidden]; zeros where it is absent. */
static ran_value *initial(unroll *u, size_t operand)
{
    ran_value *state = ran_op_operand(u->op, operand);
    if (!state) {
        ran_value *zero = ran_gradient_scalar(u->g, u->x, 0);
        int64_t dims[] = {u->batch, u->hidden};
        return ran_gradient_binary(u->g, RAN_OP_EXPAND, zero, ran_gradient_ints(u->g, dims, 2));
    }
    if (u->batch_first)
        state = ran_gradient_transpose(u->g, state, (int64_t[]){1, 0, 2}, 3);
    return at(u, state, u->direction);
}

static ran_value *with_float(ran_gradient *g, ran_opcode opcode, ran_value *x, const char *first,
                             double a, const char *second, double b)
{
    ran_op *op = ran_gradient_op(g, opcode, 1, &x, 1);
    ran_op_set_float(op, first, a);
    if (second)
        ran_op_set_float(op, second, b);
    return ran_gradient_finish(g, op);
}

static ran_value *clipped(unroll *u, ran_value *x)
{
    double bound = ran_op_has_attr(u->op, "clip") ? ran_op_float(u->op, "clip") : 0;
    if (!(bound > 0))
        return x;
    ran_value *operands[] = {x, ran_gradient_scalar(u->g, x, -bound),
                             ran_gradient_scalar(u->g, x, bound)};
    return ran_gradient_finish(u->g, ran_gradient_op(u->g, RAN_OP_CLIP, 3, operands, 1));
}

static ran_value *activate(unroll *u, int index, ran_value *x)
{
    static const struct {
        const char *name;
        ran_opcode opcode;
        const char *alpha, *beta;
    } known[] = {
        {"Relu", RAN_OP_RELU, NULL, NULL},
        {"Tanh", RAN_OP_TANH, NULL, NULL},
        {"Sigmoid", RAN_OP_SIGMOID, NULL, NULL},
        {"Softsign", RAN_OP_SOFTSIGN, NULL, NULL},
        {"Softplus", RAN_OP_SOFTPLUS, NULL, NULL},
        {"LeakyRelu", RAN_OP_LEAKY_RELU, "alpha", NULL},
        {"ThresholdedRelu", RAN_OP_THRESHOLDED_RELU, "alpha", NULL},
        {"Elu", RAN_OP_ELU, "alpha", NULL},
        {"HardSigmoid", RAN_OP_HARD_SIGMOID, "alpha", "beta"},
    };
    double alpha, beta;
    int functions = u->op->opcode == RAN_OP_RNN ? 1 : u->op->opcode == RAN_OP_GRU ? 2 : 3;
    const char *name =
        ran_recurrent_activation(u->op, u->direction * functions + index, &alpha, &beta);
    x = clipped(u, x);
    for (size_t i = 0; i < sizeof known / sizeof *known; i++) {
        if (strcmp(known[i].name, name) != 0)
            continue;
        return known[i].alpha ? with_float(u->g, known[i].opcode, x, known[i].alpha, alpha,
                                           known[i].beta, beta)
                              : ran_gradient_unary(u->g, known[i].opcode, x);
    }
    if (!strcmp(name, "Affine"))
        return plus(u, ran_gradient_scale(u->g, x, alpha), ran_gradient_scalar(u->g, x, beta));
    RAN_ASSERT(NULL, !strcmp(name, "ScaledTanh"));
    x = ran_gradient_unary(u->g, RAN_OP_TANH, ran_gradient_scale(u->g, x, beta));
    return ran_gradient_scale(u->g, x, alpha);
}

/* ---- Steps
 * --------------------------------------------------------------------------------------------- */

static ran_value *recurrent_product(unroll *u, ran_value *h, ran_value *r)
{
    return ran_gradient_binary(u->g, RAN_OP_MATMUL, h, r);
}

static void step_rnn(unroll *u, ran_value *x)
{
    ran_value *sum = plus(u, plus(u, x, u->wb), recurrent_product(u, u->h, u->r));
    u->h = activate(u, 0, plus(u, sum, u->rb));
}

/* u->h moves towards the candidate as far as the update gate lets it. */
static void step_gru(unroll *u, ran_value *x)
{
    ran_gradient *g = u->g;
    ran_value *gate[2], *r_h = part(u, u->r, 2);
    x = plus(u, x, u->wb);
    for (int i = 0; i < 2; i++) {
        ran_value *sum = plus(u, part(u, x, i), recurrent_product(u, u->h, part(u, u->r, i)));
        gate[i] = activate(u, 0, plus(u, sum, part(u, u->rb, i)));
    }
    ran_value *inner;
    if (ran_op_int(u->op, "linear_before_reset")) {
        inner = plus(u, recurrent_product(u, u->h, r_h), part(u, u->rb, 2));
        inner = ran_gradient_mul(g, gate[1], inner);
    } else {
        inner = recurrent_product(u, ran_gradient_mul(g, gate[1], u->h), r_h);
        inner = plus(u, inner, part(u, u->rb, 2));
    }
    ran_value *candidate = activate(u, 1, plus(u, part(u, x, 2), inner));
    ran_value *change = ran_gradient_binary(g, RAN_OP_SUB, u->h, candidate);
    u->h = plus(u, candidate, ran_gradient_mul(g, gate[0], change));
}

static ran_value *peep(unroll *u, ran_value *sum, int index, ran_value *c)
{
    return u->peepholes ? plus(u, sum, ran_gradient_mul(u->g, part(u, u->peepholes, index), c))
                        : sum;
}

static void step_lstm(unroll *u, ran_value *x)
{
    ran_gradient *g = u->g;
    ran_value *sum = plus(u, plus(u, x, u->wb), recurrent_product(u, u->h, u->r));
    sum = plus(u, sum, u->rb);
    ran_value *input = activate(u, 0, peep(u, part(u, sum, 0), 0, u->c)), *forget;
    if (ran_op_int(u->op, "input_forget"))
        forget = ran_gradient_binary(g, RAN_OP_SUB, ran_gradient_scalar(g, input, 1), input);
    else
        forget = activate(u, 0, peep(u, part(u, sum, 2), 2, u->c));
    ran_value *candidate = activate(u, 1, part(u, sum, 3));
    u->c = plus(u, ran_gradient_mul(g, forget, u->c), ran_gradient_mul(g, input, candidate));
    ran_value *output = activate(u, 0, peep(u, part(u, sum, 1), 1, u->c));
    u->h = ran_gradient_mul(g, output, activate(u, 2, u->c));
}

/* Behind an element's length the states stay, and y is 0. Returns y at this step. */
static ran_value *step(unroll *u, int64_t t)
{
    ran_gradient *g = u->g;
    ran_value *h = u->h, *c = u->c, *lengths = ran_op_operand(u->op, LENGTHS);
    ran_value *x = at(u, u->inputs, t);
    if (u->op->opcode == RAN_OP_LSTM)
        step_lstm(u, x);
    else if (u->op->opcode == RAN_OP_GRU)
        step_gru(u, x);
    else
        step_rnn(u, x);
    if (!lengths)
        return u->h;
    lengths = ran_gradient_cast(g, lengths, RAN_ELEM_I64);
    ran_value *runs = ran_gradient_binary(g, RAN_OP_GREATER, lengths, ran_gradient_axis(g, t));
    runs = ran_gradient_unsqueeze(g, runs, &(int64_t){1}, 1);
    ran_value *y = ran_gradient_where(g, runs, u->h, ran_gradient_scalar(g, u->h, 0));
    u->h = ran_gradient_where(g, runs, u->h, h);
    u->c = c ? ran_gradient_where(g, runs, u->c, c) : NULL;
    return y;
}

/* ---- All of it
 * ------------------------------------------------------------------------------------------- */

static ran_value *concat(ran_gradient *g, ran_value **values, size_t count, int64_t axis)
{
    ran_op *op = ran_gradient_op(g, RAN_OP_CONCAT, count, values, 1);
    ran_op_set_int(op, "axis", axis);
    return ran_gradient_finish(g, op);
}

static void open_direction(unroll *u, int direction)
{
    int64_t size = 0;
    u->direction = direction;
    ran_value *w = direction_of(u, W), *b = direction_of(u, B);
    size = ran_gradient_extent(w, 0);
    w = ran_gradient_transpose(u->g, w, (int64_t[]){1, 0}, 2);
    u->inputs = ran_gradient_binary(u->g, RAN_OP_MATMUL, u->x, w);
    u->r = ran_gradient_transpose(u->g, direction_of(u, R), (int64_t[]){1, 0}, 2);
    u->wb = b ? ran_gradient_slice(u->g, b, 0, 0, size) : NULL;
    u->rb = b ? ran_gradient_slice(u->g, b, 0, size, 2 * size) : NULL;
    bool is_lstm = u->op->opcode == RAN_OP_LSTM;
    u->peepholes = is_lstm ? direction_of(u, PEEPHOLES) : NULL;
    u->h = initial(u, INITIAL_H);
    u->c = is_lstm ? initial(u, INITIAL_C) : NULL;
}

/* y of one direction: [steps, 1, n, hidden]. */
static ran_value *run_direction(unroll *u, bool backwards, ran_value **ys)
{
    for (int64_t i = 0; i < u->steps; i++) {
        int64_t t = backwards ? u->steps - 1 - i : i;
        ys[t] = ran_gradient_unsqueeze(u->g, step(u, t), (int64_t[]){0, 1}, 2);
    }
    return concat(u->g, ys, (size_t)u->steps, 0);
}

static ran_value *join_states(unroll *u, ran_value **states)
{
    for (int i = 0; i < u->directions; i++)
        states[i] = ran_gradient_unsqueeze(u->g, states[i], (int64_t[]){0}, 1);
    ran_value *all = concat(u->g, states, (size_t)u->directions, 0);
    return u->batch_first ? ran_gradient_transpose(u->g, all, (int64_t[]){1, 0, 2}, 3) : all;
}

static ran_status compose(ran_gradient *g, const ran_op *op, ran_value **out_results)
{
    const char *direction = ran_op_string(op, "direction");
    ran_value *x = ran_op_operand(op, X), *y[2], *h[2], *c[2];
    unroll u = {.g = g, .op = op, .batch_first = ran_op_int(op, "layout") != 0};
    u.directions = strcmp(direction, "bidirectional") ? 1 : 2;
    u.hidden = ran_gradient_extent(ran_op_operand(op, R), 2);
    u.x = u.batch_first ? ran_gradient_transpose(g, x, (int64_t[]){1, 0, 2}, 3) : x;
    u.steps = ran_gradient_extent(u.x, 0);
    u.batch = ran_gradient_extent(u.x, 1);
    ran_value **ys = ran_arena_alloc(ran_module_arena(ran_gradient_builder(g)->module),
                                     (size_t)(u.steps + 1) * sizeof *ys);
    for (int i = 0; i < u.directions; i++) {
        open_direction(&u, i);
        y[i] = run_direction(&u, i == 1 || !strcmp(direction, "reverse"), ys);
        h[i] = u.h;
        c[i] = u.c;
    }
    out_results[0] = concat(g, y, (size_t)u.directions, 1);
    if (u.batch_first)
        out_results[0] = ran_gradient_transpose(g, out_results[0], (int64_t[]){2, 0, 1, 3}, 4);
    if (op->result_count > 1)
        out_results[1] = join_states(&u, h);
    if (op->result_count > 2)
        out_results[2] = join_states(&u, c);
    return RAN_OK;
}

ran_status ran_recurrent_gradient(ran_gradient *g, const ran_op *op)
{
    ran_status status = ran_gradient_need_static(op);
    if (status != RAN_OK || !ran_type_numel(op->results[0].type))
        return status;
    return ran_gradient_by_composition(g, op, compose);
}
