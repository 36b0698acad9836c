/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Gradient of einsum: for "ij,jk->ik", dA is einsum("ik,jk->ij", dy, B): the output and the other
 * operands make the operand. Letters that only the operand has were summed over: the gradient is
 * the same along them. An ellipsis becomes letters of its own, since ranks are known.
 */
#include "ir/ops/gradient.h"

#include <stdio.h>
#include <string.h>

enum { MAX_TERMS = 8, MAX_LETTERS = RAN_MAX_RANK + 1 };

typedef struct equation {
    const char *text;
    size_t count;
    char terms[MAX_TERMS + 1][MAX_LETTERS]; /* of the operands; the output's is last */
} equation;

static const char ellipsis_letters[] = "ABCDEFGHIJKLMNOP";

/* The letters of one term up to `end`, its ellipsis as the last letters of the pool. */
static bool read_term(const equation *e, const char *from, const char *end, int rank, char *out)
{
    int letters = 0, length = 0;
    for (const char *at = from; at < end; at++)
        letters += *at != ' ' && *at != '.';
    for (const char *at = from; at < end; at++) {
        if (*at == '.') {
            int missing = rank - letters;
            if (missing < 0 || length + missing >= MAX_LETTERS)
                return false;
            memcpy(out + length, ellipsis_letters + RAN_MAX_RANK - missing, (size_t)missing);
            length += missing;
            at += 2;
        } else if (*at != ' ') {
            if (length + 1 >= MAX_LETTERS || strchr(out, *at) ||
                (strchr(e->text, '.') && strchr(ellipsis_letters, *at)))
                return false; /* a diagonal, or a letter that ellipses take */
            out[length++] = *at;
        }
    }
    return length == rank;
}

static bool read_equation(const ran_op *op, equation *e)
{
    e->text = ran_op_string(op, "equation");
    const char *arrow = strstr(e->text, "->"), *at = e->text;
    e->count = op->operand_count;
    if (!arrow || e->count > MAX_TERMS)
        return false;
    for (size_t i = 0; i < e->count; i++) {
        const char *end = i + 1 < e->count ? strchr(at, ',') : arrow;
        if (!end || !read_term(e, at, end, ran_gradient_rank(ran_op_operand(op, i)), e->terms[i]))
            return false;
        at = end + 1;
    }
    return read_term(e, arrow + 2, arrow + strlen(arrow), ran_gradient_rank(ran_op_result(op, 0)),
                     e->terms[e->count]);
}

/* A letter has one extent; the broadcasting of ones in ellipses is not covered. */
static bool has_one_extent_each(const ran_op *op, const equation *e)
{
    int64_t extents[256] = {0};
    for (size_t i = 0; i < e->count; i++)
        for (int axis = 0; e->terms[i][axis]; axis++) {
            int64_t *known = &extents[(unsigned char)e->terms[i][axis]];
            int64_t extent = ran_gradient_extent(ran_op_operand(op, i), axis);
            if (*known && *known != extent)
                return false;
            *known = extent;
        }
    return true;
}

static bool is_elsewhere(const equation *e, size_t operand, char letter)
{
    for (size_t i = 0; i <= e->count; i++)
        if (i != operand && strchr(e->terms[i], letter))
            return true;
    return false;
}

static ran_value *operand_gradient(ran_gradient *g, const ran_op *op, const equation *e,
                                   size_t operand)
{
    char text[(MAX_TERMS + 2) * (MAX_LETTERS + 2)], kept[MAX_LETTERS] = "";
    ran_value *operands[MAX_TERMS] = {ran_gradient_of(g, 0)}, *x = ran_op_operand(op, operand);
    int64_t gone[RAN_MAX_RANK];
    size_t count = 1, gone_count = 0, length = 0;
    int at = snprintf(text, sizeof text, "%s", e->terms[e->count]);
    for (size_t i = 0; i < e->count; i++)
        if (i != operand) {
            operands[count++] = ran_op_operand(op, i);
            at += snprintf(text + at, sizeof text - (size_t)at, ",%s", e->terms[i]);
        }
    for (int axis = 0; e->terms[operand][axis]; axis++)
        if (is_elsewhere(e, operand, e->terms[operand][axis]))
            kept[length++] = e->terms[operand][axis];
        else
            gone[gone_count++] = axis;
    snprintf(text + at, sizeof text - (size_t)at, "->%s", kept);
    ran_op *product = ran_gradient_op(g, RAN_OP_EINSUM, count, operands, 1);
    ran_op_set_string(product, "equation", text);
    ran_value *d = ran_gradient_unsqueeze(g, ran_gradient_finish(g, product), gone, gone_count);
    return ran_gradient_expand_like(g, d, x);
}

ran_status ran_einsum_gradient(ran_gradient *g, const ran_op *op)
{
    equation e = {0};
    ran_status status = ran_gradient_need_static(op);
    if (!ran_gradient_of(g, 0) || status != RAN_OK)
        return status;
    if (!read_equation(op, &e) || !has_one_extent_each(op, &e))
        return ran_op_error(op, RAN_UNSUPPORTED,
                            "equation \"%s\": no gradient of diagonals, of ellipses that "
                            "broadcast, and of equations without \"->\"",
                            ran_op_string(op, "equation"));
    for (size_t i = 0; i < op->operand_count; i++)
        if (ran_gradient_needed(g, i))
            ran_gradient_add(g, i, operand_gradient(g, op, &e, i));
    return RAN_OK;
}
