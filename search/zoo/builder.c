/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "search/zoo/builder.h"
#include "search/zoo/samples.h"

#include "ir/ir.h"
#include "ir/noise.h"

#include <math.h>
#include <string.h>

/* ---- Names and ops -------------------------------------------------------------------------- */

void ran_net_scope(ran_net *net, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    vsnprintf(net->scope, sizeof net->scope, format, args);
    va_end(args);
}

static const char *layer_name(ran_net *net, const char *kind)
{
    return *net->scope ? ran_intern_printf(net->context, "%s.%s_%u", net->scope, kind, net->layers)
                       : ran_intern_printf(net->context, "%s_%u", kind, net->layers);
}

/* An op named after the scope, its attributes still open. */
static ran_op *create(ran_net *net, ran_opcode opcode, const char *type, size_t count,
                      ran_value *const *operands)
{
    char kind[32];
    snprintf(kind, sizeof kind, "%s", ran_opcode_name(opcode));
    net->layers++;
    net->builder.location = ran_location_create(net->context, layer_name(net, kind), type);
    return ran_op_create(&net->builder, opcode, count, operands, 1);
}

static ran_feature dead(ran_net *net, ran_status status)
{
    if (net->status == RAN_OK)
        net->status = status;
    return (ran_feature){.channels = 1, .height = 1, .width = 1};
}

/* The feature of a finished op: shape from its inferred type, channels on axis 1. */
static ran_feature finish(ran_net *net, ran_op *op)
{
    ran_status status = ran_op_infer_types(op);
    if (status != RAN_OK)
        return dead(net, status);
    ran_value *y = ran_op_result(op, 0);
    const ran_type *type = ran_value_type(y);
    ran_feature f = {y, ran_type_extent(type, 1), 1, 1};
    if (ran_type_rank(type) == 4) {
        f.height = ran_type_extent(type, 2);
        f.width = ran_type_extent(type, 3);
    }
    if (f.channels < 1 || f.height < 1 || f.width < 1)
        return dead(net, ran_op_error(op, RAN_INVALID, "nothing is left of the input"));
    return f;
}

static ran_feature apply(ran_net *net, ran_opcode opcode, const char *type, size_t count,
                         ran_value *const *operands)
{
    for (size_t i = 0; i < count; i++)
        if (!operands[i])
            return dead(net, RAN_INVALID);
    return finish(net, create(net, opcode, type, count, operands));
}

/* ---- Weights -------------------------------------------------------------------------------- */

static ran_value *add_constant(ran_net *net, const char *what, ran_tensor *tensor)
{
    ran_value *value = ran_constant_create(
        net->module, ran_intern_printf(net->context, "%s.%s", layer_name(net, "layer"), what),
        tensor);
    ran_tensor_release(tensor);
    return value;
}

static ran_value *noise(ran_net *net, const char *what, int rank, const int64_t *dims, double mean,
                        double deviation)
{
    ran_tensor *tensor = ran_tensor_create(RAN_ELEM_F32, rank, dims);
    if (!tensor)
        RAN_BUG(net->context, "out of memory for weights");
    ran_noise recipe = {.seed = net->options.seed * 0x9e3779b97f4a7c15u + ++net->weights,
                        .mean = mean,
                        .deviation = deviation};
    ran_tensor_fill_noise(tensor, &recipe);
    return add_constant(net, what, tensor);
}

static ran_value *vector(ran_net *net, const char *what, int64_t length, double mean,
                         double deviation)
{
    return noise(net, what, 1, &length, mean, deviation);
}

static ran_value *scalar(ran_net *net, const char *what, double value)
{
    ran_tensor *tensor = ran_tensor_create(RAN_ELEM_F32, 0, NULL);
    ran_tensor_set_f64(tensor, 0, value);
    return add_constant(net, what, tensor);
}

static ran_value *integers(ran_net *net, const char *what, const int64_t *values, int64_t count)
{
    ran_tensor *tensor = ran_tensor_create(RAN_ELEM_I64, 1, &count);
    memcpy(ran_tensor_mutable_data(tensor), values, (size_t)count * sizeof *values);
    return add_constant(net, what, tensor);
}

