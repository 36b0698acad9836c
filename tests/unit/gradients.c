/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Gradients against central differences in f64, by the reference evaluator: every row of
 * gradient_cases.def; and every op either has a gradient and a row, or a reason why it has none. */
#include "tests/harness/unit.h"

#include <math.h>
#include <string.h>

#include "ir/text.h"
#include "passes/grad/grad.h"

typedef struct gradient_case {
    const char *what, *constants, *inputs, *body;
    double low, high; /* of the inputs; 0: -1 and 1 */
    double step, tolerance;
    bool zero;
} gradient_case;

static const gradient_case cases[] = {
#define GRADIENT_CASE(what_, ...) {.what = what_, __VA_ARGS__},
#include "tests/unit/gradient_cases.def"
};

enum { CASES = sizeof cases / sizeof *cases, MAX_INPUTS = 8 };

/* ---- One case
 * ------------------------------------------------------------------------------------- */

typedef struct problem {
    const gradient_case *c;
    ran_context *context;
    ran_module *module;
    ran_function *function; /* returns the loss, then the gradients */
    ran_tensor *inputs[MAX_INPUTS];
    size_t input_count;
} problem;

static const char *last_message(problem *p)
{
    size_t count = ran_diagnostic_count(p->context);
    return count ? ran_diagnostic_at(p->context, count - 1)->message : "";
}

static uint32_t next_random(uint32_t *state)
{
    *state = *state * 1664525u + 1013904223u;
    return *state >> 8;
}

/* Values of one tensor lie in cells of their own, in random order, in the middle half of the cell:
 * apart from each other; the cells' borders are chosen so that 0 is not in such a middle. */
static ran_tensor *draw(const gradient_case *c, const ran_type *type, uint32_t seed)
{
    int64_t dims[RAN_MAX_RANK], n = ran_type_numel(type);
    double high = c->high != 0 ? c->high : 1, low = c->low != 0 ? c->low : -1;
    for (int i = 0; i < ran_type_rank(type); i++)
        dims[i] = ran_type_extent(type, i);
    ran_tensor *tensor = ran_tensor_create(RAN_ELEM_F64, ran_type_rank(type), dims);
    for (int64_t i = 0; i < n; i++) {
        double place = 0.3 + 0.4 * next_random(&seed) / 16777216.0;
        double value = low + (high - low) * ((double)i + place) / (double)n;
        ran_tensor_set_f64(tensor, i, fabs(value) < 0.01 ? 0.01 * (high - low) / 2 + value : value);
    }
    for (int64_t i = n - 1; i > 0; i--) {
        int64_t j = next_random(&seed) % (i + 1);
        double a = ran_tensor_get_f64(tensor, i), b = ran_tensor_get_f64(tensor, j);
        ran_tensor_set_f64(tensor, i, b);
        ran_tensor_set_f64(tensor, j, a);
    }
    return tensor;
}

/* The body, each line with the types of its results: all f64 unless the row says. */
static void write_body(FILE *text, const char *body)
{
    for (const char *line = body, *end; *line; line = *end ? end + 1 : end) {
        end = line + strcspn(line, "\n");
        const char *equals = memchr(line, '=', (size_t)(end - line));
        fprintf(text, "%.*s", (int)(end - line), line);
        if (!strstr(line, " : ") || strstr(line, " : ") > end) {
            fputs(" : tensor<*xf64>", text);
            for (const char *at = line; at < equals; at++)
                if (*at == ',')
                    fputs(", tensor<*xf64>", text);
        }
        fputc('\n', text);
    }
}

static void parse_case(problem *p)
{
    char text[8192];
    FILE *stream = fmemopen(text, sizeof text, "w");
    fprintf(stream, "%sfunc @main(%s) {\n", p->c->constants ? p->c->constants : "", p->c->inputs);
    write_body(stream, p->c->body);
    fputs("return\n}\n", stream);
    fclose(stream);
    p->context = ran_context_create();
    ran_status status = ran_text_parse(p->context, text, strlen(text), p->c->what, &p->module);
    ck_assert_msg(status == RAN_OK, "%s: %s", p->c->what, last_message(p));
    p->function = ran_module_first_function(p->module);
    status = ran_function_infer_types(p->function);
    ck_assert_msg(status == RAN_OK, "%s: %s", p->c->what, last_message(p));
}

