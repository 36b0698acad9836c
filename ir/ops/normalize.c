/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Normalisations. Moments are those of the population, summed in two passes. */
#include "ir/ops/compute.h"
#include "ir/ops/gradient.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

typedef struct moments {
    double mean, variance;
} moments;

static moments moments_of(const double *x, int64_t n, int64_t stride)
{
    moments m = {0, 0};
    for (int64_t i = 0; i < n; i++)
        m.mean += x[i * stride];
    m.mean /= (double)n;
    for (int64_t i = 0; i < n; i++)
        m.variance += (x[i * stride] - m.mean) * (x[i * stride] - m.mean);
    m.variance /= (double)n;
    return m;
}

static void standardise(double *x, int64_t n, moments m, double epsilon)
{
    double scale = 1 / sqrt(m.variance + epsilon);
    for (int64_t i = 0; i < n; i++)
        x[i] = (x[i] - m.mean) * scale;
}

/* Operand `index` is a vector of x's channels (axis 1). */
static ran_status check_channel_vector(const ran_infer *infer, size_t index)
{
    const ran_op_def *def = ran_op_definition(infer->op->opcode);
    const ran_type *x = infer->operands[0], *v = ran_infer_operand(infer, index);
    ran_status status = ran_infer_check_elem(infer, index, "F");
    if (status == RAN_OK)
        status = ran_infer_check_rank(infer, index, def->operands[index].name, 1);
    if (status != RAN_OK || !v || ran_type_rank(x) < 1 || ran_type_rank(v) != 1)
        return status;
    const ran_dim *channels =
        ran_type_rank(x) > 1 ? ran_type_dim(x, 1) : ran_dim_constant(infer->context, 1);
    return ran_infer_check_equal_dims(infer, def->operands[index].name, channels,
                                      ran_type_dim(v, 0));
}

static ran_status infer_by_channel(ran_infer *infer, int min_rank)
{
    ran_status status = ran_infer_check_elem(infer, 0, "F");
    if (status == RAN_OK)
        status = ran_infer_check_min_rank(infer, 0, min_rank);
    for (size_t i = 1; i < infer->op->operand_count && status == RAN_OK; i++)
        status = check_channel_vector(infer, i);
    return status == RAN_OK ? ran_infer_like_first(infer, 0) : status;
}

static void scale_channels(double *x, const ran_lines *lines, const double *scale,
                           const double *bias)
{
    for (int64_t i = 0; i < lines->outer * lines->length; i++)
        for (int64_t j = 0; j < lines->inner; j++)
            x[i * lines->inner + j] =
                x[i * lines->inner + j] * scale[i % lines->length] + bias[i % lines->length];
}

/* ---- batch_normalization -------------------------------------------------------------------- */

static ran_status infer_batch_normalization(ran_infer *infer)
{
    ran_status status = infer_by_channel(infer, 1);
    for (size_t i = 1; i < infer->op->result_count; i++)
        infer->results[i] = infer->operands[i + 2];
    return status;
}

static moments batch_moments(const double *x, const ran_lines *l, int64_t channel)
{
    moments m = {0, 0};
    double count = (double)(l->outer * l->inner);
    for (int pass = 0; pass < 2; pass++) {
        double sum = 0;
        for (int64_t n = 0; n < l->outer; n++)
            for (int64_t i = 0; i < l->inner; i++) {
                double value = x[(n * l->length + channel) * l->inner + i];
                sum += pass ? (value - m.mean) * (value - m.mean) : value;
            }
        if (pass)
            m.variance = sum / count;
        else
            m.mean = sum / count;
    }
    return m;
}

/* The batch's moments replace the given ones, which move towards them. */
static void train_batch(ran_evaluation *e, const double *x, const ran_lines *l, double *mean,
                        double *variance)
{
    double momentum = ran_op_float(e->op, "momentum");
    for (int64_t c = 0; c < l->length; c++) {
        moments m = batch_moments(x, l, c);
        if (e->op->result_count > 1)
            ran_tensor_set_f64(e->results[1], c, mean[c] * momentum + m.mean * (1 - momentum));
        if (e->op->result_count > 2)
            ran_tensor_set_f64(e->results[2], c,
                               variance[c] * momentum + m.variance * (1 - momentum));
        mean[c] = m.mean;
        variance[c] = m.variance;
    }
}

