/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "ir/ops/ops.h"

#include <stdlib.h>
#include <string.h>

/* ---- Operands and results ------------------------------------------------------------------------ */

ran_status ran_infer_result(ran_infer *infer, size_t index, ran_elem elem, int rank,
                            const ran_dim *const *dims)
{
    if (rank > RAN_MAX_RANK)
        return ran_infer_error(infer, "rank %d is beyond the limit of %d", rank, RAN_MAX_RANK);
    if (index < infer->op->result_count)
        infer->results[index] = ran_type_tensor(infer->context, elem, rank, dims, RAN_PLAIN);
    return RAN_OK;
}

ran_status ran_infer_result_unknown(ran_infer *infer, size_t index, ran_elem elem)
{
    return ran_infer_result(infer, index, elem, -1, NULL);
}

int ran_infer_dims(const ran_infer *infer, size_t index, const ran_dim *out_dims[RAN_MAX_RANK])
{
    const ran_type *type = ran_infer_operand(infer, index);
    int rank = type ? ran_type_rank(type) : -1;
    for (int i = 0; i < rank; i++)
        out_dims[i] = ran_type_dim(type, i);
    return rank;
}

const ran_dim *const *ran_infer_elements(const ran_infer *infer, size_t index, size_t *out_count)
{
    if (!ran_infer_operand(infer, index) || !infer->known[index])
        return NULL;
    *out_count = infer->known_count[index];
    return infer->known[index];
}

ran_status ran_infer_unknown_shape(ran_infer *infer, size_t operand, ran_elem elem)
{
    const ran_type *shape = ran_infer_operand(infer, operand);
    const ran_dim *dims[RAN_MAX_RANK];
    if (!shape || ran_type_rank(shape) != 1 || !ran_dim_is_constant(ran_type_dim(shape, 0)))
        return ran_infer_result_unknown(infer, 0, elem);
    int64_t count = ran_type_extent(shape, 0);
    for (int i = 0; i < count && i < RAN_MAX_RANK; i++)
        dims[i] = ran_dim_fresh(infer->context);
    return ran_infer_result(infer, 0, elem, count > RAN_MAX_RANK ? RAN_MAX_RANK + 1 : (int)count,
                            dims);
}

int ran_infer_axes(const ran_infer *infer, size_t index, int rank, bool out_axes[RAN_MAX_RANK])
{
    int64_t axes[RAN_MAX_RANK];
    memset(out_axes, 0, RAN_MAX_RANK * sizeof *out_axes);
    int64_t count = ran_infer_constants(infer, index, axes, RAN_MAX_RANK);
    if (count < 0)
        return -1;
    for (int64_t i = 0; i < count; i++) {
        int axis = ran_axis(axes[i], rank);
        if (axis >= 0 && !out_axes[axis]) {
            out_axes[axis] = true;
            continue;
        }
        (void)ran_infer_error(infer, axis < 0 ? "axis %lld is out of range for rank %d"
                                              : "axis %lld of rank %d is listed twice",
                              (long long)axes[i], rank);
        return -2;
    }
    return (int)count;
}

int ran_infer_axis_attr(const ran_infer *infer, const char *name, int rank)
{
    int64_t value = ran_op_int(infer->op, name);
    int axis = ran_axis(value, rank);
    if (axis < 0)
        (void)ran_infer_error(infer, "%s = %lld is out of range for rank %d", name,
                              (long long)value, rank);
    return axis;
}

void ran_infer_forward_known(ran_infer *infer, size_t index)
{
    size_t count;
    const ran_dim *const *elements = ran_infer_elements(infer, index, &count);
    const ran_dim **known = elements ? ran_infer_known(infer, 0, count) : NULL;
    for (size_t i = 0; known && i < count; i++)
        known[i] = elements[i];
}

void ran_infer_known_strided(ran_infer *infer, size_t operand, int64_t offset,
                             const int64_t *strides, int rank, const int64_t *dims)
{
    size_t count;
    const ran_dim *const *elements = ran_infer_elements(infer, operand, &count);
    int64_t numel = 1;
    for (int i = 0; i < rank; i++)
        if (__builtin_mul_overflow(numel, dims[i], &numel))
            return;
    if (!elements || numel > RAN_MAX_KNOWN)
        return;
    const ran_dim **known = ran_infer_known(infer, 0, (size_t)numel);
    int64_t index[RAN_MAX_RANK] = {0};
    for (int64_t n = 0; n < numel; n++, ran_index_next(rank, dims, index)) {
        int64_t from = offset;
        for (int i = 0; i < rank; i++)
            from += index[i] * strides[i];
        known[n] = elements[from];
    }
}

