/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "tools/approx_options.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const struct flag {
    int key;
    const char *name;
    const char *format; /* of the pipeline; %s is the value */
} flags[] = {
    {RAN_APPROX_LINEARIZE, "linearize", "remove-nonlinearity{spec=%s}"},
    {RAN_APPROX_CULL, "cull", "cull{spec=%s}"},
    {RAN_APPROX_THIN, "thin", "thin{spec=%s}"},
    {RAN_APPROX_RELU_REUSE, "relu-reuse", "relu-reuse{n=%s}"},
    {RAN_APPROX_SUBSTITUTE, "substitute", "substitute{plan=%s}"},
};

/* N@SPEC sets two options. */
static char *print(const char *format, const char *value)
{
    const char *at = strchr(value, '@');
    if (at && !strncmp(format, "relu-reuse", 10)) {
        size_t size = strlen(value) + 32;
        char *text = malloc(size);
        if (!text)
            abort();
        snprintf(text, size, "relu-reuse{n=%.*s;spec=%s}", (int)(at - value), value, at + 1);
        return text;
    }
    size_t size = strlen(format) + strlen(value) + 1;
    char *text = malloc(size);
    if (!text)
        abort();
    size_t prefix = strcspn(format, "%");
    snprintf(text, size, "%.*s%s%s", (int)prefix, format, value, format + prefix + 2);
    return text;
}

char *ran_approx_passes(int key, const char *value, struct argp_state *state)
{
    for (size_t i = 0; i < sizeof(flags) / sizeof(*flags); i++) {
        if (flags[i].key != key)
            continue;
        if (!*value || strpbrk(value, ";{}"))
            argp_error(state, *value ? "--%s=%s: ';', '{' and '}' can't stand there"
                                     : "--%s=%s: an argument is needed",
                       flags[i].name, value);
        return print(flags[i].format, value);
    }
    return NULL;
}