static ran_status evaluate_batch_normalization(ran_evaluation *e)
{
    int rank = ran_tensor_rank(e->operands[0]);
    ran_lines l = rank > 1 ? ran_lines_of(e->operands[0], 1, 2)
                           : (ran_lines){ran_tensor_numel(e->operands[0]), 1, 1};
    double *v[5];
    for (size_t i = 0; i < 5; i++)
        v[i] = ran_load_f64(e->operands[i]);
    if (ran_op_int(e->op, "training_mode")) {
        train_batch(e, v[0], &l, v[3], v[4]);
    } else {
        for (size_t i = 1; i < e->op->result_count; i++)
            ran_store_f64(e->results[i], v[i + 2]);
    }
    for (int64_t c = 0; c < l.length; c++) {
        v[1][c] /= sqrt(v[4][c] + ran_op_float(e->op, "epsilon"));
        v[2][c] -= v[3][c] * v[1][c];
    }
    scale_channels(v[0], &l, v[1], v[2]);
    ran_store_f64(e->results[0], v[0]);
    for (size_t i = 0; i < 5; i++)
        free(v[i]);
    return RAN_OK;
}

const ran_op_hooks ran_hooks_batch_normalization = {.infer = infer_batch_normalization,
                                                    .evaluate = evaluate_batch_normalization,
                                                    .gradient = ran_batch_normalization_gradient};

/* ---- instance_normalization, group_normalization -------------------------------------------- */

static ran_status infer_instance_normalization(ran_infer *infer)
{
    return infer_by_channel(infer, 3);
}

static ran_status infer_group_normalization(ran_infer *infer)
{
    const ran_type *x = infer->operands[0];
    int64_t groups = ran_op_int(infer->op, "num_groups");
    ran_status status = infer_by_channel(infer, 2);
    if (status == RAN_OK && groups < 1)
        return ran_infer_error(infer, "attribute num_groups: %lld is not positive",
                               (long long)groups);
    if (status == RAN_OK && ran_type_rank(x) >= 2 && ran_dim_is_constant(ran_type_dim(x, 1)) &&
        ran_dim_value(ran_type_dim(x, 1)) % groups)
        return ran_infer_error(infer, "%s: channels don't divide into %lld groups",
                               ran_type_text(infer->context, x), (long long)groups);
    return status;
}

/* Each run of `length` elements of x on its own, then scale and bias by channel. */
static void normalise_runs(ran_evaluation *e, int64_t runs, int64_t length)
{
    ran_lines l = ran_lines_of(e->operands[0], 1, 2);
    double *x = ran_load_f64(e->operands[0]), epsilon = ran_op_float(e->op, "epsilon");
    double *scale = ran_load_f64(e->operands[1]), *bias = ran_load_f64(e->operands[2]);
    for (int64_t i = 0; i < runs; i++)
        standardise(x + i * length, length, moments_of(x + i * length, length, 1), epsilon);
    scale_channels(x, &l, scale, bias);
    ran_store_f64(e->results[0], x);
    free(x);
    free(scale);
    free(bias);
}

static ran_status evaluate_instance_normalization(ran_evaluation *e)
{
    ran_lines l = ran_lines_of(e->operands[0], 1, 2);
    normalise_runs(e, l.outer * l.length, l.inner);
    return RAN_OK;
}

static ran_status evaluate_group_normalization(ran_evaluation *e)
{
    ran_lines l = ran_lines_of(e->operands[0], 1, 2);
    int64_t groups = ran_op_int(e->op, "num_groups");
    normalise_runs(e, l.outer * groups, l.length / groups * l.inner);
    return RAN_OK;
}

const ran_op_hooks ran_hooks_instance_normalization = {
    .infer = infer_instance_normalization,
    .evaluate = evaluate_instance_normalization,
    .gradient = ran_instance_normalization_gradient};
const ran_op_hooks ran_hooks_group_normalization = {.infer = infer_group_normalization,
                                                    .evaluate = evaluate_group_normalization,
                                                    .gradient = ran_group_normalization_gradient};

/* ---- layer_normalization, rms_normalization ------------------------------------------------- */

