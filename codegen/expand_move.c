/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Data movement, quantisation and einsum by simpler ops. */
#include <ctype.h>
#include <math.h>
#include <string.h>

#include "codegen/expand.h"

static ran_value *operand(const ran_expansion *e, size_t index)
{
    return ran_op_operand(e->op, index);
}

static const ran_type *operand_type(const ran_expansion *e, size_t index)
{
    return ran_value_type(operand(e, index));
}

static const ran_type *result_type(const ran_expansion *e)
{
    return ran_value_type(ran_op_result(e->op, 0));
}

static const ran_dim *number(const ran_expansion *e, int64_t value)
{
    return ran_dim_constant(e->context, value);
}

/* ---- Generators and dropout ------------------------------------------------------------------ */

/* In inference, or with nothing to drop. */
bool ran_expand_dropout(ran_expansion *e)
{
    const ran_value *ratio = operand(e, 1), *training = operand(e, 2);
    const ran_tensor *r = ratio ? ran_value_constant(ratio) : NULL;
    const ran_tensor *t = training ? ran_value_constant(training) : NULL;
    bool is_off = !training || (t && !ran_tensor_get_i64(t, 0));
    if (!is_off && !(r && ran_tensor_get_f64(r, 0) == 0))
        return false;
    e->results[0] = operand(e, 0);
    if (e->op->result_count > 1)
        e->results[1] =
            ran_expand_fill(e, ran_expand_scalar(e, RAN_ELEM_BOOL, 1),
                            ran_type_with_elem(e->context, operand_type(e, 0), RAN_ELEM_BOOL));
    return true;
}

bool ran_expand_constant_of_shape(ran_expansion *e)
{
    const ran_tensor *value = ran_op_tensor(e->op, "value");
    ran_value *scalar = value ? ran_constant_create(e->builder.module, NULL, value)
                              : ran_expand_scalar(e, RAN_ELEM_F32, 0);
    e->results[0] = ran_expand_fill(e, ran_expand_view(e, scalar, 0, NULL), result_type(e));
    return true;
}

/* Ones, cut off on both sides of the diagonal. */
bool ran_expand_eye_like(ran_expansion *e)
{
    ran_elem elem = ran_type_elem(result_type(e));
    ran_value *y = ran_expand_fill(e, ran_expand_scalar(e, elem, 1), result_type(e));
    ran_tensor *k = ran_tensor_create(RAN_ELEM_I64, 0, NULL);
    ran_tensor_set_i64(k, 0, ran_op_int(e->op, "k"));
    ran_value *diagonal = ran_constant_create(e->builder.module, NULL, k);
    ran_tensor_release(k);
    for (int upper = 0; upper < 2; upper++) {
        ran_value *operands[] = {y, diagonal};
        ran_op *op = ran_op_create(&e->builder, RAN_OP_TRILU, 2, operands, 1);
        ran_op_set_int(op, "upper", upper);
        y = ran_expand_finish(e, op);
    }
    e->results[0] = y;
    return true;
}

/* Indices of another type become i64. */
bool ran_expand_one_hot(ran_expansion *e)
{
    ran_elem elem = ran_type_elem(operand_type(e, 0));
    if (elem == RAN_ELEM_I64 || !(ran_elem_is_int(elem) || ran_elem_is_float(elem)))
        return false;
    ran_value *operands[] = {ran_expand_cast(e, operand(e, 0), RAN_ELEM_I64), operand(e, 1),
                             operand(e, 2)};
    ran_op *op = ran_op_create(&e->builder, RAN_OP_ONE_HOT, 3, operands, 1);
    ran_op_set_int(op, "axis", ran_op_int(e->op, "axis"));
    ran_value_set_type(ran_op_result(op, 0), result_type(e));
    e->results[0] = ran_op_result(op, 0);
    return true;
}

/* [N, C, H, W] as [N, C, H/b, b, W/b, b] -> [N, b, b, C, H/b, W/b]. */
bool ran_expand_space_to_depth(ran_expansion *e)
{
    static const int64_t perm[] = {0, 3, 5, 1, 2, 4};
    const ran_type *x = operand_type(e, 0), *y = result_type(e);
    const ran_dim *b = number(e, ran_op_int(e->op, "blocksize")), *dims[4];
    for (int i = 0; i < 4; i++)
        dims[i] = ran_type_dim(y, i);
    const ran_dim *split[] = {dims[0], ran_type_dim(x, 1), dims[2], b, dims[3], b};
    ran_value *value = ran_expand_view(e, operand(e, 0), 6, split);
    value = ran_expand_transpose(e, value, 6, perm);
    e->results[0] = ran_expand_view(e, value, 4, dims);
    return true;
}

