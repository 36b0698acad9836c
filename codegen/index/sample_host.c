/* SPDX-License-Identifier: GPL-3.0-or-later */
/* roi_align and deform_conv. */
#include "codegen/index/sample.h"

#include <string.h>

#include "codegen/index/index.h"
#include "ir/ops/sample.h"

static const ran_type *operand_type(const ran_op *op, size_t index)
{
    const ran_value *value = ran_op_operand(op, index);
    return value ? ran_value_type(value) : NULL;
}

static bool is_f32(const ran_op *op, size_t index)
{
    const ran_type *type = operand_type(op, index);
    return type && ran_type_elem(type) == RAN_ELEM_F32;
}

/* ---- roi_align --------------------------------------------------------------------------------
 */

static int64_t bits_of(double value)
{
    int64_t bits;
    memcpy(&bits, &value, sizeof(bits));
    return bits;
}

/* An empty image has nothing to read. */
bool ran_roi_align_accepts(const ran_op *anchor, const ran_target *target)
{
    const ran_type *x = operand_type(anchor, 0);
    (void)target;
    return is_f32(anchor, 0) && is_f32(anchor, 1) && ran_index_is_wide(ran_op_operand(anchor, 2)) &&
           ran_dim_is_constant(ran_type_dim(x, 2)) && ran_type_extent(x, 2) > 0 &&
           ran_dim_is_constant(ran_type_dim(x, 3)) && ran_type_extent(x, 3) > 0;
}

ran_status ran_roi_align_describe(ran_emission *e)
{
    const ran_op *op = e->anchor;
    const ran_type *x = operand_type(op, 0);
    e->body = "index/sample";
    e->function = "roi_align";
    RAN_SPEC(e, struct roi_align_spec, x, ran_emission_io(e, ran_op_operand(op, 0)));
    RAN_SPEC(e, struct roi_align_spec, rois, ran_emission_io(e, ran_op_operand(op, 1)));
    RAN_SPEC(e, struct roi_align_spec, images, ran_emission_io(e, ran_op_operand(op, 2)));
    RAN_SPEC(e, struct roi_align_spec, y, ran_emission_io_result(e, 0));
    RAN_SPEC(e, struct roi_align_spec, status, ran_emission_io_status(e));
    RAN_SPEC(e, struct roi_align_spec, is_max, !strcmp(ran_op_string(op, "mode"), "max"));
    RAN_SPEC(e, struct roi_align_spec, half_pixel,
             !strcmp(ran_op_string(op, "coordinate_transformation_mode"), "half_pixel"));
    RAN_SPEC(e, struct roi_align_spec, ratio, ran_op_int(op, "sampling_ratio"));
    RAN_SPEC(e, struct roi_align_spec, scale, bits_of(ran_op_float(op, "spatial_scale")));
    RAN_SPEC_DIM(e, struct roi_align_spec, batch, ran_type_dim(x, 0));
    RAN_SPEC_DIM(e, struct roi_align_spec, channels, ran_type_dim(x, 1));
    RAN_SPEC_DIM(e, struct roi_align_spec, height, ran_type_dim(x, 2));
    RAN_SPEC_DIM(e, struct roi_align_spec, width, ran_type_dim(x, 3));
    RAN_SPEC(e, struct roi_align_spec, rows, ran_op_int(op, "output_height"));
    RAN_SPEC(e, struct roi_align_spec, columns, ran_op_int(op, "output_width"));
    e->tasks = ran_type_dim(operand_type(op, 1), 0);
    return RAN_OK;
}

/* ---- deform_conv ------------------------------------------------------------------------------
 */

static bool bias_fits(const ran_op *op)
{
    const ran_type *bias = operand_type(op, 3), *w = operand_type(op, 1);
    return !bias || (is_f32(op, 3) && ran_type_is_static(bias) &&
                     ran_type_numel(bias) == ran_type_extent(w, 0));
}

/* One element for every second one of the offset. */
static bool mask_fits(const ran_op *op)
{
    const ran_type *mask = operand_type(op, 4), *offset = operand_type(op, 2);
    return !mask || (is_f32(op, 4) && ran_type_is_static(mask) &&
                     2 * ran_type_numel(mask) == ran_type_numel(offset));
}

bool ran_deform_conv_accepts(const ran_op *anchor, const ran_target *target)
{
    (void)target;
    for (size_t i = 0; i < 3; i++)
        if (!is_f32(anchor, i) || !ran_type_is_static(operand_type(anchor, i)))
            return false;
    return bias_fits(anchor) && mask_fits(anchor);
}

static void describe_window(ran_emission *e, const ran_deform *d)
{
    const ran_op *op = e->anchor;
    const ran_type *y = ran_value_type(ran_op_result(op, 0));
#define WORD(field) (RAN_SPEC_WORD(struct deform_conv_spec, field) + i)
    for (size_t i = 0; i < 2; i++) {
        ran_emission_set(e, WORD(in), ran_type_extent(operand_type(op, 0), 2 + (int)i));
        ran_emission_set(e, WORD(out), ran_type_extent(y, 2 + (int)i));
        ran_emission_set(e, WORD(kernel), d->kernel[i]);
        ran_emission_set(e, WORD(stride), d->strides[i]);
        ran_emission_set(e, WORD(pad), d->pads[i]);
        ran_emission_set(e, WORD(dilation), d->dilations[i]);
    }
#undef WORD
}

ran_status ran_deform_conv_describe(ran_emission *e)
{
    const ran_op *op = e->anchor;
    const ran_type *w = operand_type(op, 1), *y = ran_value_type(ran_op_result(op, 0));
    int64_t kernel[] = {ran_type_extent(w, 2), ran_type_extent(w, 3)};
    ran_deform d = ran_deform_attributes(op, kernel);
    int64_t oc = ran_type_extent(w, 0) / d.groups;
    e->body = "index/sample";
    e->function = "deform_conv";
    RAN_SPEC(e, struct deform_conv_spec, x, ran_emission_io(e, ran_op_operand(op, 0)));
    RAN_SPEC(e, struct deform_conv_spec, w, ran_emission_io(e, ran_op_operand(op, 1)));
    RAN_SPEC(e, struct deform_conv_spec, offset, ran_emission_io(e, ran_op_operand(op, 2)));
    RAN_SPEC(e, struct deform_conv_spec, bias, ran_emission_io(e, ran_op_operand(op, 3)));
    RAN_SPEC(e, struct deform_conv_spec, mask, ran_emission_io(e, ran_op_operand(op, 4)));
    RAN_SPEC(e, struct deform_conv_spec, y, ran_emission_io_result(e, 0));
    RAN_SPEC(e, struct deform_conv_spec, groups, d.groups);
    RAN_SPEC(e, struct deform_conv_spec, offset_groups, d.offset_groups);
    RAN_SPEC(e, struct deform_conv_spec, ic, ran_type_extent(w, 1));
    RAN_SPEC(e, struct deform_conv_spec, oc, oc);
    describe_window(e, &d);
    e->tasks = ran_dim_constant(e->context, ran_type_extent(y, 0) * ran_type_extent(y, 2));
    e->scratch = ran_dim_constant(e->context, (oc * 4 + 63) / 64 * 64);
    return RAN_OK;
}