static bool is_fixed(const ran_type *type)
{
    return type && ran_type_rank(type) >= 0;
}

/* Scale and bias broadcast to x, not the other way. */
static ran_status check_affine(const ran_infer *infer, size_t index)
{
    const ran_type *x = infer->operands[0], *v = ran_infer_operand(infer, index);
    ran_status status = ran_infer_check_elem(infer, index, "F");
    if (status != RAN_OK || !is_fixed(x) || !is_fixed(v))
        return status;
    int missing = ran_type_rank(x) - ran_type_rank(v);
    if (missing < 0)
        return ran_infer_error(infer, "%s does not broadcast to %s",
                               ran_type_text(infer->context, v), ran_type_text(infer->context, x));
    for (int i = 0; i < ran_type_rank(v) && status == RAN_OK; i++)
        if (!ran_dim_is(ran_type_dim(v, i), 1))
            status = ran_infer_check_equal_dims(infer, "sizes that broadcast",
                                                ran_type_dim(x, missing + i), ran_type_dim(v, i));
    return status;
}

/* mean and inv_std_dev keep the leading axes; the normalised ones become 1. */
static void infer_statistics(ran_infer *infer, int axis)
{
    const ran_dim *dims[RAN_MAX_RANK];
    int rank = ran_infer_dims(infer, 0, dims);
    int64_t stash = ran_op_int(infer->op, "stash_type");
    ran_elem elem = stash == 11   ? RAN_ELEM_F64
                    : stash == 16 ? RAN_ELEM_BF16
                    : stash == 10 ? RAN_ELEM_F16
                                  : RAN_ELEM_F32;
    for (int i = axis; i < rank; i++)
        dims[i] = ran_dim_constant(infer->context, 1);
    for (size_t i = 1; i < infer->op->result_count; i++)
        ran_infer_result(infer, i, elem, rank, dims);
}

static ran_status infer_layer_normalization(ran_infer *infer)
{
    int axis = 0, rank = ran_type_rank(infer->operands[0]);
    ran_status status = ran_infer_check_elem(infer, 0, "F");
    if (status == RAN_OK && rank >= 0)
        status = ran_infer_axis(infer, ran_op_int(infer->op, "axis"), rank, &axis);
    for (size_t i = 1; i < 3 && status == RAN_OK; i++)
        status = check_affine(infer, i);
    if (status != RAN_OK)
        return status;
    infer_statistics(infer, axis);
    return ran_infer_like_first(infer, 0);
}

static void apply_affine(ran_evaluation *e, double *x)
{
    const ran_tensor *tensors[2] = {ran_eval_operand(e, 1), ran_eval_operand(e, 2)};
    double *scale = ran_load_f64(tensors[0]), *bias = ran_load_f64(tensors[1]);
    ran_walk w;
    ran_walk_broadcast(&w, ran_tensor_rank(e->results[0]), ran_tensor_dims(e->results[0]),
                       bias ? 2 : 1, tensors);
    RAN_FOR_ROWS(&w)
    for (int64_t i = 0; i < w.length; i++, x++)
        *x = *x * scale[w.offset[0] + i * w.step[0]] +
             (bias ? bias[w.offset[1] + i * w.step[1]] : 0);
    free(scale);
    free(bias);
}

static void store_statistics(ran_evaluation *e, int64_t i, moments m, double epsilon)
{
    if (e->op->result_count > 1)
        ran_tensor_set_f64(e->results[1], i, m.mean);
    if (e->op->result_count > 2)
        ran_tensor_set_f64(e->results[2], i, 1 / sqrt(m.variance + epsilon));
}

/* RMS is a variance around zero. */
static moments square_mean(const double *x, int64_t n)
{
    moments m = {0, 0};
    for (int64_t i = 0; i < n; i++)
        m.variance += x[i] * x[i] / (double)n;
    return m;
}

