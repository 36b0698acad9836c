/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Reproducible noise for tests and reproducers: nearly normal, the same bits on every machine. */
#ifndef IR_NOISE_H
#define IR_NOISE_H

#include "ir/ir.h"

typedef struct ran_noise {
    uint64_t seed;
    double deviation, mean;
} ran_noise;

/* One value of mean 0 and deviation 1: the sum of twelve uniform numbers. Depends on nothing but
 * its arguments, and takes no function of libm, which differ between C libraries. */
double ran_noise_value(uint64_t seed, uint64_t index);

/* Fills a tensor of numbers or bools; it keeps the recipe, for printing, until its data changes. */
void ran_tensor_fill_noise(ran_tensor *tensor, const ran_noise *noise);
/* NULL: not made that way. Both of ir/tensor.c. */
const ran_noise *ran_tensor_noise(const ran_tensor *tensor);
void ran_tensor_set_noise(ran_tensor *tensor, const ran_noise *noise);

/* Replaces the data of all weights (constants of more than 16 elements, of floats or 8-bit integers)
 * by noise of the same mean and deviation: what a bug report may hold of somebody's model. */
void ran_module_disguise_weights(ran_module *module);

#endif
