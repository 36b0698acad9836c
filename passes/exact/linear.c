/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "passes/exact/linear.h"

#include <math.h>
#include <string.h>

/* Folding into a constant that others use copies it: fine only for small ones. */
enum { SHARED_BYTES = 65536 };

static const ran_tensor *float_constant(const ran_value *value)
{
    const ran_tensor *tensor = value ? ran_value_constant(value) : NULL;
    return tensor && ran_elem_is_float(ran_tensor_elem(tensor)) ? tensor : NULL;
}

static int rank_of(const ran_value *value)
{
    const ran_type *type = value ? ran_value_type(value) : NULL;
    return type && ran_type_is_tensor(type) ? ran_type_rank(type) : -1;
}

/* ---- What each op's weights mean ----------------------------------------------------------------- */

/* [out][in in group][kernel] for Conv and Gemm with transB; [in][out in group][kernel] for
 * ConvTranspose, Gemm, MatMul. */
static bool is_out_first(const ran_op *op)
{
    return op->opcode == RAN_OP_CONV ||
           (op->opcode == RAN_OP_GEMM && ran_op_int(op, "transB"));
}

static bool is_convolution(const ran_op *op)
{
    return op->opcode == RAN_OP_CONV || op->opcode == RAN_OP_CONV_TRANSPOSE;
}

static int64_t group_of(const ran_op *op)
{
    return is_convolution(op) ? ran_op_int(op, "group") : 1;
}

/* The weights are rows of `rest` elements, each of one pair of channels. */
static int64_t row_length(const ran_tensor *weight)
{
    const int64_t *dims = ran_tensor_dims(weight);
    return ran_tensor_numel(weight) / (dims[0] * dims[1]);
}

/* The channels that a row of the weights connects. */
static void row_channels(const ran_linear *linear, int64_t row, int64_t *in, int64_t *out)
{
    const int64_t *dims = ran_tensor_dims(linear->weight);
    int64_t first = row / dims[1], second = row % dims[1];
    int64_t in_group = dims[0] / linear->group; /* first indices that a group has */
    second += first / in_group * dims[1];
    *out = linear->out_first ? first : second;
    *in = linear->out_first ? second : first;
}

/* ---- Matching ---------------------------------------------------------------------------------------- */

static bool is_linear_opcode(ran_opcode opcode)
{
    return opcode == RAN_OP_CONV || opcode == RAN_OP_CONV_TRANSPOSE || opcode == RAN_OP_GEMM ||
           opcode == RAN_OP_MATMUL;
}

/* A row that is added to each row of the result, of one element or of all channels. */
static bool is_bias_row(const ran_tensor *bias, int64_t channels)
{
    int rank = ran_tensor_rank(bias);
    int64_t count = ran_tensor_numel(bias);
    if (count == 1)
        return rank <= 2;
    return count == channels && rank >= 1 && rank <= 2 &&
           ran_tensor_dims(bias)[rank - 1] == channels;
}

static bool has_usable_bias(const ran_op *op, int64_t channels, const ran_tensor **out)
{
    const ran_value *bias = ran_op_operand(op, 2);
    *out = NULL;
    if (!bias)
        return true;
    *out = float_constant(bias);
    return *out && is_bias_row(*out, channels);
}

static bool is_copyable(const ran_value *weight)
{
    return ran_value_has_one_use(weight) ||
           ran_tensor_bytes(ran_value_constant(weight)) <= SHARED_BYTES;
}

bool ran_linear_match(const ran_value *value, ran_linear *out)
{
    ran_op *op = value ? ran_value_op(value) : NULL;
    if (!op || !is_linear_opcode(op->opcode))
        return false;
    const ran_value *weight = ran_op_operand(op, 1);
    *out = (ran_linear){.op = op, .input = ran_op_operand(op, 0), .weight = float_constant(weight)};
    int rank = rank_of(value);
    if (!out->weight || rank < 0 || ran_tensor_numel(out->weight) == 0 || !is_copyable(weight))
        return false;
    bool convolution = is_convolution(op);
    if (convolution ? ran_tensor_rank(out->weight) < 3 : ran_tensor_rank(out->weight) != 2)
        return false;
    out->group = group_of(op);
    out->out_first = is_out_first(op);
    if (out->group < 1 || ran_tensor_dims(out->weight)[0] % out->group)
        return false;
    int64_t a = ran_tensor_dims(out->weight)[0], b = ran_tensor_dims(out->weight)[1] * out->group;
    out->out_channels = out->out_first ? a : b;
    out->in_channels = out->out_first ? b : a;
    out->in_axis = convolution ? 1 : rank_of(out->input) - 1;
    out->out_axis = convolution ? 1 : rank - 1;
    if (op->opcode == RAN_OP_GEMM && ran_op_int(op, "transA"))
        out->in_axis = 0;
    out->has_bias_operand = op->opcode != RAN_OP_MATMUL || rank == 2;
    return out->in_axis >= 0 && out->out_axis >= 0 &&
           (op->opcode == RAN_OP_MATMUL || has_usable_bias(op, out->out_channels, &out->bias));
}