static ran_status evaluate_layer_normalization(ran_evaluation *e)
{
    int rank = ran_tensor_rank(e->operands[0]);
    ran_lines l = ran_lines_of(e->operands[0], ran_axis(ran_op_int(e->op, "axis"), rank), rank);
    double *x = ran_load_f64(e->operands[0]), epsilon = ran_op_float(e->op, "epsilon");
    bool centred = e->op->opcode == RAN_OP_LAYER_NORMALIZATION;
    for (int64_t i = 0; i < l.outer; i++) {
        double *line = x + i * l.length;
        moments m = centred ? moments_of(line, l.length, 1) : square_mean(line, l.length);
        store_statistics(e, i, m, epsilon);
        standardise(line, l.length, m, epsilon);
    }
    apply_affine(e, x);
    ran_store_f64(e->results[0], x);
    free(x);
    return RAN_OK;
}

const ran_op_hooks ran_hooks_layer_normalization = {.infer = infer_layer_normalization,
                                                    .evaluate = evaluate_layer_normalization,
                                                    .gradient = ran_layer_normalization_gradient};
const ran_op_hooks ran_hooks_rms_normalization = {.infer = infer_layer_normalization,
                                                  .evaluate = evaluate_layer_normalization,
                                                  .gradient = ran_rms_normalization_gradient};

/* ---- mean_variance_normalization ------------------------------------------------------------ */

static ran_status reduced_axes(const ran_op *op, int rank, bool reduced[RAN_MAX_RANK])
{
    static const int64_t usual[] = {0, 2, 3};
    size_t count;
    const int64_t *axes = ran_op_ints(op, "axes", &count);
    if (!count) {
        axes = usual;
        count = 3;
    }
    memset(reduced, 0, RAN_MAX_RANK * sizeof *reduced);
    for (size_t i = 0; i < count; i++) {
        int axis = ran_axis(axes[i], rank);
        if (axis < 0)
            return ran_op_error(op, RAN_INVALID, "attribute axes: %lld is out of range for rank %d",
                                (long long)axes[i], rank);
        reduced[axis] = true;
    }
    return RAN_OK;
}

static ran_status infer_mean_variance_normalization(ran_infer *infer)
{
    bool reduced[RAN_MAX_RANK];
    int rank = ran_type_rank(infer->operands[0]);
    ran_status status = ran_infer_check_elem(infer, 0, "F");
    if (status == RAN_OK && rank >= 0)
        status = reduced_axes(infer->op, rank, reduced);
    return status == RAN_OK ? ran_infer_like_first(infer, 0) : status;
}

/* x - mean, then x / (deviation + 1e-9): the epsilon of ONNX's function. */
static void centre(ran_walk w, double *x, double *sums, double count, bool divide)
{
    for (int64_t row = 0; row < w.rows; row++, ran_walk_next(&w))
        for (int64_t i = 0; i < w.length; i++) {
            double *value = x + w.offset[0] + i * w.step[0];
            double mean = sums[w.offset[1] + i * w.step[1]] / count;
            *value = divide ? *value / (sqrt(mean) + 1e-9) : *value - mean;
        }
}

static ran_status evaluate_mean_variance_normalization(ran_evaluation *e)
{
    bool reduced[RAN_MAX_RANK];
    int rank = ran_tensor_rank(e->operands[0]);
    ran_status status = reduced_axes(e->op, rank, reduced);
    if (status != RAN_OK)
        return status;
    ran_walk start;
    ran_walk_reduce(&start, rank, ran_tensor_dims(e->operands[0]), reduced);
    double *x = ran_load_f64(e->operands[0]), count = 1;
    for (int axis = 0; axis < rank; axis++)
        count *= reduced[axis] ? (double)ran_tensor_dims(e->operands[0])[axis] : 1;
    for (int pass = 0; pass < 2; pass++) {
        double *sums = RAN_NEW(double, ran_tensor_numel(e->operands[0]));
        ran_walk w = start;
        RAN_FOR_ROWS(&w)
        for (int64_t i = 0; i < w.length; i++) {
            double value = x[w.offset[0] + i * w.step[0]];
            sums[w.offset[1] + i * w.step[1]] += pass ? value * value : value;
        }
        centre(start, x, sums, count, pass);
        free(sums);
    }
    ran_store_f64(e->results[0], x);
    free(x);
    return RAN_OK;
}

const ran_op_hooks ran_hooks_mean_variance_normalization = {
    .infer = infer_mean_variance_normalization,
    .evaluate = evaluate_mean_variance_normalization,
    .gradient = ran_mean_variance_normalization_gradient};

