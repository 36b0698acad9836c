/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Signal processing: dft, stft, mel_weight_matrix. Complex numbers are a last axis of two. */
#include "ir/ops/gradient.h"
#include "ir/ops/ops.h"

#include <math.h>

static const double two_pi = 6.283185307179586476925286766559;

/* A known scalar operand; NULL when absent or not known. */
static const ran_dim *scalar_dim(const ran_infer *infer, size_t index)
{
    size_t count;
    const ran_dim *const *elements = ran_infer_elements(infer, index, &count);
    return elements && count == 1 ? elements[0] : NULL;
}

static bool is_absent(const ran_infer *infer, size_t index)
{
    return !ran_infer_operand(infer, index);
}

static int64_t scalar_or(const ran_tensor *tensor, int64_t fallback)
{
    return tensor && ran_tensor_numel(tensor) > 0 ? ran_tensor_get_i64(tensor, 0) : fallback;
}

/* Bins of a transform: all, or the half that a real signal's other half mirrors. */
static const ran_dim *bin_count(ran_context *context, const ran_dim *length, bool onesided)
{
    if (!onesided)
        return length;
    const ran_dim *half =
        ran_dim_binary(context, RAN_DIM_FLOORDIV, length, ran_dim_constant(context, 2));
    return ran_dim_add_constant(context, half, 1);
}

static ran_status check_length(const ran_infer *infer, const ran_dim *length)
{
    if (ran_dim_is_constant(length) && ran_dim_value(length) < 1)
        return ran_infer_error(infer, "the length of the transform is %lld",
                               (long long)ran_dim_value(length));
    return RAN_OK;
}

/* Terms of one line, `stride` elements apart; imaginary parts follow directly when there are any. */
typedef struct line {
    const ran_tensor *x;
    int64_t offset, stride, count;
    bool is_complex;
} line;

/* Bin k of the transform of length n: the line is cut or continued with zeros. */
static void transform_bin(const line *in, const ran_tensor *window, int64_t n, int64_t k,
                          bool inverse, double out[2])
{
    double sign = inverse ? 1 : -1;
    out[0] = out[1] = 0;
    for (int64_t i = 0; i < n && i < in->count; i++) {
        int64_t at = in->offset + i * in->stride;
        double re = ran_tensor_get_f64(in->x, at);
        double im = in->is_complex ? ran_tensor_get_f64(in->x, at + 1) : 0;
        double weight = window ? ran_tensor_get_f64(window, i) : 1;
        /* The angle modulo a turn, so that long transforms stay exact. */
        double angle = sign * two_pi * (double)((__int128)i * k % n) / (double)n;
        out[0] += weight * (re * cos(angle) - im * sin(angle));
        out[1] += weight * (re * sin(angle) + im * cos(angle));
    }
    if (inverse) {
        out[0] /= (double)n;
        out[1] /= (double)n;
    }
}

/* ---- dft ------------------------------------------------------------------------------------------------ */

/* The last axis holds the parts of a complex number, and -1 is that axis. */
static int dft_axis(int64_t axis, int rank)
{
    int resolved = ran_axis(axis, rank);
    return resolved == rank - 1 ? -1 : resolved;
}

static ran_status infer_dft(ran_infer *infer)
{
    const ran_dim *dims[RAN_MAX_RANK];
    int rank = ran_infer_dims(infer, 0, dims);
    ran_elem elem = ran_type_elem(infer->operands[0]);
    bool onesided = ran_op_int(infer->op, "onesided") != 0;
    const ran_dim *length = scalar_dim(infer, 1), *axis_dim = scalar_dim(infer, 2);
    if (onesided && ran_op_int(infer->op, "inverse"))
        return ran_op_error(infer->op, RAN_UNSUPPORTED, "an inverse transform can't be onesided");
    if (rank < 0 || (!is_absent(infer, 2) && (!axis_dim || !ran_dim_is_constant(axis_dim))))
        return ran_infer_result_unknown(infer, 0, elem);
    int axis = dft_axis(axis_dim ? ran_dim_value(axis_dim) : -2, rank);
    if (rank < 2 || axis < 0)
        return ran_infer_error(infer, "no such axis of %s",
                               ran_type_text(infer->context, infer->operands[0]));
    if (ran_dim_is_constant(dims[rank - 1]) && ran_dim_value(dims[rank - 1]) != 1 &&
        ran_dim_value(dims[rank - 1]) != 2)
        return ran_infer_error(infer, "the last axis of %s is neither 1 nor 2",
                               ran_type_text(infer->context, infer->operands[0]));
    if (is_absent(infer, 1))
        length = dims[axis];
    if (!length)
        length = ran_dim_fresh(infer->context);
    ran_status status = check_length(infer, length);
    dims[axis] = bin_count(infer->context, length, onesided);
    dims[rank - 1] = ran_dim_constant(infer->context, 2);
    return status == RAN_OK ? ran_infer_result(infer, 0, elem, rank, dims) : status;
}