bool ran_linear_takes_input_shift(const ran_linear *linear)
{
    if (linear->op->opcode == RAN_OP_CONV_TRANSPOSE)
        return false;
    if (linear->op->opcode != RAN_OP_CONV)
        return linear->has_bias_operand;
    const char *auto_pad = ran_op_string(linear->op, "auto_pad");
    if (!strcmp(auto_pad, "VALID"))
        return true;
    size_t count = 0;
    const int64_t *pads = ran_op_ints(linear->op, "pads", &count);
    for (size_t i = 0; i < count; i++) {
        if (pads[i])
            return false;
    }
    return !strcmp(auto_pad, "NOTSET");
}

/* ---- Affine maps of channels ----------------------------------------------------------------------------- */

ran_affine ran_affine_create(ran_pass_context *pass, int64_t count)
{
    size_t bytes = (size_t)count * sizeof(double);
    ran_affine affine = {ran_pass_alloc(pass, bytes), ran_pass_alloc(pass, bytes), count};
    for (int64_t i = 0; i < count; i++)
        affine.factor[i] = 1;
    return affine;
}

bool ran_affine_has_shift(const ran_affine *affine)
{
    for (int64_t i = 0; i < affine->count; i++) {
        if (affine->shift[i] != 0)
            return true;
    }
    return false;
}

bool ran_affine_is_finite(const ran_affine *affine)
{
    for (int64_t i = 0; i < affine->count; i++) {
        if (!isfinite(affine->factor[i]) || !isfinite(affine->shift[i]))
            return false;
    }
    return true;
}

/* The constant's value for each channel; false when it varies along another axis of a rank. */
static bool channel_values(const ran_tensor *tensor, int rank, int axis, int64_t channels,
                           double *out)
{
    int constant_rank = ran_tensor_rank(tensor);
    if (constant_rank > rank)
        return false;
    for (int i = 0; i < constant_rank; i++) {
        int64_t dim = ran_tensor_dims(tensor)[i];
        bool is_channel = rank - constant_rank + i == axis;
        if (dim != 1 && !(is_channel && dim == channels))
            return false;
    }
    int64_t count = ran_tensor_numel(tensor);
    for (int64_t i = 0; i < channels; i++)
        out[i] = ran_tensor_get_f64(tensor, count == 1 ? 0 : i);
    return true;
}

static bool apply_constant(const ran_op *op, bool constant_first, const double *c, ran_affine *out)
{
    for (int64_t i = 0; i < out->count; i++) {
        switch (op->opcode) {
        case RAN_OP_MUL:
            out->factor[i] = c[i];
            break;
        case RAN_OP_DIV:
            if (constant_first || c[i] == 0)
                return false;
            out->factor[i] = 1 / c[i];
            break;
        case RAN_OP_ADD:
            out->shift[i] = c[i];
            break;
        case RAN_OP_SUB:
            out->factor[i] = constant_first ? -1 : 1;
            out->shift[i] = constant_first ? c[i] : -c[i];
            break;
        default:
            return false;
        }
    }
    return true;
}

/* More are no channels, and two doubles each would be too much memory. */
enum { MAX_CHANNELS = 1 << 20 };

static int64_t channels_of(const ran_value *value, int axis)
{
    const ran_dim *dim = ran_type_dim(ran_value_type(value), axis);
    return ran_dim_is_constant(dim) ? ran_dim_value(dim) : -1;
}