/* Fixed random weights of the shape of a result; the result itself where its size depends on data.
 */
static ran_value *weights_of(problem *p, ran_value *result)
{
    if (!ran_type_is_static(ran_value_type(result)))
        return result;
    ran_tensor *weights = draw(&(gradient_case){.low = 0.5, .high = 2}, ran_value_type(result), 77);
    ran_tensor *cast = ran_tensor_cast(weights, ran_type_elem(ran_value_type(result)));
    ran_value *value = ran_constant_create(p->module, NULL, cast);
    ran_tensor_release(weights);
    ran_tensor_release(cast);
    return value;
}

/* Adds to the loss the sum of a result times weights. */
static ran_value *add_result(problem *p, ran_builder *b, ran_value *result, ran_value *loss)
{
    ran_value *operands[] = {result, weights_of(p, result)};
    ran_value *product = ran_build(b, RAN_OP_MUL, 2, operands);
    ran_op *sum = ran_op_create(b, RAN_OP_REDUCE_SUM, 1, &product, 1);
    ran_op_set_int(sum, "keepdims", 0);
    ck_assert_int_eq(ran_op_infer_types(sum), RAN_OK);
    ran_value *both[] = {loss, ran_op_result(sum, 0)};
    return loss ? ran_build(b, RAN_OP_ADD, 2, both) : both[1];
}

static bool is_checked_name(const char *name)
{
    return name && name[0] == 'y' && (!name[1] || !name[2]);
}

static ran_value *build_loss(problem *p)
{
    ran_value *loss = NULL;
    ran_region *body = ran_function_body(p->function);
    ran_op *end = ran_region_terminator(body);
    ran_builder b = ran_builder_before(end);
    for (ran_op *op = ran_region_first(body), *next; op != end; op = next) {
        next = ran_op_next(op);
        for (size_t i = 0; i < ran_op_result_count(op); i++)
            if (is_checked_name(ran_value_name(ran_op_result(op, i))))
                loss = add_result(p, &b, ran_op_result(op, i), loss);
        if (next == end)
            break;
    }
    ck_assert_msg(loss != NULL, "%s: no result is called %%y", p->c->what);
    return loss;
}

static void differentiate(problem *p)
{
    ran_region *body = ran_function_body(p->function);
    ran_value *results[1 + MAX_INPUTS], *wrt[MAX_INPUTS];
    p->input_count = ran_region_argument_count(body);
    ck_assert_uint_le(p->input_count, MAX_INPUTS);
    for (size_t i = 0; i < p->input_count; i++)
        wrt[i] = ran_region_argument(body, i);
    results[0] = build_loss(p);
    ran_status status =
        ran_differentiate(p->function, results[0], wrt, p->input_count, results + 1);
    ck_assert_msg(status == RAN_OK, "%s: %s", p->c->what, last_message(p));
    for (size_t i = 0; i < p->input_count; i++)
        ck_assert_msg(ran_value_type(wrt[i]) == ran_value_type(results[i + 1]), "%s: type of %s",
                      p->c->what, ran_value_name(wrt[i]));
    ran_op_set_operands(ran_region_terminator(body), 1 + p->input_count, results);
    ck_assert_msg(ran_module_verify(p->module) == RAN_OK, "%s: %s", p->c->what, last_message(p));
}

static void evaluate(problem *p, ran_tensor **results)
{
    ran_status status = ran_evaluate(p->function, (const ran_tensor *const *)p->inputs,
                                     p->input_count, results, 1 + p->input_count);
    ck_assert_msg(status == RAN_OK, "%s: %s", p->c->what, last_message(p));
}

static double loss_at(problem *p, size_t input, int64_t element, double value)
{
    ran_tensor *results[1 + MAX_INPUTS], *original = p->inputs[input];
    p->inputs[input] = ran_tensor_copy(original);
    ran_tensor_set_f64(p->inputs[input], element, value);
    evaluate(p, results);
    double loss = ran_tensor_get_f64(results[0], 0);
    for (size_t i = 0; i <= p->input_count; i++)
        ran_tensor_release(results[i]);
    ran_tensor_release(p->inputs[input]);
    p->inputs[input] = original;
    return loss;
}

