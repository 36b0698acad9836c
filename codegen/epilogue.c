/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * The hooks of a kernel body, from the fused region: one mechanism for every family.
 *
 * ran_hook_store gets a vector of the anchor's result and its coordinates. The values that the
 * region yields are computed from it by walking their definitions: an argument is loaded at its
 * strides in the family's space, an elementwise op is emitted once, scalar constants are literals.
 * Full vectors and tails are separate paths; bodies pass constant lane counts, so that one of them
 * vanishes.
 */
#include "codegen/generate.h"

typedef struct hook {
    ran_llvm *b;
    const ran_emission *emission;
    const ran_space *space;
    LLVMValueRef io, vector;
    LLVMValueRef index[RAN_SPACE_MAX];
    LLVMValueRef lanes; /* NULL: all */
    bool is_store;
    ran_status status;
    struct {
        const ran_value *value;
        ran_vector vector;
    } memo[256];
    size_t memo_count;
} hook;

const ran_tensor *ran_kernel_literal(const ran_op *kernel, size_t operand)
{
    const ran_value *value = ran_op_operand(kernel, operand);
    const ran_tensor *tensor = value ? ran_value_constant(value) : NULL;
    return tensor && ran_tensor_numel(tensor) == 1 && ran_tensor_elem(tensor) != RAN_ELEM_STRING
               ? tensor
               : NULL;
}

/* ---- Addresses ---------------------------------------------------------------------------------- */

/* Where a coordinate covers axes that are not adjacent in a value's memory, its number is taken
 * apart again. */
static LLVMValueRef offset_by_axes(hook *h, const ran_type *type, int coordinate)
{
    ran_context *context = h->b->context;
    LLVMValueRef offset = ran_build_i64(h->b, 0), rest = h->index[coordinate], position;
    for (int axis = h->space->axes[coordinate].last; axis >= h->space->axes[coordinate].first;
         axis--) {
        LLVMValueRef extent =
            ran_build_dim(h->b, ran_space_axis_extent(context, h->space, axis));
        position = axis == h->space->axes[coordinate].first ? rest
                                                            : ran_build_rem(h->b, rest, extent);
        const ran_dim *stride = ran_space_axis_stride(context, h->space, type, axis);
        offset = ran_build_add(h->b, offset,
                               ran_build_mul(h->b, position, ran_build_dim(h->b, stride)));
        rest = ran_build_div(h->b, rest, extent);
    }
    return offset;
}

static LLVMValueRef offset_of(hook *h, const ran_type *type, const ran_dim *const *strides)
{
    LLVMValueRef offset = ran_build_i64(h->b, 0);
    for (int i = 0; i < h->space->rank; i++) {
        LLVMValueRef part =
            strides[i] ? ran_build_mul(h->b, h->index[i], ran_build_dim(h->b, strides[i]))
                       : offset_by_axes(h, type, i);
        offset = ran_build_add(h->b, offset, part);
    }
    return offset;
}

/* The channels that a blocked type holds beyond its extent are addressable in blocked values only:
 * of a plain value in a blocked space, lanes behind the last channel must not be read. */
static bool has_channel_tail(const ran_space *space)
{
    if (!space->blocked)
        return false;
    ran_layout layout = ran_type_layout(space->type);
    const ran_dim *channels = ran_type_dim(space->type, layout.axis);
    return !ran_dim_is_constant(channels) || ran_dim_value(channels) % layout.block != 0;
}

/* The position on one axis of those that a coordinate covers. */
static LLVMValueRef position_on_axis(hook *h, int coordinate, int axis)
{
    ran_context *context = h->b->context;
    const ran_dim *inside = ran_dim_constant(context, 1);
    const ran_dim *extent = ran_space_axis_extent(context, h->space, axis);
    if (ran_dim_is(extent, 1))
        return ran_build_i64(h->b, 0);
    for (int i = axis + 1; i <= h->space->axes[coordinate].last; i++)
        inside = ran_dim_binary(context, RAN_DIM_MUL, inside,
                                ran_space_axis_extent(context, h->space, i));
    LLVMValueRef position =
        ran_build_div(h->b, h->index[coordinate], ran_build_dim(h->b, inside));
    if (axis == h->space->axes[coordinate].first)
        return position;
    return ran_build_rem(h->b, position, ran_build_dim(h->b, extent));
}

static LLVMValueRef channels_left(hook *h)
{
    ran_layout layout = ran_type_layout(h->space->type);
    LLVMValueRef first = h->index[h->space->rank - 1];
    for (int i = 0; i + 1 < h->space->rank; i++)
        if (h->space->axes[i].first <= layout.axis && layout.axis <= h->space->axes[i].last)
            first = ran_build_add(h->b, first,
                                  ran_build_mul(h->b, position_on_axis(h, i, layout.axis),
                                                ran_build_i64(h->b, layout.block)));
    LLVMValueRef all = ran_build_dim(h->b, ran_type_dim(h->space->type, layout.axis));
    return ran_build_add(h->b, all, ran_build_mul(h->b, first, ran_build_i64(h->b, -1)));
}

