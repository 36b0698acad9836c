/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Data sets: formats written here by hand, broken files, and augmentation. */
#include "tests/harness/unit.h"

#include <math.h>
#include <string.h>
#include <unistd.h>
#include <zip.h>

#include "runtime/train/data/data.h"

static char directory[64];

static void enter(void)
{
    strcpy(directory, "/tmp/ran-data-XXXXXX");
    ck_assert_ptr_nonnull(mkdtemp(directory));
    ck_assert_int_eq(chdir(directory), 0);
}

static void write_file(const char *name, const void *bytes, size_t size)
{
    FILE *file = fopen(name, "wb");
    ck_assert_uint_eq(fwrite(bytes, 1, size, file), size);
    fclose(file);
}

static void expect_failure(const char *specification, ran_status status, const char *text)
{
    ran_context *context = ran_context_create();
    ran_dataset *dataset;
    ck_assert_int_eq(ran_dataset_open(context, specification, &dataset), status);
    ck_assert_ptr_null(dataset);
    ck_assert_uint_eq(ran_diagnostic_count(context), 1);
    const char *message = ran_diagnostic_at(context, 0)->message;
    ck_assert_msg(strstr(message, text), "'%s' does not hold '%s'", message, text);
    ran_context_destroy(context);
}

static ran_dataset *open_data(ran_context *context, const char *specification)
{
    ran_dataset *dataset;
    ran_status status = ran_dataset_open(context, specification, &dataset);
    ran_diagnostics_print(context, stderr);
    ck_assert_int_eq(status, RAN_OK);
    return dataset;
}

static const uint8_t images[] = {0, 0, 8, 3, 0, 0, 0, 2, 0, 0, 0, 2, 0, 0, 0, 3,
                                 0, 1, 2, 3, 4, 5, 250, 251, 252, 253, 254, 255};
static const uint8_t labels[] = {0, 0, 8, 1, 0, 0, 0, 2, 7, 3};

START_TEST(idx)
{
    enter();
    ran_context *context = ran_context_create();
    write_file("x", images, sizeof(images));
    write_file("y", labels, sizeof(labels));
    ran_dataset *data = open_data(context, "idx:x,y");
    int64_t dims[RAN_MAX_RANK], class;
    float x[6];
    ck_assert_int_eq(ran_dataset_count(data), 2);
    ck_assert_int_eq(ran_dataset_shape(data, dims), 2);
    ck_assert_int_eq(dims[0], 2);
    ck_assert_int_eq(dims[1], 3);
    ck_assert_int_eq(ran_dataset_read(data, 1, x, &class), RAN_OK);
    ck_assert_int_eq(class, 3);
    ck_assert(x[0] == 250 && x[5] == 255);
    ck_assert_int_eq(ran_dataset_read(data, 2, x, &class), RAN_USAGE);
    ran_dataset_close(data);
    ran_context_destroy(context);
}
END_TEST

START_TEST(idx_broken)
{
    enter();
    uint8_t huge[sizeof(images)];
    memcpy(huge, images, sizeof(images));
    memset(huge + 4, 255, 12);
    write_file("x", images, sizeof(images));
    write_file("short", images, sizeof(images) - 1);
    write_file("huge", huge, sizeof(huge));
    write_file("y", labels, sizeof(labels));
    write_file("y1", (uint8_t[]){0, 0, 8, 1, 0, 0, 0, 1, 7}, 9);
    write_file("empty", "", 0);
    write_file("gz", "\x1f\x8b\x08\0\0\0\0\0\0\3\x33", 11);
    expect_failure("idx:x", RAN_USAGE, "IMAGES,LABELS");
    expect_failure("idx:x,none", RAN_INVALID, "none: cannot open");
    expect_failure("idx:short,y", RAN_INVALID, "promises 12 bytes of data, the file has 11");
    expect_failure("idx:huge,y", RAN_INVALID, "huge");
    expect_failure("idx:x,y1", RAN_INVALID, "1 labels");
    expect_failure("idx:y,x", RAN_INVALID, "images have 3");
    expect_failure("idx:empty,y", RAN_INVALID, "no IDX file");
    expect_failure("idx:gz,y", RAN_INVALID, "ends early");
    expect_failure("what:x", RAN_USAGE, "cifar10:FILE");
}
END_TEST

START_TEST(cifar)
{
    enter();
    uint8_t *bytes = calloc(2, 3073);
    bytes[0] = 9;
    bytes[3073] = 4;
    bytes[3073 + 3072] = 200;
    write_file("a", bytes, 2 * 3073);
    write_file("short", bytes, 3072);
    ran_context *context = ran_context_create();
    ran_dataset *data = open_data(context, "cifar10:a,a");
    ck_assert_int_eq(ran_dataset_count(data), 4);
    float x[3072];
    int64_t class;
    ck_assert_int_eq(ran_dataset_read(data, 3, x, &class), RAN_OK);
    ck_assert_int_eq(class, 4);
    ck_assert(x[3071] == 200);
    ran_dataset_close(data);
    ran_context_destroy(context);
    bytes[3073] = 10;
    write_file("b", bytes, 2 * 3073);
    free(bytes);
    expect_failure("cifar10:b", RAN_INVALID, "record 1 has class 10 of 10");
    expect_failure("cifar10:short", RAN_INVALID, "no whole number of records");
}
END_TEST

