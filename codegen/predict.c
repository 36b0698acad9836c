/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * The analytic cost model over a lowered function: what each kernel's row predicts for its anchor,
 * and the time to move the data of kernels that do little else. A prediction is for one core and
 * warm caches; it ranks candidates and fills reports, and nothing decides on its absolute value.
 */
#include "codegen/lower.h"

double ran_target_bandwidth(const ran_target *target, double bytes)
{
    if (bytes <= (double)target->l1)
        return target->l1_bandwidth;
    if (bytes <= (double)target->l2)
        return target->l2_bandwidth;
    return bytes <= (double)target->l3 ? target->l3_bandwidth : target->dram_bandwidth;
}

static bool add_bytes(const ran_value *value, double *bytes)
{
    const ran_type *type = value ? ran_value_type(value) : NULL;
    if (type && !ran_type_is_static(type))
        return false;
    *bytes += type ? (double)ran_type_storage_bytes(type) : 0;
    return true;
}

/* Every operand is read and every result written once; -1 when a size is symbolic. */
static double moving_seconds(const ran_op *kernel, const ran_target *target)
{
    double bytes = 0;
    for (size_t i = 0; i < ran_op_operand_count(kernel); i++)
        if (!add_bytes(ran_op_operand(kernel, i), &bytes))
            return -1;
    for (size_t i = 0; i < ran_op_result_count(kernel); i++)
        if (!add_bytes(ran_op_result(kernel, i), &bytes))
            return -1;
    double rate = ran_target_bandwidth(target, bytes);
    return rate > 0 ? bytes / (rate * 1e9) : -1;
}

static double function_seconds(const ran_function *function, const ran_target *target,
                               const ran_prediction *prediction);

static double larger(double a, double b)
{
    return a < 0 || b < 0 ? -1 : a > b ? a : b;
}

/* The longer branch, or all iterations; -1 where only the data tell how many there are. */
static double control_seconds(const ran_op *kernel, const ran_target *target)
{
    static const ran_prediction silent;
    const ran_op *anchor = ran_kernel_anchor(kernel);
    double seconds = 0;
    int64_t trips = 1;
    for (size_t i = 0; i < ran_op_region_count(anchor); i++)
        seconds = larger(seconds, function_seconds(ran_control_callee(kernel, i), target, &silent));
    if (anchor->opcode == RAN_OP_LOOP && ran_op_known_ints(anchor, 0, &trips, 1) != 1)
        return -1;
    return seconds < 0 ? -1 : seconds * (double)trips;
}

double ran_kernel_seconds(const ran_op *kernel, const ran_target *target)
{
    if (ran_kernel_is_control(kernel))
        return control_seconds(kernel, target);
    double moving = moving_seconds(kernel, target);
    const ran_kernel_row *row = ran_kernel_row_find(ran_op_string(kernel, "schedule"));
    const ran_op *anchor = ran_kernel_anchor(kernel);
    if (moving < 0 || !row || !row->cost || !anchor)
        return moving;
    double computing = row->cost(anchor, target);
    return computing > moving ? computing : moving;
}

static const char *node_name(const ran_op *kernel)
{
    const ran_op *anchor = ran_kernel_anchor(kernel);
    const ran_location *location = ran_op_location(anchor ? anchor : kernel);
    const char *name = location ? ran_location_name(location) : NULL;
    return name ? name : "";
}

/* Tells about the kernels of the function itself; -1 when one of them can't be predicted. */
static double function_seconds(const ran_function *function, const ran_target *target,
                               const ran_prediction *prediction)
{
    double sum = 0;
    const ran_op *op = ran_region_first(ran_function_body(function));
    for (; op; op = ran_op_next(op)) {
        if (op->opcode != RAN_OP_KERNEL)
            continue;
        double seconds = ran_kernel_seconds(op, target);
        sum = seconds < 0 || sum < 0 ? -1 : sum + seconds;
        if (prediction->kernel && seconds >= 0)
            prediction->kernel(prediction->data, node_name(op), seconds);
    }
    return sum;
}

static int64_t constant_or_unknown(const ran_dim *dim)
{
    return ran_dim_is_constant(dim) ? ran_dim_value(dim) : -1;
}

static ran_status plan(ran_function *function, const ran_symbols *symbols,
                       ran_prediction *prediction)
{
    ran_part *parts;
    ran_status status = ran_parts_create(function, symbols, &parts);
    if (status == RAN_OK) {
        prediction->workspace = constant_or_unknown(ran_parts_workspace(parts));
        prediction->live_peak = constant_or_unknown(ran_memory_plan_live_peak(parts->plan));
    }
    ran_parts_destroy(parts);
    return status;
}

static ran_status predict(ran_function *function, const ran_target *target,
                          const ran_compile_options *options, ran_prediction *prediction)
{
    ran_symbols symbols;
    ran_symbols_collect(function, &symbols);
    ran_status status = ran_check_types(function, &symbols);
    if (status == RAN_OK)
        status = ran_lower(function, target, options);
    if (status == RAN_OK)
        status = plan(function, &symbols, prediction);
    if (status == RAN_OK)
        prediction->seconds = function_seconds(function, target, prediction);
    ran_symbols_clear(&symbols);
    return status;
}

ran_status ran_predict(ran_module *module, const ran_compile_options *options,
                       ran_prediction *prediction)
{
    ran_context *context = ran_module_context(module);
    ran_function *function = ran_module_first_function(module);
    ran_target target;
    ran_status status = ran_target_main(context, options, &target);
    if (status == RAN_OK && options->entry)
        function = ran_module_find_function(module, options->entry);
    if (status == RAN_OK && !function)
        status = ran_error(context, RAN_INVALID, "the module has no function to compile");
    return status == RAN_OK ? predict(function, &target, options, prediction) : status;
}