bool ran_affine_match(ran_pass_context *pass, const ran_value *value, ran_value **out_x, int axis,
                      ran_affine *out)
{
    ran_op *op = value ? ran_value_op(value) : NULL;
    int rank = rank_of(value);
    if (!op || axis < 0 || axis >= rank || !ran_value_is_float(value) ||
        channels_of(value, axis) < 1 || channels_of(value, axis) > MAX_CHANNELS)
        return false;
    *out = ran_affine_create(pass, channels_of(value, axis));
    if (op->opcode == RAN_OP_NEG) {
        *out_x = ran_op_operand(op, 0);
        for (int64_t i = 0; i < out->count; i++)
            out->factor[i] = -1;
        return true;
    }
    if (op->operand_count != 2)
        return false;
    bool constant_first = float_constant(ran_op_operand(op, 0));
    const ran_tensor *constant = float_constant(ran_op_operand(op, constant_first ? 0 : 1));
    *out_x = ran_op_operand(op, constant_first ? 1 : 0);
    if (!constant || !ran_match_same_type(*out_x, value))
        return false;
    double *c = ran_pass_alloc(pass, (size_t)out->count * sizeof(*c));
    return channel_values(constant, rank, axis, out->count, c) &&
           apply_constant(op, constant_first, c, out) && ran_affine_is_finite(out);
}

static bool parameter(const ran_op *op, size_t index, int64_t channels, const ran_tensor **out)
{
    const ran_value *value = ran_op_operand(op, index);
    *out = value ? ran_value_constant(value) : NULL;
    return *out && ran_tensor_numel(*out) == channels;
}

bool ran_affine_of_batchnorm(ran_pass_context *pass, const ran_op *op, ran_affine *out)
{
    const ran_tensor *scale, *bias, *mean, *variance;
    const ran_value *first = ran_op_operand(op, 1);
    if (op->opcode != RAN_OP_BATCH_NORMALIZATION || ran_op_int(op, "training_mode") ||
        !first || !ran_value_constant(first) || !ran_value_is_float(ran_op_operand(op, 0)))
        return false;
    int64_t channels = ran_tensor_numel(ran_value_constant(first));
    for (size_t i = 1; i < op->result_count; i++) {
        if (ran_value_has_uses(&op->results[i]))
            return false;
    }
    if (channels < 1 || !parameter(op, 1, channels, &scale) || !parameter(op, 2, channels, &bias) ||
        !parameter(op, 3, channels, &mean) || !parameter(op, 4, channels, &variance))
        return false;
    *out = ran_affine_create(pass, channels);
    for (int64_t i = 0; i < channels; i++) {
        double deviation = sqrt(ran_tensor_get_f64(variance, i) + ran_op_float(op, "epsilon"));
        out->factor[i] = ran_tensor_get_f64(scale, i) / deviation;
        out->shift[i] =
            ran_tensor_get_f64(bias, i) - ran_tensor_get_f64(mean, i) * out->factor[i];
    }
    return ran_affine_is_finite(out);
}

ran_value *ran_affine_constant(ran_op *near, ran_elem elem, const double *values, int64_t count,
                               int axis, int rank)
{
    int64_t dims[RAN_MAX_RANK];
    for (int i = 0; i < rank - axis; i++)
        dims[i] = i ? 1 : count;
    ran_tensor *tensor = ran_tensor_create(elem, rank - axis, dims);
    for (int64_t i = 0; i < count; i++)
        ran_tensor_set_f64(tensor, i, values[i]);
    return ran_new_constant(near, NULL, tensor);
}

/* ---- Folding ---------------------------------------------------------------------------------------------- */

/* Single precision goes by pointer: it is what nearly all weights are, and there are many. */
static void scale_row(ran_tensor *to, const ran_tensor *from, int64_t start, int64_t count,
                      double factor)
{
    if (ran_tensor_elem(from) == RAN_ELEM_F32) {
        const float *source = (const float *)ran_tensor_data(from) + start;
        float *target = (float *)ran_tensor_mutable_data(to) + start;
        for (int64_t i = 0; i < count; i++)
            target[i] = (float)(source[i] * factor);
        return;
    }
    for (int64_t i = start; i < start + count; i++)
        ran_tensor_set_f64(to, i, ran_tensor_get_f64(from, i) * factor);
}

static ran_tensor *scaled_weight(const ran_linear *linear, const double *out_factor,
                                 const double *in_factor)
{
    const ran_tensor *w = linear->weight;
    bool by_output = linear->out_first && !in_factor; /* then an output's weights are one row */
    int64_t length = by_output ? ran_tensor_numel(w) / linear->out_channels : row_length(w);
    ran_tensor *scaled =
        ran_tensor_create(ran_tensor_elem(w), ran_tensor_rank(w), ran_tensor_dims(w));
    for (int64_t row = 0; row < ran_tensor_numel(w) / length; row++) {
        int64_t in = 0, out = row;
        if (!by_output)
            row_channels(linear, row, &in, &out);
        double factor = (out_factor ? out_factor[out] : 1) * (in_factor ? in_factor[in] : 1);
        scale_row(scaled, w, row * length, length, factor);
    }
    return scaled;
}

