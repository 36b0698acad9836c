/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef IR_BESIDE_H
#define IR_BESIDE_H

#include <stdio.h>

#include "ir/ir.h"

/* A file that appears whole or not at all. */
typedef struct ran_beside_file {
    FILE *stream;
    const char *path, *temporary; /* NULL: standard output */
} ran_beside_file;

/* For writing; "-" and NULL are standard output. */
RAN_MUST_USE ran_status ran_beside_open(ran_context *context, const char *path,
                                        ran_beside_file *out_file);
/* Whether all that was written so far went through. */
RAN_MUST_USE ran_status ran_beside_flush(ran_context *context, const ran_beside_file *file);
/* Puts the file in its place when `status`, what its writer returned, and all writing was well;
 * takes it back otherwise. Nothing happens to one that was not opened. */
RAN_MUST_USE ran_status ran_beside_close(ran_context *context, ran_beside_file *file,
                                         ran_status status);

/* ---- In steps, for what is no stream --------------------------------------------------------- */

/* Where to write what shall be at `path`; `path` itself where that is a device, a pipe or a link.
 */
const char *ran_beside(ran_context *context, const char *path);
/* Puts it there when it is whole. False: errno says why. */
bool ran_beside_rename(const char *beside, const char *path);
/* Takes back what was not completed. */
void ran_beside_remove(const char *beside, const char *path);

#endif
