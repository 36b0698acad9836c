/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * rnn, gru and lstm.
 *
 * Gates are stacked in ONNX's order: lstm i o f c, gru z r h. One direction of one batch element is
 * run at a time, since elements of a batch may have different lengths; what lies behind an
 * element's length is zero in y.
 */
#include "ir/ops/compute.h"
#include "ir/ops/gradient.h"

#include <ctype.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { X, W, R, B, LENGTHS, INITIAL_H, INITIAL_C, PEEPHOLES, OPERANDS };

/* ---- Activations ---------------------------------------------------------------------------- */

typedef struct activation {
    const char *name;
    double (*apply)(double x, double alpha, double beta);
    bool has_alpha, has_beta;
    double alpha, beta; /* defaults */
} activation;

static double act_relu(double x, double a, double b)
{
    (void)a, (void)b;
    return x < 0 ? 0 : x;
}

static double act_tanh(double x, double a, double b)
{
    (void)a, (void)b;
    return tanh(x);
}

static double act_sigmoid(double x, double a, double b)
{
    (void)a, (void)b;
    return 1 / (1 + exp(-x));
}

static double act_affine(double x, double a, double b)
{
    return a * x + b;
}

static double act_leaky_relu(double x, double a, double b)
{
    (void)b;
    return x < 0 ? a * x : x;
}

static double act_thresholded_relu(double x, double a, double b)
{
    (void)b;
    return x > a ? x : 0;
}

static double act_scaled_tanh(double x, double a, double b)
{
    return a * tanh(b * x);
}

static double act_hard_sigmoid(double x, double a, double b)
{
    double y = a * x + b;
    return y < 0 ? 0 : y > 1 ? 1 : y;
}

static double act_elu(double x, double a, double b)
{
    (void)b;
    return x < 0 ? a * expm1(x) : x;
}

static double act_softsign(double x, double a, double b)
{
    (void)a, (void)b;
    return x / (1 + fabs(x));
}

static double act_softplus(double x, double a, double b)
{
    (void)a, (void)b;
    return log1p(exp(-fabs(x))) + fmax(x, 0);
}

static const activation activations[] = {
    {.name = "Relu", .apply = act_relu},
    {.name = "Tanh", .apply = act_tanh},
    {.name = "Sigmoid", .apply = act_sigmoid},
    {.name = "Affine", .apply = act_affine, .has_alpha = true, .has_beta = true, .alpha = 1},
    {.name = "LeakyRelu", .apply = act_leaky_relu, .has_alpha = true, .alpha = 0.01},
    {.name = "ThresholdedRelu", .apply = act_thresholded_relu, .has_alpha = true, .alpha = 1},
    {.name = "ScaledTanh",
     .apply = act_scaled_tanh,
     .has_alpha = true,
     .has_beta = true,
     .alpha = 1,
     .beta = 1},
    {.name = "HardSigmoid",
     .apply = act_hard_sigmoid,
     .has_alpha = true,
     .has_beta = true,
     .alpha = 0.2,
     .beta = 0.5},
    {.name = "Elu", .apply = act_elu, .has_alpha = true, .alpha = 1},
    {.name = "Softsign", .apply = act_softsign},
    {.name = "Softplus", .apply = act_softplus},
};

/* Names compare without case. */
static bool same_name(const char *a, const char *b)
{
    while (*a && tolower((unsigned char)*a) == tolower((unsigned char)*b))
        a++, b++;
    return !*a && !*b;
}

static const activation *find_activation(const char *name)
{
    for (size_t i = 0; i < sizeof activations / sizeof *activations; i++)
        if (same_name(name, activations[i].name))
            return &activations[i];
    return NULL;
}

/* ---- What kind ------------------------------------------------------------------------------ */

typedef struct kind {
    int gates, functions; /* of one direction */
    const char *defaults[3];
} kind;

static const kind *kind_of(const ran_op *op)
{
    static const kind rnn = {1, 1, {"Tanh"}}, gru = {3, 2, {"Sigmoid", "Tanh"}};
    static const kind lstm = {4, 3, {"Sigmoid", "Tanh", "Tanh"}};
    return op->opcode == RAN_OP_RNN ? &rnn : op->opcode == RAN_OP_GRU ? &gru : &lstm;
}