/* ---- Sizes ---------------------------------------------------------------------------------- */

int64_t ran_round_channels(double channels)
{
    int64_t rounded = (int64_t)((channels + 4) / 8) * 8;
    rounded = rounded < 8 ? 8 : rounded;
    return (double)rounded < 0.9 * channels ? rounded + 8 : rounded;
}

int64_t ran_net_channels(const ran_net *net, int64_t channels)
{
    if (net->options.width == 1)
        return channels;
    return ran_round_channels((double)channels * net->options.width);
}

int64_t ran_net_repeats(const ran_net *net, int64_t repeats)
{
    return (int64_t)ceil((double)repeats * net->options.depth);
}

/* ---- Layers --------------------------------------------------------------------------------- */

static void set_square(ran_op *op, const char *name, int64_t value, size_t count)
{
    ran_op_set_ints(op, name, (int64_t[]){value, value, value, value}, count);
}

/* He et al., 2015: deviation sqrt(2 / fan-in), for rectified inputs. */
ran_feature ran_net_conv(ran_net *net, ran_feature x, ran_conv_spec s)
{
    int64_t kernel = s.kernel ? s.kernel : 1, stride = s.stride ? s.stride : 1;
    int64_t groups = s.groups < 0 ? x.channels : s.groups ? s.groups : 1;
    int64_t pad = s.pad < 0 ? 0 : s.pad ? s.pad : kernel / 2;
    int64_t dims[] = {s.channels ? s.channels : x.channels, x.channels / groups, kernel, kernel};
    double deviation = sqrt(2.0 / (double)(dims[1] * kernel * kernel));
    if (!x.value)
        return x;
    net->layers++;
    ran_value *operands[] = {x.value, noise(net, "weight", 4, dims, 0, deviation),
                             s.bias ? vector(net, "bias", dims[0], 0, 0.05) : NULL};
    net->layers--;
    ran_op *op = create(net, RAN_OP_CONV, "Conv", s.bias ? 3 : 2, operands);
    set_square(op, "kernel_shape", kernel, 2);
    set_square(op, "strides", stride, 2);
    set_square(op, "pads", pad, 4);
    ran_op_set_int(op, "group", groups);
    return finish(net, op);
}

/* Scale and shift as training leaves them. The variance is x's mean square and the mean nearly 0:
 * with each channel's own statistics, untrained networks amplify every difference between images,
 * layer by layer (Yang et al., "A mean field theory of batch normalization", 2019). */
ran_feature ran_net_batch_norm(ran_net *net, ran_feature x)
{
    double power;
    if (!x.value)
        return x;
    ran_status status = ran_samples_power(net->samples, x.value, &power);
    if (status != RAN_OK)
        return dead(net, status);
    net->layers++;
    ran_value *operands[] = {
        x.value,
        vector(net, "scale", x.channels, 1, 0.1),
        vector(net, "bias", x.channels, 0, 0.1),
        vector(net, "mean", x.channels, 0, 0.1 * sqrt(power)),
        vector(net, "variance", x.channels, power, 0.1 * power),
    };
    net->layers--;
    return apply(net, RAN_OP_BATCH_NORMALIZATION, "BatchNormalization", 5, operands);
}

ran_feature ran_net_act(ran_net *net, ran_feature x, ran_act act)
{
    static const struct {
        ran_opcode opcode;
        const char *type;
    } rows[] = {
        [RAN_ACT_RELU] = {RAN_OP_RELU, "Relu"},
        [RAN_ACT_RELU6] = {RAN_OP_CLIP, "Clip"},
        [RAN_ACT_SILU] = {RAN_OP_SILU, "Swish"},
        [RAN_ACT_HARD_SWISH] = {RAN_OP_HARD_SWISH, "HardSwish"},
        [RAN_ACT_GELU] = {RAN_OP_GELU_ERF, "Gelu"},
        [RAN_ACT_SIGMOID] = {RAN_OP_SIGMOID, "Sigmoid"},
    };
    if (act == RAN_ACT_NONE || !x.value)
        return x;
    ran_value *operands[3] = {x.value};
    if (act == RAN_ACT_RELU6) {
        net->layers++;
        operands[1] = scalar(net, "min", 0);
        operands[2] = scalar(net, "max", 6);
        net->layers--;
    }
    ran_feature y =
        apply(net, rows[act].opcode, rows[act].type, act == RAN_ACT_RELU6 ? 3 : 1, operands);
    return (ran_feature){y.value, x.channels, x.height, x.width};
}

