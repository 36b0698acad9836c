/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Symbolic dimensions: arguments of the model, and sizes that its data decide.
 *
 * Walk: `%i = non_zero %x` with x of [N, 4] has the type [2, ?0]. N is an argument. ?0 is known
 * when the kernel of non_zero has run: the driver takes its value from there (driver.c) and gives
 * it to the kernels behind, as it does with N. Memory is planned before that, so it is planned for
 * the most that ?0 can be, N * 4.
 */
#include "codegen/codegen.h"

#include <stdlib.h>

#include "ir/context.h"

/* ---- The most that data can decide --------------------------------------------------- */

static const ran_dim *elements(ran_context *context, const ran_type *type)
{
    const ran_dim *product = ran_dim_constant(context, 1);
    for (int i = 0; i < ran_type_rank(type); i++)
        product = ran_dim_binary(context, RAN_DIM_MUL, product, ran_type_dim(type, i));
    return product;
}

/* The extent of the op's axis, or all elements where it has none. */
static const ran_dim *positions(ran_context *context, const ran_op *op)
{
    const ran_type *x = ran_value_type(ran_op_operand(op, 0));
    if (!ran_op_has_attr(op, "axis"))
        return elements(context, x);
    return ran_type_dim(x, ran_axis(ran_op_int(op, "axis"), ran_type_rank(x)));
}

static const ran_dim *most_non_zero(ran_context *context, const ran_op *op)
{
    return elements(context, ran_value_type(ran_op_operand(op, 0)));
}

static const ran_dim *most_compressed(ran_context *context, const ran_op *op)
{
    const ran_type *condition = ran_value_type(ran_op_operand(op, 1));
    return ran_dim_binary(context, RAN_DIM_MIN, positions(context, op), ran_type_dim(condition, 0));
}

/* Of each batch and class all boxes, or as many as are asked for. */
static const ran_dim *most_boxes(ran_context *context, const ran_op *op)
{
    const ran_type *scores = ran_value_type(ran_op_operand(op, 1));
    const ran_dim *boxes = ran_type_dim(scores, 2);
    int64_t limit = 0;
    if (!ran_op_operand(op, 2) || ran_op_known_ints(op, 2, &limit, 1) == 1)
        boxes = ran_dim_binary(context, RAN_DIM_MIN, boxes,
                               ran_dim_constant(context, limit > 0 ? limit : 0));
    const ran_dim *lists =
        ran_dim_binary(context, RAN_DIM_MUL, ran_type_dim(scores, 0), ran_type_dim(scores, 1));
    return ran_dim_binary(context, RAN_DIM_MUL, lists, boxes);
}

typedef const ran_dim *most_of(ran_context *context, const ran_op *op);

static most_of *find_most(ran_opcode opcode)
{
    static const struct {
        ran_opcode opcode;
        most_of *most;
    } ops[] = {{RAN_OP_NON_ZERO, most_non_zero},
               {RAN_OP_COMPRESS, most_compressed},
               {RAN_OP_UNIQUE, positions},
               {RAN_OP_NON_MAX_SUPPRESSION, most_boxes}};
    for (size_t i = 0; i < sizeof(ops) / sizeof(*ops); i++)
        if (ops[i].opcode == opcode)
            return ops[i].most;
    return NULL;
}

/* ---- Collecting ---------------------------------------------------------------------- */

static int64_t find(const ran_symbols *symbols, const ran_dim *symbol)
{
    for (size_t i = 0; i < symbols->count; i++)
        if (symbols->items[i] == symbol)
            return (int64_t)i;
    return -1;
}

static void add(ran_context *context, ran_symbols *symbols, const ran_dim *symbol,
                const ran_dim *most)
{
    size_t bytes = (symbols->count + 1) * sizeof(*symbols->items);
    symbols->items = realloc(symbols->items, bytes);
    symbols->most = realloc(symbols->most, bytes);
    if (!symbols->items || !symbols->most)
        RAN_BUG(context, "out of memory");
    symbols->items[symbols->count] = symbol;
    symbols->most[symbols->count++] = most;
}

/* A symbol is an argument of the model when an input has it as an extent of its own. */
static void collect_arguments(ran_context *context, const ran_region *body, ran_symbols *symbols)
{
    for (size_t i = 0; i < ran_region_argument_count(body); i++) {
        const ran_type *type = ran_value_type(ran_region_argument(body, i));
        for (int axis = 0; ran_type_is_tensor(type) && axis < ran_type_rank(type); axis++) {
            const ran_dim *dim = ran_type_dim(type, axis);
            if (ran_dim_get_kind(dim) == RAN_DIM_SYMBOL && find(symbols, dim) < 0)
                add(context, symbols, dim, dim);
        }
    }
    symbols->argument_count = symbols->count;
}

