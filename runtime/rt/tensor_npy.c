/* SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception */
/*
 * NumPy's .npy, versions 1 to 3: a magic, a Python dictionary such as
 * {'descr': '<f4', 'fortran_order': False, 'shape': (2, 3), } and the data.
 */
#include "tensor_format.h"

#include <stdlib.h>
#include <string.h>

/* Letter and bytes of a dtype, and the DataType. */
static const struct dtype {
    char kind;
    unsigned bytes;
    int32_t elem;
} dtypes[] = {
    {'f', 4, 1},  {'u', 1, 2},  {'i', 1, 3},  {'u', 2, 4},  {'i', 2, 5},  {'i', 4, 6},  {'i', 8, 7},
    {'b', 1, 9},  {'f', 2, 10}, {'f', 8, 11}, {'u', 4, 12}, {'u', 8, 13}, {'c', 8, 14}, {'c', 16, 15},
};

enum { DTYPE_COUNT = sizeof dtypes / sizeof *dtypes };

struct npy_header {
    const struct dtype *dtype;
    bool swap, fortran;
    int32_t rank;
    int64_t dims[RAN_RT_MAX_RANK];
};

/* Behind "'key':" and spaces in the dictionary, or NULL. */
static const char *find_key(const char *text, const char *key)
{
    const char *at = strstr(text, key);
    if (!at)
        return NULL;
    at += strlen(key);
    at += strspn(at, " ");
    if (*at++ != ':')
        return NULL;
    return at + strspn(at, " ");
}

static int parse_descr(const char *at, struct npy_header *header, struct ran_rt_error *error)
{
    if (!at || (*at != '\'' && *at != '"') || strlen(at) < 4)
        return ran_rt_fail(error, "structured arrays are not supported");
    char order = at[1], kind = at[2], *end;
    unsigned long bytes = strtoul(at + 3, &end, 10);
    for (int i = 0; i < DTYPE_COUNT; i++)
        if (dtypes[i].kind == kind && dtypes[i].bytes == bytes && *end == *at)
            header->dtype = &dtypes[i];
    if (!header->dtype || !strchr("<>|=", order))
        return ran_rt_fail(error, "element type %.12s is not supported", at);
    header->swap = order == '>';
    return 0;
}

static int parse_shape(const char *at, struct npy_header *header, struct ran_rt_error *error)
{
    if (!at || *at++ != '(')
        return ran_rt_fail(error, "no shape in the header");
    for (;;) {
        char *end;
        at += strspn(at, " ,");
        if (*at == ')')
            return 0;
        if (*at < '0' || *at > '9')
            return ran_rt_fail(error, "the shape is malformed");
        unsigned long long value = strtoull(at, &end, 10);
        if (header->rank == RAN_RT_MAX_RANK || value > INT64_MAX)
            return ran_rt_fail(error, "the shape is too large");
        header->dims[header->rank++] = (int64_t)value;
        at = end;
    }
}

static int parse_dictionary(const uint8_t *bytes, size_t size, struct npy_header *header,
                            struct ran_rt_error *error)
{
    char *text = malloc(size + 1);
    if (!text)
        return ran_rt_fail(error, "out of memory");
    memcpy(text, bytes, size);
    text[size] = 0;
    *header = (struct npy_header){0};
    const char *order = find_key(text, "fortran_order'");
    int result = parse_descr(find_key(text, "descr'"), header, error);
    if (result == 0)
        result = parse_shape(find_key(text, "shape'"), header, error);
    if (result == 0 && !order)
        result = ran_rt_fail(error, "no fortran_order in the header");
    header->fortran = order && strncmp(order, "True", 4) == 0;
    free(text);
    return result;
}

/* Complex numbers are swapped by halves. */
static void swap_bytes(struct ran_rt_tensor *tensor, const struct dtype *dtype)
{
    unsigned width = dtype->kind == 'c' ? dtype->bytes / 2 : dtype->bytes;
    uint8_t *at = tensor->data;
    for (size_t n = 0; n < tensor->bytes; n += width, at += width)
        for (unsigned i = 0; i < width / 2; i++) {
            uint8_t low = at[i];
            at[i] = at[width - 1 - i];
            at[width - 1 - i] = low;
        }
}

