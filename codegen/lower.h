/* SPDX-License-Identifier: GPL-3.0-or-later */
/* What the lowering steps share. */
#ifndef CODEGEN_LOWER_H
#define CODEGEN_LOWER_H

#include "codegen/codegen.h"

/* The same data under another static shape. */
ran_value *ran_constant_reshaped(ran_module *module, const ran_value *constant,
                                 const ran_type *type);
/* A reshape op, or a reshaped constant. */
ran_value *ran_reshape_to(ran_builder *builder, ran_value *value, int rank, const int64_t *dims);
/* The value whose memory a view shows. */
const ran_value *ran_view_root(const ran_value *value);

/* Regions of control flow become functions, the ops kernels that call them (control.c). */
void ran_outline_control(ran_function *function);
bool ran_kernel_is_control(const ran_op *kernel);
/* How many values a loop carries; 0 for other ops. */
size_t ran_loop_carried(const ran_op *op);
/* The call in a region of the kernel's anchor, and the function that it calls. */
const ran_op *ran_control_call(const ran_op *kernel, size_t region);
ran_function *ran_control_callee(const ran_op *kernel, size_t region);

/* A function that a model runs and its memory. The parts of a control-flow kernel use the workspace
 * behind that of the function around it; those that do not run at the same time use the same. */
typedef struct ran_part {
    ran_function *function;
    ran_memory_plan *plan;
    const ran_dim *offset; /* of the plan in the workspace */
    struct ran_part *next;
} ran_part;

/* A lowered function, first, and those that its control flow calls, at any depth. */
RAN_MUST_USE ran_status ran_parts_create(ran_function *function, const ran_symbols *symbols,
                                         RAN_GIVE ran_part **out_parts);
void ran_parts_destroy(RAN_TAKE ran_part *parts);
const ran_part *ran_parts_find(const ran_part *parts, const ran_function *function);
const ran_dim *ran_parts_workspace(const ran_part *parts);

void ran_expand_bias(ran_function *function);
void ran_copy_outputs(ran_function *function);
/* A kernel before `before` that copies the value. */
ran_value *ran_copy_of(ran_op *before, ran_value *value);
/* Lets results share the buffers of the arguments that they update (updates.c). */
void ran_order_updates(ran_function *function);
/* Whether operand `operand` of a kernel op is read at the place of a result of type `result` that is
 * stored next only: not by the anchor. */
bool ran_kernel_reads_where_stored(const ran_op *kernel, size_t operand, const ran_type *result);

#endif
