/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * einsum: sums of products over labelled axes.
 *
 * A label is a letter; the axes of an ellipsis get labels of their own, counted from the right, so
 * that they broadcast like numpy's. Evaluation visits the output's labels in order and sums over
 * the others.
 */
#include "ir/ops/compute.h"
#include "ir/ops/gradient.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>

enum { LETTERS = 128, LABELS = LETTERS + RAN_MAX_RANK, MAX_TERMS = 16 };

/* The labels of one operand or of the output. */
typedef struct term {
    int rank;
    int labels[RAN_MAX_RANK];
} term;

typedef struct equation {
    const ran_op *op;
    int term_count, ellipsis; /* the widest ellipsis */
    term terms[MAX_TERMS], output;
} equation;

static ran_status add_label(const equation *q, term *t, int label)
{
    if (t->rank == RAN_MAX_RANK)
        return ran_op_error(q->op, RAN_UNSUPPORTED, "more than %d labels in a term", RAN_MAX_RANK);
    t->labels[t->rank++] = label;
    return RAN_OK;
}

static ran_status add_ellipsis(equation *q, term *t, int width)
{
    ran_status status = RAN_OK;
    if (width < 0)
        return ran_op_error(q->op, RAN_INVALID, "a term has more labels than its operand has axes");
    q->ellipsis = width > q->ellipsis ? width : q->ellipsis;
    for (int i = width - 1; i >= 0 && status == RAN_OK; i--)
        status = add_label(q, t, LETTERS + i);
    return status;
}

static int count_letters(const char *text, const char *end)
{
    int count = 0;
    for (; text < end; text++)
        count += isalpha((unsigned char)*text) != 0;
    return count;
}

/* A term in [text, end) of an operand of this rank (the output passes what its ellipsis makes). */
static ran_status parse_term(equation *q, const char *text, const char *end, int rank, term *t)
{
    ran_status status = RAN_OK;
    bool has_ellipsis = false;
    int letters = count_letters(text, end);
    for (; text < end && status == RAN_OK; text++) {
        if (isspace((unsigned char)*text))
            continue;
        if (isalpha((unsigned char)*text)) {
            status = add_label(q, t, (unsigned char)*text);
        } else if (!has_ellipsis && end - text >= 3 && !strncmp(text, "...", 3)) {
            has_ellipsis = true;
            status = add_ellipsis(q, t, rank - letters);
            text += 2;
        } else {
            return ran_op_error(q->op, RAN_INVALID, "equation \"%s\": unexpected '%c'",
                                ran_op_string(q->op, "equation"), *text);
        }
    }
    if (status == RAN_OK && t->rank != rank)
        return ran_op_error(q->op, RAN_INVALID, "equation \"%s\": a term has %d labels for rank %d",
                            ran_op_string(q->op, "equation"), t->rank, rank);
    return status;
}

/* Without "->": the ellipsis, then the labels that occur once, in alphabetical order. */
static ran_status implicit_output(equation *q)
{
    int occurrences[LABELS] = {0};
    for (int i = 0; i < q->term_count; i++)
        for (int axis = 0; axis < q->terms[i].rank; axis++)
            occurrences[q->terms[i].labels[axis]]++;
    ran_status status = add_ellipsis(q, &q->output, q->ellipsis);
    for (int label = 0; label < LETTERS && status == RAN_OK; label++)
        if (occurrences[label] == 1)
            status = add_label(q, &q->output, label);
    return status;
}

static bool has_label(const term *t, int label)
{
    for (int i = 0; i < t->rank; i++)
        if (t->labels[i] == label)
            return true;
    return false;
}

static ran_status check_output(const equation *q)
{
    for (int i = 0; i < q->output.rank; i++) {
        bool found = false;
        for (int k = 0; k < q->term_count; k++)
            found |= has_label(&q->terms[k], q->output.labels[i]);
        term rest = {.rank = i};
        memcpy(rest.labels, q->output.labels, (size_t)i * sizeof *rest.labels);
        if (!found || has_label(&rest, q->output.labels[i]))
            return ran_op_error(q->op, RAN_INVALID, "equation \"%s\": bad label in the output",
                                ran_op_string(q->op, "equation"));
    }
    return RAN_OK;
}

