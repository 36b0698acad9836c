/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Control flow in the driver: an `if` runs the function of one branch, a `loop` that of its body.
 *
 *   if    inputs: what the branches capture; outputs: the kernel's results
 *   loop  inputs: iteration, condition, carried values, captures
 *         outputs: condition, carried values, this iteration's part of each scanned result
 *
 * A carried value moves between two buffers, the kernel's result and its further result: iteration
 * i writes the first when i is even. Where the last one did not write the result, it is copied. A
 * function that fails ends its loop; what it returned is the model's status.
 */
#include "codegen/driver.h"

typedef struct control {
    driver *d;
    const ran_op *kernel, *anchor, *call;
    size_t carried;
    LLVMValueRef symbols;                     /* an array of words */
    LLVMValueRef inputs, outputs;             /* arrays of pointers */
    LLVMValueRef iteration, rest;             /* words: done, still allowed */
    LLVMValueRef condition_bytes, next_bytes; /* one byte each */
    LLVMValueRef buffers[2];                  /* arrays of pointers, an element a carried value */
} control;

static LLVMTypeRef byte_type(const ran_llvm *b)
{
    return LLVMInt8TypeInContext(b->llvm);
}

static LLVMValueRef pointer_array(ran_llvm *b, size_t count, const char *name)
{
    return ran_build_alloca(b, LLVMArrayType2(ran_build_pointer_type(b), count + 1), name);
}

static LLVMValueRef load_i64(ran_llvm *b, LLVMValueRef address)
{
    return ran_build_load_word(b, ran_build_i64_type(b), address, 0);
}

/* Whether the byte is true. */
static LLVMValueRef load_bool(ran_llvm *b, LLVMValueRef address)
{
    return ran_build_at_least(
        b, ran_build_zext(b, ran_build_load_word(b, byte_type(b), address, 0)), 1);
}

/* A value of the kernel's region is an argument: what the kernel op has in its place. */
static LLVMValueRef address_outside(const control *c, const ran_value *argument)
{
    return ran_driver_address(c->d, ran_op_operand(c->kernel, ran_value_index(argument)));
}

static void begin(control *c, driver *d, const ran_op *kernel)
{
    *c = (control){.d = d, .kernel = kernel, .anchor = ran_kernel_anchor(kernel)};
    c->call = ran_control_call(kernel, 0);
    c->carried = ran_loop_carried(c->anchor);
    c->symbols = ran_driver_store_symbols(d);
    c->inputs = pointer_array(&d->b, ran_op_operand_count(c->call), "inputs");
    c->outputs = pointer_array(&d->b, ran_op_result_count(c->call), "outputs");
}

/* Captures come behind the region's own arguments. */
static void store_captures(const control *c)
{
    size_t own = ran_region_argument_count(ran_op_region(c->anchor, 0));
    for (size_t i = own; i < ran_op_operand_count(c->call); i++)
        ran_build_store_word(&c->d->b, address_outside(c, ran_op_operand(c->call, i)), c->inputs,
                             (int64_t)i);
}

static void call_region(const control *c, size_t region)
{
    driver *d = c->d;
    const ran_part *part = ran_parts_find(d->model->parts, ran_control_callee(c->kernel, region));
    LLVMValueRef no_sizes = LLVMConstNull(ran_build_pointer_type(&d->b));
    LLVMValueRef arguments[RAN_RUN_PARAMETERS] = {c->symbols,   c->inputs,   c->outputs, no_sizes,
                                                  d->workspace, d->parallel, d->weights};
    LLVMValueRef code =
        ran_build_call(&d->b, ran_driver_run(d, part), arguments, RAN_RUN_PARAMETERS);
    LLVMValueRef before = load_i64(&d->b, d->status);
    ran_build_store_word(&d->b, ran_build_max(&d->b, before, ran_build_zext(&d->b, code)),
                         d->status, 0);
}

/* ---- if ---------------------------------------------------------------------------------------
 */

static void run_branch(ran_llvm *b, void *data, bool condition)
{
    (void)b;
    call_region(data, condition ? 0 : 1);
}

static void build_if(control *c)
{
    ran_llvm *b = &c->d->b;
    store_captures(c);
    for (size_t i = 0; i < ran_op_result_count(c->anchor); i++)
        ran_build_store_word(b, ran_driver_address(c->d, ran_op_result(c->kernel, i)), c->outputs,
                             (int64_t)i);
    LLVMValueRef condition = address_outside(c, ran_op_operand(c->anchor, 0));
    ran_build_if(b, load_bool(b, condition), run_branch, c);
}

/* ---- loop -------------------------------------------------------------------------------------
 */

static LLVMValueRef trip_limit(const control *c)
{
    const ran_value *limit = ran_op_operand(c->anchor, 0);
    return limit ? load_i64(&c->d->b, address_outside(c, limit))
                 : ran_build_i64(&c->d->b, INT64_MAX);
}

static LLVMValueRef first_condition(const control *c)
{
    const ran_value *condition = ran_op_operand(c->anchor, 1);
    return condition ? ran_build_load_word(&c->d->b, byte_type(&c->d->b),
                                           address_outside(c, condition), 0)
                     : LLVMConstInt(byte_type(&c->d->b), 1, false);
}

