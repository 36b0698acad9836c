/* SPDX-License-Identifier: GPL-3.0-or-later */
/* softmax, log_softmax and hardmax along one axis. */
#include "ir/ops/compute.h"
#include "ir/ops/gradient.h"

#include <math.h>
#include <stdlib.h>

static ran_status infer_softmax(ran_infer *infer)
{
    int axis, rank = ran_type_rank(infer->operands[0]);
    ran_status status = ran_infer_check_elem(infer, 0, "F");
    if (status == RAN_OK)
        status = ran_infer_check_min_rank(infer, 0, 1);
    if (status == RAN_OK && rank > 0)
        status = ran_infer_axis(infer, ran_op_int(infer->op, "axis"), rank, &axis);
    return status == RAN_OK ? ran_infer_like_first(infer, 0) : status;
}

static int64_t first_maximum(const double *line, int64_t n, int64_t stride)
{
    int64_t best = 0;
    for (int64_t i = 1; i < n; i++)
        if (line[i * stride] > line[best * stride] ||
            (isnan(line[i * stride]) && !isnan(line[best * stride])))
            best = i;
    return best;
}

/* In place. */
static void normalise_line(ran_opcode opcode, double *line, int64_t n, int64_t stride)
{
    int64_t best = first_maximum(line, n, stride);
    double maximum = line[best * stride], sum = 0;
    for (int64_t i = 0; i < n; i++)
        sum += exp(line[i * stride] - maximum);
    for (int64_t i = 0; i < n; i++) {
        double shifted = line[i * stride] - maximum;
        line[i * stride] = opcode == RAN_OP_HARDMAX       ? i == best
                           : opcode == RAN_OP_LOG_SOFTMAX ? shifted - log(sum)
                                                          : exp(shifted) / sum;
    }
}

static ran_status evaluate_softmax(ran_evaluation *e)
{
    int axis = ran_axis(ran_op_int(e->op, "axis"), ran_tensor_rank(e->operands[0]));
    ran_lines lines = ran_lines_of(e->operands[0], axis, axis + 1);
    double *x = ran_load_f64(e->operands[0]);
    for (int64_t i = 0; lines.length && i < lines.outer; i++)
        for (int64_t j = 0; j < lines.inner; j++)
            normalise_line(e->op->opcode, x + i * lines.length * lines.inner + j, lines.length,
                           lines.inner);
    ran_store_f64(e->results[0], x);
    free(x);
    return RAN_OK;
}

const ran_op_hooks ran_hooks_softmax = {
    .infer = infer_softmax, .evaluate = evaluate_softmax, .gradient = ran_softmax_gradient};
