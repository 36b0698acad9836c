/* SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception */
/*
 * Tensors in files, for programs that run models: ONNX's TensorProto (.pb) and NumPy's .npy, with
 * nothing but the C library. Files are not trusted: what is truncated, inconsistent or too large
 * gives an error, never more memory than a small multiple of the file.
 */
#ifndef RAN_TENSOR_FILE_H
#define RAN_TENSOR_FILE_H

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

enum { RAN_RT_MAX_RANK = 16, RAN_RT_STRING = 8 };

/* Row-major, little-endian. 4-bit elements lie two a byte, the first in the low half; bool is one
 * byte; strings are NUL-terminated, `data` holds a char * to each. */
struct ran_rt_tensor {
    int32_t elem; /* ONNX's TensorProto.DataType */
    int32_t rank;
    int64_t dims[RAN_RT_MAX_RANK];
    int64_t numel;
    size_t bytes; /* of data; of the pointers for strings */
    void *data;
    char *name; /* NULL when the file has none */
};

struct ran_rt_error {
    char text[256];
};

/* Bits of one element of a DataType, 0 for strings, -1 for what is no element type. */
int ran_rt_elem_bits(int32_t elem);

/* All return 0, or -1 with the reason in `error`. A tensor that was read or created is released with
 * ran_rt_tensor_clear, which also takes one that is all zeros. */

/* Zeroed data for the given shape. */
int ran_rt_tensor_create(struct ran_rt_tensor *out_tensor, int32_t elem, int32_t rank,
                         const int64_t *dims, struct ran_rt_error *error);
void ran_rt_tensor_clear(struct ran_rt_tensor *tensor);

/* Either kind, told apart by the content; "-" is the standard input. */
int ran_rt_tensor_read(const char *path, struct ran_rt_tensor *out_tensor,
                       struct ran_rt_error *error);
int ran_rt_tensor_parse(const void *bytes, size_t size, struct ran_rt_tensor *out_tensor,
                        struct ran_rt_error *error);
/* .npy when the path ends so, TensorProto otherwise; "-" is the standard output (a TensorProto).
 * Written beside the target and renamed. .npy holds no strings, bfloat16, 8-bit or 4-bit floats. */
int ran_rt_tensor_write(const char *path, const struct ran_rt_tensor *tensor,
                        struct ran_rt_error *error);

#ifdef __cplusplus
}
#endif
#endif
