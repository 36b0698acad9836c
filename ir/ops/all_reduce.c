/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * all_reduce: the sum of x over the processes that compute together. Each adds its share of a loss
 * that is their sum, and x of one reaches the results of all: so the gradient is the sum of theirs.
 */
#include "ir/ops/compute.h"
#include "ir/ops/gradient.h"

static ran_status infer_all_reduce(ran_infer *infer)
{
    infer->results[0] = infer->operands[0];
    return ran_infer_check_elem(infer, 0, "F");
}

static ran_status evaluate_all_reduce(ran_evaluation *evaluation)
{
    void *data;
    const ran_tensor *x = evaluation->operands[0];
    ran_tensor *y = evaluation->results[0];
    const ran_module *module =
        ran_function_module(ran_region_function(ran_op_parent(evaluation->op)));
    ran_all_reduce *sum = ran_context_all_reduce(ran_module_context(module), &data);
    if (sum && ran_tensor_elem(x) != RAN_ELEM_F32)
        return ran_op_error(evaluation->op, RAN_UNSUPPORTED, "only f32 is summed over processes");
    ran_copy_elements(y, 0, x, 0, ran_tensor_numel(x));
    if (sum)
        sum(data, ran_tensor_mutable_data(y), ran_tensor_numel(y));
    return RAN_OK;
}

ran_status ran_all_reduce_gradient(ran_gradient *g, const ran_op *op)
{
    (void)op;
    if (ran_gradient_of(g, 0))
        ran_gradient_add(g, 0, ran_gradient_unary(g, RAN_OP_ALL_REDUCE, ran_gradient_of(g, 0)));
    return RAN_OK;
}

const ran_op_hooks ran_hooks_all_reduce = {.infer = infer_all_reduce,
                                           .evaluate = evaluate_all_reduce,
                                           .gradient = ran_all_reduce_gradient};
