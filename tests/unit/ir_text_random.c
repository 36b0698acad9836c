/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Random modules, printed and parsed again: nothing is lost, and what is read verifies. */
#include "tests/harness/unit.h"
#include "tests/harness/random_module.h"

#include <string.h>

static char *print(const ran_module *module, size_t *out_length)
{
    char *text = NULL;
    FILE *stream = open_memstream(&text, out_length);
    ck_assert_int_eq(ran_module_print(module, stream, NULL), RAN_OK);
    fclose(stream);
    return text;
}

static void give_up(ran_context *context, uint64_t seed, const char *what, const char *text)
{
    ran_diagnostics_print(context, stderr);
    fputs(text, stderr);
    ck_abort_msg("seed %llu: %s", (unsigned long long)seed, what);
}

START_TEST(text_keeps_everything)
{
    for (uint64_t seed = 1000; seed < 1150; seed++) {
        ran_context *context = ran_context_create(), *fresh = ran_context_create();
        ran_module *module = random_module_create(context, seed, 50), *read = NULL;
        size_t length, again_length;
        char *text = print(module, &length);
        if (ran_module_parse(fresh, text, length, "random.ran", &read) != RAN_OK)
            give_up(fresh, seed, "does not parse", text);
        if (ran_module_verify(read) != RAN_OK)
            give_up(fresh, seed, "does not verify", text);
        char *again = print(read, &again_length);
        if (length != again_length || memcmp(text, again, length) != 0)
            give_up(fresh, seed, "prints differently", text);
        free(text);
        free(again);
        ran_module_destroy(module);
        ran_module_destroy(read);
        ran_context_destroy(context);
        ran_context_destroy(fresh);
    }
}
END_TEST

/* Whatever happens to a text, the parser reports it or reads it: it never crashes. */
START_TEST(mutated_text_is_read_or_refused)
{
    uint64_t state = 5;
    for (uint64_t seed = 2000; seed < 2020; seed++) {
        ran_context *context = ran_context_create();
        ran_module *module = random_module_create(context, seed, 25);
        size_t length;
        char *text = print(module, &length);
        ran_module_destroy(module);
        for (int i = 0; i < 60; i++) {
            char *mutated = malloc(length + 1);
            memcpy(mutated, text, length + 1);
            for (int k = 0; k < 1 + i % 4; k++) {
                state = state * 6364136223846793005u + 1442695040888963407u;
                mutated[(state >> 33) % length] = "%@<>{}()=,:x0\"a "[(state >> 20) % 16];
            }
            ran_module *read = NULL;
            size_t cut = i % 5 ? length : (state >> 40) % length;
            if (ran_module_parse(context, mutated, cut, "mutated.ran", &read) == RAN_OK) {
                if (ran_module_verify(read) != RAN_OK)
                    ck_assert_uint_gt(ran_error_count(context), 0);
                ran_module_destroy(read);
            } else {
                ck_assert_uint_gt(ran_error_count(context), 0);
            }
            ran_diagnostics_truncate(context, 0);
            free(mutated);
        }
        free(text);
        ran_context_destroy(context);
    }
}
END_TEST

RAN_UNIT_TESTS(text_keeps_everything, mutated_text_is_read_or_refused)
