/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "codegen/recurrent/recurrent.h"

#include <string.h>
#include <strings.h>

#include "codegen/recurrent/recurrent_spec.h"

enum { X, W, R, B, LENGTHS, INITIAL_H, INITIAL_C, PEEPHOLES };

static const struct function {
    const char *name;
    int64_t kind;
    bool has_alpha, has_beta;
    double alpha, beta; /* defaults */
} functions[] = {
    {"Relu", ACT_RELU, false, false, 0, 0},
    {"Tanh", ACT_TANH, false, false, 0, 0},
    {"Sigmoid", ACT_SIGMOID, false, false, 0, 0},
    {"Affine", ACT_AFFINE, true, true, 1, 0},
    {"LeakyRelu", ACT_LEAKY_RELU, true, false, 0.01, 0},
    {"ThresholdedRelu", ACT_THRESHOLDED_RELU, true, false, 1, 0},
    {"ScaledTanh", ACT_SCALED_TANH, true, true, 1, 1},
    {"HardSigmoid", ACT_HARD_SIGMOID, true, true, 0.2, 0.5},
    {"Elu", ACT_ELU, true, false, 1, 0},
    {"Softsign", ACT_SOFTSIGN, false, false, 0, 0},
    {"Softplus", ACT_SOFTPLUS, false, false, 0, 0},
};

/* Gates and functions of one direction by kind. */
static const struct kind {
    ran_opcode opcode;
    int64_t kind, gates;
    size_t functions;
    const char *defaults[3];
} kinds[] = {
    {RAN_OP_RNN, RECURRENT_RNN, 1, 1, {"Tanh"}},
    {RAN_OP_GRU, RECURRENT_GRU, 3, 2, {"Sigmoid", "Tanh"}},
    {RAN_OP_LSTM, RECURRENT_LSTM, 4, 3, {"Sigmoid", "Tanh", "Tanh"}},
};

static const struct kind *kind_of(const ran_op *op)
{
    size_t i = 0;
    while (kinds[i].opcode != op->opcode)
        i++;
    return &kinds[i];
}

static bool is_bidirectional(const ran_op *op)
{
    return !strcmp(ran_op_string(op, "direction"), "bidirectional");
}

/* That sizes agree is known by inference, or checked when the model runs. */
bool ran_recurrent_accepts(const ran_op *op, const ran_target *target)
{
    const ran_value *lengths = ran_op_operand(op, LENGTHS);
    (void)target;
    for (size_t i = 0; i < op->operand_count; i++) {
        const ran_value *value = ran_op_operand(op, i);
        if (value && i != LENGTHS && ran_type_elem(ran_value_type(value)) != RAN_ELEM_F32)
            return false;
    }
    ran_elem elem = lengths ? ran_type_elem(ran_value_type(lengths)) : RAN_ELEM_I64;
    return (elem == RAN_ELEM_I32 || elem == RAN_ELEM_I64) &&
           ran_type_is_static(ran_value_type(ran_op_operand(op, W))) &&
           ran_type_is_static(ran_value_type(ran_op_operand(op, R)));
}

static int64_t bits_of(double value)
{
    float narrow = (float)value;
    uint32_t bits;
    memcpy(&bits, &narrow, sizeof(bits));
    return bits;
}

static const struct function *find_function(const char *name)
{
    for (size_t i = 0; i < sizeof(functions) / sizeof(*functions); i++)
        if (!strcasecmp(name, functions[i].name))
            return &functions[i];
    return NULL;
}

/* Alphas and betas are handed out in order to the functions that have them. */
static void set_functions(ran_emission *e, const struct kind *kind)
{
    size_t count, alpha_count, beta_count, alpha = 0, beta = 0;
    const char *const *names = ran_op_strings(e->anchor, "activations", &count);
    const double *alphas = ran_op_floats(e->anchor, "activation_alpha", &alpha_count);
    const double *betas = ran_op_floats(e->anchor, "activation_beta", &beta_count);
    size_t all = kind->functions * (is_bidirectional(e->anchor) ? 2 : 1);
    for (size_t i = 0; i < all; i++) {
        const struct function *f =
            find_function(count ? names[i] : kind->defaults[i % kind->functions]);
        RAN_ASSERT(e->context, f);
        double a = f->has_alpha && alpha < alpha_count ? alphas[alpha++] : f->alpha;
        double b = f->has_beta && beta < beta_count ? betas[beta++] : f->beta;
        ran_emission_set(e, RAN_SPEC_WORD(struct recurrent_spec, function) + i, f->kind);
        ran_emission_set(e, RAN_SPEC_WORD(struct recurrent_spec, alpha) + i, bits_of(a));
        ran_emission_set(e, RAN_SPEC_WORD(struct recurrent_spec, beta) + i, bits_of(b));
    }
}

