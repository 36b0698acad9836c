/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Reading a model's file. protobuf-c recurses a frame a nested message and allocates as it goes, so
 * the wire format is walked first, by the same descriptors, without allocating: nesting is bounded,
 * lengths lie within their parent, and the memory that decoding will take is known before.
 */
#include "frontend/onnx.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

enum {
    MESSAGE_DEPTH = 100,
    FIELD_COST = 96,   /* protobuf-c's bookkeeping for each field while a message is decoded */
    POINTER_COST = 32, /* an allocation's overhead and the pointer to it */
};

typedef struct wire {
    const uint8_t *at, *end;
} wire;

static bool read_varint(wire *in, uint64_t *out)
{
    uint64_t value = 0;
    for (int shift = 0; shift < 70 && in->at < in->end; shift += 7) {
        uint8_t byte = *in->at++;
        if (shift < 64)
            value |= (uint64_t)(byte & 0x7f) << shift;
        if (!(byte & 0x80)) {
            *out = value;
            return true;
        }
    }
    return false;
}

static bool skip(wire *in, uint64_t count)
{
    if ((uint64_t)(in->end - in->at) < count)
        return false;
    in->at += count;
    return true;
}

static size_t elem_size(ProtobufCType type)
{
    switch (type) {
    case PROTOBUF_C_TYPE_INT64:
    case PROTOBUF_C_TYPE_UINT64:
    case PROTOBUF_C_TYPE_DOUBLE:
        return 8;
    default:
        return 4;
    }
}

static size_t packed_cost(const ProtobufCFieldDescriptor *field, wire in)
{
    size_t size = elem_size(field->type), bytes = (size_t)(in.end - in.at), count = 0;
    if (field->type == PROTOBUF_C_TYPE_FLOAT || field->type == PROTOBUF_C_TYPE_DOUBLE)
        return bytes;
    for (const uint8_t *p = in.at; p < in.end; p++)
        count += !(*p & 0x80);
    return count * size;
}

static const char *scan_message(const ProtobufCMessageDescriptor *type, wire in, int depth,
                                uint64_t *cost);

/* A field with a length in front: a message, a string, or packed numbers. */
static const char *scan_lengthy(const ProtobufCFieldDescriptor *field, wire *in, int depth,
                                uint64_t *cost)
{
    uint64_t length;
    if (!read_varint(in, &length) || length > (uint64_t)(in->end - in->at))
        return "a length reaches beyond the end of its message (a truncated file?)";
    if (length > INT_MAX)
        return "a field is larger than 2 GiB; store weights as external data";
    wire inner = {in->at, in->at + length};
    in->at += length;
    *cost += POINTER_COST;
    if (field && field->type == PROTOBUF_C_TYPE_MESSAGE)
        return scan_message(field->descriptor, inner, depth + 1, cost);
    if (!field || field->type == PROTOBUF_C_TYPE_BYTES || field->type == PROTOBUF_C_TYPE_STRING)
        *cost += length;
    else
        *cost += packed_cost(field, inner);
    return NULL;
}

static const char *scan_field(const ProtobufCFieldDescriptor *field, unsigned wire_type, wire *in,
                              int depth, uint64_t *cost)
{
    uint64_t ignored;
    bool good;
    *cost += FIELD_COST;
    switch (wire_type) {
    case 0:
        good = read_varint(in, &ignored);
        break;
    case 1:
        good = skip(in, 8);
        break;
    case 2:
        return scan_lengthy(field, in, depth, cost);
    case 5:
        good = skip(in, 4);
        break;
    default:
        return "a field has a wire type that does not exist";
    }
    return good ? NULL : "the file ends within a field (truncated?)";
}

/* What is wrong, or NULL. */
static const char *scan_message(const ProtobufCMessageDescriptor *type, wire in, int depth,
                                uint64_t *cost)
{
    if (depth > MESSAGE_DEPTH)
        return "messages are nested too deeply";
    *cost += type->sizeof_message;
    while (in.at < in.end) {
        uint64_t key;
        if (!read_varint(&in, &key) || key >> 3 == 0 || key > UINT32_MAX)
            return "a field has no valid number";
        const ProtobufCFieldDescriptor *field =
            protobuf_c_message_descriptor_get_field(type, (unsigned)(key >> 3));
        const char *problem = scan_field(field, key & 7, &in, depth, cost);
        if (problem)
            return problem;
    }
    return NULL;
}

