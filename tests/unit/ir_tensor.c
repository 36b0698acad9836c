/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Tensors: every element type's values and roundings, ownership, hashes. */
#include "ir/ir.h"
#include "tests/harness/unit.h"

#include <math.h>
#include <string.h>

static bool same(double a, double b)
{
    return isnan(a) ? isnan(b) : a == b && signbit(a) == signbit(b);
}

static uint64_t mask_of(ran_elem elem)
{
    return UINT64_MAX >> (64 - ran_elem_bits(elem));
}

static const ran_elem small_floats[] = {
    RAN_ELEM_F16,        RAN_ELEM_BF16,   RAN_ELEM_F8E4M3FN, RAN_ELEM_F8E4M3FNUZ,
    RAN_ELEM_F8E5M2,     RAN_ELEM_F4E2M1, RAN_ELEM_F8E8M0,   RAN_ELEM_F8E5M2FNUZ,
};
enum { SMALL_FLOATS = sizeof small_floats / sizeof *small_floats };

START_TEST(encodes_every_value_that_it_decodes)
{
    for (size_t k = 0; k < SMALL_FLOATS; k++) {
        ran_elem elem = small_floats[k];
        for (uint64_t bits = 0; bits <= mask_of(elem); bits++) {
            double value = ran_elem_decode(elem, bits);
            uint64_t again = ran_elem_encode(elem, value, false);
            if (isnan(value))
                ck_assert(isnan(ran_elem_decode(elem, again)));
            else
                ck_assert_msg(again == bits, "%s: %#llx is %a, encodes as %#llx",
                              ran_elem_name(elem), (unsigned long long)bits, value,
                              (unsigned long long)again);
        }
    }
}
END_TEST

typedef struct known {
    ran_elem elem;
    double value;
    uint64_t bits, saturated; /* without and with saturation */
} known;

START_TEST(encodes_known_vectors)
{
    static const known vectors[] = {
        {RAN_ELEM_F16, 1, 0x3c00, 0x3c00},
        {RAN_ELEM_F16, -2, 0xc000, 0xc000},
        {RAN_ELEM_F16, 65504, 0x7bff, 0x7bff},
        {RAN_ELEM_F16, 65519.99, 0x7bff, 0x7bff},
        {RAN_ELEM_F16, 65520, 0x7c00, 0x7c00},
        {RAN_ELEM_F16, 0x1p-24, 0x0001, 0x0001},
        {RAN_ELEM_F16, 0x1p-25, 0x0000, 0x0000},
        {RAN_ELEM_F16, 0x1.8p-24, 0x0002, 0x0002},
        {RAN_ELEM_F16, 0x1p-14, 0x0400, 0x0400},
        {RAN_ELEM_F16, 0x1.ff8p-15, 0x03ff, 0x03ff},
        {RAN_ELEM_F16, 0x1.ffcp-15, 0x0400, 0x0400},
        {RAN_ELEM_F16, 1 + 0x1p-11, 0x3c00, 0x3c00},
        {RAN_ELEM_F16, 1 + 0x3p-11, 0x3c02, 0x3c02},
        /* Through f32 first this would round twice, to 0x3c00. */
        {RAN_ELEM_F16, 1 + 0x1p-11 + 0x1p-40, 0x3c01, 0x3c01},
        {RAN_ELEM_F16, -INFINITY, 0xfc00, 0xfc00},
        {RAN_ELEM_BF16, 1, 0x3f80, 0x3f80},
        {RAN_ELEM_BF16, 3.140625, 0x4049, 0x4049},
        {RAN_ELEM_BF16, 0x1.ffp127, 0x7f80, 0x7f80},
        {RAN_ELEM_BF16, 0x1.fefp127, 0x7f7f, 0x7f7f},
        {RAN_ELEM_F8E4M3FN, 448, 0x7e, 0x7e},
        {RAN_ELEM_F8E4M3FN, 464, 0x7e, 0x7e},
        {RAN_ELEM_F8E4M3FN, 465, 0x7f, 0x7e},
        {RAN_ELEM_F8E4M3FN, -INFINITY, 0xff, 0xfe},
        {RAN_ELEM_F8E4M3FN, 0x1p-9, 0x01, 0x01},
        {RAN_ELEM_F8E4M3FN, 1.0625, 0x38, 0x38},
        {RAN_ELEM_F8E4M3FNUZ, 240, 0x7f, 0x7f},
        {RAN_ELEM_F8E4M3FNUZ, 1000, 0x80, 0x7f},
        {RAN_ELEM_F8E4M3FNUZ, -0.0, 0x00, 0x00},
        {RAN_ELEM_F8E4M3FNUZ, -0x1p-12, 0x00, 0x00},
        {RAN_ELEM_F8E4M3FNUZ, NAN, 0x80, 0x80},
        {RAN_ELEM_F8E5M2, 57344, 0x7b, 0x7b},
        {RAN_ELEM_F8E5M2, 61440, 0x7c, 0x7b},
        {RAN_ELEM_F8E5M2, INFINITY, 0x7c, 0x7b},
        {RAN_ELEM_F8E5M2FNUZ, -57344, 0xff, 0xff},
        {RAN_ELEM_F8E5M2FNUZ, INFINITY, 0x80, 0x7f},
        {RAN_ELEM_F4E2M1, 6, 0x7, 0x7},
        {RAN_ELEM_F4E2M1, -100, 0xf, 0xf},
        {RAN_ELEM_F4E2M1, 2.5, 0x4, 0x4},
        {RAN_ELEM_F4E2M1, 3.5, 0x6, 0x6},
        {RAN_ELEM_F8E8M0, 1, 127, 127},
        {RAN_ELEM_F8E8M0, 0x1p-127, 0, 0},
        {RAN_ELEM_F8E8M0, 6.0, 130, 130},
        {RAN_ELEM_F8E8M0, 5.9, 129, 129},
        {RAN_ELEM_F8E8M0, NAN, 255, 255},
        {RAN_ELEM_F32, 1, 0x3f800000, 0x3f800000},
        {RAN_ELEM_I8, -200, 0x80, 0x80},
        {RAN_ELEM_U8, -3, 0, 0},
        {RAN_ELEM_U8, 255.9, 255, 255},
        {RAN_ELEM_I32, -1.9, UINT64_MAX, UINT64_MAX},
        {RAN_ELEM_U64, 0x1p63, UINT64_C(1) << 63, UINT64_C(1) << 63},
        {RAN_ELEM_I64, 1e30, INT64_MAX, INT64_MAX},
        {RAN_ELEM_I16, NAN, 0, 0},
        {RAN_ELEM_BOOL, 0.25, 1, 1},
    };
    for (size_t i = 0; i < sizeof vectors / sizeof *vectors; i++) {
        const known *v = &vectors[i];
        uint64_t mask = mask_of(v->elem);
        uint64_t plain = ran_elem_encode(v->elem, v->value, false) & mask;
        uint64_t saturated = ran_elem_encode(v->elem, v->value, true) & mask;
        ck_assert_msg(plain == (v->bits & mask) && saturated == (v->saturated & mask),
                      "%s of %a: %#llx and %#llx", ran_elem_name(v->elem), v->value,
                      (unsigned long long)plain, (unsigned long long)saturated);
    }
}
END_TEST

