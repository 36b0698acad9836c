/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef IR_ATTR_H
#define IR_ATTR_H

#include <ran/ir.h>

/* Element `index` of a list of integers; what lies behind its end, or in an absent list, is
 * `fallback`. */
int64_t ran_op_int_at(const ran_op *op, const char *name, size_t index, int64_t fallback);

#endif