/* Element n of the file is the one whose index counts with the first axis running fastest. */
static void copy_fortran(struct ran_rt_tensor *tensor, const uint8_t *from, size_t width)
{
    int64_t index[RAN_RT_MAX_RANK] = {0};
    for (int64_t n = 0; n < tensor->numel; n++) {
        int64_t to = 0;
        for (int i = 0; i < tensor->rank; i++)
            to = to * tensor->dims[i] + index[i];
        memcpy((uint8_t *)tensor->data + (size_t)to * width, from + (size_t)n * width, width);
        for (int i = 0; i < tensor->rank && ++index[i] == tensor->dims[i]; i++)
            index[i] = 0;
    }
}

int ran_rt_parse_npy(const uint8_t *bytes, size_t size, struct ran_rt_tensor *out_tensor,
                     struct ran_rt_error *error)
{
    size_t start = size > 6 && bytes[6] > 1 ? 12 : 10;
    struct npy_header header;
    if (size < start)
        return ran_rt_fail(error, "truncated header");
    size_t length = bytes[8] | (size_t)bytes[9] << 8;
    if (start == 12)
        length |= (size_t)bytes[10] << 16 | (size_t)bytes[11] << 24;
    if (length > size - start)
        return ran_rt_fail(error, "truncated header");
    if (parse_dictionary(bytes + start, length, &header, error) != 0)
        return -1;
    size_t have = size - start - length, width = header.dtype->bytes;
    uint64_t numel = 1;
    for (int i = 0; i < header.rank; i++)
        if (__builtin_mul_overflow(numel, (uint64_t)header.dims[i], &numel))
            numel = UINT64_MAX / 16;
    if (numel > have / width)
        return ran_rt_fail(error, "the shape is larger than the data");
    if (ran_rt_tensor_create(out_tensor, header.dtype->elem, header.rank, header.dims, error) != 0)
        return -1;
    if (have != out_tensor->bytes)
        return ran_rt_fail(error, "the shape says %zu bytes, there are %zu", out_tensor->bytes,
                           have);
    if (header.fortran && header.rank > 1)
        copy_fortran(out_tensor, bytes + start + length, width);
    else if (have)
        memcpy(out_tensor->data, bytes + start + length, have);
    if (header.swap)
        swap_bytes(out_tensor, header.dtype);
    return 0;
}

/* ---- Writing --------------------------------------------------------------------------------------- */

int ran_rt_print_npy(FILE *stream, const struct ran_rt_tensor *tensor, struct ran_rt_error *error)
{
    char text[128 + 21 * RAN_RT_MAX_RANK];
    const struct dtype *dtype = NULL;
    for (int i = 0; i < DTYPE_COUNT; i++)
        if (dtypes[i].elem == tensor->elem)
            dtype = &dtypes[i];
    if (!dtype)
        return ran_rt_fail(error, ".npy has no element type for DataType %d", (int)tensor->elem);
    size_t length = (size_t)snprintf(text, sizeof text,
                                     "{'descr': '%c%c%u', 'fortran_order': False, 'shape': (",
                                     dtype->bytes == 1 ? '|' : '<', dtype->kind, dtype->bytes);
    for (int i = 0; i < tensor->rank; i++)
        length += (size_t)snprintf(text + length, sizeof text - length, "%lld,%s",
                                   (long long)tensor->dims[i], i + 1 < tensor->rank ? " " : "");
    length += (size_t)snprintf(text + length, sizeof text - length, "), }");
    /* Data begin at a multiple of 64. */
    unsigned padding = (unsigned)(63 - (10 + length) % 64), total = (unsigned)length + padding + 1;
    fwrite("\x93NUMPY\1\0", 1, 8, stream);
    putc((int)(total & 255), stream);
    putc((int)(total >> 8), stream);
    fprintf(stream, "%s%*s\n", text, (int)padding, "");
    if (tensor->bytes)
        fwrite(tensor->data, 1, tensor->bytes, stream);
    return 0;
}
