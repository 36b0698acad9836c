/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Batches, made by a thread ahead of the computation: a ring of three. The order of an epoch is a
 * permutation of its own, a sample's augmentation a stream of its own, so that batch (epoch, step) is
 * the same whenever and after whatever it is made.
 */
#include "runtime/train/train.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>

enum { RING = 3, STREAM_ORDER = 1, STREAM_SAMPLE = 2, STREAM_MIXUP = 3 };

struct ran_loader {
    ran_loader_options o;
    ran_batch ring[RING];
    int64_t made, taken; /* batches; ring[made % RING] is the one being made */
    bool holds, stopped, ended, started;
    pthread_t thread;
    pthread_mutex_t lock;
    pthread_cond_t changed;

    int64_t *order, order_epoch;
    float *sample, *scratch;
    float fill[TRAIN_CHANNELS];
    int64_t channels, height, width;
};

/* ---- One sample ------------------------------------------------------------------------------------------ */

static void normalize(const ran_loader *l, float *to)
{
    const ran_normalization *n = l->o.normalization;
    int64_t plane = l->height * l->width;
    for (int64_t c = 0; c < l->channels; c++) {
        float scale = (float)n->scale;
        float mean = (float)n->mean[n->mean_count > 1 ? c : 0];
        float factor = (float)(1 / n->std[n->std_count > 1 ? c : 0]);
        const float *from = l->sample + c * plane;
        int64_t stride = l->o.channels_last ? l->channels : 1;
        float *out = l->o.channels_last ? to + c : to + c * plane;
        for (int64_t i = 0; i < plane; i++)
            out[i * stride] = (from[i] * scale - mean) * factor;
    }
}

static float raw_range(const ran_dataset *dataset)
{
    return dataset->elem == RAN_ELEM_U8 ? 255 : 1;
}

static int load_sample(ran_loader *l, ran_batch *batch, int64_t position, float *to)
{
    int64_t index = l->order ? l->order[position] : position;
    if (ran_dataset_fetch(l->o.dataset, index, l->sample, &batch->error))
        return -1;
    if (l->o.augment) {
        ran_random random = ran_random_stream(l->o.seed, STREAM_SAMPLE, (uint64_t)batch->epoch,
                                              (uint64_t)position);
        ran_augment_apply(l->o.augment, &random, l->sample, l->scratch, l->channels, l->height,
                          l->width, l->fill, raw_range(l->o.dataset));
    }
    normalize(l, to);
    return 0;
}

static void load_target(const ran_loader *l, ran_batch *batch, int64_t position, int64_t slot)
{
    const ran_dataset *d = l->o.dataset;
    int64_t index = l->order ? l->order[position] : position, size = d->target_numel;
    if (d->targets) {
        memcpy(batch->target + slot * size, d->targets + index * size,
               (size_t)size * sizeof(float));
        return;
    }
    batch->labels[slot] = d->classes[index];
    for (int64_t c = 0; c < l->o.classes; c++)
        batch->target[slot * l->o.classes + c] = c == d->classes[index];
}

/* ---- One batch ------------------------------------------------------------------------------------------- */

/* Zhang et al. 2018: x lambda + x' (1 - lambda), with x' the batch turned by half its size. */
static void mix(const float *from, float *x, int64_t count, int64_t size, float lambda)
{
    for (int64_t i = 0; i < count; i++) {
        const float *other = from + (i + count / 2) % count * size;
        for (int64_t k = 0; k < size; k++)
            x[i * size + k] = x[i * size + k] * lambda + other[k] * (1 - lambda);
    }
}

