/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Type inference: fills a ran_infer from the operands, calls the op's hook, keeps the results.
 *
 * A size that depends on data gets a fresh symbol from every call of a hook. So that inferring
 * again changes nothing, a fresh symbol of this call becomes the one that stood at its place before.
 */
#include "ir/infer.h"

#include <stdlib.h>
#include <string.h>

/* ---- Messages -------------------------------------------------------------------------------- */

/* "file:line:column" of an op that was parsed; line 0 for others. */
static void find_position(const ran_op *op, const char **out_file, int *out_line, int *out_column)
{
    const ran_source *source = ran_op_module(op)->source;
    const uint64_t *at = source ? ran_map_find(&source->ops, op, 0) : NULL;
    *out_file = at ? source->file : NULL;
    *out_line = at ? (int)(*at >> 32) : 0;
    *out_column = at ? (int)(uint32_t)*at : 0;
}

static RAN_PRINTF(3, 0) ran_status report(const ran_op *op, ran_status status, const char *format,
                                          va_list args)
{
    ran_context *context = ran_op_module(op)->context;
    char message[1024];
    const char *file;
    int line, column;
    vsnprintf(message, sizeof message, format, args);
    find_position(op, &file, &line, &column);
    const char *name = ran_location_name(op->location), *type = ran_location_type(op->location);
    if (name || type)
        return ran_error_at(context, status, file, line, column, "%s: %s (node %s%s%s)",
                            ran_opcode_name(op->opcode), message, name ? name : "",
                            name && type ? ", " : "", type ? type : "");
    return ran_error_at(context, status, file, line, column, "%s: %s", ran_opcode_name(op->opcode),
                        message);
}

ran_status ran_op_error(const ran_op *op, ran_status status, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    report(op, status, format, args);
    va_end(args);
    return status;
}

ran_status ran_infer_error(const ran_infer *infer, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    report(infer->op, RAN_INVALID, format, args);
    va_end(args);
    return RAN_INVALID;
}

/* ---- Helpers for hooks ----------------------------------------------------------------------- */

static int64_t constants_of(const ran_dim *const *known, size_t count, int64_t *out,
                            size_t capacity)
{
    if (!known || count > capacity)
        return -1;
    for (size_t i = 0; i < count; i++) {
        if (known[i]->kind != RAN_DIM_CONSTANT)
            return -1;
        out[i] = known[i]->value;
    }
    return (int64_t)count;
}

int64_t ran_infer_constants(const ran_infer *infer, size_t index, int64_t *out, size_t capacity)
{
    if (index >= infer->op->operand_count)
        return -1;
    return constants_of(infer->known[index], infer->known_count[index], out, capacity);
}

int64_t ran_op_known_ints(const ran_op *op, size_t operand, int64_t *out, size_t capacity)
{
    const ran_value *value = ran_op_operand(op, operand);
    const ran_dim *const *known = NULL;
    size_t count = value ? ran_value_known(value, &known) : 0;
    return constants_of(known, count, out, capacity);
}

const ran_dim **ran_infer_known(ran_infer *infer, size_t index, size_t count)
{
    RAN_ASSERT(infer->context, index < infer->op->result_count && count <= RAN_MAX_KNOWN);
    const ran_dim **known = RAN_ARENA_ARRAY(infer->arena, const ran_dim *, count + 1);
    infer->known_results[index] = known;
    infer->known_result_count[index] = count;
    return known;
}

int ran_axis(int64_t axis, int rank)
{
    if (axis < 0)
        axis += rank;
    return axis < 0 || axis >= rank ? -1 : (int)axis;
}

/* Two dims that broadcast; NULL when they can't. Of two that may differ only by a 1 among them, the
 * larger one. */
static const ran_dim *broadcast_dim(ran_context *context, const ran_dim *a, const ran_dim *b)
{
    if (a == b || ran_dim_is(b, 1))
        return a;
    if (ran_dim_is(a, 1))
        return b;
    bool a_constant = ran_dim_is_constant(a), b_constant = ran_dim_is_constant(b);
    if (a_constant && b_constant)
        return NULL;
    if (a_constant || b_constant)
        return a_constant ? a : b;
    return ran_dim_binary(context, RAN_DIM_MAX, a, b);
}

