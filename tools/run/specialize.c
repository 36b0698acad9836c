/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Native code for models that get a shape as data: what `reshape` or `slice` take from an input. Such
 * an input is bound to the value that the data brings, as --dim binds a size, and the model is
 * compiled for it; another value compiles it again.
 *
 * Walk: for reshape(x, shape) with the inputs x and shape, operand 1 decides the result's shape, so
 * that `shape` is found. The first run replaces its uses by a constant, optimises, compiles and
 * runs. The input stays in the signature, unused.
 */
#include "tools/run/run.h"

#include <stdlib.h>
#include <string.h>

/* Larger inputs are data and no shapes. */
enum { MAX_BOUND = 1024 };

/* Operands (a bit each) whose values decide the shape of a result, or which op it is. */
static const struct {
    ran_opcode opcode;
    unsigned operands;
} deciding[] = {
    {RAN_OP_AFFINE_GRID, 1u << 1},
    {RAN_OP_CENTER_CROP_PAD, 1u << 1},
    {RAN_OP_COL2IM, 3u << 1},
    {RAN_OP_CONSTANT_OF_SHAPE, 1u << 0},
    {RAN_OP_CUMPROD, 1u << 1},
    {RAN_OP_CUMSUM, 1u << 1},
    {RAN_OP_DFT, 3u << 1},
    {RAN_OP_DROPOUT, 1u << 2},
    {RAN_OP_EXPAND, 1u << 1},
    {RAN_OP_IF, 1u << 0},
    {RAN_OP_LOOP, 3u << 0},
    {RAN_OP_MAX_UNPOOL, 1u << 2},
    {RAN_OP_MEL_WEIGHT_MATRIX, 31u << 0},
    {RAN_OP_ONE_HOT, 1u << 1},
    {RAN_OP_PAD, 1u << 1 | 1u << 3},
    {RAN_OP_RANGE, 7u << 0},
    {RAN_OP_REDUCE_L1, 1u << 1},
    {RAN_OP_REDUCE_L2, 1u << 1},
    {RAN_OP_REDUCE_LOG_SUM, 1u << 1},
    {RAN_OP_REDUCE_LOG_SUM_EXP, 1u << 1},
    {RAN_OP_REDUCE_MAX, 1u << 1},
    {RAN_OP_REDUCE_MEAN, 1u << 1},
    {RAN_OP_REDUCE_MIN, 1u << 1},
    {RAN_OP_REDUCE_PROD, 1u << 1},
    {RAN_OP_REDUCE_SUM, 1u << 1},
    {RAN_OP_REDUCE_SUM_SQUARE, 1u << 1},
    {RAN_OP_RESHAPE, 1u << 1},
    {RAN_OP_RESIZE, 7u << 1},
    {RAN_OP_SLICE, 15u << 1},
    {RAN_OP_SPLIT, 1u << 1},
    {RAN_OP_SQUEEZE, 1u << 1},
    {RAN_OP_STFT, 1u << 1 | 1u << 3},
    {RAN_OP_TILE, 1u << 1},
    {RAN_OP_TOPK, 1u << 1},
    {RAN_OP_TRILU, 1u << 1},
    {RAN_OP_UNSQUEEZE, 1u << 1},
};

static unsigned deciding_operands(ran_opcode opcode)
{
    for (size_t i = 0; i < sizeof deciding / sizeof *deciding; i++)
        if (deciding[i].opcode == opcode)
            return deciding[i].operands;
    return 0;
}

/* ---- Which inputs ------------------------------------------------------------------------------------ */

/* Marks the inputs that a value is computed from. A shape depends on the type of its operand only. */
static void mark_sources(const ran_value *value, const ran_region *body, bool *needed,
                         unsigned depth)
{
    if (!value || depth == 0)
        return;
    if (ran_value_argument_region(value) == body) {
        needed[ran_value_index(value)] = true;
        return;
    }
    const ran_op *op = ran_value_op(value);
    if (!op || ran_op_is(op, RAN_OP_SHAPE) || ran_op_is(op, RAN_OP_SIZE))
        return;
    for (size_t i = 0; i < ran_op_operand_count(op); i++)
        mark_sources(ran_op_operand(op, i), body, needed, depth - 1);
}

static void mark_region(const ran_region *region, const ran_region *body, bool *needed)
{
    for (const ran_op *op = ran_region_first(region); op; op = ran_op_next(op)) {
        unsigned operands = deciding_operands(ran_op_opcode(op));
        for (size_t i = 0; i < ran_op_operand_count(op) && i < 32; i++)
            if (operands >> i & 1)
                mark_sources(ran_op_operand(op, i), body, needed, 64);
        for (size_t i = 0; i < ran_op_region_count(op); i++)
            mark_region(ran_op_region(op, i), body, needed);
    }
}

