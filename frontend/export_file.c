/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Writing a model's file, and PATH.data with the weights when the whole would come near the 2 GiB
 * that protobuf can hold. Both are written beside their targets; the data is renamed first, so that
 * a model that is there has its data.
 */
#include "frontend/export.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>

#include "ir/beside.h"

enum { EXTERNAL_ALIGNMENT = 64, EXTERNAL_MINIMUM = 1024 };

static const size_t embed_limit = (size_t)1500 << 20;

typedef struct output {
    ProtobufCBuffer base; /* what protobuf-c appends to */
    ran_beside_file file;
} output;

static void append(ProtobufCBuffer *buffer, size_t size, const uint8_t *data)
{
    /* Errors stay in the stream until it is closed. */
    if (fwrite(data, 1, size, ((output *)buffer)->file.stream) != size)
        return;
}

static ran_status open_output(ran_export *ex, const char *path, output *out)
{
    *out = (output){.base = {append}};
    return ran_beside_open(ex->context, path, &out->file);
}

/* ---- Weights beside the model ---------------------------------------------------------------- */

static void add_pair(ran_export *ex, RanOnnx__Tensor *tensor, const char *key, const char *value)
{
    RanOnnx__KeyValue *pair = RAN_ARENA_NEW(ex->arena, RanOnnx__KeyValue);
    ran_onnx__key_value__init(pair);
    pair->key = (char *)key;
    pair->value = (char *)value;
    RAN_EXPORT_APPEND(ex, tensor->external_data, tensor->n_external_data, pair);
}

static void move_out(ran_export *ex, RanOnnx__Tensor *tensor, const char *location, output *data,
                     uint64_t *offset)
{
    static const uint8_t zeros[EXTERNAL_ALIGNMENT];
    size_t gap = (EXTERNAL_ALIGNMENT - *offset % EXTERNAL_ALIGNMENT) % EXTERNAL_ALIGNMENT;
    append(&data->base, gap, zeros);
    append(&data->base, tensor->raw_data.len, tensor->raw_data.data);
    add_pair(ex, tensor, "location", location);
    add_pair(ex, tensor, "offset",
             ran_intern_printf(ex->context, "%llu", (unsigned long long)(*offset + gap)));
    add_pair(ex, tensor, "length", ran_intern_printf(ex->context, "%zu", tensor->raw_data.len));
    *offset += gap + tensor->raw_data.len;
    tensor->has_data_location = 1;
    tensor->data_location = RAN_ONNX__TENSOR__LOCATION__EXTERNAL;
    tensor->has_raw_data = 0;
    tensor->raw_data = (ProtobufCBinaryData){0, NULL};
}

static ran_status write_external(ran_export *ex, RanOnnx__Graph *graph, output *out_data)
{
    if (strcmp(ex->path, "-") == 0)
        return ran_export_error(ex, RAN_INVALID,
                                "weights of this size need a file beside the model, so the model"
                                " cannot go to standard output");
    ran_status status =
        open_output(ex, ran_intern_printf(ex->context, "%s.data", ex->path), out_data);
    if (status != RAN_OK)
        return status;
    const char *slash = strrchr(out_data->file.path, '/');
    uint64_t offset = 0;
    for (size_t i = 0; i < graph->n_initializer; i++)
        if (graph->initializer[i]->raw_data.len >= EXTERNAL_MINIMUM)
            move_out(ex, graph->initializer[i], slash ? slash + 1 : out_data->file.path, out_data,
                     &offset);
    return RAN_OK;
}

static size_t weight_bytes(const RanOnnx__Graph *graph)
{
    size_t bytes = 0;
    for (size_t i = 0; i < graph->n_initializer; i++)
        bytes += graph->initializer[i]->raw_data.len;
    return bytes;
}

ran_status ran_export_write(ran_export *ex, RanOnnx__Model *model, bool external_data)
{
    output file = {0}, data = {0};
    ran_status status = RAN_OK;
    ex->op = NULL;
    if (external_data || weight_bytes(ex->main) > embed_limit)
        status = write_external(ex, ex->main, &data);
    if (status == RAN_OK)
        status = open_output(ex, ex->path, &file);
    if (status == RAN_OK) {
        ran_onnx__model__pack_to_buffer(model, &file.base);
        status = ran_beside_flush(ex->context, &file.file);
    }
    status = ran_beside_close(ex->context, &data.file, status);
    return ran_beside_close(ex->context, &file.file, status);
}
