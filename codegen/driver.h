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
    const ran_symbols *symbols;
    LLVMValueRef inputs, outputs, sizes, workspace, parallel, weights, scratch, io;
    LLVMValueRef status; /* its word, and behind it one for each size that data decide */
    LLVMValueRef symbol_values[RAN_SPEC_MAX];
    LLVMValueRef run, tasks;
    size_t known; /* symbols: those of the caller, and of the kernels so far */
    size_t kernel;
} driver;

/* Where a value lies when the part runs. */
LLVMValueRef ran_driver_address(driver *d, const ran_value *value);
/* The function that runs a part. */
LLVMValueRef ran_driver_run(const driver *d, const ran_part *part);
/* The parameters of such a function: symbols, inputs, outputs, sizes (of outputs that depend on data;
 * none where control flow calls), workspace, parallel, weights. */
enum { RAN_RUN_PARAMETERS = 7 };

/* Whether the model's own function is built: not one that control flow calls. */
static inline bool ran_driver_is_outermost(const driver *d)
{
    return d->part == d->model->parts;
}

/* The first `known` symbols from an array. What data decide is 0 until it is known. */
void ran_driver_load_symbols(driver *d, LLVMValueRef array, size_t known);
/* Conditions on the symbols before `known` that could not be tested before. */
void ran_driver_check_conditions(driver *d, size_t known);
/* Behind the kernel that has just run. */
void ran_driver_take_sizes(driver *d, const ran_op *kernel);
/* A caller who knows nothing of sizes has no room for outputs that have them. */
void ran_driver_require_sizes(driver *d);
/* The extents of all outputs that depend on data are there also when one has no room; none is
 * written then. */
void ran_driver_deliver_outputs(driver *d);
/* An array of all symbols for a function that control flow calls. */
LLVMValueRef ran_driver_store_symbols(driver *d);

/* The kernel of an `if` or a `loop`. */
void ran_driver_build_control(driver *d, const ran_op *kernel);

#endif