static void set_operands(ran_emission *e)
{
    size_t results = e->anchor->result_count;
    for (size_t i = 0; i <= PEEPHOLES; i++) {
        const ran_value *value = ran_op_operand(e->anchor, i);
        ran_emission_set(e, RAN_SPEC_WORD(struct recurrent_spec, x) + i, ran_emission_io(e, value));
    }
    for (size_t i = 0; i < 3; i++)
        ran_emission_set(e, RAN_SPEC_WORD(struct recurrent_spec, y) + i,
                         i < results ? ran_emission_io_result(e, i) : -1);
    RAN_SPEC(e, struct recurrent_spec, status, ran_emission_io_status(e));
}

static void set_sizes(ran_emission *e)
{
    ran_context *context = e->context;
    const ran_type *x = ran_value_type(ran_op_operand(e->anchor, X));
    const ran_type *r = ran_value_type(ran_op_operand(e->anchor, R));
    bool first = ran_op_int(e->anchor, "layout");
    const ran_dim *hidden = ran_type_dim(r, 2);
    RAN_SPEC(e, struct recurrent_spec, batch_first, first);
    RAN_SPEC_DIM(e, struct recurrent_spec, steps, ran_type_dim(x, first));
    RAN_SPEC_DIM(e, struct recurrent_spec, batch, ran_type_dim(x, !first));
    RAN_SPEC_DIM(e, struct recurrent_spec, inputs, ran_type_dim(x, 2));
    RAN_SPEC_DIM(e, struct recurrent_spec, hidden, hidden);
    RAN_SPEC_DIM(e, struct recurrent_spec, directions, ran_type_dim(r, 0));
    e->tasks = ran_dim_binary(context, RAN_DIM_MUL, ran_type_dim(x, !first), ran_type_dim(r, 0));
    const ran_dim *vectors = ran_dim_binary(context, RAN_DIM_CEILDIV, hidden,
                                            ran_dim_constant(context, e->target->lanes));
    e->scratch =
        ran_dim_binary(context, RAN_DIM_MUL, vectors,
                       ran_dim_constant(context, 4 * RECURRENT_VECTORS * e->target->lanes));
}

ran_status ran_recurrent_describe(ran_emission *e)
{
    const ran_op *op = e->anchor;
    const struct kind *kind = kind_of(op);
    const ran_value *lengths = ran_op_operand(op, LENGTHS);
    double clip = ran_op_has_attr(op, "clip") ? ran_op_float(op, "clip") : 0;
    e->body = "recurrent/recurrent";
    e->function = "recurrent";
    set_operands(e);
    set_sizes(e);
    set_functions(e, kind);
    RAN_SPEC(e, struct recurrent_spec, kind, kind->kind);
    RAN_SPEC(e, struct recurrent_spec, gates, kind->gates);
    RAN_SPEC(e, struct recurrent_spec, functions, (int64_t)kind->functions);
    RAN_SPEC(e, struct recurrent_spec, wide,
             lengths && ran_type_elem(ran_value_type(lengths)) == RAN_ELEM_I64);
    RAN_SPEC(e, struct recurrent_spec, backwards,
             !strcmp(ran_op_string(op, "direction"), "reverse"));
    RAN_SPEC(e, struct recurrent_spec, has_clip, clip > 0);
    RAN_SPEC(e, struct recurrent_spec, clip, bits_of(clip));
    RAN_SPEC(e, struct recurrent_spec, linear,
             op->opcode == RAN_OP_GRU && ran_op_int(op, "linear_before_reset"));
    RAN_SPEC(e, struct recurrent_spec, couples,
             op->opcode == RAN_OP_LSTM && ran_op_int(op, "input_forget"));
    return RAN_OK;
}
