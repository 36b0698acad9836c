/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * TensorProto in all of its encodings: raw bytes, typed arrays (which hold smaller types too), and
 * external data. Bytes that already have the IR's storage format are moved, not copied.
 */
#include "frontend/onnx.h"

#include <limits.h>
#include <stdlib.h>
#include <string.h>

/* ---- Shape and size -------------------------------------------------------------------------- */

typedef struct extent {
    ran_elem elem;
    int rank;
    int64_t dims[RAN_MAX_RANK];
    int64_t numel;
    size_t bytes; /* of the storage; of the pointers for strings */
} extent;

static const char *measure(extent *out, size_t rank, const int64_t *dims)
{
    if (rank > RAN_MAX_RANK)
        return "the rank is above 16";
    out->rank = (int)rank;
    out->numel = 1;
    for (size_t i = 0; i < rank; i++) {
        if (dims[i] < 0)
            return "a dimension is negative";
        if (__builtin_mul_overflow(out->numel, dims[i], &out->numel) || out->numel > INT64_MAX / 64)
            return "the number of elements overflows";
        out->dims[i] = dims[i];
    }
    out->bytes = out->elem == RAN_ELEM_STRING ? (size_t)out->numel * sizeof(char *)
                                              : ran_elem_bytes(out->elem, out->numel);
    return NULL;
}

/* ---- Moving ---------------------------------------------------------------------------------- */

static void release_bytes(void *data, void *owner)
{
    (void)owner;
    free(data);
}

/* The tensor on `*data`, taken from the message with `move`, else on a copy. protobuf-c's default
 * allocator is malloc's. */
static const char *wrap_bytes(const extent *size, void **data, bool move, ran_tensor **out)
{
    void *bytes = *data;
    if (!move || !size->bytes) {
        bytes = malloc(size->bytes ? size->bytes : 1);
        if (!bytes)
            return "out of memory";
        if (size->bytes)
            memcpy(bytes, *data, size->bytes);
    } else {
        *data = NULL;
    }
    *out = ran_tensor_wrap(size->elem, size->rank, size->dims, bytes, release_bytes, NULL);
    return *out ? NULL : "out of memory";
}

static const char *from_raw(const extent *size, ProtobufCBinaryData *raw, bool move,
                            ran_tensor **out)
{
    if (size->elem == RAN_ELEM_STRING)
        return "strings cannot be raw data";
    if (raw->len != size->bytes)
        return "the raw data has not the size that type and shape need";
    void *data = raw->data;
    const char *problem = wrap_bytes(size, &data, move, out);
    if (!data && raw->data)
        *raw = (ProtobufCBinaryData){0, NULL};
    return problem;
}

/* ---- Typed arrays ---------------------------------------------------------------------------- */

/* Each int32 is an element, or a byte with two 4-bit elements. */
static const char *from_int32(const extent *size, RanOnnx__Tensor *proto, ran_tensor **out)
{
    unsigned bits = ran_elem_bits(size->elem), width = bits < 8 ? 8 : bits;
    if (proto->n_int32_data != size->bytes / (width / 8))
        return "int32_data has not the number of elements that the shape needs";
    int64_t low = -((int64_t)1 << (width - 1)), high = ((int64_t)1 << width) - 1;
    *out = ran_tensor_create(size->elem, size->rank, size->dims);
    char *to = ran_tensor_mutable_data(*out);
    for (size_t i = 0; i < proto->n_int32_data; i++) {
        int32_t value = proto->int32_data[i];
        if (value < low || value > high)
            return "a value of int32_data is outside of the type's range";
        memcpy(to + i * (width / 8), &value, width / 8); /* little-endian */
    }
    return NULL;
}

static const char *from_uint64(const extent *size, RanOnnx__Tensor *proto, ran_tensor **out)
{
    *out = ran_tensor_create(size->elem, size->rank, size->dims);
    uint32_t *to = ran_tensor_mutable_data(*out);
    for (size_t i = 0; i < proto->n_uint64_data; i++) {
        if (proto->uint64_data[i] > UINT32_MAX)
            return "a value of uint64_data is outside of the type's range";
        to[i] = (uint32_t)proto->uint64_data[i];
    }
    return NULL;
}

static const char *from_strings(const extent *size, RanOnnx__Tensor *proto, ran_tensor **out)
{
    if (proto->n_string_data != (size_t)size->numel)
        return "string_data has not the number of elements that the shape needs";
    *out = ran_tensor_create(size->elem, size->rank, size->dims);
    char **to = ran_tensor_mutable_data(*out);
    for (size_t i = 0; i < proto->n_string_data; i++) {
        char *copy = strndup((const char *)proto->string_data[i].data, proto->string_data[i].len);
        if (!copy)
            return "out of memory";
        free(to[i]);
        to[i] = copy;
    }
    return NULL;
}

/* An array that has the storage format already. */
static const char *from_array(const extent *size, size_t count, size_t unit, void *array, bool move,
                              ran_tensor **out, size_t *out_left)
{
    if (count * unit != size->bytes)
        return "the typed data has not the number of elements that the shape needs";
    void **slot = array;
    const char *problem = wrap_bytes(size, slot, move, out);
    *out_left = *slot ? count : 0;
    return problem;
}