static int mixup(ran_loader *l, ran_batch *batch)
{
    const ran_dataset *d = l->o.dataset;
    int64_t size = d->targets ? d->target_numel : l->o.classes;
    ran_random random = ran_random_stream(l->o.seed, STREAM_MIXUP, (uint64_t)batch->epoch,
                                          (uint64_t)batch->step);
    float lambda = (float)ran_random_beta(&random, l->o.augment->mixup);
    int64_t widest = d->numel > size ? d->numel : size;
    float *copy = malloc((size_t)(batch->count * widest) * sizeof(float) + 1);
    if (!copy) {
        strcpy(batch->error.text, "out of memory");
        return -1;
    }
    memcpy(copy, batch->x, (size_t)(batch->count * d->numel) * sizeof(float));
    mix(copy, batch->x, batch->count, d->numel, lambda);
    memcpy(copy, batch->target, (size_t)(batch->count * size) * sizeof(float));
    mix(copy, batch->target, batch->count, size, lambda);
    free(copy);
    return 0;
}

static void order_epoch(ran_loader *l, int64_t epoch)
{
    if (!l->order || l->order_epoch == epoch)
        return;
    ran_random random = ran_random_stream(l->o.seed, STREAM_ORDER, (uint64_t)epoch, 0);
    ran_random_shuffle(&random, l->order, l->o.dataset->count);
    l->order_epoch = epoch;
}

/* Moves the samples from `first` on to the front. */
static void keep_part(const ran_loader *l, ran_batch *batch, int64_t first, int64_t count)
{
    const ran_dataset *d = l->o.dataset;
    int64_t size = d->targets ? d->target_numel : l->o.classes;
    memmove(batch->x, batch->x + first * d->numel, (size_t)(count * d->numel) * sizeof(float));
    memmove(batch->target, batch->target + first * size, (size_t)(count * size) * sizeof(float));
    if (batch->labels)
        memmove(batch->labels, batch->labels + first, (size_t)count * sizeof(*batch->labels));
}

/* `count` samples of the batch from `first` on. */
static void load(ran_loader *l, ran_batch *batch, int64_t first, int64_t count)
{
    int64_t start = batch->step * l->o.batch + first;
    batch->failed = 0;
    batch->count = count;
    for (int64_t i = 0; i < count && !batch->failed; i++) {
        batch->failed = load_sample(l, batch, start + i, batch->x + i * l->o.dataset->numel);
        load_target(l, batch, start + i, i);
    }
}

/* Mixup pairs the samples of the whole batch, whoever computes with them. */
static void make_batch(ran_loader *l, ran_batch *batch)
{
    int64_t left = l->o.dataset->count - batch->step * l->o.batch;
    int64_t total = left < l->o.batch ? left : l->o.batch;
    bool mixes = l->o.augment && l->o.augment->mixup > 0 && total > 1;
    const ran_part *part = &batch->part;
    batch->part = ran_cluster_part(l->o.rank, l->o.ranks, total);
    order_epoch(l, batch->epoch);
    load(l, batch, mixes ? 0 : part->first, mixes ? total : part->count);
    if (!batch->failed && mixes)
        batch->failed = mixup(l, batch);
    if (!batch->failed && mixes)
        keep_part(l, batch, part->first, part->count);
    batch->count = part->count;
}

/* ---- The thread -------------------------------------------------------------------------------------------- */

static int64_t steps_of(const ran_loader *l)
{
    return (l->o.dataset->count + l->o.batch - 1) / l->o.batch;
}

static void *run(void *argument)
{
    ran_loader *l = argument;
    int64_t epoch = l->o.epoch, step = l->o.step;
    while (epoch < l->o.epochs) {
        pthread_mutex_lock(&l->lock);
        while (!l->stopped && l->made - l->taken == RING)
            pthread_cond_wait(&l->changed, &l->lock);
        bool stopped = l->stopped;
        pthread_mutex_unlock(&l->lock);
        if (stopped)
            break;
        ran_batch *batch = &l->ring[l->made % RING];
        batch->epoch = epoch;
        batch->step = step;
        make_batch(l, batch);
        pthread_mutex_lock(&l->lock);
        l->made++;
        pthread_cond_broadcast(&l->changed);
        pthread_mutex_unlock(&l->lock);
        if (batch->failed)
            break;
        if (++step == steps_of(l)) {
            step = 0;
            epoch++;
        }
    }
    pthread_mutex_lock(&l->lock);
    l->ended = true;
    pthread_cond_broadcast(&l->changed);
    pthread_mutex_unlock(&l->lock);
    return NULL;
}

