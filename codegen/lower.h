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