static ran_layout broadcast_layout(size_t count, const ran_type *const *types, int rank)
{
    for (size_t i = 0; i < count; i++)
        if (types[i] && types[i]->rank == rank && types[i]->layout.block)
            return types[i]->layout;
    return RAN_PLAIN;
}

static ran_status broadcast_axis(ran_infer *infer, size_t count, const ran_type *const *types,
                                 int rank, int axis, const ran_dim **out_dim)
{
    const ran_dim *dim = NULL;
    for (size_t i = 0; i < count; i++) {
        int own = types[i] ? axis - (rank - types[i]->rank) : -1;
        if (own < 0)
            continue;
        const ran_dim *next = types[i]->dims[own];
        const ran_dim *both = dim ? broadcast_dim(infer->context, dim, next) : next;
        if (dim && both && !ran_dim_is(dim, 1) && !ran_dim_is(next, 1))
            ran_infer_require(infer, RAN_EQUAL, "sizes that broadcast (a 1 only where it is bound)",
                              dim, next);
        if (!both)
            return ran_infer_error(infer,
                                   "operand %zu, %s, does not broadcast: axis %d is %s before", i, ran_type_text(infer->context, types[i]), axis,
                                   ran_dim_text(infer->context, dim));
        dim = both;
    }
    *out_dim = dim;
    return RAN_OK;
}

ran_status ran_infer_broadcast(ran_infer *infer, size_t count, const ran_type *const *types,
                               ran_elem elem, const ran_type **out_type)
{
    const ran_dim *dims[RAN_MAX_RANK];
    int rank = 0;
    for (size_t i = 0; i < count; i++) {
        if (!types[i])
            continue;
        if (!ran_type_is_tensor(types[i]))
            return ran_infer_error(infer, "operand %zu is no tensor", i);
        if (types[i]->rank < 0) {
            *out_type = ran_type_tensor(infer->context, elem, -1, NULL, RAN_PLAIN);
            return RAN_OK;
        }
        rank = types[i]->rank > rank ? types[i]->rank : rank;
    }
    for (int axis = 0; axis < rank; axis++) {
        ran_status status = broadcast_axis(infer, count, types, rank, axis, &dims[axis]);
        if (status != RAN_OK)
            return status;
    }
    *out_type = ran_type_tensor(infer->context, elem, rank, dims,
                                broadcast_layout(count, types, rank));
    return RAN_OK;
}

/* ---- The call of a hook ---------------------------------------------------------------------- */

ran_status ran_infer_call(ran_infer *infer)
{
    const ran_op *op = infer->op;
    const ran_op_def *d = ran_op_definition(op->opcode);
    if (!d->hooks->infer)
        return ran_op_error(op, RAN_UNSUPPORTED, "has no shape inference");
    for (size_t i = 0; i < d->operand_count && i < op->operand_count; i++)
        if (!d->operands[i].optional && !d->operands[i].variadic && !infer->operands[i])
            return ran_infer_error(infer, "operand %s is missing", d->operands[i].name);
    if (op->operand_count < d->min_operands)
        return ran_infer_error(infer, "operand %s is missing", d->operands[op->operand_count].name);
    for (size_t i = 0; i < op->operand_count; i++)
        if (infer->operands[i] && !ran_type_fits(infer->operands[i]))
            return ran_infer_error(infer, "operand %zu, %s, is too large", i,
                                   ran_type_text(infer->context, infer->operands[i]));
    ran_status status = d->hooks->infer(infer);
    for (size_t i = 0; status == RAN_OK && i < op->result_count; i++) {
        if (!infer->results[i])
            RAN_BUG(infer->context, "%s: inference left result %zu without a type", d->name, i);
        if (!ran_type_fits(infer->results[i]))
            status = ran_infer_error(infer, "result %s is too large",
                                     ran_type_text(infer->context, infer->results[i]));
    }
    if (status == RAN_OK)
        ran_infer_require_sizes(infer);
    return status;
}