bool ran_dims_constant(int rank, const ran_dim *const *dims, int64_t *out_dims)
{
    for (int i = 0; i < rank; i++) {
        if (!ran_dim_is_constant(dims[i]))
            return false;
        out_dims[i] = ran_dim_value(dims[i]);
    }
    return rank >= 0;
}

ran_status ran_infer_check_rank(const ran_infer *infer, size_t index, const char *name, int rank)
{
    const ran_type *type = ran_infer_operand(infer, index);
    if (!type || ran_type_rank(type) < 0 || ran_type_rank(type) == rank)
        return RAN_OK;
    return ran_infer_error(infer, "operand %s: expected rank %d, got %s", name, rank,
                           ran_type_text(infer->context, type));
}

ran_status ran_infer_check_equal_dims(const ran_infer *infer, const char *what, const ran_dim *a,
                                      const ran_dim *b)
{
    const ran_dim *one = ran_dim_constant(infer->context, 1);
    const ran_dim *above_a = ran_dim_add(infer->context, a, one);
    const ran_dim *above_b = ran_dim_add(infer->context, b, one);
    if (!ran_dim_is_at_least(a, above_b) && !ran_dim_is_at_least(b, above_a)) {
        ran_infer_require(infer, RAN_EQUAL, what, a, b);
        return RAN_OK;
    }
    return ran_infer_error(infer, "%s: %s and %s differ", what, ran_dim_text(infer->context, a),
                           ran_dim_text(infer->context, b));
}

ran_status ran_eval_create(ran_evaluation *evaluation, size_t index, ran_elem elem, int rank,
                           const int64_t *dims)
{
    if (index >= evaluation->op->result_count || evaluation->results[index])
        return RAN_OK;
    int64_t numel = 1;
    for (int i = 0; i < rank; i++)
        if (dims[i] < 0 || __builtin_mul_overflow(numel, dims[i], &numel) || numel > INT64_MAX / 16)
            return ran_op_error(evaluation->op, RAN_INVALID, "result %zu is too large", index);
    evaluation->results[index] = ran_tensor_create(elem, rank, dims);
    if (!evaluation->results[index])
        return ran_op_error(evaluation->op, RAN_INVALID,
                            "out of memory for %lld elements of result %zu", (long long)numel,
                            index);
    return RAN_OK;
}

/* ---- Dimensions --------------------------------------------------------------------------------- */

const ran_dim *ran_dim_add(ran_context *context, const ran_dim *a, const ran_dim *b)
{
    return ran_dim_binary(context, RAN_DIM_ADD, a, b);
}

const ran_dim *ran_dim_sub(ran_context *context, const ran_dim *a, const ran_dim *b)
{
    return ran_dim_add(context, a, ran_dim_mul_constant(context, b, -1));
}

const ran_dim *ran_dim_mul(ran_context *context, const ran_dim *a, const ran_dim *b)
{
    return ran_dim_binary(context, RAN_DIM_MUL, a, b);
}

const ran_dim *ran_dim_add_constant(ran_context *context, const ran_dim *a, int64_t b)
{
    return ran_dim_add(context, a, ran_dim_constant(context, b));
}

const ran_dim *ran_dim_mul_constant(ran_context *context, const ran_dim *a, int64_t b)
{
    return ran_dim_mul(context, a, ran_dim_constant(context, b));
}

typedef struct range {
    int64_t low, high;
} range;

static const range unbounded = {INT64_MIN, INT64_MAX};

/* Bounds are kept below 2^62, so that sums can't wrap; products are checked. */
static int64_t saturate(int64_t value, bool overflow, int64_t missing)
{
    return overflow || value > INT64_MAX / 2 || value < INT64_MIN / 2 ? missing : value;
}

static int64_t add_bounds(int64_t a, int64_t b, int64_t missing)
{
    int64_t sum;
    if (a == missing || b == missing)
        return missing;
    bool overflow = __builtin_add_overflow(a, b, &sum);
    return saturate(sum, overflow, missing);
}

