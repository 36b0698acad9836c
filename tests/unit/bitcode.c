/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "codegen/bitcode.h"

#include <string.h>

#include "tests/harness/unit.h"

static const char *const flavours[] = {"x86-64-vl16", "x86-64-vl8", "x86-64-vl4", "aarch64-vl4"};
enum { FLAVOURS = sizeof(flavours) / sizeof(flavours[0]) };

static int count_entries(void)
{
    int count = 0;
    while (ran_bitcode_files[count].name)
        count++;
    return count;
}

/* What was embedded is LLVM bitcode, and all of it: its size is a multiple of 4 bytes. */
START_TEST(embeds_bitcode)
{
    static const unsigned char magic[4] = {'B', 'C', 0xc0, 0xde};
    ck_assert_int_gt(count_entries(), 0);
    for (const struct ran_bitcode_file *file = ran_bitcode_files; file->name; file++) {
        ck_assert_msg(file->end - file->begin > 1000, "%s is too small", file->name);
        ck_assert_msg((file->end - file->begin) % 4 == 0, "%s is cut", file->name);
        ck_assert_mem_eq(file->begin, magic, sizeof(magic));
    }
}
END_TEST

START_TEST(has_each_body_in_all_flavours)
{
    int bodies = count_entries() / FLAVOURS;
    for (int i = 0; i < FLAVOURS; i++) {
        int found = 0;
        for (const struct ran_bitcode_file *file = ran_bitcode_files; file->name; file++)
            found += strcmp(file->flavour, flavours[i]) == 0;
        ck_assert_int_eq(found, bodies);
    }
    ck_assert_int_eq(count_entries() % FLAVOURS, 0);
}
END_TEST

RAN_UNIT_TESTS(embeds_bitcode, has_each_body_in_all_flavours)
