/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * What must hold of the sizes when a model runs, because inference could not tell.
 *
 * Walk: `add %x, %y` of [N, 4] and [M, 4] has the result [max(M, N), 4]; whether it computes
 * anything sensible depends on N and M. The hook states `N = M` through ran_infer_require. The
 * compiler asks for these statements and makes them the first thing that a compiled function does;
 * the evaluator needs none, because its sizes are numbers.
 */
#include "ir/infer.h"

#include <stdlib.h>

static bool always_holds(ran_relation relation, const ran_dim *a, const ran_dim *b)
{
    return a == b || (relation == RAN_AT_LEAST && ran_dim_is_at_least(a, b));
}

static bool is_stated(const ran_conditions *list, ran_relation relation, const ran_dim *a,
                      const ran_dim *b)
{
    for (size_t i = 0; i < list->count; i++)
        if (list->items[i].relation == relation && list->items[i].a == a && list->items[i].b == b)
            return true;
    return false;
}

static ran_condition *add(ran_context *context, ran_conditions *list)
{
    if (list->count == list->capacity) {
        list->capacity = list->capacity ? 2 * list->capacity : 16;
        list->items = realloc(list->items, list->capacity * sizeof *list->items);
        if (!list->items)
            RAN_BUG(context, "out of memory");
    }
    return &list->items[list->count++];
}

void ran_infer_require(const ran_infer *infer, ran_relation relation, const char *what,
                       const ran_dim *a, const ran_dim *b)
{
    ran_conditions *list = infer->conditions;
    if (!list || always_holds(relation, a, b) || is_stated(list, relation, a, b))
        return;
    *add(infer->context, list) = (ran_condition){
        .relation = relation, .what = ran_intern(infer->context, what), .a = a, .b = b};
}

/* Sizes are never negative: what a hook computed by subtraction must not be. */
void ran_infer_require_sizes(const ran_infer *infer)
{
    const ran_dim *zero = ran_dim_constant(infer->context, 0);
    for (size_t i = 0; infer->conditions && i < infer->op->result_count; i++) {
        const ran_type *type = infer->results[i];
        for (int axis = 0; ran_type_is_tensor(type) && axis < type->rank; axis++)
            ran_infer_require(infer, RAN_AT_LEAST, "a size of the result", type->dims[axis], zero);
    }
}

/* "add (node Add_1): broadcast of axis 0: N and M differ". */
static const char *describe(const ran_op *op, const ran_condition *condition)
{
    ran_context *context = ran_op_module(op)->context;
    const char *node = ran_location_name(op->location);
    const char *a = ran_dim_text(context, condition->a), *b = ran_dim_text(context, condition->b);
    const char *rest = condition->relation == RAN_EQUAL
                           ? ran_intern_printf(context, "%s and %s differ", a, b)
                           : ran_intern_printf(context, "%s is less than %s", a, b);
    return ran_intern_printf(context, "%s%s%s%s: %s: %s", ran_opcode_name(op->opcode),
                             node ? " (node " : "", node ? node : "", node ? ")" : "",
                             condition->what, rest);
}

static ran_status add_conditions(const ran_op *op, ran_arena *scratch, ran_conditions *conditions)
{
    size_t first = conditions->count;
    ran_status status = ran_infer_conditions(scratch, op, conditions);
    for (size_t i = first; i < conditions->count; i++)
        conditions->items[i].text = describe(op, &conditions->items[i]);
    return status;
}

ran_status ran_function_state_conditions(ran_function *function)
{
    ran_status status = RAN_OK;
    ran_arena *scratch = ran_arena_create();
    ran_conditions list = {0};
    for (const ran_op *op = function->body->first; !status && op; op = op->next)
        status = add_conditions(op, scratch, &list);
    function->condition_count = list.count;
    if (list.count)
        function->conditions =
            ran_arena_copy(function->module->arena, list.items, list.count * sizeof *list.items);
    free(list.items);
    ran_arena_destroy(scratch);
    return status;
}
