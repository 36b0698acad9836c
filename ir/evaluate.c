/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * The reference evaluator: op after op, shapes by the same inference as the compiler's, values by
 * the evaluate hooks.
 *
 * Each region that runs has a frame with the tensors of its own values; frames of nested regions
 * link to the ones around them. A tensor is dropped behind the last op of its region that uses it,
 * be it deep inside that op, so the peak is what is live and not what was computed.
 */
#include "ir/infer.h"

#include <stdlib.h>
#include <string.h>

/* ---- Frames ---------------------------------------------------------------------------------- */

typedef struct slot {
    const ran_value *value; /* NULL: empty */
    ran_tensor *tensor;     /* NULL: dropped, or not yet there */
    uint64_t last_use;      /* order of the last op in the region that uses it; 0: none */
} slot;

typedef struct ran_environment {
    const struct ran_environment *outer;
    const ran_region *region;
    slot *slots; /* hashed by value; never more than half full */
    size_t capacity;
} frame;

static slot *find_slot(const frame *f, const ran_value *value)
{
    size_t mask = f->capacity - 1;
    size_t i = (size_t)ran_hash_pointer(0, value) & mask;
    while (f->slots[i].value && f->slots[i].value != value)
        i = (i + 1) & mask;
    return &f->slots[i];
}

/* The op of `region` that holds `op`; NULL when it is somewhere else. */
static const ran_op *lift(const ran_op *op, const ran_region *region)
{
    while (op && op->parent != region)
        op = op->parent->parent;
    return op;
}

static void add_slot(frame *f, const ran_value *value)
{
    slot *s = find_slot(f, value);
    s->value = value;
    for (const ran_use *use = value->first_use; use; use = use->next) {
        const ran_op *user = lift(use->op, f->region);
        if (user && user->order > s->last_use)
            s->last_use = user->order;
    }
}

static frame open_frame(const frame *outer, const ran_region *region)
{
    size_t count = region->argument_count;
    frame f = {.outer = outer, .region = region, .capacity = 8};
    for (const ran_op *op = region->first; op; op = op->next)
        count += op->result_count;
    while (f.capacity < count * 2)
        f.capacity *= 2;
    f.slots = calloc(f.capacity, sizeof *f.slots);
    if (!f.slots)
        RAN_BUG(region->function->module->context, "out of memory");
    for (size_t i = 0; i < region->argument_count; i++)
        add_slot(&f, region->arguments[i]);
    for (const ran_op *op = region->first; op; op = op->next)
        for (size_t i = 0; i < op->result_count; i++)
            add_slot(&f, &op->results[i]);
    return f;
}

static void close_frame(frame *f)
{
    for (size_t i = 0; i < f->capacity; i++)
        ran_tensor_release(f->slots[i].tensor);
    free(f->slots);
}

static const ran_tensor *look_up(const frame *f, const ran_value *value)
{
    if (!value)
        return NULL;
    if (value->kind == RAN_VALUE_CONSTANT)
        return value->tensor;
    for (; f; f = f->outer) {
        const slot *s = find_slot(f, value);
        if (s->value)
            return s->tensor;
    }
    return NULL;
}

static void put(frame *f, const ran_value *value, RAN_TAKE ran_tensor *tensor)
{
    slot *s = find_slot(f, value);
    ran_tensor_release(s->tensor);
    s->tensor = tensor;
    if (s->last_use == 0) {
        ran_tensor_release(tensor);
        s->tensor = NULL;
    }
}

/* Drops what `user`, an op of the frame's region, uses last, within its regions too. */
static void drop_dead(frame *f, const ran_op *op, const ran_op *user)
{
    RAN_FOR_OPERANDS(op, i, value)
    {
        slot *s = find_slot(f, value);
        if (s->value && s->last_use == user->order) {
            ran_tensor_release(s->tensor);
            s->tensor = NULL;
        }
    }
    for (size_t r = 0; r < op->region_count; r++)
        for (const ran_op *inner = op->regions[r]->first; inner; inner = inner->next)
            drop_dead(f, inner, user);
}

/* ---- One op ---------------------------------------------------------------------------------- */

