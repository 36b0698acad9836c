/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Normalisation in training, and gradients of normalisations.
 *
 * With xhat = (x - mean) * inv_std_dev over n elements and e = dy * scale:
 *   dx = inv_std_dev * (e - mean(e) - xhat * mean(e * xhat)), dscale = sum(dy * xhat), dbias =
 * sum(dy).
 */
#include "ir/ops/compute.h"
#include "ir/ops/gradient.h"

#include <math.h>
#include <stdlib.h>

/* ---- batch_normalization_training
 * ------------------------------------------------------------------- */

static ran_status check_channels(const ran_infer *infer, size_t first, size_t end)
{
    const ran_op_def *def = ran_op_definition(infer->op->opcode);
    ran_status status = RAN_OK;
    for (size_t i = first; i < end && status == RAN_OK; i++) {
        const char *name = def->operands[i].name;
        const ran_type *x = infer->operands[first - 1], *v = infer->operands[i];
        status = ran_infer_check_elem(infer, i, "F");
        if (status == RAN_OK)
            status = ran_infer_check_rank(infer, i, name, 1);
        if (status == RAN_OK && ran_type_rank(x) >= 2 && ran_type_rank(v) == 1)
            status =
                ran_infer_check_equal_dims(infer, name, ran_type_dim(x, 1), ran_type_dim(v, 0));
    }
    return status;
}

static ran_status infer_training(ran_infer *infer)
{
    ran_status status = ran_infer_check_elem(infer, 0, "F");
    if (status == RAN_OK)
        status = ran_infer_check_min_rank(infer, 0, 2);
    if (status == RAN_OK)
        status = check_channels(infer, 1, 5);
    infer->results[0] = infer->operands[0];
    infer->results[1] = infer->operands[3];
    infer->results[2] = infer->operands[4];
    infer->results[3] = infer->operands[3];
    infer->results[4] = infer->operands[4];
    return status;
}

/* One channel of [outer, channels, inner]. */
typedef struct channel {
    const ran_lines *lines;
    int64_t index;
} channel;

static int64_t position(const channel *c, int64_t i)
{
    const ran_lines *l = c->lines;
    return (i / l->inner * l->length + c->index) * l->inner + i % l->inner;
}

static double channel_mean(const channel *c, const double *x)
{
    double sum = 0;
    int64_t n = c->lines->outer * c->lines->inner;
    for (int64_t i = 0; i < n; i++)
        sum += x[position(c, i)];
    return sum / (double)n;
}

static double channel_variance(const channel *c, const double *x, double mean)
{
    double sum = 0;
    int64_t n = c->lines->outer * c->lines->inner;
    for (int64_t i = 0; i < n; i++)
        sum += (x[position(c, i)] - mean) * (x[position(c, i)] - mean);
    return sum / (double)n;
}

/* The running variance follows the unbiased estimate (n - 1), as training frameworks do; what
 * normalises is the population's, as ONNX says. */
static void train_channel(ran_evaluation *e, const channel *c, double *x)
{
    int64_t at = c->index, n = c->lines->outer * c->lines->inner;
    double momentum = ran_op_float(e->op, "momentum");
    double mean = channel_mean(c, x), variance = channel_variance(c, x, mean);
    double inverse = 1 / sqrt(variance + ran_op_float(e->op, "epsilon"));
    double unbiased = n > 1 ? variance * (double)n / (double)(n - 1) : variance;
    double scale = ran_tensor_get_f64(e->operands[1], at);
    double bias = ran_tensor_get_f64(e->operands[2], at);
    double old_mean = ran_tensor_get_f64(e->operands[3], at);
    double old_variance = ran_tensor_get_f64(e->operands[4], at);
    ran_tensor_set_f64(e->results[1], at, old_mean * momentum + mean * (1 - momentum));
    ran_tensor_set_f64(e->results[2], at, old_variance * momentum + unbiased * (1 - momentum));
    ran_tensor_set_f64(e->results[3], at, mean);
    ran_tensor_set_f64(e->results[4], at, inverse);
    for (int64_t i = 0; i < n; i++)
        x[position(c, i)] = (x[position(c, i)] - mean) * inverse * scale + bias;
}