static int direction_count(const ran_op *op)
{
    return strcmp(ran_op_string(op, "direction"), "bidirectional") ? 1 : 2;
}

static ran_status verify_recurrent(const ran_op *op)
{
    size_t count;
    const char *const *names = ran_op_strings(op, "activations", &count);
    const char *direction = ran_op_string(op, "direction");
    if (strcmp(direction, "forward") && strcmp(direction, "reverse") &&
        strcmp(direction, "bidirectional"))
        return ran_op_error(op, RAN_INVALID, "attribute direction: unknown \"%s\"", direction);
    size_t expected = (size_t)(kind_of(op)->functions * direction_count(op));
    if (count && count != expected)
        return ran_op_error(op, RAN_INVALID, "attribute activations: expected %zu names, got %zu",
                            expected, count);
    for (size_t i = 0; i < count; i++)
        if (!find_activation(names[i]))
            return ran_op_error(op, RAN_INVALID, "attribute activations: unknown \"%s\"", names[i]);
    return RAN_OK;
}

/* ---- Inference ------------------------------------------------------------------------------ */

/* An operand's shape must be `dims`, where both are known. */
static ran_status check_shape(const ran_infer *infer, size_t operand, int rank,
                              const ran_dim *const *dims)
{
    const char *name = ran_op_definition(infer->op->opcode)->operands[operand].name;
    const ran_type *type = ran_infer_operand(infer, operand);
    ran_status status = ran_infer_check_rank(infer, operand, name, rank);
    for (int i = 0; type && ran_type_rank(type) == rank && i < rank && status == RAN_OK; i++)
        status = ran_infer_check_equal_dims(infer, name, ran_type_dim(type, i), dims[i]);
    return status;
}

typedef struct extents {
    const ran_dim *steps, *batch, *inputs, *hidden, *directions;
} extents;

static ran_status check_weights(const ran_infer *infer, const extents *d)
{
    ran_context *c = infer->context;
    const ran_dim *gates = ran_dim_mul_constant(c, d->hidden, kind_of(infer->op)->gates);
    const ran_dim *w[] = {d->directions, gates, d->inputs},
                  *r[] = {d->directions, gates, d->hidden};
    const ran_dim *b[] = {d->directions, ran_dim_mul_constant(c, gates, 2)};
    const ran_dim *p[] = {d->directions, ran_dim_mul_constant(c, d->hidden, 3)};
    ran_status status = check_shape(infer, W, 3, w);
    if (status == RAN_OK)
        status = check_shape(infer, R, 3, r);
    if (status == RAN_OK)
        status = check_shape(infer, B, 2, b);
    if (status == RAN_OK && infer->op->opcode == RAN_OP_LSTM)
        status = check_shape(infer, PEEPHOLES, 2, p);
    return status;
}

static ran_status check_states(const ran_infer *infer, const extents *d)
{
    bool batch_first = ran_op_int(infer->op, "layout");
    const ran_dim *state[] = {batch_first ? d->batch : d->directions,
                              batch_first ? d->directions : d->batch, d->hidden};
    ran_status status = check_shape(infer, LENGTHS, 1, &d->batch);
    if (status == RAN_OK)
        status = ran_infer_check_elem(infer, LENGTHS, "I");
    if (status == RAN_OK)
        status = check_shape(infer, INITIAL_H, 3, state);
    if (status == RAN_OK && infer->op->opcode == RAN_OP_LSTM)
        status = check_shape(infer, INITIAL_C, 3, state);
    return status;
}