ran_feature ran_net_conv_bn(ran_net *net, ran_feature x, ran_conv_spec spec, ran_act act)
{
    return ran_net_act(net, ran_net_batch_norm(net, ran_net_conv(net, x, spec)), act);
}

/* Weights as [out, in], as most exporters have them. */
static ran_feature linear(ran_net *net, ran_feature x, int64_t channels, double deviation)
{
    int64_t dims[] = {channels, x.channels};
    if (!x.value)
        return x;
    net->layers++;
    ran_value *operands[] = {x.value, noise(net, "weight", 2, dims, 0, deviation),
                             vector(net, "bias", channels, 0, 0.05)};
    net->layers--;
    ran_op *op = create(net, RAN_OP_GEMM, "Gemm", 3, operands);
    ran_op_set_int(op, "transB", 1);
    return finish(net, op);
}

ran_feature ran_net_linear(ran_net *net, ran_feature x, int64_t channels)
{
    return linear(net, x, channels, x.value ? sqrt(2.0 / (double)x.channels) : 0);
}

/* Small weights (Goyal et al. 2017, "Accurate, large minibatch SGD", 5.1): training starts with all
 * classes alike. Larger ones give gradients at the start that can kill a network without batch
 * norms for good. */
ran_feature ran_net_classify(ran_net *net, ran_feature x)
{
    return linear(net, x, net->options.classes, 0.01);
}

ran_feature ran_net_add(ran_net *net, ran_feature x, ran_feature y)
{
    return apply(net, RAN_OP_ADD, "Add", 2, (ran_value *[]){x.value, y.value});
}

ran_feature ran_net_multiply(ran_net *net, ran_feature x, ran_feature gate)
{
    return apply(net, RAN_OP_MUL, "Mul", 2, (ran_value *[]){x.value, gate.value});
}

static ran_feature pool(ran_net *net, ran_feature x, ran_opcode opcode, const char *type,
                        int64_t kernel, int64_t stride, int64_t pad, bool ceil_mode)
{
    if (!x.value)
        return x;
    ran_op *op = create(net, opcode, type, 1, &x.value);
    set_square(op, "kernel_shape", kernel, 2);
    set_square(op, "strides", stride, 2);
    set_square(op, "pads", pad, 4);
    ran_op_set_int(op, "ceil_mode", ceil_mode);
    return finish(net, op);
}

ran_feature ran_net_max_pool(ran_net *net, ran_feature x, int64_t kernel, int64_t stride,
                             int64_t pad, bool ceil_mode)
{
    return pool(net, x, RAN_OP_MAX_POOL, "MaxPool", kernel, stride, pad, ceil_mode);
}

ran_feature ran_net_average_pool(ran_net *net, ran_feature x, int64_t kernel, int64_t stride)
{
    return pool(net, x, RAN_OP_AVERAGE_POOL, "AveragePool", kernel, stride, 0, false);
}

ran_feature ran_net_global_pool(ran_net *net, ran_feature x)
{
    return apply(net, RAN_OP_GLOBAL_AVERAGE_POOL, "GlobalAveragePool", 1, &x.value);
}

ran_feature ran_net_flatten(ran_net *net, ran_feature x)
{
    return apply(net, RAN_OP_FLATTEN, "Flatten", 1, &x.value);
}

ran_feature ran_net_concat(ran_net *net, size_t count, const ran_feature *xs)
{
    ran_value *operands[8];
    for (size_t i = 0; i < count; i++) {
        if (!xs[i].value)
            return xs[i];
        operands[i] = xs[i].value;
    }
    ran_op *op = create(net, RAN_OP_CONCAT, "Concat", count, operands);
    ran_op_set_int(op, "axis", 1);
    return finish(net, op);
}