static range scale_range(range a, int64_t factor)
{
    if (factor < 0) {
        range mirrored = scale_range(a, factor == INT64_MIN ? INT64_MAX : -factor);
        return (range){mirrored.high == INT64_MAX ? INT64_MIN : -mirrored.high,
                       mirrored.low == INT64_MIN ? INT64_MAX : -mirrored.low};
    }
    int64_t low, high;
    bool low_overflow = __builtin_mul_overflow(a.low, factor, &low);
    bool high_overflow = __builtin_mul_overflow(a.high, factor, &high);
    return (range){a.low == INT64_MIN ? INT64_MIN : saturate(low, low_overflow, INT64_MIN),
                   a.high == INT64_MAX ? INT64_MAX : saturate(high, high_overflow, INT64_MAX)};
}

static range multiply_ranges(range a, range b)
{
    if (b.low == b.high)
        return scale_range(a, b.low);
    if (a.low == a.high)
        return scale_range(b, a.low);
    if (a.low < 0 || b.low < 0)
        return unbounded;
    range low = scale_range((range){a.low, a.low}, b.low);
    range high = a.high == INT64_MAX || b.high == INT64_MAX
                     ? unbounded
                     : scale_range((range){a.high, a.high}, b.high);
    return (range){low.low < 0 ? 0 : low.low, high.high};
}

/* By a positive constant; the bounds are those of both roundings. */
static range divide_range(range a, range b)
{
    if (b.low != b.high || b.low <= 0)
        return a.low >= 0 && b.low > 0 ? (range){0, a.high} : unbounded;
    int64_t d = b.low;
    return (range){a.low == INT64_MIN ? a.low : a.low / d - (a.low % d < 0),
                   a.high == INT64_MAX ? a.high : a.high / d + (a.high % d > 0)};
}

static range dim_range(const ran_dim *dim)
{
    ran_dim_kind kind = ran_dim_get_kind(dim);
    if (kind == RAN_DIM_CONSTANT)
        return (range){ran_dim_value(dim), ran_dim_value(dim)};
    if (kind == RAN_DIM_SYMBOL)
        return (range){0, INT64_MAX};
    range a = dim_range(ran_dim_lhs(dim)), b = dim_range(ran_dim_rhs(dim));
    if (kind == RAN_DIM_ADD)
        return (range){add_bounds(a.low, b.low, INT64_MIN), add_bounds(a.high, b.high, INT64_MAX)};
    if (kind == RAN_DIM_MUL)
        return multiply_ranges(a, b);
    if (kind == RAN_DIM_MIN)
        return (range){a.low < b.low ? a.low : b.low, a.high < b.high ? a.high : b.high};
    if (kind == RAN_DIM_MAX)
        return (range){a.low > b.low ? a.low : b.low, a.high > b.high ? a.high : b.high};
    return divide_range(a, b);
}

int64_t ran_dim_lower_bound(const ran_dim *dim)
{
    return dim_range(dim).low;
}

int64_t ran_dim_upper_bound(const ran_dim *dim)
{
    return dim_range(dim).high;
}

/* A product taken apart: a constant and the factors that are not. */
enum { MAX_FACTORS = 64 };
typedef struct product {
    int64_t constant;
    size_t count;
    const ran_dim *factors[MAX_FACTORS];
    bool overflow;
} product;

static void multiply_into(product *p, const ran_dim *dim)
{
    if (ran_dim_is_constant(dim)) {
        p->overflow |= __builtin_mul_overflow(p->constant, ran_dim_value(dim), &p->constant);
    } else if (ran_dim_get_kind(dim) == RAN_DIM_MUL) {
        multiply_into(p, ran_dim_lhs(dim));
        multiply_into(p, ran_dim_rhs(dim));
    } else if (p->count < MAX_FACTORS) {
        p->factors[p->count++] = dim;
    } else {
        p->overflow = true;
    }
}

static bool cancel_factor(product *p, const ran_dim *factor)
{
    for (size_t i = 0; i < p->count; i++)
        if (p->factors[i] == factor) {
            p->factors[i] = p->factors[--p->count];
            return true;
        }
    return false;
}

static const ran_dim *product_dim(ran_context *context, const product *p)
{
    const ran_dim *dim = ran_dim_constant(context, p->constant);
    for (size_t i = 0; i < p->count; i++)
        dim = ran_dim_mul(context, dim, p->factors[i]);
    return dim;
}