static ran_status parse_equation(const ran_op *op, const int *ranks, int count, equation *q)
{
    const char *text = ran_op_string(op, "equation"), *arrow = strstr(text, "->");
    const char *end = arrow ? arrow : text + strlen(text);
    ran_status status = RAN_OK;
    *q = (equation){.op = op};
    if (count > MAX_TERMS)
        return ran_op_error(op, RAN_UNSUPPORTED, "more than %d operands", MAX_TERMS);
    for (const char *start = text; status == RAN_OK; start++) {
        const char *comma = memchr(start, ',', (size_t)(end - start));
        if (q->term_count == count)
            return ran_op_error(op, RAN_INVALID, "equation \"%s\" has more terms than operands",
                                text);
        status = parse_term(q, start, comma ? comma : end, ranks[q->term_count],
                            &q->terms[q->term_count]);
        q->term_count++;
        if (!comma)
            break;
        start = comma;
    }
    if (status == RAN_OK && q->term_count != count)
        return ran_op_error(op, RAN_INVALID, "equation \"%s\" has fewer terms than operands", text);
    if (status != RAN_OK)
        return status;
    if (!arrow)
        return implicit_output(q);
    const char *output = arrow + 2, *output_end = text + strlen(text);
    int width = strstr(output, "...") ? q->ellipsis : 0;
    status =
        parse_term(q, output, output_end, count_letters(output, output_end) + width, &q->output);
    return status == RAN_OK ? check_output(q) : status;
}

/* ---- Inference ------------------------------------------------------------------------------ */

static ran_status merge_extent(const ran_infer *infer, const ran_dim **known, const ran_dim *dim)
{
    if (!*known || ran_dim_is(*known, 1))
        *known = dim;
    else if (!ran_dim_is(dim, 1) && !ran_dim_is_constant(*known) && ran_dim_is_constant(dim))
        *known = dim;
    else if (!ran_dim_is(dim, 1))
        return ran_infer_check_equal_dims(infer, "extents of one label", *known, dim);
    return RAN_OK;
}

static ran_status infer_einsum(ran_infer *infer)
{
    int ranks[MAX_TERMS] = {0}, count = (int)infer->op->operand_count;
    equation q;
    for (int i = 0; i < count && i < MAX_TERMS; i++) {
        ran_status status = ran_infer_check_elem(infer, (size_t)i, "FI");
        if (status == RAN_OK)
            status = ran_infer_check_same_elem(infer, 0, (size_t)i);
        if (status != RAN_OK)
            return status;
        ranks[i] = ran_type_rank(infer->operands[i]);
        if (ranks[i] < 0)
            return ran_infer_result_unknown(infer, 0, ran_type_elem(infer->operands[0]));
    }
    ran_status status = parse_equation(infer->op, ranks, count, &q);
    const ran_dim *extents[LABELS] = {NULL}, *dims[RAN_MAX_RANK];
    for (int i = 0; i < q.term_count && status == RAN_OK; i++)
        for (int axis = 0; axis < q.terms[i].rank && status == RAN_OK; axis++)
            status = merge_extent(infer, &extents[q.terms[i].labels[axis]],
                                  ran_type_dim(infer->operands[i], axis));
    if (status != RAN_OK)
        return status;
    for (int i = 0; i < q.output.rank; i++)
        dims[i] = extents[q.output.labels[i]];
    return ran_infer_result(infer, 0, ran_type_elem(infer->operands[0]), q.output.rank, dims);
}

/* ---- Evaluation ----------------------------------------------------------------------------- */

/* The index space of all labels: the output's first, then those that are summed. */
typedef struct space {
    int count, output_count, order[LABELS];
    int64_t extent[LABELS];
    int64_t stride[MAX_TERMS][LABELS]; /* of a label's axes in an operand, repeated ones added up */
} space;

static void add_strides(space *s, const term *t, const ran_tensor *x, int index)
{
    int64_t stride = 1;
    for (int axis = t->rank - 1; axis >= 0; axis--) {
        int64_t extent = ran_tensor_dims(x)[axis];
        int label = t->labels[axis];
        s->stride[index][label] += extent == 1 ? 0 : stride;
        s->extent[label] = s->extent[label] <= 1 ? extent : s->extent[label];
        stride *= extent;
    }
}

static void order_labels(space *s, const equation *q)
{
    bool placed[LABELS] = {false};
    for (int i = 0; i < q->output.rank; i++) {
        s->order[s->count++] = q->output.labels[i];
        placed[q->output.labels[i]] = true;
    }
    s->output_count = s->count;
    for (int i = 0; i < q->term_count; i++)
        for (int axis = 0; axis < q->terms[i].rank; axis++)
            if (!placed[q->terms[i].labels[axis]]) {
                s->order[s->count++] = q->terms[i].labels[axis];
                placed[q->terms[i].labels[axis]] = true;
            }
}

typedef struct sum {
    const space *s;
    int terms;
    bool is_int;
    void *const *data;
} sum;

