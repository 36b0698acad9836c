/* SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception */
/*
 * ONNX's TensorProto. The message is read twice, because its fields may come in any order: first
 * type, shape and where the data lie, then the data into memory of the size that the shape says.
 */
#include "tensor_format.h"

#include <stdlib.h>
#include <string.h>

enum { ELEM_F32 = 1, ELEM_U8, ELEM_I8, ELEM_U16, ELEM_I16, ELEM_I32, ELEM_I64, ELEM_STRING,
       ELEM_BOOL, ELEM_F16, ELEM_F64, ELEM_U32, ELEM_U64, ELEM_C64, ELEM_C128 };

enum field_number {
    FIELD_DIMS = 1,
    FIELD_DATA_TYPE = 2,
    FIELD_SEGMENT = 3,
    FIELD_FLOATS = 4,
    FIELD_INT32S = 5,
    FIELD_STRINGS = 6,
    FIELD_INT64S = 7,
    FIELD_NAME = 8,
    FIELD_RAW = 9,
    FIELD_DOUBLES = 10,
    FIELD_UINT64S = 11,
    FIELD_LOCATION = 14,
};

enum wire_type { WIRE_VARINT = 0, WIRE_64 = 1, WIRE_BYTES = 2, WIRE_32 = 5 };

struct cursor {
    const uint8_t *at, *end;
};

struct field {
    uint64_t number;
    unsigned wire;
    uint64_t value;       /* varint and fixed */
    struct cursor inside; /* bytes */
};

static bool read_varint(struct cursor *c, uint64_t *out_value)
{
    *out_value = 0;
    for (unsigned shift = 0; shift < 70 && c->at < c->end; shift += 7) {
        uint8_t byte = *c->at++;
        if (shift < 64)
            *out_value |= (uint64_t)(byte & 127) << shift;
        if (byte < 128)
            return true;
    }
    return false;
}

static bool read_fixed(struct cursor *c, unsigned bytes, uint64_t *out_value)
{
    if ((size_t)(c->end - c->at) < bytes)
        return false;
    *out_value = 0;
    for (unsigned i = 0; i < bytes; i++)
        *out_value |= (uint64_t)c->at[i] << (8 * i);
    c->at += bytes;
    return true;
}

static bool read_field(struct cursor *c, struct field *out_field)
{
    uint64_t tag, length;
    if (!read_varint(c, &tag))
        return false;
    out_field->number = tag >> 3;
    out_field->wire = tag & 7;
    if (out_field->wire == WIRE_VARINT)
        return read_varint(c, &out_field->value);
    if (out_field->wire == WIRE_64 || out_field->wire == WIRE_32)
        return read_fixed(c, out_field->wire == WIRE_64 ? 8 : 4, &out_field->value);
    if (out_field->wire != WIRE_BYTES || !read_varint(c, &length) ||
        length > (uint64_t)(c->end - c->at))
        return false;
    out_field->inside = (struct cursor){c->at, c->at + length};
    c->at += length;
    return true;
}

/* ---- First reading: type and shape ----------------------------------------------------------------- */

struct header {
    int32_t elem, rank;
    int64_t dims[RAN_RT_MAX_RANK];
    struct cursor name, raw;
    bool has_raw, external;
};

static int add_dim(struct header *header, uint64_t value, struct ran_rt_error *error)
{
    if (header->rank == RAN_RT_MAX_RANK)
        return ran_rt_fail(error, "more than %d dimensions", RAN_RT_MAX_RANK);
    header->dims[header->rank++] = (int64_t)value;
    return 0;
}

static int add_dims(struct header *header, struct field *field, struct ran_rt_error *error)
{
    uint64_t value;
    if (field->wire == WIRE_VARINT)
        return add_dim(header, field->value, error);
    if (field->wire != WIRE_BYTES)
        return ran_rt_fail(error, "dims is of the wrong kind");
    while (field->inside.at < field->inside.end)
        if (!read_varint(&field->inside, &value))
            return ran_rt_fail(error, "dims is truncated");
        else if (add_dim(header, value, error) != 0)
            return -1;
    return 0;
}