/* The symbol that the data of an op decide; NULL: none. */
static const ran_dim *decided_symbol(const ran_op *op)
{
    for (size_t i = 0; find_most(op->opcode) && i < op->result_count; i++) {
        const ran_type *type = ran_value_type(ran_op_result(op, i));
        for (int axis = 0; axis < ran_type_rank(type); axis++)
            if (ran_dim_fresh_number(ran_type_dim(type, axis)) >= 0)
                return ran_type_dim(type, axis);
    }
    return NULL;
}

void ran_symbols_collect(const ran_function *function, ran_symbols *out_symbols)
{
    const ran_region *body = ran_function_body(function);
    ran_context *context = ran_module_context(ran_function_module(function));
    *out_symbols = (ran_symbols){0};
    collect_arguments(context, body, out_symbols);
    for (const ran_op *op = ran_region_first(body); op; op = ran_op_next(op)) {
        const ran_dim *symbol = decided_symbol(op);
        if (!symbol || find(out_symbols, symbol) >= 0 ||
            ran_type_rank(ran_value_type(ran_op_operand(op, 0))) < 0)
            continue;
        const ran_dim *most = find_most(op->opcode)(context, op);
        add(context, out_symbols, symbol, ran_symbols_most(context, out_symbols, most));
    }
}

void ran_symbols_clear(ran_symbols *symbols)
{
    free(symbols->items);
    free(symbols->most);
    *symbols = (ran_symbols){0};
}

/* ---- Asking -------------------------------------------------------------------------- */

bool ran_symbols_know(const ran_symbols *symbols, const ran_dim *dim, size_t count)
{
    if (ran_dim_is_constant(dim))
        return true;
    if (ran_dim_get_kind(dim) == RAN_DIM_SYMBOL) {
        int64_t index = find(symbols, dim);
        return index >= 0 && (size_t)index < count;
    }
    return ran_symbols_know(symbols, ran_dim_lhs(dim), count) &&
           ran_symbols_know(symbols, ran_dim_rhs(dim), count);
}

bool ran_symbols_depend_on_data(const ran_symbols *symbols, const ran_type *type)
{
    for (int axis = 0; axis < ran_type_rank(type); axis++)
        if (!ran_symbols_know(symbols, ran_type_dim(type, axis), symbols->argument_count))
            return true;
    return false;
}

static const ran_dim *bound(ran_context *context, const ran_symbols *symbols, const ran_dim *dim,
                            bool upper);

static const ran_dim *bound_product(ran_context *context, const ran_symbols *symbols,
                                    const ran_dim *a, const ran_dim *b, bool upper)
{
    if (ran_dim_is_constant(a) && ran_dim_value(a) < 0)
        return ran_dim_binary(context, RAN_DIM_MUL, a, bound(context, symbols, b, !upper));
    if (ran_dim_is_constant(b) && ran_dim_value(b) < 0)
        return ran_dim_binary(context, RAN_DIM_MUL, bound(context, symbols, a, !upper), b);
    return ran_dim_binary(context, RAN_DIM_MUL, bound(context, symbols, a, upper),
                          bound(context, symbols, b, upper));
}

/* A divisor that data decide is at least 1. */
static const ran_dim *bound_quotient(ran_context *context, const ran_symbols *symbols,
                                     const ran_dim *dim, bool upper)
{
    const ran_dim *divisor = bound(context, symbols, ran_dim_rhs(dim), !upper);
    divisor = ran_dim_binary(context, RAN_DIM_MAX, divisor, ran_dim_constant(context, 1));
    return ran_dim_binary(context, ran_dim_get_kind(dim),
                          bound(context, symbols, ran_dim_lhs(dim), upper), divisor);
}

/* The least or most that a dimension can be when data decide from 0 up to the most. */
static const ran_dim *bound(ran_context *context, const ran_symbols *symbols, const ran_dim *dim,
                            bool upper)
{
    ran_dim_kind kind = ran_dim_get_kind(dim);
    if (ran_symbols_know(symbols, dim, symbols->argument_count))
        return dim;
    if (kind == RAN_DIM_SYMBOL)
        return upper ? symbols->most[find(symbols, dim)] : ran_dim_constant(context, 0);
    if (kind == RAN_DIM_MUL)
        return bound_product(context, symbols, ran_dim_lhs(dim), ran_dim_rhs(dim), upper);
    if (kind == RAN_DIM_FLOORDIV || kind == RAN_DIM_CEILDIV)
        return bound_quotient(context, symbols, dim, upper);
    return ran_dim_binary(context, kind, bound(context, symbols, ran_dim_lhs(dim), upper),
                          bound(context, symbols, ran_dim_rhs(dim), upper));
}

const ran_dim *ran_symbols_most(ran_context *context, const ran_symbols *symbols,
                                const ran_dim *dim)
{
    return bound(context, symbols, dim, true);
}
