/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef IR_BESIDE_H
#define IR_BESIDE_H

#include "ir/ir.h"

/* Where to write what shall be at `path`; `path` itself where that is a device, a pipe or a link.
 */
const char *ran_beside(ran_context *context, const char *path);
/* Puts it there when it is whole. False: errno says why. */
bool ran_beside_rename(const char *beside, const char *path);
/* Takes back what was not completed. */
void ran_beside_remove(const char *beside, const char *path);

#endif
