/* SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception */
/* Shared libraries that rancc wrote. */
#include "tensor_format.h"

#include <ran/rt.h>

#include <dlfcn.h>
#include <stdlib.h>
#include <string.h>

struct ran_rt_library {
    void *handle;
    const struct ran_model_desc *desc;
};

/* "dir/my-model.so" -> "my_model_desc", as rancc names it when no prefix is given. */
static void symbol_of_path(const char *path, const char *prefix, char *out, size_t capacity)
{
    const char *slash = strrchr(path, '/');
    const char *stem = prefix ? prefix : slash ? slash + 1 : path;
    size_t n = 0;
    if (*stem >= '0' && *stem <= '9')
        n = (size_t)snprintf(out, capacity, "arg_");
    for (; *stem && (prefix || *stem != '.') && n + 6 < capacity; stem++) {
        char c = *stem;
        bool fits = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
        out[n++] = fits ? c : '_';
    }
    snprintf(out + n, capacity - n, "_desc");
}

static const struct ran_model_desc *find_desc(void *handle, const char *symbol,
                                              struct ran_rt_error *error)
{
    const struct ran_model_desc *(*describe)(void) =
        (const struct ran_model_desc *(*)(void))(uintptr_t)dlsym(handle, symbol);
    if (!describe) {
        ran_rt_fail(error, "no symbol %s; give the prefix that it was compiled with", symbol);
        return NULL;
    }
    const struct ran_model_desc *desc = describe();
    if (desc->abi == RAN_ABI_VERSION)
        return desc;
    ran_rt_fail(error, "it has ABI version %u, this library has %d", desc->abi, RAN_ABI_VERSION);
    return NULL;
}

struct ran_rt_library *ran_rt_library_open(const char *path, const char *prefix,
                                           struct ran_rt_error *error)
{
    char symbol[256];
    char *file = malloc(strlen(path) + 3);
    struct ran_rt_library *library = calloc(1, sizeof *library);
    symbol_of_path(path, prefix, symbol, sizeof symbol);
    if (file && library) {
        sprintf(file, "%s%s", strchr(path, '/') ? "" : "./", path);
        library->handle = dlopen(file, RTLD_NOW | RTLD_LOCAL);
        if (!library->handle)
            ran_rt_fail(error, "%s", dlerror());
        else
            library->desc = find_desc(library->handle, symbol, error);
    }
    free(file);
    if (library && library->desc)
        return library;
    ran_rt_library_close(library);
    return NULL;
}

void ran_rt_library_close(struct ran_rt_library *library)
{
    if (library && library->handle)
        dlclose(library->handle);
    free(library);
}

const struct ran_model_desc *ran_rt_library_desc(const struct ran_rt_library *library)
{
    return library->desc;
}
