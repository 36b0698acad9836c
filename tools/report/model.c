/* SPDX-License-Identifier: GPL-3.0-or-later */
/* What reports say of a model: counts before and after, nodes with their times, memory. */
#include "tools/report/report.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "ir/ir.h"
#include "ir/statistics.h"
#include "tools/run/run.h"

/* Seconds that measuring takes. */
static const double MEASURE = 0.3;

/* Names of foreign files need not be UTF-8, which JSON is. */
static json_t *name_json(const char *name)
{
    json_t *string = json_string(name ? name : "");
    return string ? string : json_string("");
}

/* ---- Counts ------------------------------------------------------------------------------------------ */

static void add_count(json_t *rows, const char *what, int64_t before, int64_t after)
{
    json_array_append_new(rows, json_pack("{s:s, s:I, s:I, s:f}", "count", what, "before",
                                          (json_int_t)before, "after", (json_int_t)after, "percent",
                                          before ? 100.0 * (double)after / (double)before : 100.0));
}

void report_counts(report *r, const ran_function *before, const ran_function *after)
{
    ran_statistics *b = ran_statistics_create(before, RAN_RULE_ALL);
    ran_statistics *a = ran_statistics_create(after, RAN_RULE_ALL);
    json_t *rows = json_array();
    add_count(rows, "ops", (int64_t)b->op_count, (int64_t)a->op_count);
    add_count(rows, "parameters", b->parameters, a->parameters);
    add_count(rows, "macs", b->macs, a->macs);
    add_count(rows, "nonlinear_elements", b->nonlinear_elements, a->nonlinear_elements);
    add_count(rows, "nonlinear_units", b->nonlinear_units, a->nonlinear_units);
    add_count(rows, "relu_elements", b->relu_elements, a->relu_elements);
    report_add(r, "counts", "Before and after", REPORT_TABLE, NULL, NULL, rows);
    ran_statistics_destroy(b);
    ran_statistics_destroy(a);
}

/* ---- Nodes ------------------------------------------------------------------------------------------- */

void report_nodes(report *r, const ran_function *function)
{
    ran_statistics *s = ran_statistics_create(function, RAN_RULE_ALL);
    json_t *rows = json_array();
    for (size_t i = 0; i < s->op_count; i++) {
        const ran_op_statistics *op = &s->ops[i];
        json_array_append_new(
            rows, json_pack("{s:o, s:s, s:i, s:I, s:I, s:I, s:I, s:n}", "name", name_json(op->name),
                            "op", ran_opcode_name(ran_op_opcode(op->op)), "stage", op->stage,
                            "parameters", (json_int_t)op->parameters, "macs", (json_int_t)op->macs,
                            "nonlinear_elements", (json_int_t)op->nonlinear_elements,
                            "activation_bytes", (json_int_t)op->activation_bytes, "latency_us"));
    }
    report_add(r, "nodes", "Nodes", REPORT_TABLE, NULL, NULL, rows);
    ran_statistics_destroy(s);
}

/* ---- Times ------------------------------------------------------------------------------------------- */

typedef struct times {
    json_t *kernels; /* [{name, kernel, value}] */
    double total;    /* microseconds */
} times;

static void add_time(times *t, const char *node, const char *schedule, double microseconds)
{
    t->total += microseconds;
    json_array_append_new(t->kernels, json_pack("{s:o, s:s, s:f}", "name", name_json(node),
                                                "kernel", schedule, "value", microseconds));
}

/* The first node of that name carries the time: what is fused into its kernel has none. */
static void fill_nodes(json_t *nodes, const times *t)
{
    size_t i, j;
    json_t *kernel, *node;
    json_array_foreach(t->kernels, i, kernel)
    {
        const char *name = json_string_value(json_object_get(kernel, "name"));
        double value = json_number_value(json_object_get(kernel, "value"));
        json_array_foreach(nodes, j, node)
        {
            json_t *old = json_object_get(node, "latency_us");
            if (!*name || strcmp(json_string_value(json_object_get(node, "name")), name))
                continue;
            json_object_set_new(node, "latency_us", json_real(value + json_number_value(old)));
            break;
        }
    }
}