void ran_infer_allocate(ran_infer *infer, ran_arena *arena, const ran_op *op)
{
    size_t in = op->operand_count, out = op->result_count;
    infer->context = ran_op_module(op)->context;
    infer->op = op;
    infer->arena = arena;
    infer->operands = RAN_ARENA_ARRAY(arena, const ran_type *, in);
    infer->known = RAN_ARENA_ARRAY(arena, const ran_dim *const *, in);
    infer->known_count = RAN_ARENA_ARRAY(arena, size_t, in);
    infer->tensors = RAN_ARENA_ARRAY(arena, const ran_tensor *, in);
    infer->results = RAN_ARENA_ARRAY(arena, const ran_type *, out);
    infer->known_results = RAN_ARENA_ARRAY(arena, const ran_dim **, out);
    infer->known_result_count = RAN_ARENA_ARRAY(arena, size_t, out);
}

static void fill_operands(ran_infer *infer)
{
    const ran_op *op = infer->op;
    const ran_type **types = (const ran_type **)infer->operands;
    const ran_dim *const **known = (const ran_dim *const **)infer->known;
    const ran_tensor **tensors = (const ran_tensor **)infer->tensors;
    for (size_t i = 0; i < op->operand_count; i++) {
        const ran_value *value = op->operands[i].value;
        if (!value)
            continue;
        types[i] = value->type;
        ((size_t *)infer->known_count)[i] = ran_value_known(value, &known[i]);
        tensors[i] = ran_value_constant(value);
    }
}

/* ---- Fresh symbols --------------------------------------------------------------------------- */

typedef struct renaming {
    size_t count;
    struct {
        const ran_dim *from, *to;
    } pairs[64];
} renaming;

static const ran_dim *renamed(const ran_dim *symbol, void *data)
{
    const renaming *r = data;
    for (size_t i = 0; i < r->count; i++)
        if (r->pairs[i].from == symbol)
            return r->pairs[i].to;
    return NULL;
}

typedef struct matcher {
    renaming *r;
    uint64_t first; /* number of the first symbol of this call */
    bool any;       /* the verifier lets a fresh size be whatever the type says */
} matcher;

/* Expressions of the same form match symbol by symbol. */
static void match_dim(const matcher *m, const ran_dim *now, const ran_dim *before, int depth)
{
    int64_t number = ran_dim_fresh_number(now);
    bool is_new = number >= 0 && (uint64_t)number >= m->first;
    if (is_new && m->r->count < 64 &&
        ((m->any && !depth) || ran_dim_fresh_number(before) >= 0) && !renamed(now, m->r)) {
        m->r->pairs[m->r->count].from = now;
        m->r->pairs[m->r->count++].to = before;
    }
    if (now->kind != before->kind || !now->lhs || !before->lhs || depth > 8)
        return;
    match_dim(m, now->lhs, before->lhs, depth + 1);
    match_dim(m, now->rhs, before->rhs, depth + 1);
}

static void match_fresh(const matcher *m, const ran_type *now, const ran_type *before)
{
    if (!before || !ran_type_is_tensor(before) || !ran_type_is_tensor(now) ||
        before->rank != now->rank)
        return;
    for (int i = 0; i < now->rank; i++)
        match_dim(m, now->dims[i], before->dims[i], 0);
}

static const ran_type *rename_type(ran_context *context, const ran_type *type, renaming *r)
{
    const ran_dim *dims[RAN_MAX_RANK];
    if (!ran_type_is_tensor(type))
        return type;
    for (int i = 0; i < type->rank; i++)
        dims[i] = ran_dim_substitute(context, type->dims[i], renamed, r);
    return ran_type_tensor(context, type->elem, type->rank, dims, type->layout);
}

/* `first`: number of the first symbol, `condition`: index of the first condition, of this call. */
static void keep_fresh_symbols(ran_infer *infer, uint64_t first, size_t condition)
{
    renaming r = {0};
    if (infer->context->fresh_count == first)
        return;
    for (size_t i = 0; i < infer->op->result_count; i++)
        match_fresh(&(matcher){&r, first, infer->check_only}, infer->results[i],
                    infer->op->results[i].type);
    for (size_t i = 0; r.count && i < infer->op->result_count; i++) {
        infer->results[i] = rename_type(infer->context, infer->results[i], &r);
        for (size_t j = 0; infer->known_results[i] && j < infer->known_result_count[i]; j++)
            infer->known_results[i][j] =
                ran_dim_substitute(infer->context, infer->known_results[i][j], renamed, &r);
    }
    for (size_t i = condition; infer->conditions && i < infer->conditions->count; i++) {
        ran_condition *c = &infer->conditions->items[i];
        c->a = ran_dim_substitute(infer->context, c->a, renamed, &r);
        c->b = ran_dim_substitute(infer->context, c->b, renamed, &r);
    }
}

