/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Ops that ONNX defines by others. */
#include "frontend/onnx.h"

#include <string.h>

/* ---- Losses ---------------------------------------------------------------------------------- */

static ran_value *with_axis(ran_onnx_node *node, ran_opcode opcode, ran_value *x, ran_value *y,
                            int64_t axis)
{
    if (!x || !y || node->failed)
        return NULL;
    ran_op *op = ran_op_create(node->builder, opcode, 2, (ran_value *[]){x, y}, 1);
    ran_op_set_int(op, "axis", axis);
    return ran_onnx_infer(node, op) == RAN_OK ? ran_op_result(op, 0) : NULL;
}

typedef struct loss {
    ran_value *log_prob; /* N x C x ... */
    ran_value *target;   /* N x ... */
    ran_value *weight;   /* C, or NULL */
    ran_value *ignored;  /* bool, like target; NULL without ignore_index */
} loss;

static void ignore_index(ran_onnx_node *node, loss *l)
{
    ran_elem elem = ran_type_elem(ran_value_type(l->target));
    if (!ran_onnx_has_attr(node, "ignore_index"))
        return;
    int64_t index = ran_onnx_int(node, "ignore_index", 0);
    ran_value *ignored = ran_onnx_const_scalar(node, elem, (double)index);
    l->ignored = ran_onnx_binary(node, RAN_OP_EQUAL, l->target, ignored);
    ran_value *operands[] = {l->ignored, ran_onnx_const_scalar(node, elem, 0), l->target};
    l->target = l->ignored ? ran_onnx_build_n(node, RAN_OP_WHERE, 3, operands) : NULL;
}

/* -log_prob[n, target[n, ...], ...] */
static ran_value *picked(ran_onnx_node *node, const loss *l)
{
    const int64_t axis = 1;
    ran_value *axes = ran_onnx_const_ints(node, &axis, 1);
    ran_value *index = l->target ? ran_onnx_binary(node, RAN_OP_UNSQUEEZE, l->target, axes) : NULL;
    ran_value *value = with_axis(node, RAN_OP_GATHER_ELEMENTS, l->log_prob, index, 1);
    value = value ? ran_onnx_binary(node, RAN_OP_SQUEEZE, value, axes) : NULL;
    return value ? ran_onnx_unary(node, RAN_OP_NEG, value) : NULL;
}

/* The weight of each target: its class's, 0 where it is ignored; NULL when all are 1. */
static ran_value *weights_of(ran_onnx_node *node, const loss *l)
{
    ran_elem elem = ran_type_elem(ran_value_type(l->log_prob));
    ran_value *weight = l->weight ? with_axis(node, RAN_OP_GATHER, l->weight, l->target, 0) : NULL;
    if (!l->ignored || node->failed)
        return weight;
    ran_value *operands[] = {l->ignored, ran_onnx_const_scalar(node, elem, 0),
                             weight ? weight : ran_onnx_const_scalar(node, elem, 1)};
    return ran_onnx_build_n(node, RAN_OP_WHERE, 3, operands);
}

static ran_value *total(ran_onnx_node *node, ran_value *x)
{
    return ran_onnx_reduce(node, RAN_OP_REDUCE_SUM, x, NULL, 0, false);
}

static ran_value *reduced_loss(ran_onnx_node *node, loss *l)
{
    const char *reduction = ran_onnx_string(node, "reduction", "mean");
    ignore_index(node, l);
    ran_value *value = picked(node, l);
    ran_value *weight = value ? weights_of(node, l) : NULL;
    if (weight && value)
        value = ran_onnx_binary(node, RAN_OP_MUL, value, weight);
    if (!value || node->failed || strcmp(reduction, "none") == 0)
        return node->failed ? NULL : value;
    if (strcmp(reduction, "sum") == 0)
        return total(node, value);
    if (!weight)
        return ran_onnx_reduce(node, RAN_OP_REDUCE_MEAN, value, NULL, 0, false);
    ran_value *above = total(node, value), *below = total(node, weight);
    return above && below ? ran_onnx_binary(node, RAN_OP_DIV, above, below) : NULL;
}