static ran_status measure(ran_module *module, const ran_compile_options *options, times *t)
{
    ran_context *context = ran_module_context(module);
    run_profile profile = {0};
    run_engine *engine = NULL;
    run_data_set set = {0};
    run_timing timing;
    ran_compile_options profiled = *options;
    ran_module *original = ran_module_clone(module);
    run_profile_start(&profile, &profiled);
    ran_status status = run_data_from_options(context, ran_module_first_function(original), NULL, 0,
                                              NULL, 0, &set);
    if (!status)
        status = run_native_create(module, &profiled, 1, false, &engine);
    if (!status)
        status = engine->bench(engine, (const ran_tensor *const *)set.inputs, MEASURE, &timing);
    if (!status) {
        const ran_compiled *compiled = run_native_compiled(engine);
        for (size_t i = 0; i < ran_compiled_kernel_count(compiled); i++)
            add_time(t, ran_compiled_kernel_node(compiled, i),
                     ran_compiled_kernel_schedule(compiled, i),
                     run_profile_times(&profile, i).a_run);
    }
    if (engine)
        engine->destroy(engine);
    run_data_clear(&set);
    run_profile_clear(&profile);
    ran_module_destroy(original);
    return status;
}

static void predicted(void *data, const char *node, double seconds)
{
    add_time(data, node, "", 1e6 * seconds);
}

static ran_status predict(ran_module *module, const ran_compile_options *options, times *t)
{
    ran_prediction prediction = {.kernel = predicted, .data = t};
    return ran_predict(module, options, &prediction);
}

/* Random data needs sizes, and code must run here. */
static bool is_measurable(const ran_module *module, const ran_compile_options *options)
{
    const ran_region *body = ran_function_body(ran_module_first_function(module));
    for (size_t i = 0; i < ran_region_argument_count(body); i++)
        if (!ran_type_is_static(ran_value_type(ran_region_argument(body, i))))
            return false;
    return !options->target || !strcmp(options->target, "native");
}

ran_status report_latency(report *r, ran_module *module, const ran_compile_options *options)
{
    times t = {.kernels = json_array()};
    bool measured = is_measurable(module, options);
    ran_status status =
        measured ? measure(module, options, &t) : predict(module, options, &t);
    if (status) {
        json_decref(t.kernels);
        return status;
    }
    fill_nodes(report_data(r, "nodes"), &t);
    report_add(r, "latency", "Latency", REPORT_FACTS, NULL, NULL,
               json_pack("{s:s, s:s, s:i, s:f}", "target",
                         options->target ? options->target : "native", "how",
                         measured ? "measured" : "predicted", "threads", 1, "total_us", t.total));
    report_add(r, "kernels", "Kernels that take longest (microseconds)", REPORT_BARS, NULL, NULL,
               t.kernels);
    return RAN_OK;
}

/* ---- Memory ------------------------------------------------------------------------------------------ */

static json_t *known(int64_t value)
{
    return value < 0 ? json_null() : json_integer(value);
}

static json_t *box_json(const ran_planned_buffer *b)
{
    json_t *x1 = json_integer((json_int_t)b->last + 1);
    json_t *y1 = b->bytes < 0 || b->offset < 0 ? json_null() : json_integer(b->offset + b->bytes);
    return json_pack("{s:o, s:s, s:b, s:o, s:o, s:o, s:o}", "name", name_json(b->node), "type",
                     b->type, "in_place", b->in_place, "x0",
                     json_integer((json_int_t)b->first), "x1", x1, "y0", known(b->offset), "y1",
                     y1);
}

void report_memory(report *r, const ran_compiled *compiled)
{
    json_t *boxes = json_array();
    for (size_t i = 0; i < ran_compiled_buffer_count(compiled); i++) {
        ran_planned_buffer buffer = ran_compiled_buffer_at(compiled, i);
        json_array_append_new(boxes, box_json(&buffer));
    }
    report_add(r, "memory_totals", "Memory (bytes)", REPORT_FACTS, NULL, NULL,
               json_pack("{s:o, s:o, s:I}", "workspace", known(ran_compiled_workspace(compiled)),
                         "largest_sum_of_live_tensors",
                         known(ran_compiled_live_peak(compiled)), "weights",
                         (json_int_t)ran_compiled_weights_size(compiled)));
    report_add(r, "memory", "Memory plan", REPORT_BOXES, "position of the op", "offset in bytes",
               boxes);
}