/* ---- Quantisation ---------------------------------------------------------------------------- */

/* x, scale and zero point such that they broadcast; in blocks, the axis is split. */
typedef struct grain {
    ran_value *x, *scale, *zero;
    int rank;
    const ran_dim *dims[RAN_MAX_RANK]; /* of x */
} grain;

static bool is_one(const ran_value *value)
{
    const ran_type *type = ran_value_type(value);
    return ran_type_is_static(type) && ran_type_numel(type) == 1;
}

static ran_value *spread(ran_expansion *e, ran_value *value, int axis, int rank)
{
    if (!value)
        return NULL;
    return is_one(value) ? ran_expand_view(e, value, 0, NULL)
                         : ran_expand_along(e, value, axis, rank);
}

/* Dims with `axis` replaced by two of the given extents. */
static int split_axis(const ran_type *type, int axis, const ran_dim *outer, const ran_dim *inner,
                      const ran_dim **out)
{
    int n = 0;
    for (int i = 0; i < ran_type_rank(type); i++) {
        out[n++] = i == axis ? outer : ran_type_dim(type, i);
        if (i == axis)
            out[n++] = inner;
    }
    return n;
}

static bool split_blocks(ran_expansion *e, grain *g, int axis)
{
    const ran_dim *dims[RAN_MAX_RANK];
    const ran_type *x = ran_value_type(g->x), *scale = ran_value_type(g->scale);
    int64_t block = ran_op_int(e->op, "block_size");
    if (!ran_dim_is_constant(ran_type_dim(x, axis)) || ran_type_extent(x, axis) % block ||
        ran_type_rank(x) + 1 > RAN_MAX_RANK)
        return false;
    const ran_dim *count = ran_type_dim(scale, axis);
    int rank = split_axis(x, axis, count, number(e, block), dims);
    g->x = ran_expand_view(e, g->x, rank, dims);
    rank = split_axis(scale, axis, count, number(e, 1), dims);
    g->scale = ran_expand_view(e, g->scale, rank, dims);
    g->zero = g->zero ? ran_expand_view(e, g->zero, rank, dims) : NULL;
    return true;
}

static bool make_grain(ran_expansion *e, grain *g)
{
    *g = (grain){
        operand(e, 0), operand(e, 1), operand(e, 2), ran_type_rank(operand_type(e, 0)), {NULL}};
    for (int i = 0; i < g->rank; i++)
        g->dims[i] = ran_type_dim(operand_type(e, 0), i);
    int axis = is_one(g->scale) ? 0 : ran_axis(ran_op_int(e->op, "axis"), g->rank);
    if (ran_op_int(e->op, "block_size") && !is_one(g->scale))
        return split_blocks(e, g, axis);
    g->scale = spread(e, g->scale, axis, g->rank);
    g->zero = spread(e, g->zero, axis, g->rank);
    return true;
}

static bool is_small_int(ran_elem elem)
{
    return ran_elem_is_int(elem) && (ran_elem_bits(elem) == 8 || ran_elem_bits(elem) == 16);
}

/* The quotient has the precision of the scale. */
static ran_value *quotient(ran_expansion *e, const grain *g, ran_elem work)
{
    ran_elem precision = ran_type_elem(ran_value_type(g->scale));
    ran_value *y = ran_expand_binary(e, RAN_OP_DIV, ran_expand_cast(e, g->x, work),
                                     ran_expand_cast(e, g->scale, work));
    if (ran_elem_is_float(precision) && ran_elem_bits(precision) < 32)
        y = ran_expand_cast(e, ran_expand_cast(e, y, precision), work);
    return y;
}