static void write_tensor(const char *path, int elem, int rank, const int64_t *dims, const void *data)
{
    struct ran_rt_tensor tensor;
    struct ran_rt_error error;
    ck_assert_int_eq(ran_rt_tensor_create(&tensor, elem, rank, dims, &error), 0);
    memcpy(tensor.data, data, tensor.bytes);
    ck_assert_int_eq(ran_rt_tensor_write(path, &tensor, &error), 0);
    ran_rt_tensor_clear(&tensor);
}

static void check_pair(ran_context *context, const char *specification, int64_t count)
{
    ran_dataset *data = open_data(context, specification);
    float x[2];
    int64_t class;
    ck_assert_int_eq(ran_dataset_count(data), count);
    ck_assert_int_eq(ran_dataset_read(data, count - 1, x, &class), RAN_OK);
    ck_assert(x[0] == 5 && x[1] == 6);
    ck_assert_int_eq(class, 1);
    ran_dataset_close(data);
}

START_TEST(arrays)
{
    enter();
    write_tensor("x.npy", 1, 2, (int64_t[]){3, 2}, (float[]){1, 2, 3, 4, 5, 6});
    write_tensor("y.npy", 7, 1, (int64_t[]){3}, (int64_t[]){0, 2, 1});
    write_tensor("minus.npy", 7, 1, (int64_t[]){3}, (int64_t[]){0, -2, 1});
    write_tensor("two.npy", 7, 1, (int64_t[]){2}, (int64_t[]){0, 2});
    zip_t *archive = zip_open("a.npz", ZIP_CREATE, NULL);
    zip_file_add(archive, "x.npy", zip_source_file(archive, "x.npy", 0, -1), 0);
    zip_file_add(archive, "y.npy", zip_source_file(archive, "y.npy", 0, -1), 0);
    ck_assert_int_eq(zip_close(archive), 0);
    ran_context *context = ran_context_create();
    check_pair(context, "npy:x.npy,y.npy", 3);
    check_pair(context, "npy:a.npz", 3);
    ran_context_destroy(context);
    expect_failure("npy:x.npy,minus.npy", RAN_INVALID, "class -2");
    expect_failure("npy:x.npy,two.npy", RAN_INVALID, "2 samples, but x has 3");
    expect_failure("npy:x.npy", RAN_INVALID, "x.npy");
    expect_failure("npy:x,y,z", RAN_USAGE, "FILE.npz");
}
END_TEST

START_TEST(tensor_directories)
{
    enter();
    ck_assert_int_eq(mkdir("test_data_set_0", 0777), 0);
    ck_assert_int_eq(mkdir("test_data_set_1", 0777), 0);
    write_tensor("test_data_set_0/input_0.pb", 1, 2, (int64_t[]){2, 2}, (float[]){1, 2, 3, 4});
    write_tensor("test_data_set_0/output_0.pb", 7, 1, (int64_t[]){2}, (int64_t[]){0, 2});
    write_tensor("test_data_set_1/input_0.pb", 1, 2, (int64_t[]){1, 2}, (float[]){5, 6});
    write_tensor("test_data_set_1/output_0.pb", 7, 1, (int64_t[]){1}, (int64_t[]){1});
    ran_context *context = ran_context_create();
    check_pair(context, "pb:.", 3);
    ran_context_destroy(context);
    write_tensor("test_data_set_1/input_0.pb", 1, 2, (int64_t[]){1, 3}, (float[]){5, 6, 7});
    expect_failure("pb:.", RAN_INVALID, "test_data_set_1/input_0.pb");
    expect_failure("pb:nowhere", RAN_INVALID, "input_0.pb");
}
END_TEST