ran_status ran_onnx_decode_model(ran_context *context, const char *path, const void *bytes,
                                 size_t size, RanOnnx__Model **out_model)
{
    const uint8_t *data = bytes;
    uint64_t cost = 0, limit = ((uint64_t)192 << 20) + 3 * (uint64_t)size;
    const char *problem =
        scan_message(&ran_onnx__model__descriptor, (wire){data, data + size}, 0, &cost);
    if (problem)
        return ran_error_at(context, RAN_INVALID, path, 0, 0, "not an ONNX model: %s", problem);
    if (cost > limit)
        return ran_error_at(context, RAN_INVALID, path, 0, 0,
                            "decoding %zu bytes would take %llu MiB of memory, which no sound model"
                            " of that size does",
                            size, (unsigned long long)(cost >> 20));
    *out_model = ran_onnx__model__unpack(NULL, size, data);
    if (!*out_model)
        return ran_error_at(context, RAN_INVALID, path, 0, 0,
                            "not an ONNX model: protobuf-c cannot decode it");
    return RAN_OK;
}

static ran_status read_stream(ran_context *context, FILE *stream, uint8_t **out_data,
                              size_t *out_size)
{
    size_t capacity = 1 << 20, size = 0;
    uint8_t *data = malloc(capacity);
    for (size_t got; data && (got = fread(data + size, 1, capacity - size, stream)) > 0;) {
        size += got;
        if (size < capacity)
            continue;
        uint8_t *grown = realloc(data, capacity *= 2);
        if (!grown)
            free(data);
        data = grown;
    }
    if (!data || ferror(stream)) {
        free(data);
        return ran_error(context, RAN_INVALID, "cannot read standard input");
    }
    *out_data = data;
    *out_size = size;
    return RAN_OK;
}

static ran_status open_regular(ran_context *context, const char *path, int *out_fd,
                               size_t *out_size)
{
    /* O_NONBLOCK: a FIFO must not hang before it is found to be none of ours. */
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    struct stat info;
    if (fd < 0 || fstat(fd, &info) < 0) {
        ran_status status =
            ran_error_at(context, RAN_INVALID, path, 0, 0, "cannot open: %s", strerror(errno));
        if (fd >= 0)
            close(fd);
        return status;
    }
    if (!S_ISREG(info.st_mode) || info.st_size == 0) {
        close(fd);
        return ran_error_at(context, RAN_INVALID, path, 0, 0, "%s",
                            S_ISREG(info.st_mode) ? "the file is empty" : "not a regular file");
    }
    *out_fd = fd;
    *out_size = (size_t)info.st_size;
    return RAN_OK;
}

ran_status ran_onnx_read_model(ran_context *context, const char *path, size_t *out_bytes,
                               RanOnnx__Model **out_model)
{
    uint8_t *data = NULL;
    ran_status status;
    int fd = -1;
    if (strcmp(path, "-") == 0) {
        status = read_stream(context, stdin, &data, out_bytes);
        if (status == RAN_OK) {
            status = ran_onnx_decode_model(context, "<stdin>", data, *out_bytes, out_model);
            free(data);
        }
        return status;
    }
    status = open_regular(context, path, &fd, out_bytes);
    if (status != RAN_OK)
        return status;
    data = mmap(NULL, *out_bytes, PROT_READ, MAP_PRIVATE, fd, 0);
    close(fd);
    if (data == MAP_FAILED)
        return ran_error_at(context, RAN_INVALID, path, 0, 0, "cannot map: %s", strerror(errno));
    ran_file_note(context, path);
    status = ran_onnx_decode_model(context, path, data, *out_bytes, out_model);
    munmap(data, *out_bytes);
    return status;
}