/* Among all values of the format, the nearest; of two at the same distance, the even one. */
static uint64_t nearest(ran_elem elem, double value)
{
    uint64_t best = 0;
    double distance = INFINITY;
    for (uint64_t bits = 0; bits <= mask_of(elem); bits++) {
        double candidate = ran_elem_decode(elem, bits);
        if (!isfinite(candidate) || signbit(candidate) != signbit(value))
            continue;
        double d = fabs(candidate - value);
        if (d < distance || (d == distance && !(bits & 1))) {
            best = bits;
            distance = d;
        }
    }
    return best;
}

START_TEST(rounds_to_the_nearest_value)
{
    uint64_t seed = 1;
    for (size_t k = 0; k < SMALL_FLOATS; k++) {
        ran_elem elem = small_floats[k];
        int samples = ran_elem_bits(elem) == 16 ? 40 : 2000;
        if (elem == RAN_ELEM_F8E8M0) /* has no sign, zero or linear distance */
            continue;
        for (int i = 0; i < samples; i++) {
            seed = seed * 6364136223846793005u + 1442695040888963407u;
            double fraction = (double)(int64_t)(seed >> 12) / 0x1p52 * 4 - 2;
            double value = ldexp(fraction, (int)(seed >> 4 & 15) - 8);
            uint64_t expected = nearest(elem, value), got = ran_elem_encode(elem, value, true);
            ck_assert_msg(same(ran_elem_decode(elem, got), ran_elem_decode(elem, expected)) ||
                              ran_elem_decode(elem, got) == 0,
                          "%s of %a: %#llx, nearest is %#llx", ran_elem_name(elem), value,
                          (unsigned long long)got, (unsigned long long)expected);
        }
    }
}
END_TEST

