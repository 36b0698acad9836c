/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Template of an op, ir/ops/center.c: y = x - mean(x), the mean along one axis. Its row in
 * include/ran/op.def:
 *
 *   RAN_OP(CENTER, center, center, .operands = "x", .results = "y", .attributes = "int axis = -1")
 *
 * and where ONNX has it, one in frontend/ops.def (docs/onnx.md).
 */
#include "ir/ops/compute.h"

#include <stdlib.h>

static ran_status infer_center(ran_infer *infer)
{
    int axis, rank = ran_type_rank(infer->operands[0]);
    ran_status status = ran_infer_check_elem(infer, 0, "F");
    if (status == RAN_OK && rank >= 0)
        status = ran_infer_axis(infer, ran_op_int(infer->op, "axis"), rank, &axis);
    return status == RAN_OK ? ran_infer_like_first(infer, 0) : status;
}

static void center_line(double *line, int64_t n, int64_t stride)
{
    double sum = 0;
    for (int64_t i = 0; i < n; i++)
        sum += line[i * stride];
    for (int64_t i = 0; i < n; i++)
        line[i * stride] -= sum / (double)n;
}

static ran_status evaluate_center(ran_evaluation *e)
{
    int axis = ran_axis(ran_op_int(e->op, "axis"), ran_tensor_rank(e->operands[0]));
    ran_lines lines = ran_lines_of(e->operands[0], axis, axis + 1);
    double *x = ran_load_f64(e->operands[0]);
    for (int64_t i = 0; lines.length && i < lines.outer; i++)
        for (int64_t j = 0; j < lines.inner; j++)
            center_line(x + i * lines.length * lines.inner + j, lines.length, lines.inner);
    ran_store_f64(e->results[0], x);
    free(x);
    return RAN_OK;
}

const ran_op_hooks ran_hooks_center = {.infer = infer_center, .evaluate = evaluate_center};