static ran_status evaluate_training(ran_evaluation *e)
{
    ran_lines lines = ran_lines_of(e->operands[0], 1, 2);
    double *x = ran_load_f64(e->operands[0]);
    for (int64_t i = 0; i < lines.length; i++)
        train_channel(e, &(channel){&lines, i}, x);
    ran_store_f64(e->results[0], x);
    free(x);
    return RAN_OK;
}

const ran_op_hooks ran_hooks_batch_normalization_training = {
    .infer = infer_training,
    .evaluate = evaluate_training,
    .gradient = ran_batch_normalization_training_gradient};

/* ---- batch_normalization_gradient
 * -------------------------------------------------------------------- */

static ran_status infer_batch_gradient(ran_infer *infer)
{
    ran_status status = ran_infer_check_elem(infer, 0, "F");
    if (status == RAN_OK)
        status = ran_infer_check_same_elem(infer, 0, 1);
    if (status == RAN_OK)
        status = ran_infer_check_min_rank(infer, 1, 2);
    if (status == RAN_OK)
        status = check_channels(infer, 2, 5);
    infer->results[0] = infer->operands[1];
    infer->results[1] = infer->results[2] = infer->operands[2];
    return status;
}

/* dy becomes dx. */
static void channel_gradient(ran_evaluation *e, const channel *c, double *dy, const double *x)
{
    int64_t n = c->lines->outer * c->lines->inner;
    double scale = ran_tensor_get_f64(e->operands[2], c->index);
    double mean = ran_tensor_get_f64(e->operands[3], c->index);
    double inverse = ran_tensor_get_f64(e->operands[4], c->index), sum = 0, product = 0;
    for (int64_t i = 0; i < n; i++) {
        sum += dy[position(c, i)];
        product += dy[position(c, i)] * (x[position(c, i)] - mean) * inverse;
    }
    ran_tensor_set_f64(e->results[1], c->index, product);
    ran_tensor_set_f64(e->results[2], c->index, sum);
    for (int64_t i = 0; i < n; i++) {
        double xhat = (x[position(c, i)] - mean) * inverse, *d = &dy[position(c, i)];
        *d = scale * inverse * (*d - sum / (double)n - xhat * product / (double)n);
    }
}

static ran_status evaluate_batch_gradient(ran_evaluation *e)
{
    ran_lines lines = ran_lines_of(e->operands[1], 1, 2);
    double *dy = ran_load_f64(e->operands[0]), *x = ran_load_f64(e->operands[1]);
    for (int64_t i = 0; i < lines.length; i++)
        channel_gradient(e, &(channel){&lines, i}, dy, x);
    ran_store_f64(e->results[0], dy);
    free(dy);
    free(x);
    return RAN_OK;
}

const ran_op_hooks ran_hooks_batch_normalization_gradient = {.infer = infer_batch_gradient,
                                                             .evaluate = evaluate_batch_gradient};

/* ---- layer_normalization_gradient
 * -------------------------------------------------------------------- */

static ran_status infer_layer_gradient(ran_infer *infer)
{
    int axis, rank = ran_type_rank(infer->operands[1]);
    ran_status status = ran_infer_check_elem(infer, 0, "F");
    for (size_t i = 1; i < 3 && status == RAN_OK; i++)
        status = ran_infer_check_same_elem(infer, 0, i);
    if (status == RAN_OK && rank >= 0)
        status = ran_infer_axis(infer, ran_op_int(infer->op, "axis"), rank, &axis);
    infer->results[0] = infer->operands[1];
    infer->results[1] = infer->results[2] = infer->operands[2];
    return status;
}