/* ---- lp_normalization, lrn ------------------------------------------------------------------ */

static ran_status infer_lp_normalization(ran_infer *infer)
{
    int axis, rank = ran_type_rank(infer->operands[0]);
    int64_t p = ran_op_int(infer->op, "p");
    ran_status status = ran_infer_check_elem(infer, 0, "F");
    if (status == RAN_OK && rank >= 0)
        status = ran_infer_axis(infer, ran_op_int(infer->op, "axis"), rank, &axis);
    if (status == RAN_OK && p != 1 && p != 2)
        return ran_infer_error(infer, "attribute p: expected 1 or 2, got %lld", (long long)p);
    return status == RAN_OK ? ran_infer_like_first(infer, 0) : status;
}

/* A line of zeros stays one. */
static void divide_by_norm(double *x, int64_t n, int64_t stride, bool squares)
{
    double norm = 0;
    for (int64_t i = 0; i < n; i++)
        norm += squares ? x[i * stride] * x[i * stride] : fabs(x[i * stride]);
    norm = squares ? sqrt(norm) : norm;
    for (int64_t i = 0; i < n; i++)
        x[i * stride] = norm == 0 ? 0 : x[i * stride] / norm;
}

static ran_status evaluate_lp_normalization(ran_evaluation *e)
{
    int axis = ran_axis(ran_op_int(e->op, "axis"), ran_tensor_rank(e->operands[0]));
    ran_lines l = ran_lines_of(e->operands[0], axis, axis + 1);
    double *x = ran_load_f64(e->operands[0]);
    for (int64_t i = 0; i < l.outer; i++)
        for (int64_t j = 0; j < l.inner; j++)
            divide_by_norm(x + i * l.length * l.inner + j, l.length, l.inner,
                           ran_op_int(e->op, "p") == 2);
    ran_store_f64(e->results[0], x);
    free(x);
    return RAN_OK;
}

const ran_op_hooks ran_hooks_lp_normalization = {.infer = infer_lp_normalization,
                                                 .evaluate = evaluate_lp_normalization,
                                                 .gradient = ran_lp_normalization_gradient};

static ran_status infer_lrn(ran_infer *infer)
{
    ran_status status = ran_infer_check_elem(infer, 0, "F");
    if (status == RAN_OK)
        status = ran_infer_check_min_rank(infer, 0, 2);
    if (status == RAN_OK && ran_op_int(infer->op, "size") < 1)
        return ran_infer_error(infer, "attribute size: %lld is not positive",
                               (long long)ran_op_int(infer->op, "size"));
    return status == RAN_OK ? ran_infer_like_first(infer, 0) : status;
}

/* The window over channels has floor((size - 1) / 2) before and ceil((size - 1) / 2) behind. */
static double square_sum(const double *x, const ran_lines *l, int64_t channel, int64_t size)
{
    int64_t first = channel - (size - 1) / 2, last = channel + size / 2;
    double sum = 0;
    for (int64_t c = first < 0 ? 0 : first; c <= last && c < l->length; c++)
        sum += x[c * l->inner] * x[c * l->inner];
    return sum;
}

static ran_status evaluate_lrn(ran_evaluation *e)
{
    ran_lines l = ran_lines_of(e->operands[0], 1, 2);
    int64_t size = ran_op_int(e->op, "size"), at = 0;
    double alpha = ran_op_float(e->op, "alpha") / (double)size, bias = ran_op_float(e->op, "bias");
    double *x = ran_load_f64(e->operands[0]), *y = RAN_NEW(double, ran_tensor_numel(e->results[0]));
    for (int64_t n = 0; n < l.outer; n++)
        for (int64_t c = 0; c < l.length; c++)
            for (int64_t i = 0; i < l.inner; i++, at++)
                y[at] = x[at] /
                        pow(bias + alpha * square_sum(x + n * l.length * l.inner + i, &l, c, size),
                            ran_op_float(e->op, "beta"));
    ran_store_f64(e->results[0], y);
    free(x);
    free(y);
    return RAN_OK;
}

const ran_op_hooks ran_hooks_lrn = {
    .infer = infer_lrn, .evaluate = evaluate_lrn, .gradient = ran_lrn_gradient};