const ran_dim *ran_dim_quotient(ran_context *context, size_t dim_count, const ran_dim *const *dims,
                                size_t divisor_count, const ran_dim *const *divisors)
{
    product top = {.constant = 1}, bottom = {.constant = 1}, rest = {.constant = 1};
    for (size_t i = 0; i < dim_count; i++)
        multiply_into(&top, dims[i]);
    for (size_t i = 0; i < divisor_count; i++)
        multiply_into(&bottom, divisors[i]);
    for (size_t i = 0; i < bottom.count; i++)
        if (!cancel_factor(&top, bottom.factors[i]))
            rest.factors[rest.count++] = bottom.factors[i];
    if (top.overflow || bottom.overflow || bottom.constant == 0)
        return NULL;
    rest.constant = bottom.constant;
    if (top.constant % bottom.constant == 0) {
        top.constant /= bottom.constant;
        rest.constant = 1;
    } else if (top.count == 0) {
        return NULL;
    }
    const ran_dim *quotient = product_dim(context, &top);
    if (rest.constant == 1 && rest.count == 0)
        return quotient;
    return ran_dim_binary(context, RAN_DIM_FLOORDIV, quotient, product_dim(context, &rest));
}

/* ---- Tensors --------------------------------------------------------------------------------------- */

void ran_row_major_strides(int rank, const int64_t *dims, int64_t *out_strides)
{
    int64_t stride = 1;
    for (int i = rank - 1; i >= 0; i--) {
        out_strides[i] = stride;
        stride *= dims[i];
    }
}

int64_t ran_dims_product(const int64_t *dims, int first, int end)
{
    int64_t product = 1;
    for (int i = first; i < end; i++)
        product *= dims[i];
    return product;
}

bool ran_index_next(int rank, const int64_t *dims, int64_t *index)
{
    for (int i = rank - 1; i >= 0; i--) {
        if (++index[i] < dims[i])
            return true;
        index[i] = 0;
    }
    return false;
}

static void copy_nibble(uint8_t *to, int64_t to_index, const uint8_t *from, int64_t from_index)
{
    unsigned value = from[from_index / 2] >> (from_index % 2 * 4) & 15;
    unsigned shift = to_index % 2 * 4;
    to[to_index / 2] = (uint8_t)((to[to_index / 2] & ~(15u << shift)) | value << shift);
}

static void copy_string(char **to, const char *from)
{
    char *copy = from ? strdup(from) : NULL;
    free(*to);
    *to = copy;
}

void ran_copy_elements(ran_tensor *to, int64_t to_index, const ran_tensor *from,
                       int64_t from_index, int64_t count)
{
    if (count <= 0)
        return;
    void *target = ran_tensor_mutable_data(to);
    const void *source = ran_tensor_data(from);
    unsigned bits = ran_elem_bits(ran_tensor_elem(to));
    if (bits >= 8) {
        size_t width = bits / 8;
        memcpy((char *)target + (size_t)to_index * width,
               (const char *)source + (size_t)from_index * width, (size_t)count * width);
        return;
    }
    for (int64_t i = 0; i < count; i++) {
        if (bits)
            copy_nibble(target, to_index + i, source, from_index + i);
        else
            copy_string((char **)target + to_index + i,
                        ((char *const *)source)[from_index + i]);
    }
}

static void copy_line(ran_tensor *to, int64_t to_index, int64_t to_stride, const ran_tensor *from,
                      int64_t from_index, int64_t from_stride, int64_t count)
{
    if (to_stride == 1 && from_stride == 1) {
        ran_copy_elements(to, to_index, from, from_index, count);
        return;
    }
    for (int64_t i = 0; i < count; i++)
        ran_copy_elements(to, to_index + i * to_stride, from, from_index + i * from_stride, 1);
}

void ran_copy_strided(ran_tensor *to, int64_t to_offset, const int64_t *to_strides,
                      const ran_tensor *from, int64_t from_offset, const int64_t *from_strides,
                      int rank, const int64_t *dims)
{
    if (ran_dims_product(dims, 0, rank) == 0)
        return;
    int outer = rank > 0 ? rank - 1 : 0;
    int64_t count = rank > 0 ? dims[outer] : 1;
    int64_t to_step = rank > 0 ? to_strides[outer] : 1;
    int64_t from_step = rank > 0 ? from_strides[outer] : 1;
    int64_t index[RAN_MAX_RANK * 2] = {0};
    do {
        int64_t t = to_offset, f = from_offset;
        for (int i = 0; i < outer; i++) {
            t += index[i] * to_strides[i];
            f += index[i] * from_strides[i];
        }
        copy_line(to, t, to_step, from, f, from_step, count);
    } while (ran_index_next(outer, dims, index));
}