bool ran_expand_quantize_linear(ran_expansion *e)
{
    grain g;
    ran_elem to = ran_type_elem(result_type(e));
    ran_elem work = ran_type_elem(operand_type(e, 1)) == RAN_ELEM_F64 ? RAN_ELEM_F64 : RAN_ELEM_F32;
    if (!is_small_int(to) || !make_grain(e, &g))
        return false;
    double high = ldexp(1, (int)ran_elem_bits(to) - ran_elem_is_signed_int(to)) - 1;
    double low = ran_elem_is_signed_int(to) ? -high - 1 : 0;
    ran_value *y = ran_expand_unary(e, RAN_OP_ROUND, quotient(e, &g, work));
    if (g.zero)
        y = ran_expand_binary(e, RAN_OP_ADD, y, ran_expand_cast(e, g.zero, work));
    ran_value *limits[] = {y, ran_expand_scalar(e, work, low), ran_expand_scalar(e, work, high)};
    y = ran_expand_cast(e, ran_expand_make(e, RAN_OP_CLIP, 3, limits), to);
    e->results[0] = ran_expand_view(e, y, g.rank, g.dims);
    return true;
}

bool ran_expand_dequantize_linear(ran_expansion *e)
{
    grain g;
    ran_elem from = ran_type_elem(operand_type(e, 0)), to = ran_type_elem(result_type(e));
    ran_elem work = to == RAN_ELEM_F64 ? RAN_ELEM_F64 : RAN_ELEM_F32;
    if (!ran_elem_is_int(from) || !make_grain(e, &g))
        return false;
    bool wide = ran_elem_bits(from) > 16;
    ran_value *x = wide ? g.x : ran_expand_cast(e, g.x, work);
    if (g.zero)
        x = ran_expand_binary(e, RAN_OP_SUB, x, wide ? g.zero : ran_expand_cast(e, g.zero, work));
    x = ran_expand_binary(e, RAN_OP_MUL, ran_expand_cast(e, x, work),
                          ran_expand_cast(e, g.scale, work));
    e->results[0] = ran_expand_view(e, ran_expand_cast(e, x, to), g.rank, g.dims);
    return true;
}

/* ---- einsum ---------------------------------------------------------------------------------- */

/* The axes of an ellipsis get labels of their own, counted from the right. */
enum { LETTERS = 128, LABELS = LETTERS + RAN_MAX_RANK, TERMS = 8 };

typedef struct term {
    ran_value *value;
    int rank, labels[RAN_MAX_RANK];
} term;

static int letters_in(const char *text, size_t length)
{
    int count = 0;
    for (size_t i = 0; i < length; i++)
        count += isalpha((unsigned char)text[i]) != 0;
    return count;
}

/* rank -1: the output, whose ellipsis is `ellipsis` wide. */
static bool parse_term(const char *text, size_t length, int rank, int *ellipsis, term *out)
{
    bool wide = memchr(text, '.', length) != NULL;
    int width = rank < 0 ? *ellipsis : rank - letters_in(text, length);
    out->rank = 0;
    for (size_t i = 0; i < length; i++) {
        if (isalpha((unsigned char)text[i]) && out->rank < RAN_MAX_RANK)
            out->labels[out->rank++] = (unsigned char)text[i];
        if (text[i] != '.')
            continue;
        i += 2;
        for (int k = width - 1; k >= 0 && out->rank < RAN_MAX_RANK; k--)
            out->labels[out->rank++] = LETTERS + k;
    }
    if (rank >= 0 && wide && width > *ellipsis)
        *ellipsis = width;
    return rank < 0 || out->rank == rank;
}

static bool has_label(const term *t, int label)
{
    for (int i = 0; i < t->rank; i++)
        if (t->labels[i] == label)
            return true;
    return false;
}

static bool repeats(const term *t)
{
    for (int i = 0; i < t->rank; i++) {
        term rest = {.rank = i};
        memcpy(rest.labels, t->labels, sizeof(rest.labels));
        if (has_label(&rest, t->labels[i]))
            return true;
    }
    return false;
}

/* Without an arrow: the ellipsis, then the labels that occur once, in alphabetical order. */
static void implicit_output(const term *terms, size_t count, int ellipsis, term *out)
{
    out->rank = 0;
    for (int k = ellipsis - 1; k >= 0; k--)
        out->labels[out->rank++] = LETTERS + k;
    for (int label = 0; label < LETTERS; label++) {
        int times = 0;
        for (size_t i = 0; i < count; i++)
            for (int axis = 0; axis < terms[i].rank; axis++)
                times += terms[i].labels[axis] == label;
        if (times == 1 && out->rank < RAN_MAX_RANK)
            out->labels[out->rank++] = label;
    }
}

