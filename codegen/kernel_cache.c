/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * DIRECTORY/XX/HASH, XX being the first byte of the hash. A file holds a header, the key, the bitcode.
 * The key is compared, not only its hash. Files are written beside their place and renamed, so that
 * several compilers may share a directory. A subdirectory that grows beyond ENTRIES_MAX loses what
 * was not used for the longest time.
 *
 * A key begins with what made the bitcode: the build of this library (its build-id, since bodies,
 * epilogues and the specialiser are all in it) and the version of LLVM.
 */
#define _GNU_SOURCE
#include "codegen/kernel_cache.h"

#include <dirent.h>
#include <elf.h>
#include <fcntl.h>
#include <limits.h>
#include <link.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { ENTRIES_MAX = 64, BUILD_MAX = 64 };

struct ran_kernel_cache {
    char directory[3072];
    char maker[256]; /* build and versions */
};

typedef struct header {
    char magic[8];
    uint64_t key_size, bitcode_size, checksum;
} header;

static const char magic[8] = "rankern1";

static uint64_t hash(uint64_t seed, const void *bytes, size_t count)
{
    const unsigned char *p = bytes;
    uint64_t h = 0xcbf29ce484222325u ^ seed * 0x9e3779b97f4a7c15u;
    for (size_t i = 0; i < count; i++)
        h = (h ^ p[i]) * 0x100000001b3u;
    return h ^ h >> 29;
}

/* ---- What made the bitcode ----------------------------------------------------------------------- */

typedef struct build {
    uintptr_t address; /* of code in this library */
    char text[2 * BUILD_MAX + 1];
} build;

static void read_notes(const char *notes, size_t size, build *out)
{
    for (size_t at = 0; at + sizeof(ElfW(Nhdr)) <= size;) {
        const ElfW(Nhdr) *note = (const ElfW(Nhdr) *)(notes + at);
        size_t name = at + sizeof(*note), id = name + (note->n_namesz + 3u) / 4 * 4;
        if (note->n_type == NT_GNU_BUILD_ID && note->n_namesz == 4 &&
            !memcmp(notes + name, "GNU", 4) && note->n_descsz <= BUILD_MAX)
            for (size_t i = 0; i < note->n_descsz; i++)
                snprintf(out->text + 2 * i, 3, "%02x", (unsigned char)notes[id + i]);
        at = id + (note->n_descsz + 3u) / 4 * 4;
    }
}

static bool holds(const struct dl_phdr_info *info, uintptr_t address)
{
    for (int i = 0; i < info->dlpi_phnum; i++) {
        const ElfW(Phdr) *p = &info->dlpi_phdr[i];
        if (p->p_type == PT_LOAD && address - (info->dlpi_addr + p->p_vaddr) < p->p_memsz)
            return true;
    }
    return false;
}

static int visit_object(struct dl_phdr_info *info, size_t size, void *data)
{
    build *out = data;
    (void)size;
    if (!holds(info, out->address))
        return 0;
    for (int i = 0; i < info->dlpi_phnum; i++)
        if (info->dlpi_phdr[i].p_type == PT_NOTE)
            read_notes((const char *)(info->dlpi_addr + info->dlpi_phdr[i].p_vaddr),
                       info->dlpi_phdr[i].p_memsz, out);
    return 1;
}

/* Without a build-id nothing tells one build from the next: no cache then. */
static bool find_maker(char *out, size_t capacity)
{
    unsigned major, minor, patch;
    build self = {.address = (uintptr_t)ran_kernel_cache_open};
    dl_iterate_phdr(visit_object, &self);
    LLVMGetVersion(&major, &minor, &patch);
    snprintf(out, capacity, "rancc %s llvm %u.%u.%u\n", self.text, major, minor, patch);
    return self.text[0];
}

/* ---- Files ------------------------------------------------------------------------------------------ */

static bool default_directory(char *out, size_t capacity)
{
    const char *base = getenv("XDG_CACHE_HOME"), *home = getenv("HOME");
    if (base && *base == '/')
        return (size_t)snprintf(out, capacity, "%s/rancc", base) < capacity;
    return home && *home == '/' &&
           (size_t)snprintf(out, capacity, "%s/.cache/rancc", home) < capacity;
}

ran_kernel_cache *ran_kernel_cache_open(const char *directory)
{
    ran_kernel_cache *cache = calloc(1, sizeof(*cache));
    size_t capacity = sizeof(cache->directory);
    bool usable = cache && (!directory || strcmp(directory, "none")) &&
                  find_maker(cache->maker, sizeof(cache->maker));
    if (usable && directory && *directory)
        usable = (size_t)snprintf(cache->directory, capacity, "%s", directory) < capacity;
    else if (usable)
        usable = default_directory(cache->directory, capacity);
    if (usable)
        return cache;
    free(cache);
    return NULL;
}

void ran_kernel_cache_close(ran_kernel_cache *cache)
{
    free(cache);
}

typedef struct place {
    char directory[3200], file[3300];
} place;

static place place_of(const ran_kernel_cache *cache, const char *key)
{
    place p;
    size_t maker = strlen(cache->maker), size = strlen(key);
    uint64_t first = hash(hash(1, cache->maker, maker), key, size);
    uint64_t second = hash(hash(2, cache->maker, maker), key, size);
    snprintf(p.directory, sizeof(p.directory), "%s/%02x", cache->directory,
             (unsigned)(first >> 56));
    snprintf(p.file, sizeof(p.file), "%s/%016llx%016llx", p.directory, (unsigned long long)first,
             (unsigned long long)second);
    return p;
}

