/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Structure: terminators, call, if, loop, kernel.
 *
 * loop has ONNX's operands and region: (trip_count?, condition?, carried...) outside; inside
 * (iteration, condition, carried...) come in and (condition, carried..., scanned...) are yielded;
 * results are (carried..., scanned...), the scanned ones stacked along a new first axis.
 * Where a size differs between branches, or from one iteration to the next, a fresh symbol stands.
 */
#include "ir/infer.h"
#include "ir/ops/ops.h"

#include <stdlib.h>
#include <string.h>

static ran_status infer_nothing(ran_infer *infer)
{
    (void)infer;
    return RAN_OK;
}

const ran_op_hooks ran_hooks_terminator = {.infer = infer_nothing};

/* ---- What ops with regions share ------------------------------------------------------------- */

static ran_status yielded(const ran_infer *infer, const ran_region *region, size_t count,
                          const ran_op **out_yield)
{
    const ran_op *yield = ran_region_terminator(region);
    if (!yield)
        return ran_infer_error(infer, "a region has no terminator");
    if (yield->operand_count != count)
        return ran_infer_error(infer, "a region yields %zu values, expected %zu",
                               yield->operand_count, count);
    for (size_t i = 0; i < count; i++)
        if (!yield->operands[i].value || !yield->operands[i].value->type)
            return ran_infer_error(infer, "a region yields a value without a type");
    *out_yield = yield;
    return RAN_OK;
}

static ran_status infer_region(const ran_infer *infer, ran_region *region)
{
    return infer->check_only ? RAN_OK : ran_region_infer_types(region);
}

static ran_status need_regions(const ran_infer *infer, size_t count)
{
    if (infer->op->region_count == count)
        return RAN_OK;
    return ran_infer_error(infer, "has %zu regions, needs %zu", infer->op->region_count, count);
}

/* A type that both are instances of; NULL when the kinds or elements differ. */
static const ran_type *merge_types(ran_context *context, const ran_type *a, const ran_type *b)
{
    const ran_dim *dims[RAN_MAX_RANK];
    if (a == b)
        return a;
    if (!ran_type_is_tensor(a) || !ran_type_is_tensor(b) || a->elem != b->elem)
        return NULL;
    if (a->rank < 0 || a->rank != b->rank)
        return ran_type_tensor(context, a->elem, -1, NULL, RAN_PLAIN);
    for (int i = 0; i < a->rank; i++)
        dims[i] = a->dims[i] == b->dims[i] ? a->dims[i] : ran_dim_fresh(context);
    return ran_type_tensor(context, a->elem, a->rank, dims, a->layout);
}

/* Counts of a region; what it computes inside is no activation of the op. */
static void count_region(const ran_region *region, ran_counts *counts)
{
    ran_counts inside = {0};
    for (const ran_op *op = region->first; op; op = op->next)
        ran_count_op(op, &inside);
    counts->parameters += inside.parameters;
    counts->macs += inside.macs;
    counts->nonlinear_elements += inside.nonlinear_elements;
    counts->relu_elements += inside.relu_elements;
}

static void count_regions(const ran_op *op, ran_counts *counts)
{
    for (size_t i = 0; i < op->region_count; i++)
        count_region(op->regions[i], counts);
}

/* ---- call ------------------------------------------------------------------------------------ */

static ran_status find_callee(const ran_op *op, const ran_function **out_function)
{
    const char *name = ran_op_string(op, "callee");
    *out_function = name ? ran_module_find_function(ran_op_module(op), name) : NULL;
    if (!*out_function)
        return ran_op_error(op, RAN_INVALID, "there is no function %s", name ? name : "(none)");
    return RAN_OK;
}

static ran_status infer_call(ran_infer *infer)
{
    const ran_function *callee;
    const ran_op *op = infer->op, *result;
    ran_status status = find_callee(op, &callee);
    if (status == RAN_OK && callee->body->argument_count != op->operand_count)
        status = ran_infer_error(infer, "%s takes %zu operands, %zu are given", callee->name,
                                 callee->body->argument_count, op->operand_count);
    if (status == RAN_OK)
        status = yielded(infer, callee->body, op->result_count, &result);
    for (size_t i = 0; status == RAN_OK && i < op->result_count; i++)
        infer->results[i] = result->operands[i].value->type;
    return status;
}

