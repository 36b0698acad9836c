/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Programs for another machine, run by a command such as an emulator: the model becomes an executable
 * in a directory of its own, tensors go to it and come back in files.
 */
#include "tools/run/run.h"

#include <dirent.h>
#include <errno.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "ir/ir.h"

extern char **environ;

typedef struct runner {
    run_engine engine;
    ran_context *context;
    const ran_function *function;
    const char *command;
    unsigned threads;
    char directory[4096];
} runner;

/* ---- Files ------------------------------------------------------------------------------------------ */

static const char *file(const runner *r, const char *name)
{
    return ran_intern_printf(r->context, "%s/%s", r->directory, name);
}

static const char *numbered(const runner *r, const char *kind, size_t index)
{
    return ran_intern_printf(r->context, "%s/%s_%zu.pb", r->directory, kind, index);
}

static ran_status create_directory(runner *r)
{
    const char *parent = getenv("TMPDIR");
    snprintf(r->directory, sizeof(r->directory), "%s/ran-run-XXXXXX",
             parent && *parent ? parent : "/tmp");
    if (mkdtemp(r->directory))
        return RAN_OK;
    ran_status status = ran_error(r->context, RAN_INVALID, "cannot create %s: %s", r->directory,
                                  strerror(errno));
    r->directory[0] = 0;
    return status;
}

static void remove_directory(const runner *r)
{
    DIR *directory = opendir(r->directory);
    for (struct dirent *entry; directory && (entry = readdir(directory));)
        if (strcmp(entry->d_name, ".") && strcmp(entry->d_name, ".."))
            unlink(file(r, entry->d_name));
    if (directory)
        closedir(directory);
    rmdir(r->directory);
}

/* ---- Starting the program ------------------------------------------------------------------------- */

typedef struct arguments {
    char **words;
    size_t count;
} arguments;

static void add(arguments *a, const char *word, size_t length)
{
    a->words = realloc(a->words, (a->count + 2) * sizeof(*a->words));
    if (!a->words)
        abort();
    a->words[a->count++] = strndup(word, length);
    a->words[a->count] = NULL;
}

static void add_word(arguments *a, const char *word)
{
    add(a, word, strlen(word));
}

static void clear(arguments *a)
{
    for (size_t i = 0; i < a->count; i++)
        free(a->words[i]);
    free(a->words);
}

static size_t input_count(const runner *r)
{
    return ran_region_argument_count(ran_function_body(r->function));
}

static size_t output_count(const runner *r)
{
    return ran_op_operand_count(ran_region_terminator(ran_function_body(r->function)));
}

/* The runner's words, the program, its options and inputs. */
static arguments command_line(const runner *r, double bench)
{
    arguments a = {0};
    for (const char *p = r->command; *p; p += strcspn(p, " \t"), p += strspn(p, " \t"))
        if (strcspn(p, " \t"))
            add(&a, p, strcspn(p, " \t"));
    add_word(&a, file(r, "model"));
    add_word(&a, ran_intern_printf(r->context, "--threads=%u", r->threads));
    add_word(&a, bench > 0 ? ran_intern_printf(r->context, "--bench=%g", bench)
                           : ran_intern_printf(r->context, "--output-dir=%s", r->directory));
    add_word(&a, "--");
    for (size_t i = 0; i < input_count(r); i++)
        add_word(&a, numbered(r, "input", i));
    return a;
}

static ran_status failed(const runner *r, const char *program, int status)
{
    char text[2048] = "";
    FILE *stream = fopen(file(r, "stderr"), "r");
    if (stream) {
        text[fread(text, 1, sizeof(text) - 1, stream)] = 0;
        fclose(stream);
    }
    text[strcspn(text, "\n")] = 0;
    if (WIFSIGNALED(status))
        return ran_error(r->context, RAN_INVALID, "%s was killed by signal %d %s", program,
                         WTERMSIG(status), text);
    return ran_error(r->context, RAN_INVALID, "%s ended with status %d: %s", program,
                     WEXITSTATUS(status), text);
}