/* mkdir -p */
static void make_directories(char *path)
{
    for (char *p = path + 1; *p; p++)
        if (*p == '/') {
            *p = 0;
            (void)mkdir(path, 0777);
            *p = '/';
        }
    (void)mkdir(path, 0777);
}

/* ---- Finding ---------------------------------------------------------------------------------------- */

/* Maker and key, as they stand in the file. */
static bool is_key(const ran_kernel_cache *cache, const char *key, const char *bytes, size_t size)
{
    size_t maker = strlen(cache->maker);
    return size == maker + strlen(key) && !memcmp(bytes, cache->maker, maker) &&
           !memcmp(bytes + maker, key, size - maker);
}

/* The whole file, `size` being all that it may have. */
static char *read_file(const char *path, size_t *out_size)
{
    struct stat status;
    char *bytes = NULL;
    FILE *stream = fopen(path, "rb");
    if (!stream)
        return NULL;
    if (!fstat(fileno(stream), &status) && status.st_size > (off_t)sizeof(header))
        bytes = malloc((size_t)status.st_size);
    if (bytes && fread(bytes, 1, (size_t)status.st_size, stream) != (size_t)status.st_size) {
        free(bytes);
        bytes = NULL;
    }
    fclose(stream);
    *out_size = bytes ? (size_t)status.st_size : 0;
    return bytes;
}

static bool is_whole(const ran_kernel_cache *cache, const char *key, const char *bytes, size_t size)
{
    header h;
    memcpy(&h, bytes, sizeof(h));
    size -= sizeof(h);
    return !memcmp(h.magic, magic, sizeof(magic)) && h.key_size <= size &&
           h.bitcode_size == size - h.key_size &&
           is_key(cache, key, bytes + sizeof(h), h.key_size) &&
           h.checksum == hash(3, bytes + sizeof(h), size);
}

LLVMMemoryBufferRef ran_kernel_cache_find(const ran_kernel_cache *cache, const char *key)
{
    if (!cache)
        return NULL;
    size_t size;
    LLVMMemoryBufferRef bitcode = NULL;
    place p = place_of(cache, key);
    char *bytes = read_file(p.file, &size);
    if (bytes && is_whole(cache, key, bytes, size)) {
        header h;
        memcpy(&h, bytes, sizeof(h));
        bitcode = LLVMCreateMemoryBufferWithMemoryRangeCopy(bytes + sizeof(h) + h.key_size,
                                                            h.bitcode_size, "kernel");
        (void)utimensat(AT_FDCWD, p.file, NULL, 0);
    }
    free(bytes);
    return bitcode;
}

/* ---- Adding ------------------------------------------------------------------------------------------ */

static int newer(const struct timespec *a, const struct timespec *b)
{
    return a->tv_sec != b->tv_sec ? a->tv_sec > b->tv_sec : a->tv_nsec > b->tv_nsec;
}

/* Removes what was not used for the longest time, when there are too many. */
static void make_room(const char *path)
{
    char oldest[NAME_MAX + 1] = "";
    struct timespec least = {0};
    size_t count = 0;
    struct stat status;
    DIR *directory = opendir(path);
    for (struct dirent *entry; directory && (entry = readdir(directory));) {
        if (*entry->d_name == '.' || fstatat(dirfd(directory), entry->d_name, &status, 0))
            continue;
        if (!count++ || newer(&least, &status.st_mtim)) {
            least = status.st_mtim;
            snprintf(oldest, sizeof(oldest), "%s", entry->d_name);
        }
    }
    if (count > ENTRIES_MAX)
        (void)unlinkat(dirfd(directory), oldest, 0);
    if (directory)
        closedir(directory);
}

static bool write_entry(const ran_kernel_cache *cache, FILE *stream, const char *key,
                        LLVMMemoryBufferRef bitcode)
{
    size_t maker = strlen(cache->maker), key_size = maker + strlen(key);
    size_t bitcode_size = LLVMGetBufferSize(bitcode), size = key_size + bitcode_size;
    header h = {.key_size = key_size, .bitcode_size = bitcode_size};
    char *body = malloc(size);
    if (!body)
        return false;
    memcpy(body, cache->maker, maker);
    memcpy(body + maker, key, key_size - maker);
    memcpy(body + key_size, LLVMGetBufferStart(bitcode), bitcode_size);
    memcpy(h.magic, magic, sizeof(magic));
    h.checksum = hash(3, body, size);
    bool written = fwrite(&h, 1, sizeof(h), stream) == sizeof(h) &&
                   fwrite(body, 1, size, stream) == size;
    free(body);
    return written;
}

void ran_kernel_cache_add(const ran_kernel_cache *cache, const char *key,
                          LLVMMemoryBufferRef bitcode)
{
    if (!cache)
        return;
    char temporary[3400];
    place p = place_of(cache, key);
    make_directories(p.directory);
    snprintf(temporary, sizeof(temporary), "%s/.new-XXXXXX", p.directory);
    int file = mkstemp(temporary);
    FILE *stream = file < 0 ? NULL : fdopen(file, "wb");
    if (!stream)
        return;
    bool written = write_entry(cache, stream, key, bitcode);
    if (fclose(stream) || !written || rename(temporary, p.file))
        unlink(temporary);
    else
        make_room(p.directory);
}