/* Whether `from` calls `target`, at any depth. `budget` ends walks through cycles elsewhere. */
static bool reaches(const ran_region *from, const ran_function *target, int *budget)
{
    for (const ran_op *op = from->first; op; op = op->next) {
        for (size_t i = 0; i < op->region_count; i++)
            if (reaches(op->regions[i], target, budget))
                return true;
        if (op->opcode != RAN_OP_CALL || !ran_op_has_attr(op, "callee"))
            continue;
        const ran_function *callee =
            ran_module_find_function(ran_op_module(op), ran_op_string(op, "callee"));
        if (callee && (callee == target || --*budget <= 0 || reaches(callee->body, target, budget)))
            return true;
    }
    return false;
}

static ran_status verify_call(const ran_op *op)
{
    int budget = 1000;
    const ran_function *self = op->parent->function, *callee;
    ran_status status = find_callee(op, &callee);
    if (status != RAN_OK)
        return status;
    if (callee == self || reaches(callee->body, self, &budget))
        return ran_op_error(op, RAN_INVALID, "%s calls itself", self->name);
    return RAN_OK;
}

static ran_status evaluate_call(ran_evaluation *e)
{
    const ran_function *callee;
    ran_status status = find_callee(e->op, &callee);
    if (status == RAN_OK)
        status = verify_call(e->op);
    if (status != RAN_OK)
        return status;
    return ran_evaluate(callee, e->operands, e->op->operand_count, e->results, e->op->result_count);
}

const ran_op_hooks ran_hooks_call = {
    .verify = verify_call, .infer = infer_call, .evaluate = evaluate_call};

/* ---- kernel ---------------------------------------------------------------------------------- */

static ran_status pass_operand(ran_infer *infer, ran_region *region, size_t index)
{
    ran_value *argument = region->arguments[index];
    if (infer->check_only && argument->type != infer->operands[index])
        return ran_infer_error(infer, "operand %zu and its argument differ in type", index);
    if (infer->check_only)
        return RAN_OK;
    ran_value_set_type(argument, infer->operands[index]);
    argument->known_count = (uint32_t)infer->known_count[index];
    argument->known = infer->known[index]
                          ? ran_arena_copy(ran_op_module(infer->op)->arena, infer->known[index],
                                           infer->known_count[index] * sizeof(const ran_dim *))
                          : NULL;
    return RAN_OK;
}

static ran_status infer_kernel(ran_infer *infer)
{
    const ran_op *op = infer->op, *yield = NULL;
    ran_status status = need_regions(infer, 1);
    if (status != RAN_OK)
        return status;
    ran_region *region = op->regions[0];
    if (region->argument_count != op->operand_count)
        return ran_infer_error(infer, "its region takes %zu values, %zu are given",
                               region->argument_count, op->operand_count);
    for (size_t i = 0; status == RAN_OK && i < op->operand_count; i++)
        status = infer->operands[i] ? pass_operand(infer, region, i)
                                    : ran_infer_error(infer, "operand %zu is missing", i);
    if (status == RAN_OK)
        status = infer_region(infer, region);
    if (status == RAN_OK)
        status = yielded(infer, region, op->result_count, &yield);
    for (size_t i = 0; status == RAN_OK && i < op->result_count; i++)
        infer->results[i] = yield->operands[i].value->type;
    return status;
}

static ran_status evaluate_kernel(ran_evaluation *e)
{
    return ran_evaluate_region(e, e->op->regions[0], e->operands, e->op->operand_count, e->results,
                               e->op->result_count);
}

const ran_op_hooks ran_hooks_kernel = {
    .infer = infer_kernel, .evaluate = evaluate_kernel, .count = count_regions};

/* ---- if -------------------------------------------------------------------------------------- */

/* The branch that a known condition takes, or -1. */
static int known_branch(const ran_infer *infer)
{
    int64_t condition;
    if (ran_infer_constants(infer, 0, &condition, 1) != 1)
        return -1;
    return condition ? 0 : 1;
}

