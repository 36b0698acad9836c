/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Shared libraries and executables, by the target's own compiler driver (or lld for a shared library
 * where there is no cross compiler). An executable is the model, runtime/rt and a main of its own,
 * compiled from the installed sources.
 */
#include "codegen/emit.h"

#include <errno.h>
#include <spawn.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

extern char **environ;

enum { ARGUMENTS_MAX = 32 };

typedef struct command {
    const char *arguments[ARGUMENTS_MAX];
    size_t count;
} command;

static void add(command *c, const char *argument)
{
    c->arguments[c->count++] = argument;
    c->arguments[c->count] = NULL;
}

/* ---- Running a program -------------------------------------------------------------------------------- */

static bool is_on_path(const char *program)
{
    if (strchr(program, '/'))
        return !access(program, X_OK);
    char candidate[4096];
    for (const char *p = getenv("PATH"); p && *p; p += strcspn(p, ":"), p += *p == ':') {
        snprintf(candidate, sizeof(candidate), "%.*s/%s", (int)strcspn(p, ":"), p, program);
        if (!access(candidate, X_OK))
            return true;
    }
    return false;
}

static ran_status failed(ran_context *context, const command *c, const char *log)
{
    char text[2048] = "";
    FILE *stream = fopen(log, "r");
    if (stream) {
        text[fread(text, 1, sizeof(text) - 1, stream)] = 0;
        fclose(stream);
    }
    return ran_error(context, RAN_INVALID, "%s failed:\n%s", c->arguments[0], text);
}

static ran_status run(ran_context *context, const command *c, const char *log)
{
    pid_t child;
    int status = 0;
    posix_spawn_file_actions_t actions;
    posix_spawn_file_actions_init(&actions);
    posix_spawn_file_actions_addopen(&actions, 2, log, 01101, 0600);
    posix_spawn_file_actions_adddup2(&actions, 2, 1);
    int error = posix_spawnp(&child, c->arguments[0], &actions, NULL, (char **)c->arguments,
                             environ);
    posix_spawn_file_actions_destroy(&actions);
    if (error)
        return ran_error(context, RAN_INVALID, "cannot run %s: %s", c->arguments[0],
                         strerror(error));
    while (waitpid(child, &status, 0) < 0 && errno == EINTR)
        ;
    return WIFEXITED(status) && !WEXITSTATUS(status) ? RAN_OK : failed(context, c, log);
}

/* ---- Tools of a target --------------------------------------------------------------------------------- */

static bool is_host(const ran_compiled *model)
{
#if defined(__x86_64__)
    return model->codegen->target.arch == RAN_ARCH_X86_64;
#elif defined(__aarch64__)
    return model->codegen->target.arch == RAN_ARCH_AARCH64;
#else
    return false;
#endif
}

/* RANCC_CC overrides; NULL when there is none. */
static const char *compiler(const ran_compiled *model)
{
    static const char *const cross[] = {[RAN_ARCH_X86_64] = "x86_64-linux-gnu-gcc",
                                        [RAN_ARCH_AARCH64] = "aarch64-linux-gnu-gcc"};
    const char *chosen = getenv("RANCC_CC");
    if (chosen && *chosen)
        return chosen;
    const char *program = is_host(model) ? "cc" : cross[model->codegen->target.arch];
    return is_on_path(program) ? program : NULL;
}

static const char *lld(void)
{
    static const char *const names[] = {"ld.lld-19", "ld.lld"};
    for (size_t i = 0; i < sizeof(names) / sizeof(*names); i++)
        if (is_on_path(names[i]))
            return names[i];
    return NULL;
}

static ran_status no_compiler(const ran_compiled *model)
{
    return ran_error(model->context, RAN_INVALID,
                     "no C compiler for %s found; install one (Debian: gcc, or "
                     "gcc-aarch64-linux-gnu), name it in RANCC_CC, or emit a .a and link it "
                     "yourself",
                     model->codegen->target.triple);
}

/* ---- The object, then the link ------------------------------------------------------------------------------ */

static ran_status write_object(ran_compiled *model, const char *path)
{
    FILE *stream = fopen(path, "wb");
    if (!stream)
        return ran_error(model->context, RAN_INVALID, "cannot create %s: %s", path,
                         strerror(errno));
    ran_status status = ran_emit_object(model, stream);
    if (fclose(stream) && !status)
        status = ran_error(model->context, RAN_INVALID, "cannot write %s: %s", path,
                           strerror(errno));
    return status;
}

static ran_status link_object(ran_compiled *model, command *c, const char *object,
                              const char *path)
{
    const char *log = ran_intern_printf(model->context, "%s.log", path);
    ran_status status = write_object(model, object);
    if (!status)
        status = run(model->context, c, log);
    unlink(object);
    unlink(log);
    return status;
}

ran_status ran_emit_shared(ran_compiled *model, const char *path)
{
    command c = {.count = 0};
    const char *object = ran_intern_printf(model->context, "%s.o", path);
    const char *cc = compiler(model), *linker = cc ? NULL : lld();
    if (!cc && !linker)
        return no_compiler(model);
    add(&c, cc ? cc : linker);
    add(&c, "-shared");
    add(&c, "-o");
    add(&c, path);
    add(&c, object);
    add(&c, cc ? "-Wl,-z,noexecstack" : "-znoexecstack");
    return link_object(model, &c, object, path);
}

/* Where the runtime's sources and headers are: installed, or in the tree that rancc was built in. */
static const char *runtime_directory(const ran_compiled *model)
{
    const char *chosen = getenv("RANCC_DATA_DIR");
    const char *candidates[] = {chosen ? chosen : "", RAN_PKGDATADIR, RAN_SOURCE_RUNTIME};
    for (size_t i = 0; i < sizeof(candidates) / sizeof(*candidates); i++) {
        const char *probe = ran_intern_printf(model->context, "%s/rt/main.c", candidates[i]);
        if (!access(probe, R_OK))
            return candidates[i];
    }
    return NULL;
}

static void add_runtime(const ran_compiled *model, command *c, const char *directory)
{
    static const char *const sources[] = {"rt/main.c",        "rt/run.c",
                                          "rt/threads.c",     "rt/tensor_file.c",
                                          "rt/tensor_npy.c",  "rt/tensor_proto.c"};
    for (size_t i = 0; i < sizeof(sources) / sizeof(*sources); i++)
        add(c, ran_intern_printf(model->context, "%s/%s", directory, sources[i]));
}

ran_status ran_emit_executable(ran_compiled *model, const char *path)
{
    command c = {.count = 0};
    const char *cc = compiler(model), *directory = runtime_directory(model);
    if (!cc)
        return no_compiler(model);
    if (!directory)
        return ran_error(model->context, RAN_INVALID,
                         "the runtime's sources are not installed (looked in %s); set "
                         "RANCC_DATA_DIR",
                         RAN_PKGDATADIR);
    const char *object = ran_intern_printf(model->context, "%s.o", path);
    add(&c, cc);
    add(&c, "-O2");
    add(&c, ran_intern_printf(model->context, "-DRAN_MODEL_DESC=%s_desc", model->prefix));
    add(&c, ran_intern_printf(model->context, "-I%s", RAN_INCLUDEDIR));
    add(&c, ran_intern_printf(model->context, "-I%s", RAN_SOURCE_INCLUDE));
    add(&c, ran_intern_printf(model->context, "-I%s/rt", directory));
    add(&c, "-o");
    add(&c, path);
    add_runtime(model, &c, directory);
    add(&c, object);
    add(&c, "-pthread");
    add(&c, "-ldl");
    add(&c, "-lm");
    return link_object(model, &c, object, path);
}
