/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The engine that every other is measured by: the reference evaluator. */
#include "tools/run/run.h"

#include <stdlib.h>

typedef struct interpreter {
    run_engine engine;
    const ran_function *function;
    size_t input_count, result_count;
} interpreter;

static ran_status interpret(run_engine *self, const ran_tensor *const *inputs,
                            ran_tensor **out_results)
{
    interpreter *it = (interpreter *)self;
    return ran_evaluate(it->function, inputs, it->input_count, out_results, it->result_count);
}

static ran_status bench(run_engine *self, const ran_tensor *const *inputs, double seconds,
                        run_timing *out_timing)
{
    interpreter *it = (interpreter *)self;
    ran_tensor **results = calloc(it->result_count + 1, sizeof(*results));
    ran_status status = RAN_OK;
    run_timer timer;
    run_timer_start(&timer, seconds);
    while (!status && run_timer_next(&timer)) {
        status = interpret(self, inputs, results);
        run_timer_stop(&timer);
        for (size_t i = 0; !status && i < it->result_count; i++)
            ran_tensor_release(results[i]);
    }
    run_timer_finish(&timer, out_timing);
    free(results);
    return status;
}

static void destroy(run_engine *self)
{
    free(self);
}

ran_status run_interpreter_create(const ran_function *function, run_engine **out_engine)
{
    const ran_region *body = ran_function_body(function);
    interpreter *it = malloc(sizeof(*it));
    if (!it)
        abort();
    *it = (interpreter){
        .engine = {"interpreter", interpret, bench, destroy},
        .function = function,
        .input_count = ran_region_argument_count(body),
        .result_count = ran_op_operand_count(ran_region_terminator(body)),
    };
    *out_engine = &it->engine;
    return RAN_OK;
}
