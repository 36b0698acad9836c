/* SPDX-License-Identifier: GPL-3.0-or-later */
/* TensorProto and .npy: what is written comes back, and damaged files are refused. */
#include "tests/harness/unit.h"

#include <ran/tensor_file.h>

#include <stdlib.h>
#include <string.h>

enum { F32 = 1, U8 = 2, I32 = 6, I64 = 7, STRING = 8, BOOL = 9, F16 = 10, C64 = 14, I4 = 22 };

static struct ran_rt_error error;

static struct ran_rt_tensor parse(const void *bytes, size_t size)
{
    struct ran_rt_tensor tensor;
    error.text[0] = 0;
    ck_assert_msg(ran_rt_tensor_parse(bytes, size, &tensor, &error) == 0, "%s", error.text);
    return tensor;
}

static void refuse(const void *bytes, size_t size, const char *reason)
{
    struct ran_rt_tensor tensor;
    ck_assert_int_eq(ran_rt_tensor_parse(bytes, size, &tensor, &error), -1);
    ck_assert_msg(strstr(error.text, reason) != NULL, "%s", error.text);
    ck_assert_ptr_null(tensor.data);
}
#define PARSE(text) parse("" text, sizeof(text) - 1)
#define REFUSE(text, reason) refuse("" text, sizeof(text) - 1, reason)

START_TEST(typed_encodings)
{
    /* dims 2; data_type 1; float_data packed 1.0, 2.0 */
    struct ran_rt_tensor t = PARSE("\x08\x02\x10\x01\x22\x08\0\0\x80\x3f\0\0\0\x40");
    ck_assert_int_eq(t.elem, F32);
    ck_assert_float_eq(((float *)t.data)[1], 2.0f);
    ran_rt_tensor_clear(&t);
    /* the data in front of type and shape, not packed; name "ab" */
    t = PARSE("\x25\0\0\x80\x3f\x42\x02" "ab\x10\x01");
    ck_assert_int_eq(t.rank, 0);
    ck_assert_str_eq(t.name, "ab");
    ck_assert_float_eq(((float *)t.data)[0], 1.0f);
    ran_rt_tensor_clear(&t);
    /* f16 bits in int32_data */
    t = PARSE("\x08\x01\x10\x0a\x2a\x02\x80\x78");
    ck_assert_uint_eq(((uint16_t *)t.data)[0], 0x3c00);
    ran_rt_tensor_clear(&t);
    /* -1 as int64 takes ten bytes */
    t = PARSE("\x10\x07\x3a\x0a\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01");
    ck_assert_int_eq(((int64_t *)t.data)[0], -1);
    ran_rt_tensor_clear(&t);
    /* three 4-bit elements in two entries */
    t = PARSE("\x08\x03\x10\x16\x2a\x03\xa1\x01\x03");
    ck_assert_uint_eq(t.bytes, 2);
    ck_assert_mem_eq(t.data, "\xa1\x03", 2);
    ran_rt_tensor_clear(&t);
    /* one complex number is two floats */
    t = PARSE("\x10\x0e\x22\x08\0\0\x80\x3f\0\0\0\x40");
    ck_assert_float_eq(((float *)t.data)[1], 2.0f);
    ran_rt_tensor_clear(&t);
    t = PARSE("\x08\x02\x10\x08\x32\x01x\x32\0");
    ck_assert_str_eq(((char **)t.data)[0], "x");
    ck_assert_str_eq(((char **)t.data)[1], "");
    ran_rt_tensor_clear(&t);
    /* bools become 0 or 1 */
    t = PARSE("\x08\x02\x10\x09\x4a\x02\x07\0");
    ck_assert_mem_eq(t.data, "\x01\0", 2);
    ran_rt_tensor_clear(&t);
}
END_TEST

START_TEST(damaged_proto)
{
    REFUSE("", "data_type");
    REFUSE("\x08\x02\x10\x01\x22\x08\0\0\x80\x3f\0\0\0", "truncated");
    REFUSE("\x08\x03\x10\x01\x22\x08\0\0\x80\x3f\0\0\0\x40", "there are 2");
    REFUSE("\x08\x01\x10\x01\x22\x08\0\0\x80\x3f\0\0\0\x40", "more data");
    REFUSE("\x08\x02\x10\x01\x4a\x04\0\0\0\0", "there are 4");
    REFUSE("\x08\xff\xff\xff\xff\x7f\x10\x01\x4a\x04\0\0\0\0", "larger than the data");
    REFUSE("\x08\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01\x10\x01", "larger than the data");
    REFUSE("\x10\x63", "data_type is 99");
    REFUSE("\x10\x01\x70\x01", "outside of the file");
}
END_TEST

