/* SPDX-License-Identifier: GPL-3.0-or-later */
/* conv_plain: geometry from symbolic extents. */
#include "codegen/conv/conv.h"

#include <string.h>

#include "codegen/conv/plain.h"
#include "ir/ops/compute.h"

static ran_elem elem_of(const ran_value *value)
{
    return ran_type_elem(ran_value_type(value));
}

static bool takes_elem(ran_elem elem)
{
    return elem == RAN_ELEM_F32 || elem == RAN_ELEM_F64 || elem == RAN_ELEM_I32 ||
           elem == RAN_ELEM_I64;
}

static bool is_padded_by_extent(const ran_op *anchor)
{
    const char *pad = ran_op_string(anchor, "auto_pad");
    return strncmp(pad, "SAME", 4) == 0 ||
           (anchor->opcode == RAN_OP_CONV_TRANSPOSE && ran_op_has_attr(anchor, "output_shape"));
}

static bool is_spatially_static(const ran_type *type)
{
    for (int i = 2; i < ran_type_rank(type); i++)
        if (!ran_dim_is_constant(ran_type_dim(type, i)))
            return false;
    return true;
}

bool ran_conv_plain_accepts(const ran_op *anchor, const ran_target *target)
{
    (void)target;
    const ran_value *x = ran_op_operand(anchor, 0), *w = ran_op_operand(anchor, 1);
    const ran_value *y = ran_op_result(anchor, 0);
    if (!takes_elem(elem_of(x)) || elem_of(w) != elem_of(x) || elem_of(y) != elem_of(x) ||
        ran_op_operand(anchor, 2))
        return false;
    const ran_type *type = ran_value_type(x);
    int rank = ran_type_rank(type);
    return rank >= 3 && rank <= 5 && ran_type_is_static(ran_value_type(w)) &&
           ran_dim_is_constant(ran_type_dim(type, 1)) &&
           ran_type_rank(ran_value_type(w)) == rank &&
           (!is_padded_by_extent(anchor) ||
            (is_spatially_static(type) && is_spatially_static(ran_value_type(y))));
}

double ran_conv_plain_cost(const ran_op *anchor, const ran_target *target)
{
    ran_counts counts = {0};
    ran_count_op(anchor, &counts);
    return (double)counts.macs / (0.15 * target->ghz * 1e9 * target->fma_ports * target->lanes);
}

/* Attributes by axis; in and out only matter (and are then static) where padding follows them. */
static void resolve(const ran_op *anchor, int spatial, ran_window *window)
{
    const ran_type *x = ran_value_type(ran_op_operand(anchor, 0));
    const ran_type *w = ran_value_type(ran_op_operand(anchor, 1));
    const ran_type *y = ran_value_type(ran_op_result(anchor, 0));
    int64_t in[RAN_MAX_SPATIAL], out[RAN_MAX_SPATIAL], kernel[RAN_MAX_SPATIAL];
    for (int i = 0; i < spatial; i++) {
        const ran_dim *from = ran_type_dim(x, 2 + i), *to = ran_type_dim(y, 2 + i);
        in[i] = ran_dim_is_constant(from) ? ran_dim_value(from) : 1;
        out[i] = ran_dim_is_constant(to) ? ran_dim_value(to) : 1;
        kernel[i] = ran_type_extent(w, 2 + i);
    }
    ran_window_resolve(anchor, spatial, in, out, kernel, window);
}

static void set_axis(ran_emission *e, size_t first_word, int axis, const ran_dim *dim)
{
    ran_emission_set_dim(e, first_word + (size_t)axis, dim);
}