/* scale may be broadcast to a line's shape: its gradient is summed over what it was stretched
 * along. */
static void line_offsets(const ran_evaluation *e, int64_t *out)
{
    ran_walk w;
    const ran_tensor *scale = e->operands[2];
    int64_t at = 0;
    ran_walk_broadcast(&w, ran_tensor_rank(e->operands[1]), ran_tensor_dims(e->operands[1]), 1,
                       &scale);
    RAN_FOR_ROWS(&w)
    for (int64_t i = 0; i < w.length; i++)
        out[at++] = w.offset[0] + i * w.step[0];
}

typedef struct layer {
    const double *x, *scale;
    double *dy, *dscale, *dbias;
    const int64_t *at; /* each element's place in scale */
} layer;

static void line_gradient(const layer *l, int64_t start, int64_t n, double mean, double inverse)
{
    double sum = 0, product = 0;
    for (int64_t i = start; i < start + n; i++) {
        double xhat = (l->x[i] - mean) * inverse, e = l->dy[i] * l->scale[l->at[i]];
        sum += e;
        product += e * xhat;
        l->dscale[l->at[i]] += l->dy[i] * xhat;
        l->dbias[l->at[i]] += l->dy[i];
    }
    for (int64_t i = start; i < start + n; i++) {
        double xhat = (l->x[i] - mean) * inverse, e = l->dy[i] * l->scale[l->at[i]];
        l->dy[i] = inverse * (e - sum / (double)n - xhat * product / (double)n);
    }
}

static ran_status evaluate_layer_gradient(ran_evaluation *e)
{
    int rank = ran_tensor_rank(e->operands[1]);
    int64_t count = ran_tensor_numel(e->operands[1]), scales = ran_tensor_numel(e->operands[2]);
    ran_lines lines = ran_lines_of(e->operands[1], ran_axis(ran_op_int(e->op, "axis"), rank), rank);
    double *x = ran_load_f64(e->operands[1]), *scale = ran_load_f64(e->operands[2]);
    int64_t *at = RAN_NEW(int64_t, count);
    layer l = {.x = x, .scale = scale, .at = at};
    l.dy = ran_load_f64(e->operands[0]);
    l.dscale = RAN_NEW(double, scales);
    l.dbias = RAN_NEW(double, scales);
    line_offsets(e, at);
    for (int64_t i = 0; i < lines.outer; i++)
        line_gradient(&l, i * lines.length, lines.length, ran_tensor_get_f64(e->operands[3], i),
                      ran_tensor_get_f64(e->operands[4], i));
    ran_store_f64(e->results[0], l.dy);
    ran_store_f64(e->results[1], l.dscale);
    ran_store_f64(e->results[2], l.dbias);
    free(x);
    free(scale);
    free(at);
    free(l.dy);
    free(l.dscale);
    free(l.dbias);
    return RAN_OK;
}

const ran_op_hooks ran_hooks_layer_normalization_gradient = {.infer = infer_layer_gradient,
                                                             .evaluate = evaluate_layer_gradient};

/* ---- Hooks
 * -------------------------------------------------------------------------------------------- */

static void add_all(ran_gradient *g, const ran_op *op)
{
    for (size_t i = 0; i < 3; i++)
        ran_gradient_add(g, i, ran_op_result(op, i));
}

ran_status ran_batch_normalization_training_gradient(ran_gradient *g, const ran_op *op)
{
    ran_value *dy = ran_gradient_of(g, 0);
    for (size_t i = 1; i < op->result_count; i++)
        if (ran_gradient_of(g, i))
            return ran_op_error(op, RAN_UNSUPPORTED, "no gradient flows through its statistics");
    if (!dy)
        return RAN_OK;
    ran_value *operands[] = {dy, ran_op_operand(op, 0), ran_op_operand(op, 1), ran_op_result(op, 3),
                             ran_op_result(op, 4)};
    ran_op *gradient = ran_gradient_op(g, RAN_OP_BATCH_NORMALIZATION_GRADIENT, 5, operands, 3);
    ran_gradient_finish(g, gradient);
    add_all(g, gradient);
    return RAN_OK;
}