static void check_same(const struct ran_rt_tensor *a, const struct ran_rt_tensor *b)
{
    ck_assert_int_eq(a->elem, b->elem);
    ck_assert_int_eq(a->rank, b->rank);
    ck_assert_mem_eq(a->dims, b->dims, (size_t)a->rank * sizeof *a->dims);
    ck_assert_uint_eq(a->bytes, b->bytes);
    for (int64_t i = 0; a->elem == STRING && i < a->numel; i++)
        ck_assert_str_eq(((char **)a->data)[i], ((char **)b->data)[i]);
    if (a->elem != STRING && a->bytes)
        ck_assert_mem_eq(a->data, b->data, a->bytes);
}

static void round_trip(const char *path, int32_t elem, int32_t rank, const int64_t *dims)
{
    struct ran_rt_tensor a, b;
    ck_assert_int_eq(ran_rt_tensor_create(&a, elem, rank, dims, &error), 0);
    for (size_t i = 0; i < a.bytes && elem != STRING; i++)
        ((uint8_t *)a.data)[i] = elem == BOOL ? i & 1 : (uint8_t)(i * 7 + 1);
    for (int64_t i = 0; elem == STRING && i < a.numel; i++)
        ((char **)a.data)[i] = strdup(i % 2 ? "odd" : "");
    ck_assert_msg(ran_rt_tensor_write(path, &a, &error) == 0, "%s", error.text);
    ck_assert_msg(ran_rt_tensor_read(path, &b, &error) == 0, "%s", error.text);
    check_same(&a, &b);
    ran_rt_tensor_clear(&a);
    ran_rt_tensor_clear(&b);
    remove(path);
}

START_TEST(written_and_read)
{
    static const int32_t npy[] = {F32, U8, I32, I64, BOOL, F16, C64};
    for (int32_t elem = 1; ran_rt_elem_bits(elem) >= 0; elem++) {
        round_trip("tensor_file.pb", elem, 0, NULL);
        round_trip("tensor_file.pb", elem, 3, (int64_t[]){3, 1, 5});
        round_trip("tensor_file.pb", elem, 2, (int64_t[]){0, 4});
    }
    for (size_t i = 0; i < sizeof npy / sizeof *npy; i++) {
        round_trip("tensor_file.npy", npy[i], 0, NULL);
        round_trip("tensor_file.npy", npy[i], 1, (int64_t[]){3});
        round_trip("tensor_file.npy", npy[i], 3, (int64_t[]){2, 3, 4});
    }
}
END_TEST

START_TEST(npy_variants)
{
    struct ran_rt_tensor t;
    t = PARSE("\x93NUMPY\1\0\x3a\0{'descr': '<i2', 'fortran_order': True, 'shape': (2, 2), }"
              "\1\0\2\0\3\0\4\0");
    ck_assert_mem_eq(t.data, "\1\0\3\0\2\0\4\0", 8);
    ran_rt_tensor_clear(&t);
    t = PARSE("\x93NUMPY\1\0\x39\0{'descr': '>i4', 'fortran_order': False, 'shape': (1,), }"
              "\1\2\3\4");
    ck_assert_mem_eq(t.data, "\4\3\2\1", 4);
    ran_rt_tensor_clear(&t);
    REFUSE("\x93NUMPY\1\0\x39\0{'descr': '<i4', 'fortran_order': False, 'shape': (9,), }\1\2\3\4",
           "larger than the data");
    REFUSE("\x93NUMPY\1\0\x3a\0{'descr': '|O8', 'fortran_order': False, 'shape': (1,), }", "");
    REFUSE("\x93NUMPY\1\0\xff\xff", "truncated header");
    REFUSE("\x93NUMPY", "truncated header");
}
END_TEST

/* Every prefix, and a few thousand seeded mutations: accepted or refused, never a crash. */
START_TEST(hostile_files)
{
    static const char proto[] = "\x08\x02\x08\x03\x10\x06\x2a\x06\1\2\3\4\5\6\x42\x02" "ab";
    static const char npy[] =
        "\x93NUMPY\1\0\x3a\0{'descr': '<i2', 'fortran_order': True, 'shape': (2, 2), }\1\0\2\0\3\0\4";
    const char *files[] = {proto, npy};
    size_t sizes[] = {sizeof proto - 1, sizeof npy};
    unsigned seed = 12345;
    size_t refused = 0;
    for (int n = 0; n < 8000; n++) {
        char bytes[128];
        size_t size = sizes[n & 1];
        memcpy(bytes, files[n & 1], size);
        for (int i = n % 4; i >= 0; i--) {
            seed = seed * 1664525 + 1013904223;
            bytes[seed / 65536 % size] = (char)(seed >> 8);
        }
        struct ran_rt_tensor t;
        /* On the heap, so that a sanitizer sees a byte too far. */
        size_t length = n < 256 ? (size_t)n % (size + 1) : size;
        char *copy = malloc(length + 1);
        memcpy(copy, bytes, length);
        copy = realloc(copy, length ? length : 1);
        refused += ran_rt_tensor_parse(copy, length, &t, &error) != 0;
        ran_rt_tensor_clear(&t);
        free(copy);
    }
    ck_assert_uint_gt(refused, 1000);
}
END_TEST

RAN_UNIT_TESTS(typed_encodings, damaged_proto, written_and_read, npy_variants, hostile_files)
