/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * State updated in place: the caller may pass one buffer as an argument and as the result that is its
 * next value (ran_function_updates). The kernel that writes the result must then run after all
 * others that read the argument, and may read it itself only where it stores next.
 *
 * Before: kernels in the order of the program. After: each such writer stands behind the readers,
 * or the result goes to the workspace and a kernel at the end of the function copies it. A result
 * that is an argument whose buffer gets another value is copied aside first (the exchange of two
 * arguments).
 * A writer moves down to its first user at most; each round moves at least one writer, and there are
 * as many rounds as outputs, so that it ends: what is still wrong then gets a copy.
 */
#include "codegen/lower.h"
#include "passes/grad/grad.h"

/* Whether the anchor needs the value, directly or through its prologue. */
static bool reaches_anchor(const ran_value *argument, const ran_op *anchor)
{
    for (const ran_use *use = ran_value_first_use(argument); use; use = ran_use_next(use)) {
        const ran_op *op = ran_use_op(use);
        if (op == anchor)
            return true;
        if (anchor && ran_op_is_before(op, anchor) && op->result_count &&
            reaches_anchor(ran_op_result(op, 0), anchor))
            return true;
    }
    return false;
}

bool ran_kernel_reads_where_stored(const ran_op *kernel, size_t operand, const ran_type *result)
{
    const ran_value *argument = ran_region_argument(ran_op_region(kernel, 0), operand);
    return ran_value_type(ran_op_operand(kernel, operand)) == result &&
           !reaches_anchor(argument, ran_kernel_anchor(kernel));
}

/* ---- Readers ----------------------------------------------------------------------------------- */

static ran_op *later(ran_op *a, ran_op *b)
{
    return !a || (b && ran_op_is_before(a, b)) ? b : a;
}

static ran_op *earlier(ran_op *a, ran_op *b)
{
    return !a || (b && ran_op_is_before(b, a)) ? b : a;
}

/* The last (or first) op but `except` that reads the memory of a value, also through views. */
static ran_op *extreme_reader(const ran_value *value, const ran_op *except,
                              ran_op *(*pick)(ran_op *, ran_op *))
{
    ran_op *found = NULL;
    for (ran_use *use = ran_value_first_use(value); use; use = ran_use_next(use)) {
        ran_op *op = ran_use_op(use);
        if (ran_op_is_view(op))
            op = extreme_reader(ran_op_result(op, 0), except, pick);
        if (op && op != except && op->opcode != RAN_OP_RETURN)
            found = pick(found, op);
    }
    return found;
}

static bool has_views(const ran_op *op)
{
    for (size_t i = 0; i < op->result_count; i++)
        for (ran_use *use = ran_value_first_use(ran_op_result(op, i)); use; use = ran_use_next(use))
            if (ran_op_is_view(ran_use_op(use)))
                return true;
    return false;
}

/* ---- Updates ------------------------------------------------------------------------------------- */

typedef struct update {
    const ran_value *argument; /* NULL: the output is no argument's next value */
    ran_op *writer;            /* NULL: an argument or a constant */
} update;

static update update_of(const ran_function *function, size_t output)
{
    const ran_region *body = ran_function_body(function);
    int argument = ran_function_updates(function, output);
    const ran_value *root =
        ran_view_root(ran_op_operand(ran_region_terminator(body), output));
    return (update){argument < 0 ? NULL : ran_region_argument(body, (size_t)argument),
                    ran_value_op(root)};
}

static bool reads_only_where_stored(const update *u, const ran_value *output)
{
    const ran_type *type = ran_value_type(ran_view_root(output));
    for (size_t i = 0; i < u->writer->operand_count; i++)
        if (ran_view_root(ran_op_operand(u->writer, i)) == u->argument &&
            !ran_kernel_reads_where_stored(u->writer, i, type))
            return false;
    return true;
}

static bool comes_too_early(const update *u)
{
    ran_op *reader = extreme_reader(u->argument, u->writer, later);
    return reader && ran_op_is_before(u->writer, reader);
}

/* Down to the first user. Returns whether it moved. */
static bool sink(const update *u, ran_op *ret)
{
    ran_op *user = NULL;
    if (has_views(u->writer))
        return false;
    for (size_t i = 0; i < u->writer->result_count; i++)
        user = earlier(user, extreme_reader(ran_op_result(u->writer, i), NULL, earlier));
    user = user ? user : ret;
    if (ran_op_next(u->writer) == user)
        return false;
    ran_op_move_before(u->writer, user);
    return true;
}

static bool is_updated(const ran_function *function, const ran_value *argument, size_t except)
{
    const ran_op *ret = ran_region_terminator(ran_function_body(function));
    for (size_t i = 0; i < ret->operand_count; i++)
        if (i != except && update_of(function, i).argument == argument)
            return true;
    return false;
}

/* Outputs that are arguments whose buffers get other values. */
static void copy_aside(ran_function *function, ran_op *ret)
{
    for (size_t i = 0; i < ret->operand_count; i++) {
        ran_value *value = ran_op_operand(ret, i);
        const ran_value *root = ran_view_root(value);
        if (!ran_value_op(root) && !ran_value_constant(root) && is_updated(function, root, i))
            ran_op_set_operand(ret, i, ran_copy_of(ret, value));
    }
}

void ran_order_updates(ran_function *function)
{
    ran_op *ret = ran_region_terminator(ran_function_body(function));
    bool moved = true;
    copy_aside(function, ret);
    for (size_t round = 0; moved && round < ret->operand_count; round++) {
        moved = false;
        for (size_t i = ret->operand_count; i-- > 0;) {
            update u = update_of(function, i);
            if (u.argument && u.writer && comes_too_early(&u))
                moved = sink(&u, ret) || moved;
        }
    }
    for (size_t i = 0; i < ret->operand_count; i++) {
        update u = update_of(function, i);
        if (u.argument && u.writer &&
            (comes_too_early(&u) || !reads_only_where_stored(&u, ran_op_operand(ret, i))))
            ran_op_set_operand(ret, i, ran_copy_of(ret, ran_op_operand(ret, i)));
    }
}
