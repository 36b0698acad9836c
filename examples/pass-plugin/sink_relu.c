/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * A pass in a plug-in, in one file: Relu commutes with MaxPool, and costs less behind it, where the
 * map is smaller.
 *
 *   %1 = relu %x                     %1 = max_pool %x {kernel_shape = [2, 2], strides = [2, 2]}
 *   %2 = max_pool %1 {...}    =>     %2 = relu %1
 *
 *     cc -shared -fPIC -o sink_relu.so sink_relu.c $(pkg-config --cflags ran)
 *     ran-opt -fpass-plugin=sink_relu.so --passes=sink-relu model.ran
 *     rancc -fpass-plugin=sink_relu.so -O2 model.onnx
 *
 * Exact: max is monotone, and so is Relu. It must not fire where the Relu has other users (both maps
 * would be computed), or where the pool's indices are asked for (Relu makes ties).
 */
#include <ran/pass.h>

static bool matches(const ran_op *pool)
{
    if (!ran_op_is(pool, RAN_OP_MAX_POOL))
        return false;
    ran_value *input = ran_op_operand(pool, 0);
    for (size_t i = 1; i < ran_op_result_count(pool); i++) {
        if (ran_value_has_uses(ran_op_result(pool, i)))
            return false;
    }
    return ran_op_is(ran_value_op(input), RAN_OP_RELU) && ran_value_has_one_use(input);
}

/* The pool reads what the Relu read, and a new Relu follows it. */
static ran_status sink(ran_pass_context *pass, ran_op *pool)
{
    ran_op *relu = ran_value_op(ran_op_operand(pool, 0));
    ran_value *result = ran_op_result(pool, 0);
    ran_op_set_operand(pool, 0, ran_op_operand(relu, 0));
    ran_status status = ran_op_infer_types(pool);
    if (status)
        return status;
    ran_builder builder = ran_builder_before(ran_op_next(pool));
    builder.location = ran_op_location(relu);
    ran_op *sunk = ran_op_create(&builder, RAN_OP_RELU, 0, NULL, 1);
    ran_value_replace_uses(result, ran_op_result(sunk, 0));
    ran_op_set_operands(sunk, 1, &result);
    ran_op_erase(relu);
    ran_pass_count(pass, "sunk", 1);
    return ran_op_infer_types(sunk);
}

/* A region ends in a terminator, so that an op with results always has a next one. */
static ran_status sink_in_region(ran_pass_context *pass, ran_region *region)
{
    for (ran_op *op = ran_region_first(region); op; op = ran_op_next(op)) {
        ran_status status = matches(op) ? sink(pass, op) : RAN_OK;
        for (size_t i = 0; i < ran_op_region_count(op) && !status; i++)
            status = sink_in_region(pass, ran_op_region(op, i));
        if (status)
            return status;
    }
    return RAN_OK;
}

static ran_status run(ran_pass_context *pass, ran_function *function)
{
    return sink_in_region(pass, ran_function_body(function));
}

static const ran_pass_counter counters[] = {{"sunk", "activations that are computed on less"}, {0}};

static const ran_pass passes[] = {{
    .name = "sink-relu",
    .summary = "Compute Relu behind MaxPool rather than before it",
    .run = run,
    .counters = counters,
    .needs = RAN_PROPERTY_TYPES | RAN_PROPERTY_CLEAN | RAN_PROPERTY_PLAIN,
    .keeps = RAN_PROPERTY_TYPES | RAN_PROPERTY_CLEAN | RAN_PROPERTY_PLAIN,
    .level = 2,
}};

extern const ran_pass_plugin ran_pass_plugin_info;
const ran_pass_plugin ran_pass_plugin_info = {
    .abi = RAN_PASS_PLUGIN_ABI,
    .name = "sink-relu",
    .passes = passes,
    .pass_count = 1,
};
