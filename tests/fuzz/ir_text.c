/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Any bytes as IR text: the parser and the verifier answer with a status and, when it is not
 * RAN_OK, a message; what they accept prints, and the print is a fixed point. Built as a libFuzzer
 * target by `make fuzz`, and linked into the test of seeded mutations.
 */
#include "tests/fuzz/ir_text.h"

#include <stdlib.h>
#include <string.h>

#include "ir/text.h"

static char *print(const ran_module *module, size_t *out_length)
{
    char *text = NULL;
    FILE *stream = open_memstream(&text, out_length);
    if (!stream || ran_module_print(module, stream, NULL) != RAN_OK)
        abort();
    fclose(stream);
    return text;
}

static void check_fixed_point(ran_context *context, const ran_module *module)
{
    size_t first_length, second_length;
    char *first = print(module, &first_length);
    ran_module *again;
    if (ran_module_parse(context, first, first_length, NULL, &again) != RAN_OK) {
        ran_diagnostics_print(context, stderr);
        fprintf(stderr, "rejected its own print:\n%s", first);
        abort();
    }
    char *second = print(again, &second_length);
    if (first_length != second_length || memcmp(first, second, first_length)) {
        fprintf(stderr, "no fixed point:\n%s---\n%s", first, second);
        abort();
    }
    free(first);
    free(second);
    ran_module_destroy(again);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    ran_context *context = ran_context_create();
    ran_module *module;
    ran_status status = ran_module_parse(context, (const char *)data, size, NULL, &module);
    if (status == RAN_OK) {
        check_fixed_point(context, module);
        ran_module_destroy(module);
    } else if (!ran_error_count(context))
        abort();
    ran_context_destroy(context);
    return 0;
}