static const ran_dim *const *known_elements(ran_infer *infer, const ran_tensor *tensor,
                                            size_t *out_count)
{
    int64_t count = ran_tensor_numel(tensor);
    ran_elem elem = ran_tensor_elem(tensor);
    *out_count = 0;
    if (count > RAN_MAX_KNOWN || (!ran_elem_is_int(elem) && elem != RAN_ELEM_BOOL))
        return NULL;
    const ran_dim **known = RAN_ARENA_ARRAY(infer->arena, const ran_dim *, (size_t)count + 1);
    for (int64_t i = 0; i < count; i++)
        known[i] = ran_dim_constant(infer->context, ran_tensor_get_i64(tensor, i));
    *out_count = (size_t)count;
    return known;
}

static void fill_operands(ran_infer *infer, const ran_tensor *const *operands)
{
    const ran_type **types = (const ran_type **)infer->operands;
    const ran_dim *const **known = (const ran_dim *const **)infer->known;
    for (size_t i = 0; i < infer->op->operand_count; i++) {
        const ran_tensor *tensor = operands[i];
        if (!tensor)
            continue;
        types[i] = ran_type_tensor_i64(infer->context, ran_tensor_elem(tensor),
                                       ran_tensor_rank(tensor), ran_tensor_dims(tensor));
        known[i] = known_elements(infer, tensor, (size_t *)&infer->known_count[i]);
        ((const ran_tensor **)infer->tensors)[i] = tensor;
    }
}

static ran_status create_results(const ran_infer *infer, ran_tensor **results)
{
    const ran_op *op = infer->op;
    for (size_t i = 0; i < op->result_count; i++) {
        const ran_type *type = infer->results[i];
        int64_t dims[RAN_MAX_RANK];
        if (!ran_type_is_static(type))
            continue;
        for (int axis = 0; axis < type->rank; axis++)
            dims[axis] = type->dims[axis]->value;
        results[i] = ran_tensor_create(type->elem, type->rank, dims);
        if (!results[i])
            return ran_op_error(op, RAN_INVALID, "not enough memory for result %zu, %s", i,
                                ran_type_text(infer->context, type));
    }
    return RAN_OK;
}

static ran_status prepare(const ran_evaluation *e, ran_arena *scratch)
{
    ran_infer infer = {0};
    ran_infer_allocate(&infer, scratch, e->op);
    fill_operands(&infer, e->operands);
    ran_status status = ran_infer_call(&infer);
    return status == RAN_OK ? create_results(&infer, e->results) : status;
}

static ran_status run_hook(ran_evaluation *e)
{
    const ran_op *op = e->op;
    const ran_op_def *d = ran_op_definition(op->opcode);
    if (!d->hooks->evaluate)
        return ran_op_error(op, RAN_UNSUPPORTED, "the reference evaluator can't run it");
    /* What a region gives has no types before it has run. */
    ran_status status = RAN_OK;
    if (!op->region_count && op->opcode != RAN_OP_CALL) {
        ran_arena *scratch = ran_arena_create();
        status = prepare(e, scratch);
        ran_arena_destroy(scratch);
    }
    if (status == RAN_OK)
        status = d->hooks->evaluate(e);
    for (size_t i = 0; status == RAN_OK && i < op->result_count; i++)
        if (!e->results[i])
            RAN_BUG(e->context, "%s: evaluation left result %zu empty", d->name, i);
    return status;
}

static ran_status evaluate_op(const ran_op *op, const ran_tensor *const *operands,
                              const frame *environment, ran_tensor **results)
{
    ran_evaluation e = {ran_op_module(op)->context, op, operands, results, environment};
    memset(results, 0, op->result_count * sizeof *results);
    ran_status status = run_hook(&e);
    for (size_t i = 0; status != RAN_OK && i < op->result_count; i++) {
        ran_tensor_release(results[i]);
        results[i] = NULL;
    }
    return status;
}

ran_status ran_op_evaluate(const ran_op *op, const ran_tensor *const *operands,
                           ran_tensor **out_results)
{
    return evaluate_op(op, operands, NULL, out_results);
}

/* ---- Regions --------------------------------------------------------------------------------- */

static ran_status check_operand(const ran_op *op, size_t index, const ran_tensor *tensor)
{
    const ran_value *value = op->operands[index].value;
    if (!value || tensor)
        return RAN_OK;
    if (value->type && !ran_type_is_tensor(value->type))
        return ran_op_error(op, RAN_UNSUPPORTED,
                            "operand %zu is a %s, which can't be evaluated yet", index, ran_type_text(ran_op_module(op)->context, value->type));
    RAN_BUG(ran_op_module(op)->context, "%s: operand %zu has no value", ran_opcode_name(op->opcode),
            index);
}