static ran_status infer_if(ran_infer *infer)
{
    const ran_op *op = infer->op, *yields[2] = {NULL, NULL};
    ran_status status = need_regions(infer, 2);
    for (size_t i = 0; status == RAN_OK && i < 2; i++) {
        if (op->regions[i]->argument_count)
            return ran_infer_error(infer, "a branch takes no arguments");
        status = infer_region(infer, op->regions[i]);
        if (status == RAN_OK)
            status = yielded(infer, op->regions[i], op->result_count, &yields[i]);
    }
    int taken = known_branch(infer);
    for (size_t i = 0; status == RAN_OK && i < op->result_count; i++) {
        const ran_type *a = yields[0]->operands[i].value->type;
        const ran_type *b = yields[1]->operands[i].value->type;
        infer->results[i] = taken < 0 ? merge_types(infer->context, a, b) : taken ? b : a;
        if (!infer->results[i])
            return ran_infer_error(infer, "the branches give %s and %s for result %zu",
                                   ran_type_text(infer->context, a),
                                   ran_type_text(infer->context, b), i);
    }
    return status;
}

static ran_status evaluate_if(ran_evaluation *e)
{
    const ran_tensor *condition = e->operands[0];
    if (ran_tensor_numel(condition) != 1)
        return ran_op_error(e->op, RAN_INVALID, "the condition has %lld elements, needs one",
                            (long long)ran_tensor_numel(condition));
    size_t branch = ran_tensor_get_i64(condition, 0) ? 0 : 1;
    if (branch >= e->op->region_count)
        return ran_op_error(e->op, RAN_INVALID, "has no branch %zu", branch);
    return ran_evaluate_region(e, e->op->regions[branch], NULL, 0, e->results, e->op->result_count);
}

const ran_op_hooks ran_hooks_if = {
    .infer = infer_if, .evaluate = evaluate_if, .count = count_regions};

/* ---- loop ------------------------------------------------------------------------------------ */

typedef struct loop_parts {
    ran_region *body;
    size_t carried, scanned;
} loop_parts;

static ran_status find_parts(const ran_op *op, loop_parts *out)
{
    if (op->region_count != 1)
        return ran_op_error(op, RAN_INVALID, "has %zu regions, needs 1", op->region_count);
    *out = (loop_parts){.body = op->regions[0]};
    out->carried = op->operand_count > 2 ? op->operand_count - 2 : 0;
    if (out->body->argument_count != out->carried + 2)
        return ran_op_error(op, RAN_INVALID, "its body takes %zu values, expected %zu",
                            out->body->argument_count, out->carried + 2);
    if (op->result_count < out->carried)
        return ran_op_error(op, RAN_INVALID, "has %zu results, but carries %zu values",
                            op->result_count, out->carried);
    out->scanned = op->result_count - out->carried;
    return RAN_OK;
}

/* The dim of an argument that changes between iterations: the one it had before, when inference ran
 * already, or a new one. */
static const ran_dim *varying_dim(ran_context *context, const ran_type *before, int rank, int axis)
{
    if (before && ran_type_is_tensor(before) && before->rank == rank &&
        ran_dim_fresh_number(before->dims[axis]) >= 0)
        return before->dims[axis];
    return ran_dim_fresh(context);
}

/* Whether a dim of the body's argument stands for sizes that may differ from the first one. */
static bool is_varying(const ran_dim *dim, const ran_dim *initial)
{
    return dim != initial && ran_dim_fresh_number(dim) >= 0;
}

/* The argument's type after an iteration that yields `next`; NULL when no type fits. */
static const ran_type *widen(ran_context *context, const ran_type *type, const ran_type *next,
                             const ran_type *initial, const ran_type *before)
{
    const ran_dim *dims[RAN_MAX_RANK];
    if (type == next || !ran_type_is_tensor(type) || !ran_type_is_tensor(next) ||
        type->elem != next->elem)
        return type == next ? type : NULL;
    if (type->rank < 0 || type->rank != next->rank)
        return ran_type_tensor(context, type->elem, -1, NULL, RAN_PLAIN);
    for (int i = 0; i < type->rank; i++) {
        bool keep = type->dims[i] == next->dims[i] || is_varying(type->dims[i], initial->dims[i]);
        dims[i] = keep ? type->dims[i] : varying_dim(context, before, type->rank, i);
    }
    return ran_type_tensor(context, type->elem, type->rank, dims, type->layout);
}