static int note_field(struct header *header, struct field *field, struct ran_rt_error *error)
{
    if (field->number == FIELD_DIMS)
        return add_dims(header, field, error);
    if (field->number == FIELD_DATA_TYPE && field->wire == WIRE_VARINT)
        header->elem = field->value > INT32_MAX ? 0 : (int32_t)field->value;
    if (field->number == FIELD_LOCATION && field->wire == WIRE_VARINT)
        header->external = field->value == 1;
    if (field->number == FIELD_NAME && field->wire == WIRE_BYTES)
        header->name = field->inside;
    if (field->number == FIELD_RAW && field->wire == WIRE_BYTES) {
        header->raw = field->inside;
        header->has_raw = true;
    }
    if (field->number == FIELD_SEGMENT)
        return ran_rt_fail(error, "segmented tensors are not supported");
    return 0;
}

static int read_header(struct cursor c, struct header *out_header, struct ran_rt_error *error)
{
    *out_header = (struct header){0};
    while (c.at < c.end) {
        struct field field = {0};
        if (!read_field(&c, &field))
            return ran_rt_fail(error, "no TensorProto, or a truncated one");
        if (note_field(out_header, &field, error) != 0)
            return -1;
    }
    if (out_header->external)
        return ran_rt_fail(error, "data outside of the file are not supported here");
    if (ran_rt_elem_bits(out_header->elem) < 0)
        return ran_rt_fail(error, "no TensorProto: data_type is %d", (int)out_header->elem);
    return 0;
}

/* ---- Second reading: the data ------------------------------------------------------------------------ */

struct filling {
    struct ran_rt_tensor *tensor;
    uint64_t number;       /* the field that holds this element type */
    unsigned width;        /* bytes that one entry of the field gives */
    size_t count, needed;  /* entries */
};

/* Which field holds an element type when raw_data does not. */
static uint64_t typed_field(int32_t elem)
{
    switch (elem) {
    case ELEM_F32:
    case ELEM_C64:
        return FIELD_FLOATS;
    case ELEM_STRING:
        return FIELD_STRINGS;
    case ELEM_I64:
        return FIELD_INT64S;
    case ELEM_F64:
    case ELEM_C128:
        return FIELD_DOUBLES;
    case ELEM_U32:
    case ELEM_U64:
        return FIELD_UINT64S;
    default:
        return FIELD_INT32S;
    }
}

static int put_entry(struct filling *f, uint64_t value, struct ran_rt_error *error)
{
    if (f->count == f->needed)
        return ran_rt_fail(error, "more data than the shape says");
    uint8_t *to = (uint8_t *)f->tensor->data + f->count++ * f->width;
    for (unsigned i = 0; i < f->width; i++)
        to[i] = (uint8_t)(value >> (8 * i));
    return 0;
}

static int put_string(struct filling *f, struct cursor inside, struct ran_rt_error *error)
{
    if (f->count == f->needed)
        return ran_rt_fail(error, "more data than the shape says");
    size_t length = (size_t)(inside.end - inside.at);
    char *copy = malloc(length + 1);
    if (!copy)
        return ran_rt_fail(error, "out of memory");
    memcpy(copy, inside.at, length);
    copy[length] = 0;
    ((char **)f->tensor->data)[f->count++] = copy;
    return 0;
}

/* Entries of a repeated number, one by one or packed. */
static int put_numbers(struct filling *f, struct field *field, struct ran_rt_error *error)
{
    bool floats = f->number == FIELD_FLOATS, doubles = f->number == FIELD_DOUBLES;
    unsigned wire = floats ? WIRE_32 : doubles ? WIRE_64 : WIRE_VARINT;
    uint64_t value;
    if (field->wire == wire)
        return put_entry(f, field->value, error);
    if (field->wire != WIRE_BYTES)
        return ran_rt_fail(error, "the data are of the wrong kind");
    while (field->inside.at < field->inside.end) {
        bool read = wire == WIRE_VARINT ? read_varint(&field->inside, &value)
                                        : read_fixed(&field->inside, floats ? 4 : 8, &value);
        if (!read)
            return ran_rt_fail(error, "the data are truncated");
        if (put_entry(f, value, error) != 0)
            return -1;
    }
    return 0;
}