/* Room for the operands and results of the largest op of a region. */
typedef struct buffers {
    const ran_tensor **operands;
    ran_tensor **results;
} buffers;

static buffers allocate_buffers(const ran_region *region)
{
    size_t operands = 1, results = 1;
    for (const ran_op *op = region->first; op; op = op->next) {
        operands = op->operand_count > operands ? op->operand_count : operands;
        results = op->result_count > results ? op->result_count : results;
    }
    buffers b = {calloc(operands, sizeof *b.operands), calloc(results, sizeof *b.results)};
    if (!b.operands || !b.results)
        RAN_BUG(region->function->module->context, "out of memory");
    return b;
}

static ran_status gather_operands(const frame *f, const ran_op *op, const ran_tensor **operands)
{
    for (size_t i = 0; i < op->operand_count; i++) {
        operands[i] = look_up(f, op->operands[i].value);
        ran_status status = check_operand(op, i, operands[i]);
        if (status != RAN_OK)
            return status;
    }
    return RAN_OK;
}

static ran_status step(frame *f, const ran_op *op, const buffers *b)
{
    ran_status status = gather_operands(f, op, b->operands);
    if (status == RAN_OK)
        status = evaluate_op(op, b->operands, f, b->results);
    if (status != RAN_OK)
        return status;
    for (size_t i = 0; i < op->result_count; i++)
        put(f, &op->results[i], b->results[i]);
    drop_dead(f, op, op);
    return RAN_OK;
}

static ran_status finish(const frame *f, const ran_op *terminator, const buffers *b,
                         ran_tensor **out_results, size_t result_count)
{
    if (terminator->operand_count != result_count)
        return ran_op_error(terminator, RAN_INVALID, "gives %zu values where %zu are expected",
                            terminator->operand_count, result_count);
    ran_status status = gather_operands(f, terminator, b->operands);
    for (size_t i = 0; status == RAN_OK && i < result_count; i++)
        out_results[i] = ran_tensor_retain(b->operands[i]);
    return status;
}

static ran_status run_region(const frame *outer, const ran_region *region,
                             const ran_tensor *const *arguments, ran_tensor **out_results,
                             size_t result_count)
{
    ran_status status = RAN_OK;
    const ran_op *terminator = ran_region_terminator(region);
    if (!terminator)
        return ran_error(region->function->module->context, RAN_INVALID,
                         "function %s has a region without a terminator", region->function->name);
    frame f = open_frame(outer, region);
    buffers b = allocate_buffers(region);
    for (size_t i = 0; i < region->argument_count; i++)
        put(&f, region->arguments[i], ran_tensor_retain(arguments[i]));
    for (const ran_op *op = region->first; status == RAN_OK && op != terminator; op = op->next)
        status = step(&f, op, &b);
    if (status == RAN_OK)
        status = finish(&f, terminator, &b, out_results, result_count);
    free(b.operands);
    free(b.results);
    close_frame(&f);
    return status;
}

ran_status ran_evaluate_region(const ran_evaluation *evaluation, const ran_region *region,
                               const ran_tensor *const *arguments, size_t argument_count,
                               ran_tensor **out_results, size_t result_count)
{
    memset(out_results, 0, result_count * sizeof *out_results);
    if (argument_count != region->argument_count)
        return ran_op_error(evaluation->op, RAN_INVALID,
                            "its region takes %zu values, %zu are given", region->argument_count,
                            argument_count);
    bool isolated = ran_opcode_has_flag(evaluation->op->opcode, RAN_FLAG_ISOLATED);
    return run_region(isolated ? NULL : evaluation->environment, region, arguments, out_results,
                      result_count);
}

/* ---- Functions ------------------------------------------------------------------------------- */

typedef struct size_binding {
    const ran_dim *symbol;
    int64_t value;
    size_t input;
} size_binding;

typedef struct bindings {
    ran_context *context;
    const ran_function *function;
    size_t count, capacity;
    size_binding *list;
} bindings;

static const size_binding *find_binding(const bindings *b, const ran_dim *symbol)
{
    for (size_t i = 0; i < b->count; i++)
        if (b->list[i].symbol == symbol)
            return &b->list[i];
    return NULL;
}

static const char *input_name(const ran_function *function, size_t index)
{
    const char *name = function->body->arguments[index]->name;
    return name ? name : ran_intern_printf(function->module->context, "%zu", index);
}

