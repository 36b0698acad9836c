/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Runs ONNX's node cases: directories with model.onnx and test_data_set_*, one process a case.
 *
 *     run_node_cases --engine=interpret [--pass=FILE --xfail=FILE] [--bless] [--only=GLOB] DIR...
 *
 * The engine `interpret` is the reference evaluator, in this program; any other is a command that
 * gets the case's directory as its last argument and answers by its exit status, such as
 * --engine='ran-run -O3'. A case passes, is unsupported (the compiler said so), is wrong (another
 * answer, or a valid model refused), or crashes (a signal, a bug report, no end).
 *
 * The pass list names what must pass, one a line; the xfail list names the others with a reason
 * ("NAME: reason"). Whatever differs from the lists fails the run, better or worse; --bless
 * rewrites them, keeping reasons. "NAME: broken case: why" is for cases that contradict themselves:
 * they count as unsupported.
 */
#include "tests/conformance/case.h"

#include <argp.h>
#include <dirent.h>
#include <fnmatch.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

enum { TIME_LIMIT = 60, MESSAGE = 512 };

typedef struct result {
    char *name, *directory;
    outcome outcome;
    char message[MESSAGE];
} result;

typedef struct options {
    const char *engine, *pass, *xfail, *only;
    bool bless, verbose;
    int minimum;
    char **directories;
    int directory_count;
} options;

/* ---- Cases ---------------------------------------------------------------------------------- */

typedef struct results {
    result *list;
    size_t count, capacity;
} results;

static void *must(void *memory)
{
    if (!memory) {
        perror("run_node_cases");
        exit(99);
    }
    return memory;
}

static bool is_case(const char *directory)
{
    char path[4200];
    struct stat info;
    snprintf(path, sizeof path, "%s/model.onnx", directory);
    return !stat(path, &info);
}

static void add_case(results *r, const char *root, const char *name)
{
    char directory[4096];
    snprintf(directory, sizeof directory, "%s/%s", root, name);
    if (!is_case(directory))
        return;
    if (r->count == r->capacity) {
        r->capacity = r->capacity ? 2 * r->capacity : 256;
        r->list = must(realloc(r->list, r->capacity * sizeof *r->list));
    }
    r->list[r->count++] =
        (result){.name = must(strdup(name)), .directory = must(strdup(directory))};
}

static int by_name(const void *a, const void *b)
{
    return strcmp(((const result *)a)->name, ((const result *)b)->name);
}

static void find_cases(const options *o, results *r)
{
    for (int i = 0; i < o->directory_count; i++) {
        DIR *directory = opendir(o->directories[i]);
        if (!directory) {
            perror(o->directories[i]);
            exit(99);
        }
        for (struct dirent *entry; (entry = readdir(directory));)
            if (!o->only || !fnmatch(o->only, entry->d_name, 0))
                add_case(r, o->directories[i], entry->d_name);
        closedir(directory);
    }
    qsort(r->list, r->count, sizeof *r->list, by_name);
}

/* ---- One case in a process ------------------------------------------------------------------ */

static _Noreturn void run_child(const options *o, const result *r, int out)
{
    alarm(TIME_LIMIT);
    dup2(out, STDOUT_FILENO);
    dup2(out, STDERR_FILENO);
    if (!strcmp(o->engine, "interpret"))
        exit(interpret_case(r->directory));
    char command[8192];
    snprintf(command, sizeof command, "exec %s '%s'", o->engine, r->directory);
    execl("/bin/sh", "sh", "-c", command, (char *)NULL);
    _exit(99);
}

/* The exit statuses of the programs. */
static outcome outcome_of(int status)
{
    if (!WIFEXITED(status))
        return CRASH;
    switch (WEXITSTATUS(status)) {
    case RAN_OK:
        return PASS;
    case RAN_UNSUPPORTED:
        return UNSUPPORTED;
    case RAN_INVALID:
    case RAN_USAGE:
    case RAN_MISMATCH:
        return WRONG;
    default:
        return CRASH;
    }
}