bool run_needs_values(const ran_function *function)
{
    const ran_region *body = ran_function_body(function);
    size_t count = ran_region_argument_count(body);
    bool *needed = calloc(count + 1, sizeof *needed), any = false;
    if (!needed)
        abort();
    mark_region(body, body, needed);
    for (size_t i = 0; i < count; i++)
        any |= needed[i];
    free(needed);
    return any;
}

/* ---- The engine ----------------------------------------------------------------------------------------- */

typedef struct specializing {
    run_engine engine;
    ran_context *context;
    const ran_module *source;
    run_compile *compile;
    const void *data;
    size_t count;
    bool *needed;
    ran_tensor **bound; /* what the code at hand was compiled for; NULL where an input is free */
    ran_module *module;
    run_engine *inner;
} specializing;

static void drop_code(specializing *s)
{
    if (s->inner)
        s->inner->destroy(s->inner);
    ran_module_destroy(s->module);
    s->inner = NULL;
    s->module = NULL;
    for (size_t i = 0; i < s->count; i++) {
        ran_tensor_release(s->bound[i]);
        s->bound[i] = NULL;
    }
}

static bool same_tensor(const ran_tensor *a, const ran_tensor *b)
{
    size_t rank = (size_t)ran_tensor_rank(a);
    return ran_tensor_elem(a) == ran_tensor_elem(b) && rank == (size_t)ran_tensor_rank(b) &&
           memcmp(ran_tensor_dims(a), ran_tensor_dims(b), rank * sizeof(int64_t)) == 0 &&
           memcmp(ran_tensor_data(a), ran_tensor_data(b), ran_tensor_bytes(a)) == 0;
}

static bool is_bound(const specializing *s, size_t i, const ran_tensor *input)
{
    return s->needed[i] && ran_tensor_elem(input) != RAN_ELEM_STRING &&
           ran_tensor_numel(input) <= MAX_BOUND;
}

static bool fits(const specializing *s, const ran_tensor *const *inputs)
{
    for (size_t i = 0; i < s->count; i++)
        if (is_bound(s, i, inputs[i]) && (!s->bound[i] || !same_tensor(s->bound[i], inputs[i])))
            return false;
    return s->inner != NULL;
}

static void bind_values(specializing *s, const ran_tensor *const *inputs)
{
    ran_function *function = ran_module_first_function(s->module);
    for (size_t i = 0; i < s->count; i++) {
        if (!is_bound(s, i, inputs[i]))
            continue;
        s->bound[i] = ran_tensor_retain(inputs[i]);
        ran_value *argument = ran_region_argument(ran_function_body(function), i);
        ran_value *constant =
            ran_constant_create(s->module, ran_value_name(argument), inputs[i]);
        ran_value_replace_uses(argument, constant);
    }
}

static ran_status compile_for(specializing *s, const ran_tensor *const *inputs)
{
    if (fits(s, inputs))
        return RAN_OK;
    drop_code(s);
    s->module = ran_module_clone(s->source);
    bind_values(s, inputs);
    ran_status status = ran_function_infer_types(ran_module_first_function(s->module));
    return status == RAN_OK ? s->compile(s->data, s->module, &s->inner) : status;
}

static ran_status run_specialized(run_engine *self, const ran_tensor *const *inputs,
                                  ran_tensor **out_results)
{
    specializing *s = (specializing *)self;
    ran_status status = compile_for(s, inputs);
    return status == RAN_OK ? s->inner->run(s->inner, inputs, out_results) : status;
}

static ran_status bench_specialized(run_engine *self, const ran_tensor *const *inputs,
                                    double seconds, run_timing *out_timing)
{
    specializing *s = (specializing *)self;
    ran_status status = compile_for(s, inputs);
    return status == RAN_OK ? s->inner->bench(s->inner, inputs, seconds, out_timing) : status;
}

static void destroy(run_engine *self)
{
    specializing *s = (specializing *)self;
    drop_code(s);
    free(s->needed);
    free(s->bound);
    free(s);
}

run_engine *run_specialize_create(ran_context *context, const ran_module *module,
                                  run_compile *compile, const void *data)
{
    const ran_region *body = ran_function_body(ran_module_first_function(module));
    specializing *s = calloc(1, sizeof *s);
    if (!s)
        abort();
    *s = (specializing){
        .engine = {"native", run_specialized, bench_specialized, destroy},
        .context = context,
        .source = module,
        .compile = compile,
        .data = data,
        .count = ran_region_argument_count(body),
    };
    s->needed = calloc(s->count + 1, sizeof *s->needed);
    s->bound = calloc(s->count + 1, sizeof(ran_tensor *));
    if (!s->needed || !s->bound)
        abort();
    mark_region(body, body, s->needed);
    return &s->engine;
}

const run_engine *run_specialize_inner(const run_engine *engine)
{
    return engine->run == run_specialized ? ((const specializing *)engine)->inner : engine;
}