static const char *from_typed(const extent *size, RanOnnx__Tensor *proto, bool move,
                              ran_tensor **out)
{
    switch (size->elem) {
    case RAN_ELEM_F32:
    case RAN_ELEM_C64:
        return from_array(size, proto->n_float_data, sizeof(float), &proto->float_data, move, out,
                          &proto->n_float_data);
    case RAN_ELEM_F64:
    case RAN_ELEM_C128:
        return from_array(size, proto->n_double_data, sizeof(double), &proto->double_data, move,
                          out, &proto->n_double_data);
    case RAN_ELEM_I64:
        return from_array(size, proto->n_int64_data, sizeof(int64_t), &proto->int64_data, move, out,
                          &proto->n_int64_data);
    case RAN_ELEM_U64:
        return from_array(size, proto->n_uint64_data, sizeof(uint64_t), &proto->uint64_data, move,
                          out, &proto->n_uint64_data);
    case RAN_ELEM_U32:
        if (proto->n_uint64_data != (size_t)size->numel)
            return "uint64_data has not the number of elements that the shape needs";
        return from_uint64(size, proto, out);
    case RAN_ELEM_STRING:
        return from_strings(size, proto, out);
    default:
        return from_int32(size, proto, out);
    }
}

/* bool is 0 or 1 in the IR, and what lies behind an odd number of 4-bit elements is 0. */
static void normalise(ran_tensor *tensor)
{
    ran_elem elem = ran_tensor_elem(tensor);
    size_t bytes = ran_tensor_bytes(tensor);
    if (elem == RAN_ELEM_BOOL) {
        uint8_t *data = ran_tensor_mutable_data(tensor);
        for (size_t i = 0; i < bytes; i++)
            if (data[i] > 1)
                data[i] = 1;
    } else if (ran_elem_bits(elem) == 4 && ran_tensor_numel(tensor) % 2) {
        uint8_t *data = ran_tensor_mutable_data(tensor);
        if (data[bytes - 1] & 0xf0)
            data[bytes - 1] &= 0x0f;
    }
}

ran_status ran_onnx_tensor(ran_import *import, RanOnnx__Tensor *proto, const char *what, bool move,
                           ran_tensor **out_tensor)
{
    extent size;
    *out_tensor = NULL;
    if (!ran_elem_from_onnx(proto->data_type, &size.elem))
        return ran_import_error(import, RAN_UNSUPPORTED, "%s: element type %d is not known", what,
                                proto->data_type);
    const char *problem = measure(&size, proto->n_dims, proto->dims);
    if (!problem && proto->segment)
        problem = "tensors in segments are not part of any model in use";
    if (problem)
        return ran_import_error(import, RAN_INVALID, "%s: %s", what, problem);
    if (proto->has_data_location && proto->data_location == RAN_ONNX__TENSOR__LOCATION__EXTERNAL &&
        size.elem != RAN_ELEM_STRING) {
        ran_status status = ran_external_tensor(import, proto, what, size.elem, size.rank,
                                                size.dims, size.bytes, out_tensor);
        if (status == RAN_OK)
            normalise(*out_tensor);
        return status;
    }
    if (proto->has_raw_data && (proto->raw_data.len || !size.bytes))
        problem = from_raw(&size, &proto->raw_data, move, out_tensor);
    else
        problem = from_typed(&size, proto, move, out_tensor);
    if (problem) {
        ran_tensor_release(*out_tensor);
        *out_tensor = NULL;
        return ran_import_error(import, RAN_INVALID, "%s: %s", what, problem);
    }
    normalise(*out_tensor);
    return RAN_OK;
}

/* ---- Sparse tensors -------------------------------------------------------------------------- */

/* The row-major index of the i-th value; -1 when it lies outside. */
static int64_t sparse_index(const extent *size, const ran_tensor *indices, int64_t i)
{
    if (ran_tensor_rank(indices) == 1) {
        int64_t index = ran_tensor_get_i64(indices, i);
        return index >= 0 && index < size->numel ? index : -1;
    }
    int64_t index = 0;
    for (int axis = 0; axis < size->rank; axis++) {
        int64_t at = ran_tensor_get_i64(indices, i * size->rank + axis);
        if (at < 0 || at >= size->dims[axis])
            return -1;
        index = index * size->dims[axis] + at;
    }
    return index;
}

