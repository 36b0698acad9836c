/* SPDX-License-Identifier: GPL-3.0-or-later */
/* MNIST's IDX: 0, 0, type, rank, then the dimensions as big-endian 32-bit numbers, then the data. */
#include "runtime/train/data/data.h"

#include <stdlib.h>
#include <string.h>

typedef struct idx {
    uint8_t *bytes; /* the file */
    const uint8_t *data;
    int rank;
    int64_t dims[RAN_MAX_RANK], numel;
} idx;

enum { IDX_UNSIGNED_BYTE = 8, IDX_MAX_RANK = 4 };

static int64_t big_endian(const uint8_t *at)
{
    return (int64_t)at[0] << 24 | (int64_t)at[1] << 16 | (int64_t)at[2] << 8 | at[3];
}

static ran_status parse(ran_context *context, const char *path, size_t size, idx *file)
{
    const uint8_t *at = file->bytes;
    if (size < 4 || at[0] || at[1] || !at[3] || at[3] > IDX_MAX_RANK)
        return ran_error(context, RAN_INVALID, "%s: this is no IDX file", path);
    if (at[2] != IDX_UNSIGNED_BYTE)
        return ran_error(context, RAN_INVALID,
                         "%s: elements of IDX type 0x%02x; only unsigned bytes are read", path,
                         at[2]);
    file->rank = at[3];
    file->numel = 1;
    if (size < 4 + 4 * (size_t)file->rank)
        return ran_error(context, RAN_INVALID, "%s: the file ends in its header", path);
    for (int i = 0; i < file->rank; i++) {
        file->dims[i] = big_endian(at + 4 + 4 * i);
        if (__builtin_mul_overflow(file->numel, file->dims[i], &file->numel))
            return ran_error(context, RAN_INVALID, "%s: its sizes are too large", path);
    }
    size_t header = 4 + 4 * (size_t)file->rank;
    if ((uint64_t)file->numel != size - header)
        return ran_error(context, RAN_INVALID,
                         "%s: the header promises %lld bytes of data, the file has %zu", path,
                         (long long)file->numel, size - header);
    file->data = at + header;
    return RAN_OK;
}

static ran_status read_idx(ran_context *context, const char *path, idx *out_file)
{
    size_t size;
    ran_status status =
        ran_data_read_file(context, path, SIZE_MAX / 4, &out_file->bytes, &size);
    return status ? status : parse(context, path, size, out_file);
}

/* Takes the data over: images keep their bytes, without the header in front. */
static ran_status take(ran_dataset *dataset, idx *images, const idx *labels, char **paths)
{
    ran_context *context = dataset->context;
    if (images->rank < 2)
        return ran_error(context, RAN_INVALID, "%s: rank %d; images have 3", paths[0], images->rank);
    if (labels->rank != 1)
        return ran_error(context, RAN_INVALID, "%s: rank %d; labels have 1", paths[1], labels->rank);
    if (labels->dims[0] != images->dims[0])
        return ran_error(context, RAN_INVALID, "%s has %lld labels, %s has %lld images", paths[1],
                         (long long)labels->dims[0], paths[0], (long long)images->dims[0]);
    dataset->count = images->dims[0];
    ran_data_set_sample(dataset, images->rank - 1, images->dims + 1);
    memmove(images->bytes, images->data, (size_t)images->numel);
    dataset->x = images->bytes;
    dataset->owns_x = true;
    images->bytes = NULL;
    dataset->classes = malloc((size_t)dataset->count * sizeof(*dataset->classes) + 1);
    if (!dataset->classes)
        return ran_error(context, RAN_INVALID, "out of memory");
    for (int64_t i = 0; i < dataset->count; i++)
        dataset->classes[i] = labels->data[i];
    return RAN_OK;
}

ran_status ran_data_open_idx(ran_dataset *dataset, const char *argument)
{
    size_t count;
    char **paths = ran_data_split(argument, ',', &count);
    idx images = {0}, labels = {0};
    ran_status status = RAN_OK;
    if (count != 2)
        status = ran_error(dataset->context, RAN_USAGE, "expected idx:IMAGES,LABELS, not idx:%s",
                           argument);
    if (!status)
        status = read_idx(dataset->context, paths[0], &images);
    if (!status)
        status = read_idx(dataset->context, paths[1], &labels);
    if (!status)
        status = take(dataset, &images, &labels, paths);
    free(images.bytes);
    free(labels.bytes);
    ran_data_free_list(paths);
    return status;
}