static ran_status set_arguments(ran_infer *infer, const loop_parts *parts)
{
    ran_value **arguments = parts->body->arguments;
    ran_context *context = infer->context;
    ran_value_set_type(arguments[0], ran_type_tensor_i64(context, RAN_ELEM_I64, 0, NULL));
    ran_value_set_type(arguments[1], ran_type_tensor_i64(context, RAN_ELEM_BOOL, 0, NULL));
    for (size_t i = 0; i < parts->carried; i++) {
        if (!infer->operands[i + 2])
            return ran_infer_error(infer, "carried value %zu is missing", i);
        ran_value_set_type(arguments[i + 2], infer->operands[i + 2]);
    }
    return RAN_OK;
}

/* One inference of the body; *out_changed when an argument had to become more general. */
static ran_status infer_iteration(ran_infer *infer, const loop_parts *parts,
                                  const ran_type *const *before, bool *out_changed)
{
    const ran_op *yield;
    ran_status status = ran_region_infer_types(parts->body);
    *out_changed = false;
    if (status == RAN_OK)
        status = yielded(infer, parts->body, 1 + infer->op->result_count, &yield);
    for (size_t i = 0; status == RAN_OK && i < parts->carried; i++) {
        ran_value *argument = parts->body->arguments[i + 2];
        const ran_type *next = yield->operands[i + 1].value->type;
        const ran_type *wide =
            widen(infer->context, argument->type, next, infer->operands[i + 2], before[i]);
        if (!wide)
            return ran_infer_error(infer, "carried value %zu is %s, becomes %s", i,
                                   ran_type_text(infer->context, argument->type),
                                   ran_type_text(infer->context, next));
        *out_changed |= wide != argument->type;
        ran_value_set_type(argument, wide);
    }
    return status;
}

/* Ends: every round makes at least one dim varying, or one rank unknown, for good. */
static ran_status infer_body(ran_infer *infer, const loop_parts *parts)
{
    const ran_type **before = RAN_ARENA_ARRAY(infer->arena, const ran_type *, parts->carried);
    for (size_t i = 0; i < parts->carried; i++)
        before[i] = parts->body->arguments[i + 2]->type;
    ran_status status = set_arguments(infer, parts);
    for (bool changed = true; status == RAN_OK && changed;)
        status = infer_iteration(infer, parts, before, &changed);
    return status;
}

/* After the loop a varying size is that of the last iteration: a symbol of its own. */
static const ran_type *carried_result(ran_infer *infer, const ran_type *argument,
                                      const ran_type *next, const ran_type *initial)
{
    const ran_dim *dims[RAN_MAX_RANK];
    if (argument == next && argument == initial)
        return argument;
    if (!ran_type_is_tensor(argument) || argument->rank < 0 || next->rank != argument->rank ||
        initial->rank != argument->rank)
        return argument;
    for (int i = 0; i < argument->rank; i++) {
        bool same = argument->dims[i] == next->dims[i] && argument->dims[i] == initial->dims[i];
        dims[i] = same ? argument->dims[i] : ran_dim_fresh(infer->context);
    }
    return ran_type_tensor(infer->context, argument->elem, argument->rank, dims, argument->layout);
}

static bool is_known_true(const ran_value *value)
{
    const ran_dim *const *known;
    return value && ran_value_known(value, &known) == 1 && ran_dim_is_constant(known[0]) &&
           ran_dim_value(known[0]) != 0;
}

/* The number of iterations where the condition can't end the loop, or a fresh symbol. */
static const ran_dim *trip_count(const ran_infer *infer, const loop_parts *parts,
                                 const ran_op *yield)
{
    const ran_value *start = ran_op_operand(infer->op, 1), *next = yield->operands[0].value;
    bool runs_on = is_known_true(next) || next == parts->body->arguments[1];
    bool starts = !start || is_known_true(start);
    bool counted = ran_op_operand(infer->op, 0) && infer->known[0] && infer->known_count[0] == 1;
    if (!runs_on || !starts || !counted)
        return ran_dim_fresh(infer->context);
    return ran_dim_binary(infer->context, RAN_DIM_MAX, infer->known[0][0],
                          ran_dim_constant(infer->context, 0));
}