static ran_status infer_recurrent(ran_infer *infer)
{
    ran_context *c = infer->context;
    const ran_op *op = infer->op;
    const ran_type *x = infer->operands[X], *r = infer->operands[R];
    bool batch_first = ran_op_int(op, "layout");
    ran_status status = verify_recurrent(op);
    if (status == RAN_OK)
        status = ran_infer_check_elem(infer, X, "F");
    if (status == RAN_OK)
        status = ran_infer_check_rank(infer, X, "x", 3);
    if (status == RAN_OK)
        status = ran_infer_check_rank(infer, R, "r", 3);
    if (status != RAN_OK)
        return status;
    bool known = ran_type_rank(x) == 3;
    extents d = {
        .steps = known ? ran_type_dim(x, batch_first) : ran_dim_fresh(c),
        .batch = known ? ran_type_dim(x, !batch_first) : ran_dim_fresh(c),
        .inputs = known ? ran_type_dim(x, 2) : ran_dim_fresh(c),
        .directions = ran_dim_constant(c, direction_count(op)),
    };
    d.hidden = ran_type_rank(r) == 3 ? ran_type_dim(r, 2) : ran_dim_fresh(c);
    status = check_weights(infer, &d);
    if (status == RAN_OK)
        status = check_states(infer, &d);
    const ran_dim *y[] = {d.steps, d.directions, d.batch, d.hidden};
    const ran_dim *y_first[] = {d.batch, d.steps, d.directions, d.hidden};
    const ran_dim *state[] = {batch_first ? d.batch : d.directions,
                              batch_first ? d.directions : d.batch, d.hidden};
    ran_infer_result(infer, 0, ran_type_elem(x), 4, batch_first ? y_first : y);
    for (size_t i = 1; i < op->result_count; i++)
        ran_infer_result(infer, i, ran_type_elem(x), 3, state);
    return status;
}

/* ---- Evaluation ----------------------------------------------------------------------------- */

typedef struct function {
    const activation *kind;
    double alpha, beta;
} function;

typedef struct network {
    const ran_op *op;
    const kind *kind;
    int64_t steps, batch, inputs, hidden, directions;
    bool batch_first;
    double clip;
    double *operands[OPERANDS];
    double *y, *last_h, *last_c; /* whole results; NULL where there is none */
    function functions[6];
    double *gates, *h, *c, *scratch; /* of the element that runs */
} network;

/* Alphas and betas are handed out in order to the functions that have them. */
static void choose_functions(network *n)
{
    size_t count, alpha_count, beta_count, alpha = 0, beta = 0;
    const char *const *names = ran_op_strings(n->op, "activations", &count);
    const double *alphas = ran_op_floats(n->op, "activation_alpha", &alpha_count);
    const double *betas = ran_op_floats(n->op, "activation_beta", &beta_count);
    for (int i = 0; i < n->kind->functions * (int)n->directions; i++) {
        const char *name = count ? names[i] : n->kind->defaults[i % n->kind->functions];
        const activation *a = find_activation(name);
        n->functions[i] = (function){a, a->alpha, a->beta};
        if (a->has_alpha && alpha < alpha_count)
            n->functions[i].alpha = alphas[alpha++];
        if (a->has_beta && beta < beta_count)
            n->functions[i].beta = betas[beta++];
    }
}

const char *ran_recurrent_activation(const ran_op *op, int index, double *out_alpha,
                                     double *out_beta)
{
    network n = {.op = op, .kind = kind_of(op), .directions = direction_count(op)};
    choose_functions(&n);
    *out_alpha = n.functions[index].alpha;
    *out_beta = n.functions[index].beta;
    return n.functions[index].kind->name;
}

static double activate(const network *n, int direction, int index, double x)
{
    const function *f = &n->functions[direction * n->kind->functions + index];
    if (n->clip > 0)
        x = x < -n->clip ? -n->clip : x > n->clip ? n->clip : x;
    return f->kind->apply(x, f->alpha, f->beta);
}

/* out[rows] += matrix[rows x columns] * x */
static void add_product(double *out, const double *matrix, const double *x, int64_t rows,
                        int64_t columns)
{
    for (int64_t i = 0; i < rows; i++) {
        double sum = 0;
        for (int64_t j = 0; j < columns; j++)
            sum += matrix[i * columns + j] * x[j];
        out[i] += sum;
    }
}

static const double *weights(const network *n, int operand, int direction, int64_t columns)
{
    return n->operands[operand] + direction * n->kind->gates * n->hidden * columns;
}

/* Biases of the input side (part 0) or the recurrent side (part 1), NULL: none. */
static const double *biases(const network *n, int direction, int part)
{
    int64_t size = n->kind->gates * n->hidden;
    return n->operands[B] ? n->operands[B] + (direction * 2 + part) * size : NULL;
}

