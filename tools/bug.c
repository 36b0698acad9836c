/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "tools/bug.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "config.h"
#include "ir/noise.h"
#include "tools/model.h"

/* Seconds that the reproducer may take; where memory is corrupt it may never end. */
enum { PATIENCE = 60 };

static int command_argc;
static char **command_argv;

static bool is_model(const char *argument)
{
    struct stat status;
    const char *dot = strrchr(argument, '.');
    if (argument[0] == '-' || stat(argument, &status))
        return false;
    return S_ISDIR(status.st_mode) || (dot && (!strcmp(dot, ".onnx") || !strcmp(dot, ".ran")));
}

/* The model again, as it was before anything was done to it. */
static ran_module *reload(ran_context *context)
{
    ran_module *module = NULL;
    for (int i = 1; i < command_argc && !module; i++)
        if (is_model(command_argv[i]) &&
            ran_model_load(context, command_argv[i], NULL, &module) != RAN_OK)
            module = NULL;
    return module;
}

static void print_command(FILE *stream)
{
    fputs("// rancc " PACKAGE_VERSION ", LLVM " RAN_LLVM_VERSION "\n//", stream);
    for (int i = 0; i < command_argc; i++) {
        fputc(' ', stream);
        for (const char *c = command_argv[i]; *c; c++)
            fputc(*c == '\n' ? ' ' : *c, stream);
    }
    fputs("\n// The model with its weights replaced by noise:\n", stream);
}

static bool write_reproducer(const char *path)
{
    ran_context *context = ran_context_create();
    ran_module *module = context ? reload(context) : NULL;
    if (!module)
        return false;
    ran_module_disguise_weights(module);
    FILE *stream = fopen(path, "w");
    if (!stream)
        return false;
    print_command(stream);
    bool written = ran_module_print(module, stream, NULL) == RAN_OK;
    written = fclose(stream) == 0 && written;
    if (!written)
        remove(path);
    return written;
}

static void give_up(int signal)
{
    (void)signal;
    static const char text[] = "rancc: no reproducer could be written; please report the command\n";
    ssize_t ignored = write(STDERR_FILENO, text, sizeof(text) - 1);
    (void)ignored;
    _exit(RAN_INTERNAL);
}

/* Runs where abort() was called, so that more than async-signal-safe functions work as a rule;
 * where they don't, the second signal or the alarm ends it. */
static void on_abort(int number)
{
    char path[64];
    signal(number, give_up);
    signal(SIGSEGV, give_up);
    signal(SIGALRM, give_up);
    alarm(PATIENCE);
    sigset_t all;
    sigemptyset(&all);
    sigprocmask(SIG_SETMASK, &all, NULL);
    snprintf(path, sizeof(path), "rancc-bug-%ld.ran", (long)getpid());
    if (!write_reproducer(path))
        give_up(number);
    fprintf(stderr, "rancc: this is a bug in rancc; please report it with the file %s\n", path);
    fflush(stderr);
    _exit(RAN_INTERNAL);
}

void ran_tool_catch_bugs(int argc, char **argv)
{
    /* A copy: argp changes the order. */
    command_argv = malloc(((size_t)argc + 1) * sizeof(*argv));
    if (command_argv)
        memcpy(command_argv, argv, ((size_t)argc + 1) * sizeof(*argv));
    command_argc = command_argv ? argc : 0;
    signal(SIGABRT, on_abort);
}
