/* SPDX-License-Identifier: GPL-3.0-or-later */
/* CIFAR's binary files: records of one label (CIFAR-100: a coarse and a fine one) and 3x32x32 bytes. */
#include "runtime/train/data/data.h"

#include <stdlib.h>
#include <string.h>

enum { PIXELS = 3 * 32 * 32 };

typedef struct cifar {
    int labels; /* bytes; the last one is the class */
    int classes;
} cifar;

static ran_status append(ran_dataset *dataset, const cifar *kind, const char *path,
                         const uint8_t *bytes, size_t size)
{
    size_t record = (size_t)kind->labels + PIXELS, count = size / record;
    if (!count || size % record)
        return ran_error(dataset->context, RAN_INVALID,
                         "%s: %zu bytes are no whole number of records of %zu bytes", path, size,
                         record);
    size_t total = (size_t)dataset->count + count;
    uint8_t *x = realloc((void *)dataset->x, total * PIXELS);
    dataset->x = x ? x : dataset->x;
    int64_t *classes = realloc(dataset->classes, total * sizeof(*classes));
    dataset->classes = classes ? classes : dataset->classes;
    if (!x || !classes)
        return ran_error(dataset->context, RAN_INVALID, "out of memory");
    for (size_t i = 0; i < count; i++) {
        const uint8_t *from = bytes + i * record;
        int class = from[kind->labels - 1];
        if (class >= kind->classes)
            return ran_error(dataset->context, RAN_INVALID, "%s: record %zu has class %d of %d",
                             path, i, class, kind->classes);
        classes[(size_t)dataset->count + i] = class;
        memcpy(x + ((size_t)dataset->count + i) * PIXELS, from + kind->labels, PIXELS);
    }
    dataset->count = (int64_t)total;
    return RAN_OK;
}

static ran_status open_files(ran_dataset *dataset, const char *argument, const cifar *kind)
{
    size_t count;
    char **paths = ran_data_split(argument, ',', &count);
    ran_status status = RAN_OK;
    dataset->owns_x = true;
    for (size_t i = 0; i < count && !status; i++) {
        uint8_t *bytes = NULL;
        size_t size;
        status = ran_data_read_file(dataset->context, paths[i], SIZE_MAX / 4, &bytes, &size);
        if (!status)
            status = append(dataset, kind, paths[i], bytes, size);
        free(bytes);
    }
    ran_data_free_list(paths);
    ran_data_set_sample(dataset, 3, (int64_t[]){3, 32, 32});
    dataset->class_count = kind->classes;
    return status;
}

ran_status ran_data_open_cifar10(ran_dataset *dataset, const char *argument)
{
    return open_files(dataset, argument, &(cifar){1, 10});
}

ran_status ran_data_open_cifar100(ran_dataset *dataset, const char *argument)
{
    return open_files(dataset, argument, &(cifar){2, 100});
}