static void store_carried(const control *c)
{
    ran_llvm *b = &c->d->b;
    size_t results = ran_op_result_count(c->anchor);
    for (size_t i = 0; i < c->carried; i++) {
        const ran_value *first = ran_op_operand(c->anchor, i + 2);
        ran_build_store_word(b, address_outside(c, first), c->inputs, (int64_t)i + 2);
        for (size_t buffer = 0; buffer < 2; buffer++)
            ran_build_store_word(
                b, ran_driver_address(c->d, ran_op_result(c->kernel, i + buffer * results)),
                c->buffers[buffer], (int64_t)i);
    }
}

static void begin_loop(control *c)
{
    ran_llvm *b = &c->d->b;
    c->iteration = ran_build_alloca(b, ran_build_i64_type(b), "iteration");
    c->rest = ran_build_alloca(b, ran_build_i64_type(b), "rest");
    c->condition_bytes = ran_build_alloca(b, byte_type(b), "condition");
    c->next_bytes = ran_build_alloca(b, byte_type(b), "next_condition");
    for (size_t i = 0; i < 2; i++)
        c->buffers[i] = pointer_array(b, c->carried, "buffers");
    ran_build_store_word(b, ran_build_i64(b, 0), c->iteration, 0);
    ran_build_store_word(b, trip_limit(c), c->rest, 0);
    ran_build_store_word(b, first_condition(c), c->condition_bytes, 0);
    ran_build_store_word(b, c->iteration, c->inputs, 0);
    ran_build_store_word(b, c->condition_bytes, c->inputs, 1);
    ran_build_store_word(b, c->next_bytes, c->outputs, 0);
    store_captures(c);
    store_carried(c);
}

static LLVMValueRef goes_on(ran_llvm *b, void *data)
{
    const control *c = data;
    LLVMValueRef allowed = ran_build_at_least(b, load_i64(b, c->rest), 1);
    LLVMValueRef fine = ran_build_is(b, load_i64(b, c->d->status), 0);
    return ran_build_and(b, ran_build_and(b, allowed, fine), load_bool(b, c->condition_bytes));
}

/* Bytes of a plain tensor's axes from `first` on. */
static LLVMValueRef bytes_from(const control *c, const ran_value *value, int first)
{
    ran_context *context = c->d->b.context;
    const ran_type *type = ran_value_type(value);
    const ran_dim *bytes =
        ran_dim_constant(context, (int64_t)ran_elem_bytes(ran_type_elem(type), 1));
    for (int i = first; i < ran_type_rank(type); i++)
        bytes = ran_dim_binary(context, RAN_DIM_MUL, bytes, ran_type_dim(type, i));
    return ran_build_dim(&c->d->b, bytes);
}

static void point_at_scanned(const control *c, LLVMValueRef iteration)
{
    ran_llvm *b = &c->d->b;
    for (size_t i = c->carried; i < ran_op_result_count(c->anchor); i++) {
        const ran_value *result = ran_op_result(c->kernel, i);
        LLVMValueRef bytes = bytes_from(c, result, 1);
        ran_build_store_word(b,
                             ran_build_offset(b, ran_driver_address(c->d, result),
                                              ran_build_mul(b, iteration, bytes)),
                             c->outputs, (int64_t)i + 1);
    }
}

static void point_at_buffers(ran_llvm *b, void *data, bool odd)
{
    const control *c = data;
    for (size_t i = 0; i < c->carried; i++)
        ran_build_store_word(
            b, ran_build_load_word(b, ran_build_pointer_type(b), c->buffers[odd], (int64_t)i),
            c->outputs, (int64_t)i + 1);
}

static LLVMValueRef is_odd(ran_llvm *b, LLVMValueRef iteration)
{
    return ran_build_is(b, ran_build_rem(b, iteration, ran_build_i64(b, 2)), 1);
}

static void iterate(ran_llvm *b, void *data)
{
    const control *c = data;
    LLVMValueRef iteration = load_i64(b, c->iteration);
    point_at_scanned(c, iteration);
    ran_build_if(b, is_odd(b, iteration), point_at_buffers, data);
    call_region(c, 0);
    for (int64_t i = 0; i < (int64_t)c->carried; i++)
        ran_build_store_word(b,
                             ran_build_load_word(b, ran_build_pointer_type(b), c->outputs, i + 1),
                             c->inputs, i + 2);
    ran_build_store_word(b, ran_build_load_word(b, byte_type(b), c->next_bytes, 0),
                         c->condition_bytes, 0);
    ran_build_store_word(b, ran_build_add(b, iteration, ran_build_i64(b, 1)), c->iteration, 0);
    ran_build_store_word(b, ran_build_add(b, load_i64(b, c->rest), ran_build_i64(b, -1)), c->rest,
                         0);
}

/* After an odd number of iterations the results lie where they belong. */
static void copy_carried(ran_llvm *b, void *data, bool in_place)
{
    const control *c = data;
    for (size_t i = 0; i < c->carried && !in_place; i++) {
        const ran_value *result = ran_op_result(c->kernel, i);
        LLVMValueRef from =
            ran_build_load_word(b, ran_build_pointer_type(b), c->inputs, (int64_t)i + 2);
        ran_build_copy(b, ran_driver_address(c->d, result), from, bytes_from(c, result, 0));
    }
}

static void build_loop(control *c)
{
    ran_llvm *b = &c->d->b;
    begin_loop(c);
    ran_build_while(b, goes_on, iterate, c);
    ran_build_if(b, is_odd(b, load_i64(b, c->iteration)), copy_carried, c);
}

void ran_driver_build_control(driver *d, const ran_op *kernel)
{
    control c;
    begin(&c, d, kernel);
    if (ran_op_is(c.anchor, RAN_OP_IF))
        build_if(&c);
    else
        build_loop(&c);
}
