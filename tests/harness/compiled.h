/* SPDX-License-Identifier: GPL-3.0-or-later */
/* What tests of compiled code share: files of a folder, and slots without threads. */
#ifndef RAN_TESTS_HARNESS_COMPILED_H
#define RAN_TESTS_HARNESS_COMPILED_H

#include <dirent.h>
#include <ran/rt.h>
#include <string.h>

#include "tests/harness/unit.h"

typedef void task_function(void *argument, unsigned slot, size_t begin, size_t end);

/* Tasks one after the other, in an order that a pool could have chosen: from the back, in pieces of
 * their own, so that nothing can lean on order or size. */
static inline void run_slots(const struct ran_parallel *self, size_t tasks, task_function *task,
                             void *argument)
{
    size_t step = tasks / self->slots / 2 + 1;
    unsigned slot = 0;
    for (size_t end = tasks; end > 0; end -= step < end ? step : end) {
        task(argument, slot, step < end ? end - step : 0, end);
        slot = (slot + 1) % self->slots;
    }
}

static inline char *read_text(const char *path)
{
    char *text = NULL;
    size_t size = 0;
    FILE *in = fopen(path, "r"), *out = open_memstream(&text, &size);
    ck_assert_msg(in != NULL, "%s can't be read", path);
    for (int c; (c = getc(in)) != EOF;)
        putc(c, out);
    fclose(in);
    fclose(out);
    return text;
}

/* Calls `check` with the path of each .ran file of tests/FOLDER; `only`: those whose name holds it.
 */
static inline void each_ran_file(const char *folder, const char *only,
                                 void (*check)(const char *path, void *data), void *data)
{
    char name[4096], path[8192];
    size_t count = 0;
    snprintf(name, sizeof(name), "%s/tests/%s", getenv("RAN_SRCDIR"), folder);
    DIR *dir = opendir(name);
    ck_assert_msg(dir != NULL, "%s can't be read", name);
    for (struct dirent *entry; (entry = readdir(dir));) {
        size_t length = strlen(entry->d_name);
        if (length < 4 || strcmp(entry->d_name + length - 4, ".ran") != 0)
            continue;
        count++;
        snprintf(path, sizeof(path), "%s/%s", name, entry->d_name);
        if (!only || strstr(entry->d_name, only))
            check(path, data);
    }
    closedir(dir);
    ck_assert_uint_gt(count, 0);
}

#endif