/* [c] as [1, c, 1, ...] beside x. */
static ran_value *by_channel(ran_gradient *g, ran_value *vector, ran_value *x)
{
    int64_t dims[RAN_MAX_RANK];
    int rank = ran_gradient_rank(x);
    for (int i = 0; i < rank - 1; i++)
        dims[i] = i ? 1 : -1;
    return rank > 2 ? ran_gradient_reshape(g, vector, dims, (size_t)rank - 1) : vector;
}

static ran_value *sum_to_channels(ran_gradient *g, ran_value *value)
{
    int64_t axes[RAN_MAX_RANK] = {0};
    int rank = ran_gradient_rank(value);
    for (int i = 2; i < rank; i++)
        axes[i - 1] = i;
    return ran_gradient_reduce(g, RAN_OP_REDUCE_SUM, value, axes, rank > 1 ? (size_t)rank - 1 : 1,
                               false);
}

/* Inference mode: an affine map by channel, of all five operands. */
static void add_affine(ran_gradient *g, const ran_op *op, ran_value *dy)
{
    ran_value *v[5], *x = ran_op_operand(op, 0);
    for (size_t i = 1; i < 5; i++)
        v[i] = ran_gradient_cast(g, ran_op_operand(op, i), ran_type_elem(x->type));
    ran_value *epsilon = ran_gradient_scalar(g, x, ran_op_float(op, "epsilon"));
    ran_value *shifted = ran_gradient_add_values(g, v[4], epsilon);
    ran_value *deviation = ran_gradient_unary(g, RAN_OP_SQRT, shifted);
    ran_value *factor = ran_gradient_binary(g, RAN_OP_DIV, v[1], deviation);
    if (ran_gradient_needed(g, 0))
        ran_gradient_add(g, 0, ran_gradient_mul(g, dy, by_channel(g, factor, x)));
    ran_value *sum = NULL, *product = NULL;
    if (ran_gradient_needed(g, 2) || ran_gradient_needed(g, 3))
        sum = sum_to_channels(g, dy);
    if (ran_gradient_needed(g, 1) || ran_gradient_needed(g, 4)) {
        ran_value *centred = ran_gradient_binary(g, RAN_OP_SUB, x, by_channel(g, v[3], x));
        product = sum_to_channels(g, ran_gradient_mul(g, dy, centred));
    }
    ran_value *d[5] = {NULL};
    d[1] = product ? ran_gradient_binary(g, RAN_OP_DIV, product, deviation) : NULL;
    d[2] = sum;
    d[3] = sum ? ran_gradient_scale(g, ran_gradient_mul(g, sum, factor), -1) : NULL;
    d[4] =
        product
            ? ran_gradient_scale(
                  g,
                  ran_gradient_binary(g, RAN_OP_DIV, ran_gradient_mul(g, product, factor), shifted),
                  -0.5)
            : NULL;
    for (size_t i = 1; i < 5; i++)
        if (d[i] && ran_gradient_needed(g, i))
            ran_gradient_add(
                g, i, ran_gradient_cast(g, d[i], ran_type_elem(ran_op_operand(op, i)->type)));
}

ran_status ran_batch_normalization_gradient(ran_gradient *g, const ran_op *op)
{
    ran_value *dy = ran_gradient_of(g, 0);
    if (!dy)
        return RAN_OK;
    if (ran_op_int(op, "training_mode"))
        return ran_op_error(op, RAN_UNSUPPORTED,
                            "training mode is differentiated as batch_normalization_training");
    if (ran_gradient_rank(ran_op_operand(op, 0)) < 2)
        return ran_op_error(op, RAN_UNSUPPORTED, "its gradient needs a channel axis");
    add_affine(g, op, dy);
    return RAN_OK;
}

