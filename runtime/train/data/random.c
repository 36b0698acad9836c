/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Counter-based random numbers: the n-th number of a stream is a hash of the stream's key and n, so a
 * stream has no state worth saving. The hash is SplitMix64's finaliser (Steele, Lea, Flood 2014).
 */
#include "runtime/train/data/data.h"

#include <math.h>

static uint64_t mix(uint64_t x)
{
    x += 0x9e3779b97f4a7c15u;
    x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9u;
    x = (x ^ (x >> 27)) * 0x94d049bb133111ebu;
    return x ^ (x >> 31);
}

ran_random ran_random_stream(uint64_t seed, uint64_t a, uint64_t b, uint64_t c)
{
    return (ran_random){mix(mix(mix(mix(seed) ^ a) ^ b) ^ c), 0};
}

uint64_t ran_random_next(ran_random *random)
{
    return mix(random->key ^ mix(random->counter++));
}

double ran_random_uniform(ran_random *random)
{
    return (double)(ran_random_next(random) >> 11) * 0x1p-53;
}

int64_t ran_random_below(ran_random *random, int64_t bound)
{
    return (int64_t)(ran_random_uniform(random) * (double)bound);
}

/* Box and Muller. */
double ran_random_normal(ran_random *random)
{
    double u = 1 - ran_random_uniform(random), v = ran_random_uniform(random);
    return sqrt(-2 * log(u)) * cos(2 * 3.14159265358979323846 * v);
}

/* Marsaglia and Tsang (2000); below 1 by the power of a uniform number. */
static double gamma_value(ran_random *random, double alpha)
{
    if (alpha < 1)
        return gamma_value(random, alpha + 1) * pow(1 - ran_random_uniform(random), 1 / alpha);
    double d = alpha - 1.0 / 3, c = 1 / sqrt(9 * d);
    for (;;) {
        double x = ran_random_normal(random), v = 1 + c * x;
        double u = 1 - ran_random_uniform(random);
        v = v * v * v;
        if (v > 0 && log(u) < 0.5 * x * x + d - d * v + d * log(v))
            return d * v;
    }
}

double ran_random_beta(ran_random *random, double alpha)
{
    double a = gamma_value(random, alpha), b = gamma_value(random, alpha);
    return a + b > 0 ? a / (a + b) : 0.5;
}

void ran_random_shuffle(ran_random *random, int64_t *out_order, int64_t count)
{
    for (int64_t i = 0; i < count; i++) {
        int64_t j = ran_random_below(random, i + 1);
        out_order[i] = out_order[j];
        out_order[j] = i;
    }
}
