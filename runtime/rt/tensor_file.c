/* SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception */
#include "tensor_format.h"

#include <errno.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { ELEM_BOOL = 9 };

int ran_rt_fail(struct ran_rt_error *error, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(error->text, sizeof error->text, format, arguments);
    va_end(arguments);
    return -1;
}

int ran_rt_elem_bits(int32_t elem)
{
    /* By TensorProto.DataType. */
    static const int8_t bits[] = {-1, 32, 8,  8,   16, 16, 32, 64, 0, 8, 16, 64, 32,
                                  64, 64, 128, 16, 8,  8,  8,  8,  4, 4, 4,  8};
    return elem > 0 && elem < (int32_t)sizeof bits ? bits[elem] : -1;
}

/* ---- Tensors --------------------------------------------------------------------------------------- */

static int count_elements(struct ran_rt_tensor *tensor, struct ran_rt_error *error)
{
    bool empty = false;
    tensor->numel = 1;
    for (int i = 0; i < tensor->rank; i++) {
        if (tensor->dims[i] < 0)
            return ran_rt_fail(error, "dimension %d is negative", i);
        empty |= tensor->dims[i] == 0;
    }
    for (int i = 0; i < tensor->rank && !empty; i++)
        if (__builtin_mul_overflow(tensor->numel, tensor->dims[i], &tensor->numel) ||
            tensor->numel > INT64_MAX / 32)
            return ran_rt_fail(error, "the shape is too large");
    if (empty)
        tensor->numel = 0;
    return 0;
}

int ran_rt_tensor_create(struct ran_rt_tensor *out_tensor, int32_t elem, int32_t rank,
                         const int64_t *dims, struct ran_rt_error *error)
{
    int bits = ran_rt_elem_bits(elem);
    memset(out_tensor, 0, sizeof *out_tensor);
    if (bits < 0)
        return ran_rt_fail(error, "%d is no element type", (int)elem);
    if (rank < 0 || rank > RAN_RT_MAX_RANK)
        return ran_rt_fail(error, "rank %d is beyond the limit of %d", (int)rank, RAN_RT_MAX_RANK);
    struct ran_rt_tensor tensor = {.elem = elem, .rank = rank};
    for (int i = 0; i < rank; i++)
        tensor.dims[i] = dims[i];
    if (count_elements(&tensor, error) != 0)
        return -1;
    tensor.bytes = bits ? ((size_t)tensor.numel * (unsigned)bits + 7) / 8
                        : (size_t)tensor.numel * sizeof(char *);
    tensor.data = calloc(1, tensor.bytes + 1);
    if (!tensor.data)
        return ran_rt_fail(error, "out of memory for %zu bytes", tensor.bytes);
    *out_tensor = tensor;
    return 0;
}

void ran_rt_tensor_clear(struct ran_rt_tensor *tensor)
{
    for (int64_t i = 0; tensor->data && tensor->elem == RAN_RT_STRING && i < tensor->numel; i++)
        free(((char **)tensor->data)[i]);
    free(tensor->data);
    free(tensor->name);
    memset(tensor, 0, sizeof *tensor);
}

/* ---- Reading --------------------------------------------------------------------------------------- */

static int read_stream(FILE *stream, uint8_t **out_bytes, size_t *out_size,
                       struct ran_rt_error *error)
{
    size_t size = 0, capacity = 0, got;
    uint8_t *bytes = NULL;
    do {
        if (size == capacity) {
            capacity = capacity ? 2 * capacity : 1 << 16;
            uint8_t *larger = realloc(bytes, capacity);
            if (!larger) {
                free(bytes);
                return ran_rt_fail(error, "out of memory for %zu bytes", capacity);
            }
            bytes = larger;
        }
        got = fread(bytes + size, 1, capacity - size, stream);
        size += got;
    } while (got);
    *out_bytes = bytes;
    *out_size = size;
    if (!ferror(stream))
        return 0;
    free(bytes);
    return ran_rt_fail(error, "%s", strerror(errno));
}

/* Models rely on bools being 0 or 1. */
static void normalize_bools(struct ran_rt_tensor *tensor)
{
    uint8_t *data = tensor->data;
    for (int64_t i = 0; tensor->elem == ELEM_BOOL && i < tensor->numel; i++)
        data[i] = data[i] != 0;
}

int ran_rt_tensor_parse(const void *bytes, size_t size, struct ran_rt_tensor *out_tensor,
                        struct ran_rt_error *error)
{
    memset(out_tensor, 0, sizeof *out_tensor);
    bool npy = size >= 6 && memcmp(bytes, "\x93NUMPY", 6) == 0;
    int result = npy ? ran_rt_parse_npy(bytes, size, out_tensor, error)
                     : ran_rt_parse_proto(bytes, size, out_tensor, error);
    if (result == 0)
        normalize_bools(out_tensor);
    else
        ran_rt_tensor_clear(out_tensor);
    return result;
}

int ran_rt_tensor_read(const char *path, struct ran_rt_tensor *out_tensor,
                       struct ran_rt_error *error)
{
    bool standard = strcmp(path, "-") == 0;
    uint8_t *bytes = NULL;
    size_t size = 0;
    memset(out_tensor, 0, sizeof *out_tensor);
    FILE *stream = standard ? stdin : fopen(path, "rb");
    if (!stream)
        return ran_rt_fail(error, "%s: %s", path, strerror(errno));
    struct ran_rt_error reason = {""};
    int result = read_stream(stream, &bytes, &size, &reason);
    if (!standard)
        fclose(stream);
    if (result == 0) {
        result = ran_rt_tensor_parse(bytes, size, out_tensor, &reason);
        free(bytes);
    }
    return result == 0 ? 0 : ran_rt_fail(error, "%s: %.180s", path, reason.text);
}

/* ---- Writing --------------------------------------------------------------------------------------- */

static bool ends_in(const char *path, const char *suffix)
{
    size_t length = strlen(path), tail = strlen(suffix);
    return length >= tail && strcmp(path + length - tail, suffix) == 0;
}

static int print_tensor(FILE *stream, bool npy, const struct ran_rt_tensor *tensor,
                        struct ran_rt_error *error)
{
    int result = npy ? ran_rt_print_npy(stream, tensor, error)
                     : ran_rt_print_proto(stream, tensor, error);
    if (result == 0 && (fflush(stream) != 0 || ferror(stream)))
        return ran_rt_fail(error, "%s", strerror(errno));
    return result;
}

int ran_rt_tensor_write(const char *path, const struct ran_rt_tensor *tensor,
                        struct ran_rt_error *error)
{
    struct ran_rt_error reason = {""};
    if (strcmp(path, "-") == 0)
        return print_tensor(stdout, false, tensor, error);
    size_t length = strlen(path) + 32;
    char *beside = malloc(length);
    if (!beside)
        return ran_rt_fail(error, "out of memory");
    snprintf(beside, length, "%s.%ld.part", path, (long)getpid());
    FILE *stream = fopen(beside, "wb");
    int result = stream ? print_tensor(stream, ends_in(path, ".npy"), tensor, &reason)
                        : ran_rt_fail(&reason, "%s", strerror(errno));
    if (stream && fclose(stream) != 0 && result == 0)
        result = ran_rt_fail(&reason, "%s", strerror(errno));
    if (result == 0 && rename(beside, path) != 0)
        result = ran_rt_fail(&reason, "%s", strerror(errno));
    if (result != 0 && stream)
        remove(beside);
    free(beside);
    return result == 0 ? 0 : ran_rt_fail(error, "%s: %.180s", path, reason.text);
}