const ran_batch *ran_loader_next(ran_loader *l)
{
    pthread_mutex_lock(&l->lock);
    if (l->holds) {
        l->taken++;
        l->holds = false;
        pthread_cond_broadcast(&l->changed);
    }
    while (l->made == l->taken && !l->ended)
        pthread_cond_wait(&l->changed, &l->lock);
    const ran_batch *batch = l->made > l->taken ? &l->ring[l->taken % RING] : NULL;
    l->holds = batch != NULL;
    pthread_mutex_unlock(&l->lock);
    return batch;
}

/* ---- Creation -------------------------------------------------------------------------------------------------- */

static bool create_ring(ran_loader *l)
{
    const ran_dataset *d = l->o.dataset;
    int64_t target = d->targets ? d->target_numel : l->o.classes;
    for (int i = 0; i < RING; i++) {
        ran_batch *b = &l->ring[i];
        b->x = calloc((size_t)(l->o.batch * d->numel), sizeof(*b->x));
        b->labels = d->classes ? calloc((size_t)l->o.batch, sizeof(*b->labels)) : NULL;
        b->target = target ? calloc((size_t)(l->o.batch * target), sizeof(*b->target)) : NULL;
        if (!b->x || (d->classes && !b->labels) || (target && !b->target))
            return false;
    }
    l->sample = calloc((size_t)d->numel, sizeof(*l->sample));
    l->scratch = calloc((size_t)d->numel, sizeof(*l->scratch));
    l->order = l->o.shuffle ? calloc((size_t)d->count, sizeof(*l->order)) : NULL;
    l->order_epoch = -1;
    return l->sample && l->scratch && (!l->o.shuffle || l->order);
}

static void measure(ran_loader *l)
{
    const ran_dataset *d = l->o.dataset;
    const ran_normalization *n = l->o.normalization;
    l->channels = d->rank == 3 ? d->dims[0] : 1;
    l->height = d->rank >= 2 ? d->dims[d->rank - 2] : 1;
    l->width = d->numel / (l->channels * l->height);
    for (int c = 0; c < TRAIN_CHANNELS; c++)
        l->fill[c] = (float)(n->mean[n->mean_count > 1 && c < n->mean_count ? c : 0] / n->scale);
}

static ran_status check_options(ran_context *context, const ran_loader *l)
{
    const ran_normalization *n = l->o.normalization;
    bool image = l->o.dataset->rank == 2 || l->o.dataset->rank == 3;
    if ((n->mean_count > 1 && n->mean_count != l->channels) ||
        (n->std_count > 1 && n->std_count != l->channels))
        return ran_error(context, RAN_USAGE,
                         "mean and std: the data has %lld channels, given are %d and %d",
                         (long long)l->channels, n->mean_count, n->std_count);
    if (l->o.augment && !image && (l->o.augment->crop || l->o.augment->flip ||
                                   l->o.augment->cutout || l->o.augment->randaugment_count))
        return ran_error(context, RAN_USAGE, "augment: the data has no images");
    if (l->o.augment && l->channels > TRAIN_CHANNELS && l->o.augment->cutout)
        return ran_error(context, RAN_USAGE, "augment: cutout is for at most %d channels",
                         TRAIN_CHANNELS);
    return RAN_OK;
}