/* The largest difference from central differences, against the largest of them. */
static void check_input(problem *p, size_t input, const ran_tensor *gradient)
{
    double worst = 0, largest = 0, step = p->c->step > 0 ? p->c->step : 1e-6;
    int64_t n = ran_tensor_numel(p->inputs[input]);
    for (int64_t i = 0; i < n; i++) {
        double at = ran_tensor_get_f64(p->inputs[input], i);
        double difference =
            (loss_at(p, input, i, at + step) - loss_at(p, input, i, at - step)) / (2 * step);
        double error = fabs(difference - ran_tensor_get_f64(gradient, i));
        worst = error > worst || isnan(error) ? error : worst;
        largest = fabs(difference) > largest ? fabs(difference) : largest;
    }
    const char *name = ran_value_name(ran_region_argument(ran_function_body(p->function), input));
    double tolerance = p->c->tolerance > 0 ? p->c->tolerance : 1e-5;
    ck_assert_msg(worst <= tolerance * (p->c->zero ? 1 : largest),
                  "%s: gradient of %s is off by %g of %g", p->c->what, name, worst, largest);
    ck_assert_msg(p->c->zero || largest > 1e-6, "%s: nothing depends on %s", p->c->what, name);
}

static void check_case(const gradient_case *c)
{
    problem p = {.c = c};
    ran_tensor *results[1 + MAX_INPUTS];
    parse_case(&p);
    differentiate(&p);
    for (size_t i = 0; i < p.input_count; i++)
        p.inputs[i] = draw(c, ran_value_type(ran_region_argument(ran_function_body(p.function), i)),
                           (uint32_t)(i + 1) * 1237);
    evaluate(&p, results);
    for (size_t i = 0; i < p.input_count; i++)
        check_input(&p, i, results[i + 1]);
    for (size_t i = 0; i <= p.input_count; i++)
        ran_tensor_release(results[i]);
    for (size_t i = 0; i < p.input_count; i++)
        ran_tensor_release(p.inputs[i]);
    ran_module_destroy(p.module);
    ran_context_destroy(p.context);
}

START_TEST(agrees_with_finite_differences)
{
    check_case(&cases[_i]);
}
END_TEST

/* ---- Completeness
 * ---------------------------------------------------------------------------------- */

/* A word of the body, so that add is not found in add_all. */
static bool body_has(const char *body, const char *op)
{
    size_t length = strlen(op);
    for (const char *at = strstr(body, op); at; at = strstr(at + 1, op))
        if ((at == body || at[-1] == ' ') && (at[length] == ' ' || at[length] == 0))
            return true;
    return false;
}

static bool has_case(const char *op)
{
    for (size_t i = 0; i < CASES; i++)
        if (body_has(cases[i].body, op))
            return true;
    return false;
}

START_TEST(every_op_has_a_case_or_a_reason)
{
    for (int opcode = 0; opcode < RAN_OP_COUNT; opcode++) {
        const char *name = ran_opcode_name((ran_opcode)opcode);
        bool has_gradient = ran_gradient_is_defined((ran_opcode)opcode);
        const char *reason = ran_gradient_reason((ran_opcode)opcode);
        ck_assert_msg(has_gradient != (reason != NULL),
                      "%s needs either a gradient or a row in ir/no_gradient.def", name);
        ck_assert_msg(!has_gradient || has_case(name), "%s needs a row in gradient_cases.def",
                      name);
    }
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("gradients");
    TCase *differences = tcase_create("differences"), *complete = tcase_create("completeness");
    tcase_set_timeout(differences, RAN_UNIT_TIMEOUT);
    tcase_add_loop_test(differences, agrees_with_finite_differences, 0, CASES);
    tcase_add_test(complete, every_op_has_a_case_or_a_reason);
    suite_add_tcase(suite, differences);
    suite_add_tcase(suite, complete);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_ENV);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