static double bias_at(const ran_linear *linear, int64_t channel)
{
    if (!linear->bias)
        return 0;
    double beta = linear->op->opcode == RAN_OP_GEMM ? ran_op_float(linear->op, "beta") : 1;
    return beta * ran_tensor_get_f64(linear->bias, ran_tensor_numel(linear->bias) == 1 ? 0 : channel);
}

static ran_value *bias_constant(ran_op *near, const ran_linear *linear, const double *values)
{
    const ran_value *old = ran_op_operand(linear->op, 2);
    ran_tensor *tensor =
        ran_tensor_create(ran_tensor_elem(linear->weight), 1, &linear->out_channels);
    for (int64_t i = 0; i < linear->out_channels; i++)
        ran_tensor_set_f64(tensor, i, values[i]);
    return ran_new_constant(near, old ? old->name : NULL, tensor);
}

static bool any_nonzero(const double *values, int64_t count)
{
    for (int64_t i = 0; i < count; i++) {
        if (values[i] != 0)
            return true;
    }
    return false;
}

/* A copy of the op with new operands; a MatMul that gets a bias becomes a Gemm. */
static ran_value *rebuild(ran_pass_context *pass, ran_op *before, const ran_linear *linear,
                          ran_value *x, RAN_TAKE ran_tensor *weight, const double *bias)
{
    const ran_op *op = linear->op;
    bool biased = linear->bias || any_nonzero(bias, linear->out_channels);
    ran_value *operands[] = {
        x,
        ran_new_constant(before, ran_op_operand(op, 1)->name, weight),
        biased ? bias_constant(before, linear, bias) : NULL,
    };
    ran_op *copy;
    if (op->opcode == RAN_OP_MATMUL && biased) {
        copy = ran_new_op(before, RAN_OP_GEMM, 3, operands);
    } else {
        copy = ran_copy_op(before, op);
        ran_op_set_operands(copy, biased ? 3 : 2, operands);
        if (op->opcode == RAN_OP_GEMM)
            ran_op_remove_attr(copy, "beta");
    }
    ran_op_set_location(copy, ran_location_fuse(ran_pass_ir(pass), op->location, before->location));
    return ran_finish_op(pass, copy);
}

ran_value *ran_linear_scale_output(ran_pass_context *pass, ran_op *before, const ran_linear *linear,
                                   const ran_affine *affine)
{
    if (affine->count != linear->out_channels || !ran_affine_is_finite(affine) ||
        (ran_affine_has_shift(affine) && !linear->has_bias_operand))
        return NULL;
    double *bias = ran_pass_alloc(pass, (size_t)affine->count * sizeof(*bias));
    for (int64_t i = 0; i < affine->count; i++)
        bias[i] = bias_at(linear, i) * affine->factor[i] + affine->shift[i];
    return rebuild(pass, before, linear, linear->input, scaled_weight(linear, affine->factor, NULL),
                   bias);
}

/* Every element of the weights adds its input's shift to its output's bias. */
static void add_input_shift(const ran_linear *linear, const ran_affine *affine, double *bias)
{
    double alpha = linear->op->opcode == RAN_OP_GEMM ? ran_op_float(linear->op, "alpha") : 1;
    int64_t length = row_length(linear->weight);
    for (int64_t i = 0; i < ran_tensor_numel(linear->weight); i++) {
        int64_t in, out;
        row_channels(linear, i / length, &in, &out);
        bias[out] += alpha * ran_tensor_get_f64(linear->weight, i) * affine->shift[in];
    }
}

ran_value *ran_linear_scale_input(ran_pass_context *pass, ran_op *before, const ran_linear *linear,
                                  ran_value *x, const ran_affine *affine)
{
    bool shifts = ran_affine_has_shift(affine);
    if (affine->count != linear->in_channels || !ran_affine_is_finite(affine) ||
        (shifts && !ran_linear_takes_input_shift(linear)))
        return NULL;
    double *bias = ran_pass_alloc(pass, (size_t)linear->out_channels * sizeof(*bias));
    for (int64_t i = 0; i < linear->out_channels; i++)
        bias[i] = bias_at(linear, i);
    if (shifts)
        add_input_shift(linear, affine, bias);
    return rebuild(pass, before, linear, x, scaled_weight(linear, NULL, affine->factor), bias);
}
