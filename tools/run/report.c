/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "tools/run/run.h"

#include <math.h>
#include <stdio.h>

typedef struct worst {
    run_difference difference;
    size_t output;
    size_t compared;
} worst;

static bool is_worse(const run_difference *a, const run_difference *b)
{
    if (a->ok != b->ok)
        return !a->ok;
    return a->max_rel > b->max_rel;
}

static json_t *number(double value)
{
    return isfinite(value) ? json_real(value) : json_null();
}

static const char *output_name(const ran_function *function, size_t index)
{
    const char *name = ran_function_output_name(function, index);
    return name ? name : "";
}

static json_t *output_json(const ran_function *function, size_t index, const ran_tensor *result,
                           const run_difference *d)
{
    json_t *object = json_object(), *shape = json_array();
    json_object_set_new(object, "name", json_string(output_name(function, index)));
    json_object_set_new(object, "type", json_string(ran_elem_name(ran_tensor_elem(result))));
    for (int i = 0; i < ran_tensor_rank(result); i++)
        json_array_append_new(shape, json_integer(ran_tensor_dims(result)[i]));
    json_object_set_new(object, "shape", shape);
    if (!d)
        return object;
    json_object_set_new(object, "ok", json_boolean(d->ok));
    if (d->problem)
        json_object_set_new(object, "problem", json_string(d->problem));
    json_object_set_new(object, "max_abs", number(d->max_abs));
    json_object_set_new(object, "max_rel", number(d->max_rel));
    json_object_set_new(object, "mismatches", json_integer(d->mismatches));
    return object;
}

/* "[0, 3]" of a row-major index. */
static void print_index(const ran_tensor *tensor, int64_t index)
{
    int64_t at[RAN_MAX_RANK];
    int rank = ran_tensor_rank(tensor);
    for (int i = rank - 1; i >= 0; i--) {
        at[i] = index % ran_tensor_dims(tensor)[i];
        index /= ran_tensor_dims(tensor)[i];
    }
    putchar('[');
    for (int i = 0; i < rank; i++)
        printf("%s%lld", i ? ", " : "", (long long)at[i]);
    putchar(']');
}

static void print_mismatch(const ran_tensor *got, const ran_tensor *expected,
                           const run_difference *d)
{
    printf(", %lld of %lld elements, the first at ", (long long)d->mismatches,
           (long long)ran_tensor_numel(got));
    print_index(got, d->first_mismatch);
    if (ran_elem_bits(ran_tensor_elem(got)) && ran_elem_bits(ran_tensor_elem(got)) <= 64)
        printf(": %.9g instead of %.9g", ran_tensor_get_f64(got, d->first_mismatch),
               ran_tensor_get_f64(expected, d->first_mismatch));
}

static void print_type(ran_context *context, const ran_tensor *tensor)
{
    fputs(ran_type_text(context, ran_type_tensor_i64(context, ran_tensor_elem(tensor),
                                                     ran_tensor_rank(tensor),
                                                     ran_tensor_dims(tensor))),
          stdout);
}

/* Without anything to compare with: what the outputs are. */
static void print_outputs(ran_context *context, const ran_function *function,
                          const run_data_set *set, ran_tensor *const *results)
{
    printf("%s: done", set->name);
    for (size_t i = 0; i < set->output_count; i++) {
        printf("%s %s ", i ? "," : ":", output_name(function, i));
        print_type(context, results[i]);
    }
    putchar('\n');
}

static void print_line(ran_context *context, const ran_function *function, const run_data_set *set,
                       ran_tensor *const *results, const worst *w)
{
    const run_difference *d = &w->difference;
    const ran_tensor *got = results[w->output], *expected = set->expected[w->output];
    printf("%s: %s", set->name, d->ok ? "ok" : "FAIL");
    if (!d->ok)
        printf(" output '%s'", output_name(function, w->output));
    if (d->problem) {
        printf(": %s: ", d->problem);
        print_type(context, got);
        fputs(" instead of ", stdout);
        print_type(context, expected);
    } else {
        printf(": max abs %.3g, max rel %.3g", d->max_abs, d->max_rel);
    }
    if (d->mismatches)
        print_mismatch(got, expected, d);
    putchar('\n');
}

bool run_report(ran_context *context, const ran_function *function, const run_data_set *set,
                ran_tensor *const *results, const run_tolerance *tolerance, json_t *json)
{
    worst w = {0};
    json_t *outputs = json ? json_array() : NULL;
    for (size_t i = 0; i < set->output_count; i++) {
        run_difference d = {0};
        bool compared = set->expected[i] != NULL;
        if (compared)
            d = run_compare(results[i], set->expected[i], tolerance);
        if (compared && (!w.compared++ || is_worse(&d, &w.difference)))
            w = (worst){d, i, w.compared};
        if (json)
            json_array_append_new(outputs,
                                  output_json(function, i, results[i], compared ? &d : NULL));
    }
    bool ok = !w.compared || w.difference.ok;
    if (json) {
        json_t *object = json_object();
        json_object_set_new(object, "name", json_string(set->name));
        json_object_set_new(object, "status",
                            json_string(!w.compared ? "done" : ok ? "ok" : "FAIL"));
        if (w.compared) {
            json_object_set_new(object, "max_abs", number(w.difference.max_abs));
            json_object_set_new(object, "max_rel", number(w.difference.max_rel));
        }
        json_object_set_new(object, "outputs", outputs);
        json_array_append_new(json, object);
    } else if (w.compared) {
        print_line(context, function, set, results, &w);
    } else {
        print_outputs(context, function, set, results);
    }
    return ok;
}