/* Keeps the beginning of what the child says and drains the rest. */
static void read_message(int in, char *message)
{
    char rest[4096];
    size_t length = 0;
    for (ssize_t n; (n = read(in, rest, sizeof rest)) > 0;) {
        size_t room = MESSAGE - 1 - length, take = (size_t)n < room ? (size_t)n : room;
        memcpy(message + length, rest, take);
        length += take;
    }
    message[length] = 0;
    message[strcspn(message, "\n")] = 0;
}

static void run_case(const options *o, result *r)
{
    int ends[2], status;
    fflush(NULL);
    if (pipe(ends)) {
        perror("pipe");
        exit(99);
    }
    pid_t child = fork();
    if (child == 0)
        run_child(o, r, ends[1]);
    close(ends[1]);
    read_message(ends[0], r->message);
    close(ends[0]);
    waitpid(child, &status, 0);
    r->outcome = outcome_of(status);
    if (WIFSIGNALED(status) && !*r->message)
        snprintf(r->message, MESSAGE, "signal %d (%s)", WTERMSIG(status),
                 strsignal(WTERMSIG(status)));
}

/* ---- Lists ---------------------------------------------------------------------------------- */

typedef struct line {
    char *name, *reason;
} line;

typedef struct list {
    line *lines;
    size_t count;
} list;

static list read_list(const char *path)
{
    list l = {NULL, 0};
    char text[1024];
    FILE *file = path ? fopen(path, "r") : NULL;
    while (file && fgets(text, sizeof text, file)) {
        text[strcspn(text, "\n")] = 0;
        if (!*text || *text == '#')
            continue;
        char *colon = strchr(text, ':');
        const char *reason = colon ? colon + 1 + strspn(colon + 1, " ") : "";
        if (colon)
            *colon = 0;
        l.lines = must(realloc(l.lines, (l.count + 1) * sizeof *l.lines));
        l.lines[l.count++] = (line){must(strdup(text)), must(strdup(reason))};
    }
    if (file)
        fclose(file);
    return l;
}

static void free_list(list *l)
{
    for (size_t i = 0; i < l->count; i++) {
        free(l->lines[i].name);
        free(l->lines[i].reason);
    }
    free(l->lines);
}

static const line *find_line(const list *l, const char *name)
{
    for (size_t i = 0; i < l->count; i++)
        if (!strcmp(l->lines[i].name, name))
            return &l->lines[i];
    return NULL;
}

static const char *const outcome_names[] = {"pass", "wrong", "unsupported", "crash"};

static void write_lists(const options *o, const results *r)
{
    list old = read_list(o->xfail);
    FILE *pass = must(fopen(o->pass, "w")), *xfail = must(fopen(o->xfail, "w"));
    for (size_t i = 0; i < r->count; i++) {
        const result *c = &r->list[i];
        const line *known = find_line(&old, c->name);
        if (c->outcome == PASS)
            fprintf(pass, "%s\n", c->name);
        else
            fprintf(xfail, "%s: %s\n", c->name,
                    known && *known->reason ? known->reason : outcome_names[c->outcome]);
    }
    if (fclose(pass) || fclose(xfail))
        perror("run_node_cases");
    free_list(&old);
}

/* ---- Verdict -------------------------------------------------------------------------------- */

static int check_lists(const options *o, const results *r)
{
    list pass = read_list(o->pass), xfail = read_list(o->xfail);
    size_t found = 0;
    int failures = 0;
    for (size_t i = 0; i < r->count; i++) {
        const result *c = &r->list[i];
        bool must_pass = find_line(&pass, c->name), may_fail = find_line(&xfail, c->name);
        found += must_pass || may_fail;
        if (must_pass && c->outcome != PASS)
            printf("FAIL: %s must pass: %s\n", c->name, c->message), failures++;
        else if (!must_pass && c->outcome == PASS)
            printf("FAIL: %s passes and is not in %s\n", c->name, o->pass), failures++;
        else if (!must_pass && !may_fail)
            printf("FAIL: %s is in no list: %s\n", c->name, c->message), failures++;
    }
    if (!o->only && found != pass.count + xfail.count)
        printf("FAIL: %zu cases of the lists are not there\n", pass.count + xfail.count - found),
            failures++;
    free_list(&pass);
    free_list(&xfail);
    return failures;
}

