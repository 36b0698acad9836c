/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Files that appear whole or not at all: written beside their place and renamed. What is there and
 * no plain file (a device, a pipe, a symbolic link) is written itself, because renaming would put a
 * file in its place: who compiles into /dev/null wants to keep it.
 */
#include "ir/beside.h"

#include <errno.h>
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

static ran_status write_error(ran_context *context, const char *path)
{
    return ran_error(context, RAN_INVALID, "cannot write %s: %s", path, strerror(errno));
}

ran_status ran_beside_open(ran_context *context, const char *path, ran_beside_file *out_file)
{
    *out_file = (ran_beside_file){.stream = stdout};
    if (!path || !strcmp(path, "-"))
        return RAN_OK;
    out_file->path = path;
    out_file->temporary = ran_beside(context, path);
    out_file->stream = fopen(out_file->temporary, "wb");
    return out_file->stream ? RAN_OK : write_error(context, path);
}

ran_status ran_beside_flush(ran_context *context, const ran_beside_file *file)
{
    bool failed = fflush(file->stream) || ferror(file->stream);
    return failed ? write_error(context, file->path ? file->path : "standard output") : RAN_OK;
}

ran_status ran_beside_close(ran_context *context, ran_beside_file *file, ran_status status)
{
    if (!file->stream)
        return status;
    if (status == RAN_OK)
        status = ran_beside_flush(context, file);
    if (!file->path)
        return status;
    bool failed = fclose(file->stream) != 0;
    if (status == RAN_OK && (failed || !ran_beside_rename(file->temporary, file->path)))
        status = write_error(context, file->path);
    if (status != RAN_OK)
        ran_beside_remove(file->temporary, file->path);
    return status;
}