static int position(const term *t, int label)
{
    for (int i = 0; i < t->rank; i++)
        if (t->labels[i] == label)
            return i;
    return -1;
}

/* Every (n+1)th element of the last two axes, [..., n, n], in one. */
static ran_value *diagonal(ran_expansion *e, ran_value *x, int64_t n)
{
    const ran_type *type = ran_value_type(x);
    const ran_dim *dims[RAN_MAX_RANK];
    int rank = ran_type_rank(type) - 1;
    for (int i = 0; i < rank; i++)
        dims[i] = i < rank - 1 ? ran_type_dim(type, i) : number(e, n * n);
    ran_value *operands[] = {
        ran_expand_view(e, x, rank, dims), ran_expand_ints(e, 1, &(int64_t){0}),
        ran_expand_ints(e, 1, &(int64_t){n * n}), ran_expand_ints(e, 1, &(int64_t){rank - 1}),
        ran_expand_ints(e, 1, &(int64_t){n + 1})};
    return ran_expand_finish(e, ran_op_create(&e->builder, RAN_OP_SLICE, 5, operands, 1));
}

/* Axes `a` < `b` have one label: both become the last one. */
static bool take_diagonal(ran_expansion *e, term *t, int a, int b)
{
    const ran_type *type = ran_value_type(t->value);
    const ran_dim *n = ran_type_dim(type, a);
    int64_t perm[RAN_MAX_RANK];
    int count = 0, label = t->labels[a];
    if (n != ran_type_dim(type, b) || !ran_dim_is_constant(n))
        return false;
    for (int i = 0; i < t->rank; i++)
        if (i != a && i != b) {
            t->labels[count] = t->labels[i];
            perm[count++] = i;
        }
    perm[count] = a;
    perm[count + 1] = b;
    t->labels[count] = label;
    t->value = diagonal(e, ran_expand_transpose(e, t->value, t->rank--, perm), ran_dim_value(n));
    return true;
}

static bool take_diagonals(ran_expansion *e, term *t)
{
    for (int b = t->rank - 1; b > 0; b--) {
        int a = position(t, t->labels[b]);
        if (a < b && !take_diagonal(e, t, a, b))
            return false;
        b = a < b ? t->rank : b;
    }
    return true;
}

static bool parse_equation(const ran_expansion *e, term *terms, term *out)
{
    const char *text = ran_op_string(e->op, "equation"), *arrow = strstr(text, "->");
    const char *end = arrow ? arrow : text + strlen(text);
    int ellipsis = 0;
    for (size_t i = 0; i < e->op->operand_count; i++) {
        size_t length = strcspn(text, ",-");
        terms[i].value = operand(e, i);
        if (text > end ||
            !parse_term(text, length, ran_type_rank(operand_type(e, i)), &ellipsis, &terms[i]))
            return false;
        text += length + 1;
    }
    if (arrow)
        return parse_term(arrow + 2, strlen(arrow + 2), -1, &ellipsis, out);
    implicit_output(terms, e->op->operand_count, ellipsis, out);
    return true;
}

/* Labels that neither the output nor the other term has are summed first. */
static void sum_alone(ran_expansion *e, term *t, const term *other, const term *out)
{
    int64_t axes[RAN_MAX_RANK];
    size_t count = 0;
    int kept = 0;
    for (int i = 0; i < t->rank; i++)
        if (!has_label(out, t->labels[i]) && !(other && has_label(other, t->labels[i])))
            axes[count++] = i;
    if (!count)
        return;
    ran_value *operands[] = {t->value, ran_expand_ints(e, count, axes)};
    ran_op *op = ran_op_create(&e->builder, RAN_OP_REDUCE_SUM, 2, operands, 1);
    ran_op_set_int(op, "keepdims", 0);
    t->value = ran_expand_finish(e, op);
    for (int i = 0; i < t->rank; i++)
        if (has_label(out, t->labels[i]) || (other && has_label(other, t->labels[i])))
            t->labels[kept++] = t->labels[i];
    t->rank = kept;
}

