/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Where ops stand in their text: kept with a parsed module, so that whoever finds fault with an op
 * can name its line. Ops that passes made have no entry. */
#ifndef IR_SOURCE_H
#define IR_SOURCE_H

#include "ir/map.h"

typedef struct ran_source {
    const char *file;
    ran_map ops; /* const ran_op * -> line << 32 | column */
} ran_source;

#endif