static ran_status scanned_result(ran_infer *infer, size_t index, const ran_type *element,
                                 const ran_dim *trips)
{
    const ran_dim *dims[RAN_MAX_RANK] = {trips};
    if (!ran_type_is_tensor(element))
        return ran_infer_error(infer, "a scanned value must be a tensor");
    if (element->rank < 0)
        return ran_infer_result_unknown(infer, index, element->elem);
    if (element->rank == RAN_MAX_RANK)
        return ran_infer_error(infer, "a scanned value has too many dimensions");
    for (int i = 0; i < element->rank; i++)
        dims[i + 1] = element->dims[i];
    return ran_infer_result(infer, index, element->elem, element->rank + 1, dims);
}

static ran_status infer_loop(ran_infer *infer)
{
    loop_parts parts;
    const ran_op *op = infer->op, *yield;
    ran_status status = find_parts(op, &parts);
    if (status == RAN_OK && !infer->check_only)
        status = infer_body(infer, &parts);
    if (status == RAN_OK)
        status = yielded(infer, parts.body, 1 + op->result_count, &yield);
    if (status != RAN_OK)
        return status;
    for (size_t i = 0; i < parts.carried; i++)
        infer->results[i] =
            carried_result(infer, parts.body->arguments[i + 2]->type,
                           yield->operands[i + 1].value->type, infer->operands[i + 2]);
    const ran_dim *trips = parts.scanned ? trip_count(infer, &parts, yield) : NULL;
    for (size_t i = parts.carried; status == RAN_OK && i < op->result_count; i++)
        status = scanned_result(infer, i, yield->operands[i + 1].value->type, trips);
    return status;
}

/* ---- loop: evaluation ------------------------------------------------------------------------ */

/* What a running loop holds: references to the carried values and to every scanned one. */
typedef struct loop_state {
    ran_evaluation *e;
    loop_parts parts;
    ran_tensor **arguments; /* iteration, condition, carried... */
    ran_tensor **yields;    /* condition, carried..., scanned... */
    ran_tensor **history;   /* parts.scanned an iteration */
    int64_t iterations, capacity;
} loop_state;

static void *need(void *memory)
{
    if (!memory)
        RAN_BUG(NULL, "out of memory");
    return memory;
}

static void release_all(ran_tensor **tensors, size_t count)
{
    for (size_t i = 0; i < count; i++)
        ran_tensor_release(tensors[i]);
}

static void remember_scanned(loop_state *s)
{
    size_t scanned = s->parts.scanned;
    if (s->iterations == s->capacity) {
        s->capacity = s->capacity ? s->capacity * 2 : 16;
        s->history = need(
            realloc(s->history, (size_t)s->capacity * (scanned + 1) * sizeof *s->history));
    }
    for (size_t i = 0; i < scanned; i++)
        s->history[(size_t)s->iterations * scanned + i] = s->yields[1 + s->parts.carried + i];
}

static ran_status iterate(loop_state *s)
{
    size_t argument_count = s->parts.carried + 2, yield_count = 1 + s->e->op->result_count;
    ran_tensor_set_i64(s->arguments[0], 0, s->iterations);
    ran_status status =
        ran_evaluate_region(s->e, s->parts.body, (const ran_tensor *const *)s->arguments,
                            argument_count, s->yields, yield_count);
    if (status != RAN_OK)
        return status;
    remember_scanned(s);
    release_all(s->arguments, argument_count);
    for (size_t i = 1; i < argument_count; i++)
        s->arguments[i] = s->yields[i - 1];
    /* The body may have kept the old counter as its result. */
    s->arguments[0] = need(ran_tensor_create(RAN_ELEM_I64, 0, NULL));
    s->iterations++;
    return RAN_OK;
}

static bool goes_on(const loop_state *s)
{
    const ran_tensor *limit = ran_eval_operand(s->e, 0);
    if (limit && (ran_tensor_numel(limit) < 1 || s->iterations >= ran_tensor_get_i64(limit, 0)))
        return false;
    return ran_tensor_numel(s->arguments[1]) > 0 && ran_tensor_get_i64(s->arguments[1], 0) != 0;
}

