/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * A constant [1, C, H, W] that a convolution's epilogue reads is mostly one value a channel when it
 * is what collapse-linear adds at borders: 3 by 3 classes behind a 3x3 kernel, 5 by 5 behind a 5x5.
 *
 *   kernel %x, @w, @bias {                    kernel %x, @w, @table {
 *     %1 = conv %x, %w                          %1 = conv %x, %w
 *     %2 = add %1, %bias                  =>    %2 = border_table %table {begins = [1, 1], ...}
 *   }                                           %3 = add %1, %2
 *
 * The table has equal rows and columns once, and channels last: from [C, H, W] a vector of channels
 * is gathered, one from here is loaded. Any constant with equal rows qualifies, wherever it comes
 * from. In blocked layout only, where a vector is of one position.
 */
#include "codegen/codegen.h"

#include <string.h>

enum { AXES = 3 };

/* A constant operand over a map, and which positions of each axis are equal. */
typedef struct table {
    const ran_tensor *tensor;
    int axes;
    int64_t channels, padded;        /* padded: to whole blocks */
    int64_t size[AXES];              /* of the map */
    int64_t extent[AXES];            /* of the constant: size, or 1 */
    int64_t begin[AXES], rows[AXES]; /* kept: `begin` before the run of equal ones */
} table;

/* Elements of the constant: [channels][extents]. */
static bool equal_slices(const table *t, int axis, int64_t position)
{
    size_t bytes = (size_t)ran_elem_bits(ran_tensor_elem(t->tensor)) / 8;
    const char *data = ran_tensor_data(t->tensor);
    int64_t inner = 1, outer = t->channels;
    for (int i = 0; i < t->axes; i++) {
        inner *= i > axis ? t->extent[i] : 1;
        outer *= i < axis ? t->extent[i] : 1;
    }
    size_t run = (size_t)inner * bytes;
    for (int64_t i = 0; i < outer; i++) {
        const char *here = data + (size_t)(i * t->extent[axis] + position) * run;
        if (memcmp(here, here + run, run) != 0)
            return false;
    }
    return true;
}

/* The longest run of equal positions becomes one. */
static void find_run(table *t, int axis)
{
    int64_t longest = 1, length = 1;
    t->begin[axis] = 0;
    for (int64_t p = 1; p < t->extent[axis]; p++) {
        length = equal_slices(t, axis, p - 1) ? length + 1 : 1;
        if (length > longest) {
            longest = length;
            t->begin[axis] = p + 1 - length;
        }
    }
    t->rows[axis] = t->extent[axis] - longest + 1;
}

static int64_t rounded_up(int64_t value, int64_t block)
{
    return (value + block - 1) / block * block;
}

/* [1, C, map...] for a blocked result [N, C, map...]; ones in front may be missing. */
static bool take_shape(table *t, const ran_type *type)
{
    int rank = ran_type_rank(type), own = ran_tensor_rank(t->tensor), shift = rank - own;
    const int64_t *dims = ran_tensor_dims(t->tensor);
    t->axes = rank - 2;
    if (ran_type_layout(type).block == 0 || ran_type_layout(type).axis != 1 || t->axes < 1 ||
        t->axes > AXES || shift < 0 || shift > 1 || (shift == 0 && dims[0] != 1) ||
        !ran_dim_is(ran_type_dim(type, 1), dims[1 - shift]))
        return false;
    t->channels = dims[1 - shift];
    t->padded = rounded_up(t->channels, ran_type_layout(type).block);
    for (int i = 0; i < t->axes; i++) {
        const ran_dim *size = ran_type_dim(type, 2 + i);
        t->extent[i] = dims[2 + i - shift];
        if (!ran_dim_is_constant(size) ||
            (t->extent[i] != ran_dim_value(size) && t->extent[i] != 1))
            return false;
        t->size[i] = ran_dim_value(size);
    }
    return true;
}

/* Worth it from half of the elements on; what is equal everywhere is a bias, and loaded once. */
static bool is_compact(const table *t)
{
    int64_t before = t->channels, after = t->padded;
    bool varies = false;
    for (int i = 0; i < t->axes; i++) {
        before *= t->extent[i];
        after *= t->rows[i];
        varies |= t->extent[i] > 1;
    }
    return varies && 2 * after <= before;
}

/* [rows...][padded channels]. */
static ran_tensor *compacted(const table *t)
{
    int64_t dims[AXES + 1], count = t->padded;
    for (int i = 0; i < t->axes; i++) {
        dims[i] = t->rows[i];
        count *= t->rows[i];
    }
    dims[t->axes] = t->padded;
    ran_tensor *to = ran_tensor_create(ran_tensor_elem(t->tensor), t->axes + 1, dims);
    size_t bytes = (size_t)ran_elem_bits(ran_tensor_elem(t->tensor)) / 8;
    char *data = ran_tensor_mutable_data(to);
    memset(data, 0, (size_t)count * bytes);
    for (int64_t n = 0; n < count; n++) {
        int64_t channel = n % t->padded, rest = n / t->padded, stride = 1, at = 0;
        for (int i = t->axes - 1; i >= 0; i--) {
            int64_t row = rest % t->rows[i];
            at += (row <= t->begin[i] ? row : row + t->extent[i] - t->rows[i]) * stride;
            stride *= t->extent[i];
            rest /= t->rows[i];
        }
        if (channel < t->channels)
            memcpy(data + (size_t)n * bytes,
                   (const char *)ran_tensor_data(t->tensor) +
                       (size_t)(channel * stride + at) * bytes,
                   bytes);
    }
    return to;
}

static void replace(ran_op *kernel, size_t operand, const table *t)
{
    ran_value *argument = ran_region_argument(ran_op_region(kernel, 0), operand);
    const ran_value *old = ran_op_operand(kernel, operand);
    ran_tensor *tensor = compacted(t);
    ran_value *constant =
        ran_constant_create(ran_builder_before(kernel).module, ran_value_name(old), tensor);
    ran_tensor_release(tensor);
    ran_builder builder = ran_builder_before(ran_region_first(ran_op_region(kernel, 0)));
    ran_op *op = ran_op_create(&builder, RAN_OP_BORDER_TABLE, 1, &argument, 1);
    ran_op_set_ints(op, "begins", t->begin, (size_t)t->axes);
    ran_op_set_ints(op, "sizes", t->size, (size_t)t->axes);
    ran_op_set_int(op, "channels", t->channels);
    ran_value_replace_uses(argument, ran_op_result(op, 0));
    ran_op_set_operand(op, 0, argument);
    ran_op_set_operand(kernel, operand, constant);
    ran_value_set_type(argument, ran_value_type(constant));
    if (ran_op_infer_types(op) != RAN_OK)
        RAN_BUG(ran_module_context(builder.module), "a border table of no type");
}

/* Only the epilogue reads it. */
static bool is_for_epilogue(const ran_value *argument, const ran_op *anchor)
{
    for (const ran_use *use = ran_value_first_use(argument); use; use = ran_use_next(use))
        if (ran_use_op(use) == anchor || ran_op_is(ran_use_op(use), RAN_OP_YIELD))
            return false;
    return ran_value_has_uses(argument);
}

void ran_kernel_compact_tables(ran_op *kernel)
{
    const ran_op *anchor = ran_kernel_anchor(kernel);
    if (!ran_op_is(anchor, RAN_OP_CONV) && !ran_op_is(anchor, RAN_OP_CONV_TRANSPOSE))
        return;
    const ran_type *type = ran_value_type(ran_op_result(anchor, 0));
    for (size_t i = 0; i < ran_op_operand_count(kernel); i++) {
        const ran_value *value = ran_op_operand(kernel, i);
        table t = {.tensor = value ? ran_value_constant(value) : NULL};
        const ran_value *argument = ran_region_argument(ran_op_region(kernel, 0), i);
        if (!t.tensor || !is_for_epilogue(argument, anchor) ||
            !ran_elem_is_float(ran_tensor_elem(t.tensor)) || !take_shape(&t, type))
            continue;
        for (int axis = 0; axis < t.axes; axis++)
            find_run(&t, axis);
        if (is_compact(&t))
            replace(kernel, i, &t);
    }
}