static ran_status evaluate_dft(ran_evaluation *evaluation)
{
    const ran_tensor *x = evaluation->operands[0];
    ran_tensor *y = evaluation->results[0];
    const int64_t *dims = ran_tensor_dims(x);
    int rank = ran_tensor_rank(x);
    int axis = dft_axis(scalar_or(ran_eval_operand(evaluation, 2), -2), rank);
    int64_t parts = dims[rank - 1], inner = ran_dims_product(dims, axis + 1, rank - 1);
    int64_t outer = ran_dims_product(dims, 0, axis), bins = ran_tensor_dims(y)[axis];
    int64_t n = scalar_or(ran_eval_operand(evaluation, 1), dims[axis]);
    bool inverse = ran_op_int(evaluation->op, "inverse") != 0;
    for (int64_t i = 0; i < outer * inner; i++) {
        int64_t o = i / inner, j = i % inner;
        line in = {x, (o * dims[axis] * inner + j) * parts, inner * parts, dims[axis], parts == 2};
        for (int64_t k = 0; k < bins; k++) {
            double bin[2];
            transform_bin(&in, NULL, n, k, inverse, bin);
            int64_t at = 2 * ((o * bins + k) * inner + j);
            ran_tensor_set_f64(y, at, bin[0]);
            ran_tensor_set_f64(y, at + 1, bin[1]);
        }
    }
    return RAN_OK;
}

const ran_op_hooks ran_hooks_dft = {
    .infer = infer_dft, .evaluate = evaluate_dft, .gradient = ran_dft_gradient};

/* ---- stft ----------------------------------------------------------------------------------------------- */

/* frame_length, else the window's, else the whole signal. */
static const ran_dim *frame_length(ran_infer *infer, const ran_dim *signal)
{
    if (!is_absent(infer, 3)) {
        const ran_dim *given = scalar_dim(infer, 3);
        return given ? given : ran_dim_fresh(infer->context);
    }
    if (is_absent(infer, 2))
        return signal;
    return ran_type_rank(infer->operands[2]) == 1 ? ran_type_dim(infer->operands[2], 0)
                                                  : ran_dim_fresh(infer->context);
}

static ran_status infer_stft(ran_infer *infer)
{
    const ran_dim *dims[RAN_MAX_RANK];
    ran_context *context = infer->context;
    int rank = ran_infer_dims(infer, 0, dims);
    ran_elem elem = ran_type_elem(infer->operands[0]);
    bool onesided = ran_op_int(infer->op, "onesided") != 0;
    if (rank < 0)
        return ran_infer_result_unknown(infer, 0, elem);
    if (rank != 2 && rank != 3)
        return ran_infer_error(infer, "signal is %s",
                               ran_type_text(context, infer->operands[0]));
    const ran_dim *length = frame_length(infer, dims[1]), *step = scalar_dim(infer, 1);
    ran_status status = check_length(infer, length);
    if (step && status == RAN_OK)
        status = check_length(infer, step);
    if (status != RAN_OK)
        return status;
    const ran_dim *frames = ran_dim_fresh(context);
    if (step)
        frames = ran_dim_add_constant(
            context,
            ran_dim_binary(context, RAN_DIM_FLOORDIV, ran_dim_sub(context, dims[1], length), step),
            1);
    if (ran_dim_is_constant(frames) && ran_dim_value(frames) < 0)
        return ran_infer_error(infer, "the frame is longer than the signal");
    const ran_dim *result[] = {dims[0], frames, bin_count(context, length, onesided),
                               ran_dim_constant(context, 2)};
    return ran_infer_result(infer, 0, elem, 4, result);
}

