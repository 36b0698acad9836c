/* SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception */
/* The two formats behind <ran/tensor_file.h>. */
#ifndef RT_TENSOR_FORMAT_H
#define RT_TENSOR_FORMAT_H

#include <ran/tensor_file.h>

#include <stdbool.h>
#include <stdio.h>

/* Sets the message and returns -1. */
int ran_rt_fail(struct ran_rt_error *error, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

int ran_rt_parse_proto(const uint8_t *bytes, size_t size, struct ran_rt_tensor *out_tensor,
                       struct ran_rt_error *error);
int ran_rt_parse_npy(const uint8_t *bytes, size_t size, struct ran_rt_tensor *out_tensor,
                     struct ran_rt_error *error);
/* Write errors are found by the caller with ferror. */
int ran_rt_print_proto(FILE *stream, const struct ran_rt_tensor *tensor,
                       struct ran_rt_error *error);
int ran_rt_print_npy(FILE *stream, const struct ran_rt_tensor *tensor, struct ran_rt_error *error);

#endif
