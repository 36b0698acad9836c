/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Checkpoints: where training is, and all of the state, bit for bit.
 *
 *   "RANCKPT1", struct position, count of buffers; for each: length of its name, name, elements, data;
 *   CRC-32 of all before. Little-endian. Written beside the path, synchronised, renamed: whenever the
 *   process dies there is a whole file, the old one or the new one.
 */
#include "runtime/train/train.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <zlib.h>

#include "ir/beside.h"

static const char magic[8] = "RANCKPT1";

typedef struct position {
    int64_t epoch, step, counter;
    double loss_sum, correct_sum, seen, test_loss, test_accuracy;
    /* What has to be the same for the rest of the run to be the same. */
    int64_t batch, samples;
    uint64_t seed;
} position;

static position position_of(const ran_trainer *t)
{
    return (position){.epoch = t->epoch,
                      .step = t->step,
                      .counter = t->counter,
                      .loss_sum = t->loss_sum,
                      .correct_sum = t->correct_sum,
                      .seen = t->seen,
                      .test_loss = t->test_loss,
                      .test_accuracy = t->test_accuracy,
                      .batch = t->config.batch,
                      .samples = t->train ? t->train->count : 0,
                      .seed = t->config.seed};
}

/* ---- Writing ------------------------------------------------------------------------------------------- */

typedef struct writer {
    FILE *file;
    uLong crc;
    bool failed;
} writer;

static void put(writer *w, const void *data, size_t size)
{
    w->crc = crc32_z(w->crc, data, size);
    w->failed |= size && fwrite(data, 1, size, w->file) != size;
}

static void put_all(writer *w, const ran_trainer *t)
{
    position at = position_of(t);
    uint64_t count = t->state.count;
    put(w, magic, sizeof(magic));
    put(w, &at, sizeof(at));
    put(w, &count, sizeof(count));
    for (size_t i = 0; i < t->state.count; i++) {
        const ran_buffer *b = &t->state.items[i];
        uint64_t length = strlen(b->name), numel = (uint64_t)b->numel;
        put(w, &length, sizeof(length));
        put(w, b->name, length);
        put(w, &numel, sizeof(numel));
        put(w, b->data, (size_t)b->numel * sizeof(float));
    }
    uint32_t crc = (uint32_t)w->crc;
    put(w, &crc, sizeof(crc));
}

/* The rename is durable only when the directory is. */
static void sync_directory(const char *path)
{
    char *copy = strdup(path), *slash = copy ? strrchr(copy, '/') : NULL;
    if (slash)
        slash[slash == copy] = 0;
    int fd = copy ? open(slash ? copy : ".", O_RDONLY) : -1;
    if (fd >= 0) {
        fsync(fd);
        close(fd);
    }
    free(copy);
}

ran_status ran_checkpoint_write(const ran_trainer *t, const char *path)
{
    const char *temporary = ran_beside(t->context, path);
    writer w = {fopen(temporary, "wb"), crc32(0, NULL, 0), false};
    if (!w.file)
        return ran_error(t->context, RAN_INVALID, "cannot write the checkpoint %s: %s", path,
                         strerror(errno));
    put_all(&w, t);
    w.failed |= fflush(w.file) != 0 || fsync(fileno(w.file)) != 0;
    w.failed |= fclose(w.file) != 0;
    if (!w.failed && ran_beside_rename(temporary, path)) {
        sync_directory(path);
        return RAN_OK;
    }
    ran_status status = ran_error(t->context, RAN_INVALID, "cannot write the checkpoint %s: %s",
                                  path, strerror(errno));
    ran_beside_remove(temporary, path);
    return status;
}

/* ---- Reading ---------------------------------------------------------------------------------------------- */

typedef struct parser {
    const uint8_t *at;
    size_t left;
} parser;

static bool get(parser *p, void *out, size_t size)
{
    if (size > p->left)
        return false;
    memcpy(out, p->at, size);
    p->at += size;
    p->left -= size;
    return true;
}

static bool get_buffer(parser *p, const ran_state *state)
{
    uint64_t length, numel;
    char name[1024];
    if (!get(p, &length, sizeof(length)) || length >= sizeof(name) || !get(p, name, length) ||
        !get(p, &numel, sizeof(numel)))
        return false;
    name[length] = 0;
    ran_buffer *b = ran_state_find(state, name);
    return b && numel == (uint64_t)b->numel && get(p, b->data, (size_t)numel * sizeof(float));
}

static ran_status mismatch(const ran_trainer *t, const char *path, const char *what)
{
    return ran_error(t->context, RAN_INVALID,
                     "%s: cannot go on from this checkpoint: %s; start without --resume", path,
                     what);
}

static ran_status restore(ran_trainer *t, const char *path, parser *p)
{
    position at, now = position_of(t);
    uint64_t count;
    if (!get(p, &at, sizeof(at)) || !get(p, &count, sizeof(count)))
        return mismatch(t, path, "it ends early");
    if (at.batch != now.batch || at.samples != now.samples || at.seed != now.seed)
        return mismatch(t, path, "its run had another batch, seed or number of samples");
    if (count != t->state.count)
        return mismatch(t, path, "it belongs to another model or optimiser");
    for (uint64_t i = 0; i < count; i++) {
        if (!get_buffer(p, &t->state))
            return mismatch(t, path, "it belongs to another model or optimiser");
    }
    t->epoch = at.epoch;
    t->step = at.step;
    t->counter = at.counter;
    t->loss_sum = at.loss_sum;
    t->correct_sum = at.correct_sum;
    t->seen = at.seen;
    t->test_loss = at.test_loss;
    t->test_accuracy = at.test_accuracy;
    return RAN_OK;
}

ran_status ran_checkpoint_read(ran_trainer *t, const char *path, bool *out_found)
{
    uint8_t *bytes;
    size_t size;
    uint32_t crc = 0;
    *out_found = !access(path, F_OK);
    if (!*out_found)
        return RAN_OK;
    ran_status status = ran_data_read_file(t->context, path, SIZE_MAX / 4, &bytes, &size);
    if (status)
        return status;
    size_t whole = size > sizeof(crc) ? size - sizeof(crc) : 0;
    memcpy(&crc, bytes + whole, size - whole < sizeof(crc) ? size - whole : sizeof(crc));
    if (whole < sizeof(magic) || memcmp(bytes, magic, sizeof(magic)))
        status = mismatch(t, path, "it is no checkpoint");
    else if (crc32_z(crc32(0, NULL, 0), bytes, whole) != crc)
        status = mismatch(t, path, "it is damaged");
    else
        status = restore(t, path, &(parser){bytes + sizeof(magic), whole - sizeof(magic)});
    free(bytes);
    return status;
}