static void add_product(const sum *u, const int64_t *offset, double *f, uint64_t *i)
{
    if (u->is_int) {
        uint64_t product = 1;
        for (int t = 0; t < u->terms; t++)
            product *= ((const uint64_t *)u->data[t])[offset[t]];
        *i += product;
        return;
    }
    double product = 1;
    for (int t = 0; t < u->terms; t++)
        product *= ((const double *)u->data[t])[offset[t]];
    *f += product;
}

/* Sums over the labels from `depth` on, starting at `offset` in each operand. */
static void add_all(const sum *u, int depth, const int64_t *offset, double *f, uint64_t *i)
{
    const space *s = u->s;
    if (depth == s->count) {
        add_product(u, offset, f, i);
        return;
    }
    int label = s->order[depth];
    int64_t at[MAX_TERMS];
    memcpy(at, offset, (size_t)u->terms * sizeof *at);
    for (int64_t k = 0; k < s->extent[label]; k++) {
        add_all(u, depth + 1, at, f, i);
        for (int t = 0; t < u->terms; t++)
            at[t] += s->stride[t][label];
    }
}

static void visit_outputs(const sum *u, int depth, const int64_t *offset, char **out)
{
    const space *s = u->s;
    if (depth == s->output_count) {
        double f = 0;
        uint64_t i = 0;
        add_all(u, depth, offset, &f, &i);
        memcpy(*out, u->is_int ? (void *)&i : (void *)&f, 8);
        *out += 8;
        return;
    }
    int label = s->order[depth];
    int64_t at[MAX_TERMS];
    memcpy(at, offset, (size_t)u->terms * sizeof *at);
    for (int64_t k = 0; k < s->extent[label]; k++) {
        visit_outputs(u, depth + 1, at, out);
        for (int t = 0; t < u->terms; t++)
            at[t] += s->stride[t][label];
    }
}

static ran_status evaluate_einsum(ran_evaluation *e)
{
    int ranks[MAX_TERMS] = {0}, count = (int)e->op->operand_count;
    void *data[MAX_TERMS];
    int64_t offset[MAX_TERMS] = {0};
    equation q;
    for (int i = 0; i < count && i < MAX_TERMS; i++)
        ranks[i] = ran_tensor_rank(e->operands[i]);
    ran_status status = parse_equation(e->op, ranks, count, &q);
    if (status != RAN_OK)
        return status;
    bool is_int = ran_elem_is_int(ran_tensor_elem(e->operands[0]));
    space *s = RAN_NEW(space, 1);
    for (int i = 0; i < count; i++) {
        add_strides(s, &q.terms[i], e->operands[i], i);
        data[i] = is_int ? (void *)ran_load_i64(e->operands[i]) : ran_load_f64(e->operands[i]);
    }
    order_labels(s, &q);
    char *y = ran_new_bytes(ran_tensor_numel(e->results[0]), 8), *out = y;
    visit_outputs(&(sum){s, count, is_int, data}, 0, offset, &out);
    if (is_int)
        ran_store_i64(e->results[0], (int64_t *)y);
    else
        ran_store_f64(e->results[0], (double *)y);
    for (int i = 0; i < count; i++)
        free(data[i]);
    free(y);
    free(s);
    return RAN_OK;
}

/* One multiplication less than operands, over the whole index space. */
static void count_einsum(const ran_op *op, ran_counts *counts)
{
    int ranks[MAX_TERMS] = {0}, terms = (int)op->operand_count;
    int64_t extents[LABELS] = {0}, product = 1;
    equation q;
    if (terms > MAX_TERMS)
        return;
    for (int i = 0; i < terms; i++)
        if ((ranks[i] = ran_type_rank(ran_value_type(ran_op_operand(op, (size_t)i)))) < 0)
            return;
    if (parse_equation(op, ranks, terms, &q) != RAN_OK)
        return;
    for (int i = 0; i < terms; i++)
        for (int axis = 0; axis < ranks[i]; axis++) {
            int64_t extent = ran_count_extent(ran_op_operand(op, (size_t)i), axis);
            int label = q.terms[i].labels[axis];
            extents[label] = extent > extents[label] ? extent : extents[label];
        }
    for (int label = 0; label < LABELS; label++)
        product *= extents[label] ? extents[label] : 1;
    counts->macs += product * (terms - 1);
}

const ran_op_hooks ran_hooks_einsum = {.infer = infer_einsum,
                                       .evaluate = evaluate_einsum,
                                       .count = count_einsum,
                                       .gradient = ran_einsum_gradient};
