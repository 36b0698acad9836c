/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Where ops stand in their text: kept with a parsed module, so that whoever finds fault with an op
 * can name its line. Ops that passes made have no entry. */
#ifndef IR_SOURCE_H
#define IR_SOURCE_H

#include "ir/map.h"

/* What the text says about a function's outputs and its ops don't: worth a message when the ops
 * themselves are sound. */
typedef struct ran_source_mismatch {
    int line, column;
    const char *message;
    struct ran_source_mismatch *next;
} ran_source_mismatch;

typedef struct ran_source {
    const char *file;
    ran_map ops; /* const ran_op * -> line << 32 | column */
    ran_source_mismatch *mismatches;
} ran_source;

#endif
