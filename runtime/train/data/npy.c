/* SPDX-License-Identifier: GPL-3.0-or-later */
/* NumPy's arrays: a file for x and one for y, or an .npz archive that holds both. */
#include "runtime/train/data/data.h"

#include <stdlib.h>
#include <string.h>
#include <zip.h>

static ran_status read_array(ran_context *context, const char *path, struct ran_rt_tensor *out)
{
    struct ran_rt_error error = {{0}};
    return ran_rt_tensor_read(path, out, &error)
               ? ran_error(context, RAN_INVALID, "%s", error.text)
               : RAN_OK;
}

static ran_status open_pair(ran_dataset *dataset, char **paths)
{
    struct ran_rt_tensor x = {0}, y = {0};
    ran_status status = read_array(dataset->context, paths[0], &x);
    if (!status)
        status = read_array(dataset->context, paths[1], &y);
    if (!status)
        status = ran_data_take_tensors(dataset, &x, &y, paths[0], paths[1]);
    ran_rt_tensor_clear(&x);
    ran_rt_tensor_clear(&y);
    return status;
}

/* ---- Archives --------------------------------------------------------------------------------------- */

/* The memory grows with what really comes out, whatever the archive's directory promises. */
static uint8_t *inflate_member(zip_file_t *file, size_t *out_size)
{
    size_t size = 0, capacity = 1 << 16;
    uint8_t *bytes = malloc(capacity);
    zip_int64_t got = 0;
    while (bytes && (got = zip_fread(file, bytes + size, capacity - size)) > 0) {
        size += (size_t)got;
        if (size == capacity) {
            uint8_t *more = realloc(bytes, capacity += capacity);
            if (!more)
                free(bytes);
            bytes = more;
        }
    }
    if (got < 0) {
        free(bytes);
        bytes = NULL;
    }
    *out_size = size;
    return bytes;
}

static ran_status read_member(ran_context *context, const char *path, zip_t *archive,
                              const char *name, struct ran_rt_tensor *out)
{
    struct ran_rt_error error = {{0}};
    size_t size;
    zip_file_t *file = zip_fopen(archive, name, 0);
    if (!file)
        return ran_error(context, RAN_INVALID, "%s: no member %s; an archive holds x.npy and y.npy",
                         path, name);
    uint8_t *bytes = inflate_member(file, &size);
    zip_fclose(file);
    if (!bytes)
        return ran_error(context, RAN_INVALID, "%s: cannot read its member %s", path, name);
    int failed = ran_rt_tensor_parse(bytes, size, out, &error);
    free(bytes);
    return failed ? ran_error(context, RAN_INVALID, "%s: %s: %s", path, name, error.text) : RAN_OK;
}

static ran_status open_archive(ran_dataset *dataset, const char *path)
{
    struct ran_rt_tensor x = {0}, y = {0};
    int code;
    zip_t *archive = zip_open(path, ZIP_RDONLY, &code);
    if (!archive) {
        zip_error_t error;
        zip_error_init_with_code(&error, code);
        ran_status failed = ran_error(dataset->context, RAN_INVALID, "%s: %s", path,
                                      zip_error_strerror(&error));
        zip_error_fini(&error);
        return failed;
    }
    ran_status status = read_member(dataset->context, path, archive, "x.npy", &x);
    if (!status)
        status = read_member(dataset->context, path, archive, "y.npy", &y);
    if (!status)
        status = ran_data_take_tensors(dataset, &x, &y, path, path);
    ran_rt_tensor_clear(&x);
    ran_rt_tensor_clear(&y);
    zip_discard(archive);
    return status;
}

ran_status ran_data_open_npy(ran_dataset *dataset, const char *argument)
{
    size_t count;
    char **paths = ran_data_split(argument, ',', &count);
    ran_status status;
    if (count == 2)
        status = open_pair(dataset, paths);
    else if (count == 1)
        status = open_archive(dataset, paths[0]);
    else
        status = ran_error(dataset->context, RAN_USAGE,
                           "expected npy:X.npy,Y.npy or npy:FILE.npz, not npy:%s", argument);
    ran_data_free_list(paths);
    return status;
}