static void excuse_broken_cases(const options *o, results *r)
{
    list xfail = read_list(o->xfail);
    for (size_t i = 0; i < r->count; i++) {
        const line *known = find_line(&xfail, r->list[i].name);
        if (known && !strncmp(known->reason, "broken case", 11) && r->list[i].outcome == WRONG)
            r->list[i].outcome = UNSUPPORTED;
    }
    free_list(&xfail);
}

static int check(const options *o, const results *r)
{
    size_t counts[4] = {0};
    for (size_t i = 0; i < r->count; i++) {
        const result *c = &r->list[i];
        counts[c->outcome]++;
        if (o->verbose ? c->outcome != PASS : c->outcome == WRONG || c->outcome == CRASH)
            printf("%s %s: %s\n", outcome_names[c->outcome], c->name, c->message);
    }
    int failures = o->pass && !o->bless ? check_lists(o, r) : 0;
    if (o->pass && o->bless)
        write_lists(o, r);
    printf("%s: %zu cases: %zu pass, %zu wrong, %zu unsupported, %zu crash\n", o->engine, r->count,
           counts[PASS], counts[WRONG], counts[UNSUPPORTED], counts[CRASH]);
    if (counts[PASS] < (size_t)o->minimum)
        printf("FAIL: at least %d must pass\n", o->minimum), failures++;
    return failures || counts[WRONG] || counts[CRASH] || !r->count;
}

/* ---- Options -------------------------------------------------------------------------------- */

static error_t parse_option(int key, char *value, struct argp_state *state)
{
    options *o = state->input;
    switch (key) {
    case 'e':
        o->engine = value;
        return 0;
    case 'p':
        o->pass = value;
        return 0;
    case 'x':
        o->xfail = value;
        return 0;
    case 'o':
        o->only = value;
        return 0;
    case 'm':
        o->minimum = atoi(value);
        return 0;
    case 'b':
        o->bless = true;
        return 0;
    case 'v':
        o->verbose = true;
        return 0;
    case ARGP_KEY_ARGS:
        o->directories = state->argv + state->next;
        o->directory_count = state->argc - state->next;
        return 0;
    case ARGP_KEY_END:
        if (!o->directory_count || !!o->pass != !!o->xfail)
            argp_usage(state);
        return 0;
    default:
        return ARGP_ERR_UNKNOWN;
    }
}

static const struct argp_option option_table[] = {
    {"engine", 'e', "ENGINE", 0, "interpret, or a command that takes a case's directory", 0},
    {"pass", 'p', "FILE", 0, "List of what must pass", 0},
    {"xfail", 'x', "FILE", 0, "List of what does not, with reasons", 0},
    {"only", 'o', "GLOB", 0, "Cases with such a name only", 0},
    {"minimum", 'm', "N", 0, "How many must pass", 0},
    {"bless", 'b', NULL, 0, "Rewrite the lists", 0},
    {"verbose", 'v', NULL, 0, "Print unsupported cases too", 0},
    {0},
};

int main(int argc, char **argv)
{
    static const struct argp parser = {
        option_table, parse_option, "DIR...", "Runs ONNX's node cases.", NULL, NULL, NULL};
    options o = {.engine = "interpret"};
    static results r; /* static: held until the end, not leaked */
    argp_parse(&parser, argc, argv, 0, NULL, &o);
    find_cases(&o, &r);
    for (size_t i = 0; i < r.count; i++)
        run_case(&o, &r.list[i]);
    excuse_broken_cases(&o, &r);
    return check(&o, &r);
}
