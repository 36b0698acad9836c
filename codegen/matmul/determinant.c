/* SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception */
#include "codegen/matmul/determinant.h"

#include "codegen/body.h"

RAN_INLINE double magnitude(double x)
{
    return x < 0 ? -x : x;
}

RAN_INLINE int64_t pivot_of(const double *m, int64_t n, int64_t column)
{
    int64_t pivot = column;
    for (int64_t i = column + 1; i < n; i++)
        if (magnitude(m[i * n + column]) > magnitude(m[pivot * n + column]))
            pivot = i;
    return pivot;
}

RAN_INLINE void exchange(double *m, int64_t n, int64_t a, int64_t b)
{
    for (int64_t j = 0; j < n; j++) {
        double other = m[a * n + j];
        m[a * n + j] = m[b * n + j];
        m[b * n + j] = other;
    }
}

/* Elimination with the largest pivot of each column. Destroys m. */
RAN_INLINE double determinant(double *m, int64_t n)
{
    double product = 1;
    for (int64_t k = 0; k < n; k++) {
        int64_t pivot = pivot_of(m, n, k);
        if (m[pivot * n + k] == 0)
            return 0;
        if (pivot != k) {
            exchange(m, n, pivot, k);
            product = -product;
        }
        product *= m[k * n + k];
        for (int64_t i = k + 1; i < n; i++) {
            double factor = m[i * n + k] / m[k * n + k];
            for (int64_t j = k; j < n; j++)
                m[i * n + j] -= factor * m[k * n + j];
        }
    }
    return product;
}

#define DETERMINANT(elem, type)                                                                    \
    RAN_BODY(determinant_##elem)                                                                   \
    (const struct determinant_spec *s, void *const *io, char *scratch, int64_t begin, int64_t end) \
    {                                                                                              \
        double *m = (double *)scratch;                                                             \
        int64_t size = s->n * s->n;                                                                \
        for (int64_t task = begin; task < end; task++) {                                           \
            for (int64_t i = 0; i < size; i++)                                                     \
                m[i] = ((const type *)io[s->x])[task * size + i];                                  \
            ((type *)io[s->y])[task] = (type)determinant(m, s->n);                                 \
        }                                                                                          \
    }

DETERMINANT(f32, float)
DETERMINANT(f64, double)
