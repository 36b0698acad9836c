/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Data sets from inside: one struct that each format fills, and what the loader does with a sample.
 *
 * Walk: "idx:images.gz,labels.gz" finds the row "idx" of dataset.c; idx.c checks both headers, keeps
 * the bytes and the classes. The loader's thread calls ran_dataset_fetch for a sample, which turns it
 * into f32 and touches no context; augment.c changes it in place; the loader normalises it into its
 * place of the batch. Everything random is a function of (seed, epoch, place), so that a run that is
 * resumed sees the same samples as one that was not interrupted.
 */
#ifndef TRAIN_DATA_DATA_H
#define TRAIN_DATA_DATA_H

#include <ran/tensor_file.h>
#include <ran/train.h>

struct ran_dataset {
    ran_context *context;
    char *name; /* the specification, for messages */
    int64_t count;
    int rank; /* of one sample; images are [channels, height, width] or [height, width] */
    int64_t dims[RAN_MAX_RANK];
    int64_t numel;
    ran_elem elem;
    const void *x; /* count samples; NULL: `fetch` reads one */
    bool owns_x;
    ran_tensor *x_tensor;
    int64_t *classes; /* NULL without */
    int64_t class_count; /* 1 + the largest class */
    char **class_names;  /* of a directory of images; else NULL */
    float *targets;      /* instead of classes */
    int target_rank;
    int64_t target_dims[RAN_MAX_RANK];
    int64_t target_numel;
    int (*fetch)(const ran_dataset *dataset, int64_t index, float *out_x,
                 struct ran_rt_error *error);
    void (*close)(ran_dataset *dataset);
    void *state;
};

/* Formats: fill a zeroed dataset from what stands behind the colon. On failure the caller closes. */
ran_status ran_data_open_idx(ran_dataset *dataset, const char *argument);
ran_status ran_data_open_cifar10(ran_dataset *dataset, const char *argument);
ran_status ran_data_open_cifar100(ran_dataset *dataset, const char *argument);
ran_status ran_data_open_npy(ran_dataset *dataset, const char *argument);
ran_status ran_data_open_tensor_dir(ran_dataset *dataset, const char *argument);
ran_status ran_data_open_image_dir(ran_dataset *dataset, const char *argument);

/* Reads a sample as f32 without touching the context: 0, or -1 with the reason. */
int ran_dataset_fetch(const ran_dataset *dataset, int64_t index, float *out_x,
                      struct ran_rt_error *error);
/* Directories of images: scale every image to this size instead of the first one's. */
void ran_dataset_resize(ran_dataset *dataset, int64_t channels, int64_t height, int64_t width);

/* ---- What formats share (file.c) ------------------------------------------------------------------ */

/* A file, through zlib when it is compressed; never more memory than twice what it really holds.
 * Fails when it holds more than `limit`. */
ran_status ran_data_read_file(ran_context *context, const char *path, size_t limit,
                              RAN_GIVE uint8_t **out_bytes, size_t *out_size);
/* The parts of "a,b,c": allocated, NULL behind the last; freed with ran_data_free_list. */
char **ran_data_split(const char *text, char separator, size_t *out_count);
void ran_data_free_list(char **list);
/* Names in a directory, sorted by bytes, without those that begin with a dot. */
ran_status ran_data_list_directory(ran_context *context, const char *path, char ***out_names,
                                   size_t *out_count);
/* Takes x and y ([N] integers: classes; floats: targets) over from tensors of files. */
ran_status ran_data_take_tensors(ran_dataset *dataset, struct ran_rt_tensor *x,
                                 struct ran_rt_tensor *y, const char *x_name, const char *y_name);
void ran_data_set_sample(ran_dataset *dataset, int rank, const int64_t *dims);

/* An image of `channels` (1 or 3) as allocated bytes [height][width][channels]. */
int ran_image_read(const char *path, int channels, uint8_t **out_pixels, int64_t *out_height,
                   int64_t *out_width, struct ran_rt_error *error);

/* ---- Random numbers by counter (random.c) --------------------------------------------------------- */

/* A stream for what `a`, `b`, `c` name (epoch, sample, purpose); the same on every machine. */
typedef struct ran_random {
    uint64_t key, counter;
} ran_random;

ran_random ran_random_stream(uint64_t seed, uint64_t a, uint64_t b, uint64_t c);
uint64_t ran_random_next(ran_random *random);
double ran_random_uniform(ran_random *random); /* [0, 1) */
int64_t ran_random_below(ran_random *random, int64_t bound);
double ran_random_normal(ran_random *random);
double ran_random_beta(ran_random *random, double alpha); /* Beta(alpha, alpha) */
/* A permutation of 0 .. count-1. */
void ran_random_shuffle(ran_random *random, int64_t *out_order, int64_t count);

/* ---- Augmentation (augment.c) ----------------------------------------------------------------------- */

typedef struct ran_augment {
    int crop;     /* pixels of padding around which a window of the image's size is taken */
    bool flip;    /* left to right, half of the time */
    int cutout;   /* side of the square that is blanked */
    double mixup; /* alpha of its Beta distribution */
    int randaugment_count, randaugment_magnitude; /* operations an image, 0..10 */
} ran_augment;

/* "crop4,flip,cutout8,mixup0.2,randaugment2x9" or "none". */
ran_status ran_augment_parse(ran_context *context, const char *text, ran_augment *out_augment);

/* Raw values, images as [channels][height][width]; `fill` is what blanked pixels get (the mean),
 * `range` the largest raw value (255 of bytes). scratch: as large as x. */
void ran_augment_apply(const ran_augment *augment, ran_random *random, float *x, float *scratch,
                       int64_t channels, int64_t height, int64_t width, const float *fill,
                       float range);

#endif