START_TEST(rounds_integers_once)
{
    ran_tensor *t = ran_tensor_create(RAN_ELEM_F32, 1, (int64_t[]){1});
    ran_tensor *b = ran_tensor_create(RAN_ELEM_BF16, 1, (int64_t[]){1});
    /* Just above the middle of two f32; as an f64 it would be the middle, and round to even. */
    int64_t value = (INT64_C(1) << 60) + (INT64_C(1) << 36) + 1;
    ran_tensor_set_i64(t, 0, value);
    ck_assert_double_eq(ran_tensor_get_f64(t, 0), 0x1p60 + 0x1p37);
    ran_tensor_set_i64(t, 0, -value);
    ck_assert_double_eq(ran_tensor_get_f64(t, 0), -0x1p60 - 0x1p37);
    ran_tensor_set_i64(t, 0, value - 1);
    ck_assert_double_eq(ran_tensor_get_f64(t, 0), 0x1p60);
    ran_tensor_set_i64(b, 0, (INT64_C(1) << 60) + (INT64_C(1) << 52) + 1);
    ck_assert_double_eq(ran_tensor_get_f64(b, 0), 0x1p60 + 0x1p53);
    ran_tensor_set_i64(t, 0, INT64_MIN);
    ck_assert_double_eq(ran_tensor_get_f64(t, 0), -0x1p63);
    ran_tensor_release(t);
    ran_tensor_release(b);
}
END_TEST

START_TEST(stores_every_type_at_every_index)
{
    for (int elem = 0; elem < RAN_ELEM_COUNT; elem++) {
        int64_t dims[] = {7};
        ran_tensor *t = ran_tensor_create((ran_elem)elem, 1, dims);
        ck_assert_int_eq(ran_tensor_numel(t), 7);
        for (int i = 0; i < 7; i++)
            ran_tensor_set_i64(t, i, i % 2);
        for (int i = 0; i < 7; i++) {
            /* A scale has no zero: the smallest power of two stands for it. */
            double expected = elem == RAN_ELEM_F8E8M0 && i % 2 == 0 ? 0x1p-127 : i % 2;
            ck_assert_double_eq(ran_tensor_get_f64(t, i), expected);
            ck_assert_int_eq(ran_tensor_get_i64(t, i), i % 2);
        }
        ran_tensor_set_f64(t, 3, 0);
        ck_assert_int_eq(ran_tensor_get_i64(t, 2), 0);
        ck_assert_int_eq(ran_tensor_get_i64(t, 3), 0);
        ck_assert_int_eq(ran_tensor_get_i64(t, 5), 1);
        ran_tensor_release(t);
    }
}
END_TEST

START_TEST(packs_nibbles_low_first)
{
    ran_tensor *t = ran_tensor_create(RAN_ELEM_I4, 1, (int64_t[]){3});
    for (int i = 0; i < 3; i++)
        ran_tensor_set_i64(t, i, i - 2);
    const uint8_t *bytes = ran_tensor_data(t);
    ck_assert_uint_eq(ran_tensor_bytes(t), 2);
    ck_assert_uint_eq(bytes[0], 0xfe);
    ck_assert_uint_eq(bytes[1], 0x00);
    ck_assert_int_eq(ran_tensor_get_i64(t, 0), -2);
    ran_tensor_set_i64(t, 2, 9);
    ck_assert_int_eq(ran_tensor_get_i64(t, 2), -7); /* wraps */
    ran_tensor_release(t);
}
END_TEST

static void count_release(void *data, void *owner)
{
    (void)data;
    ++*(int *)owner;
}

START_TEST(releases_borrowed_data_once)
{
    int released = 0;
    float data[6] = {0, 1, 2, 3, 4, 5};
    ran_tensor *t =
        ran_tensor_wrap(RAN_ELEM_F32, 2, (int64_t[]){2, 3}, data, count_release, &released);
    ran_tensor *view = ran_tensor_view(t, RAN_ELEM_F32, 1, (int64_t[]){6});
    ck_assert_ptr_eq(ran_tensor_data(view), data);
    ck_assert_ptr_null(ran_tensor_view(t, RAN_ELEM_F32, 1, (int64_t[]){5}));
    ran_tensor_release(t);
    ck_assert_int_eq(released, 0);
    ck_assert_double_eq(ran_tensor_get_f64(view, 5), 5);
    ran_tensor_release(view);
    ck_assert_int_eq(released, 1);
}
END_TEST

