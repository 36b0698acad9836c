/* SPDX-License-Identifier: GPL-3.0-or-later */
/* What the files that build a model's driver share (driver.c, driver_control.c). */
#ifndef CODEGEN_DRIVER_H
#define CODEGEN_DRIVER_H

#include "codegen/model.h"

/* A driver under construction; the values are those of the part's function. */
typedef struct driver {
    ran_compiled *model;
    const ran_part *part;
    ran_llvm b;
    LLVMValueRef inputs, outputs, workspace, parallel, weights, status, scratch, io;
    LLVMValueRef symbol_values[RAN_SPEC_MAX];
    LLVMValueRef run, tasks;
    size_t kernel;
} driver;

/* Where a value lies when the part runs. */
LLVMValueRef ran_driver_address(driver *d, const ran_value *value);
/* The function that runs a part. */
LLVMValueRef ran_driver_run(const driver *d, const ran_part *part);
/* The kernel of an `if` or a `loop`. */
void ran_driver_build_control(driver *d, const ran_op *kernel);

#endif
