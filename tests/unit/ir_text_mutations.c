/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Seeded mutations of every golden file: the parser never crashes, and prints what it accepts. */
#include "tests/fuzz/ir_text.h"
#include "tests/harness/unit.h"

#include <glob.h>
#include <string.h>

enum { MUTATIONS = 2000, MAX_TEXT = 1 << 20 };

static uint64_t state;

static uint64_t random_below(uint64_t limit)
{
    state = state * 6364136223846793005u + 1442695040888963407u;
    return (state >> 33) % limit;
}

/* Pieces that mean something to the parser, to put where they don't belong. */
static const char *const pieces[] = {
    "\"",      "{",         "}",         "(",          ")",        "<",
    ">",       "[",         "]",         ",",          "%",        "@",
    "\n",      "//",        "x",         "?",          "*",        "-",
    "_",       "1e999",     "nan",       "-inf",       "block",    "loc(",
    "tensor<", "noise(",    "splat(",    "hex(",       "file(",    "func",
    "const",   "%0",        "%1",        "9999999999", "0",        "18446744073709551616",
    "\\x",     "sequence<", "optional<", "return",     "yield %0", "if",
    "loop",    "kernel",    "\xff",
};

static size_t insert(char *text, size_t size, size_t at, const char *piece, size_t length)
{
    if (size + length > MAX_TEXT)
        return size;
    memmove(text + at + length, text + at, size - at);
    memcpy(text + at, piece, length);
    return size + length;
}

static size_t mutate(char *text, size_t size)
{
    size_t at = random_below(size), length = 1 + random_below(20);
    const char *piece = pieces[random_below(sizeof(pieces) / sizeof(*pieces))];
    char copy[64];
    if (length > size - at)
        length = size - at;
    switch (random_below(5)) {
    case 0: /* another byte */
        text[at] = (char)random_below(256);
        return size;
    case 1: /* a hole */
        memmove(text + at, text + at + length, size - at - length);
        return size - length;
    case 2: /* a piece of the language */
        return insert(text, size, at, piece, strlen(piece));
    case 3: /* a piece of the text, elsewhere */
        memcpy(copy, text + at, length);
        return insert(text, size, random_below(size), copy, length);
    default: /* truncated */
        return random_below(8) ? size : at;
    }
}

static size_t read_file(const char *path, char *out)
{
    FILE *file = fopen(path, "rb");
    ck_assert_ptr_nonnull(file);
    size_t size = fread(out, 1, MAX_TEXT, file);
    fclose(file);
    return size;
}

static void mutate_file(const char *path, char *original, char *text)
{
    size_t original_size = read_file(path, original);
    LLVMFuzzerTestOneInput((const uint8_t *)original, original_size);
    for (int i = 0; i < MUTATIONS; i++) {
        size_t size = original_size;
        memcpy(text, original, size);
        for (uint64_t n = 1 + random_below(4); n && size; n--)
            size = mutate(text, size);
        /* At the end of its own allocation, so that a sanitizer sees what reads behind it. */
        uint8_t *exact = malloc(size ? size : 1);
        memcpy(exact, text, size);
        LLVMFuzzerTestOneInput(exact, size);
        free(exact);
    }
}

START_TEST(mutated_texts_are_answered)
{
    const char *source = getenv("RAN_SRCDIR");
    char pattern[4096];
    glob_t files;
    snprintf(pattern, sizeof(pattern), "%s/tests/ir/*/*.ran", source ? source : ".");
    ck_assert_int_eq(glob(pattern, 0, NULL, &files), 0);
    char *original = malloc(MAX_TEXT), *text = malloc(MAX_TEXT);
    for (size_t i = 0; i < files.gl_pathc; i++) {
        state = i + 1;
        mutate_file(files.gl_pathv[i], original, text);
    }
    printf("%zu texts, %d mutations each\n", files.gl_pathc, MUTATIONS);
    ck_assert_uint_ge(files.gl_pathc, 5);
    globfree(&files);
    free(original);
    free(text);
}
END_TEST

RAN_UNIT_TESTS(mutated_texts_are_answered)
