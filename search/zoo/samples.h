/* SPDX-License-Identifier: GPL-3.0-or-later */
/* A few small images of noise, run through a network while it is built. */
#ifndef SEARCH_ZOO_SAMPLES_H
#define SEARCH_ZOO_SAMPLES_H

#include <ran/ir.h>

typedef struct ran_samples ran_samples;

RAN_GIVE ran_samples *ran_samples_create(const ran_value *input, uint64_t seed);
void ran_samples_destroy(RAN_TAKE ran_samples *samples);

/* Mean square of a value. Only what leads to values that are asked for is evaluated. */
RAN_MUST_USE ran_status ran_samples_power(ran_samples *samples, const ran_value *value,
                                          double *out_power);

#endif
