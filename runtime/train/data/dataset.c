/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Data sets: the table of formats, samples as f32, tensors of the caller. */
#include "runtime/train/data/data.h"

#include <stdlib.h>
#include <string.h>

static const struct {
    const char *scheme, *syntax;
    ran_status (*open)(ran_dataset *dataset, const char *argument);
} formats[] = {
    {"idx", "idx:IMAGES,LABELS", ran_data_open_idx},
    {"cifar10", "cifar10:FILE[,FILE...]", ran_data_open_cifar10},
    {"cifar100", "cifar100:FILE[,FILE...]", ran_data_open_cifar100},
    {"npy", "npy:X.npy,Y.npy or npy:FILE.npz", ran_data_open_npy},
    {"pb", "pb:DIR", ran_data_open_tensor_dir},
    {"images", "images:DIR", ran_data_open_image_dir},
};

enum { FORMAT_COUNT = sizeof(formats) / sizeof(*formats) };

static ran_status unknown_format(ran_context *context, const char *specification)
{
    char list[512] = "";
    for (int i = 0; i < FORMAT_COUNT; i++) {
        strcat(list, i ? "; " : "");
        strcat(list, formats[i].syntax);
    }
    return ran_error(context, RAN_USAGE, "%s: no known kind of data; expected one of: %s",
                     specification, list);
}

static ran_dataset *create(ran_context *context, const char *name)
{
    ran_dataset *dataset = calloc(1, sizeof(*dataset));
    if (dataset) {
        dataset->context = context;
        dataset->name = strdup(name);
        dataset->elem = RAN_ELEM_U8;
    }
    return dataset;
}

static ran_status check(ran_dataset *dataset)
{
    if (dataset->count < 1 || dataset->numel < 1)
        return ran_error(dataset->context, RAN_INVALID, "%s: no samples", dataset->name);
    for (int64_t i = 0; dataset->classes && i < dataset->count; i++) {
        int64_t class = dataset->classes[i];
        if (class < 0 || class >= 1 << 24)
            return ran_error(dataset->context, RAN_INVALID,
                             "%s: sample %lld has class %lld; classes count from 0", dataset->name,
                             (long long)i, (long long)class);
        if (class >= dataset->class_count)
            dataset->class_count = class + 1;
    }
    return RAN_OK;
}

ran_status ran_dataset_open(ran_context *context, const char *specification,
                            ran_dataset **out_dataset)
{
    const char *colon = strchr(specification, ':');
    size_t length = colon ? (size_t)(colon - specification) : 0;
    *out_dataset = NULL;
    for (int i = 0; colon && i < FORMAT_COUNT; i++) {
        if (strlen(formats[i].scheme) != length || strncmp(formats[i].scheme, specification, length))
            continue;
        ran_dataset *dataset = create(context, specification);
        if (!dataset)
            return ran_error(context, RAN_INVALID, "out of memory");
        ran_status status = formats[i].open(dataset, colon + 1);
        if (!status)
            status = check(dataset);
        if (status)
            ran_dataset_close(dataset);
        else
            *out_dataset = dataset;
        return status;
    }
    return unknown_format(context, specification);
}

void ran_dataset_close(ran_dataset *dataset)
{
    if (!dataset)
        return;
    if (dataset->close)
        dataset->close(dataset);
    if (dataset->owns_x)
        free((void *)dataset->x);
    ran_tensor_release(dataset->x_tensor);
    ran_data_free_list(dataset->class_names);
    free(dataset->classes);
    free(dataset->targets);
    free(dataset->name);
    free(dataset);
}

int64_t ran_dataset_count(const ran_dataset *dataset)
{
    return dataset->count;
}

int ran_dataset_shape(const ran_dataset *dataset, int64_t *out_dims)
{
    memcpy(out_dims, dataset->dims, (size_t)dataset->rank * sizeof(*out_dims));
    return dataset->rank;
}

void ran_data_set_sample(ran_dataset *dataset, int rank, const int64_t *dims)
{
    dataset->rank = rank;
    dataset->numel = 1;
    for (int i = 0; i < rank; i++) {
        dataset->dims[i] = dims[i];
        dataset->numel *= dims[i];
    }
}

/* ---- Samples ---------------------------------------------------------------------------------------- */

static void copy_bytes(const uint8_t *from, int64_t count, float *out)
{
    for (int64_t i = 0; i < count; i++)
        out[i] = from[i];
}

static void copy_other(const ran_dataset *dataset, int64_t index, float *out)
{
    size_t bytes = ran_elem_bytes(dataset->elem, dataset->numel);
    const char *from = (const char *)dataset->x + (size_t)index * bytes;
    ran_tensor *view =
        ran_tensor_wrap(dataset->elem, dataset->rank, dataset->dims, (void *)from, NULL, NULL);
    for (int64_t i = 0; view && i < dataset->numel; i++)
        out[i] = (float)ran_tensor_get_f64(view, i);
    ran_tensor_release(view);
}

int ran_dataset_fetch(const ran_dataset *dataset, int64_t index, float *out_x,
                      struct ran_rt_error *error)
{
    int64_t n = dataset->numel;
    if (!dataset->x)
        return dataset->fetch(dataset, index, out_x, error);
    if (dataset->elem == RAN_ELEM_F32)
        memcpy(out_x, (const float *)dataset->x + index * n, (size_t)n * sizeof(float));
    else if (dataset->elem == RAN_ELEM_U8)
        copy_bytes((const uint8_t *)dataset->x + index * n, n, out_x);
    else
        copy_other(dataset, index, out_x);
    return 0;
}