/* Its output goes to the files stdout and stderr. */
static ran_status start(const runner *r, double bench)
{
    pid_t child;
    int status = 0;
    arguments a = command_line(r, bench);
    posix_spawn_file_actions_t actions;
    posix_spawn_file_actions_init(&actions);
    posix_spawn_file_actions_addopen(&actions, 1, file(r, "stdout"), 01101, 0600);
    posix_spawn_file_actions_addopen(&actions, 2, file(r, "stderr"), 01101, 0600);
    int error = posix_spawnp(&child, a.words[0], &actions, NULL, a.words, environ);
    posix_spawn_file_actions_destroy(&actions);
    ran_status result = RAN_OK;
    if (error)
        result = ran_error(r->context, RAN_INVALID, "cannot run %s (--runner): %s", a.words[0],
                           strerror(error));
    while (!error && waitpid(child, &status, 0) < 0 && errno == EINTR)
        ;
    if (!error && (!WIFEXITED(status) || WEXITSTATUS(status)))
        result = failed(r, a.words[0], status);
    clear(&a);
    return result;
}

/* ---- The engine -------------------------------------------------------------------------------------- */

static ran_status write_inputs(const runner *r, const ran_tensor *const *inputs)
{
    ran_status status = RAN_OK;
    const ran_region *body = ran_function_body(r->function);
    for (size_t i = 0; !status && i < input_count(r); i++)
        status = run_tensor_write(r->context, numbered(r, "input", i),
                                  ran_value_name(ran_region_argument(body, i)), inputs[i]);
    return status;
}

static ran_status run(run_engine *self, const ran_tensor *const *inputs, ran_tensor **out_results)
{
    const runner *r = (const runner *)self;
    ran_status status = write_inputs(r, inputs);
    if (!status)
        status = start(r, 0);
    for (size_t i = 0; !status && i < output_count(r); i++)
        status = run_tensor_read(r->context, numbered(r, "output", i), &out_results[i]);
    return status;
}

static ran_status bench(run_engine *self, const ran_tensor *const *inputs, double seconds,
                        run_timing *out_timing)
{
    const runner *r = (const runner *)self;
    ran_status status = write_inputs(r, inputs);
    if (!status)
        status = start(r, seconds);
    if (status)
        return status;
    unsigned long runs = 0;
    FILE *stream = fopen(file(r, "stdout"), "r");
    int found = stream ? fscanf(stream, "%lu runs, median %lf ms, min %lf, p90 %lf", &runs,
                                &out_timing->median_ms, &out_timing->min_ms, &out_timing->p90_ms)
                       : 0;
    if (stream)
        fclose(stream);
    out_timing->runs = runs;
    return found == 4 ? RAN_OK
                      : ran_error(r->context, RAN_INVALID, "the program did not print its times");
}

static void destroy(run_engine *self)
{
    runner *r = (runner *)self;
    if (r->directory[0])
        remove_directory(r);
    free(r);
}

ran_status run_runner_create(ran_module *module, const ran_function *function,
                             const ran_compile_options *options, const char *command,
                             unsigned threads, run_engine **out_engine)
{
    ran_context *context = ran_module_context(module);
    ran_compiled *compiled = NULL;
    ran_compile_options embedded = *options;
    embedded.weights = RAN_WEIGHTS_EMBED;
    runner *r = calloc(1, sizeof(*r));
    if (!r)
        abort();
    r->engine = (run_engine){"runner", run, bench, destroy};
    r->context = context;
    r->function = function;
    r->command = command;
    r->threads = threads;
    ran_status status = create_directory(r);
    if (!status)
        status = ran_compile(module, &embedded, &compiled);
    if (!status)
        status = ran_compiled_emit(compiled, RAN_EMIT_EXECUTABLE, file(r, "model"));
    ran_compiled_destroy(compiled);
    if (status)
        destroy(&r->engine);
    else
        *out_engine = &r->engine;
    return status;
}