/* A grey 2x1 PNG with the pixels 10 and 200, and a directory beside it. */
START_TEST(image_directories)
{
    enter();
    static const uint8_t png[] = {
        0x89, 0x50, 0x4e, 0x47, 0x0d, 0x0a, 0x1a, 0x0a, 0x00, 0x00, 0x00, 0x0d, 0x49, 0x48,
        0x44, 0x52, 0x00, 0x00, 0x00, 0x02, 0x00, 0x00, 0x00, 0x01, 0x08, 0x00, 0x00, 0x00,
        0x00, 0xd1, 0x49, 0x20, 0x56, 0x00, 0x00, 0x00, 0x0b, 0x49, 0x44, 0x41, 0x54, 0x78,
        0x9c, 0x63, 0xe0, 0x3a, 0x01, 0x00, 0x00, 0xdf, 0x00, 0xd3, 0x4b, 0x21, 0xa5, 0x49,
        0x00, 0x00, 0x00, 0x00, 0x49, 0x45, 0x4e, 0x44, 0xae, 0x42, 0x60, 0x82};
    ck_assert_int_eq(mkdir("ape", 0777), 0);
    ck_assert_int_eq(mkdir("bee", 0777), 0);
    write_file("ape/1.png", png, sizeof(png));
    write_file("bee/2.png", png, sizeof(png));
    ran_context *context = ran_context_create();
    ran_dataset *data = open_data(context, "images:.");
    int64_t dims[RAN_MAX_RANK], class;
    float x[8];
    ck_assert_int_eq(ran_dataset_shape(data, dims), 3);
    ck_assert(dims[0] == 3 && dims[1] == 1 && dims[2] == 2);
    ck_assert_int_eq(ran_dataset_read(data, 1, x, &class), RAN_OK);
    ck_assert_int_eq(class, 1);
    ck_assert(x[0] == 10 && x[1] == 200 && x[4] == 10);
    ran_dataset_resize(data, 1, 1, 4);
    ck_assert_int_eq(ran_dataset_read(data, 0, x, &class), RAN_OK);
    ck_assert(x[0] == 10 && x[3] == 200 && fabsf(x[1] - 57.5f) < 1e-3f);
    write_file("bee/2.png", png, sizeof(png) - 30);
    ck_assert_int_eq(ran_dataset_read(data, 1, x, &class), RAN_INVALID);
    ran_dataset_close(data);
    ran_context_destroy(context);
    write_file("ape/1.png", "GIF89a", 6);
    expect_failure("images:.", RAN_INVALID, "ape/1.png: neither PNG nor JPEG");
    expect_failure("images:ape", RAN_INVALID, "one directory a class");
}
END_TEST

START_TEST(augmentation)
{
    ran_context *context = ran_context_create();
    ran_augment a;
    ck_assert_int_eq(ran_augment_parse(context, "crop4,flip,cutout8,mixup0.2,randaugment2x9", &a), 0);
    ck_assert(a.crop == 4 && a.flip && a.cutout == 8 && a.mixup == 0.2);
    ck_assert_int_eq(a.randaugment_magnitude, 9);
    ck_assert_int_eq(ran_augment_parse(context, "crop", &a), RAN_USAGE);
    ck_assert_int_eq(ran_augment_parse(context, "flip4", &a), RAN_USAGE);
    ck_assert_int_eq(ran_augment_parse(context, "cutout-1", &a), RAN_USAGE);
    /* The same counter gives the same picture, another one another. */
    float x[2][64], scratch[64], fill[] = {0.5f};
    ck_assert_int_eq(ran_augment_parse(context, "crop2,flip,cutout3,randaugment3x10", &a), 0);
    for (int run = 0; run < 2; run++) {
        for (int i = 0; i < 64; i++)
            x[run][i] = (float)(i * 4);
        ran_random random = ran_random_stream(7, 1, 2, 3);
        ran_augment_apply(&a, &random, x[run], scratch, 1, 8, 8, fill, 255);
    }
    ck_assert_mem_eq(x[0], x[1], sizeof(x[0]));
    int differ = 0;
    for (uint64_t i = 0; i < 20; i++) {
        for (int k = 0; k < 64; k++)
            x[1][k] = (float)(k * 4);
        ran_random random = ran_random_stream(7, 1, 2, 4 + i);
        ran_augment_apply(&a, &random, x[1], scratch, 1, 8, 8, fill, 255);
        differ += memcmp(x[0], x[1], sizeof(x[0])) != 0;
        for (int k = 0; k < 64; k++)
            ck_assert(x[1][k] >= 0 && x[1][k] <= 255);
    }
    ck_assert_int_ge(differ, 18);
    ran_context_destroy(context);
}
END_TEST

START_TEST(random_numbers)
{
    ran_random random = ran_random_stream(1, 0, 0, 0);
    int64_t order[100];
    int seen[100] = {0}, moved = 0;
    ran_random_shuffle(&random, order, 100);
    for (int i = 0; i < 100; i++) {
        seen[order[i]]++;
        moved += order[i] != i;
    }
    for (int i = 0; i < 100; i++)
        ck_assert_int_eq(seen[i], 1);
    ck_assert_int_gt(moved, 80);
    double sum = 0, square = 0, beta = 0;
    for (int i = 0; i < 20000; i++) {
        double n = ran_random_normal(&random), b = ran_random_beta(&random, 0.2);
        sum += n;
        square += n * n;
        beta += b;
        ck_assert(b >= 0 && b <= 1);
    }
    ck_assert_double_eq_tol(sum / 20000, 0, 0.05);
    ck_assert_double_eq_tol(square / 20000, 1, 0.05);
    ck_assert_double_eq_tol(beta / 20000, 0.5, 0.02);
}
END_TEST

RAN_UNIT_TESTS(idx, idx_broken, cifar, arrays, tensor_directories, image_directories, augmentation,
               random_numbers)