static int fill_typed(struct cursor c, struct ran_rt_tensor *tensor, struct ran_rt_error *error)
{
    int bits = ran_rt_elem_bits(tensor->elem);
    bool complex_parts = tensor->elem == ELEM_C64 || tensor->elem == ELEM_C128;
    struct filling f = {.tensor = tensor, .number = typed_field(tensor->elem)};
    f.width = bits < 8 ? 1 : (unsigned)bits / (complex_parts ? 16 : 8);
    f.needed = bits == 0 ? (size_t)tensor->numel : tensor->bytes / f.width;
    while (c.at < c.end) {
        struct field field = {0};
        int result = 0;
        if (!read_field(&c, &field))
            return ran_rt_fail(error, "truncated");
        if (field.number != f.number)
            continue;
        if (bits)
            result = put_numbers(&f, &field, error);
        else if (field.wire == WIRE_BYTES)
            result = put_string(&f, field.inside, error);
        if (result != 0)
            return result;
    }
    return f.count == f.needed ? 0
                               : ran_rt_fail(error, "the shape says %zu values, there are %zu",
                                             f.needed, f.count);
}

static int fill_raw(const struct header *header, struct ran_rt_tensor *tensor,
                    struct ran_rt_error *error)
{
    size_t length = (size_t)(header->raw.end - header->raw.at);
    if (header->elem == ELEM_STRING)
        return ran_rt_fail(error, "strings can't be raw data");
    if (length != tensor->bytes)
        return ran_rt_fail(error, "the shape says %zu bytes, there are %zu", tensor->bytes, length);
    memcpy(tensor->data, header->raw.at, length);
    return 0;
}

/* Before memory is taken: each element has at least four bits of the message. */
static bool is_plausible(const struct header *header, size_t size)
{
    uint64_t numel = 1;
    for (int i = 0; i < header->rank; i++) {
        if (header->dims[i] == 0)
            return true;
        if (__builtin_mul_overflow(numel, (uint64_t)header->dims[i], &numel))
            return false;
    }
    return numel <= 2 * (uint64_t)size;
}

int ran_rt_parse_proto(const uint8_t *bytes, size_t size, struct ran_rt_tensor *out_tensor,
                       struct ran_rt_error *error)
{
    struct cursor c = {bytes, bytes + size};
    struct header header;
    if (read_header(c, &header, error) != 0)
        return -1;
    if (!is_plausible(&header, size))
        return ran_rt_fail(error, "the shape is larger than the data");
    if (ran_rt_tensor_create(out_tensor, header.elem, header.rank, header.dims, error) != 0)
        return -1;
    size_t length = (size_t)(header.name.end - header.name.at);
    if (length && (out_tensor->name = calloc(1, length + 1)))
        memcpy(out_tensor->name, header.name.at, length);
    return header.has_raw ? fill_raw(&header, out_tensor, error)
                          : fill_typed(c, out_tensor, error);
}

/* ---- Writing --------------------------------------------------------------------------------------- */

static void print_varint(FILE *stream, uint64_t value)
{
    for (; value >= 128; value >>= 7)
        putc((int)(value & 127) | 128, stream);
    putc((int)value, stream);
}

static void print_tag(FILE *stream, unsigned number, unsigned wire)
{
    print_varint(stream, number << 3 | wire);
}

static void print_bytes(FILE *stream, unsigned number, const void *bytes, size_t size)
{
    print_tag(stream, number, WIRE_BYTES);
    print_varint(stream, size);
    if (size)
        fwrite(bytes, 1, size, stream);
}

int ran_rt_print_proto(FILE *stream, const struct ran_rt_tensor *tensor,
                       struct ran_rt_error *error)
{
    (void)error;
    for (int i = 0; i < tensor->rank; i++) {
        print_tag(stream, FIELD_DIMS, WIRE_VARINT);
        print_varint(stream, (uint64_t)tensor->dims[i]);
    }
    print_tag(stream, FIELD_DATA_TYPE, WIRE_VARINT);
    print_varint(stream, (uint64_t)tensor->elem);
    for (int64_t i = 0; tensor->elem == ELEM_STRING && i < tensor->numel; i++) {
        const char *string = ((char *const *)tensor->data)[i];
        print_bytes(stream, FIELD_STRINGS, string, string ? strlen(string) : 0);
    }
    if (tensor->name)
        print_bytes(stream, FIELD_NAME, tensor->name, strlen(tensor->name));
    if (tensor->elem != ELEM_STRING)
        print_bytes(stream, FIELD_RAW, tensor->data, tensor->bytes);
    return 0;
}
