/* SPDX-License-Identifier: GPL-3.0-or-later */
/* How far a collapsed sequence may be from, and is from, what it replaces. */
#ifndef PASSES_LINEAR_ERROR_H
#define PASSES_LINEAR_ERROR_H

#include "passes/linear/emit.h"

/* The largest error near the border when it is ignored, for inputs of at most `range` (methods: 5.6,
 * max over outputs and sets T of outside taps of sum |W* - W*_T| times the range plus |B_T - B*|).
 * Behind several such layers, the sum of what each may cause. */
double ran_links_border_bound(ran_pass_context *pass, const ran_chain *chain, const ran_link *links,
                              size_t count, const ran_value *x, double range);
/* Bound on the rounding of the links and of what takes their place, each value and each weight
 * rounded once, for inputs of at most 1. */
double ran_links_rounding_bound(ran_pass_context *pass, const ran_chain *chain,
                                const ran_link *links, size_t count);
/* Largest difference between both on noise, relative to the largest result, by the reference
 * evaluator on a map that is cut to a size that still has every class of border; negative when it
 * was not measured. */
double ran_links_measure(ran_pass_context *pass, const ran_chain *chain, ran_link *links,
                         size_t count, const ran_layer *layer, ran_border_form form);
/* The largest magnitude that a value can have, from the op that computes it; negative: unknown. */
double ran_value_range(const ran_value *value);

#endif
