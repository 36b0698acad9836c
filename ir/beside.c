/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Files that appear whole or not at all: written beside their place and renamed. What is there and
 * no plain file (a device, a pipe, a symbolic link) is written itself, because renaming would put a
 * file in its place: who compiles into /dev/null wants to keep it.
 */
#include "ir/beside.h"

#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

const char *ran_beside(ran_context *context, const char *path)
{
    struct stat there;
    if (!lstat(path, &there) && !S_ISREG(there.st_mode))
        return path;
    return ran_intern_printf(context, "%s.%ld.tmp", path, (long)getpid());
}

bool ran_beside_rename(const char *beside, const char *path)
{
    return !strcmp(beside, path) || !rename(beside, path);
}

void ran_beside_remove(const char *beside, const char *path)
{
    if (strcmp(beside, path) != 0)
        unlink(beside);
}