/* W x + Wb + Rb of all gates; R h of the first `recurrent` gates. */
static void sum_gates(network *n, int direction, const double *x, int recurrent)
{
    int64_t size = n->kind->gates * n->hidden, recurrent_size = recurrent * n->hidden;
    const double *wb = biases(n, direction, 0), *rb = biases(n, direction, 1);
    for (int64_t i = 0; i < size; i++)
        n->gates[i] = (wb ? wb[i] : 0) + (rb && i < recurrent_size ? rb[i] : 0);
    add_product(n->gates, weights(n, W, direction, n->inputs), x, size, n->inputs);
    add_product(n->gates, weights(n, R, direction, n->hidden), n->h, recurrent_size, n->hidden);
}

static void step_rnn(network *n, int direction, const double *x)
{
    sum_gates(n, direction, x, 1);
    for (int64_t i = 0; i < n->hidden; i++)
        n->h[i] = activate(n, direction, 0, n->gates[i]);
}

/* The recurrent part of the hidden gate: r scales its sum, or the state that goes into it. */
static void add_hidden_gate(network *n, int direction)
{
    int64_t size = n->hidden;
    const double *matrix = weights(n, R, direction, size) + 2 * size * size;
    const double *rb = biases(n, direction, 1);
    double *out = n->gates + 2 * size, *state = n->scratch, *sum = n->scratch + size;
    bool linear = ran_op_int(n->op, "linear_before_reset");
    for (int64_t i = 0; i < size; i++) {
        sum[i] = rb ? rb[2 * size + i] : 0;
        state[i] = linear ? n->h[i] : n->h[i] * n->gates[size + i];
    }
    add_product(sum, matrix, state, size, size);
    for (int64_t i = 0; i < size; i++)
        out[i] += linear ? n->gates[size + i] * sum[i] : sum[i];
}

static void step_gru(network *n, int direction, const double *x)
{
    int64_t size = n->hidden;
    sum_gates(n, direction, x, 2);
    for (int64_t i = 0; i < 2 * size; i++)
        n->gates[i] = activate(n, direction, 0, n->gates[i]);
    add_hidden_gate(n, direction);
    for (int64_t i = 0; i < size; i++) {
        double z = n->gates[i], hidden = activate(n, direction, 1, n->gates[2 * size + i]);
        n->h[i] = (1 - z) * hidden + z * n->h[i];
    }
}

static void step_lstm(network *n, int direction, const double *x)
{
    int64_t size = n->hidden;
    const double *p = n->operands[PEEPHOLES] ? n->operands[PEEPHOLES] + direction * 3 * size : NULL;
    bool couples = ran_op_int(n->op, "input_forget");
    sum_gates(n, direction, x, 4);
    for (int64_t k = 0; k < size; k++) {
        double before = n->c[k], *g = n->gates + k;
        double i = activate(n, direction, 0, g[0] + (p ? p[k] * before : 0));
        double f =
            couples ? 1 - i
                    : activate(n, direction, 0, g[2 * size] + (p ? p[2 * size + k] * before : 0));
        n->c[k] = f * before + i * activate(n, direction, 1, g[3 * size]);
        double o = activate(n, direction, 0, g[size] + (p ? p[size + k] * n->c[k] : 0));
        n->h[k] = o * activate(n, direction, 2, n->c[k]);
    }
}

/* Where step t of an element lies in x and y; where its states lie. */
static int64_t x_offset(const network *n, int64_t b, int64_t t)
{
    return (n->batch_first ? b * n->steps + t : t * n->batch + b) * n->inputs;
}

static int64_t y_offset(const network *n, int64_t b, int64_t t, int64_t direction)
{
    return (n->batch_first ? (b * n->steps + t) * n->directions + direction
                           : (t * n->directions + direction) * n->batch + b) *
           n->hidden;
}

static int64_t state_offset(const network *n, int64_t b, int64_t direction)
{
    return (n->batch_first ? b * n->directions + direction : direction * n->batch + b) * n->hidden;
}

static void copy_state(const network *n, double *to, const double *from)
{
    if (from)
        memcpy(to, from, (size_t)n->hidden * sizeof *to);
    else
        memset(to, 0, (size_t)n->hidden * sizeof *to);
}