ran_feature ran_net_add_padded(ran_net *net, ran_feature x, ran_feature y)
{
    int64_t pads[8] = {0};
    pads[5] = y.channels - x.channels;
    if (!x.value || pads[5] <= 0)
        return ran_net_add(net, x, y);
    net->layers++;
    ran_value *operands[] = {x.value, integers(net, "pads", pads, 8)};
    net->layers--;
    return ran_net_add(net, apply(net, RAN_OP_PAD, "Pad", 2, operands), y);
}

ran_feature ran_net_squeeze_excite(ran_net *net, ran_feature x, int64_t squeezed, ran_act act,
                                   bool norm)
{
    ran_feature z = ran_net_global_pool(net, x);
    z = ran_net_conv(net, z, (ran_conv_spec){.channels = squeezed, .bias = true});
    z = ran_net_act(net, norm ? ran_net_batch_norm(net, z) : z, act);
    z = ran_net_conv(net, z, (ran_conv_spec){.channels = x.channels, .bias = true});
    return ran_net_multiply(net, x, ran_net_act(net, z, RAN_ACT_SIGMOID));
}

/* ---- Channels last -------------------------------------------------------------------------- */

static ran_feature transpose(ran_net *net, ran_feature x, const int64_t *perm)
{
    if (!x.value)
        return x;
    ran_op *op = create(net, RAN_OP_TRANSPOSE, "Transpose", 1, &x.value);
    ran_op_set_ints(op, "perm", perm, 4);
    ran_feature y = finish(net, op);
    return (ran_feature){y.value, x.channels, x.height, x.width};
}

ran_feature ran_net_to_last(ran_net *net, ran_feature x)
{
    return transpose(net, x, (int64_t[]){0, 2, 3, 1});
}

ran_feature ran_net_to_first(ran_net *net, ran_feature x)
{
    return transpose(net, x, (int64_t[]){0, 3, 1, 2});
}

ran_feature ran_net_layer_norm_last(ran_net *net, ran_feature x)
{
    if (!x.value)
        return x;
    net->layers++;
    ran_value *operands[] = {x.value, vector(net, "scale", x.channels, 1, 0.1),
                             vector(net, "bias", x.channels, 0, 0.1)};
    net->layers--;
    ran_op *op = create(net, RAN_OP_LAYER_NORMALIZATION, "LayerNormalization", 3, operands);
    ran_op_set_float(op, "epsilon", 1e-6);
    ran_feature y = finish(net, op);
    return (ran_feature){y.value, x.channels, x.height, x.width};
}

/* Deviation sqrt(1 / fan-in): nothing rectifies before. */
ran_feature ran_net_linear_last(ran_net *net, ran_feature x, int64_t channels)
{
    int64_t dims[] = {x.channels, channels};
    if (!x.value)
        return x;
    net->layers++;
    ran_value *weight = noise(net, "weight", 2, dims, 0, sqrt(1.0 / (double)x.channels));
    ran_value *bias = vector(net, "bias", channels, 0, 0.02);
    net->layers--;
    ran_feature y = apply(net, RAN_OP_MATMUL, "MatMul", 2, (ran_value *[]){x.value, weight});
    y = apply(net, RAN_OP_ADD, "Add", 2, (ran_value *[]){y.value, bias});
    return (ran_feature){y.value, channels, x.height, x.width};
}

ran_feature ran_net_scale_last(ran_net *net, ran_feature x, double scale)
{
    if (!x.value)
        return x;
    ran_value *operands[] = {x.value, vector(net, "layer_scale", x.channels, scale, 0.1 * scale)};
    ran_feature y = apply(net, RAN_OP_MUL, "Mul", 2, operands);
    return (ran_feature){y.value, x.channels, x.height, x.width};
}

/* ---- Ends ----------------------------------------------------------------------------------- */

ran_feature ran_net_classifier(ran_net *net, ran_feature x)
{
    ran_net_scope(net, "classifier");
    x = ran_net_flatten(net, ran_net_global_pool(net, x));
    return ran_net_classify(net, x);
}

void ran_net_return(ran_net *net, ran_feature x)
{
    if (!x.value)
        return;
    ran_op_create(&net->builder, RAN_OP_RETURN, 1, &x.value, 0);
    ran_function_set_output_name(ran_region_function(net->builder.region), 0, "output");
}
