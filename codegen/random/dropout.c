/* SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception */
#include "codegen/body.h"
#include "codegen/random/random_spec.h"
#include "ir/twister.h"

RAN_INLINE double ratio_of(const struct dropout_spec *s, void *const *io)
{
    if (s->ratio < 0)
        return 0.5;
    return s->ratio_is_f64 ? *(const double *)io[s->ratio] : *(const float *)io[s->ratio];
}

#define DROPOUT(elem, type)                                                                        \
    RAN_BODY(dropout_##elem)                                                                       \
    (const struct dropout_spec *s, void *const *io, char *scratch, int64_t begin, int64_t end)     \
    {                                                                                              \
        ran_twister t = {(uint32_t *)scratch, 0};                                                  \
        double ratio = ratio_of(s, io);                                                            \
        bool training = s->training >= 0 && *(const uint8_t *)io[s->training] && ratio != 0;       \
        if (begin >= end)                                                                          \
            return;                                                                                \
        if (training)                                                                              \
            ran_twister_seed(&t, (uint32_t)s->seed);                                               \
        for (int64_t i = 0; i < s->count; i++) {                                                   \
            double x = ((const type *)io[s->x])[i];                                                \
            bool kept = !training || ran_twister_uniform(&t) >= ratio;                             \
            if (s->mask >= 0)                                                                      \
                ((uint8_t *)io[s->mask])[i] = kept;                                                \
            ((type *)io[s->y])[i] = (type)(!kept ? 0 : training ? x / (1 - ratio) : x);            \
        }                                                                                          \
    }

DROPOUT(f32, float)
DROPOUT(f64, double)