static void describe_window(ran_emission *e, int spatial)
{
    ran_window window;
    const ran_type *x = ran_value_type(ran_op_operand(e->anchor, 0));
    const ran_type *y = ran_value_type(ran_op_result(e->anchor, 0));
    resolve(e->anchor, spatial, &window);
#define WORD(field) RAN_SPEC_WORD(struct conv_plain_spec, field)
    for (int i = 0; i < 3; i++) {
        int axis = 2 + i - (3 - spatial);
        const ran_dim *one = ran_dim_constant(e->context, 1);
        set_axis(e, WORD(in), i, axis >= 2 ? ran_type_dim(x, axis) : one);
        set_axis(e, WORD(out), i, axis >= 2 ? ran_type_dim(y, axis) : one);
        ran_emission_set(e, WORD(kernel) + (size_t)i, window.kernel[i]);
        ran_emission_set(e, WORD(stride) + (size_t)i, window.stride[i]);
        ran_emission_set(e, WORD(dilation) + (size_t)i, window.dilation[i]);
        ran_emission_set(e, WORD(pad) + (size_t)i, window.pad_begin[i]);
    }
#undef WORD
}

static const ran_dim *rows_of(ran_emission *e, int spatial)
{
    const ran_type *y = ran_value_type(ran_op_result(e->anchor, 0));
    const ran_dim *rows = ran_dim_constant(e->context, 1);
    for (int i = 0; i + 1 < spatial; i++)
        rows = ran_dim_binary(e->context, RAN_DIM_MUL, rows, ran_type_dim(y, 2 + i));
    return rows;
}

ran_status ran_conv_plain_describe(ran_emission *e)
{
    ran_context *context = e->context;
    const ran_type *x = ran_value_type(ran_op_operand(e->anchor, 0));
    const ran_type *w = ran_value_type(ran_op_operand(e->anchor, 1));
    const ran_type *y = ran_value_type(ran_op_result(e->anchor, 0));
    int spatial = ran_type_rank(x) - 2;
    ran_elem elem = ran_type_elem(x);
    bool is_f32 = elem == RAN_ELEM_F32;
    bool transposed = e->anchor->opcode == RAN_OP_CONV_TRANSPOSE;
    int64_t groups = ran_op_int(e->anchor, "group"), taps = 1;
    for (int i = 0; i < spatial; i++)
        taps *= ran_type_extent(w, 2 + i);
    int64_t ic = ran_type_extent(x, 1) / groups;
    int64_t oc = transposed ? ran_type_extent(w, 1) : ran_type_extent(w, 0) / groups;
    e->body = "conv/plain";
    e->function =
        is_f32 ? "conv_plain" : ran_intern_printf(context, "conv_plain_%s", ran_elem_name(elem));
    RAN_SPEC(e, struct conv_plain_spec, x, ran_emission_io(e, ran_op_operand(e->anchor, 0)));
    RAN_SPEC(e, struct conv_plain_spec, w, ran_emission_io(e, ran_op_operand(e->anchor, 1)));
    RAN_SPEC_DIM(e, struct conv_plain_spec, n, ran_type_dim(x, 0));
    RAN_SPEC(e, struct conv_plain_spec, groups, groups);
    RAN_SPEC(e, struct conv_plain_spec, ic, ic);
    RAN_SPEC(e, struct conv_plain_spec, oc, oc);
    RAN_SPEC(e, struct conv_plain_spec, w_group, ic * oc * taps);
    RAN_SPEC(e, struct conv_plain_spec, w_oc, transposed ? taps : ic * taps);
    RAN_SPEC(e, struct conv_plain_spec, w_ic, transposed ? oc * taps : taps);
    RAN_SPEC(e, struct conv_plain_spec, transposed, transposed);
    RAN_SPEC(e, struct conv_plain_spec, spatial, spatial);
    describe_window(e, spatial);
    const ran_dim *rows = rows_of(e, spatial);
    int64_t tiles = is_f32 ? (oc + CONV_PLAIN_CHANNELS - 1) / CONV_PLAIN_CHANNELS : oc;
    int64_t rows_per_task = !is_f32 ? 1 : tiles * groups >= 16 ? 32 : 4;
    RAN_SPEC(e, struct conv_plain_spec, rows_per_task, rows_per_task);
    e->tasks = ran_dim_binary(
        context, RAN_DIM_MUL,
        ran_dim_binary(context, RAN_DIM_MUL, ran_type_dim(x, 0),
                       ran_dim_constant(context, groups * tiles)),
        ran_dim_binary(context, RAN_DIM_CEILDIV, rows, ran_dim_constant(context, rows_per_task)));
    ran_space_of_type(y, &e->store);
    return RAN_OK;
}
