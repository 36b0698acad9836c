/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * A directory of images by class: DIR/CLASS/FILE, classes numbered in the order of their names.
 * Images are decoded when they are needed, in the loader's thread, and scaled (bilinear, over the
 * whole image) to the size of the model's input, or of the first image.
 */
#include "runtime/train/data/data.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

typedef struct image_dir {
    char **paths;
    size_t capacity;
} image_dir;

static ran_status add_path(ran_dataset *dataset, const char *directory, const char *class,
                           const char *file, int64_t number)
{
    image_dir *dir = dataset->state;
    if ((size_t)dataset->count + 1 >= dir->capacity) {
        size_t capacity = dir->capacity ? 2 * dir->capacity : 1024;
        char **paths = realloc(dir->paths, capacity * sizeof(*paths));
        dir->paths = paths ? paths : dir->paths;
        int64_t *classes = realloc(dataset->classes, capacity * sizeof(*classes));
        dataset->classes = classes ? classes : dataset->classes;
        if (!paths || !classes)
            return ran_error(dataset->context, RAN_INVALID, "out of memory");
        dir->capacity = capacity;
    }
    size_t size = strlen(directory) + strlen(class) + strlen(file) + 3;
    char *path = malloc(size);
    if (!path)
        return ran_error(dataset->context, RAN_INVALID, "out of memory");
    snprintf(path, size, "%s/%s/%s", directory, class, file);
    dir->paths[dataset->count] = path;
    dir->paths[dataset->count + 1] = NULL;
    dataset->classes[dataset->count++] = number;
    return RAN_OK;
}

static bool is_directory(const char *directory, const char *name)
{
    char path[4096];
    struct stat info;
    int length = snprintf(path, sizeof(path), "%s/%s", directory, name);
    return (size_t)length < sizeof(path) && !stat(path, &info) && S_ISDIR(info.st_mode);
}

static ran_status add_class(ran_dataset *dataset, const char *directory, const char *class,
                            int64_t number)
{
    char path[4096], **names = NULL;
    size_t count = 0;
    if ((size_t)snprintf(path, sizeof(path), "%s/%s", directory, class) >= sizeof(path))
        return ran_error(dataset->context, RAN_INVALID, "%s: the path is too long", directory);
    ran_status status = ran_data_list_directory(dataset->context, path, &names, &count);
    for (size_t i = 0; i < count && !status; i++) {
        if (!is_directory(path, names[i]))
            status = add_path(dataset, directory, class, names[i], number);
    }
    ran_data_free_list(names);
    return status;
}

static ran_status add_classes(ran_dataset *dataset, const char *directory)
{
    char **names = NULL;
    size_t count = 0, classes = 0;
    ran_status status = ran_data_list_directory(dataset->context, directory, &names, &count);
    for (size_t i = 0; i < count; i++) { /* files beside the classes are none */
        if (is_directory(directory, names[i]))
            names[classes++] = names[i];
        else
            free(names[i]);
    }
    if (names)
        names[classes] = NULL;
    for (size_t i = 0; i < classes && !status; i++)
        status = add_class(dataset, directory, names[i], (int64_t)i);
    dataset->class_names = names;
    dataset->class_count = (int64_t)classes;
    if (!status && !dataset->count)
        status = ran_error(dataset->context, RAN_INVALID,
                           "%s: no images; expected one directory a class", directory);
    return status;
}

/* ---- Reading ----------------------------------------------------------------------------------------- */

/* Pixel centres at half-integers; the borders are repeated. */
static float sample(const uint8_t *pixels, int64_t height, int64_t width, int64_t channels,
                    double y, double x, int64_t channel)
{
    y = fmin(fmax(y, 0), (double)(height - 1));
    x = fmin(fmax(x, 0), (double)(width - 1));
    int64_t top = (int64_t)y, left = (int64_t)x;
    int64_t bottom = top + 1 < height ? top + 1 : top, right = left + 1 < width ? left + 1 : left;
    double v = y - (double)top, u = x - (double)left;
#define PIXEL(row, column) pixels[((row)*width + (column)) * channels + channel]
    double upper = PIXEL(top, left) * (1 - u) + PIXEL(top, right) * u;
    double lower = PIXEL(bottom, left) * (1 - u) + PIXEL(bottom, right) * u;
#undef PIXEL
    return (float)(upper * (1 - v) + lower * v);
}

static void scale_image(const uint8_t *pixels, int64_t height, int64_t width, const int64_t *dims,
                        float *out)
{
    double fy = (double)height / (double)dims[1], fx = (double)width / (double)dims[2];
    for (int64_t c = 0; c < dims[0]; c++)
        for (int64_t y = 0; y < dims[1]; y++)
            for (int64_t x = 0; x < dims[2]; x++)
                *out++ = sample(pixels, height, width, dims[0], ((double)y + 0.5) * fy - 0.5,
                                ((double)x + 0.5) * fx - 0.5, c);
}

static int fetch(const ran_dataset *dataset, int64_t index, float *out_x,
                 struct ran_rt_error *error)
{
    const image_dir *dir = dataset->state;
    uint8_t *pixels;
    int64_t height, width;
    if (ran_image_read(dir->paths[index], (int)dataset->dims[0], &pixels, &height, &width, error))
        return -1;
    scale_image(pixels, height, width, dataset->dims, out_x);
    free(pixels);
    return 0;
}

static void close_dir(ran_dataset *dataset)
{
    image_dir *dir = dataset->state;
    ran_data_free_list(dir->paths);
    free(dir);
}

void ran_dataset_resize(ran_dataset *dataset, int64_t channels, int64_t height, int64_t width)
{
    if (dataset->fetch == fetch && (channels == 1 || channels == 3))
        ran_data_set_sample(dataset, 3, (int64_t[]){channels, height, width});
}

ran_status ran_data_open_image_dir(ran_dataset *dataset, const char *argument)
{
    struct ran_rt_error error = {{0}};
    uint8_t *pixels = NULL;
    int64_t height, width;
    dataset->state = calloc(1, sizeof(image_dir));
    dataset->fetch = fetch;
    dataset->close = close_dir;
    if (!dataset->state)
        return ran_error(dataset->context, RAN_INVALID, "out of memory");
    ran_status status = add_classes(dataset, argument);
    if (status)
        return status;
    const image_dir *dir = dataset->state;
    if (ran_image_read(dir->paths[0], 3, &pixels, &height, &width, &error))
        return ran_error(dataset->context, RAN_INVALID, "%s", error.text);
    free(pixels);
    ran_data_set_sample(dataset, 3, (int64_t[]){3, height, width});
    return RAN_OK;
}
