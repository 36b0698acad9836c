/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "tools/common.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "config.h"
#include "tools/bug.h"

enum { EXIT_USAGE = 2, FILES_MAX = 64 };

static void print_version(FILE *stream, struct argp_state *state)
{
    fprintf(stream, "%s (rancc) " PACKAGE_VERSION ", LLVM " RAN_LLVM_VERSION "\n", state->name);
}

struct words {
    char **item;
    int count, capacity;
};

static void *checked(void *memory)
{
    if (!memory) {
        fputs("out of memory\n", stderr);
        exit(EXIT_FAILURE);
    }
    return memory;
}

static void words_add(struct words *words, char *word)
{
    if (words->count + 1 >= words->capacity) {
        words->capacity = words->capacity ? 2 * words->capacity : 64;
        words->item = checked(realloc(words->item, words->capacity * sizeof(*words->item)));
    }
    words->item[words->count++] = word;
    words->item[words->count] = NULL;
}

static char *read_text(const char *path)
{
    FILE *file = fopen(path, "r");
    if (!file) {
        fprintf(stderr, "cannot read options from %s\n", path);
        exit(EXIT_FAILURE);
    }
    size_t size = 0, capacity = 4096;
    char *text = checked(malloc(capacity));
    for (size_t got; (got = fread(text + size, 1, capacity - size - 1, file)) > 0;) {
        size += got;
        if (capacity - size < 2)
            text = checked(realloc(text, capacity *= 2));
    }
    fclose(file);
    text[size] = '\0';
    return text;
}

/* Takes one word off *cursor in place: blanks separate, quotes group, a backslash escapes. */
static char *next_word(char **cursor)
{
    char *in = *cursor;
    while (isspace((unsigned char)*in))
        in++;
    if (!*in)
        return NULL;
    char *word = in, *out = in, quote = 0;
    for (; *in && (quote || !isspace((unsigned char)*in)); in++) {
        if (*in == quote)
            quote = 0;
        else if (!quote && (*in == '\'' || *in == '"'))
            quote = *in;
        else if (*in == '\\' && quote != '\'' && in[1])
            *out++ = *++in;
        else
            *out++ = *in;
    }
    *cursor = *in ? in + 1 : in;
    *out = '\0';
    return word;
}

static void add_argument(struct words *words, char *argument, int *files)
{
    if (argument[0] != '@' || !argument[1]) {
        words_add(words, argument);
        return;
    }
    if (++*files > FILES_MAX) {
        fprintf(stderr, "%s: more than %d option files\n", argument, FILES_MAX);
        exit(EXIT_USAGE);
    }
    /* The words point into the text, which lives as long as argv: until the end. */
    char *cursor = read_text(argument + 1);
    for (char *word; (word = next_word(&cursor));)
        add_argument(words, word, files);
}

static void expand_files(int *argc, char ***argv)
{
    /* Static, for what main still holds when it calls exit is no leak. */
    static struct words words;
    int files = 0;
    words_add(&words, (*argv)[0]);
    for (int i = 1; i < *argc; i++)
        add_argument(&words, (*argv)[i], &files);
    *argc = words.count;
    *argv = words.item;
}

void ran_tool_init(int *argc, char ***argv)
{
    char *slash = strrchr((*argv)[0], '/');
    if (slash)
        (*argv)[0] = slash + 1;
    argp_err_exit_status = EXIT_USAGE;
    argp_program_version_hook = print_version;
    expand_files(argc, argv);
    ran_tool_catch_bugs(*argc, *argv);
}