START_TEST(copies_data_that_is_not_aligned)
{
    int released = 0;
    _Alignas(8) char bytes[9];
    float value = 1.5f;
    memcpy(bytes + 1, &value, sizeof value);
    ran_tensor *t =
        ran_tensor_wrap(RAN_ELEM_F32, 1, (int64_t[]){1}, bytes + 1, count_release, &released);
    ck_assert_int_eq(released, 1);
    ck_assert_uint_eq((uintptr_t)ran_tensor_data(t) % 4, 0);
    ck_assert_double_eq(ran_tensor_get_f64(t, 0), 1.5);
    ran_tensor_release(t);
}
END_TEST

START_TEST(refuses_impossible_shapes)
{
    ck_assert_ptr_null(ran_tensor_create(RAN_ELEM_F32, 1, (int64_t[]){-1}));
    ck_assert_ptr_null(ran_tensor_create(RAN_ELEM_F32, 2, (int64_t[]){INT64_MAX, 2}));
    ran_tensor *empty = ran_tensor_create(RAN_ELEM_F32, 2, (int64_t[]){INT64_MAX, 0});
    ck_assert_int_eq(ran_tensor_numel(empty), 0);
    ran_tensor_release(empty);
}
END_TEST

START_TEST(hashes_type_shape_and_content)
{
    ran_tensor *a = ran_tensor_create(RAN_ELEM_F32, 2, (int64_t[]){2, 3});
    ran_tensor *b = ran_tensor_create(RAN_ELEM_F32, 2, (int64_t[]){2, 3});
    ran_tensor *c = ran_tensor_create(RAN_ELEM_F32, 2, (int64_t[]){3, 2});
    ran_tensor *d = ran_tensor_create(RAN_ELEM_I32, 2, (int64_t[]){2, 3});
    ck_assert_uint_eq(ran_tensor_hash(a), ran_tensor_hash(b));
    ck_assert(ran_tensor_equal(a, b));
    ck_assert_uint_ne(ran_tensor_hash(a), ran_tensor_hash(c));
    ck_assert_uint_ne(ran_tensor_hash(a), ran_tensor_hash(d));
    ck_assert(!ran_tensor_equal(a, c) && !ran_tensor_equal(a, d));
    ran_tensor_set_f64(b, 5, 1); /* drops the cached hash */
    ck_assert_uint_ne(ran_tensor_hash(a), ran_tensor_hash(b));
    ck_assert(!ran_tensor_equal(a, b));
    ran_tensor_release(a);
    ran_tensor_release(b);
    ran_tensor_release(c);
    ran_tensor_release(d);
}
END_TEST

START_TEST(owns_its_strings)
{
    ran_tensor *a = ran_tensor_create(RAN_ELEM_STRING, 1, (int64_t[]){3});
    char text[] = "3.5";
    ran_tensor_set_string(a, 1, text);
    text[0] = '9';
    ck_assert_str_eq(ran_tensor_string(a, 0), "");
    ck_assert_double_eq(ran_tensor_get_f64(a, 1), 3.5);
    ran_tensor *b = ran_tensor_copy(a);
    ck_assert(ran_tensor_equal(a, b));
    ran_tensor_set_string(b, 1, "x");
    ck_assert_str_eq(ran_tensor_string(a, 1), "3.5");
    ck_assert_uint_ne(ran_tensor_hash(a), ran_tensor_hash(b));
    ran_tensor_release(a);
    ran_tensor_release(b);
}
END_TEST

START_TEST(casts_between_all_types)
{
    for (int from = 0; from < RAN_ELEM_COUNT; from++)
        for (int to = 0; to < RAN_ELEM_COUNT; to++) {
            ran_tensor *a = ran_tensor_create((ran_elem)from, 1, (int64_t[]){3});
            ran_tensor_set_f64(a, 1, 1);
            ran_tensor *b = ran_tensor_cast(a, (ran_elem)to);
            ck_assert_int_eq(ran_tensor_elem(b), to);
            ck_assert_int_eq(ran_tensor_get_i64(b, 1), 1);
            /* A scale has no zero, and its smallest power of two is true. */
            bool is_scale = from == RAN_ELEM_F8E8M0 && to == RAN_ELEM_BOOL;
            ck_assert_int_eq(ran_tensor_get_i64(b, 2), is_scale ? 1 : 0);
            ran_tensor_release(a);
            ran_tensor_release(b);
        }
}
END_TEST

RAN_UNIT_TESTS(encodes_every_value_that_it_decodes, encodes_known_vectors,
               rounds_to_the_nearest_value, rounds_integers_once, stores_every_type_at_every_index,
               packs_nibbles_low_first, releases_borrowed_data_once,
               copies_data_that_is_not_aligned, refuses_impossible_shapes,
               hashes_type_shape_and_content, owns_its_strings, casts_between_all_types)
