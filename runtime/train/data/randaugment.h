/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef TRAIN_DATA_RANDAUGMENT_H
#define TRAIN_DATA_RANDAUGMENT_H

#include "runtime/train/data/data.h"

/* `count` operations of the table in randaugment.c, each chosen anew; magnitude 0..10. */
void ran_randaugment(ran_random *random, float *x, float *scratch, int64_t channels, int64_t height,
                     int64_t width, float range, int count, int magnitude);

#endif