static void run_element(network *n, int direction, int64_t b, int64_t length)
{
    int64_t state = state_offset(n, b, direction);
    bool backwards = direction == 1 || !strcmp(ran_op_string(n->op, "direction"), "reverse");
    copy_state(n, n->h, n->operands[INITIAL_H] ? n->operands[INITIAL_H] + state : NULL);
    copy_state(n, n->c, n->operands[INITIAL_C] ? n->operands[INITIAL_C] + state : NULL);
    for (int64_t i = 0; i < length; i++) {
        int64_t t = backwards ? length - 1 - i : i;
        const double *x = n->operands[X] + x_offset(n, b, t);
        if (n->op->opcode == RAN_OP_LSTM)
            step_lstm(n, direction, x);
        else if (n->op->opcode == RAN_OP_GRU)
            step_gru(n, direction, x);
        else
            step_rnn(n, direction, x);
        if (n->y)
            copy_state(n, n->y + y_offset(n, b, t, direction), n->h);
    }
    if (n->last_h)
        copy_state(n, n->last_h + state, n->h);
    if (n->last_c)
        copy_state(n, n->last_c + state, n->c);
}

static network network_of(ran_evaluation *e)
{
    const int64_t *x = ran_tensor_dims(e->operands[X]), *r = ran_tensor_dims(e->operands[R]);
    network n = {.op = e->op,
                 .kind = kind_of(e->op),
                 .batch_first = ran_op_int(e->op, "layout"),
                 .inputs = x[2],
                 .hidden = r[2],
                 .directions = direction_count(e->op)};
    n.steps = x[n.batch_first];
    n.batch = x[!n.batch_first];
    n.clip = ran_op_has_attr(e->op, "clip") ? ran_op_float(e->op, "clip") : 0;
    n.gates = RAN_NEW(double, n.kind->gates *n.hidden);
    n.scratch = RAN_NEW(double, 2 * n.hidden);
    n.h = RAN_NEW(double, n.hidden);
    n.c = RAN_NEW(double, n.hidden);
    for (size_t i = 0; i < OPERANDS; i++)
        n.operands[i] = i == LENGTHS ? NULL : ran_load_f64(ran_eval_operand(e, i));
    choose_functions(&n);
    return n;
}

static void network_free(network *n)
{
    for (size_t i = 0; i < OPERANDS; i++)
        free(n->operands[i]);
    free(n->gates);
    free(n->scratch);
    free(n->h);
    free(n->c);
    free(n->y);
    free(n->last_h);
    free(n->last_c);
}

static ran_status run_batch(ran_evaluation *e, network *n)
{
    const ran_tensor *lengths = ran_eval_operand(e, LENGTHS);
    for (int64_t b = 0; b < n->batch; b++) {
        int64_t length = lengths ? ran_tensor_get_i64(lengths, b) : n->steps;
        if (length < 0 || length > n->steps)
            return ran_op_error(e->op, RAN_INVALID, "operand sequence_lens: %lld of %lld steps",
                                (long long)length, (long long)n->steps);
        for (int direction = 0; direction < n->directions; direction++)
            run_element(n, direction, b, length);
    }
    return RAN_OK;
}

static ran_status evaluate_recurrent(ran_evaluation *e)
{
    network n = network_of(e);
    double **results[3] = {&n.y, &n.last_h, &n.last_c};
    for (size_t i = 0; i < e->op->result_count; i++)
        *results[i] = RAN_NEW(double, ran_tensor_numel(e->results[i]));
    ran_status status = run_batch(e, &n);
    for (size_t i = 0; i < e->op->result_count; i++)
        ran_store_f64(e->results[i], *results[i]);
    network_free(&n);
    return status;
}

static void count_recurrent(const ran_op *op, ran_counts *counts)
{
    const ran_value *x = ran_op_operand(op, X);
    int64_t steps = ran_count_extent(x, 0) * ran_count_extent(x, 1);
    counts->macs +=
        steps * (ran_count_numel(ran_op_operand(op, W)) + ran_count_numel(ran_op_operand(op, R)));
}

const ran_op_hooks ran_hooks_recurrent = {.verify = verify_recurrent,
                                          .infer = infer_recurrent,
                                          .evaluate = evaluate_recurrent,
                                          .count = count_recurrent,
                                          .gradient = ran_recurrent_gradient};