/* ---- layer, instance, group and root-mean-square normalisation
 * ----------------------------------------- */

/* The last axes from `first` on. */
static size_t last_axes(int first, int rank, int64_t axes[RAN_MAX_RANK])
{
    for (int i = first; i < rank; i++)
        axes[i - first] = i;
    return (size_t)(rank - first);
}

static ran_value *mean_of(ran_gradient *g, ran_value *x, const int64_t *axes, size_t count)
{
    return ran_gradient_reduce(g, RAN_OP_REDUCE_MEAN, x, axes, count, true);
}

/* (x - mean) / deviation over some axes, taken up again; rms: the mean is 0. */
typedef struct standard {
    int64_t axes[RAN_MAX_RANK];
    size_t count;
    bool centred;
    ran_value *inverse, *xhat;
} standard;

static void standardise(ran_gradient *g, standard *s, ran_value *x, double epsilon)
{
    ran_value *centred = x;
    if (s->centred)
        centred = ran_gradient_binary(g, RAN_OP_SUB, x, mean_of(g, x, s->axes, s->count));
    ran_value *square = ran_gradient_mul(g, centred, centred);
    ran_value *variance = mean_of(g, square, s->axes, s->count);
    variance = ran_gradient_add_values(g, variance, ran_gradient_scalar(g, x, epsilon));
    ran_value *deviation = ran_gradient_unary(g, RAN_OP_SQRT, variance);
    s->inverse = ran_gradient_unary(g, RAN_OP_RECIPROCAL, deviation);
    s->xhat = ran_gradient_mul(g, centred, s->inverse);
}

/* dL/dx from e = dL/dxhat. */
static ran_value *through_standard(ran_gradient *g, const standard *s, ran_value *e)
{
    ran_value *along = mean_of(g, ran_gradient_mul(g, e, s->xhat), s->axes, s->count);
    ran_value *rest = e;
    if (s->centred)
        rest = ran_gradient_binary(g, RAN_OP_SUB, e, mean_of(g, e, s->axes, s->count));
    rest = ran_gradient_binary(g, RAN_OP_SUB, rest, ran_gradient_mul(g, s->xhat, along));
    return ran_gradient_mul(g, rest, s->inverse);
}

static void add_reduced(ran_gradient *g, const ran_op *op, size_t operand, ran_value *value)
{
    if (ran_gradient_needed(g, operand))
        ran_gradient_add(g, operand, ran_gradient_reduce_to(g, value, ran_op_operand(op, operand)));
}

/* The forward op gives its mean and inverse deviation, and one op of a kernel of its own the rest.
 */
ran_status ran_layer_normalization_gradient(ran_gradient *g, const ran_op *op)
{
    ran_value *dy = ran_gradient_of(g, 0), *bias = ran_op_operand(op, 2);
    if (ran_gradient_of(g, 1) || ran_gradient_of(g, 2))
        return ran_op_error(op, RAN_UNSUPPORTED, "no gradient flows through its statistics");
    if (!dy)
        return RAN_OK;
    const ran_op *full = ran_gradient_more_results(g, op, 3);
    ran_value *operands[] = {dy, ran_op_operand(op, 0), ran_op_operand(op, 1),
                             ran_op_result(full, 1), ran_op_result(full, 2)};
    ran_op *gradient = ran_gradient_op(g, RAN_OP_LAYER_NORMALIZATION_GRADIENT, 5, operands, 3);
    ran_op_set_int(gradient, "axis", ran_op_int(op, "axis"));
    ran_gradient_finish(g, gradient);
    ran_gradient_add(g, 0, &gradient->results[0]);
    ran_gradient_add(g, 1, &gradient->results[1]);
    if (bias && bias->type == gradient->results[2].type)
        ran_gradient_add(g, 2, &gradient->results[2]);
    else
        add_reduced(g, op, 2, dy);
    return RAN_OK;
}