static const char *tensor_text(ran_context *context, const ran_tensor *tensor)
{
    return ran_type_text(context,
                         ran_type_tensor_i64(context, ran_tensor_elem(tensor),
                                             ran_tensor_rank(tensor), ran_tensor_dims(tensor)));
}

static void bind(bindings *b, const ran_dim *symbol, int64_t value, size_t input)
{
    if (b->count == b->capacity) {
        b->capacity = b->capacity ? b->capacity * 2 : 8;
        b->list = realloc(b->list, b->capacity * sizeof *b->list);
        if (!b->list)
            RAN_BUG(b->context, "out of memory");
    }
    b->list[b->count++] = (size_binding){symbol, value, input};
}

static const ran_dim *bound_size(const ran_dim *symbol, void *data)
{
    const bindings *b = data;
    const size_binding *found = find_binding(b, symbol);
    return found ? ran_dim_constant(b->context, found->value) : NULL;
}

static ran_status check_dim(bindings *b, const ran_dim *dim, int64_t size, size_t input,
                            const ran_tensor *tensor)
{
    const ran_type *type = b->function->body->arguments[input]->type;
    if (dim->kind == RAN_DIM_SYMBOL) {
        const size_binding *found = find_binding(b, dim);
        if (!found)
            bind(b, dim, size, input);
        else if (found->value != size)
            return ran_error(b->context, RAN_INVALID,
                             "input %s of %s: expected %s, got %s, but %s is %lld in input %s",
                             input_name(b->function, input), b->function->name,
                             ran_type_text(b->context, type), tensor_text(b->context, tensor),
                             dim->name, (long long)found->value,
                             input_name(b->function, found->input));
        return RAN_OK;
    }
    const ran_dim *expected = ran_dim_substitute(b->context, dim, bound_size, b);
    if (expected->kind == RAN_DIM_CONSTANT && expected->value != size)
        return ran_error(b->context, RAN_INVALID, "input %s of %s: expected %s, got %s",
                         input_name(b->function, input), b->function->name,
                         ran_type_text(b->context, type), tensor_text(b->context, tensor));
    return RAN_OK;
}

static ran_status check_input(bindings *b, size_t input, const ran_tensor *tensor)
{
    const ran_type *type = b->function->body->arguments[input]->type;
    if (!type)
        return RAN_OK;
    if (!ran_type_is_tensor(type))
        return ran_error(b->context, RAN_UNSUPPORTED,
                         "input %s of %s is a %s, which can't be evaluated yet",
                         input_name(b->function, input), b->function->name,
                         ran_type_text(b->context, type));
    if (!tensor)
        return ran_error(b->context, RAN_INVALID, "input %s of %s is missing",
                         input_name(b->function, input), b->function->name);
    if (ran_tensor_elem(tensor) != type->elem ||
        (type->rank >= 0 && ran_tensor_rank(tensor) != type->rank))
        return ran_error(b->context, RAN_INVALID, "input %s of %s: expected %s, got %s",
                         input_name(b->function, input), b->function->name,
                         ran_type_text(b->context, type), tensor_text(b->context, tensor));
    for (int i = 0; i < type->rank; i++) {
        ran_status status =
            check_dim(b, type->dims[i], ran_tensor_dims(tensor)[i], input, tensor);
        if (status != RAN_OK)
            return status;
    }
    return RAN_OK;
}

static ran_status check_inputs(const ran_function *function, const ran_tensor *const *inputs,
                               size_t input_count)
{
    ran_context *context = function->module->context;
    bindings b = {.context = context, .function = function};
    ran_status status = RAN_OK;
    if (input_count != function->body->argument_count)
        return ran_error(context, RAN_INVALID, "%s takes %zu inputs, %zu are given",
                         function->name, function->body->argument_count, input_count);
    for (size_t i = 0; i < input_count && status == RAN_OK; i++)
        status = check_input(&b, i, inputs[i]);
    free(b.list);
    return status;
}

ran_status ran_evaluate(const ran_function *function, const ran_tensor *const *inputs,
                        size_t input_count, ran_tensor **out_results, size_t result_count)
{
    memset(out_results, 0, result_count * sizeof *out_results);
    ran_status status = check_inputs(function, inputs, input_count);
    if (status != RAN_OK)
        return status;
    return run_region(NULL, function->body, inputs, out_results, result_count);
}