static const char *scatter(const extent *size, const ran_tensor *values, const ran_tensor *indices,
                           ran_tensor *to)
{
    int64_t count = ran_tensor_numel(values);
    const int64_t *dims = ran_tensor_dims(indices);
    if (ran_tensor_rank(values) != 1 || ran_tensor_elem(indices) != RAN_ELEM_I64)
        return "values must have rank 1 and indices type i64";
    bool linear = ran_tensor_rank(indices) == 1 && dims[0] == count;
    bool full = ran_tensor_rank(indices) == 2 && dims[0] == count && dims[1] == size->rank;
    if (!linear && !full)
        return "the indices' shape does not belong to the values'";
    size_t unit = ran_elem_bits(size->elem) / 8;
    for (int64_t i = 0; i < count; i++) {
        int64_t index = sparse_index(size, indices, i);
        if (index < 0)
            return "an index is out of range";
        memcpy((char *)ran_tensor_mutable_data(to) + (size_t)index * unit,
               (const char *)ran_tensor_data(values) + (size_t)i * unit, unit);
    }
    return NULL;
}

ran_status ran_onnx_sparse_tensor(ran_import *import, RanOnnx__SparseTensor *proto,
                                  const char *what, ran_tensor **out_tensor)
{
    ran_tensor *values = NULL, *indices = NULL;
    extent size;
    *out_tensor = NULL;
    if (!proto->values || !proto->indices)
        return ran_import_error(import, RAN_INVALID, "%s: values or indices are missing", what);
    ran_status status = ran_onnx_tensor(import, proto->values, what, false, &values);
    if (status == RAN_OK)
        status = ran_onnx_tensor(import, proto->indices, what, false, &indices);
    const char *problem = NULL;
    if (status == RAN_OK) {
        size.elem = ran_tensor_elem(values);
        problem = measure(&size, proto->n_dims, proto->dims);
        if (!problem && ran_elem_bits(size.elem) < 8)
            problem = "sparse tensors of this type are not supported";
        if (!problem && size.bytes > ((size_t)64 << 20) + 2 * import->file_bytes)
            problem = "the dense form is out of proportion to the model";
        if (!problem) {
            *out_tensor = ran_tensor_create(size.elem, size.rank, size.dims);
            problem = scatter(&size, values, indices, *out_tensor);
        }
    }
    ran_tensor_release(values);
    ran_tensor_release(indices);
    if (problem) {
        ran_tensor_release(*out_tensor);
        *out_tensor = NULL;
        status = ran_import_error(import, RAN_INVALID, "%s: %s", what, problem);
    }
    return status;
}

/* ---- Types ----------------------------------------------------------------------------------- */

static const ran_dim *import_dim(ran_import *import, const RanOnnx__Shape__Dimension *proto)
{
    if (proto->has_dim_value && proto->dim_value >= 0)
        return ran_dim_constant(import->context, proto->dim_value);
    if (!proto->dim_param || !*proto->dim_param)
        return ran_dim_fresh(import->context);
    for (size_t i = 0; import->options && i < import->options->dim_count; i++)
        if (strcmp(import->options->dims[i].name, proto->dim_param) == 0)
            return ran_dim_constant(import->context, import->options->dims[i].value);
    return ran_dim_symbol(import->context, proto->dim_param);
}

static const ran_type *tensor_type(ran_import *import, const RanOnnx__ValueType__TensorType *proto,
                                   const char *what)
{
    const ran_dim *dims[RAN_MAX_RANK];
    ran_elem elem;
    if (!ran_elem_from_onnx(proto->elem_type, &elem)) {
        (void)ran_import_error(import, RAN_UNSUPPORTED, "%s: element type %d is not known", what,
                               proto->elem_type);
        return NULL;
    }
    if (!proto->shape)
        return ran_type_tensor(import->context, elem, -1, NULL, RAN_PLAIN);
    if (proto->shape->n_dim > RAN_MAX_RANK) {
        (void)ran_import_error(import, RAN_UNSUPPORTED, "%s: the rank is above %d", what,
                               RAN_MAX_RANK);
        return NULL;
    }
    for (size_t i = 0; i < proto->shape->n_dim; i++)
        dims[i] = import_dim(import, proto->shape->dim[i]);
    const ran_type *type =
        ran_type_tensor(import->context, elem, (int)proto->shape->n_dim, dims, RAN_PLAIN);
    if (ran_type_fits(type))
        return type;
    (void)ran_import_error(import, RAN_INVALID, "%s: %s is too large", what,
                           ran_type_text(import->context, type));
    return NULL;
}

const ran_type *ran_onnx_type(ran_import *import, const RanOnnx__ValueType *proto, const char *what)
{
    const ran_type *inner;
    if (proto && proto->tensor_type)
        return tensor_type(import, proto->tensor_type, what);
    if (proto && proto->sequence_type && proto->sequence_type->elem_type) {
        inner = ran_onnx_type(import, proto->sequence_type->elem_type, what);
        return inner ? ran_type_sequence(import->context, inner) : NULL;
    }
    if (proto && proto->optional_type && proto->optional_type->elem_type) {
        inner = ran_onnx_type(import, proto->optional_type->elem_type, what);
        return inner ? ran_type_optional(import->context, inner) : NULL;
    }
    bool known = proto && (proto->map_type || proto->sparse_tensor_type);
    (void)ran_import_error(import, known ? RAN_UNSUPPORTED : RAN_INVALID, "%s: %s", what,
                           known ? "maps and sparse tensors are not supported as values"
                                 : "the type is missing");
    return NULL;
}