static ran_status evaluate_stft(ran_evaluation *evaluation)
{
    const ran_tensor *x = evaluation->operands[0], *window = ran_eval_operand(evaluation, 2);
    ran_tensor *y = evaluation->results[0];
    const int64_t *dims = ran_tensor_dims(x), *out = ran_tensor_dims(y);
    int64_t step = ran_tensor_get_i64(evaluation->operands[1], 0);
    int64_t parts = ran_tensor_rank(x) == 3 ? dims[2] : 1, to = 0;
    int64_t length = scalar_or(ran_eval_operand(evaluation, 3),
                               window ? ran_tensor_numel(window) : dims[1]);
    if (window && ran_tensor_numel(window) != length)
        return ran_op_error(evaluation->op, RAN_INVALID, "the window has %lld elements, not %lld",
                            (long long)ran_tensor_numel(window), (long long)length);
    for (int64_t i = 0; i < out[0] * out[1]; i++) {
        int64_t start = i / out[1] * dims[1] + i % out[1] * step;
        line in = {x, start * parts, parts, length, parts == 2};
        for (int64_t k = 0; k < out[2]; k++) {
            double bin[2];
            transform_bin(&in, window, length, k, false, bin);
            ran_tensor_set_f64(y, to++, bin[0]);
            ran_tensor_set_f64(y, to++, bin[1]);
        }
    }
    return RAN_OK;
}

const ran_op_hooks ran_hooks_stft = {
    .infer = infer_stft, .evaluate = evaluate_stft, .gradient = ran_stft_gradient};

/* ---- mel_weight_matrix ---------------------------------------------------------------------------------- */

static ran_status infer_mel_weight_matrix(ran_infer *infer)
{
    ran_context *context = infer->context;
    const ran_dim *mels = scalar_dim(infer, 0), *length = scalar_dim(infer, 1);
    bool typed = ran_op_has_attr(infer->op, "output_datatype");
    ran_elem elem =
        typed ? ran_type_elem(ran_op_type_attr(infer->op, "output_datatype")) : RAN_ELEM_F32;
    ran_status status = mels ? check_length(infer, mels) : RAN_OK;
    if (status == RAN_OK && length)
        status = check_length(infer, length);
    if (status != RAN_OK)
        return status;
    return ran_infer_result(
        infer, 0, elem, 2,
        (const ran_dim *[]){length ? bin_count(context, length, true) : ran_dim_fresh(context),
                            mels ? mels : ran_dim_fresh(context)});
}

static double hertz_to_mel(double hertz)
{
    return 2595 * log10(1 + hertz / 700);
}

/* The spectrogram bin at position i of mels + 2 edges between the two frequencies. */
static int64_t mel_edge(const ran_evaluation *evaluation, int64_t i, int64_t mels)
{
    double length = ran_tensor_get_f64(evaluation->operands[1], 0);
    double rate = ran_tensor_get_f64(evaluation->operands[2], 0);
    double low = hertz_to_mel(ran_tensor_get_f64(evaluation->operands[3], 0));
    double high = hertz_to_mel(ran_tensor_get_f64(evaluation->operands[4], 0));
    double mel = low + (double)i * ((high - low) / (double)(mels + 2));
    double hertz = 700 * (pow(10, mel / 2595) - 1);
    return (int64_t)fmin(fmax(floor((length + 1) * hertz / rate), -1e9), 1e9);
}

static void set_weight(ran_tensor *y, int64_t bin, int64_t mel, double weight)
{
    if (bin >= 0 && bin < ran_tensor_dims(y)[0])
        ran_tensor_set_f64(y, bin * ran_tensor_dims(y)[1] + mel, weight);
}

static ran_status evaluate_mel_weight_matrix(ran_evaluation *evaluation)
{
    ran_tensor *y = evaluation->results[0];
    int64_t bins = ran_tensor_dims(y)[0], mels = ran_tensor_dims(y)[1];
    for (int64_t mel = 0; mel < mels; mel++) {
        int64_t low = mel_edge(evaluation, mel, mels), center = mel_edge(evaluation, mel + 1, mels);
        int64_t high = mel_edge(evaluation, mel + 2, mels);
        if (low == center)
            set_weight(y, center, mel, 1);
        for (int64_t j = low < 0 ? 0 : low; j <= center && j < bins && low < center; j++)
            set_weight(y, j, mel, (double)(j - low) / (double)(center - low));
        for (int64_t j = center < 0 ? 0 : center; j < high && j < bins; j++)
            set_weight(y, j, mel, (double)(high - j) / (double)(high - center));
    }
    return RAN_OK;
}

const ran_op_hooks ran_hooks_mel_weight_matrix = {.infer = infer_mel_weight_matrix,
                                                  .evaluate = evaluate_mel_weight_matrix};
