/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * A directory of TensorProtos: pairs input_K.pb and output_K.pb, or ONNX's test_data_set_K, each with
 * input_0.pb and output_0.pb. Axis 0 counts samples; all pairs are put behind one another.
 */
#include "runtime/train/data/data.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { PATH_SIZE = 1024 };

typedef struct pairs {
    struct ran_rt_tensor x, y; /* dims[0] and data grow */
    char first[PATH_SIZE];     /* path of the first x, for messages */
} pairs;

static ran_status read_proto(ran_context *context, const char *path, struct ran_rt_tensor *out)
{
    struct ran_rt_error error = {{0}};
    if (ran_rt_tensor_read(path, out, &error))
        return ran_error(context, RAN_INVALID, "%s", error.text);
    if (out->elem == RAN_RT_STRING || out->rank < 1)
        return ran_error(context, RAN_INVALID, "%s: no axis of samples, or no numbers", path);
    return RAN_OK;
}

static bool same_samples(const struct ran_rt_tensor *a, const struct ran_rt_tensor *b)
{
    return a->elem == b->elem && a->rank == b->rank &&
           !memcmp(a->dims + 1, b->dims + 1, (size_t)(a->rank - 1) * sizeof(*a->dims));
}

static ran_status append(ran_context *context, struct ran_rt_tensor *all,
                         struct ran_rt_tensor *part, const char *path, const char *first)
{
    if (!all->data) {
        *all = *part;
        part->data = NULL;
        return RAN_OK;
    }
    if (!same_samples(all, part))
        return ran_error(context, RAN_INVALID, "%s: its samples have not the shape and type of %s",
                         path, first);
    char *data = realloc(all->data, all->bytes + part->bytes + 1);
    if (!data)
        return ran_error(context, RAN_INVALID, "out of memory");
    memcpy(data + all->bytes, part->data, part->bytes);
    all->data = data;
    all->bytes += part->bytes;
    all->numel += part->numel;
    all->dims[0] += part->dims[0];
    return RAN_OK;
}

static ran_status append_file(ran_context *context, struct ran_rt_tensor *all, const char *path,
                              const char *first)
{
    struct ran_rt_tensor part = {0};
    ran_status status = read_proto(context, path, &part);
    if (!status)
        status = append(context, all, &part, path, first);
    ran_rt_tensor_clear(&part);
    return status;
}

typedef enum form { IN_ONE_DIRECTORY, IN_DATA_SETS, FORMS } form;

static void pair_path(char out[PATH_SIZE], const char *directory, form form, const char *part, int k)
{
    if (form == IN_ONE_DIRECTORY)
        snprintf(out, PATH_SIZE, "%s/%s_%d.pb", directory, part, k);
    else
        snprintf(out, PATH_SIZE, "%s/test_data_set_%d/%s_0.pb", directory, k, part);
}

/* Whether there is a pair K; *out_status is set when there is. */
static bool append_pair(ran_context *context, const char *directory, int k, pairs *all,
                        ran_status *out_status)
{
    for (form f = 0; f < FORMS; f++) {
        char x[PATH_SIZE], y[PATH_SIZE];
        pair_path(x, directory, f, "input", k);
        pair_path(y, directory, f, "output", k);
        if (access(x, F_OK))
            continue;
        if (!*all->first)
            memcpy(all->first, x, sizeof(x));
        *out_status = append_file(context, &all->x, x, all->first);
        if (!*out_status)
            *out_status = append_file(context, &all->y, y, "the first output");
        return true;
    }
    return false;
}

ran_status ran_data_open_tensor_dir(ran_dataset *dataset, const char *argument)
{
    pairs all = {0};
    ran_status status = RAN_OK;
    int count = 0;
    while (!status && append_pair(dataset->context, argument, count, &all, &status))
        count++;
    if (!count)
        status = ran_error(dataset->context, RAN_INVALID,
                           "%s: neither input_0.pb nor test_data_set_0/input_0.pb is there",
                           argument);
    if (!status)
        status = ran_data_take_tensors(dataset, &all.x, &all.y, all.first, argument);
    ran_rt_tensor_clear(&all.x);
    ran_rt_tensor_clear(&all.y);
    return status;
}