/* The shape of one scanned element, of the body's types where the loop never ran. */
static ran_status element_shape(const loop_state *s, size_t index, ran_elem *out_elem,
                                int *out_rank, int64_t *out_dims)
{
    if (s->iterations) {
        const ran_tensor *first = s->history[index];
        *out_elem = ran_tensor_elem(first);
        *out_rank = ran_tensor_rank(first);
        for (int i = 0; i < *out_rank; i++)
            out_dims[i] = ran_tensor_dims(first)[i];
        return RAN_OK;
    }
    const ran_op *yield = ran_region_terminator(s->parts.body);
    const ran_type *type = yield->operands[1 + s->parts.carried + index].value->type;
    if (!type || !ran_type_is_tensor(type) || type->rank < 0)
        return ran_op_error(s->e->op, RAN_UNSUPPORTED,
                            "the loop did not run, and the shape of scanned value %zu is unknown",
                            index);
    *out_elem = type->elem;
    *out_rank = type->rank;
    for (int i = 0; i < type->rank; i++)
        out_dims[i] = ran_dim_is_constant(type->dims[i]) ? ran_dim_value(type->dims[i]) : 0;
    return RAN_OK;
}

static ran_status stack_scanned(const loop_state *s, size_t index)
{
    ran_elem elem = RAN_ELEM_F32;
    int rank = 0;
    int64_t dims[RAN_MAX_RANK + 1];
    size_t result = s->parts.carried + index;
    ran_status status = element_shape(s, index, &elem, &rank, dims + 1);
    if (status == RAN_OK && rank == RAN_MAX_RANK)
        status = ran_op_error(s->e->op, RAN_INVALID, "a scanned value has too many dimensions");
    dims[0] = s->iterations;
    if (status == RAN_OK)
        status = ran_eval_create(s->e, result, elem, rank + 1, dims);
    int64_t size = ran_dims_product(dims, 1, status == RAN_OK ? rank + 1 : 1);
    for (int64_t i = 0; status == RAN_OK && i < s->iterations; i++) {
        const ran_tensor *element = s->history[(size_t)i * s->parts.scanned + index];
        if (ran_tensor_numel(element) != size || ran_tensor_elem(element) != elem)
            return ran_op_error(s->e->op, RAN_INVALID,
                                "scanned value %zu changes its shape in iteration %lld", index,
                                (long long)i);
        ran_copy_elements(s->e->results[result], i * size, element, 0, size);
    }
    return status;
}

static void start(loop_state *s)
{
    const ran_tensor *condition = ran_eval_operand(s->e, 1);
    s->arguments = need(calloc(s->parts.carried + 2, sizeof *s->arguments));
    s->yields = need(calloc(s->e->op->result_count + 1, sizeof *s->yields));
    s->arguments[0] = need(ran_tensor_create(RAN_ELEM_I64, 0, NULL));
    s->arguments[1] = condition ? ran_tensor_retain(condition)
                                : need(ran_tensor_create(RAN_ELEM_BOOL, 0, NULL));
    if (!condition)
        ran_tensor_set_i64(s->arguments[1], 0, 1);
    for (size_t i = 0; i < s->parts.carried; i++)
        s->arguments[i + 2] = ran_tensor_retain(s->e->operands[i + 2]);
}

static ran_status evaluate_loop(ran_evaluation *e)
{
    loop_state s = {.e = e};
    ran_status status = find_parts(e->op, &s.parts);
    if (status != RAN_OK)
        return status;
    start(&s);
    while (status == RAN_OK && goes_on(&s))
        status = iterate(&s);
    for (size_t i = 0; status == RAN_OK && i < s.parts.carried; i++)
        e->results[i] = ran_tensor_retain(s.arguments[i + 2]);
    for (size_t i = 0; status == RAN_OK && i < s.parts.scanned; i++)
        status = stack_scanned(&s, i);
    release_all(s.arguments, s.parts.carried + 2);
    release_all(s.history, (size_t)s.iterations * s.parts.scanned);
    free(s.arguments);
    free(s.yields);
    free(s.history);
    return status;
}

const ran_op_hooks ran_hooks_loop = {
    .infer = infer_loop, .evaluate = evaluate_loop, .count = count_regions};