static LLVMValueRef readable_lanes(hook *h, const ran_type *type)
{
    if (h->lanes || ran_type_layout(type).block || !has_channel_tail(h->space))
        return h->lanes;
    return channels_left(h);
}

static ran_vector load_value(hook *h, const ran_type *type, int64_t position)
{
    const ran_dim *strides[RAN_SPACE_MAX];
    ran_context *context = h->b->context;
    int last = h->space->rank - 1;
    if (!ran_space_fits(h->space, type) ||
        (!ran_space_strides(context, h->space, type, strides) && !strides[last]))
        RAN_BUG(context, "%s: operand %lld (%s) has no place in the space of %s",
                ran_op_text(context, h->emission->kernel), (long long)position,
                ran_type_text(context, type), ran_type_text(context, h->space->type));
    LLVMValueRef pointer =
        ran_build_load_word(h->b, ran_build_pointer_type(h->b), h->io, position);
    return ran_build_load(h->b, ran_type_elem(type), pointer, offset_of(h, type, strides),
                          ran_build_dim(h->b, strides[last]),
                          readable_lanes(h, type));
}

static LLVMValueRef smaller(hook *h, LLVMValueRef x, int64_t limit)
{
    LLVMValueRef most = ran_build_i64(h->b, limit);
    return ran_build_select(h->b, ran_build_less(h->b, x, most), x, most);
}

/* The row of a border table for a position (op.def): min(p, begin) + max(p - (size - rows behind),
 * 0). */
static LLVMValueRef table_row(hook *h, LLVMValueRef position, int64_t begin, int64_t rows,
                              int64_t size)
{
    LLVMValueRef behind =
        ran_build_add(h->b, position, ran_build_i64(h->b, -(size - (rows - begin))));
    return ran_build_add(h->b, smaller(h, position, begin),
                         ran_build_max(h->b, behind, ran_build_i64(h->b, 0)));
}

static LLVMValueRef axis_position(hook *h, int axis)
{
    for (int i = 0; i + 1 < h->space->rank; i++)
        if (h->space->axes[i].first <= axis && axis <= h->space->axes[i].last)
            return position_on_axis(h, i, axis);
    return ran_build_i64(h->b, 0);
}

/* Channels are padded to whole blocks: all lanes can be read. */
static ran_vector load_table(hook *h, const ran_op *op)
{
    ran_context *context = h->b->context;
    const ran_type *type = ran_value_type(ran_op_operand(op, 0));
    const int64_t *begins = ran_op_ints(op, "begins", NULL),
                  *sizes = ran_op_ints(op, "sizes", NULL);
    RAN_ASSERT(context, h->space->blocked);
    ran_layout layout = ran_type_layout(h->space->type);
    int axes = ran_type_rank(type) - 1;
    LLVMValueRef offset = ran_build_i64(h->b, 0);
    for (int i = 0; i < axes; i++) {
        int64_t rows = ran_type_extent(type, i);
        LLVMValueRef row = table_row(h, axis_position(h, 2 + i), begins[i], rows, sizes[i]);
        offset = ran_build_add(h->b, ran_build_mul(h->b, offset, ran_build_i64(h->b, rows)), row);
    }
    offset = ran_build_mul(h->b, offset, ran_build_i64(h->b, ran_type_extent(type, axes)));
    LLVMValueRef block =
        ran_build_mul(h->b, axis_position(h, layout.axis), ran_build_i64(h->b, layout.block));
    offset = ran_build_add(h->b, offset, block);
    offset = ran_build_add(h->b, offset, h->index[h->space->rank - 1]);
    LLVMValueRef pointer = ran_build_load_word(h->b, ran_build_pointer_type(h->b), h->io,
                                               ran_emission_io(h->emission, ran_op_operand(op, 0)));
    return ran_build_load(h->b, ran_type_elem(type), pointer, offset, ran_build_i64(h->b, 1),
                          h->lanes);
}

/* ---- Values ---------------------------------------------------------------------------------------- */

static ran_vector value_of(hook *h, const ran_value *value);

static ran_vector argument_value(hook *h, const ran_value *value)
{
    const ran_tensor *literal =
        ran_kernel_literal(h->emission->kernel, ran_value_index(value));
    if (literal)
        return ran_build_splat(h->b, literal);
    return load_value(h, ran_value_type(value), ran_emission_io(h->emission, value));
}