static ran_status infer_op(ran_infer *infer, ran_arena *arena, const ran_op *op)
{
    ran_infer_allocate(infer, arena, op);
    fill_operands(infer);
    uint64_t first = infer->context->fresh_count;
    size_t condition = infer->conditions ? infer->conditions->count : 0;
    ran_status status = ran_infer_call(infer);
    if (status == RAN_OK)
        keep_fresh_symbols(infer, first, condition);
    return status;
}

ran_status ran_infer_op(ran_infer *infer, ran_arena *arena, const ran_op *op, bool check_only)
{
    *infer = (ran_infer){.check_only = check_only};
    return infer_op(infer, arena, op);
}

ran_status ran_infer_conditions(ran_arena *arena, const ran_op *op, ran_conditions *conditions)
{
    ran_infer infer = {.check_only = true, .conditions = conditions};
    return infer_op(&infer, arena, op);
}

/* ---- Ops and functions ----------------------------------------------------------------------- */

static void keep_known(const ran_op *op, const ran_infer *infer, size_t index)
{
    ran_value *value = &op->results[index];
    const ran_dim **known = infer->known_results[index];
    size_t count = known ? infer->known_result_count[index] : 0;
    size_t bytes = count * sizeof *known;
    /* Inferring again must not fill the arena with the same elements. */
    bool same = known && value->known && value->known_count == count &&
                memcmp(value->known, known, bytes) == 0;
    if (!same)
        value->known = known ? ran_arena_copy(ran_op_module(op)->arena, known, bytes) : NULL;
    value->known_count = (uint32_t)count;
}

void ran_infer_keep_known(const ran_op *op, const ran_infer *infer)
{
    for (size_t i = 0; i < op->result_count; i++)
        keep_known(op, infer, i);
}

ran_status ran_op_infer_types(ran_op *op)
{
    ran_infer infer;
    ran_arena *scratch = ran_arena_create();
    ran_status status = ran_infer_op(&infer, scratch, op, false);
    for (size_t i = 0; status == RAN_OK && i < op->result_count; i++) {
        ran_value_set_type(&op->results[i], infer.results[i]);
        keep_known(op, &infer, i);
    }
    ran_arena_destroy(scratch);
    return status;
}

ran_status ran_region_infer_types(ran_region *region)
{
    for (ran_op *op = region->first; op; op = op->next) {
        ran_status status = ran_op_infer_types(op);
        if (status != RAN_OK)
            return status;
    }
    return RAN_OK;
}

ran_status ran_function_infer_types(ran_function *function)
{
    return ran_region_infer_types(function->body);
}

typedef struct binding {
    const char *name; /* interned */
    const ran_dim *value;
} binding;

static const ran_dim *bound(const ran_dim *symbol, void *data)
{
    const binding *b = data;
    return symbol->name == b->name ? b->value : NULL;
}

ran_status ran_function_bind_dim(ran_function *function, const char *symbol, int64_t value)
{
    ran_context *context = function->module->context;
    binding b = {ran_intern(context, symbol), ran_dim_constant(context, value)};
    bool found = false;
    if (value < 0)
        return ran_error(context, RAN_USAGE, "dimension %s can't be %lld", symbol,
                         (long long)value);
    for (size_t i = 0; i < function->body->argument_count; i++) {
        ran_value *argument = function->body->arguments[i];
        const ran_type *type = argument->type;
        const ran_dim *dims[RAN_MAX_RANK];
        if (!ran_type_is_tensor(type) || type->rank < 0)
            continue;
        for (int axis = 0; axis < type->rank; axis++)
            dims[axis] = ran_dim_substitute(context, type->dims[axis], bound, &b);
        ran_value_set_type(argument, ran_type_tensor(context, type->elem, type->rank, dims,
                                                     type->layout));
        found |= argument->type != type;
    }
    if (!found)
        return ran_error(context, RAN_USAGE, "no input of %s has a dimension %s", function->name,
                         symbol);
    return ran_function_infer_types(function);
}
