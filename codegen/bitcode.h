/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Kernel bodies as LLVM bitcode, embedded when rancc is built: one entry a body and flavour. */
#ifndef RAN_CODEGEN_BITCODE_H
#define RAN_CODEGEN_BITCODE_H

struct ran_bitcode_file {
    const char *name;    /* path below codegen/ without suffix: "conv/direct" */
    const char *flavour; /* instruction set and lanes of a float vector: "x86-64-vl16" */
    const unsigned char *begin, *end;
};

/* Ends with an entry whose name is NULL. */
extern const struct ran_bitcode_file ran_bitcode_files[];

#endif