static const ran_dim *extent_of(const term *t, int label)
{
    return ran_type_dim(ran_value_type(t->value), position(t, label));
}

/* Labels in the order of `order`; returns the product of their extents in t. */
static const ran_dim *gather_labels(ran_expansion *e, const term *t, const term *order,
                                    int64_t *perm, int *count)
{
    const ran_dim *all = number(e, 1);
    for (int i = 0; i < order->rank; i++) {
        perm[(*count)++] = position(t, order->labels[i]);
        all = ran_dim_binary(e->context, RAN_DIM_MUL, all, extent_of(t, order->labels[i]));
    }
    return all;
}

/* t as [batch, rows, columns]. */
static ran_value *as_matrix(ran_expansion *e, const term *t, const term *batch, const term *rows,
                            const term *columns)
{
    int64_t perm[RAN_MAX_RANK];
    const ran_dim *dims[3];
    int count = 0;
    dims[0] = gather_labels(e, t, batch, perm, &count);
    dims[1] = gather_labels(e, t, rows, perm, &count);
    dims[2] = gather_labels(e, t, columns, perm, &count);
    return ran_expand_view(e, ran_expand_transpose(e, t->value, count, perm), 3, dims);
}

static void push(term *t, int label)
{
    t->labels[t->rank++] = label;
}

/* A label that both have must have one extent: 1 against more would broadcast. */
static bool extents_agree(const term *a, const term *b)
{
    for (int i = 0; i < a->rank; i++)
        if (has_label(b, a->labels[i]) && extent_of(a, a->labels[i]) != extent_of(b, a->labels[i]))
            return false;
    return true;
}

/* Two terms become one whose labels are those that `out` or `rest` still need. */
static bool contract(ran_expansion *e, const term *a, const term *b, const term *out, term *y)
{
    term batch = {0}, rows = {0}, columns = {0}, sum = {0};
    const ran_dim *dims[RAN_MAX_RANK];
    if (!extents_agree(a, b))
        return false;
    for (int i = 0; i < a->rank; i++)
        push(!has_label(b, a->labels[i])    ? &rows
             : has_label(out, a->labels[i]) ? &batch
                                            : &sum,
             a->labels[i]);
    for (int i = 0; i < b->rank; i++)
        if (!has_label(a, b->labels[i]))
            push(&columns, b->labels[i]);
    if (batch.rank + rows.rank + columns.rank > RAN_MAX_RANK)
        return false;
    y->rank = 0;
    for (int i = 0; i < batch.rank; i++)
        push(y, batch.labels[i]);
    for (int i = 0; i < rows.rank; i++)
        push(y, rows.labels[i]);
    for (int i = 0; i < columns.rank; i++)
        push(y, columns.labels[i]);
    for (int i = 0; i < y->rank; i++)
        dims[i] = extent_of(has_label(a, y->labels[i]) ? a : b, y->labels[i]);
    y->value = ran_expand_binary(e, RAN_OP_MATMUL, as_matrix(e, a, &batch, &rows, &sum),
                                 as_matrix(e, b, &batch, &sum, &columns));
    y->value = ran_expand_view(e, y->value, y->rank, dims);
    return true;
}

/* One or two terms: diagonals, sums of what is alone, a batched product, a transposition. */
bool ran_expand_einsum(ran_expansion *e)
{
    term terms[2], out = {0}, y;
    int64_t perm[RAN_MAX_RANK];
    size_t count = e->op->operand_count;
    if (count < 1 || count > 2 || !parse_equation(e, terms, &out) || repeats(&out))
        return false;
    for (size_t i = 0; i < count; i++)
        if (!take_diagonals(e, &terms[i]))
            return false;
    for (size_t i = 0; i < count; i++)
        sum_alone(e, &terms[i], count == 2 ? &terms[1 - i] : NULL, &out);
    y = terms[0];
    if (count == 2 && !contract(e, &terms[0], &terms[1], &out, &y))
        return false;
    if (y.rank != out.rank)
        return false;
    for (int i = 0; i < out.rank; i++)
        if ((perm[i] = position(&y, out.labels[i])) < 0)
            return false;
    e->results[0] = ran_expand_transpose(e, y.value, y.rank, perm);
    return true;
}