static ran_status map_loss(ran_onnx_node *node, ran_value *log_prob)
{
    loss l = {log_prob, ran_onnx_input(node, 1), ran_onnx_input(node, 2), NULL};
    if (!l.log_prob || !l.target)
        return ran_onnx_node_error(node, RAN_INVALID, "it needs scores and labels");
    ran_value *value = reduced_loss(node, &l);
    ran_value *results[] = {value, log_prob};
    for (size_t i = 0; value && i < node->output_count && i < 2; i++)
        node->outputs[i] = results[i];
    return value ? RAN_OK : RAN_INVALID;
}

ran_status ran_onnx_map_nll_loss(ran_onnx_node *node)
{
    return map_loss(node, ran_onnx_input(node, 0));
}

ran_status ran_onnx_map_softmax_cross_entropy_loss(ran_onnx_node *node)
{
    ran_value *scores = ran_onnx_input(node, 0);
    if (!scores)
        return ran_onnx_node_error(node, RAN_INVALID, "it needs scores and labels");
    ran_op *op = ran_op_create(node->builder, RAN_OP_LOG_SOFTMAX, 1, &scores, 1);
    ran_op_set_int(op, "axis", 1);
    if (ran_onnx_infer(node, op) != RAN_OK)
        return RAN_INVALID;
    return map_loss(node, ran_op_result(op, 0));
}

/* ---- Windows --------------------------------------------------------------------------------- */

/* a0 - a1 cos(2 pi n / N) + a2 cos(4 pi n / N), N one less when the window is symmetric. */
static const struct {
    const char *name;
    double a[3];
} windows[] = {
    {"BlackmanWindow", {0.42, 0.5, 0.08}},
    {"HammingWindow", {25.0 / 46, 1 - 25.0 / 46, 0}},
    {"HannWindow", {0.5, 0.5, 0}},
};

static ran_value *constant(ran_onnx_node *node, double value)
{
    return ran_onnx_const_scalar(node, RAN_ELEM_F64, value);
}

/* c cos(k x) */
static ran_value *cosine(ran_onnx_node *node, ran_value *x, double k, double c)
{
    x = x ? ran_onnx_binary(node, RAN_OP_MUL, x, constant(node, k)) : NULL;
    x = x ? ran_onnx_unary(node, RAN_OP_COS, x) : NULL;
    return x ? ran_onnx_binary(node, RAN_OP_MUL, x, constant(node, c)) : NULL;
}

/* 2 pi n / N for all n below the size. */
static ran_value *angles(ran_onnx_node *node, bool periodic)
{
    ran_value *size = ran_onnx_cast(node, node->inputs[0], RAN_ELEM_I64);
    if (!size)
        return NULL;
    ran_value *operands[] = {ran_onnx_const_int(node, 0), size, ran_onnx_const_int(node, 1)};
    ran_value *n = ran_onnx_build_n(node, RAN_OP_RANGE, 3, operands);
    n = n ? ran_onnx_cast(node, n, RAN_ELEM_F64) : NULL;
    size = ran_onnx_cast(node, size, RAN_ELEM_F64);
    if (!periodic && size)
        size = ran_onnx_binary(node, RAN_OP_SUB, size, constant(node, 1));
    n = n ? ran_onnx_binary(node, RAN_OP_MUL, n, constant(node, 6.283185307179586)) : NULL;
    return n && size ? ran_onnx_binary(node, RAN_OP_DIV, n, size) : NULL;
}

ran_status ran_onnx_map_window(ran_onnx_node *node)
{
    ran_elem elem;
    size_t kind = 0;
    while (strcmp(windows[kind].name, node->row->name))
        kind++;
    const double *a = windows[kind].a;
    bool periodic = ran_onnx_int(node, "periodic", 1) != 0;
    if (!ran_elem_from_onnx((int)ran_onnx_int(node, "output_datatype", 1), &elem) ||
        !ran_onnx_input(node, 0))
        return ran_onnx_node_error(node, RAN_INVALID, "size or output type are missing");
    ran_value *x = angles(node, periodic);
    ran_value *y = cosine(node, x, 1, -a[1]);
    y = y ? ran_onnx_binary(node, RAN_OP_ADD, y, constant(node, a[0])) : NULL;
    ran_value *second = y && a[2] != 0 ? cosine(node, x, 2, a[2]) : NULL;
    if (second)
        y = ran_onnx_binary(node, RAN_OP_ADD, y, second);
    y = y ? ran_onnx_cast(node, y, elem) : NULL;
    if (y && node->output_count)
        node->outputs[0] = y;
    return y ? RAN_OK : RAN_INVALID;
}
