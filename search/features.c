/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "search/features.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "ir/ir.h"
#include "search/model.h"

ran_feature *ran_features_find(const ran_features *f, const char *name)
{
    for (size_t i = 0; i < f->count; i++)
        if (!strcmp(f->items[i].name, name))
            return &f->items[i];
    return NULL;
}

static void want_feature(ran_features *f, const ran_value *value)
{
    if (ran_features_find(f, ran_value_name(value)))
        return;
    f->items[f->count++] = (ran_feature){.name = ran_value_name(value),
                                         .numel = ran_type_numel(ran_value_type(value))};
}

/* Room in a file that nobody sees: what does not fit in memory lies on disk. */
static ran_status map_features(ran_context *context, const char *directory, ran_features *f,
                               int64_t images)
{
    for (size_t i = 0; i < f->count; i++)
        f->bytes += (size_t)(f->items[i].numel * images) * sizeof(float);
    char *path = (char *)ran_intern_printf(context, "%s/features.XXXXXX", directory);
    char name[4096];
    snprintf(name, sizeof name, "%s", path);
    int descriptor = mkstemp(name);
    if (descriptor >= 0)
        unlink(name);
    bool failed = descriptor < 0 || ftruncate(descriptor, (off_t)f->bytes);
    void *memory = failed ? MAP_FAILED
                          : mmap(NULL, f->bytes, PROT_READ | PROT_WRITE, MAP_SHARED, descriptor, 0);
    if (descriptor >= 0)
        close(descriptor);
    if (memory == MAP_FAILED)
        return ran_error(context, RAN_INVALID, "no room for %zu bytes of feature maps in %s: %s",
                         f->bytes, directory, strerror(errno));
    f->memory = memory;
    float *at = f->memory;
    for (size_t i = 0; i < f->count; i++) {
        f->items[i].data = at;
        at += f->items[i].numel * images;
    }
    return RAN_OK;
}

static ran_status run_teacher(ran_context *context, ran_native *native, const ran_images *images,
                              const ran_features *f)
{
    float **ys = calloc(f->count + 1, sizeof *ys);
    if (!ys)
        return ran_error(context, RAN_INVALID, "not enough memory");
    for (size_t i = 0; i < f->count; i++)
        ys[i] = f->items[i].data;
    ran_status status = ran_native_run_all(native, images->x, images->count, ys);
    free(ys);
    return status;
}

ran_status ran_features_compute(const ran_module *module, const ran_layers *layers,
                                const ran_images *images, const char *directory, ran_features *f)
{
    ran_context *context = ran_module_context(module);
    *f = (ran_features){.items = calloc(2 * layers->count + 1, sizeof *f->items)};
    if (!f->items)
        return ran_error(context, RAN_INVALID, "not enough memory");
    for (size_t i = 0; i < layers->count; i++)
        if (layers->layers[i].is_chosen) {
            want_feature(f, layers->layers[i].input);
            want_feature(f, layers->layers[i].output);
        }
    ran_module *copy = ran_module_clone(module);
    ran_function *function = ran_module_first_function(copy);
    ran_value **values = calloc(f->count + 1, sizeof *values);
    for (size_t i = 0; i < f->count; i++)
        values[i] = ran_search_find_value(function, f->items[i].name);
    ran_search_return_values(function, values, f->count);
    free(values);
    ran_native *native = NULL;
    ran_status status = ran_native_create_batch(copy, EVALUATION_BATCH, &native);
    if (status == RAN_OK)
        status = map_features(context, directory, f, images->count);
    if (status == RAN_OK)
        status = run_teacher(context, native, images, f);
    ran_native_destroy(native);
    ran_module_destroy(copy);
    return status;
}

void ran_features_clear(ran_features *f)
{
    if (f->memory)
        munmap(f->memory, f->bytes);
    free(f->items);
}