static ran_vector op_value(hook *h, const ran_value *value)
{
    const ran_op *op = ran_value_op(value);
    if (op == h->emission->anchor) {
        RAN_ASSERT(h->b->context, h->is_store && ran_value_index(value) == 0);
        return (h->emission->stored ? ran_build_load_stored : ran_build_load_computed)(
            h->b, ran_type_elem(ran_value_type(value)), h->vector);
    }
    if (ran_op_is(op, RAN_OP_BORDER_TABLE))
        return load_table(h, op);
    ran_vector operands[8] = {{0}}, result = {0};
    RAN_ASSERT(h->b->context, op->operand_count <= 8);
    for (size_t i = 0; i < op->operand_count; i++)
        if (ran_op_operand(op, i))
            operands[i] = value_of(h, ran_op_operand(op, i));
    if (!h->status)
        h->status = ran_build_elementwise(h->b, op, operands, &result);
    if (h->status)
        result = (ran_vector){LLVMConstNull(ran_build_vector_type(
                                  h->b, ran_type_elem(ran_value_type(value)))),
                              ran_type_elem(ran_value_type(value))};
    return result;
}

static ran_vector value_of(hook *h, const ran_value *value)
{
    for (size_t i = 0; i < h->memo_count; i++)
        if (h->memo[i].value == value)
            return h->memo[i].vector;
    ran_vector vector = ran_value_op(value) ? op_value(h, value) : argument_value(h, value);
    RAN_ASSERT(h->b->context, h->memo_count < sizeof(h->memo) / sizeof(*h->memo));
    h->memo[h->memo_count].value = value;
    h->memo[h->memo_count++].vector = vector;
    return vector;
}

/* ---- Results ------------------------------------------------------------------------------------------ */

static void store_result(hook *h, size_t result, const ran_value *value)
{
    const ran_dim *strides[RAN_SPACE_MAX];
    const ran_type *type = ran_value_type(value);
    ran_vector vector = value_of(h, value);
    if (has_channel_tail(h->space))
        vector = ran_build_zero_lanes(h->b, vector,
                                      ran_build_lane_mask(h->b, channels_left(h)));
    RAN_ASSERT(h->b->context, ran_space_strides(h->b->context, h->space, type, strides));
    LLVMValueRef pointer = ran_build_load_word(h->b, ran_build_pointer_type(h->b), h->io,
                                               ran_emission_io_result(h->emission, result));
    ran_build_store(h->b, vector, pointer, offset_of(h, type, strides),
                    ran_build_dim(h->b, strides[h->space->rank - 1]), h->lanes);
}

/* Further results of the anchor are stored by the body itself. */
static bool is_stored_by_body(const hook *h, const ran_value *value)
{
    return h->emission->anchor && ran_value_op(value) == h->emission->anchor &&
           ran_value_index(value) > 0;
}

static void finish(ran_llvm *b, void *data, bool full)
{
    hook h = *(hook *)data;
    h.memo_count = 0;
    if (full)
        h.lanes = NULL;
    if (h.is_store) {
        const ran_op *yield = ran_region_terminator(ran_op_region(h.emission->kernel, 0));
        /* All are computed before one is stored: they may lie where operands did. */
        for (size_t i = 0; i < yield->operand_count; i++)
            if (!is_stored_by_body(&h, ran_op_operand(yield, i)))
                (void)value_of(&h, ran_op_operand(yield, i));
        for (size_t i = 0; i < yield->operand_count; i++)
            if (!is_stored_by_body(&h, ran_op_operand(yield, i)))
                store_result(&h, i, ran_op_operand(yield, i));
    } else {
        ran_build_store_computed(b, value_of(&h, ran_op_operand(h.emission->anchor, 0)),
                                 h.vector);
    }
    ((hook *)data)->status = h.status;
}

/* ---- The functions ---------------------------------------------------------------------------------------- */

static void load_symbols(hook *h)
{
    int64_t first = ran_io_symbols(h->emission->kernel);
    for (size_t i = 0; i < h->b->symbol_count; i++)
        h->b->symbol_values[i] =
            ran_build_load_word(h->b, ran_build_i64_type(h->b), h->io, first + (int64_t)i);
}

static ran_status build_hook(ran_llvm *b, const ran_emission *emission, const char *name,
                             const ran_space *space, bool is_store)
{
    LLVMValueRef function = LLVMGetNamedFunction(b->module, name);
    if (!function)
        return RAN_OK;
    hook h = {.b = b, .emission = emission, .space = space, .is_store = is_store};
    ran_build_begin(b, function);
    h.io = LLVMGetParam(function, 0);
    h.vector = LLVMGetParam(function, 1);
    LLVMValueRef index = LLVMGetParam(function, 2);
    h.lanes = LLVMGetParam(function, 3);
    for (int i = 0; i < space->rank; i++)
        h.index[i] = ran_build_load_word(b, ran_build_i64_type(b), index, i);
    load_symbols(&h);
    ran_build_if(b, ran_build_at_least(b, h.lanes, b->target->lanes), finish, &h);
    ran_build_return(b);
    LLVMSetLinkage(function, LLVMInternalLinkage);
    return h.status;
}

ran_status ran_epilogue_store(ran_llvm *b, const ran_emission *emission)
{
    return build_hook(b, emission, "ran_hook_store", &emission->store, true);
}

ran_status ran_epilogue_load(ran_llvm *b, const ran_emission *emission)
{
    return build_hook(b, emission, "ran_hook_load", &emission->load, false);
}