ran_status ran_rms_normalization_gradient(ran_gradient *g, const ran_op *op)
{
    ran_value *dy = ran_gradient_of(g, 0), *x = ran_op_operand(op, 0);
    int rank = ran_gradient_rank(x);
    standard s = {.centred = false};
    if (!dy)
        return RAN_OK;
    s.count = last_axes(ran_axis(ran_op_int(op, "axis"), rank), rank, s.axes);
    standardise(g, &s, x, ran_op_float(op, "epsilon"));
    add_reduced(g, op, 1, ran_gradient_mul(g, dy, s.xhat));
    if (ran_gradient_needed(g, 0))
        ran_gradient_add(g, 0,
                         through_standard(g, &s, ran_gradient_mul(g, dy, ran_op_operand(op, 1))));
    return RAN_OK;
}

static ran_status grouped_gradient(ran_gradient *g, const ran_op *op, int64_t groups)
{
    ran_value *dy = ran_gradient_of(g, 0), *x = ran_op_operand(op, 0);
    standard s = {.axes = {2}, .count = 1, .centred = true};
    ran_status status = ran_gradient_need_static(op);
    if (!dy || status != RAN_OK)
        return status;
    int64_t runs[] = {ran_gradient_extent(x, 0), groups,
                      ran_type_numel(x->type) / ran_gradient_extent(x, 0) / groups};
    standardise(g, &s, ran_gradient_reshape(g, x, runs, 3), ran_op_float(op, "epsilon"));
    ran_value *xhat = ran_gradient_reshape_like(g, s.xhat, x);
    if (ran_gradient_needed(g, 1))
        ran_gradient_add(g, 1, sum_to_channels(g, ran_gradient_mul(g, dy, xhat)));
    if (ran_gradient_needed(g, 2))
        ran_gradient_add(g, 2, sum_to_channels(g, dy));
    if (!ran_gradient_needed(g, 0))
        return RAN_OK;
    ran_value *e = ran_gradient_mul(g, dy, by_channel(g, ran_op_operand(op, 1), x));
    ran_value *dx = through_standard(g, &s, ran_gradient_reshape(g, e, runs, 3));
    ran_gradient_add(g, 0, ran_gradient_reshape_like(g, dx, x));
    return RAN_OK;
}

ran_status ran_instance_normalization_gradient(ran_gradient *g, const ran_op *op)
{
    return grouped_gradient(g, op, ran_gradient_extent(ran_op_operand(op, 0), 1));
}

ran_status ran_group_normalization_gradient(ran_gradient *g, const ran_op *op)
{
    return grouped_gradient(g, op, ran_op_int(op, "num_groups"));
}

/* ---- Normalisations without parameters
 * ------------------------------------------------------------------ */

/* x' / (deviation + 1e-9) with x' = x - mean. */
ran_status ran_mean_variance_normalization_gradient(ran_gradient *g, const ran_op *op)
{
    static const int64_t usual[] = {0, 2, 3};
    standard s = {.centred = true};
    const int64_t *axes = ran_op_ints(op, "axes", &s.count);
    ran_value *dy = ran_gradient_of(g, 0), *x = ran_op_operand(op, 0);
    if (!s.count) {
        axes = usual;
        s.count = 3;
    }
    for (size_t i = 0; i < s.count; i++)
        s.axes[i] = ran_axis(axes[i], ran_gradient_rank(x));
    if (!dy)
        return RAN_OK;
    standardise(g, &s, x, 1e-18);
    ran_gradient_add(g, 0, through_standard(g, &s, dy));
    return RAN_OK;
}