ran_status ran_dataset_read(ran_dataset *dataset, int64_t index, float *out_x, int64_t *out_class)
{
    struct ran_rt_error error = {{0}};
    if (index < 0 || index >= dataset->count)
        return ran_error(dataset->context, RAN_USAGE, "%s: no sample %lld of %lld", dataset->name,
                         (long long)index, (long long)dataset->count);
    *out_class = dataset->classes ? dataset->classes[index] : -1;
    return ran_dataset_fetch(dataset, index, out_x, &error)
               ? ran_error(dataset->context, RAN_INVALID, "%s", error.text)
               : RAN_OK;
}

/* ---- Tensors ---------------------------------------------------------------------------------------- */

static ran_status take_classes(ran_dataset *dataset, const ran_tensor *y)
{
    dataset->classes = malloc((size_t)dataset->count * sizeof(*dataset->classes));
    if (!dataset->classes)
        return ran_error(dataset->context, RAN_INVALID, "out of memory");
    for (int64_t i = 0; i < dataset->count; i++)
        dataset->classes[i] = ran_tensor_get_i64(y, i);
    return RAN_OK;
}

static ran_status take_targets(ran_dataset *dataset, const ran_tensor *y)
{
    int64_t numel = ran_tensor_numel(y);
    dataset->targets = malloc((size_t)numel * sizeof(float) + 1);
    if (!dataset->targets)
        return ran_error(dataset->context, RAN_INVALID, "out of memory");
    for (int64_t i = 0; i < numel; i++)
        dataset->targets[i] = (float)ran_tensor_get_f64(y, i);
    dataset->target_rank = ran_tensor_rank(y) - 1;
    for (int i = 0; i < dataset->target_rank; i++)
        dataset->target_dims[i] = ran_tensor_dims(y)[i + 1];
    dataset->target_numel = numel / dataset->count;
    return RAN_OK;
}

static ran_status take_labels(ran_dataset *dataset, const ran_tensor *y, const char *name)
{
    bool integer = ran_elem_is_int(ran_tensor_elem(y));
    if (ran_tensor_rank(y) < 1 || ran_tensor_dims(y)[0] != dataset->count)
        return ran_error(dataset->context, RAN_INVALID,
                         "%s: %lld samples, but x has %lld", name,
                         (long long)(ran_tensor_rank(y) < 1 ? 1 : ran_tensor_dims(y)[0]),
                         (long long)dataset->count);
    if (integer && ran_tensor_numel(y) == dataset->count)
        return take_classes(dataset, y);
    if (!ran_elem_is_float(ran_tensor_elem(y)))
        return ran_error(dataset->context, RAN_INVALID,
                         "%s: targets are one integer a sample (its class) or floats", name);
    return take_targets(dataset, y);
}

ran_status ran_dataset_wrap(ran_context *context, const ran_tensor *x, const ran_tensor *y,
                            ran_dataset **out_dataset)
{
    ran_dataset *dataset = create(context, "the given tensors");
    ran_status status = RAN_OK;
    *out_dataset = NULL;
    if (!dataset)
        return ran_error(context, RAN_INVALID, "out of memory");
    if (ran_tensor_rank(x) < 2 || ran_tensor_dims(x)[0] < 1)
        status = ran_error(context, RAN_INVALID, "x needs an axis of samples and one of values");
    if (!status) {
        dataset->count = ran_tensor_dims(x)[0];
        dataset->elem = ran_tensor_elem(x);
        dataset->x_tensor = ran_tensor_retain(x);
        dataset->x = ran_tensor_data(x);
        ran_data_set_sample(dataset, ran_tensor_rank(x) - 1, ran_tensor_dims(x) + 1);
        status = take_labels(dataset, y, "y");
    }
    if (!status)
        status = check(dataset);
    if (status)
        ran_dataset_close(dataset);
    else
        *out_dataset = dataset;
    return status;
}

static ran_tensor *view(const struct ran_rt_tensor *t)
{
    ran_elem elem;
    if (!ran_elem_from_onnx(t->elem, &elem) || t->elem == RAN_RT_STRING)
        return NULL;
    return ran_tensor_wrap(elem, t->rank, t->dims, t->data, NULL, NULL);
}

ran_status ran_data_take_tensors(ran_dataset *dataset, struct ran_rt_tensor *x,
                                 struct ran_rt_tensor *y, const char *x_name, const char *y_name)
{
    ran_elem elem;
    if (x->rank < 2 || x->dims[0] < 1 || !x->numel)
        return ran_error(dataset->context, RAN_INVALID,
                         "%s: expected an axis of samples and at least one of values", x_name);
    if (!ran_elem_from_onnx(x->elem, &elem) || x->elem == RAN_RT_STRING || ran_elem_bits(elem) < 8)
        return ran_error(dataset->context, RAN_INVALID, "%s: its elements are no numbers", x_name);
    dataset->count = x->dims[0];
    dataset->elem = elem;
    dataset->x = x->data;
    dataset->owns_x = true;
    x->data = NULL;
    ran_data_set_sample(dataset, x->rank - 1, x->dims + 1);
    ran_tensor *labels = view(y);
    ran_status status = labels ? take_labels(dataset, labels, y_name)
                               : ran_error(dataset->context, RAN_INVALID,
                                           "%s: its elements are no numbers", y_name);
    ran_tensor_release(labels);
    return status;
}