ran_status ran_loader_create(ran_context *context, const ran_loader_options *options,
                             ran_loader **out_loader)
{
    ran_loader *l = calloc(1, sizeof(*l));
    *out_loader = NULL;
    if (!l)
        return ran_error(context, RAN_INVALID, "out of memory");
    l->o = *options;
    pthread_mutex_init(&l->lock, NULL);
    pthread_cond_init(&l->changed, NULL);
    measure(l);
    ran_status status = check_options(context, l);
    if (!status && !create_ring(l))
        status = ran_error(context, RAN_INVALID, "no memory for batches of %lld samples",
                           (long long)l->o.batch);
    if (!status && pthread_create(&l->thread, NULL, run, l))
        status = ran_error(context, RAN_INVALID, "cannot start a thread");
    l->started = !status;
    if (status)
        ran_loader_destroy(l);
    else
        *out_loader = l;
    return status;
}

void ran_loader_destroy(ran_loader *l)
{
    if (!l)
        return;
    pthread_mutex_lock(&l->lock);
    l->stopped = true;
    pthread_cond_broadcast(&l->changed);
    pthread_mutex_unlock(&l->lock);
    if (l->started)
        pthread_join(l->thread, NULL);
    for (int i = 0; i < RING; i++) {
        free(l->ring[i].x);
        free(l->ring[i].labels);
        free(l->ring[i].target);
    }
    free(l->order);
    free(l->sample);
    free(l->scratch);
    pthread_mutex_destroy(&l->lock);
    pthread_cond_destroy(&l->changed);
    free(l);
}

/* ---- Samples and the model's input ----------------------------------------------------------------------------- */

/* Dimensions without ones. */
static int squeeze(const int64_t *dims, int rank, int64_t *out)
{
    int count = 0;
    for (int i = 0; i < rank; i++) {
        if (dims[i] != 1)
            out[count++] = dims[i];
    }
    return count;
}

static bool equal_dims(const int64_t *a, int a_rank, const int64_t *b, int b_rank)
{
    int64_t x[RAN_MAX_RANK], y[RAN_MAX_RANK];
    int n = squeeze(a, a_rank, x), m = squeeze(b, b_rank, y);
    return n == m && !memcmp(x, y, (size_t)n * sizeof(*x));
}

/* Directories of images take the size and channels of the model: [C, H, W] or [H, W, C]. */
static void resize_to(ran_dataset *dataset, const int64_t *dims, int rank)
{
    if (rank != 3)
        return;
    if (dims[0] == 1 || dims[0] == 3)
        ran_dataset_resize(dataset, dims[0], dims[1], dims[2]);
    else
        ran_dataset_resize(dataset, dims[2], dims[0], dims[1]);
}

static void print_dims(char *out, size_t size, const int64_t *dims, int rank)
{
    size_t used = 0;
    *out = 0;
    for (int i = 0; i < rank && used < size; i++)
        used += (size_t)snprintf(out + used, size - used, i ? "x%lld" : "%lld", (long long)dims[i]);
}

ran_status ran_loader_fit(ran_context *context, ran_dataset *dataset, const ran_type *input,
                          bool *out_channels_last)
{
    int64_t dims[RAN_MAX_RANK];
    int rank = ran_type_rank(input) - 1;
    for (int i = 0; i < rank; i++)
        dims[i] = ran_type_extent(input, i + 1);
    resize_to(dataset, dims, rank);
    *out_channels_last = false;
    if (ran_type_elem(input) != RAN_ELEM_F32)
        return ran_error(context, RAN_UNSUPPORTED, "the model's input is %s; training feeds f32",
                         ran_type_text(context, input));
    if (equal_dims(dims, rank, dataset->dims, dataset->rank))
        return RAN_OK;
    int64_t last[] = {dataset->dims[1], dataset->dims[2], dataset->dims[0]};
    *out_channels_last = dataset->rank == 3 && equal_dims(dims, rank, last, 3);
    if (*out_channels_last)
        return RAN_OK;
    char have[256], want[256];
    print_dims(have, sizeof(have), dataset->dims, dataset->rank);
    print_dims(want, sizeof(want), dims, rank);
    return ran_error(context, RAN_INVALID, "%s: samples of shape %s do not fit the model's input %s",
                     dataset->name, have, want);
}