/* y = x / |x|: dx = (dy - sum(dy y) x^(p-1)/|x|^(p-1)) / |x|, and 0 for a zero vector. */
ran_status ran_lp_normalization_gradient(ran_gradient *g, const ran_op *op)
{
    ran_value *dy = ran_gradient_of(g, 0), *x = ran_op_operand(op, 0), *y = ran_op_result(op, 0);
    int64_t axis = ran_op_int(op, "axis");
    bool squares = ran_op_int(op, "p") == 2;
    if (!dy)
        return RAN_OK;
    ran_value *along =
        ran_gradient_reduce(g, RAN_OP_REDUCE_SUM, ran_gradient_mul(g, dy, y), &axis, 1, true);
    ran_value *way = squares ? y : ran_gradient_unary(g, RAN_OP_SIGN, x);
    ran_value *norm =
        ran_gradient_reduce(g, squares ? RAN_OP_REDUCE_L2 : RAN_OP_REDUCE_L1, x, &axis, 1, true);
    ran_value *rest = ran_gradient_binary(g, RAN_OP_SUB, dy, ran_gradient_mul(g, way, along));
    ran_value *zero = ran_gradient_scalar(g, x, 0);
    ran_value *is_zero = ran_gradient_binary(g, RAN_OP_EQUAL, norm, zero);
    ran_gradient_add(
        g, 0, ran_gradient_where(g, is_zero, zero, ran_gradient_binary(g, RAN_OP_DIV, rest, norm)));
    return RAN_OK;
}

/* The sum over `before` channels before and `behind` behind each, by an average pool along the
 * channels of [n, 1, c, ...]. */
static ran_value *channel_sum(ran_gradient *g, ran_value *x, int64_t before, int64_t behind)
{
    int64_t channels = ran_gradient_extent(x, 1), size = before + 1 + behind;
    int64_t dims[] = {ran_gradient_extent(x, 0), 1, channels,
                      ran_type_numel(x->type) / ran_gradient_extent(x, 0) / channels};
    ran_value *image = ran_gradient_reshape(g, x, dims, 4);
    ran_op *pool = ran_gradient_op(g, RAN_OP_AVERAGE_POOL, 1, &image, 1);
    ran_op_set_int(pool, "count_include_pad", 1);
    ran_op_set_ints(pool, "kernel_shape", (int64_t[]){size, 1}, 2);
    ran_op_set_ints(pool, "pads", (int64_t[]){before, 0, behind, 0}, 4);
    ran_value *mean = ran_gradient_finish(g, pool);
    return ran_gradient_reshape_like(g, ran_gradient_scale(g, mean, (double)size), x);
}

/* y = x t^-beta with t = bias + alpha / size * (sum of x^2 over the channels around). */
ran_status ran_lrn_gradient(ran_gradient *g, const ran_op *op)
{
    ran_value *dy = ran_gradient_of(g, 0), *x = ran_op_operand(op, 0);
    int64_t size = ran_op_int(op, "size"), before = (size - 1) / 2, behind = size - 1 - before;
    double alpha = ran_op_float(op, "alpha") / (double)size, beta = ran_op_float(op, "beta");
    ran_status status = ran_gradient_need_static(op);
    if (!dy || status != RAN_OK)
        return status;
    ran_value *sums = channel_sum(g, ran_gradient_mul(g, x, x), before, behind);
    ran_value *bias = ran_gradient_scalar(g, x, ran_op_float(op, "bias"));
    ran_value *t = ran_gradient_add_values(g, ran_gradient_scale(g, sums, alpha), bias);
    ran_value *power = ran_gradient_binary(g, RAN_OP_POW, t, ran_gradient_scalar(g, x, -beta));
    ran_value *direct = ran_gradient_mul(g, dy, power);
    ran_value *through = ran_gradient_binary(g, RAN_OP_DIV, ran_gradient_mul(g, direct, x), t);
    through = ran_gradient_mul(g, x, channel_sum(g, through, behind, before));
    ran_gradient_add(
        g, 0,
        ran_gradient_add_values(g, direct, ran_gradient_scale(g, through, -2 * alpha * beta)));
    return RAN_OK;
}
